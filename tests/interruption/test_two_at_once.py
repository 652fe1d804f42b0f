"""Commands at once on one folder of results: each leaves what it leaves alone, whole and of one run."""

from __future__ import annotations

import os
import re
import shutil
import sys
from typing import TYPE_CHECKING

import pytest

from btxrd_explain.errors import ExitCode
from tests.interruption.results import COMMANDS, JOURNAL, visible_files, words

if TYPE_CHECKING:
    from pathlib import Path

    from tests.interruption.lives import Lives

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="nobody forks there")

_QUICK = {"infer", "report", "export --to labelme", "import-maps", "merge", "check"}
"""They write tables, pages, many files and one: the suite leaves the others, which write as they do, to the session."""
_TABLE = "predictions.parquet"
_FORMER = re.compile(r"predictions\.[0-9a-f]{8}(?:-\d+)?\.parquet")
"""The names of tables that `infer` put aside: it found them in its place, made with other settings."""
_COMPUTING = {"infer", "intervene"}
"""They refuse the table of `import-maps`, which no network can go on with, where it is there first."""
_INFER = COMMANDS["infer"][0]
_WRITERS = COMMANDS | {"infer": (_INFER, f"{_INFER} --method layercam")}
"""All commands, each with two lines of arguments that lead to other results."""
_NAMES = sorted(_WRITERS if "BTXRD_EXPLAIN_KILLS" in os.environ else _QUICK)
_READERS = [name for name in _NAMES if name.startswith(("export", "report", "annotate", "gallery", "performance"))]
"""Those that read the table in the folder of results, where none is named."""

_Files = dict[str, bytes | set[bytes]]


def _lines(files: _Files) -> set[bytes]:
    """Take the lines of the journal out of what is in a folder."""
    lines = files.pop(JOURNAL, set())
    return set() if isinstance(lines, bytes) else lines


def _alone(lives: Lives, command: list[str], out: Path) -> tuple[int, _Files]:
    """Run one command on an empty folder; return its exit code and its files."""
    shutil.rmtree(out, ignore_errors=True)
    code = lives.run(*command)
    assert code in {ExitCode.OK, ExitCode.SOME_FILES_FAILED}, lives.output.read_text()
    return code, visible_files(out)


def test_all_pairs_of_commands_at_once_leave_what_each_leaves(lives: Lives, data: Path, tmp_path: Path) -> None:
    """All commands at once, each twice, so that each of them meets each other one, and itself with other settings."""
    out = tmp_path / "out"
    commands = [words(name, arguments, data, out) for name in _NAMES for arguments in _WRITERS[name]]
    alone = [_alone(lives, command, out) for command in commands]
    shutil.rmtree(out)
    ended = lives.run_together(commands)
    for command, (code, said), (expected, _) in zip(commands, ended, alone, strict=True):
        refused = code == ExitCode.TABLE and "are imported: no network computed them" in said  # that was there first
        assert code == expected or (refused and command[0] in _COMPUTING), (command, said)
    left = visible_files(out)
    tables = [files.pop(_TABLE) for _, files in alone if _TABLE in files]
    assert left.pop(_TABLE) in tables
    former = [name for name in left if _FORMER.fullmatch(name)]
    assert [name for name in former if left.pop(name) not in tables] == []
    assert left.keys() <= {name for _, files in alone for name in files}
    assert _lines(left) <= {line for _, files in alone for line in _lines(files)}
    for name, (_, one), (_, other) in zip(_NAMES, alone[::2], alone[1::2], strict=True):
        found = {path: content for path, content in left.items() if path in one | other}
        assert found in (one, other, one | other, other | one) or (name in _COMPUTING and not found), (
            name,
            sorted(found),
        )
    assert [path for path in out.rglob("*") if path.name.startswith(".")] == []


def test_a_table_that_is_replaced_while_commands_read_it(lives: Lives, data: Path, tmp_path: Path) -> None:
    """They read one of both tables, or end with a line that says what happened."""
    out = tmp_path / "out"
    readers = [words(name, "", data, out) for name in _READERS]
    writers = [words("merge", "{first}", data, out), words("merge", "{second}", data, out)]
    either: list[list[_Files]] = [[] for _ in readers]
    for writer in writers:
        for reader, known in zip(readers, either, strict=True):
            shutil.rmtree(out, ignore_errors=True)
            assert lives.run(*writer) == ExitCode.OK, lives.output.read_text()
            assert lives.run(*reader) == ExitCode.OK, lives.output.read_text()
            known.append(visible_files(out))
    tables = [known[_TABLE] for known in either[0]]
    for known in either:
        assert [files.pop(_TABLE) for files in known] == tables
        assert known[0] != known[1]
    ended = lives.run_together([*writers, *readers, *writers])
    left = visible_files(out)
    assert left.pop(_TABLE) in tables
    assert {code for code, _ in [*ended[:2], *ended[-2:]]} == {ExitCode.OK}, ended
    for name, (code, said), known in zip(_READERS, ended[2:-2], either, strict=True):
        if code == ExitCode.TABLE:
            assert "was replaced by the table of another run" in said, name
        else:
            assert code == ExitCode.OK, (name, said)
            assert {path: content for path, content in left.items() if path in known[0] | known[1]} in known, name
    assert [path for path in out.rglob("*") if path.name.startswith(".")] == []
