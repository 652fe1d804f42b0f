"""What a current table saves: torch, inference, and every decode that no picture needs."""

from __future__ import annotations

import gc
import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from btxrd_explain.commands import infer
from btxrd_explain.inference.fill import without_collections
from btxrd_explain.settings import AnnotationSettings, DataSettings, ModelSettings, OutputSettings, Settings
from tests.support.labelme import write_labelme

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("blank_figures")

COUNT = 24

_PROGRAM = """
import json, sys
from pathlib import Path
from btxrd_explain.inputs import radiograph
from btxrd_explain.cli import app

read, seen = radiograph._read, []

def counted(path):
    seen.append(Path(path).name)
    return read(path)

radiograph._read = counted
try:
    app({arguments!r})
except SystemExit as stop:
    assert not stop.code, stop.code
print(json.dumps({{"seen": seen, "torch": "torch" in sys.modules}}), file=sys.stderr)
"""


@pytest.fixture(scope="module")
def analysed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with annotated radiographs and their table."""
    folder = tmp_path_factory.mktemp("repeat")
    for name in ("images", "Annotations"):
        (folder / "BTXRD" / name).mkdir(parents=True)
    rng = np.random.default_rng(1)
    lines = ["image_id,split,label"]
    for number in range(COUNT):
        pixels = rng.integers(0, 256, (100, 80), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / "BTXRD" / "images" / f"{number:02d}.png")
        lines.append(f"{number:02d}.png,test,{('Normal', 'Benign', 'Malignant')[number % 3]}")
        if number % 3 == 0:
            continue  # Normal: nothing to score
        path = folder / "BTXRD" / "Annotations" / f"{number:02d}.json"
        write_labelme(path, (100, 80), ("x", [[5, 5], [60, 5], [60, 80]]), imagePath=f"{number:02d}.png")
    (folder / "split.csv").write_text("\n".join(lines))
    infer.run(_settings(folder))
    return folder


def _settings(folder: Path) -> Settings:
    return Settings(
        data=DataSettings(root=folder / "BTXRD", split_csv=folder / "split.csv"),
        model=ModelSettings(checkpoint="demo", device="cpu"),
        output=OutputSettings(directory=folder / "out"),
        annotation=AnnotationSettings(panels=3),
    )


def _run(folder: Path, *arguments: str) -> dict[str, Any]:
    """Run a command in a fresh process; return which radiographs it read, and whether it imported torch."""
    where = ["--root", "BTXRD", "--split-csv", "split.csv", "-c", "demo", "-o", "out"]
    program = _PROGRAM.format(arguments=[*arguments, *where])
    done = subprocess.run([sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stderr.splitlines()[-1])
    return told


def test_the_gallery_reads_what_it_shows(analysed: Path) -> None:
    told = _run(analysed, "gallery", "--examples-per-class", "1")
    classes = json.loads((analysed / "out" / "gallery.json").read_text())["classes"].values()
    shown = [place["image_id"] for each in classes for kind in ("TP", "FP", "FN") for place in each[kind]["shown"]]
    assert 0 < len(set(shown)) < COUNT
    assert sorted(told["seen"]) == sorted(shown)
    assert not told["torch"]


def test_scoring_reads_only_what_it_scores_or_shows(analysed: Path) -> None:
    told = _run(analysed, "annotate-iou", "--threshold", "0.3", "--set", "annotation.panels=3")
    report = json.loads((analysed / "out" / "annotation_report.json").read_text())
    assert report["iou_threshold"] == 0.3
    scored = {image["image_id"] for image in report["per_image"]}
    assert len(scored) == COUNT * 2 // 3
    assert len(set(told["seen"]) - scored) <= 1  # the panels show one attention pattern
    assert not told["torch"]


@pytest.mark.parametrize("command", [("infer", "--no-overlay"), ("performance",)], ids=" ".join)
def test_what_shows_no_radiograph_reads_none(analysed: Path, command: tuple[str, ...]) -> None:
    assert _run(analysed, *command) == {"seen": [], "torch": False}


def test_the_collector_comes_back_as_it_was() -> None:
    assert gc.isenabled()
    with without_collections():
        assert not gc.isenabled()
    assert gc.isenabled()
    gc.disable()
    with without_collections():
        pass
    assert not gc.isenabled()
    gc.enable()
