"""Which shapes of an annotation are lesions, as the settings say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from btxrd_explain.core.lesions import IGNORE, LESION, LesionRules
from btxrd_explain.core.masks import MaskPolicy
from btxrd_explain.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from btxrd_explain.settings.sections import AnnotationSettings


def lesion_rules(wanted: AnnotationSettings) -> LesionRules:
    """Return the rules of the settings."""
    return LesionRules(MaskPolicy(wanted.mask_policy), wanted.meanings)


def check_label_map(wanted: AnnotationSettings, class_names: Sequence[str]) -> None:
    """Make sure that the label map speaks of classes that there are.

    Args:
        wanted: The settings.
        class_names: The classes of the table.

    Raises:
        SettingsError: A label means neither lesion nor ignore nor a class.
    """
    known = {LESION, IGNORE, *(name.casefold() for name in class_names)}
    for label, meaning in wanted.meanings.items():
        if meaning.casefold() not in known:
            raise SettingsError(
                f"the label map says that '{label}' means '{meaning}', which is no class",
                hint=f"write {LESION}, {IGNORE}, or one of {', '.join(class_names)}",
            )
