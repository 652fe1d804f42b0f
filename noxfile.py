from __future__ import annotations

import secrets
import shutil
from pathlib import Path

import nox
from packaging.requirements import Requirement

nox.options.default_venv_backend = "uv|virtualenv"
nox.options.sessions = ["lint", "types", "tests"]
nox.options.reuse_existing_virtualenvs = True

PROJECT = nox.project.load_toml("pyproject.toml")
PYTHONS = ["3.11", "3.12", "3.13"]
PLATFORMS = ["win32", "darwin"]
LOCK = "constraints/released.txt"
LOCKED = f"--constraint={LOCK}"
SUITE = ["pytest", "-n", "2", "--dist", "loadfile"]
NOT_LOCKED = {"CI": ""}
"""For versions other than those of the lock: what installs the lock, and what compares with it, is skipped."""


def _install(session: nox.Session, *groups: str) -> None:
    session.install("-e", ".", *nox.project.dependency_groups(PROJECT, *groups), LOCKED)


@nox.session
def lint(session: nox.Session) -> None:
    """Style, formatting and the layer contract; nothing of it imports the package."""
    session.install(*nox.project.dependency_groups(PROJECT, "lint"), LOCKED)
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("lint-imports")


@nox.session
def types(session: nox.Session) -> None:
    """Static types, strict: of package, tests and tools on this platform, and of the package on the other ones."""
    _install(session, "types")
    session.run("mypy")
    for platform in PLATFORMS:
        options = [f"--platform={platform}", f"--cache-dir=.mypy_cache/{platform}"]
        session.run("mypy", *options, "--package=btxrd_explain")


@nox.session
def tests(session: nox.Session) -> None:
    """The test suite; arguments go to pytest."""
    _install(session, "test")
    session.run(*SUITE, *session.posargs)


@nox.session(default=False)
def coverage(session: nox.Session) -> None:
    """The test suite with branch coverage, that of processes which tests start or fork included.

    Arguments go to pytest; a part of the suite need not reach the floor of the whole.
    """
    _install(session, "test")
    floor = ["--cov-fail-under=0"] if session.posargs else []
    session.run(*SUITE, "--cov", "--cov-report=term-missing:skip-covered", *floor, *session.posargs)


@nox.session(default=False)
def fuzz(session: nox.Session) -> None:
    """Mutated and made-up input in large numbers, for hours, from a new seed that is shown; arguments go to pytest.

    The laws of the core, too, are tried on more examples than the suite has.
    """
    _install(session, "test")
    seed = f"--hypothesis-seed={secrets.randbelow(2**32)}"
    tests = session.posargs or ["tests/hostile/fuzz", "tests/core"]
    session.run("pytest", seed, *tests, env={"BTXRD_EXPLAIN_FUZZ": "long"})


@nox.session(default=False)
def kills(session: nox.Session) -> None:
    """Kill every command twenty times at random moments, break its streams, and start all at once; plant files.

    Arguments go to pytest.
    """
    _install(session, "test")
    names = ("interruption/test_command_kills", "interruption/test_command_streams", "interruption/test_two_at_once")
    tests = session.posargs or [f"tests/{name}.py" for name in (*names, "hostile/test_written_names")]
    session.run("pytest", *tests, env={"BTXRD_EXPLAIN_KILLS": "20"})


@nox.session(default=False)
def docs(session: nox.Session) -> None:
    """The documentation site, with warnings as errors; its pictures come from a run of the demo."""
    _install(session, "docs")
    session.run("mkdocs", "build", "--strict", *session.posargs, env={"NO_MKDOCS_2_WARNING": "1"})


@nox.session(default=False, python=PYTHONS)
def pythons(session: nox.Session) -> None:
    """The test suite on every supported Python."""
    _install(session, "test")
    session.run(*SUITE, *session.posargs)


@nox.session(default=False, python="3.11", venv_backend="uv")
def minimums(session: nox.Session) -> None:
    """The test suite with every direct dependency at its declared lower bound; arguments go to pytest."""
    # torchvision comes by way of timm: left free, the newest is taken, and torch far above its bound with it.
    torch = next(entry for entry in PROJECT["project"]["dependencies"] if Requirement(entry).name == "torch")
    constraints = Path(session.create_tmp(), "torch.txt")
    constraints.write_text(torch.replace(">=", "~=") + ".0\n", encoding="utf-8")
    extras, groups = (
        ",".join(PROJECT["project"]["optional-dependencies"]),
        nox.project.dependency_groups(PROJECT, "test"),
    )
    session.install("--resolution=lowest-direct", f"--constraint={constraints}", "-e", f".[{extras}]", *groups)
    session.run(*SUITE, *session.posargs, env=NOT_LOCKED)


@nox.session(default=False, reuse_venv=False)
def newest(session: nox.Session) -> None:
    """The test suite with the newest versions of today, whatever the lock says; arguments go to pytest.

    What dependencies say of their own future is reported, and fails nothing; with the versions of the lock it fails.
    """
    session.install("-e", ".", *nox.project.dependency_groups(PROJECT, "test"))
    future = ("DeprecationWarning", "PendingDeprecationWarning", "FutureWarning")
    reported = [argument for category in future for argument in ("-W", f"default::{category}")]
    session.run(*SUITE, *reported, *session.posargs, env=NOT_LOCKED)


@nox.session(default=False, reuse_venv=False)
def package(session: nox.Session) -> None:
    """Build sdist and wheel, run the demo from each in a fresh environment, the tests of the sdist, and list the parts.

    Arguments go to pytest instead of the quick part of the suite that runs from the sdist.
    """
    session.install("build", "cyclonedx-bom", "uv")
    shutil.rmtree("dist", ignore_errors=True)
    session.run("python", "-m", "build")
    (sdist,), (wheel,) = Path("dist").glob("*.tar.gz"), Path("dist").glob("*.whl")
    python = _fresh(session, "wheel", wheel)
    _list_parts(session, python, wheel)
    python = _fresh(session, "sdist", sdist)
    session.run("uv", "pip", "install", "--python", python, *nox.project.dependency_groups(PROJECT, "test"), LOCKED)
    unpacked = Path(session.create_tmp()).resolve() / "unpacked"
    shutil.rmtree(unpacked, ignore_errors=True)
    shutil.unpack_archive(sdist, unpacked, filter="data")
    session.cd(next(unpacked.iterdir()))
    quick = [
        "tests/project/test_package.py",
        "tests/project/test_startup.py",
        "tests/commands/test_commands.py",
        "tests/settings/test_document.py",
    ]
    session.run(python, "-P", "-m", "pytest", *(session.posargs or quick), external=True)


def _fresh(session: nox.Session, name: str, artefact: Path) -> str:
    """Install the file alone into an environment of its own, run the demo there, and return its interpreter."""
    folder = Path(session.create_tmp()).resolve() / name
    shutil.rmtree(folder, ignore_errors=True)
    session.run("python", "-m", "venv", "--without-pip", str(folder / "venv"))
    python = str(folder / "venv" / "bin" / "python")
    session.run("uv", "pip", "install", "--python", python, str(artefact), LOCKED)
    with session.chdir(folder):
        session.run(python, "-P", "-m", "btxrd_explain", "demo", external=True)
    return python


def _list_parts(session: nox.Session, python: str, wheel: Path) -> None:
    """Write the software bill of materials of what the wheel brings along next to it; checked against its schema."""
    target = wheel.with_name("-".join(wheel.name.split("-")[:2]) + ".cdx.json")
    options = ["--pyproject", "pyproject.toml", "--output-reproducible", "--validate", "--output-file", str(target)]
    session.run("cyclonedx-py", "environment", *options, python)


@nox.session(default=False)
def lock(session: nox.Session) -> None:
    """Write constraints/ anew: the newest versions that go together, on every platform and supported Python.

    Those of all extras and groups: what tests, checks and documents the package is locked with it.
    """
    session.install("uv")
    command = ["uv", "pip", "compile", "--universal", "--no-annotate", "--custom-compile-command=nox -s lock"]
    options = ["--python-version", PYTHONS[0], "--all-extras", "--output-file", LOCK, "--upgrade"]
    groups = [f"--group={group}" for group in PROJECT["dependency-groups"]]
    session.run(*command, *options, *groups, "pyproject.toml")


@nox.session(default=False)
def audit(session: nox.Session) -> None:
    """Known vulnerabilities of the versions in constraints/; arguments go to pip-audit, as `-s osv` does.

    Strict: a version that the service does not know counts as a failure, not as free of faults.
    """
    session.install("pip-audit")
    session.run("pip-audit", "--strict", "--desc", "--no-deps", "--disable-pip", "-r", LOCK, *session.posargs)


@nox.session(default=False)
def bench(session: nox.Session) -> None:
    """Run all of benchmarks/ on a quiet machine, keep the results, and write what they say into both READMEs."""
    _install(session, "bench")
    for script in sorted(Path("benchmarks").glob("*.py")):
        if script.name not in {"report.py", "copies.py", "gpu.py"}:  # no benchmark; needs radiographs; needs a GPU
            session.run("python", str(script))
    session.run("python", "benchmarks/report.py")


@nox.session(default=False)
def demo_model(session: nox.Session) -> None:
    """Train the demo's classifier anew; the same versions give the same file."""
    _install(session)
    session.run("python", "scripts/train_demo.py", *session.posargs)


@nox.session(default=False)
def picture(session: nox.Session) -> None:
    """Draw the picture of the README anew, from a run of the demo."""
    _install(session)
    session.run("python", "scripts/readme_picture.py")


@nox.session(default=False)
def shape(session: nox.Session) -> None:
    """The sizes of modules, who imports whom, and whether each command has a room of its name, in numbers."""
    _install(session)
    session.run("python", "scripts/shape.py")


@nox.session(default=False)
def schema(session: nox.Session) -> None:
    """Write the JSON Schemas of all reports into docs/reference/ anew."""
    _install(session)
    session.run("python", "scripts/schemas.py")


@nox.session(default=False)
def references(session: nox.Session) -> None:
    """Write commands, settings, exit codes and names of facts into the pages of docs/reference/ anew."""
    _install(session)
    session.run("python", "-m", "scripts.references")


@nox.session(default=False)
def kinds(session: nox.Session) -> None:
    """Run every row of the pages of kinds in docs/reference/, and write anew what becomes of it."""
    _install(session)
    session.run("python", "-m", "scripts.kinds")
