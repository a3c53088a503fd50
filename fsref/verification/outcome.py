"""A conversion and what came of it: the float network's own score, the FS network, what it lost and what it costs, as
a value that prints, renders in notebooks, and carries the network (CONV-8, CONV-11).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fsref.conversion.converter import Calibrated, check_conversion, check_count
from fsref.conversion.folding import fold
from fsref.conversion.found import Found, Point
from fsref.conversion.options import Options, trained_in_few_bits
from fsref.conversion.plausibility import lost_elsewhere, unexpected
from fsref.conversion.search import check_loss, search
from fsref.conversion.trained import lines, rounds
from fsref.errors import UsageError, public
from fsref.graph.graph import Graph
from fsref.graph.memory import forward_bytes
from fsref.law.classes import classes_of
from fsref.law.images import Pixels, check_labels
from fsref.law.network import Network
from fsref.law.neuron import Ints
from fsref.limits.misfits import Fit
from fsref.metrics.chance import guessing
from fsref.metrics.losses import Loss
from fsref.metrics.paired import Paired
from fsref.metrics.score import Score, evaluate
from fsref.simulation.memory import check_memory, fitting
from fsref.tables import Brief, Sheet, Shown, plural
from fsref.verification.compare import compared
from fsref.verification.outputs import OutputErrors, output_errors

FLOAT_IMAGES = 256  # that go through the float graph at a time
LOOKED_AT = 64  # images on which the worst population is found; `fsref compare` takes 256 unless told
# Options of what conversion chooses or rounds, which it does not of populations kept as trained.
OF_ROUNDING = ("steps", "weight_bits", "alpha", "rounding", "bias_correction")
CHANGED = 0.03  # share of predictions: where so many change refit kept a sixth of them or more
FEW_STEPS = 5  # up to which empirical bias correction often does better
Progress = Callable[[int], None]


def silent(images: int) -> None:
    """No progress is shown."""


def unseen(task: str, images: int) -> AbstractContextManager[Progress]:
    """A context for a task of so many images that shows no progress."""
    return nullcontext(silent)


def shared(one: NDArray[np.integer], other: NDArray[np.integer]) -> int:
    """How many of the `other` images are among the first ones too, both (B, C, H, W)."""
    known = {_hashed(image) for image in one}
    return sum(_hashed(image) in known for image in other)


def _hashed(image: NDArray[np.integer]) -> bytes:
    return hashlib.sha256(image.astype(np.int64).tobytes()).digest()


@dataclass(frozen=True, eq=False, repr=False)
class FloatScore(Brief):
    """How good a float graph is on images: its class for each, int64 (B,), of so many `classes`, and the true `labels`
    (B,), if known; `highest` is the highest code of the images. A graph without classes has no predictions (NET-8).
    """

    predictions: Ints | None
    labels: Ints | None
    classes: int
    pixels: Pixels
    highest: int
    image_count: int

    @classmethod
    def of(
        cls,
        graph: Graph,
        x: ArrayLike,
        y: ArrayLike | None,
        progress: Progress = silent,
        memory_limit: int = 2**33,
    ) -> FloatScore:
        """The score of a graph on image codes x (B, C, H, W). Errors: GraphError, InputError, LimitError before any
        image is looked at.
        """
        pixels = graph.contract()
        images = pixels.check(x)
        about = graph.class_count, pixels, int(images.max()), len(images)
        if not graph.is_classifier:
            return cls(None, None if y is None else check_labels(y, len(images), 0), *about)
        kept = 8 * len(images) * (graph.shapes[graph.output][0] + 2)

        def bound(count: int) -> int:
            return kept + forward_bytes(graph, count)

        count = fitting(min(FLOAT_IMAGES, len(images)), bound, memory_limit)
        check_memory(bound(count), memory_limit, "convert")
        logits = []
        for first in range(0, len(images), count):
            logits.append(graph.forward(images[first : first + count]))
            progress(len(logits[-1]))
        joined = np.concatenate(logits)
        labels = None if y is None else check_labels(y, len(images), graph.class_count)
        return cls(classes_of(joined), labels, *about)

    @property
    def correct(self) -> int | None:
        """How many predictions are the label."""
        known = self.labels is not None and self.predictions is not None
        return int(np.sum(self.predictions == self.labels)) if known else None

    def unexpected(self, expected: float) -> str:
        """A line when the accuracy is more than a point off the `expected` one in %, else ""."""
        return "" if self.correct is None else unexpected(expected, self.correct, self.image_count, self.pixels)

    @property
    def notes(self) -> tuple[str, ...]:
        """What speaks for a wrong input contract, labels or order of classes."""
        found = [self.pixels.doubt(self.highest)]
        if self.correct is not None:
            found.append(guessing("float accuracy", self.correct, self.image_count, self.classes))
        return tuple(note for note in found if note)

    def __str__(self) -> str:
        count = self.image_count
        if self.correct is None:
            return f"{plural(count, 'image')} without classes"
        return f"float accuracy {100 * self.correct / count:.2f} %, {plural(count, 'image')}"


@dataclass(frozen=True, eq=False, repr=False)
class Outcome(Brief, Shown):
    """The FS network `net` of a float graph, and what the conversion lost on images: both scores, `paired` by image,
    the population `worst` on the first `worst_image_count` calibration images (CONV-10: `fsref.compare` says more), and
    the `search` that chose its steps, if one did.

    `calibrating` of the images scored also calibrated; `may_refit` says that another conversion could fit the weights
    again (CONV-13). For a chip there are its `fit`, and `free`, the score of the
    same conversion without the chip's limits (CHIP-3).
    """

    net: Network
    float_score: FloatScore
    score: Score
    paired: Paired | None
    worst: Loss
    worst_image_count: int
    search: Found | None
    calibrating: int
    may_refit: bool = False
    fit: Fit | None = None
    free: Score | None = None
    errors: OutputErrors | None = None

    @property
    def figures(self) -> dict[str, Any]:
        """The figures that the network's provenance keeps."""
        known, pair = self.float_score.labels is not None, self.paired
        errors = {} if self.errors is None else {"output_errors": self.errors.to_dict()["output_errors"]}
        return {
            "images": self.float_score.image_count,
            "float_correct": self.float_score.correct,
            "fs_correct": pair.second_correct if known and pair is not None else None,
            "agreement": None if pair is None else pair.agreement,
            **errors,
            "spikes_per_neuron": self.score.spikes_per_neuron,
            "latency_steps": self.score.latency_steps,
        }

    def noted(self, scored: Mapping[str, Any]) -> Outcome:
        """The outcome, its network with `scored` in its provenance."""
        return replace(self, net=replace(self.net, provenance={**self.net.provenance, "scored": dict(scored)}))

    @property
    def notes(self) -> tuple[str, ...]:
        """What the float score makes doubtful, and a loss beyond the one that the search allowed."""
        beyond = ""
        if self.search is not None and self.float_score.labels is not None and self.paired is not None:
            beyond = lost_elsewhere(self.search.loss, self.search.kept, self.paired)
        return tuple(note for note in (*self.float_score.notes, beyond, self._untouched()) if note)

    def _untouched(self) -> str:
        """Which options that were chosen do not touch what is kept as trained, "" where there are none (CONV-14)."""
        told, options, default = self.net.provenance.get("trained"), self.net.provenance["options"], Options().to_dict()
        chosen = [name for name in OF_ROUNDING if options[name] != default[name]]
        kept = told is not None and any("multiples" in record for record in told["populations"].values())
        return f"{', '.join(chosen)}: not for populations kept as trained (CONV-14)" if kept and chosen else ""

    @property
    def hints(self) -> tuple[str, ...]:
        """What may do better."""
        steps = [p.steps for p in self.net.fs]
        found = []
        few = bool(steps) and max(steps) <= FEW_STEPS and self.net.provenance["options"]["bias_correction"] == "none"
        if few and rounds(self.net.provenance.get("trained")):
            found.append("bias correction empirical often does better at so few steps")
        changed = 0.0 if self.paired is None else 1 - self.paired.agreement
        if self.may_refit and changed >= CHANGED:
            kept = f"some of the {100 * changed:.1f} % of predictions that change"
            found.append(f"refit (CONV-13) may keep {kept}; weights are then no longer those of the graph")
        if self.calibrating:
            found.append(f"{self.calibrating:,} of the images scored also calibrated: score on others, as test")
        return tuple(found)

    @property
    def trained(self) -> tuple[str, ...]:
        """Whether the codes are those of a network trained in few bits, proved, or of which populations they are not
        and why; nothing of another network (CONV-14).
        """
        told = self.net.provenance.get("trained")
        return () if told is None else tuple(lines(told))

    def sheet(self) -> Sheet:
        """The outcome as facts."""
        score, pair = self.score, self.paired
        facts = []
        if pair is not None and self.float_score.labels is not None:
            low, high = pair.interval
            change = f"{100 * pair.difference:+.2f} points (95 % interval {100 * low:+.2f} to {100 * high:+.2f})"
            facts.append(("FS accuracy", f"{100 * score.accuracy:.2f} %: {change}"))
        if pair is not None:
            facts.append(("agreement", f"{100 * pair.agreement:.2f} % of predictions are the float network's"))
        cost = f"{score.spikes_per_neuron:.3f} spikes per neuron, latency {score.latency_steps} steps"
        facts.append(("cost", f"{k_told(self.net)}, {cost}, {score.synops:,.0f} SynOps an image"))
        facts.append(("worst", self._worst()))
        facts += [("" if i else "trained", line) for i, line in enumerate(self.trained)]
        if self.fit is not None:
            facts += [("chip", self.fit.line), ("without it", self._without())]
        told = [*(("note", note) for note in self.notes), *(("hint", hint) for hint in self.hints)]
        more = [self.fit.sheet()] if self.fit is not None and not self.fit.fits else []
        more += [] if self.errors is None else [self.errors.sheet()]
        return Sheet(f"{self.net.name or 'network'}: id {self.net.id[:12]}", above=facts, below=told, more=more)

    def _without(self) -> str:
        """The score of the conversion without the chip, in words."""
        free, pair = self.free, self.paired
        assert free is not None
        cost = f"{free.spikes_per_neuron:.3f} spikes per neuron, latency {free.latency_steps} steps"
        if pair is None:
            return cost
        agreement = agreement_of(free, self.float_score)
        told = f"agreement {100 * agreement:.2f} % ({100 * (pair.agreement - agreement):+.2f} points for the chip)"
        if self.float_score.labels is not None:
            lost = f"({100 * (self.score.accuracy - free.accuracy):+.2f} points for the chip)"
            told = f"{100 * free.accuracy:.2f} % {lost}, {told}"
        return f"{told}, {cost}"

    def _worst(self) -> str:
        """The population that loses most, in words, and how many images say so: fewer than `compare` looks at."""
        on = f"on {plural(self.worst_image_count, 'calibration image')}"
        if self.worst.new <= 0:
            return f"none: no population adds an error {on}"
        return f"{self.worst.name}: its own error is {self.worst.db('new'):.1f} dB below its values, {on}"

    def to_dict(self) -> dict[str, Any]:
        """The outcome as plain JSON values."""
        figures = self.figures
        return {
            "network": self.net.name,
            "id": self.net.id,
            "image_count": figures.pop("images"),
            **figures,
            "paired": None if self.float_score.labels is None or self.paired is None else self.paired.to_dict(),
            "calibrating": self.calibrating,
            "worst": self.worst.name,
            "worst_image_count": self.worst_image_count,
            "notes": list(self.notes),
            "trained": list(self.trained),
            "provenance": dict(self.net.provenance),
            "search": None if self.search is None else self.search.to_dict(),
            **self._chip(),
        }

    def _chip(self) -> dict[str, Any]:
        """What is told of a chip, as plain JSON values; nothing where there is none."""
        if self.fit is None or self.free is None:
            return {}
        free, known = self.free, self.float_score.labels is not None
        without = {
            "fs_correct": free.correct if known else None,
            "agreement": None if self.paired is None else agreement_of(free, self.float_score),
            "spikes_per_neuron": free.spikes_per_neuron,
            "latency_steps": free.latency_steps,
        }
        told = self.fit.to_dict()
        return {**{name: told[name] for name in ("chip", "fits", "misfits", "lacking")}, "without_chip": without}


def agreement_of(score: Score, float_score: FloatScore) -> float:
    """The share of images of one class on both sides."""
    return float(np.mean(score.predictions == float_score.predictions))


def k_told(net: Network) -> str:
    """The K of a network's FS populations: "K = 8", or "K = 4..8"."""
    steps = [p.steps for p in net.fs]
    if not steps:
        return "no FS neurons"
    low, high = min(steps), max(steps)
    return f"K = {low}" if low == high else f"K = {low}..{high}"


@public
def convert_and_score(
    graph: Graph,
    calibrate: ArrayLike,
    labels: ArrayLike | None = None,
    *,
    test: tuple[ArrayLike, ArrayLike | None] | None = None,
    loss: float | None = None,
    image_count: int = 512,
    float_score: FloatScore | None = None,
    batch: int | None = None,
    threads: int | None = None,
    memory_limit: int = 2**33,
    progress: Callable[[str, int], AbstractContextManager[Progress]] = unseen,
    tried: Callable[[Point], None] | None = None,
    resume: str | PathLike[str] | None = None,
    dask: str | None = None,
    **options: Any,
) -> Outcome:
    """The FS network of a float graph with what the conversion lost: `fsref.convert`, or with `loss`, in percentage
    points, `fsref.search`, scored beside the float graph.

    The first `image_count` of `calibrate` (B, C, H, W) with `labels` (B,) calibrate; the images and labels of `test`
    are scored, without it those that were given to calibrate. Without labels there is the agreement alone. A
    `float_score` of the scored images that is known is not computed again. `options` are those of `convert`.
    `progress(task, images)` gives a context with a function to call with the images just done; `tried` is called with
    each point of a search, whose `steps` are the K to try, and whose runs are kept in the folder `resume` (RUN-7) and
    shared by the cluster `dask` (RUN-8). `batch` and `threads` change the speed, never a value; `memory_limit` is in
    bytes. With a `chip` the same conversion is also made and scored without its limits, and what does not fit is told,
    not refused (CHIP-3). Errors: those of convert, search, evaluate and compare.
    """
    # What is wrong with graph and options is said before what takes long; `steps` are a search's own.
    folded = fold(graph, memory_limit)
    chosen = Options.of(convert_and_score, {k: v for k, v in options.items() if loss is None or k != "steps"})
    check_count(image_count)
    check_loss(loss or 0.0)
    if test is not None and (not isinstance(test, tuple) or len(test) != 2):
        raise UsageError("CONV-8", "test", "not images and labels", type(test).__name__, "(x, y), y None where unknown")
    if loss is None and (resume is not None or dask is not None):
        raise UsageError("RUN-6", "resume and dask", "go with loss: the runs of a search are shared")
    x, y = (calibrate, labels) if test is None else test
    pixels = graph.contract()
    given = pixels.check(calibrate)
    check_conversion(folded, min(len(given), image_count), chosen, memory_limit)
    images = pixels.check(x)
    if float_score is None:
        with progress("float", len(images)) as advance:
            float_score = FloatScore.of(graph, x, y, advance, memory_limit)
    truth = None if labels is None else check_labels(labels, len(given), float_score.classes)[:image_count]
    seen = given[:image_count]
    searched = None
    if loss is None:
        with progress("calibrating", len(seen)) as advance:
            net = Calibrated.of(folded, seen, image_count, advance, memory_limit).convert(chosen, memory_limit)
    else:
        limits: dict[str, Any] = {"threads": threads, "memory_limit": memory_limit, "resume": resume, "dask": dask}
        searched = search(graph, seen, truth, loss, image_count=image_count, progress=tried, **limits, **options)
        net = searched.net
    truth = float_score.predictions if float_score.labels is None else float_score.labels
    with progress("FS", len(images)) as advance:
        score = evaluate(net, images, truth, "quantized", batch, threads, memory_limit, advance)
    free = None
    if chosen.chip is not None:
        found = {} if searched is None else {"steps": searched.best.steps}
        without = Options.of(convert_and_score, {**options, **found, "chip": None})
        with progress("calibrating without the chip", len(seen)) as advance:
            other = Calibrated.of(folded, seen, image_count, advance, memory_limit).convert(without, memory_limit)
        with progress("FS without the chip", len(images)) as advance:
            free = evaluate(other, images, truth, "quantized", batch, threads, memory_limit, advance)
    looked_at, paired, errors = seen[:LOOKED_AT], None, None
    if truth is not None and float_score.predictions is not None:
        paired = Paired.of(float_score.predictions, score.predictions, truth)
    else:
        with progress("outputs", len(images)) as advance:
            errors = output_errors(graph, net, images, advance, memory_limit)
    outcome = Outcome(
        net=net,
        float_score=float_score,
        score=score,
        paired=paired,
        worst=compared(graph, folded, net, looked_at, None, None, memory_limit).worst,
        worst_image_count=len(looked_at),
        search=searched,
        calibrating=shared(seen, images),
        may_refit=not chosen.refit and not trained_in_few_bits(folded),
        fit=None if chosen.chip is None else Fit.of(net, chosen.chip),
        free=free,
        errors=errors,
    )
    return outcome.noted(outcome.figures)
