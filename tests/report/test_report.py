"""The report without a browser: what it holds, where it lies, and what it takes from an evaluation."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from btxrd_explain.commands import annotate_iou, report
from btxrd_explain.commands.report import earlier, writing
from btxrd_explain.commands.report.document import describe
from btxrd_explain.core.choices import ResizeMode
from btxrd_explain.core.geometry import Size
from btxrd_explain.errors import OutputError
from btxrd_explain.evaluation import evaluate, scoring
from btxrd_explain.inputs.btxrd import Metadata
from btxrd_explain.predictions.store import write_table
from btxrd_explain.progress import Listener
from btxrd_explain.settings import ReportSettings
from btxrd_explain.system.threads import in_order
from tests.support.command_line import run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.report.conftest import Case

pytestmark = pytest.mark.usefixtures("blank_figures")


def _data(page: Path) -> dict[str, Any]:
    (text,) = re.findall(r'<script type="application/json" id="report-data">(.*?)</script>', page.read_text())
    data: dict[str, Any] = json.loads(text)
    return data


class _Notes(Listener):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, message: str) -> None:
        self.notes.append(message)

    def failed(self, image_id: str, what: str, reason: str) -> None:
        self.notes.append(f"{what}: {image_id}: {reason}")


@pytest.fixture
def fresh(make_case: Callable[..., Case], tmp_path: Path) -> Case:
    return make_case(tmp_path)


def test_every_score_is_that_of_annotate_iou(fresh: Case) -> None:
    rows = {row["id"]: row for row in _data(fresh.write())["rows"]}
    evaluated = annotate_iou.run(fresh.settings()).report.document()["per_image"]
    assert len(evaluated) >= 5
    for image in evaluated:
        row = rows[image["image_id"]]
        assert (row["iou"], row["dice"], row["hit"], row["energy"]) == (
            image["iou"],
            image["dice"],
            image["pointing_hit"],
            image["energy_in_mask"],
        )
    assert {name for name, row in rows.items() if row["iou"] is None} >= {"zz-unreadable.png"}


def test_the_evaluation_of_the_same_radiographs_is_taken_over(fresh: Case) -> None:
    """It knows baselines, which the report does not measure itself."""
    named = "Baselines that know nothing of the classifier are scored alike"

    def status(page: Path) -> str:
        (point,) = [point for point in _data(page)["checklist"] if point["item"] == named]
        return str(point["status"])

    assert status(fresh.write()) == "not met"
    annotate_iou.run(fresh.settings())
    assert status(fresh.write()) == "met"


def test_another_evaluation_is_not_taken_over_and_a_note_says_so(fresh: Case) -> None:
    annotate_iou.run(fresh.settings())
    listener = _Notes()
    page = report.run(fresh.settings(annotation={"threshold": 0.3}), listener).page
    assert any("is not taken into account (threshold 0.5, here 0.3" in note for note in listener.notes)
    assert _data(page)["protocol"]["threshold"] == 0.3
    (fresh.folder / "results" / "annotation_report.json").write_text("{}")
    listener = _Notes()
    report.run(fresh.settings(), listener)
    assert any("damaged" in note for note in listener.notes)


def test_beyond_the_limit_there_is_a_folder_and_below_it_none(fresh: Case) -> None:
    folder = fresh.folder / "results" / "report_files"
    assert report.run(fresh.settings(report=ReportSettings(file_limit=0))).folder == folder
    (edition,) = folder.iterdir()
    names = {path.relative_to(edition).as_posix() for path in edition.rglob("*.*")}
    assert {"details/000000.js", "pictures/000000.jpg", "thumbnails/000011.jpg"} <= names
    assert "details-0" not in (page := fresh.folder / "results" / "report.html").read_text()
    assert report.run(fresh.settings(report=ReportSettings(layout="folder"))).folder == folder
    assert report.run(fresh.settings()).folder is None
    assert not folder.exists()
    assert "picture-11" in page.read_text()
    assert [path.name for path in page.parent.iterdir() if path.name.startswith(".")] == []


def test_a_folder_of_which_a_killed_process_removed_a_part_is_written_again(fresh: Case) -> None:
    """It has the name of the folder that the page needs again."""
    page = fresh.write(layout="folder")
    (edition,) = page.with_name("report_files").iterdir()
    files = {path: path.read_bytes() for path in edition.rglob("*.*")}
    (edition / "pictures" / "000000.jpg").unlink()
    (edition / "details" / "000000.js").write_bytes(b"")
    fresh.write(layout="folder")
    assert {path: path.read_bytes() for path in edition.rglob("*.*")} == files


def test_a_folder_of_somebody_else_is_never_touched(fresh: Case) -> None:
    folder = fresh.folder / "results" / "report_files"
    folder.mkdir()
    (folder / "thesis.txt").write_text("years of work")
    for layout in ("file", "folder"):
        with pytest.raises(OutputError, match="is in the way"):
            fresh.write(layout=layout)
    assert (folder / "thesis.txt").read_text() == "years of work"


def test_without_labels_and_annotations_there_is_still_a_page(fresh: Case) -> None:
    bare = [replace(row, label=None) for row in fresh.rows]
    write_table(fresh.folder / "results" / "predictions.parquet", fresh.provenance, bare)
    shutil.rmtree(fresh.folder / "BTXRD" / "Annotations")
    data = _data(fresh.write())
    assert [tile["label"] for tile in data["tiles"]] == ["Radiographs"]
    assert (data["performance"], data["slices"], data["figures"]) == ([], [], [])
    assert data["excluded"] == [
        {"reason": "no known true class", "count": 12},
        {"reason": "no prediction", "count": 1},
    ]


def test_a_report_that_fails_leaves_the_old_one(fresh: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    page = fresh.write()
    before = page.read_bytes()

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(writing, "write_page", fail)
    with pytest.raises(OutputError, match="No space left"):
        report.run(fresh.settings())
    assert page.read_bytes() == before
    assert [path.name for path in page.parent.iterdir() if path.name.startswith(".")] == []


def test_a_radiograph_that_is_gone_is_told_and_stops_nothing(fresh: Case) -> None:
    (fresh.folder / "BTXRD" / "images" / "IMG000001.png").unlink()
    listener = _Notes()
    result = report.run(fresh.settings(), listener)
    assert (result.images, result.shown) == (13, 11)
    assert any(note.startswith("not shown: IMG000001.png: cannot read '") for note in listener.notes)
    row = _data(result.page)["rows"][1]
    assert row["thumbnail"] is None
    assert "IMG000001.png" in row["error"]
    assert row["iou"] is not None  # table and annotation are enough


def test_the_same_input_gives_the_same_page(fresh: Case) -> None:
    assert fresh.write().read_bytes() == fresh.write().read_bytes()


def test_a_table_of_nothing_but_failures_still_gives_a_page(fresh: Case) -> None:
    write_table(fresh.folder / "results" / "predictions.parquet", fresh.provenance, fresh.rows[-1:])
    data = _data(fresh.write())
    assert [row["error"] for row in data["rows"]] == ["it is empty"]


def test_json_says_what_was_written(case: Case) -> None:
    result = run("report", "-o", case.folder / "results", "--json", code=1)
    page = case.folder / "results" / "report.html"
    failed = {case.rows[-1].image_id: "it is empty"}
    assert json.loads(result.stdout) == {"page": str(page), "folder": None, "images": 13, "shown": 12, "failed": failed}


def test_columns_become_facts_tags_and_filters(tmp_path: Path) -> None:
    cells = [
        {"image_id": f"{n}.png", "site": "AB"[n % 2], "age": str(n), "hand": str(n % 2), "same": "x", "note": f"n {n}"}
        for n in range(20)
    ]
    metadata = Metadata(tmp_path, {row["image_id"]: row for row in cells})
    described = describe(metadata, ["3.png", *(row["image_id"] for row in cells), "absent.png"])
    assert described.columns == ({"name": "site", "numeric": False}, {"name": "age", "numeric": True})
    assert described.facts[0] == {"site": "B", "age": "3", "same": "x", "note": "n 3"}
    assert described.tags[0] == ("hand",)
    assert (described.facts[-1], described.tags[-1]) == ({}, ())


def test_a_current_table_needs_no_torch(case: Case) -> None:
    program = (
        "import sys; from btxrd_explain.cli import app\n"
        f"try: app(['report', '-o', {str(case.folder / 'results')!r}, '--quiet'])\n"
        "except SystemExit as end: assert end.code == 1, end.code\n"
        "assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "report.html" in done.stdout


def test_what_the_network_did_not_see_is_counted_and_said(make_case: Callable[..., Case], tmp_path: Path) -> None:
    case = make_case(tmp_path, resize=ResizeMode.CROP)
    annotate_iou.run(case.settings())
    table = pq.read_table(case.folder / "results" / "annotation_metrics.parquet").to_pylist()
    rows = {row["image_id"]: row for row in table if row["excluded"] is None}
    for image_id, row in rows.items():
        mask = case.masks[image_id]
        window = case.provenance.preprocessing.frame(Size(*mask.shape)).window_seen
        assert row["seen_fraction"] == pytest.approx(mask[window].size / mask.size)
        assert row["lesion_seen_fraction"] == pytest.approx(mask[window].sum() / mask.sum())
    cut = sum(row["lesion_seen_fraction"] < 1 for row in rows.values())
    assert cut > 0
    document = json.loads((case.folder / "results" / "annotation_report.json").read_text("utf-8"))
    (limit,) = [one for one in document["limits"] if one.startswith("The network saw a part")]
    assert f"not all of the lesions in {cut} of {len(rows)} images" in limit
    scored = [row for row in rows.values() if row["iou"] is not None]
    assert set(document["qualitative"]) == {row["class"] for row in scored}
    for name, words in document["qualitative"].items():
        own = [row for row in scored if row["class"] == name]
        assert f"the hottest pixel in {sum(row['pointing_hit'] for row in own)} of {len(own)} images" in words
        assert f"covers {100 * np.median([row['region_share'] for row in own]):.1f} % of the image" in words


def test_scores_of_annotate_iou_are_not_measured_again(fresh: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page is the same, byte for byte, as one whose scores are measured."""
    annotate_iou.run(fresh.settings())
    with monkeypatch.context() as patched:
        patched.setattr(earlier, "_scores", lambda _: None)
        measured = fresh.write().read_bytes()
    monkeypatch.setattr(scoring, "measure", None)  # whoever calls it fails
    listener = _Notes()
    assert report.run(fresh.settings(), listener).page.read_bytes() == measured
    (said,) = [note for note in listener.notes if "annotation_metrics.parquet" in note]
    assert re.fullmatch(r"\d+ scores are taken from '.*annotation_metrics.parquet'", said)


def test_masks_are_kept_for_the_page_alone(fresh: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are as large as the radiographs, and many scores may wait for that of a slow one."""
    waiting: list[Any] = []

    def spied(*args: Any, **named: Any) -> Iterator[Any]:  # noqa: ANN401 -- those of in_order
        for found in in_order(*args, **named):
            waiting.append(found)
            yield found

    monkeypatch.setattr(evaluate, "in_order", spied)
    annotate_iou.run(fresh.settings())
    scored = [one for found in waiting if isinstance(found, list) for one in found]
    assert len(scored) == len(fresh.rows)
    assert all(one.lesions is None for one in scored)


def test_where_annotations_lie_does_not_make_another_protocol(fresh: Case) -> None:
    """They are found beside the images, and may be named as well."""
    annotate_iou.run(fresh.settings())
    listener = _Notes()
    named = {"annotations": fresh.folder / "BTXRD" / "Annotations"}
    page = report.run(fresh.settings(data=named), listener).page
    assert not any("not taken into account" in note for note in listener.notes)
    assert _data(page)["slices"]
    assert any(re.fullmatch(r"\d+ scores are taken from .*", note) for note in listener.notes)


def _notes(fresh: Case, **sections: Any) -> tuple[list[dict[str, Any]], bool]:  # noqa: ANN401 -- any section
    """Return the slices of a new page, and whether it was said that the report on disk does not fit."""
    listener = _Notes()
    slices = _data(report.run(fresh.settings(**sections), listener).page)["slices"]
    return slices, any("not taken into account" in note for note in listener.notes)


def test_slices_and_groups_that_are_asked_for_are_shown(fresh: Case) -> None:
    """A report on disk without them does not stand in for them; one with more is welcome."""
    wanted = {"evaluation": {"by": ["center"]}}
    annotate_iou.run(fresh.settings())
    slices, said = _notes(fresh, **wanted)
    assert said
    assert {"2", "3"} == {one["name"] for one in slices if one["group"] == "center"}
    assert _notes(fresh, evaluation={"group_column": "center"})[1]
    annotate_iou.run(fresh.settings(evaluation={"by": ["center"], "group_column": "center"}))
    assert not _notes(fresh, **wanted)[1]
    assert not _notes(fresh)[1]


def test_labels_that_move_no_score_still_make_another_report(fresh: Case) -> None:
    """The maps of the predicted class score the same whatever is true, and its slices by class do not."""
    path, predicted = fresh.folder / "results" / "predictions.parquet", {"annotation": {"target_class": "predicted"}}
    normal = np.array([0.8, 0.1, 0.1], np.float32)
    rows = [row if row.probabilities is None else replace(row, probabilities=normal) for row in fresh.rows]
    write_table(path, fresh.provenance, rows)
    annotate_iou.run(fresh.settings(**predicted))
    assert not _notes(fresh, **predicted)[1]
    others = [replace(row, label="Malignant" if row.label == "Benign" else row.label) for row in rows]
    write_table(path, fresh.provenance, others)
    slices, said = _notes(fresh, **predicted)
    assert said
    assert "Benign" not in {one["name"] for one in slices}


def test_what_has_changed_since_is_measured_anew_and_said(fresh: Case) -> None:
    """One annotation is moved; then the rule is another one, and last the table of scores is not of the report."""
    evaluated = annotate_iou.run(fresh.settings()).report.document()["per_image"]
    moved = next(image["image_id"] for image in evaluated if image["iou"])
    path = fresh.folder / "BTXRD" / "Annotations" / moved.replace(".png", ".json")
    content = json.loads(path.read_text())
    content["shapes"][0]["points"] = [[x + 3, y + 2] for x, y in content["shapes"][0]["points"]]
    path.write_text(json.dumps(content))

    def written(**sections: Any) -> tuple[dict[str, Any], list[str]]:  # noqa: ANN401 -- any section
        listener = _Notes()
        rows = {row["id"]: row for row in _data(report.run(fresh.settings(**sections), listener).page)["rows"]}
        return rows, [note for note in listener.notes if "annotation_metrics" in note]

    rows, (said,) = written()
    why = "as they are not there with the same map, lesions, settings and releases"
    anew = f"{len(evaluated) - 1} scores are taken from '.*'; 1 are measured anew, {why}"
    assert re.fullmatch(anew, said)
    _, (said,) = written(annotation={"threshold": 0.3})
    assert said.startswith("0 scores are taken from")
    (fresh.folder / "results" / "annotation_metrics.parquet").write_bytes(b"PAR1")
    unread, (said,) = written()
    assert "are not of one run" in said
    assert unread == rows
    assert annotate_iou.run(fresh.settings()).report.document()["per_image"] != evaluated
    assert written()[0] == rows
