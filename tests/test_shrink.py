"""Shrinking: bugs of devices become the smallest cases that show them, and a replay decides with the standard library
alone (CONFORM-4, CONFORM-5).
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import naive
from fsref import FS, Conv2d, Dense, Gate, Input, MaxPool, Network, Readout, Table, fs_relu
from fsref.conformance.driven import DIFFERS, Driven
from fsref.conformance.greeting import Greeting
from fsref.conformance.replay import files
from fsref.conformance.shrink import shrink, shrink_given
from fsref.conformance.smallest import otherwise
from fsref.formats.npz import to_bytes
from fsref.vectors.case import Case, case_of

Answers = dict[tuple[str, str], list[Any]]


def device(case: Case, fire: Callable[..., Any] = naive.fire, opened: Callable[[int], int] = int) -> Answers:
    """What a device answers that is the naive oracle but for how it fires, and for what it makes of each opening."""
    net, names = naive.load(to_bytes(case.net)), [p.name for p in case.net.populations]
    trains = {names.index(of): a.tolist() for (of, what), a in case.given.items() if what != "opening"}
    opening = {names.index(of): a.tolist() for (of, what), a in case.given.items() if what == "opening"}
    found: Answers = {}
    for p, one in enumerate(net.populations):
        if p and p not in trains:  # one by one, so that what is wrong goes on
            seen = naive.follow(net, trains, opening)
            if p in seen.opening:
                opening[p] = [opened(v) for v in seen.opening[p]] if p not in opening else opening[p]
                found[names[p], "opening"] = opening[p]
            if one.kind == "fs" and p in opening:
                rows = [[one.rows[part][c] for part in "Thd"] for c in one.channel]
                trains[p] = [fire(v, *row)[0] for v, row in zip(opening[p], rows, strict=True)]
            elif p in seen.trains:
                trains[p] = seen.trains[p]
            if p in trains:
                found[names[p], "spikes"] = trains[p]
    return found


def strictly(v: int, T: Sequence[int], h: Sequence[int], d: Sequence[int]) -> tuple[int, int, list[int]]:
    """A neuron that fires above its threshold, not at it."""
    return naive.fire(v, [threshold + 1 for threshold in T], h, d)


BUGS: dict[str, Callable[[Case], Answers]] = {
    "strict": lambda case: device(case, fire=strictly),
    "saturates at 9 bits": lambda case: device(case, opened=lambda v: max(-256, min(255, v))),
    "wraps at 9 bits": lambda case: device(case, opened=lambda v: (v + 256) % 512 - 256),
    "loses 2^7": lambda case: device(case, opened=lambda v: v & ~128),
}


def network() -> Network:
    """A conv2d with padding and stride, a merge of two sources, a max-pool, a dense readout."""
    rng = np.random.default_rng(5)
    populations = [
        Input("in", (2, 6, 6), 5, 31),
        FS("a", (3, 3, 3), fs_relu(4, [11, 17, 8]), rng.integers(-40, 90, (3, 3, 3))),
        FS("b", (3, 3, 3), fs_relu(5, 7), rng.integers(-30, 30, 3)),
        MaxPool("pool", (3, 2, 2), "b", (2, 2), (1, 1)),
        Readout("out", (4, 1, 1), [3, -200, 0, 7]),
    ]
    projections = [
        Conv2d("in", "a", rng.integers(-9, 10, (3, 2, 3, 3)), (2, 2), (1, 1, 0, 0)),
        Conv2d("a", "b", rng.integers(-9, 10, (3, 3, 1, 1))),
        Conv2d("in", "b", rng.integers(-4, 5, (3, 2, 2, 2)), (2, 2)),
        Dense("pool", "out", rng.integers(-9, 10, (4, 12))),
    ]
    return Network(populations, projections)


NET = network()


def first(case: Case, answers: Answers) -> tuple[str, tuple[int, int, int]] | None:
    """Where answers differ from what is expected first: population and place."""
    for p in case.net.populations:
        for what in ("opening", "spikes"):
            if (p.name, what) in answers and (p.name, what) in case.expected:
                wrong = np.flatnonzero(case.expected[p.name, what] != answers[p.name, what])
                if len(wrong):
                    c, y, x = np.unravel_index(wrong[0], p.shape)
                    return p.name, (int(c), int(y), int(x))
    return None


def failing(bug: Callable[[Case], Answers], scope: str) -> tuple[Case, tuple[str, tuple[int, int, int]]]:
    """A case of the network that shows a bug, and where."""
    rng = np.random.default_rng(2)
    for _ in range(60):
        if scope == "network":
            case = case_of(NET, scope, "out", {("in", "codes"): rng.integers(0, 32, 72)})
        else:
            given = {("a", "spikes"): rng.integers(0, 16, 27), ("in", "spikes"): rng.integers(0, 32, 72)}
            case = case_of(NET, scope, "b", given)
        if (at := first(case, bug(case))) is not None:
            return case, at
    raise AssertionError("the bug does not show")


@pytest.mark.parametrize("scope", ["network", "population"])
@pytest.mark.parametrize("name", BUGS)
def test_bugs_shrink_to_two_neurons(name: str, scope: str) -> None:
    """A bug ends as one neuron that fires, a readout behind it and one input: with one step of it, where one is enough,
    and it still fails.
    """
    bug = BUGS[name]
    case, at = failing(bug, scope)
    (small,) = shrink([case], at, lambda cases: first(cases[-1], bug(cases[-1])) is not None)
    assert first(small, bug(small)) is not None
    assert [p.neurons for p in small.net.populations] == [1] * len(small.net.populations)
    assert len(small.net.populations) <= 3
    assert name != "strict" or small.net.steps[small.net.populations[1].name] <= 2


def test_what_a_failure_needs_before_it_stays() -> None:
    """A device that leaves something behind fails in the second run: two runs stay, and each is small."""

    def fails(cases: Sequence[Case]) -> bool:
        left = 0
        for case in cases[:-1]:  # what is left of each run is added to the next
            left += sum(v % 7 for v in case.expected[last(case), "opening"])
        return left != 0

    def last(case: Case) -> str:
        return "b" if "b" in [p.name for p in case.net.populations] else case.net.readout.name

    rng = np.random.default_rng(3)
    cases = [case_of(NET, "network", "out", {("in", "codes"): rng.integers(0, 32, 72)}) for _ in range(6)]
    small = shrink(cases, ("b", (0, 0, 0)), fails)
    assert len(small) == 2 and fails(small) and not fails(small[-1:])
    assert small[0].net.id == small[1].net.id and small[0].net.neurons <= 3


def test_a_fixed_network_ends_with_the_smallest_image() -> None:
    """Where the network cannot be changed, the image has no integer left that is not needed."""

    def fails(cases: Sequence[Case]) -> bool:
        x = cases[-1].given["in", "codes"]
        return int(x[5]) >= 3 and int(x[40]) >= 1

    case = case_of(NET, "network", "out", {("in", "codes"): np.full(72, 31)})
    (small,) = shrink_given([case], fails)
    assert {n: int(small.given["in", "codes"][n]) for n in np.flatnonzero(small.given["in", "codes"])} == {5: 3, 40: 1}


def test_what_needs_two_sources_keeps_them() -> None:
    """A device that is wrong where two sources meet in one neuron: two of one neuron each, and no more."""

    def fails(cases: Sequence[Case]) -> bool:
        net, case = cases[-1].net, cases[-1]
        (merged,) = [p.name for p in net.populations if len(net.sources(p.name)) == 2] or [""]
        sums = [case.expected[q, "sums"] for q in net.into(merged)] if merged else []
        return len(sums) == 2 and bool((sums[0] * sums[1] != 0).any())

    rng = np.random.default_rng(4)
    case = case_of(NET, "network", "out", {("in", "codes"): rng.integers(0, 32, 72)})
    both = case.expected["a->b", "sums"] * case.expected["in->b", "sums"] != 0
    c, y, x = np.unravel_index(np.flatnonzero(both)[0], (3, 3, 3))
    (small,) = shrink([case], ("b", (int(c), int(y), int(x))), fails)
    assert fails([small]) and small.net.neurons <= 6
    assert [p.shape for p in small.net.populations] == 4 * [(1, 1, 1)]  # one of the two is the input


def test_a_source_of_a_table_of_its_own_needs_no_map_of_biases() -> None:
    """A device of eight channels that takes one bias for each, and is wrong where a spike is worth less than 0."""

    def fails(cases: Sequence[Case]) -> bool:
        net, case = cases[-1].net, cases[-1]
        if any(np.array(p.bias).ndim == 3 for p in net.integrating) or any(p.shape[0] > 8 for p in net.populations):
            return False
        below = [p.name for p in net.fs if (case.expected[p.name, "codes"] < 0).any()]
        return any(q.source in below and q.target == "out" and q.weights.any() for q in net.projections)

    rng = np.random.default_rng(6)
    table = Table(T=[40, 20, 10], h=[40, 20, 10], d=[4, -9, 1])
    net = Network(
        [Input("in", (2, 4, 4), 4, 15), FS("a", (3, 4, 4), table, [5, 0, -3]), Readout("out", (2, 1, 1), [1, 2])],
        [Conv2d("in", "a", rng.integers(-9, 10, (3, 2, 1, 1))), Conv2d("a", "out", rng.integers(-9, 10, (2, 3, 4, 4)))],
    )
    case = case_of(net, "network", "out", {("in", "codes"): rng.integers(0, 16, 32)})
    (small,) = shrink([case], ("out", (0, 0, 0)), fails)
    assert fails([small]) and [p.shape for p in small.net.populations] == 3 * [(1, 1, 1)]


def test_sources_of_other_shapes_are_fed_by_one_input() -> None:
    """A device of eight channels and windows of three that takes one bias for each channel, and is wrong where a map
    and a smaller one meet, both of tables of their own: two sources of one neuron each stay.
    """

    def fails(cases: Sequence[Case]) -> bool:
        net, case = cases[-1].net, cases[-1]
        windows = [q.kernel for q in net.projections if isinstance(q, Conv2d)]
        maps = any(np.array(p.bias).ndim == 3 for p in net.integrating)
        if maps or any(p.shape[0] > 8 for p in net.populations) or any(max(kernel) > 3 for kernel in windows):
            return False
        met = [p.name for p in net.fs if len(net.sources(p.name)) == 2]
        sums = [[case.expected[q, "sums"] for q in net.into(name)] for name in met]
        return any(bool(((a < 0) & (b < 0)).any()) for a, b in sums)

    rng = np.random.default_rng(8)
    table = Table(T=[40, 20, 10], h=[40, 20, 10], d=[4, -9, 1])
    populations = [
        Input("in", (2, 6, 6), 4, 15),
        FS("a", (3, 6, 6), table, [5, 0, -3]),
        FS("b", (3, 4, 4), table, [9, -8, 7]),
        FS("met", (3, 4, 4), fs_relu(4, 3), [1, 2, 3]),
        Readout("out", (1, 1, 1)),
    ]
    projections = [
        Conv2d("in", "a", rng.integers(-9, 10, (3, 2, 1, 1))),
        Conv2d("in", "b", rng.integers(-9, 10, (3, 2, 3, 3))),
        Conv2d("a", "met", rng.integers(-9, 10, (3, 3, 3, 3))),
        Conv2d("b", "met", rng.integers(-9, 10, (3, 3, 1, 1))),
        Dense("met", "out", rng.integers(-9, 10, (1, 48))),
    ]
    net = Network(populations, projections)
    cases = (case_of(net, "network", "out", {("in", "codes"): rng.integers(0, 16, 72)}) for _ in range(20))
    case = next(case for case in cases if fails([case]))
    both = (case.expected["a->met", "sums"] < 0) & (case.expected["b->met", "sums"] < 0)
    c, y, x = np.unravel_index(np.flatnonzero(both)[0], (3, 4, 4))
    (small,) = shrink([case], ("met", (int(c), int(y), int(x))), fails)
    assert fails([small]) and [p.neurons for p in small.net.populations[1:]] == [1, 1, 1, 1]


def test_tables_and_windows_end_small() -> None:
    """Of a neuron of any table behind a window with a stride and a dilation, wrong where it ties, no integer of a table
    stays far from 0, and no stride or dilation beyond 1.
    """

    def wrong(cases: Sequence[Case]) -> tuple[str, tuple[int, int, int]] | None:
        return first(cases[-1], device(cases[-1], fire=strictly))

    rng = np.random.default_rng(11)
    sent, tied = Table(T=[40, 20], h=[40, 20], d=[7, -9]), Table(T=[-427, 300, -51], h=[778, -90, 33], d=[4, -9, 6])
    populations = [
        Input("in", (2, 8, 8), 4, 15),
        FS("a", (2, 8, 8), sent),
        FS("tied", (2, 3, 3), tied, [-320, -400]),
        Readout("out", (1, 1, 1)),
    ]
    projections = [
        Conv2d("in", "a", rng.integers(-9, 10, (2, 2, 1, 1))),
        Conv2d("a", "tied", rng.integers(-9, 10, (2, 2, 2, 2)), (2, 2), dilation=(3, 2)),
        Dense("tied", "out", rng.integers(-9, 10, (1, 18))),
    ]
    net = Network(populations, projections)
    given = ({("a", "spikes"): rng.integers(0, 4, 128)} for _ in range(400))
    case = next(case for one in given if wrong([case := case_of(net, "population", "tied", one)]))
    at = wrong([case])
    assert at is not None
    (small,) = shrink([case], at, lambda cases: wrong(cases) is not None)
    a, tied_one = small.net.fs
    rows = [a.table.T, a.table.h, a.table.d, tied_one.table.T, tied_one.table.h, tied_one.table.d]
    assert max(int(np.abs(one).max()) for one in rows) <= 2, small.net.fs
    windows = [q for q in small.net.projections if isinstance(q, Conv2d)]
    assert all(q.stride == (1, 1) and q.dilation == (1, 1) for q in windows)


@pytest.mark.parametrize("pooled", [True, False], ids=["pooled", "dense"])
@pytest.mark.parametrize(
    ("worth", "beyond", "left"), [(1, 40_000, 2), (1, 140_000, 5), (3, 40_000, 1)], ids=["input", "more", "table"]
)
def test_a_large_sum_needs_few_synapses(pooled: bool, worth: int, beyond: int, left: int) -> None:
    """What fails of a sum of many small products alone ends with as few large ones as are beyond it."""
    rng = np.random.default_rng(11)
    table = Table(T=fs_relu(8).T, h=fs_relu(8).h, d=worth * fs_relu(8).d)
    weights = rng.integers(9, 12, (3, 2 if pooled else 70))
    net = Network(
        [
            Input("in", (2, 5, 7), 8, 255),
            FS("a", (2, 5, 7), table, np.full(2, 255)),
            FS("b", (3, 1, 1), fs_relu(4, 999), [0, 3, -7]),
            Readout("out", (1, 1, 1), [0]),
        ],
        [
            Conv2d("in", "a", np.eye(2, dtype=np.int64)[:, :, None, None]),
            Dense("in" if worth == 1 else "a", "b", weights, pooled=pooled),
            Dense("b", "out", [[1, 1, 1]]),
        ],
    )
    case = case_of(net, "network", "out", {("in", "codes"): np.full(70, 255)})

    def fails(cases: Sequence[Case]) -> bool:
        net, opening = cases[-1].net, cases[-1].expected.get(("b", "opening"), np.zeros(0))
        b = next(p for p in net.integrating if p.name == "b")
        return bool((opening.reshape(-1, *b.shape) - b.bias_map > beyond).any())

    (less,) = shrink([case], ("b", (1, 0, 0)), fails)
    assert fails([less]) and [less.net[name].neurons for name in ("b", *less.net.sources("b"))] == [1, left]


def test_the_layer_of_a_merge_is_kept_by_fewer_sources() -> None:
    """A device that is wrong in the second layer alone, in channel 2, where a merge and groups lie: one source stays,
    behind as many layers, and three channels.
    """

    def fails(cases: Sequence[Case]) -> bool:
        net, case = cases[-1].net, cases[-1]
        second = [p for p in net.integrating[1:2] if p.shape[0] > 2]
        return len(cases) > 1 and any((case.expected[p.name, "opening"].reshape(p.shape)[2] > 9).any() for p in second)

    rng = np.random.default_rng(12)
    table = Table(T=[40, 20, 10], h=[40, 20, 10], d=[4, -9, 1])
    populations = [
        Input("in", (4, 3, 3), 4, 15),
        FS("a", (4, 3, 3), table, [5, 0, -3, 8]),
        FS("met", (6, 3, 3), fs_relu(4, 3), rng.integers(-9, 20, 6)),
        Readout("out", (1, 1, 1)),
    ]
    projections = [
        Conv2d("in", "a", rng.integers(-9, 10, (4, 4, 1, 1))),
        Conv2d("in", "met", rng.integers(-9, 10, (6, 2, 1, 1)), groups=2),
        Conv2d("a", "met", rng.integers(-9, 10, (6, 2, 1, 1)), groups=2),
        Dense("met", "out", rng.integers(-9, 10, (1, 54))),
    ]
    net = Network(populations, projections)
    cases = [case_of(net, "network", "out", {("in", "codes"): rng.integers(0, 16, 36)}) for _ in range(9)]
    at = next(n for n in range(1, 9) if fails(cases[: n + 1]))
    wrong = np.argwhere(cases[at].expected["met", "opening"].reshape(6, 3, 3)[2] > 9)[0]
    small = shrink(cases[: at + 1], ("met", (2, int(wrong[0]), int(wrong[1]))), fails)
    assert fails(small) and len(small) == 2
    assert [p.neurons for p in small[-1].net.integrating] == [1, 3, 1]


def test_windows_of_one_source_end_at_one_place() -> None:
    """A device that is wrong in the first layer where two windows of the input meet: one neuron of one input."""

    def fails(cases: Sequence[Case]) -> bool:
        net, case = cases[-1].net, cases[-1]
        into = net.into(net.integrating[0].name)
        sums = [case.expected[name, "sums"] for name, q in into.items() if isinstance(q, Conv2d)]
        return len(sums) == 2 and bool((sums[0] * sums[1] != 0).any())

    rng = np.random.default_rng(13)
    populations = [Input("in", (2, 4, 5), 4, 15), FS("met", (3, 4, 5), fs_relu(4, 3)), Readout("out", (1, 1, 1))]
    projections = [
        Conv2d("in", "met", rng.integers(-9, 10, (3, 2, 3, 3)), padding=(1, 1, 1, 1)),
        Conv2d("in", "met", rng.integers(-9, 10, (3, 2, 1, 1))),
        Dense("met", "out", rng.integers(-9, 10, (1, 60))),
    ]
    case = case_of(Network(populations, projections), "network", "out", {("in", "codes"): rng.integers(1, 16, 40)})
    (small,) = shrink([case], ("met", (1, 2, 3)), fails)
    assert fails([small]) and [p.neurons for p in small.net.populations] == [1, 1, 1]


def test_a_far_neuron_of_a_window_is_read_at_one_place() -> None:
    """A device of windows of three that is wrong where a spike comes along a conv2d from neuron 31: one target."""

    def fails(cases: Sequence[Case]) -> bool:
        net, case = cases[-1].net, cases[-1]
        if any(isinstance(q, Conv2d) and max(q.kernel) > 3 for q in net.projections):
            return False
        codes = case.given[net.input.name, "codes"]
        conv = [q for q in net.projections if isinstance(q, Conv2d) and q.source == net.input.name]
        other = case_of(
            net, "network", case.unit, {(net.input.name, "codes"): np.where(np.arange(len(codes)) == 31, 0, codes)}
        )
        key = (net.integrating[0].name, "opening")
        return len(codes) > 31 and bool(conv) and bool((other.expected[key] != case.expected[key]).any())

    rng = np.random.default_rng(14)
    populations = [Input("in", (4, 4, 4), 4, 15), FS("a", (3, 4, 4), fs_relu(4, 3)), Readout("out", (1, 1, 1))]
    projections = [
        Conv2d("in", "a", rng.integers(1, 10, (3, 4, 3, 3)), padding=(1, 1, 1, 1)),
        Dense("a", "out", rng.integers(-9, 10, (1, 48))),
    ]
    case = case_of(Network(populations, projections), "network", "out", {("in", "codes"): rng.integers(1, 16, 64)})
    (small,) = shrink([case], ("a", (1, 3, 3)), fails)
    assert fails([small]) and [p.neurons for p in small.net.integrating] == [1, 1]


def test_what_is_left_of_populations_before_is_kept() -> None:
    """A device that adds the code of a neuron of the same number in the fs before: one of them that fires stays."""

    def fails(cases: Sequence[Case]) -> bool:
        net, case = cases[-1].net, cases[-1]
        codes = [case.expected[p.name, "codes"] for p in net.fs]
        return any(bool((a[: len(b)] * b[: len(a)]).any()) for a, b in zip(codes, codes[1:], strict=False))

    rng = np.random.default_rng(15)
    populations = [
        Input("in", (2, 4, 4), 4, 15),
        FS("a", (3, 4, 4), fs_relu(4, 5), [9, 0, 7]),
        FS("b", (3, 4, 4), fs_relu(4, 3), [1, 12, 3]),
        Readout("out", (1, 1, 1)),
    ]
    projections = [
        Conv2d("in", "a", rng.integers(-9, 10, (3, 2, 1, 1))),
        Conv2d("in", "b", rng.integers(-9, 10, (3, 2, 3, 3)), padding=(1, 1, 1, 1)),
        Dense("b", "out", rng.integers(-9, 10, (1, 48))),
    ]
    net = Network(populations, projections)
    cases = (case_of(net, "network", "out", {("in", "codes"): rng.integers(0, 16, 32)}) for _ in range(20))
    case = next(case for case in cases if fails([case]))
    both = case.expected["a", "codes"] * case.expected["b", "codes"]
    c, y, x = np.unravel_index(np.flatnonzero(both)[0], (3, 4, 4))
    (small,) = shrink([case], ("b", (int(c), int(y), int(x))), fails)
    assert fails([small]) and [p.neurons for p in small.net.integrating] == [1, 1, 1]


def test_a_layer_is_counted_without_pools() -> None:
    """A device that is wrong in a dense of the third population with membranes alone, behind a pool: few neurons."""

    def fails(cases: Sequence[Case]) -> bool:
        net, case = cases[-1].net, cases[-1]
        third = [p.name for p in net.integrating[2:3] if any(q.weights.ndim == 2 for q in net.into(p.name).values())]
        return any((case.expected[name, "opening"] > 9).any() for name in third)

    rng = np.random.default_rng(7)
    cases = (case_of(NET, "network", "out", {("in", "codes"): rng.integers(0, 32, 72)}) for _ in range(60))
    case = next(case for case in cases if fails([case]))
    at = int((case.expected["out", "opening"] > 9).argmax())
    (small,) = shrink([case], ("out", (at, 0, 0)), fails)
    assert fails([small]) and small.net.neurons <= 5


def test_the_first_channel_behind_a_tile_is_enough() -> None:
    """A device that loses what is behind the last whole tile of eight channels: nine of them stay."""
    rng = np.random.default_rng(9)
    populations = [Input("in", (3, 1, 1), 4, 15), FS("b", (45, 1, 1), fs_relu(4, 9)), Readout("out", (1, 1, 1))]
    projections = [
        Dense("in", "b", rng.integers(1, 9, (45, 3))),
        Dense("b", "out", rng.integers(-9, 10, (1, 45))),
    ]
    case = case_of(Network(populations, projections), "network", "out", {("in", "codes"): [9, 14, 3]})

    def fails(cases: Sequence[Case]) -> bool:
        p = cases[-1].net.fs[-1]
        behind = cases[-1].expected[p.name, "opening"][p.neurons // 8 * 8 :]
        return p.neurons > 8 and bool(behind.any())

    (small,) = shrink([case], ("b", (42, 0, 0)), fails)
    assert fails([small]) and small.net.fs[-1].neurons == 9


def windows() -> Network:
    """Two convolutions of groups, strides, dilations and paddings, each behind an FS of d that are no powers of 2, and
    a dense of all places.
    """
    rng = np.random.default_rng(11)
    d = np.array([[9, 5, 2], [8, 4, 3]])
    tables = [Table(T=rows, h=rows, d=rows) for rows in (d[np.arange(10) % 2], d[np.arange(6) % 2])]
    populations = [
        Input("in", (4, 9, 8), 4, 15),
        FS("a", (10, 5, 9), tables[0], rng.integers(0, 20, 10)),
        FS("b", (6, 6, 4), tables[1], rng.integers(0, 20, (6, 6, 4))),
        Readout("out", (3, 1, 1)),
    ]
    projections = [
        Conv2d("in", "a", rng.integers(-9, 10, (10, 2, 2, 3)), (2, 1), (1, 2, 0, 3), (1, 2), groups=2),
        Conv2d("a", "b", rng.integers(-9, 10, (6, 5, 3, 2)), (1, 2), (3, 0, 2, 2), (2, 3), groups=2),
        Dense("b", "out", rng.integers(-9, 10, (3, 144))),
    ]
    return Network(populations, projections)


def shown(case: Case, name: str) -> NDArray[np.bool_]:
    """Which sums of a projection are not 0, by channel, row and column."""
    q = case.net.named_projections[name]
    return (case.expected[name, "sums"] != 0).reshape(case.net[q.target].shape)


WINDOWED: dict[str, Callable[[Case, str, Conv2d], bool]] = {
    "a channel of the second group": lambda case, name, q: q.groups > 1 and bool(shown(case, name)[-1].any()),
    "a target that is not as wide as its source": lambda case, name, q: (
        case.net[q.source].shape[2] != case.net[q.target].shape[2] and bool(shown(case, name)[:, 1:].any())
    ),
    "a target of rows and columns": lambda case, name, q: bool(shown(case, name)[:, 1:, 1:].any()),
    "a dilation": lambda case, name, q: q.dilation[1] > 1 and q.kernel[1] > 1 and bool(shown(case, name).any()),
    "a stride": lambda case, name, q: q.stride[1] > 1 and bool(shown(case, name)[..., 1:].any()),
    "padding behind": lambda case, name, q: q.padding[3] > 0 and bool(shown(case, name)[..., -1].any()),
}


@pytest.mark.parametrize("scope", ["network", "projection"])
@pytest.mark.parametrize("kind", WINDOWED)
def test_what_fails_of_windows_shrinks(kind: str, scope: str) -> None:
    """A device that is wrong in a second group, row or column, behind a stride, a dilation or padding ends as two
    channels or places, four where it takes both, and sources of no more, though it has no paddings above 3.
    """
    net, rng = windows(), np.random.default_rng(12)
    case = case_of(net, "network", "out", {("in", "codes"): rng.integers(0, 16, 288)})
    if scope == "projection":
        case = case_of(net, scope, "a->b", {("a", "spikes"): case.expected["a", "spikes"]})
    at = tuple(int(n) for n in np.argwhere(shown(case, "a->b"))[-1])

    def fails(cases: Sequence[Case]) -> bool:
        own = cases[-1].net
        if any(max(q.padding) > 3 for q in own.projections if isinstance(q, Conv2d)):
            return False
        windows = {name: q for name, q in own.named_projections.items() if isinstance(q, Conv2d)}
        return any(
            WINDOWED[kind](cases[-1], name, q) for name, q in windows.items() if (name, "sums") in cases[-1].expected
        )

    assert fails([case])
    (small,) = shrink([case], ("b", (at[0], at[1], at[2])), fails)
    assert fails([small])
    most = 4 if "rows and" in kind else 2
    assert max(p.neurons for p in small.net.populations[1:]) <= most, small.net.populations


def test_a_dense_of_rows_keeps_few() -> None:
    """A device that is wrong where the source of a dense is not as high as wide keeps a source of two places."""
    net, rng = windows(), np.random.default_rng(13)
    case = case_of(net, "network", "out", {("in", "codes"): rng.integers(0, 16, 288)})

    def fails(cases: Sequence[Case]) -> bool:
        return any(
            cases[-1].net[q.source].shape[1] != cases[-1].net[q.source].shape[2]
            and bool(cases[-1].expected[name, "sums"].any())
            for name, q in cases[-1].net.named_projections.items()
            if isinstance(q, Dense) and (name, "sums") in cases[-1].expected
        )

    (small,) = shrink([case], ("out", (2, 0, 0)), fails)
    assert fails([small]) and max(p.neurons for p in small.net.populations) == 2


class Kept:
    """A device as it is driven, whose answer to a case is all that `keeps` makes of the cases since its start."""

    def __init__(self, keeps: Callable[[list[int]], int]) -> None:
        self.keeps, self.turn = keeps, 0

    def last(self, cases: Sequence[Case], anew: bool = True) -> Driven | None:
        """The answer to the last of cases, on a device just started."""
        self.turn += 1
        seen = np.array([self.keeps([self.turn, *(int(case.given["in", "codes"].sum()) for case in cases)])])
        return Driven.of(cases[-1], DIFFERS, observed={("out", "opening"): seen})


def test_what_stands_of_other_cases_is_found() -> None:
    """A device that adds what is left of the case before answers otherwise behind others; one whose answers follow from
    the case alone does not, nor does one whose answers never come again.
    """
    cases = [case_of(NET, "network", "out", {("in", "codes"): np.full(72, n)}) for n in (3, 1, 2)]
    for keeps, found in (
        (lambda seen: seen[-1] + (seen[-2] if len(seen) > 2 else 0), True),
        (lambda seen: seen[-1], False),
        (lambda seen: seen[0], False),
    ):
        drive: Any = Kept(keeps)
        assert otherwise(drive, cases[0], cases[1:]) == found
        assert not otherwise(drive, cases[0], [])


def test_what_does_not_fail_again_is_given_back() -> None:
    """A device that fails once and never again: the case stays as it was."""
    case, at = failing(BUGS["strict"], "network")
    assert shrink([case], at, lambda cases: False) == [case]


def test_a_spent_budget_ends_with_what_was_found() -> None:
    """No more questions than the budget has."""
    case, at = failing(BUGS["strict"], "network")
    asked: list[int] = []

    def fails(cases: Sequence[Case]) -> bool:
        asked.append(1)
        return first(cases[-1], BUGS["strict"](cases[-1])) is not None

    (small,) = shrink([case], at, fails, budget=7)
    assert len(asked) == 7 and fails([small])


ANOTHER = """
import struct, sys
sys.path.insert(0, {naive!r})
import naive
# A device in a few lines: it answers the opening of population 1 and its train, wrong by {off}.
while True:
    (n,) = struct.unpack("<q", sys.stdin.buffer.read(8))
    w = struct.unpack(f"<{{n}}q", sys.stdin.buffer.read(8 * n))
    reply = [0, 2, 0x7d7b] if w[0] == 0 else [w[0]]
    if w[0] == 2:
        reply = [2, *{answer}]
    sys.stdout.buffer.write(struct.pack(f"<{{len(reply) + 1}}q", len(reply), *reply))
    sys.stdout.buffer.flush()
    if w[0] == 4:
        break
"""


@pytest.mark.parametrize("carrier", ["frames"])
def test_a_replay_decides_without_fsref(tmp_path: Path, carrier: str) -> None:
    """The directory says with the standard library alone what was wrong, and asks a device again; a case that was
    tampered with is no longer what the law says, and what is no case is told in a line.
    """
    net = Network([Input("in", (1, 1, 1), 2, 3), Readout("out", (1, 1, 1), [5])], [Dense("in", "out", [[4]])])
    case = case_of(net, "network", "out", {("in", "codes"): np.array([2])})
    observed: Mapping[tuple[str, str], Any] = {("in->out", "sums"): np.array([8]), ("out", "opening"): np.array([12])}
    failed = Driven(case.id, "network", DIFFERS, case=case, observed=dict(observed))
    for name, data in files([case], failed, {"NET-5": "added once"}, carrier, Greeting()).items():
        (tmp_path / name).write_bytes(data)

    def replayed(*command: str) -> tuple[int, str]:
        done = subprocess.run(
            [sys.executable, tmp_path / "replay.py", *command], capture_output=True, text=True, check=False
        )
        assert done.stderr == ""
        return done.returncode, done.stdout

    code, text = replayed()
    assert code == 1 and "out.opening neuron 0: observed 12 expected 13" in text and "NET-5  added once" in text
    for answer, right in (([1, 8, 1, 13], True), ([1, 8, 1, 12], False)):
        program = tmp_path / "device.py"
        program.write_text(ANOTHER.format(naive=str(tmp_path), off=0, answer=answer), encoding="ascii")
        code, text = replayed(sys.executable, str(program))
        assert (code, "the device is right now" in text) == ((0, True) if right else (1, False)), text
    for device, says in (
        ("while True:\n    sys.stdout.buffer.write(bytes(2**16))", "writes more than it was asked for"),
        ("sys.stdout.buffer.write(sys.stdin.buffer.read())", "nothing that can be compared"),
        ("sys.stdout.close()", "answers 0 of 3 frames"),
        ("sys.exit(9)", "answers 0 of 3 frames: it ended with exit code 9"),
        ("sys.stdout.write('no frame')", "writes what is no answer by the carrier frames"),
    ):  # what has no end is left where it is too much
        code, text = replayed(sys.executable, "-c", f"import sys\n{device}")
        assert code == 1 and says in text, text
    been = f"import os\nanswer[1] ^= os.path.exists({str(tmp_path / 'been')!r})\nopen({str(tmp_path / 'been')!r}, 'w')"
    for begins, reply, says in (
        ("", "[5] if w[0] == 1 else [w[0]]", "refuses a load"),
        ("", "[0, 2, 0x7d7b] if w[0] < 2 else [w[0]]", "answers a load with what is no reply to it: [0, 2, 32123]"),
        (been, "[0, 2, 0x7d7b] if w[0] == 0 else [w[0]]", "started and asked the same again"),
    ):
        text = ANOTHER.format(naive=str(tmp_path), off=0, answer="answer")
        text = text.replace("while True", f"answer = [1, 8, 1, 13]\n{begins}\nwhile True")
        text = text.replace("[0, 2, 0x7d7b] if w[0] == 0 else [w[0]]", reply)
        program.write_text(text, encoding="ascii")
        code, text = replayed(sys.executable, str(program))
        assert code == 1 and says in text, text
    for run, wrong in (("runs == 1", 1), ("runs == 2", 1), ("runs == 3", 0)):  # of a case that is run twice, either
        told = json.loads((tmp_path / "case.json").read_text())
        (tmp_path / "case.json").write_text(json.dumps({**told, "protocol": "repeat"}))
        text = ANOTHER.format(naive=str(tmp_path), off=0, answer=f"[1, 8, 1, 13 - ({run})]").replace(
            "while", "runs = 0\nwhile"
        )
        program.write_text(
            text.replace("        reply = [2, *", "        runs += 1\n        reply = [2, *"), encoding="ascii"
        )
        code, text = replayed(sys.executable, str(program))
        assert code == wrong and ("still wrong" in text) is bool(wrong), text
    (tmp_path / "case.json").write_text(json.dumps({**told, "whole": False}))  # what it failed behind is not there
    code, text = replayed(sys.executable, str(program))
    assert code == 2 and "failed behind more than is asked here" in text
    code, text = replayed("no-such-program")
    assert code == 2 and "gives no answer" in text
    told = json.loads((tmp_path / "case.json").read_text())
    (tmp_path / "case.json").write_text(json.dumps({**told, "scope": "\x1b[2J" * 1000}))
    code, text = replayed()
    assert code == 1 and "scope \\x1b[2J" in text and max(map(len, text.split("\n"))) == 1000
    told["expected"]["out.opening"] = [12]
    (tmp_path / "case.json").write_text(json.dumps(told))
    assert replayed()[0] == 2
    whole = {"populations": [{**p, "shape": [1, 1, 2**40]} for p in told["network"]["manifest"]["populations"]]}
    large = {**told["network"], "manifest": {**told["network"]["manifest"], **whole}}
    broken = [{**told, "network": large}, {**told, "given": 3}, {}, [], None]
    for what in [*map(json.dumps, broken), "{", "[" * 100_000, ""]:  # whatever somebody has made of it
        (tmp_path / "case.json").write_text(what)
        code, text = replayed()
        assert code == 2 and text.count("\n") <= 2 and text.replace("\n", "").isprintable(), text


def gated() -> Network:
    """A gate of two maps, a conv2d of the first and its square beside it; behind them a gate by a channel's code."""
    rng = np.random.default_rng(6)
    populations = [
        Input("in", (2, 4, 4), 4, 15),
        FS("map", (3, 4, 4), fs_relu(4, [5, 7, 3]), rng.integers(-20, 60, (3, 4, 4))),
        FS("other", (3, 4, 4), fs_relu(3, 9), rng.integers(0, 30, 3)),
        FS("both", (3, 4, 4), fs_relu(5, 40), rng.integers(-30, 30, 3)),
        FS("channel", (3, 1, 1), fs_relu(4, 30)),
        FS("last", (3, 4, 4), fs_relu(4, 60)),
        Readout("out", (2, 1, 1)),
    ]
    projections = [
        Conv2d("in", "map", rng.integers(-9, 10, (3, 2, 3, 3)), (1, 1), (1, 1, 1, 1)),
        Conv2d("in", "other", rng.integers(-9, 10, (3, 2, 1, 1))),
        Gate("map", "other", "both", [2, -1, 3]),
        Conv2d("map", "both", rng.integers(-9, 10, (3, 1, 3, 3)), (1, 1), (1, 1, 1, 1), groups=3),
        Gate("map", "map", "both", [-1, 1, 2]),
        Dense("both", "channel", rng.integers(-9, 10, (3, 3)), pooled=True),
        Gate("both", "channel", "last", [1, 4, -2]),
        Dense("last", "out", rng.integers(-2, 3, (2, 48))),
    ]
    return Network(populations, projections)


@pytest.mark.parametrize("target", ["both", "last"])
@pytest.mark.parametrize("scope", ["network", "population"])
def test_what_fails_behind_a_gate_shrinks(scope: str, target: str) -> None:
    """A device that is wrong where a product of a gate is large, and one that counts a bias with each projection, end
    as one neuron that a gate leads to, or two projections, and sources of one neuron.
    """
    net, rng = gated(), np.random.default_rng(7)
    codes = {("in", "codes"): rng.integers(0, 16, 32)}
    case = case_of(net, "network", "out", codes)
    if scope == "population":
        given = {(name, "spikes"): case.expected[name, "spikes"] for name in net.sources(target)}
        case = case_of(net, scope, target, given)
    at = np.unravel_index(int(np.abs(case.expected[target, "opening"]).argmax()), net[target].shape)
    place = target, (int(at[0]), int(at[1]), int(at[2]))

    def large(cases: Sequence[Case]) -> bool:
        own = cases[-1]
        sums = [own.expected[name, "sums"] for name in own.net.gates if (name, "sums") in own.expected]
        return any(bool((np.abs(one) > 63).any()) for one in sums)

    def meets(cases: Sequence[Case]) -> bool:
        counts = [len(cases[-1].net.into(p.name)) for p in cases[-1].net.populations if p.kind == "fs"]
        return max(counts, default=0) > 1

    for fails in (large, *([meets] if target == "both" else [])):
        (small,) = shrink([case], place, fails)
        assert fails([case]) and fails([small])
        assert {p.neurons for p in small.net.populations} == {1}, fails
        assert len(small.net.populations) <= 4
