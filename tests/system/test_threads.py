from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import pytest

from btxrd_explain.system.threads import available_cores, in_order

if TYPE_CHECKING:
    from collections.abc import Iterator


def test_results_come_in_order_whichever_is_done_first() -> None:
    done = [threading.Event() for _ in range(4)]

    def work(place: int) -> int:
        assert place == 3 or done[place + 1].wait(timeout=600)  # the last is done first
        done[place].set()
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
    together = threading.Barrier(2, timeout=600)
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


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system binds no process to cores")
def test_cores_that_are_kept_from_the_process_do_not_count() -> None:
    before = os.sched_getaffinity(0)
    assert available_cores() == len(before)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert available_cores() == 1
    finally:
        os.sched_setaffinity(0, before)


def test_where_the_system_binds_no_process_all_cores_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 7)
    assert available_cores() == 7
