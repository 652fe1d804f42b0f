"""How long commands take until they do their work, next to importing what they cannot do without.

All programs run in fresh processes, in turns.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from report import RESULTS, Ratio, Result, Table, publish

BARE_FORWARD = """
import timm, torch
network = timm.create_model('efficientnet_b0', num_classes=3).eval()
with torch.inference_mode():
    network(torch.zeros(1, 3, 224, 224))
"""
BARE_IMPORTS = "import matplotlib, pyarrow, cv2"
UNTIL_WORK = """
import sys
from btxrd_explain.console import terminal
from btxrd_explain.cli import app
from btxrd_explain.commands import {command} as workflow
from btxrd_explain.progress import Listener
from btxrd_explain.settings import OutputSettings, Settings
from pathlib import Path

class UntilWork(Listener):
    def start(self, what, total):
        sys.exit(0)

workflow.run(Settings(output=OutputSettings(directory=Path('out'))), UntilWork())
raise AssertionError('there was no work')
"""
COMMAND = "from btxrd_explain.cli import main; import sys; sys.argv[1:] = {arguments!r}; main()"
ONE = ["infer", "BTXRD/images/{name}", "-c", "w.pt", "-o", "one"]


def programs(name: str) -> dict[str, str]:
    """Return the programs that are compared, by what they do; ``name`` is that of an image."""
    one = [part.format(name=name) for part in ONE]
    return {
        "import torch and timm, one forward pass": BARE_FORWARD,
        "infer, one radiograph, from start to end": COMMAND.format(arguments=one),
        "import matplotlib, pyarrow and cv2": BARE_IMPORTS,
        "gallery, current table, until it draws": UNTIL_WORK.format(command="gallery"),
        "annotate-iou, current table, until it scores": UNTIL_WORK.format(command="annotate_iou"),
        "import torch": "import torch",
        "--help": COMMAND.format(arguments=["--help"]),
        "demo, from start to end": COMMAND.format(arguments=["demo", "demo"]),
    }


def prepare(folder: Path) -> str:
    """Make a data set with a current table, and a checkpoint; return the name of an image."""
    import timm
    import torch

    from btxrd_explain.commands import infer
    from btxrd_explain.settings import DataSettings, ModelSettings, OutputSettings, Settings
    from btxrd_explain.synthetic.dataset import write_dataset

    write_dataset(folder / "BTXRD", seed=0, per_class={"test": 3})
    network = timm.create_model("efficientnet_b0", pretrained=False, num_classes=3)
    content = {"state_dict": network.state_dict(), "class_names": ["Normal", "Benign", "Malignant"]}
    torch.save(content | {"config": {"model": {"backbone": "efficientnet_b0"}}}, folder / "w.pt")
    settings = Settings(
        data=DataSettings(root=folder / "BTXRD"),
        model=ModelSettings(checkpoint="demo", device="cpu"),
        output=OutputSettings(directory=folder / "out"),
    )
    return infer.run(settings).rows[0].image_id


def main() -> None:
    """Measure, print and keep."""
    options = _options()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        compared = programs(prepare(folder))
        if not options.demo:
            del compared["demo, from start to end"]
        took: dict[str, list[float]] = {what: [] for what in compared}
        warm_up = options.clock == "wall"  # a round that fills the disk's cache; processors do not wait for the disk
        for number in range(-warm_up, options.rounds):
            for what, program in compared.items():
                seconds = _seconds(program, folder, options.clock)
                if number >= 0:
                    took[what].append(seconds)
    publish(_result({what: statistics.median(times) for what, times in took.items()}, options), options.results)


def _seconds(program: str, folder: Path, clock: str) -> float:
    """Return how long a program takes in a fresh process."""
    for results in ("one", "demo"):
        shutil.rmtree(folder / results, ignore_errors=True)
    before, started = os.times(), time.perf_counter()
    subprocess.run([sys.executable, "-c", program], cwd=folder, check=True, capture_output=True)  # noqa: S603 -- ours
    after, ended = os.times(), time.perf_counter()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return ended - started if clock == "wall" else cpu


def _result(took: dict[str, float], options: argparse.Namespace) -> Result:
    forward, infer, imports, gallery, annotate_iou, torch, help_, *demo = took
    ratios = {
        f"{infer} / {forward}": (took[infer] / took[forward], "at most 1.15"),
        f"{gallery} / {imports}": (took[gallery] / took[imports], "below 1.5"),
        f"{annotate_iou} / {imports}": (took[annotate_iou] / took[imports], "below 1.5"),
        f"{help_} / {torch}": (took[help_] / took[torch], "at most 0.25"),
    } | {f"{each} / {forward}": (took[each] / took[forward], "at most 10") for each in demo}
    return Result(
        name="startup",
        title="Until the first result",
        tables=[
            Table(
                f"Seconds ({options.clock} clock, median of {options.rounds} rounds)",
                ("what", "seconds"),
                [*took.items()],
            )
        ],
        ratios=[Ratio(what, f"{value:.2f}", wanted) for what, (value, wanted) in ratios.items()],
        notes=[
            "Every program runs in a fresh process, from the interpreter's start.",
            "infer: efficientnet_b0 at 224 x 224 pixels, with the table and an overlay, through the command line.",
            "gallery and annotate-iou: with the command line's imports, until the first image would be drawn, scored.",
            "demo: 60 radiographs, galleries, evaluation and report, with the classifier that ships with the package.",
            "matplotlib follows once they draw: within the first phase of gallery, after the scoring of annotate-iou.",
        ],
        packages=("torch", "timm", "matplotlib", "pyarrow", "opencv-python-headless"),
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall", help="cpu where others use the machine")
    parser.add_argument("--demo", action=argparse.BooleanOptionalAction, default=True, help="takes the longest")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the results")
    return parser.parse_args()


if __name__ == "__main__":
    main()
