"""The pictures of `fsref table show` and `fsref explain`: a table, a neuron, each from several plots (FLOAT-3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from fsref.activations.functions import Function
from fsref.activations.transfer import Transfer
from fsref.errors import shown
from fsref.reports.neurons import check_steps, draw_spikes, draw_steps, draw_trains, draw_transfer
from fsref.reports.pictures import RED, TITLE, WIDTH, Picture, blank_figure, heading, house, legend
from fsref.verification.explanation import Explanation, Step


def table_picture(
    found: Transfer,
    function: Function | None = None,
    fired: Sequence[Sequence[Step]] = (),
    width: float = WIDTH,
) -> Picture:
    """A table: its transfer function, beside a function, spikes and trains of every membrane, and neurons that `fired`
    over their steps. Errors: UsageError when matplotlib is missing.
    """
    with house("FLOAT-3"):
        heights = (2.6, 1.0, 1.6, *(2.8 for _ in fired))
        figure = blank_figure(width, 0.6 + sum(heights), "FLOAT-3")
        panels = figure.subplots(len(heights), 1, height_ratios=heights)
        for axes in panels[:2]:
            axes.sharex(panels[2])
            axes.tick_params(labelbottom=False)
        legend(draw_transfer(found, panels[0], function))
        draw_spikes(found, panels[1])
        draw_trains(found, panels[2])
        for steps, axes in zip(fired, panels[3:], strict=True):
            draw_steps(steps, axes)
            axes.set_xlabel(f"step (opening membrane {steps[0].before:,})")
        heading(figure, shown(found.name, TITLE))
    return Picture(figure)


def neuron_picture(explanation: Explanation, found: Transfer | None = None, width: float = WIDTH) -> Picture:
    """An explained neuron over its steps and, where its transfer function is given, where in it its opening membrane
    lies. Errors: UsageError for a readout, which has no steps, and when matplotlib is missing.
    """
    check_steps(explanation)
    with house("FLOAT-3"):
        heights = (3.0,) if found is None else (3.0, 2.0)
        figure = blank_figure(width, 0.6 + sum(heights), "FLOAT-3")
        panels = figure.subplots(len(heights), 1, height_ratios=heights, squeeze=False)[:, 0]
        draw_steps(explanation.steps, panels[0])
        if found is not None and explanation.opening is not None:
            axes = draw_transfer(replace(found, unit=None), panels[1])
            axes.set_xlabel("opening membrane (units)")
            label = f"this neuron: {explanation.opening:,}"
            axes.axvline(explanation.opening, color=RED, linewidth=1, linestyle="--", label=label)
            left, right = axes.get_xlim()
            axes.set_xlim(min(left, explanation.opening), max(right, explanation.opening + 1))  # flat beyond the ends
            legend(axes)
        c, y, x = explanation.place
        told = f"neuron {explanation.neuron} (c {c}, y {y}, x {x}): code {explanation.code:,}"
        heading(figure, shown(explanation.population, TITLE), told)
    return Picture(figure)
