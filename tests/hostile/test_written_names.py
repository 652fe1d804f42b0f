"""Every name that a command opens for writing, renames, cuts or removes, as Python's audit events tell it."""

from __future__ import annotations

import getpass
import os
import platform
import re
import shutil
import socket
import stat
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from typer.main import get_command

from btxrd_explain.cli import app
from btxrd_explain.errors import ExitCode, OutputError, RadiographError
from btxrd_explain.inputs.file_kinds import IMAGE_SUFFIXES
from btxrd_explain.inputs.image_files import list_images
from btxrd_explain.inputs.radiograph import read_radiograph
from btxrd_explain.system.files import atomic_write, write_bytes
from btxrd_explain.system.locks import PREFIX, SUFFIX
from tests.support.command_line import run
from tests.support.texts import texts_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.conftest import DemoRun

pytestmark = [
    pytest.mark.usefixtures("blank_figures"),
    pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there"),
]

WORK = b"years of work\n"
COMMANDS: dict[str, tuple[str, ...]] = {
    "infer": ("infer", "{data}/BTXRD", "--split-csv", "{data}/split.csv", "--checkpoint", "demo", "--overlay"),
    "annotate-iou": ("annotate-iou", "{table}", "--annotations", "{data}/BTXRD/Annotations"),
    "gallery": ("gallery", "{table}"),
    "report": ("report", "{table}", "--layout", "folder"),
    "performance": ("performance", "{table}"),
    "check": ("check", "{data}/BTXRD", "--split-csv", "{data}/split.csv"),
    "import-maps": ("import-maps", "{data}/maps", "--images", "{data}/BTXRD/images", "--class-names", "Normal,Benign"),
    "merge": ("merge", "{data}/table/predictions.parquet", "-o", "{out}/predictions.parquet"),
    "compare": (
        "compare",
        "{data}/table/predictions.parquet",
        "{data}/other.parquet",
        "--annotations",
        "{data}/BTXRD/Annotations",
    ),
    "sanity": ("sanity", "{data}/BTXRD/images/IMG000001.jpeg", "--checkpoint", "demo"),
    "intervene": (
        "intervene",
        "{data}/BTXRD/images/IMG000001.jpeg",
        "--checkpoint",
        "demo",
        "--target-class",
        "predicted",
    ),
    "study": ("study", "{data}/BTXRD/images/IMG000001.jpeg", "--checkpoint", "demo"),
    "export labelme": ("export", "{table}", "--to", "labelme"),
    "export coco": ("export", "{table}", "--to", "coco"),
    "export masks": ("export", "{table}", "--to", "masks", "--classes", "all"),
    "export npz": ("export", "{table}", "--to", "npz", "--map-size", "grid"),
    "export tiff": ("export", "{table}", "--to", "tiff", "--map-size", "grid"),
    "export fiftyone": ("export", "{table}", "--to", "fiftyone"),
    "export csv": ("export", "{table}", "--to", "csv"),
    "config init": ("config", "init", "{out}/settings.yaml", "--force"),
}
_OTHERS = {"layers", "methods", "demo"}
"""Two that print only, and one that runs other commands; `config` without `init` prints only, too."""
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_CHANGING = {"os.rename", "os.remove", "os.truncate", "os.rmdir", "os.mkdir", "os.link", "os.symlink", "shutil.rmtree"}
_TEMPORARY = re.compile(rf"(^|/){re.escape(PREFIX)}[^/]*{re.escape(SUFFIX)}(/|$)")
_OF_METHOD = r"(gradcam/)?"
"""A study has a folder for each method."""
_IN_PLACE = re.compile(rf"{_OF_METHOD}(\.[^/]+\.lock|\.[^/]+\.journal/\.log|intervention_journal\.jsonl)")
"""What is opened in place, with ``open_own``: locks and logs."""
_QUICK = ("infer", "report", "merge", "check", "export", "config")
"""How the names of commands begin that are run again with something in the way; others write in the same ways, and
``nox -s kills`` runs all of them."""
_REMOVED = re.compile(rf"{_OF_METHOD}(\.[^/]+\.lock|\.[^/]+\.journal(/[^/]+)?)")

_LOCK = re.compile(r"\.[^/]+\.lock")
_NETWORK = {"socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto", "urllib.Request"}
_MARK = "nobody-may-read-this-5e1f"

_watched: list[tuple[str, list[tuple[str, str]]]] = []


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if _watched and event in _NETWORK:
        _watched[-1][1].append((event, repr(arguments)))
    if not _watched or not (event in _CHANGING or (event == "open" and (arguments[2] or 0) & _WRITING)):
        return
    for folder, seen in _watched:
        for path in arguments[: 1 + (event in {"os.rename", "os.link"})]:
            place = os.path.abspath(os.fsdecode(path)) if isinstance(path, str | bytes | os.PathLike) else ""  # noqa: PTH100 -- of a link, its name
            if place.startswith(f"{folder}{os.sep}"):
                seen.append((event, place[len(folder) + 1 :]))


sys.addaudithook(_hook)  # for the rest of the process: Python knows no way to remove one


@contextmanager
def _watching(folder: Path) -> Iterator[list[tuple[str, str]]]:
    """Collect events in a folder, with names relative to it."""
    seen: list[tuple[str, str]] = []
    _watched.append((str(folder), seen))
    try:
        yield seen
    finally:
        _watched.pop()


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory, write_root: Callable[[Path, int], None]) -> Path:
    """Three radiographs and a file that is none, their table, and a heat map of another program."""
    folder = tmp_path_factory.mktemp("data")
    write_root(folder, 3)
    (folder / "BTXRD" / "images" / "torn.png").write_bytes(b"torn")
    (folder / "split.csv").write_text((folder / "split.csv").read_text() + "\ntorn.png,test,Benign")
    (folder / "maps").mkdir()
    np.save(folder / "maps" / "IMG000001_Benign.npy", np.eye(3, 4, dtype=np.float32))
    _written(folder, folder / "table", "infer")
    shutil.copy(folder / "table" / "predictions.parquet", folder / "other.parquet")
    return folder


def _written(data: Path, out: Path, command: str) -> Any:  # noqa: ANN401 -- a result
    table = f"--predictions={data}/table/predictions.parquet"
    words = [word.format(data=data, table=table, out=out) for word in COMMANDS[command]]
    target = () if str(out) in " ".join(words) else ("-o", str(out), "--quiet")
    return run(*words, *target, code=None)


def _names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir())


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_writes_through_nothing_that_was_planted(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    """Files come by their final names through a rename; locks and logs alone are opened where they are."""
    out = tmp_path / "out"
    for name in ("USER", "LOGNAME", "HOSTNAME", "COMPUTERNAME", "API_TOKEN"):
        monkeypatch.setenv(name, _MARK)
    for module, name in ((platform, "node"), (socket, "gethostname"), (getpass, "getuser")):
        monkeypatch.setattr(module, name, lambda: _MARK)
    with _watching(out) as seen:
        result = _written(data, out, command)
    assert result.exit_code in {ExitCode.OK, ExitCode.SOME_FILES_FAILED}, result.output
    written = _names(out)
    assert written
    assert [entry for entry in seen if entry[0] in _NETWORK] == []
    if command != "config init":  # it writes one file, whose content is always the same
        _all_locked(seen)
    _no_result_is_a_radiograph(out)
    for name in written:
        _says_nothing_of(out / name, _MARK, str(data), str(tmp_path))
    for event, name in seen:
        own = _TEMPORARY.search(name) or event in {"os.rename", "os.mkdir", "os.rmdir"}
        removal = event in {"os.remove", "shutil.rmtree"} and _REMOVED.fullmatch(name)
        assert own or removal or (event == "open" and _IN_PLACE.fullmatch(name)), (event, name)
    plain = [name for name in written if not (name.startswith("report_files/") or _IN_PLACE.fullmatch(name))]
    assert {name for event, name in seen if event == "os.rename"} >= set(plain)
    if command.startswith(_QUICK) or "BTXRD_EXPLAIN_KILLS" in os.environ:
        _with_links(data, tmp_path, command, plain)
        _with_what_is_in_the_way(data, tmp_path, command, plain)
    _with_linked_folders(data, tmp_path, command, written)


def test_no_command_is_left_out() -> None:
    commands: Any = get_command(app)
    assert {words[0] for words in COMMANDS.values()} | _OTHERS == set(commands.commands)


@pytest.mark.parametrize("command", [("layers", "-c", "demo"), ("methods",), ("config",)], ids=" ".join)
def test_a_command_that_prints_writes_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    with _watching(tmp_path) as seen:
        run(*command)
    assert seen == []
    assert list(tmp_path.iterdir()) == []


def test_the_demo_says_nothing_of_the_machine(demo_run: DemoRun) -> None:
    """What its commands write with names and variables that nobody may read, the tests above look at."""
    names = [name for name in _names(demo_run.folder) if not name.startswith("BTXRD-synthetic/images/")]
    for name in names:
        _says_nothing_of(demo_run.folder / name, str(demo_run.folder))
    assert {Path(name).parts[0] for name in names} == {"BTXRD-synthetic", "results"}


def _says_nothing_of(path: Path, *marks: str) -> None:
    told = "\n".join(texts_of(path))
    for mark in (*marks, str(Path.cwd()), str(Path.home()) + os.sep, sys.prefix):
        assert mark not in told, (path.name, told[max(0, told.index(mark) - 200) :][:400])


@pytest.mark.parametrize("command", ["infer", "report", "check", "export labelme", "export coco"])
def test_files_of_an_earlier_run_that_are_read_only_are_replaced(data: Path, tmp_path: Path, command: str) -> None:
    out = tmp_path / "out"
    codes, contents = [], []
    for _ in range(2):
        codes.append(_written(data, out, command).exit_code)
        contents.append({name: (out / name).read_bytes() for name in _names(out)})
        for name in contents[0]:
            (out / name).chmod(0o400)
    assert codes[0] == codes[1] in {ExitCode.OK, ExitCode.SOME_FILES_FAILED}
    assert contents[0] == contents[1]


@pytest.mark.parametrize("command", ["infer", "merge", "import-maps"])
def test_no_table_takes_the_place_of_a_file_of_another_kind(data: Path, tmp_path: Path, command: str) -> None:
    """As where a pattern names the files to merge, and one too many."""
    thesis = _mine(tmp_path) / "thesis.txt"
    words = [word.format(data=data, out=tmp_path) for word in COMMANDS[command]]
    words = [*words[:-2], "-o", str(thesis)] if command == "merge" else [*words, "--predictions", str(thesis)]
    result = run(*words, code=ExitCode.TABLE)
    assert f"error: '{thesis}' is not a predictions table" in result.output
    assert thesis.read_bytes() == WORK


def _no_result_is_a_radiograph(out: Path) -> None:
    """Results may be written into the folder of the radiographs, or be copied, and be there when it is read again."""
    table = out / "predictions.parquet"
    is_new = not table.exists()
    table.touch()
    assert list_images(out).files == ()
    if is_new:
        table.unlink()
    for path in out.rglob("*"):
        if path.name.lower().endswith(IMAGE_SUFFIXES):
            with pytest.raises(RadiographError, match="is a result of btxrd-explain, not a radiograph"):
                read_radiograph(path)


def _all_locked(seen: list[tuple[str, str]]) -> None:
    """Each file gets its final name while the process holds a lock: no two processes mix theirs."""
    held = 0
    for event, name in seen:
        if _LOCK.fullmatch(name):
            held += {"open": 1, "os.remove": -1}.get(event, 0)
        elif event == "os.rename" and not _TEMPORARY.search(name):
            assert held, name
    assert held == 0


def _mine(tmp_path: Path) -> Path:
    mine = tmp_path / "mine"
    shutil.rmtree(mine, ignore_errors=True)
    mine.mkdir()
    (mine / "thesis.txt").write_bytes(WORK)
    return mine


def _planted(out: Path, command: str, names: list[str], *plants: Callable[[Path], object]) -> None:
    """Plant one of several things under each name, in another order for each command: all write in the same way."""
    shutil.rmtree(out)
    for number, name in enumerate(names, list(COMMANDS).index(command)):
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        plants[number % len(plants)](out / name)


def _with_links(data: Path, tmp_path: Path, command: str, names: list[str]) -> None:
    mine, out = _mine(tmp_path), tmp_path / "out"
    _planted(out, command, names, lambda path: path.symlink_to(mine / "thesis.txt"))
    _written(data, out, command)
    assert _names(mine) == ["thesis.txt"]
    assert (mine / "thesis.txt").read_bytes() == WORK


def _with_what_is_in_the_way(data: Path, tmp_path: Path, command: str, names: list[str]) -> None:
    out = tmp_path / "out"
    _planted(out, command, names, os.mkfifo, Path.mkdir)
    before = {name: stat.S_IFMT((out / name).lstat().st_mode) for name in names}
    assert _written(data, out, command).exit_code not in {ExitCode.OK, ExitCode.UNEXPECTED}
    assert {name: stat.S_IFMT((out / name).lstat().st_mode) for name in names} == before


def _with_linked_folders(data: Path, tmp_path: Path, command: str, names: list[str]) -> None:
    """Each folder that the command makes in the folder of results leads to somebody's own."""
    folders = {name.split("/")[0] for name in names if "/" in name}
    mine, out = _mine(tmp_path), tmp_path / "out"
    for folder in folders:
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir()
        (out / folder).symlink_to(mine)
        result = _written(data, out, command)
        assert result.exit_code == ExitCode.OUTPUT, result.output
        assert f"error: '{out / folder}' is in the way: it is a link" in result.output
        assert _names(mine) == ["thesis.txt"]


@pytest.mark.parametrize("depth", [0, 1, 2])
def test_no_folder_of_the_tool_is_a_link(tmp_path: Path, depth: int) -> None:
    mine, folder = _mine(tmp_path), tmp_path / "out" / "overlays"
    linked = folder / Path(*("left", "knee")[:depth])
    linked.parent.mkdir(parents=True)
    linked.symlink_to(mine)
    with pytest.raises(OutputError, match="is in the way: it is a link"):
        write_bytes(folder / "left" / "knee" / "a.png", b"", own=folder)
    assert _names(mine) == ["thesis.txt"]


def test_the_folder_that_a_user_names_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "disk")
    folder = tmp_path / "out" / "overlays"
    write_bytes(folder / "a.png", WORK, own=folder)
    assert (tmp_path / "disk" / "overlays" / "a.png").read_bytes() == WORK


@pytest.mark.parametrize("plant", [os.mkfifo, Path.mkdir], ids=["pipe", "folder"])
def test_no_file_takes_the_place_of_what_is_none(tmp_path: Path, plant: Callable[[Path], None]) -> None:
    plant(tmp_path / "report.json")
    with pytest.raises(OutputError, match="is in the way"), atomic_write(tmp_path / "report.json"):
        pytest.fail("the work has begun")
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]


def test_a_file_takes_the_place_of_one_that_is_read_only(tmp_path: Path) -> None:
    """Whoever may write into the folder may replace it; it is never opened."""
    (tmp_path / "report.json").write_bytes(WORK)
    (tmp_path / "report.json").chmod(0o400)
    write_bytes(tmp_path / "report.json", b"{}")
    assert (tmp_path / "report.json").read_bytes() == b"{}"
