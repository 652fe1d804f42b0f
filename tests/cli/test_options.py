"""What is said of the settings before a command begins."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from btxrd_explain.cli.options import _on_folder
from btxrd_explain.settings import load_settings

if TYPE_CHECKING:
    import pytest


def test_results_do_not_go_to_the_folder_of_another_table_unsaid(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    own, other = Path("btxrd-explain-out/predictions.parquet"), Path("other/predictions.parquet")

    def notes(**flags: str) -> list[str]:
        named = {f"output.{name}": value for name, value in flags.items()}
        return list(_on_folder(load_settings(None, named, (), environ={})))

    assert notes(predictions=str(other)) == []
    for table in (own, other):
        table.parent.mkdir()
        table.touch()
    (note,) = notes(predictions=str(other))
    assert note == (
        "results go to 'btxrd-explain-out', which has another table than 'other/predictions.parquet': name a folder "
        "for them with -o"
    )
    assert notes(predictions=str(other), directory="btxrd-explain-out") == []
    assert notes(predictions=str(own.absolute())) == notes() == []
