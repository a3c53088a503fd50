"""Mistakes on the way to membranes, each planted in a simulator that knows nothing of the catalogue: where, some of the
words of its hint, and what is wrong.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from another import NET, only

_stem, *_others = NET.projections
TALL = replace(NET, projections=[replace(_stem, padding=(0, 1, 2, 1)), *_others])


def dropped(*at: int) -> Any:
    def weights(w: Any, q: Any) -> Any:
        left = w.copy()
        left[(slice(None), *at)] = 0
        return left

    return weights


def mirrored(codes: Any, steps: int) -> Any:
    return sum((codes >> t & 1) << (steps - 1 - t) for t in range(steps))


def by_places(value: Any, *about: Any) -> Any:
    return value.transpose(0, 2, 3, 1).reshape(value.shape)


def swept(by: tuple[int, int]) -> Any:
    """Windows that begin so many rows and columns later, zeros beyond."""

    def wide(value: Any, a: Any, q: Any) -> Any:
        found = np.zeros_like(value)
        height, width = value.shape[2:]
        for y in range(height):
            for x in range(width):
                r, c = y + by[0], x + by[1]
                if 0 <= r < height and 0 <= c < width:
                    found[:, :, y, x] = value[:, :, r, c]
        return found

    return wide


def around(pick: Any) -> Any:
    """Padding that holds what `pick` says for a row or column beyond the image, of its size."""

    def wide(value: Any, a: Any, q: Any) -> Any:
        top, left, _, _ = q.padding
        rows = [pick(y - top, a.shape[2]) for y in range(value.shape[2])]
        columns = [pick(x - left, a.shape[3]) for x in range(value.shape[3])]
        return a[:, :, rows][:, :, :, columns]

    return wide


def filled(code: int) -> Any:
    """Padding that holds a code."""

    def wide(value: Any, a: Any, q: Any) -> Any:
        top, left, _, _ = q.padding
        found = np.full_like(value, code)
        found[:, :, top : top + a.shape[2], left : left + a.shape[3]] = a
        return found

    return wide


def step_by_step(low: int, high: int, bias_last: bool = False, horner: bool = False) -> Any:
    """An accumulator that stops at low and high in each step, the sources one step at a time."""

    def arriving(v: Any, codes: Any, other: Any, p: Any) -> Any:
        into = [(q, other.net.steps[q.source]) for q in other.net.into(p.name).values()]
        held = np.clip((0 if bias_last else 1) * p.bias_map + 0 * v, low, high)
        for left in range(max(steps for _, steps in into) - 1, -1, -1):
            come = sum(other.projection(q, codes[q.source] >> left & 1) for q, steps in into if left < steps)
            held = np.clip(2 * held + come if horner else held + (come << left), low, high)
        return np.clip(held + p.bias_map, low, high) if bias_last and high < 2**60 else held

    return arriving


def one_further(a: Any, q: Any) -> Any:
    """Each neuron is taken for the one after it, the last for the first."""
    return np.array([np.append(image.ravel()[1:], image.ravel()[0]) for image in a]).reshape(a.shape)


def less_a_bit(bit: int) -> Any:
    """A bit of every code that is read is lost."""
    return lambda a, q: a & ~(1 << bit)


def of_branch(v: Any, codes: Any, other: Any, p: Any) -> Any:
    """The stem's codes are read where the branch's should be."""
    return p.bias_map + sum(other.projection(q, codes["stem"]) for q in other.net.into(p.name).values())


SUMS: dict[str, Any] = {
    "bias-in-each-step": ("right", "not in each of 5 steps [NET-5]", {"bias": only("right", lambda b, p: 5 * b)}),
    "bias-in-each-step: of the input": (
        "stem",
        "not in each of 8 steps [NET-5]",
        {"bias": only("stem", lambda b, p: 8 * b)},
    ),
    "bias-missing": ("logits", "the bias is missing", {"bias": only("head", lambda b, p: 0 * b)}),
    "bias-not-a-map": ("left", "the bias is a map", {"bias": only("left", lambda b, p: b[:, 3:4, 3:4])}),
    "accumulator-wraps": (
        "stem",
        "16 bits: it wraps [RANGE-2]",
        {"membrane": only("stem", lambda v, p: v.astype(np.int16).astype(np.int64))},
    ),
    "accumulator-saturates": (
        "head",
        "12 bits: it saturates [RANGE-1]",
        {"membrane": only("head", lambda v, p: np.clip(v, -2048, 2047))},
    ),
    "kernel-flipped": (
        "left",
        "the kernel is not flipped",
        {"weights": only("left", lambda w, q: w[:, :, ::-1, ::-1] if w.ndim == 4 else w)},
    ),
    "kernel-turned": (
        "join",
        "rows and columns are exchanged [PROJ-1]",
        {"weights": only("join", lambda w, q: w.swapaxes(2, 3))},
    ),
    "padding-on-the-other-sides": (
        "stem",
        "on the other sides [PROJ-1]",
        {"padding": only("stem", lambda p, q: (*p[2:], *p[:2]))},
    ),
    "flattened-places-first": ("head", "(C, H, W), yours (H, W, C) [NET-3]", {"read": only("head", by_places)}),
    "channels-reversed": ("stem", "reverse order (RGB, BGR)", {"read": only("stem", lambda a, q: a[:, ::-1])}),
    "projection-missing": (
        "branch",
        "the projection stem->branch#1 is missing",
        {"left_out": lambda no, q: q is NET.into("branch")["stem->branch#1"]},
    ),
    "image-read-as-hwc": (
        "stem",
        "reads its bytes as (H, W, C)",
        {"read": only("stem", lambda a, q: a.reshape(-1, 6, 6, 3).transpose(0, 3, 1, 2))},
    ),
    "image-sent-as-hwc": (
        "stem",
        "gets the bytes of (H, W, C)",
        {"read": only("stem", lambda a, q: np.moveaxis(a, 1, 3).reshape(a.shape))},
    ),
    "lowest-bit-first-read": (
        "stem",
        "reads the lowest bit first",
        {"read": only("stem", lambda a, q: mirrored(a, 8))},
    ),
    "codes-signed": (
        "stem",
        "the highest bit as a sign",
        {"read": only("stem", lambda a, q: a.astype(np.int8).astype(np.int64))},
    ),
    "lowest-weight-clipped": (
        "stem",
        "yours end at -127",
        {"weights": only("stem", lambda w, q: np.clip(w, -127, 127))},
    ),
    "lowest-weight-positive": (
        "stem",
        "takes that for +128",
        {"weights": only("stem", lambda w, q: np.where(w > -128, w, -w))},
    ),
    "weights-places-first": (
        "stem",
        "yours (O, kh, kw, I)",
        {"weights": only("stem", lambda w, q: np.moveaxis(w.reshape(4, 3, 3, 3), 3, 1))},
    ),
    "weights-inputs-first": ("head", "yours (N, O)", {"weights": only("head", lambda w, q: w.reshape(36, 5).T)}),
    "last-tap-missing": ("stem", "the last weight is missing", {"weights": only("stem", dropped(-1, -1, -1))}),
    "first-tap-missing": ("stem", "the first weight is missing", {"weights": only("stem", dropped(0, 0, 0))}),
    "input-missing": ("right", "input 3 is missing", {"weights": only("right", dropped(3))}),
    "input-missing: of the middle": ("left", "input 1 is missing", {"weights": only("left", dropped(1))}),
    "input-missing: of a dense": ("head", "input 0 is missing", {"weights": only("head", dropped(0))}),
    "input-missing: a channel of a dense": (
        "head",
        "channel 2 is missing",
        {"weights": only("head", dropped(slice(18, 27)))},
    ),
    "kernel-place-missing": (
        "stem",
        "kernel place (1, 2) are missing",
        {"weights": only("stem", dropped(slice(None), 1, 2))},
    ),
    "kernel-place-missing: one of two": (
        "join",
        "kernel place (0, 1) are missing [PROJ-1], in right->join alone",
        {"weights": lambda w, q: dropped(slice(None), 0, 1)(w, q) if q.source == "right" else w},
    ),
    "weights-doubled": ("left", "too far to the left", {"weights": only("left", lambda w, q: 2 * w)}),
    "weights-halved": ("left", "too far to the right", {"weights": only("left", lambda w, q: w // 2)}),
    "weights-halved: the sums": (
        "right",
        "too far to the right",
        {"arriving": only("right", lambda v, codes, other, p: (v - p.bias_map) // 2 + p.bias_map)},
    ),
    "weights-unsigned": (
        "head",
        "read without a sign [PROJ-7]",
        {"weights": only("head", lambda w, q: w.astype(np.uint8).astype(np.int64))},
    ),
    "weights-too-narrow": (
        "left",
        "do not fit 6 bits",
        {"weights": only("left", lambda w, q: (w + 32) % 64 - 32)},
    ),
    "weights-of-another-channel": (
        "join",
        "those of the next channel",
        {"weights": only("join", lambda w, q: np.concatenate([w[1:], w[:1]]))},
    ),
    "bias-twice": ("join", "once, not twice", {"bias": only("join", lambda b, p: b + b)}),
    "bias-subtracted": ("right", "not subtracted", {"bias": only("right", lambda b, p: -b)}),
    "bias-too-narrow": ("branch", "does not fit 9 bits", {"bias": only("branch", lambda b, p: np.clip(b, -256, 255))}),
    "bias-too-narrow: wraps": (
        "right",
        "does not fit 10 bits",
        {"bias": only("right", lambda b, p: (b + 512) % 1024 - 512)},
    ),
    "bias-unsigned": ("head", "its 16 bits without a sign", {"bias": only("head", lambda b, p: b % 65536)}),
    "bias-of-another-channel": (
        "right",
        "that of the next channel",
        {"bias": only("right", lambda b, p: b[[1, 2, 0]])},
    ),
    "accumulator-wraps: at an odd width": (
        "stem",
        "15 bits: it wraps",
        {"membrane": only("stem", lambda v, p: (v + 2**14) % 2**15 - 2**14)},
    ),
    "accumulator-saturates-early": (
        "left",
        "do not fit 13 bits: yours saturates in each step",
        {"arriving": only("left", step_by_step(-4096, 4095))},
    ),
    "accumulator-saturates-early: the bias comes last": (
        "join",
        "do not fit 12 bits: yours saturates in each step",
        {"arriving": only("join", step_by_step(-2048, 2047, bias_last=True))},
    ),
    "accumulator-saturates-early: doubling": (
        "left",
        "do not fit 13 bits: yours saturates in each step",
        {"arriving": only("left", step_by_step(-4096, 4095, bias_last=True, horner=True))},
    ),
    "accumulator-stops-at-zero": (
        "right",
        "stops at zero in each step",
        {"arriving": only("right", step_by_step(0, 2**60))},
    ),
    "accumulator-unsigned": (
        "left",
        "read without a sign, so it is a large one",
        {"membrane": only("left", lambda v, p: v % 2**24)},
    ),
    "padding-wraps": ("branch", "wraps round", {"wide": only("branch", around(lambda y, size: y % size))}),
    "padding-repeats": (
        "left",
        "repeats, or mirrors",
        {"wide": only("left", around(lambda y, size: min(max(y, 0), size - 1)))},
    ),
    "padding-not-zero": ("left", "yours is 8", {"wide": only("left", filled(8))}),
    "padding-rows-for-columns": (
        "stem",
        "rows and columns exchanged",
        {"padding": only("stem", lambda p, q: (p[1], p[0], p[3], p[2]))},
        TALL,
    ),
    "windows-moved": ("stem", "begin 0 rows and 1 columns later", {"wide": only("stem", swept((0, 1)))}),
    "windows-moved: up": ("join", "begin -1 rows and 0 columns", {"wide": only("join", swept((-1, 0)))}),
    "stride-off": ("left", "your stride is one more in y", {"stride": only("left", lambda s, q: (2, 1))}),
    "stride-off: dilation": (
        "left",
        "your dilation is one more in y and x",
        {"dilation": only("left", lambda s, q: (2, 2))},
    ),
    "address-off-by-one": (
        "left",
        "the one before or after",
        {
            "read": only(
                "left",
                lambda a, q: np.stack([np.append(one.ravel()[1:], one.ravel()[0]) for one in a]).reshape(a.shape),
            )
        },
    ),
    "step-not-read": ("branch", "loses step 0 of", {"read": only("branch", less_a_bit(3))}),
    "step-not-read: the last": ("stem", "loses step 7", {"read": only("stem", less_a_bit(0))}),
    "spikes-counted": (
        "left",
        "counts each as one",
        {"read": only("left", lambda a, q: np.bitwise_count(a).astype(np.int64))},
    ),
    "spikes-a-step-off": ("left", "of the step before or after", {"read": only("left", lambda a, q: a >> 1)}),
    "another-source": ("right", "reads branch: yours reads stem", {"arriving": only("right", of_branch)}),
}
