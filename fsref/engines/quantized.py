"""The quantised network: dense integer layers on codes, division or staircase lookup, no time axis.

What the kernels can do (`dense`) they do, by a plan that is kept with the network; other populations, and what is told
of membranes, are NumPy's (`layers`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from threading import Lock
from typing import Any, assert_never

import numpy as np
from numpy.typing import NDArray

from fsref.engines import dense
from fsref.engines.activity import Activity
from fsref.engines.engine import OBJECTS, Simulator, Wanted
from fsref.engines.frames import LINE, frames_of, plan_bytes
from fsref.engines.kept import kept
from fsref.engines.kernels.dense import told as told_by
from fsref.engines.layers import Answer, Layer, answer, channels_first, kinds, layer, membranes, pooled
from fsref.law.network import Network
from fsref.law.neuron import Ints, relu_theta
from fsref.law.populations import FS, Input, MaxPool, Population, Readout, Shape
from fsref.law.projections import Conv2d, Dense, Pair, Projection
from fsref.tables import plural

Array = NDArray[Any]
MEMBRANES = frozenset({"opening", "membranes", "sums"})


def kernels_for(net: Network) -> str:
    """What does the work for a network, in words."""
    frames = frames_of(net)
    if not frames:
        return "NumPy and its BLAS"
    left = len(net.populations) - len(frames)
    return f"{told_by()}; NumPy and its BLAS for {left} of {plural(len(net.populations), 'population')}"


def made(net: Network, q: Projection) -> Layer:
    """The layer of a projection."""
    return layer(q, net[q.source].shape, net[q.target].shape, kinds(net)[q.target])


@kept
def layers_of(net: Network) -> tuple[dict[str, Layer], dict[str, Callable[[Array], Answer]]]:
    """The layers of the projections into what the kernels leave, and what it answers, by name."""
    frames = frames_of(net)
    layers = {name: made(net, q) for name, q in net.named_projections.items() if q.target not in frames}
    return layers, {p.name: answer(net, p) for p in net.fs if p.name not in frames}


def simulator(net: Network) -> Simulator:
    """A function from images (B, C, H, W) to the activity of every population in turn."""
    types, frames = kinds(net), frames_of(net)
    plan = dense.plan_of(net) if frames else None
    spare: list[dense.Room] = []  # of threads that are done with a batch

    answers = {p.name: answer(net, p) for p in net.fs if p.name not in frames}
    layers: dict[str, Layer] = {}
    making = Lock()

    def layer_of(name: str) -> Layer:
        """The layer of a projection, made when it is first asked for."""
        with making:
            if name not in layers:
                q = net.named_projections[name]
                layers[name] = layer(q, net[q.source].shape, net[q.target].shape, types[q.target])
        return layers[name]

    def membrane(p: FS | Readout, known: dict[str, Answer], keep: bool) -> tuple[Array, dict[str, Ints]]:
        """The opening membranes (B, H, W, C), and the sums (B, C, H, W) they are made of when these are kept (NET-5,
        NET-6).
        """
        totals = {name: layer_of(name)(known[q.source][1]) for name, q in net.into(p.name).items()}
        bias = p.bias_map.transpose(1, 2, 0).astype(types[p.name])
        sums = {name: channels_first(total).astype(np.int64) for name, total in totals.items() if keep}
        return sum(totals.values(), bias), sums

    def simulate(images: Ints, wanted: Wanted) -> Iterator[Activity]:
        if plan is None:
            yield from told_of(images, wanted, np.empty((len(images), 0)), {})
            return
        room = spare.pop() if spare else dense.Room(plan)
        try:
            codes, counts = room.run(images)
            yield from told_of(images, wanted, codes, dict(zip(frames, counts.T, strict=True)))
        finally:
            spare.append(room)

    def told_of(images: Ints, wanted: Wanted, own: Array, counts: Mapping[str, Ints]) -> Iterator[Activity]:
        """The activity of every population, given the codes and spikes of those that the kernels did."""
        known: dict[str, Answer] = {}
        for p in net.populations:
            wants = wanted.get(p.name, frozenset[str]())
            v: Array | None = None
            sums: dict[str, Ints] = {}
            if p.name in frames:
                codes = frames[p.name].view(own, p.shape)
                known[p.name] = codes, codes
            match p:
                case Input():
                    if p.name not in known:
                        trains = np.ascontiguousarray(images.transpose(0, 2, 3, 1), dtype=np.uint16)
                        known[p.name] = trains, trains  # NET-7: the train of an input is its code
                case MaxPool():
                    if p.name not in known:
                        trains, codes = known[p.source]
                        largest = pooled(trains, p)
                        known[p.name] = largest, largest if codes is trains else pooled(codes, p)
                case FS():
                    if p.name not in known or wants & MEMBRANES:
                        v, sums = membrane(p, known, "sums" in wants)
                    if p.name not in known:
                        assert v is not None
                        known[p.name] = answers[p.name](v)
                case Readout():
                    v, sums = membrane(p, known, "sums" in wants)
                    yield Activity(p.name, opening=channels_first(v).astype(np.int64), sums=sums)
                    return
                case _:
                    assert_never(p)
            yield activity(p, wants, known[p.name], counts.get(p.name), v, sums)

    return simulate


def activity(
    p: Input | FS | MaxPool, wants: frozenset[str], sent: Answer, count: Ints | None, v: Array | None, sums: Any
) -> Activity:
    """What is told of a population that spikes: its trains where they are wanted or nobody counted its spikes."""
    trains, codes = (channels_first(a) for a in sent)
    opening: Ints | None = None
    after: Ints | None = None
    if v is not None and wants & {"opening", "membranes"}:
        opening = channels_first(v).astype(np.int64)
    if isinstance(p, FS) and opening is not None and "membranes" in wants:  # no other has any
        after = membranes(opening, trains, p.table.rows(p.shape[0])[1])
    told = trains.astype(np.uint16, copy=False) if count is None or "spikes" in wants else None
    return Activity(p.name, told, codes.astype(np.int64) if "codes" in wants else None, opening, after, sums, count)


def shared_bytes(net: Network, threads: int) -> int:
    """A bound on the bytes that images share: the plan, and layers of what it leaves."""
    plan, own = plan_bytes(net) if frames_of(net) else (0, 0)
    return plan + threads * own + left_bytes(net)


@kept
def left_bytes(net: Network) -> int:
    """A bound on the bytes of layers that the plan leaves, and of objects."""
    frames = frames_of(net)
    left = [q for q in net.projections if q.target not in frames]
    own = layer_bytes(net, left, [p for p in net.fs if p.name not in frames])
    return own + OBJECTS * (len(net.populations) + len(net.projections))


@kept
def telling_bytes(net: Network) -> int:
    """A bound on the bytes of layers that only tell membranes of what the kernels do."""
    frames = frames_of(net)
    return layer_bytes(net, [q for q in net.projections if q.target in frames], [])


def layer_bytes(net: Network, projections: Iterable[Projection], fs: Iterable[FS]) -> int:
    """A bound on the bytes of layers: the weights of every projection in the type of its sums, the places of its
    windows, all staircases; and the one of them in the making.
    """
    made, making, types = 0, 0, kinds(net)
    for q in projections:
        wide = np.dtype(types[q.target]).itemsize * q.weights.size
        match q:
            case Conv2d(kernel=(kh, kw)):
                _, height, width = net[q.target].shape
                places = 8 * (height * kh + width * kw)
            case Dense():
                places = 0
            case _:
                assert_never(q)
        made, making = made + wide + places, max(making, wide + q.weights.nbytes + 3 * places)
    for p in fs:
        if relu_theta(p.table) is None:
            stair = 8 * 2**p.steps  # one row of numbers
            made, making = made + 3 * stair * (p.table.channels or 1), max(making, 10 * stair)
    return made + making


@kept
def working_bytes(net: Network) -> int:
    """A bound on the bytes one image takes: trains and codes of all populations, the membranes of the one before, and
    what the population at work takes.
    """
    return layered_bytes(net, net.populations)


@kept
def counting_bytes(net: Network) -> int:
    """A bound on the bytes of one image of which nothing is wanted: no more than codes of what the kernels do."""
    frames = frames_of(net)
    return layered_bytes(net, [p for p in net.populations if p.name not in frames])


def layered_bytes(net: Network, some: Sequence[Population]) -> int:
    """A bound on the bytes one image takes where some populations are layers, or told as if they were."""
    types, same = kinds(net), alike(net)
    held = sum((2 if same[p.name] else 2 + 8) * p.neurons for p in some)
    held += sum(own.size + LINE for own in frames_of(net).values())
    before = 8 * max(p.neurons for p in some)
    return held + before + max(at_work(net, p, types, same) for p in some) + OBJECTS * len(types)


@kept
def alike(net: Network) -> dict[str, bool]:
    """Whether the codes of each population are its trains (NET-7, FS-5), by name; those of a max-pool are its source's
    (POOL-4), which stands before it.
    """
    found: dict[str, bool] = {}
    for p in net.populations:
        match p:
            case Input() | Readout():
                found[p.name] = True
            case MaxPool():
                found[p.name] = found[p.source]
            case FS():
                found[p.name] = relu_theta(p.table) is not None
            case _:
                assert_never(p)
    return found


def at_work(net: Network, p: Population, types: Mapping[str, type[np.generic]], same: Mapping[str, bool]) -> int:
    """The most bytes held for one image while a population is at work, beside trains and codes; n is its neurons."""
    n, size = p.neurons, np.dtype(types[p.name]).itemsize
    match p:
        case Input():
            return 8 * n  # codes in 64 bits
        case MaxPool():
            places = _windows(net[p.source].shape, p.shape, p.kernel)
            return max(8 * n, (2 if same[p.name] else 8) * places)
        case FS() | Readout():
            into = net.into(p.name).values()
            sums, kept = size * n * len(into), 8 * n * len(into)
            summing = max(_layer(q, net[q.source].shape, p.shape) for q in into) * size
            adding = 2 * size * n + kept  # the total before and after; sums in 64 bits
            steps = net.steps[p.name]
            # v; what is looked up: v in 64 bits, steps, places, codes; or the quotient, clipped
            firing = size * n + max(4 * 8 * n, 2 * size * n)
            # v; opening, membranes, one in the making; codes
            telling = size * n + 8 * n * (1 + steps + 2) + 4 * n + 8 * n
            return max(sums + max(summing, adding), kept + max(firing, telling))
        case _:
            assert_never(p)


def _layer(q: Projection, source: Shape, shape: Shape) -> int:
    """The most numbers that a layer holds for one image, its sums apart (`convolved`, `multiplied`)."""
    outputs, height, width = shape
    n, places = outputs * height * width, source[0] * source[1] * source[2]
    match q:
        case Dense():
            return 2 * places + 2 * n  # codes, those of one product; two sums of it
        case Conv2d(kernel=(_, kw), groups=groups):
            framed = source[0] * (source[1] + 1) * (source[2] + 1)
            if groups > 1 and q.weights.shape[1] == 1:
                # One row of taps, one tap, its product.
                return framed + source[0] * height * (source[2] + 1 + width) + n
            taken = source[0] * (source[1] + 1) * width * kw
            rows = source[0] * height * width * kw
            # What a row of the kernel sees, its part in one product; two sums of it, and one turned at the end.
            return max(framed + taken, (2 if groups > 1 else 1) * taken + 2 * rows + 2 * n)
        case _:
            assert_never(q)


def _windows(source: Shape, shape: Shape, kernel: Pair) -> int:
    """The most numbers that `pooled` holds for one image: framed, by row taken and largest, by column taken."""
    channels, height, width = source
    framed, taken = (height + 1) * (width + 1), (height + 1) * shape[2] * kernel[1]
    by_row, rows = (height + 1) * shape[2], shape[1] * kernel[0] * shape[2]
    return channels * max(framed + taken, taken + by_row, by_row + rows + shape[1] * shape[2])
