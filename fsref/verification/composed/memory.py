"""Weights that are read at other addresses of one memory, in which those of all projections lie one behind the other
(CONFORM-7).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import product

import numpy as np

from fsref.law.network import Network
from fsref.law.neuron import Ints
from fsref.law.projections import Projection
from fsref.tables import Brief
from fsref.verification.composed.delivering import delivered, read_of
from fsref.verification.composed.relation import UNSAID, Change, Mask, Part

TILES = (2, 4, 8, 16, 32)  # outputs, or inputs, that are made at once
AXES = ("output", "input", "kernel row", "kernel column")
SIZES: Mapping[str, tuple[str, ...]] = {  # how far apart weights may be read, in words and as sizes multiplied
    "0": ("0",),
    "1": (),
    "kh": ("kh",),
    "kw": ("kw",),
    "kh * kh": ("kh", "kh"),
    "kw * kw": ("kw", "kw"),
    "kh * kw": ("kh", "kw"),
    "I": ("I",),
    "I * kh": ("I", "kh"),
    "I * kw": ("I", "kw"),
    "I * kh * kh": ("I", "kh", "kh"),
    "I * kw * kw": ("I", "kw", "kw"),
    "I * kh * kw": ("I", "kh", "kw"),
    "O": ("O",),
    "O * kh * kw": ("O", "kh", "kw"),
    "C": ("C",),
    "C * kh * kw": ("C", "kh", "kw"),
    "O / G * kh * kw": ("P", "kh", "kw"),
    "the number of neurons of the source": ("N",),
}
ROUNDED = (2, 4, 8, 16, 32, 64)  # to whose multiples a pitch may be rounded up
BITS = range(3, 17)  # of addresses
NOWHERE = -(2**40)


@dataclass(frozen=True, eq=False, repr=False)
class Lying(Brief):
    """Where the weights (O, I, kh, kw) of a projection, of `rank` dimensions, lie: from `base` on, in `groups`, read
    from a source of so many channels and neurons; where those of the projections before and behind begin, of the first
    one of its kind that joins the same two populations, and of the one before where that has the same source.
    """

    shape: tuple[int, ...]
    rank: int
    groups: int
    channels: int
    neurons: int
    base: int
    before: int
    behind: int
    first: int
    held: int

    def size(self, name: str) -> int:
        """The product of sizes, by its words."""
        outputs, inputs, kh, kw = self.shape
        known = {"0": 0, "O": outputs, "I": inputs, "kh": kh, "kw": kw, "C": self.channels}
        known |= {"P": outputs // self.groups, "N": self.neurons}
        return int(np.prod([known[one] for one in SIZES[name]], dtype=np.int64))

    @property
    def pitches(self) -> list[int]:
        """How far apart the places along each axis lie."""
        return [int(np.prod(self.shape[axis + 1 :])) for axis in range(4)]

    @property
    def at(self) -> list[Ints]:
        """The places along each axis."""
        return list(np.ogrid[tuple(map(slice, self.shape))])

    @property
    def addresses(self) -> Ints:
        """The right addresses, from the base on."""
        return np.arange(int(np.prod(self.shape))).reshape(self.shape)


Place = Callable[[Lying], Ints]  # absolute addresses (O, I, kh, kw)


def addressed_otherwise() -> Iterator[Change]:
    """Weights that are read at other addresses."""
    for words, dear, place in (*_pitches(), *_tiles(), *bases()):
        yield Change(f"in yours {words}", dear, partial(_read, place))


def _pitches() -> Iterator[tuple[str, float, Place]]:
    """Other pitches of an axis, or of groups."""
    for (axis, name), size in product(enumerate(AXES), SIZES):
        yield f"the address of a weight rises by {size} with each {name}", 2.2, partial(_pitched, axis, size)
    for (axis, name), to in product(enumerate(AXES[:3]), ROUNDED):
        words = f"the address of a weight rises with each {name} by what is right, rounded up to a multiple of {to}"
        yield words, 2.3, partial(_rounded, axis, to)
    for axis, name in enumerate(AXES[:3]):
        words = f"the address of a weight rises with each {name} by what is right, rounded up to a power of two"
        yield words, 2.3, partial(_rounded, axis, 0)
    for size in SIZES:
        yield f"the address of a weight rises by {size} with each group", 2.3, partial(_grouped, size)


def _tiles() -> Iterator[tuple[str, float, Place]]:
    """Other pitches of tiles of outputs, or of inputs."""
    for n, (axis, name), size in product(TILES, enumerate(AXES[:2]), SIZES):
        rises = f"the address of a weight rises by {{}} with each tile of {n} {name}s"
        if size != "0":
            yield rises.format(f"{n} * {size}"), 2.4, partial(_tiled, axis, n, n, size)
        yield rises.format(size), 2.5, partial(_tiled, axis, n, 1, size)


def bases() -> Iterator[tuple[str, float, Place]]:
    """Other bases, and addresses of too few bits."""
    yield "weights are read from the first of all projections on", 2, lambda own: own.addresses
    yield "weights are those of the projection before", 2, lambda own: own.addresses + own.before
    yield "weights are those of the next projection", 2, lambda own: own.addresses + own.behind
    words = "weights of projections that join the same two populations are those of the first"
    yield words, 2, lambda own: own.addresses + own.first
    held = "are those of the projection before, where that has the same source"
    yield f"weights {held}", 2, lambda own: own.addresses + own.held
    yield f"weights of a conv2d {held}", 2.1, partial(_of_rank, 4)
    yield f"weights of a dense {held}", 2.1, partial(_of_rank, 2)
    yield "weights are those of the projection before, where it has that many", 2.2, _kept
    for by in (1, -1, 2, -2):
        words = f"the first weight is read {abs(by)} too {'far' if by > 0 else 'early'}, and so all others"
        yield words, 2.2 + abs(by) / 10, partial(_off, by)
    for bits in BITS:
        yield f"the address of a weight wraps at {bits} bits", 2.3, partial(_wrapped, bits)
        yield f"the address of a weight wraps at {bits} bits behind the base", 2.4, partial(_wrapped_behind, bits)
        yield f"the address of the first weight wraps at {bits} bits", 2.4, partial(_wrapped_base, bits)


def _of_rank(rank: int, own: Lying) -> Ints:
    """The weights of the projection before where that has the same source, of those of so many dimensions."""
    return own.addresses + (own.held if own.rank == rank else own.base)


def _pitched(axis: int, size: str, own: Lying) -> Ints:
    """One pitch is another."""
    pitches = own.pitches
    at = own.at[axis]
    return own.base + own.addresses + at * (own.size(size) - pitches[axis])


def _grouped(size: str, own: Lying) -> Ints:
    per_group = own.shape[0] // own.groups
    group = own.at[0] // per_group
    return own.base + own.addresses + group * (own.size(size) - per_group * own.pitches[0])


def _tiled(axis: int, n: int, times: int, size: str, own: Lying) -> Ints:
    """Tiles of places along an axis, of outputs those of a group, begin elsewhere."""
    at = own.at[axis] % (own.shape[0] // own.groups) if axis == 0 else own.at[axis]
    return own.base + own.addresses + at // n * (times * own.size(size) - n * own.pitches[axis])


def _off(by: int, own: Lying) -> Ints:
    return own.base + own.addresses + by


def _wrapped(bits: int, own: Lying) -> Ints:
    return (own.base + own.addresses) % (1 << bits)


def _wrapped_behind(bits: int, own: Lying) -> Ints:
    return own.base + own.addresses % (1 << bits)


def _wrapped_base(bits: int, own: Lying) -> Ints:
    return own.base % (1 << bits) + own.addresses


def _rounded(axis: int, to: int, own: Lying) -> Ints:
    right = own.pitches[axis]
    pitch = -(-right // to) * to if to else 1 << (right - 1).bit_length()
    return own.base + own.addresses + own.at[axis] * (pitch - right)


def _kept(own: Lying) -> Ints:
    before = own.base - own.before
    return np.where(own.addresses < before, own.before, own.base) + own.addresses


@lru_cache(maxsize=16)
def _memory(net: Network) -> tuple[Ints, Mapping[str, int]]:
    """The weights of all projections, one behind the other in their order, and where those of each begin."""
    named = net.named_projections
    ends = np.cumsum([0, *(q.weights.size for q in named.values())])
    return (
        np.concatenate([q.weights.astype(np.int64).ravel() for q in named.values()]),
        dict(zip(named, map(int, ends), strict=False)),
    )


@lru_cache(maxsize=64)
def lying(net: Network, name: str) -> Lying:
    """Where the weights of a projection lie, those of a gate as (C, 1, 1, 1)."""
    q, (memory, bases) = net.named_projections[name], _memory(net)
    begins = [*bases.values()]
    n = [*bases].index(name)
    before, behind = begins[max(n - 1, 0)], (*begins, len(memory))[n + 1]
    source, shape = net[q.source], (*q.weights.shape, 1, 1, 1)[:4]
    twin = next(one for one, other in net.named_projections.items() if _joins(other) == _joins(q))
    same = net.named_projections[twin].weights.shape == q.weights.shape
    first = bases[twin] if same else NOWHERE  # how other shapes lie is not known
    held = before if [*net.named_projections.values()][max(n - 1, 0)].sources == q.sources else begins[n]
    groups, base = getattr(q, "groups", 1), begins[n]
    return Lying(shape, q.weights.ndim, groups, source.shape[0], source.neurons, base, before, behind, first, held)


def _joins(q: Projection) -> tuple[type[Projection], str, str]:
    return type(q), q.source, q.target


def read_at(net: Network, address: Ints) -> tuple[Ints, Mask]:
    """What stands at absolute addresses, and where it is known: not beyond all weights."""
    memory, _ = _memory(net)
    there = (address >= 0) & (address < len(memory))
    return memory[np.where(there, address, 0)] * there, there


def _read(place: Place, part: Part) -> Ints:
    """What is delivered by the weights at other addresses; nothing is said where one that is not known is used."""
    read, net = read_of(part), part.scene.net
    own = lying(net, part.of)
    address = np.broadcast_to(place(own), own.shape)
    if (address == own.base + own.addresses).all():
        return part.right
    weights, there = read_at(net, address)
    found = delivered(part, read.by(weights), read.codes)
    if there.all():
        return found
    unknown = delivered(part, read.by((~there).astype(np.int64)), (read.codes != 0).astype(np.int64))
    return np.where(unknown > 0, UNSAID, found)
