from __future__ import annotations

import os
import secrets
import shutil
from pathlib import Path

import nox

nox.options.default_venv_backend = "uv|virtualenv"
nox.options.sessions = ["lint", "types", "tests"]
nox.options.reuse_existing_virtualenvs = True

PROJECT = nox.project.load_toml("pyproject.toml")
PYTHONS = ["3.11", "3.12", "3.13"]


def _install(session: nox.Session, *groups: str) -> None:
    session.install("-e", ".", *nox.project.dependency_groups(PROJECT, *groups))


@nox.session
def lint(session: nox.Session) -> None:
    """Style, formatting and the layer contract; nothing of it imports the package."""
    session.install(*nox.project.dependency_groups(PROJECT, "lint"))
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("lint-imports")


@nox.session
def types(session: nox.Session) -> None:
    """Static types, strict."""
    _install(session, "types")
    session.run("mypy")


@nox.session
def tests(session: nox.Session) -> None:
    """The test suite; arguments go to pytest."""
    _install(session, "test")
    session.run("pytest", *session.posargs)


@nox.session(default=False)
def coverage(session: nox.Session) -> None:
    """The test suite with branch coverage."""
    _install(session, "test")
    session.run("pytest", "--cov", "--cov-report=term-missing:skip-covered", *session.posargs)


@nox.session(default=False)
def fuzz(session: nox.Session) -> None:
    """Mutated and made-up input in large numbers, for hours, from a new seed that is shown; arguments go to pytest."""
    _install(session, "test")
    seed = f"--hypothesis-seed={secrets.randbelow(2**32)}"
    session.run("pytest", seed, *(session.posargs or ["tests/fuzz"]), env={"BTXRD_EXPLAIN_FUZZ": "long"})


@nox.session(default=False)
def docs(session: nox.Session) -> None:
    """The documentation site, with warnings as errors; its pictures come from a run of the demo."""
    _install(session, "docs")
    session.run("mkdocs", "build", "--strict", *session.posargs, env={"NO_MKDOCS_2_WARNING": "1"})


@nox.session(default=False, python=PYTHONS)
def pythons(session: nox.Session) -> None:
    """The test suite on every supported Python."""
    _install(session, "test")
    session.run("pytest", *session.posargs)


@nox.session(default=False)
def package(session: nox.Session) -> None:
    """Build wheel and sdist, install the wheel in a fresh environment and run the demo from it."""
    session.install("build")
    shutil.rmtree("dist", ignore_errors=True)
    session.run("python", "-m", "build")
    (wheel,) = [name for name in os.listdir("dist") if name.endswith(".whl")]  # noqa: PTH208 -- names suffice
    session.install("--force-reinstall", "--no-deps", f"dist/{wheel}")
    session.install(f"dist/{wheel}")
    session.cd(session.create_tmp())
    session.run("btxrd-explain", "demo")


@nox.session(default=False)
def bench(session: nox.Session) -> None:
    """Run all of benchmarks/ on a quiet machine, keep the results, and put their ratios into the README."""
    _install(session, "bench")
    for script in sorted(Path("benchmarks").glob("*.py")):
        if script.name != "report.py":
            session.run("python", str(script))
    session.run("python", "benchmarks/report.py")


@nox.session(default=False)
def demo_model(session: nox.Session) -> None:
    """Train the demo's classifier anew; the same versions give the same file."""
    _install(session)
    session.run("python", "-m", "btxrd_explain.synthetic.train", *session.posargs)


@nox.session(default=False)
def schema(session: nox.Session) -> None:
    """Write the JSON Schema of annotation_report.json anew, in the package and in the documentation."""
    _install(session)
    program = "from btxrd_explain.workflows.evaluation.schema import report_schema; print(report_schema(), end='')"
    text = session.run("python", "-c", program, silent=True)
    for folder in ("btxrd_explain/workflows/evaluation", "docs/reference"):
        Path(folder, "annotation_report.schema.json").write_text(str(text), encoding="utf-8")
