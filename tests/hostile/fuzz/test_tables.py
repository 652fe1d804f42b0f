from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from btxrd_explain.errors import InputError
from btxrd_explain.inputs.btxrd import read_btxrd_table
from btxrd_explain.inputs.dataset import Collection, collect
from btxrd_explain.inputs.split_csv import SplitTable, read_split_csv
from tests.hostile.fuzz.harness import examples, outcome
from tests.hostile.fuzz.mutations import mutated

if TYPE_CHECKING:
    from pathlib import Path

SPLITS = (
    b"image_id,split,label\nIMG000046.jpeg,test,Malignant\nIMG002225.jpeg,train,Normal\n",
    b'\xef\xbb\xbf"image_id";"split";"label"\r\n"IMG000046.jpeg";"test";"giant ""cell"""\r\n',
    "image_id\tlabel\tsplit\nIMG000046.jpeg\tMalignant\ttest\n".encode("utf-16"),
    b"sep=;\r\nFilename;Subset;Normal;Benign\r\n46;test;1;0\r\n000046;test;0;1.0\r\n",
    b"Image ID|tumor|benign|malignant\nIMG000046|1|0|Yes\n",
    "Study;of 2024\n\nimage_id;split;label\nIMG000046;\u6d4b\u8bd5;\u826f\u6027\nIMG002225;;\n".encode("gbk"),
)
TABLES = (b"image_id,center,tumor,benign,malignant\nIMG000046.jpeg,1,1,0,1\nIMG002225.jpeg,2,0,0,0\n",)
TOKENS = (
    b",",
    b";",
    b"\t",
    b'"',
    b"\n",
    b"\r",
    b"\x00",
    b"=cmd|' /C calc'!A1",
    b"@SUM(1+1)",
    b"../../etc/passwd",
    b"../secret.png",
    b"/etc/passwd",
    b"..\\secret.png",
    b"\xff\xfe",
    b"\x1b[31m",
    b"\xe2\x80\xae",
    b"\xc2\x85",
    b"image_id",
    b"label",
    b"sep=",
    b"|",
    b"\x00\x00",
    b"\xfe\xff",
    b"PK\x03\x04",
    b"," * 1100,
    b"a" * 140_000,
)


@given(data=mutated(SPLITS, TOKENS))
@examples(quick=50, long=20_000)
def test_a_mutated_split_csv_is_read_or_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "split.csv"
    path.write_bytes(data)
    assert isinstance(outcome(lambda: read_split_csv(path), folder=tmp_path), SplitTable | InputError)


words = st.text(st.sampled_from("aZ09 _-.,;\t|'\"\u00e4\u6f22="), min_size=1, max_size=9).filter(
    lambda word: word == word.strip() and not word.isdecimal() and not word.startswith('"')
)


@given(
    rows=st.dictionaries(words, st.tuples(words, words), min_size=1, max_size=4),
    order=st.permutations(range(3)),
    names=st.sampled_from(["image_id split label", "IMAGE-ID SPLIT LABEL", "Image.Id Split. _Label"]),
    separator=st.sampled_from(",;\t|"),
    end=st.sampled_from(["\n", "\r\n", "\r", " \n\n"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"]),
    stated=st.booleans(),
)
@examples(quick=50, long=20_000)
def test_a_table_says_the_same_in_every_dialect(  # noqa: PLR0913 -- what dialects differ in
    tmp_path: Path,
    rows: dict[str, tuple[str, str]],
    order: list[int],
    names: str,
    separator: str,
    end: str,
    encoding: str,
    *,
    stated: bool,
) -> None:
    lines = [names.split(), *([name, *values] for name, values in rows.items())]
    quoted = (['"' + line[place].replace('"', '""') + '"' for place in order] for line in lines)
    text = f"sep={separator}\r\n" * stated + end.join(separator.join(cells) for cells in quoted)
    path = tmp_path / "split.csv"
    path.write_bytes(text.encode(encoding))
    table = outcome(lambda: read_split_csv(path), folder=tmp_path)
    assert isinstance(table, SplitTable), table
    assert {row.image_id: (row.split, row.label) for row in table.rows} == rows


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of images next to others that no table may reach."""
    folder = tmp_path_factory.mktemp("images")
    for name in ("secret.png", "set/images/IMG000046.jpeg", "set/images/.deep/IMG002225.jpeg"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder / "set"


@given(data=mutated(SPLITS, TOKENS))
@examples(quick=40, long=20_000)
def test_a_mutated_split_csv_names_no_file_outside(images: Path, data: bytes) -> None:
    path = images / "split.csv"
    path.write_bytes(data)
    result = outcome(lambda: collect([str(path)]), folder=images)
    assert isinstance(result, Collection | InputError)
    if isinstance(result, Collection):
        assert {record.path.name for record in result.records} <= {"IMG000046.jpeg", "IMG002225.jpeg"}


@given(data=mutated((*TABLES, *SPLITS), TOKENS))
@examples(quick=40, long=4_000)
def test_a_mutated_table_is_read_or_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "dataset.csv"
    path.write_bytes(data)
    assert isinstance(outcome(lambda: read_btxrd_table(path), folder=tmp_path), dict | InputError)


def _workbook() -> dict[str, bytes]:
    """Return the parts of a workbook whose texts are shared, as Excel itself writes them."""
    book, file = openpyxl.Workbook(), io.BytesIO()
    for line in (["image_id", "center", "tumor"], ["IMG000046.jpeg", 1, 1.5], ["=1+1", None, True]):
        book.active.append(line)
    book.save(file)
    with zipfile.ZipFile(file) as whole:
        parts = {name: whole.read(name) for name in whole.namelist()}
    texts = (b"image_id", b"center", b"tumor", b"IMG000046.jpeg")
    for number, text in enumerate(texts):
        shared = b't="s"><v>%d</v>' % number
        parts[SHEET] = parts[SHEET].replace(b't="inlineStr"><is><t>%s</t></is>' % text, shared)
    items = b"".join(b"<si><t>%s</t></si>" % text for text in texts)
    parts[TEXTS] = b'<sst xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">%s</sst>' % items
    kind = b"application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"
    entry = b'<Override PartName="/%s" ContentType="%s" /></Types>' % (TEXTS.encode(), kind)
    parts[TYPES] = parts[TYPES].replace(b"</Types>", entry)
    return parts


SHEET, TEXTS, TYPES = "xl/worksheets/sheet1.xml", "xl/sharedStrings.xml", "[Content_Types].xml"
PARTS = _workbook()
XML_TOKENS = (
    b"<row>",
    b'<row r="1048577">',
    b'<c r="XFD1"><v>1</v></c>',
    b'<c r="A0"/>',
    b't="s"',
    b't="d"',
    b't="e"',
    b"<f>1+1</f>",
    b"&amp;",
    b"&#0;",
    b'<!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/passwd">]>',
    b"&e;",
    b"<![CDATA[",
)


def _zipped(parts: dict[str, bytes]) -> bytes:
    with zipfile.ZipFile(whole := io.BytesIO(), "w") as file:
        for name, data in parts.items():
            file.writestr(name, data)
    return whole.getvalue()


@pytest.mark.parametrize("part", [SHEET, TEXTS, "xl/workbook.xml"])
@given(data=st.data())
@examples(quick=10, long=1_500)
def test_a_workbook_of_which_a_part_is_mutated_is_read_or_refused(
    tmp_path: Path, part: str, data: st.DataObject
) -> None:
    path = tmp_path / "dataset.xlsx"
    path.write_bytes(_zipped(PARTS | {part: data.draw(mutated((PARTS[part],), XML_TOKENS))}))
    assert isinstance(outcome(lambda: read_btxrd_table(path), folder=tmp_path), dict | InputError)


def test_the_workbook_that_is_mutated_is_valid(tmp_path: Path) -> None:
    path = tmp_path / "dataset.xlsx"
    path.write_bytes(_zipped(PARTS))
    assert list(read_btxrd_table(path)) == ["IMG000046.jpeg"]


@given(data=mutated((_zipped(PARTS),), (b"PK\x01\x02", b"PK\x03\x04", b"PK\x05\x06")))
@examples(quick=20, long=1_500)
def test_a_mutated_workbook_is_read_or_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "dataset.xlsx"
    path.write_bytes(data)
    assert isinstance(outcome(lambda: read_btxrd_table(path), folder=tmp_path), dict | InputError)
