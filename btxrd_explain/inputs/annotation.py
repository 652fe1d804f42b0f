"""What any source says about one radiograph, where it is, and what is wrong with it."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from btxrd_explain.core.geometry import Size
from btxrd_explain.errors import AnnotationError, AnnotationSizeError
from btxrd_explain.untrusted.documents import InvalidDocumentError, shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from btxrd_explain.core.shapes import Shape


class SourceKind(StrEnum):
    """What annotates a radiograph."""

    LABELME = "LabelMe"
    MASK = "PNG mask"
    COCO = "COCO"

    @property
    def suffix(self) -> str:
        """Suffix of the file."""
        return ".png" if self is SourceKind.MASK else ".json"


@dataclass(frozen=True, slots=True)
class AnnotationPlace:
    """Where the annotation of one radiograph is.

    Attributes:
        path: The file.
        kind: What it is.
        entry: Of a COCO file, the position of the image in it.
        problem: Why it cannot be told which annotation is the radiograph's; None where it can.
    """

    path: Path
    kind: SourceKind = SourceKind.LABELME
    entry: int = 0
    problem: str | None = None


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
    """

    shapes: tuple[Shape, ...]
    image_size: Size | None
    image_path: str | None = None
    image_data: str | None = None


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


_MAX_SIDE = 20_000


def parse_size(document: dict[str, Any], names: tuple[str, str], where: str = "") -> Size | None:
    """Return the size that an object states under the names of height and width; None where it states none."""
    if all(document.get(name) is None for name in names):
        return None
    return Size(*(_parse_side(document.get(name), where + name) for name in names))


def whole(text: str) -> str:
    """Replace half characters, which JSON can spell and nothing can write."""
    return text.encode(errors="replace").decode()


def _parse_side(side: object, where: str) -> int:
    if not isinstance(side, int) or isinstance(side, bool) or not 1 <= side <= _MAX_SIDE:
        raise InvalidDocumentError(f"{where}: expected a whole number from 1 to {_MAX_SIDE:,}, got {shown(side)}")
    return side
