"""naive == reference == events == quantized on every observable of OBS-1, on networks that are shown to be worth it;
and metamorphic laws.
"""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import fsref
import oracle
from fsref.engines import reference
from fsref.engines.activity import Activity
from fsref.engines.engine import ENGINES, Simulator, Wanted
from fsref.errors import UsageError
from fsref.law.network import Network
from fsref.law.neuron import Ints, Table, relu_theta
from fsref.law.populations import FS, MaxPool, View
from fsref.law.projections import Conv2d, Dense, Gate
from fsref.testing import Case, cases, membranes, tables
from handmade import draw, recorded, residual, tiny
from refusals import refused
from repeatable import LONG, drawn

COUNT = 20_000 if LONG else 2_000
few = settings(drawn, max_examples=400 if LONG else 60)


def forms(net: Network) -> set[str]:
    """The names of what a network has in it: kinds, forms, steps."""
    has = set()
    for p in net.populations:
        has.add(type(p).__name__)
        if isinstance(p, MaxPool):
            has |= {"padded pool"} if any(p.padding) else set()
            has |= {"pool of a view"} if isinstance(net[p.source], View) else set()
        if isinstance(p, View):
            has |= {"view with gaps"} if p.gaps else set()
        if isinstance(p, FS):
            has |= {f"K = {p.steps}", "map" if p.bias.ndim == 3 else "bias per channel"}
            has.add("FS-ReLU" if relu_theta(p.table) is not None else "staircase")
            has |= {"table per channel"} if p.table.channels and p.table.channels > 1 else set()
            has |= {"negative d"} if (p.table.d < 0).any() else set()
            has |= {"merge"} if len(net.into(p.name)) > 1 else set()
    for q in net.projections:
        if isinstance(q, Gate):
            has |= gated(net, q)
            continue
        if isinstance(q, Dense):
            has.add("pooled dense" if q.pooled else "dense")
            continue
        top, left, bottom, right = q.padding
        has |= {"stride"} if max(q.stride) > 1 else set()
        has |= {"padding"} if any(q.padding) else set()
        has |= {"asymmetric padding"} if (top, left) != (bottom, right) else set()
        has |= {"dilation"} if max(q.dilation) > 1 and max(q.kernel) > 1 else set()
        has |= {"groups"} if q.groups > 1 else set()
        has |= {"depthwise"} if q.groups == net[q.source].shape[0] > 1 else set()
    return has


def gated(net: Network, q: Gate) -> set[str]:
    """The names of what there is of a gate: form of its factor, target, offsets, who ends when."""
    a, b = net[q.source], net[q.by]
    has = {"square" if q.source == q.by else "gate by a map" if a.shape == b.shape else "gate by one place a channel"}
    has |= {"gate into a readout"} if net[q.target] in net.readouts else set()
    beside = [other for other in net.into(q.target).values() if isinstance(other, Conv2d) and other.kernel == (1, 1)]
    has |= {"gate with offsets"} if {other.source for other in beside} >= {q.source} else set()
    has |= (
        {"source done long before its factor"} if net.schedule.delays[q.source, q.target] > net.steps[q.by] else set()
    )
    has |= {"factor waits"} if net.schedule.factor_delays[q.by, q.source, q.target] else set()
    has |= {"negative factor"} if net.ranges[q.by].codes.min() < 0 else set()
    return has


EVERY = (
    {
        "Input",
        "FS",
        "MaxPool",
        "View",
        "view with gaps",
        "pool of a view",
        "Readout",
        "padded pool",
        "map",
        "bias per channel",
        "FS-ReLU",
        "staircase",
        "table per channel",
        "negative d",
        "merge",
        "dense",
        "pooled dense",
    }
    | {"square", "gate by a map", "gate by one place a channel", "gate into a readout", "gate with offsets"}
    | {"source done long before its factor", "factor waits", "negative factor"}
    | {"stride", "padding", "asymmetric padding", "dilation", "groups", "depthwise"}
    | {f"K = {k}" for k in range(1, 17)}
)


def test_four_ways_one_answer() -> None:
    """Oracle and engines agree on all observables of every drawn network, and the networks drawn hold what could go
    wrong.
    """
    count: Counter[str] = Counter()

    @settings(drawn, max_examples=COUNT, phases=[Phase.explicit, Phase.generate, Phase.shrink])
    @given(cases())
    def agree(case: Case) -> None:
        seen = oracle.observe(case)
        for engine in ENGINES:
            assert oracle.first_difference(case, seen, engine) is None, engine
        count["networks"] += 1
        count.update(forms(case.net))
        count["deep"] += sum(isinstance(p, FS) for p in case.net.populations) >= 3
        for index, p in enumerate(case.net.populations):
            if not isinstance(p, FS):
                continue
            T = np.repeat(p.table.rows(p.shape[0])[0], p.shape[1] * p.shape[2], axis=0).T
            for observed in seen:
                trains = np.array(observed.trains[index])
                count["neurons"] += trains.size
                count["busy"] += int(((trains > 0) & (trains < 2**p.steps - 1)).sum())
                before = np.array([observed.opening[index], *observed.membranes[index][:-1]])
                count["membranes"] += before.size
                count["close"] += int(((before == T) | (before == T - 1)).sum())

    agree()
    assert count["networks"] >= COUNT
    assert {name: count[name] for name in EVERY if count[name] < 50} == {}
    assert count["deep"] >= 0.25 * count["networks"]
    assert count["busy"] >= 0.30 * count["neurons"]
    assert count["close"] >= 0.05 * count["membranes"]
    print(
        f"\n{count['networks']} networks, {count['deep']} deep, busy {count['busy'] / count['neurons']:.3f}, "
        f"close {count['close'] / count['membranes']:.3f}"
    )


@given(st.data())
@settings(drawn, max_examples=500)
def test_one_neuron_four_ways(data: st.DataObject) -> None:
    """Any table at any membrane: loop, reference, Numba kernel and staircase fire the same train and leave the same
    membranes.
    """
    import naive
    from fsref.engines.kernels import plain
    from fsref.law.neuron import fire, staircase

    table: Table = data.draw(tables())
    v = data.draw(membranes(table))
    train, code, after = naive.fire(v, table.T.tolist(), table.h.tolist(), table.d.tolist())
    firing = fire(v, table.T, table.h, table.d)
    assert (firing.train, firing.code, list(firing.membranes)) == (train, code, after)
    spikes, left, codes = reference.fire(np.full((1, 1, 1, 1), v), table)
    assert (int(reference.words(spikes)[0, 0, 0, 0]), int(codes[0, 0, 0, 0])) == (train, code)
    assert left[0, :, 0, 0, 0].tolist() == after
    trains, kept = np.zeros((1, 1), np.uint16), np.zeros((table.steps, 1, 1), np.int64)
    T, h, _ = table.rows(1)
    room, offsets = np.zeros(table.steps, np.int64), np.zeros(table.steps + 1, np.int64)
    plain.fire(np.full((1, 1), v), np.ascontiguousarray(T), np.ascontiguousarray(h), trains, room, offsets, kept)
    assert (int(trains[0, 0]), kept[:, 0, 0].tolist(), int(offsets[-1])) == (train, after, train.bit_count())
    stairs = staircase(table.T, table.h, table.d, v - 5, v + 5)
    place = int(np.searchsorted(stairs.start, v, side="right")) - 1
    assert (int(stairs.train[place]), int(stairs.code[place])) == (train, code)


@pytest.mark.parametrize("engine", ENGINES)
@given(cases(max_images=4), st.integers(1, 3), st.integers(1, 2))
@few
def test_batches_and_threads_change_nothing(engine: str, case: Case, batch: int, threads: int) -> None:
    """A run in batches, on any number of threads, is the run of all images at once (RUN-2)."""
    once = recorded(case.net, case.images, engine=engine, batch=len(case.images), threads=1)
    assert fsref.diff(recorded(case.net, case.images, engine=engine, batch=batch, threads=threads), once) is None


@pytest.mark.parametrize("engine", ENGINES)
@given(cases(max_images=4), st.randoms(use_true_random=False))
@few
def test_images_in_any_order(engine: str, case: Case, random: object) -> None:
    """Reordered images give reordered answers: nothing is left of the image before (NET-6)."""
    order = list(range(len(case.images)))
    random.shuffle(order)  # type: ignore[attr-defined]
    ordered = recorded(case.net, case.images, engine=engine)
    shuffled = recorded(case.net, case.images[order], engine=engine)
    for key, values in ordered.arrays.items():
        assert np.array_equal(shuffled[key], values[order]), key


def rebuilt(net: Network, fs: FS, order: np.ndarray, keep: int) -> Network:
    """The network with the channels of `fs` taken in `order`, where `order` may repeat none; sources and targets
    follow.
    """
    T, h, d = (rows[order] for rows in fs.table.rows(fs.shape[0]))
    new = dataclasses.replace(fs, table=Table(T, h, d), bias=fs.bias[order])
    projections = []
    for q in net.projections:
        weights = q.weights
        if q.target == fs.name:
            weights = weights[order]
        if q.source == fs.name:
            if isinstance(q, Dense) and not q.pooled:
                weights = weights.reshape(len(weights), fs.shape[0], -1)[:, order].reshape(len(weights), -1)
            else:
                weights = weights[:, order]
        projections.append(dataclasses.replace(q, weights=weights))
    return Network([new if p is fs else p for p in net.populations], projections)


@pytest.mark.parametrize("engine", ENGINES)
@given(cases(), st.data())
@few
def test_channels_in_any_order(engine: str, case: Case, data: st.DataObject) -> None:
    """Permuting the channels of a population, with everything that touches them, leaves the logits alone (PROJ-1,
    FS-1).
    """
    net = case.net
    by_channel = [q for q in net.projections if isinstance(q, Gate) or (isinstance(q, Conv2d) and q.groups > 1)]
    touched = {p.source for p in net.relays} | {e for q in by_channel for e in (*q.sources, q.target)}
    free = [p for p in net.populations if isinstance(p, FS) and p.name not in touched]
    if not free:
        return
    fs = data.draw(st.sampled_from(free))
    order = np.array(data.draw(st.permutations(range(fs.shape[0]))))
    permuted = rebuilt(net, fs, order, fs.shape[0])
    found, expected = (fsref.run(one, case.images, engine=engine).logits for one in (permuted, net))
    assert np.array_equal(found, expected)


@pytest.mark.parametrize("engine", ENGINES)
@given(cases(), st.data())
@few
def test_a_split_projection_is_the_projection(engine: str, case: Case, data: st.DataObject) -> None:
    """A projection split into two whose weights add up gives the same membranes (PROJ-6)."""
    index = data.draw(st.integers(0, len(case.net.projections) - 1))
    whole = case.net.projections[index]
    part = np.where(np.arange(whole.weights.size).reshape(whole.weights.shape) % 2, whole.weights, 7).astype(np.int64)
    halves = [dataclasses.replace(whole, weights=part), dataclasses.replace(whole, weights=whole.weights - part)]
    split = Network(case.net.populations, [*case.net.projections[:index], *halves, *case.net.projections[index + 1 :]])
    names = [p.name for p in case.net.integrating]
    a, b = recorded(split, case.images, engine=engine), recorded(case.net, case.images, engine=engine)
    for name in names:
        assert np.array_equal(a[name, "opening"], b[name, "opening"]), name


@pytest.mark.parametrize("engine", ENGINES)
@given(cases())
@few
def test_a_dead_neuron_changes_nothing(engine: str, case: Case) -> None:
    """A further projection from a population that never spikes delivers nothing and leaves the logits alone (OBS-3)."""
    net = case.net
    dead = FS("dead", net.input.shape, Table([1], [1], [1]), np.full(net.input.shape[0], -(10**9)))
    inside = fsref.scale(net.input.name, "dead", np.ones(net.input.shape[0], np.int64))
    outside = Dense("dead", net.readout.name, np.full((net.readout.shape[0], net.input.shape[0]), 99), pooled=True)
    with_dead = Network(
        [*net.populations[:-1], dead, net.readout],
        [
            *[q for q in net.projections if q.target != net.readout.name],
            inside,
            *net.into(net.readout.name).values(),
            outside,
        ],
    )
    found, expected = (fsref.run(one, case.images, engine=engine).logits for one in (with_dead, net))
    assert np.array_equal(found, expected)


@given(cases(min_fs=2))
@few
def test_trains_order_as_codes(case: Case) -> None:
    """Under a max-pool a train's word and its code sort alike, so the pool's code is the largest of its window
    (POOL-2).
    """
    trace = recorded(case.net, case.images, engine="events")
    for p in case.net.populations:
        if isinstance(p, MaxPool):
            for c in range(p.shape[0]):
                size = p.shape[1] * p.shape[2]
                pairs = sorted(
                    zip(
                        trace[p.name, "spikes"][:, c * size : (c + 1) * size].ravel().tolist(),
                        trace[p.name, "codes"][:, c * size : (c + 1) * size].ravel().tolist(),
                        strict=True,
                    )
                )
                assert all(a[1] <= b[1] for a, b in pairwise(pairs))


class Flipped:
    """The reference engine but for one spike: the last step of the first neuron of one population, in every image."""

    name, kernels = "flipped", "NumPy, and one wrong bit"

    def __init__(self, population: str) -> None:
        self.population = population

    def simulator(self, net: Network) -> Simulator:
        right = reference.simulator(net)

        def simulate(images: Ints, wanted: Wanted) -> Iterator[Activity]:
            for activity in right(images, wanted):
                if activity.population == self.population:
                    trains = activity.trains.copy()
                    trains[:, 0, 0, 0] ^= 1
                    activity = dataclasses.replace(activity, trains=trains)
                yield activity

        return simulate

    def working_bytes(self, net: Network) -> int:
        return reference.working_bytes(net)


def test_an_engine_may_be_an_object() -> None:
    """run, evaluate, check, diff and explain take whatever has `simulator` and `working_bytes`; results tell its name
    and kernels, and its one wrong bit is found where it is (RUN-2).
    """
    net, x, wrong = residual(), draw(residual(), 3), Flipped("mid")
    result = fsref.run(net, x, wrong, record=["mid"])
    assert (result.engine, result.kernels) == ("flipped", "NumPy, and one wrong bit")
    assert result.to_dict()["kernels"] == "NumPy, and one wrong bit"
    score = fsref.evaluate(net, x, np.zeros(3, int), wrong)
    assert (score.engine, score.kernels) == (result.engine, result.kernels)
    report = fsref.check(net, x, engines=["events", reference, wrong])
    assert (report.engines, report.engine) == (("events", "reference", "flipped"), "flipped")
    assert not report.agrees
    first = report.difference
    assert first is not None
    assert (first.image, first.place, first.observable, first.neuron) == (0, "mid", "spikes", 0)
    found = fsref.diff(result.trace, reference, x)
    assert found is not None
    assert (found.image, found.place, found.step, found.neuron) == (0, "mid", first.step, 0)
    assert fsref.diff(result.trace, Flipped("mid"), x) is None
    assert fsref.check(net, x, engines=[wrong, Flipped("mid")]).agrees
    with refused(UsageError, "FS-2", "explain mid"):
        fsref.explain(net, x[0], "mid", 0, engine=wrong)


@pytest.mark.parametrize("wrong", ["event", object(), None, reference.simulator, Flipped])
def test_what_is_no_engine_is_refused(wrong: Any) -> None:
    """An unknown name, an object without the two functions, and a class in place of its object: one line each."""
    net = tiny()
    x = draw(net, 1)
    trace = fsref.run(net, x, record=["hid"]).trace
    for call in (
        lambda: fsref.run(net, x, wrong),
        lambda: fsref.check(net, x, engines=[wrong]),
        lambda: fsref.diff(trace, wrong, x),
    ):
        with refused(UsageError, "RUN-2", "engine"):
            call()


def test_without_jit() -> None:
    """With NUMBA_DISABLE_JIT set the kernels run as plain Python and still agree with the oracle."""
    import naive

    program = (
        "import oracle\nfrom hypothesis import given, settings, HealthCheck\nfrom fsref.testing import cases\n"
        "@settings(database=None, deadline=None, derandomize=True, max_examples=40, "
        "suppress_health_check=list(HealthCheck))\n@given(cases())\n"
        "def agree(case):\n    assert oracle.first_difference(case, oracle.observe(case), 'events') is None\n"
        "agree()\nprint('agreed')\n"
    )
    here = os.path.dirname(os.path.abspath(__file__))
    path = os.pathsep.join([here, os.path.dirname(here), os.path.dirname(naive.__file__)])
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "NUMBA_DISABLE_JIT": "1", "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "agreed\n", done.stderr
