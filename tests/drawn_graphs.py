"""Small float graphs that can be converted, drawn form by form, with images: what tests of the conversion are run on.

Structure is drawn by Hypothesis and shrinks; the numbers come from a drawn seed, scaled so that activations are neither
silent nor saturated.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from fsref.graph.graph import Graph, Node
from fsref.graph.operators import OPERATORS
from fsref.law.images import Pixels
from fsref.law.projections import window_shape

FORMS = frozenset(
    " ".join(form.split())
    for form in """
    conv, stride, padding, asymmetric padding, dilation, groups, depthwise, no bias, dead channel, batch_norm,
    affine, offset, pre-activation, residual, linear residual, option A, concat, dense concat, grouped concat, max_pool,
    pool before activation, padded max_pool, avg_pool, padded avg_pool, pad, subsample, identity, global_avg_pool,
    pooled conv, flatten, hidden dense, conv head, mean of logits, relu, clip, signed clip, raised clip, quantise
    nearest, quantise floor, hard_sigmoid, signed, BGR, L, mean, wide codes
    """.split(",")
)


@dataclass(frozen=True, eq=False)
class Drawn:
    """A graph, images (B, C, H, W) of codes for it, and the names of the forms it has."""

    graph: Graph
    images: np.ndarray[Any, Any]
    has: frozenset[str]

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:  # what Hypothesis shows of a failure
        printer.text(repr(self))

    def __repr__(self) -> str:
        lines = [f"Drawn {self.graph.input}"]
        return "\n".join(
            [*lines, *(f"  {n.name} = {n.op}({', '.join(n.inputs)}) {dict(n.attributes)}" for n in self.graph.nodes)]
        )


class _Drawing:
    """A graph in the making; methods add nodes and return the name of the value they make."""

    def __init__(self, draw: DrawFn, pixels: Pixels, rng: np.random.Generator, has: set[str]) -> None:
        self.draw, self.rng, self.has = draw, rng, has
        self.nodes: list[Node] = []
        self.shapes = {"input": pixels.shape}
        self.poolable = {"input"} if pixels.order != "BGR" else set()
        self.flat = False

    def one(self, *choices: Any) -> Any:
        return self.draw(st.sampled_from(choices))

    def upto(self, low: int, high: int) -> int:
        return self.draw(st.integers(low, high))

    def add(self, op: str, *inputs: str, arrays: dict[str, Any] | None = None, **attributes: Any) -> str:
        name = f"{op}{len(self.nodes)}"
        node = Node(name, op, inputs, attributes, {k: np.asarray(v, np.float32) for k, v in (arrays or {}).items()})
        self.nodes.append(node)
        self.shapes[name] = OPERATORS[op].shape(node.attributes, node.arrays, *(self.shapes[i] for i in inputs))
        return name

    def weights(self, *shape: int, fan_in: int) -> dict[str, Any]:
        """Weights of which sums of `fan_in` neither vanish nor grow, channels of different size, and a bias, or
        none.
        """
        w = self.rng.normal(0.1, 1.2 / np.sqrt(fan_in), shape) * np.exp(
            self.rng.normal(0, 0.4, (shape[0], *[1] * (len(shape) - 1)))
        )
        if self.one(*[False] * 9, True):
            w[self.upto(0, shape[0] - 1)] = 0
            self.has.add("dead channel")
        if self.one(False, False, True):
            self.has.add("no bias")
            return {"weight": w}
        return {"weight": w, "bias": self.rng.normal(0.1, 0.3, shape[0])}

    def conv(
        self,
        x: str,
        outputs: int | None = None,
        same: bool = False,
        stride: int | None = None,
        groups: int | None = None,
    ) -> str:
        """A convolution; `same` keeps the places, up to `stride`."""
        channels, height, width = self.shapes[x]
        groups = groups or self.one(
            *[g for g in range(1, channels + 1) if channels % g == 0 and (outputs is None or outputs % g == 0)]
        )
        outputs = outputs or groups * self.upto(1, max(1, 5 // groups))
        if same:
            k = self.one(1, 3)
            kernel, padding, steps, dilation = (k, k), (k // 2,) * 4, (stride or 1,) * 2, (1, 1)
        else:
            kernel, steps, dilation = (
                (self.upto(1, 3), self.upto(1, 3)),
                (self.upto(1, 2), self.upto(1, 2)),
                (self.upto(1, 2), self.upto(1, 2)),
            )
            padding = tuple(self.one(0, 1, 1, 2) for _ in range(4))
            if min(window_shape((channels, height, width), kernel, steps, padding, dilation)) < 1:
                kernel = (1, 1)
        self.has |= {"conv"}
        self.has |= {"stride"} if max(steps) > 1 else set()
        self.has |= {"padding"} if any(padding) else set()
        self.has |= {"asymmetric padding"} if padding[:2] != padding[2:] else set()
        self.has |= {"dilation"} if max(dilation) > 1 and max(kernel) > 1 else set()
        self.has |= {"depthwise"} if groups == channels > 1 else {"groups"} if groups > 1 else set()
        arrays = self.weights(outputs, channels // groups, *kernel, fan_in=channels // groups * kernel[0] * kernel[1])
        return self.add("conv", x, arrays=arrays, stride=steps, padding=padding, dilation=dilation, groups=groups)

    def norm(self, x: str, positive: bool = False) -> str:
        """A batch norm or affine, or nothing."""
        c, kind = self.shapes[x][0], self.one("batch_norm", "batch_norm", "affine", "offset", "")
        if not kind:
            return x
        self.has.add(kind)
        gain = self.rng.uniform(0.6, 1.5, c) * (1 if positive else self.rng.choice([1, 1, 1, -1], c))
        arrays = {"gain": gain, "offset": self.rng.normal(0.2, 0.3, c)}
        if kind == "offset":
            return self.add("offset", x, arrays={"map": self.rng.normal(0, 0.3, self.shapes[x])})
        if kind == "affine":
            return self.add("affine", x, arrays=arrays)
        return self.add(
            "batch_norm",
            x,
            arrays={**arrays, "mean": self.rng.normal(0, 0.2, c), "variance": self.rng.uniform(0.3, 2, c)},
            eps=1e-3,
        )

    def activate(self, x: str, signed: bool = True) -> str:
        """An activation, or none."""
        kinds = ["relu", "relu", "relu", "clip", "signed clip", "raised clip", "quantise", "hard_sigmoid"] + [
            "signed"
        ] * signed
        kind = self.one(*kinds)
        if kind == "signed":
            self.has.add(kind)
            return x
        if kind == "quantise":
            levels, rounding = self.one(1, 3, 7, 15, 4, 5, 10), self.one("nearest", "floor")
            self.has.add(f"quantise {rounding}")
            made = self.add("quantise", x, alpha=float(self.rng.uniform(0.8, 3)), levels=levels, rounding=rounding)
            self.poolable |= {made} if (levels + 1).bit_count() == 1 else set()
            return made
        self.has.add(kind)
        ends = {"clip": (0.0, 6.0), "signed clip": (-1.0, 1.5), "raised clip": (0.25, 2.0)}
        slopes = {"slope": self.one(1 / 6, 0.3, -0.4)} if kind == "hard_sigmoid" else {}
        made = (
            self.add("clip", x, low=ends[kind][0], high=ends[kind][1]) if kind in ends else self.add(kind, x, **slopes)
        )
        self.poolable.add(made)
        return made

    def plain(self, x: str) -> str:
        """conv, norm, activation."""
        return self.activate(self.norm(self.conv(x)))

    def pre_activation(self, x: str) -> str:
        """norm and activation of what is there already."""
        self.has.add("pre-activation")
        return self.activate(self.norm(x), signed=False)

    def residual(self, x: str) -> str:
        """x + f(x), of the same shape."""
        self.has.add("residual")
        y = self.norm(self.conv(self.activate(self.conv(x, same=True)), self.shapes[x][0], same=True))
        total = self.add("add", *self.one((x, y), (y, x)))
        if self.one(False, False, True):
            self.has.add("linear residual")
            return total
        return self.activate(total)

    def option_a(self, x: str) -> str:
        """The parameter-free skip that halves places and adds channels."""
        self.has |= {"option A", "subsample"}
        channels = self.shapes[x][0]
        before, after = self.upto(0, 1), self.upto(1, 2)
        y = self.norm(self.conv(x, before + channels + after, same=True, stride=2))
        skip = self.add("pad", self.add("subsample", x), channels=(before, after))
        return self.activate(self.add("add", y, skip))

    def concat(self, x: str) -> str:
        """Several values side by side, of which x may be one."""
        parts = [self.activate(self.norm(self.conv(x, same=True))) for _ in range(self.upto(1, 2))]
        self.has.add("concat")
        if len(parts) == 1 or self.one(False, True):
            self.has.add("dense concat")
            parts.insert(self.upto(0, len(parts)), x)
        joined = self.add("concat", *parts)
        match self.one("", "norm", "groups", "groups"):
            case "norm":
                return self.pre_activation(joined)
            case "groups":
                self.has.add("grouped concat")
                channels = self.shapes[joined][0]
                return self.activate(
                    self.conv(joined, groups=self.one(*[g for g in range(1, channels + 1) if channels % g == 0]))
                )
        return joined

    def window(self, x: str, largest: int) -> dict[str, Any]:
        """Kernel, stride and padding of a pool."""
        kernel = tuple(self.upto(1, min(3, side)) for side in self.shapes[x][1:])
        return {
            "kernel": kernel,
            "stride": (self.upto(1, 2), self.upto(1, 2)),
            "padding": tuple(self.upto(0, min(largest, k - 1)) for k in (*kernel, *kernel)),
        }

    def max_pool(self, x: str) -> str:
        """A max-pool of something that is active, or with the activation after it."""
        self.has.add("max_pool")
        if self.one(False, True):
            self.has.add("pool before activation")
            y = self.add("max_pool", self.conv(x, same=True), **self.window(x, 1))
            made = self.add("relu", self.norm(y, positive=True))
            self.poolable.add(made)
            return made
        if x not in self.poolable:
            x = self.add("relu", x)
        about = self.window(x, 1)
        self.has |= {"padded max_pool"} if any(about["padding"]) else set()
        made = self.add("max_pool", x, **about)
        self.poolable.add(made)
        return made

    def avg_pool(self, x: str) -> str:
        about = self.window(x, 2)
        self.has |= {"avg_pool"} | ({"padded avg_pool"} if any(about["padding"]) else set())
        made = self.add("avg_pool", x, **about)
        return self.activate(made) if self.one(False, True) else made

    def other(self, x: str) -> str:
        """A node that only moves values."""
        kind = self.one("pad", "subsample", "identity")
        self.has.add(kind)
        if kind == "pad":
            return self.add("pad", x, padding=tuple(self.upto(0, 2) for _ in range(4)))
        return self.add(kind, x)

    def dense(self, x: str, outputs: int) -> str:
        return self.add("dense", x, arrays=self.weights(outputs, self.shapes[x][0], fan_in=self.shapes[x][0]))

    def head(self, x: str) -> None:
        """From the last value to the logits."""
        classes, kind = (
            self.upto(2, 4),
            self.one(
                "global_avg_pool", "global_avg_pool", "flatten", "flatten", "conv head", "mean of logits", "pooled conv"
            ),
        )
        self.has.add(kind)
        if kind == "conv head":
            channels, *kernel = self.shapes[x]
            self.add(
                "conv", x, arrays=self.weights(classes, channels, *kernel, fan_in=channels * kernel[0] * kernel[1])
            )
            return
        if kind == "mean of logits":
            self.add("global_avg_pool", self.conv(x, classes, groups=1))
            return
        if kind == "pooled conv":
            x = self.add("global_avg_pool", x)
            self.add("conv", x, arrays=self.weights(classes, self.shapes[x][0], 1, 1, fan_in=self.shapes[x][0]))
            return
        x = self.add(kind, x)
        if kind == "global_avg_pool" and self.one(False, True):
            x = self.add("flatten", x)
        if self.one(False, False, True):
            self.has.add("hidden dense")
            x = self.activate(self.dense(x, self.upto(2, 6)))
        self.dense(x, classes)


@st.composite
def contracts(draw: DrawFn, has: set[str] | None = None) -> Pixels:
    """Input contracts of 1..4 channels and 3..7 places a side."""
    channels = draw(st.sampled_from([1, 3, 3, 2, 4]))
    side, numbers = st.integers(3, 7), st.integers(20, 80).map(lambda n: n / 100)
    mean = draw(st.one_of(st.just(0.0), st.tuples(*[numbers] * channels)))
    std = draw(st.one_of(st.just(1.0), st.tuples(*[numbers] * channels)))
    max_code = draw(st.sampled_from([255, 255, 255, 16, 15, 7, 1000]))
    order = draw(st.sampled_from(["RGB", "BGR"])) if channels == 3 else ""
    if has is not None:
        has |= {order} if order == "BGR" else {"L"} if channels == 1 else set()
        has |= ({"mean"} if mean else set()) | ({"wide codes"} if max_code > 255 else set())
    return Pixels(
        channels, draw(side), draw(side), mean=mean, std=std, scale=1 / max_code, max_code=max_code, order=order
    )


@st.composite
def graphs(draw: DrawFn, min_blocks: int = 1, max_blocks: int = 4, images: int = 8) -> Drawn:
    """Graphs of min_blocks..max_blocks blocks of every form that converts, with images of codes."""
    has: set[str] = set()
    pixels = draw(contracts(has))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    drawing = _Drawing(draw, pixels, rng, has)
    x = "input"
    for _ in range(draw(st.integers(min_blocks, max_blocks))):
        form = draw(
            st.sampled_from(
                [
                    "plain",
                    "plain",
                    "residual",
                    "option_a",
                    "concat",
                    "max_pool",
                    "max_pool",
                    "avg_pool",
                    "pre_activation",
                    "other",
                    "other",
                ]
            )
        )
        x = getattr(drawing, form)(x)
    drawing.head(x)
    codes = rng.integers(0, pixels.max_code + 1, (images, *pixels.shape))
    codes[0], codes[-1] = 0, pixels.max_code
    return Drawn(
        Graph(pixels, tuple(drawing.nodes), "drawn"),
        codes.astype(np.uint8 if pixels.max_code < 256 else np.int32),
        frozenset(has),
    )
