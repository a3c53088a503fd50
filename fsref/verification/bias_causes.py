"""Mistakes of the bias (OBS-4)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fsref.law.neuron import Ints
from fsref.law.populations import FS, Readout
from fsref.verification.consequences import Cause, Effects, Follow, of_membranes, opened, other_channels
from fsref.verification.deliveries import touched
from fsref.verification.scene import Scene
from fsref.verification.widths import WIDTHS, saturated, too_narrow, unsigned, wrapped


def biased(*changes: Callable[[Ints], Ints]) -> Follow:
    """Another bias, from the right one (C, 1, 1) or (C, H, W)."""

    def follow(scene: Scene, p: FS | Readout, v: Ints) -> Effects:
        for change in changes:
            yield opened(p, v - p.bias_map + change(p.bias_map))

    return of_membranes(follow)


def once_for_each(scene: Scene, p: FS | Readout, v: Ints) -> Effects:
    """The bias is added for each projection."""
    yield opened(p, v + (len(scene.sums) - 1) * p.bias_map)


def entries_first(bias: Ints) -> Ints:
    """Of a bias map the entries that channels alone would have."""
    return bias.reshape(-1, 1, 1)[: len(bias)] if bias.size > len(bias) else bias


def bias_in_each_step(scene: Scene, p: FS | Readout, v: Ints) -> Effects:
    """The bias is added as often as a window of a source or of the population itself has steps."""
    steps = scene.net.steps
    for count in sorted({*(steps[name] for name in scene.net.sources(p.name)), steps[p.name]} - {0, 1}):
        yield opened(p, v + (count - 1) * p.bias_map).of(count=count)


def middle(bias: Ints) -> Ints:
    """The bias map's middle stands everywhere."""
    height, width = bias.shape[1:]
    return bias[:, height // 2, width // 2, None, None]


def bias_of_another_channel(scene: Scene, p: FS | Readout, v: Ints) -> Effects:
    """The bias, or its map, of another channel."""
    for name, channels in other_channels(p.shape[0]):
        yield opened(p, v - p.bias_map + p.bias_map[channels]).of(channel=name)
    for name, by in (("the neuron before", -1), ("the next neuron", 1)):
        at = np.clip(np.arange(p.bias.size) + by, 0, p.bias.size - 1)
        yield opened(p, v - p.bias_map + of_shape(p, p.bias.ravel()[at])).of(channel=name)
    if p.bias.ndim == 1:
        number = np.arange(p.neurons) % p.shape[0]
        yield opened(p, v - p.bias_map + p.bias[number].reshape(p.shape)).of(channel="neuron n mod C")


def of_shape(p: FS | Readout, bias: Ints) -> Ints:
    """A bias of a population, one for each channel or each neuron, (C, 1, 1) or (C, H, W)."""
    return bias.reshape(p.bias.shape if p.bias.ndim == 3 else (-1, 1, 1))


def bias_not_loaded(scene: Scene, p: FS | Readout, v: Ints) -> Effects:
    """The very first, or the very last bias is 0."""
    for at in (0, -1):
        bias = p.bias.astype(np.int64).ravel().copy()
        bias[at] = 0
        yield opened(p, v - p.bias_map + of_shape(p, bias))


def turned(bias: Ints) -> Ints:
    """Rows for columns of the map."""
    return np.ascontiguousarray(bias.swapaxes(1, 2)).reshape(bias.shape)


def turned_back(bias: Ints) -> Ints:
    """The map was stored column by column."""
    channels, height, width = bias.shape
    return bias.reshape(channels, width, height).swapaxes(1, 2)


def bias_too_narrow(scene: Scene, p: FS | Readout, v: Ints) -> Effects:
    """A bias of fewer bits than it needs, whatever is done with what does not fit."""
    bias = p.bias_map
    for bits in too_narrow(int(bias.min()), int(bias.max())):
        for change in (wrapped, saturated):
            yield opened(p, v - bias + change(bias, bits)).of(bits=bits)


def bias_unsigned(scene: Scene, p: FS | Readout, v: Ints) -> Effects:
    """Two's complement of as few bits as hold the bias, or of bytes, read without its sign."""
    bias = p.bias_map
    holds = set(WIDTHS) - set(too_narrow(int(bias.min()), int(bias.max())))
    if int(bias.min()) < 0:
        for bits in sorted({*sorted(holds)[:1], 8, 16, 24, 32}):
            negative = np.where(bias < 0, unsigned(bias, bits), bias)
            yield opened(p, v - bias + negative).of(bits=bits)


def with_the_first_delivery(scene: Scene, p: FS | Readout, v: Ints) -> Effects:
    """The bias comes with what is delivered first: where nothing is, there is none."""
    yield opened(p, np.where(touched(scene), v, v - p.bias_map))


BIAS = (
    Cause("bias-missing", "the bias is missing [NET-5]", biased(np.zeros_like)),
    Cause(
        "bias-with-the-first-delivery",
        "the bias is there whatever is delivered: yours comes with the first, and without one it is missing [NET-5]",
        of_membranes(with_the_first_delivery),
    ),
    Cause("bias-twice", "the bias is added once, not twice [NET-5]", biased(lambda bias: 2 * bias)),
    Cause(
        "bias-for-each-projection",
        "the bias is added once, not for each projection [PROJ-6]",
        of_membranes(once_for_each),
    ),
    Cause(
        "bias-in-each-step",
        "the bias is added once, not in each of {count} steps [NET-5]",
        of_membranes(bias_in_each_step),
    ),
    Cause("bias-subtracted", "the bias is added, not subtracted [NET-5]", biased(np.negative)),
    Cause(
        "bias-not-a-map",
        "the bias is a map: near the border it is another, since what is padded there is the real 0 [NET-5]",
        biased(middle, lambda bias: bias[:, :1, :1], entries_first),
    ),
    Cause(
        "bias-map-turned",
        "a bias map is (C, H, W): rows and columns of yours are exchanged [NET-5]",
        biased(turned, turned_back),
    ),
    Cause(
        "bias-not-loaded",
        "all biases are loaded: in yours the very first, or the very last, is 0 [NET-5]",
        of_membranes(bias_not_loaded),
    ),
    Cause(
        "bias-too-narrow",
        "the bias does not fit {bits} bits: yours wraps or saturates there [NET-5]",
        of_membranes(bias_too_narrow),
    ),
    Cause(
        "bias-unsigned",
        "a bias may be negative: yours reads its {bits} bits without a sign [NET-5]",
        of_membranes(bias_unsigned),
    ),
    Cause(
        "bias-of-another-channel",
        "each channel has its own bias: yours takes that of {channel} [NET-5]",
        of_membranes(bias_of_another_channel),
    ),
)
