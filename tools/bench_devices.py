# SPDX-License-Identifier: Apache-2.0
"""Cases per second that devices answer, by carrier: `python tools/bench_devices.py` in the root of a clone.

One network of 9 neurons, which answers all observables of it, so that what is measured is the way there and back: by
frames a device in C, by lines of hex one in Verilog, which iverilog simulates, by files one in Python, started for each
file. All answer the same images in turn, again and again, and are right. A device whose compiler is missing is left
out, and said so.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np

from fsref import FS, Dense, Input, Network, Readout, fs_relu
from fsref.conformance import conform
from fsref.conformance.frames import to_hex
from fsref.vectors.case import Case, case_of

DEVICES = Path(__file__).resolve().parent.parent / "tests" / "devices"
CASES, ROUNDS = 1_000, 5


def network() -> Network:
    """The network that the device in Verilog holds."""
    return Network(
        [
            Input("in", (1, 2, 2), 4, 15),
            FS("hid", (3, 1, 1), fs_relu(3, 2), np.array([1, -2, 0])),
            Readout("out", (2, 1, 1), np.array([5, -5])),
        ],
        [
            Dense("in", "hid", np.array([[1, 2, 0, -1], [3, 0, 1, 1], [-1, 1, 2, 0]])),
            Dense("hid", "out", np.array([[1, -1, 2], [0, 3, -2]])),
        ],
    )


def devices(folder: Path, net: Network) -> Iterator[tuple[str, str, list[str]]]:
    """The carrier, what answers, and its command, of each device that can be built here."""
    if shutil.which("gcc") is None:
        print("frames: gcc is not installed", file=sys.stderr)
    else:
        subprocess.run(["gcc", "-O2", "-o", str(folder / "core"), str(DEVICES / "core.c")], check=True)
        yield "frames", "C", [str(folder / "core")]
    if shutil.which("iverilog") is None:
        print("hex: iverilog is not installed", file=sys.stderr)
    else:
        text = json.dumps({"name": "core.sv", "network": net.id, "refuses": False}).encode()
        text += b" " * (-len(text) % 8)
        line = to_hex(np.concatenate([[0, len(text)], np.frombuffer(text, "<i8")]))
        build = ["iverilog", "-g2012", "-DBUG_NONE", f'-DGREETING="{line}"', "-o", str(folder / "bench")]
        subprocess.run([*build, str(DEVICES / "core.sv")], check=True)
        yield "hex", "Verilog, iverilog", ["vvp", "-n", str(folder / "bench")]
    yield "files", "Python, a start for each file", [sys.executable, "-S", str(DEVICES / "core.py")]


def seconds(carrier: str, command: list[str], net: Network, cases: list[Case]) -> float:
    """How long the cases take, from the start of the device on."""
    begun = perf_counter()
    report = conform(command, net, carrier, examples=0, cases=cases, rejects=[])
    assert report.agrees and len(report.driven) == len(cases), report.line
    return perf_counter() - begun


def main() -> None:
    """A table of the carriers, and how their speeds compare."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    net = network()
    images = np.random.default_rng(1).integers(0, 16, (CASES, 4))
    cases = [case_of(net, "network", "out", {("in", "codes"): image}) for image in images]
    with tempfile.TemporaryDirectory(prefix="fsref-") as folder:
        known = list(devices(Path(folder), net))
        taken: list[list[float]] = [[] for _ in known]
        for _ in range(ROUNDS):
            for own, (carrier, _, command) in zip(taken, known, strict=True):
                own.append(seconds(carrier, command, net, cases))
    slowest = max(map(median, taken))
    print("| carrier | device | cases per second | x |\n|---|---|--:|--:|")
    for own, (carrier, device, _) in zip(taken, known, strict=True):
        print(f"| {carrier} | {device} | {CASES / median(own):,.0f} | {slowest / median(own):.1f} |")


if __name__ == "__main__":
    main()
