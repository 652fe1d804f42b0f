"""The browser's heat maps, regions and numbers are Python's."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from btxrd_explain.commands import annotate_iou
from btxrd_explain.core.choices import Operator, ResizeMode, Space
from btxrd_explain.core.heatmap import MapStatus, heat_map
from btxrd_explain.core.overlap import count_overlap
from btxrd_explain.core.threshold import binarize
from btxrd_explain.outputs.overlay import colour_table
from btxrd_explain.predictions.store import write_table

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from playwright.sync_api import Page

    from btxrd_explain.settings import Settings
    from tests.report.conftest import Case

pytestmark = pytest.mark.usefixtures("blank_figures")

THRESHOLDS = (0.0, 0.25, 0.5, 0.96)
"""At 1 itself rounding decides, here as there: which of several equally hot pixels is exactly 1."""


def _expected(case: Case, image_id: str, class_index: int, threshold: float, **protocol: str) -> float | None:
    """Compute an IoU from the definitions: heat map, threshold, count."""
    row = next(row for row in case.rows if row.image_id == image_id)
    assert row.grids is not None
    assert row.size is not None
    space = Space(protocol.get("space", "original"))
    frame = case.provenance.preprocessing.frame(row.size)
    heat = heat_map(row.grids[class_index], frame, status=row.grid_statuses[class_index], space=space)
    mask = case.masks[image_id]
    mask = mask if space is Space.ORIGINAL else frame.mask_to_input(mask)
    if heat.status is not MapStatus.OK or not mask.any():
        return None
    operator = Operator(protocol.get("operator", ">="))
    return count_overlap(binarize(heat.values, threshold, operator=operator), mask).iou


def _shown(page: Page) -> float | None:
    text = page.locator("#live-iou").get_attribute("value")
    return float(text) if text else None


def _open(page: Page, image_id: str) -> None:
    page.get_by_role("button", name=f"{image_id},").click()


@pytest.mark.parametrize(
    ("resize", "protocol"),
    [
        (ResizeMode.SQUASH, {}),
        (ResizeMode.CROP, {}),
        (ResizeMode.LETTERBOX, {}),
        (ResizeMode.LETTERBOX, {"space": "input"}),
        (ResizeMode.CROP, {"space": "input", "operator": ">"}),
        (ResizeMode.SQUASH, {"operator": ">"}),
    ],
    ids=str,
)
def test_the_live_iou_is_pythons(
    make_case: Callable[..., Case],
    tmp_path: Path,
    visit: Callable[..., Page],
    resize: ResizeMode,
    protocol: dict[str, str],
) -> None:
    case = make_case(tmp_path, resize=resize, count=5)
    page = visit(case.write(**protocol))
    compared = 0
    for image_id in case.masks:
        _open(page, image_id)
        for class_index in range(3):
            page.locator("#classes input").nth(class_index).check()
            for threshold in THRESHOLDS:
                page.locator("#threshold").fill(str(threshold))
                expected = _expected(case, image_id, class_index, threshold, **protocol)
                shown = _shown(page)
                assert (shown is None) == (expected is None)
                if expected is not None:
                    assert shown == pytest.approx(expected, abs=1e-3)
                    compared += expected > 0
        page.keyboard.press("Escape")
    assert compared > 8


def test_the_viewer_opens_at_the_number_of_the_evaluation(
    case: Case, page_file: Path, visit: Callable[..., Page]
) -> None:
    page = visit(page_file)
    for image_id in case.masks:
        row = next(row for row in case.rows if row.image_id == image_id)
        target = case.provenance.class_names.index(row.label or "")
        expected = _expected(case, image_id, target, 0.5)
        _open(page, image_id)
        if expected is None:
            assert "undefined in the evaluation" in page.locator("#scores").inner_text()
        else:
            assert _shown(page) == pytest.approx(expected, abs=1e-3)
            assert f"IoU {expected:.3f}, class {row.label}" in page.locator("#scores dl").inner_text()
        page.keyboard.press("Escape")


@pytest.mark.parametrize("rule", ["otsu", "percentile"])
def test_the_slider_starts_at_the_threshold_that_a_rule_chose(
    make_case: Callable[..., Case], tmp_path: Path, visit: Callable[..., Page], rule: str
) -> None:
    """Also where that is next to nothing, above which the hottest pixels lie; rounding noise counts as 0."""
    case = make_case(tmp_path, count=12)
    noise = np.float32(1e-8)
    flat = [replace(row, grids=np.where(row.grids > 1, row.grids, noise)) for row in case.rows if row.grids is not None]
    write_table(tmp_path / "results" / "predictions.parquet", case.provenance, flat)
    page = visit(case.write(threshold_rule=rule, percentile=90))
    evaluated = [
        row for row in annotate_iou.run(_settings(case, rule)).report.document()["per_image"] if row["iou"] is not None
    ]
    assert len(evaluated) >= 3
    for image in evaluated:
        _open(page, image["image_id"])
        assert _shown(page) == pytest.approx(image["iou"], abs=1e-3)
        page.keyboard.press("Escape")


def _settings(case: Case, rule: str) -> Settings:
    return case.settings(annotation={"threshold_rule": rule, "percentile": 90})


def test_the_painted_map_has_the_colours_of_the_figures(
    case: Case, page_file: Path, visit: Callable[..., Page]
) -> None:
    """Colour map and opacity are those of ``create_overlay``; the canvas may round by a level."""
    page = visit(page_file)
    row = next(row for row in case.rows if row.image_id in case.masks and row.grid_statuses[2] is MapStatus.OK)
    assert row.grids is not None
    assert row.size is not None
    _open(page, row.image_id)
    page.locator("#classes input").nth(2).check()
    drawn = page.evaluate(
        """() => {
            const canvas = document.querySelector("#stage canvas");
            const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
            return [canvas.height, canvas.width, [...pixels.data]];
        }"""
    )
    height, width, data = drawn
    painted = np.array(data, dtype=np.float64).reshape(height, width, 4)
    heat = heat_map(row.grids[2], case.provenance.preprocessing.frame(row.size), status=MapStatus.OK).values
    rows, columns = (
        ((np.arange(length) + 0.5) * original / length).astype(int)
        for length, original in zip((height, width), row.size, strict=True)
    )
    expected = heat[np.ix_(rows, columns)]
    opaque = painted[..., 3] > 100
    levels = np.round(255 * np.sqrt(painted[..., 3] / 255)).astype(int)
    assert np.abs(levels / 255 - expected).mean() < 0.02  # samples lie up to half a pixel apart
    colours = colour_table("viridis")[levels]
    assert np.abs(painted[..., :3] - colours)[opaque].max() < 6
    assert opaque.mean() > 0.05


def test_the_outline_follows_the_threshold(case: Case, page_file: Path, visit: Callable[..., Page]) -> None:
    """All its points lie where Python's heat map crosses the level, or on the border."""
    page = visit(page_file)
    image_id = next(iter(case.masks))
    row = next(row for row in case.rows if row.image_id == image_id)
    assert row.grids is not None
    assert row.size is not None
    _open(page, image_id)
    page.locator("#classes input").nth(1).check()
    heat = heat_map(row.grids[1], case.provenance.preprocessing.frame(row.size), status=row.grid_statuses[1]).values
    lengths = []
    for threshold in (0.3, 0.6, 0.9):
        page.locator("#threshold").fill(str(threshold))
        path = page.locator("#stage path.region").last.get_attribute("d") or ""
        points = np.array([point.split() for point in path.replace("M", "L").split("L")[1:]], dtype=np.float64)
        lengths.append(len(points))
        x, y = points.T
        inside = (x > 1) & (y > 1) & (x < row.size.width - 1) & (y < row.size.height - 1)
        columns, rows = np.clip(x[inside] - 0.5, 0, None), np.clip(y[inside] - 0.5, 0, None)
        left, top = columns.astype(int), rows.astype(int)
        around = np.stack([heat[top + i, left + j] for i in (0, 1) for j in (0, 1)])
        assert (around.min(axis=0) <= threshold + 0.05).all()
        assert (around.max(axis=0) >= threshold - 0.05).all()
    assert lengths[0] > lengths[2] > 0


def test_a_class_without_evidence_says_so(case: Case, page_file: Path, visit: Callable[..., Page]) -> None:
    page = visit(page_file)
    row = next(row for row in case.rows if MapStatus.NO_POSITIVE_EVIDENCE in row.grid_statuses)
    index = row.grid_statuses.index(MapStatus.NO_POSITIVE_EVIDENCE)
    _open(page, row.image_id)
    page.locator("#classes input").nth(index).check()
    name = case.provenance.class_names[index]
    assert page.locator("#map-note").inner_text().startswith(f"{name}: nothing in the radiograph speaks for it")
    assert page.locator("#live-iou").inner_text() == "undefined"
    assert page.locator("#stage path.region").last.get_attribute("d") == ""
