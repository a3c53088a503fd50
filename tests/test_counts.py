"""Counts (COUNT-1 to COUNT-4): against loops over single spikes and synapses, over shards of images, and by hand."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

import fsref
import handmade
import naive
import refusals
from fsref.errors import UsageError
from fsref.law.network import Network
from fsref.law.populations import MaxPool
from fsref.metrics.counts import Counts, count, scaled, tallied
from fsref.metrics.kernels import MOST
from fsref.verification.strategies import Case, cases

NETS = {**handmade.NETS, "dangling": handmade.dangling}
SPIKES = fsref.Record(observables=["spikes"])
KINDS = (
    "spikes",
    "synops",
    "scalings",
    "membrane_updates",
    "additions",
    "comparisons",
    "weight_reads",
    "parameter_reads",
    "membrane_reads",
)
KINDS += ("memory_reads", "memory_writes")


def power_of_two(d: int) -> bool:
    return d == 0 or abs(d) in [2**n for n in range(32)]


def by_loops(
    net: naive.Net, images: list[list[int]]
) -> tuple[Counter[tuple[str, int, int]], Counter[tuple[int, int]], Counter[tuple[int, int]]]:
    """What a machine does that handles one spike and one synapse after the other: how often, by (kind, population, step
    of the image); the spikes of each (population, neuron); and the most of them for one image.
    """
    done: Counter[tuple[str, int, int]] = Counter()
    all_spikes: Counter[tuple[int, int]] = Counter()
    most: Counter[tuple[int, int]] = Counter()
    start = naive.starts(net)

    def happens(p: int, step: int, *kinds: str) -> None:
        for kind in kinds:
            done[kind, p, step] += 1

    for image in images:
        seen, of_image = naive.simulate(net, image), Counter[tuple[int, int]]()
        for p, one in enumerate(net.populations):
            into = [joint for joint in net.projections if joint.target == p]
            first = start[p] - max((net.populations[joint.source].steps for joint in into), default=0)
            for _ in one.bias:
                happens(p, first, "membrane_updates", "parameter_reads", "memory_reads", "memory_writes")
            for t in range(one.steps):
                for n, z in enumerate(naive.spikes(net, seen, p, t)):
                    if one.kind == "fs":
                        happens(
                            p, start[p] + t, "comparisons", "parameter_reads", "membrane_reads", *["memory_reads"] * 2
                        )
                    if z:
                        happens(p, start[p] + t, "spikes")
                        of_image[p, n] += 1
                    if z and one.kind == "fs":
                        happens(
                            p,
                            start[p] + t,
                            "additions",
                            "membrane_updates",
                            "parameter_reads",
                            "memory_reads",
                            "memory_writes",
                        )
            for joint in [joint for joint in into if joint.kind == "gate"]:
                factor, before = net.populations[joint.factor], net.populations[joint.source].steps
                for t in range(factor.steps):
                    for z in naive.spikes(net, seen, joint.factor, t):
                        if z:  # its register is updated
                            step = start[p] - before - factor.steps + t
                            happens(p, step, "additions", "membrane_reads", "memory_reads", "memory_writes")
            for joint in into:
                source = net.populations[joint.source]
                for t in range(source.steps):
                    step = start[joint.source] + t + naive.delays(net)[joint.source, p]
                    for n, z in enumerate(naive.spikes(net, seen, joint.source, t)):
                        for _ in joint.synapses[n] if z else []:
                            happens(p, step, "synops", "additions", "membrane_updates", "memory_writes")
                            happens(p, step, "weight_reads", "membrane_reads", *["memory_reads"] * 2)
                            if joint.kind == "gate":  # its register is read
                                happens(p, step, "scalings", "membrane_reads", "memory_reads")
                            elif not power_of_two(source.rows["d"][source.channel[n]][t]):
                                happens(p, step, "scalings")
        all_spikes.update(of_image)
        most |= of_image
    return done, all_spikes, most


def check_counts(net: Network, x: Any) -> None:
    """Every count of every population and step is what loops over single spikes and synapses count."""
    counts, oracle = count(handmade.recorded(net, x, SPIKES)), handmade.oracle(net)
    done, all_spikes, most = by_loops(oracle, np.asarray(x).reshape(len(x), -1).tolist())
    steps = max(start + oracle.populations[p].steps for p, start in naive.starts(oracle).items())
    for p, population in enumerate(net.populations):
        work = counts.work(population.name)
        for kind in KINDS:
            assert getattr(work, kind).tolist() == [done[kind, p, step] for step in range(steps)], (
                population.name,
                kind,
            )
        if population is not net.readout:
            places = [(p, n) for n in range(population.neurons)]
            assert counts.by_neuron[population.name].tolist() == [all_spikes[at] for at in places]
            assert counts.most_by_neuron[population.name].tolist() == [most[at] for at in places]
    for kind in KINDS:
        assert int(getattr(counts.total, kind)) == sum(n for (counted, _, _), n in done.items() if counted == kind)


@pytest.mark.parametrize("name", NETS)
def test_counts_are_the_naive_loops(name: str) -> None:
    """Networks made by hand, one with populations that go on after the logits stand, are counted as loops over spikes
    and synapses do.
    """
    check_counts(NETS[name](), handmade.draw(NETS[name](), 3))


@given(cases())
@settings(
    database=None,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
    print_blob=False,
    max_examples=60,
)
def test_counts_of_drawn_networks_are_the_naive_loops(case: Case) -> None:
    """So are drawn ones."""
    check_counts(case.net, case.images)


def plain(counts: Counts) -> Any:
    neurons = {
        name: (counts.by_neuron[name].tolist(), counts.most_by_neuron[name].tolist()) for name in counts.by_neuron
    }
    return counts.to_dict(), neurons, counts.busiest


@pytest.mark.parametrize("name", NETS)
def test_counts_of_shards_add(name: str) -> None:
    """Counts of parts of the images, added in any order, are those of all; with another network's they do not add."""
    net = NETS[name]()
    x = handmade.draw(net, 7)
    parts = [count(handmade.recorded(net, x[cut], SPIKES)) for cut in (slice(0, 1), slice(1, 5), slice(5, 7))]
    whole = plain(count(handmade.recorded(net, x, SPIKES)))
    assert plain(parts[0] + parts[1] + parts[2]) == plain(parts[2] + (parts[0] + parts[1])) == whole
    stranger = handmade.tiny(logit_scale=2.0) if name != "tiny" else handmade.unordered()
    with pytest.raises(UsageError, match=r"do not add.*COUNT-1"):
        parts[0] + count(handmade.recorded(stranger, handmade.draw(stranger, 1), SPIKES))


def test_counts_by_hand() -> None:
    """Two inputs of one spike each at step 0 and 1; one FS neuron that fires at its first step; one logit."""
    net = fsref.Network(
        [
            fsref.Input("in", (1, 1, 2), 2, 3),
            fsref.FS("hid", (1, 1, 1), fsref.Table([5, 9], [5, 9], [3, 1])),
            fsref.Readout("out", (1, 1, 1)),
        ],
        [fsref.Dense("in", "hid", [[2, 1]]), fsref.Dense("hid", "out", [[7]])],
    )
    counts = count(handmade.recorded(net, np.array([[[[2, 1]]]]), SPIKES))  # the membrane opens at 2 * 2 + 1 = 5
    work = counts.work("hid")
    assert work.spikes.tolist() == [0, 0, 1, 0]
    assert work.synops.tolist() == [1, 1, 0, 0]
    assert work.membrane_updates.tolist() == [1 + 1, 1, 1, 0]
    assert work.memory_reads.tolist() == [1 + 2, 2, 2 + 1, 2]
    assert work.memory_writes.tolist() == work.membrane_updates.tolist()
    assert counts.work("out").scalings.tolist() == [0, 0, 1, 0]  # d = 3 is no power of two
    assert counts.to_dict()["total"] == {
        "spikes": 3,
        "synops": 3,
        "membrane_updates": 6,
        "memory_reads": 13,
        "memory_writes": 6,
    }
    assert "13" in str(counts).splitlines()[-1]


def test_powers_of_two_are_shifts() -> None:
    values = [*range(-40, 41), 2**30, -(2**30), 2**31 - 1, -(2**31) + 1]
    assert scaled(np.array(values)).tolist() == [not power_of_two(d) for d in values]


def test_parts_of_a_recording_are_not_counted() -> None:
    """A recording without some population, neuron or step is refused by the name of the population."""
    net = handmade.tiny()
    x = handmade.draw(net, 1)
    for record in (
        fsref.Record(["hid"]),
        fsref.Record({"in": [0], "hid": None}),
        fsref.Record(steps=[0]),
        fsref.Record(observables=["codes"]),
    ):
        trace = fsref.run(net, x, record=record).trace
        assert trace is not None
        with refusals.refused(UsageError, "COUNT-1"):
            count(trace)


def test_neurons_are_counted_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """How many neurons are counted at a time changes no count."""
    net = handmade.residual()
    trace = handmade.recorded(net, handmade.draw(net, 7), SPIKES)
    whole = plain(count(trace))
    monkeypatch.setattr("fsref.metrics.counts.BLOCK", 5)
    assert plain(count(trace)) == whole


@pytest.mark.parametrize("steps", [1, 7, 8, 9, 16])
def test_spikes_are_tallied_bit_by_bit(steps: int) -> None:
    """The spikes by step and neuron, the most of a neuron and those of each image are what a loop over the bits of
    every word counts, for as many images as planes hold, one more, and twice as many (COUNT-2).
    """
    for images in (1, MOST - 1, MOST, MOST + 1, 2 * MOST + 1):
        trains = np.random.default_rng([steps, images]).integers(0, 2**steps, (images, 5)).astype(np.uint16)
        trains[:, 0], trains[:, 1] = 2**steps - 1, 0
        bits = [[[int(word) >> (steps - 1 - t) & 1 for t in range(steps)] for word in row] for row in trains]
        sent, most, of_image = tallied(trains, steps)
        for n in range(5):
            assert sent[:, n].tolist() == [sum(row[n][t] for row in bits) for t in range(steps)]
            assert most[n] == max(sum(row[n]) for row in bits)
        assert of_image.tolist() == [sum(map(sum, row)) for row in bits]


def test_windows_by_hand() -> None:
    """A population's window begins when the first spike can reach it and ends with its last step: that of an input with
    its own first step, that of a max-pool with its source's (TIME-1, COUNT-3).
    """
    net = fsref.Network(
        [
            fsref.Input("in", (1, 2, 2), 3, 7),
            MaxPool("seen", (1, 1, 1), "in", (2, 2), (2, 2)),
            fsref.FS("hid", (1, 2, 2), fsref.fs_relu(2)),
            MaxPool("pool", (1, 1, 1), "hid", (2, 2), (2, 2)),
            fsref.Readout("out", (1, 1, 1)),
        ],
        [
            fsref.Conv2d("in", "hid", [[[[1]]]]),
            fsref.Dense("seen", "out", [[1]]),
            fsref.Dense("pool", "out", [[1]]),
        ],
    )
    counts = count(handmade.recorded(net, np.full((1, 1, 2, 2), 5), SPIKES))
    windows = {p.name: counts.window(p.name) for p in net.populations}
    assert windows["in"] == windows["seen"] == slice(0, 3)
    assert windows["hid"] == slice(0, 5) and windows["pool"] == slice(3, 5)
    assert windows["out"] == slice(5 - 3, 5)
    entries = {entry["name"]: entry for entry in counts.to_dict()["populations"]}
    assert {name: entry["first_step"] for name, entry in entries.items()} == {n: w.start for n, w in windows.items()}
    assert entries["in"]["by_step"]["spikes"] == [4, 0, 4] and entries["seen"]["by_step"]["spikes"] == [1, 0, 1]
    assert len(entries["pool"]["by_step"]["spikes"]) == 2


def test_more_images_than_16_bits_count() -> None:
    """The spikes of a neuron over 65,536 images and more are all counted: sums of few bits are of few images."""
    for images in (65_535, 65_536, 65_537, 200_000):
        sent, most, of_image = tallied(np.full((images, 2), [1, 2], np.uint16), 2)
        assert sent.tolist() == [[0, images], [images, 0]]
        assert most.tolist() == [1, 1] and of_image.tolist() == [2] * images


@pytest.mark.parametrize("name", NETS)
def test_the_window_of_a_population_holds_all_it_does(name: str) -> None:
    """Counts by step begin with the first delivery or spike of a factor, those of an input and of a max-pool with their
    first spike, and end with the last; outside of its window a population does nothing (TIME-1, COUNT-3).
    """
    net = NETS[name]()
    counts, plan = count(handmade.recorded(net, handmade.draw(net, 3), SPIKES)), net.schedule
    for p, told in zip(net.populations, counts.to_dict()["populations"], strict=True):
        longest = max((net.steps[q.source] for q in net.projections if q.target == p.name), default=0)
        gates = [net.steps[q.source] + net.steps[q.by] for q in net.gates.values() if q.target == p.name]
        first, end = plan.start[p.name] - max([longest, *gates]), plan.start[p.name] + net.steps[p.name]
        assert (told["name"], told["first_step"]) == (p.name, first)
        work = counts.work(p.name)
        for kind, values in told["by_step"].items():
            whole = getattr(work, kind).tolist()
            assert values == whole[first:end] and sum(values) == sum(whole), (p.name, kind)


def test_what_is_no_recording_is_refused() -> None:
    """Arguments that are something else, a network and images for one, are refused in a line that says what would do
    (COUNT-1, COUNT-5, RATE-6).
    """
    net = handmade.tiny()
    x = handmade.draw(net, 1)
    trace = handmade.recorded(net, x, SPIKES)
    for wrong in ((net, x), (fsref.run(net, x), None), (None, None)):
        with refusals.refused(UsageError, "COUNT-1", "count", type(wrong[0]).__name__, says="fsref.Trace"):
            count(*wrong)  # type: ignore[arg-type]
    with refusals.refused(UsageError, "COUNT-1", "count fans", "ndarray", says="fan_outs(net)"):
        count(trace, x)  # type: ignore[arg-type]
    with refusals.refused(UsageError, "COUNT-5", "energy", "Trace", says="fsref.count"):
        fsref.energy(trace)  # type: ignore[arg-type]
    with refusals.refused(UsageError, "RATE-6", "rate_score", "Result", says="rate_coded"):
        fsref.rate_score(fsref.run(net, x), [0])  # type: ignore[arg-type]
