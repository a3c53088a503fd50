"""What torch's operators (ATen) that work on each number alone are in a float graph (GRAPH-7): arithmetic, activations;
a table as in layers.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from fsref.importers.refusals import Unmapped
from fsref.importers.torch.views import Site, View, affine, form, number, per_channel, together, vector

ELEMENTWISE: dict[str, Callable[..., Any]] = {}
SELU = 1.6732632423543772, 1.0507009873554805  # alpha and scale of Klambauer et al. (2017, arXiv 1706.02515)
STRAIGHT = 15  # from which on log(1 + exp(x)) is x


@form(ELEMENTWISE, "add")
def add(site: Site, a: Any, b: Any, alpha: float = 1) -> View:
    """a + alpha b."""
    if not isinstance(a, View):
        return affine(site, b, alpha, a)
    if not isinstance(b, View):
        return affine(site, a, 1.0, b * alpha)
    return together(site, "add", a, b if alpha == 1 else affine(site, b, alpha))


@form(ELEMENTWISE, "sub")
def sub(site: Site, a: Any, b: Any, alpha: float = 1) -> View:
    """a - alpha b."""
    return add(site, a, b, -alpha)


@form(ELEMENTWISE, "rsub")
def rsub(site: Site, a: Any, b: Any, alpha: float = 1) -> View:
    """b - alpha a."""
    return add(site, b, a, -alpha)


@form(ELEMENTWISE, "neg")
def neg(site: Site, a: View) -> View:
    """-a."""
    return affine(site, a, -1.0)


@form(ELEMENTWISE, "mul")
def mul(site: Site, a: Any, b: Any) -> View:
    """a b."""
    if isinstance(a, View) and isinstance(b, View):
        return together(site, "mul", a, b)
    return affine(site, a, b) if isinstance(a, View) else affine(site, b, a)


def div(site: Site, a: Any, b: Any, rounding_mode: str | None = None) -> View:
    """a / b of a constant b, perhaps rounded down."""
    if rounding_mode not in (None, "floor"):
        raise Unmapped(nearest="div by a constant")
    if not (b.all() if hasattr(b, "numel") else b):
        raise Unmapped(nearest="div by numbers other than 0")
    found = affine(site, a, 1.0 / b)
    return site.along("floor", found) if rounding_mode else found


@form(ELEMENTWISE, "clone", "contiguous", "detach", "alias", "lift_fresh_copy", "to", "_to_copy", "type_as")
def same(site: Site, x: View, *_: Any) -> View:
    """x itself; floats stay float32."""
    return x


@form(ELEMENTWISE, "dropout", "native_dropout", "feature_dropout", "alpha_dropout", "feature_alpha_dropout")
def dropout(site: Site, x: View, p: float, train: bool | None) -> View:
    """x itself, when the dropout is not active."""
    if train is not False and p > 0:
        raise Unmapped(nearest="dropout that is not active in eval mode")
    return x


@form(ELEMENTWISE, "relu")
def relu(site: Site, x: View) -> View:
    """max(x, 0)."""
    return site.along("clip", x, low=0.0, high=math.inf)


@form(ELEMENTWISE, "relu6")
def relu6(site: Site, x: View) -> View:
    """Clip 0..6."""
    return site.along("clip", x, low=0.0, high=6.0)


@form(ELEMENTWISE, "hardtanh", "clamp", "clip")
def clamp(site: Site, x: View, low: Any = None, high: Any = None) -> View:
    """x between bounds, of which one may be missing."""
    return site.along(
        "clip", x, low=-math.inf if low is None else number(low), high=math.inf if high is None else number(high)
    )


def clamp_min(site: Site, x: Any, low: Any) -> View:
    """x from a bound on."""
    return clamp(site, x, low) if isinstance(x, View) else clamp(site, low, x)


def clamp_max(site: Site, x: Any, high: Any) -> View:
    """x up to a bound."""
    return clamp(site, x, None, high) if isinstance(x, View) else clamp(site, high, None, x)


@form(ELEMENTWISE, "leaky_relu", "prelu", "_prelu_kernel", "abs")
def leaky_relu(site: Site, x: View, slope: Any = None) -> View:
    """x, below 0 times a slope, 0.01 unless given, of all channels or of each; of abs it is -1."""
    slope = -1.0 if site.name == "abs" else 0.01 if slope is None else slope
    if hasattr(slope, "numel") and slope.numel() > 1:
        slope = slope.view(slope.numel(), *[1] * (len(x.dims) - 1))
    x, slopes = per_channel(site, x, slope)
    if not slopes.any():
        return relu(site, x)
    return x if (slopes == 1).all() else site.along("leaky_relu", x, arrays={"slope": slopes})


@form(ELEMENTWISE, "silu", "sigmoid", "tanh", "erf", "mish", "floor", "round.default")
def smooth(site: Site, x: View) -> View:
    """An operator of the same name."""
    return site.along(site.name, x)


@form(ELEMENTWISE, "hardsigmoid", "hardswish")
def hard(site: Site, x: View) -> View:
    """The piecewise linear sigmoid and SiLU."""
    return site.along("hard_sigmoid" if site.name == "hardsigmoid" else "hard_swish", x, slope=1 / 6, offset=0.5)


@form(ELEMENTWISE, "gelu")
def gelu(site: Site, x: View, approximate: str = "none") -> View:
    """GELU by the error function, or by tanh."""
    return site.along("gelu", x, tanh=approximate == "tanh")


@form(ELEMENTWISE, "elu")
def elu(site: Site, x: View, alpha: float = 1.0, scale: float = 1.0, input_scale: float = 1.0) -> View:
    """scale * x, below 0 scale * alpha * (exp(input_scale * x) - 1)."""
    if input_scale <= 0:
        raise Unmapped(f"has the input scale {input_scale:g}", "a positive one")
    made = site.along("elu", affine(site, x, input_scale), alpha=alpha * input_scale)
    return affine(site, made, scale / input_scale)


@form(ELEMENTWISE, "selu")
def selu(site: Site, x: View) -> View:
    """ELU with the scales of self-normalising networks."""
    return elu(site, x, SELU[0], SELU[1])


@form(ELEMENTWISE, "celu")
def celu(site: Site, x: View, alpha: float = 1.0) -> View:
    """x, below 0 alpha * (exp(x / alpha) - 1)."""
    return elu(site, x, alpha, 1.0, 1 / alpha)


@form(ELEMENTWISE, "softplus")
def softplus(site: Site, x: View, beta: float = 1.0, threshold: float = 20.0) -> View:
    """log(1 + exp(beta * x)) / beta; where it is taken to be x that is nearer than float32 tells."""
    if beta <= 0 or threshold < STRAIGHT:
        raise Unmapped(f"has beta {beta:g} and threshold {threshold:g}", "beta above 0, a threshold of 15 or more")
    return affine(site, site.along("softplus", affine(site, x, beta)), 1 / beta)


def power(site: Site, x: View, exponent: float = 2) -> View:
    """x times x, or times x once more."""
    return View(site.make("mul", *[x] * int(exponent), shape=x.step.shape).step, x.dims)


@form(ELEMENTWISE, "fake_quantize_per_tensor_affine", "fake_quantize_per_tensor_affine_cachemask")
def fake_quantize(site: Site, x: View, scale: Any, zero_point: Any, low: int, high: int) -> View:
    """Integers low..high times a scale: round, clip and scales, which the patterns make a quantise."""
    return dequantize(site, quantize(site, x, scale, zero_point, low, high), scale, zero_point)


@form(ELEMENTWISE, "quantized_decomposed.quantize_per_tensor.default")
def quantize(site: Site, x: View, scale: Any, zero_point: Any, low: int, high: int, *_: Any) -> View:
    """The integers low..high of a scale and a zero point, as what converting a program of PT2E leaves."""
    unit = number(scale)
    if not 0 < unit < math.inf:
        raise Unmapped(f"has the scale {unit:g}", "a positive scale")
    codes = affine(site, site.along("round", affine(site, x, 1 / unit)), 1.0, number(zero_point))
    return site.along("clip", codes, low=float(low), high=float(high))


@form(ELEMENTWISE, "quantized_decomposed.dequantize_per_tensor.default")
def dequantize(site: Site, x: View, scale: Any, zero_point: Any, *_: Any) -> View:
    """What integers of a scale and a zero point stand for."""
    unit = number(scale)
    return affine(site, x, unit, -number(zero_point) * unit)


@form(ELEMENTWISE, "fake_quantize_per_channel_affine", "fake_quantize_per_channel_affine_cachemask")
def fake_quantize_channels(site: Site, x: View, scale: Any, zero_point: Any, axis: int, low: int, high: int) -> View:
    """As fake_quantize, with a scale for each channel: they become affine nodes around a quantise of steps of 1."""
    zeros = vector(zero_point)
    if axis % (len(x.dims) + 1) != 1 or (zeros != zeros[0]).any():
        raise Unmapped(nearest="a scale for each channel, and one zero point")
    steps = scale.reshape(-1, *[1] * (len(x.dims) - 1))
    made = fake_quantize(site, affine(site, x, 1 / steps.double()), 1.0, zeros[0], low, high)
    return affine(site, made, steps)


@form(ELEMENTWISE, "_fake_quantize_per_tensor_affine_cachemask_tensor_qparams")
def fake_quantize_tensors(site: Site, x: View, scale: Any, zero_point: Any, enabled: Any, low: int, high: int) -> View:
    """As fake_quantize; a switch may turn it off."""
    return fake_quantize(site, x, scale, zero_point, low, high) if number(enabled) else x


@form(ELEMENTWISE, "softmax", "_softmax", "log_softmax", "_log_softmax")
def softmax(site: Site, x: View, dim: int, *_: Any) -> View:
    """A step that is left out where it ends the model."""
    if dim not in (1, 1 - len(x.dims) - 1) or len(x.dims) not in (1, 3):
        raise Unmapped(nearest="softmax over the classes at the end, left out")
    return site.along("softmax", x)
