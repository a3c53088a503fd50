"""Mistakes of the table: its rows, its shifts, its steps (OBS-4)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from fsref.engines import reference
from fsref.law.neuron import Ints, base_two, relu_theta
from fsref.law.populations import FS
from fsref.verification.consequences import Cause, Effects, of_fs, stepped
from fsref.verification.widths import wrapped

NEVER = 2**62  # a threshold that no membrane reaches


def late_reset(p: FS, v: Ints) -> Effects:
    """A spike lowers the membrane by the h of the next step: in that step (nothing fires between, so only membranes
    tell), or at once, that of the last by the first h, the last, or nothing.
    """
    T, h, d = p.table.rows(p.shape[0])
    for end in (h[:, :1], h[:, -1:], 0 * h[:, :1]):
        early = stepped(p, v, T, np.concatenate([h[:, 1:], end], axis=1), d)
        assert early.membranes is not None, "as many steps as the table has"
        yield replace(early, membranes=np.concatenate([v[:, None], early.membranes[:, :-1]], axis=1))
        yield early


def steps_reversed(p: FS, v: Ints) -> Effects:
    """The rows of the table are walked from the last step to the first."""
    T, h, d = p.table.rows(p.shape[0])
    yield stepped(p, v, T[:, ::-1], h[:, ::-1], d[:, ::-1])


def left_out(at: int) -> Callable[[FS, Ints], Effects]:
    """Nothing fires in one step of the table's."""

    def follow(p: FS, v: Ints) -> Effects:
        if p.steps > 1:
            T, h, d = p.table.rows(p.shape[0])
            T = T.copy()
            T[:, at] = NEVER
            yield stepped(p, v, T, h, d)

    return follow


def once_more(*parts: slice) -> Callable[[FS, Ints], Effects]:
    """The steps that run are these parts of the table's, one after the other."""

    def follow(p: FS, v: Ints) -> Effects:
        if p.steps > 1:
            T, h, d = (np.concatenate([row[:, part] for part in parts], axis=1) for row in p.table.rows(p.shape[0]))
            yield stepped(p, v, T, h, d)

    return follow


def one_step_more(p: FS, v: Ints) -> Effects:
    """A further step with half the last threshold, or with that again: its spike pushes the first out of the train."""
    T, h, d = p.table.rows(p.shape[0])
    right = stepped(p, v, T, h, d)
    assert right.spikes is not None and right.membranes is not None, "as many steps as the table has"
    for last in (T[:, -1:] >> 1, T[:, -1:]):
        more = right.membranes[:, -1] >= last[..., None]
        spikes = right.spikes << np.uint16(1) & np.uint16((1 << p.steps) - 1) | more.astype(np.uint16)
        codes = reference.codes(reference.input_trains(spikes.astype(np.int64), p.steps), d)
        yield replace(right, codes=codes, spikes=spikes)


def of_another_step(p: FS, v: Ints) -> Effects:
    """A step compares with the threshold of the step before, of the next, of the first, or with the lowest or highest
    so far.
    """
    T, h, d = p.table.rows(p.shape[0])
    for other in (np.concatenate([T[:, :1], T[:, :-1]], axis=1), np.concatenate([T[:, 1:], T[:, -1:]], axis=1)):
        yield stepped(p, v, other, h, d)
    yield stepped(p, v, np.broadcast_to(T[:, :1], T.shape), h, d)
    yield stepped(p, v, np.minimum.accumulate(T, axis=1), h, d).of("where it is higher than one before")
    yield stepped(p, v, np.maximum.accumulate(T, axis=1), h, d).of("where it is lower than one before")


def exchanged(p: FS, v: Ints) -> Effects:
    """The thresholds stand for the resets, the resets for the thresholds, or both, and resets for d."""
    T, h, d = p.table.rows(p.shape[0])
    yield stepped(p, v, h, T, d).of(what="T and h are exchanged")
    yield stepped(p, v, h, h, d).of(what="h is compared")
    yield stepped(p, v, T, T, d).of(what="T is taken away")
    yield stepped(p, v, T, d, h).of(what="h and d are exchanged")


def halved(p: FS, v: Ints) -> Effects:
    """Thresholds are the first, halved in each step; and resets, or these alone."""
    T, h, d = p.table.rows(p.shape[0])
    steps = np.arange(T.shape[1])
    yield stepped(p, v, T[:, :1] >> steps, h, d)
    yield stepped(p, v, T[:, :1] >> steps, h[:, :1] >> steps, d)
    yield stepped(p, v, T, h[:, :1] >> steps, d)


def reset_of_the_first(p: FS, v: Ints) -> Effects:
    """Every spike lowers the membrane by the h of the first step."""
    T, h, d = p.table.rows(p.shape[0])
    yield stepped(p, v, T, np.broadcast_to(h[:, :1], h.shape), d)


def table_too_narrow(p: FS, v: Ints) -> Effects:
    """Thresholds, resets, or both are cut to fewer bits than they need."""
    T, h, d = p.table.rows(p.shape[0])
    for bits in (16, 24, 32):
        low, narrow = wrapped(T, bits), wrapped(h, bits)
        if (low != T).any() or (narrow != h).any():
            yield from (stepped(p, v, a, b, d).of(bits=bits) for a, b in ((low, h), (T, narrow), (low, narrow)))


def theta_shifted(p: FS, v: Ints) -> Effects:
    """T and h, or T alone, are twice as large, or half, rounded down, also as theta of an FS-ReLU is."""
    T, h, d = p.table.rows(p.shape[0])
    tried = [(T << 1, h << 1, "twice"), (T >> 1, h >> 1, "half")]
    theta = relu_theta(p.table)
    if theta is not None:
        halved = np.broadcast_to((theta >> 1)[..., None] * base_two(p.steps), T.shape)
        tried.append((halved, halved, "half"))
    for other_T, other_h, much in tried:
        for thresholds, resets in ((other_T, other_h), (other_T, h)):
            yield stepped(p, v, thresholds, resets, d).of(much=much)


TABLE = (
    Cause("late-reset", "the reset of a step is h of that step, taken in that step [FS-3]", of_fs(late_reset)),
    Cause("last-step-missing", "a train has K steps: yours leaves out the last [FS-2]", of_fs(left_out(-1))),
    Cause("first-step-missing", "a train has K steps: yours leaves out the first [FS-2]", of_fs(left_out(0))),
    Cause(
        "last-step-twice",
        "a train has K steps: yours fires once more with the last threshold [FS-2]",
        of_fs(once_more(slice(None), slice(-1, None))),
    ),
    Cause(
        "first-step-twice",
        "a train has K steps: yours walks the first twice [FS-2]",
        of_fs(once_more(slice(1), slice(None))),
    ),
    Cause(
        "train-pushed-on",
        "a train has K steps: in yours one more pushes the first out [FS-4]",
        of_fs(one_step_more),
    ),
    Cause(
        "steps-reversed",
        "the thresholds are taken from the first step to the last: yours from the last to the first [FS-2]",
        of_fs(steps_reversed),
    ),
    Cause(
        "threshold-of-another-step",
        "a step compares with its own threshold, not with that of another step [FS-2]",
        of_fs(of_another_step),
    ),
    Cause(
        "columns-exchanged",
        "thresholds T, resets h and d are three tables: in yours {what} [FS-1]",
        of_fs(exchanged),
    ),
    Cause(
        "table-halved",
        "thresholds and resets stand in the table: yours halves the first in each step [FS-1]",
        of_fs(halved),
    ),
    Cause(
        "reset-of-the-first-step",
        "the reset of a step is h of that step: yours is that of the first [FS-3]",
        of_fs(reset_of_the_first),
    ),
    Cause(
        "table-too-narrow",
        "thresholds and resets do not fit {bits} bits: yours wrap there [FS-1]",
        of_fs(table_too_narrow),
    ),
    Cause(
        "theta-shifted",
        "thresholds are {much} what they should be: a shift is one bit off [FS-2]",
        of_fs(theta_shifted),
    ),
)
