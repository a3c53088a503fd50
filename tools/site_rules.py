# SPDX-License-Identifier: Apache-2.0
"""The page that finds a rule: every rule of every page in one table, and a field that leaves those which hold words."""

from __future__ import annotations

import re
from html import escape
from pathlib import PurePosixPath
from textwrap import shorten

from fsref.formats.pages import Rule, rules

LONGEST = 220  # characters
HEAD = """# Rules

Every rule of [the law](fsref/SPEC.md) and of the pages around it. Words that stand in a rule find it: its name, `PROJ`,
`padding`, `memory_limit`, the error that names it, or the test that holds it. In a shell, `fsref rule PROJ-2` prints
one ([command](commands/rule.md)).
"""
FIELD = """<div class="rules">
<label for="rules-words">Find rules</label>
<input id="rules-words" type="search" placeholder="words of a rule" autocomplete="off" spellcheck="false">
<p id="rules-found" aria-live="polite">{count} rules</p>
<table id="rules"><thead><tr><th>rule</th><th>what about</th><th>it begins</th></tr></thead>
<tbody>
{rows}
</tbody></table>
</div>
"""


def page() -> str:
    """The page, which also serves without its script: a table with a link to every rule."""
    rows = "\n".join(map(row, rules().values()))
    return f"{HEAD}\n{FIELD.format(count=len(rules()), rows=rows)}"


def row(rule: Rule) -> str:
    """A rule in the table: a link, its title, how it begins; its whole text is what words are looked for in."""
    place = f"fsref/{PurePosixPath(rule.page).stem}.html#{rule.rule.lower()}"
    words = escape(" ".join(f"{rule.rule} {rule.title} {rule.page} {rule.text}".lower().split()))
    return (
        f'<tr data-words="{words}"><td><a href="{place}">{rule.rule}</a></td>'
        f"<td>{escape(rule.title)}</td><td>{escape(beginning(rule.text))}</td></tr>"
    )


def beginning(text: str) -> str:
    """The first sentence of a rule as plain text, or as much of it as a row has room for."""
    flat = " ".join(re.split(r"\n\n|\nCode: |\n\||\n```", text)[0].split())
    flat = re.sub(r"\[([^\]]*)\]\([^)]*\)|`|\*(?=\w)|(?<=\w)\*", r"\1", flat)
    return shorten(
        re.split(r"(?<=[a-z\d)])[.:] (?=[A-Z])", flat, maxsplit=1)[0].rstrip(".:"), LONGEST, placeholder=" ..."
    )
