"""Files that were valid once: bytes changed as disks, networks, editors and attackers change them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_WIDTHS = (1, 2, 4, 8)
_BOUNDARIES = (0, 1, 2, 16, 32, 64, 127, 128, 255, 256, 1024, 4096, 2**15, 2**16, 2**31, 2**32, 2**63)
_INTEGERS = tuple(
    (value + step).to_bytes(width, order)
    for width in _WIDTHS
    for order in ("little", "big")
    for value in _BOUNDARIES
    for step in (-1, 0, 1)
    if 0 <= value + step < 256**width
)
"""Sizes, counts and offsets where arithmetic tends to go wrong, as binary formats write them."""
_NUMBERS = (b"0", b"-1", b"1e308", b"-1e400", b"NaN", b"Infinity", b"2147483648", b"18446744073709551616", b"9" * 5000)
"""The same as text formats write them."""
_DIGITS = re.compile(rb"-?\d+(?:\.\d+)?")


@st.composite
def mutated(draw: st.DrawFn, seeds: Sequence[bytes], tokens: Sequence[bytes] = (), *, most: int = 6) -> bytes:
    """Draw a file that is one or more mutations away from a valid one.

    Args:
        draw: Given by Hypothesis.
        seeds: Valid files, small ones.
        tokens: What means something in the format, such as its keywords and magic numbers.
        most: Number of mutations at most.
    """
    data = draw(st.sampled_from(seeds))
    kinds: list[Callable[[st.DrawFn, bytes], bytes]]
    kinds = [_flip, _truncate, _cut, _repeat, _integer, _number, lambda draw, data: _splice(draw, data, seeds)]
    if tokens:
        kinds += [lambda draw, data: _insert(draw, data, tokens), lambda draw, data: _overwrite(draw, data, tokens)]
    for mutate in draw(st.lists(st.sampled_from(kinds), min_size=1, max_size=most)):
        data = mutate(draw, data)
    return data


def _position(draw: st.DrawFn, data: bytes) -> int:
    return draw(st.integers(0, len(data)))


def _span(draw: st.DrawFn, data: bytes) -> tuple[int, int]:
    start = _position(draw, data)
    return start, min(len(data), start + draw(st.integers(1, 64) | st.integers(1, max(len(data), 1))))


def _flip(draw: st.DrawFn, data: bytes) -> bytes:
    changed = bytearray(data)
    if changed:
        changed[draw(st.integers(0, len(data) - 1))] ^= 1 << draw(st.integers(0, 7))
    return bytes(changed)


def _truncate(draw: st.DrawFn, data: bytes) -> bytes:
    return data[: _position(draw, data)]


def _cut(draw: st.DrawFn, data: bytes) -> bytes:
    start, end = _span(draw, data)
    return data[:start] + data[end:]


def _repeat(draw: st.DrawFn, data: bytes) -> bytes:
    start, end = _span(draw, data)
    times = draw(st.integers(1, 8) | st.integers(1, 1 + 2**16 // max(end - start, 1)))
    return data[:end] + data[start:end] * times + data[end:]


def _splice(draw: st.DrawFn, data: bytes, seeds: Sequence[bytes]) -> bytes:
    other = draw(st.sampled_from(seeds))
    return data[: _position(draw, data)] + other[_position(draw, other) :]


def _insert(draw: st.DrawFn, data: bytes, tokens: Sequence[bytes]) -> bytes:
    start = _position(draw, data)
    return data[:start] + draw(st.sampled_from(tokens)) + data[start:]


def _overwrite(draw: st.DrawFn, data: bytes, tokens: Sequence[bytes]) -> bytes:
    start, token = _position(draw, data), draw(st.sampled_from(tokens))
    return data[:start] + token + data[start + len(token) :]


def _integer(draw: st.DrawFn, data: bytes) -> bytes:
    return _overwrite(draw, data, _INTEGERS)


def _number(draw: st.DrawFn, data: bytes) -> bytes:
    """Replace a number that is written as text."""
    found = list(_DIGITS.finditer(data))
    if not found:
        return data
    start, end = draw(st.sampled_from(found)).span()
    return data[:start] + draw(st.sampled_from(_NUMBERS)) + data[end:]
