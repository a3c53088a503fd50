#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Score the FS networks of a float graph, a row per K, and have every engine agree on every image.

SOURCE is what `fsref evaluate --data` takes: cifar10:DIR, a folder with labels.csv, an npz. The graph is calibrated on
the first images of --calibrate, or, where there are no other images, on a seeded draw of SOURCE itself, without its
labels; then every figure is given twice, the second time for the images that calibration has not seen.

`events` and `quantized` run every image and are compared on the train of every neuron and on the logits, ONNX Runtime,
where it is installed, on the logits, `reference` on a few drawn images, on every observable. With --quantized that
engine alone runs every image, and the others but ONNX Runtime the drawn ones. Each network is converted
once; its images are read once. FILE gets a line of JSON per network, batch and row; a start that finds it goes on where
it ends. The table is printed from it.
"""

import argparse
import json
import sys
import time
from dataclasses import fields
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from fsref import Network, check, convert, diff, load_graph, load_images, run, save
from fsref.conversion.converter import Calibrated
from fsref.conversion.options import Options
from fsref.errors import FsrefError
from fsref.metrics.paired import Paired
from fsref.simulation.recording import Record
from fsref.simulation.run import Result
from run_log import Log, digest, sha256

OPTIONS = [field.name for field in fields(Options) if field.name != "steps"]
BATCH_NEURONS = 2**25  # neurons of all images at a time: the trains of all are kept for comparison
HEAD = f"""\
| K | float % | FS % | FS - float, 95 % interval | agreement % | spikes per neuron | latency, steps |
{"|--:" * 7}|"""


def stop(text: str) -> NoReturn:
    """End the program with one line."""
    sys.exit(f"evaluate.py: error: {text}")


def batch(net: Network, x: NDArray[np.integer], onnx: bool, alone: bool) -> dict[str, Any]:
    """Answers and spikes of all FS neurons per image, when all engines that run agree, or of `quantized` alone; else
    the program ends.
    """
    trains, began, seconds = None if alone else Record(observables=("spikes",)), time.perf_counter(), {}
    results = []
    for engine in ("quantized",) if alone else ("events", "quantized"):
        results.append(run(net, x, engine, trains))
        seconds[engine], began = round(time.perf_counter() - began, 2), time.perf_counter()
    one, other = results[0], results[-1]
    if alone:
        return told(net, one, seconds)
    assert one.trace is not None and other.trace is not None
    if (found := diff(other.trace, one.trace)) is not None:
        stop(f"events and quantized differ: {found}")
    if not np.array_equal(one.logits, other.logits):
        stop("events and quantized differ in the logits")
    if onnx:
        from fsref.formats.onnx import model
        from fsref.formats.onnx import run as run_onnx

        made, began = model(net), time.perf_counter()
        if not np.array_equal(run_onnx(made, x, runtime="onnxruntime")["logits"], one.logits):
            stop("ONNX Runtime differs in the logits")
        seconds["onnxruntime"] = round(time.perf_counter() - began, 2)
    return told(net, one, seconds)


def told(net: Network, one: Result, seconds: dict[str, float]) -> dict[str, Any]:
    """What the log keeps of a batch."""
    sent = np.sum([one.spike_counts[p.name] for p in net.fs], axis=0)
    return {"labels": one.predictions.tolist(), "spikes": sent.tolist(), "seconds": seconds}


def row(name: str, pair: Paired, summary: dict[str, Any]) -> str:
    """A line of the table."""
    low, high = pair.interval
    shares = f"{100 * pair.first_correct / pair.image_count:.2f} | {100 * pair.second_correct / pair.image_count:.2f}"
    change = f"{100 * pair.difference:+.2f} ({100 * low:+.2f} .. {100 * high:+.2f})"
    return (
        f"| {name} | {shares} | {change} | {100 * pair.agreement:.2f} | "
        f"{summary['spikes_per_neuron']:.3f} | {summary['latency']} |"
    )


def evaluate(args: argparse.Namespace) -> None:
    """Convert and score, as the command line says."""
    graph, log = load_graph(args.graph), Log(args.out)
    images = load_images(args.data, graph, limit=args.limit)
    if images.y is None:
        stop(f"{args.data} has no labels")
    x, y = images.x, images.y
    seen = np.zeros(len(x), bool)
    if args.calibrate:
        calibration = load_images(args.calibrate, graph, limit=args.images).x
        origin = f"the first {len(calibration)} of {args.calibrate}"
    else:
        seen[np.random.default_rng(args.seed).permutation(len(x))[: args.images]] = True
        calibration = x[seen]
        origin = f"{seen.sum()} of the {len(x)} images without labels, numpy default_rng({args.seed}).permutation"
    onnx = find_spec("onnxruntime") is not None
    sample = sorted(np.random.default_rng(args.seed + 1).permutation(len(x))[: args.reference].tolist())
    key = {"graph": sha256(args.graph.read_bytes()), "data": digest(x, y), "images": len(x)}
    read = f"{len(x)} images of {args.data}"
    print(f"{args.graph}: {read}; calibration: {origin}; reference on images {sample}", flush=True)
    known = log.found(kind="float", **key)
    if known is None:
        known = log.add(kind="float", **key, labels=graph.forward(x).argmax(axis=1).tolist())
    real, calibrated, lines = np.array(known["labels"]), None, []
    for steps in args.steps:
        place = {**key, "steps": steps, "options": args.options, "calibration": digest(calibration)}
        summary = log.found(kind="row", **place)
        if summary is None:
            calibrated = calibrated or Calibrated.of(graph, calibration, args.images)
            net = calibrated.convert(Options.of(convert, {**args.options, "steps": steps}))
            if args.nets:
                args.nets.mkdir(parents=True, exist_ok=True)
                save(net, args.nets / f"{graph.name}-k{steps}.fs.npz")
            neurons = net.fs_neurons
            size = max(1, min(256, BATCH_NEURONS // neurons))
            batches = []
            for first in range(0, len(x), size):
                part = {"id": net.id, "data": key["data"], "first": first, "count": min(size, len(x) - first)}
                done = log.found(kind="batch", **part)
                if done is None:
                    done = log.add(kind="batch", **part, **batch(net, x[first : first + size], onnx, args.quantized))
                batches.append(done)
            if sample:
                found = check(net, x[sample], ("reference", "events", "quantized"), memory_limit=2**35)
                if not found.agrees:
                    stop(f"reference differs: {found}")
            spent = {engine: sum(b["seconds"][engine] for b in batches) / len(x) for engine in batches[0]["seconds"]}
            summary = log.add(
                kind="row",
                **place,
                id=net.id,
                labels=sum((b["labels"] for b in batches), []),
                spikes_per_neuron=round(sum(map(sum, (b["spikes"] for b in batches))) / len(x) / neurons, 4),
                neurons=neurons,
                latency=net.schedule.latency,
                engines=[*spent, *(["reference on the sample"] if sample else [])],
                milliseconds={engine: round(1000 * seconds, 2) for engine, seconds in spent.items()},
            )
            agreed = f"{', '.join(summary['engines'])} agree on {len(x)} images"
            print(f"K = {steps}: {agreed}; ms per image: {summary['milliseconds']}", flush=True)
        fs = np.array(summary["labels"])
        lines.append(row(str(steps), Paired.of(real, fs, y), summary))
        if seen.any():
            lines.append(row(f"{steps}, unseen", Paired.of(real[~seen], fs[~seen], y[~seen]), summary))
    print("\n".join(["", HEAD, *lines]))


def option(pair: str) -> tuple[str, Any]:
    """KEY=VALUE, the value being JSON or text."""
    key, equals, value = pair.partition("=")
    if not equals or key not in OPTIONS:
        raise argparse.ArgumentTypeError(f"{pair!r} is not KEY=VALUE, KEY one of {', '.join(OPTIONS)}")
    try:
        return key, json.loads(value)
    except ValueError:
        return key, value


def main() -> None:
    """Read the command line and evaluate."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("graph", type=Path, metavar="GRAPH")
    parser.add_argument("--data", required=True, metavar="SOURCE", help="labelled images to score on")
    parser.add_argument("--calibrate", metavar="SOURCE", help="images for calibration; without it a draw of --data")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FILE", help="lines of JSON; continued where it ends"
    )
    parser.add_argument(
        "--steps",
        type=lambda text: [int(k) for k in text.split(",")],
        default=list(range(3, 11)),
        metavar="K,K",
        help="default 3,4,...,10",
    )
    numbers = [
        ("images", 512, "images for calibration"),
        ("reference", 100, "images drawn for the engine reference"),
        ("seed", 1, "of the draws"),
    ]
    for name, default, text in numbers:
        parser.add_argument(f"--{name}", type=int, default=default, metavar="N", help=f"{text} (default {default})")
    parser.add_argument("--limit", type=int, metavar="N", help="the first N images only")
    parser.add_argument(
        "--options",
        type=option,
        nargs="*",
        default=[],
        metavar="KEY=VALUE",
        help="of fsref.convert, as bias_correction=analytic",
    )
    parser.add_argument("--quantized", action="store_true", help="that engine alone on all images")
    parser.add_argument("--nets", type=Path, metavar="DIR", help="keep the networks here")
    args = parser.parse_args()
    args.options = dict(args.options)
    try:
        evaluate(args)
    except FsrefError as error:
        stop(str(error))


if __name__ == "__main__":
    main()
