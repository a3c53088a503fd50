#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Write small ONNX files spelt by hand as keras2onnx wrote them, under tests/fixtures/onnx.

    onnx_files_spelt.py

keras2onnx needs a TensorFlow that no Python of today runs, so that these are not its files, but what its published
source writes: channels last outside, each layer between two Transpose of which its optimiser leaves those that do not
cancel; batch norm folded into scale and bias, mean 0, variance 1, epsilon a thousandth; auto_pad for layers that pad
nothing, pads for those that do; Identity behind pools; MatMul and Add for a dense layer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from onnx_files import File, write

FIRST, LAST = [0, 3, 1, 2], [0, 2, 3, 1]
IR = {7: 3, 8: 3, 9: 4, 10: 5, 11: 6, 12: 7}  # of files of an opset, as they were written


class Layers:
    """A model in the making; `value` is the last value, channels last where `last`, `eager` one whose optimiser is
    off: then every layer turns its input and its result.
    """

    def __init__(self, opset: int, eager: bool = False) -> None:
        self.opset, self.eager, self.value, self.last = opset, eager, "image", True
        self.nodes, self.tensors = list[Any](), list[Any]()
        self.draw = np.random.default_rng(0)

    def add(self, op: str, inputs: Sequence[str] = (), output: str = "", **attributes: Any) -> str:
        """Add an operator behind the last value."""
        name = f"{op}{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, [self.value, *inputs], [output or f"{name}_output"], name, **attributes))
        self.value = self.nodes[-1].output[0]
        return self.value

    def tensor(self, array: Any, name: str = "W") -> str:
        """A tensor of the model."""
        self.tensors.append(numpy_helper.from_array(array, f"{name}{len(self.tensors)}"))
        return str(self.tensors[-1].name)

    def drawn(self, *shape: int) -> Any:
        """Weights."""
        return (self.draw.normal(size=shape) / np.sqrt(np.prod(shape[1:]))).astype(np.float32)

    def turn(self, last: bool) -> None:
        """Channels last, or first."""
        if self.last != last:
            self.add("Transpose", output=f"adjusted_input{len(self.nodes)}", perm=LAST if last else FIRST)
            self.last = last

    def layer(self, op: str, inputs: Sequence[str] = (), **attributes: Any) -> None:
        """An operator that wants channels first."""
        self.turn(last=False)
        self.add(op, inputs, **attributes)
        if self.eager:
            self.turn(last=True)

    def conv(self, inputs: int, outputs: int, side: int = 3, stride: int = 1, same: bool = True) -> None:
        """A convolution that pads as Keras does, on 8 x 8 or, behind a stride, 4 x 4 places."""
        total = max(0, side - stride)
        pads = [total // 2] * 2 + [total - total // 2] * 2
        about = {"auto_pad": "NOTSET", "pads": pads} if same else {"auto_pad": "VALID"}
        weights = [self.tensor(self.drawn(outputs, inputs, side, side)), self.tensor(self.drawn(outputs), "B")]
        ones = {"dilations": [1, 1], "strides": [stride] * 2, "kernel_shape": [side] * 2, "group": 1}
        self.layer("Conv", weights, **ones, **about)

    def norm(self, channels: int) -> None:
        """A batch norm."""
        scale, bias = self.draw.uniform(0.5, 1.5, channels), self.draw.uniform(-0.2, 0.2, channels)
        arrays = {"scale": scale, "bias": bias, "mean": np.zeros(channels), "var": np.ones(channels)}
        names = [self.tensor(array.astype(np.float32), name) for name, array in arrays.items()]
        self.layer(
            "BatchNormalization", names, epsilon=1e-6, momentum=0.99, **({"spatial": 1} if self.opset < 9 else {})
        )

    def pool(self, op: str, side: int = 2, stride: int = 2) -> None:
        """A pool, and its Identity."""
        about: dict[str, Any] = {} if self.opset < 10 else {"ceil_mode": 0}
        self.layer(op, strides=[stride] * 2, kernel_shape=[side] * 2, auto_pad="VALID", **about)
        self.add("Identity")

    def mean(self) -> None:
        """The mean over all places, one number a channel."""
        self.turn(last=False)
        self.add("GlobalAveragePool")
        self.turn(last=True)
        self.flatten()
        self.add("Identity")

    def flatten(self) -> None:
        """One axis, channels last."""
        self.turn(last=True)
        self.add("Reshape", [self.tensor(np.array([0, -1], np.int64), "start")])

    def dense(self, inputs: int, outputs: int) -> None:
        """A dense layer."""
        self.add("MatMul", [self.tensor(self.drawn(inputs, outputs))])
        self.add("Add", [self.tensor(self.drawn(outputs), "B")])

    def model(self, shape: Sequence[Any]) -> Any:
        """The model, which gives values of this shape."""
        self.nodes[-1].output[0] = "output"
        inputs = [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 8, 8, 3])]
        if IR[self.opset] < 4:  # whose tensors are inputs, too
            inputs += [helper.make_tensor_value_info(t.name, t.data_type, t.dims) for t in self.tensors]
        result = helper.make_tensor_value_info("output", TensorProto.FLOAT, ["N", *shape])
        graph = helper.make_graph(self.nodes, "model", inputs, [result], self.tensors)
        opsets = [helper.make_opsetid("", self.opset)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=IR[self.opset], producer_name="keras2onnx")


def keras_order(net: Layers) -> Sequence[Any]:
    """Batch norm behind relu, the mean over all places."""
    for inputs, outputs in ((3, 6), (6, 8)):
        net.conv(inputs, outputs)
        net.add("Relu")
        net.norm(outputs)
    net.mean()
    net.dense(8, 5)
    return [5]


def averaged(net: Layers) -> Sequence[Any]:
    """An average pool as large as the map; softmax at the end."""
    net.conv(3, 6, stride=2)
    net.add("Relu")
    net.pool("AveragePool", 4, 1)
    net.flatten()
    net.dense(6, 5)
    net.add("Softmax", axis=-1 if net.opset > 10 else 1)
    return [5]


def flattened(net: Layers) -> Sequence[Any]:
    """A map flattened, channels last, before dense layers."""
    net.conv(3, 4, same=False)
    net.add("Relu")
    net.pool("MaxPool")
    net.flatten()
    net.dense(36, 12)
    net.add("Relu")
    net.dense(12, 5)
    return [5]


def segmentation(net: Layers) -> Sequence[Any]:
    """A map of classes, channels last."""
    net.conv(3, 6)
    net.add("Relu")
    net.conv(6, 3, side=1, same=False)
    net.turn(last=True)
    return [8, 8, 3]


FILES: list[tuple[str, str, Callable[[Layers], Sequence[Any]], int, bool]] = [
    ("nothing_extra", "keras_order", keras_order, 11, False),
    ("nothing_extra", "averaged", averaged, 11, False),
    ("nothing_extra", "eager", keras_order, 11, True),
    ("linear_maps", "flattened", flattened, 11, False),
    ("linear_maps", "flattened_eager", flattened, 12, True),
    ("outputs", "segmentation", segmentation, 11, False),
    *(
        ("opsets", f"opset_{opset}", keras_order if opset % 2 else averaged, opset, False)
        for opset in (7, 8, 9, 10, 12)
    ),
]


def main() -> None:
    """Write the files."""
    files = []
    for kind, name, form, opset, eager in FILES:
        net = Layers(opset, eager)
        files.append(File(kind, name, net.model(form(net)), form.__doc__ or ""))
    write("keras2onnx", "spelt by hand after keras2onnx 1.7.0", files)


if __name__ == "__main__":
    main()
