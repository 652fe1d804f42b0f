"""``btxrd-explain layers``: from a checkpoint or a name, with the ceiling of each grid."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import timm
import torch
from PIL import Image

from btxrd_explain.commands import layers as workflow
from btxrd_explain.core.ceiling import ceiling_iou, reference_lesions
from btxrd_explain.core.choices import ResizeMode
from btxrd_explain.core.geometry import Frame, Size
from btxrd_explain.inputs.annotation_file import read_annotation
from btxrd_explain.inputs.radiograph import read_radiograph
from btxrd_explain.settings import load_settings
from tests.support.command_line import run
from tests.support.labelme import write_labelme
from tests.support.tiny_study import save_network

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

INPUT = Size(224, 224)
BTXRD = {7: 0.42, 10: 0.55, 12: 0.60, 19: 0.72}
"""Mean ceiling of the IoU at 0.5 over all annotations of BTXRD, by the side of the grid."""


def _ceiling(mask: NDArray[np.bool_], side: int) -> float:
    frame = Frame.fit(Size(*mask.shape), INPUT, ResizeMode.SQUASH)
    iou = ceiling_iou(mask, frame, Size(side, side))
    assert iou is not None
    return iou


def test_the_reference_population_has_the_size_and_the_ceilings_of_btxrd() -> None:
    masks = list(reference_lesions())
    assert np.median([mask.mean() for mask in masks]) == pytest.approx(0.018, rel=0.1)
    for side, expected in BTXRD.items():
        assert np.mean([_ceiling(mask, side) for mask in masks]) == pytest.approx(expected, abs=0.04)


def test_the_reference_population_behaves_like_ten_real_lesions(real_data: Path) -> None:
    """Each real lesion is compared with the 20 made-up ones nearest to it in size."""
    made_up = list(reference_lesions(400, seed=1))
    shares = np.array([mask.mean() for mask in made_up])
    neighbours = []
    for path in sorted((real_data / "btxrd_sample" / "Annotations").glob("*.json")):
        (image,) = (real_data / "btxrd_sample" / "images").glob(f"{path.stem}.*")
        mask = read_annotation(path, read_radiograph(image).size).mask
        neighbours.append((mask, np.argsort(np.abs(np.log(shares / mask.mean())))[:20]))
    assert len(neighbours) == 10
    near = np.unique(np.concatenate([nearest for _, nearest in neighbours]))
    for side in BTXRD:
        ceilings = {number: _ceiling(made_up[number], side) for number in near}
        differences = [
            _ceiling(mask, side) - np.mean([ceilings[number] for number in nearest]) for mask, nearest in neighbours
        ]
        assert abs(np.mean(differences)) < 0.08, side


def test_the_population_is_reproducible_and_never_empty() -> None:
    first, second = (list(reference_lesions(30, seed=5)) for _ in range(2))
    assert all(mask.any() for mask in first)
    assert all((one == other).all() for one, other in zip(first, second, strict=True))


def test_the_ceiling_of_a_lesion_of_whole_cells_is_one() -> None:
    mask = np.zeros((64, 64), dtype=bool)
    mask[16:32, 32:48] = True
    frame = Frame.fit(Size(64, 64), INPUT, ResizeMode.SQUASH)
    assert ceiling_iou(mask, frame, Size(64, 64)) == 1
    coarse, fine = (ceiling_iou(mask, frame, Size(side, side)) for side in (4, 16))
    assert coarse is not None
    assert fine is not None
    assert 0.5 < coarse < fine < 1


@pytest.mark.parametrize("mask", [np.zeros((8, 8), bool), np.ones((8, 8), bool)])
def test_where_the_grid_tells_no_place_there_is_no_ceiling(mask: NDArray[np.bool_]) -> None:
    assert ceiling_iou(mask, Frame.fit(Size(8, 8), INPUT, ResizeMode.SQUASH), Size(2, 2)) is None


def _layers(*arguments: str) -> Any:  # noqa: ANN401 -- JSON
    result = run("layers", *arguments, "--json")
    return json.loads(result.stdout)


@pytest.fixture
def few_lesions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let ceilings be those of five lesions, for tests that do not look at them."""
    monkeypatch.setattr(workflow, "reference_lesions", lambda: reference_lesions(5))


def _chosen(document: Any) -> list[str]:  # noqa: ANN401 -- JSON
    return [layer["name"] for layer in document["layers"] if layer["chosen"]]


def test_an_architecture_by_its_name_has_random_weights_and_says_so() -> None:
    document = _layers("test_resnet", "--image-size", "96")
    assert document["architecture"] == "test_resnet"
    assert document["input_size"] == [96, 96]
    assert "the weights are random" in document["notes"][0]
    assert _chosen(document) == ["layer4"]
    ceilings = [layer["ceiling"] for layer in document["layers"]]
    assert ceilings == sorted(ceilings, reverse=True)
    assert document["lesions"] == "100 made-up lesions of the size of BTXRD's"


@pytest.mark.usefixtures("few_lesions")
def test_the_ceilings_are_those_of_smoothed_maps() -> None:
    plain, moved = (_layers("test_resnet", "--image-size", "96", "--smooth", smooth) for smooth in ("none", "shift2"))
    assert moved["notes"] == [*plain["notes"], "smooth shift2: ceilings are those of ideal maps averaged alike"]
    pairs = zip(plain["layers"], moved["layers"], strict=True)
    assert all(one["ceiling"] < other["ceiling"] for one, other in pairs)


@pytest.mark.usefixtures("few_lesions")
def test_a_head_of_zeros_is_filled(tmp_path: Path) -> None:
    """Some networks start with a head of zeros, so that before training no score depends on anything."""
    assert _chosen(_layers("gmlp_ti16_224", "--image-size", "64")) == ["norm"]
    network: Any = timm.create_model("gmlp_ti16_224", num_classes=3, img_size=64)
    assert not network.head.weight.any()
    path = tmp_path / "zeros.pt"
    content = {"state_dict": network.state_dict(), "class_names": ["a", "b", "c"]}
    torch.save(content | {"config": {"model": {"backbone": "gmlp_ti16_224"}, "data": {"image_size": 64}}}, path)
    result = run("layers", path, code=3)
    message = "scores do not depend on the image (the weights 'head.weight' are all zero): load a trained checkpoint"
    assert message in " ".join(result.output.split())


@pytest.mark.usefixtures("few_lesions")
def test_a_checkpoint_with_or_without_the_flag(tmp_path: Path) -> None:
    path = str(save_network(tmp_path / "best.pt"))
    named, flagged = _layers(path), _layers("--checkpoint", path)
    assert named == flagged
    assert named["input_size"] == [64, 64]
    known = ("the checkpoint says", "activation softmax", "the input is that of timm's test_resnet")
    assert all(note.startswith(known) for note in named["notes"])
    assert _chosen(_layers(path, "--target-layer", "layer2,layer3")) == ["layer2", "layer3"]


@pytest.mark.usefixtures("few_lesions")
def test_the_demos_classifier_has_a_name() -> None:
    assert _chosen(_layers("demo")) == _chosen(_layers("--checkpoint", "demo"))


@pytest.mark.parametrize(
    ("name", "code", "message"),
    [
        ("resnet1", 2, "timm has no architecture 'resnet1': did you mean"),
        ("resnet18x", 2, "timm has no architecture 'resnet18x': did you mean resnet18"),
        ("missing.pt", 3, "no checkpoint at 'missing.pt'"),
        ("folder/resnet18", 3, "no checkpoint at 'folder/resnet18'"),
    ],
)
def test_what_is_neither_file_nor_architecture(name: str, code: int, message: str) -> None:
    result = run("layers", name, code=code)
    assert message in " ".join(result.output.split())


def test_nothing_named() -> None:
    result = run("layers", code=2)
    assert "name a checkpoint or an architecture" in " ".join(result.output.split())


def test_named_annotations_take_the_place_of_made_up_ones(real_data: Path) -> None:
    root = real_data / "btxrd_sample"
    flags = {"data.images": str(root / "images"), "data.annotations": str(root / "Annotations")}
    settings = load_settings(None, flags | {"preprocess.image_size": "96"}, ()).settings
    result = workflow.run(settings, network="test_resnet")
    assert result.lesions == "10 annotated radiographs"
    ceilings = {layer.grid: layer.ceiling for layer in result.layers}
    expected = []
    for path in sorted((root / "Annotations").glob("*.json")):
        (image,) = (root / "images").glob(f"{path.stem}.*")
        expected.append(_ceiling(read_annotation(path, read_radiograph(image).size).mask, 12))
    assert ceilings[Size(12, 12)] == pytest.approx(np.mean(expected), abs=1e-6)


def test_a_broken_annotation_is_named_and_the_others_count(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "Annotations").mkdir()
    for number in range(2):
        Image.fromarray(np.zeros((60, 40), np.uint8)).save(tmp_path / "images" / f"{number}.png")
    bare = run("layers", "test_resnet", "--images", tmp_path / "images", code=4)
    assert "none of the radiographs is annotated: name the annotations with --annotations" in bare.output
    write_labelme(tmp_path / "Annotations" / "0.json", (60, 40), ("x", [[5, 5], [20, 5], [20, 30]]))
    (tmp_path / "Annotations" / "1.json").write_text("{broken")
    result = run("layers", "test_resnet", "--images", tmp_path / "images", "--json")
    assert "1.json" in result.stderr
    assert json.loads(result.stdout)["layers"][-1]["ceiling"] is not None
