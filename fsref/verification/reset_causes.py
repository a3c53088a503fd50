"""Mistakes of what a spike takes away from the membrane (OBS-4)."""

from __future__ import annotations

import numpy as np

from fsref.law.neuron import Ints
from fsref.law.populations import FS
from fsref.verification.consequences import Cause, Effects, both, of_fs, stepped
from fsref.verification.firing_causes import Spikes, ran


def no_reset(p: FS, v: Ints) -> Effects:
    """A spike leaves the membrane as it is: in all steps, in the last, or what would be of a sign, or 0."""
    yield ran(p, v, lowers=lambda t, v, z, h: v)
    last = p.steps - 1
    yield ran(p, v, lowers=lambda t, v, z, h: v if t == last else v - h * z).of("in the last step alone")
    yield ran(p, v, lowers=lambda t, v, z, h: v - h * (z & (v != h))).of("where it would leave 0")
    yield ran(p, v, lowers=lambda t, v, z, h: v - h * (z & (h > 0))).of("where h is negative")
    yield ran(p, v, lowers=lambda t, v, z, h: v - h * (z & (v >= h))).of("where it would leave less than 0")


def reset_to_zero(p: FS, v: Ints) -> Effects:
    """A spike sets the membrane to zero, always or where it stands at its threshold."""
    yield ran(p, v, lowers=lambda t, v, z, h: np.where(z, 0, v))
    T = p.table.rows(p.shape[0])[0]
    at = "where it stands at the threshold"
    yield ran(p, v, lowers=lambda t, v, z, h: np.where(z & (v == T[:, t, None, None]), 0, v - h * z)).of(at)


def behind_a_spike(p: FS, v: Ints) -> Effects:
    """Right behind a spike the reset is that of the step before."""
    rows, fired = p.table.rows(p.shape[0])[1], [np.zeros_like(v, np.bool_)]

    def lowers(t: int, v: Ints, z: Spikes, h: Ints) -> Ints:
        before = fired[-1]
        fired.append(z)
        own: Ints = np.where(before, rows[:, max(0, t - 1), None, None], h)
        return v - own * z

    yield ran(p, v, lowers=lowers).of("right behind a spike")


def lowered_late(p: FS, v: Ints) -> Effects:
    """A spike lowers the membrane in the next step, behind the comparison there."""
    owed: list[Ints] = [0 * v]

    def lowers(t: int, v: Ints, z: Spikes, h: Ints) -> Ints:
        owed.append(h * z)
        return v - owed[-2]

    yield ran(p, v, lowers=lowers)


def reset_ends_at_zero(p: FS, v: Ints) -> Effects:
    """A spike lowers the membrane to 0 at most."""
    yield ran(p, v, lowers=lambda t, v, z, h: np.where(z, np.maximum(v - h, 0), v))


def reset_masks(p: FS, v: Ints) -> Effects:
    """A spike keeps the bits of the membrane below h."""
    yield ran(p, v, lowers=lambda t, v, z, h: np.where(z, v & (h - 1), v))


def reset_magnitude(p: FS, v: Ints) -> Effects:
    """A spike lowers the membrane by the magnitude of h."""
    yield ran(p, v, lowers=lambda t, v, z, h: v - np.abs(h) * z)


def reset_of_the_step_before(p: FS, v: Ints) -> Effects:
    """A spike lowers the membrane by the h of the step before; that of the first by the last h, the first, or
    nothing.
    """
    T, h, d = p.table.rows(p.shape[0])
    for end in (h[:, -1:], h[:, :1], 0 * h[:, :1]):
        yield stepped(p, v, T, np.concatenate([end, h[:, :-1]], axis=1), d)


RESET = (
    Cause("no-reset", "a neuron that fires lowers its membrane by h: yours leaves it as it is [FS-3]", of_fs(no_reset)),
    Cause(
        "reset-to-zero",
        "a neuron that fires lowers its membrane by h: yours sets it to zero [FS-3]",
        of_fs(reset_to_zero),
    ),
    Cause(
        "reset-a-step-late",
        "a spike lowers the membrane before the next comparison: yours does it behind that [FS-3]",
        of_fs(lowered_late),
    ),
    Cause(
        "reset-ends-at-zero",
        "a reset may leave a negative membrane: yours ends at 0 [FS-3]",
        of_fs(reset_ends_at_zero),
    ),
    Cause(
        "reset-masks-bits",
        "a reset takes h away: yours masks bits, as if h were a power of two and v below 2 h [FS-3]",
        of_fs(reset_masks),
    ),
    Cause(
        "reset-without-sign",
        "a negative h raises the membrane: yours takes its magnitude away [FS-3]",
        of_fs(reset_magnitude),
    ),
    Cause(
        "reset-of-the-step-before",
        "the reset of a step is h of that step, not of the one before [FS-3]",
        both(of_fs(reset_of_the_step_before), of_fs(behind_a_spike)),
    ),
)
