"""Fill the predictions table; draw the overlays of images that were named one by one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from btxrd_explain.locks import alone
from btxrd_explain.predictions.record import RowStatus
from btxrd_explain.workflows.inference.collecting import collect_images
from btxrd_explain.workflows.inference.fill import fill_table
from btxrd_explain.workflows.inference.overlays import draw_overlays
from btxrd_explain.workflows.inference.plan import make_plan
from btxrd_explain.workflows.inference.request import build_request
from btxrd_explain.workflows.inference.strict import stop_at_failures, stop_at_known_failures
from btxrd_explain.workflows.inference.target import claim, target_of
from btxrd_explain.workflows.plausibility.inspection import inspect_table
from btxrd_explain.workflows.progress import Listener, Silent

if TYPE_CHECKING:
    from pathlib import Path
    from typing import IO

    from btxrd_explain.errors import Caution
    from btxrd_explain.inputs.record import Collection
    from btxrd_explain.predictions.index import Index
    from btxrd_explain.predictions.record import Prediction
    from btxrd_explain.predictions.table import PredictionTable
    from btxrd_explain.settings import Settings


@dataclass(frozen=True, slots=True)
class Summary:
    """How predictions and known labels go together.

    Attributes:
        predicted: Number of images per predicted class.
        confusion: Number of labelled images, ``confusion[true][predicted]``.
        labelled: Images with both a prediction and a label.
        accuracy: Share of those that are right; None where there are none.
    """

    predicted: tuple[int, ...]
    confusion: tuple[tuple[int, ...], ...]
    labelled: int
    accuracy: float | None


@dataclass(frozen=True, slots=True)
class InferResult:
    """What ``infer`` did.

    Attributes:
        table: The table, now current.
        rows: The rows of the images asked for, without grids, in the order of the table.
        computed: How many of them went through the network in this run.
        overlays: Overlays that were drawn, by ``image_id``.
        collection: The images asked for, with the places of their annotations.
        cautions: What may be wrong with input, network or predictions.
        shard_of: The whole of which the table is a shard; None where it is none, or lies in a folder that is the whole.
    """

    table: PredictionTable
    rows: Index
    computed: int
    overlays: dict[str, Path]
    collection: Collection
    cautions: tuple[Caution, ...]
    shard_of: Path | None

    @property
    def annotated(self) -> bool:
        """True where an image has an annotation."""
        return any(record.annotation is not None for record in self.collection.records)

    @property
    def named(self) -> bool:
        """True where every image was named one by one."""
        return self.collection.named

    @property
    def failed(self) -> tuple[Prediction, ...]:
        """Rows of images without a prediction."""
        return tuple(self.rows.where(~self.rows.is_in("status", [RowStatus.OK])))

    def summary(self) -> Summary:
        """Count predictions by class, and against the labels where there are any."""
        names = self.table.provenance.class_names
        predicted = self.rows.predicted
        confusion = []
        for name in names:
            of_class = predicted[self.rows.is_in("label", [name])]
            confusion.append(tuple(int((of_class == column).sum()) for column in range(len(names))))
        labelled = sum(map(sum, confusion))
        right = sum(confusion[index][index] for index in range(len(names)))
        return Summary(
            predicted=tuple(int((predicted == index).sum()) for index in range(len(names))),
            confusion=tuple(confusion),
            labelled=labelled,
            accuracy=right / labelled if labelled else None,
        )


def run(settings: Settings, listener: Listener | None = None, *, stdin: IO[bytes] | None = None) -> InferResult:
    """Bring the predictions table up to date for the images that the settings name.

    Rows that still hold are kept, also those of images not asked for; torch is imported only when something must
    be computed. An interrupted run is resumed; another process that fills the same table is waited for.

    Args:
        settings: The settings.
        listener: Told of progress; None is silent.
        stdin: Where the paths come from when an input is ``-``.

    Returns:
        What was done.

    Raises:
        FailedFileError: A file failed, and ``run.strict`` is set; what was computed is in the table.
        BtxrdExplainError: Input, checkpoint, table or output cannot be used.
    """
    listener = listener or Silent()
    collection = collect_images(settings, stdin=stdin)
    for note in collection.notes:
        listener.note(note)
    for caution in collection.cautions:
        listener.warn(caution)
    path, collection = target_of(settings, collection)
    with alone(path, listener.note):
        if settings.run.engine == "ray":
            claim(path)
        plan = make_plan(path, build_request(settings), collection)
        if settings.run.strict:
            stop_at_known_failures(plan)
        table = fill_table(settings, plan, listener)
        index = table.index()
        asked = list(plan.asked())
        rows = index.where(index.is_in("image_id", asked))
        if settings.run.strict:
            stop_at_failures(rows, len(asked))
        overlays: dict[str, Path] = {}
        if collection.named if settings.output.overlay is None else settings.output.overlay:
            overlays = draw_overlays(table, frozenset(asked), settings, listener)
    cautions = collection.cautions + inspect_table(table, index, rows)
    for caution in cautions:
        listener.warn(caution)
    whole = settings.output.predictions_path
    shard_of = None if settings.run.shard is None or whole.is_dir() else whole
    return InferResult(table, rows, len(plan.pending), overlays, collection, cautions, shard_of)
