"""What the labels of annotations mean for the classes of a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from btxrd_explain.core.lesions import IGNORE, LESION
from btxrd_explain.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def check_meanings(meanings: Mapping[str, str], class_names: Sequence[str]) -> None:
    """Make sure that a label map speaks of classes that there are.

    Args:
        meanings: What each label means.
        class_names: The classes of the table.

    Raises:
        SettingsError: A label means neither lesion nor ignore nor a class.
    """
    known = {LESION, IGNORE, *(name.casefold() for name in class_names)}
    for label, meaning in meanings.items():
        if meaning.casefold() not in known:
            raise SettingsError(
                f"the label map says that '{label}' means '{meaning}', which is no class",
                hint=f"write {LESION}, {IGNORE}, or one of {', '.join(class_names)}",
            )
