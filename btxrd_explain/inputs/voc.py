"""Pascal VOC's XML files, a file per image, read without entities and document types."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET
from xml.parsers import expat

from btxrd_explain.finding import Finding
from btxrd_explain.inputs.annotation import Annotation, box_shape, encoding_findings, naming, parse_size, usable_parts
from btxrd_explain.system.files import read_whole
from btxrd_explain.untrusted.documents import InvalidDocumentError, as_number, shown

if TYPE_CHECKING:
    from pathlib import Path

    from btxrd_explain.core.shapes import Shape

_MAX_BYTES = 16 * 2**20
_MAX_TAGS = 200_000
_MAX_SHAPES = 1_000
_HINT = "export it again as Pascal VOC, or correct the place"
_CORNERS = ("xmin", "ymin", "xmax", "ymax")


def read_xml(path: Path) -> tuple[ET.Element, list[str]]:
    """Read an XML file of bounded size that declares no document type, and so no entities.

    Returns:
        Its root, and its encoding where that is not UTF-8.

    Raises:
        InvalidDocumentError: It is none.
        OSError: It cannot be read.
    """
    data = read_whole(path, _MAX_BYTES)
    if data is None or max(data.count(b"<"), data.count(b"<\0")) > _MAX_TAGS:
        raise InvalidDocumentError(f"expected at most {_MAX_BYTES // 2**20} MiB and {_MAX_TAGS:,} tags")
    encodings: list[str] = []
    checker = expat.ParserCreate()
    checker.StartDoctypeDeclHandler = _refuse
    checker.EntityDeclHandler = _refuse
    checker.XmlDeclHandler = lambda _version, encoding, _standalone: encodings.append(encoding or "utf-8")
    try:
        checker.Parse(data, True)
        root = ET.fromstring(data)  # noqa: S314 -- checked above
    except (expat.ExpatError, ET.ParseError, LookupError, ValueError) as error:
        raise InvalidDocumentError(f"expected XML ({error})") from error
    return root, encodings


def _refuse(*_: object) -> None:
    raise InvalidDocumentError("expected XML without a document type")


def read_voc(path: Path) -> Annotation:
    """Read a Pascal VOC file.

    Pixels count from 1 there, and a box holds both of its ends.

    Args:
        path: The XML file.

    Returns:
        The annotation, a rectangle for each object; those that are not boxes are left out, and its findings name them.

    Raises:
        AnnotationError: The file cannot be read, or is not Pascal VOC's.
    """
    with naming(path, hint=_HINT):
        root, encodings = read_xml(path)
        if root.tag != "annotation":
            raise InvalidDocumentError(f"expected annotation at the top, got {shown(root.tag)}")
        stated = {name: _text(root, f"size/{name}") or None for name in ("height", "width")}
        size = None if set(stated.values()) <= {None, "0"} else parse_size(stated, ("height", "width"), "size.")
        objects = root.findall("object")
        if len(objects) > _MAX_SHAPES:
            raise InvalidDocumentError(f"more than {_MAX_SHAPES:,} objects")
        makers = (partial(_box, each, f"object[{index}]") for index, each in enumerate(objects))
        shapes, findings = usable_parts(path, makers)
        outlined = sum(each.find("polygon") is not None or each.find("mask") is not None for each in objects)
        text = f"'{path}': the outlines of {outlined} objects are not read, and their boxes count"
        findings += [Finding.of("annotation-part", text, details={"parts": outlined})] if outlined else []
        named = _text(root, "filename") or None
        findings = [*(found for name in encodings for found in encoding_findings(path, name.lower())), *findings]
        return Annotation(shapes, size, named, findings=tuple(findings))


def _box(element: ET.Element, where: str) -> Shape:
    texts = [_text(element, f"bndbox/{name}") for name in _CORNERS]
    numbers = [number for number in map(as_number, texts) if number is not None and abs(number) < 1e9]
    if len(numbers) < len(_CORNERS):
        raise InvalidDocumentError(f"{where}.bndbox: expected numbers as {', '.join(_CORNERS)}")
    left, top, right, bottom = numbers
    label = _text(element, "name") or "lesion"
    return box_shape(label, (left - 1, top - 1), (right - left + 1, bottom - top + 1), where)


def _text(element: ET.Element, place: str) -> str:
    return (element.findtext(place) or "").strip()
