"""A chip's limits: the file that says them, what of a network misfits, and that what fits runs on such a chip."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from itertools import permutations, product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

import fsref
import handmade
from fsref import FS, Conv2d, Dense, Input, MaxPool, Network, Readout, Table, fs_relu
from fsref.cli.main import main
from fsref.errors import FileError, FsrefError, UsageError
from fsref.formats.chips import MAX_FILE, chip_of
from fsref.limits.chip import KINDS, Limits
from fsref.limits.misfits import Fit, misfits
from fsref.testing import cases, networks
from refusals import error_of, refused

CHIPS = Path(fsref.__file__).parent / "guide" / "chips"
EVERY = {
    "name": "all that can be said",
    "kinds": [*KINDS],
    "steps": [2, 6],
    "weight_bits": 8,
    "bias_bits": 16,
    "threshold_bits": 16,
    "code_bits": 6,
    "membrane_bits": 16,
    "overflow": "saturate",
    "shape": [64, 32, 32],
    "neurons": 4096,
    "fan_in": 1024,
    "kernel": [3, 3],
    "stride": [2, 2],
    "padding": [1, 1],
    "dilation": [1, 1],
    "groups": 1,
    "theta": "layer",
    "theta_power_of_two": True,
    "tables": "relu",
    "bias_map": False,
    "observables": ["spikes", "codes"],
}


def test_a_file_says_what_a_mapping_says(tmp_path: Path) -> None:
    """Every key, in a file or a mapping, gives the same limits, and they say the same keys again; the keys of the page
    are these.
    """
    path = tmp_path / "chip.json"
    path.write_text(json.dumps(EVERY), encoding="utf-8")
    assert chip_of(path) == chip_of(str(path)) == chip_of(EVERY)
    assert chip_of(path).to_dict() == EVERY
    assert chip_of({}) == Limits() and Limits().to_dict() == {}
    page = (Path(fsref.__file__).parent / "HARDWARE.md").read_text(encoding="utf-8")
    table = page.partition("### CHIP-1")[2].partition("Code:")[0]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| ")]
    assert {name.strip() for row in rows for name in row.split(",")} - {"key"} == set(EVERY)


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("accumulator_bits", 8, "did you mean membrane_bits?"),
        ("wieght_bits", 8, "did you mean weight_bits?"),
        ("weight_bits", 0, "1..64"),
        ("weight_bits", True, "1..64"),
        ("weight_bits", 8.0, "1..64"),
        ("weight_bits", [8], "1..64"),
        ("steps", 4, "2 integers"),
        ("steps", [4, 3], "lowest above highest"),
        ("steps", [0, 3], "1..16"),
        ("shape", [1, 2], "3 integers"),
        ("kinds", "fs", "not a list"),
        ("kinds", ["fss"], "did you mean fs?"),
        ("observables", ["spike"], "did you mean spikes?"),
        ("overflow", "wraps", "did you mean wrap?"),
        ("overflow", "wrap", "goes with membrane_bits"),
        ("theta", ["layer"], "unknown"),
        ("bias_map", 0, "not true or false"),
        ("theta_power_of_two", None, "not true or false"),
        ("name", 5, "not a name"),
        ("name", "x" * 300, "256"),
    ],
)
def test_limits_that_are_refused(tmp_path: Path, key: str, value: Any, says: str) -> None:
    """An unknown key, or a value that is none of it, is one line that names key, value and what would do: a UsageError
    of a mapping, a FileError, with the file, of a file.
    """
    with refused(UsageError, "CHIP-1", says=says):
        chip_of({key: value})
    path = tmp_path / "chip.json"
    path.write_text(json.dumps({key: value}), encoding="utf-8")
    with refused(FileError, "CHIP-1", says=(says, str(path))):
        chip_of(path)


def test_limits_that_contradict_one_another() -> None:
    """Codes narrower than the fewest steps are refused."""
    with refused(UsageError, "CHIP-1", says="code_bits 3"):
        chip_of({"steps": [4, 8], "code_bits": 3})


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{",
        b"\xff\xfe",
        b'{"name": "a", "name": "b"}',
        b'{"fan_in": NaN}',
        b'{"fan_in": ' + b"9" * 5000 + b"}",
        b"[" * MAX_FILE,
        b'{"name":' * 8000,
        b" " * (MAX_FILE + 1),
        b'{"\\u001b[31m": 1}',
    ],
)
def test_files_that_are_no_limits(tmp_path: Path, data: bytes) -> None:
    """What is no JSON object, too long, too deep, or names a key twice is one line, without control characters."""
    path = tmp_path / "chip.json"
    path.write_bytes(data)
    with refused(FileError, "CHIP-1", says=str(path)):
        chip_of(path)


def mutated(seed: int) -> bytes:
    """A limits file with a few bytes or values changed."""
    rng = random.Random(seed)
    if rng.random() < 0.5:
        plain: dict[str, Any] = dict(EVERY)
        odd = [
            None,
            True,
            -1,
            0,
            2**70,
            1.5,
            "x",
            "",
            [],
            [1],
            [[]],
            {},
            [2**65, 1],
            {"a": 1},
            ["fs", 1],
            "\x1b",
            1e308,
        ]
        for _ in range(rng.randint(1, 3)):
            plain[rng.choice([*EVERY, "odd"])] = rng.choice(odd)
        return json.dumps(plain).encode()
    data = bytearray(json.dumps(EVERY).encode())
    for _ in range(rng.randint(1, 6)):
        at = rng.randrange(len(data))
        data[at : at + rng.randint(0, 2)] = rng.randbytes(rng.randint(0, 3))
    return bytes(data)


def check_mutated(path: Path, seeds: range) -> int:
    """How many mutated files are taken; each of the others is a clean FileError."""
    taken = 0
    for seed in seeds:
        path.write_bytes(mutated(seed))
        try:
            chip_of(path)
            taken += 1
        except FsrefError as error:
            assert type(error) is FileError and error.rule == "CHIP-1"
            line = str(error)
            assert line.isprintable() and len(line) < 10_000, seed
    return taken


def test_mutated_limits_files_are_taken_or_refused_in_one_line(tmp_path: Path) -> None:
    """Of mutated files each is taken or is a clean FileError."""
    assert 0 < check_mutated(tmp_path / "chip.json", range(200)) < 200


def example() -> Network:
    """Input, a depthwise and a plain convolution, a max-pool, both dense forms."""
    rng = np.random.default_rng(1)

    def weights(*shape: int) -> np.ndarray:
        found = rng.integers(1, 8, shape)
        found.flat[0] = -8
        return found

    table = Table(T=[[8, 4, 2], [16, 8, 4]], h=[[8, 4, 2], [16, 8, 4]], d=[4, 2, 1])
    odd = Table(T=[9, 5], h=[9, 4], d=[2, 1])
    return Network(
        [
            Input("in", (2, 4, 4), 4, 15),
            FS("deep", (2, 4, 4), table, rng.integers(-20, 20, (2, 4, 4))),
            MaxPool("pool", (2, 2, 2), "deep", (2, 2), (2, 2)),
            FS("wide", (3, 2, 2), fs_relu(3, 5), [1, -300, 3]),
            FS("odd", (2, 1, 1), odd, [0, 1]),
            Readout("out", (2, 1, 1), [3, 4]),
        ],
        [
            Conv2d("in", "deep", weights(2, 1, 3, 3), padding=(1, 1, 1, 1), groups=2),
            Conv2d("pool", "wide", weights(3, 2, 1, 1)),
            Dense("wide", "odd", weights(2, 3), pooled=True),
            Dense("odd", "out", weights(2, 2)),
            Dense("pool", "out", weights(2, 8)),
        ],
        name="example",
    )


def told(net: Network, **limits: Any) -> set[tuple[str, str]]:
    """Where and what misfits."""
    return {(m.where, m.breaks) for m in misfits(net, chip_of(limits))}


def test_each_limit_by_itself() -> None:
    """Each limit, at the value that the network has, fits; one below, it names every place that has more, and no
    other.
    """
    net = example()
    assert told(net) == set()
    assert told(net, kinds=[*KINDS]) == set()
    kinds = ["input", "fs", "readout", "conv2d"]
    lacking = {("in->deep", "kinds"), ("pool", "kinds"), ("wide->odd", "kinds"), ("odd->out", "kinds")}
    assert told(net, kinds=kinds) == {*lacking, ("pool->out", "kinds")}
    assert told(net, steps=[2, 4]) == set()
    assert told(net, steps=[3, 3]) == {("in", "steps"), ("odd", "steps")}
    assert told(net, weight_bits=4) == set()
    assert ("in->deep", "weight_bits") in told(net, weight_bits=3)
    assert told(net, bias_bits=10) == set() and told(net, bias_bits=9) == {("wide", "bias_bits")}
    assert told(net, threshold_bits=6) == set()
    assert told(net, threshold_bits=5) == {("deep", "threshold_bits"), ("wide", "threshold_bits")}
    assert told(net, code_bits=4) == set() and told(net, code_bits=3) == {("in", "code_bits")}
    assert told(net, shape=[3, 4, 4]) == set()
    assert told(net, shape=[2, 4, 3]) == {(name, "shape") for name in ("in", "deep", "wide")}
    assert told(net, neurons=32) == set() and told(net, neurons=31) == {("in", "neurons"), ("deep", "neurons")}
    assert told(net, kernel=[3, 3]) == set()
    assert told(net, kernel=[3, 2]) == {("in->deep", "kernel")}
    assert told(net, kernel=[1, 1]) == {("in->deep", "kernel"), ("pool", "kernel")}
    assert told(net, stride=[2, 1]) == {("pool", "stride")}
    assert told(net, padding=[0, 1]) == {("in->deep", "padding")}
    assert told(net, theta="layer") == {("deep", "theta")}
    assert told(net, theta_power_of_two=True) == {("wide", "theta_power_of_two"), ("odd", "theta_power_of_two")}
    assert told(net, tables="relu") == {("odd", "tables")}
    assert told(net, bias_map=False) == {("deep", "bias_map")}
    assert told(net, observables=["spikes"]) == set()


def test_groups_and_dilations_are_limited_but_for_depthwise_windows() -> None:
    """Windows of more groups, or further apart, than a chip has are told; one with as many groups as channels is
    depthwise, a kind of its own.
    """
    net = Network(
        [Input("in", (4, 5, 5), 2, 3), FS("a", (4, 3, 5), fs_relu(2, 9)), FS("b", (4, 3, 3), fs_relu(2, 9)),
         Readout("out", (1, 1, 1))],
        [
            Conv2d("in", "a", np.ones((4, 2, 2, 1), np.int64), dilation=(2, 1), groups=2),
            Conv2d("a", "b", np.ones((4, 1, 1, 2), np.int64), dilation=(1, 2), groups=4),
            Dense("b", "out", np.ones((1, 36), np.int64)),
        ],
    )  # fmt: skip
    assert told(net, groups=2, dilation=[2, 2]) == set()
    assert told(net, groups=1) == {("in->a", "groups")}
    assert told(net, dilation=[1, 2]) == {("in->a", "dilation")}
    assert told(net, dilation=[2, 1]) == {("a->b", "dilation")}


def naive_fan_in(net: Network, name: str) -> int:
    """The most synapses into one neuron, one by one (PROJ-7)."""
    plain = handmade.oracle(net)
    target = [p.name for p in net.populations].index(name)
    counts = [0] * net[name].neurons
    for q in plain.projections:
        if q.target == target:
            for leaving in q.synapses:
                for neuron, weight in leaving:
                    counts[neuron] += weight != 0
    return max(counts)


@settings(max_examples=30, derandomize=True, database=None, deadline=None)
@given(networks(max_fs=2))
def test_fan_in_and_widths_are_those_counted_one_by_one(net: Network) -> None:
    """A limit of the fan-in, the weight, bias and threshold bits, counted in plain Python, fits; one less does not."""

    def bits(values: Any) -> int:
        return max(
            next(b for b in range(1, 65) if -(2 ** (b - 1)) <= v < 2 ** (b - 1)) for v in values.ravel().tolist()
        )

    for p in net.integrating:
        has = {"fan_in": naive_fan_in(net, p.name), "bias_bits": bits(p.bias)}
        if p.kind == "fs":
            has["threshold_bits"] = bits(np.stack([np.broadcast_to(p.table.T, p.table.h.shape), p.table.h]))
            has["threshold_bits"] = max(bits(p.table.T), bits(p.table.h))
        for what, count in has.items():
            assert (p.name, what) not in told(net, **{what: max(count, 1)})
            assert count < 2 or (p.name, what) in told(net, **{what: count - 1})
    for name, q in ((name, q) for p in net.integrating for name, q in net.into(p.name).items()):
        count = bits(q.weights)
        assert (name, "weight_bits") not in told(net, weight_bits=count)
        assert count < 2 or (name, "weight_bits") in told(net, weight_bits=count - 1)


def device(net: Network, image: tuple[int, ...], order: tuple[int, ...], bits: int, overflow: str) -> list[int]:
    """The opening membrane and, step by step, spikes and membranes of the one neuron of `net` on a chip whose
    accumulator has so many bits and adds bias and spikes in this order; a trap is a number that nothing equals.
    """
    low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1

    def held(v: int) -> int:
        if overflow == "wrap":
            return (v - low) % 2**bits + low
        return v if low <= v <= high else max(low, min(high, v)) if overflow == "saturate" else 10**9

    p, weights = net["n"], net.projections[0].weights[0].tolist()
    steps = net.input.steps
    parts = [int(p.bias[0])] + [
        w * 2 ** (steps - 1 - t) * (code >> (steps - 1 - t) & 1)
        for w, code in zip(weights, image, strict=True)
        for t in range(steps)
    ]
    v = 0
    for i in order:
        v = held(v + parts[i])
    seen = [v]
    for T, h in zip(p.table.T.tolist(), p.table.h.tolist(), strict=True):
        z = int(v >= T)
        v = held(v - h * z)
        seen += [z, v]
    return seen


def single(trial: int, rng: np.random.Generator) -> Network:
    """A network of one neuron; every third has a table of any order, which may raise the membrane."""
    inputs, steps = ((2, 1), (1, 2), (1, 3), (2, 2))[trial % 4]
    table = fs_relu(int(rng.integers(1, 4)), int(rng.integers(1, 9)))
    if trial % 3 == 0:
        table = Table(T=rng.integers(-9, 10, 2), h=rng.integers(-9, 10, 2), d=[2, 1])
    n = FS("n", (1, 1, 1), table, [int(rng.integers(-12, 13))])
    there = [Input("in", (inputs, 1, 1), steps, 2**steps - 1), n, Readout("out", (1, 1, 1))]
    return Network(there, [Dense("in", "n", rng.integers(-8, 9, (1, inputs))), Dense("n", "out", [[1]])])


def agrees(net: Network, bits: int, overflow: str) -> bool:
    """Whether a device of so many bits has the opening, spikes and membranes of the law, for every image in every
    order.
    """
    inputs, steps = net.input.shape[0], net.input.steps
    images = list(product(range(2**steps), repeat=inputs))
    ran = fsref.run(
        net, np.array(images)[:, :, None, None], "reference", fsref.Record(["n"], ("opening", "spikes", "membranes"))
    )
    assert ran.trace is not None
    table, orders = net["n"].table, list(permutations(range(1 + inputs * steps)))
    for k, image in enumerate(images):
        law = [int(ran.trace["n", "opening"][k].item())]
        word = int(ran.trace["n", "spikes"][k].item())
        for t, v in enumerate(ran.trace["n", "membranes"][k].ravel().tolist()):
            law += [word >> table.steps - 1 - t & 1, v]
        if any(device(net, image, order, bits, overflow) != law for order in orders):
            return False
    return True


@pytest.mark.parametrize("overflow", ["trap", "saturate", "wrap"])
def test_a_device_of_so_many_bits_agrees_when_it_fits(overflow: str) -> None:
    """By brute force, all images in every order of bias and spikes: a device whose accumulator traps, saturates or
    wraps has every opening, spike and membrane of the law when the network fits; with one bit less than fits, and a
    table that never raises a membrane, some image in some order shows that it was needed.
    """
    rng, tight = np.random.default_rng(3), 0
    for trial in range(36):
        net = single(trial, rng)
        fits = [("n", "membrane_bits") not in told(net, membrane_bits=b, overflow=overflow) for b in range(1, 20)]
        enough = 1 + fits.index(True)
        assert all(fits[enough - 1 :])
        assert agrees(net, enough, overflow) and agrees(net, enough + 1, overflow)
        if enough > 1 and trial % 3:
            assert not agrees(net, enough - 1, overflow)
            tight += 1
    assert tight > 20


def test_what_fits_is_one_line_and_what_does_not_a_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`fsref check --for`: exit code 0 and a line that says what kinds the chip lacks; exit
    code 1 and a table of every misfit; the same from Python.
    """
    net = example()
    net.save(tmp_path / "net.fs.npz")
    path = tmp_path / "chip.json"
    path.write_text(json.dumps({"name": "tile", "kinds": [*KINDS[:-1]]}), encoding="utf-8")
    assert main(["check", str(tmp_path / "net.fs.npz"), "--for", str(path)]) == 0
    assert capsys.readouterr().out == f"example {net.id[:12]} fits tile, which has no gate\n"
    path.write_text(json.dumps({"name": "tile", "fan_in": 4}), encoding="utf-8")
    assert main(["check", str(tmp_path / "net.fs.npz"), "--for", str(path)]) == 1
    out = capsys.readouterr().out.splitlines()
    assert out[0] == f"example {net.id[:12]} does not fit, 3 misfits: tile"
    assert out[2].split() == "place limit value allowed what would do".split()
    assert [line.split()[:4] for line in out[4:]] == [
        ["deep", "fan_in", "9", "4"],
        ["odd", "fan_in", "12", "4"],
        ["out", "fan_in", "10", "4"],
    ]
    assert "3 passes of 4 into one membrane" in out[4]
    found = fsref.check(net, handmade.draw(net, 2), chip=path)
    assert found.fit == Fit.of(net, chip_of(path)) and found.agrees
    assert str(found).endswith("\n".join(out))
    assert fsref.check(net, handmade.draw(net, 2)).fit is None
    assert main(["check", str(tmp_path / "net.fs.npz"), "--for", str(tmp_path / "none.json")]) != 0
    assert "CHIP-1" in error_of(capsys.readouterr().err)


def test_what_a_name_holds_is_no_line_of_the_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A line break in the name of a chip or network is printed as \\n, in one line."""
    net = replace(handmade.tiny(), name="my\nnet")
    (tmp_path / "chip.json").write_text(json.dumps({"name": "x\n\nall equal"}))
    net.save(tmp_path / "net.fs.npz")
    assert main(["check", str(tmp_path / "net.fs.npz"), "--for", str(tmp_path / "chip.json")]) == 0
    assert capsys.readouterr().out == f"my\\nnet {net.id[:12]} fits x\\n\\nall equal\n"


DRAWN = [
    *sorted(CHIPS.glob("*.json")),
    {"steps": [2, 6], "weight_bits": 4, "bias_bits": 10, "threshold_bits": 12, "membrane_bits": 12, "code_bits": 6},
    {"kinds": ["input", "fs", "readout", "dense"], "neurons": 20, "shape": [5, 3, 3], "membrane_bits": 9},
    {"kinds": ["input", "fs", "max_pool", "readout", "depthwise", "pooled"], "kernel": [2, 2], "stride": [1, 2]},
    {"kinds": ["input", "fs", "readout", "conv2d", "depthwise", "dense"], "dilation": [1, 1], "groups": 1},
    {"kinds": ["input", "fs", "readout", "conv2d"], "dilation": [1, 2], "groups": 2},
]


@pytest.mark.parametrize("limits", DRAWN, ids=lambda limits: limits.stem if isinstance(limits, Path) else "")
def test_drawn_networks_fit_the_limits(limits: Any) -> None:
    """Of 50 cases drawn with the limits of a chip none misfits."""
    chip, seen = chip_of(limits), []

    @settings(max_examples=50, derandomize=True, database=None, deadline=None)
    @given(cases(limits=limits, max_fs=2))
    def drawn(case: Any) -> None:
        assert list(misfits(case.net, chip)) == []
        seen.append(case)

    drawn()
    assert len(seen) >= 50


def test_networks_drawn_without_limits_do_misfit() -> None:
    """Every one of those chips is too small for some of 30 networks that are drawn freely."""
    seen = set()

    @settings(max_examples=30, derandomize=True, database=None, deadline=None)
    @given(networks(max_fs=2))
    def drawn(net: Network) -> None:
        seen.update(i for i, limits in enumerate(DRAWN) if any(misfits(net, chip_of(limits))))

    drawn()
    assert seen == set(range(len(DRAWN)))


FEW = ["input", "fs", "readout"]


@pytest.mark.parametrize(
    ("limits", "says"),
    [
        ({"kinds": ["input", "readout", "dense"]}, "fs"),
        ({"kinds": FEW}, "conv2d"),
        ({"kinds": [*FEW, "depthwise"], "neurons": 1}, "depthwise alone with one channel"),
        ({"steps": [8, 10], "threshold_bits": 8, "tables": "relu"}, "so narrow a T: 8 (at least 9)"),
        ({"threshold_bits": 1, "theta_power_of_two": True}, "so narrow a T: 1 (at least 2)"),
    ],
)
def test_limits_that_no_network_meets_draw_nothing(limits: dict[str, Any], says: str) -> None:
    """A chip without neurons, without any projection, or on which no neuron finds room, is refused by name."""
    with refused(UsageError, "CHIP-2", says=says):
        given(cases(limits=limits))(lambda case: None)()


def test_thresholds_bound_the_steps_that_are_drawn() -> None:
    """The first threshold of a ReLU is at least 2^(K-1): few steps are drawn where it has few bits."""

    @settings(max_examples=20, derandomize=True, database=None, deadline=None)
    @given(cases(limits={"steps": [2, 16], "threshold_bits": 3, "tables": "relu"}, max_fs=1))
    def drawn(case: Any) -> None:
        assert {p.steps for p in case.net.fs} == {2}

    drawn()
