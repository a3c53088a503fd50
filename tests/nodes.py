"""Nodes of float graphs with drawn weights, for graphs made by hand."""

from __future__ import annotations

from typing import Any

import numpy as np

from fsref.graph.graph import Node


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
    drawn = rng if isinstance(rng, np.random.Generator) else np.random.default_rng([rng, outputs, inputs, kernel])
    shape, (mean, spread) = (outputs, inputs // groups, kernel, kernel), weight
    arrays = {"weight": drawn.normal(mean, spread / np.sqrt(np.prod(shape[1:])), shape)}
    if bias is not None:
        arrays["bias"] = drawn.normal(*bias, outputs)
    return Node(name, "conv", (source,), {"padding": (kernel // 2,) * 4, "groups": groups, **attributes}, arrays)


def norm(name: str, source: str, channels: int, seed: int = 0) -> Node:
    """A batch norm with drawn statistics."""
    drawn = np.random.default_rng([seed, channels, 7])
    arrays = {"mean": drawn.normal(size=channels) * 0.2, "variance": drawn.uniform(0.5, 2, channels)}
    arrays |= {"gain": drawn.uniform(0.5, 1.5, channels), "offset": drawn.normal(size=channels) * 0.2}
    return Node(name, "batch_norm", (source,), {}, arrays)


def head(source: str, channels: int, classes: int = 5) -> list[Node]:
    """The mean over all places and a dense layer."""
    weight = np.random.default_rng(classes).normal(size=(classes, channels))
    arrays = {"weight": weight, "bias": np.arange(classes) / 10}
    return [Node("pool", "global_avg_pool", (source,)), Node("linear", "dense", ("pool",), {}, arrays)]
