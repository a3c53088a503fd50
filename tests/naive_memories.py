"""Memories of a network and its recording from HARDWARE.md alone: plain integers, bit strings, and nothing of the code
that writes them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from fsref import FS, Conv2d, Network, Trace
from fsref.law.projections import Gate

Layout = dict[str, Any]
PLAIN: Layout = {"word": None, "bits": "high", "bytes": "high", "neurons": "chw", "spikes": "trains", "shift": 0}


def signed_bits(values: Iterable[int]) -> int:
    """The fewest bits in two's complement that hold integers (RANGE-6)."""
    return max(next(b for b in range(1, 70) if -(2 ** (b - 1)) <= v < 2 ** (b - 1)) for v in values)


def shown(pattern: str, layout: Layout) -> str:
    """The bits of a word, the highest first, as a file shows them (LAYOUT-2)."""
    if layout["bits"] == "low":
        pattern = pattern[::-1]
    if layout["bytes"] == "low":
        pattern = "0" * (-len(pattern) % 8) + pattern
        pattern = "".join(pattern[i : i + 8] for i in range(len(pattern) - 8, -1, -8))
    return pattern


def words(values: Iterable[int], needed: int, layout: Layout) -> list[str]:
    """Integers as words of bits (LAYOUT-1, LAYOUT-2)."""
    width = layout["word"] or needed
    return [shown(format(v % 2**width, f"0{width}b"), layout) for v in values]


def order(net: Network, name: str, layout: Layout) -> list[int]:
    """The neuron at each address (LAYOUT-3)."""
    (C, H, W), chosen = net[name].shape, layout["neurons"]
    if chosen == "hwc":
        return [c * H * W + y * W + x for y in range(H) for x in range(W) for c in range(C)]
    return list(chosen[name]) if isinstance(chosen, dict) and name in chosen else list(range(C * H * W))


def parameters(net: Network, layout: Layout) -> Iterator[tuple[str, list[str]]]:
    """File and words of each memory of a network."""
    for j, q in enumerate(net.named_projections.values()):
        if isinstance(q, Conv2d):
            O, I, kh, kw = q.weights.shape  # noqa: E741
            places = [(o, i, y, x) for o in range(O) for i in range(I) for y in range(kh) for x in range(kw)]
            if layout["neurons"] == "hwc":
                places = [(o, i, y, x) for o in range(O) for y in range(kh) for x in range(kw) for i in range(I)]
        elif isinstance(q, Gate):
            places = [(c,) for c in range(len(q.weights))]  # type: ignore[misc]
        else:
            columns = range(q.weights.shape[1]) if q.pooled else order(net, q.source, layout)
            places = [(o, i) for o in range(len(q.weights)) for i in columns]  # type: ignore[misc]
        values = [int(q.weights[place]) for place in places]
        yield f"projection.{j}.weights", words(values, signed_bits(values), layout)
    for i, p in enumerate(net.populations):
        arrays: dict[str, list[int]] = {}
        if p.kind in ("fs", "readout"):
            bias = p.bias  # type: ignore[union-attr]
            flat = bias.reshape(-1).tolist()
            arrays["bias"] = flat if bias.ndim == 1 else [flat[n] for n in order(net, p.name, layout)]
        if isinstance(p, FS):
            arrays |= {what: getattr(p.table, what).reshape(-1).tolist() for what in "Thd"}
        for what, values in arrays.items():
            yield f"population.{i}.{what}", words(values, signed_bits(values), layout)


def observables(net: Network, trace: Trace, layout: Layout) -> Iterator[tuple[str, list[str]]]:
    """File and words of each memory of a recording."""
    names, joins = [p.name for p in net.populations], list(net.named_projections)
    for (of, what), array in trace.arrays.items():
        p = net[net.named_projections[of].target if what == "sums" else of]
        stem = f"projection.{joins.index(of)}" if what == "sums" else f"population.{names.index(of)}"
        there, window = trace.selection.neurons[p.name].tolist(), trace.selection.window[p.name].tolist()
        places = [there.index(n) for n in order(net, p.name, layout) if n in there]
        shift = layout["shift"].get(p.name, 0) if isinstance(layout["shift"], dict) else layout["shift"]
        proved, K = net.ranges[p.name], net.steps[p.name]
        any_order = signed_bits(proved.any_order.reshape(-1).tolist())
        found: list[str] = []
        for image in array.tolist():
            if what == "spikes" and layout["spikes"] == "steps":
                width = layout["word"] or len(places)
                for t in window:
                    z = [image[n] >> (K - 1 - t) & 1 for n in places]
                    z += [0] * (-len(z) % width)
                    parts = [z[m : m + width] for m in range(0, len(z), width)]
                    found += [shown("".join(map(str, reversed(part))), layout) for part in parts]
            elif what == "spikes":
                found += words([image[n] for n in places], K, layout)
            elif what == "codes":
                low, high = int(proved.codes.min()), int(proved.codes.max())
                needed = signed_bits([low, high]) if low < 0 else max(1, high.bit_length())
                found += words([image[n] for n in places], needed, layout)
            elif what == "sums":
                found += words([image[n] for n in places], any_order, layout)
            else:
                membrane = p.width.bits if p.width is not None else any_order  # type: ignore[union-attr]
                rows = image if what == "membranes" else [image]
                values = [row[n] // 2**shift for row in rows for n in places]
                found += words(values, max(1, membrane - shift), layout)
        yield f"{stem}.{what}", found


def text(found: list[str]) -> list[str]:
    """Words in hexadecimal digits (LAYOUT-6)."""
    return [format(int(pattern, 2), f"0{-(-len(pattern) // 4)}x") for pattern in found]


def widths(net: Network, key: tuple[str, str], layout: Layout) -> int:
    """The bits that an observable of a population needs (LAYOUT-1, LAYOUT-4); of spikes those of one step."""
    (of, what), p = key, net[key[0]]
    if what == "spikes":
        return 1
    if what == "codes":
        low, high = int(net.ranges[of].codes.min()), int(net.ranges[of].codes.max())
        return signed_bits([low, high]) if low < 0 else max(1, high.bit_length())
    any_order = signed_bits(net.ranges[of].any_order.reshape(-1).tolist())
    membrane = p.width.bits if p.width is not None else any_order  # type: ignore[union-attr]
    return max(1, membrane - layout["shift"])
