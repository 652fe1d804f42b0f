"""The results of the commands that run the network."""

from __future__ import annotations

import re
import shlex
from dataclasses import asdict
from typing import TYPE_CHECKING

from btxrd_explain.console.analysis import show_annotate_iou, show_conclusion, show_gallery
from btxrd_explain.console.markup import escape
from btxrd_explain.console.next_steps import following, with_table
from btxrd_explain.console.terminal import in_words, number
from btxrd_explain.system.places import is_url

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from btxrd_explain.commands.config import ConfigResult
    from btxrd_explain.commands.demo import DemoResult
    from btxrd_explain.commands.infer import InferResult
    from btxrd_explain.commands.intervene import InterveneResult
    from btxrd_explain.commands.layers import LayersResult
    from btxrd_explain.commands.sanity import SanityResult
    from btxrd_explain.commands.sanity.report import StabilityReport
    from btxrd_explain.commands.study import StudyResult
    from btxrd_explain.console.terminal import Terminal
    from btxrd_explain.core.methods import Method
    from btxrd_explain.evaluation.parts import Estimate
    from btxrd_explain.inference.run import Summary
    from btxrd_explain.settings import LoadedSettings

# The results of `infer`.


_MOST_COLUMNS, _MOST_SCORES = 8, 20
"""Classes of which a confusion matrix fits, and of which anything is told."""


def show_infer(terminal: Terminal, result: InferResult, loaded: LoadedSettings | None = None) -> None:
    """Show images one by one where they were named so, else a summary; as JSON each row was printed as it came."""
    for row in result.failed:
        terminal.failed(row.image_id, row.status, row.error or "")
    if terminal.json:
        return
    names = result.table.provenance.class_names
    if result.named:
        _show_images(terminal, result, names)
    else:
        _show_summary(terminal, result, names)
    terminal.print_path("table", result.table.path)
    if result.shard_of is not None:
        _lead_to_merge(terminal, result.table.path, result.shard_of)
    elif loaded is not None:
        _lead_on(terminal, result, loaded)


def _show_images(terminal: Terminal, result: InferResult, names: tuple[str, ...]) -> None:
    for row in result.rows:
        if row.predicted is None or row.probabilities is None:
            continue
        stds = [""] * len(names) if row.member_stds is None else [f" ± {std:.3f}" for std in row.member_stds]
        scored = list(zip(names, row.probabilities, stds, strict=True))
        if len(scored) > _MOST_SCORES:
            scored = sorted(scored, key=lambda one: -one[1])[:_MOST_SCORES]
        scores = "  ".join(f"{escape(n)} {p:.3f}{std}" for n, p, std in scored)
        scores += f"  and {len(names) - len(scored)} classes below" if len(scored) < len(names) else ""
        terminal.print(f"[bold]{escape(row.image_id)}[/bold]  {escape(in_words(row, result.table.provenance))}")
        terminal.print(f"  scores:  {scores}")
        if row.member_stds is not None:
            terminal.print(f"  members: agreement of their heat maps {number(row.map_agreement(row.predicted))}")
        if row.image_id in result.overlays:
            terminal.print_path("  overlay", result.overlays[row.image_id])


def _show_summary(terminal: Terminal, result: InferResult, names: tuple[str, ...]) -> None:
    summary = result.summary()
    terminal.print(f"{len(result.rows)} radiographs, {result.computed} computed now, {len(result.failed)} failed")
    if result.table.provenance.members:
        _show_spread(terminal, result, names)
    if summary.truths:
        rows = [
            [name, str(predicted), *map(str, counts)]
            for name, predicted, counts in zip(names, summary.predicted, summary.truths, strict=True)
        ]
        terminal.print_table(["class", "predicted", "true", "not true", "unknown"], rows)
        terminal.print("a class counts as predicted from a probability of 0.5; a radiograph may have several")
        return
    if len(names) > _MOST_COLUMNS:
        _show_counts(terminal, summary, names)
        return
    rows = []
    for index, name in enumerate(names):
        cells = [name, str(summary.predicted[index])]
        if summary.labelled:
            cells += [str(sum(summary.confusion[index])), *map(str, summary.confusion[index])]
        rows.append(cells)
    terminal.print_table(["class", "predicted", *(["true", *names] if summary.labelled else [])], rows)
    if summary.labelled:
        terminal.print(
            f"accuracy {number(summary.accuracy)} on {summary.labelled} labelled radiographs; "
            "rows are true, columns predicted"
        )


def _show_spread(terminal: Terminal, result: InferResult, names: tuple[str, ...]) -> None:
    """Show how far apart the members of an ensemble are, on average over the radiographs where it is defined."""
    agreements, stds = [], []
    for row in result.rows:
        agreements.append(row.map_agreement(row.predicted))
        stds.append(row.member_std(names.index(row.label) if row.label in names else None))
    agreement, std = (
        f"{number(sum(known) / len(known) if known else None)} ({len(known)} radiographs)"
        for known in ([value for value in values if value is not None] for values in (agreements, stds))
    )
    terminal.print(
        f"an ensemble of {len(result.table.provenance.members)}: mean agreement of its members' heat maps {agreement}; "
        f"mean standard deviation of the true class's probability {std}"
    )


def _show_counts(terminal: Terminal, summary: Summary, names: tuple[str, ...]) -> None:
    """Show of many classes how often each is predicted, true, and both; a confusion matrix would not fit."""
    confusion, predicted = summary.confusion, summary.predicted
    labelled = bool(summary.labelled)
    true = [sum(line) for line in confusion]
    order = sorted(range(len(names)), key=lambda index: -(predicted[index] + true[index]))[:_MOST_SCORES]
    rows = [
        [names[index], str(predicted[index]), *([str(true[index]), str(confusion[index][index])] if labelled else [])]
        for index in sorted(order)
    ]
    terminal.print_table(["class", "predicted", *(["true", "both"] if labelled else [])], rows)
    if len(order) < len(names):
        terminal.print(f"the {len(order)} most frequent of {len(names)} classes are shown; the table has all")
    if labelled:
        terminal.print(f"accuracy {number(summary.accuracy)} on {summary.labelled} labelled radiographs")


def _lead_to_merge(terminal: Terminal, shard: Path, table: Path) -> None:
    """Tell how a shard and the others become one table."""
    shards = re.sub(r"-\d+-of-", "-*-of-", shard.name)
    folder, whole = (shlex.quote(str(path)) for path in (shard.parent, table))
    named = shlex.quote(f"{shard.parent}/{shards}") if is_url(shard) else f"{folder}/{shards}"
    terminal.print_next(f"the other shards, then btxrd-explain merge {named} -o {whole}")


def _lead_on(terminal: Terminal, result: InferResult, loaded: LoadedSettings) -> None:
    """Tell what the table is good for: with labels galleries and scores, with annotations too the evaluation."""
    commands: list[tuple[str, ...]] = [("export", "--to", "labelme")] if len(result.failed) < len(result.rows) else []
    if result.summary().labelled:
        commands = [("gallery",), ("performance",), *([("annotate-iou",)] if result.annotated else [])]
    whole = len(result.table.index()) == len(result.rows)
    for command, *more in commands:
        terminal.print_next(following(command, loaded, *more, whole_table=whole))


# What can be chosen: layers, methods and settings.


def show_layers(terminal: Terminal, result: LayersResult) -> None:
    """Show the layers that can be explained; the one in effect is marked."""
    if terminal.json:
        terminal.print_json(asdict(result))
        return
    for note in result.notes:
        terminal.note(note)
    rows = [
        [
            layer.name,
            f"{layer.grid.height} x {layer.grid.width}",
            layer.order,
            "-" if layer.ceiling is None else f"{layer.ceiling:.2f}",
            "in effect" if layer.chosen else "",
        ]
        for layer in result.layers
    ]
    terminal.print_table(["layer", "grid", "order", "IoU ceiling", ""], rows)
    height, width = result.input_size
    terminal.print(
        f"{escape(result.architecture)}, input {height} x {width}. The ceiling is the mean IoU of the ideal map of the "
        f"grid at threshold {result.threshold:g}, on {result.lesions}. Order of the axes: N images, C channels, "
        "H x W cells, L tokens."
    )


def show_methods(terminal: Terminal, methods: Iterable[Method]) -> None:
    """Show the methods, with what each does and costs."""
    if terminal.json:
        terminal.print_json([asdict(method) for method in methods])
        return
    rows = [[method.name, method.cost, method.summary, method.source] for method in methods]
    terminal.print_table(["method", "forward passes", "what it does", "source"], rows)


def show_settings(terminal: Terminal, result: ConfigResult) -> None:
    """Show the settings in effect and where each came from."""
    if terminal.json:
        terminal.print_json({"settings": result.values, "origins": dict(result.origins)})
        return
    terminal.print_table(["setting", "value", "from"], result.rows, whole=True)


def show_template(terminal: Terminal, path: Path) -> None:
    """Show where the settings file is."""
    terminal.print_path("settings", path)
    terminal.print_next(f"btxrd-explain config --config {shlex.quote(str(path))}")


# The results of `sanity`.


def show_sanity(terminal: Terminal, result: SanityResult, loaded: LoadedSettings) -> None:
    """Show the verdict, and how alike the maps stay stage by stage."""
    report = result.report
    if terminal.json:
        terminal.print_json(report.document())
        return
    terminal.print(f"[bold]{escape(report.verdict)}[/bold]")
    for remark in report.remarks:
        terminal.print(escape(remark))
    names = [*(stage.name for stage in report.stages[:-1]), f"{report.stages[-1].name} *"]
    rows = [
        [str(index), name, _interval(stage.spearman), _interval(stage.ssim), str(stage.n_vanished)]
        for index, (name, stage) in enumerate(zip(names, report.stages, strict=True), 1)
    ]
    rows.append(["", "different images", _interval(report.chance.spearman), _interval(report.chance.ssim), ""])
    terminal.print_table(["", "random up to", "Spearman", "SSIM", "vanished"], rows)
    terminal.print("* decides, by Spearman: all weights are random; vanished maps count in no mean")
    if (changes := report.insertion_deletion) is not None:
        rows = [
            [kind, *map(_interval, (areas.auc, areas.auc_random, areas.difference))]
            for kind, areas in (("insertion", changes.insertion), ("deletion", changes.deletion))
        ]
        terminal.print_table(["area under", "heat maps", "random maps", "difference"], rows)
    if report.stability is not None:
        _show_stability(terminal, report.stability)
    terminal.print_report(result.document, (result.text, *result.figures))
    if result.annotated:
        terminal.print_next(following("annotate-iou", loaded))


def _show_stability(terminal: Terminal, found: StabilityReport) -> None:
    """Show how alike the maps stay change by change, and what that says."""
    rows = [
        [
            f"{one.change} {one.strength:g}{' *' if one.decides else ''}",
            *(_interval(one.spearman), _interval(one.ssim), str(one.n_vanished), str(one.n_other_class)),
        ]
        for one in found.changes
    ]
    terminal.print_table(["change", "Spearman", "SSIM", "vanished", "other class"], rows)
    terminal.print("* decides: the maps stay where the whole interval is at or above " + f"{found.limit:g}")
    terminal.print(f"[bold]{escape(found.verdict)}[/bold]")


def _interval(found: Estimate) -> str:
    """Write an estimate with its interval, short enough for three in a line."""
    if found.low is None:
        return number(found.mean)
    return f"{found.mean:.2f} [{found.low:.2f}, {found.high:.2f}]"


# The results of `intervene`.


def show_intervene(terminal: Terminal, result: InterveneResult, loaded: LoadedSettings) -> None:
    """Show the verdict, the mean effects and the four cells."""
    report = result.report
    if terminal.json:
        terminal.print_json(report.document())
        return
    terminal.print(f"[bold]{escape(report.verdict)}[/bold]")
    terminal.print(f"The class is the {report.protocol.target_class} class of each radiograph.")
    for remark in report.remarks:
        terminal.print(escape(remark))
    rows = [
        [name.replace("_", " "), _interval(found.log_odds), _interval(found.flip), str(found.log_odds.n)]
        for name, found in report.summary.overall.effects.items()
    ]
    terminal.print_table(["change", "log-odds", "flips", "n"], rows)
    cells = [[cell.name, str(cell.count), cell.meaning] for cell in report.table.cells]
    terminal.print_table(["map and class", report.counted, "what it means"], cells)
    for part in report.surroundings.values():
        terminal.print(escape(part.verdict))
    terminal.print_report(result.document, result.files.values())
    terminal.print_next(following("report", loaded))


# The results of `study`.


def show_study(terminal: Terminal, result: StudyResult, loaded: LoadedSettings) -> None:
    """Show the outcomes of all methods, then what each rests on."""
    report = result.report
    if terminal.json:
        terminal.print_json(report.document())
        return
    show_conclusion(terminal, report.conclusion)
    rows = [
        [method, *(str(criterion.outcome) for _, criterion in found.criteria())]
        for method, found in report.methods.items()
    ]
    terminal.print_table(["method", *report.questions], rows)
    for name, question in report.questions.items():
        terminal.print(f"\n[bold]{name}[/bold]: {escape(question)}")
        for method, found in report.methods.items():
            criterion = getattr(found, name)
            terminal.print(f"{escape(method)}: [bold]{criterion.outcome}[/bold]. {escape(criterion.reason)}")
    if report.classifier is not None:
        terminal.print(f"\nthe classifier: {escape(report.classifier.verdict)}")
    terminal.print_report(result.document, result.files.values())
    if len(result.tables) > 1:
        terminal.print_next(following("compare", loaded, *map(str, result.tables.values())))


# The results of `demo`.


def show_demo(terminal: Terminal, result: DemoResult) -> None:
    """Show what the demo made, and what to open."""
    if terminal.json:
        terminal.print_json(result.files())
        return
    show_infer(terminal, result.infer)
    show_gallery(terminal, result.gallery)
    show_annotate_iou(terminal, result.annotate_iou)
    terminal.print("\n[bold]Open these:[/bold]")
    for path in result.pictures():
        terminal.print_path("  picture", path)
    terminal.print_path("  page for a browser", result.report.page)
    terminal.note("for your own radiographs and network: btxrd-explain infer BTXRD/ --checkpoint best.pt")
    terminal.print_next(f"btxrd-explain performance{with_table(result.infer.table.path)}")
