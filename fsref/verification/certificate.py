"""A certificate: what is proved of one network for every image, as a file that refuses any other network (PROOF-7)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from os import PathLike
from typing import Any

import numpy as np

from fsref.errors import FileError, UsageError, shown
from fsref.formats.container import unique
from fsref.formats.npz import depth
from fsref.formats.reading import read_whole
from fsref.law.network import Network
from fsref.law.neuron import Ints
from fsref.tables import Sheet, Shown, plural, span
from fsref.verification.golden import unlike
from fsref.version import SPEC_VERSION

FORM = 1  # of the file
MAX_FILE = 2**24
MAX_DEPTH = 8  # of objects and lists in one another: far more than there are
SPANS = 8  # of codes that a certificate lists
Pair = tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class Certified:
    """What is proved of one population, intervals as the hull over its channels; None or 0 where a kind has no such
    thing (PROOF-2 to PROOF-6).

    `saturating_exact` and `wrapping_exact` say that with one bit less some image has another membrane. Codes and
    channels are counted whole, and listed as their first 8 spans.
    """

    index: int
    kind: str
    neurons: int
    any_order: Pair | None = None
    final: Pair | None = None
    partial_sums: Pair | None = None
    membranes: Pair | None = None
    codes: Pair | None = None
    saturating_bits: int | None = None
    saturating_exact: bool = False
    wrapping_bits: int | None = None
    wrapping_exact: bool = False
    interval_count: int = 0
    unreachable_code_count: int = 0
    unreachable_codes: tuple[Pair, ...] = ()
    dead_neuron_count: int = 0
    dead_channel_count: int = 0
    dead_channels: tuple[Pair, ...] = ()


def first_spans(values: Ints) -> tuple[Pair, ...]:
    """The first spans of ascending integers, (first, last) each."""
    runs = np.split(values, np.flatnonzero(np.diff(values) > 1) + 1) if len(values) else []
    return tuple((int(run[0]), int(run[-1])) for run in runs[:SPANS])


@dataclass(frozen=True, repr=False)
class Certificate(Shown):
    """What `prove` found: of each population what holds for every image; `refuted` is what does not hold, or empty.

    It is of the network with this `network` name and `id`; `names` are those of its populations. The neurons of
    `engines` were fired at `fired` membranes.
    """

    network: str
    names: Sequence[str]
    id: str
    populations: tuple[Certified, ...]
    engines: tuple[str, ...]
    fired: int
    refuted: str = ""

    @property
    def holds(self) -> bool:
        """Whether everything was proved."""
        return not self.refuted

    def proved(self) -> list[dict[str, Any]]:
        """What is proved, by which rule and method, in how many cases; nothing where something is refuted."""
        if self.refuted:
            return []
        sums = sum(p.final is not None for p in self.populations)
        pools = sum(p.kind == "max_pool" for p in self.populations)
        intervals = sum(p.interval_count for p in self.populations)
        rows = [
            ("PROOF-2", "every sum stays in its interval", "sums place by place", sums),
            ("PROOF-3", "neuron = staircase at each membrane", "both ends of intervals", intervals),
            ("PROOF-4", "max-pool sends the largest train", "every word and case", pools),
            ("PROOF-1", "events = quantized, trains and codes", "induction", len(self.populations)),
        ]
        return [dict(zip(("rule", "proved", "method", "cases"), row, strict=True)) for row in rows]

    def to_dict(self) -> dict[str, Any]:
        """The certificate as plain JSON values: of the id alone, without names and times (PROOF-7)."""
        plain = {"certificate": FORM, "law": int(SPEC_VERSION.partition(".")[0]), "id": self.id}
        tested = {"engines": list(self.engines), "membrane_count": self.fired}
        found = json.loads(json.dumps([asdict(p) for p in self.populations]))  # pairs as lists
        return {**plain, "statements": self.proved(), "tested": tested, "populations": found}

    def to_bytes(self) -> bytes:
        """The file of the certificate: the same network gives the same bytes (PROOF-7). Errors: UsageError where
        something is refuted.
        """
        if self.refuted:
            raise UsageError("PROOF-7", self.id, "is not certified", self.refuted)
        plain = self.to_dict()

        def lines(rows: Sequence[Any]) -> str:
            return ",\n  ".join(json.dumps(row, sort_keys=True) for row in rows)

        parts = [
            f" {json.dumps(key)}: "
            + (f"[\n  {lines(value)}\n ]" if key in ("populations", "statements") else json.dumps(value))
            for key, value in sorted(plain.items())
        ]
        return ("{\n" + ",\n".join(parts) + "\n}\n").encode("ascii")

    def __repr__(self) -> str:
        return f"<Certificate of {self.id[:12]}: {'holds for every image' if self.holds else 'REFUTED'}>"

    def sheet(self) -> Sheet:
        """The certificate as a table: a line per population; below it what is proved, and what is only tested."""
        rows = []
        for p in self.populations:
            fires = p.kind == "fs"
            rows.append(
                (
                    self.names[p.index],
                    width(p.saturating_bits, p.saturating_exact),
                    width(p.wrapping_bits, p.wrapping_exact),
                    None if p.partial_sums is None else span(*p.partial_sums),
                    None if p.codes is None else span(*p.codes),
                    p.unreachable_code_count if p.codes is not None else None,
                    p.interval_count if fires else None,
                    p.dead_neuron_count if fires else None,
                    p.dead_channel_count if fires else None,
                )
            )
        head = (
            "population",
            "saturating bits",
            "wrapping bits",
            "partial sums",
            "codes",
            "unreachable codes",
            "intervals",
            "dead neurons",
            "dead channels",
        )
        title = f"{self.network or 'network'} {self.id}: for every image"
        if self.refuted:
            return Sheet(title, head, rows, below=[("REFUTED", self.refuted)])
        engines = ", ".join(self.engines)
        tested = [("TESTED", f"neurons of {engines} at {plural(self.fired, 'membrane')}, both ends of each interval")]
        tested += [("", "nothing else of the code: fsref check tests that on images")]
        proved = [(s["rule"], s["proved"], s["method"], s["cases"]) for s in self.proved()]
        statements = Sheet("proved", ("rule", "for every image", "by", "cases"), proved, left=3, below=tested)
        return Sheet(title, head, rows, more=[statements])


def width(count: int | None, exact: bool) -> str | None:
    """A width as "= 14", where one bit less is too few, or "<= 14", where that is not known."""
    return None if count is None else f"{'=' if exact else '<='} {count}"


def read_certificate(path: str | PathLike[str], net: Network) -> dict[str, Any]:
    """What the certificate of a network says, as JSON values. Errors: FileError [PROOF-7], for the certificate of
    another network, too.
    """
    place = str(path)
    data = read_whole(path, "PROOF-7", MAX_FILE, "a certificate")
    try:
        told = json.loads(data, object_pairs_hook=unique)
    except (ValueError, RecursionError) as error:
        raise FileError("PROOF-7", place, "not a certificate in JSON", str(error)) from None
    if (deep := depth(told)) > MAX_DEPTH:
        raise FileError("PROOF-7", place, "not a certificate", f"nested {deep} deep", f"at most {MAX_DEPTH}")
    if not isinstance(told, dict) or not isinstance(told.get("id"), str) or "certificate" not in told:
        raise FileError("PROOF-7", place, "not a certificate", None, "wanted what fsref check NET --prove --out writes")
    if told["certificate"] != FORM or type(told["certificate"]) is not int:
        raise FileError("PROOF-7", place, "is of another form", told["certificate"], f"this fsref reads {FORM}")
    if told["id"] != net.id:
        raise FileError("PROOF-7", place, "is of another network", told["id"], f"this network has {net.id}")
    return told


def unmet(told: dict[str, Any], found: Certificate) -> tuple[str, ...]:
    """The first places where a certificate that was read says another thing than what is proved now."""
    names = {f"populations[{index}] ": f"{shown(name)}: " for index, name in enumerate(found.names)}
    places = (shown(place) for place in islice(unlike(found.to_dict(), told, "the certificate"), 10))
    return tuple(names.get(place[: (end := place.find(" ") + 1)], place[:end]) + place[end:] for place in places)
