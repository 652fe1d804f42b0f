"""Predictions and the class-activation grids of all classes from one forward pass.

The forward pass runs without autograd up to the target layer. There its output is detached and made to require a
gradient, so that only the head behind it is recorded, and ``torch.autograd.grad`` goes from each class score back
to that layer and no further. Hence frozen networks work, no ``.grad`` is filled and no hook is left behind.
"""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from btxrd_explain.core.cam import RawGrid, gradcam
from btxrd_explain.core.geometry import Frame, ResizeMode, Size
from btxrd_explain.core.heatmap import MapStatus, heat_map, judge
from btxrd_explain.errors import SettingsError
from btxrd_explain.model.layers import AUTO, TargetLayer, find_target_layer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray


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


def explain(network: nn.Module, layer: TargetLayer, batch: Tensor) -> Explanation:
    """Predict a batch and explain every class of it, in one forward pass.

    Args:
        network: The classifier, in eval mode, frozen or not; it returns class scores (logits).
        layer: The layer to explain.
        batch: Preprocessed radiographs, shape ``(B, channels, height, width)``, on the network's device.

    Returns:
        The explanation, on the CPU.

    Raises:
        SettingsError: The layer does not run exactly once, or does not lead to the scores.
    """
    with torch.inference_mode(mode=False):
        with torch.no_grad(), _captured(layer) as outputs:
            scores = network(batch.clone() if batch.is_inference() else batch)
        output = _only(outputs, layer)
        if not scores.requires_grad:
            raise SettingsError(
                f"the class scores do not depend on layer '{layer.name}'",
                hint="choose another --target-layer",
            )
        activations = layer.layout.to_grid(output.detach())
        raw = [gradcam(activations, layer.layout.to_grid(gradient)) for gradient in _gradients(scores, output)]
    return _explanation(scores.detach(), raw)


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
        target_layer: Dotted module name, or ``auto`` for the feature map that the head receives.
        target_class: Index of the class to explain; None explains the predicted class.

    Returns:
        Float32 array of shape ``(height, width)`` in [0, 1], the input's size; scaled per image. All 0, with a
        :class:`DegenerateMapWarning`, where the raw grid holds no positive evidence, is flat or not finite.

    Raises:
        ValueError: The image has another shape, or the class does not exist.
        SettingsError: The layer does not exist or cannot be explained.
    """
    batch = image[None] if image.ndim == 3 else image
    if batch.ndim != 4 or len(batch) != 1:
        raise ValueError(f"expected one image of shape (channels, height, width), got {tuple(image.shape)}")
    size = Size(*batch.shape[2:])
    with _evaluating(model):
        layer = find_target_layer(model, target_layer, input_size=size, channels=batch.shape[1])
        explanation = explain(model, layer, batch)
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


@contextmanager
def _captured(layer: TargetLayer) -> Iterator[list[Tensor]]:
    """Collect the layer's outputs as leaves of autograd; from there on the forward pass is recorded."""
    outputs: list[Tensor] = []

    def capture(_module: nn.Module, _inputs: Any, output: Any) -> Any:  # noqa: ANN401 -- torch's hook type
        if not isinstance(output, Tensor):
            raise SettingsError(
                f"layer '{layer.name}' returns a {type(output).__name__}, not a tensor",
                hint="choose another --target-layer",
            )
        torch.set_grad_enabled(True)  # the caller's no_grad restores the mode
        outputs.append(output.detach().requires_grad_())
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


def _gradients(scores: Tensor, output: Tensor) -> Iterator[Tensor]:
    """Yield the gradient of each class score with respect to the layer's output.

    The scores of a batch are summed: in eval mode no radiograph depends on another, so that each gets its own.
    """
    classes = scores.shape[1]
    for index in range(classes):
        (gradient,) = torch.autograd.grad(scores[:, index].sum(), output, retain_graph=index + 1 < classes)
        yield gradient


def _explanation(scores: Tensor, raw: list[RawGrid]) -> Explanation:
    """Bring the results to the CPU and judge each grid."""
    grids = torch.stack([grid for grid, _ in raw], dim=1).cpu().numpy()
    magnitudes = torch.stack([magnitude for _, magnitude in raw], dim=1).cpu().numpy()
    statuses = tuple(
        tuple(judge(grid, float(magnitude)) for grid, magnitude in zip(*image, strict=True))
        for image in zip(grids, magnitudes, strict=True)
    )
    return Explanation(torch.softmax(scores.float(), dim=1).cpu().numpy(), grids, statuses)
