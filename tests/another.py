"""Somebody else's simulator, whose parts can be got wrong, and a network in which every mistake has a place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

import fsref
import nodes
from fsref.graph.graph import Graph, Node
from fsref.law.populations import FS, Input, MaxPool
from fsref.law.projections import Dense


def network(rounding: str = "nearest", seed: int = 11) -> fsref.Network:
    """Every trap has a place: a normalised RGB image, asymmetric padding, a signed sum read twice, a concat, a
    max-pool, a dense layer over places.
    """
    rng = np.random.default_rng(seed)
    conv = partial(nodes.conv, rng=rng, weight=(0.05, 1.1), bias=(0.1, 0.3))
    parts = [
        conv("stem", "input", 4, 3, 3, padding=(0, 0, 2, 2)),
        Node("stem.relu", "relu", ("stem",)),
        conv("branch", "stem.relu", 4, 4, 3, padding=(1, 1, 1, 1)),
        Node("sum", "add", ("branch", "stem.relu")),
        conv("left", "sum", 2, 4, 3, padding=(1, 1, 1, 1)),
        Node("left.relu", "relu", ("left",)),
        conv("right", "sum", 3, 4, 1),
        Node("right.relu", "relu", ("right",)),
        Node("both", "concat", ("left.relu", "right.relu")),
        conv("join", "both", 4, 5, 3, padding=(1, 1, 1, 1)),
        Node("join.relu", "relu", ("join",)),
        Node("pool", "max_pool", ("join.relu",), {"kernel": (2, 2)}),
        Node("flat", "flatten", ("pool",)),
        Node("head", "dense", ("flat",), {}, {"weight": rng.normal(0, 0.3, (5, 36)), "bias": rng.normal(0, 0.5, 5)}),
    ]
    graph = Graph(fsref.Pixels(3, 6, 6, mean=(0.45, 0.5, 0.4), std=(0.25, 0.3, 0.25)), parts, "traps")
    net = fsref.convert(
        graph, rng.integers(0, 256, (32, 3, 6, 6)), steps={"": 5, "stem": 4, "branch": 6}, rounding=rounding
    )
    stem, *others = net.projections
    weights = stem.weights.astype(np.int64)
    weights[2, 1, 1, 1] = -128
    return replace(net, projections=[replace(stem, weights=weights), *others])


NET = network()


class Other:
    """Somebody else's simulator of the same network: dense integers, population by population; each part can be got
    wrong.
    """

    def __init__(self, net: fsref.Network = NET, **wrong: Callable[..., Any]) -> None:
        self.net, self.wrong = net, wrong

    def right(self, part: str, value: Any, *about: Any) -> Any:
        """The value of a part, or what is wrong with it."""
        return self.wrong[part](value, *about) if part in self.wrong else value

    def projection(self, q: Any, a: np.ndarray) -> np.ndarray:
        """The sum a projection delivers, tap by tap."""
        a = self.right("read", a, q)
        w = np.asarray(self.right("weights", q.weights.astype(np.int64), q))
        if isinstance(q, Dense):
            return ((a.sum(axis=(2, 3)) if q.pooled else a.reshape(len(a), -1)) @ w.T)[:, :, None, None]
        top, left, bottom, right = self.right("padding", q.padding, q)
        wide = np.pad(a, ((0, 0), (0, 0), (top, bottom), (left, right)))
        wide = self.right("wide", wide, a, q)
        stride, dilation = self.right("stride", q.stride, q), self.right("dilation", q.dilation, q)
        places = zip(self.net[q.target].shape[1:], stride, w.shape[2:], dilation, wide.shape[2:], strict=True)
        more = [(0, max(0, (n - 1) * s + (k - 1) * d + 1 - size)) for n, s, k, d, size in places]
        wide = np.pad(wide, ((0, 0), (0, 0), *more))  # what lies beyond the end, where a mistake reads it
        _, height, width = self.net[q.target].shape
        total, group, inputs = np.zeros((len(a), len(w), height, width), np.int64), len(w) // q.groups, w.shape[1]
        for r, c in np.ndindex(*w.shape[2:]):
            rows = np.arange(height) * stride[0] + r * dilation[0]
            columns = np.arange(width) * stride[1] + c * dilation[1]
            read = wide[:, :, rows[:, None], columns]
            for g in range(q.groups):
                own = slice(g * group, (g + 1) * group)
                total[:, own] += np.einsum("bihw,oi->bohw", read[:, g * inputs : (g + 1) * inputs], w[own, :, r, c])
        return total

    def __call__(self, images: np.ndarray) -> dict[str, np.ndarray]:
        assert images.dtype == np.uint8
        codes: dict[str, np.ndarray] = {}
        for p in self.net.populations:
            if isinstance(p, Input):
                codes[p.name] = images.astype(np.int64)
            elif isinstance(p, MaxPool):
                (kh, kw), (sy, sx) = p.kernel, p.stride
                a = self.right("pooled", codes[p.source], p)
                windows = [
                    a[:, :, r : r + sy * p.shape[1] : sy, c : c + sx * p.shape[2] : sx]
                    for r in range(kh)
                    for c in range(kw)
                ]
                codes[p.name] = self.right("pool", np.max(windows, axis=0), np.array(windows), p)
            else:
                bias = p.bias_map
                v = sum(
                    self.projection(q, codes[q.source])
                    for q in self.net.into(p.name).values()
                    if not self.right("left_out", False, q)
                )
                v = v + self.right("bias", bias, p)
                v = self.right("arriving", v, codes, self, p)
                v = self.right("membrane", v, p)
                if isinstance(p, FS):
                    theta = np.broadcast_to(p.table.rows(p.shape[0])[0][:, -1], p.shape[0])[:, None, None]
                    v = self.right("divide", np.clip(v // theta, 0, 2**p.steps - 1), v, theta, p)
                codes["logits" if p is self.net.readout else p.name] = self.right("layout", v, p)
        del codes["input"]
        return codes


def only(name: str, change: Callable[..., Any]) -> Callable[..., Any]:
    """`change` in the population, or the projections into the population, of this name; elsewhere what is right."""

    def part(value: Any, *about: Any) -> Any:
        where = about[-1]
        there = name in (getattr(where, "name", None), getattr(where, "target", None))
        return change(value, *about) if there else value

    return part


def strict(value: Any, v: Any, theta: Any, p: FS) -> Any:
    left, code = v, 0
    for t in range(p.steps):
        fired = left > theta * 2 ** (p.steps - 1 - t)
        left, code = left - fired * theta * 2 ** (p.steps - 1 - t), 2 * code + fired
    return code
