"""The images that several predictions tables have in common."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from btxrd_explain.errors import TableError
from btxrd_explain.workflows.evaluation.scores import Scores

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from btxrd_explain.predictions.index import Index
    from btxrd_explain.workflows.evaluation.evaluate import Evaluation
    from btxrd_explain.workflows.selection import Selected


@dataclass(frozen=True, slots=True)
class Common:
    """Several tables on the same images.

    Attributes:
        selections: The common images in each table, by the table's name.
        only: Images of each table that not all others have a prediction of.
        changed: Images that all have, but whose file was not the same for all.
        relabelled: Images that all have, but whose true class is not the same in all.
    """

    selections: Mapping[str, Selected]
    only: Mapping[str, list[str]]
    changed: list[str]
    relabelled: list[str]


def in_common(selections: Mapping[str, Selected]) -> Common:
    """Keep the images of which all tables have a prediction, made from the same file, and the same true class.

    Args:
        selections: What is selected of each table, by the table's name.

    Raises:
        TableError: The tables know other classes, or have no image in common.
    """
    _check_classes(selections)
    contents = [_predicted(selected.rows, "sha256") for selected in selections.values()]
    labels = [_predicted(selected.rows, "label") for selected in selections.values()]
    shared = set(contents[0]).intersection(*contents[1:])
    changed, relabelled = _differing(shared, contents), _differing(shared, labels)
    kept = sorted(shared.difference(changed, relabelled))
    if not kept:
        raise TableError("the tables have no radiograph in common", hint="make them from the same images")
    rows = {name: selected.rows.where(selected.rows.is_in("image_id", kept)) for name, selected in selections.items()}
    return Common(
        {name: replace(selected, rows=rows[name]) for name, selected in selections.items()},
        {name: sorted(set(content).difference(shared)) for name, content in zip(selections, contents, strict=True)},
        changed,
        relabelled,
    )


def restricted(evaluation: Evaluation, selected: Selected) -> Evaluation:
    """Keep the scores of the images that are selected."""
    kept = set(selected.rows.column("image_id").to_pylist())
    scores = (score for score in evaluation.scores if score.row.image_id in kept)
    return replace(evaluation, selected=selected, scores=Scores(selected.rows, scores))


def _check_classes(selections: Mapping[str, Selected]) -> None:
    classes = {name: selected.table.provenance.class_names for name, selected in selections.items()}
    (first, known), *others = classes.items()
    for name, own in others:
        if set(own) != set(known):
            raise TableError(
                f"the classes of '{name}' are {', '.join(own)}, those of '{first}' are {', '.join(known)}",
                hint="compare tables of the same classes",
            )


def _predicted(rows: Index, column: str) -> dict[str, str | None]:
    """Return what a column holds of each predicted image, by ``image_id``."""
    predicted = rows.where(rows.predicted >= 0)
    names, values = (predicted.column(name).to_pylist() for name in ("image_id", column))
    return dict(zip(names, values, strict=True))


def _differing(shared: Iterable[str], facts: Sequence[Mapping[str, str | None]]) -> list[str]:
    """Return the images of which the tables do not say the same, sorted."""
    return sorted(name for name in shared if len({of[name] for of in facts}) > 1)
