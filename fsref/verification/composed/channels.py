"""Sums of the weights of each channel of a source in each step, which come before its d (CONFORM-7)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache, partial

import numpy as np

from fsref.law.neuron import Ints
from fsref.law.populations import FS
from fsref.verification.composed.delivering import read_of, rows_of
from fsref.verification.composed.relation import MOSTLY, UNSAID, Change, Part
from fsref.verification.composed.values import BECOMES

CHEAP = 2.4  # words of what becomes of a sum
MOST = 2**22  # sums of a part


def _through(sums: Ints) -> Ints:
    """Sums that go on along two axes, one behind the other."""
    found: Ints = np.cumsum(sums.reshape(-1, *sums.shape[2:]), axis=0).reshape(sums.shape)
    return found


def _into_first(sums: Ints) -> Ints:
    """Sums of the first channel with that of the last one in the step before."""
    found = sums.copy()
    for t in range(1, len(found)):
        found[t, 0] += found[t - 1, -1]
    return found


ON: tuple[tuple[str, float, Callable[[Ints], Ints]], ...] = (  # from sums (K, C, ...)
    ("into the next channels of its step", 0.0, lambda sums: np.cumsum(sums, axis=1)),
    ("into the next channels, from step to step, too", 0.1, _through),
    ("into the first channel of the next step, that of the last one", 0.05, _into_first),
    ("into the next steps of its channel", 0.1, lambda sums: np.cumsum(sums, axis=0)),
    (
        "into the next steps, from channel to channel, too",
        0.2,
        lambda sums: _through(sums.swapaxes(0, 1)).swapaxes(0, 1),
    ),
)


def sums_of_channels() -> Iterator[Change]:
    """What may become of the sum of a channel's weights in a step."""
    for words, far, on in ON:
        text = f"in yours the sum of the weights of a channel in a step goes on {words}"
        yield Change(text, 2 + far, partial(_becomes, on))
    for each in BECOMES:
        if each.dear <= CHEAP:
            text = f"in yours the sum of the weights of a channel in a step {each.text}"
            yield Change(f"{text}, before its d", each.dear + 1.4, partial(_becomes, each.of))
            yield Change(f"{text}, with its d", each.dear + 1.45, partial(_become_with_d, each.of))
    text = "in yours a spike is worth d of its step in the table of the target"
    yield Change(f"{text}, of channel 0", 2.1, partial(_of_target, 0), unsaid=MOSTLY)
    yield Change(f"{text}, of the channel there", 2, partial(_of_target, None), unsaid=MOSTLY)


def _becomes(of: Callable[[Ints], Ints], part: Part) -> Ints | None:
    sums = _sums(part)
    return None if sums is None else _with(part, (of(sums) - sums) * _worth(part))


def _become_with_d(of: Callable[[Ints], Ints], part: Part) -> Ints | None:
    sums = _sums(part)
    if sums is None:
        return None
    products = sums * _worth(part)
    return _with(part, of(products) - products)


def _of_target(channel: int | None, part: Part) -> Ints | None:
    """What is delivered by d of the target's own table; it is not known what stands where it has no such step, or is a
    readout, which has none.
    """
    sums, p = _sums(part), part.scene.population
    match p:
        case FS():
            rows = part.scene.net.code_weights[p.name].T  # (K, O)
        case _:
            rows = np.zeros((0, p.shape[0]), np.int64)
    if sums is None:
        return None
    by_step = sums.sum(axis=1)  # (K, B, O, places)
    some = min(len(rows), len(by_step))
    own = rows[:some] if channel is None else rows[:some, [channel]]
    found = (by_step[:some] * own[:, None, :, None]).sum(axis=0)
    unknown = np.logical_or.reduce(by_step[some:] != 0, axis=0)
    shape = (part.scene.count, *p.shape)
    said = rows_of(part, unknown.reshape(shape).astype(np.int64)) == 0
    return np.where(said, rows_of(part, found.reshape(shape)), UNSAID)


def _worth(part: Part) -> Ints:
    """d by step, channel of a group and output, as sums lie."""
    read = read_of(part)
    groups, outputs = getattr(read.q, "groups", 1), len(read.weights)
    d = read.d[:, :, 0, 0].reshape(len(read.d), groups, -1)
    return np.repeat(d, outputs // groups, axis=1).swapaxes(1, 2)[:, :, None, :, None]


def _with(part: Part, more: Ints) -> Ints:
    """What is delivered with so much more, as sums lie."""
    own = more.sum(axis=(0, 1))
    return part.right + rows_of(part, own.reshape(len(own), *part.scene.population.shape)) if own.any() else part.right


@lru_cache(maxsize=32)
def _sums(part: Part) -> Ints | None:
    """The sums (K, channels of a group, B, O, places); None of many."""
    read = read_of(part)
    steps, groups, outputs = len(read.d), getattr(read.q, "groups", 1), len(read.weights)
    channels = read.d.shape[1] // groups
    if steps * channels * len(read.codes) * outputs * read.windows > MOST:
        return None
    z = read.spikes.astype(np.int64)
    if read.by_neuron is not None:
        by_channel = read.by_neuron.reshape(outputs, channels, -1)
        sums: Ints = np.einsum("btcn,ocn->tcbo", z.reshape(*z.shape[:3], -1), by_channel)[..., None]
        return sums
    if read.seen is None:
        return None
    w = read.weights.reshape(groups, outputs // groups, channels, -1)
    found = []
    for t in range(steps):
        columns = read.columns(z[:, t])  # (B, G, I * kh * kw, places)
        own = columns.reshape(len(z), groups, channels, -1, columns.shape[-1])
        found.append(np.einsum("bgckp,gock->cbgop", own, w).reshape(channels, len(z), outputs, -1))
    return np.stack(found)
