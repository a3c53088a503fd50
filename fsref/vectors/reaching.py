"""The forms of networks in a pack for limits whose membranes reach every bit of a chip's accumulators (VECTOR-3)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import numpy as np

from fsref.errors import UsageError
from fsref.law.network import Network
from fsref.law.neuron import Ints
from fsref.law.populations import FS, Population, Readout
from fsref.law.projections import Dense, Projection
from fsref.vectors.products import Form
from fsref.vectors.room import Room

TURNING = "turning"
LAYERS = 3  # of FS neurons, beside the readout
FARTHEST = 40  # bit
SIZES = 384, 1024  # of inputs, where every neuron has a weight, and where every channel has one
FEW = 16  # channels, where every neuron has a weight
ENDS = ("largest", "smallest")  # membranes that get there


def reaching() -> Iterator[Form]:
    """The forms, of which a chip that tells no `membrane_bits` has none, and one that does not wrap no turning ones."""
    for pooled in (True, False):
        yield partial(far, pooled=pooled)
        yield partial(far, pooled=pooled, turning=True)
        for end in ENDS:
            yield partial(far, pooled=pooled, end=end)


def far(room: Room, pooled: bool, turning: bool = False, end: str = "") -> Network:
    """Layers side by side and a readout, all of which read the input: where all of it sends max_code, membranes stand
    at each +-2^bit and one beside, the farthest first, and sums just beyond, as far as the chip's accumulators, weights
    and inputs go; or all of them at the farthest of one `end`. `turning`, from there a neuron takes each of them
    farther and back, whose code is 0: accumulators that hold what is left wrap on the way, twice. Errors: UsageError,
    NetworkError.
    """
    bits = room.chip.membrane_bits
    if bits is None:
        raise UsageError("VECTOR-3", "membrane_bits", "not told", "None", "wanted for what reaches their ends")
    if turning and room.chip.overflow != "wrap":
        raise UsageError("VECTOR-3", "overflow", "no sum may leave it and return", room.chip.overflow, "wrap")
    room = replace(room, deeper=False)
    given = room.given(sized(room, SIZES[pooled]), 8)
    channels, height, width = given.shape
    count = channels if pooled else given.neurons
    unit = (2 ** room.steps(8) - 1) * (height * width if pooled else 1)  # what a weight of 1 delivers
    wide = min(room.chip.weight_bits or 64, max(8, min(bits, FARTHEST) + 1 - (count * unit).bit_length()))
    ends = 2 ** (wide - 1) - 1, 2 ** (wide - 1)  # what a weight can be, above and below 0
    shown = room.count(2 * LAYERS)
    every = [wanted for wanted in targets(bits) if not end or (wanted > 0) == (end == ENDS[0])]
    rows = [row for wanted in every if (row := solved(room, wanted, unit, count, ends)) is not None]
    rows = rows[: min(4 * bits if pooled else FEW, room.count(4 * bits) - shown)]
    rows = rows[:1] * len(rows) if end else rows
    if not rows:
        raise UsageError("VECTOR-3", "membrane_bits", "no sum gets there", bits, "wider weights, or more inputs")
    weights, bias = np.array([row for row, _ in rows]), np.array([own for _, own in rows])
    theta = 2 ** max(0, min(bits, FARTHEST, room.chip.threshold_bits or 64) - 2 - room.steps(8))
    populations: list[Population] = [given]
    into: list[Projection] = []

    def joined(target: str, own: Ints) -> Projection:
        return Dense(given.name, target, own, pooled=True) if pooled else room.joined(given, target, own)

    for i in range(LAYERS):  # each weight in another channel of another layer
        populations.append(FS(f"far{i}", (len(rows), 1, 1), room.relu(8, theta, len(rows)), np.roll(bias, i)))
        into.append(joined(f"far{i}", np.roll(weights, i, axis=0)))
    out = Readout("out", (len(rows) + shown, 1, 1), np.r_[bias[::-1], np.zeros(shown, np.int64)])
    into.append(joined("out", np.r_[weights[::-1], np.zeros((shown, count), np.int64)]))
    layers = populations[1:]
    if turning:  # it fires in all steps, whatever comes
        there_and_back = np.zeros(room.steps(8), np.int64)
        there_and_back[:2] = 2 ** (room.steps(8) - 1) * np.array([1, -1])[: room.steps(8)]
        table = room.table([0 * there_and_back], [0 * there_and_back], [there_and_back])
        populations.insert(1, FS(TURNING, (1, 1, 1), table))
        signs = np.sign(weights.sum(axis=1, keepdims=True))
        into.append(room.joined(given, TURNING, np.zeros((1, given.neurons), np.int64)))
        into += [room.joined(populations[1], f"far{i}", np.roll(signs, i, axis=0)) for i in range(LAYERS)]
        into.append(room.joined(populations[1], "out", np.r_[signs[::-1], np.zeros((shown, 1), np.int64)]))
    for i, p in enumerate(layers):
        codes = np.zeros((len(rows) + shown, len(rows)), np.int64)
        codes[len(rows) + np.arange(shown)[i::LAYERS]] = 1
        into.append(room.joined(p, "out", codes))
    order = [p.name for p in (*populations, out)]
    into.sort(key=lambda q: order.index(q.target))
    name = "_".join(filter(None, ("far", "pooled" if pooled else "dense", "turning" * turning, end)))
    return room.whole(name, [*populations, out], into)


def sized(room: Room, most: int) -> tuple[int, int, int]:
    """The shape of so many inputs at most, many channels rather than many places."""
    found, left = [], min(most, room.chip.neurons or most, room.chip.fan_in or most) >> room.smaller
    for limit in room.chip.shape or (64, 32, 32):
        found.append(max(1, min(limit, left)))
        left //= found[-1]
    return found[0], found[1], found[2]


def targets(bits: int) -> list[int]:
    """Membranes of so many bits: +-2^bit, one less, and one more below 0, the farthest first."""
    found = []
    for bit in reversed(range(min(bits, FARTHEST + 1))):
        beyond = [] if bit == bits - 1 else [2**bit, -(2**bit) - 1]
        found += [*beyond, 2**bit - 1, -(2**bit)]
    return list(dict.fromkeys(found))


def solved(room: Room, wanted: int, unit: int, count: int, ends: tuple[int, int]) -> tuple[Ints, int] | None:
    """Weights (count,) of one sign, each of which delivers so many `unit`s, and the bias that together set a membrane
    as wanted: the sum lies just beyond where an accumulator that wraps holds what is left, else just before; None where
    the weights do not get there.
    """
    sign, far = (1, wanted) if wanted >= 0 else (-1, -wanted)
    width = room.chip.bias_bits or 64
    over = room.chip.overflow == "wrap" and unit.bit_length() < width
    total = far // unit + over
    if total > ends[wanted < 0] * count:
        return None
    weights: Ints = sign * (total // count + (np.arange(count) < total % count))
    bias = wanted - sign * total * unit
    return weights, max(-(2 ** (width - 1)), min(2 ** (width - 1) - 1, bias))
