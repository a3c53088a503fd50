"""Conversion for a chip: what comes out fits it, what does not is named, and what it costs is told (CHIP-3, CHIP-4)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fsref
from fsref import Network
from fsref.cli.main import main
from fsref.conversion.options import Options
from fsref.errors import GraphError, UsageError
from fsref.formats.chips import chip_of
from fsref.graph.graph import Graph, Node
from fsref.law.ranges import width_bits
from fsref.limits.misfits import misfits
from nodes import PIXELS, conv, drawn, head, residual
from refusals import error_of, refused

CHIPS = Path(fsref.__file__).parent / "guide" / "chips"
IMAGES = drawn(16)


@pytest.mark.parametrize("correction", ["none", "empirical"])
@pytest.mark.parametrize(
    "limits",
    [
        {"theta": "layer", "theta_power_of_two": True},
        {"theta": "layer"},
        {"membrane_bits": 14, "overflow": "saturate"},
        {"membrane_bits": 12, "overflow": "wrap", "code_bits": 8},
        {"weight_bits": 5, "bias_bits": 14, "threshold_bits": 12},
        {"bias_map": False, "membrane_bits": 18},
        {"bias_map": False, "weight_bits": 8, "theta": "layer"},
        {"bias_map": False, "weight_bits": 5, "bias_bits": 9},  # constants of fewer steps, so that theta shrinks
    ],
    ids=str,
)
def test_what_is_converted_for_a_chip_fits_it(limits: Mapping[str, Any], correction: str) -> None:
    """What conversion can choose it chooses so that the chip takes it, the same for every bias correction; what it was
    made for is in the provenance.
    """
    net = fsref.convert(residual(), IMAGES, chip=limits, steps=4, bias_correction=correction)
    assert list(misfits(net, chip_of(limits))) == []
    assert net.provenance["options"]["chip"] == limits
    for p in net.fs:
        theta = p.table.T[..., -1]
        assert "theta" not in limits or theta.ndim == 0
        assert "theta_power_of_two" not in limits or int(theta) & (int(theta) - 1) == 0
    if limits.get("overflow"):
        widths = [width_bits(net.ranges[p.name].any_order) for p in net.integrating]
        assert limits["membrane_bits"] - 1 <= max(widths)  # no more is given up than has to be
    run = fsref.run(net, IMAGES, "reference")
    assert np.array_equal(run.logits, fsref.run(net, IMAGES, "quantized").logits)


def test_a_chip_that_limits_nothing_changes_nothing() -> None:
    """Without limits, or within wide ones, the network is the one that is made without a chip."""
    net = fsref.convert(residual(), IMAGES)
    assert fsref.convert(residual(), IMAGES, chip={}).id == net.id
    wide = {"membrane_bits": 32, "weight_bits": 16, "bias_bits": 32, "threshold_bits": 40, "steps": [1, 16]}
    assert fsref.convert(residual(), IMAGES, chip=wide).id == net.id
    assert "chip" not in net.provenance["options"]


@pytest.mark.parametrize("path", sorted(CHIPS.glob("*.json")), ids=lambda path: path.stem)
def test_the_chips_of_the_guide(path: Path) -> None:
    """Each is met but for a fan-in, which no option changes."""
    calibrated = fsref.convert_and_score(residual(), IMAGES, chip=path)
    assert calibrated.fit is not None
    assert {m.breaks for m in calibrated.fit.misfits} == ({"fan_in"} if path.stem == "one_shift" else set())


def test_what_is_not_said_the_chip_sets() -> None:
    """K is 8 or the nearest the chip takes, weights 8 bits or as many as it has, for all and for those not named."""

    def chosen(limits: Mapping[str, Any], **given: Any) -> tuple[Any, int, bool]:
        options = Options.of(fsref.convert, {**given, "chip": limits})
        return options.steps, options.weight_bits, options.power_of_two

    assert chosen({}) == (8, 8, False)
    assert chosen({"steps": [2, 4], "weight_bits": 4, "theta_power_of_two": True}) == (4, 4, True)
    assert chosen({"steps": [10, 12], "weight_bits": 12}) == (10, 8, False)
    assert chosen({"code_bits": 5}, steps={"stem": 3}) == ({"": 5, "stem": 3}, 8, False)
    assert chosen({"weight_bits": 12}, weight_bits=10, power_of_two=True) == (8, 10, True)


@pytest.mark.parametrize(
    ("limits", "given", "place", "says"),
    [
        ({"steps": [2, 4]}, {"steps": 5}, "steps", "2..4"),
        ({"code_bits": 4}, {"steps": {"": 4, "stem": 6}}, "steps", "1..4"),
        ({"weight_bits": 4}, {"weight_bits": 5}, "weight_bits", "at most 4"),
        ({"theta_power_of_two": True}, {"power_of_two": False}, "power_of_two", "powers of two"),
    ],
)
def test_options_that_contradict_the_chip(limits: Any, given: Any, place: str, says: str) -> None:
    """What is said and what the chip cannot do is refused before anything is converted; a search has none left."""
    with refused(UsageError, "RUN-6", place, says=(says, "tile")):
        fsref.convert(residual(), IMAGES, chip={"name": "tile", **limits}, **given)
    with refused(UsageError, "RUN-6", "steps", says="10..12"):
        fsref.search(residual(), IMAGES, steps=range(2, 5), chip={"steps": [10, 12]})


def test_a_search_tries_the_steps_of_the_chip() -> None:
    """Of the steps to try those are tried that the chip takes, and the network found fits it."""
    limits = {"code_bits": 8, "steps": [3, 8], "theta": "layer"}
    found = fsref.search(residual(), IMAGES[:8], loss=100, steps=[2, 3, 9], chip=limits)
    assert {k for point in found.points for k in point.steps.values()} == {3}
    assert list(misfits(found.net, chip_of(limits))) == []


def test_widths_that_hold_no_theta() -> None:
    """Where even theta = 1 would be too large, or a readout would be left without weights, conversion says so with the
    widths, and what would do.
    """
    with refused(GraphError, "CHIP-3", says=("theta", "membrane_bits 6", "fewer steps")):
        fsref.convert(residual(), IMAGES, chip={"membrane_bits": 6}, steps=8)
    with refused(GraphError, "CHIP-3", "linear", says=("all weights would be 0", "membrane_bits 12")):
        fsref.convert(residual(), IMAGES, chip={"membrane_bits": 12}, steps=8)


def graph_with_offsets() -> Graph:
    """Signed values behind a max-pool, a stride and another kernel, all of them padded."""
    nodes = [
        conv("first", "input", 4, 3, rng=1),
        conv("second", "first", 4, 4, rng=2, padding=(1, 0, 1, 2), stride=(2, 2)),
        Node("twice", "add", ("second", "second")),
        Node("down", "max_pool", ("twice",), {"kernel": (2, 2), "stride": (1, 1)}),
        conv("third", "down", 6, 4, rng=3, groups=2),
        Node("relu", "relu", ("third",)),
        *head("relu", 6),
    ]
    return Graph(PIXELS, nodes, "offsets")


def starts(net: Network, name: str) -> np.ndarray:
    """What the membranes of a population have before any code of the others counts, summed neuron by neuron."""
    p = net[name]
    total = np.zeros(p.shape, np.int64) + p.bias_map
    for q in net.into(name).values():
        if ".constant" not in q.source:
            continue
        source = net[q.source]
        code = int(source.bias[0])
        (top, left, _, _), (kh, kw) = q.padding, q.kernel
        for o, y, x, i, j in product(*map(range, (*p.shape, kh, kw))):
            row, column = y * q.stride[0] + i * q.dilation[0] - top, x * q.stride[1] + j * q.dilation[1] - left
            if 0 <= row < source.shape[1] and 0 <= column < source.shape[2]:
                total[o, y, x] += code * int(q.weights[o, 0, i, j])
    return total


@pytest.mark.parametrize("graph", [residual(), graph_with_offsets()], ids=lambda graph: graph.name)
@pytest.mark.parametrize("bits", [16, 6])
def test_constants_stand_for_bias_maps(graph: Graph, bits: int) -> None:
    """Every bias is one per channel; constants, which send one spike in their first step for every image, give each
    neuron what its bias map gives it, inside exactly, at the border up to what the rounding of their weights allows.
    """
    given: dict[str, Any] = {} if bits == 16 else {"weight_bits": bits}
    plain = fsref.convert(graph, IMAGES, **given)
    net = fsref.convert(graph, IMAGES, chip={"bias_map": False, **({} if bits == 16 else {"weight_bits": bits})})
    assert all(p.bias.ndim == 1 for p in net.integrating)
    mapped = [p for p in plain.integrating if p.bias.ndim == 3]
    constant = [p for p in net.fs if ".constant" in p.name]
    assert len(constant) >= len(mapped) > 0
    ran = fsref.run(net, IMAGES, "reference", fsref.Record([p.name for p in constant], ("spikes",)))
    assert ran.trace is not None
    for p in constant:
        assert (ran.trace[p.name, "spikes"] == 2 ** (p.steps - 1)).all()
    for p in mapped if bits == 16 else ():
        own = [q for q in net.into(p.name).values() if ".constant" in q.source]
        steps = max(net[q.source].steps for q in own)
        error = np.abs(starts(net, p.name) - p.bias)
        most = sum(q.kernel[0] * q.kernel[1] for q in own)
        assert error.max() <= most * 2 ** (steps - 1) / 2 + 1
        assert error[:, 1:-2, 1:-2].max(initial=0) == 0
        theta = p.table.T[..., -1].min()
        assert error.max() < theta / 2  # half a code
    agree = (fsref.run(plain, IMAGES).predictions == fsref.run(net, IMAGES).predictions).mean()
    assert agree >= (1 if bits == 16 else 0.8)
    found = fsref.compare(graph, net, IMAGES)
    assert [row.name for row in found.rows] == [row.name for row in fsref.compare(graph, plain, IMAGES).rows]


def test_what_does_not_fit_is_named_and_what_it_costs_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`fsref convert --for` writes the network, lists what no option could mend, ends with exit code 1, and tells the
    score of the same conversion without the chip; `check --for` agrees. `fsref.convert` refuses such a network.
    """
    graph, labels = residual(), residual().forward(IMAGES).argmax(axis=1)
    fsref.save(graph, tmp_path / "graph.npz")
    np.savez(tmp_path / "x.npz", x=IMAGES, y=labels)
    limits = {"name": "tile", "fan_in": 16, "membrane_bits": 14, "overflow": "saturate", "steps": [2, 8]}
    chip = tmp_path / "chip.json"
    chip.write_text(json.dumps(limits), encoding="utf-8")
    asked = ["convert", str(tmp_path / "graph.npz"), "--data", str(tmp_path / "x.npz"), "--for", str(chip), "-K", "4"]
    assert main([*asked, "--out", str(tmp_path / "net.npz"), "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    free = fsref.convert(graph, IMAGES, steps=4)
    score = fsref.evaluate(free, IMAGES, labels)
    assert told["without_chip"]["fs_correct"] == round(16 * score.accuracy)
    assert told["without_chip"]["spikes_per_neuron"] == score.spikes_per_neuron
    assert told["chip"] == limits and not told["fits"]
    net = fsref.load(tmp_path / "net.npz")
    assert {m["breaks"] for m in told["misfits"]} == {"fan_in"}
    assert main(["check", str(tmp_path / "net.npz"), "--for", str(chip), "--json"]) == 1
    checked = json.loads(capsys.readouterr().out)
    assert (checked["misfits"], checked["id"]) == (told["misfits"], told["id"])
    assert main([*asked, "--out", str(tmp_path / "again.npz")]) == 1
    out = capsys.readouterr().out
    assert f"does not fit, {len(told['misfits'])} misfits: tile" in out
    assert "points for the chip" in out and "passes of 16 into one membrane" in out
    with refused(GraphError, "CHIP-3", says=("fan_in", "tile")):
        fsref.convert(graph, IMAGES, chip=limits, steps=4)
    assert fsref.convert_and_score(graph, IMAGES, labels, chip=limits, steps=4).net.id == net.id
    assert main([*asked, "--out", str(tmp_path / "no.npz"), "--steps", "9"]) != 0
    assert "given twice" in error_of(capsys.readouterr().err)
    assert main([*asked[:-2], "--out", str(tmp_path / "no.npz"), "--steps", "9"]) != 0
    assert "contradicts tile" in error_of(capsys.readouterr().err)
    assert main([*asked[:-2], "--out", str(chip), "--force"]) != 0
    assert "would replace another file" in error_of(capsys.readouterr().err)
    assert not (tmp_path / "no.npz").exists() and json.loads(chip.read_text()) == limits
