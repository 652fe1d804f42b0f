"""Rows that no file of a table holds yet: a log that grows by a record per batch.

A record is self-contained: its length, a checksum, and a record batch with its schema as an Arrow stream. What a
power failure tore off at the end is seen by either, and passed over.
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
from btxrd_explain.system.places import make_folder, sync_folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from btxrd_explain.predictions.record import Prediction

_LENGTH_BYTES = 8
_CHECKSUM_BYTES = 16


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
            OutputError: They cannot be written.
        """
        record = _to_record(provenance, rows)
        new = not self.path.exists()
        size = 0 if new else self.path.stat().st_size
        try:
            if new:
                make_folder(self.path.parent)
            with self.path.open("ab") as file:
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
        """
        try:
            data = self.path.read_bytes()
        except FileNotFoundError:
            return
        except OSError as error:
            raise TableError(f"cannot read '{self.path}' ({error.strerror})", hint="check its permissions") from error
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


def _end_of(data: bytes) -> int | None:
    """Return where the first record ends; None without a whole one."""
    start = _LENGTH_BYTES + _CHECKSUM_BYTES
    end = start + int.from_bytes(data[:_LENGTH_BYTES])
    whole = start < end <= len(data) and _checksum(data[start:end]) == data[_LENGTH_BYTES:start]
    return end if whole else None


def _checksum(content: bytes) -> bytes:
    return blake2b(content, digest_size=_CHECKSUM_BYTES).digest()
