"""`fsref diff`: what a broken device gave back, judged to its first wrong neuron; orders, counts, isolation (TRACE)."""

from __future__ import annotations

import json
import re
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fsref
import naive
from another import NET, Other, only, strict
from fsref import FS, Conv2d, Dense, Input, Network, Readout, Record, Table, Trace
from fsref.cli.main import main
from fsref.errors import FileError, UsageError
from fsref.law.populations import OBSERVABLES, MaxPool
from fsref.simulation import memory
from fsref.simulation.answers import of_arrays
from fsref.verification.aimed import aimed
from fsref.verification.aims import corners
from fsref.verification.differences import compare_dump
from fsref.verification.returned import DumpReport
from handmade import draw, oracle, recorded, residual, tiny
from refusals import refused

X = np.concatenate([draw(NET, 3, 3), aimed(NET).images[len(corners(NET)) :][:3]])  # membranes on thresholds among them


def device(**wrong: Callable[..., Any]) -> dict[str, np.ndarray]:
    """What a device gives back for X: codes by population, and the logits."""
    return Other(**wrong)(X.astype(np.uint8))


def judged(dump: dict[str, np.ndarray], **how: Any) -> DumpReport:
    """The report on a device's answers."""
    return compare_dump(NET, X, of_arrays(NET, dump, "dump"), **how)


def naive_codes(images: np.ndarray) -> dict[str, np.ndarray]:
    """What the naive simulator says: codes by population, and the logits."""
    net = oracle(NET)
    seen = [naive.simulate(net, image) for image in images.reshape(len(images), -1).tolist()]
    names = [p.name for p in NET.populations[1:-1]]
    found = {name: np.array([own.codes[i] for own in seen]) for i, name in enumerate(names, 1)}
    return {**found, "logits": np.array([own.logits for own in seen])}


def by_hand(dump: dict[str, np.ndarray], right: dict[str, np.ndarray]) -> tuple[Any, dict[str, tuple[int, int]]]:
    """The first difference by image, population and neuron, and by population how many integers differ in how many
    images, counted one by one.
    """
    counts, first = {}, None
    for name, expected in right.items():
        wrong = [
            (image, name, neuron, int(a), int(b))
            for image, (given, wanted) in enumerate(zip(dump[name], expected, strict=True))
            for neuron, (a, b) in enumerate(zip(given.ravel(), wanted.ravel(), strict=True))
            if a != b
        ]
        counts[name] = len(wrong), len({image for image, *_ in wrong})
        if wrong and (first is None or wrong[0][0] < first[0]):
            first = wrong[0]
    return first, counts


FAULTS: dict[str, dict[str, Callable[..., Any]]] = {
    "none": {},
    "strict stem": {"divide": only("stem", strict)},
    "bias twice in join": {"bias": only("join", lambda bias, p: 2 * bias)},
    "left unpadded on the other side": {"padding": only("left", lambda padding, q: (2, 2, 0, 0))},
    "a mean for a max": {"pool": lambda value, windows, p: windows.sum(axis=0) // len(windows)},
    "one weight of the head": {"weights": only("head", lambda w, q: w + (np.arange(w.size).reshape(w.shape) == 40))},
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_broken_device_is_found_at_the_right_place(name: str) -> None:
    """The first difference and the counts are those that the naive simulator and counting one by one give."""
    dump = device(**FAULTS[name])
    first, counts = by_hand(dump, naive_codes(X))
    found = judged(dump)
    assert found.agrees is (first is None) and found.given == found.image_count == len(X)
    for p in found.populations[1:]:
        own = "logits" if p.name == NET.readout.name else p.name
        assert (p.differing, p.images) == counts[own], p.name
        assert p.values == dump[own].size
    if first is not None:
        assert found.first is not None and found.first.first is not None
        of = "logits" if found.first.name == NET.readout.name else found.first.name
        told = found.first.first.difference
        assert (told.image, of, told.neuron, told.observed, told.expected) == first
        c, y, x = found.first.first.place
        _, height, width = NET[found.first.name].shape
        assert told.neuron == (c * height + y) * width + x


def alone(dump: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What is right of every population if its sources sent what the dump says, or, where it says nothing, what is
    right of them in turn; from the second simulator's parts.
    """
    other, found, codes = Other(), {}, {"input": X}
    for p in NET.populations[1:]:
        if isinstance(p, MaxPool):
            a = codes[p.source]
            (sy, sx), (_, h, w) = p.stride, p.shape
            v = np.max([a[:, :, r : r + sy * h : sy, c : c + sx * w : sx] for r in (0, 1) for c in (0, 1)], 0)
        else:
            assert isinstance(p, FS | Readout)
            v = p.bias_map + sum(other.projection(q, codes[q.source]) for q in NET.into(p.name).values())
        if isinstance(p, FS):
            theta = np.broadcast_to(p.table.rows(p.shape[0])[0][:, -1], p.shape[0])[:, None, None]
            v = np.clip(v // theta, 0, 2**p.steps - 1)
        found["logits" if p is NET.readout else p.name] = v
        given = dump.get(p.name, v)
        reach = 2 ** NET.steps[p.name]
        codes[p.name] = np.where((given >= reach).any(axis=(1, 2, 3), keepdims=True), v, given) if reach > 1 else v
    return found


def test_isolated_finds_what_an_early_fault_hides() -> None:
    """Of two faults the report names the populations of both, and no other, each with its own cause and with counts
    that computing each population by hand gives; not isolated, everything behind the first differs.
    """
    dump = device(divide=only("stem", strict), bias=only("join", lambda bias, p: 0 * bias))
    plain, found = judged(dump), judged(dump, isolated=True)
    assert {p.name for p in plain.populations if p.differing} >= {"stem", "branch", "join", "head"}
    assert [p.name for p in found.populations if p.differing] == ["stem", "join"]
    _, counts = by_hand(dump, alone(dump))
    for p in found.populations[1:]:
        assert (p.differing, p.images) == counts["logits" if p.name == NET.readout.name else p.name]
        assert not p.computed  # the input was not observed, but is the image
    causes = {p.name: {hint.name for hint in p.judged.hints} for p in found.populations if p.differing}
    assert "strict" in " ".join(causes["stem"]) and any("bias" in cause for cause in causes["join"])


def test_isolated_says_which_sources_were_computed() -> None:
    """A source that was not observed, or whose codes no neuron can send, is what its own sources make of it, and it is
    said which and in how many images; what was observed elsewhere is still used.
    """
    dump = device(divide=only("stem", strict))
    del dump["branch"]
    dump["left"] = dump["left"].copy()
    dump["left"][2:4, 0, 0, 0] = 2 ** NET["left"].steps  # no code
    found = judged(dump, isolated=True)
    own = {p.name: dict(p.computed or {}) for p in found.populations}
    right = alone(dump)
    for p in NET.populations[1:]:
        expected = {"branch": len(X), "left": 2}
        if p.name in dump or p is NET.readout:
            assert own[p.name] == {s: n for s, n in expected.items() if s in NET.sources(p.name)}, p.name
    for compared in found.populations:
        if compared.observables:
            name = "logits" if compared.name == NET.readout.name else compared.name
            assert compared.differing == int((dump[name] != right[name]).sum()), name
    text = " ".join(str(found).split())
    assert "join left computed in 2 images from what was observed before it: not observed whole, or no codes" in text
    assert "not observed input, branch" in text


@pytest.mark.parametrize("left_out", [["pool"], ["join"], ["branch", "left"], ["pool", "join", "left", "right"]])
def test_isolated_goes_through_what_was_not_observed(left_out: list[str]) -> None:
    """Where a population was not observed, an early fault is still seen through it: what reads it is judged on what the
    sources of that sent, as computing it by hand says, and has no fault of its own.
    """
    dump = device(divide=strict)
    for name in left_out:
        del dump[name]
    right = alone(dump)
    for found in (judged(dump, isolated=True), judged(dump, isolated=True, memory_limit=2**21)):
        for p in found.populations[1:]:
            if p.observables:
                name = "logits" if p.name == NET.readout.name else p.name
                assert p.differing == int((dump[name] != right[name]).sum()), name
        if left_out == ["pool"]:
            (head,) = [p for p in found.populations if p.name == "head"]
            assert not head.differing and head.computed == {"pool": len(X)}
        read = {source for p in found.populations if p.observables for source in NET.sources(p.name)}
        assert read & {*left_out} == {name for p in found.populations for name in p.computed or {}}


def test_codes_alone_are_enough_for_a_max_pool() -> None:
    """A max-pool reads trains; where every code that its source can send has one train, whatever d, codes tell it:
    what was observed of the source is what the pool is judged on, but for codes that no train has.
    """
    rows = np.array([[12, 6, 3]] * 2)
    table, last = Table(rows, rows, np.array([[9, 4, 2], [7, 3, 1]])), np.arange(16).reshape(2, 8) - 5
    net = Network(
        [
            Input("in", (1, 4, 4), 3, 7),
            FS("a", (2, 4, 4), table, [0, 1]),
            MaxPool("p", (2, 2, 2), "a", (2, 2), (2, 2)),
            Readout("o", (2, 1, 1)),
        ],
        [Conv2d("in", "a", [[[[3]]], [[[3]]]]), Dense("p", "o", last)],
    )
    x = draw(net, 4, 2)
    codes = {name: codes.copy() for name, codes in fsref.run(net, x, record=["a", "p"]).codes.items()}
    codes["a"][1] = [9] * 16 + [7] * 16  # of another neuron, all the same
    codes["p"][1] = [9] * 4 + [7] * 4
    codes["a"][2, 0] = 1  # no sum of 9, 4 and 2: the pool is judged on what is right
    dump = {"a": codes["a"], "p": codes["p"], "o": codes["p"] @ last.T}
    found = {p.name: p for p in compare_dump(net, x, of_arrays(net, dump, "dump"), isolated=True).populations}
    assert {name: p.differing for name, p in found.items() if name != "a"} == {"in": 0, "p": 0, "o": 0}
    assert found["p"].computed == {"a": 1} and found["o"].computed == {}
    del dump["p"]
    found = {p.name: p for p in compare_dump(net, x, of_arrays(net, dump, "dump"), isolated=True).populations}
    assert not found["o"].differing and found["o"].computed == {"p": 4}


def whole(images: int = 5) -> tuple[fsref.Network, np.ndarray, Trace]:
    """A network whose populations are neither square nor of one channel, images, and everything of them."""
    net = residual()
    x = draw(net, images, 8)
    return net, x, recorded(net, x)


def reordered(trace: Trace, change: Callable[[tuple[str, str], np.ndarray], np.ndarray]) -> Trace:
    """The recording with every array changed."""
    return replace(trace, arrays={key: np.ascontiguousarray(change(key, a)) for key, a in trace.arrays.items()})


def along(axes: tuple[int, ...], *names: str) -> Callable[[Any, tuple[str, str], np.ndarray], np.ndarray]:
    """Addresses that run along other axes in the arrays of some populations, all unless named."""

    def change(net: fsref.Network, key: tuple[str, str], a: np.ndarray) -> np.ndarray:
        name = key[0] if key[1] != "sums" else net.named_projections[key[0]].target
        if names and name not in names:
            return a
        lead = a.shape[:-1]
        return (
            a.reshape(*lead, *net[name].shape)
            .transpose(*range(len(lead)), *(len(lead) + i for i in axes))
            .reshape(a.shape)
        )

    return change


def turned(net: fsref.Network, key: tuple[str, str], a: np.ndarray) -> np.ndarray:
    """Trains whose first spike is the lowest bit."""
    if key[1] != "spikes":
        return a
    steps = net.steps[key[0]]
    return sum(((a >> t & 1) << (steps - 1 - t)) for t in range(steps)).astype(a.dtype)


def swapped(net: fsref.Network, key: tuple[str, str], a: np.ndarray) -> np.ndarray:
    """Membranes as 32 bits, bytes turned."""
    return a.astype("<i4").byteswap().astype(np.int64) if key[1] in ("opening", "membranes", "sums") else a


def late(by: int) -> Callable[[Any, tuple[str, str], np.ndarray], np.ndarray]:
    """Membranes and trains a step late (1) or early (-1)."""

    def change(net: fsref.Network, key: tuple[str, str], a: np.ndarray) -> np.ndarray:
        if key[1] == "membranes":
            return np.roll(a, by, axis=1)
        if key[1] == "spikes":
            mask = np.uint16(2 ** net.steps[key[0]] - 1)
            return (a >> np.uint16(1) if by == 1 else a << np.uint16(1)) & mask
        return a

    return change


def read_as_hwc(net: fsref.Network, key: tuple[str, str], a: np.ndarray) -> np.ndarray:
    """Addresses (C, H, W) read as if channels were last."""
    c, h, w = net[key[0] if key[1] != "sums" else net.named_projections[key[0]].target].shape
    lead = a.shape[:-1]
    return np.moveaxis(a.reshape(*lead, h, w, c), -1, -3).reshape(a.shape)


ORDERS: dict[str, tuple[Callable[..., np.ndarray], str]] = {
    "hwc": (
        along((1, 2, 0)),
        "looks like addresses in the order (H, W, C), not (C, H, W) (of memories: layout neurons=hwc)",
    ),
    "hwc of one": (along((1, 2, 0), "stem"), "addresses in the order (H, W, C), not (C, H, W)"),
    "columns first": (along((0, 2, 1)), "looks like addresses in the order (C, W, H), not (C, H, W): rows and columns"),
    "whc": (along((2, 1, 0)), "looks like addresses in the order (W, H, C)"),
    "neurons in reverse": (lambda net, key, a: a[..., ::-1], "looks like neurons in reverse"),
    "bits": (turned, "first spike lowest (of memories: layout bits=low, or without it)"),
    "bytes": (swapped, "words of 32 bits with their bytes turned round"),
    "a step late": (late(1), "every step late by one"),
    "a step early": (late(-1), "every step early by one"),
    "shifted": (lambda net, key, a: a >> 3 if key[1] in ("opening", "membranes") else a, "stored as v >> 3"),
    "hwc told of chw": (read_as_hwc, "order (C, H, W): looks right without layout neurons=hwc"),
    "signs lost": (
        lambda net, key, a: a & 0xFFFF if key[1] in ("opening", "membranes", "sums") else a,
        "words of 16 bits whose sign was not extended",
    ),
    "images in reverse": (lambda net, key, a: a[::-1], "looks like images in reverse"),
    "an image late": (lambda net, key, a: np.concatenate([a[:1], a[:-1]]), "looks like every image late by one"),
    "an image early": (lambda net, key, a: np.concatenate([a[1:], a[:1]]), "looks like every image early by one"),
    "images two late": (
        lambda net, key, a: np.concatenate([a[3:], a[:3]]),
        "every image late by 2: from image 2 on each",
    ),
    "images two early": (
        lambda net, key, a: np.concatenate([a[2:], a[3:], a[:1]])[:5],
        "early by 2: each but the last 2 holds what is right for the image 2 after it",
    ),
    "an image missing": (
        lambda net, key, a: a[[0, 2, 3, 4, 4]],
        "image 1 is missing: from there on each holds what is",
    ),
    "an image too many": (lambda net, key, a: a[[0, 1, 1, 2, 3]], "1 image too many at image 2: from image 3 on each"),
    "images moved": (lambda net, key, a: a[[0, 3, 1, 2, 4]], "image 1 of the dump is right for image 3"),
}


NEARLY = {"hwc", "hwc of one", "columns first", "whc", "neurons in reverse", "hwc told of chw"}


@pytest.mark.parametrize("name", ORDERS)
def test_each_wrong_order_is_named(name: str) -> None:
    """Right integers in another order are named as that, without a cause; with one more fault an order is named only
    as one in which all but that would be right, and only of many integers.
    """
    net, x, good = whole()
    change, says = ORDERS[name]
    dump = reordered(good, lambda key, a: change(net, key, a))
    found = compare_dump(net, x, dump)
    assert not found.agrees and says in " ".join(str(found).split())
    assert not any(p.judged.hints for p in found.populations)
    arrays = {key: a.copy() for key, a in dump.arrays.items()}
    arrays["stem", "opening"][4, 17] += 8
    arrays["stem", "membranes"][2, 1, 17] += 8
    arrays["stem", "spikes"][3, 17] ^= 2
    more = compare_dump(net, x, replace(dump, arrays=arrays))
    if more.looks_like:
        differing, told = sum(p.differing for p in more.populations), more.looks_like
        assert (
            re.match(rf".*-\d\]; all but 3 of the {differing:,} that differ would be right in it", told)
            and differing >= 1000
        )
    assert bool(more.looks_like) is (name in NEARLY)


def test_one_wrong_integer_is_no_order() -> None:
    """A neuron that is wrong by itself is never taken for an order, nor for a cause that says nothing of it."""
    net, x, good = whole()
    for key in good.arrays:
        arrays = {k: a.copy() for k, a in good.arrays.items()}
        arrays[key].reshape(len(x), -1)[2, -1] ^= 1
        found = compare_dump(net, x, replace(good, arrays=arrays))
        assert not found.agrees and found.looks_like == ""
        assert found.first is not None and found.first.first is not None
        assert found.first.first.difference.place == key[0] and found.first.first.difference.image == 2


def test_what_was_observed_is_told() -> None:
    """A dump of some populations, observables, neurons, steps and images is judged on these; the report counts them,
    and names what is missing (TRACE-1).
    """
    net, x, _ = whole()
    start = net.schedule.start["mid"]
    part = recorded(net, x[:3], Record({"mid": [7, 30], "out": None}, OBSERVABLES, [start, start + 2]))
    found = compare_dump(net, x, part)
    told = {p.name: p for p in found.populations}
    assert found.agrees and (found.image_count, found.given) == (3, 5)
    assert (told["mid"].neurons, told["mid"].neuron_count, told["mid"].steps, told["mid"].step_count) == (2, 48, 2, 5)
    sums = len(net.into("mid"))
    assert told["mid"].values == 3 * 2 * (sums + 1 + 2 + 2 + 1)
    text = " ".join(str(found).split())
    assert "no answer images 3..4: 2 of 5 given" in text and "2 of 48" in text
    assert "not observed in, stem, pool, sum" in text
    plain = found.to_dict()
    assert plain["agrees"] and plain["populations"][1]["observables"] == [] and plain["value_count"] == found.values


def test_images_without_an_integer_are_not_counted() -> None:
    """Of a dump that begins with a later image, the earlier ones are not observed."""
    net, x, good = whole()
    seen = np.zeros(good["mid", "codes"].shape, np.int64)
    seen[[1, 3], 4:6] = -1
    selection = recorded(net, x, Record(["mid"], ["codes"])).selection
    dump = Trace(net, 5, selection, {("mid", "codes"): good["mid", "codes"]}, {("mid", "codes"): seen})
    found = compare_dump(net, x, dump)
    assert (found.image_count, found.values, found.agrees) == (2, 4, True)
    assert "no answer images 0, 2, 4: 3 of 5 given" in " ".join(str(found).split()) and not found.complete


def test_membranes_and_thresholds_of_the_first_difference() -> None:
    """A wrong spike is told with the membrane that its step looked at and the threshold there (FS-2)."""
    net, x, good = whole()
    p, T = net["mid"], net["mid"].table.T
    for t in range(p.steps):
        arrays = {key: a.copy() for key, a in good.arrays.items()}
        arrays["mid", "spikes"][1, 20] ^= 1 << (p.steps - 1 - t)
        first = compare_dump(net, x, replace(good, arrays=arrays)).first
        assert first is not None and first.first is not None
        before = good["mid", "membranes"][1, t - 1, 20] if t else good["mid", "opening"][1, 20]
        assert (first.first.membrane, first.first.threshold) == (before, T[20 // 12, t])
        assert first.first.place == (1, 2, 2)


def test_a_dump_that_cannot_be_compared() -> None:
    """One of another network, or of more images than are given, is refused."""
    net, x, good = whole()
    with refused(UsageError, "TRACE-2", says="more images than are given: 5"):
        compare_dump(net, x[:4], good)
    with refused(UsageError, "TRACE-1", says="another network"):
        compare_dump(tiny(), draw(tiny(), 2), good)


@pytest.mark.parametrize("isolated", [False, True])
def test_the_answer_does_not_depend_on_memory(isolated: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """With memory for an image at a time the report is the same, and no more is taken; below that the comparison does
    not start. Composed causes may take more; those that are composed do not depend on it.
    """
    net = fsref.load("digits")
    x = draw(net, 5, 8)
    good = recorded(net, x)
    arrays = {key: a.copy() for key, a in good.arrays.items()}
    arrays["conv1", "codes"][1:, 320:384] ^= 1  # channel 5
    arrays["merge1", "spikes"][1, 9] ^= 4  # in the first that is judged, however few are
    dump = replace(good, arrays=arrays)
    whole = [compare_dump(net, x, given, isolated, threads=1) for given in (good, dump)]
    monkeypatch.setattr(memory, "CHUNK_IMAGES", 1)
    limit = 2**17
    for given, found in zip((good, dump), whole, strict=True):
        tracemalloc.start()
        while True:
            tracemalloc.reset_peak()
            try:
                small = compare_dump(net, x, given, isolated, threads=1, memory_limit=limit)
                break
            except fsref.errors.LimitError:
                limit += 2**18
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak <= limit
        assert bare(small.to_dict()) == bare(found.to_dict())
    again = compare_dump(net, x, dump, isolated, threads=1)
    assert again.to_dict() == found.to_dict()
    composed = {p.name: {hint.name for hint in p.judged.hints} for p in again.populations if p.differing}
    assert composed["conv1"] == {"composed"}


def bare(report: dict[str, Any]) -> dict[str, Any]:
    """A report without causes."""
    causes = ("hints", "causes", "observation", "difference")  # whose rule a cause may tell
    kept = [{key: value for key, value in p.items() if key not in causes} for p in report["populations"]]
    return {**report, "populations": kept}


def test_images_are_numbered_as_their_source_does(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With --images a difference names the image by its number in the source, and the first one is still the first of
    the dump; JSON says which images these were.
    """
    x = fsref.load_images("digits", "digits").x[[9, 6, 2]]
    codes = fsref.run("digits", x, record=["conv1", "conv2"]).codes
    codes["conv1"][2, 19] ^= 1
    codes["conv2"][1, 3] ^= 1
    np.savez(tmp_path / "dump.npz", conv1=codes["conv1"], conv2=codes["conv2"])
    command = ["diff", "digits", "digits", str(tmp_path / "dump.npz"), "--images", "9,6,2"]
    assert main([*command, "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    firsts = {p["name"]: p["difference"] for p in told["populations"] if p["difference"]}
    assert {name: found["image"] for name, found in firsts.items()} == {"conv1": 2, "conv2": 6}
    assert told["first"] == "conv2" and told["images"] == [9, 6, 2]
    assert main([*command[:-1], "9,6"]) == 2
    told = capsys.readouterr().err
    assert (
        "holds more images than are chosen: 3 (2, as --images 9,6 says: leave it out of a dump of all images)" in told
    )
    assert main(command) == 1
    text = " ".join(capsys.readouterr().out.split())
    assert "first in conv2: image 6 neuron 3" in text and "0 .. 2 of a dump are images 9,6,2 of digits" in text


@pytest.mark.parametrize("name", ["dump", "dump.csv", "dump.mem", "dump.vcd", "du\0mp"])
def test_a_dump_that_is_not_there(name: str, tmp_path: Path) -> None:
    """Whatever its name and whatever else is asked, the first thing said of a dump that is not there is that."""
    for layout in (None, {"neurons": "hwc"}):
        with refused(FileError, "TRACE-1", str(tmp_path / name), says="cannot be read"):
            fsref.read_trace(tmp_path / name, net=NET, layout=layout)


def test_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """0 and a table when everything observed is right, 1 when something differs, 2 and one line for bad input."""
    NET.save(tmp_path / "net.fs.npz")
    np.savez(tmp_path / "x.npz", x=X)
    np.savez(tmp_path / "right.npz", **device())
    np.savez(tmp_path / "wrong.npz", **device(divide=only("stem", strict)))
    net, images = str(tmp_path / "net.fs.npz"), str(tmp_path / "x.npz")
    assert main(["diff", net, images, str(tmp_path / "right.npz")]) == 0
    assert "integers observed of 6 images, all equal" in " ".join(capsys.readouterr().out.split())
    assert main(["diff", net, images, str(tmp_path / "wrong.npz"), "--isolated", "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["first"] == "stem" and not told["agrees"] and told["isolated"]
    assert main(["diff", net, images, str(tmp_path / "wrong.npz"), "--layout", "word=8"]) == 2
    assert "--layout: goes with another format" in capsys.readouterr().err
    (tmp_path / "short.csv").write_text("image,population,neuron,value\n0,stem,99999,1\n")
    assert main(["diff", net, images, str(tmp_path / "short.csv")]) == 2
    assert capsys.readouterr().err.startswith("fsref: error: ")


@pytest.mark.filterwarnings("always::fsref.simulation.difference.NotCompared")
def test_a_list_of_spikes_alone_is_never_all_equal_without_a_word(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of a table of spikes that are all 1 a missing spike cannot be found: report, standard error and JSON say that
    silence was not observed; with a 0 told, or as a list without values, silence was.
    """
    NET.save(tmp_path / "net.fs.npz")
    np.savez(tmp_path / "x.npz", x=X)
    stem = next(i for i, p in enumerate(NET.populations) if p.name == "stem")
    events = [e for e in recorded(NET, X).events().tolist() if e[2] == stem]
    net, images, dump = (str(tmp_path / name) for name in ("net.fs.npz", "x.npz", "dump.csv"))

    def told(head: str, lines: list[str], *options: str) -> tuple[int, str, str]:
        Path(dump).write_text("\n".join([head, *lines, ""]))
        code = main(["diff", net, images, dump, *options])
        out, err = capsys.readouterr()
        return code, " ".join(out.split()), err

    head, fired = (
        "image,step,population,neuron,observable,value",
        [f"{i},{t},stem,{n},spikes,1" for i, t, _, n in events],
    )
    code, out, err = told(head, fired[:7] + fired[8:])
    assert code == 0 and "all equal; silence was not observed" in out and "or list all spikes as .aer" in out
    assert err.startswith("fsref: note: diff: silence was not observed: of stem every spike told is 1")
    assert json.loads(told(head, fired, "--json")[1])["without_silence"] == ["stem"]
    whole = {(i, t, n) for i, t, _, n in events}
    image, step, neuron = next(
        (0, t, n) for t in NET.schedule.fires["stem"] for n in range(NET["stem"].neurons) if (0, t, n) not in whole
    )
    code, out, err = told(head, [*fired, f"{image},{step},stem,{neuron},spikes,0"])
    assert code == 0 and "all equal" in out and "silence" not in out + err
    listed = [",".join(map(str, event)) for event in events]
    assert told("image,step,population,neuron", listed)[0] == 0
    assert told("image,step,population,neuron", listed[:7] + listed[8:])[0] == 1
    Path(dump).rename(tmp_path / "events")
    assert main(["diff", net, images, str(tmp_path / "events")]) == 1


def test_how_far_a_fault_reaches_is_told() -> None:
    """All that differs in one neuron, in few channels, at every place of them, or by one amount, is told as that; what
    is spread, or a single integer, is not.
    """
    net, x, good = whole()
    key, area = ("stem", "codes"), 42

    def extent(at: tuple[object, ...], change: Callable[[np.ndarray], np.ndarray]) -> str:
        codes = good[key].copy()
        codes[at] = change(codes[at])
        found = compare_dump(net, x, replace(good, arrays={**good.arrays, key: codes}))
        return next(p.extent for p in found.populations if p.name == "stem")

    channel = slice(2 * area, 3 * area)
    assert extent((slice(0, 3), channel), lambda a: a - 64) == "channel 2 of 4 alone, every place, always -64"
    assert extent((slice(0, 3), slice(84, 90)), lambda a: a + 1 + np.arange(6)) == "channel 2 of 4 alone"
    assert extent((slice(0, 3), 17), lambda a: a + [1, 2, 3]) == "neuron 17 alone"
    assert extent((slice(0, 3), slice(0, 160)), lambda a: a + 5) == "always +5"
    assert extent((slice(0, 3), slice(0, 160)), lambda a: a + 1 + np.arange(160)) == ""
    assert extent((0, 5), lambda a: a + 1) == ""


def chip(net: Network, name: str, opening: np.ndarray, **wrong: Any) -> dict[tuple[str, str], np.ndarray]:
    """What FS neurons with these opening membranes answer, one step at a time, with a fault where one is given."""
    p = net[name]
    assert isinstance(p, FS)
    area = p.shape[1] * p.shape[2]
    T, h, d = (np.repeat(rows, area, axis=0).T for rows in p.table.rows(p.shape[0]))
    v, code, train, left = opening.copy(), np.zeros_like(opening), np.zeros(opening.shape, np.uint16), []
    for t in range(p.steps):
        fired = wrong.get("fires", np.greater_equal)(v, T[t])
        v = v - h[t] * fired + (wrong.get("more", 0) if t == wrong.get("at") else 0)
        code, train = code + d[t] * fired, train << 1 | fired
        left.append(v)
    found = {"opening": opening, "spikes": train.astype(np.uint16), "membranes": np.stack(left, axis=1), "codes": code}
    return {(name, what): array for what, array in found.items()}


def faulty(observed: tuple[str, ...], bias: int = 0, **wrong: Any) -> tuple[DumpReport, Trace, dict[Any, np.ndarray]]:
    """The report on some observables of a population with a fault, what is right, and all that the chip did."""
    net, x, good = whole()
    opening = good["mid", "opening"].copy()
    opening[2, 20] += bias
    arrays = chip(net, "mid", opening, **wrong)
    kinds = tuple(o for o in OBSERVABLES if o in observed)
    selection = replace(recorded(net, x, Record(["mid"], kinds)).selection)
    report = compare_dump(net, x, Trace(net, len(x), selection, {("mid", o): arrays["mid", o] for o in kinds}))
    return report, good, arrays


def test_what_was_observed_of_the_first_neuron_stands_beside_what_is_right() -> None:
    """Step by step: membrane as the step finds it, threshold, spike, each as is right and as observed, in the report
    and in JSON; "-" for what was not observed; no such table where nothing of the steps was.
    """
    for kinds in (("opening", "spikes", "membranes"), ("membranes",), ("spikes", "codes"), ("opening",)):
        found, good, own = faulty(kinds, bias=3000)
        assert found.first is not None and found.first.first is not None
        p = good.net["mid"]
        start, T = good.net.schedule.start["mid"], p.table.T  # type: ignore[union-attr]
        rows = found.first.to_dict()["neuron_steps"]
        for t in range(p.steps + 1):
            pairs = []
            for arrays in (good.arrays, own):
                v = int(arrays["mid", "membranes"][2, t - 1, 20]) if t else int(arrays["mid", "opening"][2, 20])
                pairs.append((v, int(arrays["mid", "spikes"][2, 20]) >> (p.steps - 1 - t) & 1 if t < p.steps else None))
            (v, z), (u, y) = pairs
            assert rows[t] == {
                "step": start + t if t < p.steps else None,
                "threshold": int(T[20 // 12, t]) if t < p.steps else None,
                "membrane": v,
                "observed_membrane": u if ("membranes" if t else "opening") in kinds else None,
                "spike": z,
                "observed_spike": y if "spikes" in kinds else None,
                "unknown": [],
            }
        assert "neuron 20 (c 1, y 2, x 2) of mid, step by step:" in str(found)
        assert ("-" in str(found).split("step by step:")[1].split()[6:]) is (len(kinds) < 3)
    found, _, _ = faulty(("codes",), bias=3000)
    assert found.first is not None and found.first.to_dict()["neuron_steps"] == [] and "step by step" not in str(found)


def test_the_rule_is_that_of_the_first_fault() -> None:
    """Not that of the observable that differs first: a spike that is right for a membrane that is wrong is no fault of
    the comparison; a cause that fits says its own.
    """
    every = ("spikes", "membranes", "codes")

    def told(found: DumpReport) -> tuple[str, str, str]:
        assert found.first is not None and found.first.first is not None
        plain = found.first.to_dict()
        assert f"[{plain['difference']['rule']}]" in str(found.first.first)
        assert f"[{plain['difference']['rule']}]" in plain["difference"]["text"]
        return plain["difference"]["observable"], plain["difference"]["rule"], plain["why"] or ""

    quiet = faulty(every, bias=-3000)  # never fires, so that the membrane after the first step is the opening one
    before = int(quiet[1]["mid", "opening"][2, 20])
    assert told(quiet[0])[1:] == ("NET-6", f"opening membrane expected {before}, yours {before - 3000}")
    assert told(faulty(("opening", *every), bias=-3000)[0])[:2] == ("opening", "NET-6")
    found, good, own = faulty(("opening", *every), at=1, more=4000)
    observable, rule, why = told(found)
    assert (observable, rule) == ("spikes", "FS-3") and why.startswith("after step ")
    first = found.first.first.difference  # type: ignore[union-attr]
    left = int(own["mid", "membranes"][first.image, 1, first.neuron])
    assert why.endswith(f"membrane expected {left - 4000} of yours before it, yours {left}")
    assert told(faulty(("spikes",), at=1, more=4000)[0])[:2] == ("spikes", "FS-2")
    strictly = faulty(("codes",), fires=np.greater)[0]
    assert told(strictly)[:2] == ("codes", "FS-2") and "[FS-2]" in strictly.first.judged.hints[0].text  # type: ignore
    net, x, good = whole()
    arrays = {key: a.copy() for key, a in good.arrays.items()}
    arrays["mid", "spikes"][1, 20] ^= 1
    assert told(compare_dump(net, x, replace(good, arrays=arrays)))[:2] == ("spikes", "FS-2")
