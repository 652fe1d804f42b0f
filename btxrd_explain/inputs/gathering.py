"""Images from several inputs, each once, with the tables and annotations that belong to them."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path, PurePath
from typing import IO, TYPE_CHECKING
from unicodedata import normalize

from btxrd_explain.finding import Finding
from btxrd_explain.inputs.annotation_source import open_source
from btxrd_explain.inputs.file_kinds import IMAGE_SUFFIXES
from btxrd_explain.inputs.image_files import is_image, list_images, read_paths, why_no_file
from btxrd_explain.inputs.split_csv import Vocabulary
from btxrd_explain.system.places import absolute, as_text, on_this_system

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from btxrd_explain.inputs.annotation import AnnotationPlace
    from btxrd_explain.inputs.annotation_source import AnnotationSource
    from btxrd_explain.inputs.btxrd import BtxrdRoot

# Image files by the names that tables give them.


class UnresolvedNameError(Exception):
    """A name belongs to no file, or to several; says which."""


class NameIndex:
    """Files by name.

    Args:
        files: Image files.
        folder: Where they are from: names may be paths in it, and the reasons mention it; None where they are from
            several places.

    Attributes:
        taken: Names that are those of no file to the letter, each with the name of the one file that it can mean.
    """

    def __init__(self, files: Iterable[Path], folder: Path | None) -> None:
        """Sort the files by name and by stem."""
        self._folder = folder
        self._by_name: dict[str, list[Path]] = defaultdict(list)
        self._by_stem: dict[str, list[Path]] = defaultdict(list)
        self._by_likeness: dict[str, list[Path]] = defaultdict(list)
        self.taken: dict[str, str] = {}
        for file in files:
            self._by_name[as_text(file.name)].append(file)
            self._by_stem[as_text(file.stem)].append(file)

    def resolve(self, name: str) -> Path:
        """Return the file that a table means.

        Args:
            name: Name of a file, with or without folders (of which the last ones count where several files have the
                name), with or without suffix. Where no file has it, letters in the other case and lost zeros do not
                matter, if one file alone is left. No name leads out of the folder.

        Returns:
            The one file of that name.

        Raises:
            UnresolvedNameError: There is none, or more than one.
        """
        place = name.replace("\\", "/")
        base = place.rpartition("/")[2]
        has_suffix = base.lower().endswith(IMAGE_SUFFIXES)
        found = self._by_name.get(base) or ([] if has_suffix else self._by_stem.get(base, []))
        if not found:
            found = self._alike(base)
            if len(found) == 1:
                self.taken[name] = as_text(found[0].name)
        if len(found) > 1:
            found = _nearest(place, found)
        if len(found) == 1:
            return found[0]
        if found:
            raise UnresolvedNameError(f"several files match: '{found[0]}', '{found[1]}'")
        if self._folder is None:
            raise UnresolvedNameError(f"no such file among those that are named{self._similar(base)}")
        if PurePath(place).anchor or ".." in place.split("/"):
            raise UnresolvedNameError(f"no such file in '{self._folder}', and what lies outside of it is never read")
        direct = self._folder / on_this_system(place)
        if why_no_file(direct) is None and (is_image(direct) or direct.is_file()):
            return direct  # should it not be an image, reading it says what it is
        raise UnresolvedNameError(f"no such file in '{self._folder}'{self._similar(base)}")

    def _alike(self, base: str) -> list[Path]:
        """Return the files whose names differ in the case of letters, or in zeros before a number."""
        if not self._by_likeness:
            for name, files in [*self._by_name.items(), *self._by_stem.items()]:
                self._by_likeness[_likeness(name)] += files
        return list(dict.fromkeys(self._by_likeness.get(_likeness(base), [])))

    def notes(self, table: Path) -> Iterator[str]:
        """Yield in words how many names of a table are those of no file to the letter, and what they were taken for."""
        if self.taken:
            name, file = next(iter(self.taken.items()))
            such = "" if len(self.taken) == 1 else f", the first of {len(self.taken)} such names"
            yield f"'{table}' names '{name}', which is taken for '{file}'{such}"

    def _similar(self, base: str) -> str:
        """Mention the file that has the same stem but another suffix."""
        others = self._by_stem.get(base.rpartition(".")[0])
        return f", but there is '{others[0].name}'" if others else ""


def _likeness(name: str) -> str:
    """Return what is left of a name when case and zeros before a number do not count; ``46.0`` is how tables have 46.

    Nor does it count whether a letter and its accent are one character or two, as on Macs.

    >>> _likeness("000046.PNG"), _likeness("46.0"), _likeness("IMG046.png")
    ('46.png', '46', 'img046.png')
    """
    plain = normalize("NFC", name.casefold())
    number, dot, rest = plain.partition(".")
    if not number.isascii() or not number.isdigit():
        return plain
    return (number.lstrip("0") or "0") + ("" if rest == "0" else dot + rest)


def _nearest(place: str, files: Sequence[Path]) -> list[Path]:
    """Return of files of one name those with most of the last folders of a place in common."""
    folders = place.split("/")[-2::-1]
    pairs = [zip(folders, file.parent.as_posix().split("/")[::-1], strict=False) for file in files]
    common = [sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], of_file)) for of_file in pairs]
    return [file for file, count in zip(files, common, strict=True) if count == max(common)]


def contradiction(
    image_id: str, split_label: str | None, table_label: str | None, place: str = "the data set's table"
) -> Iterator[Finding]:
    """Yield that the split CSV gives an image another label than its table or folder; None says nothing."""
    if split_label and table_label and split_label.casefold() != table_label.casefold():
        message = f"'{image_id}' is {split_label} in the split CSV, and {table_label} in {place}"
        details = {"split_csv": split_label, "table": table_label}
        yield Finding.of("label-disagrees", message, [image_id], details=details)


@dataclass(frozen=True, slots=True)
class Selection:
    """A split CSV, and the images among which it selects.

    Attributes:
        path: The split CSV.
        files: The images, by absolute path or URL; None stands for all that are named otherwise.
        folder: The one folder that they are from; None where they are from several, or named one by one.
        complete: Whether an image that the split CSV names and that is not among them is missing, as where whole
            folders are named.
        vocabulary: What the split CSV calls columns and classes.
    """

    path: Path
    files: tuple[Path, ...] | None
    folder: Path | None
    complete: bool
    vocabulary: Vocabulary

    @property
    def place(self) -> str:
        """Where the images are, in words."""
        return "that are named" if self.folder is None else f"in '{self.folder}'"


class Gathering:
    """The images that a user names, before split CSVs select among them; tables are not read yet.

    Args:
        annotations: Folder or file of all annotations; None looks near the images, and in the roots.
        vocabulary: What split CSVs call columns and classes.

    Attributes:
        notes: What was passed over, one line each.
        absent: Why images that are named one by one do not exist, by the path given.
        selections: The split CSVs, in the order in which they select.
        roots: The BTXRD roots, each with the images that it describes, where None stands for all; the first one that
            knows an image counts.
        folders: Folders of images that are named.
        vocabulary: What split CSVs call columns and classes.
        source: Finds annotations, before the sources of roots do.
    """

    def __init__(self, annotations: Path | None, vocabulary: Vocabulary | None = None) -> None:
        """Start without images."""
        self.vocabulary = vocabulary or Vocabulary()
        self.notes: list[str] = []
        self.absent: dict[Path, str] = {}
        self.selections: list[Selection] = []
        self.roots: list[tuple[BtxrdRoot, tuple[Path, ...] | None]] = []
        self.folders: list[Path] = []
        self._known: dict[str, Path] = {}
        """Images by absolute path or URL: the same file through two inputs is one image."""
        self._files: dict[Path, None] = {}
        self.source = open_source(annotations)
        self._root_sources: dict[Path, AnnotationSource] = {}
        self._common_source: AnnotationSource | None = None
        self._near = annotations is None

    @property
    def files(self) -> tuple[Path, ...]:
        """The images that are named other than by a split CSV."""
        return tuple(self._files)

    @property
    def all_files(self) -> tuple[Path, ...]:
        """These images, and all those among which split CSVs select."""
        return tuple(dict.fromkeys([*self._files, *(file for one in self.selections for file in one.files or ())]))

    def known(self, files: Iterable[Path]) -> tuple[Path, ...]:
        """Return existing image files as they are known here, each once."""
        return tuple(dict.fromkeys(self._known.setdefault(absolute(file), file) for file in files))

    def add_folder(self, folder: Path) -> None:
        """Add the images in a folder and its subfolders; see :func:`list_images`."""
        self._files |= dict.fromkeys(self._list(folder))
        self.folders.append(folder)

    def add_root(self, root: BtxrdRoot) -> None:
        """Add the images of a BTXRD root, which it describes."""
        files = self._list(root.images)
        self._files |= dict.fromkeys(files)
        self.folders.append(root.images)
        self.describe_by_root(root, files)

    def add_stream(self, stream: IO[bytes]) -> int:
        """Add the image files that a stream names, see :func:`read_paths`; return how many it names."""
        paths, notes = read_paths(stream)
        self.notes.extend(notes)
        self.add_named(paths)
        return len(paths)

    def add_named(self, paths: Iterable[Path]) -> None:
        """Add image files that may be missing."""
        for path in paths:
            reason = why_no_file(path)
            if reason is None:
                self._files |= dict.fromkeys(self.known([path]))
            else:
                self.absent |= dict.fromkeys(self.known([path]), reason)

    def select_in(self, folder: Path, path: Path) -> None:
        """Let a split CSV select images of a folder and its subfolders."""
        self.selections.append(Selection(path, self._list(folder), folder, complete=True, vocabulary=self.vocabulary))

    def select_among_all(self, path: Path, folder: Path | None) -> None:
        """Let a split CSV select among all images that are named; see :class:`Selection`."""
        complete = bool(self.folders)
        self.selections.append(Selection(path, None, folder, complete=complete, vocabulary=self.vocabulary))

    def describe_by_root(self, root: BtxrdRoot, files: Iterable[Path] | None = None) -> None:
        """Take the labels and annotations of a BTXRD root for images; None takes them for all images."""
        described = None if files is None else tuple(files)
        self.notes.extend(root.notes)
        self.roots.append((root, described))
        if root.annotations is not None:
            source = open_source(root.annotations)
            if described is None:
                self._common_source = source
            else:
                self._root_sources = dict.fromkeys(described, source) | self._root_sources

    def annotation(self, file: Path) -> AnnotationPlace | None:
        """Return where the annotation of an image is; None where there is none."""
        found = self.source.find(file)
        source = self._root_sources.get(file, self._common_source) if self._near else None
        return source.find(file) if found is None and source is not None else found

    def unused_annotations(self) -> list[str]:
        """Name the annotations that belong to none of the images."""
        used = [place for place in map(self.annotation, self.all_files) if place is not None]
        others = (*self._root_sources.values(), self._common_source) if self._near else ()
        sources = {id(source): source for source in (self.source, *others) if source is not None}
        return list(
            {absolute(Path(name)): name for source in sources.values() for name in source.unused(used)}.values()
        )

    def _list(self, folder: Path) -> tuple[Path, ...]:
        listing = list_images(folder)
        self.notes.extend(listing.notes)
        return self.known(listing.files)
