"""The id of a network: a digest of its integers and topology (ID-1)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, assert_never

import numpy as np
from numpy.typing import NDArray

from fsref.law.populations import FS, Input, MaxPool, Population, Readout, View
from fsref.law.projections import Conv2d, Dense, Gate, Projection

STRIP = 2**16  # numbers that are hashed at once


def identity(populations: Sequence[Population], projections: Sequence[Projection], steps: Mapping[str, int]) -> str:
    """The id of a network whose populations have so many `steps`, by name (ID-1): SHA-256 of its byte form, in
    hexadecimal.
    """
    digest = hashlib.sha256(b"FSREFID1")
    for part in words(populations, projections, steps):
        digest.update(part.data)
    return digest.hexdigest()


def words(
    populations: Sequence[Population], projections: Sequence[Projection], steps: Mapping[str, int]
) -> Iterator[NDArray[Any]]:
    """The words of the byte form, little-endian int64, part by part (ID-1)."""
    place = {p.name: index for index, p in enumerate(populations)}

    def told(*values: int | Iterable[int]) -> Iterator[NDArray[Any]]:
        for value in values:
            flat = np.asarray(value).reshape(-1)
            for first in range(0, flat.size, STRIP):
                yield flat[first : first + STRIP].astype("<i8")

    def array(values: np.ndarray[Any, Any]) -> Iterator[NDArray[Any]]:
        return told(values.ndim, values.shape, values)

    yield from told(len(populations), len(projections))
    for p in populations:
        match p:
            case Input():
                yield from told(0, p.shape, p.steps, p.max_code)
            case FS():
                yield from told(1, p.shape, p.steps)
                for values in (p.table.T, p.table.h, p.table.d, p.bias):
                    yield from array(values)
            case MaxPool():
                yield from told(2, p.shape, steps[p.name], place[p.source], p.kernel, p.stride, p.padding)
            case View():
                yield from told(4, p.shape, steps[p.name], place[p.source])
                for values in (p.rows, p.columns):
                    yield from array(values)
            case Readout():
                yield from told(3, p.shape, 0)
                yield from array(p.bias)
            case _:
                assert_never(p)
    for q in projections:
        ends = (place[q.source], place[q.target])
        match q:
            case Conv2d():
                yield from told(0, *ends, q.stride, q.padding, q.dilation, q.groups)
            case Dense():
                yield from told(1, *ends, int(q.pooled))
            case Gate():
                yield from told(2, *ends, place[q.by])
            case _:
                assert_never(q)
        yield from array(q.weights)
