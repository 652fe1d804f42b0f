"""Which radiographs belong together: against SciPy's connected components, and rule by rule."""

from __future__ import annotations

import csv
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from btxrd_explain.commands.check.groups import write_groups
from btxrd_explain.finding import Finding

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import pytest


def _image(name: str, *, patient: str | None = None, label: str | None = None, **facts: Any) -> Any:  # noqa: ANN401 -- any
    known = SimpleNamespace(patient=patient, label=label, row=facts.get("row", {}))
    return SimpleNamespace(entry=SimpleNamespace(image_id=name, known=known), picture=facts.get("picture"))


def _groups(
    folder: Path, images: list[Any], findings: Iterable[Finding] = ()
) -> tuple[int, dict[str, tuple[str, str]]]:
    path = folder / "groups.csv"
    count = write_groups(path, images, findings)
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return count, {row["image_id"]: (row["group"], row["reason"]) for row in rows}


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=12))
def test_groups_are_the_connected_components(
    tmp_path_factory: pytest.TempPathFactory, pairs: list[tuple[int, int]]
) -> None:
    names = [f"scan {letter}.png" for letter in "abcdefghij"]
    findings = [Finding.of("same-file", "alike", [names[one], names[two]]) for one, two in pairs if one != two]
    count, groups = _groups(tmp_path_factory.getbasetemp(), [_image(name) for name in names], findings)
    matrix = coo_array((np.ones(len(pairs)), np.array(pairs, int).reshape(-1, 2).T), shape=(10, 10))
    _, expected = connected_components(matrix, directed=False)
    found = [groups[name][0] for name in names]
    for one in range(10):
        for two in range(10):
            assert (found[one] == found[two]) == (expected[one] == expected[two])
    assert count == sum(size > 1 for size in np.bincount(expected))


def test_a_group_has_the_name_of_its_first_image_and_its_reasons(tmp_path: Path) -> None:
    images = [_image(name, patient=patient) for name, patient in (("a", "1"), ("b", None), ("c", "1"), ("d", None))]
    findings = [
        Finding.of("near-duplicate", "alike", ["b", "c"]),
        Finding.of("leak-file", "the same", ["b", "c"]),
        Finding.of("mask-whole", "no reason", ["a", "d"]),
    ]
    count, groups = _groups(tmp_path, images, findings)
    assert count == 1
    assert groups == {
        "a": ("a", "same patient"),
        "b": ("a", "near duplicate; same file"),
        "c": ("a", "near duplicate; same file; same patient"),
        "d": ("d", ""),
    }


def test_neighbours_of_one_row_but_for_the_view_belong_together(tmp_path: Path) -> None:
    row = {"age": "12", "gender": "f", "frontal": "1", "tumor": "1"}
    images = [
        _image("IMG000001.jpeg", label="Benign", row=row),
        _image("IMG000002.jpeg", label="Benign", row=row | {"frontal": "0"}),
        _image("IMG000003.jpeg", label="Benign", row=row | {"age": "13"}),
        _image("IMG000004.jpeg", label="Malignant", row=row | {"age": "13"}),
        _image("IMG000006.jpeg", label="Malignant", row=row | {"age": "13"}),
    ]
    count, groups = _groups(tmp_path, images)
    assert count == 1
    assert groups["IMG000002.jpeg"] == ("IMG000001.jpeg", "neighbouring numbers, same row but for the view")
    assert [groups[f"IMG00000{number}.jpeg"][0][-6] for number in (3, 4, 6)] == ["3", "4", "6"]


def test_without_a_table_neighbours_must_look_alike(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    picture = random.random((8, 8))
    images = [
        _image("1.png", picture=picture),
        _image("2.png", picture=picture + 0.1 * random.random((8, 8))),
        _image("3.png", picture=random.random((8, 8))),
        _image("4.png", picture=np.ones((8, 8))),
        _image("5.png"),
    ]
    count, groups = _groups(tmp_path, images)
    correlation = np.corrcoef(images[0].picture.ravel(), images[1].picture.ravel())[0, 1]
    assert count == 1
    assert groups["2.png"] == ("1.png", f"neighbouring numbers, correlation {correlation:.2f}")


def test_no_name_becomes_a_formula(tmp_path: Path) -> None:
    _, groups = _groups(tmp_path, [_image("=1+1.png")])
    assert groups == {"'=1+1.png": ("'=1+1.png", "")}
