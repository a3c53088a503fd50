"""A report as one HTML page that loads nothing: summary, plots, counts, energy, provenance (COUNT-7)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from html import escape
from math import inf
from os import PathLike
from typing import Any

from fsref.conversion.refit import FITTED_AGAIN, refitted
from fsref.errors import shown
from fsref.formats.files import write
from fsref.metrics.energy import in_joules
from fsref.reports.evaluation import Evaluation
from fsref.reports.outputs import spans
from fsref.reports.panels import Plot
from fsref.reports.pictures import rendered
from fsref.reports.plots import plots
from fsref.tables import Sheet, plural
from fsref.version import SPEC_VERSION, __version__

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
STYLE = """
:root { color-scheme: light dark; --ground: #fff; --text: #1c1f24; --quiet: #5d6672; --line: #d9dde3;
  --panel: #f5f7f9; }
@media (prefers-color-scheme: dark) { :root { --ground: #15181c; --text: #e6e9ed; --quiet: #a0a9b5;
  --line: #353b44; --panel: #1d2127; } }
body { margin: 0 auto; padding: 2rem 1.2rem 4rem; max-width: 62rem; background: var(--ground); color: var(--text);
  font: 16px/1.55 system-ui, "Segoe UI", Roboto, "Helvetica Neue", sans-serif; }
h1 { margin: 0; font-size: 1.9rem; line-height: 1.2; overflow-wrap: anywhere; } h2 { margin: 2.8rem 0 .3rem;
  font-size: 1.25rem; }
p { margin: .3rem 0 .8rem; } .quiet { color: var(--quiet); overflow-wrap: anywhere; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(11rem, 1fr)); gap: .8rem; margin: 1.4rem 0 0; }
.tiles div { padding: .8rem 1rem; border: 1px solid var(--line); border-radius: .5rem; background: var(--panel); }
.tiles dt { color: var(--quiet); font-size: .85rem; } .tiles dd { overflow-wrap: anywhere; margin: .1rem 0 0;
  font-size: 1.45rem; font-weight: 600; }
.tiles dd small { display: block; color: var(--quiet); font-size: .8rem; font-weight: 400; }
nav { margin: 1.2rem 0 0; display: flex; flex-wrap: wrap; gap: .2rem 1rem; font-size: .9rem; } a { color: inherit; }
figure { margin: .6rem 0 0; padding: .6rem; overflow-x: auto; border: 1px solid var(--line); border-radius: .5rem; }
figure svg { display: block; width: 100%; min-width: 38rem; height: auto; fill: currentColor; }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-size: .85rem;
  font-variant-numeric: tabular-nums; }
caption { text-align: left; color: var(--quiet); padding-bottom: .3rem; } td, th { padding: .2rem .8rem .2rem 0;
  vertical-align: top; }
thead th:not([scope]) { border-bottom: 1px solid var(--line); }
  tbody:last-child td, tfoot tr:first-child > * { padding-top: .6rem; }
th[scope] { font-weight: 500; white-space: nowrap; } th[scope] + td { overflow-wrap: anywhere; }
"""


def inline(plot: Plot) -> str:
    """A plot as an SVG element of a page: ground and text in the page's colours, its own ids, a name for those who
    cannot see it.
    """
    svg = rendered(plot.figure, "svg").decode("utf-8")
    svg = svg[svg.index("<svg") :].replace("#000000", "currentColor").replace("#ffffff", "var(--ground)")
    # An image has the id of what it shows: pictures that are the same would have the same.
    svg = re.sub(r'(<image [^>]*?) id="[^"]*"', r"\1", svg)
    svg = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{plot.name}-", svg)
    said, label = f"{plot.name}-said", escape(shown(f"{plot.title}. {plot.sentence}"))
    svg = re.sub(r'<svg ([^>]*?)width="[^"]*"', rf'<svg role="img" aria-labelledby="{said}" \1', svg, count=1)
    return svg.replace(">", f'><title id="{said}">{label}</title>', 1)


def section(name: str, title: str, sentence: str, content: str) -> str:
    """A section of the page: a heading, a sentence that says what is seen, and HTML."""
    return f'<section id="{name}"><h2>{escape(shown(title))}</h2><p>{escape(shown(sentence))}</p>{content}</section>'


def wide(sheet: Sheet) -> str:
    """A table that scrolls by itself when the window is narrow."""
    label = escape(shown(sheet.title))
    return f'<div class="wide" tabindex="0" role="region" aria-label="{label}">{sheet.html()}</div>'


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
        right = f"{score.correct:,} of {plural(score.image_count, 'image')}"
        found.insert(0, ("accuracy", f"{100 * score.accuracy:.2f} %", right))
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


def page(e: Evaluation) -> str:
    """The report of an evaluation as HTML (COUNT-7). Errors: UsageError when matplotlib is missing."""
    name, score = shown(e.net.name or "network without a name"), e.score
    figures = ((plot, f'<figure tabindex="0">{inline(plot)}</figure>') for plot in plots(e))
    parts = [(plot.name, plot.title, plot.sentence, figure) for plot, figure in figures]
    if e.labels is None:
        parts.append(("spans", "Spans of outputs", "The scale of an output is the value of 1 (NET-8).", wide(spans(e))))
    if e.errors is not None:
        told = "Beside the float graph, over all images, in real units (CONV-12)."
        parts.append(("errors", "Errors of outputs", told, wide(e.errors.sheet())))
    parts += [
        ("counts", "Counts", "Exact, over all images and steps (COUNT-1 to COUNT-4).", wide(score.counts.sheet())),
        ("populations", "Score by population", "Means per image.", wide(score.sheet())),
    ]
    if e.energy is not None:
        ours, dense = e.energy.fs_energy_pj_per_image, e.energy.ann_energy_pj_per_image
        told = "Operations and memory accesses alone (COUNT-5, COUNT-6)."
        if dense:
            ratio = f"{ours / dense:.3g} times the energy of its dense ANN under this table"
            told = f"The FS network spends {ratio}. {told}"
        parts.append(("energy", "Energy", told, wide(e.energy.sheet())))
    if e.rate is not None:
        told = f"The same integers under integrate and fire: {e.rate.told} (RATE-1 to RATE-8)."
        parts.append(("rate", "Rate coding", told, wide(e.rate.sheet())))
    if e.coverage is not None:
        told = "Of each group: how many these images reached, and how many nothing can reach (COVER-1, COVER-2)."
        parts.append(("coverage", "Coverage", told, wide(e.coverage.each())))
    if e.net.fs:
        told = f"Of the first {plural(len(e.x), 'image')}: by how much a membrane, in its units, may be off (FLOAT-4)."
        parts.append(("margins", "Margins", told, wide(e.margins.sheet())))
    parts += [
        ("network", "Network", "Proved widths hold for every image.", wide(e.net.sheet())),
        ("provenance", "Provenance", "Where this page comes from.", wide(provenance(e))),
    ]
    links = "".join(f'<a href="#{part}">{escape(title)}</a>' for part, title, _, _ in parts)
    head = f'<meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{POLICY}">'
    head += '<meta name="viewport" content="width=device-width, initial-scale=1">'
    head += f"<title>{escape(name)}: fsref evaluate</title><style>{STYLE}</style>"
    where = f"{e.net.id[:12]}, {plural(score.image_count, 'image')} of {escape(shown(e.source or 'an array'))}"
    intro = f'<header><h1>{escape(name)}</h1><p class="quiet">few-spikes network {where}</p>'
    intro += f"{tiles(e)}<nav>{links}</nav></header>"
    sections = "".join(section(*part) for part in parts)
    return f'<!DOCTYPE html>\n<html lang="en"><head>{head}</head><body>{intro}<main>{sections}</main></body></html>\n'


def write_page(e: Evaluation, path: str | PathLike[str], replace: bool = True) -> None:
    """Write the report of an evaluation to a file that appears complete or not at all (COUNT-7, RUN-5). Errors:
    UsageError, FileError.
    """
    write(page(e).encode("utf-8"), path, "COUNT-7", replace)
