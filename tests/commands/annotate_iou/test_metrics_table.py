"""The table of scores: every metric of every map in its column, and null where there is none."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq
import pytest

from btxrd_explain.commands.annotate_iou.metrics_table import metrics_schema, metrics_table, prefix_of, write_metrics
from btxrd_explain.core.metrics import CURVE_THRESHOLDS, ImageMetrics
from btxrd_explain.evaluation.protocol import MapKind
from btxrd_explain.evaluation.schema import HITS, METRIC_FIELDS
from btxrd_explain.evaluation.score import Exclusion, Score
from btxrd_explain.predictions.record import Prediction, RowStatus
from tests.support.small_table import make_row

if TYPE_CHECKING:
    from pathlib import Path

NAMES = ("Normal", "Benign")
METRICS = ImageMetrics(lesion_share=0.1, iou=0.25, pointing_hit=True, best_iou=0.5)
SCORES = [
    Score(
        make_row(1),
        true=1,
        target=1,
        lesions=2,
        metrics={MapKind.MODEL: METRICS, MapKind.CEILING: ImageMetrics(lesion_share=0.1, iou=0.75)},
        curves={MapKind.MODEL: np.linspace(0, 1, 101, dtype=np.float32)},
        comparators={"net": ImageMetrics(lesion_share=0.1, iou=0.5)},
        key="abc",
    ),
    Score(make_row(2, label=None), excluded=Exclusion.NO_LABEL),
    Score(Prediction("IMG3.jpeg", "c", "Benign", None, RowStatus.MISSING, error="gone"), detail="=gone"),
]


def test_a_score_is_a_row_with_its_facts_and_the_metrics_of_each_map() -> None:
    table = metrics_table(
        SCORES, NAMES, columns={"center": ["a", None, "c"]}, schema=metrics_schema(["center"], None, ["net"])
    )
    first, second, third = table.to_pylist()
    assert (first["image_id"], first["class"], first["predicted"], first["outcome"]) == (
        "IMG000001.jpeg",
        "Benign",
        "Benign",
        "TP",
    )
    assert (first["iou"], first["pointing_hit"], first["ceiling_iou"], first["comparator_net_iou"]) == (
        0.25,
        True,
        0.75,
        0.5,
    )
    assert (first["target_class"], first["lesions"], first["lesion_share"]) == ("Benign", 2, 0.1)
    assert first["iou_curve"] == pytest.approx(np.linspace(0, 1, 101))
    assert first["ceiling_iou_curve"] is None
    assert [row["meta_center"] for row in (first, second, third)] == ["a", None, "c"]
    unknown = ("iou", "outcome", "class", "target_class", "lesion_share", "baseline_centre_iou", "scored_from")
    assert {name: second[name] for name in unknown} == dict.fromkeys(unknown)
    assert (second["excluded"], second["confidence"]) == ("no known true class", 0.75)
    assert (third["predicted"], third["confidence"], third["detail"]) == (None, None, "=gone")


def test_every_map_has_every_metric_and_hits_are_truth_values_but_of_several_draws() -> None:
    schema = metrics_schema()
    assert len(set(schema.names)) == len(schema.names)
    for kind in MapKind:
        for name in METRIC_FIELDS:
            if name != "lesion_share":
                several = kind is MapKind.RANDOM_CHANNELS
                expected = pa.bool_() if name in HITS and not several else pa.float64()
                assert schema.field(f"{prefix_of(kind)}{name}").type == expected
    assert not schema.field("image_id").nullable
    assert schema.field("iou_curve").type.list_size == len(CURVE_THRESHOLDS)


def test_both_files_hold_the_same_and_the_csv_no_formula(tmp_path: Path) -> None:
    made = {"seed": 3, "a": [1]}
    columns = {"center": ["=1+1", None, "c"]}
    parquet, text = write_metrics(tmp_path, iter(SCORES), NAMES, columns=columns, metadata=made, comparators=["net"])
    table = pq.ParquetFile(parquet).read()
    assert json.loads(table.schema.metadata[b"btxrd_explain"]) == made
    assert table.column("meta_center").to_pylist() == ["=1+1", None, "c"]
    lines = pc.read_csv(
        text, convert_options=pc.ConvertOptions(strings_can_be_null=True, quoted_strings_can_be_null=False)
    )
    assert lines.column("meta_center").to_pylist() == ["'=1+1", None, "c"]
    assert lines.column("detail").to_pylist()[2] == "'=gone"
    assert lines.column("iou").to_pylist() == [0.25, None, None]
    assert not {"iou_curve", "ceiling_iou_curve", "scored_from"} & set(lines.column_names)


def test_rows_beyond_a_block_keep_their_cells(tmp_path: Path) -> None:
    count = 2_050
    scores = [Score(make_row(number)) for number in range(count)]
    cells = [str(number) for number in range(count)]
    parquet, _ = write_metrics(tmp_path, iter(scores), NAMES, columns={"n": cells}, metadata={})
    table = pq.ParquetFile(parquet).read(columns=["image_id", "meta_n"])
    assert table.column("meta_n").to_pylist() == cells
    assert table.column("image_id").to_pylist() == [f"IMG{number:06d}.jpeg" for number in range(count)]


def test_no_score_at_all_leaves_the_columns(tmp_path: Path) -> None:
    parquet, _ = write_metrics(tmp_path, [], NAMES, columns={}, metadata={})
    assert pq.ParquetFile(parquet).read().schema.names == metrics_schema().names
