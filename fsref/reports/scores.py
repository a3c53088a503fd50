"""Plots of a score: energy beside the dense network and rate coding, and which class is read as which (COUNT-9)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fsref.errors import UsageError, shown
from fsref.metrics.classes import by_class
from fsref.metrics.counts import Counts
from fsref.metrics.energy import Costs, Energy, costs_of, dense_work_of, energy_pj, operations
from fsref.metrics.score import Score
from fsref.rate_coding.score import RateScore
from fsref.reports.pictures import BARS, EDGE, NARROW, RULE, SMALL, by_population, canvas, legend, short, tall
from fsref.reports.times import counts_of

PARTS = {  # of an energy, by the kinds of operations
    "arithmetic": ("multiplications", "scalings", "additions", "comparisons"),
    "reads of weights": ("weight_reads",),
    "reads of parameters": ("parameter_reads",),
    "membranes": ("membrane_reads", "membrane_writes"),
}
UNITS = (("pJ", 1.0), ("nJ", 1e3), ("uJ", 1e6), ("mJ", 1e9))
CLASSES = 20  # of which each cell has its number
RIGHT, ON_LIGHT, ON_DARK = "#cfe3f5", "#111111", "#fefefe"


def energy(spent: Energy | Mapping[str, Energy], rate: RateScore | None = None, ax: Any = None) -> Any:
    """Axes with the energy of an image as bars, in a unit that a person reads: FS, or each network of a mapping by its
    name, beside its dense ANN, and rate coding at its last t; parts are arithmetic, weights, parameters, membranes.

    `spent` is what fsref.energy gave, `rate` what fsref.rate_score gave with the same costs. Errors: UsageError for
    other costs or another thing, and when matplotlib is missing. Example: `fsref.plots.energy(fsref.energy(counts))`.
    """
    every: Mapping[str, Energy] = {"FS": spent} if isinstance(spent, Energy) else spent
    if not isinstance(every, Mapping) or not every or not all(isinstance(one, Energy) for one in every.values()):
        raise UsageError(
            RULE, "spent", "not an energy", type(spent).__name__, "what fsref.energy gives, or some by name"
        )
    first, *others = every.values()
    bars = [(name, {kind: n / one.image_count for kind, n in one.fs.items()}) for name, one in every.items()]
    if all(one.ann == first.ann for one in others):
        bars.append(("dense ANN", dict(first.ann)))
    else:
        bars += [(f"{name}, dense", dict(one.ann)) for name, one in every.items()]
    if rate is not None:
        macs, last = rate.result.twin.macs * rate.image_count, int(rate.result.checkpoints[-1])
        done = operations(rate.result.work, macs)
        counts = {kind: float(np.ravel(n)[-1]) / rate.image_count for kind, n in done.items()}
        bars.append((f"rate, t = {last}", counts))
    for costs in (*(one.costs for one in others), *([] if rate is None else [rate.costs])):
        if costs != first.costs:
            told = "none" if costs is None else costs.name
            raise UsageError(RULE, "costs", "energies under different costs are not compared", told, first.costs.name)
    parts = {
        part: np.array([sum(first.costs[kind] * bar.get(kind, 0) for kind in kinds) for _, bar in bars])
        for part, kinds in PARTS.items()
    }
    whole = np.sum(list(parts.values()), axis=0)
    unit, size = unit_of(float(whole.max()))
    with canvas(ax, 1.2 + 0.3 * len(bars)) as ax:
        left = np.zeros(len(bars))
        for (part, pj), form in zip(parts.items(), BARS, strict=True):
            ax.barh(range(len(bars)), pj / size, left=left / size, height=0.6, label=part, **EDGE, **form)
            left += pj
        for row, pj in enumerate(whole.tolist()):
            told = f"{pj / size:,.3g} {unit}"
            ax.annotate(told, (pj / size, row), (3, 0), textcoords="offset points", va="center", **SMALL)
        ax.set_yticks(range(len(bars)), [short(name) for name, _ in bars], parse_math=False)
        ax.set_ylim(len(bars) - 0.5, -0.5)
        ax.set_ylabel("network")
        room = 1.25 if ax.figure.get_figwidth() >= NARROW else 1.5  # for the number behind a bar
        ax.set_xlim(0, room * float(whole.max()) / size or 1)
        ax.set_xlabel(f"energy per image ({unit})")
        ax.grid(axis="x", linewidth=0.3)
        legend(ax, f"costs {shown(first.costs.name, 30)}")
    return ax


def energy_by_population(found: Score | Counts, costs: Costs | str = "horowitz_2014", ax: Any = None) -> Any:
    """Axes with the energy of an image by the population that spends it, FS beside the dense ANN, in a unit that a
    person reads (COUNT-5, COUNT-6): `found` is what fsref.evaluate or fsref.count gave.

    Errors: UsageError for anything else, for costs, and when matplotlib is missing. Example:
    `fsref.plots.energy_by_population(score, "horowitz_2014")`.
    """
    counts, priced = counts_of(found, "energy"), costs_of(costs) if isinstance(costs, str) else costs
    names = [p.name for p in counts.net.populations if counts.net.into(p.name)]
    fs = [float(energy_pj(counts.work(name).total(), 0, priced)) / counts.image_count for name in names]
    works = [dense_work_of(counts.net, name) for name in names]
    dense = [float(energy_pj(work, int(work.synops), priced)) for work in works]
    unit, size = unit_of(max(*fs, *dense, 0.0))
    with canvas(ax, tall(len(names), 0.24, 1.1)) as ax:
        for shift, values, label, form in ((-0.2, fs, "FS", BARS[0]), (0.2, dense, "dense ANN", BARS[1])):
            places = [row + shift for row in range(len(names))]
            ax.barh(places, [pj / size for pj in values], 0.38, label=label, **EDGE, **form)
        by_population(ax, names)
        ax.set_xlabel(f"energy per image ({unit})")
        ax.grid(axis="x", linewidth=0.3)
        legend(ax, f"costs {shown(priced.name, 30)}")
    return ax


def unit_of(pj: float) -> tuple[str, float]:
    """The unit in which an energy is read, and its size in pJ."""
    return next(((unit, size) for unit, size in UNITS[::-1] if pj >= size), UNITS[0])


def confusion(found: Score | ArrayLike, names: Sequence[str] = (), ax: Any = None) -> Any:
    """Axes with how many images of each class (rows) are given which (columns); `found` is a score with labels, or a
    matrix of counts (classes, classes). Wrong ones are the darker the larger their share of the class; the diagonal,
    right ones, is set apart. `names` are those of the classes, of a score the network's own.

    Errors: UsageError for another matrix or names that are not one for each class, and when matplotlib is missing.
    Example: `fsref.plots.confusion(fsref.evaluate(net, x, y))`.
    """
    names = names or (found.net.class_names if isinstance(found, Score) else ())
    try:
        matrix: NDArray[Any] = by_class(found).matrix if isinstance(found, Score) else np.asarray(found)
    except ValueError:  # rows of several lengths
        matrix = np.empty(0)
    square = matrix.ndim == 2 and matrix.shape[0] == matrix.shape[1] > 0
    if not square or matrix.dtype.kind not in "iu" or (matrix < 0).any():
        raise UsageError(
            RULE, "matrix", "not counts by class and class", f"{matrix.dtype} {matrix.shape}", "(C, C), 0 up"
        )
    size = len(matrix)
    if names and len(names) != size:
        raise UsageError(RULE, "names", "are not one for each class", len(names), str(size))
    called = [short(name) for name in names] or [str(i) for i in range(size)]
    share = 100 * matrix / np.maximum(1, matrix.sum(axis=1, keepdims=True))
    wrong = np.where(np.eye(size, dtype=bool), np.nan, share)  # right ones are many, and would hide the others
    top = float(np.nanmax(wrong, initial=0.0)) or 100.0
    with canvas(ax, min(6.0, 1.4 + 0.26 * size)) as ax:
        ax.set_facecolor(RIGHT)
        drawn = ax.imshow(wrong, cmap="Greys", vmin=0, vmax=top, interpolation="none", aspect="auto")
        if size <= CLASSES:
            for row, column in zip(*np.nonzero(matrix), strict=True):
                dark = row != column and share[row, column] > top / 2
                told: Any = {"ha": "center", "va": "center", "color": ON_DARK if dark else ON_LIGHT}
                ax.text(column, row, f"{matrix[row, column]:,}", **told, **SMALL)
        bar = ax.figure.colorbar(drawn, ax=ax, aspect=30, pad=0.02)
        bar.set_label("wrong (%)", **SMALL)
        places = np.unique(np.linspace(0, size - 1, min(CLASSES, size)).round().astype(int)).tolist()
        turned: Any = {"rotation": 90} if any(len(name) > 2 for name in called) else {}
        ax.set_xticks(places, [called[i] for i in places], parse_math=False, **SMALL, **turned)
        ax.set_yticks(places, [called[i] for i in places], parse_math=False, **SMALL)
        ax.set_xlabel("given (class)")
        ax.set_ylabel("label (class)")
    return ax
