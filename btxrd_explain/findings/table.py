"""What the rows of a predictions table say: scores and heat maps that cannot be meant, labels, and splits."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from btxrd_explain.core.anomalies import are_constant, are_identical, are_undecided, find_exchange, saturated
from btxrd_explain.core.explained_classes import ALL
from btxrd_explain.core.heatmap import MapStatus
from btxrd_explain.core.labels import names_several, strangers
from btxrd_explain.finding import Finding, Tally, listed, quoted, radiographs
from btxrd_explain.findings.copies import copies_in_table
from btxrd_explain.inputs.file_kinds import several_frames
from btxrd_explain.inputs.split_csv import is_training
from btxrd_explain.plain import percent
from btxrd_explain.predictions.record import RowStatus
from btxrd_explain.predictions.schema import as_numpy

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from btxrd_explain.core.anomalies import Exchange
    from btxrd_explain.predictions.index import Index
    from btxrd_explain.predictions.table import PredictionTable

_FEW = 5
"""So many different radiographs are not all the same to a network that looks at them."""
_SOME = 10
_MANY = 20
_NEARLY_ALL = 0.9
_GOOD = 0.95
"""A classifier that is right so often may be as sure as it likes."""
_COMPARED = 16
"""Heat maps are compared with each other in so many images."""


def score_findings(rows: Index, names: Sequence[str], *, multi_label: bool = False) -> Iterator[Finding]:
    """Judge the scores of the network.

    Args:
        rows: Rows of a table.
        names: Names of the classes, in the network's order.
        multi_label: Whether the classes do not exclude each other; then no one of them is the prediction.
    """
    yield from _not_finite(rows)
    rows = rows.where(rows.predicted >= 0)
    if not len(rows):
        return
    constant = list(_constant(rows))
    if multi_label:
        yield from constant or _saturated(rows, names)
        return
    yield from constant or [*_undecided(rows), *_saturated(rows, names), *_one_class(rows, names)]
    yield from [] if constant else _exchanged(rows, names)


def map_findings(table: PredictionTable, rows: Index) -> Iterator[Finding]:
    """Judge the heat maps of the predicted classes.

    Args:
        table: The table of the rows; grids are read of a few of them.
        rows: Some of its rows.
    """
    rows = rows.where(rows.predicted >= 0)
    absent = rows.grids_are(MapStatus.NOT_COMPUTED)
    if absent is None or not len(rows):
        return
    rows = rows.where(~absent[np.arange(len(rows)), rows.predicted])
    whole, infinite, partial = map(rows.grids_are, (MapStatus.OK, MapStatus.NON_FINITE, MapStatus.INCOMPLETE))
    if whole is None or infinite is None or partial is None or not len(rows):
        return
    broken = int(infinite.any(axis=1).sum())
    if broken:
        yield Finding.of("maps-not-finite", f"heat maps of {radiographs(broken)} of {len(rows)} hold NaN or infinities")
    empty = int((~whole[np.arange(len(rows)), rows.predicted]).sum())
    if len(rows) >= _SOME and empty >= _NEARLY_ALL * len(rows):
        incomplete = int(partial[np.arange(len(rows)), rows.predicted].sum())
        why = ["no evidence for it, or the same everywhere"] if incomplete < empty else []
        why += [f"attributions of {incomplete} do not add up to the change of the class score"] if incomplete else []
        text = f"{empty} of {len(rows)} heat maps of the predicted class are empty: {'; '.join(why)}"
        yield Finding.of("maps-empty", text)
    elif _same_maps(table, rows):
        yield Finding.of("maps-identical", "different radiographs have the same heat map")


def _not_finite(rows: Index) -> Iterator[Finding]:
    failed = int(rows.is_in("status", [RowStatus.NON_FINITE]).sum())
    if failed:
        yield Finding.of(
            "scores-not-finite",
            f"the network's scores are NaN or infinite for {radiographs(failed)} of {len(rows)}; they have no "
            "prediction",
        )


def _constant(rows: Index) -> Iterator[Finding]:
    if rows.distinct("sha256") >= _FEW and are_constant(rows.probabilities):
        shown = ", ".join(f"{value:.3f}" for value in rows.probabilities[0])
        yield Finding.of("scores-constant", f"all {len(rows)} radiographs have the same scores ({shown})")


def _undecided(rows: Index) -> Iterator[Finding]:
    probabilities = rows.probabilities
    if len(rows) >= _SOME and are_undecided(probabilities):
        yield Finding.of(
            "scores-undecided",
            f"no class of any of {len(rows)} radiographs is more probable than {probabilities.max():.3f}; if all "
            f"classes were alike, each would have {1 / probabilities.shape[1]:.3f}",
        )


def _saturated(rows: Index, names: Sequence[str]) -> Iterator[Finding]:
    share = float(saturated(rows.probabilities).mean())
    if len(rows) < _MANY or share < _NEARLY_ALL:
        return
    confusion = confusion_of(rows, names)
    if confusion.sum() and confusion.trace() >= _GOOD * confusion.sum():
        return
    yield Finding.of("scores-saturated", f"{percent(share)} of {len(rows)} radiographs have a class of probability 1")


def _one_class(rows: Index, names: Sequence[str]) -> Iterator[Finding]:
    confusion = confusion_of(rows, names)
    (said,) = np.nonzero(np.bincount(rows.predicted, minlength=len(names)))
    if len(said) == 1 and int(confusion.sum() - confusion[said[0]].sum()) >= _MANY:
        others = int(confusion.sum() - confusion[said[0]].sum())
        yield Finding.of(
            "one-class",
            f"the network says '{names[said[0]]}' of all {len(rows)} radiographs, {others} of which are of other "
            "classes",
        )


def _exchanged(rows: Index, names: Sequence[str]) -> Iterator[Finding]:
    found = find_exchange(confusion_of(rows, names))
    if found is not None:
        yield Finding.of("classes-exchanged", _exchange_in_words(found, names), advice=_exchange_to_check(found, names))


def _exchange_in_words(found: Exchange, names: Sequence[str]) -> str:
    moved = listed(quoted(names[index] for index in found.moved))
    said = ", ".join(f"'{names[index]}' means '{names[found.order[index]]}'" for index in found.moved)
    return (
        f"among {found.images} radiographs of {moved} {percent(found.accuracy)} are right, where chance "
        f"gives {percent(found.chance)}; {percent(found.exchanged)} would be right if {said}"
    )


def _exchange_to_check(found: Exchange, names: Sequence[str]) -> str:
    order = [names[index] for index in found.order]
    alphabetical = ", which is alphabetical, as torchvision's ImageFolder counts" if order == sorted(order) else ""
    return (
        "check --class-names against the order in which the training code numbered the classes (perhaps "
        f"{','.join(order)}{alphabetical}), and the labels of the split"
    )


def confusion_of(rows: Index, names: Sequence[str]) -> NDArray[np.int64]:
    """Count labelled predictions, int64, shape ``(classes, classes)``, ``confusion[true, predicted]``."""
    predicted = rows.predicted
    lines = [
        np.bincount(predicted[rows.is_in("label", [name]) & (predicted >= 0)], minlength=len(names)) for name in names
    ]
    return np.array(lines, dtype=np.int64)


def _same_maps(table: PredictionTable, rows: Index) -> bool:
    """Return whether the first radiographs of different content have the same heat maps."""
    ids, contents = (rows[:_COMPARED].column(name).to_pylist() for name in ("image_id", "sha256"))
    chosen = list(dict(zip(contents, ids, strict=True)).values())
    if len(chosen) < _FEW:
        return False
    read = list(islice(table.rows(chosen), len(chosen)))
    found = [row.grids if ALL in table.provenance.explain_classes else row.grid(row.predicted or 0) for row in read]
    grids = [grid.reshape(-1, *grid.shape[-2:]) for grid in found if grid is not None]
    alike = len({grid.shape for grid in grids}) == 1  # imported ones may differ
    return len(grids) >= _FEW and alike and are_identical(np.stack(grids))


def label_findings(rows: Index, names: Sequence[str], *, multi_label: bool = False) -> Iterator[Finding]:
    """Look for labels that are none of the classes, which count nowhere, and for those of several where one is meant.

    Args:
        rows: Rows of a table.
        names: Names of the classes.
        multi_label: Whether the classes do not exclude each other.
    """
    strange = rows.where(~rows.is_in("label", names))
    if multi_label:
        yield from _strange_words(strange, len(rows), names)
        return
    labels = strange.column("label").drop_null()
    several = [label for label in labels.unique().to_pylist() if names_several(label, names)]
    if several:
        of_several = strange.is_in("label", several)
        yield Finding.of(
            "labels-of-several-classes",
            f"{radiographs(int(of_several.sum()))} of {len(rows)} are labelled with several classes, such as "
            f"{quoted(several)[0]}, but the network's probabilities sum to 1: it predicts one class; they count as "
            "not labelled",
        )
        labels = strange.where(~of_several).column("label").drop_null()
    if len(labels):
        found = listed(quoted(sorted(labels.unique().to_pylist())))
        yield Finding.of(
            "labels-unknown",
            f"{radiographs(len(labels))} of {len(rows)} are labelled {found}, which is none of the classes ("
            f"{', '.join(names)}); they count as not labelled{_named(labels.unique().to_pylist())}",
        )


def _named(labels: Sequence[str]) -> str:
    """Return how to say what numbers mean, where labels are numbers; nobody can tell from which class they count.

    >>> _named(["0", "1"]), _named(["cyst"])
    ('; numbers are never taken for classes: --label-names 0=CLASS says which one is meant', '')
    """
    numbers = sorted(label for label in labels if label.strip().isdecimal())
    said = "numbers are never taken for classes"
    return f"; {said}: --label-names {numbers[0]}=CLASS says which one is meant" if numbers else ""


def _strange_words(rows: Index, count: int, names: Sequence[str]) -> Iterator[Finding]:
    """Yield that labels name classes that there are not, in a table whose classes do not exclude each other."""
    labels = rows.column("label").drop_null().to_pylist()
    found = [words for label in labels if (words := strangers(label, names))]
    if found:
        named = listed(quoted(sorted({word for each in found for word in each})))
        yield Finding.of(
            "labels-unknown",
            f"the labels of {radiographs(len(found))} of {count} name {named}, which is none of the classes ("
            f"{', '.join(names)}); the classes that they do not name count as unknown",
        )


def split_findings(rows: Index) -> Iterator[Finding]:
    """Look for radiographs of the training split among those that an evaluation is about.

    Args:
        rows: The rows that are evaluated.
    """
    splits = rows.column("split").drop_null().unique().to_pylist()
    trained_on = [split for split in splits if is_training(split)]
    count = int(rows.is_in("split", trained_on).sum())
    if count:
        yield Finding.of(
            "training-split",
            f"{count} of {radiographs(len(rows))} are of the split {listed(quoted(trained_on))}: results on them say "
            "how well the network remembers",
        )


def inspect_table(table: PredictionTable, everything: Index, rows: Index) -> tuple[Finding, ...]:
    """Look for what may be wrong with a table.

    Args:
        table: The table.
        everything: All of its rows: copies in other splits count, too.
        rows: The rows that are asked for.

    Returns:
        What was found, what was known when the network was loaded before the rest.
    """
    names, several = table.provenance.class_names, table.provenance.multi_label
    return (
        *table.provenance.findings,
        *score_findings(rows, names, multi_label=several),
        *map_findings(table, rows),
        *label_findings(rows, names, multi_label=several),
        *Tally(copies_in_table(everything)).findings(),
        *Tally(frames_findings(rows)).findings(),
    )


def frames_findings(rows: Index) -> Iterator[Finding]:
    """Yield each radiograph that is the first of several images in its file."""
    column = rows.column("frames")
    several = as_numpy(column.is_valid()).copy()
    several[several] = as_numpy(column.drop_null()) > 1
    for row in rows.where(several):
        yield from several_frames(row.image_id, row.frames, [row.image_id])
