"""The `quantized` engine where its arithmetic is closest to going wrong: floors of float quotients, products cut into
pieces.
"""

from __future__ import annotations

import numpy as np
import pytest

import fsref
from fsref import FS, Conv2d, Dense, Input, Network, Readout, fs_relu
from fsref.engines import layers


@pytest.mark.parametrize(
    "theta", [3, 255, 4097, 65_535, 65_537, 2**24 - 1, 2**24 + 1, 2**36 + 7, 2**45 - 1, 2**45 + 1, 2**53 - 1, 2**53 + 1]
)
def test_the_floor_of_every_quotient_is_exact(theta: int) -> None:
    """At every multiple of theta, one below and one above it, the code is floor division's, whatever type the reach of
    the network asks for (FS-5).
    """
    steps = 8 if theta < 2**50 else 4
    v = [m * theta + near for m in range(2**steps + 2) for near in (-1, 0, 1)]
    beyond = (3 * min(limit // theta + 1, 2**steps) + 1 for limit in (2**24, 2**53))  # one more than fit
    for count in (3, *beyond, len(v)):
        some = np.array(v[:count]).reshape(1, 1, -1)
        net = Network(
            [
                Input("in", (1, 1, 1), 1, 1),
                FS("fs", some.shape, fs_relu(steps, theta), some),
                Readout("out", (1, 1, 1)),
            ],
            [Conv2d("in", "fs", [[[[1]]]], padding=(0, 0, 0, count - 1)), Dense("fs", "out", [[0]], pooled=True)],
        )
        codes = fsref.run(net, np.zeros((1, 1, 1, 1), np.int64), "quantized", record=["fs"]).codes["fs"]
        assert codes.tolist() == [[min(max(n // theta, 0), 2**steps - 1) for n in v[:count]]]


@pytest.mark.parametrize("one_call", [1, 7, 64, 1000, 2**18])
@pytest.mark.parametrize("kind", [np.float32, np.float64, np.int64])
def test_a_product_in_pieces_is_the_product(monkeypatch: pytest.MonkeyPatch, one_call: int, kind: type) -> None:
    """Cut along rows and depth in any way, with rows left over or not, a product is what integers give."""
    monkeypatch.setattr(layers, "ONE_CALL", one_call)
    rng = np.random.default_rng(5)
    for shape, outputs in (((1, 1), 1), ((2, 3, 5, 7), 4), ((1, 50), 60), ((64, 9), 2)):
        a, matrix = rng.integers(0, 256, shape), rng.integers(-128, 128, (shape[-1], outputs))
        assert layers.product(a.astype(kind), matrix.astype(kind)).tolist() == (a @ matrix).tolist()
