"""The shell answers at once: what is heavy is imported only where it is needed."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

HEAVY = ["torch", "torchvision", "timm", "pytorch_grad_cam", "matplotlib", "cv2", "PIL", "pyarrow", "openpyxl", "numpy"]


def _modules_after(program: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", f"{program}\nimport sys; print('\\n' + ' '.join(sys.modules))"],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize("arguments", [["--help"], ["infer", "--help"], ["config"], ["--version"]], ids=" ".join)
def test_nothing_heavy_is_imported(arguments: list[str]) -> None:
    program = f"from btxrd_explain.cli import app\ntry: app({arguments!r})\nexcept SystemExit: pass"
    assert not _modules_after(program) & set(HEAVY)


def test_the_package_itself_imports_nothing_heavy() -> None:
    assert not _modules_after("import btxrd_explain") & set(HEAVY)


def _seconds(*command: str) -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, *command], capture_output=True, check=True)
    return time.perf_counter() - started


def test_help_takes_a_quarter_of_the_time_of_importing_torch() -> None:
    """Side by side, the best of three each: times on shared machines are noisy."""
    ours, torch = [], []
    for _ in range(3):
        ours.append(_seconds("-m", "btxrd_explain", "--help"))
        torch.append(_seconds("-c", "import torch"))
    assert min(ours) < min(torch) / 4
