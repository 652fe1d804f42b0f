"""The scores of an image against their definitions, written out pixel by pixel, and against the laws that bind them."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from btxrd_explain.core.choices import Operator, ResizeMode, Space
from btxrd_explain.core.geometry import Frame, Size
from btxrd_explain.core.heatmap import HeatMap, MapStatus, heat_map
from btxrd_explain.core.histogram import LEVELS_PER_BYTE, TOP_LEVEL, count_levels, quantise
from btxrd_explain.core.metrics import CURVE_THRESHOLDS, ImageMetrics, Rule, Threshold, measure, region_of
from btxrd_explain.core.metrics.catalogue import METRICS, chance_level
from btxrd_explain.core.metrics.image import near_annotation
from btxrd_explain.core.metrics.plain import regions_of
from btxrd_explain.core.threshold import binarize, lowest_value, otsu_level

SHAPE = (6, 7)
coarse = st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0])
maps = arrays(np.float32, SHAPE, elements=coarse | st.floats(0, 1, width=32))
masks = arrays(bool, SHAPE)
thresholds = st.floats(0, 1) | coarse


def as_map(values: np.ndarray, cell: tuple[float, float] | None = (2.0, 2.0)) -> HeatMap:
    values = values.astype(np.float32)
    row, column = divmod(int(values.argmax()), values.shape[1])
    return HeatMap(values, 1.0, MapStatus.OK, (row, column), cell)


def scores(values: np.ndarray, mask: np.ndarray, threshold: Threshold | None = None) -> ImageMetrics:
    return measure(as_map(values), mask, [mask], threshold or Threshold()).metrics


def test_scores_computed_by_hand() -> None:
    """Six pixels of heat on two lesions of one and two pixels."""
    heat = np.array([[0.0, 0.2, 1.0], [0.4, 0.6, 0.8]])
    first = np.array([[0, 0, 0], [1, 0, 0]], bool)
    second = np.array([[0, 0, 1], [0, 0, 1]], bool)
    measured = measure(as_map(heat), first | second, [first, second])
    ours = measured.metrics
    assert ours.lesion_share == 3 / 6
    assert (ours.threshold, ours.region_share) == (0.5, 3 / 6)  # 1.0, 0.8, 0.6
    assert (ours.iou, ours.dice, ours.precision, ours.recall) == (2 / 4, 4 / 6, 2 / 3, 2 / 3)
    assert ours.lesion_recall == 1 / 2
    assert ours.rank_accuracy == 2 / 3
    assert ours.area_matched_iou == 2 / 4
    assert ours.energy_in_mask == pytest.approx(2.2 / 3.0)
    assert ours.soft_iou == pytest.approx(2.2 / (3 + 0.8))
    assert (ours.pointing_hit, ours.tolerance_hit) == (True, True)
    assert ours.average_precision == pytest.approx((1 + 1 + 3 / 4) / 3)
    assert ours.roc_auc == pytest.approx((3 + 3 + 2) / 9)
    assert (ours.best_iou, ours.best_threshold) == (3 / 4, 0.21)
    assert measured.curve is not None
    np.testing.assert_allclose(measured.curve[[0, 30, 50, 70, 90]], [3 / 6, 3 / 4, 2 / 4, 2 / 3, 1 / 3])


@given(values=maps, mask=masks, threshold=thresholds, operator=st.sampled_from(Operator))
def test_fixed_thresholds_are_exact(values: np.ndarray, mask: np.ndarray, threshold: float, operator: Operator) -> None:
    ours = scores(values, mask, Threshold(Rule.FIXED, threshold, operator))
    region = values >= threshold if operator is Operator.AT_LEAST else values > threshold
    if not mask.any():
        assert ours.iou is None
        return
    assert ours.iou == (region & mask).sum() / (region | mask).sum()
    assert ours.region_share == region.mean()
    assert ours.recall == (region & mask).sum() / mask.sum()
    assert ours.precision == ((region & mask).sum() / region.sum() if region.any() else None)


@given(values=maps, mask=masks.filter(np.any))
def test_scores_without_threshold_follow_their_definitions(values: np.ndarray, mask: np.ndarray) -> None:
    ours = scores(values, mask)
    hottest = np.argsort(-values.ravel(), kind="stable")[: mask.sum()]
    assert ours.rank_accuracy == mask.ravel()[hottest].mean()
    total = values.sum(dtype=np.float64)
    assert ours.energy_in_mask == (pytest.approx(values[mask].sum() / total) if total else None)
    assert ours.soft_iou == pytest.approx(np.minimum(values, mask).sum() / np.maximum(values, mask).sum())
    assert ours.pointing_hit == mask.ravel()[values.argmax()]


@given(values=arrays(np.float32, SHAPE, elements=st.integers(0, 20).map(lambda k: k / 20)), mask=masks.filter(np.any))
def test_the_curve_is_the_iou_at_each_threshold(values: np.ndarray, mask: np.ndarray) -> None:
    curve = measure(as_map(values), mask).curve
    assert curve is not None
    by_hand = [
        ((values >= np.float32(t)) & mask).sum() / ((values >= np.float32(t)) | mask).sum() for t in CURVE_THRESHOLDS
    ]
    np.testing.assert_allclose(curve, by_hand)


def test_the_curve_follows_the_fixed_thresholds_of_a_smooth_map() -> None:
    heat, mask = _smooth_case()
    curve = measure(heat, mask).curve
    assert curve is not None
    exact = [measure(heat, mask, (), Threshold(Rule.FIXED, float(t))).metrics.iou for t in CURVE_THRESHOLDS]
    np.testing.assert_allclose(curve, np.array(exact, np.float64), atol=1e-4)


@given(values=maps, mask=masks.filter(np.any), threshold=thresholds)
def test_laws(values: np.ndarray, mask: np.ndarray, threshold: float) -> None:
    ours = scores(values, mask, Threshold(Rule.FIXED, threshold))
    for name in METRICS:
        value = getattr(ours, name)
        assert value is None or 0 <= value <= 1, name
    assert ours.iou is not None
    assert ours.dice is not None
    assert ours.iou == pytest.approx(ours.dice / (2 - ours.dice))
    assert ours.rank_accuracy is not None
    assert ours.area_matched_iou == pytest.approx(ours.rank_accuracy / (2 - ours.rank_accuracy))
    assert ours.best_iou is not None
    assert ours.best_iou >= mask.mean()  # at threshold 0 everything is region


@given(values=arrays(np.float32, (30, 40), elements=st.floats(0, 1, width=32)).filter(np.any))
def test_all_energy_is_no_more_than_all(values: np.ndarray) -> None:
    energy = scores(values, values > 0).energy_in_mask
    assert energy is not None
    assert 1 - 1e-12 < energy <= 1


@given(values=maps, mask=masks, axis=st.sampled_from([0, 1]))
def test_flips_change_nothing_but_ties(values: np.ndarray, mask: np.ndarray, axis: int) -> None:
    values = values + np.arange(values.size, dtype=np.float32).reshape(SHAPE) * np.float32(1e-3)
    values /= values.max()
    once = asdict(scores(values, mask))
    flipped = asdict(scores(np.flip(values, axis), np.ascontiguousarray(np.flip(mask, axis))))
    for name, value in once.items():
        assert flipped[name] == (None if value is None else pytest.approx(value, abs=1e-6)), name


@given(values=maps, mask=masks.filter(np.any))
def test_higher_thresholds_never_grow_a_region(values: np.ndarray, mask: np.ndarray) -> None:
    histogram = count_levels(as_map(values), values[mask])
    assert histogram.whole_from[-1] == 0
    assert (np.diff(histogram.whole_from) <= 0).all()
    assert (np.diff(histogram.inside_from) <= 0).all()
    assert (histogram.inside_from <= histogram.whole_from).all()
    assert (histogram.pixels, histogram.annotated) == (values.size, mask.sum())


@given(values=maps)
def test_a_level_tells_what_otsu_sees(values: np.ndarray) -> None:
    levels = quantise(values)
    np.testing.assert_array_equal(levels // LEVELS_PER_BYTE, (255 * values).astype(np.uint8))
    assert levels.max() <= TOP_LEVEL


@given(values=maps | arrays(np.float32, (20, 30), elements=st.floats(0, 1, width=32)))
def test_otsus_level_is_opencvs(values: np.ndarray) -> None:
    expected, _ = cv2.threshold((255 * values).astype(np.uint8), 0, 1, cv2.THRESH_OTSU)
    assert otsu_level(count_levels(as_map(values), values[:0])) == LEVELS_PER_BYTE * (expected + 1)


def test_multiples_of_a_hundredth_lie_between_two_levels() -> None:
    lowest = [float(lowest_value(number * TOP_LEVEL // 100)) for number in range(101)]
    np.testing.assert_allclose(lowest, CURVE_THRESHOLDS, rtol=2**-22)
    assert lowest[::5] == [float(np.float32(number / 20)) for number in range(21)]


def test_more_pixels_than_float32_can_count() -> None:
    """OpenCV's counts are float32: 16,809,999 black pixels would become 16,810,000."""
    values = np.zeros((4101, 4099), np.float32)
    assert count_levels(as_map(values), values[0]).pixels == values.size


@given(values=maps, other=st.floats(0, 1, width=32))
def test_levels_keep_the_order(values: np.ndarray, other: float) -> None:
    levels, level = quantise(values), quantise(np.array([other], np.float32)).item()
    assert (levels[values >= np.float32(other)] >= level).all()
    assert (values[levels > level] > np.float32(other)).all()


@pytest.mark.parametrize("rule", list(Rule))
def test_an_empty_annotation_leaves_all_scores_undefined(rule: Rule) -> None:
    """Of the map alone the same is known as with an annotation."""
    measured, annotated = (
        measure(as_map(np.eye(3)), mask, (), Threshold(rule)) for mask in (np.zeros((3, 3), bool), np.eye(3) > 0)
    )
    known = {name: getattr(annotated.metrics, name) for name in ("threshold", "region_share", "otsu_threshold")}
    assert None not in known.values()
    assert measured.metrics == ImageMetrics(lesion_share=0.0, **known)
    assert measured.curve is None
    assert measured.pixels is None


def test_a_full_annotation() -> None:
    ours = scores(np.eye(4), np.ones((4, 4), bool))
    assert (ours.precision, ours.rank_accuracy, ours.average_precision, ours.energy_in_mask) == (1, 1, 1, 1)
    assert (ours.iou, ours.recall) == (4 / 16, 4 / 16)
    assert ours.roc_auc is None  # there is nothing outside


@pytest.mark.parametrize("status", [MapStatus.NO_POSITIVE_EVIDENCE, MapStatus.FLAT, MapStatus.NON_FINITE])
def test_a_map_without_evidence_has_no_scores(status: MapStatus) -> None:
    mask = np.array([[True, False]])
    measured = measure(HeatMap(np.zeros((1, 2), np.float32), 0.0, status), mask, [mask])
    assert measured.metrics == ImageMetrics(lesion_share=0.5)


def test_shapes_and_types_must_fit() -> None:
    for mask in (np.ones((3, 2), bool), np.ones((2, 3), np.uint8)):
        with pytest.raises(ValueError, match="boolean mask"):
            measure(as_map(np.ones((2, 3))), mask)  # type: ignore[arg-type]


@pytest.mark.parametrize("rule", list(Rule))
def test_scores_are_plain_numbers(rule: Rule) -> None:
    heat, mask = _smooth_case()
    metrics = measure(heat, mask, [mask], Threshold(rule)).metrics
    hits = {"pointing_hit", "tolerance_hit"}
    assert {name: type(value) for name, value in asdict(metrics).items()} == {
        name: bool if name in hits else float for name in asdict(metrics)
    }


def test_the_layout_in_memory_does_not_matter() -> None:
    heat, mask = _smooth_case()
    expected = measure(replace(heat, source=heat.values), mask, [mask]).metrics
    for again in (np.asfortranarray, lambda a: np.ascontiguousarray(a[::-1])[::-1], lambda a: a.repeat(2, 1)[:, ::2]):
        moved, annotation = replace(heat, source=again(heat.values)), again(mask)
        assert measure(moved, annotation, [annotation]).metrics == expected


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), -0.5, 1.5, 300.0])
def test_what_is_no_heat_map_is_refused(wrong: float) -> None:
    values = np.full((8, 9), 0.25, np.float32)
    values[0, 0] = 1
    values[3, 4] = wrong
    heat = HeatMap(values, 1.0, MapStatus.OK, (0, 0))
    with pytest.raises(ValueError, match="NaN, or values outside"):
        measure(heat, np.eye(8, 9, dtype=bool))


def test_the_curve_keeps_to_the_operator() -> None:
    values = np.array([[0, 0.25, 0.5, 0.75, 1], [1, 0.1, 0.5, 0.4, 0.6]], np.float32)
    mask = np.array([[0, 0, 1, 0, 1], [0, 1, 0, 1, 1]], bool)
    for operator in Operator:
        curve = measure(as_map(values), mask, threshold=Threshold(operator=operator)).curve
        regions = [binarize(values.astype(float), t, operator=operator) for t in (0.0, 0.25, 0.5, 1.0)]
        assert curve is not None
        assert curve[[0, 25, 50, 100]] == pytest.approx([(b & mask).sum() / (b | mask).sum() for b in regions])


def test_lesions_are_looked_at_once() -> None:
    first, second = np.zeros((2, 4, 4), bool)
    first[0, 0] = second[3, 3] = True
    heat = as_map(np.eye(4)[:, ::-1])
    assert measure(heat, first | second, iter([first, second])).metrics.lesion_recall == 0
    assert measure(as_map(np.diag([1.0, 0, 0, 0])), first | second, iter([first, second])).metrics.lesion_recall == 0.5
    assert measure(heat, first | second).metrics.lesion_recall is None
    gone = np.zeros((4, 4), bool)  # such as a lesion that the network's input does not show
    assert measure(as_map(np.diag([1.0, 0, 0, 0])), first, [first, gone]).metrics.lesion_recall == 1


@given(row=st.integers(0, 5), column=st.integers(0, 6), mask=masks.filter(np.any), radius=st.floats(0, 9))
def test_tolerance_is_a_distance(row: int, column: int, mask: np.ndarray, radius: float) -> None:
    rows, columns = np.nonzero(mask)
    nearest = np.hypot(rows - row, columns - column).min()
    assert near_annotation((row, column), mask, radius) == (nearest**2 <= radius**2 + 1e-12)


@pytest.mark.parametrize("radius", [-1.0, float("nan")])
def test_a_tolerance_has_no_sign(radius: float) -> None:
    with pytest.raises(ValueError, match="radius"):
        near_annotation((0, 0), np.ones((1, 1), bool), radius)


def test_the_default_tolerance_is_half_a_grid_cell() -> None:
    """A cell of the 2 x 2 grid covers 8 x 18 pixels of the radiograph: half its mean side is 6 pixels."""
    frame = Frame.fit(Size(16, 36), Size(8, 8), ResizeMode.SQUASH)
    grid = np.array([[1, 0], [0, 0]], np.float32)
    heat = heat_map(grid, frame, status=MapStatus.OK)
    assert heat.cell == (8, 18)
    assert heat.hottest is not None
    mask = np.zeros((16, 36), bool)
    row, column = heat.hottest
    mask[row, column + 6] = True
    assert measure(heat, mask).metrics.tolerance_hit is True
    assert measure(heat, mask).metrics.pointing_hit is False
    assert measure(heat, np.roll(mask, 1, axis=1)).metrics.tolerance_hit is False
    assert measure(heat, np.roll(mask, 1, axis=1), tolerance=7).metrics.tolerance_hit is True
    letterbox = Frame.fit(Size(16, 32), Size(8, 8), ResizeMode.LETTERBOX)
    assert heat_map(grid, letterbox, status=MapStatus.OK).cell == (16, 16)
    assert heat_map(grid, letterbox, status=MapStatus.OK, space=Space.INPUT).cell == (4, 4)


@pytest.mark.parametrize(("percent", "pixels"), [(1, 1), (25, 5), (26, 6), (100, 19)])
def test_a_percentile_keeps_the_hottest_pixels(percent: float, pixels: int) -> None:
    """Twenty pixels of different heat; the coldest shows no evidence, and belongs to no region."""
    heat = (np.random.default_rng(0).permutation(20) / 19).reshape(4, 5)
    region = region_of(heat.astype(np.float32), Threshold(Rule.PERCENTILE, percent))
    assert region.sum() == pixels
    assert heat[region].min() > heat[~region].max()


def test_a_percentile_takes_ties_whole() -> None:
    heat = np.array([[1.0, 0.5, 0.5, 0.5, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]], np.float32)
    assert region_of(heat, Threshold(Rule.PERCENTILE, 20)).sum() == 4
    assert region_of(heat, Threshold(Rule.PERCENTILE, 60)).sum() == 4  # no more than four show evidence


@pytest.mark.parametrize(
    ("rule", "value"), [(Rule.FIXED, -0.1), (Rule.FIXED, float("nan")), (Rule.PERCENTILE, 0.0), (Rule.PERCENTILE, 101)]
)
def test_parameters_out_of_range_are_refused(rule: Rule, value: float) -> None:
    with pytest.raises(ValueError, match="must lie in"):
        Threshold(rule, value)


def test_every_score_is_in_the_catalogue() -> None:
    facts = {"lesion_share", "region_share", "threshold", "otsu_threshold", "best_threshold"}
    assert {*asdict(ImageMetrics(lesion_share=0.0))} - facts == {*METRICS}


def test_chance_is_what_random_maps_score() -> None:
    """On average over maps without knowledge, each score with a known chance level has that level."""
    random = np.random.default_rng(5)
    mask = np.zeros((30, 40), bool)
    mask[3:15, 5:25] = True
    measured = [scores(random.random(mask.shape), mask, Threshold(Rule.FIXED, 0.7)) for _ in range(300)]
    for name in METRICS:
        chance = chance_level(name, measured[0])
        if chance is not None:
            assert np.mean([getattr(one, name) for one in measured]) == pytest.approx(chance, abs=0.05), name


def _smooth_case() -> tuple[HeatMap, np.ndarray]:
    grid = np.maximum(np.random.default_rng(3).normal(size=(7, 6)), 0).astype(np.float32)
    frame = Frame.fit(Size(900, 700), Size(224, 224), ResizeMode.SQUASH)
    mask = np.zeros((900, 700), bool)
    mask[300:520, 100:350] = True
    return heat_map(grid, frame, status=MapStatus.OK), mask


def test_every_score_is_explained() -> None:
    page = (Path(__file__).parents[2] / "docs" / "explanation" / "metrics.md").read_text("utf-8")
    for metric in METRICS.values():
        assert f"\n### {metric.title}\n" in page
        assert f"`{metric.name}`" in page


def test_a_thousand_regions_are_not_too_many() -> None:
    mask = np.arange(2001)[None] % 2 == 1
    assert sum(1 for _ in regions_of(mask)) == 1000
    with pytest.raises(ValueError, match="at most 1000 connected regions, got 1001"):
        regions_of(~mask)
