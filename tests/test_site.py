"""The site: how pages are turned, commands and rules on pages of their own, what is checked, and all of it built."""

from __future__ import annotations

import json
import re
from html import unescape
from pathlib import Path

import click
import pytest

import site_build
import site_checks
import site_commands
import site_markdown
import site_rules
from fsref.formats.pages import rules
from site_examples import EXAMPLES
from site_markdown import NoCommand
from test_page import chromium

ROOT = Path(__file__).resolve().parent.parent
COMMANDS = {name: c for name, c in site_commands.commands().items() if not isinstance(c, click.Group)}


def test_rules_in_prose_are_links() -> None:
    """A rule is a link wherever prose names it, but not in code, links and headings; what only looks like one stays."""
    known = {"FS-1", "NET-2"}
    text = "# FS-1\n\nAs FS-1 says (NET-2), `FS-1`, [NET-2](a.md), CIFAR-10.\n\n    FS-1\n\n```text\nNET-2\n```"
    wanted = text.replace("As FS-1", "As [FS-1](#fs-1)").replace("(NET-2)", "([NET-2](#net-2))", 1)
    assert site_markdown.linked(text, known) == wanted
    assert site_markdown.linked("`a\nFS-1` FS-1", known) == "`a\nFS-1` [FS-1](#fs-1)"


def test_what_a_page_gets() -> None:
    """Each rule of a page gets its name as a place, and its pointers a paragraph of their own; a notebook is a page."""
    text = "### FS-1 Table\nWords.\nCode: law.neuron.Table · Test: test_a.py::test_b · Refused: NetworkError\n"
    made = site_markdown.page(text, {"FS-1"}, "SPEC.md")
    assert made.startswith("(fs-1)=\n### FS-1 Table\n")
    assert site_markdown.page("[it](think.ipynb)", set(), "p.md") == "[it](think.md)"
    assert "\n\nCode: `law.neuron.Table` · Test: `test_a.py::test_b` · Refused: NetworkError" in made


def test_a_figure_stands_with_its_command() -> None:
    """The command of a figure is its title, or the nearest above it; without one the page is refused."""
    block = "    python tools/draw.py \\\n        --out a.svg\n\n"
    assert "`python tools/draw.py --out a.svg`" in site_markdown.figured(f"{block}![a](a.svg)\n", "p.md")
    assert "`fsref info digits`" in site_markdown.figured(f'{block}![a](a.svg "fsref info digits")', "p.md")
    for text in ("![a](a.svg)", '![a](a.svg "drawn by hand")', f"![a](a.svg)\n\n{block}"):
        with pytest.raises(NoCommand, match=r"p\.md: a\.svg: no command makes this figure"):
            site_markdown.figured(text, "p.md")


def test_pictures_that_a_table_links_are_shown() -> None:
    """They stand below the page, each with the tool that the page names; without one it is refused."""
    table = "| table | steps |\n|---|--:|\n| [elu-8](elu-8.svg) | 8 |\n"
    made = site_markdown.page(f"`python tools/named_tables.py` draws them.\n\n{table}", set(), "p.md")
    shown = site_markdown.figure("elu-8.svg", "elu-8", "python tools/named_tables.py")
    assert made.endswith(f"\n\n## Pictures\n\n{shown}\n")
    with pytest.raises(NoCommand, match=r"p\.md: elu-8\.svg: no tool makes this figure"):
        site_markdown.page(table, set(), "p.md")


@pytest.mark.parametrize(
    "page", [*site_build.pages_of(ROOT), ROOT / "README.md"], ids=lambda p: p.relative_to(ROOT).as_posix()
)
def test_every_figure_of_a_page_has_its_command(page: Path) -> None:
    """Every figure of every page of the repository has the command that makes it, of a tool that is there."""
    text = page.read_text(encoding="utf-8")
    made = site_markdown.page(text, rules(), page.name)
    figures = re.findall(r"^```\{figure\}.*?\n\n`([^`]*)`\n```$", made, re.MULTILINE | re.DOTALL)
    plain = site_markdown.BLOCK.sub("", text)
    assert len(figures) == sum(len(form.findall(plain)) for form in (site_markdown.FIGURE, site_markdown.IN_TABLE))
    for tool in (command.split()[1] for command in figures if command.startswith("python ")):
        assert (ROOT / tool).is_file()


def test_every_page_is_in_the_list_and_every_link_leads_to_a_file() -> None:
    """Every page of the repository stands in the list of pages, and what a page links is a file, no folder."""
    pages = [path.relative_to(ROOT).as_posix() for path in site_build.pages_of(ROOT)]
    for place in [*pages, "README.md"]:
        site_build.linked_files(ROOT, place, (ROOT / place).read_text(encoding="utf-8"))
    listed = re.findall(r"^(\S+)$", site_build.start("", "", pages), re.MULTILINE)
    assert {place.removesuffix(".md") for place in pages} <= set(listed)


def test_every_command_has_an_example_of_itself() -> None:
    """Every command that can be called has an example, whose last line calls it."""
    assert set(EXAMPLES) == set(COMMANDS)
    assert all(lines[-1].startswith(f"fsref {name} ") for name, lines in EXAMPLES.items())


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_the_page_of_a_command_has_every_option(name: str) -> None:
    """Usage, every option with what holds without it, and exit codes stand on the page of a command."""
    command = COMMANDS[name]
    context = click.Context(command, info_name=f"fsref {name}")
    told = site_commands.options(command, context)
    rows = [line.split(" | ") for line in told.splitlines()[4:]]
    options = [p for p in command.params if isinstance(p, click.Option)]
    assert len(rows) == len(options)
    for option, (names, default, about) in zip(options, rows, strict=True):
        assert all(name in names for name in option.opts) and default and len(about) > 5, names
    assert "| 1 | " in site_commands.exit_codes(command)


def test_a_page_is_made_of_a_command_and_its_example_is_run() -> None:
    """The page of a command shows what its example prints, and what it draws beside the line that draws it."""
    text, pictures = site_commands.page("rule", COMMANDS["rule"])
    assert "```sh\nfsref rule FS-2\n```\n\n```text\nFS-2 Fire (SPEC.md)\n" in text and not pictures
    with pytest.raises(RuntimeError, match="the example 'fsref rule FS-99' ended with 2"):
        site_commands.typed("fsref rule FS-99")


def test_every_rule_is_found() -> None:
    """The page that finds rules links every rule, with the words of its text, escaped."""
    page = site_rules.page()
    found = re.findall(r'<tr data-words="([^"<>]*)"><td><a href="fsref/(\w+)\.html#([a-z0-9-]+)">', page)
    assert [place for _, _, place in found] == [name.lower() for name in rules()]
    assert all("test: " in words for words, _, _ in found)


TYPED = """<script>
addEventListener("load", () => {
  const field = document.getElementById("rules-words"), rows = [...document.querySelectorAll("#rules tbody tr")];
  const found = (words) => {
    field.value = words;
    field.dispatchEvent(new Event("input"));
    return rows.filter((row) => !row.hidden).map((row) => row.cells[0].textContent);
  };
  document.body.dataset.found = JSON.stringify(["", "MEMORY_limit", "proj-2 size", "nothing_like_this"].map(found));
});
</script>"""


@pytest.mark.needs_programs
def test_chromium_finds_rules(tmp_path: Path) -> None:
    """In a real browser every word typed has to stand in a rule, in upper or lower case; nothing typed leaves all."""
    script = (ROOT / "tools" / "site_rules.js").read_text(encoding="utf-8")
    html = f"<!doctype html><meta charset=utf-8><body>{site_rules.page()}<script>{script}</script>{TYPED}</body>"
    told, console = chromium(tmp_path, html, "--dump-dom")
    (found,) = re.findall(r'<body data-found="([^"]*)"', told)
    everything, limit, size, nothing = json.loads(unescape(found))
    wanted = [name for name, rule in rules().items() if "memory_limit" in f"{rule.title} {rule.text}".lower()]
    assert (everything, limit, size[0], nothing, console) == (list(rules()), wanted, "PROJ-2", [], [])


HEAD = '<html><head><link rel="stylesheet" href="s.css"></head><body>'


def test_what_is_wrong_with_a_site_is_told(tmp_path: Path) -> None:
    """Links to files and places that are not there, links out of the site, and what is loaded from elsewhere."""
    (tmp_path / "s.css").write_text("a { color: red }")
    (tmp_path / "b.html").write_text(f'{HEAD}<p id="here">b</p>')
    good = f'{HEAD}<a href="b.html#here">b</a> <a href="https://example.org/x">x</a> <a href="#top" id="top">t</a>'
    (tmp_path / "a.html").write_text(good)
    assert list(site_checks.problems(tmp_path)) == []
    bad = '<a href="b.html#there">1</a><a href="c.html">2</a><a href="../c.html">3</a><img src="//example.org/p.png">'
    bad += (
        '<figure><img src="s.css">by hand</figure><figure><img src="s.css">by <code>fsref info digits</code></figure>'
    )
    (tmp_path / "a.html").write_text(good + bad)
    (tmp_path / "s.css").write_text("@font-face { src: url('https://example.org/f.woff') }")
    assert list(site_checks.problems(tmp_path)) == [
        "a.html: loads what lies elsewhere: //example.org/p.png",
        "a.html: there is no place b.html#there",
        "a.html: c.html leads nowhere",
        "a.html: ../c.html leads nowhere",
        "a.html: a figure without the command that makes it: by hand",
        "a.html: a picture that is no figure with its command: //example.org/p.png",
        "s.css: loads what lies elsewhere",
    ]


@pytest.mark.long
def test_the_site_is_built(tmp_path: Path) -> None:
    """All pages are built and checked; the first says how to cite, every command, public name and rule has its place;
    what is no site is not replaced.
    """
    for module in ("sphinx", "furo", "myst_parser", "matplotlib", "onnx"):
        pytest.importorskip(module)
    site = tmp_path / "site"
    site_build.build(site)
    first = (site / "index.html").read_text(encoding="utf-8")
    assert "2002.00860" in first and "Nature" in first and "@software{fsref" in first
    for name in COMMANDS:
        assert (site / "commands" / f"{site_commands.file_of(name)}.html").is_file()
    assert "fsref.run(" in re.sub(r"<[^>]*>", "", (site / "reference" / "fsref.run.html").read_text(encoding="utf-8"))
    assert 'id="fs-2"' in (site / "fsref" / "SPEC.html").read_text(encoding="utf-8")


def test_nothing_but_a_former_site_is_replaced(tmp_path: Path) -> None:
    """A folder that holds something else, or a file, is refused before anything is made."""
    (tmp_path / "work.txt").touch()
    for place in (tmp_path, tmp_path / "work.txt"):
        with pytest.raises(site_build.Broken, match="is there, and no site"):
            site_build.build(place)
    assert (tmp_path / "work.txt").is_file()
