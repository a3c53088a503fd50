"""The page of a spike debugger: what it says, what it holds and the script that shows it, in one file (DEBUG-1)."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from html import escape
from importlib.resources import files
from os import PathLike
from typing import Any

from fsref.errors import shown
from fsref.formats.files import write
from fsref.law.network import Network
from fsref.reports.blocks import STYLE, wide
from fsref.reports.view_choice import Chosen
from fsref.tables import Fact, Sheet, Shown, sizes
from fsref.verification.returned import DumpReport
from fsref.version import SPEC_VERSION, __version__

FRAME = "width:100%;height:52rem;border:0"  # of a page in a notebook
SCRIPTS = ("view_neurons.js", "view_maps.js", "view_panel.js", "view.js")  # one script, in this order


@dataclass(frozen=True, eq=False, repr=False)
class SpikePage(Shown):
    """A spike debugger: `html`, the page of image `number` of a network; which populations and channels it shows, and
    what a dump that it was made with says. `str()` is a table, a notebook shows the page.
    """

    net: Network
    number: int
    html: str
    chosen: Chosen
    report: DumpReport | None
    differing: Sequence[dict[str, Any]]

    def save(self, path: str | PathLike[str], replace: bool = True) -> None:
        """Write the page to a file that appears complete or not at all (RUN-5). Errors: UsageError, FileError."""
        write(self.html.encode("utf-8"), path, "DEBUG-1", replace)

    def _repr_html_(self) -> str:
        return f'<iframe sandbox="allow-scripts" style="{FRAME}" srcdoc="{escape(self.html)}"></iframe>'

    def __repr__(self) -> str:
        return f"<SpikePage of image {self.number}: {self.nbytes / 10**6:.2f} MB>"

    @property
    def nbytes(self) -> int:
        """The bytes of the page."""
        return len(self.html.encode("utf-8"))

    def sheet(self) -> Sheet:
        """The page as a table: a line for each population on it, how many of its channels, and how much differs."""
        wrong = {row["population"]: row for row in self.differing}
        head = ("population", "kind", "shape", "channels", *(("differ", "neurons") if self.report else ()))
        rows = []
        for name, channels in self.chosen.channels.items():
            p, own = self.net[name], wrong.get(name)
            told = (len(channels), *((own and own["differing"], own and own["neurons"]) if self.report else ()))
            rows.append((name, p.kind, sizes(p.shape), *told))
        title = f"{self.net.name or self.net.id[:12]}: image {self.number}, a page of {self.nbytes / 10**6:.2f} MB"
        return Sheet(title, head, rows, left=3, above=facts_of(self.report), below=self.chosen.left_out)

    def to_dict(self) -> dict[str, Any]:
        """What the page shows, as plain JSON values."""
        first = None if self.report is None or self.report.first is None else self.report.first.name
        shapes = {name: len(channels) for name, channels in self.chosen.channels.items()}
        return {"image": self.number, "byte_count": self.nbytes, "channels_shown": shapes, "first": first}


@cache
def part_of_page(name: str) -> str:
    """A file that lies beside this one and goes into every page."""
    return files("fsref.reports").joinpath(name).read_text(encoding="utf-8")


def policy(script: str) -> str:
    """The content policy of a page: nothing is loaded, and this script alone runs (DEBUG-1)."""
    allowed = b64encode(sha256(script.encode("utf-8")).digest()).decode("ascii")
    scripts = f"script-src 'sha256-{allowed}'"
    return f"default-src 'none'; base-uri 'none'; form-action 'none'; style-src 'unsafe-inline'; {scripts}"


def in_html(value: object) -> str:
    """A JSON value as text that ends no element of a page, ASCII alone."""
    text = json.dumps(value, allow_nan=False)
    for letter in "<>&":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return text


def facts_of(report: DumpReport | None) -> list[Fact]:
    """What a dump says, where there is one: the first difference, and what it looks like; or that there is none."""
    if report is None:
        return []
    sheet = report.sheet()
    return list(sheet.above) or [("agrees", sheet.title)]


def _facts(facts: Iterable[Fact], kind: str) -> str:
    """Facts as a list of names and what they say, or nothing."""
    rows = "".join(f"<dt>{escape(shown(name))}</dt><dd>{escape(shown(said))}</dd>" for name, said in facts)
    return f'<dl class="{kind}">{rows}</dl>' if rows else ""


def _said(report: DumpReport | None) -> str:
    """What a dump says, the first difference above all else, or nothing."""
    if report is None:
        return ""
    verdict = _facts(facts_of(report), "verdict")
    everything = f"<details><summary>all that fsref diff says</summary>{wide(report.sheet())}</details>"
    return f'<section id="found" aria-label="What the dump says">{verdict}{everything}</section>'


def html_of(
    net: Network, title: str, chosen: Chosen, report: DumpReport | None, told: dict[str, Any], integers: str
) -> str:
    """The page: its words, then data that no browser runs, then the script."""
    script, name = "".join(map(part_of_page, SCRIPTS)), escape(shown(net.name or "network without a name"))
    head = f'<meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{policy(script)}">'
    head += '<meta name="viewport" content="width=device-width, initial-scale=1">'
    head += f"<title>{name}: fsref view</title><style>{STYLE}{part_of_page('view.css')}</style>"
    where = f"{escape(shown(title))} · {net.id[:12]} · fsref {__version__}, law {SPEC_VERSION}"
    said = f"{_facts(chosen.left_out, 'left')}{_said(report)}"
    intro = f'<header><h1>{name}</h1><p class="quiet">{where}</p>{said}</header>'
    data = f'<script type="application/json" id="told">{in_html(told)}</script>'
    data += f'<script type="text/plain" id="integers">{integers}</script>'
    body = f"{intro}{part_of_page('view.html')}{data}<script>{script}</script>"
    return f'<!DOCTYPE html>\n<html lang="en"><head>{head}</head><body>{body}</body></html>\n'
