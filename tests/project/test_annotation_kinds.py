"""Every row of the tables in docs/reference/annotation-kinds.md is tried: the page says what the program does."""

from __future__ import annotations

import pytest

from tests.support.kinds.annotations import PAGE, RUNS
from tests.support.kinds.pages import Row, executed, rows_of

ROWS = list(rows_of(PAGE.read_text("utf-8"), RUNS))


def test_the_page_has_all_its_tables() -> None:
    assert {row.header for row in ROWS} == RUNS.keys()
    assert len(ROWS) > 90


@pytest.mark.parametrize("row", ROWS)
def test_what_becomes_of_each_annotation(row: Row) -> None:
    assert executed(row, RUNS) == row.outcome
