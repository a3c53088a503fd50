"""That the neuron is its staircase at every membrane that can come up, and what follows: codes that never do, neurons
that never spike (PROOF-3, PROOF-6).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from fsref.engines.engine import Engine, name_of
from fsref.law.network import Network
from fsref.law.neuron import Ints, Staircase
from fsref.law.populations import FS, Input, Population, Readout
from fsref.law.projections import Conv2d, Dense
from fsref.simulation.recording import Record
from fsref.simulation.run import run
from fsref.tables import Brief
from fsref.verification.proof_rules import Refuted, fired

LOWEST, HIGHEST = -(2**62), 2**62 - 1  # RANGE-4
AT_ONCE = 2**15  # membranes that an engine is given
Rows: TypeAlias = tuple[Sequence[int], Sequence[int], Sequence[int]]  # T, h, d of a channel
Stairs: TypeAlias = Callable[[Ints, Ints, Ints, int, int], Staircase]


@dataclass(frozen=True, eq=False, repr=False)
class Steps(Brief):
    """The intervals of one channel's membranes on which its train is one: `first` to `last`, with `train` and `code`,
    each (intervals,); the lowest and highest membrane that any step leaves.
    """

    first: Ints
    last: Ints
    train: Ints
    code: Ints
    membranes: tuple[int, int]


def check_partition(stairs: Staircase, low: int, high: int, place: str) -> None:
    """Nothing, when the intervals of a table cover low..high once; else Refuted."""
    start = stairs.start
    if not 0 < len(start) == len(stairs.train) == len(stairs.code):
        raise Refuted("PROOF-3", place, "the table has not one train and code per interval", len(start))
    ascending = bool((start[1:] > start[:-1]).all())
    if not ascending or (int(start[0]), True) != (low, int(start[-1]) <= high):
        told = f"{start[0]}, ... {start[-1]}" if ascending else "not ascending"
        raise Refuted(
            "PROOF-3", place, "the intervals of the table do not cover the membranes once", told, f"{low}..{high}"
        )


def proved_steps(stairs: Staircase, rows: Rows, low: int, high: int, place: str) -> Steps:
    """The intervals of a table within low..high, the neuron being fired at both ends of each. Errors: Refuted.

    Why both ends are enough: say two membranes a <= b have the same train. Until step t their resets were the same, so
    what is left of them, and of any v between, stands in the same order; where a fires v does, where b is silent v is.
    So v decides as both do in step t, and by induction has their train.
    """
    i, j = np.searchsorted(stairs.start, [low, high], side="right").tolist()
    met = slice(i - 1, j)
    first = np.maximum(stairs.start[met], low)
    last = np.append(first[1:] - 1, high)
    train, code = stairs.train[met], stairs.code[met]
    steps = len(rows[0])
    theta = rows[0][-1]
    falling = [theta * 2 ** (steps - 1 - t) for t in range(steps)]
    relu = theta >= 1 and falling == list(rows[0]) == list(rows[1])
    relu = relu and list(rows[2]) == [2 ** (steps - 1 - t) for t in range(steps)]
    found = fired(first, *rows), fired(last, *rows)
    for v, one in zip((first, last), found, strict=True):
        wrong = np.flatnonzero((one.train != train) | (one.code != code))
        if len(wrong):
            k = wrong[0]
            told, expected = (f"train {x[k]:0{steps}b}, code {y[k]}" for x, y in ((train, code), (one.train, one.code)))
            raise Refuted(
                "PROOF-3", place, f"the table is not the neuron at membrane {v[k]}", told, f"fires {expected}"
            )
        if relu and (np.clip(v // theta, 0, 2**steps - 1) != code).any():
            raise Refuted("FS-5", place, "the code is not clamp(floor(v / theta), 0, 2^K - 1)")
    lowest, highest = min(int(one.low.min()) for one in found), max(int(one.high.max()) for one in found)
    return Steps(first, last, train, code, (lowest, highest))


def table_codes(stairs: Stairs, T: Ints, h: Ints, d: Ints, steps: Steps, place: str) -> Ints:
    """Every code that a row (K,) of a table has at some membrane of 63 bits; `steps` are those that come up. Errors:
    Refuted.
    """
    if len(steps.first) == 2 ** len(T):  # every train there is
        return steps.code
    whole = stairs(T, h, d, LOWEST, HIGHEST)
    check_partition(whole, LOWEST, HIGHEST, place)
    return proved_steps(whole, (T.tolist(), h.tolist(), d.tolist()), LOWEST, HIGHEST, place).code


def reached(steps: Steps, low: Ints, high: Ints) -> tuple[Ints, int]:
    """The codes that neurons of a channel may have whose opening membranes lie in low..high, each (places,); and how
    many of these neurons never spike.
    """
    from_, to = (np.searchsorted(steps.first, end, side="right") - 1 for end in (low, high))
    spiking = np.append(0, np.cumsum(steps.train != 0))
    silent = int((spiking[to + 1] == spiking[from_]).sum())
    opened = np.zeros(len(steps.first) + 1, np.int64)
    np.add.at(opened, from_, 1)
    np.add.at(opened, to + 1, -1)
    return np.unique(steps.code[np.cumsum(opened)[:-1] > 0]), silent


def check_engines(p: FS, steps: Sequence[Steps], engines: Iterable[str | Engine]) -> int:
    """How many membranes the neurons of each engine were fired at: both ends of all intervals. Errors: Refuted."""
    most, each = max(len(one.first) for one in steps), max(1, AT_ONCE // (2 * len(steps)))

    def filled(values: Iterable[Ints], at: slice) -> Ints:  # (C, intervals): the last again where a channel has fewer
        return np.stack([of[np.minimum(np.arange(at.start, at.stop), len(of) - 1)] for of in values])

    for start in range(0, most, each):
        at = slice(start, min(start + each, most))
        v = np.stack([filled((one.first for one in steps), at), filled((one.last for one in steps), at)], axis=1)
        expected = {
            "spikes": filled((one.train for one in steps), at),
            "codes": filled((one.code for one in steps), at),
        }
        for engine in engines:
            check_engine(p, v, expected, engine)
    return 2 * sum(len(one.first) for one in steps)


def check_engine(p: FS, v: Ints, expected: Mapping[str, Ints], engine: str | Engine) -> None:
    """Nothing, when the neurons of an engine fire as `expected`, each (C, intervals), from membranes v (C, 2,
    intervals); else Refuted. These are the biases of a network without spikes, so that any engine runs it.
    """
    channels, _, intervals = v.shape
    blank, zeros = Input("in", (1, 2, intervals), 1, 1), np.zeros((channels, 1, 1, 1), np.int64)
    populations: list[Population] = [blank, FS("n", (channels, 2, intervals), p.table, v), Readout("out", (1, 1, 1))]
    held = Network(populations, [Conv2d("in", "n", zeros), Dense("n", "out", zeros[:, 0, 0].T, pooled=True)])
    images, record = np.zeros((1, *blank.shape), np.int64), Record(["n"], tuple(expected))
    trace = run(held, images, engine, record, threads=1).trace
    assert trace is not None
    for observable, values in expected.items():
        found = trace["n", observable].reshape(v.shape)
        wrong = np.argwhere(found != values[:, None])
        if len(wrong):
            c, end, k = wrong[0].tolist()
            problem = f"the neuron of {name_of(engine)} fires another train at membrane {v[c, end, k]}"
            told = f"{observable} {found[c, end, k]}"
            raise Refuted("PROOF-8", f"{p.name} channel {c}", problem, told, f"the table gives {values[c, k]}")
