"""Where two recordings first differ (OBS-2)."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fsref.engines.engine import Engine
from fsref.errors import UsageError, public
from fsref.formats.labels import few
from fsref.law.network import Network
from fsref.simulation.recording import Key, Record, Trace, check_trace
from fsref.simulation.run import run
from fsref.simulation.shared import Shared, shared
from fsref.tables import plural

UNKNOWN: Literal["x"] = "x"  # what is told of an x or z
Observed: TypeAlias = int | Literal["x"]
RULES = {"sums": "PROJ-1", "opening": "NET-6", "spikes": "FS-2", "membranes": "FS-3", "codes": "FS-4"}


class NotCompared(UserWarning):
    """One of two recordings holds what the other does not."""


@dataclass(frozen=True)
class Difference:
    """The first place where two recordings differ (OBS-2); `step` is absolute, None where the observable has none;
    `observed` is "x" for an x or z (TRACE-6), and `rule` that of the observable, unless something says another.
    """

    image: int
    place: str
    observable: str
    step: int | None
    neuron: int
    observed: Observed
    expected: int
    context: str = ""
    rule: str = ""

    @property
    def told(self) -> str:
        """What was observed and expected, and the rule."""
        return f"observed {self.observed} expected {self.expected} [{self.rule or RULES[self.observable]}]"

    def __str__(self) -> str:
        step = "" if self.step is None else f" step {self.step}"
        what = "" if self.observable == "spikes" else f" {self.observable}"
        return f"image {self.image} {self.place}{step} neuron {self.neuron}{what}: {self.told}{self.context}"


@public
def diff(
    observed: Trace, expected: Trace | str | Engine = "reference", images: ArrayLike | None = None
) -> Difference | None:
    """The first difference of two recordings in what both hold, None when there is none (OBS-2).

    `expected` is a recording, or an engine, by name or as an object, which then records the same selection of `images`
    (B, C, H, W). What only one of them holds was not observed by the other: a NotCompared warning names it (TRACE-1).
    Errors: UsageError when nothing of them can be compared, InputError for the images.
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
    if observed.net.id != expected.net.id:
        problem, limit = "the recordings are of other networks", f"expected {expected.net.id}"
        raise UsageError("OBS-2", "diff", problem, observed.net.id, limit)
    both = shared(observed, expected)
    if not both:
        limit = f"expected has {_named(expected.arrays)}"
        raise UsageError("OBS-2", "diff", "the recordings hold nothing of the same", _named(observed.arrays), limit)
    if left := left_out(observed, expected, both):
        warnings.warn(NotCompared(f"diff: not compared: {left}"), stacklevel=3)
    found = first_by_population(both)
    if not found:
        return None
    first = min(found.values(), key=lambda difference: difference.image)
    return replace(first, context=_threshold(expected, first))


def first_by_population(both: Iterable[Shared]) -> dict[str, Difference]:
    """The first difference of each population in what two recordings share, in their order (OBS-2)."""
    best: dict[str, Difference] = {}
    for part in both:
        found = first_of(part, before=best[part.population].image if part.population in best else part.image_count)
        if found is not None:
            best[part.population] = found
    return best


def first_of(part: Shared, before: int) -> Difference | None:
    """The first difference of one array in the images `before` one of them, or None (OBS-2)."""
    for some, observed, expected, bits in part.chunks():
        unlike = (observed ^ expected) & bits
        wrong = unlike.reshape(len(unlike), -1).any(axis=1)
        if wrong.any():
            row = int(np.argmax(wrong))
            image = some.start + row
            return located(part, image, observed[row], expected[row], bits[row]) if image < before else None
        if some.stop >= before:
            break
    return None


def located(part: Shared, image: int, observed: NDArray[Any], expected: NDArray[Any], bits: NDArray[Any]) -> Difference:
    """The first difference of an image that has one: arrays ([steps,] neurons), and the bits of them that count."""
    (place, observable), start = part.key, part.net.schedule.start[part.population]
    unlike, step = (observed ^ expected) & bits, None
    unknown = part.unknown(slice(image, image + 1))
    hidden = np.zeros_like(unlike) if unknown is None else unknown[0] & unlike
    if observable == "membranes":
        row, at = (int(n) for n in np.argwhere(unlike)[0])
        step = start + int(part.window[row])
        pair = int(observed[row, at] & bits[row, at]), int(expected[row, at] & bits[row, at])
        known = not hidden[row, at]
    elif observable == "spikes":
        shift = int(np.bitwise_or.reduce(unlike)).bit_length() - 1
        at = int(np.flatnonzero(unlike >> shift & 1)[0])
        step = start + part.net.steps[place] - 1 - shift
        pair = int(observed[at]) >> shift & 1, int(expected[at]) >> shift & 1
        known = not hidden[at] >> shift & 1
    else:
        at = int(np.flatnonzero(unlike)[0])
        pair = int(observed[at] & bits[at]), int(expected[at] & bits[at])
        known = not hidden[at]
    found = Difference(image, place, observable, step, int(part.neurons[at]), *pair)
    return found if known else replace(found, observed=UNKNOWN, rule="TRACE-6")


def left_out(observed: Trace, expected: Trace, both: Iterable[Shared]) -> str:
    """What one of two recordings holds and the other does not, in words; "" where they hold the same."""
    told, compared = [], {part.key: part for part in both}
    for name, trace in (("observed", observed), ("expected", expected)):
        if only := [key for key in trace.arrays if key not in compared and not _empty(trace, key)]:
            told.append(f"{_named(only)} of {name} alone")
        for p, neurons in trace.selection.neurons.items():
            own = next((part for part in compared.values() if part.population == p), None)
            if own is not None and len(neurons) > len(own.neurons):
                told.append(f"{plural(len(neurons) - len(own.neurons), 'neuron')} of {p} of {name} alone")
            if own is not None and len(trace.selection.window[p]) > len(own.window):
                steps = len(trace.selection.window[p]) - len(own.window)
                told.append(f"{plural(steps, 'step')} of {p} of {name} alone")
        if trace.image_count > min(observed.image_count, expected.image_count):
            more = trace.image_count - min(observed.image_count, expected.image_count)
            told.append(f"the last {plural(more, 'image')} of {name}")
        if trace.seen:
            told.append(f"what {name} has not seen of {_named(trace.seen)}")
    if blank := [part.key for part in both if part.unanswered(slice(0, part.image_count)).any()]:
        told.append(f"images without an answer in {_named(blank)}")
    return "; ".join(told)


def _empty(trace: Trace, key: Key) -> bool:
    """Whether an array holds no integer: one of steps, none of which was recorded."""
    return key[1] in ("spikes", "membranes") and not len(trace.selection.window[key[0]])


def _named(keys: Iterable[Key]) -> str:
    """Arrays by name, sorted."""
    return few(sorted(" ".join(key) for key in keys)) or "none"


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


def _threshold(trace: Trace, found: Difference) -> str:
    """ " membrane V threshold T" of a firing step, where the recording holds the membrane."""
    if found.observable != "spikes" or (found.place, "opening") not in trace.arrays:
        return ""
    assert found.step is not None
    name, t = found.place, found.step - trace.net.schedule.start[found.place]
    at = int(np.searchsorted(trace.selection.neurons[name], found.neuron))
    if not np.isin(np.arange(t), trace.selection.window[name]).all() or name in {key[0] for key in trace.seen}:
        return ""
    opening, train = int(trace[name, "opening"][found.image, at]), int(trace[name, "spikes"][found.image, at])
    membrane, threshold = at_step(trace.net, name, found.neuron, t, opening, train)
    return f" membrane {membrane} threshold {threshold}"


def at_step(net: Network, name: str, neuron: int, t: int, opening: int, train: int) -> tuple[int, int]:
    """The membrane of an FS neuron that step t of its window looks at, and the threshold there (FS-2, FS-3)."""
    p = next(p for p in net.fs if p.name == name)  # an fs alone has thresholds
    channel = neuron // (p.shape[1] * p.shape[2])
    T, h, _ = (rows[channel] for rows in p.table.rows(p.shape[0]))
    v = opening - sum(int(h[s]) for s in range(t) if train >> (p.steps - 1 - s) & 1)
    return v, int(T[t])
