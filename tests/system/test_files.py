from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

import pytest

from btxrd_explain.errors import OutputError
from btxrd_explain.system.files import atomic_write, read_whole, sha256_of, write_json

if TYPE_CHECKING:
    from pathlib import Path


def test_a_file_appears_whole(tmp_path: Path) -> None:
    target = tmp_path / "new" / "report.json"
    with atomic_write(target) as file:
        file.write(b"half")
        assert not target.exists()
        file.write(b" and half")
    assert target.read_bytes() == b"half and half"
    assert list(target.parent.iterdir()) == [target]


def test_an_exception_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "report.json"
    target.write_text("old")
    with pytest.raises(ValueError, match="closed file"), atomic_write(target) as file:
        file.close()
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_files_get_ordinary_permissions(tmp_path: Path) -> None:
    old = os.umask(0o027)
    try:
        with atomic_write(tmp_path / "f") as file:
            file.write(b"x")
    finally:
        os.umask(old)
    assert (tmp_path / "f").stat().st_mode & 0o777 == 0o640


def test_json_holds_no_nan(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "r.json", {"iou": float("nan")})
    assert not (tmp_path / "r.json").exists()


def test_a_file_in_the_way_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"cannot write '.*r\.json': '.*file' is a file: name a folder with -o"):
        write_json(tmp_path / "file" / "r.json", {})


def test_hash(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"radiograph")
    assert sha256_of(tmp_path / "f") == hashlib.sha256(b"radiograph").hexdigest()


@pytest.mark.parametrize("names", [["a", "b"], ["a"], []])
def test_streamed_lists_are_written_as_if_they_were_held(names: list[str], tmp_path: Path) -> None:
    document = {"n": 1, "nested": {"rows": [1, 2]}}
    # line separators that Python's splitlines() knows, and JSON does not
    items = [{"id": f"{name}\n\u2028\x85 ü", "of": [], "in": {"x": None}} for name in names]
    write_json(tmp_path / "streamed.json", document, lists={"items": iter(items), "plain": iter(names)})
    write_json(tmp_path / "held.json", document | {"items": items, "plain": names})
    assert (tmp_path / "streamed.json").read_bytes() == (tmp_path / "held.json").read_bytes()


def test_a_streamed_list_that_fails_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        write_json(tmp_path / "r.json", {"n": 1}, lists={"items": (1 // n for n in (1, 0))})
    assert list(tmp_path.iterdir()) == []


def test_whole_files_are_read_up_to_a_size_and_no_pipes(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b"12345")
    assert read_whole(path, 5) == b"12345"
    assert read_whole(path, 4) is None
    os.mkfifo(tmp_path / "pipe.json")
    for other in (tmp_path, tmp_path / "pipe.json", tmp_path / "none.json"):
        with pytest.raises(OSError, match=r"it is not a file|No such file"):
            read_whole(other, 5)
