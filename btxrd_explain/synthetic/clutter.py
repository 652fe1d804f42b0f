"""What is in real radiographs besides the lesion: harmless variants of bone, metal, marks and shutters.

None of it depends on the class, so that a classifier that looks at it is wrong.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from btxrd_explain.synthetic.bones import Canvas
    from btxrd_explain.synthetic.film import Texture

FONTS = (cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_PLAIN)


def vary_bone(canvas: Canvas, rng: np.random.Generator, texture: Texture) -> None:
    """Paint harmless variants on one bone: an island, a small gap, thin bone, a healed fracture, a vessel."""
    level = float(canvas.attenuation.max(axis=1).mean())
    for paint, chance in ((_porosis, 0.22), (_callus, 0.07), (_spot, 0.25), (_spot, 0.15), (_vessel, 0.2)):
        if rng.random() < chance:
            paint(canvas, rng, texture, level)


def _grid(canvas: Canvas, row: float, reach: float) -> tuple[slice, NDArray[np.float32], NDArray[np.float32]]:
    """Return rows within ``reach`` of ``row``, and there the distances along and across the bone."""
    rows = slice(max(0, int(row - reach)), min(len(canvas.centre), int(row + reach) + 1))
    index = np.arange(rows.start, rows.stop)
    across = np.arange(canvas.attenuation.shape[1], dtype=np.float32) - canvas.centre[index, None]
    return rows, (index - row).astype(np.float32)[:, None], across


def _somewhere(canvas: Canvas, rng: np.random.Generator, low: float = 0.05, high: float = 0.95) -> float:
    return canvas.first + float(rng.uniform(low, high)) * (canvas.last - canvas.first)


def _spot(canvas: Canvas, rng: np.random.Generator, texture: Texture, level: float) -> None:
    """A bone island, or a small gap in the bone: a blurred ellipse, bright or dark."""
    del texture
    row = _somewhere(canvas, rng)
    half = float(canvas.half_width[round(row)])
    size = rng.uniform(1.5, 4.0) * canvas.scale
    rows, along, across = _grid(canvas, row, 4 * size)
    shape = np.exp(
        -((along / size) ** 2) - ((across - rng.uniform(-0.6, 0.6) * half) / (rng.uniform(0.5, 0.9) * size)) ** 2
    )
    if rng.random() < 0.45:
        canvas.attenuation[rows] += (
            np.float32(rng.uniform(0.2, 0.5) * level) * np.minimum(1.4 * shape, 1) * (canvas.attenuation[rows] > 0)
        )
    else:
        canvas.attenuation[rows] *= 1 - np.float32(rng.uniform(0.2, 0.5)) * shape


def _porosis(canvas: Canvas, rng: np.random.Generator, texture: Texture, level: float) -> None:
    """Thin, patchy bone over a long stretch."""
    del level
    reach = rng.uniform(0.1, 0.3) * (canvas.last - canvas.first)
    row = _somewhere(canvas, rng)
    rows, along, _ = _grid(canvas, row, 2.2 * reach)
    patchy = np.clip(texture.field(canvas.attenuation[rows].shape, 1.4 * canvas.scale, 2.0 * canvas.scale), 0, 1.2)
    canvas.attenuation[rows] *= 1 - np.float32(rng.uniform(0.12, 0.32)) * np.exp(-((along / reach) ** 2)) * (
        patchy + 0.2
    )


def _callus(canvas: Canvas, rng: np.random.Generator, texture: Texture, level: float) -> None:
    """A healed fracture: a spindle of smooth new bone around the shaft."""
    row = _somewhere(canvas, rng, 0.25, 0.75)
    half = float(canvas.half_width[round(row)])
    reach = rng.uniform(1.2, 2.2) * half
    rows, along, across = _grid(canvas, row, 2 * reach)
    thick = rng.uniform(0.15, 0.35) * half * np.exp(-((along / reach) ** 2))
    beyond = np.abs(across - rng.uniform(-0.15, 0.15) * half) - canvas.half_width[rows, None]
    share = np.clip((thick - beyond) / 1.5, 0, 1) * (beyond > -0.3 * half)
    cloud = 1 + 0.12 * texture.field(share.shape, 3 * canvas.scale)
    canvas.attenuation[rows] += np.float32(rng.uniform(0.15, 0.35) * level) * share * cloud * (thick > 0.03 * half)


def _vessel(canvas: Canvas, rng: np.random.Generator, texture: Texture, level: float) -> None:
    """The canal of the feeding vessel: a thin dark slanted line."""
    del texture, level
    row = _somewhere(canvas, rng, 0.3, 0.7)
    half = float(canvas.half_width[round(row)])
    rows, along, across = _grid(canvas, row, 1.6 * half)
    distance = across - rng.choice([-1, 1]) * (0.5 * half + 0.35 * along)
    canvas.attenuation[rows] *= 1 - 0.2 * np.exp(-((distance / (0.45 * canvas.scale)) ** 2)) * np.exp(
        -((along / (0.8 * half)) ** 4)
    )


def add_metal(picture: NDArray[np.float32], canvas: Canvas, rng: np.random.Generator) -> None:
    """Lay screws, with or without a plate, a nail or wires into the picture along one bone; in place."""
    kind = rng.choice(["screws", "plate", "nail", "wires"], p=[0.4, 0.25, 0.15, 0.2])
    drawn = np.zeros(picture.shape, np.uint8)
    middle, scale = _somewhere(canvas, rng, 0.15, 0.85), canvas.scale
    if kind == "nail":
        rows = np.array([canvas.first + 0.08 * (canvas.last - canvas.first), canvas.last - 4.0])
        _line(drawn, canvas, np.column_stack([canvas.centre[rows.astype(int)], rows]), 7 * scale)
    elif kind == "wires":
        for _ in range(int(rng.integers(1, 3))):
            half = float(canvas.half_width[round(middle)])
            lean = rng.uniform(-2.5, 2.5) * half
            ends = [[-1.3 * half, -lean], [1.3 * half, lean]]
            place = np.array([float(canvas.centre[round(middle)]), middle])
            _line(drawn, canvas, np.array(ends) + place, 1.3 * scale)
    else:
        _screws(drawn, canvas, rng, middle, plate=kind == "plate")
    smooth = cv2.GaussianBlur(drawn, (0, 0), 0.6).astype(np.float32)
    picture += smooth * np.float32(rng.uniform(1.2, 2.2) / 255)


def _screws(drawn: NDArray[np.uint8], canvas: Canvas, rng: np.random.Generator, middle: float, *, plate: bool) -> None:
    """Draw a row of screws across the bone, and a plate at their heads."""
    count = int(rng.integers(4, 7) if plate else rng.integers(1, 4))
    side, gap = rng.choice([-1, 1]), rng.uniform(9, 14) * canvas.scale
    rows = middle + (np.arange(count) - (count - 1) / 2) * gap
    rows = rows[(rows > canvas.first) & (rows < canvas.last)]
    for row in rows:
        index = round(float(row))
        half, centre = float(canvas.half_width[index]), float(canvas.centre[index])
        head = centre + side * (half + 1.0 * canvas.scale)
        tip = centre - side * half * rng.uniform(0.6, 1.05)
        lean = rng.normal(0, 0.12) * half
        _line(drawn, canvas, np.array([[head, row], [tip, row + lean]]), 2.6 * canvas.scale)
        _line(
            drawn,
            canvas,
            np.array([[head, row - 2 * canvas.scale], [head, row + 2 * canvas.scale]]),
            2.8 * canvas.scale,
        )
    if plate and len(rows) > 1:
        places = np.column_stack(
            [canvas.centre[rows.astype(int)] + side * (canvas.half_width[rows.astype(int)] + 1.5), rows]
        )
        _line(drawn, canvas, places, 3.4 * canvas.scale)


def _line(drawn: NDArray[np.uint8], canvas: Canvas, points: NDArray[np.float64], width: float) -> None:
    """Draw an open line through points of the canvas into the picture."""
    places = np.round(canvas.to_picture(points) * 16).astype(np.int32)
    cv2.polylines(
        drawn, [places], isClosed=False, color=255, thickness=max(1, round(width)), lineType=cv2.LINE_AA, shift=4
    )


def add_marks(grey: NDArray[np.uint8], rng: np.random.Generator) -> None:
    """Burn in the side, and sometimes a line of small print or a wire on the skin; in place."""
    height, width = grey.shape
    if rng.random() < 0.72:
        _letter(grey, rng)
    if rng.random() < 0.15:
        text = str(rng.choice(["AP", "LAT", "KV 60 MAS 5", "STANDING", "OBL"]))
        place = int(rng.uniform(0.03, 0.6) * width), int(height - rng.uniform(4, 12))
        cv2.putText(grey, text, place, cv2.FONT_HERSHEY_PLAIN, 0.8, 190, 1, cv2.LINE_AA)
    if rng.random() < 0.12:
        ends = [(int(rng.uniform(0, width)), 0), (int(rng.uniform(0, width)), height)]
        faint = grey.copy()
        cv2.line(faint, ends[0], ends[1], 230, 1, cv2.LINE_AA)
        grey[:] = cv2.addWeighted(grey, 0.8, faint, 0.2, 0)


def _letter(grey: NDArray[np.uint8], rng: np.random.Generator) -> None:
    """Burn in L or R, plain or in a circle, near one side."""
    height, width = grey.shape
    text = str(rng.choice(["L", "R"]))
    if rng.random() < 0.1:
        text = {"L": "Left", "R": "Right"}[text]
    size = float(rng.uniform(0.5, 1.1))
    font, level = FONTS[rng.integers(3)], int(rng.integers(200, 256))
    (wide, high), _ = cv2.getTextSize(text, font, size, 1)
    left = rng.uniform(0.03, 0.14) if rng.random() < 0.5 else rng.uniform(0.82, 0.93)
    x = int(min(max(left * width, 6), width - wide - 8))
    y = int(rng.uniform(0.08, 0.92) * (height - high - 12)) + high + 6
    cv2.putText(grey, text, (x, y), font, size, level, int(rng.integers(1, 3)), cv2.LINE_AA)
    if rng.random() < 0.3 and len(text) == 1:
        cv2.circle(grey, (x + wide // 2, y - high // 2), round(0.95 * high), level, 1, cv2.LINE_AA)


def close_shutters(grey: NDArray[np.uint8], rng: np.random.Generator) -> None:
    """Blacken the border as the collimator does: some sides, slightly turned; in place."""
    if rng.random() >= 0.3:
        return
    height, width = grey.shape
    open_ = rng.random(4) < 0.4
    inset = np.where(open_, -0.3, rng.uniform(0.01, 0.06, 4))
    left, top, right, bottom = inset[0] * width, inset[1] * height, width * (1 - inset[2]), height * (1 - inset[3])
    turn = rng.normal(0, 0.012)
    corners = np.array([[left, top], [right, top], [right, bottom], [left, bottom]])
    middle = corners.mean(axis=0)
    turned = (corners - middle) @ np.array([[1, turn], [-turn, 1]]) + middle
    light = np.zeros_like(grey)
    cv2.fillPoly(light, [np.round(turned * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
    np.copyto(grey, cv2.multiply(grey, light, scale=1 / 255))
