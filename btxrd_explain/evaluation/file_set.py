"""The files of one run that belong together: a report, and the tables and figures that were written with it.

Each file is written whole or not at all, the report last. A run that is killed in between leaves some files of its own
next to a report of the run before. So the report has the hash of every other file, and whoever reads it can tell.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from pydantic import Field

from btxrd_explain.evaluation.parts import Part
from btxrd_explain.finding import listed, quoted
from btxrd_explain.inputs.file_kinds import REPORTS
from btxrd_explain.system.files import read_whole, sha256_of, with_relative_paths, write_json

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from pathlib import Path

    from btxrd_explain.progress import Listener

FileHashes = Annotated[
    dict[str, str],
    Field(
        description="SHA-256 of each file that belongs to this report, by name in its folder; a file with another hash "
        "is of another run.",
    ),
]

_Report = TypeVar("_Report", bound=Part)
_MAX_BYTES = 2**30
"""A report of a million images has a few hundred megabytes."""


def write_set(
    document: Path,
    report: _Report,
    files: Iterable[Path] | Mapping[str, str],
    *,
    lists: Mapping[str, Iterable[Any]] | None = None,
) -> _Report:
    """Write a report with the hashes of the files that belong to it, which are there already.

    Args:
        document: Where to.
        report: The report, with a field ``sha256`` of :data:`FileHashes`.
        files: The other files, in the same folder; or their hashes by their names from there on, if these are known.
        lists: See :func:`btxrd_explain.system.files.write_json`.

    Returns:
        The report as it was written, but for the lists.

    Raises:
        OutputError: It cannot be written.
    """
    folder = document.parent
    hashes = files if isinstance(files, Mapping) else {path.name: sha256_of(path) for path in sorted(files)}
    report = as_written(report.model_copy(update={"sha256": dict(sorted(hashes.items()))}), folder)
    more = {name: (with_relative_places(item, folder) for item in items) for name, items in (lists or {}).items()}
    write_json(document, report.document(), lists=more)
    return report


def as_written(report: _Report, folder: Path) -> _Report:
    """Return a report as it is kept in a folder: in its texts no path is absolute."""
    content = report.document()
    written = with_relative_places(content, folder)
    return report if written == content else type(report).model_validate(written)


def with_relative_places(value: Any, folder: Path) -> Any:  # noqa: ANN401 -- whatever JSON can hold
    """Return plain JSON values in whose texts no path is absolute; see :func:`with_relative_paths`."""
    if isinstance(value, str):
        return with_relative_paths(value, folder)
    if isinstance(value, dict):
        return {key: with_relative_places(item, folder) for key, item in value.items()}
    return [with_relative_places(item, folder) for item in value] if isinstance(value, list | tuple) else value


def read_report(path: Path) -> Any:  # noqa: ANN401 -- whatever JSON can hold
    """Return the content of a report.

    Raises:
        OSError: It cannot be read, or something else has its name.
        ValueError: It is not JSON, too large, or nested too deeply.
    """
    content = read_whole(path, _MAX_BYTES)
    if content is None:
        raise ValueError(f"'{path}' has more than {_MAX_BYTES // 2**20} MiB")
    try:
        return json.loads(content)
    except RecursionError as error:
        raise ValueError(f"'{path}' is nested too deeply") from error


def tell_mixed(document: Path, hashes: Mapping[str, str], listener: Listener) -> list[str]:
    """Say of a report that files next to it are of another run, and return their names; see :func:`of_other_runs`."""
    mixed = of_other_runs(document.parent, hashes)
    if mixed:
        command = REPORTS[document.name]
        listener.note(
            f"'{document}' and {listed(quoted(mixed))} are not of one run: run 'btxrd-explain {command}' again, "
            "which writes all of them"
        )
    tell_left_over(document, hashes, listener)
    return mixed


def tell_left_over(document: Path, hashes: Mapping[str, str], listener: Listener) -> None:
    """Say which files are among those of a report, in folders that it names, and are not its own."""
    folders = {name.partition("/")[0] for name in hashes if "/" in name} - {"", ".", ".."}
    others = []
    with suppress(OSError, ValueError):  # a name from a report may be one that no file can have
        for path in (path for each in folders for path in (document.parent / each).rglob("*") if path.is_file()):
            name = path.relative_to(document.parent).as_posix()
            others += [name] if name not in hashes and not path.name.startswith(".") else []
    if others:
        listener.note(
            f"the files of '{document}' are together with others, {listed(quoted(sorted(others)))}: remove what an "
            "earlier run left, so that nobody takes it for a part of this one"
        )


def tell_all_mixed(folder: Path, listener: Listener, *, but: Collection[str] = ()) -> None:
    """Say of each report in a folder of results that files next to it are of another run.

    A report that cannot be read says nothing about its files.

    Args:
        folder: The folder.
        listener: Told of each such report.
        but: Names of reports that are looked at elsewhere.
    """
    for name in sorted(REPORTS.keys() - set(but)):
        with suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
            tell_mixed(folder / name, read_report(folder / name)["sha256"], listener)


def of_other_runs(folder: Path, hashes: Mapping[str, str]) -> list[str]:
    """Return the files of a report that are not those of its run; one that is gone or cannot be read is none.

    Args:
        folder: The folder of the report.
        hashes: What the report says.
    """
    others = []
    for name, sha256 in sorted(hashes.items()):
        with suppress(OSError, ValueError):  # a name from a report may be one that no file can have
            if sha256_of(folder / name) != sha256:
                others.append(name)
    return others
