"""Bring the predictions table up to date: for ``infer``, and for every other command that has a checkpoint."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from btxrd_explain.core.labels import NO, UNKNOWN, USUAL_THRESHOLD, YES, truth_matrix
from btxrd_explain.findings.table import inspect_table
from btxrd_explain.inference.fill import fill_table
from btxrd_explain.inference.plan import make_plan, refuse_other_table
from btxrd_explain.inference.request import collect_images, have_several_labels, request_for, tell_collected
from btxrd_explain.inference.target import claim, stop_at_failures, stop_at_known_failures, target_of
from btxrd_explain.predictions.record import RowStatus
from btxrd_explain.predictions.table import is_folder
from btxrd_explain.system.locks import alone
from btxrd_explain.system.places import is_url

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import IO

    from btxrd_explain.finding import Finding
    from btxrd_explain.inputs.record import Collection
    from btxrd_explain.predictions.index import Index
    from btxrd_explain.predictions.record import Prediction
    from btxrd_explain.predictions.table import PredictionTable
    from btxrd_explain.progress import Listener
    from btxrd_explain.settings import Settings


@dataclass(frozen=True, slots=True)
class Summary:
    """How predictions and known labels go together.

    Attributes:
        predicted: Number of images per predicted class.
        confusion: Number of labelled images, ``confusion[true][predicted]``.
        labelled: Images with both a prediction and a label.
        accuracy: Fraction of those that are right; None where there are none.
        truths: Where classes do not exclude each other: of each class the images that have it, that do not, and of
            which that is not known. Then ``predicted`` counts a class from a probability of 0.5, and there is neither
            confusion nor accuracy.
    """

    predicted: tuple[int, ...]
    confusion: tuple[tuple[int, ...], ...]
    labelled: int
    accuracy: float | None
    truths: tuple[tuple[int, int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Inference:
    """A table that is current for the images that the settings name.

    Attributes:
        table: The table, now current.
        rows: The rows of the images asked for, without grids, in the order of the table.
        computed: How many of them went through the network in this run.
        collection: The images asked for, with the places of their annotations.
        findings: What may be wrong with input, network or predictions.
        shard_of: The whole of which the table is a shard; None where it is none, or lies in a folder that is the whole.
    """

    table: PredictionTable
    rows: Index
    computed: int
    collection: Collection
    findings: tuple[Finding, ...]
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
        if self.table.provenance.multi_label:
            return self._summary_of_classes(names)
        predicted = self.rows.predicted
        confusion = []
        for name in names:
            of_class = predicted[self.rows.is_in("label", [name])]
            counts = np.bincount(of_class[of_class >= 0], minlength=len(names))
            confusion.append(tuple(counts.tolist()))
        labelled = sum(map(sum, confusion))
        right = sum(confusion[index][index] for index in range(len(names)))
        return Summary(
            predicted=tuple(np.bincount(predicted[predicted >= 0], minlength=len(names)).tolist()),
            confusion=tuple(confusion),
            labelled=labelled,
            accuracy=right / labelled if labelled else None,
        )

    def _summary_of_classes(self, names: tuple[str, ...]) -> Summary:
        truth = truth_matrix(self.rows.column("label").to_pylist(), names)
        counts = [(truth == value).sum(axis=0).tolist() for value in (YES, NO, UNKNOWN)]
        said = (self.rows.probabilities >= USUAL_THRESHOLD).sum(axis=0)
        labelled = int(((truth != UNKNOWN).any(axis=1) & (self.rows.predicted >= 0)).sum())
        return Summary(tuple(said.tolist()), (), labelled, None, tuple(zip(*counts, strict=True)))


@contextmanager
def up_to_date(settings: Settings, listener: Listener, *, stdin: IO[bytes] | None = None) -> Iterator[Inference]:
    """Bring the predictions table up to date for the images that the settings name.

    Rows that still hold are kept, also those of images not asked for; torch is imported only when something must
    be computed. An interrupted run is resumed. Another process that fills the same table is waited for, and none
    changes it while the block runs.

    Args:
        settings: The settings.
        listener: Told of progress.
        stdin: Where the paths come from when an input is ``-``.

    Yields:
        The table and its rows.

    Raises:
        FailedFileError: A file failed, and ``run.strict`` is set; what was computed is in the table.
        BtxrdExplainError: Input, checkpoint, table or output cannot be used.
    """
    collection = collect_images(settings, stdin=stdin)
    tell_collected(collection, listener)
    several = have_several_labels(settings, collection)  # of a job array all tasks together
    path, collection = target_of(settings, collection)
    with alone(path, listener.note):
        request = request_for(path, settings, collection, several_labels=several)
        if is_url(path):
            refuse_other_table(path, request)
        if settings.run.engine == "ray" or (is_url(path) and is_folder(path)):
            claim(path)
        plan = make_plan(path, request, collection, verify=settings.run.verify)
        if settings.run.strict:
            stop_at_known_failures(plan)
        for image_id, reason in sorted(collection.missing):  # before warnings, which would scroll away
            listener.failed(image_id, RowStatus.MISSING, reason)
        table = fill_table(settings, plan, listener)
        index = table.index()
        asked = list(plan.asked())
        rows = index.where(index.is_in("image_id", asked))
        if settings.run.strict:
            stop_at_failures(rows, len(asked))
        findings = collection.findings + inspect_table(table, index, rows)
        for finding in findings:
            listener.warn(finding)
        whole = settings.output.predictions_path
        shard_of = None if settings.run.shard is None or is_folder(whole) else whole
        yield Inference(table, rows, len(plan.pending), collection, findings, shard_of)
