"""Value change dumps of a simulator, or of `fsref export`, read as recordings (VCD-2)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fsref.errors import FileError, nearest
from fsref.formats import layout as layouts
from fsref.formats import vcd
from fsref.formats.container import unique
from fsref.formats.layout import Layout
from fsref.formats.reading import opened
from fsref.formats.vcd import RULE, Dump, Signal
from fsref.law.network import Network
from fsref.law.neuron import Ints
from fsref.law.populations import Population
from fsref.simulation import dumps
from fsref.simulation.memory import check_memory
from fsref.simulation.recording import Key, Trace
from fsref.simulation.table import Found, recorded
from fsref.simulation.waveforms import HOLDS, SCOPE, moments, scopes
from fsref.tables import Brief

EACH = 128  # bytes of memory for each integer that was found
MAX_NUMBER = 2**40  # of images and steps
TOLD = re.compile(r"fsref \S+ network (\S+) layout (\{.*\})")
MARKERS = ("image", "step")
Given = Layout | Mapping[str, Any] | str | PathLike[str] | None


def read(net: Network, path: str | PathLike[str], layout: Given = None, memory_limit: int = 2**33) -> Trace:
    """The recording that a value change dump shows; without `layout` that which its comment tells (VCD-2). Errors:
    FileError, naming line or signal; UsageError, LimitError.
    """
    place = str(path)
    with opened(path, RULE, vcd.MAX_FILE, "a value change dump") as (file, _):
        dump = Dump(file, place, _is_ours, 2 * (2 + len(HOLDS) * sum(p.neurons for p in net.populations)))
        told = _told(net, dump.header.comment, place)
        chosen = layouts.given(layout, net) if layout is not None else told
        found = Watch(net, chosen, dump, memory_limit).found()
    if not found:
        raise FileError(RULE, place, "shows no integer of this network", None, f"signals as {SCOPE}.{_example(net)}")
    trace = recorded(net, found, place, memory_limit)
    arrays, low = dumps.unshifted(net, chosen, trace.arrays, place)
    seen = dict(trace.seen)
    for key, bits in low.items():
        seen[key] = seen[key] & bits if key in seen else bits
    return Trace(net, trace.image_count, trace.selection, arrays, seen, trace.unknown)


def _is_ours(signal: Signal) -> bool:
    """Whether a signal is image or step in a scope fsref, or an observable in a scope in one."""
    if signal.name in MARKERS:
        return signal.scopes[-1:] == (SCOPE,) and signal.number is None
    return signal.name in HOLDS and signal.scopes[-2:-1] == (SCOPE,)


def _example(net: Network) -> str:
    return f"{scopes(net)[net.input.name]}.spikes[0]"


def _told(net: Network, comment: str, place: str) -> Layout:
    """The layout that a comment of ours tells, else the usual one. Errors: FileError."""
    match = TOLD.fullmatch(comment)
    if match is None:  # of a simulator
        return Layout()
    if match[1] != net.id:
        raise FileError(RULE, place, "is of another network", match[1][:12], f"this one is {net.id[:12]}")
    try:
        plain = json.loads(match[2], object_pairs_hook=unique)
    except (ValueError, RecursionError):
        raise FileError(RULE, place, "layout is no JSON object", match[2][:40]) from None
    return layouts.told(plain, net, place)


@dataclass(repr=False)
class State(Brief):
    """What the signals of one observable show now, by address: integers, whether they are known, whether there is a
    signal at all.
    """

    values: Ints
    known: NDArray[np.bool_]
    there: NDArray[np.bool_]


@dataclass(frozen=True)
class Target:
    """Where a value goes: the array, the first address, how many fields, the bits of each, which field is written
    first.
    """

    key: Key
    first: int
    count: int
    bits: int
    signed: bool
    rising: bool


class Watch:
    """The signals of a dump while it is read: what stands when `image` or `step` changes, or the dump ends, is what
    was observed of that step.
    """

    def __init__(self, net: Network, layout: Layout, dump: Dump, memory_limit: int) -> None:
        self.net, self.layout, self.dump, self.memory_limit = net, layout, dump, memory_limit
        named = scopes(net)
        self.populations = {p.name: p for p in net.populations} | {named[p.name]: p for p in net.populations}
        self.at: dict[str, int | None] = dict.fromkeys(MARKERS)
        self.states: dict[Key, State] = {}
        self.markers: dict[bytes, list[str]] = {}
        self.targets: dict[bytes, list[Target]] = {}
        for name, signals in dump.header.signals.items():
            for signal in signals:
                self._declare(name, signal)
        if "step" not in [name for names in self.markers.values() for name in names]:
            limit = f"a scope {SCOPE} that holds a signal step, and scopes named as populations"
            raise FileError(RULE, dump.place, "does not say which step it is", None, limit)
        if "image" not in [name for names in self.markers.values() for name in names]:
            self.at["image"] = 0
        self.rows: dict[Key, Found] = {}
        self.seen: dict[tuple[int, int], int] = {}
        self.count = 0

    def _declare(self, name: bytes, signal: Signal) -> None:
        """Take in a signal. Errors: FileError for one that no network has, or that stands twice."""
        if signal.name in MARKERS:
            if any(signal.name in others for id, others in self.markers.items() if id != name):
                raise FileError(RULE, f"{self.dump.place}: {signal}", "there are two of it", None, f"one scope {SCOPE}")
            self.markers.setdefault(name, []).append(signal.name)
            return
        p = self._population(signal)
        key, place = (p.name, signal.name), f"{self.dump.place}: {signal}"
        count, first = (p.neurons, 0) if signal.number is None else (1, signal.number)
        if first >= p.neurons:
            raise FileError(RULE, place, "there is no such neuron", first, f"{p.name} has 0..{p.neurons - 1}")
        bits = 1 if signal.name == "spikes" else signal.bits // count
        if bits * count != signal.bits or not 1 <= bits <= 64:
            limit = f"{count} times as many bits, 1..64" if signal.name != "spikes" else f"{count} bits"
            raise FileError("TRACE-2", place, "has another width", f"{signal.bits} bits", f"wanted {limit}")
        _, signed = dumps.form(self.net, self.layout, key)
        if key not in self.states:
            self.states[key] = State(np.zeros(p.neurons, np.int64), *np.zeros((2, p.neurons), np.bool_))
        state = self.states[key]
        target = Target(key, first, count, bits, signed, signal.rising)
        if state.there[first : first + count].any() and target not in self.targets.get(name, []):
            raise FileError(RULE, place, "there are two of it", None, f"one scope {SCOPE}")
        state.there[first : first + count] = True
        self.targets.setdefault(name, []).append(target)

    def _population(self, signal: Signal) -> Population:
        """The population whose scope a signal lies in. Errors: FileError."""
        found = self.populations.get(signal.scopes[-1])
        if found is None or signal.name not in found.observables:
            known = list(scopes(self.net).values())
            limit = nearest(signal.scopes[-1], known) if found is None else f"{found.name} has none"
            raise FileError(RULE, f"{self.dump.place}: {signal}", "is not of this network", None, limit)
        return found

    def found(self) -> dict[Key, Found]:
        """All integers that were observed. Errors: FileError, LimitError."""
        time = 0
        for now, changes in self.dump.changes():
            at = dict(self.at)
            for name, digits in changes.items():
                for marker in self.markers.get(name, ()):
                    at[marker] = int(digits, 2) if not set(digits.lower()) & set(b"xz") else None
            if at != self.at:
                self._observe(time)
                self.at, time = at, now
            for name, digits in changes.items():
                for target in self.targets.get(name, ()):
                    self._set(target, digits)
        self._observe(time)
        return self.rows

    def _set(self, target: Target, digits: bytes) -> None:
        """Take in a value of a signal."""
        state, whole = self.states[target.key], target.count * target.bits
        if len(digits) > whole:
            raise FileError(
                RULE, f"{self.dump.place}: {' '.join(target.key)}", "has more bits than declared", len(digits)
            )
        filling = digits[:1] if digits[:1].lower() in (b"x", b"z") else b"0"
        digits = digits.rjust(whole, filling)
        for place in range(target.count):
            at = place if target.rising else target.count - 1 - place
            part, address = digits[at * target.bits : (at + 1) * target.bits], target.first + place
            known = not set(part.lower()) & set(b"xz")
            state.known[address] = known
            if known:
                value = int(part, 2)
                negative = (target.signed or target.bits == 64) and part[:1] == b"1"
                state.values[address] = value - (1 << target.bits) if negative else value

    def _observe(self, time: int) -> None:
        """Keep what stands in the step that ends now and began at `time`."""
        image, step = self.at["image"], self.at["step"]
        if image is None or step is None:
            return
        for key, state in self._meant(step):
            if image > MAX_NUMBER:
                raise FileError(
                    RULE, f"{self.dump.place}: #{time}", "image is too large", None, f"at most {MAX_NUMBER}"
                )
            if state.known[state.there].any():
                self._keep(key, state, image, step, time)

    def _meant(self, step: int) -> Iterator[tuple[Key, State]]:
        """The observables that have a value in a step of an image."""
        for key, state in self.states.items():
            if step in moments(self.net, self.net[key[0]], key[1]):
                yield key, state

    def _keep(self, key: Key, state: State, image: int, step: int, time: int) -> None:
        """Keep what the signals of an observable show. Errors: FileError for a step that was kept; LimitError."""
        name, what = key
        if (before := self.seen.setdefault((image, step), time)) != time:
            limit = f"#{before} is that step too: let image or step be x where no step is meant"
            raise FileError(RULE, f"{self.dump.place}: #{time}", f"image {image} step {step} comes twice", None, limit)
        addresses = np.flatnonzero(state.there)
        self.count += 1 + len(addresses)
        check_memory(EACH * self.count, self.memory_limit, self.dump.place)
        stepped = what in ("spikes", "membranes")
        known = state.known[addresses]
        self.rows.setdefault(key, Found()).add(
            np.full(len(addresses), image),
            self.layout.neuron_at(self.net[name])[addresses].astype(np.int64),
            np.full(len(addresses), step - self.net.schedule.start[name] if stepped else -1),
            np.where(known, state.values[addresses], 0),
            ~known,
        )
