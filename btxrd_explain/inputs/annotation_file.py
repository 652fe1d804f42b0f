"""One annotation file that a caller names, with the lesions that it draws."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from btxrd_explain.core.arrays import checked_choice, checked_count, checked_mapping, checked_path, shown
from btxrd_explain.core.choices import MaskPolicy, ResizeMode
from btxrd_explain.core.geometry import Frame, Size
from btxrd_explain.core.masks import LesionRules, annotation_mask, lesion_masks
from btxrd_explain.errors import AnnotationError
from btxrd_explain.inputs import annotation_formats
from btxrd_explain.inputs.annotation import AnnotationPlace, SourceKind
from btxrd_explain.inputs.annotation_formats import LISTED, SUFFIXES, recognise
from btxrd_explain.plain import short_repr

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from btxrd_explain.core.shapes import Shape


@dataclass(frozen=True, slots=True, eq=False)
class AnnotatedLesions:
    """The lesions of one radiograph.

    Attributes:
        shapes: The shapes whose labels count, as the file draws them.
        size: Height and width of the radiograph, after EXIF rotation.
        policy: Which kinds of shapes are lesions.
    """

    shapes: tuple[Shape, ...]
    size: Size
    policy: MaskPolicy = MaskPolicy.POLYGONS_THEN_RECTANGLES

    __repr__ = short_repr

    @property
    def mask(self) -> NDArray[np.bool_]:
        """All lesions: boolean, of shape ``size``; all False without one."""
        return annotation_mask(self.shapes, self.size, self.policy)

    @property
    def lesions(self) -> Iterator[NDArray[np.bool_]]:
        """The lesions one by one: boolean arrays of shape ``size``, none of them empty, one at a time in memory."""
        return lesion_masks(self.shapes, self.size, self.policy)


def read_annotation(
    path: str | os.PathLike[str],
    size: tuple[int, int] | None = None,
    *,
    mask_policy: MaskPolicy | str = MaskPolicy.POLYGONS_THEN_RECTANGLES,
    label_map: Mapping[str, str] | None = None,
    accept_unsized: bool = True,
    mask_inverted: bool = False,
) -> AnnotatedLesions:
    """Read the annotation file of one radiograph: LabelMe's, Pascal VOC's, YOLO's, or a mask.

    Args:
        path: A ``.json`` file of LabelMe, an ``.xml`` file of Pascal VOC, a ``.txt`` file of YOLO, or a mask as PNG,
            TIFF, BMP, JPEG, NumPy or NIfTI file, which is 0 outside of lesions.
        size: Height and width of the radiograph after EXIF rotation, which must be those of the file; None takes the
            file's word for it.
        mask_policy: Which kinds of shapes are lesions, see :class:`~btxrd_explain.core.masks.MaskPolicy`.
        label_map: What labels mean: ``lesion``, ``ignore``, or a class; labels that it does not name are lesions.
        accept_unsized: True accepts a LabelMe file without ``imageHeight`` and ``imageWidth``, which cannot be checked
            against ``size``.
        mask_inverted: True says that a mask is 0 where the lesions are, and only there.

    Returns:
        The annotation: its mask, its lesions one by one, and its shapes.

    Raises:
        TypeError: An argument is of another kind.
        ValueError: The policy has an unknown name.
        AnnotationError: The file cannot be read, or it annotates an image of another size.

    >>> import json, tempfile
    >>> triangle = {"label": "cyst", "shape_type": "polygon", "points": [[0, 0], [2, 0], [0, 2]]}
    >>> with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
    ...     json.dump({"shapes": [triangle], "imageHeight": 3, "imageWidth": 4}, file)
    ...     file.flush()
    ...     read_annotation(file.name).mask.astype(int)
    array([[1, 1, 1, 0],
           [1, 1, 0, 0],
           [1, 0, 0, 0]])
    """
    file, policy = checked_path(path, "path"), checked_choice(mask_policy, MaskPolicy, "mask_policy")
    rules = LesionRules(policy, checked_mapping(label_map, "label_map"), inverted=mask_inverted)
    place = AnnotationPlace(file, _kind(file))
    wanted = None if size is None else _checked_size(size)
    annotation = annotation_formats.read_annotation(place, wanted, inverted=mask_inverted)
    known = wanted if annotation.image_size is None else annotation.image_size
    if known is None or (annotation.image_size is None and not accept_unsized):
        stated = "imageHeight and imageWidth" if place.kind is SourceKind.LABELME else "image size"
        raise AnnotationError(f"'{file}' has no {stated}", hint="save it again with the program that made it")
    return AnnotatedLesions(tuple(rules.relevant(annotation.shapes, None)), known, policy)


def load_annotation_mask(
    ann_path: str | os.PathLike[str],
    target_size: int | None = 224,
    *,
    mask_policy: MaskPolicy | str = MaskPolicy.POLYGONS_THEN_RECTANGLES,
    label_map: Mapping[str, str] | None = None,
) -> NDArray[np.uint8]:
    """Read the annotation file of one radiograph as one mask of all lesions; see :func:`read_annotation`.

    Args:
        ann_path: A ``.json`` file of LabelMe, or a ``.png`` mask.
        target_size: Side of the mask in pixels; both sides are resized to it, and each pixel is that of the file's
            mask at its centre (nearest). None keeps the size of the radiograph.
        mask_policy: Which kinds of shapes are lesions.
        label_map: What labels mean.

    Returns:
        Uint8 array of 0 and 1, shape ``(target_size, target_size)`` or that of the radiograph; all 0 without a lesion.

    Raises:
        TypeError: An argument is of another kind.
        ValueError: The size is less than 1, or the policy has an unknown name.
        AnnotationError: The file cannot be read, or does not say how large its image is.

    >>> import tempfile
    >>> from PIL import Image
    >>> with tempfile.NamedTemporaryFile(suffix=".png") as file:
    ...     Image.fromarray(np.array([[0, 255], [0, 0]], np.uint8)).save(file.name)
    ...     load_annotation_mask(file.name, target_size=4).tolist()
    [[0, 0, 1, 1], [0, 0, 1, 1], [0, 0, 0, 0], [0, 0, 0, 0]]
    """
    side = None if target_size is None else checked_count(target_size, 1, "target_size")
    mask = read_annotation(checked_path(ann_path, "ann_path"), mask_policy=mask_policy, label_map=label_map).mask
    if side is not None:
        mask = Frame.fit(Size(*mask.shape), Size(side, side), ResizeMode.SQUASH).mask_to_input(mask)
    return mask.astype(np.uint8)


def _kind(path: Any) -> SourceKind:  # noqa: ANN401 -- a path
    """Return what a file is by its content, where that does not tell by its suffix."""
    found = recognise(path).kind
    if found in LISTED:
        raise AnnotationError(
            f"'{path}' is a {found} file of many images", hint="give it to a command as --annotations"
        )
    kind = found or next((kind for kind, suffixes in SUFFIXES.items() if path.name.lower().endswith(suffixes)), None)
    if kind is None:
        known = ", ".join(suffix for suffixes in SUFFIXES.values() for suffix in suffixes)
        raise AnnotationError(f"'{path}' has no suffix of an annotation", hint=f"known are {known}")
    return kind


def _checked_size(size: Any) -> Size:  # noqa: ANN401 -- what is not a pair is refused
    if not isinstance(size, tuple | list) or len(size) != 2:
        raise TypeError(f"size: expected (height, width), got {shown(size)}")
    return Size(*(checked_count(side, 1, "size") for side in size))
