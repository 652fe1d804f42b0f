"""Every command of the documentation's pages is run, in the order of its page."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shlex
import shutil
import subprocess
import time
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import timm
import torch
from PIL import Image

import btxrd_explain
from btxrd_explain.console.analysis import _headline as headline
from btxrd_explain.evaluation.schema import Document
from tests.support import documents
from tests.support.command_line import run
from tests.support.figures import blank_figures
from tests.support.tiny_study import save_network

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import DemoRun

pytestmark = pytest.mark.usefixtures("small_figures")

DOCS = Path(__file__).parents[2] / "docs"
ELSEWHERE = {f"howto/{name}.md" for name in ("own-network", "checkpoints", "preprocessing", "several-findings")}
"""Pages with a test module of their own, since they need more than a data set and a checkpoint."""
OF_OTHER_FIGURES = {f"howto/{name}.md" for name in ("annotations", "check-a-data-set", "dicom", "own-maps")} | {
    "scaling.md"
}
"""Pages whose commands draw what those of other pages draw too; here they draw nothing."""
WITHOUT_STATISTICS = "howto/which-command.md"
"""Its commands are those of other pages, which are run there."""
NAMES = ("Normal", "Benign", "Malignant")
LEFT_OUT = range(6, 12)
"""Radiographs of the split test that go again: half a dozen of it, and of val, show what commands do."""


def _blocks(page: Path, language: str) -> str:
    """Return the blocks of a page in one language, in their order."""
    blocks = page.read_text("utf-8").split(f"```{language}\n")[1:]
    return "".join(block.partition("```")[0] for block in blocks)


def _commands(page: Path) -> list[str]:
    """Return the lines of a page's bash blocks, with continued ones joined."""
    text = _blocks(page, "bash")
    return [line.strip() for line in text.replace("\\\n", " ").splitlines() if line.strip()]


PAGES = {
    page.relative_to(DOCS).as_posix(): commands
    for page in sorted(DOCS.rglob("*.md"))
    if (commands := [line for line in _commands(page) if line.startswith("btxrd-explain ")])
}


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory, write_root: Callable[[Path, int], None]) -> Path:
    """What the pages assume: a BTXRD root, its lesions as masks and in a COCO file, a split CSV and a checkpoint."""
    folder = tmp_path_factory.mktemp("template")
    write_root(folder, 18)
    _leave_out(folder)
    (folder / "masks").mkdir()
    for annotation in (folder / "BTXRD" / "Annotations").iterdir():
        Image.fromarray(np.tri(50, 40, -9, dtype=np.uint8)).save(folder / "masks" / f"{annotation.stem}.png")
    _save_coco(folder / "coco.json")
    save_network(folder / "best.pt", side=96)  # other seeds may give no class a map anywhere, and nothing to score
    return folder


def _leave_out(folder: Path) -> None:
    lines = (folder / "split.csv").read_text().splitlines()
    for number in LEFT_OUT:
        (folder / "BTXRD" / "images" / f"IMG{number:06d}.jpeg").unlink()
        (folder / "BTXRD" / "Annotations" / f"IMG{number:06d}.json").unlink(missing_ok=True)
        lines = [line for line in lines if f"IMG{number:06d}" not in line]
    (folder / "split.csv").write_text("\n".join(lines))


def _save_coco(path: Path) -> None:
    numbers = [number for number in range(18) if number % 3 and number not in LEFT_OUT]
    boxes = [{"image_id": number, "category_id": 1, "bbox": [5, 5, 16, 26]} for number in numbers]
    images = [{"id": number, "file_name": f"IMG{number:06d}.jpeg"} for number in numbers]
    categories = [{"id": 1, "name": "osteosarcoma"}]
    path.write_text(json.dumps({"images": images, "annotations": boxes, "categories": categories}))
    results = [box | {"score": 0.5 + 0.02 * number} for number, box in zip(numbers, boxes, strict=True)]
    path.with_name("detections.json").write_text(json.dumps(results))


@pytest.mark.parametrize("page", sorted(PAGES.keys() - ELSEWHERE - {WITHOUT_STATISTICS}))
def test_the_commands_of_a_page_run(
    page: str, template: Path, demo_run: DemoRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "work"
    shutil.copytree(template, folder)
    monkeypatch.chdir(folder)
    with blank_figures() if page in OF_OTHER_FIGURES else nullcontext():
        for command in PAGES[page]:
            if command == "btxrd-explain demo":  # has been run
                shutil.copytree(demo_run.folder, folder / demo_run.folder.name)
                continue
            run(*shlex.split(command)[1:])


@pytest.mark.filterwarnings("ignore::btxrd_explain.finding.FindingWarning")  # the classifier was never trained
@pytest.mark.filterwarnings("ignore::btxrd_explain.core.heatmap.DegenerateMapWarning")  # likewise
def test_the_python_of_its_page_runs(
    template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "work"
    shutil.copytree(template, folder)
    monkeypatch.chdir(folder)
    exec(compile(_blocks(DOCS / "howto" / "python.md", "python"), "python.md", "exec"), {})  # noqa: S102 -- our own page
    assert (folder / "out" / "report.html").is_file()
    assert (folder / "first-look.png").is_file()
    assert "mean IoU 0." in capsys.readouterr().out


_PACKAGE = re.compile(r"from (\w+)")


def test_the_python_of_own_maps_runs(capsys: pytest.CaptureFixture[str]) -> None:
    """Every block runs; of a package that is not installed, plain arrays stand for what it computes."""
    random = np.random.default_rng(0)
    torch.manual_seed(0)
    network: Any = timm.create_model("test_resnet", num_classes=3).eval()
    plain = random.random((4, 64, 64)).astype(np.float32)
    masks = plain > 0.8
    names = {
        "bx": btxrd_explain,
        "network": network,
        "images": torch.from_numpy(random.random((4, 3, 64, 64)).astype(np.float32)),
        "masks": masks,
        "anna": list(plain > 0.7),
        "ben": [None, *(plain > 0.9)[1:]],
        "unet": list(0.5 * masks),
    }
    page = (DOCS / "howto" / "own-maps.md").read_text("utf-8")
    blocks = [block.partition("```")[0] for block in page.split("```python\n")[1:]]
    for block in blocks:
        package = _PACKAGE.match(block)
        assert package is not None
        if importlib.util.find_spec(package[1]) is None:
            block = block.partition("\n\n")[2].partition("\n\n")[2]  # noqa: PLW2901 -- what follows the computation
        exec(compile(block, "own-maps.md", "exec"), names | {"raw": plain})  # noqa: S102 -- our own page
    assert len(blocks) == 3
    assert "[1.0]" in capsys.readouterr().out


def test_the_commands_without_statistics_are_run_on_other_pages() -> None:
    elsewhere = {command for page in PAGES.keys() - {WITHOUT_STATISTICS} for command in PAGES[page]}
    assert set(PAGES[WITHOUT_STATISTICS]) <= elsewhere | set(documents.commands(documents.README))


def test_the_lines_that_are_explained_without_statistics_are_those_of_the_demo(demo_run: DemoRun) -> None:
    text = (demo_run.folder / "results" / "annotation_report.json").read_text("utf-8")
    said, explained = headline(Document.model_validate_json(text)), _blocks(DOCS / WITHOUT_STATISTICS, "text")
    number = re.compile(r"[\d.]+")
    assert [number.sub("N", line) for line in said] == [number.sub("N", line) for line in explained.splitlines()]


def _planned() -> list[list[str]]:
    """Return the command lines that make would run, each as its words."""
    done = subprocess.run(["make", "-n", "all"], capture_output=True, text=True, check=True)
    lines = (line.partition(" || ")[0] for line in done.stdout.splitlines() if not line.startswith("make:"))
    return [shlex.split(line) for line in lines]


def _analyses() -> list[str]:
    """Return the names of the commands that make would run."""
    return [words[1] for words in _planned() if words[0] == "btxrd-explain"]


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_make_runs_only_what_changed(template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "work"
    shutil.copytree(template, folder)
    monkeypatch.chdir(folder)
    (folder / "Makefile").write_text(_blocks(DOCS / "howto" / "make.md", "make"), "utf-8")
    assert sorted(_analyses()) == ["annotate-iou", "gallery", "infer", "performance", "report"]
    for words in _planned():
        if words[0] == "touch":
            os.utime(words[1])
            continue
        run(*words[1:])
    assert _planned() == []
    later = time.time() + 60
    os.utime(next((folder / "BTXRD" / "Annotations").iterdir()), (later, later))
    assert sorted(_analyses()) == ["annotate-iou", "gallery", "report"]
    os.utime("best.pt", (later, later))
    assert len(_analyses()) == 5


def test_the_shell_of_cleaning_up_runs(tmp_path: Path) -> None:
    for name in ("btxrd-explain-out/predictions.parquet", "btxrd-explain-out/a.png", "btxrd-explain-demo/b.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    script = _blocks(DOCS / "howto" / "clean-up.md", "sh")
    subprocess.run(["bash", "-e", "-c", script], cwd=tmp_path, capture_output=True, check=True)
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["predictions.parquet"]


def test_pages_that_are_tested_elsewhere_exist() -> None:
    assert PAGES.keys() >= ELSEWHERE
