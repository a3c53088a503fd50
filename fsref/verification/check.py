"""Check a network: what is proved of it for all images, and what was tested on some: that the engines agree on every
observable.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fsref.formats.sources import bundled, golden_record, load, load_images
from fsref.errors import FileError, UsageError
from fsref.law.network import Network
from fsref.law.neuron import Ints
from fsref.law.populations import FS, Readout
from fsref.law.ranges import width_bits
from fsref.simulation.run import ENGINES, check_images, recording_bytes, run
from fsref.simulation.recording import OBSERVABLES, Difference, Record, Trace, diff, select

CHUNK_BYTES = 2**26
CHUNK_IMAGES = 64
Extremes = dict[str, tuple[int, int]]


@dataclass(frozen=True)
class Proof:
    """What is proved of one fs or readout for every image: the bits its intervals need, and the declared width and
    promise, which hold.

    `low` and `high` are the ends of *any_order*; `seen_low` and `seen_high` the smallest and largest membrane of the
    images tested, both None where none were recorded (RANGE-1 to RANGE-5).
    """

    population: str
    any_order_bits: int
    final_bits: int
    declared_bits: int | None
    promise: str | None
    low: int
    high: int
    seen_low: int | None = None
    seen_high: int | None = None


@dataclass(frozen=True)
class CheckReport:
    """What `check` found. `values` integers were compared per engine; `engine` is the first that differs from
    `engines[0]`, at `difference`.

    `outside` names a membrane or code that left its proved interval, or is empty. `agrees` says that nothing was found.
    """

    network: str
    id: str
    proofs: tuple[Proof, ...]
    engines: tuple[str, ...]
    observables: tuple[str, ...]
    images: int
    values: int
    engine: str | None
    difference: Difference | None
    outside: str

    @property
    def agrees(self) -> bool:
        """Whether all engines gave the same integers, all within their proved intervals."""
        return self.difference is None and not self.outside

    def to_dict(self) -> dict[str, Any]:
        """The report as plain JSON values."""
        plain = {**asdict(self), "agrees": self.agrees}
        return plain | {
            "difference": None if self.difference is None else {**asdict(self.difference), "text": str(self.difference)}
        }

    def __str__(self) -> str:
        from fsref.reports.text import check_text

        return check_text(self)


def proofs(net: Network, seen: Mapping[str, tuple[int, int]] | None = None) -> tuple[Proof, ...]:
    """What is proved of every fs and readout, in order, beside the membranes `seen` (RANGE-1 to RANGE-5). A Network
    that exists is proved.
    """
    rows = []
    for p in net.populations:
        if isinstance(p, (FS, Readout)):
            proved, width = net.ranges[p.name], p.width
            ends = int(proved.any_order[:, 0].min()), int(proved.any_order[:, 1].max())
            low, high = (seen or {}).get(p.name, (None, None))
            bits, promise = (None, None) if width is None else (width.bits, width.promise)
            rows.append(
                Proof(p.name, width_bits(proved.any_order), width_bits(proved.final), bits, promise, *ends, low, high)
            )
    return tuple(rows)


def chunks(net: Network, record: Record, images: Ints, engines: int, memory_limit: int) -> Iterator[tuple[int, Ints]]:
    """The images a chunk at a time, as (index of the first, images): so many that `engines` recordings stay within
    CHUNK_BYTES each.
    """
    one = recording_bytes(net, select(net, record), 1)
    size = max(1, min(CHUNK_IMAGES, CHUNK_BYTES // one, memory_limit // (4 * engines * one)))
    for first in range(0, len(images), size):
        yield first, images[first : first + size]


def left_interval(trace: Trace, first: int, seen: Extremes) -> str:
    """The first value of a recording outside its proved interval, in words, or "" (RANGE-2, RANGE-3); adds the extreme
    membranes to `seen`.
    """
    for (name, observable), values in trace.arrays.items():
        if observable not in ("opening", "membranes", "codes"):
            continue
        population, proved = trace.net[name], trace.net.ranges[name]
        interval = {"opening": proved.opening, "membranes": proved.membranes, "codes": proved.codes}[observable]
        by_channel = values.reshape(len(values), -1, *population.shape[:1], population.shape[1] * population.shape[2])
        low, high = by_channel.min(axis=(0, 1, 3)), by_channel.max(axis=(0, 1, 3))
        if observable != "codes":
            before = seen.get(name, (int(low.min()), int(high.max())))
            seen[name] = min(before[0], int(low.min())), max(before[1], int(high.max()))
        wrong = np.flatnonzero((low < interval[:, 0]) | (high > interval[:, 1]))
        if len(wrong):
            c = int(wrong[0])
            ends = f"{int(low[c])}..{int(high[c])}", f"{int(interval[c, 0])}..{int(interval[c, 1])}"
            return (
                f"images {first}..{first + len(values) - 1} {name} channel {c} "
                f"{observable}: {ends[0]} leaves the proved {ends[1]} [RANGE-3]"
            )
    return ""


def check(
    net: Network,
    images: ArrayLike,
    engines: Sequence[str] = ENGINES,
    observables: Sequence[str] = OBSERVABLES,
    batch: int | None = None,
    threads: int | None = None,
    memory_limit: int = 2**33,
    progress: Callable[[int], None] | None = None,
) -> CheckReport:
    """What is proved of a network, and whether `engines` agree on `observables` of every population for images (B, C,
    H, W) (RUN-2).

    All engines are compared with the first, a chunk of images at a time, until one differs. `progress` is called with
    the images of each chunk. Errors: InputError, UsageError, LimitError.
    """
    if len(engines) == 0:
        raise UsageError("RUN-2", "check", "no engines to compare", None, ", ".join(ENGINES))
    if len(observables) == 0:
        raise UsageError("OBS-1", "check", "no observables to compare", None, ", ".join(OBSERVABLES))
    x = check_images(net, images)
    asked = Record(observables=tuple(observables))
    seen: Extremes = {}
    done = values = 0
    engine, found, outside = None, None, ""
    for first, part in chunks(net, asked, x, len(engines), memory_limit):
        expected = run(net, part, engines[0], asked, batch, threads, memory_limit).trace
        assert expected is not None
        outside = left_interval(expected, first, seen)
        for other in engines[1:]:
            observed = run(net, part, other, asked, batch, threads, memory_limit).trace
            assert observed is not None
            difference = diff(observed, expected)
            if difference is not None and (found is None or difference.image + first < found.image):
                engine, found = other, replace(difference, image=difference.image + first)
        done += len(part)
        values += sum(array.size for array in expected.arrays.values())
        if progress is not None:
            progress(len(part))
        if found is not None or outside:
            break
    kinds = tuple(o for o in OBSERVABLES if o in observables)
    return CheckReport(net.name, net.id, proofs(net, seen), tuple(engines), kinds, done, values, engine, found, outside)


@dataclass(frozen=True)
class SelfCheck:
    """Whether this machine gives the committed golden values of a bundled model: `differing` names the first places
    that do not.
    """

    name: str
    id: str
    values: int
    differing: tuple[str, ...]

    @property
    def agrees(self) -> bool:
        """Whether every golden value was met."""
        return not self.differing

    def to_dict(self) -> dict[str, Any]:
        """The outcome as plain JSON values."""
        return {**asdict(self), "agrees": self.agrees}

    def __str__(self) -> str:
        from fsref.reports.text import self_check_text

        return self_check_text(self)


def unlike(observed: Any, expected: Any, place: str = "") -> Iterator[str]:
    """Every place where two JSON values differ, in words."""
    if isinstance(observed, Mapping) and isinstance(expected, Mapping):
        for key in [*expected, *(k for k in observed if k not in expected)]:
            if key not in observed or key not in expected:
                yield f"{place} {key}: {'missing here' if key in expected else 'not in golden.json'}".strip()
            else:
                yield from unlike(observed[key], expected[key], f"{place} {key}".strip())
    elif isinstance(observed, list) and isinstance(expected, list) and len(observed) == len(expected):
        for index, pair in enumerate(zip(observed, expected, strict=True)):
            yield from unlike(*pair, f"{place}[{index}]")
    elif observed != expected or type(observed) is not type(expected):
        yield f"{place}: observed {observed} expected {expected}"


def leaves(value: Any) -> int:
    """How many single values a JSON value holds."""
    if isinstance(value, (Mapping, list)):
        return sum(leaves(v) for v in (value.values() if isinstance(value, Mapping) else value))
    return 1


def self_check(name: str = "digits") -> SelfCheck:
    """Whether this machine computes the golden record committed with a bundled model, from the files it was made of
    (EVENT-3).

    Errors: FileError, UsageError; FsrefError [RUN-2] when two engines differ already.
    """
    path = bundled(name) / "golden.json"
    try:
        expected = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise FileError(
            "EVENT-3", str(path), "golden record cannot be read", getattr(error, "strerror", None) or str(error)
        ) from None
    net = load(str(path.with_name(f"{name}.fs.npz")))
    images = load_images(name, net)
    record = json.loads(json.dumps(golden_record(net, images.x, images.y if "correct" in expected else None)))
    if "files" in expected:
        record["files"] = {
            file: hashlib.sha256(path.with_name(file).read_bytes()).hexdigest() for file in expected["files"]
        }
    return SelfCheck(name, net.id, leaves(expected), tuple(unlike(record, expected))[:10])
