"""All rows in columns, against the rows themselves."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from btxrd_explain.core.heatmap import MapStatus
from btxrd_explain.predictions.index import Index
from btxrd_explain.predictions.record import Prediction, RowStatus
from btxrd_explain.predictions.schema import HEAVY_COLUMNS, table_schema, to_batch
from tests.support.small_table import PROVENANCE, make_row


def _rows(count: int) -> list[Prediction]:
    random = np.random.default_rng(0)
    made = []
    for number in range(count):
        first = np.float32(round(random.random(), 2))
        facts: dict[str, Any] = {
            "probabilities": np.array([first, 1 - first], np.float32),
            "label": ("Normal", "Benign", None)[number % 3],
            "split": "test" if number % 2 else "val",
            "grid_statuses": (MapStatus.OK, (MapStatus.OK, MapStatus.FLAT)[number % 2]),
        }
        made.append(make_row(number, **facts))
    return made


def _index(rows: list[Prediction]) -> Index:
    batch = to_batch(rows, table_schema(PROVENANCE))
    return Index(pa.Table.from_batches([batch]).drop_columns([n for n in HEAVY_COLUMNS if n in batch.schema.names]))


ROWS = _rows(40)
INDEX = _index(ROWS)
FAILED = Prediction("IMG999999.jpeg", "x", None, None, RowStatus.UNREADABLE, error="broken")


def _same(row: Prediction, other: Prediction) -> bool:
    return repr(row.without_grids()) == repr(other.without_grids())


def test_rows_come_back_in_their_order_without_grids() -> None:
    assert len(INDEX) == 40
    assert all(_same(found, row) for found, row in zip(INDEX, ROWS, strict=True))
    assert all(found.grids is None for found in INDEX)


@settings(max_examples=40, deadline=None)
@given(st.slices(40))
def test_a_slice_is_that_of_a_list(part: slice) -> None:
    assert [row.image_id for row in INDEX[part]] == [row.image_id for row in ROWS[part]]


@pytest.mark.parametrize("place", [0, 17, 39, -1, -40])
def test_a_place_is_that_of_a_list(place: int) -> None:
    assert _same(INDEX[place], ROWS[place])


@pytest.mark.parametrize("place", [40, -41])
def test_a_place_beyond_is_an_error(place: int) -> None:
    with pytest.raises(IndexError):
        INDEX[place]


def test_an_image_is_found_by_its_name_or_not_at_all() -> None:
    for row in ROWS:
        found = INDEX.find(row.image_id)
        assert found is not None
        assert found.image_id == row.image_id
    for name in ("", "IMG000000.jpe", "IMG000000.jpegx", "zzz"):
        assert INDEX.find(name) is None
    assert _index([]).find("a") is None


def test_masks_keep_the_rows_at_which_they_are_true() -> None:
    mask = np.arange(40) % 7 == 3
    kept = [row.image_id for row, keep in zip(ROWS, mask, strict=True) if keep]
    assert [row.image_id for row in INDEX.where(mask)] == kept
    assert len(INDEX.where(np.zeros(40, bool))) == 0
    assert INDEX.where(np.ones(40, bool)) is INDEX


def test_membership_is_false_where_a_column_holds_nothing() -> None:
    found = INDEX.is_in("label", ["Benign", "Other"])
    assert found.tolist() == [row.label == "Benign" for row in ROWS]
    assert not INDEX.is_in("label", []).any()
    others = _index(ROWS[:5]).column("image_id")
    assert INDEX.is_in("image_id", others).tolist() == [number < 5 for number in range(40)]


def test_counts_of_different_values_leave_out_nothing_twice() -> None:
    assert INDEX.distinct("split") == 2
    assert INDEX.distinct("label") == 2
    assert INDEX.distinct("image_id") == 40


def test_rows_that_share_a_value_are_found_and_unknown_values_are_not_shared() -> None:
    copies = [replace(row, label=None, split=f"{number}") for number, row in enumerate(ROWS[:4])]
    copies[3] = replace(copies[3], split="1")
    index = _index(copies)
    assert [row.image_id for row in index.repeated("split")] == [copies[1].image_id, copies[3].image_id]
    assert len(index.repeated("label")) == 0
    assert len(index.repeated("image_id")) == 0


def test_probabilities_and_predictions_are_those_of_the_rows() -> None:
    index = _index([*ROWS, FAILED])
    values = index.probabilities
    assert values.dtype == np.float32
    np.testing.assert_array_equal(values[:-1], [row.probabilities for row in ROWS])
    assert np.isnan(values[-1]).all()
    assert index.predicted.tolist() == [row.predicted for row in ROWS] + [-1]


def test_statuses_of_grids_are_by_class_where_every_row_has_them() -> None:
    flat = INDEX.grids_are(MapStatus.FLAT)
    assert flat is not None
    assert flat.tolist() == [[False, bool(number % 2)] for number in range(40)]
    assert _index([*ROWS, FAILED]).grids_are(MapStatus.FLAT) is None
