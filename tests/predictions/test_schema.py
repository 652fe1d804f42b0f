"""Rows to Arrow and back: what is stored exactly, what is rounded, and what is padding."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from btxrd_explain.core.geometry import Size
from btxrd_explain.core.heatmap import MapStatus
from btxrd_explain.predictions.record import Prediction, RowStatus
from btxrd_explain.predictions.schema import (
    RANDOM_COLUMN,
    as_numpy,
    file_schema,
    from_batch,
    mask_column,
    table_schema,
    tensors,
    text_column,
    to_batch,
    to_file_batch,
    without_padding,
)
from tests.support.small_table import PROVENANCE, ROWS, make_row

if TYPE_CHECKING:
    from btxrd_explain.predictions.provenance import Provenance


def _again(rows: list[Prediction], provenance: Provenance = PROVENANCE) -> list[Prediction]:
    return list(from_batch(to_batch(rows, table_schema(provenance))))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.text(st.characters(codec="utf-8"), max_size=5), max_size=6))
def test_texts_are_a_column_of_arrow(texts: list[str]) -> None:
    assert text_column(texts).equals(pa.array(texts, pa.string()))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.booleans(), max_size=40))
def test_truth_values_go_to_arrow_and_back(values: list[bool]) -> None:
    column = mask_column(np.array(values, bool))
    assert column.equals(pa.array(values, pa.bool_()))
    assert as_numpy(column).tolist() == values


@pytest.mark.parametrize("kind", [pa.int64(), pa.float32(), pa.int32(), pa.float64()])
def test_numbers_come_out_of_slices_and_chunks(kind: pa.DataType) -> None:
    array = pa.array(range(10), kind)
    assert as_numpy(array[3:7]).tolist() == [3, 4, 5, 6]
    assert as_numpy(pa.chunked_array([array[:2], array[5:6]])).tolist() == [0, 1, 5]
    bits = pa.array([True, False, True, True, False, False, False, True, True])
    assert as_numpy(bits[2:9]).tolist() == [True, True, False, False, False, True, True]


def test_what_a_column_does_not_hold_is_nan() -> None:
    values = as_numpy(pa.array([1.5, None], pa.float32()))
    assert values[0] == 1.5
    assert np.isnan(values[1])


def test_rows_without_a_prediction_stay_without_one() -> None:
    (found,) = _again([Prediction("a", "a", None, None, RowStatus.UNREADABLE, error="broken")])
    assert (found.probabilities, found.grids, found.stamp, found.size) == (None,) * 4
    assert found.grid_statuses == ()
    assert (found.status, found.error) == (RowStatus.UNREADABLE, "broken")


def test_grids_come_back_to_the_bit_nan_and_infinity_included() -> None:
    grids = np.random.default_rng(0).normal(size=(2, 3, 4)).astype(np.float32)
    grids[0, 0, :3] = [np.nan, np.inf, -0.0]
    (found,) = _again([make_row(1, grids=grids)])
    assert found.grids is not None
    assert found.grids.view(np.uint32).tolist() == grids.view(np.uint32).tolist()


def test_grids_of_some_classes_come_back_without_their_empty_places() -> None:
    grids = np.ones((1, 3, 4), np.float32)
    (found,) = _again([make_row(1, grids=grids, grid_statuses=(MapStatus.NOT_COMPUTED, MapStatus.OK))])
    assert found.grids is not None
    assert found.grids.shape == (1, 3, 4)
    assert (found.grid(0) is None, found.grid(1) is None) == (True, False)


@pytest.mark.parametrize("size", [(1, 1), (2, 4), (3, 1), (3, 4)])
def test_smaller_grids_come_back_at_their_size(size: tuple[int, int]) -> None:
    grids = np.random.default_rng(0).normal(size=(2, *size)).astype(np.float32)
    small, large = _again([make_row(1, grids=grids), make_row(2)])
    assert small.grids is not None
    np.testing.assert_array_equal(small.grids, grids)
    assert large.grids is not None
    assert large.grids.shape == (2, 3, 4)


def test_grids_of_nothing_but_nan_stay_whole() -> None:
    nothing = np.full((2, 3, 4), np.nan, np.float32)
    assert without_padding(nothing).shape == (2, 3, 4)
    inner = nothing.copy()
    inner[0, 1, 2] = 1
    assert without_padding(inner).shape == (2, 2, 3)


def _of_pixels() -> Provenance:
    return replace(PROVENANCE, method="gradient", grid=Size(3, 4))


@pytest.mark.parametrize("magnitude", [1e-30, 1e-3, 1.0, 6e4, 1e30])
def test_maps_of_pixels_are_rounded_by_one_part_in_2048_of_their_largest(magnitude: float) -> None:
    provenance = _of_pixels()
    assert provenance.of_pixels
    grids = (np.random.default_rng(0).normal(size=(2, 3, 4)) * magnitude).astype(np.float32)
    (found,) = _again([make_row(1, grids=grids)], provenance)
    assert found.grids is not None
    largest = np.abs(grids).max(axis=(1, 2), keepdims=True)
    assert (np.abs(found.grids - grids) <= largest / 2048).all()
    np.testing.assert_array_equal(np.abs(found.grids).max(axis=(1, 2)), largest.ravel())


def test_maps_of_pixels_keep_zeros_and_what_is_not_finite() -> None:
    grids = np.zeros((2, 3, 4), np.float32)
    grids[1, 0, 0] = np.inf
    grids[1, 0, 1] = 5
    (found,) = _again([make_row(1, grids=grids)], _of_pixels())
    np.testing.assert_array_equal(found.grids, grids)


def test_random_channels_keep_their_form_and_are_there_where_they_were_drawn() -> None:
    provenance = replace(PROVENANCE, random_channels=2)
    drawn = np.random.default_rng(0).normal(size=(2, 3, 4)).astype(np.float32)
    with_them, without = _again([make_row(1, random_channels=drawn), make_row(2)], provenance)
    assert without.random_channels is None
    assert with_them.random_channels is not None
    expected = drawn / np.abs(drawn).max(axis=(1, 2), keepdims=True)
    np.testing.assert_allclose(with_them.random_channels, expected, atol=1 / 2048)
    assert RANDOM_COLUMN not in table_schema(PROVENANCE).names


def test_a_batch_that_is_cut_out_of_a_larger_one_has_its_own_grids() -> None:
    rows = [make_row(number, grids=np.full((2, 3, 4), number, np.float32)) for number in range(5)]
    batch = to_batch(rows, table_schema(PROVENANCE))
    part = batch.slice(2, 2)
    found = tensors(part)
    assert found is not None
    assert found[:, 0, 0, 0].tolist() == [2, 3]
    assert tensors(part.select(["image_id"])) is None
    assert [row.grids[0, 0, 0] for row in from_batch(part) if row.grids is not None] == [2, 3]


@pytest.mark.parametrize("several", [False, True])
def test_the_file_says_class_and_confidence_which_are_not_read_back(several: bool) -> None:
    provenance = replace(PROVENANCE, multi_label=several)
    batch = to_file_batch(ROWS, provenance)
    assert batch.schema.equals(file_schema(provenance))
    names = batch.schema.names
    assert names.index("class") == names.index("probabilities") - 2
    assert batch.column("class").to_pylist() == ["Benign", "Benign", None]
    assert batch.column("confidence").to_pylist() == ([None] * 3 if several else [0.75, 0.75, None])
    assert [row.image_id for row in from_batch(batch)] == [row.image_id for row in ROWS]
