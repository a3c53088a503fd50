"""The opening membrane: the bias and what projections deliver, added up (OBS-5)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from fsref.law.neuron import Ints
from fsref.law.populations import FS, Readout
from fsref.verification.composed.relation import Change, Part, moved, part_of, shifted
from fsref.verification.composed.told import BESIDE
from fsref.verification.composed.values import BECOMES
from fsref.verification.deliveries import touched
from fsref.verification.scene import Scene

ORDINALS = ("first", "second", "third", "fourth")


def opening(scene: Scene, p: FS | Readout, seen: Ints, sums: Mapping[str, Ints]) -> Part:
    """The opening membrane (B, C, H, W), of sums as they were observed: the bias and all of them (NET-5, NET-6)."""
    total: Ints = sum(sums.values(), np.zeros_like(seen, dtype=np.int64))
    bias = np.broadcast_to(p.bias_map, p.shape)
    right = bias + total
    operands: dict[str, Any] = {"bias": bias, "total": total}
    for words, by in (("before", -1), ("behind", 1)):
        operands[f"bias of the channel {words}"] = shifted(bias, by, 0)
        operands[f"bias of the neuron {words}"] = moved(bias, by)
    operands |= {"bias of channel 0": bias[:1], "bias of the last channel": bias[-1:]}
    for by in BESIDE:
        words = f"the neuron {abs(by)} {'before' if by < 0 else 'behind'}"
        operands[f"all of {words}"] = moved(right, by)
        operands[f"sum of {words}"] = _there(total, by)
    none = np.zeros((), np.int64)
    each = [*sums.values()] if len(sums) > 1 else []
    operands |= {f"{word} projection": own for word, own in zip(ORDINALS, [*each, *[none] * len(ORDINALS)], strict=False)}
    operands["last projection"] = [none, *each][-1]
    values = {"the opening": right, "the bias": bias, "the sum": total}
    return part_of(scene, seen, right, operands, values, {"where no spike arrives": ~touched(scene)})


def _there(total: Ints, by: int) -> Ints:
    """The sums of other neurons, 0 beyond the ends."""
    rows = total.reshape(len(total), -1)
    found = np.zeros_like(rows)
    at = np.arange(rows.shape[1])
    kept = (at + by >= 0) & (at + by < rows.shape[1])
    found[:, at[kept]] = rows[:, at[kept] + by]
    return found.reshape(total.shape)


def opens_otherwise(parts: Sequence[Part]) -> Iterator[Change]:
    """What may be done instead of adding the bias and all sums."""
    for name in parts[0].operands:
        kind, _, rest = name.partition(" ")
        if kind == "bias" and rest:
            yield Change(f"yours takes the {name}", 2, lambda part, name=name: part.right - part.operands["bias"] + part.operands[name])  # type: ignore[misc]
        elif kind == "all":
            yield Change(f"yours is that {rest}", 2.2, lambda part, name=name: part.operands[name])  # type: ignore[misc]
        elif kind == "sum":
            yield Change(f"yours adds the {name}, too", 2.6, lambda part, name=name: part.right + part.operands[name])  # type: ignore[misc]
        elif rest == "projection":
            for times, what in ((0, "is left out"), (2, "counts twice"), (-1, "is taken off")):
                yield Change(f"in yours the {name} {what}", 1.8, lambda part, name=name, times=times: part.right + (times - 1) * part.operands[name])  # type: ignore[misc]
    for each in BECOMES:
        yield Change(f"yours {each.text}", each.dear, lambda part, each=each: each.of(part.right))  # type: ignore[misc]
        yield Change(f"in yours the bias {each.text}", each.dear + 0.5, lambda part, each=each: part.right - part.operands["bias"] + each.of(part.operands["bias"]))  # type: ignore[misc]
        yield Change(f"in yours the sum {each.text}", each.dear + 0.7, lambda part, each=each: part.operands["bias"] + each.of(part.operands["total"]))  # type: ignore[misc]
    for name in parts[0].operands:
        if name.endswith(" projection"):
            for each in BECOMES:
                yield Change(f"in yours the sum of the {name} {each.text}", each.dear + 1.5, lambda part, each=each, name=name: part.right - part.operands[name] + each.of(part.operands[name]))  # type: ignore[misc]
