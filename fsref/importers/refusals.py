"""How an importer says that an operator has no form in a float graph, and what it calls the outputs (GRAPH-7)."""

from __future__ import annotations

import re
from collections.abc import Container


class Unmapped(Exception):
    """An operator has no form in a float graph: what is wrong with it, the nearest form that has one, and its name
    where the framework's own says too little.
    """

    def __init__(self, problem: str = "", nearest: str = "", operator: str = "") -> None:
        super().__init__(problem, nearest, operator)
        self.problem, self.nearest, self.operator = problem, nearest, operator


def line(place: str, operator: str, problem: str = "", nearest: str = "") -> str:
    """One line of a refusal: path in the model, operator, what is wrong, nearest supported form."""
    said = " ".join(filter(None, (operator, problem)))
    form = f" (nearest: {nearest})" if nearest else "" if problem else " (no form)"
    return f"{place}: {said}{form}"


def output_name(given: str, taken: Container[str]) -> str:
    """The name of an output that a model calls `given`: one that a readout may have (NET-2), and none that is taken."""
    plain = re.sub(r"[^A-Za-z0-9_.\-]", "_", given)[-64:] or "output"
    plain = f"output{plain}" if plain.isdecimal() and len(plain) < 10 else plain
    name, number = plain, 1
    while name in taken or name == "input":
        name, number = f"{plain[:58]}.{number}", number + 1
    return name
