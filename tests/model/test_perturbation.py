from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from btxrd_explain.core.choices import Baseline
from btxrd_explain.core.perturbation import area_under_curve, baseline_image, importance_ranks, pixel_counts
from btxrd_explain.model.perturb import perturbation_curves

# a network whose probability is linear in the pixels: p = 0.1 + Σ w x, so that every step can be computed by hand
WEIGHTS = np.array([[0.4, 0.1], [0.05, 0.25]], np.float32)
IMAGE = np.ones((1, 2, 2), np.float32)
BLACK = np.zeros_like(IMAGE)


def linear(batch: torch.Tensor) -> torch.Tensor:
    positive = 0.1 + (batch[:, 0] * torch.from_numpy(WEIGHTS)).sum(dim=(1, 2))
    return torch.stack([1 - positive, positive], dim=1)


@pytest.mark.parametrize("batch_size", [1, 2, 100])
def test_the_curves_of_a_linear_network_are_those_by_hand(batch_size: int) -> None:
    ranks = importance_ranks(WEIGHTS, seed=0)  # the best order: 0.4, 0.25, 0.1, 0.05
    curves = perturbation_curves(linear, IMAGE, BLACK, ranks, target=1, steps=4, batch_size=batch_size)
    assert curves.insertion == pytest.approx([0.1, 0.5, 0.75, 0.85, 0.9])
    assert curves.deletion == pytest.approx([0.9, 0.5, 0.25, 0.15, 0.1])
    # trapezoids: the inner values and half of the outer ones, over four steps
    assert area_under_curve(curves.insertion) == pytest.approx((0.5 + 0.75 + 0.85 + 0.5) / 4)
    assert area_under_curve(curves.deletion) == pytest.approx((0.5 + 0.25 + 0.15 + 0.5) / 4)
    other = perturbation_curves(linear, IMAGE, BLACK, ranks, target=0, steps=4, batch_size=batch_size)
    assert other.insertion == pytest.approx(1 - curves.insertion)


@given(st.permutations(range(4)))
def test_no_order_beats_that_of_the_weights(order: list[int]) -> None:
    best = importance_ranks(WEIGHTS, seed=0)
    ranks = np.array(order, np.intp).reshape(2, 2)
    ours, theirs = (
        perturbation_curves(linear, IMAGE, BLACK, each, target=1, steps=4, batch_size=8) for each in (best, ranks)
    )
    assert area_under_curve(ours.insertion) >= area_under_curve(theirs.insertion) - 1e-12
    assert area_under_curve(ours.deletion) <= area_under_curve(theirs.deletion) + 1e-12
    # of a linear network the two curves mirror each other: what is inserted is what is missing where it is deleted
    assert theirs.insertion + theirs.deletion == pytest.approx(np.full(5, 1.0))


@given(arrays(np.float32, (5, 7), elements=st.sampled_from([0.0, 0.25, 1.0])), st.integers(0, 9))
def test_ranks_are_a_permutation_that_follows_the_values(values: np.ndarray, seed: int) -> None:
    ranks = importance_ranks(values, seed)
    assert sorted(ranks.ravel()) == list(range(35))
    by_rank = np.empty(35)
    by_rank[ranks.ravel()] = values.ravel()
    assert (np.diff(by_rank) <= 0).all()


def test_equal_values_have_no_preferred_corner() -> None:
    values = np.zeros((9, 9))
    first, again, other = (importance_ranks(values, seed) for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert abs(np.corrcoef(first.ravel(), np.arange(81))[0, 1]) < 0.3


@given(st.integers(1, 10_000), st.integers(2, 300))
def test_steps_are_even_and_end_with_all_pixels(pixels: int, steps: int) -> None:
    counts = pixel_counts(pixels, steps)
    assert (counts[0], counts[-1], len(counts)) == (0, pixels, steps + 1)
    widths = np.diff(counts)
    assert widths.min() >= 0
    assert widths.max() - widths.min() <= 1


def test_the_mean_baseline_is_the_mean_of_each_channel() -> None:
    image = np.arange(12, dtype=np.float32).reshape(2, 2, 3)
    flat = baseline_image(image, Baseline.MEAN)
    assert flat.shape == image.shape
    assert flat[0].ravel().tolist() == [2.5] * 6
    assert flat[1].ravel().tolist() == [8.5] * 6


def test_the_blurred_baseline_spreads_a_point_by_a_twentieth_of_the_side() -> None:
    image = np.zeros((1, 201, 201), np.float32)
    image[0, 100, 100] = 1
    blurred = baseline_image(image, Baseline.BLUR)[0].astype(np.float64)
    offsets = np.arange(201) - 100
    assert blurred.sum() == pytest.approx(1, abs=1e-4)
    assert (blurred.sum(axis=0) * offsets**2).sum() == pytest.approx((0.05 * 201) ** 2, rel=0.05)
    constant = np.full((3, 40, 60), 7, np.float32)
    assert baseline_image(constant, Baseline.BLUR) == pytest.approx(constant)
