# SPDX-License-Identifier: Apache-2.0
"""The peers of tools/bench.py in PyTorch: a float graph, and an FS network whose neurons are loops over their steps, in
the ways that people write them.

All are float32 in channels_last, batch norms folded, without gradients. Weights and biases of an FS population are
divided by theta, so that T = h = d = 2^(K-1-t) for all of its channels, as these libraries want it; 0.5 / theta more
keeps a membrane that meets its threshold above it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from fsref import FS, Conv2d, Graph, MaxPool, Network, Readout
from fsref.graph.graph import Node
from fsref.law.neuron import base_two, relu_theta
from fsref.law.populations import Population
from fsref.law.projections import Linear, linear

Step = Callable[..., Tensor]  # a node's function of the values it reads


def tensor(values: ArrayLike) -> Tensor:
    """Numbers as float32, images and kernels in channels_last."""
    made = torch.from_numpy(np.array(values, np.float32, order="C"))
    return made.contiguous(memory_format=torch.channels_last) if made.ndim == 4 else made


def padded(x: Tensor, padding: tuple[int, ...], value: float = 0.0) -> Tensor:
    """x with (top, left, bottom, right) more places around it."""
    top, left, bottom, right = padding
    return F.pad(x, (left, right, top, bottom), value=value)


def conv_step(
    weight: Tensor, bias: Tensor | None, padding: tuple[int, ...], stride: Any, dilation: Any, groups: int
) -> Step:
    """A convolution; padding that is the same on both sides is the library's own."""
    top, left, bottom, right = padding
    if (top, left) == (bottom, right):
        return lambda x: F.conv2d(x, weight, bias, stride, (top, left), dilation, groups)
    return lambda x: F.conv2d(padded(x, padding), weight, bias, stride, 0, dilation, groups)


def pool_step(kernel: Any, stride: Any, padding: tuple[int, ...]) -> Step:
    """A max-pool, padded places below every value."""
    return lambda x: F.max_pool2d(padded(x, padding, -torch.inf) if any(padding) else x, kernel, stride)


def node_step(node: Node) -> Step:
    """What a node computes. Errors: KeyError for an operator that no peer here computes."""
    a, w = node.attributes, {name: tensor(array) for name, array in node.arrays.items()}
    bias = w.get("bias")
    made: dict[str, Callable[[], Step]] = {
        "conv": lambda: conv_step(w["weight"], bias, a["padding"], a["stride"], a["dilation"], a["groups"]),
        "dense": lambda: lambda x: F.linear(x.flatten(1), w["weight"], bias)[:, :, None, None],
        "max_pool": lambda: pool_step(a["kernel"], a["stride"], a["padding"]),
        "relu": lambda: torch.relu,
        "clip": lambda: lambda x: torch.clamp(x, a["low"], a["high"]),
        "add": lambda: lambda *xs: reduce(torch.add, xs),
        "concat": lambda: lambda *xs: torch.cat(xs, 1),
        "global_avg_pool": lambda: lambda x: x.mean((2, 3), keepdim=True),
        "flatten": lambda: lambda x: x.flatten(1)[:, :, None, None],
        "pad": lambda: lambda x: F.pad(padded(x, a["padding"]), (0, 0, 0, 0, *a["channels"])),
        "subsample": lambda: lambda x: x[:, :, :: a["stride"][0], :: a["stride"][1]],
        "identity": lambda: lambda x: x,
    }
    return made[node.op]()


class Float:
    """A float graph, node by node, on normalised images (N, C, H, W)."""

    def __init__(self, graph: Graph) -> None:
        self.nodes = [(node.name, node.inputs, node_step(node)) for node in graph.nodes]

    def __call__(self, images: Tensor) -> Tensor:
        """The logits (N, classes)."""
        with torch.inference_mode():
            values = {"input": images}
            for name, inputs, step in self.nodes:
                values[name] = last = step(*(values[source] for source in inputs))
            return last.flatten(1)


class Loop(nn.Module):
    """The FS neuron as a loop over its K steps, as its authors write it: opening membranes to values (N, C, H, W)."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.weights = base_two(steps).tolist()

    def forward(self, v: Tensor) -> Tensor:
        """The sum of d over the steps that fire; v is used up."""
        total = torch.zeros_like(v)
        for weight in self.weights:
            z = (v >= weight).to(v.dtype)
            total.add_(z, alpha=weight)
            v.sub_(z, alpha=weight)
        return total


class Planes(Loop):
    """The FS neuron that sends a plane (N, C, H, W) of weighted spikes per step: planes that came in to K planes."""

    def forward(self, x: Tensor) -> Tensor:
        """The planes (K, N, C, H, W), d where the neuron fires."""
        v = x.sum(0)
        sent = torch.empty((len(self.weights), *v.shape), dtype=v.dtype).contiguous()
        for plane, weight in zip(sent, self.weights, strict=True):
            z = (v >= weight).to(v.dtype)
            torch.mul(z, weight, out=plane)
            v.sub_(plane)
        return sent


class Jelly(nn.Module):
    """SpikingJelly's FewSpikeNode with the table of an FS-ReLU, single-step or multi-step."""

    def __init__(self, steps: int, mode: str) -> None:
        super().__init__()
        from spikingjelly.activation_based.neuron import FewSpikeNode, FewSpikeTable

        powers = torch.tensor(base_two(steps), dtype=torch.float32)
        self.steps, self.node = steps, FewSpikeNode(FewSpikeTable(powers, powers, powers), step_mode=mode).eval()

    def forward(self, x: Tensor) -> Tensor:
        """What the node gives; of another number of planes, their sum counts, in equal parts."""
        if self.node.step_mode == "m" and len(x) != self.steps:
            x = (x.sum(0, keepdim=True) / self.steps).expand(self.steps, *x.shape[1:])
        made: Tensor = self.node(x)
        return made


class Spiking:
    """An FS network of FS-ReLUs on codes (N, C, H, W): `neuron` makes the neuron of a population with K steps. With
    `planes` every projection runs once for every step of its source.

    Errors: ValueError naming a population of another table.
    """

    def __init__(self, net: Network, neuron: Callable[[int], nn.Module], planes: bool) -> None:
        self.net, self.planes = net, planes
        self.projections = {q: _projection(net, q) for q in linear(net.projections)}
        integrating: list[FS | Readout] = [*net.fs, net.readout]
        self.bias = {p.name: tensor(_bias(p)) for p in integrating}
        self.neurons = {p.name: neuron(p.steps) for p in net.fs}
        pools = [p for p in net.populations if isinstance(p, MaxPool)]
        self.pools = {p.name: pool_step(p.kernel, p.stride, p.padding) for p in pools}

    def __call__(self, images: Tensor) -> Tensor:
        """The logits (N, classes), up to float32."""
        with torch.inference_mode():
            values = {self.net.input.name: self._sent(images, self.net.input.steps)}
            for p in self.net.populations[1:]:
                if isinstance(p, MaxPool):
                    pool, source = self.pools[p.name], values[p.source]
                    whole = pool(source.sum(0) if self.planes else source)
                    values[p.name] = self._sent(whole, self.net.steps[p.name])
                    continue
                total = self._total(values, p.name)
                values[p.name] = self.neurons[p.name](total) if isinstance(p, FS) else total
            return (total.sum(0) if self.planes else total).flatten(1)

    def _sent(self, codes: Tensor, steps: int) -> Tensor:
        """Codes as they are, or as planes of weighted spikes."""
        if not self.planes:
            return codes
        powers = torch.tensor(base_two(steps), dtype=torch.float32).reshape(-1, 1, 1, 1, 1)
        return torch.floor(codes / powers).remainder_(2).mul_(powers)

    def _total(self, values: dict[str, Tensor], name: str) -> Tensor:
        """What arrives at a population, its bias among it; planes are kept apart where all its sources send as many."""
        parts = []
        for q in linear(self.net.into(name).values()):
            x = values[q.source]
            part = self.projections[q](x.flatten(0, 1) if self.planes else x)
            parts.append(part.unflatten(0, x.shape[:2]) if self.planes else part)
        if self.planes and len({len(part) for part in parts}) > 1:
            parts = [part.sum(0, keepdim=True) for part in parts]
        total = reduce(torch.add, parts)
        return total.add_(self.bias[name] / (len(total) if self.planes else 1))


def _theta(p: Population) -> NDArray[np.float64]:
    """theta of a population, (C,) or (1,), 1 of a readout. Errors: ValueError."""
    if not isinstance(p, FS):
        return np.ones(1)
    theta = relu_theta(p.table)
    if theta is None:
        raise ValueError(f"{p.name} is no FS-ReLU")
    return np.atleast_1d(theta.astype(np.float64))


def _bias(p: FS | Readout) -> NDArray[np.float64]:
    """The bias (1, C, H or 1, W or 1) of a population in units of theta."""
    return np.asarray((p.bias_map + 0.5 * isinstance(p, FS)) / _theta(p)[:, None, None])[None]


def _projection(net: Network, q: Linear) -> Step:
    """What a projection delivers, in units of the target's theta."""
    theta = _theta(net[q.target])
    weight = tensor(q.weights / theta.reshape(-1, *[1] * (q.weights.ndim - 1)))
    if isinstance(q, Conv2d):
        if q.weights.shape[1:] == (1, 1, 1) and q.groups == len(q.weights) and not any(q.padding):
            factors, (y, x) = weight.reshape(1, -1, 1, 1), q.stride
            return lambda a: a[:, :, ::y, ::x] * factors
        return conv_step(weight, None, q.padding, q.stride, q.dilation, q.groups)
    if q.pooled:
        return lambda a: F.linear(a.sum((2, 3)), weight)[:, :, None, None]
    return lambda a: F.linear(a.flatten(1), weight)[:, :, None, None]
