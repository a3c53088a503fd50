"""Networks for the kernels of byte dots, held against `reference`; a program, too, so that those named can be run under
other settings of Numba.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
from hypothesis import given, settings

from fsref import FS, Conv2d, Dense, Input, MaxPool, Network, Readout, Record, Table, fs_relu, run
from fsref.engines.frames import framing_of
from fsref.law.projections import window_shape
from fsref.testing import Case, cases
from processors import hold
from repeatable import drawn

DRAW = np.random.default_rng(12)
AROUND = (1, 1, 1, 1)
MORE = Record(observables=("spikes", "codes", "opening"))


def left(net: Network) -> list[str]:
    """The names of the populations that the kernels leave to NumPy."""
    done = framing_of(net)
    return [p.name for p in net.populations if p.name not in done.frames and not (done.whole and p is net.readout)]


def alike(net: Network, images: Any, *others: str) -> None:
    """`quantized` gives the logits, codes, trains, membranes and spike counts of `reference`, whether anything is
    recorded or not; the kernels do all populations but those named.
    """
    assert left(net) == list(others), (left(net), net)
    agrees(net, images)


def agrees(net: Network, images: Any) -> None:
    """The same, whatever the kernels do."""
    wanted = run(net, images, "reference", record=MORE, threads=1)
    assert wanted.trace is not None
    for record in (None, MORE):
        found = run(net, images, "quantized", record=record, threads=1)
        assert np.array_equal(found.logits, wanted.logits)
        assert {name: n.tolist() for name, n in found.spike_counts.items()} == {
            name: n.tolist() for name, n in wanted.spike_counts.items()
        }
    assert found.trace is not None
    for key, values in wanted.trace.arrays.items():
        assert np.array_equal(found.trace.arrays[key], values), key


def one(source: Input, filters: Any, theta: Any, bias: Any = None, pooled: bool = False, **about: Any) -> Network:
    """One population along one projection, and logits of it; its table has eight steps, unless one is given."""
    filters = np.asarray(filters)
    if filters.ndim == 4:
        form = {"stride": (1, 1), "padding": (0, 0, 0, 0), "dilation": (1, 1), **about}
        kernel = filters.shape[2], filters.shape[3]
        sides = window_shape(source.shape, kernel, form["stride"], form["padding"], form["dilation"])
        into: Any = Conv2d("in", "a", filters, **about)
    else:
        sides, into = (1, 1), Dense("in", "a", filters, pooled)
    shape = len(filters), *sides
    last = Dense("a", "out", DRAW.integers(-9, 9, (3, len(filters))), pooled=True)
    return Network(
        [
            source,
            FS("a", shape, theta if isinstance(theta, Table) else fs_relu(8, theta), bias),
            Readout("out", (3, 1, 1)),
        ],
        [into, last],
    )


def images(net: Network, count: int = 2) -> Any:
    """Some drawn images, the first all zeros, the last at its largest."""
    x = DRAW.integers(0, net.input.max_code + 1, (count + 2, *net.input.shape))
    x[0], x[-1] = 0, net.input.max_code
    return x


def weights(*shape: int) -> Any:
    """Drawn weights of a byte."""
    return DRAW.integers(-128, 128, shape)


def extremes() -> None:
    """All codes 255, all weights 127 or -128, of 576 synapses: sums that saturate in 16 bits, quotients just below,
    at and above each integer; and weights of 15 bits at both ends.
    """
    for channels, weight in ((64, 127), (64, -128), (32, 16_319), (32, -16_319)):
        white, filters = np.full((1, channels, 4, 4), 255), np.full((16, channels, 3, 3), weight)
        whole = 255 * weight * channels * 9
        for bias in (0, -whole // 2, 255 - whole):
            for theta in (1, abs(whole) // 255, abs(whole) // 255 + 1, 2**30 - 1):
                net = one(Input("in", (channels, 4, 4)), filters, theta, np.full(16, bias), padding=AROUND)
                alike(net, white)
    filters = np.full((1, 1, 1, 1), 2)
    white, all_ = np.full((1, 1, 1, 1), 255), ("in", "a", "out")
    for bias, own in ((2**31 - 511, ()), (2**31 - 510, all_), (-(2**31), ()), (-(2**31) - 1, all_)):  # 510 more at most
        for theta in (2**23, 2**30 - 1):
            alike(one(Input("in", (1, 1, 1)), filters, theta, [bias]), white, *own)
    for bias, own in ((2**31 - 512, ()), (2**31 - 511, all_)):  # by steps, whose thresholds no membrane may reach
        alike(one(Input("in", (1, 1, 1)), filters, 2**30, [bias]), white, *own)
    for steps, theta in product((8, 16), (3, 255, 4097, 2**14 - 1, 2**14, 65_535, 2**23 + 1, 2**30 - 1)):
        v = np.array([m * theta + near for m in {*range(258), 2**steps - 1, 2**steps} for near in (-1, 0, 1)])
        v = v[v < 2**31].reshape(1, 1, -1)
        net = one(Input("in", (1, 1, v.size), 1, 1), [[[[0]]]], fs_relu(steps, theta), v)
        alike(net, np.zeros((1, 1, 1, v.size), int))


def forms() -> None:
    """Every form of projection, with maps of any size, channels that fill no register, and biases in a map."""
    for channels, side, outputs in ((1, 1, 1), (3, 5, 5), (5, 3, 17), (16, 9, 16), (20, 8, 40)):
        given_ = Input("in", (channels, side, side + 1), 8, 200)
        theta = DRAW.integers(20, 900, outputs)
        forms_: list[tuple[tuple[int, int], dict[str, Any]]] = [
            ((1, 1), {}),
            ((3, 3), {"padding": AROUND}),
            ((3, 2), {"padding": (2, 1, 0, 1), "stride": (2, 1)}),
            ((2, 3), {"padding": (1, 2, 2, 3), "dilation": (2, 2)}),
            ((1, 3), {"padding": (0, 1, 0, 1), "stride": (1, 3), "dilation": (3, 1)}),
        ]
        for kernel, about in forms_:
            net = one(given_, weights(outputs, channels, *kernel), theta, **about)
            alike(net, images(net))
            bias = 99 * weights(*net["a"].shape)
            net = one(given_, 90 * weights(outputs, channels, *kernel), theta, bias, **about)
            alike(net, images(net))
        for pooled, size in ((False, given_.neurons), (True, channels)):
            alike(one(given_, weights(outputs, size), theta, pooled=pooled), images(net))
        for groups in {channels, 1 if channels % 5 else 5}:
            wide = one(given_, 99 * weights(2 * channels, channels // groups, 3, 3), 500, padding=AROUND, groups=groups)
            alike(wide, images(wide))
        same = one(given_, 2**12 * weights(channels, 1, 1, 1), 2**15, groups=channels)
        alike(same, images(same))


def joined() -> None:
    """Several projections into one population, of bytes, of more, and of each channel by itself, in every order; a pool
    of the input, a pool of a pool; and what the kernels leave in the middle of what they do.
    """
    given_ = Input("in", (4, 6, 6))
    pools = [
        MaxPool("p", (4, 6, 6), "in", (3, 3), (1, 1), AROUND),
        MaxPool("q", (4, 6, 6), "p", (2, 2), (1, 1), (1, 0, 0, 1)),
    ]
    into_b = [
        Conv2d("a", "b", DRAW.integers(-128, 128, (4, 4, 3, 3)), padding=AROUND),
        Conv2d("p", "b", DRAW.integers(-9_999, 9_999, (4, 4, 1, 1))),
        Conv2d("a", "b", DRAW.integers(-(2**20), 2**20, (4, 1, 1, 1)), groups=4),
        Conv2d("a", "b", DRAW.integers(-9_999, 9_999, (4, 2, 3, 3)), padding=AROUND, groups=2),
    ]
    into_out = [Dense("b", "out", DRAW.integers(-9, 9, (2, 144))), Dense("a", "out", [[1, 2, 3, 4]] * 2, pooled=True)]
    relu = fs_relu(8, [900, 7, 1000, 44])
    for n, table in enumerate((relu, Table(relu.T + 1, relu.h, relu.d), fs_relu(9, 99), relu)):
        a = FS("a", (4, 6, 6), table, DRAW.integers(-99, 99, (4, 6, 6)))
        b = FS("b", (4, 6, 6), fs_relu(8, 2**12))
        into_a = Conv2d("q", "a", DRAW.integers(-128, 128, (4, 4, 1, 1)))
        projections = [into_a, *into_b[n:], *into_b[:n], *into_out]
        net = Network([given_, *pools, a, b, Readout("out", (2, 1, 1))], projections)
        agrees(net, images(net))


def wide() -> None:
    """Codes of several bytes, positive and negative: of more than eight steps, of tables of any form, a row for each
    channel or one for all; each read by every form of projection, with borders, and by pools where these may be.
    """
    falling, mixed_ = 3 * 2 ** np.arange(9)[::-1], np.array([900, -300, 40, 7, 0, -7, 5, 3])
    T = np.array([[400, -90, 0, 300, 17, 3, -5, 2]]) * np.arange(1, 6)[:, None]
    tables = [
        fs_relu(10, 40),
        fs_relu(16, 1),
        fs_relu(12, [3, 9, 1, 77, 2]),
        Table(falling * 20 + 7, falling * 20, falling),
        Table(falling[:6] * 60, falling[:6] * 60, 99 * falling[:6]),
        Table(T[0], T[0] // 2, -mixed_),
        Table(T, T[::-1] // 3, mixed_ * np.array([[1, 60, -1, -500, 0]]).T),
    ]
    for table, most in product(tables, (255, 65_535)):
        given_ = Input("in", (5, 4, 6), 8 if most == 255 else 16, most)
        a = FS("a", (5, 4, 6), table, weights(5, 4, 6))
        pools = (
            [MaxPool("p", (5, 4, 6), "a", (3, 3), (1, 1), AROUND)] if (table.d > 0).all() and table.steps != 8 else []
        )
        b = FS("b", (5, 4, 6), fs_relu(9, 2**12))
        source = "p" if pools else "a"
        into_b = [
            Conv2d("a", "b", weights(5, 5, 3, 3), padding=AROUND),
            Conv2d(source, "b", weights(5, 1, 5, 3), padding=(2, 1, 2, 1), groups=5),
            Conv2d(
                "in", "b", (4_000 if most == 255 else 3) * weights(5, 5, 3, 2), padding=(2, 1, 2, 1), dilation=(2, 2)
            ),
        ]
        ends = [Dense("b", "out", weights(3, 120)), Dense("a", "out", weights(3, 5), pooled=True)]
        ends += [Dense(source, "out", 50 * weights(3, 120)), Dense(source, "out", 2**20 * weights(3, 5), pooled=True)]
        into_a = Conv2d("in", "a", np.minimum(weights(5, 5, 1, 1), 2**15 // most))
        for last in (ends[:2], ends[2:3], ends[3:]):
            net = Network([given_, a, *pools, b, Readout("out", (3, 1, 1))], [into_a, *into_b, *last])
            assert left(net) in ([], ["out"])  # whose sums may need more bits
            agrees(net, images(net))


def grouped() -> None:
    """Groups of any size, which see their own channels only: of less than 16 channels, of more, and not of 16."""
    for inputs, outputs, groups in ((32, 64, 4), (24, 48, 3), (40, 40, 5), (48, 96, 2), (8, 64, 8), (12, 30, 6)):
        given_, theta = Input("in", (inputs, 5, 6)), DRAW.integers(20, 900, outputs)
        net = one(given_, weights(outputs, inputs // groups, 3, 3), theta, padding=AROUND, groups=groups)
        alike(net, images(net))


@settings(drawn, max_examples=40)
@given(cases())
def cases_hold(case: Case) -> None:
    """Drawn networks of every kind."""
    agrees(case.net, case.images)


HOLD: dict[str, Callable[[], None]] = {
    "extremes": extremes,
    "forms": forms,
    "joined": joined,
    "wide": wide,
    "grouped": grouped,
    "drawn": cases_hold,
}

if __name__ == "__main__":
    hold(HOLD)
