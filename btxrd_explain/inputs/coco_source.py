"""The entries of a COCO file as annotations of images, which are told by name and folders."""

from __future__ import annotations

from collections import defaultdict
from functools import lru_cache
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from btxrd_explain.inputs.annotation import AnnotationPlace, SourceKind

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from btxrd_explain.inputs.coco import CocoFile


class CocoSource:
    """The entries of a COCO file, by the names of their images.

    Args:
        path: The file.

    Raises:
        InputError: It is not a COCO file.
    """

    def __init__(self, path: Path) -> None:
        """Read the file and sort its images by name."""
        self._file = cached_coco(path)
        self._names = [_relative(image.file_name) for image in self._file.images]
        self._folders = {name.parent for name in self._names}
        self._by_name: dict[str, list[int]] = defaultdict(list)
        self._by_stem: dict[str, list[int]] = defaultdict(list)
        for position, name in enumerate(self._names):
            self._by_name[name.name].append(position)
            self._by_stem[name.stem].append(position)

    @property
    def description(self) -> str:
        """Kind, file, and what of it serves no image."""
        stray = f"; {self._file.stray} annotations of images that it does not list" if self._file.stray else ""
        folders = f" in {len(self._folders)} folders, by which images are found" if len(self._folders) > 1 else ""
        return f"COCO file '{self._file.path}' of {len(self._names)} images{folders}{stray}"

    def find(self, image: Path) -> AnnotationPlace | None:
        """Find the entry of an image: by its name, where there is none by its stem.

        Returns:
            The entry, or what says that several may be the image's; None where none is.
        """
        for candidates in (self._by_name.get(image.name, []), self._by_stem.get(image.stem, [])):
            found = [position for position in candidates if self._may_be(self._names[position], image.absolute())]
            if len(found) > 1:
                problem = f"several images of '{self._file.path}' may be '{image}'"
                return AnnotationPlace(self._file.path, SourceKind.COCO, problem=problem)
            if found:
                return AnnotationPlace(self._file.path, SourceKind.COCO, found[0])
        return None

    def unused(self, used: Collection[AnnotationPlace]) -> list[str]:
        """Name the images that the file lists besides those."""
        known = {place.entry for place in used if place.path == self._file.path and place.problem is None}
        return [str(name) for position, name in enumerate(self._names) if position not in known]

    def _may_be(self, name: PurePosixPath, image: Path) -> bool:
        """Return whether an entry's folders allow that it is an image.

        The folders of the entry must be those of the image. But where all entries name the same one, it may be no more
        than where they once lay: it says nothing, unless there is such a folder near the image, which is not in it.
        """
        if not name.parent.parts or image.with_suffix("").as_posix().endswith(f"/{name.with_suffix('')}"):
            return True
        return len(self._folders) == 1 and not any(_is_folder(above / name.parent) for above in image.parents)


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # longer than a name can be
        return False


def _relative(file_name: str) -> PurePosixPath:
    r"""Return a file_name as the folders that it names and the file's name.

    >>> [str(_relative(name)) for name in ("/data/a/1.png", "..\\a\\1.png", "1.png")]
    ['data/a/1.png', 'a/1.png', '1.png']
    """
    parts = PurePosixPath(file_name.replace("\\", "/")).parts
    return PurePosixPath(*(part for part in parts if part not in {"/", ".."}))


def cached_coco(path: Path) -> CocoFile:
    """Read a COCO file once for all of its images, as long as it stays the same.

    Raises:
        InputError: It is not a COCO file.
    """
    stamp = path.stat()
    return _read_coco(path, stamp.st_mtime_ns, stamp.st_size)


@lru_cache(maxsize=2)
def _read_coco(path: Path, _mtime_ns: int, _size: int) -> CocoFile:
    from btxrd_explain.inputs.coco import read_coco  # noqa: PLC0415 -- few runs need it

    return read_coco(path)
