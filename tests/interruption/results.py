"""Command lines that write results, and what is to be seen in the folder that they write to."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

JOURNAL = "intervention_journal.jsonl"


def words(command: str, arguments: str, data: Path, out: Path) -> list[str]:
    """Return a command line.

    Args:
        command: The command.
        arguments: Its arguments, in which names in braces stand for files of the data.
        data: The folder of the fixture ``data``.
        out: The folder of results.
    """
    places = {
        "data": data,
        "images": f"{data}/BTXRD --split-csv {data}/split.csv",
        "one": f"{data}/BTXRD/images/IMG000001.jpeg --target-class predicted"
        if command == "intervene"
        else f"{data}/BTXRD/images/IMG000001.jpeg",
        "table": f"--predictions {data}/table/predictions.parquet",
        "first": data / "table" / "predictions.parquet",
        "second": data / "other" / "predictions.parquet",
        "other": f"--predictions {data}/other/predictions.parquet",
    }
    target = out / "predictions.parquet" if command == "merge" else out
    return [*command.split(), *arguments.format(**places).split(), "-o", str(target), "--quiet"]


def visible_files(out: Path) -> dict[str, bytes | set[bytes]]:
    """Return what is visible in the folder of results; of a journal its whole lines, in whichever order."""
    found: dict[str, bytes | set[bytes]] = {}
    for path in out.rglob("*"):
        name = path.relative_to(out).as_posix()
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(out).parts):
            content = path.read_bytes()
            whole = {line for line in content.splitlines(keepends=True) if line.endswith(b"}\n")}
            found[name] = whole if name == JOURNAL else content
    return found
