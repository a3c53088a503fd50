"""Explanations: every neuron's story adds up, names its synapses as the naive list of synapses does, and refuses what
does not exist.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import fsref
import handmade
import refusals
from fsref.engines import events
from fsref.errors import InputError, UsageError
from fsref.law.projections import window_shape


@pytest.mark.parametrize("name", handmade.NETS)
def test_every_neuron_adds_up(name: str) -> None:
    """Bias and contributions are the opening membrane, steps are membranes and spikes, codes are codes: of some neurons
    of every population.
    """
    net = handmade.NETS[name]()
    x = handmade.draw(net, 1, seed=3)
    trace, start = handmade.recorded(net, x), net.schedule.start
    for p in net.populations:
        count = p.neurons
        for n in range(0, count, max(1, count // 12)):
            e = fsref.explain(net, x[0], p.name, n)
            assert (e.population, e.neuron) == (p.name, n)
            assert [s.step for s in e.steps] == [start[p.name] + t for t in range(net.steps[p.name])]
            if e.opening is not None:
                assert e.bias is not None
                assert e.opening == trace[p.name, "opening"][0, n]
                assert e.opening == e.bias + sum(c.contribution for c in e.contributions)
                assert {label: trace[label, "sums"][0, n] for label in e.sums} == e.sums
            if e.kind == "fs":
                assert [s.after for s in e.steps] == trace[p.name, "membranes"][0, :, n].tolist()
                assert [s.before for s in e.steps] == [e.opening, *(s.after for s in e.steps[:-1])]
                assert all(
                    s.fired == (s.before >= s.threshold)
                    for s in e.steps
                    if s.before is not None and s.threshold is not None
                )
            if e.kind != "readout":
                assert e.code == trace[p.name, "codes"][0, n] == sum(s.d for s in e.steps if s.fired)
            sizes = [abs(c.contribution) for c in e.contributions]
            assert sizes == sorted(sizes, reverse=True)
            assert 0 not in sizes
            assert str(e).isascii()
            assert json.loads(json.dumps(e.to_dict()))["neuron"] == n


@pytest.mark.parametrize("name", handmade.NETS)
def test_synapses_are_those_of_the_naive_list(name: str) -> None:
    net = handmade.NETS[name]()
    x, oracle = handmade.draw(net, 1, seed=5), handmade.oracle(net)
    codes = handmade.recorded(net, x)
    for target in dict.fromkeys(q.target for q in net.projections):
        n = net[target].neurons - 1
        expected, synapses, factor = [], 0, dict.fromkeys(net.named_projections, 1)
        for label, q, naive in zip(list(net.named_projections), net.projections, oracle.projections, strict=True):
            if q.target == target:
                into = [(s, w) for s, leaving in enumerate(naive.synapses) for t, w in leaving if t == n]
                synapses += len(into)
                if naive.kind == "gate":
                    own = codes[q.by, "codes"][0]
                    factor[label] = int(own[n * len(own) // net[target].neurons])
                expected += [(label, s, w, int(codes[q.source, "codes"][0, s])) for s, w in into]
        e = fsref.explain(net, x[0], target, n)
        assert e.synapses == synapses
        told = [(c.projection, c.neuron, c.weight, c.code) for c in e.contributions]
        assert sorted(told) == sorted(row for row in expected if row[2] * row[3] * factor[row[0]])


@pytest.mark.parametrize("image", [[[1], [2, 3]], [np.zeros((2, 2)), [[1]]]], ids=["ragged", "of two kinds"])
def test_ragged_lists_are_no_image(image: Any) -> None:
    """A list that is no array is refused in a line, whatever asks."""
    net = handmade.tiny()
    asking = (
        lambda: fsref.explain(net, image, "hid", 0),
        lambda: fsref.view(net, image),
        lambda: fsref.run(net, image),
    )
    for ask in asking:
        with refusals.refused(InputError, "RUN-1", says="not an array: list"):
            ask()


def test_candidates_of_a_max_pool() -> None:
    """The pool's train is the maximum's; who falls silent while another spikes is out from that step on."""
    net = handmade.unordered()
    x = np.zeros((2, 4, 4), np.int64)
    x[1, :2, :2] = [[5, 6], [4, 6]]
    e = fsref.explain(net, x, "pool", 4)
    assert (e.kind, e.place, e.code, e.opening) == ("max_pool", (1, 0, 0), 6, None)
    assert [(c.place, c.train, c.code, c.dropped) for c in e.candidates] == [
        ((1, 0, 0), (1, 0, 1), 5, 1),
        ((1, 0, 1), (1, 1, 0), 6, None),
        ((1, 1, 0), (1, 0, 0), 4, 1),
        ((1, 1, 1), (1, 1, 0), 6, None),
    ]
    assert "out at step 1" in str(e)


def test_padding_is_no_candidate_and_no_synapse() -> None:
    net = handmade.residual()
    x = handmade.draw(net, 1)
    assert [c.place for c in fsref.explain(net, x[0], "pool", 0).candidates] == [
        (0, 0, 0),
        (0, 0, 1),
        (0, 1, 0),
        (0, 1, 1),
    ]
    corner = fsref.explain(net, x[0], "stem", 0)
    assert all(c.place[1] < 2 and c.place[2] < 2 for c in corner.contributions)


def test_the_text_shows_as_many_synapses_as_asked() -> None:
    net = handmade.residual()
    e = fsref.explain(net, handmade.draw(net, 1, seed=1)[0], "out", 0)
    assert len(e.contributions) > 10
    lines = {limit: len(str(e.sheet(limit)).splitlines()) for limit in (3, 10)}
    assert lines[10] - lines[3] == 7
    assert str(e) == str(e.sheet(10))
    assert "the 10 largest" in str(e)
    assert str(e.sheet(0)).splitlines()[-1] == f"{len(e.contributions)} of {e.synapses} synapses contributed"
    silent = fsref.explain(handmade.tiny(), np.zeros((1, 2, 2), np.int64), "hid", 0)
    assert str(silent).splitlines()[-1] == "0 of 3 synapses contributed"


def test_a_neuron_may_be_named_by_its_place() -> None:
    net = handmade.residual()
    x = handmade.draw(net, 1)[0]
    number: Any = np.int64((1 * 7 + 2) * 6 + 3)
    assert fsref.explain(net, x, "stem", (1, 2, 3)) == fsref.explain(net, x, "stem", number)


def test_an_image_may_carry_its_batch_axis_and_grey_may_drop_its_channel() -> None:
    net = handmade.tiny()
    x = handmade.draw(net, 1)
    told = fsref.explain(net, x, "hid", 1)
    assert told == fsref.explain(net, x[0], "hid", 1) == fsref.explain(net, x[0, 0], "hid", 1)


@pytest.mark.parametrize(
    ("population", "neuron"),
    [
        ("nobody", 0),
        ("hid", 3),
        ("hid", -1),
        ("out", 2),
        ("in", 4),
        ("in", (0, 2, 0)),
        ("in", (0, 1)),
        ("in", "1"),
        ("in", 1.0),
    ],
)
def test_what_does_not_exist_is_refused(population: str, neuron: Any) -> None:
    with pytest.raises(UsageError) as caught:
        fsref.explain(handmade.tiny(), np.zeros((1, 2, 2), np.int64), population, neuron)
    refusals.check_line(caught.value)
    assert population == "nobody" or "0.." in caught.value.limit


@pytest.mark.parametrize(
    "image",
    [np.zeros((2, 2, 2), np.int64), np.zeros((2, 1, 2, 2), np.int64), np.full((1, 2, 2), 16), np.zeros((1, 2, 2))],
)
def test_images_that_are_refused(image: Any) -> None:
    with pytest.raises(InputError) as caught:
        fsref.explain(handmade.tiny(), image, "hid", 0)
    refusals.check_line(caught.value)


class Lying:
    """The events engine, but one observable of a population is not what it was."""

    name = "liar"

    def __init__(self, population: str, observable: str) -> None:
        self.population, self.observable = population, observable

    def simulator(self, net: fsref.Network) -> Any:
        right = events.simulator(net)

        def simulate(images: Any, wanted: Any) -> Any:
            for activity in right(images, wanted):
                if activity.population == self.population:
                    value = getattr(activity, self.observable)
                    if self.observable == "sums":
                        value = {name: total + 1 for name, total in value.items()}
                    else:
                        value = value ^ 1 if self.observable == "trains" else value + 1
                    activity = replace(activity, **{self.observable: value})
                yield activity

        return simulate

    def working_bytes(self, net: fsref.Network) -> int:
        return events.working_bytes(net)


@pytest.mark.parametrize(
    ("population", "observable", "rule", "told"),
    [
        ("mid", "sums", "PROJ-1", "a sum of"),
        ("mid", "opening", "NET-6", "an opening membrane"),
        ("mid", "trains", "FS-2", "a train"),
        ("mid", "codes", "FS-4", "a code"),
        ("pool", "trains", "POOL-1", "a train"),
        ("pool", "codes", "FS-4", "a code"),
        ("out", "opening", "NET-6", "an opening membrane"),
    ],
)
def test_an_engine_that_lies_is_told(population: str, observable: str, rule: str, told: str) -> None:
    """An explanation never prints what its parts do not make: the law between the two is checked, and the engine is
    named in a line.
    """
    net = handmade.residual()
    with pytest.raises(UsageError) as caught:
        fsref.explain(
            net, handmade.draw(net, 1)[0], population, 5 % net[population].neurons, Lying(population, observable)
        )
    refusals.check_line(caught.value)
    assert (caught.value.rule, caught.value.place) == (rule, f"explain {population}")
    assert f"engine liar told {told}" in str(caught.value)


@pytest.mark.parametrize("stride", [(2, 1), (1, 2), (3, 2)])
def test_a_pool_with_unequal_strides(stride: tuple[int, int]) -> None:
    """The candidates of a max-pool are the places of its window: rows go by the first stride, columns by the second;
    so do the synapses of a conv2d, with its paddings and dilations.
    """
    kernel, padding = (2, 3), (1, 2, 0, 1)
    shape = window_shape((2, 5, 6), kernel, stride, padding)
    wide = window_shape((2, 5, 6), kernel, stride, padding, (2, 1))
    rng = np.random.default_rng(7)
    net = fsref.Network(
        [
            fsref.Input("in", (2, 5, 6), 4, 15),
            fsref.MaxPool("pool", (2, *shape), "in", kernel, stride, padding),
            fsref.FS("fs", (3, *wide), fsref.fs_relu(4, 9), [1, 2, 3]),
            fsref.Readout("out", (2, 1, 1), [0, 0]),
        ],
        [
            fsref.Conv2d("in", "fs", rng.integers(1, 9, (3, 2, *kernel)), stride, padding, (2, 1)),
            fsref.Dense("pool", "out", np.ones((2, 2), np.int64), True),
            fsref.Dense("fs", "out", np.ones((2, 3), np.int64), True),
        ],
    )
    x = rng.integers(1, 16, (2, 5, 6))

    def seen(y: int, x: int, down: int) -> list[tuple[int, int]]:
        rows = [y * stride[0] - padding[0] + down * r for r in range(kernel[0])]
        columns = [x * stride[1] - padding[1] + c for c in range(kernel[1])]
        return [(r, c) for r in rows for c in columns if 0 <= r < 5 and 0 <= c < 6]

    for c, row, column in np.ndindex(2, *shape):
        told = fsref.explain(net, x, "pool", (c, row, column))
        assert [w.place for w in told.candidates] == [(c, *at) for at in seen(row, column, 1)]
        assert told.code == max(x[w.place] for w in told.candidates)
    for o, row, column in np.ndindex(3, *wide):
        told = fsref.explain(net, x, "fs", (o, row, column))
        assert {w.place for w in told.contributions} == {(c, *at) for at in seen(row, column, 2) for c in range(2)}


def test_windows_of_a_max_pool_of_unequal_strides() -> None:
    """Kernel, stride and padding of rows and columns are told apart: the candidates of every neuron are the places that
    the naive list of windows holds (POOL-1).
    """
    net = handmade.chain(
        fsref.MaxPool("pool", (2, 3, 4), "in", (3, 2), (2, 1), (1, 0, 0, 0)),
        given=fsref.Input("in", (2, 6, 5), 3, 7),
    )
    x, windows = handmade.draw(net, 1, seed=4), handmade.oracle(net).populations[1].windows
    for n, window in enumerate(windows):
        assert [c.neuron for c in fsref.explain(net, x[0], "pool", n).candidates] == sorted(window)


def test_an_opening_of_a_readout_is_an_output() -> None:
    """Whatever network it is of: a neuron of a map is no logit (NET-8, OBS-1)."""
    net = fsref.Network(
        [fsref.Input("in", (1, 2, 2), 4, 15), fsref.Readout("map", (1, 2, 2), [3])],
        [fsref.Conv2d("in", "map", [[[[2]]]])],
    )
    tiny = handmade.tiny()
    for told in (
        fsref.explain(net, np.ones((1, 2, 2), np.int64), "map", 3),
        fsref.explain(tiny, handmade.draw(tiny, 1), "out", 0),
    ):
        assert ["output", str(told.opening)] in [line.split() for line in str(told).splitlines()]
