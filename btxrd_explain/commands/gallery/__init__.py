"""Per class a picture grid of true positives, false positives and false negatives, with their heat maps."""

from __future__ import annotations

from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
from pydantic import Field

from btxrd_explain.commands.drawing import file_names_of_classes, footer
from btxrd_explain.core.labels import UNKNOWN, joined, truth_matrix
from btxrd_explain.core.multi_label import reached
from btxrd_explain.core.selection import Outcome, choose_examples, choose_examples_of_class
from btxrd_explain.errors import InputError
from btxrd_explain.evaluation.decisions import Decisions, decisions_of
from btxrd_explain.evaluation.file_set import FileHashes, write_set
from btxrd_explain.evaluation.parts import LeftOut, Part
from btxrd_explain.finding import Finding  # noqa: TC001 -- pydantic reads annotations at run time
from btxrd_explain.inference.explained import ExplainedImage
from btxrd_explain.inference.selection import Selected, need_pictures, select_rows
from btxrd_explain.inputs.btxrd import LABELS_FROM
from btxrd_explain.progress import Failures, Listener
from btxrd_explain.system.locks import alone

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from btxrd_explain.commands.gallery.painter import ExamplePainter
    from btxrd_explain.predictions.record import Prediction
    from btxrd_explain.settings import Settings

SCHEMA_VERSION: Final = 2

_MOST_CLASSES = 20
"""Classes that get a figure each."""
_MOST_NAMED = 5
"""Classes that one note names."""

_REASONS = {
    Outcome.TP: "predicted and true class; highest confidence first",
    Outcome.FP: "predicted, but another class is true; highest confidence first",
    Outcome.FN: "true class, but another is predicted; lowest probability of the true class first",
}

_REASONS_OF_CLASS = {
    Outcome.TP: "true, and its probability reaches the threshold; highest probability first",
    Outcome.FP: "not true, but its probability reaches the threshold; highest probability first",
    Outcome.FN: "true, but its probability does not reach the threshold; lowest probability first",
}
"""Of a class that excludes no other."""
_SEVERAL = " Of a multi-label table all of them, joined by '|'; empty where there is none."


class Example(Part):
    """An image that is shown, and where."""

    line: int = Field(description="Line among those of its outcome, from 1.")
    column: int = Field(description="Column, from 1.")
    image_id: str
    true: str | None = Field(description=f"True class.{_SEVERAL}")
    predicted: str | None = Field(description=f"Predicted class.{_SEVERAL}")
    confidence: float | None = Field(
        description="Probability of the predicted class; null in a multi-label table, which has one for each class."
    )
    probability_of_class: float | None = Field(description="Probability of the class of the gallery.")
    maps: list[str] = Field(description="The classes whose heat maps are shown.")


class Shown(Part):
    """The examples of one outcome."""

    available: int = Field(description="How many images have that outcome.")
    shown: list[Example]


class ClassGallery(Part):
    """The gallery of one class."""

    figure: str = Field(description="Name of the file.")
    TP: Shown
    FP: Shown
    FN: Shown


class MultiLabelGallery(ClassGallery):
    """The gallery of a class that excludes no other."""

    threshold: float = Field(description="The probability from which the class counts as predicted.")
    TN: int = Field(description="How many images are true negatives; none of them is shown.")
    unknown: int = Field(description="How many images are left out, as it is not known whether the class is true.")


class GalleryReport(Part):
    """The content of ``gallery.json``: which image is where, and why."""

    schema_version: Literal[2] = SCHEMA_VERSION
    order: dict[Outcome, str] = Field(description="Which images have an outcome, and which come first.")
    classes: dict[str, ClassGallery | MultiLabelGallery]
    warnings: list[Finding]
    sha256: FileHashes
    provenance: dict[str, Any] = Field(description="How the predictions table was made.")
    failed_images: list[LeftOut] = Field(description="Images whose file failed; they are not shown.")


@dataclass(frozen=True, slots=True)
class GalleryResult:
    """What ``gallery`` wrote.

    Attributes:
        figures: The picture grid of each class, by class name.
        report: The content of ``gallery.json``: which image is where, and why.
        document: Its path.
        failed: Why the files of some images failed, by ``image_id``; they are not shown.
        annotated: Whether an image that is shown has an annotation.
    """

    figures: Mapping[str, Path]
    report: GalleryReport
    document: Path
    failed: Mapping[str, str]
    annotated: bool


def run(settings: Settings, listener: Listener | None = None) -> GalleryResult:
    """Draw the galleries of all classes.

    Args:
        settings: The settings.
        listener: Told of progress; None is silent.

    Returns:
        What was written.

    Raises:
        InputError: No image has a known true class.
        BtxrdExplainError: Table, images or output cannot be used.
    """
    listener = Failures(listener, strict=settings.run.strict)
    selected, document = select_rows(settings, listener), settings.output.directory / "gallery.json"
    need_pictures(selected)
    names = selected.table.provenance.class_names
    decisions = decisions_of(settings, selected, listener)
    every = _choose(selected, settings) if decisions is None else _choose_of_classes(selected, decisions, settings)
    chosen = _most_frequent(every, listener)
    images = _images(selected, chosen)
    listener.start("galleries", len(chosen))
    from btxrd_explain.commands.gallery.painter import ExamplePainter  # noqa: PLC0415 -- matplotlib

    with alone(document, listener.note):
        figures = _draw(ExamplePainter(images, selected, settings, listener, decisions), chosen)
        report = GalleryReport(
            order=_REASONS if decisions is None else _REASONS_OF_CLASS,
            classes={
                names[one.index]: _class_gallery(one, figures[names[one.index]], names, settings, decisions)
                for one in chosen
            },
            warnings=list(selected.findings),
            sha256={},
            provenance=selected.table.document(),
            failed_images=LeftOut.of(listener.reasons),
        )
        report = write_set(document, report, figures.values())
    annotated = any(selected.annotation_of(image.row) is not None for image in images.values())
    return GalleryResult(figures, report, document, listener.reasons, annotated)


def _draw(painter: ExamplePainter, chosen: list[_Chosen]) -> dict[str, Path]:
    """Draw the figure of each class; return where it is, by class name."""
    from btxrd_explain.commands.drawing import note_missing_glyphs  # noqa: PLC0415 -- matplotlib
    from btxrd_explain.outputs.gallery_figure import build_gallery  # noqa: PLC0415 -- matplotlib
    from btxrd_explain.outputs.style import save_figure  # noqa: PLC0415 -- matplotlib

    selected, settings, listener = painter.selected, painter.settings, painter.listener
    names = selected.table.provenance.class_names
    files = file_names_of_classes(names)
    figures: dict[str, Path] = {}
    note_missing_glyphs([*names, *painter.images], listener)
    _note_few(chosen, names, settings.gradcam.examples_per_class, listener)
    for one in chosen:
        index, name = one.index, names[one.index]
        figure = build_gallery(
            [painter.line(o, rows, index, one.available[o]) for o, rows in one.rows.items()],
            title=f"{name}: where the classifier looks{painter.rule_of(index)}",
            columns=settings.gradcam.examples_per_class,
            colormap=settings.output.colormap,
            alpha=settings.output.alpha,
            footer=footer(selected.table.provenance),
        )
        figures[name] = settings.output.directory / f"gallery_{files[name]}.{settings.output.format}"
        save_figure(figure, figures[name], dpi=settings.output.dpi)
        listener.advance()
    return figures


@dataclass(frozen=True, slots=True)
class _Chosen:
    """The examples of one class by outcome, in the order in which they are shown, and how many there are."""

    index: int
    rows: Mapping[Outcome, list[Prediction]]
    available: Mapping[Outcome, int]
    unknown: int = 0


def _choose_of_classes(selected: Selected, decisions: Decisions, settings: Settings) -> list[_Chosen]:
    """Select the examples of every class, each among the rows of which it is known whether the class is true."""
    everything = selected.rows.where(selected.rows.predicted >= 0)
    truth = truth_matrix(everything.column("label").to_pylist(), decisions.names, decisions.no_lesion)
    known = (truth != UNKNOWN).any(axis=1)
    rows, truth = everything.where(known), truth[known]
    if not len(rows):
        raise InputError(
            "no radiograph has both a prediction and a class that is known to be true or not",
            hint="name a split CSV whose label is A|B, or with a column of 0 and 1 per class, when running infer",
        )
    keys, probabilities = rows.column("image_id").to_pylist(), rows.probabilities
    said, count = reached(probabilities, decisions.thresholds), settings.gradcam.examples_per_class
    chosen = []
    for index in range(len(decisions.names)):
        own = (probabilities[:, index], truth[:, index], said[:, index])
        examples = choose_examples_of_class(*own, count, order_keys=keys)
        shown = {outcome: [rows[number] for number in examples.of(outcome)] for outcome in _REASONS}
        unknown = int((truth[:, index] == UNKNOWN).sum()) + int((~known).sum())
        chosen.append(_Chosen(index, shown, examples.available, unknown))
    return chosen


def _choose(selected: Selected, settings: Settings) -> list[_Chosen]:
    """Select the examples of every class among the rows with a prediction and a known true class."""
    names = selected.table.provenance.class_names
    rows = selected.rows.where((selected.rows.predicted >= 0) & selected.rows.is_in("label", names))
    if not len(rows):
        raise InputError(
            "no radiograph has both a prediction and a known true class",
            hint=f"{LABELS_FROM}, when running infer",
        )
    labels = np.array([names.index(label) for label in rows.column("label").to_pylist()])
    keys = rows.column("image_id").to_pylist()
    count = settings.gradcam.examples_per_class
    chosen = []
    for index in range(len(names)):
        examples = choose_examples(rows.probabilities, labels, index, count, order_keys=keys)
        shown = {outcome: [rows[number] for number in examples.of(outcome)] for outcome in _REASONS}
        chosen.append(_Chosen(index, shown, examples.available))
    return chosen


def _most_frequent(chosen: list[_Chosen], listener: Listener) -> list[_Chosen]:
    """Return the classes that get a figure: of more than 20 those with the most examples."""
    if len(chosen) <= _MOST_CLASSES:
        return chosen
    listener.note(
        f"galleries of the {_MOST_CLASSES} classes with the most examples, of {len(chosen)} classes; the predictions "
        "table has all"
    )
    kept = sorted(chosen, key=lambda one: -sum(one.available[outcome] for outcome in one.rows))[:_MOST_CLASSES]
    return sorted(kept, key=attrgetter("index"))


def _images(selected: Selected, chosen: list[_Chosen]) -> dict[str, ExplainedImage]:
    """Load the grids of the images that are shown, and of no others."""
    wanted = {row.image_id for one in chosen for rows in one.rows.values() for row in rows}
    return {row.image_id: ExplainedImage.of(row, selected.table) for row in selected.table.rows(wanted)}


def _note_few(chosen: Sequence[_Chosen], names: Sequence[str], wanted: int, listener: Listener) -> None:
    """Note once of all classes where a gallery has fewer examples than were asked for."""
    few = []
    for one in chosen:
        counts = [f"{one.available[outcome]} {outcome}" for outcome in _REASONS if one.available[outcome] < wanted]
        few += [f"{names[one.index]} ({', '.join(counts)})"] if counts else []
    if few:
        more = f" and {len(few) - _MOST_NAMED} more classes" if len(few) > _MOST_NAMED else ""
        listener.note(
            f"galleries show up to {wanted} rightly predicted (TP), wrongly predicted (FP) and missed (FN) radiographs "
            f"of each class; there are fewer of {', '.join(few[:_MOST_NAMED])}{more}"
        )


def _class_gallery(
    chosen: _Chosen, figure: Path, names: Sequence[str], settings: Settings, decisions: Decisions | None
) -> ClassGallery:
    from btxrd_explain.outputs.gallery_figure import place_of  # noqa: PLC0415 -- matplotlib

    def example(outcome: Outcome, number: int, row: Prediction) -> Example:
        line, column = place_of(number, settings.gradcam.examples_per_class)
        shown, own = names[row.predicted or 0], names[chosen.index]
        place = {"line": line + 1, "column": column + 1, "image_id": row.image_id}
        place["probability_of_class"] = None if row.probabilities is None else float(row.probabilities[chosen.index])
        if decisions is not None:
            true, said = (joined(decisions.names_of(of(row))) for of in (decisions.true, decisions.said))
            return Example(**place, true=true, predicted=said, confidence=None, maps=[own])
        return Example(
            **place,
            true=row.label,
            predicted=None if row.predicted is None else shown,
            confidence=row.confidence,
            maps=[shown, own] if outcome is Outcome.FN else [shown],
        )

    parts = {
        outcome: Shown(
            available=chosen.available[outcome],
            shown=[example(outcome, number, row) for number, row in enumerate(rows)],
        )
        for outcome, rows in chosen.rows.items()
    }
    if decisions is None:
        return ClassGallery(figure=figure.name, **parts)
    counts = {"TN": chosen.available[Outcome.TN], "unknown": chosen.unknown}
    threshold = float(decisions.thresholds[chosen.index])
    return MultiLabelGallery(figure=figure.name, **parts, **counts, threshold=threshold)
