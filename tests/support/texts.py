"""All texts in a file, however they are packed: archives, compressed chunks, base64, the cells of a table."""

from __future__ import annotations

import base64
import binascii
import io
import re
import zipfile
import zlib
from contextlib import suppress
from typing import TYPE_CHECKING

import pyarrow.parquet as pq

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_PACKED = re.compile(rb"x[\x01\x5e\x9c\xda]|\x1f\x8b\x08")
"""How a stream of zlib or gzip begins."""
_ESCAPE = re.compile(r"\\u([0-9a-fA-F]{4})")
_BASE64 = re.compile(rb"[A-Za-z0-9+/]{24,}={0,2}")


def texts_of(path: Path) -> Iterator[str]:
    """Yield the content of a file as text, and that of all that is packed in it."""
    data = path.read_bytes()
    yield from _texts(data)
    if data[:4] == b"PAR1":
        table = pq.read_table(io.BytesIO(data))
        for key, value in (table.schema.metadata or {}).items():
            yield from _texts(key)
            yield from _texts(value)
        for column in table.column_names:
            if "grid" not in column:
                yield repr(table.column(column).to_pylist())


def _texts(data: bytes, depth: int = 0) -> Iterator[str]:
    yield data.decode("utf-8", "replace")
    yield data.decode("utf-16-le", "replace")
    if b"\\u" in data:  # as JSON writes them
        yield _ESCAPE.sub(lambda found: chr(int(found[1], 16)), data.decode("utf-8", "replace"))
    if depth == 3:
        return
    for part in _unpacked(data):
        yield from _texts(part, depth + 1)


def _unpacked(data: bytes) -> Iterator[bytes]:
    if data[:4] == b"PK\x03\x04":
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            yield from (archive.read(name) for name in archive.namelist())
    for found in _PACKED.finditer(data):
        with suppress(zlib.error):
            yield zlib.decompressobj(wbits=47).decompress(data[found.start() :])  # zlib or gzip, as its head says
    for found in _BASE64.finditer(data):
        with suppress(binascii.Error):
            text = found[0].rstrip(b"=")
            yield base64.b64decode(text[: len(text) // 4 * 4])
