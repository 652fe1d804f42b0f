"""What any source says about one radiograph, where it is, and what is wrong with it."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import numpy as np

from btxrd_explain.core.geometry import Size
from btxrd_explain.core.shapes import Shape, ShapeType
from btxrd_explain.errors import AnnotationError, AnnotationSizeError
from btxrd_explain.finding import Finding, listed
from btxrd_explain.untrusted.documents import InvalidDocumentError, as_number, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from btxrd_explain.core.choices import Consensus


class SourceKind(StrEnum):
    """What annotates a radiograph."""

    LABELME = "LabelMe"
    VOC = "Pascal VOC"
    YOLO = "YOLO"
    MASK = "mask"
    COCO = "COCO"
    VIA = "VGG VIA"
    CHEXLOCALIZE = "CheXlocalize"
    BOXES = "CSV of boxes"


@dataclass(frozen=True, slots=True)
class AnnotationPlace:
    """Where the annotation of one radiograph is.

    Attributes:
        path: The file.
        kind: What it is.
        entry: Of a COCO file, the position of the image in it.
        told: Whether a finding tells of the problem already.
        problem: Why it cannot be told which annotation is the radiograph's; None where it can.
        similar: The name by which it was found, where that is not the radiograph's by letter; None where it is.
        parts: The annotations of several readers that this one is made of; none where it is a single one.
        consensus: What of the parts counts as lesion; None where it is a single one.
    """

    path: Path
    kind: SourceKind = SourceKind.LABELME
    entry: int = 0
    told: bool = False
    problem: str | None = None
    similar: str | None = None
    parts: tuple[AnnotationPlace, ...] = ()
    consensus: Consensus | None = None


MAX_MASK_PIXELS = 2**28
"""Of all masks of one image, a byte each."""


@dataclass(frozen=True, slots=True)
class Annotation:
    """What a source says about one radiograph.

    Attributes:
        shapes: The shapes in the order of the file; none in a file that only holds flags.
        image_size: Size of the annotated image (after EXIF rotation); None where the file does not say.
        image_path: The image's name as the file gives it, only ever shown or compared; None where it does not say.
        image_data: The image itself in base64, as LabelMe may embed it; None where it does not.
        findings: What was left out, or taken otherwise than it is written; they name no radiograph.
    """

    shapes: tuple[Shape, ...]
    image_size: Size | None
    image_path: str | None = None
    image_data: str | None = None
    findings: tuple[Finding, ...] = ()


class UnusablePartError(InvalidDocumentError):
    """A part of an annotation has no area; it is left out, and the other parts count."""


def make_shape(
    label: str, shape_type: ShapeType, points: NDArray[np.float64], where: str, *, group: int | None = None
) -> Shape:
    """Return a shape that has an area.

    Raises:
        UnusablePartError: It has too few points, no area, or lies beyond what can be drawn.
    """
    try:
        shape = Shape(whole(label), shape_type, points, None, group)
    except ValueError as error:
        raise UnusablePartError(f"{where}: {error}") from error
    if _is_flat(shape):
        raise UnusablePartError(f"{where}: the {shape_type} has no area")
    return shape


def _is_flat(shape: Shape) -> bool:
    """Return whether a shape that should have an area has none: its corners are on one line, or are one point."""
    sides = np.ptp(shape.points, axis=0)
    match shape.shape_type:
        case ShapeType.POLYGON | ShapeType.ORIENTED_RECTANGLE:
            return bool(np.linalg.matrix_rank(shape.points - shape.points[0]) < 2)
        case ShapeType.RECTANGLE:
            return bool((sides == 0).any())
        case ShapeType.CIRCLE:
            return not sides.any()
        case _:
            return False


def box_shape(label: str, corner: tuple[float, float], sides: tuple[float, float], where: str) -> Shape:
    """Return a box as a rectangle, whose second corner is its last pixel.

    Args:
        label: The lesion's label.
        corner: Left and top edge in pixels.
        sides: Width and height in pixels, both more than 0.
        where: Its place in the file.

    Raises:
        UnusablePartError: It has no area, or lies beyond what can be drawn.
    """
    if not min(sides) > 0:
        raise UnusablePartError(f"{where}: the box has no area")
    low = np.array(corner, dtype=np.float64)
    corners = np.stack([low, low + np.maximum(np.array(sides) - 1, 0)])
    try:
        return Shape(whole(label), ShapeType.RECTANGLE, corners)
    except ValueError as error:
        raise UnusablePartError(f"{where}: {error}") from error


def usable_parts(path: Path, makers: Iterable[Callable[[], Shape | None]]) -> tuple[tuple[Shape, ...], list[Finding]]:
    """Make the shapes of an annotation; parts that are none are left out, and named.

    Args:
        path: The file.
        makers: Each makes a shape, None where there is nothing, or raises :class:`UnusablePartError`.

    Raises:
        InvalidDocumentError: The file is invalid, or its masks have more pixels than it may ask for.
    """
    left_out: list[str] = []

    def made() -> Iterator[Shape]:
        for make in makers:
            try:
                shape = make()
            except UnusablePartError as error:
                left_out.append(str(error))
            else:
                if shape is not None:
                    yield shape

    return within_memory(made()), unusable_parts(path, left_out)


def unusable_parts(path: Path, left_out: Sequence[str]) -> list[Finding]:
    """Return what is found where parts of an annotation are left out; nothing where none is."""
    text = f"'{path}': {listed(left_out, most=3)}"
    return [Finding.of("annotation-part", text, details={"parts": len(left_out)})] if left_out else []


def encoding_findings(path: Path, encoding: str) -> list[Finding]:
    """Return what is found where a file is not in UTF-8."""
    text = f"'{path}' is not in UTF-8, and is read as {encoding.upper()}"
    advice = f"check its labels, and convert it, such as with iconv -f {encoding} -t utf-8"
    return [] if encoding.startswith("utf-8") else [Finding.of("annotation-encoding", text, advice=advice)]


def within_memory(shapes: Iterable[Shape]) -> tuple[Shape, ...]:
    """Collect shapes, as long as their masks stay within what a file may ask for.

    Raises:
        InvalidDocumentError: They have more pixels than that.
    """
    collected, pixels = [], 0
    for shape in shapes:
        pixels += 0 if shape.mask is None else shape.mask.size
        if pixels > MAX_MASK_PIXELS:
            raise InvalidDocumentError(f"expected masks of at most {MAX_MASK_PIXELS:,} pixels in all")
        collected.append(shape)
    return tuple(collected)


@contextmanager
def naming(path: Path, *, hint: str) -> Iterator[None]:
    """Name the file in what goes wrong while it is read.

    Args:
        path: The file.
        hint: What to do about a file that does not hold what it should.

    Raises:
        AnnotationError: The file cannot be read, or is invalid.
    """
    try:
        yield
    except InvalidDocumentError as error:
        raise AnnotationError(f"'{path}': {error}", hint=hint) from error
    except RecursionError as error:  # a value nested as deeply as can just be read is too deep to be shown
        raise AnnotationError(f"'{path}': nested too deeply", hint=hint) from error
    except OSError as error:
        reason = error.strerror or str(error)
        raise AnnotationError(f"cannot read the annotation '{path}' ({reason})", hint="check the file") from error


def check_size(path: Path, annotated: Size, radiograph: Size) -> None:
    """Make sure that an annotation is one of an image of the radiograph's size.

    Args:
        path: The annotation file.
        annotated: Size of the image that it annotates.
        radiograph: Size of the radiograph, after EXIF rotation.

    Raises:
        AnnotationSizeError: The sizes differ.
    """
    if annotated != radiograph:
        swapped = "; the sides are swapped" if annotated == (radiograph.width, radiograph.height) else ""
        raise AnnotationSizeError(
            f"'{path}' annotates an image of {annotated.width} x {annotated.height} pixels, but the radiograph has "
            f"{radiograph.width} x {radiograph.height}{swapped}",
            hint="check that they belong together and that neither was resized or rotated since",
            image=radiograph,
            annotation=annotated,
        )


MAX_SIDE = 20_000
"""Pixels."""


def check_sides(sides: tuple[int, ...]) -> None:
    """Refuse an image, or an array, with a side that is longer than any radiograph's.

    Raises:
        InvalidDocumentError: It has one.
    """
    if max(sides) > MAX_SIDE:
        raise InvalidDocumentError(f"expected sides of at most {MAX_SIDE:,} pixels, got {max(sides):,}")


def parse_size(document: dict[str, Any], names: tuple[str, str], where: str = "") -> Size | None:
    """Return the size that an object states under the names of height and width; None where it states none."""
    if all(document.get(name) is None for name in names):
        return None
    return Size(*(_parse_side(document.get(name), where + name) for name in names))


def whole(text: str) -> str:
    """Replace half characters, which JSON can spell and nothing can write."""
    return text.encode(errors="replace").decode()


def _parse_side(side: object, where: str) -> int:
    number = as_number(side)
    if number is None or not 1 <= number <= MAX_SIDE or number != int(number):
        raise InvalidDocumentError(f"{where}: expected a whole number from 1 to {MAX_SIDE:,}, got {shown(side)}")
    return int(number)
