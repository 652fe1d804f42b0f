"""How the next command finds what the last one wrote."""

from __future__ import annotations

import shlex
from pathlib import Path

_DEFAULT = Path("btxrd-explain-out", "predictions.parquet")


def with_results(folder: Path) -> str:
    """Return the flag that names a folder of results; nothing where it is the default.

    >>> with_results(Path("btxrd-explain-out")), with_results(Path("my run"))
    ('', " -o 'my run'")
    """
    return "" if folder == _DEFAULT.parent else f" -o {shlex.quote(str(folder))}"


def with_table(table: Path) -> str:
    """Return the flag that names a predictions table, by its folder where that is enough.

    >>> with_table(Path("run/predictions.parquet")), with_table(Path("run/other.parquet"))
    (' -o run', ' --predictions run/other.parquet')
    """
    if table.name == _DEFAULT.name:
        return with_results(table.parent)
    return f" --predictions {shlex.quote(str(table))}"
