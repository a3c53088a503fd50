"""What a report page is built of: its style, sections, tables, bars, pictures; everything from outside is escaped
(COUNT-7).
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterable, Sequence
from dataclasses import replace
from html import escape

from fsref.errors import shown
from fsref.reports.panels import Plot
from fsref.reports.pictures import BLUE, INK, rendered
from fsref.tables import Fact, Sheet

# Of every page that fsref makes, and of reports alone.
STYLE = """
:root { color-scheme: light dark; --ground: #fff; --text: #1c1f24; --quiet: #5d6672; --line: #d9dde3;
  --panel: #f5f7f9; --bar: #0072b2; --bad: #b3492f; }
@media (prefers-color-scheme: dark) { :root { --ground: #15181c; --text: #e6e9ed; --quiet: #a0a9b5;
  --line: #353b44; --panel: #1d2127; --bar: #4aa3df; --bad: #d9745a; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2rem 1.2rem 4rem; max-width: 66rem; background: var(--ground); color: var(--text);
  font: 16px/1.55 system-ui, "Segoe UI", Roboto, "Helvetica Neue", sans-serif; }
h1 { margin: 0; font-size: 1.9rem; line-height: 1.2; overflow-wrap: anywhere; } h2 { margin: 2.8rem 0 .3rem;
  font-size: 1.25rem; }
p { margin: .3rem 0 .8rem; overflow-wrap: anywhere; } .quiet { color: var(--quiet); }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(12.5rem, 1fr)); gap: .8rem; margin: 1.4rem 0 0; }
.tiles div { padding: .8rem 1rem; border: 1px solid var(--line); border-radius: .5rem;
  background: var(--panel); }
.tiles dt { color: var(--quiet); font-size: .85rem; } .tiles dd { overflow-wrap: anywhere; margin: .1rem 0 0;
  font-size: 1.45rem; font-weight: 600; }
.tiles dd small { display: block; color: var(--quiet); font-size: .8rem; font-weight: 400; }
nav { margin: 1.2rem 0 0; display: flex; flex-wrap: wrap; gap: .2rem 1rem; font-size: .9rem; } a { color: inherit; }
figure { margin: .6rem 0 0; padding: .6rem; overflow-x: auto; border: 1px solid var(--line); border-radius: .5rem; }
figure svg { display: block; width: 100%; min-width: 38rem; height: auto; fill: currentColor; }
.wide { overflow-x: auto; margin: .6rem 0 0; } .wide td:not(:last-child) { white-space: nowrap; }
.wide td:last-child { min-width: 6rem; overflow-wrap: break-word; }
table { border-collapse: collapse; font-size: .85rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; color: var(--quiet); padding-bottom: .3rem; } td, th { padding: .2rem .8rem .2rem 0;
  vertical-align: top; }
thead th { border-bottom: 1px solid var(--line); vertical-align: bottom; } tfoot th { font-weight: 500; }
.facts { display: grid; grid-template-columns: minmax(4rem, max-content) 1fr; gap: .1rem 1rem; margin: .6rem 0;
  font-size: .85rem; } .facts dt { font-weight: 500; max-width: 12rem; overflow-wrap: anywhere; }
.facts dd { margin: 0; overflow-wrap: anywhere; }
"""
REPORT = """
.card { padding: .8rem 1rem; border: 1px solid var(--line); border-radius: .5rem; background: var(--panel); }
.bar { position: relative; width: 9rem; height: .8rem; margin-top: .3rem; background: var(--line); }
.bar span { display: block; height: 100%; background: var(--bar); print-color-adjust: exact; }
.bar .of-label { background: var(--bad); }
.bar i { position: absolute; top: calc(50% - 1px); height: 2px; background: var(--text); }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(19rem, 1fr)); gap: .8rem; margin: .6rem 0 0; }
.card { display: grid; grid-template-columns: 5rem 1fr; gap: .9rem; font-size: .85rem; }
.card img { width: 5rem; height: 5rem; object-fit: contain; object-position: top; image-rendering: pixelated; }
.card p { margin: 0 0 .3rem; } .logit { display: grid; grid-template-columns: 1fr auto; gap: 0 .6rem; }
.logit span { overflow-wrap: anywhere; font-variant-numeric: tabular-nums; }
.logit .bar { grid-column: 1 / -1; width: 100%; height: .35rem; margin: 0 0 .35rem; }
@media (max-width: 30rem) { body { padding: 1.2rem .8rem 3rem; } .cards { grid-template-columns: 1fr; }
  .tiles { grid-template-columns: 1fr 1fr; } .tiles dd { font-size: 1.2rem; } }
@page { margin: 14mm; }
@media print { :root { color-scheme: light; --ground: #fff; --text: #000; --quiet: #444; --line: #bbb; --panel: #fff;
  --bar: #0072b2; --bad: #b3492f; }
  body { max-width: none; padding: 0 1px; font-size: 10pt; } nav { display: none; } h2 { break-after: avoid; }
  h2 + p, caption, thead { break-after: avoid; } p, figure, tr, .card, .tiles div, .facts dd { break-inside: avoid; }
  figure { padding: 0; border: 0; } figure svg { min-width: 0; max-height: 24cm; }
  figure, .wide { overflow: visible; } table { width: 100%; font-size: 7pt; }
  .wide td:not(:last-child) { white-space: normal; } .wide td:last-child { min-width: 0; }
  td, th { padding-right: .9em; overflow-wrap: anywhere; } thead th { overflow-wrap: normal; }
  td:first-child { min-width: 7em; } .wide td[style*="right"]:not(:last-child) { white-space: nowrap; }
  .facts { font-size: 8pt; } caption { font-size: 8pt; } .bar { width: 6rem; }
  .tiles { grid-template-columns: repeat(4, 1fr); } .tiles dd { font-size: 1.15rem; }
  .cards { grid-template-columns: 1fr 1fr; } }
"""


def inline(plot: Plot) -> str:
    """A plot as a figure of a page: ground and text in the page's colours, its own ids, a name for those who cannot see
    it.
    """
    svg = rendered(plot.figure, "svg").decode("utf-8")
    svg = svg[svg.index("<svg") :]
    for drawn, own in ((INK, "currentColor"), ("#ffffff", "var(--ground)"), (BLUE, "var(--bar)")):
        svg = svg.replace(drawn.lower(), own)
    # An image has the id of what it shows: pictures that are the same would have the same.
    svg = re.sub(r'(<image [^>]*?) id="[^"]*"', r"\1", svg)
    svg = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{plot.name}-", svg)
    said, label = f"{plot.name}-said", escape(shown(f"{plot.title}. {plot.sentence}"))
    svg = re.sub(r'<svg ([^>]*?)width="[^"]*"', rf'<svg role="img" aria-labelledby="{said}" \1', svg, count=1)
    svg = svg.replace(">", f'><title id="{said}">{label}</title>', 1)
    return f'<figure tabindex="0">{svg}</figure>'


def section(name: str, title: str, sentence: str, content: str) -> str:
    """A section of the page: a heading, a sentence that says what is seen, and HTML."""
    return f'<section id="{name}"><h2>{escape(shown(title))}</h2><p>{escape(shown(sentence))}</p>{content}</section>'


def scrolled(label: str, table: str) -> str:
    """A table, as HTML, that scrolls by itself when the window is narrow."""
    return f'<div class="wide" tabindex="0" role="region" aria-label="{escape(shown(label))}">{table}</div>'


def facts(given: Iterable[Fact]) -> str:
    """Names and values, in two columns; nothing when there are none."""
    rows = "".join(f"<dt>{escape(shown(name))}</dt><dd>{escape(shown(value))}</dd>" for name, value in given)
    return f'<dl class="facts">{rows}</dl>' if rows else ""


def wide(sheet: Sheet) -> str:
    """A sheet: its facts in lines that break, its table as wide as it is."""
    table = replace(sheet, above=(), below=(), more=())
    inner = scrolled(sheet.title, table.html()) if sheet.rows else ""
    return facts(sheet.above) + inner + facts(sheet.below) + "".join(map(wide, sheet.more))


def bar(share: float, between: tuple[float, float] | None = None, kind: str = "") -> str:
    """A bar as long as a share, 0..1, and a line over its interval, if there is one."""
    mark = f' class="{kind}"' if kind else ""
    line = ""
    if between is not None:
        low, high = between
        line = f'<i style="left:{100 * low:.2f}%;width:{100 * (high - low):.2f}%"></i>'
    return f'<div class="bar"><span{mark} style="width:{100 * share:.2f}%"></span>{line}</div>'


def rows(head: Sequence[str], body: Iterable[Sequence[str]], left: Sequence[int]) -> str:
    """A table whose cells are HTML already; columns not `left` are set right."""

    def row(cells: Sequence[str], tag: str) -> str:
        sides = ("left" if i in left else "right" for i in range(len(cells)))
        return "".join(f'<{tag} style="text-align:{side}">{c}</{tag}>' for side, c in zip(sides, cells, strict=True))

    above = "<thead><tr>" + row(head, "th") + "</tr></thead>" if head else ""
    lines = "".join("<tr>" + row(cells, "td") + "</tr>" for cells in body)
    return f"<table>{above}<tbody>{lines}</tbody></table>"


def picture(png: bytes, alt: str) -> str:
    """A picture of a few bytes within the page."""
    return f'<img src="data:image/png;base64,{b64encode(png).decode("ascii")}" alt="{escape(shown(alt))}">'
