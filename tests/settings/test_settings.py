"""Where settings come from, which source wins, and what users are told when one is wrong."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import fields
from enum import EnumType
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

import pytest
from pydantic import ValidationError

from btxrd_explain.core import choices
from btxrd_explain.core.choices import (
    Baseline,
    Decode,
    Interpolation,
    MaskPolicy,
    Operator,
    Precision,
    ResizeMode,
    Rule,
    Space,
    TargetClass,
)
from btxrd_explain.core.geometry import Size
from btxrd_explain.core.methods import METHODS
from btxrd_explain.core.preprocess import Preprocessing
from btxrd_explain.errors import ExitCode, SettingsError
from btxrd_explain.settings import SECTIONS, SETTINGS, LoadedSettings, PreprocessSettings, Settings, load_settings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from enum import StrEnum


def load(
    config: Path | None = None,
    flags: Mapping[str, object] | None = None,
    assignments: Sequence[str] = (),
    environ: Mapping[str, str] | None = None,
) -> LoadedSettings:
    """Load without the environment of the test run."""
    return load_settings(config, flags, assignments, environ or {})


def value_of(loaded: LoadedSettings, name: str) -> Any:  # noqa: ANN401 -- whatever the setting holds
    section, key = name.split(".")
    return getattr(getattr(loaded.settings, section), key)


def message(**sources: Any) -> str:  # noqa: ANN401 -- handed on
    with pytest.raises(SettingsError) as caught:
        load(**sources)
    text = str(caught.value)
    assert "\n" not in text
    return text


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:  # noqa: ANN401 -- a function
    """Write x.yaml in the working directory."""
    monkeypatch.chdir(tmp_path)

    def _write(text: str) -> Path:
        path = Path("x.yaml")
        path.write_text(text, encoding="utf-8")
        return path

    return _write


SOURCES = ("config", "environ", "flags", "assignments")
ORIGINS = {
    "config": "config file 'x.yaml'",
    "environ": "environment BTXRD_EXPLAIN_GRADCAM__EXAMPLES_PER_CLASS",
    "flags": "flag --examples-per-class",
    "assignments": "--set gradcam.examples_per_class=7",
}


def sources(write: Any, names: Sequence[str]) -> tuple[dict[str, Any], dict[str, int]]:  # noqa: ANN401 -- the fixture
    """Let each named source say another number: config 4, environment 5, flag 6, --set 7."""
    everything = {
        "config": write("gradcam: {examples_per_class: 4}"),
        "environ": {"BTXRD_EXPLAIN_GRADCAM__EXAMPLES_PER_CLASS": "5"},
        "flags": {"gradcam.examples_per_class": 6},
        "assignments": ["gradcam.examples_per_class=7"],
    }
    numbers = {"config": 4, "environ": 5, "flags": 6, "assignments": 7}
    return {name: everything[name] for name in names}, numbers


@pytest.mark.parametrize("names", [c for size in (1, 2, 3, 4) for c in combinations(SOURCES, size)], ids="+".join)
def test_the_last_source_that_speaks_wins_and_is_named(write: Any, names: tuple[str, ...]) -> None:  # noqa: ANN401
    given, numbers = sources(write, names)
    loaded = load(**given)
    assert loaded.settings.gradcam.examples_per_class == numbers[names[-1]]
    assert loaded.origins["gradcam.examples_per_class"] == ORIGINS[names[-1]]
    others = {origin for name, origin in loaded.origins.items() if name != "gradcam.examples_per_class"}
    assert others == {"default"}


def test_sources_are_laid_over_each_other_setting_by_setting(write: Any) -> None:  # noqa: ANN401
    loaded = load(
        write("model: {checkpoint: a.pt, device: cuda, architecture: resnet18}"),
        flags={"model.device": "cpu"},
        environ={"BTXRD_EXPLAIN_MODEL__CHECKPOINT": "b.pt"},
    )
    model = loaded.settings.model
    assert (model.checkpoint, model.device, model.architecture) == (Path("b.pt"), "cpu", "resnet18")
    assert [loaded.origins[f"model.{key}"] for key in ("checkpoint", "device", "architecture", "batch_size")] == [
        "environment BTXRD_EXPLAIN_MODEL__CHECKPOINT",
        "flag --device",
        "config file 'x.yaml'",
        "default",
    ]


def test_null_in_a_later_source_takes_a_value_back(write: Any) -> None:  # noqa: ANN401
    loaded = load(write("model: {checkpoint: a.pt}"), assignments=["model.checkpoint=null"])
    assert loaded.settings.model.checkpoint is None
    assert loaded.origins["model.checkpoint"] == "--set model.checkpoint=null"


def test_the_last_assignment_wins() -> None:
    loaded = load(assignments=["output.dpi=100", "output.dpi=200"])
    assert loaded.settings.output.dpi == 200
    assert loaded.origins["output.dpi"] == "--set output.dpi=200"


@pytest.mark.parametrize("absent", [None, [], ()])
def test_flags_that_were_not_given_leave_the_file_alone(write: Any, absent: object) -> None:  # noqa: ANN401
    loaded = load(write("data: {inputs: [a.png]}"), flags={"data.inputs": absent})
    assert loaded.settings.data.inputs == ("a.png",)


def test_flags_are_named_as_they_were_written() -> None:
    loaded = load(flags={"output.overlay": False, "preprocess.antialias": True, "data.inputs": ["-"]})
    named = [loaded.origins[name] for name in ("output.overlay", "preprocess.antialias", "data.inputs")]
    assert named == ["flag --no-overlay", "flag --antialias", "argument INPUT"]


def test_every_key_is_unique_so_that_every_flag_is() -> None:
    assert len({setting.flag for setting in SETTINGS.values()}) == len(SETTINGS)


def test_every_setting_has_an_origin_in_the_order_of_the_schema() -> None:
    loaded = load()
    assert list(loaded.origins) == [
        f"{section}.{field.alias or key}"
        for section, model in SECTIONS.items()
        for key, field in model.model_fields.items()
    ]
    assert loaded.settings == Settings()


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("gradcam.examples_per_class", "5", 5),
        ("annotation.threshold", ".25", 0.25),
        ("preprocess.crop_fraction", "8.75e-1", 0.875),
        ("preprocess.antialias", "true", True),
        ("preprocess.antialias", "off", False),
        ("output.overlay", "null", None),
        ("output.overlay", "no", False),
        ("model.batch_size", "auto", "auto"),
        ("model.batch_size", "16", 16),
        ("model.device", "cuda:1", "cuda:1"),
        ("model.class_names", "Normal, Benign,Malignant", ("Normal", "Benign", "Malignant")),
        ("model.class_names", '["Yes, sure", "No"]', ("Yes, sure", "No")),
        ("model.class_names", "[No, 1, null-like]", ("No", "1", "null-like")),
        ("preprocess.mean", "0.5,0.25,1", (0.5, 0.25, 1.0)),
        ("preprocess.std", "[0.5, 0.25, 1]", (0.5, 0.25, 1.0)),
        ("data.root", "2024-01-02", Path("2024-01-02")),
        ("data.root", "a=b: c # d", Path("a=b: c # d")),
        ("data.inputs", "a.png,b", ("a.png", "b")),
        ("data.split", "true", "true"),
        ("annotation.operator", ">", Operator.ABOVE),
        ("annotation.target_class", "true", TargetClass.TRUE),
    ],
)
def test_text_is_read_alike_from_environment_and_assignment(name: str, text: str, expected: object) -> None:
    from_environment = load(environ={SETTINGS[name].variable: text})
    from_assignment = load(assignments=[f"{name}={text}"])
    assert value_of(from_environment, name) == value_of(from_assignment, name) == expected
    assert type(value_of(from_environment, name)) is type(expected)


def test_home_folders_are_expanded_whoever_names_them(monkeypatch: pytest.MonkeyPatch, write: Any) -> None:  # noqa: ANN401
    monkeypatch.setenv("HOME", "/home/ada")
    monkeypatch.setenv("USERPROFILE", "/home/ada")
    settings = load(
        write("data: {root: ~/BTXRD, inputs: [~/a.png, b~.png, '-']}\nannotation: {reader: {A: ~/a, B: b~}}")
    ).settings
    data = settings.data
    assert data.root == Path("/home/ada/BTXRD")
    assert data.inputs == (str(Path("/home/ada/a.png")), "b~.png", "-")
    assert settings.annotation.readers == {"A": str(Path("/home/ada/a")), "B": "b~"}
    assert "whose home folder is unknown" in message(flags={"annotation.comparator": ["A=~no-such-user-here/x"]})


def test_relative_paths_start_at_the_working_directory_not_at_the_file(write: Any) -> None:  # noqa: ANN401
    path = write("data: {root: BTXRD}")
    Path("sub").mkdir()
    moved = path.rename(Path("sub", "x.yaml"))
    assert load(moved).settings.data.root == Path("BTXRD")


def test_a_path_that_is_only_found_from_the_settings_file_is_refused(write: Any) -> None:  # noqa: ANN401
    path = write("data: {root: BTXRD}\noutput: {directory: out}")
    Path("sub", "BTXRD").mkdir(parents=True)
    Path("sub", "out").mkdir()
    moved = path.rename(Path("sub", "x.yaml"))
    with pytest.raises(SettingsError, match=r"'data.root' .* is 'BTXRD', which is not there: .*write 'sub.BTXRD'"):
        load(moved)
    Path("BTXRD").mkdir()
    assert load(moved).settings.data.root == Path("BTXRD")


def test_variables_that_no_setting_has_are_named_and_ignored() -> None:
    environ = {"BTXRD_EXPLAIN_THRESHOLD": "0.3", "BTXRD_EXPLAIN_X": "1", "BTXRD_EXPLAIN_REAL_DATA": "/somewhere"}
    loaded = load_settings(environ=environ)
    assert loaded.settings.annotation.threshold == 0.5
    assert loaded.ignored == (
        (
            "BTXRD_EXPLAIN_THRESHOLD in the environment is not a setting, and is ignored: did you mean "
            "BTXRD_EXPLAIN_ANNOTATION__THRESHOLD?"
        ),
        "BTXRD_EXPLAIN_X in the environment is not a setting, and is ignored: btxrd-explain config shows them",
    )


def test_file_names_that_are_not_utf8_pass() -> None:
    loaded = load(flags={"data.inputs": ["a\udcff.png"]}, environ={"BTXRD_EXPLAIN_DATA__ROOT": "b\udcff"})
    assert loaded.settings.data.inputs == ("a\udcff.png",)
    assert loaded.settings.data.root == Path("b\udcff")


def test_unrelated_and_empty_variables_are_left_alone() -> None:
    environ = {
        "BTXRD_EXPLAIN_REAL_DATA": "/somewhere",
        "BTXRD_EXPLAIN_DATA": "/elsewhere",
        "_BTXRD_EXPLAIN_COMPLETE": "complete_bash",
        "OTHER_MODEL__DEVICE": "cuda",
        "BTXRD_EXPLAIN_MODEL__DEVICE": "",
        "PATH": "/bin",
    }
    assert set(load(environ=environ).origins.values()) == {"default"}


def test_the_environment_of_the_process_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BTXRD_EXPLAIN_OUTPUT__DPI", "99")
    assert load_settings().settings.output.dpi == 99
    assert load_settings(environ={}).settings.output.dpi == 150
    assert Settings().output.dpi == 150


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (
            {"assignments": ["gradcam.exampels_per_class=3"]},
            (
                "unknown setting 'gradcam.exampels_per_class' in --set gradcam.exampels_per_class=3: "
                "did you mean 'gradcam.examples_per_class'?"
            ),
        ),
        (
            {"environ": {"BTXRD_EXPLAIN_MODEL__DEVISE": "cpu"}},
            (
                "unknown setting 'model.devise' in environment BTXRD_EXPLAIN_MODEL__DEVISE: "
                "did you mean BTXRD_EXPLAIN_MODEL__DEVICE?"
            ),
        ),
        (
            {"environ": {"BTXRD_EXPLAIN_MODEL_DEVICE": "cpu"}},
            (
                "unknown setting 'model_device' in environment BTXRD_EXPLAIN_MODEL_DEVICE: "
                "did you mean BTXRD_EXPLAIN_MODEL__DEVICE?"
            ),
        ),
        (
            {"assignments": ["threshold=1"]},
            "unknown setting 'threshold' in --set threshold=1: did you mean 'annotation.threshold'?",
        ),
        (
            {"assignments": ["model.split-csv=a"]},
            "unknown setting 'model.split-csv' in --set model.split-csv=a: did you mean 'data.split_csv'?",
        ),
        (
            {"assignments": ["modle.zz=1"]},
            "unknown setting 'modle.zz' in --set modle.zz=1: did you mean 'model'?",
        ),
        (
            {"assignments": ["gradcam.zz=1"]},
            (
                "unknown setting 'gradcam.zz' in --set gradcam.zz=1: "
                "'gradcam' holds method, target_layer, explain_classes, smooth, map_cells, examples_per_class"
            ),
        ),
        (
            {"flags": {"zz": 1}},
            (
                "unknown setting 'zz' in flag zz: the sections are data, model, preprocess, gradcam, annotation, "
                "evaluation, sanity, intervention, output, export, run, maps, report, check, study"
            ),
        ),
        (
            {"assignments": ["model=cpu"]},
            "'model' in --set model=cpu is a section: give its settings, such as 'model.checkpoint'",
        ),
        (
            {"assignments": ["preprocess=timm"]},
            "'preprocess' in --set preprocess=timm is a section: give its settings, such as 'preprocess.from'",
        ),
        (
            {"assignments": ["model.device"]},
            "--set 'model.device' assigns nothing: write --set SECTION.SETTING=VALUE",
        ),
        ({"assignments": ["=cpu"]}, "--set '=cpu' assigns nothing: write --set SECTION.SETTING=VALUE"),
    ],
)
def test_wrong_names_get_a_suggestion(given: dict[str, Any], expected: str) -> None:
    assert message(**given) == expected


def test_wrong_names_in_a_file_get_a_suggestion(write: Any) -> None:  # noqa: ANN401
    path = write("gradcam:\n  exampels_per_class: 3\n")
    assert message(config=path) == (
        "unknown setting 'gradcam.exampels_per_class' in config file 'x.yaml': "
        "did you mean 'gradcam.examples_per_class'?"
    )


SIZES = "a whole number from 16 to 4096, height x width such as 384x320, or null"


@pytest.mark.parametrize(
    ("assignment", "expected"),
    [
        ("annotation.threshold=1.7", "'1.7': give a number from 0 to 1"),
        (
            "preprocess.resize=Squash Crop",
            "'Squash Crop': did you mean 'squash-crop'? give squash, crop, letterbox or squash-crop",
        ),
        ("annotation.threshold=nan", "'nan': give a number from 0 to 1"),
        ("annotation.threshold=null", "null: give a number from 0 to 1"),
        ("annotation.operator=<", "'<': give >= or >"),
        ("annotation.panels=61", "'61': give a whole number from 1 to 60"),
        ("gradcam.examples_per_class=2.5", "'2.5': give a whole number from 1 to 20"),
        ("preprocess.image_size=15", f"'15': give {SIZES}"),
        ("preprocess.image_size=384x8", f"'384x8': give {SIZES}"),
        ("preprocess.image_size=64x64x64", f"'64x64x64': give {SIZES}"),
        ("preprocess.image_size=64.5", f"'64.5': give {SIZES}"),
        ("preprocess.from=torchvision", "'torchvision': give timm, settings or null"),
        ("preprocess.clahe=2", "'2': give text like {clip: 2.0, tiles: 8} or null"),
        ("preprocess.clahe={clip: 0}", "'{clip: 0}': give CLAHE a clip above 0, such as 2.0, not 0.0"),
        ("preprocess.clahe={clip: 2, tile: 4}", "'{clip: 2, tile: 4}': give text like {clip: 2.0, tiles: 8} or null"),
        ("preprocess.clip_percentiles=99,1", "'99,1': give the lower percentile first, such as [1, 99]"),
        ("preprocess.clip_percentiles=1,101", "'1,101': give a list of 2 numbers from 0 to 100 or null"),
        ("preprocess.depth=12", "'12': give 8-bit or 16-bit"),
        ("preprocess.crop_fraction=0", "'0': give a number above 0, at most 1"),
        ("preprocess.mean=0.5", "'0.5': give a list of 3 numbers from 0 to 1 or null"),
        ("preprocess.std=1,1,0", "'1,1,0': give a list of 3 numbers above 0, at most 1 or null"),
        ("preprocess.antialias=maybe", "'maybe': give true or false"),
        ("model.device=CUDA", "'CUDA': did you mean 'cuda'? give auto, cpu, cuda, mps or text like cuda:0"),
        ("model.batch_size=many", "'many': give auto or a whole number from 1 to 4096"),
        (
            "model.class_names=Normal",
            "'Normal': give at least two names; of a network with one output the negative one first: Normal,Tumour",
        ),
        ("model.activation=relu", "'relu': give auto, softmax, sigmoid or none"),
        ("model.activation=null", "null: give auto, softmax, sigmoid or none"),
        ("model.class_names=a,,b", "'a,,b': give a list of at least 2 texts or null"),
        ("model.class_names=a,b,a", "'a,b,a': name each one once"),
        ("model.class_names=[a, b", "'[a, b': close the list and its quotes, as in [a, b]"),
        ("output.directory=", "null: give a path, or a URL"),
        ("output.format=gif", "'gif': give png, svg or pdf"),
    ],
)
def test_wrong_values_name_setting_source_value_and_what_is_allowed(assignment: str, expected: str) -> None:
    name = assignment.partition("=")[0]
    assert message(assignments=[assignment]) == f"setting '{name}' (--set {assignment}) is {expected}"


def test_a_method_may_be_meant_that_is_spelt_as_in_papers() -> None:
    assert "'Grad-CAM++': did you mean 'gradcam++'? give " in message(assignments=["gradcam.method=Grad-CAM++"])
    several = message(assignments=["evaluation.methods=gradcam,Layer CAM"])
    assert "did you mean 'layercam'? give gradcam, gradcam++, " in several


def test_a_flag_is_left_out_where_a_file_says_null() -> None:
    assert message(flags={"run.shard": "3"}) == "setting 'run.shard' (flag --shard) is '3': give text like 1/8"
    assert message(assignments=["run.shard=3"]).endswith("is '3': give text like 1/8 or null")


@pytest.mark.parametrize("shard", ["0/2", "3/2"])
def test_shards_are_counted_from_1(shard: str) -> None:
    assert f"is '{shard}': shards are counted from 1/2 to 2/2; " in message(flags={"run.shard": shard})


def test_no_number_is_without_bounds() -> None:
    for name in SETTINGS:
        for value in ("inf", "-inf", "nan", "1e999", "9" * 5000):
            try:
                loaded = load_settings(assignments=[f"{name}={value}"], environ={})
            except SettingsError:
                continue
            section, _, key = name.partition(".")
            assert not isinstance(getattr(getattr(loaded.settings, section), key), int | float), name


def test_of_very_many_unknown_settings_some_are_named(write: Any, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ANN401
    """Only for those that are named is a likely meaning sought, which takes a comparison with every setting."""
    sought: list[str] = []
    monkeypatch.setattr("btxrd_explain.settings.sources.closest", sought.append)
    text = message(config=write("\n".join(f"thresold{number}: 1" for number in range(5000))))
    assert text.startswith("5000 settings are wrong: unknown setting 'thresold0' in config file 'x.yaml'")
    assert text.endswith("and 4980 more unknown ones")
    assert sought == [f"thresold{number}" for number in range(20)]


@pytest.mark.parametrize("value", [3, ["a", 3], [""], {"a": "b"}])
def test_inputs_that_are_no_paths_are_refused(value: object) -> None:
    assert message(flags={"data.inputs": value}).startswith("setting 'data.inputs' (argument INPUT) is ")


@pytest.mark.parametrize("value", ["", "a\0b", "~no-such-user-here/x", 3])
def test_paths_that_no_file_system_takes_are_refused(value: object) -> None:
    text = message(flags={"data.root": value})
    assert text.startswith(f"setting 'data.root' (flag --root) is {value!r}: give a path")


def test_all_problems_are_reported_together(write: Any) -> None:  # noqa: ANN401
    text = message(
        config=write("gradcam: {method: cam}"),
        environ={"BTXRD_EXPLAIN_OUTPUT__DPI": "9"},
        flags={"annotation.panels": 0},
        assignments=["model.devise=cpu"],
    )
    assert text == (
        "4 settings are wrong: "
        "unknown setting 'model.devise' in --set model.devise=cpu: did you mean 'model.device'?; "
        "setting 'gradcam.method' (config file 'x.yaml') is 'cam': give "
        "gradcam, gradcam++, hirescam, layercam, xgradcam, elementwise, eigencam, randomcam, eigengradcam, "
        "segeigencam, kpcacam, finercam, shapleycam, fem, scorecam, ablationcam, gradient, input-x-gradient, "
        "guided-backprop, guided-gradcam, integrated-gradients, smoothgrad, smooth-integrated-gradients, "
        "expected-gradients, deeplift or occlusion; "
        "setting 'annotation.panels' (flag --panels) is 0: give a whole number from 1 to 60; "
        "setting 'output.dpi' (environment BTXRD_EXPLAIN_OUTPUT__DPI) is '9': give a whole number from 50 to 1200"
    )


def test_long_and_unprintable_values_stay_one_short_line() -> None:
    assert len(message(assignments=["output.dpi=" + "9" * 10_000])) < 300
    assert "'1\\n2'" in message(assignments=["output.dpi=1\n2"])


def test_a_value_that_a_later_source_replaces_does_not_have_to_be_right() -> None:
    loaded = load(environ={"BTXRD_EXPLAIN_OUTPUT__DPI": "none"}, flags={"output.dpi": 100})
    assert loaded.settings.output.dpi == 100


def test_settings_errors_end_with_the_usage_exit_code() -> None:
    with pytest.raises(SettingsError) as caught:
        load(assignments=["zz=1"])
    assert caught.value.exit_code is ExitCode.USAGE


def test_settings_cannot_be_changed() -> None:
    settings = Settings()
    for instance, name in ((settings, "model"), (settings.model, "device")):
        with pytest.raises(ValidationError, match="frozen"):
            setattr(instance, name, getattr(instance, name))
    with pytest.raises(TypeError):
        load().origins["model.device"] = "me"  # type: ignore[index]  # that is the point


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, "btxrd-explain-out/predictions.parquet"),
        ({"output.directory": "run"}, "run/predictions.parquet"),
        ({"output.directory": "run", "output.predictions": "a/b.parquet"}, "a/b.parquet"),
    ],
)
def test_the_table_lies_in_the_folder_of_results_unless_it_is_named(given: dict[str, str], expected: str) -> None:
    assert load(flags=given).settings.output.predictions_path == Path(expected)


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("model.precision", Precision),
        ("preprocess.resize", ResizeMode),
        ("preprocess.interpolation", Interpolation),
        ("preprocess.decode", Decode),
        ("annotation.threshold_rule", Rule),
        ("annotation.operator", Operator),
        ("annotation.space", Space),
        ("annotation.mask_policy", MaskPolicy),
        ("annotation.target_class", TargetClass),
        ("sanity.baseline", Baseline),
    ],
)
def test_words_are_those_of_the_core(name: str, kinds: type[StrEnum]) -> None:
    for kind in kinds:
        assert value_of(load(assignments=[f"{name}={kind.value}"]), name) is kind
    assert isinstance(value_of(load(), name), kinds)
    assert [kind.value for kind in kinds] == SETTINGS[name].allowed.replace(" or ", ", ").split(", ")


def test_no_setting_lists_the_words_of_a_choice_again() -> None:
    known: set[frozenset[Any]] = {
        frozenset(kinds) for kinds in vars(choices).values() if isinstance(kinds, EnumType) and len(kinds)
    }
    assert frozenset(ResizeMode) in known
    listed = {
        f"{section}.{key}": frozenset(get_args(field.annotation))
        for section, kind in SECTIONS.items()
        for key, field in kind.model_fields.items()
        if get_origin(field.annotation) is Literal
    }
    assert "output.format" in listed
    assert not {name for name, words in listed.items() if words in known}


def test_methods_are_those_of_the_core() -> None:
    assert load(assignments=["gradcam.method=hirescam"]).settings.gradcam.method == "hirescam"
    assert SETTINGS["gradcam.method"].allowed.replace(" or ", ", ").split(", ") == list(METHODS)
    text = message(assignments=["gradcam.method=gardcam", "evaluation.methods=gradcam,x"])
    assert text.count(f"give {SETTINGS['gradcam.method'].allowed}") == 2


def test_preprocessing_settings_are_a_partial_of_the_core_type() -> None:
    """Each field has one setting; those without a default are left to the checkpoint."""
    names = {field.name for field in fields(Preprocessing)} - {"size"} | {"image_size"}
    assert set(PreprocessSettings.model_fields) == names | {"source"}
    without_default = {"image_size", "mean", "std", "transform", "clip_percentiles", "clahe"}
    assert PreprocessSettings().partial.keys() == names - without_default
    given = {"image_size": 96, "mean": (0.1, 0.2, 0.3), "std": (0.4, 0.5, 0.6), "resize": "crop", "decode": "fast"}
    partial = PreprocessSettings.model_validate(given).partial
    made = Preprocessing(**partial)
    assert made.size == Size(96, 96)
    assert (made.mean, made.std) == (given["mean"], given["std"])
    assert (made.resize, made.decode) == (ResizeMode.CROP, Decode.FAST)


@pytest.mark.parametrize("text", ["[[[[]]]]", "[a.pt, [b.pt]]", "[{}]"])
def test_checkpoints_that_are_no_paths_are_refused_in_one_line(text: str) -> None:
    with pytest.raises(SettingsError, match="give a path, a list of paths or null"):
        load_settings(None, {}, (), {"BTXRD_EXPLAIN_MODEL__CHECKPOINT": text})


def test_importing_settings_imports_nothing_heavy() -> None:
    heavy = {"torch", "timm", "numpy", "matplotlib", "pyarrow", "cv2", "PIL", "openpyxl", "rich", "typer"}
    code = f"import sys, btxrd_explain.settings; print(sorted({heavy!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "value",
    ["cyst = Benign, a=b=ignore", "[cyst=Benign, a=b=ignore]", {"cyst": "Benign", "a=b": "ignore"}],
)
def test_a_label_map_is_a_list_or_a_mapping(value: object) -> None:
    settings = load(flags={"annotation.label_map": value}).settings.annotation
    assert settings.label_map == ("cyst=Benign", "a=b=ignore")
    assert settings.meanings == {"cyst": "Benign", "a=b": "ignore"}
