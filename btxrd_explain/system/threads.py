"""Work in threads whose results come in the order of what was asked for, in bounded memory."""

from __future__ import annotations

import os
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice, takewhile
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_order(
    function: Callable[[Item], Result], items: Iterable[Item], *, threads: int, ahead: int
) -> Iterator[Result]:
    """Call a function on items in threads.

    NumPy, OpenCV, Pillow and the file system release the interpreter lock, so that threads really work side by side.

    Args:
        function: Called once per item.
        items: Taken in the calling thread, as results are taken.
        threads: How many work at once.
        ahead: How many items may be in work or done before their result is taken; bounds the memory.

    Yields:
        The results in the order of the items; what the function or the items raise, or an interrupt, is raised after
        the results that come before it: they may have cost much.
    """
    waiting = iter(items)
    pool = ThreadPoolExecutor(threads)
    queue: deque[Future[Result]] = deque()
    try:
        queue.extend(pool.submit(function, item) for item in islice(waiting, ahead))
        while queue:
            queue[0].result()
            queue.extend(pool.submit(function, item) for item in islice(waiting, 1))
            yield queue.popleft().result()
    except GeneratorExit:
        raise
    except BaseException:
        pool.shutdown(wait=True, cancel_futures=True)
        yield from (future.result() for future in takewhile(_has_result, queue))
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _has_result(future: Future[Any]) -> bool:
    return not future.cancelled() and future.exception() is None


def available_cores() -> int:
    """Return the number of processor cores that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)  # not on every system
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def share_cores() -> None:
    """Let torch's threads sleep, not spin, while they wait for each other, so that decoding gets the time.

    A thread of OpenMP that waits at the end of a layer keeps its core busy. Where other threads or programs want the
    cores too, a network on two cores took three times as long by it. Only what is asked for before torch is imported
    counts, and a choice of the user's own stays.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
