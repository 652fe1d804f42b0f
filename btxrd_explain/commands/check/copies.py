"""The rules that look at more than one image: copies, leaks between splits, and annotations."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np

from btxrd_explain.core.duplicates import Groups, Likeness, equal_groups, find_near_duplicates
from btxrd_explain.finding import Finding
from btxrd_explain.findings.copies import Labelled, copied, disagreements, patients_across_splits, same_files

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from btxrd_explain.commands.check.examine import Examined
    from btxrd_explain.commands.check.survey import Survey

# Copies of radiographs in a data set, and what leaks by them from one split into another.


def find_copies(images: Sequence[Examined], similarity: float) -> Iterator[Finding]:
    """Find the same file, the same pixels and nearly the same radiograph, each copy told once, by the closest of these.

    Args:
        images: The images.
        similarity: Least correlation of near duplicates.

    Yields:
        A finding per group of copies, and one more where labels of the same pixels differ; one per patient in several
        splits.
    """
    known = [Labelled(each.entry.image_id, each.entry.known.split, each.entry.known.label) for each in images]
    pixels = equal_groups(image.pixels for image in images)
    likenesses = _near_duplicates(images, pixels, similarity)
    near = Groups(len(images))
    for pair in likenesses:
        near.join(pair.first, pair.second)
    yield from same_files(known, [image.sha256 for image in images])
    yield from disagreements(known, pixels)
    for group in pixels:
        if len({images[place].sha256 for place in group}) > 1:
            yield copied(known, group, "same-pixels", "leak-pixels", "hold the same pixels")
    for group in near.of_several():
        pairs = [pair for pair in likenesses if pair.first in group]
        details = {"pairs": [_document(images, pair) for pair in pairs]}
        with_copies = sorted({copy for place in group for copy in _copies(place, pixels)})
        yield copied(known, with_copies, "near-duplicate", "leak-near", f"are alike ({_how(pairs)})", details)
    yield from patients_across_splits(known, [image.entry.known.patient for image in images])


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


def _how(pairs: Sequence[Likeness]) -> str:
    """Return in which way near duplicates are alike."""
    ways = {pair.turn for pair in pairs} - {"as it is"} | {"inverted" for pair in pairs if pair.inverted}
    correlation = f"correlation {min(pair.correlation for pair in pairs):.2f}"
    return ", ".join([*sorted(ways), correlation])


def _document(images: Sequence[Examined], pair: Likeness) -> dict[str, object]:
    """Return a pair as plain JSON values."""
    places = {"first": images[pair.first].entry.image_id, "second": images[pair.second].entry.image_id}
    return {**asdict(pair), **places, "correlation": round(pair.correlation, 4)}


# The rules that look at more than one image: annotations that are missing, shared, or not drawn like the others.

_HABIT = 0.5
"""A data set draws each lesion twice when at least that fraction of its annotations holds rectangles and polygons."""


def draws_twice(images: Sequence[Examined]) -> bool:
    """Return whether the data set draws each lesion twice, as rectangle and as polygon, as BTXRD does."""
    drawn = [image.drawn for image in images if image.drawn is not None and image.drawn.counts]
    return bool(drawn) and sum(part.in_both_ways for part in drawn) >= _HABIT * len(drawn)


def check_annotations(survey: Survey, images: Sequence[Examined]) -> Iterator[Finding]:
    """Yield what is wrong with the annotations of a data set, besides what is wrong with each."""
    if survey.no_annotations is not None:
        yield Finding.of("no-annotations", survey.no_annotations, advice="name them like the radiographs")
    elif all(entry.annotation is None for entry in survey.entries):
        yield Finding.of("no-annotations", "none of the radiographs is annotated")
    else:
        for entry in survey.entries:
            if entry.is_normal is False and entry.annotation is None:
                text = f"'{entry.image_id}' is {entry.known.label}, and has no annotation"
                yield Finding.of("missing-annotation", text, [entry.image_id])
    if draws_twice(images):
        for image in images:
            yield from () if image.drawn is None else image.drawn.twice
