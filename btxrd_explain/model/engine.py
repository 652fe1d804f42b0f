"""Predictions and the class-activation grids of all classes from one forward pass.

The forward pass runs without autograd up to the target layer. There its output is detached and made to require a
gradient, so that only the head behind it is recorded, and ``torch.autograd.grad`` goes from each class score back
to that layer and no further. Hence frozen networks work, no ``.grad`` is filled and no hook is left behind.
"""

from __future__ import annotations

import warnings
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from btxrd_explain.core.cam import NATIVE, RawGrid
from btxrd_explain.core.choices import Precision, ResizeMode
from btxrd_explain.core.geometry import Frame, Size
from btxrd_explain.core.heatmap import MapStatus, heat_map, judge
from btxrd_explain.errors import SettingsError
from btxrd_explain.model.layers import AUTO, TargetLayer, find_target_layers
from btxrd_explain.model.scores import checked_scores, class_probabilities

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

PRECISIONS: Mapping[str, torch.dtype] = {
    Precision.FP32: torch.float32,
    Precision.BF16: torch.bfloat16,
    Precision.FP16: torch.float16,
}

_SCALE = 1024.0
"""Scores are scaled by this before going back, and gradients divided by it, so that half precision loses nothing."""


class DegenerateMapWarning(UserWarning):
    """A heat map is all zero because its raw grid holds no usable evidence."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """What one pass says about a batch of ``B`` radiographs and ``C`` classes.

    Attributes:
        probabilities: Softmax of the class scores, float32, shape ``(B, C)``.
        grids: Raw class-activation grids, float32, signed, shape ``(B, C, h, w)``.
        statuses: For each radiograph and class what its grid is worth.
    """

    probabilities: NDArray[np.float32]
    grids: NDArray[np.float32]
    statuses: tuple[tuple[MapStatus, ...], ...]


def explain(
    network: nn.Module,
    layers: Sequence[TargetLayer],
    batch: Tensor,
    *,
    method: str = "gradcam",
    precision: str = "fp32",
) -> Explanation:
    """Predict a batch and explain every class of it, in one forward pass for the native methods.

    Args:
        network: The classifier, in eval mode, frozen or not; it returns class scores (logits).
        layers: The layers to explain. The grids of several are each scaled by their maximum, brought to the finest
            grid and averaged.
        batch: Preprocessed radiographs, shape ``(B, channels, height, width)``, on the network's device.
        method: Name of the method, see :data:`btxrd_explain.core.methods.METHODS`.
        precision: ``fp32``, or ``bf16`` or ``fp16`` for automatic mixed precision; grids are always summed in float32.

    Returns:
        The explanation, on the CPU.

    Raises:
        SettingsError: A layer does not run exactly once, or does not lead to the scores.
        CheckpointError: The network has one output.
    """
    with torch.inference_mode(mode=False):
        batch = batch.clone() if batch.is_inference() else batch
        mixed = torch.autocast(batch.device.type, PRECISIONS[precision], enabled=precision != "fp32")
        if method in NATIVE:
            scores, per_layer = _native(network, layers, batch, method, mixed)
        else:
            with mixed:
                scores, per_layer = _of_library(network, layers, batch, method)
    return _explanation(scores, per_layer[0] if len(per_layer) == 1 else _averaged(per_layer))


def generate_gradcam(
    model: nn.Module,
    image: Tensor,
    target_layer: str = AUTO,
    target_class: int | None = None,
) -> NDArray[np.float32]:
    """Compute the Grad-CAM heat map of one preprocessed radiograph.

    Args:
        model: A classifier that returns class scores; it is put into eval mode for the call, and back.
        image: Shape ``(channels, height, width)`` or ``(1, channels, height, width)``, on the model's device.
        target_layer: Dotted module name (or several, separated by commas), or ``auto`` for what the head receives.
        target_class: Index of the class to explain; None explains the predicted class.

    Returns:
        Float32 array of shape ``(height, width)`` in [0, 1], the input's size; scaled per image. All 0, with a
        :class:`DegenerateMapWarning`, where the raw grid holds no positive evidence, is flat or not finite.

    Raises:
        ValueError: The image has another shape, or the class does not exist.
        SettingsError: The layer does not exist or cannot be explained.
        CheckpointError: The network has one output.
    """
    batch = image[None] if image.ndim == 3 else image
    if batch.ndim != 4 or len(batch) != 1:
        raise ValueError(f"expected one image of shape (channels, height, width), got {tuple(image.shape)}")
    size = Size(*batch.shape[2:])
    with _evaluating(model):
        layers = find_target_layers(model, target_layer, input_size=size, channels=batch.shape[1])
        explanation = explain(model, layers, batch)
    probabilities = explanation.probabilities[0]
    if target_class is None:
        target_class = int(np.argmax(probabilities))
    if not 0 <= target_class < len(probabilities):
        raise ValueError(f"target_class must lie in 0..{len(probabilities) - 1}, got {target_class}")
    frame = Frame.fit(size, size, ResizeMode.SQUASH)
    result = heat_map(explanation.grids[0, target_class], frame, status=explanation.statuses[0][target_class])
    if result.status is not MapStatus.OK:
        warnings.warn(f"the heat map of class {target_class} is empty: {result.status}", DegenerateMapWarning, 2)
    return result.values


def _native(
    network: nn.Module, layers: Sequence[TargetLayer], batch: Tensor, method: str, mixed: torch.autocast
) -> tuple[Tensor, list[list[RawGrid]]]:
    """Compute scores, and per layer and class the raw grids of the batch, in one forward pass."""
    with torch.no_grad(), ExitStack() as stack:
        captured = [stack.enter_context(_captured(layer)) for layer in layers]
        with mixed:
            scores = checked_scores(network(batch))
    outputs = [_only(seen, layer) for seen, layer in zip(captured, layers, strict=True)]
    if not scores.requires_grad:
        names = ", ".join(layer.name for layer in layers)
        raise SettingsError(f"the class scores do not depend on layer '{names}'", hint="choose another --target-layer")
    per_layer: list[list[RawGrid]] = [[] for _ in layers]
    for gradients in _gradients(scores, outputs):
        for layer, output, gradient, grids in zip(layers, outputs, gradients, per_layer, strict=True):
            to_grid = layer.layout.to_grid
            grids.append(NATIVE[method](to_grid(output.detach()), to_grid(gradient) / _SCALE))
    return scores.detach(), per_layer


def _of_library(
    network: nn.Module, layers: Sequence[TargetLayer], batch: Tensor, method: str
) -> tuple[Tensor, list[list[RawGrid]]]:
    """Compute the same with a method of pytorch-grad-cam."""
    from btxrd_explain.model.library import library_grids  # noqa: PLC0415 -- importing it takes over a second

    results = [library_grids(network, layer, batch, method) for layer in layers]
    return results[0][0], [grids for _, grids in results]


@contextmanager
def _captured(layer: TargetLayer) -> Iterator[list[Tensor]]:
    """Collect the layer's outputs; from the first one on the forward pass is recorded by autograd."""
    outputs: list[Tensor] = []

    def capture(_module: nn.Module, _inputs: Any, output: Any) -> Any:  # noqa: ANN401 -- torch's hook type
        if not isinstance(output, Tensor):
            raise SettingsError(
                f"layer '{layer.name}' returns a {type(output).__name__}, not a tensor",
                hint="choose another --target-layer",
            )
        torch.set_grad_enabled(True)  # the caller's no_grad restores the mode
        outputs.append(output if output.requires_grad else output.detach().requires_grad_())
        return outputs[-1].clone()  # what follows may work in place, which a leaf forbids

    handle = layer.module.register_forward_hook(capture)
    try:
        yield outputs
    finally:
        handle.remove()


@contextmanager
def _evaluating(network: nn.Module) -> Iterator[None]:
    """Put a network into eval mode and give every module its own mode back."""
    modes = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


def _only(outputs: list[Tensor], layer: TargetLayer) -> Tensor:
    """Return the one output that the layer gave."""
    if len(outputs) != 1:
        raise SettingsError(
            f"layer '{layer.name}' ran {len(outputs)} times in one pass", hint="choose a layer that runs once"
        )
    return outputs[0]


def _gradients(scores: Tensor, outputs: Sequence[Tensor]) -> Iterator[tuple[Tensor, ...]]:
    """Yield the scaled gradients of each class score with respect to the layers' outputs.

    The scores of a batch are summed: in eval mode no radiograph depends on another, so that each gets its own.
    """
    classes = scores.shape[1]
    for index in range(classes):
        score = scores[:, index].float().sum() * _SCALE
        yield torch.autograd.grad(score, outputs, retain_graph=index + 1 < classes, materialize_grads=True)


def _averaged(per_layer: list[list[RawGrid]]) -> list[RawGrid]:
    """Average the positive evidence of several layers, each scaled by its maximum, on the finest grid."""
    finest = max((grids[0].grid.shape[1:] for grids in per_layer), key=lambda shape: shape[0] * shape[1])
    averaged = []
    for of_class in zip(*per_layer, strict=True):
        parts = [raw.grid.clamp(min=0) for raw in of_class]
        peaks = [part.amax(dim=(1, 2), keepdim=True).clamp(min=torch.finfo(torch.float32).tiny) for part in parts]
        scaled = [(part / peak)[:, None] for part, peak in zip(parts, peaks, strict=True)]
        resized = [nn.functional.interpolate(part, size=tuple(finest), mode="bilinear") for part in scaled]
        averaged.append(RawGrid(torch.stack(resized).mean(dim=0)[:, 0], torch.ones(len(parts[0]))))
    return averaged


def _explanation(scores: Tensor, raw: list[RawGrid]) -> Explanation:
    """Bring the results to the CPU and judge each grid."""
    grids = torch.stack([grid for grid, _ in raw], dim=1).cpu().numpy()
    magnitudes = torch.stack([magnitude for _, magnitude in raw], dim=1).cpu().numpy()
    statuses = tuple(
        tuple(judge(grid, float(magnitude)) for grid, magnitude in zip(*image, strict=True))
        for image in zip(grids, magnitudes, strict=True)
    )
    return Explanation(class_probabilities(scores).cpu().numpy(), grids, statuses)
