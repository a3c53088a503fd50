"""The id of a network: a digest of its integers and topology (ID-1)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, assert_never

import numpy as np

from fsref.law.populations import FS, Input, MaxPool, Population, Readout
from fsref.law.projections import Conv2d, Dense, Projection

STRIP = 2**16  # numbers that are hashed at once


def identity(populations: Sequence[Population], projections: Sequence[Projection], steps: Mapping[str, int]) -> str:
    """The id of a network whose populations have so many `steps`, by name (ID-1): SHA-256 of its byte form, in
    hexadecimal.
    """
    digest = hashlib.sha256(b"FSREFID1")
    place = {p.name: index for index, p in enumerate(populations)}

    def words(*values: int | Iterable[int]) -> None:
        for value in values:
            flat = np.asarray(value).reshape(-1)
            for first in range(0, flat.size, STRIP):
                digest.update(flat[first : first + STRIP].astype("<i8").data)

    def array(values: np.ndarray[Any, Any]) -> None:
        words(values.ndim, values.shape, values)

    words(len(populations), len(projections))
    for p in populations:
        match p:
            case Input():
                words(0, p.shape, p.steps, p.max_code)
            case FS():
                words(1, p.shape, p.steps)
                for values in (p.table.T, p.table.h, p.table.d, p.bias):
                    array(values)
            case MaxPool():
                words(2, p.shape, steps[p.name], place[p.source], p.kernel, p.stride, p.padding)
            case Readout():
                words(3, p.shape, 0)
                array(p.bias)
            case _:
                assert_never(p)
    for q in projections:
        ends = (place[q.source], place[q.target])
        match q:
            case Conv2d():
                words(0, *ends, q.stride, q.padding, q.dilation, q.groups)
            case Dense():
                words(1, *ends, int(q.pooled))
            case _:
                assert_never(q)
        array(q.weights)
    return digest.hexdigest()
