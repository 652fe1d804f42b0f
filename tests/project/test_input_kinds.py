"""Every row of the tables in docs/reference/inputs.md is tried: the page says what the program does."""

from __future__ import annotations

import pytest

from tests.support.kinds.inputs import PAGE, RUNS
from tests.support.kinds.pages import Row, executed, rows_of

ROWS = list(rows_of(PAGE.read_text("utf-8"), RUNS))


def test_the_page_has_all_its_tables() -> None:
    assert {row.header for row in ROWS} == RUNS.keys()
    assert len(ROWS) > 120


@pytest.mark.parametrize("row", ROWS)
def test_what_becomes_of_each_file_and_table(row: Row) -> None:
    assert executed(row, RUNS) == row.outcome
