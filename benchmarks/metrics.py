"""What scoring a heat map costs, next to decoding its radiograph and to the straightforward loop over thresholds.

All configurations take turns, round by round, so that a machine that is busy for a while slows all of them alike; a
round's times are compared with each other, and the table shows the medians over the rounds. Radiographs are synthetic
ones of this package at 1600 x 2100 pixels; real JPEG files can be named instead, and are then compared at their size.
"""

from __future__ import annotations

import argparse
import statistics
import time
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from PIL import Image
from report import Ratio, Result, Table, publish, span

from btxrd_explain.core.choices import ResizeMode
from btxrd_explain.core.geometry import Frame, Size
from btxrd_explain.core.heatmap import MapStatus, heat_map
from btxrd_explain.core.histogram import TOP_LEVEL, count_levels
from btxrd_explain.core.metrics import CURVE_THRESHOLDS, BoxAccuracy, PixelPrecision, measure
from btxrd_explain.core.metrics.curves import iou_curve
from btxrd_explain.core.threshold import overlap_from
from btxrd_explain.synthetic.radiographs import Diagnosis, draw_radiograph

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

SIZE = Size(2100, 1600)
LESION_SHARE = 0.018
"""The median of BTXRD."""


@dataclass(frozen=True)
class Case:
    """A radiograph as a file, a class-activation grid and an annotation for it.

    Attributes:
        name: What it is called in the table.
        data: Content of a JPEG file.
        frame: How it maps to the network's input.
        grid: Raw grid.
        mask: Annotation of about :data:`LESION_SHARE`.
    """

    name: str
    data: bytes
    frame: Frame
    grid: NDArray[np.float32]
    mask: NDArray[np.bool_]


def synthetic_case(*, colour: bool) -> Case:
    """Return a synthetic radiograph at :data:`SIZE`, as a grey or a colour JPEG."""
    drawn = draw_radiograph(np.random.default_rng(0), Diagnosis.BENIGN).pixels
    image = Image.fromarray(drawn).resize((SIZE.width, SIZE.height), Image.Resampling.BICUBIC)
    grain = np.random.default_rng(1).normal(0, 3, SIZE)
    image = Image.fromarray(np.clip(np.asarray(image) + grain, 0, 255).astype(np.uint8))
    file = BytesIO()
    image.convert("RGB" if colour else "L").save(file, "JPEG", quality=90)
    return _case(f"synthetic, {'colour' if colour else 'grey'}", file.getvalue(), SIZE)


def real_case(path: Path) -> Case:
    """Return a radiograph from a file."""
    with Image.open(path) as image:
        size, mode = Size(image.height, image.width), image.mode
    return _case(f"{path.stem}, {mode}, {size.width} x {size.height}", path.read_bytes(), size)


def _case(name: str, data: bytes, size: Size) -> Case:
    grid = np.maximum(np.random.default_rng(0).normal(size=(12, 12)), 0).astype(np.float32)
    rows, columns = np.ogrid[: size.height, : size.width]
    radius = (LESION_SHARE / np.pi) ** 0.5
    mask = ((rows / size.height - 0.45) ** 2 + (columns / size.width - 0.55) ** 2) < radius**2
    return Case(name, data, Frame.fit(size, Size(384, 384), ResizeMode.SQUASH), grid, mask)


def decode(case: Case) -> Image.Image:
    """Decode as stored."""
    image = Image.open(BytesIO(case.data))
    image.load()
    return image


def decode_rgb(case: Case) -> Image.Image:
    """Decode as code for photographs does."""
    return Image.open(BytesIO(case.data)).convert("RGB")


def all_scores(case: Case) -> object:
    """Upsample, and measure every score with its curve."""
    return measure(heat_map(case.grid, case.frame, status=MapStatus.OK), case.mask, [case.mask])


def curve_of(case: Case) -> object:
    """Upsample, count, and read 101 thresholds."""
    return iou_curve(_histogram(case))


def one_threshold_of(case: Case) -> object:
    """Upsample, count, and read one threshold."""
    return overlap_from(TOP_LEVEL // 2, _histogram(case)).iou


def _histogram(case: Case) -> Any:  # noqa: ANN401 -- as in the package
    heat, rows = heat_map(case.grid, case.frame, status=MapStatus.OK), np.flatnonzero(case.mask.any(axis=1))
    window = slice(int(rows[0]), int(rows[-1]) + 1)
    return count_levels(heat, heat.part(window)[case.mask[window]])


def straightforward_one(case: Case) -> float:
    """Upsample with OpenCV, scale, and compare at one threshold, as scripts do."""
    return _iou(_upsampled(case), case.mask, 0.5)


def straightforward_all(case: Case) -> list[float]:
    """The same at 101 thresholds, one after the other."""
    values = _upsampled(case)
    return [_iou(values, case.mask, float(threshold)) for threshold in CURVE_THRESHOLDS]


def _upsampled(case: Case) -> NDArray[np.float32]:
    size = (case.frame.original.width, case.frame.original.height)
    values = np.asarray(cv2.resize(case.grid, size, interpolation=cv2.INTER_LINEAR), np.float32)
    scaled: NDArray[np.float32] = (values - values.min()) / (values.max() - values.min())
    return scaled


def _iou(values: NDArray[np.float32], mask: NDArray[np.bool_], threshold: float) -> float:
    region = values >= threshold
    return float(np.logical_and(region, mask).sum() / np.logical_or(region, mask).sum())


CONFIGURATIONS: dict[str, Callable[[Case], object]] = {
    "decode as stored": decode,
    "decode to RGB": decode_rgb,
    "all scores": all_scores,
    "101 thresholds": curve_of,
    "1 threshold": one_threshold_of,
    "loop, 1 threshold": straightforward_one,
    "loop, 101 thresholds": straightforward_all,
}


def time_rounds(case: Case, rounds: int) -> dict[str, list[float]]:
    """Return milliseconds of processor time by configuration, one per round."""
    times: dict[str, list[float]] = {name: [] for name in CONFIGURATIONS}
    for round_ in range(rounds + 1):
        for name, run in CONFIGURATIONS.items():
            if round_ > 3 and name == "loop, 101 thresholds":
                continue  # it takes longer than all others together
            start = time.thread_time()
            run(case)
            times[name].append(1000 * (time.thread_time() - start))
    return {name: values[1:] for name, values in times.items()}


def ratio(times: dict[str, list[float]], first: str, second: str) -> float:
    """Return the median over the rounds of the ratio of two configurations."""
    return statistics.median(a / b for a, b in zip(times[first], times[second], strict=False))


def speed_up(case: Case, images: int) -> float:
    """Return how many times faster two threads are than one, on that many images."""
    seconds = []
    for workers in (1, 2, 1, 2):
        with ThreadPoolExecutor(workers) as pool:
            start = time.perf_counter()
            list(pool.map(all_scores, [case] * images))
            seconds.append(time.perf_counter() - start)
    return (seconds[0] + seconds[2]) / (seconds[1] + seconds[3])


def peak_memory(case: Case, images: int) -> float:
    """Return the peak of memory in MiB while that many images are measured and pooled."""
    pixels, boxes = PixelPrecision(), BoxAccuracy()
    tracemalloc.start()
    for _ in range(images):
        counts = measure(heat_map(case.grid, case.frame, status=MapStatus.OK), case.mask).pixels
        if counts is not None:
            pixels.add(counts)
        boxes.add(np.zeros(1000))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return float(peak / 2**20)


def main() -> None:
    """Measure, print and keep the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("radiographs", nargs="*", type=Path, help="JPEG files to compare with instead")
    parser.add_argument("--rounds", type=int, default=15)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    cases = [real_case(path) for path in arguments.radiographs] or [
        synthetic_case(colour=False),
        synthetic_case(colour=True),
    ]
    times = {case.name: time_rounds(case, arguments.rounds) for case in cases}
    stored, rgb, curve, loop = (
        [ratio(each, first, second) for each in times.values()]
        for first, second in (
            ("all scores", "decode as stored"),
            ("all scores", "decode to RGB"),
            ("101 thresholds", "1 threshold"),
            ("all scores", "loop, 101 thresholds"),
        )
    )
    few, many = (peak_memory(cases[0], images) for images in (3, 60))
    publish(
        Result(
            name="metrics",
            title="What scoring a heat map costs",
            tables=[
                Table(
                    "Milliseconds of processor time, medians",
                    ("radiograph", *CONFIGURATIONS),
                    [(name, *(statistics.median(values) for values in each.values())) for name, each in times.items()],
                ),
            ],
            ratios=[
                Ratio("all scores / decoding the radiograph as stored", span(stored), "at most 0.5"),
                Ratio("all scores / decoding it to RGB", span(rgb), "at most 0.5"),
                Ratio("IoU at 101 thresholds / at 1 threshold", span(curve), "at most 1.3"),
                Ratio("all scores / a NumPy loop of IoU over 101 thresholds", span(loop), ""),
                Ratio("peak memory of 60 images / of 3", f"{many / few:.2f}", "1.0"),
                Ratio("images per second, 2 threads / 1", f"{speed_up(cases[0], 40):.2f}", "2"),
            ],
            notes=[__doc__.split("\n\n")[1].replace("\n", " ")],
            packages=("numpy", "opencv-python-headless", "pillow"),
        )
    )


if __name__ == "__main__":
    main()
