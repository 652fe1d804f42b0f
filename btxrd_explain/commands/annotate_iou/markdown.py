"""``annotation_report.md``: the report in words and tables, for a paper's methods and results sections."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING

from btxrd_explain.commands.annotate_iou.readers import readers_section
from btxrd_explain.commands.markdown import (
    caveats,
    code,
    definitions,
    interval,
    number,
    plain_markdown,
    provenance_table,
    table,
)
from btxrd_explain.core.choices import Smooth
from btxrd_explain.core.metrics.baselines import CHANNEL_DRAWS
from btxrd_explain.core.metrics.catalogue import METRICS
from btxrd_explain.core.preprocess import in_words
from btxrd_explain.core.smoothing import PASSES
from btxrd_explain.evaluation.conclusion import of_slice, sum_of_outcomes
from btxrd_explain.evaluation.origin import split_csv_in_words
from btxrd_explain.evaluation.protocol import BASELINES, MapKind
from btxrd_explain.evaluation.report import DEFINITIONS
from btxrd_explain.finding import listed
from btxrd_explain.predictions.provenance import counted
from btxrd_explain.synthetic import SYNTHETIC

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from btxrd_explain.evaluation.schema import Metric, Pooled, Report, SliceSummary

_RULES = {
    "otsu": "the threshold of each map was Otsu's (on 256 levels)",
    "otsu-chexlocalize": "the threshold of each map was Otsu's (on 256 levels), and all contours were filled, as "
    "cheXlocalize does",
}
_POLICIES = {
    "polygons-then-rectangles": "the outlines of each annotation (polygons, circles, masks), and with its rectangles "
    "where a lesion has no outline",
    "polygons": "the outlines of each annotation (polygons, circles, masks)",
    "rectangles": "the rectangles of each annotation",
    "all": "all shapes of each annotation",
}


def write_markdown(report: Report) -> str:
    """Write the report as Markdown.

    Args:
        report: The report.

    Returns:
        The text, ending in a newline.
    """
    return "\n\n".join(_sections(report)) + "\n"


def _sections(report: Report) -> Iterator[str]:
    yield "# Heat maps against expert annotations"
    if report.provenance["synthetic"]:
        yield f"**{SYNTHETIC}.**"
    yield "## Conclusion\n\n" + "\n".join(f"- {plain_markdown(sentence)}" for sentence in report.conclusion)
    yield f"## What was scored\n\n{_scored(report)}"
    yield f"## Methods\n\n{_methods(report)}"
    yield f"## Results\n\n{_results(report)}"
    yield _metrics_table(report)
    yield _data_set(report)
    if report.human is not None:
        yield from readers_section(report.human)
    yield f"### Slices\n\n{_slices(report)}"
    yield f"### Excluded and undefined\n\n{_exclusions(report)}"
    yield f"## Checklist\n\n{_checklist(report)}"
    yield from caveats(report.warnings, report.limits)
    titles = {name: metric.title for name, metric in METRICS.items()}
    yield definitions({titles.get(name, name.replace("_", " ")): said for name, said in report.definitions.items()})
    yield f"## Provenance\n\n{provenance_table(report.provenance)}"
    yield f"## Files\n\n{_files(report.files)}"


def _scored(report: Report) -> str:
    found = report.scored
    named = [*([found.root] if found.root else []), *found.inputs]
    selected_by = plain_markdown(split_csv_in_words(found, report.provenance))
    counts = (found.selected, found.predicted, found.annotated, found.scored)
    return table(
        ["", ""],
        [
            ["radiographs", plain_markdown(", ".join(named)) or "those of the predictions table"],
            ["split CSV", selected_by],
            ["split", plain_markdown(found.split or "all")],
            ["selected, predicted, annotated, scored", ", ".join(map(str, counts))],
            ["command (paths as names only: run it with your own)", code(found.command)],
        ],
    )


_PICTURES = frozenset({".png", ".svg"})


def _files(files: Mapping[str, str]) -> str:
    """List the files of the report, and show those that are pictures."""
    named = "\n".join(f"- {kind.replace('_', ' ')}: {code(name)}" for kind, name in files.items())
    shown = [
        f"![{kind.replace('_', ' ')}]({name})" for kind, name in files.items() if PurePath(name).suffix in _PICTURES
    ]
    return "\n\n".join([named, *shown])


def _methods(report: Report) -> str:
    rule, drawn = report.protocol, report.statistics
    bootstrap = f"percentile bootstrap over {drawn.units} {drawn.unit}, {drawn.resamples} draws, seed {drawn.seed}"
    sentences = [
        _maps(report),
        f"Radiographs were {plain_markdown(in_words(report.provenance['preprocessing']))}.",
        f"They were compared with {_POLICIES[rule.mask_policy]} ({plain_markdown(rule.annotations)}); {_rule(report)}.",
        f"Means are given with 95 % intervals ({bootstrap}); differences between maps are paired.",
        "Each score is given with its chance level and its ceiling: that of the lesion mask averaged onto the grid.",
    ]
    sentences += _baselines(report)
    return " ".join(sentences)


def _baselines(report: Report) -> Iterator[str]:
    """Yield which baselines were scored; of those that were not, :func:`_absent` says why."""
    if report.protocol.average_mask is None:
        return
    without = {
        MapKind.RANDOM: "a uniform random grid",
        MapKind.CENTRE: "a centred Gaussian",
        MapKind.EDGES: "the radiograph's edges",
        MapKind.AVERAGE: f"the average lesion mask of {plain_markdown(report.protocol.average_mask)}",
    }
    of_network = {
        MapKind.RANDOM_CHANNELS: f"its activations with random channel weights (the mean over {CHANNEL_DRAWS} draws)",
        MapKind.OTHER_CLASS: "its map of the least probable class",
    }
    for title, named in (("Baselines without a classifier", without), ("Baselines of the network itself", of_network)):
        scored = [text for kind, text in named.items() if str(kind) not in report.not_computed]
        if scored:
            yield f"{title} were scored alike: {listed(scored)}."


def _maps(report: Report) -> str:
    rule, made = report.protocol, report.provenance
    place = {"original": "the radiograph's own pixels", "input": "the network's input"}[rule.space]
    if made["imported"] is not None:
        files, hashed = counted(made["imported"]["kinds"]), made["checkpoint_sha256"][:16]
        return (
            f"Heat maps of another program were imported from {files} files (SHA-256 `{hashed}`; "
            f"{made['imported']['sign']} values count as evidence). Those of the {rule.target_class} class were "
            f"rectified, enlarged bilinearly to {place}, and scaled to [0, 1] per image. Their network, method and "
            "layer are not known here."
        )
    smooth = Smooth(made["smooth"])
    smoothed = "" if smooth is Smooth.NONE else f"averaged over {PASSES[smooth]} views (smooth {smooth}), "
    return (
        f"Class-activation maps ({rule.method}, layer {code(rule.target_layer)}, {rule.grid[0]} x {rule.grid[1]} "
        f"cells) of the {rule.target_class} class were computed with {plain_markdown(made['architecture'])} "
        f"(checkpoint {code(made['checkpoint'])}, "
        f"SHA-256 `{made['checkpoint_sha256'][:16]}`), {smoothed}rectified, upsampled bilinearly to {place}, "
        "and scaled to [0, 1] per image."
    )


def _rule(report: Report) -> str:
    rule = report.protocol
    if rule.threshold_rule == "fixed":
        text = f"a pixel of heat h counted as highlighted where h {rule.operator} {rule.threshold:g}"
        if rule.tuned_on is None:
            return f"{text}, a threshold set beforehand"
        tuned = rule.tuned_on
        where = tuned.file if tuned.split is None else f"{tuned.file}, split {tuned.split}"
        return f"{text}, the threshold of the highest mean IoU on {tuned.images} other images ({plain_markdown(where)})"
    if rule.threshold_rule == "percentile":
        return f"the hottest {rule.percentile:g} % of the pixels were highlighted"
    return _RULES[rule.threshold_rule]


def _results(report: Report) -> str:
    overall = report.summary.overall
    iou, hit = overall.metrics["iou"], overall.metrics["pointing_hit"]
    if overall.mean_iou is None:
        return "No image has an IoU."
    rho = report.correlations.iou_with_confidence
    sentences = [
        f"Over {overall.n} annotated images the mean IoU was {interval(iou)}",
        f"(median {number(overall.median_iou)}; ceiling {interval(iou.ceiling)}; chance {number(iou.chance)}).",
        f"The hottest pixel lay on a lesion in {round((hit.mean or 0) * hit.n)} of {hit.n} images ({interval(hit)}).",
        f"IoU and the confidence of the prediction correlated with Spearman's rho {interval(rho)}.",
    ]
    best = report.curve.best
    if best.threshold is not None:
        sentences.append(
            f"In hindsight the best fixed threshold on these same images would have been {best.threshold:.2f}, with a "
            f"mean IoU of {number(best.mean_iou)}, which is optimistic and not a result."
        )
    return " ".join(sentences)


def _metrics_table(report: Report) -> str:
    overall = report.summary.overall
    present = [str(kind) for kind in BASELINES if any(str(kind) in m.baselines for m in overall.metrics.values())]
    others = list(overall.metrics["iou"].comparators)
    header = ["metric", "mean [95 % interval]", "n", "chance", "ceiling", *present, *map(plain_markdown, others)]
    rows = [
        [
            METRICS[name].title,
            interval(metric),
            str(metric.n),
            _chance(metric),
            interval(metric.ceiling),
            *(interval(metric.baselines.get(kind)) for kind in present),
            *(interval(metric.comparators[name]) for name in others),
        ]
        for name, metric in overall.metrics.items()
    ]
    chance = f"Chance is {DEFINITIONS['chance']}; (*) marks the latter."
    return "\n\n".join([table(header, rows), *_differences(overall, present), chance, *_absent(report)])


def _differences(overall: SliceSummary, present: Sequence[str]) -> Iterator[str]:
    """Yield the table of what the heat maps have over the baselines, if there are any."""
    if present:
        rows = [
            [METRICS[name].title, *(interval(own and own.difference) for own in map(metric.baselines.get, present))]
            for name, metric in overall.metrics.items()
        ]
        yield f"Heat map minus baseline, image by image:\n\n{table(['metric', *present], rows)}"


def _absent(report: Report) -> Iterator[str]:
    """Yield which baselines were not computed, and why, unless none was asked for."""
    if report.protocol.average_mask is not None:
        for name, reason in report.not_computed.items():
            yield f"{name}: not computed ({plain_markdown(reason)})."


def _chance(metric: Metric) -> str:
    return number(metric.chance) + (" (*)" if metric.chance_from == "random grid" else "")


def _data_set(report: Report) -> str:
    pixels, boxes = report.data_set.pxap, report.data_set.max_box_acc_v2
    lines = []
    if pixels is not None:
        lines.append(f"Pixels of all images together (PxAP): {_pooled(pixels)}.")
    if boxes is not None:
        accuracies = ", ".join(f"{value:.3f} at IoU {overlap}" for overlap, value in boxes.accuracies.items())
        lines.append(
            f"MaxBoxAccV2: {_pooled(boxes)} ({accuracies}); its thresholds are chosen in hindsight, as the measure is "
            "defined."
        )
    return " ".join(lines)


def _pooled(found: Pooled) -> str:
    beside = {"chance": found.chance, "ceiling": found.ceiling, **found.baselines}
    known = (f"{name} {value:.3f}" for name, value in beside.items() if value is not None)
    return f"{interval(found)} on {found.n} images; {', '.join(known)}"


def _slices(report: Report) -> str:
    summary = report.summary
    groups: dict[str, Mapping[str, SliceSummary]] = {
        "all": {"all": summary.overall},
        "class": summary.by_class,
        "outcome": summary.by_outcome,
        "class, outcome": summary.by_class_and_outcome,
        "lesion size": summary.by_lesion_size,
        **summary.by_metadata,
    }
    rows = [
        [
            plain_markdown(what),
            plain_markdown(name),
            str(part.n),
            of_slice(part.metrics["iou"], interval),
            interval(part.metrics["iou"].ceiling),
            number(part.metrics["iou"].chance),
            of_slice(part.metrics["pointing_hit"], interval),
            of_slice(part.metrics["average_precision"], interval),
        ]
        for what, parts in groups.items()
        for name, part in parts.items()
    ]
    header = ["by", "slice", "n", "mean IoU", "ceiling", "chance", "pointing hits", "average precision"]
    added = sum_of_outcomes(summary, multi_label=bool(report.provenance["multi_label"]))
    return f"{table(header, rows)}\n\n{report.definitions['outcome']}. {added}"


def _exclusions(report: Report) -> str:
    lines = [f"- {count} excluded: {plain_markdown(reason)}" for reason, count in report.summary.excluded.items()]
    if report.summary.overall.n_undefined:
        reasons = ", ".join(sorted({str(image.undefined) for image in report.per_image if image.undefined}))
        said = plain_markdown(reasons.replace("_", " "))
        lines.append(f"- {report.summary.overall.n_undefined} without a defined IoU (heat map: {said})")
    if report.summary.num_attention_patterns:
        patterns = report.summary.num_attention_patterns
        lines.append(f"- {patterns} images of a class without a lesion, with none annotated, which have no IoU")
    return "\n".join(lines) or "No image was excluded."


def _checklist(report: Report) -> str:
    rows = [[str(p.number), p.item, f"**{p.status}**", plain_markdown(p.evidence), p.source] for p in report.checklist]
    met = sum(point.status == "met" for point in report.checklist)
    return f"{met} of {len(rows)} points are met.\n\n" + table(["", "point", "status", "evidence", "source"], rows)
