"""Where two recordings first differ (OBS-2)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fsref.engines.engine import Engine
from fsref.errors import UsageError, public
from fsref.law.populations import FS, OBSERVABLES
from fsref.simulation.recording import Key, Record, Trace, check_trace
from fsref.simulation.run import run

RULES = {"sums": "PROJ-1", "opening": "NET-6", "spikes": "FS-2", "membranes": "FS-3", "codes": "FS-4"}


@dataclass(frozen=True)
class Difference:
    """The first place where two recordings differ (OBS-2); `step` is absolute, None where the observable has none."""

    image: int
    place: str
    observable: str
    step: int | None
    neuron: int
    observed: int
    expected: int
    context: str = ""

    def __str__(self) -> str:
        step = "" if self.step is None else f" step {self.step}"
        what = "" if self.observable == "spikes" else f" {self.observable}"
        told = f"observed {self.observed} expected {self.expected} [{RULES[self.observable]}]{self.context}"
        return f"image {self.image} {self.place}{step} neuron {self.neuron}{what}: {told}"


@public
def diff(
    observed: Trace, expected: Trace | str | Engine = "reference", images: ArrayLike | None = None
) -> Difference | None:
    """The first difference of two recordings of the same selection, None when there is none (OBS-2).

    `expected` is a recording, or an engine, by name or as an object, which then records the same selection of `images`
    (B, C, H, W). Errors: UsageError when they cannot be compared, InputError for the images.
    """
    if not isinstance(observed, Trace):
        raise UsageError("OBS-2", "diff", "observed is not a recording", type(observed).__name__, "an fsref.Trace")
    check_trace(observed, "observed")
    if not isinstance(expected, Trace):
        if images is None:
            raise UsageError("OBS-2", "diff", "an engine needs the images", None, "images=(B, C, H, W)")
        expected = _recorded(observed, expected, images)
    elif images is not None:
        raise UsageError("OBS-2", "diff", "images go with an engine, not with a recording")
    check_trace(expected, "expected")
    _check_same(observed, expected)
    net, plan = expected.net, expected.net.schedule
    places = {
        (name, observable): p.name
        for p in net.populations
        for observable in OBSERVABLES
        for name in (net.into(p.name) if observable == "sums" else (p.name,))
        if (name, observable) in expected.arrays
    }
    best: tuple[int, Key] | None = None
    for key in places:
        a, b = _words(observed, key, "observed"), _words(expected, key, "expected")
        unlike = (a != b).reshape(len(a), -1).any(axis=1)
        if unlike.any() and (best is None or int(np.argmax(unlike)) < best[0]):
            best = int(np.argmax(unlike)), key
    if best is None:
        return None
    image, (place, observable) = best
    a, b = observed[place, observable][image], expected[place, observable][image]
    neurons, step, context = expected.selection.neurons[places[place, observable]], None, ""
    if observable == "membranes":
        row, at = np.argwhere(a != b)[0]
        step = plan.start[place] + int(expected.selection.window[place][row])
        pair = int(a[row, at]), int(b[row, at])
    elif observable == "spikes":
        steps = net.steps[place]
        t = steps - int(np.bitwise_xor(a, b).max()).bit_length()
        bits = (a >> (steps - 1 - t)) & 1, (b >> (steps - 1 - t)) & 1
        at = np.flatnonzero(bits[0] != bits[1])[0]
        step, pair = plan.start[place] + t, (int(bits[0][at]), int(bits[1][at]))
        context = _threshold(expected, place, image, int(at), t)
    else:
        at = np.flatnonzero(a != b)[0]
        pair = int(a[at]), int(b[at])
    return Difference(image, place, observable, step, int(neurons[at]), *pair, context)


def _check_same(observed: Trace, expected: Trace) -> None:
    """Nothing, when two recordings are of the same network, images, arrays, neurons and steps. Errors: UsageError."""

    def named(keys: Iterable[Key]) -> str:
        return ", ".join(sorted(" ".join(key) for key in keys)) or "none"

    only, missing = (a.arrays.keys() - b.arrays.keys() for a, b in ((observed, expected), (expected, observed)))
    for what, found, wanted in (
        ("networks", observed.net.id, expected.net.id),
        ("numbers of images", observed.image_count, expected.image_count),
        ("arrays: observed alone has", named(only), named(missing)),
    ):
        if found != wanted:
            raise UsageError("OBS-2", "diff", f"the recordings are of other {what}", found, f"expected {wanted}")
    if not expected.selection.same(observed.selection):
        raise UsageError("OBS-2", "diff", "the two recordings are not of the same neurons and steps")


def _words(trace: Trace, key: Key, place: str) -> NDArray[Any]:
    """An array of a recording, whose spikes are words of K bits (EVENT-2). Errors: UsageError."""
    array, limit = trace[key], 2 ** trace.net.steps[key[0]] if key[1] == "spikes" else 0
    if limit and array.size and int(array.max()) >= limit:
        raise UsageError(
            "OBS-2", f"{place} {' '.join(key)}", "word has more bits than K", int(array.max()), f"below {limit}"
        )
    return array


def _recorded(observed: Trace, engine: str | Engine, images: ArrayLike) -> Trace:
    """What an engine records of the selection of a recording."""
    chosen, plan = observed.selection, observed.net.schedule
    steps = {plan.start[name] + t for name, window in chosen.window.items() for t in window.tolist()}
    whole = all(len(window) == observed.net.steps[name] for name, window in chosen.window.items())
    fired = {t for name in chosen.window for t in plan.fires[name]}
    none = [t for t in range(plan.steps) if t not in fired][:1]  # a step in which no recorded population fires
    named = {name: neurons.tolist() for name, neurons in chosen.neurons.items()}
    record = Record(named, chosen.observables, None if whole else sorted(steps) or none)
    trace = run(observed.net, images, engine, record).trace
    assert trace is not None
    return Trace(trace.net, trace.image_count, trace.selection, {k: trace[k] for k in observed.arrays})


def _threshold(trace: Trace, name: str, image: int, at: int, t: int) -> str:
    """ " membrane V threshold T" of a firing step, where the recording holds the membrane."""
    p, earlier = trace.net[name], np.isin(np.arange(t), trace.selection.window[name]).all()
    if not isinstance(p, FS) or (name, "opening") not in trace.arrays or not earlier:  # an fs alone has thresholds
        return ""
    channel = int(trace.selection.neurons[name][at]) // (p.shape[1] * p.shape[2])
    T, h, _ = (rows[channel] for rows in p.table.rows(p.shape[0]))
    train = int(trace[name, "spikes"][image, at])
    v = int(trace[name, "opening"][image, at])
    for s in range(t):
        v -= int(h[s]) * (train >> (p.steps - 1 - s) & 1)
    return f" membrane {v} threshold {int(T[t])}"
