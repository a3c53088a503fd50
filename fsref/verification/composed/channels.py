"""Sums of the weights of each channel of a source in each step, which come before its d (CONFORM-7)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache, partial

import numpy as np

from fsref.law.neuron import Ints
from fsref.verification.composed.delivering import read_of, rows_of
from fsref.verification.composed.relation import Change, Part
from fsref.verification.composed.values import BECOMES

CHEAP = 2.4  # words of what becomes of a sum
MOST = 2**22  # sums of a part


def _through(sums: Ints) -> Ints:
    """Sums that go on along two axes, one behind the other."""
    found: Ints = np.cumsum(sums.reshape(-1, *sums.shape[2:]), axis=0).reshape(sums.shape)
    return found


ON: tuple[tuple[str, float, Callable[[Ints], Ints]], ...] = (  # from sums (K, C, ...)
    ("into the next channels of its step", 0.0, lambda sums: np.cumsum(sums, axis=1)),
    ("into the next channels, from step to step, too", 0.1, _through),
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
            text = f"in yours the sum of the weights of a channel in a step {each.text}, before its d"
            yield Change(text, each.dear + 1.4, partial(_becomes, each.of))


def _becomes(of: Callable[[Ints], Ints], part: Part) -> Ints | None:
    sums = _sums(part)
    if sums is None:
        return None
    changed, read = of(sums), read_of(part)
    if (changed == sums).all():
        return part.right
    groups, outputs = getattr(read.q, "groups", 1), len(read.weights)
    channels = read.d.shape[1] // groups
    d = np.repeat(read.d[:, :, 0, 0].reshape(len(read.d), groups, channels), outputs // groups, axis=1)
    more = ((changed - sums) * d.swapaxes(1, 2)[:, :, None, :, None]).sum(axis=(0, 1))
    return part.right + rows_of(part, more.reshape(len(more), *part.scene.population.shape))


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
