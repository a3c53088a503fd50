"""What follows from a mistake, by the law: the parts that causes are written with (OBS-4)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar, assert_never

import numpy as np
from numpy.typing import NDArray

from fsref.engines import reference
from fsref.law.neuron import Ints
from fsref.law.populations import FS, Input, MaxPool, Readout, View
from fsref.verification.scene import Effect, Scene

# Rules of mistakes that sums may show.
OF_SUMS = ("PROJ-", "GATE-", "RANGE-", "NET-3", "NET-6", "NET-7", "FS-4", "RUN-")

Form = TypeVar("Form")
Effects: TypeAlias = Iterator[Effect]
Follow: TypeAlias = Callable[[Scene], Effects]
Lowered: TypeAlias = Callable[[Ints, NDArray[np.bool_], Ints], Ints]


@dataclass(frozen=True, eq=False)
class Cause:
    """A known mistake: its `name`, a slug; `text`, what the law says and what yours does instead, with what fills it in
    in {braces} and the rule in brackets; and `follow`, from a scene to what each form of the mistake would answer.
    One that looks at more than one image at a time is `whole`: it cannot be tried on the first alone.
    """

    name: str
    text: str
    follow: Follow
    whole: bool = False

    @property
    def rule(self) -> str:
        """The rule that is broken, as "FS-2"."""
        return rule_of(self.text)

    @property
    def of_sums(self) -> bool:
        """Whether it may show in what a projection delivers."""
        return self.rule.startswith(OF_SUMS)


def rule_of(text: str) -> str:
    """The rule in the last brackets of some words, "" where there are none."""
    return ["", *map(str, re.findall(r"\[([A-Z]+-\d+)\]", text))][-1]


def searched(forms: Callable[[Scene], Iterable[Form]], gives: Callable[[Scene, Form], Effects]) -> Follow:
    """What follows from the forms of a mistake that has many: those that the first image rules out are not followed
    in the others.
    """

    def follow(scene: Scene) -> Effects:
        for form in forms(scene.one):
            if scene is scene.one:
                yield from gives(scene, form)
            elif any(scene.one.given_by(effect) for effect in gives(scene.one, form)):
                yield from gives(scene, form)

    return follow


def both(*follows: Follow) -> Follow:
    """What follows from either."""

    def follow(scene: Scene) -> Effects:
        for each in follows:
            yield from each(scene)

    return follow


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


def with_sums(scene: Scene, p: FS | Readout, others: Mapping[str, Ints]) -> Effect:
    """What follows, by the law, when these projections deliver other sums."""
    assert scene.opening is not None, "projections end where there are membranes"
    v = scene.opening
    for name, sums in others.items():
        v = v + (sums - scene.sums[name])
    return opened(p, v)


def other_channels(count: int) -> Iterator[tuple[str, NDArray[np.intp]]]:
    """Which other channel may be taken for each of so many, in words."""
    if count > 1:
        own = np.arange(count)
        yield "the next channel", np.roll(own, -1)
        yield "the next channel", np.minimum(own + 1, count - 1)
        yield "the channel before", np.roll(own, 1)
        yield "the channel before", np.maximum(own - 1, 0)
        yield "channel 0", 0 * own
        yield f"channel {count - 1}", 0 * own + count - 1
        yield "channel C - 1 - c", own[::-1]
        yield from ((f"channel c mod {n}", own % n) for n in (2, 4, 8, 16, 32) if n < count)
        yield "the even one of two channels", own & ~1


def of_fs(follow: Callable[[FS, Ints], Effects]) -> Follow:
    """A mistake of FS neurons, which sees their opening membranes."""

    def there(scene: Scene) -> Effects:
        match scene.population:
            case FS() as p if scene.opening is not None:
                yield from follow(p, scene.opening)
            case FS() | Input() | MaxPool() | View() | Readout():
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
            case FS() | Readout() | Input() | MaxPool() | View():
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
            case FS() | Input() | View() | Readout():
                return
            case _:
                assert_never(scene.population)

    return there
