"""A network in full, as tables and as plain values: its populations, the bits they need, its schedule, what a pipeline
of images needs, a timeline.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from fsref.conversion.again import FITTED_AGAIN, refitted
from fsref.errors import shown
from fsref.law.network import Network
from fsref.law.pipelining import Pipelining, factor_fifo, fifos, pipelining
from fsref.law.projections import Gate
from fsref.law.widths import factor_width, membrane_bits, memories, register_bits, weight_width
from fsref.reports.raster import COLUMNS
from fsref.tables import Sheet, plural
from fsref.verification.proved import proofs

NUMBERS = {1: "one", 2: "two"}


def info_sheet(net: Network) -> Sheet:
    """A network as tables: its own, memory, pipelines, spikes that wait; then latency, interval and id."""
    sheet = net.sheet()
    last = Sheet("schedule", below=sheet.below)
    above = [*sheet.above, *([("weights", FITTED_AGAIN)] if refitted(net) else [])]
    return replace(
        sheet, above=above, below=(), more=[memory_sheet(net), pipelines_sheet(net), *waiting_sheets(net), last]
    )


def memory_sheet(net: Network) -> Sheet:
    """The bits of RANGE-6, a line per population and their sum."""
    bits = memories(net)
    held = {
        name: (m.membranes, m.codes, m.weights, m.bias, m.candidates, *[m.registers] * bool(net.gates))
        for name, m in bits.items()
    }
    rows = [
        (name, bits[name].membrane_width or None, bits[name].code_width or None, *(n or None for n in own))
        for name, own in held.items()
    ]
    total = ("all", None, None, *(sum(column) for column in zip(*held.values(), strict=True)))
    head = ("population", "one membrane", "one code", "membranes", "codes", "weights in", "bias", "candidates")
    return Sheet("memory in bits", (*head, *["gates"] * bool(net.gates)), [*rows, total])


def pipelines_sheet(net: Network) -> Sheet:
    """What images in a pipeline need, with one membrane buffer and with two (TIME-3, TIME-5, TIME-6)."""
    both = [pipelining(net, buffers) for buffers in NUMBERS]
    rows = [
        ("initiation interval, steps", *(p.interval for p in both)),
        ("membranes, bits", *(membrane_bits(net, p.buffers) for p in both)),
        *[("registers of gates, bits", *(register_bits(net, p.buffers) for p in both))] * bool(net.gates),
        ("FIFOs, bits", *(sum(p.fifo_bits.values()) for p in both)),
        ("peak events, spikes per step, at most", *(p.peak_events for p in both)),
    ]
    return Sheet("pipeline of images", ("", "one membrane buffer", "two membrane buffers"), rows)


def waiting_sheets(net: Network) -> list[Sheet]:
    """What waits, the spikes of a projection or of the factor of a gate, and the depth of the FIFOs, as a table; none
    where nothing waits (TIME-5).
    """
    both = [pipelining(net, buffers) for buffers in NUMBERS]
    rows = []
    for name, (_, delay) in fifos(net).items():
        if delay:
            rows.append((name, delay, *(n for p in both for n in (p.fifo_depth[name], p.fifo_bits[name]))))
    sizes = [f"{what}, {n} buffer{'s' * (k > 1)}" for k, n in NUMBERS.items() for what in ("depth", "bits")]
    return [Sheet("spikes that wait", ("projection", "steps", *sizes), rows)] if rows else []


def network_dict(net: Network) -> dict[str, Any]:
    """A network as plain JSON values: what `info_sheet` shows; windows are [first step, last step] or None."""
    plan, proved, bits = net.schedule, {proof.population: proof for proof in proofs(net)}, memories(net)
    both = {f"{count}_buffer{'s' * (buffers > 1)}": pipelining(net, buffers) for buffers, count in NUMBERS.items()}
    populations = []
    for p in net.populations:
        entry = {"name": p.name, "kind": p.kind, "shape": list(p.shape), "K": net.steps[p.name]}
        entry |= {"start": plan.start[p.name], "neurons": p.neurons}
        windows = {"receives": plan.receives[p.name], "fires": plan.fires[p.name]}
        entry |= {what: [window[0], window[-1]] if window else None for what, window in windows.items()}
        widths = ("any_order_bits", "final_bits", "declared_bits")
        entry |= {name: getattr(proved[p.name], name) if p.name in proved else None for name in widths}
        memory = {k if k.endswith("_width") else f"{k}_bits": n for k, n in asdict(bits[p.name]).items()}
        populations.append(entry | {"memory": memory})
    projections = []
    for name, q in net.named_projections.items():
        entry = {"name": name, "source": q.source, "target": q.target, "synapses": net.synapses[name]}
        entry |= {"weight_count": int(q.weights.size), "weight_width": weight_width(q)}
        entry |= {"delay_steps": plan.delays[q.source, q.target]}
        entry |= {"fifo": _fifo(both, name)}
        if isinstance(q, Gate):
            delay = plan.factor_delays[q.by, q.source, q.target]
            factor = {"name": q.by, "register_width": factor_width(net, q), "delay_steps": delay}
            entry |= {"gate": factor | {"fifo": _fifo(both, factor_fifo(name, q))}}
        projections.append(entry)
    pipelines = {
        count: {
            "interval_steps": p.interval,
            "membranes_bits": membrane_bits(net, p.buffers),
            "registers_bits": register_bits(net, p.buffers),
            "fifos_bits": sum(p.fifo_bits.values()),
            "peak_events_per_step": p.peak_events,
        }
        for count, p in both.items()
    }
    whole = {
        "network": net.name,
        "id": net.id,
        "refit": refitted(net),
        "latency_steps": plan.latency,
        "pipelines": pipelines,
    }
    return {**whole, "populations": populations, "projections": projections}


def _fifo(both: Mapping[str, Pipelining], name: str) -> dict[str, Any]:
    """Depth and bits of a FIFO, by number of buffers."""
    return {count: {"fifo_depth": p.fifo_depth[name], "fifo_bits": p.fifo_bits[name]} for count, p in both.items()}


def timeline_text(net: Network) -> str:
    """When each population receives and fires for one image: a row per population, at most 64 columns of equally many
    steps (TIME-1, TIME-4).
    """
    plan = net.schedule
    each = -(-plan.steps // COLUMNS)
    columns = [range(first, first + each) for first in range(0, plan.steps, each)]

    def mark(name: str, column: range) -> str:
        windows = plan.receives[name], plan.fires[name]
        receives, fires = (max(column.start, window.start) < min(column.stop, window.stop) for window in windows)
        return "+" if receives and fires else "." if receives else "#" if fires else " "

    ticks = range(0, len(columns), 8)
    left = max(len(p.name) for p in net.populations)
    rows = [f"{p.name:<{left}} |{''.join(mark(p.name, column) for column in columns)}|" for p in net.populations]
    axis = "".join("+" if i in ticks else "-" for i in range(len(columns)))
    return "\n".join(
        [
            f"{shown(net.name or 'network')}: one image, latency {plural(plan.latency, 'step')}",
            f"a column is {plural(each, 'step')}: . receives  # fires" + ("  + both" if each > 1 else ""),
            "",
            *rows,
            f"{'':<{left}}  {axis}",
            f"{'step':<{left}}  {''.join(f'{columns[i][0]:<8}' for i in ticks)}".rstrip(),
        ]
    )
