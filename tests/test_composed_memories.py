"""Causes composed of memories: weights in several memories that take outputs in turn, or input by input, spikes that
land beyond a border there, tables that come late, and trains in registers that are not cleared (CONFORM-7).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from answering import composed_of, driven
from fsref import FS, Conv2d, Dense, Input, Network, Readout, Table, fs_relu
from fsref.conformance.driven import Driven
from fsref.vectors.case import Case, case_of
from fsref.verification.causes import Judged

K, BANKS = 4, 4  # steps, and memories
Sums = Callable[[Any, Any], Any]  # from a projection and codes (C, H, W)


def network() -> Network:
    """Two convolutions, one of groups, and two dense ones, of outputs that no number of memories divides."""
    rng = np.random.default_rng(13)
    return Network(
        [
            Input("in", (6, 4, 5), K, 15),
            FS("a", (12, 4, 4), fs_relu(K, 90), np.arange(12)),
            FS("b", (7, 3, 3), fs_relu(K, 90), np.arange(7)),
            FS("c", (11, 1, 1), fs_relu(K, 90), np.arange(11)),
            FS("d", (6, 1, 1), fs_relu(K, 90), np.arange(6)),
            Readout("out", (2, 1, 1), [0, 1]),
        ],
        [
            Conv2d("in", "a", rng.integers(-60, 61, (12, 2, 3, 2)), padding=(1, 0, 1, 0), groups=3),
            Conv2d("in", "b", rng.integers(-60, 61, (7, 6, 2, 3))),
            Dense("in", "c", rng.integers(-60, 61, (11, 120))),
            Dense("in", "d", rng.integers(-60, 61, (6, 120))),
            Dense("a", "out", rng.integers(-60, 61, (2, 192))),
            Dense("b", "out", rng.integers(-60, 61, (2, 63))),
            Dense("c", "out", rng.integers(-60, 61, (2, 11))),
            Dense("d", "out", rng.integers(-60, 61, (2, 6))),
        ],
    )


NET = network()
NAMES = ("in->a", "in->b", "in->c", "in->d")


def memories() -> tuple[list[list[int]], dict[str, int]]:
    """Each memory, and where a projection begins in all of them: where outputs do not divide, 999 stands."""
    found: list[list[int]] = [[] for _ in range(BANKS)]
    bases = {}
    for name, q in NET.named_projections.items():
        bases[name] = len(found[0])
        size = int(np.prod(q.weights.shape[1:]))
        for o in range(-(-len(q.weights) // BANKS) * BANKS):
            found[o % BANKS] += q.weights[o].ravel().tolist() if o < len(q.weights) else [999] * size
    return found, bases


MEMORY, BASES = memories()


def gathered(name: str, codes: Any, address: Callable[..., int] | None, lands: Callable[..., int] | None = None) -> Any:
    """The sums of a projection, the weights of which are read from memories at an address from its base on, and each
    product of which lands at an address of its memory.
    """
    q = NET.named_projections[name]
    outputs, rows, columns = NET[q.target].shape
    _, inputs, kh, kw = (*q.weights.shape, 1, 1)[:4]
    source = codes.shape if isinstance(q, Conv2d) else (inputs, 1, 1)
    plane, (top, left) = codes.reshape(source), getattr(q, "padding", (0, 0))[:2]
    groups = getattr(q, "groups", 1)
    found = [[0] * 999 for _ in range(BANKS)]
    for o, oy, ox, i, r, s in np.ndindex(outputs, rows, columns, inputs, kh, kw):
        c, y, x = o // (outputs // groups) * inputs + i, oy - top + r, ox - left + s
        if 0 <= y < source[1] and 0 <= x < source[2]:
            at = ((o // BANKS * inputs + i) * kh + r) * kw + s
            at = at if address is None else address(o // BANKS, i, r, s, c, q.weights.shape)
            place = o // BANKS * rows * columns + oy * columns + ox
            found[o % BANKS][place] += MEMORY[o % BANKS][BASES[name] + at] * int(plane[c, y, x])
    return told(found, outputs, rows * columns)


def told(memories: list[list[int]], outputs: int, size: int) -> Any:
    """What stands at the places of outputs."""
    return np.array([memories[o % BANKS][o // BANKS * size + n] for o, n in np.ndindex(outputs, size)], np.int64)


def by_rows_squared(name: str, codes: Any) -> Any:
    """Kernels are taken to have as many columns as rows."""
    return gathered(
        name, codes, lambda o, i, r, s, c, shape: ((o * shape[1] + i) * (*shape, 1)[2] + r) * (*shape, 1)[2] + s
    )


def of_source(name: str, codes: Any) -> Any:
    """The input of a weight is the channel of the source."""
    return gathered(name, codes, lambda o, i, r, s, c, shape: plain(o, c if len(shape) == 4 else i, r, s, shape))


def plain(o: int, i: int, r: int, s: int, shape: tuple[int, ...]) -> int:
    """The right address."""
    _, inputs, kh, kw = (*shape, 1, 1)[:4]
    return ((o * inputs + i) * kh + r) * kw + s


def rounded(name: str, codes: Any) -> Any:
    """Outputs lie as far apart as what is right, rounded up to a multiple of 32."""

    def address(o: int, i: int, r: int, s: int, c: int, shape: tuple[int, ...]) -> int:
        return plain(0, i, r, s, shape) + o * (-(-int(np.prod(shape[1:])) // 32) * 32)

    return gathered(name, codes, address)


def scattered(name: str, codes: Any, further: int = 1) -> Any:
    """What a conv2d delivers spike by spike, one column right of the target, too: the first one of the next row."""
    q = NET.named_projections[name]
    if not isinstance(q, Conv2d):
        return gathered(name, codes, None)
    outputs, rows, columns = NET[q.target].shape
    _, inputs, kh, kw = q.weights.shape
    found = [[0] * 999 for _ in range(BANKS)]
    for o, i, y, x, r, s in np.ndindex(outputs, inputs, *codes.shape[1:], kh, kw):
        c = o // (outputs // q.groups) * inputs + i
        oy, ox = y + q.padding[0] - r, x + q.padding[1] - s
        if 0 <= oy < rows and 0 <= ox < columns + further:
            place = o // BANKS * rows * columns + oy * columns + ox
            found[o % BANKS][place] += int(q.weights[o, i, r, s]) * int(codes[c, y, x])
    return told(found, outputs, rows * columns)


def by_input(name: str, codes: Any) -> Any:
    """Weights of a dense lie input by input, outputs in words of four, and are read as if these were full."""
    q = NET.named_projections[name]
    if isinstance(q, Conv2d):
        return gathered(name, codes, None)
    outputs, inputs = q.weights.shape
    memory: list[int] = []
    for i in range(inputs):
        memory += [*q.weights[:, i].tolist(), *[0] * (-outputs % 4)]
    return np.array(
        [sum(memory[i * outputs + o] * int(codes.ravel()[i]) for i in range(inputs)) for o in range(outputs)]
    )


def from_the_end(name: str, codes: Any) -> Any:
    """Outputs of each four have the weights of those as far from its end; of the last ones some have none."""
    q = NET.named_projections[name]
    right = gathered(name, codes, None).reshape(len(q.weights), -1)
    if isinstance(q, Conv2d):
        return right.ravel()
    others = [o // 4 * 4 + 3 - o % 4 for o in range(len(right))]
    return np.array([right[o, 0] if o < len(right) else 0 for o in others])


def exchanged(name: str, codes: Any) -> Any:
    """A dense has the weights of rows and columns exchanged."""
    q = NET.named_projections[name]
    if isinstance(q, Conv2d):
        return gathered(name, codes, None)
    found = np.zeros(len(q.weights), np.int64)
    for c, y, x in np.ndindex(codes.shape):
        found += q.weights[:, (c * codes.shape[2] + x) * codes.shape[1] + y].astype(np.int64) * int(codes[c, y, x])
    return found


CHIPS: list[tuple[Callable[[str, Any], Any], str]] = [
    (by_rows_squared, "weights are read as if kernels had as many columns as rows, outputs in 4 memories in turn"),
    (of_source, "input of a weight is the channel of the source, not of its group, outputs in 4 memories in turn"),
    (rounded, "with each output by what is right, rounded up to a multiple of 32, outputs in 4 memories in turn"),
    (scattered, "one column right of the target runs on at the address there, channels in 4 memories in turn"),
    (by_input, "weights lie input by input, outputs in words of 4, and are read as if they filled them"),
    (
        from_the_end,
        "outputs of each tile of 4 have the weights of those as far from its other end, 0 where there is none",
    ),
    (exchanged, "a dense takes the weight at the address of its neuron, rows and columns exchanged"),
]


def answered(chip: Callable[[str, Any], Any], more: int = 0) -> Iterator[Driven]:
    """What a chip answers of each projection, one sum of one of them so much more."""
    for n, name in enumerate(NAMES * 3):
        codes = np.random.default_rng(n).integers(0, 16, 120) * (np.random.default_rng(n + 50).integers(0, 6, 120) == 0)
        case = case_of(NET, "projection", name, {("in", "spikes"): codes})
        sums = chip(name, codes.reshape(6, 4, 5))
        if n == 2:
            sums[1] += more
        yield driven(case, {(name, "sums"): sums})


def test_the_memories_are_right_by_themselves() -> None:
    """Read at the right addresses, and spike by spike, they give what the law does."""
    assert all(row.passed for row in answered(lambda name, codes: gathered(name, codes, None)))
    assert all(row.passed for row in answered(lambda name, codes: scattered(name, codes, 0)))


@pytest.mark.parametrize(("chip", "words"), CHIPS, ids=lambda one: getattr(one, "__name__", ""))
def test_what_is_read_or_lands_elsewhere_is_named(chip: Callable[[str, Any], Any], words: str) -> None:
    """The first words are those of what is wrong, and explain every case that differs; with one sum more they are not
    said.
    """
    found = composed_of(answered(chip))
    assert found.hints and words in found.hints[0].text and found.explained == found.judged > 0
    assert not any(words in hint.text for hint in composed_of(answered(chip, 12345)).hints)


def staircases() -> Iterator[Case]:
    """Trains given to layers of three steps whose tables differ by channel, and of more neurons than a word has."""
    for seed in range(3):
        rng = np.random.default_rng(seed)
        T = np.sort(rng.integers(5, 90, (5, 3)))[:, ::-1].copy()
        table = Table(T=T, h=T - rng.integers(0, 9, (5, 3)), d=[5, 2, 1])
        net = Network(
            [
                Input("in", (3, 4, 4), K, 15),
                FS("a", (5, 3, 3), table, rng.integers(-9, 40, 5)),
                Readout("out", (1, 1, 1), [0]),
            ],
            [Conv2d("in", "a", rng.integers(-3, 6, (5, 3, 2, 2))), Dense("a", "out", np.ones((1, 45), np.int64))],
        )
        for codes in rng.integers(0, 16, (5, 48)):
            yield case_of(net, "population", "a", {("in", "spikes"): codes})


def fired(v: Any, T: Any, h: Any) -> tuple[Any, Any]:
    """Trains and membranes, step by step."""
    train, left = np.zeros(v.shape, np.int64), []
    for t in range(T.shape[-1]):
        z = v >= T[..., t]
        v = v - h[..., t] * z
        train, left = train << 1 | z, [*left, v]
    return train, np.stack(left)


def late(case: Case) -> dict[Any, Any]:
    """The first row of each channel has T of the channel before, that of the first one of a layer before."""
    p: Any = case.net["a"]
    T, h = (np.repeat(rows, 9, axis=0).reshape(5, 3, 3, 3) for rows in (p.table.T, p.table.h))
    T = T.copy()
    T[1:, 0], T[0, 0] = p.table.T[:-1, None], [61, 17, 3]
    train, left = fired(case.expected["a", "opening"].reshape(5, 3, 3), T, h)
    d = np.array([5, 2, 1])[:, None, None, None]
    codes = ((train >> np.arange(2, -1, -1)[:, None, None, None] & 1) * d).sum(axis=0)
    own = {"spikes": train.ravel(), "membranes": left.reshape(3, -1), "codes": codes.ravel()}
    return {**case.expected, **{("a", what): values for what, values in own.items()}}


def shifted(case: Case) -> dict[Any, Any]:
    """Trains are shifted into a register of 8 bits for each column, which is never cleared, and held 201 before."""
    own = case.expected["a", "spikes"].reshape(-1, 3)
    register, found = np.full(3, 201), []
    for row in own:
        register = (register << 3 | row) & 255
        found.append(register)
    return {**case.expected, ("a", "spikes"): np.concatenate(found)}


def kept(case: Case) -> dict[Any, Any]:
    """A word of 16 neurons is not cleared when it is full."""
    found = case.expected["a", "spikes"].copy()
    for n in range(16, len(found)):
        found[n] |= found[n - 16]
    return {**case.expected, ("a", "spikes"): found}


@pytest.mark.parametrize(
    ("chip", "words"),
    [
        (late, "yours compares with T of the channel before, the first that of another population, in the first row"),
        (
            shifted,
            "the train is told: yours holds the trains of the neurons of its column before above its own, in 8 bits",
        ),
        (kept, "the train is told: yours has what was gathered of the words of 16 before it in its step, too"),
    ],
    ids=["late", "shifted", "kept"],
)
def test_what_registers_hold_of_others_is_named(chip: Callable[[Case], Any], words: str) -> None:
    """A table that comes a row late, and trains that stay in registers and words, are told."""
    found: Judged = composed_of(driven(case, chip(case)) for case in staircases())
    assert words in found.hints[0].text and found.explained == found.judged > 0
