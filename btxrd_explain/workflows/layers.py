"""Which layers of a classifier can be explained, and how well their grids can outline a lesion."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from btxrd_explain.core.ceiling import ceiling_iou
from btxrd_explain.core.geometry import Size
from btxrd_explain.core.threshold import Operator
from btxrd_explain.model.checkpoint import read_checkpoint
from btxrd_explain.model.classifier import Classifier, build_classifier, build_untrained
from btxrd_explain.model.layers import find_target_layers, list_layers
from btxrd_explain.workflows.inference.compute import wishes_of
from btxrd_explain.workflows.inference.request import DEMO, checkpoint_of
from btxrd_explain.workflows.lesions import find_lesions
from btxrd_explain.workflows.progress import Silent

if TYPE_CHECKING:
    from collections.abc import Iterable

    from btxrd_explain.core.preprocess import Preprocessing
    from btxrd_explain.settings import Settings
    from btxrd_explain.workflows.lesions import Lesions
    from btxrd_explain.workflows.progress import Listener

_CHECKPOINT_SUFFIXES = frozenset({".pt", ".pth", ".pt2", ".ckpt", ".bin", ".safetensors", ".tar"})


@dataclass(frozen=True, slots=True)
class LayerChoice:
    """A layer that can be explained.

    Attributes:
        name: Dotted name, for ``--target-layer``.
        grid: Rows and columns of its class-activation grid.
        order: ``NCHW``, ``NHWC`` or ``NLC``.
        chosen: True for the layer that the settings name, or that ``auto`` stands for.
        ceiling: Mean IoU that the ideal map of this grid reaches; None where the grid tells no place at all.
    """

    name: str
    grid: Size
    order: str
    chosen: bool
    ceiling: float | None


@dataclass(frozen=True, slots=True)
class LayersResult:
    """The layers of a classifier that can be explained.

    Attributes:
        architecture: The network's name.
        input_size: Size of its input.
        layers: The layers, in the order in which they run.
        threshold: Level of the heat map at which the ceilings hold.
        lesions: What the ceilings were measured on.
        notes: What the user should know of the network.
    """

    architecture: str
    input_size: Size
    layers: tuple[LayerChoice, ...]
    threshold: float
    lesions: str
    notes: tuple[str, ...]


def run(settings: Settings, listener: Listener | None = None, *, network: str | None = None) -> LayersResult:
    """List the layers of a classifier, with the ceiling of the IoU that each one's grid allows.

    Args:
        settings: The settings.
        listener: Told of progress.
        network: A checkpoint file, or the name of an architecture of timm, which then has random weights; None takes
            what the settings name.

    Raises:
        CheckpointError: The checkpoint cannot be used.
        SettingsError: No network is named, or the named layer does not exist.
        InputError: Radiographs are named, but none is annotated.
    """
    listener = listener or Silent()
    settings = settings if network is None else _naming(settings, network)
    classifier = _classifier(settings)
    preprocessing = classifier.preprocessing
    size, channels = preprocessing.size, len(preprocessing.mean)
    wanted = settings.gradcam.target_layer
    chosen = find_target_layers(classifier.network, wanted, input_size=size, channels=channels)
    layers = list_layers(classifier.network, input_size=size, channels=channels)
    lesions = find_lesions(settings, listener)
    ceilings = _ceilings({layer.layout.grid for layer in layers}, lesions, preprocessing, settings, listener)
    return LayersResult(
        architecture=classifier.architecture,
        input_size=size,
        layers=tuple(
            LayerChoice(layer.name, grid := layer.layout.grid, layer.layout.order, layer in chosen, ceilings[grid])
            for layer in layers
        ),
        threshold=settings.annotation.threshold,
        lesions=lesions.description,
        notes=classifier.notes,
    )


def _naming(settings: Settings, network: str) -> Settings:
    """Return the settings with the network that is named: a file where there is one, or where it looks like one."""
    path = Path(network)
    is_file = path.exists() or path.name != network or path.suffix in _CHECKPOINT_SUFFIXES or path == DEMO
    named = {"checkpoint": path} if is_file else {"checkpoint": None, "architecture": network}
    return settings.model_copy(update={"model": settings.model.model_copy(update=named)})


def _classifier(settings: Settings) -> Classifier:
    if settings.model.checkpoint is None:
        return build_untrained(wishes_of(settings))
    return build_classifier(read_checkpoint(checkpoint_of(settings)), wishes_of(settings))


def _ceilings(
    grids: Iterable[Size], lesions: Lesions, preprocessing: Preprocessing, settings: Settings, listener: Listener
) -> dict[Size, float | None]:
    """Return the mean IoU of the ideal map of each grid over the lesions."""
    threshold, operator = settings.annotation.threshold, Operator(settings.annotation.operator)
    ious: dict[Size, list[float]] = {grid: [] for grid in grids}
    listener.start("lesions", lesions.count)
    for mask in lesions.masks:
        frame = preprocessing.frame(Size(*mask.shape))
        for grid, values in ious.items():
            iou = ceiling_iou(mask, frame, grid, threshold=threshold, operator=operator)
            if iou is not None:
                values.append(iou)
        listener.advance()
    return {grid: sum(values) / len(values) if values else None for grid, values in ious.items()}
