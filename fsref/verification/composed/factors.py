"""Factors of a gate whose spikes wait, are lost or come twice, alone or with those of its source; and factors and
weights of a gate that are read at other addresses (CONFORM-7).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TypeAlias

import numpy as np

from fsref.engines import reference
from fsref.law.neuron import Ints
from fsref.law.populations import Shape
from fsref.law.projections import Gate
from fsref.verification.composed.addresses import ADDRESSES, Address
from fsref.verification.composed.delivering import TIMES
from fsref.verification.composed.earlier import before, is_known
from fsref.verification.composed.happening import Meant, happening, those
from fsref.verification.composed.memory import Lying, Place, bases, lying, read_at
from fsref.verification.composed.queues import Send, queues
from fsref.verification.composed.relation import UNSAID
from fsref.verification.composed.rows import Rows, rows_otherwise
from fsref.verification.composed.where import Some, sources
from fsref.verification.scene import Scene
from fsref.verification.stale_causes import in_order

DEAREST = 2.3  # words of what else happens, of the spikes of a factor
Given: TypeAlias = Callable[[Scene, Gate], dict[str, Ints]]  # operands of a gate that are others


def factors_otherwise() -> Iterator[tuple[str, float, Given]]:
    """Other factors, in words, how dear these are, and the operands that are others."""
    for words, dear, address in ADDRESSES:
        yield f"its factor is read at the address of {words}", dear, partial(_addressed, address)
        yield f"its weight is read at the address of {words}", dear, partial(_weighed, partial(_of_place, address))
    for words, dear, place in bases():
        yield words, dear, partial(_weighed, partial(_of_base, place))
    for where in sources():
        for times, what, dear in TIMES[:2] if where.dear else ():
            spike = f"a spike{where.text.removesuffix(' of the source')} of its factor {what}"
            yield spike, dear + where.dear, partial(_sent, partial(_some, times, where), False)
            spike = f"a spike{where.text.removesuffix(' of the source')} of its source and of its factor {what}"
            yield spike, dear + where.dear + 0.1, partial(_sent, partial(_some, times, where), True)
    yield "registers of its factor keep what gates before left in the image", 1.8, partial(_kept, False)
    yield "registers of its factor keep what gates before left, from image to image", 1.8, partial(_kept, True)
    for words, dear, rows in rows_otherwise():
        yield f"a spike of its factor is worth d of {words}", dear, partial(_worth, rows, False)
        yield f"a spike of its source or its factor is worth d of {words}", dear + 0.1, partial(_worth, rows, True)
    for words, dear, of in queues():
        yield f"{words}, of its factor", dear + 0.1, partial(_sent, of, False)
        yield f"{words}, of its source and of its factor", dear + 0.1, partial(_sent, of, True)
    for meant in happening():
        for times, what, dear in TIMES[:2] if meant.dear <= DEAREST else ():
            spike, of = f"a spike{meant.text} {what}", partial(_times, times, meant)
            yield f"{spike}, of its factor", dear + meant.dear + 0.1, partial(_sent, of, False)
            yield f"{spike}, of its source and of its factor", dear + meant.dear + 0.1, partial(_sent, of, True)


def _addressed(address: Address, scene: Scene, gate: Gate) -> dict[str, Ints]:
    """Factors by address; beyond the last of them it is not known what stands."""
    shape, by = scene.net[gate.source].shape, scene.net[gate.by].shape
    codes, at = scene.codes[gate.by], address(shape, by)
    flat = codes.reshape(len(codes), -1)
    there = at < flat.shape[1]
    return {"factor": np.where(there, flat[:, np.where(there, at, 0)], UNSAID).reshape(-1, *shape)}


def _of_base(place: Place, own: Lying, source: Shape, by: Shape) -> Ints:
    return place(own)[..., 0]


def _of_place(address: Address, own: Lying, source: Shape, by: Shape) -> Ints:
    return own.base + address(source, by).reshape(source)


def _weighed(place: Callable[[Lying, Shape, Shape], Ints], scene: Scene, gate: Gate) -> dict[str, Ints]:
    """Weights of other addresses (C, H, W), or what broadcasts to it; beyond the last it is not known what stands."""
    net = scene.net
    own = lying(net, next(name for name, q in net.gates.items() if q is gate))
    weights, there = read_at(net, place(own, net[gate.source].shape, net[gate.by].shape))
    return {"weight": np.where(there, weights, UNSAID)}


def _some(times: int, where: Some[tuple[int, ...]], z: Ints) -> Ints:
    return z * np.where(where.of(z.shape[2:]), times, 1)


def _kept(images: bool, scene: Scene, gate: Gate) -> dict[str, Ints]:
    """Factors on top of what stands at their addresses of those of gates before, of the image or of all images."""
    gates = [*scene.net.gates.values()]
    at = next(i for i, q in enumerate(gates) if q is gate)
    codes = scene.codes[gate.by]
    if any(q.by not in scene.sent for q in gates[:at]):
        return {"factor": np.full_like(codes, UNSAID)}
    left = sum((_at_addresses(scene, q, codes) for q in gates[:at]), codes)
    if images and is_known(scene) and all(q.by in scene.sent for q in gates):
        whole = sum((_at_addresses(scene, q, codes) for q in gates), 0 * codes)
        left = left + before(scene, in_order(scene, lambda asked: np.cumsum(asked, axis=0), whole))
    return {"factor": left}


def _at_addresses(scene: Scene, gate: Gate, like: Ints) -> Ints:
    """The factor of another gate at the addresses of one, 0 where it has none."""
    name = gate.by
    spikes = reference.input_trains(scene.sent[name].astype(np.int64), scene.net.steps[name])
    codes = reference.codes(spikes, scene.net.code_weights[name]).reshape(len(like), -1)
    found = np.zeros_like(like).reshape(len(like), -1)
    n = min(codes.shape[1], found.shape[1])
    found[:, :n] = codes[:, :n]
    return found.reshape(like.shape)


def _sent(of: Send, both: bool, scene: Scene, gate: Gate) -> dict[str, Ints]:
    """The codes of spikes that are sent otherwise."""
    return {word: _code(of, scene, name) for word, name in _names(both, gate).items()}


def _names(both: bool, gate: Gate) -> dict[str, str]:
    return {"factor": gate.by, "code": gate.source} if both else {"factor": gate.by}


def _worth(rows: Rows, both: bool, scene: Scene, gate: Gate) -> dict[str, Ints]:
    """The codes of spikes that are worth d of other rows."""
    found = {}
    for word, name in _names(both, gate).items():
        if (d := rows(scene, name, "d")) is not None:
            unknown = np.broadcast_to((d == UNSAID).any(axis=0), scene.codes[name].shape)
            found[word] = np.where(unknown, UNSAID, (scene.spikes(name) * d).sum(axis=1))
    return found


def _code(of: Send, scene: Scene, name: str) -> Ints:
    d: Ints = scene.net.code_weights[name].T[:, :, None, None]
    found: Ints = (d * of(scene.spikes(name).astype(np.int64))).sum(axis=1)
    return found


def _times(times: int, meant: Meant, z: Ints) -> Ints:
    return z + (times - 1) * those(meant, z)
