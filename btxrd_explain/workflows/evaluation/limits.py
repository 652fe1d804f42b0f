"""What the numbers of an evaluation cannot say, from what was and was not done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from btxrd_explain.core.sanity import Outcome
from btxrd_explain.workflows.evaluation.score import is_tumour

if TYPE_CHECKING:
    from collections.abc import Iterator

    from btxrd_explain.core.sanity import Verdict
    from btxrd_explain.workflows.evaluation.evaluate import Evaluation
    from btxrd_explain.workflows.evaluation.slice_schema import Summary

_FEW = 30
"""Below so many images a percentile interval is known to be too short."""


def limits_of(evaluation: Evaluation, summary: Summary, group_column: str | None, sanity: Verdict | None) -> list[str]:
    """State the limits of an evaluation, one sentence or two each."""
    return list(_limits(evaluation, summary, group_column, sanity))


def _limits(
    evaluation: Evaluation, summary: Summary, group_column: str | None, sanity: Verdict | None
) -> Iterator[str]:
    provenance, overall = evaluation.selected.table.provenance, summary.overall
    if provenance.synthetic:
        yield "All radiographs are SYNTHETIC: the numbers say nothing about patients."
    yield (
        "A low overlap has two causes that it cannot tell apart: a classifier that looks elsewhere, and a map that "
        "does not show where it looks."
    )
    ceiling = overall.metrics["iou"].ceiling
    if ceiling is not None and ceiling.mean is not None:
        yield (
            f"A grid of {provenance.grid.height} x {provenance.grid.width} cells cannot outline small lesions: even "
            f"its ideal map reaches a mean IoU of {ceiling.mean:.3f} only."
        )
    if overall.n < _FEW:
        yield f"There are only {overall.n} images with an IoU; percentile intervals from so few are too short."
    if group_column is None:
        yield (
            "Images are drawn as if they were independent; where several show the same patient, the intervals are too "
            "short."
        )
    yield from _limits_of_images(evaluation)
    yield "Intervals are not adjusted for the number of metrics and slices."
    yield "Each image has one annotation; how far experts would agree among themselves is not known."
    if sanity is None:
        yield "Whether the maps depend on what the network has learnt (weight randomisation) was not tested here."
    elif sanity.outcome is not Outcome.CHANGE:
        yield f"Weight randomisation: {sanity.text}"
    excluded = sum(summary.excluded.values())
    if excluded:
        yield f"{excluded} images are excluded; the numbers hold for the others."


def _limits_of_images(evaluation: Evaluation) -> Iterator[str]:
    """State what the evaluated images themselves limit."""
    names, evaluated = evaluation.selected.table.provenance.class_names, evaluation.evaluated
    copies = len(evaluated) - len({score.row.content for score in evaluated})
    if copies:
        yield f"{copies} images are exact copies of others under another name; copies are drawn together."
    if all(is_tumour(name) for name in names):
        yield f"No class is called Normal: each of {', '.join(names)} counts as a tumour class."
    healthy = sum(score.true is not None and not is_tumour(names[score.true]) for score in evaluated)
    if healthy:
        yield f"{healthy} images of a class without tumour have an annotated lesion, and count in the means."
