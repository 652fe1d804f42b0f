"""The results of the commands that work on the predictions table."""

from __future__ import annotations

import json
import shlex
from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, TypeVar

from btxrd_explain.console.markup import escape
from btxrd_explain.console.next_steps import first_missing, following
from btxrd_explain.console.terminal import number
from btxrd_explain.system.places import straight

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from btxrd_explain.commands.annotate_iou import AnnotateIouResult
    from btxrd_explain.commands.compare import CompareResult
    from btxrd_explain.commands.compare.differences import BoundedMean, Comparison, Difference
    from btxrd_explain.commands.export import ExportResult
    from btxrd_explain.commands.gallery import GalleryResult, Shown
    from btxrd_explain.commands.performance import ClassReport, PerformanceReport, PerformanceResult
    from btxrd_explain.commands.performance.multi_label import MultiLabelClass, MultiLabelReport
    from btxrd_explain.commands.report import ReportResult
    from btxrd_explain.console.terminal import Terminal
    from btxrd_explain.evaluation.human import HumanBenchmark
    from btxrd_explain.evaluation.parts import Estimate
    from btxrd_explain.evaluation.schema import Baseline, Report
    from btxrd_explain.settings import LoadedSettings


_STAR = "* the interval does not include 0"
"""What a star behind a difference means."""


def show_conclusion(terminal: Terminal, sentences: Iterable[str]) -> None:
    """Show what the numbers say, before them."""
    for sentence in sentences:
        terminal.print(f"[bold]-[/bold] {escape(sentence)}")
    terminal.print("")


# The results of `gallery`.


def show_gallery(terminal: Terminal, result: GalleryResult, loaded: LoadedSettings | None = None) -> None:
    """Show which pictures were written."""
    if terminal.json:
        terminal.print_json(result.report.document())
        return
    rows = [
        [name, *(_drawn_of(part, result.failed) for part in (found.TP, found.FP, found.FN))]
        for name, found in result.report.classes.items()
    ]
    terminal.print_table(["class", "rightly predicted (TP)", "wrongly predicted (FP)", "not predicted (FN)"], rows)
    if not result.report.provenance["multi_label"]:
        terminal.print("FP: another class was taken for it; FN: it was taken for another class")
    if loaded is None:
        return  # the demo names its pictures at the end
    for path in result.figures.values():
        terminal.print_file(path)
    if result.annotated:
        terminal.print_next(following("annotate-iou", loaded))


def _drawn_of(part: Shown, failed: Mapping[str, str]) -> str:
    """Return how many examples of an outcome are drawn; the place of one whose file failed stays grey."""
    return f"{sum(one.image_id not in failed for one in part.shown)} of {part.available}"


# The results of `annotate-iou`.


def show_annotate_iou(terminal: Terminal, result: AnnotateIouResult, loaded: LoadedSettings | None = None) -> None:
    """Show what a reader asks first: mean IoU, its ceiling, chance, pointing hits, n; then the slices."""
    from btxrd_explain.evaluation.conclusion import of_slice, sum_of_outcomes  # noqa: PLC0415 -- pydantic models
    from btxrd_explain.inference.selection import are_gone  # noqa: PLC0415 -- NumPy

    if terminal.json:
        terminal.print_json(json.loads(result.document.read_text("utf-8")))
        return
    show_conclusion(terminal, result.report.conclusion)
    for line in _headline(result.report):
        terminal.print(escape(line))
    rows = [
        [name, str(part.n), of_slice(part.metrics["iou"], bounds), number(part.pointing_hits)]
        for name, part in result.summary_rows()
    ]
    terminal.print_table(["radiographs", "n", "mean IoU [95 %]", "hits"], rows)
    several = bool(result.report.provenance["multi_label"])
    summary = result.report.summary
    terminal.print(sum_of_outcomes(summary, multi_label=several))
    _show_readers(terminal, result.report.human)
    if result.report.human is not None or any(name in summary.overall.metrics["iou"].baselines for name in _networks()):
        terminal.print(_STAR)
    for reason, count in summary.excluded.items():
        terminal.print(f"excluded: {count} ({escape(reason)})")
    for reason, count in Counter(image.undefined for image in result.report.per_image if image.undefined).items():
        terminal.print(f"without an IoU, and in no mean: {count} (heat map: {reason.replace('_', ' ')})")
    terminal.print_report(result.document, result.files.values() if loaded is not None else ())  # likewise
    if loaded is None:
        return
    page = result.document.with_name("report.html")
    if not (page.exists() and are_gone(result.evaluation.selected)):  # which `report` would not replace
        terminal.print_next(following("report", loaded))
    if any(image.predicted is not None for image in result.report.per_image):
        protocol = result.report.protocol
        tuned = None if protocol.tuned_on is None else {"annotation.threshold": protocol.threshold}
        terminal.print_next(following("export", loaded, "--to", "labelme", changed=tuned))


def _show_readers(terminal: Terminal, human: HumanBenchmark | None) -> None:
    """Show what human readers and the heat map score, on the same images."""
    if human is None:
        return
    terminal.print(f"compared with {human.compared_with}, on the same images")
    rows = [
        [name, str(iou.reader.n), number(iou.reader.mean), number(iou.heat_map.mean), _signed(iou.difference)]
        for name, result in human.results
        for iou in [result.scores["iou"]]
    ]
    terminal.print_table(["reader", "n", "its IoU", "heat map", "difference [95 %]"], rows)
    fraction = human.all_readers.scores["iou"].fraction
    terminal.print(f"fraction of the human benchmark {bounds(fraction)}")


def bounds(found: Estimate) -> str:
    """Write an estimate with its interval, such as ``0.051 [0.012, 0.105]``."""
    ends = "" if found.low is None else f" [{number(found.low)}, {number(found.high)}]"
    return f"{number(found.mean)}{ends}"


def _headline(report: Report) -> Iterator[str]:
    """Yield the lines that lead, each within 80 columns."""
    overall, (rows, columns) = report.summary.overall, report.protocol.grid
    iou, hit = overall.metrics["iou"], overall.metrics["pointing_hit"]
    yield f"mean IoU {bounds(iou)}   n = {overall.n}"
    if iou.ceiling is not None:
        yield f"ceiling  {bounds(iou.ceiling)}   an ideal map of {rows} x {columns} cells"
    if iou.chance is not None:
        yield f"chance   {number(iou.chance)}   a random grid{_others(iou.baselines)}"
    yield from _of_network(iou.baselines, report.not_computed if report.protocol.average_mask else {})
    for name, other in iou.comparators.items():
        yield f"{name}: {bounds(other)}   n = {other.n}, {other.n_undefined} without a finding"
    yield f"pointing {bounds(hit)}   {round((hit.mean or 0) * hit.n)} of {hit.n} hit"


def _others(baselines: Mapping[str, Estimate]) -> str:
    """Write the other baselines that know nothing of the classifier, in brackets."""
    others = [f"{name} {number(one.mean)}" for name, one in baselines.items() if name not in {"random", *_networks()}]
    return f" ({', '.join(others)})" if others else ""


def _networks() -> tuple[str, ...]:
    """Return the baselines that are made of the network itself."""
    from btxrd_explain.evaluation.protocol import OF_NETWORK  # noqa: PLC0415 -- NumPy

    return tuple(OF_NETWORK)


def _of_network(baselines: Mapping[str, Baseline], absent: Mapping[str, str]) -> Iterator[str]:
    """Yield what the network's own baselines score and by how much the heat map exceeds them; why others do not."""
    for kind in _networks():
        if kind in baselines:
            own = baselines[kind]
            yield f"{kind} {number(own.mean)}   the heat map minus it {_signed(own.difference)}"
    for kind, reason in absent.items():
        yield f"{kind} not computed: {reason}"


# The results of `compare`.


def show_compare(terminal: Terminal, result: CompareResult) -> None:
    """Show each table next to the first, with the paired difference of every metric."""
    report = result.report
    if terminal.json:
        terminal.print_json(report.document())
        return
    tables, drawn = report.tables, report.statistics
    show_conclusion(terminal, report.conclusion)
    terminal.print(escape(f"n = {report.n}, paired bootstrap over {drawn.units} {drawn.unit}"))
    rows = [[name, *_bounded(table.means["iou"]), str(table.n_undefined)] for name, table in tables.items()]
    terminal.print_table(["IoU of", "n", "chance", "mean", "ceiling", "undefined"], rows)
    for name, table in tables.items():
        for line in _of_network(table.means["iou"].baselines, table.not_computed):
            terminal.print(escape(f"{name}: {line}"))
    _show_differences(terminal, report)
    _show_agreements(terminal, report)
    if report.margin is not None:
        terminal.print(f"alike: the 90 % interval lies within {report.margin:g} of 0")
    for text in _excluded(report):
        terminal.print(escape(f"excluded: {text}"))
    for method, own in result.methods.items():
        terminal.print_path(f"report of {method}", own.document)
    for path in result.files.values():
        terminal.print_file(path)


def _show_differences(terminal: Terminal, report: Comparison) -> None:
    """Show of each other table what every metric differs by from that of the first."""
    reference = report.tables[report.reference].means
    columns = ["metric", "n", "first table", "this table", "difference [95 %]", "p", *_equivalence(None, report.margin)]
    for name, table in report.tables.items():
        if table.difference is None:
            continue
        terminal.print(f"\n{escape(name)} against {escape(report.reference)}")
        rows = [
            [
                *(metric, str(by.n), number(reference[metric].mean), number(table.means[metric].mean), _signed(by)),
                *("-" if by.p_adjusted is None else f"{by.p_adjusted:.4f}", *_equivalence(by, report.margin)),
            ]
            for metric, by in table.difference.items()
        ]
        terminal.print_table(columns, rows)
    terminal.print(
        f"{_STAR}; p: how often chance alone gives as much, adjusted for several tables and not for several metrics"
    )


def _show_agreements(terminal: Terminal, report: Comparison) -> None:
    """Show how far the maps of each table agree with those of the first, where that was asked for."""
    for name, table in report.tables.items():
        if table.agreement is None:
            continue
        terminal.print(f"\nmaps of {escape(name)} compared with those of {escape(report.reference)}")
        found = table.agreement
        kinds = {
            "all": found.maps,
            "of different images": found.chance,
            "same prediction": found.same_prediction,
            "changed prediction": found.changed_prediction,
        }
        rows = [[kind, str(of.iou.n), *map(bounds, (of.iou, of.spearman, of.ssim))] for kind, of in kinds.items()]
        terminal.print_table(["pairs", "n", "IoU", "rank corr.", "SSIM"], rows)


def _excluded(report: Comparison) -> Iterator[str]:
    """Say which images are not compared, and why."""
    for name, table in report.tables.items():
        if table.only_here:
            yield f"{len(table.only_here)} images only in {name}"
    known = {"the file is not the same": report.changed, "the true class differs": report.relabelled}
    counts = {reason: len(images) for reason, images in known.items() if images} | report.excluded
    yield from (f"{count} ({reason})" for reason, count in counts.items())


def _bounded(found: BoundedMean) -> list[str]:
    """Write n, and a mean between chance and ceiling."""
    return [str(found.n), *map(number, (found.chance, found.mean, found.ceiling))]


def _equivalence(by: Difference | None, margin: float | None) -> list[str]:
    """Write whether a difference is too small to matter, or the head of that column; nothing without a margin."""
    if margin is None:
        return []
    return ["alike" if by is None else {True: "yes", False: "no", None: "-"}[by.equivalent]]


def _signed(by: Estimate) -> str:
    """Write a difference with its sign and its interval; a star marks an interval without 0."""
    if by.mean is None:
        return bounds(by)
    sure = by.low is not None and by.high is not None and (by.low > 0 or by.high < 0)
    return f"{'+' if by.mean > 0 else ''}{bounds(by)}{' *' if sure else ''}"


# The results of `performance`.

_SCORES = {
    "AUROC": "auroc",
    "AP": "average_precision",
    "sensitivity": "sensitivity",
    "specificity": "specificity",
    "F1": "f1",
}


_Scores = TypeVar("_Scores", "ClassReport", "MultiLabelClass")

_MOST_CLASSES = 20
"""Classes whose scores are told; of more the most frequent ones."""


def show_performance(terminal: Terminal, result: PerformanceResult, loaded: LoadedSettings) -> None:
    """Show the scores of all classes, and of each with its interval."""
    from btxrd_explain.commands.performance.multi_label import MultiLabelReport  # noqa: PLC0415 -- NumPy

    report = result.report
    if terminal.json:
        terminal.print_json(report.document())
        return
    show_conclusion(terminal, report.conclusion)
    if isinstance(report, MultiLabelReport):
        _show_classes(terminal, report)
    else:
        _show_scores(terminal, report)
    for reason, count in report.excluded.items():
        terminal.print(f"excluded: {count} ({escape(reason)})")
    terminal.print_report(result.document, result.figures.values())
    drawn = {} if result.gone else {"gallery": "gallery.json"}  # which `gallery` would refuse
    if (command := first_missing(loaded, drawn | {"report": "report.html"})) is not None:
        terminal.print_next(following(command, loaded))


def _show_scores(terminal: Terminal, report: PerformanceReport) -> None:
    overall = {
        "accuracy": report.accuracy,
        "balanced accuracy": report.balanced_accuracy,
        "macro F1": report.macro_f1,
        "calibration error": report.calibration.calibration_error,
        "Brier score": report.calibration.brier,
    }
    lines = [[name, *_with_interval(found)] for name, found in overall.items()]
    terminal.print_table(["of all classes", "value", "95 % interval"], lines)
    lines = [
        [f"{name} (n = {part.n})", score, *_with_interval(getattr(part, key))]
        for name, part in _frequent(report.per_class)
        for score, key in _SCORES.items()
    ]
    terminal.print_table(["class", "score", "value", "95 % interval"], lines)
    _tell_left_out(terminal, report.per_class)


def _show_classes(terminal: Terminal, report: MultiLabelReport) -> None:
    """Show the scores of classes that do not exclude each other, with their thresholds."""
    lines = [[f"{name} ({one.classes} classes)", *_with_interval(one)] for name, one in report.macro.items()]
    lines += [["subset accuracy", *_with_interval(report.subset_accuracy)]]
    lines += [["Hamming loss", *_with_interval(report.hamming_loss)]]
    terminal.print_table(["mean over classes", "value", "95 % interval"], lines)
    lines = [
        [name, f"{part.threshold:.3g}", *map(str, (part.TP, part.FP, part.FN, part.TN, part.unknown))]
        for name, part in _frequent(report.per_class)
    ]
    terminal.print_table(["class", "threshold", "TP", "FP", "FN", "TN", "unknown"], lines)
    lines = [
        [f"{name} (n = {part.n} of {part.known})", score, *_with_interval(getattr(part, key))]
        for name, part in _frequent(report.per_class)
        for score, key in _SCORES.items()
    ]
    terminal.print_table(["class", "score", "value", "95 % interval"], lines)
    _tell_left_out(terminal, report.per_class)
    terminal.print(f"accuracy is not defined: {escape(report.not_defined['accuracy'])}")


def _frequent(parts: Mapping[str, _Scores]) -> list[tuple[str, _Scores]]:
    """Return the classes whose scores are told, in their order."""
    shown = sorted(parts, key=lambda name: -parts[name].n)[:_MOST_CLASSES]
    return [(name, part) for name, part in parts.items() if name in shown]


def _tell_left_out(terminal: Terminal, parts: Mapping[str, object]) -> None:
    if len(parts) > _MOST_CLASSES:
        terminal.print(f"the {_MOST_CLASSES} most frequent of {len(parts)} classes are shown; the report has all")


def _with_interval(found: Estimate) -> list[str]:
    """Write an estimate and its interval for a table, two digits each."""
    if found.mean is None:
        return ["undefined"]
    if found.mean in {0, 1} and found.low == found.high == found.mean:  # all images alike, or classes far apart
        return [f"{found.mean:.2f}", "no spread"]
    return [f"{found.mean:.2f}", *([] if found.low is None else [f"[{found.low:.2f}, {found.high:.2f}]"])]


# The results of `export`.

_OPENED_BY = {
    "labelme": "labelme {images} --output {folder}",
    "fiftyone": "fiftyone datasets create --dataset-dir {folder} --type fiftyone.types.FiftyOneDataset",
}
"""What shows the files in the program that they are for."""


def show_export(terminal: Terminal, result: ExportResult) -> None:
    """Show how many images were exported and where to, and name those that were not."""
    if terminal.json:
        paths = {"folder": result.folder and str(result.folder), "images": result.images and straight(result.images)}
        terminal.print_json(asdict(result) | paths)
        return
    many = "" if result.exported == 1 else "s"
    terminal.print(f"{result.exported} radiograph{many} exported, {len(result.failed)} failed")
    terminal.print_path(result.to, "next to the radiographs" if result.folder is None else result.folder)
    if result.folder is not None and result.to == "csv":
        terminal.print_path("open in a spreadsheet", result.folder / "predictions.csv")
    if result.folder is not None and result.to in _OPENED_BY and (result.images or result.to != "labelme"):
        folder, images = (shlex.quote(straight(path or "")) for path in (result.folder, result.images))
        terminal.print_next(_OPENED_BY[result.to].format(folder=folder, images=images))


# The results of `report`.


def show_report(terminal: Terminal, result: ReportResult) -> None:
    """Show what to open, and what must stay next to it."""
    if terminal.json:
        folder = result.folder and str(result.folder)
        counts = {"images": result.images, "shown": result.shown, "failed": dict(result.failed)}
        terminal.print_json({"page": str(result.page), "folder": folder} | counts)
        return
    terminal.print(f"{result.images} radiographs, {result.shown} with their picture")
    terminal.print_path("open in a browser", result.page)
    if result.folder is not None:
        terminal.print_path("keep next to it", result.folder)
