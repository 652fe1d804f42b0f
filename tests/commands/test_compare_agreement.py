"""How far two tables of heat maps agree: small tables whose maps are known, against scikit-image and SciPy."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from scipy.stats import spearmanr
from skimage.metrics import structural_similarity

from btxrd_explain.commands.compare import run_methods
from btxrd_explain.commands.compare.agreement import SIDE, agreement_of
from btxrd_explain.core.geometry import Size
from btxrd_explain.core.heatmap import MapStatus
from btxrd_explain.core.threshold import Threshold
from btxrd_explain.errors import SettingsError
from btxrd_explain.predictions.store import write_table
from btxrd_explain.predictions.table import open_table
from btxrd_explain.settings import Settings
from tests.support.small_table import PROVENANCE, make_row

if TYPE_CHECKING:
    from pathlib import Path

COUNT = 5


def _rows(seed: int) -> list[Any]:
    random = np.random.default_rng(seed)
    grids = random.random((COUNT, 2, 3, 4), dtype=np.float32)
    return [make_row(number, grids=grids[number], size=Size(SIDE, SIDE)) for number in range(COUNT)]


def _evaluation(path: Path, rows: list[Any]) -> Any:  # noqa: ANN401 -- as much of an evaluation as is looked at
    write_table(path, PROVENANCE, rows)
    table = open_table(path)
    protocol = SimpleNamespace(decisions=None, threshold=Threshold(), target_of=lambda row, _names: row.predicted)
    return SimpleNamespace(selected=SimpleNamespace(table=table, rows=table.index()), protocol=protocol)


def _agreement(tmp_path: Path, one: list[Any], two: list[Any]) -> Any:  # noqa: ANN401 -- an Agreement
    first, other = (_evaluation(tmp_path / name, rows) for name, rows in (("a.parquet", one), ("b.parquet", two)))
    return agreement_of(first, other, {row.image_id: row.image_id for row in one}, resamples=50, seed=0)


def _map(row: Any) -> Any:  # noqa: ANN401 -- of the predicted class, on the network's input and from there on the image
    import cv2  # noqa: PLC0415 -- only here

    positive = np.maximum(row.grids[row.predicted], 0)
    small = cv2.resize(positive, (32, 32), interpolation=cv2.INTER_LINEAR)
    large = cv2.resize(small, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR)
    return (large - large.min()) / (large.max() - large.min())


def test_a_table_agrees_with_itself_wholly(tmp_path: Path) -> None:
    found = _agreement(tmp_path, _rows(0), _rows(0))
    for likeness in (found.maps, found.same_prediction):
        assert [likeness.iou.mean, likeness.spearman.mean, likeness.ssim.mean] == pytest.approx([1, 1, 1])
    assert found.maps.iou.n == COUNT
    assert found.changed_prediction.iou.n == 0
    assert found.changed_prediction.iou.mean is None
    assert found.n_undefined == 0
    assert found.chance.iou.n == COUNT - 1  # the first image has none before it
    assert found.chance.spearman.mean < 0.9


def test_likeness_is_that_of_other_programs(tmp_path: Path) -> None:
    one, two = _rows(0), _rows(1)
    found = _agreement(tmp_path, one, two)
    rhos, structures = [], []
    for first, second in zip(one, two, strict=True):
        maps = _map(first), _map(second)
        rhos.append(spearmanr(*(values.ravel() for values in maps)).statistic)
        structures.append(structural_similarity(*maps, data_range=1.0))
    assert found.maps.spearman.mean == pytest.approx(np.mean(rhos), abs=0.02)
    assert found.maps.ssim.mean == pytest.approx(np.mean(structures), abs=0.02)


def test_images_are_parted_by_whether_both_predict_the_same(tmp_path: Path) -> None:
    two = _rows(0)
    two[1] = make_row(1, grids=two[1].grids, size=two[1].size, probabilities=np.array([0.75, 0.25], np.float32))
    found = _agreement(tmp_path, _rows(0), two)
    assert (found.same_prediction.iou.n, found.changed_prediction.iou.n) == (COUNT - 1, 1)
    assert found.changed_prediction.iou.mean == pytest.approx(1)  # the class is that of the first table


def test_a_map_without_evidence_counts_nowhere(tmp_path: Path) -> None:
    two = _rows(0)
    empty = np.zeros((2, 3, 4), np.float32)
    statuses = (MapStatus.NO_POSITIVE_EVIDENCE,) * 2
    two[2] = make_row(2, grids=empty, size=two[2].size, grid_statuses=statuses)
    found = _agreement(tmp_path, _rows(0), two)
    assert (found.n_undefined, found.maps.iou.n) == (1, COUNT - 1)
    assert found.maps.iou.mean == pytest.approx(1)
    assert found.chance.iou.n == COUNT - 1  # the next image is compared with the last map that there was


def test_methods_need_radiographs_that_can_be_named_more_than_once(tmp_path: Path) -> None:
    wanted = {"methods": ("gradcam", "layercam")}
    settings = Settings.model_validate(
        {"data": {"inputs": ["-"]}, "evaluation": wanted, "output": {"directory": tmp_path}}
    )
    with pytest.raises(SettingsError, match="the paths on the standard input can be read once"):
        run_methods(settings)
