"""How heat maps and annotations are compared, and which maps are."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING

from btxrd_explain.core.choices import Rule, Space, TargetClass
from btxrd_explain.core.class_names import BY_NAME, NoLesion
from btxrd_explain.core.masks import IGNORE, LESION, MARKER, LesionRules
from btxrd_explain.core.threshold import Threshold
from btxrd_explain.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from btxrd_explain.evaluation.decisions import Decisions
    from btxrd_explain.predictions.record import Prediction
    from btxrd_explain.settings import Settings
    from btxrd_explain.settings.analysis_sections import AnnotationSettings

# Which shapes of an annotation are lesions, as the settings say.


def lesion_rules(settings: Settings, class_names: Sequence[str] = ()) -> LesionRules:
    """Return the rules of the settings, for a classifier of those classes."""
    wanted, no_lesion = settings.annotation, no_lesion_of(settings)
    several = sum(name not in no_lesion for name in class_names) > 1
    return LesionRules(wanted.mask_policy, wanted.meanings, several, wanted.mask_inverted)


def check_label_map(wanted: AnnotationSettings, class_names: Sequence[str]) -> None:
    """Make sure that the label map speaks of classes that there are.

    Args:
        wanted: The settings.
        class_names: The classes of the table.

    Raises:
        SettingsError: A label means neither lesion, ignore, marker nor a class.
    """
    known = {LESION, IGNORE, MARKER, *(name.casefold() for name in class_names)}
    for label, meaning in wanted.meanings.items():
        if meaning.casefold() not in known:
            raise SettingsError(
                f"the label map says that '{label}' means '{meaning}', which is not a class",
                hint=f"write {LESION}, {IGNORE}, {MARKER}, or one of {', '.join(class_names)}",
            )


class MapKind(StrEnum):
    """A heat map that is compared with the annotation of an image."""

    MODEL = "model"
    """The classifier's, of the class that the protocol names."""
    FALSE_ALARM = "false_alarm"
    """The classifier's, of a tumour class that was predicted and is wrong."""
    CEILING = "ceiling"
    """The ideal map that a grid of this size can draw."""
    RANDOM = "random"
    """A uniform random grid: what chance scores."""
    CENTRE = "centre"
    """A Gaussian in the middle of the image."""
    EDGES = "edges"
    """The radiograph's gradient magnitude, which knows no classifier."""
    AVERAGE = "average"
    """The average lesion mask of other images, which knows no radiograph."""
    RANDOM_CHANNELS = "random-channels"
    """The network's activations with random channel weights, which know no class: the mean over several draws."""
    OTHER_CLASS = "other-class"
    """The classifier's, of the least probable class, unless that is the one that is measured."""


INDEPENDENT = (MapKind.RANDOM, MapKind.CENTRE, MapKind.EDGES, MapKind.AVERAGE)
"""Maps that know nothing of the classifier."""
OF_NETWORK: Mapping[MapKind, str] = MappingProxyType(
    {
        MapKind.RANDOM_CHANNELS: "the network's activations with random channel weights",
        MapKind.OTHER_CLASS: "the network's map of the least probable class",
    }
)
"""Maps of the network that explain something else than the class, and what each is in words."""
BASELINES = (*INDEPENDENT, *OF_NETWORK)
"""Maps that a map has to beat to say something of its class."""


@dataclass(frozen=True, slots=True)
class Protocol:
    """How heat maps and annotations are compared; the protocol alone can move a mean IoU more than twofold.

    Attributes:
        threshold: How a heat map becomes a region.
        space: On which pixels both meet.
        rules: Which shapes of an annotation are lesions.
        target_class: ``true`` or ``predicted``: whose heat map is measured.
        baselines: Whether the maps of :data:`BASELINES` are measured too.
        chance: Whether random grids are measured even without the other baselines.
        of_network: Whether the maps of :data:`OF_NETWORK` are, likewise.
        boxes: Whether boxes are compared (MaxBoxAccV2).
        seed: Seed of the random grids.
        no_lesion: Which classes are without a lesion.
        decisions: What the classes of a multi-label table are decided by; None where classes exclude each other.
    """

    threshold: Threshold
    space: Space = Space.ORIGINAL
    rules: LesionRules = field(default_factory=LesionRules)
    target_class: TargetClass = TargetClass.TRUE
    baselines: bool = True
    chance: bool = False
    of_network: bool = False
    boxes: bool = False
    seed: int = 0
    no_lesion: NoLesion = BY_NAME
    decisions: Decisions | None = None

    @staticmethod
    def true_of(row: Prediction, class_names: Sequence[str]) -> int | None:
        """Return the index of the true class, whose lesions all maps are compared with; None where it is not known."""
        return class_names.index(row.label) if row.label in class_names else None

    def target_of(self, row: Prediction, class_names: Sequence[str]) -> int | None:
        """Return the index of the class whose heat map is measured; None without prediction, or the label it needs."""
        if not row.explained:
            return None
        return self.true_of(row, class_names) if self.target_class is TargetClass.TRUE else row.predicted

    def bare(self, *, chance: bool = False, of_network: bool = False) -> Protocol:
        """Return the same protocol without boxes and baselines, but for those that are asked for."""
        return replace(self, baselines=False, boxes=False, chance=chance, of_network=of_network)


def protocol_of(settings: Settings, class_names: Sequence[str], decisions: Decisions | None = None) -> Protocol:
    """Return the protocol that the settings ask for; ``decisions`` are those of a multi-label table.

    Raises:
        SettingsError: The label map names a class that there is not.
    """
    wanted, extent = settings.annotation, settings.evaluation
    check_label_map(wanted, class_names)
    return Protocol(
        threshold=_threshold_of(settings),
        space=wanted.space,
        rules=lesion_rules(settings, class_names),
        target_class=wanted.target_class,
        baselines=extent.baselines,
        boxes=extent.boxes,
        seed=extent.seed,
        no_lesion=no_lesion_of(settings),
        decisions=decisions,
    )


def no_lesion_of(settings: Settings) -> NoLesion:
    """Return which classes are without a lesion, as the settings say."""
    return NoLesion(settings.data.no_lesion_classes)


def _threshold_of(settings: Settings) -> Threshold:
    wanted = settings.annotation
    match rule := wanted.threshold_rule:
        case Rule.FIXED:
            return Threshold(rule, wanted.threshold, wanted.operator)
        case Rule.PERCENTILE:
            return Threshold(rule, wanted.percentile)
        case _:
            return Threshold(rule)


def rule_in_words(threshold: Threshold) -> str:
    """Return in words how a heat map becomes a region.

    >>> rule_in_words(Threshold()), rule_in_words(Threshold(Rule.PERCENTILE, 5))
    ('heat map >= 0.5', 'hottest 5 % of the pixels')
    """
    match threshold.rule:
        case Rule.FIXED:
            return f"heat map {threshold.operator} {threshold.value:g}"
        case Rule.PERCENTILE:
            return f"hottest {threshold.value:g} % of the pixels"
        case Rule.OTSU:
            return "heat map above Otsu's threshold"
        case Rule.OTSU_CHEXLOCALIZE:
            return "heat map above Otsu's threshold, contours filled"
