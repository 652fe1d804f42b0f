"""Rows that no file of a table holds yet: a log that grows by a record per batch.

A record is self-contained: its length, a checksum, and a record batch with its schema as an Arrow stream. What a
power failure tore off at the end is seen by either, and passed over. A file that does not begin like a log is somebody
else's: it is neither written nor removed.
"""

from __future__ import annotations

import os
from contextlib import suppress
from hashlib import blake2b
from typing import TYPE_CHECKING

import pyarrow as pa

from btxrd_explain.errors import TableError
from btxrd_explain.predictions.provenance import Provenance
from btxrd_explain.predictions.schema import from_batch, table_schema, to_batch
from btxrd_explain.system.files import cannot_write, remove
from btxrd_explain.system.places import foreign, make_folder, open_own, sync_folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from btxrd_explain.predictions.record import Prediction

_LENGTH_BYTES = 8
_CHECKSUM_BYTES = 16
_SPARE = b"\0\0\0\0"
"""The high bytes of a length: no record has four gigabytes. A text does not begin like that."""
_STREAM = b"\xff\xff\xff\xff"
"""How an Arrow stream begins."""


class RowLog:
    """The log in a folder.

    Args:
        folder: The folder of the files that its rows will move to.
    """

    def __init__(self, folder: Path) -> None:
        """Name the log; nothing is written yet."""
        self.path = folder / ".log"

    def append(self, provenance: Provenance, rows: Sequence[Prediction]) -> None:
        """Append some rows; when this returns they survive a crash.

        Raises:
            OutputError: They cannot be written, or something else has the name of the log.
        """
        record = _to_record(provenance, rows)
        new = not self.path.exists()
        size = 0 if new else self.path.stat().st_size
        try:
            if new:
                make_folder(self.path.parent)
            with os.fdopen(open_own(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND), "ab") as file:
                file.write(record)
                file.flush()
                os.fsync(file.fileno())
            if new:
                sync_folder(self.path.parent)
        except OSError as error:
            with suppress(OSError):
                os.truncate(self.path, size)  # half a record would hide those that other threads may still append
            raise cannot_write(self.path, error) from error

    def read(self) -> Iterator[tuple[Provenance, list[Prediction]]]:
        """Yield what was appended, record by record, up to the first that is torn.

        Raises:
            TableError: The log cannot be read.
            OutputError: It is not one.
        """
        try:
            with os.fdopen(open_own(self.path, os.O_RDONLY), "rb") as file:
                data = file.read()
        except FileNotFoundError:
            return
        except OSError as error:
            raise TableError(f"cannot read '{self.path}' ({error.strerror})", hint="check its permissions") from error
        if not _begins_like_a_log(data):
            raise foreign(self.path, "a file")
        while (end := _end_of(data)) is not None:
            try:
                yield _from_record(data[_LENGTH_BYTES + _CHECKSUM_BYTES : end])
            except (pa.ArrowException, TableError):
                return
            data = data[end:]

    def clear(self) -> None:
        """Remove the log; its rows stand in a file now.

        Raises:
            OutputError: It cannot be removed.
        """
        remove(self.path)


def _to_record(provenance: Provenance, rows: Sequence[Prediction]) -> bytes:
    sink = pa.BufferOutputStream()
    schema = table_schema(provenance)
    with pa.ipc.new_stream(sink, schema) as writer:
        writer.write_batch(to_batch(rows, schema))
    content: bytes = sink.getvalue().to_pybytes()
    return len(content).to_bytes(_LENGTH_BYTES) + _checksum(content) + content


def _from_record(content: bytes) -> tuple[Provenance, list[Prediction]]:
    with pa.ipc.open_stream(content) as reader:
        return Provenance.decode(reader.schema.metadata), list(from_batch(reader.read_next_batch()))


def _begins_like_a_log(data: bytes) -> bool:
    """Return whether a file can be a log, also one of which a power failure left a part, or nothing but zeros."""
    start = _LENGTH_BYTES + _CHECKSUM_BYTES
    marks = (_SPARE, data[: len(_SPARE)]), (_STREAM, data[start : start + len(_STREAM)])
    return all(mark.startswith(found.rstrip(b"\0")) for mark, found in marks)


def _end_of(data: bytes) -> int | None:
    """Return where the first record ends; None without a whole one."""
    start = _LENGTH_BYTES + _CHECKSUM_BYTES
    end = start + int.from_bytes(data[:_LENGTH_BYTES])
    whole = start < end <= len(data) and _checksum(data[start:end]) == data[_LENGTH_BYTES:start]
    return end if whole else None


def _checksum(content: bytes) -> bytes:
    return blake2b(content, digest_size=_CHECKSUM_BYTES).digest()
