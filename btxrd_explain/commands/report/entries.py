"""One radiograph as the page shows it: its facts, its layers and its pictures."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil
from typing import TYPE_CHECKING, Any

from btxrd_explain.core.geometry import Size
from btxrd_explain.errors import AnnotationError, RadiographError
from btxrd_explain.evaluation.lesions import lesions_of
from btxrd_explain.inference.explained import ExplainedImage
from btxrd_explain.outputs.html.encode import grids_to_text, mask_to_path, mask_to_runs, to_jpeg

if TYPE_CHECKING:
    from btxrd_explain.core.geometry import Frame
    from btxrd_explain.evaluation.lesions import Lesions
    from btxrd_explain.evaluation.readers import ReadImage
    from btxrd_explain.evaluation.score import Score
    from btxrd_explain.evaluation.scoring import Scorer
    from btxrd_explain.finding import Finding
    from btxrd_explain.inputs.annotation import AnnotationPlace
    from btxrd_explain.predictions.record import Prediction

_THUMBNAIL_SIDE, _THUMBNAIL_QUALITY, _PICTURE_QUALITY = 320, 80, 88


@dataclass(frozen=True, slots=True)
class Pictures:
    """A radiograph as JPEG, small for the gallery and large for a closer look.

    Attributes:
        thumbnail: The small one.
        picture: The large one.
    """

    thumbnail: bytes
    picture: bytes


@dataclass(frozen=True, slots=True)
class Entry:
    """One radiograph.

    Attributes:
        score: Its row of the table, without grids, and how its heat map and annotation agree. Where classes do not
            exclude each other, the measured class of the highest probability.
        frame: How it maps to the network's input; None where it could not be read.
        thumbnail_size: Size of its small picture; None where it cannot be shown.
        problem: Why it cannot be shown although it was predicted; None where it can.
        details: What its layers are drawn from: plain JSON values; None without a prediction.
        pictures: The radiograph itself; None where it cannot be shown.
        scores: The scores of all measured classes; one where classes exclude each other.
        findings: What is odd about its annotation.
        read: What human readers score, of each class that is measured.
    """

    score: Score
    frame: Frame | None = None
    thumbnail_size: Size | None = None
    problem: str | None = None
    details: dict[str, Any] | None = None
    pictures: Pictures | None = None
    scores: tuple[Score, ...] = ()
    findings: tuple[Finding, ...] = ()
    read: tuple[ReadImage, ...] = ()

    def light(self) -> Entry:
        """Return the entry without the parts that are heavy, and what the page says once for all."""
        return replace(self, details=None, pictures=None, findings=())


@dataclass(frozen=True, slots=True)
class EntryMaker:
    """Makes entries; may be used from several threads.

    Attributes:
        scorer: Holds heat maps against annotations.
        picture_side: Longest side of the large picture in pixels.
    """

    scorer: Scorer
    picture_side: int

    def make(self, row: Prediction, annotation: AnnotationPlace | None) -> Entry:
        """Make the entry of a row with grids; a file that cannot be read does not stop the others."""
        measured = self.scorer.score(row, annotation)
        scores = tuple(scored.score for scored in measured)
        findings = tuple(dict.fromkeys(finding for scored in measured for finding in scored.findings))
        shown = max(measured, key=lambda one: (one.score.excluded is None, one.score.target_probability or 0))
        score = shown.score
        read = tuple(scored.read for scored in measured if scored.read is not None)
        if row.grids is None or row.size is None:
            return Entry(score, scores=scores, findings=findings, read=read)
        image = ExplainedImage.of(row, self.scorer.table)
        lesions = shown.lesions or self._lesions(image, annotation, score.annotated_class)
        details = {"grids": grids_to_text(row.grids)} | self._drawn(lesions)
        entry = Entry(score, image.frame, details=details, scores=scores, findings=findings, read=read)
        try:
            pixels = image.radiograph(self._needed).pixels
        except RadiographError as error:
            return replace(entry, problem=str(error))
        picture, _ = to_jpeg(pixels, self.picture_side, quality=_PICTURE_QUALITY)
        thumbnail, size = to_jpeg(pixels, _THUMBNAIL_SIDE, quality=_THUMBNAIL_QUALITY)
        return replace(entry, thumbnail_size=size, pictures=Pictures(thumbnail, picture))

    def _needed(self, size: Size) -> Size:
        """Return the size of the large picture, rounded up: no larger a radiograph need be decoded."""
        scale = min(1.0, self.picture_side / max(size))
        return Size(ceil(size.height * scale), ceil(size.width * scale))

    def _lesions(self, image: ExplainedImage, annotation: AnnotationPlace | None, true: int | None) -> Lesions | None:
        """Read the lesions of a radiograph that is not measured; None where there are none that can be read."""
        if annotation is None:
            return None
        name = None if true is None else image.class_name(true)
        try:
            return lesions_of(annotation, image.frame, self.scorer.protocol.rules, class_name=name)
        except AnnotationError:
            return None  # the score says why

    def _drawn(self, lesions: Lesions | None) -> dict[str, Any]:
        """Return the lesions as outline and as mask on the pixels on which they are compared."""
        if lesions is None or not lesions.mask.any():
            return {"outline": None, "mask": None}
        compared = lesions.mask_in(self.scorer.protocol.space)
        packed = {"size": list(compared.shape), "runs": mask_to_runs(compared)}
        return {"outline": mask_to_path(lesions.mask), "mask": packed}
