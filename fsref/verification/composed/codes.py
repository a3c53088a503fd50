"""What the code of a population is, by the spikes that were observed of it (CONFORM-7)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from fsref.engines import reference
from fsref.law.neuron import Ints, base_two
from fsref.verification.composed.placing import as_rows, told_elsewhere
from fsref.verification.composed.relation import UNSAID, Change, Part, column, moved, part_of, result, shifted, taken
from fsref.verification.composed.rows import Rows, rows_otherwise
from fsref.verification.composed.told import told_before
from fsref.verification.composed.values import BECOMES
from fsref.verification.composed.where import Other, others
from fsref.verification.scene import Scene


def coding(scene: Scene, fired: NDArray[np.bool_], d: Ints) -> Part | None:
    """What the code is: the sum of d (K, C, 1, 1) over the spikes (B, K, C, H, W) (FS-4)."""
    codes = scene.theirs.get("codes")
    if codes is None:
        return None
    each = d * fired
    right = each.sum(axis=1)
    operands = {f"step {t}": each[:, t] for t in range(each.shape[1])}
    operands |= {f"end {t}": each[:, ~t] for t in range(each.shape[1])}
    power = base_two(len(d))[:, None, None, None]
    at = np.arange(len(d))[:, None, None, None]
    rank: Ints = np.cumsum(fired, axis=1) - fired
    left = fired.sum(axis=1, keepdims=True) - rank - fired
    late, early = np.zeros_like(each), np.zeros_like(each)
    late[:, 1:], early[:, :-1] = fired[:, :-1], fired[:, 1:]
    others = {
        "is the train word": power * fired,
        "is the train word from its last step": power[::-1] * fired,
        "counts spikes": fired,
        "adds d backwards": d[::-1] * fired,
        "adds d of the step before": shifted(d, -1, 0) * fired,
        "adds d of the next step": shifted(d, 1, 0) * fired,
        "adds d a step late": d * late,
        "adds d a step early": d * early,
        "adds d of the first spike alone": each * (rank == 0),
        "adds d of the last spike alone": each * (left == 0),
        "leaves out the first spike": each * (rank > 0),
        "leaves out the last spike": each * (left > 0),
        "adds d of the first step whether it fires or not": d * (fired | (at == 0)),
        "adds d of the last step whether it fires or not": d * (fired | (at == len(d) - 1)),
        "adds d where it does not fire": d * ~fired,
        "doubles in each step": (d[-1:] << at[::-1]) * fired,
    }
    operands |= {name: np.asarray(given).sum(axis=1) for name, given in others.items()}
    operands["is the OR of d"] = np.bitwise_or.reduce(each, axis=1)
    operands["is the XOR of d"] = np.bitwise_xor.reduce(each, axis=1)
    operands["is that of the neuron before"] = moved(right, -1)
    values = {"the code": right, "the number of spikes": fired.sum(axis=1)}
    return part_of(scene, codes, right, operands, values, {"where it fires in all steps": fired.all(axis=1)})


def sending(scene: Scene) -> Part | None:
    """What the code of a max-pool is, by the spikes that were observed of it."""
    words, p = scene.theirs.get("spikes"), scene.population
    if words is None:
        return None
    d = scene.net.code_weights[p.name].T[:, :, None, None]
    return coding(scene, reference.input_trains(words.astype(np.int64), len(d)), d)


def codes_otherwise(parts: Sequence[Part]) -> Iterator[Change]:
    """What may be done instead of adding d up."""
    for name in parts[0].operands:
        kind, _, at = name.partition(" ")
        if kind not in ("step", "end"):
            yield taken(f"yours {name}", 1.5 if kind in ("is", "counts") else 1.9, column(name))
        else:
            told = f"step {at}" if kind == "step" else "the last step" if at == "0" else f"the last step but {at}"
            for times, what in ((0, "leaves out"), (2, "counts twice"), (-1, "takes off")):
                dear = 1.7 if at == "0" else 2.5
                yield Change(f"yours {what} {told}", dear, partial(_times, name, times - 1))
    yield from told_elsewhere()
    yield from told_before(parts)
    yield Change("yours is 2^K - 1 at most, as if each table were an FS-ReLU", 1.9, _of_relu)
    for each in BECOMES:
        yield Change(f"yours {each.text}", each.dear, result(each))
        yield Change(f"in yours d {each.text}", each.dear + 0.6, partial(_worth, each.of))
    for axis, name in enumerate(("step", "channel")):
        for other in others(name):
            text = f"yours adds d of {other.text}"
            yield Change(text, other.dear + 0.2, partial(_worth, partial(_of_other, axis, other)))
    for words, dear, rows in rows_otherwise():
        yield Change(f"yours adds d of {words}", dear, partial(_of_rows, rows))


def _of_relu(part: Part) -> Ints:
    return np.minimum(part.right, (1 << part.scene.net.steps[part.scene.population.name]) - 1)


def _worth(of: Callable[[Ints], Ints], part: Part) -> Ints | None:
    """The code when d (K, C, 1, 1) is worth something else, which may differ by neuron."""
    scene = part.scene
    if (words := scene.theirs.get("spikes")) is None:
        return None
    d: Ints = scene.net.code_weights[scene.population.name].T[:, :, None, None]
    changed = of(d)
    if np.array_equal(changed, d):
        return part.right
    return as_rows(part, (changed * reference.input_trains(words.astype(np.int64), len(d))).sum(axis=1))


def _of_other(axis: int, other: Other, d: Ints) -> Ints:
    return d.take(other.of(d.shape[axis]), axis)


def _of_rows(rows: Rows, part: Part) -> Ints | None:
    scene = part.scene
    found = rows(scene, scene.population.name, "d")
    if found is None:
        return part.right
    unsaid = as_rows(part, np.broadcast_to((found == UNSAID).any(axis=0), (scene.count, *scene.population.shape)))
    codes = _worth(lambda d: found, part)
    return None if codes is None else np.where(unsaid, UNSAID, codes)


def _times(name: str, times: int, part: Part) -> Ints | None:
    more = part.operands.get(name)
    return None if more is None else part.right + times * more
