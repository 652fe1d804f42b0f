"""The worked example of docs/howto/own-network.md is run here; and programs are refused on the command line too."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from PIL import Image

from btxrd_explain.predictions.table import open_table
from tests.support.command_line import run

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = (Path(__file__).parents[2] / "docs" / "howto" / "own-network.md").read_text("utf-8")


def _blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, flags=re.DOTALL)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The reader's folder: the module, its checkpoint, and some radiographs."""
    module, saving = _blocks("python")
    (tmp_path / "bone_net.py").write_text(module)
    (tmp_path / "BTXRD" / "images").mkdir(parents=True)
    random = np.random.default_rng(0)
    for number in range(3):
        pixels = random.integers(0, 256, (90, 60), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "BTXRD" / "images" / f"IMG{number:06d}.jpeg")
    monkeypatch.chdir(tmp_path)
    with monkeypatch.context() as patch:
        patch.syspath_prepend(tmp_path)
        exec(saving, {"torch": torch})  # noqa: S102 -- our own page
    del sys.modules["bone_net"]
    yield tmp_path
    sys.modules.pop("bone_net", None)


def test_the_commands_of_the_page_run(folder: Path) -> None:
    commands = [line for block in _blocks("bash") for line in block.strip().splitlines()]
    assert len(commands) == 3
    for command in commands:
        run(*shlex.split(command)[1:])
    table = open_table(folder / "btxrd-explain-out" / "predictions.parquet")
    assert table.provenance.architecture == "bone_net:build"
    assert table.provenance.grid == (16, 16)
    assert open_table(folder / "finer" / "predictions.parquet").provenance.grid == (32, 32)


def test_a_changed_file_is_named_before_anything_is_computed_anew(folder: Path) -> None:
    command = ["infer", "BTXRD", "--checkpoint", "bone_net.pt", "--factory", "bone_net:build"]
    run(*command)
    again = run(*command)
    assert "factory_source" not in again.output
    with (folder / "bone_net.py").open("a") as file:
        file.write("# changed\n")
    changed = run(*command)
    assert "factory_source changed from" in changed.output


def test_the_messages_of_the_page_are_those_of_the_program(folder: Path) -> None:
    (folder / "bone_net.py").write_text("import torch\nbuild = dict\n")
    result = run("infer", "BTXRD", "-c", "bone_net.pt", "--factory", "bone_net:build", code=2)
    assert "the factory 'bone_net:build' returned a dict" in " ".join(result.output.split())


@pytest.mark.filterwarnings("ignore:`torch.jit:FutureWarning", "ignore:`torch.jit:DeprecationWarning")
@pytest.mark.parametrize(("name", "kind"), [("net.pt", "TorchScript"), ("net.pt2", "torch.export")])
def test_programs_are_refused_on_the_command_line(folder: Path, name: str, kind: str) -> None:
    network = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 1)).eval()
    image = torch.zeros(1, 1, 4, 4)
    trace: Any = torch.jit.trace
    if kind == "TorchScript":
        torch.jit.save(trace(network, image), folder / name)
    else:
        torch.export.save(torch.export.export(network, (image,)), folder / name)
    for command in (["infer", "BTXRD", "-c", name], ["layers", name]):
        result = run(*command, code=3)
        assert f"is a {kind} program: its layers are fixed and cannot be explained" in " ".join(result.output.split())
