from __future__ import annotations

import io
import os
import sys
from typing import TYPE_CHECKING

import pytest

from btxrd_explain.errors import InputError
from btxrd_explain.inputs.gathering import NameIndex, UnresolvedNameError
from btxrd_explain.inputs.image_files import is_image, list_images, read_paths, subfolder, why_no_file

if TYPE_CHECKING:
    from pathlib import Path


def touch(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def listed(folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in list_images(folder).files]


def test_images_of_all_suffixes_in_any_case_are_listed_in_order(tmp_path: Path) -> None:
    touch(tmp_path, "c.png", "B.JPEG", "a.jpg", "d.Bmp", "e.tif", "f.TIFF", "g.webp", "h.gif", "readme.txt", "png")
    assert listed(tmp_path) == ["B.JPEG", "a.jpg", "c.png", "d.Bmp", "e.tif", "f.TIFF", "g.webp", "h.gif"]


def test_an_accent_of_its_own_is_that_of_the_letter_where_no_file_has_it(tmp_path: Path) -> None:
    one, two = "Gro\u0308\u00dfe.png", "Gr\u00f6\u00dfe.png"
    index = NameIndex([tmp_path / two], tmp_path)
    assert index.resolve(one) == tmp_path / two
    assert index.taken == {one: two}
    both = NameIndex([tmp_path / one, tmp_path / two], tmp_path)
    assert [both.resolve(name) for name in (one, two)] == [tmp_path / one, tmp_path / two]
    assert not both.taken


def test_subfolders_are_searched_after_their_folder(tmp_path: Path) -> None:
    touch(tmp_path, "z.png", "b/2.png", "b/1.png", "a/deep/3.png", "folder.png/4.png")
    assert listed(tmp_path) == ["z.png", "a/deep/3.png", "b/1.png", "b/2.png", "folder.png/4.png"]


def test_an_empty_folder_that_is_called_like_an_image_is_not_passed_over_in_silence(tmp_path: Path) -> None:
    (tmp_path / "empty.jpg").mkdir()
    (tmp_path / "empty").mkdir()
    assert listed(tmp_path) == ["empty.jpg"]


def test_hidden_and_lock_files_are_passed_over(tmp_path: Path) -> None:
    touch(tmp_path, "._a.jpeg", ".cache/b.png", "~$c.png", "d.png", "__MACOSX/._d.png")
    assert listed(tmp_path) == ["d.png"]


def test_results_among_radiographs_are_passed_over_with_a_note(tmp_path: Path) -> None:
    figures = ["gallery_Benign.png", "a/overlays/1.png.png", "a/tiff/1.png.tif", "masks/attention/1.png"]
    touch(tmp_path, *figures, "1.png", "gallery_2.png", "a/predictions.parquet", "a/2.png", "a/masks/3.png")
    (tmp_path / "gallery.json").write_text('{\n  "n": 1,\n  "sha256": {\n    "gallery_Benign.png": "00"\n  }\n}')
    assert listed(tmp_path) == ["1.png", "gallery_2.png", "a/2.png", "a/masks/3.png"]
    assert list_images(tmp_path).notes == (
        f"passed over 4 results of btxrd-explain, such as '{tmp_path / 'a' / 'overlays'}'",
    )


def test_what_is_named_like_results_counts_where_no_table_is_and_no_report(tmp_path: Path) -> None:
    names = ["gallery_Benign.png", "fiftyone/1.png", "masks/1.png", "overlays/1.png", "tiff/1.png.tif"]
    touch(tmp_path, *names)
    (tmp_path / "gallery.json").write_text('{"sha256": {damaged}}')
    assert listed(tmp_path) == names


def test_a_copy_of_a_folder_in_itself_is_passed_over_with_a_note(tmp_path: Path) -> None:
    touch(tmp_path, "images/a.png", "images/Images/a.png")
    listing = list_images(tmp_path)
    assert listed(tmp_path) == ["images/a.png"]
    assert listing.notes == (f"passed over '{tmp_path / 'images' / 'Images'}', a copy of the folder in itself",)


def test_a_folder_unpacked_into_one_of_its_name_is_no_copy(tmp_path: Path) -> None:
    touch(tmp_path, "BTXRD/BTXRD/a.png")
    assert listed(tmp_path) == ["BTXRD/BTXRD/a.png"]


@pytest.mark.skipif(sys.platform == "win32", reason="links need privileges on Windows")
def test_links_are_followed_but_not_in_circles(tmp_path: Path) -> None:
    touch(tmp_path, "real/a.png")
    (tmp_path / "real" / "loop").symlink_to(tmp_path)
    (tmp_path / "real" / "link.png").symlink_to(tmp_path / "real" / "a.png")
    (tmp_path / "real" / "broken.png").symlink_to(tmp_path / "none.png")
    (tmp_path / "real" / "self.png").symlink_to("self.png")
    assert listed(tmp_path) == ["real/a.png", "real/broken.png", "real/link.png", "real/self.png"]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="no folder is closed to root")
def test_folders_that_are_closed_do_not_stop_the_others(tmp_path: Path) -> None:
    touch(tmp_path, "closed/a.png", "open/b.png")
    (tmp_path / "closed").chmod(0)
    try:
        assert listed(tmp_path) == ["closed", "open/b.png"]
    finally:
        (tmp_path / "closed").chmod(0o700)


def test_folders_that_cannot_be_listed_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot list the folder"):
        list_images(tmp_path / "none")


DICOM = b"\0" * 128 + b"DICM"


def test_dicom_files_are_listed_by_suffix_and_without_one_by_content(tmp_path: Path) -> None:
    touch(tmp_path, "a.dcm", "b.DICOM", "IM000002", "notes", ".hidden", "sub/x")
    names = (
        "IM000001",
        "1.2.840.113619",
        "DICOMDIR",
        "dicomdir",
        ".IM000003",
        "~$IM000004",
        "report.txt",
        "sub/IM000005",
    )
    for name in names:
        (tmp_path / name).write_bytes(DICOM)
    assert listed(tmp_path) == ["1.2.840.113619", "IM000001", "a.dcm", "b.DICOM", "sub/IM000005"]


REPORT = DICOM + b"\2\0\2\0UI\x1e\x001.2.840.10008.5.1.4.1.1.88.11\0"
STATE = b"\x08\0\x16\0\x1c\0\0\x001.2.840.10008.5.1.4.1.1.11.1"


def test_what_holds_no_radiograph_is_counted_by_kind(tmp_path: Path) -> None:
    touch(tmp_path, "scans.zip", "masks.nii.gz", "b.nii.gz", "labels.json", "README", "thesis.pdf", "maps.npz")
    (tmp_path / "Makefile").write_text("all:\n\tm\u00e4ke\n", encoding="utf-8")
    for name, data in {"sr.dcm": REPORT, "1.2.3": REPORT, "ps": STATE, "x.raw": bytes(9)}.items():
        (tmp_path / name).write_bytes(data)
    what = "; save as PNG or DICOM what is a radiograph"
    assert list_images(tmp_path).files == ()
    assert [note.replace(f"{tmp_path}/", "") for note in list_images(tmp_path).notes] == [
        "passed over 1 file (DICOM file without a picture (a presentation state)), such as 'ps'",
        "passed over 2 files (DICOM file without a picture (a structured report)), such as '1.2.3'",
        f"passed over 1 file (archive), such as 'scans.zip'{what}",
        f"passed over 1 file (document), such as 'thesis.pdf'{what}",
        "passed over 1 file (empty file), such as 'README'; copy or download again what is a radiograph",
        f"passed over 1 file (file of arrays), such as 'maps.npz'{what}",
        f"passed over 1 file (file of no known kind), such as 'x.raw'{what}",
        f"passed over 2 files (volume), such as 'b.nii.gz'{what}",
    ]


def test_the_content_decides_where_the_suffix_says_nothing(tmp_path: Path) -> None:
    heads = {
        "jpeg": b"\xff\xd8\xff\xe0",
        "x.png_original": b"\x89PNG\r\n\x1a\n",
        "tiff.001": b"II*\0",
        "bare.ima": b"\x08\0\5\0CS\x0a\0ISO_IR 100",
        "1.2.840.1": b"\2\0\0\0UL\4\0",
        "codestream": b"\xff\x4f\xff\x51",
        "pgm": b"P5\n1 1\n",
        "heic": b"\0\0\0\x18ftypheic",
    }
    for name, head in heads.items():
        (tmp_path / name).write_bytes(head)
    assert listed(tmp_path) == sorted(heads)
    assert list_images(tmp_path).notes == ()


def test_files_that_are_called_like_images_are_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    suffixes = (".jfif", ".JPE", ".mpo", ".pgm", ".ppm", ".jp2", ".avif", ".heic", ".jpeg", ".png", ".tif", ".webp")
    touch(tmp_path, *(f"{number}{suffix}" for number in range(20) for suffix in suffixes), "a.json", "b.csv")
    opened: list[Path] = []
    monkeypatch.setattr(type(tmp_path), "open", lambda self, *_: opened.append(self))
    assert len(list_images(tmp_path).files) == 20 * len(suffixes)
    assert opened == []


@pytest.mark.skipif(sys.platform == "win32", reason="there are no named pipes on Windows")
def test_pipes_without_a_suffix_are_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "IM000001")
    assert listed(tmp_path) == []
    assert not is_image(tmp_path / "IM000001")


def test_dicom_files_without_a_suffix_may_be_named(tmp_path: Path) -> None:
    (tmp_path / "IM000001").write_bytes(DICOM)
    touch(tmp_path, "IM000002")
    paths, notes = read_paths(io.BytesIO(f"{tmp_path}/IM000001\0{tmp_path}/IM000002\0{tmp_path}\0".encode()))
    assert paths == [tmp_path / "IM000001"]
    assert notes == ("passed over 2 of 3 paths that are not named like images",)
    index = NameIndex([], tmp_path)
    assert index.resolve("IM000001") == tmp_path / "IM000001"
    with pytest.raises(UnresolvedNameError):
        index.resolve("IM000003")


def test_split_csvs_may_name_dicom_files_with_or_without_suffix(tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("IM000001", "IM000002.dcm", "1.2.840.113.dcm")]
    index = NameIndex(files, tmp_path)
    assert [index.resolve(name) for name in ("IM000001", "IM000002", "1.2.840.113")] == files
    assert index.resolve("x/1.2.840.113.dcm") == files[2]


def test_names_that_are_those_of_no_file_are_taken_where_one_file_is_left(tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("000046.png", "IMG7.JPEG", "a/x.png", "a/X.PNG", "05.png", "005.png")]
    index = NameIndex(files, tmp_path)
    assert [index.resolve(name) for name in ("46", "46.0", "46.png", "img7", "a/x.png")] == [
        *[files[0]] * 3,
        *files[1:3],
    ]
    assert index.taken == {"46": "000046.png", "46.0": "000046.png", "46.png": "000046.png", "img7": "IMG7.JPEG"}
    assert list(index.notes(tmp_path / "s.csv")) == [
        f"'{tmp_path}/s.csv' names '46', which is taken for '000046.png', the first of 4 such names"
    ]
    for name in ("5", "x.Png", "img7.png", "46.5"):
        with pytest.raises(UnresolvedNameError):
            index.resolve(name)


def test_of_files_of_one_name_the_last_folders_decide(tmp_path: Path) -> None:
    files = [tmp_path / "train" / "1.png", tmp_path / "test" / "1.png"]
    index = NameIndex(files, tmp_path)
    assert index.resolve("/home/somebody/data/test/1.png") == files[1]
    for name in ("1.png", "/home/somebody/1.png"):
        with pytest.raises(UnresolvedNameError, match="several files match"):
            index.resolve(name)


def test_a_file_that_is_there_is_never_said_to_be_missing(tmp_path: Path) -> None:
    touch(tmp_path, "notes.txt", "x.heic", "report")
    index = NameIndex(list_images(tmp_path).files, tmp_path)
    assert [index.resolve(name).name for name in ("notes.txt", "x.heic", "report")] == ["notes.txt", "x.heic", "report"]


def test_subfolders_are_found_in_any_case(tmp_path: Path) -> None:
    touch(tmp_path, "ANNOTATIONS/a.json", "images")
    assert subfolder(tmp_path, "annotations") == tmp_path / "ANNOTATIONS"
    assert subfolder(tmp_path, "images") is None


@pytest.mark.parametrize(
    "data",
    [
        b"a b.png\n\xc3\xa4/c.JPG\n",
        b"a b.png\r\n\r\n\xc3\xa4/c.JPG",
        b"a b.png\0\xc3\xa4/c.JPG\0",
        b"\xef\xbb\xbfa b.png\n\xc3\xa4/c.JPG",
    ],
)
def test_paths_are_separated_by_newline_or_nul(data: bytes) -> None:
    paths, notes = read_paths(io.BytesIO(data))
    assert [path.as_posix() for path in paths] == ["a b.png", "ä/c.JPG"]
    assert notes == ()


def test_nul_separated_names_may_hold_newlines() -> None:
    paths, _ = read_paths(io.BytesIO(b"a\nb.png\0c.png"))
    assert [path.name for path in paths] == ["a\nb.png", "c.png"]


def test_what_else_find_names_is_passed_over_with_a_note() -> None:
    paths, notes = read_paths(io.BytesIO(b"scans\nscans/a.png\nscans/a.json\n"))
    assert [path.name for path in paths] == ["a.png"]
    assert notes == ("passed over 2 of 3 paths that are not named like images",)


def test_the_reason_why_there_is_nothing_at_a_path(tmp_path: Path) -> None:
    touch(tmp_path, "a.png")
    assert why_no_file(tmp_path / "a.png") is None
    assert why_no_file(tmp_path / "b.png") == "no such file or directory"
    assert why_no_file(tmp_path) is None
    assert why_no_file(tmp_path / ("x" * 5000)) == "file name too long"
    assert why_no_file(tmp_path / "a\0b") == "embedded null byte"


@pytest.fixture
def index(tmp_path: Path) -> NameIndex:
    touch(tmp_path, "a.jpeg", "b.png", "b.jpg", "train/c.png", "test/c.png", "d.v2.png")
    return NameIndex(list_images(tmp_path).files, tmp_path)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.jpeg", "a.jpeg"),
        ("a", "a.jpeg"),
        ("b.jpg", "b.jpg"),
        ("images/a.jpeg", "a.jpeg"),
        ("images\\a.jpeg", "a.jpeg"),
        ("test/c.png", "test/c.png"),
        ("train\\c.png", "train/c.png"),
        ("train/c", "train/c.png"),
        ("d.v2", "d.v2.png"),
    ],
)
def test_names_are_resolved(tmp_path: Path, index: NameIndex, name: str, expected: str) -> None:
    assert index.resolve(name) == tmp_path / expected


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("c.png", "several files match: '.*test/c.png', '.*train/c.png'"),
        ("b", "several files match"),
        ("a.png", "no such file in '.*', but there is 'a.jpeg'"),
        ("none.png", "no such file in '[^']*'$"),
        ("none", "no such file in '[^']*'$"),
        ("", "no such file in"),
    ],
)
def test_names_of_no_or_several_files_are_not(index: NameIndex, name: str, message: str) -> None:
    with pytest.raises(UnresolvedNameError, match=message):
        index.resolve(name)


def test_names_never_lead_out_of_the_folder(tmp_path: Path) -> None:
    touch(tmp_path, "other/e.png", "images/sub/f.png")
    index = NameIndex([], tmp_path / "images")
    assert index.resolve("sub/f.png") == tmp_path / "images" / "sub" / "f.png"
    for name in ("../other/e.png", "sub/../../other/e.png", str(tmp_path / "other" / "e.png")):
        with pytest.raises(UnresolvedNameError, match="what lies outside of it is never read"):
            index.resolve(name)
