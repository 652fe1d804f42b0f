from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from btxrd_explain.core.choices import Operator
from btxrd_explain.core.overlap import count_overlap
from btxrd_explain.core.threshold import binarize, compute_cam_iou

masks = arrays(bool, (3, 4))


def test_hand_counted_overlap() -> None:
    region = np.array([[True, True, True, False]])
    annotation = np.array([[False, False, True, True]])
    overlap = count_overlap(region, annotation)
    assert (overlap.both, overlap.region, overlap.annotation) == (1, 3, 2)
    assert overlap.iou == 1 / 4
    assert overlap.dice == 2 / 5
    assert overlap.precision == 1 / 3
    assert overlap.recall == 1 / 2


def test_what_is_undefined_is_none() -> None:
    empty, full = np.zeros((2, 2), bool), np.ones((2, 2), bool)
    nothing = count_overlap(empty, empty)
    assert (nothing.iou, nothing.dice, nothing.precision, nothing.recall) == (None,) * 4
    assert count_overlap(empty, full).precision is None
    assert count_overlap(empty, full).iou == 0


def test_the_public_iou_is_zero_for_an_empty_union() -> None:
    assert compute_cam_iou(np.zeros((2, 2)), np.zeros((2, 2))) == 0.0


@given(region=masks, annotation=masks)
def test_laws_of_overlap(region: np.ndarray, annotation: np.ndarray) -> None:
    overlap, mirrored = count_overlap(region, annotation), count_overlap(annotation, region)
    assert overlap.iou == mirrored.iou
    assert overlap.iou == count_overlap(region[::-1], annotation[::-1]).iou
    if overlap.iou is not None:
        assert overlap.dice is not None
        assert 0 <= overlap.iou <= 1
        assert overlap.iou == pytest.approx(overlap.dice / (2 - overlap.dice))


def test_operators_differ_on_the_threshold_itself() -> None:
    heat = np.array([[0.5, 0.4]])
    assert binarize(heat, 0.5).tolist() == [[True, False]]
    assert binarize(heat, 0.5, operator=Operator.ABOVE).tolist() == [[False, False]]


@pytest.mark.parametrize("threshold", [-0.1, 1.1, float("nan")])
def test_thresholds_out_of_range_are_refused(threshold: float) -> None:
    with pytest.raises(ValueError, match="threshold must lie"):
        binarize(np.zeros((1, 1)), threshold)


def test_nan_is_refused_instead_of_counted_as_cold() -> None:
    with pytest.raises(ValueError, match="NaN"):
        compute_cam_iou(np.array([[np.nan, 1.0]]), np.ones((1, 2)))


def test_shapes_and_types_must_fit() -> None:
    with pytest.raises(ValueError, match="differ in shape"):
        count_overlap(np.zeros((2, 3), bool), np.zeros((3, 2), bool))
    with pytest.raises(ValueError, match="boolean"):
        count_overlap(np.zeros((2, 3)), np.zeros((2, 3), bool))  # type: ignore[arg-type]


@given(values=arrays(np.float32, (4, 5), elements=st.floats(0, 1, width=32)), mask=arrays(bool, (4, 5)))
def test_a_higher_threshold_never_grows_the_region(values: np.ndarray, mask: np.ndarray) -> None:
    counts = [count_overlap(binarize(values, t), mask) for t in (0.2, 0.5, 0.9)]
    assert [c.region for c in counts] == sorted((c.region for c in counts), reverse=True)
    assert [c.both for c in counts] == sorted((c.both for c in counts), reverse=True)
