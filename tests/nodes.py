"""Float graphs made by hand: nodes with drawn weights, a graph of many forms, images for it."""

from __future__ import annotations

from typing import Any

import numpy as np

from fsref.graph.graph import Graph, Node
from fsref.law.images import Pixels


def conv(
    name: str,
    source: str,
    outputs: int,
    inputs: int,
    kernel: int = 3,
    *,
    rng: np.random.Generator | int = 0,
    weight: tuple[float, float] = (0.0, 1.0),
    bias: tuple[float, float] | None = (0.0, 0.1),
    groups: int = 1,
    **attributes: Any,
) -> Node:
    """A convolution, padded so that the size stays, unless told.

    Weights are drawn from a normal distribution of this mean and spread, the spread over the root of how many weights a
    sum has; biases, unless None, of theirs. An `rng` that is a number is a seed.
    """
    draw = rng if isinstance(rng, np.random.Generator) else np.random.default_rng([rng, outputs, inputs, kernel])
    shape, (mean, spread) = (outputs, inputs // groups, kernel, kernel), weight
    arrays = {"weight": draw.normal(mean, spread / np.sqrt(np.prod(shape[1:])), shape)}
    if bias is not None:
        arrays["bias"] = draw.normal(*bias, outputs)
    return Node(name, "conv", (source,), {"padding": (kernel // 2,) * 4, "groups": groups, **attributes}, arrays)


def norm(name: str, source: str, channels: int, seed: int = 0) -> Node:
    """A batch norm with drawn statistics."""
    draw = np.random.default_rng([seed, channels, 7])
    arrays = {"mean": draw.normal(size=channels) * 0.2, "variance": draw.uniform(0.5, 2, channels)}
    arrays |= {"gain": draw.uniform(0.5, 1.5, channels), "offset": draw.normal(size=channels) * 0.2}
    return Node(name, "batch_norm", (source,), {}, arrays)


def head(source: str, channels: int, classes: int = 5) -> list[Node]:
    """The mean over all places and a dense layer."""
    weight = np.random.default_rng(classes).normal(size=(classes, channels))
    arrays = {"weight": weight, "bias": np.arange(classes) / 10}
    return [Node("pool", "global_avg_pool", (source,)), Node("linear", "dense", ("pool",), {}, arrays)]


PIXELS = Pixels(3, 8, 8, mean=(0.4, 0.5, 0.6), std=(0.2, 0.25, 0.3))


def residual(pixels: Pixels = PIXELS) -> Graph:
    """A stem, a residual block with a signed linear branch read twice, a concat, a max-pool."""
    nodes = [
        conv("stem", "input", 8, 3),
        norm("stem_bn", "stem", 8),
        Node("stem_relu", "relu", ("stem_bn",)),
        conv("expand", "stem_relu", 16, 8, 1),
        Node("expand_relu", "clip", ("expand",)),
        conv("depthwise", "expand_relu", 16, 16, 3, groups=16),
        Node("depthwise_relu", "clip", ("depthwise",)),
        conv("project", "depthwise_relu", 8, 16, 1),
        Node("add", "add", ("project", "stem_relu")),
        conv("left", "add", 4, 8, 1),
        conv("right", "add", 6, 8, 3),
        Node("both", "concat", ("left", "right")),
        norm("both_bn", "both", 10),
        Node("drop", "identity", ("both_bn",)),
        Node("drop_again", "identity", ("drop",)),
        Node("down", "max_pool", ("drop_again",), {"kernel": (2, 2)}),
        Node("down_relu", "relu", ("down",)),
        *head("down_relu", 10),
    ]
    return Graph(pixels, nodes, "residual")


def drawn(count: int = 24, shape: tuple[int, ...] = (3, 8, 8), seed: int = 1) -> np.ndarray:
    """Images of codes 0..255 that are not all alike."""
    draw = np.random.default_rng(seed)
    return np.clip(draw.normal(draw.uniform(40, 200, (count, 1, 1, 1)), 60, (count, *shape)), 0, 255).astype(np.uint8)
