#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Draw the picture of the README: what an FS neuron does, and that three engines and a chip send the same spikes.

    python tools/picture.py          into fsref/guide/neuron.svg; needs Icarus Verilog, which simulates the chip

On the left a neuron of the digits network over its 8 steps, as `fsref.explain` has it; on the right the trains of some
neurons of its population from each engine, and from the neuron in Verilog that stands below.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import fsref
from fsref import plots
from fsref.engines.engine import ENGINES
from fsref.formats.files import write
from fsref.reports.pictures import GREY, INK, RED, SMALL, blank_figure, house, rendered

PICTURE = Path(__file__).resolve().parent.parent / "fsref" / "guide" / "neuron.svg"
POPULATION, IMAGE, NEURON = "conv1", 0, 0
SHOWN = 20  # neurons of a raster
CHIP = """
// An FS neuron: a line of K + 1 numbers, the opening membrane and its thresholds, gives its train, a digit for each step.
module neuron;
  localparam integer K = 8;
  integer t;
  reg signed [31:0] v, T;
  initial
    while ($fscanf(32'h8000_0000, "%d", v) == 1) begin
      for (t = 0; t < K; t = t + 1) begin
        if ($fscanf(32'h8000_0000, "%d", T) != 1) $finish;
        $write("%b", v >= T);
        if (v >= T) v = v - T;
      end
      $write("\\n");
    end
endmodule
"""


def chip_trains(opening: NDArray[np.integer], thresholds: NDArray[np.integer]) -> NDArray[np.integer]:
    """The trains of neurons in Verilog, (neurons, K), of their opening membranes (neurons,) and thresholds (neurons, K),
    which are the resets, too.
    """
    with tempfile.TemporaryDirectory() as folder:
        source, program = Path(folder, "neuron.v"), Path(folder, "neuron")
        source.write_text(CHIP, encoding="ascii")
        subprocess.run(["iverilog", "-g2012", "-o", str(program), str(source)], check=True, timeout=60)
        lines = "".join(" ".join(map(str, row)) + "\n" for row in np.column_stack([opening, thresholds]).tolist())
        done = subprocess.run(["vvp", "-n", str(program)], input=lines, text=True, capture_output=True, timeout=60)
    return np.array([[int(digit) for digit in line] for line in done.stdout.split()])


def trains() -> dict[str, NDArray[np.integer]]:
    """Who sent which spikes: the trains (neurons, K) of the drawn neurons, from each engine and from the chip."""
    net, x = fsref.load("digits"), fsref.load_images("digits", "digits", limit=IMAGE + 1).x[IMAGE:]
    steps, table = net.steps[POPULATION], net[POPULATION].table.rows(net[POPULATION].shape[0])
    found: dict[str, NDArray[np.integer]] = {}
    for engine in ENGINES:
        trace = fsref.run(net, x, engine, fsref.Record([POPULATION], ["opening", "spikes"])).trace
        assert trace is not None
        words = trace[POPULATION, "spikes"][0].astype(np.int64)
        chosen = shown(words)
        found[engine] = words[chosen][:, None] >> np.arange(steps - 1, -1, -1) & 1
        opening = trace[POPULATION, "opening"][0][chosen]
    _, height, width = net[POPULATION].shape
    thresholds = table[0][np.array(chosen) // (height * width)]
    assert (table[0] == table[1]).all()  # what a spike takes is the threshold
    return {**found, "chip (Verilog)": chip_trains(opening, thresholds)}


def shown(words: NDArray[np.integer]) -> list[int]:
    """The neurons of the rasters: the one on the left first, then those next to it that spike."""
    others = [n for n in np.flatnonzero(words).tolist() if n > NEURON]
    return [NEURON, *others[: SHOWN - 1]]


def drawn() -> Any:
    """The picture as a figure."""
    net, x = fsref.load("digits"), fsref.load_images("digits", "digits", limit=IMAGE + 1).x[IMAGE]
    found = fsref.explain(net, x, POPULATION, NEURON)
    weights = " + ".join(f"{step.d}" for step in found.steps if step.fired)
    with house():
        figure = blank_figure(7.2, 3.3)
        left, right = figure.subfigures(1, 2, width_ratios=(1.7, 1), wspace=0.03)
        axes = left.subplots()
        plots.neuron(found, axes)
        axes.set_title(f"one neuron: code {found.code} = {weights}", pad=24)
        sent = trains()
        right.suptitle(f"{SHOWN} neurons, four times the same spikes")
        panels = right.subplots(len(sent), 1, sharex=True)
        for ax, (name, fired) in zip(panels, sent.items(), strict=True):
            raster(ax, fired)
            ax.set_ylabel(name.replace(" ", "\n"), rotation=0, ha="right", va="center", **SMALL)
        panels[-1].set_xlabel("step")
    return figure


def raster(ax: Any, fired: NDArray[np.integer]) -> None:
    """Draw trains (neurons, K), a mark for each spike; the first neuron is the one on the left."""
    neurons, steps = np.nonzero(fired)
    colors = [RED if n == 0 else INK for n in neurons]
    ax.hlines(neurons, steps + 0.15, steps + 0.85, color=colors, linewidth=1.6)
    ax.set_xlim(0, fired.shape[1])
    ax.set_ylim(len(fired), -1)
    ax.set_xticks(np.arange(fired.shape[1]) + 0.5, map(str, range(fired.shape[1])), **SMALL)
    ax.set_yticks([])
    ax.grid(axis="x", linewidth=0.3, color=GREY)


def main() -> None:
    """Draw and write it."""
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n\n")[0])
    parser.add_argument("--out", type=Path, default=PICTURE, help="where to, .svg or .png")
    out = parser.parse_args().out
    write(rendered(drawn(), out.suffix[1:]), out, "RUN-5")
    print(f"written  {out}", file=sys.stderr)


if __name__ == "__main__":
    main()
