"""RANGE: proved intervals against brute force, the naive oracle and what really happens."""

from __future__ import annotations

import itertools
import random
from typing import Any

import numpy as np
import pytest

import naive
import naive_ranges
from fsref import FS, Conv2d, Dense, Input, Network, Readout, Record, Table, Width, fs_relu, run, scale
from fsref.errors import RangeError
from fsref.law.projections import window_shape
from fsref.law.ranges import relu_firing, residuals, width_bits
from handmade import NETS, ONE, chain, draw, oracle, recorded, residual
from refusals import refused


def test_intervals_are_the_naive_ones() -> None:
    """any_order, final, membranes and codes are the naive oracle's, channel by channel (RANGE-1 to RANGE-3)."""
    for make in NETS.values():
        net = make()
        wanted = naive_ranges.ranges(oracle(net))
        for place, p in enumerate(net.populations):
            proved = net.ranges[p.name]
            found = {
                "any_order": proved.any_order,
                "final": proved.final,
                "membrane": proved.membranes,
                "code": proved.codes,
            }
            for kind, interval in found.items():
                if place in wanted[kind]:
                    assert [tuple(pair) for pair in interval.tolist()] == wanted[kind][place], (p.name, kind)


def test_any_order_holds_every_partial_sum() -> None:
    """Deliveries of real runs in random orders, the bias first or last, never leave any_order; both ends are reached
    when every spike may come (RANGE-1).
    """
    shuffle = random.Random(3)
    for make in NETS.values():
        net = make()
        other = oracle(net)
        for image in draw(net, 4, 1):
            seen = naive.simulate(other, image.ravel().tolist())
            for place, p in enumerate(net.populations):
                if p.name not in {q.target for q in net.projections}:
                    continue
                arriving: list[list[int]] = [[] for _ in other.populations[place].channel]
                for joint in (j for j in other.projections if j.target == place):
                    source = other.populations[joint.source]
                    for t in range(source.steps):
                        for n, z in enumerate(naive.spikes(other, seen, joint.source, t)):
                            for m, w in joint.synapses[n] if z else []:
                                arriving[m].append(w * source.rows["d"][source.channel[n]][t])
                for m, parts in enumerate(arriving):
                    low, high = net.ranges[p.name].any_order[other.populations[place].channel[m]].tolist()
                    bias = other.populations[place].bias[m]
                    shuffle.shuffle(parts)
                    for order in ([bias, *parts], [*parts, bias], sorted(parts), sorted(parts, reverse=True)):
                        assert all(low <= total <= high for total in itertools.accumulate(order))
    net = Network([Input("in", (1, 1, 2), 2, 3), Readout("out", ONE, [-4])], [Dense("in", "out", [[5, -7]])])
    assert net.ranges["out"].any_order.tolist() == [[-4 - 7 * 3, 5 * 3]]
    gap = Network([Input("in", (1, 1, 1), 3, 4), Readout("out", ONE, [2])], [Dense("in", "out", [[1]])])
    assert gap.ranges["out"].any_order.tolist() == [[0, 2 + 7]]  # over spikes 4, 2, 1, not over codes 0..4


def test_final_holds_every_opening() -> None:
    """Every opening membrane of every image lies in final, which a tiny network reaches at both ends (RANGE-2)."""
    small = Network(
        [
            Input("in", (1, 1, 2), 2, 2),
            FS("a", (2, 1, 1), Table([2, -1], [3, 1], [-2, 5]), [1, -1]),
            Readout("out", ONE, [3]),
        ],
        [Dense("in", "a", [[2, -3], [1, 1]]), Dense("a", "out", [[4, -1]])],
    )
    images = [list(codes) for codes in itertools.product(range(3), repeat=2)]
    openings = [naive.simulate(oracle(small), image).opening[1] for image in images]
    for c in range(2):
        column = [v[c] for v in openings]
        assert small.ranges["a"].opening[c].tolist() == [min(column), max(column)]
    for make in NETS.values():
        net = make()
        images = draw(net, 12, 2)
        images[0], images[1] = net.input.max_code, 0
        trace = recorded(net, images, Record(observables=["opening"]))
        for (name, _), seen in trace.arrays.items():
            shaped = seen.reshape(len(seen), net[name].shape[0], -1)
            low, high = net.ranges[name].final[:, :, None].swapaxes(0, 1)
            assert (shaped >= low).all() and (shaped <= high).all()


def brute(T: Any, h: Any, d: Any, low: int, high: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """Hull of membranes after each step, and of codes, over every v."""
    fired = [naive.fire(v, T, h, d) for v in range(low, high + 1)]
    after = [v for _, _, membranes in fired for v in membranes]
    codes = [code for _, code, _ in fired]
    return (min(after), max(after)), (min(codes), max(codes))


def test_membranes_stay_in_range() -> None:
    """The hulls of membranes and codes are those over every single opening, for tables in any order; any_order and
    final hold the membranes (RANGE-3).
    """
    rng = np.random.default_rng(4)
    for trial in range(60):
        steps = int(rng.integers(1, 6))
        T, h, d = (rng.integers(-20, 21, steps).tolist() for _ in range(3))
        theta = int(rng.integers(1, 5))
        table = fs_relu(steps, theta) if trial % 4 == 0 else Table(T, h, d)
        weight, bias = int(rng.integers(-3, 4)), int(rng.integers(-20, 21))
        net = chain(FS("a", ONE, table, [bias]), Dense("in", "a", [[weight]]), given=Input("in", ONE, 3, 7))
        low, high = sorted((bias, bias + 7 * weight))
        proved = net.ranges["a"]
        membranes, codes = brute(table.T.tolist(), table.h.tolist(), table.d.tolist(), low, high)
        assert residuals(table.T.tolist(), table.h.tolist(), low, high) == membranes
        assert (tuple(proved.membranes[0].tolist()), tuple(proved.codes[0].tolist())) == (membranes, codes)
        assert proved.opening.tolist() == [[low, high]]
        assert proved.final.tolist() == [[min(low, membranes[0]), max(high, membranes[1])]]
        whole = min(0, bias, low, min(0, bias) + min(0, 7 * weight)), max(0, bias) + max(0, 7 * weight)
        assert proved.any_order.tolist() == [[min(whole[0], membranes[0]), max(whole[1], membranes[1])]]


def test_closed_form_of_the_fs_relu_is_the_firing_of_its_table() -> None:
    """All channels at once, at openings on, below and between the thresholds and at the ends of 63 bits: membranes and
    codes are those of splitting the interval step by step (RANGE-3, FS-5).
    """
    rng = np.random.default_rng(9)
    for steps in (1, 2, 5, 8, 16):
        theta = np.append(rng.integers(1, 2 ** rng.integers(1, 40, 300)), [1, 2**58 >> (steps - 1)])
        at = theta[:, None] * rng.integers(-1, 2**steps + 2, (len(theta), 2)) + rng.integers(-1, 2, (len(theta), 2))
        at[:3] = [[-(2**62), 2**62 - 1], [-(2**62), -(2**62)], [2**62 - 1, 2**62 - 1]]
        membranes, codes = relu_firing(theta, steps, np.sort(at, axis=1))
        for c, (low, high) in enumerate(np.sort(at, axis=1).tolist()):
            T, h, d = (row[c].tolist() for row in fs_relu(steps, theta).rows(len(theta)))
            assert tuple(membranes[c].tolist()) == residuals(T, h, low, high)
            assert codes[c].tolist() == [naive.fire(v, T, h, d)[1] for v in (low, high)]


def at_edge(bias: int, weight: int, table: Table) -> Network:
    """One FS neuron of this bias, one bit of input of this weight."""
    return chain(FS("a", ONE, table, [bias]), Dense("in", "a", [[weight]]), given=Input("in", ONE, 1, 1))


def test_beyond_63_bits_nothing_loads() -> None:
    """Every end of every interval lies in -2^62..2^62 - 1; one more and the network is refused, with the true value
    (RANGE-4).
    """
    top, low = 2**62 - 1, -(2**62)
    zero = Table([2**58], [0], [1])
    assert at_edge(top, 0, zero).ranges["a"].final.tolist() == [[top, top]]
    assert at_edge(low, 0, zero).ranges["a"].any_order.tolist() == [[low, 0]]
    assert at_edge(top - 5, 5, zero).ranges["a"].final.tolist() == [[top - 5, top]]
    with refused(RangeError, "RANGE-4", "a channel 0", top + 1):
        at_edge(top - 5, 6, zero)
    with refused(RangeError, "RANGE-4", "a channel 0", low - 1):
        at_edge(low, -1, zero)
    with refused(RangeError, "RANGE-4", "a channel 0", top + 2**58):
        at_edge(top, 0, Table([0], [-(2**58)], [1]))
    # The hull reaches 2^63 - 1 and is still formed without wrapping.
    with refused(RangeError, "RANGE-4", "a channel 0", top + 2**58):
        at_edge(top, 0, Table([0] * 16, [-(2**58)] * 16, [1] * 16))
    huge = np.full((1, 1024), 2**31 - 1)
    sent = Table([1], [1], [2**31 - 1])
    for count, fits in ((1, True), (1024, False)):
        populations = [Input("in", (count, 1, 1), 1, 1), FS("a", (count, 1, 1), sent), Readout("out", ONE)]
        joined = [Conv2d("in", "a", np.ones((count, 1, 1, 1), int), groups=count), Dense("a", "out", huge[:, :count])]
        if fits:
            assert Network(populations, joined).ranges["out"].final.tolist() == [[0, (2**31 - 1) ** 2]]
        else:
            with refused(RangeError, "RANGE-4", "out channel 0", count * (2**31 - 1) ** 2):
                Network(populations, joined)


def test_declared_width_that_does_not_hold_is_refused() -> None:
    """A declared width holds the interval it promises, or the network is refused with channel and value (RANGE-5)."""

    def declared(bits: int, promise: Any, name: str = "out") -> Network:
        width = {name: Width(bits, promise)}
        hidden = FS("a", (2, 1, 1), Table([4, -100], [9, 1], [1, 1]), [0, 3], width.get("a"))
        last = Readout("out", (2, 1, 1), [0, -60], width.get("out"))
        into = Dense("in", "a", [[1], [2]]), Dense("a", "out", [[30, 33], [34, 60]])
        return chain(hidden, *into, given=Input("in", ONE, 3, 5), readout=last)

    # out: any_order [0, 2*63] and [-60, 2*94]; codes 1..2 each: final [63, 126], [34, 128]
    assert declared(9, "any_order").ranges["out"].any_order.tolist() == [[0, 126], [-60, 188]]
    assert declared(9, "final").ranges["out"].final.tolist() == [[63, 126], [34, 128]]
    with refused(RangeError, "RANGE-5", "out channel 1", 128):
        declared(8, "final")
    with refused(RangeError, "RANGE-5", "out channel 1", 188):
        declared(8, "any_order")
    with refused(RangeError, "RANGE-5", "out channel 0", 126):
        declared(7, "final")
    assert declared(63, "any_order", "a").ranges["a"].any_order.tolist()[1][1] == 17
    with refused(RangeError, "RANGE-5", "a channel 1", 17):
        declared(5, "any_order", "a")
    with refused(RangeError, "RANGE-5"):
        declared(1, "final", "a")


def test_width_bits() -> None:
    """The bits that hold an interval in two's complement."""
    for low, high, bits in (
        (0, 0, 1),
        (-1, 0, 1),
        (0, 1, 2),
        (-2, 1, 2),
        (-3, 0, 3),
        (-128, 127, 8),
        (-129, 0, 9),
        (0, 128, 9),
        (-(2**62), 2**62 - 1, 63),
    ):
        assert width_bits(np.array([[low, high]], np.int64)) == bits


def test_padding_and_places_are_left_out() -> None:
    """A tap that falls on padding adds nothing to the interval of that place; the channel's interval is the hull over
    places (RANGE).
    """
    into = Conv2d("in", "a", [[[[-5, 3, 7]]]], padding=(0, 1, 0, 1))
    net = chain(FS("a", (1, 1, 2), fs_relu(1), np.array([[[0, 10]]])), into, given=Input("in", (1, 1, 2), 1, 1))
    # place 0: taps 3, 7 -> 0..10; place 1: taps -5, 3 plus 10 -> 5..13
    assert net.ranges["a"].opening.tolist() == [[0, 13]]
    assert net.ranges["a"].any_order.tolist() == [[-5, 13]]


def heavy(
    kernels: list[list[int]],
    width: int,
    padding: tuple[int, int, int, int] = (0, 0, 0, 0),
    steps: int = 2,
    worth: int = 2**30,
) -> Network:
    """A row of neurons whose spikes are all worth `worth`, and a 1 x n convolution of it into one logit for each of
    `kernels`.
    """
    fs = FS("fs", (1, 1, width), Table([1] * steps, [0] * steps, [worth] * steps))
    into = [Conv2d("fs", "out", np.array(k).reshape(1, 1, 1, -1), padding=padding) for k in kernels]
    return chain(fs, scale("in", "fs", [1]), *into, given=Input("in", (1, 1, width), 1, 1))


@pytest.mark.parametrize(
    ("kernels", "width", "worst"),
    [
        ([[-(2**31)] * 4], 4, -(2**64)),
        ([[-(2**31)]] * 4, 1, -(2**64)),
        ([[-(2**31)] * 4 + [-5]], 5, -(2**64) - 5 * 2**31),
        ([[2**31 - 1]] * 2, 1, 2 * (2**31 - 1) * 2**31),
    ],
)
def test_sums_beyond_int64_are_not_wrapped_in_the_proof(kernels: list[list[int]], width: int, worst: int) -> None:
    """An interval that int64 would wrap, even to an innocent one, is found in full and refused (RANGE-4)."""
    with refused(RangeError, "RANGE-4", value=worst):
        heavy(kernels, width)


def test_weights_that_only_padding_meets_add_nothing() -> None:
    """Weights beyond any range are no matter where no place of the source meets them (RANGE-1)."""
    net = heavy([[-(2**31), 1, -(2**31)]], 1, (0, 1, 0, 1), 16, 2**31 - 1)
    assert net.ranges["out"].any_order.tolist() == [[0, 16 * (2**31 - 1)]]
    assert run(net, np.ones((1, 1, 1, 1), int)).logits.tolist() == [[16 * (2**31 - 1)]]


def test_what_has_no_membranes_shows_none() -> None:
    """The range of an input and of a max-pool is an object of its own that shows codes alone; that of a population with
    membranes shows those, too (RANGE).
    """
    net = residual()
    for name in ("in", "pool"):
        proved = net.ranges[name]
        assert [row[0] for row in proved.sheet().rows] == ["codes"] and "any_order" not in repr(proved)
        assert all(proved is not other for key, other in net.ranges.items() if key != name)
    assert net.ranges["pool"].codes.tolist() == net.ranges["stem"].codes.tolist()
    assert net.ranges["pool"].any_order.tolist() != net.ranges["stem"].any_order.tolist()
    assert [row[0] for row in net.ranges["stem"].sheet().rows] == [
        "any_order",
        "final",
        "opening",
        "membranes",
        "codes",
    ]
    assert repr(net.ranges["stem"]).startswith("<Range of 4 channels: any_order ")


def test_bits_of_an_interval_below_zero() -> None:
    """Both ends take a sign, on whichever side of 0 they lie."""
    found = [width_bits(np.array([ends], np.int64)) for ends in ((-4, -4), (-5, -4), (4, 4), (-1, -1))]
    assert found == [3, 4, 4, 1]


@pytest.mark.parametrize(
    ("promise", "bias", "weight"),
    [("final", -4, 7), ("final", 3, -7), ("any_order", -4, 3), ("any_order", 3, -4)],
)
def test_a_declared_width_may_be_just_wide_enough(promise: Any, bias: int, weight: int) -> None:
    """Both ends of an interval -4..3 are held by 3 bits; one more at the end that the bias makes is not (RANGE-5)."""

    def declared(bias: int) -> Network:
        last = Readout("out", ONE, [bias], Width(3, promise))
        return chain(Dense("in", "out", [[weight]]), given=Input("in", ONE, 1, 1), readout=last)

    assert getattr(declared(bias).ranges["out"], promise).tolist() == [[-4, 3]]
    beyond = bias + (1 if bias > 0 else -1)
    with refused(RangeError, "RANGE-5", "out channel 0", beyond):
        declared(beyond)


def test_strides_of_rows_and_of_columns_are_told_apart() -> None:
    """The taps that fall on padding are those of the row and of the column, whatever the other's stride, dilation and
    padding are: intervals are the naive ones, where a bias of its own lets every place be the lowest or the highest of
    its channel (RANGE-1, RANGE-2).
    """
    rng = np.random.default_rng(5)
    forms: list[dict[str, Any]] = [{"stride": (1, 3)}, {"stride": (3, 1)}, {"dilation": (2, 1)}, {"dilation": (1, 2)}]
    for geometry in forms * 6:
        into = Conv2d("in", "a", rng.integers(-9, 10, (2, 2, 3, 2)), padding=(2, 1, 1, 2), **geometry)
        size = window_shape((2, 4, 5), into.kernel, into.stride, into.padding, into.dilation)
        fs = FS("a", (2, *size), fs_relu(3), rng.integers(-60, 61, (2, *size)))
        net = chain(fs, into, given=Input("in", (2, 4, 5), 2, 3))
        wanted, proved = naive_ranges.ranges(oracle(net)), net.ranges["a"]
        assert [tuple(pair) for pair in proved.any_order.tolist()] == wanted["any_order"][1]
        assert [tuple(pair) for pair in proved.final.tolist()] == wanted["final"][1]
