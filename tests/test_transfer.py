"""Transfer functions (FLOAT-3): every membrane fired, errors over every integer, what lies outside, and pictures."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fsref import Table, fs_relu
from fsref.activations.functions import Function, functions
from fsref.activations.transfer import Transfer, transfer
from fsref.errors import UsageError
from fsref.law.neuron import fire
from fsref.reports.neuron_pictures import table_picture
from fsref.reports.neurons import draw_spikes, draw_steps, draw_trains, draw_transfer
from fsref.reports.pictures import blank_figure
from fsref.verification.explain import steps_of
from refusals import refused


def rows_of(table: Table) -> Any:
    """T, h, d of a table that is the same for all channels."""
    return table.T, table.h, table.d


def drawn(seed: int, steps: int = 5) -> Any:
    """Rows of a table of no order."""
    rng = np.random.default_rng(seed)
    return rng.integers(-30, 40, steps), rng.integers(-20, 40, steps), rng.integers(-3, 9, steps)


@pytest.mark.parametrize("seed", range(8))
def test_every_membrane_is_fired(seed: int) -> None:
    """Trains, spikes and codes of each membrane are those of the neuron that fires; means, outputs, falls and rises
    those of all of them; outside, those of membranes far beyond.
    """
    rows = drawn(seed)
    found = transfer("drawn", rows, -50, 60)
    fired = [fire(v, *rows) for v in range(-50, 61)]
    part = np.repeat(np.arange(len(found.start)), found.end - found.start + 1)
    assert found.train[part].tolist() == [f.train for f in fired]
    assert found.code[part].tolist() == (codes := [f.code for f in fired])
    assert found.spikes[part].tolist() == [sum(f.spikes) for f in fired]
    assert found.mean_spikes == pytest.approx(np.mean([sum(f.spikes) for f in fired]))
    assert found.outputs == len(set(codes))
    after = dict(enumerate(codes[1:], -49))
    assert found.falls.tolist() == [v for v, code in after.items() if code < codes[v + 49]]
    assert found.rises.tolist() == [v for v, code in after.items() if code > codes[v + 49]]
    for side, far in ((found.below, range(-600, -50)), (found.above, range(61, 700))):
        beyond = [fire(v, *rows).code for v in far]
        assert side == (min(beyond), max(beyond), beyond[0] if far[0] < 0 else beyond[-1])


def test_errors_are_over_every_membrane() -> None:
    """The deviation from a function is that of each membrane alone, and where it is largest first."""
    rows = drawn(3)
    found = transfer("drawn", rows, -50, 60, unit=0.125, scale=0.5, offset=2).beside(functions["silu"])
    v = np.arange(-50, 61)
    wrong = np.abs([0.5 * (fire(n, *rows).code - 2) for n in v] - v / 8 / (1 + np.exp(-v / 8)))
    own = found.deviation
    assert own is not None and (own.function, own.membrane_count) == ("silu", 111)
    assert own.mse == pytest.approx(np.mean(wrong**2), rel=1e-12) and own.mean_absolute_error == pytest.approx(
        np.mean(wrong), rel=1e-12
    )
    assert own.largest_absolute_error == pytest.approx(wrong.max(), rel=1e-12) and own.at_membrane == v[wrong.argmax()]


def test_only_inputs_that_come_are_looked_at() -> None:
    """Of a table whose membranes are multiples of 4 the others count nowhere in its error."""
    found = transfer("few", rows_of(fs_relu(3)), -2, 9, unit=1.0, every=4).beside(functions["relu"])
    assert found.deviation is not None
    assert (found.deviation.membrane_count, found.deviation.largest_absolute_error, found.deviation.at_membrane) == (
        3,
        1.0,
        8,
    )


def test_another_membrane_may_stand_for_0() -> None:
    """Of codes with an offset inputs begin at the membrane that stands for 0: in errors, in words, and in pictures."""
    found = transfer("signed", rows_of(fs_relu(3, 4)), 0, 31, unit=0.25, offset=2, zero=8)
    own = found.beside(functions["relu"]).deviation
    v = np.arange(32)
    wrong = np.abs(np.minimum(v // 4, 7) - 2 - np.maximum((v - 8) / 4, 0))
    assert own is not None and own.mse == pytest.approx(np.mean(wrong**2), rel=1e-12)
    assert found.x(found.start).tolist() == [-2, -1, 0, 1, 2, 3, 4, 5] == found.values.tolist()
    assert "x = (v - 8) * 0.25: -2 .. 5.75" in str(found)
    assert draw_transfer(found, blank_figure(4, 3, "FLOAT-3").subplots()).get_xlim() == (-2, 6)


@pytest.mark.parametrize(
    ("T", "d", "says"),
    [
        ([3], [2], "yes: it never falls"),
        ([3], [-2], "yes: it never rises"),
        ([3], [0], "constant"),
        ([3, 5, 7], [2, -1, 1], "no: it falls at 1 of 3 steps, first at v = 5"),
        ([3, 5, 7], [-2, 1, -1], "no: it rises at 1 of 3 steps, first at v = 5"),
    ],
)
def test_monotone_or_not(T: list[int], d: list[int], says: str) -> None:
    """Whether a code falls, rises or both is said in words."""
    found = transfer("made", (np.array(T), np.zeros(len(T), np.int64), np.array(d)), 0, 9)
    assert f"\nmonotone   {says}\n" in str(found)


def test_what_is_refused() -> None:
    """A range that is none, a function without a unit, one not finite, and too many membranes: one line each."""
    rows = rows_of(fs_relu(3))
    with refused(UsageError, "FLOAT-3", "range", says="the lower first"):
        transfer("t", rows, 3, 2)
    found = transfer("t", rows, -4, 9)
    with refused(UsageError, "FLOAT-3", "t", says="what a membrane stands for is not known"):
        found.beside(functions["relu"])
    with refused(UsageError, "FLOAT-3", "reciprocal", says="gives infinity or NaN at: 0.0"):
        transfer("t", rows, -4, 9, unit=1.0).beside(functions["reciprocal"])
    with refused(UsageError, "FLOAT-3", "huge", says="gives too large a number at: 1.0"):
        transfer("t", rows, 0, 9, unit=1.0).beside(Function("huge", "huge", lambda x: x * 1e300, None))
    with refused(UsageError, "FLOAT-3", "range", says="cannot be looked at one by one"):
        transfer("t", rows, 0, 2**40, unit=1.0).beside(functions["relu"])
    with refused(UsageError, "FLOAT-3", "range", says="cannot be looked at one by one: 0"):
        transfer("t", rows, 1, 3, unit=1.0, every=4).beside(Function("none", "none", np.abs, None))


def seen(figure: Any, path: Path) -> str:
    """The text of a picture, once written."""
    figure.save(path)
    return "".join(ET.parse(path).getroot().itertext())


def test_pictures_show_each_step(tmp_path: Path) -> None:
    """A picture has the transfer function beside the function, spikes, trains, and each neuron over its steps; the same
    bytes for the same table; notebooks show it as SVG.
    """
    rows = drawn(3)
    found = transfer("a table", rows, -50, 60, unit=0.125)
    picture = table_picture(found, functions["silu"], [steps_of(rows, 17)])
    text = seen(picture, tmp_path / "p.svg")
    for word in ("a table", "silu", "value", "spikes", "membrane (units)", "threshold T", "opening membrane 17"):
        assert word in text
    table_picture(found, functions["silu"], [steps_of(rows, 17)]).save(tmp_path / "q.svg")
    assert (tmp_path / "p.svg").read_bytes() == (tmp_path / "q.svg").read_bytes()
    assert picture._repr_svg_().startswith("<?xml") and "<table>" in found._repr_html_()


def test_functions_draw_into_the_axes_given() -> None:
    """Each returns the axes that it was given; what is drawn are the edges, codes and membranes of the table."""
    rows = rows_of(fs_relu(3, 2))
    found: Transfer = transfer("relu", rows, -4, 20)
    axes = blank_figure(4, 3).subplots()
    assert draw_transfer(found, axes) is axes
    (stairs,) = axes.patches
    values, edges, _ = stairs.get_data()
    assert values.tolist() == list(range(8)) and edges.tolist() == [-4, 2, 4, 6, 8, 10, 12, 14, 21]
    assert draw_spikes(found, blank_figure(4, 3).subplots()) and draw_trains(found, blank_figure(4, 3).subplots())
    axes = blank_figure(4, 3).subplots()
    assert draw_steps(steps_of(rows, 11, start=5), axes) is axes
    assert axes.lines[0].get_ydata()[:4].tolist() == [11, 11, 3, 3]  # fires at 8, lowered by 8
    assert [label.get_text() for label in axes.get_xticklabels()] == ["5", "6", "7"]
    assert [segment.tolist() for segment in axes.collections[1].get_segments()] == [
        [[5.5, 3], [5.5, 11]],
        [[7.5, 1], [7.5, 3]],
    ]
    inert = draw_steps(steps_of((rows[0], 0 * rows[1], rows[2]), 11), blank_figure(4, 3).subplots())
    assert len(inert.collections) == 1  # thresholds alone: nothing is lowered
