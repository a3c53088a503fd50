"""Tables found as the authors of FS neurons found theirs, written anew: Adam on T, h and d in float32, the step's
derivative replaced by a triangle. The best of many restarts is what fsref.activations.fitting is held against.

    python tools/authors_recipe.py silu -K 16 --restarts 100
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fsref.activations.functions import functions

Floats = NDArray[np.float32]

RANGES = {"silu": (-8.0, 12.0), "sigmoid": (-10.0, 10.0), "gelu": (-8.0, 8.0), "tanh": (-4.0, 4.0)}
POINTS, UPDATES = 512, 4000  # points of the range drawn for each update, and updates
RATE, WIDTH, DAMPING = 0.03, 1.0, 0.3  # of learning; of the triangle, and its height
UNIT = 1 / 1024  # in which the error of what was found is measured


@dataclass(frozen=True)
class Tables:
    """Thresholds, resets and code weights of all restarts, each (R, K)."""

    T: Floats
    h: Floats
    d: Floats

    @classmethod
    def drawn(cls, restarts: int, steps: int, high: float, rng: np.random.Generator) -> Tables:
        """Where Adam begins: a binary code of what lies above 0, and noise."""
        halves = high * 0.5 ** np.arange(1, steps + 1)
        T, h, d = (
            halves * rng.uniform(0.5, 1.5, (restarts, steps)) + rng.normal(0, 0.3, (restarts, steps)) for _ in "Thd"
        )
        return cls(T.astype(np.float32), h.astype(np.float32), d.astype(np.float32))

    def output(self, x: Floats) -> Floats:
        """The output (R, N) for membranes x (R, N) or (1, N)."""
        v = np.broadcast_to(x, (len(self.T), x.shape[1])).copy()
        out = np.zeros_like(v)
        for t in range(self.T.shape[1]):
            z = v > self.T[:, t, None]
            out += self.d[:, t, None] * z
            v -= self.h[:, t, None] * z
        return out

    def gradients(self, x: Floats, wanted: Floats) -> list[Floats]:
        """Those of the mean square error by T, h and d (R, K) at membranes x (R, N)."""
        steps, v = self.T.shape[1], x.copy()
        fired, above = [], []
        out = np.zeros_like(v)
        for t in range(steps):
            above.append(v - self.T[:, t, None])
            fired.append((above[t] > 0).astype(np.float32))
            out += self.d[:, t, None] * fired[t]
            v = v - self.h[:, t, None] * fired[t]
        by_out = (2 / x.shape[1]) * (out - wanted)
        by_v = np.zeros_like(v)
        found = [np.zeros_like(self.T) for _ in "Thd"]
        for t in range(steps - 1, -1, -1):
            found[2][:, t] = (by_out * fired[t]).sum(axis=1)
            found[1][:, t] = -(by_v * fired[t]).sum(axis=1)
            by_z = by_out * self.d[:, t, None] - by_v * self.h[:, t, None]
            slope = DAMPING * np.maximum(0, 1 - np.abs(above[t]) / WIDTH)
            found[0][:, t] = -(by_z * slope).sum(axis=1)
            by_v = by_v + by_z * slope
        return found


def errors(tables: Tables, name: str) -> NDArray[np.float64]:
    """The mean square error (R,) on every multiple of UNIT in the range."""
    low, high = RANGES[name]
    x = UNIT * np.arange(round(low / UNIT), round(high / UNIT) + 1, dtype=np.float64)
    wanted = functions[name].value(x)
    found = [tables.output(part[None].astype(np.float32)) for part in np.array_split(x, 20)]
    squares = (np.concatenate(found, axis=1) - wanted) ** 2
    return np.asarray(squares.mean(axis=1))


def trained(
    name: str, steps: int, restarts: int, seed: int, updates: int = UPDATES
) -> tuple[Tables, NDArray[np.float64]]:
    """What Adam found from each start, at its best, and its errors (R,)."""
    rng = np.random.default_rng([seed, steps])
    low, high = RANGES[name]
    tables = Tables.drawn(restarts, steps, high, rng)
    parts = [tables.T, tables.h, tables.d]
    best, least = [part.copy() for part in parts], errors(tables, name)
    means, squares = ([np.zeros_like(part) for part in parts] for _ in range(2))
    for update in range(1, updates + 1):
        x = rng.uniform(low, high, (restarts, POINTS)).astype(np.float32)
        wanted = functions[name].value(x.astype(np.float64)).astype(np.float32)
        rate = RATE * 0.5 * (1 + np.cos(np.pi * update / updates))
        for part, mean, square, by in zip(parts, means, squares, tables.gradients(x, wanted), strict=True):
            mean += 0.1 * (by - mean)
            square += 0.001 * (by * by - square)
            part -= rate * (mean / (1 - 0.9**update)) / (np.sqrt(square / (1 - 0.999**update)) + 1e-8)
        if update % 50 == 0:
            now = errors(tables, name) if update % 200 == 0 or update > updates * 0.8 else np.full(restarts, np.inf)
            better = now < least
            least = np.where(better, now, least)
            for kept, part in zip(best, parts, strict=True):
                kept[better] = part[better]
    return Tables(*best), least


def main() -> None:
    """Print the best of the restarts as JSON."""
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n")[0])
    parser.add_argument("function", choices=RANGES)
    parser.add_argument("-K", "--steps", type=int, required=True)
    parser.add_argument("--restarts", type=int, default=100)
    parser.add_argument("--updates", type=int, default=UPDATES)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    begun = time.process_time()
    tables, least = trained(given.function, given.steps, given.restarts, given.seed, given.updates)
    one = int(least.argmin())
    told = {"function": given.function, "steps": given.steps, "restarts": given.restarts, "mse": float(least[one])}
    told |= {"median": float(np.median(least)), "cpu_s": round(time.process_time() - begun, 1)}
    print(json.dumps({**told, **{name: getattr(tables, name)[one].tolist() for name in "Thd"}}))


if __name__ == "__main__":
    main()
