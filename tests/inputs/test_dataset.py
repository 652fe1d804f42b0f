from __future__ import annotations

import io
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from btxrd_explain.errors import ExitCode, InputError
from btxrd_explain.inputs.annotation import AnnotationPlace
from btxrd_explain.inputs.annotation_source import open_source
from btxrd_explain.inputs.dataset import Collection, collect
from btxrd_explain.inputs.split_csv import Vocabulary

if TYPE_CHECKING:
    from pathlib import Path

CLASSES = ("Normal", "Benign", "Malignant")


def touch(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def write(path: Path, *lines: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def facts(collection: Collection) -> dict[str, tuple[str | None, str | None, str | None]]:
    """Label, split and name of the annotation, by image_id."""
    return {
        record.image_id: (record.label, record.split, record.annotation.path.name if record.annotation else None)
        for record in collection.records
    }


@pytest.fixture
def btxrd(tmp_path: Path) -> Path:
    """A data set laid out like the public download, junk included."""
    root = tmp_path / "BTXRD"
    touch(root, *(f"images/{name}" for name in ("IMG000001.jpeg", "IMG000002.jpg", "IMG001868.jpeg", "IMG009999.jpeg")))
    touch(root, "Annotations/IMG000001.json", "Annotations/IMG000002.json", "Annotations/Annotations/IMG000001.json")
    touch(root, "~$dataset(total).xlsx", "images/._IMG000001.jpeg")
    write(
        root / "dataset.csv",
        "image_id,center,tumor,benign,malignant",
        "IMG000001.jpeg,1,1,0,1",
        "IMG000002.jpeg,1,1,1,0",  # the table's suffix is not the file's
        "IMG001868.jpeg,2,0,0,0",
    )
    return root


ALL = {
    "IMG000001.jpeg": ("Malignant", None, "IMG000001.json"),
    "IMG000002.jpg": ("Benign", None, "IMG000002.json"),
    "IMG001868.jpeg": ("Normal", None, None),
    "IMG009999.jpeg": (None, None, None),
}


def test_a_btxrd_root_brings_labels_and_annotations(btxrd: Path) -> None:
    by_input, by_root = collect([str(btxrd)]), collect([], root=btxrd, class_names=CLASSES)
    assert facts(by_input) == facts(by_root) == ALL
    assert [record.path for record in by_input.records] == sorted((btxrd / "images").glob("I*"))
    assert by_input.records[0].annotation == AnnotationPlace(btxrd / "Annotations" / "IMG000001.json")
    assert not by_input.named
    assert by_input.missing == ()
    assert by_input.notes == (f"passed over '{btxrd / 'Annotations' / 'Annotations'}', a copy of the folder in itself",)


def test_names_in_a_btxrd_root_count_in_any_case(btxrd: Path) -> None:
    (btxrd / "images").rename(btxrd / "Images")
    (btxrd / "Annotations").rename(btxrd / "aNNOTATIONS")
    (btxrd / "dataset.csv").rename(btxrd / "DataSet.csv")
    assert facts(collect([str(btxrd)])) == ALL


def test_a_folder_with_images_alone_is_no_btxrd_root(tmp_path: Path) -> None:
    touch(tmp_path, "images/1.png", "more/2.png")
    assert list(facts(collect([str(tmp_path)]))) == ["1.png", "2.png"]


def test_files_without_a_common_folder_are_told_apart_by_whole_paths(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def other_drive(_: object) -> str:
        raise ValueError("Paths don't have the same drive")

    touch(tmp_path, "c/1.png", "d/1.png")
    monkeypatch.setattr(os.path, "commonpath", other_drive)
    assert list(facts(collect([str(tmp_path)]))) == [(tmp_path / drive / "1.png").as_posix() for drive in "cd"]


def test_folders_of_images_in_a_btxrd_root_find_their_annotations(btxrd: Path) -> None:
    touch(btxrd, "images/centre2/IMG000003.png")
    touch(btxrd, "Annotations/IMG000003.json")
    assert facts(collect([str(btxrd)]))["IMG000003.png"] == (None, None, "IMG000003.json")


def test_a_folder_has_no_labels_but_finds_annotations_beside_it(btxrd: Path) -> None:
    found = facts(collect([str(btxrd / "images")]))
    assert found == {name: (None, None, annotation) for name, (_, _, annotation) in ALL.items()}
    assert facts(collect([], images=btxrd / "images")) == found


def test_a_root_serves_images_named_otherwise(btxrd: Path, tmp_path: Path) -> None:
    touch(tmp_path, "elsewhere/IMG000001.jpeg")
    collection = collect([str(tmp_path / "elsewhere" / "IMG000001.jpeg")], root=btxrd)
    assert facts(collection) == {"IMG000001.jpeg": ALL["IMG000001.jpeg"]}
    assert collection.named


def test_images_named_one_by_one(btxrd: Path) -> None:
    first, second = (str(btxrd / "images" / name) for name in ("IMG000002.jpg", "IMG000001.jpeg"))
    collection = collect([first, second, first, os.path.relpath(first)])
    assert list(facts(collection)) == ["IMG000001.jpeg", "IMG000002.jpg"]
    assert collection.named
    assert not collect([first, str(btxrd / "images")]).named
    assert not collect(["-"], stdin=io.BytesIO(first.encode())).named


def test_a_split_csv_selects_labels_and_orders(btxrd: Path) -> None:
    split_csv = write(
        btxrd / "split.csv",
        "image_id,split,label",
        "IMG001868.jpeg,test,Normal",
        "IMG000001,train,malignant",
        "IMG000077.jpeg,test,Benign",
        "IMG000002.jpeg,test,Benign",
    )
    collection = collect([str(split_csv)], class_names=CLASSES)
    assert facts(collection) == {
        "IMG000001.jpeg": ("Malignant", "train", "IMG000001.json"),
        "IMG001868.jpeg": ("Normal", "test", None),
    }
    images = btxrd / "images"
    assert collection.missing == (
        ("IMG000077.jpeg", f"no such file in '{images}'"),
        ("IMG000002.jpeg", f"no such file in '{images}', but there is 'IMG000002.jpg'"),
    )
    assert not collection.named
    assert facts(collect([], split_csv=split_csv)) == facts(collect([str(split_csv)], class_names=None)) | {
        "IMG000001.jpeg": ("malignant", "train", "IMG000001.json")
    }


def test_the_images_of_a_split_csv_are_where_they_are_said_to_be(tmp_path: Path) -> None:
    split_csv = write(tmp_path / "lists" / "split.csv", "image_id,split,label", "a.png,test,Normal")
    touch(tmp_path, "root/images/a.png", "root/Annotations/a.json", "given/a.png", "lists/a.png")
    at = [
        collect([str(split_csv)], images=tmp_path / "given", root=tmp_path / "root"),
        collect([], split_csv=split_csv, root=tmp_path / "root"),
        collect([], split_csv=split_csv),
    ]
    touch(tmp_path, "lists/IMAGES/a.png")
    at.append(collect([], split_csv=split_csv))
    places = [collection.records[0].path.relative_to(tmp_path).as_posix() for collection in at]
    assert places == ["given/a.png", "root/images/a.png", "lists/a.png", "lists/IMAGES/a.png"]


def test_no_name_in_a_split_csv_leads_out_of_the_folder(tmp_path: Path) -> None:
    touch(tmp_path, "secret.png", "set/images/a.png", "set/images/.hidden/b.png")
    outside = (
        "../secret.png",
        "..\\secret.png",
        "x/../../secret.png",
        str(tmp_path / "secret.png"),
        "../../etc/passwd",
    )
    lines = ("image_id,split,label", "a.png,test,Normal", ".hidden/b.png,test,Normal")
    table = write(tmp_path / "set" / "split.csv", *lines, *(f"{name},test,Normal" for name in outside))
    collection = collect([str(table)])
    assert [record.path.name for record in collection.records] == ["a.png", "b.png"]
    reasons = dict(collection.missing).values()
    assert len(reasons) == len(outside)
    assert all("no such file in" in reason and "outside of it is never read" in reason for reason in reasons)


def test_the_split_csv_comes_before_the_table(btxrd: Path) -> None:
    split_csv = write(
        btxrd / "split.csv", "image_id,split,label", "IMG000001.jpeg,test,Benign", "IMG001868.jpeg,test,", "x.png,val,"
    )
    expected = {"IMG000001.jpeg": ("Benign", "test", "IMG000001.json"), "IMG001868.jpeg": ("Normal", "test", None)}
    assert facts(collect([], root=btxrd, split_csv=split_csv)) == expected
    assert facts(collect([str(split_csv)], root=btxrd)) == expected
    selected = collect([str(btxrd)], split_csv=split_csv)
    assert facts(selected) == expected
    assert selected.missing == (("x.png", f"no such file in '{btxrd / 'images'}'"),)
    assert facts(collect([str(btxrd)], split_csv=split_csv, split="test")) == expected


def test_one_split_is_kept(btxrd: Path) -> None:
    split_csv = write(
        btxrd / "s.csv",
        "image_id,split,label",
        "IMG000001.jpeg,test,x",
        "IMG001868.jpeg,train,Normal",
        "a.png,test,",
        "b.png,train,",
    )
    collection = collect([], split_csv=split_csv, split="train", class_names=CLASSES)
    assert facts(collection) == {"IMG001868.jpeg": ("Normal", "train", None)}
    assert [image_id for image_id, _ in collection.missing] == ["b.png"]
    split_csv.write_text(split_csv.read_text().replace("a.png,test", "a.png,Train"))
    odd = collect([], split_csv=split_csv, split="train", class_names=CLASSES)
    assert facts(odd) == facts(collection)
    assert "split 'Train' is spelled otherwise than 'train', and left out" in odd.notes
    split_csv.write_text(split_csv.read_text().replace("a.png,Train", "a.png,test"))
    with pytest.raises(InputError, match="no image has split 'tset': the splits are 'test', 'train'"):
        collect([], split_csv=split_csv, split="tset")
    with pytest.raises(InputError, match="no image has split 'test', nor any other: give a split CSV"):
        collect([str(btxrd)], split="test")


def test_two_rows_for_one_file_must_agree(btxrd: Path) -> None:
    split_csv = write(
        btxrd / "s.csv", "image_id,split,label", "IMG000001.jpeg,test,Benign", "images/IMG000001,test,Benign"
    )
    assert len(collect([], split_csv=split_csv).records) == 1
    write(split_csv, "image_id,split,label", "IMG000001.jpeg,test,Benign", "IMG000001,train,Benign")
    with pytest.raises(InputError, match=r"'IMG000001\.jpeg' and 'IMG000001' in '.*' are one file with different"):
        collect([], split_csv=split_csv)


def test_labels_must_be_classes_in_any_case(tmp_path: Path) -> None:
    touch(tmp_path, *(f"images/{number}.png" for number in range(8)))
    rows = [f"{number}.png,test,odd{number}" for number in range(7)]
    split_csv = write(tmp_path / "s.csv", "image_id,split,label", *rows, "7.png,test,BENIGN")
    with pytest.raises(InputError) as caught:
        collect([], split_csv=split_csv, class_names=CLASSES)
    assert str(caught.value) == (
        "labels that are none of the classes: 'odd0', 'odd1', 'odd2', 'odd3', 'odd4' and 2 more: "
        "the classes are Normal, Benign, Malignant; --label-names odd0=CLASS says which one is meant"
    )
    write(split_csv, "image_id,split,label", "7.png,test,BENIGN")
    collection = collect([], split_csv=split_csv, class_names=CLASSES)
    assert collection.records[0].label == "Benign"
    assert "labels are taken for classes of other capitals: 'BENIGN' for 'Benign'" in collection.notes
    assert collect([], split_csv=split_csv).records[0].label == "BENIGN"


def test_folders_may_be_labels(tmp_path: Path) -> None:
    touch(tmp_path, "train/0/a.png", "test/1/b.png", "test/1/c.png")
    words = Vocabulary(labels={"0": "Normal", "1": "Benign"}, from_folders=True)
    found = collect([str(tmp_path)], vocabulary=words, class_names=CLASSES)
    assert [record.label for record in found.records] == ["Normal", "Benign", "Benign"]
    split_csv = write(tmp_path / "s.csv", "image_id,split,label", "b.png,test,Malignant", "c.png,test,")
    said = collect([str(tmp_path)], split_csv=split_csv, vocabulary=words, class_names=CLASSES)
    assert [record.label for record in said.records] == ["Malignant", "Benign"]
    (finding,) = said.findings
    assert finding.message == "'b.png' is Malignant in the split CSV, and Benign in its folder's name"
    with pytest.raises(InputError, match="labels that are none of the classes: '0', '1'"):
        collect([str(tmp_path)], vocabulary=Vocabulary(from_folders=True), class_names=CLASSES)


def test_a_table_names_files_as_excel_left_them(tmp_path: Path) -> None:
    touch(tmp_path, "images/000046.png", "images/000047.PNG")
    split_csv = write(tmp_path / "s.csv", "Image ID;Split;Class", "46;test;benign", "47.png;test;Normal")
    found = collect([], split_csv=split_csv, class_names=CLASSES)
    assert facts(found) == {"000046.png": ("Benign", "test", None), "000047.PNG": ("Normal", "test", None)}
    assert [note.replace(f"'{split_csv}'", "it") for note in found.notes] == [
        "it has no column label: its column 'Class' is taken for it",
        "it names '46', which is taken for '000046.png', the first of 2 such names",
        "labels are taken for classes of other capitals: 'benign' for 'Benign'",
    ]


def test_one_file_is_not_taken_for_those_of_two_folders(tmp_path: Path) -> None:
    touch(tmp_path, "images/centre1/1.png")
    split_csv = write(tmp_path / "s.csv", "image_id,split,label", "centre1/1.png,test,x", "centre2/1.png,test,x")
    with pytest.raises(InputError, match=r"'centre1/1.png' and 'centre2/1.png' are in different folders, and '.*' is"):
        collect([], split_csv=split_csv)
    write(split_csv, "image_id,split,label", "centre1/1.png,test,x", "/data/centre1/1.png,test,x", "1.png,test,x")
    assert len(collect([], split_csv=split_csv).records) == 1


def test_paths_on_the_standard_input(btxrd: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [btxrd / "images", btxrd / "images" / "IMG000001.jpeg", btxrd / "gone" / "x.png", "", "images/x.PNG"]
    data = "\n".join(map(str, lines)).encode()
    collection = collect(["-"], stdin=io.BytesIO(data))
    assert list(facts(collection)) == ["IMG000001.jpeg"]
    assert collection.missing == (
        ("x.png", "no such file or directory"),
        ("x.PNG", "no such file or directory"),
    )
    assert collection.notes == ("passed over 1 of 4 paths that are not named like images",)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data.replace(b"\n", b"\0"))))
    assert collect(["-"]) == collection


def test_what_is_missing_has_a_name_of_its_own(tmp_path: Path) -> None:
    touch(tmp_path, "a.png")
    names = [str(tmp_path / "a.png"), "gone/a.png", "gone/b.png", "lost/b.png", "gone/c.png", "gone/c.png"]
    collection = collect(["-"], stdin=io.BytesIO("\n".join(names).encode()))
    assert [image_id for image_id, _ in collection.missing] == ["gone/a.png", "gone/b.png", "lost/b.png", "c.png"]


def test_files_of_the_same_name_are_told_apart_by_their_folders(tmp_path: Path) -> None:
    touch(tmp_path, "x/left/1.png", "x/right/1.png", "x/right/2.png", "x/1.png/1.png", "y/3.png")
    assert [record.image_id for record in collect([str(tmp_path)]).records] == [
        "1.png/1.png",
        "2.png",
        "3.png",
        "left/1.png",
        "right/1.png",
    ]


def test_a_file_above_its_namesake_keeps_its_name(tmp_path: Path) -> None:
    touch(tmp_path, "1.png", "more/1.png")
    assert [record.image_id for record in collect([str(tmp_path)]).records] == ["1.png", "more/1.png"]


def test_images_are_sorted_by_id_whatever_the_order_of_inputs(tmp_path: Path) -> None:
    touch(tmp_path, "b/1.png", "a/2.png", "a/0.png")
    forwards, backwards = (collect([str(tmp_path / name) for name in names]) for names in (["a", "b"], ["b", "a"]))
    assert forwards == backwards
    assert list(facts(forwards)) == ["0.png", "1.png", "2.png"]


def test_a_shared_annotation_is_noted(tmp_path: Path) -> None:
    touch(tmp_path, "images/1.png", "images/1.jpeg", "Annotations/1.json")
    collection = collect([str(tmp_path / "images")])
    (finding,) = collection.findings
    assert finding.code == "shared-annotation"
    assert finding.message == f"'1.jpeg' and '1.png' share '{tmp_path / 'Annotations' / '1.json'}'"


PLACES = [
    "scans/Annotations/1.json",
    "scans/annotations/1.json",
    "scans/images/Annotations/1.json",
    "scans/images/1.json",
]


@pytest.mark.parametrize("place", PLACES)
def test_annotations_are_found_near_the_image(tmp_path: Path, place: str) -> None:
    image = tmp_path / "scans" / "images" / "1.png"
    touch(tmp_path, "scans/images/1.png", "scans/images/2.json")
    assert open_source(None).find(image) is None
    touch(tmp_path, place)
    found = open_source(None).find(image)
    assert found is not None
    assert found.path.samefile(tmp_path / place)
    assert collect([str(image)]).records[0].annotation == found


def test_the_nearest_place_comes_first(tmp_path: Path) -> None:
    touch(tmp_path, "scans/images/1.png", *PLACES)
    image = tmp_path / "scans" / "images" / "1.png"
    for place in (PLACES[0], *PLACES[2:]):
        assert open_source(None).find(image) == AnnotationPlace(tmp_path / place)
        (tmp_path / place).unlink()
        (tmp_path / PLACES[1]).unlink(missing_ok=True)


def test_a_named_folder_of_annotations_is_the_only_place(tmp_path: Path) -> None:
    touch(tmp_path, "left/1.png", "right/1.png", "left/2.png", "Annotations/1.json", "mine/left/1.json", "mine/2.json")
    records = collect([str(tmp_path / "left"), str(tmp_path / "right")], annotations=tmp_path / "mine").records
    found = {record.image_id: record.annotation and record.annotation.path for record in records}
    assert found == {
        "left/1.png": tmp_path / "mine" / "left" / "1.json",
        "right/1.png": None,
        "2.png": tmp_path / "mine" / "2.json",
    }


SPLIT = (
    "image_id,split,label",
    "IMG000001.jpeg,train,Malignant",
    "IMG000002,test,Benign",
    "IMG001868.jpeg,test,Normal",
    "IMG000077.jpeg,test,Normal",
)
CHOSEN = {
    "IMG000001.jpeg": ("Malignant", "train", "IMG000001.json"),
    "IMG000002.jpg": ("Benign", "test", "IMG000002.json"),
    "IMG001868.jpeg": ("Normal", "test", None),
}


@pytest.mark.parametrize("split", [None, "test"])
@pytest.mark.parametrize("way", ["root", "input", "images", "folder", "csv", "csv-images", "csv-root", "both"])
def test_a_split_csv_selects_whichever_way_the_images_are_named(btxrd: Path, way: str, split: str | None) -> None:
    table, images = write(btxrd / "split.csv", *SPLIT), btxrd / "images"
    collection = {
        "root": lambda: collect([], root=btxrd, split_csv=table, split=split),
        "input": lambda: collect([str(btxrd)], split_csv=table, split=split),
        "images": lambda: collect([], images=images, split_csv=table, split=split),
        "folder": lambda: collect([str(images)], split_csv=table, split=split),
        "csv": lambda: collect([str(table)], split=split),
        "csv-images": lambda: collect([str(table)], images=images, split=split),
        "csv-root": lambda: collect([str(table)], root=btxrd, split=split),
        "both": lambda: collect([str(btxrd)], root=btxrd, images=images, split_csv=table, split=split),
    }[way]()
    wanted = {name: row for name, row in CHOSEN.items() if split in (None, row[1])}
    assert facts(collection) == wanted
    assert collection.missing == (("IMG000077.jpeg", f"no such file in '{images}'"),)
    assert not collection.named
    left_out = f"1 of 4 radiographs in '{images}' is not in '{table}': left out"
    several = (
        f"no --split is given, so that the radiographs of all splits in '{table}' are taken: 2 of 'test', 1 of "
        "'train'; training images are among them"
    )
    assert left_out in collection.notes
    assert (several in collection.notes) == (split is None)
    assert (f"'{images}' is not looked into: other radiographs are named" in collection.notes) == (way == "both")


def test_of_radiographs_named_one_by_one_a_split_csv_selects_and_asks_for_no_others(btxrd: Path) -> None:
    table = write(btxrd / "split.csv", *SPLIT, "gone.png,test,Normal", "lost.png,train,Normal")
    names = ["IMG000001.jpeg", "IMG009999.jpeg", "IMG001868.jpeg", "gone.png", "lost.png", "away.png"]
    paths = [str(btxrd / "images" / name) for name in names]
    for collection in (
        collect(paths, split_csv=table),
        collect(["-"], split_csv=table, stdin=io.BytesIO("\n".join(paths).encode())),
    ):
        assert facts(collection) == {name: CHOSEN[name] for name in ("IMG000001.jpeg", "IMG001868.jpeg")}
        assert collection.missing == tuple((name, "no such file or directory") for name in ("gone.png", "lost.png"))
        assert f"2 of 6 radiographs that are named are not in '{table}': left out" in collection.notes
    tested = collect(paths, split_csv=table, split="test")
    assert facts(tested) == {"IMG001868.jpeg": CHOSEN["IMG001868.jpeg"]}
    assert tested.missing == (("gone.png", "no such file or directory"),)
    with pytest.raises(InputError, match=r"none of the radiographs that are named is in '.*': check its column"):
        collect([paths[1]], split_csv=table)


def test_of_several_folders_the_split_csv_selects_in_all(btxrd: Path) -> None:
    touch(btxrd, "more/IMG000077.jpeg", "more/extra.png")
    table = write(btxrd / "split.csv", *SPLIT, "nowhere.png,test,Normal")
    collection = collect([str(btxrd), str(btxrd / "more")], split_csv=table)
    assert facts(collection) == CHOSEN | {"IMG000077.jpeg": ("Normal", "test", None)}
    assert collection.missing == (("nowhere.png", "no such file among those that are named"),)
    assert f"2 of 6 radiographs that are named are not in '{table}': left out" in collection.notes


def test_a_split_csv_selects_among_the_images_of_another(btxrd: Path) -> None:
    table = write(btxrd / "split.csv", *SPLIT)
    few = write(btxrd / "few.csv", "image_id,split,label", "IMG000002.jpg,test,Benign", "IMG009999.jpeg,test,")
    collection = collect([str(table)], split_csv=few)
    assert list(facts(collection)) == ["IMG000002.jpg"]
    assert f"2 of 3 radiographs that are named are not in '{few}': left out" in collection.notes
    write(few, "image_id,split,label", "IMG000002.jpg,val,Benign")
    with pytest.raises(InputError, match=r"'IMG000002' in '.*split\.csv' and 'IMG000002.jpg' in '.*few\.csv' are one"):
        collect([str(table)], split_csv=few)
    assert facts(collect([str(few), str(btxrd / "images" / "IMG009999.jpeg")])) == {
        "IMG000002.jpg": ("Benign", "val", "IMG000002.json"),
        "IMG009999.jpeg": (None, None, None),
    }


def test_of_one_split_and_of_images_without_a_split_nothing_is_said(btxrd: Path) -> None:
    table = write(btxrd / "s.csv", "image_id,split,label", "IMG000001.jpeg,test,", "IMG000002.jpg,,Benign")
    assert not any("--split" in note for note in collect([str(btxrd)], split_csv=table).notes)
    write(table, "image_id,split,label", "IMG000001.jpeg,a,", "IMG000002.jpg,,", "IMG001868.jpeg,b,")
    (note,) = (note for note in collect([str(btxrd)], split_csv=table).notes if "--split" in note)
    assert note.endswith("are taken: 1 of 'a', 1 of 'b', 1 without a split")


def test_relative_inputs_work_from_any_folder(btxrd: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(btxrd / "images")
    assert facts(collect(["IMG000001.jpeg"])) == {"IMG000001.jpeg": (None, None, "IMG000001.json")}
    assert facts(collect([".."])) == ALL
    assert len(facts(collect(["."]))) == 4


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("none.png", r"there is no '.*none.png' \(no such file or directory\): check the path"),
        ("none", r"there is no '.*none' \(no such file or directory\): check the path"),
        ("x" * 5000, "File name too long"),
        ("notes.txt", "is neither folder nor split CSV nor image: images end in .jpeg, .jpg"),
        ("empty", "no radiographs found: name files or folders"),
        ("table.csv", "has no column label; its other columns are age: name it with --columns label=NAME"),
        ("split.csv", r"none of the 2 images that are named exists, such as 'a\.png' \(no such file in"),
    ],
)
def test_unusable_inputs_are_an_error(tmp_path: Path, name: str, message: str) -> None:
    touch(tmp_path, "notes.txt", "empty/readme.txt")
    write(tmp_path / "table.csv", "image_id,age", "a.png,71")
    write(tmp_path / "split.csv", "image_id,split,label", "a.png,test,x", "b.png,test,x")
    with pytest.raises(InputError, match=message) as caught:
        collect([str(tmp_path / name)])
    assert caught.value.exit_code is ExitCode.INPUT
    assert "\n" not in str(caught.value)


def test_a_standard_input_of_nothing_is_said_to_be() -> None:
    with pytest.raises(InputError, match="the standard input named no radiograph: write a path a line into it"):
        collect(["-"], stdin=io.BytesIO(b"\n"))


def test_unusable_folders_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist: name a folder of annotations, or a file of those of"):
        collect(["x.png"], annotations=tmp_path / "none")
    with pytest.raises(InputError, match="is not a BTXRD root: it holds images/"):
        collect([], root=tmp_path)
    with pytest.raises(InputError, match=r"there is no '.*none' \(no such file or directory\): check the path"):
        collect([], root=tmp_path / "none")
    touch(tmp_path, "file")
    with pytest.raises(InputError, match=r"'.*file' is not a folder: check the path"):
        collect([], images=tmp_path / "file")
    with pytest.raises(InputError, match="no radiographs are named: name images, a folder, a split CSV or a BTXRD"):
        collect([])


@pytest.mark.real_data
def test_the_real_sample_is_collected(real_data: Path) -> None:
    sample = real_data / "btxrd_sample"
    collection = collect([str(sample / "split_test.csv")], class_names=CLASSES, split="test")
    assert len(collection.records) == 15
    assert not collection.missing
    assert not collection.notes
    annotated = {record.image_id for record in collection.records if record.annotation}
    assert annotated == {record.image_id for record in collection.records if record.label != "Normal"}
    assert len(annotated) == 10
    assert facts(collect([str(sample)])).keys() == facts(collection).keys()


def test_no_heavy_package_is_imported() -> None:
    code = (
        "import sys; from btxrd_explain.inputs import dataset, labelme, radiograph; "
        "print([name for name in ('torch', 'timm', 'matplotlib', 'openpyxl', 'pyarrow', 'cv2') if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
