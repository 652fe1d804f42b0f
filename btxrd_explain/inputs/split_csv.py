"""The split CSV: which image belongs to which split, with which label."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from btxrd_explain.core.labels import Truth, label_from_columns
from btxrd_explain.errors import InputError
from btxrd_explain.inputs.btxrd import btxrd_label
from btxrd_explain.inputs.table_lines import TRUTHS, cells_by_name, check_header, open_table, spelled_alike
from btxrd_explain.untrusted.documents import as_number

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

COLUMNS = ("image_id", "split", "label")
_OTHER_NAMES = {
    "image_id": (
        *("image", "imageid", "image_name", "img", "img_id", "file", "filename", "file_name", "image_file"),
        *("path", "image_path", "file_path", "filepath", "dicom_id", "patientid"),
    ),
    "split": ("subset", "partition", "set", "phase", "data_split"),
    "label": ("class", "class_name", "classname", "diagnosis", "target", "category", "labels"),
}
"""What other programs and data sets call the columns; a column is taken by such a name where it is the only one."""
_ALL_NAMES = frozenset({*COLUMNS, *(name for names in _OTHER_NAMES.values() for name in names)})


_TRAINING = frozenset({"train", "training", "trn"})


def is_training(split: str) -> bool:
    """Return whether a split is that of the training, by its name in any case."""
    return split.casefold() in _TRAINING


@dataclass(frozen=True, slots=True)
class SplitRow:
    """One image of a split CSV.

    Attributes:
        image_id: The image's name as the file gives it, perhaps without suffix or with folders.
        split: Name of the split; None where the cell is empty.
        label: The true class, or what is said of several (:mod:`btxrd_explain.core.labels`); None where nothing is.
    """

    image_id: str
    split: str | None
    label: str | None


@dataclass(frozen=True, slots=True)
class SplitTable:
    """The content of a split CSV.

    Attributes:
        rows: The images in the order of the file, each once.
        notes: What was passed over, one line each.
    """

    rows: tuple[SplitRow, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """What the tables of a user call the columns and the classes.

    Attributes:
        columns: Names of columns by ``image_id``, ``split`` and ``label``, in any case.
        labels: The class that each label means, such as ``Normal`` by ``0``, in any case.
        from_folders: Whether the folder of a radiograph is its label where no split CSV says another.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    from_folders: bool = False

    def label(self, text: str) -> str:
        """Return the class that a label means; a label that is not known stays as it is.

        >>> Vocabulary(labels={"0": "Normal"}).label("0.0"), Vocabulary(labels={"gut": "Benign"}).label("Gut")
        ('Normal', 'Benign')
        """
        known = {label.casefold(): meaning for label, meaning in self.labels.items()}
        return known.get(text.casefold()) or known.get(text.removesuffix(".0"), text)

    def label_of_folder(self, image: Path) -> str | None:
        """Return the class that an image's folder means; None where folders are not classes."""
        return self.label(image.parent.name) if self.from_folders else None


def read_split_csv(
    path: Path, class_names: Sequence[str] | None = None, vocabulary: Vocabulary | None = None
) -> SplitTable:
    """Read a split CSV; see :func:`read_split_lines`.

    Args:
        path: The table.
        class_names: See :func:`read_split_lines`.
        vocabulary: The same.

    Returns:
        The rows and notes.

    Raises:
        InputError: The file cannot be read, lacks a column, or names an image twice with different values.
    """
    rows: dict[str, tuple[SplitRow, int]] = {}
    repeated = 0
    notes, lines = read_split_lines(path, class_names, vocabulary)
    for line, cells in lines:
        image_id = cells["image_id"]
        if not image_id:
            raise InputError(f"'{path}', line {line}: image_id is empty", hint="fill it in, or remove the line")
        row = SplitRow(image_id, cells["split"] or None, cells["label"] or None)
        first, first_line = rows.setdefault(image_id, (row, line))
        if first != row:
            raise InputError(
                f"'{path}': '{image_id}' is {_describe(first)} in line {first_line}, {_describe(row)} in line {line}",
                hint="keep one of the lines",
            )
        repeated += first_line != line
    if repeated:
        notes.append(f"'{path}' repeats {repeated} line{'s' if repeated > 1 else ''}")
    return SplitTable(tuple(row for row, _ in rows.values()), tuple(notes))


# A table without a column ``label`` may have a column per class, as those of CheXpert and MIMIC-CXR do.

_UNCERTAIN = frozenset({"-1", "-1.0"})
"""What CheXpert writes of a finding that the report leaves open."""


def read_split_lines(
    path: Path, class_names: Sequence[str] | None = None, vocabulary: Vocabulary | None = None
) -> tuple[list[str], Iterable[tuple[int, dict[str, str]]]]:
    """Read the lines of a split CSV, whatever they say.

    Columns are in any order among others, in any spelling, perhaps under another name that leaves no doubt. Without a
    column ``split`` all is one split. Without a column ``label`` the label is that of BTXRD's columns, or made of
    columns of 0 and 1 (or no and yes), one per class: the class where each line has exactly one 1; else what each
    column says, where empty cells and -1 leave a class unknown. A table of nothing but names, perhaps with splits, has
    no labels.

    Args:
        path: The table; see :func:`btxrd_explain.inputs.table_lines.open_table`.
        class_names: The classes, in any case; None takes all columns that hold nothing but such cells.
        vocabulary: What it calls columns and classes.

    Returns:
        Notes on what was taken for what, and line number and cells of each line, as :func:`read_csv` yields them,
        ``split`` and ``label`` always among them.

    Raises:
        InputError: The file cannot be read, a column is not there or not clear, or a class's column holds something
            else.
    """
    vocabulary = vocabulary or Vocabulary()
    given = {column: spelled_alike(name) for column, name in vocabulary.columns.items()}
    keys = {given["image_id"]} if "image_id" in given else {"image_id", *_OTHER_NAMES["image_id"]}
    table = open_table(path, {*_ALL_NAMES, *given.values()}, keys)
    names, taken = _our_names(path, table.names, vocabulary.columns)
    notes = [*table.notes, *table.guesses, *taken]
    if "image_id" not in names:
        unknown = ",".join(f"{name}=NAME" for name in COLUMNS if name not in names)
        raise InputError(
            f"'{path}' has no column image_id; it has {', '.join(table.names) or 'none'}",
            hint=f"name it in the first line, or say what the columns are with --columns {unknown}",
        )
    check_header(path, names, [name for name in COLUMNS if name in names])
    rows: Iterable[tuple[int, dict[str, str]]] = (
        (line, cells_by_name(path, line, names, values)) for line, values in table.lines
    )
    if "split" not in names:
        notes.append(f"'{path}' has no column split: all of it is one split")
    if "label" not in names:
        rows = list(rows)
        others = [name for name, ours in zip(table.names, names, strict=True) if ours and ours not in COLUMNS]
        notes += _add_labels(path, others, rows, class_names)
    return notes, _in_our_words(path, rows, vocabulary, notes, set(class_names or ()))


def _in_our_words(
    path: Path, rows: Iterable[tuple[int, dict[str, str]]], vocabulary: Vocabulary, notes: list[str], known: set[str]
) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield lines with the classes that their labels mean; note at the end where labels are unexplained numbers."""
    labels: set[str] = set()
    for line, cells in rows:
        label = vocabulary.label(cells["label"])
        labels.add(label)
        yield line, {"split": "", **cells, "label": label}
    labels -= {"", *known}
    if labels and all(label.removesuffix(".0").isdecimal() for label in labels):
        listed = ", ".join(sorted(labels)[:5])
        example = min(labels).removesuffix(".0")
        notes.append(
            f"the labels of '{path}' are numbers ({listed}); --label-names {example}=NAME says what each means"
        )


def _our_names(path: Path, header: Sequence[str], given: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """Return the columns' names in lower case, those that are needed by this tool's names, and notes.

    Args:
        path: The table, for messages.
        header: The names as the table has them.
        given: What the user calls the columns.

    Raises:
        InputError: A column that the user names is not there, or several may be meant.
    """
    spelled, names = [spelled_alike(name) for name in header], [name.lower() for name in header]
    notes = []
    for column in COLUMNS:
        wanted = given.get(column)
        others = (column,) if wanted is None else (spelled_alike(wanted),)
        found = [place for place, name in enumerate(spelled) if name in others]
        if wanted is None and not found:
            found = [place for place, name in enumerate(spelled) if name in _OTHER_NAMES[column]]
            notes += [
                f"'{path}' has no column {column}: its column '{header[place]}' is taken for it" for place in found
            ]
        elif wanted is not None and not found:
            raise InputError(
                f"'{path}' has no column '{wanted}'; it has {', '.join(header)}", hint=f"check --columns {column}=..."
            )
        if len(found) > 1 and spelled[found[0]] != column:
            may_be = " and ".join(f"'{header[place]}'" for place in found)
            raise InputError(f"'{path}': {may_be} may be {column}", hint=f"say which with --columns {column}=NAME")
        names = ["" if name == column else name for name in names]  # another column of that name is not meant
        for place in found:
            names[place] = column
    return names, notes


def _add_labels(
    path: Path, others: Sequence[str], rows: Sequence[tuple[int, dict[str, str]]], class_names: Sequence[str] | None
) -> list[str]:
    """Add the label to each line of a table without such a column; returns notes.

    Args:
        path: The table, for messages.
        others: Its columns besides those of image and split.
        rows: Its lines.
        class_names: The classes; None where they are not known.

    Raises:
        InputError: It cannot be told which column has the labels.
    """
    if rows and {"benign", "malignant"} <= rows[0][1].keys() and not _all_there(class_names, rows[0][1]):
        for _, cells in rows:
            cells["label"] = btxrd_label(cells) or ""
        return [f"'{path}' has no column label: its columns benign and malignant tell the class"]
    columns = _class_columns(path, others, rows, class_names)
    if columns:
        return _add_truths(path, columns, rows, named=class_names is not None)
    if others:
        raise InputError(
            f"'{path}' has no column label; its other columns are {', '.join(others)}",
            hint="name it with --columns label=NAME, or add an empty one where nothing is known",
        )
    for _, cells in rows:
        cells["label"] = ""
    return [f"'{path}' has no column label: it gives its radiographs none"]


def _all_there(class_names: Sequence[str] | None, columns: Iterable[str]) -> bool:
    return class_names is not None and {name.lower() for name in class_names} <= set(columns)


def _add_truths(
    path: Path, columns: Mapping[str, str], rows: Sequence[tuple[int, dict[str, str]]], *, named: bool
) -> list[str]:
    """Add to each line the label that columns of 0 and 1 tell, and return notes; ``named``: the user named them."""
    said = [{name: _truth(path, line, cells, name) for name in columns.values()} for line, cells in rows]
    listed = ", ".join(columns.values())
    one_each = len(columns) > 1 and all(sorted(map(str, truths.values())) == _one_true(len(columns)) for truths in said)
    for (_, cells), truths in zip(rows, said, strict=True):
        true = [name for name, truth in truths.items() if truth]
        cells["label"] = true[0] if one_each else label_from_columns(truths) or ""
    if one_each:
        return [f"'{path}' has no column label: of its columns {listed} each line has one that is 1, its class"]
    uncertain = sum(cells[name.lower()] in _UNCERTAIN for _, cells in rows for name in columns.values())
    asked = "" if named else ", as far as their cells tell (--class-names says which are)"
    note = f"'{path}' has no column label: its columns {listed} are classes{asked}; empty is unknown"
    return [note + (f", and so are {uncertain} cells of -1" if uncertain else "")]


def _one_true(count: int) -> list[str]:
    return ["False"] * (count - 1) + ["True"]


def _class_columns(
    path: Path, header: Sequence[str], rows: Sequence[tuple[int, dict[str, str]]], class_names: Sequence[str] | None
) -> dict[str, str]:
    """Return the columns of classes by their names in small letters.

    Raises:
        InputError: A column looks like one of them, but for a word in a few of its cells.
    """
    others = {name.lower(): name for name in header if name and name.lower() not in COLUMNS}
    if class_names is not None:
        known = {name.lower() for name in class_names}
        return {key: name for key, name in others.items() if key in known}
    found = {}
    for key, name in others.items():
        odd = [(line, cells) for line, cells in rows if cells[key].lower() not in {*TRUTHS, *_UNCERTAIN, ""}]
        true_or_false = sum(cells[key].lower() in TRUTHS for _, cells in rows)
        if true_or_false > len(odd) and all(as_number(cells[key]) is None for _, cells in odd):
            for line, cells in odd:
                _truth(path, line, cells, name)
            found[key] = name
    return found


def _truth(path: Path, line: int, cells: dict[str, str], name: str) -> Truth:
    text = cells[name.lower()].lower()
    if text and text not in TRUTHS and text not in _UNCERTAIN:
        raise InputError(
            f"'{path}', line {line}: '{name}' is '{text[:40]}'",
            hint="write 1 (true), 0 (false), or nothing (unknown), or name the columns of classes with --class-names",
        )
    return TRUTHS.get(text)


def _describe(row: SplitRow) -> str:
    return f"({row.split or 'no split'}, {row.label or 'no label'})"
