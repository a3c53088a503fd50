"""How well and how cheaply a rate-coded twin answers labelled images: accuracy against time, spikes, SynOps, energy
(RATE-7, COUNT-8).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fsref.errors import UsageError, public
from fsref.law.neuron import Ints
from fsref.metrics.energy import Costs, costs_of, energy_pj
from fsref.rate_coding.twin import RateResult
from fsref.tables import Sheet, Shown, plural, short


@dataclass(frozen=True, eq=False, repr=False)
class RateScore(Shown):
    """A run of a rate-coded twin, scored. At each of its n checkpoints, (n,): `correct`, the images whose class is
    their label, and energy under `costs`.

    `correct_at_every_t` is (T,).
    """

    result: RateResult
    correct_at_every_t: Ints
    costs: Costs | None = None

    @property
    def image_count(self) -> int:
        """How many images there are."""
        return len(self.result.predictions)

    @property
    def correct(self) -> Ints:
        """How many of them are right at each checkpoint, (n,)."""
        right: Ints = self.correct_at_every_t[self.result.checkpoints - 1]
        return right

    @property
    def accuracy(self) -> NDArray[np.float64]:
        """The share of images whose class is their label at each checkpoint, (n,), 0..1."""
        return self.correct / self.image_count

    @property
    def energy_pj_per_image(self) -> NDArray[np.float64] | None:
        """The energy in pJ until the answer at each checkpoint stands, mean over images, (n,); None without costs
        (COUNT-8).
        """
        macs = self.result.twin.macs * self.image_count
        return None if self.costs is None else energy_pj(self.result.work, macs, self.costs) / self.image_count

    @property
    def told(self) -> str:
        """How the twin runs: its setting, and how its layers act."""
        layers = (
            "layers one tick apart"
            if self.result.depth
            else "all layers in the same tick, where FS layers follow one another"
        )
        return f"setting {self.result.twin.setting}, {layers}"

    def to_dict(self) -> dict[str, Any]:
        """The score as plain JSON values: what the table shows, by checkpoint, and how many are right at every t."""
        result, spent = self.result, self.energy_pj_per_image
        net = result.twin.net
        rows = [
            {
                "t": t,
                "correct": int(self.correct[i]),
                "accuracy": float(self.accuracy[i]),
                "latency_steps": int(result.latency[i]),
                "scheduled_latency_steps": None if result.depth else int(result.scheduled_latency[i]),
                "spikes_per_neuron": float(result.spikes_per_neuron[i]),
                "spikes_per_image": {name: float(sent[:, i].mean()) for name, sent in result.spikes.items()},
                "synops_per_image": float(result.synops[:, i].mean()),
                "energy_pj_per_image": None if spent is None else float(spent[i]),
            }
            for i, t in enumerate(result.checkpoints.tolist())
        ]
        known = {"network": net.name, "id": net.id, "setting": result.twin.setting, "depth_ticks": result.depth}
        known |= {"image_count": self.image_count, "costs": None if self.costs is None else self.costs.to_dict()}
        found = {"checkpoints": rows, "inexact": list(result.inexact)}
        every = {"correct_at_every_t": self.correct_at_every_t.tolist(), "fs_latency_steps": net.schedule.latency}
        return {**known, **found, **every}

    def sheet(self) -> Sheet:
        """The score as a table: accuracy against time, a line per checkpoint; below it what to know of latency, alpha
        and max-pools.
        """
        result, spent = self.result, self.energy_pj_per_image
        net = result.twin.net
        each: list[tuple[str, Sequence[object]]] = [
            ("t", result.checkpoints.tolist()),
            ("accuracy %", [f"{100 * share:.2f}" for share in self.accuracy]),
            ("correct", self.correct.tolist()),
            ("latency, steps", result.latency.tolist()),
            ("spikes per neuron", [f"{n:.3f}" for n in result.spikes_per_neuron]),
            ("SynOps per image", [f"{n:,.1f}" for n in result.synops.mean(axis=0)]),
        ]
        if not result.depth:
            each.insert(4, ("on FS schedule", result.scheduled_latency.tolist()))
        if spent is not None:
            each.append(("pJ per image", [f"{pj:,.1f}" for pj in spent]))
        rows = list(zip(*(column for _, column in each), strict=True))
        head = tuple(name for name, _ in each)
        as_on_a_chip = "on the schedule of FS a layer takes a step, as on a chip"
        alone = f"t alone, as if a spike passed all layers in one step; {as_on_a_chip}"
        late = f"t, and {plural(result.depth, 'tick')} from layer to layer" if result.depth else alone
        plan = net.schedule
        two = f"an image every {plural(plan.interval_two_buffers, 'step')} with two membrane buffers"
        pace = f"{two}, every {plan.interval_one_buffer} with one"
        below = [
            ("FS", f"latency {plural(plan.latency, 'step')}; {pace} [TIME-2, TIME-3]"),
            ("rate", "an image every t steps: a neuron is busy with it for so long"),
            ("latency", f"{late} [RATE-6]"),
        ]
        options = net.provenance.get("options")
        if result.twin.setting == "best" and isinstance(options, dict) and options.get("alpha") in ("mse", "max"):
            better = "at few ticks rate coding does better on a network of fsref convert --alpha percentile [RATE]"
            below.append(("alpha", f"{options['alpha']}: {better}"))
        if self.costs is not None:
            macs = result.twin.macs
            analog = f", {plural(macs, 'MAC')} of the analog input once per image" if macs else ""
            below.append(("energy", f"costs {self.costs.name}{analog} [COUNT-8]"))
        if result.inexact:
            passes = "a max_pool passes on its busiest candidate, not the largest count [RATE-5]"
            below.append(("inexact", f"{', '.join(result.inexact)}: {passes}"))
        title = f"{net.name or 'network'}: rate-coded twin, {result.twin.setting}, "
        title += f"{plural(self.image_count, 'image')}, t in ticks"
        return Sheet(title, head, rows, below=below)

    def __repr__(self) -> str:
        return short(
            f"<RateScore of {self.result.twin}: {int(self.correct[-1])} of {self.image_count} right at the end>"
        )


@public
def rate_score(result: RateResult, labels: ArrayLike, costs: Costs | str | None = None) -> RateScore:
    """The score of `result`, a run of a twin on images, with `labels` (B,), with energy where there are `costs`.
    Errors: InputError, UsageError for what is no such run.
    """
    if not isinstance(result, RateResult):
        limit = "what the run of a twin gives: fsref.rate_coded(net).run(images, ticks)"
        raise UsageError("RATE-6", "rate_score", "not a run of a twin", type(result).__name__, limit)
    return RateScore(result, result.correct(labels), costs_of(costs) if isinstance(costs, str) else costs)
