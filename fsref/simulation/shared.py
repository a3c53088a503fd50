"""What two recordings both hold, array by array, and in which bits of it they differ (OBS-2, TRACE-1)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fsref.errors import UsageError
from fsref.law.network import Network
from fsref.law.populations import OBSERVABLES
from fsref.simulation.recording import Key, Trace
from fsref.tables import Brief

ROWS_BYTES = 2**24  # of an array that are compared at a time
Index = NDArray[np.intp]


@dataclass(frozen=True, eq=False, repr=False)
class Part(Brief):
    """Where one of two recordings holds what both do: the places of the neurons and steps in its array; None is all."""

    trace: Trace
    key: Key
    neurons: Index | None
    steps: Index | None

    @property
    def array(self) -> NDArray[Any]:
        """The array, mapped anew where it is on disk: there may be more arrays than open files."""
        found: NDArray[Any] = self.trace[self.key]
        return found

    @property
    def seen(self) -> NDArray[Any] | None:
        """Which bits of it were observed; None is all."""
        return self.trace.seen.get(self.key)

    def unknown(self, some: slice) -> NDArray[Any] | None:
        """Which bits of what both hold are x or z, of some images; None is none."""
        bits = self.trace.unknown.get(self.key)
        return None if bits is None else self._cut(np.broadcast_to(bits, self.array.shape)[some])

    def rows(self, some: slice) -> NDArray[Any]:
        """What both hold, of some images."""
        return self._cut(self.array[some])

    def bits(self, some: slice) -> NDArray[Any] | None:
        """Which bits of what both hold were observed, of some images; None is all."""
        seen = self.seen
        return None if seen is None else self._cut(np.broadcast_to(seen, self.array.shape)[some])

    def _cut(self, values: NDArray[Any]) -> NDArray[Any]:
        if self.steps is not None:
            values = values[:, self.steps]
        return values if self.neurons is None else values[..., self.neurons]


@dataclass(frozen=True, eq=False, repr=False)
class Shared(Brief):
    """One array that two recordings of `image_count` or more images hold of one `population`, for `neurons` and the
    steps `window` that both have.
    """

    net: Network
    key: Key
    population: str
    image_count: int
    observed: Part
    expected: Part
    neurons: Index
    window: Index

    def chunks(self) -> Iterator[tuple[slice, NDArray[Any], NDArray[Any], NDArray[Any]]]:
        """Images, a chunk at a time: which, what was observed and expected, and the bits that were observed; a bit that
        is x or z is another than expected, and none was observed of an image in which all are (TRACE-6).
        """
        each = 8 * max(1, len(self.neurons)) * (len(self.window) if self.key[1] == "membranes" else 1)
        step = max(1, ROWS_BYTES // max(1, each))
        for start in range(0, self.image_count, step):
            some = slice(start, min(start + step, self.image_count))
            observed, expected, bits = self.observed.rows(some), self.expected.rows(some), self._bits(some)
            if (unknown := self.unknown(some)) is not None:
                observed = np.where(unknown, (observed & ~unknown) | (~expected & unknown), observed)
                answered = (bits & ~unknown).reshape(len(bits), -1).any(axis=1)
                bits = np.where(answered.reshape(-1, *(1,) * (bits.ndim - 1)), bits, 0).astype(bits.dtype)
            yield some, observed, expected, bits

    def unknown(self, some: slice) -> NDArray[Any] | None:
        """The bits that either holds as x or z, of some images; None is none."""
        both = [bits for part in (self.observed, self.expected) if (bits := part.unknown(some)) is not None]
        return np.bitwise_or.reduce(both) if both else None

    def unanswered(self, some: slice) -> NDArray[np.bool_]:
        """In which of some images all that was to be observed is x or z, or was not answered at all (TRACE-6)."""
        if (unknown := self.unknown(some)) is None:
            return np.zeros(some.stop - some.start, np.bool_)
        bits = self._bits(some)
        rows = (unknown & bits).reshape(len(bits), -1)
        found: NDArray[np.bool_] = rows.any(axis=1) & ~(bits & ~unknown).reshape(len(bits), -1).any(axis=1)
        return found

    def _bits(self, some: slice) -> NDArray[Any]:
        """The bits that both observed, of the steps that both have (EVENT-2)."""
        kind = self.observed.array.dtype
        bits = np.array(-1, np.int64).astype(kind)
        if self.key[1] == "spikes":
            steps = self.net.steps[self.population]
            bits = np.array(sum(1 << (steps - 1 - t) for t in self.window.tolist()), kind)
        for part in (self.observed, self.expected):
            if (own := part.bits(some)) is not None:
                bits = bits & own
        shape = self.observed.rows(slice(some.start, some.start + 1)).shape[1:]
        return np.broadcast_to(bits, (some.stop - some.start, *shape))


def shared(observed: Trace, expected: Trace) -> list[Shared]:
    """What two recordings of one network both hold, in the order of OBS-2. Errors: UsageError for a train of more bits
    than K.
    """
    net, count = expected.net, min(observed.image_count, expected.image_count)
    found = []
    for p in net.populations:
        if p.name not in observed.selection.neurons or p.name not in expected.selection.neurons:
            continue
        chosen = [(t.selection.neurons[p.name], t.selection.window[p.name]) for t in (observed, expected)]
        neurons, ours = _both(*(n for n, _ in chosen))
        window, steps = _both(*(w for _, w in chosen))
        for observable in OBSERVABLES:
            for name in net.into(p.name) if observable == "sums" else (p.name,):
                key = name, observable
                stepped = observable in ("spikes", "membranes")
                if key not in observed.arrays or key not in expected.arrays or not len(neurons):
                    continue
                if stepped and not len(window) and any(len(own) for _, own in chosen):
                    continue
                for trace, place in ((observed, "observed"), (expected, "expected")):
                    _check_words(trace, key, place)
                parts = [
                    Part(trace, key, ours[i], steps[i] if observable == "membranes" else None)
                    for i, trace in enumerate((observed, expected))
                ]
                found.append(Shared(net, key, p.name, count, parts[0], parts[1], neurons, window))
    return found


def _both(one: Index, other: Index) -> tuple[Index, tuple[Index | None, Index | None]]:
    """What ascending lists both hold, and its places in each; None where that is all of it."""
    if np.array_equal(one, other):
        return one, (None, None)
    both, first, second = np.intersect1d(one, other, assume_unique=True, return_indices=True)
    return both, (first, second)


def _check_words(trace: Trace, key: Key, place: str) -> None:
    """Nothing, when the spikes of a recording are words of K bits (EVENT-2). Errors: UsageError."""
    array, limit = trace[key], 2 ** trace.net.steps[key[0]] if key[1] == "spikes" else 0
    if limit and array.size and int(array.max()) >= limit:
        raise UsageError(
            "OBS-2", f"{place} {' '.join(key)}", "word has more bits than K", int(array.max()), f"below {limit}"
        )
