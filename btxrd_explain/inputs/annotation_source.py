"""Where annotations come from: LabelMe files, PNG masks or a COCO file, told apart by their content."""

from __future__ import annotations

import os
from collections import defaultdict
from contextlib import suppress
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Protocol

from btxrd_explain.core.masks import lesion_masks
from btxrd_explain.errors import AnnotationError, InputError
from btxrd_explain.finding import Finding, listed, quoted
from btxrd_explain.inputs.annotation import AnnotationPlace, SourceKind, check_size
from btxrd_explain.inputs.labelme import read_labelme
from btxrd_explain.system.places import absolute, is_url
from btxrd_explain.untrusted.documents import InvalidDocumentError, load_json

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    import numpy as np
    from numpy.typing import NDArray

    from btxrd_explain.core.geometry import Size
    from btxrd_explain.core.masks import LesionRules
    from btxrd_explain.inputs.annotation import Annotation
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


_FOLDER_NAMES = ("Annotations", "annotations", "ANNOTATIONS")


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


def read_annotation(place: AnnotationPlace, radiograph: Size | None) -> Annotation:
    """Read the annotation of a radiograph.

    Args:
        place: Where it is.
        radiograph: Size of the radiograph, after EXIF rotation; None, for a file of one image, leaves it unchecked.

    Returns:
        The annotation, whatever its source.

    Raises:
        AnnotationError: The file cannot be read or is invalid, it annotates an image of another size, or several of its
            annotations may be the radiograph's.
    """
    if place.problem is not None:
        raise AnnotationError(place.problem, hint="give each file_name the folders that tell the images apart")
    if place.kind is SourceKind.COCO:
        if radiograph is None:
            raise ValueError("a COCO file has many images, and is read for one of a known size")
        return cached_coco(place.path).read(place.entry, radiograph)
    if place.kind is SourceKind.MASK:
        from btxrd_explain.inputs.mask_image import read_mask_image  # noqa: PLC0415 -- imports OpenCV

        annotation = read_mask_image(place.path)
    else:
        annotation = read_labelme(place.path)
    if annotation.image_size is not None and radiograph is not None:
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
    """A file per image, LabelMe's or a mask, with the image's stem.

    Looked for is ``<stem>.json`` (of masks ``.png``): in the folder where one is given, first in its subfolder that is
    named like the image's own folder; else in ``Annotations/`` beside the image's folder, in ``Annotations/`` inside of
    it, and beside the image itself. Near the URL of an image nothing is looked for. Each folder is listed once.

    Args:
        folder: Folder of the files; None looks near the images.
        kind: What the files are.
    """

    def __init__(self, folder: Path | None, kind: SourceKind = SourceKind.LABELME) -> None:
        """Start without knowledge of any file."""
        self._folder = folder
        self._kind = kind
        self._listed: dict[Path, frozenset[str]] = {}
        self._near: dict[Path, tuple[Path, ...]] = {}

    @property
    def description(self) -> str:
        """Kind and folder."""
        return f"{self._kind} files {'near the images' if self._folder is None else f'in {self._folder}'}"

    def find(self, image: Path) -> AnnotationPlace | None:
        """Find the file of an image."""
        parent, name = image.parent, f"{image.stem}{self._kind.suffix}"
        if parent not in self._near:
            self._near[parent] = tuple(folder for folder in _places(parent, self._folder) if self._list(folder))
        found = (folder / name for folder in self._near[parent] if name in self._listed[folder])
        return next((AnnotationPlace(path, self._kind) for path in found), None)

    def unused(self, used: Collection[AnnotationPlace]) -> list[str]:
        """Name the other files of the folder; or where there is none, of the folders of annotations near the images.

        Files beside the images are not named: one of them may be anything.
        """
        known = {absolute(place.path) for place in used}
        near = self._listed.keys() - self._near.keys()
        files = (
            sorted(folder / name for folder in near for name in self._listed[folder])
            if self._folder is None
            else _files(self._folder, self._kind.suffix)
        )
        return [str(file) for file in files if absolute(file) not in known]

    def _list(self, folder: Path) -> frozenset[str]:
        """Return the names of the files of the kind in a folder; none where it does not exist."""
        if folder not in self._listed:
            with suppress(FileNotFoundError, NotADirectoryError):
                self._listed[folder] = frozenset(path.name for path in _files_in(folder, self._kind.suffix))
        return self._listed.setdefault(folder, frozenset())


def _kind_of(document: Path) -> SourceKind | None:
    """Say what a JSON file is by its content; None where it annotates nothing, or cannot be read."""
    from btxrd_explain.inputs.coco import MAX_BYTES, MAX_VALUES, is_coco  # noqa: PLC0415 -- few runs need it

    try:
        content = load_json(document, max_bytes=MAX_BYTES, max_values=MAX_VALUES)
    except (InvalidDocumentError, OSError):
        return None  # said with its image, should it have one
    if is_coco(content):
        return SourceKind.COCO
    return SourceKind.LABELME if isinstance(content, dict) and "shapes" in content else None


def _files(folder: Path, suffix: str) -> list[Path]:
    """List the files of that suffix in a folder and in the folders in it, but for a copy of the folder, sorted."""
    inner = (path for path in folder.iterdir() if path.is_dir() and path.name.lower() != folder.name.lower())
    return [path for place in (folder, *sorted(inner)) for path in sorted(_files_in(place, suffix))]


def _files_in(folder: Path, suffix: str) -> list[Path]:
    with os.scandir(folder) as entries:
        return [Path(entry.path) for entry in entries if entry.name.endswith(suffix)]
