"""A network as text and as plain values: its populations, the bits they need, its schedule, what a pipeline of images
needs, a timeline.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import numpy as np

from fsref.verification.check import proofs
from fsref.law.widths import memories, weight_width
from fsref.metrics.fan_out import fan_outs
from fsref.version import SPEC_VERSION
from fsref.law.network import Network
from fsref.reports.text import COLUMNS, kind, size
from fsref.law.schedule import pipelining, schedule
from fsref.tables import Sheet, plural, table

NUMBERS = {1: "one", 2: "two"}


def steps_of(window: range) -> str:
    """A window as its first and last step, "" when it is empty."""
    return f"{window[0]}..{window[-1]}" if window else ""


def network_sheet(net: Network) -> Sheet:
    """A network as a table: a line per population with its widths (RANGE-1, RANGE-2) and windows (TIME-1, TIME-4);
    below it schedule and id.
    """
    plan, proved = schedule(net), {proof.population: proof for proof in proofs(net)}
    fans = [int(fan.sum()) for fan in fan_outs(net)]
    rows = []
    for p in net.populations:
        synapses = (
            sum(n for n, q in zip(fans, net.projections, strict=True) if q.target == p.name)
            if p.name in proved
            else None
        )
        bits = (proved[p.name].any_order_bits, proved[p.name].final_bits) if p.name in proved else (None, None)
        windows = steps_of(plan.receives[p.name]), steps_of(plan.fires[p.name])
        rows.append(
            (
                p.name,
                kind(p),
                size(p.shape),
                net.steps[p.name] or None,
                int(np.prod(p.shape)),
                synapses,
                *bits,
                *windows,
            )
        )
    neurons, weights = (
        sum(int(np.prod(p.shape)) for p in net.populations),
        sum(int(q.weights.size) for q in net.projections),
    )
    title = (
        f"{net.name or 'network'}: {plural(neurons, 'neuron')}, {plural(sum(fans), 'synapse')}, "
        f"{plural(weights, 'weight')}, law {SPEC_VERSION}"
    )
    head = (
        "population",
        "kind",
        "shape",
        "K",
        "neurons",
        "synapses in",
        "any_order bits",
        "final bits",
        "receives in",
        "fires in",
    )
    interval = (
        f"{plural(plan.interval_one_buffer, 'step')} with one membrane buffer, {plan.interval_two_buffers} with two"
    )
    return Sheet(
        title,
        head,
        rows,
        left=3,
        below=[("latency", plural(plan.latency, "step")), ("initiation interval", interval), ("id", net.id)],
    )


def network_text(net: Network) -> str:
    """A network as tables: that of `network_sheet`, memory, pipelines, spikes that wait; then latency, interval and id."""
    sheet = network_sheet(net)
    ends = [f"{name:<21}{value}" for name, value in sheet.below]
    return "\n".join(
        [str(replace(sheet, below=())), "", memory_table(net), "", pipelines_table(net), "", *waiting_table(net), *ends]
    )


def memory_table(net: Network) -> str:
    """The bits of RANGE-6, a line per population and their sum."""
    bits = memories(net)
    held = {name: (m.membranes, m.codes, m.weights, m.bias, m.candidates) for name, m in bits.items()}
    rows = [
        (name, bits[name].membrane_width or None, bits[name].code_width or None, *(n or None for n in own))
        for name, own in held.items()
    ]
    total = ("all", None, None, *(sum(column) for column in zip(*held.values(), strict=True)))
    return table(
        ("memory in bits", "a membrane", "a code", "membranes", "codes", "weights in", "bias", "candidates"),
        [*rows, total],
    )


def pipelines_table(net: Network) -> str:
    """What images in a pipeline need, with one membrane buffer and with two (TIME-3, TIME-5, TIME-6)."""
    both = [pipelining(net, buffers) for buffers in NUMBERS]
    membranes = sum(m.membranes for m in memories(net).values())
    rows = [
        ("initiation interval, steps", *(p.interval for p in both)),
        ("membranes, bits", *(p.buffers * membranes for p in both)),
        ("FIFOs, bits", *(sum(p.fifo_bits.values()) for p in both)),
        ("peak events, spikes per step, at most", *(p.peak_events for p in both)),
    ]
    return table(("pipeline of images", "one membrane buffer", "two membrane buffers"), rows)


def waiting_table(net: Network) -> list[str]:
    """The projections whose spikes wait, and the depth of their FIFOs, as a table with an empty line after it; nothing
    where none waits (TIME-5).
    """
    plan, both = schedule(net), [pipelining(net, buffers) for buffers in NUMBERS]
    delays = {label: plan.delays[q.source, q.target] for label, q in zip(net.labels, net.projections, strict=True)}
    rows = [
        (label, delay, *(n for p in both for n in (p.fifo_depth[label], p.fifo_bits[label])))
        for label, delay in delays.items()
        if delay
    ]
    columns = [
        f"{what}, {count} buffer{'s' * (buffers > 1)}"
        for buffers, count in NUMBERS.items()
        for what in ("depth", "bits")
    ]
    return [table(("spikes that wait", "steps", *columns), rows), ""] if rows else []


def network_dict(net: Network) -> dict[str, Any]:
    """A network as plain JSON values: what `network_text` shows; windows are [first step, last step] or None."""
    plan, proved, bits = schedule(net), {proof.population: proof for proof in proofs(net)}, memories(net)
    fans = [int(fan.sum()) for fan in fan_outs(net)]
    both = {f"{count}_buffer{'s' * (buffers > 1)}": pipelining(net, buffers) for buffers, count in NUMBERS.items()}
    populations = []
    for p in net.populations:
        entry = {
            "name": p.name,
            "kind": kind(p),
            "shape": list(p.shape),
            "steps": net.steps[p.name],
            "start": plan.start[p.name],
        }
        windows = {"receives": plan.receives[p.name], "fires": plan.fires[p.name]}
        entry |= {what: [window[0], window[-1]] if window else None for what, window in windows.items()}
        widths = ("any_order_bits", "final_bits", "declared_bits")
        entry |= {name: getattr(proved[p.name], name) if p.name in proved else None for name in widths}
        populations.append(entry | {"memory_bits": asdict(bits[p.name])})
    projections = []
    for label, q, n in zip(net.labels, net.projections, fans, strict=True):
        entry = {
            "label": label,
            "source": q.source,
            "target": q.target,
            "synapses": n,
            "weights": int(q.weights.size),
            "weight_width": weight_width(q),
        }
        entry |= {"delay_steps": plan.delays[q.source, q.target]}
        projections.append(
            entry
            | {"fifo": {name: {"depth": p.fifo_depth[label], "bits": p.fifo_bits[label]} for name, p in both.items()}}
        )
    membranes = sum(m.membranes for m in bits.values())
    pipelines = {
        name: {
            "interval_steps": p.interval,
            "membrane_bits": p.buffers * membranes,
            "fifo_bits": sum(p.fifo_bits.values()),
            "peak_events_per_step": p.peak_events,
        }
        for name, p in both.items()
    }
    return {
        "name": net.name,
        "id": net.id,
        "spec_version": SPEC_VERSION,
        "populations": populations,
        "projections": projections,
        "latency_steps": plan.latency,
        "interval_one_buffer": plan.interval_one_buffer,
        "interval_two_buffers": plan.interval_two_buffers,
        "pipelines": pipelines,
        "delays": [{"source": s, "target": t, "steps": n} for (s, t), n in plan.delays.items()],
    }


def timeline_text(net: Network) -> str:
    """When each population receives and fires for one image: a row per population, at most 64 columns of equally many
    steps (TIME-1, TIME-4).
    """
    plan = schedule(net)
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
            f"{net.name or 'network'}: one image, latency {plural(plan.latency, 'step')}",
            f"a column is {plural(each, 'step')}: . receives  # fires" + ("  + both" if each > 1 else ""),
            "",
            *rows,
            f"{'':<{left}}  {axis}",
            f"{'step':<{left}}  {''.join(f'{columns[i][0]:<8}' for i in ticks)}".rstrip(),
        ]
    )
