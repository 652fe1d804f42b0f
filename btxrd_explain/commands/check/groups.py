"""Which radiographs of a data set belong together, as a table that ``--group-column group`` takes.

Copies show the same radiograph, and several views of a lesion the same patient: in an interval they are not
independent, and in a split they must stay together. What tells of views is weaker: names whose numbers
are neighbours, the same label, and rows of the table that agree in all but the view, or where no table tells of
patients, pictures that are alike.
"""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from io import StringIO
from itertools import pairwise, product
from typing import TYPE_CHECKING

import numpy as np

from btxrd_explain.core.duplicates import Groups, equal_groups
from btxrd_explain.inputs.file_kinds import IMAGE_SUFFIXES
from btxrd_explain.plain import as_cell
from btxrd_explain.system.files import write_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from btxrd_explain.commands.check.examine import Examined
    from btxrd_explain.finding import Finding

_COPIES = {
    "same-file": "same file",
    "leak-file": "same file",
    "same-pixels": "same pixels",
    "leak-pixels": "same pixels",
    "near-duplicate": "near duplicate",
    "leak-near": "near duplicate",
}
_VIEWS = frozenset({"image_id", "frontal", "lateral", "oblique"})
"""Columns of BTXRD's table in which views of one lesion differ."""
_PERSONAL = frozenset({"age", "gender", "sex"})
"""Columns without which equal rows say nothing of the patient."""
_ALIKE = 0.7
"""Least correlation of the pictures of neighbours that no table tells of."""
_LAST_NUMBER = re.compile(r"(.*?)([0-9]{1,18})([^0-9]*)", re.DOTALL)


def write_groups(path: Path, images: Sequence[Examined], findings: Iterable[Finding]) -> int:
    """Write which images belong together: ``image_id``, ``group`` (the first image of it) and ``reason``.

    Args:
        path: The CSV file.
        images: The images of the data set.
        findings: What was found, copies among it.

    Returns:
        The number of groups of two and more.

    Raises:
        OutputError: It cannot be written.
    """
    ids = [image.entry.image_id for image in images]
    groups, reasons = Groups(len(ids)), defaultdict[int, dict[str, None]](dict)
    for first, second, reason in _pairs(images, findings):
        groups.join(first, second)
        reasons[first][reason] = reasons[second][reason] = None
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["image_id", "group", "reason"])
    for place, image_id in enumerate(ids):
        cells = (image_id, ids[groups.find(place)], "; ".join(reasons[place]))
        writer.writerow([as_cell(cell) for cell in cells])
    write_bytes(path, text.getvalue().encode())
    return len(groups.of_several())


def _pairs(images: Sequence[Examined], findings: Iterable[Finding]) -> Iterator[tuple[int, int, str]]:
    """Yield positions of two images that belong together, and why."""
    places = {image.entry.image_id: place for place, image in enumerate(images)}
    for finding in findings:
        if finding.code in _COPIES:
            for one, other in pairwise(finding.images):
                yield places[one], places[other], _COPIES[finding.code]
    for group in equal_groups(image.entry.known.patient for image in images):
        for first, second in pairwise(group):
            yield first, second, "same patient"
    for first, second in _neighbours(list(places)):
        reason = _why_one_lesion(images[first], images[second])
        if reason is not None:
            yield first, second, f"neighbouring numbers, {reason}"


def _neighbours(ids: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Yield positions of names that differ in their last number by one, and else in nothing but their suffix.

    >>> list(_neighbours(["IMG09.png", "IMG10.jpg", "IMG10.jpeg", "IMG12.png", "x"]))
    [(0, 1), (0, 2)]
    """
    known: dict[tuple[str, int, str], list[int]] = defaultdict(list)
    for place, name in enumerate(ids):
        suffix = next((suffix for suffix in IMAGE_SUFFIXES if name.lower().endswith(suffix)), "")
        found = _LAST_NUMBER.fullmatch(name[: len(name) - len(suffix)])
        if found is not None:
            known[found[1], int(found[2]), found[3]].append(place)
    for (before, number, after), places in list(known.items()):
        yield from product(places, known.get((before, number + 1, after), ()))


def _why_one_lesion(first: Examined, second: Examined) -> str | None:
    """Return what speaks for one lesion in two radiographs of neighbouring numbers; None where nothing does."""
    one, other = first.entry.known, second.entry.known
    if one.label != other.label:
        return None
    if _PERSONAL & one.row.keys() & other.row.keys():
        return "same row but for the view" if _person(one.row) == _person(other.row) else None
    if first.picture is None or second.picture is None:
        return None
    pictures = (first.picture.ravel(), second.picture.ravel())
    if min(picture.std() for picture in pictures) == 0:
        return None
    correlation = float(np.corrcoef(*pictures)[0, 1])
    return f"correlation {correlation:.2f}" if correlation >= _ALIKE else None


def _person(row: Mapping[str, str]) -> dict[str, str]:
    return {name: cell for name, cell in row.items() if name not in _VIEWS}
