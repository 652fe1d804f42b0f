"""The commands on a table whose classes do not exclude each other: by scikit-learn, and counted by hand."""

from __future__ import annotations

import hashlib
import json
import re
import shlex
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from jsonschema import Draft202012Validator
from PIL import Image
from sklearn.metrics import (
    average_precision_score,
    brier_score_loss,
    confusion_matrix,
    f1_score,
    hamming_loss,
    precision_score,
    recall_score,
    roc_auc_score,
    roc_curve,
)

from btxrd_explain.core.geometry import Size
from btxrd_explain.core.labels import truth_matrix
from btxrd_explain.errors import InputError
from btxrd_explain.inputs.split_csv import read_split_csv
from btxrd_explain.predictions.record import FileStamp
from btxrd_explain.predictions.table import open_table
from tests.support.command_line import run, told
from tests.support.labelme import write_labelme

if TYPE_CHECKING:
    from collections.abc import Callable

    from btxrd_explain.predictions.record import Prediction

pytestmark = pytest.mark.usefixtures("blank_figures")

NAMES = ("Fracture", "Effusion", "Mass", "Device")
LABELS = (
    "Fracture|Effusion",
    "Fracture",
    "No finding",
    "Fracture=1|Effusion=0|Mass=0|Device=1",
    "Fracture=0|Effusion=1",  # nothing is known of Mass and Device
    "Effusion|Mass",
    None,
    "Mass|Device|Fracture",
)
COUNT = 16


def _truth_by_hand() -> list[list[int]]:
    """What the labels say, -1 for unknown."""
    known = [[1, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0], [1, 0, 0, 1], [0, 1, -1, -1], [0, 1, 1, 0], [-1] * 4]
    return [*known, [1, 0, 1, 1]] * 2


@pytest.fixture(scope="module")
def made(
    tmp_path_factory: pytest.TempPathFactory, make_row: Callable[..., Prediction], make_table: Callable[..., None]
) -> Path:
    """Sixteen radiographs with a table, four classes with sigmoid; the first half is of test, the others are of val."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "images").mkdir()
    (folder / "Annotations").mkdir()
    random = np.random.default_rng(5)
    rows = []
    for number in range(COUNT):
        name = f"IMG{number:06d}.png"
        pixels = random.integers(0, 256, (6, 5), dtype=np.uint8)
        Image.fromarray(pixels).resize((60, 80), Image.Resampling.BICUBIC).save(folder / "images" / name)
        content = (folder / "images" / name).read_bytes()
        shapes = [_box("fracture", 5, 5, 25, 30), _box("effusion", 30, 40, 55, 75), _box("screw", 0, 60, 10, 70)]
        if number % 8 != 5:
            write_labelme(folder / "Annotations" / f"IMG{number:06d}.json", (80, 60), *shapes[: 1 + number % 3])
        facts = {
            "stamp": FileStamp(len(content), 1, hashlib.sha256(content).hexdigest()),
            "size": Size(80, 60),
            "split": "test" if number < COUNT // 2 else "val",
            "path": f"../images/{name}",
            "grids": random.random((4, 4, 3), dtype=np.float32),
        }
        rows.append(make_row(name, LABELS[number % 8], np.round(random.random(4), 1), **facts))
    (folder / "out").mkdir()
    make_table(folder / "out" / "predictions.parquet", NAMES, rows, multi_label=True)
    words = {-1: "", 0: "0", 1: "1"}
    lines = [
        ",".join([row.image_id, row.split or "", *(words[truth] for truth in truths)])
        for row, truths in zip(rows, _truth_by_hand(), strict=True)
    ]
    (folder / "findings.csv").write_text("\n".join([f"image_id,split,{','.join(NAMES)}", *lines]))
    return folder


def _box(label: str, left: int, top: int, right: int, bottom: int) -> tuple[str, list[list[int]]]:
    return label, [[left, top], [right, top], [right, bottom], [left, bottom]]


def _report(command: str, *arguments: object) -> dict[str, Any]:
    document: dict[str, Any] = told(command, *arguments)
    return document


def test_labels_say_what_was_read_by_hand() -> None:
    np.testing.assert_array_equal(truth_matrix(LABELS * 2, NAMES), _truth_by_hand())


@pytest.fixture(scope="module")
def performance(made: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return _report(
        "performance", "--predictions", made / "out" / "predictions.parquet", "-o", tmp_path_factory.mktemp("p")
    )


def test_each_class_is_scored_as_scikit_learn_scores_it(made: Path, performance: dict[str, Any]) -> None:
    rows = open_table(made / "out" / "predictions.parquet").index()
    truth, macro = np.array(_truth_by_hand()), {}
    for index, name in enumerate(NAMES):
        known = truth[:, index] >= 0
        true, scores = truth[known, index], rows.probabilities[known, index]
        said, part = scores >= 0.5, performance["per_class"][name]
        wanted = {
            "auroc": roc_auc_score(true, scores),
            "average_precision": average_precision_score(true, scores),
            "sensitivity": recall_score(true, said),
            "specificity": recall_score(1 - true, ~said),
            "precision": precision_score(true, said),
            "npv": precision_score(1 - true, ~said),
            "f1": f1_score(true, said),
        }
        assert {key: part[key]["mean"] for key in wanted} == pytest.approx(wanted, abs=1e-12)
        brier = brier_score_loss(true, scores.astype(np.float64))
        assert part["calibration"]["brier"]["mean"] == pytest.approx(brier, abs=1e-12)
        assert sum(each["n"] for each in part["calibration"]["bins"]) == part["known"] == known.sum()
        tn, fp, fn, tp = confusion_matrix(true, said).ravel().tolist()
        assert [part[key] for key in ("TP", "FN", "FP", "TN")] == [tp, fn, fp, tn]
        assert part["unknown"] == COUNT - known.sum() - performance["excluded"]["no known true class"]
        macro[name] = wanted | {"brier": brier}
    for key, found in performance["macro"].items():
        assert found["mean"] == pytest.approx(np.mean([scores[key] for scores in macro.values()]), abs=1e-12)
        assert (found["classes"], found["low"] <= found["mean"] <= found["high"]) == (4, True)


def test_what_is_not_defined_is_null_with_a_reason(made: Path, performance: dict[str, Any]) -> None:
    assert performance["accuracy"] is None
    assert performance["confusion"] is None
    assert set(performance["not_defined"]) == {"accuracy", "confusion"}
    rows = open_table(made / "out" / "predictions.parquet").index()
    truth = np.array(_truth_by_hand())
    whole, said = (truth >= 0).all(axis=1), rows.probabilities >= 0.5
    assert performance["subset_accuracy"]["mean"] == np.mean((said == truth)[whole].all(axis=1))
    assert performance["subset_accuracy"]["n"] == 12
    known = truth >= 0
    assert performance["hamming_loss"]["mean"] == pytest.approx(hamming_loss(truth[known], said[known]), abs=1e-12)
    assert (performance["num_images"], performance["excluded"]) == (14, {"no known true class": 2})


def test_the_report_is_what_its_schema_describes(performance: dict[str, Any]) -> None:
    folder = Path(__file__).parents[2] / "docs" / "reference"
    schema = json.loads((folder / "performance-multi-label.schema.json").read_text("utf-8"))
    Draft202012Validator.check_schema(schema)
    Draft202012Validator(schema).validate(performance)


def test_thresholds_are_set_per_class_and_compared_as_the_table_holds_them(made: Path, tmp_path: Path) -> None:
    table = made / "out" / "predictions.parquet"
    found = _report("performance", "--predictions", table, "-o", tmp_path, "--decision-threshold", "0.7, mass=0.2")
    rows, truth = open_table(table).index(), np.array(_truth_by_hand())
    for index, (name, threshold) in enumerate(zip(NAMES, (0.7, 0.7, 0.2, 0.7), strict=True)):
        said = rows.probabilities[:, index] >= np.float32(threshold)  # 0.7 of the table is below that of a double
        part = found["per_class"][name]
        assert part["threshold"] == threshold
        assert part["TP"] == np.sum(said & (truth[:, index] == 1))
        assert part["FP"] == np.sum(said & (truth[:, index] == 0))
    result = run("performance", "--predictions", table, "-o", tmp_path, "--decision-threshold", "Cyst=0.2", code=2)
    assert "'Cyst'" in result.stderr


def test_thresholds_are_tuned_on_other_radiographs_by_the_youden_index(made: Path, tmp_path: Path) -> None:
    table, split = made / "out" / "predictions.parquet", made / "findings.csv"
    own = ("--predictions", table, "--split-csv", split, "-o", tmp_path)
    tuned = ("--decision-tune-on", split, "--decision-tune-split")
    found = _report("performance", *own, "--split", "test", *tuned, "val")
    rows, truth = open_table(table).index()[8:], np.array(_truth_by_hand())[8:]
    assert (found["tuned_on"]["split"], found["tuned_on"]["images"]) == ("val", 8)
    for index, name in enumerate(NAMES):
        known = truth[:, index] >= 0
        false, true, thresholds = roc_curve(truth[known, index], rows.probabilities[known, index])
        best = int(np.argmax(true - false))
        index_of_best = (true - false)[best]
        assert found["per_class"][name]["threshold"] == (thresholds[best] if index_of_best > 0 else 0.5)
        assert found["tuned_on"]["values"].get(name, 0) == pytest.approx(index_of_best)
    result = run("performance", *own, "--split", "test", *tuned, "test", code=4)
    assert "among those that are scored" in result.stderr


def test_labels_without_a_lesion_are_a_setting(made: Path, tmp_path: Path, make_table: Callable[..., None]) -> None:
    """A label that is not a class says that none is true where the settings say so, and nothing elsewhere."""
    rows = list(open_table(made / "out" / "predictions.parquet").rows())[:8]
    labels = ["Controls"] * 3 + ["Mass|Device"] * 5
    places = [f"{made}/images/{row.image_id}" for row in rows]
    changed = [replace(row, label=label, path=at) for row, label, at in zip(rows, labels, places, strict=True)]
    make_table(tmp_path / "predictions.parquet", NAMES, changed, multi_label=True)
    for flags, known in (((), 5), (("--set", "data.no_lesion_classes=[Controls]"), 8)):
        own = ("--predictions", tmp_path / "predictions.parquet", "-o", tmp_path, *flags)
        found = _report("performance", *own)["per_class"]["Fracture"]
        assert sum(found[part] for part in ("TP", "FP", "FN", "TN")) == known
        run("annotate-iou", *own, "--annotations", made / "Annotations", "--no-baselines")
        table = pq.read_table(tmp_path / "annotation_metrics.parquet").to_pylist()
        reasons = [image["excluded"] for image in table if image["image_id"] < "IMG000003"]
        assert set(reasons) == {"none of the classes is true" if known == 8 else "no known true class"}


@pytest.mark.usefixtures("drawn_figures")
def test_galleries_show_each_class_by_its_probability(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("BTXRD_EXPLAIN_GRADCAM__EXAMPLES_PER_CLASS")
    found = _report("gallery", "--predictions", made / "out" / "predictions.parquet", "-o", tmp_path)
    schema = Path(__file__).parents[2] / "docs" / "reference" / "gallery.schema.json"
    Draft202012Validator(json.loads(schema.read_text("utf-8"))).validate(found)
    rows, truth = open_table(made / "out" / "predictions.parquet").index(), np.array(_truth_by_hand())
    for index, name in enumerate(NAMES):
        part, scores = found["classes"][name], rows.probabilities[:, index].astype(float)
        members = {
            "TP": [(-scores[row], row) for row in range(COUNT) if truth[row, index] == 1 and scores[row] >= 0.5],
            "FP": [(-scores[row], row) for row in range(COUNT) if truth[row, index] == 0 and scores[row] >= 0.5],
            "FN": [(scores[row], row) for row in range(COUNT) if truth[row, index] == 1 and scores[row] < 0.5],
        }
        for outcome, expected in members.items():
            shown = [each["image_id"] for each in part[outcome]["shown"]]
            assert shown == [rows[row].image_id for _, row in sorted(expected)[: len(shown)]]
            assert len(shown) == min(3, len(expected))
            assert part[outcome]["available"] == len(expected)
            assert all(each["maps"] == [name] for each in part[outcome]["shown"])
        assert part["TN"] == sum(truth[row, index] == 0 and scores[row] < 0.5 for row in range(COUNT))
        assert part["unknown"] == sum(truth[:, index] < 0)
        assert (tmp_path / part["figure"]).stat().st_size > 10_000
    example = found["classes"]["Mass"]["FN"]["shown"] + found["classes"]["Mass"]["TP"]["shown"]
    assert example[0]["true"] in {"Effusion|Mass", "Fracture|Mass|Device"}
    assert example[0]["confidence"] is None


@pytest.mark.usefixtures("drawn_figures")
def test_heat_maps_are_compared_class_by_class(made: Path, tmp_path: Path) -> None:
    """One row per radiograph and true class, each against the lesions of that class alone."""
    labels = ("--label-map", "fracture=Fracture,effusion=Effusion,screw=ignore")
    arguments = ("--predictions", made / "out" / "predictions.parquet", "-o", tmp_path, *labels, "--no-baselines")
    found = _report("annotate-iou", *arguments)
    names = sorted(NAMES)
    true = [[name for name in names if row[NAMES.index(name)] == 1] for row in _truth_by_hand()]
    table = pq.read_table(tmp_path / "annotation_metrics.parquet").to_pylist()
    rows = open_table(made / "out" / "predictions.parquet")
    expected = [(n, name) for n, of in enumerate(true) for name in of or [""]]
    assert [(row["image_id"], row["target_class"]) for row in table] == [
        (f"IMG{number:06d}.png", name or None) for number, name in expected
    ]
    by_hand = {}
    for row, (number, name) in zip(table, expected, strict=True):
        drawn = {"Fracture": True, "Effusion": number % 3 >= 1}.get(name, False)
        if not name:
            unknown = LABELS[number % 8] is None
            assert row["excluded"] == ("no known true class" if unknown else "none of the classes is true")
        elif number % 8 == 5:
            assert row["excluded"] == "no annotation file"
        elif not drawn:
            assert row["excluded"] == "annotation without a lesion"
        else:
            probability = rows.index().probabilities[number, NAMES.index(name)]
            outcome = "TP" if probability >= 0.5 else "FN"
            assert (row["class"], row["outcome"], row["confidence"]) == (name, outcome, None)
            assert row["target_probability"] == pytest.approx(float(probability))
            by_hand[number, name] = _iou_by_hand(made, number, name)
            assert row["iou"] == pytest.approx(by_hand[number, name], abs=1e-9)
    for name in ("Fracture", "Effusion"):
        part = found["summary"]["by_class"][name]
        assert part["mean_iou"] == pytest.approx(np.mean([iou for (_, of), iou in by_hand.items() if of == name]))
    overall = found["summary"]["overall"]
    assert (overall["n"], overall["units"]) == (len(by_hand), len({number for number, _ in by_hand}))
    assert any("once for each class" in limit for limit in found["limits"])
    assert (tmp_path / "annotation_comparison.png").stat().st_size > 10_000


def _iou_by_hand(made: Path, number: int, name: str) -> float:
    """Return the IoU of a class's heat map, min-max scaled and cut at 0.5, and the box of its lesion."""
    (row,) = open_table(made / "out" / "predictions.parquet").rows([f"IMG{number:06d}.png"])
    assert row.grids is not None
    grid = row.grids[NAMES.index(name)]
    heat = torch.nn.functional.interpolate(torch.tensor(grid)[None, None], (80, 60), mode="bilinear")[0, 0].numpy()
    region = (heat - heat.min()) / (heat.max() - heat.min()) >= 0.5
    left, top, right, bottom = {"Fracture": (5, 5, 25, 30), "Effusion": (30, 40, 55, 75)}[name]
    mask = np.zeros((80, 60), bool)
    mask[top : bottom + 1, left : right + 1] = True  # LabelMe's polygons hold their border
    return float((region & mask).sum() / (region | mask).sum())


def test_predicted_classes_are_those_above_their_thresholds(made: Path, tmp_path: Path) -> None:
    arguments = ("--predictions", made / "out" / "predictions.parquet", "-o", tmp_path, "--no-baselines")
    found = _report("annotate-iou", *arguments, "--target-class", "predicted", "--decision-threshold", "0.8")
    truth, rows = np.array(_truth_by_hand()), open_table(made / "out" / "predictions.parquet").index()
    said = rows.probabilities >= np.float32(0.8)
    outcomes = {1: "TP", 0: "FP", -1: None}
    expected = [
        (rows[n].image_id, name, outcomes[truth[n, NAMES.index(name)]])
        for n in range(COUNT)
        for name in sorted(NAMES)
        if said[n, NAMES.index(name)]
    ]
    table = pq.read_table(tmp_path / "annotation_metrics.parquet").to_pylist()
    shown = [(row["image_id"], row["target_class"], row["outcome"]) for row in table if row["target_class"]]
    assert shown == expected
    nothing = [row for row in table if not row["target_class"]]
    assert {row["excluded"] for row in nothing} == {"none of the classes is predicted"}
    assert len(nothing) == np.sum(~said.any(axis=1))
    assert {image["target_class"] for image in found["per_image"]} <= set(NAMES)


def test_the_page_tells_all_classes_of_a_radiograph(made: Path, tmp_path: Path) -> None:
    run("report", "--predictions", made / "out" / "predictions.parquet", "-o", tmp_path, "--layout", "file")
    page = (tmp_path / "report.html").read_text("utf-8")
    data = json.loads(page.partition('id="report-data">')[2].partition("</script>")[0])
    first = data["rows"][0]
    said = (open_table(made / "out" / "predictions.parquet").index().probabilities[0] >= 0.5).tolist()
    assert set(first["true_classes"]) == {"Fracture", "Effusion"}
    assert set(first["predicted_classes"]) == {name for name, one in zip(NAMES, said, strict=True) if one}
    assert data["rows"][6]["label"] is None  # nothing is known of it
    assert data["rows"][2]["label"] == "none"
    assert (data["multi_label"], first["confidence"]) == (True, None)
    found = {one["label"]: one["estimate"]["mean"] for one in data["tiles"]}
    assert "Accuracy" not in found
    measured = _report("performance", "--predictions", made / "out" / "predictions.parquet", "-o", tmp_path)
    assert found["Mean AUROC"] == measured["macro"]["auroc"]["mean"]
    assert found["Right in all classes"] == measured["subset_accuracy"]["mean"]
    by_name = {part["name"]: part for part in data["performance"]}
    assert by_name["Mass"]["auroc"]["mean"] == measured["per_class"]["Mass"]["auroc"]["mean"]
    missed = [truth == 1 and not one for truth, one in zip(_truth_by_hand()[0], said, strict=True)]
    alarms = [truth == 0 and one for truth, one in zip(_truth_by_hand()[0], said, strict=True)]
    outcomes = {(0, 0): "correct", (1, 0): "missed", (0, 1): "false alarm", (1, 1): "wrong class"}
    assert first["outcome"] == outcomes[any(missed), any(alarms)]


def test_the_commands_of_its_page_run(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(made, tmp_path / "work")
    monkeypatch.chdir(tmp_path / "work")
    page = (Path(__file__).parents[2] / "docs" / "howto" / "several-findings.md").read_text("utf-8")
    blocks = "".join(re.findall(r"```bash\n(.*?)```", page, flags=re.DOTALL))
    commands = blocks.splitlines()
    assert len(commands) == 6
    for command in commands:
        run(*shlex.split(command)[1:])


def test_tables_are_compared_by_true_class(made: Path, tmp_path: Path) -> None:
    first, other = made / "out" / "predictions.parquet", tmp_path / "out" / "predictions.parquet"
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    table = pq.read_table(other)
    document = json.loads(table.schema.metadata[b"btxrd_explain"])
    document["method"] = "layercam"
    pq.write_table(table.replace_schema_metadata({b"btxrd_explain": json.dumps(document).encode()}), other)
    found = _report("compare", first, other, "-o", tmp_path)
    assert {of["difference"] and of["difference"]["iou"]["mean"] for of in found["tables"].values()} == {None, 0.0}
    true = [sum(truth == 1 for truth in truths) for truths in _truth_by_hand()]
    assert found["n"] == sum(count for number, count in enumerate(true) if number % 8 != 5)
    result = run("compare", first, other, "-o", tmp_path, "--target-class", "predicted", code=2)
    assert "cannot be paired" in result.stderr


@pytest.fixture
def of_one_class(tmp_path: Path, make_row: Callable[..., Prediction], make_table: Callable[..., None]) -> Path:
    """A table of a network that predicts one class, of which two labels say more."""
    labels = ("Fracture", "Effusion", "Fracture|Effusion", "Fracture=1|Effusion=0")
    rows = [make_row(f"IMG{n:06d}.png", label, (0.7, 0.3)) for n, label in enumerate(labels)]
    make_table(tmp_path / "predictions.parquet", ("Fracture", "Effusion"), rows)
    return tmp_path


def test_labels_of_several_classes_for_one_prediction_are_a_warning(of_one_class: Path) -> None:
    found = _report("performance", "-o", of_one_class)
    (warning,) = [each for each in found["warnings"] if each["code"] == "labels-of-several-classes"]
    assert "2 radiographs of 4" in warning["message"]
    assert (found["num_images"], found["excluded"]) == (2, {"no known true class": 2})
    assert "multi_label" not in found
    assert "npv" not in found["per_class"]["Fracture"]
    result = run("performance", "-o", of_one_class, "--decision-threshold", "0.3", code=2)
    assert "exclude each other" in result.stderr


def test_a_word_that_is_no_class_makes_nothing_negative(
    tmp_path: Path, make_row: Callable[..., Prediction], make_table: Callable[..., None]
) -> None:
    rows = [make_row(f"IMG{n:06d}.png", label, (0.7, 0.3)) for n, label in enumerate(("a|b", "a|bee", "none", "b"))]
    make_table(tmp_path / "predictions.parquet", ("a", "b"), rows, multi_label=True)
    found = _report("performance", "-o", tmp_path)
    assert "labels-unknown" in [each["code"] for each in found["warnings"]]
    assert {name: (part["n"], part["unknown"]) for name, part in found["per_class"].items()} == {
        "a": (2, 0),
        "b": (2, 1),
    }


def test_columns_that_say_something_else_are_refused_or_not_taken(tmp_path: Path) -> None:
    path = tmp_path / "split.csv"
    path.write_text("image_id,split,Fracture,view,Effusion\na.png,test,1,AP,-1\nb.png,test,0.0,PA,1\nc.png,test,,PA,\n")
    labels = [row.label for row in read_split_csv(path).rows]
    assert labels == ["Fracture=1", "Fracture=0|Effusion=1", None]
    assert "1 cells of -1" in read_split_csv(path).notes[0]
    with pytest.raises(InputError, match="line 2: 'view' is 'ap'"):
        read_split_csv(path, ["view", "Fracture"])
    with pytest.raises(InputError, match="no column label"):
        read_split_csv(path, ["Mass"])


def test_infer_lists_the_classes_that_are_probable(made: Path) -> None:
    table = open_table(made / "out" / "predictions.parquet")
    row, probabilities = table.index()[4], table.index().probabilities[4].tolist()
    document = row.document(NAMES, multi_label=True)
    said = [name for name, probability in zip(NAMES, probabilities, strict=True) if probability >= 0.5]
    assert (document["class"], document["confidence"]) == (said, None)
    assert document["labels"] == {"Fracture": False, "Effusion": True, "Mass": None, "Device": None}
    assert row.document(NAMES).keys() == document.keys() - {"labels"}


def test_check_counts_an_image_for_each_of_its_classes(made: Path, tmp_path: Path) -> None:
    found = _report(
        "check", made / "images", "--split-csv", made / "findings.csv", "-o", tmp_path, "--fail-on", "never"
    )
    half = _truth_by_hand()[:8]
    counts = {name: sum(truths[index] == 1 for truths in half) for index, name in enumerate(NAMES)}
    assert found["splits"]["test"] == counts | {"": 1, "none": 1}
