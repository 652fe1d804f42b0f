"""Grids of random channels in the table: half precision, some rows without them, and damage."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from btxrd_explain.errors import TableError
from btxrd_explain.predictions.provenance import MOST_CELLS
from btxrd_explain.predictions.schema import RANDOM_COLUMN, table_schema
from btxrd_explain.predictions.store import write_table
from btxrd_explain.predictions.table import open_table
from tests.support.same_rows import assert_same_row
from tests.support.small_table import PROVENANCE, ROWS, make_row

if TYPE_CHECKING:
    from pathlib import Path

WITH = replace(PROVENANCE, random_channels=2)
DRAWS = np.random.default_rng(0).uniform(-1, 1, (2, 3, 4)).astype(np.float32)


def test_they_come_back_to_half_precision_and_rows_without_them_stay_so(tmp_path: Path) -> None:
    broken = DRAWS.copy()
    broken[1] = np.nan
    rows = [make_row(1, random_channels=DRAWS), make_row(2, random_channels=broken), make_row(4), ROWS[2]]
    write_table(tmp_path / "p.parquet", WITH, sorted(rows, key=lambda row: row.image_id))
    table = open_table(tmp_path / "p.parquet")
    assert table.provenance == WITH
    assert table.provenance.fingerprint == PROVENANCE.fingerprint
    first, second, missing, bare = table.rows()
    assert first.random_channels is not None
    assert first.random_channels.dtype == np.float32
    largest = np.abs(DRAWS).max(axis=(1, 2), keepdims=True)
    np.testing.assert_allclose(first.random_channels, DRAWS / largest, rtol=0, atol=1 / 2048)
    assert second.random_channels is not None
    assert np.isnan(second.random_channels).all(axis=(1, 2)).tolist() == [False, True]
    assert missing.random_channels is bare.random_channels is None
    assert all(row.random_channels is None for row in table.index())
    assert first.without_grids().random_channels is None


def test_rows_that_differ_in_nothing_else_are_not_the_same() -> None:
    row = make_row(1, random_channels=DRAWS)
    assert_same_row(row, make_row(1, random_channels=DRAWS.copy()))
    with pytest.raises(AssertionError, match="random_channels"):
        assert_same_row(row, make_row(1, random_channels=DRAWS + 1))


def test_a_table_of_an_earlier_release_has_none(tmp_path: Path) -> None:
    write_table(tmp_path / "p.parquet", PROVENANCE, ROWS)
    table = open_table(tmp_path / "p.parquet")
    assert table.provenance.random_channels == 0
    assert RANDOM_COLUMN not in table.parts[0].columns
    assert all(row.random_channels is None for row in table.rows())


@pytest.mark.parametrize("draws", [-1, MOST_CELLS, 101])
def test_an_impossible_number_of_draws_is_damage(tmp_path: Path, draws: int) -> None:
    rows = pa.Table.from_batches([], table_schema(PROVENANCE))
    metadata = replace(PROVENANCE, random_channels=draws).encode()
    pq.write_table(rows.replace_schema_metadata(metadata), tmp_path / "p.parquet")
    with pytest.raises(TableError, match="metadata are damaged"):
        open_table(tmp_path / "p.parquet")


def test_a_table_that_lacks_what_it_claims_is_damaged(tmp_path: Path) -> None:
    rows = pa.Table.from_batches([], table_schema(PROVENANCE)).replace_schema_metadata(WITH.encode())
    pq.write_table(rows, tmp_path / "p.parquet")
    with pytest.raises(TableError, match="0 columns 'random_channels'"):
        open_table(tmp_path / "p.parquet")
    write_table(tmp_path / "q.parquet", WITH, [replace(ROWS[2], random_channels=DRAWS)])
    with pytest.raises(TableError, match="a row has 'random_channels' and no prediction"):
        list(open_table(tmp_path / "q.parquet").rows())
