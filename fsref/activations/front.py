"""front: fits of one function for fewer and fewer spikes, of which none is better in both (FIT-8)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numpy.typing import ArrayLike

from fsref.activations.fitting import fitted
from fsref.activations.functions import Function
from fsref.errors import UsageError, public
from fsref.formats.tables import Approximation

POINTS = 8


@public
def front(
    function: Function | Approximation | str | Callable[[Any], ArrayLike],
    steps: int,
    low: float,
    high: float,
    *,
    points: int = POINTS,
    **asked: Any,
) -> list[Approximation]:
    """The tables of `points` fits, those alone to which no other is better in mean square error and spikes, fewest
    spikes first: one as `fitted` finds it without a cap, then with caps of (points - 1) / points, ..., 1 / points of
    its spikes (FIT-8).

    `asked` are what `fitted` takes, but spikes and resume. Errors: UsageError.
    """
    for name in {"spikes", "resume"} & set(asked):
        raise UsageError("FIT-8", name, "is not said of a front")
    found = [fitted(function, steps, low, high, **asked)]
    for share in range(points - 1, 0, -1):
        cap = found[0].spikes * share / points
        if cap > 0:
            found.append(fitted(function, steps, low, high, spikes=cap, **asked))
    found.sort(key=lambda table: (table.spikes, table.mse))
    kept: list[Approximation] = []
    for table in found:
        if not kept or table.mse < kept[-1].mse:
            kept.append(table)
    return kept
