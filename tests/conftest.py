"""Fixtures that several test modules share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real radiographs, annotations and heat maps; licences forbid shipping it."""
    folder = os.environ.get("BTXRD_EXPLAIN_REAL_DATA")
    if not folder:
        pytest.skip("BTXRD_EXPLAIN_REAL_DATA names no folder of real radiographs")
    return Path(folder)
