"""From what a user names to the images of a run: files, folders, split CSVs, BTXRD roots, paths on a stream."""

from __future__ import annotations

import os
import sys
from collections import Counter, defaultdict
from pathlib import Path
from typing import IO, TYPE_CHECKING

from btxrd_explain.errors import InputError
from btxrd_explain.finding import Tally
from btxrd_explain.inputs.annotation_source import shared_annotations
from btxrd_explain.inputs.btxrd import BtxrdRoot, find_btxrd_root
from btxrd_explain.inputs.gathering import Gathering
from btxrd_explain.inputs.image_files import IMAGE_SUFFIXES, is_image, subfolder
from btxrd_explain.inputs.record import Collection, ImageRecord
from btxrd_explain.system.places import absolute, as_text, is_url, place_of, reaching

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

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
    stdin: IO[bytes] | None = None,
) -> Collection:
    """Collect the images that a run works on.

    Args:
        inputs: Image files, folders, URLs of either, split CSVs, BTXRD roots, or ``-`` for paths on ``stdin``. Where
            it is empty, the images are those of ``split_csv``, else all of ``images``, else all of ``root``.
        root: A BTXRD root, whose table and annotations also serve images named otherwise.
        images: Folder of the images that a split CSV names, or its URL; None takes the root's, else ``images/`` beside
            the CSV, else the CSV's own folder.
        annotations: Where the annotations are, see :func:`open_source`; None looks near the images, then in the roots.
        split_csv: Gives the images labels and splits, before the table's.
        split: Keep only images of this split.
        class_names: The classes; labels are matched in any case. None takes labels as they are.
        stdin: Binary stream of paths for the input ``-``; None takes the standard input.

    Returns:
        The collection, never empty.

    Raises:
        InputError: Something named cannot be used, no image is left, or a label is none of the classes.
    """
    gathering = Gathering(annotations)
    try:
        for folder in (root, images):
            _check_folder(folder)
        base = None if root is None else _root(root)
        folder = images if images is not None or base is None else base.images
        for text in _implied(inputs, split_csv, images, root):
            if text == "-":
                gathering.add_stream(stdin or sys.stdin.buffer)
            else:
                _add(gathering, place_of(text), folder)
        if split_csv is not None and inputs:
            gathering.describe_by_split_csv(split_csv)
        if base is not None:
            gathering.describe_by_root(base, gathering.files)
        named = bool(inputs) and all(is_image(Path(text)) for text in inputs)
        return _finish(gathering, split, class_names, named=named)
    except OSError as error:
        place = f"'{error.filename}'" if error.filename else "the inputs"
        raise InputError(f"cannot read {place} ({error.strerror or error})", hint="check the path") from error


def _implied(inputs: Sequence[str], split_csv: Path | None, images: Path | None, root: Path | None) -> Sequence[str]:
    """Return the inputs; where there are none, the first of the other places."""
    if inputs:
        return inputs
    return [str(place) for place in (split_csv, images, root) if place is not None][:1]


def _check_folder(folder: Path | None) -> None:
    if folder is None:
        return
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
    """Add one input, whatever it is."""
    if is_url(path):
        _add_remote(gathering, path)
    elif os.path.isdir(path):  # noqa: PTH112 -- raises nothing, whatever the name
        root = find_btxrd_root(path)
        if root is None:
            gathering.add_folder(path)
        else:
            gathering.add_root(root)
    elif is_image(path):
        gathering.add_named([path])
    elif not path.is_file():
        raise InputError(f"'{path}' does not exist", hint="check the path")
    elif path.suffix.lower() == ".csv":
        gathering.add_split_csv(path, images or subfolder(path.absolute().parent, "images") or path.parent)
    else:
        raise InputError(
            f"'{path}' is neither folder nor split CSV nor image", hint=f"images end in {', '.join(IMAGE_SUFFIXES)}"
        )


def _add_remote(gathering: Gathering, url: Path) -> None:
    """Add the image of a URL, existing or not, or the images of a folder; tables and annotations are local files."""
    if is_image(url):
        gathering.add_named([url])
        return
    _check_folder(url)
    gathering.add_folder(url)


def _finish(gathering: Gathering, split: str | None, class_names: Sequence[str] | None, *, named: bool) -> Collection:
    """Select the split, name the images, and check the labels."""
    rows = {file: gathering.row(file) for file in gathering.files}
    absent = list(gathering.missing.values())
    if split is not None:
        known = {row.split for row in rows.values()} | {row.split for row, _ in absent}
        if split not in known:
            raise _unknown_split(split, sorted(filter(None, known)))
        rows = {file: row for file, row in rows.items() if row.split == split}
        absent = [(row, reason) for row, reason in absent if row.split == split]
    if not rows:
        raise _empty([(row.image_id, reason) for row, reason in absent])
    labels = _known_labels({row.label for row in rows.values() if row.label}, class_names)
    ids = image_ids(rows)
    records = [
        ImageRecord(ids[file], file, labels.get(row.label or ""), row.split, gathering.annotation(file))
        for file, row in rows.items()
    ]
    records.sort(key=lambda record: record.image_id)
    missing = _missing([(row.image_id, reason) for row, reason in absent], set(ids.values()))
    tally = Tally(gathering.contradictions(ids))
    tally.add(shared_annotations((record.image_id, record.annotation) for record in records))
    return Collection(tuple(records), named, tuple(missing), tuple(dict.fromkeys(gathering.notes)), tally.findings())


def _unknown_split(split: str, known: Sequence[str]) -> InputError:
    if not known:
        return InputError(f"no image has split '{split}', nor any other", hint="give a split CSV")
    names = ", ".join(f"'{name}'" for name in known)
    return InputError(f"no image has split '{split}'", hint=f"the splits are {names}")


def _empty(missing: Sequence[tuple[str, str]]) -> InputError:
    if len(missing) == 1:
        return InputError("there is no '{}' ({})".format(*missing[0]), hint="check the path")
    if missing:
        image_id, reason = missing[0]
        return InputError(
            f"none of the {len(missing)} images that are named exists, such as '{image_id}' ({reason})",
            hint="check the paths, or name the folder with --images",
        )
    return InputError("no radiographs found", hint=f"name files or folders with {', '.join(IMAGE_SUFFIXES)}")


def _known_labels(labels: set[str], class_names: Sequence[str] | None) -> dict[str, str]:
    """Return the class of each label.

    Raises:
        InputError: Labels are none of the classes.
    """
    if class_names is None:
        return {label: label for label in labels}
    classes = {name.casefold(): name for name in class_names}
    unknown = sorted(label for label in labels if label.casefold() not in classes)
    if unknown:
        named = ", ".join(f"'{label}'" for label in unknown[:5])
        more = f" and {len(unknown) - 5} more" if len(unknown) > 5 else ""
        raise InputError(
            f"labels that are none of the classes: {named}{more}", hint=f"the classes are {', '.join(class_names)}"
        )
    return {label: classes[label.casefold()] for label in labels}


def image_ids(files: Iterable[Path]) -> dict[Path, str]:
    """Name each image: by its file name, or where several files have it, by the path from their common folder."""
    by_name: dict[str, list[Path]] = defaultdict(list)
    for file in files:
        by_name[as_text(file.name)].append(file)
    ids = {group[0]: name for name, group in by_name.items() if len(group) == 1}
    for group in by_name.values():
        if len(group) > 1:
            ids.update(zip(group, _places(group), strict=True))
    return ids


def _places(group: Sequence[Path]) -> list[str]:
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
