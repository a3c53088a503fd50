"""A torch model may permute the axes of its values: what it computes then is in the graph without a node for that, or
is refused by name.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")
from torch import nn  # noqa: E402 - after the check that torch is there
from torch.nn import functional as F  # noqa: E402

from fsref.conversion.folding import fold  # noqa: E402
from fsref.errors import GraphError  # noqa: E402
from fsref.graph.graph import Graph, Pixels  # noqa: E402
from fsref.importers.torch.from_torch import from_torch  # noqa: E402

PIXELS = Pixels(3, 8, 6, mean=0.5, std=0.25)
HWC, CHW = (0, 2, 3, 1), (0, 3, 1, 2)


class Body(nn.Module):
    """A function of the result of a convolution of 4 channels, and a dense layer that it may use."""

    def __init__(self, function: Callable[[Any, Any], Any], inputs: int = 4) -> None:
        super().__init__()
        self.stem, self.layer, self.function = nn.Conv2d(3, 4, 3, padding=1), nn.Linear(inputs, 5), function

    def forward(self, x: Any) -> Any:
        return self.function(self.stem(x), self.layer)


def mean(x: Any) -> Any:
    return x.mean((2, 3))


def imported(model: nn.Module) -> Graph:
    """The graph of a model, of its logits."""
    torch.manual_seed(1)
    graph = from_torch(model.eval(), PIXELS)
    codes = np.random.default_rng(1).integers(0, 256, (2, *PIXELS.shape))
    with torch.no_grad():
        wanted = model(torch.from_numpy(PIXELS.normalise(codes))).numpy()
    assert np.abs(graph.forward(codes) - wanted).max() <= 1e-5 * np.abs(wanted).max()
    return graph


CASES: dict[str, tuple[Body, list[str]]] = {
    "there and back": (Body(lambda x, _: mean(x.permute(HWC).contiguous().relu().permute(CHW))), ["relu"]),
    "two axes exchanged": (Body(lambda x, _: mean(x.transpose(1, 3).clamp(0, 2).transpose(1, 3))), ["clip"]),
    "in two steps": (Body(lambda x, _: mean(x.transpose(1, 2).transpose(2, 3).relu().movedim(-1, 1))), ["relu"]),
    "a dense layer": (Body(lambda x, layer: mean(layer(x.permute(HWC)).permute(CHW))), ["conv"]),
    "of tokens": (Body(lambda x, layer: layer(x.flatten(2).transpose(1, 2)).mean(1)), ["conv"]),
    "of windows": (
        Body(lambda x, layer: mean(layer(x.permute(HWC).reshape(2, 48, 4)).transpose(1, 2).reshape(2, 5, 8, 6))),
        ["conv"],
    ),
    "a constant a channel": (
        Body(lambda x, _: mean((x.permute(HWC) * torch.arange(1.0, 5.0) - 0.5).permute(CHW))), ["affine", "affine"],
    ),
    "a sum": (Body(lambda x, _: mean((x.permute(HWC) + x.permute(HWC).relu()).permute(CHW))), ["relu", "add"]),
    "a cat": (
        Body(lambda x, _: mean(torch.cat([x.permute(HWC), x.permute(HWC).relu()], -1).permute(CHW))),
        ["relu", "concat"],
    ),
    "a mean of rows": (Body(lambda x, _: x.permute(HWC).mean(1).mean(1)), ["avg_pool"]),
    "a mean that keeps axes": (
        Body(lambda x, _: x.permute(HWC).amax((1, 2), keepdim=True).permute(CHW).flatten(1)), ["max_pool"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_permute_makes_no_node(case: str) -> None:
    """What stands between a permute and the one back is as if they were not there."""
    model, wanted = CASES[case]
    graph = imported(model)
    found = [node.op for node in graph.nodes if node.op not in ("flatten", "global_avg_pool")]
    assert found == ["conv", *wanted]


def test_a_flatten_in_another_order() -> None:
    """A dense layer reads the numbers where they are: its weights are moved, no population is made."""
    graph = imported(Body(lambda x, layer: layer(x.relu().permute(HWC).flatten(1)), 192))
    assert [node.op for node in graph.nodes] == ["conv", "relu", "flatten", "select", "dense"]
    folded = fold(graph)
    assert [unit.name for unit in folded.units] == ["stem", "layer"]
    codes = np.random.default_rng(2).integers(0, 256, (2, *PIXELS.shape))
    *_, (_, before, _) = folded.walk(codes)
    wanted = graph.forward(codes)
    assert np.abs(before[:, :, 0, 0] - wanted).max() <= 1e-5 * np.abs(wanted).max()


@pytest.mark.parametrize(
    ("function", "says"),
    [
        (lambda x, _: F.max_pool2d(x.permute(HWC), 2).mean((2, 3)), r"max_pool2d \(nearest: its axes put back"),
        (lambda x, layer: layer(x.permute(0, 3, 1, 2)[..., :4]).mean((1, 2)), r"slice|linear"),
        (lambda x, _: (x.permute(HWC).relu() + x.permute(0, 2, 1, 3).mean()).mean((1, 2)), r"mean|add"),
        (lambda x, _: x.permute(1, 0, 2, 3).mean((2, 3)), r"permute \(nearest: .*as first axis\)"),
        (lambda x, _: x.permute(HWC).reshape(2, 24, 8).mean(1), r"(view|reshape) \(nearest: its axes put back"),
    ],
)
def test_what_is_not_put_back_is_refused(function: Callable[[Any, Any], Any], says: str) -> None:
    """Operators that read places where channels stand are named, with what would do."""
    with pytest.raises(GraphError, match=says) as caught:
        from_torch(Body(function), PIXELS)
    assert caught.value.rule == "GRAPH-7" and "\n" not in str(caught.value)
