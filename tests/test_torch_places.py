"""What torch moves, spreads or repeats of rows and columns becomes views, and convolutions of them (GRAPH-7, VIEW-3);
torch itself is the oracle.
"""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")
from torch import nn  # noqa: E402 - after the check that torch is there
from torch.nn import functional as F  # noqa: E402

from fsref import Pixels  # noqa: E402
from fsref.errors import GraphError  # noqa: E402
from fsref.importers.torch.from_torch import from_torch  # noqa: E402
from test_from_torch import Body, drawn, same  # noqa: E402

PIXELS = Pixels(3, 9, 8)
CASES: dict[str, tuple[Any, list[str]]] = {
    "nearest": (nn.Upsample(scale_factor=2), ["view"]),
    "nearest by a fraction": (nn.Upsample(scale_factor=1.5), ["view"]),
    "nearest, exact": (lambda x: F.interpolate(x, scale_factor=1.7, mode="nearest-exact"), ["view"]),
    "bilinear": (nn.Upsample(scale_factor=2, mode="bilinear"), ["view", "conv"]),
    "bilinear to a size": (lambda x: F.interpolate(x, (27, 32), mode="bilinear"), ["view", "conv"]),
    "bilinear of columns alone": (lambda x: F.interpolate(x, scale_factor=(1, 5), mode="bilinear"), ["view", "conv"]),
    "transposed": (nn.ConvTranspose2d(8, 6, 3, stride=2, padding=1, output_padding=1), ["view", "conv"]),
    "transposed in groups": (
        nn.ConvTranspose2d(8, 6, (3, 2), stride=(3, 1), padding=(0, 1), dilation=(2, 1), groups=2), ["view", "conv"],
    ),
    "transposed and cut": (nn.ConvTranspose2d(8, 6, 2, stride=2, padding=2), ["view", "conv"]),
    "flipped": (lambda x: x.flip((1, 3)), ["select", "view"]),
    "rolled": (lambda x: torch.roll(x, (1, -2), (2, 3)), ["view"]),
    "mirrored": (nn.ReflectionPad2d((2, 1, 0, 3)), ["view"]),
    "edge again": (nn.ReplicationPad2d(2), ["view"]),
    "other end": (nn.CircularPad2d(1), ["view"]),
    "mirrored by a convolution": (nn.Conv2d(8, 6, 3, padding=1, padding_mode="reflect"), ["view", "conv"]),
    "some columns": (lambda x: x[..., [0, 2, 2, 5]], ["view"]),
    "again": (lambda x: x.repeat(1, 1, 2, 1).repeat_interleave(2, 3), ["view", "view"]),
    "shuffled": (nn.PixelShuffle(2), ["view", "conv"]),
    "unshuffled": (lambda x: F.pixel_unshuffle(x[:, :, :8], 2), ["pad", "conv"]),
    "pooled with dilation": (nn.MaxPool2d(3, stride=1, padding=1, dilation=2), ["view", "max_pool"]),
    "pooled unevenly": (nn.AdaptiveAvgPool2d((4, 5)), ["view", "conv"]),
    "largest unevenly": (nn.AdaptiveMaxPool2d((4, 5)), ["view", "max_pool"]),
    "averages of what is there": (nn.AvgPool2d(3, 2, 1, count_include_pad=False), ["avg_pool"]),
    "averages to the end": (nn.AvgPool2d(3, 2, 1, ceil_mode=True), ["pad", "avg_pool"]),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_places_that_are_moved_spread_or_repeated(case: str) -> None:
    """Each gives torch's values, place by place, by the operators a person expects."""
    function, wanted = CASES[case]
    layers = [function] if isinstance(function, nn.Module) else []
    model = drawn(Body(lambda x: (x if layers else function(x)).flatten(1), *layers))
    graph = same(model, PIXELS)
    assert [node.op for node in graph.nodes][1:-1] == wanted


class Mean(nn.Module):
    """The mean of each line."""

    def forward(self, x: Any) -> Any:
        return x.mean(2)


LINES: dict[str, tuple[list[nn.Module], list[str]]] = {
    "conv, norm, pool": (
        [nn.Conv1d(3, 4, 3, padding=1), nn.BatchNorm1d(4), nn.ReLU(), nn.MaxPool1d(2), nn.Conv1d(4, 4, 3, 2)],
        ["conv", "batch_norm", "relu", "max_pool", "conv", "flatten"],
    ),
    "same, average": ([nn.Conv1d(3, 4, 4, padding="same"), nn.AvgPool1d(3, 2, 1)], ["conv", "avg_pool", "flatten"]),
    "transposed": (
        [nn.ConvTranspose1d(3, 4, 3, stride=2, padding=1, output_padding=1), nn.AdaptiveAvgPool1d(5)],
        ["view", "conv", "view", "conv", "flatten"],
    ),
    "dilated": (
        [nn.MaxPool1d(3, 1, 1, dilation=2), nn.AdaptiveMaxPool1d(4)],
        ["view", "max_pool", "view", "max_pool", "flatten"],
    ),
    "groups, mean": (
        [nn.Conv1d(3, 6, 5, 2, 1, 2, groups=3), nn.BatchNorm1d(6), nn.ReLU(), nn.MaxPool1d(3, 2, 1), Mean()],
        ["conv", "batch_norm", "relu", "max_pool", "global_avg_pool"],
    ),
    "averages of what is there": (
        [nn.Conv1d(3, 4, 3), nn.AvgPool1d(3, 2, 1, count_include_pad=False), nn.AdaptiveAvgPool1d(1)],
        ["conv", "avg_pool", "global_avg_pool"],
    ),
    "longer, linear": (
        [nn.Upsample(scale_factor=3, mode="linear"), nn.Conv1d(3, 4, 3), nn.Upsample(68, mode="linear")],
        ["view", "conv", "conv", "view", "conv", "flatten"],
    ),
    "upsampled, mirrored": (
        [nn.Upsample(scale_factor=2), nn.ReflectionPad1d(2), nn.Conv1d(3, 2, 3)],
        ["view", "view", "conv", "flatten"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("column", [False, True])
@pytest.mark.parametrize("case", LINES)
def test_what_has_one_dimension(case: str, column: bool) -> None:
    """Layers of one dimension are those of two, of an image of one row, and of one column."""
    layers, wanted = LINES[case]
    model = Line(*layers, axis=3 if column else 2)
    graph = same(drawn(model), Pixels(3, 12, 1) if column else Pixels(3, 1, 12))
    assert [node.op for node in graph.nodes] == wanted


@pytest.mark.parametrize(
    ("layer", "wanted"),
    [
        (nn.Conv1d(3, 4, 3, padding=1), ["view", "conv", "conv", "view", "conv", "add"]),
        (
            nn.Conv1d(3, 4, 4, padding="same", dilation=3),
            ["view", "conv", "conv", "view", "conv", "view", "conv", "add"],
        ),
        (nn.Conv1d(3, 6, 1, groups=3), ["conv"]),
    ],
)
def test_a_line_whose_rows_follow_one_another(layer: nn.Module, wanted: list[str]) -> None:
    """conv1d along a flattened map sees the rows before and behind each."""
    layers = layer, nn.ReLU(), nn.AdaptiveMaxPool1d(1), nn.Conv1d(layer.out_channels, 4, 1)
    graph = same(drawn(Rows(*layers)), Pixels(3, 5, 4))
    assert [node.op for node in graph.nodes] == [*wanted, "relu", "max_pool", "conv"]


class Rows(nn.Module):
    """Layers of one dimension, of an image whose rows follow one another."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Any) -> Any:
        return self.layers(x.flatten(2)).flatten(1)


class Line(nn.Module):
    """Layers of one dimension, of an image without one of its axes."""

    def __init__(self, *layers: nn.Module, axis: int) -> None:
        super().__init__()
        self.layers, self.axis = nn.Sequential(*layers), axis

    def forward(self, x: Any) -> Any:
        return self.layers(x.squeeze(self.axis)).flatten(1)


def test_lines_of_a_map_are_refused() -> None:
    """A map of several rows and columns is no line."""
    with pytest.raises(GraphError, match=r"conv1d \(nearest: a value \(C, L\) that is one row, or one column"):
        from_torch(drawn(Body(lambda x: F.conv1d(x.flatten(2), torch.ones(4, 8, 3)).flatten(1))), PIXELS)


JOINED: dict[str, tuple[Any, list[str]]] = {
    "rolled by slices": (lambda x: torch.cat([x[:, :, 2:], x[:, :, :2]], 2), ["view"]),
    "mirrored by slices": (lambda x: torch.cat([x, x.flip(3)], 3), ["view"]),
    "two maps, one below the other": (
        lambda x: torch.cat([x.relu(), x[:, :, 1:4].sigmoid()], 2), ["relu", "pad", "sigmoid", "view", "view", "add"],
    ),
    "three maps side by side": (
        lambda x: torch.cat([x.relu(), x, x.relu()[..., ::2]], -1),
        ["relu", "relu", "view", "view", "view", "add"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", JOINED)
def test_what_stands_side_by_side(case: str) -> None:
    """Values along rows or columns: one view where all show one map, else the sum of views, each with gaps where
    another stands; with torch's values, place by place.
    """
    function, wanted = JOINED[case]
    graph = same(drawn(Body(lambda x: function(x).flatten(1))), PIXELS)
    assert sorted(node.op for node in graph.nodes[1:-1]) == sorted(wanted)


class Twice(nn.Module):
    """Each line and what of it is positive, one behind the other."""

    def forward(self, x: Any) -> Any:
        return torch.cat([x.relu(), x], 2)


@pytest.mark.parametrize("axis", [2, 3])
def test_lines_one_behind_the_other(axis: int) -> None:
    """Lines, of one row or one column, along their only axis."""
    shape = (3, 12, 1) if axis == 2 else (3, 1, 12)
    model = Line(nn.Conv1d(3, 4, 3), Twice(), axis=5 - axis)
    assert [node.op for node in same(drawn(model), Pixels(*shape)).nodes].count("view") == 2


OUTPUTS: dict[str, tuple[Any, tuple[int, ...]]] = {
    "the only channel": (lambda x: F.conv2d(x, torch.ones(1, 8, 1, 1))[:, 0], (1, 9, 8)),
    "one of several": (lambda x: x[:, 1], (1, 9, 8)),
    "squeezed": (lambda x: x[:, :1].squeeze(1), (1, 9, 8)),
    "places in one axis": (lambda x: x.flatten(2), (8, 9, 8)),
    "channels in two axes": (lambda x: x.unflatten(1, (2, 4)), (8, 9, 8)),
    "all in one axis": (lambda x: x.flatten(1), (8 * 9 * 8, 1, 1)),
    "a row of one row": (lambda x: x.flatten(1)[:, None], (8 * 9 * 8, 1, 1)),
}  # fmt: skip


@pytest.mark.parametrize("case", OUTPUTS)
def test_outputs_that_torch_sees_along_other_axes(case: str) -> None:
    """An output is a row where one axis holds all its values, else the map that it is (GRAPH-8)."""
    function, shape = OUTPUTS[case]
    graph = from_torch(drawn(Body(function)), PIXELS)
    assert graph.shapes[graph.output] == shape


def test_an_output_that_repeats_values_is_refused() -> None:
    """Values that stand for several are no output."""
    with pytest.raises(GraphError, match="output .*repeats values"):
        from_torch(drawn(Body(lambda x: x.mean((2, 3), keepdim=True).expand(-1, -1, 4, 4))), PIXELS)
