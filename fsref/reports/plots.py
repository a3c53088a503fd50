"""The plots of an evaluation: accuracy against steps, outputs, schedule, spikes by step, maps, a raster, codes,
clipping, the busiest (COUNT-7).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from fsref.formats.files import NewFolder, check_target
from fsref.reports.evaluation import Evaluation
from fsref.reports.outputs import outputs
from fsref.reports.panels import WIDTH, Plot, by_population, panels, short, some, spread
from fsref.reports.pictures import SUFFIXES, blank_figure, rendered
from fsref.reports.verdicts import accuracy_plot, confusion_plot, energy_plot, losses_plot
from fsref.simulation.run import class_name
from fsref.tables import plural

BARS = 12  # populations among the busiest
LINES = 600  # lines of pixels of a raster
BINS = 64  # bars of a histogram of codes


def timeline(e: Evaluation) -> Plot:
    """When each population takes and sends spikes."""
    names, plan = [p.name for p in e.net.populations], e.net.schedule
    figure, (axes,) = by_population(names, tall=0.4)
    windows = [e.score.counts.window(name) for name in names]
    axes.barh(
        range(len(names)),
        [plan.start[n] - w.start for n, w in zip(names, windows, strict=True)],
        left=[w.start for w in windows],
        height=0.5,
        color="tab:gray",
        alpha=0.5,
        label="takes spikes",
    )
    axes.barh(
        range(len(names)),
        [e.net.steps[n] for n in names],
        left=[plan.start[n] for n in names],
        height=0.7,
        label="sends spikes",
    )
    ends = [(plan.start[p.name], names.index(p.name)) for p in e.net.readouts]
    axes.plot(*zip(*ends, strict=True), "D", color="tab:red", label=f"{e.answers} stand")
    axes.set_xlim(0, plan.steps + 0.5)
    axes.set_xlabel("time (steps)")
    axes.grid(axis="x", linewidth=0.3)
    axes.legend(fontsize="small")
    waits = [f"{source}->{target} {plural(delay, 'step')}" for (source, target), delay in plan.delays.items() if delay]
    told = (
        f"{e.answers.capitalize()} stand after {plural(plan.latency, 'step')}; a new image may start "
        f"every {plan.interval_one_buffer} steps with one membrane buffer, "
    )
    told += f"every {plan.interval_two_buffers} with two."
    if waits:
        told += f" Spikes that wait: {', '.join(waits[:6])}{f' and {len(waits) - 6} more' if len(waits) > 6 else ''}."
    return Plot("schedule", "Schedule", told, figure)


def activity(e: Evaluation) -> Plot:
    """Spikes of each population in each step."""
    names, counts, plan = list(e.score.neurons), e.score.counts, e.net.schedule
    spikes = np.stack([counts.work(name).spikes for name in names]) / e.score.image_count
    share = 100 * spikes / np.array([[e.score.neurons[name]] for name in names])
    for row, name in zip(share, names, strict=True):
        start = plan.start[name]
        row[:start], row[start + e.net.steps[name] :] = np.nan, np.nan
    figure = blank_figure(WIDTH, 3.4 + 0.24 * len(names), "COUNT-7")
    above, axes = figure.subplots(2, 1, sharex=True, height_ratios=(1.6, 0.8 + 0.24 * len(names)))
    above.bar(np.arange(plan.steps) + 0.5, spikes.sum(axis=0), 0.9)
    above.set_ylabel("spikes per image")
    above.grid(axis="y", linewidth=0.3)
    shown = axes.imshow(
        share, aspect="auto", interpolation="none", extent=(0, plan.steps, len(names) - 0.5, -0.5), vmin=0
    )
    axes.set_yticks(range(len(names)), [short(name) for name in names])
    axes.set_ylabel("population")
    axes.set_xlabel("time (steps)")
    figure.colorbar(shown, ax=[above, axes], label="neurons that spike (%)", aspect=40)
    place, step = np.unravel_index(int(np.argmax(spikes)), spikes.shape)
    told = (
        f"{names[place]} sends most in one step, {spikes[place, step]:,.1f} spikes per "
        f"image in step {step}; all together {spikes.sum():,.1f} per image."
    )
    return Plot("spikes", "Spikes per population and step", told, figure)


def maps(e: Evaluation) -> Plot | None:
    """Where in its H x W places each population spikes, mean over channels and images; None when no population has
    places.
    """
    every = [p.name for p in e.net.spiking if p.shape[1] * p.shape[2] > 1]
    if not every:
        return None
    names = spread(every)
    means = {
        name: e.score.counts.by_neuron[name].reshape(e.net[name].shape).mean(axis=0) / e.score.image_count
        for name in names
    }
    figure, grid = panels(names, 2.2)
    top = max(float(mean.max()) for mean in means.values())
    for name, axes in grid.items():
        shown = axes.imshow(means[name], interpolation="none", vmin=0, vmax=top or 1)
        axes.yaxis.get_major_locator().set_params(integer=True)
    figure.colorbar(shown, ax=list(grid.values()), label="spikes per neuron and image", aspect=40)
    figure.supxlabel("column (neurons)", fontsize="medium")
    figure.supylabel("row (neurons)", fontsize="medium")
    busy = max(means, key=lambda name: float(means[name].max()))
    row, column = np.unravel_index(int(np.argmax(means[busy])), means[busy].shape)
    told = (
        f"Each pixel is a place, its mean taken over channels and {plural(e.score.image_count, 'image')}; "
        f"the busiest is row {row}, column {column} of {busy}."
    )
    return Plot("maps", "Activity maps", told + some(names, every), figure)


def first_image(e: Evaluation) -> str:
    """A sentence on the first image: whether what it was read as is right, where that is known."""
    if e.labels is None:
        return f"Image {e.names[0]}."
    read, label = class_name(e.net, int(e.sample.predictions[0])), class_name(e.net, int(e.labels[0]))
    judged = "right" if read == label else f"wrong: its label is {label}"
    return f"Image {e.names[0]}, read as {read}, which is {judged}."


def raster(e: Evaluation) -> Plot:
    """The spikes of the first image: a band of lines per population, a column per step."""
    names, plan, lines = list(e.score.neurons), e.net.schedule, max(4, min(48, LINES // len(e.score.neurons)))
    bands, ends = [], [0]
    for name in names:
        steps, trains = e.net.steps[name], e.recorded(name, "spikes")[0].astype(np.int64)
        fired = (trains[:, None] >> np.arange(steps - 1, -1, -1) & 1).astype(float)
        band = np.full((min(lines, len(trains)), plan.steps), np.nan)
        band[:, plan.start[name] : plan.start[name] + steps] = np.stack(
            [part.mean(axis=0) for part in np.array_split(fired, len(band))]
        )
        bands.append(band)
        ends.append(ends[-1] + len(band))
    figure = blank_figure(WIDTH, 2.0 + 0.012 * ends[-1] + 0.16 * len(names), "COUNT-7")
    seen, axes = figure.subplots(1, 2, width_ratios=(1, 3.2))
    image = e.x[0].transpose(1, 2, 0) / e.net.input.max_code
    seen.imshow(image if image.shape[2] == 3 else image.mean(axis=2), cmap="gray", vmin=0, vmax=1, interpolation="none")
    seen.set_title("the image", fontsize="small")
    seen.set_xlabel("column (pixels)")
    seen.set_ylabel("row (pixels)")
    shown = axes.imshow(
        100 * np.concatenate(bands),
        aspect="auto",
        interpolation="none",
        extent=(0, plan.steps, ends[-1], 0),
        vmin=0,
        vmax=100,
    )
    for end in ends[1:-1]:
        axes.axhline(end, color="tab:gray", linewidth=0.4)
    labels = [f"{short(name)} ({e.score.neurons[name]:,})" for name in names]
    axes.set_yticks([(a + b) / 2 for a, b in zip(ends, ends[1:], strict=False)], labels, fontsize="small")
    axes.set_ylabel("population (neurons)")
    axes.set_xlabel("time (steps)")
    figure.colorbar(shown, ax=axes, label="neurons of the line that spike (%)", aspect=40)
    told = f"{first_image(e)} A line is a neuron, or as many neighbours as make a band of {lines} lines."
    return Plot("raster", "Raster of an image", told, figure)


def codes(e: Evaluation) -> Plot:
    """How often each code is sent."""
    every = [p.name for p in e.net.spiking]
    names = spread(every)
    figure, grid = panels(names, 1.9)
    for name, axes in grid.items():
        sent = e.recorded(name, "codes")
        low, high = int(sent.min()), int(sent.max())
        edges = np.unique(np.linspace(low, high + 1, min(BINS, high + 1 - low) + 1).round())
        share = 100 * np.histogram(sent, edges)[0] / sent.size
        axes.stairs(share, edges, fill=True)
        axes.set_yscale("log")
        axes.set_ylim(share[share > 0].min() / 2, 120)
        axes.minorticks_off()  # they say nothing here, and take as long to place as all else
    figure.supxlabel("code (integer)", fontsize="medium")
    figure.supylabel("share of neurons and images (%)", fontsize="medium")
    zero = {name: float((e.recorded(name, "codes") == 0).mean()) for name in names}
    most = max(zero, key=lambda name: zero[name])
    told = (
        f"Codes of the first {plural(len(e.x), 'image')}; the share is drawn on a "
        f"log scale. Most zeros are in {most}, {100 * zero[most]:.1f} %."
    )
    return Plot("codes", "Code histograms", told + some(names, every), figure)


def clipping(e: Evaluation) -> Plot | None:
    """Which share of membranes lies beyond the last code; None when no population has an FS-ReLU."""
    shares = {p.name: share for p in e.net.populations if (share := e.clipped(p.name)) is not None}
    if not shares:
        return None
    figure, (axes,) = by_population(list(shares), tall=0.3)
    axes.barh(range(len(shares)), [100 * share for share in shares.values()])
    axes.set_xlim(0, max(0.1, 110 * max(shares.values())))
    axes.set_xlabel("clipped membranes (%)")
    axes.grid(axis="x", linewidth=0.3)
    worst = max(shares, key=lambda name: shares[name])
    told = (
        "Membranes at or above 2^K theta, one code beyond the last, of the first "
        f"{plural(len(e.x), 'image')}; most in {worst}, {100 * shares[worst]:.2f} %."
    )
    return Plot("clipped", "Clipped share", told, figure)


def busiest(e: Evaluation) -> Plot:
    """Which populations send most spikes, and the SynOps these cause."""
    spikes, ops = e.score.spikes, e.score.synops_by_projection
    names = sorted(spikes, key=lambda name: -spikes[name])[:BARS]
    caused = {
        name: sum(ops[label] for label, q in e.net.named_projections.items() if q.source == name) for name in names
    }
    figure, (sent, made) = by_population(names, 2, tall=0.3)
    sent.barh(range(len(names)), [spikes[name] for name in names])
    made.barh(range(len(names)), [caused[name] for name in names], color="tab:orange")
    for axes, label in ((sent, "spikes per image"), (made, "SynOps its spikes cause, per image")):
        axes.set_xlabel(label)
        axes.grid(axis="x", linewidth=0.3)
    whole = sum(spikes.values())
    share = 100 * spikes[names[0]] / whole if whole else 0.0
    return Plot(
        "busiest",
        "Busiest populations",
        f"{names[0]} sends {share:.1f} % of all spikes; drawn are the {len(names)} that send most.",
        figure,
    )


DRAWN: tuple[Callable[[Evaluation], Plot | None], ...] = (
    accuracy_plot,
    confusion_plot,
    outputs,
    losses_plot,
    energy_plot,
    timeline,
    activity,
    maps,
    raster,
    codes,
    clipping,
    busiest,
)


NAMES = (
    "accuracy",
    "confusion",
    "outputs",
    "losses",
    "energy",
    "schedule",
    "spikes",
    "maps",
    "raster",
    "codes",
    "clipped",
    "busiest",
)


def plots(e: Evaluation) -> list[Plot]:
    """The plots of an evaluation that there are. Errors: UsageError [COUNT-7] when matplotlib is missing."""
    return [plot for draw in DRAWN if (plot := draw(e)) is not None]


def are_plots(folder: Path, names: set[str]) -> bool:
    """Whether the files of these names in a folder are plots and nothing else."""
    return names <= {f"{name}{suffix}" for name in NAMES for suffix in SUFFIXES}


def check_plots_target(directory: str | os.PathLike[str], replace: bool, option: str = "") -> None:
    """Nothing, when a folder of plots can be made here, and replaced what is there (RUN-5). Errors: UsageError."""
    check_target(directory, replace, are_plots, option, "plots")


def write_plots(
    e: Evaluation, directory: str | os.PathLike[str], kind: str = "svg", replace: bool = False
) -> list[str]:
    """The names of the files written: each plot as NAME.svg (or png, pdf) in a new folder that appears complete or not
    at all (COUNT-7), with `replace` in the place of one that holds plots (RUN-5).

    Errors: UsageError when the folder is there already or matplotlib is missing, FileError.
    """
    made = {f"{plot.name}.{kind}": rendered(plot.figure, kind) for plot in plots(e)}
    with NewFolder(Path(directory), "COUNT-7", "plots", are_plots, replace) as folder:
        for name, data in made.items():
            folder.add(name, data)
    return list(made)
