"""Torch models trained in few bits, by torch.ao or by hand: they are proved equal to what they were trained as
(GRAPH-7, CONV-14).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from torch import nn  # noqa: E402

import fsref  # noqa: E402
from fsref.errors import GraphError  # noqa: E402
from fsref.importers.torch.from_torch import from_torch  # noqa: E402
from fsref.law.images import Pixels  # noqa: E402

PIXELS = Pixels(1, 6, 6, scale=1 / 256)


class Net(nn.Module):
    """Two convolutions, a dense layer, and the places where torch.ao quantises."""

    def __init__(self) -> None:
        super().__init__()
        self.quant, self.back = torch.ao.quantization.QuantStub(), torch.ao.quantization.DeQuantStub()
        self.first, self.relu = nn.Conv2d(1, 4, 3, padding=1), nn.ReLU()
        self.second, self.relu2 = nn.Conv2d(4, 4, 3), nn.ReLU()
        self.pool, self.head = nn.AdaptiveAvgPool2d(1), nn.Linear(4, 3)

    def forward(self, x: Any) -> Any:
        x = self.relu2(self.second(self.relu(self.first(self.quant(x)))))
        return self.back(self.head(self.pool(x).flatten(1)))


def config(fused: bool) -> Any:
    """4 bits for activations, 4 for weights of each channel; observed while they quantise, or in one operator."""
    q = torch.ao.quantization
    kind = q.FusedMovingAvgObsFakeQuantize if fused else q.FakeQuantize
    act = kind.with_args(observer=q.MovingAverageMinMaxObserver, quant_min=0, quant_max=15, dtype=torch.quint8)
    weight = kind.with_args(
        observer=q.MovingAveragePerChannelMinMaxObserver,
        quant_min=-8,
        quant_max=7,
        dtype=torch.qint8,
        qscheme=torch.per_channel_symmetric,
        ch_axis=0,
    )
    return q.QConfig(activation=act, weight=weight)


def trained(kind: str) -> Any:
    """A model after a few steps of training, its scales made powers of two so that float32 rounds nothing."""
    torch.manual_seed(3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        q, net = torch.ao.quantization, Net().train()
        if kind == "fx":
            from torch.ao.quantization.quantize_fx import prepare_qat_fx

            mapping = q.QConfigMapping().set_global(config(fused=True))
            model = prepare_qat_fx(net, mapping, (torch.rand(1, *PIXELS.shape),))
        else:
            net.qconfig = config(fused=kind == "eager, fused")
            q.fuse_modules_qat(net, [["first", "relu"], ["second", "relu2"]], inplace=True)
            model = q.prepare_qat(net)
        steps = torch.optim.SGD(model.parameters(), 0.1)
        for _ in range(4):
            steps.zero_grad()
            model(torch.rand(8, *PIXELS.shape)).square().sum().backward()
            steps.step()
        model.eval()
        for module in model.modules():
            if isinstance(module, q.FakeQuantizeBase):
                module.scale.copy_(2.0 ** module.scale.log2().round())
                module.disable_observer()
                observed = module.activation_post_process  # from which the fused one computes its scale anew
                for end, code in ((observed.min_val, module.quant_min), (observed.max_val, module.quant_max)):
                    end.copy_(((code - module.zero_point) * module.scale).reshape(end.shape))
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            parameter.data = (parameter.data * 64).round() / 64
    return model


@pytest.mark.parametrize("kind", ("eager", "eager, fused", "fx"))
def test_quantisation_aware_training_keeps_its_integers(kind: str) -> None:
    """Fake quantisers are read from their buffers, observers are gone, and every population has the integers of the
    fake quantiser behind it.
    """
    model = trained(kind)
    net = fsref.convert(from_torch(model, PIXELS))
    assert net.provenance["trained"]["equal"], net.provenance["trained"]
    images = np.random.default_rng(1).integers(0, 256, (3, *PIXELS.shape))
    seen: list[Any] = []

    def keep(module: Any, _: Any, out: Any) -> None:
        seen.append((out / module.scale + module.zero_point).detach().numpy())

    for name, module in model.named_modules():
        if isinstance(module, torch.ao.quantization.FakeQuantizeBase) and not name.endswith("weight_fake_quant"):
            module.register_forward_hook(keep)
    model(torch.from_numpy(PIXELS.normalise(images)))
    codes = fsref.run(net, images, engine="reference", record=[p.name for p in net.fs]).codes
    once = {values.tobytes(): values.reshape(3, -1) for values in seen}  # FX quantises again what a flatten moves
    for p, values in zip(net.fs, once.values(), strict=True):
        assert len(np.unique(values)) > 1 and (codes[p.name] == values).all(), p.name


def lsq(x: Any, step: Any, low: int, high: int) -> Any:
    """LSQ: round(clip(x / step)) * step, gradients let through."""
    scaled = torch.clamp(x / step, low, high)
    return ((torch.round(scaled) - scaled).detach() + scaled) * step


def dorefa(w: Any, bits: int) -> Any:
    """DoReFa's weights: tanh, 0..1, rounded, -1..1."""
    n, t = 2**bits - 1, torch.tanh(w)
    return 2 * torch.round((t / (2 * t.abs().max()) + 0.5) * n) / n - 1


def pact(x: Any, alpha: Any) -> Any:
    """PACT as its paper writes it: 0.5 (|x| - |x - alpha| + alpha) is the clip, then 15 levels."""
    clipped = torch.clamp(x, min=0.0)
    clipped = torch.minimum(clipped, alpha)
    return torch.round(clipped * (15 / alpha)) * (alpha / 15)


class Hand(nn.Module):
    """Two layers whose weights and values are quantised by functions."""

    def __init__(self, weight: Callable[[Any], Any], act: Callable[[Any, Any], Any]) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(4, 4, 3)
        self.head, self.alpha = nn.Linear(64, 3), nn.Parameter(torch.tensor(1.3))
        self.weight, self.act = weight, act

    def forward(self, x: Any) -> Any:
        for layer in (self.first, self.second):
            x = self.act(
                nn.functional.conv2d(x, self.weight(layer.weight), layer.bias, padding=layer.padding), self.alpha
            )
        return nn.functional.linear(x.flatten(1), self.weight(self.head.weight), self.head.bias)


SPELLINGS: dict[str, tuple[Callable[[Any], Any], Callable[[Any, Any], Any]]] = {
    "LSQ": (lambda w: lsq(w, torch.tensor(0.07), -8, 7), lambda x, a: lsq(x, a / 15, 0, 15)),
    "LSQ, a step for each output": (
        lambda w: lsq(w, w.abs().amax(dim=tuple(range(1, w.dim())), keepdim=True).detach() / 7, -7, 7),
        lambda x, a: lsq(x, a / 8, -8, 7),
    ),
    "DoReFa": (lambda w: dorefa(w, 3), lambda x, a: torch.round(x.clamp(0, 1) * 7) / 7),
    "PACT": (lambda w: dorefa(w, 2), pact),
    "QCFS": (
        lambda w: lsq(w, torch.tensor(0.07), -8, 7),
        lambda x, a: torch.floor(torch.clamp(x / a, 0, 1) * 8 + 0.5) / 8 * a,
    ),
    "fake_quantize": (
        lambda w: torch.fake_quantize_per_channel_affine(
            w, torch.linspace(0.03, 0.05, len(w)).sqrt(), torch.zeros(len(w), dtype=torch.int32), 0, -8, 7
        ),
        lambda x, a: torch.fake_quantize_per_tensor_affine(x, 0.11, 3, 0, 15),
    ),
    "fake_quantize of channels": (
        lambda w: lsq(w, torch.tensor(0.07), -8, 7),
        lambda x, a: torch.fake_quantize_per_channel_affine(
            x, torch.linspace(0.1, 0.2, 4).sqrt(), torch.full((4,), 2, dtype=torch.int32), 1, 0, 15
        ),
    ),
}


@pytest.mark.parametrize("name", SPELLINGS)
def test_quantisers_spelt_by_hand(name: str) -> None:
    """LSQ, DoReFa, PACT, QCFS and plain fake quantisers are proved equal, weights of at most their bits as trained."""
    torch.manual_seed(5)
    net = fsref.convert(from_torch(Hand(*SPELLINGS[name]), PIXELS))
    told = net.provenance["trained"]
    if name == "fake_quantize of channels":  # scales that weights do not bring together
        assert [record["equal"] for record in told["populations"].values()] == [True, False]
        return
    assert told["equal"], told
    assert max(record["trained_bits"] for record in told["populations"].values()) <= 4


def test_a_converted_program_of_pt2e() -> None:
    """Integers of the decomposed operators, which a converted program holds, are quantisers again."""
    import torch.ao.quantization.fx._decomposed  # noqa: F401

    operators, ends = torch.ops.quantized_decomposed, (0, 15, torch.uint8)

    def act(x: Any, _: Any) -> Any:
        codes = operators.quantize_per_tensor(x, 0.11, 3, *ends)
        return operators.dequantize_per_tensor(codes, 0.11, 3, *ends)

    torch.manual_seed(5)
    graph = from_torch(Hand(SPELLINGS["LSQ"][0], act), PIXELS)
    assert [node.attributes["rounding"] for node in graph.nodes if node.op == "quantise"] == ["odd", "odd"]
    assert fsref.convert(graph).provenance["trained"]["equal"]


def test_a_scale_that_is_none_is_named() -> None:
    """A fake quantiser whose scale is not positive is refused by its place."""
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(32, 2))
    model.append(torch.ao.quantization.FakeQuantize(quant_min=0, quant_max=15))
    model[3].scale.fill_(0.0)
    with pytest.raises(GraphError, match="3: fake_quantize_per_tensor_affine has the scale 0"):
        from_torch(model, PIXELS)
