"""The plots of an evaluation that say how good and how cheap a network is: accuracy beside others, what is taken for
what, energy, losses by population (COUNT-7).
"""

from __future__ import annotations

from fsref.metrics.energy import in_joules
from fsref.reports import curves, losses, scores
from fsref.reports.answers import drawn
from fsref.reports.evaluation import Evaluation
from fsref.reports.panels import Plot
from fsref.reports.pictures import HEIGHT, blank_figure, tall
from fsref.tables import plural
from fsref.verification.comparison import Comparison


def accuracy_plot(e: Evaluation, width: float) -> Plot | None:
    """Accuracy against steps, with intervals; None where there is but one point, or no labels."""
    if e.labels is None or (e.rate is None and e.beside is None):
        return None
    score, series = e.score, dict[str, curves.Answers]()
    told = [
        f"The FS network is right on {100 * score.accuracy:.2f} % of "
        f"{plural(score.image_count, 'image')} after {plural(score.latency_steps, 'step')}"
    ]
    series["FS"] = [score] if e.beside is None else [side.score for side in e.beside.sides]
    if e.float_accuracy is not None:
        told.append(f"the float network on {100 * e.float_accuracy:.2f} %{e.float_told}")
    if e.rate is not None:
        series["rate coding"] = e.rate
        steps, found = e.rate.result.latency, 100 * e.rate.accuracy
        told.append(f"rate coding ({e.rate.told}) on {found[-1]:.2f} % after {plural(int(steps[-1]), 'step')}")
    said = f"{'; '.join(told)}. Bars are 95 % intervals (COUNT-10)."
    figure = blank_figure(width, HEIGHT + 0.6, "COUNT-7")
    curves.accuracy(series, real=e.float_accuracy, ax=figure.subplots())
    return Plot("accuracy", "Accuracy against steps", said, figure)


def confusion_plot(e: Evaluation, width: float) -> Plot | None:
    """How many images of each class are given which; None where nothing is wrong, or classes are too many for a map."""
    found = e.by_class
    if found is None or not (classes := drawn(found)):
        return None
    names = [found.names[i] for i in classes]
    least = HEIGHT + (1.7 if max(map(len, names)) > 2 else 0.4)  # inches: long names stand upright
    figure = blank_figure(width, max(least, 1.6 + 0.3 * len(classes)), "COUNT-7")
    scores.confusion(found.matrix[classes][:, classes], names, figure.subplots())
    told = "Rows are labels, columns the class given; right ones are on the diagonal, "
    told += "wrong ones darker by their share of the row."
    return Plot("confusion", "What is taken for what", told, figure)


def energy_plot(e: Evaluation, width: float) -> Plot | None:
    """The energy of an image, FS beside its dense ANN, rate coding and other networks; None without costs."""
    if e.energy is None:
        return None
    sides = [] if e.beside is None else [(side.told, side.energy) for side in e.beside.sides]
    spent = {told: one for told, one in sides if one is not None}
    several = len(spent) > 1 and len(spent) == len(sides)  # each K by itself
    figure = blank_figure(
        width, 1.4 + 0.3 * (len(spent) if several else 1) + 0.3 * (1 + (e.rate is not None)), "COUNT-7"
    )
    scores.energy(spent if several else e.energy, e.rate, figure.subplots())
    ours, dense = e.energy.fs_energy_pj_per_image, e.energy.ann_energy_pj_per_image
    beside = f"{ours / dense:.3g} times the {in_joules(dense)} of its dense ANN" if dense else "its dense ANN nothing"
    told = [f"The FS network spends {in_joules(ours)} an image, {beside}."]
    told += [] if e.beside is None else [e.beside.cheaper]
    told.append("Operations and memory accesses alone (COUNT-5, COUNT-6).")
    return Plot("energy", "Energy", " ".join(told), figure)


def losses_plot(e: Evaluation, width: float) -> Plot | None:
    """What each population loses beside the float graph; None where that is not known."""
    if not isinstance(e.comparison, Comparison):
        return None
    first = e.comparison.first_jump
    jump = "none jumps" if first is None else f"the first that jumps is {first.name}"
    told = f"Of the first {plural(e.comparison.image_count, 'image')}, beside the float graph: {jump} (CONV-10)."
    figure = blank_figure(width, tall(len(e.comparison.rows), more=1.4), "COUNT-7")
    losses.losses(e.comparison, figure.subplots())
    return Plot("losses", "Losses by population", told, figure)
