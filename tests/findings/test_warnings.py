"""Each warning: a fault that it finds, and how near one may come without a word."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from btxrd_explain.core.heatmap import MapStatus
from btxrd_explain.findings.origin import image_findings, setting_findings
from btxrd_explain.findings.table import inspect_table, split_findings
from btxrd_explain.inputs.dataset import collect
from btxrd_explain.predictions.record import FileStamp, RowStatus
from btxrd_explain.predictions.table import open_table
from btxrd_explain.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from btxrd_explain.finding import Finding
    from btxrd_explain.predictions.record import Prediction

NAMES = ("Normal", "Benign", "Malignant")


@pytest.fixture
def row(make_row: Callable[..., Prediction]) -> Callable[..., Prediction]:
    """Makes the row of a number: a file, scores and heat maps of its own, unless others are given."""

    def make(number: int, label: str | None = None, scores: Sequence[float] | None = None, **facts: Any) -> Prediction:  # noqa: ANN401
        random = np.random.default_rng(number)
        usual = {
            "stamp": FileStamp(number, 1, f"{number:064x}"),
            "grids": random.normal(size=(3, 2, 2)).astype(np.float32),
        }
        given = random.dirichlet([1, 1, 1]) if scores is None else scores
        return make_row(f"IMG{number:06d}.jpeg", label, given, **(usual | facts))

    return make


@pytest.fixture
def warnings_of(
    tmp_path: Path, make_table: Callable[..., None]
) -> Callable[[Iterable[Prediction]], dict[str, Finding]]:
    """Returns what a table of such rows is warned of, by code."""

    def inspect(rows: Iterable[Prediction]) -> dict[str, Finding]:
        make_table(tmp_path / "t.parquet", NAMES, list(rows))
        table = open_table(tmp_path / "t.parquet")
        found = inspect_table(table, table.index(), table.index())
        assert len({finding.code for finding in found}) == len(found)
        return {finding.code: finding for finding in found}

    return inspect


def says(index: int, sure: float = 0.8) -> list[float]:
    return [sure if place == index else (1 - sure) / 2 for place in range(3)]


def varied(index: int, number: int) -> list[float]:
    return says(index, 0.6 + 0.01 * (number % 30))


# the network's scores


def test_names_in_alphabetical_order_of_the_files_are_found(
    row: Callable[..., Prediction], warnings_of: Callable[..., dict[str, Finding]]
) -> None:
    """Trained with ImageFolder, which counts Benign, Malignant, Normal; named Normal, Benign, Malignant."""
    trained = ("Benign", "Malignant", "Normal")

    def rows(count: int) -> list[Prediction]:
        labels = [NAMES[number % 3] for number in range(count)]
        return [row(n, label, varied(trained.index(label), n)) for n, label in enumerate(labels)]

    found = warnings_of(rows(27))["classes-exchanged"]
    assert found.message == (
        "among 27 radiographs of 'Normal', 'Benign' and 'Malignant' 0 % are right, where chance gives 33 %; 100 % "
        "would be right if 'Normal' means 'Benign', 'Benign' means 'Malignant', 'Malignant' means 'Normal'"
    )
    assert "perhaps Benign,Malignant,Normal, which is alphabetical" in found.advice
    assert not warnings_of(rows(24))


def test_a_bad_classifier_is_not_warned_of(
    row: Callable[..., Prediction], warnings_of: Callable[..., dict[str, Finding]]
) -> None:
    assert not warnings_of(row(number, NAMES[number % 3]) for number in range(90))


@pytest.mark.parametrize(("images", "warned"), [(5, True), (4, False)])
def test_constant_scores(
    images: int, warned: bool, row: Callable[..., Prediction], warnings_of: Callable[..., dict[str, Finding]]
) -> None:
    found = warnings_of(row(number, scores=[0.2, 0.5, 0.3]) for number in range(images))
    assert (list(found) == ["scores-constant"]) is warned
    if warned:
        assert found["scores-constant"].message == "all 5 radiographs have the same scores (0.200, 0.500, 0.300)"


def test_copies_of_one_image_may_have_the_same_scores(
    row: Callable[..., Prediction], warnings_of: Callable[..., dict[str, Finding]]
) -> None:
    same = FileStamp(1, 1, "a" * 64)
    found = warnings_of(row(number, scores=[0.2, 0.5, 0.3], stamp=same) for number in range(6))
    assert list(found) == ["same-file"]


@pytest.mark.parametrize(("images", "peak", "warned"), [(10, 0.38, True), (9, 0.38, False), (10, 0.39, False)])
def test_scores_of_a_fresh_head(
    images: int,
    peak: float,
    warned: bool,
    row: Callable[..., Prediction],
    warnings_of: Callable[..., dict[str, Finding]],
) -> None:
    rows = [row(number, scores=says(number % 3, peak - 0.002 * number)) for number in range(images)]
    assert (list(warnings_of(rows)) == ["scores-undecided"]) is warned


@pytest.mark.parametrize(
    ("images", "wrong", "labelled", "warned"),
    [(20, 0, False, True), (19, 0, False, False), (20, 2, True, True), (20, 1, True, False)],
)
def test_saturated_scores(
    images: int,
    wrong: int,
    labelled: bool,
    warned: bool,
    row: Callable[..., Prediction],
    warnings_of: Callable[..., dict[str, Finding]],
) -> None:
    """Of an unlabelled set, or one on which the network errs; a network that is always right may be sure."""
    said = [(number % 3 + (number < wrong)) % 3 for number in range(images)]
    rows = [row(n, NAMES[n % 3] if labelled else None, says(said[n], 1.0)) for n in range(images)]
    assert (list(warnings_of(rows)) == ["scores-saturated"]) is warned


@pytest.mark.parametrize(("others", "warned"), [(20, True), (19, False)])
def test_one_class_always(
    others: int, warned: bool, row: Callable[..., Prediction], warnings_of: Callable[..., dict[str, Finding]]
) -> None:
    labels = ["Normal"] * 30 + ["Benign", "Malignant"] * 20
    rows = [row(number, label, varied(0, number)) for number, label in enumerate(labels[: 30 + others])]
    found = warnings_of(rows)
    assert (list(found) == ["one-class"]) is warned
    if warned:
        assert "'Normal' of all 50 radiographs, 20 of which are of other classes" in found["one-class"].message


def test_normal_images_may_all_be_called_normal(
    row: Callable[..., Prediction], warnings_of: Callable[..., dict[str, Finding]]
) -> None:
    assert not warnings_of(row(number, "Normal", varied(0, number)) for number in range(60))


def test_scores_that_are_no_numbers(
    row: Callable[..., Prediction], warnings_of: Callable[..., dict[str, Finding]]
) -> None:
    failed = replace(row(0), status=RowStatus.NON_FINITE, probabilities=None, grids=None, grid_statuses=())
    assert warnings_of([failed, row(1)])["scores-not-finite"].message.startswith(
        "the network's scores are NaN or infinite for 1 radiograph of 2"
    )


# heat maps


@pytest.mark.parametrize(("images", "whole", "warned"), [(10, 1, True), (10, 2, False), (9, 0, False)])
def test_empty_heat_maps(
    images: int,
    whole: int,
    warned: bool,
    row: Callable[..., Prediction],
    warnings_of: Callable[..., dict[str, Finding]],
) -> None:
    """Of the predicted class: what the other classes have does not matter."""
    rows = []
    for number in range(images):
        status = MapStatus.OK if number < whole else (MapStatus.FLAT, MapStatus.NO_POSITIVE_EVIDENCE)[number % 2]
        rows.append(row(number, scores=varied(1, number), grid_statuses=(MapStatus.OK, status, MapStatus.OK)))
    found = warnings_of(rows)
    assert (list(found) == ["maps-empty"]) is warned
    if warned:
        assert found["maps-empty"].message.startswith("9 of 10 heat maps")


def test_empty_heat_maps_of_attributions_that_do_not_add_up(
    row: Callable[..., Prediction], warnings_of: Callable[..., dict[str, Finding]]
) -> None:
    statuses = (MapStatus.OK, MapStatus.INCOMPLETE, MapStatus.OK)
    found = warnings_of([row(number, scores=varied(1, number), grid_statuses=statuses) for number in range(10)])
    assert found["maps-empty"].message.endswith(
        "are empty: attributions of 10 do not add up to the change of the class score"
    )


def test_heat_maps_that_are_no_numbers(
    row: Callable[..., Prediction], warnings_of: Callable[..., dict[str, Finding]]
) -> None:
    broken = row(0, grid_statuses=(MapStatus.OK, MapStatus.OK, MapStatus.NON_FINITE))
    assert list(warnings_of([broken, row(1), row(2)])) == ["maps-not-finite"]


@pytest.mark.parametrize(("images", "warned"), [(5, True), (4, False)])
def test_the_same_heat_map_for_all(
    images: int, warned: bool, row: Callable[..., Prediction], warnings_of: Callable[..., dict[str, Finding]]
) -> None:
    grids = np.random.default_rng(0).normal(size=(3, 2, 2)).astype(np.float32)
    found = warnings_of(row(number, grids=grids * (1 + number)) for number in range(images))
    assert (list(found) == ["maps-identical"]) is warned


# the data


def test_copies_in_two_splits(row: Callable[..., Prediction], warnings_of: Callable[..., dict[str, Finding]]) -> None:
    same = FileStamp(1, 1, "a" * 64)
    rows = [row(0, split="train", stamp=same), row(1, split="test", stamp=same), row(2, split="test")]
    assert list(warnings_of(rows)) == ["leak-file"]
    assert warnings_of(rows)["leak-file"].message == (
        "'IMG000000.jpeg' (train) and 'IMG000001.jpeg' (test) are the same file"
    )
    assert list(warnings_of([rows[0], replace(rows[1], split=None), rows[2]])) == ["same-file"]


def test_copies_with_two_labels(row: Callable[..., Prediction], warnings_of: Callable[..., dict[str, Finding]]) -> None:
    same = FileStamp(1, 1, "a" * 64)
    found = warnings_of([row(0, "Benign", stamp=same), row(1, "Normal", stamp=same), row(2, "Normal")])
    assert list(found) == ["copies-disagree", "same-file"]
    assert found["copies-disagree"].message == "'IMG000000.jpeg' is Benign, 'IMG000001.jpeg' is Normal"
    assert found["copies-disagree"].images == ("IMG000000.jpeg", "IMG000001.jpeg")


def test_files_without_a_hash_are_no_copies(
    row: Callable[..., Prediction], warnings_of: Callable[..., dict[str, Finding]]
) -> None:
    unread = {"status": RowStatus.UNREADABLE, "stamp": None, "grids": None, "grid_statuses": ()}
    lost = [replace(row(number, **unread), probabilities=None) for number in range(3)]
    assert not warnings_of([*lost, row(3)])


def test_labels_that_are_no_class(
    row: Callable[..., Prediction], warnings_of: Callable[..., dict[str, Finding]]
) -> None:
    found = warnings_of([row(0, "benign"), row(1, "osteosarcoma"), row(2, "Benign"), row(3, None)])
    assert found["labels-unknown"].message == (
        "2 radiographs of 4 are labelled 'benign' and 'osteosarcoma', which is none of the classes (Normal, Benign, "
        "Malignant); they count as not labelled"
    )
    assert not warnings_of([row(2, "Benign"), row(3, None)])


@pytest.mark.parametrize(("split", "warned"), [("train", True), ("Training", True), ("test", False), (None, False)])
def test_what_the_network_was_trained_on(
    split: str | None,
    warned: bool,
    row: Callable[..., Prediction],
    tmp_path: Path,
    make_table: Callable[..., None],
) -> None:
    make_table(tmp_path / "t.parquet", NAMES, [row(0, split=split), row(1, split="val")])
    found = list(split_findings(open_table(tmp_path / "t.parquet").index()))
    assert [finding.code for finding in found] == ["training-split"] * warned
    assert all(finding.message.startswith(f"1 of 2 radiographs are of the split '{split}'") for finding in found)


def test_a_split_csv_that_contradicts_the_table(tmp_path: Path) -> None:
    for number in range(3):
        path = tmp_path / "BTXRD" / "images" / f"{number}.jpeg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    table = "image_id,tumor,benign,malignant\n0.jpeg,1,1,0\n1.jpeg,1,0,1\n2.jpeg,0,0,0\n"
    (tmp_path / "BTXRD" / "dataset.csv").write_text(table)
    split = tmp_path / "split.csv"
    split.write_text("image_id,split,label\n0.jpeg,test,Malignant\n1.jpeg,test,malignant\n2.jpeg,test,\n")
    collection = collect([str(tmp_path / "BTXRD")], split_csv=split)
    (finding,) = collection.findings
    assert finding.code == "label-disagrees"
    assert finding.message == "'0.jpeg' is Malignant in the split CSV, and Benign in the data set's table"
    assert finding.images == ("0.jpeg",)
    split.write_text("image_id,split,label\n0.jpeg,test,BENIGN\n1.jpeg,test,malignant\n2.jpeg,test,\n")
    assert not collect([str(tmp_path / "BTXRD")], split_csv=split).findings


# a table of something else


def test_settings_that_the_table_was_not_made_with(
    row: Callable[..., Prediction], tmp_path: Path, make_table: Callable[..., None]
) -> None:
    make_table(tmp_path / "t.parquet", NAMES, [row(0)])
    provenance = open_table(tmp_path / "t.parquet").provenance

    def found(**sections: dict[str, Any]) -> list[str]:
        return [str(finding) for finding in setting_findings(Settings.model_validate(sections), provenance)]

    (text,) = found(gradcam={"method": "layercam"}, model={"class_names": ["Benign", "Malignant", "Normal"]})
    assert "class_names is Benign,Malignant,Normal, the table has Normal,Benign,Malignant" in text
    assert "method is layercam, the table has gradcam" in text
    (text,) = found(preprocess={"image_size": 64})
    assert "preprocess.image_size is 64, the table has 32" in text
    (text,) = found(model={"activation": "sigmoid", "factory": "mine:build"})
    assert "factory is mine:build, the table has resnet18" in text
    assert "activation is sigmoid, the table has softmax" in text
    assert not found()
    assert not found(model={"activation": "softmax"})
    assert not found(
        preprocess={"image_size": 32}, model={"class_names": list(NAMES)}, gradcam={"target_layer": "auto"}
    )


def test_what_was_asked_for_may_differ_from_what_the_checkpoint_made_of_it(
    row: Callable[..., Prediction], tmp_path: Path, make_table: Callable[..., None]
) -> None:
    make_table(tmp_path / "t.parquet", NAMES, [row(0)])
    made = open_table(tmp_path / "t.parquet").provenance
    provenance = replace(made, request={**made.request, "preprocess": {"image_size": 64}})
    assert not list(setting_findings(Settings.model_validate({"preprocess": {"image_size": 64}}), provenance))


def test_images_and_labels_of_another_data_set(
    row: Callable[..., Prediction], tmp_path: Path, make_table: Callable[..., None]
) -> None:
    """Files of the same names: 3 bytes instead of 2 for the last one, another label for the first."""
    sizes = {0: b"", 1: b"1", 2: b"222"}
    for number, content in sizes.items():
        path = tmp_path / "images" / f"IMG{number:06d}.jpeg"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
    make_table(tmp_path / "t.parquet", NAMES, [row(0, "Normal"), row(1, "Benign"), row(2)])
    records = collect([str(tmp_path / "images")]).records
    records = [replace(record, label="Benign") for record in records]
    found = list(image_findings(records, open_table(tmp_path / "t.parquet").index(), "t.parquet"))
    assert [finding.code for finding in found] == ["table-of-other-images", "table-of-other-labels"]
    assert "1 radiograph of 3" in found[0].message
    assert "'IMG000002.jpeg'" in found[0].message
    assert "'IMG000000.jpeg'" in found[1].message
    assert "'IMG000001.jpeg'" not in found[1].message
