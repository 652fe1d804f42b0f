"""What the terminal shows: results on stdout, everything else on stderr, and the one error boundary."""

from __future__ import annotations

import json as jsonlib
import os
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from btxrd_explain.errors import BtxrdExplainError, ExitCode, OutputError
from btxrd_explain.files import write_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from btxrd_explain.core.methods import Method
    from btxrd_explain.predictions.provenance import Provenance
    from btxrd_explain.predictions.record import Prediction
    from btxrd_explain.settings import Row
    from btxrd_explain.workflows.annotate_iou import AnnotateIouResult
    from btxrd_explain.workflows.demo import DemoResult
    from btxrd_explain.workflows.gallery import GalleryResult
    from btxrd_explain.workflows.infer import InferResult
    from btxrd_explain.workflows.layers import LayerChoice


class Terminal:
    """Listens to workflows and shows their results.

    Args:
        json: Results are JSON on stdout.
        quiet: No notes and no progress.
    """

    def __init__(self, *, json: bool = False, quiet: bool = False) -> None:
        """Open both streams; progress appears only where a person watches."""
        self._json = json
        self._quiet = quiet
        self._out = Console(highlight=False, soft_wrap=not sys.stdout.isatty())
        self._err = Console(stderr=True, highlight=False, soft_wrap=not sys.stderr.isatty())
        self._progress: Progress | None = None

    # the listener

    def note(self, message: str) -> None:
        """Show one line that the user should know."""
        if not self._quiet:
            self._err.print(f"[dim]note:[/dim] {escape(message)}")

    def start(self, what: str, total: int) -> None:
        """Begin a progress bar; it vanishes when done, and is none where nobody watches."""
        self._stop_progress()
        if self._quiet or not self._err.is_terminal or total == 0:
            return
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._progress = Progress(*columns, console=self._err, transient=True)
        self._progress.start()
        self._progress.add_task(what, total=total)

    def advance(self, count: int = 1) -> None:
        """Move the progress bar."""
        if self._progress is not None:
            self._progress.advance(self._progress.task_ids[0], count)

    def predicted(self, row: Prediction, provenance: Provenance) -> None:
        """Print a row as a JSON line at once, where JSON is asked for."""
        if self._json:
            self._print_json(row.document(provenance.class_names))

    # the error boundary

    def guarded(self, run: Callable[[], ExitCode]) -> ExitCode:
        """Run a command; errors of the package become one line on stderr and their exit code."""
        try:
            code = run()
            sys.stdout.flush()
        except BtxrdExplainError as error:
            self._stop_progress()
            self._err.print(f"[bold red]error:[/bold red] {escape(str(error))}")
            return error.exit_code
        except KeyboardInterrupt:
            self._stop_progress()
            self._err.print("interrupted: run the same command again to go on where it stopped")
            return ExitCode.INTERRUPTED
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is buffered has no reader
            return ExitCode.BROKEN_PIPE
        finally:
            self._stop_progress()
        return code

    # results

    def show_infer(self, result: InferResult) -> None:
        """Show images one by one where they were named so, else a summary."""
        if self._json:
            return  # each row was printed as it came
        names = result.table.provenance.class_names
        self._mark_synthetic(synthetic=result.table.provenance.synthetic)
        if result.named:
            self._show_images(result, names)
        else:
            self._show_summary(result, names)
        for row in result.failed:
            self._err.print(f"[yellow]{row.status}:[/yellow] {escape(row.image_id)}: {escape(row.error or '')}")
        self._out.print(f"table: {escape(str(result.table.path))}")

    def show_gallery(self, result: GalleryResult) -> None:
        """Show which pictures were written."""
        if self._json:
            self._print_json(jsonlib.loads(result.document.read_text("utf-8")))
            return
        table = Table("class", "TP", "FP", "FN", "picture", box=None, pad_edge=False)
        for name, path in result.figures.items():
            shown, available = result.shown[name], result.available[name]
            counts = [f"{shown[outcome]} of {available[outcome]}" for outcome in ("TP", "FP", "FN")]
            table.add_row(escape(name), *counts, escape(str(path)))
        self._out.print(table)

    def show_annotate_iou(self, result: AnnotateIouResult) -> None:
        """Show mean IoU overall, by class and by outcome, with what was excluded."""
        if self._json:
            self._print_json(result.report)
            return
        table = Table("radiographs", "n", "mean IoU", "median", "hits", box=None, pad_edge=False)
        for name, part in result.summary_rows():
            table.add_row(
                escape(name),
                str(part["n"]),
                _number(part["mean_iou"]),
                _number(part["median_iou"]),
                _number(part["pointing_hits"]),
            )
        self._out.print(table)
        for reason, count in result.report["summary"]["excluded"].items():
            self._out.print(f"excluded: {count} ({escape(reason)})")
        self._out.print(f"report: {escape(str(result.document))}\npanels: {escape(str(result.figure))}")

    def show_demo(self, result: DemoResult) -> None:
        """Show what the demo made, and what to open."""
        if self._json:
            self._print_json(result.files())
            return
        self.show_infer(result.infer)
        self.show_gallery(result.gallery)
        self.show_annotate_iou(result.annotate_iou)
        self._out.print("\n[bold]Open these:[/bold]")
        for path in result.pictures():
            self._out.print(f"  {escape(str(path))}")

    def show_layers(self, layers: Iterable[LayerChoice]) -> None:
        """Show the layers that can be explained; the one in effect is marked."""
        if self._json:
            self._print_json([asdict(layer) for layer in layers])
            return
        table = Table("layer", "grid", "order", "", box=None, pad_edge=False)
        for layer in layers:
            grid = f"{layer.grid.height} x {layer.grid.width}"
            table.add_row(escape(layer.name), grid, layer.order, "in effect" if layer.chosen else "")
        self._out.print(table)

    def show_methods(self, methods: Iterable[Method]) -> None:
        """Show the methods, with what each does and costs."""
        if self._json:
            self._print_json([asdict(method) for method in methods])
            return
        table = Table("method", "forward passes", "what it does", "source", box=None, pad_edge=False)
        for method in methods:
            table.add_row(method.name, method.cost, escape(method.summary), escape(method.source))
        self._out.print(table)

    def show_settings(self, rows: Iterable[Row], values: Mapping[str, Any], origins: Mapping[str, str]) -> None:
        """Show the settings in effect and where each came from."""
        if self._json:
            self._print_json({"settings": values, "origins": dict(origins)})
            return
        table = Table("setting", "value", "from", box=None, pad_edge=False)
        for row in rows:
            table.add_row(*(escape(text) for text in row))
        self._out.print(table)

    def write_template(self, path: Path, text: str, *, force: bool) -> ExitCode:
        """Write the settings template; an existing file stays unless forced."""
        if path.exists() and not force:
            raise OutputError(f"'{path}' exists", hint="name another file, or give --force")
        write_bytes(path, text.encode())
        self._out.print(f"settings: {escape(str(path))}")
        return ExitCode.OK

    def _show_images(self, result: InferResult, names: tuple[str, ...]) -> None:
        for row in result.rows:
            if row.predicted is None or row.probabilities is None:
                continue
            scores = "  ".join(f"{escape(n)} {p:.3f}" for n, p in zip(names, row.probabilities, strict=True))
            self._out.print(
                f"[bold]{escape(row.image_id)}[/bold]  {escape(names[row.predicted])} ({row.confidence:.3f})"
            )
            self._out.print(f"  scores:  {scores}")
            if row.image_id in result.overlays:
                self._out.print(f"  overlay: {escape(str(result.overlays[row.image_id]))}")

    def _show_summary(self, result: InferResult, names: tuple[str, ...]) -> None:
        summary = result.summary()
        self._out.print(f"{len(result.rows)} radiographs, {result.computed} computed now, {len(result.failed)} failed")
        table = Table("class", "predicted", *(["true", *names] if summary.labelled else []), box=None, pad_edge=False)
        for index, name in enumerate(names):
            cells = [escape(name), str(summary.predicted[index])]
            if summary.labelled:
                cells += [str(sum(summary.confusion[index])), *map(str, summary.confusion[index])]
            table.add_row(*cells)
        self._out.print(table)
        if summary.labelled:
            self._out.print(
                f"accuracy {_number(summary.accuracy)} on {summary.labelled} labelled radiographs "
                "(rows: true class, columns: predicted class)"
            )

    def _mark_synthetic(self, *, synthetic: bool) -> None:
        if synthetic:
            self._out.print(
                "[bold]SYNTHETIC DATA: made-up radiographs and a demo classifier; no medical meaning[/bold]"
            )

    def _print_json(self, document: object) -> None:
        sys.stdout.write(f"{jsonlib.dumps(document, ensure_ascii=False, allow_nan=False)}\n")

    def _stop_progress(self) -> None:
        if self._progress is not None:
            self._progress.stop()
            self._progress = None


def _number(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.3f}"
