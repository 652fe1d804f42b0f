"""The views of a batch whose maps are averaged, and the mean of their raw grids."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from btxrd_explain.core.choices import Smooth
from btxrd_explain.core.smoothing import SHIFTS, averaged, half_cell
from btxrd_explain.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from btxrd_explain.core.cam import RawGrid


def further_views(batch: Tensor, smooth: Smooth, cells: Sequence[int]) -> Iterator[Tensor]:
    """Yield the views of a batch beyond the plain one.

    Args:
        batch: Shape ``(B, channels, height, width)``.
        smooth: What is wanted.
        cells: Rows and columns of the grid of the plain view.

    Raises:
        SettingsError: Half a cell is less than a pixel.
    """
    if smooth is Smooth.FLIP:
        yield _as(batch, batch.flip(-1))
    if smooth is not Smooth.SHIFT2:
        return
    down, right = (half_cell(side, number) for side, number in zip(batch.shape[2:], cells, strict=True))
    if not (down and right):
        raise SettingsError(
            "--smooth shift2 moves maps by half a cell, and a cell of this map is one pixel",
            hint="choose a map of fewer cells (--target-layer, gradcam.map_cells), or give --smooth flip",
        )
    for below, beside in SHIFTS[1:]:
        yield _as(batch, _moved(_moved(batch, below * down, 2), beside * right, 3))


def combined(views: Sequence[Sequence[RawGrid]], smooth: Smooth) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return the mean grids, shape ``(B, k, rows, columns)``, their magnitudes and violations, ``(B, k)``, on the CPU.

    Args:
        views: Of each view the raw grids of a batch, place by place.
        smooth: What the views are.
    """
    stacked = [
        [torch.stack(parts, dim=1).cpu().numpy() for parts in zip(*map(_said, raw), strict=True)] for raw in views
    ]
    grids, magnitudes, violations = zip(*stacked, strict=True)
    with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is judged as such afterwards
        return averaged(grids, smooth), np.mean(magnitudes, axis=0), np.max(violations, axis=0)


def _said(raw: RawGrid) -> tuple[Tensor, Tensor, Tensor]:
    """Return a raw grid, its magnitude and by how much its method's law is violated, 0 without such a law."""
    return raw.grid, raw.magnitude, torch.zeros_like(raw.magnitude) if raw.violation is None else raw.violation


def _moved(batch: Tensor, pixels: int, axis: int) -> Tensor:
    """Move images up or to the left; what comes in repeats the border."""
    length = batch.shape[axis]
    places = (torch.arange(length, device=batch.device) + pixels).clamp(max=length - 1)
    return batch.index_select(axis, places)


def _as(batch: Tensor, view: Tensor) -> Tensor:
    """Return a view in the memory layout of the batch."""
    if batch.is_contiguous(memory_format=torch.channels_last):
        return view.contiguous(memory_format=torch.channels_last)
    return view.contiguous()
