"""The plots of a report on what populations send: where, which codes, what is clipped, which send most (COUNT-7)."""

from __future__ import annotations

import numpy as np

from fsref.reports.evaluation import Evaluation
from fsref.reports.panels import Plot, panels, placed, side_by_side, some, spread
from fsref.reports.pictures import BLUE, ORANGE, plain
from fsref.tables import plural
from fsref.verification.comparison import percent

BARS = 12  # populations among the busiest
BINS = 64  # bars of a histogram of codes
LONG = 1e6  # numbers from here on leave room for few on an axis


def maps(e: Evaluation, width: float) -> Plot | None:
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
    figure, grid = panels(names, 1.5, width)
    for name, axes in grid.items():
        shown, silent = axes.imshow(means[name], interpolation="none"), not means[name].any()
        axes.yaxis.get_major_locator().set_params(integer=True, nbins=4)
        bar = figure.colorbar(shown, ax=axes, shrink=0.7)
        bar.ax.tick_params(labelsize="small")
        placed(bar.ax)
        bar.ax.yaxis.get_major_locator().set_params(nbins=3)
        if silent:
            axes.text(0.5, 0.5, "no spike", color="#fefefe", ha="center", va="center", transform=axes.transAxes)
    figure.supxlabel("column (neurons)", fontsize="medium")
    figure.supylabel("row (neurons)", fontsize="medium")
    busy = max(means, key=lambda name: float(means[name].max()))
    row, column = np.unravel_index(int(np.argmax(means[busy])), means[busy].shape)
    told = (
        f"Spikes per neuron and image; each pixel is a place, its mean taken over channels and "
        f"{plural(e.score.image_count, 'image')}, each map with a scale of its own, from its least to its most; "
        f"the busiest is row {row}, column {column} of {busy}, {means[busy].max():.3g}."
    )
    return Plot("maps", "Activity maps", told + some(names, every), figure)


def codes(e: Evaluation, width: float) -> Plot:
    """How often each code is sent."""
    every = [p.name for p in e.net.spiking]
    names = spread(every)
    figure, grid = panels(names, 1.6, width)
    for name, axes in grid.items():
        sent = e.recorded(name, "codes")
        low, high = int(sent.min()), int(sent.max())
        edges = np.unique(np.linspace(low, high + 1, min(BINS, high + 1 - low) + 1).round())
        share = 100 * np.histogram(sent, edges)[0] / sent.size
        axes.stairs(share, edges, fill=True, color=BLUE)
        axes.set_yscale("log")
        axes.set_ylim(share[share > 0].min() / 2, 120)
        axes.minorticks_off()  # they say nothing here, and take as long to place as all else
        plain(axes.yaxis)
    figure.supxlabel("code (integer)", fontsize="medium")
    figure.supylabel("share of neurons and images (%)", fontsize="medium")
    zero = {name: float((e.recorded(name, "codes") == 0).mean()) for name in names}
    most = max(zero, key=lambda name: zero[name])
    told = (
        f"Codes of the first {plural(len(e.x), 'image')}; the share is drawn on a "
        f"log scale. Most zeros are in {most}, {100 * zero[most]:.1f} %."
    )
    return Plot("codes", "Code histograms", told + some(names, every), figure)


def clipping(e: Evaluation, width: float) -> Plot | None:
    """Which share of membranes lies beyond the last code; None when no population has an FS-ReLU."""
    shares = {p.name: share for p in e.net.populations if (share := e.clipped(p.name)) is not None}
    if not shares:
        return None
    figure, (axes,) = side_by_side(list(shares), width)
    axes.barh(range(len(shares)), [100 * share for share in shares.values()], color=BLUE)
    axes.set_xlim(0, max(0.1, 110 * max(shares.values())))
    axes.set_xlabel("clipped membranes (%)")
    axes.grid(axis="x", linewidth=0.3)
    worst = max(shares, key=lambda name: shares[name])
    told = (
        "Membranes at or above 2^K theta, one code beyond the last, of the first "
        f"{plural(len(e.x), 'image')}; most in {worst}, {percent(shares[worst])} %."
    )
    return Plot("clipped", "Clipped share", told, figure)


def busiest(e: Evaluation, width: float) -> Plot:
    """Which populations send most spikes, and the SynOps these cause."""
    spikes, ops = e.score.spikes, e.score.synops_by_projection
    names = sorted(spikes, key=lambda name: -spikes[name])[:BARS]
    caused = {
        name: sum(ops[label] for label, q in e.net.named_projections.items() if q.source == name) for name in names
    }
    figure, (sent, made) = side_by_side(names, width, 2)
    sent.barh(range(len(names)), [spikes[name] for name in names], color=BLUE)
    made.barh(range(len(names)), [caused[name] for name in names], color=ORANGE)
    for axes, label in ((sent, "spikes per image"), (made, "SynOps its spikes cause, per image")):
        axes.set_xlabel(label)
        axes.xaxis.get_major_locator().set_params(nbins=5 if axes.get_xlim()[1] < LONG else 3)
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}" if value >= 10 or not value else f"{value:g}")
        axes.grid(axis="x", linewidth=0.3)
    whole = sum(spikes.values())
    share = 100 * spikes[names[0]] / whole if whole else 0.0
    return Plot(
        "busiest",
        "Busiest populations",
        f"{names[0]} sends {share:.1f} % of all spikes; drawn are the {len(names)} that send most.",
        figure,
    )
