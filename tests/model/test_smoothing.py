"""Maps averaged over mirrored and moved views: plain predictions, counted passes, symmetry, and the mean by hand."""

from __future__ import annotations

import numpy as np
import pytest
import timm
import torch
from torch import Tensor, nn

from btxrd_explain.core.choices import Smooth
from btxrd_explain.core.geometry import Size
from btxrd_explain.core.smoothing import PASSES, SHIFTS, averaged
from btxrd_explain.errors import SettingsError
from btxrd_explain.model.engine import Explanation, explain
from btxrd_explain.model.layers import TargetLayer, find_target_layers

SIDE = 96
METHODS = ["gradcam", "eigencam", "fem"]


@pytest.fixture(scope="module")
def network() -> nn.Module:
    torch.manual_seed(0)
    made: nn.Module = timm.create_model("test_resnet", num_classes=3)
    return made.eval()


@pytest.fixture(scope="module")
def layers(network: nn.Module) -> tuple[TargetLayer, ...]:
    return find_target_layers(network, input_size=Size(SIDE, SIDE))


@pytest.fixture(scope="module")
def batch() -> Tensor:
    images = torch.randn(2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1))
    return images.contiguous(memory_format=torch.channels_last)


def plain(network: nn.Module, layers: tuple[TargetLayer, ...], batch: Tensor, method: str) -> Explanation:
    return explain(network, layers, batch, method=method)


@pytest.mark.parametrize("smooth", [Smooth.FLIP, Smooth.SHIFT2])
@pytest.mark.parametrize("method", METHODS)
def test_the_mean_is_that_of_the_views_one_by_one(
    network: nn.Module, layers: tuple[TargetLayer, ...], batch: Tensor, method: str, smooth: Smooth
) -> None:
    found = explain(network, layers, batch, method=method, smooth=smooth)
    views = [batch, batch.flip(-1)]
    if smooth is Smooth.SHIFT2:  # 96 pixels, 3 cells
        padded = nn.functional.pad(batch, (0, 16, 0, 16), mode="replicate")
        views = [padded[:, :, 16 * down :, 16 * right :][:, :, :SIDE, :SIDE] for down, right in SHIFTS]
    alone = [plain(network, layers, view, method).grids for view in views]
    assert alone[0].shape == (2, 3, 3, 3)
    expected = averaged(alone, smooth)
    assert found.grids.shape == expected.shape
    np.testing.assert_allclose(found.grids, expected, rtol=0, atol=1e-5 * np.abs(expected).max())
    np.testing.assert_array_equal(found.probabilities, plain(network, layers, batch, method).probabilities)


@pytest.mark.parametrize("smooth", Smooth)
def test_a_native_method_takes_one_pass_for_each_view(
    network: nn.Module, layers: tuple[TargetLayer, ...], batch: Tensor, smooth: Smooth
) -> None:
    passes: list[int] = []
    handle = network.register_forward_hook(lambda *_: passes.append(1))
    explain(network, layers, batch, smooth=smooth)
    handle.remove()
    assert len(passes) == PASSES[smooth]


@pytest.mark.parametrize("method", [*METHODS, "gradient", "smoothgrad"])
def test_a_symmetric_image_has_a_symmetric_map(
    network: nn.Module, layers: tuple[TargetLayer, ...], batch: Tensor, method: str
) -> None:
    image = batch[:1] + batch[:1].flip(-1)
    used = () if method in {"gradient", "smoothgrad"} else layers
    grid = explain(network, used, image, method=method, smooth=Smooth.FLIP, choose=lambda _: [[1]]).grids[0, 0]
    assert np.abs(grid - grid[:, ::-1]).max() <= 1e-6 * np.abs(grid).max()
    alone = explain(network, used, image, method=method, choose=lambda _: [[1]]).grids[0, 0]
    if method == "smoothgrad":  # its noise is not symmetric: the mean alone makes it so
        assert np.abs(alone - alone[:, ::-1]).max() > 1e-3 * np.abs(alone).max()


class Left(nn.Module):
    """Evidence of class 1 is what is bright in the left half, most at the border, less what is in the right half."""

    def __init__(self) -> None:
        super().__init__()
        self.cells = nn.AvgPool2d(8)
        self.sides = nn.Parameter(torch.tensor([3.0, 1.0, -1.0, -1.0]).expand(1, 1, 4, 4))

    def forward(self, batch: Tensor) -> Tensor:
        evidence = (self.cells(batch)[:, :1] * self.sides).mean(dim=(1, 2, 3))
        return torch.stack([-evidence, evidence], dim=1)


def test_statuses_are_those_of_the_averaged_map() -> None:
    """A bright right half speaks against class 1, and more for it in the mirror image; of class 0 the reverse holds."""
    network = Left().eval()
    layers = find_target_layers(network, "cells", input_size=Size(32, 32))
    image = torch.zeros(1, 3, 32, 32)
    image[..., 16:] = 1
    alone = explain(network, layers, image, method="hirescam")
    both = explain(network, layers, image, method="hirescam", smooth=Smooth.FLIP)
    assert alone.statuses == (("ok", "no_positive_evidence"),)
    assert both.statuses == (("no_positive_evidence", "ok"),)


def test_a_view_that_is_not_finite_spoils_the_mean_without_a_warning() -> None:
    network = Left().eval()
    layers = find_target_layers(network, "cells", input_size=Size(32, 32))
    image = torch.zeros(1, 3, 32, 32)
    image[..., 0], image[..., -1] = torch.inf, -torch.inf
    assert explain(network, layers, image, method="hirescam", smooth=Smooth.FLIP).statuses[0][1] == "non_finite"


def test_half_a_cell_must_be_a_pixel(network: nn.Module, batch: Tensor) -> None:
    with pytest.raises(SettingsError, match=r"--smooth shift2 moves maps by half a cell, .* is one pixel"):
        explain(network, (), batch, method="gradient", map_size=96, smooth=Smooth.SHIFT2, choose=lambda _: [[0], [0]])
    wide = explain(
        network, (), batch, method="gradient", map_size=24, smooth=Smooth.SHIFT2, choose=lambda _: [[0], [0]]
    )
    assert wide.grids.shape == (2, 1, 48, 48)
