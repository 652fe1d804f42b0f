"""From what a user names to the images of a run: files, folders, split CSVs, BTXRD roots, paths on a stream."""

from __future__ import annotations

import os
import sys
from collections import Counter, defaultdict
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING

from btxrd_explain.core.labels import names_several, strangers
from btxrd_explain.errors import InputError
from btxrd_explain.finding import Tally
from btxrd_explain.inputs.btxrd import BtxrdRoot, find_btxrd_root
from btxrd_explain.inputs.file_kinds import IMAGE_SUFFIXES
from btxrd_explain.inputs.gathering import Gathering, NameIndex, Selection, UnresolvedNameError, contradiction
from btxrd_explain.inputs.image_files import is_image, subfolder, why_no_file
from btxrd_explain.inputs.record import Collection, ImageRecord
from btxrd_explain.inputs.shared_annotations import Annotated, tell_apart
from btxrd_explain.inputs.split_csv import SplitRow, Vocabulary, is_training, read_split_csv
from btxrd_explain.inputs.table_lines import TABLE_SUFFIXES
from btxrd_explain.system.places import absolute, as_text, is_url, place_of, reaching

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

__all__ = ["Collection", "ImageRecord", "collect"]


def collect(  # noqa: PLR0913 -- one keyword for each way to say where the data are
    inputs: Sequence[str],
    *,
    root: Path | None = None,
    images: Path | None = None,
    annotations: Path | None = None,
    split_csv: Path | None = None,
    split: str | None = None,
    class_names: Sequence[str] | None = None,
    vocabulary: Vocabulary | None = None,
    stdin: IO[bytes] | None = None,
) -> Collection:
    """Collect the images that a run works on: those that :func:`gather` finds and the split CSVs select.

    ``split`` keeps only the images of that split. Labels are matched with ``class_names`` in any case, where they are
    given; the other arguments are those of :func:`gather`.

    Returns:
        The collection, never empty.

    Raises:
        InputError: Something named cannot be used, no image is left, or a label is none of the classes.
    """
    with _reading():
        gathering = gather(
            inputs,
            root=root,
            images=images,
            annotations=annotations,
            split_csv=split_csv,
            vocabulary=vocabulary,
            stdin=stdin,
        )
        return _finish(gathering, split, class_names, named=named_one_by_one(inputs))


def named_one_by_one(inputs: Sequence[str]) -> bool:
    """Return whether inputs are images, and no folders or tables of images."""
    return bool(inputs) and all(is_image(Path(text)) for text in inputs)


def gather(
    inputs: Sequence[str],
    *,
    root: Path | None = None,
    images: Path | None = None,
    annotations: Path | None = None,
    split_csv: Path | None = None,
    vocabulary: Vocabulary | None = None,
    stdin: IO[bytes] | None = None,
) -> Gathering:
    """Find the images that a user names, and the tables and annotations that belong to them: one reading for all.

    Args:
        inputs: Image files, folders, URLs of either, split CSVs, BTXRD roots, or ``-`` for paths on ``stdin``. Where
            it is empty, the images are those of ``images``, else of ``root``, else those near ``split_csv``.
        root: A BTXRD root, whose table and annotations also serve images named otherwise.
        images: Folder of the images that a split CSV names, or its URL; None takes the root's, else ``images/`` near
            the CSV, else the CSV's own folder.
        annotations: Where the annotations are, see :func:`open_source`; None looks near the images, then in the roots.
        split_csv: Selects among the images, whichever way they are named; labels and splits come from it before those
            of a root's table.
        vocabulary: What split CSVs call columns and classes, and whether folders are classes.
        stdin: Binary stream of paths for the input ``-``; None takes the standard input.

    Returns:
        The images, of which the split CSVs have selected none yet; perhaps none at all.

    Raises:
        InputError: Nothing is named, or something named cannot be used.
    """
    with _reading():
        gathering = Gathering(annotations, vocabulary)
        for folder in (root, images):
            _check_folder(folder)
        base = None if root is None else _root(root)
        folder = images if images is not None or base is None else base.images
        for text in inputs:
            if text == "-":
                _add_stream(gathering, stdin or sys.stdin.buffer, alone=len(inputs) == 1)
            else:
                _add(gathering, place_of(text), folder)
        if inputs:
            if images is not None and not gathering.selections:
                gathering.notes.append(f"'{images}' is not looked into: other radiographs are named")
            if split_csv is not None:
                whole = gathering.folders if len(inputs) == 1 else []
                gathering.select_among_all(split_csv, whole[0] if whole else None)
        elif split_csv is not None:
            _select(gathering, split_csv, folder)
        elif folder is not None:
            gathering.add_folder(folder)
        else:
            raise InputError("no radiographs are named", hint="name images, a folder, a split CSV or a BTXRD root")
        if base is not None:
            gathering.describe_by_root(base)
        return gathering


@contextmanager
def _reading() -> Iterator[None]:
    """Turn what the file system says into one line."""
    try:
        yield
    except OSError as error:
        place = f"'{error.filename}'" if error.filename else "the inputs"
        raise InputError(f"cannot read {place} ({error.strerror or error})", hint="check the path") from error


def _add_stream(gathering: Gathering, stream: IO[bytes], *, alone: bool) -> None:
    """Add what the standard input names; nothing else being named, it must be something."""
    if not gathering.add_stream(stream) and alone:
        raise InputError("the standard input named no radiograph", hint="write a path a line into it")


def _check_folder(folder: Path | None) -> None:
    if folder is None:
        return
    reason = why_no_file(folder)
    if reason is not None:
        raise InputError(f"there is no '{folder}' ({reason})", hint="check the path")
    with reaching(folder):
        found = folder.is_dir()
    if not found:
        raise InputError(f"'{folder}' is not a folder", hint="check the path")


def _root(folder: Path) -> BtxrdRoot:
    root = find_btxrd_root(folder)
    if root is None:
        raise InputError(
            f"'{folder}' is not a BTXRD root", hint="it holds images/ and Annotations/ or dataset.xlsx or dataset.csv"
        )
    return root


def _add(gathering: Gathering, path: Path, images: Path | None) -> None:
    """Add one input, whatever it is; tables and annotations are local files."""
    if is_image(path) and (is_url(path) or not os.path.isdir(path)):  # noqa: PTH112 -- raises nothing, whatever the name
        gathering.add_named([path])
    elif not is_url(path) and path.suffix.lower() in TABLE_SUFFIXES and path.is_file():
        _select(gathering, path, images)
    elif not is_url(path) and path.is_file():
        raise InputError(
            f"'{path}' is neither folder nor split CSV nor image",
            hint=f"images end in {', '.join(IMAGE_SUFFIXES)}, tables in {', '.join(TABLE_SUFFIXES)}",
        )
    else:
        _check_folder(path)
        root = None if is_url(path) else find_btxrd_root(path)
        if root is None:
            gathering.add_folder(path)
        else:
            gathering.add_root(root)


def _select(gathering: Gathering, path: Path, images: Path | None) -> None:
    """Let a split CSV select among the images of a folder."""
    gathering.select_in(images or subfolder(path.absolute().parent, "images") or path.parent, path)


# What split CSVs select, and what they and the tables of roots say about it.


@dataclass(frozen=True, slots=True)
class _Selected:
    """The images that are left, each with its row, and those that are missing, each with its row and why."""

    rows: dict[Path, SplitRow]
    missing: list[tuple[SplitRow, str]]
    notes: list[str]


def _selected(gathering: Gathering, class_names: Sequence[str] | None) -> _Selected:
    """Let the split CSVs of a gathering select.

    Raises:
        InputError: A split CSV cannot be read, says two things of a file, or has none of the images.
    """
    rows = {file: SplitRow(file.name, None, None) for file in gathering.files}
    rows |= {path: SplitRow(str(path), None, None) for path in gathering.absent}
    missing: dict[str, tuple[SplitRow, str]] = {}
    said: dict[Path, tuple[SplitRow, Path]] = {}
    notes: list[str] = []
    for selection in gathering.selections:
        files = tuple(rows) if selection.files is None else selection.files
        read = _look_up(gathering, selection, NameIndex(files, selection.folder), said, class_names)
        left = len(set(files) - read.rows.keys())
        if left == len(files) > 0 and not read.missing:
            raise InputError(
                f"none of the radiographs {selection.place} is in '{selection.path}'", hint="check its column image_id"
            )
        notes += read.notes
        if left:
            verb = "is" if left == 1 else "are"
            notes.append(
                f"{left} of {len(files)} radiographs {selection.place} {verb} not in '{selection.path}': left out"
            )
        missing |= {row.image_id: (row, reason) for row, reason in read.missing}
        rows = read.rows if selection.files is None else rows | read.rows
    named = [path for path in gathering.absent if path in rows]
    absent = [(replace(rows.pop(path), image_id=str(path)), gathering.absent[path]) for path in named]
    return _Selected(rows, [*absent, *missing.values()], notes)


def _look_up(
    gathering: Gathering,
    selection: Selection,
    index: NameIndex,
    said: dict[Path, tuple[SplitRow, Path]],
    class_names: Sequence[str] | None,
) -> _Selected:
    """Read a split CSV: its rows by the file that they name, and those whose file is missing.

    Args:
        gathering: Knows the files.
        selection: The split CSV.
        index: The files among which it selects.
        said: What the rows of this and of other split CSVs said of each file; gets the new ones.
        class_names: The classes, where the settings name them.
    """
    table = read_split_csv(selection.path, class_names, selection.vocabulary)
    read = _Selected({}, [], list(table.notes))
    for row in table.rows:
        try:
            (file,) = gathering.known([index.resolve(row.image_id)])
        except UnresolvedNameError as error:
            if selection.complete:
                read.missing.append((row, str(error)))
            continue
        first, path = said.setdefault(file, (row, selection.path))
        if _in_other_folders(first.image_id, row.image_id):
            raise InputError(
                f"'{first.image_id}' and '{row.image_id}' are in different folders, and '{file}' is the only file for "
                "both",
                hint=f"name the folder that holds both with --images, or remove one of the lines of '{selection.path}'",
            )
        if (first.split, first.label) != (row.split, row.label):
            where = "" if path == selection.path else f" in '{path}'"
            raise InputError(
                f"'{first.image_id}'{where} and '{row.image_id}' in '{selection.path}' are one file with different "
                "splits or labels",
                hint="keep one of the lines",
            )
        read.rows[file] = first
    read.notes.extend(index.notes(selection.path))
    return read


def _in_other_folders(first: str, second: str) -> bool:
    """Return whether two names of one file name folders that cannot be the same one."""
    one, other = (name.replace("\\", "/").rpartition("/")[0].strip("/") for name in (first, second))
    return bool(one and other) and not (f"/{one}".endswith(f"/{other}") or f"/{other}".endswith(f"/{one}"))


def _several_splits(gathering: Gathering, rows: Mapping[Path, SplitRow]) -> Iterator[str]:
    """Yield a note on several splits of which none was chosen: the images of the training may be among them."""
    counts = Counter(row.split for row in rows.values())
    names = sorted(name for name in counts if name is not None)
    if not gathering.selections or len(names) < 2:
        return
    tables = " and ".join(f"'{selection.path}'" for selection in gathering.selections)
    listed = ", ".join(f"{counts[name]} of '{name}'" for name in names)
    more = f", {counts[None]} without a split" if counts[None] else ""
    training = "; training images are among them" if any(map(is_training, names)) else ""
    yield f"no --split is given, so that the radiographs of all splits in {tables} are taken: {listed}{more}{training}"


def _finish(gathering: Gathering, split: str | None, class_names: Sequence[str] | None, *, named: bool) -> Collection:
    """Let split CSVs and the split select, name the images, and check the labels."""
    selected = _selected(gathering, class_names)
    if split is not None:
        selected = _of_split(selected, split)
    notes = [*gathering.notes, *selected.notes]
    notes += _several_splits(gathering, selected.rows) if split is None else []
    rows = selected.rows
    missing = [(row.image_id, reason) for row, reason in selected.missing]
    if not rows:
        raise none_found(missing)
    stated: dict[Path, str] = {}
    for root, files in gathering.roots:
        stated = root.labels(rows if files is None else rows.keys() & set(files)) | stated
    folders = {file: gathering.vocabulary.label_of_folder(file) for file in rows}
    labels = {file: row.label or folders[file] or stated.get(file) for file, row in rows.items()}
    classes = _known_labels({label for label in labels.values() if label}, class_names)
    notes += _in_another_case(classes)
    ids = image_ids(rows)
    places = {file: gathering.annotation(file) for file in rows}
    told, shared = tell_apart(Annotated(ids[file], file, place) for file, place in places.items())
    records = [
        ImageRecord(ids[file], file, classes.get(labels[file] or ""), row.split, told.get(ids[file], places[file]))
        for file, row in rows.items()
    ]
    records.sort(key=lambda record: record.image_id)
    tally = Tally(
        finding for file, row in rows.items() for finding in contradiction(ids[file], row.label, stated.get(file))
    )
    for file, row in rows.items():
        tally.add(contradiction(ids[file], row.label, folders[file], "its folder's name"))
    tally.add(shared)
    return Collection(
        tuple(records),
        named,
        tuple(_missing(missing, set(ids.values()))),
        tuple(dict.fromkeys(notes)),
        tally.findings(),
    )


def _of_split(selected: _Selected, split: str) -> _Selected:
    """Return the rows of one split.

    Raises:
        InputError: No image has that split.
    """
    rows, missing = selected.rows, selected.missing
    known = {row.split for row in rows.values()} | {row.split for row, _ in missing}
    if split not in known:
        raise _unknown_split(split, sorted(filter(None, known)))
    others = sorted(name for name in known if name and name != split and name.casefold() == split.casefold())
    notes = [f"split '{name}' is spelled otherwise than '{split}', and left out" for name in others]
    return replace(
        selected,
        notes=[*selected.notes, *notes],
        rows={file: row for file, row in rows.items() if row.split == split},
        missing=[(row, reason) for row, reason in missing if row.split == split],
    )


def _unknown_split(split: str, known: Sequence[str]) -> InputError:
    if not known:
        return InputError(f"no image has split '{split}', nor any other", hint="give a split CSV")
    names = ", ".join(f"'{name}'" for name in known)
    return InputError(f"no image has split '{split}'", hint=f"the splits are {names}")


def none_found(missing: Sequence[tuple[str, str]]) -> InputError:
    """Return the error that says that no image is left, whose names and reasons are those of the missing ones."""
    if len(missing) == 1:
        return InputError("there is no '{}' ({})".format(*missing[0]), hint="check the path")
    if missing:
        image_id, reason = missing[0]
        return InputError(
            f"none of the {len(missing)} images that are named exists, such as '{image_id}' ({reason})",
            hint="check the paths, or name the folder with --images",
        )
    return InputError(
        "no radiographs found", hint="name files or folders with images, such as .jpeg, .png, .tif or .dcm"
    )


def _known_labels(labels: set[str], class_names: Sequence[str] | None) -> dict[str, str]:
    """Return the class of each label; a label of several classes stays as it is.

    Raises:
        InputError: Labels are none of the classes.
    """
    if class_names is None:
        return {label: label for label in labels}
    classes = {name.casefold(): name for name in class_names}
    several = any(names_several(label, class_names) for label in labels)  # then 'No finding' need not be a class
    classes |= {label.casefold(): label for label in labels if several and not strangers(label, class_names)} | classes
    unknown = sorted(label for label in labels if label.casefold() not in classes)
    if unknown:
        named = ", ".join(f"'{label}'" for label in unknown[:5])
        more = f" and {len(unknown) - 5} more" if len(unknown) > 5 else ""
        raise InputError(
            f"labels that are none of the classes: {named}{more}",
            hint=f"the classes are {', '.join(class_names)}; --label-names {unknown[0]}=CLASS says which one is meant",
        )
    return {label: classes[label.casefold()] for label in labels}


def _in_another_case(classes: Mapping[str, str]) -> Iterator[str]:
    """Yield which labels are taken for classes that are spelled with other capitals."""
    taken = [f"'{label}' for '{name}'" for label, name in sorted(classes.items()) if label != name]
    if taken:
        yield f"labels are taken for classes of other capitals: {', '.join(taken)}"


def image_ids(files: Iterable[Path]) -> dict[Path, str]:
    """Name each image: by its file name, or where several files have it, by the path from their common folder."""
    by_name: dict[str, list[Path]] = defaultdict(list)
    for file in files:
        by_name[as_text(file.name)].append(file)
    ids = {group[0]: name for name, group in by_name.items() if len(group) == 1}
    for group in by_name.values():
        if len(group) > 1:
            ids.update(zip(group, places(group), strict=True))
    return ids


def places(group: Sequence[Path]) -> list[str]:
    """Return the files' paths from their common folder, or whole ones where they have none (drives, URLs)."""
    whole = [absolute(file) for file in group]
    try:
        common = os.path.commonpath([os.path.dirname(file) for file in whole])  # noqa: PTH120 -- a Path mars URLs
    except ValueError:
        return [as_text(file.absolute().as_posix()) for file in group]
    return [as_text(Path(os.path.relpath(file, common)).as_posix()) for file in whole]


def _missing(absent: Sequence[tuple[str, str]], taken: set[str]) -> list[tuple[str, str]]:
    """Name what is missing like the images: by the file's name where no other has it."""
    names = {given: as_text(given.replace("\\", "/").rpartition("/")[2]) for given, _ in absent}
    counts = Counter([*names.values(), *taken])
    return [(names[given] if counts[names[given]] == 1 else as_text(given), reason) for given, reason in absent]
