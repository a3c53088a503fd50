"""Golden vectors for a chip drive the accumulators of every layer to each of their bits (VECTOR-3)."""

from __future__ import annotations

from functools import cache

import pytest

from fsref import Dense
from fsref.limits.chip import Limits
from fsref.limits.misfits import misfits
from fsref.vectors.case import Case
from fsref.vectors.making import make
from fsref.vectors.reaching import LAYERS, TURNING

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
    cases = [case for case in level_1(overflow) if case.net.name.startswith(f"far_{delivery}")]
    layers = [[p for p in case.net.integrating if p.name != TURNING] for case in cases]
    reached = [
        all(wanted <= set(case.expected[p.name, "opening"].tolist()) for p in own)
        for case, own in zip(cases, layers, strict=True)
    ]
    assert any(reached) and all(len(own) == LAYERS + 1 for own in layers)


def test_sums_go_just_beyond_an_accumulator_that_wraps() -> None:
    """A sum is 2^(bits - 1) or more, and one is below -2^(bits - 1), where what is left of them fits; of an accumulator
    that traps none is.
    """
    for overflow in ("wrap", "trap"):
        cases = [case for case in level_1(overflow) if case.net.name.startswith("far")]
        sums = [v for case in cases for key, v in case.expected.items() if key[1] == "sums"]
        high, low = max(int(v.max()) for v in sums), min(int(v.min()) for v in sums)
        assert (high >= 2 ** (BITS - 1), low < -(2 ** (BITS - 1))) == (overflow == "wrap",) * 2


@pytest.mark.parametrize("bias_first", [True, False])
def test_sums_leave_an_accumulator_that_wraps_and_return(bias_first: bool) -> None:
    """Of each layer and the readout a membrane is on the way above all that an accumulator holds, and one below, and
    fits in the end, added spike by spike, whether the bias comes first or last: one that saturates in each step is
    found, where the chip wraps; no other chip has such cases.
    """
    turning = [case for case in level_1("wrap") if "turning" in case.net.name]
    assert turning and not [case for case in level_1("trap") if "turning" in case.net.name]
    found: dict[str, set[int]] = {}
    for case in turning:
        for p in (p for p in case.net.integrating if p.name != TURNING):
            ends = case.expected[p.name, "opening"]
            for n in range(p.neurons):
                v = bias = int(p.bias_map[n, 0, 0])
                v = v if bias_first else 0
                low = high = v
                for more in additions(case, p.name, n):
                    v += more
                    low, high = min(low, v), max(high, v)
                assert v + (0 if bias_first else bias) == ends[n]
                half = 2 ** (BITS - 1)
                found.setdefault(p.name, set()).update([1] * (high >= half) + [-1] * (low < -half))
    assert all(signs == {1, -1} for signs in found.values()) and len(found) == LAYERS + 1, found


def additions(case: Case, name: str, n: int) -> list[int]:
    """What a neuron is delivered, in the order of its projections, of steps and of sources."""
    net, found = case.net, []
    for q in net.into(name).values():
        assert isinstance(q, Dense)
        words = case.given.get((q.source, "codes"), case.expected.get((q.source, "spikes")))
        assert words is not None
        K, d = net.steps[q.source], net.code_weights[q.source].tolist()
        _, height, width = net[q.source].shape
        weights = q.weights[n].tolist()
        for t in range(K):
            for m, word in enumerate(words.tolist()):
                c = m // (height * width)
                if word >> (K - 1 - t) & 1:
                    found.append(weights[c if q.pooled else m] * d[c][t])
    return found
