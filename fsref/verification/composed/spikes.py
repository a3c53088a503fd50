"""Spikes that a projection loses, counts otherwise, or reads from elsewhere (CONFORM-7)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fsref.engines import reference
from fsref.law.neuron import Ints
from fsref.verification.composed.delivering import OF_ITS_OWN, TIMES, Read, delivered, reached, read_of
from fsref.verification.composed.placing import AXES, elsewhere
from fsref.verification.composed.relation import MOSTLY, UNSAID, Change, Mask, Part, later
from fsref.verification.composed.rows import Rows, rows_otherwise
from fsref.verification.composed.values import BECOMES, Becomes
from fsref.verification.composed.where import Other, Some, others, sources, steps
from fsref.verification.scene import Scene

CHEAP = 3.7  # words of a place and of a step at once
Fires: TypeAlias = Callable[[Scene], int]  # in how many steps
Inside: TypeAlias = Some[tuple[int, ...]]
WORDS = (4, 8, 16, 32, 64)  # neurons of a word
FIRST = (1, *WORDS)  # neurons whose d comes late
WORTH: tuple[tuple[str, Callable[[Ints], Ints]], ...] = (  # what a spike may be worth in each step
    ("2 ** (K - 1 - t)", lambda t: 1 << t[::-1]),
    ("2 ** t", lambda t: 1 << t),
    ("1", lambda t: 1 + 0 * t),
)


def _own_steps(scene: Scene) -> int:
    """K of the population, 0 of a readout."""
    return scene.net.steps[scene.population.name]


def _last_steps(scene: Scene) -> int:
    """K of the last fs up to the population, 0 where there is none."""
    every = scene.net.populations
    steps = [scene.net.steps[p.name] for p in every[: every.index(scene.population) + 1] if p in scene.net.fs]
    return [0, *steps][-1]


def _input_steps(scene: Scene) -> int:
    return scene.net.input.steps


COUNTED: tuple[tuple[str, Fires], ...] = (
    ("the input of the network", _input_steps),
    ("the target", _own_steps),
    ("the population that fires last up to the target", _last_steps),
)
EVERYWHERE: Inside = Some("", 0, lambda shape: np.ones(shape, np.bool_))


def spikes_otherwise() -> Iterator[Change]:
    """Other spikes, and spikes that are worth something else."""
    for where, when in product(list(sources()), steps()):
        far = where.dear + when.dear
        if where.dear and when.dear and far > CHEAP:
            continue
        spike = f"in yours a spike{when.text}{where.text}"
        for times, what, dear in TIMES:
            yield Change(f"{spike} {what}", dear + far, partial(_times, times, where, when))
        if not (where.dear and when.dear):
            for words, by in (("the step before", -1), ("the next step", 1)):
                yield Change(f"{spike} delivers d of {words}", 2 + far, partial(_of_step, by, where, when))
    for by in (2, 3, 4):
        for words, way in (("before", -by), ("behind", by)):
            text = f"in yours a spike delivers d of the step {by} {words} its own"
            yield Change(text, 2.4, partial(_of_step, way, EVERYWHERE, steps()[0]))
    for word, worth in WORTH:
        yield Change(f"in yours a spike is worth {word}, whatever d is", 1.9, partial(_as_worth, worth, False))
        yield Change(f"in yours a spike is worth {word} where d is 0", 1.9, partial(_as_worth, worth, True))
    for words, dear, rows in rows_otherwise():
        yield Change(f"in yours a spike of the source delivers d of {words}", dear, partial(_of_rows, rows))
    yield Change("in yours a spike is worth d of the channel of the target", 2, _of_target, unsaid=MOSTLY)
    yield Change("in yours a spike is worth d of the target, 0 where it has none", 2, _of_its_table, unsaid=MOSTLY)
    for n in WORDS:
        text = f"in yours a spike is worth d of the channel of the first neuron of its word of {n}"
        yield Change(text, 2, partial(_of_first, n))
    for n in FIRST:
        of = "the first neuron" if n == 1 else f"the first {n} neurons"
        yield Change(f"in yours a spike of {of} is worth d of the step before", 2.1, partial(_of_step_before, n))
    text = "in yours a spike of the first neuron is worth d of the step before, as the last neuron has it"
    yield Change(text, 2.2, partial(_of_step_before, 1, of_last=True), unsaid=MOSTLY)
    text = "in yours spikes are read of the population just before the target"
    yield Change(text, 2, _of_population_before, unsaid=MOSTLY)
    for n in (1, *WORDS[1:]):
        words = f"{text}, as its own lie there, step by step" + f", in words of {n} neurons" * (n > 1)
        yield Change(words, 2.1 + n / 1000, partial(_of_steps_before, n), unsaid=MOSTLY)
    text = "in yours codes are read of the population just before the target"
    yield Change(text, 2.1, _of_codes_before, unsaid=MOSTLY)
    for other, where in product(list(others("neuron")), list(sources())):
        if where.dear < 2.5:
            text = f"in yours a spike{where.text} is read from {other.text}"
            yield Change(text, other.dear + where.dear, partial(_from, "neuron", other, where))
        if not where.dear:
            yield Change(f"{text}{OF_ITS_OWN}", other.dear + 0.25, partial(_from_with_own_d, "neuron", other))
    for name, other in elsewhere("channel", "row", "column"):
        text = f"in yours a spike is read from {other.text} of the source"
        yield Change(text, other.dear + 0.2, partial(_from, name, other, EVERYWHERE))
        yield Change(f"{text}{OF_ITS_OWN}", other.dear + 0.45, partial(_from_with_own_d, name, other))
    for words, counted in COUNTED:
        text = f"in yours spikes of as many steps as {words} has are read"
        yield Change(text, 2, partial(_counted, counted), unsaid=MOSTLY)
        text = f"in yours trains are read as if they had as many steps as {words} has"
        yield Change(text, 2, partial(_read_as, counted), unsaid=MOSTLY)
    for each in BECOMES:
        yield Change(f"in yours a code, as it is read, {each.text}", each.dear + 0.9, partial(_code, each))
    yield Change("in yours the largest code of the source is read as 0", 2, _largest)
    for each, when in product(BECOMES, steps()):
        if when.dear < 2:
            yield Change(f"in yours d{when.text} {each.text}", each.dear + 1 + when.dear, partial(_become, each, when))


def _meant(read: Read, where: Inside, when: Some[int]) -> Mask:
    """Which spikes are meant, (K, C, H, W)."""
    _, count, *shape = read.spikes.shape
    return where.of(tuple(shape)) & when.of(count)[:, None, None, None]


def _worth(part: Part, read: Read, more: Ints) -> Ints:
    """What is delivered when a spike is worth so much more, (K, C, H, W) or what broadcasts to it."""
    return part.right + delivered(part, read.q, (read.spikes * more).sum(axis=1)) if more.any() else part.right


def _times(times: int, where: Inside, when: Some[int], part: Part) -> Ints:
    read = read_of(part)
    return _worth(part, read, (times - 1) * read.d * _meant(read, where, when))


def _of_step(by: int, where: Inside, when: Some[int], part: Part) -> Ints:
    read = read_of(part)
    d = np.zeros_like(read.d)
    if by > 0:
        d[:-by] = read.d[by:]
    else:
        d[-by:] = read.d[:by]
    return _worth(part, read, (d - read.d) * _meant(read, where, when))


def _of_target(part: Part) -> Ints:
    """What is delivered by d of the row of each channel of the target; UNSAID where the source has fewer."""
    read = read_of(part)
    rows, channel = read.d[:, :, 0, 0].T, part.places["channel"]
    if (rows == rows[0]).all():
        return part.right
    found = np.full_like(part.right, UNSAID)
    for c in np.unique(channel[channel < len(rows)]):
        plane = (read.spikes * rows[c][:, None, None, None]).sum(axis=1)
        found[channel == c] = delivered(part, read.q, plane)[channel == c]
    return found


def _of_its_table(part: Part) -> Ints:
    """What is delivered by d of the same step of the target, 0 of a readout and behind its last; UNSAID where its
    channels have others.
    """
    read, scene = read_of(part), part.scene
    own = scene.net.code_weights.get(scene.population.name, np.zeros((1, 0), np.int64))
    if (own != own[:1]).any():
        return np.full_like(part.right, UNSAID)
    d = np.zeros(len(read.d), np.int64)
    d[: own.shape[1]] = own[0, : len(d)]
    return _worth(part, read, d[:, None, None, None] - read.d)


def _of_first(n: int, part: Part) -> Ints:
    read = read_of(part)
    shape = read.spikes.shape[2:]
    first = np.arange(int(np.prod(shape))).reshape(shape) // n * n // (shape[1] * shape[2])
    return _worth(part, read, read.d[:, :, 0, 0][:, first] - read.d)


def _of_step_before(n: int, part: Part, of_last: bool = False) -> Ints:
    """What the first neurons deliver by d of the step before, their own or that of the last channel; in the first step
    that is not known.
    """
    read = read_of(part)
    d = read.d[:, -1:] if of_last else read.d
    some = np.arange(read.codes[0].size).reshape(read.codes.shape[1:]) < n
    found = _worth(part, read, (later(d, 1, 0) - read.d) * some)
    late = read.spikes.any(axis=1) if some.all() else read.spikes[:, 0]  # without others it may stay what it was
    return np.where(reached(part, (late & some).astype(np.int64)), UNSAID, found)


def _as_worth(worth: Callable[[Ints], Ints], nothing: bool, part: Part) -> Ints:
    """What is delivered when spikes are worth something else, those worth `nothing` alone or all."""
    read = read_of(part)
    more = worth(np.arange(len(read.d)))[:, None, None, None] - read.d
    return _worth(part, read, more * (read.d == 0) if nothing else more)


def _of_rows(rows: Rows, part: Part) -> Ints | None:
    """What is delivered by d of other rows; None where it is not known of a spike."""
    read, scene = read_of(part), part.scene
    d = rows(scene, read.q.source, "d")
    if d is None:
        return part.right
    unknown = d == UNSAID
    return None if (read.spikes & unknown).any() else _worth(part, read, np.where(unknown, 0, d - read.d))


def _just_before(part: Part) -> str:
    """The population that stands just before the target in the list; "" where that is the source."""
    scene, q = part.scene, read_of(part).q
    names = [p.name for p in scene.net.populations]
    before = names[names.index(q.target) - 1]
    return "" if before == q.source else before


def _of_population_before(part: Part) -> Ints | None:
    """What is delivered of the trains of the population just before the target, at the source's addresses."""
    read, scene, before = read_of(part), part.scene, _just_before(part)
    if before not in scene.sent:
        return None if before else part.right
    own = scene.sent[before].reshape(scene.count, -1)
    words = np.zeros((scene.count, read.codes[0].size), np.int64)
    n = min(words.shape[1], own.shape[1])
    words[:, :n] = own[:, :n]
    spikes = reference.input_trains(words.reshape(read.codes.shape), len(read.d))
    return delivered(part, read.q, (spikes * read.d).sum(axis=1))


def _of_steps_before(n: int, part: Part) -> Ints | None:
    """What is delivered of the bits that stand at the source's places where the trains of the population just before
    the target lie, step by step, each in words of n neurons; UNSAID where one lies behind these.
    """
    read, scene, before = read_of(part), part.scene, _just_before(part)
    if before not in scene.sent:
        return None if before else part.right
    trains = scene.sent[before].reshape(scene.count, 1, 1, -1)
    planes = reference.input_trains(trains, scene.net.steps[before]).reshape(scene.count, scene.net.steps[before], -1)
    bits = np.pad(planes, ((0, 0), (0, 0), (0, -planes.shape[2] % n))).reshape(scene.count, -1)
    steps, neurons = len(read.d), read.codes[0].size
    at = np.arange(steps)[:, None] * (-(-neurons // n) * n) + np.arange(neurons)
    z = bits[:, np.minimum(at, bits.shape[1] - 1)].reshape(read.spikes.shape)
    behind = (at >= bits.shape[1]).reshape(read.spikes.shape[1:]).any(axis=0)
    unknown = reached(part, np.broadcast_to(behind.astype(np.int64), read.codes.shape))
    return np.where(unknown, UNSAID, delivered(part, read.q, (z * read.d).sum(axis=1)))


def _of_codes_before(part: Part) -> Ints | None:
    """What is delivered of the codes of the population just before the target, at the source's addresses; UNSAID where
    one lies behind these.
    """
    read, scene, before = read_of(part), part.scene, _just_before(part)
    if before not in scene.sent:
        return None if before else part.right
    d = scene.net.code_weights[before]
    spikes = reference.input_trains(scene.sent[before].reshape(scene.count, len(d), -1), d.shape[1])
    codes = np.einsum("bkcn,ck->bcn", spikes.astype(np.int64), d).reshape(scene.count, -1)
    size = read.codes[0].size
    plane = np.pad(codes, ((0, 0), (0, max(0, size - codes.shape[1]))))[:, :size].reshape(read.codes.shape)
    behind = (np.arange(size) >= codes.shape[1]).reshape(read.codes.shape[1:])
    unknown = reached(part, np.broadcast_to(behind.astype(np.int64), read.codes.shape))
    return np.where(unknown, UNSAID, delivered(part, read.q, plane))


def _counted(fires: Fires, part: Part) -> Ints:
    """What is delivered in as many steps as another population has; UNSAID where these are more."""
    read, steps = read_of(part), len(read_of(part).d)
    n = fires(part.scene)
    if n in (0, steps):
        return part.right
    if n > steps:
        return np.full_like(part.right, UNSAID)
    return _worth(part, read, -read.d * (np.arange(steps) >= n)[:, None, None, None])


def _read_as(fires: Fires, part: Part) -> Ints:
    """What is delivered when the first step of a train is looked for where that of a longer or shorter one stands; what
    comes behind the last d is UNSAID.
    """
    read, n = read_of(part), fires(part.scene)
    if n in (0, len(read.d)):
        return part.right
    by = n - len(read.d)
    more = later(read.spikes.astype(np.int64), by, 1) - read.spikes
    behind = np.where(np.arange(len(read.d)) < len(read.d) - by, 0, 1)[:, None, None, None] * read.spikes
    found = part.right + delivered(part, read.q, (more * read.d).sum(axis=1))
    return np.where(reached(part, behind.sum(axis=1)), UNSAID, found)


def _code(each: Becomes, part: Part) -> Ints:
    read = read_of(part)
    changed = each.of(read.codes)
    return part.right if (changed == read.codes).all() else delivered(part, read.q, changed)


def _largest(part: Part) -> Ints:
    read = read_of(part)
    most = part.scene.net.ranges[read.q.source].codes[:, 1, None, None]
    return delivered(part, read.q, np.where(read.codes == most, 0, read.codes))


def _become(each: Becomes, when: Some[int], part: Part) -> Ints:
    read = read_of(part)
    return _worth(part, read, np.where(when.of(len(read.d))[:, None, None, None], each.of(read.d) - read.d, 0))


def _from(name: str, other: Other, where: Inside, part: Part) -> Ints:
    read = read_of(part)
    plane = read.codes
    changed = np.where(where.of(plane.shape[1:]), _moved(name, other, plane), plane)
    return part.right if (changed == plane).all() else delivered(part, read.q, changed)


def _from_with_own_d(name: str, other: Other, part: Part) -> Ints:
    read = read_of(part)
    z = read.spikes
    moved = _moved(name, other, z.reshape(-1, *z.shape[2:])).reshape(z.shape)
    return part.right if (moved == z).all() else delivered(part, read.q, (moved * read.d).sum(axis=1))


def _moved(name: str, other: Other, planes: NDArray[Any]) -> NDArray[Any]:
    """What is read from elsewhere of planes (B, C, H, W)."""
    if name != "neuron":
        return np.take(planes, other.of(planes.shape[AXES[name]]), AXES[name])
    rows = planes.reshape(len(planes), -1)
    return rows[:, other.of(rows.shape[1])].reshape(planes.shape)
