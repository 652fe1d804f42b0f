"""The folder of a BTXRD download: where its images, annotations and table are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from btxrd_explain.inputs.btxrd_table import btxrd_label, find_btxrd_table, read_btxrd_table
from btxrd_explain.inputs.image_files import subfolder

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True)
class BtxrdRoot:
    """A BTXRD download, or a data set laid out like one.

    Attributes:
        images: Folder of the images.
        annotations: Folder of the LabelMe files; None where there is none.
        table: ``dataset.xlsx`` or ``dataset.csv``; None where there is none.
        notes: What was passed over, one line each.
    """

    images: Path
    annotations: Path | None
    table: Path | None
    notes: tuple[str, ...] = ()

    def labels(self, images: Iterable[Path]) -> dict[Path, str]:
        """Look images up in the table.

        Args:
            images: Image files; what counts is the name, or else the stem where the table has it once.

        Returns:
            The classes of the images that the table has.

        Raises:
            InputError: The table cannot be read.
        """
        if self.table is None:
            return {}
        by_name = {name: btxrd_label(row) for name, row in read_btxrd_table(self.table).items()}
        by_stem: dict[str, str | None] = {}
        for name, label in by_name.items():
            stem = Path(name).stem
            by_stem[stem] = None if stem in by_stem else label
        found = ((path, by_name.get(path.name) or by_stem.get(path.stem)) for path in images)
        return {path: label for path, label in found if label is not None}


def find_btxrd_root(folder: Path) -> BtxrdRoot | None:
    """Find out whether a folder is a BTXRD root: it has ``images/`` and besides ``Annotations/`` or a table.

    Args:
        folder: An existing folder; names count in any case.

    Returns:
        The root, or None for another folder.

    Raises:
        InputError: The folder cannot be listed.
    """
    images = subfolder(folder, "images")
    if images is None:
        return None
    annotations, table = subfolder(folder, "annotations"), find_btxrd_table(folder)
    if annotations is None and table is None:
        return None
    copy = subfolder(annotations, "annotations") if annotations else None
    notes = (f"passed over '{copy}', a copy of the folder in itself",) if copy else ()
    return BtxrdRoot(images, annotations, table, notes)
