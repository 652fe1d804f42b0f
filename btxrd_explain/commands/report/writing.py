"""The page on disk: one file, or beyond a stated size a page with a folder next to it.

Pictures and details go to a temporary folder as they come, so that memory does not grow with their number. What they
amount to decides: up to the limit they move into the page, beyond it the folder takes its final name. That name says
what is in it, and the earlier folder goes after the page that leads to it: at any moment there is a whole report.
"""

from __future__ import annotations

import json
import os
import re
from base64 import b64encode
from contextlib import contextmanager, suppress
from hashlib import blake2b
from itertools import chain
from typing import TYPE_CHECKING, Any

from btxrd_explain.errors import OutputError
from btxrd_explain.evaluation.file_set import with_relative_places
from btxrd_explain.outputs.html.page import Head, to_json, write_page
from btxrd_explain.synthetic import SYNTHETIC
from btxrd_explain.system.files import atomic_write, temporary_folder
from btxrd_explain.system.places import check_own, make_folder, sync_folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from btxrd_explain.commands.report.entries import Entry

ROWS_PER_SCRIPT = 50
_MEGABYTE = 10**6
_DETAILS = "details"
"""The folder of the scripts."""
_KINDS = ("thumbnails", "pictures", _DETAILS)
_EDITION = re.compile(r"[0-9a-f]{16}")
_FILE = re.compile(r"\d{6,}\.(?:jpg|js)")
"""The files in an edition: nothing but them is ever removed from one."""


class Staging:
    """Pictures and details of the radiographs on their way to the page.

    Attributes:
        folder: Where they are until the page is written.
        count: How many radiographs were added.
        bytes: What they will take in the page.
    """

    def __init__(self, folder: Path) -> None:
        """Start with an empty folder."""
        self.folder = folder
        self.count = 0
        self.bytes = 0
        self._open: list[Any] = []
        self._hash = blake2b(digest_size=8)
        for name in _KINDS:
            (folder / name).mkdir()

    def add(self, entry: Entry) -> None:
        """Add the next radiograph.

        Raises:
            OSError: It cannot be written.
        """
        if entry.pictures is not None:
            for kind, data in (("thumbnails", entry.pictures.thumbnail), ("pictures", entry.pictures.picture)):
                self._path(kind, self.count).write_bytes(data)
                self._hash.update(data)
                self.bytes += 4 * len(data) // 3  # base64
        content = with_relative_places(entry.details, self.folder.parent)
        details = to_json(content)
        self._hash.update(details.encode())
        self.bytes += len(details)
        self._open.append(content)
        self.count += 1
        if len(self._open) == ROWS_PER_SCRIPT:
            self.finish()

    def finish(self) -> None:
        """Write the details of the last radiographs."""
        if self._open:
            number = (self.count - 1) // ROWS_PER_SCRIPT
            (self.folder / _DETAILS / f"{number:06d}.js").write_text(_to_script(number, self._open), "utf-8")
            self._open = []

    @property
    def digest(self) -> str:
        """What tells this content from that of other pages."""
        return self._hash.hexdigest()

    def move_to(self, edition: Path) -> None:
        """Give the folder its final name, which only a page that is written afterwards leads to.

        Raises:
            OSError: It cannot be moved.
        """
        if _sizes(edition) == _sizes(self.folder):
            return
        _remove(edition)  # a process was killed while it removed it
        if hasattr(os, "sync"):
            os.sync()  # thousands of files at once
        make_folder(edition.parent)
        self.folder.chmod(0o755)
        self.folder.rename(edition)
        sync_folder(edition.parent)

    def blocks(self) -> Iterator[tuple[str, Any]]:
        """Yield the data blocks of a page of one file."""
        scripts = sorted((self.folder / _DETAILS).iterdir())
        every = chain.from_iterable(_from_script(script.read_text("utf-8")) for script in scripts)
        for index, details in enumerate(every):
            if self._path("pictures", index).exists():
                yield f"details-{index}", details | {"thumbnail": self._address("thumbnails", index)}
                yield f"picture-{index}", self._address("pictures", index)

    def _path(self, kind: str, index: int) -> Path:
        return self.folder / kind / f"{index:06d}.jpg"

    def _address(self, kind: str, index: int) -> str:
        return f"data:image/jpeg;base64,{b64encode(self._path(kind, index).read_bytes()).decode()}"


def _to_script(number: int, details: list[Any]) -> str:
    """Return details as a script that hands them to the page."""
    return f"btxrdExplainDetails({number},{to_json(details)});\n"


def _from_script(text: str) -> list[Any]:
    """Return the details that a script holds.

    >>> _from_script(_to_script(7, [{"outline": "M1 (2, 3);"}, None]))
    [{'outline': 'M1 (2, 3);'}, None]
    """
    details: list[Any] = json.loads(text[text.index(",") + 1 : text.rindex(")")])
    return details


@contextmanager
def staging(target: Path) -> Iterator[Staging]:
    """Open a temporary folder next to the page; it is gone when the block ends.

    Raises:
        OutputError: Something cannot be written.
    """
    with temporary_folder(target) as folder:
        yield Staging(folder)


def write_report(target: Path, staged: Staging, document: dict[str, Any], *, layout: str, limit: float) -> Path | None:
    """Write the page.

    Args:
        target: The HTML file.
        staged: Pictures and details of all radiographs.
        document: The rest of the data.
        layout: ``file``, ``folder``, or ``auto``, which asks the limit.
        limit: Largest size of a page of one file, in megabytes.

    Returns:
        The folder next to the page; None where there is none.

    Raises:
        OutputError: It cannot be written.
    """
    staged.finish()
    document = with_relative_places(document, target.parent)
    size = staged.bytes + len(to_json(document))
    beside = layout == "folder" or (layout == "auto" and size > limit * _MEGABYTE)
    folder = target.with_name(f"{target.stem}_files")
    edition = folder / staged.digest
    _check_ours(folder)
    if beside:
        name = f"{folder.name}/{edition.name}"
        document = document | {"folder": {"name": name, "rows_per_script": ROWS_PER_SCRIPT}}
        staged.move_to(edition)
    head = Head(document["title"], document["lead"], tuple(document["conclusion"]), _banner(document), beside)
    with atomic_write(target) as file:
        write_page(file, head, chain([("report-data", document)], [] if beside else staged.blocks()))
    _remove_others(folder, edition if beside else None)
    return folder if beside else None


def _check_ours(folder: Path) -> None:
    """Refuse a link next to the page, and a folder that holds anything but editions of a report."""
    check_own(folder, folder=True)
    if folder.exists() and not all(map(_is_ours, _seen(folder))):
        raise OutputError(f"'{folder}' is in the way", hint="it is not a folder of an earlier report: move it")


def _is_ours(entry: Path) -> bool:
    """Return whether something in the folder next to a page is an edition, or a part of one of an earlier release."""
    if entry.is_symlink() or not entry.is_dir():
        return False
    parts = _seen(entry)
    if entry.name in _KINDS:
        return all(_FILE.fullmatch(part.name) and not part.is_dir() for part in parts)
    return bool(_EDITION.fullmatch(entry.name)) and all(part.name in _KINDS and _is_ours(part) for part in parts)


def _seen(folder: Path) -> list[Path]:
    """Return what is in a folder, but for hidden entries, such as file managers leave: they neither matter nor go."""
    return [entry for entry in folder.iterdir() if not entry.name.startswith(".")]


def _sizes(folder: Path) -> dict[str, int]:
    """Return the size of each of our files in a folder, by its path from there on."""
    files = (path for kind in _KINDS for path in folder.glob(f"{kind}/*") if _FILE.fullmatch(path.name))
    return {path.relative_to(folder).as_posix(): path.stat().st_size for path in files}


def _remove_others(folder: Path, edition: Path | None) -> None:
    """Remove the editions of earlier pages, now that no page leads to them."""
    for other in _seen(folder) if folder.exists() else ():
        if other != edition:
            _remove(other)
    if edition is None:
        with suppress(OSError):  # there is something else in it, or it never was
            folder.rmdir()


def _remove(entry: Path) -> None:
    """Remove our files, and the folders in which nothing else is."""
    with suppress(OSError):
        if _FILE.fullmatch(entry.name):
            entry.unlink()
        elif entry.is_dir() and not entry.is_symlink():
            for part in _seen(entry):
                _remove(part)
            entry.rmdir()


def _banner(document: dict[str, Any]) -> str | None:
    if document["synthetic"]:
        return f"{SYNTHETIC}."
    return None
