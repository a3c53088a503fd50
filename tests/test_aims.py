"""The search for stimuli: what it gives a device is what its sources can send, reaches what it says, and misses nothing
that is there (VECTOR-3, COVER-3).
"""

from __future__ import annotations

from itertools import product

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from fsref import FS, Dense, Input, Network, fs_relu
from fsref.coverage.bins import reached
from fsref.coverage.coverage import Coverage
from fsref.coverage.search import Found, aim
from fsref.coverage.trains import sent
from fsref.simulation.following import following
from fsref.testing import networks, tables
from handmade import chain
from repeatable import LONG, drawn


def unit(net: Network, name: str, coverage: Coverage) -> dict[tuple[str, str, str], tuple[np.ndarray, np.ndarray]]:
    """The bins reached and unreachable of the groups of a population and of the projections into it."""
    mine = {name, *net.into(name)}
    each = zip(coverage.groups, coverage.reached, strict=True)
    return {group.key: (bins, group.unreachable) for group, bins in each if group.place in mine}


def again(net: Network, found: Found) -> Coverage:
    """What the stimuli of a search reach one behind another, counted from what the law makes of them alone."""
    given = {key: np.stack([one[key] for one in found.stimuli]) for key in found.stimuli[0]}
    return reached(net, {**following(net, given), **given}, given.keys())


@settings(drawn, max_examples=200 if LONG else 12)
@given(net=networks(), data=st.data())
def test_stimuli_are_sendable_and_reach_what_is_said(net: Network, data: st.DataObject) -> None:
    """Every train that a search gives is one that its source can send, all sources and nothing else is given, and the
    coverage is that of these stimuli; nothing that they reach is unreachable.
    """
    name = data.draw(st.sampled_from([p.name for p in net.populations[1:]]))
    found = aim(net, name, budget=12, seed=data.draw(st.integers(0, 9)))
    for stimulus in found.stimuli:
        assert {source for source, _ in stimulus} == set(net.sources(name))
        for (source, what), words in stimulus.items():
            assert what == "spikes" and words.shape == (net[source].neurons,)
            for words_of, trains in zip(words.reshape(net[source].shape[0], -1), sent(net)[source], strict=True):
                assert np.isin(words_of, trains).all()
    counted = unit(net, name, again(net, found))
    for key, (bins, unreachable) in unit(net, name, found.coverage).items():
        assert not (bins & unreachable).any()
        assert np.array_equal(bins, counted[key][0]), key


def every(net: Network, name: str) -> Coverage:
    """The bins that all stimuli of a population together reach, each twice, so that each follows itself."""
    keys = [(source, "spikes") for source in net.sources(name)]
    trains = [list(words) for source, _ in keys for words in sent(net)[source] for _ in range(_places(net, source))]
    stimuli = np.array(list(product(*trains)), np.int64)
    ends = np.cumsum([net[source].neurons for source, _ in keys])[:-1]
    given = {key: np.repeat(part, 2, axis=0) for key, part in zip(keys, np.split(stimuli, ends, axis=1), strict=True)}
    return reached(net, {**following(net, given), **given}, given.keys())


def _places(net: Network, name: str) -> int:
    return net[name].shape[1] * net[name].shape[2]


@st.composite
def small(draw: st.DrawFn) -> Network:
    """Networks of one fs population whose few inputs have few codes: all stimuli can be tried."""
    inputs, steps = draw(st.sampled_from([(1, 4), (2, 3), (3, 2)]))
    given = Input("input", (inputs, 1, 1), steps, draw(st.integers(1, 2**steps - 1)))
    weights = draw(st.lists(st.sampled_from([-7, -4, -2, 0, 1, 2, 3, 6, 12]), min_size=2 * inputs, max_size=2 * inputs))
    bias = draw(st.lists(st.integers(-9, 9), min_size=2, max_size=2))
    table = draw(st.one_of(st.builds(fs_relu, st.integers(1, 3), st.integers(1, 4)), tables(max_steps=3, spread=9)))
    fs = FS("fs", (2, 1, 1), table, np.array(bias))
    return chain(Dense("input", "fs", np.array(weights).reshape(2, inputs)), fs, given=given)


@settings(drawn, max_examples=1000 if LONG else 60)
@given(net=small())
def test_nothing_that_is_there_is_missed(net: Network) -> None:
    """Where all stimuli can be tried, the search reaches just what they reach, and calls every other bin of membranes
    unreachable.
    """
    there, found = unit(net, "fs", every(net, "fs")), unit(net, "fs", aim(net, "fs").coverage)
    for key, (bins, unreachable) in found.items():
        assert np.array_equal(bins, there[key][0]), key
        if key[0] in ("FS-2", "FS-4", "FS-5", "RANGE-2"):
            assert (bins | unreachable).all(), key
