"""TIME-7: pipelined runs give what runs one by one give, in the steps the schedule says; buffers and FIFOs that are too
small are errors.
"""

from __future__ import annotations

import tracemalloc
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fsref
import naive
from fsref import Network, Record
from fsref.errors import InputError, LimitError, UsageError
from fsref.law.pipelining import fifo_depths, fifos, pipelining
from fsref.law.populations import OBSERVABLES, MaxPool
from fsref.simulation.pipeline import Pipelined, check_depths, pipeline_bytes, run_pipelined
from fsref.simulation.recording import recording_bytes, select
from fsref.verification.strategies import Case, cases
from handmade import EVERYTHING, draw, ladder, oracle, residual, tiny, unordered
from refusals import refused
from repeatable import drawn

RESNET = Path(__file__).parent.parent / "reference_models" / "resnet20" / "resnet20.fs.npz"


def held_against_runs_one_by_one(run: Pipelined, net: Network, images: Any, starts: list[int], interval: int) -> None:
    """The result is that of `fsref.run` on every observable; windows, events and steps are those of `starts`, an image
    every `interval` steps.
    """
    expected, result = fsref.run(net, images, record=EVERYTHING, threads=1), run.result
    assert result.trace is not None and expected.trace is not None
    assert fsref.diff(result.trace, expected.trace) is None
    assert (result.logits == expected.logits).all() and result.logits.dtype == expected.logits.dtype
    assert result.spike_counts.keys() == expected.spike_counts.keys()
    assert all((result.spike_counts[name] == expected.spike_counts[name]).all() for name in expected.spike_counts)
    every = interval * np.arange(len(images))
    for p, start in zip(net.populations, starts, strict=True):
        assert run.starts[p.name].tolist() == (start + every).tolist()
    assert run.latencies.tolist() == [starts[-1]] * len(images)
    assert run.intervals.tolist() == [interval] * (len(images) - 1)
    ends = [start + net.steps[p.name] for p, start in zip(net.populations, starts, strict=True)]
    assert run.steps == every[-1] + max(ends)
    events = expected.trace.events()
    assert run.events.tolist() == np.bincount(events[:, 0] * interval + events[:, 1], minlength=run.steps).tolist()
    assert run.peak_events == max(run.events.tolist())


def test_pipelined_runs_give_what_runs_one_by_one_give() -> None:
    """On 500 drawn networks, with one buffer and two, at the shortest interval and longer ones: every observable,
    latency, interval, steps, and every event in its step; peaks within the bounds of the schedule (TIME-2, TIME-3,
    TIME-5 to TIME-7).
    """
    count: Counter[str] = Counter()

    @settings(drawn, max_examples=500)
    @given(cases(max_images=5), st.sampled_from([1, 2]), st.sampled_from([0, 0, 0, 1, 5]))
    def same(case: Case, buffers: int, slack: int) -> None:
        other = oracle(case.net)
        interval = naive.initiation_intervals(other)[buffers - 1] + slack
        run = run_pipelined(case.net, case.images, buffers, interval if slack else None, record=EVERYTHING)
        held_against_runs_one_by_one(run, case.net, case.images, list(naive.starts(other).values()), interval)
        needs = pipelining(case.net, buffers, interval)
        assert run.fifo_peak.keys() == needs.fifo_depth.keys()
        assert all(peak <= needs.fifo_depth[label] for label, peak in run.fifo_peak.items())
        assert run.peak_events <= needs.peak_events
        count["networks"] += 1
        count["in flight"] += len(case.images) > 1 and interval < run.latencies[0]
        count["gates"] += bool(case.net.gates)
        count["pools"] += any(isinstance(p, MaxPool) for p in case.net.populations)
        count["waiting"] += any(run.fifo_peak.values())
        count["mixed K"] += len({case.net.steps[p.name] for p in case.net.populations[:-1]}) > 1

    same()
    assert count["networks"] >= 500
    assert {
        name: count[name] for name in ("in flight", "gates", "pools", "waiting", "mixed K") if count[name] < 50
    } == {}


@pytest.mark.parametrize("buffers", [1, 2])
@pytest.mark.parametrize("net", [tiny(), residual(), unordered(), ladder()])
def test_networks_made_by_hand(net: Network, buffers: int) -> None:
    """Many images, so that every FIFO and buffer fills and is used again: all as run one by one, every FIFO as full as
    TIME-5 says (TIME-5, TIME-7).
    """
    images = draw(net, 12)
    needs = pipelining(net, buffers)
    run = run_pipelined(net, images, buffers, record=EVERYTHING)
    held_against_runs_one_by_one(run, net, images, list(naive.starts(oracle(net)).values()), needs.interval)
    assert run.fifo_peak == needs.fifo_depth


@pytest.mark.skipif(not RESNET.is_file(), reason="reference_models/resnet20 is not here")
def test_resnet20() -> None:
    """ResNet-20, three drawn images, two buffers: every observable of every neuron, latency 160 and interval 8
    (TIME-7).
    """
    net = fsref.load(RESNET)
    images = np.random.default_rng(20).integers(0, 256, (3, *net.input.shape), dtype=np.uint8)
    run = run_pipelined(net, images, record=EVERYTHING)
    held_against_runs_one_by_one(run, net, images, [8 * place for place in range(21)], 8)
    assert (run.latencies.tolist(), run.steps) == ([160] * 3, 176)
    assert run.fifo_peak["conv1->layer1.0.conv2"] == 8


def test_the_depth_of_the_schedule_is_enough_and_one_less_is_not() -> None:
    """With enough images every FIFO is as full as TIME-5 says; one word less of room is an error that names projection,
    step and depth (TIME-5).
    """
    count: Counter[str] = Counter()

    def tight(net: Network, buffers: int) -> None:
        needs, plan = pipelining(net, buffers), net.schedule
        delays = fifos(net)
        images = draw(net, max(delay for _, delay in delays.values()) // needs.interval + 2)
        assert run_pipelined(net, images, buffers, fifo_depth=needs.fifo_depth).fifo_peak == needs.fifo_depth
        for label, (source, delay) in delays.items():
            depth, start = needs.fifo_depth[label], plan.start[source]
            if depth == 0:
                continue
            sent = [i * needs.interval + start + t for i in range(len(images)) for t in range(net.steps[source])]
            step = next(s for s in sent if sum(s - delay < other <= s for other in sent) == depth)
            with refused(LimitError, "TIME-5", f"{label} step {step}", f"depth {depth - 1}"):
                run_pipelined(net, images, buffers, fifo_depth={label: depth - 1})
            count["FIFOs"] += 1

    for net in (residual(), unordered(), ladder()):
        tight(net, 1)
        tight(net, 2)
    settings(drawn, max_examples=120)(given(cases(2, 4).map(lambda case: case.net), st.sampled_from([1, 2]))(tight))()
    assert count["FIFOs"] >= 30


def test_the_interval_of_the_schedule_is_the_shortest() -> None:
    """An interval one step shorter is an error that names population, step and the interval that would do (TIME-3,
    TIME-7).
    """

    def tight(net: Network, buffers: int) -> None:
        shortest = pipelining(net, buffers).interval
        if shortest == 1:
            return
        with pytest.raises(
            LimitError,
            match=(
                rf"step \d+: image \d .* image \d: interval {shortest - 1} "
                rf"\({shortest} is enough with {buffers} membrane buffer"
            ),
        ):
            run_pipelined(net, draw(net, 3), buffers, shortest - 1)

    for net in (tiny(), residual(), unordered(), ladder()):
        tight(net, 1)
        tight(net, 2)
    settings(drawn, max_examples=60)(given(cases().map(lambda case: case.net), st.sampled_from([1, 2]))(tight))()


@pytest.mark.parametrize(
    ("buffers", "interval", "line"),
    [
        (
            1,
            6,
            (
                "hid step 6: image 1 finds no free membrane buffer, the oldest holds image "
                "0: interval 6 (7 is enough with 1 membrane buffer) [TIME-7]"
            ),
        ),
        (
            2,
            3,
            (
                "in step 3: image 1 enters while the input still sends image 0: "
                "interval 3 (4 is enough with 2 membrane buffers) [TIME-7]"
            ),
        ),
    ],
)
def test_what_an_error_says(buffers: int, interval: int, line: str) -> None:
    """hid takes 4 words and fires 3 steps: at an interval of 6 image 1 comes while image 0 fires its last; the input
    sends 4 steps (TIME-7).
    """
    with pytest.raises(LimitError) as caught:
        run_pipelined(tiny(), draw(tiny(), 2), buffers, interval)
    assert str(caught.value) == line
    assert run_pipelined(tiny(), draw(tiny(), 1), buffers, interval).steps == 7  # alone it fits


def test_two_images_never_fire_in_one_step() -> None:
    """With two buffers a population whose K is longer than the interval is refused when the second image would fire: a,
    in step 3 + 4 (TIME-7).
    """
    with refused(LimitError, "TIME-7", "a step 7", "interval 4"):
        run_pipelined(ladder(), draw(ladder(), 2), 2, 4)


def test_a_shallow_fifo_for_all() -> None:
    """One number is the depth of every FIFO; projections whose spikes do not wait need none (TIME-5)."""
    images = draw(ladder(), 4)
    assert run_pipelined(ladder(), images, fifo_depth=3).fifo_peak == {
        "in->a": 0,
        "in->b": 3,
        "pool->b": 0,
        "a->out": 2,
        "b->out": 0,
    }
    with refused(LimitError, "TIME-5", "in->b step 2", "depth 2"):
        run_pipelined(ladder(), images, fifo_depth=2)


def test_recordings(tmp_path: Path) -> None:
    """Some neurons, some steps, on disk or not: the recording is that of `fsref.run` (OBS-1, RUN-3)."""
    net, images = residual(), draw(residual(), 5)
    chosen: dict[str, Any] = {
        "populations": {"mid": [0, 7], "pool": None, "out": None},
        "observables": OBSERVABLES,
        "steps": range(5, 12),
    }
    expected = fsref.run(net, images, record=Record(**chosen)).trace
    kept, disk = (
        run_pipelined(net, images, record=Record(**chosen, path=path)).result.trace
        for path in (None, tmp_path / "there")
    )
    assert kept is not None and disk is not None and expected is not None
    for trace in (kept, disk):
        assert trace.arrays.keys() == expected.arrays.keys()
        assert all(
            np.array_equal(trace.arrays[key], a) and trace.arrays[key].dtype == a.dtype
            for key, a in expected.arrays.items()
        )
    with pytest.raises(LimitError):
        run_pipelined(net, images, interval=2, record=Record(**chosen, path=tmp_path / "never"))
    assert [path.name for path in tmp_path.iterdir()] == ["there"]
    assert run_pipelined(net, images).result.trace is None


def test_memory_bound_holds() -> None:
    """The memory of a run never exceeds its bound, and a run whose bound exceeds the limit does not start (RUN-3)."""
    net = residual()
    for buffers, count, record, interval in (
        (1, 1, None, None),
        (2, 40, None, None),
        (2, 12, EVERYTHING, None),
        (1, 4, None, 60_000),
    ):
        images, selection = draw(net, count), None if record is None else select(net, record)
        run_pipelined(net, images[:1])
        every = interval or pipelining(net, buffers).interval
        bound = pipeline_bytes(net, count, buffers, every, fifo_depths(net, every), selection, False)
        tracemalloc.start()
        try:
            run_pipelined(net, images, buffers, interval, record=record, memory_limit=bound)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak <= bound < 64 * peak
        with refused(LimitError, "RUN-3", "run"):
            run_pipelined(net, images, buffers, interval, record=record, memory_limit=bound - 1)
    selection = select(net, EVERYTHING)
    disk, kept = (
        pipeline_bytes(net, 9, 2, 8, dict.fromkeys(net.named_projections, 0), selection, on_disk)
        for on_disk in (True, False)
    )
    assert disk + recording_bytes(net, selection, 9) == kept


@pytest.mark.parametrize(
    ("kind", "rule", "place", "arguments"),
    [
        (UsageError, "TIME-3", "buffers", {"buffers": 0}),
        (UsageError, "TIME-3", "buffers", {"buffers": 3}),
        (UsageError, "TIME-3", "interval", {"interval": 0}),
        (UsageError, "TIME-3", "interval", {"interval": 8.0}),
        (UsageError, "TIME-3", "interval", {"interval": True}),
        (UsageError, "TIME-3", "interval", {"interval": 65_537}),
        (UsageError, "TIME-5", "fifo_depth", {"fifo_depth": {"in->nowhere": 3}}),
        (UsageError, "TIME-5", "fifo_depth in->a", {"fifo_depth": -1}),
        (UsageError, "TIME-5", "fifo_depth a->out", {"fifo_depth": {"a->out": "2"}}),
        (UsageError, "OBS-1", "record", {"record": ["nobody"]}),
        (InputError, "RUN-1", "images[0, 0, 0, 0]", {"images": [[[[8]]]]}),
        (InputError, "RUN-1", "images", {"images": [[[[0.5]]]]}),
        (LimitError, "RUN-3", "run", {"memory_limit": 100}),
    ],
)
def test_what_is_refused(kind: Any, rule: str, place: str, arguments: dict[str, Any]) -> None:
    """Buffers, intervals, depths, images and recordings that do not exist are refused before the run."""
    with refused(kind, rule, place):
        run_pipelined(ladder(), **{"images": [[[[7]]]], **arguments})


def test_depths_that_are_not_given_are_those_needed() -> None:
    """A mapping changes the FIFOs it names (TIME-5)."""
    assert check_depths(ladder(), {"in->b": 9}, {"in->b": 3, "a->out": 2}) == {"in->b": 9, "a->out": 2}


def test_the_longest_interval() -> None:
    """Images may follow one another after 65,536 steps, and no later (TIME-3)."""
    net = ladder()
    assert pipelining(net, interval=65_536).interval == 65_536
    with refused(UsageError, "TIME-3", "interval", 65_537):
        pipelining(net, interval=65_537)
