"""Image files in folders and on the standard input."""

from __future__ import annotations

import os
import stat
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from btxrd_explain.errors import InputError
from btxrd_explain.inputs.file_kinds import (
    ADVICE,
    COMPANIONS,
    DICOM_INDEX,
    DICOM_SUFFIXES,
    IMAGE_SUFFIXES,
    RESULTS,
    results_in,
    what_is_passed_over,
)
from btxrd_explain.system.places import is_url, place_of, reaching

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


@dataclass(frozen=True, slots=True)
class FolderListing:
    """The image files of a folder.

    Attributes:
        files: The images in the folder and its subfolders, sorted folder by folder, and whatever else is called like
            one or cannot be looked into; reading it will say why it is not an image.
        notes: What was passed over, one line each.
    """

    files: tuple[Path, ...]
    notes: tuple[str, ...]


def is_image_name(name: str) -> bool:
    """Return whether a file's name is that of an image: a known suffix in any case, and neither hidden nor a lock file.

    >>> is_image_name("IMG000046.JPEG"), is_image_name("~$dataset.xlsx"), is_image_name("._IMG000046.jpeg")
    (True, False, False)
    """
    return name.lower().endswith(IMAGE_SUFFIXES) and not _is_hidden(name)


def is_image(path: Path) -> bool:
    """Return whether what a user names is an image: by its suffix, or else a local file by its content.

    Archives name DICOM files ``IM000001`` or ``1.2.840.113619.2``; the index ``DICOMDIR`` with them is not one.
    """
    return path.name.lower().endswith(IMAGE_SUFFIXES) or (not is_url(path) and what_is_passed_over(path) is None)


def list_images(folder: Path) -> FolderListing:
    """List the images in a folder and its subfolders, without a look into files that are named like other images.

    DICOM files, which may be reports, and files whose suffix says nothing are opened: their first bytes decide.

    What is called like an image counts as one, be it a pipe, a broken link or an empty folder: nothing that may have
    been meant is passed over in silence. So do subfolders that cannot be listed. Archives, volumes, DICOM files without
    a picture and files of no known kind are counted in the notes.
    Hidden files, hidden folders and Office's lock files (``~$...``) are passed over, and so is a copy of a folder in
    itself, such as ``images/images``, where the outer one holds images. So are the pictures of earlier results, where
    these are written among the radiographs.

    Args:
        folder: An existing folder. Links to folders are followed, but never in circles.

    Returns:
        The images and notes.

    Raises:
        InputError: The folder cannot be listed.
    """
    files: list[Path] = []
    notes: list[str] = []
    others: defaultdict[str, list[Path]] = defaultdict(list)
    pending, visited = [folder], set()
    while pending:
        current = pending.pop()
        real = str(current) if is_url(current) else os.path.realpath(current)
        if real in visited:
            continue
        visited.add(real)
        try:
            images, folders, passed_over = _list(current)
        except InputError:
            if current == folder:
                raise
            files.append(current)  # with as many images as it may hold
            continue
        if is_image_name(current.name) and current != folder and not images and not folders:
            files.append(current)
        files.extend(current / name for name in images)
        for name, kind in passed_over.items():
            others[kind].append(current / name)
        copies = {name for name in folders if images and name.lower() == Path(real).name.lower()}
        notes.extend(f"passed over '{current / name}', a copy of the folder in itself" for name in sorted(copies))
        pending.extend(current / name for name in sorted(set(folders) - copies, reverse=True))
    return FolderListing(tuple(files), (*notes, *_notes(others)))


def _notes(others: Mapping[str, Sequence[Path]]) -> Iterator[str]:
    """Count what was passed over, by kind."""
    for kind, paths in sorted(others.items()):
        if kind == RESULTS:
            yield f"passed over {len(paths)} {kind}, such as '{min(paths)}'"
            continue
        number = f"{len(paths)} file{'s' if len(paths) > 1 else ''}"
        what_to_do = ADVICE.get(kind, "save as PNG or DICOM what is a radiograph")
        advice = "" if kind.startswith("DICOM") else f"; {what_to_do}"
        yield f"passed over {number} ({kind}), such as '{min(paths)}'{advice}"


def kind_of(mode: int) -> str | None:
    """Return what is not a file, by the mode that ``stat`` tells; None for a file."""
    return _KINDS.get(stat.S_IFMT(mode))


def subfolder(folder: Path, name: str) -> Path | None:
    """Return the subfolder of that name, in any case; None where there is none.

    Args:
        folder: An existing folder.
        name: The name in lower case.

    Raises:
        InputError: The folder cannot be listed.
    """
    _, folders, _ = _list(folder)
    return next((folder / found for found in sorted(folders) if found.lower() == name), None)


def why_no_file(path: Path) -> str | None:
    """Return why there is nothing at a path; None where there is something, whether it is an image or not.

    Args:
        path: A path from anywhere, perhaps one that no file system takes.
    """
    try:
        with reaching(path):
            path.stat()
            return None
    except OSError as error:
        return (error.strerror or str(error)).lower()
    except ValueError as error:  # a NUL in the name
        return str(error)


def read_paths(stream: IO[bytes]) -> tuple[list[Path], tuple[str, ...]]:
    """Read the paths of image files from a stream, such as ``find`` writes them.

    They are separated by NUL where there is any, else by newlines. What is named unlike an image (``find`` also names
    folders) is passed over.

    Args:
        stream: A binary stream.

    Returns:
        The paths, existing or not, and notes.
    """
    data = stream.read().removeprefix(b"\xef\xbb\xbf")
    parts = data.split(b"\0") if b"\0" in data else [line.rstrip(b"\r") for line in data.split(b"\n")]
    paths = [place_of(os.fsdecode(part)) for part in parts if part.strip()]
    images = [path for path in paths if is_image(path) and not _is_hidden(path.name)]
    return images, _count_note(paths, images)


def _count_note(paths: Sequence[Path], images: Sequence[Path]) -> tuple[str, ...]:
    count = len(paths) - len(images)
    return (f"passed over {count} of {len(paths)} paths that are not named like images",) if count else ()


def _list(folder: Path) -> tuple[list[str], list[str], dict[str, str]]:
    """Return the names of a folder's images, sorted, of its subfolders, and what else there is with its kind."""
    if is_url(folder):
        return _list_remote(folder)
    images, folders, others = [], [], {}
    names: set[str] = set()
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if _is_hidden(entry.name):
                    continue
                names.add(entry.name)
                if is_folder(entry):
                    folders.append(entry.name)
                elif (kind := _kind_listed(entry)) is None:
                    images.append(entry.name)
                elif kind:
                    others[entry.name] = kind
    except OSError as error:
        raise InputError(f"cannot list the folder '{folder}' ({error.strerror})", hint="check the path") from error
    own = results_in(folder, names)
    others |= dict.fromkeys(own & {*images, *folders}, RESULTS)
    return sorted(set(images) - own), [name for name in folders if name not in own], others


def _kind_listed(entry: os.DirEntry[str]) -> str | None:
    """Return what an entry is that is passed over, ``""`` in silence; None where it counts as an image."""
    name = entry.name.lower()
    if name.endswith(IMAGE_SUFFIXES) and not name.endswith(DICOM_SUFFIXES):
        return None
    return what_is_passed_over(Path(entry.path))


def is_folder(entry: os.DirEntry[str]) -> bool:
    """Return whether an entry is a folder, or a link to one."""
    try:
        return entry.is_dir()
    except OSError:  # links in a circle
        return False


def _list_remote(folder: Any) -> tuple[list[str], list[str], dict[str, str]]:  # noqa: ANN401 -- a UPath
    """Do the same for a URL, with one listing: whether each entry is a file costs a request in an object store."""
    try:
        with reaching(folder):
            entries = {entry["name"].rstrip("/"): entry["type"] for entry in folder.fs.ls(folder.path, detail=True)}
    except OSError as error:
        raise InputError(f"cannot list the folder '{folder}' ({error.strerror})", hint="check the URL") from error
    entries.pop(folder.path.rstrip("/"), None)  # some stores list an empty object that stands for the folder
    kinds = {place.rpartition("/")[2]: kind for place, kind in entries.items()}
    folders = [name for name, kind in kinds.items() if kind == "directory" and not _is_hidden(name)]
    files = [name for name, kind in kinds.items() if kind == "file" and not _is_hidden(name)]
    others = {name: "file of another suffix, which is not looked into" for name in files if _may_be_meant(name)}
    return sorted(filter(is_image_name, files)), folders, others


def _may_be_meant(name: str) -> bool:
    """Return whether a remote file may be an image that its name does not tell."""
    return name.lower() != DICOM_INDEX and not name.lower().endswith((*IMAGE_SUFFIXES, *COMPANIONS))


def _is_hidden(name: str) -> bool:
    return name.startswith((".", "~$"))
