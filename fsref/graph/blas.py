"""One thread for products of floats: those of images are small, and threads of NumPy's BLAS that wait for one another
on a busy machine take 20 times as long as one, which is never slower.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.floating[Any]]

FOLDERS = ("../numpy.libs", ".dylibs")  # beside NumPy: where wheels have the libraries that they bring
NAMES = [f"{before}openblas_{{}}_num_threads{after}" for before in ("scipy_", "") for after in ("64_", "")]


class _Products:
    """How many products run at the moment, in all threads, and how many threads BLAS had before the first of them."""

    lock = Lock()
    running = 0
    before = 0


@cache
def blas() -> tuple[Callable[[], int], Callable[[int], Any]] | None:
    """What tells and sets the number of threads of the OpenBLAS that NumPy brought; None where it brought none, or the
    user has set OPENBLAS_NUM_THREADS.
    """
    if "OPENBLAS_NUM_THREADS" in os.environ:
        return None
    folder = Path(np.__file__).parent
    for path in (path for name in FOLDERS for path in sorted((folder / name).glob("*openblas*"))):
        with suppress(OSError):
            library = ctypes.CDLL(str(path))  # the one that NumPy has loaded
            for name in NAMES:
                with suppress(AttributeError):
                    return getattr(library, name.format("get")), getattr(library, name.format("set"))
    return None


@contextmanager
def one_thread() -> Iterator[None]:
    """BLAS on one thread for as long as this stands; whatever else calls it later has as many as before."""
    found = blas()
    if found is None:
        yield
        return
    threads, put = found
    with _Products.lock:
        if not _Products.running:
            _Products.before = threads()
            put(1)
        _Products.running += 1
    try:
        yield
    finally:
        with _Products.lock:
            _Products.running -= 1
            if not _Products.running:
                put(_Products.before)


def product(a: Floats, b: Floats) -> Floats:
    """The matrix product a @ b, on one thread."""
    with one_thread():
        return a @ b
