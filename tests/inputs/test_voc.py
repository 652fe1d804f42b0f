"""Pascal VOC's files: boxes that count from 1, and what makes a file or a part of it unusable."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from btxrd_explain.core.geometry import Size
from btxrd_explain.core.masks import LesionRules, lesion_masks
from btxrd_explain.errors import AnnotationError
from btxrd_explain.inputs.voc import read_voc, read_xml
from btxrd_explain.untrusted.documents import InvalidDocumentError

if TYPE_CHECKING:
    from pathlib import Path

    from btxrd_explain.inputs.annotation import Annotation

SIZE = "<size><width>40</width><height>30</height><depth>1</depth></size>"


def _object(xmin: object, ymin: object, xmax: object, ymax: object, name: str = "tumour", more: str = "") -> str:
    corners = f"<xmin>{xmin}</xmin><ymin>{ymin}</ymin><xmax>{xmax}</xmax><ymax>{ymax}</ymax>"
    return f"<object><name>{name}</name>{more}<bndbox>{corners}</bndbox></object>"


def _read(folder: Path, *parts: str, top: str = "annotation", head: str = "") -> Annotation:
    path = folder / "a.xml"
    path.write_text(f"{head}<{top}>{''.join(parts)}</{top}>", "utf-8")
    return read_voc(path)


def test_pixels_count_from_one_and_both_ends_belong_to_the_box(tmp_path: Path) -> None:
    found = _read(tmp_path, SIZE, _object(1, 1, 40, 30), _object(3, 5, 3, 6))
    assert found.image_size == Size(30, 40)
    whole, small = lesion_masks(found.shapes, Size(30, 40))
    assert whole.all()
    rows, columns = np.nonzero(small)
    assert (set(rows.tolist()), set(columns.tolist())) == ({4, 5}, {2})


def test_labels_are_names_and_a_nameless_object_is_a_lesion(tmp_path: Path) -> None:
    found = _read(tmp_path, SIZE, _object(1, 1, 4, 4, "a &amp; b"), _object(20, 20, 24, 24, " "))
    assert [shape.label for shape in found.shapes] == ["a & b", "lesion"]
    assert len(LesionRules().lesions(found.shapes, None)) == 2


@pytest.mark.parametrize("size", ["", "<size><width>0</width><height>0</height></size>", "<size/>"])
def test_a_size_that_is_not_stated_is_unknown(tmp_path: Path, size: str) -> None:
    assert _read(tmp_path, size, _object(1, 1, 4, 4)).image_size is None


@pytest.mark.parametrize("width", ["-4", "4.5", "x", "0"])
def test_a_size_that_is_none_is_an_error(tmp_path: Path, width: str) -> None:
    with pytest.raises(AnnotationError, match=r"a\.xml'.*size\.width"):
        _read(tmp_path, f"<size><width>{width}</width><height>30</height></size>")


def test_the_name_of_the_image_is_kept(tmp_path: Path) -> None:
    assert _read(tmp_path, "<filename> IMG1.jpeg </filename>").image_path == "IMG1.jpeg"
    assert _read(tmp_path, "<filename/>").image_path is None
    assert _read(tmp_path).shapes == ()


@pytest.mark.parametrize("corner", ["", "x", "1e9", "nan", "inf"])
def test_a_corner_that_is_not_a_number_is_an_error_with_its_place(tmp_path: Path, corner: str) -> None:
    with pytest.raises(AnnotationError, match=r"object\[1\].bndbox: expected numbers as xmin, ymin, xmax, ymax"):
        _read(tmp_path, _object(1, 1, 4, 4), _object(1, corner, 4, 4))


def test_a_box_without_area_is_left_out_and_named(tmp_path: Path) -> None:
    found = _read(tmp_path, SIZE, _object(5, 5, 3, 9), _object(1, 1, 4, 4))
    assert len(found.shapes) == 1
    (finding,) = found.findings
    assert finding.code == "annotation-part"
    assert "object[0]" in finding.message


def test_outlines_that_are_not_read_are_said(tmp_path: Path) -> None:
    found = _read(tmp_path, SIZE, _object(1, 1, 4, 4, more="<polygon><x1>1</x1></polygon>"), _object(1, 1, 4, 4))
    (finding,) = found.findings
    assert finding.details == {"parts": 1}
    assert "the outlines of 1 objects are not read" in finding.message


def test_another_root_is_not_pascal_voc(tmp_path: Path) -> None:
    with pytest.raises(AnnotationError, match='expected annotation at the top, got "annotations"'):
        _read(tmp_path, top="annotations")


def test_an_encoding_that_is_not_utf8_is_said(tmp_path: Path) -> None:
    path = tmp_path / "a.xml"
    text = f'<?xml version="1.0" encoding="ISO-8859-1"?><annotation>{_object(1, 1, 4, 4, "Tümör")}</annotation>'
    path.write_bytes(text.encode("latin-1"))
    found = read_voc(path)
    assert found.shapes[0].label == "Tümör"
    assert [finding.code for finding in found.findings] == ["annotation-encoding"]


@pytest.mark.parametrize(
    "head",
    [
        '<!DOCTYPE a [<!ENTITY x "boom">]>',
        '<!DOCTYPE a SYSTEM "file:///etc/passwd">',
        "<!DOCTYPE annotation>",
    ],
)
def test_a_document_type_is_refused(tmp_path: Path, head: str) -> None:
    with pytest.raises(AnnotationError, match="expected XML without a document type"):
        _read(tmp_path, head=head)


@pytest.mark.parametrize("content", [b"", b"<annotation>", b"\xff\xfe<", b"<a>" * 100_000, b'<?xml encoding="x"?><a/>'])
def test_what_is_not_xml_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.xml").write_bytes(content)
    with pytest.raises(InvalidDocumentError, match="expected"):
        read_xml(tmp_path / "a.xml")


def test_files_with_too_many_tags_or_objects_are_refused(tmp_path: Path) -> None:
    with pytest.raises(AnnotationError, match="200,000 tags"):
        _read(tmp_path, "<a/>" * 200_001)
    with pytest.raises(AnnotationError, match="more than 1,000 objects"):
        _read(tmp_path, "<object/>" * 1_001)
