"""Foreign text in rich's markup."""

from __future__ import annotations

import re

import rich.markup

from btxrd_explain.plain import plain

_NO_TAG = re.compile(r"\\(?=\[(?![a-z#/@][^\[]*?\]))")
"""A backslash before a bracket that begins no tag: rich takes it for an escape all the same, and would drop it."""


def escape(text: str) -> str:
    r"""Return a text as markup that shows it in one line, whatever it holds: tags, escape sequences, line ends.

    >>> escape("[red]\x1b[2J")
    '\\[red]\\x1b[2J'
    """
    return rich.markup.escape(_NO_TAG.sub(r"\\\\", plain(text)))
