"""The sizes, steps, widths and tables of a network, and the files of its memories, as constants of SystemVerilog and C:
what a test bench or a driver includes instead of typing them (LAYOUT-5).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import TypeAlias, assert_never

import numpy as np

from fsref.formats.layout import Layout
from fsref.formats.memories import Memory
from fsref.law.network import Network
from fsref.law.neuron import Ints
from fsref.law.populations import FS, Input, MaxPool, Population, Readout, View
from fsref.law.projections import Conv2d, Dense, Gate, Projection
from fsref.law.widths import code_width, factor_width, membrane_width

Constant: TypeAlias = int | str | list[int]
Constants: TypeAlias = dict[str, Constant]
Pairs: TypeAlias = Iterator[tuple[str, Constant]]
GUARD = "NETWORK_H"  # of the C header, behind FSREF_
WINDOW = ("KH", "KW", "SY", "SX", "TOP", "LEFT", "BOTTOM", "RIGHT")


def constants(
    net: Network, layout: Layout, memories: Sequence[Memory], suffix: str, images: int
) -> tuple[Constants, dict[str, str]]:
    """Names and values, in order: of the network; of each population, what enters it and each of their memories, the
    name of these first, in capitals; and these names.
    """
    pieces: dict[str, Constants] = {}
    places = {p.name: place for place, p in enumerate(net.populations)}
    for p in net.populations:
        pieces[p.name] = dict(_population(net, layout, places, p))
    for index, (name, q) in enumerate(net.named_projections.items()):
        pieces[name] = {"INDEX": index, **dict(_projection(net, places, q))}
    for memory in memories:
        stem, words = memory.what.upper(), memory.words
        pieces[memory.of] |= {f"{stem}_FILE": memory.file + suffix, f"{stem}_WORDS": len(words)}
        pieces[memory.of] |= {f"{stem}_BITS": words.bits, f"{stem}_SIGNED": int(memory.signed)}
    found: Constants = {"ID": net.id, "NAME": net.name, "IMAGES": images, "POPULATIONS": len(net.populations)}
    found |= {"PROJECTIONS": len(net.projections), "STEPS": net.schedule.steps, "LATENCY": net.schedule.latency}
    order = chain.from_iterable((p.name, *net.into(p.name)) for p in net.populations)
    capitals = {name: re.sub(r"[^A-Z0-9]", "_", name.replace("->", "_to_").upper()) for name in order}
    plain = {name: stem if stem[0].isalpha() else f"P_{stem}" for name, stem in capitals.items()}
    numbered = {name: f"{stem}_{index}" for index, (name, stem) in enumerate(plain.items())}
    pairs = ((_named(found, names, pieces), names) for names in (plain, numbered))
    return next((made, names) for made, names in pairs if made is not None)


def _named(found: Constants, names: Mapping[str, str], pieces: Mapping[str, Constants]) -> Constants | None:
    """All constants by name; None where two have one name, or one that of the C header itself."""
    pairs = [(f"{stem}_{key}", value) for name, stem in names.items() for key, value in pieces[name].items()]
    made = {**found, **dict(pairs)}
    return made if len(made) == len(found) + len(pairs) and GUARD not in made else None


def _population(net: Network, layout: Layout, places: Mapping[str, int], p: Population) -> Pairs:
    """What a population is: kind, place in the list, shape, steps, widths, table."""
    yield from (("KIND", p.kind), ("INDEX", places[p.name]))
    yield from zip("CHW", p.shape, strict=True)
    yield "NEURONS", p.neurons
    yield from (("K", net.steps[p.name]), ("START", net.schedule.start[p.name]))
    match p:
        case Input():
            yield "MAX_CODE", p.max_code
        case MaxPool():
            yield "SOURCE", places[p.source]
            yield from zip(WINDOW, (*p.kernel, *p.stride, *p.padding), strict=True)
        case View():
            yield from (("SOURCE", places[p.source]), ("ROWS", p.rows.tolist()), ("COLUMNS", p.columns.tolist()))
        case FS():
            yield from _row("T_ROW", p.table.T)
            yield from _row("H_ROW", p.table.h)
            yield from (("MEMBRANE_BITS", membrane_width(net, p)), ("SHIFT", layout.shift_of(p.name)))
        case Readout():
            yield from (("MEMBRANE_BITS", membrane_width(net, p)), ("SHIFT", layout.shift_of(p.name)))
        case _:
            assert_never(p)
    if net.steps[p.name]:
        yield from _row("D_ROW", net.code_weights[p.name])
        yield "CODE_BITS", code_width(net.ranges[p.name].codes)


def _row(name: str, table: Ints) -> Pairs:
    """A table, (K,) or (C, K), where it is one row for all channels."""
    rows = np.atleast_2d(table)
    if (rows == rows[0]).all():
        yield name, rows[0].tolist()


def _projection(net: Network, places: Mapping[str, int], q: Projection) -> Pairs:
    """What a projection is: the places of what it joins, delay, and how it joins them."""
    yield from (("SOURCE", places[q.source]), ("TARGET", places[q.target]))
    yield "DELAY", net.schedule.delays[q.source, q.target]
    yield "OUTPUTS", q.weights.shape[0]
    match q:
        case Conv2d():
            yield from (("INPUTS", q.weights.shape[1]), ("KIND", "conv2d"))
            yield from zip(WINDOW, (*q.kernel, *q.stride, *q.padding), strict=True)
            yield from (("DY", q.dilation[0]), ("DX", q.dilation[1]), ("GROUPS", q.groups))
        case Dense():
            yield from (("INPUTS", q.weights.shape[1]), ("KIND", "dense"), ("POOLED", int(q.pooled)))
        case Gate():
            yield from (("KIND", "gate"), ("FACTOR", places[q.by]))
            yield "FACTOR_DELAY", net.schedule.factor_delays[q.by, q.source, q.target]
            yield "FACTOR_BITS", factor_width(net, q)
        case _:
            assert_never(q)


def systemverilog(constants: Constants, comment: str) -> bytes:
    """A package `fsref_network` of the constants: files lie in the folder that the macro FSREF_DIR names, "." unless
    defined; entry t of a row is [64*t +: 64].
    """
    lines = [f"// {comment}", "`ifndef FSREF_NETWORK", "`define FSREF_NETWORK", "`ifndef FSREF_DIR"]
    lines += ['`define FSREF_DIR "."', "`endif", "// verilator lint_off UNUSEDPARAM", "package fsref_network;"]
    for name, value in constants.items():
        match value:
            case int():
                lines.append(f"  localparam int {name} = {value};")
            case str():  # without a type: not every tool takes a localparam of type string
                text = _quoted(value)
                shown = f'{{`FSREF_DIR, "/{text[1:]}}}' if name.endswith("_FILE") else text
                lines.append(f"  localparam {name} = {shown};")
            case list():
                row = ", ".join(f"64'sh{entry & (1 << 64) - 1:x}" for entry in reversed(value))
                lines.append(f"  localparam signed [{64 * len(value) - 1}:0] {name} = {{{row}}};")
    return "\n".join([*lines, "endpackage", "// verilator lint_on UNUSEDPARAM", "`endif", ""]).encode("ascii")


def c(constants: Constants, comment: str) -> bytes:
    """Macros of the constants, each behind FSREF_; a row is what initialises an array of int64_t."""
    lines = [f"/* {comment} */", f"#ifndef FSREF_{GUARD}", f"#define FSREF_{GUARD}"]
    for name, value in constants.items():
        text = _quoted(value) if isinstance(value, str) else str(value)
        if isinstance(value, list):
            text = "{" + ", ".join(f"{entry}LL" for entry in value) + "}"
        lines.append(f"#define FSREF_{name} {text}")
    return "\n".join([*lines, "#endif", ""]).encode("ascii")


def _quoted(text: str) -> str:
    """A string of both languages: what is not printable ASCII, a quote or a backslash as `_`."""
    return '"' + re.sub(r"[^ !#-\[\]-~]", "_", text) + '"'
