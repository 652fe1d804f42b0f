"""Any network in Python code: smoothing and the size of maps of pixels, as the command has them."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from torch import nn

import btxrd_explain as bx
from btxrd_explain.core.choices import Smooth
from btxrd_explain.core.geometry import Size
from btxrd_explain.finding import FindingWarning
from btxrd_explain.model.engine import explain
from btxrd_explain.model.layers import find_target_layers
from btxrd_explain.predictions.table import open_table
from btxrd_explain.progress import Listener
from tests.support.tiny_study import write_study

if TYPE_CHECKING:
    from pathlib import Path

SIDE = 64


@pytest.fixture(scope="module")
def network() -> nn.Module:
    torch.manual_seed(3)
    body = nn.Sequential(nn.Conv2d(3, 6, 8, stride=8), nn.ReLU())
    return nn.Sequential(body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 3)).eval()


@pytest.fixture(scope="module")
def batch() -> torch.Tensor:
    return torch.randn(2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("smooth", [Smooth.FLIP, Smooth.SHIFT2])
def test_smoothing_is_that_of_the_engine_and_moves_no_prediction(
    network: nn.Module, batch: torch.Tensor, smooth: Smooth
) -> None:
    found, plain = bx.explain(network, batch, smooth=str(smooth)), bx.explain(network, batch)
    layers = find_target_layers(network, input_size=Size(SIDE, SIDE))
    np.testing.assert_array_equal(found.grids, explain(network, layers, batch, smooth=smooth).grids)
    assert found.grids.shape[2:] == ((16, 16) if smooth is Smooth.SHIFT2 else (8, 8))
    np.testing.assert_array_equal(found.probabilities, plain.probabilities)
    one = bx.generate_gradcam(network, batch[0], 1, smooth=str(smooth))
    np.testing.assert_allclose(one, found.heat_map(0, 1).values, atol=1e-6)
    assert np.abs(one - bx.generate_gradcam(network, batch[0], 1)).max() > 0.01


def test_maps_of_pixels_have_the_size_that_is_asked_for(network: nn.Module, batch: torch.Tensor) -> None:
    pytest.importorskip("captum")
    sizes = [bx.explain(network, batch, method="gradient", map_cells=cells).grids.shape[2:] for cells in (8, 56, 512)]
    assert sizes == [(8, 8), (56, 56), (SIDE, SIDE)]
    assert bx.generate_gradcam(network, batch[0], 1, method="gradient", map_cells=8).shape == (SIDE, SIDE)


@pytest.mark.parametrize(
    ("wrong", "error", "said"),
    [
        ({"smooth": "flipp"}, ValueError, "smooth: .*flipp"),
        ({"map_cells": 6}, ValueError, "map_cells: expected 7 to 512, got 6"),
        ({"map_cells": 513}, ValueError, "map_cells: expected 7 to 512, got 513"),
        ({"map_cells": 8.5}, TypeError, "map_cells"),
    ],
)
def test_what_there_is_not_is_refused(
    network: nn.Module, batch: torch.Tensor, wrong: dict[str, Any], error: type[Exception], said: str
) -> None:
    for function in (bx.explain, bx.generate_gradcam):
        with pytest.raises(error, match=said):
            function(network, batch[:1], **wrong)


def test_an_explanation_says_what_was_taken(network: nn.Module, batch: torch.Tensor) -> None:
    found, pixels = bx.explain(network, batch), bx.explain(network, batch, method="gradient", activation="sigmoid")
    assert (found.activation, found.layer) == ("softmax", "0")
    assert (pixels.activation, pixels.layer) == ("sigmoid", None)


def test_pixels_that_were_not_normalised_are_warned_of_once(network: nn.Module, batch: torch.Tensor) -> None:
    raw = 255 * batch.sigmoid()
    said = "has values from .* to 2.., as pixels have that were not normalised: divide pixels by 255, then"
    for function in (bx.explain, bx.generate_gradcam):
        with pytest.warns(FindingWarning, match=said) as warned:
            function(network, raw[:1])
        assert len(warned) == 1
        assert warned[0].filename == __file__
        assert str(warned[0].message).split()[-1].strip("[]") == "raw-pixels"
    with pytest.warns(FindingWarning, match=said) as warned:
        bx.intervene(network, raw, [np.eye(SIDE, dtype=bool)] * 2, controls=1)
    assert {one.filename for one in warned} == {__file__}
    bx.explain(network, batch.abs())


def test_a_network_declares_its_layer_or_several(network: nn.Module, batch: torch.Tensor) -> None:
    for declared in ("0.0", "0.0, 0.1"):
        own: Any = deepcopy(network)
        own.gradcam_target_layer = declared
        found = bx.explain(own, batch)
        assert found.layer == declared
        np.testing.assert_array_equal(found.grids, bx.explain(network, batch, target_layer=declared).grids)


def test_a_checkpoint_gives_what_the_command_stores(tmp_path: Path) -> None:
    study = write_study(tmp_path, count=1, lit=True)
    image = study / "images" / "0.png"
    how = {"checkpoint": study / "best.pt", "directory": tmp_path / "out", "smooth": "flip", "device": "cpu"}
    bx.infer(image, listener=Listener(), **how)
    (row,) = open_table(tmp_path / "out" / "predictions.parquet").rows()
    with pytest.warns(FindingWarning, match="running statistics"):
        classifier = bx.load_classifier(study / "best.pt", device="cpu")
    found = bx.explain(classifier, image, smooth="flip")
    assert row.grids is not None
    np.testing.assert_allclose(found.grids[0], row.grids, rtol=0, atol=1e-5 * np.abs(row.grids).max())
