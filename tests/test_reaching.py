"""Golden vectors for a chip drive the accumulators of every layer to each of their bits (VECTOR-3)."""

from __future__ import annotations

from functools import cache

import pytest

from fsref.limits.chip import Limits
from fsref.limits.misfits import misfits
from fsref.vectors.case import Case
from fsref.vectors.making import make
from fsref.vectors.reaching import LAYERS

BITS = 22


@cache
def level_1(overflow: str) -> list[Case]:
    """The cases of scope network of a level-1 pack for a chip of dense layers."""
    kinds = ("input", "fs", "readout", "dense", "pooled")
    chip = Limits(
        kinds=kinds, steps=(8, 8), weight_bits=8, bias_bits=16, membrane_bits=BITS, shape=(64, 16, 1), overflow=overflow
    )
    cases = make("bits", chip=chip, scopes=["network"]).cases
    assert len(cases) <= 100 and not [found for case in cases for found in misfits(case.net, chip)]
    return cases


@pytest.mark.parametrize("overflow", ["wrap", "trap"])
@pytest.mark.parametrize("delivery", ["pooled", "dense"])
def test_every_bit_of_every_accumulator_is_driven(delivery: str, overflow: str) -> None:
    """One case has membranes at +-2^b and one beside of every FS layer and of the readout: of the upper four bits by
    neurons, of all above the lowest eight by channels.
    """
    bits = range(BITS - 4 if delivery == "dense" else 8, BITS)
    wanted = {one for b in bits for one in (2**b - 1, -(2**b))}
    wanted |= {one for b in bits if b < BITS - 1 for one in (2**b, -(2**b) - 1)}
    cases = [case for case in level_1(overflow) if case.net.name == f"far_{delivery}"]
    reached = [
        all(wanted <= set(case.expected[p.name, "opening"].tolist()) for p in case.net.integrating) for case in cases
    ]
    assert any(reached) and all(len(case.net.fs) == LAYERS for case in cases)


def test_sums_go_just_beyond_an_accumulator_that_wraps() -> None:
    """A sum is 2^(bits - 1) or more, and one is below -2^(bits - 1), where what is left of them fits; of an accumulator
    that traps none is.
    """
    for overflow in ("wrap", "trap"):
        cases = [case for case in level_1(overflow) if case.net.name.startswith("far")]
        sums = [v for case in cases for key, v in case.expected.items() if key[1] == "sums"]
        high, low = max(int(v.max()) for v in sums), min(int(v.min()) for v in sums)
        assert (high >= 2 ** (BITS - 1), low < -(2 ** (BITS - 1))) == (overflow == "wrap",) * 2
