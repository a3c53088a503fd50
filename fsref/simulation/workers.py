"""Threads that share the work of one call."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager


@contextmanager
def workers(threads: int) -> Iterator[ThreadPoolExecutor]:
    """A pool of so many threads; once the block fails, or is stopped, it begins nothing that it has not begun."""
    with ThreadPoolExecutor(threads) as pool:
        try:
            yield pool
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def each(threads: int, work: Callable[[int], None], given: Sequence[int]) -> None:
    """Nothing; then the work is done of each that is given, by so many threads; one is the thread that asks."""
    if min(threads, len(given)) == 1:
        for one in given:
            work(one)
        return
    with workers(threads) as pool:
        for done in [pool.submit(work, one) for one in given]:
            done.result()
