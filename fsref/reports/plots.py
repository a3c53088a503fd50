"""The plots of an evaluation, and the folder of them: accuracy against steps, what is taken for what, outputs,
losses, energy, schedule, spikes by step, maps, a raster, codes, clipping, the busiest (COUNT-7, COUNT-9).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np

from fsref.formats.files import NewFolder, check_target
from fsref.reports import times
from fsref.reports.evaluation import Evaluation
from fsref.reports.outputs import outputs
from fsref.reports.panels import Plot
from fsref.reports.pictures import BLUE, NARROW, SUFFIXES, WIDTH, blank_figure, house, rendered, tall
from fsref.reports.populations import busiest, clipping, codes, maps
from fsref.reports.verdicts import accuracy_plot, confusion_plot, energy_plot, losses_plot
from fsref.simulation.run import class_name
from fsref.tables import plural

Kind: TypeAlias = Literal["svg", "pdf", "png"]
BANDS = 12  # populations of a raster


def timeline(e: Evaluation, width: float) -> Plot:
    """When each population takes and sends spikes."""
    plan = e.net.schedule
    figure = blank_figure(width, tall(len(e.net.populations), more=1.2), "COUNT-7")
    times.timeline(e.net, figure.subplots())
    waits = [f"{source}->{target} {plural(delay, 'step')}" for (source, target), delay in plan.delays.items() if delay]
    told = (
        f"{e.answers.capitalize()} stand after {plural(plan.latency, 'step')}; a new image may start "
        f"every {plan.interval_one_buffer} steps with one membrane buffer, "
    )
    told += f"every {plan.interval_two_buffers} with two."
    if waits:
        told += f" Spikes that wait: {', '.join(waits[:6])}{f' and {len(waits) - 6} more' if len(waits) > 6 else ''}."
    return Plot("schedule", "Schedule", told, figure)


def activity(e: Evaluation, width: float) -> Plot:
    """Spikes of all populations, and the share of each population's neurons, in each step."""
    names, counts, plan = list(e.score.neurons), e.score.counts, e.net.schedule
    spikes = np.stack([counts.work(name).spikes for name in names]) / e.score.image_count
    figure = blank_figure(width, 1.4 + tall(len(names)), "COUNT-7")
    above, axes = figure.subplots(2, 1, sharex=True, height_ratios=(1.2, tall(len(names)) - 0.6))
    above.bar(np.arange(plan.steps) + 0.5, spikes.sum(axis=0), 0.9, color=BLUE)
    above.set_ylabel("spikes\nper image" if width < NARROW else "spikes per image")
    above.yaxis.set_major_formatter(lambda value, _: f"{value:,.10g}")
    above.grid(axis="y", linewidth=0.3)
    times.activity(counts, axes)
    place, step = np.unravel_index(int(np.argmax(spikes)), spikes.shape)
    told = (
        f"{names[place]} sends most in one step, {spikes[place, step]:,.1f} spikes per "
        f"image in step {step}; all together {spikes.sum():,.1f} per image."
    )
    return Plot("spikes", "Spikes per population and step", told, figure)


def first_image(e: Evaluation) -> str:
    """A sentence on the first image: whether what it was read as is right, where that is known."""
    if e.labels is None:
        return f"Image {e.names[0]}."
    read, label = class_name(e.net, int(e.sample.predictions[0])), class_name(e.net, int(e.labels[0]))
    judged = "right" if read == label else f"wrong: its label is {label}"
    return f"Image {e.names[0]}, read as {read}, which is {judged}."


def raster(e: Evaluation, width: float) -> Plot | None:
    """The spikes of the first image; None where there are none."""
    spiking = [name for name in e.score.neurons if e.recorded(name, "spikes")[0].any()]
    if not spiking:
        return None
    assert e.sample.trace is not None
    names = [spiking[i] for i in np.linspace(0, len(spiking) - 1, min(BANDS, len(spiking))).round().astype(int)]
    beside = width >= NARROW
    figure = blank_figure(width, (1.0 if beside else 2.6) + 0.42 * len(names), "COUNT-7")
    form = {"width_ratios": (1, 3.2)} if beside else {"height_ratios": (1.6, 1 + 0.42 * len(names))}
    seen, axes = figure.subplots(*((1, 2) if beside else (2, 1)), **form)
    image = e.x[0].transpose(1, 2, 0) / e.net.input.max_code
    seen.imshow(image if image.shape[2] == 3 else image.mean(axis=2), cmap="gray", vmin=0, vmax=1, interpolation="none")
    seen.set_title("the image")
    seen.set_xlabel("column (pixels)")
    seen.set_ylabel("row (pixels)")
    times.raster(e.sample.trace, 0, names, axes)
    figure.get_layout_engine().set(wspace=0.05)
    told = f"{first_image(e)} A line is a neuron, a mark a spike; of many neurons some that spike, from most to least."
    if len(names) < len(e.score.neurons):
        told += f" {len(names)} of {len(e.score.neurons):,} populations are drawn."
    return Plot("raster", "Raster of an image", told, figure)


DRAWN: tuple[Callable[[Evaluation, float], Plot | None], ...] = (
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


def plots(e: Evaluation, width: float = WIDTH) -> list[Plot]:
    """The plots of an evaluation that there are, `width` inches wide. Errors: UsageError [COUNT-7] when matplotlib is
    missing.
    """
    with house("COUNT-7"):
        return [plot for draw in DRAWN if (plot := draw(e, width)) is not None]


def are_plots(folder: Path, names: set[str]) -> bool:
    """Whether the files of these names in a folder are plots and nothing else."""
    return names <= {f"{name}{suffix}" for name in NAMES for suffix in SUFFIXES}


def check_plots_target(directory: str | os.PathLike[str], replace: bool, option: str = "") -> None:
    """Nothing, when a folder of plots can be made here, and replaced what is there (RUN-5). Errors: UsageError."""
    check_target(directory, replace, are_plots, option, "plots")


def write_plots(
    e: Evaluation,
    directory: str | os.PathLike[str],
    kind: Kind = "svg",
    replace: bool = False,
    width: float = WIDTH,
) -> list[str]:
    """The names of the files written: each plot as NAME.svg (or png, pdf), `width` inches wide, in a new folder that
    appears complete or not at all (COUNT-7), with `replace` in the place of one that holds plots (RUN-5).

    Errors: UsageError when the folder is there already or matplotlib is missing, FileError.
    """
    made = {f"{plot.name}.{kind}": rendered(plot.figure, kind) for plot in plots(e, width)}
    with NewFolder(Path(directory), "COUNT-7", "plots", are_plots, replace) as folder:
        for name, data in made.items():
            folder.add(name, data)
    return list(made)
