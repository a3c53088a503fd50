"""Recordings: events, digests, selections and the first difference."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import naive
from fsref import FS, Dense, Input, Network, Readout, Record, diff, fs_relu, run
from fsref.errors import UsageError
from fsref.law.populations import OBSERVABLES
from fsref.simulation.difference import NotCompared
from fsref.simulation.digest import crc32c
from fsref.simulation.recording import Trace
from handmade import ENGINES, NETS, dangling, draw, oracle, recorded, residual, tiny, unordered
from refusals import refused


def test_events_are_in_canonical_order() -> None:
    """Events are (image, step, population, neuron), ascending, exactly those of the naive loop (EVENT-1)."""

    def expected(net: Network, images: Any) -> list[tuple[int, ...]]:
        other = oracle(net)
        return [
            event
            for b, image in enumerate(images)
            for event in naive.events(other, naive.simulate(other, image.ravel().tolist()), b)
        ]

    for make in NETS.values():
        net, images = make(), draw(make(), 3, 3)
        wanted = expected(net, images)
        for engine in ENGINES:
            events = recorded(net, images, Record(), engine).events()
            assert events.dtype == np.int64
            assert [tuple(event) for event in events.tolist()] == wanted == sorted(wanted)
    silent = recorded(tiny(), np.zeros((1, 1, 2, 2), int), Record(["in"]))
    assert silent.events().shape == (0, 4)
    assert recorded(tiny(), np.ones((1, 1, 2, 2), int), Record(["in"], ["codes"])).events().shape == (0, 4)
    net, images = residual(), draw(residual(), 3, 3)
    some = recorded(net, images, Record({"in": [5, 0, 31]}, steps=[1, 2])).events()
    chosen = [e for e in expected(net, images) if e[2] == 0 and e[3] in (0, 5, 31) and e[1] in (1, 2)]
    assert [tuple(e) for e in some.tolist()] == chosen and {e[3] for e in chosen} == {0, 5, 31}


def test_digest_example() -> None:
    """The example of EVENT-3, the check value of CRC-32C, and every digest of a recording against the bitwise
    oracle.
    """
    word = np.frombuffer(bytes.fromhex("0102000080000000"), np.uint8)
    assert int(crc32c(word)) == 0x47B25F02
    assert int(crc32c(np.frombuffer(b"123456789", np.uint8))) == 0xE3069283
    assert naive.digest([int(n in (0, 9, 39)) for n in range(40)]) == 0x47B25F02
    forty = Network(
        [Input("in", (40, 1, 1), 1, 1), Readout("out", (1, 1, 1))], [Dense("in", "out", np.ones((1, 40), int))]
    )
    image = np.zeros((1, 40, 1, 1), int)
    image[0, [0, 9, 39]] = 1
    assert recorded(forty, image, Record(["in"])).digests()["in"].tolist() == [[0x47B25F02]]
    net = residual()
    images, other = draw(net, 2, 4), oracle(net)
    digests = recorded(net, images, Record()).digests()
    assert list(digests) == [p.name for p in net.populations[:-1]]
    for b, image in enumerate(images):
        seen = naive.simulate(other, image.ravel().tolist())
        for place, p in enumerate(net.populations[:-1]):
            assert digests[p.name][b].tolist() == [
                naive.digest(naive.spikes(other, seen, place, t)) for t in range(net.steps[p.name])
            ]


def test_digests_are_of_whole_populations() -> None:
    """A population of which some neurons or some of its steps were left out has no digest (EVENT-3)."""
    net = tiny()
    images = draw(net, 1)
    whole = recorded(net, images, Record()).digests()
    assert list(recorded(net, images, Record({"in": None, "hid": [0, 2]})).digests()) == ["in"]
    part = recorded(net, images, Record(steps=[0, 1, 2, 3, 5])).digests()
    assert list(part) == ["in"] and part["in"].tolist() == whole["in"].tolist()


def test_selections() -> None:
    """Neurons and steps of a recording are those of the full one, sorted, once each; the shape of every array is known
    (OBS-1).
    """
    net = residual()
    images = draw(net, 3, 8)
    full, plan = recorded(net, images), net.schedule
    chosen = {"sum": [3, 0, 47, 3], "stem": range(10, 20), "out": [2], "in": None, "pool": None}
    steps = [3, plan.start["stem"] + 1, plan.start["stem"] + 3, plan.start["sum"], plan.start["sum"] + 5]
    for engine in ENGINES:
        part = recorded(net, images, Record(chosen, OBSERVABLES, steps), engine)
        assert list(part.selection.neurons) == ["in", "stem", "pool", "sum", "out"] and not part.selection.complete
        for (name, kind), found in part.arrays.items():
            owner = net.projections[list(net.named_projections).index(name)].target if kind == "sums" else name
            index = np.arange(np.prod(net[owner].shape)) if chosen[owner] is None else np.unique(list(chosen[owner]))
            inside = [t for t in range(net.steps[owner]) if plan.start.get(owner, 0) + t in steps]
            whole = full[name, kind][..., index]
            if kind == "membranes":
                whole = whole[:, inside]
            elif kind == "spikes":
                whole = whole & sum(1 << (net.steps[owner] - 1 - t) for t in inside)
            assert found.tolist() == whole.tolist(), (engine, name, kind)
    assert net["in"].observables == net["pool"].observables == {"spikes", "codes"}
    assert net["out"].observables == {"sums", "opening"} and net["mid"].observables == set(OBSERVABLES)
    assert recorded(net, images, Record("sum", "codes")).arrays.keys() == {("sum", "codes")}


def test_steps_after_the_logits() -> None:
    """A population that feeds nothing may fire after the logits stand; its steps are recorded like any other
    (OBS-1).
    """
    net = dangling()
    images, full = draw(net, 2), recorded(net, draw(net, 2))
    part = recorded(net, images, Record(["long"], steps=[5]))  # fires in 1..5, the logits stand after 1
    assert (part["long", "spikes"] == full["long", "spikes"] & 1).all() and full["long", "spikes"].any()
    assert (recorded(net, images, Record(["last"], steps=[8]))["last", "spikes"] <= 1).all()  # fires in 6..8
    with refused(UsageError, "OBS-1", "record", [9]):
        recorded(net, images, Record(steps=[9]))


def test_selections_that_are_refused() -> None:
    """Unknown populations, observables, neurons and steps are refused, and what was not recorded cannot be read
    (OBS-1).
    """
    net = tiny()
    images = draw(net, 1)

    def wrong(value: Any, place: str = "record", **record: Any) -> None:
        with refused(UsageError, "OBS-1", place, value):
            run(net, images, record=Record(**record))

    wrong("nobody", populations=["in", "nobody"])
    wrong("nobody", populations={"nobody": None})
    wrong("voltage", observables=["codes", "voltage"])
    for neurons in ([3], [-1], [], [0.5], [True], ["a"], [[0]]):
        wrong(list(neurons), "record hid", populations={"hid": neurons})
    for steps in ([7], [-1], [], [0.5], [0, 99], ["a"], [True]):
        wrong(list(steps), steps=steps)
    with refused(UsageError, "OBS-1", "record", "nobody"):
        run(net, images, record=["nobody"])
    trace = recorded(net, images, Record(["hid"]))
    with refused(UsageError, "OBS-1", "trace", "hid opening"):
        trace["hid", "opening"]


def changed(trace: Trace, *edits: tuple[str, str, tuple[int, ...], int]) -> Trace:
    """The recording with some values replaced."""
    arrays = {key: a.copy() for key, a in trace.arrays.items()}
    for name, kind, at, value in edits:
        arrays[name, kind][at] = value
    return replace(trace, arrays=arrays)


def test_first_difference() -> None:
    """The first difference is by image, population, observable, step, neuron; its line tells it, and the membrane where
    it is known (OBS-2).
    """
    net = residual()
    images = draw(net, 3, 9)
    good, plan = recorded(net, images), net.schedule
    assert diff(good, good) is None
    assert diff(recorded(net, images, engine="events"), recorded(net, images, engine="quantized")) is None

    def first(*edits: Any) -> tuple[Any, ...]:
        found = diff(changed(good, *edits), good)
        assert found is not None and len(str(found).splitlines()) == 1
        return found.image, found.place, found.observable, found.step, found.neuron, found.observed

    def spike(name: str, image: int, neuron: int, t: int) -> tuple[str, str, tuple[int, int], int]:
        return (
            name,
            "spikes",
            (image, neuron),
            int(good[name, "spikes"][image, neuron]) ^ (1 << (net.steps[name] - 1 - t)),
        )

    code = ("stem", "codes", (1, 5), 999)
    assert first(code) == (1, "stem", "codes", None, 5, 999)
    # image before population
    assert first(code, ("out", "opening", (0, 2), 999)) == (0, "out", "opening", None, 2, 999)
    # population before observable
    other = ("mid", "sums", (1, 0), 999) if ("mid", "sums") in good.arrays else ("mid", "opening", (1, 0), 9)
    assert first(code, other)[1] == "stem"
    order = [
        ("stem", "codes", (1, 0), 999),
        ("stem", "membranes", (1, 0, 0), 999),
        spike("stem", 1, 9, 3),
        ("stem", "opening", (1, 9), 999),
        ("in->stem", "sums", (1, 9), 999),
    ]
    for count in range(1, len(order) + 1):
        assert first(*order[:count])[2] == ("codes", "membranes", "spikes", "opening", "sums")[count - 1]
    start = plan.start["stem"]
    # step before neuron
    both = ("stem", "membranes", (0, 2, 7), 999), ("stem", "membranes", (0, 1, 50), 998)
    assert first(*both) == (0, "stem", "membranes", start + 1, 50, 998)
    assert first(("stem", "membranes", (0, 1, 60), 999), ("stem", "membranes", (0, 1, 50), 998))[4] == 50
    assert first(spike("stem", 0, 7, 2), spike("stem", 0, 50, 1))[:5] == (0, "stem", "spikes", start + 1, 50)
    assert first(spike("mid", 0, 9, 4), spike("mid", 0, 4, 4))[4] == 4
    sums = first(("mid->sum#1", "sums", (2, 0), 99), ("mid->sum#0", "sums", (2, 5), 98))
    assert sums == (2, "mid->sum#0", "sums", None, 5, 98)

    b, neuron, t = 2, 21, 3
    found = diff(changed(good, spike("mid", b, neuron, t)), good)
    v, channel = int(good["mid", "membranes"][b, t - 1, neuron]), neuron // 12
    expected = int(good["mid", "spikes"][b, neuron]) >> 1 & 1
    assert (
        str(found)
        == f"image 2 mid step {plan.start['mid'] + 3} neuron 21: observed {1 - expected} expected {expected} [FS-2]"
        f" membrane {v} threshold {net['mid'].table.T[channel, t]}"
    )
    line = str(diff(changed(good, ("mid->sum#0", "sums", (2, 5), 98)), good))
    assert line == f"image 2 mid->sum#0 neuron 5 sums: observed 98 expected {good['mid->sum#0', 'sums'][2, 5]} [PROJ-1]"


def test_first_difference_of_a_selection() -> None:
    """A difference names the true neuron and step of a selection; a membrane that the selection cannot tell is not told
    (OBS-2).
    """
    net = residual()
    images, start = draw(net, 2, 9), residual().schedule.start["mid"]
    for steps in ([start + 3], [start, start + 1, start + 2, start + 3]):
        good = recorded(net, images, Record({"mid": [40, 17]}, OBSERVABLES, steps))
        train = int(good["mid", "spikes"][1, 0])
        found = diff(changed(good, ("mid", "spikes", (1, 0), train ^ 2)), good)
        assert (found.neuron, found.step) == (17, start + 3)
        if len(steps) == 1:
            assert found.context == ""
        else:
            membrane, threshold = good["mid", "membranes"][1, 2, 0], net["mid"].table.T[1, 3]
            assert found.context == f" membrane {membrane} threshold {threshold}"
        found = diff(changed(good, ("mid", "membranes", (0, len(steps) - 1, 1), 12345)), good)
        assert (found.neuron, found.step, found.observed) == (40, start + 3, 12345)


def test_recordings_that_share_a_part() -> None:
    """Recordings of other images, observables, neurons or steps are compared in what both hold, and what one alone
    holds is named; those that share nothing are refused (TRACE-1).
    """
    net = residual()
    images = draw(net, 2)
    base = recorded(net, images, Record({"mid": [1, 2]}, OBSERVABLES, [10]))
    others = [
        (images[:1], Record({"mid": [1, 2]}, OBSERVABLES, [10]), "the last 1 image of"),
        (images, Record({"mid": [1, 2]}, ["codes"], [10]), "mid membranes, mid opening, mid spikes, pool->mid sums of"),
        (images, Record({"mid": [1, 2, 3]}, OBSERVABLES, [10]), "1 neuron of mid of"),
        (images, Record({"mid": [1, 3]}, OBSERVABLES, [10]), "1 neuron of mid of"),
        (images, Record({"mid": [1, 2]}, OBSERVABLES, [11]), "mid membranes, mid spikes of"),
        (images, Record({"mid": [1, 2]}, OBSERVABLES, [10, 11]), "1 step of mid of"),
    ]
    for x, record, told in others:
        other = recorded(net, x, record)
        wrong = changed(other, ("mid", "codes", (0, 0), 999))
        for pair in ((base, other), (other, base)):
            with pytest.warns(NotCompared, match=re.escape(told)):
                assert diff(*pair) is None
        with pytest.warns(NotCompared):
            found = diff(wrong, base)
        assert found is not None and (found.image, found.observable, found.neuron, found.observed) == (
            0,
            "codes",
            1,
            999,
        )
    for pair in ((base, some := recorded(net, images, Record({"sum": [1, 2]}, OBSERVABLES, [10]))), (some, base)):
        with refused(UsageError, "OBS-2", "diff", says="hold nothing of the same"):
            diff(*pair)


def test_recordings_that_cannot_be_compared() -> None:
    """Recordings of other networks are refused (OBS-2)."""
    two = [
        Network(
            [Input("in", (1, 1, 1), 2, 3), FS("a", (1, 1, 1), fs_relu(2), [b]), Readout("out", (1, 1, 1))],
            [Dense("in", "a", [[1]]), Dense("a", "out", [[1]])],
        )
        for b in (0, 1)
    ]
    with refused(UsageError, "OBS-2", "diff"):
        diff(*(recorded(n, [[[[1]]]]) for n in two))
    with pytest.raises(UsageError):
        recorded(residual(), draw(residual(), 2), Record(["mid"]))["mid", "membranes"]


def test_a_recording_that_is_none() -> None:
    """What is no recording, or has an array of another shape, type or place than its selection says, is one line that
    names array, what was given and what is wanted: nothing is broadcast, nothing rounded (OBS-2).
    """
    net = residual()
    images = draw(net, 2)
    good = recorded(net, images)
    for wrong in (None, 5, "reference", good.arrays, np.zeros((2, 3))):
        with refused(UsageError, "OBS-2", "diff", type(wrong).__name__, says="an fsref.Trace"):
            diff(wrong, good)  # type: ignore[arg-type]
    for wrong in (5, np.zeros((2, 3))):
        with refused(UsageError, "RUN-2"):
            diff(good, wrong, images)  # type: ignore[arg-type]
    with refused(UsageError, "OBS-2", "diff", says="images go with an engine"):
        diff(good, good, images)
    codes = good["stem", "codes"]
    wanted = f"int64 {codes.shape}"
    for array, given in (
        (codes[:1], f"int64 (1, {codes.shape[1]})"),
        (codes[:, :1], "int64 (2, 1)"),
        (codes[0], f"int64 ({codes.shape[1]},)"),
        (codes[..., None], f"int64 (2, {codes.shape[1]}, 1)"),
        (np.int64(3), "int64"),
        (codes.tolist(), "list"),
        (codes.astype(float), f"float64 {codes.shape}"),
        (codes.astype(np.int32), f"int32 {codes.shape}"),
        (codes.astype(object), f"object {codes.shape}"),
        (None, "NoneType"),
    ):
        with refused(UsageError, "OBS-2", "trace stem codes", given, says=f"({wanted})"):
            replace(good, arrays={**good.arrays, ("stem", "codes"): array})
        late = replace(good, arrays=dict(good.arrays))
        late.arrays["stem", "codes"] = array  # type: ignore[index]
        for pair, place in (((late, good), "observed"), ((good, late), "expected"), ((late, "events"), "observed")):
            with refused(UsageError, "OBS-2", f"{place} stem codes", given, says=f"({wanted})"):
                diff(*pair, images if pair[1] == "events" else None)
    with refused(UsageError, "OBS-2", "trace", "nobody codes", says="array is not one of its selection"):
        replace(good, arrays={("nobody", "codes"): codes})
    with refused(UsageError, "OBS-2", "trace", says="is not of this network"):
        replace(good, net=unordered())
    beyond = changed(good, ("mid", "spikes", (1, 3), 1 << net.steps["mid"]))
    for pair, place in (((beyond, good), "observed"), ((good, beyond), "expected")):
        with refused(UsageError, "OBS-2", f"{place} mid spikes", 1 << net.steps["mid"], says="more bits than K"):
            diff(*pair)


def test_what_two_recordings_do_not_share_is_named() -> None:
    """The line says which networks, or which arrays, the two are of (OBS-2)."""
    net = residual()
    images = draw(net, 2)
    good, other = recorded(net, images), residual(fs_relu(4, 9))
    with refused(UsageError, "OBS-2", "diff", recorded(other, images).net.id, says=("other networks", net.id)):
        diff(recorded(other, images), good)
    some = recorded(net, images, Record(["mid"], ["opening"]))
    with refused(UsageError, "OBS-2", "diff", "mid opening", says=("nothing of the same", "expected has mid spikes")):
        diff(some, recorded(net, images, Record(["mid"], ["spikes"])))


def test_the_membrane_that_a_difference_tells() -> None:
    """Whichever spike differs, the membrane told is that before its step, with the resets of all steps before, and the
    threshold is that of its channel and step (OBS-2, FS-3).
    """
    net = residual()
    good, T = recorded(net, draw(net, 1, 9)), net["mid"].table.T
    steps = net.steps["mid"]
    for neuron in range(net["mid"].neurons):
        before = [good["mid", "opening"][0, neuron], *good["mid", "membranes"][0, :-1, neuron]]
        train = int(good["mid", "spikes"][0, neuron])
        for t in range(steps):
            other = changed(good, ("mid", "spikes", (0, neuron), train ^ (1 << (steps - 1 - t))))
            told = f" membrane {before[t]} threshold {T[neuron // 12, t]}"
            assert str(diff(other, good)).endswith(told), (neuron, t)
