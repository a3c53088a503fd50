# SPDX-License-Identifier: Apache-2.0
"""Build the site: pages of the repository as they are, pages of commands and of the Python reference made from the
code, all of it turned into HTML by Sphinx, and checked. Called by tools/website.py, in its environment.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import site_checks
import site_commands
import site_notebook
import site_reference
import site_rules
from fsref.formats.pages import PAGES, rules
from fsref.version import SPEC_VERSION, __version__
from site_markdown import beside, links, moved, page, section
from site_reference import toctree

ROOT = Path(__file__).resolve().parent.parent
MARK = "fsref-site"  # a file that only what is built here has
FORMATS = ("graph", "json", "readmemh", "coe", "mif", "aer", "vcd", "nir", "vectors")
FIRST = ("think", "from_pytorch", "mistakes", "cite")
CONFIG = """\
project = "fsref"
version = release = {version!r}
extensions = ["myst_parser"]
source_suffix = {{".md": "markdown"}}
root_doc = "index"
myst_heading_anchors = 4
myst_enable_extensions = ["colon_fence"]
suppress_warnings = ["misc.highlighting_failure"]
smartquotes = False  # -- and " are what one types
html_theme = "furo"
html_title = "fsref {version}, law {law}"
html_static_path = ["static"]
html_extra_path = ["extra"]
html_css_files = ["site.css"]
html_js_files = ["site_rules.js"]
html_copy_source = html_show_sourcelink = False
html_show_copyright = False
add_module_names = False
toc_object_entries_show_parents = "hide"
python_use_unqualified_type_names = True
maximum_signature_line_length = 88
"""


class Broken(Exception):
    """A page that cannot be made, or a link that leads nowhere."""


def sources(root: Path) -> dict[str, bytes]:
    """The files of the site before it is HTML, by their places: pages of the repository where they are in it, what they
    link, and those that are made. Errors: Broken.
    """
    known = rules()
    copied = sorted(path.relative_to(root).as_posix() for path in pages_of(root))
    found: dict[str, bytes] = {}
    for place in copied:
        text = (root / place).read_text(encoding="utf-8")
        found |= {place: page(text, known, place).encode(), **linked_files(root, place, text)}
    for path in sorted((root / "fsref" / "guide").glob("*.ipynb")):
        text, pictures = site_notebook.page(path)
        found[f"fsref/guide/{path.stem}.md"] = page(text, known, path.name).encode()
        found |= {f"fsref/guide/{name}": data for name, data in pictures.items()}
    found |= linked_files(root, "README.md", (root / "README.md").read_text(encoding="utf-8"))
    found |= {place: text.encode() for place, text in made(root, list(found))}
    for name, command in site_commands.commands().items():
        text, pictures = site_commands.page(name, command)
        found[f"commands/{site_commands.file_of(name)}.md"] = text.encode()
        found |= {f"{place_of(picture)}/{picture}": data for picture, data in pictures.items()}
    return found


def place_of(drawn: str) -> str:
    """The folder of what an example drew: pages of their own are left as they are."""
    return "extra/commands" if drawn.endswith(".html") else "commands"


def pages_of(root: Path) -> Iterator[Path]:
    """The pages of the repository that are pages of the site."""
    yield from (root / "fsref").glob("*.md")
    yield from (root / "fsref" / "guide").glob("*.md")
    yield from (root / "reference_models").rglob("*.md")


def linked_files(root: Path, place: str, text: str) -> dict[str, bytes]:
    """The files that the page at `place` links and shows, pages apart, by their places. Errors: Broken."""
    targets = {beside(place, link) for link in links(text)}
    try:
        return {t: (root / t).read_bytes() for t in sorted(targets) if not t.endswith((".md", ".ipynb"))}
    except OSError as error:
        raise Broken(f"{place}: a link to {error.filename}: {error.strerror}") from None


def made(root: Path, copied: list[str]) -> Iterator[tuple[str, str]]:
    """The pages that are made, commands apart: (place, text)."""
    readme = page((root / "README.md").read_text(encoding="utf-8"), rules(), "README.md")
    yield "index.md", start(readme, (root / "fsref" / "guide" / "cite.md").read_text(encoding="utf-8"), copied)
    yield "compare.md", f"# Compare what with what\n\n{section(readme, 'Compare what with what')}\n"
    yield "rules.md", site_rules.page()
    yield "commands/index.md", site_commands.index()
    reference = site_reference.pages()
    yield "reference/index.md", site_reference.index(reference)
    yield from ((f"reference/{name}.md", text) for name, (_, text) in reference.items())


def start(readme: str, cite: str, copied: list[str]) -> str:
    """The first page: the README, how to cite, and the list of all pages."""
    _, _, citing = moved(cite, "fsref/guide/cite.md").partition("\n")
    pages = [place for place in copied if place.endswith(".md")]
    guides = {PurePosixPath(place).stem: place for place in pages if place.startswith("fsref/guide/")}
    models = [place for place in pages if place.startswith("reference_models/")]
    first = [name for name in FIRST if name in guides]
    parts = {
        "Start": [guides[name] for name in first],
        "Guides": [place for name, place in sorted(guides.items()) if name not in {*first, *FORMATS}],
        "Reference": ["compare.md", "commands/index.md", "reference/index.md", "fsref/README.md"],
        "The law": ["rules.md", *(f"fsref/{name}" for name in PAGES)],
        "Formats": [guides[name] for name in FORMATS if name in guides],
        "Measured": sorted(models, key=lambda place: (place.count("/"), place)),
        "News": ["fsref/CHANGES.md"],
    }
    text = f"{readme}\n## How to cite\n\n{citing.strip()}\n"
    for title, places in parts.items():
        text += "\n" + toctree((place.removesuffix(".md") for place in places), f":hidden:\n:caption: {title}\n")
    return text


def build(out: Path, root: Path = ROOT) -> int:
    """How many pages were built into `out`, a folder that is not there, empty or a former site. Errors: Broken, and
    what else cannot be made.
    """
    if out.exists() and not (out / MARK).is_file() and (not out.is_dir() or any(out.iterdir())):
        raise Broken(f"{out}: is there, and no site")
    with tempfile.TemporaryDirectory(prefix="fsref-site-") as work:
        source, html = Path(work, "source"), Path(work, "html")
        for place, data in sources(root).items():
            source.joinpath(place).parent.mkdir(parents=True, exist_ok=True)
            source.joinpath(place).write_bytes(data)
        static = source / "static"
        static.mkdir()
        for name in ("site.css", "site_rules.js"):
            shutil.copy(Path(__file__).with_name(name), static)
        source.joinpath("conf.py").write_text(CONFIG.format(version=__version__, law=SPEC_VERSION), encoding="utf-8")
        turned(source, html, Path(work, "trees"))
        for left in (".buildinfo", ".buildinfo.bak"):
            html.joinpath(left).unlink(missing_ok=True)
        shutil.rmtree(html / "_sources", ignore_errors=True)
        if found := list(site_checks.problems(html)):
            raise Broken("\n".join(found))
        html.joinpath(MARK).write_text(f"{__version__}\n", encoding="utf-8")
        if out.exists():
            shutil.rmtree(out)
        out.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(html, out)
    return sum(1 for _ in out.rglob("*.html"))


def turned(source: Path, html: Path, trees: Path) -> None:
    """Turn the pages into HTML. Errors: Broken with all that Sphinx warned of."""
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html", "-d", str(trees)]
    kept = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    settings = {**kept, "SOURCE_DATE_EPOCH": "315532800", "PYTHONUTF8": "1"}
    done = subprocess.run([*command, str(source), str(html)], env=settings, capture_output=True, encoding="utf-8")
    if done.returncode:
        raise Broken(done.stderr.replace(f"{source}{os.sep}", ""))


def main() -> int:
    """Build what the command line asks for; return 0, or 1 when it cannot be built."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="the folder of the site")
    out = parser.parse_args().out
    try:
        count = build(out)
    except (Broken, RuntimeError, OSError) as error:
        sys.stderr.write(f"website.py: error: {error}\n")
        return 1
    print(f"{out}: {count} pages; {out / 'index.html'} is the first")
    return 0


if __name__ == "__main__":
    sys.exit(main())
