"""A conversion gives the same file on every machine: float sums that decide are exact, so that neither threads nor
kernels of a library have a say (CONV-9).
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fsref.conversion.converter import convert
from fsref.conversion.exact import exact_sum, through
from fsref.conversion.folded import Term, constant_part, linear, real_sum
from fsref.conversion.folding import fold
from fsref.formats.npz import to_bytes
from fsref.graph.exact import BITS, cut, room
from fsref.graph.graph import Graph, Node
from nodes import PIXELS, conv, drawn, head, norm, residual

ROOT = Path(__file__).resolve().parent.parent
FOUND: list[str] = np.show_config(mode="dicts")["SIMD Extensions"].get("found", [])  # type: ignore[call-overload,index]
OPTIONS: list[dict[str, Any]] = [
    {"alpha": "percentile", "bias_correction": "analytic"},
    {"steps": 4, "bias_correction": "empirical"},
    {"power_of_two": True, "alpha": "max"},
]


def other() -> Graph:
    """A graph with a batch norm, a depthwise convolution, and values that may be negative."""
    nodes = [
        conv("a", "input", 24, 3),
        norm("n", "a", 24),
        Node("r", "relu", ("n",)),
        conv("b", "r", 24, 24, groups=24, rng=1),
        conv("c", "b", 32, 24, rng=2),
        Node("s", "clip", ("c",), {"low": -1.0, "high": 4.0}),
        *head("s", 32),
    ]
    return Graph(PIXELS, tuple(nodes), "other")


def files() -> str:
    """The networks made of two graphs in three ways, as a digest of their files."""
    made = [convert(graph, drawn(), **options) for graph in (residual(), other()) for options in OPTIONS]
    return hashlib.sha256(b"".join(map(to_bytes, made))).hexdigest()


@pytest.mark.parametrize(
    "settings",
    [
        {"OPENBLAS_NUM_THREADS": "1"},
        {"OPENBLAS_NUM_THREADS": "2", "OPENBLAS_CORETYPE": "Nehalem"},
        {"NPY_DISABLE_CPU_FEATURES": " ".join(FOUND)},
    ],
)
def test_threads_and_kernels_change_no_byte(settings: dict[str, str]) -> None:
    """In a process of its own with other threads of BLAS, kernels of an older processor, or NumPy without what it has
    for this one.
    """
    code = "import test_everywhere; print(test_everywhere.files())"
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    known = {**os.environ, "PYTHONPATH": path, **settings}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], env=known, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == files()


def test_sums_of_what_is_cut_are_exact() -> None:
    """Whole numbers of so many bits that no sum of their products passes 2^53, of the number at hand rounded once."""
    rng = np.random.default_rng(1)
    for count in (1, 2, 27, 4608):
        bits, weight_bits = room(count)
        assert bits + weight_bits + np.ceil(np.log2(count)) == BITS and bits - weight_bits in (0, 1)
    x = rng.normal(size=(4, 5, 6)) * np.array([1e-20, 1.0, 3e7, 0.0])[:, None, None]
    first, second = cut(x, 20, (1, 2), slices=2)
    for part, row, rest in zip(first, x, second, strict=True):
        top = np.abs(row).max()
        unit = 2.0 ** (np.floor(np.log2(top)) + 1 - 20) if top else 1.0
        assert (part / unit == np.rint(row / unit)).all() and np.abs(row - part).max() <= unit / 2
        assert np.abs(row - part - rest).max() <= unit * 2.0**-20
    backwards = [np.sum((first[1].ravel() * 3.0)[order]) for order in (slice(None), slice(None, None, -1))]
    assert backwards[0] == backwards[1] == float(sum(int(v) for v in first[1].ravel() * 2.0**18) * 3) / 2.0**18


def test_cut_values_are_near() -> None:
    """What populations have in exact sums is theirs to a millionth of the largest, and what offsets and constants
    deliver to many more places.
    """
    for graph in (residual(), other()):
        folded, images = fold(graph), drawn()[:4]
        for (unit, near, _), (_, wanted, _) in zip(
            folded.walk(images, exact_sum), folded.walk(images, real_sum), strict=True
        ):
            assert np.abs(near - wanted).max() <= 2e-6 * np.abs(wanted).max(), unit.name
    rng = np.random.default_rng(2)
    term = Term("x", rng.normal(size=(4, 3, 3, 3)), padding=(1, 1, 1, 1), constant=rng.normal(size=(4, 1, 3, 3)))
    values = rng.normal(size=(3, 5, 5))
    wanted = linear(term, values[None], term.weights)[0]
    assert np.abs(through(term, values, term.weights) - wanted).max() <= 1e-11 * np.abs(wanted).max()
    beside = linear(term.beside, np.ones((1, 1, 5, 5)), term.beside.weights)[0]
    assert np.abs(constant_part(term, (5, 5)) - beside).max() <= 1e-13 * np.abs(beside).max()
