"""The command line that a report names: read again it gives the same settings."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

import pytest

from btxrd_explain.errors import SettingsError
from btxrd_explain.settings import SETTINGS, Settings, load_settings
from btxrd_explain.settings.flags import FLAGS, as_keywords, check_results, command_line, settings_of_call
from btxrd_explain.settings.sources import settings_of
from tests.support.refusals import assert_refused

if TYPE_CHECKING:
    from pathlib import Path


def _again(command: str, line: str) -> Settings:
    """Read a command line as the command does: flags with a value each, flags without one, and ``--set``."""
    program, called, *words = shlex.split(line)
    assert (program, called) == ("btxrd-explain", command)
    names = {SETTINGS[name].flag: name for name in FLAGS[command] if name != "data.inputs"}
    flags: dict[str, Any] = {}
    assignments: list[str] = []
    while words:
        word = words.pop(0)
        switch = names.get(word.replace("--no-", "--", 1), names.get(word))
        if word == "--set":
            assignments.append(words.pop(0))
        elif switch is not None and "false" in SETTINGS[switch].allowed:
            flags[switch] = not word.startswith("--no-")
        elif word in names:
            flags.setdefault(names[word], []).append(words.pop(0))
        else:
            assert not word.startswith("--"), word
            flags.setdefault("data.inputs", []).append(word)
    single = {name: value[0] if isinstance(value, list) and len(value) == 1 else value for name, value in flags.items()}
    lists = {name: [value] for name, value in single.items() if _is_list(name) and isinstance(value, str)}
    return load_settings(flags=single | lists, assignments=assignments, environ={}).settings


def _is_list(name: str) -> bool:
    return "a list" in SETTINGS[name].allowed or name == "data.inputs"


VALUES: dict[str, Any] = {
    "data.inputs": ["a.png", "b c.png"],
    "data.split_csv": "split.csv",
    "data.split": 'it\'s "test"',
    "data.columns": ["image_id=file name", "label=class"],
    "data.label_names": ["0=Normal", "a=b=Tumour"],
    "data.labels_from_folders": True,
    "data.no_lesion_classes": ["Control", "Healthy, young"],
    "model.class_names": ["Yes, sure", "No", "[maybe]"],
    "model.architecture": "resnet18",
    "model.activation": "sigmoid",
    "model.device": "cuda:1",
    "model.batch_size": 7,
    "model.compile": True,
    "preprocess.from": "settings",
    "preprocess.image_size": "384x320",
    "preprocess.clip_percentiles": [1, 99.5],
    "preprocess.clahe": {"clip": 2.5, "tiles": 4, "lightness": True},
    "preprocess.mean": [0.5, 0.25, 1],
    "preprocess.depth": "16-bit",
    "gradcam.explain_classes": ["predicted", "Benign, other"],
    "gradcam.target_layer": "layer3, layer4",
    "annotation.threshold": 0.1 + 0.2,
    "annotation.operator": ">",
    "annotation.label_map": {"a, b": "lesion", "*": "ignore"},
    "annotation.reader": ["A=a", "B, C=b=c"],
    "evaluation.by": ["center", "a,b"],
    "evaluation.decision_threshold": ["0.4", "Mass=0.6"],
    "evaluation.methods": ["gradcam", "layercam"],
    "evaluation.baselines": False,
    "evaluation.margin": 0.02,
    "intervention.margins": [0, 10, 25],
    "output.overlay": False,
    "output.dpi": 99,
    "run.shard": "2/8",
    "run.verify": True,
    "export.to": "npz",
}


@pytest.mark.parametrize("command", sorted(FLAGS))
@pytest.mark.parametrize("name", sorted(VALUES))
def test_a_command_line_that_is_read_again_gives_the_same_settings(command: str, name: str) -> None:
    settings = settings_of({name: VALUES[name]})
    assert settings != Settings()
    assert _again(command, command_line(command, settings)) == settings


@pytest.mark.parametrize("command", ["annotate-iou", "gallery", "layers"])
def test_a_list_that_is_empty_on_purpose_stays_empty(command: str) -> None:
    """No class without a lesion is another wish than to recognise such classes by their names."""
    settings = settings_of({"data.no_lesion_classes": []})
    line = command_line(command, settings)
    assert _again(command, line).data.no_lesion_classes == ()


def test_all_values_together_are_read_again() -> None:
    settings = settings_of(VALUES)
    assert _again("annotate-iou", command_line("annotate-iou", settings)) == settings


def test_defaults_and_the_folder_of_results_are_not_named() -> None:
    assert command_line("infer", Settings()) == "btxrd-explain infer"
    assert command_line("infer", settings_of({"output.directory": "out"})) == "btxrd-explain infer"


def test_of_paths_the_names_are_told_and_folders_where_names_are_the_same() -> None:
    places = {
        "data.inputs": ["/data/b/x.png", "/data/a/x.png"],
        "data.root": "/secret/BTXRD",
        "model.checkpoint": ["/k/fold0/best.pt", "/k/fold1/best.pt"],
        "annotation.reader": ["A=/readers/a", "B=/readers/b.json"],
    }
    line = command_line("annotate-iou", settings_of(places))
    assert line == (
        "btxrd-explain annotate-iou b/x.png a/x.png --root BTXRD --checkpoint fold0/best.pt --checkpoint fold1/best.pt "
        "--reader A=a --reader B=b.json"
    )


def test_keywords_win_over_the_file_and_further_settings_over_both(tmp_path: Path) -> None:
    config = tmp_path / "some.yaml"
    config.write_text("output: {dpi: 90, alpha: 0.1, colormap: magma}")
    given = {"dpi": 100, "alpha": 0.2, "config": config, "settings": {"output.dpi": 110}}
    output = settings_of_call("gallery", given, {}).output
    assert (output.dpi, output.alpha, output.colormap) == (110, 0.2, "magma")


def test_what_a_call_gives_otherwise_is_no_keyword() -> None:
    assert settings_of_call("infer", {}, {"data.inputs": ("a.png",)}).data.inputs == ("a.png",)
    assert_refused(
        lambda: settings_of_call("infer", {"inputs": "a.png"}, {}), TypeError, "infer() has no keyword 'inputs': "
    )


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"config": 3}, "config: expected a path as text or pathlib.Path, got 3"),
        ({"settings": ["output.dpi=3"]}, "settings: expected settings by dotted name, got ['output.dpi=3']"),
        ({"zzz": 3}, "annotate_iou() has no keyword 'zzz': it takes root, images, annotations"),
    ],
)
def test_keywords_of_another_kind_are_refused(given: dict[str, object], message: str) -> None:
    assert_refused(lambda: settings_of_call("annotate-iou", given, {}), TypeError, message)


@pytest.mark.parametrize("command", sorted(FLAGS))
def test_only_infer_writes_into_a_store(command: str) -> None:
    in_store = settings_of({"output.directory": "memory://run/out"})
    if command == "infer" or "output.directory" not in FLAGS[command]:
        check_results(command, in_store)
        return
    start = f"'{command}' writes into a folder on this machine, and not to 'memory://run/out"
    assert_refused(lambda: check_results(command, in_store), SettingsError, start)
    if command != "import-maps":  # whose table is its result
        check_results(command, settings_of({"output.predictions": "memory://run/predictions.parquet"}))


@pytest.mark.parametrize("name", SETTINGS)
def test_flags_in_messages_become_keywords(name: str) -> None:
    setting = SETTINGS[name]
    assert as_keywords(f"timm's: check {setting.flag}, or not") == f"timm's: check {setting.key}=, or not"
    assert as_keywords(f"do without --no-{setting.flag[2:]}") == f"do without {setting.key}=False"


def test_what_is_quoted_or_no_flag_stays_in_messages() -> None:
    for text in ("run 'btxrd-explain infer --split-csv'", "'a -o b.png' is empty", "a--split", "--unknown", "-cx"):
        assert as_keywords(text) == text
    assert as_keywords("name it with -o or -c") == "name it with directory= or checkpoint="
