"""The search for what no file may tell finds it, however it is packed."""

from __future__ import annotations

import base64
import gzip
import json
import zipfile
import zlib
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image, PngImagePlugin

from tests.support.texts import texts_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MARK = "/home/nobody/années"
_TABLE = pa.table({"a": [1, 2]})


def _png(path: Path, *, packed: bool) -> None:
    facts = PngImagePlugin.PngInfo()
    facts.add_itxt("Comment", MARK, zip=packed)
    Image.fromarray(np.zeros((2, 2), np.uint8)).save(path, "PNG", pnginfo=facts)


def _archive(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.json", json.dumps({"place": MARK}))


WAYS: dict[str, Callable[[Path], object]] = {
    "text": lambda path: path.write_text(MARK, "utf-8"),
    "UTF-16": lambda path: path.write_text(MARK, "utf-16-le"),
    "JSON": lambda path: path.write_text(json.dumps([MARK])),
    "PNG": lambda path: _png(path, packed=False),
    "packed in a PNG": lambda path: _png(path, packed=True),
    "archive": _archive,
    "gzip": lambda path: path.write_bytes(gzip.compress(MARK.encode())),
    "base64 of zlib": lambda path: path.write_bytes(base64.b64encode(zlib.compress(MARK.encode() * 3))),
    "metadata of Parquet": lambda path: pq.write_table(_TABLE.replace_schema_metadata({"a": MARK}), path),
    "cells of Parquet": lambda path: pq.write_table(pa.table({"a": [MARK] * 2}), path, compression="zstd"),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_mark_is_found(tmp_path: Path, way: str) -> None:
    WAYS[way](tmp_path / "file")
    assert any(MARK in text for text in texts_of(tmp_path / "file"))
