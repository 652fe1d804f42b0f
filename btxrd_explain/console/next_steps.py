"""How the next command finds what the last one wrote."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from btxrd_explain.settings import OutputSettings

_DEFAULT = Path("btxrd-explain-out", "predictions.parquet")


def with_results(output: OutputSettings) -> str:
    """Return the flags that name the table and the folder of results of a run; nothing where they are the defaults.

    >>> from btxrd_explain.settings import OutputSettings
    >>> with_results(OutputSettings()), with_results(OutputSettings(directory=Path("my run")))
    ('', " -o 'my run'")
    >>> with_results(OutputSettings(predictions=Path("a/predictions.parquet"), directory=Path("b")))
    ' --predictions a/predictions.parquet -o b'
    """
    if output.predictions_path == output.directory / _DEFAULT.name:
        return _in_folder(output.directory)
    return f" --predictions {shlex.quote(str(output.predictions_path))}{_in_folder(output.directory)}"


def with_table(table: Path) -> str:
    """Return the flag that names a predictions table, by its folder where that is enough.

    >>> with_table(Path("run/predictions.parquet")), with_table(Path("run/other.parquet"))
    (' -o run', ' --predictions run/other.parquet')
    """
    if table.name == _DEFAULT.name:
        return _in_folder(table.parent)
    return f" --predictions {shlex.quote(str(table))}"


def _in_folder(folder: Path) -> str:
    return "" if folder == _DEFAULT.parent else f" -o {shlex.quote(str(folder))}"
