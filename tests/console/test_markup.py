"""Whatever a text holds, rich shows it, in one line and without obeying it."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st
from rich.text import Text

from btxrd_explain.console.markup import escape
from btxrd_explain.plain import plain


@given(st.text(st.sampled_from("[]/\\abz=#@ \n\x1b"), max_size=20).filter(lambda text: not text.endswith("\\")))
@example("[bold]x[/bold]")
@example("C:\\[red]")
@example("[/]")
@example("C:\\scans\\[2024]\\a.png")
def test_markup_shows_the_text_itself(text: str) -> None:
    """rich doubles a backslash at the end, as a tag may follow it."""
    shown = Text.from_markup(f"{escape(text)} end")
    assert shown.plain == f"{plain(text)} end"
    assert not shown.spans
