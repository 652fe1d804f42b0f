"""What to tell where names hold characters that no font of the machine draws."""

from __future__ import annotations

from typing import TYPE_CHECKING

from btxrd_explain.outputs.fonts import without_glyph

if TYPE_CHECKING:
    from collections.abc import Iterable

    from btxrd_explain.workflows.progress import Listener


def note_missing_glyphs(names: Iterable[str], listener: Listener) -> None:
    """Tell which characters of class and file names figures show by their code points, and what helps."""
    missing = without_glyph(names)
    if missing:
        shown = missing if len(missing) <= 12 else f"{missing[:12]}..."
        listener.note(
            f"no font on this machine draws {shown!r}: figures show code points instead; "
            "install a font that does, such as Noto Sans CJK"
        )
