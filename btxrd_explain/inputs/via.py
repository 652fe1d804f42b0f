"""Annotations of the VGG Image Annotator, releases 1 and 2: JSON, projects, and CSV."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from btxrd_explain.core.shapes import ShapeType
from btxrd_explain.finding import listed, quoted
from btxrd_explain.inputs.annotation import UnusablePartError, box_shape, make_shape, naming
from btxrd_explain.inputs.listing import PartListing
from btxrd_explain.inputs.table_file import read_table
from btxrd_explain.untrusted.documents import InvalidDocumentError, as_number, load_document, shown

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from btxrd_explain.core.geometry import Size
    from btxrd_explain.core.shapes import Shape

_MAX_BYTES = 2**28
_MAX_VALUES = 10_000_000
_MAX_ATTRIBUTES = 100_000
"""Characters of a region in a CSV file."""
_HINT = "export it again from VIA as JSON or CSV, or correct the place"
_LABELS = ("label", "class", "class_name", "name", "type", "lesion", "tumor", "tumour", "category", "finding")
LESION = "lesion"
"""Label of what has none."""
_CORNERS = 128
"""Of the polygon that an ellipse becomes: within a tenth of a pixel of it up to a radius of 330 pixels."""


def is_via(document: object) -> bool:
    """Return whether a JSON document is meant to be VIA's: a project, or its regions by image."""
    if not isinstance(document, dict) or not document:
        return False
    if isinstance(document.get("_via_img_metadata"), dict):
        return True
    return all(isinstance(entry, dict) and "filename" in entry and "regions" in entry for entry in document.values())


VIA_COLUMNS = ("filename", "region_shape_attributes")


def read_via(path: Path) -> PartListing:
    """Read a file of the VGG Image Annotator.

    Args:
        path: A JSON file, also a whole project, or a CSV file.

    Returns:
        Its images; regions without an attribute for a label are lesions.

    Raises:
        AnnotationError: The file cannot be read, or is not VIA's.
    """
    with naming(path, hint=_HINT):
        return _read_csv(path) if path.suffix.lower() == ".csv" else _read_json(path)


def _read_json(path: Path) -> PartListing:
    document, encoding = load_document(path, max_bytes=_MAX_BYTES, max_values=_MAX_VALUES)
    if not isinstance(document, dict) or not is_via(document):
        raise InvalidDocumentError("expected images with filename and regions")
    listing = PartListing(path, _HINT, encoding)
    for key, entry in document.get("_via_img_metadata", document).items():
        if not isinstance(entry, dict) or not isinstance(entry.get("filename"), str) or not entry["filename"]:
            raise InvalidDocumentError(f"{shown(key)}.filename: expected text")
        regions = entry.get("regions") or []
        regions = list(regions.values()) if isinstance(regions, dict) else regions  # as release 1 wrote them
        if not isinstance(regions, list):
            raise InvalidDocumentError(f"{shown(key)}.regions: expected a list")
        parts = listing.parts(entry["filename"], mark=key)
        for index, region in enumerate(regions):
            where = f"regions[{index}] of {shown(entry['filename'])}"
            if not isinstance(region, dict):
                raise InvalidDocumentError(f"{where}: expected an object")
            attributes, drawn = region.get("region_attributes"), region.get("shape_attributes")
            parts.append(partial(_of_size, label=_label(attributes, listing), drawn=drawn, where=where))
    return listing


def _read_csv(path: Path) -> PartListing:
    table = read_table(path, max_bytes=_MAX_BYTES)
    if any(name not in table.columns for name in VIA_COLUMNS):
        raise InvalidDocumentError(f"expected the columns {' and '.join(VIA_COLUMNS)}")
    listing = PartListing(path, _HINT, table.encoding)
    for number, row in table.rows:
        name, where = row["filename"], f"line {number}"
        if not name:
            raise InvalidDocumentError(f"{where}: expected a filename")
        parts = listing.parts(name, mark=row.get("file_size", ""))
        drawn = _attributes(row["region_shape_attributes"], where)
        if drawn:
            label = _label(_attributes(row.get("region_attributes", ""), where), listing)
            parts.append(partial(_of_size, label=label, drawn=drawn, where=where))
    return listing


def _attributes(text: str, where: str) -> object:
    """Return the JSON object in a cell; empty where there is none."""
    if len(text) > _MAX_ATTRIBUTES:
        raise InvalidDocumentError(f"{where}: expected at most {_MAX_ATTRIBUTES:,} characters")
    try:
        return json.loads(text) if text.strip() else {}
    except (ValueError, RecursionError) as error:
        raise InvalidDocumentError(f"{where}: expected JSON, got {shown(text)}") from error


def _label(attributes: object, listing: PartListing) -> str:
    """Return the label among the attributes of a region: of a usual name, or the only one."""
    if not isinstance(attributes, dict):
        return LESION
    known = {str(key).strip().casefold(): value for key, value in attributes.items()}
    value = next((known[name] for name in _LABELS if known.get(name)), None)
    if value is None and len(known) == 1:
        (value,) = known.values()
    if isinstance(value, dict):  # check boxes
        value = ", ".join(str(name) for name, chosen in value.items() if chosen)
    if value is None and known:
        text = f"none of the attributes {listed(quoted(known))} is a label: their regions are '{LESION}'"
        listing.notes[text] = None
    return str(value).strip() or LESION if isinstance(value, str | int) else LESION


def _of_size(_size: Size, *, label: str, drawn: object, where: str) -> Shape | None:
    """Return a region as a shape; VIA counts pixels, and needs no size."""
    if not isinstance(drawn, dict):
        raise InvalidDocumentError(f"{where}.shape_attributes: expected an object, got {shown(drawn)}")
    match drawn.get("name"):
        case "rect":
            x, y, width, height = _numbers(drawn, where, "x", "y", "width", "height")
            return box_shape(label, (x, y), (width, height), where)
        case "circle":
            x, y, radius = _numbers(drawn, where, "cx", "cy", "r")
            return make_shape(label, ShapeType.CIRCLE, np.array([[x, y], [x + radius, y]]), where)
        case "ellipse":
            return make_shape(label, ShapeType.POLYGON, _ellipse(drawn, where), where)
        case "polygon":
            return make_shape(label, ShapeType.POLYGON, _points(drawn, where), where)
        case "polyline":
            return make_shape(label, ShapeType.LINESTRIP, _points(drawn, where), where)
        case "point":
            x, y = _numbers(drawn, where, "cx", "cy")
            return make_shape(label, ShapeType.POINT, np.array([[x, y]]), where)
        case name:
            raise UnusablePartError(f"{where}.shape_attributes.name: {shown(name)} is not a known shape")


def _numbers(drawn: Mapping[str, Any], where: str, *names: str) -> list[float]:
    found = [as_number(drawn.get(name)) for name in names]
    numbers = [number for number in found if number is not None and abs(number) < 1e9]
    if len(numbers) < len(names):
        raise InvalidDocumentError(f"{where}.shape_attributes: expected numbers as {', '.join(names)}")
    return [float(number) for number in numbers]


def _points(drawn: Mapping[str, Any], where: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    axes = [drawn.get("all_points_x"), drawn.get("all_points_y")]
    numbers = [[as_number(value) for value in axis] for axis in axes if isinstance(axis, list)]
    if len(numbers) != 2 or len(numbers[0]) != len(numbers[1]) or None in (*numbers[0], *numbers[1]):
        raise InvalidDocumentError(f"{where}.shape_attributes: expected all_points_x and all_points_y of one length")
    try:
        return np.array(numbers, dtype=np.float64).T.reshape(-1, 2)
    except OverflowError as error:
        raise InvalidDocumentError(f"{where}.shape_attributes: expected finite coordinates") from error


def _ellipse(drawn: Mapping[str, Any], where: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    x, y, one, other = _numbers(drawn, where, "cx", "cy", "rx", "ry")
    theta = as_number(drawn.get("theta", 0))
    if theta is None or not abs(theta) < 1e9:
        raise InvalidDocumentError(f"{where}.shape_attributes.theta: expected a number")
    turn = np.linspace(0, 2 * np.pi, _CORNERS, endpoint=False)
    along, across = one * np.cos(turn), other * np.sin(turn)
    cosine, sine = np.cos(theta), np.sin(theta)
    return np.stack([x + along * cosine - across * sine, y + along * sine + across * cosine], axis=1)
