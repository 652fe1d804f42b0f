from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from btxrd_explain.core.geometry import Frame, ResizeMode, Size
from btxrd_explain.core.heatmap import min_max
from btxrd_explain.core.overlap import compute_cam_iou, count_overlap, energy_in_mask, pointing_hit
from btxrd_explain.core.threshold import Operator, binarize, otsu

if TYPE_CHECKING:
    from pathlib import Path

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
    assert pointing_hit(np.ones((2, 2)), empty) is None
    assert energy_in_mask(np.zeros((2, 2)), full) is None


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
    with pytest.raises(ValueError, match="differ in shape"):
        pointing_hit(np.zeros((2, 3)), np.zeros((3, 2), bool))


def test_the_first_of_equal_maxima_points() -> None:
    heat = np.array([[0.0, 1.0], [1.0, 0.0]])
    assert pointing_hit(heat, np.array([[False, True], [False, False]])) is True
    assert pointing_hit(heat, np.array([[False, False], [True, False]])) is False


def _peer_case(seed: int, height: int = 48, width: int = 64) -> tuple[np.ndarray, np.ndarray]:
    """Rebuild one of the arrays for which peers' own functions were run."""
    yy, xx = np.mgrid[0:height, 0:width]
    random = np.random.default_rng(seed)
    cy, cx = random.uniform(8, height - 8), random.uniform(8, width - 8)
    heat = np.exp(-(((yy - cy) / 9) ** 2 + ((xx - cx) / 12) ** 2)).astype(np.float32)
    heat = heat + np.float32(0.15) * random.random((height, width)).astype(np.float32)
    mask = np.zeros((height, width), bool)
    y0, x0 = random.integers(4, height - 20), random.integers(4, width - 24)
    mask[y0 : y0 + 14, x0 : x0 + 18] = True
    return heat, mask


def test_peers_agree(real_data: Path) -> None:
    cases = json.loads((real_data / "peer_metric_values.json").read_text())["cases"]
    for case in cases:
        raw, mask = _peer_case(case["seed"])
        heat = min_max(raw)
        fixed = count_overlap(binarize(heat, 0.5, operator=Operator.ABOVE), mask)
        assert fixed.region == case["chexlocalize_thr0.5_pixels"]
        assert fixed.iou == pytest.approx(case["chexlocalize_iou_thr0.5"], abs=1e-6)
        assert pointing_hit(raw, mask) == bool(case["chexlocalize_hit"])
        assert energy_in_mask(raw, mask) == pytest.approx(case["quantus_RelevanceMassAccuracy"], abs=1e-6)


def _chexlocalize_rows(real_data: Path) -> list[dict[str, str]]:
    with (real_data / "chexlocalize" / "reference_iou.csv").open(newline="") as file:
        return [row for row in csv.DictReader(file) if row["gt_positive"] == "1"]


def test_chexlocalize_is_reproduced(real_data: Path) -> None:
    """Real DenseNet-121 maps against radiologists' masks: IoU at 0.5 and at Otsu, hits and energy."""
    folder = real_data / "chexlocalize"
    rows = _chexlocalize_rows(real_data)
    assert len(rows) == 3
    for row in rows:
        stem = f"{row['cxr']}__{row['task'].replace(' ', '_')}"
        mask = np.asarray(Image.open(folder / "masks_png" / f"{stem}__gt.png")) > 0
        grid = np.load(folder / "maps_npy" / f"{stem}.npy")
        upsampled = Frame.fit(Size(*mask.shape), Size(*grid.shape), ResizeMode.SQUASH).map_to_original(grid)
        heat = min_max(upsampled)
        fixed = count_overlap(binarize(heat, 0.5, operator=Operator.ABOVE), mask)
        assert fixed.iou == pytest.approx(float(row["iou_fixed_0p5"]), abs=1e-6)
        assert count_overlap(otsu(heat), mask).iou == pytest.approx(float(row["iou_otsu_pixelwise"]), abs=1e-6)
        assert pointing_hit(upsampled, mask) == (row["pointing_hit"] == "1")
        assert energy_in_mask(heat, mask) == pytest.approx(float(row["energy_in_gt"]), abs=1e-6)


@given(values=arrays(np.float32, (4, 5), elements=st.floats(0, 1, width=32)), mask=arrays(bool, (4, 5)))
def test_a_higher_threshold_never_grows_the_region(values: np.ndarray, mask: np.ndarray) -> None:
    counts = [count_overlap(binarize(values, t), mask) for t in (0.2, 0.5, 0.9)]
    assert [c.region for c in counts] == sorted((c.region for c in counts), reverse=True)
    assert [c.both for c in counts] == sorted((c.both for c in counts), reverse=True)
