"""What a report is made of: a score, its first images run again with everything recorded, and what else is known
(COUNT-7).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from os import PathLike
from typing import Any

from numpy.typing import NDArray

from fsref.coverage.coverage import Coverage
from fsref.errors import GraphError, LimitError
from fsref.formats.sources import ImageSet
from fsref.graph.graph import Graph
from fsref.law.images import check_images, check_labels
from fsref.law.network import Network
from fsref.law.neuron import Ints, relu_theta
from fsref.metrics.classes import ByClass, by_class
from fsref.metrics.energy import Energy
from fsref.metrics.score import Score
from fsref.rate_coding.score import RateScore
from fsref.reports.mistakes import Mistakes, mistakes
from fsref.reports.proof import certified
from fsref.simulation.memory import images_at_once, run_bytes
from fsref.simulation.recording import Record, recording_bytes, select
from fsref.simulation.run import Result, run
from fsref.tables import Brief, Sheet
from fsref.verification.compare import compare
from fsref.verification.comparison import Comparison
from fsref.verification.margins import Margins, margins_of, summary
from fsref.verification.outputs import OutputErrors
from fsref.verification.side_by_side import SideBySide

SAMPLE_IMAGES = 64


@dataclass(frozen=True, eq=False, repr=False)
class Evaluation(Brief):
    """What a report shows: a score, and its first images `x` (b, C, H, W) run again, with opening membranes, spikes and
    codes recorded.

    `source` says where the images are from, `names` are theirs, `labels` their classes, None where there are none;
    `mistakes` are the first images that are wrong. Shown where they are known: `energy`, `float_accuracy` (0..1),
    `rate`, the score of a rate-coded twin, `coverage`, the bins that all images reached, `errors` of outputs beside a
    float graph, `comparison`, what each population loses of it, or in words why that cannot be told, `beside`, other
    networks on the same images, and `certificate`, what is proved of the network.
    """

    score: Score
    sample: Result
    x: Ints
    names: Sequence[str]
    labels: Ints | None
    mistakes: Mistakes | None = None
    source: str = ""
    energy: Energy | None = None
    float_accuracy: float | None = None
    rate: RateScore | None = None
    coverage: Coverage | None = None
    errors: OutputErrors | None = None
    comparison: Comparison | str | None = None
    beside: SideBySide | None = None
    certificate: Sheet | None = None

    @cached_property
    def by_class(self) -> ByClass | None:
        """The answers class by class, None where there are no labels (COUNT-10)."""
        return None if self.labels is None else by_class(self.score)

    @property
    def float_told(self) -> str:
        """What to add to the float accuracy: that it is as told, not measured on these images, or ""."""
        told = ", as the network's file tells, perhaps of other images"
        return told if self.float_accuracy == known_float_accuracy(self.net) else ""

    @property
    def answers(self) -> str:
        """What the network gives, in a word (NET-8)."""
        return "logits" if self.net.is_classifier else "outputs"

    @property
    def net(self) -> Network:
        """The network."""
        return self.score.net

    def recorded(self, name: str, observable: str) -> NDArray[Any]:
        """What was recorded of a population, (b, neurons)."""
        assert self.sample.trace is not None
        return self.sample.trace[name, observable]

    @property
    def margins(self) -> Margins:
        """The margins of each fs population on the first images (FLOAT-4)."""
        each = (summary(p.name, margins_of(self.net, p.name, self.recorded(p.name, "opening"))) for p in self.net.fs)
        return Margins(tuple(each))

    def clipped(self, name: str) -> float | None:
        """The share of membranes that stand beyond the last code of an FS-ReLU, 0..1; None for another population
        (COUNT-7).
        """
        theta = {p.name: relu_theta(p.table) for p in self.net.fs}.get(name)
        if theta is None:
            return None
        v = self.recorded(name, "opening")
        beyond = (theta << self.net.steps[name]).reshape(-1, 1)
        return float((v.reshape(len(v), self.net[name].shape[0], -1) >= beyond).mean())


def known_float_accuracy(net: Network) -> float | None:
    """The float accuracy, 0..1, that the provenance of a network tells, or None."""
    scored, told = net.provenance.get("scored"), net.provenance.get("float_accuracy")
    if (
        isinstance(scored, dict)
        and isinstance(scored.get("float_correct"), int)
        and isinstance(scored.get("images"), int)
        and scored["images"] > 0
    ):
        told = scored["float_correct"] / scored["images"]
    return float(told) if isinstance(told, (int, float)) and not isinstance(told, bool) and 0 <= told <= 1 else None


def examine(
    score: Score,
    images: ImageSet,
    source: str = "",
    memory_limit: int = 2**33,
    energy: Energy | None = None,
    float_accuracy: float | None = None,
    rate: RateScore | None = None,
    coverage: Coverage | None = None,
    errors: OutputErrors | None = None,
    beside: SideBySide | None = None,
    graph: Graph | None = None,
    file: str | PathLike[str] | None = None,
) -> Evaluation:
    """The Evaluation of a score of images: the first of them, and of those that are wrong, are run again, the former
    beside a float `graph`, too; a certificate is looked for beside the `file` of the network. Errors: InputError,
    LimitError.
    """
    record = Record(observables=("opening", "spikes", "codes"))
    selected = select(score.net, record)
    one = recording_bytes(score.net, selected, 1)
    count = images_at_once(one, lambda n: run_bytes(score.net, n, score.engine, selected), memory_limit, "report")
    first = slice(0, min(SAMPLE_IMAGES, count))
    x = check_images(score.net.input, images.x[first])
    y = None if images.y is None else check_labels(images.y[first], len(x), score.net.class_count)
    sample = run(score.net, x, score.engine, record, threads=1, memory_limit=memory_limit)
    return Evaluation(
        score,
        sample,
        x,
        images.names[first],
        y,
        mistakes=mistakes(score, images, count, memory_limit),
        source=source,
        energy=energy,
        float_accuracy=float_accuracy,
        rate=rate,
        coverage=coverage,
        errors=errors,
        comparison=None if graph is None else losses(graph, score.net, x, y, memory_limit),
        beside=beside,
        certificate=None if file is None else certified(score.net, file),
    )


def losses(graph: Graph, net: Network, x: Ints, y: Ints | None, memory_limit: int) -> Comparison | str:
    """What each population loses of a float graph, or why that cannot be told (CONV-10)."""
    try:
        return compare(graph, net, x, y, memory_limit=memory_limit)
    except (GraphError, LimitError) as error:
        return str(error)
