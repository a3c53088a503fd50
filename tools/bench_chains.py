# SPDX-License-Identifier: Apache-2.0
"""Chains of equal convolutions whose neurons send as many spikes as asked for: what tools/bench.py fits costs to."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bench_networks import Subject
from fsref import FS, Conv2d, Dense, Graph, Input, Network, Pixels, Readout, fs_relu
from fsref.graph.arithmetic import conv2d
from fsref.graph.graph import Node

LAYERS, STEPS, CLASSES, IMAGES = 6, 8, 10, 8
SIDES = {16: 32, 32: 24, 64: 16, 128: 12, 256: 8}  # about as many neurons whatever the channels
SPIKES = (0.1, 0.25, 0.5, 1.0, 2.0, 4.0)  # per neuron
LEVELS = 32  # theta is a standard deviation of the sums by this, as in networks that were trained
PADDING = (1, 1, 1, 1)


def chain(channels: int, spikes: float) -> Subject:
    """Six 3 x 3 convolutions of so many channels at K = 8, each with about so many spikes per neuron."""
    side, rng = SIDES[channels], np.random.default_rng(channels)
    shape = (channels, side, side)
    bits = rng.random((IMAGES, *shape, STEPS)) < spikes / STEPS
    images = np.packbits(bits, axis=-1)[..., 0]
    codes, source = images.astype(np.float32), "input"
    populations: list[Input | FS | Readout] = [Input("input", shape, STEPS)]
    projections: list[Conv2d | Dense] = []
    nodes: list[Node] = []
    for layer in range(LAYERS):
        name = f"conv{layer}"
        weights = np.clip(np.round(rng.normal(0, 25, (channels, channels, 3, 3))), -127, 127).astype(np.int8)
        sums = conv2d(codes, weights.astype(np.float32), padding=PADDING)
        bias, theta, codes = _opened(sums, spikes)
        populations.append(FS(name, shape, fs_relu(STEPS, theta), bias))
        projections.append(Conv2d(source, name, weights, padding=PADDING))
        real = {"weight": weights / np.float32(theta), "bias": bias / theta}
        nodes.append(Node(f"{name}.sum", "conv", (source,), {"padding": PADDING}, real))
        nodes.append(Node(name, "relu", (f"{name}.sum",)))
        source = name
    last = rng.integers(-127, 128, (CLASSES, channels)).astype(np.int8)
    populations.append(Readout("logits", (CLASSES, 1, 1)))
    projections.append(Dense(source, "logits", last, pooled=True))
    nodes.append(Node("mean", "global_avg_pool", (source,)))
    nodes.append(Node("logits", "dense", ("mean",), {}, {"weight": last.astype(np.float32)}))
    name = f"chain of {channels} channels, {spikes:g} spikes"
    graph = Graph(Pixels(*shape, scale=1.0), tuple(nodes), name)
    net = Network(populations, projections, name)
    return Subject(name, graph, (STEPS,), (IMAGES,), images, images, "drawn codes", nets={STEPS: net})


def _opened(sums: NDArray[np.float32], spikes: float) -> tuple[NDArray[np.int64], int, NDArray[np.float32]]:
    """Bias (C,) and theta with which a layer of these sums (B, C, H, W) sends so many spikes per neuron; its codes."""
    middle = sums.mean(axis=(0, 2, 3), keepdims=True)
    spread = float(sums.std())
    theta = max(1, round(spread / LEVELS))

    def codes(offset: float) -> NDArray[np.uint8]:
        level = np.floor((sums - middle + offset * spread) / theta)
        made: NDArray[np.uint8] = np.clip(level, 0, 2**STEPS - 1).astype(np.uint8)
        return made

    low, high = -8.0, 8.0
    for _ in range(30):
        offset = (low + high) / 2
        few = np.bitwise_count(codes(offset)).mean() < spikes
        low, high = (offset, high) if few else (low, offset)
    bias = np.round(offset * spread - middle[0, :, 0, 0]).astype(np.int64)
    return bias, theta, codes(offset).astype(np.float32)
