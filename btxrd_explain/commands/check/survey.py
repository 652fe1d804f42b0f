"""What a data set is made of: its images, its tables and its annotations, joined by the images' names."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from btxrd_explain.commands.check.tables import read_tables
from btxrd_explain.core.labels import said_in_columns
from btxrd_explain.core.masks import LesionRules
from btxrd_explain.errors import InputError
from btxrd_explain.evaluation.protocol import no_lesion_of
from btxrd_explain.finding import Finding
from btxrd_explain.inputs.annotation_source import no_name_fits
from btxrd_explain.inputs.dataset import gather, image_ids, none_found
from btxrd_explain.inputs.gathering import contradiction
from btxrd_explain.inputs.shared_annotations import Annotated, tell_apart

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from btxrd_explain.commands.check.tables import Knowledge, Tables
    from btxrd_explain.core.class_names import NoLesion
    from btxrd_explain.inputs.annotation import AnnotationPlace
    from btxrd_explain.inputs.split_csv import Vocabulary
    from btxrd_explain.settings import Settings

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Entry:
    """One image of a data set.

    Attributes:
        image_id: Its name; see :class:`btxrd_explain.inputs.record.ImageRecord`.
        path: The file.
        annotation: Where its annotation is; None where there is none.
        known: What the tables say about it.
        no_lesion: Which classes are without a lesion.
        class_names: The classes; None where they are not known.
        rules: Which shapes are lesions.
    """

    image_id: str
    path: Path
    annotation: AnnotationPlace | None
    known: Knowledge
    no_lesion: NoLesion
    class_names: tuple[str, ...] | None = None
    rules: LesionRules = field(default_factory=LesionRules)

    @property
    def is_normal(self) -> bool | None:
        """Whether it shows no lesion; None where no table says.

        That classes are not true says so only of all classes: a radiograph without a fracture may show a tumour.
        """
        if self.known.label is None:
            return None
        said = said_in_columns(self.known.label)
        if not said:
            return self.known.label in self.no_lesion
        if any(value for name, value in said.items() if name not in self.no_lesion):
            return False
        named = {name.casefold() for name in said}
        complete = self.class_names is not None and {name.casefold() for name in self.class_names} <= named
        return True if complete or any(said.values()) else None


@dataclass(frozen=True, slots=True)
class Survey:
    """A data set.

    Attributes:
        entries: Its images, sorted by ``image_id``.
        tables: Its tables.
        findings: What is wrong with how it is put together.
        roots: The folders of BTXRD downloads among them.
        no_annotations: Why none of the annotations that are named is an image's; None where one is, or none are named.
    """

    entries: tuple[Entry, ...]
    tables: Tables
    findings: tuple[Finding, ...]
    roots: tuple[Path, ...] = ()
    no_annotations: str | None = None


def take_survey(settings: Settings) -> Survey:
    """Find out what a data set is made of, whatever is wrong with it.

    Raises:
        InputError: No image is named or found, or what is named does not exist.
    """
    data = settings.data
    gathering = gather(
        data.inputs,
        root=data.root,
        images=data.images,
        annotations=data.annotations,
        split_csv=data.split_csv,
        vocabulary=data.vocabulary,
    )
    files = gathering.all_files
    if not files:
        raise none_found([(str(path), reason) for path, reason in gathering.absent.items()])
    ids = image_ids(files)
    selection = _only(gathering.selections, "split CSV")
    table = _only({root.table for root, _ in gathering.roots if root.table is not None}, "table")
    class_names = settings.model.class_names
    tables = read_tables(ids, table, selection, settings.evaluation, class_names)
    _take_folders_for_labels(tables, ids, data.vocabulary)
    places = {file: gathering.annotation(file) for file in ids}
    _, shared = tell_apart(Annotated(ids[file], file, place) for file, place in places.items())
    no_lesion = no_lesion_of(settings)
    rules = LesionRules(labels=settings.annotation.meanings, inverted=settings.annotation.mask_inverted)
    entries = [Entry(ids[file], file, places[file], tables.known[file], no_lesion, class_names, rules) for file in ids]
    entries.sort(key=lambda entry: entry.image_id)
    passed = [Finding.of("passed-over", note) for note in dict.fromkeys(gathering.notes)]
    missing = [Finding.of("unreadable-image", f"'{path}': {reason}") for path, reason in gathering.absent.items()]
    whole = gathering.folders or any(one.complete for one in gathering.selections)  # others may be of other images
    unused = gathering.unused_annotations() if whole else []
    orphans = [Finding.of("orphan-annotation", f"no image for '{name}'") for name in unused]
    why = None
    if data.annotations is not None and not any(places.values()):
        why = f"annotations: {gathering.source.description}; {no_name_fits(gathering.source, files[0])}"
    findings = (*missing, *tables.findings, *shared, *orphans, *passed)
    roots = tuple(dict.fromkeys(root.images.parent for root, _ in gathering.roots))
    return Survey(tuple(entries), tables, findings, roots, why)


def _take_folders_for_labels(tables: Tables, ids: Mapping[Path, str], vocabulary: Vocabulary) -> None:
    """Take the folders of images for their labels where that is asked for, and the split CSV says none."""
    for file, image_id in ids.items():
        known, label = tables.known[file], vocabulary.label_of_folder(file)
        tables.findings += contradiction(image_id, known.split_label, label, "its folder's name")
        known.split_label = known.split_label or label


def _only(found: Collection[Item], what: str) -> Item | None:
    """Return the one of its kind; None where there is none.

    Raises:
        InputError: There are several: what one says of an image would be found missing in the others.
    """
    if len(found) > 1:
        raise InputError(f"{len(found)} {what}s are named, and an audit is about one", hint="audit them one by one")
    return next(iter(found), None)
