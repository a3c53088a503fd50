"""The one writer of golden vector packs (VECTOR-2)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from os import PathLike
from pathlib import Path
from typing import Any

from fsref.formats import files
from fsref.formats.json_network import to_plain
from fsref.law.network import Network
from fsref.limits.chip import Limits
from fsref.simulation.recording import Key
from fsref.tables import Brief
from fsref.vectors.case import Case, plain
from fsref.version import __version__, latest

SCHEMA = 1
KEYS = {
    "case": ("aims", "expected", "flags", "given", "id", "network", "protocol", "rules", "scope", "unit"),
    "network": ("arrays", "id", "manifest"),
    "reject": ("flags", "frame", "id", "network", "rule"),
}
COUNTS = ("promised", "reached", "unreachable", "not_found")  # of the bins of a rule
HEAD = ("bins", "cases", "fsref", "level", "limits", "not_found", "pack", "schema", "seed", "spec_version")
SCHEMA_FILE = Path(__file__).with_name("pack.schema.json")


@dataclass(frozen=True, repr=False)
class Reject(Brief):
    """A frame, in words, that a device must refuse once it has loaded `net`, or whatever it has loaded where that is
    None: it breaks a rule of the law (VECTOR-4).
    """

    frame: tuple[int, ...]
    rule: str
    flags: tuple[str, ...]
    net: Network | None = None
    id: str = field(init=False)

    def __post_init__(self) -> None:
        told = {"frame": self.frame, "network": None if self.net is None else self.net.id}
        object.__setattr__(self, "id", hashlib.sha256(canonical(told).encode("ascii")).hexdigest()[:12])


@dataclass(frozen=True, eq=False, repr=False)
class Pack(Brief):
    """A pack: cases and rejects in the order in which they are driven, and what was promised and found of each rule:
    `bins`, counts by "promised", "reached", "unreachable" and "not_found"; `not_found` names these (VECTOR-2).
    """

    name: str
    level: int
    seed: int
    limits: Limits | None
    cases: Sequence[Case]
    rejects: Sequence[Reject] = ()
    bins: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    not_found: Sequence[str] = ()


def canonical(values: Any) -> str:
    """JSON in one way: keys sorted, no spaces, ASCII (VECTOR-2)."""
    return json.dumps(values, sort_keys=True, separators=(",", ":"), allow_nan=False)


def head_of(pack: Pack) -> dict[str, Any]:
    """The first line of a pack, as plain JSON values."""
    return {
        "fsref": __version__,
        "spec_version": latest(case.net.spec_version for case in pack.cases),
        "schema": SCHEMA,
        "pack": pack.name,
        "level": pack.level,
        "seed": pack.seed,
        "limits": None if pack.limits is None else pack.limits.to_dict(),
        "cases": len(pack.cases),
        "bins": {rule: dict(counts) for rule, counts in pack.bins.items()},
        "not_found": list(pack.not_found),
    }


def able(limits: Limits | None, keys: Iterable[Key]) -> list[Key]:
    """Those of (name, observable) that a chip of these limits can give back."""
    told = None if limits is None else limits.observables
    return [key for key in keys if told is None or key[1] in told]


def case_to_dict(case: Case) -> dict[str, Any]:
    """A case as plain JSON values, its network by its id."""
    told = {name: getattr(case, name) for name in ("id", "scope", "unit", "protocol")}
    told |= {name: list(getattr(case, name)) for name in ("aims", "rules", "flags")}
    return {**told, "network": case.net.id, "given": plain(case.given), "expected": plain(case.expected)}


def lines(pack: Pack) -> Iterator[str]:
    """The lines of a pack, without their ends."""
    digest = hashlib.sha256()
    for line in map(canonical, _objects(pack)):
        digest.update(f"{line}\n".encode("ascii"))
        yield line
    yield canonical({"end": digest.hexdigest()})


def _objects(pack: Pack) -> Iterator[dict[str, Any]]:
    """The objects of a pack but the last."""
    yield head_of(pack)
    known: set[str] = set()

    def needed(net: Network | None) -> Iterator[dict[str, Any]]:
        if net is not None and net.id not in known:
            known.add(net.id)
            yield {"network": {"id": net.id, **to_plain(net)}}

    for case in pack.cases:
        yield from needed(case.net)
        expected = {key: case.expected[key] for key in able(pack.limits, case.expected)}
        yield {"case": case_to_dict(replace(case, expected=expected))}
    for reject in pack.rejects:
        yield from needed(reject.net)
        told = {"id": reject.id, "frame": list(reject.frame), "rule": reject.rule, "flags": list(reject.flags)}
        yield {"reject": {**told, "network": None if reject.net is None else reject.net.id}}


def write(pack: Pack, path: str | PathLike[str], replace: bool = True) -> None:
    """Write a pack, complete or not at all, the same bytes for the same pack (VECTOR-2). Errors: FileError,
    UsageError.
    """
    files.write("".join(f"{line}\n" for line in lines(pack)).encode("ascii"), path, "VECTOR-2", replace)
