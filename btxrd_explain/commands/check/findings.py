"""What an audit can find: kinds of findings, how bad they are, what they mean and what to do."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


class Severity(StrEnum):
    """How bad a finding is."""

    ERROR = "error"
    """Results would be wrong, or the file cannot be used."""
    WARNING = "warning"
    """Look at it before work starts; it may be right."""
    NOTE = "note"
    """Good to know, and harmless."""


SEVERITIES = tuple(Severity)
"""From the worst on."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of finding.

    Attributes:
        severity: How bad it is.
        meaning: What is wrong, as a clause.
        advice: What to do, as an imperative sentence without a full stop.
    """

    severity: Severity
    meaning: str
    advice: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found.

    Attributes:
        kind: Its kind, a key of :data:`KINDS`.
        images: The images that it is about, by ``image_id``; none where it is about none.
        message: What was found, in one line without a full stop.
        details: Numbers and names behind the message, as plain JSON values.
    """

    kind: str
    images: tuple[str, ...]
    message: str
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def severity(self) -> Severity:
        """How bad it is."""
        return KINDS[self.kind].severity


_E, _W, _N = SEVERITIES

KINDS: Mapping[str, Kind] = {
    # copies, within and across splits
    "leak-file": Kind(_E, "the same file is in several splits", "Keep all copies in one split, and train again"),
    "leak-pixels": Kind(_E, "the same pixels are in several splits", "Keep all copies in one split, and train again"),
    "leak-patient": Kind(_E, "a patient's images are in several splits", "Split by patient, and train again"),
    "copies-disagree": Kind(_E, "copies of a radiograph have different labels", "Find out which label is right"),
    "leak-near": Kind(
        _W,
        "nearly the same radiograph is in several splits",
        "Look at the images; where they show the same, keep them in one split, and train again",
    ),
    "same-file": Kind(_W, "files are the same", "Count them once: keep one, or keep them in one group"),
    "same-pixels": Kind(_W, "files hold the same pixels", "Count them once: keep one, or keep them in one group"),
    "near-duplicate": Kind(
        _W, "radiographs are nearly the same", "Look at the images; where they show the same, count them once"
    ),
    # image files
    "unreadable-image": Kind(_E, "an image cannot be read", "Copy it again from its source, or leave it out"),
    "blank-image": Kind(_W, "an image has one value everywhere", "Copy it again from its source, or leave it out"),
    "several-frames": Kind(_W, "a file holds several images", "Keep the radiograph alone; only the first one is read"),
    "exif-rotation": Kind(
        _W,
        "EXIF data turn an image",
        "Save it upright, for not every program that trains or annotates minds EXIF data",
    ),
    "unusual-mode": Kind(_N, "an image is neither grey nor RGB", "Nothing: it is read as grey or RGB"),
    "deep-grey": Kind(
        _N,
        "an image has more than 8 bits",
        "Nothing, if training scaled it likewise: from its least to its largest value",
    ),
    "suffix": Kind(_N, "a file's name does not tell its format", "Nothing here: content counts; rename it for others"),
    # tables
    "unreadable-table": Kind(_E, "a table cannot be read", "Mend the table; no other command can use it"),
    "row-without-id": Kind(_E, "a row names no image", "Fill in image_id, or remove the row"),
    "conflicting-rows": Kind(_E, "rows of one image differ", "Keep one of the rows"),
    "row-without-image": Kind(_E, "a row names an image that is not there", "Complete the download, or remove the row"),
    "label-disagrees": Kind(_E, "split CSV and table give different labels", "Find out which label is right"),
    "incomplete-row": Kind(_W, "a row has no split or label", "Fill it in, or remove the row"),
    "contradictory-row": Kind(
        _W, "the columns of a row contradict each other", "Correct the row, or leave the image out"
    ),
    "image-without-row": Kind(_W, "the table lacks images", "Add rows: these images have no label from the table"),
    "image-without-split": Kind(_N, "the split CSV lacks images", "Nothing, if the split is meant to be of a part"),
    "repeated-row": Kind(_N, "a row is repeated", "Remove the repetition"),
    "other-suffix": Kind(_N, "a row names an image by another suffix", "Correct the suffix in the row"),
    # annotations
    "unreadable-annotation": Kind(_E, "an annotation cannot be read", "Save it again with the program that made it"),
    "annotation-size": Kind(
        _E,
        "an annotation is of an image of another size",
        "Check that they belong together, and that neither was resized or turned since",
    ),
    "shape-outside": Kind(_E, "a shape lies outside of the image", "Check that annotation and image belong together"),
    "missing-annotation": Kind(_W, "a tumour is not annotated", "Annotate it, or it cannot be scored"),
    "annotated-normal": Kind(_W, "a normal radiograph is annotated", "Find out whether label or annotation is right"),
    "empty-annotation": Kind(_W, "an annotation of a tumour has no shape", "Annotate it, or it cannot be scored"),
    "orphan-annotation": Kind(_W, "an annotation has no image", "Complete the images, or remove the annotation"),
    "shared-annotation": Kind(
        _W, "images share an annotation", "Rename one of them: annotations are found by the stem of the image's name"
    ),
    "other-image": Kind(_W, "an annotation names another image", "Check that annotation and image belong together"),
    "points-outside": Kind(_W, "points lie outside of the image", "Check the outline; what is outside is cut off"),
    "tiny-shape": Kind(_W, "a shape is smaller than two pixels", "Remove it: it is likely a slip of the mouse"),
    "rectangle-alone": Kind(
        _W, "a rectangle has no polygon", "Draw the polygon; until then the whole rectangle counts as the lesion"
    ),
    "polygon-alone": Kind(_W, "a polygon has no rectangle", "Draw the rectangle, if you work with boxes"),
    "rectangle-differs": Kind(_W, "a rectangle does not bound its polygon", "Look which of them is right"),
    "other-tumour": Kind(_W, "annotation and table name different tumours", "Find out which of them is right"),
    "no-annotations": Kind(_N, "no annotations are found", "Name them with --annotations, if there are any"),
    # the whole
    "other-count": Kind(
        _W, "a count is not the published one", "Complete the download, or say in your paper what differs"
    ),
    "passed-over": Kind(_N, "something was passed over", "Nothing, if it is not part of the data set"),
}
"""Every kind of finding, in the order of the report."""
