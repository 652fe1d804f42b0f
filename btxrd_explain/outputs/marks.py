"""What is drawn over a picture, and its key: outlines, what the network saw, the hottest pixel, small lesions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from matplotlib.collections import PolyCollection
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.patheffects import TickedStroke, withStroke

from btxrd_explain.core.contours import regions, simplified
from btxrd_explain.outputs.fonts import text_width
from btxrd_explain.outputs.overlay import create_overlay
from btxrd_explain.outputs.style import ANNOTATION, INK, REGION, SMALL, to_hex

if TYPE_CHECKING:
    from collections.abc import Iterable

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from btxrd_explain.core.geometry import Frame

Outlines: TypeAlias = "tuple[NDArray[np.float64], ...]"
"""Closed lines, each float64 of shape ``(n, 2)``: x and y as fractions of the picture's width and height, in [0, 1].
Holes run the other way round than outer borders."""
Box: TypeAlias = tuple[float, float, float, float]
"""Left, top, right and bottom, as fractions of the picture's width and height; or in inches within a cell."""

SMALL_LESION = 0.005
"""Lesions that together cover less of the image get thin outlines and an inset."""

_FINEST = 2000
"""Outlines follow a mask to that fraction of its longest side: less than a pixel of what is printed."""
_SEEN = "#c3ccd6"
_LARGE, _NEAR = 0.25, 0.01
"""A region that covers more of the picture, or comes as near to its border, gets ticks that point to its inside."""
_BROAD = 0.07
"""A region that is narrower gets no ticks: they would cross it."""
_INSET, _PAD, _AROUND = 0.36, 0.03, 0.06
"""Side of an inset as a fraction of the shorter side of the cell. Inches: its distance from the cell's edge, and from
the middle of the sign of the hottest pixel."""


@dataclass(frozen=True, slots=True, eq=False)
class Inset:
    """A part of a picture that is drawn enlarged in a corner.

    Attributes:
        pixels: The part, RGB uint8, shape ``(height, width, 3)``.
        box: Where it is in the picture.
    """

    pixels: NDArray[np.uint8]
    box: Box


@dataclass(frozen=True, slots=True, eq=False)
class Marks:
    """What is drawn over a picture.

    Attributes:
        annotation: Outlines of the expert annotation.
        region: Outlines of the heat map at the threshold.
        seen: What the network saw; None where it saw all.
        hottest: x and y of the hottest pixel, which the pointing game asks for; None without a heat map.
        inset: A small lesion, enlarged; None where there is none.
        box: Where a small lesion is that another picture of the figure shows enlarged; None for a frame of none.
    """

    annotation: Outlines = ()
    region: Outlines = ()
    seen: Box | None = None
    hottest: tuple[float, float] | None = None
    inset: Inset | None = None
    box: Box | None = None

    @property
    def ticked(self) -> Outlines:
        """The outlines of the region whose inside needs ticks: it covers much of the picture, or its border cuts them.

        Across a narrow region ticks would look like the sign of the hottest pixel, and its inside is plain to see.
        """
        covered = sum(_area(line) for line in self.region)
        return tuple(
            line
            for line in self.region
            if abs(covered) > _LARGE or line.min() < _NEAR or line.max() > 1 - _NEAR
            if _area(line) * covered < 0 or _breadth(line) > _BROAD
        )


def outlines_of(mask: NDArray[np.bool_]) -> Outlines:
    """Return the borders of a mask, holes included.

    Args:
        mask: Boolean, shape ``(height, width)``.

    Returns:
        The outlines; none for an empty mask.

    >>> outlines_of(np.array([[False, True], [False, True]]))[0].tolist()
    [[0.75, 0.25], [0.75, 0.75]]
    """
    height, width = mask.shape
    tolerance = max(mask.shape) / _FINEST
    borders = [border for region in regions(mask) for border in (region.border, *region.holes)]
    return tuple((simplified(border, tolerance) + 0.5) / (width, height) for border in borders)


def seen_box(frame: Frame) -> Box | None:
    """Return the part of a radiograph that the network saw; None where it saw all.

    >>> from btxrd_explain.core.choices import ResizeMode
    >>> from btxrd_explain.core.geometry import Frame, Size
    >>> seen_box(Frame.fit(Size(200, 100), Size(50, 50), ResizeMode.CROP))
    (0.0, 0.25, 1.0, 0.75)
    """
    rows, columns = frame.window_seen
    height, width = frame.original
    box = columns.start / width, rows.start / height, columns.stop / width, rows.stop / height
    return None if box == (0, 0, 1, 1) else box


def hottest_of(heat: NDArray[np.floating[Any]]) -> tuple[float, float]:
    """Return x and y of the hottest pixel of a heat map, the first one in reading order, as fractions.

    >>> hottest_of(np.array([[0.0, 1.0], [1.0, 0.0]]))
    (0.75, 0.25)
    """
    row, column = divmod(int(heat.argmax()), heat.shape[1])
    return (column + 0.5) / heat.shape[1], (row + 0.5) / heat.shape[0]


def inset_window(mask: NDArray[np.bool_] | None) -> tuple[slice, slice] | None:
    """Return as many rows as columns around the largest lesion, where lesions are small; else None.

    Args:
        mask: All lesions, boolean, shape ``(height, width)``; None without an annotation.
    """
    if mask is None or not 0 < np.count_nonzero(mask) < SMALL_LESION * mask.size:
        return None
    border = regions(mask)[0].border
    low, high = border.min(axis=0), border.max(axis=0) + 1
    side = min(2 * max(12, round(1.1 * int((high - low).max()))), *mask.shape)
    starts = ((low + high - side) // 2).clip(0, np.subtract(mask.shape[::-1], side)).tolist()
    columns, rows = (slice(start, start + side) for start in starts)
    return rows, columns


def inset_of(pixels: NDArray[np.uint8], window: tuple[slice, slice], shape: tuple[int, ...]) -> Inset:
    """Return an inset.

    Args:
        pixels: The part, RGB uint8.
        window: What :func:`inset_window` returned.
        shape: Height and width of the whole picture in pixels.
    """
    (rows, columns), (height, width) = window, shape[:2]
    return Inset(pixels, (columns.start / width, rows.start / height, columns.stop / width, rows.stop / height))


def draw_marks(axes: Axes, marks: Marks, place: Box) -> None:
    """Draw all that belongs over a picture.

    Args:
        axes: A cell made by :func:`btxrd_explain.outputs.style.add_cell`.
        marks: What to draw.
        place: Where the picture is, as :func:`btxrd_explain.outputs.style.show_picture` returned it.
    """
    left, top, width, height = place
    line = float(np.clip(0.5 * (width * height) ** 0.5, 0.45, 1.2))
    if marks.seen is not None:
        _draw_seen(axes, marks.seen, place, 0.8 * line)
    ticked = marks.ticked
    plain = tuple(one for one in marks.region if not any(one is other for other in ticked))
    _add_outlines(axes, plain, place, REGION, line)
    _add_outlines(axes, ticked, place, REGION, line, ticks=True)
    fine = sum(abs(_area(one)) for one in marks.annotation) < SMALL_LESION
    _add_outlines(axes, marks.annotation, place, ANNOTATION, 0.65 * line if fine else line)
    if marks.hottest is not None:
        x, y = left + marks.hottest[0] * width, top + marks.hottest[1] * height
        sign: dict[str, Any] = {"markersize": 4 * line + 2, "markeredgewidth": 0.9 * line, "path_effects": _rim(line)}
        axes.plot([x], [y], "+", color="white", clip_on=False, **sign)  # whole at the border of the picture, too
    if marks.inset is not None:
        _draw_inset(axes, marks, marks.inset, place)
    if marks.box is not None:
        _frame(axes, marks.box, place)


def _rim(width: float) -> list[withStroke]:
    """Return the dark rim that makes a line show on bright bone as well."""
    return [withStroke(linewidth=1.9 * width, foreground="black")]


def _area(line: NDArray[np.float64]) -> float:
    """Return the area within an outline, with a sign for its direction, as a fraction of the picture."""
    x, y = line.T
    return float(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2


def _breadth(line: NDArray[np.float64]) -> float:
    """Return the mean breadth of what an outline encloses, as a fraction of the picture."""
    steps = line - np.roll(line, 1, axis=0)
    length = float(np.hypot(*steps.T).sum())
    return 2 * abs(_area(line)) / length if length else 0.0


def _add_outlines(
    axes: Axes, outlines: Outlines, place: Box, colour: tuple[int, int, int], line: float, *, ticks: bool = False
) -> None:
    """Draw outlines; they stay within the picture, so that the ground around it hides none of them.

    Ticks of OpenCV's borders point inwards: those of holes run the other way round.
    """
    if not outlines:
        return
    left, top, width, height = place
    half = line / 144
    low, high = np.array([left + half, top + half]), np.array([left + width - half, top + height - half])
    lines = [np.clip(one * (width, height) + (left, top), low, high) for one in outlines]
    lines = [np.vstack([one, one[:1] + 1e-3]) for one in lines]  # so that a single pixel is a line, and shows
    effects: list[Any] = list(_rim(line))
    if ticks:
        look: dict[str, Any] = {"spacing": 7, "length": 0.6, "angle": 90}
        effects = [
            TickedStroke(linewidth=1.9 * line, foreground="black", **look),
            *effects,
            TickedStroke(linewidth=line, **look),
        ]
    axes.add_collection(
        PolyCollection(
            lines,
            facecolors="none",
            edgecolors=to_hex(colour),
            linewidths=line,
            capstyle="round",
            joinstyle="round",
            path_effects=effects,
        ),
        autolim=False,
    )


def _draw_seen(axes: Axes, seen: Box, place: Box, line: float) -> None:
    """Draw a frame around what the network saw."""
    left, top, width, height = place
    corner = left + seen[0] * width, top + seen[1] * height
    frame: dict[str, Any] = {"width": (seen[2] - seen[0]) * width, "height": (seen[3] - seen[1]) * height}
    axes.add_patch(Rectangle(corner, **frame, fill=False, edgecolor="black", linewidth=1.9 * line, alpha=0.7))
    axes.add_patch(Rectangle(corner, **frame, fill=False, edgecolor=_SEEN, linewidth=line, linestyle=(0, (4, 3))))


def _draw_inset(axes: Axes, marks: Marks, inset: Inset, place: Box) -> None:
    """Draw the small lesion enlarged, in a corner of the cell without a lesion, and where it is from."""
    corner = _free_corner(axes, marks, place)
    if corner is None:
        return
    (x, y, side), blue = corner, to_hex(ANNOTATION)
    start, end = np.array(inset.box[:2]), np.array(inset.box[2:])
    shown = Rectangle((x, y), side, side, fill=False, edgecolor=blue, linewidth=0.6, zorder=6)
    axes.add_patch(shown)
    extent = (x, x + side, y + side, y)
    axes.imshow(inset.pixels, extent=extent, interpolation="antialiased", aspect="auto", zorder=4)
    lines = [(one - start) / (end - start) * side + (x, y) for one in marks.annotation]
    drawn = PolyCollection(lines, facecolors="none", edgecolors=blue, linewidths=0.7, path_effects=_rim(0.6), zorder=5)
    axes.add_collection(drawn, autolim=False)
    drawn.set_clip_path(shown)
    _frame(axes, inset.box, place)


def _frame(axes: Axes, box: Box, place: Box) -> None:
    """Draw a frame around a small lesion, which would be lost under other lines."""
    left, top, width, height = place
    corner, size = (
        (left + box[0] * width, top + box[1] * height),
        ((box[2] - box[0]) * width, (box[3] - box[1]) * height),
    )
    axes.add_patch(Rectangle(corner, *size, fill=False, edgecolor=to_hex(ANNOTATION), linewidth=0.4))


def _free_corner(axes: Axes, marks: Marks, place: Box) -> tuple[float, float, float] | None:
    """Return left, top and side of the inset where it covers no lesion and little else; None without room."""
    (_, wide), (tall, _), (left, top, width, height) = axes.get_xlim(), axes.get_ylim(), place
    side = _INSET * min(wide, tall)
    scale, shift = np.array([width, height]), np.array([left, top])
    lesions = [line * scale + shift for line in marks.annotation]
    hot = [] if marks.hottest is None else [marks.hottest * scale + shift + [[-_AROUND], [_AROUND]]]
    found = []
    for x in (_PAD, wide - side - _PAD):
        for y in (_PAD, tall - side - _PAD):
            box = x, y, x + side, y + side
            if not any(_shared(box, line) for line in lesions):
                on_picture = np.prod(np.maximum(0, np.minimum(box[2:], shift + scale) - np.maximum(box[:2], shift)))
                found.append((any(_shared(box, point) for point in hot), float(on_picture), x, y))
    return (*min(found)[2:], side) if found else None


def _shared(box: Box, line: NDArray[np.float64]) -> bool:
    """Return whether a box and the box around a line overlap."""
    low, high = line.min(axis=0), line.max(axis=0)
    return bool(box[0] <= high[0] and low[0] <= box[2] and box[1] <= high[1] and low[1] <= box[3])


# The key of a figure: the scale of heat maps, and what lines and signs mean.

_BAR_WIDTH, _ROW, _SIGN, _TYPE = 1.75, 0.17, 0.5, 7.5
"""Inches: width of the colour bar, height of a row of the legend, room for a sign. Points: type of the legend."""
_NAMES = {
    "annotation": "expert annotation",
    "inset": "small lesion, enlarged in a corner",
    "seen": "seen by the network",
    "hottest": "hottest pixel",
}


@dataclass(frozen=True, slots=True)
class Key:
    """The key of a figure.

    Attributes:
        entries: Signs and their names.
        width: Room for it, in inches.
    """

    entries: tuple[Line2D, ...]
    width: float

    @classmethod
    def of(cls, marks: Iterable[Marks], width: float, region: str = "") -> Key:
        """Return the key of what is drawn.

        Args:
            marks: All marks of a figure.
            width: Room for it, in inches.
            region: What outlines of regions are, such as ``heat map >= 0.5``.
        """
        every = list(marks)
        inwards = ", ticks point inwards" if any(one.ticked for one in every) else ""
        looks: dict[str, dict[str, Any]] = {
            "annotation": {"color": to_hex(ANNOTATION)},
            "inset": {"color": to_hex(ANNOTATION), "linestyle": "", "marker": "s", "markersize": 7, "fillstyle": "none"}
            | {"markeredgewidth": 0.7},
            "region": {"color": to_hex(REGION)},
            "seen": {"color": _SEEN, "linestyle": (0, (2, 1.4))},
            "hottest": {"color": "white", "linestyle": "", "marker": "+", "markersize": 7},
        }
        names = _NAMES | {"region": f"{region}{inwards}"}
        drawn = {name for one in every for name in looks if getattr(one, name)}
        return cls(
            tuple(
                Line2D([], [], **({"linewidth": 2} | look), label=names[name])
                for name, look in looks.items()
                if name in drawn
            ),
            width,
        )

    @property
    def columns(self) -> int:
        """Entries of the legend side by side."""
        room, widest = self.width - _BAR_WIDTH - 0.25, max(map(self._width, self.entries), default=1)
        return max(1, min(len(self.entries), int(room / widest)))

    @property
    def height(self) -> float:
        """Inches that it takes: the bar with its labels, and the legend next to it, or below if room is short."""
        rows = -(-len(self.entries) // self.columns)
        return max(0.55, 0.2 + _ROW * rows) if self._beside else 0.75 + _ROW * rows

    def draw(self, figure: Figure, left: float, top: float, colormap: str, alpha: float) -> None:
        """Draw the key; ``left`` and ``top`` are its upper left corner, in inches from the figure's lower left one."""
        _add_colour_bar(figure, left, top - 0.28, colormap, alpha)
        if not self.entries:
            return
        width, height = figure.get_size_inches()
        x, y = (left + _BAR_WIDTH + 0.25, top - 0.02) if self._beside else (left, top - 0.6)
        figure.legend(
            handles=self.entries,
            loc="upper left",
            bbox_to_anchor=(x / width, y / height),
            borderaxespad=0,
            borderpad=0.3,
            labelspacing=0.3,
            columnspacing=1.2,
            ncols=self.columns,
            fontsize=_TYPE,
            facecolor="#333333",
            framealpha=1,
            labelcolor="white",
            edgecolor="none",
            fancybox=False,
        ).set_in_layout(False)

    @property
    def _beside(self) -> bool:
        """Whether the legend is next to the bar."""
        return not self.entries or self.width - _BAR_WIDTH - 0.25 >= max(map(self._width, self.entries))

    @staticmethod
    def _width(entry: Line2D) -> float:
        return text_width(str(entry.get_label()), _TYPE) + _SIGN


def _add_colour_bar(figure: Figure, left: float, bottom: float, colormap: str, alpha: float) -> None:
    """Add the one fixed scale from 0 to 1 as it looks over mid grey, in inches from the lower left corner."""
    width, height = figure.get_size_inches()
    axes = figure.add_axes((left / width, bottom / height, _BAR_WIDTH / width, 0.09 / height))
    heat = np.linspace(0, 1, 256)[None]
    bar = create_overlay(np.full(heat.shape, 128, np.uint8), heat, alpha=alpha, colormap=colormap)
    axes.imshow(bar, extent=(0, 1, 0, 1), aspect="auto")
    axes.set(yticks=[], xticks=[0, 0.5, 1])
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.tick_params(labelsize=SMALL, length=2, colors=INK)
    axes.set_title("class activation, scaled per image", fontsize=SMALL, color=INK, pad=2, loc="left")
