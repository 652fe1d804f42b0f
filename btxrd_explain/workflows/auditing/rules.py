"""The rules that look at more than one image: annotations that are missing, shared, or not drawn like the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from btxrd_explain.core.duplicates import equal_groups
from btxrd_explain.workflows.auditing.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from btxrd_explain.workflows.auditing.examine import Examined
    from btxrd_explain.workflows.auditing.survey import Entry

_HABIT = 0.5
"""A data set draws each lesion twice when at least that share of its annotations holds rectangles and polygons."""


def draws_twice(images: Sequence[Examined]) -> bool:
    """Say whether the data set draws each lesion twice, as rectangle and as polygon, as BTXRD does."""
    drawn = [image.drawn for image in images if image.drawn is not None and image.drawn.counts]
    return bool(drawn) and sum(part.in_both_ways for part in drawn) >= _HABIT * len(drawn)


def check_annotations(entries: Sequence[Entry], images: Sequence[Examined]) -> Iterator[Finding]:
    """Yield what is wrong with the annotations of a data set, besides what is wrong with each."""
    if all(entry.annotation is None for entry in entries):
        yield Finding("no-annotations", (), "none of the radiographs is annotated")
    else:
        for entry in entries:
            if entry.is_normal is False and entry.annotation is None:
                text = f"'{entry.image_id}' is {entry.known.label}, and has no annotation"
                yield Finding("missing-annotation", (entry.image_id,), text)
    for group in equal_groups(entry.annotation for entry in entries):
        ids = tuple(entries[place].image_id for place in group)
        place = entries[group[0]].annotation
        yield Finding("shared-annotation", ids, f"{', '.join(ids)} share '{place.path if place else ''}'")
    if draws_twice(images):
        for image in images:
            yield from () if image.drawn is None else image.drawn.twice
