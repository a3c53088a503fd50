"""Networks side by side on the same images, such as one network at several K: accuracy, spikes, energy, and up to which
K FS is cheaper than its dense ANN (COUNT-11).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from fsref.engines.engine import Engine
from fsref.errors import UsageError
from fsref.formats.sources import ImageSet
from fsref.law.network import Network
from fsref.metrics.energy import Costs, Energy, energy, in_joules
from fsref.metrics.paired import Paired
from fsref.metrics.score import Score, evaluate
from fsref.tables import Sheet, Shown, plural, short, span


@dataclass(frozen=True, eq=False, repr=False)
class Side:
    """One of the networks: its score, and its energy where there are costs."""

    score: Score
    energy: Energy | None

    @property
    def steps(self) -> tuple[int, int]:
        """The smallest and the largest K of its FS populations, 0 and 0 without any."""
        every = [p.steps for p in self.score.net.fs] or [0]
        return min(every), max(every)

    @property
    def ratio(self) -> float | None:
        """Its energy over that of its dense ANN, None without energy or where the ANN's is 0."""
        if self.energy is None or not self.energy.ann_energy_pj_per_image:
            return None
        return self.energy.fs_energy_pj_per_image / self.energy.ann_energy_pj_per_image

    @property
    def told(self) -> str:
        """Its K, to tell it from the others: "K = 4", "K = 4 .. 8"."""
        return f"K = {span(*self.steps)}"


@dataclass(frozen=True, eq=False, repr=False)
class SideBySide(Shown):
    """Networks on the same images: `sides`, by K, of which `first` is the one that the others are beside."""

    sides: tuple[Side, ...]
    first: Side

    @property
    def cheaper(self) -> str:
        """Up to which K FS is cheaper than the dense ANN of the same network, in a sentence; "" without energy
        (COUNT-11).
        """
        known = [(side, side.ratio) for side in self.sides if side.ratio is not None]
        below = [side for side, ratio in known if ratio is not None and ratio < 1]
        if not known:
            return ""
        each = "; ".join(f"{side.told}: {ratio:.3g} times" for side, ratio in known)
        if not below:
            return f"No network is cheaper than its dense ANN ({each})."
        if len(below) == len(known):
            return f"Every network is cheaper than its dense ANN ({each})."
        most, rest = max(side.steps[1] for side in below), [side for side, _ in known if side not in below]
        if most < min(side.steps[0] for side in rest):
            return f"FS is cheaper than its dense ANN at K = {most} and below ({each})."
        return f"Cheaper than their dense ANN are {', '.join(side.told for side in below)} ({each})."

    def to_dict(self) -> dict[str, Any]:
        """Every network but the first as plain JSON values."""
        return {"beside": [_plain(side) for side in self.sides if side is not self.first]}

    def sheet(self) -> Sheet:
        """A line for each network, by K."""
        labelled, priced = self.first.score.labels is not None, self.first.energy is not None
        rows = [tuple(self._row(side, labelled, priced)) for side in self.sides]
        head = ["network", "K", *["accuracy %", "95 % interval", "points from *", "interval of these"] * labelled]
        head += ["spikes per neuron", "SynOps per image", "latency", *["energy per image", "times dense"] * priced]
        paired = "; points of accuracy from it, with their 95 % interval, paired" if labelled else ""
        below = [("*", f"the network of this run{paired}")]
        below += [("energy", self.cheaper)] if priced else []
        return Sheet(f"on the same {plural(self.first.score.image_count, 'image')}", head, rows, below=below)

    def _row(self, side: Side, labelled: bool, priced: bool) -> Iterator[object]:
        score, own = side.score, side is self.first
        yield f"{score.net.name or score.net.id[:12]}{' *' if own else ''}"
        yield span(*side.steps)
        if labelled:
            low, high = score.interval
            yield f"{100 * score.accuracy:.2f}"
            yield f"{100 * low:.1f} .. {100 * high:.1f}"
            yield from ("", "") if own else beside(self.first.score, score)
        yield from (f"{score.spikes_per_neuron:.3f}", f"{score.synops:,.0f}", score.latency_steps)
        if priced:
            assert side.energy is not None
            yield in_joules(side.energy.fs_energy_pj_per_image)
            yield "" if side.ratio is None else f"{side.ratio:.3g}"

    def __repr__(self) -> str:
        return short(f"<SideBySide of {plural(len(self.sides), 'network')}: {', '.join(s.told for s in self.sides)}>")


def beside(one: Score, other: Score) -> tuple[str, str]:
    """By how many points another score of the same images is more accurate, and the 95 % interval, in words."""
    pair = Paired.of(one.predictions, other.predictions, one.labels if one.labels is not None else ())
    low, high = pair.interval
    return f"{100 * pair.difference:+.2f}", f"{100 * low:+.1f} .. {100 * high:+.1f}"


def _plain(side: Side) -> dict[str, Any]:
    told, spent = side.score.to_dict(), side.energy
    names = ("network", "id", "correct", "accuracy", "accuracy_interval", "spikes_per_neuron", "latency_steps")
    plain = {name: told[name] for name in names if name in told}
    plain |= {"steps_by_population": {p.name: p.steps for p in side.score.net.fs}}
    return plain | {"energy": None if spent is None else spent.to_dict()}


def side_by_side(
    first: Score,
    others: dict[str, Network],
    images: ImageSet,
    costs: Costs | None,
    engine: str | Engine = "events",
    progress: Callable[[int], None] | None = None,
    **work: Any,
) -> SideBySide:
    """A score and those of other networks, by the name they were given under, on the same images, run by the same
    engine and under the same costs (COUNT-11). Errors: UsageError for a network that the images do not fit, or with
    other classes; InputError, LimitError.
    """
    for name, net in others.items():
        check_beside(first.net, name, net)
    scores = [first]
    for net in others.values():
        scores.append(evaluate(net, images.x, images.y, engine, progress=progress, **work))
    sides = [Side(score, None if costs is None else energy(score.counts, costs)) for score in scores]
    return SideBySide(tuple(sorted(sides, key=lambda side: side.steps)), sides[0])


def check_beside(net: Network, name: str, other: Network) -> None:
    """Nothing, when another network takes the same images and gives the same classes. Errors: UsageError."""
    for what, own, its in (
        ("images", (*net.input.shape, net.input.max_code), (*other.input.shape, other.input.max_code)),
        ("number of classes", net.class_count, other.class_count),
    ):
        if own != its:
            raise UsageError("COUNT-11", name, f"{what} of the network beside it: not the same", its, f"wanted {own}")
