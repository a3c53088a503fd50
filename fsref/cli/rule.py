"""`fsref rule`: the text of a rule, from the pages that lie beside the code."""

from __future__ import annotations

from dataclasses import asdict
from difflib import get_close_matches

import click

from fsref.cli.options import JSON, show
from fsref.cli.verb import verb
from fsref.formats.pages import Rule, rules


def rules_of(name: str) -> list[Rule]:
    """The rule of this name, or all of a section such as POOL; in upper or lower case. Errors: click's, naming the
    nearest.
    """
    known = rules()
    if name.upper() in known:
        return [known[name.upper()]]
    if section := [one for rule, one in known.items() if rule.partition("-")[0] == name.upper()]:
        return section
    close = get_close_matches(name.upper(), known, 1)
    sections = ", ".join(dict.fromkeys(rule.partition("-")[0] for rule in known))
    limit = f"did you mean {close[0]}?" if close else f"such as PROJ-2; there are {sections}"
    raise click.UsageError(f"no rule has this name: {name} ({limit})")


@verb()
@click.argument("names", nargs=-1, required=True, metavar="RULE...")
@JSON
def rule(names: tuple[str, ...], as_json: bool) -> int:
    """Print rules by name (PROJ-2) or by section (POOL).

    Each with its page, where its code is, which test fails when it is broken, and the error that names it.
    """
    found = [one for name in names for one in rules_of(name)]
    show(as_json, map(str, found), {"rules": [asdict(one) for one in found]})
    return 0
