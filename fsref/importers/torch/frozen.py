"""Fake quantisers of torch.ao as what their buffers say: scale, zero point and ends, with nothing left to observe
(GRAPH-10).
"""

from __future__ import annotations

from typing import Any

TOLD = ("scale", "zero_point", "fake_quant_enabled", "ch_axis", "is_per_channel")  # by those of torchao, too


def freeze(torch: Any, model: Any) -> None:
    """Put in the place of each fake quantiser of a model, be it eager or of FX, what it computes with the scale and the
    zero point that it holds; an observer alone changes nothing.
    """
    observer = torch.ao.quantization.ObserverBase
    for module in list(model.modules()):
        for name, child in list(module._modules.items()):  # one may stand at several names
            if all(hasattr(child, told) for told in TOLD):
                setattr(module, name, _frozen(torch, child))
            elif isinstance(child, observer):
                setattr(module, name, torch.nn.Identity())


def _frozen(torch: Any, quantiser: Any) -> Any:
    """A module that computes what a fake quantiser does, without a switch."""
    if not bool(quantiser.fake_quant_enabled[0]):
        return torch.nn.Identity()
    ends = getattr(quantiser, "activation_post_process", quantiser)  # holds them where the quantiser observes
    low, high = int(ends.quant_min), int(ends.quant_max)
    scale, zero = quantiser.scale.detach().float(), quantiser.zero_point.detach()
    axis = int(quantiser.ch_axis) if bool(quantiser.is_per_channel) else None

    class Frozen(torch.nn.Module):  # type: ignore[misc]
        """A fake quantiser of one scale, or of one for each channel."""

        def forward(self, x: Any) -> Any:
            if axis is None:
                return torch.fake_quantize_per_tensor_affine(x, float(scale), int(zero), low, high)
            return torch.fake_quantize_per_channel_affine(x, scale, zero.to(torch.int32), axis, low, high)

    return Frozen()
