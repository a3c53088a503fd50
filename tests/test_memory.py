"""RANGE-6: the bits of membranes, codes, weights, biases and candidates, by hand and by counting."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from fsref import FS, Dense, Input, Network, Width, fs_relu
from fsref.law.populations import MaxPool
from fsref.law.widths import Memory, memories
from handmade import ONE, chain, ladder, residual, tiny, unordered


def test_bits_by_hand() -> None:
    """Membranes of hid lie in -15..47 + bias, codes in 0..7; weights of -1..3 and -2..3 take 3 bits each; biases -2..1
    take 2, 5 and -5 take 4 (RANGE-6).
    """
    bits = memories(tiny())
    assert bits["in"] == Memory(0, 0, 4, 4 * 4, 0, 0, 0)
    # any_order of hid: row 0 from -15 to 1 + 45, row 1 from -2 to 75, row 2 from -15 to 45
    assert bits["hid"] == Memory(8, 3 * 8, 3, 3 * 3, 12 * 3, 3 * 2, 0)
    # any_order of out: row 0 from -7 to 5 + 21, row 1 from -5 - 14 to 21
    assert bits["out"] == Memory(6, 2 * 6, 0, 0, 6 * 3, 2 * 4, 0)


def test_a_declared_width_counts() -> None:
    """A membrane takes the width declared for it (RANGE-5, RANGE-6)."""
    net = tiny()
    wide = [dataclasses.replace(p, width=Width(20, "final")) if p.name == "hid" else p for p in net.populations]
    assert memories(tiny(populations=wide))["hid"] == dataclasses.replace(
        memories(net)["hid"], membrane_width=20, membranes=60
    )


@pytest.mark.parametrize(
    ("weights", "width"),
    [([0, 1], 2), ([-1, 0], 1), ([-128, 127], 8), ([-129, 0], 9), ([0, 128], 9), ([-(2**31), 2**31 - 1], 32)],
)
def test_width_of_weights(weights: list[int], width: int) -> None:
    """Weights take the two's complement bits of their smallest and largest (RANGE-6)."""
    net = chain(Dense("in", "out", [weights]), given=Input("in", (2, 1, 1), 1, 1))
    assert memories(net)["out"].weights == 2 * width


def test_negative_codes_take_a_sign() -> None:
    """A code takes a sign when it may be negative: those of flat are -5 and 0, those of a pool its source's (RANGE-3,
    RANGE-6).
    """
    bits = memories(unordered())
    assert (bits["flat"].code_width, bits["pool"].code_width) == (4, 3)
    relu = chain(FS("a", ONE, fs_relu(6)), given=Input("in", ONE))
    assert memories(relu)["a"].code_width == 6


@pytest.mark.parametrize("net", [residual(), unordered(), ladder()])
def test_candidates_are_counted(net: Network) -> None:
    """A max-pool has one bit for each place of each window that is not padding (POOL-1, POOL-3, RANGE-6)."""
    for p in net.populations:
        count = 0
        if isinstance(p, MaxPool):
            (channels, height, width), (top, left, _, _) = net[p.source].shape, p.padding
            for y, x in np.ndindex(p.shape[1:]):
                for r, c in np.ndindex(p.kernel):
                    row, column = y * p.stride[0] + r - top, x * p.stride[1] + c - left
                    count += channels * (0 <= row < height and 0 <= column < width)
        assert memories(net)[p.name].candidates == count
