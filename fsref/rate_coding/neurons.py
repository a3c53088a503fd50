"""The neurons of a rate-coded twin: what tables, biases and input become under integrate and fire, and how far
membranes may go (RATE).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, assert_never

import numpy as np

from fsref.errors import NetworkError, RangeError, UsageError
from fsref.law.bounds import projection_bounds, spans
from fsref.law.network import Network
from fsref.law.neuron import Ints
from fsref.law.populations import FS, Input, MaxPool, Readout, View
from fsref.law.projections import linear
from fsref.tables import Brief

Setting: TypeAlias = Literal["classic", "best"]
Rounding: TypeAlias = Literal["nearest", "floor"]
SETTINGS = ("classic", "best")
ROUNDINGS = ("nearest", "floor")
HIGHEST = 2**63 - 1


@dataclass(frozen=True, eq=False, repr=False)
class Neurons(Brief):
    """The integrate-and-fire neurons of one population: L, threshold and start (C,), bias of a tick (C, 1, 1) or (C, H,
    W).

    An `analog` population sends its codes, not spikes. A max_pool or view has L alone, a readout bias alone; what there
    is not is 0.
    """

    levels: Ints
    threshold: Ints
    start: Ints
    bias: Ints
    analog: bool = False


def theta(p: FS) -> Ints:
    """theta (C,) of an fs whose codes are clamped quotients (RATE-1).

    Errors: NetworkError [RATE-1] for any other table, naming channel and step.
    """
    T, h, d = p.table.rows(p.shape[0])
    later = np.cumsum(d[:, ::-1], axis=1)[:, ::-1] - d
    fits = (d >= 1) & (d <= 1 + later) & (T[:, -1:] >= 1)
    whole = np.where(fits, d, 1)
    # No product: it could leave 64 bits.
    wrong = np.argwhere(~fits | (T % whole != 0) | (T // whole != T[:, -1:]) | (T != h))
    if len(wrong):
        c, t = wrong[0].tolist()
        value, limit = (
            f"T {T[c, t]}, h {h[c, t]}, d {d[c, t]}",
            "T = h = theta * d, theta >= 1, d 1 .. 1 + the sum of all later d",
        )
        raise NetworkError(
            "RATE-1", f"{p.name} channel {c} step {t}", "no FS-ReLU; a staircase has no rate-coded twin", value, limit
        )
    return T[:, -1]


def rounding(net: Network, name: str, said: Rounding | None = None) -> Rounding:
    """How the codes of an fs population were rounded: as `said`, else as the provenance tells (RATE-3). Errors:
    UsageError.
    """
    if said is not None:
        if said not in ROUNDINGS:
            raise UsageError("RATE-3", "rounding", "unknown rounding", said, ", ".join(ROUNDINGS))
        return said
    converted = net.provenance.get("made_by") == "fsref.convert"
    for keys in (("populations", name, "rounding"), ("options", "rounding")) if converted else (("rounding",),):
        told: Any = net.provenance
        for key in keys:  # the provenance of a file may be anything
            told = told.get(key) if isinstance(told, Mapping) else None
        if told == "nearest" or told == "floor":
            return "nearest" if told == "nearest" else "floor"
    wrong = f"nothing says whether a rounding half is in the bias of {name}"
    raise UsageError("RATE-3", "rounding", wrong, None, "nearest or floor; networks made by fsref convert tell it")


def neurons(net: Network, setting: Setting, said: Rounding | None = None) -> dict[str, Neurons]:
    """The neurons of every population, by name (RATE-1 to RATE-5). Errors: NetworkError, UsageError."""
    if setting not in SETTINGS:
        raise UsageError("RATE-2", "setting", "unknown setting", setting, ", ".join(SETTINGS))
    for name, gate in net.gates.items():
        problem, limit = (
            "a gate has no rate-coded twin: rates do not multiply spike by spike",
            "networks without gates",
        )
        raise NetworkError("RATE-1", name, problem, f"by {gate.by}", limit)
    found: dict[str, Neurons] = {}
    best = setting == "best"
    for p in net.populations:
        zeros = np.zeros(p.shape[0], np.int64)
        match p:
            case Input():
                L = zeros + p.max_code + 1
                found[p.name] = Neurons(L, L, zeros, zeros[:, None, None], analog=best)
            case MaxPool() | View():
                below = found[p.source]
                found[p.name] = Neurons(below.levels, zeros, zeros, zeros[:, None, None], below.analog)
            case Readout():
                found[p.name] = Neurons(zeros, zeros, zeros, p.bias_map)
            case FS():
                one, L = theta(p), 1 + p.table.rows(p.shape[0])[2].sum(axis=1)
                half = one // 2 if rounding(net, p.name, said) == "nearest" else zeros
                found[p.name] = Neurons(L, one * L, one * L // 2 if best else zeros, p.bias_map - half[:, None, None])
            case _:
                assert_never(p)
    return found


def depth(net: Network, made: Mapping[str, Neurons]) -> int:
    """The ticks that layers one step apart add to the latency (RATE-6)."""
    found: dict[str, int] = {}
    for p in net.populations:
        into = [found[q.source] + 1 for q in net.into(p.name).values() if not made[q.source].analog]
        match p:
            case MaxPool() | View():
                found[p.name] = found[p.source]
            case Input() | FS() | Readout():
                found[p.name] = max(into, default=0)
            case _:
                assert_never(p)
    return found[net.readout.name]


def reaches(net: Network, made: Mapping[str, Neurons]) -> dict[str, list[tuple[int, int]]]:
    """The least and the most that one tick adds to a neuron in any order, by population and channel (RATE-8)."""
    found = {}
    for p in net.integrating:
        bias = made[p.name].bias.astype(object)  # Python integers: nothing is proved yet
        low, high = np.minimum(bias, 0), np.maximum(bias, 0)
        for q in linear(net.into(p.name).values()):
            source, shape = made[q.source], net[q.source].shape
            ends = (np.zeros_like(source.levels), source.levels - source.analog)
            down, up = projection_bounds(q, shape, spans(q, shape, p.shape), ends, exact=True)
            low, high = low + down, high + up
        found[p.name] = [(int(a.min()), int(b.max())) for a, b in zip(low, high, strict=True)]
    return found


def check_ticks(reach: Mapping[str, list[tuple[int, int]]], made: Mapping[str, Neurons], ticks: int) -> None:
    """Nothing, when no membrane can leave 63 bits and a sign within so many ticks (RATE-8); else RangeError."""
    for name, channels in reach.items():
        for channel, ((low, high), start) in enumerate(zip(channels, made[name].start.tolist(), strict=True)):
            for value in (low * ticks, start + high * ticks):
                if abs(value) > HIGHEST:
                    problem = f"membrane may leave 64 bits within {ticks} ticks"
                    raise RangeError("RATE-8", f"{name} channel {channel}", problem, value, f"{-HIGHEST}..{HIGHEST}")
