"""Where annotations come from: a file per image or one for many, of one reader or several; told apart by content."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from contextlib import suppress
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Protocol

from btxrd_explain.errors import InputError
from btxrd_explain.finding import listed, quoted
from btxrd_explain.inputs.annotation import AnnotationPlace, SourceKind
from btxrd_explain.inputs.annotation_formats import (
    LISTED,
    PREFERRED,
    SUFFIXES,
    Recognised,
    cached_listing,
    recognise,
)
from btxrd_explain.inputs.annotation_names import SimilarNames
from btxrd_explain.inputs.file_kinds import IMAGE_SUFFIXES
from btxrd_explain.inputs.image_files import is_folder
from btxrd_explain.system.places import absolute, is_url

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from btxrd_explain.core.choices import Consensus
    from btxrd_explain.inputs.listing import Listing


class ListSource:
    """The entries of a file for many images, by the names of these.

    Args:
        path: The file.
        kind: Its format.
        listing: Its content, where that is known already.
        beside: What else its folder holds, and is not read.

    Raises:
        InputError: It is not of that format.
    """

    def __init__(
        self, path: Path, kind: SourceKind = SourceKind.COCO, listing: Listing | None = None, beside: str = ""
    ) -> None:
        """Read the file and sort its images by name."""
        self._file, self._kind = cached_listing(path, kind) if listing is None else listing, kind
        self._beside = beside
        self._names = [_relative(name) for name in self._file.names]
        self._folders = {name.parent for name in self._names}
        self._by_name: dict[str, list[int]] = defaultdict(list)
        self._by_stem: dict[str, list[int]] = defaultdict(list)
        for position, name in enumerate(self._names):
            self._by_name[name.name].append(position)
            for stem in {name.stem, name.name if name.suffix.lower() not in IMAGE_SUFFIXES else name.stem}:
                self._by_stem[stem].append(position)
        self._similar = SimilarNames(self._by_name)
        self._owned = _Owners()
        self._by_folders: dict[Path, bool] = {}
        """Whether a folder of the file is near a folder of images."""

    @property
    def description(self) -> str:
        """Kind, file, and what of it serves no image."""
        stray = f"; {self._file.note}" if self._file.note else ""
        stray += f"; {self._beside} files there are not read" if self._beside else ""
        folders = f" in {len(self._folders)} folders, by which images are found" if len(self._folders) > 1 else ""
        return f"{self._kind} file '{self._file.path}' of {len(self._names)} images{folders}{stray}"

    def find(self, image: Path) -> AnnotationPlace | None:
        """Find the entry of an image: by its name, where there is none by its stem, then by a similar name.

        Returns:
            The entry, or what says that several may be the image's; None where none is.
        """
        for candidates in (self._by_name.get(image.name, []), self._by_stem.get(image.stem, []), self._joined(image)):
            found = [position for position in candidates if self._may_be(self._names[position], image.absolute())]
            if found:
                return self._place(image, found)
        return self._place(image, self._alike(image), similar=True)

    def unused(self, used: Collection[AnnotationPlace]) -> list[str]:
        """Name the images that the file lists besides those."""
        known = {place.entry for place in used if place.path == self._file.path and place.problem is None}
        return [str(name) for position, name in enumerate(self._names) if position not in known]

    def nearest(self, image: Path) -> list[str]:
        """Return the names of the file that look most like an image's."""
        return [str(self._names[self._by_name[name][0]]) for name in self._similar.nearest(image.name)]

    def _place(self, image: Path, found: list[int], *, similar: bool = False) -> AnnotationPlace | None:
        path = self._file.path
        if len(found) > 1:
            problem = f"several images of '{path}' may be '{image}'"
            return AnnotationPlace(path, self._kind, problem=problem)
        if not found:
            return None
        how = f"'{self._names[found[0]]}' for '{image.name}'" if similar else None
        return AnnotationPlace(path, self._kind, found[0], similar=how)

    def _joined(self, image: Path) -> list[int]:
        """Return the entries that are named by the image's folders and its stem, as CheXlocalize names its images."""
        parts = (*image.parent.parts[-3:], image.stem)
        names = ("_".join(parts[start:]) for start in range(len(parts) - 1))
        return next((self._by_stem[name] for name in names if name in self._by_stem), [])

    def _alike(self, image: Path) -> list[int]:
        """Return the entries of similar names that do not belong to another image.

        Folders of the file say nothing where they are those of splits: each name is there once, and none of the folders
        is near the image.
        """
        if len(self._by_name) < len(self._names):
            return []
        parent = image.parent
        if parent not in self._by_folders:
            above = image.absolute().parents
            self._by_folders[parent] = any(
                _is_folder(each / one) for one in self._folders if one.parts for each in above
            )
        if self._by_folders[parent]:
            return []
        found = self._by_name.get(image.name) or self._by_stem.get(image.stem, [])
        if not found:
            names = (name for name in self._similar.like(image.name) if not self._owned.by_another(name, image))
            found = [position for name in names for position in self._by_name[name]]
        return found

    def _may_be(self, name: PurePosixPath, image: Path) -> bool:
        """Return whether an entry's folders allow that it is an image.

        The folders of the entry must be those of the image. But where all entries name the same one, it may be no more
        than where they once lay: it says nothing, unless there is such a folder near the image, which is not in it.
        """
        if not name.parent.parts or image.with_suffix("").as_posix().endswith(f"/{name.with_suffix('')}"):
            return True
        return len(self._folders) == 1 and not any(_is_folder(above / name.parent) for above in image.parents)


class _Owners:
    """Knows whether an annotation is named like another image that lies next to an image."""

    def __init__(self) -> None:
        self._stems: dict[Path, frozenset[str]] = {}

    def by_another(self, name: str, image: Path) -> bool:
        """Return whether another image in the image's folder has the stem of an annotation's name."""
        folder = image.parent
        if folder not in self._stems:
            names: list[str] = []
            if not is_url(folder):
                with suppress(OSError), os.scandir(folder) as entries:
                    names = [entry.name for entry in entries if entry.name.lower().endswith(IMAGE_SUFFIXES)]
            self._stems[folder] = frozenset(PurePosixPath(each).stem for each in names)
        stem = PurePosixPath(name).stem
        return stem != image.stem and stem in self._stems[folder]


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
"""As many files of a suffix are opened to see what they are, empty ones not; a folder of more holds a file per image.
"""


class AnnotationSource(Protocol):
    """Finds the annotations of images."""

    @property
    def description(self) -> str:
        """What it is, to be told to the user."""

    def find(self, image: Path) -> AnnotationPlace | None:
        """Find the annotation of an image; None where there is none."""

    def unused(self, used: Collection[AnnotationPlace]) -> list[str]:
        """Name what it holds besides the annotations that were found for images."""

    def nearest(self, image: Path) -> list[str]:
        """Return the names in it that look most like an image's, from the nearest on."""


def no_name_fits(source: AnnotationSource, image: Path) -> str:
    """Say that no annotation has the name of a radiograph, and which names come nearest to one that has none."""
    nearest = listed(quoted(source.nearest(image)))
    near = f"; the names nearest to '{image.name}' are {nearest}" if nearest else ""
    return f"no annotation there has the name of a radiograph{near}"


def open_source(annotations: Path | None) -> AnnotationSource:
    """Open what a user names as annotations.

    Args:
        annotations: A folder of files named like the images, in one of the formats of :data:`SUFFIXES`; a file for many
            images, or a folder that holds one; None looks for LabelMe files near the images.

    Returns:
        The source.

    Raises:
        InputError: It is nothing of these.
    """
    if annotations is None:
        return FileSource(None)
    if annotations.is_file():
        return _of_file(annotations)
    if not annotations.is_dir():
        raise InputError(
            f"'{annotations}' does not exist", hint="name a folder of annotations, or a file of those of many images"
        )
    files = _files(annotations, "")
    known = _recognised(files)
    listed = [path for path, found in known.items() if found.kind in LISTED and found.kind is not SourceKind.BOXES]
    if len(listed) > 1:
        kinds = " and ".join(dict.fromkeys(f"'{path}' ({known[path].kind})" for path in listed[:2]))
        raise InputError(f"{kinds} both hold the annotations of many images", hint="name one of them as annotations")
    kinds_found = {found.kind for found in known.values()}
    kind = next((kind for kind in PREFERRED if kind in kinds_found), None)
    if kind in LISTED:
        paths = [path for path, found in known.items() if found.kind is kind]
        if len(paths) > 1:
            raise InputError(
                f"'{paths[0]}' and '{paths[1]}' are both {kind} files", hint="name one of them as annotations"
            )
        return ListSource(paths[0], kind, beside=_annotations_beside(paths[0], files, known))
    if kind is None:
        for path, found in known.items():
            if found.foreign is not None:
                raise _unread(path, found.foreign)
    return FileSource(annotations, kind, _beside(files, kind))


def _of_file(path: Path) -> AnnotationSource:
    found = recognise(path)
    if found.kind in LISTED:
        return ListSource(path, found.kind)
    if found.kind is not None:
        raise InputError(
            f"'{path}' is a {found.kind} file, which annotates one radiograph", hint="name the folder that it is in"
        )
    if found.foreign is not None:
        raise _unread(path, found.foreign)
    if path.suffix.lower() == ".json":
        return ListSource(path)  # says what is wrong with it
    raise InputError(f"'{path}' is not an annotation in a known format", hint=f"known are {', '.join(SourceKind)}")


def _unread(path: Path, program: str) -> InputError:
    return InputError(
        f"'{path}' is an export of {program} that is not read", hint="export as COCO, or as LabelMe files"
    )


def _recognised(files: list[Path]) -> dict[Path, Recognised]:
    """Return what the files of a folder are, of each suffix the first ones; a folder of more holds a file per image."""
    by_suffix: dict[str, list[Path]] = defaultdict(list)
    for path in files:
        by_suffix[path.suffix.lower()].append(path)
    first = (islice(filter(_is_filled, paths), _FEW) for paths in by_suffix.values())
    known = {path: recognise(path) for paths in first for path in paths}
    many = {path for paths in by_suffix.values() if len(paths) > _FEW for path in paths}
    return {
        path: Recognised() if path in many and found.kind in LISTED else found
        for path, found in known.items()
        if found != Recognised()
    }


def _is_filled(path: Path) -> bool:
    """Return whether a file is not empty, as YOLO's of a radiograph without lesions is."""
    try:
        return path.stat().st_size > 0
    except OSError:  # said where it is read
        return True


def _beside(files: list[Path], kind: SourceKind | None) -> str:
    """Return in words what else is in a folder of annotations, and is not read; empty where there is nothing."""
    own = SUFFIXES[kind] if kind is not None else ()
    others = Counter(
        path.suffix.lower() or "no suffix" for path in files if not path.name.lower().endswith(own or "\0")
    )
    counts = [f"{count} {suffix}" for suffix, count in others.most_common()]
    return listed(counts) if counts else ""


def _annotations_beside(path: Path, files: list[Path], known: dict[Path, Recognised]) -> str:
    """Return in words which annotations are next to the file of many images; pictures may be the radiographs."""
    others = {one.suffix.lower() for one, found in known.items() if one != path and found.kind is not SourceKind.MASK}
    return _beside([one for one in files if one != path and one.suffix.lower() in others], None)


class FileSource:
    """A file per image, with the image's stem, or a similar name.

    Looked for is ``<stem>.json`` (of other formats their suffixes): in the folder where one is given, first in its
    subfolder that is named like the image's own folder; else in ``Annotations/`` next to the image's folder, in
    ``Annotations/`` inside of it, and next to the image itself. Near the URL of an image nothing is looked for. Each
    folder is listed once.

    Args:
        folder: Folder of the files; None looks near the images.
        kind: What the files are; None where none of them is known, and LabelMe files are looked for all the same.
        beside: What else the folder holds.
    """

    def __init__(self, folder: Path | None, kind: SourceKind | None = SourceKind.LABELME, beside: str = "") -> None:
        """Start without knowledge of any file."""
        self._folder = folder
        self._kind, self._is_known = kind or SourceKind.LABELME, kind is not None
        self._beside = beside
        self._listed: dict[Path, frozenset[str]] = {}
        self._near: dict[Path, tuple[Path, ...]] = {}
        self._similar: dict[Path, SimilarNames] = {}
        self._owners = _Owners()

    @property
    def description(self) -> str:
        """Kind and folder, and what else is in it."""
        if self._folder is None:
            return f"{self._kind} files near the images"
        if not self._is_known:
            return f"none that is known in '{self._folder}'" + (f", but {self._beside} files" if self._beside else "")
        beside = f"; {self._beside} files there are not read" if self._beside else ""
        return f"{self._kind} files in '{self._folder}'{beside}"

    def find(self, image: Path) -> AnnotationPlace | None:
        """Find the file of an image: by its stem, where there is none by a similar name.

        Returns:
            The file, or what says that several may be the image's; None where none is.
        """
        parent = image.parent
        if parent not in self._near:
            self._near[parent] = tuple(folder for folder in _places(parent, self._folder) if self._list(folder))
        for folder in self._near[parent]:
            paths = (folder / f"{image.stem}{suffix}" for suffix in SUFFIXES[self._kind])
            found = [path for path in paths if path.name in self._listed[folder] and path != image]
            if found:
                return self._place(image, found)
        return next(filter(None, (self._alike(folder, image) for folder in self._near[parent])), None)

    def unused(self, used: Collection[AnnotationPlace]) -> list[str]:
        """Name the other files of the folder; or where there is none, of the folders of annotations near the images.

        Files next to the images are not named: one of them may be anything.
        """
        known = {absolute(place.path) for place in used}
        near = self._listed.keys() - self._near.keys()
        files = (
            sorted(folder / name for folder in near for name in self._listed[folder])
            if self._folder is None
            else _files(self._folder, SUFFIXES[self._kind])
        )
        return [str(file) for file in files if absolute(file) not in known]

    def nearest(self, image: Path) -> list[str]:
        """Return the names of the files that look most like an image's."""
        if self._folder is None:
            return []
        files = _files(self._folder, SUFFIXES[self._kind])
        return SimilarNames(str(file.relative_to(self._folder)) for file in files).nearest(image.name)

    def _alike(self, folder: Path, image: Path) -> AnnotationPlace | None:
        """Return the one file whose name is as good as the image's, and no other image's."""
        names = [name for name in self._names_in(folder).like(image.name) if not self._owners.by_another(name, image)]
        paths = [folder / name for name in names if folder / name != image]
        return self._place(image, paths, similar=True) if paths else None

    def _place(self, image: Path, paths: list[Path], *, similar: bool = False) -> AnnotationPlace:
        if len(paths) > 1:
            problem = f"several files may annotate '{image.name}': {listed(quoted(map(str, paths)))}"
            return AnnotationPlace(paths[0], self._kind, problem=problem)
        how = f"'{paths[0].name}' for '{image.name}'" if similar else None
        return AnnotationPlace(paths[0], self._kind, similar=how)

    def _names_in(self, folder: Path) -> SimilarNames:
        if folder not in self._similar:
            self._similar[folder] = SimilarNames(sorted(self._list(folder)))
        return self._similar[folder]

    def _list(self, folder: Path) -> frozenset[str]:
        """Return the names of the files of the kind in a folder; none where it does not exist."""
        if folder not in self._listed:
            with suppress(FileNotFoundError, NotADirectoryError):
                self._listed[folder] = frozenset(path.name for path in _files_in(folder, SUFFIXES[self._kind]))
        return self._listed.setdefault(folder, frozenset())


class ConsensusSource:
    """Finds what at least two readers say of an image, of which counts as lesion what they agree on.

    Args:
        readers: Where the annotations of each reader are.
        rule: What of them counts as lesion.
    """

    def __init__(self, readers: Mapping[str, AnnotationSource], rule: Consensus) -> None:
        """Keep the sources."""
        self._readers, self._rule = readers, rule

    @property
    def description(self) -> str:
        """Rule and readers."""
        each = "; ".join(f"{name}: {source.description}" for name, source in sorted(self._readers.items()))
        return f"{self._rule} of {len(self._readers)} readers ({each})"

    def find(self, image: Path) -> AnnotationPlace | None:
        """Return the annotations of the readers of an image; None where nobody annotated it."""
        found = {name: source.find(image) for name, source in self._readers.items()}
        parts = tuple(place for place in found.values() if place is not None)
        if not parts:
            return None
        problem = None
        if len(parts) < 2:
            reader = next(name for name, place in found.items() if place is not None)
            problem = f"only reader '{reader}' annotated '{image.name}', and a consensus takes two"
        told = problem is not None  # counted with the readers
        first = parts[0]
        return AnnotationPlace(first.path, first.kind, told=told, problem=problem, parts=parts, consensus=self._rule)

    def unused(self, used: Collection[AnnotationPlace]) -> list[str]:
        """Name what the sources hold besides the annotations that were found for images."""
        parts = [part for place in used for part in place.parts]
        return [name for source in self._readers.values() for name in source.unused(parts)]

    def nearest(self, image: Path) -> list[str]:
        """Return the names that look most like an image's."""
        return list(dict.fromkeys(name for source in self._readers.values() for name in source.nearest(image)))


def _files(folder: Path, suffix: str | tuple[str, ...]) -> list[Path]:
    """List the files of a suffix in a folder and in the folders in it, but for a copy of the folder, sorted."""
    inner = (path for path in folder.iterdir() if path.is_dir() and path.name.lower() != folder.name.lower())
    return [path for place in (folder, *sorted(inner)) for path in sorted(_files_in(place, suffix))]


def _files_in(folder: Path, suffix: str | tuple[str, ...]) -> list[Path]:
    """List the files with one of those suffixes in any case; folders and hidden files do not count."""
    with os.scandir(folder) as entries:
        return [
            Path(entry.path)
            for entry in entries
            if entry.name.lower().endswith(suffix) and not entry.name.startswith(".") and not is_folder(entry)
        ]
