"""What a page of a network's spikes holds: the integers of one image, packed, and what they mean (DEBUG-1)."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass, field
from typing import Any, TypeAlias, assert_never

import numpy as np
from numpy.typing import NDArray

from fsref.law.network import Network
from fsref.law.populations import FS, Input, MaxPool, Population, Readout, View
from fsref.law.projections import Conv2d, Dense, Gate, Projection, smallest_dtype
from fsref.reports.view_choice import Chosen
from fsref.simulation.recording import Trace
from fsref.tables import Brief

Place: TypeAlias = list[Any]  # of an array among packed integers: type, first byte, how many
ALIGNED = 8  # bytes


@dataclass(eq=False, repr=False)
class Packed(Brief):
    """Arrays of integers one behind another, each in the smallest type that holds it, little-endian, from a multiple of
    8 bytes on.
    """

    parts: list[bytes] = field(default_factory=list)
    size: int = 0

    def add(self, values: NDArray[Any], trains: bool = False) -> Place:
        """The place of an array, put behind what is there; `trains` are words of 16 bits or fewer, never negative."""
        byte = trains and int(values.max(initial=0)) < 2**8
        kind: np.dtype[Any] = np.dtype("|u1" if byte else "<u2") if trains else smallest_dtype(values)
        data = values.astype(kind).tobytes()
        place = [kind.str[1:], self.size, int(values.size)]
        self.parts.append(data + bytes(-len(data) % ALIGNED))
        self.size += len(self.parts[-1])
        return place

    def text(self) -> str:
        """All of it in base64."""
        return b64encode(b"".join(self.parts)).decode("ascii")


def population_told(net: Network, p: Population, chosen: Chosen, trace: Trace, packed: Packed) -> dict[str, Any]:
    """A population and its integers of image 0 of a recording of what was chosen: kind, shape, window, and the places
    of trains (neurons,), rows of d, T and h, one for all channels or one each, opening membranes and bias.
    """
    channels, plan = chosen.channels[p.name], net.schedule
    receives = plan.receives[p.name]
    told: dict[str, Any] = {
        "name": p.name,
        "kind": p.kind,
        "shape": list(p.shape),
        "steps": net.steps[p.name],
        "start": plan.start[p.name],
        "receives": [receives.start, receives.stop],
        "channels": None if len(channels) == p.shape[0] else channels.tolist(),
    }

    def rows(values: NDArray[Any]) -> Place:
        return packed.add(values if values.ndim == 1 or len(values) == 1 else values[channels])

    def membranes(bias: NDArray[Any]) -> dict[str, Any]:
        opening = packed.add(trace[p.name, "opening"][0])
        return {"opening": opening, "bias": packed.add(bias[channels]), "synapses": p.name in chosen.synapses}

    if (p.name, "spikes") in trace.arrays:
        trains = trace[p.name, "spikes"][0]
        told["trains"] = packed.add(trains, trains=True)
        d = net.code_weights[p.name]
        told["d"] = rows(d[0] if (d == d[0]).all() else d)
        fired = [int((trains >> shift & 1).sum()) for shift in range(net.steps[p.name] - 1, -1, -1)]
        told["fired"] = fired
    match p:
        case Input():
            pass
        case MaxPool():
            told |= {"source": p.source, "kernel": p.kernel, "stride": p.stride, "padding": p.padding}
        case View():
            told |= {"source": p.source, "rows": packed.add(p.rows), "columns": packed.add(p.columns)}
        case FS():
            told |= {"T": rows(p.table.T), "h": rows(p.table.h), **membranes(p.bias)}
        case Readout():
            told |= membranes(p.bias)
        case _:
            assert_never(p)
    return told


def projection_told(name: str, q: Projection, packed: Packed) -> dict[str, Any]:
    """A projection, the place of its weights and how they lie."""
    told: dict[str, Any] = {"name": name, "source": q.source, "target": q.target, "weights": packed.add(q.weights)}
    match q:
        case Conv2d():
            told |= {"kind": "conv2d", "shape": q.weights.shape, "stride": q.stride, "padding": q.padding}
            return {**told, "dilation": q.dilation, "groups": q.groups}
        case Dense():
            return {**told, "kind": "dense", "shape": q.weights.shape, "pooled": q.pooled}
        case Gate():
            return {**told, "kind": "gate", "by": q.by}
        case _:
            assert_never(q)


def data_of(net: Network, chosen: Chosen, trace: Trace) -> tuple[dict[str, Any], Packed]:
    """What a page says of a network and of image 0 of a recording of what was chosen, as plain JSON values, and its
    integers.
    """
    packed = Packed()
    populations = [population_told(net, net[name], chosen, trace, packed) for name in chosen.channels]
    into = [item for name in chosen.channels if name in chosen.synapses for item in net.into(name).items()]
    projections = [projection_told(name, q, packed) for name, q in into]
    return {"steps": net.schedule.steps, "populations": populations, "projections": projections}, packed
