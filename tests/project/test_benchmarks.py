"""What is said of speed is what the benchmarks measured; and the benchmarks run.

How fast anything is cannot be tested next to other work. The benchmarks compare it; here they run in small, and what
they keep must follow from what they timed.
"""

from __future__ import annotations

import importlib.util
import json
import os
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
    assert report.GOALS.read_text("utf-8") == report.goals()


def test_the_readme_says_only_what_was_measured(report: Any, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ANN401
    monkeypatch.setattr(report, "GAINS", ("{never measured} times",))
    with pytest.raises(KeyError, match="never measured"):
        report.gains()


@pytest.mark.parametrize(("values", "shown"), [([0.5], "0.50"), ([0.031, 0.034], "0.03"), ([2, 0.1], "0.10-2.00")])
def test_a_span_that_is_none_is_one_number(values: list[float], shown: str, report: Any) -> None:  # noqa: ANN401
    assert report.span(values) == shown


@pytest.mark.parametrize("path", KEPT, ids=lambda path: path.stem)
def test_every_page_shows_its_result(path: Path, report: Any) -> None:  # noqa: ANN401 -- a module
    assert path.with_suffix(".md").read_text("utf-8") == report.markdown(report.load(path))


_FORKING = """
import multiprocessing, os, pathlib, runpy, sys
os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"  # a process with threads is not forked
import cv2, timm, torch
cv2.setNumThreads(1)
get_context = multiprocessing.get_context
multiprocessing.get_context = lambda method: get_context("fork" if method == "spawn" else method)
sys.argv.pop(0)
sys.path[0] = str(pathlib.Path(sys.argv[0]).parent)
runpy.run_path(sys.argv[0], run_name="__main__")
"""
"""Runs a script whose processes are forked with torch, where each would else import it."""


def _run(folder: Path, script: str, *arguments: str, forking: bool = False) -> dict[str, Any]:
    """Run a benchmark in small, and return what it keeps."""
    path = str(ROOT / "benchmarks" / f"{script}.py")
    start = ["-c", _FORKING, path] if forking and hasattr(os, "fork") else [path]
    command = [sys.executable, *start, "--results", str(folder), *arguments]
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
    rows = {row[0]: row[1] for row in result["tables"][1]["rows"]}
    (other,) = [name for name in rows if name.startswith("grad-cam")]
    ours = [value for name, value in rows.items() if name.startswith("ours")]
    assert ratios["time / grad-cam, batch 1"] in [pytest.approx(each / rows[other], abs=0.005) for each in ours]
    assert all(ratio > 0 for ratio in ratios.values())


def test_the_pipeline_is_measured(tmp_path: Path) -> None:
    result = _run(tmp_path, "pipeline", "--files", "8", "--rounds", "1", forking=True)
    rates = dict(result["tables"][0]["rows"])
    bound = rates.pop("1 / (1 / decoding alone + 1 / network alone)")
    assert rates.keys() == {"infer", "plain loop", "decoding alone", "network alone"}
    assert bound == pytest.approx(1 / (1 / rates["decoding alone"] + 1 / rates["network alone"]))
    of_bound, of_loop = (float(ratio["value"]) for ratio in result["ratios"])
    assert of_bound == pytest.approx(rates["infer"] / bound, abs=0.005)
    assert of_loop == pytest.approx(rates["infer"] / rates["plain loop"], abs=0.005)


def test_the_start_is_measured(tmp_path: Path) -> None:
    result = _run(tmp_path, "startup", "--rounds", "1", "--clock", "cpu", "--no-demo")
    took = dict(result["tables"][0]["rows"])
    assert len(result["ratios"]) == 4
    for ratio in result["ratios"]:
        what, compared = ratio["what"].split(" / ")
        assert float(ratio["value"]) == pytest.approx(took[what] / took[compared], abs=0.005)
