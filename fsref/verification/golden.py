"""Golden records of bundled models: what `golden.json` says, and whether this machine computes it (EVENT-3)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fsref.engines.engine import ENGINES
from fsref.errors import FileError, FsrefError, public
from fsref.formats.bundled import bundled, load
from fsref.formats.sources import load_images
from fsref.law.images import check_images, drawn_images
from fsref.law.network import Network
from fsref.simulation.run import Result, run
from fsref.tables import Sheet, Shown, short

GOLDEN = {"test": 3, "drawn": 3, "seed": 1}


def golden_record(net: Network, x: NDArray[np.integer], y: NDArray[np.integer] | None = None) -> dict[str, Any]:
    """What `golden.json` says of a network and its test images `x`, as plain JSON values; `y` adds how many are right.

    Of the first 3 of `x` and 3 drawn images, seed 1 (ID-3): logits, of a network without classes outputs by readout
    (NET-8), and digests (EVENT-3, hexadecimal, step by step) by population. Over all of `x`: spikes by population.
    Every value is computed by all engines. Errors: FsrefError [RUN-2] when two differ.
    """
    few = np.concatenate(
        [check_images(net.input, x[: GOLDEN["test"]]), drawn_images(net.input, GOLDEN["drawn"], GOLDEN["seed"])]
    )
    names, records = [p.name for p in net.spiking], []
    for engine in ENGINES:
        shown, every = run(net, few, engine, record=names), run(net, x, engine)
        assert shown.trace is not None
        digests = {
            name: [[f"{word:08x}" for word in image] for image in words.tolist()]
            for name, words in shown.trace.digests().items()
        }
        images = [
            {**answered(shown, b), "digests": {name: digests[name][b] for name in names}} for b in range(len(few))
        ]
        record = {"images": images, "spikes": {name: int(count.sum()) for name, count in every.spike_counts.items()}}
        records.append(record if y is None else record | {"correct": int((every.predictions == y).sum())})
        if records[-1] != records[0]:
            raise FsrefError("RUN-2", "golden record", "two engines differ", f"{ENGINES[0]} and {engine}")
    return {"spec_version": net.spec_version, "id": net.id, "shown": dict(GOLDEN), "of": len(x), **records[0]}


def answered(shown: Result, b: int) -> dict[str, Any]:
    """What golden values say of the readouts for image b."""
    if shown.net.is_classifier:
        return {"logits": shown.logits[b].tolist()}
    return {"outputs": {name: values[b].tolist() for name, values in shown.outputs.items()}}


@dataclass(frozen=True, repr=False)
class SelfCheck(Shown):
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
        found = {"value_count": self.values, "differing": list(self.differing)}
        return {"network": self.name, "id": self.id, "agrees": self.agrees, **found}

    def __repr__(self) -> str:
        return short(f"<SelfCheck of {self.name}: {'agrees' if self.agrees else 'DIFFERS'}>")

    def sheet(self) -> Sheet:
        """The outcome in a line, and the first places that differ."""
        if self.agrees:
            met = "golden values are met on this machine by every engine"
            return Sheet(f"{self.name}: all {self.values:,} {met} ({self.id})")
        return Sheet(f"{self.name}: DIFFERS from golden.json", below=[("DIFFERS", place) for place in self.differing])


def unlike(observed: Any, expected: Any, file: str, place: str = "") -> Iterator[str]:
    """Every place where two JSON values differ, in words; what is expected stands in `file`."""
    if isinstance(observed, Mapping) and isinstance(expected, Mapping):
        for key in [*expected, *(k for k in observed if k not in expected)]:
            if key not in observed or key not in expected:
                yield f"{place} {key}: {'missing here' if key in expected else f'not in {file}'}".strip()
            else:
                yield from unlike(observed[key], expected[key], file, f"{place} {key}".strip())
    elif isinstance(observed, list) and isinstance(expected, list) and len(observed) == len(expected):
        for index, pair in enumerate(zip(observed, expected, strict=True)):
            yield from unlike(*pair, file, f"{place}[{index}]")
    elif observed != expected or type(observed) is not type(expected):
        yield f"{place}: observed {observed} expected {expected}"


def leaves(value: Any) -> int:
    """How many single values a JSON value holds."""
    if isinstance(value, (Mapping, list)):
        return sum(leaves(v) for v in (value.values() if isinstance(value, Mapping) else value))
    return 1


@public
def self_check(name: str = "digits") -> SelfCheck:
    """Whether this machine computes the golden record committed with a bundled model, from the files it was made of
    (EVENT-3).

    Errors: FileError, UsageError; FsrefError [RUN-2] when two engines differ already.
    """
    path = bundled(name) / "golden.json"
    try:
        expected = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        told = getattr(error, "strerror", None) or str(error)
        raise FileError("EVENT-3", str(path), "golden record cannot be read", told) from None
    net = load(str(path.with_name(f"{name}.fs.npz")))
    images = load_images(name, net)
    record = json.loads(json.dumps(golden_record(net, images.x, images.y if "correct" in expected else None)))
    if "files" in expected:
        record["files"] = {
            file: hashlib.sha256(path.with_name(file).read_bytes()).hexdigest() for file in expected["files"]
        }
    return SelfCheck(name, net.id, leaves(expected), tuple(unlike(record, expected, "golden.json"))[:10])
