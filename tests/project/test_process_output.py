"""What real processes say, from their start to the interpreter's exit, in surroundings that are not kind.

Every command runs in processes of its own: with notes, as text, where the output is Windows' code page; and quietly,
as JSON, where it is ASCII. Both make errors of all warnings, run Python in its development mode, in no language, and
write into a file. What the network costs is paid as seldom as possible: the commands share one table, and are forked
from one process that has imported the libraries. The demo, which runs network and figures, and processes with closed
streams start from nothing.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
import pytest
import torch
from typer.main import get_command

from btxrd_explain.cli import app
from btxrd_explain.errors import ExitCode
from btxrd_explain.synthetic.dataset import write_dataset
from tests.conftest import SMALL_FIGURES
from tests.support.processes import Finished, run_forked, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.support.processes import Server

NAMES = {
    "IMG000001.jpeg": "骨瘤.jpeg",
    "IMG000003.jpeg": "Größe (1).jpeg",
    "IMG000005.jpeg": "CON 影像.jpeg",
}
"""What three of the radiographs are called."""
MEANT = re.compile(r"(note|warning|next): (?!\w+Warning of ).+")
"""The lines that a command without faults may write on stderr; none of them a warning that Python shows."""
TABLE = "--predictions 结果/predictions.parquet -o 结果"
INFER = "infer 数据 -c demo --device cpu --split-csv 数据/split.csv --split test -o 结果"
ON_TABLES = [
    INFER,
    f"gallery {TABLE}",
    f"annotate-iou {TABLE} --annotations 数据/Annotations",
    "compare 结果/predictions.parquet 结果/same.parquet -o 比较 --annotations 数据/Annotations",
    f"report {TABLE} --annotations 数据/Annotations",
    f"performance {TABLE}",
    f"export --to coco {TABLE}",
    "check 数据 --split-csv 数据/split.csv -o 结果 --fail-on error",
    "merge 结果/predictions.parquet -o 合并/predictions.parquet",
    "import-maps 热图 --images 数据/images --class-names Normal,Benign,Malignant -o 导入",
]
"""Commands that run no network where the table is current, and accept ``--quiet``."""
SETTINGS = ["methods", "config --set output.directory=结果"]
LAYERS = "layers -c demo --root 数据"
SANITY = "sanity 数据/images/骨瘤.jpeg 数据/images/IMG000002.jpeg -c demo --device cpu -o 结果 --sample 2 --stages 2"
CHANGED = "数据/images/骨瘤.jpeg 数据/images/IMG000002.jpeg -c demo --device cpu --controls 1"
INTERVENE = f"intervene {CHANGED} -o 结果"
STUDY = f"study {CHANGED} -o 研究 --sample 2 --stages 2 --methods gradcam"
ON_THE_NETWORK = [LAYERS, SANITY, INTERVENE, STUDY]
FAULTS = [
    ("infer 数据 -c 没有.pt -o x", ExitCode.CHECKPOINT),
    ("gallery --predictions 数据/split.csv -o x", ExitCode.TABLE),
    ("annotate-iou --predictions 没有.parquet", ExitCode.TABLE),
    ("compare 没有.parquet 结果/predictions.parquet", ExitCode.TABLE),
    ("merge 没有.parquet -o x.parquet", ExitCode.TABLE),
    ("performance --predictions 结果/predictions.parquet --split 没有", ExitCode.TABLE),
    ("export --to labelme --predictions 没有.parquet", ExitCode.TABLE),
    ("report --predictions 结果/predictions.parquet --annotations 没有", ExitCode.INPUT),
    ("check nowhere -o x", ExitCode.INPUT),
    ("demo 数据/split.csv", ExitCode.OUTPUT),
    ("import-maps 没有 --images 数据/images -o x", ExitCode.INPUT),
    ("layers -c 没有.pt", ExitCode.CHECKPOINT),
    ("sanity 数据 -c 没有.pt -o x", ExitCode.CHECKPOINT),
    ("intervene nowhere -c demo -o x", ExitCode.INPUT),
    ("study 数据 -c 没有.pt -o x", ExitCode.CHECKPOINT),
    ("config --config 没有.yaml", ExitCode.USAGE),
]
WEIGHTS = {"body.weight": (4, 3, 3, 3), "body.bias": (4,), "head.weight": (3, 4), "head.bias": (3,)}
OWN_NETWORK = """
import sys, warnings, torch

print("module of our own")

class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.body = torch.nn.Conv2d(3, 4, 3, padding=1)
        self.head = torch.nn.Linear(4, 3)

    def forward(self, images):
        warnings.warn("this driver is\\nold", UserWarning)
        warnings.warn("the name of this function will change", DeprecationWarning)
        return self.head(self.body(images).mean(dim=(2, 3)))

def build(num_classes):
    print("built")
    return Net()
"""

SMALL_DEMO = """
from functools import partial
from btxrd_explain.__main__ import main
from btxrd_explain.commands import demo
demo.write_dataset = partial(demo.write_dataset, per_class={"test": 2})
main()
"""
"""Runs the command line tool, with a demo of fewer radiographs."""


@dataclass(frozen=True)
class Said:
    """What a process wrote.

    Attributes:
        code: Its exit code.
        out: The bytes of its standard output.
        err: The lines of its standard error.
    """

    code: int
    out: bytes
    err: list[str]

    def documents(self) -> list[Any]:
        """Return the lines of strict JSON that the standard output is made of."""
        *lines, end = self.out.decode("utf-8").split("\n")
        assert end == ""
        return [json.loads(line, parse_constant=_no_json) for line in lines]


def _no_json(constant: str) -> NoReturn:
    raise AssertionError(f"{constant} is not JSON")


def _environment(encoding: str) -> dict[str, str]:
    """Return variables in which warnings are errors, and there is no language."""
    others = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "LC_", "LANG"))}
    rough = {"PYTHONWARNINGS": "error", "PYTHONIOENCODING": encoding, "LC_ALL": "C"}
    kept = {name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ}
    return others | kept | rough | SMALL_FIGURES | {"COLUMNS": "80", "OMP_NUM_THREADS": "1"}


def _said(finished: Finished, encoding: str) -> Said:
    return Said(finished.code, finished.out, finished.err.decode(encoding).splitlines())


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """What commands are forked from, in Python's development mode."""
    if not hasattr(os, "fork"):
        pytest.skip("this system forks no process")
    with serving("tests.support.fork_server", "-X", "dev", environment=_environment("utf-8")) as server:
        yield server


@pytest.fixture(scope="module")
def run(place: Path, server: Server) -> Callable[..., Said]:
    """Runs a command in a process of its own, whose output is redirected to a file."""

    return partial(_run, server, place)


def _run(server: Server, place: Path, command: str, encoding: str = "utf-8") -> Said:
    return _said(run_forked(server, shlex.split(command), place, _environment(encoding), encoding), encoding)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, server: Server) -> Path:
    """A folder with six radiographs, some of odd names, and the table of a run of the network."""
    place = tmp_path_factory.mktemp("place")
    root = write_dataset(place / "数据", seed=1, per_class={"test": 2}).root
    (root / "dataset.xlsx").unlink()
    for plain, odd in NAMES.items():
        for text in (root / "split.csv", root / "dataset.csv", *(root / "Annotations").iterdir()):
            text.write_text(text.read_text("utf-8").replace(plain, odd), "utf-8")
        for file in root.rglob(f"{plain.removesuffix('.jpeg')}.*"):
            file.rename(file.with_name(f"{odd.removesuffix('.jpeg')}{file.suffix}"))
    said = _run(server, place, f"{INFER} --json", "ascii")
    assert said.code == 0, said.err
    assert [document["image_id"] for document in said.documents()] == sorted(
        path.name for path in (root / "images").iterdir()
    )
    _assert_meant(said.err)
    (place / "结果" / "same.parquet").write_bytes((place / "结果" / "predictions.parquet").read_bytes())
    (place / "热图").mkdir()
    np.save(place / "热图" / "骨瘤_Benign.npy", np.eye(4, 5, dtype=np.float32))
    return place


def test_every_command_is_among_those_that_are_run() -> None:
    lines = [*ON_TABLES, *SETTINGS, *ON_THE_NETWORK, *(line for line, _ in FAULTS)]
    commands: Any = get_command(app)
    assert {line.split()[0] for line in lines} == set(commands.commands)


def _assert_meant(lines: list[str]) -> None:
    assert [line for line in lines if not MEANT.fullmatch(line)] == []


@pytest.mark.parametrize("command", ON_TABLES)
def test_text_in_a_code_page_and_notes(run: Callable[..., Said], command: str) -> None:
    said = run(command, "cp1252")
    assert said.code == 0, said.err
    _assert_meant(said.err)
    assert "\\u" in said.out.decode("cp1252")  # Chinese names


@pytest.mark.parametrize("command", ON_TABLES)
def test_json_where_the_output_is_ascii_and_nothing_else(run: Callable[..., Said], command: str) -> None:
    said = run(f"{command} --quiet --json", "ascii")
    assert (said.code, said.err) == (0, [])
    assert len(said.documents()) == (6 if command == INFER else 1)


@pytest.mark.parametrize("command", SETTINGS)
def test_settings_and_methods(run: Callable[..., Said], command: str) -> None:
    text, document = run(command, "cp1252"), run(f"{command} --json", "ascii")
    assert (text.code, text.err, document.code, document.err) == (0, [], 0, [])
    assert text.out.decode("cp1252")
    assert len(document.documents()) == 1


def test_a_settings_file_is_written(run: Callable[..., Said]) -> None:
    first, again = (run("config init 设置.yaml", "ascii") for _ in range(2))
    assert (first.code, first.out) == (0, b"settings: \\u8bbe\\u7f6e.yaml\n")
    _assert_meant(first.err)
    assert (again.code, again.out, len(again.err)) == (ExitCode.OUTPUT, b"", 1)
    assert run("config --config 设置.yaml", "ascii").err == []


@pytest.mark.parametrize("quiet", [True, False])
@pytest.mark.parametrize("command", ON_THE_NETWORK)
def test_the_other_commands_that_load_the_network(run: Callable[..., Said], command: str, *, quiet: bool) -> None:
    said = run(f"{command} --json{' --quiet' * quiet}", "cp1252")
    assert said.code == 0, said.err
    assert len(said.documents()) == 1
    _assert_meant(said.err)
    assert not (said.err and quiet)


def test_the_demo(place: Path) -> None:
    with (place / "stdout").open("w+b") as out:
        done = subprocess.run(
            [sys.executable, "-X", "dev", "-c", SMALL_DEMO, "demo", "演示", "--quiet", "--json"],
            cwd=place, env=_environment("ascii"), stdout=out, stderr=subprocess.PIPE, check=False,
        )  # fmt: skip
        out.seek(0)
        said = _said(Finished(done.returncode, out.read(), done.stderr), "ascii")
    assert (said.code, said.err) == (0, [])
    (document,) = said.documents()
    assert document["synthetic"] is True
    assert set(document["gallery"]) == {"Normal", "Benign", "Malignant"}


@pytest.mark.parametrize(("command", "code"), FAULTS)
def test_a_fault_is_one_line(run: Callable[..., Said], command: str, code: ExitCode) -> None:
    said = run(f"{command}{' --quiet' * (not command.startswith('config'))} --json", "ascii")
    assert (said.code, said.out) == (code, b"")
    assert len(said.err) == 1
    assert said.err[0].startswith("error: ")


def test_a_fault_of_a_file_is_one_line_and_a_network_may_print_and_warn(place: Path, run: Callable[..., Said]) -> None:
    (place / "own_net.py").write_text(OWN_NETWORK)
    random = torch.Generator().manual_seed(0)
    torch.save({name: torch.randn(shape, generator=random) for name, shape in WEIGHTS.items()}, place / "own.pt")
    broken = place / "数据" / "broken"
    broken.mkdir()
    (broken / "坏的.jpeg").write_bytes(b"no image")
    (broken / "D:\\影像\\good.jpeg").write_bytes((place / "数据" / "images" / "骨瘤.jpeg").read_bytes())
    command = (
        "infer 数据/broken -c own.pt --factory own_net:build --image-size 16 --class-names Normal,Benign,Malignant"
        " --device cpu -o own --json"
    )
    said = run(command, "cp1252")
    assert said.code == ExitCode.SOME_FILES_FAILED, said.err
    assert [document["status"] for document in said.documents()] == ["ok", "unreadable"]
    printed = {"module of our own", "built"}
    assert printed <= set(said.err)
    notes = [line for line in said.err if "Warning of" in line]
    assert [re.sub(r":\d+", "", note) for note in notes] == ["note: UserWarning of own_net.py: this driver is old"]
    faults = [line for line in said.err if line not in printed | set(notes) and not MEANT.fullmatch(line)]
    assert len(faults) == 1
    assert faults[0].startswith("unreadable: \\u574f\\u7684.jpeg: ")
    said = run("infer 数据/broken -c demo --device cpu -o broken --quiet --json", "ascii")
    assert (said.code, len(said.documents())) == (ExitCode.SOME_FILES_FAILED, 2)
    (fault,) = said.err
    assert fault.startswith("unreadable: \\u574f\\u7684.jpeg: ")


@pytest.mark.parametrize(("command", "closed"), [(INFER, "<&-"), ("methods", ">&-"), ("methods", "2>&-")])
def test_a_closed_stream_leads_nowhere(place: Path, command: str, closed: str) -> None:
    line = f"{sys.executable} -X dev -m btxrd_explain {command} {closed}"
    shell = subprocess.run(["bash", "-c", line], cwd=place, capture_output=True, text=True, check=False)
    assert shell.returncode == 0, shell.stderr
    _assert_meant(shell.stderr.splitlines())
    assert bool(shell.stdout) == (closed != ">&-")
