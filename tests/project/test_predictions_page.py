"""The page on the predictions table: its columns are those of the file, and what it shows in Python is run."""

from __future__ import annotations

import importlib.util
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from btxrd_explain.core.methods import METHODS
from btxrd_explain.predictions.schema import file_schema
from tests.support.documents import ROOT, blocks
from tests.support.small_table import PROVENANCE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PAGE = (ROOT / "docs" / "reference" / "predictions.md").read_text("utf-8")
NAMES = ("Normal", "Benign", "Malignant")
PROGRAMS = {block.split()[1].partition(".")[0]: block for block in blocks(PAGE, "python")}
"""The blocks by the package that they import first."""


def _said(table: str) -> dict[str, str]:
    """Return name and type of the columns in one of the page's tables, with the number of places as in words."""
    lines = re.findall(r"^\| (`.*?) \| (\S+(?: \S+)*?) \| .*\|$", table, flags=re.MULTILINE)
    return {name: kind for names, kind in lines for name in re.findall(r"`(\w+)`", names)}


def _stored(**facts: Any) -> dict[str, str]:  # noqa: ANN401 -- any field of the provenance
    """Return the columns of a file of two classes and 3 x 4 cells, in the words of the page."""
    words = {
        "fixed_size_list<element: float>[2]": "fixed_size_list<float>[classes]",
        "list<element: string>": "list<string>",
        "extension<arrow.fixed_shape_tensor[value_type=float, shape=[2,3,4]]>": (
            "fixed_shape_tensor<float>[classes, rows, columns]"
        ),
        "extension<arrow.fixed_shape_tensor[value_type=halffloat, shape=[3,3,4]]>": (
            "fixed_shape_tensor<halffloat>[draws, rows, columns]"
        ),
    }
    kinds = {
        field.name: str(field.type).replace("item:", "element:") for field in file_schema(replace(PROVENANCE, **facts))
    }
    return {name: words.get(kind, kind) for name, kind in kinds.items()}


def test_the_columns_are_those_of_the_file() -> None:
    usual, more = (_said(part) for part in PAGE.partition("## Order of the classes")[0].split("Some tables have more"))
    assert list(usual.items()) == list(_stored().items())
    ensemble = _stored(members=("a.pt", "b.pt"))
    assert {name: kind for name, kind in ensemble.items() if name not in usual} == {
        name: kind for name, kind in more.items() if name not in {"grid_scales", "random_channels"}
    }
    assert list(_stored(random_channels=3).items())[-1] == ("random_channels", more["random_channels"])
    pixels = _stored(method=next(name for name, method in METHODS.items() if method.pixels))
    assert list(pixels)[-2:] == ["grid_scales", "grids"]
    assert pixels["grid_scales"].startswith("fixed_size_list<float>")
    assert "halffloat" in pixels["grids"]


@pytest.fixture
def folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_row: Callable[..., Any], make_table: Callable[..., None]
) -> Path:
    """A folder with a table of two radiographs, and one that cannot be read."""
    monkeypatch.chdir(tmp_path)
    grids = np.arange(12, dtype=np.float32).reshape(3, 2, 2)
    absent = {"probabilities": None, "grids": None, "grid_statuses": (), "size": None, "stamp": None, "error": "gone"}
    rows = [
        make_row("a.png", "Benign", [0.25, 0.5, 0.25], grids=grids),
        make_row("b.png", "Normal", [0.125, 0.125, 0.75], grids=2 * grids),
        replace(make_row("c.png", None, [1, 0, 0]), status="missing", **absent),
    ]
    (tmp_path / "btxrd-explain-out").mkdir()
    make_table(tmp_path / "btxrd-explain-out" / "predictions.parquet", NAMES, rows)
    return tmp_path


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("package", PROGRAMS)
def test_what_it_shows_in_python_runs(package: str, capsys: pytest.CaptureFixture[str]) -> None:
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed")
    names: dict[str, Any] = {}
    exec(compile(PROGRAMS[package], "predictions.md", "exec"), names)  # noqa: S102 -- our own page
    said = capsys.readouterr().out
    if package == "btxrd_explain":
        assert names["heat"].shape == (40, 30)
    elif package == "json":  # pyarrow
        np.testing.assert_array_equal(names["malignant"], [[[8, 9], [10, 11]], [[16, 18], [20, 22]]])
    else:
        assert len(names["rows"]) == 2
        assert "0.75" in said
        assert "c.png" not in said


def test_there_is_an_example_for_each_program() -> None:
    assert PROGRAMS.keys() == {"btxrd_explain", "pandas", "polars", "duckdb", "json"}
    assert all(len(program.strip().splitlines()) <= 7 for program in PROGRAMS.values())
