"""Settings written as YAML: the documented template and its way back."""

from __future__ import annotations

import re
from pathlib import Path
from string import printable
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import settings as relaxed
from hypothesis import strategies as st

from btxrd_explain.commands.config import default_yaml, describe, to_yaml, yaml_value
from btxrd_explain.settings import SECTIONS, SETTINGS, Settings, load_settings, section_description

TEMPLATE = Path(__file__).parents[2] / "configs" / "default.yaml"

texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
# File names need not be UTF-8: what is not comes in as lone surrogates.
names = st.text(st.characters(exclude_characters="\0"), min_size=1).filter(lambda name: not name.startswith("~"))
paths = names.map(Path)
fractions = st.floats(0, 1)
positive = st.floats(0, 1, exclude_min=True)


def or_null(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


def words(name: str) -> st.SearchStrategy[str]:
    return st.sampled_from(SETTINGS[name].allowed.replace(" or ", ", ").split(", "))


columns = st.lists(st.sampled_from(["center", "hip bone", "null", "1e3", "[a"]), unique=True).map(tuple)

sides = st.integers(16, 4096)
named_places = st.lists(texts, unique_by=str.strip).map(
    lambda names: tuple(f"{name.strip()}=a/b" for name in names if name.strip() and "=" not in name)
)

VALUES: dict[str, st.SearchStrategy[Any]] = {
    "data.root": or_null(paths),
    "data.inputs": st.lists(names).map(tuple),
    "data.images": or_null(paths),
    "data.annotations": or_null(paths),
    "data.split_csv": or_null(paths),
    "data.columns": st.lists(st.sampled_from(["image_id=file", "split=fold", "label=class name"]), unique=True).map(
        tuple
    ),
    "data.label_names": st.lists(st.sampled_from(["0=Normal", "1=null", "[a=b"]), unique=True).map(tuple),
    "data.labels_from_folders": st.booleans(),
    "data.split": or_null(texts),
    "data.no_lesion_classes": or_null(columns),
    "model.checkpoint": or_null(paths | st.lists(paths, min_size=2, max_size=3, unique=True).map(tuple)),
    "model.architecture": or_null(texts),
    "model.factory": or_null(texts),
    "model.class_names": or_null(st.lists(texts.filter(str.strip), min_size=2, unique=True).map(tuple)),
    "model.activation": words("model.activation"),
    "model.device": st.sampled_from(["auto", "cpu", "cuda", "mps"]) | st.integers(0, 9).map("cuda:{}".format),
    "model.precision": st.sampled_from(["fp32", "bf16", "fp16"]),
    "model.batch_size": st.just("auto") | st.integers(1, 4096),
    "model.compile": st.booleans(),
    "preprocess.from": or_null(st.sampled_from(["timm", "settings"])),
    "preprocess.image_size": or_null(sides | st.tuples(sides, sides).map(lambda size: f"{size[0]}x{size[1]}")),
    "preprocess.resize": words("preprocess.resize"),
    "preprocess.interpolation": words("preprocess.interpolation"),
    "preprocess.antialias": st.booleans(),
    "preprocess.crop_fraction": positive,
    "preprocess.transform": or_null(texts),
    "preprocess.depth": words("preprocess.depth"),
    "preprocess.clip_percentiles": or_null(st.tuples(st.floats(0, 49), st.floats(50, 100))),
    "preprocess.clahe": or_null(
        st.fixed_dictionaries(
            {"clip": st.floats(0.1, 100)},
            optional={"tiles": st.integers(1, 256), "after_resize": st.booleans(), "lightness": st.booleans()},
        )
    ),
    "preprocess.standardize": st.just(False),
    "preprocess.decode": st.sampled_from(["exact", "fast"]),
    "preprocess.mean": or_null(st.tuples(fractions, fractions, fractions)),
    "preprocess.std": or_null(st.tuples(positive, positive, positive)),
    "gradcam.method": st.just("gradcam"),
    "gradcam.target_layer": texts,
    "gradcam.explain_classes": or_null(st.sampled_from([("all",), ("predicted", "true"), ("null", "1e3")])),
    "gradcam.smooth": words("gradcam.smooth"),
    "gradcam.map_cells": st.integers(7, 512),
    "gradcam.examples_per_class": st.integers(1, 20),
    "annotation.threshold": fractions,
    "annotation.threshold_rule": words("annotation.threshold_rule"),
    "annotation.percentile": positive.map(lambda share: 100 * share),
    "annotation.tune_on": or_null(paths),
    "annotation.tune_split": or_null(texts),
    "annotation.operator": words("annotation.operator"),
    "annotation.space": words("annotation.space"),
    "annotation.mask_policy": words("annotation.mask_policy"),
    "annotation.label_map": st.lists(texts, unique_by=str.strip).map(
        lambda labels: tuple(f"{label.strip()}=ignore" for label in labels if label.strip())
    ),
    "annotation.mask_inverted": st.booleans(),
    "annotation.panels": st.integers(1, 60),
    "annotation.target_class": words("annotation.target_class"),
    "annotation.reader": named_places,
    "annotation.consensus": words("annotation.consensus"),
    "annotation.comparator": named_places,
    "evaluation.by": columns,
    "evaluation.group_column": or_null(texts),
    "evaluation.decision_threshold": st.dictionaries(texts.map(str.strip).filter(bool), fractions).map(
        lambda levels: tuple(f"{name}={level}" for name, level in levels.items())
    ),
    "evaluation.decision_tune_on": or_null(paths),
    "evaluation.decision_tune_split": or_null(texts),
    "evaluation.metadata": or_null(paths),
    "evaluation.methods": st.lists(st.sampled_from(["gradcam", "layercam", "gradcam++"]), unique=True).map(tuple),
    "evaluation.baselines": st.booleans(),
    "evaluation.boxes": st.booleans(),
    "evaluation.agreement": st.booleans(),
    "evaluation.margin": or_null(st.floats(0.001, 1)),
    "evaluation.resamples": st.integers(100, 100_000),
    "evaluation.seed": st.integers(0, 2**32),
    "sanity.sample": st.integers(2, 512),
    "sanity.stages": st.integers(2, 100),
    "sanity.random_seed": st.integers(0, 2**32 - 1),
    "sanity.insertion_deletion": st.booleans(),
    "sanity.stability": st.booleans(),
    "sanity.steps": st.integers(2, 1000),
    "sanity.baseline": words("sanity.baseline"),
    "intervention.controls": st.integers(1, 99),
    "intervention.margins": st.lists(st.floats(0, 100), min_size=1, max_size=5, unique=True).map(tuple),
    "intervention.looks": words("intervention.looks"),
    "intervention.looks_fraction": positive,
    "intervention.control_seed": st.integers(0, 2**32 - 1),
    "intervention.pictures": st.integers(0, 20),
    "output.directory": paths,
    "output.predictions": or_null(paths),
    "output.overlay": or_null(st.booleans()),
    "output.colormap": words("output.colormap"),
    "output.alpha": fractions,
    "output.dpi": st.integers(50, 1200),
    "output.format": words("output.format"),
    "export.to": or_null(st.sampled_from(["labelme", "coco", "masks", "npz", "tiff", "fiftyone", "csv"])),
    "export.classes": words("export.classes"),
    "export.map_size": words("export.map_size"),
    "export.tolerance": st.floats(0, 100),
    "export.beside_images": st.booleans(),
    "run.strict": st.booleans(),
    "run.verify": st.booleans(),
    "run.engine": words("run.engine"),
    "run.shard": or_null(st.tuples(st.integers(1, 9), st.integers(9, 99)).map(lambda pair: f"{pair[0]}/{pair[1]}")),
    "run.workers": st.just("auto") | st.integers(1, 99),
    "run.cpus_per_worker": st.just("auto") | st.integers(1, 99),
    "maps.sign": words("maps.sign"),
    "maps.scores": or_null(paths),
    "maps.ids": or_null(paths),
    "report.layout": words("report.layout"),
    "report.file_limit": st.floats(0, 1e6),
    "report.picture_side": st.integers(256, 4096),
    "check.fail_on": words("check.fail_on"),
    "check.similarity": positive,
    "check.groups": or_null(paths),
    "study.second_checkpoint": or_null(paths | st.lists(paths, min_size=2, max_size=3, unique=True).map(tuple)),
}


def settings_from(values: dict[str, Any]) -> Settings:
    nested: dict[str, dict[str, Any]] = {}
    for name, value in values.items():
        section, key = name.split(".")
        nested.setdefault(section, {})[key] = value
    return Settings.model_validate(nested)


def loaded_from(text: str) -> Settings:
    with TemporaryDirectory() as folder:
        path = Path(folder, "x.yaml")
        path.write_text(text, encoding="utf-8", newline="")
        return load_settings(path, environ={}).settings


@relaxed(deadline=None, max_examples=30)  # writes and reads files, on machines that do other things too
@given(st.fixed_dictionaries({}, optional=VALUES).map(settings_from))
@example(settings_from({"data.split": "null", "model.class_names": ("No", "1e3"), "data.inputs": ("a, b", "[c]")}))
@example(settings_from({"data.root": Path("a\nb"), "gradcam.target_layer": " x: y # z", "data.split": "\x85\u2028"}))
@example(settings_from({"data.root": Path("\udcff"), "data.inputs": ("\udcff",)}))
def test_settings_survive_their_yaml(settings: Settings) -> None:
    assert loaded_from(to_yaml(settings)) == settings


def test_the_strategies_speak_of_every_setting() -> None:
    assert list(VALUES) == list(SETTINGS)


def test_the_template_in_the_repository_is_the_generated_one() -> None:
    assert TEMPLATE.read_text(encoding="utf-8") == default_yaml(), "write it anew: btxrd-explain config init"


def test_the_template_loads_to_the_defaults_and_names_every_setting() -> None:
    loaded = load_settings(TEMPLATE, environ={})
    assert loaded.settings == Settings()
    assert set(loaded.origins.values()) == {f"config file {str(TEMPLATE)!r}"}


def test_any_yaml_reader_understands_the_template() -> None:
    document = yaml.safe_load(default_yaml())
    assert {f"{section}.{key}" for section, keys in document.items() for key in keys} == set(SETTINGS)
    assert document == Settings().model_dump(mode="json")


def comment_above(name: str) -> str:
    """The comment of a setting in the template, unwrapped."""
    section, key = name.split(".")
    _, _, below = default_yaml().partition(f"\n{section}:\n")
    above, _, _ = below.partition(f"\n  {key}: ")
    return " ".join(line.strip(" #") for line in above.rpartition("\n\n")[2].splitlines()).strip()


@pytest.mark.parametrize("name", SETTINGS)
def test_every_setting_is_documented(name: str) -> None:
    setting = SETTINGS[name]
    default = yaml_value(Settings().model_dump(mode="json")[setting.section][setting.key])
    assert len(setting.description) > 15
    assert setting.description.endswith(".")
    expected = f"{setting.description} Value: {setting.allowed}. Default: {default}."
    assert comment_above(name) == " ".join(expected.split())


@pytest.mark.parametrize("section", SECTIONS)
def test_every_section_is_documented(section: str) -> None:
    assert section_description(section).endswith(".")
    assert re.search(rf"^# .*\n{section}:$", default_yaml(), re.MULTILINE)


def test_the_template_is_at_most_100_columns_wide() -> None:
    assert max(map(len, default_yaml().splitlines())) <= 100


@example("\x85\u2028")
@example(["a\nb"])
@given(st.text() | st.lists(st.text(printable)) | st.floats(allow_nan=False, allow_infinity=False) | st.none())
def test_a_value_is_one_line_of_yaml(value: object) -> None:
    text = yaml_value(value)
    assert len(text.splitlines()) == 1
    assert yaml.safe_load(text) == value


def test_all_settings_are_described_with_their_origins() -> None:
    rows = describe(load_settings(assignments=["preprocess.mean=0.5,0.5,1"], environ={}))
    assert [row.name for row in rows] == list(SETTINGS)
    told = {row.name: (row.value, row.origin) for row in rows}
    assert told["preprocess.mean"] == ("[0.5, 0.5, 1.0]", "--set preprocess.mean=0.5,0.5,1")
    assert told["output.directory"] == ("btxrd-explain-out", "default")
    assert told["annotation.operator"] == ("'>='", "default")
    assert told["output.overlay"] == ("null", "default")
