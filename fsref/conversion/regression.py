"""Ridge regression of the weights of a unit, in rounds, since what an activation cuts off needs no fit (CONV-13)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from fsref.activations.coding import Reals
from fsref.conversion.activation import LINEAR, Activation
from fsref.conversion.columns import Columns, Floats, Read
from fsref.graph.blas import one_thread
from fsref.tables import Brief

RIDGE = 0.2  # of the mean variance of what a unit reads: how much the weights given weigh
TINY = 1e-12  # what never varies is left as it is
ROUNDS = 4  # of a unit with an activation; without one, one is exact

Seen = Callable[[], Iterable[tuple[Read, Floats]]]  # what is read, and what is wanted (P, C), some places at a time


def lacking(p: Floats, wanted: Floats, how: Activation) -> Floats:
    """What predictions p lack to what is wanted, both (P, C): where the activation cuts off the latter, only what p has
    on the other side of the bound.
    """
    below, above = np.minimum(how.low - p, 0.0), np.maximum(how.high - p, 0.0)
    return np.where(wanted < how.low, below, np.where(wanted > how.high, above, wanted - p)).astype(np.float32)


@dataclass(frozen=True, eq=False, repr=False)
class Moments(Brief):
    """Means and covariances of what a unit reads: of plain terms (g, D) and (g, D, D), of skips (C, m) and (C, m, m),
    of both (g, C / g, D, m).
    """

    plain_mean: Reals
    skip_mean: Reals
    plain: Reals
    skips: Reals
    both: Reals

    @classmethod
    def of(cls, columns: Columns, seen: Seen) -> Moments:
        """Those of all places."""
        (g, o, d), (c, m) = columns.weights.shape, columns.factors.shape
        count, plain_mean, skip_mean = 0, np.zeros((g, d)), np.zeros((c, m))
        plain, skips, both = np.zeros((g, d, d)), np.zeros((c, m, m)), np.zeros((g, o, d, m))
        for read, _ in seen():
            x, s = read.plain.transpose(1, 2, 0), read.skips.reshape(len(read.skips), g, o, m)
            count += len(s)
            plain_mean += x.sum(axis=2, dtype=np.float64)
            skip_mean += read.skips.sum(axis=0, dtype=np.float64)
            plain += x @ x.transpose(0, 2, 1)
            skips += np.einsum("pcm,pcn->cmn", read.skips, read.skips, dtype=np.float64)
            for k in range(m):
                both[..., k] += (x @ s[..., k].transpose(1, 0, 2)).transpose(0, 2, 1)
        plain_mean, skip_mean = plain_mean / count, skip_mean / count
        plain = plain / count - plain_mean[:, :, None] * plain_mean[:, None, :]
        skips = skips / count - skip_mean[:, :, None] * skip_mean[:, None, :]
        both = both / count - plain_mean[:, None, :, None] * skip_mean.reshape(g, o, 1, m)
        return cls(plain_mean, skip_mean, plain, skips, both)

    def solved(self, x: Reals, s: Reals, back: Reals, skips_back: Reals, free: Reals) -> tuple[Reals, Reals]:
        """The changes of weights (g, C / g, D) and factors (C, m) that answer their covariances x and s with what is
        lacking; `back` and `skips_back` lead to the weights given.

        Channels of a group whose `free` weights are the same share one matrix; factors of skips are eliminated last.
        """
        (g, o, _), m = x.shape, s.shape[1]
        weights, factors = np.zeros_like(x), np.zeros_like(s)
        for group in range(g):
            kinds, kind = np.unique(free[group], axis=0, return_inverse=True)
            for number, chosen in enumerate(kinds):
                own, at = np.flatnonzero(kind.ravel() == number), np.flatnonzero(chosen)
                rows = group * o + own
                matrix, beside = self.plain[group][np.ix_(at, at)], self.both[group, own][:, at]  # (n, D', m)
                ridge = RIDGE * np.trace(matrix) / max(1, len(at)) + TINY
                right = (x[group, own][:, at] + ridge * back[group, own][:, at]).T
                every = np.concatenate([right, beside.transpose(1, 0, 2).reshape(len(at), len(own) * m)], axis=1)
                found = np.linalg.solve(matrix + ridge * np.eye(len(at)), every)
                alone, less = found[:, : len(own)], found[:, len(own) :].reshape(len(at), len(own), m)
                skip_ridge = RIDGE * np.einsum("omm->om", self.skips[rows]) + TINY
                inner = self.skips[rows] + skip_ridge[:, :, None] * np.eye(m) - np.einsum("odm,don->omn", beside, less)
                rest = s[rows] + skip_ridge * skips_back[rows] - np.einsum("odm,do->om", beside, alone)
                factors[rows] = np.linalg.solve(inner, rest[:, :, None])[:, :, 0]
                weights[group, own[:, None], at] = alone.T - np.einsum("dom,om->od", less, factors[rows])
        return weights, factors


def fit(columns: Columns, seen: Seen, how: Activation) -> None:
    """Change weights, factors and bias of a unit so that its predictions come near what is wanted."""
    (g, o, d), (c, m) = columns.weights.shape, columns.factors.shape
    given, given_factors = columns.weights, columns.factors
    with one_thread():
        moments = Moments.of(columns, seen)
        for _ in range(1 if how == LINEAR else ROUNDS):
            count, mean, x, s = 0, np.zeros(c), np.zeros((g, o, d)), np.zeros((c, m))
            for read, wanted in seen():
                r = lacking(columns.predicted(read), wanted, how)
                count += len(r)
                mean += r.sum(axis=0, dtype=np.float64)
                x += r.reshape(-1, g, o).transpose(1, 2, 0) @ read.plain.transpose(1, 0, 2)
                s += np.einsum("pcm,pc->cm", read.skips, r, dtype=np.float64)
            mean = mean / count
            x = x / count - mean.reshape(g, o, 1) * moments.plain_mean[:, None, :]
            s = s / count - mean[:, None] * moments.skip_mean
            back = given - columns.weights, given_factors - columns.factors
            weights, factors = moments.solved(x, s, *back, columns.free)
            columns.weights, columns.factors = columns.weights + weights, columns.factors + factors
            moved = (weights * moments.plain_mean[:, None, :]).sum(axis=2).ravel()
            columns.bias = columns.bias + mean - moved - (factors * moments.skip_mean).sum(axis=1)
