"""The rules that look at more than one image: copies, leaks between splits, and annotations."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np

from btxrd_explain.commands.check.findings import Finding
from btxrd_explain.core.duplicates import Groups, Likeness, crossing_groups, equal_groups, find_near_duplicates

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from btxrd_explain.commands.check.examine import Examined
    from btxrd_explain.commands.check.survey import Entry

# Copies of radiographs in a data set, and what leaks by them from one split into another.

_SHOWN = 4


def find_copies(images: Sequence[Examined], similarity: float) -> Iterator[Finding]:
    """Find the same file, the same pixels and nearly the same radiograph, each copy told once, by the closest of these.

    Args:
        images: The images.
        similarity: Least correlation of near duplicates.

    Yields:
        A finding per group of copies, and one more where labels of the same pixels differ; one per patient in several
        splits.
    """
    files = equal_groups(image.sha256 for image in images)
    pixels = equal_groups(image.pixels for image in images)
    likenesses = _near_duplicates(images, pixels, similarity)
    near = Groups(len(images))
    for pair in likenesses:
        near.join(pair.first, pair.second)
    for group in files:
        yield _tell(images, group, "same-file", "leak-file", "are the same file")
    for group in pixels:
        yield from _contradictions(images, group)
        if len({images[place].sha256 for place in group}) > 1:
            yield _tell(images, group, "same-pixels", "leak-pixels", "hold the same pixels")
    for group in near.of_several():
        found = [pair for pair in likenesses if pair.first in group]
        details = {"pairs": [_document(images, pair) for pair in found]}
        with_copies = sorted({copy for place in group for copy in _copies(place, pixels)})
        yield _tell(images, with_copies, "near-duplicate", "leak-near", f"are alike ({_how(found)})", details)
    patients = equal_groups(image.entry.known.patient for image in images)
    for group in crossing_groups(patients, [image.entry.known.split for image in images]):
        text = f"{_listed(images, group)} are of one patient"
        yield Finding("leak-patient", _ids(images, group), text, _splits(images, group))


def _near_duplicates(images: Sequence[Examined], pixels: Iterable[Sequence[int]], similarity: float) -> list[Likeness]:
    """Find near duplicates among the images that are left when each has the same pixels as no other."""
    copies = {place for group in pixels for place in group[1:]}
    left = {k: image.picture for k, image in enumerate(images) if image.picture is not None and k not in copies}
    if not left:
        return []
    places = list(left)
    found = find_near_duplicates(np.stack(list(left.values())), min_correlation=similarity)
    return [
        Likeness(places[pair.first], places[pair.second], pair.turn, pair.inverted, pair.distance, pair.correlation)
        for pair in found
    ]


def _copies(place: int, groups: Iterable[Sequence[int]]) -> Sequence[int]:
    """Return the images of the same pixels, or the image alone."""
    return next((group for group in groups if place in group), (place,))


def _tell(
    images: Sequence[Examined],
    group: Sequence[int],
    kind: str,
    leak: str,
    how: str,
    details: Mapping[str, object] | None = None,
) -> Finding:
    """Return the finding of a group of copies, as a leak where it crosses splits."""
    leaks = bool(crossing_groups([range(len(group))], [images[place].entry.known.split for place in group]))
    splits = _splits(images, group) if leaks else {}
    text = f"{_listed(images, group, with_splits=leaks)} {how}"
    return Finding(leak if leaks else kind, _ids(images, group), text, {**(details or {}), **splits})


def _contradictions(images: Sequence[Examined], group: Sequence[int]) -> Iterator[Finding]:
    """Yield that the labels of copies differ; of near duplicates that would be no contradiction before one looks."""
    entries = [images[place].entry for place in group]
    labels = {entry.known.label.casefold() for entry in entries if entry.known.label is not None}
    if len(labels) > 1:
        named = ", ".join(f"'{entry.image_id}' is {entry.known.label or 'without label'}" for entry in entries)
        yield Finding("copies-disagree", _ids(images, group), named)


def _ids(images: Sequence[Examined], group: Iterable[int]) -> tuple[str, ...]:
    return tuple(images[place].entry.image_id for place in group)


def _splits(images: Sequence[Examined], group: Iterable[int]) -> dict[str, object]:
    return {"splits": {images[place].entry.image_id: images[place].entry.known.split for place in group}}


def _listed(images: Sequence[Examined], group: Sequence[int], *, with_splits: bool = True) -> str:
    """Name the images of a group, the first ones of many, with their splits where those matter."""
    names = []
    for place in group[:_SHOWN]:
        split = images[place].entry.known.split
        names.append(f"'{images[place].entry.image_id}'" + (f" ({split})" if with_splits and split else ""))
    if len(group) > _SHOWN:
        names.append(f"{len(group) - _SHOWN} more")
    return f"{', '.join(names[:-1])} and {names[-1]}"


def _how(pairs: Sequence[Likeness]) -> str:
    """Say in which way near duplicates are alike."""
    ways = {pair.turn for pair in pairs} - {"as it is"} | {"inverted" for pair in pairs if pair.inverted}
    correlation = f"correlation {min(pair.correlation for pair in pairs):.2f}"
    return ", ".join([*sorted(ways), correlation])


def _document(images: Sequence[Examined], pair: Likeness) -> dict[str, object]:
    """Return a pair as plain JSON values."""
    places = {"first": images[pair.first].entry.image_id, "second": images[pair.second].entry.image_id}
    return {**asdict(pair), **places, "correlation": round(pair.correlation, 4)}


# The rules that look at more than one image: annotations that are missing, shared, or not drawn like the others.

_HABIT = 0.5
"""A data set draws each lesion twice when at least that share of its annotations holds rectangles and polygons."""


def draws_twice(images: Sequence[Examined]) -> bool:
    """Return whether the data set draws each lesion twice, as rectangle and as polygon, as BTXRD does."""
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
