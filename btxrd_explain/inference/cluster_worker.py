"""What runs in each worker process of a Ray cluster."""

from __future__ import annotations

import os
import pickle
import platform
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from btxrd_explain.errors import BtxrdExplainError, EngineError
from btxrd_explain.inference.request import build_request
from btxrd_explain.inference.target import check_claim
from btxrd_explain.predictions.provenance import differences
from btxrd_explain.predictions.record import RowStatus
from btxrd_explain.predictions.store import write_part
from btxrd_explain.predictions.table import is_folder

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from btxrd_explain.inference.compute import Explainer
    from btxrd_explain.inputs.record import ImageRecord
    from btxrd_explain.predictions.provenance import Provenance
    from btxrd_explain.predictions.record import Prediction
    from btxrd_explain.settings import Settings


@dataclass(frozen=True, slots=True)
class Job:
    """What a worker needs to know.

    Attributes:
        settings: The settings of the run.
        request: What decides about the rows, as the process that started the run sees it.
        provenance: How the rows are made.
        folder: The folder of the table.
        directory: The working directory, at which relative paths start.
        claim: What :func:`btxrd_explain.inference.target.claim_of` says of the folder.
    """

    settings: Settings
    request: Mapping[str, Any]
    provenance: Provenance
    folder: Path
    directory: Path
    claim: str


class Worker:
    """Computes chunks of images, with the reading and the network of a run on one machine."""

    def __init__(self, job: Job) -> None:
        """Take the job; the classifier is loaded with the first chunk, where an error can be reported."""
        self._job = job

    def __call__(self, item: dict[str, bytes]) -> dict[str, Any]:
        """Compute a chunk and write its rows.

        Args:
            item: ``chunk`` holds the pickled records of the images.

        Returns:
            ``part``, the name of the file, ``rows``, how many it has, ``failed``, how many of them say that
            their file failed, and ``host``; or ``error``, a pickled error of
            the package, which must not be tried again.
        """
        result: dict[str, Any] = {"part": "", "rows": 0, "failed": 0, "host": platform.node(), "error": b""}
        try:
            rows = self._rows(pickle.loads(item["chunk"]))  # noqa: S301 -- from the process that started the run
            check_claim(self._job.folder, self._job.claim)
            part = write_part(self._job.folder, self._job.provenance, rows)
        except BtxrdExplainError as error:
            return result | {"error": pickle.dumps(error)}
        failed = sum(row.status is not RowStatus.OK for row in rows)
        return result | {"part": part.name, "rows": len(rows), "failed": failed}

    @cached_property
    def _explainer(self) -> Explainer:
        """The classifier on this worker's device, after a look whether this machine is like the first."""
        job = self._job
        try:
            os.chdir(job.directory)
        except OSError as error:
            raise self._stranger(f"cannot enter '{job.directory}'") from error
        if not is_folder(job.folder):
            raise self._stranger(f"does not see '{job.folder}'")
        changes = differences(job.request, build_request(job.settings, several_labels="several_labels" in job.request))
        if changes:
            raise self._stranger("; ".join(changes))
        from btxrd_explain.inference.loading import load_explainer  # noqa: PLC0415 -- torch, after the checks

        return load_explainer(job.settings, job.request)

    def _rows(self, records: Sequence[ImageRecord]) -> list[Prediction]:
        rows = [row for batch in self._explainer.predict(records, self._job.folder) for row in batch]
        if all(row.stamp is None for row in rows):
            raise self._stranger(f"sees none of {len(rows)} images, such as '{records[0].path}'")
        return rows

    def _stranger(self, what: str) -> EngineError:
        return EngineError(
            f"worker '{platform.node()}' differs from where the run was started: {what}",
            hint="give all machines the same files and packages",
        )
