#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measure fsref beside its peers, interleaved in one process: milliseconds per image of process time and of the clock.

    pip install torch onnx onnxruntime spikingjelly matplotlib
        whichever of them is missing is named, and left out
    bench.py --networks resnet20 --rounds 5
        a table of one network, nothing else
    bench.py --data cifar10:DIR --calibrate cifar10-train:DIR --photographs DIR --out speed.json --page speed.md
        everything: the page, its figures in a folder beside it (DIR of --photographs: image files)

In every round all contestants run once, in an order drawn anew; a contestant that has used --seconds of process time
in a table sits the rest out. One thread, but where growth over threads is measured. Without --data images are drawn,
and are smooth. What the peers are and how they are set: tools/bench_peers.py. Ratios are of process times of the same
round; numbers of different runs, or machines, do not compare.
"""

import argparse
import json
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

if __name__ == "__main__":  # before NumPy and PyTorch are loaded: none shall start threads that nobody asked for
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(variable, "1")

import bench_limits  # noqa: E402
import bench_page  # noqa: E402
from bench_clock import machine  # noqa: E402
from bench_measurement import Bench  # noqa: E402
from bench_networks import NETWORKS, Sources  # noqa: E402
from bench_peers import PEERS  # noqa: E402
from fsref.errors import FsrefError  # noqa: E402
from fsref.formats.files import write  # noqa: E402

SOURCES = ("--data", "--calibrate", "--photographs")
# How often, how long and how many at most; what --quick makes of it.
USUAL = {"rounds": 5, "seconds": 10.0, "images": 64}
QUICK = {"rounds": 2, "seconds": 3.0, "images": 8}


def shown(words: Sequence[str]) -> str:
    """The command, the folders of images left out: they are somebody's own."""
    told, before = ["python", "tools/bench.py"], ""
    for word in words:
        kind, colon, _ = word.partition(":")
        told.append(f"{kind}:DIR" if colon else "DIR" if before in SOURCES else word)
        before = word
    return shlex.join(told)


def measured(args: argparse.Namespace, command: str) -> dict[str, Any]:
    """Everything that was asked for, as plain values."""
    sources = Sources(args.data, args.calibrate, args.photographs)
    names = [name for name in args.peers if not (args.quick and PEERS[name].heavy)]
    bench = Bench(names, args.rounds, args.seconds)
    found: dict[str, Any] = {"command": command, "machine": machine(), "rounds": args.rounds}
    found["limits"] = bench_limits.limits()
    chosen = args.networks or (["resnet20"] if args.quick else list(NETWORKS))
    found["networks"] = bench.networks(chosen, sources, args.images)
    if args.networks is None:
        found["growth"] = bench.growth(sources, args.images)
        found["costs"] = bench.costs()
    return {**found, "left_out": bench.left_out}


def network(name: str) -> str:
    """A name of NETWORKS, or a file."""
    if name not in NETWORKS and not Path(name).is_file():
        raise argparse.ArgumentTypeError(f"{name!r} is no file and not of {', '.join(NETWORKS)}")
    return name


def parsed(words: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        "bench.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    text = f"of {', '.join(NETWORKS)}, or the file of a float graph"
    parser.add_argument("--networks", nargs="+", type=network, metavar="NAME", help=text)
    parser.add_argument(
        "--peers", nargs="+", choices=PEERS, default=list(PEERS), metavar="NAME", help=f"of {'; '.join(PEERS)}"
    )
    parser.add_argument("--data", metavar="SOURCE", help="images for CIFAR networks, as fsref evaluate takes them")
    parser.add_argument("--calibrate", metavar="SOURCE", help="others, to calibrate them on")
    parser.add_argument("--photographs", metavar="SOURCE", help="images for networks of ImageNet size")
    parser.add_argument("--quick", action="store_true", help="ResNet-20, few peers, images and rounds")
    for name, usual in USUAL.items():
        text = f"default {usual:g}, with --quick {QUICK[name]:g}"
        parser.add_argument(f"--{name}", type=type(usual), metavar="N", help=text)
    parser.add_argument("--out", type=Path, metavar="FILE", help="the measurements, JSON")
    parser.add_argument("--page", type=Path, metavar="FILE", help="a page in markdown, instead of standard output")
    args = parser.parse_args(words)
    for name, usual in (QUICK if args.quick else USUAL).items():
        if (value := getattr(args, name)) is None:
            setattr(args, name, usual)
        elif not value > 0:
            parser.error(f"--{name} {value:g} is not above 0")
    for path in filter(None, (args.out, args.page)):
        if not path.parent.is_dir():
            parser.error(f"{path.parent} is no folder")
    return args


def main(given: Sequence[str] | None = None) -> None:
    """Read the command line, measure, tell."""
    words = sys.argv[1:] if given is None else list(given)
    args = parsed(words)
    try:
        found = measured(args, shown(words))
        if args.out is not None:
            write(json.dumps(found, indent=1).encode(), args.out, "RUN-5")
        if args.page is None:
            print(bench_page.page(found))
        else:
            bench_page.write_page(found, args.page)
    except FsrefError as error:
        sys.exit(f"bench.py: error: {error}")


if __name__ == "__main__":
    main()
