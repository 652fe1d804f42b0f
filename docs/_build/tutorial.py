"""What the demo wrote, as texts of the tutorial."""

from __future__ import annotations

from typing import TYPE_CHECKING

from btxrd_explain.commands.markdown import table

if TYPE_CHECKING:
    from btxrd_explain.commands.demo import DemoResult


def demo_tree(result: DemoResult) -> str:
    """Return what the demo wrote, as a listing."""
    root = result.folder
    names = sorted(path.relative_to(root).as_posix() for path in (root / "results").rglob("*") if path.is_file())
    images = sum(1 for _ in (result.data / "images").iterdir())
    lines = [f"{result.data.name}/  ({images} radiographs, with annotations, table and split CSV)", *names]
    return "```text\n" + "\n".join(lines) + "\n```"


def demo_summary(result: DemoResult) -> str:
    """Return the demo's numbers as a table."""
    rows = [
        (name, str(part.n), *map(_number, (part.mean_iou, part.median_iou, part.pointing_hits)))
        for name, part in result.annotate_iou.summary_rows()
    ]
    return table(("radiographs", "n", "mean IoU", "median IoU", "pointing hits"), rows)


def _number(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.2f}"
