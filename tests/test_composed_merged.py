"""Causes composed of what several projections deliver together, of devices that tell no sums: named as where each of
them is told alone, and none where one integer more is wrong (CONFORM-7).

The chip is written here from the law with plain integers, and shares nothing with what judges it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from answering import composed_of, driven
from fsref import FS, Conv2d, Gate, Input, Network, Readout, Table
from fsref.conformance.driven import first_difference
from fsref.limits.chip import Limits
from fsref.vectors.case import Case, case_of
from fsref.verification.causes import Judged

Answer = dict[tuple[str, str], Any]
BITS = 13  # of the accumulators of one chip


def table(rng: Any, channels: int, steps: int) -> Table:
    """Rows of their own for each channel."""
    T = np.sort(rng.integers(-20, 150, (channels, steps)))[:, ::-1].copy()
    return Table(T=T, h=T // 2 + rng.integers(3, 30, (channels, steps)), d=rng.integers(1, 9, (channels, steps)))


def networks() -> Iterator[Network]:
    """Conv2d one behind the other; two and a gate that meet, and gates one behind the other."""
    for seed in (1, 2):
        rng = np.random.default_rng(seed)
        a = FS("a", (3, 4, 6), table(rng, 3, 4), rng.integers(-30, 60, 3))
        b = FS("b", (3, 2, 3), table(rng, 3, 4), rng.integers(-30, 60, 3))
        first = Conv2d("in", "a", rng.integers(-9, 10, (3, 2, 2, 3)), (1, 1), (1, 1, 0, 1))
        second = Conv2d("a", "b", rng.integers(-9, 10, (3, 3, 2, 3)), (2, 2), (0, 1, 0, 1))
        last = Conv2d("b", "out", rng.integers(-9, 10, (2, 3, 2, 3)))
        out = Readout("out", (2, 1, 1), [3, -4])
        yield Network([Input("in", (2, 4, 6), 4, 15), a, b, out], [first, second, last])
        meet = FS("meet", (3, 4, 6), table(rng, 3, 5), rng.integers(-30, 60, 3))
        more = FS("more", (3, 4, 6), table(rng, 3, 5), rng.integers(-30, 60, 3))
        beside = Conv2d("in", "meet", rng.integers(-9, 10, (3, 2, 2, 3)), (1, 1), (1, 1, 0, 1))
        along = Conv2d("a", "meet", rng.integers(-9, 10, (3, 3, 2, 3)), (1, 1), (0, 1, 1, 1))
        yield Network(
            [Input("in", (2, 4, 6), 4, 15), a, meet, more, out],
            [
                first,
                beside,
                along,
                Gate("meet", "a", "more", [1, -1, 1]),
                Conv2d("a", "more", rng.integers(-9, 10, (3, 3, 1, 1))),
                Conv2d("more", "out", rng.integers(-9, 10, (2, 3, 4, 6))),
            ],
        )
        g = FS("g", (6, 3, 5), table(rng, 6, 4), rng.integers(-30, 60, (6, 3, 5)))
        yield Network(
            [Input("in", (4, 3, 5), 4, 15), g, out],
            [
                Conv2d("in", "g", rng.integers(-9, 10, (6, 2, 2, 3)), (1, 1), (1, 1, 0, 1), groups=2),
                Conv2d("g", "out", rng.integers(-9, 10, (2, 6, 3, 5))),
                Conv2d("g", "out", rng.integers(-9, 10, (2, 6, 3, 5))),
            ],
        )
        gates = [Gate("a", "f", "b2", [2, -1, 1]), Gate("b2", "a", "c2", [1, 1, -1])]
        f = FS("f", (3, 4, 6), table(rng, 3, 4), rng.integers(-30, 60, 3))
        yield Network(
            [
                Input("in", (2, 4, 6), 4, 15),
                a,
                f,
                FS("b2", (3, 4, 6), table(rng, 3, 4), rng.integers(-30, 60, 3)),
                FS("c2", (3, 4, 6), table(rng, 3, 4), rng.integers(-30, 60, 3)),
                out,
            ],
            [
                first,
                Conv2d("in", "f", rng.integers(-9, 10, (3, 2, 1, 1))),
                *gates,
                Conv2d("c2", "out", rng.integers(-9, 10, (2, 3, 4, 6))),
            ],
        )


class Chip:
    """Neurons behind conv2d and gates, as the law has them; chips with a mistake override a method."""

    bits = 0  # of accumulators that wrap

    def stride(self, net: Network, q: Conv2d) -> tuple[int, int]:
        """From window to window."""
        return q.stride

    def address(self, q: Conv2d, i: int, r: int, c: int) -> int:
        """Of a weight in the kernels of its output."""
        _, _, kh, kw = q.weights.shape
        return (i * kh + r) * kw + c

    def row(self, net: Network, p: FS, n: int) -> int:
        """The row of a neuron's thresholds and resets."""
        return n // (p.shape[1] * p.shape[2])

    def table(self, net: Network, p: FS) -> Table:
        """Where that row stands."""
        return p.table

    def worth(self, net: Network, name: str, n: int) -> list[int]:
        """What a spike of a neuron is worth in each step, as it is delivered."""
        d: list[list[int]] = net.code_weights[name].tolist()
        return d[n // (net[name].shape[1] * net[name].shape[2])]

    def factor(self, codes: list[int]) -> list[int]:
        """What stands in the registers of a gate."""
        return codes

    def group(self, q: Conv2d, at: int, per_channel: int) -> int:
        """The group that a neuron of the target reads."""
        return at // per_channel // (len(q.weights) // q.groups)

    def kernels(self, net: Network, q: Conv2d) -> Any:
        """The weights."""
        return q.weights

    def columns(self, width: int) -> int:
        """How many columns count as inside."""
        return width

    def bias(self, p: FS | Readout, c: int, y: int, x: int) -> int:
        """Of a neuron."""
        return int(np.broadcast_to(p.bias_map, p.shape)[c, y, x])

    def loads(self) -> None:
        """What happens before an image."""

    def answers(self, net: Network, image: list[int]) -> Answer:
        """What is told of an image: no sums."""
        self.loads()
        K = net.input.steps
        fired = {net.input.name: [[v >> (K - 1 - t) & 1 for t in range(K)] for v in image]}
        found: Answer = {}
        for p in net.populations[1:]:
            assert isinstance(p, FS | Readout)
            opening = [self.bias(p, c, y, x) for c, y, x in np.ndindex(*p.shape)]
            for q in net.into(p.name).values():
                codes = self.codes(net, q.source, fired)
                if isinstance(q, Gate):
                    by = self.factor(self.codes(net, q.by, fired))
                    places = p.shape[1] * p.shape[2]
                    more = [int(q.weights[n // places]) * codes[n] * by[n] for n in range(p.neurons)]
                else:
                    assert isinstance(q, Conv2d)
                    more = self.windows(net, q, codes)
                opening = [v + one for v, one in zip(opening, more, strict=True)]
            half = 1 << (self.bits - 1) if self.bits else 0
            opening = [(v + half) % (2 * half) - half for v in opening] if half else opening
            found[p.name, "opening"] = opening
            if isinstance(p, FS):
                own = self.table(net, p)
                T, h, _ = (rows.tolist() for rows in own.rows(p.shape[0]))
                fired[p.name] = [
                    self.fires(v, T[at], h[at]) for n, v in enumerate(opening) for at in [self.row(net, p, n)]
                ]
                d = p.table.rows(p.shape[0])[2].tolist()
                places = p.shape[1] * p.shape[2]
                z = fired[p.name]
                found[p.name, "spikes"] = [int("".join(map(str, one)), 2) for one in z]
                found[p.name, "codes"] = [
                    sum(a * b for a, b in zip(one, d[n // places], strict=True)) for n, one in enumerate(z)
                ]
        return {key: np.array(values, np.int64) for key, values in found.items()}

    def codes(self, net: Network, name: str, fired: dict[str, list[list[int]]]) -> list[int]:
        """What the spikes of a population are worth."""
        return [sum(a * b for a, b in zip(z, self.worth(net, name, n), strict=True)) for n, z in enumerate(fired[name])]

    def fires(self, v: int, T: list[int], h: list[int]) -> list[int]:
        """The spikes of a neuron."""
        z = []
        for threshold, reset in zip(T, h, strict=True):
            z.append(int(v >= threshold))
            v -= reset * z[-1]
        return z

    def windows(self, net: Network, q: Conv2d, codes: list[int]) -> list[int]:
        """What a conv2d delivers."""
        _, H, W = net[q.source].shape
        outputs, inputs, kh, kw = q.weights.shape
        sy, sx = self.stride(net, q)
        kernels = [one.ravel().tolist() for one in self.kernels(net, q).astype(np.int64)]
        found = []
        for o, y, x in np.ndindex(*net[q.target].shape):
            total, places = 0, net[q.target].shape[1] * net[q.target].shape[2]
            first = self.group(q, o * places + y * net[q.target].shape[2] + x, places) * inputs
            for i, r, c in np.ndindex(inputs, kh, kw):
                to, at = y * sy + r - q.padding[0], x * sx + c - q.padding[1]
                if 0 <= to < H and 0 <= at < self.columns(W):
                    from_ = ((first + i) * H + to) * W + at
                    total += kernels[o][self.address(q, i, r, c)] * (codes[from_] if from_ < len(codes) else 5)
            found.append(total)
        assert outputs == net[q.target].shape[0]
        return found


class Turned(Chip):
    """Kernels are addressed as if columns came before rows."""

    def address(self, q: Conv2d, i: int, r: int, c: int) -> int:
        _, _, kh, kw = q.weights.shape
        return (i * kw + c) * kh + r


class Narrow(Turned):
    """The same in accumulators of few bits."""

    bits = BITS


class OneStride(Chip):
    """The stride of the first conv2d stays in its register."""

    def stride(self, net: Network, q: Conv2d) -> tuple[int, int]:
        first = net.projections[0]
        assert isinstance(first, Conv2d)
        return first.stride


class OneColumnMore(Chip):
    """The right border is looked for with <=: there stands what lies at the address, behind the last 5 spikes."""

    def columns(self, width: int) -> int:
        return width + 1


class GroupOfFirst(Chip):
    """The 32 neurons of a tile read the group of the first of them."""

    def group(self, q: Conv2d, at: int, per_channel: int) -> int:
        return super().group(q, at // 32 * 32, per_channel)


class BiasRows(Chip):
    """Rows of a bias map are as far apart as there are rows; behind the last stands 41."""

    def bias(self, p: FS | Readout, c: int, y: int, x: int) -> int:
        if p.bias.ndim < 3:
            return super().bias(p, c, y, x)
        at = (c * p.shape[1] + y) * p.shape[1] + x
        return int(p.bias.ravel()[at]) if at < p.bias.size else 41


class WeightsOfFirst(Chip):
    """A second conv2d between two populations reads the weights of the first."""

    def kernels(self, net: Network, q: Conv2d) -> Any:
        return next(one.weights for one in net.projections if (one.source, one.target) == (q.source, q.target))


class OneRow(Chip):
    """A spike is worth d of channel 0, wherever it is delivered."""

    def worth(self, net: Network, name: str, n: int) -> list[int]:
        return super().worth(net, name, 0)


class Counted(Chip):
    """The row of a table rises with each row of a map."""

    def row(self, net: Network, p: FS, n: int) -> int:
        return n // p.shape[2] % p.shape[0]


class Stays(Chip):
    """A table stays loaded for the next fs where K and the number of its rows are the same."""

    def table(self, net: Network, p: FS) -> Table:
        held = net.fs[0]
        for own in net.fs:
            same = (held.steps, held.table.channels) == (own.steps, own.table.channels)
            held = held if same else own
            if own is p:
                break
        return held.table


class Registers(Chip):
    """The registers of gates' factors are cleared between images alone."""

    def loads(self) -> None:
        self.left: list[int] = []

    def factor(self, codes: list[int]) -> list[int]:
        left = self.left or [0] * len(codes)
        self.left = [a + b for a, b in zip(left, codes, strict=True)]
        return self.left


NETWORKS = tuple(networks())
CASES = tuple(
    case_of(net, "network", "out", {("in", "codes"): image})
    for net in NETWORKS
    for image in np.random.default_rng(5).integers(0, 16, (3, net.input.neurons))
)
PLANTED: dict[type[Chip], tuple[str, ...]] = {
    Turned: ("weights are read as if they lay in the order outputs, inputs, kernel columns, kernel rows",),
    Narrow: ("weights are read as if they lay in the order outputs, inputs, kernel columns, kernel rows",),
    OneStride: ("a window has the stride of the first conv2d",),
    OneColumnMore: ("a window counts a column behind the source, too, and sees what lies at its address",),
    GroupOfFirst: ("a window reads the group of the first neuron of its 32",),
    BiasRows: ("yours reads the bias as if rows lie as far apart as there are rows",),
    WeightsOfFirst: ("weights of projections that join the same two populations are those of the first",),
    OneRow: ("a spike of the source delivers d of channel 0", "its source or its factor is worth d of channel 0"),
    Counted: ("yours has T and h of channel (c * H + y) mod C",),
    Stays: ("yours has T and h of the fs before it",),  # of the first population that is wrong nothing tells more
    Registers: ("registers of its factor keep what gates before left in the image",),
}


def judged(chip: Chip, one_more: bool = False) -> Judged:
    """What is said of a chip, or of one in whose last wrong answer one more integer is wrong."""
    answers = [chip.answers(case.net, case.given["in", "codes"].tolist()) for case in CASES]
    seen = [{key: own[key] for key in case.expected if key in own} for case, own in zip(CASES, answers, strict=True)]
    places = [first_difference(case, own) for case, own in zip(CASES, seen, strict=True)]
    if one_more:
        at = max(n for n, place in enumerate(places) if place is not None)
        seen[at][wrong_first(CASES[at], seen[at]), "opening"][0] += 7
    limits = Limits(membrane_bits=chip.bits, overflow="wrap") if chip.bits else None
    return composed_of(map(driven, CASES, seen), limits)


def wrong_first(case: Case, seen: Answer) -> str:
    """The first population of which something is wrong."""
    names = [p.name for p in case.net.populations]
    wrong = {of for (of, what), own in seen.items() if (own != case.expected[of, what]).any()}
    return min(wrong, key=names.index)


def test_the_chip_is_right_but_for_its_mistake() -> None:
    """Without a mistake it answers as the law says."""
    for case in CASES:
        for key, own in Chip().answers(case.net, case.given["in", "codes"].tolist()).items():
            assert (own == case.expected[key]).all(), key


@pytest.mark.parametrize("chip", PLANTED)
def test_what_is_planted_is_named_though_no_sum_is_told(chip: type[Chip]) -> None:
    """The first words are those of the mistake, and explain every case that differs."""
    found = judged(chip())
    assert found.hints, found.observed
    for words in PLANTED[chip]:
        assert words in found.hints[0].text, found.hints
    assert found.explained == found.judged


@pytest.mark.parametrize("chip", PLANTED)
def test_one_integer_more_that_is_wrong_has_no_words(chip: type[Chip]) -> None:
    """Where one integer is not what these words give they are not said of all."""
    found = judged(chip(), one_more=True)
    assert not any(all(words in hint.text for words in PLANTED[chip]) for hint in found.hints), found.hints
