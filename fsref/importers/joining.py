"""Maps side by side along rows or columns, by whatever name a framework knows it: the sum of views, each of which shows
nothing where another stands (VIEW-1).
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, TypeAlias, TypeVar

import numpy as np

from fsref.graph.views import check, taken
from fsref.law.neuron import Ints

Lists: TypeAlias = tuple[Ints, Ints]  # rows and columns of a map, -1 for none
T = TypeVar("T", bound=Hashable)  # what names a map


def through(op: str, attributes: Mapping[str, Any], lists: Lists) -> Lists | None:
    """The places that those of a node have in what it reads; None of a node that does more than take places."""
    rows, columns = lists
    match op:
        case "view":
            return taken(np.asarray(attributes["rows"]), rows), taken(np.asarray(attributes["columns"]), columns)
        case "subsample":
            down, across = attributes["stride"]
            return np.where(rows < 0, -1, rows * down), np.where(columns < 0, -1, columns * across)
        case "pad" if not any(attributes.get("channels", ())) and max(attributes["padding"]) <= 0:
            top, left = attributes["padding"][:2]
            return np.where(rows < 0, -1, rows - top), np.where(columns < 0, -1, columns - left)
        case _:
            return None


def beside(parts: Sequence[tuple[T, Lists]], axis: int) -> list[tuple[T, Lists]]:
    """Maps side by side along rows (`axis` 0) or columns (1), each given as places of another: the views whose sum they
    are, one for all those of the same map and the same places along the other axis. Errors: ValueError where there are
    too many places.
    """
    total, start = sum(len(lists[axis]) for _, lists in parts), 0
    check(total)
    found: dict[tuple[T, bytes], tuple[T, Ints, Ints]] = {}
    for source, lists in parts:
        own, other = lists[axis], lists[1 - axis]
        gaps = np.full(total, -1, np.int64)
        _, _, places = found.setdefault((source, other.tobytes()), (source, other, gaps))
        places[start : start + len(own)] = own
        start += len(own)
    return [(source, (places, other) if axis == 0 else (other, places)) for source, other, places in found.values()]
