#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Write the ONNX files of two published ResNet-20 for CIFAR-10 as torch's dynamo exporter writes them, without weights.

    onnx_files_resnets.py            write the two files
    onnx_files_resnets.py LAYERS     say what network ResNets of so many layers are, 56 say, from torch and from the
                                     files of both its exporters, written on the spot; needs fsref

Two topologies that people have: shortcuts without parameters, every second place and channels of zeros around (option A
of He et al. 2015, after akamaster/pytorch_resnet_cifar10), and shortcuts that are convolutions of 1 x 1 with a batch
norm (option B, after chenyaofo/pytorch-cifar-models). Weights go in when a test reads a file: those of `drawn`, under
the names that torch has. Needs torch and onnxscript.
"""

from __future__ import annotations

import argparse
import io
import sys
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


def by_traces(model: nn.Module, norms: bool) -> Any:
    """The model as the exporter by traces writes it, with its batch norms or with them folded."""
    mode = torch.onnx.TrainingMode
    held: Any = io.BytesIO()
    names: dict[str, Any] = {"input_names": ["x"], "dynamic_axes": {"x": {0: "N"}}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        kind = mode.PRESERVE if norms else mode.EVAL
        torch.onnx.export(model, (EXAMPLE,), held, dynamo=False, training=kind, **names)
    return onnx.load_from_string(held.getvalue())


def by_dynamo(model: nn.Module) -> Any:
    """The model as the exporter of torch.export writes it."""
    free = {0: torch.export.Dim("batch")}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            model, (EXAMPLE,), dynamo=True, dynamic_shapes=(free,), optimize=False, verbose=False
        )
    assert program is not None
    return program.model_proto


def networks(layers: int, option: str) -> dict[str, str]:
    """The ids of the networks that a ResNet of so many layers is, by where it comes from."""
    import fsref

    pixels = fsref.Pixels(3, 32, 32, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
    images = np.random.default_rng(1).integers(0, 256, (2, 3, 32, 32))
    model = drawn((layers - 2) // 6, option)
    graphs = {"torch": fsref.from_torch(model, pixels)}
    for name, file in (
        ("dynamo", by_dynamo(model)),
        ("legacy", by_traces(model, True)),
        ("folded", by_traces(model, False)),
    ):
        graphs[name] = fsref.from_onnx(file, pixels)
    return {name: fsref.convert(graph, images).id for name, graph in graphs.items()}


def main() -> None:
    """Write the files, or compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("layers", type=int, nargs="?", help="6 n + 2")
    if (layers := parser.parse_args().layers) is not None:
        if layers < 8 or layers % 6 != 2:
            parser.error(f"{layers} layers are not 6 n + 2")
        for option in OPTIONS:
            found = networks(layers, option)
            print(f"ResNet-{layers}, option {option}: " + ", ".join(f"{name} {id[:12]}" for name, id in found.items()))
            if len(set(found.values())) > 1:
                sys.exit("they are not one network")
        return
    SKELETONS.mkdir(parents=True, exist_ok=True)
    for option in OPTIONS:
        path = SKELETONS / f"resnet20_{option.lower()}.dynamo.onnx"
        path.write_bytes(without(plain(by_dynamo(drawn(3, option)))).SerializeToString(deterministic=True))
        print(f"{path.name}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
