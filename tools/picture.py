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
from fsref.reports.pictures import BLUE, GREY, INK, RED, SMALL, blank_figure, house, rendered

PICTURE = Path(__file__).resolve().parent.parent / "fsref" / "guide" / "neuron.svg"
POPULATION, IMAGE, NEURON = "conv1", 0, 394  # code 137, three bits
MADE_WITH = "3.11.2"  # matplotlib: another may place things otherwise
SHOWN = 12  # neurons of a raster
BOLD: Any = {"fontweight": "bold", "fontsize": "medium"}
DARK = "#8a5f00"  # of the thresholds' orange, to write with
CHIP = """
// An FS neuron: a line of K + 1 numbers, its opening membrane and thresholds, gives its train, a digit for each step.
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
    """The trains of neurons in Verilog, (neurons, K), of their opening membranes (neurons,) and thresholds, which are
    the resets, too, (neurons, K).
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
    steps, p = net.steps[POPULATION], next(p for p in net.fs if p.name == POPULATION)
    found: dict[str, NDArray[np.integer]] = {}
    for engine in ENGINES:
        trace = fsref.run(net, x, engine, fsref.Record([POPULATION], ["opening", "spikes"])).trace
        assert trace is not None
        words = trace[POPULATION, "spikes"][0].astype(np.int64)
        chosen = shown(words)
        found[engine] = words[chosen][:, None] >> np.arange(steps - 1, -1, -1) & 1
        opening = trace[POPULATION, "opening"][0][chosen]
    channels, height, width = p.shape
    T, h, _ = p.table.rows(channels)
    assert (T == h).all()  # what a spike takes is the threshold
    thresholds = T[np.array(chosen) // (height * width)]
    return {**found, "chip (Verilog)": chip_trains(opening, thresholds)}


def shown(words: NDArray[np.integer]) -> list[int]:
    """The neurons of the rasters: the one on the left first, then those next to it that spike."""
    others = [n for n in np.flatnonzero(words).tolist() if n > NEURON]
    return [NEURON, *others[: SHOWN - 1]]


def drawn() -> Any:
    """The picture as a figure."""
    with house():
        figure = blank_figure(7.2, 3.2)
        left, right = figure.subfigures(1, 2, width_ratios=(1.9, 1), wspace=0.02)
        neuron(left.subplots())
        sent = trains()
        right.suptitle("three engines and a chip:\nthe same spikes", **BOLD)
        panels = right.subplots(len(sent), 1, sharex=True)
        for ax, (name, fired) in zip(panels, sent.items(), strict=True):
            raster(ax, fired)
            ax.set_ylabel(name.replace(" ", "\n"), rotation=0, ha="right", va="center", **SMALL)
        panels[-1].set_xlabel(f"step ({SHOWN} neurons, a row each;\nthe top one is that on the left)", **SMALL)
    return figure


def neuron(ax: Any) -> None:
    """Draw the neuron over its steps, and say on the lines what they are."""
    x = fsref.load_images("digits", "digits", limit=IMAGE + 1).x[IMAGE]
    found = fsref.explain("digits", x, POPULATION, NEURON)
    plots.neuron(found, ax)
    ax.get_legend().remove()
    ax.set_xticks(ax.get_xticks(), [str(step.t) for step in found.steps])
    bits = " + ".join(str(step.d) for step in found.steps if step.fired)
    ax.set_title(f"an FS neuron: its spikes are the bits of its code\n{found.code} = {bits}", pad=24, **BOLD)
    first = found.steps[0]
    assert first.fired and first.before is not None and first.after is not None and first.threshold is not None

    def told(text: str, x: float, y: float, color: str) -> None:
        ax.text(x, y, text, color=color, va="center", **SMALL)

    unit = found.steps[-1].threshold
    told(
        f"the threshold halves at every step:\n128 x {unit}, 64 x {unit}, ... 1 x {unit}",
        first.step + 2.4,
        first.threshold / 1.45,
        DARK,
    )
    told("the membrane below it: no spike", first.step + 0.62, 1.25 * first.after, BLUE)
    told(
        "the membrane reaches it: a spike,\nand the threshold is subtracted", first.step + 0.62, first.after / 2.8, RED
    )


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
