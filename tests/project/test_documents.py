"""What README and CONTRIBUTING tell users to run is run here."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from PIL import Image

from scripts import references
from scripts.shape import Shape
from tests.support.command_line import run
from tests.support.documents import CONTRIBUTING, INSTALLING, README, ROOT, blocks, commands
from tests.support.tiny_study import save_network

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.usefixtures("small_figures")

CHANGELOG = (ROOT / "CHANGELOG.md").read_text("utf-8")
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / ".github").rglob("*.md")])
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


OWN = [command for command in commands(README) if "btxrd-explain" in command and command not in INSTALLING]


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory, write_root: Callable[[Path, int], None]) -> Path:
    """A folder in which the README's commands find what they name."""
    folder = tmp_path_factory.mktemp("workplace")
    write_root(folder, 6)
    # Other seeds may give no map with positive evidence, and then nothing can be scored.
    save_network(folder / "best.pt", side=None, seed=3, spread=3.0)
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
        run("config", "init", "settings.yaml")
    run(*shlex.split(command)[1:])


@pytest.mark.filterwarnings("ignore::btxrd_explain.finding.FindingWarning")  # its network was never trained
def test_the_readmes_python_runs(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(workplace)
    (program,) = blocks(README, "python")
    scope: dict[str, Any] = {}
    exec(program.replace("IMG000046", "IMG000001"), scope)  # noqa: S102 -- our own README, on an image that is there
    assert scope["heat"].values.shape == scope["radiograph"].pixels.shape[:2]
    assert {"image_id", "class", "confidence"} <= set(scope["table"].columns)


def test_ci_runs_the_readmes_test_command() -> None:
    demo, tests = INSTALLING
    assert demo.endswith("btxrd-explain demo")
    assert all(" --constraint constraints/released.txt && " in command for command in INSTALLING)
    assert tests.endswith(".venv/bin/pytest -n 2 --dist loadfile")
    assert (ROOT / ".ci" / "run").read_text().endswith(f"\n{tests}\n")


def test_contributing_names_sessions_that_exist() -> None:
    noxfile = (ROOT / "noxfile.py").read_text()
    sessions = set(re.findall(r"^def (\w+)\(session", noxfile, flags=re.MULTILINE))
    assert {"lint", "types", "tests"} <= sessions
    named = set(re.findall(r"`(\w+)`", CONTRIBUTING.split("## Where")[0])) - {"nox"}
    assert named <= sessions
    assert list(commands(CONTRIBUTING)) == [
        "python3 -m venv .venv && .venv/bin/pip install uv --constraint constraints/released.txt",
        ".venv/bin/uv pip install --python .venv --editable . --group dev --constraint constraints/released.txt",
        ".venv/bin/nox",
    ]


def test_every_nox_session_that_a_page_names_exists() -> None:
    sessions = set(re.findall(r"^def (\w+)\(session", (ROOT / "noxfile.py").read_text(), flags=re.MULTILINE))
    named = {(page.name, name) for page in PAGES for name in re.findall(r"nox\s-s\s(\w+)", page.read_text("utf-8"))}
    assert {name for _, name in named} >= {"lock", "package", "docs", "bench"}
    assert {(page, name) for page, name in named if name not in sessions} == set()


def test_the_readme_shows_a_picture_that_is_marked_as_synthetic() -> None:
    (path,) = re.findall(r"!\[.*ynthetic.*\]\((.*)\)", README)
    picture = ROOT / path
    assert picture.stat().st_size <= 300_000
    with Image.open(picture) as image:
        assert image.format == "PNG"
        assert image.info["Description"].startswith("SYNTHETIC")
        banner = [image.getpixel((image.width - 24, y)) for y in range(image.height - 60, image.height)]
    assert (176, 32, 32) in banner
    index = (ROOT / "docs" / "index.md").read_text("utf-8")
    assert f"]({Path(path).relative_to('docs').as_posix()})" in index


def test_the_citation_says_what_the_package_says() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    project = PROJECT["project"]
    for key in ("version", "license", "keywords"):
        assert citation[key] == project[key], key
    assert citation["title"] == project["name"]
    assert citation["abstract"] == project["description"]
    assert citation["authors"] == project["authors"] == [{"name": "The btxrd-explain authors"}]
    assert project["authors"][0]["name"] in (ROOT / "LICENSE").read_text("utf-8")


def test_the_changelog_is_by_version_and_kind() -> None:
    _, *sections = re.split(r"^## ", CHANGELOG, flags=re.MULTILINE)
    versions = [section.splitlines()[0] for section in sections]
    assert versions[0].startswith(f"[{PROJECT['project']['version'].partition('.dev')[0]}]")
    assert all(re.fullmatch(r"\[\d+\.\d+\.\d+\]( - (Unreleased|\d{4}-\d{2}-\d{2}))?", version) for version in versions)
    assert not any("Unreleased" in version for version in versions[1:])
    for section in sections:
        kinds = re.findall(r"^### (.*)$", section, flags=re.MULTILINE)
        order = ["Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"]
        assert kinds, section
        assert len(set(kinds)) == len(kinds)
        assert set(kinds) <= set(order)


def test_the_hooks_use_tools_of_the_environment() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text("utf-8"))
    assert {repository["repo"] for repository in hooks["repos"]} == {"local"}
    entries = [hook["entry"] for hook in hooks["repos"][0]["hooks"] if hook["language"] == "system"]
    assert {"ruff", "lint-imports"} == {entry.split()[0] for entry in entries}
    in_session = re.findall(r'session.run\("(ruff|lint-imports)"(?:, "(\w+)")?', (ROOT / "noxfile.py").read_text())
    assert {tuple(entry.split()[:2]) for entry in entries} == {tuple(filter(None, call)) for call in in_session}


def test_templates_are_forms_or_text() -> None:
    folder = ROOT / ".github" / "ISSUE_TEMPLATE"
    forms = {path.stem: yaml.safe_load(path.read_text("utf-8")) for path in folder.glob("*.yml")}
    assert forms.keys() == {"bug_report", "config", "feature_request"}
    for name in forms.keys() - {"config"}:
        assert {"name", "description", "body"} <= forms[name].keys()
        identifiers = [part["id"] for part in forms[name]["body"] if part["type"] != "markdown"]
        assert len(set(identifiers)) == len(identifiers) > 0


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_a_page_keeps_to_the_page_of_style(page: Path) -> None:
    """Of the substitutions those that a program can find, in what people wrote; the page itself names them."""
    people = re.sub(r"from the code -->.*?<!-- end", "", page.read_text("utf-8"), flags=re.DOTALL)
    text = re.sub(r"```.*?```|`[^`]*`", "", people, flags=re.DOTALL)
    if page.name == "style.md":
        assert "held against" in text
        return
    found = re.findall(
        r"held against|[Ss]ay whether|\bmend(?:s|ed|ing)?\b|\bbeside\b|\b(?<![Tt]here )(?:is|are) no (?!longer)|"
        r"(?:(?<=[.;:] )|(?<=\n\n))What\s[^?|.]*?\.",  # a sentence about *what*, which is neither a question nor a cell
        text,
    )
    assert found == []


def test_the_source_keeps_to_the_page_of_style() -> None:
    """A few places are left where nothing else can be said, such as "there is no consensus where there are masks"."""
    shape = Shape(ROOT)
    assert len(shape.sources) > 100
    assert shape.dialect <= 10


@pytest.mark.parametrize("page", references.PAGES, ids=lambda page: page.stem)
def test_the_references_texts_are_those_of_the_code(page: Path) -> None:
    text = page.read_text("utf-8")
    assert "from the code -->" in text
    assert references.written(text) == text, "run 'nox -s references'"


def test_percentages_are_written_in_one_way() -> None:
    package = sorted((ROOT / "btxrd_explain").rglob("*.py"))
    assert len(package) > 100
    found = [(path.name, re.findall(r"[\d}]%|:\.?\d*%\}", path.read_text("utf-8"))) for path in (*package, *PAGES)]
    assert [(name, signs) for name, signs in found if signs] == []


def test_links_between_pages_outside_of_the_site_lead_somewhere() -> None:
    for page in PAGES:
        if page.is_relative_to(ROOT / "docs"):
            continue  # building the site checks these
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text("utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
