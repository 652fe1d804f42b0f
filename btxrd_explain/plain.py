"""Text of others, made safe to show: names of files and classes, cells of tables, messages of libraries."""

from __future__ import annotations


def plain(text: str) -> str:
    r"""Return a text as one line in which every character is seen.

    What moves the cursor, colours the terminal, ends the line, turns the direction of writing, or is invisible is shown
    as Python spells it, which also tells names apart that look alike.

    >>> print(plain("\x1b[31mbenign\n\u202etumour\xa0\udcff"))
    \x1b[31mbenign\n\u202etumour\xa0\udcff
    """
    return text if text.isprintable() else "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in text)
