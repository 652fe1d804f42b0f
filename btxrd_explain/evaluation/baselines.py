"""Why a report lacks a baseline: what was not computed is said, and is never 0."""

from __future__ import annotations

from typing import TYPE_CHECKING

from btxrd_explain.evaluation.protocol import OF_NETWORK, MapKind

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Sequence

    from btxrd_explain.evaluation.evaluate import Evaluation
    from btxrd_explain.evaluation.score import Score
    from btxrd_explain.predictions.provenance import Provenance


def not_computed(
    kinds: Iterable[MapKind], defined: Container[str], scores: Sequence[Score], evaluation: Evaluation
) -> dict[str, str]:
    """Return the reason for each baseline that no image has, by its name.

    Args:
        kinds: The baselines that are reported.
        defined: Those of them that are defined on an image.
        scores: The evaluated images.
        evaluation: What was measured, of which table and by which protocol.
    """
    return {str(kind): _reason(kind, scores, evaluation) for kind in kinds if kind not in defined}


def _reason(kind: MapKind, scores: Sequence[Score], evaluation: Evaluation) -> str:
    protocol, provenance = evaluation.protocol, evaluation.selected.table.provenance
    if not (protocol.baselines or (protocol.of_network and kind in OF_NETWORK)):
        return "not asked for (evaluation.baselines)"
    if not scores:
        return "no image was evaluated"
    if any(kind in score.metrics for score in scores):
        return "none of its maps can be judged next to a map of the classifier"
    if kind is MapKind.RANDOM_CHANNELS:
        return _no_channels(provenance)
    if kind is MapKind.OTHER_CLASS:
        return _no_other_class(scores, provenance)
    return "no image has one"


def _no_channels(provenance: Provenance) -> str:
    if provenance.imported is not None:
        return "the heat maps are imported, and the activations of their network are not known"
    if provenance.of_pixels:
        return f"{provenance.method} explains pixels, and not the channels of a layer"
    if not provenance.random_channels:
        return "the table was made without them; 'btxrd-explain infer' makes tables with them"
    return "no evaluated row of the table has them"


def _no_other_class(scores: Sequence[Score], provenance: Provenance) -> str:
    if len(provenance.class_names) < 2:
        return "there is only one class"
    if all(score.row.predicted is None for score in scores):
        return "the table has no probabilities"
    if all(score.row.least_probable == score.target for score in scores):
        return "the least probable class is the one that is measured, in every image"
    return "the table has no map of the least probable class (--explain-classes)"
