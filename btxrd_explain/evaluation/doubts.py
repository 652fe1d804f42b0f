"""Annotations that were made on another image than the radiograph that they lie beside."""

from __future__ import annotations

import base64
import binascii
import hashlib
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import numpy as np

from btxrd_explain.core.duplicates import find_near_duplicates, picture_of
from btxrd_explain.errors import Caution, RadiographError
from btxrd_explain.findings.rows import listed, radiographs
from btxrd_explain.inputs.decode import UndecodableError
from btxrd_explain.inputs.radiograph import decode_radiograph

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from btxrd_explain.evaluation.score import Score
    from btxrd_explain.inference.explained import ExplainedImage
    from btxrd_explain.inputs.annotation import Annotation

OTHER_NAME = "annotation-of-another-name"
OTHER_IMAGE = "annotation-of-another-image"
_MESSAGES = {
    OTHER_NAME: (
        "annotations of {} say that they are of another image (imagePath): {}",
        "check that images and annotations were not renamed apart; the file's name counts",
    ),
    OTHER_IMAGE: (
        "annotations of {} embed another image than the radiograph: {}",
        "open both in LabelMe and check that they belong together; the annotation counts all the same",
    ),
}


class AnnotationDoubts:
    """Gathers what is doubtful about annotations, image by image."""

    def __init__(self) -> None:
        """Start without any."""
        self._found: dict[str, list[str]] = {code: [] for code in _MESSAGES}

    def add(self, image_id: str, code: str | None) -> None:
        """Take the doubt about an image's annotation; None is none."""
        if code is not None:
            self._found[code].append(image_id)

    def cautions(self) -> Iterator[Caution]:
        """Say what was found, a caution for each kind of doubt."""
        for code, image_ids in self._found.items():
            if image_ids:
                message, check = _MESSAGES[code]
                yield Caution(code, message.format(radiographs(len(image_ids)), listed(image_ids, most=3)), check)


def doubt_of(annotation: Annotation, image: ExplainedImage) -> str | None:
    """Say what makes an annotation look as if it were another image's.

    An embedded image is the better witness: where it is the radiograph, the file's name does not matter.

    Args:
        annotation: The annotation.
        image: The radiograph that it lies beside.

    Returns:
        The code of the doubt; None without one.
    """
    same = None if annotation.image_data is None else _is_radiograph(annotation.image_data, image)
    if same is not None:
        return None if same else OTHER_IMAGE
    if not annotation.image_path:
        return None
    own, named = (PurePosixPath(path.replace("\\", "/")).stem for path in (image.row.path, annotation.image_path))
    return OTHER_NAME if own.casefold() != named.casefold() else None


def doubts_of_exclusions(scores: Iterable[Score], reason: str) -> Iterator[Caution]:
    """Count the annotations that could not be used, such as those of an image of another size.

    Args:
        scores: What became of each radiograph.
        reason: The exclusion that tells of such an annotation.
    """
    found = [(score.row.image_id, score.detail or "") for score in scores if score.excluded == reason]
    if found:
        yield Caution(
            "annotations-unusable",
            f"annotations of {radiographs(len(found))} cannot be used: {listed([name for name, _ in found], most=3)}; "
            f"the first because {found[0][1]}",
            "these radiographs are excluded; annotation_report.json gives the reason of each",
        )


def _is_radiograph(image_data: str, image: ExplainedImage) -> bool | None:
    """Return whether an embedded image is the radiograph: the same file, or its picture saved again; None: unknown."""
    try:
        content = base64.b64decode(image_data)
        if image.row.stamp is not None and hashlib.sha256(content).hexdigest() == image.row.stamp.sha256:
            return True
        embedded, radiograph = decode_radiograph(content), image.radiograph().pixels
    except (binascii.Error, ValueError, UndecodableError, RadiographError):
        return None
    if embedded.shape[:2] != radiograph.shape[:2]:
        return False
    one, other = picture_of(embedded), picture_of(radiograph)
    alike = find_near_duplicates(np.stack([one, other]))
    return bool(np.array_equal(one, other)) or any(pair.turn == "as it is" and not pair.inverted for pair in alike)
