"""Recordings as memories of a chip, and memories that a chip wrote as recordings: addresses for neurons, words for
trains (LAYOUT, TRACE).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from fsref.errors import FileError
from fsref.formats.layout import Layout
from fsref.formats.memories import Memory, owner, stems, width
from fsref.formats.words import MAX_INTEGER, Words
from fsref.law.network import Network
from fsref.law.neuron import Ints
from fsref.law.populations import Population
from fsref.simulation.recording import Key, Selection, Trace

SHIFTED = ("opening", "membranes")


def form(net: Network, layout: Layout, key: Key) -> tuple[int, bool]:
    """The bits that an observable needs in words, and whether they have a sign (LAYOUT-1, LAYOUT-4)."""
    p = owner(net, key)
    bits, signed = width(net, p, key[1])
    return max(1, bits - layout.shift_of(p.name)) if key[1] in SHIFTED else bits, signed


def word_bits(net: Network, layout: Layout, key: Key, neurons: int) -> int:
    """The bits of a word as it lies in the file of an observable of so many neurons. Errors: UsageError."""
    place = " ".join(key)
    if by_step(layout, key):
        return layout.width_in_file(layout.steps_width(neurons, place))
    return layout.width_in_file(layout.width(form(net, layout, key)[0], place))


def by_step(layout: Layout, key: Key) -> bool:
    """Whether the words of an observable are those of steps (LAYOUT-4)."""
    return key[1] == "spikes" and layout.spikes == "steps"


def addressed(net: Network, layout: Layout, p: Population, neurons: NDArray[np.intp]) -> NDArray[np.intp]:
    """The places of the recorded `neurons`, which ascend, in the order of their addresses (LAYOUT-3)."""
    at = np.empty(p.neurons, np.intp)
    at[layout.neuron_at(p)] = np.arange(p.neurons)
    return np.argsort(at[neurons], kind="stable")


def memories(trace: Trace, layout: Layout) -> Iterator[Memory]:
    """The arrays of a recording as memories: image, step where they have steps, address. Errors: UsageError."""
    stem = stems(trace.net)
    for key, array in trace.arrays.items():
        (of, what), p = key, owner(trace.net, key)
        values = array[..., addressed(trace.net, layout, p, trace.selection.neurons[p.name])]
        bits, signed = form(trace.net, layout, key)
        axes, shape, place = ("image", "step", "address")[:: 4 - values.ndim], values.shape, " ".join(key)
        if by_step(layout, key):
            shifts = trace.net.steps[of] - 1 - trace.selection.window[of]
            flags = (values[:, None, :] >> shifts[:, None].astype(np.uint16)) & 1
            words = layout.pack_steps(flags.reshape(-1, values.shape[1]).astype(np.bool_), place)
            axes, shape = ("image", "step", "word"), (*flags.shape[:2], len(words) // max(1, flags[..., 0].size))
        else:
            shifted = values >> layout.shift_of(p.name) if what in SHIFTED else values
            words = layout.pack(shifted.astype(np.int64), bits, place)
        if len(words):  # of spikes and membranes none of whose steps were recorded there is nothing
            yield Memory(of, what, f"{stem[of]}.{what}", axes, shape, signed, words)


def array_of(
    net: Network, layout: Layout, key: Key, found: Words, chosen: Selection, place: str
) -> NDArray[np.integer]:
    """The array (B, [steps,] neurons) of a recording that words of a file hold, of the neurons and steps chosen of its
    population. Errors: FileError when they do not fill whole images.
    """
    of, what = key
    p = owner(net, key)
    neurons, window = chosen.neurons[p.name], chosen.window[p.name]
    steps = len(window) if what == "membranes" or by_step(layout, key) else 1
    each = -(-len(neurons) // (layout.word or len(neurons))) if by_step(layout, key) else len(neurons)
    if len(found) == 0 or steps == 0 or len(found) % (steps * each):
        limit = f"wanted a multiple of {steps * each}" + (f": {steps} steps of {each}" if steps > 1 else "")
        limit += "; what was not answered stands as x" if len(found) % (steps * each or 1) else ""
        raise FileError("TRACE-2", place, "does not hold whole images", f"{len(found)} words", limit)
    if by_step(layout, key):
        flags = layout.unpack_steps(found, len(neurons), place).reshape(-1, steps, len(neurons))
        bits = (1 << net.steps[of] - 1 - window).astype(np.uint16)
        values: Ints = np.where(flags, bits[:, None], 0).sum(axis=1)
    else:
        values = layout.unpack(found, *form(net, layout, key), place)
        values = values.reshape((-1, steps, each) if what == "membranes" else (-1, each))
    if what == "spikes":
        values = _trains(values, net.steps[of], window, place)
    return _placed(net, layout, key, values, neurons)


def unknown_of(
    net: Network, layout: Layout, key: Key, found: Words, chosen: Selection, place: str
) -> NDArray[np.integer]:
    """Of the array that words hold which bits are x or z, when `found` are these bits of the words: of a word that is
    an integer all, where any is, and of one that is a train where none of these is a step (TRACE-6).
    """
    of, what = key
    neurons, window = (mine[owner(net, key).name] for mine in (chosen.neurons, chosen.window))
    if by_step(layout, key):
        used = layout.pack_steps(np.ones((1, len(neurons)), np.bool_), place).data
        data = (found.data.reshape(-1, *used.shape) & used).reshape(found.data.shape)
        return array_of(net, layout, key, Words(found.bits, data), chosen, place)
    every = int((1 << net.steps[of] - 1 - window).sum()) if what == "spikes" else -1
    values = np.where(found.data.any(axis=1), every, 0)
    if what == "spikes" and found.bits < MAX_INTEGER:
        used = layout.pack(np.array([-1]), net.steps[of], place).data
        steps = layout.unpack(Words(found.bits, found.data & used), net.steps[of], False, place) & every
        values = np.where(steps != 0, steps, values)
    shape = (-1, len(window), len(neurons)) if what == "membranes" else (-1, len(neurons))
    return _placed(net, layout, key, values.reshape(shape), neurons)


def _placed(net: Network, layout: Layout, key: Key, values: Ints, neurons: NDArray[np.intp]) -> NDArray[np.integer]:
    """Integers (B, [steps,] addresses) in the order of their neurons, in the type of a recording."""
    placed = np.empty_like(values)
    placed[..., addressed(net, layout, owner(net, key), neurons)] = values
    return placed.astype(np.uint16) if key[1] == "spikes" else placed


def unshifted(
    net: Network, layout: Layout, arrays: Mapping[Key, NDArray[np.integer]], place: str
) -> tuple[dict[Key, NDArray[np.integer]], dict[Key, NDArray[np.integer]]]:
    """Arrays whose membranes were stored without their low bits, these as 0, and which bits of them were seen
    (LAYOUT-4, TRACE-1). Errors: FileError for what is too large.
    """
    found: dict[Key, NDArray[np.integer]] = dict(arrays)
    seen: dict[Key, NDArray[np.integer]] = {}
    for key, values in arrays.items():
        shift = layout.shift_of(owner(net, key).name) if key[1] in SHIFTED else 0
        if shift:
            found[key], seen[key] = values << shift, np.array(-1 << shift, np.int64)
            if ((found[key] >> shift) != values).any():
                limit = f"{64 - shift} bits before {shift} more"
                raise FileError("LAYOUT-4", f"{place}: {' '.join(key)}", "membrane out of range", None, limit)
    return found, seen


def _trains(values: Ints, steps: int, window: NDArray[np.intp], place: str) -> Ints:
    """Trains, of which the steps recorded are kept (OBS-1). Errors: FileError for what is no train of K steps."""
    if (wrong := np.flatnonzero(values >> steps)).size:
        problem, value = f"is no train of {steps} steps", f"{values.reshape(-1)[wrong[0]]:x}"
        raise FileError("LAYOUT-4", f"{place}: word {wrong[0]}", problem, value, f"wanted 0..{(1 << steps) - 1:x}")
    return values & int((1 << steps - 1 - window).sum())
