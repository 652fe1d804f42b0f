from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest

from btxrd_explain.system.threads import available_cores, in_order

if TYPE_CHECKING:
    from collections.abc import Iterator


def test_results_come_in_order_whichever_is_done_first() -> None:
    delays = [0.05, 0.0, 0.03, 0.0]

    def work(place: int) -> int:
        time.sleep(delays[place])
        return place

    assert list(in_order(work, range(4), threads=4, ahead=4)) == [0, 1, 2, 3]


def test_items_are_taken_no_further_ahead_than_asked() -> None:
    taken = []

    def items() -> Iterator[int]:
        for number in range(100):
            taken.append(number)
            yield number

    results = in_order(lambda number: number, items(), threads=2, ahead=3)
    assert taken == []
    for number in range(10):
        assert next(results) == number
        assert len(taken) <= number + 5
    results.close()  # type: ignore[attr-defined]
    assert len(taken) < 20


def test_work_is_done_in_several_threads() -> None:
    together = threading.Barrier(2, timeout=5)
    assert len(list(in_order(lambda _: together.wait(), range(4), threads=2, ahead=4))) == 4


def test_what_is_raised_is_raised_in_its_place() -> None:
    results = in_order(lambda number: 1 // number, [1, 0, 1], threads=2, ahead=3)
    assert next(results) == 1
    with pytest.raises(ZeroDivisionError):
        next(results)


@pytest.mark.parametrize("ahead", [1, 2, 5])
def test_an_interrupt_loses_nothing_that_is_done(ahead: int) -> None:
    def items() -> Iterator[int]:
        yield from range(3)
        raise KeyboardInterrupt

    results = in_order(lambda number: number, items(), threads=2, ahead=ahead)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(KeyboardInterrupt):
        next(results)


def test_there_is_a_core() -> None:
    assert available_cores() >= 1
