"""Writing a comparison: the figure, the scores side by side, and the report last."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from btxrd_explain.commands.compare.differences import Compared, Comparison
from btxrd_explain.commands.drawing import footer
from btxrd_explain.evaluation.baselines import not_computed
from btxrd_explain.evaluation.conclusion import of_tables
from btxrd_explain.evaluation.file_set import write_set
from btxrd_explain.evaluation.parts import Statistics
from btxrd_explain.evaluation.protocol import OF_NETWORK, rule_in_words
from btxrd_explain.evaluation.sample import NAMES
from btxrd_explain.outputs.score_figures import PairScatter, build_pair_scatters
from btxrd_explain.outputs.style import save_figure
from btxrd_explain.plain import as_cell
from btxrd_explain.system.files import named_in, write_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from btxrd_explain.commands.compare.agreement import Agreement
    from btxrd_explain.commands.compare.differences import Common, Difference, Paired
    from btxrd_explain.evaluation.evaluate import Evaluation
    from btxrd_explain.settings import Settings


def write_comparison(
    evaluations: Mapping[str, Evaluation],
    paired: Paired,
    common: Common,
    agreements: Mapping[str, Agreement],
    settings: Settings,
) -> tuple[Comparison, dict[str, Path]]:
    """Write ``comparison.json``, ``comparison_metrics.csv`` and ``comparison_scatter``.

    Args:
        evaluations: What was measured on each table, by its name; the first is what the others are compared with.
        paired: Their scores, image by image.
        common: Which images were left out.
        agreements: How far the maps of tables agree with those of the first; none where that was not asked for.
        settings: Where the files go and what they look like.

    Returns:
        The report, and the files by kind.
    """
    folder = settings.output.directory
    files = {
        "comparison": folder / "comparison.json",
        "metrics": folder / "comparison_metrics.csv",
        "scatter": folder / f"comparison_scatter.{settings.output.format}",
    }
    report = _document(evaluations, paired, common, agreements, settings, files)
    write_bytes(files["metrics"], _side_by_side(paired).encode())
    _draw(report, evaluations, paired, files["scatter"], settings)
    others = (path for kind, path in files.items() if kind != "comparison")
    return write_set(files["comparison"], report, others), files


def _document(
    evaluations: Mapping[str, Evaluation],
    paired: Paired,
    common: Common,
    agreements: Mapping[str, Agreement],
    settings: Settings,
    files: Mapping[str, Path],
) -> Comparison:
    first, protocol = paired.first, next(iter(evaluations.values())).protocol
    reference = next(iter(evaluations))
    column, margin = settings.evaluation.group_column, settings.evaluation.margin
    differences = paired.differences(margin)
    folder = settings.output.directory
    tables = {
        name: _compared(
            name, evaluation, paired, common, folder, difference=differences.get(name), agreement=agreements.get(name)
        )
        for name, evaluation in evaluations.items()
    }
    return Comparison(
        conclusion=_conclusion(reference, differences, margin),
        reference=reference,
        n=len(first.scores),
        tables=tables,
        changed=common.changed,
        relabelled=common.relabelled,
        excluded=dict(paired.excluded),
        target_class=protocol.target_class,
        space=protocol.space,
        mask_policy=protocol.rules.policy,
        label_map=dict(protocol.rules.labels),
        mask_inverted=protocol.rules.inverted,
        statistics=Statistics.of(
            first.resampling(first.everything().rows), "images" if column is None else f"groups of {column}"
        ),
        margin=margin,
        files={kind: path.name for kind, path in files.items()},
        sha256={},
    )


def _compared(
    name: str,
    evaluation: Evaluation,
    paired: Paired,
    common: Common,
    folder: Path,
    *,
    difference: dict[str, Difference] | None,
    agreement: Agreement | None,
) -> Compared:
    """Describe one of the tables."""
    means, scores = paired.means(name), paired.samples[name].scores
    table = evaluation.selected.table
    return Compared(
        path=named_in(folder, table.path),
        threshold=rule_in_words(evaluation.protocol.threshold),
        n_undefined=sum(score.iou is None for score in scores),
        means=means,
        not_computed=not_computed(OF_NETWORK, means["iou"].baselines, scores, evaluation),
        difference=difference,
        agreement=agreement,
        warnings=[*evaluation.selected.findings, *evaluation.findings],
        only_here=common.only[name],
        provenance=table.document(),
    )


def _conclusion(reference: str, differences: Mapping[str, Mapping[str, Difference]], margin: float | None) -> list[str]:
    """Say what the differences in IoU mean."""
    by_iou = {
        name: (found["iou"], found["iou"].equivalent, found["iou"].units_needed) for name, found in differences.items()
    }
    return of_tables(reference, by_iou, margin)


def _side_by_side(paired: Paired) -> str:
    """Write a row per image with every metric of every table; what is undefined is an empty cell."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["image_id", "class", *(f"{metric} [{name}]" for metric in NAMES for name in paired.samples)])
    for place, score in enumerate(paired.first.scores):
        models = [sample.scores[place].model for sample in paired.samples.values()]
        cells = [None if model is None else getattr(model, metric) for metric in NAMES for model in models]
        writer.writerow([as_cell(score.row.image_id), as_cell(score.label or ""), *cells])
    return text.getvalue()


def _draw(
    report: Comparison, evaluations: Mapping[str, Evaluation], paired: Paired, target: Path, settings: Settings
) -> None:
    """Draw the IoU of each image in every other table over that in the first."""
    first = paired.first
    groups = [score.label or "" for score in first.scores]
    pairs = []
    for name, table in report.tables.items():
        if table.difference is not None:
            by = table.difference["iou"]
            ends = "" if by.low is None or by.high is None else f" [{by.low:+.3f}, {by.high:+.3f}]"
            title = "no common IoU" if by.mean is None else f"{by.mean:+.3f}{ends}, n = {by.n}"
            x, y = paired.column(report.reference, "iou"), paired.column(name, "iou")
            pairs.append(PairScatter(title, report.reference, name, x, y, groups))
    notes = (f"{name}: {footer(evaluation.selected.table.provenance)}" for name, evaluation in evaluations.items())
    figure = build_pair_scatters(
        pairs,
        list(first.class_names),
        title="IoU image by image: mean difference with its 95 % interval",
        score="IoU",
        footer="  |  ".join(notes),
    )
    save_figure(figure, target, dpi=settings.output.dpi)
