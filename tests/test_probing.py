"""Images of few spikes, asked of networks that differ (CONFORM-6)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from fsref import FS, Conv2d, Dense, Input, Network, Readout, fs_relu
from fsref.conformance import probing
from fsref.conformance.conforming import conform
from fsref.conformance.probing import probes
from fsref.simulation.following import following
from fsref.vectors.case import case_of

THETA = 9


def network() -> Network:
    """A conv2d of which a few neurons fire without an input, and a dense."""
    rng = np.random.default_rng(9)
    return Network(
        [
            Input("in", (2, 4, 4), 4, 15),
            FS("a", (3, 4, 4), fs_relu(4, THETA), [0, THETA, -THETA]),
            Readout("out", (3, 1, 1), [0, 4, 9]),
        ],
        [
            Conv2d("in", "a", rng.integers(-7, 9, (3, 2, 3, 3)), padding=(1, 1, 1, 1)),
            Dense("a", "out", rng.integers(-9, 9, (3, 48))),
        ],
    )


def test_a_population_is_sent_few_spikes() -> None:
    """Images of three neurons at most, by which the source fires least, but at all; the fewest spikes first."""
    cases = [*probes(network(), "out")]
    counts = [sum(int(word).bit_count() for word in case.expected["a", "spikes"]) for case in cases]
    assert counts == sorted(counts) and counts[0] > 0 and len(cases) == len({case.id for case in cases}) <= 12
    assert all(1 <= np.count_nonzero(case.given["in", "codes"]) <= 3 for case in cases)
    full = case_of(network(), "network", "out", {("in", "codes"): np.full(32, 15)})
    assert counts[-1] < sum(int(word).bit_count() for word in full.expected["a", "spikes"])


def test_a_large_network_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the images would need too many products there are none."""
    monkeypatch.setattr(probing, "PRODUCTS", 1000)
    assert not [*probes(network(), "a")]


def test_what_differs_is_asked_for_few_spikes() -> None:
    """A device without known cause is asked for images of few spikes, which are no cases of the report."""
    asked: list[int] = []
    net, rng = network(), np.random.default_rng(3)

    def device(own: Network, given: Mapping[str, Any]) -> dict[str, Any]:
        codes = given["in.codes"].ravel()
        asked.append(int(np.count_nonzero(codes)))
        made = {
            f"{of}.{what}": values[0] for (of, what), values in following(own, {("in", "codes"): codes[None]}).items()
        }
        made["a.opening"] = made["a.opening"] + codes.sum() ** 2 % 7 * (np.arange(48) == codes.sum() % 48)
        return made

    cases = [case_of(net, "network", "out", {("in", "codes"): rng.integers(0, 16, 32)}) for _ in range(4)]
    report = conform(device, net, cases=cases, rejects=[], examples=0)
    assert len(report.driven) == 4 and not report.agrees
    few = [count for count in asked if count <= 3]
    assert len(few) >= 12 and len([count for count in asked if count > 3]) >= 4
