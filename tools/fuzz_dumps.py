"""What a chip gives back and what is said of it, valid and broken: memories, tables, events, waveforms, arrays;
layouts, limits and certificates.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

import fsref
from fsref.testing import prove
from fuzz_seeds import Case, changed, drawn_network, images
from fuzz_values import NUMBERS, TEXTS, bent, bent_json

MEMORIES = ("readmemh", "coe", "mif")
LAYOUT = {"word": 40, "bits": "high", "bytes": "high", "neurons": "hwc", "spikes": "trains", "shift": 0}
CHIP = {"name": "wide", "steps": [1, 16], "weight_bits": 32, "membrane_bits": 63, "overflow": "saturate"}
DUMPS = ("memories", "dump", "layout", "chip", "certificate")
NUMBER = re.compile(rb"[0-9a-fA-F]+")


@cache
def dumps() -> Mapping[str, Mapping[str, bytes]]:
    """Every form in which the answers of the drawn network on two images may come back, as files by path."""
    net = drawn_network()
    trace = fsref.run(net, images(2), "reference", fsref.Record(observables=("spikes", "membranes", "codes"))).trace
    assert trace is not None
    made = {}
    with TemporaryDirectory() as place:
        for form in (*MEMORIES, "aer", "vcd"):
            target = Path(place) / ("memories" if form in MEMORIES else f"dump.{form}")
            options = {"layout": {"neurons": "hwc"}} if form in MEMORIES else {}
            fsref.export(net, target, form, trace=trace, replace=True, **options)
            found = sorted(target.iterdir()) if target.is_dir() else [target]
            held = [path for path in found if path.name == "manifest.json" or path.name.startswith("population")]
            made[form] = {str(path.relative_to(place)): path.read_bytes() for path in held or found}
            if form in MEMORIES:  # as a chip's bench writes them: without the comment by which fsref knows its own
                made[form] = {
                    name: data if name.endswith(".json") else data.partition(b"\n")[2]
                    for name, data in made[form].items()
                }
    codes = trace["sum", "codes"]
    rows = [f"{i},sum,{n},{codes[i, n]}" for i in range(2) for n in range(codes.shape[1])]
    made["csv"] = {"dump.csv": "\n".join(["image,population,neuron,value", *rows, ""]).encode()}
    packed = io.BytesIO()
    arrays: dict[str, Any] = {"sum.codes": codes, "stem.spikes": trace["stem", "spikes"]}
    np.savez(packed, **arrays)
    return {**made, "npz": {"dump.npz": packed.getvalue()}}


def dump_seeds(kind: str) -> list[Case]:
    """The valid cases of a kind."""
    match kind:
        case "memories":
            return [Case(kind, "memories", dumps()[form]) for form in MEMORIES]
        case "dump":
            lone = [name for name in dumps() if name not in MEMORIES]
            return [Case(kind, next(iter(dumps()[name])), dumps()[name]) for name in lone]
        case "layout":
            return [Case(kind, "layout.json", {"layout.json": json.dumps(LAYOUT).encode()})]
        case "chip":
            return [Case(kind, "chip.json", {"chip.json": json.dumps(CHIP).encode()})]
        case "certificate":
            return [Case(kind, "proof.json", {"proof.json": prove(drawn_network()).to_bytes()})]
    raise AssertionError(kind)


def bent_dump(draw: Random, case: Case) -> Case:
    """A dump with other words, lines, bytes or names, or without one of its files."""
    name = draw.choice(sorted(case.files))
    data = case.files[name]
    if name.endswith(".json"):
        return changed(case, name, bent_json(draw, data))
    if len(case.files) > 1 and draw.random() < 0.1:
        return Case(case.kind, case.name, {k: v for k, v in case.files.items() if k != name})
    if name.endswith(".npz") or draw.random() < 0.2:
        return changed(case, name, bent(draw, data))
    lines = data.split(b"\n")
    which = draw.randrange(len(lines))
    match draw.randrange(6):
        case 0:
            del lines[which]
        case 1:
            lines[which:which] = [lines[draw.randrange(len(lines))]] * draw.choice((1, 1, 2_000))
        case 2:
            lines[which] = draw.choice(TEXTS).encode("utf-8", "replace")
        case 3 | 4:
            odd = (
                b"x",
                b"Z",
                b"-1",
                b"",
                b"f" * draw.choice((2, 80, 100_000)),
                str(draw.choice(NUMBERS[:-1])).encode(),
            )
            lines[which] = NUMBER.sub(draw.choice(odd), lines[which], count=draw.choice((0, 1, 1)))
        case _:
            lines = lines[: draw.randrange(len(lines))]
    return changed(case, name, b"\n".join(lines))
