"""What is proved of every population with membranes, for all images (RANGE-1 to RANGE-5)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fsref.law.network import Network
from fsref.law.ranges import width_bits


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


def proofs(net: Network, seen: Mapping[str, tuple[int, int]] | None = None) -> tuple[Proof, ...]:
    """What is proved of every fs and readout, in order, beside the membranes `seen` (RANGE-1 to RANGE-5). A Network
    that exists is proved.
    """
    rows = []
    for p in net.integrating:
        proved, width = net.ranges[p.name], p.width
        ends = int(proved.any_order[:, 0].min()), int(proved.any_order[:, 1].max())
        low, high = (seen or {}).get(p.name, (None, None))
        declared: tuple[int | None, str | None] = (None, None) if width is None else (width.bits, width.promise)
        bits = width_bits(proved.any_order), width_bits(proved.final)
        rows.append(Proof(p.name, bits[0], bits[1], declared[0], declared[1], ends[0], ends[1], low, high))
    return tuple(rows)
