"""The radiographs that are changed, and what the network says of them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np

from btxrd_explain.commands.intervene.journal import Journal, key_of
from btxrd_explain.core.controls import generator_of
from btxrd_explain.core.intervention import Design, Interventions, Readings, intervene
from btxrd_explain.core.shapes import rasterise_union
from btxrd_explain.errors import RadiographError
from btxrd_explain.evaluation.intervention import Intervened, counted_as
from btxrd_explain.evaluation.lesions import lesions_of
from btxrd_explain.evaluation.score import Exclusion
from btxrd_explain.inference.explained import ExplainedImage
from btxrd_explain.inference.intervened import cost_of, read_interventions
from btxrd_explain.system.threads import available_cores, in_order

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from btxrd_explain.core.preprocess import Preprocessing
    from btxrd_explain.evaluation.evaluate import Evaluation
    from btxrd_explain.evaluation.score import Score
    from btxrd_explain.inference.compute import Explainer
    from btxrd_explain.progress import Listener
    from btxrd_explain.settings import Settings

_WITHOUT_LESION = frozenset({Exclusion.NO_ANNOTATION, Exclusion.EMPTY_ANNOTATION, Exclusion.OUT_OF_SIGHT})
"""What leaves a radiograph in, of which only the surroundings are changed."""
_OF_MAPS = ("method", "target_layer", "map_cells", "explain_classes", "smooth")
"""Parts of a request that predictions do not depend on; nor do they depend on captum, which makes maps alone."""


@dataclass(frozen=True, slots=True)
class Gathered:
    """The radiographs with what the network says of them.

    Attributes:
        design: Which conditions were made.
        preprocessing: How the network wants its input.
        images: Those that were changed, in the order of the table.
        places: The places of their radiographs in the selection.
        reasons: Why others were not, by ``image_id``.
    """

    design: Design
    preprocessing: Preprocessing
    images: tuple[Intervened, ...]
    places: tuple[int, ...]
    reasons: Mapping[str, str]


@dataclass(frozen=True, slots=True, eq=False)
class _Masks:
    """What is annotated on a radiograph, on the network's input; None where nothing is."""

    lesion: NDArray[np.bool_] | None
    markers: NDArray[np.bool_] | None


@dataclass(frozen=True, slots=True, eq=False)
class _Changed:
    """A radiograph on its way to the network: its conditions, or what an earlier run knows, or why there are none."""

    place: int
    key: str
    made: Interventions | Readings | str


def design_of(settings: Settings) -> Design:
    """Return which conditions the settings ask for."""
    wanted = settings.intervention
    return Design(wanted.controls, wanted.margins, wanted.control_seed)


def gather(
    settings: Settings,
    evaluation: Evaluation,
    explainer: Explainer,
    listener: Listener,
    *,
    journal: Path | None = None,
) -> Gathered:
    """Change all radiographs of an evaluation, and ask the network.

    What it says is on the disk image by image: an interrupted run is resumed.

    Args:
        settings: The settings.
        evaluation: The radiographs with their scores.
        explainer: The network.
        listener: Told of the cost, progress, and files that cannot be read.
        journal: Folder of the journal; None takes that of the results.
    """
    known = Journal(settings.output.directory if journal is None else journal)
    return _Gathering(settings, evaluation, explainer, listener, known).run()


class _Gathering:
    """What one run of :func:`gather` works with."""

    def __init__(
        self,
        settings: Settings,
        evaluation: Evaluation,
        explainer: Explainer,
        listener: Listener,
        journal: Journal,
    ) -> None:
        """Gather what decides about the answers."""
        self._evaluation, self._explainer, self._listener = evaluation, explainer, listener
        self._journal = journal
        self._design = design_of(settings)
        made = explainer.provenance.request  # says of several labels, too, which decide about the activation
        request = {name: value for name, value in made.items() if name not in _OF_MAPS}
        request["versions"] = {name: value for name, value in made["versions"].items() if name != "captum"}
        self._facts = {"request": request, "design": asdict(self._design)}
        self._classes = len(explainer.classifier.class_names)

    def run(self) -> Gathered:
        wanted, reasons = self._wanted()
        known, changed = self._cost(wanted), self._changed([place for place, _ in wanted])
        self._listener.start("interventions", len(wanted))
        readings: dict[int, Readings] = {}

        def to_predict() -> Iterator[tuple[tuple[int, str], Interventions]]:
            for one in changed:
                if isinstance(one.made, Interventions):
                    yield (one.place, one.key), one.made
                    continue
                if isinstance(one.made, Readings):
                    readings[one.place] = one.made
                else:
                    image_id = self._evaluation.scores[one.place].row.image_id
                    reasons[image_id] = one.made
                    self._listener.failed(image_id, "not readable", one.made)
                self._listener.advance()

        for (place, key), found in read_interventions(self._explainer, to_predict(), known):
            self._journal.add(key, found)
            readings[place] = found
            self._listener.advance()
        images = {}
        for place, found in sorted(readings.items()):
            image = self._intervened(place, found)
            if np.isfinite(image.log_odds):
                images[place] = image
            else:
                reasons[image.score.row.image_id] = "the network's scores are NaN or infinite"
        own = [self._evaluation.scores.places[place] for place in images]
        preprocessing = self._explainer.classifier.preprocessing
        return Gathered(self._design, preprocessing, tuple(images.values()), tuple(own), reasons)

    def _wanted(self) -> tuple[list[tuple[int, Score]], dict[str, str]]:
        """Return the radiographs to change, and why not the others."""
        wanted, reasons = [], {}
        for place, score in enumerate(self._evaluation.scores):
            if score.excluded is None or (score.excluded in _WITHOUT_LESION and score.target is not None):
                wanted.append((place, score))
            else:
                detail = f": {score.detail}" if score.detail else ""
                reasons[score.row.image_id] = f"{score.excluded}{detail}"
        return wanted, reasons

    def _cost(self, wanted: Sequence[tuple[int, Score]]) -> int:
        """Report what the run costs at most, and return how many passes that are."""
        design = self._design
        pictures = [design.most if score.excluded is None else design.least for _, score in wanted]
        if not pictures:
            return 0
        cost, scores = cost_of(self._explainer, pictures), [score for _, score in wanted]
        images = len({score.row.image_id for score in scores})
        several = "" if counted_as(scores) == "images" else f"{len(wanted)} classes of "
        self._listener.note(
            f"{several}{images} radiographs, with all changes at most {cost.pictures} pictures in {cost.passes} passes "
            f"of the network: some {duration(cost.seconds)}, less what an earlier run has computed"
        )
        return cost.passes

    def _changed(self, places: Sequence[int]) -> Iterator[_Changed]:
        """Read and change radiographs in threads, a few ahead of the network."""
        threads = available_cores()
        return in_order(self._change, places, threads=threads, ahead=threads + 1)

    def _change(self, place: int) -> _Changed:
        """Change one radiograph, unless an earlier run did."""
        score, selected = self._evaluation.scores[place], self._evaluation.selected
        row, preprocessing = score.row, self._explainer.classifier.preprocessing
        if row.size is None:
            raise ValueError(f"'{row.image_id}' has no size")
        frame = selected.table.provenance.preprocessing.frame(row.size)
        image = ExplainedImage(row, frame, selected.table)
        try:
            masks = self._masks(score, image)
            key = key_of(
                self._facts | {"image_id": row.image_id, "content": row.content, "frame": str(frame)},
                masks.lesion,
                masks.markers,
            )
            known = self._journal.find(key, self._classes)
            if known is not None:
                return _Changed(place, key, known)
            rng = generator_of(row.image_id, self._design.seed)
            picture = image.seen(preprocessing)
            made = intervene(picture, frame.window_filled, masks.lesion, masks.markers, design=self._design, rng=rng)
        except RadiographError as error:
            return _Changed(place, "", str(error))
        return _Changed(place, key, made)

    def _masks(self, score: Score, image: ExplainedImage) -> _Masks:
        """Read what is annotated; annotated markers need no lesion."""
        protocol = self._evaluation.protocol
        annotation = self._evaluation.selected.annotation_of(score.row)
        if annotation is None:
            return _Masks(None, None)
        name = None if score.annotated_class is None else image.class_name(score.annotated_class)
        lesions = lesions_of(annotation, image.frame, protocol.rules, class_name=name)
        signs = protocol.rules.markers(lesions.annotation.shapes)
        markers = image.frame.mask_to_input(rasterise_union(signs, image.frame.original)) if signs else None
        lesion = image.frame.mask_to_input(lesions.mask) if score.excluded is None else None
        return _Masks(lesion, markers)

    def _intervened(self, place: int, readings: Readings) -> Intervened:
        score = self._evaluation.scores[place]
        if score.target is None:
            raise ValueError(f"'{score.row.image_id}' has no class whose log-odds are followed")
        return Intervened(score, score.target, readings)


def duration(seconds: float) -> str:
    """Return in words how long something takes, roughly.

    >>> duration(3.2), duration(500)
    ('3 seconds', '8 minutes')
    """
    return f"{max(seconds, 1):.0f} seconds" if seconds < 100 else f"{seconds / 60:.0f} minutes"
