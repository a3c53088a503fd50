"""Weights that are read at other addresses of a memory, in which those of all projections lie one behind the other, or
of several, which take outputs in turn (CONFORM-7).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import product

import numpy as np

from fsref.law.network import Network
from fsref.law.neuron import Ints
from fsref.law.populations import Shape
from fsref.law.projections import Conv2d, Projection
from fsref.tables import Brief
from fsref.verification.composed.addresses import IN_TURN, Pitches, pitches
from fsref.verification.composed.delivering import delivered, read_of, rows_of
from fsref.verification.composed.relation import MOSTLY, UNSAID, Change, Mask, Part

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
MOST = 2**22  # codes that windows of another kernel see
BITS = range(3, 17)  # of addresses
NOWHERE = -(2**40)


@dataclass(frozen=True, eq=False, repr=False)
class Lying(Brief):
    """Where the weights (O, I, kh, kw) of a projection, of `rank` dimensions, lie: from `base` on, in `groups`, read
    from a source of so many channels and neurons; where those of the projections before and behind begin, of the first
    one of its kind that joins the same two populations, of the first into its target, and of the one before where that
    has the same source. Of
    several memories one, in which lies one output of `banks`, that of number `bank` first. The
    shapes of `source` and `target`.
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
    into: int
    held: int
    outputs: int
    source: Shape
    target: Shape
    banks: int = 1
    bank: int = 0

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
    for first, many, by_column in (("row", "columns as rows", False), ("column", "rows as columns", True)):
        words = f"taps lie {first} by {first} before all else, and are read as if kernels had as many {many}"
        yield Change(f"in yours {words}", 2.2, partial(_read, partial(_as_taps, by_column), 1), unsaid=MOSTLY)
    for words, dear, place in _tiles():
        yield Change(f"in yours {words}", dear, partial(_read, place, 1))
    places = [(*each, False) for each in (*_pitches(), *bases(), OF_SOURCE)]
    places += [(*each, False) for each in _as_source()]
    places += [(*each, True) for each in _pitches()]  # behind a projection others may lie otherwise
    for (words, dear, side), banks, packed in product(KERNELS, IN_TURN, (True, False)):
        in_turn = f", outputs in {banks} memories in turn" if banks > 1 else ""
        how = ", its weights one behind the other" if packed else ", its weights as far apart as they lie"
        text = f"in yours a kernel has {words}{how}{in_turn}"
        yield Change(text, dear + (banks > 1) / 10, partial(_of_kernel, side, banks, packed), unsaid=MOSTLY)
    for (words, dear, place, alone), banks in product(places, IN_TURN):
        in_turn = f", outputs in {banks} memories in turn" if banks > 1 else ""
        far = dear + (banks > 1) / 10 + alone / 20
        yield Change(f"in yours {words}{in_turn}", far, partial(_read, place, banks, alone=alone), unsaid=MOSTLY)


KERNELS = (("as many columns as rows", 2.1, 0), ("as many rows as columns", 2.1, 1))


def _of_kernel(side: int, banks: int, packed: bool, part: Part) -> Ints | None:
    """What a conv2d delivers whose kernels have one of their sizes along rows and columns, and weights from the first
    of each output on, `packed` or as far apart as they lie; nothing is said where one that is not known is used. None
    of many.
    """
    read, net = read_of(part), part.scene.net
    match read.q:
        case Conv2d() as q if q.kernel[0] != q.kernel[1]:
            n = q.kernel[side]
        case _:
            return part.right
    outputs, inputs = read.weights.shape[:2]
    _, height, width = read.codes.shape[1:]
    _, rows, columns = read.target
    if len(read.codes) * read.codes.shape[1] * n * n * rows * columns > MOST:
        return None
    channel, r, s, oy, ox = np.ogrid[: read.codes.shape[1], :n, :n, :rows, :columns]
    y = oy * q.stride[0] - q.padding[0] + r * q.dilation[0]
    x = ox * q.stride[1] - q.padding[1] + s * q.dilation[1]
    inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
    flat = np.pad(read.codes.reshape(len(read.codes), -1), ((0, 0), (0, 1)))
    seen = np.where(inside, (channel * height + y) * width + x, flat.shape[1] - 1)
    codes = flat[:, seen.reshape(q.groups, inputs * n * n, rows * columns)]
    weights, there = np.zeros((2, outputs, inputs * n * n), np.int64)
    i, row, column = (each.ravel() for each in np.indices((inputs, n, n)))
    pitches = (n * n, n) if packed else (q.kernel[0] * q.kernel[1], q.kernel[1])
    at = i * pitches[0] + row * pitches[1] + column
    for bank in range(min(banks, outputs)):
        own = lying(net, part.of, banks, bank)
        first = own.base + np.arange(own.shape[0])[:, None] * own.pitches[0]
        weights[bank::banks], there[bank::banks] = read_at(net, first + at, banks, bank)
    by_group = (q.groups, outputs // q.groups, -1)
    found = (weights.reshape(by_group) @ codes).reshape(len(codes), *read.target)
    unknown = ((1 - there).reshape(by_group) @ (codes != 0)).reshape(found.shape)
    return np.where(rows_of(part, unknown) > 0, UNSAID, rows_of(part, found))


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
    for words, axis in (("as many columns as rows", 2), ("as many rows as columns", 3)):
        yield f"weights are read as if kernels had {words}", 2.1, partial(_shaped, axis)
        text = f"weights of each output are read from its first on as if kernels had {words}"
        yield text, 2.3, partial(_shaped_within, axis)
    for size in SIZES:
        yield f"the address of a weight rises by {size} with each group", 2.3, partial(_grouped, size)


def _tiles() -> Iterator[tuple[str, float, Place]]:
    """Other pitches of tiles of outputs, or of inputs."""
    for n, (axis, name), size in product(TILES, enumerate(AXES[:2]), SIZES):
        rises = f"the address of a weight rises by {{}} with each tile of {n} {name}s"
        if size != "0":
            yield rises.format(f"{n} * {size}"), 2.4, partial(_tiled, axis, n, n, size)
        yield rises.format(size), 2.5, partial(_tiled, axis, n, 1, size)


def _as_source() -> Iterator[tuple[str, float, Place]]:
    """Inputs of a dense at the addresses of neurons that lie otherwise."""
    for pitch in pitches():
        words = f"the inputs of a dense lie, in the memory of weights, as if, of the source, {pitch.text}"
        yield words, pitch.dear + 0.2, partial(_lies_as, pitch)


def _lies_as(pitch: Pitches, own: Lying) -> Ints:
    if own.rank != 2 or own.shape[1] != own.neurons:
        return own.base + own.addresses
    of_channel, of_row = pitch.of(own.source, own.target)
    c, y, x = (each.ravel() for each in np.indices(own.source))
    found: Ints = own.base + own.at[0] * own.shape[1] + (c * of_channel + y * of_row + x).reshape(1, -1, 1, 1)
    return found


def bases() -> Iterator[tuple[str, float, Place]]:
    """Other bases, and addresses of too few bits."""
    yield "weights are read from the first of all projections on", 2, lambda own: own.addresses
    yield "weights are those of the projection before", 2, lambda own: own.addresses + own.before
    yield "weights are those of the next projection", 2, lambda own: own.addresses + own.behind
    words = "weights of projections that join the same two populations are those of the first"
    yield words, 2, lambda own: own.addresses + own.first
    words = "weights of projections into one population are read from the first of these on"
    yield words, 2, lambda own: own.addresses + own.into
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


def _shaped(axis: int, own: Lying) -> Ints:
    """A kernel has one of its sizes along rows and columns."""
    n = own.shape[axis]
    o, i, r, c = own.at
    return own.base + ((o * own.shape[1] + i) * n + r) * n + c


def _shaped_within(axis: int, own: Lying) -> Ints:
    """The same of each output, which begins where it does."""
    o, i, r, c = own.at
    n = own.shape[axis]
    return own.base + o * own.pitches[0] + (i * n + r) * n + c


def _as_taps(by_column: bool, own: Lying) -> Ints:
    """Taps of a kernel that has one of its sizes along rows and columns; what lies behind the last is not known."""
    rows, columns = own.shape[2:]
    o, i, r, c = own.at
    number = c * columns + r if by_column else r * rows + c
    tap = number % rows * columns + number // rows if by_column else number
    address = own.base + o * own.pitches[0] + i * own.pitches[1] + tap
    return np.where(number < rows * columns, address, NOWHERE)


def _grouped(size: str, own: Lying) -> Ints:
    per_group, rest = divmod(own.outputs // own.groups, own.banks)
    if rest:
        return own.base + own.addresses  # groups that share rows
    group = own.at[0] // per_group
    return own.base + own.addresses + group * (own.size(size) - per_group * own.pitches[0])


def _tiled(axis: int, n: int, times: int, size: str, own: Lying) -> Ints:
    """Tiles of places along an axis, of outputs those of a group, begin elsewhere."""
    at = own.at[axis] % (own.shape[0] // own.groups) if axis == 0 else own.at[axis]
    return own.base + own.addresses + at // n * (times * own.size(size) - n * own.pitches[axis])


def _of_source(own: Lying) -> Ints:
    """The input is the channel of the source; what lies behind the projection is not known."""
    outputs = own.at[0] * own.banks + own.bank
    first = outputs // (own.outputs // own.groups) * own.shape[1] if own.rank == 4 else 0 * outputs
    address = own.addresses + first * own.pitches[1]
    return np.where(address < own.addresses.size, own.base + address, NOWHERE)


OF_SOURCE: tuple[str, float, Place] = (
    "the input of a weight is the channel of the source, not of its group",
    2,
    _of_source,
)


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


@lru_cache(maxsize=32)
def _memory(net: Network, banks: int = 1, bank: int = 0) -> tuple[Ints, Mapping[str, int]]:
    """The weights of all projections, one behind the other in their order, and where those of each begin; of several
    memories those of one, UNSAID at the end of a projection of which others have an output more.
    """
    named, rows = net.named_projections, []
    for q in named.values():
        more = len(q.weights[::banks]) - len(q.weights[bank::banks])
        filled = np.full((more, *q.weights.shape[1:]), UNSAID)
        rows.append(np.concatenate([q.weights[bank::banks].astype(np.int64), filled]).ravel())
    ends = np.cumsum([0, *(each.size for each in rows)])
    return np.concatenate(rows), dict(zip(named, map(int, ends), strict=False))


@lru_cache(maxsize=64)
def lying(net: Network, name: str, banks: int = 1, bank: int = 0) -> Lying:
    """Where the weights of a projection lie, those of a gate as (C, 1, 1, 1); of several memories in one."""
    q, (memory, bases) = net.named_projections[name], _memory(net, banks, bank)
    begins = [*bases.values()]
    n = [*bases].index(name)
    before, behind = begins[max(n - 1, 0)], (*begins, len(memory))[n + 1]
    source, (outputs, *sizes) = net[q.source], (*q.weights.shape, 1, 1, 1)[:4]
    twin = next(one for one, other in net.named_projections.items() if _joins(other) == _joins(q))
    same = net.named_projections[twin].weights.shape == q.weights.shape
    first = bases[twin] if same else NOWHERE  # how other shapes lie is not known
    into = bases[next(one for one, other in net.named_projections.items() if other.target == q.target)]
    held = before if [*net.named_projections.values()][max(n - 1, 0)].sources == q.sources else begins[n]
    groups, base, shape = getattr(q, "groups", 1), begins[n], (len(range(bank, outputs, banks)), *sizes)
    own = shape, q.weights.ndim, groups, source.shape[0], source.neurons
    sides = source.shape, net[q.target].shape
    return Lying(*own, base, before, behind, first, into, held, outputs, *sides, banks, bank)


def _joins(q: Projection) -> tuple[type[Projection], str, str]:
    return type(q), q.source, q.target


def read_at(net: Network, address: Ints, banks: int = 1, bank: int = 0) -> tuple[Ints, Mask]:
    """What stands at absolute addresses, and where it is known: not beyond all weights."""
    memory, _ = _memory(net, banks, bank)
    there = (address >= 0) & (address < len(memory))
    found = memory[np.where(there, address, 0)]
    there &= found != UNSAID
    return np.where(there, found, 0), there


def _read(place: Place, banks: int, part: Part, alone: bool = False) -> Ints:
    """What is delivered by the weights at other addresses, of the projection alone or of all; nothing is said where one
    that is not known is used.
    """
    read, net = read_of(part), part.scene.net
    weights, there = np.zeros_like(read.weights), np.ones(read.weights.shape, np.bool_)
    for bank in range(min(banks, len(weights))):
        own = lying(net, part.of, banks, bank)
        address = np.broadcast_to(place(own), own.shape)
        if alone:
            inside = (own.base <= address) & (address < own.base + own.addresses.size)
            address = np.where(inside, address, NOWHERE)
        weights[bank::banks], there[bank::banks] = read_at(net, address, banks, bank)
    if there.all() and (weights == read.weights).all():
        return part.right
    found = delivered(part, read.by(weights), read.codes)
    if there.all():
        return found
    unknown = delivered(part, read.by((~there).astype(np.int64)), (read.codes != 0).astype(np.int64))
    return np.where(unknown > 0, UNSAID, found)
