"""Small networks trained in few bits in torch: quantisers whose scales are powers of two, so that float32 rounds
nothing in the model and every code can be compared.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from onnx import numpy_helper
from onnx_files import Code
from onnx_files_torch_models import CLASSES

DYADIC = {"scale": 1 / 16, "max_code": 15}  # of pixels: what the model sees is exact


class Coarse(nn.Module):
    """fake_quantize_per_tensor_affine of weights and activations: 4 bits, 8 of the last layer."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 6, 3, padding=1), nn.Conv2d(6, 6, 3, stride=2, padding=1)
        self.dense = nn.Linear(6, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        w = torch.fake_quantize_per_tensor_affine(self.a.weight, 1 / 16, 0, -8, 7)
        a = F.relu(F.conv2d(x, w, self.a.bias, padding=1))
        a = torch.fake_quantize_per_tensor_affine(a, 1 / 4, 0, 0, 15)
        w = torch.fake_quantize_per_tensor_affine(self.b.weight, 1 / 16, 0, -8, 7)
        a = F.relu(F.conv2d(a, w, self.b.bias, stride=2, padding=1))
        a = torch.fake_quantize_per_tensor_affine(a, 1 / 8, 0, 0, 15)
        w = torch.fake_quantize_per_tensor_affine(self.dense.weight, 1 / 64, 0, -128, 127)
        return F.linear(a.mean(dim=(2, 3)), w, self.dense.bias)


class Channels(nn.Module):
    """fake_quantize_per_channel_affine of weights, activations with a zero point, a residual sum."""

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


BITS: list[tuple[type[nn.Module], dict[str, Any]]] = [(Coarse, DYADIC), (Channels, DYADIC)]


def trained(kind: type[nn.Module]) -> nn.Module:
    """A network of these with drawn weights, biases multiples of 1/64, in eval mode."""
    torch.manual_seed(0)
    model = kind()
    for name, values in model.named_parameters():
        if name.endswith("bias"):
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
        if node.op_type == "QuantizeLinear":
            low = 0
            readers = [n for n in model.graph.node if node.output[0] in n.input]
            clip = readers[0] if readers[0].op_type == "Clip" else None
            if clip is not None and clip.input[1]:
                low = int(numpy_helper.to_array(constant[clip.input[1]]))
            elif numpy_helper.to_array(constant[node.input[2]]).dtype == "int8":
                low = -128
            found.append(Code((clip or node).output[0], 1.0, low))
    return found
