"""Radiographs from disk to the network's input, in threads that run ahead of the network."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from btxrd_explain.core.intensity import PreparationError
from btxrd_explain.errors import RadiographError
from btxrd_explain.inputs.radiograph import read_radiograph
from btxrd_explain.predictions.record import FileStamp, Prediction, RowStatus
from btxrd_explain.system.files import relative_path, with_relative_paths
from btxrd_explain.system.places import reaching
from btxrd_explain.system.threads import available_cores, in_order

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from btxrd_explain.core.preprocess import Preprocessing
    from btxrd_explain.inputs.dataset import ImageRecord
    from btxrd_explain.inputs.radiograph import Radiograph

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

    Returns:
        The images in the order of the records, as they are read; one that cannot be read does not stop the others.
    """
    return in_order(
        lambda record: _prepare(record, preprocessing, folder),
        records,
        threads=max(_LEAST_THREADS, available_cores()),
        ahead=window,
    )


def _prepare(record: ImageRecord, preprocessing: Preprocessing, folder: Path) -> Prepared:
    """Read and prepare one image; what is wrong with a file stays with its row."""
    status = None
    with suppress(OSError), reaching(record.path):  # reading says what is wrong, in words
        status = record.path.stat()
    try:
        radiograph, tensor = read_prepared(record.path, preprocessing)
    except RadiographError as error:
        facts = {"error": with_relative_paths(str(error), folder), "stamp": _stamp(status, error.sha256)}
        return Prepared(_row(record, folder, RowStatus.UNREADABLE, **facts), None)
    stamp = _stamp(status, radiograph.sha256)
    row = _row(record, folder, RowStatus.OK, stamp=stamp, size=radiograph.size, frames=radiograph.frames)
    return Prepared(row, tensor)


def read_prepared(path: str | os.PathLike[str], preprocessing: Preprocessing) -> tuple[Radiograph, NDArray[np.float32]]:
    """Read a radiograph and prepare it for the network.

    Raises:
        RadiographError: It cannot be read, or not be prepared: the user's own transform fails on it.
    """
    radiograph = read_radiograph(path, preprocessing.needed, deep=preprocessing.deep)
    return radiograph, preprocessing.normalised(seen_of(radiograph, preprocessing, path))


def seen_of(radiograph: Radiograph, preprocessing: Preprocessing, path: str | os.PathLike[str]) -> NDArray[Any]:
    """Return what the network sees of a radiograph that was read for it, before the normalisation.

    Raises:
        RadiographError: The user's own transform fails on it, or CLAHE cannot be applied.
    """
    try:
        return preprocessing.seen(radiograph.pixels, radiograph.size)
    except PreparationError as error:  # without the hash, so that the next run tries again: functions get fixed
        raise RadiographError(
            f"'{path}' cannot be prepared: {error}", hint="check the settings of preprocess"
        ) from error


def _stamp(status: os.stat_result | None, sha256: str | None) -> FileStamp | None:
    """Return what identifies a content that was read; None where none was, so that a later run tries again."""
    return FileStamp(status.st_size, status.st_mtime_ns, sha256) if status and sha256 else None


def _row(record: ImageRecord, folder: Path, status: RowStatus, **facts: Any) -> Prediction:  # noqa: ANN401 -- the other columns
    path = relative_path(record.path, folder)
    return Prediction(record.image_id, path, record.label, record.split, status, **facts)
