"""What runs on a GPU says the same as on the CPU."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from btxrd_explain.core.cam import NATIVE
from btxrd_explain.core.methods import METHODS
from btxrd_explain.predictions.table import open_table
from btxrd_explain.synthetic import demo_checkpoint
from btxrd_explain.synthetic.dataset import write_dataset
from tests.support.command_line import run

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("gpu") / "BTXRD"
    write_dataset(root, seed=4, per_class={"test": 4})
    return root


def output(data: Path, command: str, out: Path, device: str, *arguments: str) -> str:
    places = ["--root", data, "--split-csv", data / "split.csv", "-c", demo_checkpoint(), "-o", out]
    words = [command, *map(str, places), "--device", device, *arguments]
    result = run(*words)
    return result.stdout


def rows_of(out: Path) -> list[Any]:
    return list(open_table(out / "predictions.parquet").rows())


def on_both(data: Path, folder: Path, method: str) -> list[tuple[Any, Any]]:
    for device in ("cpu", "cuda"):
        output(data, "infer", folder / device, device, "--method", method)
    return list(zip(rows_of(folder / "cpu"), rows_of(folder / "cuda"), strict=True))


@pytest.mark.parametrize("method", NATIVE)
def test_own_methods(data: Path, tmp_path: Path, method: str) -> None:
    for here, there in on_both(data, tmp_path, method):
        assert (here.image_id, here.grid_statuses) == (there.image_id, there.grid_statuses)
        np.testing.assert_allclose(there.probabilities, here.probabilities, atol=2e-3)
        scale = np.abs(here.grids).max()
        np.testing.assert_allclose(there.grids / scale, here.grids / scale, atol=2e-2)


@pytest.mark.parametrize("method", [name for name in METHODS if name not in NATIVE])
def test_methods_of_the_library(data: Path, tmp_path: Path, method: str) -> None:
    for here, there in on_both(data, tmp_path, method):
        np.testing.assert_allclose(there.probabilities, here.probabilities, atol=2e-3)
        for one, other in zip(here.grids, there.grids, strict=True):
            # TF32's rounding can turn a principal component round, which has no sign of its own.
            assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) > 0.95


@pytest.mark.parametrize("options", [("--compile",), ("--precision", "bf16"), ("--precision", "fp16")])
def test_faster_ways(data: Path, tmp_path: Path, options: tuple[str, ...]) -> None:
    output(data, "infer", tmp_path / "plain", "cuda")
    output(data, "infer", tmp_path / "fast", "cuda", *options)
    for exact, fast in zip(rows_of(tmp_path / "plain"), rows_of(tmp_path / "fast"), strict=True):
        np.testing.assert_allclose(fast.probabilities, exact.probabilities, atol=0.05)


def test_interventions(data: Path, tmp_path: Path) -> None:
    words = ("--controls", "5", "--json")
    here, there = (json.loads(output(data, "intervene", tmp_path / name, name, *words)) for name in ("cpu", "cuda"))
    assert there["num_with_lesion"] == here["num_with_lesion"] > 0
    effects = [report["summary"]["overall"]["effects"] for report in (here, there)]
    for name in ("lesion", "control", "border", "background"):
        means = [each[name]["log_odds"]["mean"] for each in effects]
        assert means[1] == pytest.approx(means[0], abs=2e-2), name


def test_randomised_weights(data: Path, tmp_path: Path) -> None:
    for device in ("cpu", "cuda"):
        output(data, "sanity", tmp_path / device, device)
        assert (tmp_path / device / "sanity_report.json").exists()
