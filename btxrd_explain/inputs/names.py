"""Image files by the names that tables give them."""

from __future__ import annotations

from collections import defaultdict
from pathlib import PurePath
from typing import TYPE_CHECKING

from btxrd_explain.inputs.image_files import IMAGE_SUFFIXES, is_image, why_no_file

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


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
