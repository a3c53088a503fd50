"""The search for stimuli: what it gives a device is what its sources can send, reaches what it says, and misses nothing
that is there (VECTOR-3, COVER-3).
"""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fsref
from fsref import FS, Conv2d, Dense, Input, MaxPool, Network, Table, fs_relu
from fsref.coverage.bins import reached
from fsref.coverage.coverage import Coverage
from fsref.coverage.knapsack import Sums
from fsref.coverage.search import Found, aim
from fsref.coverage.trains import sent
from fsref.errors import UsageError
from fsref.simulation.following import following
from fsref.testing import networks, tables
from fsref.vectors.case import case_of
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


@settings(drawn, max_examples=1000 if LONG else 40)
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


@pytest.mark.parametrize("name", ["conv1", "depth1", "merge1", "pool", "logits"])
def test_every_bin_of_digits_is_reached_or_unreachable(name: str) -> None:
    """On the shipped network digits, in every population but one of many channels and few places (which takes some 230
    stimuli), each bin is reached or proved unreachable, and each stimulus makes a case.
    """
    net = fsref.load("digits")
    found = aim(net, name)
    assert not found.missed and len(found.stimuli) < 50
    scope = "max_pool" if name == "pool" else "population"
    assert [case_of(net, scope, name, stimulus).scope for stimulus in found.stimuli[:2]] == [scope] * 2
    assert "bins reached" in found.line


def test_the_same_seed_gives_the_same() -> None:
    """A search is repeatable, and another seed gives other trains of as good a coverage."""
    net = fsref.load("digits")
    once, twice, other = (aim(net, "depth1", seed=seed) for seed in (3, 3, 4))
    assert all(np.array_equal(a[key], b[key]) for a, b in zip(once.stimuli, twice.stimuli, strict=True) for key in a)
    assert once.coverage.counts == twice.coverage.counts == other.coverage.counts
    assert len(once.stimuli) != len(other.stimuli) or any(
        (a[key] != b[key]).any() for a, b in zip(once.stimuli, other.stimuli, strict=True) for key in a
    )


def test_what_no_sum_meets_is_proved_unreachable() -> None:
    """A weight of 6 and a bias of 1: openings are 1 more than multiples of 6, so that no membrane is 0 and none is one
    below a threshold of 8 in step 0; 7 is.
    """
    fs = FS("fs", (1, 1, 1), fs_relu(1, 8), np.array([1]))
    net = chain(Dense("in", "fs", [[6]]), fs, Dense("fs", "out", [[1]]))
    bins = unit(net, "fs", aim(net, "fs").coverage)
    said = {what: bool(unreachable.any()) for (_, _, what), (_, unreachable) in bins.items()}
    assert said["tie: v == T[t]"] and said["above: v == T[t] + 1"] and not said["below: v == T[t] - 1"]
    assert said["opening of 0"] and not said["opening above 0"]
    assert bins["FS-2", "fs", "below: v == T[t] - 1"][0].all()


def test_two_projections_from_one_source_add_up() -> None:
    """A neuron that reads its source twice, with opposite weights on a shared pixel, is set by what both deliver: every
    bin is reached or proved unreachable, although intervals take the two for independent.
    """
    given = Input("in", (1, 4, 4), 3, 7)
    fs = FS("fs", (2, 4, 4), fs_relu(3, 3), np.array([2, -5]))
    wide = Conv2d("in", "fs", np.arange(-9, 9).reshape(2, 1, 3, 3), padding=(1, 1, 1, 1))
    skip = Conv2d("in", "fs", np.array([4, -3]).reshape(2, 1, 1, 1))
    net = chain(wide, skip, fs, given=given)
    found = aim(net, "fs")
    assert not found.missed


def test_a_source_of_any_table_sends_its_codes_alone() -> None:
    """Where the codes of a source are few and far between, its targets are set by these; a max-pool of it meets ties,
    and candidates that drop out in each step that its trains allow.
    """
    table = Table(T=[9, 4, 1], h=[5, -2, 0], d=[40, 7, 2])
    fs, pool = FS("fs", (1, 4, 4), table), MaxPool("pool", (1, 2, 2), "fs", (2, 2), (2, 2))
    net = chain(Conv2d("in", "fs", [[[[1]]]]), fs, pool, given=Input("in", (1, 4, 4), 4, 15))
    assert not aim(net, "pool").missed and not aim(net, "out").missed


def test_an_input_has_nothing_to_search() -> None:
    """The input has no sources: the search refuses it in one line."""
    with pytest.raises(UsageError, match="has no sources"):
        aim(fsref.load("digits"), "input")


@settings(drawn, max_examples=50)
@given(
    weights=st.lists(st.integers(-9, 9), min_size=1, max_size=4),
    codes=st.lists(st.sets(st.integers(-5, 7), min_size=1, max_size=4), min_size=4, max_size=4),
    low=st.integers(-60, 60),
    width=st.integers(0, 9),
)
def test_sums_are_exact(weights: list[int], codes: list[set[int]], low: int, width: int) -> None:
    """The sums of weights times codes in an interval are those that trying every code finds, and codes are given for
    the lowest of them.
    """
    options = [np.array(sorted(own)) for own in codes[: len(weights)]]
    every_sum = {sum(map(int.__mul__, weights, chosen)) for chosen in product(*(own.tolist() for own in options))}
    sums = Sums(np.array(weights), options)
    within = sorted(total for total in every_sum if low <= total <= low + width)
    assert sums.within(low, low + width) == (within[0] if within else None)
    if within:
        found = sums.codes(within[0])
        assert int(found @ weights) == within[0]
        assert all(code in own for code, own in zip(found, options, strict=True))
