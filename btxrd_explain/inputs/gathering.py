"""Images from several inputs, each once, with what split CSVs and tables say about them."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path, PurePath
from typing import IO, TYPE_CHECKING

from btxrd_explain.errors import InputError
from btxrd_explain.finding import Finding
from btxrd_explain.inputs.annotation_source import open_source
from btxrd_explain.inputs.image_files import IMAGE_SUFFIXES, is_image, list_images, read_paths, why_no_file
from btxrd_explain.inputs.split_csv import SplitRow, read_split_csv
from btxrd_explain.system.places import absolute

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

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
        folder: Where they are from: names may be paths in it, and the reasons mention it.
    """

    def __init__(self, files: Iterable[Path], folder: Path) -> None:
        """Sort the files by name and by stem."""
        self._folder = folder
        self._by_name: dict[str, list[Path]] = defaultdict(list)
        self._by_stem: dict[str, list[Path]] = defaultdict(list)
        for file in files:
            self._by_name[file.name].append(file)
            self._by_stem[file.stem].append(file)

    def resolve(self, name: str) -> Path:
        """Return the file that a table means.

        Args:
            name: Name of a file, with or without folders (of which the last ones count where several files have the
                name), with or without suffix. No name leads out of the folder.

        Returns:
            The one file of that name.

        Raises:
            UnresolvedNameError: There is none, or more than one.
        """
        place = name.replace("\\", "/")
        base = place.rpartition("/")[2]
        has_suffix = base.lower().endswith(IMAGE_SUFFIXES)
        found = self._by_name.get(base) or ([] if has_suffix else self._by_stem.get(base, []))
        if len(found) > 1:
            ending = f"/{place}" if has_suffix else f"/{place}."
            found = [file for file in found if ending in f"/{file.as_posix()}"] or found
        if len(found) == 1:
            return found[0]
        if found:
            raise UnresolvedNameError(f"several files match: '{found[0]}', '{found[1]}'")
        if PurePath(place).anchor or ".." in place.split("/"):
            raise UnresolvedNameError(f"no such file in '{self._folder}', and what lies outside of it is never read")
        direct = self._folder / place
        if is_image(direct) and why_no_file(direct) is None:
            return direct
        raise UnresolvedNameError(f"no such file in '{self._folder}'{self._similar(base)}")

    def _similar(self, base: str) -> str:
        """Mention the file that has the same stem but another suffix."""
        others = self._by_stem.get(base.rpartition(".")[0])
        return f", but there is '{others[0].name}'" if others else ""


def contradiction(image_id: str, split_label: str | None, table_label: str | None) -> Iterator[Finding]:
    """Yield that the split CSV gives an image another label than the data set's table; None says nothing."""
    if split_label and table_label and split_label.casefold() != table_label.casefold():
        message = f"'{image_id}' is {split_label} in the split CSV, and {table_label} in the data set's table"
        details = {"split_csv": split_label, "table": table_label}
        yield Finding.of("label-disagrees", message, [image_id], details=details)


class Gathering:
    """Images on their way to a collection.

    Args:
        annotations: Folder or file of all annotations; None looks near the images, and in the roots.
    """

    def __init__(self, annotations: Path | None) -> None:
        """Start without images."""
        self.notes: list[str] = []
        self.missing: dict[str, tuple[SplitRow, str]] = {}
        """What is named but does not exist, and why, by the name given."""
        self._files: dict[str, Path] = {}
        """The images by absolute path or URL: the same file through two inputs is one image."""
        self._rows: dict[Path, SplitRow] = {}
        self._labels: dict[Path, str] = {}
        self._source = open_source(annotations)
        self._root_sources: dict[Path, AnnotationSource] = {}
        self._near = annotations is None

    @property
    def files(self) -> list[Path]:
        """The images so far."""
        return list(self._files.values())

    def add_files(self, files: Iterable[Path]) -> list[Path]:
        """Add existing image files; return them as they are known here."""
        return [self._files.setdefault(absolute(file), file) for file in files]

    def add_folder(self, folder: Path) -> list[Path]:
        """Add the images in a folder and its subfolders; see :func:`list_images`."""
        listing = list_images(folder)
        self.notes.extend(listing.notes)
        return self.add_files(listing.files)

    def add_root(self, root: BtxrdRoot) -> None:
        """Add the images of a BTXRD root, with its labels and annotations."""
        self.notes.extend(root.notes)
        self.describe_by_root(root, self.add_folder(root.images))

    def add_stream(self, stream: IO[bytes]) -> None:
        """Add the image files that a stream names; see :func:`read_paths`."""
        paths, notes = read_paths(stream)
        self.notes.extend(notes)
        self.add_named(paths)

    def add_named(self, paths: Iterable[Path]) -> None:
        """Add image files that may be missing."""
        for path in paths:
            reason = why_no_file(path)
            if reason is None:
                self.add_files([path])
            else:
                self.missing[str(path)] = (SplitRow(str(path), None, None), reason)

    def add_split_csv(self, path: Path, folder: Path) -> None:
        """Add the images that a split CSV names, from a folder and its subfolders."""
        listing = list_images(folder)
        self.notes.extend(listing.notes)
        index = NameIndex(listing.files, folder)
        for row in self._read(path):
            try:
                (file,) = self.add_files([index.resolve(row.image_id)])
            except UnresolvedNameError as error:
                self.missing[row.image_id] = (row, str(error))
            else:
                self._describe(file, row, path)

    def describe_by_split_csv(self, path: Path) -> None:
        """Give the images so far the labels and splits of a split CSV, which may name others too."""
        index = NameIndex(self.files, path.parent)
        known = set(self.files)
        for row in self._read(path):
            try:
                file = index.resolve(row.image_id)
            except UnresolvedNameError:
                continue
            if file in known:
                self._describe(file, row, path)

    def describe_by_root(self, root: BtxrdRoot, files: Iterable[Path]) -> None:
        """Give images the labels and annotations of a BTXRD root."""
        files = list(files)
        self._labels = root.labels(files) | self._labels
        if root.annotations is not None:
            source = open_source(root.annotations)
            self._root_sources = dict.fromkeys(files, source) | self._root_sources

    def row(self, file: Path) -> SplitRow:
        """Return what is known of an image; the split CSV's label comes before the table's."""
        row = self._rows.get(file, SplitRow(file.name, None, None))
        return SplitRow(row.image_id, row.split, row.label or self._labels.get(file))

    def contradictions(self, ids: Mapping[Path, str]) -> Iterator[Finding]:
        """Yield the images to which split CSV and table give different labels.

        Args:
            ids: The images by file.
        """
        for file, image_id in ids.items():
            if file in self._rows:
                yield from contradiction(image_id, self._rows[file].label, self._labels.get(file))

    def annotation(self, file: Path) -> AnnotationPlace | None:
        """Return where the annotation of an image is; None where there is none."""
        found = self._source.find(file)
        if found is None and self._near and file in self._root_sources:
            return self._root_sources[file].find(file)
        return found

    def unused_annotations(self) -> list[str]:
        """Name the annotations that belong to none of the images."""
        used = [place for place in map(self.annotation, self.files) if place is not None]
        others = self._root_sources.values() if self._near else ()
        sources = {id(source): source for source in (self._source, *others)}
        return list(
            {absolute(Path(name)): name for source in sources.values() for name in source.unused(used)}.values()
        )

    def _read(self, path: Path) -> tuple[SplitRow, ...]:
        table = read_split_csv(path)
        self.notes.extend(table.notes)
        return table.rows

    def _describe(self, file: Path, row: SplitRow, path: Path) -> None:
        """Note a split CSV's row; two rows may mean the same file, as with and without suffix."""
        first = self._rows.setdefault(file, row)
        if (first.split, first.label) != (row.split, row.label):
            raise InputError(
                f"'{first.image_id}' and '{row.image_id}' in '{path}' are one file with different splits or labels",
                hint="keep one of the lines",
            )
