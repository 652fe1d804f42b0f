"""One image of a data set and its annotation, read once; little of it stays in memory."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from btxrd_explain.core.duplicates import picture_of
from btxrd_explain.core.masks import annotation_mask
from btxrd_explain.core.metrics.boxes import pair_boxes
from btxrd_explain.core.shapes import ShapeType
from btxrd_explain.errors import AnnotationError, RadiographError
from btxrd_explain.finding import Finding
from btxrd_explain.findings.annotations import BEYOND, oddities, of_another_image, unusable
from btxrd_explain.inputs.annotation import SourceKind, check_size
from btxrd_explain.inputs.annotation_formats import read_annotation
from btxrd_explain.inputs.decode import ImageHeader, read_header
from btxrd_explain.inputs.file_kinds import several_frames
from btxrd_explain.inputs.radiograph import Radiograph, read_radiograph
from btxrd_explain.inputs.table_lines import TRUTHS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from btxrd_explain.commands.check.survey import Entry
    from btxrd_explain.core.geometry import Size
    from btxrd_explain.core.shapes import Shape
    from btxrd_explain.inputs.annotation import Annotation, AnnotationPlace

# The shapes of one annotation: within the image, of a size that means something, and each lesion drawn twice.

_TINY = 2.0
"""Pixels; a mask of that size is a point."""
_SLACK_PIXELS = 10.0
_SLACK_FRACTION = 0.1
"""A rectangle bounds its polygon when each side is that close: in pixels, or as a fraction of the rectangle's side."""
_BY_POINTS = frozenset({ShapeType.POLYGON, ShapeType.RECTANGLE, ShapeType.ORIENTED_RECTANGLE, ShapeType.LINESTRIP})
_AREAS = frozenset({ShapeType.POLYGON, ShapeType.RECTANGLE, ShapeType.ORIENTED_RECTANGLE})


@dataclass(frozen=True, slots=True)
class Drawn:
    """What an annotation holds.

    Attributes:
        counts: Number of shapes of each kind.
        twice: Where rectangles and polygons do not match; findings only where the data set draws each lesion twice.
    """

    counts: Counter[str]
    twice: tuple[Finding, ...]

    @property
    def in_both_ways(self) -> bool:
        """Whether it holds rectangles and polygons."""
        return bool(self.counts[ShapeType.RECTANGLE] and self.counts[ShapeType.POLYGON])


def check_shapes(image_id: str, shapes: Sequence[Shape], size: Size | None) -> tuple[Drawn, list[Finding]]:
    """Look at the shapes of one annotation.

    Args:
        image_id: The image.
        shapes: Its shapes.
        size: Height and width of the image that was annotated; None where it is not known.

    Returns:
        What there is, and what is wrong with single shapes.
    """
    findings = [finding for k, shape in enumerate(shapes) for finding in _check_shape(image_id, k, shape, size)]
    return Drawn(Counter(shape.shape_type.value for shape in shapes), tuple(_check_twice(image_id, shapes))), findings


def _check_shape(image_id: str, number: int, shape: Shape, size: Size | None) -> Iterable[Finding]:
    """Yield what is wrong with one shape: outside of the image, or too small."""
    name = f"{shape.shape_type} {number + 1} of '{image_id}'"
    details = {"shape": number, "shape_type": shape.shape_type.value}
    if shape.shape_type in _BY_POINTS and size is not None:
        corner = np.array([size.width, size.height])
        low, high = shape.bounds
        beyond = float(np.concatenate([-low, high - corner]).max())
        if (high < 0).any() or (low > corner).any():
            yield Finding.of("shape-outside", f"{name} lies outside of the image", [image_id], details=details)
        elif beyond > BEYOND:
            text = f"{name} reaches {beyond:.0f} pixels out of the image"
            yield Finding.of("points-outside", text, [image_id], details={**details, "pixels": beyond})
    if shape.shape_type in _AREAS and (np.ptp(shape.points, axis=0) < _TINY).any():
        yield Finding.of(
            "tiny-shape", f"{name} is less than {_TINY:.0f} pixels wide or high", [image_id], details=details
        )


def _check_twice(image_id: str, shapes: Sequence[Shape]) -> Iterable[Finding]:
    """Yield where rectangles and polygons are not the same lesions, each drawn twice."""
    rectangles, polygons = (_boxes(shapes, kind) for kind in (ShapeType.RECTANGLE, ShapeType.POLYGON))
    pairing = pair_boxes(rectangles, polygons)
    if pairing.first_alone:
        text = f"'{image_id}': {_number(len(pairing.first_alone), len(rectangles), 'rectangle')} without polygon"
        yield Finding.of("rectangle-alone", text, [image_id], details={"count": len(pairing.first_alone)})
    if pairing.second_alone:
        text = f"'{image_id}': {_number(len(pairing.second_alone), len(polygons), 'polygon')} without rectangle"
        yield Finding.of("polygon-alone", text, [image_id], details={"count": len(pairing.second_alone)})
    for i, j in pairing.pairs:
        sides = np.tile(rectangles[i, 2:] - rectangles[i, :2], 2)
        apart = np.abs(rectangles[i] - polygons[j])
        if (apart > np.maximum(_SLACK_PIXELS, _SLACK_FRACTION * sides)).any():
            text = f"'{image_id}': rectangle {i + 1} and its polygon are {apart.max():.0f} pixels apart"
            yield Finding.of("rectangle-differs", text, [image_id], details={"pixels": float(apart.max())})


def _boxes(shapes: Iterable[Shape], kind: ShapeType) -> NDArray[np.float64]:
    """Return the bounds of the shapes of one kind: left, top, right, bottom."""
    return np.array([shape.bounds.ravel() for shape in shapes if shape.shape_type is kind]).reshape(-1, 4)


def _number(count: int, total: int, what: str) -> str:
    return f"{count} of {total} {what}s" if total > 1 else f"a {what}"


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
        unreadable = Finding.of("unreadable-image", error.message, [entry.image_id])
        return Examined(entry, drawn=drawn, findings=(unreadable, *findings))
    header = read_header(entry.path)
    drawn, findings = _examine_annotation(entry, radiograph)
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
        yield Finding.of("blank-image", text, [image_id])
    if header is None:
        return
    yield from several_frames(image_id, header.frames, [image_id])
    if header.orientation in range(2, 9):
        text = f"'{image_id}' has the EXIF orientation {header.orientation}"
        yield Finding.of("exif-rotation", text, [image_id])
    if header.bits > 8:
        yield Finding.of("deep-grey", f"'{image_id}' has {header.bits} bits per value", [image_id])
    elif header.mode not in _USUAL_MODES:
        yield Finding.of("unusual-mode", f"'{image_id}' has the mode {header.mode}", [image_id])
    if entry.path.suffix.lower() not in header.suffixes:
        yield Finding.of("suffix", f"'{image_id}' is {header.format}", [image_id])


def _examine_annotation(entry: Entry, radiograph: Radiograph | None) -> tuple[Drawn | None, list[Finding]]:
    """Return what the annotation of an image holds and what is wrong with it.

    Args:
        entry: The image.
        radiograph: Its content; None where it cannot be read.
    """
    size = None if radiograph is None else radiograph.size
    if entry.annotation is None:
        return None, []
    try:
        annotation = _read(entry, size)
    except AnnotationError as error:
        return None, [unusable(entry.image_id, error)]
    if annotation is None:
        return None, []
    findings = list(_check_annotation(entry, entry.annotation, annotation, radiograph))
    drawn, wrong = check_shapes(entry.image_id, annotation.shapes, annotation.image_size or size)
    return drawn, findings + wrong


def _read(entry: Entry, size: Size | None) -> Annotation | None:
    """Read an annotation; LabelMe's also where it is of an image of another size, which is a finding of its own."""
    place = entry.annotation
    if place is None:
        return None
    if place.kind is SourceKind.LABELME and place.problem is None:
        return read_annotation(place, None)
    return None if size is None else read_annotation(place, size, inverted=entry.rules.inverted)


def _check_annotation(
    entry: Entry, place: AnnotationPlace, annotation: Annotation, radiograph: Radiograph | None
) -> Iterator[Finding]:
    """Yield what is wrong with an annotation as a whole."""
    image_id, sha256 = entry.image_id, None if radiograph is None else radiograph.sha256
    odd = [*annotation.findings]
    relevant = entry.rules.relevant(annotation.shapes, None)
    lesions = [shape for shape in relevant if not shape.hole]
    if radiograph is not None and annotation.image_size in {None, radiograph.size}:
        odd += oddities(place, annotation, annotation_mask(relevant, radiograph.size), entry.rules, None)
    yield from (replace(finding, images=(image_id,)) for finding in odd)
    if radiograph is not None and annotation.image_size is not None:
        try:
            check_size(place.path, annotation.image_size, radiograph.size)
        except AnnotationError as error:
            yield unusable(image_id, error)
    yield from of_another_image(
        image_id, entry.path.name, annotation, sha256, lambda: radiograph or read_radiograph(entry.path)
    )
    if entry.is_normal and lesions:
        text = f"'{image_id}' is {entry.known.label}, but has {len(lesions)} shape{'s' if lesions[1:] else ''}"
        yield Finding.of("annotated-normal", text, [image_id])
    if entry.is_normal is False and not lesions:
        text = f"the annotation of '{image_id}' holds no shape{' that is a lesion' if annotation.shapes else ''}"
        yield Finding.of("empty-annotation", text, [image_id])
    row = entry.known.row
    for label in sorted({shape.label.strip().casefold() for shape in lesions}):
        if TRUTHS.get(row.get(label, "").lower()) is False:
            text = f"'{image_id}' is annotated as {label}, which its row of the table denies"
            yield Finding.of("other-tumour", text, [image_id])
