"""What the nodes and outputs of an imported graph are called: nodes after the layer they come from, as a person would
name it, whatever framework it was written in (GRAPH-8).
"""

from __future__ import annotations

import re
from collections.abc import Container, Sequence
from typing import NamedTuple

LONGEST = 240


class Origin(NamedTuple):
    """Where a node comes from: the path of a layer, its parts joined by dots, the operator it became, and which `part`
    of that layer it is when it is not all of it.
    """

    place: str
    op: str
    part: str = ""


def named(origins: Sequence[Origin]) -> list[str]:
    """A name for each node, all different, none `input`.

    A layer that is one node gives its path; where it holds other layers, or becomes different operators, the operator
    is added, and a number where the name is taken.
    """
    places = {origin.place for origin in origins}
    parents = {place[: dot.start()] for place in places for dot in re.finditer(r"\.", place)} | {""}
    forms: dict[str, set[str]] = {}
    for origin in origins:
        if not origin.part:
            forms.setdefault(origin.place, set()).add(origin.op)
    taken, names = {"input"}, list[str]()
    for place, op, part in origins:
        alone = not part and place not in parents and len(forms[place]) == 1
        base = re.sub(r"[^ -\[\]-~]", "?", place if alone else f"{place}.{part or op}".lstrip("."))[:LONGEST]
        name, count = base, 1
        while name in taken:
            count += 1
            name = f"{base}_{count}"
        taken.add(name)
        names.append(name)
    return names


def output_name(given: str, taken: Container[str]) -> str:
    """The name of an output that a model calls `given`: one that a readout may have (NET-2), and none that is taken."""
    plain = re.sub(r"[^A-Za-z0-9_.\-]", "_", given)[-64:] or "output"
    plain = f"output{plain}" if plain.isdecimal() and len(plain) < 10 else plain
    name, number = plain, 1
    while name in taken or name == "input":
        name, number = f"{plain[:58]}.{number}", number + 1
    return name
