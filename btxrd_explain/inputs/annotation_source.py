"""Where annotations come from: LabelMe files, PNG masks or a COCO file, told apart by their content."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from btxrd_explain.core.masks import lesion_masks
from btxrd_explain.errors import AnnotationError, InputError
from btxrd_explain.finding import Finding, listed, quoted
from btxrd_explain.inputs.annotation import AnnotationPlace, InvalidAnnotationError, SourceKind, check_size, load_json
from btxrd_explain.inputs.coco_source import CocoSource, cached_coco
from btxrd_explain.inputs.labelme import read_labelme
from btxrd_explain.system.places import absolute, is_url

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    import numpy as np
    from numpy.typing import NDArray

    from btxrd_explain.core.geometry import Size
    from btxrd_explain.core.masks import LesionRules
    from btxrd_explain.inputs.annotation import Annotation

# Which annotation file belongs to which image: the one with the image's stem, in one of a few places.

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


_FEW = 10
"""As many JSON files of a folder are opened to see what they are; a folder of more holds a file per image."""


def read_annotation(place: AnnotationPlace, radiograph: Size) -> Annotation:
    """Read the annotation of a radiograph.

    Args:
        place: Where it is.
        radiograph: Size of the radiograph, after EXIF rotation.

    Returns:
        The annotation, whatever its source.

    Raises:
        AnnotationError: The file cannot be read or is invalid, it annotates an image of another size, or several of its
            annotations may be the radiograph's.
    """
    if place.problem is not None:
        raise AnnotationError(place.problem, hint="give each file_name the folders that tell the images apart")
    if place.kind is SourceKind.COCO:
        return cached_coco(place.path).read(place.entry, radiograph)
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
        Boolean arrays of the radiograph's size, in the order of the file; none without a lesion.

    Raises:
        AnnotationError: The file cannot be read or is invalid, or it annotates an image of another size.
    """
    shapes = read_annotation(place, radiograph).shapes
    return lesion_masks(rules.relevant(shapes, class_name), radiograph, rules.policy)


def shared_annotations(places: Iterable[tuple[str, AnnotationPlace | None]]) -> Iterator[Finding]:
    """Yield the annotations that serve several images: the stem alone may have brought them together.

    Args:
        places: The ``image_id`` of each image, and where its annotation is; None where there is none.
    """
    first: dict[AnnotationPlace, str] = {}
    shared: dict[AnnotationPlace, list[str]] = {}
    for image_id, place in places:
        if place is not None and first.setdefault(place, image_id) != image_id:
            shared.setdefault(place, [first[place]]).append(image_id)
    for place, ids in shared.items():
        yield Finding.of("shared-annotation", f"{listed(quoted(ids))} share '{place.path}'", ids)


class AnnotationSource(Protocol):
    """Finds the annotations of images."""

    @property
    def description(self) -> str:
        """What it is, to be told to the user."""

    def find(self, image: Path) -> AnnotationPlace | None:
        """Find the annotation of an image; None where there is none."""

    def unused(self, used: Collection[AnnotationPlace]) -> list[str]:
        """Name what it holds besides the annotations that were found for images."""


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
    kinds = {path: _kind_of(path) for path in documents[:_FEW]}
    if not any(kinds.values()) and _files(annotations, ".png"):
        return FileSource(annotations, SourceKind.MASK)  # whatever else the JSON files beside them say
    coco = [path for path, kind in kinds.items() if kind is SourceKind.COCO] if len(documents) <= _FEW else []
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
        self._finder = AnnotationFinder(folder, suffix=kind.suffix)

    @property
    def description(self) -> str:
        """Kind and folder."""
        return f"{self._kind} files {'near the images' if self._folder is None else f'in {self._folder}'}"

    def find(self, image: Path) -> AnnotationPlace | None:
        """Find the file of an image."""
        path = self._finder.find(image)
        return None if path is None else AnnotationPlace(path, self._kind)

    def unused(self, used: Collection[AnnotationPlace]) -> list[str]:
        """Name the other files of the folder; or where there is none, of the folders of annotations near the images."""
        known = {absolute(place.path) for place in used}
        files = self._finder.listed() if self._folder is None else _files(self._folder, self._kind.suffix)
        return [str(file) for file in files if absolute(file) not in known]


def _kind_of(document: Path) -> SourceKind | None:
    """Say what a JSON file is by its content; None where it annotates nothing, or cannot be read."""
    from btxrd_explain.inputs.coco import MAX_BYTES, MAX_VALUES, is_coco  # noqa: PLC0415 -- few runs need it

    try:
        content = load_json(document, max_bytes=MAX_BYTES, max_values=MAX_VALUES)
    except (InvalidAnnotationError, OSError):
        return None  # said with its image, should it have one
    if is_coco(content):
        return SourceKind.COCO
    return SourceKind.LABELME if isinstance(content, dict) and "shapes" in content else None


def _files(folder: Path, suffix: str) -> list[Path]:
    """List the files of that suffix in a folder and in the folders in it, but for a copy of the folder, sorted."""
    found = []
    inner = (path for path in folder.iterdir() if path.is_dir() and path.name.lower() != folder.name.lower())
    for place in (folder, *sorted(inner)):
        with os.scandir(place) as entries:
            found += sorted(Path(entry.path) for entry in entries if entry.name.endswith(suffix))
    return found
