"""What all JSON reports are made of: each part from what it is made of, and back from JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import Field, ValidationError

from btxrd_explain.commands.markdown import interval
from btxrd_explain.core import statistics
from btxrd_explain.core.statistics import Resampling
from btxrd_explain.evaluation.parts import Estimate, LeftOut, Part, Statistics, schema_of
from btxrd_explain.evaluation.schema import Baseline, Metric, Pattern

FOUND = statistics.Estimate(0.5, 0.25, 0.75, 8, 4)
PLAIN = {"mean": 0.5, "low": 0.25, "high": 0.75, "n": 8, "units": 4}


class Bounded(Estimate):
    """An estimate with more to say."""

    chance: float | None = Field(description="By chance.")


def test_an_estimate_is_written_down_with_all_that_core_knows() -> None:
    assert Estimate.of(FOUND).document() == PLAIN
    assert Bounded.of(FOUND, chance=None).document() == PLAIN | {"chance": None}
    assert list(Bounded.of(FOUND, chance=0.1).document()) == [*PLAIN, "chance"]
    assert set(PLAIN) - {"mean"} == set(statistics.Estimate.__dataclass_fields__) - {"value"}


def test_what_is_undefined_is_null_and_not_left_out() -> None:
    assert Estimate.of(statistics.Estimate(None, None, None, 0, 0)).document() == {
        "mean": None, "low": None, "high": None, "n": 0, "units": 0
    }  # fmt: skip


@pytest.mark.parametrize(
    "changed",
    [{"value": 0.5}, {"mean": "high"}, {"n": None}, {"n": 1.5}, {"units": []}],
    ids=str,
)
def test_what_is_no_estimate_is_refused(changed: dict[str, Any]) -> None:
    assert Estimate.model_validate(PLAIN) == Estimate.of(FOUND)
    with pytest.raises(ValidationError):
        Estimate.model_validate(PLAIN | changed)


@pytest.mark.parametrize("missing", PLAIN)
def test_every_key_of_an_estimate_is_needed(missing: str) -> None:
    with pytest.raises(ValidationError, match=missing):
        Estimate.model_validate({key: value for key, value in PLAIN.items() if key != missing})


def test_a_metric_of_baselines_comes_back_from_json_as_it_was() -> None:
    difference = statistics.Estimate(-0.25, -0.5, 0.0, 6, 3)
    metric = Metric.of(
        FOUND,
        n_undefined=1,
        chance=0.1,
        chance_from="formula",
        ceiling=Estimate.of(FOUND),
        baselines={"edges": Baseline.of(FOUND, difference=Estimate.of(difference))},
    )
    read = json.loads(json.dumps(metric.document()))
    assert Metric.model_validate(read) == metric
    assert read["baselines"]["edges"]["difference"] == {"mean": -0.25, "low": -0.5, "high": 0.0, "n": 6, "units": 3}
    assert read["ceiling"] == PLAIN


def test_parts_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Estimate.of(FOUND).mean = 1.0  # type: ignore[misc]


def test_documents_have_the_keys_of_the_file() -> None:
    pattern = Pattern(image_id="a.png", class_="Normal", predicted=None, confidence=None, outcome=None)
    assert pattern.document() == {
        "image_id": "a.png", "class": "Normal", "predicted": None, "confidence": None, "outcome": None
    }  # fmt: skip


def test_intervals_say_how_they_were_made() -> None:
    drawn = Resampling.of_groups(["a", "b", "a"], resamples=20, seed=3)
    made = {"interval": "percentile bootstrap", "level": 0.95, "resamples": 20, "seed": 3, "unit": "groups of patient"}
    assert Statistics.of(drawn, "groups of patient").document() == made | {"units": 2}
    assert Statistics.of(drawn, "groups of patient", 1).document() == made | {"units": 1}
    assert Statistics.of(drawn, "groups of patient", 0).units == 0


def test_images_that_are_left_out_are_listed_by_name() -> None:
    assert [one.image_id for one in LeftOut.of({"b.png": "it is empty", "a.png": "it is no image"})] == [
        "a.png",
        "b.png",
    ]
    assert LeftOut.of({}) == []


def test_a_schema_names_the_file_and_allows_no_other_keys() -> None:
    class Whole(Part):
        """The content of ``whole.json``."""

        found: Bounded

    schema = json.loads(schema_of(Whole, "whole.json"))
    assert schema["title"] == "whole.json of btxrd-explain"
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["additionalProperties"] is schema["$defs"]["Bounded"]["additionalProperties"] is False
    assert schema["$defs"]["Bounded"]["required"] == [*PLAIN, "chance"]
    assert all(schema["$defs"]["Bounded"]["properties"][key]["description"] for key in (*PLAIN, "chance"))


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (FOUND, "0.500 [0.250, 0.750]"),
        (statistics.Estimate(0.5, None, None, 1, 1), "0.500"),
        (statistics.Estimate(None, None, None, 0, 0), "–"),
        (None, "–"),
    ],
    ids=["interval", "one unit", "undefined", "none"],
)
def test_estimates_in_markdown(found: statistics.Estimate | None, text: str) -> None:
    assert interval(None if found is None else Estimate.of(found)) == text
