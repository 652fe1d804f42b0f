"""Peak memory and processor time of the commands on tables of 1,000, 10,000 and 100,000 rows that are up to date.

The tables are simulated: random probabilities and grids, and rows that share eight small radiographs, so that a
hundred thousand rows need no hundred thousand files. As many of them are annotated in each table. Each command runs in
a process of its own; its peak is the largest resident set that the kernel saw.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image
from report import RESULTS, Ratio, Result, Table, publish

from btxrd_explain.core.geometry import Size
from btxrd_explain.core.heatmap import MapStatus
from btxrd_explain.core.preprocess import Preprocessing
from btxrd_explain.inference.request import build_request
from btxrd_explain.predictions.provenance import Provenance
from btxrd_explain.predictions.record import FileStamp, Prediction, RowStatus
from btxrd_explain.predictions.store import write_table
from btxrd_explain.settings import ModelSettings, Settings
from btxrd_explain.synthetic import demo_checkpoint
from btxrd_explain.system.files import sha256_of

if TYPE_CHECKING:
    from collections.abc import Iterator

NAMES = ("Normal", "Benign", "Malignant")
FILES = 8
ANNOTATED = 200
"""Rows with an annotation, in tables of all sizes: every other one of the first 400."""
MOST = {"report": 10_000}
"""Rows that are enough where each of them takes its time: its radiograph is drawn."""
GRID = Size(7, 7)
OTHER = "other.parquet"
"""The table with other probabilities and maps, with which the first one is compared."""
COMMANDS = {
    "infer": ["infer", "-c", str(demo_checkpoint()), "--no-overlay"],
    "gallery": ["gallery"],
    "annotate-iou": ["annotate-iou"],
    "performance": ["performance"],
    "compare": ["compare"],
    "report": ["report", "--layout", "folder"],
}


def make_images(folder: Path) -> list[Path]:
    """Draw the radiographs that all rows share, with annotations for every other one."""
    (folder / "images").mkdir(parents=True)
    (folder / "Annotations").mkdir()
    random = np.random.default_rng(0)
    paths = []
    for number in range(FILES):
        path = folder / "images" / f"IMG{number:06d}.png"
        coarse = random.integers(0, 256, (12, 9), dtype=np.uint8)
        Image.fromarray(coarse).resize((360, 480), Image.Resampling.BICUBIC).save(path)
        paths.append(path)
        if number % 2:
            points = [[90.0, 120.0], [200.0, 110.0], [210.0, 300.0], [100.0, 310.0]]
            shape: dict[str, Any] = {
                "label": "tumour",
                "points": points,
                "shape_type": "polygon",
                "group_id": None,
                "flags": {},
            }
            document = {"version": "5.4.1", "shapes": [shape], "imageHeight": 480, "imageWidth": 360}
            (folder / "Annotations" / f"{path.stem}.json").write_text(json.dumps(document))
    return paths


def rows(count: int, images: list[Path], folder: Path, seed: int) -> Iterator[Prediction]:
    """Yield simulated rows; as many as are to be annotated are of a tumour, the others are Normal."""
    random = np.random.default_rng(seed)
    facts = [(path, FileStamp(path.stat().st_size, path.stat().st_mtime_ns, sha256_of(path))) for path in images]
    for number in range(count):
        tumour = number % 2 and number < 2 * ANNOTATED
        path, stamp = facts[number % FILES // 2 * 2 + (1 if tumour else 0)]
        yield Prediction(
            image_id=f"IMG{number:06d}.jpeg",
            path=os.path.relpath(path, folder),
            label=NAMES[1 + number % 4 // 2] if tumour else NAMES[0],
            split="test",
            status=RowStatus.OK,
            stamp=stamp,
            size=Size(480, 360),
            probabilities=random.dirichlet([1, 1, 1]).astype(np.float32),
            grids=random.normal(size=(3, *GRID)).astype(np.float32),
            grid_statuses=(MapStatus.OK,) * 3,
        )


def provenance() -> Provenance:
    """Return what makes the table current for the demo's classifier, so that no network runs."""
    settings = Settings(model=ModelSettings(checkpoint=demo_checkpoint()))
    return Provenance(
        request=build_request(settings),
        class_names=NAMES,
        preprocessing=Preprocessing(Size(224, 224), (0.5,) * 3, (0.25,) * 3),
        checkpoint="demo",
        architecture="simulated",
        method="gradcam",
        target_layer="simulated",
        grid=GRID,
    )


def cost(command: list[str], table: Path) -> tuple[float, float]:
    """Run a command; return its peak memory in MiB, and its processor time in seconds."""
    tables = [table, table.with_name(OTHER)] if command == COMMANDS["compare"] else ["--predictions", table]
    arguments = [sys.executable, "-m", "btxrd_explain", *command, *map(str, tables), "-q"]
    process = subprocess.Popen(  # noqa: S603 -- our own command
        [*arguments, "-o", str(table.parent / "out")], stdout=subprocess.DEVNULL, cwd=table.parent
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, f"{command[0]} failed"
    return float(usage.ru_maxrss) / 1024, usage.ru_utime + usage.ru_stime


def measure(counts: list[int], commands: list[str], folder: Path) -> list[tuple[str | float | None, ...]]:
    """Return a line per command: its name, its peak for each size, and what a row adds in bytes and milliseconds."""
    images = make_images(folder / "data")
    tables = {count: folder / str(count) / "predictions.parquet" for count in sorted(counts)}
    for count, table in tables.items():
        write_table(table, provenance(), rows(count, images, table.parent, 1))
        write_table(table.with_name(OTHER), provenance(), rows(count, images, table.parent, 2))
    lines: list[tuple[str | float | None, ...]] = []
    for name in commands:
        used = [count for count in tables if count <= max(MOST.get(name, max(counts)), min(counts))]
        peaks, seconds = zip(*(cost(COMMANDS[name], tables[count]) for count in used), strict=True)
        more = used[-1] - used[0]
        growth, each = (peaks[-1] - peaks[0]) * 2**20, (seconds[-1] - seconds[0]) * 1000
        added = (round(growth / more), round(each / more, 2)) if more else (None, None)
        lines.append((name, *map(round, peaks), *[None] * (len(tables) - len(used)), *added))
        print(*lines[-1], flush=True)
    return lines


def main() -> None:
    """Measure, and keep the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    parser.add_argument("--command", choices=COMMANDS, nargs="+", default=list(COMMANDS))
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the results")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        lines = measure(options.rows, options.command, Path(temporary))
    sizes = [f"{count:,} rows" for count in sorted(options.rows)]
    columns = ("command", *sizes, "bytes per row", "ms of processor time per row")
    result = Result(
        name="memory",
        title="Memory of the commands on a table that is up to date",
        tables=[Table("Peak resident memory in MiB, and what a row adds", columns, lines)],
        ratios=[
            Ratio(
                f"memory: {line[0]}, peak at {max(options.rows):,} rows / at {min(options.rows):,}",
                f"{float(line[-3]) / float(line[1] or 1):.2f}",
                "about 1",
            )
            for line in lines
            if line[-3] is not None
        ],
        notes=[
            f"Simulated tables: three classes, {GRID.height} x {GRID.width} cells, {ANNOTATED} annotated rows in each.",
            "infer: all images of the table are looked at, and none is computed. All are copies of eight files.",
            "annotate-iou: what a row adds is a row without an annotation. report: each of them is drawn.",
        ],
        packages=("btxrd-explain", "pyarrow", "numpy", "matplotlib", "opencv-python-headless"),
    )
    publish(result, options.results)


if __name__ == "__main__":
    main()
