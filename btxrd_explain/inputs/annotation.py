"""What any source says about one radiograph, and what is wrong with it."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from btxrd_explain.errors import AnnotationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from btxrd_explain.core.geometry import Size
    from btxrd_explain.core.shapes import Shape


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


class InvalidAnnotationError(Exception):
    """What is wrong with a file, and where in it; becomes an AnnotationError that names the file."""


def within_memory(shapes: Iterable[Shape]) -> tuple[Shape, ...]:
    """Collect shapes, as long as their masks stay within what a file may ask for.

    Raises:
        InvalidAnnotationError: They have more pixels than that.
    """
    collected, pixels = [], 0
    for shape in shapes:
        pixels += 0 if shape.mask is None else shape.mask.size
        if pixels > MAX_MASK_PIXELS:
            raise InvalidAnnotationError(f"expected masks of at most {MAX_MASK_PIXELS:,} pixels in all")
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
    except InvalidAnnotationError as error:
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
        AnnotationError: The sizes differ.
    """
    if annotated != radiograph:
        raise AnnotationError(
            f"'{path}' annotates an image of {annotated.width} x {annotated.height} pixels, but the radiograph has "
            f"{radiograph.width} x {radiograph.height}",
            hint="check that they belong together and that neither was resized or rotated since",
        )
