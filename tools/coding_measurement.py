# SPDX-License-Identifier: Apache-2.0
"""What tools/compare_coding.py measures: FS networks on all images, rate-coded twins on the drawn ones, each batch a
line of the log.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, NoReturn, TypeAlias

import numpy as np
from numpy.typing import NDArray

from coding_report import PARTS, Point, cells, microjoules
from fsref import Network, evaluate, load_graph, load_images, rate_coded
from fsref.conversion.converter import Calibrated
from fsref.conversion.options import Options
from fsref.law.neuron import Ints
from fsref.metrics.counts import Work
from fsref.metrics.paired import Paired
from fsref.rate_coding.neurons import Setting, depth
from fsref.rate_coding.twin import rate_work
from run_log import Log, digest, sha256

Images: TypeAlias = NDArray[np.integer]
Job: TypeAlias = Callable[[Images, Ints], dict[str, Any]]  # what is done with a batch: the fields of its line
Candidate: TypeAlias = tuple[Setting, str]  # setting of the twin, and how alpha of its network was chosen
FS_BATCH, RATE_BATCH = 500, 25  # images to a line of the log
ALPHAS: dict[str, dict[str, Any]] = {
    "mse": {"alpha": "mse"},
    "percentile 99.9": {"alpha": "percentile", "percentile": 99.9},
}
CANDIDATES: list[Candidate] = [(setting, alpha) for setting in ("best", "classic") for alpha in ALPHAS]


class Measurement:
    """The runs of one log: networks are converted when the first batch asks for them, and batches that the log holds
    are not run again.
    """

    def __init__(self, args: argparse.Namespace) -> None:
        self.args, self.graph, self.log = args, load_graph(args.graph), Log(args.out)
        self.calibrated: Calibrated | None = None
        self.nets: dict[str, Network] = {}
        given = load_images(args.data, self.graph, limit=args.limit)
        training = load_images(args.calibrate, self.graph, limit=args.images + args.choose)
        if given.y is None or training.y is None:
            stop("images without labels")
        if len(training.x) <= args.images:
            stop(f"{args.calibrate} has no images after the first {args.images} to choose on")
        self.x, self.y, self.calibration = given.x, given.y, training.x[: args.images]
        self.drawn = np.sort(np.random.default_rng(args.seed).permutation(len(self.x))[: args.rate_images])
        self.sets = {
            "drawn": (self.x[self.drawn], self.y[self.drawn]),
            "choose": (training.x[args.images :], training.y[args.images :]),
        }
        self.place = {"graph": sha256(args.graph.read_bytes()), "calibration": digest(self.calibration)}
        data = {"graph": self.place["graph"], "data": digest(self.x, self.y)}
        known = self.log.found(kind="float", **data)
        if known is None:
            known = self.log.add(kind="float", **data, labels=self.graph.forward(self.x).argmax(axis=1).tolist())
        self.real = np.array(known["labels"])
        self.float_correct = int((self.real == self.y)[self.drawn].sum())  # of the drawn images

    def net(self, options: dict[str, Any]) -> Network:
        """The network under these options of fsref.convert; the program ends when the log is of another, as another
        machine may convert.
        """
        key = json.dumps(options, sort_keys=True)
        if key not in self.nets:
            self.calibrated = self.calibrated or Calibrated.of(self.graph, self.calibration, self.args.images)
            net = self.nets[key] = self.calibrated.convert(Options(**options))
            known = self.log.found(kind="network", **self.place, options=options)
            if known is not None and known["id"] != net.id:
                made = f"of network {known['id'][:12]}, converted here it is {net.id[:12]} ({options})"
                stop(f"{self.args.out} is {made}: the same machine and number of BLAS threads, or another --out")
        return self.nets[key]

    def facts(self, options: dict[str, Any]) -> dict[str, Any]:
        """What the tables say of a network before it runs."""
        found = self.log.found(kind="network", **self.place, options=options)
        if found is None:
            net = self.net(options)
            plan = net.schedule
            found = self.log.add(
                kind="network",
                **self.place,
                options=options,
                id=net.id,
                neurons=net.fs_neurons,
                classes=net.readout.neurons,
                latency=plan.latency,
                intervals=[plan.interval_one_buffer, plan.interval_two_buffers],
            )
        return found

    def batches(self, x: Images, y: Ints, size: int, work: Job, **key: Any) -> Iterator[dict[str, Any]]:
        """The lines of all images, `work(x, y)` done where the log has none."""
        for first in range(0, len(x), size):
            part = x[first : first + size], y[first : first + size]
            data = digest(*part)
            found = self.log.found(**key, data=data)
            if found is None:
                began = time.process_time()
                done = work(*part)
                spent = round(time.process_time() - began, 1)
                found = self.log.add(**key, data=data, images=len(part[0]), **done, cpu_seconds=spent)
                told = ", ".join(f"{k} {v}" for k, v in key.items() if k not in ("id", "points"))
                print(told, f"{first + len(part[0])} of {len(x)}", flush=True, file=sys.stderr)
            yield found

    def fs(self, steps: int) -> tuple[str, list[Point]]:
        """The row of FS coding with this K, and its points: of all images and, the same but for its change, of the
        drawn ones.
        """
        options = {**self.args.options, "steps": steps}
        facts = self.facts(options)

        def work(x: Images, y: Ints) -> dict[str, Any]:
            score = evaluate(self.net(options), x, y, resume=self.args.resume, dask=self.args.dask)
            total = score.counts.total
            sent = sum(int(score.counts.spikes[p.name].sum()) for p in score.net.fs)
            counted = {part: int(getattr(total, part)) for part in PARTS}
            return {"labels": score.predictions.tolist(), "sent": sent, "work": counted}

        # Shards go on where they ended, and workers share them: then a batch is the whole.
        size = FS_BATCH if self.args.resume is None and self.args.dask is None else len(self.x)
        lines = list(self.batches(self.x, self.y, size, work, kind="fs", id=facts["id"]))
        answers = np.array(sum((line["labels"] for line in lines), []))
        counts = {part: sum(line["work"][part] for line in lines) for part in PARTS}
        spikes = sum(line["sent"] for line in lines) / len(answers) / max(1, facts["neurons"])
        latency, (one, two) = facts["latency"], facts["intervals"]
        pair = Paired.of(self.real, answers, self.y)
        also = Paired.of(self.real[self.drawn], answers[self.drawn], self.y[self.drawn])
        energies = microjoules(Work(*(np.asarray(counts[part]) for part in PARTS)), 0, len(answers))
        throughput = f"{1000 / two:.1f} ({1000 / one:.1f})"
        first = f"{steps} | {100 * also.second_correct / also.image_count:.2f}"
        row = cells(first, pair, latency, throughput, spikes, counts["synops"], energies)
        changes = [points(p.second_correct - p.first_correct, p.image_count) for p in (pair, also)]
        return row, [Point(f"K = {steps}", change, latency, two, spikes, one) for change in changes]

    def twin(self, candidate: Candidate, apart: bool, ticks: int, images: str) -> dict[str, Any]:
        """What a twin answered and cost on a set of images at every t of `ticks`, SynOps and answers at those of the
        table.
        """
        setting, alpha = candidate
        options = {**self.args.options, **ALPHAS[alpha], "steps": self.args.rate_steps}
        facts, chosen = self.facts(options), [t for t in self.args.ticks if t <= ticks]

        def work(x: Images, y: Ints) -> dict[str, Any]:
            net = self.net(options)
            twin = rate_coded(net, setting)
            result = twin.run(x, ticks, apart=apart, checkpoints=chosen)
            none = np.zeros(ticks + result.depth, np.int64)
            sent = sum((result.spikes_per_tick[p.name] for p in net.fs), none)
            answers = {str(t): result.predictions[:, t - 1].tolist() for t in chosen}
            operations = {str(t): int(n) for t, n in zip(chosen, result.synops.sum(axis=0), strict=True)}
            plain = {"labels": answers, "correct": result.correct(y).tolist(), "sent": sent.tolist()}
            return {**plain, "synops": operations, "depth": depth(net, twin.neurons), "macs": twin.macs}

        key = {"id": facts["id"], "setting": setting, "apart": apart, "ticks": ticks, "points": chosen}
        lines = list(self.batches(*self.sets[images], RATE_BATCH, work, kind="rate", **key))
        late = lines[0]["depth"] if apart else 0  # the ticks after T until the answer at T stands (RATE-6)
        return {
            "facts": facts,
            "count": len(self.sets[images][0]),
            "late": late,
            "depth": lines[0]["depth"],
            "macs": lines[0]["macs"],
            "sent": np.cumsum(np.sum([line["sent"] for line in lines], axis=0))[late:],
            "correct": np.sum([line["correct"] for line in lines], axis=0),
            "answers": {t: np.array(sum((line["labels"][str(t)] for line in lines), [])) for t in chosen},
            "synops": {t: sum(line["synops"][str(t)] for line in lines) for t in chosen},
        }

    def runs(self, chosen: dict[int, Candidate], apart: bool) -> dict[Candidate, dict[str, Any]]:
        """The runs of every setting on the drawn images: up to the last T at which it was chosen, and on, T by T, until
        it came near float or has taken more steps and spikes than the least with which one came near: later answers,
        whose costs only grow, are no cheaper.
        """
        runs: dict[Candidate, dict[str, Any]] = {}
        near: dict[Candidate, int] = {}  # the first t at which each is near float

        def go(c: Candidate, ticks: int) -> None:
            run = runs[c] = self.twin(c, apart, ticks, "drawn")
            changes = (points(int(n) - self.float_correct, run["count"]) for n in run["correct"])
            first = next((t for t, change in enumerate(changes, 1) if change >= -self.args.within), None)
            if first is not None:
                near[c] = first

        for c in dict.fromkeys(chosen.values()):
            go(c, max(t for t in chosen if chosen[t] == c))
        for c in CANDIDATES:
            for t in self.args.ticks:
                steps = min(near.values(), default=self.args.ticks[-1])
                spikes = min((runs[other]["sent"][at - 1] for other, at in near.items()), default=np.inf)
                done = len(runs[c]["correct"]) if c in runs else 0
                if c in near or (done >= steps and runs[c]["sent"][-1] >= spikes):
                    break
                if t >= steps and t > done:
                    go(c, t)
        return runs

    def rate(self, layers: str) -> tuple[list[str], list[Point], list[Point]]:
        """The rows of rate coding, a point for each, and the points of every t of all runs."""
        apart, ticks, y = layers == "apart", self.args.ticks, self.sets["drawn"][1]
        tried = {c: self.twin(c, apart, ticks[-1], "choose")["correct"] for c in CANDIDATES}
        chosen = {t: max(CANDIDATES, key=lambda c: (tried[c][t - 1], tried[c][:t].sum())) for t in ticks}
        runs = self.runs(chosen, apart)
        real, rows, marks = self.real[self.drawn], [], []

        def point(candidate: Candidate, t: int) -> Point:
            run = runs[candidate]
            change = points(int(run["correct"][t - 1]) - self.float_correct, run["count"])
            latency = t + (max(0, run["depth"] - 1) if layers == "scheduled" else run["late"])
            spikes = run["sent"][t - 1] / run["count"] / max(1, run["facts"]["neurons"])
            return Point(f"T = {t}, {', '.join(candidate)}", change, latency, t, spikes, t)

        for t in ticks:
            run, mark = runs[chosen[t]], point(chosen[t], t)
            size = run["facts"]["neurons"], run["facts"]["classes"], run["macs"]
            steps, sent, synops = np.asarray(t + run["late"]), run["sent"][t - 1], run["synops"][t]
            work = rate_work(*size, steps, sent, np.asarray(synops), run["count"])
            energies = microjoules(work, run["count"] * run["macs"], run["count"])
            pair, first = Paired.of(real, run["answers"][t], y), f"{t} | {', '.join(chosen[t])}"
            rows.append(cells(first, pair, mark.latency, f"{1000 / t:.1f}", mark.spikes, synops, energies))
            marks.append(mark)
        macs = max(run["macs"] for run in runs.values())
        if macs:
            less = f"without the {macs:,} MACs per image of its analog first layer"
            rows.append(f"\nSynOps of setting best are {less}; its energy holds them, once per image.")
        return rows, marks, [point(c, t) for c, run in runs.items() for t in range(1, len(run["correct"]) + 1)]


def stop(text: str) -> NoReturn:
    """End the program with one line."""
    sys.exit(f"compare_coding.py: error: {text}")


def points(more: int, images: int) -> float:
    """So many more right answers of so many images in points, the nearest float: equal shares are equal, whatever the
    number of images.
    """
    return 100 * more / images
