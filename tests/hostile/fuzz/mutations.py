"""Files that were valid once: bytes changed as disks, networks, editors and attackers change them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeVar

from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Mutation = Callable[["_Choices", bytes], bytes]

Item = TypeVar("Item")

_ENTROPY = 64
"""Bytes that decide on all mutations of a file: drawn at once, since each draw costs more than a mutation."""
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


def mutated(seeds: Sequence[bytes], tokens: Sequence[bytes] = (), *, most: int = 6) -> st.SearchStrategy[bytes]:
    """Draw a file that is one or more mutations away from a valid one.

    Args:
        seeds: Valid files, small ones.
        tokens: What means something in the format, such as its keywords and magic numbers.
        most: Number of mutations at most.
    """
    kinds: list[Mutation]
    kinds = [_flip, _truncate, _cut, _repeat, _number]
    kinds += [lambda choices, data: _splice(data, choices.of(seeds), choices)]
    kinds += [lambda choices, data: _overwrite(data, choices.of(_INTEGERS), choices)]
    if tokens:
        kinds += [lambda choices, data: _overwrite(data, choices.of(tokens), choices)]
        kinds += [lambda choices, data: _insert(data, choices.of(tokens), choices)] * 2

    def mutate(entropy: bytes) -> bytes:
        choices = _Choices(entropy)
        data = choices.of(seeds)
        for _ in range(1 + choices.below(most)):
            data = choices.of(kinds)(choices, data)
        return data

    return st.binary(min_size=_ENTROPY, max_size=_ENTROPY).map(mutate)


class _Choices:
    """Choices that some bytes make; zeros when they are used up."""

    def __init__(self, entropy: bytes) -> None:
        self._left = int.from_bytes(entropy, "little")

    def below(self, count: int) -> int:
        """Return a number from 0 to ``count - 1``."""
        self._left, number = divmod(self._left, count)
        return number

    def of(self, items: Sequence[Item]) -> Item:
        """Return one of some items."""
        return items[self.below(len(items))]

    def span(self, data: bytes) -> tuple[int, int]:
        """Return a part of the data, a short one in every second case."""
        start = self.below(len(data) + 1)
        longest = 64 if self.below(2) else max(len(data), 1)
        return start, min(len(data), start + 1 + self.below(longest))


def _flip(choices: _Choices, data: bytes) -> bytes:
    if not data:
        return data
    changed = bytearray(data)
    changed[choices.below(len(data))] ^= 1 << choices.below(8)
    return bytes(changed)


def _truncate(choices: _Choices, data: bytes) -> bytes:
    return data[: choices.below(len(data) + 1)]


def _cut(choices: _Choices, data: bytes) -> bytes:
    start, end = choices.span(data)
    return data[:start] + data[end:]


def _repeat(choices: _Choices, data: bytes) -> bytes:
    start, end = choices.span(data)
    most = 8 if choices.below(4) else 1 + 2**16 // max(end - start, 1)
    return data[:end] + data[start:end] * (1 + choices.below(most)) + data[end:]


def _number(choices: _Choices, data: bytes) -> bytes:
    """Replace a number that is written as text."""
    found = list(_DIGITS.finditer(data))
    if not found:
        return data
    start, end = choices.of(found).span()
    return data[:start] + choices.of(_NUMBERS) + data[end:]


def _splice(data: bytes, other: bytes, choices: _Choices) -> bytes:
    return data[: choices.below(len(data) + 1)] + other[choices.below(len(other) + 1) :]


def _insert(data: bytes, token: bytes, choices: _Choices) -> bytes:
    start = choices.below(len(data) + 1)
    return data[:start] + token + data[start:]


def _overwrite(data: bytes, token: bytes, choices: _Choices) -> bytes:
    start = choices.below(len(data) + 1)
    return data[:start] + token + data[start + len(token) :]
