"""TIME: starts, latency, intervals and delays, by hand and against the naive loop."""

from __future__ import annotations

import naive
from fsref import FS, Conv2d, Input, MaxPool, Network, Readout, Table, fs_relu
from fsref.schedule import schedule
from handmade import oracle, residual, tiny, unordered

W = [[[[1]]]]


def ladder() -> Network:
    """in (3 steps) -> a (5) -> pool -> b (2) -> out, and a long skip in -> b, a -> out."""
    one = (1, 1, 1)
    return Network(
        [
            Input("in", one, 3, 7),
            FS("a", one, fs_relu(5)),
            MaxPool("pool", one, "a", (1, 1), (1, 1)),
            FS("b", one, Table([4, 2], [4, 2], [2, 1])),
            Readout("out", one),
        ],
        [Conv2d("in", "a", W), Conv2d("in", "b", W), Conv2d("pool", "b", W), Conv2d("a", "out", W), Conv2d("b", "out", W)],
    )


def test_starts() -> None:
    """The input starts at 0, a pool with its source, anything else when all its sources ended; the latency is the readout's start (TIME-1, TIME-2)."""
    plan = schedule(ladder())
    assert plan.start == {"in": 0, "a": 3, "pool": 3, "b": 8, "out": 10}
    assert plan.latency == 10
    for net in (tiny(), residual(), unordered(), ladder()):
        plan, other = schedule(net), oracle(net)
        assert list(plan.start.values()) == list(naive.starts(other).values())
        assert plan.latency == naive.latency(other)


def test_initiation_interval() -> None:
    """One buffer: K of a population and the longest of its sources together; two: the longest K (TIME-3)."""
    plan = schedule(ladder())
    assert (plan.interval_one_buffer, plan.interval_two_buffers) == (3 + 5, 5)
    assert (schedule(tiny()).interval_one_buffer, schedule(tiny()).interval_two_buffers) == (7, 4)
    for net in (tiny(), residual(), unordered(), ladder()):
        plan = schedule(net)
        assert (plan.interval_one_buffer, plan.interval_two_buffers) == naive.initiation_intervals(oracle(net))


def test_skip_delay() -> None:
    """The spikes of a source wait from its end to its target's start (TIME-4)."""
    plan = schedule(ladder())
    assert plan.delays == {("in", "a"): 0, ("in", "b"): 5, ("pool", "b"): 0, ("a", "out"): 2, ("b", "out"): 0}
    for net in (residual(), unordered()):
        other, names = oracle(net), [p.name for p in net.populations]
        found = {(names[s], names[p]): delay for (s, p), delay in naive.delays(other).items() if other.populations[p].kind != "max_pool"}
        assert schedule(net).delays == found
