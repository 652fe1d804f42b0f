"""The BTXRD download: its folder, and its table, from which class and metadata follow."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from btxrd_explain.errors import InputError
from btxrd_explain.inputs.image_files import subfolder
from btxrd_explain.inputs.table_lines import TRUTHS, read_csv

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


_NAMES = ("dataset.xlsx", "dataset.csv")
LABELS_FROM = f"name a split CSV with labels (--split-csv), or a BTXRD root that holds {' or '.join(_NAMES)}"
"""What to do where no label is known."""
_LABELS = frozenset({"benign", "malignant", "label"})


def find_btxrd_table(root: Path) -> Path | None:
    """Return the table in a BTXRD root, ``dataset.xlsx`` before ``dataset.csv``, in any case; None without one.

    Args:
        root: An existing folder.
    """
    files = {path.name.lower(): path for path in sorted(root.iterdir())}
    return next((files[name] for name in _NAMES if name in files), None)


def tables_not_read(root: Path) -> list[Path]:
    """Return the tables in a folder that hold labels of images, and that no command reads, for their names.

    Args:
        root: An existing folder.
    """
    others = (path for path in sorted(root.iterdir()) if path.suffix.lower() in {".csv", ".xlsx"})
    return [path for path in others if path.name.lower() not in _NAMES and _holds_labels(path)]


def _holds_labels(path: Path) -> bool:
    try:
        rows = read_table_rows(path)
    except InputError:  # another table, or none
        return False
    return bool(rows) and not _LABELS.isdisjoint(rows[0])


def read_btxrd_table(path: Path) -> dict[str, dict[str, str]]:
    """Read all columns of BTXRD's table.

    Args:
        path: ``dataset.xlsx``, of which the first sheet counts, or the same as CSV.

    Returns:
        The cells of each image as text (whole numbers without decimals, empty cells as ``""``), by ``image_id`` and
        then by the column's name in lower case.

    Raises:
        InputError: The table cannot be read, has no column ``image_id``, or names an image twice.
    """
    rows = read_table_rows(path)
    table: dict[str, dict[str, str]] = {}
    for row in rows:
        image_id = row["image_id"]
        if image_id and table.setdefault(image_id, row) != row:
            raise InputError(f"'{path}' names '{image_id}' twice", hint="keep one of the lines")
    return table


def read_table_rows(path: Path) -> list[dict[str, str]]:
    """Read the rows of BTXRD's table as they are, whatever they say; see :func:`read_btxrd_table`.

    Raises:
        InputError: The table cannot be read, or has no column ``image_id``.
    """
    return [cells for _, cells in read_csv(path, ("image_id",))]


def btxrd_label(row: Mapping[str, str]) -> str | None:
    """Return the class that BTXRD's columns give an image.

    Args:
        row: An image's cells; see :func:`read_btxrd_table`.

    Returns:
        ``Malignant``, ``Benign`` or ``Normal``; None where the columns are absent or empty.

    >>> btxrd_label({"tumor": "1", "benign": "0", "malignant": "1"}), btxrd_label({"benign": "No", "malignant": "No"})
    ('Malignant', 'Normal')
    """
    malignant, benign = (TRUTHS.get(row.get(name, "").lower()) for name in ("malignant", "benign"))
    if malignant:
        return "Malignant"
    if benign:
        return "Benign"
    return "Normal" if malignant is benign is False else None


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
            image_ids: The images; what counts is the ``image_id``, else the file's name, or else its stem where the
                table has it once.

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
        names = [(image_id, PurePosixPath(image_id).name) for image_id in image_ids]
        found = (
            self.rows.get(image_id) or self.rows.get(name) or by_stem.get(PurePosixPath(name).stem, {})
            for image_id, name in names
        )
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
