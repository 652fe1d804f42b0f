"""The methods of class-activation mapping that there are, with what each does and costs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from btxrd_explain.core.methods import METHODS

if TYPE_CHECKING:
    from btxrd_explain.core.methods import Method


def run() -> tuple[Method, ...]:
    """Return the methods in the order in which they are listed.

    >>> run()[0].name
    'gradcam'
    """
    return tuple(METHODS.values())
