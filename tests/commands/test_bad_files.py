"""One bad file never stops the rest: each has a status and a reason, in the table and in the summary."""

from __future__ import annotations

import json
import os
import shutil
import socket
import sys
import tempfile
import zlib
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from btxrd_explain.predictions.table import open_table
from tests.support.command_line import run
from tests.support.pictures import GREY, JPEGS, OTHERS, SEVERAL, chunk, encode, exif, png

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from typer.testing import Result

    from btxrd_explain.predictions.record import Prediction

BOMB = zlib.compress(bytes(2**26), 1)

READ = {
    "good.jpeg": JPEGS["grey"],
    "png.jpeg": OTHERS["png L"],  # renamed
    "deep.png": OTHERS["png 16"],
    "cmyk.jpg": JPEGS["cmyk"],
    "palette.png": OTHERS["png P"],
    "progressive.jpeg": JPEGS["progressive"],
    "animated.gif": SEVERAL["GIF"],
    "animated.png": SEVERAL["PNG"],
    "animated.webp": SEVERAL["WEBP"],
    "pages.tif": SEVERAL["TIFF"],
    **{f"turned{number}.jpeg": encode(GREY, "JPEG", exif=exif(number)) for number in range(1, 9)},
    "pixel.png": encode(Image.new("L", (1, 1), 7), "PNG"),
    "line.png": encode(Image.new("L", (3000, 1), 7), "PNG"),
    "caf\u00e9.jpeg": JPEGS["grey"],
    "cafe\u0301.jpeg": JPEGS["colour"],  # looks the same, and is another name
    "\U0001f9b4.jpeg": JPEGS["grey"],
    "two\nlines.jpeg": JPEGS["grey"],
    "\"quoted'.jpeg": JPEGS["grey"],
    "[red]markup.jpeg": JPEGS["grey"],
    "\x1b[31mescape.jpeg": JPEGS["grey"],
    "stem.png": OTHERS["png L"],
    "stem.jpg": JPEGS["grey"],
    "left/twin.png": OTHERS["png L"],
    "right/twin.png": OTHERS["png L"],
    "full.png/inside.png": OTHERS["png L"],  # a folder that is called like an image
}
"""What is read, by its name."""
REFUSED = {
    "empty.png": (b"", "is empty: copy it again"),
    "text.png": (b"no picture", "is not an image that can be read"),
    "truncated.jpeg": (JPEGS["grey"][:-99], "is damaged (image file is truncated)"),
    "repaired.jpeg": (JPEGS["grey"][:-99] + b"\xff\xd9", "is damaged (image file is truncated"),
    "truncated.png": (OTHERS["png L"][:-99], "is damaged (image file is truncated)"),
    "truncated.tif": (OTHERS["tiff L None"][:-99], "is damaged (image file is truncated"),
    "truncated.webp": (OTHERS["webp"][:-99], "is damaged"),
    "large.png": (png(width=20_000, height=20_000), "has more than 100,000,000 pixels"),
    "profile.png": (png(chunk(b"iCCP", b"x\0\0" + BOMB)), "Decompressed data too large"),
    "comment.png": (png(chunk(b"zTXt", b"x\0\0" + BOMB)), "Decompressed data too large"),
}
"""What is refused, with the reason."""
SPECIAL = {
    "broken.png": "(No such file or directory)",
    "circle.png": "(Too many levels of symbolic links)",
    "device.png": "is a device, no image file",
    "folder.jpg": "is a folder, no image file",
    "pipe.png": "is a pipe, no image file",
    "socket.png": "is a socket, no image file",
    r"bytes\xff.png": "is not UTF-8: rename it",
}
"""What is not a file, with the reason."""

pytestmark = [
    pytest.mark.skipif(sys.platform in {"win32", "darwin"}, reason="these names and files are Linux's"),
    pytest.mark.usefixtures("blank_figures"),
]


def make_special(folder: Path) -> None:
    (folder / "broken.png").symlink_to("nowhere")
    (folder / "circle.png").symlink_to("circle.png")
    (folder / "device.png").symlink_to("/dev/zero")
    (folder / "folder.jpg").mkdir()
    os.mkfifo(folder / "pipe.png")
    with socket.socket(socket.AF_UNIX) as unix, working_in(folder):  # a socket's path must be short
        unix.bind("socket.png")
    Path(os.fsdecode(os.fsencode(folder) + b"/bytes\xff.png")).write_bytes(OTHERS["png L"])


@contextmanager
def working_in(folder: Path) -> Iterator[None]:
    previous = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(previous)


def infer(*arguments: object, cwd: Path, code: int) -> Result:
    return run("infer", *arguments, "-c", "demo", "--device", "cpu", "-o", "out", cwd=cwd, code=code)


def rows_in(folder: Path) -> dict[str, Prediction]:
    return {row.image_id: row for row in open_table(folder / "out" / "predictions.parquet").index()}


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    """A folder of everything, and what a run over it said."""
    folder = tmp_path_factory.mktemp("zoo")
    for name, data in {**READ, **{name: data for name, (data, _) in REFUSED.items()}}.items():
        path = folder / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    make_special(folder / "images")
    return folder, infer("images", cwd=folder, code=1)


def id_of(name: str) -> str:
    return name if "twin" in name else name.rpartition("/")[2]


def test_every_file_has_a_status_and_a_reason(zoo: tuple[Path, Result]) -> None:
    rows = rows_in(zoo[0])
    reasons = {name: reason for name, (_, reason) in REFUSED.items()} | SPECIAL
    assert set(rows) == {*map(id_of, READ), *reasons}
    assert {name for name, row in rows.items() if row.status == "ok"} == set(map(id_of, READ))
    for name, reason in reasons.items():
        error = rows[name].error
        assert rows[name].status == "unreadable"
        assert error is not None
        assert reason in error
        assert error.isprintable()


def test_the_summary_names_every_file_that_failed(zoo: tuple[Path, Result]) -> None:
    folder, result = zoo
    failed = len(REFUSED) + len(SPECIAL)
    assert f"{len(READ) + failed} radiographs, {len(READ) + failed} computed now, {failed} failed" in result.stdout
    for name in (*REFUSED, *SPECIAL):
        assert f"unreadable: {name}: " in result.stderr
    again = infer("images", "--json", cwd=folder, code=1)
    lines = {line["image_id"]: line for line in map(json.loads, again.stdout.splitlines())}
    assert {name: (line["status"], line["error"]) for name, line in lines.items()} == {
        name: (row.status, row.error) for name, row in rows_in(folder).items()
    }
    assert "computing" not in again.stderr  # what failed is not tried again while it is the same


def test_files_of_several_images_are_told_of_once_whichever_command_reads_them(zoo: tuple[Path, Result]) -> None:
    folder, result = zoo
    several = sorted(name for name, row in rows_in(folder).items() if row.frames != 1 and row.status == "ok")
    assert several == ["animated.gif", "animated.png", "animated.webp", "pages.tif"]
    line = "a file holds several images (4 times): 'animated.gif' holds 2 images; 'animated.png' holds 2 images"
    assert result.stderr.count("[several-frames]") == 1
    assert line in " ".join(result.stderr.split())
    of_table = run("performance", "-o", "out", "--predictions", "out/predictions.parquet", cwd=folder, code=4)
    assert line in " ".join(of_table.stderr.split())


def test_turned_radiographs_are_all_read_upright(zoo: tuple[Path, Result]) -> None:
    rows = rows_in(zoo[0])
    for number in range(1, 9):
        size = rows[f"turned{number}.jpeg"].size
        assert size is not None
        assert (size.width, size.height) == (GREY.size if number < 5 else GREY.size[::-1])


def test_all_that_can_be_read_can_be_drawn_exported_and_reported(zoo: tuple[Path, Result]) -> None:
    folder = zoo[0]
    infer("images", "--overlay", cwd=folder, code=1)
    assert sum(path.is_file() for path in (folder / "out" / "overlays").rglob("*")) == len(READ)
    exported = json.loads(run("export", "--to", "npz", "-o", "out", "--json", cwd=folder, code=1).stdout)
    assert exported["exported"] == len(READ)
    assert set(exported["failed"]) == {*REFUSED, *SPECIAL}
    reported = json.loads(run("report", "-o", "out", "--json", cwd=folder, code=1).stdout)
    assert (reported["images"], reported["shown"]) == (len(READ) + len(reported["failed"]), len(READ))


def test_one_named_after_the_other_what_is_missing_is_a_row_too(tmp_path: Path) -> None:
    (tmp_path / "good.png").write_bytes(OTHERS["png L"])
    os.mkfifo(tmp_path / "pipe.png")
    infer("none.png", "good.png", "pipe.png", "x" * 300 + ".png", cwd=tmp_path, code=1)
    statuses = {name[-9:]: row.status for name, row in rows_in(tmp_path).items()}
    assert statuses == {"good.png": "ok", "none.png": "missing", "pipe.png": "unreadable", "xxxxx.png": "missing"}
    assert "there is no 'none.png' (no such file" in infer("none.png", cwd=tmp_path, code=4).stderr


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can become somebody else")
def test_what_permissions_close_is_tried_again_when_they_open_it() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "images" / "closed").mkdir(parents=True)
        for place in ("open.png", "locked.png", "closed/inside.png"):
            (folder / "images" / place).write_bytes(OTHERS["png L"])
        for path, mode in (("images/locked.png", 0o600), ("images/closed", 0o700), ("images", 0o755), (".", 0o777)):
            (folder / path).chmod(mode)
        os.seteuid(65534)
        try:
            infer("images", cwd=folder, code=1)
        finally:
            os.seteuid(0)
        rows = rows_in(folder)
        assert {name: row.status for name, row in rows.items()} == {
            "open.png": "ok",
            "locked.png": "unreadable",
            "closed": "unreadable",
        }
        assert all("(Permission denied)" in (rows[name].error or "") for name in ("locked.png", "closed"))
        assert "3 radiographs, 2 computed now, 0 failed" in infer("images", cwd=folder, code=0).stdout


# strict


@pytest.fixture
def four(tmp_path: Path) -> Path:
    """Four images, of which the second one is truncated."""
    for name, data in (("a", OTHERS["png L"]), ("b", OTHERS["png L"][:99]), ("c", JPEGS["grey"]), ("d", JPEGS["cmyk"])):
        path = tmp_path / "images" / f"{name}.png"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
    return tmp_path


def test_strict_stops_at_the_first_file_that_fails_and_keeps_what_is_done(four: Path) -> None:
    stopped = infer("images", "--strict", "--batch-size", 1, cwd=four, code=1)
    assert "error: stopped at 'b.png', which is unreadable ('images/b.png' is damaged" in stopped.stderr
    assert "1 of 4 radiographs are in the table: correct it or leave it out, or do without --strict" in stopped.stderr
    assert "radiographs," not in stopped.stdout
    assert {name: row.status for name, row in rows_in(four).items()} == {"a.png": "ok", "b.png": "unreadable"}
    assert [path.name for path in (four / "out").iterdir() if path.name[0] != "."] == ["predictions.parquet"]
    assert "computing" not in infer("images", "--strict", cwd=four, code=1).stderr  # it is known to fail
    assert "4 radiographs, 2 computed now, 1 failed" in infer("images", cwd=four, code=1).stdout
    (four / "images" / "b.png").write_bytes(OTHERS["png L"])
    assert "4 radiographs, 1 computed now, 0 failed" in infer("images", "--strict", cwd=four, code=0).stdout


def test_strict_computes_nothing_where_a_file_is_missing(four: Path) -> None:
    (four / "images" / "b.png").unlink()
    names = [f"images/{name}.png" for name in "abcd"]
    stopped = infer(*names, "--set", "run.strict=true", cwd=four, code=1)
    assert "stopped at 'b.png', which is missing (no such file or directory)" in stopped.stderr
    assert "computing" not in stopped.stderr
    assert not (four / "out" / "predictions.parquet").exists()


# what became of the files since


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory, write_root: Callable[[Path, int], None]) -> Path:
    """A table of 15 good images."""
    folder = tmp_path_factory.mktemp("healthy")
    write_root(folder, 15)
    infer("BTXRD", "--split-csv", "split.csv", cwd=folder, code=0)
    return folder


@pytest.fixture
def since(healthy: Path, tmp_path: Path) -> tuple[Path, set[str]]:
    """The same, of which five were good then."""
    shutil.copytree(healthy, tmp_path, dirs_exist_ok=True)
    names = [f"IMG{number:06d}.jpeg" for number in range(1, 6)]
    gone, shrunk, torn, folder, pipe = (tmp_path / "BTXRD" / "images" / name for name in names)
    shrunk.write_bytes(encode(Image.open(shrunk).resize((4, 4)), "JPEG"))
    torn.write_bytes(torn.read_bytes()[:-99])
    for path in (gone, folder, pipe):
        path.unlink()
    folder.mkdir()
    os.mkfifo(pipe)
    return tmp_path, set(names)


SINCE = {
    "gallery": ("--examples-per-class", 15),
    "annotate-iou": ("--panels", 15),
    "report": (),
}
SINCE_REASONS = (
    "(No such file or directory)",
    "has changed since it was predicted: run 'btxrd-explain infer' again",
    "is damaged (image file is truncated)",
    "is a folder",
    "is a pipe",
)


@pytest.mark.parametrize("command", SINCE)
def test_images_that_vanished_or_changed_since_are_named(since: tuple[Path, set[str]], command: str) -> None:
    folder, names = since
    result = run(command, *SINCE[command], "-o", "out", "--json", cwd=folder, code=1)
    document = json.loads(result.stdout)
    failed = document.get("failed") or {image["image_id"]: image["reason"] for image in document["failed_images"]}
    expected = dict(zip(sorted(names), SINCE_REASONS, strict=True))
    if command == "annotate-iou":
        del expected["IMG000003.jpeg"]  # without an annotation it is neither scored nor shown
    assert failed.keys() == expected.keys()
    for name, reason in expected.items():
        assert reason in failed[name]
        assert result.stderr.count(f": {name}: ") == 1


def test_an_export_needs_no_images_but_refuses_others(since: tuple[Path, set[str]]) -> None:
    folder, names = since
    result = run("export", "--to", "coco", "-o", "out", "--json", cwd=folder, code=1)
    assert set(json.loads(result.stdout)["failed"]) == names - {"IMG000001.jpeg"}  # what is gone cannot mislead


@pytest.mark.parametrize("command", [*SINCE, "export"])
def test_strict_also_stops_what_shows_images(since: tuple[Path, set[str]], command: str) -> None:
    folder, _ = since
    options = ("--to", "npz") if command == "export" else SINCE[command]
    result = run(command, *options, "--strict", "-o", "out", cwd=folder, code=1)
    assert "error: stopped at 'IMG00000" in result.stderr
    written = {path.name for path in (folder / "out").iterdir()}
    assert not written & {"gallery.json", "annotation_report.json", "report.html"}


def test_a_table_can_be_scored_where_no_image_is_left(since: tuple[Path, set[str]]) -> None:
    folder, _ = since
    result = run("performance", "-o", "out", "--json", cwd=folder, code=0)  # looks at no image
    assert json.loads(result.stdout)["num_images"] == 15


def test_inference_says_what_became_of_them(since: tuple[Path, set[str]]) -> None:
    folder, names = since
    infer("BTXRD", "--split-csv", "split.csv", cwd=folder, code=1)
    statuses = {name: row.status for name, row in rows_in(folder).items()}
    assert {name for name, status in statuses.items() if status == "unreadable"} == names - {
        "IMG000001.jpeg",  # no more listed
        "IMG000002.jpeg",  # another image, but an image
    }


@pytest.mark.parametrize("command", ["gallery", "annotate-iou", "performance", "report", "export"])
def test_exit_codes_of_commands_that_use_a_table(healthy: Path, command: str) -> None:
    to = ("--to", "npz") if command == "export" else ()
    for code, arguments in {
        0: ("-o", "out"),
        2: ("-o", "out", "--set", "run.strict=perhaps"),
        3: ("BTXRD", "-c", "nowhere.pt"),
        4: ("nowhere.png", "-c", "demo"),
        5: ("-o", "nothing"),
        6: ("--predictions", "out/predictions.parquet", "-o", "split.csv/out"),
    }.items():
        result = run(command, *to, *arguments, "--quiet", cwd=healthy, code=code)
        assert result.stderr.count("error:") == (code > 1)
