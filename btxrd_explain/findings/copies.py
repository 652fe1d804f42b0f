"""Copies of radiographs, what leaks by them from one split into another, and labels that they contradict."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from btxrd_explain.core.duplicates import crossing_groups, equal_groups
from btxrd_explain.finding import Finding, listed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from btxrd_explain.predictions.index import Index

_SHOWN = 4


class Labelled(NamedTuple):
    """An image with what a data set says about it.

    Attributes:
        image_id: The image.
        split: Its split; None where it is not known.
        label: Its class; None where it is not known.
    """

    image_id: str
    split: str | None
    label: str | None


def copies_in_table(rows: Index) -> Iterator[Finding]:
    """Yield the radiographs of a predictions table whose files are the same, by their hashes.

    Args:
        rows: All rows of a table, whatever is selected of them.
    """
    copies = rows.repeated("sha256")
    images = [Labelled(row.image_id, row.split, row.label) for row in copies]
    hashes = [row.content for row in copies]
    yield from same_files(images, hashes)
    yield from disagreements(images, equal_groups(hashes))


def same_files(images: Sequence[Labelled], hashes: Iterable[str | None]) -> Iterator[Finding]:
    """Yield the images whose files are the same.

    Args:
        images: The images.
        hashes: A hash of each file; None where it cannot be read.
    """
    for group in equal_groups(hashes):
        yield copied(images, group, "same-file", "leak-file", "are the same file")


def disagreements(images: Sequence[Labelled], groups: Iterable[Sequence[int]]) -> Iterator[Finding]:
    """Yield the groups of copies whose labels differ.

    Args:
        images: The images.
        groups: Positions of images of the same content; of near duplicates it would be no contradiction before one
            looks at them.
    """
    for group in groups:
        labels = {images[place].image_id: images[place].label for place in group}
        if len({label.casefold() for label in labels.values() if label is not None}) > 1:
            named = ", ".join(f"'{image_id}' is {label or 'without label'}" for image_id, label in labels.items())
            yield Finding.of("copies-disagree", named, labels, details={"labels": labels})


def copied(
    images: Sequence[Labelled],
    group: Sequence[int],
    kind: str,
    leak: str,
    how: str,
    details: Mapping[str, object] | None = None,
) -> Finding:
    """Return the finding of one group of copies.

    Args:
        images: The images.
        group: Positions of the copies.
        kind: Code where they are in one split.
        leak: Code where they are in several.
        how: In which way they are copies, as a verb phrase.
        details: What is known besides the splits.
    """
    if not crossing_groups([group], [image.split for image in images]):
        return Finding.of(kind, f"{_named(images, group)} {how}", _ids(images, group), details=details)
    message, splits = f"{_named(images, group, with_splits=True)} {how}", _splits(images, group)
    return Finding.of(leak, message, _ids(images, group), details={**(details or {}), **splits})


def patients_across_splits(images: Sequence[Labelled], patients: Iterable[str | None]) -> Iterator[Finding]:
    """Yield the patients who have images in several splits, without their names.

    Args:
        images: The images.
        patients: The patient of each; None where none is known.
    """
    for group in crossing_groups(equal_groups(patients), [image.split for image in images]):
        message = f"{_named(images, group, with_splits=True)} are of one patient"
        yield Finding.of("leak-patient", message, _ids(images, group), details=_splits(images, group))


def _named(images: Sequence[Labelled], group: Sequence[int], *, with_splits: bool = False) -> str:
    """Name the images of a group, the first ones of many, with their splits where those matter."""
    members = [images[place] for place in group]
    return listed(
        [f"'{image.image_id}'" + (f" ({image.split})" if with_splits and image.split else "") for image in members],
        most=_SHOWN,
    )


def _splits(images: Sequence[Labelled], group: Iterable[int]) -> dict[str, object]:
    """Return the splits of a group of images, as details of a finding."""
    return {"splits": {images[place].image_id: images[place].split for place in group}}


def _ids(images: Sequence[Labelled], group: Iterable[int]) -> list[str]:
    return [images[place].image_id for place in group]
