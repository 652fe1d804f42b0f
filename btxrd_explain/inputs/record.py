"""What the inputs of a run amount to: images with their labels, splits and annotation files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from btxrd_explain.finding import Finding
    from btxrd_explain.inputs.annotation import AnnotationPlace


@dataclass(frozen=True, slots=True)
class ImageRecord:
    """One image of a collection.

    Attributes:
        image_id: Unique key: the file's name, or where folders hold files of the same name, the path from their common
            folder, with forward slashes.
        path: The image file.
        label: The true class; None where it is not known.
        split: The part of the data set, such as ``test``; None where it is not known.
        annotation: Where the annotation of the image is; None where there is none.
    """

    image_id: str
    path: Path
    label: str | None
    split: str | None
    annotation: AnnotationPlace | None


@dataclass(frozen=True, slots=True)
class Collection:
    """The images of a run.

    Attributes:
        records: The images, sorted by ``image_id``.
        named: True where every input was an image file, named one by one.
        missing: ``(image_id, reason)`` of files that a split CSV or the standard input names but that do not exist.
        notes: What was passed over or done on the way, one line each.
        findings: What may be wrong with what the inputs say.
    """

    records: Sequence[ImageRecord]
    named: bool
    missing: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()

    @property
    def annotations(self) -> dict[str, AnnotationPlace]:
        """Places of annotations by ``image_id``, of the images that have one."""
        return {record.image_id: record.annotation for record in self.records if record.annotation is not None}
