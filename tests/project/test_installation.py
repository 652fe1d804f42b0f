"""What README and CONTRIBUTING tell users to install is installed here, from a clone.

What these tests run in was installed by README's other command, with the same constraint: pip does not fetch and unpack
all of it again. It finds the packages that it would, and decides about them as ever. The other installers begin with
nothing but what uv has fetched before.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sysconfig
import tempfile
from importlib.metadata import distributions, requires
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support.documents import CONTRIBUTING, INSTALLING, README, ROOT, commands

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator

pytestmark = [
    pytest.mark.skipif(not os.environ.get("CI"), reason="installs everything anew: in CI only"),
    pytest.mark.network,
]

NOT_COMPILED = {"PIP_NO_COMPILE": "0"}
"""pip's ``--no-compile``, spelt its way: bytecode of packages that nothing imports here takes half a minute."""

NOT_LAID_OUT = {"btxrd-explain", "pip"}
"""What pip installs in any case: the package and itself."""
SITE = Path(sysconfig.get_path("purelib"))
"""The packages that these tests run with."""


@pytest.fixture
def clone() -> Iterator[Path]:
    """A clone that goes with its test: what is installed there takes gigabytes."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["git", "clone", "--quiet", str(ROOT), folder], check=True)
        yield Path(folder)


def _done(command: str, folder: Path, **variables: str) -> None:
    """Run a command of the documents, which must succeed."""
    environment = os.environ | variables
    shell = ["bash", "-c", command]
    done = subprocess.run(shell, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"


def _needed() -> set[str]:
    """Return the names of all packages that a user needs, from the package's own requirements on."""
    found: set[tuple[str, str]] = set()
    left = [("btxrd-explain", "")]
    while left:
        package = left.pop()
        if package in found:
            continue
        found.add(package)
        name, extra = package
        for text in requires(name) or ():
            wanted = Requirement(text)
            if wanted.marker is None or wanted.marker.evaluate({"extra": extra}):
                left += [(canonicalize_name(wanted.name), each) for each in ("", *wanted.extras)]
    return {name for name, _ in found}


def _lay_out(site: Path, names: Container[str]) -> None:
    """Link the files of installed packages into the packages of another environment, whether it is there or not."""
    for package in distributions(path=[str(SITE)]):
        if canonicalize_name(package.name) in names:
            for file in package.files or ():
                if ".." not in file.parts:
                    _link(str(package.locate_file(file)), site / file)


def _lend_bytecode(site: Path) -> None:
    """Link the bytecode that imports have left so far, which no installer made; it holds for the same files only."""
    for compiled in SITE.rglob("__pycache__/*.pyc"):
        place = site / compiled.relative_to(SITE)
        if place.parents[1].is_dir():
            _link(str(compiled), place)


def _link(source: str, target: Path) -> None:
    """Link a file, unless there is one."""
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(source, target)
        except OSError:  # the clone lies on another file system
            shutil.copy2(source, target)


def _assert_installed(folder: Path, unlocked: Callable[[Path], dict[str, str]]) -> None:
    """What was installed below a folder is what is locked, and has run the demo there."""
    (torch,) = folder.rglob("site-packages/torch")
    assert unlocked(torch.parent) == {}
    assert (folder / "btxrd-explain-demo" / "results" / "annotation_comparison.png").exists()


def test_with_pip_a_user_tries_the_demo_and_becomes_a_developer(
    clone: Path, unlocked: Callable[[Path], dict[str, str]]
) -> None:
    """With nothing but python3 and pip, with which a developer gets uv.

    Of what nox runs, the lints as a session, and the types in the environment that was set up.
    """
    site = Path(sysconfig.get_path("purelib", "venv", {"base": str(clone / ".venv")}))
    _lay_out(site, _needed() - NOT_LAID_OUT)
    _lend_bytecode(site)
    _done(INSTALLING[0], clone, **NOT_COMPILED)
    _assert_installed(clone, unlocked)
    *setting_up, nox = commands(CONTRIBUTING)
    for command in (*setting_up, f"{nox} -s lint", ".venv/bin/mypy"):
        _done(command, clone)


@pytest.mark.parametrize("tool", ["pipx", "uv"])
def test_the_readmes_other_installers(tool: str, clone: Path, unlocked: Callable[[Path], dict[str, str]]) -> None:
    """Each makes an environment of its own, from which the demo runs; the test group brings both."""
    (command,) = [line for line in commands(README) if line.startswith(tool)]
    tools = sysconfig.get_path("scripts")
    assert shutil.which(tool, path=tools), f"{tool} is not in the environment of the tests"
    names = ("PIPX_HOME", "PIPX_BIN_DIR", "PIPX_MAN_DIR", "PIPX_COMPLETION_DIR", "UV_TOOL_DIR", "UV_TOOL_BIN_DIR")
    places = {name: str(clone / name) for name in names}
    path = os.pathsep.join([places["PIPX_BIN_DIR"], places["UV_TOOL_BIN_DIR"], tools, os.environ["PATH"]])
    _done(command, clone, PATH=path, **places)
    assert Path(shutil.which("btxrd-explain", path=path) or "").is_relative_to(clone)
    (torch,) = clone.rglob("site-packages/torch")
    _lend_bytecode(torch.parent)
    _done("btxrd-explain demo", clone, PATH=path)
    _assert_installed(clone, unlocked)
