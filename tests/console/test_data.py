"""What `check`, `merge` and `import-maps` show."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from btxrd_explain.console.data import show_check, show_import_maps, show_merge
from btxrd_explain.settings import load_settings


class _Terminal:
    """Keeps what is shown.

    Args:
        json: Whether JSON is asked for.
    """

    def __init__(self, *, json: bool = False) -> None:
        self.json = json
        self.lines: list[str] = []
        self.tables: list[list[list[str]]] = []
        self.documents: list[Any] = []

    def print(self, text: str) -> None:
        self.lines.append(text)

    def print_path(self, what: str, path: Path) -> None:
        self.lines.append(f"{what}: {path}")

    def print_next(self, command: str) -> None:
        self.lines.append(f"next: {command}")

    def print_table(self, header: list[str], rows: list[list[str]]) -> None:
        self.tables.append([header, *rows])

    def print_json(self, document: object) -> None:
        self.documents.append(document)

    def failed(self, image_id: str, status: str, error: str) -> None:
        self.lines.append(f"failed: {image_id} ({status}): {error}")


def _kind(count: int, severity: str) -> Any:  # noqa: ANN401 -- a kind
    return SimpleNamespace(count=count, severity=severity, meaning="what it means", advice="what to do")


def _check(**facts: Any) -> Any:  # noqa: ANN401 -- a result
    codes = ["a"] * 5 + ["b"]
    findings = [SimpleNamespace(code=code, message=f"{code}{number}") for number, code in enumerate(codes)]
    usual: dict[str, Any] = {
        "num_images": 7,
        "num_annotations": 3,
        "num_findings": {"error": 1, "warning": 5, "note": 0},
        "splits": {"test": {"Normal": 2, "": 1}, "": {"Benign": 4}},
        "published": SimpleNamespace(compared=False, counts=[]),
        "kinds": {"a": _kind(5, "warning"), "b": _kind(1, "error")},
    }
    report = SimpleNamespace(**usual | facts)
    report.document = lambda: {"num_images": report.num_images}
    return SimpleNamespace(report=report, findings=findings, document=Path("check_report.json"), groups=None)


def _shown(show: Any, *arguments: Any, json: bool = False) -> Any:  # noqa: ANN401 -- any result
    terminal: Any = _Terminal(json=json)
    show(terminal, *arguments)
    return terminal


def test_of_each_kind_the_first_findings_are_shown_and_the_rest_counted() -> None:
    shown = _shown(show_check, _check())
    table = shown.tables[-1]
    assert table[1] == ["5", "warning a: what it means"]
    assert [row[1] for row in table[2:7]] == ["- a0", "- a1", "- a2", "- and 2 more", "What to do: what to do."]
    assert ["1", "error b: what it means"] in table
    assert ["", "- b5"] in table
    assert "found: 1 error, 5 warnings, 0 notes" in shown.lines
    assert shown.lines[0] == "7 radiographs, 3 of them annotated"


def test_splits_are_a_table_of_classes_with_their_sums() -> None:
    header, *rows = _shown(show_check, _check()).tables[0]
    assert header == ["split", "no label", "Benign", "Normal", "all"]
    assert rows == [["test", "1", "0", "2", "3"], ["no split", "0", "4", "0", "4"]]


def test_a_data_set_without_splits_and_labels_has_no_such_table() -> None:
    result = _check(splits={"": {"": 7}})
    result.findings = []
    assert _shown(show_check, result).tables == []


def test_counts_that_are_not_the_published_ones_are_shown() -> None:
    counts = [SimpleNamespace(what=what, found=found, published=9) for what, found in (("images", 9), ("hips", 8))]
    shown = _shown(show_check, _check(published=SimpleNamespace(compared=True, counts=counts)))
    assert "1 of 2 counts are as published for BTXRD" in shown.lines
    assert [["counted", "found", "published"], ["hips", "8", "9"]] in shown.tables
    same = _shown(show_check, _check(published=SimpleNamespace(compared=True, counts=counts[:1])))
    assert "1 of 1 counts are as published for BTXRD" in same.lines
    assert not any(table[0][0] == "counted" for table in same.tables)


@pytest.mark.parametrize(("count", "said"), [(1, "1 group of radiographs"), (2, "2 groups of radiographs")])
def test_groups_are_told_with_their_file(count: int, said: str) -> None:
    result = _check()
    result.groups = (Path("groups.csv"), count)
    shown = _shown(show_check, result)
    assert f"{said} that belong together" in shown.lines
    assert "groups: groups.csv" in shown.lines


def test_json_is_the_report_and_nothing_else() -> None:
    shown = _shown(show_check, _check(), json=True)
    assert shown.documents == [{"num_images": 7}]
    assert shown.lines == shown.tables == []


def _merged(failed: int, *, rows: int = 3, labelled: bool = True) -> Any:  # noqa: ANN401 -- a result
    rows_of = [SimpleNamespace(image_id=f"{number}.png", status="missing", error=None) for number in range(failed)]
    table = SimpleNamespace(path=Path("out/all parts.parquet"))
    return SimpleNamespace(failed=rows_of, rows=rows, labelled=labelled, table=table)


def test_a_merge_names_what_failed_and_what_can_follow() -> None:
    shown = _shown(show_merge, _merged(1))
    assert shown.lines[:2] == ["failed: 0.png (missing): ", "3 radiographs, 1 of them without prediction"]
    assert shown.lines[-1].startswith("next: btxrd-explain gallery")
    assert "'out/all parts.parquet'" in shown.lines[-1]
    assert "export --to labelme" in _shown(show_merge, _merged(0, labelled=False)).lines[-1]


def test_nothing_follows_a_merge_without_a_prediction() -> None:
    assert not any(line.startswith("next") for line in _shown(show_merge, _merged(3)).lines)


def test_a_merge_as_json_still_names_what_failed() -> None:
    shown = _shown(show_merge, _merged(1), json=True)
    assert shown.documents == [{"table": "out/all parts.parquet", "rows": 3, "failed": 1}]
    assert shown.lines == ["failed: 0.png (missing): "]
    assert json.dumps(shown.documents)


@pytest.mark.parametrize(("annotated", "command"), [(True, "annotate-iou"), (False, "report")])
def test_imported_maps_are_scored_where_there_are_annotations(annotated: bool, command: str) -> None:
    table = SimpleNamespace(path=Path("maps.parquet"))
    result = SimpleNamespace(images=2, maps=4, failed=1, annotated=annotated, table=table)
    loaded = load_settings(environ={})
    shown = _shown(show_import_maps, result, loaded)
    assert shown.lines[0] == "4 heat maps of 2 images imported, 1 failed"
    assert shown.lines[-1].startswith(f"next: btxrd-explain {command}")
    as_json = _shown(show_import_maps, result, loaded, json=True)
    assert as_json.documents == [{"table": "maps.parquet", "images": 2, "maps": 4, "failed": 1}]
    assert as_json.lines == []
