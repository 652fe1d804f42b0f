"""What decides about rows, and where their labels are from."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

from btxrd_explain.inference.request import split_csvs_of
from btxrd_explain.predictions.provenance import SplitCsv
from btxrd_explain.settings.sources import settings_of

if TYPE_CHECKING:
    from pathlib import Path


def test_all_split_csvs_that_select_are_told_by_their_names(tmp_path: Path) -> None:
    for name in ("a.csv", "b.tsv", "flag.csv"):
        (tmp_path / name).write_text(name)
    (tmp_path / "folder.csv").mkdir()
    inputs = tuple(str(tmp_path / name) for name in ("a.csv", "folder.csv", "b.tsv", "c.png"))
    settings = settings_of({"data.inputs": inputs, "data.split_csv": tmp_path / "flag.csv", "data.split": "test"})
    expected = [SplitCsv(name, sha256(name.encode()).hexdigest(), "test") for name in ("flag.csv", "a.csv", "b.tsv")]
    assert list(split_csvs_of(settings)) == expected
