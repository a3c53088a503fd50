# SPDX-License-Identifier: Apache-2.0
"""What a neuron and a spike cost, fitted to the chains that tools/bench.py measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Row = dict[str, Any]


@dataclass(frozen=True)
class Fit:
    """cost = a * neurons + b * spikes of chains of so many channels: a and b in ns, and the largest relative error."""

    channels: int
    a: float
    b: float
    error: float


def fitted(rows: Sequence[Row], peer: str = "fsref events") -> list[Fit]:
    """A fit for every number of channels, least squares of relative errors."""
    fits = []
    own = [row for row in rows if row["peer"] == peer]
    for channels in dict.fromkeys(row["channels"] for row in own):
        some = [row for row in own if row["channels"] == channels]
        cost = np.array([1e6 * row["cpu"] for row in some])
        counts = np.array([[row["neurons"], row["delivered"]] for row in some])
        (a, b), *_ = np.linalg.lstsq(counts / cost[:, None], np.ones(len(cost)), rcond=None)
        errors = np.abs(counts @ [a, b] / cost - 1)
        fits.append(Fit(channels, float(a), float(b), float(errors.max())))
    return fits


def costs_table(rows: Sequence[Row]) -> str:
    """The fits, and what lies under them, in markdown."""
    from bench_page import number, table

    head = [
        "channels",
        "a, ns per neuron",
        "b, ns per spike",
        "additions per spike",
        "ns per 1,000 additions",
        "error, %",
    ]
    lines = []
    for fit in fitted(rows):
        adds = 9 * fit.channels
        cells = [str(fit.channels), number(fit.a), number(fit.b), f"{adds:,}", number(1000 * fit.b / adds)]
        lines.append([*cells, f"{100 * fit.error:.0f}"])
    asked = list(dict.fromkeys(row["asked"] for row in rows))
    by = {(row["channels"], row["asked"], row["peer"]): row for row in rows}
    under = []
    for channels, peer in dict.fromkeys((row["channels"], row["peer"]) for row in rows):
        told = [by.get((channels, s, peer)) for s in asked]
        under.append([f"{channels}", peer, *(number(row["cpu"]) if row else "" for row in told)])
    above = (
        "Chains of six 3 x 3 convolutions at K = 8, their neurons made to send 0.1 to 4 spikes; events costs "
        "a * neurons + b * spikes that convolutions deliver:"
    )
    spikes = table(["channels", "ms per image, spikes per neuron", *(f"{s:g}" for s in asked)], under, left=2)
    return "\n\n".join([above, table(head, lines, left=0), spikes])
