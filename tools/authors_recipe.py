"""Tables found as the authors of FS neurons found theirs, written anew after what they published: Adam on T, h and d in
float32 from random starts, a triangle in place of a spike's derivative, learning rates drawn for each update, and a
price on membranes far from their thresholds. The best of 100 starts is what fitted tables are held against.

    python tools/authors_recipe.py                        12 tables, which go on where they were stopped
    python tools/authors_recipe.py silu-8 --restarts 20   one of them

What all starts came to is kept in reference_models/tables/authors.json, from which named_tables.py makes a page. Their
h[t] lowers the membrane at the begin of step t where step t - 1 fired; printed are T, h and d of FS-3. This is
floating point with fastmath: other machines find other tables.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from fsref.activations.functions import functions
from fsref.formats.files import write

RANGES = {"silu": (-8.0, 12.0), "sigmoid": (-10.0, 10.0), "gelu": (-8.0, 8.0), "tanh": (-4.0, 4.0)}
POINTS = 512
UPDATES, MORE = 5_000, 1_000  # in all; how many an improvement gives back
RATES = 0.09, 0.5
PRICES = 0.08, 0.12  # of membranes far from their thresholds
STARTS = {"T": (-1.0, 1.0), "h": (-1.0, 0.0), "d": (-0.5, 1.0)}
UNIT = 1 / 1024  # on multiples of which errors are measured
STEPS = 8, 12, 16
RESTARTS = 100
KEPT = Path(__file__).resolve().parent.parent / "reference_models" / "tables" / "authors.json"


@numba.njit(fastmath=True)
def gradients(tables, x, wanted, price, v, out, by_v, found):  # type: ignore[no-untyped-def]
    """The mean square error of tables (3, K), T, h, d, on x (N,), and gradients by them of it and the price, in found
    (3, K).
    """
    T, h, d = tables[0], tables[1], tables[2]
    steps, count = T.size, x.size
    one, zero = np.float32(1), np.float32(0)
    far = np.zeros(steps, np.float32)
    mse = zero
    for n in range(count):
        out[n] = -wanted[n]
        v[0, n] = x[n]
        by_v[n] = zero
    for t in range(steps):
        now, total = v[t], zero
        lowered = h[t + 1] if t + 1 < steps else zero
        for n in range(count):
            z = one if now[n] > T[t] else zero
            out[n] += d[t] * z
            v[t + 1, n] = now[n] - lowered * z
            total += max(abs(now[n] - T[t]) / (abs(now[n]) + one) - one, zero)
        far[t] = total / count
    scale = np.float32(2) / count
    for n in range(count):
        mse += out[n] * out[n] / count
        out[n] *= scale
    for t in range(steps - 1, -1, -1):
        now = v[t]
        lowered = h[t + 1] if t + 1 < steps else zero
        dear = 2 * price * far[t] / count
        by_T, by_h, by_d = zero, zero, zero
        for n in range(count):
            z = one if now[n] > T[t] else zero
            width = one / (abs(now[n]) + one)
            scaled = (now[n] - T[t]) * width
            by_d += out[n] * z
            by_h -= by_v[n] * z
            by = (out[n] * d[t] - by_v[n] * lowered) * max(one - abs(scaled), zero)
            by += dear * (one if scaled > one else -one if scaled < -one else zero)
            by_T -= by * width
            by_v[n] += by * (width - abs(scaled) * width * (one if (scaled > 0) == (now[n] > 0) else -one))
        found[0, t], found[2, t] = by_T, by_d
        if t + 1 < steps:
            found[1, t + 1] = by_h
    found[1, 0] = zero
    return mse


@numba.njit(fastmath=True)
def trained(tables, x, wanted, seed):  # type: ignore[no-untyped-def]
    """Tables (3, K) of the least mean square error that Adam comes by, in place, and that error."""
    np.random.seed(seed)  # noqa: NPY002 - what Numba has
    shape = tables.shape
    mean, square, found = np.zeros(shape, np.float32), np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    v, out, by_v = np.zeros((shape[1] + 1, x.size), np.float32), np.zeros_like(x), np.zeros_like(x)
    best, least, done = tables.copy(), np.float32(np.inf), 0
    first, second = 1.0, 1.0
    while done < UPDATES:
        price = np.float32(np.random.uniform(PRICES[0], PRICES[1]))  # noqa: NPY002
        mse = gradients(tables, x, wanted, price, v, out, by_v, found)
        done += 1
        if mse < least:
            least = mse
            best[:] = tables
            if done >= 0:
                done -= MORE
        first, second = first * 0.9, second * 0.999
        rate = np.random.uniform(RATES[0], RATES[1])  # noqa: NPY002
        for row in range(3):
            for t in range(shape[1]):
                by = found[row, t]
                mean[row, t] += np.float32(0.1) * (by - mean[row, t])
                square[row, t] += np.float32(0.001) * (by * by - square[row, t])
                share = mean[row, t] / (1 - first) / (np.sqrt(square[row, t] / (1 - second)) + 1e-8)
                tables[row, t] -= np.float32(rate * share)
    tables[:] = best
    return least


def error(tables: NDArray[np.float32], name: str) -> float:
    """The mean square error of tables (3, K) on every multiple of UNIT in the range."""
    low, high = RANGES[name]
    x = UNIT * np.arange(round(low / UNIT), round(high / UNIT) + 1, dtype=np.float64)
    v, out = x.astype(np.float32), np.zeros_like(x)
    for t in range(tables.shape[1]):
        z = v > tables[0, t]
        out += tables[2, t] * z
        if t + 1 < tables.shape[1]:
            v -= tables[1, t + 1] * z
    return float(((out - functions[name].value(x)) ** 2).mean())


def restarted(name: str, steps: int, restart: int) -> tuple[NDArray[np.float32], float]:
    """The tables (3, K) that one start comes to, and their error."""
    x = np.linspace(*RANGES[name], POINTS)
    rng = np.random.default_rng([steps, restart])
    tables = np.stack([rng.uniform(*ends, steps) for ends in STARTS.values()]).astype(np.float32)
    trained(tables, x.astype(np.float32), functions[name].value(x).astype(np.float32), restart)
    return tables, error(tables, name)


def kept() -> dict[str, Any]:
    """What starts came to, by the names of tables: the errors of all, and T, h, d of the best."""
    told: dict[str, Any] = json.loads(KEPT.read_bytes()) if KEPT.exists() else {}
    return told


def keep(name: str, tables: NDArray[np.float32], mse: float) -> None:
    """Write down what one more start of a table came to."""
    told = kept()
    own = told.setdefault(name, {"errors": []})
    if mse < min(own["errors"], default=np.inf):
        rows = tables[0], np.append(tables[1, 1:], np.float32(0)), tables[2]
        own |= {key: [float(str(value)) for value in row] for key, row in zip("Thd", rows, strict=True)}
    own["errors"].append(float(f"{mse:.5g}"))
    lines = (f'"{key}": {json.dumps(told[key])}' for key in sorted(told))
    write(("{\n" + ",\n".join(lines) + "\n}\n").encode("ascii"), KEPT, "RUN-5")


def main() -> None:
    """Make the starts that are not made yet."""
    every = [f"{name}-{steps}" for steps in STEPS for name in RANGES]
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="all unless given")
    parser.add_argument("--restarts", type=int, default=RESTARTS)
    given = parser.parse_args()
    if unknown := set(given.names) - set(every):
        parser.error(f"no such table: {min(unknown)}; there are {', '.join(every)}")
    for name in given.names or every:
        function, _, steps = name.partition("-")
        begun = time.process_time()
        for restart in range(len(kept().get(name, {"errors": []})["errors"]), given.restarts):
            keep(name, *restarted(function, int(steps), restart))
        errors = kept()[name]["errors"]
        told = f"best of {len(errors)} {min(errors):.3g}, median {np.median(errors):.3g}"
        print(f"{name}: {told}; {time.process_time() - begun:.0f} s of processor", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
