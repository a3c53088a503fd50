"""Threads that share the work of one call."""

from __future__ import annotations

from collections.abc import Iterator
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
