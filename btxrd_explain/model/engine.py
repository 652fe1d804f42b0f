"""Predictions and the class-activation grids of all classes from one forward pass.

The forward pass runs without autograd up to the target layer. There its output is detached and made to require a
gradient, so that only the head behind it is recorded, and ``torch.autograd.grad`` goes from each class score back
to that layer and no further. Hence frozen networks work, no ``.grad`` is filled and no hook is left behind.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn

from btxrd_explain.core.cam import NATIVE, RawGrid, weighted_sum
from btxrd_explain.core.choices import Activation, Precision, Smooth
from btxrd_explain.core.geometry import Size
from btxrd_explain.core.heatmap import MapStatus, judge_each
from btxrd_explain.core.methods import MAP_SIZE, METHODS, check_installed
from btxrd_explain.core.metrics.baselines import CHANNEL_DRAWS, channel_weights
from btxrd_explain.errors import SettingsError
from btxrd_explain.model.scores import class_probabilities, class_scores, score_matrix
from btxrd_explain.model.smoothing import combined, further_views
from btxrd_explain.plain import kind_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from btxrd_explain.model.layers import TargetLayer

PRECISIONS: Mapping[str, torch.dtype] = {
    Precision.FP32: torch.float32,
    Precision.BF16: torch.bfloat16,
    Precision.FP16: torch.float16,
}

_SCALE = 1024.0
"""Scores are scaled by this before going back, and gradients divided by it, so that half precision loses nothing."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """What one pass says about a batch of ``B`` radiographs and ``C`` classes.

    Attributes:
        probabilities: Class probabilities, float32, shape ``(B, C)``.
        grids: Raw class-activation grids, float32, signed, shape ``(B, k, h, w)``: those of the classes that were asked
            for, in their order, and then NaN; all ``k = C`` unless others were.
        statuses: For each radiograph and class what its grid is worth; ``not_computed`` of those not asked for.
        stds: Of an ensemble the standard deviations of the probabilities, float32, shape ``(B, C)``.
        agreements: Of an ensemble how far the maps agree, float32, shape ``(B, C)``, NaN where that is undefined; see
            :func:`btxrd_explain.model.ensemble.averaged`.
        random_channels: Grids of the same activations with random channel weights, float32, signed, shape
            ``(B, CHANNEL_DRAWS, h, w)``, each divided by its largest magnitude; 0 where it says nothing, NaN where it
            is not finite. None where they were not asked for.
        activation: What turned the outputs into probabilities, and the layer that was explained, where they were
            looked for.
        layer: Its dotted name, or several; None of a method that looks at none.
    """

    probabilities: NDArray[np.float32]
    grids: NDArray[np.float32]
    statuses: tuple[tuple[MapStatus, ...], ...]
    stds: NDArray[np.float32] | None = None
    agreements: NDArray[np.float32] | None = None
    random_channels: NDArray[np.float32] | None = None
    activation: Activation | None = None
    layer: str | None = None


Choose: TypeAlias = "Callable[[NDArray[np.float32]], Sequence[Sequence[int]]]"
"""Says of probabilities, shape ``(B, C)``, which classes of each radiograph are explained: indices in their order."""


Chosen: TypeAlias = "Sequence[Sequence[int]]"


def every_class(probabilities: NDArray[np.float32] | Tensor) -> list[range]:
    """Return all classes of each radiograph."""
    return [range(probabilities.shape[1])] * len(probabilities)


def _chosen(choose: Choose, scores: Tensor, activation: Activation) -> Chosen:
    """Return the classes to explain; a GPU is waited for only where they depend on what it computes."""
    if choose is every_class:
        return every_class(scores)
    return choose(class_probabilities(scores, activation).cpu().numpy())


def explain(  # noqa: PLR0913 -- a keyword for each choice that moves a map
    network: nn.Module,
    layers: Sequence[TargetLayer],
    batch: Tensor,
    *,
    method: str = "gradcam",
    precision: str = "fp32",
    activation: Activation = Activation.SOFTMAX,
    choose: Choose = every_class,
    map_size: int = MAP_SIZE,
    smooth: Smooth = Smooth.NONE,
    randomised: Sequence[str] = (),
) -> Explanation:
    """Predict a batch and explain classes of it, in one forward pass for the native methods.

    Args:
        network: The classifier, in eval mode, frozen or not; see :func:`btxrd_explain.model.scores.take_scores`.
        layers: The layers to explain; none for methods that look at none. The grids of several are each scaled by their
            maximum, brought to the finest grid and averaged.
        batch: Preprocessed radiographs, shape ``(B, channels, height, width)``, on the network's device.
        method: Name of the method, see :data:`btxrd_explain.core.methods.METHODS`.
        precision: ``fp32``, or ``bf16`` or ``fp16`` for automatic mixed precision; grids are always summed in float32.
        activation: What turns the network's outputs into probabilities. Maps explain the class scores before it.
        choose: Says which classes are explained; no gradient of another one is computed.
        map_size: Cells on a side of a map of pixels, at most as many as the input has pixels.
        smooth: Over which views of a radiograph raw maps are averaged; its prediction is that of the plain one.
        randomised: Names of the radiographs, which decide about the random weights of their channels; without them the
            activations are not weighted at random. A method of pixels looks at no channels.

    Returns:
        The explanation, on the CPU; of two classes, the negative one first, where the network has one output.

    Raises:
        SettingsError: A layer does not run, or does not lead to the scores; the network returns no scores, or has one
            output that is to have a softmax; the method is not installed, or cannot explain this network.
    """
    with torch.inference_mode(mode=False):
        batch = batch.clone() if batch.is_inference() else batch
        mixed = torch.autocast(batch.device.type, PRECISIONS[precision], enabled=precision != "fp32")

        def passed(view: Tensor, choose: Choose) -> tuple[Tensor, Chosen, list[RawGrid]]:
            if METHODS[method].pixels:
                size = Size(*(min(map_size, side) for side in view.shape[2:]))
                with mixed:
                    scores, chosen, per_layer = _of_captum(network, layers, view, method, activation, choose, size)
            else:
                scores, chosen, per_layer = _of_layers(
                    network, layers, view, method, mixed, activation, choose, names=randomised
                )
            return scores, chosen, per_layer[0] if len(per_layer) == 1 else _averaged(per_layer)

        scores, chosen, raw = passed(batch, choose)
        further = further_views(batch, smooth, raw[0].grid.shape[1:])
        again = choose if choose is every_class else lambda _: chosen
        views = [raw, *(passed(view, again)[2] for view in further)]
    drawn = CHANNEL_DRAWS if randomised and not METHODS[method].pixels else 0
    return _explanation(class_probabilities(scores, activation).cpu().numpy(), chosen, views, smooth, drawn)


def joined(parts: Sequence[Explanation]) -> Explanation:
    """Return what several passes of one network say, one radiograph after another."""
    names = ("probabilities", "grids", *(() if parts[0].random_channels is None else ("random_channels",)))
    arrays: dict[str, Any] = {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
    return Explanation(statuses=tuple(statuses for part in parts for statuses in part.statuses), **arrays)


def _of_layers(  # noqa: PLR0913 -- what explain is given
    network: nn.Module,
    layers: Sequence[TargetLayer],
    batch: Tensor,
    method: str,
    mixed: torch.autocast,
    activation: Activation,
    choose: Choose,
    *,
    names: Sequence[str],
) -> tuple[Tensor, Chosen, list[list[RawGrid]]]:
    """Compute scores, and per layer and place the raw grids of the batch; those of random channels come last."""
    native = method in NATIVE
    with mixed:
        scores, outputs = _passed(network, layers if native or names else (), batch, activation)
        known = scores.detach()
        chosen = _chosen(choose, known, activation)
    if native:
        per_layer = _native(layers, outputs, scores, method, chosen)
    else:
        with mixed:
            per_layer = _of_library(network, layers, batch, method, known, chosen, activation)
    if names:
        per_layer = [
            [*grids, *_random_channels(layer.layout.to_grid(output.detach()), names, grids[0].grid.device)]
            for layer, output, grids in zip(layers, outputs, per_layer, strict=True)
        ]
    return known, chosen, per_layer


def _passed(
    network: nn.Module, layers: Sequence[TargetLayer], batch: Tensor, activation: Activation
) -> tuple[Tensor, list[Tensor]]:
    """Return class scores and the outputs of layers, from where on autograd has recorded the pass."""
    with torch.no_grad(), ExitStack() as stack:
        captured = [stack.enter_context(_captured(layer)) for layer in layers]
        scores = class_scores(score_matrix(network(batch), len(batch)), activation)
    return scores, [_only(seen, layer) for seen, layer in zip(captured, layers, strict=True)]


def _native(
    layers: Sequence[TargetLayer], outputs: Sequence[Tensor], scores: Tensor, method: str, chosen: Chosen
) -> list[list[RawGrid]]:
    """Compute, per layer and place, the raw grids of a batch from the one pass that there was."""
    if not scores.requires_grad:
        names = ", ".join(layer.name for layer in layers)
        raise SettingsError(f"the class scores do not depend on layer '{names}'", hint="choose another --target-layer")
    per_layer: list[list[RawGrid]] = [[] for _ in layers]
    for gradients in _gradients(scores, outputs, chosen):
        for layer, output, gradient, grids in zip(layers, outputs, gradients, per_layer, strict=True):
            to_grid = layer.layout.to_grid
            grids.append(NATIVE[method](to_grid(output.detach()), to_grid(gradient) / _SCALE))
    return per_layer


def _random_channels(activations: Tensor, names: Sequence[str], device: torch.device) -> list[RawGrid]:
    """Sum the channels of each named radiograph with random weights of its own, draw by draw, for a device."""
    weights = np.stack([channel_weights(name, activations.shape[1]) for name in names])
    drawn = torch.from_numpy(weights).to(activations.device).unbind(1)
    grids = (weighted_sum(activations, of_draw) for of_draw in drawn)
    return [RawGrid(raw.grid.to(device), raw.magnitude.to(device)) for raw in grids]


def _of_library(
    network: nn.Module,
    layers: Sequence[TargetLayer],
    batch: Tensor,
    method: str,
    scores: Tensor,
    chosen: Chosen,
    activation: Activation,
) -> list[list[RawGrid]]:
    """Compute the same with a method of pytorch-grad-cam."""
    from btxrd_explain.model.library import library_grids  # noqa: PLC0415 -- importing it takes over a second

    return [library_grids(network, layer, batch, method, scores, chosen, activation) for layer in layers]


def _of_captum(
    network: nn.Module,
    layers: Sequence[TargetLayer],
    batch: Tensor,
    method: str,
    activation: Activation,
    choose: Choose,
    size: Size,
) -> tuple[Tensor, Chosen, list[list[RawGrid]]]:
    """Compute the same with a method of captum, once where it looks at no layer."""
    check_installed(method)
    from btxrd_explain.model.attribution import pixel_maps, watching  # noqa: PLC0415 -- an extra

    with torch.no_grad(), watching(network, method):
        outputs = network(batch)
    scores = class_scores(score_matrix(outputs, len(batch)), activation).detach()
    chosen = _chosen(choose, scores, activation)
    looked_at = layers if METHODS[method].layer else (None,)
    grids = [pixel_maps(network, layer, batch, method, chosen, activation, size) for layer in looked_at]
    return scores, chosen, grids


@contextmanager
def _captured(layer: TargetLayer) -> Iterator[list[Tensor]]:
    """Collect the output of the run that counts; from there on the forward pass is recorded by autograd."""
    outputs: list[Tensor] = []
    calls = count()

    def capture(_module: nn.Module, _inputs: Any, output: Any) -> Any:  # noqa: ANN401 -- torch's hook type
        if next(calls) != layer.call:
            return output
        if not isinstance(output, Tensor):
            raise SettingsError(
                f"layer '{layer.name}' returns {kind_of(output)}, not a tensor",
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


def _only(outputs: list[Tensor], layer: TargetLayer) -> Tensor:
    """Return the output that the layer gave."""
    if not outputs:
        raise SettingsError(
            f"layer '{layer.name}' did not run {layer.call + 1} times in one pass, as it did on an image of noise",
            hint="choose another --target-layer",
        )
    return outputs[0]


def _gradients(scores: Tensor, outputs: Sequence[Tensor], chosen: Chosen) -> Iterator[tuple[Tensor, ...]]:
    """Yield, place by place, the scaled gradients of the chosen class scores with respect to the layers' outputs.

    The scores of a batch are summed: in eval mode no radiograph depends on another, so that each gets its own, whatever
    classes the others have in the same place. One with fewer classes gets those of class 0, which nobody takes.
    """
    places = max(1, *map(len, chosen))
    filled = [[*classes, *[0] * (places - len(classes))] for classes in chosen]
    index = torch.tensor(filled, device=scores.device)
    for place in range(places):
        score = scores.gather(1, index[:, place : place + 1]).float().sum() * _SCALE
        yield torch.autograd.grad(score, outputs, retain_graph=place + 1 < places, materialize_grads=True)


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


def _explanation(
    probabilities: NDArray[np.float32], chosen: Chosen, views: Sequence[Sequence[RawGrid]], smooth: Smooth, drawn: int
) -> Explanation:
    """Average the views on the CPU and judge each grid; the last ones, as many as were drawn, are of no class."""
    grids, magnitudes, violations = combined(views, smooth)
    judged = judge_each(grids, magnitudes, violations)
    of_classes = grids.shape[1] - drawn
    grids, random = grids[:, :of_classes], grids[:, of_classes:]
    statuses = [[MapStatus.NOT_COMPUTED] * probabilities.shape[1] for _ in chosen]
    for image, classes in enumerate(chosen):
        grids[image, len(classes) :] = np.nan
        for place, index in enumerate(classes):
            statuses[image][index] = judged[image, place]
    return Explanation(
        probabilities,
        grids,
        tuple(map(tuple, statuses)),
        random_channels=_over_peak(random, judged[:, of_classes:]) if drawn else None,
    )


def _over_peak(grids: NDArray[np.float32], judged: NDArray[np.object_]) -> NDArray[np.float32]:
    """Return grids over their largest magnitude: 0 where they say nothing, and NaN where they are not finite."""
    scaled = np.zeros_like(grids)
    usable = judged == MapStatus.OK
    scaled[usable] = grids[usable] / np.abs(grids[usable]).max(axis=(1, 2), keepdims=True)
    scaled[judged == MapStatus.NON_FINITE] = np.nan
    return scaled
