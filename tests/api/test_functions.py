"""The seven functions, called as they are documented, and with what they cannot take."""

from __future__ import annotations

import inspect
from collections import OrderedDict
from itertools import count
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import btxrd_explain as library
from btxrd_explain.core.heatmap import DegenerateMapWarning
from btxrd_explain.errors import AnnotationError, OutputError
from tests.support.labelme import write_labelme
from tests.support.refusals import assert_refused

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

bx: Any = library  # what types forbid is called, too
HEAT = np.array([[0.0, 0.25], [0.5, 1.0]])
ONE_OUTPUT = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 1))

PROMISED = {
    "denormalize_tensor": ["tensor"],
    "generate_gradcam": ["model", "input_tensor", "target_class_idx"],
    "create_overlay": ["rgb_img", "heatmap"],
    "load_annotation_mask": ["ann_path", "target_size"],
    "compute_cam_iou": ["cam_heatmap", "annotation_mask", "threshold"],
    "select_examples": ["y_true", "y_pred", "y_prob", "class_idx", "k"],
    "build_gallery_grid": ["images", "titles", "rows", "cols", "output_path", "suptitle"],
}


@pytest.mark.parametrize("name", sorted(PROMISED))
def test_further_choices_are_keywords_only(name: str) -> None:
    parameters = inspect.signature(getattr(library, name)).parameters.values()
    positional = [each.name for each in parameters if each.kind is each.POSITIONAL_OR_KEYWORD]
    assert positional == PROMISED[name]
    assert {each.kind for each in parameters if each.name not in positional} <= {inspect.Parameter.KEYWORD_ONLY}


class Network(nn.Module):
    """A network that is not a sequence, which would run a declared layer twice."""

    def __init__(self, **attributes: Any) -> None:  # noqa: ANN401
        super().__init__()
        torch.manual_seed(1)
        self.body = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 4, 3, stride=2), nn.ReLU())
        self.head = nn.Linear(4, 2)
        for name, value in attributes.items():
            setattr(self, name, value)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        scores: torch.Tensor = self.head(self.body(images).mean(dim=(2, 3)))
        return scores


TENSOR = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))


def test_gradcam_takes_tensors_arrays_and_lists_alike() -> None:
    network = Network()
    heat = bx.generate_gradcam(model=network, input_tensor=TENSOR, target_class_idx=1)
    assert (heat.shape, heat.dtype, heat.min(), heat.max()) == ((8, 8), np.float32, 0, 1)
    for same in (TENSOR.numpy(), TENSOR.numpy().astype(np.float64), TENSOR.tolist(), TENSOR[0]):
        np.testing.assert_allclose(bx.generate_gradcam(network, same, 1), heat, atol=1e-6)
    np.testing.assert_array_equal(bx.generate_gradcam(network, TENSOR, torch.tensor(1)), heat)


def test_gradcam_is_taken_at_the_layer_that_the_model_declares() -> None:
    auto, early = Network(), bx.generate_gradcam(Network(), TENSOR, 0, target_layer="body.1")
    assert not np.array_equal(bx.generate_gradcam(auto, TENSOR, 0), early)
    np.testing.assert_array_equal(bx.generate_gradcam(Network(gradcam_target_layer="body.1"), TENSOR, 0), early)
    module = Network()
    module.gradcam_target_layer = module.body[1]
    np.testing.assert_array_equal(bx.generate_gradcam(module, TENSOR, 0), early)
    np.testing.assert_array_equal(bx.generate_gradcam(auto, TENSOR, 0, target_layer=auto.body[1]), early)
    for declared in (Network(gradcam_target_layer="body.1"), module):
        np.testing.assert_array_equal(bx.generate_gradcam(declared, TENSOR, 0, target_layer="auto"), early)
        np.testing.assert_array_equal(bx.explain(declared, TENSOR).heat_map(of_class=0).values, early)


def test_interventions_name_keywords_where_commands_name_flags() -> None:
    with pytest.raises(ValueError, match="give activation= sigmoid, or leave it out"):
        bx.intervene(ONE_OUTPUT, TENSOR, [np.eye(8, dtype=bool)], activation="softmax")


def test_a_map_whose_maximum_is_zero_is_warned_of() -> None:
    network = Network()
    nn.init.constant_(network.head.weight, -1.0)
    with pytest.warns(DegenerateMapWarning, match="class 0 is empty"):
        assert not bx.generate_gradcam(network, TENSOR, 0).any()


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        ({"model": "best.pt"}, TypeError, "model: expected a torch.nn.Module, got 'best.pt'"),
        ({"model": nn.ReLU()}, ValueError, "the network returns float32 of shape (1, 3, 8, 8) for 1 image"),
        ({"input_tensor": torch.rand(2, 3, 8, 8)}, ValueError, "input_tensor: expected one image"),
        ({"input_tensor": torch.rand(1, 8, 8, 3)}, ValueError, "input_tensor: expected shape (1, channels, height, wi"),
        ({"input_tensor": torch.rand(8, 8, 3)}, ValueError, "input_tensor: expected shape (1, channels, height, width"),
        ({"input_tensor": torch.rand(8, 8)}, ValueError, "input_tensor: expected shape (channels, height"),
        (
            {"input_tensor": (TENSOR * 255).byte()},
            TypeError,
            "input_tensor: expected floating values normalised as in t",
        ),
        ({"input_tensor": TENSOR * float("nan")}, ValueError, "input_tensor: expected finite values, got NaN or"),
        ({"input_tensor": "a.jpeg"}, TypeError, "input_tensor: expected an array of numbers, got 'a.jpeg'"),
        ({"target_class_idx": "Malignant"}, TypeError, "target_class_idx: expected a whole number, got 'Malignant'"),
        ({"target_class_idx": 2}, ValueError, "target_class_idx: expected 0 to 1, got 2"),
        ({"target_layer": 3}, TypeError, "target_layer: expected a module of the model or its dotted name, got 3"),
        (
            {"target_layer": nn.ReLU()},
            ValueError,
            "target_layer: expected a module of the model, got a ReLU that is not",
        ),
        ({"target_layer": "features"}, ValueError, "the network has no layer 'features'"),
        (
            {"target_layer": "head"},
            ValueError,
            (
                "layer 'head' cannot be explained: it gives an output of shape (1, 2), which is not a grid of cells: "
                "choose auto, or a layer such as "
            ),
        ),
        (
            {"target_layer": [nn.ReLU()]},
            TypeError,
            "target_layer: expected a module of the model or its dotted name, got a list: give the module itself, or",
        ),
        ({"model": OrderedDict()}, TypeError, "model: expected a torch.nn.Module, got an OrderedDict"),
        (
            {"activation": "softmax", "model": ONE_OUTPUT},
            ValueError,
            (
                "the network has one output, and the softmax of one output is 1 for every radiograph: give activation= "
                "sigmoid, or leave it out"
            ),
        ),
        ({"method": "Grad-CAM++"}, ValueError, "method: there is no 'Grad-CAM++': did you mean 'gradcam++'?"),
        ({"method": "gradcm"}, ValueError, "method: there is no 'gradcm': did you mean 'gradcam"),
        (
            {"model": Network(gradcam_target_layer=4)},
            ValueError,
            "the network's gradcam_target_layer: expected a module of the model or its dotted name, got 4",
        ),
    ],
    ids=count(),
)
def test_what_gradcam_cannot_take_is_refused(arguments: dict[str, Any], kind: type[Exception], message: str) -> None:
    usual = {"model": Network(), "input_tensor": TENSOR, "target_class_idx": 0}
    assert_refused(lambda: bx.generate_gradcam(**(usual | arguments)), kind, message)


def test_denormalising_takes_one_image_with_and_without_its_batch() -> None:
    picture = bx.denormalize_tensor(tensor=torch.zeros(1, 3, 4, 5))
    assert (picture.shape, picture.dtype) == ((4, 5, 3), np.float32)
    assert picture[0, 0] == pytest.approx([0.485, 0.456, 0.406])
    np.testing.assert_array_equal(bx.denormalize_tensor(np.zeros((3, 4, 5)).tolist()), picture)


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (
            lambda: bx.denormalize_tensor(np.zeros((4, 5, 3))),
            ValueError,
            "tensor: expected shape (1 or 3, height, width)",
        ),
        (lambda: bx.denormalize_tensor(np.zeros((2, 3, 4, 5))), ValueError, "tensor: expected shape"),
        (
            lambda: bx.denormalize_tensor(np.zeros((3, 4, 5), np.uint8)),
            TypeError,
            "tensor: expected normalised floating",
        ),
        (
            lambda: bx.denormalize_tensor(np.zeros((1, 4, 5))),
            ValueError,
            "mean: expected 1 finite numbers, one per channel, got float64 of shape (3,)",
        ),
        (lambda: bx.denormalize_tensor(TENSOR, mean=0.5), ValueError, "mean: expected 3 finite numbers, one per"),
        (lambda: bx.denormalize_tensor(TENSOR, std=[1, 1, float("nan")]), ValueError, "std: expected 3 finite numbers"),
        (lambda: bx.denormalize_tensor(TENSOR, std=[1, 0, 1]), ValueError, "std: expected numbers above 0"),
        (lambda: bx.denormalize_tensor(TENSOR, std="abc"), TypeError, "std: expected an array of numbers, got 'abc'"),
        (lambda: bx.select_examples([0], [0], [[1.0]], 0, order_keys=3), TypeError, "order_keys: expected a list, got"),
        (lambda: bx.read_annotation("a.json", label_map=["x"]), TypeError, "label_map: expected values by name, such"),
        (lambda: bx.build_gallery_grid(None, [], 1, 1, "a.png"), TypeError, "images: expected a list, got None"),
        (
            lambda: bx.create_overlay(np.zeros((3, 2, 2)), HEAT),
            ValueError,
            "rgb_img: expected shape (height, width, 3)",
        ),
        (
            lambda: bx.create_overlay(np.zeros((4, 4, 3)), HEAT),
            ValueError,
            "heatmap: expected the shape (4, 4) of the image",
        ),
        (lambda: bx.create_overlay(np.zeros((2, 2, 3)), HEAT * 255), ValueError, "heatmap: expected finite values in"),
        (
            lambda: bx.create_overlay(np.zeros((2, 2, 3)), np.uint8(HEAT)),
            TypeError,
            "heatmap: expected floating values",
        ),
        (
            lambda: bx.create_overlay(np.full((2, 2, 3), 9.0), HEAT),
            ValueError,
            "rgb_img: expected finite values in [0, 1]",
        ),
        (
            lambda: bx.create_overlay(np.zeros((2, 2, 3)), HEAT, alpha=45),
            ValueError,
            "alpha: expected a number from 0 to 1",
        ),
        (
            lambda: bx.create_overlay(np.zeros((2, 2)), HEAT, colormap="infreno"),
            ValueError,
            "colormap: there is no 'infre",
        ),
        (
            lambda: bx.create_overlay(np.zeros((2, 2)), HEAT, colormap=None),
            TypeError,
            "colormap: expected the name of one",
        ),
        (lambda: bx.overlay(np.zeros((2, 2)), HEAT, mask=[[1, 1]]), ValueError, "mask: expected the shape (2, 2)"),
        (lambda: bx.overlay("a.png", HEAT), TypeError, "image: expected"),
        (
            lambda: bx.compute_cam_iou(HEAT * 255, HEAT > 0),
            ValueError,
            "cam_heatmap: expected finite values in [0, 1], got",
        ),
        (lambda: bx.compute_cam_iou(np.uint8(HEAT), HEAT > 0), TypeError, "cam_heatmap: expected floating values"),
        (lambda: bx.compute_cam_iou(HEAT, HEAT), ValueError, "annotation_mask: expected 0 and 1 (or 0 and 255)"),
        (lambda: bx.compute_cam_iou(HEAT, [[True]]), ValueError, "annotation_mask: expected the shape (2, 2)"),
        (
            lambda: bx.compute_cam_iou(HEAT, HEAT > 0, 50),
            ValueError,
            "threshold: expected a number from 0 to 1, got 50",
        ),
        (
            lambda: bx.compute_cam_iou(HEAT, HEAT > 0, "otsu"),
            TypeError,
            "threshold: expected a number from 0 to 1, got",
        ),
        (lambda: bx.compute_cam_iou(HEAT, HEAT > 0, operator="=>"), ValueError, "operator: there is no '=>'"),
        (
            lambda: bx.select_examples(["a"], [0], [[1.0]], 0),
            TypeError,
            "y_true: expected class indices (whole numbers), got names such as 'a': give their places in the list of",
        ),
        (
            lambda: bx.select_examples([0], [0, 0], [[1.0]], 0),
            ValueError,
            "y_pred: expected 1 values, one per row, got 2",
        ),
        (lambda: bx.select_examples([0], [0], [1.0], 0), ValueError, "y_prob: expected shape (n, classes), got (1,)"),
        (
            lambda: bx.select_examples([0], [0], [[1.0]], "Benign"),
            TypeError,
            "class_idx: expected a whole number, got 'Ben",
        ),
        (lambda: bx.select_examples([0], [0], [[1.0]], 1), ValueError, "class_idx: expected 0 to 0, got 1"),
        (lambda: bx.select_examples([0], [0], [[1.0]], 0, -1), ValueError, "k: expected at least 0, got -1"),
        (lambda: bx.load_annotation_mask(3), TypeError, "ann_path: expected a path as text or pathlib.Path, got 3"),
        (lambda: bx.load_annotation_mask("a.json", 0), ValueError, "target_size: expected at least 1, got 0"),
        (
            lambda: bx.load_annotation_mask("a.json", (8, 8)),
            TypeError,
            "target_size: expected a whole number, got a tuple",
        ),
        (lambda: bx.load_annotation_mask("a.json", mask_policy="box"), ValueError, "mask_policy: there is no 'box'"),
        (lambda: bx.load_annotation_mask("a.xml"), AnnotationError, "cannot read the annotation 'a.xml'"),
        (lambda: bx.load_annotation_mask("nowhere.json"), AnnotationError, "cannot read the annotation 'nowhere.json'"),
        (lambda: bx.read_annotation("a.json", 8), TypeError, "size: expected (height, width), got 8"),
        (
            lambda: bx.build_gallery_grid([HEAT], [], 1, 1, "a.png"),
            ValueError,
            "images: expected at most 1 x 1 of them and",
        ),
        (
            lambda: bx.build_gallery_grid([HEAT], "a", 1, 1, "a.png"),
            TypeError,
            "titles: expected a list, got 'a'",
        ),
        (
            lambda: bx.build_gallery_grid([HEAT] * 3, list("abc"), 1, 2, "a.png"),
            ValueError,
            "images: expected at most 1 x 2 of t",
        ),
        (
            lambda: bx.build_gallery_grid([HEAT * 255], ["a"], 1, 1, "a.png"),
            ValueError,
            "images[0]: expected finite values",
        ),
        (lambda: bx.build_gallery_grid([HEAT], ["a"], 0, 1, "a.png"), ValueError, "rows: expected at least 1, got 0"),
        (lambda: bx.build_gallery_grid([HEAT], ["a"], 1, 1, None), TypeError, "output_path: expected a path as text"),
        (lambda: bx.build_gallery_grid([HEAT], ["a"], 1, 1, "a.bmp"), OutputError, "cannot write a figure as 'a.bmp'"),
    ],
    ids=count(),
)
def test_what_they_cannot_take_is_refused_in_one_line(
    call: Callable[[], object], kind: type[Exception], message: str
) -> None:
    assert_refused(call, kind, message)


def test_overlays_of_floats_and_bytes_are_the_same() -> None:
    pixels = np.arange(12, dtype=np.uint8).reshape(2, 2, 3) * 20
    drawn = bx.create_overlay(rgb_img=(pixels / 255).astype(np.float32), heatmap=HEAT)
    assert (drawn.shape, drawn.dtype) == ((2, 2, 3), np.uint8)
    np.testing.assert_array_equal(drawn, bx.create_overlay(pixels, torch.tensor(HEAT)))
    np.testing.assert_array_equal(drawn[0, 0], pixels[0, 0])


def test_an_outline_lies_within_the_mask() -> None:
    mask = np.zeros((20, 20), bool)
    mask[5:15, 5:15] = True
    drawn = bx.overlay(np.zeros((20, 20), np.uint8), np.zeros((20, 20)), mask=mask)
    coloured = drawn.any(axis=2)
    assert coloured.sum() == 36
    assert not coloured[6:14, 6:14].any()
    assert not coloured[~mask].any()


def test_iou_by_hand() -> None:
    assert bx.compute_cam_iou(cam_heatmap=HEAT, annotation_mask=[[0, 0], [0, 255]], threshold=0.5) == 0.5
    assert bx.compute_cam_iou(HEAT, [[0, 0], [0, 1]], 0.5, operator=">") == 1.0
    assert bx.compute_cam_iou(np.zeros((2, 2)), np.zeros((2, 2), bool)) == 0.0
    assert bx.compute_cam_iou(torch.tensor(HEAT), torch.ones(2, 2), 0.25) == 0.75


def test_examples_by_hand() -> None:
    probabilities = [[0.9, 0.1], [0.6, 0.4], [0.8, 0.2], [0.3, 0.7], [0.1, 0.9], [0.7, 0.3]]
    true, predicted = [0, 0, 1, 0, 0, -1], [0, 0, 0, 1, 1, 0]
    chosen = bx.select_examples(y_true=true, y_pred=predicted, y_prob=probabilities, class_idx=0, k=2)
    assert [rows.tolist() for rows in chosen] == [[0, 1], [2], [4, 3]]
    assert all(rows.dtype == np.intp for rows in chosen)
    tensors = [torch.tensor(values) for values in (true, predicted, probabilities)]
    again = bx.select_examples(*tensors, 0, 1)
    assert [rows.tolist() for rows in again] == [[0], [2], [4]]
    assert [len(rows) for rows in bx.select_examples([], [], np.zeros((0, 2)), 0)] == [0, 0, 0]


@pytest.fixture
def labelme(tmp_path: Path) -> Path:
    """A square of 4 x 4 pixels in the upper left of 8 x 16."""
    return write_labelme(tmp_path / "a.json", (8, 16), ("x", [[0, 0], [3, 3]]))


def test_a_mask_is_squared_by_its_nearest_pixels(labelme: Path) -> None:
    own = bx.load_annotation_mask(labelme, None)
    assert (own.shape, own.dtype, own.sum()) == ((8, 16), np.uint8, 16)
    assert bx.load_annotation_mask(ann_path=str(labelme)).shape == (224, 224)
    small = bx.load_annotation_mask(labelme, target_size=4)
    assert small.tolist() == [[1, 0, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]
    assert bx.load_annotation_mask(labelme, 16, label_map={"x": "ignore"}).sum() == 0


def test_an_annotation_knows_its_lesions_and_shapes(labelme: Path, tmp_path: Path) -> None:
    annotation = bx.read_annotation(labelme, (8, 16))
    assert (len(annotation.shapes), annotation.size) == (1, (8, 16))
    (lesion,) = annotation.lesions
    np.testing.assert_array_equal(lesion, annotation.mask)
    Image.fromarray(annotation.mask.astype(np.uint8) * 255).save(tmp_path / "a.png")
    np.testing.assert_array_equal(bx.read_annotation(str(tmp_path / "a.png")).mask, annotation.mask)
    with pytest.raises(AnnotationError, match="annotates an image of 16 x 8 pixels"):
        bx.read_annotation(labelme, (16, 8))


def test_a_grid_of_pictures_is_written(tmp_path: Path) -> None:
    grey, colour = np.full((30, 40), 90, np.uint8), np.zeros((50, 20, 3))
    path = bx.build_gallery_grid([grey, colour, grey], ["a", "b", "c"], 2, 2, str(tmp_path / "new" / "grid.png"))
    with Image.open(path) as plain:
        size = plain.size
    titled = bx.build_gallery_grid(
        [grey], ["a"], rows=2, cols=2, output_path=tmp_path / "t.png", suptitle="Benign", dpi=150
    )
    with Image.open(titled) as picture:
        assert picture.width == size[0]
        assert picture.height > size[1]
        assert len(np.unique(np.asarray(picture.convert("L")))) > 2
