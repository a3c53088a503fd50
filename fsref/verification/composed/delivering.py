"""What a projection delivers: which spikes it reads, from where, and by which weights (OBS-5)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fsref.engines import reference
from fsref.law.neuron import Ints
from fsref.law.projections import Projection
from fsref.tables import Brief
from fsref.verification.composed.relation import Change, Mask, Part, part_of
from fsref.verification.composed.told import telling, told_otherwise
from fsref.verification.composed.values import BECOMES
from fsref.verification.composed.windows import windows
from fsref.verification.scene import Scene

MOST_PLANES = 128  # that one change of products delivers
TIMES = ((0, "is lost", 1.0), (2, "counts twice", 1.5), (-1, "has the other sign", 1.8))
Which: TypeAlias = tuple[str, float, Callable[[int], Mask]]  # of an index of so many values, in words, how dear


def delivering(scene: Scene, name: str, seen: Ints) -> Part:
    """What a projection delivers, (B, C, H, W) (PROJ-1)."""
    part = telling(scene, seen, scene.sums[name])
    q, names = scene.into[name], list(scene.into)
    outputs, inputs, *kernel = q.weights.shape
    kh, kw = kernel or (1, 1)
    values = {
        "the number of projections before": names.index(name),
        "the number of outputs": outputs,
        "the number of inputs": inputs,
        "the number of kernel rows": kh,
        "the number of kernel columns": kw,
        "the number of groups": getattr(q, "groups", 1),
        "K of the source": scene.net.steps[q.source],
    }
    flags = {
        "along a conv2d": bool(kernel),
        "along a depthwise conv2d": bool(kernel) and inputs == 1 < getattr(q, "groups", 1),
        "along a kernel of one place": bool(kernel) and kh * kw == 1,
        "from the input": q.source == scene.net.input.name,
    }
    ones = np.ones(len(part.right), np.int64)
    return replace(
        part,
        of=name,
        values={"the sum": part.right, **part.values, **{word: value * ones for word, value in values.items()}},
        flags={**part.flags, **{word: held * ones > 0 for word, held in flags.items()}},
    )


@dataclass(frozen=True, eq=False, repr=False)
class Read(Brief):
    """A projection and what it reads: spikes (B, K, C, H, W) and d (K, C, 1, 1)."""

    q: Projection
    spikes: NDArray[np.bool_]
    d: Ints

    @property
    def weights(self) -> Ints:
        """Its weights (O, I, kh, kw); of a dense the last two are 1."""
        w = self.q.weights.astype(np.int64)
        return w if w.ndim == 4 else w[:, :, None, None]

    def by(self, weights: Ints) -> Projection:
        """The projection with other weights, which may be larger than a network's may (PROJ-7)."""
        q = copy(self.q)
        object.__setattr__(q, "weights", weights.reshape(self.q.weights.shape))
        return q


def read_of(part: Part) -> Read:
    """What a part is about."""
    scene, q = part.scene, part.scene.into[part.of]
    return Read(q, scene.spikes(q.source), scene.net.code_weights[q.source].T[:, :, None, None])


def delivers_otherwise(parts: Sequence[Part]) -> Iterator[Change]:
    """What may be delivered instead: other spikes, other weights, other products."""
    yield from told_otherwise(parts)
    yield from _spikes()
    yield from _weights()
    yield from _lost()
    yield from _products()
    yield from windows()


def _all(count: int) -> Mask:
    return np.ones(count, np.bool_)


def which(name: str) -> Iterator[Which]:
    """Which of an index, in words."""
    yield f"of the first {name}", 1.5, lambda n: np.arange(n) == 0
    yield f"of the last {name}", 1.5, lambda n: np.arange(n) == n - 1
    yield f"of odd {name}s", 1.8, lambda n: np.arange(n) % 2 == 1
    yield f"of even {name}s", 1.8, lambda n: np.arange(n) % 2 == 0
    yield f"of the second half of the {name}s", 2, lambda n: np.arange(n) >= n // 2
    for at in (1, 2, 3, 4, 8, 16, 32, 64):
        yield f"of {name}s from {at} on", 2.4, lambda n, at=at: np.arange(n) >= at  # type: ignore[misc]
        yield f"of {name} {at}", 2.6, lambda n, at=at: np.arange(n) == at  # type: ignore[misc]
        yield f"of the last {at + 1} {name}s", 2.6, lambda n, at=at: np.arange(n) >= n - at - 1  # type: ignore[misc]
    for over, at in product((4, 8), range(8)):
        if at < over:
            yield f"of {name}s {at}, {at + over}, ...", 2.8, lambda n, over=over, at=at: np.arange(n) % over == at  # type: ignore[misc]
    yield f"of {name}s behind the last group of 4", 2.4, lambda n: np.arange(n) >= n // 4 * 4
    yield f"of {name}s behind the last group of 8", 2.4, lambda n: np.arange(n) >= n // 8 * 8


def _sources() -> Iterator[tuple[str, float, Callable[[tuple[int, ...]], Mask]]]:
    """Parts of a source (C, H, W)."""
    yield "", 0, lambda shape: np.ones(shape, np.bool_)
    for axis, name in enumerate(("channel", "row", "column")):
        for words, dear, test in which(name):
            yield f" {words} of the source", dear, partial(_along, axis, test)
    for words, dear, test in which("neuron"):
        yield f" {words} of the source", dear, lambda shape, test=test: test(int(np.prod(shape))).reshape(shape)  # type: ignore[misc]


def _along(axis: int, test: Callable[[int], Mask], shape: tuple[int, ...]) -> Mask:
    at = [1] * len(shape)
    at[axis] = shape[axis]
    return np.broadcast_to(test(shape[axis]).reshape(at), shape)


def _steps() -> Iterator[Which]:
    """Steps of a source."""
    yield "", 0, _all
    yield from ((f" {words}", dear, test) for words, dear, test in which("step"))


def _spikes() -> Iterator[Change]:
    """Spikes that are lost, count otherwise, or are others."""
    for (where, far, inside), (when, late, at) in product(list(_sources()), list(_steps())):
        if far and late and far + late > 3.7:
            continue
        for times, what, dear in TIMES:
            if where or when or times:
                text = f"in yours a spike{when}{where} {what}"
                yield Change(text, dear + far + late, partial(_read_times, times, inside, at))
        if not (far and late):
            for words, by in (("the step before", -1), ("the next step", 1)):
                yield Change(f"in yours a spike{when}{where} delivers d of {words}", 2 + far + late, partial(_read_d, by, inside, at))
    for word, row in (("channel 0", 0), ("the last channel", -1)):
        yield Change(f"in yours a spike delivers d of {word} of the source", 2, partial(_read_row, row))
    for words, dear, to in _others():
        for where, far, inside in _sources():
            if far < 2.5:
                yield Change(f"in yours a spike{where} is read from {words}", dear + far, partial(_read_from, to, inside))
    for each in BECOMES:
        for when, late, at in _steps():
            if late < 2:
                yield Change(f"in yours d{when} {each.text}", each.dear + 1 + late, partial(_read_become, each.of, at))


def _others() -> Iterator[tuple[str, float, Callable[[int], NDArray[np.intp]]]]:
    """Other neurons of so many."""
    for by in (-1, 1):
        yield f"the neuron {'before' if by < 0 else 'behind'}", 2, lambda n, by=by: np.clip(np.arange(n) + by, 0, n - 1)  # type: ignore[misc]
    for bits in (1, 3, 7):
        yield f"the neuron at its address with the lowest {bits.bit_length()} bits inverted", 2.5, lambda n, bits=bits: np.where(np.arange(n) ^ bits < n, np.arange(n) ^ bits, np.arange(n))  # type: ignore[misc]
    for size in (8, 16, 32, 64, 128, 256):
        yield f"the neuron at its address modulo {size}", 2.3, lambda n, size=size: np.arange(n) % size  # type: ignore[misc]
    yield "the neuron as far from the other end", 2, lambda n: np.arange(n)[::-1]
    yield "the neuron half of them before", 2.4, lambda n: np.where(np.arange(n) >= (n + 1) // 2, np.arange(n) - (n + 1) // 2, np.arange(n))


def _deliver(part: Part, q: Projection, plane: Ints) -> Ints:
    """What a projection delivers from a plane, by rows of a part."""
    found = reference.along(plane, q, part.scene.population.shape)
    kept = part.scene.part
    return found.ravel() if kept is None else found[:, kept].ravel()


def _inside(read: Read, inside: Any, at: Any) -> Mask:
    """Which spikes are meant, (K, C, H, W)."""
    _, steps, *shape = read.spikes.shape
    found: Mask = inside(tuple(shape)) & at(steps)[:, None, None, None]
    return found


def _read_times(times: int, inside: Any, at: Any, part: Part) -> Ints:
    read = read_of(part)
    meant = _inside(read, inside, at)
    if not meant.any():
        return part.right
    return part.right + (times - 1) * _deliver(part, read.q, (read.spikes * (read.d * meant)).sum(axis=1))


def _read_d(by: int, inside: Any, at: Any, part: Part) -> Ints:
    read = read_of(part)
    d = np.zeros_like(read.d)
    if by > 0:
        d[:-1] = read.d[1:]
    else:
        d[1:] = read.d[:-1]
    more = (d - read.d) * _inside(read, inside, at)
    return part.right + _deliver(part, read.q, (read.spikes * more).sum(axis=1))


def _read_row(row: int, part: Part) -> Ints:
    read = read_of(part)
    more = np.broadcast_to(read.d[:, [row]], read.d.shape) - read.d
    return part.right + _deliver(part, read.q, (read.spikes * more).sum(axis=1)) if more.any() else part.right


def _read_become(of: Callable[[Ints], Ints], at: Any, part: Part) -> Ints:
    read = read_of(part)
    more = np.where(at(len(read.d))[:, None, None, None], of(read.d) - read.d, 0)
    if not more.any():
        return part.right
    return part.right + _deliver(part, read.q, (read.spikes * more).sum(axis=1))


def _read_from(to: Any, inside: Any, part: Part) -> Ints:
    scene, q = part.scene, part.scene.into[part.of]
    plane = scene.codes[q.source]
    rows = plane.reshape(len(plane), -1)
    other = rows[:, to(rows.shape[1])].reshape(plane.shape)
    meant = inside(plane.shape[1:])
    if not meant.any():
        return part.right
    return _deliver(part, q, np.where(meant, other, plane))


def _of_weights() -> Iterator[tuple[str, float, Callable[[Ints], Mask]]]:
    """Parts of weights (O, I, kh, kw)."""
    yield "", 0, lambda w: np.ones(w.shape, np.bool_)
    yield " below 0", 1, lambda w: w < 0
    yield " above 0", 1.2, lambda w: w > 0
    yield " that is even", 2, lambda w: w % 2 == 0
    yield " that is odd", 2, lambda w: w % 2 == 1
    for value in (1, -1, 127, -127, -128, 128):
        yield f" {value}", 2.2, lambda w, value=value: w == value  # type: ignore[misc]
    for axis, name in ((1, "input"), (2, "kernel row"), (3, "kernel column")):
        for words, dear, test in which(name):
            yield f" {words}", dear, lambda w, axis=axis, test=test: _along(axis, test, w.shape)  # type: ignore[misc]


def _weights() -> Iterator[Change]:
    """Weights that become others, or stand elsewhere."""
    parts = list(_of_weights())
    for each in BECOMES:
        for where, far, inside in parts:
            if far + each.dear < 4.6:
                yield Change(f"in yours a weight{where} {each.text}", each.dear + 0.5 + far, partial(_weigh, each.of, inside))
    for axis, name in enumerate(("output", "input", "kernel row", "kernel column")):
        for words, dear, to in _indices(name):
            for where, far, inside in parts[:1] + [one for one in parts[11:] if one[1] < 2.5]:
                text = f"in yours a weight{where} is that of {words}"
                yield Change(text, dear + far, partial(_weigh, partial(_taken, axis, to), inside))
    for rise, words in ((1, "output"), (2, "two outputs"), (4, "four outputs"), (8, "eight outputs")):
        for by in (1, -1):
            text = f"in yours the address of a weight is one {'further' if by > 0 else 'less'} with each {words}"
            yield Change(text, 3, partial(_weigh, partial(_drifted, rise, by), parts[0][2]))
    for by in (1, -1):
        yield Change(f"in yours the address of a weight is one too {'high' if by > 0 else 'low'}", 2, partial(_weigh, partial(_at, by), parts[0][2]))


def _indices(name: str) -> Iterator[tuple[str, float, Callable[[int], NDArray[np.intp]]]]:
    """Other values of an index of so many."""
    yield f"the {name} before", 2, lambda n: np.maximum(np.arange(n) - 1, 0)
    yield f"the next {name}", 2, lambda n: np.minimum(np.arange(n) + 1, n - 1)
    yield f"the {name} before, around the end", 2.2, lambda n: (np.arange(n) - 1) % n
    yield f"the next {name}, around the end", 2.2, lambda n: (np.arange(n) + 1) % n
    yield f"the {name} as far from the other end", 2, lambda n: np.arange(n)[::-1]
    yield f"the first {name}", 2, lambda n: 0 * np.arange(n)
    yield f"the last {name}", 2, lambda n: 0 * np.arange(n) + n - 1
    for bits in (1, 3, 7):
        yield f"the {name} with the lowest {bits.bit_length()} bits inverted", 2.4, lambda n, bits=bits: np.where(np.arange(n) ^ bits < n, np.arange(n) ^ bits, np.arange(n))  # type: ignore[misc]
    for size in (2, 4, 8, 16, 32, 64):
        yield f"the {name} modulo {size}", 2.4, lambda n, size=size: np.arange(n) % size  # type: ignore[misc]
        yield f"the first {name} of {size}", 2.6, lambda n, size=size: np.arange(n) // size * size  # type: ignore[misc]
        yield f"the {name} turned round behind the last group of {size}", 3, lambda n, size=size: np.concatenate([np.arange(n // size * size), np.arange(n // size * size, n)[::-1]])  # type: ignore[misc]
    yield f"the {name} of the other half", 2.6, lambda n: (np.arange(n) + n // 2) % n
    yield f"the {name} half of them before", 2.6, lambda n: np.where(np.arange(n) >= n // 2, np.arange(n) - n // 2, np.arange(n))


def _taken(axis: int, to: Any, w: Ints) -> Ints:
    return w.take(to(w.shape[axis]), axis)


def _drifted(rise: int, by: int, w: Ints) -> Ints:
    rows = w.reshape(len(w), -1)
    at = np.arange(rows.size).reshape(rows.shape) + by * (np.arange(len(rows)) // rise)[:, None]
    return rows.ravel()[at % rows.size].reshape(w.shape)


def _at(by: int, w: Ints) -> Ints:
    return np.roll(w.ravel(), -by).reshape(w.shape)


def _weigh(of: Callable[[Ints], Ints], inside: Callable[[Ints], Mask], part: Part) -> Ints:
    read = read_of_weights(part)
    w = read.weights
    other = np.where(inside(w), of(w), w)
    if (other == w).all():
        return part.right
    return _deliver(part, read.by(other), part.scene.codes[read.q.source])


def read_of_weights(part: Part) -> Read:
    """What a part is about, but for its spikes."""
    return Read(part.scene.into[part.of], np.zeros(0, np.bool_), np.zeros(0, np.int64))


def _lost() -> Iterator[Change]:
    """Products lost, or counted otherwise, by their place in the source and in the kernel at once."""
    for (row, far, above), (column, near, beside) in product(list(which("kernel row"))[:4], list(which("kernel column"))[:4]):
        for times, what, dear in TIMES[:2]:
            text = f"in yours a product {row} and {column} {what}"
            yield Change(text, dear + far + near - 1, partial(_tap_times, times, above, beside))
    sources = [one for one in _sources() if 0 < one[1] < 2]
    for (where, far, inside), (of, near, there) in product(sources, [one for one in _of_weights() if 0 < one[1] < 2]):
        for times, what, dear in TIMES[:2]:
            text = f"in yours a product by a weight{of} from a neuron{where} {what}"
            yield Change(text, dear + far + near, partial(_product_times, times, inside, there))


def _tap_times(times: int, above: Any, beside: Any, part: Part) -> Ints:
    read = read_of_weights(part)
    w = read.weights
    weights = np.where(_along(2, above, w.shape) & _along(3, beside, w.shape), w, 0)
    if not weights.any():
        return part.right
    return part.right + (times - 1) * _deliver(part, read.by(weights), part.scene.codes[read.q.source])


def _product_times(times: int, inside: Any, there: Any, part: Part) -> Ints:
    read = read_of_weights(part)
    plane = part.scene.codes[read.q.source]
    meant, weights = inside(plane.shape[1:]), np.where(there(read.weights), read.weights, 0)
    if not meant.any() or not weights.any():
        return part.right
    return part.right + (times - 1) * _deliver(part, read.by(weights), plane * meant)


def _products() -> Iterator[Change]:
    """Products w * d that become others."""
    signs: tuple[tuple[str, float, Callable[[Ints], Mask]], ...] = (
        ("", 0, lambda v: np.ones(v.shape, np.bool_)),
        (" below 0", 1, lambda v: v < 0),
        (" above 0", 1, lambda v: v > 0),
    )
    for each in BECOMES:
        for sign, far, inside in signs:
            for when, late, at in _steps():
                if late < 1.6 and each.dear + far + late < 4.2:
                    yield Change(f"in yours a product{sign}{when} {each.text}", each.dear + 0.8 + far + late, partial(_multiply, each.of, inside, at))


def _multiply(of: Callable[[Ints], Ints], inside: Callable[[Ints], Mask], at: Any, part: Part) -> Ints | None:
    read = read_of(part)
    rows = read.d[:, :, 0, 0]
    kinds = [np.flatnonzero((rows == row[:, None]).all(axis=0)) for row in np.unique(rows.T, axis=0)]
    if len(kinds) * len(rows) > MOST_PLANES:
        return None
    found = part.right
    for channels in kinds:  # of one row of d
        for t in np.flatnonzero(at(len(rows))):
            products = read.weights * rows[t, channels[0]]
            other = np.where(inside(products) & (read.weights != 0), of(products), products)
            if (other != products).any():
                plane = np.zeros_like(read.spikes[:, t], dtype=np.int64)
                plane[:, channels] = read.spikes[:, t][:, channels]
                found = found + _deliver(part, read.by(other - products), plane)
    return found
