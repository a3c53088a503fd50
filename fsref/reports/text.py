"""Tables and rasters as text: plain ASCII, at most 100 columns for a raster, so that any terminal, pipe or file shows
them.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any

import click
import numpy as np

from fsref.verification.check import CheckReport, SelfCheck
from fsref.formats.sources import ImageSet
from fsref.errors import UsageError
from fsref.verification.explain import Explanation
from fsref.law.network import Network
from fsref.law.neuron import Ints
from fsref.law.populations import FS, Input, MaxPool, Population
from fsref.simulation.run import Result
from fsref.law.schedule import schedule
from fsref.metrics.score import Score
from fsref.tables import Sheet, plural, table
from fsref.simulation.recording import Trace

SHADES = " .:-=+*#%@"
COLUMNS = 64
ROWS = 20


@contextmanager
def progress(label: str, total: int) -> Iterator[Callable[[int], None]]:
    """A function to call with the images just done; draws a bar on standard error when that is a terminal."""
    if not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        yield lambda done: None
        return
    with click.progressbar(length=total, label=label, file=sys.stderr, fill_char="#", empty_char=".") as bar:
        yield bar.update


def size(shape: Sequence[int]) -> str:
    """A shape as C x H x W."""
    return " x ".join(str(n) for n in shape)


def place(at: Sequence[int]) -> str:
    """A place as c, y, x."""
    return ", ".join(str(n) for n in at)


def kind(population: Population) -> str:
    """The kind of a population as the law names it (NET-1)."""
    return (
        "max_pool"
        if isinstance(population, MaxPool)
        else "input"
        if isinstance(population, Input)
        else "fs"
        if isinstance(population, FS)
        else "readout"
    )


def class_name(net: Network, index: int) -> str:
    """A class as its number, and its name where it has another."""
    named = net.classes[index] if net.classes else str(index)
    return str(index) if named == str(index) else f"{index} {named}"


def largest(net: Network, logits: Ints, top: int = 3) -> Iterator[str]:
    """The `top` largest of the logits of one image, each after its class."""
    for c in np.argsort(-logits, kind="stable")[:top].tolist():
        yield f"{class_name(net, c)}: {int(logits[c]):,}"


def result_sheet(result: Result, names: Sequence[str] = (), labels: Ints | None = None, top: int = 3) -> Sheet:
    """A result as a table: class, largest logits and spikes of each image, the first 20; `names` and true `labels`
    where given.
    """
    net = result.net
    spikes = np.stack([result.spike_counts[p.name] for p in net.populations[:-1]]).sum(axis=0).tolist()
    head = [
        "image",
        *(["name"] if names else []),
        *(["label"] if labels is not None else []),
        "class",
        "largest logits",
        "spikes",
    ]
    rows = []
    for b in range(min(ROWS, len(spikes))):
        named = [names[b]] if names else []
        true = [class_name(net, int(labels[b]))] if labels is not None else []
        rows.append(
            [
                str(b),
                *named,
                *true,
                class_name(net, int(result.labels[b])),
                "   ".join(largest(net, result.logits[b], top)),
                spikes[b],
            ]
        )
    means = [
        (
            p.name,
            f"{result.spike_counts[p.name].mean():,.1f} spikes per image of {plural(int(np.prod(p.shape)), 'neuron')}",
        )
        for p in net.populations[:-1]
    ]
    more = [("...", f"and {len(spikes) - ROWS:,} more images")] if len(spikes) > ROWS else []
    title = (
        f"{net.name or 'network'}: {plural(len(spikes), 'image')}, engine "
        f"{result.engine}, latency {plural(schedule(net).latency, 'step')}"
    )
    return Sheet(title, head, rows, left=len(head) - 1, below=[*more, *means])


def result_dict(result: Result, names: Sequence[str], labels: Ints | None, recording: bool) -> dict[str, Any]:
    """A result as plain JSON values: all logits, classes and spike counts, and with `recording` everything that was
    recorded.
    """
    plain = {
        "network": result.net.name,
        "id": result.net.id,
        "engine": result.engine,
        "names": list(names),
        "logits": result.logits.tolist(),
    }
    plain |= {"classes": result.labels.tolist(), "labels": None if labels is None else labels.tolist()}
    plain["spikes"] = {name: count.tolist() for name, count in result.spike_counts.items()}
    if recording and result.trace is not None:
        plain["recording"] = [
            {"place": place, "observable": what, "values": a.tolist()}
            for (place, what), a in result.trace.arrays.items()
        ]
    return plain


def event_rows(net: Network, events: Ints, images: Sequence[int]) -> Iterator[tuple[int, int, str, int]]:
    """Canonical events as (image, step, population, neuron): the image as `images` numbers it, the population by name
    (EVENT-1).
    """
    names = [p.name for p in net.populations]
    for first in range(0, len(events), 10_000):
        for image, step, population, neuron in events[first : first + 10_000].tolist():
            yield images[image], step, names[population], neuron


def event_lines(rows: Iterator[tuple[int, int, str, int]]) -> Iterator[str]:
    """What `event_rows` gives as lines of image,step,population,neuron under a heading, many at a time."""
    yield "image,step,population,neuron"
    while part := list(islice(rows, 10_000)):
        yield "\n".join(f"{image},{step},{population},{neuron}" for image, step, population, neuron in part)


def score_sheet(score: Score) -> Sheet:
    """A score as a table: the figures, and spikes and SynOps by the population that sends, "-" for one without
    synapses: it feeds max_pools alone.
    """
    leaving: dict[str, float] = {}
    for q, label in zip(score.net.projections, score.net.labels, strict=True):
        leaving[q.source] = leaving.get(q.source, 0.0) + score.synops_by_projection[label]
    spikes = score.spikes
    ops = {name: f"{leaving[name]:,.1f}" if name in leaving else "-" for name in score.neurons}
    rows = [
        (name, n, f"{spikes[name]:,.1f}", f"{spikes[name] / n:.3f}", ops[name]) for name, n in score.neurons.items()
    ]
    above = [
        ("accuracy", f"{100 * score.accuracy:.2f} %  ({score.correct:,} of {score.images:,})"),
        (
            "spikes per neuron",
            (
                f"{score.spikes_per_neuron:.3f}  (FS neurons, mean over images; "
                f"{score.most_spikes_per_neuron:.3f} in the busiest image)"
            ),
        ),
        ("SynOps per image", f"{score.synops:,.1f}"),
        ("latency", plural(score.latency_steps, "step")),
        ("speed", f"{score.images_per_second:,.0f} images per second"),
    ]
    title = f"{score.net.name or 'network'}: {plural(score.images, 'image')}, engine {score.engine}"
    return Sheet(
        title, ("population", "neurons", "spikes per image", "per neuron", "SynOps caused per image"), rows, above=above
    )


def check_text(report: CheckReport) -> str:
    """A check as text: first what is proved for every image, then what was tested on some."""
    rows = []
    for p in report.proofs:
        declared = "none declared" if p.declared_bits is None else f"{p.declared_bits} bits hold {p.promise}"
        seen = "" if p.seen_low is None else f"{p.seen_low:,} .. {p.seen_high:,}"
        rows.append((p.population, p.any_order_bits, p.final_bits, declared, f"{p.low:,} .. {p.high:,}", seen))
    others, what = ", ".join(report.engines), ", ".join(report.observables)
    if report.difference is not None:
        verdict = [f"DIFFERS: {report.engine} is not {report.engines[0]}", f"  {report.difference}"]
    else:
        verdict = [
            f"  {others} agree on {plural(report.images, 'image')}: {what}",
            f"  {report.values:,} integers per engine, all equal",
        ]
    return "\n".join(
        [
            f"{report.network or 'network'} {report.id}",
            "",
            (
                "PROVED, for every image that fits the input: no membrane, partial "
                "sum or code leaves its interval, none wraps 64 bits"
            ),
            "",
            table(
                ("population", "any_order bits", "final bits", "declared width", "any_order", "membranes seen"), rows
            ),
            "",
            f"TESTED, on {plural(report.images, 'image')} and nothing else",
            *verdict,
            *([f"OUTSIDE: {report.outside}"] if report.outside else []),
        ]
    )


def self_check_text(outcome: SelfCheck) -> str:
    """A self-check as one line, and the first places that differ."""
    if outcome.agrees:
        return (
            f"{outcome.name}: all {outcome.values:,} golden values are "
            f"met on this machine by every engine ({outcome.id})"
        )
    return "\n".join([f"{outcome.name}: DIFFERS from golden.json", *(f"  {place}" for place in outcome.differing)])


def explanation_text(e: Explanation, limit: int = 10) -> str:
    """An explanation as text: where the membrane came from, every step, the `limit` largest contributions or all
    candidates.
    """
    out = [
        f"{e.population} neuron {e.neuron}: channel {e.place[0]}, row {e.place[1]}, column {e.place[2]}; {e.kind}",
        "",
    ]
    if e.opening is not None:
        named = "logit" if e.kind == "readout" else "opening membrane"
        rows = [("bias", e.bias), *((f"sum {label}", total) for label, total in e.sums.items()), (named, e.opening)]
        out += [table(("membrane", "value"), rows), ""]
    if e.steps and e.kind == "fs":
        steps = [
            (s.step, s.t, s.before, s.threshold, "fires" if s.fired else "-", s.reset, s.after, s.d) for s in e.steps
        ]
        out += [table(("step", "t", "membrane", "threshold", "", "reset", "after", "d"), steps, left=0), ""]
    elif e.steps:
        out += [
            table(("step", "t", "", "d"), [(s.step, s.t, "fires" if s.fired else "-", s.d) for s in e.steps], left=0),
            "",
        ]
    if e.code is not None:
        fired = [str(s.d) for s in e.steps if s.fired]
        out += [f"code {e.code:,}" + (f" = {' + '.join(fired)}" if len(fired) > 1 else ""), ""]
    if e.candidates:
        ends = ["stays in" if c.out is None else f"out at step {c.out}" for c in e.candidates]
        rows_c = [
            (c.neuron, place(c.place), "".join(map(str, c.spikes)), c.code, end)
            for c, end in zip(e.candidates, ends, strict=True)
        ]
        out += [table(("candidate", "c, y, x", "train", "code", ""), rows_c, left=0)]
    if e.synapses:
        shown = e.contributions[:limit]
        title = f"{len(e.contributions):,} of {plural(e.synapses, 'synapse')} contributed"
        out += [
            title + (":" if len(shown) == len(e.contributions) > 0 else f"; the {len(shown)} largest:" if shown else "")
        ]
        rows_s = [
            (c.projection, f"{c.source} {c.neuron}", place(c.place), c.weight, c.code, c.contribution) for c in shown
        ]
        out += (
            ["", table(("projection", "source neuron", "c, y, x", "weight", "code", "contribution"), rows_s, left=2)]
            if shown
            else []
        )
    return "\n".join(out).rstrip()


def shaded(values: np.ndarray[tuple[int, ...], np.dtype[np.floating]]) -> str:
    """Numbers 0..1 as one character each: blank for 0, darker for more."""
    return "".join(SHADES[int(np.ceil(v * (len(SHADES) - 1)))] for v in values.ravel().tolist())


def bins(
    values: np.ndarray[tuple[int, ...], np.dtype[np.floating]], count: int
) -> np.ndarray[tuple[int, ...], np.dtype[np.floating]]:
    """The means of `count` equal stretches of the first axis, or `values` when it is no longer than that."""
    if len(values) <= count:
        return values
    return np.stack([part.mean(axis=0) for part in np.array_split(values, count)])


def picture(net: Network, codes: Ints) -> str:
    """One image, codes (C, H, W), drawn in ASCII: mean over channels, two characters a pixel, at most 32 pixels wide."""
    grey = codes.mean(axis=0) / net.input.max_code
    small = bins(bins(grey, 32).T, 32).T
    return "\n".join("  |" + "".join(2 * c for c in shaded(row)) + "|" for row in small)


def raster(net: Network, trace: Trace, image: int = 0, populations: Iterable[str] | None = None) -> str:
    """The spikes of one image of a recording: a block per population, a line per absolute step, a column per neuron, or
    per stretch of neurons drawn darker the more of them spike. Errors: UsageError for an image or population that was
    not recorded.
    """
    if not 0 <= image < trace.images:
        raise UsageError("OBS-1", "raster", "no such image in the recording", image, f"0..{trace.images - 1}")
    recorded = [p.name for p in net.populations if (p.name, "spikes") in trace.arrays]
    blocks, plan = [], schedule(net)
    for name in recorded if populations is None else populations:
        trains = trace[name, "spikes"][image].astype(np.int64)
        steps = net.steps[name]
        each = (
            "a column is a neuron"
            if len(trains) <= COLUMNS
            else f"a column is about {len(trains) / COLUMNS:,.0f} neurons"
        )
        total = int(np.bitwise_count(trains).sum())
        blocks.append(f"{name}: {kind(net[name])} {size(net[name].shape)}, {plural(total, 'spike')}; {each}")
        for t in trace.selection.window[name].tolist():
            fired = (trains >> (steps - 1 - t) & 1).astype(np.float64)
            line = shaded(bins(fired, COLUMNS)) if len(fired) > COLUMNS else "".join("|" if z else " " for z in fired)
            blocks.append(
                f"  step {plan.start[name] + t:>4} [{line:<{min(COLUMNS, len(fired))}}] "
                f"{int(fired.sum()):>8,} {100 * fired.mean():>5.1f} %"
            )
        blocks.append("")
    return "\n".join(blocks).rstrip()


def showcase_text(
    score: Score, checked: CheckReport, float_correct: int, differ: int, images: ImageSet, result: Result
) -> str:
    """What `fsref run digits` shows: the score beside the float model's, the check, and the raster of the one image of
    `result`.
    """
    net = score.net
    verdict = [
        f"yes: {checked.values:,} integers, all equal in {', '.join(checked.engines)}",
        f"{' ' * 19}({', '.join(checked.observables)})",
    ]
    if not checked.agrees:
        verdict = [f"NO: {checked.engine or checked.engines[0]}: {checked.difference or checked.outside}"]
    truth = "" if images.y is None else f"a {class_name(net, int(images.y[0]))}, "
    assert result.trace is not None
    return "\n".join(
        [
            f"{net.name or 'network'}: {plural(score.images, 'test image')}, engine {score.engine}",
            "",
            f"accuracy           {100 * score.accuracy:.2f} %  ({score.correct:,} of {score.images:,})",
            (
                f"float model        {100 * float_correct / score.images:.2f} %  ({float_correct:,} "
                f"of {score.images:,}); differs from FS on {plural(differ, 'image')}"
            ),
            f"bit-exact          {verdict[0]}",
            *verdict[1:],
            f"spikes per neuron  {score.spikes_per_neuron:.3f}  ({score.fs_neurons:,} FS neurons)",
            f"SynOps per image   {score.synops:,.0f}",
            f"latency            {plural(score.latency_steps, 'step')}",
            f"speed              {score.images_per_second:,.0f} images per second",
            f"id                 {net.id}",
            "",
            f"{images.names[0]}: {truth}read as {class_name(net, int(result.labels[0]))}",
            "",
            picture(net, np.asarray(images.x[0], dtype=np.int64)),
            "",
            raster(net, result.trace),
            "",
            f"{net.readout.name}: {'  '.join(largest(net, result.logits[0]))}",
        ]
    )
