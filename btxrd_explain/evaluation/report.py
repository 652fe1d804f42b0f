"""The report of ``annotate-iou``: all slices in numbers, each image, and all that is needed to repeat it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from btxrd_explain.core.choices import Rule as RuleKind
from btxrd_explain.core.metrics.baselines import CHANNEL_DRAWS
from btxrd_explain.core.metrics.catalogue import METRICS
from btxrd_explain.core.readers import READER_SCORES
from btxrd_explain.core.sanity import Outcome
from btxrd_explain.evaluation.baselines import not_computed
from btxrd_explain.evaluation.checklist import Evidence, build_checklist
from btxrd_explain.evaluation.conclusion import FEW, of_maps
from btxrd_explain.evaluation.human import describe_readers
from btxrd_explain.evaluation.parts import Statistics
from btxrd_explain.evaluation.protocol import BASELINES, MapKind
from btxrd_explain.evaluation.sample import Sample, by_values
from btxrd_explain.evaluation.schema import (
    METRIC_FIELDS,
    Excluded,
    Image,
    Pattern,
    Report,
    Rule,
    Scored,
    Summary,
)
from btxrd_explain.evaluation.summaries import (
    correlate,
    describe_curve,
    describe_data_set,
    describe_maps,
    summarise,
    summarise_all,
)
from btxrd_explain.plain import percent
from btxrd_explain.synthetic import SYNTHETIC

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from btxrd_explain.evaluation.evaluate import Evaluation, Scores
    from btxrd_explain.evaluation.extent import Extent
    from btxrd_explain.evaluation.human import HumanBenchmark
    from btxrd_explain.evaluation.score import Score
    from btxrd_explain.predictions.provenance import Provenance

# What the numbers of an evaluation cannot say, from what was and was not done.


def _limits(evaluation: Evaluation, summary: Summary, extent: Extent, human: HumanBenchmark | None) -> Iterator[str]:
    """Yield the limits of an evaluation, one sentence or two each."""
    provenance, overall = evaluation.selected.table.provenance, summary.overall
    if provenance.synthetic:
        yield f"{SYNTHETIC}."
    yield (
        "A low overlap has two causes that it cannot tell apart: a classifier that looks elsewhere, and a map that "
        f"does not show where it looks. {_told_apart(extent, provenance)}"
    )
    ceiling = overall.metrics["iou"].ceiling
    if ceiling is not None and ceiling.mean is not None:
        yield (
            f"A grid of {provenance.grid.height} x {provenance.grid.width} cells cannot outline small lesions: even "
            f"its ideal map reaches a mean IoU of {ceiling.mean:.3f} only."
        )
    if overall.n < FEW:
        yield f"There are only {overall.n} images with an IoU; percentile intervals from so few are too short."
    if extent.group_column is None:
        yield (
            "Images are drawn as if they were independent; where several show the same patient, the intervals are too "
            "short."
        )
    yield from _limits_of_images(evaluation)
    yield "Intervals are not adjusted for the number of metrics and slices."
    if human is None:
        yield "Each image has one annotation; how far experts would agree among themselves is not known."
    elif human.consensus is not None:
        yield (
            f"Heat maps are compared with the {human.consensus} of all readers, and in the human benchmark with that "
            "of all but one; the two numbers differ."
        )
    if extent.sanity is None:
        yield "Whether the maps depend on what the network has learnt (weight randomisation) was not tested here."
    elif extent.sanity.outcome is not Outcome.CHANGE:
        yield f"Weight randomisation: {extent.sanity.text}"
    excluded = sum(summary.excluded.values())
    if excluded:
        yield f"{excluded} images are excluded; the numbers hold for the others."


def _told_apart(extent: Extent, provenance: Provenance) -> str:
    if provenance.imported is not None:
        return "Interventions would; they need the network, which imported heat maps come without."
    if extent.interventions is None:
        return "Interventions would, and were not made here (btxrd-explain intervene)."
    return f"Interventions: {extent.interventions}"


def _unseen(evaluation: Evaluation) -> Iterator[str]:
    """State what the network never saw of the evaluated images."""
    scores = evaluation.evaluated  # of an image perhaps several, one for each class with lesions of its own
    images = {score.row.image_id: score.seen_fraction for score in scores}
    seen = [fraction for fraction in images.values() if fraction is not None]
    cut = len({score.row.image_id for score in scores if (score.lesion_seen_fraction or 0) < 1})
    if seen and min(seen) < 1:
        yield (
            f"The network saw a part of the radiographs only, on average {percent(sum(seen) / len(seen))} of the "
            f"pixels, and not all of the lesions in {cut} of {len(images)} images; heat maps are 0 where it saw "
            "nothing."
        )


def _limits_of_images(evaluation: Evaluation) -> Iterator[str]:
    """State what the evaluated images themselves limit."""
    names, evaluated = evaluation.selected.table.provenance.class_names, evaluation.evaluated
    images = {score.row.image_id for score in evaluated}
    yield from _unseen(evaluation)
    copies = len(images) - len({score.row.content for score in evaluated})
    if evaluation.protocol.decisions is not None:
        yield (
            f"A radiograph counts once for each class that is measured: {len(evaluated)} classes of {len(images)} "
            "radiographs, whose classes are drawn together."
        )
    if copies:
        yield f"{copies} images are exact copies of other images under another name; copies are drawn together."
    no_lesion = evaluation.protocol.no_lesion
    said = no_lesion.said(names)
    each = "" if any(name in no_lesion for name in names) else f": each of {', '.join(names)} counts as a tumour class"
    yield f"{said[0].upper()}{said[1:]}{each}."
    healthy = sum(score.true is not None and names[score.true] in no_lesion for score in evaluated)
    if healthy:
        yield f"{healthy} images of a class without a lesion have an annotated lesion, and count in the means."


DEFINITIONS = {
    "symbols": "h: the heat map; b: the region, its pixels at or above the threshold; m: the annotation. |x| counts "
    "pixels, ∧ is and, ∨ is or, Σ adds up over all pixels",
    "heat_map": "ReLU of the raw class-activation grid, bilinearly upsampled (align_corners=False), min-max scaled "
    "per image",
    "ceiling": "the same metric of the ideal map that a grid of this size can draw: the annotation mask averaged onto "
    "the grid, then treated like a class-activation grid",
    "baselines": "the same metric of maps that know nothing of the classifier, on the same grid: random (uniform), "
    "centre (a Gaussian), edges (the radiograph's gradient magnitude), average (the mean lesion mask of other images); "
    f"and of two maps of the network itself: random-channels (its activations with random channel weights, the mean "
    f"over {CHANNEL_DRAWS} draws), other-class (the least probable class, unless that is the one that is measured)",
    "chance": "the mean score of a map that knows nothing. For pointing hits, precision and similar scores a formula "
    "gives it, such as the annotated fraction of the image. IoU and similar scores depend on the size of the region "
    "and have no such formula: there it is the score of a uniform random grid (the baseline random) that is treated "
    "like the classifier's",
    "outcome": "of an image: TP: a tumour class, rightly predicted; FN: a tumour class, but another class was "
    "predicted; FP: no tumour, but a tumour class was predicted; TN: no tumour, rightly. Slices by outcome go through "
    "the tumour classes: an annotated image of one that was taken for another is FN of the first and FP of the second, "
    "there with the map of the second",
    "undefined": "an evaluated image without IoU, because its raw grid holds no positive evidence, is flat or not "
    "finite; it counts in n_undefined and in no mean",
    "excluded": "an image that is not evaluated, with the reason; images of a class without a lesion, and without "
    "annotation, are listed under attention_patterns instead",
}


_PATTERN = "attention pattern"


def sample_of(evaluation: Evaluation, extent: Extent) -> Sample:
    """Put the evaluated images into columns."""
    groups = extent.groups
    return Sample.of(
        evaluation.evaluated,
        evaluation.selected.table.provenance.class_names,
        groups=None if groups is None else _evaluated(evaluation.scores, groups),
        resamples=extent.resamples,
        seed=extent.seed,
    )


def build_report(evaluation: Evaluation, sample: Sample, extent: Extent) -> Report:
    """Build the content of ``annotation_report.json``, but for what it lists of images that are not evaluated.

    Args:
        evaluation: What was measured.
        sample: Its evaluated images in columns.
        extent: What is reported beyond the scores.

    Returns:
        The report.
    """
    summary = _summary(evaluation, sample, extent)
    statistics = Statistics.of(sample.resampling(sample.everything().rows), unit_of(extent), summary.overall.units)
    rule = describe_protocol(evaluation, extent)
    human = describe_human(evaluation, extent)
    limits = list(_limits(evaluation, summary, extent, human))
    return Report(
        conclusion=of_maps(summary),
        scored=Scored(
            **extent.origin.document(),
            scored=len({score.row.image_id for score in evaluation.evaluated if score.iou is not None}),
        ),
        mean_iou=summary.overall.mean_iou,
        num_images=summary.overall.n,
        iou_threshold=rule.threshold,
        summary=summary,
        qualitative=describe_maps(sample),
        data_set=describe_data_set(evaluation, sample),
        not_computed=not_computed(BASELINES, summary.overall.metrics["iou"].baselines, sample.scores, evaluation),
        correlations=correlate(sample),
        curve=describe_curve(sample),
        per_image=list(evaluated_images(evaluation)),
        protocol=rule,
        human=human,
        statistics=statistics,
        checklist=build_checklist(Evidence(evaluation, summary, statistics, extent, limits, human)),
        limits=limits,
        warnings=[*evaluation.selected.findings, *evaluation.findings],
        definitions={"symbols": DEFINITIONS["symbols"]}
        | {name: metric.definition for name, metric in METRICS.items()}
        | DEFINITIONS
        | ({} if human is None else {f"reader_{name}": text for name, text in READER_SCORES.items()}),
        files={},
        sha256={},
        provenance=evaluation.selected.table.document(),
    )


def describe_human(evaluation: Evaluation, extent: Extent) -> HumanBenchmark | None:
    """Return what human readers score; None without any."""
    if evaluation.readers is None:
        return None
    image_ids = evaluation.selected.rows.column("image_id").to_pylist()
    return describe_readers(
        evaluation.read,
        list(evaluation.readers.sources),
        evaluation.readers.consensus,
        groups=None if extent.groups is None else dict(zip(image_ids, extent.groups, strict=True)),
        resamples=extent.resamples,
        seed=extent.seed,
    )


def unit_of(extent: Extent) -> str:
    """Return what intervals draw, in words."""
    return "images" if extent.group_column is None else f"groups of {extent.group_column}"


def evaluated_images(evaluation: Evaluation) -> Iterator[Image]:
    """Yield the images that are evaluated, with their facts and scores."""
    names = evaluation.selected.table.provenance.class_names
    return (_image(score, names) for score in evaluation.evaluated)


def excluded_images(evaluation: Evaluation) -> Iterator[Excluded]:
    """Yield the images that have no part in the evaluation; there may be more of them than memory holds."""
    for score in evaluation.scores:
        if score.excluded is not None and not score.is_attention_pattern:
            yield Excluded(image_id=score.row.image_id, reason=score.excluded, detail=score.detail)


def attention_patterns(evaluation: Evaluation) -> Iterator[Pattern]:
    """Yield the images without a lesion, by class and annotation; there may be more of them than memory holds."""
    names = evaluation.selected.table.provenance.class_names
    for score in evaluation.scores:
        if score.is_attention_pattern:
            yield Pattern.model_validate(_pattern(score, names))


def describe_protocol(evaluation: Evaluation, extent: Extent) -> Rule:
    """Return how heat maps and annotations were compared."""
    protocol, provenance = evaluation.protocol, evaluation.selected.table.provenance
    threshold = protocol.threshold
    return Rule(
        method=provenance.method,
        target_layer=provenance.target_layer,
        grid=list(provenance.grid),
        target_class=protocol.target_class,
        space=protocol.space,
        threshold_rule=threshold.rule,
        threshold=threshold.value if threshold.rule is RuleKind.FIXED else None,
        percentile=threshold.value if threshold.rule is RuleKind.PERCENTILE else None,
        operator=threshold.operator,
        tuned_on=extent.tuning,
        annotations=evaluation.selected.source.description,
        mask_policy=protocol.rules.policy,
        label_map=dict(protocol.rules.labels),
        mask_inverted=protocol.rules.inverted,
        average_mask=extent.average_mask,
    )


def _summary(evaluation: Evaluation, sample: Sample, extent: Extent) -> Summary:
    fates = Counter(_PATTERN if score.is_attention_pattern else score.excluded for score in evaluation.scores)
    excluded = {str(fate): count for fate, count in fates.items() if fate not in {None, _PATTERN}}
    return Summary(
        overall=summarise(sample, sample.everything()),
        by_class=summarise_all(sample, sample.by_class()),
        by_outcome=summarise_all(sample, sample.by_outcome()),
        by_class_and_outcome=summarise_all(sample, sample.by_class_and_outcome()),
        by_lesion_size=summarise_all(sample, sample.by_lesion_size()),
        by_metadata={
            name: summarise_all(sample, by_values(_evaluated(evaluation.scores, cells)))
            for name, cells in extent.columns.items()
        },
        excluded=dict(sorted(excluded.items())),
        num_attention_patterns=fates[_PATTERN],
    )


def _evaluated(scores: Scores, cells: Sequence[str | None]) -> list[str | None]:
    """Return the cells of the images that are evaluated."""
    return [cells[scores.places[place]] for place in scores.evaluated]


def _image(score: Score, names: Sequence[str]) -> Image:
    ceiling = score.metrics.get(MapKind.CEILING)
    facts = {
        "target_class": None if score.target is None else names[score.target],
        "target_probability": score.target_probability,
        "undefined": score.undefined,
        "lesions": score.lesions,
        "ceiling_iou": None if ceiling is None else ceiling.iou,
    }
    return Image.model_validate(
        _pattern(score, names) | facts | {name: getattr(score.model, name) for name in METRIC_FIELDS}
    )


def _pattern(score: Score, names: Sequence[str]) -> dict[str, object]:
    return {
        "image_id": score.row.image_id,
        "class_": score.label,
        "predicted": score.predicted(names),
        "confidence": score.confidence,
        "outcome": score.outcome(names),
    }
