"""A step of the law as a table: what was observed of it, what is right, and what stands beside it (CONFORM-7)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from fsref.law.neuron import Ints
from fsref.law.populations import FS, Readout
from fsref.tables import Brief
from fsref.verification.composed.values import Becomes
from fsref.verification.scene import Scene
from fsref.verification.widths import saturated, wrapped

PLACES = ("step", "channel", "row", "column", "neuron")  # counted from the first, and from the last
MOST = 2**20  # changes tried
APART = 4  # times what is wrong of a sum may stand in it on the way, where it takes itself away again
BURSTS = (4, 8, 16)  # places of a channel that are taken at once
MOSTLY = 0.9  # of what is wrong of which a change may say nothing, where most of what it reads is not known
UNSAID = -(2**63)  # in rows of which a change says nothing: what stands there is not known
Mask: TypeAlias = NDArray[np.bool_]
Values = TypeVar("Values", Ints, Mask)
Columns: TypeAlias = Mapping[str, Ints]
Take: TypeAlias = Callable[[Columns], Ints]  # a column of some operands


@dataclass(frozen=True, eq=False, repr=False)
class Part(Brief):
    """The rows of a relation that one scene gives, columns (rows,): what was `seen`, what is `right`, the `operands`
    that the law makes it of and others that may be taken for them, by their words; `places` counted from the first,
    and `ends` from the last; `values` that decide, `flags` that hold or not.
    """

    scene: Scene
    seen: Ints
    right: Ints
    operands: Columns
    places: Columns
    ends: Columns
    values: Columns
    flags: Mapping[str, Mask]
    facts: Columns
    of: str = ""  # the projection whose sums they are
    each: tuple[Part, ...] = ()  # of what several projections delivered together each of them, right
    beside: Ints | None = None  # what stands with them in accumulators, where these are told in membranes,
    reach: Ints | None = None  # and how far from it all that is rightly added could lead

    @cached_property
    def wrong(self) -> Mask:
        """Which rows are not right."""
        return self.unlike(self.right)

    def unlike(self, result: Ints) -> Mask:
        """In which rows a result is not what was seen, as far as an accumulator holds it."""
        missed: Mask = result != self.seen
        if self.beside is None or self.scene.bits is None or not missed.any():
            return missed
        said = result != UNSAID
        unlike: Mask = held(self.scene, np.where(said, self.beside + result, 0)) != self.beside + self.seen
        return np.asarray(missed & (unlike | ~said))

    def within(self, result: Ints) -> Mask:
        """In which rows a result lies between the ends of accumulators, at which any that goes far enough is given."""
        if self.beside is None or self.scene.bits is None or self.scene.bits[1] != "saturate":
            return np.ones(len(result), np.bool_)
        both = [self.beside + result + by for by in (-1, 1)]
        found: Mask = np.logical_and.reduce([held(self.scene, whole) == whole for whole in both])
        return found

    def settled(self, result: Ints) -> Ints:
        """A result; UNSAID where it is beyond the ends of accumulators that saturate, or what is added may be on the
        way: there the order of additions decides.
        """
        if self.beside is None or self.scene.bits is None or self.scene.bits[1] != "saturate":
            return result
        said = result != UNSAID
        whole = np.where(said, self.beside + result, 0)
        beyond = held(self.scene, whole) != whole
        if self.reach is not None:
            times = np.where(self.seen == self.right, 1, APART)  # by chance alone is what was changed more often right
            most = np.abs(self.beside) + self.reach + times * np.abs(np.where(said, result - self.right, 0))
            beyond |= held(self.scene, most) != most
        return np.where(beyond & self.unlike(result), UNSAID, result)


def held(scene: Scene, values: Ints) -> Ints:
    """Membranes as the accumulators of a chip hold them, where it tells how many bits these have."""
    bits, beyond = scene.bits or (0, "")
    of = {"wrap": wrapped, "saturate": saturated}.get(beyond)
    return values if of is None else of(values, bits)


@dataclass(frozen=True, eq=False, repr=False)
class Change(Brief):
    """What may be done instead, in words, how `dear` these are, and what it gives in a part; None where it says
    nothing of it, UNSAID in rows of which it says nothing. What takes long may be `ruled_out` for less: by one row of a
    part that is wrong and not given. Of the share `unsaid` of the rows that are wrong it may say nothing.
    """

    text: str
    dear: float
    gives: Callable[[Part], Ints | None]
    ruled_out: Callable[[Part], bool] = lambda part: False
    unsaid: float = 0.5


def column(name: str) -> Take:
    """A column as it is."""
    return lambda given: given[name]


def becoming(each: Becomes, take: Take) -> Take:
    """What becomes of a column."""
    return lambda given: each.of(take(given))


def taken(text: str, dear: float, take: Take) -> Change:
    """A column in the place of what is right."""
    return Change(text, dear, lambda part: take(part.operands))


def result(each: Becomes) -> Callable[[Part], Ints]:
    """What becomes of what is right."""
    return lambda part: each.of(part.right)


@dataclass(frozen=True, eq=False, repr=False)
class Relation(Brief):
    """A step of the law: what it `says`, by which `rule`, its parts, and what may be done instead, of which so many are
    tried at `most`, and `two` at once or not. What several projections delivered together is `merged`: words that give
    all parts have to give it, too.
    """

    says: str
    rule: str
    parts: Sequence[Part]
    changes: Callable[[Sequence[Part]], Iterable[Change]]
    most: int = MOST
    two: bool = True
    merged: Sequence[Part] = ()

    @property
    def law(self) -> str:
        """What the law says of the step, with its rule."""
        return f"{self.says} [{self.rule}]"

    @property
    def wrong(self) -> int:
        """How many rows are not right."""
        return sum(int(part.wrong.sum()) for part in self.parts)

    def stacked(self, kind: str, rows: Sequence[Mask]) -> dict[str, NDArray[Any]]:
        """The columns of a kind that all parts have, of these rows of each."""
        each = [getattr(part, kind) for part in self.parts]
        names = [name for name in each[0] if all(name in own for own in each)]
        return {name: np.concatenate([own[name][some] for own, some in zip(each, rows, strict=True)]) for name in names}


def begun_by_law(scene: Scene, p: FS | Readout) -> bool:
    """Whether a population opened with what it was sent; else its opening membranes were given."""
    return scene.opening is not None and bool((scene.opening == sum(scene.sums.values(), p.bias_map)).all())


def part_of(
    scene: Scene,
    seen: NDArray[Any],
    right: NDArray[Any],
    operands: Mapping[str, Any],
    values: Mapping[str, Any],
    flags: Mapping[str, Any],
) -> Part:
    """A part from arrays (B, C, H, W), or (B, K, C, H, W), and what broadcasts to them."""
    shape = seen.shape
    if scene.part is not None:
        kept = np.broadcast_to(scene.part, shape).ravel()
    else:
        kept = np.ones(int(np.prod(shape)), np.bool_)

    def flat(given: Any) -> NDArray[Any]:
        found: NDArray[Any] = np.broadcast_to(given, shape).ravel()[kept]
        return found

    places = dict(_places(shape))
    ends = {name: int(values.max(initial=0)) - values for name, values in places.items()}
    if scene.at is not None:
        places["image"] = scene.at.reshape(-1, *[1] * (len(shape) - 1))
    p, net = scene.population, scene.net
    into = list(scene.into.values())
    facts: dict[str, int] = {
        "in a readout": p in net.readouts,
        "in a max-pool": p.kind == "max_pool",
        "where several projections end": len(into) > 1,
        "behind a dense": any(q.weights.ndim == 2 for q in into),
        "K": net.steps[p.name],
        "the number of neurons": p.neurons,
        "the number of neurons of a channel": p.shape[1] * p.shape[2],
        "population": net.populations.index(p),
        "layer": sum(q in net.integrating for q in net.populations[: net.populations.index(p)]),
    }
    return Part(
        scene,
        flat(seen).astype(np.int64),
        flat(right).astype(np.int64),
        {name: flat(each).astype(np.int64) for name, each in operands.items()},
        {name: flat(each) for name, each in places.items()},
        {name: flat(each) for name, each in ends.items()},
        {name: flat(each).astype(np.int64) for name, each in values.items()},
        {name: flat(np.asarray(each, np.bool_)) for name, each in {**flags, **_corners(shape)}.items()},
        {name: flat(each).astype(np.int64) for name, each in facts.items()},
    )


def of_projection(part: Part, name: str, facts: Mapping[str, int], values: Columns) -> Part:
    """A part as what one projection delivers, with these facts of it."""
    known = {**facts, "projection": list(part.scene.net.named_projections).index(name)}
    columns = {word: value + 0 * part.right for word, value in known.items()}
    return replace(part, of=name, values=values, facts={**part.facts, **columns})


def _places(shape: tuple[int, ...]) -> Iterator[tuple[str, Ints]]:
    """Where each row stands."""
    *steps, count, height, width = (np.arange(n) for n in shape[1:])
    c, y, x = count[:, None, None], height[:, None], width
    if steps:
        yield "step", steps[0][:, None, None, None]
    yield from (("channel", c), ("row", y), ("column", x))
    yield "neuron", (c * len(height) + y) * len(width) + x


def _corners(shape: tuple[int, ...]) -> Mapping[str, Mask]:
    """Whether a row is the first or the last of its channel, and where that has several; or behind its whole groups."""
    height, width = shape[-2:]
    at = np.arange(height * width).reshape(height, width)
    ends = {"first": at == 0, "last": at == at.size - 1}
    alone = {f"at the {end} place of its channel": here for end, here in ends.items()}
    alone |= {f"at the {end} of several places of its channel": here & (at.size > 1) for end, here in ends.items()}
    behind = {n: at >= at.size // n * n for n in BURSTS}
    return alone | {
        f"at the places of its channel behind groups of {n}": here & (at.size > n) for n, here in behind.items()
    }


def moved(values: Ints, by: int, axes: tuple[int, ...] = (-3, -2, -1)) -> Ints:
    """Values (..., C, H, W) of the neuron `by` addresses on; those that begin or end the array stay."""
    shape = values.shape
    rows = values.reshape(*shape[:-3], -1)
    count = rows.shape[-1]
    found: Ints = rows[..., np.clip(np.arange(count) + by, 0, count - 1)].reshape(shape)
    return found


def shifted(values: Values, by: int, axis: int) -> Values:
    """Values of an index `by` on along an axis; those at the ends stay."""
    count = values.shape[axis]
    return values.take(np.clip(np.arange(count) + by, 0, count - 1), axis)


def later(values: Values, by: int, axis: int) -> Values:
    """Values `by` places later along an axis, 0 where none were."""
    at = np.arange(values.shape[axis]) - by
    there = (at >= 0) & (at < len(at))
    shape = [1] * values.ndim
    shape[axis] = -1
    return shifted(values, -by, axis) * there.reshape(shape)


def last_before(some: NDArray[Any]) -> Ints:
    """Where the last that is not 0 stands before each place of rows (..., n), -1 where none does."""
    at = np.maximum.accumulate(np.where(some != 0, np.arange(some.shape[-1]), -1), axis=-1)
    return np.concatenate([np.full_like(at[..., :1], -1), at[..., :-1]], axis=-1)
