"""Plots of curves: accuracy against time with its intervals, and the growth of anything (COUNT-9)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from numbers import Real
from typing import Any, Literal, TypeAlias, get_args

from fsref.errors import UsageError, literal, shown
from fsref.metrics.interval import interval
from fsref.metrics.score import Score
from fsref.rate_coding.score import RateScore
from fsref.reports.pictures import CURVES, INK, RULE, SMALL, canvas, legend, plain
from fsref.tables import span

Against: TypeAlias = Literal["latency", "throughput"]
Seen: TypeAlias = tuple[float, int, int]  # where, how many are right, of how many images
Answers: TypeAlias = Score | RateScore | Sequence[Score] | Sequence[Seen]
AXES = {"latency": "latency (steps)", "throughput": "throughput (images per 1,000 steps)"}
LABEL = 40  # characters of a name in a legend
WIDE = 20  # times the least value: from there on an axis is logarithmic


def accuracy(
    series: Mapping[str, Answers], against: Against = "latency", real: float | None = None, ax: Any = None
) -> Any:
    """Axes with accuracy in % against latency in steps, or throughput in images per 1,000 steps: a curve for each of
    `series` by name, each point with its 95 % interval (Wilson); `real`, 0..1, is that of the float network, a line.

    A series is what fsref.evaluate gave, for one K or a list of several, what fsref.rate_score gave, or points
    (x, right images, images). Throughput is with two membrane buffers (TIME-3); rate coding takes an image every t
    steps. Errors: UsageError for fewer than two points in all, a score without labels, and when matplotlib is missing.
    Example: `fsref.plots.accuracy({"FS": [score_4, score_6, score_8], "rate": rate_score}, real=0.9933)`.
    """
    if against not in get_args(Against):
        raise UsageError(RULE, "against", "accuracy has no such axis", against, ", ".join(get_args(Against)))
    check_series(series)
    found = {name: seen(answers, against) for name, answers in series.items()}
    every = [x for points in found.values() for x, _, _ in points]
    if len(every) < 2:
        limit = "two or more: scores at several K, or a rate-coded twin beside"
        raise UsageError(RULE, "series", "one point is no curve", len(every), limit)
    with canvas(ax) as ax:
        for number, (name, points) in enumerate(found.items()):
            shares = [100 * right / count for _, right, count in points]
            for (x, _, _), share, told in zip(points, shares, steps_of(series[name]), strict=False):
                ax.annotate(told, (x, share), (5, -9), textcoords="offset points", **SMALL)
            ends = [interval(right, count) for _, right, count in points]
            spread = (
                [share - 100 * low for share, (low, _) in zip(shares, ends, strict=True)],
                [100 * high - share for share, (_, high) in zip(shares, ends, strict=True)],
            )
            curve(ax, [x for x, _, _ in points], shares, number, called(name), spread)
        if real is not None:
            ax.axhline(100 * real, color=INK, linewidth=0.8, label=f"float, {100 * real:.2f} %")
        if max(every) > WIDE * min(every) > 0:
            ax.set_xscale("log")
            plain(ax.xaxis)
        ax.set_xlabel(AXES[against])
        ax.set_ylabel("accuracy (% of images)")
        ax.grid(linewidth=0.3)
        legend(ax)
    return ax


def growth(series: Mapping[str, Sequence[tuple[float, float]]], across: str, up: str, ax: Any = None) -> Any:
    """Axes with a curve for each of `series` by name, its points (x, y), from y = 0 up; `across` and `up` say what x
    and y are, with their units. Where every x is half as large again as the one before, or more, x is logarithmic.

    Errors: UsageError for fewer than two points in all, and when matplotlib is missing. Example:
    `fsref.plots.growth({"events": [(16, 1.1), (32, 4.0)]}, "image size (pixels)", "time (ms per image)")`.
    """
    check_series(series)
    for point in (point for points in series.values() for point in points):
        numbers = [n for n in point if isinstance(n, Real) and isfinite(n)] if isinstance(point, tuple) else []
        if len(numbers) != 2 or len(point) != 2:
            raise UsageError(RULE, "series", "not a point", literal(point), "(x, y), two numbers")
    places = sorted({x for points in series.values() for x, _ in points})
    if len(places) < 2:
        raise UsageError(RULE, "series", "one point is no growth", len(places), "two places or more")
    with canvas(ax) as ax:
        for number, (name, points) in enumerate(series.items()):
            curve(ax, [x for x, _ in points], [y for _, y in points], number, called(name))
        if places[0] > 0 and all(b >= 1.5 * a for a, b in zip(places, places[1:], strict=False)):
            ax.set_xscale("log", base=2)
            ax.set_xticks([], minor=True)
        ax.set_xticks(places[:: -(-len(places) // 8)])
        ax.xaxis.set_major_formatter(lambda x, _: f"{x:g}")
        ax.set_ylim(bottom=0)
        ax.set_xlabel(across, parse_math=False)
        ax.set_ylabel(up, parse_math=False)
        ax.grid(linewidth=0.3)
        legend(ax)
    return ax


def check_series(series: object) -> None:
    """Nothing, when these are series by name. Errors: UsageError."""
    kinds = (Score, RateScore, Sequence)
    named = list(series.items()) if isinstance(series, Mapping) else [(None, None)]
    if not all(isinstance(name, str) and isinstance(one, kinds) for name, one in named):
        raise UsageError(RULE, "series", "not series by name", type(series).__name__, 'such as {"FS": [...]}')


def called(name: str) -> str:
    """A name in a legend, from which matplotlib leaves out what begins with _."""
    told = shown(name, LABEL)
    return f" {told}" if told.startswith("_") else told


def curve(
    ax: Any,
    xs: Sequence[float],
    ys: Sequence[float],
    number: int,
    label: str,
    spread: tuple[Sequence[float], Sequence[float]] | None = None,
    **more: Any,
) -> None:
    """Draw one of several curves: each number has its colour, marker and line; `spread` is how far intervals reach down
    and up.
    """
    form = {"markersize": 4, "linewidth": 1, **CURVES[number % len(CURVES)], "label": label, **more}
    if spread is None:
        ax.plot(xs, ys, **form)
    else:
        ax.errorbar(xs, ys, yerr=spread, capsize=2, elinewidth=0.7, **form)


def steps_of(answers: Answers) -> list[str]:
    """What to write beside points of scores, in their order: K of their FS populations; nothing beside other points."""
    scores = [answers] if isinstance(answers, Score) else [] if isinstance(answers, RateScore) else list(answers)
    nets = [one.net for one in scores if isinstance(one, Score)]
    every = [[p.steps for p in net.fs] or [0] for net in sorted(nets, key=lambda net: net.schedule.latency)]
    return [f"K={span(min(steps), max(steps))}" for steps in every]


def seen(answers: Answers, against: Against) -> list[Seen]:
    """The points of a series. Errors: UsageError."""
    if isinstance(answers, RateScore):
        steps = answers.result.latency if against == "latency" else 1000 / answers.result.checkpoints
        right = answers.correct.tolist()
        return [(float(x), n, answers.image_count) for x, n in zip(steps, right, strict=True)]
    points: list[Seen] = []
    for one in [answers] if isinstance(answers, Score) else answers:
        if isinstance(one, Score):
            plan = one.net.schedule
            x = float(plan.latency) if against == "latency" else 1000 / plan.interval_two_buffers
            points.append((x, one.correct, one.image_count))
        elif isinstance(one, tuple) and len(one) == 3 and 0 <= one[1] <= one[2] and one[2] > 0:
            points.append(one)
        else:
            limit = "scores, what rate_score gives, or (x, right images, images)"
            raise UsageError(RULE, "series", "not a point of accuracy", literal(one), limit)
    return sorted(points)
