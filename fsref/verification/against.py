"""A network beside float32 neurons: which spikes differ, and whether all of them may (FLOAT-5)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from os import PathLike
from typing import Any, assert_never

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fsref.formats.bundled import network_of
from fsref.law.images import check_images
from fsref.law.network import Network
from fsref.law.neuron import Ints
from fsref.law.populations import FS, Input, MaxPool, Readout, View
from fsref.simulation.memory import check_threads, images_at_once, most_neurons, run_bytes
from fsref.simulation.recording import Record, Trace, recording_bytes, select
from fsref.simulation.run import run
from fsref.tables import Sheet, Shown, plural, short
from fsref.verification.float_neurons import Sent, held, opened, sent, unit_of
from fsref.verification.margins import margin

BYTES = (
    200  # of a neuron of the largest population, twice: its membranes on both sides, what it reads, what is compared
)
HALF = 0.5


@dataclass(frozen=True)
class Beside32:
    """One population beside its float32 neurons, over all images: how many neurons there were, images times neurons;
    the largest distance of an opening membrane from ours, and the largest that is possible at a comparison, `epsilon`,
    both in units of the membrane; how many membranes lay at a threshold, how many trains may differ, do, and do where
    they may not; and may and do with thresholds half a unit lower. Of a readout there are the distances alone.
    """

    name: str
    neurons: int
    largest_error: float
    epsilon: float
    at_threshold: int | None = None
    may_differ: int | None = None
    differ: int | None = None
    beyond: int | None = None
    may_differ_lowered: int | None = None
    differ_lowered: int | None = None

    def joined(self, other: Beside32) -> Beside32:
        """Of the images of both."""
        ours, theirs = asdict(self), asdict(other)
        for name, value in theirs.items():
            if name in ("largest_error", "epsilon"):
                ours[name] = max(ours[name], value)
            elif name != "name" and value is not None:
                ours[name] += value
        return Beside32(**ours)


@dataclass(frozen=True, repr=False)
class FloatComparison(Shown):
    """A network beside float32 neurons: see `str()`."""

    network: str
    id: str
    image_count: int
    rows: tuple[Beside32, ...]

    @property
    def beyond(self) -> int:
        """How many trains differ that may not: none, or float32 is not what IEEE 754 says."""
        return sum(row.beyond or 0 for row in self.rows)

    def __repr__(self) -> str:
        return short(f"<FloatComparison of {self.network}: {plural(self.image_count, 'image')}, beyond {self.beyond}>")

    def to_dict(self) -> dict[str, Any]:
        """The comparison as plain JSON values."""
        return {
            "network": self.network,
            "id": self.id,
            "image_count": self.image_count,
            "beyond": self.beyond,
            "populations": [asdict(row) for row in self.rows],
        }

    def sheet(self) -> Sheet:
        """A line for each population."""
        differ = sum(row.differ or 0 for row in self.rows)
        lowered = sum(row.differ_lowered or 0 for row in self.rows)
        neurons = sum(row.neurons for row in self.rows if row.differ is not None)
        told = "all of them where they may" if not self.beyond else f"{self.beyond:,} of them where they may not"
        below = [("DIFFERS", told)] if self.beyond else []
        above = [
            ("float32", "v > T fires; sums, thresholds and resets in float32; sources send our spikes"),
            ("trains", f"{differ:,} of {neurons:,} differ{f', {told}' if differ else ''}"),
            ("half a unit lower", f"with thresholds T - 1/2, {lowered:,} differ"),
        ]
        head = ("population", "neurons x images", "at a threshold", "may differ", "differ", "T - 1/2: may", "differ")
        rows = [
            (r.name, r.neurons, r.at_threshold, r.may_differ, r.differ, r.may_differ_lowered, r.differ_lowered)
            for r in self.rows
        ]
        far = [(r.name, f"{r.largest_error:.3g}", f"{r.epsilon:.3g}") for r in self.rows]
        units = Sheet("membranes, in units", ("population", "off by", "at most"), far)
        title = f"{self.network or self.id[:12]} beside float32 neurons, {plural(self.image_count, 'image')}"
        return Sheet(title, head, rows, 1, above, below, more=[units])


def against_float32(
    net: Network | str | PathLike[str],
    images: ArrayLike,
    progress: Callable[[int], None] | None = None,
    memory_limit: int = 2**33,
) -> FloatComparison:
    """Where float32 neurons, as the authors of the FS neuron have them, send other trains than a network does on images
    (B, C, H, W) of codes, each population given our spikes of its sources, and where they may (FLOAT-5).

    A few images at a time; `progress` is called with those done. Errors: InputError, LimitError.
    """
    net = network_of(net)
    x = check_images(net.input, images)
    record = Record(observables=("spikes", "opening"))
    selected, workers = select(net, record), check_threads(None)

    def bound(count: int) -> int:
        running = run_bytes(net, count, "quantized", selected, False, 1, workers)
        return running + recording_bytes(net, selected, count) + count * 2 * BYTES * most_neurons(net)

    chunk = images_at_once(recording_bytes(net, selected, 1), bound, memory_limit, "compare")
    rows: dict[str, Beside32] = {}
    for first in range(0, len(x), chunk):
        part = x[first : first + chunk]
        trace = run(net, part, "quantized", record, memory_limit=memory_limit).trace
        assert trace is not None
        for row in _rows(net, trace, len(part)):
            rows[row.name] = rows[row.name].joined(row) if row.name in rows else row
        if progress is not None:
            progress(len(part))
    return FloatComparison(net.name, net.id, len(x), tuple(rows.values()))


def _rows(net: Network, trace: Trace, images: int) -> list[Beside32]:
    """What there is to say of each population with membranes, of a recording of so many images."""
    known: dict[str, Sent] = {}
    last = {source: p.name for p in net.populations for source in net.sources(p.name)}
    rows = []
    for p in net.populations:
        match p:
            case Input() | MaxPool() | View():
                pass
            case FS() | Readout():
                rows.append(_row(net, p, trace[p.name, "opening"], known))
                known = {name: value for name, value in known.items() if last[name] != p.name}
            case _:
                assert_never(p)
        if p.name in last:
            known[p.name] = sent(net, p.name, trace[p.name, "spikes"])
    return rows


def _row(net: Network, p: FS | Readout, recorded: NDArray[Any], known: dict[str, Sent]) -> Beside32:
    """What there is to say of one population."""
    found, unit = opened(net, p, known), unit_of(net, p)
    v: Ints = recorded.astype(np.int64).reshape(len(recorded), p.shape[0], -1)
    off = found.values.reshape(v.shape).astype(np.float64) / unit[:, None] - v
    error = float(np.abs(off).max())
    match p:
        case Readout():
            return Beside32(p.name, v.size, error, float(found.bound.max()))
        case FS():
            T, h, _ = p.table.rows(p.shape[0])
            zero = int((margin(v, T, h).least == 0).sum())
            plain, lowered = held(v, found, (T, h), unit), held(v, found, (T, h), unit, HALF)
            counts = int(plain.may.sum()), int(plain.differ.sum()), plain.beyond + lowered.beyond
            after = int(lowered.may.sum()), int(lowered.differ.sum())
            return Beside32(p.name, v.size, error, plain.epsilon, zero, *counts, *after)
        case _:
            assert_never(p)
