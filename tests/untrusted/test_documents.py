"""JSON is bounded before it is parsed, and what is wrong with it is one line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from btxrd_explain.untrusted.documents import InvalidDocumentError, decode_text, load_json, shown

if TYPE_CHECKING:
    from pathlib import Path


def _load(path: Path, content: bytes, *, max_bytes: int = 2**20, max_values: int = 100) -> object:
    path.write_bytes(content)
    return load_json(path, max_bytes=max_bytes, max_values=max_values)


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_a_document_is_read_with_and_without_a_byte_order_mark(tmp_path: Path, mark: bytes) -> None:
    assert _load(tmp_path / "1.json", mark + '{"label": "Größe", "n": [1, 2.5]}'.encode()) == {
        "label": "Größe",
        "n": [1, 2.5],
    }


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"[" * 101, "expected at most 100 values"),
        (b"[" + b"0," * 101, "expected at most 100 values"),
        (b'{"a": 1, "b": {"c": 1, "c": 2}}', 'the key "c" is there twice'),
        (b"\xff{}", "expected text in UTF-8"),
        (b"{", r"expected JSON \("),
        (b"1" * 5000, r"expected JSON \("),
    ],
)
def test_what_cannot_be_used_is_said_in_one_line(tmp_path: Path, content: bytes, told: str) -> None:
    with pytest.raises(InvalidDocumentError, match=told) as error:
        _load(tmp_path / "1.json", content)
    assert "\n" not in str(error.value)


def test_a_deeply_nested_document_is_refused_and_not_an_overflow(tmp_path: Path) -> None:
    with pytest.raises(InvalidDocumentError, match="nested too deeply"):
        _load(tmp_path / "1.json", b"[" * 100_000, max_values=10**6)


def test_a_large_file_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "1.json"
    with path.open("wb") as file:
        file.truncate(2**40)  # a terabyte that takes no space
    with pytest.raises(InvalidDocumentError, match="expected at most 2 MiB"):
        load_json(path, max_bytes=2 * 2**20, max_values=10)


def test_a_long_value_is_shown_by_its_beginning() -> None:
    assert shown("a" * 1000) == '"' + "a" * 39 + "..."
    assert json.loads(shown({"a": None})) == {"a": None}


@pytest.mark.parametrize(
    "text",
    [
        "\u80bf\u7624",  # each of them alone is a file
        "\u826f\u6027",
        "\u6076\u6027\u80bf\u7624",
        "\u9aa8\u8089\u7624",
        "\u8f6f\u9aa8\u7624",
        "\u9aa8\u56ca\u80bf",
        "\u6b63\u5e38",
        "IMG\u80bf\u7624",
        "\u7537\n\u5973\n\u60a3\u8005",
    ],
)
def test_chinese_of_windows_is_told_by_its_bytes(text: str) -> None:
    assert decode_text(text.encode("gbk")) == (text, "gb18030")


def test_long_words_take_no_longer_than_short_ones() -> None:
    text = "a" * 2_000_000 + "\u80bf\u7624" * 100_000  # minutes, if each letter were the start of a search
    assert decode_text(text.encode("gbk")) == (text, "gb18030")


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("Gr\u00f6\u00dfe", "cp1252"),
        ("GR\u00d6\u00dcN", "cp1252"),
        ("cr\u00e9\u00e9", "cp1252"),
        ("m\u0105\u0142y", "cp1250"),
        ("\u043d\u043e\u0440\u043c\n\u041d\u043e\u0440\u043c\n\u041d\u041e\u0420\u041c", "cp1251"),
        ("\u03cc\u03b3\u03ba\u03bf", "cp1253"),
        ("\uc591\uc131\n\uc545\uc131\n\uc815\uc0c1", "cp949"),
        ("\u826f\u6027\u3067\u3059", "euc_jp"),
    ],
)
def test_what_may_be_another_alphabet_is_refused(text: str, encoding: str) -> None:
    with pytest.raises(InvalidDocumentError, match="expected text in UTF-8"):
        decode_text(text.encode(encoding))
