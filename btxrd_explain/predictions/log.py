"""Rows that no file of a table holds yet: a log that grows by an Arrow stream per batch.

A stream has its own schema, one record batch, and with it the batch's checksum. Arrow sees what a power failure tore
off; the checksum sees what it left as zeros. A file that does not begin like a log is somebody else's: it is neither
written nor removed.
"""

from __future__ import annotations

import os
from contextlib import suppress
from hashlib import blake2b
from typing import TYPE_CHECKING

import pyarrow as pa

from btxrd_explain.errors import TableError, memory_is_short
from btxrd_explain.predictions.provenance import Provenance
from btxrd_explain.predictions.schema import from_batch, table_schema, to_batch
from btxrd_explain.system.files import cannot_write, remove
from btxrd_explain.system.places import foreign, make_folder, open_own, sync_folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from io import FileIO
    from pathlib import Path

    from btxrd_explain.predictions.record import Prediction

_STREAM = b"\xff\xff\xff\xff"
"""How an Arrow stream begins."""
_FORMER_HEAD = 24
"""Bytes of length and checksum before each stream in the logs of 0.1.0; the high bytes of the length are 0."""
_CHECKSUM = b"blake2b"


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
        stream = _to_stream(provenance, rows)
        new = not self.path.exists()
        try:
            if new:
                make_folder(self.path.parent)
            with os.fdopen(open_own(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND), "ab", 0) as file:
                _append(file, stream)
            if new:
                sync_folder(self.path.parent)
        except OSError as error:
            raise cannot_write(self.path, error) from error

    def read(self) -> Iterator[tuple[Provenance, list[Prediction]]]:
        """Yield what was appended, batch by batch, up to the first that is torn.

        Of a log of release 0.1.0 nothing is yielded: its rows were computed by that release, and hold for no other.

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
        source = pa.BufferReader(data)
        try:
            while source.tell() < len(data):
                with pa.ipc.open_stream(source) as reader:
                    yield _rows_of(reader)
                    reader.read_all()  # up to its end, where the next one begins
        except (pa.ArrowException, OSError, StopIteration, TableError) as error:
            if memory_is_short(error):
                raise
            return  # what comes next is torn

    def clear(self) -> None:
        """Remove the log; its rows are in a file now.

        Raises:
            OutputError: It cannot be removed.
        """
        remove(self.path)


def _append(file: FileIO, stream: bytes) -> None:
    """Append a stream whole or not at all: half of one would hide those that other threads may still append."""
    size = os.fstat(file.fileno()).st_size
    rest = memoryview(stream)
    try:
        while rest:
            rest = rest[file.write(rest) :]
        os.fsync(file.fileno())
    except OSError:
        with suppress(OSError):
            os.ftruncate(file.fileno(), size)
        raise


def _to_stream(provenance: Provenance, rows: Sequence[Prediction]) -> bytes:
    sink, schema = pa.BufferOutputStream(), table_schema(provenance)
    batch = to_batch(rows, schema)
    with pa.ipc.new_stream(sink, schema) as writer:
        writer.write_batch(batch, custom_metadata={_CHECKSUM: _checksum(batch)})
    content: bytes = sink.getvalue().to_pybytes()
    return content


def _rows_of(reader: pa.RecordBatchStreamReader) -> tuple[Provenance, list[Prediction]]:
    """Read the batch of a stream, and raise what :meth:`RowLog.read` takes for the sign of a torn one."""
    batch, metadata = reader.read_next_batch_with_custom_metadata()
    batch.validate(full=True)
    if not metadata or metadata.get(_CHECKSUM) != _checksum(batch):
        raise pa.ArrowInvalid("the batch is not what was written")
    return Provenance.decode(reader.schema.metadata), list(from_batch(batch))


def _checksum(batch: pa.RecordBatch) -> bytes:
    return blake2b(batch.serialize(), digest_size=16).hexdigest().encode()


def _begins_like_a_log(data: bytes) -> bool:
    """Return whether a file can be a log, also one of 0.1.0, or one of which a power failure left zeros or a part."""
    former = data.startswith(bytes(len(_STREAM))) and data[_FORMER_HEAD:].startswith(_STREAM)
    return former or _STREAM.startswith(data.rstrip(b"\0")[: len(_STREAM)])
