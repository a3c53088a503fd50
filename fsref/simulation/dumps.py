"""Recordings as memories of a chip, and memories that a chip wrote as recordings: addresses for neurons, words for
trains (LAYOUT, TRACE).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from fsref.errors import FileError
from fsref.formats.layout import Layout
from fsref.formats.memories import Memory, file_of, width
from fsref.formats.words import Words
from fsref.law.network import Network
from fsref.law.neuron import Ints
from fsref.law.populations import Population
from fsref.simulation.recording import Key, Trace


def owner(net: Network, key: Key) -> Population:
    """The population that an array of a recording belongs to: of sums, the target of the projection."""
    of, what = key
    return net[net.named_projections[of].target if what == "sums" else of]


def addressed(net: Network, layout: Layout, p: Population, neurons: NDArray[np.intp]) -> NDArray[np.intp]:
    """The places of the recorded `neurons`, which ascend, in the order of their addresses (LAYOUT-3)."""
    at = np.empty(p.neurons, np.intp)
    at[layout.neuron_at(p)] = np.arange(p.neurons)
    return np.argsort(at[neurons], kind="stable")


def memories(trace: Trace, layout: Layout) -> Iterator[Memory]:
    """The arrays of a recording as memories: image, step (of membranes, and of spikes in "steps"), address."""
    net = trace.net
    for (of, what), array in trace.arrays.items():
        p = owner(net, (of, what))
        values = array[..., addressed(net, layout, p, trace.selection.neurons[p.name])]
        bits, signed = width(net, p, what)
        if what in ("opening", "membranes") and (shift := layout.shift_of(p.name)):
            values, bits = values >> shift, max(1, bits - shift)
        axes = ("image", "step", "address") if what == "membranes" else ("image", "address")
        yield Memory(of, what, file_of(net, of, what), axes, values.astype(np.int64), bits, signed)


def words(trace: Trace, layout: Layout, memory: Memory) -> Words:
    """The words of a memory of a recording as they lie in a file."""
    if memory.what == "spikes" and layout.spikes == "steps":
        window = trace.selection.window[memory.of]
        shifts = trace.net.steps[memory.of] - 1 - window
        by_step = (memory.values[:, None, :] >> shifts[:, None]) & 1
        return layout.pack_steps(by_step.reshape(-1, by_step.shape[2]).astype(np.bool_))
    return layout.pack(memory.values, memory.bits, f"{memory.of} {memory.what}")


def read(
    net: Network,
    layout: Layout,
    key: Key,
    found: Words,
    neurons: NDArray[np.intp],
    window: NDArray[np.intp],
    place: str,
) -> Ints:
    """The array (B, [steps,] neurons) of a recording that words of a file hold: of these neurons and steps, which
    ascend. Errors: FileError when they do not fill whole images.
    """
    of, what = key
    p = owner(net, key)
    bits, signed = width(net, p, what)
    if what in ("opening", "membranes") and (shift := layout.shift_of(p.name)):
        bits = max(1, bits - shift)
    order = addressed(net, layout, p, neurons)
    steps = len(window) if what == "membranes" or (what == "spikes" and layout.spikes == "steps") else 1
    each = len(neurons)
    if what == "spikes" and layout.spikes == "steps":
        each = -(-each // (layout.word or each))
    if len(found) == 0 or len(found) % (steps * each):
        wanted = (
            f"wanted a multiple of {steps * each}: {steps} steps of {each}"
            if steps > 1
            else f"wanted a multiple of {each}"
        )
        raise FileError("TRACE-2", place, "does not hold whole images", f"{len(found)} words", wanted)
    if what == "spikes" and layout.spikes == "steps":
        flags = layout.unpack_steps(found, len(neurons)).reshape(-1, steps, len(neurons)).astype(np.int64)
        values = (flags << (net.steps[of] - 1 - window)[:, None]).sum(axis=1)
    else:
        values = layout.unpack(found, bits, signed, place)
        values = values.reshape((-1, steps, each) if what == "membranes" else (-1, each))
    placed: Ints = np.empty_like(values)
    placed[..., order] = values
    return placed
