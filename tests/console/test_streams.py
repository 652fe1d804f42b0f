"""Standard streams that cannot be written, and errors that are nobody's fault but the machine's."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from btxrd_explain.cli import app
from btxrd_explain.console import process
from btxrd_explain.console.terminal import Terminal
from btxrd_explain.errors import CheckpointError, ExitCode
from btxrd_explain.predictions.table import open_table

if TYPE_CHECKING:
    from collections.abc import Callable

FULL = Path("/dev/full")


@pytest.mark.skipif(not FULL.exists(), reason="Linux has a device that is always full")
def test_what_a_full_disk_does_not_take_of_the_notes_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    with FULL.open("w", encoding="utf-8") as stream:
        monkeypatch.setattr(sys, "stderr", stream)
        process.open_streams()
        terminal = Terminal()
        terminal.note("nobody hears it")
        sys.stderr.write("nor that")
        sys.stderr.flush()
        assert terminal.guarded(lambda: ExitCode.OK) is ExitCode.OK


def test_a_pipe_that_nobody_reads_ends_no_run(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w", encoding="utf-8") as stream:
        monkeypatch.setattr(sys, "stderr", stream)
        process.open_streams()
        Terminal().note("nobody hears it")


def test_notes_still_arrive(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with (tmp_path / "log").open("w", encoding="ascii") as stream:
        monkeypatch.setattr(sys, "stderr", stream)
        process.open_streams()
        Terminal().note("Größe")
    assert (tmp_path / "log").read_text("ascii") == "note: Gr\\xf6\\xdfe\n"


def _broken_pipe() -> int:
    reader, writer = os.pipe()
    os.close(reader)
    return writer


@pytest.mark.skipif(not FULL.exists(), reason="Linux has a device that is always full")
@pytest.mark.parametrize(
    ("stream", "code"),
    [(lambda: os.open(FULL, os.O_WRONLY), ExitCode.OUTPUT), (_broken_pipe, ExitCode.BROKEN_PIPE)],
    ids=["full", "pipe"],
)
def test_a_run_whose_results_nobody_can_read_does_its_work(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    write_root: Callable[[Path, int], None],
    tmp_path: Path,
    stream: Callable[[], int],
    code: ExitCode,
) -> None:
    write_root(tmp_path, 6)
    table = tmp_path / "out" / "predictions.parquet"
    command = ["infer", str(tmp_path / "BTXRD"), "-c", "demo", "-o", str(table.parent), "--overlay", "--json", "-q"]
    with os.fdopen(stream(), "w", encoding="utf-8", buffering=1) as output:  # line by line: it fails at the first one
        monkeypatch.setattr(sys, "stdout", output)
        with pytest.raises(SystemExit) as left:
            app(command)
    assert left.value.code == code
    assert len(open_table(table).index()) == 6
    assert len(list((table.parent / "overlays").iterdir())) == 6
    said = capsys.readouterr().err.splitlines()
    assert said == ["error: cannot write to the standard output (No space left on device): check where it leads"] * (
        code is ExitCode.OUTPUT
    )


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("DefaultCPUAllocator: can't allocate memory"),
        OSError(12, os.strerror(12)),
        ImportError("libtorch_cpu.so: failed to map segment from shared object"),
        RuntimeError("can't start new thread"),
        OSError("Unknown error: Failed to launch worker thread: Resource temporarily unavailable"),
    ],
)
def test_short_memory_is_one_line(capsys: pytest.CaptureFixture[str], error: Exception) -> None:
    def run() -> ExitCode:
        raise error

    assert Terminal().guarded(run) is ExitCode.USAGE
    said = " ".join(capsys.readouterr().err.split())
    assert said.startswith("error: there is too little memory (")
    smaller = "" if "map segment" in str(error) else ", or use a smaller --batch-size or --image-size"
    assert said.endswith(f"): give it more{smaller}")


def test_what_cannot_be_read_for_want_of_memory_is_not_called_damaged(capsys: pytest.CaptureFixture[str]) -> None:
    def run() -> ExitCode:
        raise CheckpointError("'best.pt' is damaged") from MemoryError()

    assert Terminal().guarded(run) is ExitCode.USAGE
    assert capsys.readouterr().err.startswith("error: there is too little memory (MemoryError)")


@pytest.mark.parametrize("short", [True, False])
def test_without_memory_the_process_ends_at_once(short: bool) -> None:
    """Nothing is cleared up: libraries that were half imported may crash then."""
    run = (
        "import atexit; from btxrd_explain.console import process\n"
        "atexit.register(print, 'cleared up')\n"
        f"if {short}: process.note_short_memory()\n"
        "print('said'); process.leave(2)"
    )
    done = subprocess.run([sys.executable, "-c", run], capture_output=True, text=True, check=False)
    assert done.returncode == ExitCode.USAGE
    assert done.stdout.split("\n") == ["said", *([] if short else ["cleared up"]), ""]


@pytest.mark.skipif(sys.platform != "linux", reason="the use of memory is told otherwise there")
def test_a_limit_of_memory_ends_a_command_in_one_line(tmp_path: Path) -> None:
    """So low that none of the libraries can be loaded."""
    run = (
        "import resource, sys; from btxrd_explain import cli\n"
        "used = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize()\n"
        "resource.setrlimit(resource.RLIMIT_AS, (used + 2**25, -1))\n"
        "sys.argv = ['btxrd-explain', 'export', '--to', 'npz', '-o', sys.argv[1]]; cli.main()"
    )
    done = subprocess.run([sys.executable, "-c", run, str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == ExitCode.USAGE, done.stderr
    assert done.stderr.startswith("error: there is too little memory (")
    assert len(done.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("error", [MemoryError, SystemError])
def test_memory_that_ends_outside_of_a_command_is_one_line(error: type[Exception]) -> None:
    """The interpreter itself says "returned NULL without setting an exception" where there is none left."""
    run = f"from btxrd_explain import cli\ndef app(): raise {error.__name__}\ncli.app = app; cli.main()"
    done = subprocess.run([sys.executable, "-c", run], capture_output=True, text=True, check=False)
    assert done.returncode == ExitCode.USAGE
    assert done.stderr == f"error: there is too little memory ({error.__name__}): give it more\n"


@pytest.mark.parametrize("code", [errno.ENAMETOOLONG, errno.EACCES])
def test_a_path_that_cannot_be_looked_up_is_one_line(capsys: pytest.CaptureFixture[str], code: int) -> None:
    """As before a file is read: whether it is there, and what it is."""

    def run() -> ExitCode:
        raise OSError(code, os.strerror(code), "x" * 300)

    assert Terminal().guarded(run) is ExitCode.USAGE
    said = "".join(capsys.readouterr().err.split())
    assert said == f"error:'{'x' * 200}'cannotbelookedup({os.strerror(code)}):checkthepath".replace(" ", "")


def test_a_backend_that_matplotlib_does_not_have_is_a_setting(tmp_path: Path) -> None:
    run = (
        "from btxrd_explain.console.terminal import Terminal\n"
        "raise SystemExit(Terminal().guarded(lambda: __import__('matplotlib')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", run],
        env=os.environ | {"MPLBACKEND": "no such", "MPLCONFIGDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == ExitCode.USAGE
    assert done.stderr == "error: MPLBACKEND: matplotlib has no backend 'no such': unset it\n"


def test_nothing_else_is_imported_before_the_tool_listens() -> None:
    """What takes time then could be interrupted with a traceback."""
    run = (
        "import sys; before = set(sys.modules); from btxrd_explain import __main__\n"
        "print(sorted(set(sys.modules) - before - {'_signal'}))"
    )
    done = subprocess.run([sys.executable, "-c", run], capture_output=True, text=True, check=True)
    assert done.stdout == "['btxrd_explain', 'btxrd_explain.__main__']\n"


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_while_modules_are_imported_ends_in_silence(name: str) -> None:
    """The import of the command line sends it; what imports it would show a KeyboardInterrupt."""
    run = (
        "import os, signal, sys; from btxrd_explain import __main__\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)  # which a process in the background lacks\n"
        "class Finder:\n"
        "    def find_spec(self, name, *_):\n"
        f"        if name == 'btxrd_explain.cli': os.kill(os.getpid(), signal.{name})\n"
        "sys.meta_path.insert(0, Finder()); __main__.main()"
    )
    done = subprocess.run([sys.executable, "-c", run], capture_output=True, text=True, check=False)
    assert done.returncode == {"SIGINT": ExitCode.INTERRUPTED, "SIGTERM": ExitCode.TERMINATED}[name]
    assert done.stdout == done.stderr == ""


def test_help_that_nobody_reads_has_the_exit_code_of_a_pipe() -> None:
    writer = _broken_pipe()
    command = [sys.executable, "-m", "btxrd_explain", "--help"]
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (ExitCode.BROKEN_PIPE, "")


@pytest.mark.skipif(not FULL.exists(), reason="Linux has a device that is always full")
def test_help_on_a_full_disk_is_one_line() -> None:
    with FULL.open("w", encoding="utf-8") as stream:
        command = [sys.executable, "-m", "btxrd_explain", "--help"]
        done = subprocess.run(command, stdout=stream, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == ExitCode.OUTPUT
    assert done.stderr.startswith("error: cannot write to the standard output (")
    assert len(done.stderr.splitlines()) == 1
