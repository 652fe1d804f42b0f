"""What is built for users: wheel and sdist, their contents and their declared dependencies."""

from __future__ import annotations

import os
import re
import sysconfig
import tarfile
import tomllib
import zipfile
from email.parser import Parser
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import pytest
from hatchling.build import build_sdist, build_wheel
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[2]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
GENERATED = {"PKG-INFO"}
HIDDEN = {".gitignore", ".ci", ".github", ".editorconfig", ".pre-commit-config.yaml"}
"""All other hidden files are traces of work: settings of editors, caches, environments."""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Wheel and sdist of the working tree."""
    folder = tmp_path_factory.mktemp("built")
    before = Path.cwd()
    os.chdir(ROOT)  # PEP 517: the hooks run in the root of the source
    try:
        return folder / build_wheel(str(folder)), folder / build_sdist(str(folder))
    finally:
        os.chdir(before)


@pytest.fixture(scope="module")
def wheel(built: tuple[Path, Path]) -> zipfile.ZipFile:
    return zipfile.ZipFile(built[0])


@pytest.fixture(scope="module")
def sources(built: tuple[Path, Path]) -> set[PurePosixPath]:
    """Files of the sdist, without its top folder."""
    with tarfile.open(built[1]) as archive:
        return {PurePosixPath(*PurePosixPath(name).parts[1:]) for name in archive.getnames()}


def test_the_wheel_holds_the_package_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    stem = f"btxrd_explain-{PROJECT['project']['version']}"
    assert {PurePosixPath(name).parts[0] for name in wheel.namelist()} == {"btxrd_explain", f"{stem}.dist-info"}
    held = {name for name in wheel.namelist() if name.startswith("btxrd_explain/")}
    files = {path.relative_to(ROOT).as_posix() for path in (ROOT / "btxrd_explain").rglob("*") if path.is_file()}
    assert held == {name for name in files if "__pycache__" not in name}


@pytest.mark.parametrize(
    "name",
    [
        "py.typed",
        "synthetic/demo_model.safetensors",
        "outputs/html/assets/report.html",
        "outputs/html/assets/report.css",
        "outputs/html/assets/main.js",
    ],
)
def test_the_wheel_holds_what_is_no_python(wheel: zipfile.ZipFile, name: str) -> None:
    content = wheel.read(f"btxrd_explain/{name}")
    assert content == (ROOT / "btxrd_explain" / name).read_bytes()


def test_the_wheel_says_what_it_is(wheel: zipfile.ZipFile) -> None:
    (path,) = [name for name in wheel.namelist() if name.endswith("dist-info/METADATA")]
    metadata = Parser().parsestr(wheel.read(path).decode("utf-8"))
    assert metadata["Requires-Python"] == ">=3.11"
    assert "Typing :: Typed" in (metadata.get_all("Classifier") or ())
    assert metadata["Author"] == "The btxrd-explain authors"
    needed = {Requirement(entry) for entry in metadata.get_all("Requires-Dist") or ()}
    assert {entry for entry in needed if entry.marker is None} == set(
        map(Requirement, PROJECT["project"]["dependencies"])
    )
    (scripts,) = [name for name in wheel.namelist() if name.endswith("entry_points.txt")]
    assert "btxrd-explain = btxrd_explain.__main__:main" in wheel.read(scripts).decode("utf-8")


def test_the_sdist_holds_what_its_tests_need_and_no_traces_of_work(sources: set[PurePosixPath]) -> None:
    wanted = ["README.md", "LICENSE", "SECURITY.md", "noxfile.py", "mkdocs.yml", ".ci/run", "tests/conftest.py"]
    wanted += ("CITATION.cff", ".editorconfig", ".pre-commit-config.yaml", ".github/PULL_REQUEST_TEMPLATE.md")
    assert {PurePosixPath(name) for name in wanted} <= sources
    for path in sources:
        assert (ROOT / path).exists() or path.name in GENERATED, path
        assert not [part for part in path.parts if part.startswith(".") and part not in HIDDEN], path
        assert not {"__pycache__", "dist", "site"} & set(path.parts), path
        assert path.suffix not in {".pyc", ".log", ".parquet", ".whl"}, path


def _required() -> Iterator[Requirement]:
    """Yield what users install, with the extras."""
    for entries in (PROJECT["project"]["dependencies"], *PROJECT["project"]["optional-dependencies"].values()):
        yield from map(Requirement, entries)


def _grouped() -> Iterator[Requirement]:
    """Yield what developers install besides."""
    for entries in PROJECT["dependency-groups"].values():
        yield from (Requirement(entry) for entry in entries if isinstance(entry, str))


def test_every_dependency_has_a_lower_bound() -> None:
    for requirement in _required():
        assert [clause.operator for clause in requirement.specifier] == [">="], requirement


def test_the_lock_holds_what_users_and_developers_install(locked: dict[str, set[str]]) -> None:
    for requirement in (*_required(), *_grouped()):
        versions = locked[canonicalize_name(requirement.name)]
        assert set(requirement.specifier.filter(versions)) == versions, requirement


def test_the_lock_names_no_registry() -> None:
    """Whoever installs chooses it."""
    text = (ROOT / "constraints" / "released.txt").read_text("utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    assert [line for line in lines if not re.fullmatch(r"[\w.-]+==[\w.+!]+( ; .+)?", line)] == []
    assert "://" not in text


@pytest.mark.skipif(not os.environ.get("CI"), reason="elsewhere other versions may be tried")
def test_what_is_tested_is_what_is_locked(unlocked: Callable[[Path], dict[str, str]]) -> None:
    assert unlocked(Path(sysconfig.get_path("purelib"))) == {}
