"""A predictions table as Python code reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from btxrd_explain import read_predictions
from btxrd_explain.core.choices import ResizeMode
from btxrd_explain.core.geometry import Frame, Size
from btxrd_explain.core.heatmap import DegenerateMapWarning, MapStatus, heat_map
from btxrd_explain.errors import RadiographError, TableError
from btxrd_explain.predictions.record import RowStatus

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NAMES = ("Normal", "Benign")
GRIDS = np.arange(8, dtype=np.float32).reshape(2, 2, 2)


@pytest.fixture
def table(tmp_path: Path, make_row: Callable[..., Any], make_table: Callable[..., None]) -> Path:
    path = tmp_path / "predictions.parquet"
    absent = {"grids": None, "grid_statuses": (), "size": None, "error": "gone", "stamp": None}
    missing = make_row("c.png", None, [0.5, 0.5], status=RowStatus.MISSING, **absent)
    rows = [
        make_row("a.png", "Benign", [0.25, 0.75], grids=GRIDS),
        make_row("b.png", "Normal", [1, 0], grids=-GRIDS, grid_statuses=(MapStatus.NO_POSITIVE_EVIDENCE,) * 2),
        type(missing)(**{name: getattr(missing, name) for name in missing.__slots__} | {"probabilities": None}),
    ]
    make_table(path, NAMES, rows)
    return path


def test_columns_hold_class_and_confidence(table: Path) -> None:
    predictions = read_predictions(str(table))
    assert (len(predictions), predictions.class_names) == (3, NAMES)
    rows = predictions.to_arrow().to_pylist()
    assert [row["image_id"] for row in rows] == ["a.png", "b.png", "c.png"]
    assert [row["class"] for row in rows] == ["Benign", "Normal", None]
    assert [row["confidence"] for row in rows] == [0.75, 1.0, None]
    assert [row["probability_Benign"] for row in rows] == [0.75, 0.0, None]
    assert [row["heat_map"] for row in rows] == ["ok", "no_positive_evidence", None]
    assert [row["status"] for row in rows] == ["ok", "ok", "missing"]
    assert (rows[0]["height"], rows[0]["width"], rows[2]["error"]) == (40, 30, "gone")


def test_a_data_frame_has_the_same_columns(table: Path) -> None:
    pytest.importorskip("pandas")
    predictions = read_predictions(table)
    frame = predictions.to_pandas()
    assert list(frame.columns) == predictions.to_arrow().column_names
    assert frame["class"].tolist()[:2] == ["Benign", "Normal"]


def test_without_pandas_the_error_says_so(table: Path, without_pandas: Callable[[str], str]) -> None:
    said = without_pandas(f"bx.read_predictions({str(table)!r}).to_pandas()")
    assert said == "to_pandas() needs pandas, which is not installed: pip install pandas\n"


def test_heat_maps_are_those_of_the_tool(table: Path) -> None:
    predictions = read_predictions(table)
    frame = Frame.fit(Size(40, 30), Size(32, 32), ResizeMode.SQUASH)
    for index, name in enumerate(NAMES):
        known = heat_map(GRIDS[index], frame, status=MapStatus.OK)
        np.testing.assert_array_equal(predictions.heatmap("a.png", name), known.values)
    np.testing.assert_array_equal(predictions.heatmap("a.png"), predictions.heatmap("a.png", "Benign"))
    with pytest.warns(DegenerateMapWarning, match="class Normal of 'b.png' is empty: no_positive_evidence"):
        assert not predictions.heatmap("b.png").any()


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        (("d.png",), ValueError, "image_id: there is no 'd.png'"),
        ((3,), TypeError, "image_id: expected the name of one, such as 'a.png', got 3"),
        (("a.png", "Bening"), ValueError, "class_name: there is no 'Bening': did you mean 'Benign'?"),
        (("a.png", 1), TypeError, "class_name: expected the name of one, such as 'Normal', got 1"),
        (("c.png",), ValueError, "image_id: 'c.png' has no prediction (missing)"),
    ],
)
def test_what_is_not_there_is_refused(
    arguments: tuple[Any, ...], kind: type[Exception], message: str, table: Path
) -> None:
    with pytest.raises(kind) as caught:
        read_predictions(table).heatmap(*arguments)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_a_radiograph_that_is_gone_is_named(table: Path) -> None:
    with pytest.raises(RadiographError, match=r"a\.png"):
        read_predictions(table).radiograph("a.png")


def test_what_is_not_a_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="no predictions table at"):
        read_predictions(tmp_path / "nowhere.parquet")
    with pytest.raises(TypeError, match="path: expected a path as text or pathlib"):
        read_predictions(3)  # type: ignore[arg-type]
