"""Text and JSON from annotation tools: bounded before it is parsed, and with what is wrong said in one line."""

from __future__ import annotations

import json
import re
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE, BOM_UTF32_BE, BOM_UTF32_LE
from collections import Counter
from typing import TYPE_CHECKING, Any

from btxrd_explain.system.files import read_whole

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


class InvalidDocumentError(Exception):
    """What is wrong with a file, and where in it; becomes an error that names the file."""


_MARKS = {BOM_UTF8: "utf-8-sig", BOM_UTF32_LE: "utf-32", BOM_UTF32_BE: "utf-32", BOM_UTF16_LE: "utf-16"}
_MARKS |= {BOM_UTF16_BE: "utf-16"}
"""Byte order marks and encodings; UTF-32's begins as one of UTF-16's does, and is looked for first."""
_NOT_ASCII = re.compile(rb"[\x80-\xff]+")
_WORD = re.compile(rb"[A-Za-z\x80-\xff]+")
_KANA = {0xA4, 0xA5}
_OTHER_ALPHABETS = {
    "Latin": rb"(?=.*[A-Za-z])(?:[A-Z\xa3\xa5\xaa\xaf\xbc\xc0-\xde]?[a-z\xb3\xb9\xba\xbe\xbf\xdf-\xff]+"
    rb"|[A-Z\xa3\xa5\xaa\xaf\xbc\xc0-\xde]+)",
    "Cyrillic": rb"[\xa8\xc0-\xdf]?[\xb8\xe0-\xff]+|[\xa8\xc0-\xdf]+",
    "Greek": rb"[\xb8-\xbf\xc1-\xd9]?[\xdc-\xfe]+|[\xc1-\xd9]+",
}
"""Words of the alphabets of Windows (code pages 1250 to 1253), in small letters, with a capital, or all in capitals."""
_FREQUENT_HANGUL = frozenset(
    "\uac00\uace0\uacfc\uad00\uad6c\uad6d\uadf8\uae30\uace8\ub098\ub0a8\ub294\ub2e4\ub300\ub3c4\ub3d9\ub4e4\ub77c\ub85c\ub97c\ub9ac\ub9cc\uba74"
    "\uba85\ubb34\ubbf8\ubc18\ubcc0\ubcd1\ubcf4\ubd80\ubd84\ube44\uc0ac\uc0b0\uc0c1\uc11c\uc120\uc131\uc138\uc18c\uc190\uc218\uc2a4\uc2dc\uc2e0\uc544"
    "\uc545\uc548\uc591\uc5b4\uc5d0\uc5ec\uc5f0\uc601\uc624\uc6b0\uc6d0\uc704\uc720\uc740\uc744\uc758\uc774\uc778\uc77c\uc790\uc7a5\uc804\uc808\uc815"
    "\uc81c\uc870\uc885\uc88c\uc8fc\uc911\uc9c0\uc9c4\uce58\ud06c\ud558\ud55c\ud574\ud658"
)
"""Syllables of which Korean text has many; Chinese that is taken for Korean has any of 2,350."""


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
    words = {word for word in _WORD.findall(data) if not word.isascii()}
    others = (re.compile(spelled, re.DOTALL).fullmatch for spelled in _OTHER_ALPHABETS.values())
    return not any(all(map(is_word, words)) for is_word in others) and not _is_korean(words)


def _is_korean(words: Iterable[bytes]) -> bool:
    """Return whether words are Hangul, and half of it frequent syllables."""
    try:
        text = "".join(word.decode("cp949") for word in words)
    except UnicodeDecodeError:
        return False
    syllables = [letter for letter in text if not letter.isascii()]
    frequent = sum(letter in _FREQUENT_HANGUL for letter in syllables)
    return all("\uac00" <= letter <= "\ud7a3" for letter in syllables) and 2 * frequent >= len(syllables)


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
