"""How the text of a value is read: lists, pairs, sizes, places and shards."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from btxrd_explain.settings import types

WORDS = st.text(st.characters(codec="ascii", categories=("L", "N")), min_size=1, max_size=8)


def _read(kind: Any, value: object) -> Any:  # noqa: ANN401 -- any kind of value
    return TypeAdapter(kind).validate_python(value)


def _refused(kind: Any, value: object) -> str:  # noqa: ANN401 -- any kind of value
    with pytest.raises(ValidationError) as caught:
        _read(kind, value)
    return "; ".join(error["msg"] for error in caught.value.errors())


@settings(max_examples=30)
@given(st.lists(WORDS, min_size=1, max_size=4, unique=True))
def test_a_list_is_the_same_as_text_in_brackets_and_without(words: list[str]) -> None:
    expected = tuple(words)
    assert _read(types.Names, words) == expected
    assert _read(types.Names, ",".join(words)) == expected
    assert _read(types.Names, " , ".join(words)) == expected
    quoted = ", ".join(f'"{word}"' for word in words)
    assert _read(types.Names, f"[{quoted}]") == expected


@settings(max_examples=30)
@given(st.dictionaries(WORDS, WORDS, min_size=1, max_size=4))
def test_meanings_are_the_same_as_mapping_list_and_text(meanings: dict[str, str]) -> None:
    items = [f"{label}={meaning}" for label, meaning in meanings.items()]
    assert _read(types.LabelMap, meanings) == _read(types.LabelMap, items) == tuple(items)
    spaced = " , ".join(f"{label} = {meaning}" for label, meaning in meanings.items())
    assert _read(types.LabelMap, spaced) == tuple(items)


def test_the_last_equals_sign_parts_label_and_meaning_and_the_first_name_and_place() -> None:
    assert _read(types.LabelMap, ["a=b=lesion"]) == ("a=b=lesion",)
    assert "name each one once" in _refused(types.LabelMap, ["a=b=lesion", "a=b=ignore"])
    assert _read(types.NamedPlaces, ["A=b=c"]) == ("A=b=c",)
    assert "name each one once" in _refused(types.NamedPlaces, ["A=b", "A =c"])


@pytest.mark.parametrize("value", [["a"], ["=lesion"], ["a="], [" = "], "a,b"])
def test_an_item_without_a_meaning_is_refused(value: object) -> None:
    assert "give label=meaning" in _refused(types.LabelMap, value)


@pytest.mark.parametrize("value", [["A"], ["=x"], ["A="]])
def test_a_reader_without_a_place_is_refused(value: object) -> None:
    assert "give NAME=PATH" in _refused(types.NamedPlaces, value)


@pytest.mark.parametrize(
    ("value", "size"),
    [
        (224, 224),
        ("225", 225),
        (" 224 ", 224),
        ("384x320", "384x320"),
        ("384X320", "384x320"),
        ("[384, 320]", "384x320"),
        ([384, 320], "384x320"),
        ((64, 64), 64),
        ("64x64", 64),
        (16, 16),
        (4096, 4096),
    ],
)
def test_a_size_is_one_side_or_height_and_width(value: object, size: object) -> None:
    assert _read(types.InputSize, value) == size


@pytest.mark.parametrize("value", [15, 4097, True, 64.0, "64.5", "x", "64x", "1e2", "٦٤", [], [64] * 3, None, "9" * 20])
def test_other_sizes_are_refused(value: object) -> None:
    assert "give a whole number from 16 to 4096" in _refused(types.InputSize, value)


@pytest.mark.parametrize(
    ("value", "levels"),
    [
        (0.4, ("0.4",)),
        (1, ("1",)),
        ("0.4, Mass=0.6", ("0.4", "Mass=0.6")),
        ({"Mass": 0.6, "a=b": 0}, ("Mass=0.6", "a=b=0")),
        ([], ()),
    ],
)
def test_levels_are_of_all_classes_or_of_one(value: object, levels: tuple[str, ...]) -> None:
    assert _read(types.ClassLevels, value) == levels


@pytest.mark.parametrize("value", [True, 1.5, -0.1, "Mass", "=0.5", "Mass=nan", "Mass=2", ["0.5", "0.4"], {"a": "b"}])
def test_levels_that_are_no_fractions_are_refused(value: object) -> None:
    assert _refused(types.ClassLevels, value)


@pytest.mark.parametrize("text", ["1/1", "8/8", "3/10"])
def test_a_shard_is_one_of_its_number(text: str) -> None:
    assert _read(types.Shard, text) == text


@pytest.mark.parametrize("text", ["0/8", "9/8", "1/0", "1", "1/8/2", "-1/8", "a/b", "1 / 8"])
def test_other_shards_are_refused(text: str) -> None:
    assert _refused(types.Shard, text)


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ("best.pt", Path("best.pt")),
        ("a,b.pt", Path("a,b.pt")),  # names may hold commas
        ("[a.pt, b.pt]", (Path("a.pt"), Path("b.pt"))),
        (["a.pt"], Path("a.pt")),
        ("demo", Path("demo")),
    ],
)
def test_checkpoints_are_one_or_several(value: object, read: object) -> None:
    assert _read(types.Checkpoints, value) == read


def test_a_folder_called_demo_is_not_the_demo(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert _read(types.Checkpoints, "./demo") == tmp_path / "demo"
    assert types.checkpoint_path("demo") == Path("demo")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([], "at least one checkpoint"),
        (["a.pt", "a.pt"], "once"),
        ("", "not empty"),
        ("a\0b", "NUL"),
        ("s3://bucket/best.pt", "give a path on this machine"),
    ],
)
def test_checkpoints_that_cannot_be_some_are_refused(value: object, message: str) -> None:
    assert message in _refused(types.Checkpoints, value)


@pytest.mark.parametrize("value", ["99,1", "50,50", "1", "1,2,3", "-1,50", "1,100.5"])
def test_percentiles_rise_within_their_range(value: str) -> None:
    assert _refused(types.Percentiles, value)


def test_percentiles_are_read_from_text() -> None:
    assert _read(types.Percentiles, "1, 99.5") == _read(types.Percentiles, "[1, 99.5]") == (1.0, 99.5)


@pytest.mark.parametrize("value", ["Normal", ["a"], ["a", "a"], ["a", ""], []])
def test_class_names_are_two_or_more_and_different(value: object) -> None:
    assert _refused(types.ClassNames, value)


@pytest.mark.parametrize("name", ["image_id", "split", "label"])
def test_columns_are_those_that_a_split_csv_needs(name: str) -> None:
    assert _read(types.ColumnNames, {name: "some column"}) == (f"{name}=some column",)
    assert "give image_id=name" in _refused(types.ColumnNames, {f"{name}s": "some column"})


@pytest.mark.parametrize("device", ["auto", "cpu", "cuda", "mps", "cuda:0", "cuda:15"])
def test_devices_are_those_of_torch(device: str) -> None:
    assert _read(types.Device, device) == device


@pytest.mark.parametrize("device", ["gpu", "cuda:", "cuda:x", "cuda:0 ", "CPU", ""])
def test_other_devices_are_refused(device: str) -> None:
    assert _refused(types.Device, device)
