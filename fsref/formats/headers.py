"""The sizes, steps and widths of a network, and the files of its memories, as constants of SystemVerilog and C: what a
test bench or a driver includes instead of typing them (LAYOUT-5).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TypeAlias, assert_never

from fsref.formats.layout import Layout
from fsref.formats.memories import Memory
from fsref.law.network import Network
from fsref.law.populations import FS, Input, MaxPool, Readout
from fsref.law.projections import Conv2d, Dense
from fsref.law.widths import code_width, membrane_width

Constants: TypeAlias = list[tuple[str, int | str]]


def constants(net: Network, layout: Layout, memories: Sequence[tuple[Memory, int, str]], images: int) -> Constants:
    """Names and values, in order: of the network, of each population and what enters it, of each memory its file, the
    words in it and the bits of a word. `memories` is (memory, words, file name).
    """
    plan, names = net.schedule, _names(net)
    found: Constants = [("ID", net.id), ("NAME", net.name), ("IMAGES", images), ("POPULATIONS", len(net.populations))]
    found += [("STEPS", plan.steps), ("LATENCY", plan.latency)]
    for index, p in enumerate(net.populations):
        sizes = zip(("INDEX", "C", "H", "W", "NEURONS", "K", "START"), _sizes(net, index), strict=True)
        found += [(f"{names[p.name]}_{key}", value) for key, value in sizes]
        ranges = net.ranges[p.name]
        match p:
            case Input() | MaxPool():
                found.append((f"{names[p.name]}_CODE_BITS", code_width(ranges.codes)))
            case FS():
                found.append((f"{names[p.name]}_CODE_BITS", code_width(ranges.codes)))
                found.append((f"{names[p.name]}_MEMBRANE_BITS", membrane_width(net, p)))
                found.append((f"{names[p.name]}_SHIFT", layout.shift_of(p.name)))
            case Readout():
                found.append((f"{names[p.name]}_MEMBRANE_BITS", membrane_width(net, p)))
            case _:
                assert_never(p)
        if isinstance(p, MaxPool):
            found += _window(names[p.name], p.kernel, p.stride, p.padding)
        for name, q in net.into(p.name).items():
            match q:
                case Conv2d():
                    found += _window(names[name], q.kernel, q.stride, q.padding)
                    pairs = (("DY", q.dilation[0]), ("DX", q.dilation[1]), ("GROUPS", q.groups))
                    found += [(f"{names[name]}_{key}", value) for key, value in pairs]
                case Dense():
                    found.append((f"{names[name]}_POOLED", int(q.pooled)))
                case _:
                    assert_never(q)
    for memory, words, file in memories:
        stem = f"{names[memory.of]}_{memory.what.upper()}"
        found += [(f"{stem}_FILE", file), (f"{stem}_WORDS", words), (f"{stem}_BITS", layout.width(memory.bits, stem))]
    return found


def _sizes(net: Network, index: int) -> tuple[int, ...]:
    """Index, C, H, W, neurons, K and start of a population."""
    p = net.populations[index]
    return index, *p.shape, p.neurons, net.steps[p.name], net.schedule.start[p.name]


def _window(name: str, kernel: Sequence[int], stride: Sequence[int], padding: Sequence[int]) -> Constants:
    """The window of a conv2d or max_pool."""
    keys = ("KH", "KW", "SY", "SX", "TOP", "LEFT", "BOTTOM", "RIGHT")
    return [(f"{name}_{key}", value) for key, value in zip(keys, (*kernel, *stride, *padding), strict=True)]


def _names(net: Network) -> dict[str, str]:
    """An identifier for every population and projection: its name in capitals, what no identifier may hold as `_`, and
    its index behind it where two would be one.
    """
    wanted = {p.name: p.name for p in net.populations}
    wanted |= {name: name.replace("->", "_to_") for name in net.named_projections}
    made = {name: re.sub(r"[^A-Z0-9_]", "_", text.upper()) for name, text in wanted.items()}
    made = {name: text if text[0].isalpha() else f"P_{text}" for name, text in made.items()}
    seen = list(made.values())
    return {n: f"{t}_{i}" if seen.count(t) > 1 else t for i, (n, t) in enumerate(made.items())}


def systemverilog(constants: Constants, comment: str) -> bytes:
    """A package `fsref_network` of the constants."""
    lines = [f"// {comment}", "package fsref_network;"]
    for name, value in constants:
        lines.append(f"  localparam {name} = {_quoted(value)};" if isinstance(value, str) else _integer(name, value))
    return "\n".join([*lines, "endpackage", ""]).encode("ascii")


def _integer(name: str, value: int) -> str:
    return f"  localparam {'int' if abs(value) < 2**31 else 'longint'} {name} = {value};"


def c(constants: Constants, comment: str) -> bytes:
    """Macros of the constants, each behind FSREF_."""
    lines = [f"/* {comment} */", "#ifndef FSREF_NETWORK_H", "#define FSREF_NETWORK_H"]
    lines += [
        f"#define FSREF_{name} {_quoted(value) if isinstance(value, str) else value}" for name, value in constants
    ]
    return "\n".join([*lines, "#endif", ""]).encode("ascii")


def _quoted(text: str) -> str:
    """A string of both languages: what is not printable ASCII, a quote or a backslash as `_`."""
    return '"' + re.sub(r"[^ !#-\[\]-~]", "_", text) + '"'
