"""How a layer's output holds a grid of cells: channels first, channels last, or a sequence of tokens."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from math import ceil, floor, log, sqrt

import torch
from torch import Tensor

from btxrd_explain.core.geometry import Size

_LOST = 0.1
"""Fraction of the input that convolutions without padding may lose at the borders."""


class Order(StrEnum):
    """In which order a layer's output holds channels and cells."""

    CHANNELS_FIRST = "NCHW"
    CHANNELS_LAST = "NHWC"
    TOKENS = "NLC"


@dataclass(frozen=True, slots=True)
class Layout:
    """How to read a layer's output as a grid of cells.

    Attributes:
        order: Order of channels and cells.
        grid: Rows and columns of cells.
        prefix: For tokens, how many precede the cells (class and register tokens).
    """

    order: Order
    grid: Size
    prefix: int = 0

    def from_grid(self, grid: Tensor, output: Tensor) -> Tensor:
        """Put a grid of shape ``(B, K, rows, columns)`` back into the layer's own order; the inverse of to_grid.

        Args:
            grid: The grid.
            output: The layer's output, from which tokens before the cells are taken.
        """
        if self.order is Order.CHANNELS_FIRST:
            return grid
        cells = grid.permute(0, 2, 3, 1)
        if self.order is Order.CHANNELS_LAST:
            return cells
        return torch.cat([output[:, : self.prefix], cells.flatten(1, 2)], dim=1)

    def to_grid(self, output: Tensor) -> Tensor:
        """Return a layer's output, or its gradient, as a view of shape ``(B, K, rows, columns)``."""
        if self.order is Order.CHANNELS_FIRST:
            return output
        if self.order is Order.CHANNELS_LAST:
            return output.permute(0, 3, 1, 2)
        cells = output[:, self.prefix :]
        return cells.reshape(len(cells), *self.grid, -1).permute(0, 3, 1, 2)


def find_layout(
    shape: tuple[int, ...], input_size: Size, *, channels: int | None = None, prefixes: tuple[int, ...] = (0,)
) -> Layout | None:
    """Find how an output of that shape holds a grid that covers the network's input.

    Args:
        shape: Shape of the output, batch first.
        input_size: Size of the network's input, whose aspect ratio a grid has up to rounding.
        channels: Number of channels where it is known; it tells channels first from channels last.
        prefixes: How many tokens may precede the cells, the likeliest first.

    Returns:
        The layout; None where the output is not a grid, or a grid of a single cell.

    >>> find_layout((1, 768, 7, 7), Size(224, 224))
    Layout(order=<Order.CHANNELS_FIRST: 'NCHW'>, grid=Size(height=7, width=7), prefix=0)
    >>> find_layout((1, 197, 192), Size(224, 224), prefixes=(1,)).grid
    Size(height=14, width=14)
    """
    if len(shape) == 4:
        return _of_image(shape, input_size, channels)
    if len(shape) == 3 and channels in {None, shape[2]}:
        found = (_of_tokens(shape[1] - prefix, input_size) for prefix in prefixes)
        pairs = zip(prefixes, found, strict=True)
        return next((Layout(Order.TOKENS, grid, prefix) for prefix, grid in pairs if grid is not None), None)
    return None


def _of_image(shape: tuple[int, ...], input_size: Size, channels: int | None) -> Layout | None:
    """Find the grid of a 4-D output; where both orders are possible, channels come first."""
    for order, grid, count in (
        (Order.CHANNELS_FIRST, Size(*shape[2:]), shape[1]),
        (Order.CHANNELS_LAST, Size(*shape[1:3]), shape[3]),
    ):
        if channels in {None, count} and grid.height * grid.width > 1 and _covers(grid, input_size, lost=_LOST):
            return Layout(order, grid)
    return None


def _covers(grid: Size, input_size: Size, *, lost: float = 0.0) -> bool:
    """Return whether a grid can be made of square cells of whole pixels.

    That is whether some stride ``s`` fits both sides: ``n`` cells cover ``H`` pixels up to less than one cell more or
    less, or up to what is lost at the borders. A matrix of attention between tokens is not a grid: its rows
    would be fractions of a pixel apart.
    """
    sides = list(zip(grid, input_size, strict=True))
    smallest = max(min(pixels // (cells + 1) + 1, ceil((1 - lost) * pixels / cells)) for cells, pixels in sides)
    largest = min(pixels if cells == 1 else ceil(pixels / (cells - 1)) - 1 for cells, pixels in sides)
    return smallest <= largest


def _of_tokens(count: int, input_size: Size) -> Size | None:
    """Return the grid of that many cells whose aspect ratio is nearest to the input's; None where none fits."""
    if count < 2:
        return None
    rows = sqrt(count * input_size.height / input_size.width)
    guesses = sorted((floor(rows), ceil(rows)), key=lambda guess: abs(log(max(guess, 1) / rows)))
    candidates = (Size(guess, count // guess) for guess in guesses if guess and count % guess == 0)
    # a class and a distillation token make no grid of 2 x 1
    return next((grid for grid in candidates if min(grid) > 1 and _covers(grid, input_size)), None)
