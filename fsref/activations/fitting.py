"""fitted: the table whose staircase follows a real function best, found by annealing on integers (FIT)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from math import fsum
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fsref.activations import kernels
from fsref.activations.coding import Reals
from fsref.activations.elementary import log
from fsref.activations.functions import Function, function_of
from fsref.activations.grid import Distribution, Grid, check_real
from fsref.activations.measuring import measured
from fsref.activations.runs import Run, Runs
from fsref.activations.starts import KINDS, start
from fsref.errors import UsageError, public
from fsref.formats.tables import NAMES, Approximation, is_name
from fsref.law.neuron import MAX_CODE_WEIGHT, MAX_STEPS, Ints, Table

Fitted = Approximation
CODE_BITS, EVEN = 16, 0.01
WAITS = 4096  # quantiles of what a move is allowed to cost
MOVES = 400_000
STARTS, KEPT = 24, 4  # how many starts, and of how many it goes on
HOT, COLD = 0.1, 0.002  # shares of the cost


@public
def fitted(
    function: Function | Approximation | str | Callable[[Any], ArrayLike],
    steps: int,
    low: float,
    high: float,
    *,
    unit: float,
    codes: int = CODE_BITS,
    distribution: Distribution = None,
    even: float = EVEN,
    spikes: float | None = None,
    max_error: float = 0.0,
    seed: int = 0,
    budget: int = MOVES,
    name: str | None = None,
    resume: str | PathLike[str] | None = None,
    progress: Callable[[int], None] | None = None,
) -> Approximation:
    """The table of `steps` K, 1..16, whose output follows a function on low..high best, of all that `budget` moves try.

    Membranes are integers of `unit`; a code has `codes` bits, its unit is `scale` of what comes back. What is made
    small is the mean square error plus `max_error` times the square of the largest, both on every integer of the
    interval: each weighs the share of neurons that have it, by `distribution`, Normal(mean, deviation) or an array (n,)
    of real membranes, but `even`, which is shared evenly. `spikes` caps the mean spikes of a neuron of that
    distribution. Beyond the interval the output stays about as near to what the function holds there as inside (FIT-5).
    The same arguments, `seed` among them, give the same table; `name` is what it is called. With `resume`, a file, what
    is done is kept there and not done again (FIT-9). `progress` is called with the moves just made. Errors: UsageError
    [FIT], FileError.
    """
    grid = Grid.of(function_of(function), low, high, unit, distribution, even)
    return fitted_on(
        grid,
        steps,
        codes=codes,
        spikes=spikes,
        max_error=max_error,
        seed=seed,
        budget=budget,
        name=name,
        resume=resume,
        progress=progress,
    )


def fitted_on(
    grid: Grid,
    steps: int,
    *,
    codes: int = CODE_BITS,
    spikes: float | None = None,
    max_error: float = 0.0,
    seed: int = 0,
    budget: int = MOVES,
    name: str | None = None,
    resume: str | PathLike[str] | None = None,
    progress: Callable[[int], None] | None = None,
) -> Approximation:
    """The table of `fitted` on a grid that is made already. Errors: UsageError [FIT], FileError."""
    if name is not None and not is_name(name):
        raise UsageError("TABLE-1", "name", "is no name", name, NAMES)
    _check_whole("steps", steps, 1, MAX_STEPS)
    _check_whole("codes", codes, 2, 31)
    _check_whole("seed", seed, 0, 2**31 - 1)
    _check_whole("budget", budget, 1, 10**10)
    check_real("max_error", max_error, 0.0)
    if spikes is not None:
        check_real("spikes", spikes, above=0.0)
    told = {
        "seed": int(seed),
        "budget": int(budget),
        "max_error": float(max_error),
        "spikes": None if spikes is None else float(spikes),
        "membranes": grid.membranes,
        "even": grid.even,
    }
    search = Search.of(grid, int(codes), max_error, spikes)
    place = {"function": grid.function.name, "low": grid.low, "high": grid.high, "unit": grid.unit}
    runs = Runs(resume, {"steps": int(steps), "codes": int(codes), **place, **told, "numbers": search.told_by})
    best = search.best(runs, int(steps), int(seed), int(budget), progress)
    table, out = search.table(best)
    if not np.isfinite(best.cost) or out > 0:
        problem = "no table was found that stays in the function's range"
        raise UsageError("FIT-5", grid.function.name, problem, None, "a larger budget, or more steps")
    return measured(name or grid.function.name, grid, table, search.scale, told)


def _check_whole(name: str, value: object, low: int, high: int) -> None:
    """Nothing, when this is an integer of low..high. Errors: UsageError [FIT-2]."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or not low <= value <= high:
        raise UsageError("FIT-2", name, "out of range", value, f"{low}..{high}")


@dataclass(frozen=True, eq=False, repr=False)
class Search:
    """What annealing asks of a grid, as kernels take it."""

    scale: float
    ends: Ints
    rules: Reals
    fixed: tuple[Any, ...]  # sums, values, following
    rooms: tuple[Any, ...]  # what kernels write over
    told: Reals
    waits: Reals

    @classmethod
    def of(cls, grid: Grid, codes: int, worth: float, spikes: float | None) -> Search:
        """The search of a grid, with codes of so many bits, the sign among them where there is one."""
        low, high = min(0.0, float(grid.values.min())), max(0.0, float(grid.values.max()))
        scale = max(high / (2**codes - 1), 0.0) if low == 0.0 else max(-low, high) / (2 ** (codes - 1) - 1)
        span = grid.high - grid.low + 1
        widest = 2 ** max(abs(grid.low), abs(grid.high), 1).bit_length() * 2  # one bit more than the interval takes
        ends = np.array([grid.low, grid.high, grid.low - span, grid.high + span, -widest, widest - 1], np.int64)
        squares = grid.values * grid.values
        powers = fsum((grid.weights * squares).tolist()), fsum(squares.tolist())
        cap = np.inf if spikes is None else spikes
        rules = np.array([scale or 1.0, worth, cap, *grid.sides, *powers])
        share = (np.arange(WAITS) + 0.5) / WAITS
        return cls(
            scale or 1.0,
            ends,
            rules,
            (grid.sums, grid.values, grid.following),
            kernels.rooms(),
            np.zeros(kernels.TOLD),
            -log(share),
        )

    @property
    def told_by(self) -> str:
        """The numbers that a search depends on, as one word."""
        arrays = (self.ends, self.rules, *self.fixed)
        return sha256(b"".join(array.tobytes() for array in arrays)).hexdigest()[:16]

    def best(self, runs: Runs, steps: int, seed: int, budget: int, progress: Callable[[int], None] | None) -> Run:
        """The best run, of a third of the budget from starts of every kind, a third from the best of these, and a third
        from the best of all (FIT-4).
        """
        low, high, third = int(self.ends[0]), int(self.ends[1]), max(1, budget // 3)

        def run(begin: Run | int, moves: int, hot: float, cold: float) -> Run:
            number, moves = runs.taken, max(1, moves)

            def made() -> Run:
                if isinstance(begin, Run):
                    T, h = begin.T.copy(), begin.h.copy()
                else:
                    kind = KINDS[begin % len(KINDS)]
                    T, h = start(kind, steps, low, high, np.random.default_rng([seed, begin]))
                return self.annealed(T, h, moves, hot, cold, seed * 64 + number)

            found = runs.run(made)
            if progress is not None:
                progress(moves)
            return found

        first = [run(number, third // STARTS, HOT, COLD) for number in range(STARTS)]
        first.sort(key=lambda found: found.cost)
        again = [run(begin, third // KEPT, HOT, COLD / 2) for begin in first[:KEPT]]
        best = min(*first, *again, key=lambda found: found.cost)
        for hot in (HOT / 2, HOT / 4):
            best = min(best, run(best, third // 2, hot, COLD / 4), key=lambda found: found.cost)
        return best

    def annealed(self, T: Ints, h: Ints, moves: int, hot: float, cold: float, seed: int) -> Run:
        """What so many moves find from thresholds and resets (K,), which become its table."""
        state = np.array([(seed * 2654435761 + 88172645) % (2**32 - 1) + 1], np.int64)
        settings = (moves, hot, cold, self.waits, state, self.ends, self.rules)
        room = np.zeros(16), np.empty((4, len(T)), np.int64)
        least = kernels.anneal(T, h, *room, *settings, *self.fixed, *self.rooms, self.told)
        return Run(float(least), T, h)

    def table(self, run: Run) -> tuple[Table, float]:
        """The table of what a run found, its d the best for it, and how far its output leaves the function's range."""
        d = np.zeros(16)
        kernels.cost(run.T, run.h, d, np.inf, self.ends, self.rules, *self.fixed, *self.rooms, self.told)
        whole = np.rint(d[: len(run.T)] / self.scale).astype(np.int64)
        out = float(self.told[4])
        return Table(T=run.T, h=run.h, d=np.clip(whole, -MAX_CODE_WEIGHT, MAX_CODE_WEIGHT)), out if out > 1e-9 else 0.0
