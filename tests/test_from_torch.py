"""A torch model becomes a float graph of the same logits, or is refused with everything that stands in the way; torch
itself is the oracle.
"""

from __future__ import annotations

import copy
import math
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")
from torch import nn  # noqa: E402 - after the check that torch is there
from torch.nn import functional as F  # noqa: E402

from fsref.errors import GraphError, UsageError  # noqa: E402
from fsref.graph.graph import Graph, Pixels  # noqa: E402
from fsref.importers.torch.from_torch import from_torch  # noqa: E402

TOOLS = Path(__file__).resolve().parent.parent / "tools"


class Body(nn.Module):
    """A function between a convolution of 8 channels and the mean of what it gives."""

    def __init__(self, function: Callable[[Any], Any], *layers: nn.Module) -> None:
        super().__init__()
        self.stem, self.layers, self.function = nn.Conv2d(3, 8, 3, padding=1), nn.ModuleList(layers), function

    def forward(self, x: Any) -> Any:
        x = self.stem(x)
        for layer in self.layers:
            x = layer(x)
        return self.function(x)


def body(*layers: nn.Module) -> Body:
    """Layers between the convolution and the mean."""
    return Body(lambda x: x.mean(dim=(2, 3)), *layers)


def then(function: Callable[[Any], Any]) -> Body:
    """A function of the convolution's result, and the mean of it."""
    return Body(lambda x: function(x).mean(dim=(2, 3)))


class Then(nn.Module):
    """A function as a layer."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Any) -> Any:
        return self.function(x)


def drawn(model: nn.Module, seed: int = 1) -> nn.Module:
    """The model with parameters and running statistics drawn, in eval mode."""
    source = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
            if tensor.is_floating_point() and tensor.ndim:
                tensor.copy_(torch.randn(tensor.shape, generator=source) * 0.3)
                if name.endswith("running_var"):
                    tensor.copy_(tensor.abs() + 0.5)
    return model.eval()


def logits(model: Any, pixels: Pixels, codes: np.ndarray) -> np.ndarray:
    """What torch gives, the input contract done by hand."""
    x = torch.tensor(codes.tolist(), dtype=torch.float64) * pixels.scale
    x = x.flip(1) if pixels.order == "BGR" else x
    mean, std = (torch.tensor(values, dtype=torch.float64).view(-1, 1, 1) for values in (pixels.mean, pixels.std))
    with torch.no_grad():
        found = model(((x - mean) / std).float())
    return np.array(found.reshape(len(codes), -1).tolist())


INPUT = Pixels(3, 13, 13, mean=0.5, std=0.25)


def same(model: nn.Module, pixels: Pixels = INPUT, **more: Any) -> Graph:
    """The graph of a model, its logits compared with torch's."""
    graph = from_torch(model, pixels, **more)
    codes = np.random.default_rng(7).integers(0, pixels.max_code + 1, (3, *pixels.shape))
    wanted = logits(model, pixels, codes)
    assert graph.forward(codes).shape == wanted.shape
    assert np.abs(graph.forward(codes) - wanted).max() <= 1e-4 * max(1.0, np.abs(wanted).max())
    return graph


def ops(graph: Graph) -> list[str]:
    """The operators but the convolution before and the mean behind."""
    found = [node.op for node in graph.nodes]
    assert found[0] == "conv" and found[-1] == "global_avg_pool"
    return found[1:-1]


# The networks of tools/train_cifar10.py.


def training_tool() -> Any:
    """tools/train_cifar10.py as a module."""
    sys.path.insert(0, str(TOOLS))
    try:
        import train_cifar10
    finally:
        sys.path.remove(str(TOOLS))
    return train_cifar10


TRAINED = ("gated", "mixed", "resnet14", "resnet20", "resnet32", "resnet44", "resnet56", "resnet8")


@pytest.mark.parametrize("name", TRAINED)
def test_the_networks_of_the_training_tool(name: str) -> None:
    """Each network gives the logits torch gives; layers are called by their paths, and all others by the module they
    stand in.
    """
    networks = training_tool().NETWORKS
    assert sorted(networks) == list(TRAINED)
    model = networks[name]().eval()
    side = 16 if name != "resnet8" else 32
    graph = same(
        model,
        Pixels(3, side, side, mean=(0.49, 0.48, 0.45), std=(0.25, 0.24, 0.26)),
        name=name,
        classes=[f"class {n}" for n in range(10)],
    )
    kinds = {
        nn.Conv2d: "conv",
        nn.BatchNorm2d: "batch_norm",
        nn.Linear: "dense",
        nn.MaxPool2d: "max_pool",
        nn.ReLU6: "clip",
        nn.ReLU: "relu",
        nn.SiLU: "silu",
        nn.Sigmoid: "sigmoid",
        nn.AdaptiveAvgPool2d: "global_avg_pool",
    }
    layers = {path: kinds[type(module)] for path, module in model.named_modules() if type(module) in kinds}
    assert layers.items() <= {node.name: node.op for node in graph.nodes}.items()
    assert all(
        node.name in layers or node.name.rsplit("_", 1)[0].endswith(node.op) or node.name.endswith(node.op)
        for node in graph.nodes
    )
    assert graph.name == name and len(graph.classes) == 10 and graph.notes == ()
    if name == "resnet8":
        block = [node.op for node in graph.nodes if node.name.startswith("layer2.0.")]
        assert block == ["conv", "batch_norm", "relu", "conv", "batch_norm", "subsample", "pad", "add", "relu"]
        assert dict(graph["layer2.0.subsample"].attributes) == {"stride": (2, 2)}
        assert graph["layer2.0.pad"].attributes["channels"] == (8, 8)
        assert graph["layer2.0.add"].inputs == ("layer2.0.bn2", "layer2.0.pad")


# Operator by operator.

GAIN = torch.linspace(-1, 1, 8).view(1, 8, 1, 1)

LAYERS: dict[str, tuple[nn.Module, list[str]]] = {
    "conv with everything": (body(nn.Conv2d(8, 12, (3, 2), (2, 1), (2, 1), (1, 2), 4)), ["conv"]),
    "conv same": (body(nn.Conv2d(8, 8, (3, 5), padding="same", dilation=(1, 2), bias=False)), ["conv"]),
    "batch norm": (body(nn.BatchNorm2d(8, eps=0.01), nn.BatchNorm2d(8, affine=False)), ["batch_norm", "batch_norm"]),
    "relu": (body(nn.ReLU(), nn.Conv2d(8, 8, 1), nn.ReLU(inplace=True)), ["relu", "conv", "relu"]),
    "clips": (
        body(nn.ReLU6(True), nn.Conv2d(8, 8, 1), nn.Hardtanh(-2, 1.5), nn.Conv2d(8, 8, 1), nn.Threshold(0, 0)),
        ["clip", "conv", "clip", "conv", "relu"],
    ),
    "smooth": (
        body(nn.SiLU(), nn.Hardswish(True), nn.Hardsigmoid(), nn.Sigmoid()),
        ["silu", "hard_swish", "hard_sigmoid", "sigmoid"],
    ),
    "max pool": (body(nn.MaxPool2d(3, 2, 1)), ["max_pool"]),
    "max pool, ceil mode": (body(nn.MaxPool2d((2, 3), 3, (0, 1), ceil_mode=True)), ["max_pool"]),
    "avg pool": (body(nn.AvgPool2d(3, 2, 1), nn.AvgPool2d(3, 1, 1, count_include_pad=False)), ["avg_pool", "avg_pool"]),
    "avg pool, ceil mode": (
        body(nn.AvgPool2d(2, ceil_mode=True), nn.AvgPool2d(3, 2, 1, True, False)),
        ["avg_pool", "avg_pool"],
    ),
    "avg pool, divisor": (body(nn.AvgPool2d(3, 2, 1, ceil_mode=True, divisor_override=5)), ["avg_pool", "affine"]),
    "adaptive pools": (
        Body(lambda x: F.adaptive_avg_pool2d(F.adaptive_max_pool2d(x[..., ::2, 0::3], (7, 1)), 1)),
        ["subsample", "max_pool"],
    ),
    "dropout": (body(nn.Dropout(0.5), nn.Dropout2d(0.5), nn.Identity()), []),
    "copies": (then(lambda x: x.contiguous().clone().detach().to(torch.float32)), []),
    "channels padded": (then(lambda x: F.pad(x, (1, 0, 2, 3, 4, 0), value=-0.5)), ["pad"]),
    "channels padded by zeros": (then(lambda x: torch.cat([torch.zeros_like(x), x, x.mul(0)], 1)), ["pad"]),
    "concat": (then(lambda x: torch.cat([x, torch.relu(x), x], dim=1)), ["relu", "concat"]),
    "slices": (then(lambda x: x[:, :, ::2][..., ::3]), ["subsample"]),
    "cuts": (
        then(lambda x: F.pad(x[:, :, 1:-1][..., 2:9:2], (-1, 1, 0, -2), value=0.5)),
        ["pad", "pad", "subsample", "pad"],
    ),
    "numbers": (then(lambda x: 2 - (x * 3 + 1) / 4 - x), ["affine", "affine", "affine", "affine", "affine", "add"]),
    "per channel": (then(lambda x: (x * GAIN + GAIN[0]) / (GAIN + 2)), ["affine", "affine", "affine"]),
    "sums": (
        then(lambda x: torch.add(x, torch.relu(x), alpha=2) + torch.sub(x, 1)),
        ["relu", "affine", "add", "affine", "add"],
    ),
    "one bound after another": (
        then(lambda x: x.clamp(min=0).clamp_max(2) + torch.minimum(F.relu(x), torch.tensor(3.0))),
        ["clip", "clip", "add"],
    ),
    "one bound alone": (
        then(lambda x: x.clamp(min=-0.5) + torch.minimum(x, torch.tensor(0.25)) + x.clamp(max=0)),
        ["affine", "relu", "affine"] * 2 + ["add", "affine", "relu", "affine", "add"],
    ),
    "one bound in a curve": (then(lambda x: torch.log(torch.exp(x).clamp(min=0.5))), ["curve"]),
    "hard sigmoid spelled out": (then(lambda x: F.relu6(x + 3) / 6), ["hard_sigmoid"]),
    "curves": (
        body(nn.Tanh(), nn.GELU(), nn.GELU("tanh"), nn.Mish(), nn.ELU(0.5), nn.Softplus()),
        ["tanh", "gelu", "gelu", "mish", "elu", "softplus"],
    ),
    "curves with scales": (
        body(nn.SELU(), nn.CELU(2.0), nn.Softplus(3.0)),
        ["elu", "affine", "affine", "elu", "affine", "affine", "softplus", "affine"],
    ),
    "powers": (then(lambda x: x.square() + x**3), ["mul", "mul", "add"]),
    "gelu spelled out": (then(lambda x: x * 0.5 * (1 + torch.erf(x / math.sqrt(2)))), ["gelu"]),
    "gelu by tanh spelled out": (
        then(lambda x: 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))),
        ["gelu"],
    ),
    "quick gelu": (then(lambda x: x * torch.sigmoid(1.702 * x)), ["affine", "silu", "affine"]),
    "mish spelled out": (then(lambda x: F.softplus(x).tanh() * x), ["mish"]),
    "silu spelled out": (then(lambda x: x * torch.sigmoid(x)), ["silu"]),
    "hard swish spelled out": (then(lambda x: x * F.relu6(x + 3) / 6), ["hard_swish"]),
    "hard swish, gate first": (then(lambda x: (F.hardtanh(x + 3, 0, 6) / 6) * x), ["hard_swish"]),
    "six times a hard swish": (then(lambda x: x * F.relu6(x + 3)), ["hard_swish", "affine"]),
    "a curve": (then(lambda x: x + torch.sin(3 * x) ** 2 / 3), ["curve"]),
    "a quotient": (then(lambda x: x / (1 + x.abs())), ["curve"]),
    "a bump": (then(lambda x: 1 / (1 + x**2)), ["curve"]),
    "a choice": (then(lambda x: torch.where(x > 0.5, x, 0.1 * x)), ["curve"]),
    "a mask": (then(lambda x: x * (x >= 0.5) + x.exp().masked_fill(x > 1, 2)), ["curve"]),
    "not": (then(lambda x: x.cos() * ~((x > 0) & (x < 1))), ["curve"]),
    "equal or not": (then(lambda x: torch.where(F.relu(x) == 0, x.sin(), ((x > 1) ^ (x != 0.5)) * x.cos())), ["curve"]),
    "logical": (then(lambda x: torch.logical_not(torch.logical_or(x > 1, x.le(0))) * x.expm1()), ["curve"]),
    "extremes": (then(lambda x: torch.maximum(x.sin(), x).minimum(x * x)), ["curve"]),
    "powers of any kind": (then(lambda x: x.abs() ** 1.5 + 2**x), ["curve"]),
    "roots": (then(lambda x: (1 + x * x).sqrt() + (2 + x * x).rsqrt()), ["curve"]),
    "shrinking": (body(nn.Hardshrink(0.2), nn.Conv2d(8, 8, 1), nn.Softshrink(0.1)), ["curve", "conv", "curve"]),
    "a threshold": (body(nn.Threshold(0.2, -0.1)), ["curve"]),
    "softsign and others": (
        body(nn.Softsign(), nn.Conv2d(8, 8, 1), nn.Tanhshrink()),
        "curve conv tanh affine add".split(),
    ),
    "log sigmoid": (body(nn.LogSigmoid()), ["affine", "softplus", "affine"]),
    "silu by exp": (then(lambda x: x / (1 + torch.exp(-x))), ["silu"]),
    "mish by log and exp": (then(lambda x: x * torch.tanh(torch.log(1 + torch.exp(x)))), ["mish"]),
    "between activations": (body(nn.ReLU(), Then(lambda x: torch.exp(-x)), nn.Tanh()), ["curve"]),
    "a value over another": (
        then(lambda x: x / (1 + x.abs()).mean((2, 3), keepdim=True)),
        "leaky_relu affine global_avg_pool curve mul".split(),
    ),
    "straight through": (then(lambda x: (torch.relu(x) - x).detach() + x), ["relu"]),
}


@pytest.mark.parametrize("case", LAYERS)
def test_operators(case: str) -> None:
    """Each operator gives what torch gives, as the nodes that a person expects."""
    model, wanted = LAYERS[case]
    assert ops(same(drawn(model))) == wanted


class Moved(nn.Module):
    """Channels moved and taken in every way, side by side before one convolution."""

    WAYS: tuple[tuple[Callable[[Any], Any], tuple[int, ...]], ...] = (
        (lambda x: x[:, 1:3], (1, 2)),
        (lambda x: x[:, 2:3], (2,)),
        (lambda x: x[:, ::3], (0, 3)),
        (lambda x: x[:, 1].unsqueeze(1), (1,)),
        (lambda x: x[:, [2, 1]], (2, 1)),
        (lambda x: x.chunk(2, 1)[1], (2, 3)),
        (lambda x: x.split([1, 3], 1)[1], (1, 2, 3)),
        (lambda x: torch.stack(x.unbind(1)[:2], 1), (0,)),
        (lambda x: x.flip(1), (3, 2, 1, 0)),
        (lambda x: x.roll(1, 1), (3, 0, 1, 2)),
        (lambda x: x.index_select(1, torch.tensor([3, 0])), (3, 0)),
        (lambda x: F.channel_shuffle(x, 2), (0, 2, 1, 3)),
        (lambda x: x.view(len(x), 2, 2, -1).transpose(1, 2).reshape(x.shape), (0, 2, 1, 3)),
        (lambda x: x.unflatten(1, (2, 2)).permute(0, 2, 1, 3, 4).flatten(1, 2), (0, 2, 1, 3)),
        (lambda x: x[:, :1].expand(-1, 3, -1, -1), (0, 0, 0)),
        (lambda x: x[:, 3:].repeat(1, 2, 1, 1), (0, 0)),
        (lambda x: x[:, 3:].repeat_interleave(2, 1), (0, 0)),
        (lambda x: x[:, 3:].tile(2, 1, 1), (0, 0)),
    )

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(46, 5, 3)

    def forward(self, x: Any) -> Any:
        return self.conv(torch.cat([way(x) for way, _ in self.WAYS], 1)).mean((2, 3))


MEAN = torch.tensor([0.5, 0.25, 0.125]).view(3, 1, 1)


class Ready(nn.Module):
    """A model that makes its images ready itself."""

    def __init__(self, function: Callable[[Any, Any], Any]) -> None:
        super().__init__()
        self.layer, self.function = nn.Conv2d(3, 4, 3), function
        self.register_buffer("mean", MEAN)

    def forward(self, x: Any) -> Any:
        return self.layer(self.function(x, self.mean)).relu().mean((2, 3))


@pytest.mark.parametrize(
    "function",
    [
        lambda x, mean: x - mean.type_as(x),
        lambda x, mean: x - mean.to(x),
        lambda x, mean: x - mean.expand_as(x),
        lambda x, mean: x - mean.expand(x.shape[0], -1, -1, -1),
        lambda x, mean: (x - x.new_tensor([0.5, 0.25, 0.125])[:, None, None]) / mean,
        lambda x, mean: x.sub(torch.tensor([0.5, 0.25, 0.125], device=x.device).view(1, 3, 1, 1)),
        lambda x, mean: x - torch.full_like(x, 0.5),
        lambda x, mean: torch.maximum(x, torch.zeros_like(x)),
        lambda x, mean: x * F.softplus(mean).view_as(x[0, :, :1, :1]),
    ],
)
def test_constants_made_to_match_the_image(function: Callable[[Any, Any], Any]) -> None:
    """A constant may take type and size from the image: it is one number per channel all the same."""
    graph = same(drawn(Ready(function)))
    assert [node.op for node in graph.nodes][-3:] == ["conv", "relu", "global_avg_pool"]
    assert {node.op for node in graph.nodes[:-3]} <= {"affine", "relu"}


def test_a_module_that_was_scripted() -> None:
    """A ScriptModule is refused with the way around."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own
        scripted = torch.jit.script(nn.Flatten())
    with pytest.raises(GraphError, match=r"is a ScriptModule, .*\(the module it was made from; or torch\.onnx\.export"):
        from_torch(scripted, Pixels(3, 5, 5))


def test_programs_that_take_their_image_otherwise() -> None:
    """Images by name, in a dictionary or as integers end in one line."""

    class Named(nn.Module):
        def forward(self, *, image: Any) -> Any:
            return image.mean((2, 3))

    class Whole(nn.Module):
        def forward(self, x: Any) -> Any:
            return x.float().mean((2, 3))

    named = torch.export.export(Named(), (), {"image": torch.zeros(2, 3, 5, 5)})
    with pytest.raises(GraphError, match=r"does not run on a batch of images \(2, 3, 5, 5\) alone: ValueError: "):
        from_torch(named, Pixels(3, 5, 5))
    whole = torch.export.export(Whole(), (torch.zeros(2, 3, 5, 5, dtype=torch.uint8),))
    with pytest.raises(GraphError, match=r"x: the program is of other images: torch\.uint8 \(float32 and float64\)"):
        from_torch(whole, Pixels(3, 5, 5))


def test_channels_that_are_moved_or_taken() -> None:
    """Slices, splits, shuffles and repeats of channels, however they are spelt, are a select of the channels a person
    expects.
    """
    graph = same(drawn(Moved()), Pixels(4, 5, 6))
    read = next(node for node in graph.nodes if node.name.endswith("concat_2")).inputs
    wanted = [indices for _, indices in Moved.WAYS]
    selected = [graph[name].attributes["indices"] for name in read if graph[name].op == "select"]
    assert selected == wanted[:7] + wanted[8:]


def test_a_convolution_whose_padding_is_odd() -> None:
    """Padding "same" of an even kernel has a place more at the bottom and right; some versions of torch pad first."""
    assert ops(same(drawn(body(nn.Conv2d(8, 8, 4, padding="same"))))) in (["conv"], ["pad", "conv"])


HEADS: dict[str, tuple[Callable[[Any], Any], list[str]]] = {
    "adaptive": (lambda x: torch.flatten(F.adaptive_avg_pool2d(x, 1), 1), ["global_avg_pool", "dense"]),
    "squeezed": (lambda x: F.adaptive_avg_pool2d(x, (1, 1)).squeeze(), ["global_avg_pool", "dense"]),
    "a whole window": (lambda x: F.avg_pool2d(x, x.size(3)).view(x.size(0), -1), ["global_avg_pool", "dense"]),
    "one axis after another": (lambda x: x.mean(3).mean(2), ["avg_pool", "global_avg_pool", "dense"]),
    "places as one axis": (lambda x: x.flatten(2).mean(-1), ["global_avg_pool", "dense"]),
    "kept, then the one place": (lambda x: x.mean((2, 3), keepdim=True)[:, :, 0, 0], ["global_avg_pool", "dense"]),
    "there and back": (lambda x: x.mean((-2, -1)).unsqueeze(-1).reshape(-1, 8), ["global_avg_pool", "dense"]),
    "sum": (lambda x: x.sum((2, 3)), ["global_avg_pool", "affine", "dense"]),
    "maximum": (lambda x: x.amax((2, 3)), ["max_pool", "dense"]),
    "relu of a flattened value": (
        lambda x: torch.relu(x[..., ::7, ::7].flatten(1)[:, :, None].squeeze(-1)),
        ["subsample", "relu", "flatten", "dense"],
    ),
    "a constant for each place": (
        lambda x: x[..., ::7, ::7].flatten(1) * torch.arange(32),
        ["subsample", "flatten", "affine", "dense"],
    ),
    "sum of flattened values": (
        lambda x: (x.flatten(1) + x.reshape(len(x), -1))[:, None].flatten(1),
        ["add", "flatten", "dense"],
    ),
}


@pytest.mark.parametrize("case", HEADS)
def test_ways_from_an_image_to_a_vector(case: str) -> None:
    """Means, views and squeezes cost a node only where the graph needs one."""
    function, wanted = HEADS[case]
    model = Body(function)
    with torch.no_grad():
        features = function(torch.zeros(2, 8, 13, 13)).shape[1]
    graph = same(drawn(nn.Sequential(model, nn.Linear(features, 5))))
    assert [node.op for node in graph.nodes][1:] == wanted
    assert graph.nodes[-1].name == "1" and not any(
        name in node.name for node in graph.nodes for name in ("view", "squeeze")
    )


class Gate(nn.Module):
    """Squeeze-and-excite, its result expanded by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.down, self.up, self.norm = (
            nn.Conv2d(3, 8, 3),
            nn.Linear(8, 2),
            nn.Linear(2, 8, bias=False),
            nn.BatchNorm1d(2),
        )

    def forward(self, x: Any) -> Any:
        x = self.stem(x)
        gate = torch.sigmoid(self.up(torch.relu(self.norm(self.down(x.mean((2, 3)))))))
        return (x * gate.view(x.size(0), -1, 1, 1).expand_as(x)).mean((2, 3))


def test_a_gate_of_channels() -> None:
    """(C, 1, 1) is multiplied with (C, H, W), expanded or not."""
    graph = same(drawn(Gate()))
    assert [node.op for node in graph.nodes] == [
        "conv",
        "global_avg_pool",
        "dense",
        "batch_norm",
        "relu",
        "dense",
        "sigmoid",
        "mul",
        "global_avg_pool",
    ]
    assert graph["mul"].inputs == ("stem", "sigmoid")


class Shared(nn.Module):
    """One activation used twice, weights computed from parameters, a 1x1 convolution as classifier, softmax at the
    end.
    """

    def __init__(self) -> None:
        super().__init__()
        self.input = nn.Conv2d(3, 4, 3)
        self.classifier = nn.Conv2d(4, 5, 1)
        self.act = nn.ReLU(inplace=True)
        self.register_buffer("mask", torch.rand(4, 4, 3, 3) > 0.5, persistent=False)
        self.weight = nn.Parameter(torch.rand(4, 4, 3, 3))
        self.level = torch.rand(4, 1, 1)

    def forward(self, x: Any) -> Any:
        x = self.act(self.input(x))
        x = self.act(F.conv2d(x, (self.weight - self.weight.mean()) * self.mask)) + self.level
        return {"out": F.log_softmax(self.classifier(F.adaptive_avg_pool2d(x, 1)).flatten(1), dim=1)}


def test_names_constants_and_a_softmax_at_the_end() -> None:
    """A module used twice gives its path and a numbered one; what depends on no image is computed; a softmax at the end
    is left out and noted.
    """
    model = drawn(Shared())
    graph = from_torch(model, Pixels(3, 8, 8))
    assert [node.name for node in graph.nodes] == [
        "input_2",
        "act",
        "conv",
        "act_2",
        "affine",
        "global_avg_pool",
        "classifier",
    ]
    assert [node.op for node in graph.nodes] == ["conv", "relu", "conv", "relu", "affine", "global_avg_pool", "conv"]
    assert graph.notes == ("softmax at the end left out: forward",)
    codes = np.random.default_rng(3).integers(0, 256, (2, 3, 8, 8))
    found = torch.log_softmax(torch.tensor(graph.forward(codes).tolist()), 1)
    assert np.abs(np.array(found.tolist()) - logits(lambda x: model(x)["out"], graph.contract(), codes)).max() < 1e-4


class Heads(nn.Module):
    """A map and a row of logits behind one convolution, given in one of several ways."""

    def __init__(self, give: Callable[[Any, Any, Any], Any]) -> None:
        super().__init__()
        self.stem, self.seg, self.fc = nn.Conv2d(3, 6, 3, padding=1), nn.Conv2d(6, 4, 1), nn.Linear(6, 5)
        self.give = give

    def forward(self, x: Any) -> Any:
        h = torch.relu(self.stem(x))
        return self.give(self.seg(h), self.fc(h.mean((2, 3))), h)


@pytest.mark.parametrize(
    ("give", "outputs", "notes"),
    [
        (lambda seg, row, h: seg, {}, ()),
        (lambda seg, row, h: (seg, row), {"output0": "seg", "output1": "fc"}, ()),
        (lambda seg, row, h: {"out": seg, "aux row": row}, {"out": "seg", "aux_row": "fc"}, ()),
        (lambda seg, row, h: {"a": [seg, row], "b": h}, {"a.0": "seg", "a.1": "fc", "b": "relu"}, ()),
        (lambda seg, row, h: (seg, None, row), {"output0": "seg", "output2": "fc"}, ()),
        (lambda seg, row, h: (seg, torch.relu(seg)), {"output0": "seg", "output1": "relu_2"}, ()),
        (lambda seg, row, h: seg.softmax(1), {}, ("softmax at the end left out: forward",)),
        (
            lambda seg, row, h: (seg.permute(0, 2, 3, 1).reshape(2, -1, 2), row),
            {"output0": "seg", "output1": "fc"},
            ("output output0: in another order there, C x H x W here",),
        ),
        (
            lambda seg, row, h: {"seg": seg.softmax(1), "row": row.softmax(1)},
            {"seg": "seg", "row": "fc"},
            (
                "softmax at the end of output seg left out: forward",
                "softmax at the end of output row left out: forward",
            ),
        ),
    ],
    ids=["map", "tuple", "keys", "nested", "none", "shared", "softmax", "moved", "softmaxes"],
)
def test_several_outputs_and_maps(give: Any, outputs: dict[str, str], notes: tuple[str, ...]) -> None:
    """Outputs bear the names of keys and places in what forward returns; a map is one; a softmax that ends any of them
    is left out (GRAPH-7).
    """
    model, pixels = drawn(Heads(give)), Pixels(3, 7, 6)
    graph = from_torch(model, pixels)
    assert dict(graph.outputs) == outputs and graph.notes == notes
    codes = np.random.default_rng(3).integers(0, 256, (2, *pixels.shape))
    with torch.no_grad():
        given = torch.utils._pytree.tree_leaves(model(torch.tensor(pixels.normalise(codes).tolist())))
    given = [value for value in given if value is not None]
    for (name, found), wanted in zip(graph.answers(codes).items(), given, strict=True):
        moved = any("another order" in note for note in notes) and name == "output0"
        told = torch.tensor(found.tolist())
        told = (told.permute(0, 2, 3, 1) if moved else told).reshape(wanted.shape)
        told = told.softmax(1) if any("softmax" in note and (name in note or not outputs) for note in notes) else told
        assert float((told - wanted).abs().max()) < 1e-4


def test_a_sigmoid_at_the_end() -> None:
    """It is left out and noted, of any output: what matters of a value is whether it is 0 or above (NET-8, GRAPH-7)."""
    model = drawn(Heads(lambda seg, row, h: torch.sigmoid(row[:, :1])))
    graph = from_torch(model, Pixels(3, 7, 6))
    assert graph.notes == ("sigmoid at the end left out: forward",) and graph.class_count == 2
    both = drawn(Heads(lambda seg, row, h: (seg.sigmoid(), torch.sigmoid(row), h)))
    graph = from_torch(both, Pixels(3, 7, 6))
    assert dict(graph.outputs) == {"output0": "seg", "output1": "fc", "output2": "relu"}
    assert graph.notes == tuple(f"sigmoid at the end of output output{n} left out: forward" for n in range(2))


def test_the_input_contract_is_part_of_it() -> None:
    """A model that wants BGR and other code units gets them; a single channel works."""
    same(
        drawn(body(nn.ReLU())),
        Pixels(3, 9, 7, mean=(1.0, 2.0, 3.0), std=(3.0, 2.0, 1.0), scale=0.5, max_code=16, order="BGR"),
    )
    graph = same(drawn(nn.Sequential(nn.Flatten(), nn.Linear(12, 4), nn.ReLU(), nn.Linear(4, 3))), Pixels(1, 3, 4))
    assert [(node.name, node.op) for node in graph.nodes] == [
        ("flatten", "flatten"),
        ("1", "dense"),
        ("2", "relu"),
        ("3", "dense"),
    ]


# Activations that quantise.


class Floor(torch.autograd.Function):
    """Floor with the gradient of x."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        return x.floor()

    @staticmethod
    def backward(ctx: Any, gradient: Any) -> Any:
        return gradient


class Act(nn.Module):
    """A quantising activation with a trained threshold."""

    def __init__(self, function: Callable[[Any, Any], Any], alpha: float = 1.7) -> None:
        super().__init__()
        self.function, self.alpha = function, nn.Parameter(torch.tensor(alpha))

    def forward(self, x: Any) -> Any:
        return self.function(x, self.alpha)


def pact(x: Any, alpha: Any) -> Any:
    """PACT of 4 bits as its authors' code has it, gradients let through."""
    clipped = torch.min(torch.relu(x), alpha)
    scale = 15 / alpha
    return clipped + (torch.round(clipped * scale) / scale - clipped).detach()


def qcfs(x: Any, alpha: Any) -> Any:
    """QCFS of 8 levels."""
    return Floor.apply(torch.clamp(x / alpha, 0, 1) * 8 + 0.5) / 8 * alpha


QUANTISING: dict[str, tuple[Callable[[Any, Any], Any], dict[str, Any], list[str]]] = {
    "pact": (pact, {"levels": 15, "rounding": "even"}, ["quantise"]),
    "qcfs": (qcfs, {"levels": 8, "rounding": "nearest"}, ["quantise"]),
    "floor, clipped behind it": (
        lambda x, a: torch.clamp(torch.floor(x * 7 / a), 0, 7) * (a / 7),
        {"levels": 7, "rounding": "floor"},
        ["quantise"],
    ),
    "relu before": (
        lambda x, a: (F.relu(x).clamp(max=1.7) * 3 / a).round() * a / 3,
        {"levels": 3, "rounding": "even"},
        ["quantise"],
    ),
    "codes": (
        lambda x, a: torch.div(x.clamp(0, 1.7), a / 7, rounding_mode="floor"),
        {"levels": 7, "rounding": "floor"},
        ["quantise", "affine"],
    ),
    "fake": (
        lambda x, a: torch.fake_quantize_per_tensor_affine(x, 1.7 / 15, 0, 0, 15),
        {"levels": 15, "rounding": "even"},
        ["quantise"],
    ),
    "fake, signed after relu": (
        lambda x, a: torch.fake_quantize_per_tensor_affine(F.relu(x), 1.7 / 127, 0, -128, 127),
        {"levels": 127, "rounding": "even"},
        ["quantise"],
    ),
}


@pytest.mark.parametrize(("end", "levels"), [(6.5, 6), (5.5, 6), (6.25, 6), (6.75, 7)])
def test_a_clip_at_a_half_before_round(end: float, levels: int) -> None:
    """The plateau above a bound of x.5 is at the even integer, as round takes it."""
    graph = same(drawn(body(Act(lambda x, a: torch.round(torch.clamp(6 * x, 0, end))))))
    assert graph.nodes[1].attributes["levels"] == levels


@pytest.mark.parametrize("case", QUANTISING)
def test_quantising_activations(case: str) -> None:
    """Clip, scale, round and scale back become one quantise, whatever their order, which rounds halves as they do."""
    function, attributes, wanted = QUANTISING[case]
    graph = same(drawn(body(Act(function))))
    assert ops(graph) == wanted
    node = graph.nodes[1]
    assert node.name == ("layers.0" if len(wanted) == 1 else "layers.0.quantise")
    assert {name: node.attributes[name] for name in attributes} == attributes
    assert node.attributes["alpha"] == pytest.approx(1.7, rel=1e-6)
    assert not graph.notes


@pytest.mark.parametrize(
    ("function", "levels", "shift"),
    [
        (lambda x, a: torch.round(x.clamp(-1, 1) * 3) / 3, 6, 1.0),
        (lambda x, a: torch.round(x.clamp(0, 1) * 3 + 0.25) / 3 + 1, 3, 0.25 / 3),
        (lambda x, a: torch.floor(x.clamp(-1, 1) * 3 + 0.5) / 3, 6, 1.0),
        (lambda x, a: torch.fake_quantize_per_tensor_affine(x, 0.1, 3, 0, 15), 15, 0.3),
        (lambda x, a: torch.fake_quantize_per_tensor_affine(x, 0.1, 0, -128, 127), 255, 12.8),
    ],
)
def test_quantising_from_below_0(function: Callable[[Any, Any], Any], levels: int, shift: float) -> None:
    """A quantiser whose levels do not begin at 0 is a quantise between two affine nodes, as from ONNX."""
    graph = same(drawn(body(Act(function))))
    assert ops(graph) == ["affine", "quantise", "affine"]
    assert graph.nodes[2].attributes["levels"] == levels
    assert graph.nodes[1].arrays["offset"] == pytest.approx(np.full(8, shift))


@pytest.mark.parametrize(
    ("function", "operator"),
    [
        (lambda x, a: torch.round(x * 3) / 3, "round"),
        (lambda x, a: torch.round(torch.round(x.clamp(0, 1) * 3) / 3), "round"),
        (lambda x, a: torch.round(x.clamp(0, 1) * 3).clamp(0, 1.5), "round"),
    ],
)
def test_activations_that_are_no_quantise(function: Callable[[Any, Any], Any], operator: str) -> None:
    """Rounding without bounds, twice, or cut between two levels is no quantise: the module is named."""
    with pytest.raises(
        GraphError, match=rf"Body: 1 operator cannot be mapped: layers\.0: {operator} \(nearest: .+\) \[GRAPH-7\]$"
    ):
        from_torch(body(Act(function)), Pixels(3, 5, 5))


# What is refused.


class LogGamma(nn.Module):
    """An operator without a form."""

    def forward(self, x: Any) -> Any:
        return x.lgamma()


class Odd(nn.Module):
    """Many operators without a form, some of which would follow others."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3), nn.GroupNorm(2, 8), nn.InstanceNorm2d(8))
        self.up = nn.Upsample(scale_factor=2, mode="bicubic")
        self.pool = LogGamma()
        self.act = nn.RReLU()
        self.head = nn.Linear(8, 4)

    def forward(self, x: Any) -> Any:
        x = self.act(self.pool(self.up(self.stem(x))))
        x = F.pad(x, (1, 1, 1, 1), value=1.0).sort(2)[0]
        left, right = x.chunk(2, 3)
        return self.head(torch.cat([left, right], 3).mean((2, 3)) / x.std((2, 3)))


def test_everything_unmapped_is_listed_at_once() -> None:
    """One error names each operator, where it stands and the nearest form, those behind other refusals too."""
    with pytest.raises(GraphError) as refused:
        from_torch(Odd(), Pixels(3, 9, 9), name="odd")
    error = refused.value
    assert error.rule == "GRAPH-7" and error.place == "odd" and len(str(error).splitlines()) == 1
    lines = error.problem.partition(": ")[2].split("; ")
    assert lines[:5] == [
        "stem.1: group_norm (nearest: batch_norm)",
        "stem.2: instance_norm (nearest: batch_norm)",
        "up: upsample_bicubic2d (no form)",
        "pool: lgamma (no form)",
        "act: rrelu (nearest: relu or leaky_relu)",
    ]
    assert all(line.startswith("forward: ") for line in lines[5:])
    for operator in ("sort", "std"):
        assert any(line.startswith(f"forward: {operator}") for line in lines[5:]), operator
    assert error.problem.startswith(f"{len(lines)} operators cannot be mapped: ")


class Forks(nn.Module):
    """Control flow that depends on the image."""

    def forward(self, x: Any) -> Any:
        return x.mean((2, 3)) if x.sum() > 0 else x.amax((2, 3))


class Pair(nn.Module):
    """A model of two inputs."""

    def forward(self, x: Any, mask: Any) -> Any:
        return (x * mask).mean((2, 3))


class Counts(nn.Module):
    """A buffer written in forward."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("seen", torch.zeros(()))

    def forward(self, x: Any) -> Any:
        self.seen += 1
        return x.mean((2, 3)) * self.seen


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (
            Forks(),
            r"^Forks: torch\.export cannot trace it: .*\(control flow.* tensor, "
            r"test_from_torch\.py:\d+ `return x\.mean.*`; or torch\.onnx\.export\(.*from_onnx\('model\.onnx'\)\)",
        ),
        (
            nn.Conv2d(4, 4, 3),
            r"^Conv2d: does not run on a batch of images \(2, 3, 13, 13\) alone: RuntimeError: .*channels",
        ),
        (
            Pair(),
            r"^Pair: does not run .*missing 1 required positional argument: 'mask' \(.*forward\(images\) gives the",
        ),
        (Body(lambda x: None), r"^Body: not a model of images: 1 inputs, 0 outputs \(one input, one output or more\)"),
        (Body(lambda x: (x / 0).mean((2, 3))), r"forward: div \(nearest: div by numbers other than 0\)"),
        (
            Body(lambda x: None),
            r"^Body: not a model of images: 1 inputs, 0 outputs \(one input, one output or more\)",
        ),
        (
            Body(lambda x: F.dropout(x, training=True).mean((2, 3))),
            r"forward: dropout \(nearest: dropout that is not active in eval mode\)",
        ),
        (
            body(nn.BatchNorm2d(8, track_running_stats=False)),
            r"layers\.0: \w*batch_norm\w* \(nearest: batch_norm with running statistics\)",
        ),
        (
            Body(lambda x: x.permute(0, 2, 1, 3).mean((2, 3))),
            r"forward: mean \(nearest: mean over height and width\)",
        ),
        (Body(lambda x: x.argmax(1).float().mean((1, 2))), r"forward: argmax \(no form\)"),
        (
            Body(lambda x: (x * x.mean(1, keepdim=True)).mean((2, 3))),
            r"forward: mean \(nearest: mean over height and width\)",
        ),
        (
            Body(lambda x: (x * torch.arange(13)).mean((2, 3))),
            r"forward: mul \(nearest: affine: one constant per channel\)",
        ),
        (
            Body(lambda x: F.softmax(x.mean((2, 3)), 1) * 2),
            r"forward: softmax \(nearest: softmax at the end, left out\)",
        ),
        (Body(lambda x: torch.rand(2, 4)), "the output does not depend on the image"),
    ],
)
def test_models_that_are_refused(model: nn.Module, message: str) -> None:
    """Each reason is one line that names the model or the path in it."""
    with pytest.raises(GraphError, match=message) as refused:
        from_torch(model, Pixels(3, 13, 13))
    assert refused.value.rule == "GRAPH-7" and "\n" not in str(refused.value)


def test_a_model_that_keeps_a_state_is_refused() -> None:
    """A buffer written in forward has no form in a graph."""
    with pytest.raises(GraphError, match="seen"):
        from_torch(Counts(), Pixels(3, 5, 5))


def test_a_graph_of_other_logits_is_refused() -> None:
    """The imported graph runs against the model: one that is not the same function each time cannot pass."""
    with pytest.raises(
        GraphError,
        match=r"noisy: the imported graph gives other logits than the model: [0-9.]+ \(at most 0\.001 of their range",
    ):
        from_torch(Body(lambda x: (x * torch.randn(8, 1, 1)).mean((2, 3))), Pixels(3, 5, 5), name="noisy")


def test_exported_programs() -> None:
    """A program exported before gives the graph its module gives; dynamic shapes and other sizes are refused by
    name.
    """
    model, pixels = drawn(body(nn.BatchNorm2d(8), nn.Hardswish())), Pixels(3, 7, 7)
    example = (torch.zeros(3, 3, 7, 7),)
    program, plain = torch.export.export(model, example), from_torch(model, pixels)
    graph = from_torch(program, pixels)
    assert [(node.name, node.op) for node in graph.nodes] == [(node.name, node.op) for node in plain.nodes]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own
        core = program.run_decompositions()
    decomposed = from_torch(core, pixels)
    assert [node.op for node in decomposed.nodes] == [node.op for node in plain.nodes]
    with pytest.raises(
        GraphError, match=r"the program is of other images: \(3, 3, 7, 7\) \(\(B, 3, 8, 8\) by the input contract\)"
    ):
        from_torch(program, Pixels(3, 8, 8))
    with pytest.raises(GraphError, match=r"x: dynamic shapes: .*\(export with fixed sizes\)"):
        from_torch(torch.export.export(model, example, dynamic_shapes={"x": {0: torch.export.Dim("images")}}), pixels)


# The model stays as it is.


class Keeps(nn.Module):
    """Keeps what it saw, and counts."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.norm, self.calls, self.last = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), 0, None

    def forward(self, x: Any) -> Any:
        self.calls += 1
        return self.norm(self.layer(x)).mean((2, 3))


def test_the_model_is_left_as_it_is() -> None:
    """Mode, weights, statistics and attributes are untouched, and the graph shares no memory with them; half precision
    is traced in float32.
    """
    model = drawn(Keeps())
    model.train()
    model.norm.eval()
    before = copy.deepcopy(model.state_dict())
    graph = from_torch(model, Pixels(3, 5, 5))
    assert (model.training, model.layer.training, model.norm.training, model.calls) == (True, True, False, 0)
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert all(parameter.requires_grad and parameter.grad is None for parameter in model.parameters())
    codes = np.full((1, 3, 5, 5), 77)
    wanted = graph.forward(codes)
    with torch.no_grad():
        model.layer.weight.zero_()
    assert (graph.forward(codes) == wanted).all()
    half = model.bfloat16()
    from_torch(half, Pixels(3, 5, 5))
    assert half.layer.weight.dtype == torch.bfloat16


def test_the_same_model_gives_the_same_graph(capfd: pytest.CaptureFixture[str]) -> None:
    """Twice imported, a graph is the same in names and numbers; nothing is printed, not even for a model that is
    refused.
    """
    model = drawn(body(nn.BatchNorm2d(8), nn.ReLU()))
    first, second = (from_torch(model, Pixels(3, 5, 5)) for _ in range(2))
    assert str(first) == str(second)
    assert all(
        (a.arrays[name] == b.arrays[name]).all()
        for a, b in zip(first.nodes, second.nodes, strict=True)
        for name in a.arrays
    )
    with pytest.raises(GraphError):
        from_torch(Forks(), Pixels(3, 5, 5))
    assert capfd.readouterr() == ("", "")


def test_wrong_use(monkeypatch: pytest.MonkeyPatch) -> None:
    """A call with something else, or without torch, says what is wanted."""
    wanted = r"a torch\.nn\.Module or a torch\.export\.ExportedProgram"
    with pytest.raises(UsageError, match=rf"^model: not a torch model: str \({wanted}\) \[GRAPH-7\]$"):
        from_torch("resnet20", Pixels(3, 5, 5))
    with pytest.raises(UsageError, match=r"OrderedDict \(.*: module\.load_state_dict\(it\), and the module\)"):
        from_torch(nn.Conv2d(3, 4, 3).state_dict(), Pixels(3, 5, 5))
    with pytest.raises(UsageError, match=r"type \(.*: an instance, Flatten\(\.\.\.\)\)"):
        from_torch(nn.Flatten, Pixels(3, 5, 5))
    with pytest.raises(UsageError, match=r"^from_torch: unknown argument: clases \(did you mean classes\?\)"):
        from_torch(Forks(), Pixels(3, 5, 5), clases=())  # type: ignore[call-arg]
    with pytest.raises(UsageError, match=r"^input: not an input contract: tuple \(a Pixels\) \[GRAPH-7\]$"):
        from_torch(Forks(), (3, 5, 5))  # type: ignore[arg-type]
    monkeypatch.setattr(torch, "__version__", "2.4.1+cpu")
    with pytest.raises(
        UsageError,
        match=r"^from_torch: torch is too old: 2\.4\.1\+cpu \(2\.5 or later: pip install -U torch\) \[GRAPH-7\]$",
    ):
        from_torch(Forks(), Pixels(3, 5, 5))
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(UsageError, match=r"^from_torch: torch is not installed \(pip install torch\) \[GRAPH-7\]$"):
        from_torch(Forks(), Pixels(3, 5, 5))
