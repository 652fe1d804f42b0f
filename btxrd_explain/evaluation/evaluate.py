"""All radiographs of a selection against their annotations, streamed and in threads."""

from __future__ import annotations

from array import array
from collections import defaultdict
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import TYPE_CHECKING, TypeVar

import cv2

from btxrd_explain.core.ceiling import ideal_grid
from btxrd_explain.core.metrics import BoxAccuracy, PixelPrecision
from btxrd_explain.core.metrics.baselines import AverageMask
from btxrd_explain.errors import AnnotationError
from btxrd_explain.evaluation.lesions import lesions_of
from btxrd_explain.evaluation.score import cases_of
from btxrd_explain.evaluation.scoring import Scored, Scorer
from btxrd_explain.finding import Tally
from btxrd_explain.predictions.record import Prediction, RowStatus
from btxrd_explain.system.threads import available_cores, in_order

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from btxrd_explain.evaluation.comparators import Comparator
    from btxrd_explain.evaluation.protocol import MapKind, Protocol
    from btxrd_explain.evaluation.readers import Readers, ReadImage
    from btxrd_explain.evaluation.score import Score
    from btxrd_explain.finding import Finding
    from btxrd_explain.inference.selection import Selected
    from btxrd_explain.predictions.index import Index
    from btxrd_explain.progress import Listener


class Scores:
    """A score per radiograph, in the order of the table; where classes do not exclude each other, one per class of it.

    Of an excluded radiograph no more is kept than what its row does not say, once for all of which the same is to be
    said: on 100,000 rows, whole scores would take 100 MiB more than ``benchmarks/memory.py`` sees of ``annotate-iou``.
    What was measured of a radiograph without a lesion is its own.

    Args:
        rows: The radiographs, without grids.
        scores: The scores of each of them, one or more, in their order.

    Attributes:
        places: The place of the radiograph of each score.
    """

    def __init__(self, rows: Index, scores: Iterable[Score]) -> None:
        """Keep the scores."""
        self._rows = rows
        shared: dict[Score, Score] = {}
        self._known: list[Score] = []
        self.places = array("q")
        last = None
        for score in scores:
            new = score.row.image_id != last
            last = score.row.image_id
            self.places.append((self.places[-1] if self.places else -1) + new)
            bare = score if score.excluded is None else replace(score, row=_NO_ROW)
            self._known.append(bare if score.excluded is None or score.metrics else shared.setdefault(bare, bare))
        found = self.places[-1] + 1 if self.places else 0
        if found != len(rows):
            raise ValueError(f"the scores are of {found} radiographs, shorter or longer than the {len(rows)} rows")
        self.evaluated = {place: score for place, score in enumerate(self._known) if score.excluded is None}
        """Scores of the radiographs that are not excluded, by their places."""

    def __len__(self) -> int:
        """Return the number of scores."""
        return len(self._known)

    def __iter__(self) -> Iterator[Score]:
        """Yield the scores; those of excluded radiographs are not kept."""
        rows, place, row = iter(self._rows), -1, _NO_ROW
        for own, score in zip(self.places, self._known, strict=True):
            if own != place:
                place, row = own, next(rows)
            yield _of_row(score, row)

    def __getitem__(self, place: int) -> Score:
        """Return one score."""
        score = self._known[place]
        return score if score.excluded is None else replace(score, row=self._rows[self.places[place]])

    def spread(self, values: Sequence[Value]) -> list[Value]:
        """Return a value per score, given one per radiograph."""
        return [values[place] for place in self.places]


_NO_ROW = Prediction("", "", None, None, RowStatus.OK)


def _of_row(score: Score, row: Prediction) -> Score:
    return score if score.excluded is None else replace(score, row=row)


Result = TypeVar("Result")
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What was measured on a selection of radiographs.

    Attributes:
        selected: The radiographs.
        protocol: How heat maps and annotations were compared.
        scores: A score per radiograph, in the order of the table.
        pixels: The pixels of all images in which the classifier's map is defined, of each map.
        boxes: Likewise what boxes find; none where that was not asked for.
        findings: What may be wrong with the annotations.
        readers: Human readers; None where there are none.
        read: What they score, of each radiograph that one of them annotated.
    """

    selected: Selected
    protocol: Protocol
    scores: Scores
    pixels: Mapping[MapKind, PixelPrecision] = field(default_factory=dict)
    boxes: Mapping[MapKind, BoxAccuracy] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    readers: Readers | None = None
    read: Sequence[ReadImage] = ()

    @property
    def evaluated(self) -> list[Score]:
        """The scores of the radiographs that are not excluded."""
        return list(self.scores.evaluated.values())


def evaluate(
    selected: Selected,
    protocol: Protocol,
    listener: Listener,
    *,
    average: AverageMask | None = None,
    readers: Readers | None = None,
    comparators: Mapping[str, Comparator] | None = None,
) -> Evaluation:
    """Score all radiographs of a selection.

    Grids are streamed from the table, a few images at a time are in work, and little is kept of those that are
    excluded, so that the memory hardly grows with their number.

    Args:
        selected: The radiographs.
        protocol: How to compare.
        listener: Told of progress.
        average: The average lesion mask of other radiographs; None averages those of the selection, leaving out the
            one that is scored.
        readers: Human readers, who are scored too; None where there are none.
        comparators: Detectors and segmenters, likewise.

    Returns:
        What was measured.
    """
    other = _average_of(selected, protocol, listener, average)
    scorer = Scorer(selected.table, protocol, other, readers, comparators or {})
    pixels: defaultdict[MapKind, PixelPrecision] = defaultdict(PixelPrecision)
    boxes: defaultdict[MapKind, BoxAccuracy] = defaultdict(BoxAccuracy)
    tally = Tally()
    read: list[ReadImage] = []

    def score(row: Prediction) -> list[Scored]:
        found = scorer.score(row, selected.annotation_of(row))
        return [replace(one, lesions=None) for one in found]  # masks of whole images, of all that wait for their turn

    def pooled() -> Iterator[Score]:
        for scored in chain.from_iterable(_each(selected, score, listener, "annotations")):
            for kind, counts in scored.pixels.items():
                pixels[kind].add(counts)
            for kind, overlaps in scored.boxes.items():
                boxes[kind].add(overlaps)
            tally.add(scored.findings)
            if scored.read is not None:
                read.append(scored.read)
            if scored.problem is not None:
                listener.failed(scored.score.row.image_id, "not readable", scored.problem)
            yield scored.score

    scores = Scores(selected.rows, pooled())
    for finding in tally.findings():
        listener.warn(finding)
    return Evaluation(selected, protocol, scores, pixels, boxes, tally.findings(), readers, read)


def average_mask(selected: Selected, protocol: Protocol, listener: Listener) -> AverageMask:
    """Average the lesion masks of a selection on the grid of its table."""
    made, average = selected.table.provenance, AverageMask()

    def ideal_of(row: Prediction) -> tuple[NDArray[np.float32], str] | None:
        annotation, true, decisions = selected.annotation_of(row), None, protocol.decisions
        if decisions is None:
            true = protocol.true_of(row, made.class_names)
            measured = protocol.target_of(row, made.class_names) is not None
        else:
            measured = bool(cases_of(row, protocol, decisions))
        if annotation is None or not measured or row.size is None:
            return None
        frame = made.preprocessing.frame(row.size)
        try:
            name = None if true is None else made.class_names[true]
            lesions = lesions_of(annotation, frame, protocol.rules, class_name=name)
        except AnnotationError:
            return None  # said where it is scored
        return ideal_grid(lesions.mask, frame, made.grid, made.smooth), row.content

    for found in _each(selected, ideal_of, listener, "average mask"):
        if found is not None and found[0].any():
            average.add(*found)
    return average


def _average_of(
    selected: Selected, protocol: Protocol, listener: Listener, average: AverageMask | None
) -> Callable[[Prediction], NDArray[np.float32] | None] | None:
    if not protocol.baselines:
        return None
    if average is not None:
        return lambda _: average.grid()
    own = average_mask(selected, protocol, listener)
    return lambda row: own.grid(without=row.content)


def _each(
    selected: Selected, function: Callable[[Prediction], Result], listener: Listener, what: str
) -> Iterator[Result]:
    """Call a function on each selected row, with its grids, in threads; results come in the order of the table."""
    cv2.setNumThreads(1)  # the pool divides the cores, not OpenCV
    threads = available_cores()
    listener.start(what, len(selected.rows))
    wanted = selected.rows.column("image_id").to_pylist()
    for result in in_order(function, selected.table.rows(wanted), threads=threads, ahead=2 * threads):
        listener.advance()
        yield result
