"""Text in figures: which fonts draw it, how wide it is, and how it is made to fit."""

from __future__ import annotations

from bisect import bisect_right
from functools import cache, lru_cache
from typing import TYPE_CHECKING

from matplotlib.font_manager import FontProperties, findfont, fontManager, get_font
from matplotlib.textpath import text_to_path

if TYPE_CHECKING:
    from collections.abc import Iterable

_FIRST = "DejaVu Sans"
"""Comes with matplotlib, so that text has the same width on every machine; Latin, Greek, Cyrillic and more."""

_FURTHER = (
    "Noto Sans CJK SC", "Noto Sans CJK JP", "Noto Sans SC", "Noto Sans JP", "Noto Sans KR", "Source Han Sans SC",
    "WenQuanYi Zen Hei", "Microsoft YaHei", "PingFang SC", "Hiragino Sans", "Yu Gothic", "Malgun Gothic",
    "Apple SD Gothic Neo", "Noto Sans", "Noto Sans Devanagari", "Noto Sans Thai", "Noto Sans Bengali",
    "Noto Sans Tamil", "Nirmala UI", "Leelawadee UI", "Arial Unicode MS",
)  # fmt: skip
"""Fonts that draw what the first one lacks, where the machine has them; they come with the usual systems."""


@cache
def font_families() -> tuple[str, ...]:
    """Return the fonts that this machine has, in the order in which a character looks for its glyph."""
    installed = {entry.name for entry in fontManager.ttflist}
    return (_FIRST, *(name for name in _FURTHER if name in installed))


def without_glyph(texts: Iterable[str]) -> str:
    """Return the characters, each once, that no font of this machine draws; figures show their code points instead.

    >>> without_glyph(["Größe", "Ось", "\U00012000"]) == "\U00012000"
    True
    """
    seen = dict.fromkeys("".join(texts))
    return "".join(sign for sign in seen if sign.isprintable() and not _has_glyph(sign))


def printable(text: str) -> str:
    r"""Return a text on one line of which every character can be drawn.

    White space becomes one blank and what cannot be printed becomes U+FFFD. A character that no font has becomes its
    code point, as ``\u9aa8``: other than an empty box it tells one name from another.

    >>> printable("left\n  femur\udcff\x07 \U00012000") == "left femur\ufffd\ufffd \\U00012000"
    True
    """
    return "".join(_drawable(sign) for sign in " ".join(text.split()))


def elided(text: str, length: int) -> str:
    """Return a printable text of at most that many characters; the middle of a longer one gives way.

    >>> elided("IMG000046_left_femur.jpeg", 12), elided("femur", 2)
    ('IMG00….jpeg', '…')
    """
    text = printable(text)
    if len(text) <= length:
        return text
    half = (length - 1) // 2
    return f"{text[:half]}…{text[len(text) - half :]}"


def fitted(text: str, width: float, size: float, *, bold: bool = False) -> str:
    """Return a printable text at most ``width`` inches wide; the middle of a wider one gives way."""
    text = printable(text)
    if text_width(text, size, bold=bold) <= width:
        return text
    lengths = range(1, len(text))
    number = bisect_right(lengths, width, key=lambda length: text_width(elided(text, length), size, bold=bold))
    return elided(text, max(1, number))


def wrapped(text: str, width: float, size: float, *, limit: int, bold: bool = False) -> list[str]:
    """Break a text between words into at most ``limit`` lines of ``width`` inches; what is too wide is elided."""
    lines = [""]
    for word in printable(text).split():
        longer = f"{lines[-1]} {word}".strip()
        if not lines[-1] or len(lines) == limit or text_width(longer, size, bold=bold) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return [fitted(line, width, size, bold=bold) for line in lines if line]


@lru_cache(maxsize=4096)
def text_width(text: str, size: float, *, bold: bool = False) -> float:
    """Return the width of a line of text in inches; ``size`` in points."""
    font = FontProperties(family=list(font_families()), size=size, weight="bold" if bold else "normal")
    return float(text_to_path.get_text_width_height_descent(text, font, ismath=False)[0]) / 72 * _HINTING


_HINTING = 1.04
"""Glyphs on a grid of pixels can be that much wider than their outlines."""


def _drawable(sign: str) -> str:
    if not sign.isprintable():
        return "\N{REPLACEMENT CHARACTER}"
    return sign if _has_glyph(sign) else sign.encode("ascii", "backslashreplace").decode()


@lru_cache(maxsize=4096)
def _has_glyph(sign: str) -> bool:
    return any(ord(sign) in _glyphs(family) for family in font_families())


@cache
def _glyphs(family: str) -> frozenset[int]:
    """Return the code points that a font draws, in both weights that figures use."""
    weights = [get_font(findfont(FontProperties(family=family, weight=weight))) for weight in ("normal", "bold")]
    return frozenset(weights[0].get_charmap()) & frozenset(weights[1].get_charmap())
