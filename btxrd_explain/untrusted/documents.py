"""Text and JSON from annotation tools: bounded before it is parsed, and with what is wrong said in one line."""

from __future__ import annotations

import json
import re
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE, BOM_UTF32_BE, BOM_UTF32_LE
from collections import Counter
from typing import TYPE_CHECKING, Any

from btxrd_explain.system.files import read_whole

if TYPE_CHECKING:
    from pathlib import Path


class InvalidDocumentError(Exception):
    """What is wrong with a file, and where in it; becomes an error that names the file."""


_MARKS = {BOM_UTF8: "utf-8-sig", BOM_UTF32_LE: "utf-32", BOM_UTF32_BE: "utf-32", BOM_UTF16_LE: "utf-16"}
_MARKS |= {BOM_UTF16_BE: "utf-16"}
"""Byte order marks and encodings; UTF-32's begins as one of UTF-16's does, and is looked for first."""
_NOT_ASCII = re.compile(rb"[\x80-\xff]+")
_WORD = re.compile(rb"[A-Za-z]*[\x80-\xff][A-Za-z\x80-\xff]*")
_KANA = {0xA4, 0xA5}
_OTHER_ALPHABETS = ("cp1250", "cp1251", "cp1252", "cp1253", "cp949")
"""Encodings of Latin, Cyrillic, Greek and Korean letters, of which a few words may look like GB 2312."""


def decode_text(data: bytes) -> tuple[str, str]:
    """Return the text of a file and its encoding.

    UTF-8 comes first, then what a byte order mark says, then GB 18030, which programs write on Chinese Windows, if
    nothing else can be meant; see :func:`is_chinese`.

    Raises:
        InvalidDocumentError: It is none of these.

    >>> decode_text("cyst".encode("utf-16")), decode_text("\u80bf\u7624".encode("gbk"))[1]
    (('cyst', 'utf-16'), 'gb18030')
    """
    marked = next((name for mark, name in _MARKS.items() if data.startswith(mark)), None)
    encoding = marked or "utf-8"
    try:
        return data.decode(encoding), encoding
    except UnicodeDecodeError as error:
        if marked is None and is_chinese(data):
            return data.decode("gb18030", "replace"), "gb18030"
        raise InvalidDocumentError("expected text in UTF-8; convert it, such as with iconv -t utf-8") from error


def is_chinese(data: bytes) -> bool:
    """Return whether a text that is not ASCII can only be GB 2312.

    All its other bytes come in pairs of that standard, and do not spell words of another alphabet: two letters of
    Latin-1 side by side are such a pair too.

    >>> [is_chinese("\u826f\u6027".encode("gbk")), is_chinese("Gr\u00f6\u00dfe".encode("latin-1"))]
    [True, False]
    """
    runs = {run[0] for run in _NOT_ASCII.finditer(data)}
    if not all(len(run) % 2 == 0 and min(run) >= 0xA1 and max(run) <= 0xFE and max(run[::2]) <= 0xF7 for run in runs):
        return False
    if any(_KANA & set(run[::2]) for run in runs):
        return False
    words = set(_WORD.findall(data))
    return not any(all(_is_word(word, encoding) for word in words) for encoding in _OTHER_ALPHABETS)


def _is_word(data: bytes, encoding: str) -> bool:
    """Return whether bytes are letters in an encoding, and in the case of a word, or syllables of Hangul."""
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        return False
    in_case = text.islower() or text.isupper() or text.istitle()
    return text.isalpha() and (in_case or all(letter.isascii() or "\uac00" <= letter <= "\ud7a3" for letter in text))


def read_text(path: Path, *, max_bytes: int) -> tuple[str, str]:
    """Return the text of a file and its encoding; see :func:`decode_text`.

    Raises:
        InvalidDocumentError: It is too large, or no text.
        OSError: It cannot be read.
    """
    data = read_whole(path, max_bytes)
    if data is None:
        raise InvalidDocumentError(f"expected at most {max_bytes // 2**20} MiB")
    return decode_text(data)


def load_json(path: Path, *, max_bytes: int, max_values: int) -> object:
    """Load a JSON file, whatever its encoding; see :func:`load_document`."""
    return load_document(path, max_bytes=max_bytes, max_values=max_values)[0]


def load_document(path: Path, *, max_bytes: int, max_values: int) -> tuple[object, str]:
    """Load a JSON file.

    Args:
        path: The file.
        max_bytes: Largest size that is read.
        max_values: How many values it may hold, counted by what separates them: two bytes of text can take a hundred
            of memory.

    Returns:
        Its content, and its encoding; see :func:`decode_text`.

    Raises:
        InvalidDocumentError: It is too large or no JSON, or gives one key twice.
        OSError: It cannot be read.
    """
    text, encoding = read_text(path, max_bytes=max_bytes)
    if sum(map(text.count, ",[{")) > max_values:
        raise InvalidDocumentError(f"expected at most {max_values:,} values")
    try:
        document: object = json.loads(text, object_pairs_hook=_object)
    except RecursionError as error:
        raise InvalidDocumentError("expected JSON, got one that is nested too deeply") from error
    except ValueError as error:  # also of numbers with thousands of digits
        raise InvalidDocumentError(f"expected JSON ({error})") from error
    return document, encoding


_NUMBER = re.compile(r"[-+]?\d{1,20}(?:\.\d{0,20})?(?:[eE][-+]?\d{1,3})?")


def as_number(value: object) -> float | None:
    """Return a number, or text that can mean nothing else; None for all others.

    >>> [as_number(value) for value in (2, "2.5", "1e1", "2,5", "", None, True)]
    [2, 2.5, 10.0, None, None, None, None]
    """
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        return float(value)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def shown(value: object) -> str:
    """Show a value of any length in an error message of one line."""
    text = json.dumps(value)
    return text if len(text) <= 40 else f"{text[:40]}..."


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object of its members; of two with one key Python would silently keep the last."""
    members = dict(pairs)
    if len(members) < len(pairs):
        ((twice, _),) = Counter(key for key, _ in pairs).most_common(1)
        raise InvalidDocumentError(f"the key {shown(twice)} is there twice")
    return members
