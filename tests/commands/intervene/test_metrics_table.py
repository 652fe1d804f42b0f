"""The table of changed radiographs: every effect in its column, and null where there is none."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from btxrd_explain.commands.intervene.metrics_table import intervention_schema, intervention_table, list_columns
from btxrd_explain.commands.intervene.report import Measured
from btxrd_explain.core.intervention import Design
from btxrd_explain.settings.analysis_sections import InterventionSettings
from tests.support.intervened import DESIGN, make_effects, make_intervened

if TYPE_CHECKING:
    import pyarrow as pa

IMAGES = [make_intervened(1), make_intervened(2, lesion=None, hit=None), make_intervened(3, controls=(0.0, 0.5))]


def _table() -> pa.Table:
    measured = Measured.of(*make_effects(IMAGES), InterventionSettings())
    schema = intervention_schema(DESIGN, ["center"], {"seed": 3})
    return intervention_table(measured, {"center": ["a", None, "c"]}, schema)


def test_effects_are_in_columns_by_name_and_measure() -> None:
    first = _table().to_pylist()[0]
    assert first["lesion_log_odds"] == pytest.approx(-2)
    assert first["control_log_odds"] == pytest.approx(0)
    assert first["excess_blur_log_odds"] == pytest.approx(-2)
    assert first["lesion_flip"] == 1.0
    assert first["lesion_probability"] < 0
    assert first["control_each_log_odds"] == pytest.approx([-0.1, 0.1, 0.0, 0.2, -0.2])
    assert (first["n_controls"], first["rank"], first["depends"], first["rank_blur"]) == (5, 1, True, 1)
    assert (first["cell"], first["looks"], first["pointing_hit"], first["energy_in_mask"]) == (
        "looks, depends",
        True,
        True,
        0.5,
    )
    assert (first["meta_center"], first["reasons"]) == ("a", None)


def test_an_image_without_a_lesion_or_map_has_nulls() -> None:
    second = _table().to_pylist()[1]
    unknown = ("lesion_log_odds", "excess_log_odds", "n_controls", "rank", "depends", "cell", "iou", "pointing_hit")
    assert {name: second[name] for name in unknown} == dict.fromkeys(unknown)
    assert second["control_each_log_odds"] == []
    assert second["border_log_odds"] == 0.0
    assert second["meta_center"] is None


def test_fewer_controls_are_listed_with_the_reason_and_without_a_rank() -> None:
    third = _table().to_pylist()[2]
    assert third["control_each_log_odds"] == pytest.approx([0.0, 0.5])
    assert (third["n_controls"], third["rank"], third["reasons"]) == (2, None, "control:0: little room")


def test_the_schema_has_every_column_once_and_says_how_it_was_made() -> None:
    design = Design(controls=2, margins=(0.0, 10.0))
    schema = intervention_schema(design, ["center"], {"b": 1, "a": 2})
    assert len(set(schema.names)) == len(schema.names)
    assert json.loads(schema.metadata[b"btxrd_explain"]) == {"a": 2, "b": 1}
    assert not schema.field("image_id").nullable
    assert list_columns(design) == [
        "control_each_log_odds",
        "control_blur_each_log_odds",
        "control_margin_10_each_log_odds",
        "control_blur_margin_10_each_log_odds",
    ]
    assert {"rank_margin_10", "depends_blur", "excess_blur_margin_10_flip", "meta_center"} <= set(schema.names)
    assert intervention_schema(design).metadata is None


def test_no_image_at_all_is_a_table_without_rows() -> None:
    measured = Measured.of(*make_effects([]), InterventionSettings())
    table = intervention_table(measured, {}, intervention_schema(DESIGN))
    assert len(table) == 0
    assert table.schema.names == intervention_schema(DESIGN).names
