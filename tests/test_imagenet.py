"""The networks of tools/imagenet.py and the ResNets of CIFAR-10: their size in FS neurons, their form, their
padding.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import imagenet
import nodes
from fsref import Graph, Pixels
from fsref.conversion.folding import fold
from fsref.graph.graph import Node


def fs_neurons(graph: Graph) -> int:
    """Neurons of the populations that a folded graph gives to activations: input, max-pools and readout apart."""
    return sum(math.prod(unit.shape) for unit in fold(graph).units if unit.activation is not None)


def cifar_resnet(blocks: int) -> Graph:
    """A ResNet of 6 * blocks + 2 layers for 32 x 32 images, option A shortcuts, random weights."""
    rng, parts, last, channels = np.random.default_rng(blocks), list[Node](), "input", 3

    def add(name: str, op: str, *inputs: str, arrays: dict[str, Any] | None = None, **attributes: Any) -> str:
        parts.append(Node(name, op, inputs, attributes, arrays or {}))
        return name

    def conv(name: str, source: str, outputs: int, inputs: int, stride: int) -> str:
        made = nodes.conv(f"{name}.conv", source, outputs, inputs, rng=rng, bias=None, stride=(stride, stride))
        parts.append(made)
        arrays = {"mean": np.zeros(outputs), "variance": np.ones(outputs)}
        arrays |= {"gain": np.ones(outputs), "offset": np.zeros(outputs)}
        return add(f"{name}.norm", "batch_norm", made.name, arrays=arrays)

    last, channels = add("relu", "relu", conv("stem", last, 16, channels, 1)), 16
    for stage, outputs in enumerate((16, 32, 64)):
        for block in range(blocks):
            path, stride = f"{stage}.{block}", 2 if outputs > channels else 1
            first = add(f"{path}.relu1", "relu", conv(f"{path}.1", last, outputs, channels, stride))
            own = conv(f"{path}.2", first, outputs, outputs, 1)
            if outputs > channels:
                last = add(f"{path}.sub", "subsample", last, stride=(2, 2))
                last = add(f"{path}.pad", "pad", last, channels=((outputs - channels) // 2,) * 2)
            last, channels = add(f"{path}.relu2", "relu", add(f"{path}.add", "add", own, last)), outputs
    add("mean", "global_avg_pool", last)
    add("logits", "dense", "mean", arrays={"weight": rng.standard_normal((10, 64))})
    return Graph(Pixels(3, 32, 32, mean=0.5, std=0.25), parts, f"resnet{6 * blocks + 2}")


@pytest.mark.parametrize(("blocks", "neurons"), [(1, 73_728), (2, 131_072), (3, 188_416), (8, 475_136)])
def test_a_cifar_resnet_has_as_many_fs_neurons_as_published(blocks: int, neurons: int) -> None:
    """A ResNet of 6n + 2 layers has one FS neuron per ReLU output: the counts of the FS-conversion paper."""
    assert fs_neurons(cifar_resnet(blocks)) == neurons


def test_resnet50_is_as_large_as_published() -> None:
    """ResNet-50 v1 with its stride in the 3x3 has 9,608,704 FS neurons and, batch norms apart, 25,502,912 weights in 54
    layers.
    """
    graph = imagenet.resnet50()
    weights = [node.arrays["weight"].size for node in graph.nodes if "weight" in node.arrays]
    assert (len(weights), sum(weights)) == (54, 25_502_912)
    assert graph.shapes["layer4.2.relu"] == (2048, 7, 7)
    assert fs_neurons(graph) == 9_608_704


@pytest.mark.parametrize("size", [7, 8, 14, 15, 112, 113])
@pytest.mark.parametrize("kernel", [1, 3, 5])
@pytest.mark.parametrize("stride", [1, 2])
def test_same_padding(size: int, kernel: int, stride: int) -> None:
    """SAME gives ceil(size / stride) places with the least padding that does, and never more before than after."""
    top, left, bottom, right = imagenet.same(size, kernel, stride)
    assert (top, bottom) == (left, right) and 0 <= bottom - top <= 1
    places = range(0, size + top + bottom - kernel + 1, stride)
    assert len(places) == -(-size // stride)
    assert top + bottom == 0 or len(range(0, size + top + bottom - 1 - kernel + 1, stride)) < len(places)


def lite_arrays(stages: list[tuple[int, int, int]]) -> dict[str, np.ndarray]:
    """A state dict in the form of EfficientNet-Lite: (outputs, kernel, expansion) for each block."""
    rng, arrays, channels = np.random.default_rng(1), {}, 8

    def layer(conv: str, norm: str, *shape: int) -> None:
        arrays[f"{conv}.weight"] = (rng.standard_normal(shape) / math.sqrt(math.prod(shape[1:]))).astype(np.float32)
        for name, middle in (("running_mean", 0.0), ("running_var", 1.0), ("weight", 1.5), ("bias", 0.5)):
            arrays[f"{norm}.{name}"] = (middle + 0.1 * rng.uniform(-1, 1, shape[0])).astype(np.float32)

    layer("_conv_stem", "_bn0", 8, 3, 3, 3)
    for block, (outputs, kernel, expansion) in enumerate(stages):
        path, inner = f"_blocks.{block}", channels * expansion
        if expansion > 1:
            layer(f"{path}._expand_conv", f"{path}._bn0", inner, channels, 1, 1)
        layer(f"{path}._depthwise_conv", f"{path}._bn1", inner, 1, kernel, kernel)
        layer(f"{path}._project_conv", f"{path}._bn2", outputs, inner, 1, 1)
        channels = outputs
    layer("_conv_head", "_bn1", 32, channels, 1, 1)
    arrays["_fc.weight"] = rng.standard_normal((1000, 32)).astype(np.float32)
    arrays["_fc.bias"] = np.zeros(1000, np.float32)
    return arrays


def test_efficientnet_lite_has_its_form() -> None:
    """A stage's first block has its stride and no shortcut, later ones have a shortcut; ReLU6 everywhere but after a
    projection.
    """
    graph = imagenet.efficientnet_lite(lite_arrays([(16, 3, 1), (24, 3, 2), (24, 3, 2), (40, 5, 2)]), 32, "little")
    assert graph.shapes["_blocks.3._bn2"] == (40, 4, 4)
    assert graph["_blocks.3._depthwise_conv"].attributes["padding"] == (1, 1, 2, 2)
    assert [node.inputs for node in graph.nodes if node.op == "add"] == [("_blocks.2._bn2", "_blocks.1._bn2")]
    clipped = [node for node in graph.nodes if node.op == "clip"]
    assert len(clipped) == 1 + (1 + 2 + 2 + 2) + 1
    assert all(dict(node.attributes) == {"low": 0.0, "high": 6.0} for node in clipped)
    assert graph.contract().normalise(np.full((1, 3, 32, 32), 255, np.uint8)).max() == 1.0
