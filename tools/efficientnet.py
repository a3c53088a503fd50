#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Count the neurons of EfficientNets from their topology: no weights are trained, no image runs.

    efficientnet.py                 B0 to B7, each at its own image size
    efficientnet.py b7 --side 224   one of them, at another size

The topology is that of M. Tan, Q. Le: "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", 2019
(arXiv 1905.11946), as a float graph of fsref with drawn weights. FS neurons are counted as its authors count them, by
activations that follow silu; sigmoids of gates, and products, which FS neurons hold as well, stand beside them.
"""

import argparse
import math
from collections.abc import Mapping

import numpy as np

from fsref.graph.graph import Graph, Node, Pixels

SCALES = {  # width, depth, side
    "b0": (1.0, 1.0, 224),
    "b1": (1.0, 1.1, 240),
    "b2": (1.1, 1.2, 260),
    "b3": (1.2, 1.4, 300),
    "b4": (1.4, 1.8, 380),
    "b5": (1.6, 2.2, 456),
    "b6": (1.8, 2.6, 528),
    "b7": (2.0, 3.1, 600),
}
STAGES = [  # expansion, kernel, stride, channels, blocks
    (1, 3, 1, 16, 1),
    (6, 3, 2, 24, 2),
    (6, 5, 2, 40, 2),
    (6, 3, 2, 80, 3),
    (6, 5, 1, 112, 3),
    (6, 5, 2, 192, 4),
    (6, 3, 1, 320, 1),
]
STEM, HEAD = 32, 1280
COUNTED = {"silu": "silu", "sigmoid": "sigmoids", "mul": "products"}


def rounded(channels: float) -> int:
    """Return the multiple of 8 nearest to so many channels, none a tenth below them."""
    found = max(8, int(channels + 4) // 8 * 8)
    return found + 8 if found < 0.9 * channels else found


class Builder:
    """The nodes of a network in the making; weights are drawn."""

    def __init__(self, seed: int) -> None:
        self.draw, self.nodes = np.random.default_rng(seed), list[Node]()

    def add(self, name: str, op: str, *inputs: str) -> str:
        """Return the name of a new node."""
        self.nodes.append(Node(name, op, inputs))
        return name

    def conv(
        self, name: str, source: str, inputs: int, outputs: int, kernel: int = 1, stride: int = 1, groups: int = 1
    ) -> str:
        """Return the name of a new convolution, padded by half its kernel."""
        shape = (outputs, inputs // groups, kernel, kernel)
        weight = self.draw.standard_normal(shape, np.float32) / math.sqrt(shape[1] * kernel * kernel)
        arrays = {"weight": weight.astype(np.float32), "bias": np.zeros(outputs, np.float32)}
        attributes = {"stride": (stride, stride), "padding": (kernel // 2,) * 4, "groups": groups}
        self.nodes.append(Node(name, "conv", (source,), attributes, arrays))
        return name

    def block(self, name: str, x: str, inputs: int, outputs: int, expansion: int, kernel: int, stride: int) -> str:
        """Return the value of an inverted bottleneck that squeezes and excites."""
        wide, squeezed, y = inputs * expansion, max(1, inputs // 4), x
        if expansion > 1:
            y = self.add(f"{name}.expand.silu", "silu", self.conv(f"{name}.expand", x, inputs, wide))
        y = self.conv(f"{name}.depthwise", y, wide, wide, kernel, stride, wide)
        y = self.add(f"{name}.depthwise.silu", "silu", y)
        gate = self.conv(f"{name}.squeeze", self.add(f"{name}.mean", "global_avg_pool", y), wide, squeezed)
        gate = self.conv(f"{name}.excite", self.add(f"{name}.squeeze.silu", "silu", gate), squeezed, wide)
        y = self.add(f"{name}.gate", "mul", y, self.add(f"{name}.excite.sigmoid", "sigmoid", gate))
        y = self.conv(f"{name}.project", y, wide, outputs)
        return self.add(f"{name}.add", "add", y, x) if stride == 1 and inputs == outputs else y


def network(width: float, depth: float, side: int, classes: int = 1000, seed: int = 0) -> Graph:
    """Return an EfficientNet of this width, depth and image size, its weights drawn."""
    made, channels = Builder(seed), rounded(STEM * width)
    x = made.add("stem.silu", "silu", made.conv("stem", "input", 3, channels, 3, 2))
    for stage, (expansion, kernel, stride, outputs, blocks) in enumerate(STAGES, 1):
        for number in range(math.ceil(blocks * depth)):
            inputs, channels = channels, rounded(outputs * width)
            first = stride if number == 0 else 1
            x = made.block(f"stage{stage}.{number}", x, inputs, channels, expansion, kernel, first)
    last = rounded(HEAD * width)
    x = made.add("head.silu", "silu", made.conv("head", x, channels, last))
    made.conv("logits", made.add("mean", "global_avg_pool", x), last, classes)
    pixels = Pixels(3, side, side, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
    return Graph(pixels, tuple(made.nodes), "efficientnet")


def neurons(graph: Graph) -> Mapping[str, int]:
    """Return how many neurons hold each kind of value, from shapes alone."""
    found = dict.fromkeys(COUNTED.values(), 0)
    for node in graph.nodes:
        if node.op in COUNTED:
            found[COUNTED[node.op]] += math.prod(graph.shapes[node.name])
    return found


def main() -> None:
    """Print a line for each network."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="*", default=[*SCALES], help="b0 to b7")
    parser.add_argument("--side", type=int, help="of the images; that of the network unless told")
    given = parser.parse_args()
    if unknown := [name for name in given.networks if name not in SCALES]:
        parser.error(f"no network is called {unknown[0]!r}: {', '.join(SCALES)}")
    print("| network | side | parameters | silu | sigmoids | products |\n|---|--:|--:|--:|--:|--:|")
    for name in given.networks:
        width, depth, side = SCALES[name]
        graph = network(width, depth, given.side or side)
        counts = " | ".join(f"{count:,}" for count in neurons(graph).values())
        print(f"| efficientnet-{name} | {given.side or side} | {graph.parameters:,} | {counts} |")


if __name__ == "__main__":
    main()
