"""Classes, images and columns whose names are attacks: on terminals, pages, spreadsheets, figures and file systems."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from btxrd_explain.commands.drawing import file_name_of_image, file_names_of_classes
from btxrd_explain.commands.markdown import plain_markdown
from btxrd_explain.predictions.record import FileStamp
from tests.support.command_line import run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from btxrd_explain.predictions.record import Prediction

CLASSES = (
    "[red]:warning: ../../../etc/cron",
    "=cmd|' /C calc'!A1 <script>alert(1)</script> $\\frac{x}$ [a](javascript:alert(1))",
    "x" * 200,
    "X" * 200,
)
IMAGES = ("$\\input{x}$.png", "=1+1.png", "[b]x\x1b]0;owned\x07.png", "deep/<img src=x onerror=alert(1)>.png")
COMMANDS = (
    ("gallery", "--format", "svg"),
    ("annotate-iou", "--by", "=center <b>", "--panels", "1", "--dpi", "50"),
    ("performance", "--dpi", "50"),
    ("report",),
    ("export", "--to", "labelme"),
    ("export", "--to", "coco"),
    ("export", "--to", "fiftyone", "--classes", "all"),
    ("export", "--to", "npz"),
)


@pytest.fixture
def root(tmp_path: Path, make_row: Callable[..., Prediction], make_table: Callable[..., None]) -> Path:
    """Images, annotations and a predictions table of such names, and a file that nothing may touch."""
    rows = []
    for number, name in enumerate(IMAGES):
        image = tmp_path / "images" / name
        annotation = tmp_path / "notes" / f"{image.stem}.json"
        for path in (image, annotation):
            path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.random.default_rng(number).integers(0, 256, (40, 30), dtype=np.uint8)).save(image)
        shape = {"label": "\x1b[2J<b>\n", "points": [[2, 2], [20, 20]], "shape_type": "rectangle"}
        annotation.write_text(json.dumps({"shapes": [shape], "imagePath": "../../etc/passwd"}))
        status = image.stat()
        stamp = FileStamp(status.st_size, status.st_mtime_ns, hashlib.sha256(image.read_bytes()).hexdigest())
        grids = np.random.default_rng(number).normal(size=(4, 2, 2)).astype(np.float32)
        scores = np.roll([0.7, 0.1, 0.1, 0.1], number)
        rows.append(make_row(name, CLASSES[number], scores, path=f"images/{name}", grids=grids, stamp=stamp))
    make_table(tmp_path / "predictions.parquet", CLASSES, rows)
    with (tmp_path / "table.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["image_id", "=center <b>"], *([name, "@SUM(1+1)|*x*"] for name in IMAGES)])
    return tmp_path


def _shown(root: Path, *arguments: str) -> None:
    places = ("--predictions", root / "predictions.parquet", "-o", root / "out")
    where = ("--metadata", root / "table.csv") if arguments[0] == "annotate-iou" else ()
    notes = ("--annotations", root / "notes") if arguments[0] != "performance" else ()
    result = run(*arguments, *places, *where, *notes)
    shown = result.stdout + result.stderr
    assert all(line.isprintable() for line in shown.split("\n")), repr(shown)
    assert "warning:" in shown or arguments[0] not in {"gallery", "performance"}  # no emoji


def _cells(root: Path) -> list[dict[str, str]]:
    with (root / "out" / "annotation_metrics.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_they_stay_text_in_every_output(root: Path) -> None:
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    above = set(root.parent.iterdir())
    for command in COMMANDS:
        _shown(root, *command)
    written = {path for path in root.rglob("*") if path.is_file()} - set(before)
    assert all(path.is_relative_to(root / "out") for path in written)
    assert {path: path.read_bytes() for path in before} == before
    assert set(root.parent.iterdir()) == above

    pictures = sorted((root / "out").glob("gallery_*.svg"))
    assert len(pictures) == len(CLASSES)
    for picture in pictures:
        ET.fromstring(picture.read_bytes())  # noqa: S314 -- our own
        assert "<script" not in picture.read_text("utf-8")
    for document in (root / "out").rglob("*.json"):
        json.loads(document.read_text("utf-8"))

    for cells in _cells(root):
        assert not [text for text in cells.values() if re.match(r"[=+@\t\r]|-\D", text)]
    exact = pq.read_table(root / "out" / "annotation_metrics.parquet")
    assert exact.column("image_id").to_pylist() == list(IMAGES)
    assert {cells["image_id"] for cells in _cells(root)} == {"'=1+1.png"} | set(IMAGES) - {"=1+1.png"}

    text = (root / "out" / "annotation_report.md").read_text("utf-8")
    prose = re.sub(r"`[^`\n]*`", "", text)  # code shows what is in it
    assert not re.search(r"<(?!/?br>)|(?<!\\)\[a\]", prose)
    assert not re.search(r"\x1b|\u202e", text)
    page = (root / "out" / "report.html").read_text("utf-8")
    assert "<img src=x" not in page
    assert "<script>alert" not in page


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<script>&", "&lt;script&gt;&amp;"),
        ("[a](javascript:b)", r"\[a\](javascript:b)"),
        ("`*_$~\\", r"\`\*\_\$\~" + "\\\\"),
        ("a\n# b", r"a\\n# b"),
    ],
)
def test_markdown_shows_it_to_the_letter(text: str, expected: str) -> None:
    assert plain_markdown(text) == expected


def test_files_of_classes_differ_whatever_the_file_system_tells_apart() -> None:
    names = ("a/b", "a_b", "A_B", "", "..", "骨" * 200, "骨" * 201)
    files = file_names_of_classes(names)
    assert list(files) == list(names)
    assert len({file.casefold() for file in files.values()}) == len(names)
    assert all(re.fullmatch(r"[\w \-+()]+", file) and len(file.encode()) < 160 for file in files.values())


@pytest.mark.parametrize(
    "image_id", ["../x", "/x", "//etc/x", "///x", "a/../../x", "./x", "x/..", "..", "", "/", "a\0/x"]
)
def test_no_image_leads_out_of_the_output_folder(tmp_path: Path, image_id: str) -> None:
    place = tmp_path / file_name_of_image(image_id, ".png")
    assert place.resolve().is_relative_to(tmp_path.resolve())
    assert place != tmp_path
    assert ".." not in place.parts


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere names of files are UTF-8 in every locale")
def test_a_locale_of_plain_ascii_knows_all_names(tmp_path: Path) -> None:
    """Python then has surrogates in the names of files, and real characters in those from tables."""
    (tmp_path / "images").mkdir()
    Image.new("L", (9, 9)).save(tmp_path / "images" / "Röntgen.png")
    (tmp_path / "split.csv").write_text("image_id,split,label\nRöntgen.png,test,Benign\n", "utf-8")
    plain = {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": "C"}
    done = subprocess.run(
        [sys.executable, "-m", "btxrd_explain", "check", "images", "--split-csv", "split.csv", "--fail-on", "error"],
        cwd=tmp_path, env=os.environ | plain, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "btxrd-explain-out" / "check_report.json").read_text("utf-8"))
    assert report["splits"] == {"test": {"Benign": 1}}
    assert [finding["images"] for finding in report["findings"] if finding["code"] == "blank-image"] == [
        ["Röntgen.png"]
    ]
