"""search: the fewest steps K per population that keep a stated loss on calibration images, and every point tried on the
way (CONV-11).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from math import ceil
from os import PathLike
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from fsref.conversion.converter import Calibrated
from fsref.conversion.folded import Folded
from fsref.conversion.found import Found, Point
from fsref.conversion.options import Options
from fsref.errors import FsrefError, GraphError, LimitError, UsageError, public
from fsref.graph.graph import Graph
from fsref.law.classes import classes_of
from fsref.law.images import check_labels
from fsref.law.neuron import MAX_STEPS, Ints
from fsref.metrics.parts import Asked
from fsref.metrics.shards import parts

LOOK_EVERY = 128  # images, after which the search looks whether a point can still keep the loss


def check_loss(loss: float) -> None:
    """Nothing, when these are percentage points. Errors: GraphError."""
    if not isinstance(loss, int | float | np.number) or not 0 <= loss <= 100:
        raise GraphError("CONV-11", "loss", "not percentage points", loss, "0..100")


@public
def search(
    graph: Graph,
    calibrate: ArrayLike,
    labels: ArrayLike | None = None,
    loss: float = 0.5,
    steps: Iterable[int] = range(2, 11),
    *,
    image_count: int = 512,
    aim: Literal["latency", "spikes"] = "latency",
    progress: Callable[[Point], None] | None = None,
    threads: int | None = None,
    memory_limit: int = 2**33,
    resume: str | PathLike[str] | None = None,
    dask: str | None = None,
    **options: Any,
) -> Found:
    """The fewest steps per population of the FS network of `graph` that lose at most `loss` percentage points on the
    first `image_count` images of `calibrate` (B, C, H, W) (CONV-11).

    With `labels` (B,) points of accuracy are counted, without them of agreement with the float network. First every K
    of `steps` for all populations; then, where one step less for all loses too much, one more in those populations that
    help most; then one step less in one population at a time, the largest saving of `aim` first, until none keeps the
    loss. `options` are those of `convert` but steps; of `steps` a `chip` takes those it can do. `progress` is called
    with each Point. `threads` change the speed alone; `memory_limit` is in bytes. With `resume`, a folder, runs are
    kept there and not run again (RUN-7); with `dask`, the address of a scheduler, its workers run them (RUN-8). The
    choice is made on calibration images: score it on others. Errors: GraphError [CONV-1 to CONV-11], InputError,
    LimitError; UsageError and FileError for folder and cluster.
    """
    if not isinstance(steps, Iterable) or isinstance(steps, str):
        raise GraphError("CONV-11", "steps", "not the numbers of steps to try", steps, "e.g. range(2, 11)")
    tried = sorted({int(k) if isinstance(k, int | np.integer) else 0 for k in steps})
    if not tried or not 1 <= tried[0] <= tried[-1] <= MAX_STEPS:
        raise GraphError("CONV-11", "steps", "not numbers of steps", tried, f"1..{MAX_STEPS}")
    check_loss(loss)
    if aim not in ("latency", "spikes"):
        raise GraphError("CONV-11", "aim", "unknown", aim, "latency or spikes")
    chosen = Options.of(search, options)
    if chosen.chip is not None:
        low, high = chosen.chip.reach
        tried = [k for k in tried if low <= k <= high]
        if not tried:
            raise UsageError("RUN-6", "steps", f"contradict {chosen.chip.told}", None, f"{low}..{high}")
    calibrated = Calibrated.of(graph, calibrate, image_count, memory_limit=memory_limit)
    asked = Asked("quantized", False, None, threads, memory_limit)
    return _Search(calibrated, labels, loss, tried, aim, chosen, progress, asked, resume, dask).found()


class _Search:
    """The points tried so far."""

    def __init__(
        self,
        calibrated: Calibrated,
        labels: ArrayLike | None,
        loss: float,
        tried: list[int],
        aim: Literal["latency", "spikes"],
        options: Options,
        progress: Callable[[Point], None] | None,
        asked: Asked,
        resume: str | PathLike[str] | None,
        dask: str | None,
    ) -> None:
        self.calibrated, self.loss, self.tried, self.aim = calibrated, loss, tried, aim
        self.options, self.progress, self.asked, self.resume, self.dask = options, progress, asked, resume, dask
        if not calibrated.folded.graph.is_classifier:
            problem, limit = "the graph has no classes to lose points of (NET-8)", "a single output (classes, 1, 1)"
            raise GraphError("CONV-11", "outputs", problem, None, limit)
        self.names = calibrated.folded.free
        if not self.names:
            problem = "no population has steps to choose: their activations carry their own levels"
            raise GraphError("CONV-11", "steps", problem)
        self.points: list[Point] = []
        predicted = classes_of(calibrated.logits)
        self.measure: Literal["accuracy", "agreement"] = "agreement" if labels is None else "accuracy"
        count, classes = len(predicted), calibrated.folded.graph.class_count
        # There may be more labels than images are looked at, as there may be more images.
        self.labels: Ints = predicted if labels is None else check_labels(np.atleast_1d(labels)[:count], count, classes)
        self.float_right = int((predicted == self.labels).sum())
        self.needed = max(0, ceil(self.float_right - loss / 100 * len(predicted) - 1e-9))
        ordered = np.sort(calibrated.logits, axis=1)
        margin = ordered[:, -1] - ordered[:, -2] if ordered.shape[1] > 1 else np.abs(ordered[:, -1])
        self.order = np.argsort(margin, kind="stable")  # what is lost is lost among the least certain

    def attempt(self, steps: Mapping[str, int], move: Literal["all", "more", "less"], whole: bool = False) -> Point:
        """Convert and score one choice of K, or remember it; unless `whole`, only as long as it can keep the loss."""
        known = next((p for p in self.points if p.steps == steps), None)
        if known is not None:
            return known
        try:
            net = self.calibrated.convert(replace(self.options, steps=steps), self.asked.memory_limit)
        except LimitError:
            raise
        except FsrefError as error:
            return self.note(Point(steps, move, refused=str(error)))
        right = seen = 0
        # Workers share a point that is seen whole; others are looked at in one order, here as there.
        at_once = len(self.order) if whole and self.dask is not None else LOOK_EVERY
        spikes = dict.fromkeys((p.name for p in net.spiking), 0)
        while seen < len(self.order) and (whole or right + len(self.order) - seen >= self.needed):
            rows = self.order[seen : seen + at_once]
            images, labels = self.calibrated.images[rows], self.labels[rows]
            for some, part in parts(net, images, self.asked, self.resume, self.dask, size=LOOK_EVERY):
                right += int(np.sum(part.predictions == labels[some]))
                for name, count in part.spikes.items():
                    spikes[name] += int(count.sum())
            seen += len(rows)
        latency = net.schedule.latency
        if seen < len(self.order):
            return self.note(Point(steps, move, seen, right, latency_steps=latency))
        per_neuron = sum(spikes[p.name] for p in net.fs) / seen / net.fs_neurons
        by_population = {name: count / seen for name, count in spikes.items()}
        kept = right >= self.needed
        return self.note(Point(steps, move, seen, right, True, kept, latency, per_neuron, by_population))

    def note(self, point: Point) -> Point:
        """Remember a point, and tell of it."""
        self.points.append(point)
        if self.progress is not None:
            self.progress(point)
        return point

    def found(self) -> Found:
        """The search."""
        uniform = {k: self.attempt(dict.fromkeys(self.names, k), "all", True) for k in reversed(self.tried)}
        kept = [k for k, p in uniform.items() if p.kept]
        if kept:
            best = self.lowered(self.raised(uniform, min(kept)), uniform)
        else:
            done = [p for p in self.points if p.complete]
            if not done:
                raise GraphError(
                    "CONV-11", "steps", "no number of steps can be converted", None, self.points[0].refused
                )
            best = max(done, key=lambda p: p.right)
        graph, net = self.calibrated.folded.graph, self.calibrated.convert(replace(self.options, steps=best.steps))
        figures = {
            "loss": self.loss,
            "measure": self.measure,
            "aim": self.aim,
            "images": len(self.order),
            "points": len(self.points),
            "right": best.right,
        }
        net = replace(net, provenance={**net.provenance, "search": figures})
        return Found(
            graph.name,
            self.measure,
            self.aim,
            self.loss,
            len(self.order),
            self.float_right,
            self.needed,
            tuple(self.points),
            best,
            net,
        )

    def raised(self, uniform: Mapping[int, Point], k: int) -> Point:
        """Where to begin: k steps for all, or k - 1 with one more in the fewest of those that help most, found by
        bisection, if that costs less.
        """
        over, under = uniform[k], uniform.get(k - 1)
        if under is None or under.share is None or len(self.names) == 1:
            return over
        alone = {name: self.attempt({**under.steps, name: k}, "more", True) for name in self.names}
        if kept := [p for p in alone.values() if p.kept]:
            return min([over, *kept], key=self.cost)
        ranked = sorted(self.names, key=lambda name: -alone[name].right)
        best, few, enough = over, 1, len(ranked)
        while enough - few > 1:
            middle = (few + enough) // 2
            point = self.attempt({**under.steps, **dict.fromkeys(ranked[:middle], k)}, "more")
            few, enough = (few, middle) if point.kept else (middle, enough)
            best = point if point.kept else best
        return min(over, best, key=self.cost)

    def cost(self, point: Point) -> tuple[float, float]:
        """Latency and spikes of a complete point, what matters to the aim first."""
        assert point.latency_steps is not None and point.spikes_per_neuron is not None
        latency, spikes = float(point.latency_steps), point.spikes_per_neuron
        return (latency, spikes) if self.aim == "latency" else (spikes, latency)

    def lowered(self, start: Point, uniform: Mapping[int, Point]) -> Point:
        """From a point that keeps the loss, one step less in one population at a time."""
        best, lowest, stuck = start, self.tried[0], set[str]()
        while True:
            free = [name for name in self.names if name not in stuck and best.steps[name] > lowest]
            if not free:
                return best
            name = max(free, key=lambda n: (self.saving(best, n, uniform), -self.names.index(n)))
            point = self.attempt({**best.steps, name: best.steps[name] - 1}, "less")
            if point.kept:
                best = point
            else:
                stuck.add(name)

    def saving(self, point: Point, name: str, uniform: Mapping[int, Point]) -> tuple[float, float]:
        """What one step less in a population should save: steps of latency, and spikes, what matters to the aim
        first.
        """
        k = point.steps[name]
        fewer = {**point.steps, name: k - 1}
        steps = float(latency(self.calibrated.folded, point.steps) - latency(self.calibrated.folded, fewer))
        above, below = (uniform[n].spikes_per_image if n in uniform else None for n in (k, k - 1))
        assert point.spikes_per_image is not None
        spikes = point.spikes_per_image[name] / k
        if above is not None and below is not None:
            spikes = above[name] - below[name]
        return (steps, spikes) if self.aim == "latency" else (spikes, steps)


def latency(folded: Folded, steps: Mapping[str, int]) -> int:
    """The start of the last readout of a graph, folded, under these steps (TIME-1, TIME-2)."""
    start, lasting = {"input": 0}, {"input": int(folded.pixels.max_code).bit_length()}
    for unit in folded.units:
        if (source := unit.relayed) is not None:
            start[unit.name], lasting[unit.name] = start[source], lasting[source]
            continue
        start[unit.name] = max(start[source] + lasting[source] for source in unit.sources)
        if (p := unit.product) is not None:  # the train of one waits until the other is complete
            start[unit.name] = max(start[unit.name], start[p.by] + lasting[p.by] + lasting[p.source])
        if unit.activation is not None:
            own = unit.activation.own
            lasting[unit.name] = steps[unit.name] if own is None else own.steps
    return start[folded.units[-1].name]
