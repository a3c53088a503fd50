"""Gates: products of two codes (GATE-1 to GATE-4), by hand: what they sum, when, how wide, what they cost, what refuses
them.
"""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import naive
from fsref import (
    FS,
    Conv2d,
    Dense,
    Input,
    Network,
    Readout,
    Table,
    count,
    energy,
    explain,
    fs_relu,
    load,
    rate_coded,
    run,
    run_pipelined,
    scale,
)
from fsref.errors import FileError, LimitError, NetworkError, RangeError, UsageError
from fsref.formats import nir, onnx
from fsref.formats.npz import to_bytes
from fsref.law.pipelining import pipelining
from fsref.law.projections import Gate
from fsref.law.widths import factor_width, memories, register_bits
from fsref.limits.chip import Limits
from fsref.limits.misfits import misfits
from fsref.verification.causes import hints
from fsref.verification.proof import prove
from handmade import ENGINES, EVERYTHING, draw, gated, oracle, recorded, tiny
from planted_gates import PLANTED, answers
from planted_units import scene
from refusals import refused

SIGNED = Table(T=[9, 3, -2], h=[14, -4, 6], d=[-3, 5, 2])  # codes of both signs


def product(weights: Any = (2, -3), by: str = "b", shape: tuple[int, int, int] = (2, 1, 1), **about: Any) -> Network:
    """An input of 2 x 1 x 3, a map `a` and a factor `b` of a `shape`, and their product in `p`."""
    kernel = np.ones((2, 2, 1, 3 if shape[2] == 1 else 1), np.int64)
    return Network(
        [
            Input("in", (2, 1, 3), 3, 7),
            FS("a", (2, 1, 3), about.get("a", fs_relu(4, 2)), [1, 5]),
            FS("b", shape, about.get("b", SIGNED), [-4, 3]),
            FS("p", about.get("target", (2, 1, 3)), fs_relu(5, 9), [20, 10]),
            Readout("out", (1, 1, 1)),
        ],
        [
            scale("in", "a", [3, 2]),
            Conv2d("in", "b", kernel),
            Gate("a", by, "p", weights),
            Dense("p", "out", np.ones((1, int(np.prod(about.get("target", (2, 1, 3))))), np.int64)),
        ],
    )


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("by", "shape"), [("b", (2, 1, 1)), ("b", (2, 1, 3)), ("a", (2, 1, 1)), ("in", (2, 1, 1))])
def test_a_gate_sums_products_of_codes(engine: str, by: str, shape: tuple[int, int, int]) -> None:
    """w·a·b at every place, b of its own place or the only one of its channel, of either sign; a may be its own factor,
    and so may an input (GATE-1).
    """
    net = product(by=by, shape=shape)
    trace = recorded(net, draw(net, 6), engine=engine)
    a, b = (trace[name, "codes"].reshape(6, *net[name].shape) for name in ("a", by))
    assert trace["a->p", "sums"].tolist() == (np.array([2, -3])[:, None, None] * a * b).reshape(6, -1).tolist()
    assert by != "b" or (b.min() < 0 < b.max())


def test_the_factor_is_whole_before_the_source_comes() -> None:
    """The target starts K of the source after the factor ends; both wait until then, the factor for registers that hold
    it for K of both (GATE-3, TIME-1, TIME-3 to TIME-5).
    """
    net = gated()
    plan, other = net.schedule, oracle(net)
    # in 0..3, map and one from 4 on: 3 and 2 steps; slow behind one, whole at 6, and 3 steps of map.
    assert plan.start == {"in": 0, "map": 4, "one": 4, "all": 4, "slow": 9, "late": 14, "out": 20}
    assert plan.start == dict(zip(plan.start, naive.starts(other).values(), strict=True))
    assert (plan.delays["map", "slow"], plan.factor_delays["one", "map", "slow"]) == (2, 0)
    assert (plan.delays["in", "late"], plan.factor_delays["map", "in", "late"]) == (10, 3)
    assert [plan.factor_delays[g.by, g.source, g.target] for g in net.gates.values()] == [
        *naive.factor_delays(other).values()
    ]
    assert plan.receives["late"] == range(9, 14) and plan.receives["slow"] == range(6, 9)
    needs = pipelining(net, 2)
    assert (needs.interval, needs.fifo_depth["in->late"], needs.fifo_depth["in->late by map"]) == (6, 8, 3)
    assert needs.fifo_bits["in->late by map"] == 3 * 12


def test_registers_bound_the_interval() -> None:
    """With one buffer images are K of source and factor apart where that is most; a step less finds no free registers
    (TIME-3, TIME-7).
    """
    one = (1, 1, 1)
    a, b, p = FS("a", one, fs_relu(6)), FS("b", one, fs_relu(5)), FS("p", one, fs_relu(1))
    net = Network(
        [Input("in", one, 1, 1), a, b, p, Readout("out", one)],
        [scale("in", "a", [9]), scale("in", "b", [7]), Gate("a", "b", "p", [1]), scale("p", "out", [1])],
    )
    assert (net.schedule.interval_one_buffer, net.schedule.interval_two_buffers) == (11, 6)
    assert naive.initiation_intervals(oracle(net)) == (11, 6)
    images = draw(net, 4)
    assert run_pipelined(net, images, 1).intervals.tolist() == [11] * 3
    with refused(LimitError, "TIME-7", value="interval 10", says="finds no free registers of gate a->p"):
        run_pipelined(net, images, 1, interval=10)


def test_offsets_are_two_scales_and_a_constant() -> None:
    """A gate, a scale of each code and a bias are the product of both codes less an offset each (GATE-4)."""
    w, u, v = np.array([2, -3]), 6, -4
    net = product(w, shape=(2, 1, 3))
    bias = w * u * v
    net = Network(
        [*net.populations[:3], Readout("out", (2, 1, 3), bias)],
        [*net.projections[:2], Gate("a", "b", "out", w), scale("a", "out", -w * v), scale("b", "out", -w * u)],
    )
    trace = recorded(net, draw(net, 5))
    a, b = (trace[name, "codes"].reshape(5, 2, 1, 3) for name in "ab")
    assert np.array_equal(trace["out", "opening"].reshape(a.shape), w[:, None, None] * (a - u) * (b - v))


def test_partial_sums_are_bounded_with_a_whole_factor() -> None:
    """Of each end of the factor's codes the sums of the negative and of the positive terms of a's train, by hand; final
    of the four products of ends (RANGE-1, RANGE-2).
    """
    net = product((2, 0), a=SIGNED)
    a, b = (net.ranges[name].codes.tolist() for name in "ab")
    assert b[0] == [-3, 7]
    # Parts of a train of a are worth -3 .. 7: times 2 times -3 or 7.
    assert net.ranges["p"].any_order.tolist()[0] == [2 * -3 * 7, 20 + 2 * 7 * 7]
    assert net.ranges["p"].opening.tolist() == [
        [20 + 2 * min(x * y for x in a[0] for y in b[0]), 20 + 2 * max(x * y for x in a[0] for y in b[0])],
        [10, 10],
    ]
    assert prove(net).holds


def test_registers_are_counted_in_bits() -> None:
    """A register holds any part of the factor's train: -3 .. 7 takes 4 bits, one for each of its neurons and buffers
    (RANGE-6).
    """
    net = product()
    (gate,) = net.gates.values()
    assert factor_width(net, gate) == 4 and memories(net)["p"].registers == 2 * 4
    assert (register_bits(net, 1), register_bits(net, 2)) == (8, 16)
    (gate,) = product(by="in").gates.values()
    assert factor_width(product(by="in"), gate) == 3  # no sign


def test_every_delivery_is_a_scaling() -> None:
    """One scaling and one look at a register for each delivered spike of the source, also where the factor is 0; one
    update of a register for each spike of the factor; the spikes of a channel of weight 0 are not delivered (COUNT-2 to
    COUNT-5, OBS-3).
    """
    net = product((2, 0))
    trace = recorded(net, draw(net, 3))
    counts = count(trace)
    sent = np.bitwise_count(trace["a", "spikes"]).reshape(3, 2, 3)[:, 0].sum()
    assert counts.synops["a->p"].sum() == counts.scalings["a->p"].sum() == sent
    work = counts.work("p").total()
    factors = np.bitwise_count(trace["b", "spikes"]).sum()
    assert (work.gated, work.factors) == (sent, factors)
    assert work.membrane_reads == 2 * sent + factors + work.comparisons
    assert work.membrane_updates == sent + work.openings + work.resets
    assert work.membrane_writes == work.membrane_updates + factors
    assert energy(counts).fs["scalings"] == counts.total.scalings and energy(counts).ann["multiplications"] == sum(
        net.synapses.values()
    )
    assert net.synapses["a->p"] == 3


def test_files_of_gates_name_the_version_that_has_them(tmp_path: Path) -> None:
    """A gate is an entry of the manifest with both sources; the file names 1.4, and loads to the same network, whose id
    the naive oracle has from the page alone; files without a gate are as before (FILE-3, ID-1, ID-4).
    """
    net = gated()
    assert net.spec_version == "1.4" and tiny().spec_version == "1.2"
    net.save(tmp_path / "net.npz")
    with zipfile.ZipFile(tmp_path / "net.npz") as archive:
        manifest = json.loads(archive.read("manifest.json"))
    assert manifest["projections"][2] == {"by": "one", "kind": "gate", "source": "map", "target": "slow"}
    again = load(tmp_path / "net.npz")
    assert again.id == net.id == naive.identity(naive.load(to_bytes(net))) and to_bytes(again) == to_bytes(net)
    other = Network(
        net.populations,
        [Gate("map", "all", "slow", q.weights) if n == "map->slow#0" else q for n, q in net.named_projections.items()],
    )
    assert other.id != net.id  # the same sums, written otherwise
    old = (tmp_path / "net.npz").read_bytes().replace(b'"by":"one"', b'"by":"two"')
    (tmp_path / "bad.npz").write_bytes(old)
    with refused(FileError, "FILE-1"):  # its CRC is another
        load(tmp_path / "bad.npz")


def test_explain_tells_the_factor() -> None:
    """The contribution of a gate's synapse is weight times code times the code of the factor, beside it (GATE-1)."""
    net = product()
    x = draw(net, 1)
    trace = recorded(net, x)
    for neuron in range(6):
        found = explain(net, x[0], "p", neuron)
        for one in found.contributions:
            factor = int(trace["b", "codes"][0, neuron // 3])
            assert (one.neuron, one.factor) == (neuron, factor)
            assert one.contribution == one.weight * one.code * factor == found.sums["a->p"]
    assert "factor" in str(explain(net, x[0], "p", 0)) or not found.contributions


@pytest.mark.parametrize(
    ("change", "rule", "place", "value"),
    [
        ({"shape": (2, 1, 1), "target": (2, 3, 1)}, "GATE-1", "a->p", (2, 3, 1)),
        ({"weights": (1, 2, 3)}, "GATE-1", "a->p weights", 3),
        ({"weights": [[1], [2]]}, "GATE-1", "a->p weights", (2, 1)),
        ({"weights": (1, 2**31)}, "PROJ-7", "a->p weights", 2**31),
        ({"weights": (1.5, 2)}, "PROJ-7", "a->p weights", None),
        ({"by": "nobody"}, "NET-4", "a->p", "nobody"),
        ({"by": "p"}, "NET-4", "a->p", 3),
        ({"by": "out"}, "NET-4", "a->p", 4),
    ],
)
def test_gates_that_are_refused(change: dict[str, Any], rule: str, place: str, value: Any) -> None:
    """Shapes, weights and sources that do not meet are refused by rule, name and value (GATE-1, NET-4, PROJ-7)."""
    with refused(NetworkError, rule, place) as caught:
        product(**change)
    assert value is None or caught.value.value == value


def test_a_factor_of_another_shape_is_refused() -> None:
    """A factor is a map of the source's shape or one place a channel (GATE-1)."""
    net = product()
    for shape in ((2, 1, 2), (1, 1, 1), (2, 3, 1)):
        b = FS("b", shape, fs_relu(2))
        kernel = np.ones((shape[0], 2, 1, 4 - shape[2]), np.int64)
        padding = (0, 0, shape[1] - 1, 0)
        with refused(NetworkError, "GATE-1", "a->p by b", shape, says="(2, 1, 3) or (2, 1, 1)"):
            Network(
                [*net.populations[:2], b, *net.populations[3:]],
                [net.projections[0], Conv2d("in", "b", kernel, padding=padding), *net.projections[2:]],
            )


def test_products_beyond_63_bits_are_refused() -> None:
    """Three factors whose product may leave 63 bits are a network that does not load (RANGE-4)."""
    large = Table([1], [1], [2**31 - 1])
    with refused(RangeError, "RANGE-4", "p channel 0", says="membrane may leave 63 bits"):
        product((2, 0), a=large, b=large)
    assert product((0, 0), a=large, b=large).ranges["p"].opening.tolist() == [[20, 20], [10, 10]]


@pytest.mark.parametrize("engine", ENGINES)
def test_large_codes_without_a_weight_deliver_nothing(engine: str) -> None:
    """Codes near 2^31 times a weight of 0, or times a factor that is always 0, are 0 in every engine (RANGE-4)."""
    large, none = Table([1], [1], [2**31 - 1]), Table([10**9], [1], [2**31 - 1])
    for net in (product((0, 0), a=large, b=large), product((2**31 - 1, -(2**31)), a=large, b=none)):
        assert not recorded(net, draw(net, 2), engine=engine)["a->p", "sums"].any()


def test_what_has_no_gates_refuses_them_in_a_line(tmp_path: Path) -> None:
    """Rate coding, NIR, and a chip that does not name the kind (RATE-1, NIR-1, CHIP-2)."""
    net = product()
    with refused(NetworkError, "RATE-1", "a->p", "by b"):
        rate_coded(net)
    with refused(UsageError, "NIR-1", "a->p", "b"):
        nir.graph(product(shape=(2, 1, 3)))
    few = Limits(kinds=("input", "fs", "readout", "conv2d", "depthwise", "dense"))
    assert [(m.where, m.breaks, m.value) for m in misfits(net, few)] == [("a->p", "kinds", "gate")]
    assert not list(misfits(net, Limits(kinds=(*few.kinds, "gate"))))


@pytest.mark.parametrize("runtime", ["onnxruntime", "reference"])
def test_onnx_multiplies_the_codes(runtime: str) -> None:
    """The exported model gives the same logits and codes, a factor of one place broadcast; products of codes that may
    leave int32 are refused (FILE-5).
    """
    pytest.importorskip("onnxruntime" if runtime == "onnxruntime" else "onnx.reference")
    net = gated()
    x = draw(net, 8)
    model = onnx.model(net, ["slow", "late"])
    found = onnx.run(model, x.astype(np.uint8), ["logits", "codes/slow", "codes/late"], runtime)
    trace = recorded(net, x)
    assert np.array_equal(found["logits"], run(net, x).logits)
    for name in ("slow", "late"):
        assert np.array_equal(found[f"codes/{name}"].reshape(8, -1), trace[name, "codes"])
    large = Table([1], [1], [2**20])
    with refused(RangeError, "FILE-5", "a->p channel 0", says="a product of codes may leave int32"):
        onnx.model(product((0, 0), a=large, b=large))


def test_records_of_gates_are_whole() -> None:
    """Sums, opening, spikes, membranes and codes of every population are the naive oracle's, whole and step by step in
    a pipeline (OBS-1, TIME-7).
    """
    net, other = gated(), oracle(gated())
    x = draw(net, 5)
    seen = [naive.simulate(other, image) for image in x.reshape(5, -1).tolist()]
    for trace in (recorded(net, x), run_pipelined(net, x, 1, record=EVERYTHING).result.trace):
        for n, p in enumerate(net.populations):
            for b, observed in enumerate(seen):
                assert n not in observed.codes or trace[p.name, "codes"][b].tolist() == observed.codes[n]
        for j, name in enumerate(net.named_projections):
            assert trace[name, "sums"].tolist() == [observed.sums[j] for observed in seen]


@pytest.mark.parametrize("trap", PLANTED)
def test_mistakes_of_gates_are_named(trap: str) -> None:
    """A device whose gate ignores its factor, adds it, takes that of another place or channel, or multiplies before it
    is whole, is told so (OBS-4).
    """
    images = draw(gated(), 12, seed=3)
    name, theirs = answers(trap, images)
    found = hints(scene(name, images, gated(), **theirs))
    assert [hint.name for hint in found][:1] == [trap.partition(":")[0]]
