"""Annotations that do not fit the radiograph that they lie beside: unusable ones, and those of another image."""

from __future__ import annotations

import base64
import binascii
import hashlib
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import numpy as np

from btxrd_explain.core.choices import MaskPolicy
from btxrd_explain.core.duplicates import find_near_duplicates, picture_of
from btxrd_explain.core.masks import labels_differ, looks_wrong
from btxrd_explain.core.shapes import ShapeType
from btxrd_explain.errors import AnnotationSizeError, RadiographError
from btxrd_explain.finding import Finding
from btxrd_explain.inputs.decode import UndecodableError
from btxrd_explain.inputs.radiograph import decode_radiograph

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from btxrd_explain.core.geometry import Size
    from btxrd_explain.core.masks import LesionRules
    from btxrd_explain.core.shapes import Shape
    from btxrd_explain.errors import AnnotationError
    from btxrd_explain.inputs.annotation import Annotation, AnnotationPlace
    from btxrd_explain.inputs.radiograph import Radiograph


def unusable(image_id: str, error: AnnotationError) -> Finding:
    """Return what is found where the annotation of an image cannot be used.

    Args:
        image_id: The image.
        error: Why: it cannot be read, or is of an image of another size.
    """
    if isinstance(error, AnnotationSizeError):
        details = {"image": [*reversed(error.image)], "annotation": [*reversed(error.annotation)]}  # width, height
        return Finding.of("annotation-size", error.message, [image_id], details=details)
    return Finding.of("unreadable-annotation", error.message, [image_id])


def oddities(
    place: AnnotationPlace, annotation: Annotation, mask: NDArray[np.bool_], rules: LesionRules, class_name: str | None
) -> Iterator[Finding]:
    """Yield what makes lesions look as if they were not meant so; the findings name no radiograph.

    Args:
        place: Where the annotation is.
        annotation: Its content.
        mask: Its lesions, boolean, of the radiograph's size.
        rules: Which shapes are lesions.
        class_name: The class whose lesions they are; None stands for all.
    """
    match looks_wrong(mask):
        case "inverted":
            yield Finding.of("mask-inverted", f"the lesions of '{place.path}' are all but a part of the radiograph")
        case "whole":
            labels = sorted({shape.label for shape in annotation.shapes})
            advice = f"if the label {labels[0]} is the background, give --label-map {labels[0]}=ignore"
            text = f"the lesions of '{place.path}' cover the whole radiograph"
            yield Finding.of("mask-whole", text, advice=advice if len(labels) > 1 else None)
        case _:
            pass
    if rules.policy is not MaskPolicy.POLYGONS_THEN_RECTANGLES:
        return
    for rectangle, outline in labels_differ(rules.relevant(annotation.shapes, class_name))[:1]:
        text = f"'{place.path}' has a rectangle '{rectangle}' around an outline '{outline}'"
        yield Finding.of("label-differs", text)


BEYOND = 1.0
"""Pixels that a point may lie outside of the image: programs differ in where they count from."""


def outside(place: AnnotationPlace, annotation: Annotation, size: Size) -> Iterator[Finding]:
    """Yield that shapes reach out of the radiograph; where the annotation states its size, only those wholly outside.

    Args:
        place: Where the annotation is.
        annotation: Its content.
        size: Height and width of the radiograph.
    """
    corner = np.array([size.width, size.height])
    stated = annotation.image_size is not None
    bounds = (shape.bounds for shape in annotation.shapes if not stated or _is_beside(shape, corner))
    beyond = max((float(np.concatenate([-low, high - corner]).max()) for low, high in bounds), default=0)
    if beyond > BEYOND:
        text = f"a shape of '{place.path}' reaches {beyond:.0f} pixels out of the radiograph"
        advice = "check that it was drawn on an image of this size; what is outside is cut off"
        yield Finding.of("points-outside", text, advice=advice, details={"pixels": beyond})


def _is_beside(shape: Shape, corner: NDArray[np.int_]) -> bool:
    """Return whether nothing of a shape is on an image; of a circle its centre counts."""
    low, high = shape.bounds if shape.shape_type is not ShapeType.CIRCLE else shape.points[[0, 0]]
    return bool((high < 0).any() or (low > corner).any())


def of_another_image(
    image_id: str, path: str, annotation: Annotation, sha256: str | None, read: Callable[[], Radiograph]
) -> Iterator[Finding]:
    """Yield what makes an annotation look as if it were another image's; nothing where nothing does.

    An embedded image is the better witness: where it is the radiograph, the name that the annotation gives does not
    matter.

    Args:
        image_id: The radiograph that the annotation lies beside.
        path: Its file, of which the stem is compared; suffix, folders and case do not matter.
        annotation: The annotation.
        sha256: Hash of the file; None where it is not known.
        read: Reads the radiograph, only where its hash does not tell; raises RadiographError where it cannot be read.
    """
    same = None if annotation.image_data is None else _is_radiograph(annotation.image_data, sha256, read)
    named = (annotation.image_path or "").replace("\\", "/").rpartition("/")[2]
    if same is False:
        yield Finding.of(
            "annotation-of-another-image", f"the annotation of '{image_id}' embeds another image", [image_id]
        )
    elif same is None and named and _stem(named) != _stem(path):
        yield Finding.of("annotation-of-another-name", f"the annotation of '{image_id}' names '{named}'", [image_id])


def _stem(path: str) -> str:
    return PurePosixPath(path.replace("\\", "/")).stem.casefold()


def _is_radiograph(image_data: str, sha256: str | None, read: Callable[[], Radiograph]) -> bool | None:
    """Return whether an embedded image is the radiograph: the same file, or its picture saved again; None: unknown."""
    try:
        content = base64.b64decode(image_data)
        if hashlib.sha256(content).hexdigest() == sha256:
            return True
        embedded, radiograph = decode_radiograph(content), read().pixels
    except (binascii.Error, ValueError, UndecodableError, RadiographError):
        return None
    if embedded.shape[:2] != radiograph.shape[:2]:
        return False
    one, other = picture_of(embedded), picture_of(radiograph)
    alike = find_near_duplicates(np.stack([one, other]))
    return bool(np.array_equal(one, other)) or any(pair.turn == "as it is" and not pair.inverted for pair in alike)
