"""One image of a data set and its annotation, read once; little of it stays in memory."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from btxrd_explain.core.near_duplicates import picture_of
from btxrd_explain.errors import AnnotationError, RadiographError
from btxrd_explain.inputs.annotation_place import SourceKind
from btxrd_explain.inputs.annotation_source import read_annotation
from btxrd_explain.inputs.image_header import ImageHeader, read_header
from btxrd_explain.inputs.labelme import read_labelme
from btxrd_explain.inputs.radiograph import Radiograph, read_radiograph
from btxrd_explain.workflows.auditing.findings import Finding
from btxrd_explain.workflows.auditing.shapes import Drawn, check_shapes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from btxrd_explain.core.geometry import Size
    from btxrd_explain.inputs.annotation import Annotation
    from btxrd_explain.workflows.auditing.survey import Entry

_USUAL_MODES = frozenset({"L", "RGB"})


@dataclass(frozen=True, slots=True)
class Examined:
    """What is known of one image.

    Attributes:
        entry: The image.
        sha256: Of the file; None where it cannot be read.
        pixels: A hash of the decoded pixels and their size; None where it cannot be read.
        picture: The image at 64 x 64 pixels, by which near duplicates are found; None where it cannot be read.
        size: Height and width, upright; None where it cannot be read.
        header: How the file stores its pixels; None where that is not known.
        drawn: What the annotation holds; None where there is none that can be read.
        findings: What is wrong with image and annotation.
    """

    entry: Entry
    sha256: str | None = None
    pixels: bytes | None = None
    picture: NDArray[np.uint8] | None = None
    size: Size | None = None
    header: ImageHeader | None = None
    drawn: Drawn | None = None
    findings: tuple[Finding, ...] = field(default_factory=tuple)


def examine(entry: Entry) -> Examined:
    """Read an image and its annotation, whatever is wrong with them."""
    try:
        radiograph = read_radiograph(entry.path)
    except RadiographError as error:
        drawn, findings = _examine_annotation(entry, None)
        unreadable = Finding("unreadable-image", (entry.image_id,), error.message)
        return Examined(entry, drawn=drawn, findings=(unreadable, *findings))
    header = read_header(entry.path)
    drawn, findings = _examine_annotation(entry, radiograph.size)
    return Examined(
        entry,
        radiograph.sha256,
        _hash_pixels(radiograph.pixels),
        picture_of(radiograph.pixels),
        radiograph.size,
        header,
        drawn,
        (*_check_file(entry, radiograph, header), *findings),
    )


def _hash_pixels(pixels: NDArray[np.uint8]) -> bytes:
    """Hash decoded pixels with their size; RGB whose channels are equal is grey."""
    if pixels.ndim == 3 and (pixels[..., :1] == pixels[..., 1:]).all():
        pixels = pixels[..., 0]
    digest = hashlib.sha256(repr(pixels.shape).encode())
    digest.update(np.ascontiguousarray(pixels).data)
    return digest.digest()


def _check_file(entry: Entry, radiograph: Radiograph, header: ImageHeader | None) -> Iterator[Finding]:
    """Yield what is odd about an image file that can be read."""
    image_id = entry.image_id
    if radiograph.pixels.min() == radiograph.pixels.max():
        text = f"'{image_id}' has the value {radiograph.pixels.flat[0]} everywhere"
        yield Finding("blank-image", (image_id,), text)
    if header is None:
        return
    if header.frames > 1:
        yield Finding("several-frames", (image_id,), f"'{image_id}' holds {header.frames} images")
    if header.orientation in range(2, 9):
        text = f"'{image_id}' has the EXIF orientation {header.orientation}"
        yield Finding("exif-rotation", (image_id,), text)
    if header.bits > 8:
        yield Finding("deep-grey", (image_id,), f"'{image_id}' has {header.bits} bits per value")
    elif header.mode not in _USUAL_MODES:
        yield Finding("unusual-mode", (image_id,), f"'{image_id}' has the mode {header.mode}")
    if entry.path.suffix.lower() not in header.suffixes:
        yield Finding("suffix", (image_id,), f"'{image_id}' is {header.format}")


def _examine_annotation(entry: Entry, size: Size | None) -> tuple[Drawn | None, list[Finding]]:
    """Return what the annotation of an image holds and what is wrong with it.

    Args:
        entry: The image.
        size: Its height and width, upright; None where it cannot be read.
    """
    if entry.annotation is None:
        return None, []
    try:
        annotation = _read(entry, size)
    except AnnotationError as error:
        return None, [Finding("unreadable-annotation", (entry.image_id,), error.message)]
    if annotation is None:
        return None, []
    findings = list(_check_annotation(entry, annotation, size))
    drawn, wrong = check_shapes(entry.image_id, annotation.shapes, annotation.image_size or size)
    return drawn, findings + wrong


def _read(entry: Entry, size: Size | None) -> Annotation | None:
    """Read an annotation; LabelMe's also where it is of an image of another size, which is a finding of its own."""
    place = entry.annotation
    if place is None:
        return None
    if place.kind is SourceKind.LABELME and place.problem is None:
        return read_labelme(place.path)
    return None if size is None else read_annotation(place, size)


def _check_annotation(entry: Entry, annotation: Annotation, size: Size | None) -> Iterator[Finding]:
    """Yield what is wrong with an annotation as a whole."""
    image_id, own = entry.image_id, annotation.image_size
    if size is not None and own is not None and own != size:
        turned = "; the sides are swapped" if (own.height, own.width) == (size.width, size.height) else ""
        text = (
            f"'{image_id}' has {size.width} x {size.height} pixels, its annotation {own.width} x {own.height}{turned}"
        )
        details = {"image": [size.width, size.height], "annotation": [own.width, own.height]}
        yield Finding("annotation-size", (image_id,), text, details)
    named = (annotation.image_path or "").replace("\\", "/").rpartition("/")[2]
    if named and Path(named).stem != entry.path.stem:
        yield Finding("other-image", (image_id,), f"the annotation of '{image_id}' names '{named}'")
    if entry.is_normal and annotation.shapes:
        text = f"'{image_id}' is {entry.known.label}, but has {len(annotation.shapes)} shapes"
        yield Finding("annotated-normal", (image_id,), text)
    if entry.is_normal is False and not annotation.shapes:
        yield Finding("empty-annotation", (image_id,), f"the annotation of '{image_id}' holds no shape")
    row = entry.known.row
    for label in sorted({shape.label.strip().casefold() for shape in annotation.shapes}):
        if row.get(label, "1") != "1":
            text = f"'{image_id}' is annotated as {label}, which its row of the table denies"
            yield Finding("other-tumour", (image_id,), text)
