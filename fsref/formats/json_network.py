"""A network as JSON alone: its manifest, and its arrays as nested lists of integers (VECTOR-2)."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from fsref.errors import FileError
from fsref.formats.npy import npy
from fsref.formats.npz import build, manifest_of
from fsref.law.network import Network
from fsref.law.neuron import Ints


def to_plain(net: Network) -> dict[str, Any]:
    """A network as plain JSON values: `manifest` (FILE-3), and `arrays` by their names in a file (FILE-1)."""
    place = {p.name: index for index, p in enumerate(net.populations)}
    arrays = {f"population.{place[fs.name]}.{a}": getattr(fs.table, a) for fs in net.fs for a in "Thd"}
    arrays |= {f"population.{place[p.name]}.bias": p.bias for p in net.integrating}
    arrays |= {f"projection.{index}.weights": q.weights for index, q in enumerate(net.projections)}
    return {"manifest": manifest_of(net), "arrays": {name: array.tolist() for name, array in arrays.items()}}


def from_plain(plain: Any, where: str) -> Network:
    """The network that plain JSON values hold, every rule checked. Errors: FileError, NetworkError, RangeError."""
    if not isinstance(plain, dict) or set(plain) != {"manifest", "arrays"} or not isinstance(plain["arrays"], dict):
        raise FileError("VECTOR-2", where, "is no network", None, "an object of manifest and arrays")
    members = {"manifest.json": json.dumps(plain["manifest"]).encode("ascii")}  # half a character among it
    for name, values in plain["arrays"].items():
        array = integers(values)
        if array is None:
            raise FileError("VECTOR-2", f"{where}: {name}", "is no array of integers of 64 bits")
        members[f"{name}.npy"] = npy(array)
    return build(members, where)


def integers(values: Any) -> Ints | None:
    """Nested lists of integers of 64 bits as an array; None where these are none."""
    try:
        array = np.array(values)
        # A truth among integers would become one.
        return array if array.dtype == np.int64 and json.dumps(array.tolist()) == json.dumps(values) else None
    except (ValueError, OverflowError, RecursionError):
        return None
