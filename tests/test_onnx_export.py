"""An exported ONNX model gives the integers of the oracle, in onnx's own evaluator and in ONNX Runtime; what int32 does
not hold is refused by name.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

import fsref
import oracle
from fsref import FS, Conv2d, Dense, Input, MaxPool, Network, Readout, Table, fs_relu, scale, shortcut, sum_pool
from fsref.errors import FileError, InputError, RangeError, UsageError
from fsref.law.projections import Gate
from fsref.verification.strategies import Case, cases
from handmade import chain, draw, residual, tiny, unordered
from repeatable import LONG, drawn

onnx = pytest.importorskip("onnx", reason="onnx is not installed")
from onnx import helper, numpy_helper  # noqa: E402 - after the line that skips

from fsref.formats import onnx as exporter  # noqa: E402
from fsref.formats import onnx_planes  # noqa: E402

COUNT = 4_000 if LONG else 400
RUNTIMES = ("reference", "onnxruntime")
INT32 = 2**31 - 2


def saturates() -> bool:
    """Whether this machine's ONNX Runtime gets a product of bytes wrong whose exact answer is known: 96 pairs of 255
    and the largest weight.
    """
    for operator, weights, shape in (
        ("ConvInteger", (3, 96, 1, 1), (1, 96, 2, 2)),
        ("MatMulInteger", (96, 3), (2, 96)),
    ):
        constants = {"w": np.full(weights, 255, np.uint8), "xz": np.array(0, np.uint8), "wz": np.array(128, np.uint8)}
        graph = helper.make_graph(
            [helper.make_node(operator, ["x", "w", "xz", "wz"], ["y"])],
            "probe",
            [helper.make_tensor_value_info("x", onnx.TensorProto.UINT8, shape)],
            [helper.make_tensor_value_info("y", onnx.TensorProto.INT32, None)],
            [numpy_helper.from_array(values, name) for name, values in constants.items()],
        )
        probe = helper.make_model(graph, ir_version=7, opset_imports=[helper.make_opsetid("", 13)])
        if (exporter.run(probe, np.full(shape, 255), ["y"], "onnxruntime")["y"] != 96 * 255 * 127).any():
            return True
    return False


@pytest.fixture(params=RUNTIMES)
def runtime(request: pytest.FixtureRequest) -> str:
    """Each runtime that is there and can be compared with."""
    name = str(request.param)
    if name == "onnxruntime":
        pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
        if saturates():
            pytest.skip("not comparable here: this ONNX Runtime saturates products of bytes")
    return name


def difference(case: Case, model: Any, runtime: str) -> str | None:
    """The first output in which a model with the codes of all populations differs from the oracle, None when there is
    none.
    """
    names = list(case.net.code_weights)
    outputs = [*(f"codes/{name}" for name in names), "logits"]
    found = exporter.run(model, case.images, outputs, runtime)
    for image, observed in enumerate(oracle.observe(case)):
        expected = {f"codes/{name}": observed.codes[index] for index, name in enumerate(names)} | {
            "logits": observed.logits
        }
        for name in outputs:
            if found[name].dtype != np.int32 or found[name][image].ravel().tolist() != expected[name]:
                return f"image {image} {name}"
    return None


def exported(net: Network) -> Any:
    """The model with the codes of every population."""
    return exporter.model(net, list(net.code_weights))


def operators(model: Any) -> Counter[str]:
    """How often each operator is in a model."""
    return Counter(node.op_type for node in model.graph.node)


def beyond_int32(net: Network) -> bool:
    """Whether the proofs of a network give int32 a reason not to suffice: an interval beyond it, codes whose parts
    leave it, or products of codes of a gate that do.
    """
    intervals = [net.ranges[p.name].any_order for p in net.populations if isinstance(p, (FS, Readout))]
    parts = {
        name: np.stack([np.minimum(d, 0).sum(1), np.maximum(d, 0).sum(1)], axis=1)
        for name, d in net.code_weights.items()
    }
    intervals += parts.values()
    gates = [q for q in net.projections if isinstance(q, Gate)]
    intervals += [parts[q.source].astype(object)[:, :, None] * parts[q.by].astype(object)[:, None] for q in gates]
    return any(int(ends.min()) < -(2**31) or int(ends.max()) > INT32 for ends in intervals)


def test_drawn_networks_give_the_same_integers(runtime: str) -> None:
    """Logits and codes of every population are the oracle's on 200 or more drawn networks, every operator and constant
    used; few are refused, beyond int32.
    """
    count: Counter[str] = Counter()

    @settings(drawn, max_examples=COUNT)
    @given(cases())
    def agree(case: Case) -> None:
        try:
            model = exported(case.net)
        except RangeError as error:
            assert error.rule == "FILE-5" and " channel " in error.place and "int32" in error.problem
            assert beyond_int32(case.net) or "byte planes" in error.problem
            count["refused"] += 1
            return
        assert {tensor.name for tensor in model.graph.initializer} <= {
            name for node in model.graph.node for name in node.input
        }
        assert difference(case, model, runtime) is None
        count["networks"] += 1
        count.update(operators(model).keys())

    agree()
    assert count["networks"] >= 200 and count["refused"] < count["networks"]
    used = (
        "Add Cast Clip ConvInteger Div Flatten GreaterOrEqual Identity MatMul "
        "MatMulInteger MaxPool Mod Mul Pad ReduceSum Reshape Sub Where"
    ).split()
    assert {name: count[name] for name in used if count[name] < 15} == {}
    print(f"\n{runtime}: {count['networks']} networks equal, {count['refused']} refused")


def weights(*shape: int, low: int = -128, high: int = 127) -> Any:
    """Random weights with both ends among them."""
    values = np.random.default_rng([*shape, high]).integers(low, high + 1, shape)
    values.flat[0], values.flat[-1] = low, high
    return values


def logits(last: FS) -> Dense:
    """Three logits over a population."""
    return Dense(last.name, "out", weights(3, last.neurons, low=-9, high=9))


def through(
    projection: Any,
    shape: tuple[int, int, int],
    given: Input | None = None,
    table: Table | None = None,
    bias: Any = None,
) -> Network:
    """One projection from an input of bytes, (4, 6, 5), into FS-ReLU neurons."""
    fs = FS("fs", shape, table or fs_relu(8, 40), bias)
    return chain(fs, projection, logits(fs), given=given or BYTES, readout=THREE)


BYTES, WORDS, THREE = Input("in", (4, 6, 5)), Input("in", (4, 6, 5), 16, 65535), Readout("out", (3, 1, 1))
STEEP = Table(T=[90, -40, 20], h=[60, -70, 30], d=[-100, 70, 3])  # codes -97..73
WIDE = Table(T=[900, 20, -300], h=[600, -70, 30], d=[-1000, 700, 3])  # codes of more than 8 bits, of both signs
# Codes that no float32 holds, fit for a max-pool.
HUGE = Table(T=[900, 20, -300], h=[600, -70, 30], d=[2**24 + 1, 2**23 + 5, 2**22 + 3])


def one(name: str, given: Input, shape: tuple[int, int, int], table: Table) -> tuple[FS, Conv2d]:
    """An FS population of one neuron per neuron of the input."""
    return FS(name, shape, table, weights(*shape, low=-300, high=900)), Conv2d(
        "in", name, weights(shape[0], given.shape[0], 1, 1, low=-3, high=3)
    )


def pooled(
    table: Table,
    kernel: tuple[int, int],
    stride: tuple[int, int],
    padding: tuple[int, int, int, int],
    shape: tuple[int, int, int],
) -> Network:
    """A max-pool of 3 rows x 4 columns of 4 x 6 x 5 neurons, then a convolution of its codes."""
    fs, into = one("fs", BYTES, (4, 6, 5), table)
    pool = MaxPool("pool", shape, "fs", kernel, stride, padding)
    behind = Conv2d("pool", "next", weights(2, 4, 2, 2, low=-2, high=2), padding=(1, 1, 0, 0))
    last = FS("next", (2, *shape[1:]), fs_relu(6, 11))
    return chain(fs, into, pool, last, behind, logits(last), given=BYTES, readout=THREE)


def coded(table: Table, *, groups: int = 1) -> Network:
    """Codes of a table, read by a padded convolution, by a dense and by a pooled dense projection."""
    fs, into = one("fs", BYTES, (4, 6, 5), table)
    next_ = FS("next", (2, 6, 5), fs_relu(8, 900), [30, -5])
    readers = [Conv2d("fs", "next", weights(2, 4 // groups, 3, 3), padding=(1, 1, 1, 1), groups=groups)]
    out = [
        Dense("next", "out", weights(3, 60)),
        Dense("fs", "out", weights(3, 120)),
        Dense("fs", "out", weights(3, 4), pooled=True),
    ]
    return Network([BYTES, fs, next_, Readout("out", (3, 1, 1), [1, 2, -3])], [into, *readers, *out])


FORMS: dict[str, tuple[Callable[[], Network], str]] = {
    "plain": (lambda: through(Conv2d("in", "fs", weights(3, 4, 3, 3)), (3, 4, 3)), "ConvInteger"),
    "stride": (lambda: through(Conv2d("in", "fs", weights(3, 4, 3, 2), stride=(2, 3)), (3, 2, 2)), "ConvInteger"),
    "asymmetric padding": (
        lambda: through(Conv2d("in", "fs", weights(3, 4, 3, 3), padding=(2, 0, 1, 3)), (3, 7, 6)),
        "ConvInteger",
    ),
    "padding no window reaches": (
        lambda: through(Conv2d("in", "fs", weights(3, 4, 2, 2), (3, 3), (0, 1, 3, 3)), (3, 3, 3)),
        "ConvInteger",
    ),
    "dilation": (
        lambda: through(Conv2d("in", "fs", weights(3, 4, 2, 3), padding=(0, 1, 1, 0), dilation=(3, 2)), (3, 4, 2)),
        "ConvInteger",
    ),
    "groups": (
        lambda: through(Conv2d("in", "fs", weights(6, 2, 3, 3), padding=(1, 1, 1, 1), groups=2), (6, 6, 5)),
        "ConvInteger",
    ),
    "depthwise": (
        lambda: through(Conv2d("in", "fs", weights(8, 1, 3, 3), padding=(1, 0, 1, 2), groups=4), (8, 6, 5)),
        "ConvInteger",
    ),
    "scale": (lambda: through(scale("in", "fs", [70_000, -3, 0, 5]), (4, 6, 5)), "Mul"),
    "shortcut": (lambda: through(shortcut("in", "fs", [30_000, -32_768, 7, 255], 8), (8, 3, 3)), "ConvInteger Mul"),
    "sum_pool": (lambda: through(sum_pool("in", "fs", 4, (2, 2)), (4, 3, 2)), "ConvInteger"),
    "dense": (lambda: through(Dense("in", "fs", weights(5, 120)), (5, 1, 1)), "Flatten MatMulInteger"),
    "pooled dense": (lambda: through(Dense("in", "fs", weights(5, 4), pooled=True), (5, 1, 1)), "ReduceSum MatMul"),
    "dense, wide weights": (
        lambda: through(Dense("in", "fs", weights(5, 120, low=-30_000, high=30_000)), (5, 1, 1)),
        "Flatten MatMul",
    ),
    "unsigned weights": (
        lambda: through(Conv2d("in", "fs", weights(3, 4, 3, 3, low=0, high=255)), (3, 4, 3)),
        "ConvInteger",
    ),
    "weights of a byte with an odd zero point": (
        lambda: through(Conv2d("in", "fs", weights(3, 4, 3, 3, low=-200, high=55)), (3, 4, 3)),
        "ConvInteger",
    ),
    "weights of 16 bits": (
        lambda: through(Conv2d("in", "fs", weights(3, 4, 3, 3, low=-(2**15), high=2**15 - 1)), (3, 4, 3)),
        "ConvInteger Mul Add",
    ),
    "weights of 24 bits": (
        lambda: through(Conv2d("in", "fs", weights(3, 4, 1, 1, low=-(2**20), high=2**20)), (3, 6, 5)),
        "ConvInteger Mul Add",
    ),
    "input of 16 bits": (
        lambda: through(Conv2d("in", "fs", weights(3, 4, 2, 2), padding=(1, 1, 0, 0)), (3, 6, 5), WORDS),
        "ConvInteger Mod Div Cast Mul Add",
    ),
    "16 bits by 12 bits": (
        lambda: through(Conv2d("in", "fs", weights(3, 4, 1, 1, low=-2000, high=2000)), (3, 6, 5), WORDS),
        "ConvInteger Mod Mul Add",
    ),
    "dense of an input of 16 bits": (lambda: through(Dense("in", "fs", weights(5, 120)), (5, 1, 1), WORDS), "MatMul"),
    "scale of an input of 16 bits": (lambda: through(scale("in", "fs", [7, -3, 0, 5]), (4, 6, 5), WORDS), "Mul"),
    "theta per channel": (
        lambda: through(Conv2d("in", "fs", weights(3, 4, 1, 1)), (3, 6, 5), table=fs_relu(5, [1, 77, 900])),
        "Div Clip",
    ),
    "theta 1": (lambda: through(Conv2d("in", "fs", weights(3, 4, 1, 1)), (3, 6, 5), table=fs_relu(12, 1)), "Clip"),
    "theta beyond int32": (
        lambda: through(Conv2d("in", "fs", weights(2, 4, 1, 1)), (2, 6, 5), table=fs_relu(8, [2**40, 30])),
        "Div Clip",
    ),
    "16 steps": (lambda: coded(fs_relu(16, 1)), "ConvInteger Mod"),
    "bias per channel": (lambda: through(scale("in", "fs", [1, 2, 3, 4]), (4, 6, 5), bias=[-500, 0, 500, 90]), "Add"),
    "bias map": (
        lambda: through(scale("in", "fs", [1, 2, 3, 4]), (4, 6, 5), bias=weights(4, 6, 5, low=-999, high=999)),
        "Add",
    ),
    "signed codes": (lambda: coded(STEEP), "GreaterOrEqual Where Sub ConvInteger"),
    "signed codes, depthwise": (lambda: coded(STEEP, groups=2), "GreaterOrEqual Where Sub ConvInteger"),
    "wide signed codes": (lambda: coded(WIDE), "GreaterOrEqual Where Sub Mod ConvInteger MatMul"),
    "a threshold beyond int32": (
        lambda: coded(Table(T=[2**50, 30, -(2**50)], h=[2**49, 20, 3], d=[9, 5, -2])),
        "GreaterOrEqual",
    ),
    "codes all 0": (lambda: coded(Table(T=[5, 3], h=[2, 1], d=[0, 0])), "Where"),
    "max-pool": (lambda: pooled(fs_relu(8, 3), (2, 2), (2, 2), (0, 0, 0, 0), (4, 3, 2)), "MaxPool"),
    "max-pool, stride 1, asymmetric": (
        lambda: pooled(fs_relu(8, 3), (3, 2), (1, 1), (2, 0, 0, 1), (4, 6, 5)),
        "Pad MaxPool",
    ),
    "max-pool, stride 2, asymmetric": (
        lambda: pooled(fs_relu(8, 3), (3, 3), (2, 1), (1, 0, 0, 2), (4, 3, 5)),
        "Pad MaxPool",
    ),
    "max-pool, padding no window reaches": (
        lambda: pooled(fs_relu(8, 3), (2, 2), (3, 3), (1, 0, 2, 2), (4, 3, 2)),
        "Pad MaxPool",
    ),
    "max-pool of 12 bits": (
        lambda: pooled(fs_relu(12, 1), (3, 2), (2, 1), (1, 1, 0, 0), (4, 3, 5)),
        "Pad MaxPool Cast",
    ),
    "max-pool of codes no float holds": (
        lambda: pooled(HUGE, (2, 2), (2, 1), (0, 1, 0, 0), (4, 3, 5)),
        "Pad MaxPool Cast",
    ),
    "max-pool of the input": (unordered, "MaxPool"),
    "merge, skip, groups, dilation, per-channel tables": (
        residual,
        "ConvInteger Mul Add GreaterOrEqual MaxPool ReduceSum",
    ),
    "smallest": (tiny, "MatMulInteger Div Clip"),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form(form: str, runtime: str) -> None:
    """Each form of the law, by itself, is the operators it should be and gives the oracle's codes and logits."""
    make, expected = FORMS[form]
    net = make()
    model = exported(net)
    assert set(expected.split()) <= set(operators(model))
    images = np.concatenate(
        [draw(net, 3), np.zeros((1, *net.input.shape), np.int64), np.full((1, *net.input.shape), net.input.max_code)]
    )
    assert difference(Case(net, images), model, runtime) is None


BROKEN: dict[str, tuple[str, str, Callable[[Any], object]]] = {
    "codes not clipped above": ("plain", "Clip", lambda node: node.input.pop()),
    "codes not clipped below": ("plain", "Clip", lambda node: node.input.__setitem__(1, "")),
    "> instead of >=": (
        "merge, skip, groups, dilation, per-channel tables",
        "GreaterOrEqual",
        lambda node: setattr(node, "op_type", "Greater"),
    ),
    "a plane added 256 to": ("weights of 16 bits", "Mul", lambda node: setattr(node, "op_type", "Add")),
    "a max-pool over a mirror": (
        "max-pool, stride 1, asymmetric",
        "Pad",
        lambda node: node.attribute.append(helper.make_attribute("mode", "reflect")),
    ),
    "a bias taken away": ("bias map", "Add", lambda node: setattr(node, "op_type", "Sub")),
    "low bytes of either sign": (
        "wide signed codes",
        "Mod",
        lambda node: node.attribute.append(helper.make_attribute("fmod", 1)),
    ),
    "codes without their zero point": ("signed codes", "ConvInteger", lambda node: node.input.__setitem__(2, "")),
    "weights without their zero point": ("dense", "MatMulInteger", lambda node: node.input.pop()),
}


@pytest.mark.parametrize("how", BROKEN)
def test_a_wrong_model_is_seen(how: str) -> None:
    """The comparison above can fail: a model with one operator changed differs from the oracle."""
    form, operator, change = BROKEN[how]
    net = FORMS[form][0]()
    model = exported(net)
    case = Case(net, np.concatenate([draw(net, 3), np.full((1, *net.input.shape), net.input.max_code)]))
    assert difference(case, model, "reference") is None
    for node in model.graph.node:
        if node.op_type == operator:
            change(node)
    assert difference(case, model, "reference") is not None


def readout(weights: Any, bias: int = 0, conv: bool = False, beside: int = 0) -> Network:
    """One logit over 16-bit codes, by a convolution when told; `beside` is the weight of a second, dense projection."""
    matrix = np.array([weights])
    into: list[Any] = [Conv2d("in", "out", matrix[:, :, None, None]) if conv else Dense("in", "out", matrix)]
    into += [Dense("in", "out", np.full_like(matrix, beside))] if beside else []
    return Network([Input("in", (len(weights), 1, 1), 16, 65535), Readout("out", (1, 1, 1), [bias])], into)


def high_codes(pairs: int) -> Network:
    """One logit over codes 256 or 511, weights 51,200 and -51,200: the low ends of the codes cancel in the sum, not in
    its parts.
    """
    table = Table(T=[-(10**6), 5], h=[0, 0], d=[256, 255])
    factors = np.tile([51_200, -51_200], pairs)
    shape = (2 * pairs, 1, 1)
    into = [scale("in", "fs", np.ones(2 * pairs, np.int64)), Conv2d("fs", "out", factors.reshape(1, -1, 1, 1))]
    return Network([Input("in", shape), FS("fs", shape, table), Readout("out", (1, 1, 1))], into)


def test_what_int32_does_not_hold_is_refused() -> None:
    """The last membrane int32 holds is exported and right; the next, or a partial sum on the way, is refused with
    place, value and limit (FILE-5).
    """
    fits = readout([32_767, 1], INT32 - 32_768 * 65_535)
    assert exporter.run(exporter.model(fits), [[[[65_535]], [[65_535]]]], runtime="reference")["logits"].tolist() == [
        [INT32]
    ]
    refused = {
        readout([32_767, 1], INT32 + 1 - 32_768 * 65_535): ("out channel 0", "partial sum", INT32 + 1),
        readout([-32_767, -1], -(2**31) - 1 + 32_768 * 65_535): ("out channel 0", "partial sum", -(2**31) - 1),
        readout([30_000, 30_000, -30_000]): ("out channel 0", "partial sum", 60_000 * 65_535),
        # weight 200 is -56 + 256: part of a sum of planes may leave what the sum does not
        readout([200] * 160 + [-100], conv=True): ("out channel 0", "byte planes", 160 * 256 * 65_535),
        readout([200] * 100 + [-100], 6 * 10**8, conv=True): (
            "out channel 0",
            "byte planes",
            100 * 256 * 65_535 + 6 * 10**8,
        ),
        readout([200] * 100 + [-100], conv=True, beside=90): (
            "out channel 0",
            "byte planes",
            (100 * 256 + 101 * 90) * 65_535,
        ),
        high_codes(78): ("out channel 0", "byte planes", -78 * (56 + 256) * 256 * 511),
        Network(
            [Input("in", (1, 256, 256), 16, 65_535), Readout("out", (1, 1, 1))],
            [Dense("in", "out", [[0]], pooled=True)],
        ): (
            "in->out source channel 0",
            "all places",
            2**16 * 65_535,
        ),
        through(Conv2d("in", "fs", weights(1, 4, 1, 1)), (1, 6, 5), table=Table([3, 2], [1, 1], [2**30, 2**30])): (
            "fs channel 0",
            "code weights",
            2**31,
        ),
        through(Conv2d("in", "fs", weights(1, 4, 1, 1)), (1, 6, 5), table=Table([3, 2], [2**31, 1], [1, 1])): (
            "fs channel 0",
            "reset h",
            2**31,
        ),
    }
    for net, (place, problem, value) in refused.items():
        with pytest.raises(RangeError, match=r"\[FILE-5\]") as caught:
            exporter.model(net)
        assert caught.value.place == place and problem in caught.value.problem
        assert caught.value.value == value
        assert caught.value.limit == "-2147483648..2147483646"


def test_planes_are_the_integers() -> None:
    """Planes of weights and of codes are bytes, hold every integer of their interval, and add up to it."""
    ends = [
        (0, 255),
        (-128, 127),
        (-1, 254),
        (-200, 55),
        (0, 256),
        (-129, 127),
        (-255, 0),
        (-256, 0),
        (300, 400),
        (-(2**31), 2**31 - 1),
        (2**31 - 9, 2**31 - 1),
    ]
    for low, high in ends:
        values = np.unique(np.concatenate([np.linspace(low, high, 999).astype(np.int64), [low, high]]))
        planes = onnx_planes.weight_planes(values)
        total = sum((plane.values << 8 * i for i, plane in enumerate(planes)), np.zeros_like(values))
        assert total.tolist() == values.tolist()
        for plane in planes:
            assert 0 <= (plane.values + plane.zero).min() and (plane.values + plane.zero).max() <= 255
        interval = np.array([[low, high]])
        rest = values
        for plane in onnx_planes.code_planes(interval)[:-1]:
            assert (plane.zero, plane.values.tolist()) == (0, [[0, 255]])
            rest = (rest - rest % 256) // 256
        last = onnx_planes.code_planes(interval)[-1]
        assert 0 <= (rest + last.zero).min() and (rest + last.zero).max() <= 255
        assert last.values.tolist() == [[rest.min(), rest.max()]]


def test_the_file(tmp_path: Path) -> None:
    """A saved model has the types and names promised, tells which network it is, and comes in the same bytes each time,
    complete or not at all (FILE-5).
    """
    net = residual()
    net = Network(net.populations, net.projections, "night", 0.125, ["a", "b", "c"])
    exporter.save(net, tmp_path / "a.onnx")
    exporter.save(net, str(tmp_path / "b.onnx"))
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.onnx", "b.onnx"]
    model = onnx.load(tmp_path / "a.onnx")
    onnx.checker.check_model(model, full_check=True)
    assert {p.key.removeprefix("fsref."): p.value for p in model.metadata_props} == {
        "id": net.id,
        "spec_version": net.spec_version,
        "name": "night",
        "logit_scale": "0.125",
        "max_code": "30",
        "classes": json.dumps(["a", "b", "c"]),
    }
    ends = [
        (v.name, v.type.tensor_type.elem_type, [d.dim_param or d.dim_value for d in v.type.tensor_type.shape.dim])
        for v in model.graph.input
    ]
    assert ends == [("images", onnx.TensorProto.UINT8, ["N", 2, 7, 6])]
    exporter.save(net, tmp_path / "a.onnx", codes=["pool", "in", "pool"])
    model = onnx.load(tmp_path / "a.onnx")
    ends = [
        (v.name, v.type.tensor_type.elem_type, [d.dim_param or d.dim_value for d in v.type.tensor_type.shape.dim])
        for v in model.graph.output
    ]
    kind = onnx.TensorProto.INT32
    assert ends == [
        ("logits", kind, ["N", 3]),
        ("codes/pool", kind, ["N", 4, 4, 3]),
        ("codes/in", kind, ["N", 2, 7, 6]),
    ]
    words = exporter.model(through(scale("in", "fs", [1, 1, 1, 1]), (4, 6, 5), WORDS))
    assert words.graph.input[0].type.tensor_type.elem_type == kind
    with pytest.raises(UsageError, match=r"there is no such folder.*\[RUN-5\]"):
        exporter.save(net, tmp_path / "missing" / "a.onnx")


def test_names_never_meet() -> None:
    """Populations may have the names of tensors: inputs, outputs, constants, nodes."""
    names = ["images", "codes", "constant", "Add.3", "0"]
    parts: list[Any] = [FS(name, (2, 2, 2), fs_relu(3, 2), [1, -1]) for name in names]
    into = [Conv2d(a, b, [[[[1]], [[-1]]], [[[2]], [[1]]]]) for a, b in zip(["out", *names], names, strict=False)]
    net = Network(
        [Input("out", (2, 2, 2), 3, 7), *parts, Readout("logits", (1, 1, 1))],
        [*into, Dense("0", "logits", [[1, 2]], pooled=True)],
    )
    assert difference(Case(net, draw(net, 2)), exported(net), "reference") is None


def test_running_a_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Images that do not fit, files that are no models and names that are not there are refused; without packages, it
    is said what to install.
    """
    net = tiny()
    exporter.save(net, tmp_path / "m.onnx")
    images = draw(net, 5)
    expected = fsref.run(net, images).logits
    assert np.array_equal(exporter.run(tmp_path / "m.onnx", images)["logits"], expected)
    for bad, what in (
        (images + 256, "uint8"),
        (images - 20, "uint8"),
        (images[:, :, :1], "shape"),
        (images[0], "shape"),
    ):
        with pytest.raises(InputError, match=what):
            exporter.run(tmp_path / "m.onnx", bad)
    (tmp_path / "x.onnx").write_bytes(b"no model")
    for path in ("x.onnx", "missing.onnx"):
        with pytest.raises(FileError, match=r"cannot be read.*\[FILE-5\]"):
            exporter.run(tmp_path / path, images)
    with pytest.raises(UsageError, match="onnxruntime or reference"):
        exporter.run(tmp_path / "m.onnx", images, runtime="other")
    for codes in (["out"], ["nothing"]):
        with pytest.raises(UsageError, match=r"in, hid.*\[FILE-5\]"):
            exporter.save(net, tmp_path / "m.onnx", codes)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert np.array_equal(exporter.run(tmp_path / "m.onnx", images)["logits"], expected)
    with pytest.raises(UsageError, match=r"pip install .fsref\[onnx\]"):
        exporter.run(tmp_path / "m.onnx", images, runtime="onnxruntime")
    monkeypatch.setitem(sys.modules, "onnx", None)
    for call in (lambda: exporter.save(net, tmp_path / "m.onnx"), lambda: exporter.run(tmp_path / "m.onnx", images)):
        with pytest.raises(UsageError, match=r"pip install .fsref\[onnx\]"):
            call()


def test_digits(runtime: str) -> None:
    """The bundled network gives the same logits as its engine on real images and on 300 drawn ones."""
    net = fsref.load("digits")
    images = np.concatenate([fsref.load_images("digits", net).x[:100], draw(net, 300)])
    found = exporter.run(exporter.model(net), images, runtime=runtime)["logits"]
    assert np.array_equal(found, fsref.run(net, images).logits)


def test_a_threshold_above_every_membrane() -> None:
    """A theta of 2^31 - 1 or more is above every membrane that FILE-5 allows: the code is 0, however near it comes."""
    for theta in (2**31 - 1, 2**31, 2**40):
        fs = FS("fs", (1, 1, 1), fs_relu(1, theta), [INT32 - 1])
        into = [Dense("in", "fs", [[1]]), Dense("fs", "out", [[1]])]
        net = Network([Input("in", (1, 1, 1), 1, 1), fs, Readout("out", (1, 1, 1))], into)
        assert exporter.run(exporter.model(net), [[[[1]]]], runtime="reference")["logits"].tolist() == [[0]]
