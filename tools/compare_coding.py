#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measure FS coding against rate coding on one float graph: a page of ratios at equal accuracy, tables and two figures.

SOURCE is what `fsref evaluate --data` takes. FS networks (a row per K) answer every image of --data; the rate-coded
twins of the network of --rate-steps answer a seeded draw of --rate-images of them. Both are calibrated on the first
--images of --calibrate. The setting of the twin at each T, classic or best input with alpha of mse or of a percentile,
is the one with most answers right on the --choose images that follow those; of several the one with most right over all
t up to T.

What is compared with what: - A step is one hop of a spike. `scheduled` is the twin on the schedule of FS (RATE-6):
every layer starts when its first input arrives, skips are delayed, a spike arrives in the step that sends it. It
answers as `together` does, after T + depth - 1 steps, as FS does after net.schedule.latency; depth leaves an analog
input out. This is like with like. - `together` has a spike pass all layers in one step, latency T. No stepped hardware
does that; it is the optimistic bound for rate coding. - `apart` is RATE-6, `fsref evaluate --rate T --apart`, latency T
+ depth: all layers start at once, so the biases of deep ones act before their input comes. It costs runs of its own, is
worse for rate than `scheduled`, and is left out unless asked for. - Throughput is 1,000 / initiation interval. FS: that
of net.schedule, with two membrane buffers, and with one. Rate: a neuron is busy with an image for all its T steps, so
1,000 / T, with one buffer; the depth is left out, which is in favour of rate. - Spikes are of FS neurons alone on both
sides, until the answer stands: of FS the mean over all images, of rate over the drawn ones. SynOps are OBS-3: those of
an analog input are none. - Energy is COUNT-5 on both sides, of rate by COUNT-8: bias and threshold are read in every
step; the MACs of an analog first layer are charged once per image, as its sum is constant; neurons that turn pixels
into spikes and choices of max-pools are charged on neither side. - The cost tables are the presets horowitz_2014, all
memory in one of 32 KB, and horowitz_2014_arithmetic, memory left out: M. Horowitz, ISSCC 2014. - A row of rate has the
setting that does best at that T on --choose other images of --calibrate. On the images scored another may do better,
and with fewer spikes: the ratios and "where rate coding is not slower" look at the runs of all settings, at every t. -
The four settings of rate are classic and best input (RATE) of conversions with alpha by mean-square error and by a
percentile. Conversion is float work: rows of FS may differ in the last digit from a table that another machine made. -
Accuracy is beside that of the float graph on the same images. Ratios take the least cost on each side whose accuracy is
within --within points of float: FS at some K, on all images and on the drawn ones; rate at any t, not only those of the
table, and even if it falls again later. So they are lower bounds, over all four settings, on so many images: those
chosen at no T are run, too, until they come that near or cost more than one that does. Where rate coding is not slower
is said of these runs: a setting that was not run on might do better later.

FILE gets a line of JSON per batch; a start that finds it goes on where it ends. The page, in markdown on standard
output, and the figures are made from it.
"""

import argparse
import json
import shlex
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from coding_report import COLUMNS, FIGURES, LAYERS, PARTS, Point, cells, draw, microjoules, told
from evaluate import Log, option, sha256
from fsref import Network, load_graph, load_images
from fsref.conversion.converter import Calibrated, Options
from fsref.errors import FsrefError
from fsref.law.neuron import MAX_STEPS
from fsref.law.populations import FS, Readout
from fsref.metrics.counts import Work
from fsref.metrics.paired import Paired
from fsref.metrics.score import evaluate
from fsref.rate_coding.neurons import depth
from fsref.rate_coding.twin import MAX_TICKS, rate_coded, rate_work

FS_BATCH, RATE_BATCH = 500, 25  # images to a line of the log
ALPHAS: dict[str, dict[str, Any]] = {
    "mse": {"alpha": "mse"},
    "percentile 99.9": {"alpha": "percentile", "percentile": 99.9},
}
CANDIDATES = [(setting, alpha) for setting in ("best", "classic") for alpha in ALPHAS]


class Measurement:
    """The runs of one log: networks are converted when the first batch asks for them, and batches that the log holds
    are not run again.
    """

    def __init__(self, args: argparse.Namespace) -> None:
        self.args, self.graph, self.log = args, load_graph(args.graph), Log(args.out)
        self.calibrated: Calibrated | None = None
        self.nets: dict[str, Network] = {}
        given, training = (
            load_images(source, self.graph, limit=n)
            for source, n in ((args.data, args.limit), (args.calibrate, args.images + args.choose))
        )
        if given.y is None or training.y is None:
            sys.exit("compare_coding.py: error: images without labels")
        if len(training.x) <= args.images:
            sys.exit(
                f"compare_coding.py: error: {args.calibrate} has no images after the first {args.images} to choose on"
            )
        self.x, self.y, self.calibration = given.x, given.y, training.x[: args.images]
        self.drawn = np.sort(np.random.default_rng(args.seed).permutation(len(self.x))[: args.rate_images])
        self.sets = {
            "drawn": (self.x[self.drawn], self.y[self.drawn]),
            "choose": (training.x[args.images :], training.y[args.images :]),
        }
        self.place = {
            "graph": sha256(args.graph.read_bytes()),
            "calibration": sha256(np.asarray(self.calibration, "<i8").tobytes()),
        }
        data = {"graph": self.place["graph"], "data": digest(self.x, self.y)}
        known = next(self.log.found(kind="float", **data), None) or self.log.add(
            kind="float", **data, labels=self.graph.forward(self.x).argmax(axis=1).tolist()
        )
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
            known = next(self.log.found(kind="network", **self.place, options=options), None)
            if known is not None and known["id"] != net.id:
                told = (
                    f"{self.args.out} is of network {known['id'][:12]}, converted here it is {net.id[:12]} ({options})"
                )
                sys.exit(
                    f"compare_coding.py: error: {told}: the same machine and number of BLAS threads, or another --out"
                )
        return self.nets[key]

    def facts(self, options: dict[str, Any]) -> dict[str, Any]:
        """What the tables say of a network before it runs."""
        found = next(self.log.found(kind="network", **self.place, options=options), None)
        if found is None:
            net = self.net(options)
            size = {p.name: p.neurons for p in net.populations}
            plan = net.schedule
            found = self.log.add(
                kind="network",
                **self.place,
                options=options,
                id=net.id,
                neurons=sum(size[p.name] for p in net.populations if isinstance(p, FS)),
                classes=sum(size[p.name] for p in net.populations if isinstance(p, Readout)),
                latency=plan.latency,
                intervals=[plan.interval_one_buffer, plan.interval_two_buffers],
            )
        return found

    def batches(self, x: np.ndarray, y: np.ndarray, size: int, work: Any, **key: Any) -> Iterator[dict[str, Any]]:
        """The lines of all images, `work(x, y)` done where the log has none."""
        for first in range(0, len(x), size):
            part = x[first : first + size], y[first : first + size]
            found = next(self.log.found(**key, data=digest(*part)), None)
            if found is None:
                began = time.process_time()
                done = work(*part)
                found = self.log.add(
                    **key,
                    data=digest(*part),
                    images=len(part[0]),
                    **done,
                    cpu_seconds=round(time.process_time() - began, 1),
                )
                told = ", ".join(f"{k} {v}" for k, v in key.items() if k not in ("id", "points"))
                print(told, f"{first + len(part[0])} of {len(x)}", flush=True, file=sys.stderr)
            yield found

    def fs(self, steps: int) -> tuple[str, list[Point]]:
        """The row of FS coding with this K, and its points: of all images and, the same but for its change, of the
        drawn ones.
        """
        options = {**self.args.options, "steps": steps}
        facts = self.facts(options)

        def work(x: np.ndarray, y: np.ndarray) -> dict[str, Any]:
            score = evaluate(self.net(options), x, y)
            total = score.counts.total
            sent = sum(int(n.sum()) for name, n in score.counts.spikes.items() if isinstance(score.net[name], FS))
            return {
                "labels": score.predictions.tolist(),
                "sent": sent,
                "work": {part: int(getattr(total, part)) for part in PARTS},
            }

        lines = list(self.batches(self.x, self.y, FS_BATCH, work, kind="fs", id=facts["id"]))
        labels = np.array(sum((line["labels"] for line in lines), []))
        counts = {part: sum(line["work"][part] for line in lines) for part in PARTS}
        spikes = sum(line["sent"] for line in lines) / len(labels) / max(1, facts["neurons"])
        one, two = facts["intervals"]
        pair, also = (
            Paired.of(self.real, labels, self.y),
            Paired.of(self.real[self.drawn], labels[self.drawn], self.y[self.drawn]),
        )
        energies = microjoules(Work(*(np.asarray(counts[part]) for part in PARTS)), 0, len(labels))
        throughput = f"{1000 / two:.1f} ({1000 / one:.1f})"
        row = cells(
            f"{steps} | {100 * also.second_correct / also.images:.2f}",
            pair,
            facts["latency"],
            throughput,
            spikes,
            counts["synops"],
            energies,
        )
        return row, [
            Point(
                f"K = {steps}", points(p.second_correct - p.first_correct, p.images), facts["latency"], two, spikes, one
            )
            for p in (pair, also)
        ]

    def twin(self, candidate: tuple[str, str], apart: bool, ticks: int, images: str) -> dict[str, Any]:
        """What a twin answered and cost on a set of images at every t of `ticks`, SynOps and labels at those of the
        table.
        """
        setting, alpha = candidate
        options = {**self.args.options, **ALPHAS[alpha], "steps": self.args.rate_steps}
        facts, chosen = self.facts(options), [t for t in self.args.ticks if t <= ticks]

        def work(x: np.ndarray, y: np.ndarray) -> dict[str, Any]:
            net = self.net(options)
            twin = rate_coded(net, setting)
            result = twin.run(x, ticks, apart=apart, checkpoints=chosen)
            sent = sum(
                (result.spikes_per_tick[p.name] for p in net.populations if isinstance(p, FS)),
                np.zeros(ticks + result.depth, np.int64),
            )
            fixed = {"depth": depth(net, twin.neurons), "macs": twin.macs}
            named = {str(t): result.predictions[:, t - 1].tolist() for t in chosen}
            operations = {str(t): int(n) for t, n in zip(chosen, result.synops.sum(axis=0), strict=True)}
            return {
                "labels": named,
                "correct": result.correct(y).tolist(),
                "sent": sent.tolist(),
                "synops": operations,
                **fixed,
            }

        lines = list(
            self.batches(
                *self.sets[images],
                RATE_BATCH,
                work,
                kind="rate",
                id=facts["id"],
                setting=setting,
                apart=apart,
                ticks=ticks,
                points=chosen,
            )
        )
        late = lines[0]["depth"] if apart else 0  # the ticks after T until the answer at T stands (RATE-6)
        return {
            "facts": facts,
            "count": len(self.sets[images][0]),
            "late": late,
            "depth": lines[0]["depth"],
            "macs": lines[0]["macs"],
            "sent": np.cumsum(np.sum([line["sent"] for line in lines], axis=0))[late:],
            "correct": np.sum([line["correct"] for line in lines], axis=0),
            "labels": {t: np.array(sum((line["labels"][str(t)] for line in lines), [])) for t in chosen},
            "synops": {t: sum(line["synops"][str(t)] for line in lines) for t in chosen},
        }

    def runs(self, chosen: dict[int, tuple[str, str]], apart: bool) -> dict[tuple[str, str], dict[str, Any]]:
        """The runs of every setting on the drawn images: up to the last T at which it was chosen, and on, T by T, until
        it came near float or has taken more steps and spikes than the least with which one came near: later answers,
        whose costs only grow, are no cheaper.
        """
        runs: dict[tuple[str, str], dict[str, Any]] = {}
        near: dict[tuple[str, str], int] = {}  # the first t at which each is near float

        def go(c: tuple[str, str], ticks: int) -> None:
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

        def point(candidate: tuple[str, str], t: int) -> Point:
            run = runs[candidate]
            change = points(int(run["correct"][t - 1]) - self.float_correct, run["count"])
            latency = t + (max(0, run["depth"] - 1) if layers == "scheduled" else run["late"])
            return Point(
                f"T = {t}, {', '.join(candidate)}",
                change,
                latency,
                t,
                run["sent"][t - 1] / run["count"] / max(1, run["facts"]["neurons"]),
                t,
            )

        for t in ticks:
            run = runs[chosen[t]]
            facts, steps, macs = run["facts"], np.asarray(t + run["late"]), run["macs"]
            work = rate_work(
                facts["neurons"],
                facts["classes"],
                macs,
                steps,
                run["sent"][t - 1],
                np.asarray(run["synops"][t]),
                run["count"],
            )
            energies = microjoules(work, run["count"] * macs, run["count"])
            pair, mark = Paired.of(real, run["labels"][t], y), point(chosen[t], t)
            rows.append(
                cells(
                    f"{t} | {', '.join(chosen[t])}",
                    pair,
                    mark.latency,
                    f"{1000 / t:.1f}",
                    mark.spikes,
                    run["synops"][t],
                    energies,
                )
            )
            marks.append(mark)
        macs = max(run["macs"] for run in runs.values())
        if macs:
            rows.append(
                f"\nSynOps of setting best are without the {macs:,} MACs per image of its "
                "analog first layer; its energy holds them, once per image."
            )
        return rows, marks, [point(c, t) for c, run in runs.items() for t in range(1, len(run["correct"]) + 1)]


def points(more: int, images: int) -> float:
    """So many more right answers of so many images in points, the nearest float: equal shares are equal, whatever the
    number of images.
    """
    return 100 * more / images


def digest(x: np.ndarray, y: np.ndarray) -> str:
    """What names images and their labels in the log."""
    return sha256(np.asarray(x, "<i8").tobytes() + np.asarray(y, "<i8").tobytes())


def conventions() -> str:
    """What is compared with what, as this module's docstring has it."""
    _, _, after = (__doc__ or "").partition("What is compared with what:\n")
    return after.partition("\n\n")[0]


def compare(args: argparse.Namespace, command: str) -> None:
    """Measure and print the page, as the command line says."""
    done = Measurement(args)
    fs = {steps: done.fs(steps) for steps in args.steps}
    rate = {layers: done.rate(layers) for layers in args.layers}
    float_correct, drawn = done.real == done.y, len(done.drawn)
    worst = [
        min(points, key=lambda p: p.change) for _, points in fs.values()
    ]  # near float on all images and on those drawn
    page = [f"# {done.graph.name or args.graph}: FS coding beside rate coding", "", f"    {command}", ""]
    page += [
        f"float: {100 * float_correct.mean():.2f} % of {len(done.y)} images, "
        f"{100 * float_correct[done.drawn].mean():.2f} % of the {drawn} drawn for rate"
    ]
    page += told(worst, {layers: every for layers, (_, _, every) in rate.items()}, args.within)
    if args.figures:
        everywhere = [points[0] for _, points in fs.values()]
        marks = {layers: marks for layers, (_, marks, _) in rate.items()}
        draw(
            args.figures,
            done.graph.name or "graph",
            everywhere,
            marks,
            100 * float(float_correct.mean()),
            (len(done.y), drawn),
        )
        page += ["", *(f"![accuracy against {name}](accuracy-{name}.svg)" for name in FIGURES)]
    page += [
        "",
        f"## FS, {len(done.y)} images; throughput with two membrane buffers (with one)",
        "",
        f"| K | % of the drawn | {COLUMNS}",
        f"{'|--:' * 10}|",
    ]
    page += [row for row, _ in fs.values()]
    for layers, (rows, _, _) in rate.items():
        page += [
            "",
            f"## Rate, {drawn} images, {LAYERS[layers]}, K = {args.rate_steps} network",
            "",
            f"| T | setting | {COLUMNS}",
            f"|--:|---{'|--:' * 8}|",
        ]
        page += rows
    print("\n".join([*page, "", "## What is compared with what", "", conventions()]))


def within(low: int, high: int) -> Callable[[str], int]:
    """A reader of integers of low..high."""

    def number(text: str) -> int:
        if not low <= int(text) <= high:
            raise argparse.ArgumentTypeError(f"{text} is not a number of {low}..{high}")
        return int(text)

    return number


def ascending(high: int) -> Callable[[str], list[int]]:
    """A reader of ascending integers of 1..high, with commas between."""

    def numbers(text: str) -> list[int]:
        found = [int(part) for part in text.split(",")]
        if found != sorted(set(found)) or found[0] < 1 or found[-1] > high:
            raise argparse.ArgumentTypeError(f"{text!r} is not ascending numbers of 1..{high}")
        return found

    return numbers


def main(given: Sequence[str] | None = None) -> None:
    """Read the command line and compare."""
    parser = argparse.ArgumentParser(
        "compare_coding.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("graph", type=Path, metavar="GRAPH")
    parser.add_argument("--data", required=True, metavar="SOURCE", help="labelled images to score on")
    parser.add_argument(
        "--calibrate",
        required=True,
        metavar="SOURCE",
        help="labelled images to calibrate and to choose settings on, none of --data",
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FILE", help="lines of JSON; continued where it ends"
    )
    parser.add_argument(
        "--figures", type=Path, metavar="DIR", help="write accuracy-latency.svg and accuracy-throughput.svg here"
    )
    parser.add_argument(
        "--steps",
        type=ascending(MAX_STEPS),
        default=list(range(3, 11)),
        metavar="K,K",
        help="of FS (default 3,4,...,10)",
    )
    parser.add_argument(
        "--ticks",
        type=ascending(MAX_TICKS),
        default=[2**i for i in range(3, 12)],
        metavar="T,T",
        help="of rate (default 8,16,...,2048)",
    )
    parser.add_argument(
        "--layers",
        nargs="+",
        choices=list(LAYERS),
        default=["together", "scheduled"],
        help="of rate, see above (default together scheduled)",
    )
    some = within(1, 10**9)
    counts = [
        ("images", 512, some, "images for calibration"),
        ("choose", 200, some, "images after them to choose settings of rate on"),
    ]
    counts += [
        ("rate-images", 1000, some, "images drawn for rate"),
        ("rate-steps", 8, within(1, MAX_STEPS), "K of the network whose twins they are"),
    ]
    for name, default, kind, text in [*counts, ("seed", 1, within(0, 2**63), "of the draw")]:
        parser.add_argument(f"--{name}", type=kind, default=default, metavar="N", help=f"{text} (default {default})")
    parser.add_argument("--limit", type=some, metavar="N", help="the first N images of --data only")
    parser.add_argument(
        "--within", type=float, default=0.5, metavar="POINTS", help="of float, for the ratios (default 0.5)"
    )
    parser.add_argument(
        "--options", type=option, nargs="*", default=[], metavar="KEY=VALUE", help="of fsref.convert, for FS and rate"
    )
    words = sys.argv[1:] if given is None else list(given)
    args = parser.parse_args(words)
    args.options = dict(args.options)
    if not args.within >= 0:
        parser.error(f"--within {args.within} is not 0 or more")
    if args.figures is not None and args.figures.exists() and not args.figures.is_dir():
        parser.error(f"--figures {args.figures} is no folder")
    try:
        compare(args, shlex.join(["python", "tools/compare_coding.py", *words]))
    except FsrefError as error:
        sys.exit(f"compare_coding.py: error: {error}")


if __name__ == "__main__":
    main()
