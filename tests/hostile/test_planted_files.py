"""What is the tool's by name, and lies there from somebody else: never followed, never written, never removed."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import pytest

from btxrd_explain.commands.report.writing import staging, write_report
from btxrd_explain.errors import ExitCode, OutputError
from btxrd_explain.inference.target import claim, claim_of
from btxrd_explain.predictions.log import RowLog
from btxrd_explain.predictions.store import GrowingFolder, Journal, write_part, write_table
from btxrd_explain.predictions.table import open_table
from btxrd_explain.system.files import atomic_write
from btxrd_explain.system.locks import PREFIX, SUFFIX, alone, sweep
from tests.support.command_line import run
from tests.support.small_table import PROVENANCE, ROWS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there, and nothing is locked")

WORK = b"years of work\n"


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """A folder of results."""
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """A folder of somebody else."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_bytes(WORK)
    return tmp_path / "mine"


def _left_alone(mine: Path) -> bool:
    return [path.name for path in mine.iterdir()] == ["thesis.txt"] and (mine / "thesis.txt").read_bytes() == WORK


PLANTED: dict[str, Callable[[Path, Path], object]] = {
    "link": lambda path, mine: path.symlink_to(mine / "thesis.txt"),
    "broken link": lambda path, mine: path.symlink_to(mine / "new.txt"),
    "link to a folder": lambda path, mine: path.symlink_to(mine),
    "hard link": lambda path, mine: path.hardlink_to(mine / "thesis.txt"),
    "pipe": lambda path, _: os.mkfifo(path),
    "folder": lambda path, _: path.mkdir(),
    "file": lambda path, _: path.write_bytes(WORK),
}
"""What may have been put under a name of the tool's own, given the name and somebody's own folder."""
KINDS = pytest.mark.parametrize("kind", PLANTED)


def _state(path: Path) -> tuple[int, int, int]:
    status = path.lstat()
    return status.st_mode, status.st_ino, status.st_size


def _refused(path: Path, work: Callable[[], object]) -> None:
    """Do some work that must be refused for what lies at a path, which must stay as it is."""
    before = _state(path)
    with pytest.raises(OutputError, match="is in the way") as refused:
        work()
    assert refused.value.exit_code is ExitCode.OUTPUT
    assert str(path) in str(refused.value)
    assert _state(path) == before


@KINDS
def test_what_is_not_a_lock_is_never_locked(out: Path, mine: Path, kind: str) -> None:
    PLANTED[kind](out / ".table.lock", mine)

    def work() -> None:
        with alone(out / "table", pytest.fail):
            pytest.fail("the work has begun")

    _refused(out / ".table.lock", work)
    assert _left_alone(mine)


@KINDS
def test_what_is_not_a_log_is_neither_read_nor_removed(out: Path, mine: Path, kind: str) -> None:
    PLANTED[kind](RowLog(out).path, mine)
    _refused(RowLog(out).path, GrowingFolder(out).recover)
    assert _left_alone(mine)


@pytest.mark.parametrize("kind", ["link", "broken link", "link to a folder", "hard link", "pipe", "folder"])
def test_what_is_not_a_log_gets_no_rows(out: Path, mine: Path, kind: str) -> None:
    """Whoever appends has looked at the content of a file before."""
    log = RowLog(out)
    PLANTED[kind](log.path, mine)
    _refused(log.path, lambda: log.append(PROVENANCE, ROWS))
    assert _left_alone(mine)


@pytest.mark.parametrize("torn", [0, 1, 7, 8, 20, 24, 26, 100])
@pytest.mark.parametrize("zeros", [0, 40])
def test_a_torn_log_is_still_known(out: Path, torn: int, zeros: int) -> None:
    log = RowLog(out)
    log.append(PROVENANCE, ROWS)
    log.path.write_bytes(log.path.read_bytes()[:torn] + bytes(zeros))
    GrowingFolder(out).recover()
    assert list(out.iterdir()) == []


@pytest.mark.parametrize("kind", ["link", "broken link", "link to a folder", "hard link", "pipe", "file"])
def test_what_is_not_a_journal_is_never_entered(out: Path, mine: Path, kind: str) -> None:
    journal = Journal(out / "p.parquet")
    PLANTED[kind](journal.folder, mine)
    _refused(journal.folder, lambda: journal.reopen(PROVENANCE.fingerprint))
    _refused(journal.folder, journal.discard)
    assert _left_alone(mine)


@pytest.mark.parametrize("name", ["other.parquet", "part-0123456789abcdef.parquet", ".log"])
@pytest.mark.parametrize("kind", ["link", "broken link", "link to a folder", "pipe", "folder"])
def test_a_journal_holds_nothing_but_its_own(out: Path, mine: Path, kind: str, name: str) -> None:
    journal = Journal(out / "p.parquet")
    part = write_part(journal.folder, PROVENANCE, ROWS)
    planted = journal.folder / name
    PLANTED[kind](planted, mine)
    _refused(planted, lambda: journal.reopen(PROVENANCE.fingerprint))
    assert part.exists()
    assert _left_alone(mine)


def test_a_table_of_somebody_in_the_journal_is_neither_read_nor_removed(out: Path) -> None:
    journal = Journal(out / "p.parquet")
    write_table(journal.folder / "mine.parquet", PROVENANCE, ROWS)
    _refused(journal.folder / "mine.parquet", lambda: journal.reopen(PROVENANCE.fingerprint))


def test_a_journal_goes_without_what_is_not_its_own(out: Path) -> None:
    journal = Journal(out / "p.parquet")
    journal.append(PROVENANCE, ROWS)
    for name in ("notes.txt", ".DS_Store"):
        (journal.folder / name).write_bytes(WORK)
    (journal.folder / f"{PREFIX}left{SUFFIX}").touch()
    journal.discard()
    assert sorted(path.name for path in journal.folder.iterdir()) == [".DS_Store", "notes.txt"]


def test_hidden_files_of_others_do_not_hold_up_a_journal(out: Path) -> None:
    journal = Journal(out / "p.parquet")
    Journal(out / "p.parquet").append(PROVENANCE, ROWS)
    (journal.folder / ".nfs0001").write_bytes(WORK)
    table = journal.reopen(PROVENANCE.fingerprint)
    assert table is not None
    assert len(table.index()) == len(ROWS)


@pytest.mark.parametrize("kind", ["link", "broken link", "link to a folder", "pipe"])
def test_a_leftover_of_somebody_else_is_not_swept(out: Path, mine: Path, kind: str) -> None:
    """Nor is it waited for."""
    sweep.cache_clear()
    planted = out / f"{PREFIX}left{SUFFIX}"
    PLANTED[kind](planted, mine)
    os.utime(planted, (0, 0), follow_symlinks=False)
    before = _state(planted)
    with atomic_write(out / "report.json") as file:
        file.write(b"{}")
    assert _state(planted) == before
    assert _left_alone(mine)


@pytest.mark.parametrize("kind", ["link", "broken link", "link to a folder", "pipe", "folder", "file"])
def test_a_claim_replaces_nothing_but_a_claim(out: Path, mine: Path, kind: str) -> None:
    PLANTED[kind](out / ".run", mine)
    _refused(out / ".run", lambda: claim(out))
    assert _left_alone(mine)


def test_a_claim_replaces_the_one_before(out: Path) -> None:
    claim(out)
    first = claim_of(out)
    claim(out)
    assert claim_of(out) != first


@pytest.mark.parametrize("kind", ["link", "broken link", "hard link"])
def test_a_table_takes_the_place_of_a_link(out: Path, mine: Path, kind: str) -> None:
    path = out / "p.parquet"
    PLANTED[kind](path, mine)
    write_table(path, PROVENANCE, ROWS)
    assert not path.is_symlink()
    assert len(open_table(path).index()) == len(ROWS)
    assert _left_alone(mine)


_EDITION = "0123456789abcdef"


def _write_report(page: Path) -> None:
    """Write a page of one file, without a radiograph."""
    document: dict[str, Any] = {"title": "", "lead": "", "conclusion": (), "synthetic": False}
    with staging(page) as staged:
        write_report(page, staged, document, layout="file", limit=1)


@pytest.mark.parametrize("where", ["folder", "edition", "name", "in an edition", "in its folder", "as its file"])
def test_a_report_removes_no_folder_but_its_own(out: Path, mine: Path, where: str) -> None:
    """Somebody's folder may well hold one called ``details``, and somebody may keep something in one of ours."""
    files = out / "report_files"
    (mine / _EDITION / "details").mkdir(parents=True)
    places = {
        "name": files / "thesis" / "details",
        "in an edition": files / _EDITION / "thesis",
        "in its folder": files / _EDITION / "details" / "thesis.js",
        "as its file": files / _EDITION / "details" / "000000.js",
    }
    if where == "folder":
        (mine / "thesis.txt").unlink()  # so that it looks like one of a report
        files.symlink_to(mine)
    elif where == "edition":
        files.mkdir()
        (files / _EDITION).symlink_to(mine / _EDITION)
    else:
        places[where].mkdir(parents=True)
    before = sorted(out.parent.rglob("*"))
    with pytest.raises(OutputError, match="is in the way"):
        _write_report(out / "report.html")
    assert sorted(out.parent.rglob("*")) == before


def test_what_file_managers_leave_in_a_folder_of_a_report_stays(out: Path) -> None:
    details = out / "report_files" / _EDITION / "details"
    details.mkdir(parents=True)
    (details / "000000.js").touch()
    (details.parent / ".thumbs").mkdir()
    left = [details / ".DS_Store", out / "report_files" / ".DS_Store", details.parent / ".thumbs" / "000000.jpg"]
    for path in left:
        path.touch()
    for _ in range(2):
        _write_report(out / "report.html")
        assert {path for path in out.rglob("*") if path.is_file()} == {out / "report.html", *left}


@pytest.mark.parametrize("name", [".predictions.parquet.lock", ".predictions.parquet.journal"])
@pytest.mark.parametrize("kind", ["link", "link to a folder", "pipe"])
def test_infer_ends_before_anything_is_written(
    out: Path, mine: Path, write_root: Callable[[Path, int], None], kind: str, name: str
) -> None:
    write_root(out.parent, 3)
    PLANTED[kind](out / name, mine)
    before = _state(out / name)
    command = ["infer", str(out.parent / "BTXRD"), "--checkpoint", "demo", "-o", str(out), "--quiet"]
    result = run(*command, code=ExitCode.OUTPUT)
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"error: '{out / name}' is in the way: it is a ")
    assert _state(out / name) == before
    assert [path.name for path in out.iterdir()] == [name]
    assert _left_alone(mine)
