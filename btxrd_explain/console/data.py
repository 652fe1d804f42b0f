"""The results of `check`, `merge` and `import-maps`."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from btxrd_explain.console.next_steps import of_table, with_table

if TYPE_CHECKING:
    from btxrd_explain.commands.check import CheckResult
    from btxrd_explain.commands.import_maps import ImportMapsResult
    from btxrd_explain.commands.merge import MergeResult
    from btxrd_explain.console.terminal import Terminal
    from btxrd_explain.settings import LoadedSettings

# The results of `check`.

_SHOWN = 3
"""Findings of a kind that are shown; the report has all."""


def show_check(terminal: Terminal, result: CheckResult) -> None:
    """Show the counts, and of each kind of finding what it means, some examples and what to do."""
    report = result.report
    if terminal.json:
        terminal.print_json(report.document())
        return
    terminal.print(f"{report.num_images} radiographs, {report.num_annotations} of them annotated")
    _show_splits(terminal, result)
    _show_published(terminal, result)
    _show_findings(terminal, result)
    counts = report.num_findings.items()
    found = [f"{count} {severity}{'' if count == 1 else 's'}" for severity, count in counts]
    terminal.print(f"found: {', '.join(found)}")
    terminal.print_path("report", result.document)
    if result.groups is not None:
        path, count = result.groups
        terminal.print(f"{count} group{'' if count == 1 else 's'} of radiographs that belong together")
        terminal.print_path("groups", path)


def _show_findings(terminal: Terminal, result: CheckResult) -> None:
    """Show of each kind what it means, the first of what was found, and what to do."""
    lines = []
    for name, group in groupby(result.findings, key=lambda finding: finding.code):
        kind, findings = result.report.kinds[name], list(group)
        lines.append([str(kind.count), f"{kind.severity} {name}: {kind.meaning}"])
        lines += [["", f"- {finding.message}"] for finding in findings[:_SHOWN]]
        if len(findings) > _SHOWN:
            lines.append(["", f"- and {len(findings) - _SHOWN} more"])
        lines += [["", f"What to do: {kind.advice}."], ["", ""]]
    if lines:
        terminal.print_table(["found", "what, and what to do"], lines)


def _show_splits(terminal: Terminal, result: CheckResult) -> None:
    """Show the classes of each split."""
    splits = result.report.splits
    names = sorted({label for classes in splits.values() for label in classes})
    if names == [""] and list(splits) == [""]:
        return
    rows = [
        [split or "no split", *(str(classes.get(name, 0)) for name in names), str(sum(classes.values()))]
        for split, classes in splits.items()
    ]
    terminal.print_table(["split", *(name or "no label" for name in names), "all"], rows)


def _show_published(terminal: Terminal, result: CheckResult) -> None:
    """Show the counts next to the published ones, where the data set is meant to be all of BTXRD."""
    published = result.report.published
    if not published.compared:
        return
    differing = [line for line in published.counts if line.found != line.published]
    same = len(published.counts) - len(differing)
    terminal.print(f"{same} of {len(published.counts)} counts are as published for BTXRD")
    if differing:
        rows = [[line.what, str(line.found), str(line.published)] for line in differing]
        terminal.print_table(["counted", "found", "published"], rows)


# The results of `merge`.


def show_merge(terminal: Terminal, result: MergeResult) -> None:
    """Show what was merged, and name the images that have no prediction."""
    for row in result.failed:
        terminal.failed(row.image_id, row.status, row.error or "")
    failed = len(result.failed)
    if terminal.json:
        terminal.print_json({"table": str(result.table.path), "rows": result.rows, "failed": failed})
        return
    terminal.print(f"{result.rows} radiographs, {failed} of them without prediction")
    terminal.print_path("table", result.table.path)
    command = "gallery" if result.labelled else "export --to labelme"
    if failed < result.rows:
        terminal.print_next(f"btxrd-explain {command}{with_table(result.table.path)}")


# The results of `import-maps`.


def show_import_maps(terminal: Terminal, result: ImportMapsResult, loaded: LoadedSettings) -> None:
    """Show what was imported."""
    if terminal.json:
        counts = {"images": result.images, "maps": result.maps, "failed": result.failed}
        terminal.print_json({"table": str(result.table.path)} | counts)
        return
    terminal.print(f"{result.maps} heat maps of {result.images} images imported, {result.failed} failed")
    terminal.print_path("table", result.table.path)
    terminal.print_next(of_table("annotate-iou" if result.annotated else "report", loaded))
