"""Threads that share the work of one call."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any


class Here(Executor):
    """The thread that asks: it does what is submitted at once, and fails where that does."""

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
        done: Future[Any] = Future()
        done.set_result(function(*arguments, **named))
        return done


@contextmanager
def workers(threads: int) -> Iterator[Executor]:
    """A pool of so many threads, this one where that is enough; once the block fails, or is stopped, it begins nothing
    that it has not begun.
    """
    if threads == 1:
        yield Here()
        return
    with ThreadPoolExecutor(threads) as pool:
        try:
            yield pool
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
