"""Scores over all thresholds, from two histograms, against scikit-learn and against counting pixel by pixel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import average_precision_score, roc_auc_score

from btxrd_explain.core.choices import Operator
from btxrd_explain.core.heatmap import HeatMap, MapStatus
from btxrd_explain.core.histogram import CURVE_THRESHOLDS, TOP_LEVEL, Histogram, count_levels, quantise
from btxrd_explain.core.metrics.curves import average_precision, iou_curve, roc_auc

if TYPE_CHECKING:
    from numpy.typing import NDArray

SHAPE = (6, 9)
NONE = np.empty(0, np.float32)
PERMILLES = arrays(np.int64, SHAPE, elements=st.integers(0, 1000))
"""Heat in thousandths: no two of them share a level."""
MASKS = arrays(np.bool_, SHAPE).filter(lambda mask: 0 < mask.sum() < mask.size)


def _counted(permille: NDArray[np.int64], mask: NDArray[np.bool_]) -> tuple[NDArray[np.float32], Histogram]:
    values = (permille / 1000).astype(np.float32)
    return values, count_levels(HeatMap(values, float(values.max()), MapStatus.OK), values[mask])


@given(PERMILLES, MASKS)
def test_areas_are_those_of_scikit_learn(permille: NDArray[np.int64], mask: NDArray[np.bool_]) -> None:
    _, histogram = _counted(permille, mask)
    flat = mask.ravel(), permille.ravel()
    assert roc_auc(histogram) == pytest.approx(roc_auc_score(*flat), abs=1e-12)
    found = average_precision(histogram, TOP_LEVEL + 1, NONE, NONE.astype(bool))
    assert found == pytest.approx(average_precision_score(*flat), abs=1e-12)


@given(PERMILLES, MASKS, st.integers(1, 1000))
def test_it_does_not_matter_from_where_on_pixels_are_sorted(
    permille: NDArray[np.int64], mask: NDArray[np.bool_], start: int
) -> None:
    values, histogram = _counted(permille, mask)
    first = int(quantise(np.full(1, start / 1000, np.float32))[0])
    hot = quantise(values.ravel()) >= first
    found = average_precision(histogram, first, values.ravel()[hot], mask.ravel()[hot])
    assert found == pytest.approx(average_precision_score(mask.ravel(), permille.ravel()), abs=1e-12)


BETWEEN = arrays(np.int64, SHAPE, elements=st.sampled_from([0, *range(1, 200, 2), 200]))
"""Heat in two-hundredths between the thresholds: float32 knows most of these only nearly."""


@pytest.mark.parametrize(("operator", "reached"), [(Operator.AT_LEAST, np.greater_equal), (Operator.ABOVE, np.greater)])
@given(halves=BETWEEN, mask=MASKS)
def test_the_curve_counts_each_pixel_at_each_threshold(
    operator: Operator, reached: np.ufunc, halves: NDArray[np.int64], mask: NDArray[np.bool_]
) -> None:
    values = (halves / 200).astype(np.float32)
    heat = HeatMap(values, float(values.max()), MapStatus.OK)
    histogram = count_levels(heat, values[mask], equal=operator is Operator.ABOVE)
    regions = [reached(halves, 2 * number) for number in range(101)]
    expected = [(region & mask).sum() / (region | mask).sum() for region in regions]
    np.testing.assert_allclose(iou_curve(histogram, operator), expected, atol=1e-12)


NEAR = st.builds(
    lambda number, ulps: np.float32(number / 100) + ulps * np.spacing(np.float32(number / 100)),
    st.integers(0, 100),
    st.integers(-2, 2),
)
"""Heat at the thresholds as float32 has them, and as near to them as it can be."""


@pytest.mark.parametrize("operator", list(Operator))
@given(values=arrays(np.float32, SHAPE, elements=NEAR.map(lambda value: float(np.clip(value, 0, 1)))), mask=MASKS)
def test_the_curve_is_exact_next_to_the_thresholds(
    operator: Operator, values: NDArray[np.float32], mask: NDArray[np.bool_]
) -> None:
    heat = HeatMap(values, 1.0, MapStatus.OK)
    histogram = count_levels(heat, values[mask], equal=operator is Operator.ABOVE)
    regions = [operator.reached(values, threshold) for threshold in CURVE_THRESHOLDS.tolist()]
    expected = [(region & mask).sum() / (region | mask).sum() for region in regions]
    np.testing.assert_array_equal(iou_curve(histogram, operator), expected)


def test_a_threshold_that_does_not_count_needs_the_pixels_that_equal_it() -> None:
    _, histogram = _counted(np.arange(54).reshape(SHAPE), np.eye(*SHAPE, dtype=bool))
    with pytest.raises(ValueError, match="does not tell the pixels that equal a threshold"):
        iou_curve(histogram, Operator.ABOVE)


def test_thresholds_are_those_of_two_digits() -> None:
    assert [round(level, 2) for level in CURVE_THRESHOLDS.tolist()] == [number / 100 for number in range(101)]


def test_what_is_undefined_is_none() -> None:
    permille = np.arange(54).reshape(SHAPE)
    _, nothing = _counted(permille, np.zeros(SHAPE, bool))
    _, everything = _counted(permille, np.ones(SHAPE, bool))
    assert average_precision(nothing, TOP_LEVEL + 1, NONE, NONE.astype(bool)) is None
    assert (roc_auc(nothing), roc_auc(everything)) == (None, None)
