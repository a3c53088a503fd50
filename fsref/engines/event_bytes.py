"""What the `events` engine takes (RUN-3), from shapes alone: its plan once, room for each thread, and images."""

from __future__ import annotations

from itertools import product
from math import prod
from typing import assert_never

from fsref.engines import plain
from fsref.engines.engine import OBJECTS
from fsref.engines.kept import kept
from fsref.engines.patches import SIZES, SMALL, WIDE_SIZES, at_least, pieces
from fsref.engines.plan import planned, read_as_words, shaping_of
from fsref.engines.planes import LANES, LINE, MOST, axes, filled, tables
from fsref.law.network import Network
from fsref.law.neuron import is_binary
from fsref.law.populations import FS, Input, MaxPool, Population, Readout, View
from fsref.law.projections import Conv2d, Gate, Linear


def table_bytes(net: Network, q: Linear) -> tuple[int, int]:
    """Of a projection that goes in patches: a bound on its tables, and on what making them takes beside."""
    source, target, d = net[q.source].shape, net[q.target].shape, net.code_weights[q.source]
    channels, rows = filled(target[0]), source[0] if is_binary(d) else d.size
    places, taps = tables(q, source)
    kept, largest = [0, 0], 0
    for wide, (y, x) in product((False, True), list(product(*axes(q, source, target)))):
        for some, _, _, run in pieces(y, x, channels, filled(source[0]), wide):
            lanes = at_least((some.stop - some.start) * run // LANES, WIDE_SIZES if wide else SIZES)
            own = max(rows * places * lanes, SMALL // (4 if wide else 2))  # a row for every mark where that is small
            kept[wide] += (4 if wide else 2) * own + 8 * lanes // LANES + 2 * LINE + OBJECTS
            largest = max(largest, own)
    wide_weights = q.weights.itemsize * source[0] * channels * places * taps
    # Weights by channel, filled up, those of one sign; the same in float64 where d is any. A patch in 64 bits, filled
    # up, by step or shifted, and as it is kept.
    floats = 0 if is_binary(d) else 7 * 8 * wide_weights // q.weights.itemsize
    return max(kept), 4 * wide_weights + floats + (3 * 8 + 4) * largest


@kept
def plan_bytes(net: Network) -> int:
    """A bound on the plan, and on the making of the largest of what it holds, or of all that lies together, twice."""
    shaping = shaping_of(net)
    kept, making = 0, 0
    for name, q in net.named_projections.items():
        match shaping.routes[name]:
            case "patches":
                assert not isinstance(q, Gate)  # which goes by plain loops
                own, beside = table_bytes(net, q)
            case "lanes":
                assert isinstance(q, Conv2d)  # no other has groups
                own = 4 * filled(q.weights.shape[0]) * (2 * prod(q.kernel) + net.steps[q.source])
                own += (1 + prod(map(len, axes(q, net[q.source].shape, net[q.target].shape)))) * OBJECTS
                beside = 2 * own
            case "plain":
                own, beside = plain.synapse_bytes(net, q)
            case _ as other:
                assert_never(other)
        kept, making = kept + own + OBJECTS, max(making, beside)
    for p in net.spiking:
        channels, steps = filled(p.shape[0]), net.steps[p.name]
        mapped = isinstance(p, FS) and p.bias.ndim == 3  # others have no bias
        bias = channels * (p.shape[1] * p.shape[2] if mapped else 1)
        kept += (2 * 4 + 2) * (steps + 1) * channels + 4 * bias + 4 * LINE + 4 * OBJECTS
        kept += 4 * sum(p.shape[1:]) + 2 * LINE if isinstance(p, View) else 0  # its lists
        making = max(making, 8 * 8 * steps * channels + 16 * bias)
    return kept + max(making, kept) + 4 * (4 * MOST + LINE)


@kept
def room_bytes(net: Network) -> int:
    """What a thread needs beside membranes: two lists, their ends, train words."""
    spikes = max(2 * p.neurons * net.steps[p.name] for p in net.spiking)
    places = max(p.shape[1] * p.shape[2] for p in net.populations)
    words = max(4 * plane.inner for plane in shaping_of(net).planes.values())
    most = 2 * spikes + 16 * (places + 1) + words
    return most + 8 * OBJECTS


@kept
def loop_bytes(net: Network) -> int:
    """What plain loops need on a thread, where any run: a list of spikes, what a projection delivers, and what fires;
    of a gate another list, and its registers.
    """
    shaping = shaping_of(net)
    looped = {name: q for name, q in net.named_projections.items() if shaping.routes[name] == "plain"}
    delivered = max((2 * 8 * net[q.target].neurons for q in looped.values()), default=0)
    gated = [8 * net[q.by].neurons + plain.list_bytes(net, net[q.source]) for q in net.gates.values()]
    names = {source for q in looped.values() for source in q.sources} | set(shaping.wide)
    fired = (plain.list_bytes(net, net[name]) + (2 + 3 * 8) * net[name].neurons for name in names)
    return delivered + max(gated, default=0) + max(fired, default=0)


@kept
def membrane_bytes(net: Network) -> int:
    """The membranes of one image, and the train words that others read."""
    shaping = shaping_of(net)
    fast = sum(4 * plane.size + 64 + OBJECTS for plane in shaping.planes.values())
    wide = sum(8 * net[name].neurons for name in shaping.wide)
    relayed = {name: net[name].shape for name in read_as_words(net)}
    return fast + wide + sum(4 * filled(c) * h * w for c, h, w in relayed.values())


def shared_bytes(net: Network, threads: int) -> int:
    """A bound on the bytes that images share: the plan, where it is not yet made, and what each thread works with."""
    ready = planned(net)
    made = plan_bytes(net) if ready is None else 0
    more = max(0, threads - (ready or 0))
    return made + more * (room_bytes(net) + membrane_bytes(net)) + loop_bytes(net) * threads


@kept
def counting_bytes(net: Network) -> int:
    """A bound on the bytes of one image in a run that records nothing: its outputs, twice, and counts."""
    return 2 * 8 * net.output_neurons + 8 * len(net.populations)


@kept
def working_bytes(net: Network) -> int:
    """A bound on the bytes of one image that is recorded: what is kept of every population until all images have run,
    and what the population that is told takes.
    """
    wide = shaping_of(net).wide
    kept = sum((2 + (8 if p.name in wide else 4) * (1 + len(net.into(p.name)))) * p.neurons for p in net.populations)
    return kept + counting_bytes(net) + max(at_work(net, p) for p in net.populations)


def at_work(net: Network, p: Population) -> int:
    """The most bytes in which one population is told of an image."""
    n, into = p.neurons, len(net.into(p.name))
    match p:
        case Input() | MaxPool() | View():
            return plain.code_bytes(net, p)
        case FS():  # codes; membranes, what a step takes from them, its bits; opening, sums
            return (8 + 8 * p.steps + 8 + 8 + 2 * 2 + 8 * into) * n
        case Readout():
            return 8 * (1 + into) * n
        case _:
            assert_never(p)
