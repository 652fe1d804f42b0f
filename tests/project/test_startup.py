"""The shell answers at once: what is heavy is imported only where it is needed."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from btxrd_explain.commands import infer
from btxrd_explain.settings import DataSettings, ModelSettings, OutputSettings, Settings
from btxrd_explain.synthetic.dataset import write_dataset

if TYPE_CHECKING:
    from pathlib import Path

HEAVY = [
    "torch",
    "torchvision",
    "timm",
    "pytorch_grad_cam",
    "matplotlib",
    "cv2",
    "PIL",
    "pyarrow",
    "openpyxl",
    "numpy",
    "pydicom",
]


def _modules_after(program: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", f"{program}\nimport sys; print('\\n' + ' '.join(sys.modules))"],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize("arguments", [["--help"], ["config"], ["--version"]], ids=" ".join)
def test_nothing_heavy_is_imported(arguments: list[str]) -> None:
    program = f"from btxrd_explain.cli import app\ntry: app({arguments!r})\nexcept SystemExit: pass"
    assert not _modules_after(program) & set(HEAVY)


_ALL_HELP = """
from btxrd_explain.cli import app
from typer.main import get_command
commands = get_command(app).commands
assert {"infer", "gallery", "annotate-iou", "demo"} <= commands.keys()
for name in commands:
    try: app([name, "--help"])
    except SystemExit as stop: assert stop.code == 0, name
"""


def test_the_help_of_no_command_imports_anything_heavy() -> None:
    assert not _modules_after(_ALL_HELP) & set(HEAVY)


_UNTIL_WORK = """
import sys
from btxrd_explain.cli import app
from btxrd_explain.commands import {workflow}
from btxrd_explain.progress import Listener
from btxrd_explain.settings import OutputSettings, Settings
from pathlib import Path

class UntilWork(Listener):
    def start(self, what, total):
        raise KeyboardInterrupt(what)

try:
    {workflow}.run(Settings(output=OutputSettings(directory=Path({folder!r}))), UntilWork())
except KeyboardInterrupt as work:
    assert str(work) == {phase!r}, work
"""


@pytest.fixture(scope="module")
def tabled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the table of a few radiographs."""
    folder = tmp_path_factory.mktemp("tabled")
    write_dataset(folder / "BTXRD", seed=0, per_class={"test": 2})
    settings = Settings(
        data=DataSettings(root=folder / "BTXRD"),
        model=ModelSettings(checkpoint="demo", device="cpu"),
        output=OutputSettings(directory=folder, overlay=False),
    )
    infer.run(settings)
    return folder


@pytest.mark.parametrize(("workflow", "phase"), [("gallery", "galleries"), ("annotate_iou", "average mask")])
def test_until_the_work_begins_nothing_is_imported_that_is_needed_only_later(
    tabled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workflow: str, phase: str
) -> None:
    """A stand-in for pandas is installed, which pyarrow would import; it is too old for pyarrow to use."""
    (tmp_path / "pandas.py").write_text("__version__ = '0.1'\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert "pandas" in _modules_after("import pyarrow; pyarrow.array([1])")
    loaded = _modules_after(_UNTIL_WORK.format(workflow=workflow, folder=str(tabled), phase=phase))
    assert not loaded & {"torch", "pandas", "matplotlib", "matplotlib.figure", "yaml"}


def test_the_package_itself_imports_nothing_heavy() -> None:
    assert not _modules_after("import btxrd_explain") & set(HEAVY)
