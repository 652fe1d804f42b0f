"""What a data set is made of: its images, its tables and its annotations, joined by the images' names."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from btxrd_explain.commands.check.tables import read_tables
from btxrd_explain.errors import InputError
from btxrd_explain.finding import Finding
from btxrd_explain.inputs.btxrd import find_btxrd_root
from btxrd_explain.inputs.dataset import image_ids
from btxrd_explain.inputs.gathering import Gathering
from btxrd_explain.inputs.image_files import is_image, subfolder
from btxrd_explain.system.places import is_url, place_of

if TYPE_CHECKING:
    from btxrd_explain.commands.check.tables import Knowledge, Tables
    from btxrd_explain.inputs.annotation import AnnotationPlace
    from btxrd_explain.settings import Settings


@dataclass(frozen=True, slots=True)
class Entry:
    """One image of a data set.

    Attributes:
        image_id: Its name; see :class:`btxrd_explain.inputs.record.ImageRecord`.
        path: The file.
        annotation: Where its annotation is; None where there is none.
        known: What the tables say about it.
    """

    image_id: str
    path: Path
    annotation: AnnotationPlace | None
    known: Knowledge

    @property
    def is_normal(self) -> bool | None:
        """Whether it shows no tumour; None where no table says."""
        return None if self.known.label is None else self.known.label.casefold() == "normal"


@dataclass(frozen=True, slots=True)
class Survey:
    """A data set.

    Attributes:
        entries: Its images, sorted by ``image_id``.
        tables: Its tables.
        findings: What is wrong with how it is put together.
    """

    entries: tuple[Entry, ...]
    tables: Tables
    findings: tuple[Finding, ...]


def take_survey(settings: Settings) -> Survey:
    """Find out what a data set is made of, whatever is wrong with it.

    Raises:
        InputError: No image is named or found, or what is named does not exist.
    """
    gathering = Gathering(settings.data.annotations)
    sources = _gather(settings, gathering)
    if not gathering.files:
        raise InputError("no radiographs found", hint="name a BTXRD root, or a folder of radiographs")
    ids = image_ids(gathering.files)
    tables = read_tables(ids, sources.table, sources.split_csv, sources.images, settings.evaluation)
    entries = [Entry(ids[file], file, gathering.annotation(file), tables.known[file]) for file in ids]
    entries.sort(key=lambda entry: entry.image_id)
    passed = [Finding.of("passed-over", note) for note in dict.fromkeys(gathering.notes)]
    missing = [Finding.of("unreadable-image", f"'{name}': {reason}") for name, (_, reason) in gathering.missing.items()]
    unused = gathering.unused_annotations() if sources.whole else []
    orphans = [Finding.of("orphan-annotation", f"no image for '{name}'") for name in unused]
    return Survey(tuple(entries), tables, (*missing, *tables.findings, *orphans, *passed))


@dataclass(frozen=True, slots=True)
class _Sources:
    """Where the tables are, the folder whose images they name, and whether whole folders are looked at.

    Beside single images there may be annotations of others, which are not orphans.
    """

    table: Path | None = None
    split_csv: Path | None = None
    images: Path = Path()
    whole: bool = False


def _gather(settings: Settings, gathering: Gathering) -> _Sources:
    """Gather the images that the settings name; tables are left to be read with more patience."""
    data = settings.data
    texts = data.inputs or [str(place) for place in (data.root, data.images, data.split_csv) if place is not None][:1]
    if not texts:
        raise InputError("no data set is named", hint="name a BTXRD root, or a folder of radiographs")
    root = None if data.root is None else find_btxrd_root(data.root)
    sources = _Sources(None if root is None else root.table, data.split_csv)
    for text in texts:
        if text == "-":
            gathering.add_stream(sys.stdin.buffer)
        else:
            sources = _add(gathering, place_of(text), sources, data.images)
    return sources


def _add(gathering: Gathering, place: Path, sources: _Sources, images: Path | None) -> _Sources:
    """Add one input, whatever it is."""
    if is_image(place):
        gathering.add_named([place])
        return replace(sources, images=place.parent)
    if not is_url(place) and place.suffix.lower() == ".csv" and place.is_file():
        folder = images or subfolder(place.absolute().parent, "images") or place.parent
        gathering.add_folder(folder)
        return replace(sources, split_csv=place, images=folder, whole=True)
    if not place.is_dir():
        raise InputError(f"'{place}' is not a folder", hint="name a BTXRD root, or a folder of radiographs")
    root = None if is_url(place) else find_btxrd_root(place)
    if root is None:
        gathering.add_folder(place)
        return replace(sources, images=place, whole=True)
    gathering.add_root(replace(root, table=None))
    return replace(sources, table=root.table, images=root.images, whole=True)
