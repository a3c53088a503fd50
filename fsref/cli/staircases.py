"""A table as plain JSON values, by the keys that `fsref fit`, `fsref table show` and `fsref table round` share."""

from __future__ import annotations

from typing import Any, TypeAlias

from fsref.law.neuron import Ints

Rows: TypeAlias = tuple[Ints, Ints, Ints]


def plain_rows(rows: Rows, unit: float | None, scale: float) -> dict[str, Any]:
    """T, h, d of one row of a table, each (K,), and what a membrane and a code of 1 stand for."""
    keys = ("thresholds", "resets", "code_weights")
    return {key: own.tolist() for key, own in zip(keys, rows, strict=True)} | {"unit": unit, "code_unit": scale}


def plain_table(
    name: str, rows: Rows, ends: tuple[int, int], unit: float | None, scale: float, spikes: float
) -> dict[str, Any]:
    """The same with its name, the membranes that it is looked at on, and the mean spikes of these."""
    told = {"table": name, "lowest": ends[0], "highest": ends[1], "mean_spikes": spikes}
    return told | plain_rows(rows, unit, scale)
