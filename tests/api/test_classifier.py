"""A classifier that is loaded from a checkpoint, and what it and other networks say of radiographs."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from PIL import Image

import btxrd_explain as library
from btxrd_explain.core.heatmap import MapStatus
from btxrd_explain.errors import CheckpointError, RadiographError, SettingsError
from btxrd_explain.finding import FindingWarning
from btxrd_explain.inference.loading import load_explainer
from btxrd_explain.settings import ModelSettings, Settings
from tests.support.refusals import assert_refused
from tests.support.tiny_study import NAMES, save_network

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from btxrd_explain.inference.classifier import LoadedClassifier

bx: Any = library  # what types forbid is called, too
pytestmark = pytest.mark.filterwarnings("ignore::btxrd_explain.finding.FindingWarning")  # random weights


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_network(tmp_path_factory.mktemp("checkpoint") / "best.pt")


@pytest.fixture(scope="module")
def classifier(checkpoint: Path) -> LoadedClassifier:
    with pytest.warns(FindingWarning):
        loaded: LoadedClassifier = bx.load_classifier(str(checkpoint), device="cpu")
    return loaded


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("images") / "a.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (50, 40), np.uint8)).save(path)
    return path


def test_a_loaded_classifier_knows_what_its_checkpoint_says(classifier: LoadedClassifier) -> None:
    assert classifier.class_names == NAMES
    assert classifier.preprocessing.size == (64, 64)
    assert not classifier.network.training


def test_all_forms_of_a_radiograph_give_the_same_input(classifier: LoadedClassifier, picture: Path) -> None:
    radiograph = bx.read_radiograph(str(picture))
    tensor = classifier.preprocess(picture)
    assert (tensor.shape, tensor.dtype) == ((1, 3, 64, 64), torch.float32)
    pixels = radiograph.pixels
    for same in (str(picture), radiograph, pixels, pixels / 255, np.repeat(pixels[..., None], 3, axis=2)):
        assert torch.equal(classifier.preprocess(same), tensor)
    np.testing.assert_array_equal(tensor[0].numpy(), classifier.preprocessing.apply(pixels))


def test_predictions_are_those_of_the_tool(classifier: LoadedClassifier, checkpoint: Path, picture: Path) -> None:
    explainer = load_explainer(Settings(model=ModelSettings(checkpoint=checkpoint, device="cpu")), {})
    (known,) = explainer.explain(classifier.preprocess(picture))
    explained = bx.explain(classifier, picture)
    np.testing.assert_allclose(explained.probabilities, known.probabilities, atol=1e-6)
    np.testing.assert_allclose(explained.grids, known.grids, atol=1e-6)
    assert explained.statuses == known.statuses


def test_heat_maps_lie_on_the_radiograph_or_on_the_input(classifier: LoadedClassifier, picture: Path) -> None:
    explained = bx.explain(classifier, [picture, picture])
    assert (len(explained), explained.class_names) == (2, NAMES)
    assert [maps.shape for maps in explained.heat_maps] == [(3, 50, 40)] * 2
    heat = explained.heat_map(1, of_class="Benign")
    np.testing.assert_array_equal(heat.values, explained.heat_maps[1][1])
    assert heat.status is explained.statuses[1][1]
    given = bx.explain(classifier, classifier.preprocess(picture))
    assert given.heat_map(0).values.shape == (64, 64)
    np.testing.assert_allclose(given.grids[0], explained.grids[0], atol=1e-6)


def test_any_network_takes_a_batch(classifier: LoadedClassifier) -> None:
    batch = torch.rand(5, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    explained = bx.explain(classifier.network, batch, method="layercam")
    assert (explained.probabilities.shape, explained.class_names) == ((5, 3), None)
    np.testing.assert_allclose(explained.probabilities.sum(axis=1), 1, atol=1e-6)
    listed = bx.explain(classifier.network, list(torch.split(batch, 2)), method="layercam")
    np.testing.assert_allclose(listed.grids, explained.grids, atol=1e-6)
    alone = bx.explain(classifier.network, batch[3].numpy(), method="layercam")
    np.testing.assert_allclose(alone.grids[0], explained.grids[3], atol=1e-5)
    assert set(explained.statuses[0]) <= set(MapStatus)


def test_the_layer_may_be_a_module(classifier: LoadedClassifier, picture: Path) -> None:
    network: Any = classifier.network
    named, given = (bx.explain(classifier, picture, target_layer=layer) for layer in ("layer2", network.layer2))
    np.testing.assert_array_equal(named.grids, given.grids)
    assert named.grids.shape[2:] != bx.explain(classifier, picture).grids.shape[2:]


@pytest.mark.parametrize(
    ("images", "kind", "message"),
    [
        ([], ValueError, "images: expected at least one, got none"),
        (3, ValueError, "image: expected shape (height, width, 3) or (height, width), got ()"),
        ("nowhere.png", RadiographError, "cannot read 'nowhere.png'"),
        (
            np.zeros((3, 64, 64)),
            ValueError,
            "image: expected shape (height, width, 3) or (height, width), got (3, 64, 64)",
        ),
        (np.full((50, 40), 255.0), ValueError, "image: expected finite values in [0, 1], got 255 to 255"),
        ([[0.0, 1.0]], TypeError, "images: expected paths, arrays or tensors, got a list"),
        (torch.zeros(1, 64, 64, 3), ValueError, "images: expected shape (B, channels, height, width)"),
        ([torch.zeros(1, 3, 64, 64), torch.zeros(1, 3, 32, 32)], ValueError, "images: expected tensors of one shape"),
    ],
    ids=count(),
)
def test_what_a_classifier_cannot_take_is_refused(
    images: Any,  # noqa: ANN401
    kind: type[Exception],
    message: str,
    classifier: LoadedClassifier,
) -> None:
    assert_refused(lambda: bx.explain(classifier, images), kind, message)


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda c, p: bx.explain(c, p, method="gradcm"), ValueError, "method: there is no 'gradcm'"),
        (lambda c, p: bx.explain(c, p, method=None), TypeError, "method: expected the name of one"),
        (lambda c, p: bx.explain(c, p, target_layer=4), TypeError, "target_layer: expected a module"),
        (lambda c, p: bx.explain(c, p, target_layer="layer9"), SettingsError, "the network has no layer 'layer9'"),
        (
            lambda _c, p: bx.explain("best.pt", p),
            TypeError,
            "model: expected a torch.nn.Module, got 'best.pt'",
        ),
        (lambda c, p: bx.explain(c.network, str(p)), TypeError, "images: expected an array of numbers"),
        (lambda c, _p: bx.explain(c.network, np.zeros((64, 64, 3))), ValueError, "images: expected shape (B, channels"),
        (
            lambda c, _p: bx.explain(c.network, np.zeros((1, 3, 64, 64), np.uint8)),
            TypeError,
            "images: expected floating values normalised",
        ),
        (lambda c, p: bx.explain(c, p).heat_map(1), ValueError, "image: expected 0 to 0, got 1"),
        (
            lambda c, p: bx.explain(c, p).heat_map("Benign"),
            TypeError,
            "image: expected a whole number, got 'Benign'; a class is of_class='Benign'",
        ),
        (
            lambda c, p: bx.explain(c, p).heat_map(0, "Malignat"),
            ValueError,
            "of_class: there is no 'Malignat': did you me",
        ),
        (lambda c, p: bx.explain(c, p).heat_map(0, 3), ValueError, "of_class: expected 0 to 2, got 3"),
        (lambda c, _p: c.preprocess(np.zeros((3, 50, 40))), ValueError, "image: expected shape (height, width, 3)"),
        (lambda c, _p: c.preprocess(None), TypeError, "image: expected an array of numbers, got None"),
        (lambda _c, p: bx.load_classifier(p), CheckpointError, "'"),
        (lambda _c, _p: bx.load_classifier("nowhere.pt"), CheckpointError, ""),
    ],
    ids=count(),
)
def test_wrong_calls_are_refused_in_one_line(
    call: Callable[[LoadedClassifier, Path], object],
    kind: type[Exception],
    message: str,
    classifier: LoadedClassifier,
    picture: Path,
) -> None:
    assert_refused(lambda: call(classifier, picture), kind, message)
