"""A report as one HTML page that loads nothing: summary, answers, plots, counts, energy, provenance (COUNT-7)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from html import escape
from math import inf
from os import PathLike
from typing import Any

from fsref.conversion.again import FITTED_AGAIN, refitted
from fsref.errors import shown
from fsref.formats.files import write
from fsref.metrics.energy import in_joules
from fsref.reports.answers import Part, answers
from fsref.reports.blocks import REPORT, STYLE, inline, section, wide
from fsref.reports.evaluation import Evaluation
from fsref.reports.outputs import spans
from fsref.reports.panels import Plot
from fsref.reports.plots import plots
from fsref.tables import Sheet, plural
from fsref.version import SPEC_VERSION, __version__

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def tiles(e: Evaluation) -> str:
    """The figures a reader wants first."""
    score = e.score
    found = [
        ("latency", plural(score.latency_steps, "step"), f"until the {e.answers} stand"),
        (
            "spikes per neuron",
            f"{score.spikes_per_neuron:.3f}",
            f"{score.most_spikes_per_neuron:.3f} in the busiest image; {score.fs_neurons:,} FS neurons",
        ),
        ("SynOps per image", f"{score.synops:,.0f}", "deliveries along synapses"),
    ]
    if e.errors is not None:
        worst = min(e.errors.rows, key=lambda row: inf if row.error_db is None else row.error_db)
        db = "none" if worst.error_db is None else f"{worst.error_db:.1f} dB"
        found.insert(0, ("error of outputs", db, f"below the values of the float graph, output {worst.name}"))
    if e.labels is not None:
        low, high = score.interval
        right = f"{score.correct:,} of {plural(score.image_count, 'image')}"
        between = f"95 % interval {100 * low:.1f} .. {100 * high:.1f} %"
        found.insert(0, ("accuracy", f"{100 * score.accuracy:.2f} %", f"{right}; {between}"))
    if e.labels is not None and e.float_accuracy is not None:
        lost = 100 * (score.accuracy - e.float_accuracy)
        found.insert(
            1, ("float accuracy", f"{100 * e.float_accuracy:.2f} %", f"FS is {lost:+.2f} points from it{e.float_told}")
        )
    if e.energy is not None:
        dense = f"dense ANN {in_joules(e.energy.ann_energy_pj_per_image)}; costs {e.energy.costs.name}"
        found.append(("energy per image", in_joules(e.energy.fs_energy_pj_per_image), dense))
    found.append(("speed", f"{score.images_per_second:,.0f}/s", f"images per second, engine {score.engine}"))
    cells = (
        f"<div><dt>{escape(name)}</dt><dd>{escape(shown(value))}<small>{escape(shown(said))}</small></dd></div>"
        for name, value, said in found
    )
    return f'<dl class="tiles">{"".join(cells)}</dl>'


def provenance(e: Evaluation) -> Sheet:
    """Where everything on the page comes from."""

    def told(value: object) -> str:
        return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)

    known: Mapping[str, Any] = {
        "network": e.net.name or "without a name",
        "id": e.net.id,
        "images": f"{e.score.image_count:,} of {e.source or 'an array'}",
        "engine": f"{e.score.engine}, fsref {__version__}, law {SPEC_VERSION}",
    }
    if refitted(e.net):
        known = {**known, "weights": FITTED_AGAIN}
    rows = [(key, told(value)) for key, value in (*known.items(), *e.net.provenance.items())]
    return Sheet("Known of this run, then what the network's file says of itself", ("what", "value"), rows, left=2)


def plotted(plot: Plot, *sheets: Sheet) -> Part:
    """A part of the page that shows a plot, and the tables of the same numbers."""
    return plot.name, plot.title, plot.sentence, inline(plot) + "".join(map(wide, sheets))


def parts(e: Evaluation) -> Iterator[Part]:
    """The parts of the page: what the network answers, what it costs, what its neurons do, and its tables."""
    drawn = {plot.name: plot for plot in plots(e)}
    if "accuracy" in drawn:
        yield plotted(drawn.pop("accuracy"))
    confusion = drawn.pop("confusion", None)
    yield from answers(e, "" if confusion is None else inline(confusion))
    if "outputs" in drawn:
        yield plotted(drawn.pop("outputs"))
        yield "spans", "Spans of outputs", "The scale of an output is the value of 1 (NET-8).", wide(spans(e))
    yield from beside_graph(e, drawn.pop("losses", None))
    if e.beside is not None:
        told = "Networks on the same images, by K (COUNT-11)."
        yield "beside", "Side by side", told, wide(e.beside.sheet())
    yield from spent(e, drawn.pop("energy", None))
    yield from map(plotted, drawn.values())
    yield from known(e)


def beside_graph(e: Evaluation, losses: Plot | None) -> Iterator[Part]:
    """What is known beside a float graph: errors of outputs, and which population loses what."""
    if e.errors is not None:
        told = "Beside the float graph, over all images, in real units (CONV-12)."
        yield "errors", "Errors of outputs", told, wide(e.errors.sheet())
    if isinstance(e.comparison, str):
        yield "losses", "Losses by population", f"They cannot be told beside the float graph: {e.comparison}", ""
    elif e.comparison is not None and losses is not None:
        yield plotted(losses, e.comparison.sheet())


def spent(e: Evaluation, drawn: Plot | None) -> Iterator[Part]:
    """What the network spends, and what its rate-coded twin does."""
    if e.energy is not None and drawn is not None:
        yield plotted(drawn, e.energy.sheet())
    if e.rate is not None:
        told = f"The same integers under integrate and fire: {e.rate.told} (RATE-1 to RATE-8)."
        yield "rate", "Rate coding", told, wide(e.rate.sheet())


def known(e: Evaluation) -> Iterator[Part]:
    """The tables of the page that no plot shows."""
    score = e.score
    counts = "Exact, over all images and steps (COUNT-1 to COUNT-4)."
    yield "counts", "Counts", counts, wide(score.counts.sheet())
    yield "populations", "Score by population", "Means per image.", wide(score.sheet())
    if e.net.fs:
        told = f"Of the first {plural(len(e.x), 'image')}: by how much a membrane, in its units, may be off (FLOAT-4)."
        yield "margins", "Margins", told, wide(e.margins.sheet())
    if e.coverage is not None:
        told = "Of each group: how many these images reached, and how many nothing can reach (COVER-1, COVER-2)."
        yield "coverage", "Coverage", told, wide(e.coverage.each())
    if e.certificate is not None:
        told = "What the certificate beside the network's file says is proved for every image (PROOF-7)."
        yield "certificate", "Certificate", told, wide(e.certificate)
    yield "network", "Network", "Proved widths hold for every image.", wide(e.net.sheet())
    yield "provenance", "Provenance", "Where this page comes from.", wide(provenance(e))


def page(e: Evaluation) -> str:
    """The report of an evaluation as HTML (COUNT-7). Errors: UsageError when matplotlib is missing."""
    name, made = shown(e.net.name or "network without a name"), list(parts(e))
    links = "".join(f'<a href="#{part}">{escape(title)}</a>' for part, title, _, _ in made)
    head = f'<meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{POLICY}">'
    head += '<meta name="viewport" content="width=device-width, initial-scale=1">'
    head += f"<title>{escape(name)}: fsref evaluate</title><style>{STYLE}{REPORT}</style>"
    where = f"{e.net.id[:12]}, {plural(e.score.image_count, 'image')} of {escape(shown(e.source or 'an array'))}"
    intro = f'<header><h1>{escape(name)}</h1><p class="quiet">few-spikes network {where}</p>'
    intro += f"{tiles(e)}<nav>{links}</nav></header>"
    sections = "".join(section(*part) for part in made)
    return f'<!DOCTYPE html>\n<html lang="en"><head>{head}</head><body>{intro}<main>{sections}</main></body></html>\n'


def write_page(e: Evaluation, path: str | PathLike[str], replace: bool = True) -> None:
    """Write the report of an evaluation to a file that appears complete or not at all (COUNT-7, RUN-5). Errors:
    UsageError, FileError.
    """
    write(page(e).encode("utf-8"), path, "COUNT-7", replace)
