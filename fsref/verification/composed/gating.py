"""What a gate delivers: by which factor it multiplies which code (CONFORM-7)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import product

import numpy as np
from numpy.typing import NDArray

from fsref.law.neuron import Ints
from fsref.law.projections import Gate
from fsref.verification.composed.between import spikes_left
from fsref.verification.composed.coinciding import coincides_otherwise
from fsref.verification.composed.delivering import TIMES, rows_of
from fsref.verification.composed.earlier import before, is_known
from fsref.verification.composed.factors import factors_otherwise
from fsref.verification.composed.placing import AXES, elsewhere
from fsref.verification.composed.relation import UNSAID, Change, Part, later, of_projection
from fsref.verification.composed.spikes import spikes_otherwise
from fsref.verification.composed.told import telling, told_otherwise
from fsref.verification.composed.values import BECOMES
from fsref.verification.composed.where import Other, Some, steps
from fsref.verification.scene import Scene

OPERANDS = {"code": "the code of its source", "factor": "its factor", "weight": "its weight"}


def gating(scene: Scene, name: str, seen: Ints) -> Part:
    """What a gate delivers, (B, C, H, W) (GATE-1)."""
    part = telling(scene, seen, scene.sums[name])
    operands = _operands(replace(part, of=name))
    rows = {word: rows_of(part, np.broadcast_to(operands[word], seen.shape)) for word in operands}
    values = {"the sum": part.right, **{OPERANDS[word]: own for word, own in rows.items()}}
    gate, net = scene.net.gates[name], scene.net
    facts = {
        "K of the source": net.steps[gate.source],
        "where its spikes wait": net.schedule.delays[gate.source, gate.target] > 0,
    }
    return of_projection(replace(part, operands={**part.operands, **rows}), name, facts, values)


def _gate(part: Part) -> Gate:
    return part.scene.net.gates[part.of]


def _operands(part: Part) -> dict[str, Ints]:
    """What a gate multiplies, each with the shape (B, C, H, W) or what broadcasts to it."""
    gate, codes = _gate(part), part.scene.codes
    weights: Ints = gate.weights.astype(np.int64)[:, None, None]
    return {"code": codes[gate.source], "factor": codes[gate.by], "weight": weights}


def gates_otherwise(parts: Sequence[Part]) -> Iterator[Change]:
    """What a gate may deliver instead."""
    yield from spikes_left(parts)
    yield from told_otherwise(parts)
    yield from spikes_otherwise()
    yield from coincides_otherwise()
    for word, told in OPERANDS.items():
        for each in BECOMES:
            yield Change(f"in yours {told} {each.text}", each.dear + 0.3, partial(_with, word, each.of))
        yield Change(f"in yours {told} is multiplied twice", 1.9, partial(_with, word, np.square))
        for name, other in elsewhere("channel", "row", "column", "neuron"):
            if word != "weight" or name == "channel":
                text = f"in yours {told} is that of {other.text}"
                yield Change(text, other.dear, partial(_with, word, partial(_elsewhere, name, other)))
    for each in BECOMES:
        pair = "the product of code and factor"
        yield Change(f"in yours {pair} {each.text}", each.dear + 0.5, partial(_product, each.of))
        spike = "the product of d[t] and factor, of each spike,"
        yield Change(f"in yours {spike} {each.text}", each.dear + 0.7, partial(_product_of_spike, each.of, False))
        spike = "the product of weight, d[t] and factor, of each spike,"
        yield Change(f"in yours {spike} {each.text}", each.dear + 0.7, partial(_product_of_spike, each.of, True))
    for when, (times, what, dear) in product(steps(), TIMES):
        text = f"in yours a spike{when.text} of its factor {what}"
        yield Change(text, dear + 0.2 + when.dear, partial(_factor_spikes, times, when))
    for each in BECOMES:
        for words, both in (("d of its factor", False), ("d of its source and of its factor", True)):
            yield Change(f"in yours {words} {each.text}", each.dear + 1, partial(_worth, each.of, both))
    for words, by in (("the step before", -1), ("the next step", 1)):
        yield Change(f"in yours a spike of its factor is worth d of {words}", 2, partial(_factor_of_step, by))
    for when in steps()[1:]:
        text = f"in yours a spike{when.text} is multiplied by 1, not by its factor"
        yield Change(text, 1.8 + when.dear, partial(_alone, when))
    yield Change("in yours each spike delivers w times the sum of d[t] and its factor", 2.1, _added)
    for by in range(1, 5):
        text = f"in yours what came of its factor {by} step{'s' * (by > 1)} before is multiplied by"
        yield Change(text, 2.4, partial(_incomplete, by))
    for words, dear, own in factors_otherwise():
        yield Change(f"in yours {words}", dear, partial(_given, own))
    if is_known(parts[0].scene):
        for word in ("factor", "code"):
            text = f"in yours {OPERANDS[word]} is that of the image before"
            yield Change(text, 1.6, partial(_of_image_before, word))


def _given(own: Callable[[Scene, Gate], dict[str, Ints]], part: Part) -> Ints:
    return _made(part, **own(part.scene, _gate(part)))


def _made(part: Part, **other: Ints) -> Ints:
    """What is delivered when some operands are others."""
    own = _operands(part) | other
    unsaid: NDArray[np.bool_] = np.zeros(1, np.bool_)
    for word in own:
        others = [own[each] for each in own if each != word]
        unsaid = unsaid | ((own[word] == UNSAID) & (others[0] != 0) & (others[1] != 0))
    known = [np.where(values == UNSAID, 0, values) for values in own.values()]
    return rows_of(part, np.where(unsaid, UNSAID, known[0] * known[1] * known[2]))


def _with(word: str, of: Callable[[Ints], Ints], part: Part) -> Ints:
    return _made(part, **{word: of(_operands(part)[word])})


def _of_image_before(word: str, part: Part) -> Ints:
    return _with(word, partial(before, part.scene), part)


def _elsewhere(name: str, other: Other, values: Ints) -> Ints:
    """Values (..., C, H, W) of another place."""
    if name == "neuron":
        rows = values.reshape(*values.shape[:-3], -1)
        return rows[..., other.of(rows.shape[-1])].reshape(values.shape)
    return np.take(values, other.of(values.shape[AXES[name]]), AXES[name])


def _product(of: Callable[[Ints], Ints], part: Part) -> Ints:
    own = _operands(part)
    return rows_of(part, of(own["code"] * own["factor"]) * own["weight"])


def _product_of_spike(of: Callable[[Ints], Ints], weighed: bool, part: Part) -> Ints:
    d, z = _sent(part, _gate(part).source)
    own = _operands(part)
    inner, outer = (own["weight"], 1) if weighed else (1, own["weight"])
    return rows_of(
        part, sum((z[:, t] * of(d[t] * own["factor"] * inner) * outer for t in range(len(d))), 0 * own["code"])
    )


def _factor_spikes(times: int, when: Some[int], part: Part) -> Ints:
    """Spikes of the factor that count so many times in some steps."""
    d, z = _sent(part, _gate(part).by)
    count = np.where(when.of(len(d)), times, 1)[:, None, None, None]
    return _made(part, factor=(d * count * z).sum(axis=1))


def _worth(of: Callable[[Ints], Ints], both: bool, part: Part) -> Ints:
    """Spikes of the factor, and those of the source, worth something else."""
    gate, given = _gate(part), {}
    for word, name in (("factor", gate.by), *[("code", gate.source)] * both):
        d, z = _sent(part, name)
        given[word] = (of(d) * z).sum(axis=1)
    return _made(part, **given)


def _factor_of_step(by: int, part: Part) -> Ints:
    d, z = _sent(part, _gate(part).by)
    return _made(part, factor=(later(d, -by, 0) * z).sum(axis=1))


def _alone(when: Some[int], part: Part) -> Ints:
    """Spikes of the source of some steps without the factor."""
    d, z = _sent(part, _gate(part).source)
    own = _operands(part)
    some = (d * when.of(len(d))[:, None, None, None] * z).sum(axis=1)
    return rows_of(part, ((own["code"] - some) * own["factor"] + some) * own["weight"])


def _added(part: Part) -> Ints:
    d, z = _sent(part, _gate(part).source)
    own = _operands(part)
    return rows_of(part, (own["code"] + z.sum(axis=1) * own["factor"]) * own["weight"])


def _incomplete(by: int, part: Part) -> Ints:
    """Each spike of the source times what its factor had sent so many steps before, as if both began together."""
    gate, own = _gate(part), _operands(part)
    d, z = _sent(part, gate.source)
    total = 0 * own["code"]
    more, fired = _sent(part, gate.by)
    for t in range(len(d)):
        end = max(t + 1 - by, 0)
        factor = (more[:end] * fired[:, :end]).sum(axis=1)
        total = total + d[t] * z[:, t] * factor
    return rows_of(part, total * own["weight"])


def _sent(part: Part, source: str) -> tuple[Ints, Ints]:
    """d (K, C, 1, 1) and the spikes (B, K, C, H, W) of a source."""
    d: Ints = part.scene.net.code_weights[source].T[:, :, None, None]
    return d, part.scene.spikes(source).astype(np.int64)
