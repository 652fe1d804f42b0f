"""The report of an audit: the worst first, and counts by split, class and kind."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from btxrd_explain.commands.check.report import build_report, in_order_of_kinds
from btxrd_explain.commands.check.schema import Published
from btxrd_explain.finding import KINDS, SEVERITIES, Finding
from btxrd_explain.settings.sources import settings_of


def _entry(label: str | None, split: str | None) -> Any:  # noqa: ANN401 -- an entry
    return SimpleNamespace(known=SimpleNamespace(label=label, split=split))


def _image(**facts: Any) -> Any:  # noqa: ANN401 -- an image
    usual: dict[str, Any] = {"sha256": "ab", "drawn": None, "header": SimpleNamespace(format="JPEG", mode="L")}
    return SimpleNamespace(**usual | facts)


def _report(entries: list[Any], images: list[Any], findings: list[Finding], **tables: Any) -> Any:  # noqa: ANN401
    usual: dict[str, Any] = {"table": None, "split_csv": None, "patient_column": None}
    survey: Any = SimpleNamespace(entries=entries, tables=SimpleNamespace(**usual | tables))
    published = Published(compared=False, counts=[])
    counted: Any = SimpleNamespace(counts={"annotations": 2}, document=lambda: published)
    return build_report(survey, images, counted, findings, settings_of({"check.similarity": 0.75}))


ERROR, WARNING, NOTE = (
    Finding.of(next(code for code, kind in KINDS.items() if kind.severity == severity), str(severity), ["b.png"])
    for severity in ("error", "warning", "note")
)


def test_findings_are_sorted_by_severity_kind_image_and_text() -> None:
    first = Finding.of(ERROR.code, "a", ["a.png"])
    later = Finding.of(ERROR.code, "z", ["b.png"])
    assert in_order_of_kinds([NOTE, later, WARNING, ERROR, first]) == [first, ERROR, later, WARNING, NOTE]
    order = [finding.severity for finding in in_order_of_kinds(Finding.of(code, "x") for code in [*KINDS][::-1])]
    assert order == sorted(order, key=SEVERITIES.index)


def test_every_severity_is_counted_also_where_there_is_none() -> None:
    report = _report([], [], [ERROR, ERROR, NOTE])
    assert {str(name): count for name, count in report.num_findings.items()} == {"error": 2, "warning": 0, "note": 1}
    assert {name: kind.count for name, kind in report.kinds.items()} == {ERROR.code: 2, NOTE.code: 1}
    assert report.kinds[ERROR.code].advice == KINDS[ERROR.code].advice


def test_images_are_counted_by_split_and_class() -> None:
    entries = [
        _entry("Normal", "test"),
        _entry("Benign", "test"),
        _entry("Benign", "test"),
        _entry(None, "train"),
        _entry("Benign", None),
        _entry("Mass=1|Edema=1", "train"),
        _entry("Mass=0|Edema=0", "train"),
    ]
    assert _report(entries, [], []).splits == {
        "": {"Benign": 1},
        "test": {"Benign": 2, "Normal": 1},
        "train": {"": 1, "Edema": 1, "Mass": 1, "none": 1},
    }


def test_files_are_counted_by_format_and_those_that_cannot_be_read_apart() -> None:
    images = [
        _image(),
        _image(),
        _image(header=SimpleNamespace(format="PNG", mode="RGB")),
        _image(header=None, sha256=None),
    ]
    report = _report([], images, [])
    assert report.stored_as == {"JPEG L": 2, "PNG RGB": 1, "unknown": 1}
    assert (report.num_images, report.num_unreadable, report.num_annotations) == (4, 1, 2)
    assert report.near_duplicates.min_correlation == 0.75


@pytest.mark.parametrize(("both", "twice"), [([True, True, False], True), ([True, False, False], False), ([], False)])
def test_a_data_set_draws_lesions_twice_where_half_of_its_annotations_do(both: list[bool], twice: bool) -> None:
    drawn = [_image(drawn=SimpleNamespace(counts={"polygon": 1}, in_both_ways=one)) for one in both]
    without = [_image(), _image(drawn=SimpleNamespace(counts={}, in_both_ways=False))]
    assert _report([], [*drawn, *without], []).sources.lesions_drawn_twice is twice


def test_tables_are_named_as_seen_from_the_report(tmp_path: Path) -> None:
    table = tmp_path / "dataset.xlsx"
    report = _report([], [], [], table=table, split_csv=Path("split.csv"), patient_column="patient")
    assert report.sources.table is not None
    assert report.sources.table.endswith("dataset.xlsx")
    assert report.sources.patient_column == "patient"
    assert report.document()["schema_version"] == 2
