"""Parallel work on many items, with only those being worked on in memory."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def processors() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0))


def in_order(
    work: Callable[[_Item], _Result], items: Iterable[_Item], workers: int
) -> Iterator[_Result]:
    """Yield the results of work on each item, in the items' order, by `workers` threads.

    Threads help where NumPy, SciPy, scikit-image or OpenCV do the work, because these release the
    interpreter lock. At most two results per worker are kept waiting. The first error ends it.
    """
    waiting: deque[Future[_Result]] = deque()
    rest = iter(items)
    with ThreadPoolExecutor(workers) as pool:
        try:
            waiting.extend(pool.submit(work, item) for item in islice(rest, 2 * workers))
            while waiting:
                result = waiting.popleft().result()
                waiting.extend(pool.submit(work, item) for item in islice(rest, 1))
                yield result
        finally:
            for future in waiting:
                future.cancel()
