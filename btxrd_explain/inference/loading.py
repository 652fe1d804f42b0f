"""A classifier as the settings name it, loaded and looked at: an Explainer, with how its rows are made."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch

from btxrd_explain.core.choices import Activation, Smooth
from btxrd_explain.core.explained_classes import ExplainedClasses, resolve
from btxrd_explain.core.geometry import Size
from btxrd_explain.core.methods import METHODS
from btxrd_explain.core.metrics.baselines import CHANNEL_DRAWS
from btxrd_explain.core.smoothing import PASSES
from btxrd_explain.errors import SettingsError
from btxrd_explain.inference.compute import Explainer
from btxrd_explain.inference.device import batch_size_of, device_of, streams_of
from btxrd_explain.inference.ensemble import joint_provenance, names_of
from btxrd_explain.inference.request import checkpoints_of
from btxrd_explain.model.checkpoint import read_checkpoint
from btxrd_explain.model.classifier import Classifier, Wishes, build_classifier
from btxrd_explain.model.engine import PRECISIONS, explain
from btxrd_explain.model.findings import pass_findings
from btxrd_explain.model.layers import AUTO, TargetLayer, find_target_layers
from btxrd_explain.model.streams import BatchLimit, keep_freed_memory
from btxrd_explain.predictions.provenance import MOST_CELLS, Provenance

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from btxrd_explain.settings import Settings

_INPUT = "input"
"""Stands for the target layer of a method that looks at none."""


def load_explainer(settings: Settings, request: Mapping[str, Any], *, at_most: int | None = None) -> Explainer:
    """Load the classifier that the settings name, or those of an ensemble, and find the layer to explain.

    Args:
        settings: The settings.
        request: What decides about the rows.
        at_most: How many radiographs there are, where that is known: no batch needs to be larger.

    Raises:
        CheckpointError: A checkpoint cannot be used, or two of an ensemble do not go together.
        SettingsError: The device or the target layer does not exist.
    """
    keep_freed_memory()
    paths = checkpoints_of(settings)
    first, *others = [
        _load_member(settings, request, path, name, at_most=at_most)
        for path, name in zip(paths, names_of(paths), strict=True)
    ]
    if not others:
        return first
    provenance = joint_provenance([first.provenance, *(other.provenance for other in others)])
    return replace(first, provenance=provenance, others=tuple(replace(other, limit=first.limit) for other in others))


def _load_member(
    settings: Settings, request: Mapping[str, Any], path: Path, name: str, *, at_most: int | None
) -> Explainer:
    """Load one classifier; see :func:`load_explainer`."""
    device = device_of(settings)
    classifier = build_classifier(
        read_checkpoint(path), wishes_of(settings, several_labels="several_labels" in request)
    )
    layers = _layers(classifier, settings)
    provenance = _provenance(classifier, layers, settings, request=request, name=name)
    classifier.network.to(device).to(memory_format=torch.channels_last)
    batch_size = batch_size_of(settings, device)
    batch_size = batch_size if at_most is None else max(min(batch_size, at_most), 1)
    remarks = _compiled(classifier, layers, settings, batch_size)
    return Explainer(
        classifier=classifier,
        layers=layers,
        device=device,
        batch_size=batch_size,
        streams=streams_of(settings, device),
        limit=BatchLimit(batch_size),
        method=settings.gradcam.method,
        precision=settings.model.precision,
        provenance=replace(provenance, notes=(*provenance.notes, *remarks)),
        map_size=settings.gradcam.map_cells,
        smooth=settings.gradcam.smooth,
    )


def _provenance(
    classifier: Classifier,
    layers: tuple[TargetLayer, ...],
    settings: Settings,
    *,
    request: Mapping[str, Any],
    name: str,
) -> Provenance:
    """Return how the rows of a classifier on the CPU are made; what it says of some inputs is looked at."""
    preprocessing = classifier.preprocessing
    grid = _grid_of(classifier, layers, settings)
    explained = _explained_classes(settings, classifier)
    _refuse_large(explained.slots, grid)
    shape = len(preprocessing.mean), *preprocessing.size
    unstable = () if settings.model.factory is None else tuple(pass_findings(classifier.network, shape))
    return Provenance(
        request=dict(request),
        class_names=classifier.class_names,
        preprocessing=preprocessing,
        checkpoint=name,
        architecture=classifier.architecture,
        method=settings.gradcam.method,
        target_layer=", ".join(layer.name for layer in layers) or _INPUT,
        grid=grid,
        explain_classes=explained.wanted,
        notes=(*classifier.notes, *_said(layers, explained, settings)),
        findings=(*classifier.findings, *unstable),
        synthetic=classifier.synthetic,
        activation=classifier.activation,
        multi_label=classifier.multi_label,
        smooth=settings.gradcam.smooth,
        random_channels=0 if METHODS[settings.gradcam.method].pixels else CHANNEL_DRAWS,
    )


def _grid_of(classifier: Classifier, layers: tuple[TargetLayer, ...], settings: Settings) -> Size:
    """Return the size of the grids, as one pass gives them; those of layers have one size, whatever the method."""
    method, preprocessing = METHODS[settings.gradcam.method], classifier.preprocessing
    tried = explain(
        classifier.network,
        layers,
        torch.zeros(1, len(preprocessing.mean), *preprocessing.size),
        method=method.name if method.pixels else "gradcam",
        activation=classifier.activation,
        choose=lambda _: [[0]],
        map_size=settings.gradcam.map_cells,
        smooth=settings.gradcam.smooth,
    )
    return Size(*tried.grids.shape[2:])


def _said(layers: tuple[TargetLayer, ...], explained: ExplainedClasses, settings: Settings) -> Iterator[str]:
    """Yield what is to be said of the layers, the classes and the smoothing."""
    chosen = None if settings.gradcam.explain_classes else explained.said()
    remarks = *(layer.remark for layer in layers), chosen, _unused_layer(settings), _smoothed(settings.gradcam.smooth)
    yield from filter(None, remarks)


def _layers(classifier: Classifier, settings: Settings) -> tuple[TargetLayer, ...]:
    """Return the layers to explain; none of a method that looks at none."""
    if not METHODS[settings.gradcam.method].layer:
        return ()
    preprocessing, wanted = classifier.preprocessing, settings.gradcam.target_layer
    channels = len(preprocessing.mean)
    return find_target_layers(classifier.network, wanted, input_size=preprocessing.size, channels=channels)


def _unused_layer(settings: Settings) -> str | None:
    """Return the remark that a layer is named of which the method makes no use; None if it is used."""
    method, named = settings.gradcam.method, settings.gradcam.target_layer
    if METHODS[method].layer or named == AUTO:
        return None
    return f"{method} explains the pixels of the input: target layer {named} is not used"


def _smoothed(smooth: Smooth) -> str | None:
    """Return the remark that maps are those of several views; None if they are not."""
    if smooth is Smooth.NONE:
        return None
    return f"smooth {smooth}: each heat map is the mean of {PASSES[smooth]} views, the prediction is that of the first"


def _refuse_large(maps: int, grid: Size) -> None:
    """Refuse maps that are together larger than what a table may hold of one image."""
    if maps * grid.height * grid.width > MOST_CELLS:
        raise SettingsError(
            f"{maps} maps of {grid.height} x {grid.width} cells are too large for a table",
            hint="lower gradcam.map_cells, or explain fewer classes with --explain-classes",
        )


def _explained_classes(settings: Settings, classifier: Classifier) -> ExplainedClasses:
    """Return the classes that have grids, as the settings say.

    Raises:
        SettingsError: They name a class that there is not.
    """
    names = classifier.class_names
    try:
        return ExplainedClasses(resolve(settings.gradcam.explain_classes, names), names, classifier.multi_label)
    except ValueError as error:
        raise SettingsError(
            f"gradcam.explain_classes: {error}", hint="name classes of the network, or all, predicted or true"
        ) from error


def _compiled(
    classifier: Classifier, layers: tuple[TargetLayer, ...], settings: Settings, batch_size: int
) -> tuple[str, ...]:
    """Compile the network for batches of a size, where that is wanted; return why it was not."""
    if not settings.model.compile:
        return ()
    if not METHODS[settings.gradcam.method].native:
        return (f"the network is not compiled: {settings.gradcam.method} works with all of it",)
    from btxrd_explain.model.compiling import compile_body  # noqa: PLC0415 -- only here

    network, preprocessing = classifier.network, classifier.preprocessing
    device = next(network.parameters()).device
    batch = torch.zeros(batch_size, len(preprocessing.mean), *preprocessing.size, device=device)
    with torch.autocast(
        batch.device.type, PRECISIONS[settings.model.precision], enabled=settings.model.precision != "fp32"
    ):
        reason = compile_body(network, layers, batch.to(memory_format=torch.channels_last))
    return () if reason is None else (reason,)


def wishes_of(settings: Settings, *, several_labels: bool | None = None) -> Wishes:
    """Return what the settings say about the network and its input; labels may be none to look at."""
    return Wishes(
        architecture=settings.model.architecture,
        factory=settings.model.factory,
        class_names=settings.model.class_names,
        preprocessing=settings.preprocess.partial,
        activation=None if settings.model.activation == "auto" else Activation(settings.model.activation),
        from_timm=settings.preprocess.source == "timm",
        own_resize=settings.preprocess.source == "settings",
        multi_label_labels=several_labels,
    )
