"""NumPy's numbers and arrays in a pickle, rebuilt from their bytes by functions of our own.

NumPy's own constructors take any state that a pickle hands them, such as a type whose bytes are addresses of objects.
These know plain numbers and text, and nothing else.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

_PLAIN_TYPE = re.compile(r"[?biufcUS]\d{0,6}")


class PlainType:
    """The type of numbers or texts of fixed length.

    Args:
        code: NumPy's code of it, such as ``f8``.
    """

    def __init__(self, code: object, *_: object) -> None:
        """Take no type that holds objects or has fields."""
        if not isinstance(code, str) or not _PLAIN_TYPE.fullmatch(code):
            raise ValueError(f"NumPy's type {str(code)[:20]!r} is no plain number or text")
        self.dtype = np.dtype(code)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        """Take the order of the bytes, which is all that a plain type has."""
        if state[1] in {"<", ">"}:
            self.dtype = self.dtype.newbyteorder(state[1])


class PlainArray:
    """An array, to iterate over; nothing that is read from checkpoints needs more."""

    def __init__(self, *_: object) -> None:
        """Wait for the state."""
        self._values: np.ndarray[Any, Any] = np.zeros(0)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        """Take shape and content, which must fit each other."""
        _, shape, kind, by_columns, data = state
        self._values = np.frombuffer(data, kind.dtype).reshape(shape, order="F" if by_columns else "C")

    def __iter__(self) -> Iterator[Any]:
        """Yield the items: plain numbers and texts of an array of one dimension."""
        return (item.item() if item.ndim == 0 else item for item in self._values)

    def __len__(self) -> int:
        """Return the number of items."""
        return len(self._values)


def plain_scalar(kind: PlainType, data: bytes) -> Any:  # noqa: ANN401 -- a number of any kind
    """Return a number or text from its bytes."""
    return np.frombuffer(data, kind.dtype, 1)[0].item()
