"""Interventions on plain arrays: any network and any radiographs with masks, with the numbers of ``intervene``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import torch

from btxrd_explain.commands.intervene.metrics_table import intervention_schema, intervention_table
from btxrd_explain.commands.intervene.report import Measured, verdict_of
from btxrd_explain.core.arrays import (
    checked_choice,
    checked_count,
    checked_items,
    checked_labels,
    checked_lists,
    checked_mask,
    checked_names,
    checked_number,
)
from btxrd_explain.core.choices import Activation, ResizeMode
from btxrd_explain.core.controls import generator_of
from btxrd_explain.core.geometry import Frame, Size
from btxrd_explain.core.intervention import Condition, Design, Interventions, Kind, Readings
from btxrd_explain.core.intervention import intervene as change
from btxrd_explain.core.labels import USUAL_THRESHOLD
from btxrd_explain.evaluation.intervention import MEASURES, Effects, Intervened, probability_of
from btxrd_explain.evaluation.sample import Sample, by_values
from btxrd_explain.evaluation.score import Score
from btxrd_explain.inference.classifier import LoadedClassifier, networks_of, pictures_of, tensors_of
from btxrd_explain.model.any_network import assumed_activation, predict_images
from btxrd_explain.model.intervene import read_conditions
from btxrd_explain.model.layers import AUTO
from btxrd_explain.model.scores import log_odds, mean_log_odds
from btxrd_explain.predictions.record import Prediction, RowStatus
from btxrd_explain.progress import called_from_python
from btxrd_explain.settings.analysis_sections import InterventionSettings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray
    from torch import nn

_WITHOUT_MAPS = (
    *("class", "predicted", "confidence", "outcome", "lesions", "iou", "pointing_hit", "energy_in_mask"),
    *("looks", "cell", "target_class"),
)
"""Columns on heat maps, labels and tables, which plain arrays do not have."""


@dataclass(frozen=True, slots=True, eq=False)
class ArrayInterventions:
    """What interventions on arrays changed.

    Attributes:
        outcome: ``depends``, ``independent``, ``opposed`` or ``undecided``.
        verdict: The same in plain words, with the interval of the mean excess and the number of images.
        remarks: What else a reader should know.
        per_image: A row per image, named and defined as in ``intervention_metrics.parquet``; ``target`` is the class
            that is followed.
        summary: A row per slice, effect and measure: ``mean`` with the ends ``low`` and ``high`` of its 95 % bootstrap
            interval, ``n`` and ``units``; of the effect ``depends`` the one measure is ``fraction``.
    """

    outcome: str
    verdict: str
    remarks: tuple[str, ...]
    per_image: pa.Table
    summary: pa.Table


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """A radiograph as the network sees it, with its mask there."""

    picture: NDArray[Any]
    frame: Frame
    lesion: NDArray[np.bool_]
    prepared: bool


@called_from_python()
def intervene(  # noqa: PLR0913 -- a keyword for each choice that moves a number
    model: LoadedClassifier | nn.Module,
    images: Any,  # noqa: ANN401 -- paths, pixels or tensors
    masks: Iterable[Any],
    *,
    targets: Any = None,  # noqa: ANN401 -- class indices
    names: Sequence[str] | None = None,
    groups: Sequence[Any] | None = None,
    by: Mapping[str, Sequence[Any]] | None = None,
    controls: int = 9,
    margins: Sequence[float] = (0.0,),
    activation: Activation | str = AUTO,
    resamples: int = 1000,
    seed: int = 0,
) -> ArrayInterventions:
    """Take lesions and controls away from radiographs, and watch the prediction.

    Args:
        model: A classifier of :func:`btxrd_explain.load_classifier`; or any ``torch.nn.Module`` that returns class
            scores, which gets the images preprocessed.
        images: As :func:`btxrd_explain.explain` takes them: for a loaded classifier radiographs, or their paths; for a
            network a floating tensor of shape ``(n, channels, height, width)``, or a list of such.
        masks: A mask per image: its lesions, shape ``(height, width)`` of the image, boolean or 0 and 1. An image whose
            mask is empty has no lesion; only its surroundings are changed.
        targets: Index of the class of each image whose log-odds are followed; None takes the predicted class.
        names: A unique name per image; None counts them from 0. The places of controls depend on the name.
        groups: What each image belongs to, such as a patient; intervals then draw whole groups. None, or None for an
            image, draws single images.
        by: Further slices: a value per image by the name of a column, such as ``{"center": [1, 1, 2]}``.
        controls: Control regions of an image, at least 1.
        margins: Margins around lesions in per cent of their extent; the first one decides.
        activation: What turns the scores of a bare network into probabilities; ``auto`` looks at what they are for
            noise. A loaded classifier knows.
        resamples: Draws of the bootstrap, at least 1.
        seed: Seed of the places of controls and of the bootstrap, at least 0.

    Returns:
        The verdict, and two Arrow tables, of which each has ``to_pandas()`` where pandas is installed.

    Raises:
        TypeError: An argument is of another kind.
        ValueError: Numbers of images disagree, a name comes twice, shapes differ, or a value is out of range.
        RadiographError: A file cannot be read.

    >>> class Brightness(torch.nn.Module):
    ...     one = torch.nn.Parameter(torch.ones(1))
    ...     def forward(self, batch):
    ...         bright = batch[:, 0, 8:16, 8:16].mean(dim=(1, 2)) * self.one
    ...         return torch.stack([bright, -bright], dim=1)
    >>> mask = np.zeros((64, 64), bool)
    >>> mask[8:16, 8:16] = True
    >>> images = np.random.default_rng(0).random((4, 1, 64, 64), np.float32) / 10 + mask
    >>> result = intervene(Brightness(), images, [mask] * 4, targets=[0] * 4, controls=5)
    >>> result.per_image.column("lesion_log_odds").to_pylist()[0] < -1
    True
    """
    networks_of(model)
    seen = list(_seen(model, images, checked_items(masks, "masks")))
    ids = checked_names(names, len(seen))
    columns = {**({} if groups is None else {"group": checked_items(groups, "groups")}), **checked_lists(by, "by")}
    for what, values in {"names": ids, **columns}.items():
        if len(values) != len(seen):
            raise ValueError(f"{what}: expected {len(seen)} values, one per image, got {len(values)}")
    if len(set(ids)) < len(ids):
        raise ValueError("names: expected each of them once, got one twice")
    design, kind = _design(controls, margins, seed), _activation(model, seen[0], activation)
    readings = [reading for _, reading in _read(model, seen, ids, design, kind)]
    intervened = list(_intervened(ids, seen, readings, targets))
    texts = {name: [None if value is None else str(value) for value in values] for name, values in columns.items()}
    sample = Sample.of(
        [one.score for one in intervened],
        (),
        groups=texts.get("group"),
        resamples=checked_count(resamples, 1, "resamples"),
        seed=design.seed,
    )
    effects = Effects.of(intervened, design, _levels(readings, kind))
    measured = Measured.of(effects, sample, InterventionSettings())
    outcome, verdict, remarks = verdict_of(measured)
    table = intervention_table(measured, texts, intervention_schema(design, tuple(texts)))
    known = table.append_column("target", pa.array([one.target for one in intervened])).drop_columns([*_WITHOUT_MAPS])
    return ArrayInterventions(str(outcome), verdict, tuple(remarks), known, _summary(measured, texts, by))


def _activation(model: LoadedClassifier | nn.Module, seen: _Seen, wanted: Activation | str) -> Activation:
    """Decide what turns the scores into probabilities."""
    if isinstance(model, LoadedClassifier):
        return model.classifier.activation
    if wanted != AUTO:
        return checked_choice(wanted, Activation, "activation")
    return assumed_activation(model, torch.from_numpy(_values(None, seen, seen.picture))[None])


def _levels(readings: Sequence[Readings], kind: Activation) -> NDArray[np.float64] | None:
    """Return the thresholds of classes that do not exclude each other; None elsewhere.

    With a sigmoid each class has one; of one output both rules say the same. A network that gives probabilities itself
    shows in their sums what it is.
    """
    before = np.array([reading.log_odds[Condition(Kind.ORIGINAL)] for reading in readings])
    one_sum = np.allclose(probability_of(before).sum(axis=1), 1, atol=1e-3)
    if kind is Activation.SOFTMAX or (kind is Activation.NONE and one_sum):
        return None
    return np.full(before.shape[1], USUAL_THRESHOLD)


def _values(loaded: LoadedClassifier | None, seen: _Seen, picture: NDArray[Any]) -> NDArray[np.float32]:
    """Return the network's input of a picture of an image."""
    if loaded is not None and not seen.prepared:
        return loaded.preprocessing.normalised(picture)
    return np.ascontiguousarray(np.moveaxis(picture, -1, 0), dtype=np.float32)


def _design(controls: Any, margins: Sequence[Any], seed: Any) -> Design:  # noqa: ANN401 -- whatever a caller has
    """Check which conditions are asked for."""
    widths = tuple(checked_number(margin, 0, 100, "margins") for margin in checked_items(margins, "margins"))
    if not widths or len(set(widths)) < len(widths):
        raise ValueError("margins: expected at least one, and each of them once")
    return Design(checked_count(controls, 1, "controls"), widths, checked_count(seed, 0, "seed"))


def _intervened(
    names: Sequence[str],
    seen: Sequence[_Seen],
    readings: Sequence[Readings],
    targets: Any,  # noqa: ANN401 -- class indices
) -> Iterator[Intervened]:
    """Yield the images with the class that is followed in each."""
    before = np.array([reading.log_odds[Condition(Kind.ORIGINAL)] for reading in readings])
    if not np.isfinite(before).all():
        raise ValueError("model: expected finite scores, got NaN or infinity")
    classes = before.shape[1]
    wanted = before.argmax(axis=1) if targets is None else checked_labels(targets, len(seen), classes, "targets")
    if (wanted < 0).any():
        raise ValueError(f"targets: expected classes of 0 to {classes - 1}, got {int(wanted.min())}")
    for name, one, reading, target in zip(names, seen, readings, wanted.tolist(), strict=True):
        row = Prediction(name, "", None, None, RowStatus.OK)
        yield Intervened(Score(row, target=target, lesion_share=float(one.lesion.mean()) or None), target, reading)


def _seen(model: LoadedClassifier | nn.Module, images: Any, masks: list[Any]) -> Iterator[_Seen]:  # noqa: ANN401
    """Yield what the network sees of each radiograph: bytes for a loaded classifier, values for any other."""
    parts = list(images) if isinstance(images, list | tuple) else [images]
    if not parts:
        raise ValueError("images: expected at least one, got none")
    if isinstance(model, LoadedClassifier) and not any(isinstance(part, torch.Tensor) for part in parts):
        pairs, prepared = [model.seen(image) for image in pictures_of(images, parts)], False
    else:
        batch = tensors_of(parts if isinstance(parts[0], torch.Tensor) else [images])
        size = Size(*batch.shape[2:])
        frame = Frame.fit(size, size, ResizeMode.SQUASH)
        pairs, prepared = [(np.moveaxis(image, 0, -1), frame) for image in batch.float().cpu().numpy()], True
    if len(masks) != len(pairs):
        raise ValueError(f"masks: expected {len(pairs)} values, one per image, got {len(masks)}")
    for number, ((picture, frame), mask) in enumerate(zip(pairs, masks, strict=True)):
        lesion = checked_mask(mask, tuple(frame.original), f"masks[{number}]")
        yield _Seen(picture, frame, frame.mask_to_input(lesion), prepared)


def _read(
    model: LoadedClassifier | nn.Module, seen: Sequence[_Seen], names: Sequence[str], design: Design, kind: Activation
) -> list[tuple[str, Any]]:
    """Predict all conditions of all images."""
    loaded = model if isinstance(model, LoadedClassifier) else None
    networks = networks_of(model)
    precision, at_once = ("fp32", 32) if loaded is None else (loaded.precision, loaded.batch_size)

    def changed() -> Iterator[tuple[str, Interventions]]:
        for name, one in zip(names, seen, strict=True):
            rng = generator_of(name, design.seed)
            lesion = one.lesion if one.lesion.any() else None
            yield name, change(one.picture, one.frame.window_filled, lesion, None, design=design, rng=rng)

    def predict(batch: list[NDArray[Any]]) -> NDArray[np.float64]:
        tensor = torch.from_numpy(np.stack([_values(loaded, seen[0], picture) for picture in batch]))
        each = [
            log_odds(predict_images(network, tensor, precision=precision, activation=kind), kind)
            for network in networks
        ]
        return (mean_log_odds(torch.stack(each)) if len(each) > 1 else each[0]).numpy()

    return list(read_conditions(changed(), lambda batches: map(predict, batches), at_once))


def _summary(measured: Measured, columns: Mapping[str, Sequence[str | None]], by: Mapping[str, Any] | None) -> pa.Table:
    slices = {"all": measured.sample.everything()}
    for name in by or {}:
        slices |= {f"{name}: {part.name}": part for part in by_values(columns[name])}
    rows = []
    for name, part in slices.items():
        found = measured.estimates(part)
        for effect in (*measured.effects.values, "depends"):
            measures = ("fraction",) if effect == "depends" else MEASURES
            rows += [
                {"slice": name, "effect": effect, "measure": measure, "mean": one.value}
                | {"low": one.low, "high": one.high, "n": one.n, "units": one.units}
                for measure, one in zip(measures, found[effect], strict=True)
            ]
    texts, counts = (
        dict.fromkeys(("slice", "effect", "measure"), pa.string()),
        dict.fromkeys(("n", "units"), pa.int64()),
    )
    kinds = texts | counts
    return pa.Table.from_pylist(rows, pa.schema([(name, kinds.get(name, pa.float64())) for name in rows[0]]))
