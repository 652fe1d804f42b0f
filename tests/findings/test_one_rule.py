"""One fault has one code and the same words, whether `check` finds it or another command warns of it."""

from __future__ import annotations

import base64
import csv
import json
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from btxrd_explain.core.geometry import Size
from btxrd_explain.errors import AnnotationError, RadiographError
from btxrd_explain.finding import KINDS
from btxrd_explain.findings.annotations import of_another_image, unusable
from btxrd_explain.findings.copies import Labelled, copied, disagreements, patients_across_splits, same_files
from btxrd_explain.inputs.annotation import Annotation, check_size
from tests.support.command_line import run
from tests.support.small_dataset import write_small_dataset

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from btxrd_explain.finding import Finding
    from btxrd_explain.inputs.radiograph import Radiograph

pytestmark = pytest.mark.usefixtures("blank_figures")


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two synthetic radiographs of each class in the layout of BTXRD, and their table."""
    folder = tmp_path_factory.mktemp("template")
    root = folder / "BTXRD"
    write_small_dataset(root, seed=0, per_class={"test": 2})
    (root / "dataset.xlsx").unlink()
    command = ["infer", *explained(root), "--split-csv", root / "split.csv", "--no-overlay", "-o", folder / "out"]
    run(*command)
    return folder


@pytest.fixture
def root(template: Path, tmp_path: Path) -> Path:
    return shutil.copytree(template, tmp_path, dirs_exist_ok=True) / "BTXRD"


def explained(root: Path) -> list[object]:
    return ["--root", root, root / "images", "--checkpoint", "demo", "--device", "cpu"]


def images(root: Path) -> list[Path]:
    return sorted((root / "images").iterdir())


def annotation(root: Path, number: int) -> Path:
    return root / "Annotations" / f"{images(root)[number].stem}.json"


def annotate(root: Path, number: int, **changes: object) -> None:
    path = annotation(root, number)
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | changes))


def change_split(root: Path, number: int, **cells: str) -> None:
    with (root / "split.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    next(row for row in rows if row["image_id"] == images(root)[number].name).update(cells)
    with (root / "split.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def copy_of_first(root: Path) -> None:
    shutil.copy(images(root)[0], images(root)[1])
    annotate(root, 0)
    shutil.copy(annotation(root, 0), annotation(root, 1))
    annotate(root, 1, imagePath=images(root)[1].name)


def leak(root: Path) -> None:
    copy_of_first(root)
    change_split(root, 1, split="val")


def disagree(root: Path) -> None:
    copy_of_first(root)
    change_split(root, 1, label="Malignant")


def contradict(root: Path) -> None:
    change_split(root, 0, label="Malignant")


def break_annotation(root: Path) -> None:
    annotation(root, 0).write_text('{"shapes": 3}')


def resize(root: Path) -> None:
    document = json.loads(annotation(root, 0).read_text("utf-8"))
    annotate(root, 0, imageHeight=document["imageWidth"], imageWidth=document["imageHeight"])


def rename(root: Path) -> None:
    annotate(root, 0, imagePath="..\\images\\IMG000077.jpeg")


def embed(root: Path) -> None:
    annotate(root, 0, imageData=base64.b64encode(images(root)[-1].read_bytes()).decode())


def share(root: Path) -> None:
    with Image.open(images(root)[0]) as image:
        noise = np.random.default_rng(0).integers(0, 255, image.size[::-1], dtype=np.uint8)
    twin = images(root)[0].with_suffix(".png")
    Image.fromarray(noise).save(twin)
    table = root / "split.csv"
    row = next(line for line in table.read_text().splitlines() if line.startswith(images(root)[0].name))
    table.write_text(f"{table.read_text().rstrip()}\n{row.replace(images(root)[0].name, twin.name)}\n")


def report_of(command: str, root: Path, *arguments: object) -> dict[str, Any]:
    data = ["--split-csv", root / "split.csv", "-o", root.parent / "out", "--json"]
    result = run(command, *arguments, *data, code=None)
    assert result.exit_code in {0, 1}, result.output
    document: dict[str, Any] = json.loads(result.stdout)
    return document


@pytest.mark.parametrize(
    ("plant", "codes"),
    [
        (copy_of_first, {"same-file"}),
        (leak, {"leak-file"}),
        (disagree, {"copies-disagree", "same-file", "label-disagrees"}),
        (contradict, {"label-disagrees"}),
        (break_annotation, {"unreadable-annotation"}),
        (resize, {"annotation-size"}),
        (rename, {"annotation-of-another-name"}),
        (embed, {"annotation-of-another-image"}),
        (share, {"shared-annotation"}),
    ],
)
def test_check_and_annotate_iou_say_the_same(root: Path, plant: Callable[[Path], None], codes: set[str]) -> None:
    plant(root)
    audit = {each["code"]: each for each in report_of("check", root, root)["findings"] if each["code"] in codes}
    report = report_of("annotate-iou", root, *explained(root), "--no-baselines")
    warnings = {each["code"]: each for each in report["warnings"]}
    assert audit.keys() == codes
    assert warnings == audit
    for code, finding in audit.items():
        assert (finding["severity"], finding["advice"]) == (KINDS[code].severity, KINDS[code].advice)


# copies

SEVEN = [
    Labelled(name, split, label)
    for name, split, label in [
        ("a", "train", "Benign"),
        ("b", "test", "benign"),
        ("c", None, "Normal"),
        ("d", "test", None),
        ("e", "test", "Normal"),
        ("f", "test", "Benign"),
        ("g", "test", "Benign"),
    ]
]


def test_files_are_the_same_within_and_across_splits() -> None:
    found = list(same_files(SEVEN, ["x", "x", None, "y", "y", None, "z"]))
    assert [(each.code, each.images) for each in found] == [("leak-file", ("a", "b")), ("same-file", ("d", "e"))]
    assert found[0].message == "'a' (train) and 'b' (test) are the same file"
    assert found[0].details == {"splits": {"a": "train", "b": "test"}}
    assert found[1].message == "'d' and 'e' are the same file"
    assert not found[1].details
    assert not list(same_files(SEVEN, "abcdefg"))


def test_an_image_without_split_leaks_into_none() -> None:
    (found,) = same_files(SEVEN[2:], ["x", "x", None, None, None])
    assert found.code == "same-file"


def test_of_many_copies_the_first_four_are_named() -> None:
    found = copied(SEVEN, range(7), "same-pixels", "leak-pixels", "hold the same pixels", {"count": 7})
    assert found.code == "leak-pixels"
    assert found.message == "'a' (train), 'b' (test), 'c', 'd' (test) and 3 more hold the same pixels"
    assert found.images == tuple("abcdefg")
    assert found.details["count"] == 7
    assert found.details["splits"] == {image.image_id: image.split for image in SEVEN}


def test_labels_of_copies_disagree_whatever_their_case() -> None:
    assert not list(disagreements(SEVEN, [[0, 1], [2, 3, 4]]))
    (found,) = disagreements(SEVEN, [[3, 4, 5]])
    assert found.message == "'d' is without label, 'e' is Normal, 'f' is Benign"
    assert found.details == {"labels": {"d": None, "e": "Normal", "f": "Benign"}}


def test_patients_are_in_several_splits_and_not_named() -> None:
    (found,) = patients_across_splits(SEVEN, ["Ada", "Ada", None, "Bob", "Bob", None, None])
    assert (found.code, found.images) == ("leak-patient", ("a", "b"))
    assert "Ada" not in str(found)


# annotations


def test_an_annotation_of_another_size_says_both(tmp_path: Path) -> None:
    with pytest.raises(AnnotationError) as caught:
        check_size(tmp_path / "a.json", Size(30, 40), Size(40, 30))
    found = unusable("a.png", caught.value)
    assert found.code == "annotation-size"
    assert found.message.endswith("an image of 40 x 30 pixels, but the radiograph has 30 x 40; the sides are swapped")
    assert found.details == {"image": [30, 40], "annotation": [40, 30]}
    other = unusable("a.png", AnnotationError("'a.json': expected JSON", hint="check the file"))
    assert (other.code, other.message) == ("unreadable-annotation", "'a.json': expected JSON")


def unread() -> Radiograph:
    raise RadiographError("gone")


@pytest.mark.parametrize(
    ("name", "codes"),
    [
        (None, []),
        ("", []),
        ("IMG1.PNG", []),
        ("..\\x\\img1.jpeg", []),
        ("/x/IMG2.png", ["annotation-of-another-name"]),
    ],
)
def test_the_name_in_an_annotation(name: str | None, codes: list[str]) -> None:
    def found(data: str | None) -> Iterator[Finding]:
        return of_another_image("IMG1.png", "images/IMG1.png", Annotation((), None, name, data), "0" * 64, unread)

    assert [each.code for each in found(None)] == codes
    assert [each.code for each in found("no image")] == codes  # what cannot be read tells nothing


def test_an_embedded_file_with_the_hash_of_the_radiograph_is_it() -> None:
    """It is not read, and its name does not matter."""
    same = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # of abc, FIPS 180-2
    embedded = Annotation((), None, "other.png", base64.b64encode(b"abc").decode())
    assert not list(of_another_image("a.png", "a.png", embedded, same, unread))
    assert list(of_another_image("a.png", "a.png", embedded, None, unread))
