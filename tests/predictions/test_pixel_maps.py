"""Maps of pixels in the table: half precision, with what each was divided by."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from btxrd_explain.core.geometry import Size
from btxrd_explain.core.heatmap import MapStatus
from btxrd_explain.errors import TableError
from btxrd_explain.predictions.store import write_table
from btxrd_explain.predictions.table import open_table
from tests.support.small_table import PROVENANCE, make_row

if TYPE_CHECKING:
    from pathlib import Path

NAMES = ("Normal", "Benign", "Malignant")
PIXELS = replace(PROVENANCE, class_names=NAMES, method="integrated-gradients", target_layer="input", grid=Size(56, 56))


def row(number: int, scale: float) -> Any:  # noqa: ANN401 -- a prediction
    grids = np.random.default_rng(number).normal(size=(3, 56, 56)).astype(np.float32) * np.float32(scale)
    probabilities = np.array([0.25, 0.25, 0.5], np.float32)
    return make_row(number, probabilities=probabilities, grids=grids, grid_statuses=(MapStatus.OK,) * 3)


def test_maps_come_back_in_their_units_to_half_precision(tmp_path: Path) -> None:
    """Neither gradients of 1e-9 nor scores of 1e6 leave the range of half precision."""
    rows = [row(1, 1.0), row(2, 1e-9), row(3, 1e6), replace(row(4, 1.0), grids=np.zeros((3, 56, 56), np.float32))]
    path = tmp_path / "p.parquet"
    write_table(path, PIXELS, rows)
    table = open_table(path)
    assert table.parts[0].columns["grids"].value_type == pa.float16()
    assert table.parts[0].columns["grids"].shape == [3, 56, 56]
    for found, made in zip(table.rows(), rows, strict=True):
        assert found.grids is not None
        assert found.grids.dtype == np.float32
        largest = np.abs(made.grids).max(axis=(1, 2), keepdims=True)
        assert (np.abs(found.grids - made.grids) <= largest / 2048).all()
        assert np.allclose(found.grids.max(axis=(1, 2)), made.grids.max(axis=(1, 2)), rtol=1e-3)


def test_maps_that_are_not_finite_stay_so(tmp_path: Path) -> None:
    made = row(1, 1.0)
    made.grids[1, 3, 3] = np.nan
    statuses = (MapStatus.OK, MapStatus.NON_FINITE, MapStatus.INCOMPLETE)
    write_table(tmp_path / "p.parquet", PIXELS, [replace(made, grid_statuses=statuses)])
    (found,) = open_table(tmp_path / "p.parquet").rows()
    assert found.grid_statuses == statuses
    assert found.grids is not None
    assert np.array_equal(np.isnan(found.grids), np.isnan(made.grids))


def test_maps_of_some_classes_have_their_own_scales(tmp_path: Path) -> None:
    made = replace(row(1, 1.0), grid_statuses=(MapStatus.NOT_COMPUTED, MapStatus.OK, MapStatus.OK))
    made = replace(made, grids=made.grids[:2] * np.array([1, 1000], np.float32)[:, None, None])
    write_table(tmp_path / "p.parquet", PIXELS, [made])
    (found,) = open_table(tmp_path / "p.parquet").rows()
    last = found.grid(2)
    assert last is not None
    assert np.allclose(last, made.grids[1], atol=3)


def test_cells_of_a_layer_keep_full_precision(tmp_path: Path) -> None:
    made = row(1, 1.0)
    write_table(tmp_path / "p.parquet", replace(PIXELS, method="gradcam"), [made])
    table = open_table(tmp_path / "p.parquet")
    assert "grid_scales" not in table.parts[0].columns
    (found,) = table.rows()
    assert found.grids is not None
    assert np.array_equal(found.grids, made.grids)


@pytest.mark.parametrize("scales", [[0.0, 1.0, 1.0], [1.0, float("nan"), 1.0], [1.0, 1.0, -2.0], None])
def test_a_scale_that_cannot_be_is_damage(tmp_path: Path, scales: list[float] | None) -> None:
    path = tmp_path / "p.parquet"
    write_table(path, PIXELS, [row(1, 1.0)])
    stored = pq.read_table(path)
    index = stored.schema.get_field_index("grid_scales")
    column = pa.array([scales], stored.schema.field(index).type)
    pq.write_table(stored.set_column(index, stored.schema.field(index), column), path)
    with pytest.raises(TableError, match="grid_scales"):
        list(open_table(path).rows())
