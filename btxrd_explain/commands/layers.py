"""Which layers of a classifier can be explained, and how well their grids can outline a lesion."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from btxrd_explain.core.ceiling import ceiling_iou, reference_lesions
from btxrd_explain.core.choices import Smooth
from btxrd_explain.core.geometry import Size
from btxrd_explain.errors import InputError, SettingsError
from btxrd_explain.evaluation.protocol import lesion_rules
from btxrd_explain.inference.loading import wishes_of
from btxrd_explain.inference.request import DEMO, checkpoints_of, collect_images, names_images, tell_collected
from btxrd_explain.inputs.annotation_formats import read_lesions
from btxrd_explain.inputs.radiograph import read_radiograph
from btxrd_explain.model.checkpoint import read_checkpoint
from btxrd_explain.model.classifier import Classifier, build_classifier, build_untrained
from btxrd_explain.model.layers import find_target_layers, list_layers
from btxrd_explain.model.location import WEIGHTS, is_id
from btxrd_explain.progress import Listener
from btxrd_explain.settings.types import checkpoint_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from btxrd_explain.core.masks import LesionRules
    from btxrd_explain.core.preprocess import Preprocessing
    from btxrd_explain.inputs.record import ImageRecord
    from btxrd_explain.settings import Settings

# The lesions on which a grid's ceiling is measured: annotated ones, or a made-up population of their size.

_MOST = 200
"""Radiographs that are looked at: enough to know a mean IoU to 0.02."""


@dataclass(frozen=True, slots=True)
class Lesions:
    """Masks of lesions, one per radiograph.

    Attributes:
        masks: Boolean arrays of the radiographs' sizes, none of them empty; to be gone through once.
        count: How many there are at most.
        description: Where they come from.
    """

    masks: Iterator[NDArray[np.bool_]]
    count: int
    description: str


def find_lesions(settings: Settings, listener: Listener) -> Lesions:
    """Take the annotated lesions of the radiographs that the settings name, else the reference population.

    Raises:
        InputError: Radiographs are named, but none is annotated.
    """
    if not names_images(settings):
        return Lesions(reference_lesions(), 100, "100 made-up lesions of the size of BTXRD's")
    collection = collect_images(settings)
    tell_collected(collection, listener)
    annotated = [record for record in collection.records if record.annotation is not None]
    if not annotated:
        raise InputError("none of the radiographs is annotated", hint="name the annotations with --annotations")
    step = -(-len(annotated) // _MOST)
    taken = annotated[::step]
    description = f"{len(taken)} annotated radiographs" + (f" of {len(annotated)}" if step > 1 else "")
    rules = lesion_rules(settings)
    return Lesions(_annotated_lesions(taken, rules, listener), len(taken), description)


def _annotated_lesions(
    records: list[ImageRecord], rules: LesionRules, listener: Listener
) -> Iterator[NDArray[np.bool_]]:
    """Yield the masks; a file that cannot be used is named and passed over."""
    for record in records:
        if record.annotation is None:
            continue
        try:
            size = read_radiograph(record.path).size
            mask = np.zeros(size, dtype=bool)
            for lesion in read_lesions(record.annotation, size, rules):
                mask |= lesion
        except InputError as error:
            listener.note(str(error))
            continue
        if mask.any():
            yield mask


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
    listener = listener or Listener()
    settings = settings if network is None else _naming(settings, network)
    classifier = _classifier(settings)
    preprocessing = classifier.preprocessing
    size, channels = preprocessing.size, len(preprocessing.mean)
    wanted = settings.gradcam.target_layer
    chosen = find_target_layers(classifier.network, wanted, input_size=size, channels=channels)
    layers = list_layers(classifier.network, input_size=size, channels=channels)
    lesions = find_lesions(settings, listener)
    smooth = settings.gradcam.smooth
    smoothed = () if smooth is Smooth.NONE else (f"smooth {smooth}: ceilings are those of ideal maps averaged alike",)
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
        notes=(*classifier.notes, *(layer.remark for layer in layers if layer.remark is not None), *smoothed),
    )


def _naming(settings: Settings, network: str) -> Settings:
    """Return the settings with the network that is named: a checkpoint where it is one, or looks like one.

    A folder of results that is called like an architecture is none.
    """
    path = checkpoint_path(network)
    like_a_checkpoint = path.name != network or path.suffix in _CHECKPOINT_SUFFIXES or path == DEMO or is_id(network)
    is_checkpoint = like_a_checkpoint or path.is_file() or any((path / name).is_file() for name in WEIGHTS)
    named = {"checkpoint": path} if is_checkpoint else {"checkpoint": None, "architecture": network}
    return settings.model_copy(update={"model": settings.model.model_copy(update=named)})


def _classifier(settings: Settings) -> Classifier:
    """Return the classifier; of an ensemble the first one, where all members have the same layers.

    Raises:
        SettingsError: They do not.
    """
    if settings.model.checkpoint is None:
        return build_untrained(wishes_of(settings))
    paths, wishes = checkpoints_of(settings), wishes_of(settings)
    first, *others = (build_classifier(read_checkpoint(path), wishes) for path in paths)
    if not others:
        return first
    for path, other in zip(paths[1:], others, strict=True):
        if _made_of(other) != _made_of(first):
            raise SettingsError(
                f"'{path}' has other layers or another input than '{paths[0]}'",
                hint="give --checkpoint once, for each member of the ensemble in turn",
            )
    alike = f"all {len(paths)} members of the ensemble have these layers; what follows is said of '{paths[0]}'"
    return replace(first, notes=(alike, *first.notes))


def _made_of(classifier: Classifier) -> tuple[Size, list[tuple[str, type]]]:
    """Return what decides about the layers of a classifier: its input, and its modules by name and kind."""
    modules = classifier.network.named_modules()
    return classifier.preprocessing.size, [(name, type(module)) for name, module in modules]


def _ceilings(
    grids: Iterable[Size], lesions: Lesions, preprocessing: Preprocessing, settings: Settings, listener: Listener
) -> dict[Size, float | None]:
    """Return the mean IoU of the ideal map of each grid over the lesions."""
    threshold, operator, smooth = settings.annotation.threshold, settings.annotation.operator, settings.gradcam.smooth
    ious: dict[Size, list[float]] = {grid: [] for grid in grids}
    listener.start("lesions", lesions.count)
    for mask in lesions.masks:
        frame = preprocessing.frame(Size(*mask.shape))
        for grid, values in ious.items():
            iou = ceiling_iou(mask, frame, grid, threshold=threshold, operator=operator, smooth=smooth)
            if iou is not None:
                values.append(iou)
        listener.advance()
    return {grid: sum(values) / len(values) if values else None for grid, values in ious.items()}
