"""What an engine gave of a batch is what it has to give: an engine of one's own that leaves something out, or gives it
in another shape or type, is told so, and nothing is filled in, cut off or rounded (RUN-2, OBS-1).
"""

from __future__ import annotations

from collections.abc import Iterator, Set
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fsref.engines.activity import Activity
from fsref.engines.engine import Wanted
from fsref.errors import UsageError
from fsref.law.network import Network
from fsref.law.neuron import Ints


def check_activity(net: Network, activity: Any, image_count: int, missing: Set[str], wanted: Wanted) -> None:
    """Nothing, when an engine's activity for so many images is of a population that is `missing` yet and holds its
    trains, or its spike counts, or its membranes if it is a readout, and what is `wanted` of it. Errors: UsageError.
    """
    if not isinstance(activity, Activity):
        raise UsageError("RUN-2", "engine", "gave no Activity", type(activity).__name__)
    name = activity.population
    if name not in missing:
        raise UsageError("RUN-2", "engine", "gave a population twice, or one that the network does not have", name)
    steps, readout = net.steps[name], net[name] in net.readouts
    always = "opening" if readout else "spikes" if activity.counts is None else "counts"
    for what, value, shape in _needed(net, activity, wanted.get(name, frozenset()) | {always}):
        whole = (image_count, *shape)
        found = getattr(value, "shape", None)
        if not isinstance(value, np.ndarray) or value.dtype.kind not in "iu" or found != whole:
            given = None if value is None else f"{getattr(value, 'dtype', type(value).__name__)} {found}"
            raise UsageError("RUN-2", "engine", f"gave no {what} of {name} for these images", given, f"int {whole}")
    trains = activity.trains
    if trains is not None and (readout or int(trains.max()) >> steps or int(trains.min()) < 0):
        raise UsageError(
            "RUN-2", "engine", f"gave trains of {name} with spikes beyond its steps", None, f"{steps} steps"
        )


def check_counted(net: Network, counted: Any, image_count: int) -> tuple[Ints, Ints]:
    """Logits of all readouts, one behind the other, (B, neurons), and spikes (B, spiking populations) that an engine
    counted of so many images. Errors: UsageError.
    """
    names, widths = ("logits", "spikes"), (net.output_neurons, len(net.spiking))
    if not isinstance(counted, tuple) or len(counted) != len(names):
        raise UsageError("RUN-2", "engine", "counted no logits and spikes", type(counted).__name__)
    for name, value, width in zip(names, counted, widths, strict=True):
        found = getattr(value, "shape", None)
        if not isinstance(value, np.ndarray) or value.dtype.kind not in "iu" or found != (image_count, width):
            told = f"{getattr(value, 'dtype', type(value).__name__)} {found}"
            raise UsageError("RUN-2", "engine", f"counted no {name}", told, f"int {(image_count, width)}")
    return counted


def _needed(net: Network, activity: Activity, what: Set[str]) -> Iterator[tuple[str, NDArray[Any] | None, Any]]:
    """The observables that are needed of an activity: name, array as given, shape of one image."""
    name = activity.population
    shape = net[name].shape
    for observable in sorted(what - {"sums"}) if len(what) > 1 else what:
        match observable:
            case "counts":
                yield "counts", activity.counts, ()
            case "spikes":
                yield "trains", activity.trains, shape
            case "codes":
                yield "codes", activity.codes, shape
            case "opening":
                yield "membranes", activity.opening, shape
            case "membranes":
                yield "membranes by step", activity.membranes, (net.steps[name], *shape)
    if "sums" in what:
        for projection in net.into(name):
            yield f"sums of {projection}", activity.sums.get(projection), shape
