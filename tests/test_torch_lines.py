"""Operators of lines are those of maps one row high or one column wide."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")
from torch import nn  # noqa: E402 - after the check that torch is there
from torch.nn import functional as F  # noqa: E402

from fsref.errors import GraphError  # noqa: E402
from fsref.graph.graph import Pixels  # noqa: E402
from fsref.importers.torch.from_torch import from_torch  # noqa: E402


class Signal(nn.Module):
    """A function of the lines of an image, after a convolution of them."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        super().__init__()
        self.stem = nn.Conv1d(2, 4, 5, stride=2, padding=1, dilation=2, groups=2)
        self.norm, self.function = nn.BatchNorm1d(4), function

    def forward(self, x: Any) -> Any:
        return self.function(self.norm(self.stem(x.flatten(2))).relu())


FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "max_pool": lambda x: F.max_pool1d(x, 3, 2, 1).mean(2),
    "avg_pool": lambda x: F.avg_pool1d(x, 3, 2, 1).mean(2),
    "avg_pool without padding": lambda x: F.avg_pool1d(x, 3, 2, 1, count_include_pad=False).mean(2),
    "adaptive": lambda x: F.adaptive_avg_pool1d(x, 1).flatten(1),
    "flatten": lambda x: x.flatten(1),
}


@pytest.mark.parametrize("shape", [(2, 1, 24), (2, 24, 1)])
@pytest.mark.parametrize("function", FUNCTIONS)
def test_lines(function: str, shape: tuple[int, int, int]) -> None:
    """Along rows or along columns, the logits are those of torch."""
    torch.manual_seed(1)
    model, pixels = Signal(FUNCTIONS[function]).eval(), Pixels(*shape, mean=0.5, std=0.25)
    graph = from_torch(model, pixels)
    codes = np.random.default_rng(1).integers(0, 256, (2, *shape))
    with torch.no_grad():
        wanted = model(torch.from_numpy(pixels.normalise(codes))).numpy()
    assert np.abs(graph.forward(codes) - wanted).max() <= 1e-5
    assert [node.op for node in graph.nodes][:3] == ["conv", "batch_norm", "relu"]


def test_lines_of_a_map_are_refused() -> None:
    """A map of several rows and columns is no line."""
    with pytest.raises(GraphError, match=r"stem: conv1d \(nearest: a value \(C, L\) that is one row, or one column"):
        from_torch(Signal(FUNCTIONS["flatten"]).eval(), Pixels(2, 4, 6))
