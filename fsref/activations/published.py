"""The tables that the authors of the FS neuron published, by name (FLOAT-1)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from fsref.activations.float_table import FloatTable
from fsref.activations.functions import Function, functions
from fsref.errors import UsageError, nearest
from fsref.tables import Brief


@dataclass(frozen=True, repr=False)
class Published(Brief):
    """A published table: what it stands for on low..high, its numbers as they were published, and where."""

    name: str
    function: Function
    low: float
    high: float
    table: FloatTable
    source: str


@cache
def _all() -> dict[str, Published]:
    """Every published table by name."""
    told = json.loads((Path(__file__).parent / "published.json").read_text(encoding="utf-8"))
    return {
        name: Published(
            name,
            functions[own["function"]],
            float(own["range"][0]),
            float(own["range"][1]),
            FloatTable(own["T"], own["h"], own["d"]),
            told["source"],
        )
        for name, own in told["tables"].items()
    }


def names() -> list[str]:
    """The names of the published tables."""
    return list(_all())


def published(name: str) -> Published:
    """The published table of this name. Errors: UsageError."""
    if name not in _all():
        raise UsageError("FLOAT-1", "published", "no table of this name", name, nearest(name, names()))
    return _all()[name]
