"""Causes in one layer alone, by its number in the load: a chip of plain integers with one mistake at one place, driven
by `conform`, which asks for more where few cases differ (CONFORM-6, CONFORM-7).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import pytest

from fsref import Conv2d, Network
from fsref.conformance.conforming import ENOUGH, conform

Rule = Callable[..., Any]
GREETING = {
    "kinds": ["input", "fs", "readout", "dense", "conv2d"],
    "shape": [40, 9, 9],
    "steps": [2, 8],
    "weight_bits": 8,
    "membrane_bits": 24,
    "theta": "channel",
}


def train(codes: Any, steps: int) -> Any:
    """The spikes (K, neurons) of an input."""
    return np.array(codes) >> np.arange(steps - 1, -1, -1)[:, None] & 1


def rows(table: Any, channels: int, size: int) -> list[Any]:
    """T, h and d, (K, neurons)."""
    return [np.repeat(np.broadcast_to(each, (channels, np.shape(each)[-1])), size, axis=0).T for each in table]


class Layers:
    """A chip; what it does otherwise is a rule by its name, for the projection or population of a number."""

    def __init__(self, number: int = 0, **rules: Rule) -> None:
        self.number, self.rules = number, rules

    def rule(self, name: str, number: int, right: Rule) -> Rule:
        """A rule of the population or projection of this number."""
        return self.rules.get(name, right) if number == self.number else right

    def __call__(self, net: Network, given: Mapping[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        spikes = {net.input.name: train(given[f"{net.input.name}.codes"], net.input.steps)}
        worth = {net.input.name: (1 << np.arange(net.input.steps - 1, -1, -1))[:, None] + 0 * spikes[net.input.name]}
        numbers = {name: i for i, name in enumerate(net.named_projections)}
        for number, p in enumerate(net.populations[1:], 1):
            channels, height, width = p.shape
            bias: Any = np.broadcast_to(p.bias if p.bias.ndim == 3 else p.bias[:, None, None], p.shape).ravel()
            total, sums = bias.astype(np.int64), []
            for name in net.into(p.name):
                sums.append(self.sums(net, net.into(p.name)[name], numbers[name], spikes, worth))
                found[f"{name}.sums"] = sums[-1]
            for own in sums:
                total = self.rule("added", number, np.add)(total, own)
            found[f"{p.name}.opening"] = v = total
            if not p.steps:
                continue
            table = (p.table.T, p.table.h, p.table.d)
            T, h, d = self.rule("rows", number, rows)(table, channels, height * width)
            z, left = [], []
            for t in range(p.steps):
                z.append(self.rule("fires", number, lambda v, T, t: v >= T)(v, T[t], t).astype(np.int64))
                v = v - h[t] * z[-1]
                left.append(v)
            spikes[p.name], worth[p.name] = np.array(z), rows(table, channels, height * width)[2]
            found[f"{p.name}.spikes"] = (np.array(z) << np.arange(p.steps - 1, -1, -1)[:, None]).sum(axis=0)
            found[f"{p.name}.membranes"] = np.array(left)
            found[f"{p.name}.codes"] = self.rule("code", number, lambda each: each.sum(axis=0))(d * spikes[p.name])
        return found

    def sums(self, net: Network, q: Any, number: int, spikes: Mapping[str, Any], worth: Mapping[str, Any]) -> Any:
        """What a projection delivers."""
        passed = self.rule("passed", number, lambda z: z)(spikes[q.source])
        product = self.rule("product", number, lambda w, z, d: w * (z * d).sum(axis=0))
        w = self.rule("weights", number, lambda w: w)(q.weights.astype(np.int64))
        if not isinstance(q, Conv2d):
            if q.pooled:
                size = net[q.source].neurons // w.shape[1]
                w = np.repeat(w, size, axis=1)
            return np.array([sum(product(row, passed, worth[q.source])) for row in w])
        c, height, width = net[q.source].shape
        rows_out, columns_out = net[q.target].shape[1:]
        outputs, inputs, kh, kw = w.shape
        z, d = (each.reshape(len(each), c, height, width) for each in (passed, worth[q.source]))
        found = []
        for o, oy, ox in np.ndindex(outputs, rows_out, columns_out):
            first, own = o // (outputs // q.groups) * inputs, 0
            for r, k in np.ndindex(kh, kw):
                y, x = oy * q.stride[0] - q.padding[0] + r * q.dilation[0], ox * q.stride[1] + k * q.dilation[1]
                y, x = self.rule("place", number, lambda y, x, *_: (y, x))(y, x - q.padding[1], oy, q, height, width)
                if 0 <= y < height and 0 <= x < width:
                    at = (slice(None), slice(first, first + inputs), y, x)
                    own += int(sum(product(w[o, :, r, k], z[at], d[at])))
            beyond = oy * q.stride[0] - q.padding[0] + (kh - 1) * q.dilation[0] >= height
            found.append(self.rule("window", number, lambda own, *_: own)(own, o, beyond))
        return np.array(found)


class LateWorth(Layers):
    """A chip whose spikes into the population of a number are worth d of the spike before, the first of one into
    another population.
    """

    kept = 0

    def sums(self, net: Network, q: Any, number: int, spikes: Mapping[str, Any], worth: Mapping[str, Any]) -> Any:
        d, here = worth[q.source].copy(), np.nonzero(spikes[q.source])
        if len(here[0]):
            late = [self.kept, *d[here][:-1]]
            self.kept = d[here][-1]
            if net.populations[self.number].name == q.target:
                d[here] = late
        return super().sums(net, q, number, spikes, {**worth, q.source: d})


def ringed(y: int, x: int, oy: int, q: Any, height: int, width: int) -> tuple[int, int]:
    """Behind the last row stands what was written there last."""
    spans = (q.weights.shape[2] - 1) * q.dilation[0] + 1
    while y >= height:
        y -= spans
    return (y, x) if y >= -q.padding[0] else (-1, x)


def phased(y: int, x: int, oy: int, q: Any, height: int, width: int) -> tuple[int, int]:
    """Columns are counted on from row to row."""
    return y, x + -(oy * q.stride[0] * (width + q.padding[1] + q.padding[3])) % q.stride[1]


def clamped(y: int, x: int, oy: int, q: Any, height: int, width: int) -> tuple[int, int]:
    """A window that begins above the source begins at its first row."""
    begins = oy * q.stride[0] - q.padding[0]
    return y - min(begins, 0), x


def modulo(y: int, x: int, oy: int, q: Any, height: int, width: int) -> tuple[int, int]:
    """Rows of the kernel are as far from the first as they would be modulo as many as it has."""
    begins = oy * q.stride[0] - q.padding[0]
    return begins + (y - begins) % q.weights.shape[2], x


def unsigned(w: Any) -> Any:
    """Each eighth weight of a word has lost its sign."""
    found = w.copy()
    found[:, 7::8] &= 255
    return found


def without_carry(v: Any, more: Any) -> Any:
    return (((v >> 8) + (more >> 8)) << 8) | ((v + more) & 255)


def of_next(table: Any, channels: int, size: int) -> list[Any]:
    """The first channel has the rows of the next one."""
    found = rows(table, channels, size)
    for row in found:
        row[:, :size] = row[:, size : 2 * size] if channels > 1 else row[:, :size]
    return found


def one_low(w: Any, z: Any, d: Any) -> Any:
    """Each product by a weight below 0 is 1 too low."""
    return w * (z * d).sum(axis=0) - (w < 0) * z.sum(axis=0)


def signed(z: Any) -> Any:
    """Words of 8 neurons whose last one spikes are lost."""
    found = z.copy()
    for t, at in np.ndindex(len(z), z.shape[1] // 8):
        if z[t, at * 8 + 7]:
            found[t, at * 8 : at * 8 + 8] = 0
    return found


def scanned(z: Any) -> Any:
    """Up to the first word of 8 neurons without a spike."""
    found = z.copy()
    for t in range(len(z)):
        for at in range(0, z.shape[1], 8):
            if not z[t, at : at + 8].any():
                found[t, at:] = 0
                break
    return found


MISTAKES: dict[str, tuple[Layers, str]] = {
    "strict": (Layers(3, fires=lambda v, T, t: v > T), "equality fires"),
    "ring": (Layers(1, place=ringed), "sees rows in a ring of as many as its kernel spans"),
    "phase": (Layers(2, place=phased), "goes on from row to row of the source"),
    "bottom": (
        Layers(1, window=lambda own, o, beyond: 0 if beyond and o == 3 else own),
        "in channel 3, where its window leaves the source at the bottom",
    ),
    "carry": (Layers(2, added=without_carry), "the carry into bit 8 is lost where projections are added to the bias"),
    "rows": (Layers(2, rows=of_next), "adds d of the next channel, in the first channel"),
    "one-low": (Layers(2, product=one_low), "a product by a weight below 0 is 1 too low"),
    "clamped": (Layers(0, place=clamped), "begins at the first row where it would before it"),
    "modulo": (Layers(1, place=modulo), "as far from its first as they would be modulo as many as it has"),
    "or": (Layers(3, code=partial(np.bitwise_or.reduce, axis=0)), "yours is the OR of d"),
    "unsigned": (Layers(0, weights=unsigned), "a weight of inputs 7, 15, ... has 8 bits without a sign"),
    "signed": (Layers(2, passed=signed), "a word of 8 neurons whose last one"),
    "worth": (LateWorth(2), "the first that of what came before, in layer 1"),  # as little is said of others
    "scanned": (Layers(0, passed=scanned), "a spike behind an empty word of 8 neurons of its step is lost"),
}


def test_a_chip_that_is_right_has_no_cause() -> None:
    """It passes, and nothing more is asked of it."""
    asked: list[str] = []
    chip = Layers()

    def counted(net: Network, given: Mapping[str, Any]) -> dict[str, Any]:
        asked.append(net.id)
        return chip(net, given)

    report = conform(counted, greeting=GREETING, examples=0)
    assert report.agrees and not report.hints.hints
    assert set(asked) == {one.network for one in report.driven}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_in_one_layer_is_named(name: str) -> None:
    """The first hint is the mistake, of a layer by its number where others are right; caught in the first 100 cases. Of
    a chip of which few differ more is asked, which the report says.
    """
    chip, words = MISTAKES[name]
    report = conform(chip, greeting=GREETING, examples=0)
    assert report.first is not None and report.first.difference is not None
    assert words in report.hints.hints[0].text
    assert report.hints.explained > 0.8 * report.hints.judged  # of large ones too much would have to be followed
    failed = sum(not one.passed for one in report.driven)
    said = "of them asked for this alone" in " ".join(str(report).split())
    assert said == (report.hints.differing > failed) and said >= (failed < ENOUGH)


def test_a_mistake_in_one_of_several_projections_is_named() -> None:
    """Where no sums are told, what several projections deliver together says which of them is wrong."""
    chip, words = MISTAKES["one-low"]
    told = {**GREETING, "observables": ["opening", "spikes", "membranes", "codes"]}
    report = conform(chip, greeting=told, examples=0)
    assert report.first is not None and words in report.hints.hints[0].text
    assert "in projection 2" in report.hints.hints[0].text
