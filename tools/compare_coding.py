#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measure FS coding against rate coding on one float graph: a page of ratios at equal accuracy, tables and two figures.

SOURCE is what `fsref evaluate --data` takes. FS networks (a row per K) answer every image of --data; the rate-coded
twins of the network of --rate-steps answer a seeded draw of --rate-images of them. Both are calibrated on the first
--images of --calibrate. The setting of the twin at each T, classic or best input with alpha of mse or of a percentile,
is the one with most answers right on the --choose images that follow those; of several the one with most right over all
t up to T.

What is compared with what:
- A step is one hop of a spike. `scheduled` is the twin on the schedule of FS (RATE-6): every layer starts when its
  first input arrives, skips are delayed, a spike arrives in the step that sends it. It answers as `together` does,
  after T + depth - 1 steps, as FS does after net.schedule.latency; depth leaves an analog input out. This is like with
  like.
- `together` has a spike pass all layers in one step, latency T. No stepped hardware does that; it is the optimistic
  bound for rate coding.
- `apart` is RATE-6, `fsref evaluate --rate T --apart`, latency T + depth: all layers start at once, so the biases of
  deep ones act before their input comes. It costs runs of its own, is worse for rate than `scheduled`, and is left out
  unless asked for.
- Throughput is 1,000 / initiation interval. FS: that of net.schedule, with two membrane buffers, and with one. Rate: a
  neuron is busy with an image for all its T steps, so 1,000 / T, with one buffer; the depth is left out, which is in
  favour of rate.
- Spikes are of FS neurons alone on both sides, until the answer stands: of FS the mean over all images, of rate over
  the drawn ones. SynOps are OBS-3: those of an analog input are none.
- Energy is COUNT-5 on both sides, of rate by COUNT-8: bias and threshold are read in every step; the MACs of an analog
  first layer are charged once per image, as its sum is constant; neurons that turn pixels into spikes and choices of
  max-pools are charged on neither side.
- The cost tables are the presets horowitz_2014, all memory in one of 32 KB, and horowitz_2014_arithmetic, memory left
  out: M. Horowitz, ISSCC 2014.
- A row of rate has the setting that does best at that T on --choose other images of --calibrate. On the images scored
  another may do better, and with fewer spikes: the ratios and "where rate coding is not slower" look at the runs of all
  settings, at every t.
- The four settings of rate are classic and best input (RATE) of conversions with alpha by mean-square error and by a
  percentile. Conversion is float work: rows of FS may differ in the last digit from a table that another machine made.
- Accuracy is beside that of the float graph on the same images. Ratios take the least cost on each side whose accuracy
  is within --within points of float: FS at some K, on all images and on the drawn ones; rate at any t, not only those
  of the table, and even if it falls again later. So they are lower bounds, over all four settings, on so many images:
  those chosen at no T are run, too, until they come that near or cost more than one that does. Where rate coding is not
  slower is said of these runs: a setting that was not run on might do better later.

FILE gets a line of JSON per batch; a start that finds it goes on where it ends. With --resume or --dask FS networks are
run in shards (RUN-7, RUN-8), all images a batch. The page, in markdown on standard
output, and the figures are made from it.
"""

import argparse
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from coding_measurement import Measurement
from coding_report import COLUMNS, FIGURES, LAYERS, draw, told
from evaluate import option
from fsref.errors import FsrefError
from fsref.law.neuron import MAX_STEPS
from fsref.rate_coding.twin import MAX_TICKS


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
    # Near float on all images and on those drawn.
    worst = [min(points, key=lambda p: p.change) for _, points in fs.values()]
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
    parser.add_argument("--resume", type=Path, metavar="DIR", help="keep shards of FS here, and run none again")
    parser.add_argument("--dask", metavar="ADDRESS", help="share FS among the workers of a Dask cluster")
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
