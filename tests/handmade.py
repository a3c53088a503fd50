"""A few small networks made by hand, images for them, and what is often made of a network: its recording, its file."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

import naive
from fsref import FS, Conv2d, Dense, Input, MaxPool, Network, Readout, Record, Table, Trace, fs_relu, run, save, scale
from fsref.formats.npz import to_bytes
from fsref.law.populations import OBSERVABLES, Population, View
from fsref.law.projections import Gate, Projection

ENGINES = ("reference", "events", "quantized")
ONE = (1, 1, 1)
EVERYTHING = Record(observables=OBSERVABLES)


def chain(*parts: Population | Projection, given: Input | None = None, readout: Readout | None = None) -> Network:
    """An input, these populations and a readout in a row; one neuron of 4 bits goes in and one logit comes out unless
    told.

    A projection among the parts goes where it says; what none of them enters reads the one before it, every neuron of
    it with weight 1.
    """
    first, last = given or Input("in", ONE, 4, 15), readout or Readout("out", ONE)
    populations = [first, *(p for p in parts if not isinstance(p, (Conv2d, Dense))), last]
    projections = [q for q in parts if isinstance(q, (Conv2d, Dense))]
    entered = {q.target for q in projections}
    for a, b in pairwise(populations):
        if not isinstance(b, MaxPool) and b.name not in entered:
            projections.append(Dense(a.name, b.name, np.ones((b.neurons, a.neurons), np.int64)))
    place = {p.name: index for index, p in enumerate(populations)}
    return Network(populations, sorted(projections, key=lambda q: place[q.target]))


def tiny(**changes: Any) -> Network:
    """2x2 input, three FS-ReLU neurons, two logits."""
    parts: dict[str, Any] = {
        "populations": [
            Input("in", (1, 2, 2), 4, 15),
            FS("hid", (3, 1, 1), fs_relu(3, 2), [1, -2, 0]),
            Readout("out", (2, 1, 1), [5, -5]),
        ],
        "projections": [
            Dense("in", "hid", [[1, 2, 0, -1], [3, 0, 1, 1], [-1, 1, 2, 0]]),
            Dense("hid", "out", [[1, -1, 2], [0, 3, -2]]),
        ],
    }
    return Network(**{**parts, **changes})


def residual(table: Table | None = None) -> Network:
    """Every kind of population and projection at once: a stem, a max-pool, a skip, groups, dilation, a bias map, and a
    table, else one of no order.
    """
    rng = np.random.default_rng(7)

    def weights(*shape: int) -> Any:
        return rng.integers(-4, 5, shape)

    odd = Table(T=rng.integers(-30, 60, (4, 5)), h=rng.integers(-20, 50, (4, 5)), d=rng.integers(-3, 9, 5))
    return Network(
        [
            Input("in", (2, 7, 6), 5, 30),
            FS("stem", (4, 7, 6), fs_relu(4, [3, 5, 2, 7]), rng.integers(-9, 9, (4, 7, 6))),
            MaxPool("pool", (4, 4, 3), "stem", (3, 2), (2, 2), (1, 0, 1, 0)),
            FS("mid", (4, 4, 3), table or odd, [1, -2, 3, 0]),
            FS("sum", (4, 4, 3), fs_relu(6, 4), [0, 1, 2, 3]),
            Readout("out", (3, 1, 1), [10, 0, -10]),
        ],
        [
            Conv2d("in", "stem", weights(4, 2, 3, 3), padding=(1, 1, 1, 1)),
            Conv2d("pool", "mid", weights(4, 2, 2, 2), padding=(1, 1, 1, 1), dilation=(2, 2), groups=2),
            Conv2d("pool", "sum", weights(4, 1, 1, 1), groups=4),
            Conv2d("mid", "sum", weights(4, 4, 1, 1)),
            Conv2d("mid", "sum", weights(4, 4, 3, 3), padding=(1, 1, 1, 1)),
            Dense("in", "out", weights(3, 84)),
            Dense("sum", "out", weights(3, 4), pooled=True),
        ],
    )


def unordered() -> Network:
    """Thresholds that do not fall, h negative, d zero and negative, a row per channel; a max-pool on the input."""
    table = Table(T=[[5, -3, 9], [0, 7, -2]], h=[[-4, 6, 0], [3, -5, 2]], d=[[0, -7, 3], [2, 0, -1]])
    return Network(
        [
            Input("in", (2, 4, 4), 3, 7),
            MaxPool("pool", (2, 2, 2), "in", (2, 2), (2, 2)),
            FS("odd", (2, 2, 2), table, [1, -1]),
            FS("flat", (1, 1, 1), Table(T=[3], h=[1], d=[-5]), [2]),
            Readout("out", (2, 1, 1)),
        ],
        [
            Conv2d("pool", "odd", [[[[2]], [[-3]]], [[[-1]], [[4]]]]),
            Dense("odd", "flat", [[1, -2, 3, -4, 5, -6, 7, -8]]),
            Dense("odd", "out", [[1, 2], [-3, 4]], pooled=True),
            Dense("flat", "out", [[1], [-1]]),
        ],
    )


def dangling() -> Network:
    """Populations that feed nothing, one a single step long, and go on after the logits stand; a max-pool of one of
    them.
    """
    return Network(
        [
            Input("in", (1, 2, 2), 1, 1),
            FS("one", (2, 1, 1), fs_relu(1, 1), [1, 0]),
            FS("long", (1, 2, 2), fs_relu(5, 2), [9]),
            MaxPool("pool", (1, 1, 1), "long", (2, 2), (1, 1)),
            FS("last", (2, 1, 1), fs_relu(3, 4), [1, -1]),
            Readout("out", (2, 1, 1), [0, 3]),
        ],
        [
            Dense("in", "one", [[1, 1, 0, 2], [0, 1, -1, 0]]),
            Conv2d("in", "long", [[[[7]]]]),
            Dense("pool", "last", [[3], [1]]),
            Dense("in", "out", [[1, 2, 3, 4], [-1, 2, 0, 1]]),
        ],
    )


def ladder() -> Network:
    """in (3 steps) -> a (5) -> pool -> b (2) -> out, and long skips in -> b, a -> out."""
    one, w = (1, 1, 1), [[[[1]]]]
    return Network(
        [
            Input("in", one, 3, 7),
            FS("a", one, fs_relu(5)),
            MaxPool("pool", one, "a", (1, 1), (1, 1)),
            FS("b", one, Table([4, 2], [4, 2], [2, 1])),
            Readout("out", one),
        ],
        [
            Conv2d("in", "a", w),
            Conv2d("in", "b", w),
            Conv2d("pool", "b", w),
            Conv2d("a", "out", w),
            Conv2d("b", "out", w),
        ],
    )


def gated() -> Network:
    """Gates of every form: a map by one place a channel, with offsets; the input, long done, by a map that sends codes
    of both signs; a square into the readout.
    """
    rng = np.random.default_rng(21)
    signed = Table(T=[9, 3, -2], h=[5, -4, 6], d=[-3, 5, 2])
    weight = np.array([3, -2])
    return Network(
        [
            Input("in", (2, 3, 2), 4, 13),
            FS("map", (2, 3, 2), signed, [4, -3]),
            FS("one", (2, 1, 1), fs_relu(2, 9), [5, 1]),
            View("all", (2, 3, 2), "one", [0, 0, 0], [0, 0]),
            FS("slow", (2, 3, 2), fs_relu(5, 7), rng.integers(0, 200, (2, 3, 2))),
            FS("late", (2, 3, 2), fs_relu(6, 11), [90, 40]),
            Readout("out", (2, 1, 1), [7, -7]),
        ],
        [
            Conv2d("in", "map", rng.integers(-3, 4, (2, 2, 3, 3)), padding=(1, 1, 1, 1)),
            Dense("in", "one", [[2, -1], [1, 1]], pooled=True),
            Gate("map", "one", "slow", weight),
            scale("map", "slow", -2 * weight),
            scale("all", "slow", 5 * weight),
            Gate("in", "map", "late", [-1, 4]),
            scale("slow", "late", [2, 3]),
            Gate("one", "one", "out", [0, -5]),
            Dense("late", "out", rng.integers(-4, 5, (2, 12))),
        ],
    )


NETS = {"tiny": tiny, "residual": residual, "unordered": unordered, "gated": gated}


def draw(net: Network, count: int, seed: int = 0) -> Any:
    """`count` images of random codes, (B, C, H, W)."""
    return np.random.default_rng(seed).integers(0, net.input.max_code + 1, (count, *net.input.shape))


def oracle(net: Network) -> naive.Net:
    """The same network for the naive simulator, by way of the bytes of its file."""
    return naive.load(to_bytes(net))


def recorded(net: Network, images: Any, record: Record = EVERYTHING, engine: str = "reference", **how: Any) -> Trace:
    """The recording of a run, of every observable of every neuron unless told."""
    trace = run(net, images, engine, record, **how).trace
    assert trace is not None
    return trace


def saved(folder: Path) -> Path:
    """The file tiny.fs.npz in a folder, and beside it x.npz, four labelled images for it."""
    net = tiny()
    save(net, folder / "tiny.fs.npz")
    np.savez(folder / "x.npz", x=draw(net, 4), y=np.array([0, 1, 0, 1]))
    return folder / "tiny.fs.npz"
