"""Rows of tables that are to be the same, array by array: a dataclass cannot compare fields that hold arrays."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from btxrd_explain.predictions.record import Prediction


def assert_same_row(ours: Prediction, expected: Prediction, **instead: Any) -> None:  # noqa: ANN401 -- any column
    """Compare two rows bit by bit.

    Args:
        ours: A row.
        expected: What it is to be.
        instead: What some columns are to be instead of those of ``expected``.
    """
    for name in (field.name for field in fields(expected)):
        value, wanted = getattr(ours, name), instead.get(name, getattr(expected, name))
        assert type(value) is type(wanted), name
        if isinstance(value, np.ndarray):
            np.testing.assert_array_equal(value, wanted, err_msg=name, strict=True)
        else:
            assert value == wanted, name
