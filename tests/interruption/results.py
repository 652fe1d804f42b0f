"""Command lines that write results, and what is to be seen in the folder that they write to."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

JOURNAL = "intervention_journal.jsonl"
COMMANDS = {
    "infer": ("{images} -c demo --device cpu --overlay --no-strict", "-c demo --device cpu --overlay {one}"),
    "annotate-iou": ("{table}", "{other}"),
    "gallery": ("{table}", "{other}"),
    "report": ("{table} --layout folder", "{other} --layout folder"),
    "performance": ("{table}", "{other} --dpi 80"),
    "export --to labelme": ("{table}", "{other}"),
    "export --to coco": ("{table}", "{other}"),
    "export --to masks": ("{table} --classes all", "{other} --classes all"),
    "export --to npz": ("{table}", "{other}"),
    "export --to tiff": ("{table}", "{other}"),
    "export --to fiftyone": ("{table}", "{other}"),
    "export --to csv": ("{table}", "{other}"),
    "compare": ("{first} {second}", "{second} {first}"),
    "intervene": ("{images} -c demo --device cpu --controls 1", "{one} -c demo --device cpu --controls 1"),
    "sanity": (
        "{images} -c demo --device cpu --sample 2 --stages 2",
        "{one} -c demo --device cpu --sample 2 --stages 2",
    ),
    "study": (
        "{images} -c demo --device cpu --controls 1 --sample 2 --stages 2",
        "{images} -c demo --device cpu --controls 1 --sample 2 --stages 2 --no-strict --threshold 0.4",
    ),
    "import-maps": (
        "{data}/maps --root {data}/BTXRD --class-names Normal,Benign,Malignant",
        "{data}/maps --root {data}/BTXRD --class-names Normal,Benign",
    ),
    "merge": ("{first}", "{second}"),
    "check": ("{images}", "{data}/BTXRD/images"),
}  # fmt: skip
"""What each command gets, and what it got in the run before, whose results are there."""
SLOW = {"annotate-iou", "gallery", "performance", "intervene", "sanity", "study"}
"""They draw figures or change radiographs, and write as the others do: the suite leaves them to the session."""


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
