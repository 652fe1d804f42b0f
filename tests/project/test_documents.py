"""What README and CONTRIBUTING tell users to run is run here."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import timm
import torch
from typer.testing import CliRunner

from btxrd_explain.cli import app

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text("utf-8")


def _blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)


def _commands(text: str) -> Iterator[str]:
    for block in _blocks(text, "bash"):
        yield from block.strip().splitlines()


INSTALLING = [command for command in _commands(README) if command.startswith("python3 -m venv")]
OWN = [command for command in _commands(README) if "btxrd-explain" in command and command not in INSTALLING]


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory, write_root: Callable[[Path, int], None]) -> Path:
    """A folder in which the README's commands find what they name."""
    folder = tmp_path_factory.mktemp("workplace")
    write_root(folder, 6)
    torch.manual_seed(3)  # others may give no map with positive evidence, and then nothing can be scored
    network: Any = timm.create_model("test_resnet", num_classes=3)
    torch.nn.init.normal_(network.fc.weight, std=3.0)
    content = {"state_dict": network.state_dict(), "class_names": ["Normal", "Benign", "Malignant"]}
    torch.save(content | {"config": {"model": {"backbone": "test_resnet"}}}, folder / "best.pt")
    return folder


@pytest.mark.parametrize("command", OWN)
def test_the_readmes_commands_run(workplace: Path, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(workplace)
    if "|" in command:
        if shutil.which("jq") is None:
            command = command.replace("jq .class", "cat")
        command = command.replace("btxrd-explain", f"{sys.executable} -m btxrd_explain")
        done = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("\n") == 6
        return
    (workplace / "settings.yaml").unlink(missing_ok=True)
    if "--config" in command:
        CliRunner().invoke(app, ["config", "init", "settings.yaml"])
    result = CliRunner().invoke(app, shlex.split(command)[1:])
    assert result.exit_code == 0, result.output


def test_the_readmes_python_runs() -> None:
    (program,) = _blocks(README, "python")
    scope: dict[str, Any] = {}
    exec(program, scope)  # noqa: S102 -- our own README
    assert scope["heat_map"].shape == (224, 224)


def test_ci_runs_the_readmes_test_command() -> None:
    demo, tests = INSTALLING
    assert demo.endswith("btxrd-explain demo")
    assert tests.endswith(".venv/bin/pytest -n 2 --dist loadfile")
    assert (ROOT / ".ci" / "run").read_text().endswith(f"\n{tests}\n")


@pytest.mark.skipif(not os.environ.get("CI"), reason="installs everything anew: in CI only")
def test_the_readmes_demo_command_runs_on_a_bare_machine(tmp_path: Path) -> None:
    """In a clone, with nothing but python3 and pip."""
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
    done = subprocess.run(["bash", "-c", INSTALLING[0]], cwd=clone, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (clone / "btxrd-explain-demo" / "results" / "annotation_comparison.png").exists()


@pytest.mark.parametrize("tool", ["pipx", "uv"])
def test_the_readmes_other_installers(tool: str, tmp_path: Path) -> None:
    (command,) = [line for line in _commands(README) if line.startswith(tool)]
    if shutil.which(tool) is None or not os.environ.get("CI"):
        pytest.skip(f"{tool} is not on the PATH, or this is not CI")
    places = {name: str(tmp_path / name) for name in ("PIPX_HOME", "PIPX_BIN_DIR", "UV_TOOL_DIR", "UV_TOOL_BIN_DIR")}
    done = subprocess.run(
        shlex.split(command), cwd=ROOT, env=os.environ | places, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(not os.environ.get("CI"), reason="installs everything anew: in CI only")
def test_contributings_commands_run(tmp_path: Path) -> None:
    """Set up in a clone; of what nox runs, the lints as a session, and the types in the environment that was set up.

    Bytecode of packages that nothing imports here would take half a minute: pip's ``--no-compile``, spelt its way.
    """
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
    *setting_up, nox = _commands(CONTRIBUTING)
    environment = os.environ | {"PIP_NO_COMPILE": "0"}
    for command in (*setting_up, f"{nox} -s lint", ".venv/bin/mypy"):
        done = subprocess.run(
            ["bash", "-c", command], cwd=clone, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{command}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"


def test_contributing_names_sessions_that_exist() -> None:
    noxfile = (ROOT / "noxfile.py").read_text()
    sessions = set(re.findall(r"^def (\w+)\(session", noxfile, flags=re.MULTILINE))
    assert {"lint", "types", "tests"} <= sessions
    named = set(re.findall(r"`(\w+)`", CONTRIBUTING.split("## Where")[0])) - {"nox"}
    assert named <= sessions
    assert list(_commands(CONTRIBUTING)) == [
        "python3 -m venv .venv && .venv/bin/pip install --upgrade pip",
        ".venv/bin/pip install --editable . --group dev",
        ".venv/bin/nox",
    ]
