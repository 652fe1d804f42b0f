"""What BTXRD is published to hold, and whether a data set is all of it.

Yao et al., "A Radiograph Dataset for the Classification, Localization, and Segmentation of Primary Bone Tumors",
Scientific Data 12:88 (2025), doi 10.1038/s41597-024-04311-y, and counts of the download that it describes.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from btxrd_explain.commands.check.schema import Count, Published
from btxrd_explain.core.duplicates import equal_groups
from btxrd_explain.finding import Finding
from btxrd_explain.inputs.btxrd import btxrd_label

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from btxrd_explain.commands.check.examine import Examined
    from btxrd_explain.commands.check.survey import Survey

IMAGES = 3_746
PUBLISHED: Mapping[str, int] = {
    "images": IMAGES,
    "images .jpeg": 3_719,
    "images .jpg": 27,
    "annotations": 1_867,
    "rectangles": 2_324,
    "polygons": 2_318,
    "files that are the same as another": 21,
    "class Normal": 1_879,
    "class Benign": 1_525,
    "class Malignant": 342,
    "center 1": 2_938,
    "center 2": 549,
    "center 3": 259,
    "osteochondroma": 754,
    "multiple osteochondromas": 263,
    "simple bone cyst": 206,
    "giant cell tumor": 93,
    "osteofibroma": 44,
    "synovial osteochondroma": 51,
    "other bt": 115,
    "osteosarcoma": 297,
    "other mt": 45,
    "upper limb": 1_124,
    "lower limb": 2_406,
    "pelvis": 216,
    "frontal": 2_181,
    "lateral": 1_269,
    "oblique": 296,
    "hand": 97,
    "ulna": 62,
    "radius": 73,
    "humerus": 235,
    "foot": 93,
    "tibia": 630,
    "fibula": 259,
    "femur": 592,
    "hip bone": 69,
    "ankle-joint": 4,
    "knee-joint": 37,
    "hip-joint": 3,
    "wrist-joint": 0,
    "elbow-joint": 5,
    "shoulder-joint": 12,
}
"""By what is counted; the table's columns by their names."""
_UNCERTAIN = frozenset(list(PUBLISHED)[list(PUBLISHED).index("hand") :])
"""Bones and joints: known from one count of the download only, and not checked by a sum; shown, but no finding."""
_WHOLE = 0.9
"""A data set of at least that fraction of the images, with their names, is meant to be all of BTXRD."""
_NAME = re.compile(r"IMG\d{6}\.jpe?g", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Counted:
    """Counts of a data set and the published ones.

    Attributes:
        whole: Whether the data set is meant to be all of BTXRD, so that the counts should agree.
        counts: What was counted, by what it is; of the table's columns only those that it has.
    """

    whole: bool
    counts: Mapping[str, int]

    def findings(self) -> list[Finding]:
        """Return where a count is not the published one."""
        return [
            Finding.of(
                "other-count",
                f"{what}: {found} instead of {PUBLISHED[what]}",
                details={"what": what, "found": found, "published": PUBLISHED[what]},
            )
            for what, found in self.counts.items()
            if self.whole and what not in _UNCERTAIN and found != PUBLISHED[what]
        ]

    def document(self) -> Published:
        """Return them with the published ones."""
        counts = [Count(what=what, found=found, published=PUBLISHED[what]) for what, found in self.counts.items()]
        return Published(compared=self.whole, counts=counts)


def count(survey: Survey, images: Sequence[Examined]) -> Counted:
    """Count what BTXRD's paper counts.

    Args:
        survey: The data set.
        images: Its images, as they were read.
    """
    rows = [entry.known.row for entry in survey.entries if entry.known.row]
    named = sum(_NAME.fullmatch(entry.path.name) is not None for entry in survey.entries)
    whole = max(named, survey.tables.rows) >= _WHOLE * IMAGES and "tumor" in survey.tables.columns
    suffixes = Counter(entry.path.suffix.lower() for entry in survey.entries)
    shapes = sum((image.drawn.counts for image in images if image.drawn is not None), Counter[str]())
    counts = {
        "images": len(survey.entries),
        "images .jpeg": suffixes[".jpeg"],
        "images .jpg": suffixes[".jpg"],
        "annotations": sum(entry.annotation is not None for entry in survey.entries),
        "rectangles": shapes["rectangle"],
        "polygons": shapes["polygon"],
        "files that are the same as another": sum(len(g) - 1 for g in equal_groups(i.sha256 for i in images)),
    }
    counts |= {f"class {name}": number for name, number in _classes(rows).items()}
    if "center" in survey.tables.columns:
        centres = Counter(row["center"] for row in rows)
        counts |= {f"center {number}": centres[number] for number in ("1", "2", "3")}
    columns = [name for name in PUBLISHED if name in survey.tables.columns]
    return Counted(whole, counts | {name: sum(row[name] == "1" for row in rows) for name in columns})


def _classes(rows: Sequence[Mapping[str, str]]) -> dict[str, int]:
    """Count the classes of the table; nothing where it has none."""
    found = Counter(btxrd_label(row) for row in rows)
    return {name: found[name] for name in ("Normal", "Benign", "Malignant")} if found.keys() - {None} else {}
