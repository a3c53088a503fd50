"""TIME: windows, latency, intervals, delays, depths and peaks, by hand, against the naive loop, and against a count
step by step.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given, settings

import naive
from fsref import Network
from fsref.errors import UsageError
from fsref.law.pipelining import factor_fifo, pipelining
from fsref.verification.strategies import networks
from handmade import ladder, oracle, residual, tiny, unordered
from refusals import refused
from repeatable import drawn


@dataclass(frozen=True)
class Counted:
    """What counting says of a network at one interval: words waiting at most by projection, then those of factors by
    gate, neurons that may spike in one step at most, and the most images that a population, or the registers of a gate,
    hold, and that a population fires for, in one step.
    """

    depth: list[int]
    peak: int
    held: int
    firing: int


def counted(net: Network, interval: int) -> Counted:
    """Counts, step by step, of so many images that the first is done long before the last enters. Windows are those of
    the naive loop.
    """
    other = oracle(net)
    start, steps, places = (
        naive.starts(other),
        [p.steps for p in other.populations],
        {p.name: i for i, p in enumerate(net.populations)},
    )
    sizes = [p.neurons for p in net.populations]
    ends = max(start[p] + steps[p] for p in start)
    images = range(ends // interval + 2)
    clock = range(images[-1] * interval + ends)
    joined = [(places[q.source], places[q.target]) for q in net.projections]
    gates = [(places[q.by], places[q.source], places[q.target]) for q in net.gates.values()]
    depth, taking = [], [(s, start[p]) for s, p in joined]  # what waits, and the step behind those that take it
    taking += [(b, start[p] - steps[a]) for b, a, p in gates]
    for s, end in taking:
        waiting = [0] * len(clock)
        for image in images:
            for t in range(steps[s]):
                sent, taken = image * interval + start[s] + t, image * interval + end - steps[s] + t
                for step in range(sent, taken):  # there at the end of these steps
                    waiting[step] += 1
        depth.append(max(waiting))
    spiking, held, firing = [0] * len(clock), 0, 0
    for p in start:
        before = max((steps[s] for s, target in joined if target == p), default=0)
        inside, fires = [0] * len(clock), [0] * len(clock)
        for image in images:
            first = image * interval + start[p]
            for step in range(first - before, first + steps[p]):
                inside[step] += before > 0
                fires[step] += step >= first
        spiking = [n + sizes[p] * (f > 0) for n, f in zip(spiking, fires, strict=True)]
        held, firing = max(held, *inside), max(firing, *fires)
    for b, a, p in gates:
        inside = [0] * len(clock)
        for image in images:  # its registers
            for step in range(image * interval + start[p] - steps[a] - steps[b], image * interval + start[p]):
                inside[step] += 1
        held = max(held, *inside)
    return Counted(depth, max(spiking), held, firing)


def test_starts() -> None:
    """The input starts at 0, a pool with its source, anything else when all its sources ended; the latency is the
    readout's start (TIME-1, TIME-2).
    """
    plan = ladder().schedule
    assert plan.start == {"in": 0, "a": 3, "pool": 3, "b": 8, "out": 10}
    assert plan.latency == 10
    for net in (tiny(), residual(), unordered(), ladder()):
        plan, other = net.schedule, oracle(net)
        assert list(plan.start.values()) == list(naive.starts(other).values())
        assert plan.latency == naive.latency(other)


def test_initiation_interval() -> None:
    """One buffer: K of a population and the longest of its sources together; two: the longest K (TIME-3)."""
    plan = ladder().schedule
    assert (plan.interval_one_buffer, plan.interval_two_buffers) == (3 + 5, 5)
    assert (tiny().schedule.interval_one_buffer, tiny().schedule.interval_two_buffers) == (7, 4)
    for net in (tiny(), residual(), unordered(), ladder()):
        plan = net.schedule
        assert (plan.interval_one_buffer, plan.interval_two_buffers) == naive.initiation_intervals(oracle(net))


def test_skip_delay() -> None:
    """The spikes of a source wait from its end to its target's start (TIME-4)."""
    plan = ladder().schedule
    assert plan.delays == {("in", "a"): 0, ("in", "b"): 5, ("pool", "b"): 0, ("a", "out"): 2, ("b", "out"): 0}
    for net in (residual(), unordered()):
        other, names = oracle(net), [p.name for p in net.populations]
        found = {
            (names[s], names[p]): delay
            for (s, p), delay in naive.delays(other).items()
            if other.populations[p].kind != "max_pool"
        }
        assert net.schedule.delays == found


def test_windows() -> None:
    """A population receives in the K of its longest source before its start, and fires in its own K from there (TIME-1,
    TIME-4).
    """
    plan = ladder().schedule
    assert plan.receives == {
        "in": range(0),
        "a": range(0, 3),
        "pool": range(3, 3),
        "b": range(3, 8),
        "out": range(5, 10),
    }
    assert plan.fires == {
        "in": range(3),
        "a": range(3, 8),
        "pool": range(3, 8),
        "b": range(8, 10),
        "out": range(10, 10),
    }
    assert plan.steps == 10


def test_pipelining_by_hand() -> None:
    """Depth, bits and peak events of a ladder, by hand (TIME-5, TIME-6)."""
    one, two = pipelining(ladder(), 1), pipelining(ladder(), 2)
    assert (one.buffers, one.interval, two.buffers, two.interval) == (1, 8, 2, 5)
    assert one.fifo_depth == {"in->a": 0, "in->b": 3, "pool->b": 0, "a->out": 2, "b->out": 0}
    assert two.fifo_depth == {"in->a": 0, "in->b": 3, "pool->b": 0, "a->out": 2, "b->out": 0}
    assert (
        pipelining(residual(), 2).fifo_bits["in->out"]
        == 84 * pipelining(residual(), 2).fifo_depth["in->out"]
        == 84 * 13
    )
    assert one.peak_events == 2  # steps 3 to 7: a and pool; steps 8 and 9: b, and the input of the next image
    assert two.peak_events == 3  # steps 5 to 7: a and pool, and the input of the next image
    assert pipelining(ladder(), 2, 1000).peak_events == 2


def test_depths_and_peaks_are_those_of_a_count_step_by_step() -> None:
    """FIFO depths and peak events are those of a count over many images; a step less, and the buffers do not do
    (TIME-3, TIME-5, TIME-6).
    """

    def same(net: Network) -> None:
        plan = net.schedule
        for buffers, shortest in ((1, plan.interval_one_buffer), (2, plan.interval_two_buffers)):
            assert pipelining(net, buffers).interval == shortest
            for interval in (shortest, shortest + 1, plan.steps):
                wanted, found = counted(net, interval), pipelining(net, buffers, interval)
                labels = [*net.named_projections, *(factor_fifo(name, q) for name, q in net.gates.items())]
                assert [found.fifo_depth[label] for label in labels] == wanted.depth
                assert found.peak_events == wanted.peak
                assert wanted.held <= buffers and wanted.firing == 1
            if shortest > 1:
                less = counted(net, shortest - 1)
                assert less.held > buffers or less.firing > 1

    for net in (tiny(), residual(), unordered(), ladder()):
        same(net)
    given(networks(2, 4))(settings(drawn, max_examples=40)(same))()


@pytest.mark.parametrize("interval", [0, -1, 2.0, True, "8", 10**6, 7])
def test_intervals_that_are_refused(interval: object) -> None:
    """An interval is a whole number of steps that the buffers allow (TIME-3)."""
    with refused(UsageError, "TIME-3", "interval", interval):
        pipelining(ladder(), 1, interval)  # type: ignore[arg-type]


@pytest.mark.parametrize("buffers", [0, 3, "two"])
def test_buffers_are_one_or_two(buffers: object) -> None:
    """There are one or two membrane buffers (TIME-3)."""
    with refused(UsageError, "TIME-3", "buffers", buffers):
        pipelining(ladder(), buffers)  # type: ignore[arg-type]
