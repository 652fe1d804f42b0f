"""What users are told about each setting, held against what the setting really takes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from btxrd_explain.errors import SettingsError
from btxrd_explain.settings import SETTINGS
from btxrd_explain.settings.catalogue import SECTIONS, closest, section_description
from btxrd_explain.settings.sources import settings_of

if TYPE_CHECKING:
    from btxrd_explain.settings.catalogue import Setting

LIMITED = {
    name: found
    for name, setting in SETTINGS.items()
    if (found := re.search(r"(whole )?number from (\S+?) to (\S+?)(?= or |$)", setting.allowed))
    and "list" not in setting.allowed
}


def _taken(name: str, value: object) -> bool:
    try:
        settings_of({name: value})
    except SettingsError:
        return False
    return True


@pytest.mark.parametrize("name", sorted(LIMITED))
def test_the_limits_that_are_told_are_those_that_hold(name: str) -> None:
    whole, low, high = LIMITED[name].groups()
    for limit, step in ((float(low), -1), (float(high), 1)):
        value, beyond = (int(limit), int(limit) + step) if whole else (limit, limit + step * 1e-6)
        assert _taken(name, value)
        assert not _taken(name, beyond)


CHOSEN = sorted(name for name, setting in SETTINGS.items() if setting.choices and "list" not in setting.allowed)


@pytest.mark.parametrize("name", CHOSEN)
def test_every_word_that_is_told_is_taken_and_no_other(name: str) -> None:
    for word in SETTINGS[name].choices:
        assert _taken(name, word)
        assert word in SETTINGS[name].allowed
    assert not _taken(name, "no such word")


@pytest.mark.parametrize("setting", SETTINGS.values(), ids=SETTINGS)
def test_a_setting_takes_its_default_and_null_only_where_it_says_so(setting: Setting) -> None:
    assert _taken(setting.name, setting.default)
    assert _taken(setting.name, None) is ("null" in setting.allowed.split(" or ")[-1] or setting.default is None)


@pytest.mark.parametrize("setting", SETTINGS.values(), ids=SETTINGS)
def test_names_in_file_environment_and_on_the_command_line_belong_together(setting: Setting) -> None:
    section, key = setting.name.split(".")
    assert (setting.section, setting.key) == (section, key)
    assert setting.variable == f"BTXRD_EXPLAIN_{section.upper()}__{key.upper()}"
    assert setting.flag == f"--{key.replace('_', '-')}"
    assert setting.description.endswith((".", ")"))
    assert not re.search(r"\s{2}|\n", setting.description)


def test_no_two_settings_share_a_flag_or_a_variable() -> None:
    for names in ([setting.flag for setting in SETTINGS.values()], [one.variable for one in SETTINGS.values()]):
        assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("annotation.treshold", "annotation.threshold"),
        ("--threshold", "annotation.threshold"),
        ("OUTPUT.DPI", "output.dpi"),
        ("output.split-csv", "data.split_csv"),
        ("gradcm", "gradcam"),
        ("anotations", "data.annotations"),
        ("gradcam.zzzzzz", None),
        ("", None),
        (".", None),
        ("x" * 10_000, None),
    ],
)
def test_what_was_meant_by_an_unknown_name(name: str, meant: str | None) -> None:
    assert closest(name) == meant


def test_every_section_is_described_in_one_line() -> None:
    for section in SECTIONS:
        assert section_description(section)
        assert "\n" not in section_description(section)


@pytest.mark.parametrize(
    ("name", "allowed"),
    [
        ("preprocess.crop_fraction", "a number above 0, at most 1"),
        ("intervention.margins", "a list of 1 to 5 numbers from 0 to 100"),
        ("preprocess.mean", "a list of 3 numbers from 0 to 1 or null"),
        ("model.checkpoint", "a path, a list of paths or null"),
        ("model.class_names", "a list of at least 2 texts or null"),
        ("run.shard", "text like 1/8 or null"),
        ("run.workers", "auto or a whole number of at least 1"),
        ("output.overlay", "true, false or null"),
    ],
)
def test_kinds_of_value_in_words(name: str, allowed: str) -> None:
    assert SETTINGS[name].allowed == allowed


def test_the_words_of_a_list_are_those_of_its_items() -> None:
    choices: Any = SETTINGS["evaluation.methods"].choices
    assert "gradcam" in choices
    assert SETTINGS["data.inputs"].choices == []
