"""Bins of a network: which images reach, counted a second time from the page alone; which none reaches (COVER)."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fsref
import naive_coverage
from fsref import FS, Dense, Input, Network, Record, Table, fs_relu, save
from fsref.cli import main as cli
from fsref.coverage.bins import groups, reached
from fsref.coverage.cover import cover
from fsref.coverage.coverage import FEW, Coverage
from fsref.coverage.hits import HITS
from fsref.coverage.trains import sent
from fsref.errors import RangeError, UsageError
from fsref.law.images import drawn_images
from fsref.law.populations import OBSERVABLES
from fsref.law.widths import membrane_width
from fsref.simulation.following import following
from fsref.testing import Case, cases
from fsref.vectors.case import case_of
from fsref.vectors.pack import Pack, write
from handmade import chain, draw, gated, oracle, residual, tiny
from repeatable import LONG, drawn


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


@settings(drawn, max_examples=200 if LONG else 30)
@given(case=cases())
def test_bins_from_the_page_alone(case: Case) -> None:
    """Every bin that a run of drawn images reaches is one that the naive oracle counts from the page, and the other way
    round; none of them is proved unreachable.
    """
    found = cover(case.net, case.images)
    assert told(found) == counted(case.net, case.images) and str(found)


@settings(drawn, max_examples=200 if LONG else 20)
@given(case=cases(), seed=st.integers(0, 2**32))
def test_nothing_unreachable_is_reached(case: Case, seed: int) -> None:
    """No bin that is proved unreachable is reached by whatever trains a population's sources can send, nor by images;
    and what a unit was given counts for what it did alone.
    """
    rng, net = np.random.default_rng(seed), case.net
    for p in net.populations[1:]:
        stimulus = {}
        for name in net.sources(p.name):
            places = net[name].shape[1] * net[name].shape[2]
            each = [rng.choice(words, (4, places)) for words in sent(net)[name]]
            stimulus[name, "spikes"] = np.concatenate(each, axis=1)
        found = reached(net, {**following(net, stimulus), **stimulus}, stimulus.keys())
        given = {name for name, _ in stimulus}
        assert not {group.place for group, bins in zip(found.groups, found.reached, strict=True) if bins.any()} & given


def test_a_bin_reached_and_unreachable_is_an_error() -> None:
    """A dump of a membrane that the network cannot have is refused in one line: the rule, the place, the bin."""
    net = chain(FS("hid", (1, 1, 1), fs_relu(2)))
    with pytest.raises(RangeError, match="hid: v == -1: reached, though no stimulus .* its proved interval: channel 0"):
        reached(net, {("hid", "opening"): np.array([[-1]])})


def test_unreachable_by_hand() -> None:
    """One neuron of weight 2 and bias 1 on a code 0..3, theta 2, K = 2: openings 1, 3, 5, 7. By intervals v is never
    negative; 2^K theta = 8 and beyond is out of reach, and no tie of step 0, at 4, is seen to be impossible; of step 1,
    at 2, as little. A source that is silent uses no weight.
    """
    fs = FS("fs", (1, 1, 1), fs_relu(2, 2), np.array([1]))
    quiet = FS("quiet", (1, 1, 1), fs_relu(2, 2), np.array([-100]))
    net = chain(Dense("in", "fs", [[2]]), fs, Dense("fs", "quiet", [[1]]), quiet, given=Input("in", (1, 1, 1), 2, 3))
    said = {group.key: group.unreachable.reshape(-1).tolist() for group in groups(net)}
    assert said["FS-5", "fs", "v == -1"] == said["RANGE-2", "fs", "opening below 0"] == [True]
    assert said["FS-5", "fs", "v == 2^K theta"] == said["FS-5", "fs", "v beyond 2^K theta"] == [True]
    assert said["FS-5", "fs", "v == 2^K theta - 1"] == [False]
    assert said["FS-2", "fs", "tie: v == T[t]"] == [False, False]
    assert said["FS-2", "quiet", "tie: v == T[t]"] == said["FS-2", "quiet", "above: v == T[t] + 1"] == [True, True]
    assert said["PROJ-7", "quiet->out", "weight used"] == said["PROJ-4", "quiet->out", "input used"][:1] == [True]
    assert said["FS-4", "quiet", "a train without a spike"] == [False]
    assert said["RANGE-6", "fs", "bit of the membrane 1"][-1] and not said["RANGE-6", "fs", "bit of the membrane 0"][-1]


def test_a_reset_decides_where_it_just_does() -> None:
    """A reset that takes a membrane to one below the next threshold decides, also where without it the membrane would
    stand on that threshold, and not where it would have stayed below anyway.
    """
    table = Table(T=[5, 4], h=[2, 1], d=[2, 1])
    net = chain(FS("fs", (1, 1, 1), table))
    found = [told(cover(net, np.full((1, 1, 1, 1), code))) for code in (5, 6, 4)]
    assert [("FS-3", "fs", "a reset that decides") in bins for bins in found] == [True, False, False]
    equal = chain(FS("fs", (1, 1, 1), Table(T=[3, 3], h=[1, 1], d=[2, 1])))
    assert ("FS-3", "fs", "a reset that decides") in told(cover(equal, np.full((1, 1, 1, 1), 3)))


def test_what_was_missed_is_told_in_short(monkeypatch: pytest.MonkeyPatch) -> None:
    """The table has a line for each population and rule, no wider than a page, whose counts are those of all; behind
    it each kind of bin that was missed stands once, with a place and what would hit it, and no other.
    """
    net = residual()
    found = cover(net, draw(net, 2))
    sheet = found.sheet()
    assert np.array([row[2:] for row in sheet.rows]).sum(axis=0).tolist() == list(found.counts)
    assert len({row[:2] for row in sheet.rows}) == len(sheet.rows) and max(map(len, str(found).splitlines())) <= 80
    (missed,) = sheet.more
    kinds = dict.fromkeys((group.rule, group.what) for group, _ in found.missed())
    told = [(rule, text) for rule, text in missed.below if rule not in ("", "search", "...")]
    assert len(told) == min(FEW, len(kinds))
    for (rule, what), (named, text) in zip(kinds, told, strict=False):
        first, bins = next((g, b) for g, b in found.missed() if (g.rule, g.what) == (rule, what))
        assert named == rule and text.startswith(f"{what}: {first.place}") and first.bin(bins.argmax()) in text
    monkeypatch.setattr("fsref.coverage.coverage.FEW", 3)
    (short,) = found.sheet().more
    assert ("...", f"and {len(kinds) - 3} more kinds: JSON has every bin") in short.below and len(short.below) == 8
    assert all(group.what in HITS for group in groups(net)) and {g.what for g in groups(tiny())} <= HITS.keys()


def test_what_gates_and_views_miss_is_told() -> None:
    """Bins of gates and views, too, have words for what would hit them: black images miss some of each."""
    net = gated()
    assert {"GATE-1", "VIEW-1"} <= {group.rule for group in groups(net)}
    assert {group.what for group in groups(net)} <= HITS.keys()
    assert "hit by" in str(cover(net, 0 * draw(net, 1)))


def test_json_has_every_bin_that_was_missed() -> None:
    """Each group has the indices of its bins that were neither reached nor proved unreachable, in a shape whose axes
    are named.
    """
    net = residual()
    found = cover(net, draw(net, 2))
    left = {group.key: bins for group, bins in found.missed()}
    for group, told in zip(found.groups, found.to_dict()["groups"], strict=True):
        bins = left.get(group.key, np.zeros(group.unreachable.shape, bool))
        assert told["missed"] == np.flatnonzero(bins).tolist() and len(told["missed"]) == told["not_reached"]
        assert tuple(told["shape"]) == bins.shape and len(told["axes"]) == bins.ndim


def test_coverages_add() -> None:
    """What two coverages reached together is what both sources reach, image behind image; those of two networks do not
    add.
    """
    small = residual()
    images = draw(small, 6)
    parts = cover(small, images[:3]) | cover(small, images[2:])
    whole = cover(small, images)
    assert told(parts) == told(whole) and parts.counts == whole.counts
    assert sum(whole.counts) == sum(group.unreachable.size for group in whole.groups)
    assert np.array([*whole.by_rule.values()]).sum(axis=0).tolist() == list(whole.counts)
    with pytest.raises(UsageError, match="another network"):
        whole | cover(tiny(), draw(tiny(), 1))


def test_images_in_parts_count_as_in_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """However few images go at once, what one leaves shows in the next: the counts are those of all at once."""
    net = residual()
    images, whole = draw(net, 5), told(cover(net, draw(net, 5)))
    monkeypatch.setattr("fsref.coverage.cover.images_at_once", lambda *_: 1)
    assert told(cover(net, images)) == whole


def test_a_dump_counts_as_what_it_observed() -> None:
    """A recording of everything covers what its images do; one of membranes and spikes alone shows where they began;
    of some neurons, or some steps, nothing is counted.
    """
    net = residual()
    images = draw(net, 4)
    everything = Record(observables=OBSERVABLES)
    trace = fsref.run(net, images, record=everything).trace
    assert told(cover(net, trace)) == told(cover(net, images))
    first = net.fs[0].name
    part = fsref.run(net, images, record=Record([first], ("spikes", "membranes"))).trace
    whole, seen = told(cover(net, images)), told(cover(net, part))
    for rule in ("FS-2", "FS-3", "FS-4", "RANGE-6"):
        same = {key: bins for key, bins in whole.items() if key[:2] == (rule, first)}
        assert same and same == {key: bins for key, bins in seen.items() if key[:2] == (rule, first)}
    some = fsref.run(net, images, record=Record({first: [0]}, ("spikes", "membranes", "opening"))).trace
    assert not told(cover(net, some))
    with pytest.raises(UsageError, match="another network"):
        cover(tiny(), trace)


def test_the_command_counts_images_and_recordings(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """`fsref cover` prints counts and what was missed, and as JSON the same counts, of images as of a recording of
    them, which is to be said to be one.
    """
    folder = str(tmp_path / "run")
    assert cli.main(["run", "digits", "--data", "digits", "--limit", "3", "--out", folder, *_every()]) == 0
    capsys.readouterr()
    assert cli.main(["cover", "digits", "digits", "--limit", "3", "--json"]) == 0
    images = json.loads(capsys.readouterr().out)
    assert cli.main(["cover", "digits", folder, "--format", "recording", "--json"]) == 0
    recorded = json.loads(capsys.readouterr().out)
    assert images["groups"] == recorded["groups"] and images["reached"] > 5000
    assert cli.main(["cover", "digits", "digits", "--limit", "3"]) == 0
    table = capsys.readouterr().out
    assert "coverage of digits by 3 images" in table and f"{images['reached']:,} of " in table
    assert cli.main(["cover", "digits", folder]) == 2
    assert "holds no images" in (said := capsys.readouterr().err) and "--format recording" in said


def _every() -> list[str]:
    return [word for what in OBSERVABLES for word in ("--observable", what)]


def test_the_command_counts_a_pack(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Of a pack the cases of this network count, images and units alike, and a pack of another network is refused."""
    net = tiny()
    save(net, tmp_path / "tiny.fs.npz")
    images = drawn_images(net.input, 3).reshape(3, -1)
    made = [case_of(net, "network", net.readout.name, {(net.input.name, "codes"): x}) for x in images]
    write(Pack("mine", 1, 0, None, made, [], {}, []), tmp_path / "mine.jsonl")
    command = ["cover", str(tmp_path / "tiny.fs.npz"), str(tmp_path / "mine.jsonl"), "--format", "pack", "--json"]
    assert cli.main(command) == 0
    of_pack = json.loads(capsys.readouterr().out)
    assert cli.main(["cover", str(tmp_path / "tiny.fs.npz"), "drawn:3", "--json"]) == 0
    of_images = json.loads(capsys.readouterr().out)
    assert of_pack["groups"] == of_images["groups"]
    assert cli.main(["cover", "digits", str(tmp_path / "mine.jsonl"), "--format", "pack"]) == 2
    assert "holds no case of this network" in capsys.readouterr().err
