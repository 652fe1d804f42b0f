"""The command lines that lead on: each repeats what was given to this command and matters to the next one."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from btxrd_explain.settings.catalogue import SETTINGS
from btxrd_explain.settings.flags import FLAGS
from btxrd_explain.system.places import is_url

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from btxrd_explain.settings import LoadedSettings

_DEFAULT = Path("btxrd-explain-out", "predictions.parquet")
_MOST_INPUTS = 5
"""More inputs than these came from a pattern of the shell, and nobody wants them back in one line."""
_NAME_IMAGES = ("data.inputs", "data.root", "data.images", "data.split_csv")
_OF_IMAGES = frozenset(
    (*_NAME_IMAGES, "data.split", "data.columns", "data.label_names", "data.labels_from_folders"),
)
_OF_NETWORK = frozenset({"model", "preprocess", "gradcam"})


def following(
    command: str,
    loaded: LoadedSettings,
    *first: str,
    whole_table: bool = False,
    changed: Mapping[str, object] | None = None,
) -> str | None:
    """Return the command line of the next command, which works on the same radiographs in the same way.

    What was given on the command line is repeated where the next command takes it; ``--config`` and ``--set`` always
    are. Variables of the environment hold for the next command too.

    Args:
        command: The next command.
        loaded: The settings of this one.
        first: What the next command needs besides, such as ``--to labelme``.
        whole_table: Whether the radiographs are all of the table's. Then a line that cannot name them again, as those
            on the standard input, can leave them to the table.
        changed: Settings whose values this command has found, such as a threshold, by dotted name.

    Returns:
        The line; None where none leads to the same radiographs.
    """
    given = {name: value for name, value in loaded.flags.items() if name in FLAGS[command]} | dict(changed or {})
    if not _can_be_repeated(loaded.settings.data.inputs):
        named = any(loaded.origins[name] != "default" for name in _NAME_IMAGES[1:])
        if not whole_table or named:
            return None
        given = {name: value for name, value in given.items() if name not in _OF_IMAGES}
    return shlex.join(["btxrd-explain", command, *_words(given), *first, *_of_all_commands(loaded, changed or {})])


def first_missing(loaded: LoadedSettings, results: Mapping[str, str]) -> str | None:
    """Return the first command whose result is not in the folder of results yet; None where all are.

    Args:
        loaded: The settings.
        results: The name of the file that each command writes.
    """
    folder = loaded.settings.output.directory
    return next((command for command, file in results.items() if not (folder / file).is_file()), None)


def of_table(command: str, loaded: LoadedSettings) -> str | None:
    """Return the command line of the next command, which works on all of the table and needs no network.

    Returns:
        The line; None where the settings file or the environment names other radiographs, or a network.
    """
    kept = {
        name: value
        for name, value in loaded.flags.items()
        if name in FLAGS[command] and name not in _OF_IMAGES and SETTINGS[name].section not in _OF_NETWORK
    }
    others = (*_NAME_IMAGES, "data.split", "model.checkpoint")
    if any(name not in loaded.flags and loaded.origins[name] != "default" for name in others):
        return None
    return shlex.join(["btxrd-explain", command, *_words(kept), *_of_all_commands(loaded, {})])


def with_table(table: Path) -> str:
    """Return the flag that names a predictions table, by its folder where that is enough.

    Next to a table in a store no other command can write.

    >>> with_table(Path("run/predictions.parquet")), with_table(Path("run/other.parquet"))
    (' -o run', ' --predictions run/other.parquet')
    """
    if table.name == _DEFAULT.name and not is_url(table):
        return "" if table.parent == _DEFAULT.parent else f" -o {shlex.quote(str(table.parent))}"
    return f" --predictions {shlex.quote(str(table))}"


def _can_be_repeated(inputs: tuple[str, ...]) -> bool:
    return len(inputs) <= _MOST_INPUTS and not any(text.startswith("-") for text in inputs)


def _words(given: Mapping[str, object]) -> Iterator[str]:
    """Yield inputs and flags as they are written on a command line."""
    for name, value in given.items():
        flag = "-o" if name == "output.directory" else SETTINGS[name].flag
        if name == "output.directory" and is_url(str(value)):  # where no other command writes
            if "output.predictions" not in given:
                yield from (SETTINGS["output.predictions"].flag, f"{str(value).rstrip('/')}/{_DEFAULT.name}")
            continue
        for one in value if isinstance(value, list | tuple) else [value]:
            if name == "data.inputs":
                yield str(one)
            elif isinstance(one, bool):
                yield flag if one else f"--no-{flag[2:]}"
            elif str(one).startswith("-"):
                yield f"{flag}={one}"
            else:
                yield from (flag, str(one))


def _of_all_commands(loaded: LoadedSettings, changed: Mapping[str, object]) -> Iterator[str]:
    if loaded.config is not None:
        yield from ("--config", str(loaded.config))
    for assignment in loaded.assignments:
        if assignment.partition("=")[0].strip() not in changed:  # which it would win over
            yield from ("--set", assignment)
