# SPDX-License-Identifier: Apache-2.0
"""The page of tools/bench.py, in markdown, made from its measurements alone."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import bench_peers
from bench_clock import quartiles
from bench_costs import costs_table
from bench_figures import FIGURES, draw
from bench_limits import DOTS, WORDS
from fsref.formats.files import write

Row = dict[str, Any]
# A better form counts: peers of which the faster stands for both.
FORMS = {
    "ONNX Runtime int8": ("ONNX Runtime int8, QDQ", "ONNX Runtime int8, QOperator"),
    "SpikingJelly": ("SpikingJelly, single-step", "SpikingJelly, multi-step"),
}
COMPARED = (
    ("fsref events", "ONNX Runtime float32"),
    ("PyTorch, FS loop", "fsref events"),
    ("PyTorch, spike planes", "fsref events"),
    ("SpikingJelly", "fsref events"),
    ("fsref quantized", "ONNX Runtime int8"),
    ("fsref quantized", "ONNX Runtime on the export"),
)
# What an engine does, in a row's words, the limit of that, and its unit.
LIMITED = {"fsref events": ("synops", WORDS, "additions"), "fsref quantized": ("macs", DOTS, "MACs")}


def page(found: Row, figures: str | None = None) -> str:
    """The page of measurements; `figures` is the folder of its figures beside it, None where none are drawn."""
    parts = ["# Speed", f"    {found['command']}", _machine(found)]
    if found["left_out"]:
        parts.append("Not measured:\n\n" + "\n".join(f"- {line}" for line in found["left_out"]))
    rows = found["networks"]
    for network in dict.fromkeys(row["network"] for row in rows):
        parts.append(_network(network, [row for row in rows if row["network"] == network]))
    parts += ["## Beside this machine's limits", _limits(found["limits"], rows)]
    if "costs" in found:
        parts += ["## A neuron and a spike", costs_table(found["costs"])]
    if "growth" in found:
        parts += ["## Growth", *_growth(found["growth"], figures)]
    parts += ["## What is compared", _settings()]
    return "\n\n".join(filled(part) for part in "\n\n".join(parts).split("\n\n")) + "\n"


def filled(paragraph: str) -> str:
    """The paragraph in lines of at most 120; lists, tables, blocks of code and pictures stay as they are."""
    if paragraph.startswith(("#", "-", "|", "!", "    ")) or max(map(len, paragraph.splitlines())) <= 120:
        return paragraph
    return textwrap.fill(paragraph, 120, break_long_words=False, break_on_hyphens=False)


def write_page(found: Row, path: Path) -> None:
    """Write the page and, where growth was measured and matplotlib is there, its figures into a folder beside it,
    named as the page. Errors: FileError.
    """
    folder = path.with_suffix("")
    drawn = "growth" in found and draw(found, folder)
    write(page(found, folder.name if drawn else None).encode(), path, "RUN-5")


def table(head: Sequence[str], rows: Iterable[Sequence[str]], left: int = 1) -> str:
    """A table in markdown, its first `left` columns set to the left."""
    rule = ["---"] * left + ["--:"] * (len(head) - left)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, rule, *rows))


def number(value: float) -> str:
    """Three digits that count."""
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.{max(0, 2 - len(str(int(value))) + 1) if value >= 1 else 3}f}"


def ratios(rows: Sequence[Row]) -> list[tuple[str, str, int, int, list[float]]]:
    """What is compared in rows of one network: the two, K (0 where neither has one), batch, and the ratio of their
    process times in each round.
    """
    best: dict[tuple[str, int, int], Row] = {}
    names = {form: name for name, forms in FORMS.items() for form in forms}
    for row in rows:
        for name in {row["peer"], names.get(row["peer"], row["peer"])}:
            key = name, row["steps"], row["batch"]
            best[key] = min(row, best.get(key, row), key=lambda row: row["cpu"])
    found = []
    steps = sorted({row["steps"] for row in rows} - {0})
    for first, second in COMPARED:
        for k in steps or [0]:
            for batch in dict.fromkeys(row["batch"] for row in rows):
                one, two = (best.get((name, k, batch), best.get((name, 0, batch))) for name in (first, second))
                if one is not None and two is not None:
                    pairs = zip(one["passes"], two["passes"], strict=False)  # one of them may have sat rounds out
                    found.append((first, second, k, batch, [a / b for a, b in pairs]))
    return found


def _machine(found: Row) -> str:
    """The machine, in a paragraph."""
    m = found["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in m["versions"].items())
    load = f", load {m['load'][0]:.1f} when it began" if m["load"] else ""
    asked = "".join(f", {name}={value}" for name, value in m["asked"].items())
    wide = ", ".join(m["instructions"]) or "no wide vectors known"
    return (
        f"{m['processor']}, {m['cores']} cores ({wide}){asked}{load}; Python {m['python']}, {versions}. "
        f"One thread unless said, {found['rounds']} rounds interleaved; medians, quartiles in brackets. Ratios are of "
        "process times of the same round; numbers of another run or machine do not compare."
    )


def _network(name: str, rows: Sequence[Row]) -> str:
    """The tables of one network."""
    batches = list(dict.fromkeys(row["batch"] for row in rows))
    by = {(row["peer"], row["steps"], row["batch"]): row for row in rows}
    facts = {row["steps"]: row for row in rows if row["steps"]}
    said = [
        f"K = {k}: {row['neurons']:,} FS neurons, {row['spikes'] / row['neurons']:.2f} spikes each, "
        f"{row['synops'] / 1e6:,.1f} M synaptic additions and {row['macs'] / 1e6:,.1f} M dense MACs per image."
        for k, row in sorted(facts.items())
    ]
    ran = {(row["peer"], row["steps"]): row["kernels"] for row in rows if row["kernels"]}
    said += [f"{peer}, K = {k}: {kernels}." for (peer, k), kernels in ran.items()]
    head = ["milliseconds per image", "K", "same class, %"]
    for batch in batches:
        head += [f"batch {batch}: process", "clock"]
    lines = []
    for peer, k in dict.fromkeys((row["peer"], row["steps"]) for row in rows):
        cells = [by.get((peer, k, batch)) for batch in batches]
        agrees = min(cell["agrees"] for cell in cells if cell)
        line = [peer, str(k or ""), f"{100 * agrees:.4g}"]
        for cell in cells:
            line += ["", ""] if cell is None else [spread(cell["passes"]), number(cell["wall"])]
        lines.append(line)
    compared = ratios(rows)
    told: dict[tuple[str, str, int], dict[int, list[float]]] = {}
    for first, second, k, batch, ratio in compared:
        told.setdefault((first, second, k), {})[batch] = ratio
    under = [
        [f"{first} : {second}", str(k or ""), *(spread(each[b]) if b in each else "" for b in batches)]
        for (first, second, k), each in told.items()
    ]
    parts = [f"## {name}, {rows[0]['images']}", "\n".join(f"- {line}" for line in said), table(head, lines)]
    if under:
        parts.append(table(["ratio of process time", "K", *(f"batch {b}" for b in batches)], under))
    return "\n\n".join(part for part in parts if part)


def spread(values: Sequence[float]) -> str:
    """A median and its quartiles."""
    low, middle, high = map(number, quartiles(values))
    return f"{middle} ({low}..{high})"


def _limits(limits: dict[str, float], rows: Sequence[Row]) -> str:
    """What one core can do, and how much of it each network gets."""
    facts = [f"- {name}: {value / 1e9:.1f} G per second" for name, value in limits.items()]
    lines = []
    for row in rows:
        if row["peer"] not in LIMITED:
            continue
        counted, limit, unit = LIMITED[row["peer"]]
        rate = row[counted] / row["cpu"] * 1e3
        line = [row["network"], row["peer"], str(row["steps"]), str(row["batch"])]
        lines.append([*line, f"{rate / 1e9:.1f} G {unit}", f"{100 * rate / limits[limit]:.0f}"])
    head = ["network", "engine", "K", "batch", "per second", "% of the limit"]
    told = (
        "One core, measured in the same run. events adds a row of weights for every spike: its limit is that of rows "
        "from the cache; that of quantized is the products of bytes."
    )
    return "\n\n".join([told, "\n".join(facts), table(head, lines, left=2)])


def _growth(growth: dict[str, list[Row]], figures: str | None) -> list[str]:
    """A figure for each thing that grows, or a table where there are none, ResNet-20 throughout."""
    parts = []
    for what, rows in growth.items():
        clock = what == "threads"
        value = "wall" if clock else "cpu"
        peers, places = (list(dict.fromkeys(row[key] for row in rows)) for key in ("peer", "at"))
        by = {(row["peer"], row["at"]): row[value] for row in rows}
        lines = [[peer, *(number(by[peer, at]) if (peer, at) in by else "" for at in places)] for peer in peers]
        unit = "clock" if clock else "process"
        parts.append(table([f"{what} (ms per image, {unit})", *map(str, places)], lines))
    if figures:
        parts += [f"![{alt}]({figures}/{name}.svg)" for name, alt in FIGURES.items()]
    return parts


def _settings() -> str:
    """The table of peers and their settings."""
    _, _, after = (bench_peers.__doc__ or "").partition("\n\n")
    return after.strip()
