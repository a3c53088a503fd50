"""Mistakes of neurons, max-pools and places, each planted in a simulator that knows nothing of the catalogue: where,
some of the words of its hint, and what is wrong.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from another import only, strict
from fsref.law.populations import FS, MaxPool
from planted_sums import by_places, mirrored


def late(value: Any, v: Any, theta: Any, p: FS) -> Any:
    left, code, fired = v, 0, False
    for t in range(p.steps):
        left = left - fired * theta * 2 ** (p.steps - 1 - t)
        fired = left >= theta * 2 ** (p.steps - 1 - t)
        code = 2 * code + fired
    return code


def before(value: Any, v: Any, theta: Any, p: FS) -> Any:
    left, code = v, 0
    for t in range(p.steps):
        fired = left >= theta * 2 ** (p.steps - 1 - t)
        left, code = left - fired * theta * 2 ** ((p.steps - t) if t else 0), 2 * code + fired
    return code


def unreset(value: Any, v: Any, theta: Any, p: FS) -> Any:
    return sum((v >= theta << t) * 2**t for t in range(p.steps))


def walk(v: Any, thresholds: list[Any], after: Any = lambda left, fired, T: left - fired * T) -> list[Any]:
    """The spikes of a neuron that meets these thresholds in turn."""
    spikes = []
    for T in thresholds:
        spikes.append((v >= T).astype(np.int64))
        v = after(v, spikes[-1], T)
    return spikes


def falling(theta: Any, p: FS) -> list[Any]:
    return [theta << t for t in reversed(range(p.steps))]


def worth(spikes: list[Any]) -> Any:
    return sum(z << t for t, z in enumerate(reversed(spikes)))


def zeroed(value: Any, v: Any, theta: Any, p: FS) -> Any:
    return worth(walk(v, falling(theta, p), lambda left, fired, T: np.where(fired, 0, left)))


def leaking(value: Any, v: Any, theta: Any, p: FS) -> Any:
    return worth(walk(v, falling(theta, p), lambda left, fired, T: left - fired * T - ((left - fired * T) >> 3)))


def one_step_less(value: Any, v: Any, theta: Any, p: FS) -> Any:
    return worth([*walk(v, falling(theta, p)[:-1]), 0 * v])


def late_start(value: Any, v: Any, theta: Any, p: FS) -> Any:
    return worth(walk(v, falling(theta, p)[1:]))


def once_more(value: Any, v: Any, theta: Any, p: FS) -> Any:
    spikes = walk(v, [*falling(theta, p), theta])
    return worth(spikes[:-1]) + spikes[-1]


def twice_first(value: Any, v: Any, theta: Any, p: FS) -> Any:
    top, *others = walk(v, [falling(theta, p)[0], *falling(theta, p)])
    return (top << (p.steps - 1)) + worth(others)


def longer(value: Any, v: Any, theta: Any, p: FS) -> Any:
    return np.clip((v << 1) // theta, 0, 2 ** (p.steps + 1) - 1)


def wider(value: Any, v: Any, theta: Any, p: FS) -> Any:
    return worth(walk(v, [theta << p.steps, *falling(theta, p)]))


def rising(value: Any, v: Any, theta: Any, p: FS) -> Any:
    return sum(z << t for t, z in enumerate(walk(v, falling(theta, p)[::-1])))


def truncated(value: Any, v: Any, theta: Any, p: FS) -> Any:
    return np.clip(np.fix((v - theta * p.offset) / theta).astype(int) + p.offset, 0, 2**p.steps - 1)


def even(value: Any, v: Any, theta: Any, p: FS) -> Any:
    real = (v - theta // 2 - theta * p.offset) / theta
    return np.clip(np.round(real).astype(int) + p.offset, 0, 2**p.steps - 1)


def per_step_or(value: Any, windows: Any, p: MaxPool) -> Any:
    return np.bitwise_or.reduce(windows)


def other_rows(pick: Any, resets: Any = None) -> Any:
    """Thresholds, and resets unless told, of another channel."""

    def divide(value: Any, v: Any, theta: Any, p: FS) -> Any:
        T, h = theta[pick], theta[pick if resets is None else resets]
        left, spikes = v, []
        for t in reversed(range(p.steps)):
            spikes.append((left >= T << t).astype(np.int64))
            left = left - spikes[-1] * (h << t)
        return worth(spikes)

    return divide


def never_in(step: int) -> Any:
    """A neuron that never fires in a step."""

    def divide(value: Any, v: Any, theta: Any, p: FS) -> Any:
        thresholds = [T + (t == step) * 2**50 for t, T in enumerate(falling(theta, p))]
        return worth(walk(v, thresholds, lambda left, fired, T: left - fired * T))

    return divide


def earliest(value: Any, windows: Any, p: MaxPool) -> Any:
    """The first candidate among those that fire first."""
    found = windows[0].copy()
    for candidate in windows[1:]:
        sooner = [
            len(f"{b:b}") > len(f"{a:b}") or (a == 0 < b) for a, b in zip(found.flat, candidate.flat, strict=True)
        ]
        found = np.where(np.reshape(sooner, found.shape), candidate, found)
    return found


def channel(at: int, change: Any) -> Any:
    """What is answered of one channel is changed."""

    def layout(value: Any, p: Any) -> Any:
        found = value.copy()
        found[:, at] = change(found[:, at])
        return found

    return layout


def shift_rows(a: Any, p: MaxPool) -> Any:
    """Windows begin a row later; a row of zeros comes last."""
    return np.concatenate([a[:, :, 1:], 0 * a[:, :, :1]], axis=2)


NEURONS: dict[str, Any] = {
    "strict-comparison": ("stem", "equality fires [FS-2]", {"divide": only("stem", strict)}),
    "late-reset": ("branch", "taken in that step [FS-3]", {"divide": only("branch", late)}),
    "reset-of-the-step-before": ("branch", "not of the one before [FS-3]", {"divide": only("branch", before)}),
    "no-reset": ("left", "lowers its membrane", {"divide": only("left", unreset)}),
    "bias-leaves-out-half": (
        "branch",
        "leaves it out [CONV-5]",
        {"divide": only("branch", lambda c, v, t, p: np.clip((v - t // 2) // t, 0, 63))},
    ),
    "half-twice": (
        "right",
        "once more [CONV-5]",
        {"divide": only("right", lambda c, v, t, p: np.clip((v + t // 2) // t, 0, 31))},
    ),
    "truncation": ("branch", "truncates toward zero [FS-5]", {"divide": only("branch", truncated)}),
    "halves-to-even": ("stem", "not to the even code [CONV-5]", {"divide": only("stem", even)}),
    "saturates-late": ("stem", "15, not at 2^K", {"divide": only("stem", lambda c, v, t, p: np.clip(v // t, 0, 16))}),
    "no-upper-end": ("stem", "no upper end", {"divide": only("stem", lambda c, v, t, p: np.maximum(v // t, 0))}),
    "no-lower-end": ("left", "yours go below", {"divide": only("left", lambda c, v, t, p: np.minimum(v // t, 31))}),
    "not-clipped": ("stem", "not clipped", {"divide": only("stem", lambda c, v, t, p: v // t)}),
    "answers-places-first": ("right", "in the order (H, W, C), not (C, H, W)", {"layout": only("right", by_places)}),
    "answers-turned": (
        "join",
        "rows and columns are exchanged [NET-3]",
        {"layout": only("join", lambda v, p: v.swapaxes(2, 3))},
    ),
    "channels-moved": (
        "join",
        "another order: yours are 2, 3, 0, 1",
        {"layout": only("join", lambda v, p: v[:, [2, 3, 0, 1]])},
    ),
    "per-step-or": ("pool", "per-step OR [POOL-1]", {"pool": per_step_or}),
    "reset-to-zero": ("branch", "yours sets it to zero [FS-3]", {"divide": only("branch", zeroed)}),
    "leak": ("right", "loses v >> 3 in each step", {"divide": only("right", leaking)}),
    "wraps-to-k-bits": (
        "right",
        "keep the low 5 bits",
        {"divide": only("right", lambda c, v, t, p: np.maximum(v // t, 0) % 32)},
    ),
    "last-step-missing": ("left", "leaves out the last [FS-2]", {"divide": only("left", one_step_less)}),
    "first-step-missing": ("left", "leaves out the first [FS-2]", {"divide": only("left", late_start)}),
    "last-step-twice": ("left", "once more with the last", {"divide": only("left", once_more)}),
    "first-step-twice": ("left", "walks the first twice [FS-2]", {"divide": only("left", twice_first)}),
    "a-step-below-the-last": ("left", "goes on to theta / 2", {"divide": only("left", longer)}),
    "a-step-above-the-first": ("left", "begins at 2^K theta", {"divide": only("left", wider)}),
    "steps-reversed": ("left", "from the last to the first", {"divide": only("left", rising)}),
    "lowest-bit-first-sent": (
        "right",
        "sends the lowest bit first",
        {"layout": only("right", lambda v, p: mirrored(v, p.steps))},
    ),
    "average-for-max": (
        "pool",
        "not their mean [POOL-1]",
        {"pool": lambda value, windows, p: windows.mean(axis=0).astype(np.int64)},
    ),
    "average-for-max: rounded": (
        "pool",
        "not their mean [POOL-1]",
        {"pool": lambda value, windows, p: np.floor(windows.mean(axis=0) + 0.5).astype(np.int64)},
    ),
    "rows-of-another-channel": (
        "join",
        "takes those of the next channel",
        {"divide": only("join", other_rows([1, 2, 3, 0]))},
    ),
    "rows-of-another-channel: 0": ("join", "takes those of channel 0 [", {"divide": only("join", other_rows([0] * 4))}),
    "rows-of-another-channel: reversed": (
        "join",
        "takes those of channel C - 1 - c",
        {"divide": only("join", other_rows([3, 2, 1, 0]))},
    ),
    "rows-of-another-channel: thresholds alone": (
        "join",
        "takes those of the channel before",
        {"divide": only("join", other_rows([3, 0, 1, 2], [0, 1, 2, 3]))},
    ),
    "theta-shifted": (
        "branch",
        "twice what they should be",
        {"divide": only("branch", lambda c, v, t, p: np.clip(v // (2 * t), 0, 63))},
    ),
    "theta-shifted: half": (
        "right",
        "half what they should be",
        {"divide": only("right", lambda c, v, t, p: np.clip(v // (t // 2), 0, 31))},
    ),
    "first-to-fire": ("pool", "takes one that fires first", {"pool": earliest}),
    "smallest-for-max": ("pool", "not the smallest", {"pool": lambda value, windows, p: windows.min(axis=0)}),
    "one-place-for-max": ("pool", "at one place of it", {"pool": lambda value, windows, p: windows[2]}),
    "pool-kernel": (
        "pool",
        "(2, 2): yours are (1, 2)",
        {"pool": lambda value, windows, p: windows[:2].max(axis=0)},
    ),
    "pool-windows-moved": ("pool", "begin elsewhere", {"pooled": shift_rows}),
    "spike-lasts-two-steps": ("right", "in the next step, too", {"layout": only("right", lambda v, p: v | v >> 1)}),
    "step-stuck": ("right", "never fires in step 1", {"divide": only("right", never_in(1))}),
    "step-stuck: as sent, in a channel": (
        "left",
        "always fires in step 2, whatever v is [FS-2], in channel 1 alone",
        {"layout": only("left", channel(1, lambda v: v | 4))},
    ),
    "stuck: a channel": (
        "join",
        "always 0 [FS-4], in channel 2 alone",
        {"layout": only("join", channel(2, lambda v: 0 * v))},
    ),
    "silent": ("right", "sends nothing at all", {"layout": only("right", lambda v, p: 0 * v)}),
    "stuck": (
        "head",
        "always 77 [FS-4], in neuron 3 alone",
        {"layout": only("head", channel(3, lambda v: 0 * v + 77))},
    ),
}
