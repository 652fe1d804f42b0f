"""YAML files of settings: what is read, and what is refused with the line that it stands in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from btxrd_explain.errors import SettingsError
from btxrd_explain.settings import load_settings
from btxrd_explain.settings.document import MAX_BYTES, parse_list, read_document

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path.joinpath("x.yaml").relative_to(tmp_path)


def refused(file: Path, content: str | bytes) -> str:
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(SettingsError) as caught:
        load_settings(file, environ={})
    text = str(caught.value)
    assert "\n" not in text
    return text


def test_every_scalar_stays_text_but_an_unquoted_null(file: Path) -> None:
    file.write_text("a: {yes: No, date: 2024-01-02, octal: 010, time: 1:30, n: null, t: ~, e: , q: 'null', f: 1e3}\n")
    assert read_document(file) == {
        "a": {
            "yes": "No",
            "date": "2024-01-02",
            "octal": "010",
            "time": "1:30",
            "n": None,
            "t": None,
            "e": None,
            "q": "null",
            "f": "1e3",
        }
    }


@pytest.mark.parametrize("content", ["", "# nothing\n", "---\n...\n", "model:\n", "model: {}\ndata: ~\n"])
def test_a_file_that_says_nothing_leaves_the_defaults(file: Path, content: str) -> None:
    file.write_text(content)
    assert set(load_settings(file, environ={}).origins.values()) == {"default"}


@pytest.mark.parametrize("encoded", [b"\xef\xbb\xbfmodel: {device: cpu}", b"model:\r\n  device: cpu\r\n"])
def test_windows_files_are_read(file: Path, encoded: bytes) -> None:
    file.write_bytes(encoded)
    assert load_settings(file, environ={}).settings.model.device == "cpu"


def test_dotted_names_are_read_too(file: Path) -> None:
    file.write_text("model.device: cpu\nmodel: {batch_size: 2}\n")
    model = load_settings(file, environ={}).settings.model
    assert (model.device, model.batch_size) == ("cpu", 2)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("output: {dpi: 90}\nmodel: {}\noutput: {}\n", ", line 3, column 1: duplicate key 'output'"),
        ("model:\n  device: cpu\n  device: cpu\n", ", line 3, column 3: duplicate key 'device'"),
        ("model.device: cpu\nmodel: {device: cpu}\n", " gives 'model.device' twice: remove one of them"),
        (
            "model:\n\tdevice: cpu\n",
            (
                ", line 2, column 1: found character '\\t' that cannot start any token: "
                "indent with spaces, not with tabs"
            ),
        ),
        (
            "annotation:\n  operator: >=\n",
            (
                ", line 2, column 14: expected chomping or indentation indicators, but found '=': "
                "put quotes around a value that begins with '>' or '|'"
            ),
        ),
        ("model: &m {}\ndata: *m\n", ", line 2, column 7: aliases ('*') are not supported"),
        (
            "a: !!python/object/apply:os.system [ls]\n",
            (
                ", line 1, column 4: tags ('!') are not supported, "
                "found 'tag:yaml.org,2002:python/object/apply:os.system'"
            ),
        ),
        ("a: !local 3\n", ", line 1, column 4: tags ('!') are not supported, found '!local'"),
        ("a: 1\n---\nb: 2\n", ", line 2, column 1: found another document: remove the second '---'"),
        ("? [a]\n: b\n", ", line 1, column 3: found unhashable key"),
        ("a: 1\nb: \0\n", ", line 2: a control character"),
        (b"a: 1\nb: \xff\n", ", line 2: not UTF-8 text: save it as UTF-8"),
        (
            "- a\n",
            " holds a list, no mapping: write sections such as 'model:' with indented settings below them",
        ),
        (
            "hello\n",
            " holds a single value, no mapping: write sections such as 'model:' with indented settings below them",
        ),
        ("[" * 100_000, " is nested too deeply: settings have two levels"),
        ("{a: " * 100_000, " is nested too deeply: settings have two levels"),
        ("#" * (MAX_BYTES + 1), " is longer than 1 MiB: name a file of settings"),
    ],
)
def test_what_is_no_settings_file_is_refused_with_its_place(file: Path, content: str | bytes, expected: str) -> None:
    assert refused(file, content) == f"config file 'x.yaml'{expected}"


def test_a_file_of_the_greatest_length_is_read(file: Path) -> None:
    file.write_bytes(b"output: {dpi: 90}\n".ljust(MAX_BYTES, b"\n"))
    assert load_settings(file, environ={}).settings.output.dpi == 90


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (
            "model: 3",
            "'model' in config file 'x.yaml' is a section: give its settings, such as 'model.checkpoint'",
        ),
        (
            "model: [a]",
            "'model' in config file 'x.yaml' is a section: give its settings, such as 'model.checkpoint'",
        ),
        (
            "model: {device: {a: b}}",
            (
                "setting 'model.device' (config file 'x.yaml') is {'a': 'b'}: "
                "give auto, cpu, cuda, mps or text like cuda:0"
            ),
        ),
        (
            "model:\n  <<: {device: cpu}\n",
            (
                "unknown setting 'model.<<' in config file 'x.yaml': "
                "'model' holds checkpoint, architecture, factory, class_names, activation, device, precision, "
                "batch_size, compile"
            ),
        ),
    ],
)
def test_values_of_the_wrong_shape_are_refused(file: Path, content: str, expected: str) -> None:
    assert refused(file, content) == expected


def test_an_alias_bomb_is_refused_before_it_grows(file: Path) -> None:
    lines = ["a0: &a0 [x, x]", *(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]" for i in range(1, 100))]
    assert refused(file, "\n".join(lines)) == "config file 'x.yaml', line 2, column 10: aliases ('*') are not supported"


def test_a_missing_file_says_how_to_get_one(file: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(file, environ={})
    assert str(caught.value) == (
        "cannot read config file 'x.yaml' (No such file or directory): "
        "check --config, or write one with 'btxrd-explain config init'"
    )


def test_a_folder_is_no_file(file: Path) -> None:
    file.mkdir()
    with pytest.raises(SettingsError, match=r"^cannot read config file 'x.yaml' \(.+\): check --config"):
        load_settings(file, environ={})


@pytest.mark.parametrize("text", ["[a, b", "[a, *b]", "[!!int 3]", "['a]", "[" * 5000])
def test_lists_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="close the list"):
        parse_list(text)
