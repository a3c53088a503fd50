"""The same integers as an ONNX model: what an FS network computes, in standard operators of opset 13 that runtimes and
compilers know (FILE-5).

The input `images` (N, C, H, W) is uint8, or int32 when max_code is above 255; the output `logits` (N, classes) is
int32; N is free. With codes=["conv1"] the model has an output `codes/conv1` (N, C, H, W), int32, too. Everything in
between is int32 or bytes:

| fsref | ONNX |
|---|---|
| codes, weights | uint8 with a zero point; beyond 8 bits byte planes: of codes by Mod and Div, of weights when saved |
| conv2d | ConvInteger per pair of planes, times 2^(8p) (Mul), summed (Add) |
| one factor per channel (PROJ-8) | Mul of the int32 codes |
| dense | MatMulInteger of bytes, MatMul of int32 beyond; pooled: ReduceSum, MatMul of int32 |
| gate | Mul of the int32 codes, Mul by the weights |
| merge, bias | Add |
| FS-ReLU | Div by theta, Clip to 0..2^K - 1: floor and truncation differ below 0 alone, where the code is 0 |
| any other table | K times: GreaterOrEqual T, Where d, Add, Where h, Sub: the law itself (FS-2 to FS-4) |
| max_pool | Pad with 0, which never wins, and MaxPool, of bytes; else of float (to 2^24) or double, exact |
| view | Pad with a row and a column of 0, which -1 reads, and Gather of rows, then of columns |
| readout | Flatten; of a network that is no classifier Identity, an output `NAME` (N, C, H, W) for each |

Weights are uint8 because kernels for uint8 times int8 add two products in 16 bits on x86 without VNNI, and saturate;
those for uint8 times uint8 do not. onnx and onnxruntime are imported when a function here is called, not before.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any, assert_never

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fsref.errors import FileError, InputError, UsageError
from fsref.formats.files import write
from fsref.formats.onnx_planes import (
    Split,
    check_int32,
    check_sums,
    code_planes,
    firing_rows,
    fitted,
    split_of,
    weight_planes,
)
from fsref.law.arrays import as_array
from fsref.law.network import Network
from fsref.law.neuron import Ints, relu_theta
from fsref.law.populations import FS, Input, MaxPool, Readout, View
from fsref.law.projections import Conv2d, Dense, Gate

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, TensorProto

OPSET, IR = 13, 7
INPUT = "images"
INSTALL = 'pip install "fsref[onnx]"'
MAX_BYTES = 2**31 - 2**24  # protobuf takes 2^31 - 1, nodes and names included


def save(net: Network, path: str | PathLike[str], codes: Sequence[str] = (), replace: bool = True) -> None:
    """Write a network as an ONNX model, complete or not at all, the same bytes for the same network (FILE-5).

    `codes` names populations whose codes become outputs too; without `replace` a file that is there stays (RUN-5).
    Errors: RangeError where int32 does not suffice,
    UsageError, FileError.
    """
    write(model(net, codes).SerializeToString(deterministic=True), path, "FILE-5", replace)


def model(net: Network, codes: Sequence[str] = ()) -> ModelProto:
    """A network as a checked ONNX model (FILE-5). Errors: RangeError where int32 does not suffice, UsageError."""
    onnx = package()
    codes = [codes] if isinstance(codes, str) else codes
    for name in codes:
        if name not in net.code_weights:
            limit = ", ".join(net.code_weights)
            raise UsageError("FILE-5", str(name), "no population of this name sends codes", limit=limit)
    if not net.is_classifier and INPUT in (p.name for p in net.readouts):
        raise UsageError(
            "FILE-5", INPUT, "is the name of the input, no output may have it", limit="another readout name"
        )
    graph = _Graph(net)
    made = graph.whole(list(dict.fromkeys(codes)))
    size = sum(len(data) for _, _, data in graph.constants)
    if size > MAX_BYTES:
        limit = f"at most {MAX_BYTES} bytes of constants"
        raise UsageError("FILE-5", net.name or "network", "too large for one ONNX file", size, limit)
    known = {
        "id": net.id,
        "spec_version": net.spec_version,
        "name": net.name,
        "logit_scale": repr(float(net.logit_scale)),
        "max_code": str(net.input.max_code),
    }
    if not net.is_classifier:
        known["output_scales"] = json.dumps(net.output_scales, ensure_ascii=False)
    if net.classes:
        known["classes"] = json.dumps(list(net.classes), ensure_ascii=False)
    found: ModelProto = onnx.helper.make_model(
        made, producer_name="fsref", ir_version=IR, opset_imports=[onnx.helper.make_opsetid("", OPSET)]
    )
    onnx.helper.set_model_props(found, {f"fsref.{key}": value for key, value in known.items()})
    onnx.checker.check_model(found, full_check=True)
    return found


def run(
    source: ModelProto | str | PathLike[str],
    images: ArrayLike,
    outputs: Sequence[str] = ("logits",),
    runtime: str | None = None,
    threads: int = 1,
) -> dict[str, NDArray[Any]]:
    """The outputs of an ONNX model for images (B, C, H, W), by name, by `runtime`: "onnxruntime" or "reference" (onnx's
    own, slow); None: what is installed.

    Errors: InputError for images that are not of the input's shape or type, FileError, UsageError.
    """
    onnx = package()
    if runtime not in (None, "onnxruntime", "reference"):
        raise UsageError("FILE-5", "runtime", "unknown", runtime, "onnxruntime or reference")
    try:
        loaded: ModelProto = onnx.load(source) if isinstance(source, (str, PathLike)) else source
    except Exception as error:  # the operating system's, or one of several of protobuf's
        raise FileError("FILE-5", str(source), "cannot be read", str(error)) from None
    entry, given = loaded.graph.input[0], as_array(images, "RUN-1", "images", "wanted images (B, C, H, W)")
    sizes = [dim.dim_value or None for dim in entry.type.tensor_type.shape.dim]
    if len(sizes) != given.ndim or any(want not in (None, size) for want, size in zip(sizes, given.shape, strict=True)):
        raise InputError("RUN-1", entry.name, "shape of the images is not the model's", given.shape, str(sizes))
    kind = onnx.helper.tensor_dtype_to_np_dtype(entry.type.tensor_type.elem_type)
    taken = given.astype(kind)
    if not np.array_equal(taken, given):
        raise InputError("RUN-1", entry.name, f"images are not {kind}", f"{given.min()}..{given.max()}")
    if runtime != "reference":
        try:
            import onnxruntime
        except ModuleNotFoundError:
            if runtime is not None:
                raise UsageError("FILE-5", "onnxruntime", "is not installed", limit=INSTALL) from None
            runtime = "reference"
    if runtime == "reference":
        from onnx.reference import ReferenceEvaluator

        # Its max-pool of bytes with stride 1 makes a padding of NaN, though of no width.
        with np.errstate(invalid="ignore"):
            values = ReferenceEvaluator(loaded).run(list(outputs), {entry.name: taken})
    else:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = threads
        options.log_severity_level = 3
        session = onnxruntime.InferenceSession(loaded.SerializeToString(), options, providers=["CPUExecutionProvider"])
        values = session.run(list(outputs), {entry.name: taken})
    return dict(zip(outputs, values, strict=True))


def package() -> Any:
    """The onnx package. Errors: UsageError when it is not installed."""
    try:
        import onnx
        import onnx.checker
        import onnx.helper
    except ModuleNotFoundError:
        raise UsageError("FILE-5", "onnx", "is not installed", limit=INSTALL) from None
    return onnx


class _Codes:
    """The codes of one population in the graph: as int32, as byte planes, or both, each made when it is first asked
    for.
    """

    def __init__(self, interval: Ints, int32: str = "", planes: Sequence[str] = ()) -> None:
        self.interval, self.int32, self.planes = interval, int32, list(planes)
        self.digits = code_planes(interval)


class _Graph:
    """An ONNX graph in the making. Methods return the name of the tensor they add."""

    def __init__(self, net: Network) -> None:
        self.onnx, self.net, self.place = package(), net, ""
        self.nodes: list[NodeProto] = []
        self.constants: dict[tuple[str, tuple[int, ...], bytes], tuple[str, TensorProto]] = {}
        self.codes: dict[str, _Codes] = {}

    def node(self, operator: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        """A node and its output, named by its place."""
        name = output or f"{self.place}/{operator}/{len(self.nodes)}"
        self.nodes.append(self.onnx.helper.make_node(operator, list(inputs), [name], name=name, **attributes))
        return name

    def constant(self, values: ArrayLike, kind: str = "int32") -> str:
        """An initialiser; equal ones are one."""
        array = np.asarray(values).astype(np.dtype(kind).newbyteorder("<"), order="C")
        assert np.array_equal(array, values), "a value that was not proved to fit"
        key = (kind, array.shape, array.tobytes())
        if key not in self.constants:
            name = f"constant/{len(self.constants)}"
            number = self.onnx.helper.np_dtype_to_tensor_dtype(np.dtype(kind))
            self.constants[key] = name, self.onnx.helper.make_tensor(name, number, array.shape, key[2], raw=True)
        return self.constants[key][0]

    def per_channel(self, values: NDArray[np.integer]) -> str:
        """Values (C,) as (1, C, 1, 1), or one scalar when all are equal."""
        return self.constant(values[0] if (values == values[0]).all() else values.reshape(1, -1, 1, 1))

    def cast(self, name: str, kind: str) -> str:
        """A tensor as another type that holds its values."""
        return self.node("Cast", name, to=self.onnx.helper.np_dtype_to_tensor_dtype(np.dtype(kind)))

    def int32(self, name: str) -> str:
        """The codes of a population as int32."""
        codes = self.codes[name]
        if not codes.int32:  # an input, or a pool of bytes: one plane, with zero point 0 since no code is negative
            codes.int32 = self.cast(codes.planes[0], "int32")
        return codes.int32

    def planes(self, name: str) -> list[str]:
        """The codes of a population as byte planes, lowest first."""
        codes = self.codes[name]
        if not codes.planes:
            rest = codes.int32
            for _ in codes.digits[:-1]:
                radix = self.constant(256)
                low = self.node("Mod", rest, radix)
                codes.planes.append(self.cast(low, "uint8"))
                rest = self.node("Div", self.node("Sub", rest, low), radix)
            zero = codes.digits[-1].zero
            codes.planes.append(self.cast(self.node("Add", rest, self.constant(zero)) if zero else rest, "uint8"))
        return codes.planes

    def conv2d(self, q: Conv2d, parts: Split) -> str:
        """A convolution as a sum of products of planes (PROJ-1)."""
        digits, total = self.codes[q.source].digits, ""
        pads = fitted(q, self.net[q.source], self.net[q.target], q.dilation)
        form: dict[str, Any] = {
            "strides": q.stride,
            "pads": pads,
            "dilations": q.dilation,
            "group": q.groups,
            "kernel_shape": q.kernel,
        }
        for term in parts.terms:
            weights = parts.weights[term.w]
            zeros = self.constant(digits[term.x].zero, "uint8"), self.constant(weights.zero, "uint8")
            factors = self.constant(weights.values + weights.zero, "uint8")
            part = self.node("ConvInteger", self.planes(q.source)[term.x], factors, *zeros, **form)
            part = self.node("Mul", part, self.constant(1 << term.shift)) if term.shift else part
            total = self.node("Add", total, part) if total else part
        return total

    def scaled(self, q: Conv2d) -> str:
        """One factor per channel (PROJ-8)."""
        return self.node("Mul", self.int32(q.source), self.per_channel(q.weights.reshape(-1)))

    def gate(self, q: Gate) -> str:
        """The product of two codes and a weight per channel (GATE-1): a factor of one place is broadcast."""
        total = self.node("Mul", self.int32(q.source), self.int32(q.by))
        return total if (q.weights == 1).all() else self.node("Mul", total, self.per_channel(q.weights))

    def dense(self, q: Dense) -> str:
        """A dense projection (PROJ-4, PROJ-5) as (N, O, 1, 1)."""
        source, weights, matrix = self.codes[q.source], weight_planes(q.weights), q.weights.T
        if q.pooled:
            _, height, width = self.net[q.source].shape
            low, high = (end * height * width for end in source.interval.T)
            check_int32(low, high, f"{q.source}->{q.target} source", "the sum over all places")
            summed = self.node("ReduceSum", self.int32(q.source), self.constant([2, 3], "int64"), keepdims=0)
            total = self.node("MatMul", summed, self.constant(matrix))
        elif len(source.digits) == len(weights) == 1:
            zeros = self.constant(source.digits[0].zero, "uint8"), self.constant(weights[0].zero, "uint8")
            flat = self.node("Flatten", self.planes(q.source)[0])
            factors = self.constant(weights[0].values.T + weights[0].zero, "uint8")
            total = self.node("MatMulInteger", flat, factors, *zeros)
        else:
            total = self.node("MatMul", self.node("Flatten", self.int32(q.source)), self.constant(matrix))
        return self.node("Reshape", total, self.constant([-1, len(q.weights), 1, 1], "int64"))

    def membranes(self, p: FS | Readout) -> str:
        """The opening membranes (NET-6), once it is proved that no sum on the way leaves int32."""
        into, total = list(self.net.into(p.name).values()), ""
        splits = [split_of(self.net, q, self.codes[q.source].digits) for q in into]
        check_sums(self.net, p, splits)
        for q, parts in zip(into, splits, strict=True):
            match q:
                case Conv2d():
                    part = self.scaled(q) if parts is None else self.conv2d(q, parts)
                case Dense():
                    part = self.dense(q)
                case Gate():
                    part = self.gate(q)
                case _:
                    assert_never(q)
            total = self.node("Add", total, part) if total else part
        if p.bias.any():
            bias = self.per_channel(p.bias) if p.bias.ndim == 1 else self.constant(p.bias[None])
            total = self.node("Add", total, bias)
        return total

    def fire(self, p: FS, v: str) -> str:
        """The codes of opening membranes `v`, as int32: FS-5 in closed form, any other table step by step (FS-2 to
        FS-4).
        """
        theta = relu_theta(p.table)
        if theta is not None:
            divisor = np.minimum(np.broadcast_to(theta, p.shape[0]), 2**31 - 1)  # above every membrane: the code is 0
            v = self.node("Div", v, self.per_channel(divisor)) if (divisor > 1).any() else v
            return self.node("Clip", v, self.constant(0), self.constant(2**p.steps - 1))
        T, h, d = firing_rows(self.net, p)
        code, zero = "", self.constant(0)
        for t in range(p.steps):
            fires = self.node("GreaterOrEqual", v, self.per_channel(T[:, t]))
            if not code or d[:, t].any():
                worth = self.node("Where", fires, self.per_channel(d[:, t]), zero)
                code = self.node("Add", code, worth) if code else worth
            if t < p.steps - 1 and h[:, t].any():
                v = self.node("Sub", v, self.node("Where", fires, self.per_channel(h[:, t]), zero))
        return code

    def pool(self, p: MaxPool) -> _Codes:
        """The codes of a max-pool (POOL-1). They are at least 0 (POOL-2), so a padded 0 never wins over the candidates
        every window has (POOL-3).
        """
        source, name = self.codes[p.source], ""
        if len(source.digits) == 1:
            kind, name = "uint8", self.planes(p.source)[0]
        else:
            kind = "float32" if source.interval.max() <= 2**24 else "float64"
            name = self.cast(self.int32(p.source), kind)
        top, left, bottom, right = pads = fitted(p, self.net[p.source], p)
        if any(pads):
            name = self.node("Pad", name, self.constant([0, 0, top, left, 0, 0, bottom, right], "int64"))
        name = self.node("MaxPool", name, kernel_shape=p.kernel, strides=p.stride)
        if kind == "uint8":
            return _Codes(source.interval, planes=[name])
        return _Codes(source.interval, self.cast(name, "int32"))

    def view(self, p: View) -> _Codes:
        """The codes of a view (VIEW-1), as bytes where those of its source are of one plane whose zero point is 0."""
        source, (_, height, width) = self.codes[p.source], self.net[p.source].shape
        whole = len(source.digits) == 1 and source.digits[0].zero == 0
        name = self.planes(p.source)[0] if whole else self.int32(p.source)
        if p.gaps:
            name = self.node("Pad", name, self.constant([0, 0, 0, 0, 0, 0, 1, 1], "int64"))
        for axis, places, size in ((2, p.rows, height), (3, p.columns, width)):
            name = self.node("Gather", name, self.constant(np.where(places < 0, size, places), "int64"), axis=axis)
        interval = self.net.ranges[p.name].codes
        return _Codes(interval, planes=[name]) if whole else _Codes(interval, name)

    def whole(self, wanted: Sequence[str]) -> Any:
        """The whole graph, with the codes of the populations in `wanted` among its outputs."""
        helper, kinds = self.onnx.helper, self.onnx.TensorProto
        net = self.net
        info, pixels = helper.make_tensor_value_info, kinds.UINT8 if net.input.max_code <= 255 else kinds.INT32
        outputs = []
        for p in net.populations:
            self.place, interval = p.name, net.ranges[p.name].codes
            match p:
                case Input():
                    form = {"planes": [INPUT]} if p.max_code <= 255 else {"int32": INPUT}
                    self.codes[p.name] = _Codes(interval, **form)
                case MaxPool():
                    self.codes[p.name] = self.pool(p)
                case View():
                    self.codes[p.name] = self.view(p)
                case FS():
                    self.codes[p.name] = _Codes(interval, self.fire(p, self.membranes(p)))
                case Readout() if net.is_classifier:
                    self.node("Flatten", self.membranes(p), output="logits")
                    outputs.append(info("logits", kinds.INT32, ["N", p.neurons]))
                case Readout():
                    self.node("Identity", self.membranes(p), output=p.name)
                    outputs.append(info(p.name, kinds.INT32, ["N", *p.shape]))
                case _:
                    assert_never(p)
            if p.name in wanted:
                self.node("Identity", self.int32(p.name), output=f"codes/{p.name}")
        given = info(INPUT, pixels, ["N", *net.input.shape])
        outputs += [info(f"codes/{name}", kinds.INT32, ["N", *net[name].shape]) for name in wanted]
        constants = [tensor for _, tensor in self.constants.values()]
        return helper.make_graph(self.nodes, "fsref", [given], outputs, constants)
