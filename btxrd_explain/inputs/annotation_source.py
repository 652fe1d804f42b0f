"""Where annotations come from: LabelMe files, PNG masks or a COCO file, told apart by their content."""

from __future__ import annotations

import os
from collections import defaultdict
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Protocol

from btxrd_explain.core.masks import lesion_masks
from btxrd_explain.errors import InputError
from btxrd_explain.inputs.annotation import InvalidAnnotationError, check_size
from btxrd_explain.inputs.annotation_files import AnnotationFinder
from btxrd_explain.inputs.annotation_json import load_json
from btxrd_explain.inputs.labelme import read_labelme

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from btxrd_explain.core.geometry import Size
    from btxrd_explain.core.lesions import LesionRules
    from btxrd_explain.inputs.annotation import Annotation
    from btxrd_explain.inputs.coco import CocoFile

_FEW = 10
"""A folder of more JSON files holds a file per image; fewer are opened to see what they are."""
_MAX_BYTES = 2**30


class SourceKind(StrEnum):
    """What annotates a radiograph."""

    LABELME = "LabelMe"
    MASK = "PNG mask"
    COCO = "COCO"


@dataclass(frozen=True, slots=True)
class AnnotationPlace:
    """Where the annotation of one radiograph is.

    Attributes:
        path: The file.
        kind: What it is.
        entry: Of a COCO file, the position of the image in it.
    """

    path: Path
    kind: SourceKind = SourceKind.LABELME
    entry: int = 0


def read_annotation(place: AnnotationPlace, radiograph: Size) -> Annotation:
    """Read the annotation of a radiograph.

    Args:
        place: Where it is.
        radiograph: Size of the radiograph, after EXIF rotation.

    Returns:
        The annotation, whatever its source.

    Raises:
        AnnotationError: The file cannot be read or is invalid, or it annotates an image of another size.
    """
    if place.kind is SourceKind.COCO:
        return _coco_file(place.path).read(place.entry, radiograph)
    if place.kind is SourceKind.MASK:
        from btxrd_explain.inputs.mask_image import read_mask_image  # noqa: PLC0415 -- imports OpenCV

        annotation = read_mask_image(place.path)
    else:
        annotation = read_labelme(place.path)
    if annotation.image_size is not None:
        check_size(place.path, annotation.image_size, radiograph)
    return annotation


def read_lesions(
    place: AnnotationPlace, radiograph: Size, rules: LesionRules, *, class_name: str | None = None
) -> Iterator[NDArray[np.bool_]]:
    """Read the lesions of a radiograph, one at a time in memory.

    Args:
        place: Where its annotation is.
        radiograph: Size of the radiograph, after EXIF rotation.
        rules: Which shapes are lesions.
        class_name: The class whose heat map they are for; None takes the lesions of all classes.

    Returns:
        Boolean arrays of the radiograph's size, in the order of the file; none where there is no lesion.

    Raises:
        AnnotationError: The file cannot be read or is invalid, or it annotates an image of another size.
    """
    shapes = read_annotation(place, radiograph).shapes
    return lesion_masks(rules.relevant(shapes, class_name), radiograph, rules.policy)


class AnnotationSource(Protocol):
    """Finds the annotations of images."""

    @property
    def description(self) -> str:
        """What it is, to be told to the user."""

    def find(self, image: Path) -> AnnotationPlace | None:
        """Find the annotation of an image; None where there is none."""


def open_source(annotations: Path | None) -> AnnotationSource:
    """Open what a user names as annotations.

    Args:
        annotations: A folder of LabelMe files or of PNG masks, named like the images; a COCO file, or a folder that
            holds one; None looks for LabelMe files near the images.

    Returns:
        The source.

    Raises:
        InputError: It is nothing of these.
    """
    if annotations is None:
        return FileSource(None)
    if annotations.is_file():
        return CocoSource(annotations)
    if not annotations.is_dir():
        raise InputError(f"'{annotations}' does not exist", hint="name a folder of annotations, or a COCO file")
    documents = _files(annotations, ".json")
    if not documents and _files(annotations, ".png"):
        return FileSource(annotations, SourceKind.MASK)
    coco = [path for path in documents if _is_coco(path)] if len(documents) <= _FEW else []
    if len(coco) > 1:
        raise InputError(f"'{coco[0]}' and '{coco[1]}' are both COCO files", hint="name one of them as annotations")
    return CocoSource(coco[0]) if coco else FileSource(annotations)


class FileSource:
    """A file per image, LabelMe's or a mask, named like the image; see :class:`AnnotationFinder`.

    Args:
        folder: Folder of the files; None looks near the images.
        kind: What the files are.
    """

    def __init__(self, folder: Path | None, kind: SourceKind = SourceKind.LABELME) -> None:
        """Start without knowledge of any file."""
        self._folder = folder
        self._kind = kind
        self._finder = AnnotationFinder(folder, suffix=".png" if kind is SourceKind.MASK else ".json")

    @property
    def description(self) -> str:
        """Kind and folder."""
        return f"{self._kind} files {'near the images' if self._folder is None else f'in {self._folder}'}"

    def find(self, image: Path) -> AnnotationPlace | None:
        """Find the file of an image."""
        path = self._finder.find(image)
        return None if path is None else AnnotationPlace(path, self._kind)


class CocoSource:
    """The entries of a COCO file, by the names of their images.

    Args:
        path: The file.

    Raises:
        InputError: It is no COCO file.
    """

    def __init__(self, path: Path) -> None:
        """Read the file and sort its images by name."""
        self._file = _coco_file(path)
        self._names = [PurePosixPath(image.file_name.replace("\\", "/")) for image in self._file.images]
        self._by_name: dict[str, list[int]] = defaultdict(list)
        self._by_stem: dict[str, list[int]] = defaultdict(list)
        for position, name in enumerate(self._names):
            self._by_name[name.name].append(position)
            self._by_stem[name.stem].append(position)

    @property
    def description(self) -> str:
        """Kind, file, and what of it serves no image."""
        stray = f"; {self._file.stray} annotations of images that it does not list" if self._file.stray else ""
        return f"COCO file '{self._file.path}' of {len(self._names)} images{stray}"

    def find(self, image: Path) -> AnnotationPlace | None:
        """Find the entry of an image: by its name, where there is none by its stem; folders decide between several.

        Raises:
            InputError: Several entries may mean the image.
        """
        found = self._by_name.get(image.name) or self._by_stem.get(image.stem) or []
        if len(found) > 1:
            place = image.absolute().with_suffix("").as_posix()
            found = [position for position in found if place.endswith(f"/{self._names[position].with_suffix('')}")]
            if len(found) != 1:
                raise InputError(
                    f"several images of '{self._file.path}' may be '{image}'",
                    hint="give each file_name the folders that tell them apart",
                )
        return AnnotationPlace(self._file.path, SourceKind.COCO, found[0]) if found else None


def _coco_file(path: Path) -> CocoFile:
    stamp = path.stat()
    return _read_coco(path, stamp.st_mtime_ns, stamp.st_size)


@lru_cache(maxsize=2)
def _read_coco(path: Path, _mtime_ns: int, _size: int) -> CocoFile:
    """Read a COCO file once for all of its images, as long as it stays the same."""
    from btxrd_explain.inputs.coco import read_coco  # noqa: PLC0415 -- few runs need it

    return read_coco(path)


def _is_coco(path: Path) -> bool:
    from btxrd_explain.inputs.coco import is_coco  # noqa: PLC0415 -- few runs need it

    try:
        return is_coco(load_json(path, max_bytes=_MAX_BYTES))
    except (InvalidAnnotationError, OSError):
        return False  # said with its image, should it have one


def _files(folder: Path, suffix: str) -> list[Path]:
    """List the files of that suffix in a folder and in the folders in it, sorted."""
    found = []
    for place in (folder, *sorted(path for path in folder.iterdir() if path.is_dir())):
        with os.scandir(place) as entries:
            found += sorted(Path(entry.path) for entry in entries if entry.name.endswith(suffix))
    return found
