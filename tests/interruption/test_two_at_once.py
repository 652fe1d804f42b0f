"""Two commands at once on one folder of results: what they leave is what one after the other leaves."""

from __future__ import annotations

import os
import shutil
import sys
from typing import TYPE_CHECKING

import pytest

from btxrd_explain.errors import ExitCode
from tests.interruption.lives import Lives
from tests.interruption.results import visible_files, words
from tests.support.processes import serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="nobody forks there")

_OLD, _NEW = "{one} -c demo --device cpu", "{one} -c demo --device cpu --method layercam"
PAIRS = {
    "two tables": ("infer", _OLD, "infer", _NEW),
    "two exports": ("export --to labelme", "{table}", "export --to labelme", "{other}"),
    "two reports": ("report", "{table} --layout folder", "report", "{other} --layout folder"),
    "a report of a table that is made anew": ("infer", _NEW, "report", ""),
}


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lives]:
    """Runs commands beside those of ``lives``."""
    with serving("tests.interruption.fork_server", environment=os.environ) as server:
        yield Lives(server, tmp_path_factory.mktemp("others"))


@pytest.mark.parametrize("pair", PAIRS)
def test_two_at_once_leave_what_two_in_turn_leave(
    lives: Lives, others: Lives, data: Path, tmp_path: Path, pair: str
) -> None:
    out, start = tmp_path / "out", tmp_path / "start"
    one, its, other, their = PAIRS[pair]
    first, second = words(one, its, data, out), words(other, their, data, out)
    start.mkdir()
    if not their:
        assert lives.run(*words("infer", _OLD, data, start)) == ExitCode.OK, lives.output.read_text()

    def after(*commands: list[str]) -> dict[str, bytes | set[bytes]]:
        shutil.rmtree(out, ignore_errors=True)
        shutil.copytree(start, out, copy_function=shutil.copy2)
        for command in commands:
            assert lives.run(*command) == ExitCode.OK, lives.output.read_text()
        return visible_files(out)

    in_turn = [after(first, second), after(second, first)]
    after()
    lives.start(*first)
    others.start(*second)
    codes = lives.wait(), others.wait()
    left = visible_files(out)
    if codes[1] == ExitCode.TABLE:  # its table was replaced while it read
        assert "was replaced by the table of another run" in others.output.read_text()
        in_turn = [after(first)]
    else:
        assert codes == (ExitCode.OK, ExitCode.OK), lives.output.read_text() + others.output.read_text()
    different = [{name for name in {*either, *left} if either.get(name) != left.get(name)} for either in in_turn]
    assert left in in_turn, different
    assert [path for path in out.rglob("*") if path.name.startswith(".")] == []
