"""How an importer says that an operator has no form in a float graph (GRAPH-7)."""

from __future__ import annotations


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
