"""All rules that need nothing but a table."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from btxrd_explain.core.heatmap import MapStatus
from btxrd_explain.core.plausibility import are_constant, are_identical, are_undecided, find_exchange, saturated
from btxrd_explain.errors import Caution
from btxrd_explain.findings.rows import doubts_of_copies, doubts_of_labels, listed, radiographs
from btxrd_explain.predictions.record import RowStatus

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from btxrd_explain.core.plausibility import Exchange
    from btxrd_explain.predictions.index import Index
    from btxrd_explain.predictions.table import PredictionTable

# What the network says of all radiographs together: scores and heat maps that cannot be meant.

_FEW = 5
"""So many different radiographs are not all the same to a network that looks at them."""
_SOME = 10
_MANY = 20
_NEARLY_ALL = 0.9
_GOOD = 0.95
"""A classifier that is right so often may be as sure as it likes."""
_COMPARED = 16
"""Heat maps are held against each other in so many images."""


def doubts_of_scores(rows: Index, names: Sequence[str]) -> Iterator[Caution]:
    """Judge the scores of the network.

    Args:
        rows: Rows of a table.
        names: Names of the classes, in the network's order.
    """
    yield from _not_finite(rows)
    rows = rows.where(rows.predicted >= 0)
    if not len(rows):
        return
    constant = list(_constant(rows))
    yield from constant or [*_undecided(rows), *_saturated(rows, names), *_one_class(rows, names)]
    yield from [] if constant else _exchanged(rows, names)


def doubts_of_maps(table: PredictionTable, rows: Index) -> Iterator[Caution]:
    """Judge the heat maps of the predicted classes.

    Args:
        table: The table of the rows; grids are read of a few of them.
        rows: Some of its rows.
    """
    rows = rows.where(rows.predicted >= 0)
    whole, infinite = rows.grids_are(MapStatus.OK), rows.grids_are(MapStatus.NON_FINITE)
    if whole is None or infinite is None or not len(rows):
        return
    broken = int(infinite.any(axis=1).sum())
    if broken:
        yield Caution(
            "maps-not-finite",
            f"heat maps of {radiographs(broken)} of {len(rows)} hold NaN or infinities",
            "compute with --precision fp32, and look at the checkpoint",
        )
    empty = int((~whole[np.arange(len(rows)), rows.predicted]).sum())
    if len(rows) >= _SOME and empty >= _NEARLY_ALL * len(rows):
        yield Caution(
            "maps-empty",
            f"{empty} of {len(rows)} heat maps of the predicted class are empty: no evidence for it, or the same "
            "everywhere",
            "try another --target-layer or --method; 'btxrd-explain layers' lists the layers",
        )
    elif _same_maps(table, rows):
        yield Caution(
            "maps-identical",
            "different radiographs have the same heat map",
            "check --target-layer, and whether the network looks at its input at all",
        )


def _not_finite(rows: Index) -> Iterator[Caution]:
    failed = int(rows.is_in("status", [RowStatus.NON_FINITE]).sum())
    if failed:
        yield Caution(
            "scores-not-finite",
            f"the network's scores are NaN or infinite for {radiographs(failed)} of {len(rows)}; they have no "
            "prediction",
            "compute with --precision fp32, check the normalisation, and try an earlier epoch",
        )


def _constant(rows: Index) -> Iterator[Caution]:
    if rows.distinct("sha256") >= _FEW and are_constant(rows.probabilities):
        shown = ", ".join(f"{value:.3f}" for value in rows.probabilities[0])
        yield Caution(
            "scores-constant",
            f"all {len(rows)} radiographs have the same scores ({shown})",
            "check mean, std and image size against the training code, and that the checkpoint is a trained one",
        )


def _undecided(rows: Index) -> Iterator[Caution]:
    probabilities = rows.probabilities
    if len(rows) >= _SOME and are_undecided(probabilities):
        yield Caution(
            "scores-undecided",
            f"no class of any of {len(rows)} radiographs is more probable than {probabilities.max():.3f}, an even "
            f"share being {1 / probabilities.shape[1]:.3f}",
            "check that the checkpoint holds the trained head, and not a fresh one",
        )


def _saturated(rows: Index, names: Sequence[str]) -> Iterator[Caution]:
    share = float(saturated(rows.probabilities).mean())
    if len(rows) < _MANY or share < _NEARLY_ALL:
        return
    confusion = confusion_of(rows, names)
    if confusion.sum() and confusion.trace() >= _GOOD * confusion.sum():
        return
    yield Caution(
        "scores-saturated",
        f"{share:.0%} of {len(rows)} radiographs have a class of probability 1",
        "check mean and std against the training code: values in 0-255 where 0-1 is meant do this",
    )


def _one_class(rows: Index, names: Sequence[str]) -> Iterator[Caution]:
    confusion = confusion_of(rows, names)
    (said,) = np.nonzero(np.bincount(rows.predicted, minlength=len(names)))
    if len(said) == 1 and int(confusion.sum() - confusion[said[0]].sum()) >= _MANY:
        others = int(confusion.sum() - confusion[said[0]].sum())
        yield Caution(
            "one-class",
            f"the network says '{names[said[0]]}' of all {len(rows)} radiographs, {others} of which are of other "
            "classes",
            "check normalisation and image size against the training code, and the class weights of the training",
        )


def _exchanged(rows: Index, names: Sequence[str]) -> Iterator[Caution]:
    found = find_exchange(confusion_of(rows, names))
    if found is not None:
        yield Caution("classes-exchanged", _exchange_in_words(found, names), _exchange_to_check(found, names))


def _exchange_in_words(found: Exchange, names: Sequence[str]) -> str:
    moved = listed([names[index] for index in found.moved])
    said = ", ".join(f"'{names[index]}' means '{names[found.order[index]]}'" for index in found.moved)
    return (
        f"among {found.images} radiographs of {moved} {found.accuracy:.0%} are right, where chance gives "
        f"{found.chance:.0%}; {found.exchanged:.0%} would be right if {said}"
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
    grids = [row.grids for row in islice(table.rows(chosen), len(chosen)) if row.grids is not None]
    return len(grids) >= _FEW and are_identical(np.stack(grids))


def inspect_table(table: PredictionTable, everything: Index, rows: Index) -> tuple[Caution, ...]:
    """Look for what may be wrong with a table.

    Args:
        table: The table.
        everything: All of its rows: copies in other splits count, too.
        rows: The rows that are asked for.

    Returns:
        What was found, what was known when the network was loaded before the rest.
    """
    names = table.provenance.class_names
    return (
        *table.provenance.cautions,
        *doubts_of_scores(rows, names),
        *doubts_of_maps(table, rows),
        *doubts_of_labels(rows, names),
        *doubts_of_copies(everything),
    )
