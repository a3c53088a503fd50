"""Products of floats take one thread of NumPy's BLAS, and whoever else calls it has as many as before."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from threading import Barrier, Thread

import numpy as np
import pytest

import fsref
from fsref.graph import blas
from fsref.graph.arithmetic import conv2d


class Library:
    """A BLAS of eight threads that remembers how many it was set to."""

    def __init__(self) -> None:
        self.threads, self.set = 8, list[int]()

    def get(self) -> int:
        return self.threads

    def put(self, threads: int) -> None:
        self.threads = threads
        self.set.append(threads)


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> Library:
    """It, in the place of that of NumPy."""
    made = Library()
    monkeypatch.setattr(blas, "blas", lambda: (made.get, made.put))
    return made


def test_a_product_takes_one_thread_and_gives_the_others_back(library: Library) -> None:
    """Convolutions and dense layers multiply on one thread; afterwards, and after an error, there are as many as
    before.
    """
    rng = np.random.default_rng(1)
    for kernel in (1, 3):
        conv2d(rng.normal(size=(1, 2, 6, 6)), rng.normal(size=(4, 2, kernel, kernel)))
        assert library.set and library.set[-2:] == [1, 8]
    with pytest.raises(ValueError):
        blas.product(np.ones((2, 3)), np.ones((2, 3)))
    assert library.threads == 8


def test_products_at_once_give_the_threads_back_with_the_last(library: Library) -> None:
    """Two products of two threads overlap: none sees the other's one thread as what was there before."""
    both = Barrier(2)

    class Slow(np.ndarray):  # type: ignore[type-arg]
        def __matmul__(self, other: object) -> str:
            both.wait(60)
            assert library.threads == 1
            both.wait(60)
            return "product"

    slow = np.ones((1, 1)).view(Slow)
    threads = [Thread(target=blas.product, args=(slow, slow)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert library.set == [1, 8]


@pytest.mark.parametrize(("said", "wanted"), [(None, 1), ("2", None)])
def test_the_library_that_numpy_brought_is_found(said: str | None, wanted: int | None) -> None:
    """In a process of its own: within a product BLAS has one thread, unless the user said how many there are; where
    NumPy brought no OpenBLAS, nothing is done.
    """
    code = """
import numpy as np
from fsref.graph import blas
class Seen(np.ndarray):
    def __matmul__(self, other):
        return found[0]() if (found := blas.blas()) else None
one = np.ones((1, 1)).view(Seen)
print(blas.product(one, one), bool(list(blas.Path(np.__file__).parent.glob("../numpy.libs/*openblas*"))))
"""
    kept = {name: value for name, value in os.environ.items() if name != "OPENBLAS_NUM_THREADS"}
    settings = {**kept, "PYTHONPATH": str(Path(fsref.__file__).parent.parent)}
    settings |= {} if said is None else {"OPENBLAS_NUM_THREADS": said}
    done = subprocess.run([sys.executable, "-c", code], env=settings, capture_output=True, text=True, check=True)
    threads, brought = done.stdout.split()
    assert threads == str(wanted if brought == "True" else None)
