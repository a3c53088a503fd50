"""One population that differs, what somebody else answered there, and what would be answered if something were wrong
(OBS-4).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, TypeAlias, assert_never

import numpy as np
from numpy.typing import NDArray

from fsref.engines import reference
from fsref.law.network import Network
from fsref.law.neuron import Ints
from fsref.law.populations import FS, Input, MaxPool, Population, Readout
from fsref.tables import Brief


@dataclass(frozen=True, eq=False, repr=False)
class Scene(Brief):
    """One population that differs: our codes (B, C, H, W) and trains of it and of what it reads, its opening membranes
    where it has any, and `theirs` by observable, shaped as ours; `wrong` names those of theirs that are not right, all
    of them unless told.
    """

    net: Network
    population: Population
    codes: Mapping[str, Ints]
    trains: Mapping[str, NDArray[np.uint16]]
    opening: Ints | None
    theirs: Mapping[str, NDArray[Any]]
    wrong: frozenset[str] | None = None

    def given_by(self, effect: Effect) -> bool:
        """Whether an effect is what they answered, and tells something of theirs that is wrong."""
        wrong = self.theirs if self.wrong is None else self.wrong
        return effect.gives(self.theirs) and any(getattr(effect, name, None) is not None for name in wrong)

    def first(self, count: int) -> Scene:
        """The scene of the first `count` images."""
        return replace(
            self,
            codes={name: values[:count] for name, values in self.codes.items()},
            trains={name: values[:count] for name, values in self.trains.items()},
            opening=None if self.opening is None else self.opening[:count],
            theirs={name: values[:count] for name, values in self.theirs.items()},
        )


@dataclass(frozen=True, eq=False, repr=False)
class Effect(Brief):
    """What a population answers when something is wrong: opening membranes and codes (B, C, H, W), train words
    (B, C, H, W), membranes (B, K, C, H, W); None of what the mistake says nothing about. `about` fills in its words.
    """

    codes: Ints | None = None
    opening: Ints | None = None
    spikes: NDArray[np.uint16] | None = None
    membranes: Ints | None = None
    about: Mapping[str, Any] = field(default_factory=dict)

    def gives(self, theirs: Mapping[str, NDArray[Any]]) -> bool:
        """Whether it tells any of the observables that they answered, and all that it tells exactly."""
        told = {f.name: getattr(self, f.name) for f in fields(self)}
        both = [(told[name], values) for name, values in theirs.items() if told[name] is not None]
        return bool(both) and all(a.shape == b.shape and np.array_equal(a, b) for a, b in both)

    def of(self, **about: Any) -> Effect:
        """The same, with what fills in the words."""
        return replace(self, about=about)


Effects: TypeAlias = Iterator[Effect]
Follow: TypeAlias = Callable[[Scene], Effects]
Lowered: TypeAlias = Callable[[Ints, NDArray[np.bool_], Ints], Ints]


@dataclass(frozen=True, eq=False)
class Cause:
    """A known mistake: its `name`, a slug; `text`, what the law says and what yours does instead, with what fills it in
    in {braces} and the rule in brackets; and `follow`, from a scene to what each form of the mistake would answer.
    """

    name: str
    text: str
    follow: Follow


def lowered(v: Ints, fired: NDArray[np.bool_], h: Ints) -> Ints:
    """The membranes after a step: h less where the neuron fired (FS-3)."""
    return v - h * fired


def stepped(
    p: FS, v: Ints, T: Ints, h: Ints, d: Ints, fires: Any = np.greater_equal, after: Lowered = lowered
) -> Effect:
    """What FS neurons do from opening membranes v with tables T, h, d (C, steps), the rules of a step given."""
    opening, code = v, np.zeros_like(v)
    spikes, membranes = [], []
    for t in range(T.shape[1]):
        z = fires(v, T[:, t, None, None])
        v = after(v, z, h[:, t, None, None])
        code = code + d[:, t, None, None] * z
        spikes.append(z)
        membranes.append(v)
    if len(spikes) != p.steps:
        return Effect(code, opening)
    return Effect(code, opening, reference.words(np.stack(spikes, axis=1)), np.stack(membranes, axis=1))


def opened(p: FS | Readout, v: Ints) -> Effect:
    """What follows, by the law, from opening membranes v."""
    match p:
        case FS():
            return stepped(p, v, *p.table.rows(p.shape[0]))
        case Readout():
            return Effect(v, v)  # codes of a readout are its logits
        case _:
            assert_never(p)


def of_fs(follow: Callable[[FS, Ints], Effects]) -> Follow:
    """A mistake of FS neurons, which sees their opening membranes."""

    def there(scene: Scene) -> Effects:
        match scene.population:
            case FS() as p if scene.opening is not None:
                yield from follow(p, scene.opening)
            case FS() | Input() | MaxPool() | Readout():
                return
            case _:
                assert_never(scene.population)

    return there


def of_membranes(follow: Callable[[Scene, FS | Readout, Ints], Effects]) -> Follow:
    """A mistake on the way to the opening membranes of an fs or a readout, which sees the right ones."""

    def there(scene: Scene) -> Effects:
        match scene.population:
            case (FS() | Readout()) as p if scene.opening is not None:
                yield from follow(scene, p, scene.opening)
            case FS() | Readout() | Input() | MaxPool():
                return
            case _:
                assert_never(scene.population)

    return there


def of_pool(follow: Callable[[Scene, MaxPool], Effects]) -> Follow:
    """A mistake of a max-pool."""

    def there(scene: Scene) -> Effects:
        match scene.population:
            case MaxPool() as p:
                yield from follow(scene, p)
            case FS() | Input() | Readout():
                return
            case _:
                assert_never(scene.population)

    return there
