"""Disks that are really full, and folders that can really not be written."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from btxrd_explain.predictions.table import open_table
from tests.interruption.conftest import BATCH

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.interruption.lives import Lives

COUNT = 120
EVERYTHING_FITS = 16 * 1024


def _mount(folder: Path, options: str) -> None:
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], capture_output=True, check=False
    )
    if done.returncode != 0:
        pytest.skip("mounting a small file system needs root")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Mounts a file system of its own, or changes its options; it goes at the end."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = False

    def mount(options: str) -> Path:
        nonlocal mounted
        _mount(folder, f"remount,{options}" if mounted else options)
        mounted = True
        return folder

    yield mount
    subprocess.run(["umount", str(folder)], capture_output=True, check=False)


@pytest.fixture(scope="module")
def annotated(tmp_path_factory: pytest.TempPathFactory, write_root: Callable[[Path, int], None]) -> Path:
    folder = tmp_path_factory.mktemp("annotated")
    write_root(folder, 24)
    return folder


def _files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def _said(lives: Lives) -> list[str]:
    """Return what was said but notes and results: one error."""
    return [line for line in lives.output.read_text().splitlines() if line.startswith("error:")]


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_infer_goes_on_when_a_full_disk_has_space_again(
    disk: Callable[[str], Path], lives: Lives, study: Path, network: tuple[str, ...], kind: str
) -> None:
    """The disk grows bit by bit: each run ends with one line, keeps what it computed, and leaves no rubbish."""
    out = disk("size=24k") / "out"
    out.mkdir()
    if kind == "folder":
        (out / "predictions.parquet").mkdir()
    images = [str(path) for path in sorted((study / "images").iterdir())[:COUNT]]
    command = ("infer", *images, *network, "-o", str(out), "--predictions", str(out / "predictions.parquet"))
    computed: list[str] = []
    full, size, code = 0, 24, -1
    while (code := lives.run(*command, "--no-overlay")) != 1:  # one of the images is torn
        assert code == 6, lives.output.read_text()
        (error,) = _said(lives)
        assert "No space left on device" in error
        assert list(out.rglob(".btxrd-explain-*")) == []
        computed += [image_id for batch in lives.batches for image_id in batch]
        full, size = full + 1, size + 12
        disk(f"size={size}k")
    computed += [image_id for batch in lives.batches for image_id in batch]
    assert full >= 3
    assert len(computed) - len(set(computed)) <= full * 2 * BATCH  # the next one may have begun
    assert len(list(open_table(out / "predictions.parquet").rows())) == COUNT


COMMANDS = (
    "gallery --examples-per-class 2",
    "annotate-iou",
    "report --layout folder",
    "report --layout file",
    "performance",
    "export --to labelme",
    "export --to npz",
    "export --to coco",
    "config init {out}/settings.yaml",
)


@pytest.fixture(scope="module")
def table(annotated: Path, lives: Lives) -> Path:
    """The table of annotated radiographs."""
    flags = ("--split-csv", str(annotated / "split.csv"), "-c", "demo", "--device", "cpu")
    path = annotated / "table" / "predictions.parquet"
    code = lives.run("infer", str(annotated / "BTXRD"), *flags, "--predictions", str(path), "-o", str(path.parent))
    assert code == 0, lives.output.read_text()
    return path


def _arguments(command: str, table: Path, out: Path) -> list[str]:
    words = command.format(out=out).split()
    if words[0] == "config":
        return words
    root = ["--root", str(table.parents[1] / "BTXRD")]
    return [*words, "--predictions", str(table), "-o", str(out), *root]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_full_disk_leaves_old_results_whole(
    disk: Callable[[str], Path], lives: Lives, table: Path, command: str
) -> None:
    out = disk(f"size={EVERYTHING_FITS}k") / "out"
    out.mkdir()
    arguments = _arguments(command, table, out)
    assert lives.run(*arguments) == 0, lives.output.read_text()
    before = _files(out)
    assert before
    if command.startswith("config"):  # never overwrites
        (out / "settings.yaml").unlink()
        before = {}
    elif command.startswith("annotate-iou"):
        arguments += ["--threshold", "0.3"]
    ballast = out.parent / "ballast"
    for free in (0, 8, 64):
        _fill(ballast, free)
        code = lives.run(*arguments)
        if free == 0:
            assert code == 6, lives.output.read_text()
        if code == 6:
            (error,) = _said(lives)
            assert "No space left on device" in error
        after = _files(out)
        assert before.keys() <= after.keys()
        assert [path for path in after if ".btxrd-explain-" in path] == []
    ballast.unlink()
    if command.startswith("config"):
        (out / "settings.yaml").unlink(missing_ok=True)
    assert lives.run(*arguments) == 0, lives.output.read_text()


def _fill(ballast: Path, kilobytes: int) -> None:
    """Leave so much of the disk free."""
    ballast.unlink(missing_ok=True)
    room = os.statvfs(ballast.parent)
    with ballast.open("wb") as file:
        file.write(bytes(max(0, room.f_bavail * room.f_bsize - kilobytes * 1024)))


@pytest.mark.parametrize("command", ["infer", *COMMANDS])
def test_a_read_only_folder_is_said_in_one_line(
    disk: Callable[[str], Path], lives: Lives, table: Path, command: str
) -> None:
    out = disk("size=4m") / "out"
    out.mkdir()
    (out / "old.txt").write_text("old")
    disk("ro")
    if command == "infer":
        command = f"infer {table.parents[1] / 'BTXRD'} -c demo --device cpu"
        arguments = [*command.split(), "-o", str(out)]
    else:
        arguments = _arguments(command, table, out)
    assert lives.run(*arguments) == 6, lives.output.read_text()
    (error,) = _said(lives)
    assert "Read-only file system" in error
    assert _files(out) == {"old.txt": b"old"}


def test_a_current_table_on_a_read_only_disk_is_used_as_it_is(
    disk: Callable[[str], Path], lives: Lives, table: Path, tmp_path: Path
) -> None:
    place = disk("size=4m") / "predictions.parquet"
    flags = ("--split-csv", str(table.parents[1] / "split.csv"), "-c", "demo", "--device", "cpu")
    command = (
        "infer",
        str(table.parents[1] / "BTXRD"),
        *flags,
        "--predictions",
        str(place),
        "-o",
        str(tmp_path / "out"),
    )
    assert lives.run(*command) == 0
    disk("ro")
    assert lives.run(*command) == 0, lives.output.read_text()
    assert lives.batches == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_full_disk_behind_the_standard_output_is_not_blamed_on_the_table(table: Path) -> None:
    arguments = ["performance", "--predictions", str(table), "-o", str(table.parent), "--json"]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "btxrd_explain", *arguments],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 6
    told = "error: cannot write to the standard output (No space left on device): check where it leads"
    assert done.stderr.splitlines()[-1] == told
