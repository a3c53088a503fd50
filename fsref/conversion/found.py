"""What a search found: every choice of steps that was tried, the best one, and its network (CONV-11)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from math import sqrt
from typing import Any, Literal

from fsref.law.network import Network
from fsref.metrics.paired import Z
from fsref.tables import Brief, Sheet, Shown, plural, span


@dataclass(frozen=True)
class Point:
    """One choice of K by population, and what came of it: `right` images of the `image_count` looked at (the class is
    the label, or the float network's).

    `move` is how it was reached: "all" the same K, "more" steps than a K that loses too much, or "less" in one
    population. A point that could no longer keep the loss was left before all images were seen: then `complete` is
    False and spikes are None. One that cannot be converted has neither images nor latency, but `refused`.
    `spikes_per_image` are means by population.
    """

    steps: Mapping[str, int]
    move: Literal["all", "more", "less"] = "all"
    image_count: int = 0
    right: int = 0
    complete: bool = False
    kept: bool = False
    latency_steps: int | None = None
    spikes_per_neuron: float | None = None
    spikes_per_image: Mapping[str, float] | None = None
    refused: str = ""

    @property
    def share(self) -> float | None:
        """The share of images that are right, 0..1, None when not all were seen."""
        return self.right / self.image_count if self.complete else None

    @property
    def uniform(self) -> int | None:
        """K, when it is the same everywhere."""
        every = set(self.steps.values())
        return every.pop() if len(every) == 1 else None

    def __str__(self) -> str:
        low, high = min(self.steps.values()), max(self.steps.values())
        name = f"K = {low}" if low == high else f"K {low}..{high}, sum {sum(self.steps.values())}"
        if self.refused:
            return f"{name}: {self.refused}"
        if not self.complete:
            return f"{name}: given up after {plural(self.image_count, 'image')}, latency {self.latency_steps}"
        return (
            f"{name}: {self.right} of {self.image_count} right, latency {self.latency_steps}, "
            f"{self.spikes_per_neuron:.3f} spikes per neuron"
        )


@dataclass(frozen=True, eq=False, repr=False)
class Found(Brief, Shown):
    """What `search` found: the network `net` of the point `best`, and all `points` in the order tried.

    `measure` says what counts as right, accuracy or agreement; the float network has `float_right` of `image_count`,
    and at least `needed` keep the loss. `kept` is False when no point does: `best` is then the one that loses least.
    """

    graph: str
    measure: Literal["accuracy", "agreement"]
    aim: str
    loss: float
    image_count: int
    float_right: int
    needed: int
    points: tuple[Point, ...]
    best: Point
    net: Network

    @property
    def kept(self) -> bool:
        """Whether the best point keeps the loss."""
        return self.best.kept

    @property
    def chance(self) -> float:
        """How far the loss on so many images lies from that on others, in points, in 95 of 100 cases, if no more images
        change than may be lost.
        """
        changed = self.loss * self.image_count / 100 + 1  # as in Paired.interval
        return 100 * Z * sqrt(changed) / (self.image_count + 2)

    @cached_property
    def front(self) -> tuple[Point, ...]:
        """The points that no other beats or equals in right images, latency and spikes at once, by latency: the Pareto
        front.
        """

        def cost(p: Point) -> tuple[float, float, float]:
            return -p.right, p.latency_steps or 0, p.spikes_per_neuron or 0.0

        done = [p for p in self.points if p.complete]
        first = {cost(p): p for p in reversed(done)}  # of equal ones the first
        kept = [
            p
            for c, p in first.items()
            if not any(o != c and all(a <= b for a, b in zip(o, c, strict=True)) for o in first)
        ]
        return tuple(sorted(kept, key=lambda p: (p.latency_steps, p.spikes_per_neuron)))

    def to_dict(self) -> dict[str, Any]:
        """The result as plain JSON values; points of the front are marked."""
        front = {id(p) for p in self.front}
        plain = {
            name: getattr(self, name)
            for name in ("graph", "measure", "aim", "loss", "image_count", "float_right", "needed", "kept", "chance")
        }

        def row(p: Point) -> dict[str, Any]:
            plain = {**vars(p), "share": p.share, "front": id(p) in front, "steps_by_population": dict(p.steps)}
            del plain["steps"]
            spikes = p.spikes_per_image
            return {**plain, "spikes_per_image": None if spikes is None else dict(spikes)}

        head = {"network": self.net.name, "id": self.net.id}
        return {**head, **plain, "best": row(self.best), "points": [row(p) for p in self.points]}

    def sheet(self) -> Sheet:
        """The points that were seen on all images, as a table, and the best one."""
        front = {id(p) for p in self.front}
        rows: list[tuple[object, ...]] = []
        for p in self.points:
            if p.share is None and p.uniform is None:
                continue
            mark = ("+" if p is self.best else "") + ("*" if id(p) in front else "")
            name = mark, span(min(p.steps.values()), max(p.steps.values())), sum(p.steps.values())
            if p.share is None:
                rows.append((*name, "refused", "", "", ""))
                continue
            lost = 100 * (self.float_right - p.right) / self.image_count
            rows.append((*name, f"{100 * p.share:.2f}", f"{lost:+.2f}", p.latency_steps, f"{p.spikes_per_neuron:.3f}"))
        accuracy = self.measure == "accuracy"
        right = f"{self.float_right:,} of {self.image_count:,} right"
        right = right if accuracy else "its class is what counts as right"
        above = [("float", right), ("allowed", f"at most {self.loss:g} points of {self.measure} lost")]
        chance = f"on which chance alone makes at least +-{self.chance:.1f} points: score it on others"
        below = [
            ("+", "best" if self.kept else "loses least; no point keeps the loss"),
            ("*", "no other is better in accuracy, latency and spikes at once"),
            ("best", ", ".join(f"{name}={k}" for name, k in self.best.steps.items())),
            ("chosen", f"on these {plural(self.image_count, 'image')}, {chance}"),
        ]
        head = "", "K", "sum of K", f"{self.measure} %", "lost", "latency", "spikes per neuron"
        title = f"{self.graph or 'graph'}: {plural(len(self.points), 'point')} tried"
        return Sheet(f"{title} on {plural(self.image_count, 'calibration image')}", head, rows, 2, above, below)
