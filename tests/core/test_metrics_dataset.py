"""Scores that pool a data set, against slow references written from their papers' definitions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage
from sklearn.metrics import average_precision_score

from btxrd_explain.core.choices import ResizeMode
from btxrd_explain.core.geometry import Frame, Size
from btxrd_explain.core.heatmap import HeatMap, MapStatus, heat_map
from btxrd_explain.core.metrics import (
    BoxAccuracy,
    PixelCounts,
    PixelPrecision,
    box_overlaps,
    found_boxes,
    max_box_accuracy,
    measure,
    pooled_precision,
)
from btxrd_explain.core.metrics.boxes import BOX_DELTAS, BOX_THRESHOLDS, box_ious
from btxrd_explain.core.statistics import Resampling, pooled_interval

Case = tuple[HeatMap, list[np.ndarray]]


def _cases(count: int, seed: int = 0) -> list[Case]:
    """Smooth heat maps with one or two lesions; some of the maps know where a lesion is."""
    random = np.random.default_rng(seed)
    cases = []
    for number in range(count):
        size = Size(*random.integers(40, 70, 2).tolist())
        lesions = []
        for _ in range(random.integers(1, 3)):
            lesion = np.zeros(size, bool)
            top, left = (int(random.integers(2, side - 22)) for side in size)
            lesion[top : top + random.integers(6, 20), left : left + random.integers(6, 20)] = True
            lesions.append(lesion)
        grid = random.random((5, 6)).astype(np.float32) * 0.6
        if number % 2:
            rows, columns = (
                np.linspace(0, side - 1, cells).astype(int) for side, cells in zip(size, (5, 6), strict=True)
            )
            grid += lesions[0][np.ix_(rows, columns)]
        cases.append((heat_map(grid, Frame.fit(size, size, ResizeMode.SQUASH), status=MapStatus.OK), lesions))
    return cases


def _pooled(cases: list[Case]) -> PixelPrecision:
    pooled = PixelPrecision()
    for heat, lesions in cases:
        pixels = measure(heat, np.logical_or.reduce(lesions)).pixels
        assert pixels is not None
        pooled.add(pixels)
    return pooled


def test_pxap_is_that_of_pooled_pixels_in_bins_of_a_thousandth() -> None:
    cases = _cases(6)
    values = np.concatenate([heat.values.ravel() for heat, _ in cases])
    annotated = np.concatenate([np.logical_or.reduce(lesions).ravel() for _, lesions in cases])
    total, seen, recall = 0.0, 0, 0.0
    for threshold in np.arange(1000, -1, -1) / 1000:
        region = values >= threshold
        found = (region & annotated).sum()
        if region.sum() > seen:
            total += found / region.sum() * (found / annotated.sum() - recall)
        seen, recall = region.sum(), found / annotated.sum()
    pooled = _pooled(cases)
    assert pooled.value == pytest.approx(total, abs=1e-4)
    assert pooled.value == pytest.approx(average_precision_score(annotated, values), abs=2e-3)
    assert pooled.chance == annotated.mean()


def test_pooling_in_parts_is_pooling() -> None:
    cases = _cases(4)
    whole, first, second = _pooled(cases), _pooled(cases[:1]), _pooled(cases[1:])
    first.add(second)
    assert first.value == whole.value


def test_a_perfect_data_set_and_an_empty_one() -> None:
    mask = np.zeros((5, 5), bool)
    mask[1:3, 1:3] = True
    perfect = _pooled([(HeatMap(mask.astype(np.float32), 1.0, MapStatus.OK, (1, 1)), [mask])])
    assert perfect.value == 1
    assert perfect.chance == mask.mean()
    assert (PixelPrecision().value, PixelPrecision().chance) == (None, None)


def test_memory_does_not_grow_with_the_images() -> None:
    pooled, boxes = PixelPrecision(), BoxAccuracy()
    counts = PixelCounts(np.ones(1001, np.int64), np.full(1001, 2))
    for _ in range(100):
        pooled.add(counts)
        boxes.add(np.zeros(1000))
    assert pooled.whole.nbytes + boxes.found.nbytes == 1001 * 8 + 3 * 1000 * 8
    assert pooled.chance == 0.5


def _slow_box_overlap(values: np.ndarray, lesions: list[np.ndarray], threshold: float) -> float:
    """Best IoU of a lesion's box and the box of a part of the region, or of a hole in it with the rim around it."""
    bytes_ = (255 * values).astype(np.uint8)
    region = bytes_ > int(threshold * int(bytes_.max()))
    connected = np.ones((3, 3), int)
    boxes = [_slow_box(part, region.shape, 0) for part in _parts(region, connected)]
    outside = np.pad(~region, 1, constant_values=True)  # what touches the border is not a hole
    holes = (part[1:-1, 1:-1] for part in _parts(outside, None) if not part[0, 0])
    boxes += [_slow_box(hole, region.shape, 1) for hole in holes]
    return max(
        (_slow_iou(box, _slow_box(lesion, lesion.shape, 0)) for box in boxes for lesion in lesions),
        default=0.0,
    )


def _parts(region: np.ndarray, structure: np.ndarray | None) -> list[np.ndarray]:
    labels, count = ndimage.label(region, structure)
    return [labels == number for number in range(1, count + 1)]


def _slow_box(part: np.ndarray, shape: tuple[int, ...], rim: int) -> tuple[int, int, int, int]:
    rows, columns = np.nonzero(part)
    return (
        int(columns.min()) - rim,
        int(rows.min()) - rim,
        min(int(columns.max()) + rim + 1, shape[1] - 1),
        min(int(rows.max()) + rim + 1, shape[0] - 1),
    )


def _slow_iou(a: tuple[int, int, int, int], b: tuple[int, int, int, int]) -> float:
    pixels = [{(x, y) for x in range(x0, x1 + 1) for y in range(y0, y1 + 1)} for x0, y0, x1, y1 in (a, b)]
    return len(pixels[0] & pixels[1]) / len(pixels[0] | pixels[1])


def test_maxboxacc_v2_against_a_slow_reference() -> None:
    steps = slice(0, 1000, 40)
    found = np.zeros((3, 25))
    accuracy = BoxAccuracy()
    cases = _cases(8, seed=1)
    for heat, lesions in cases:
        slow = np.array([_slow_box_overlap(heat.values, lesions, t) for t in BOX_THRESHOLDS[steps].tolist()])
        fast = box_overlaps(heat.values, lesions)
        assert fast is not None
        np.testing.assert_allclose(fast[steps], slow)
        found += slow >= np.array(BOX_DELTAS)[:, None]
        masked = np.zeros(1000)
        masked[steps] = fast[steps]
        accuracy.add(masked)
    result = accuracy.result()
    assert result is not None
    assert result.images == 8
    assert result.score == pytest.approx((found / 8).max(axis=1).mean())
    assert result.joint_score == pytest.approx((found / 8).mean(axis=0).max())
    assert 0 < result.joint_score <= result.score < 1
    for row, delta in enumerate(BOX_DELTAS):
        best, threshold = result.accuracies[delta]
        assert best == (found[row] / 8).max()
        assert found[row, round(threshold * 25)] == found[row].max()


def test_a_hole_has_a_box_too() -> None:
    values = np.zeros((12, 12), np.float32)
    values[1:11, 1:11] = 1
    values[4:7, 4:8] = 0
    hole = np.zeros((12, 12), bool)
    hole[3:8, 3:9] = True
    overlaps = box_overlaps(values, [hole])
    assert overlaps is not None
    assert overlaps[0] == 1
    assert _slow_box_overlap(values, [hole], 0.0) == 1


def test_without_lesion_or_image_there_is_no_box() -> None:
    assert box_overlaps(np.eye(3, dtype=np.float32), []) is None
    assert box_overlaps(np.eye(3, dtype=np.float32), [np.zeros((3, 3), bool)]) is None
    assert BoxAccuracy().result() is None
    cold = box_overlaps(np.zeros((3, 3), np.float32), [np.eye(3, dtype=bool)])
    assert cold is not None
    assert not cold.any()


corners = arrays(np.int64, (4,), elements=st.integers(0, 6)).map(lambda c: np.sort(c.reshape(2, 2), axis=0).ravel())


@given(a=corners, b=corners)
def test_box_iou_counts_pixels(a: np.ndarray, b: np.ndarray) -> None:
    expected = _slow_iou(tuple(a.tolist()), tuple(b.tolist()))
    assert box_ious(a[None], b[None])[0, 0] == pytest.approx(expected)


def test_the_interval_of_pxap_is_that_of_images_pooled_draw_by_draw() -> None:
    cases = _cases(5)
    counts = [measure(heat, np.logical_or.reduce(lesions)).pixels for heat, lesions in cases]
    assert all(each is not None for each in counts)
    rows = np.array([np.concatenate([each.inside, each.whole]) for each in counts if each is not None])
    resampling = Resampling.of_groups(["p", "p", "q", "r", "s"], resamples=200, seed=3)
    estimate = pooled_interval(rows, lambda sums: pooled_precision(*np.split(sums, 2, axis=-1)), resampling)
    slow = [_pooled([cases[place] for place in draw]).value for draw in resampling.indices()]
    defined = [value for value in slow if value is not None]
    assert estimate.value == pytest.approx(_pooled(cases).value, abs=1e-12)
    assert (estimate.low, estimate.high) == pytest.approx(tuple(np.quantile(defined, [0.025, 0.975])), abs=1e-12)
    assert (estimate.n, estimate.units) == (5, 4)


def test_the_box_accuracy_of_many_draws_is_that_of_each() -> None:
    found = np.random.default_rng(0).random((4, 3, 1000)) < 0.3
    single = BoxAccuracy()
    for image in found:
        single.add(np.where(image[2], 0.9, np.where(image[1], 0.6, np.where(image[0], 0.4, 0.0))))
    nested = np.array([found_boxes(np.where(i[2], 0.9, np.where(i[1], 0.6, np.where(i[0], 0.4, 0.0)))) for i in found])
    result = single.result()
    assert result is not None
    draws = np.stack([nested.sum(axis=0), 2 * nested.sum(axis=0)])
    assert max_box_accuracy(draws, np.array([4, 8])).tolist() == pytest.approx([result.score] * 2, abs=1e-15)


@pytest.mark.parametrize("images", [0, 1])
def test_too_few_images_have_no_interval(images: int) -> None:
    rows = np.ones((images, 2), np.uint32)
    estimate = pooled_interval(rows, lambda sums: sums[:, 0] / sums[:, 1], Resampling.of_images(images))
    assert (estimate.value, estimate.low, estimate.high) == (1.0 if images else None, None, None)
