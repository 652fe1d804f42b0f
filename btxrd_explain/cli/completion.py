"""What shells complete the values of flags with: choices, split names of the table, architectures of timm."""

import re
from collections.abc import Callable, Iterable
from importlib.util import find_spec
from pathlib import Path

import typer

from btxrd_explain.errors import BtxrdExplainError
from btxrd_explain.settings import SETTINGS, Setting

_TABLE_OF_SPLIT = {
    "data.split": "split_csv",
    "annotation.tune_split": "tune_on",
    "evaluation.decision_tune_split": "decision_tune_on",
}
"""The flag that names the table with the splits, for each setting that is one of them."""
_ARCHITECTURE = "model.architecture"
_Completion = Callable[[typer.Context, str], list[str]]


def completion_of(setting: Setting) -> _Completion | None:
    """Return what completes the value of a setting's flag; None leaves it to the shell, which knows files."""
    if setting.name not in _TABLE_OF_SPLIT and setting.name != _ARCHITECTURE and not setting.choices:
        return None

    def complete(context: typer.Context, incomplete: str) -> list[str]:
        if setting.name in _TABLE_OF_SPLIT:
            return _starting(_splits(context.params.get(_TABLE_OF_SPLIT[setting.name])), incomplete)
        return _starting(architectures() if setting.name == _ARCHITECTURE else setting.choices, incomplete)

    return complete


def complete_assignment(incomplete: str) -> list[str]:
    """Complete the name of a setting, then the words that it takes."""
    name, equals, _ = incomplete.partition("=")
    if not equals:
        return [f"{known}=" for known in SETTINGS if known.startswith(incomplete)]
    words = SETTINGS[name].choices if name in SETTINGS else []
    return _starting((f"{name}={word}" for word in words), incomplete)


def architectures() -> list[str]:
    """Return the names of timm's architectures, read from its files: importing timm takes seconds."""
    package = find_spec("timm")
    folders = (package.submodule_search_locations if package else None) or ()
    files = (path for folder in folders for path in Path(folder, "models").glob("*.py"))
    return sorted({name for path in files for name in _REGISTERED.findall(path.read_text("utf-8"))})


_REGISTERED = re.compile(r"^@register_model\s+def (\w+)", re.MULTILINE)


def _splits(table: str | None) -> list[str]:
    """Return the splits of a table, in its order; none where no table is named or it cannot be read."""
    from btxrd_explain.inputs.split_csv import read_split_csv  # noqa: PLC0415 -- only where splits are completed

    try:
        rows = read_split_csv(Path(table).expanduser()).rows if table else ()
    except BtxrdExplainError:
        return []
    return list(dict.fromkeys(row.split for row in rows if row.split))


def _starting(words: Iterable[str], incomplete: str) -> list[str]:
    return [word for word in words if word.startswith(incomplete)]
