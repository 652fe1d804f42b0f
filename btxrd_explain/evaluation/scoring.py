"""One radiograph's heat maps against its annotation."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeVar

import cv2
import numpy as np

from btxrd_explain.core.ceiling import ideal_grid
from btxrd_explain.core.choices import Space, TargetClass
from btxrd_explain.core.geometry import Size
from btxrd_explain.core.heatmap import MapStatus, heat_map, judge
from btxrd_explain.core.metrics import agreement, box_overlaps, found_boxes, mean_of, measure
from btxrd_explain.core.metrics.baselines import Lattice, centre_grid, edge_grid, random_grid
from btxrd_explain.errors import AnnotationError, RadiographError
from btxrd_explain.evaluation.lesions import Lesions, lesions_of
from btxrd_explain.evaluation.measured import key_of
from btxrd_explain.evaluation.protocol import BASELINES, MapKind, Protocol
from btxrd_explain.evaluation.score import Case, Exclusion, Score, cases_of
from btxrd_explain.findings.annotations import of_another_image, unusable
from btxrd_explain.inference.explained import ExplainedImage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from numpy.typing import NDArray

    from btxrd_explain.core.heatmap import HeatMap
    from btxrd_explain.core.metrics import Measurement, PixelCounts
    from btxrd_explain.evaluation.comparators import Comparator
    from btxrd_explain.evaluation.decisions import Decisions
    from btxrd_explain.evaluation.measured import MeasuredBefore
    from btxrd_explain.evaluation.readers import Readers, ReadImage
    from btxrd_explain.finding import Finding
    from btxrd_explain.inputs.annotation import AnnotationPlace
    from btxrd_explain.predictions.record import Prediction
    from btxrd_explain.predictions.table import PredictionTable

Name = TypeVar("Name", bound=str)
_TOO_SMALL = "it falls between the pixels of the network's input"


@dataclass(frozen=True, slots=True)
class Scored:
    """A score, with what is pooled over the data set and then dropped.

    Attributes:
        score: The score.
        pixels: Pixel counts of each map, where the classifier's is defined.
        boxes: Best box overlap per threshold of each map, float64, where the classifier's is defined; none where they
            are not asked for.
        findings: Why the annotation cannot be used, or looks as if it were another image's.
        problem: Why the radiograph itself cannot be read, where it was asked for; None where it can.
        read: What human readers score; None without any.
        lesions: The lesions that were compared; None where there are none.
    """

    score: Score
    pixels: Mapping[MapKind, PixelCounts] = field(default_factory=dict)
    boxes: Mapping[MapKind, NDArray[np.float64]] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    problem: str | None = None
    read: ReadImage | None = None
    lesions: Lesions | None = None


@dataclass(frozen=True, slots=True)
class Scorer:
    """Scores the radiographs of one table by one protocol; safe to use from several threads.

    Attributes:
        table: The table of the rows.
        protocol: How to compare.
        average: Gives the average lesion mask of other images than the one that is scored, as a grid; None where it is
            not asked for.
        readers: Human readers, who are scored too; None where there are none.
        comparators: Detectors and segmenters, likewise.
        before: Scores that were measured before, which are taken over where they follow from the same; without boxes
            and baselines only.
    """

    table: PredictionTable
    protocol: Protocol
    average: Callable[[Prediction], NDArray[np.float32] | None] | None = None
    readers: Readers | None = None
    comparators: Mapping[str, Comparator] = field(default_factory=dict)
    before: MeasuredBefore | None = None

    def score(self, row: Prediction, annotation: AnnotationPlace | None) -> list[Scored]:
        """Score one radiograph.

        Args:
            row: Its row, with grids.
            annotation: Its annotation; None where there is none.

        Returns:
            The score, or the reason why there is none; one bad annotation does not stop the others. Where classes do
            not exclude each other, a score for each class that is measured, by the names of the classes; what is told
            of several classes is told with the first one.
        """
        decisions = self.protocol.decisions
        known = [self._known(row)] if decisions is None else self._cases(row, decisions)
        told: set[Finding] = set()
        scores = []
        for score in known:
            scored = self._read(score, row, annotation)
            scores.append(replace(scored, findings=tuple(one for one in scored.findings if one not in told)))
            told.update(scored.findings)
        return scores

    def _read(self, score: Score, row: Prediction, annotation: AnnotationPlace | None) -> Scored:
        """Score one class, and the readers in it."""
        scored = self._scored(score, row, annotation)
        if self.readers is None or score.excluded is not None:
            return scored
        read = self.readers.read(score, ExplainedImage.of(row, self.table), annotation, self.protocol)
        return scored if read is None else replace(scored, read=read, findings=(*scored.findings, *read.findings))

    def _scored(self, score: Score, row: Prediction, annotation: AnnotationPlace | None) -> Scored:
        if score.excluded is not None:
            return Scored(score)
        if annotation is None:
            return Scored(replace(score, excluded=Exclusion.NO_ANNOTATION))
        image = ExplainedImage.of(row, self.table)
        try:
            lesions = self._lesions(annotation, image, score)
        except AnnotationError as error:
            excluded = replace(score, excluded=Exclusion.BAD_ANNOTATION, detail=str(error))
            return Scored(excluded, findings=() if annotation.told else (unusable(row.image_id, error),))
        annotated = np.count_nonzero(lesions.mask)
        score = replace(
            score,
            lesions=lesions.count,
            lesion_share=annotated / lesions.mask.size,
            seen_fraction=image.frame.seen_fraction,
            lesion_seen_fraction=np.count_nonzero(lesions.mask[image.frame.window_seen]) / annotated
            if annotated
            else None,
        )
        sha256 = None if row.stamp is None else row.stamp.sha256
        findings = [replace(finding, images=(row.image_id,)) for finding in lesions.findings]
        findings += of_another_image(row.image_id, row.path, lesions.annotation, sha256, image.radiograph)
        judged = self._judged(score, image, lesions)
        return replace(judged, findings=(*findings, *judged.findings), lesions=lesions)

    def _judged(self, score: Score, image: ExplainedImage, lesions: Lesions) -> Scored:
        """Exclude a radiograph whose lesions cannot be measured, and compare the others."""
        if not lesions.mask.any():
            score, findings = self._with_others(score, image, lesions)
            space = self.protocol.space
            found = measure(_own(score, image, space), lesions.mask_in(space), (), self.protocol.threshold)
            excluded = replace(score, excluded=Exclusion.EMPTY_ANNOTATION, detail=_dropped(lesions))
            return Scored(replace(excluded, metrics={MapKind.MODEL: found.metrics}), findings=findings)
        if not lesions.mask[image.frame.window_seen].any():
            return Scored(replace(score, excluded=Exclusion.OUT_OF_SIGHT))
        return self._compared(score, image, lesions)

    def _lesions(self, annotation: AnnotationPlace, image: ExplainedImage, score: Score) -> Lesions:
        name = None if score.annotated_class is None else image.class_name(score.annotated_class)
        return lesions_of(annotation, image.frame, self.protocol.rules, class_name=name)

    def _known(self, row: Prediction) -> Score:
        """Return what is known without a look at the annotation."""
        names, light = self.table.provenance.class_names, row.without_grids()
        if not row.explained:
            return Score(light, excluded=Exclusion.NO_PREDICTION, detail=row.error, no_lesion=self.protocol.no_lesion)
        true, target = self.protocol.true_of(row, names), self.protocol.target_of(row, names)
        excluded = Exclusion.NO_LABEL if target is None else None
        return Score(light, true, target, excluded=excluded, no_lesion=self.protocol.no_lesion)

    def _cases(self, row: Prediction, decisions: Decisions) -> list[Score]:
        """Return what is known of each class that is measured, or once why there is none."""
        targets = cases_of(row, self.protocol, decisions)
        nothing = Score(row.without_grids(), case=Case.of(row, None, decisions), no_lesion=self.protocol.no_lesion)
        if targets:
            cases = ((target, Case.of(row, target, decisions)) for target in targets)
            return [
                replace(nothing, true=target if case.truth else None, target=target, case=case)
                for target, case in cases
            ]
        if not row.explained or (row.predicted is None and self.protocol.target_class is TargetClass.PREDICTED):
            return [replace(nothing, excluded=Exclusion.NO_PREDICTION, detail=row.error)]
        if self.protocol.target_class is TargetClass.PREDICTED:
            return [replace(nothing, excluded=Exclusion.NOTHING_PREDICTED)]
        unknown = None in decisions.truths(row)
        return [replace(nothing, excluded=Exclusion.NO_LABEL if unknown else Exclusion.NOTHING_TRUE)]

    def _compared(self, score: Score, image: ExplainedImage, lesions: Lesions) -> Scored:
        """Compare all maps with the lesions on the pixels of the protocol's space."""
        if not lesions.mask_in(self.protocol.space).any():
            return Scored(replace(score, excluded=Exclusion.OUT_OF_SIGHT, detail=_TOO_SMALL))
        score, findings = self._with_others(score, image, lesions)
        false_alarm = self._false_alarm(score, image)
        classes = [index for index in (score.target, false_alarm) if index is not None]
        score = replace(score, key=key_of(image, lesions, classes, self.protocol))
        known = self._known_before(score, false_alarm)
        return replace(self._measured(score, image, lesions) if known is None else Scored(known), findings=findings)

    def _known_before(self, score: Score, false_alarm: int | None) -> Score | None:
        """Return the score as it was measured before; None where it was not, or where more is asked for."""
        if self.before is None or score.key is None or self.protocol != self.protocol.bare():
            return None
        kinds = [MapKind.MODEL, MapKind.CEILING, *([] if false_alarm is None else [MapKind.FALSE_ALARM])]
        found = self.before.find(score.key, kinds)
        if found is None:
            return None
        return replace(score, metrics=found.metrics, curves=found.curves, undefined=found.undefined)

    def _measured(self, score: Score, image: ExplainedImage, lesions: Lesions) -> Scored:
        """Measure all maps."""
        edges, problem = self._edges(image)
        found = dict(self._measurements(score, image, lesions, edges))
        pixels = {kind: one.pixels for kind, one in found.items() if one.pixels is not None}
        score = replace(score, metrics={kind: one.metrics for kind, one in found.items()}, curves=_curves(found))
        own = pixels.get(MapKind.MODEL)
        if own is None:
            _, heat = next(self._maps(score, image, lesions, edges, self.protocol.space))
            return Scored(replace(score, undefined=str(heat.status)), problem=problem)
        boxes = self._boxes(score, image, lesions, edges) if self.protocol.boxes else {}
        of_model = found_boxes(boxes[MapKind.MODEL]) if MapKind.MODEL in boxes else None
        score = replace(score, pixels=np.array([own.inside, own.whole], np.uint32), boxes=of_model)
        return Scored(score, pixels, boxes, problem=problem)

    def _measurements(
        self, score: Score, image: ExplainedImage, lesions: Lesions, edges: NDArray[np.float32] | None
    ) -> Iterator[tuple[MapKind, Measurement]]:
        """Measure one map after another; baselines on a lattice."""
        space, threshold = self.protocol.space, self.protocol.threshold
        mask = lesions.mask_in(space)
        wanted = self.protocol.baselines or self.protocol.chance or self.protocol.of_network
        lattice = Lattice.of(mask, lambda: lesions.masks_in(space)) if wanted else None
        step = 1 if lattice is None else lattice.step
        for kind, heat in self._maps(score, image, lesions, edges, space, step):
            if lattice is not None and kind in BASELINES:
                yield kind, lattice.measure(heat, threshold)
            else:
                yield kind, measure(heat, mask, lesions.masks_in(space), threshold)
        grids = image.row.random_channels
        if lattice is not None and grids is not None and (self.protocol.baselines or self.protocol.of_network):
            draws = (heat_map(grid, image.frame, status=judge(grid), space=space, step=step) for grid in grids)
            yield MapKind.RANDOM_CHANNELS, mean_of([lattice.measure(draw, threshold) for draw in draws])

    def _false_alarm(self, score: Score, image: ExplainedImage) -> int | None:
        """Return the tumour class that was predicted and is wrong; None where none was."""
        predicted = score.row.predicted if score.case is None else None  # which of several is not one question
        if predicted is None or score.true in (None, predicted):
            return None
        return None if image.class_name(predicted) in self.protocol.no_lesion else predicted

    def _with_others(self, score: Score, image: ExplainedImage, lesions: Lesions) -> tuple[Score, tuple[Finding, ...]]:
        """Add what is known without a lesion too: where the map is hottest, and what detectors and segmenters found.

        Of these, files that cannot be used are told of.
        """
        name = None if score.annotated_class is None else image.class_name(score.annotated_class)
        space, threshold = self.protocol.space, self.protocol.threshold
        own, found, agreements = _own(score, image, space), {}, {}
        findings: list[Finding] = []
        for comparator, one in self.comparators.items():
            try:
                heat = one.heat_map(image, name, self.protocol)
            except AnnotationError as error:
                findings.append(unusable(score.row.image_id, error))
                continue
            if heat is not None:
                found[comparator] = measure(heat, lesions.mask_in(space), lesions.masks_in(space), threshold)
                if (agreed := agreement(own, heat, threshold)) is not None:
                    agreements[comparator] = agreed
        score = replace(
            score,
            hottest=own.hottest,
            comparators={comparator: one.metrics for comparator, one in found.items()},
            comparator_curves=_curves(found),
            agreements=agreements,
        )
        return score, tuple(findings)

    def _edges(self, image: ExplainedImage) -> tuple[NDArray[np.float32] | None, str | None]:
        """Return the grid of the radiograph's edges where it is asked for, or why the radiograph cannot be read."""
        if not self.protocol.baselines:
            return None, None
        try:
            pixels = image.radiograph(self._needed_for_edges).pixels
        except RadiographError as error:
            return None, str(error)  # the table and the annotations are enough for all others
        grey = pixels if pixels.ndim == 2 else cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
        return edge_grid(grey, image.frame, image.shape, self.table.provenance.smooth), None

    def _needed_for_edges(self, size: Size) -> Size:
        """Return the size at which edges are looked for: twice that which the network sees is as good as all pixels."""
        height, width = self.table.provenance.preprocessing.frame(size).resized
        return Size(min(2 * height, size.height), min(2 * width, size.width))

    def _maps(
        self,
        score: Score,
        image: ExplainedImage,
        lesions: Lesions,
        edges: NDArray[np.float32] | None,
        space: Space,
        step: int = 1,
    ) -> Iterator[tuple[MapKind, HeatMap]]:
        """Make the heat maps one after another, so that few are in memory at once; baselines on every n-th pixel."""
        yield MapKind.MODEL, _own(score, image, space)
        if (false_alarm := self._false_alarm(score, image)) is not None:
            yield MapKind.FALSE_ALARM, image.heat_map(false_alarm, space=space)
        other = score.row.least_probable if self.protocol.baselines or self.protocol.of_network else None
        if other is not None and other != score.target and score.row.computed[other]:
            yield MapKind.OTHER_CLASS, image.heat_map(other, space=space, step=step)
        for kind, grid in self._grids(image, lesions, edges):
            own = step if kind in BASELINES else 1
            yield kind, heat_map(grid, image.frame, status=judge(grid), space=space, step=own)

    def _grids(
        self, image: ExplainedImage, lesions: Lesions, edges: NDArray[np.float32] | None
    ) -> Iterator[tuple[MapKind, NDArray[np.float32]]]:
        """Make the grids that the classifier's is compared with, each of its size."""
        shape, smooth = image.shape, image.table.provenance.smooth
        yield MapKind.CEILING, ideal_grid(lesions.mask, image.frame, shape, smooth)
        if self.protocol.baselines or self.protocol.chance:
            yield MapKind.RANDOM, random_grid(shape, image.row.image_id, self.protocol.seed, smooth)
        if not self.protocol.baselines:
            return
        yield MapKind.CENTRE, centre_grid(shape, smooth)
        if edges is not None:
            yield MapKind.EDGES, edges
        if self.average is not None and (average := self.average(image.row)) is not None:
            yield MapKind.AVERAGE, average

    def _boxes(
        self, score: Score, image: ExplainedImage, lesions: Lesions, edges: NDArray[np.float32] | None
    ) -> dict[MapKind, NDArray[np.float64]]:
        """Compare boxes at the input's resolution."""
        masks = list(lesions.masks_in(Space.INPUT))
        overlaps = {
            kind: box_overlaps(heat.values, masks)
            for kind, heat in self._maps(score, image, lesions, edges, Space.INPUT)
            if heat.status is MapStatus.OK
        }
        return {kind: each for kind, each in overlaps.items() if each is not None}


def _own(score: Score, image: ExplainedImage, space: Space) -> HeatMap:
    """Return the classifier's map of the class that is measured."""
    if score.target is None:
        raise ValueError(f"'{score.row.image_id}' has no class whose map is measured")
    return image.heat_map(score.target, space=space)


def _curves(found: Mapping[Name, Measurement]) -> dict[Name, NDArray[np.float32]]:
    """Return the IoU at 101 thresholds of what has one."""
    return {name: one.curve.astype(np.float32) for name, one in found.items() if one.curve is not None}


def _dropped(lesions: Lesions) -> str | None:
    """Return the remark that an annotation without a lesion holds shapes; None if it holds none."""
    shapes = len(lesions.annotation.shapes)
    if not shapes:
        return None
    return f"of its {shapes} shapes none counts: by its label, by the mask policy, or outside the image"
