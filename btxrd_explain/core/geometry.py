"""One geometry: how a radiograph's pixels map to the network's input and back.

A network sees a resized, and perhaps cropped or padded, version of the radiograph. :class:`Frame` holds
that mapping once, and image, annotation mask and heat map all go through it, so that they cannot disagree.

Coordinates are continuous, with the centre of pixel ``i`` at ``i + 0.5`` (the convention of
``align_corners=False``). Along each axis ``u = x * resized / original + offset``, where ``x`` is a position
in the radiograph and ``u`` the same position in the network's input.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from btxrd_explain.core.choices import ResizeMode
from btxrd_explain.core.interpolation import Line

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Size(NamedTuple):
    """Height and width in pixels."""

    height: int
    width: int


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
            crop_fraction: For :attr:`ResizeMode.CROP`, the fraction of the resized shortest side that the crop
                keeps (timm's ``crop_pct``), in (0, 1]; for :attr:`ResizeMode.SQUASH_CROP` that of both sides.

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
        if mode in {ResizeMode.CROP, ResizeMode.SQUASH_CROP}:
            scaled = Size(*(int(side / crop_fraction + 1e-9) for side in network))
            resized = _covering(original, scaled) if mode is ResizeMode.CROP else scaled
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

    def lines_on_original(self, cells: tuple[int, ...]) -> tuple[Line, Line]:
        """Place the radiograph's rows and columns on a grid of that shape, which covers the network's input."""
        rows, columns = (
            Line.at(
                self._positions(axis),
                self.network[axis],
                cells[axis],
                self.window_seen[axis],
            )
            for axis in (0, 1)
        )
        return rows, columns

    def lines_on_input(self, cells: tuple[int, ...]) -> tuple[Line, Line]:
        """Place the network's rows and columns on a grid of that shape, which covers its input."""
        rows, columns = (
            Line.at(_centres(self.network[axis]), self.network[axis], cells[axis], self.window_filled[axis])
            for axis in (0, 1)
        )
        return rows, columns

    @property
    def window_seen(self) -> tuple[slice, slice]:
        """Rows and columns of the radiograph that the network sees."""
        rows, columns = (self._positions(axis) for axis in (0, 1))
        return (
            _span((rows >= 0) & (rows < self.network.height)),
            _span((columns >= 0) & (columns < self.network.width)),
        )

    @property
    def seen_fraction(self) -> float:
        """Fraction of the radiograph's pixels that the network saw, in [0, 1]."""
        rows, columns = (window.stop - window.start for window in self.window_seen)
        return float(rows * columns) / (self.original.height * self.original.width)

    @property
    def input_aspect(self) -> float:
        """Width by height of what the network's input shows, which is squashed where its pixels are not square.

        >>> Frame.fit(Size(200, 100), Size(50, 50), ResizeMode.SQUASH).input_aspect
        0.5
        """
        height, width = (self.network[axis] * self.original[axis] / self.resized[axis] for axis in (0, 1))
        return width / height

    @property
    def window_filled(self) -> tuple[slice, slice]:
        """Rows and columns of the network's input that show the radiograph; the rest is padding."""
        return _span(self._sample(axis=0)[1]), _span(self._sample(axis=1)[1])

    def _positions(self, axis: int) -> NDArray[np.float64]:
        """Return where the centres of the radiograph's pixels lie in the network's input."""
        centres = _centres(self.original[axis])
        return centres * (self.resized[axis] / self.original[axis]) + (self.top, self.left)[axis]

    def _sample(self, axis: int) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
        """Return the radiograph's row (column) for each row (column) of the input, and whether it exists."""
        positions = (_centres(self.network[axis]) - (self.top, self.left)[axis]) * (
            self.original[axis] / self.resized[axis]
        )
        inside = (positions >= 0) & (positions < self.original[axis])
        return np.clip(np.floor(positions), 0, self.original[axis] - 1).astype(np.intp), inside


def _covering(original: Size, target: Size) -> Size:
    """Return the size that just covers the target with the aspect ratio kept.

    A square is covered as torchvision's ``Resize`` of one side does, any other target as timm's ``ResizeKeepRatio``.
    """
    if target.height != target.width:
        ratio = min(original.height / target.height, original.width / target.width)
        return Size(round(original.height / ratio), round(original.width / ratio))
    if target.height * original.width >= target.width * original.height:
        return Size(target.height, max(target.width, target.height * original.width // original.height))
    return Size(max(target.height, target.width * original.height // original.width), target.width)


def _span(inside: NDArray[np.bool_]) -> slice:
    """Return the one run of True as a slice; empty where there is none."""
    where = np.flatnonzero(inside)
    return slice(int(where[0]), int(where[-1]) + 1) if where.size else slice(0, 0)


def _centres(length: int) -> NDArray[np.float64]:
    return np.arange(length, dtype=np.float64) + 0.5


def _overlap(source: int, target: int, offset: int) -> tuple[slice, slice]:
    """Return where a source of that length lands in the target, and which part of the source that is."""
    start, stop = max(offset, 0), min(offset + source, target)
    return slice(start, stop), slice(start - offset, stop - offset)
