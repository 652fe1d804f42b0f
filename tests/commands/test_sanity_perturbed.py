"""Insertion and deletion on a network whose probability is the mean brightness: areas are known by hand."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from btxrd_explain.commands.sanity.perturbed import KINDS, Perturbed, perturb
from btxrd_explain.commands.sanity.sample import Subject
from btxrd_explain.core.choices import Baseline, ResizeMode, Smooth
from btxrd_explain.core.geometry import Frame, Size
from btxrd_explain.core.heatmap import HeatMap, MapStatus
from btxrd_explain.progress import Listener

if TYPE_CHECKING:
    from torch import Tensor

SIDE = 8


class Brightness:
    """Stands for an explainer: the probability of class 1 is the mean of the pixels."""

    batch_size = 3
    provenance = SimpleNamespace(grid=Size(4, 4), smooth=Smooth.NONE)

    def probabilities(self, batch: Tensor) -> Any:  # noqa: ANN401 -- a tensor
        import torch  # noqa: PLC0415 -- as in the tested module

        bright = batch.mean(dim=(1, 2, 3))
        return torch.stack([1 - bright, bright], dim=1)


def _subject(number: int) -> Subject:
    random = np.random.default_rng(number)
    tensor = random.permutation(SIDE * SIDE).reshape(1, SIDE, SIDE).astype(np.float32) / np.float32(SIDE * SIDE)
    size = Size(SIDE, SIDE)
    frame = Frame.fit(size, size, ResizeMode.SQUASH)
    return Subject(str(number), None, False, frame, tensor, 1, 0.5, HeatMap(tensor[0], 1.0, MapStatus.OK))


@pytest.fixture(scope="module")
def perturbed() -> Perturbed:
    subjects = [_subject(number) for number in range(4)]
    explainer: Any = Brightness()
    return perturb(explainer, subjects, baseline=Baseline.MEAN, steps=16, seed=0, listener=Listener())


def test_curves_follow_the_brightest_pixels_first(perturbed: Perturbed) -> None:
    """The map is the radiograph: after s of 16 steps its 4 s brightest pixels are inserted, or deleted."""
    falling = np.sort(_subject(0).tensor.ravel())[::-1].astype(np.float64)
    above = np.array([(falling - falling.mean())[: 4 * step].sum() for step in range(17)]) / SIDE**2
    for curves in perturbed.curves:
        np.testing.assert_allclose(curves[0], falling.mean() + above, atol=1e-6)
        np.testing.assert_allclose(curves[1], falling.mean() - above, atol=1e-6)


def test_areas_are_those_of_the_trapezoidal_rule(perturbed: Perturbed) -> None:
    expected = np.trapezoid(perturbed.curves, dx=1 / 16, axis=-1)
    np.testing.assert_allclose(perturbed.areas(), expected, atol=1e-12)


def test_a_map_that_knows_beats_one_that_does_not(perturbed: Perturbed) -> None:
    estimates = perturbed.estimates()
    assert tuple(estimates) == KINDS
    ours, random = (np.asarray(np.trapezoid(of, dx=1 / 16, axis=-1)) for of in (perturbed.curves, perturbed.random))
    for index, kind in enumerate(KINDS):
        found = estimates[kind]
        assert found["auc"].value == pytest.approx(ours[:, index].mean())
        assert found["auc_random"].value == pytest.approx(random[:, index].mean())
        assert found["difference"].value == pytest.approx((ours - random)[:, index].mean())
        assert found["difference"].n == 4
    low, high = estimates["insertion"]["difference"].low, estimates["deletion"]["difference"].high
    assert low is not None
    assert high is not None
    assert low > 0 > high


def test_random_curves_begin_and_end_where_ours_do(perturbed: Perturbed) -> None:
    np.testing.assert_allclose(perturbed.random[..., [0, -1]], perturbed.curves[..., [0, -1]], atol=1e-6)
    assert not np.allclose(perturbed.random, perturbed.curves)


def test_mean_curves_have_a_point_for_each_step(perturbed: Perturbed) -> None:
    curves = perturbed.mean_curves()
    assert list(curves) == ["insertion", "deletion", "random_insertion", "random_deletion"]
    means = [point.value for point in curves["random_deletion"]]
    np.testing.assert_allclose(np.array(means, float), perturbed.random[:, 1].mean(axis=0), atol=1e-12)
