"""Networks large enough for several registers, of every form a projection has; and the judge of fast kernels: the
engine of plain loops. A program, too, so that it can be run under other settings of Numba.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fsref import FS, Conv2d, Dense, Input, MaxPool, Network, Readout, Table, fs_relu
from fsref.engines import events, plain
from fsref.engines.plan import plan_of
from fsref.law.projections import window_count

Ints = NDArray[np.int64]
EVERYTHING = frozenset({"sums", "opening", "spikes", "membranes", "codes"})
FORMS = ("conv", "wide conv", "stride", "dilation", "groups", "depthwise", "1 x 1", "dense", "pooled", "large kernel")


def table(rng: np.random.Generator, steps: int, channels: int, relu: bool, reach: int, pooled: bool) -> Table:
    """An FS-ReLU that fires often below `reach`, or any staircase, with d of both signs unless a pool reads it."""
    if relu:
        return fs_relu(steps, rng.integers(1, max(2, reach >> steps), channels))
    draw = lambda: rng.integers(-reach // 8, reach // 3, (channels, steps))  # noqa: E731
    d = rng.integers(1, 4, (channels, steps)) if pooled else rng.integers(-9, 20, (channels, steps))
    for t in reversed(range(steps if pooled else 0)):  # more than all later ones together (POOL-2)
        d[:, t] += d[:, t + 1 :].sum(axis=1)
    return Table(draw(), draw(), d)


def projection(rng: np.random.Generator, form: str, source: tuple[int, int, int]) -> tuple[dict[str, Any], int, Any]:
    """Geometry of a conv2d of this form, its output channels, and its kernel."""
    c = source[0]
    kernel = {"1 x 1": (1, 1), "large kernel": (5, 4)}.get(form, (int(rng.integers(2, 4)), 3))
    groups = {"groups": 2 if c % 2 == 0 else 1, "depthwise": c}.get(form, 1)
    outputs = c if form == "depthwise" else groups * int(rng.integers(1, 40 if form != "wide conv" else 150))
    about: dict[str, Any] = {"padding": tuple(rng.integers(0, 3, 4).tolist()), "groups": groups}
    if form == "stride":
        about["stride"] = tuple(rng.integers(1, 4, 2).tolist())
    if form == "dilation":
        about |= {"dilation": tuple(rng.integers(1, 4, 2).tolist()), "stride": tuple(rng.integers(1, 3, 2).tolist())}
    return about, outputs, kernel


def network(seed: int, form: str) -> Network:
    """A network of one projection of this form, a second one beside it, a pool, and a readout."""
    rng = np.random.default_rng([seed, *form.encode()])
    source = (int(rng.integers(2, 21)) * 2, int(rng.integers(4, 8)), int(rng.integers(4, 8)))
    steps, heavy = int(rng.integers(1, 10)), int(rng.integers(0, 3))
    most = (20, 127, 2**14)[heavy]
    populations: list[Any] = [Input("in", source, steps, 2**steps - 1)]
    if form in ("dense", "pooled"):
        target = (int(rng.integers(2, 60)), 1, 1)
        size = source[0] if form == "pooled" else int(np.prod(source))
        one: Any = Dense("in", "a", rng.integers(-most, most + 1, (target[0], size)), form == "pooled")
        other: Any = Dense("in", "a", rng.integers(-most, most + 1, (target[0], source[0])), True)
    else:
        about, outputs, kernel = projection(rng, form, source)
        stride, dilation = about.get("stride", (1, 1)), about.get("dilation", (1, 1))
        sizes = [
            window_count(source[n + 1], about["padding"][n], about["padding"][n + 2], kernel[n], stride[n], dilation[n])
            for n in (0, 1)
        ]
        if min(sizes) < 1:
            return network(seed + 1000, form)
        target = (outputs, *sizes)
        one = Conv2d(
            "in", "a", rng.integers(-most, most + 1, (outputs, source[0] // about["groups"], *kernel)), **about
        )
        other = one
    reach = max(8, int(most * source[0] * 2**steps) // 4)
    bias = rng.integers(-reach // 9, reach // 9, target if rng.integers(2) else target[0])
    populations.append(
        FS("a", target, table(rng, int(rng.integers(1, 13)), target[0], seed % 3 > 0, reach, True), bias)
    )
    populations.append(MaxPool("p", target, "a", (2, 2), (1, 1), (1, 0, 0, 1)))
    own = (int(rng.integers(1, 40)), *target[1:])
    populations.append(FS("b", own, table(rng, int(rng.integers(1, 10)), own[0], seed % 2 > 0, 4000, False)))
    populations.append(Readout("out", (int(rng.integers(1, 20)), 1, 1)))
    small = lambda *shape: rng.integers(-9, 10, shape)  # noqa: E731
    projections = [
        one,
        other,
        Conv2d("a", "b", small(own[0], target[0], 1, 1)),
        Conv2d("p", "b", small(own[0], target[0], 1, 1)),
        Dense("b", "out", small(populations[-1].shape[0], int(np.prod(own)))),
    ]
    return Network(populations, projections)


def images(net: Network, count: int) -> Ints:
    """Drawn codes, the first all at their most."""
    drawn = np.random.default_rng(4).integers(0, net.input.max_code + 1, (count, *net.input.shape))
    drawn[0] = net.input.max_code
    return drawn


def differs(net: Network, x: Ints) -> str | None:
    """What `events`, recorded or not, gives otherwise than plain loops; None when it gives the same."""
    every = {p.name: EVERYTHING for p in net.populations}
    judged = list(plain.simulator(net)(x, every))
    for whole, own, counted in zip(judged, events.simulator(net)(x, every), events.simulator(net)(x, {}), strict=True):
        for what in ("trains", "codes", "opening", "membranes"):
            one, other = getattr(whole, what), getattr(own, what)
            if (one is None) != (other is None) or (one is not None and not np.array_equal(one, other)):
                return f"{whole.population} {what}"
        if list(whole.sums) != list(own.sums) or any((whole.sums[q] != own.sums[q]).any() for q in whole.sums):
            return f"{whole.population} sums"
        if whole.trains is None:
            if not np.array_equal(whole.opening, counted.opening):
                return "logits"
        elif np.bitwise_count(whole.trains).sum(axis=(1, 2, 3)).tolist() != counted.counts.tolist():
            return f"{whole.population} counts"
    return None


def all_agree(seeds: int, some: Sequence[str]) -> dict[str, set[str]]:
    """The kernels that delivered each form, where all agree on so many networks of it."""
    used: dict[str, set[str]] = {}
    for form in some:
        for seed in range(seeds):
            net = network(seed, form)
            found = differs(net, images(net, 2))
            assert found is None, (form, seed, found)
            made = plan_of(net).forms["in->a#0"]
            used.setdefault(form, set()).add(made)
    return used


if __name__ == "__main__":
    print({form: sorted(kinds) for form, kinds in all_agree(int(sys.argv[1]), sys.argv[2:]).items()})
