"""COCO JSON: the annotations of many images in one file."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from pycocotools import mask as codec

from btxrd_explain.core.shapes import MAX_COORDINATE, MAX_POINTS, Shape, ShapeType
from btxrd_explain.inputs.annotation import Annotation, check_size, naming, parse_size, whole, within_memory
from btxrd_explain.untrusted.documents import InvalidDocumentError, load_json, shown

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from btxrd_explain.core.geometry import Size

MAX_BYTES = 2**28
MAX_VALUES = 10_000_000
"""A hundred thousand images, each with an outline of fifty points."""
_MAX_SHAPES = 1_000
_MAX_OUTLINE = 1_000_000
"""Pixels; pycocotools takes memory in proportion to the length of an outline."""
_HINT = "export it again as COCO, or correct the place"
_COMPRESSED = re.compile("(?:[P-o]{0,6}[0-O])+")
"""Compressed run lengths of at most 35 bits: the first letters announce another one, the last does not."""


@dataclass(frozen=True, slots=True)
class CocoImage:
    """One image of a COCO file.

    Attributes:
        where: Its place in the file, such as ``images[3]``.
        entry: What the file says about it; ``file_name`` is text.
        annotations: Its annotations, as they are in the file, by their places.
    """

    where: str
    entry: Mapping[str, Any]
    annotations: Mapping[str, Mapping[str, Any]]

    @property
    def file_name(self) -> str:
        """Name of the image, perhaps with folders."""
        name: str = self.entry["file_name"]
        return name


@dataclass(frozen=True, slots=True)
class CocoFile:
    """A COCO file.

    Attributes:
        path: The file.
        images: Its images, in its order.
        categories: Name of each category.
        stray: Number of annotations of images that the file does not list.
    """

    path: Path
    images: tuple[CocoImage, ...]
    categories: Mapping[int | str, str]
    stray: int

    def read(self, position: int, radiograph: Size) -> Annotation:
        """Return the annotation of one image; a segmentation counts before the box around it.

        Args:
            position: Position of the image in :attr:`images`.
            radiograph: Size of the radiograph, which the file may not state.

        Returns:
            A shape per annotation, labelled with its category: masks, and rectangles for boxes without segmentation.

        Raises:
            AnnotationError: An annotation is invalid, or the image has another size than the radiograph.
        """
        image = self.images[position]
        with naming(self.path, hint=_HINT):
            size = parse_size(dict(image.entry), ("height", "width"), f"{image.where}.")
            if size is not None:
                check_size(self.path, size, radiograph)
            if len(image.annotations) > _MAX_SHAPES:
                raise InvalidDocumentError(f"{image.where}: more than {_MAX_SHAPES:,} annotations")
            shapes = (self._shape(entry, where, radiograph) for where, entry in image.annotations.items())
            return Annotation(within_memory(filter(None, shapes)), size, image.file_name)

    def _shape(self, entry: Mapping[str, Any], where: str, size: Size) -> Shape | None:
        """Return one annotation as a shape; None where its mask is empty."""
        category = entry.get("category_id")
        if not isinstance(category, int | str) or category not in self.categories:
            raise InvalidDocumentError(f"{where}.category_id: {shown(category)} is the id of no category")
        label, segmentation = self.categories[category], entry.get("segmentation")
        if not segmentation:
            return _rectangle(label, entry.get("bbox"), f"{where}.bbox")
        counts = _run_lengths(segmentation, size, f"{where}.segmentation")
        mask = np.repeat(np.arange(len(counts)) % 2 == 1, counts).reshape(size.width, size.height).T
        rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
        if not rows.size:
            return None
        corners = np.array([[columns[0], rows[0]], [columns[-1], rows[-1]]], dtype=np.float64)
        window = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        return Shape(label, ShapeType.MASK, corners, window.copy())


def read_coco(path: Path) -> CocoFile:
    """Read a COCO file.

    Args:
        path: The JSON file.

    Returns:
        Its content.

    Raises:
        AnnotationError: The file cannot be read, or its lists of images, annotations and categories are invalid.
    """
    with naming(path, hint=_HINT):
        document = load_json(path, max_bytes=MAX_BYTES, max_values=MAX_VALUES)
        if not is_coco(document):
            raise InvalidDocumentError("expected an object with the lists images and annotations")
        categories = {_id(entry, where): entry.get("name") for where, entry in _objects(document, "categories")}
        images = dict(_objects(document, "images"))
        by_image: dict[object, dict[str, Mapping[str, Any]]] = defaultdict(dict)
        for where, entry in _objects(document, "annotations"):
            by_image[_id(entry, where, "image_id")][where] = entry
        found = tuple(
            CocoImage(where, _named(entry, where), by_image.pop(_id(entry, where), {}))
            for where, entry in images.items()
        )
        if len({image.entry["id"] for image in found}) < len(found):
            raise InvalidDocumentError("images: several have one id")
        return CocoFile(
            path,
            found,
            {key: whole(str(name)) for key, name in categories.items()},
            sum(map(len, by_image.values())),
        )


def is_coco(document: object) -> bool:
    """Return whether a JSON document is meant to be COCO."""
    return isinstance(document, dict) and all(isinstance(document.get(key), list) for key in ("images", "annotations"))


def _objects(document: Any, key: str) -> list[tuple[str, dict[str, Any]]]:  # noqa: ANN401 -- parsed JSON
    entries = document.get(key) or []
    if not isinstance(entries, list):
        raise InvalidDocumentError(f"{key}: expected a list")
    for index, entry in enumerate(entries):
        if not isinstance(entry, dict):
            raise InvalidDocumentError(f"{key}[{index}]: expected an object")
    return [(f"{key}[{index}]", entry) for index, entry in enumerate(entries)]


def _id(entry: Mapping[str, Any], where: str, key: str = "id") -> int | str:
    value = entry.get(key)
    if isinstance(value, str) or (type(value) is int and abs(value) < 2**64):  # of larger ones, many share a hash
        return value
    raise InvalidDocumentError(f"{where}.{key}: expected a whole number or text, got {shown(value)}")


def _named(entry: dict[str, Any], where: str) -> dict[str, Any]:
    if not isinstance(entry.get("file_name"), str) or not entry["file_name"]:
        raise InvalidDocumentError(f"{where}.file_name: expected text, got {shown(entry.get('file_name'))}")
    return entry


def _rectangle(label: str, box: object, where: str) -> Shape:
    """Return a box ``[x, y, width, height]`` as a rectangle, whose second corner is its last pixel."""
    if not isinstance(box, list) or len(box) != 4 or not _are_numbers(box) or min(box[2:]) <= 0:
        raise InvalidDocumentError(f"{where}: expected [x, y, width, height], got {shown(box)}")
    x, y, width, height = map(float, box)
    corners = np.array([[x, y], [x + max(width - 1, 0), y + max(height - 1, 0)]])
    return Shape(label, ShapeType.RECTANGLE, corners)


def _run_lengths(segmentation: object, size: Size, where: str) -> list[int]:
    """Return polygons or run lengths, compressed or not, as runs that fill the image: off, on, off, by columns."""
    if isinstance(segmentation, list):
        _check_polygons(segmentation, where)
        return _decompressed(codec.merge(codec.frPyObjects(segmentation, *size))["counts"])
    if not isinstance(segmentation, dict):
        raise InvalidDocumentError(f"{where}: expected polygons or run lengths, got {shown(segmentation)}")
    if segmentation.get("size") != list(size):
        raise InvalidDocumentError(
            f"{where}.size: expected [{size.height}, {size.width}] as the radiograph has, "
            f"got {shown(segmentation.get('size'))}"
        )
    counts = segmentation.get("counts")
    if isinstance(counts, str) and _COMPRESSED.fullmatch(counts):
        counts = _decompressed(counts.encode())
    if not isinstance(counts, list) or not all(type(count) is int and count >= 0 for count in counts):
        raise InvalidDocumentError(f"{where}.counts: expected run lengths, got {shown(segmentation.get('counts'))}")
    if sum(counts) != size.height * size.width:
        raise InvalidDocumentError(
            f"{where}.counts: expected runs of {size.height * size.width:,} pixels in all, got {sum(counts):,}"
        )
    return counts


def _decompressed(text: bytes) -> list[int]:
    """Return compressed run lengths as numbers.

    Each is a signed number in groups of five bits from the lowest, the sixth bit announcing another group; from the
    fourth on it is the difference to the run before the last.
    """
    runs: list[int] = []
    value = shift = 0
    for code in text:
        value |= (code - 48 & 31) << shift
        shift += 5
        if not code - 48 & 32:
            value -= (code - 48 & 16) << shift - 4
            runs.append(value + (runs[-2] if len(runs) > 2 else 0))
            value = shift = 0
    return runs


def _check_polygons(polygons: list[Any], where: str) -> None:
    length = 0.0
    for index, polygon in enumerate(polygons):
        if not isinstance(polygon, list) or len(polygon) % 2 or not 6 <= len(polygon) <= 2 * MAX_POINTS:
            raise InvalidDocumentError(f"{where}[{index}]: expected at least three points as [x, y, x, y, ...]")
        if not _are_numbers(polygon):
            raise InvalidDocumentError(f"{where}[{index}]: expected finite numbers within {MAX_COORDINATE:,} pixels")
        points = np.array(polygon, dtype=np.float64).reshape(-1, 2)
        length += float(np.abs(points - np.roll(points, 1, axis=0)).max(axis=1).sum())
    if length > _MAX_OUTLINE:
        raise InvalidDocumentError(f"{where}: expected outlines of at most {_MAX_OUTLINE:,} pixels in all")


def _are_numbers(values: list[Any]) -> bool:
    return all(type(value) in (int, float) and abs(value) <= MAX_COORDINATE for value in values)  # False for NaN
