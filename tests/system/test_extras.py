"""How extras are installed: by the names of their packages, which every index knows."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from btxrd_explain.system.extras import to_install

REQUIRED = [
    "numpy>=2",
    "ray[data]>=2.54; extra == 'ray'",
    'pydicom>=3; extra == "dicom"',
    'pylibjpeg; extra == "dicom"',
]


def test_the_packages_of_an_extra_are_named_and_no_others() -> None:
    assert to_install("ray", REQUIRED) == "python -m pip install 'ray[data]>=2.54'"
    assert to_install("dicom", REQUIRED) == "python -m pip install 'pydicom>=3' 'pylibjpeg'"


def test_pipx_injects_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "prefix", str(Path("/home/me/.local/share/pipx/venvs/btxrd-explain")))
    assert to_install("ray", REQUIRED) == "pipx inject btxrd-explain 'ray[data]>=2.54'"


@pytest.mark.parametrize("extra", ["ray", "dicom", "captum", "transformers"])
def test_the_extras_of_this_package_are_read_by_a_shell(extra: str) -> None:
    command = to_install(extra).partition(" install ")[2]
    shown = subprocess.run(["bash", "-c", f"printf '%s\\n' {command}"], capture_output=True, text=True, check=True)
    names = [Requirement(line).name for line in shown.stdout.splitlines()]
    assert names
    assert extra in {"ray", "captum", "transformers"} or "pydicom" in names
