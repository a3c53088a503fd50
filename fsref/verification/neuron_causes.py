"""Mistakes of the neuron: when it fires, what it loses, and how its division is written (OBS-4).

Each is a function from an fs and its right opening membranes (B, C, H, W) to what follows from the mistake.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from fsref.law.neuron import Ints, relu_theta
from fsref.law.populations import FS
from fsref.verification.consequences import Cause, Effects, lowered, of_fs, opened, stepped
from fsref.verification.scene import Effect

LEAKS = range(1, 13)  # shifts tried: v - (v >> shift) a step


def leak(p: FS, v: Ints) -> Effects:
    """The membrane decays in each step, after the neuron fires or before."""
    rows = p.table.rows(p.shape[0])
    for shift in LEAKS:

        def after(v: Ints, z: NDArray[np.bool_], h: Ints, shift: int = shift) -> Ints:
            left = lowered(v, z, h)
            return left - (left >> shift)

        yield stepped(p, v, *rows, after=after).of(shift=shift)
        before = stepped(p, v - (v >> shift), *rows, after=after)
        yield Effect(before.codes, spikes=before.spikes, about={"shift": shift})

        def between(v: Ints, z: NDArray[np.bool_], h: Ints, shift: int = shift) -> Ints:
            found: Ints = np.where(z, v - h, v - (v >> shift))
            return found

        yield stepped(p, v, *rows, after=between).of("where it does not fire", shift=shift)


def theta_of(p: FS) -> Ints | None:
    """theta (C, 1, 1) of an FS-ReLU (FS-5), None of any other table."""
    theta = relu_theta(p.table)
    return None if theta is None else np.broadcast_to(theta, p.shape[0])[:, None, None]


def divided(change: Callable[[FS, Ints, Ints], Ints]) -> Callable[[FS, Ints], Effects]:
    """A mistake of the division that an FS-ReLU is (FS-5): codes from the fs, its opening membranes, and theta
    (C, 1, 1). Of other tables it says nothing.
    """

    def follow(p: FS, v: Ints) -> Effects:
        if (theta := theta_of(p)) is not None:
            codes = change(p, v, theta)
            fit = codes.min(initial=0) >= 0 and codes.max(initial=0) <= top(p)
            yield Effect(codes, spikes=codes.astype(np.uint16) if fit else None).of(top=top(p), bits=p.steps)

    return follow


def held_at_the_top(p: FS, v: Ints) -> Effects:
    """A membrane is no larger than 2^K theta - 1 of an FS-ReLU, twice the first threshold less one, seen so when its
    window opens or not.
    """
    T = p.table.rows(p.shape[0])[0][:, 0, None, None]
    found = opened(p, np.where(T > 0, np.minimum(v, 2 * T - 1), v))
    yield found
    yield replace(found, opening=v)


def fires_once_more(p: FS, v: Ints) -> Effects:
    """Behind the last step a membrane that still reaches the last threshold is lowered again, and no spike is sent."""
    T, h, d = p.table.rows(p.shape[0])
    found = stepped(p, v, T, h, d)
    assert found.membranes is not None, "as many steps as the table has"
    last = found.membranes[:, -1]
    lower = last - h[:, -1, None, None] * (last >= T[:, -1, None, None])
    yield replace(found, membranes=np.concatenate([found.membranes[:, :-1], lower[:, None]], axis=1))


def shifted(sign: int) -> Callable[[FS, Ints], Effects]:
    """Half a theta more, or less, in the membrane of an FS-ReLU."""

    def follow(p: FS, v: Ints) -> Effects:
        if (theta := theta_of(p)) is not None:
            yield opened(p, v + sign * (theta // 2))

    return follow


def wraps(p: FS, v: Ints) -> Effects:
    """What is above the largest code keeps its low bits: in the code, or in the membrane when its window opens."""
    yield from divided(lambda p, v, theta: np.maximum(v // theta, 0) & top(p))(p, v)
    T = p.table.rows(p.shape[0])[0][:, 0, None, None]
    found = opened(p, np.where((T > 0) & (v >= 2 * T), v % np.where(T > 0, 2 * T, 1), v)).of(top=top(p), bits=p.steps)
    yield found
    yield replace(found, opening=v)


def top(p: FS) -> int:
    """The largest code of an FS-ReLU."""
    return int(2**p.steps - 1)


def toward_zero(p: FS, v: Ints, theta: Ints) -> Ints:
    """The division truncates, and the offset comes after it."""
    real = v - theta * p.offset  # with nearest, half a theta above the real pre-activation
    code: Ints = np.sign(real) * (np.abs(real) // theta) + p.offset
    return np.clip(code, 0, top(p))


def to_even(p: FS, v: Ints, theta: Ints) -> Ints:
    """Halves are rounded to the even code."""
    real = v - theta * p.offset - theta // 2
    return np.clip(np.rint(real / theta).astype(np.int64) + p.offset, 0, top(p))


HELD = Cause(  # behind those of accumulators, which end at a power of two: of few networks either gives all
    "membrane-held-at-the-top",
    "a membrane may reach 2^K theta, and what is left is dropped: yours ends at 2^K theta - 1 [FS-4]",
    of_fs(held_at_the_top),
)
NEURON = (
    Cause(
        "bias-leaves-out-half",
        "the bias holds the floor(theta / 2) of nearest: yours leaves it out [CONV-5]",
        of_fs(shifted(-1)),
    ),
    Cause(
        "half-twice",
        "the code is floor(v / theta), and nearest stands in the bias: yours adds theta / 2 once more [CONV-5]",
        of_fs(shifted(+1)),
    ),
    Cause(
        "truncation",
        "the offset is added before the division: floor, not a division that truncates toward zero [FS-5]",
        of_fs(divided(toward_zero)),
    ),
    Cause("halves-to-even", "halves go up, not to the even code [CONV-5]", of_fs(divided(to_even))),
    Cause(
        "fires-once-more",
        "a train has K steps: yours lowers the membrane once more behind the last [FS-3]",
        of_fs(fires_once_more),
    ),
    Cause(
        "saturates-late",
        "codes end at 2^K - 1 = {top}, not at 2^K [FS-5]",
        of_fs(divided(lambda p, v, theta: np.clip(v // theta, 0, top(p) + 1))),
    ),
    Cause(
        "no-upper-end",
        "codes end at 2^K - 1 = {top}: yours have no upper end [FS-5]",
        of_fs(divided(lambda p, v, theta: np.maximum(v // theta, 0))),
    ),
    Cause(
        "no-lower-end",
        "codes begin at 0: yours go below [FS-5]",
        of_fs(divided(lambda p, v, theta: np.minimum(v // theta, top(p)))),
    ),
    Cause(
        "not-clipped",
        "codes lie in 0..2^K - 1: yours are not clipped [FS-5]",
        of_fs(divided(lambda p, v, theta: v // theta)),
    ),
    Cause(
        "wraps-to-k-bits",
        "codes end at 2^K - 1 = {top}: yours keep the low {bits} bits of what is larger [FS-5]",
        of_fs(wraps),
    ),
    Cause(
        "a-step-below-the-last",
        "a train has K steps: yours goes on to theta / 2, so its codes have one bit more [FS-2]",
        of_fs(divided(lambda p, v, theta: np.clip(2 * v // theta, 0, 2 * top(p) + 1))),
    ),
    Cause(
        "a-step-above-the-first",
        "a train has K steps: yours begins at 2^K theta, so its codes have one bit more [FS-2]",
        of_fs(divided(lambda p, v, theta: np.clip(v // theta, 0, 2 * top(p) + 1))),
    ),
    Cause(
        "leak",
        "a membrane keeps what it holds: yours loses v >> {shift} in each step [FS-3]",
        of_fs(leak),
    ),
)
