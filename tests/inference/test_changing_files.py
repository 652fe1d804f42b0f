"""Radiographs that change, vanish or turn into something else between the listing and the reading."""

from __future__ import annotations

import os
import shutil
import sys
from typing import TYPE_CHECKING, Any

import pytest

from btxrd_explain.errors import TableError
from btxrd_explain.inference import run as inference_run
from btxrd_explain.inference.plan import Plan, make_plan
from btxrd_explain.inputs import radiograph
from btxrd_explain.predictions.record import RowStatus
from btxrd_explain.predictions.table import open_table
from btxrd_explain.system.places import open_to_read
from tests.support.command_line import run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from btxrd_explain.inputs.record import Collection

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there are no such pipes")


@pytest.fixture
def images(tmp_path: Path, write_root: Callable[[Path, int], None]) -> Path:
    write_root(tmp_path, 6)
    return tmp_path / "BTXRD" / "images"


def _path(images: Path, number: int) -> Path:
    return images / f"IMG{number:06d}.jpeg"


def _infer(images: Path, code: int) -> dict[str, Any]:
    out = images.parents[1] / "out"
    run("infer", images, "-c", "demo", "-o", out, "--quiet", code=code)
    return {row.image_id: row for row in open_table(out / "predictions.parquet").rows()}


def test_what_becomes_of_listed_files_is_said_of_each(images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def changing(path: Path, request: dict[str, Any], collection: Collection, *, verify: bool) -> Plan:
        plan = make_plan(path, request, collection, verify=verify)
        _path(images, 0).unlink()
        for number in (1, 2):
            _path(images, number).unlink()
        os.mkfifo(_path(images, 1))
        _path(images, 2).mkdir()
        _path(images, 3).write_bytes(b"torn")
        shutil.copy(_path(images, 5), _path(images, 4))
        return plan

    monkeypatch.setattr(inference_run, "make_plan", changing)
    rows = _infer(images, 1)
    assert [row.status for row in rows.values()] == [RowStatus.UNREADABLE] * 4 + [RowStatus.OK] * 2
    for number, reason in ((0, "No such file"), (1, "is a pipe"), (2, "is a folder"), (3, "not")):
        assert reason in rows[f"IMG{number:06d}.jpeg"].error, number
    monkeypatch.undo()
    assert rows["IMG000004.jpeg"].stamp.sha256 == rows["IMG000005.jpeg"].stamp.sha256
    for number in range(4):
        path = _path(images, number)
        path.rmdir() if path.is_dir() else path.unlink(missing_ok=True)
        shutil.copy(_path(images, 5), path)
    assert {row.status for row in _infer(images, 0).values()} == {RowStatus.OK}


def test_a_pipe_that_takes_the_place_of_a_file_is_not_waited_for(images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It comes after the look at the kind of the file, and before the file is opened."""

    def late(path: Path) -> Any:  # noqa: ANN401 -- an open file
        if path == _path(images, 1):
            path.unlink()
            os.mkfifo(path)
        return open_to_read(path)

    monkeypatch.setattr(radiograph, "open_to_read", late)
    rows = _infer(images, 1)
    assert rows["IMG000001.jpeg"].status is RowStatus.UNREADABLE
    assert "it is not a file" in rows["IMG000001.jpeg"].error


def test_a_table_that_another_run_replaces_is_not_read_on(images: Path) -> None:
    _infer(images, 0)
    path = images.parents[1] / "out" / "predictions.parquet"
    table = open_table(path)
    command = ["infer", str(images), "-c", "demo", "-o", str(path.parent), "--method", "layercam", "--quiet"]
    run(*command)
    for read in (table.index, lambda: list(table.rows())):
        with pytest.raises(TableError, match="was replaced by the table of another run while it was read"):
            read()
