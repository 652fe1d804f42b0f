"""Foreign text in rich's markup."""

from __future__ import annotations

import rich.markup

from btxrd_explain.plain import plain


def escape(text: str) -> str:
    r"""Return a text as markup that shows it in one line, whatever it holds: tags, escape sequences, line ends.

    >>> escape("[red]\x1b[2J")
    '\\[red]\\x1b[2J'
    """
    return rich.markup.escape(plain(text))
