"""Mistakes of the table: its rows, its shifts, its steps (OBS-4)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from fsref.law.neuron import Ints, base_two, relu_theta
from fsref.law.populations import FS
from fsref.verification.following import Cause, Effects, of_fs, other_channels, stepped


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


def reset_of_the_step_before(p: FS, v: Ints) -> Effects:
    """A spike lowers the membrane by the h of the step before; that of the first by the last h, the first, or
    nothing.
    """
    T, h, d = p.table.rows(p.shape[0])
    for end in (h[:, -1:], h[:, :1], 0 * h[:, :1]):
        yield stepped(p, v, T, np.concatenate([end, h[:, :-1]], axis=1), d)


def steps_reversed(p: FS, v: Ints) -> Effects:
    """The rows of the table are walked from the last step to the first."""
    T, h, d = p.table.rows(p.shape[0])
    yield stepped(p, v, T[:, ::-1], h[:, ::-1], d[:, ::-1])


def ran(*parts: slice) -> Callable[[FS, Ints], Effects]:
    """The steps that run are these parts of the table's, one after the other."""

    def follow(p: FS, v: Ints) -> Effects:
        if p.steps > 1:
            T, h, d = (np.concatenate([row[:, part] for part in parts], axis=1) for row in p.table.rows(p.shape[0]))
            yield stepped(p, v, T, h, d)

    return follow


def rows_of_another_channel(p: FS, v: Ints) -> Effects:
    """T, h, or both are those of another channel; with both, the bias may be, too."""
    if p.table.channels is None:
        return
    T, h, d = p.table.rows(p.shape[0])
    for name, of in other_channels(p.shape[0]):
        yield stepped(p, v, T[of], h[of], d).of(channel=name)
        yield stepped(p, v, T[of], h, d).of(channel=name)
        yield stepped(p, v, T, h[of], d).of(channel=name)
        if not (p.bias_map == p.bias_map[of]).all():
            yield stepped(p, v - p.bias_map + p.bias_map[of], T[of], h[of], d).of(channel=f"{name}, and its bias")


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
    Cause(
        "reset-of-the-step-before",
        "the reset of a step is h of that step, not of the one before [FS-3]",
        of_fs(reset_of_the_step_before),
    ),
    Cause("last-step-missing", "a train has K steps: yours leaves out the last [FS-2]", of_fs(ran(slice(-1)))),
    Cause("first-step-missing", "a train has K steps: yours leaves out the first [FS-2]", of_fs(ran(slice(1, None)))),
    Cause(
        "last-step-twice",
        "a train has K steps: yours fires once more with the last threshold [FS-2]",
        of_fs(ran(slice(None), slice(-1, None))),
    ),
    Cause(
        "first-step-twice",
        "a train has K steps: yours walks the first twice [FS-2]",
        of_fs(ran(slice(1), slice(None))),
    ),
    Cause(
        "steps-reversed",
        "the thresholds are taken from the first step to the last: yours from the last to the first [FS-2]",
        of_fs(steps_reversed),
    ),
    Cause(
        "rows-of-another-channel",
        "each channel has its own thresholds and resets: yours takes those of {channel} [FS-1]",
        of_fs(rows_of_another_channel),
    ),
    Cause(
        "theta-shifted",
        "thresholds are {much} what they should be: a shift is one bit off [FS-2]",
        of_fs(theta_shifted),
    ),
)
