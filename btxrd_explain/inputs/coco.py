"""COCO JSON: the annotations of many images in one file."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from btxrd_explain.core.shapes import MAX_COORDINATE, MAX_POINTS, Shape, ShapeType, shape_of_mask
from btxrd_explain.errors import AnnotationError
from btxrd_explain.inputs.annotation import (
    Annotation,
    box_shape,
    check_size,
    encoding_findings,
    make_shape,
    naming,
    parse_size,
    usable_parts,
    whole,
)
from btxrd_explain.untrusted.documents import InvalidDocumentError, as_number, load_document, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from btxrd_explain.core.geometry import Size

MAX_BYTES = 2**28
MAX_VALUES = 10_000_000
"""A hundred thousand images, each with an outline of fifty points."""
_MAX_SHAPES = 1_000
_MAX_IMAGE_POINTS = 50_000
"""Of all polygons of an image."""
_HINT = "export it again as COCO, or correct the place"
_WHOLE = re.compile(r"0|[1-9]\d{0,17}", re.ASCII)
"""Ids that are numbers where other programs write them so."""
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
        encoding: How its text is encoded.
    """

    path: Path
    images: tuple[CocoImage, ...]
    categories: Mapping[int | str, str]
    stray: int
    encoding: str = "utf-8"

    @property
    def names(self) -> list[str]:
        """Names of the images, perhaps with folders."""
        return [image.file_name for image in self.images]

    @property
    def note(self) -> str:
        """What of the file serves no image; empty where all does."""
        return f"{self.stray} annotations of images that it does not list" if self.stray else ""

    def read(self, position: int, radiograph: Size) -> Annotation:
        """Return the annotation of one image; a segmentation counts before the box around it.

        Args:
            position: Position of the image in :attr:`images`.
            radiograph: Size of the radiograph, which the file may not state.

        Returns:
            A mask or polygon per annotation, labelled with its category; polygons of one group where it has several,
            and a rectangle for a box without segmentation.

        Raises:
            AnnotationError: An annotation is invalid, or the image has another size than the radiograph.
        """
        image = self.images[position]
        with naming(self.path, hint=_HINT):
            size = parse_size(dict(image.entry), ("height", "width"), f"{image.where}.")
            if size is not None:
                check_size(self.path, size, radiograph)
            if sum(map(_points, image.annotations.values())) > _MAX_IMAGE_POINTS:
                raise InvalidDocumentError(f"{image.where}: more than {_MAX_IMAGE_POINTS:,} points in all polygons")
            numbered = enumerate(image.annotations.items())
            makers = [
                partial(_scored, make, _score(entry))
                for number, (where, entry) in numbered
                for make in self._makers(entry, where, radiograph, number)
            ]
            if len(makers) > _MAX_SHAPES:
                raise InvalidDocumentError(f"{image.where}: more than {_MAX_SHAPES:,} annotations and polygons")
            shapes, findings = usable_parts(self.path, makers)
            findings = [*encoding_findings(self.path, self.encoding), *findings]
            return Annotation(shapes, size, image.file_name, findings=tuple(findings))

    def _makers(
        self, entry: Mapping[str, Any], where: str, size: Size, number: int
    ) -> Iterator[Callable[[], Shape | None]]:
        """Yield what makes the shapes of one annotation; several polygons get its number as their group."""
        said = entry.get("category_id")
        category = _id(entry, where, "category_id") if isinstance(said, str | int) else None
        if category is None or category not in self.categories:
            raise InvalidDocumentError(f"{where}.category_id: {shown(said)} is the id of no category")
        label, segmentation = self.categories[category], entry.get("segmentation")
        where += ".segmentation" if segmentation else ".bbox"
        if not segmentation:
            yield partial(_rectangle, label, entry.get("bbox"), where, entry.get("attributes"))
        elif isinstance(segmentation, list):
            group = number if len(segmentation) > 1 else None
            for index, polygon in enumerate(segmentation):
                yield partial(_polygon, label, polygon, f"{where}[{index}]", group)
        else:
            yield lambda: shape_of_mask(label, drawn(segmentation, size, where))


def _scored(make: Callable[[], Shape | None], score: float) -> Shape | None:
    shape = make()
    return None if shape is None else replace(shape, score=score)


def _score(entry: Mapping[str, Any]) -> float:
    """Return how sure a detector is of what it found; 1 for what people drew, NaN for what is not such a number."""
    score = as_number(entry.get("score", 1.0))
    return float(score) if score is not None and 0 <= score <= 1 else float("nan")


def read_results(path: Path, images: CocoFile | None) -> CocoFile:
    """Read what a detector found: COCO's list of results, each with ``image_id``, ``category_id`` and ``score``.

    Args:
        path: The JSON file.
        images: The COCO file whose images and categories the numbers of the list mean; None takes each ``image_id`` as
            the name of an image, and each ``category_id`` as a label.

    Returns:
        The same as a COCO file, in which every image of ``images`` is listed, whether anything was found or not.

    Raises:
        AnnotationError: The file cannot be read, or it speaks of images that nobody knows.
    """
    with naming(path, hint=_HINT):
        entries, encoding = load_document(path, max_bytes=MAX_BYTES, max_values=MAX_VALUES)
        known = {} if images is None else {_id(image.entry, image.where): image for image in images.images}
        by_name: dict[int | str, int | str] = {image.file_name: key for key, image in known.items()}
        found: dict[int | str, dict[str, Mapping[str, Any]]] = defaultdict(dict)
        for where, entry in _objects({"results": entries}, "results"):
            key, said = _id(entry, where, "image_id"), entry["image_id"]  # digits in quotes may be a name
            found[key if key in known else by_name.get(said, said)][where.removeprefix("results")] = entry
        strangers = [key for key in found if key not in known]
        if any(not isinstance(key, str) for key in strangers):
            number = next(key for key in strangers if not isinstance(key, str))
            raise InvalidDocumentError(
                f"image_id {number} is the number of no known image; give the COCO file that lists them as "
                "--annotations, or the names of the images as image_id"
            )
        named = [replace(image, annotations=found.get(key, {})) for key, image in known.items()]
        named += [CocoImage("image_id", {"id": key, "file_name": key}, found[key]) for key in strangers]
        labels = {_id(entry, where, "category_id") for of in found.values() for where, entry in of.items()}
        categories = {key: str(key) for key in labels} | ({} if images is None else dict(images.categories))
        return CocoFile(path, tuple(named), categories, 0, encoding)


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
        document, encoding = load_document(path, max_bytes=MAX_BYTES, max_values=MAX_VALUES)
        if not is_coco(document):
            raise InvalidDocumentError("expected an object with the lists images and annotations")
        if is_of_heat_maps(document):
            raise AnnotationError(
                f"'{path}' has regions of heat maps, which btxrd-explain exported",
                hint="name the expert's annotations, as in annotations.json of the same export",
            )
        categories = {_id(entry, where): entry.get("name") for where, entry in _objects(document, "categories")}
        images = dict(_objects(document, "images"))
        by_image: dict[object, dict[str, Mapping[str, Any]]] = defaultdict(dict)
        for where, entry in _objects(document, "annotations"):
            by_image[_id(entry, where, "image_id")][where] = entry
        found = tuple(
            CocoImage(where, _named(entry, where), by_image.pop(_id(entry, where), {}))
            for where, entry in images.items()
        )
        if len({_id(image.entry, image.where) for image in found}) < len(found):
            raise InvalidDocumentError("images: several have one id")
        return CocoFile(
            path,
            found,
            {key: whole(str(name)) for key, name in categories.items()},
            sum(map(len, by_image.values())),
            encoding,
        )


def is_results(path: Path) -> bool:
    """Return whether a JSON file is a list of results; one that cannot be read is not."""
    try:
        document, _ = load_document(path, max_bytes=MAX_BYTES, max_values=MAX_VALUES)
    except (InvalidDocumentError, OSError, RecursionError):
        return False
    return isinstance(document, list)


def is_coco(document: object) -> bool:
    """Return whether a JSON document is meant to be COCO."""
    return isinstance(document, dict) and all(isinstance(document.get(key), list) for key in ("images", "annotations"))


def is_of_heat_maps(document: Any) -> bool:  # noqa: ANN401 -- parsed JSON
    """Return whether a COCO document holds the regions that btxrd-explain exports, and says how they were made."""
    info = document.get("info")
    made = info.get("provenance") if isinstance(info, dict) else None
    return isinstance(made, dict) and "checkpoint_sha256" in made


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
    if isinstance(value, str) and _WHOLE.fullmatch(value):
        return int(value)
    if isinstance(value, str) or (type(value) is int and abs(value) < 2**64):  # of larger ones, many share a hash
        return value
    raise InvalidDocumentError(f"{where}.{key}: expected a whole number or text, got {shown(value)}")


def _named(entry: dict[str, Any], where: str) -> dict[str, Any]:
    if not isinstance(entry.get("file_name"), str) or not entry["file_name"]:
        raise InvalidDocumentError(f"{where}.file_name: expected text, got {shown(entry.get('file_name'))}")
    return entry


def _rectangle(label: str, box: object, where: str, attributes: object) -> Shape:
    """Return a box ``[x, y, width, height]`` as a rectangle, turned by the attribute ``rotation`` that CVAT writes.

    Rotation is in degrees, clockwise, around the centre of the box.
    """
    numbers = [as_number(value) for value in box] if isinstance(box, list) else []
    if len(numbers) != 4 or not _are_numbers(numbers):
        raise InvalidDocumentError(f"{where}: expected [x, y, width, height], got {shown(box)}")
    x, y, width, height = (float(number or 0) for number in numbers)
    shape = box_shape(label, (x, y), (width, height), where)
    rotation = as_number(attributes.get("rotation")) if isinstance(attributes, dict) else None
    if rotation is None or not -1e6 < rotation < 1e6 or rotation % 360 == 0:
        return shape
    (left, top), (right, lower) = shape.points
    corners = np.array([[left, top], [right, top], [right, lower], [left, lower]])
    angle, centre = np.deg2rad(rotation % 360), shape.points.mean(axis=0)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    turned = ((corners - centre) @ turn + centre).round(6)  # a right angle keeps whole pixels
    return make_shape(label, ShapeType.ORIENTED_RECTANGLE, turned, where)


def _points(entry: Mapping[str, Any]) -> int:
    """Return the number of points of an annotation's polygons."""
    polygons = entry.get("segmentation")
    return sum(len(each) // 2 for each in polygons if isinstance(each, list)) if isinstance(polygons, list) else 0


def _polygon(label: str, polygon: object, where: str, group: int | None) -> Shape:
    """Return a polygon ``[x, y, x, y, ...]``."""
    if not isinstance(polygon, list) or len(polygon) % 2 or len(polygon) > 2 * MAX_POINTS:
        raise InvalidDocumentError(f"{where}: expected at least three points as [x, y, x, y, ...]")
    numbers = [as_number(value) for value in polygon]
    if not _are_numbers(numbers):
        raise InvalidDocumentError(f"{where}: expected finite numbers within {MAX_COORDINATE:,} pixels")
    return make_shape(label, ShapeType.POLYGON, np.array(numbers, np.float64).reshape(-1, 2), where, group=group)


def drawn(segmentation: object, size: Size, where: str) -> NDArray[np.bool_]:
    """Draw run lengths, compressed or not, into a boolean mask of shape ``size``.

    Args:
        segmentation: What the file holds.
        size: Size of the radiograph.
        where: Its place in the file.

    Raises:
        InvalidDocumentError: It is something else, or of an image of another size.
    """
    counts = _run_lengths(segmentation, size, where)
    return np.repeat(np.arange(len(counts)) % 2 == 1, counts).reshape(size.width, size.height).T


def _run_lengths(segmentation: object, size: Size, where: str) -> list[int]:
    """Return run lengths, compressed or not, as runs that fill the image: off, on, off, by columns."""
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


def _are_numbers(values: list[Any]) -> bool:
    return all(type(value) in (int, float) and abs(value) <= MAX_COORDINATE for value in values)  # False for NaN
