"""Heat maps of the classes that are asked for: the same grids, fewer of them, and no gradient of any other class."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import timm
import torch
from torch import nn

import btxrd_explain as bx
from btxrd_explain.core.explained_classes import ExplainedClasses, resolve
from btxrd_explain.core.geometry import Size
from btxrd_explain.core.heatmap import MapStatus
from btxrd_explain.errors import TableError
from btxrd_explain.model.any_network import generate_gradcam
from btxrd_explain.model.engine import explain
from btxrd_explain.model.layers import find_target_layers
from btxrd_explain.predictions.store import write_table
from btxrd_explain.predictions.table import open_table
from tests.support.command_line import run, said
from tests.support.small_table import PROVENANCE, make_row
from tests.support.tiny_study import write_study

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("blank_figures")

MANY = tuple(f"Class {number:03d}" for number in range(60))
ABSENT = MapStatus.NOT_COMPUTED


# What is asked for.


def test_up_to_20_classes_are_all_explained_and_more_are_not() -> None:
    assert resolve(None, MANY[:20]) == ("all",)
    assert resolve(None, MANY[:21]) == ("predicted", "true")
    assert resolve(["CLASS 003", "predicted"], MANY) == ("Class 003", "predicted")
    assert resolve(["all", "Class 003"], MANY) == ("all",)
    with pytest.raises(ValueError, match="'Class 3' is none of all, predicted, true and the classes"):
        resolve(["Class 3"], MANY)


@pytest.mark.parametrize(
    ("wanted", "true", "classes", "slots"),
    [
        (("all",), [1], [0, 1, 2], 3),
        (("predicted", "true"), [1], [1, 2], 2),
        (("predicted", "true"), [2], [2], 2),
        (("predicted", "true"), [], [2], 2),
        (("true",), [], [], 1),
        (("a", "predicted"), [], [0, 2], 2),
    ],
)
def test_the_classes_of_a_radiograph(wanted: tuple[str, ...], true: list[int], classes: list[int], slots: int) -> None:
    explained = ExplainedClasses(wanted, ("a", "b", "c"))
    assert (explained.of([2], true), explained.slots) == (classes, slots)


def test_of_classes_that_do_not_exclude_each_other_several_are_predicted_and_true() -> None:
    explained = ExplainedClasses(("predicted", "true"), ("a", "b", "c", "d"), multi_label=True)
    assert explained.slots == 4
    assert explained.of([3], explained.true_of("A|c")) == [0, 2, 3]
    assert explained.true_of("b=1|c=0") == [1]
    assert explained.lacks("a|c", (True, True, False, False))
    assert not explained.lacks("a|b", (True, True, False, False))
    assert not ExplainedClasses(("predicted", "true"), ("a", "b")).lacks("a|b", (False, False))
    assert ExplainedClasses(("a", "d"), ("a", "b", "c", "d"), multi_label=True).slots == 2


# The engine.


@pytest.fixture(scope="module")
def network() -> nn.Module:
    torch.manual_seed(0)
    made: nn.Module = timm.create_model("test_resnet", num_classes=5)
    return made.eval()


@pytest.mark.parametrize("method", ["gradcam", "eigencam", "fem", "finercam"])
def test_the_grids_are_those_of_all_classes(network: nn.Module, method: str) -> None:
    torch.manual_seed(1)
    batch = torch.randn(3, 3, 64, 64)
    layers = find_target_layers(network, input_size=Size(64, 64))
    chosen = [[4], [], [0, 3]]
    everything = explain(network, layers, batch, method=method)
    some = explain(network, layers, batch, method=method, choose=lambda _: chosen)
    np.testing.assert_array_equal(some.probabilities, everything.probabilities)
    assert some.grids.shape[1] == 2
    for image, classes in enumerate(chosen):
        for place, index in enumerate(classes):
            np.testing.assert_allclose(some.grids[image, place], everything.grids[image, index], atol=1e-6)
            assert some.statuses[image][index] is everything.statuses[image][index]
        assert np.isnan(some.grids[image, len(classes) :]).all()
        assert {some.statuses[image][index] for index in set(range(5)) - set(classes)} == {ABSENT}


def test_no_gradient_of_another_class_is_computed(network: nn.Module, monkeypatch: pytest.MonkeyPatch) -> None:
    passes: list[int] = []
    real = torch.autograd.grad

    def counted(*arguments: Any, **keywords: Any) -> Any:  # noqa: ANN401 -- as torch has it
        passes.append(1)
        return real(*arguments, **keywords)

    torch.manual_seed(1)
    batch = torch.randn(4, 3, 64, 64)
    layers = find_target_layers(network, input_size=Size(64, 64))
    monkeypatch.setattr(torch.autograd, "grad", counted)
    explain(network, layers, batch, choose=lambda _: [[0, 1], [2], [3, 4], [1]])
    assert len(passes) == 2  # one for each place, whatever classes the radiographs have there
    passes.clear()
    explain(network, layers, batch)
    assert len(passes) == 5


def test_a_single_heat_map_is_that_of_its_class(network: nn.Module) -> None:
    torch.manual_seed(2)
    image = torch.randn(1, 3, 64, 64)
    explained = bx.explain(network, image)
    whole = [index for index in range(5) if explained.statuses[0][index] is MapStatus.OK]
    assert whole  # of the others a warning says that they are empty
    for index in whole:
        np.testing.assert_array_equal(generate_gradcam(network, image, index), explained.heat_map(0, index).values)


# The table.


def _rows(explained: Sequence[str]) -> tuple[Any, list[Any]]:
    provenance = replace(PROVENANCE, class_names=("Normal", "Benign", "Malignant"), explain_classes=tuple(explained))
    grids = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    probabilities = np.array([0.25, 0.25, 0.5], np.float32)
    ok, broken = MapStatus.OK, MapStatus.NON_FINITE
    return provenance, [
        make_row(1, probabilities=probabilities, grids=grids, grid_statuses=(ok, ABSENT, ok)),
        make_row(2, probabilities=probabilities, grids=grids[1:], grid_statuses=(ABSENT, ABSENT, ok)),
        make_row(3, probabilities=probabilities, grids=grids * np.nan, grid_statuses=(ABSENT, broken, broken)),
    ]


def test_the_table_holds_the_grids_that_were_computed(tmp_path: Path) -> None:
    provenance, rows = _rows(["predicted", "true"])
    write_table(tmp_path / "p.parquet", provenance, rows)
    table = open_table(tmp_path / "p.parquet")
    assert table.parts[0].columns["grids"].shape == [2, 3, 4]
    first, second, third = table.rows()
    np.testing.assert_array_equal(first.grid(0), rows[0].grids[0])
    np.testing.assert_array_equal(first.grid(2), rows[0].grids[1])
    np.testing.assert_array_equal(second.grid(2), rows[1].grids[0])
    assert first.grid(1) is None
    assert second.grid(0) is None
    undefined = third.grid(1)
    assert undefined is not None
    assert np.isnan(undefined).all()
    assert table.provenance.explain_classes == ("predicted", "true")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"grid_statuses": (MapStatus.OK,) * 3}, "has more than 2 grids"),
        ({"grids": np.full((2, 3, 4), np.nan, np.float32)}, "grids are not finite"),
    ],
)
def test_a_table_that_contradicts_itself_is_damaged(tmp_path: Path, changed: dict[str, Any], message: str) -> None:
    provenance, rows = _rows(["predicted", "true"])
    write_table(tmp_path / "p.parquet", provenance, [replace(rows[0], **changed)])
    with pytest.raises(TableError, match=message):
        list(open_table(tmp_path / "p.parquet").rows())


# The commands, with a network of 60 classes.


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_study(tmp_path_factory.mktemp("many"), side=64, names=MANY, labels=MANY[:42:7])


def _said(folder: Path, *arguments: object, code: int = 0) -> str:
    return said(*arguments, "--split-csv", folder / "split.csv", "-o", folder / "out", code=code)


@pytest.fixture(scope="module")
def computed(folder: Path) -> str:
    return _said(folder, "infer", folder / "images", "--checkpoint", folder / "best.pt")


def test_the_predicted_and_the_true_class_are_explained_and_said_to_be(folder: Path, computed: str) -> None:
    assert "heat maps of the predicted class and the true class alone, of 60 classes: --explain-classes all" in computed
    assert "the 20 most frequent of 60 classes are shown" in computed
    for number, row in enumerate(open_table(folder / "out" / "predictions.parquet").rows()):
        there = {index for index, here in enumerate(row.computed) if here}
        assert there == {row.predicted, 7 * number}
        assert row.grids is not None
        assert len(row.grids) == len(there)


@pytest.mark.usefixtures("computed")
@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("gallery", "--dpi", 50), "galleries of the 20 classes with the most examples, of 60 classes"),
        (("annotate-iou", "--dpi", 50, "--panels", 1), "mean IoU"),
        (("performance", "--dpi", 50), "accuracy"),
        (("report",), "report.html"),
        (("export", "--to", "npz", "--classes", "all"), "export"),
        (("export", "--to", "labelme"), "export"),
    ],
)
def test_the_commands_work_on_it(folder: Path, command: tuple[object, ...], said: str) -> None:
    assert said.casefold() in _said(folder, *command).casefold()


@pytest.mark.usefixtures("computed")
def test_the_galleries_are_of_the_classes_with_examples(folder: Path) -> None:
    _said(folder, "gallery", "--dpi", 50)
    drawn = json.loads((folder / "out" / "gallery.json").read_text())["classes"]
    rows = list(open_table(folder / "out" / "predictions.parquet").rows())
    assert {row.label for row in rows} | {MANY[row.predicted or 0] for row in rows} <= drawn.keys()
    assert len(drawn) == 20


def test_all_true_classes_of_a_radiograph_are_explained(folder: Path, tmp_path: Path) -> None:
    """A network with sigmoid says several classes of one radiograph: their maps are all there, and are measured."""
    label = "Class 007|Class 041"
    (tmp_path / "several.csv").write_text(f"image_id,split,label\n0.png,test,{label}\n1.png,test,Class 003\n")
    wanted = ("--split-csv", tmp_path / "several.csv", "-o", tmp_path, "-c", folder / "best.pt")
    result = run("infer", folder / "images", *wanted)
    assert "the true classes alone, of 60 classes" in " ".join(result.output.split())
    first, second = open_table(tmp_path / "predictions.parquet").rows()
    for row, true in ((first, {7, 41}), (second, {3})):
        assert row.probabilities is not None
        said = {index for index, probability in enumerate(row.probabilities) if probability >= 0.5}
        assert {index for index, here in enumerate(row.computed) if here} == true | said | {row.predicted}
    result = run("annotate-iou", folder / "images", "--json", "--dpi", 50, *wanted)
    reasons = {image["image_id"]: image["reason"] for image in json.loads(result.stdout)["excluded_images"]}
    assert not reasons.keys() & {"0.png", "1.png"}


@pytest.mark.usefixtures("computed")
def test_what_was_not_computed_says_what_to_do(folder: Path) -> None:
    predictions = bx.read_predictions(folder / "out" / "predictions.parquet")
    with pytest.raises(ValueError, match=r"'Class 059' of '0\.png' was not computed; run infer with explain_classes="):
        predictions.heatmap("0.png", "Class 059")


@pytest.mark.usefixtures("computed")
def test_a_new_true_class_is_computed_anew(folder: Path) -> None:
    text = (folder / "split.csv").read_text()
    (folder / "split.csv").write_text(text.replace("3.png,test,Class 021", "3.png,test,Class 055"))
    said = _said(folder, "infer", folder / "images", "--checkpoint", folder / "best.pt")
    (folder / "split.csv").write_text(text)
    assert "1 relabelled image" in said
    rows = {row.image_id: row for row in open_table(folder / "out" / "predictions.parquet").rows()}
    assert rows["3.png"].computed[55]


def test_other_classes_are_another_table(folder: Path, computed: str) -> None:
    assert computed
    infer = ("infer", folder / "images", "--checkpoint", folder / "best.pt", "--explain-classes")
    assert "explain_classes changed from nothing to" in _said(folder, *infer, "class 001,predicted")
    assert "'Clas 001' is none of all, predicted, true and the classes" in _said(folder, *infer, "Clas 001", code=2)
