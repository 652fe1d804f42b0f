"""The results of `export`."""

from __future__ import annotations

import shlex
from dataclasses import asdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from btxrd_explain.console.terminal import Terminal
    from btxrd_explain.workflows.export import ExportResult

_OPENED_BY = {
    "labelme": "labelme FOLDER_OF_RADIOGRAPHS --output {folder}",
    "fiftyone": "fiftyone datasets create --dataset-dir {folder} --type fiftyone.types.FiftyOneDataset",
}
"""What shows the files in the program that they are for."""


def show_export(terminal: Terminal, result: ExportResult) -> None:
    """Show how many images were exported and where to, and name those that were not."""
    if terminal.json:
        terminal.print_json(asdict(result) | {"folder": result.folder and str(result.folder)})
        return
    terminal.print(f"{result.exported} radiographs exported, {len(result.failed)} failed")
    terminal.print_path(result.to, "beside the radiographs" if result.folder is None else result.folder)
    if result.folder is not None and result.to in _OPENED_BY:
        terminal.print_next(_OPENED_BY[result.to].format(folder=shlex.quote(str(result.folder))))
