# SPDX-License-Identifier: Apache-2.0
"""What is checked of the site when it stands: every link of it leads to a file, and to a place there; nothing is loaded
from elsewhere; every figure has the command that makes it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LOADING = {"script": "src", "img": "src", "iframe": "src", "source": "src", "video": "src", "object": "data"}
LOADED = re.compile(r"""url\(\s*['"]?(https?:)?//|@import""")
MADE = re.compile(r"`(python tools/|fsref )\w|Drawn by the lines above")


class Read(HTMLParser):
    """A page: its places, its links, and what it loads."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.places, self.links, self.loads = set[str](), list[str](), list[str]()
        self.figures: list[str] = []  # what is said below each
        self.bare: list[str] = []  # pictures that are no figures
        self.inside = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = {name: value or "" for name, value in attrs}
        self.places.update(told[name] for name in ("id", "name") if name in told)
        if tag == "a" and "href" in told:
            self.links.append(told["href"])
        if tag in LOADING and LOADING[tag] in told:
            self.loads.append(told[LOADING[tag]])
        if tag == "link" and told.get("href"):
            self.loads.append(told["href"])
        if tag == "img" and not self.inside:
            self.bare.append(told.get("src", ""))
        if self.inside and tag == "code":
            self.figures[-1] += "`"
        if tag == "figure":
            self.inside = True
            self.figures.append("")

    def handle_endtag(self, tag: str) -> None:
        if self.inside and tag == "code":
            self.figures[-1] += "`"
        self.inside = self.inside and tag != "figure"

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.figures[-1] += data


def problems(site: Path) -> Iterator[str]:
    """What is wrong with a site, a line each."""
    pages = {path: Read(path.read_text(encoding="utf-8")) for path in sorted(site.rglob("*.html"))}
    for path, page in pages.items():
        place = path.relative_to(site).as_posix()
        for link in page.loads:
            if urlsplit(link).netloc:
                yield f"{place}: loads what lies elsewhere: {link}"
        for link in [*page.links, *page.loads]:
            told = urlsplit(link)
            if told.scheme in ("http", "https", "mailto", "data") or told.netloc:
                continue
            target = (path.parent / unquote(told.path)).resolve() if told.path else path
            target = target / "index.html" if target.is_dir() else target
            if not target.is_relative_to(site.resolve()) or not target.is_file():
                yield f"{place}: {link} leads nowhere"
            elif told.fragment and target in pages and unquote(told.fragment) not in pages[target].places:
                yield f"{place}: there is no place {link}"
        for said in page.figures:
            if not MADE.search(said):
                yield f"{place}: a figure without the command that makes it: {' '.join(said.split())}"
        for source in page.bare:
            yield f"{place}: a picture that is no figure with its command: {source}"
    for path in sorted(site.rglob("*.css")):
        if LOADED.search(path.read_text(encoding="utf-8")):
            yield f"{path.relative_to(site).as_posix()}: loads what lies elsewhere"
