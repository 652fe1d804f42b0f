"""Which annotation file belongs to which image: the one with the image's stem, in one of a few places."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from btxrd_explain.places import is_url

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_FOLDER_NAMES = ("Annotations", "annotations", "ANNOTATIONS")


def find_annotation(image: Path, annotations: Path | None = None, *, suffix: str = ".json") -> Path | None:
    """Find the annotation file of one image.

    Looked for is ``<stem>.json`` (or another suffix): in ``annotations`` where it is given, first in the subfolder that
    is named like the image's own folder; else in ``Annotations/`` beside the image's folder, in ``Annotations/``
    inside of it, and beside the image itself. Near the URL of an image nothing is looked for.

    Args:
        image: The image file.
        annotations: Folder of the annotations; None looks near the image.
        suffix: Suffix of the file.

    Returns:
        The file, or None where there is none.
    """
    name = f"{image.stem}{suffix}"
    return next((folder / name for folder in _places(image.parent, annotations) if (folder / name).is_file()), None)


class AnnotationFinder:
    """:func:`find_annotation` for many images: lists each folder once instead of asking for each file.

    Args:
        annotations: Folder of the annotations; None looks near the images.
        suffix: Suffix of the files.
    """

    def __init__(self, annotations: Path | None = None, *, suffix: str = ".json") -> None:
        """Start without knowledge of any folder."""
        self._suffix = suffix
        self._annotations = annotations
        self._files: dict[Path, frozenset[str]] = {}
        self._near: dict[Path, tuple[Path, ...]] = {}

    def find(self, image: Path) -> Path | None:
        """Find the annotation file of one image; see :func:`find_annotation`."""
        parent = image.parent
        if parent not in self._near:
            self._near[parent] = tuple(folder for folder in _places(parent, self._annotations) if self._list(folder))
        name = f"{image.stem}{self._suffix}"
        return next((folder / name for folder in self._near[parent] if name in self._files[folder]), None)

    def listed(self) -> list[Path]:
        """Return the files of the folders that were looked into, but for those in the images' own folders, sorted.

        A file beside an image may be anything.
        """
        folders = self._files.keys() - self._near.keys()
        return sorted(folder / name for folder in folders for name in self._files[folder])

    def _list(self, folder: Path) -> frozenset[str]:
        """Return the names of the files of the suffix in a folder; none where it does not exist."""
        if folder not in self._files:
            try:
                with os.scandir(folder) as entries:
                    names = frozenset(entry.name for entry in entries if entry.name.endswith(self._suffix))
            except (FileNotFoundError, NotADirectoryError):
                names = frozenset()
            self._files[folder] = names
        return self._files[folder]


def _places(folder: Path, annotations: Path | None) -> Iterator[Path]:
    """Return the folders that may hold the annotations of the images in a folder, nearest first."""
    if annotations is not None:
        yield annotations / folder.absolute().name
        yield annotations
        return
    if is_url(folder):
        return  # annotations are local files
    for place in (folder.absolute().parent, folder):
        yield from (place / name for name in _FOLDER_NAMES)
    yield folder
