#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Write the ONNX files of two published ResNet-20 for CIFAR-10 as torch's dynamo exporter writes them, without weights.

    onnx_files_resnets.py

Two topologies that people have: shortcuts without parameters, every second place and channels of zeros around (option A
of He et al. 2015, after akamaster/pytorch_resnet_cifar10), and shortcuts that are convolutions of 1 x 1 with a batch
norm (option B, after chenyaofo/pytorch-cifar-models). Weights go in when a test reads a file: those of `drawn`, under
the names that torch has. Needs torch and onnxscript.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, numpy_helper
from torch import Tensor, nn
from torch.nn import functional as F

from onnx_files import FOLDER, plain

SKELETONS = FOLDER.parent / "resnets"
OPTIONS = ("A", "B")
EXAMPLE = torch.zeros(2, 3, 32, 32)


class Zeros(nn.Module):
    """Every second place, and channels of zeros before and behind."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels

    def forward(self, x: Tensor) -> Tensor:
        return F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.channels, self.channels))


class Block(nn.Module):
    """Two convolutions beside a shortcut."""

    def __init__(self, inputs: int, outputs: int, stride: int, option: str) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.shortcut: nn.Module = nn.Sequential()
        if stride > 1 and option == "A":
            self.shortcut = Zeros(outputs // 4)
        elif stride > 1:
            conv = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
            self.shortcut = nn.Sequential(conv, nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        a = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(a)) + self.shortcut(x))


class ResNet(nn.Module):
    """A ResNet of 6 n + 2 layers."""

    def __init__(self, n: int, option: str) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16)
        layers = []
        for inputs, outputs, stride in ((16, 16, 1), (16, 32, 2), (32, 64, 2)):
            rest = [Block(outputs, outputs, 1, option) for _ in range(n - 1)]
            layers.append(nn.Sequential(Block(inputs, outputs, stride, option), *rest))
        self.layer1, self.layer2, self.layer3 = layers
        self.linear = nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        a = self.layer3(self.layer2(self.layer1(F.relu(self.bn1(self.conv1(x))))))
        a = F.avg_pool2d(a, a.size()[3])
        return self.linear(a.view(a.size(0), -1))


def drawn(n: int, option: str) -> ResNet:
    """A ResNet in eval mode, its weights drawn, seed 0, of so few bits that folding its batch norms is exact in 32:
    then it is the same network whoever folds them.
    """
    model, draw = ResNet(n, option).eval(), np.random.default_rng(0)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            count = module.num_features
            module.eps = 2.0**-16
            values = {
                "running_var": draw.choice([0.25, 1.0], count) - module.eps,
                "running_mean": draw.integers(-8, 9, count) / 32,
                "weight": draw.integers(4, 9, count) / 8,
                "bias": draw.integers(-8, 9, count) / 32,
            }
            for name, drawn in values.items():
                getattr(module, name).data.copy_(torch.from_numpy(drawn))
        elif isinstance(module, (nn.Conv2d, nn.Linear)):
            shape = tuple(module.weight.shape)
            weights = draw.normal(size=shape) / np.sqrt(np.prod(shape[1:]))
            module.weight.data.copy_(torch.from_numpy(np.rint(weights * 512) / 512))
    return model


def without(model: Any) -> Any:
    """The model without the values of the tensors that are torch's, which keep their names and sizes, and without what
    follows from the rest.
    """
    del model.graph.value_info[:]
    for node in model.graph.node:
        del node.metadata_props[:]
    for tensor in model.graph.initializer:
        if tensor.data_type == TensorProto.FLOAT and "." in tensor.name:
            tensor.ClearField("raw_data")
            tensor.ClearField("float_data")
    return model


def filled(path: Path, weights: Mapping[str, Tensor]) -> Any:
    """The model of a file with these weights, by the names that torch has."""
    model = onnx.load(path)
    for tensor in model.graph.initializer:
        if tensor.name in weights:
            tensor.CopyFrom(numpy_helper.from_array(weights[tensor.name].numpy(), tensor.name))
    return model


def main() -> None:
    """Write the files."""
    SKELETONS.mkdir(parents=True, exist_ok=True)
    for option in OPTIONS:
        free = {0: torch.export.Dim("batch")}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                drawn(3, option), (EXAMPLE,), dynamo=True, dynamic_shapes=(free,), optimize=False, verbose=False
            )
        assert program is not None
        path = SKELETONS / f"resnet20_{option.lower()}.dynamo.onnx"
        path.write_bytes(without(plain(program.model_proto)).SerializeToString(deterministic=True))
        print(f"{path.name}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
