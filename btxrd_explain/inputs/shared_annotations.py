"""Annotations that serve several radiographs: of files with one stem only one can be meant."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from btxrd_explain.errors import AnnotationError
from btxrd_explain.finding import Finding, listed, quoted
from btxrd_explain.inputs.annotation import SourceKind
from btxrd_explain.inputs.labelme import read_labelme
from btxrd_explain.system.places import absolute, is_url

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from btxrd_explain.inputs.annotation import AnnotationPlace


@dataclass(frozen=True, slots=True)
class Annotated:
    """A radiograph whose annotation was found by its name.

    Attributes:
        image_id: The radiograph.
        path: Its file.
        place: Where its annotation is; None where there is none.
    """

    image_id: str
    path: Path
    place: AnnotationPlace | None


def tell_apart(images: Iterable[Annotated]) -> tuple[dict[str, AnnotationPlace], list[Finding]]:
    """Find out whose an annotation is that was found for several radiographs.

    A LabelMe file is that of the one radiograph that its ``imagePath`` names, if it names one of them alone. Otherwise
    an annotation may be any radiograph's, and is none's.

    Args:
        images: The radiographs.

    Returns:
        Places by ``image_id`` of the radiographs that share an annotation, each with its problem where the annotation
        is not known to be its own; and a finding for each such annotation.
    """
    sharing: dict[AnnotationPlace, list[Annotated]] = {}
    for image in images:
        if image.place is not None and image.place.problem is None:
            sharing.setdefault(image.place, []).append(image)
    told: dict[str, AnnotationPlace] = {}
    findings = []
    for place, members in sharing.items():
        if len(members) > 1:
            owner, finding = _owner(place, members)
            findings.append(finding)
            problem = finding.message
            others = replace(place, problem=problem, told=True)
            told |= {image.image_id: place if image is owner else others for image in members}
    return told, findings


def of_one_stem(image_ids: Iterable[str]) -> list[str]:
    """Return the images whose names have the stem of another's: only they can share an annotation.

    >>> of_one_stem(["a/1.png", "b/1.jpeg", "2.png"])
    ['a/1.png', 'b/1.jpeg']
    """
    stems = [(image_id, PurePosixPath(image_id).stem.casefold()) for image_id in image_ids]
    counts = Counter(stem for _, stem in stems)
    return [image_id for image_id, stem in stems if counts[stem] > 1]


def _owner(place: AnnotationPlace, members: Sequence[Annotated]) -> tuple[Annotated | None, Finding]:
    """Return whose a shared annotation is, None where that is not known, and what to tell of it."""
    ids = [image.image_id for image in members]
    named = _named_image(place)
    fitting = [] if named is None else _fitting(place.path, named, members)
    message = f"{listed(quoted(ids))} share '{place.path}'"
    if len(fitting) != 1:
        return None, Finding.of("shared-annotation", message, ids)
    (owner,) = fitting
    message += f", which is that of '{owner.image_id}' by its imagePath"
    return owner, Finding.of("shared-annotation", message, ids)


def _named_image(place: AnnotationPlace) -> str | None:
    """Return the image that a LabelMe file names; None where it names none, or cannot be read."""
    if place.kind is not SourceKind.LABELME:
        return None
    try:
        return read_labelme(place.path).image_path
    except AnnotationError:
        return None


def _fitting(annotation: Path, named: str, members: Sequence[Annotated]) -> list[Annotated]:
    """Return the radiographs that an ``imagePath`` fits: those where it leads, else those that end as it does."""
    place = named.replace("\\", "/")
    target = os.path.abspath(annotation.parent / place)  # noqa: PTH100 -- resolves '..'
    there = [image for image in members if not is_url(image.path) and absolute(image.path) == target]
    if there:
        return there
    ending = "/" + "/".join(part for part in place.split("/") if part not in {"", ".", ".."})
    return [image for image in members if f"/{image.path.as_posix()}".endswith(ending)]
