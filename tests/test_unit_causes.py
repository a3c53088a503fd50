"""Causes that units of a device show one by one: each is named where it is planted by hand (OBS-4)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fsref.verification.causes import hints
from planted_addresses import ADDRESSES
from planted_units import UNITS, right_of, scene

IMAGES = np.random.default_rng(8).integers(0, 16, (6, 4, 6, 5)) * (np.random.default_rng(9).random((6, 4, 6, 5)) < 0.5)
FAINT = IMAGES * (np.random.default_rng(10).random(IMAGES.shape) < 0.2)
SHOWN = np.concatenate([0 * IMAGES[:1], IMAGES, FAINT])


PLANTED = {**UNITS, **ADDRESSES}


@pytest.mark.parametrize("trap", PLANTED)
def test_each_cause_of_a_unit_is_named(trap: str) -> None:
    """The first cause that gives every observable of a population is what was planted there."""
    name, answers = PLANTED[trap]
    bare = scene(name, SHOWN)
    right = right_of(bare)
    theirs = answers(right)
    known = right.walk() if right.rows else {}
    wrong = frozenset(what for what in theirs if what not in known or (theirs[what] != known[what]).any())
    given = scene(name, SHOWN, **{what: values.astype(np.int64) for what, values in theirs.items()})
    found = [hint.name for hint in hints(replace(given, wrong=wrong, sums_alone=trap == "sums-with-bias"))]
    assert found[:1] == [trap.partition(":")[0]], found
