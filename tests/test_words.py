"""The words of fast kernels, each on every lane, alignment and extreme value, under every setting of the processor."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import words
from fsref.engines.kernels import vectors
from processors import PROCESSORS, printed


@pytest.mark.parametrize("name", words.HOLD)
def test_each_word_is_what_it_says(name: str) -> None:
    """Compiled for this processor, each word gives what Python's integers give."""
    words.HOLD[name]()


@pytest.mark.parametrize("name", PROCESSORS)
def test_each_word_is_the_same_on_every_processor(name: str, tmp_path: Path) -> None:
    """So it is as plain Python, with shuffles in place of compressing, and with nothing but what all have; operators,
    which LLVM makes of what there is, as Python only.
    """
    asked = [word for word in words.HOLD if word != "operators" or name == "python"]
    assert printed(name, words.__file__, asked, tmp_path).split() == asked


def test_python_refuses_what_a_compiled_kernel_would_do_silently() -> None:
    """An index outside an array, vectors of two kinds, a shift by all bits, a float beyond int32: each raises."""
    array = np.arange(20, dtype=np.int16)
    with pytest.raises(IndexError, match="8 to 24 of 20"):
        vectors.loads(array, 8, 16, 1)
    with pytest.raises(IndexError, match="-1 to 15 of 20"):
        vectors.stores(array, -1, vectors.zeros(np.int16, 16, 1))
    with pytest.raises(TypeError, match=r"int16 \(1, 16\) does not meet int32 \(1, 16\)"):
        vectors.zeros(np.int16, 16, 1) + vectors.zeros(np.int32, 16, 1)
    with pytest.raises(ValueError, match="a shift of int16 by 16"):
        vectors.zeros(np.int16, 16, 1) << 16
    with pytest.raises(ValueError, match="beyond int32"):
        vectors.whole(vectors.Vector(np.full((1, 4), 2**31, np.float32)))
