"""Causes composed of steps: neurons that run through fewer than their table has, and spikes that are worth nothing
(CONFORM-7).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from answering import composed_of, driven
from fsref import FS, Dense, Input, Network, Readout, Table
from fsref.conformance.driven import Driven
from fsref.vectors.case import Case, case_of
from fsref.verification.composed.relation import UNSAID, Part

K, FEWER = 5, 3  # steps, and those of the source


def network(seed: int) -> Network:
    """Two dense layers of other steps, the first of which has a step that is worth nothing."""
    rng = np.random.default_rng(seed)
    T = np.sort(rng.integers(1, 60, (4, K)))[:, ::-1].copy()
    return Network(
        [
            Input("in", (5, 1, 1), 4, 15),
            FS("few", (6, 1, 1), Table(T=[40, 20, 9], h=[31, 17, 8], d=[4, 0, 1]), rng.integers(-9, 30, 6)),
            FS("many", (4, 1, 1), Table(T=T, h=T // 2 + 3, d=[16, 8, 4, 2, 1]), rng.integers(5, 60, 4)),
            Readout("out", (2, 1, 1), [3, -4]),
        ],
        [
            Dense("in", "few", rng.integers(-4, 7, (6, 5))),
            Dense("few", "many", rng.integers(-9, 15, (4, 6)) * 2 + 1),
            Dense("many", "out", rng.integers(-5, 6, (2, 4))),
        ],
    )


def cases() -> Iterator[Case]:
    """Trains given to the second layer of several networks."""
    for seed in range(4):
        for trains in np.random.default_rng(seed).integers(0, 2**FEWER, (4, 6)):
            yield case_of(network(seed), "population", "many", {("few", "spikes"): trains})


def run(case: Case, steps: int, aligned: bool) -> Driven:
    """What a chip answers whose neurons run through so many steps: of the others membranes of 77 stand there."""
    seen: dict[Any, Any] = {key: values.copy() for key, values in case.expected.items()}
    p: Any = case.net["many"]
    z = seen["many", "spikes"] >> np.arange(K - 1, -1, -1)[:, None] & 1
    shift = np.arange(steps - 1, -1, -1) + (K - steps) * aligned
    seen["many", "spikes"] = (z[:steps] << shift[:, None]).sum(axis=0)
    seen["many", "membranes"][steps:] = 77
    seen["many", "codes"] = (z[:steps] * p.table.rows(4)[2].T[:steps]).sum(axis=0)
    return driven(case, seen)


@pytest.mark.parametrize(
    ("steps", "aligned", "words"),
    [
        (FEWER, True, "yours runs through as many as K of its last source alone [FS-1]"),
        (FEWER, False, "as many as K of its last source alone, and tells its train as one of so many [FS-1]"),
        (4, True, "yours runs through as many as K - 1 alone [FS-1]"),
    ],
)
def test_neurons_that_end_early_are_told_their_steps(steps: int, aligned: bool, words: str) -> None:
    """Whatever stands in the membranes of the steps that are not run, it is told how many are."""
    found = composed_of(run(case, steps, aligned) for case in cases())
    assert any(words in hint.text for hint in found.hints) and found.explained == found.judged > 0


def test_a_neuron_that_goes_on_once_has_no_such_words() -> None:
    """Where one neuron of one case fires behind those steps, they are not said."""
    rows = [run(case, FEWER, True) for case in cases()]
    at = next(n for n, row in enumerate(rows) if not row.passed)
    seen = {key: values.copy() for key, values in rows[at].observed.items()}
    seen["many", "spikes"][0] |= 1
    case = rows[at].case
    assert case is not None
    rows[at] = driven(case, seen)
    assert not any("runs through" in hint.text for hint in composed_of(rows).hints)


def test_a_spike_that_is_worth_nothing_and_delivers_its_weight_is_named() -> None:
    """A chip that takes a d of 0 for 1 is told so."""
    rows = []
    for case in cases():
        w = case.net.into("many")["few->many"].weights.astype(np.int64)
        more = w @ (case.given["few", "spikes"] >> 1 & 1)
        seen = {**case.expected, ("few->many", "sums"): case.expected["few->many", "sums"] + more}
        rows.append(driven(case, seen))
    found = composed_of(rows)
    assert "in yours a spike is worth 1 where d is 0 [PROJ-1]" in found.hints[0].text
    assert found.explained == found.judged > 0


def test_a_code_that_ends_at_that_of_an_fs_relu_is_named() -> None:
    """Codes of staircases of several K, of which those beyond 2^K - 1 are told as that."""
    rows = []
    for steps, d in ((3, [6, 2, 1]), (5, [19, 8, 5, 2, 1])):
        T = [40, 20, 9, 4, 2][:steps]
        net = Network(
            [Input("in", (5, 1, 1), 4, 15), FS("a", (6, 1, 1), Table(T=T, h=T, d=d)), Readout("out", (1, 1, 1), [0])],
            [
                Dense("in", "a", np.random.default_rng(steps).integers(-4, 7, (6, 5))),
                Dense("a", "out", np.array([[1, -2, 3, 2, 1, 1]])),
            ],
        )
        for trains in np.random.default_rng(7).integers(0, 16, (6, 5)):
            case = case_of(net, "population", "a", {("in", "spikes"): trains})
            codes = np.minimum(case.expected["a", "codes"], 2**steps - 1)
            rows.append(driven(case, {**case.expected, ("a", "codes"): codes}))
    found = composed_of(rows)
    assert "yours is 2^K - 1 at most" in found.hints[0].text and found.explained == found.judged > 0


def test_a_factor_of_too_few_bits_is_named_of_pooled_channels_too() -> None:
    """What is multiplied with a weight wraps: a code, and where a dense is pooled the sum of those of a channel."""
    rng = np.random.default_rng(2)
    net = Network(
        [
            Input("in", (2, 2, 2), 4, 15),
            FS("a", (3, 1, 1), Table(T=[9, 5], h=[9, 5], d=[2, 1])),
            FS("b", (3, 1, 1), Table(T=[9, 5], h=[9, 5], d=[2, 1])),
            Readout("out", (1, 1, 1), [0]),
        ],
        [
            Dense("in", "a", rng.integers(-9, 10, (3, 2)) * 2 + 1, pooled=True),
            Dense("in", "b", rng.integers(-9, 10, (3, 8)) * 2 + 1),
            Dense("a", "out", np.array([[1, 2, 3]])),
            Dense("b", "out", np.array([[3, 2, 1]])),
        ],
    )
    rows = []
    for unit, codes in product(("in->a", "in->b"), rng.integers(0, 16, (6, 8))):
        case = case_of(net, "projection", unit, {("in", "spikes"): codes})
        factors = codes.reshape(2, 4).sum(axis=1) if unit == "in->a" else codes
        factors = (factors + 8) % 16 - 8
        rows.append(driven(case, {(unit, "sums"): net.named_projections[unit].weights.astype(np.int64) @ factors}))
    found = composed_of(rows)
    assert "a code, of a pooled channel their sum, wraps at 4 bits, before its weight" in found.hints[0].text
    assert found.explained == found.judged > 0


def test_a_sum_that_is_right_speaks_against_a_large_change() -> None:
    """Of accumulators that saturate nothing is said where what is added may pass an end on the way; of a sum that is
    right, and far from any end, a change by 2^18 is not believed to have come back by chance.
    """
    scene: Any = SimpleNamespace(bits=(20, "saturate"))
    seen, right = np.array([100, 100, 2**19 - 1]), np.array([100, 164, 2**19 - 1])
    none: dict[str, Any] = {}
    part = Part(scene, seen, right, none, none, none, none, none, none, beside=0 * right, reach=np.array([99, 99, 99]))
    assert part.settled(right ^ 2**18).tolist() == [100 ^ 2**18, UNSAID, 2**18 - 1]
    assert part.settled(right + 1).tolist() == [101, 165, 2**19]
