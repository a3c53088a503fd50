"""Tables found as the authors of FS neurons found theirs, written anew after what they published: Adam on T, h and d in
float32 from random starts, a triangle in place of a spike's derivative, learning rates drawn for each update, and a
price on membranes far from their thresholds. The best of 100 starts is what fitted tables are held against.

    python tools/authors_recipe.py silu -K 16

Their h[t] lowers the membrane at the begin of step t where step t - 1 fired; printed are T, h and d of FS-3. This is
floating point with fastmath: other machines find other tables.
"""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from fsref.activations.functions import functions

RANGES = {"silu": (-8.0, 12.0), "sigmoid": (-10.0, 10.0), "gelu": (-8.0, 8.0), "tanh": (-4.0, 4.0)}
POINTS = 512
UPDATES, MORE, MOST = 5_000, 1_000, 20_000  # without improvement; what each improvement allows; at all
RATES = 0.09, 0.5
PRICE = 0.1  # of membranes far from their thresholds
STARTS = {"T": (-1.0, 1.0), "h": (-1.0, 0.0), "d": (-0.5, 1.0)}
UNIT = 1 / 1024  # on multiples of which errors are measured


@numba.njit(fastmath=True)
def gradients(tables, x, wanted, v, out, by_v, found):  # type: ignore[no-untyped-def]
    """The loss of tables (3, K), T, h, d, on x (N,), and its gradients by them in found (3, K)."""
    T, h, d = tables[0], tables[1], tables[2]
    steps, count = T.size, x.size
    one, zero = np.float32(1), np.float32(0)
    far = np.zeros(steps, np.float32)
    loss = zero
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
        loss += np.float32(PRICE) * far[t] * far[t]
    scale = np.float32(2) / count
    for n in range(count):
        loss += out[n] * out[n] / count
        out[n] *= scale
    for t in range(steps - 1, -1, -1):
        now = v[t]
        lowered = h[t + 1] if t + 1 < steps else zero
        price = np.float32(2 * PRICE) * far[t] / count
        by_T, by_h, by_d = zero, zero, zero
        for n in range(count):
            z = one if now[n] > T[t] else zero
            width = one / (abs(now[n]) + one)
            scaled = (now[n] - T[t]) * width
            by_d += out[n] * z
            by_h -= by_v[n] * z
            by = (out[n] * d[t] - by_v[n] * lowered) * max(one - abs(scaled), zero)
            by += price * (one if scaled > one else -one if scaled < -one else zero)
            by_T -= by * width
            by_v[n] += by * (width - abs(scaled) * width * (one if (scaled > 0) == (now[n] > 0) else -one))
        found[0, t], found[2, t] = by_T, by_d
        if t + 1 < steps:
            found[1, t + 1] = by_h
    found[1, 0] = zero
    return loss


@numba.njit(fastmath=True)
def trained(tables, x, wanted, seed):  # type: ignore[no-untyped-def]
    """Tables (3, K) as Adam leaves them at their least loss, in place, and that loss."""
    np.random.seed(seed)  # noqa: NPY002 - what Numba has
    shape = tables.shape
    mean, square, found = np.zeros(shape, np.float32), np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    v, out, by_v = np.zeros((shape[1] + 1, x.size), np.float32), np.zeros_like(x), np.zeros_like(x)
    best, least, left = tables.copy(), np.float32(np.inf), UPDATES
    first, second = 1.0, 1.0
    for _ in range(MOST):
        loss = gradients(tables, x, wanted, v, out, by_v, found)
        if loss < least:
            least, left = loss, min(left + MORE, UPDATES + MORE)
            best[:] = tables
        left -= 1
        if left < 0:
            break
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


def best_of(name: str, steps: int, restarts: int, seed: int) -> tuple[NDArray[np.float32], list[float]]:
    """The best tables (3, K) of so many starts, and the errors of all."""
    low, high = RANGES[name]
    x = np.linspace(low, high, POINTS)
    wanted = functions[name].value(x).astype(np.float32)
    errors, best = [], None
    for restart in range(restarts):
        rng = np.random.default_rng([seed, steps, restart])
        tables = np.stack([rng.uniform(*ends, steps) for ends in STARTS.values()]).astype(np.float32)
        trained(tables, x.astype(np.float32), wanted, seed + restart)
        errors.append(error(tables, name))
        if best is None or errors[-1] == min(errors):
            best = tables
    assert best is not None
    return best, errors


def main() -> None:
    """Print the best of the restarts as JSON."""
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n\n")[0])
    parser.add_argument("function", choices=RANGES)
    parser.add_argument("-K", "--steps", type=int, required=True)
    parser.add_argument("--restarts", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    begun = time.process_time()
    tables, errors = best_of(given.function, given.steps, given.restarts, given.seed)
    told: dict[str, Any] = {"function": given.function, "steps": given.steps, "restarts": given.restarts}
    told |= {"mse": min(errors), "median": float(np.median(errors)), "cpu_s": round(time.process_time() - begun, 1)}
    lowered = [*tables[1, 1:].tolist(), 0.0]
    print(json.dumps({**told, "T": tables[0].tolist(), "h": lowered, "d": tables[2].tolist()}))


if __name__ == "__main__":
    main()
