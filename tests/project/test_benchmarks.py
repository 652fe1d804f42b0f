"""What the README says of speed is what the benchmarks measured; and the benchmarks run."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
KEPT = sorted((ROOT / "benchmarks" / "results").glob("*.json"))


@pytest.fixture(scope="module")
def report() -> Any:  # noqa: ANN401 -- a module
    spec = importlib.util.spec_from_file_location("report", ROOT / "benchmarks" / "report.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["report"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def test_the_readmes_numbers_are_those_of_the_kept_results(report: Any) -> None:  # noqa: ANN401 -- a module
    readme = (ROOT / "README.md").read_text("utf-8")
    assert readme.count(report.START) == readme.count(report.END) == 1
    assert report.into_readme(readme) == readme


@pytest.mark.parametrize("path", KEPT, ids=lambda path: path.stem)
def test_every_page_shows_its_result(path: Path, report: Any) -> None:  # noqa: ANN401 -- a module
    assert path.with_suffix(".md").read_text("utf-8") == report.markdown(report.load(path))


def _run(folder: Path, script: str, *arguments: str) -> dict[str, Any]:
    """Run a benchmark in small, and return what it keeps."""
    command = [sys.executable, str(ROOT / "benchmarks" / f"{script}.py"), "--results", str(folder), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads((folder / f"{script}.json").read_text("utf-8"))
    assert (folder / f"{script}.md").read_text("utf-8") in done.stdout
    return result


@pytest.mark.skipif(sys.platform != "linux", reason="peaks of memory are read from /proc")
def test_the_engine_is_measured(tmp_path: Path) -> None:
    small = "--architectures test_resnet --rounds 1 --threads 1 --batches --peers grad-cam"
    result = _run(tmp_path, "engine", *small.split())
    ratios = {ratio["what"].split(": ")[1]: float(ratio["value"].split("-")[0]) for ratio in result["ratios"]}
    assert all(ratio > 0 for ratio in ratios.values())
    assert ratios["time / grad-cam, batch 1"] < 0.5


def test_the_pipeline_is_measured(tmp_path: Path) -> None:
    result = _run(tmp_path, "pipeline", "--files", "32", "--rounds", "1")
    assert {line[0] for line in result["tables"][0]["rows"]} >= {"infer", "plain loop", "decoding alone"}
    assert all(line[1] > 0 for line in result["tables"][0]["rows"])


def test_the_start_is_measured(tmp_path: Path) -> None:
    result = _run(tmp_path, "startup", "--rounds", "1", "--clock", "cpu")
    ratios = [float(ratio["value"]) for ratio in result["ratios"]]
    assert len(ratios) == 3
    assert ratios[0] < 1.3  # one round is too few for the benchmark's own 1.15
