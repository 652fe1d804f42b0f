"""A report and the files that were written with it: a mixture of two runs is noticed."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from typing import TYPE_CHECKING

import pytest

from btxrd_explain.evaluation.file_set import FileHashes, of_other_runs, read_report, write_set
from btxrd_explain.evaluation.parts import Part
from btxrd_explain.inputs.file_kinds import REPORTS
from tests.support.command_line import run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("blank_figures")


class _Report(Part):
    verdict: str
    sha256: FileHashes


def test_a_report_has_the_hashes_of_the_files_that_belong_to_it(tmp_path: Path) -> None:
    files = [tmp_path / "b.csv", tmp_path / "a.png"]
    for path in files:
        path.write_bytes(path.name.encode())
    report = write_set(tmp_path / "report.json", _Report(verdict="good", sha256={}), files)
    expected = {name: hashlib.sha256(name.encode()).hexdigest() for name in ("a.png", "b.csv")}
    assert read_report(tmp_path / "report.json") == {"verdict": "good", "sha256": expected}
    assert report.sha256 == expected


def test_a_file_of_another_run_is_noticed_and_one_that_is_gone_is_none(tmp_path: Path) -> None:
    names = ["a.png", "b.csv", "c.csv", "d.csv"]
    for name in names:
        (tmp_path / name).write_bytes(name.encode())
    report = write_set(
        tmp_path / "report.json", _Report(verdict="good", sha256={}), [tmp_path / name for name in names]
    )
    assert of_other_runs(tmp_path, report.sha256) == []
    (tmp_path / "b.csv").write_bytes(b"of another run")
    (tmp_path / "c.csv").unlink()
    (tmp_path / "d.csv").unlink()
    (tmp_path / "d.csv").mkdir()
    assert of_other_runs(tmp_path, report.sha256 | dict.fromkeys(["e\0.csv", "\ud800.csv"], "0")) == ["b.csv"]


def test_a_report_that_is_nested_too_deeply_is_damaged(tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text("[" * 200_000)
    with pytest.raises(ValueError, match=r"report\.json' is nested too deeply"):
        read_report(tmp_path / "report.json")


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such pipes")
def test_a_pipe_of_the_name_of_a_report_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "report.json")
    with pytest.raises(OSError, match="not a file"):
        read_report(tmp_path / "report.json")


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory, write_root: Callable[[Path, int], None]) -> Path:
    """The results of all commands whose reports have other files, on six radiographs."""
    folder = tmp_path_factory.mktemp("results")
    write_root(folder, 6)
    out = folder / "out"
    images = f"{folder}/BTXRD --split-csv {folder}/split.csv -c demo --image-size 128".split()
    run("infer", *images, "-o", str(out))
    run("infer", *images, "--method", "layercam", "-o", str(folder / "other"))
    run("gallery", "-o", str(out))
    run("annotate-iou", "-o", str(out))
    run("performance", "-o", str(out))
    tables = [str(place / "predictions.parquet") for place in (out, folder / "other")]
    run("compare", *tables, "-o", str(out))
    run("sanity", *images, "--sample", "2", "--stages", "2", "-o", str(out))
    run("intervene", *images, "--controls", "1", "-o", str(out))
    return out


def test_each_report_marks_all_that_its_command_wrote(results: Path) -> None:
    """Each file of the folder belongs to one report, but for the table, the journal and the reports themselves."""
    reports = {path.name: json.loads(path.read_text("utf-8")) for path in results.glob("*.json")}
    assert len(reports) == 6
    marked = [name for report in reports.values() for name in report["sha256"]]
    assert all(report["sha256"] for report in reports.values())
    apart = {"predictions.parquet", "intervention_journal.jsonl"}
    assert sorted(marked) == sorted({path.name for path in results.iterdir()} - reports.keys() - apart)
    for report in reports.values():
        assert of_other_runs(results, report["sha256"]) == []


def test_report_says_which_files_are_of_another_run(results: Path) -> None:
    said = "are not of one run: run 'btxrd-explain"
    assert said not in run("report", "-o", results).stderr
    changed = {}
    for path in sorted(results.glob("*.json")):
        name = max(json.loads(path.read_text("utf-8"))["sha256"])
        changed[path.name] = (name, (results / name).read_bytes())
        (results / name).write_bytes(changed[path.name][1] + b"\0")
    text = " ".join(run("report", "-o", results).stderr.split())
    assert text.count(said) == len(changed) == 6
    for document, (name, content) in changed.items():
        (results / name).write_bytes(content)
        assert f"'{results / document}' and '{name}' {said} {REPORTS[document]}' again" in text
    (results / "gallery.json").write_text('{"sha256": ["damaged"]}')
    assert said not in run("report", "-o", results).stderr
