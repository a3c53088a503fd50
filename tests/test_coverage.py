"""Bins of a network: which images reach, counted a second time from the page alone; which none reaches (COVER)."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fsref
import naive_coverage
from fsref import FS, Conv2d, Dense, Input, MaxPool, Network, Readout, Record, Table, fs_relu
from fsref.cli import main as cli
from fsref.coverage.bins import groups, reached
from fsref.coverage.cover import cover
from fsref.coverage.coverage import Coverage
from fsref.errors import RangeError, UsageError
from fsref.law.populations import OBSERVABLES
from fsref.law.widths import membrane_width
from fsref.testing import Case, cases
from handmade import chain, draw, oracle, residual, tiny
from repeatable import drawn


def counted(net: Network, images: np.ndarray) -> dict[tuple[str, str, str], set[tuple[int, ...]]]:
    """The bins that images reach, as the naive oracle counts them."""
    bits = [membrane_width(net, p) if p in net.integrating else 0 for p in net.populations]
    found = naive_coverage.reached(oracle(net), images.reshape(len(images), -1).tolist(), bits)
    names = {"population": [p.name for p in net.populations], "projection": list(net.named_projections)}
    return {(rule, names[kind][i], what): bins for (rule, (kind, i), what), bins in found.items()}


def told(coverage: Coverage) -> dict[tuple[str, str, str], set[tuple[int, ...]]]:
    """The bins of a coverage, those groups alone that have some."""
    each = zip(coverage.groups, coverage.reached, strict=True)
    return {group.key: {tuple(map(int, at)) for at in np.argwhere(bins)} for group, bins in each if bins.any()}


@settings(drawn, max_examples=60)
@given(case=cases())
def test_bins_from_the_page_alone(case: Case) -> None:
    """Every bin that a run of drawn images reaches is one that the naive oracle counts from the page, and the other way
    round; none of them is proved unreachable.
    """
    assert told(cover(case.net, case.images)) == counted(case.net, case.images)
