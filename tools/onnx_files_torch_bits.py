"""Small networks trained in few bits in torch: quantisers whose scales are powers of two, so that float32 rounds
nothing in the model and every code can be compared.
"""

from __future__ import annotations

from typing import Any

import torch
from onnx import numpy_helper
from torch import Tensor, nn
from torch.nn import functional as F

from onnx_files import Code
from onnx_files_torch_models import CLASSES

DYADIC = {"scale": 1 / 16, "max_code": 15}  # of pixels: what the model sees is exact


def rounded(x: Tensor, scale: float, low: int, high: int) -> Tensor:
    """x in whole steps of `scale`, from low to high of them."""
    return torch.clamp(torch.round(x / scale), low, high) * scale


class Rounded(nn.Module):
    """Weights and activations of 4 bits, by round and clamp."""

    low, high, scale = -7, 7, 1 / 16

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 6, 3, padding=1), nn.Conv2d(6, 6, 3, stride=2, padding=1)
        self.dense = nn.Linear(6, CLASSES)

    def weights(self, layer: nn.Module) -> Tensor:
        """The weights of a layer, in few bits."""
        return rounded(layer.get_parameter("weight"), self.scale, self.low, self.high)

    def forward(self, x: Tensor) -> Tensor:
        most = 2 * self.high + 1
        a = rounded(F.conv2d(x, self.weights(self.a), self.a.bias, padding=1), 2 * self.scale, 0, most)
        a = rounded(F.conv2d(a, self.weights(self.b), self.b.bias, 2, 1), 2 * self.scale, 0, most)
        return F.linear(a.mean(dim=(2, 3)), self.weights(self.dense), self.dense.bias)


class Ternary(Rounded):
    """Weights and activations of 2 bits, by round and clamp."""

    low, high, scale = -1, 1, 1 / 8


class Tensors(nn.Module):
    """fake_quantize_per_tensor_affine of weights, 8 bits, and activations, 7 and 8."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 6, 3, padding=1), nn.Conv2d(6, 6, 3, stride=2, padding=1)
        self.dense = nn.Linear(6, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        a, b, c = (
            torch.fake_quantize_per_tensor_affine(m.weight, 1 / 256, 0, -128, 127) for m in (self.a, self.b, self.dense)
        )
        x = torch.fake_quantize_per_tensor_affine(F.relu(F.conv2d(x, a, self.a.bias, padding=1)), 1 / 64, 0, 0, 127)
        x = torch.fake_quantize_per_tensor_affine(F.relu(F.conv2d(x, b, self.b.bias, 2, 1)), 1 / 64, 0, 0, 255)
        return F.linear(x.mean(dim=(2, 3)), c, self.dense.bias)


class Channels(nn.Module):
    """fake_quantize_per_channel_affine of weights, activations with a zero point, a residual sum."""

    scales: Tensor
    zeros: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 6, 3, padding=1), nn.Conv2d(6, 6, 3, padding=1, bias=False)
        self.dense = nn.Linear(6, CLASSES)
        self.register_buffer("scales", torch.tensor([1, 0.5, 2, 1, 0.25, 1]) / 16)
        self.register_buffer("zeros", torch.zeros(6, dtype=torch.int32))

    def forward(self, x: Tensor) -> Tensor:
        w = torch.fake_quantize_per_channel_affine(self.a.weight, self.scales, self.zeros, 0, -128, 127)
        a = F.relu(F.conv2d(x, w, self.a.bias, padding=1))
        a = torch.fake_quantize_per_tensor_affine(a, 1 / 4, 0, 0, 255)
        w = torch.fake_quantize_per_channel_affine(self.b.weight, self.scales, self.zeros, 0, -128, 127)
        b = torch.fake_quantize_per_tensor_affine(F.conv2d(a, w, padding=1) + a, 1 / 4, 100, 0, 255)
        w = torch.fake_quantize_per_tensor_affine(self.dense.weight, 1 / 64, 0, -128, 127)
        return F.linear(b.mean(dim=(2, 3)), w, self.dense.bias)


# The exporter by traces has fake_quantize of 7 and 8 bits alone; the other has none, nor what torch.ao makes of it.
BITS: dict[str, tuple[type[nn.Module], ...]] = {
    "legacy": (Rounded, Ternary, Tensors, Channels),
    "dynamo": (Rounded, Ternary),
}


def trained(kind: type[nn.Module]) -> nn.Module:
    """A network of these with drawn weights, multiples of 1/64, in eval mode."""
    torch.manual_seed(0)
    model = kind()
    for values in model.parameters():
        values.data = torch.round(values.data * 64) / 64
    return model.eval()


def codes_of(model: Any) -> list[Code]:
    """The integers that the quantisers of activations give, in the order of the model."""
    constant = {tensor.name: tensor for tensor in model.graph.initializer}
    constant |= {n.output[0]: n.attribute[0].t for n in model.graph.node if n.op_type == "Constant"}
    moving, found = {model.graph.input[0].name}, list[Code]()
    for node in model.graph.node:
        if not moving.intersection(node.input):
            continue
        moving.update(node.output)
        if node.op_type not in ("QuantizeLinear", "Round"):
            continue
        readers = [n for n in model.graph.node if node.output[0] in n.input]
        low, clip = 0, readers[0] if readers[0].op_type == "Clip" else None
        if clip is not None and clip.input[1]:
            low = int(numpy_helper.to_array(constant[clip.input[1]]))
        elif clip is None and numpy_helper.to_array(constant[node.input[2]]).dtype == "int8":
            low = -128
        found.append(Code((clip or node).output[0], 1.0, low))
    return found
