"""Mistakes of where in a table a row or a step is looked up (OBS-4)."""

from __future__ import annotations

from itertools import product

import numpy as np

from fsref.law.neuron import Ints
from fsref.law.populations import FS
from fsref.verification.consequences import Cause, Effects, of_fs, other_channels, stepped
from fsref.verification.firing_causes import Spikes, ran
from fsref.verification.scene import Effect

ENTRIES = (2, 4, 8)  # steps behind which the address of a step wraps


def row_late(p: FS, v: Ints) -> Effects:
    """The first neuron of a channel takes the row of the channel before, or every second neuron that of the one
    before, of resets alone or of both.
    """
    if p.table.channels is not None:
        T, h, d = p.table.rows(p.shape[0])
        before = np.maximum(np.arange(p.shape[0]) - 1, 0)
        right, wrong = stepped(p, v, T, h, d), stepped(p, v, T[before], h[before], d)
        first = np.zeros(p.shape, np.bool_)
        first[:, 0, 0] = True
        kinds = ("codes", "opening", "spikes", "membranes")
        yield Effect(**{kind: np.where(first, getattr(wrong, kind), getattr(right, kind)) for kind in kinds})
        number = np.arange(p.neurons).reshape(p.shape)
        pair = (number & ~1) // (p.shape[1] * p.shape[2])
        rows = [(T[pair], h[pair]), (T[pair], h[:, None, None]), (T[:, None, None], h[pair])]
        for thresholds, resets in rows:

            def fires(t: int, v: Ints, own: Ints, before: list[Spikes], thresholds: Ints = thresholds) -> Spikes:
                return v >= thresholds[..., t]

            def lowers(t: int, v: Ints, z: Spikes, own: Ints, resets: Ints = resets) -> Ints:
                return v - resets[..., t] * z

            yield ran(p, v, fires, lowers)


def column_by_column(p: FS, v: Ints) -> Effects:
    """A table (C, K) is read as (K, C)."""
    if p.table.channels is not None:
        rows = p.table.rows(p.shape[0])
        T, h, d = (np.ascontiguousarray(row).reshape(row.shape[::-1]).T for row in rows)
        for other in ((T, rows[1], rows[2]), (rows[0], h, rows[2]), (T, h, rows[2]), (T, h, d)):
            yield stepped(p, v, *other)


def row_not_loaded(p: FS, v: Ints) -> Effects:
    """The last row of the thresholds, or of the resets, is 0."""
    if p.table.channels is not None:
        T, h, d = p.table.rows(p.shape[0])
        last = np.arange(p.shape[0])[:, None] == p.shape[0] - 1
        yield stepped(p, v, np.where(last, 0, T), h, d)
        yield stepped(p, v, T, np.where(last, 0, h), d)


def rows_of_another_channel(p: FS, v: Ints) -> Effects:
    """T, h, or both are those of another channel; with both, the bias may be, too."""
    if p.table.channels is None:
        return
    T, h, d = p.table.rows(p.shape[0])
    for name, of in other_channels(p.shape[0]):
        yield stepped(p, v, T[of], h[of], d).of(channel=name)
        yield stepped(p, v, T[of], h, d).of(channel=name)
        yield stepped(p, v, T, h[of], d).of(channel=name)
        if not (p.bias_map == p.bias_map[of]).all():
            yield stepped(p, v - p.bias_map + p.bias_map[of], T[of], h[of], d).of(channel=f"{name}, and its bias")


def rows_apart(p: FS, v: Ints) -> Effects:
    """Rows of T, h, or both begin farther apart, or nearer, than they are long; beyond the end from the beginning, or
    there is nothing.
    """
    if p.table.channels is None:
        return
    T, h, d = p.table.rows(p.shape[0])
    count, steps = T.shape
    power = 1 << (steps - 1).bit_length()
    for apart, wraps in product(sorted({power, steps + 1, steps - 1, 16, -(-steps // 4) * 4} - {steps}), (True, False)):
        at = np.arange(count)[:, None] * apart + np.arange(steps)
        there = at < T.size

        def moved(rows: Ints, at: Ints = at, kept: Ints = there | wraps) -> Ints:
            found: Ints = np.where(kept, np.ascontiguousarray(rows).ravel()[at % rows.size], 0)
            return found

        for both in ((T, moved(h)), (moved(T), h), (moved(T), moved(h))):
            yield stepped(p, v, *both, d).of(apart=apart)


def steps_wrap(p: FS, v: Ints) -> Effects:
    """A step behind so many looks up an earlier one: of T, h and d, of T and h, or of one of these."""
    T, h, d = p.table.rows(p.shape[0])
    for count in (n for n in ENTRIES if n < p.steps):
        early = np.arange(p.steps) % count
        for rows in ((T[:, early], h[:, early], d[:, early]), (T[:, early], h[:, early], d), (T[:, early], h, d)):
            yield stepped(p, v, *rows).of(count=count)
        yield stepped(p, v, T, h[:, early], d).of(count=count)


ROWS = (
    Cause(
        "rows-of-another-channel",
        "each channel has its own thresholds and resets: yours takes those of {channel} [FS-1]",
        of_fs(rows_of_another_channel),
    ),
    Cause(
        "row-a-neuron-late",
        "each channel has its own row of the table: yours switches one neuron late [FS-1]",
        of_fs(row_late),
    ),
    Cause(
        "row-not-loaded",
        "all rows of a table are loaded: in yours the last is 0 [FS-1]",
        of_fs(row_not_loaded),
    ),
    Cause(
        "table-column-by-column",
        "a table is (C, K): yours is read column by column [FS-1]",
        of_fs(column_by_column),
    ),
    Cause(
        "rows-apart",
        "rows of a table begin K apart: yours {apart} [FS-1]",
        of_fs(rows_apart),
    ),
    Cause(
        "step-address-wraps",
        "each step has its own entry of a table: yours begins again behind {count} [FS-1]",
        of_fs(steps_wrap),
    ),
)
