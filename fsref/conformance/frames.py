"""Frames: how a network, a run and an answer lie in 64-bit words (CONFORM-1)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fsref.law.identity import words
from fsref.law.network import Network
from fsref.law.populations import OBSERVABLES
from fsref.simulation.recording import Key

HELLO, LOAD, RUN, RESET, BYE, REFUSED = range(6)
VERSION = 1
Words = NDArray[np.int64]


def load_frame(net: Network) -> Words:
    """The frame that loads a network."""
    return np.concatenate([[LOAD], *words(net.populations, net.projections, net.steps)]).astype(np.int64)


def run_frame(net: Network, given: Mapping[Key, NDArray[Any]], asked: Sequence[Key]) -> Words:
    """The frame that runs what is given, and asks for observables."""
    parts: list[Any] = [[RUN, len(given)]]
    for key, values in given.items():
        parts += [[*_place(net, key), values.size], values.reshape(-1)]
    parts.append([len(asked)])
    parts += [_place(net, key) for key in asked]
    return np.concatenate(parts).astype(np.int64)


def to_bytes(frame: Words) -> bytes:
    """A frame as a device that takes frames reads it: its number of words, then these, little-endian."""
    return np.concatenate([[frame.size], frame]).astype("<i8").tobytes()


def to_hex(frame: Iterable[int]) -> str:
    """A frame as a line of hexadecimal words, two's complement."""
    return " ".join(f"{int(word) & (2**64 - 1):016x}" for word in frame)


def _place(net: Network, key: Key) -> tuple[int, int]:
    """The index of a population or projection, and the number of an observable."""
    of, what = key
    names = list(net.named_projections) if what == "sums" else [p.name for p in net.populations]
    return names.index(of), OBSERVABLES.index(what)
