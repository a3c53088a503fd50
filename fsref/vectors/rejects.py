"""Frames that a device must refuse (VECTOR-4)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from fsref.law.identity import words
from fsref.law.network import Network
from fsref.law.neuron import MAX_CODE_WEIGHT, MAX_THRESHOLD, Table, fs_relu
from fsref.law.populations import FS, Input, MaxPool, Population, Readout
from fsref.law.projections import Conv2d, Dense, Projection
from fsref.vectors.pack import Reject

LOAD, RUN, UNKNOWN = 1, 2, 9  # first words of frames (CONFORM-1)
ONES = np.ones((2, 2), np.int64)
STEPS = 3
GIVEN = Input("in", (2, 1, 1), STEPS, 6)
MID = FS("mid", (2, 1, 1), fs_relu(STEPS, 5))
OUT = Readout("out", (2, 1, 1))
ENDS = [Dense("in", "mid", ONES), Dense("mid", "out", ONES)]


def rejects(net: Network) -> list[Reject]:
    """The frames to refuse: loads of networks that break a rule, and runs of `net` that do."""
    return [*(Reject(frame, rule, (flag,)) for rule, flag, frame in _loads()), *_runs(net)]


def load(populations: Sequence[Population], projections: Sequence[Projection]) -> tuple[int, ...]:
    """The frame that loads these, whether or not they are a network."""
    steps = {p.name: getattr(p, "steps", STEPS) for p in populations}  # a max-pool has those of its source
    return LOAD, *np.concatenate(list(words(populations, projections, steps))).tolist()


def table(*rows: list[int]) -> Table:
    """The table of T, h, d."""
    return Table(*(np.array(row, np.int64) for row in rows))


def changed(frame: tuple[int, ...], old: int, new: int) -> tuple[int, ...]:
    """The frame with another integer where one stands for the first time."""
    at = frame.index(old)
    return *frame[:at], new, *frame[at + 1 :]


def _loads() -> Iterator[tuple[str, str, tuple[int, ...]]]:
    """Loads: the rule that each breaks, the mistake of a device that takes it, and its words."""
    whole = load([GIVEN, MID, OUT], ENDS)
    yield "ID-1", "load-cut-off", whole[:-1]
    yield "ID-1", "load-too-long", (*whole, 0)
    yield "ID-1", "kind-unknown", (*whole[:3], UNKNOWN, *whole[4:])
    yield "NET-3", "shape-of-nothing", (*whole[:4], 0, *whole[5:])
    yield "NET-7", "steps-0", (*whole[:7], 0, *whole[8:])
    yield "NET-7", "steps-17", (*whole[:7], 17, *whole[8:])
    yield "NET-7", "max-code-0", (*whole[:8], 0, *whole[9:])
    yield "NET-7", "max-code-beyond-steps", (*whole[:8], 2**STEPS, *whole[9:])
    yield "NET-1", "readout-missing", load([GIVEN, MID], ENDS[:1])
    yield "NET-1", "second-input", load([GIVEN, Input("in2", (2, 1, 1), STEPS, 6), MID, OUT], ENDS)
    yield "NET-4", "nothing-enters", load([GIVEN, MID, OUT], [Dense("in", "out", ONES)])
    yield "NET-4", "reads-itself", load([GIVEN, MID, OUT], [ENDS[0], Dense("mid", "mid", ONES), ENDS[1]])
    yield "NET-4", "projections-out-of-order", load([GIVEN, MID, OUT], ENDS[::-1])
    yield "PROJ-4", "columns-missing", load([GIVEN, MID, OUT], [Dense("in", "mid", ONES[:, :1]), ENDS[1]])
    yield "PROJ-4", "rows-missing", load([GIVEN, MID, OUT], [Dense("in", "mid", ONES[:1]), ENDS[1]])
    yield "PROJ-5", "pooled-columns-missing", load([GIVEN, MID, OUT], [Dense("in", "mid", ONES[:, :1], True), ENDS[1]])
    places = ONES.reshape(2, 2, 1, 1)
    yield (
        "PROJ-2",
        "places-missing",
        load([GIVEN, MID, OUT], [Conv2d("in", "mid", places, padding=(1, 0, 0, 0)), ENDS[1]]),
    )
    yield "PROJ-3", "groups-do-not-divide", load([GIVEN, MID, OUT], [Conv2d("in", "mid", places, groups=3), ENDS[1]])
    low = table([4, 2, 1], [4, 2, 1], [1, 2, 4])
    pool = MaxPool("pool", (2, 1, 1), "mid", (1, 1), (1, 1))
    pooled = [ENDS[0], Dense("pool", "out", ONES)]
    yield "POOL-2", "codes-not-superdecreasing", load([GIVEN, FS("mid", (2, 1, 1), low), pool, OUT], pooled)
    empty = MaxPool("pool", (2, 2, 1), "mid", (1, 1), (1, 1), (1, 0, 0, 0))
    last = [ENDS[0], Dense("pool", "out", np.ones((2, 4), np.int64))]
    yield "POOL-3", "window-of-nothing", load([GIVEN, MID, empty, OUT], last)
    yield (
        "RANGE-4",
        "beyond-63-bits",
        load([GIVEN, FS("mid", (2, 1, 1), MID.table, np.array([2**62 - 1, 0])), OUT], ENDS),
    )
    high = FS("mid", (2, 1, 1), table([MAX_THRESHOLD], [1], [1]))
    far = FS("mid", (2, 1, 1), table([1], [1], [MAX_CODE_WEIGHT]))
    wide = [Dense("in", "mid", np.array([[2**31 - 1, 0], [0, 0]])), ENDS[1]]
    yield "FS-1", "threshold-too-high", changed(load([GIVEN, high, OUT], ENDS), MAX_THRESHOLD, MAX_THRESHOLD + 1)
    yield "FS-1", "code-weight-too-high", changed(load([GIVEN, far, OUT], ENDS), MAX_CODE_WEIGHT, MAX_CODE_WEIGHT + 1)
    yield "PROJ-7", "weight-too-high", changed(load([GIVEN, MID, OUT], wide), 2**31 - 1, 2**31)


def _runs(net: Network) -> Iterator[Reject]:
    """Runs of a network, each with the rule that it breaks."""
    n, top = net.input.neurons, net.input.max_code
    codes, asked = (0,) * n, (1, len(net.populations) - 1, 1)  # the logits
    for rule, flag, frame in (
        ("NET-7", "code-above-max-code", (RUN, 1, 0, 4, n, *codes[1:], top + 1, *asked)),
        ("NET-7", "code-below-0", (RUN, 1, 0, 4, n, *codes[1:], -1, *asked)),
        ("CONFORM-1", "codes-missing", (RUN, 1, 0, 4, n + 1, *codes, 0, *asked)),
        ("CONFORM-1", "population-unknown", (RUN, 1, len(net.populations), 2, n, *codes, *asked)),
        ("CONFORM-1", "observable-unknown", (RUN, 1, 0, 4, n, *codes, 1, 0, 5)),
        ("CONFORM-1", "projection-unknown", (RUN, 1, 0, 4, n, *codes, 1, len(net.projections), 0)),
        ("CONFORM-1", "opening-of-an-input", (RUN, 1, 0, 4, n, *codes, 1, 0, 1)),
        ("CONFORM-1", "run-cut-off", (RUN, 1, 0, 4, n, *codes)),
        ("CONFORM-1", "run-too-long", (RUN, 1, 0, 4, n, *codes, *asked, 0)),
        ("CONFORM-1", "frame-unknown", (UNKNOWN,)),
    ):
        yield Reject(frame, rule, (flag,), net)
