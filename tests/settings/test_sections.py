"""Settings section by section: what their properties make of values, and which values exclude each other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from btxrd_explain.core.choices import Clahe, Interpolation, ResizeMode
from btxrd_explain.core.geometry import Size
from btxrd_explain.core.preprocess import Preprocessing
from btxrd_explain.settings import Settings
from btxrd_explain.settings.analysis_sections import AnnotationSettings, EvaluationSettings
from btxrd_explain.settings.catalogue import SECTIONS
from btxrd_explain.settings.sections import DataSettings, OutputSettings, PreprocessSettings, Section


@pytest.mark.parametrize("section", SECTIONS.values(), ids=SECTIONS)
def test_a_section_is_immutable_and_knows_its_names(section: type[Section]) -> None:
    made = section()
    name = next(iter(section.model_fields))
    with pytest.raises(ValidationError, match="frozen"):
        setattr(made, name, getattr(made, name))
    with pytest.raises(ValidationError, match="Extra inputs"):
        section(no_such_setting=1)  # type: ignore[call-arg]


@pytest.mark.parametrize("section", SECTIONS.values(), ids=SECTIONS)
def test_a_section_goes_to_json_and_back(section: type[Section]) -> None:
    made = section()
    assert section.model_validate_json(made.model_dump_json(by_alias=True)) == made


@pytest.mark.parametrize(
    ("size", "expected"), [(224, Size(224, 224)), ("384x320", Size(384, 320)), ("[64, 96]", Size(64, 96))]
)
def test_the_size_of_the_input_is_height_and_width(size: object, expected: Size) -> None:
    assert PreprocessSettings(image_size=size).partial["size"] == expected


def test_what_is_decided_of_preprocessing_makes_one() -> None:
    given: dict[str, Any] = {"image_size": 64, "resize": "letterbox", "mean": "0.1,0.2,0.3", "std": "1,1,1"}
    given |= {"clahe": "{clip: 2.0}", "interpolation": "area", "from": "settings"}
    partial = PreprocessSettings(**given).partial
    made = Preprocessing(**partial)
    assert (made.size, made.resize, made.interpolation) == (Size(64, 64), ResizeMode.LETTERBOX, Interpolation.AREA)
    assert (made.mean, made.std, made.clahe) == ((0.1, 0.2, 0.3), (1, 1, 1), Clahe(2.0))
    assert "source" not in partial


def test_nothing_decided_leaves_size_and_normalisation_to_the_checkpoint() -> None:
    assert not {"size", "mean", "std", "clahe", "transform"} & PreprocessSettings().partial.keys()


@pytest.mark.parametrize("name", ["mean", "std"])
def test_standardising_excludes_a_normalisation(name: str) -> None:
    given: dict[str, Any] = {"standardize": True, name: (0.5, 0.5, 0.5)}
    with pytest.raises(ValidationError, match="leave it out, since standardize takes each image's own"):
        PreprocessSettings(**given)
    assert not PreprocessSettings(**given | {"standardize": False}).standardize


def test_columns_and_labels_of_a_split_csv_are_read_by_their_last_sign() -> None:
    data = DataSettings(columns=("image_id=file",), label_names=("a=b=Benign", "0=Normal"), labels_from_folders=True)
    vocabulary = data.vocabulary
    assert vocabulary.label("a=b") == "Benign"
    assert vocabulary.label("0") == "Normal"
    assert vocabulary.label("other") == "other"


def test_readers_and_comparators_are_places_by_name() -> None:
    annotation = AnnotationSettings(reader=("A=a=b", "B=c"), comparator=("net=found.json",), label_map=("x=y=ignore",))
    assert annotation.readers == {"A": "a=b", "B": "c"}
    assert annotation.comparators == {"net": "found.json"}
    assert annotation.meanings == {"x=y": "ignore"}


def test_no_reader_is_called_like_all_of_them() -> None:
    with pytest.raises(ValidationError, match="'all readers' is what the mean over the readers is called: give each"):
        AnnotationSettings(reader=("A=a", "all readers=b"))
    assert AnnotationSettings(comparator=("all readers=b",)).comparators == {"all readers": "b"}


def test_levels_of_decision_are_numbers_by_class() -> None:
    assert EvaluationSettings(decision_threshold="0.4, a=b=0.6").levels == {"": 0.4, "a=b": 0.6}
    assert EvaluationSettings().levels == {}


@pytest.mark.parametrize(
    ("given", "table"),
    [
        ({}, "btxrd-explain-out/predictions.parquet"),
        ({"directory": "run"}, "run/predictions.parquet"),
        ({"directory": "run", "predictions": "other.parquet"}, "other.parquet"),
    ],
)
def test_the_table_is_in_the_folder_of_results_unless_it_is_named(given: dict[str, Any], table: str) -> None:
    assert OutputSettings(**given).predictions_path == Path(table)


def test_settings_that_are_made_directly_depend_on_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BTXRD_EXPLAIN_OUTPUT__DPI", "99")
    assert Settings().output.dpi == 150
    with pytest.raises(ValidationError):
        Settings(no_such_section={})  # type: ignore[call-arg]
