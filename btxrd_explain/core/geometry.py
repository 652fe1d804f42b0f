"""One geometry: how a radiograph's pixels map to the network's input and back.

A network sees a resized, and perhaps cropped or padded, version of the radiograph. :class:`Frame` holds
that mapping once, and image, annotation mask and heat map all go through it, so that they cannot disagree.

Coordinates are continuous, with the centre of pixel ``i`` at ``i + 0.5`` (the convention of
``align_corners=False``). Along each axis ``u = x * resized / original + offset``, where ``x`` is a position
in the radiograph and ``u`` the same position in the network's input.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Size(NamedTuple):
    """Height and width in pixels."""

    height: int
    width: int


class ResizeMode(StrEnum):
    """How a radiograph of any shape becomes the network's input."""

    SQUASH = "squash"
    """Resize both sides to the input size; the aspect ratio is lost."""
    CROP = "crop"
    """Resize the shortest side, then cut out the centre; the ends are not seen."""
    LETTERBOX = "letterbox"
    """Resize the longest side, then pad the other side evenly with black."""


@dataclass(frozen=True, slots=True)
class Frame:
    """The mapping between one radiograph and the network's input.

    Attributes:
        original: Size of the radiograph.
        resized: Size after resizing, before cropping or padding.
        network: Size of the network's input.
        top: Rows added above the resized image (negative: rows cut off).
        left: Columns added left of the resized image (negative: columns cut off).
    """

    original: Size
    resized: Size
    network: Size
    top: int = 0
    left: int = 0

    @classmethod
    def fit(cls, original: Size, network: Size, mode: ResizeMode, *, crop_fraction: float = 1.0) -> Frame:
        """Fit a radiograph into the network's input.

        Args:
            original: Size of the radiograph, both sides at least 1.
            network: Size of the network's input.
            mode: How to get from one to the other.
            crop_fraction: For :attr:`ResizeMode.CROP`, the share of the resized shortest side that the crop
                keeps (timm's ``crop_pct``), in (0, 1].

        Returns:
            The frame.

        Raises:
            ValueError: A side is smaller than 1, or the crop fraction is out of range.

        >>> Frame.fit(Size(200, 100), Size(50, 50), ResizeMode.LETTERBOX)
        Frame(original=Size(height=200, width=100), resized=Size(height=50, width=25), network=Size(height=50, width=50), top=0, left=12)
        """  # noqa: E501 -- the representation is one line
        if min(*original, *network) < 1:
            raise ValueError(f"sizes must be at least 1 x 1, got {tuple(original)} and {tuple(network)}")
        if not 0 < crop_fraction <= 1:
            raise ValueError(f"crop_fraction must lie in (0, 1], got {crop_fraction}")
        if mode is ResizeMode.SQUASH:
            return cls(original, network, network)
        if mode is ResizeMode.CROP:
            resized = _covering(original, Size(*(int(side / crop_fraction + 1e-9) for side in network)))
        else:
            scale = min(network.height / original.height, network.width / original.width)
            resized = Size(max(1, round(original.height * scale)), max(1, round(original.width * scale)))
        top, left = (round((side - length) / 2) for side, length in zip(network, resized, strict=True))
        return cls(original, resized, network, top, left)

    def place(self, resized: NDArray[Any]) -> NDArray[Any]:
        """Cut or pad an image that has already been resized to :attr:`resized`.

        Args:
            resized: Array of shape ``(*self.resized, ...)``, any dtype.

        Returns:
            Array of shape ``(*self.network, ...)``; padding is 0.

        Raises:
            ValueError: The array has another shape.
        """
        if resized.shape[:2] != self.resized:
            raise ValueError(f"expected an array of {tuple(self.resized)}, got {resized.shape[:2]}")
        if self.resized == self.network:
            return resized
        rows, source_rows = _overlap(self.resized.height, self.network.height, self.top)
        columns, source_columns = _overlap(self.resized.width, self.network.width, self.left)
        canvas = np.zeros((*self.network, *resized.shape[2:]), dtype=resized.dtype)
        canvas[rows, columns] = resized[source_rows, source_columns]
        return canvas

    def mask_to_input(self, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Carry an annotation mask into the network's input by nearest-pixel sampling.

        Args:
            mask: Boolean array of shape ``self.original``.

        Returns:
            Boolean array of shape ``self.network``; False where the input is padding.

        Raises:
            ValueError: The mask has another shape.
        """
        if mask.shape != self.original:
            raise ValueError(f"expected a mask of {tuple(self.original)}, got {mask.shape}")
        rows, row_inside = self._sample(axis=0)
        columns, column_inside = self._sample(axis=1)
        sampled: NDArray[np.bool_] = mask[np.ix_(rows, columns)] & np.outer(row_inside, column_inside)
        return sampled

    def map_to_original(self, grid: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
        """Upsample a class-activation grid to the radiograph, bilinearly with ``align_corners=False``.

        For :attr:`ResizeMode.SQUASH` this equals ``torch.nn.functional.interpolate(..., mode="bilinear",
        align_corners=False)``. Pixels that the network did not see (cropped away) are 0.

        Args:
            grid: Array of shape ``(rows, columns)`` that covers the network's input.

        Returns:
            Float32 array of shape ``self.original``.
        """
        rows = self._weights(grid.shape[0], axis=0)
        columns = self._weights(grid.shape[1], axis=1)
        return _separable(rows, grid, columns)

    def map_to_input(self, grid: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
        """Upsample a class-activation grid to the network's input, bilinearly with ``align_corners=False``.

        Args:
            grid: Array of shape ``(rows, columns)`` that covers the network's input.

        Returns:
            Float32 array of shape ``self.network``; 0 where the input is padding.
        """
        rows = bilinear_weights(_centres(self.network.height), self.network.height, grid.shape[0])
        columns = bilinear_weights(_centres(self.network.width), self.network.width, grid.shape[1])
        rows[~self._sample(axis=0)[1]] = 0
        columns[~self._sample(axis=1)[1]] = 0
        return _separable(rows, grid, columns)

    def seen(self) -> NDArray[np.bool_]:
        """Return the part of the radiograph that the network sees.

        Returns:
            Boolean array of shape ``self.original``: False where a pixel's centre is cropped away.
        """
        mask = np.zeros(self.original, dtype=bool)
        mask[self.window_seen] = True
        return mask

    @property
    def window_seen(self) -> tuple[slice, slice]:
        """Rows and columns of the radiograph that the network sees."""
        rows, columns = (self._positions(axis) for axis in (0, 1))
        return (
            _span((rows >= 0) & (rows < self.network.height)),
            _span((columns >= 0) & (columns < self.network.width)),
        )

    @property
    def window_filled(self) -> tuple[slice, slice]:
        """Rows and columns of the network's input that show the radiograph; the rest is padding."""
        return _span(self._sample(axis=0)[1]), _span(self._sample(axis=1)[1])

    def _positions(self, axis: int) -> NDArray[np.float64]:
        """Return where the centres of the radiograph's pixels lie in the network's input."""
        centres = _centres(self.original[axis])
        return centres * (self.resized[axis] / self.original[axis]) + (self.top, self.left)[axis]

    def _weights(self, cells: int, axis: int) -> NDArray[np.float64]:
        """Return the bilinear weights of all grid cells for all pixels of the radiograph."""
        positions = self._positions(axis)
        weights = bilinear_weights(positions, self.network[axis], cells)
        weights[(positions < 0) | (positions >= self.network[axis])] = 0
        return weights

    def _sample(self, axis: int) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
        """Return the radiograph's row (column) for each row (column) of the input, and whether it exists."""
        positions = (_centres(self.network[axis]) - (self.top, self.left)[axis]) * (
            self.original[axis] / self.resized[axis]
        )
        inside = (positions >= 0) & (positions < self.original[axis])
        return np.clip(np.floor(positions), 0, self.original[axis] - 1).astype(np.intp), inside


def bilinear_weights(positions: NDArray[np.float64], extent: int, cells: int) -> NDArray[np.float64]:
    """Return the matrix that interpolates a row of grid cells at the given positions.

    Args:
        positions: Shape ``(n,)``, in pixels of the input, cell centres at ``(k + 0.5) * extent / cells``.
        extent: Length in pixels that the cells cover together.
        cells: Number of cells.

    Returns:
        Float64 array of shape ``(n, cells)``; rows sum to 1, and beyond the outermost centres the outermost
        cell counts alone.

    >>> bilinear_weights(np.array([0.5, 2.0, 3.5]), extent=4, cells=2).tolist()
    [[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]]
    """
    coordinates = np.clip(positions * (cells / extent) - 0.5, 0, cells - 1)
    lower = np.floor(coordinates).astype(np.intp)
    upper = np.minimum(lower + 1, cells - 1)
    fraction = coordinates - lower
    weights = np.zeros((len(positions), cells))
    index = np.arange(len(positions))
    weights[index, lower] += 1 - fraction
    weights[index, upper] += fraction
    return weights


def _covering(original: Size, target: Size) -> Size:
    """Return the size that just covers the target with the aspect ratio kept; rounded as torchvision rounds it."""
    if target.height * original.width >= target.width * original.height:
        return Size(target.height, max(target.width, target.height * original.width // original.height))
    return Size(max(target.height, target.width * original.height // original.width), target.width)


def _span(inside: NDArray[np.bool_]) -> slice:
    """Return the one run of True as a slice; empty where there is none."""
    where = np.flatnonzero(inside)
    return slice(int(where[0]), int(where[-1]) + 1) if where.size else slice(0, 0)


def _centres(length: int) -> NDArray[np.float64]:
    return np.arange(length, dtype=np.float64) + 0.5


def _separable(
    rows: NDArray[np.float64], grid: NDArray[np.floating[Any]], columns: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Interpolate along both axes; the large product runs in float32, which is what the result holds."""
    partial = (rows @ grid.astype(np.float64)).astype(np.float32)
    result: NDArray[np.float32] = partial @ columns.T.astype(np.float32)
    return result


def _overlap(source: int, target: int, offset: int) -> tuple[slice, slice]:
    """Return where a source of that length lands in the target, and which part of the source that is."""
    start, stop = max(offset, 0), min(offset + source, target)
    return slice(start, stop), slice(start - offset, stop - offset)
