"""Images and spikes drawn in plain ASCII, at most 100 columns, so that any terminal, pipe or file shows them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from fsref.errors import UsageError
from fsref.law.network import Network
from fsref.law.neuron import Ints
from fsref.tables import plural, sizes

if TYPE_CHECKING:
    from fsref.simulation.recording import Trace

SHADES = " .:-=+*#%@"
COLUMNS = 64


def shaded(values: np.ndarray[tuple[int, ...], np.dtype[np.floating]]) -> str:
    """Numbers 0..1 as one character each: blank for 0, darker for more."""
    return "".join(SHADES[int(np.ceil(v * (len(SHADES) - 1)))] for v in values.ravel().tolist())


def bins(
    values: np.ndarray[tuple[int, ...], np.dtype[np.floating]], count: int
) -> np.ndarray[tuple[int, ...], np.dtype[np.floating]]:
    """The means of `count` equal stretches of the first axis, or `values` when it is no longer than that."""
    if len(values) <= count:
        return values
    return np.stack([part.mean(axis=0) for part in np.array_split(values, count)])


def picture(net: Network, codes: Ints) -> str:
    """One image, codes (C, H, W), drawn in ASCII: mean over channels, two characters a pixel, at most 32 pixels
    wide.
    """
    grey = codes.mean(axis=0) / net.input.max_code
    small = bins(bins(grey, 32).T, 32).T
    return "\n".join("  |" + "".join(2 * c for c in shaded(row)) + "|" for row in small)


def raster(net: Network, trace: Trace, image: int = 0, populations: Iterable[str] | None = None) -> str:
    """The spikes of one image of a recording: a block per population, a line per absolute step, a column per neuron, or
    per stretch of neurons drawn darker the more of them spike. Errors: UsageError for an image or population that was
    not recorded.
    """
    if not 0 <= image < trace.image_count:
        raise UsageError("OBS-1", "raster", "no such image in the recording", image, f"0..{trace.image_count - 1}")
    recorded = [p.name for p in net.populations if (p.name, "spikes") in trace.arrays]
    blocks, plan = [], net.schedule
    for name in recorded if populations is None else populations:
        trains = trace[name, "spikes"][image].astype(np.int64)
        steps = net.steps[name]
        each = (
            "a column is a neuron"
            if len(trains) <= COLUMNS
            else f"a column is about {len(trains) / COLUMNS:,.0f} neurons"
        )
        total, shape = int(np.bitwise_count(trains).sum()), sizes(net[name].shape)
        blocks.append(f"{name}: {net[name].kind} {shape}, {plural(total, 'spike')}; {each}")
        for t in trace.selection.window[name].tolist():
            fired = (trains >> (steps - 1 - t) & 1).astype(np.float64)
            line = shaded(bins(fired, COLUMNS)) if len(fired) > COLUMNS else "".join("|" if z else " " for z in fired)
            blocks.append(
                f"  step {plan.start[name] + t:>4} [{line:<{min(COLUMNS, len(fired))}}] "
                f"{int(fired.sum()):>8,} {100 * fired.mean():>5.1f} %"
            )
        blocks.append("")
    return "\n".join(blocks).rstrip()
