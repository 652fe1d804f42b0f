"""What the analysis of a table costs, in processor time, next to the inference that made the table.

Radiographs are made up, at sizes drawn like those of BTXRD; every other one is a tumour with an annotation. Each
command runs in a process of its own, imports and all, and the commands take turns.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image
from pipeline import ARCHITECTURE, NAMES, SIDE, make_checkpoint, make_radiographs
from report import RESULTS, Ratio, Result, Table, publish

COMMANDS = {
    "infer": (["infer", "--no-overlay"], ""),
    "annotate-iou": (["annotate-iou"], "at most 0.5"),
    "annotate-iou --no-baselines": (["annotate-iou", "--no-baselines"], "at most 0.35"),
    "report": (["report"], "at most 0.5"),
    "check": (["check"], "at most 0.6"),
}


def annotate(folder: Path, paths: list[Path]) -> None:
    """Write a split CSV, and a lesion of about 2 % of the image for every other radiograph."""
    (folder / "Annotations").mkdir()
    lines = ["image_id,split,label"]
    for number, path in enumerate(paths):
        label = NAMES[1 + number // 2 % 2] if number % 2 else NAMES[0]
        lines.append(f"{path.name},test,{label}")
        if number % 2:
            with Image.open(path) as image:
                width, height = image.size
            corners = ((0.40, 0.42), (0.52, 0.40), (0.55, 0.50), (0.48, 0.60), (0.41, 0.55))
            points = [[x * width, y * height] for x, y in corners]
            shape: dict[str, Any] = {
                "label": "tumour",
                "points": points,
                "shape_type": "polygon",
                "group_id": None,
                "flags": {},
            }
            document = {"version": "5.4.1", "shapes": [shape], "imageHeight": height, "imageWidth": width}
            (folder / "Annotations" / f"{path.stem}.json").write_text(json.dumps(document))
    (folder / "split.csv").write_text("\n".join(lines))


def seconds(arguments: list[str], folder: Path, allowed: tuple[int, ...] = (0,)) -> float:
    """Run a command; return its processor time."""
    process = subprocess.Popen(  # noqa: S603 -- our own command
        [sys.executable, "-m", "btxrd_explain", *arguments], cwd=folder, stdout=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode in allowed, f"{arguments[0]} failed"
    return usage.ru_utime + usage.ru_stime


def measure(folder: Path, files: int, rounds: int) -> dict[str, float]:
    """Return the median of the processor time of each command."""
    (folder / "images").mkdir()
    annotate(folder, make_radiographs(folder / "images", files))
    checkpoint = make_checkpoint(folder)
    took: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for number in range(rounds):
        out = ["-o", str(folder / str(number)), "-q"]
        for name, (command, _) in COMMANDS.items():
            data = ["--images", "images", "--split-csv", "split.csv"]
            source = {"infer": [*data, "-c", checkpoint.name], "check": [*data, "--annotations", "Annotations"]}
            arguments = [*command, *source.get(command[0], ["--annotations", "Annotations"]), *out]
            took[name].append(seconds(arguments, folder, (0, 1) if command[0] == "check" else (0,)))
            print(name, f"{took[name][-1]:.1f} s", flush=True)
    return {name: statistics.median(each) for name, each in took.items()}


def main() -> None:
    """Measure, and keep the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=240)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the results")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        took = measure(Path(temporary), options.files, options.rounds)
    ratios = {name: (took[name] / took["infer"], wanted) for name, (_, wanted) in COMMANDS.items() if wanted}
    result = Result(
        name="analysis",
        title="The analysis of a table, next to inference",
        tables=[
            Table(
                f"Seconds of processor time (median of {options.rounds} rounds)",
                ("command", "seconds"),
                list(took.items()),
            )
        ],
        ratios=[Ratio(f"processor time: {name} / infer", f"{value:.2f}", of) for name, (value, of) in ratios.items()],
        notes=[
            f"{options.files} radiographs, half of them with an annotation; imports are part of each command.",
            f"infer: {ARCHITECTURE} at {SIDE} x {SIDE} pixels, float32, random weights, without overlays.",
            "annotate-iou and report find a current table; report finds the files of annotate-iou.",
        ],
        packages=("torch", "timm", "pillow", "opencv-python-headless", "numpy"),
    )
    publish(result, options.results)


if __name__ == "__main__":
    main()
