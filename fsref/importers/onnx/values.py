"""Values of an ONNX model on their way into a float graph: which of B, C, H, W each ONNX axis runs over, and the nodes
made so far (GRAPH-7).

A graph knows values (C, H, W) and nothing else; ONNX moves and joins axes freely. So a reshape or a transpose makes no
node: it changes what the axes of a value stand for, and whoever reads the value next asks for the form it needs.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fsref.errors import GraphError
from fsref.graph.arithmetic import rounded_end
from fsref.graph.graph import Node
from fsref.graph.operators import OPERATORS, Floats, Misfit
from fsref.law.populations import Shape

Numbers = NDArray[Any]
NEAR = 1e-6  # relative: float32 constants such as 1/6 miss the number they mean by this little
NOT_NEGATIVE = ("relu", "sigmoid", "hard_sigmoid", "quantise")
KEEP_SIGN = ("add", "mul", "concat", "max_pool", "avg_pool", "global_avg_pool", "flatten", "subsample", "identity")
TIES = "ties round half to even in ONNX, up here"


class Unmapped(Exception):
    """An operator that has no form in a float graph: what is wrong with it, and the nearest form that has one."""

    def __init__(self, problem: str = "", nearest: str = "") -> None:
        self.problem, self.nearest = problem, nearest
        super().__init__(problem, nearest)


@dataclass(frozen=True)
class Rounded:
    """An integer that no node gives yet: clip(R(gain * x + offset), low, high) of the node `base`; R is floor, or
    rounds to the nearest.
    """

    base: str
    gain: float
    offset: float
    nearest: bool
    path: str
    low: float = -math.inf
    high: float = math.inf


@dataclass(frozen=True)
class Value:
    """An ONNX value: the node it stands for, that node's shape, and per ONNX axis the letters of B, C, H, W it runs
    over, of those not of size 1.

    `whole` says that ONNX holds it in an integer type, whose arithmetic is another.
    """

    name: str
    shape: Shape
    axes: tuple[str, ...]
    rounded: Rounded | None = None
    whole: bool = False


@dataclass
class Builder:
    """The nodes made so far. `path` is the ONNX operator at work: nodes are named after it."""

    batch: int
    shapes: dict[str, Shape]
    nodes: dict[str, Node] = field(default_factory=dict)
    not_negative: set[str] = field(default_factory=set)
    notes: Counter[str] = field(default_factory=Counter)
    made: dict[tuple[Rounded, float, float], str] = field(default_factory=dict)
    origins: dict[str, tuple[Rounded, float, float]] = field(default_factory=dict)  # of nodes that `settled` gave
    grids: dict[str, tuple[float, float, float]] = field(
        default_factory=dict
    )  # of values that are integers, low to high, times a step: step, low, high
    stems: dict[str, str] = field(default_factory=dict)  # of names that bear a number, since the plain one was taken
    path: str = ""

    def sizes(self, shape: Shape) -> dict[str, int]:
        """The size of each letter."""
        return dict(zip("BCHW", (self.batch, *shape), strict=True))

    def shape_of(self, value: Value) -> tuple[int, ...]:
        """The shape ONNX gives a value."""
        sizes = self.sizes(value.shape)
        return tuple(math.prod(sizes[letter] for letter in letters) for letters in value.axes)

    def value(self, name: str, axes: Sequence[str]) -> Value:
        """The value of a node, its axes running over these letters."""
        sizes = self.sizes(self.shapes[name])
        return Value(
            name,
            self.shapes[name],
            tuple("".join(letter for letter in letters if sizes[letter] > 1) for letters in axes),
        )

    def add(
        self,
        op: str,
        inputs: Sequence[str],
        attributes: dict[str, Any] | None = None,
        arrays: dict[str, Numbers] | None = None,
        part: str = "",
    ) -> str:
        """Make a node named after the operator at work, `part` added when it is only a part of it; its name."""
        stem, number = f"{self.path}/{part}" if part else self.path, 1
        name = stem
        while name in self.shapes:
            number += 1
            name = f"{stem}#{number}"
            self.stems[name] = stem
        given = {
            key: array.astype(np.float32) if array.dtype.kind not in "iuf" else array
            for key, array in (arrays or {}).items()
        }
        node = Node(name, op, tuple(inputs), attributes or {}, given)
        try:
            self.shapes[name] = OPERATORS[op].shape(
                node.attributes, node.arrays, *(self.shapes[source] for source in inputs)
            )
        except Misfit as misfit:
            raise GraphError("GRAPH-3", name, *misfit.args) from None
        self.nodes[name] = node
        if (
            op in NOT_NEGATIVE
            or (op == "clip" and node.attributes["low"] >= 0)
            or (op in KEEP_SIGN and self.not_negative.issuperset(inputs))
        ):
            self.not_negative.add(name)
        self._keep_grid(node)
        return name

    def _keep_grid(self, node: Node) -> None:
        """Note that a node keeps its values on the grid that those it reads are on."""
        grids = [self.grids[name] for name in node.inputs if name in self.grids]
        if len(grids) != len(node.inputs) or len({step for step, _, _ in grids}) > 1:
            return
        step, low, high = grids[0][0], min(low for _, low, _ in grids), max(high for _, _, high in grids)
        if node.op in ("max_pool", "flatten", "subsample", "identity", "concat"):
            self.grids[node.name] = step, low, high
        elif node.op == "relu":
            self.grids[node.name] = step, max(low, 0), max(high, 0)
        elif node.op == "pad" and node.attributes["value"] == 0:
            self.grids[node.name] = step, min(low, 0), max(high, 0)

    def apply(
        self,
        op: str,
        value: Value,
        attributes: dict[str, Any] | None = None,
        arrays: dict[str, Numbers] | None = None,
        part: str = "",
    ) -> Value:
        """A node that works on each number, or each channel, alone: the axes stay as they are."""
        return replace(value, name=self.add(op, [value.name], attributes, arrays, part))

    def kept(self, last: str) -> tuple[Node, ...]:
        """The nodes that `last` depends on, in order; numbers that names no longer need are taken off."""
        read = {last}
        for node in reversed(self.nodes.values()):
            if node.name in read:
                read.update(node.inputs)
        names = {name: name for name in self.shapes if name in read}
        taken = set(names)
        for name in names:
            if (stem := self.stems.get(name, name)) not in taken:
                names[name] = stem
                taken.add(stem)
        nodes = [node for node in self.nodes.values() if node.name in names]
        return tuple(
            replace(node, name=names[node.name], inputs=tuple(names[source] for source in node.inputs))
            for node in nodes
        )

    # Axes
    # ------------------------------------------------------------------------------

    def regroup(self, value: Value, target: Sequence[int]) -> Value:
        """The value reshaped to the ONNX shape `target`."""
        sizes, letters, axes = self.sizes(value.shape), list("".join(value.axes)), []
        shape = " x ".join(map(str, target))
        for size in target:
            taken, product = "", 1
            while product < size and letters:
                taken += letters.pop(0)
                product *= sizes[taken[-1]]
            if product != size:
                raise Unmapped(
                    f"reshapes {self._form(value)} to {shape}, which splits an axis or makes another number of values",
                    "flatten, or axes of size 1",
                )
            axes.append(taken)
        if letters:
            raise Unmapped(
                f"reshapes {self._form(value)} to {shape}, another number of values", "flatten, or axes of size 1"
            )
        return replace(value, axes=tuple(axes))

    def _form(self, value: Value) -> str:
        return " x ".join(
            f"{size}{f' ({letters})' if letters else ''}"
            for size, letters in zip(self.shape_of(value), value.axes, strict=True)
        )

    def layout(self, value: Value) -> str:
        """The order BCHW or BHWC that the four axes of a value have."""
        for order in ("BCHW", "BHWC"):
            if len(value.axes) == 4 and all(
                letters in ("", letter) for letters, letter in zip(value.axes, order, strict=True)
            ):
                return order
        raise Unmapped(f"reads {self._form(value)}", "an image N x C x H x W")

    def image(self, value: Value) -> str:
        """The node of a value N x C x H x W."""
        if any(len(letters) > 1 for letters in value.axes):
            value = self.flattened(value)
        if self.layout(value) != "BCHW":
            raise Unmapped(f"reads {self._form(value)}", "an image N x C x H x W")
        return value.name

    def joined(self, value: Value) -> str:
        """The letters, batch apart, of the one axis that holds all of an image's values."""
        axes = [letters for letters in value.axes if letters not in ("", "B")]
        if len(axes) > 1 or any("B" in letters for letters in (*axes, *value.axes[1:])):
            raise Unmapped(f"reads {self._form(value)}", "an image flattened to N values")
        return axes[0] if axes else ""

    def flattened(self, value: Value) -> Value:
        """The value with its one axis as the channels of (N, 1, 1)."""
        letters = self.joined(value)
        if list(letters) != sorted(letters):
            raise Unmapped(
                f"reads {self._form(value)}", "a flatten in the order C, H, W, or a dense layer right after it"
            )
        if value.shape[1:] == (1, 1):
            return value
        return self.value(
            self.add("flatten", [value.name], part="flatten"),
            ["C" if axis == letters and axis else axis for axis in value.axes],
        )

    def order(self, value: Value) -> NDArray[np.int64] | None:
        """For each place on the one axis of a value, its index in C, H, W order; None when they are the same."""
        letters = self.joined(value)
        if list(letters) == sorted(letters):
            return None
        sizes = self.sizes(value.shape)
        kept = sorted(letters)
        indices = np.arange(math.prod(value.shape), dtype=np.int64).reshape([sizes[letter] for letter in kept])
        return indices.transpose([kept.index(letter) for letter in letters]).ravel()

    # Constants
    # ------------------------------------------------------------------------------

    def per_channel(self, value: Value, array: Numbers) -> tuple[Value, Floats]:
        """The value, flattened if it has to be, and a constant that meets it as one number per channel."""
        numbers = np.asarray(array, np.float64)
        if not np.isfinite(numbers).all():
            raise Unmapped(
                (
                    "has a constant that is not finite, first at index "
                    f"{tuple(np.argwhere(~np.isfinite(numbers))[0].tolist())}"
                ),
                "finite numbers",
            )
        shape, sizes = self.shape_of(value), self.sizes(value.shape)
        dims = (1,) * (len(shape) - numbers.ndim) + numbers.shape
        wide = (
            [d != 1 and (d != s or "B" in letters) for d, s, letters in zip(dims, shape, value.axes, strict=True)]
            if len(dims) == len(shape)
            else [True]
        )
        if any(wide):
            raise Unmapped(
                f"has a constant of shape {numbers.shape} that does not meet {self._form(value)}",
                "one number, or one per channel",
            )
        letters = "".join(letters for letters in value.axes if "B" not in letters)
        spread = [
            sizes[a] if d != 1 else 1 for d, axis in zip(dims, value.axes, strict=True) for a in axis if "B" not in axis
        ]
        kept = [a for a in "CHW" if a in letters]
        full = numbers.reshape(spread).transpose([letters.index(a) for a in kept])
        full = full.reshape([full.shape[kept.index(a)] if a in kept else 1 for a in "CHW"])
        if not (full == full[:, :1, :1]).all():
            flat = self.flattened(value) if any(len(axis) > 1 for axis in value.axes) else None
            if flat is None:
                raise Unmapped("has a constant that differs from place to place", "one number, or one per channel")
            return flat, np.broadcast_to(full, value.shape).ravel()
        return value, np.broadcast_to(full[:, 0, 0], value.shape[:1])

    def affine(self, value: Value, gain: Floats | float, offset: Floats | float, part: str = "") -> Value:
        """value * gain + offset per channel, joined with an affine node before it; the value itself when that changes
        nothing.
        """
        c = value.shape[:1]
        gain, offset = np.broadcast_to(np.float64(gain), c), np.broadcast_to(np.float64(offset), c)
        before = self.nodes.get(value.name)
        if before is not None and before.op == "affine":
            offset = gain * before.arrays["offset"] + offset
            gain = gain * before.arrays["gain"]
            value = replace(value, name=before.inputs[0])
        if (np.abs(gain - 1) <= NEAR).all() and not offset.any():
            return value
        return self.apply("affine", value, {}, {"gain": gain, "offset": offset}, part)

    def behind_affine(self, name: str) -> tuple[float, float, str]:
        """(gain, offset, name before) of an affine node that is the same for all channels; else 1, 0 and the name
        itself.
        """
        node = self.nodes.get(name)
        if node is not None and node.op == "affine":
            gain, offset = node.arrays["gain"], node.arrays["offset"]
            if (gain == gain[0]).all() and (offset == offset[0]).all():
                return float(gain[0]), float(offset[0]), node.inputs[0]
        return 1.0, 0.0, name

    # Rounding
    # ------------------------------------------------------------------------------

    def rounding(self, value: Value, nearest: bool) -> Value:
        """The value rounded; a Clip or Relu before it, scaled or not, gives the bounds. No node is made until
        `settled`.
        """
        gain, offset, base = self.behind_affine(value.name)
        bounds, node = [-math.inf, math.inf], self.nodes.get(base)
        if node is not None and node.op in ("clip", "relu") and gain > 0:
            low, high = (node.attributes["low"], node.attributes["high"]) if node.op == "clip" else (0.0, math.inf)
            bounds = [self.end(gain * bound + offset, nearest) for bound in (low, high)]
            gain_before, offset_before, base = self.behind_affine(node.inputs[0])
            gain, offset = gain * gain_before, gain * offset_before + offset
        return replace(value, rounded=Rounded(base, gain, offset, nearest, self.path, *bounds))

    def end(self, bound: float, nearest: bool) -> float:
        """A clip's end, rounded."""
        found = rounded_end(bound, nearest, 100 * NEAR)  # a bound written as 255 * (1 / 255) may miss its integer
        if math.isnan(found):
            raise Unmapped(
                f"rounds a bound of {bound:.9g}, so near to a half that float errors decide",
                "a bound that is a half exactly, or none",
            )
        return found

    def narrowed(self, value: Value, low: float, high: float) -> Value:
        """A rounded value, clipped; low and high are integers or infinite."""
        rounded = value.rounded
        assert rounded is not None
        return replace(value, rounded=replace(rounded, low=max(low, rounded.low), high=min(high, rounded.high)))

    def settled(self, value: Value, gain: float = 1.0, offset: float = 0.0) -> Value:
        """gain * the rounded value + offset as nodes: a quantiser, and affine nodes around it where it does not start
        at 0.
        """
        rounded = value.rounded
        if rounded is None:
            return value
        key = rounded, gain, offset
        if key not in self.made:
            path, self.path = self.path, rounded.path
            self.made[key] = self._quantised(replace(value, name=rounded.base, rounded=None), rounded, gain, offset)
            self.path = path
            if self.made[key] != rounded.base:
                self.origins[self.made[key]] = key
        return replace(value, name=self.made[key], rounded=None)

    def _quantised(self, source: Value, rounded: Rounded, gain: float, offset: float) -> str:
        nearest, start, low, high = rounded.nearest, rounded.offset, rounded.low, rounded.high
        if not nearest and abs(start % 1 - 0.5) <= NEAR:  # floor(x + 0.5)
            nearest, start = True, start - 0.5
        if rounded.base in self.not_negative:
            low = max(low, self.end(rounded.offset, rounded.nearest))
        if math.isinf(low) or math.isinf(high) or not low < high or not rounded.gain > 0:
            raise Unmapped(
                f"reads what {rounded.path} rounds without a quantiser around it",
                "x / step -> Round or Floor -> Clip with two bounds -> * step",
            )
        levels, step = int(high - low), 1 / rounded.gain
        restored = abs(gain * rounded.gain - 1) <= NEAR and abs(offset / gain + start) <= NEAR
        grid = self.grids.get(rounded.base, (0.0, 0.0, 0.0))
        if (
            restored
            and nearest
            and abs(grid[0] * rounded.gain - 1) <= NEAR
            and low - start <= grid[1]
            and grid[2] <= high - start
        ):
            return rounded.base  # on this grid already
        if abs(start - low) > NEAR:
            source = self.affine(source, 1.0, (start - low) * step, "shift")
        before = self.nodes.get(source.name)
        if before is not None and self._clips_alike(before, levels * step):
            source = replace(source, name=before.inputs[0])
        made = self.apply(
            "quantise",
            source,
            {"alpha": levels * step, "levels": levels, "rounding": "nearest" if nearest else "floor"},
        )
        if rounded.nearest:
            self.notes[TIES] = 1
        name = self.affine(made, gain * rounded.gain, gain * low + offset, "scale").name
        if restored:
            self.grids[name] = step, low - start, high - start
        return name

    def not_below_zero(self, value: Value) -> Value | None:
        """A quantised value whose quantiser now ends at 0; None when the value is none, or has no level at 0."""
        rounded, gain, offset = self.origins.get(value.name, (None, 1.0, 0.0))
        zero = round(-offset / gain)
        if rounded is None or not rounded.low < zero < rounded.high or abs(offset / gain + zero) > NEAR:
            return None
        return self.settled(replace(value, rounded=replace(rounded, low=zero)), gain, offset)

    def unquantised(self, value: Value) -> Value:
        """A signed quantised value before it was quantised; any other value as it is."""
        rounded, gain, offset = self.origins.get(value.name, (None, 1.0, 0.0))
        signed = (
            rounded is not None and rounded.base not in self.not_negative and gain * rounded.low + offset < 0 < gain
        )
        return replace(value, name=rounded.base) if rounded is not None and signed else value

    def _clips_alike(self, node: Node, alpha: float) -> bool:
        """Whether a quantiser 0..alpha makes the clipping node before it needless."""
        return node.op == "relu" or (
            node.op == "clip" and node.attributes["low"] == 0 and node.attributes["high"] >= alpha * (1 - NEAR)
        )
