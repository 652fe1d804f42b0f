"""Radiographs from disk to the network's input, in threads that run ahead of the network."""

from __future__ import annotations

import os
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from btxrd_explain.errors import RadiographError
from btxrd_explain.files import relative_path
from btxrd_explain.inputs.radiograph import read_radiograph
from btxrd_explain.predictions.record import FileStamp, Prediction, RowStatus

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from btxrd_explain.core.preprocess import Preprocessing
    from btxrd_explain.inputs.dataset import ImageRecord

_LEAST_THREADS = 4
"""On few cores more threads than cores wait for the disk or the network drive while others decode."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """An image on its way to the network.

    Attributes:
        row: What is known of it so far; its error where it could not be read.
        tensor: The network's input, float32, shape ``(channels, height, width)``; None where it could not be read.
    """

    row: Prediction
    tensor: NDArray[np.float32] | None


def read_ahead(
    records: Iterable[ImageRecord], preprocessing: Preprocessing, *, folder: Path, window: int
) -> Iterator[Prepared]:
    """Read and prepare images in threads.

    Args:
        records: The images.
        preprocessing: How the network wants them.
        folder: The table's folder, to which the rows' paths are relative.
        window: How many images may be ahead of the caller.

    Yields:
        The images in the order of the records; one that cannot be read does not stop the others.
    """
    waiting = iter(records)
    # Pillow, OpenCV and the file system release the interpreter lock: threads really work side by side.
    pool = ThreadPoolExecutor(max(_LEAST_THREADS, os.cpu_count() or 1), thread_name_prefix="read")

    def submit(count: int) -> None:
        queue.extend(pool.submit(_prepare, record, preprocessing, folder) for record in islice(waiting, count))

    queue: deque[Future[Prepared]] = deque()
    try:
        submit(window)
        while queue:
            prepared = queue.popleft().result()
            submit(1)
            yield prepared
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _prepare(record: ImageRecord, preprocessing: Preprocessing, folder: Path) -> Prepared:
    """Read and prepare one image; what is wrong with a file stays with its row."""
    stamp = None
    try:
        status = record.path.stat()
        stamp = FileStamp(status.st_size, status.st_mtime_ns, None)
        radiograph = read_radiograph(record.path, preprocessing.needed)
    except (RadiographError, OSError) as error:
        return Prepared(_row(record, folder, RowStatus.UNREADABLE, error=str(error), stamp=stamp), None)
    stamp = FileStamp(stamp.size, stamp.mtime_ns, radiograph.sha256)
    row = _row(record, folder, RowStatus.OK, stamp=stamp, size=radiograph.size)
    return Prepared(row, preprocessing.apply(radiograph.pixels, radiograph.size))


def _row(record: ImageRecord, folder: Path, status: RowStatus, **facts: Any) -> Prediction:  # noqa: ANN401 -- the other columns
    path = relative_path(record.path, folder)
    return Prediction(record.image_id, path, record.label, record.split, status, **facts)
