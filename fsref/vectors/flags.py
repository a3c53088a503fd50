"""Which known mistakes answer a case otherwise than expected: each is tried (VECTOR-1, OBS-4)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fsref.engines import reference
from fsref.simulation.following import following
from fsref.simulation.recording import Key
from fsref.vectors.case import Case
from fsref.verification.causes import CAUSES
from fsref.verification.following import Cause
from fsref.verification.scene import Effect, Scene

OF_SUMS = ("PROJ-", "NET-3", "NET-7", "FS-4", "RUN-")  # rules whose mistakes show in what a projection delivers
Observed: TypeAlias = dict[str, NDArray[Any]]  # by observable, shaped as effects are
OBSERVED = ("spikes", "membranes", "codes")


class Unanswered(Scene):
    """A scene in which nobody has answered yet."""

    def given_by(self, effect: Effect) -> bool:
        """True: no form of a mistake is ruled out."""
        return True


def flagged(cases: Sequence[Case]) -> list[dict[str, set[Key]]]:
    """For each case of one network, scope and unit the mistakes that it shows, and the (population, observable) in
    which it does.
    """
    net, scope, unit = cases[0].net, cases[0].scope, cases[0].unit
    found: list[dict[str, set[Key]]] = [{} for _ in cases]
    given = {key: np.stack([case.given[key] for case in cases]) for key in cases[0].given}
    arrays = given | following(net, given)
    judged = {"network": [p.name for p in net.populations[1:]], "projection": []}.get(scope, [unit])
    if scope == "projection":
        target = net.named_projections[unit].target
        judged = [target] * (len(net.into(target)) == 1)
    for name in judged:
        scene = Unanswered(**vars(scene_of(cases[0], name, arrays)))
        right = right_of(scene)
        for cause in CAUSES:
            for effect in cause.follow(scene):
                for key, differs in shown(scene, right, scope, cause, effect):
                    for case in np.flatnonzero(differs).tolist():
                        found[case].setdefault(cause.name, set()).add(key)
    return found


def scene_of(case: Case, name: str, arrays: dict[Key, NDArray[Any]]) -> Scene:
    """The scene of a population in what was observed, arrays (B, neurons)."""
    net = case.net
    p, codes, trains = net[name], {}, {}
    count = len(next(iter(arrays.values())))
    for of in (name, *net.sources(name)):
        shape = (count, *net[of].shape)
        if case.scope == "neuron" and of != name:  # nothing is given of them, and nothing that follows from it judged
            codes[of], trains[of] = np.zeros(shape, np.int64), np.zeros(shape, np.uint16)
            continue
        if (of, "spikes") in arrays:
            trains[of] = arrays[of, "spikes"].astype(np.uint16).reshape(shape)
        elif of == net.input.name:
            trains[of] = arrays[of, "codes"].astype(np.uint16).reshape(shape)
        if of in trains:
            d, steps = net.code_weights[of], net.steps[of]
            bits = trains[of].astype(np.int64)[:, None] >> np.arange(steps - 1, -1, -1)[:, None, None, None] & 1
            codes[of] = np.einsum("bkchw,ck->bchw", bits, d)
    v = arrays.get((name, "opening"))
    opening = None if v is None else v.astype(np.int64).reshape(-1, *p.shape)
    if p is net.readout and opening is not None:
        codes[name] = opening
    return Scene(net, p, codes, trains, opening, {})


def shown(
    scene: Scene, right: Observed, scope: str, cause: Cause, effect: Effect
) -> list[tuple[Key, NDArray[np.bool_]]]:
    """In which observables of a scope an effect differs from what is right, with the images (B,) in which it does."""
    name = scene.population.name
    v = scene.opening
    opened = effect.opening is not None and v is not None and not np.array_equal(effect.opening, v)
    if scope == "projection":
        told = cause.text.rpartition("[")[2].startswith(OF_SUMS)
        return [((name, "sums"), unlike(effect.opening, v))] if opened and told else []
    if scope == "neuron" and opened:
        return []
    wrongs = [(what, getattr(effect, what)) for what in ("opening", *OBSERVED)]
    return [((name, what), unlike(wrong, right[what])) for what, wrong in wrongs if wrong is not None and what in right]


def right_of(scene: Scene) -> Observed:
    """What is right in a scene by observable, shaped as effects are."""
    p = scene.population
    found: Observed = {"codes": scene.codes[p.name]} if p.name in scene.codes else {}
    if scene.opening is not None:
        found["opening"] = scene.opening
        for fs in (fs for fs in scene.net.fs if fs is p):
            found["membranes"] = reference.fire(scene.opening, fs.table)[1]
    if p.name in scene.trains:
        found["spikes"] = scene.trains[p.name]
    return found


def unlike(wrong: Any, right: Any) -> NDArray[np.bool_]:
    """Which images (B,) differ; all, where the shapes do."""
    if wrong.shape != right.shape:
        return np.ones(len(right), bool)
    differs: NDArray[np.bool_] = (wrong != right).reshape(len(right), -1).any(axis=1)
    return differs
