"""A table whose rows mean nothing is refused, with what is wrong with it; one test row is changed at a time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from btxrd_explain.core.geometry import Size
from btxrd_explain.core.heatmap import MapStatus
from btxrd_explain.predictions.checks import check_columns, check_rows
from btxrd_explain.predictions.schema import table_schema, to_batch
from tests.support.small_table import PROVENANCE, ROWS, make_row

SCHEMA = table_schema(PROVENANCE)
OK = MapStatus.OK


def _batch(*rows: Any) -> pa.RecordBatch:  # noqa: ANN401 -- predictions
    return to_batch(rows, SCHEMA)


def _with(name: str, values: list[Any]) -> pa.RecordBatch:
    """Return the three rows with other values in a column."""
    batch = _batch(*ROWS)
    place = batch.schema.get_field_index(name)
    kind = batch.schema.field(place).type
    return batch.set_column(place, pa.field(name, kind), pa.array(values, kind))


def test_rows_in_order_are_accepted_with_their_ends() -> None:
    assert check_rows(_batch(*ROWS), PROVENANCE) == ("IMG000001.jpeg", "IMG000003.jpeg")
    light = pa.Table.from_batches([_batch(*ROWS)]).drop_columns(["grids"])
    assert check_rows(light, PROVENANCE) == ("IMG000001.jpeg", "IMG000003.jpeg")


@pytest.mark.parametrize(
    ("column", "values", "said"),
    [
        ("image_id", ["a", None, "c"], "'image_id' is missing in a row"),
        ("status", [None, "ok", "ok"], "'status' is missing in a row"),
        ("image_id", ["", "b", "c"], "'image_id' is empty in a row"),
        ("image_id", ["b", "a", "c"], "not in the order of 'image_id'"),
        ("image_id", ["a", "a", "c"], "or one is there twice"),
        ("path", ["a", "zip::http://x", "c"], "'path' chains URLs"),
        ("path", ["a", "b" * 4097, "c"], "'path' has more than 4096 bytes"),
        ("label", ["a", "ö" * 2**19 + "o", None], "'label' has more than 1048576 bytes"),
        ("split", ["a\0b", None, None], "'split' has a character that no name has"),
        ("status", ["ok", "fine", "missing"], "it has an unknown 'status'"),
        ("file_size", [1, None, None], "a row has only one of 'file_size' and 'file_mtime_ns'"),
        ("width", [None, 30, None], "a row has only one of 'height' and 'width'"),
        ("height", [0, 40, None], "a radiograph is not of 1 to 100000000 pixels"),
        ("height", [40_000_000, 40, None], "a radiograph is not of 1 to 100000000 pixels"),
        ("probabilities", [[0.5, 0.6], [0.5, 0.5], None], "probabilities are negative, or do not add up to 1"),
        ("probabilities", [[-0.5, 1.5], [0.5, 0.5], None], "probabilities are negative, or do not add up to 1"),
        ("probabilities", [None, [0.5, 0.5], None], "grids have no prediction"),
        ("grid_statuses", [None, [OK, OK], None], "a prediction has no 'grid_statuses'"),
        ("grid_statuses", [[OK], [OK, OK], None], "a prediction has not 2 'grid_statuses'"),
        ("grid_statuses", [[OK, "good"], [OK, OK], None], "it has an unknown 'grid_statuses'"),
    ],
)
def test_a_column_that_means_nothing_is_named(column: str, values: list[Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        check_rows(_with(column, values), PROVENANCE)


def test_scores_that_are_not_finite_are_no_probabilities() -> None:
    check_rows(_with("probabilities", [[np.nan, np.nan], [np.inf, 0], None]), PROVENANCE)


def test_classes_that_do_not_exclude_each_other_need_no_sum_of_one() -> None:
    several = replace(PROVENANCE, multi_label=True)
    check_rows(_with("probabilities", [[0.9, 0.8], [0.0, 0.0], None]), several)
    with pytest.raises(ValueError, match="a probability lies outside of 0 to 1"):
        check_rows(_with("probabilities", [[0.9, 1.1], [0.0, 0.0], None]), several)


def test_grids_are_finite_unless_their_status_says_otherwise() -> None:
    broken = np.full((2, 3, 4), np.nan, np.float32)
    with pytest.raises(ValueError, match="grids are not finite, and their status says nothing of it"):
        check_rows(_batch(make_row(1, grids=broken)), PROVENANCE)
    check_rows(_batch(make_row(1, grids=broken, grid_statuses=(MapStatus.NON_FINITE,) * 2)), PROVENANCE)
    check_rows(_batch(make_row(1, grids=broken[:0], grid_statuses=(MapStatus.NOT_COMPUTED,) * 2)), PROVENANCE)
    one = make_row(1, grids=np.ones((1, 3, 4), np.float32), grid_statuses=(MapStatus.NOT_COMPUTED, OK))
    check_rows(_batch(one), PROVENANCE)


def test_a_prediction_has_a_size_and_grids() -> None:
    with pytest.raises(ValueError, match="a radiograph has a prediction but no size"):
        check_rows(_batch(make_row(1, size=None)), PROVENANCE)
    with pytest.raises(ValueError, match="a prediction has no grids"):
        check_rows(_batch(make_row(1, grids=None)), PROVENANCE)


def test_how_far_members_are_apart_is_bounded() -> None:
    ensemble = replace(PROVENANCE, members=("a.pt", "b.pt"))
    schema = table_schema(ensemble)
    stds, agreements = np.array([0.1, 0.2], np.float32), np.array([-1, np.nan], np.float32)
    check_rows(to_batch([make_row(1, member_stds=stds, map_agreements=agreements)], schema), ensemble)
    for facts, name in (
        ({"member_stds": -stds, "map_agreements": agreements}, "member_stds"),
        ({"member_stds": stds, "map_agreements": agreements * 2}, "map_agreements"),
    ):
        with pytest.raises(ValueError, match=f"'{name}' has a value outside of"):
            check_rows(to_batch([make_row(1, **facts)], schema), ensemble)


def test_columns_are_there_once_and_of_their_type() -> None:
    check_columns(SCHEMA, PROVENANCE, {})
    place = SCHEMA.get_field_index("split")
    with pytest.raises(ValueError, match="it has 0 columns 'split'"):
        check_columns(SCHEMA.remove(place), PROVENANCE, {})
    check_columns(SCHEMA.remove(place), PROVENANCE, {"split": "test"})
    with pytest.raises(ValueError, match="it has 2 columns 'split'"):
        check_columns(SCHEMA.append(SCHEMA.field(place)), PROVENANCE, {})
    with pytest.raises(ValueError, match="its column 'split' is of type int64, not string"):
        check_columns(SCHEMA.set(place, pa.field("split", pa.int64())), PROVENANCE, {})
    with pytest.raises(ValueError, match="its column 'grids' is of type"):
        check_columns(SCHEMA, replace(PROVENANCE, grid=Size(4, 4)), {})
    with pytest.raises(ValueError, match="its folder has an unknown 'status'"):
        check_columns(SCHEMA, PROVENANCE, {"status": "fine"})
