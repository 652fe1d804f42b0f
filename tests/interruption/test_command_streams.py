"""Every command whose streams cannot be written, or that is asked to end: its work is done, or nothing of it is lost.

The suite tries the quick commands, each with another fault; ``nox -s kills`` tries every command with every fault.
"""

from __future__ import annotations

import io
import os
import shutil
import signal
import sys
from typing import TYPE_CHECKING, Any, get_args

import pyarrow.parquet as pq
import pytest
from typer.main import get_command

from btxrd_explain.cli import app
from btxrd_explain.errors import ExitCode
from btxrd_explain.settings import ExportSettings
from tests.interruption.results import COMMANDS, visible_files, words

if TYPE_CHECKING:
    from pathlib import Path

    from tests.interruption.lives import Lives

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="nobody forks there, or no device is always full")

FAULTS = {"closed": None, "full": ExitCode.OUTPUT, "pipe": ExitCode.BROKEN_PIPE, "terminal": ExitCode.OUTPUT}
"""What may be wrong with the standard output, and the exit code that it gives; None is that of the work."""
_KINDS = list(FAULTS)
_PAIRS = [(kind, _KINDS[number - 1]) for number, kind in enumerate(_KINDS)]
"""Faults of both streams, each kind once of each."""
_LINES = {name: arguments for name, (arguments, _) in COMMANDS.items()} | {
    "layers": "-c demo",
    "methods": "",
    "config": "",
    "config init": "",
    "demo": "",
}
_QUICK = ("infer", "compare", "import-maps", "merge", "layers", "methods", "config", "config init")
ALL = "BTXRD_EXPLAIN_KILLS" in os.environ
_NAMES = sorted(_LINES) if ALL else _QUICK
_PRINTING = {"layers", "methods", "config"}
"""They write nothing but on the standard output."""
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_STOPPED = [
    (name, number)
    for index, name in enumerate(sorted(set(_NAMES) - _PRINTING))
    for number in (_SIGNALS if ALL else _SIGNALS[index % 2 :][:1])
]


def test_no_command_and_no_format_of_an_export_is_left_out() -> None:
    commands: Any = get_command(app)
    assert {name.partition(" ")[0] for name in _LINES} == set(commands.commands)
    formats, _ = get_args(ExportSettings.model_fields["to"].annotation)
    assert {name for name in COMMANDS if name.startswith("export")} == {f"export --to {to}" for to in get_args(formats)}


def _line(command: str, data: Path, out: Path) -> list[str]:
    """Return the command line of a command, which writes into a folder of its own, if anything."""
    if command == "config init":
        return ["config", "init", str(out / "settings.yaml")]
    if command == "demo":
        return ["demo", str(out)]
    line = words(command, _LINES[command], data, out)
    return line[: line.index("-o")] if command in _PRINTING else line


def _run_all(lives: Lives, data: Path, folder: Path, shift: int | None) -> dict[str, tuple[int, object]]:
    """Run all commands at once, each in a folder of its own; return the exit code and the files of each by name.

    Args:
        lives: Runs them.
        data: What they work on.
        folder: Where they write; what is there goes.
        shift: Which of the faults the first command meets; None is none.
    """
    shutil.rmtree(folder, ignore_errors=True)
    for name in _NAMES:
        (folder / name).mkdir(parents=True)
    streams = [] if shift is None else [_PAIRS[(number + shift) % len(_PAIRS)] for number in range(len(_NAMES))]
    lines = [_line(name, data, folder / name) for name in _NAMES]
    ended = lives.run_together(lines, streams)
    return {name: (code, _files(name, folder / name)) for name, (code, _) in zip(_NAMES, ended, strict=True)}


def _files(command: str, out: Path) -> dict[str, bytes | set[bytes]]:
    """Return what is visible in a folder; the demo draws its radiographs anew, and its table says when: that is out."""
    files = visible_files(out)
    if command == "demo":
        table, rest = out / "results" / "predictions.parquet", io.BytesIO()
        pq.write_table(pq.read_table(table).drop_columns(["file_mtime_ns"]), rest)
        files[table.relative_to(out).as_posix()] = rest.getvalue()
    return files


def test_commands_whose_streams_nobody_can_write_do_their_work(lives: Lives, data: Path, tmp_path: Path) -> None:
    expected = _run_all(lives, data, tmp_path / "out", None)
    codes = {name: code for name, (code, _) in expected.items()}
    assert set(codes.values()) <= {ExitCode.OK, ExitCode.SOME_FILES_FAILED}, codes
    for shift in range(len(_PAIRS) if ALL else 1):
        found = _run_all(lives, data, tmp_path / "out", shift)
        for number, name in enumerate(_NAMES):
            fault, _ = _PAIRS[(number + shift) % len(_PAIRS)]
            code, files = expected[name]
            assert found[name][0] == (code if FAULTS[fault] is None else FAULTS[fault]), (name, fault)
            assert found[name][1] == files, (name, fault)
        assert [path for path in (tmp_path / "out").rglob("*") if path.name.startswith(".")] == []


@pytest.mark.parametrize(("name", "number"), _STOPPED)
def test_a_command_that_is_asked_to_end_says_one_line(
    lives: Lives, data: Path, tmp_path: Path, name: str, number: signal.Signals
) -> None:
    """The signal comes with the first change on disk: whatever was done is whole, and the same command goes on."""
    out = tmp_path / "out"
    out.mkdir()
    line = _line(name, data, out)
    assert lives.run(*line, dies_at=2, within=out, dies_of=number) == 128 + number, lives.output.read_text()
    said = [said for said in lives.output.read_text().splitlines() if not said.startswith(("note: ", "warning: "))]
    assert said[-1:] == ["interrupted: run the same command again to go on where it stopped"], said
    assert "Traceback" not in "".join(said)
    assert list(out.rglob(".btxrd-explain-*")) == []
    assert lives.run(*line) in {ExitCode.OK, ExitCode.SOME_FILES_FAILED}, lives.output.read_text()
    assert [path for path in out.rglob("*") if path.name.startswith(".")] == []
