"""How many copies of radiographs `check` finds, by what was done to them, and what it takes for copies that are none.

    python benchmarks/copies.py FOLDER

FOLDER holds radiographs of which none is a copy of another. The tables of docs/howto/check-a-data-set.md are made so.
"""

from __future__ import annotations

import argparse
import io
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from PIL import Image

from btxrd_explain.core.duplicates import TURNS, find_near_duplicates, picture_of
from btxrd_explain.inputs.image_files import list_images
from btxrd_explain.inputs.radiograph import read_radiograph

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Change = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]

CORRELATIONS = (0.9, 0.7)


def _saved(quality: int) -> Change:
    def change(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "JPEG", quality=quality)
        return np.asarray(Image.open(buffer))

    return change


def _resized(scale: float) -> Change:
    return lambda pixels: np.asarray(cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA))


def _brightened(gamma: float) -> Change:
    return lambda pixels: (255 * (pixels / 255) ** gamma).astype(np.uint8)


def _cut(top: float, left: float, bottom: float, right: float) -> Change:
    def change(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        height, width = pixels.shape
        return pixels[int(top * height) : height - int(bottom * height), int(left * width) : width - int(right * width)]

    return change


def _marked(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height, width = pixels.shape
    marked = cv2.putText(pixels.copy(), "L", (10, height // 5), 0, width / 150, 255, max(width // 60, 1))
    return np.asarray(marked, dtype=np.uint8)


CHANGES: dict[str, Change] = {
    "saved again, JPEG quality 40": _saved(40),
    "saved again, JPEG quality 15": _saved(15),
    "resized to a half": _resized(0.5),
    "resized to a third": _resized(1 / 3),
    "squashed to 224 x 224": lambda pixels: np.asarray(cv2.resize(pixels, (224, 224), interpolation=cv2.INTER_AREA)),
    "gamma 0.6": _brightened(0.6),
    "gamma 1.6": _brightened(1.6),
    "inverted": lambda pixels: 255 - pixels,
    "mirrored": lambda pixels: pixels[:, ::-1],
    "turned right": lambda pixels: np.rot90(pixels, -1),
    "1 % cut off each side": _cut(0.01, 0.01, 0.01, 0.01),
    "2 % cut off two sides": _cut(0.02, 0.02, 0, 0),
    "a large letter burnt in": _marked,
}


def main() -> None:
    """Print how many copies were found, and how many pairs of different radiographs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    radiographs = [_grey(path) for path in list_images(parser.parse_args().folder).files]
    pictures = [picture_of(pixels) for pixels in radiographs]
    print("| done to the copy | " + " | ".join(f"found at {least}" for least in CORRELATIONS) + " |")
    print("| --- |" + " --- |" * len(CORRELATIONS))
    for name, change in CHANGES.items():
        copies = [picture_of(np.ascontiguousarray(change(pixels))) for pixels in radiographs]
        pairs = [np.stack(pair) for pair in zip(pictures, copies, strict=True)]
        found = [
            sum(bool(find_near_duplicates(pair, min_correlation=least)) for pair in pairs) for least in CORRELATIONS
        ]
        print(f"| {name} | " + " | ".join(f"{number} of {len(pairs)}" for number in found) + " |")
    comparisons = len(pictures) * (len(pictures) - 1) // 2 * len(TURNS)
    wrong = [len(find_near_duplicates(np.stack(pictures), min_correlation=least)) for least in CORRELATIONS]
    print(f"| nothing: other radiographs, {comparisons:,} comparisons | " + " | ".join(map(str, wrong)) + " |")


def _grey(path: Path) -> NDArray[np.uint8]:
    pixels = read_radiograph(path).pixels
    return pixels if pixels.ndim == 2 else np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), dtype=np.uint8)


if __name__ == "__main__":
    main()
