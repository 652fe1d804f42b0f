from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from btxrd_explain.errors import InputError
from btxrd_explain.inputs.btxrd import read_metadata

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "dataset.csv"
    path.write_text("image_id,Center,hip bone,age\na.jpeg,1,0,48\nb.jpg,2,1,\nc.png,3,0,5\nc.jpg,4,0,6\n")
    return path


def test_columns_are_found_in_any_case_and_images_by_name_or_stem(table: Path) -> None:
    metadata = read_metadata(table)
    assert metadata.columns == ("image_id", "center", "hip bone", "age")
    assert metadata.column("center", ["b.jpg", "a.png", "folder/a.jpeg", "c.png", "d.png"]) == [
        "2",
        "1",
        "1",
        "3",
        None,
    ]
    assert metadata.column("Hip Bone", ["b.jpeg"]) == ["1"]


def test_empty_cells_and_ambiguous_stems_say_nothing(table: Path) -> None:
    assert read_metadata(table).column("age", ["b.jpg", "c.jpeg"]) == [None, None]


def test_an_unknown_column_is_refused_with_a_suggestion(table: Path) -> None:
    with pytest.raises(InputError, match="did you mean 'center'"):
        read_metadata(table).column("centre", [])
    with pytest.raises(InputError, match="its columns are image_id, center"):
        read_metadata(table).column("view", [])
