"""The metrics against other people's programs: cheXlocalize, Quantus, XAITK, wsolevaluation and scikit-learn."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import average_precision_score, roc_auc_score

from btxrd_explain.core.ceiling import ideal_grid
from btxrd_explain.core.choices import Operator, ResizeMode
from btxrd_explain.core.geometry import Frame, Size
from btxrd_explain.core.heatmap import HeatMap, MapStatus, heat_map, judge
from btxrd_explain.core.metrics import CURVE_THRESHOLDS, ImageMetrics, Rule, Threshold, box_overlaps, measure, region_of
from btxrd_explain.core.metrics.image import Energy
from btxrd_explain.core.shapes import Shape, ShapeType, rasterise_union

if TYPE_CHECKING:
    from pathlib import Path

STRICT = Threshold(Rule.FIXED, 0.5, Operator.ABOVE)


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


def _min_max(values: np.ndarray) -> np.ndarray:
    scaled: np.ndarray = (values - values.min()) / (values.max() - values.min())
    return scaled


def _as_map(raw: np.ndarray) -> HeatMap:
    row, column = divmod(int(raw.argmax()), raw.shape[1])
    return HeatMap(_min_max(raw), float(raw.max()), MapStatus.OK, (row, column))


@pytest.fixture(scope="module", params=[0, 1, 2])
def peer(request: pytest.FixtureRequest, real_data: Path) -> tuple[dict[str, Any], HeatMap, np.ndarray]:
    """What the peers computed, and the arrays that they were given."""
    case = json.loads((real_data / "peer_metric_values.json").read_text())["cases"][request.param]
    raw, mask = _peer_case(case["seed"])
    return case, _as_map(raw), mask


def test_chexlocalize_and_xaitk_agree(peer: tuple[dict[str, Any], HeatMap, np.ndarray]) -> None:
    case, heat, mask = peer
    strict, above = (measure(heat, mask, (), threshold).metrics for threshold in (STRICT, Threshold()))
    assert strict.region_share == case["chexlocalize_thr0.5_pixels"] / mask.size
    assert strict.iou == pytest.approx(case["chexlocalize_iou_thr0.5"], abs=1e-6)
    filled = measure(heat, mask, (), Threshold(Rule.OTSU_CHEXLOCALIZE)).metrics
    assert filled.region_share == case["chexlocalize_otsu_pixels"] / mask.size
    assert filled.iou == pytest.approx(case["chexlocalize_iou_otsu"], abs=1e-6)
    assert filled.threshold == pytest.approx((case["cv2_otsu_level"] + 1) / 255, abs=1e-7)
    assert strict.pointing_hit == bool(case["chexlocalize_hit"])
    assert heat.hottest == tuple(case["argmax_yx"])
    assert above.iou == pytest.approx(case["xaitk_iou_coverage_ge0.5"], abs=1e-6)
    assert above.recall == pytest.approx(case["xaitk_gt_coverage_ge0.5"], abs=1e-6)


def test_quantus_and_scikit_learn_agree(peer: tuple[dict[str, Any], HeatMap, np.ndarray]) -> None:
    case, heat, mask = peer
    ours = measure(heat, mask).metrics
    assert ours.pointing_hit == bool(case["quantus_PointingGame"])
    assert ours.rank_accuracy == pytest.approx(case["quantus_RelevanceRankAccuracy"], abs=1e-6)
    assert ours.roc_auc == pytest.approx(case["quantus_AUC"], abs=1e-4)
    assert ours.average_precision == pytest.approx(case["sklearn_ap"], abs=1e-4)
    raw, _ = _peer_case(case["seed"])  # Quantus and XAITK were given the map before scaling
    energy = Energy(float(raw[mask].sum()), float(raw.sum()), int(mask.sum()))
    assert energy.share == pytest.approx(case["quantus_RelevanceMassAccuracy"], abs=1e-6)
    assert energy.share == pytest.approx(case["xaitk_saliency_coverage"], abs=1e-6)


def test_wsolevaluation_agrees(peer: tuple[dict[str, Any], HeatMap, np.ndarray]) -> None:
    """Theirs are the boxes of the largest contour: the best of all contours is at least as good."""
    case, heat, mask = peer
    overlaps = box_overlaps(heat.values, [mask])
    assert overlaps is not None
    ours = overlaps[[200, 500, 800]]
    assert (ours >= np.array(case["wsol_box_iou"]) - 1e-6).all()
    if case["seed"] == 1:  # the largest contour is the best one
        np.testing.assert_allclose(ours, case["wsol_box_iou"], atol=1e-6)


def _chexlocalize_cases(real_data: Path) -> list[tuple[dict[str, str], np.ndarray, np.ndarray]]:
    folder = real_data / "chexlocalize"
    with (folder / "reference_iou.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["gt_positive"] == "1"]
    cases = []
    for row in rows:
        stem = f"{row['cxr']}__{row['task'].replace(' ', '_')}"
        mask = np.asarray(Image.open(folder / "masks_png" / f"{stem}__gt.png")) > 0
        cases.append((row, np.load(folder / "maps_npy" / f"{stem}.npy"), mask))
    return cases


def _on_radiograph(grid: np.ndarray, mask: np.ndarray) -> HeatMap:
    frame = Frame.fit(Size(*mask.shape), Size(*grid.shape), ResizeMode.SQUASH)
    return heat_map(grid, frame, status=judge(grid))


def test_chexlocalize_is_reproduced_on_real_maps(real_data: Path) -> None:
    """Real DenseNet-121 maps against radiologists' masks."""
    cases = _chexlocalize_cases(real_data)
    assert len(cases) == 3
    for row, grid, mask in cases:
        heat = _on_radiograph(grid, mask)
        fixed, plain, filled = (
            measure(heat, mask, (), threshold).metrics
            for threshold in (STRICT, Threshold(Rule.OTSU), Threshold(Rule.OTSU_CHEXLOCALIZE))
        )
        assert fixed.iou == pytest.approx(float(row["iou_fixed_0p5"]), abs=1e-6)
        assert plain.iou == pytest.approx(float(row["iou_otsu_pixelwise"]), abs=1e-6)
        assert plain.iou == fixed.iou_otsu
        assert filled.iou == pytest.approx(float(row["iou_shipped_pred_vs_gt"]), abs=1e-6)
        assert fixed.pointing_hit == (row["pointing_hit"] == "1")
        assert heat.hottest == (int(row["argmax_row"]), int(row["argmax_col"]))
        assert fixed.energy_in_mask == pytest.approx(float(row["energy_in_gt"]), abs=1e-6)
        assert fixed.otsu_threshold == float(row["otsu_threshold"])


def test_scikit_learn_agrees_on_a_real_map(real_data: Path) -> None:
    _, grid, mask = _chexlocalize_cases(real_data)[0]
    heat = _on_radiograph(grid, mask)
    part = slice(700, 2000, 2), slice(600, 2400, 3)  # scikit-learn sorts for seconds
    values, annotated = heat.values[part], mask[part]
    _assert_scikit_learn_agrees(measure(_as_map(values), annotated).metrics, _min_max(values), annotated)


@pytest.mark.parametrize("seed", range(4))
def test_scikit_learn_agrees_on_random_maps(seed: int) -> None:
    random = np.random.default_rng(seed)
    grid = np.maximum(random.normal(size=(7, 9)), 0).astype(np.float32)
    mask = np.zeros((300, 410), bool)
    top, left = random.integers(0, 200, 2)
    mask[top : top + 60, left : left + 80] = True
    heat = _on_radiograph(grid, mask)
    _assert_scikit_learn_agrees(measure(heat, mask).metrics, heat.values, mask)


@pytest.mark.parametrize("name", ["IMG000046", "IMG000113"])
def test_scikit_learn_agrees_on_whole_maps_of_real_lesions(real_data: Path, name: str) -> None:
    """The ideal map, which is 0 on most pixels, and one that is warm in many places."""
    annotation = json.loads((real_data / "btxrd_sample" / "Annotations" / f"{name}.json").read_text("utf-8"))
    size = Size(annotation["imageHeight"], annotation["imageWidth"])
    points = [np.array(one["points"]) for one in annotation["shapes"] if one["shape_type"] == "polygon"]
    mask = rasterise_union([Shape("lesion", ShapeType.POLYGON, each) for each in points], size)
    frame = Frame.fit(size, Size(224, 224), ResizeMode.SQUASH)
    ideal = ideal_grid(mask, frame, Size(7, 7))
    for grid in (ideal, ideal + np.random.default_rng(0).normal(0, 0.2, ideal.shape)):
        heat = heat_map(grid, frame, status=judge(grid))
        ours = measure(heat, mask).metrics
        _assert_scikit_learn_agrees(ours, heat.values, mask)
        regions = (heat.values >= np.float32(threshold) for threshold in CURVE_THRESHOLDS)
        best = max((region & mask).sum() / (region | mask).sum() for region in regions)
        assert ours.best_iou == best


def _assert_scikit_learn_agrees(ours: ImageMetrics, values: np.ndarray, mask: np.ndarray) -> None:
    expected = average_precision_score(mask.ravel(), values.ravel())
    assert ours.average_precision == pytest.approx(expected, abs=5e-5)
    assert ours.roc_auc == pytest.approx(roc_auc_score(mask.ravel(), values.ravel()), abs=2e-5)


def test_regions_are_those_that_are_scored(real_data: Path) -> None:
    _, grid, mask = _chexlocalize_cases(real_data)[1]
    heat = _on_radiograph(grid, mask)
    for threshold in (STRICT, Threshold(Rule.OTSU_CHEXLOCALIZE), Threshold(Rule.PERCENTILE, 10)):
        drawn = region_of(heat.values, threshold)
        assert measure(heat, mask, (), threshold).metrics.region_share == drawn.mean()
