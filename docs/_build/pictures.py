"""Pictures that explain, drawn on a synthetic radiograph with the package's own functions."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Circle

from btxrd_explain import compute_cam_iou, create_overlay
from btxrd_explain.core.ceiling import ideal_grid
from btxrd_explain.core.choices import ResizeMode
from btxrd_explain.core.geometry import Frame, Size
from btxrd_explain.core.heatmap import MapStatus, heat_map
from btxrd_explain.core.masks import lesion_masks
from btxrd_explain.core.metrics import measure
from btxrd_explain.core.shapes import Shape, ShapeType
from btxrd_explain.synthetic.radiographs import Diagnosis, draw_radiograph

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

_SEED = 3
_INPUT = Size(224, 224)
_GRID = Size(7, 7)
_COLOURS = "viridis"
_FONT_SIZE = 10


class _Example(NamedTuple):
    """A synthetic radiograph, its lesion, and the ideal heat map of a 7 x 7 grid."""

    pixels: NDArray[np.uint8]
    mask: NDArray[np.bool_]
    grid: NDArray[np.float32]
    heat: NDArray[np.float32]


def ceiling_picture() -> bytes:
    """Return a PNG: lesion, averaged grid, enlarged map, and the region above half its maximum."""
    example = _example()
    region = example.heat >= 0.5
    iou = compute_cam_iou(example.heat, example.mask)
    figure, axes = _row(4)
    _show(axes[0], example, "radiograph and lesion")
    axes[1].imshow(example.grid, cmap=_COLOURS, aspect=_aspect(example))
    axes[1].set_title(f"averaged onto {_GRID.height} x {_GRID.width} cells", fontsize=_FONT_SIZE)
    _show(axes[2], example, "enlarged: the ideal heat map", heat=True)
    _show(axes[3], example, f"above 0.5: IoU {iou:.2f}", region=region)
    return _png(figure)


def threshold_picture() -> bytes:
    """Return a PNG: one heat map at three thresholds."""
    example = _example()
    figure, axes = _row(4)
    _show(axes[0], example, "heat map and lesion", heat=True)
    for panel, threshold in zip(axes[1:], (0.2, 0.5, 0.8), strict=True):
        iou = compute_cam_iou(example.heat, example.mask, threshold)
        _show(panel, example, f"above {threshold}: IoU {iou:.2f}", region=example.heat >= threshold)
    return _png(figure)


def scores_picture() -> bytes:
    """Return a PNG: what IoU, pointing and energy look at, on a map that is one cell away from its lesion."""
    example = _example()
    frame = Frame.fit(Size(*example.mask.shape), _INPUT, ResizeMode.SQUASH)
    shifted = np.roll(ideal_grid(example.mask, frame, Size(12, 12)), 1, axis=0)
    heat = heat_map(shifted, frame, status=MapStatus.OK)
    scores = measure(heat, example.mask, ()).metrics
    example = example._replace(heat=heat.values)
    region = heat.values >= 0.5
    figure, axes = _row(4)
    _show(axes[0], example, "heat map and lesion", heat=True)
    _show(axes[1], example, f"IoU {scores.iou:.2f}, precision {scores.precision:.2f},\nrecall {scores.recall:.2f}")
    both = np.select([region & example.mask, region | example.mask], [1.0, 0.4], np.nan)
    axes[1].imshow(both, cmap="viridis", alpha=0.6, vmin=0, vmax=1)
    _show(
        axes[2],
        example,
        "pointing hit" if scores.pointing_hit else "no pointing hit, but\na hit within the tolerance",
        heat=True,
    )
    if heat.hottest is not None and heat.cell is not None:
        row, column = heat.hottest
        radius = float(np.sqrt(heat.cell[0] * heat.cell[1])) / 2
        axes[2].plot(column, row, "+", color="white", markersize=10, markeredgewidth=2)
        axes[2].add_patch(Circle((column, row), radius, fill=False, color="white", linestyle="--"))
    inside = example._replace(heat=np.where(example.mask, heat.values, 0))
    said = f"energy in the mask {scores.energy_in_mask:.2f},\nchance {scores.lesion_share:.2f}"
    _show(axes[3], inside, said, heat=True)
    return _png(figure)


def own_map_picture() -> bytes:
    """Return a PNG: a file's signed numbers, their positive part, the map on the radiograph, and its region."""
    example = _example()
    frame = Frame.fit(Size(*example.mask.shape), _INPUT, ResizeMode.SQUASH)
    numbers = ideal_grid(example.mask, frame, Size(12, 12))
    numbers = numbers + np.random.default_rng(_SEED).normal(-0.05, 0.08, numbers.shape).astype(np.float32)
    heat = heat_map(numbers, frame, status=MapStatus.OK).values
    region, largest = heat >= 0.5, float(abs(numbers).max())
    figure, axes = _row(4)
    axes[0].imshow(numbers, cmap="RdBu_r", vmin=-largest, vmax=largest, aspect=_aspect(example))
    axes[0].set_title("the file: 12 x 12 numbers,\nblue below 0, red above", fontsize=_FONT_SIZE)
    axes[1].imshow(np.maximum(numbers, 0), cmap=_COLOURS, aspect=_aspect(example))
    axes[1].set_title("--sign positive", fontsize=_FONT_SIZE)
    _show(axes[2], example._replace(heat=heat), "enlarged to the radiograph,\nscaled to [0, 1]", heat=True)
    iou = compute_cam_iou(heat, example.mask)
    _show(axes[3], example, f"at or above 0.5, and the\nannotation: IoU {iou:.2f}", region=region)
    return _png(figure)


def _example() -> _Example:
    radiograph = draw_radiograph(np.random.default_rng(_SEED), Diagnosis.MALIGNANT)
    size = Size(*radiograph.pixels.shape)
    shapes = [Shape("lesion", ShapeType.POLYGON, outline) for outline in radiograph.outlines]
    mask = np.any(list(lesion_masks(shapes, size)), axis=0)
    frame = Frame.fit(size, _INPUT, ResizeMode.SQUASH)
    grid = ideal_grid(mask, frame, _GRID)
    return _Example(radiograph.pixels, mask, grid, heat_map(grid, frame, status=MapStatus.OK).values)


def _row(count: int) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=(2.6 * count, 3.6), layout="constrained")
    axes = list(figure.subplots(1, count))
    for panel in axes:
        panel.set_axis_off()
    return figure, axes


def _show(
    axes: Axes, example: _Example, title: str, *, heat: bool = False, region: NDArray[np.bool_] | None = None
) -> None:
    """Show the radiograph with the lesion's outline, and the heat map or a region over it."""
    axes.imshow(create_overlay(example.pixels, example.heat if heat else np.zeros_like(example.heat)))
    if region is not None:
        axes.imshow(np.where(region, 1.0, np.nan), cmap=_COLOURS, alpha=0.5, vmin=0, vmax=1.3)
    axes.contour(example.mask, levels=[0.5], colors="#00e5ff", linewidths=1.5)
    axes.set_title(title, fontsize=_FONT_SIZE)


def _aspect(example: _Example) -> float:
    """Return the aspect with which a square grid covers the radiograph."""
    height, width = map(float, example.pixels.shape)
    return height / width


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=180)
    return buffer.getvalue()
