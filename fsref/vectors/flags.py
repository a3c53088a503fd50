"""Which known mistakes answer a case otherwise than expected: each is tried (VECTOR-1, OBS-4)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fsref.engines import reference
from fsref.law.network import Network
from fsref.simulation.following import following
from fsref.simulation.recording import Key
from fsref.vectors.case import Case
from fsref.verification.causes import CAUSES
from fsref.verification.firing_causes import FIRING
from fsref.verification.neuron_causes import HELD, NEURON
from fsref.verification.scene import Effect, Scene
from fsref.verification.stuck_causes import SILENT, STUCK
from fsref.verification.table_causes import TABLE

OF_NEURONS = (SILENT, *NEURON, HELD, *FIRING, *TABLE, *STUCK)  # what may be wrong behind a right opening
Observed: TypeAlias = dict[str, NDArray[Any]]  # by observable, shaped as effects are
OBSERVED = ("spikes", "membranes", "codes")
CHANNELS = 4  # of which it is told whether a mistake shows there


class Shows(dict[str, set[Key]]):
    """By mistake, the (population, observable) in which it shows; and in `channels` mistakes, populations and channels,
    the first ones, in which one does.
    """

    def __init__(self) -> None:
        super().__init__()
        self.channels: set[tuple[str, str, int]] = set()


class Unanswered(Scene):
    """A scene in which nobody has answered yet."""

    @property
    def one(self) -> Scene:
        """All of it: no image rules a form of a mistake out."""
        return self

    def given_by(self, effect: Effect) -> bool:
        """True: no form of a mistake is ruled out."""
        return True


def flagged(cases: Sequence[Case], progress: Callable[[int], None] | None = None) -> list[Shows]:
    """For each case of one network the mistakes that it shows, and the (population, observable) in which it does;
    `progress` is called with 1 for each population but the input.
    """
    net = cases[0].net
    found = [Shows() for _ in cases]
    for p in net.populations[1:]:
        sources = [(source, "spikes") for source in dict.fromkeys(net.sources(p.name))]
        opening = (p.name, "opening")
        for keys in (sources, [opening]):
            alike: dict[bytes, list[int]] = {}  # cases that give the same: each mistake is tried once on them
            for i, case in enumerate(cases):
                if p.name in judged(case) and (case.scope == "neuron") == (keys == [opening]):
                    alike.setdefault(b"".join(gets(case)[key].tobytes() for key in keys), []).append(i)
            if alike:
                first = [gets(cases[same[0]]) for same in alike.values()]
                given = {key: np.stack([one[key] for one in first]) for key in keys}
                scene = scene_of(net, p.name, given | following(net, given))
                tried(scene, [[(cases[i].scope, found[i]) for i in same] for same in alike.values()])
        if progress is not None:
            progress(1)
    return found


def judged(case: Case) -> list[str]:
    """The populations whose mistakes a case may show."""
    if case.scope == "network":
        return [p.name for p in case.net.populations[1:]]
    if case.scope == "projection":
        target = case.net.named_projections[case.unit].target
        return [target] * (len(case.net.into(target)) == 1)
    return [case.unit]


def gets(case: Case) -> dict[Key, NDArray[np.int64]]:
    """What is given and expected in a case; the codes of its input are trains, too."""
    whole = {**case.given, **case.expected}
    codes = whole.get((case.net.input.name, "codes"))
    return whole if codes is None else {(case.net.input.name, "spikes"): codes, **whole}


def tried(scene: Scene, cases: Sequence[Sequence[tuple[str, Shows]]]) -> None:
    """Adds to what the `cases` of each image of a scene, by scope, show."""
    right, alone = right_of(scene), cases[0][0][0] == "neuron"
    unanswered = Unanswered(**{f.name: getattr(scene, f.name) for f in fields(scene)})
    for cause in OF_NEURONS if alone else CAUSES:
        sums = cause.of_sums
        left = np.ones(len(cases), bool)  # images that have not shown it,
        left_sums = np.full(len(cases), sums and not alone)  # nor in what projections deliver
        for effect in cause.follow(unanswered):
            for key, where in shown(scene, right, alone, effect).items():
                differs = where.any(axis=1)
                for image in np.flatnonzero(differs).tolist():
                    channels = np.flatnonzero(where[image, :CHANNELS]).tolist()
                    for scope, shows in cases[image]:
                        if scope != "projection":
                            shows.setdefault(cause.name, set()).add(key)
                            shows.channels.update((cause.name, key[0], channel) for channel in channels)
                        elif sums and key[1] == "opening":
                            shows.setdefault(cause.name, set()).add((key[0], "sums"))
                left &= ~differs
                if key[1] == "opening":
                    left_sums &= ~differs
            if not left.any() and not left_sums.any():
                break  # what other forms of it would do adds nothing


def scene_of(net: Network, name: str, arrays: dict[Key, NDArray[Any]]) -> Scene:
    """The scene of a population in what was observed, arrays (B, neurons)."""
    p, codes, trains = net[name], {}, {}
    count = len(next(iter(arrays.values())))
    for of in (name, *net.sources(name)):
        if of in net.code_weights:
            nothing = np.zeros((count, net[of].neurons), np.int64)  # sent by sources of neurons that stand alone
            trains[of] = arrays.get((of, "spikes"), nothing).astype(np.uint16).reshape(count, *net[of].shape)
            d, steps = net.code_weights[of], net.steps[of]
            bits = trains[of].astype(np.int64)[:, None] >> np.arange(steps - 1, -1, -1)[:, None, None, None] & 1
            codes[of] = np.einsum("bkchw,ck->bchw", bits, d)
    v = arrays.get((name, "opening"))
    opening = None if v is None else v.astype(np.int64).reshape(-1, *p.shape)
    if p in net.readouts and opening is not None:
        codes[name] = opening
    return Scene(net, p, codes, trains, opening, {})


def shown(scene: Scene, right: Observed, alone: bool, effect: Effect) -> dict[Key, NDArray[np.bool_]]:
    """In which observables an effect differs from what is right, with the images and channels (B, C) in which it does;
    none where neurons stand `alone`, and their opening membranes are not those given.
    """
    wrongs = [(what, getattr(effect, what)) for what in ("opening", *OBSERVED)]
    found = {
        (scene.population.name, what): unlike(wrong, right[what])
        for what, wrong in wrongs
        if wrong is not None and what in right
    }
    opened = found.pop((scene.population.name, "opening"), np.zeros(0, bool)) if alone else np.zeros(0, bool)
    return {} if opened.any() else found


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
    """Which images and channels (B, C) of (B, ..., C, H, W) differ; all, where the shapes do."""
    channels = right.shape[-3]
    if wrong is right:
        return np.zeros((len(right), channels), bool)
    if wrong.shape != right.shape:
        return np.ones((len(right), channels), bool)
    differs: NDArray[np.bool_] = (wrong != right).any(axis=(-1, -2)).reshape(len(right), -1, channels).any(axis=1)
    return differs
