"""The live numbers on real radiographs of full size, with a real network's maps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from btxrd_explain import compute_cam_iou, read_annotation
from btxrd_explain.commands import report
from btxrd_explain.core.heatmap import MapStatus, heat_map
from btxrd_explain.predictions.table import open_table
from btxrd_explain.settings import DataSettings, ModelSettings, OutputSettings, Settings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from playwright.sync_api import Page

NAMES = ["IMG000046.jpeg", "IMG001033.jpeg", "IMG001485.jpeg"]


def test_the_live_iou_is_pythons_on_real_radiographs(
    real_data: Path, wild_checkpoint: Path, tmp_path: Path, visit: Callable[..., Page]
) -> None:
    sample = real_data / "btxrd_sample"
    settings = Settings(
        data=DataSettings(
            inputs=tuple(str(sample / "images" / name) for name in NAMES),
            split_csv=sample / "split_test.csv",
            annotations=sample / "Annotations",
        ),
        model=ModelSettings(checkpoint=wild_checkpoint, device="cpu"),
        output=OutputSettings(directory=tmp_path),
    )
    page = visit(report.run(settings).page)
    table = open_table(tmp_path / "predictions.parquet")
    for row in table.rows(NAMES):
        assert row.grids is not None
        assert row.size is not None
        mask = read_annotation(sample / "Annotations" / f"{row.image_id.split('.')[0]}.json", row.size).mask
        page.get_by_role("button", name=f"{row.image_id},").click()
        for index, status in enumerate(row.grid_statuses):
            heat = heat_map(row.grids[index], table.provenance.preprocessing.frame(row.size), status=status)
            page.locator("#classes input").nth(index).check()
            for threshold in (0.2, 0.5, 0.8):
                page.locator("#threshold").fill(str(threshold))
                shown = page.locator("#live-iou").get_attribute("value") or "nan"
                expected = compute_cam_iou(heat.values, mask, threshold) if heat.status is MapStatus.OK else None
                assert float(shown) == pytest.approx(
                    float("nan") if expected is None else expected, abs=1e-3, nan_ok=True
                )
        page.keyboard.press("Escape")
