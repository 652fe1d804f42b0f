"""What the terminal shows: within 80 columns, in plain text where colours are not wanted, with what to do next."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import shlex
import shutil
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from btxrd_explain.console.progress import Phases
from btxrd_explain.console.terminal import Terminal
from btxrd_explain.errors import ExitCode, InputError
from tests.support.command_line import run
from tests.support.small_dataset import write_small_dataset

pytestmark = pytest.mark.usefixtures("blank_figures")

COMMANDS = [
    "infer data -c demo",
    "infer data/images/IMG000001.jpeg -c demo",
    "infer data -c demo --verbose",
    "gallery",
    "annotate-iou",
    "performance",
    "report",
    "compare btxrd-explain-out/predictions.parquet results/other.parquet",
    "export --to labelme",
    "export --to coco",
    "export --to fiftyone",
    "layers -c demo",
    "methods",
    "config",
    "config init new.yaml",
]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small data set and a current table."""
    folder = tmp_path_factory.mktemp("place")
    write_small_dataset(folder / "data", seed=1, per_class={"test": 3})
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        run("infer", "data", "-c", "demo")
    (folder / "results").mkdir()
    shutil.copy(folder / "btxrd-explain-out" / "predictions.parquet", folder / "results" / "other.parquet")
    return folder


def _shown(command: str, place: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    monkeypatch.chdir(place)
    monkeypatch.setenv("COLUMNS", "80")
    (place / "new.yaml").unlink(missing_ok=True)
    result = run(*shlex.split(command))
    return result.stdout, result.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_results_fit_80_columns(place: Path, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    stdout, _ = _shown(command, place, monkeypatch)
    assert stdout.strip()
    assert [line for line in stdout.splitlines() if len(line) > 80] == []


@pytest.mark.parametrize(
    ("command", "steps"),
    [
        (
            "infer data -c demo",
            [f"{command} data --checkpoint demo" for command in ("gallery", "performance", "annotate-iou")],
        ),
        ("gallery", ["annotate-iou"]),
        ("annotate-iou", ["report", "export --to labelme"]),
        ("export --to labelme", []),
    ],
)
def test_the_next_step_is_told(place: Path, command: str, steps: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    _, stderr = _shown(command, place, monkeypatch)
    told = [line for line in stderr.splitlines() if line.startswith("next: btxrd-explain")]
    assert told == [f"next: btxrd-explain {step}" for step in steps]


@pytest.mark.parametrize("command", ["gallery", "annotate-iou", "performance"])
@pytest.mark.parametrize("table", ["btxrd-explain-out/predictions.parquet", "results/other.parquet"])
def test_the_next_step_names_the_table_and_the_folder(
    place: Path, command: str, table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(place / "my run", ignore_errors=True)
    _, stderr = _shown(f"{command} --predictions {table} -o 'my run'", place, monkeypatch)
    told = [line.removeprefix("next: btxrd-explain ") for line in stderr.splitlines() if line[:5] == "next:"]
    assert told
    named = ["-o", "my run", "--predictions", table]
    assert [shlex.split(line)[1:5] for line in told] == [named] * len(told)


def test_the_reader_of_a_pipe_may_leave_before_a_table_is_printed() -> None:
    command = f"{sys.executable} -m btxrd_explain methods | true; exit ${{PIPESTATUS[0]}}"
    shell = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert (shell.returncode, shell.stderr) == (ExitCode.BROKEN_PIPE, "")


@pytest.mark.parametrize("command", ["infer data -c demo", "gallery --examples-per-class 5"])
def test_quiet_leaves_results_alone(place: Path, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    loud, _ = _shown(command, place, monkeypatch)
    stdout, stderr = _shown(f"{command} --quiet", place, monkeypatch)
    assert stdout == loud
    assert stderr == ""


def test_verbose_tells_of_each_image_and_how_long_it_took(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, stderr = _shown("infer data -c demo --verbose", place, monkeypatch)
    assert len(re.findall(r"^IMG\d{6}\.jpe?g: \w+ \([01]\.\d{3}\)$", stderr, re.MULTILINE)) == 9
    _, stderr = _shown("export --to coco -v", place, monkeypatch)
    assert re.search(r"^export to coco: \d+ in \d+\.\d\d s, \d+\.\d/s$", stderr, re.MULTILINE)


def test_json_is_alone_on_stdout(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stdout, stderr = _shown("performance --json --verbose", place, monkeypatch)
    assert stdout.startswith("{")
    assert stdout.count("\n") == 1
    assert "next:" not in stderr


@pytest.mark.parametrize("overlay", ["", "--no-overlay"])
def test_paths_in_json_lines_are_what_a_shell_can_open(
    place: Path, overlay: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stdout, _ = _shown(f"infer data/images/IMG000001.jpeg -c demo -o deep/er --json {overlay}", place, monkeypatch)
    (row,) = map(json.loads, stdout.splitlines())
    assert row["path"] == "data/images/IMG000001.jpeg"
    picture = None if overlay else "deep/er/overlays/IMG000001.jpeg.png"
    assert row["overlay"] == picture
    assert picture is None or (place / picture).is_file()


def _in_a_terminal(command: str, place: Path, **variables: str) -> str:
    """Run a command in a terminal of 80 columns; return all that it shows."""
    ours, theirs = pty.openpty()
    environment = {name: value for name, value in os.environ.items() if name not in {"NO_COLOR", "COLUMNS"}}
    environment |= {"TERM": "xterm-256color", "COLUMNS": "80"} | variables
    with subprocess.Popen(
        [sys.executable, "-m", "btxrd_explain", *shlex.split(command)],
        cwd=place, env=environment, stdin=theirs, stdout=theirs, stderr=theirs,
    ) as process:  # fmt: skip
        os.close(theirs)
        shown = bytearray()
        while select.select([ours], [], [], 60)[0]:
            try:
                shown += os.read(ours, 65536)
            except OSError:  # the other end is closed
                break
        os.close(ours)
        assert process.wait() == 0, shown.decode()
    return shown.decode()


def test_no_color_is_respected(place: Path) -> None:
    coloured = re.compile(r"\x1b\[[\d;]*?(?:3|4|9|10)\d(?:;[\d;]*)?m")
    assert coloured.search(_in_a_terminal("export --to coco", place))  # the bar
    assert not coloured.search(_in_a_terminal("export --to coco", place, NO_COLOR="1"))
    assert not coloured.search(_in_a_terminal("--help", place, NO_COLOR="1"))


def test_progress_shows_rate_and_time_left_and_fits() -> None:
    console = Console(force_terminal=True, width=80, color_system=None, file=StringIO())
    phases = Phases(console, bar=True, timed=True)
    phases.start("a phase [with] markup", 1000)
    phases.advance(10)
    phases.advance(500)
    assert phases._progress is not None
    phases._progress.refresh()
    with console.capture() as bar:
        console.print(phases._progress.get_renderable())
    phases.stop()
    shown = [line for line in bar.get().splitlines() if "a phase" in line][-1]
    assert re.search(r"a phase \[with\] markup .* 510/1000 .*(/s|each).* \d+:\d\d:\d\d", shown)
    assert len(re.sub(r"\x1b\[[^a-zA-Z]*[a-zA-Z]", "", shown)) <= 80


def test_nobody_watching_sees_no_bar_but_may_ask_for_timings() -> None:
    console = Console(width=80, file=(shown := StringIO()))
    phases = Phases(console, bar=False, timed=True)
    phases.start("a phase", 3)
    phases.advance(3)
    phases.start("another", 0)
    phases.stop()
    phases.stop()
    first, second = shown.getvalue().splitlines()
    assert re.fullmatch(r"a phase: 3 in \d+\.\d\d s, .*", first)
    assert re.fullmatch(r"another: 0 in \d+\.\d\d s", second)


def test_what_is_long_is_wrapped_and_paths_are_not(capsys: pytest.CaptureFixture[str]) -> None:
    sentence = "The maps change with the weights " * 5
    terminal = Terminal()
    terminal.print(sentence)
    terminal.print_path("a [file]", "x" * 100)
    *lines, path = capsys.readouterr().out.splitlines()
    assert " ".join(lines).split() == sentence.split()
    assert max(map(len, lines)) <= 80
    assert path == f"a [file]: {'x' * 100}"


def _fail(error: BaseException) -> ExitCode:
    raise error


def test_paths_are_shown_straight_unless_a_link_makes_a_difference(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "plain").mkdir()
    (tmp_path / "far" / "away").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "far" / "away")
    for path in ("plain/../a.png", "link/../a.json"):
        Terminal().print_file(tmp_path / path)
    assert capsys.readouterr().out.splitlines() == [
        f"figure: {tmp_path / 'a.png'}",
        f"file: {tmp_path / 'link' / '..' / 'a.json'}",
    ]


@pytest.mark.parametrize("verbose", [False, True])
def test_unexpected_errors_are_a_line_and_their_place_is_for_those_who_ask(
    capsys: pytest.CaptureFixture[str], *, verbose: bool
) -> None:
    terminal = Terminal(verbose=verbose)
    assert terminal.guarded(lambda: _fail(ZeroDivisionError("a [b]\nc"))) == ExitCode.UNEXPECTED
    stderr = capsys.readouterr().err
    assert "error: unexpected ZeroDivisionError: a [b] c: run it with --verbose" in stderr
    assert ("in _fail" in stderr) == verbose


def test_expected_errors_have_no_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    assert Terminal(verbose=True).guarded(lambda: _fail(InputError("x", hint="y"))) == ExitCode.INPUT
    assert capsys.readouterr().err == "error: x: y\n"


HOSTILE = "[red]x[/red]:warning:\x1b]0;owned\x07\x1b[31m\r\n\x9b2J\u202etumour\u2028[/]"
SHOWN = r"[red]x[/red]:warning:\x1b]0;owned\x07\x1b[31m\r\n\x9b2J\u202etumour\u2028[/]"


def test_names_of_others_neither_format_nor_steer_the_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    terminal = Terminal()
    terminal.print_table([HOSTILE], [[HOSTILE], ["a\\"]])
    terminal.print_path("file", HOSTILE)
    terminal.note(HOSTILE)
    for _ in range(2):  # named once
        terminal.failed(HOSTILE, "damaged", HOSTILE)
    terminal.print_next(HOSTILE)
    assert terminal.guarded(lambda: _fail(InputError(HOSTILE, hint=HOSTILE))) == ExitCode.INPUT
    out, err = capsys.readouterr()
    assert [line.rstrip() for line in out.split("\n")] == [SHOWN, SHOWN, "a\\", f"file: {SHOWN}", ""]
    assert err.split("\n") == [
        f"note: {SHOWN}",
        f"damaged: {SHOWN}: {SHOWN}",
        f"next: {SHOWN}",
        f"error: {SHOWN}: {SHOWN}",
        "",
    ]


def test_a_note_is_shown_once(capsys: pytest.CaptureFixture[str]) -> None:
    terminal = Terminal()
    for message in ("a", "b", "a"):
        terminal.note(message)
    assert capsys.readouterr().err.splitlines() == ["note: a", "note: b"]


@pytest.mark.parametrize("verbose", [False, True])
def test_many_radiographs_without_their_picture_are_counted(
    capsys: pytest.CaptureFixture[str], *, verbose: bool
) -> None:
    terminal = Terminal(verbose=verbose)

    def run() -> ExitCode:
        for number in range(60):
            terminal.failed(f"{number}.png", "not shown", "it is not there")
            terminal.failed(f"x{number}.png", "unreadable", "it is damaged")
            terminal.failed(f"y{number}.png", "missing", "it is not there")
        return ExitCode.OK

    assert terminal.guarded(run) == ExitCode.SOME_FILES_FAILED
    lines = capsys.readouterr().err.splitlines()
    assert sum(line.startswith("unreadable: ") for line in lines) == 60
    told = [line for line in lines if line.startswith("not shown: ")]
    if verbose:
        assert told == [f"not shown: {number}.png: it is not there" for number in range(60)]
    else:
        assert told[:-1] == [f"not shown: {number}.png: it is not there" for number in range(20)]
        assert told[-1] == lines[-1] == "not shown: 40 more, which --verbose names"
        missing = [line for line in lines if line.startswith("missing: ")]
        assert (len(missing), missing[-1]) == (21, "missing: 40 more, which --verbose names")


def test_a_table_that_is_searched_in_a_pipe_keeps_its_names_whole(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    row = ["gradcam.examples_per_class", "3", "environment BTXRD_EXPLAIN_GRADCAM__EXAMPLES_PER_CLASS"]
    Terminal().print_table(["setting", "value", "from"], [row], whole=True)
    assert capsys.readouterr().out.splitlines()[1].split(maxsplit=2) == row


def test_a_traceback_shows_what_the_error_says_in_plain_text(capsys: pytest.CaptureFixture[str]) -> None:
    Terminal(verbose=True).guarded(lambda: _fail(ZeroDivisionError(HOSTILE)))
    assert capsys.readouterr().err.replace("\n", "").isprintable()


def test_json_lines_are_printable_and_say_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    Terminal(json=True).print_json({HOSTILE: "骨\udcff\x7f\U000e0001"})
    line = capsys.readouterr().out
    assert line[:-1].isprintable()
    assert "骨" in line
    assert json.loads(line) == {HOSTILE: "骨\udcff\x7f\U000e0001"}


@pytest.mark.parametrize(
    ("files", "told"),
    [
        (["a.csv", "a.md", "a.png"], ["report: a.md", "file: a.json", "file: a.csv", "figure: a.png"]),
        (["a.png"], ["report: a.json", "figure: a.png"]),
        ([], ["report: a.json"]),
    ],
)
def test_of_a_report_the_text_to_read_is_named_first(
    files: list[str], told: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    Terminal().print_report(Path("a.json"), map(Path, files))
    assert capsys.readouterr().out.splitlines() == told
