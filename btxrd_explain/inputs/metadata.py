"""What a table says of images beyond their class: centre, view, patient, whatever its columns are."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from btxrd_explain.errors import InputError
from btxrd_explain.inputs.btxrd_table import read_btxrd_table

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Metadata:
    """A table of images.

    Attributes:
        path: Where it was read from.
        rows: The cells of each image as text, by ``image_id`` and then by the column's name in lower case.
    """

    path: Path
    rows: Mapping[str, Mapping[str, str]]

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns, in lower case."""
        return tuple(next(iter(self.rows.values()), {}))

    def column(self, name: str, image_ids: Iterable[str]) -> list[str | None]:
        """Look a column up for images.

        Args:
            name: Name of the column, in any case.
            image_ids: The images; what counts is the file's name, or else its stem where the table has it once.

        Returns:
            The cell of each image; None where it is empty or the table does not have the image.

        Raises:
            InputError: The table has no such column.
        """
        wanted = name.strip().lower()
        if wanted not in self.columns:
            near = get_close_matches(wanted, self.columns, n=1)
            hint = f"did you mean '{near[0]}'?" if near else f"its columns are {', '.join(self.columns)}"
            raise InputError(f"'{self.path}' has no column '{name}'", hint=hint)
        by_stem = self._by_stem()
        names = [PurePosixPath(image_id).name for image_id in image_ids]
        found = (self.rows.get(name) or by_stem.get(PurePosixPath(name).stem, {}) for name in names)
        return [cells.get(wanted) or None for cells in found]

    def _by_stem(self) -> dict[str, Mapping[str, str]]:
        stems = Counter(PurePosixPath(name).stem for name in self.rows)
        by_stem = {PurePosixPath(name).stem: cells for name, cells in self.rows.items()}
        return {stem: cells for stem, cells in by_stem.items() if stems[stem] == 1}


def read_metadata(path: Path) -> Metadata:
    """Read a table of images: BTXRD's, or any CSV or Excel file with a column ``image_id``.

    Raises:
        InputError: The table cannot be read, has no column ``image_id``, or names an image twice.
    """
    return Metadata(path, read_btxrd_table(path))
