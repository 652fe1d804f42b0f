"""Calls that must be refused in one line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable


def assert_refused(call: Callable[[], object], kind: type[Exception], message: str) -> None:
    """Make a call, which must raise an error of one line that begins with a message."""
    with pytest.raises(kind) as caught:
        call()
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)
