"""Small networks in torch that say what people's networks say, each in forms that tell exporters apart."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

CLASSES = 5


def conv(inputs: int, outputs: int, kernel: int = 3, **about: Any) -> nn.Conv2d:
    """A convolution that keeps the size unless told."""
    return nn.Conv2d(inputs, outputs, kernel, **{"padding": kernel // 2, **about})


class Head(nn.Sequential):
    """The mean over all places, and a dense layer."""

    def __init__(self, channels: int) -> None:
        super().__init__(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, CLASSES))


class KerasOrder(nn.Sequential):
    """Batch norm behind relu."""

    def __init__(self) -> None:
        super().__init__(
            conv(3, 6), nn.ReLU(), nn.BatchNorm2d(6), conv(6, 8), nn.ReLU(), nn.BatchNorm2d(8), nn.Dropout(), Head(8)
        )


class Inside(nn.Module):
    """Normalisation inside the model, before a convolution that pads; logits scaled."""

    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor([0.5, 0.4, 0.3]).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor([0.25, 0.2, 0.3]).view(1, 3, 1, 1))
        self.body = nn.Sequential(conv(3, 6), nn.ReLU(), conv(6, 8, stride=2), nn.ReLU(), Head(8))

    def forward(self, x: Tensor) -> Tensor:
        return self.body((x - self.mean) / self.std) * 0.5


class Averaged(nn.Module):
    """An average pool as large as the map, a view of its result, identities on the way."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(conv(3, 6), nn.Identity(), nn.ReLU(), conv(6, 8), nn.ReLU(), nn.ReLU())
        self.pool, self.dense = nn.AvgPool2d(8), nn.Linear(8, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        a = self.pool(self.body(x))
        return self.dense(F.dropout(a.view(a.size(0), -1), training=self.training))


class Padded(nn.Sequential):
    """A leading batch norm, a pad of its own, pads before pads."""

    def __init__(self) -> None:
        super().__init__(
            nn.BatchNorm2d(3),
            nn.ZeroPad2d((0, 1, 0, 1)),
            conv(3, 6, stride=2),
            nn.ReLU(),
            nn.ConstantPad2d(1, 0.0),
            nn.ZeroPad2d((1, 0, 0, 1)),
            conv(6, 8, padding=0),
            nn.ReLU(),
            Head(8),
        )


class Old(nn.Module):
    """What opsets spell otherwise: batch norm, dropout, clip, pad, pools."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            conv(3, 6, bias=False), nn.BatchNorm2d(6), nn.ReLU6(), nn.Dropout2d(), nn.MaxPool2d(2)
        )
        self.last = nn.Sequential(conv(6, 8, padding=0), nn.ReLU(), nn.AvgPool2d(2), Head(8))

    def forward(self, x: Tensor) -> Tensor:
        return self.last(F.pad(self.stem(x), (1, 1, 1, 1)))


class Shuffle(nn.Module):
    """A block of ShuffleNet: split, depthwise, concat, channel shuffle."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(conv(3, 8), nn.ReLU())
        self.branch = nn.Sequential(conv(4, 4, 1), nn.ReLU(), conv(4, 4, groups=4), conv(4, 4, 1), nn.ReLU())
        self.last = nn.Sequential(conv(8, 8, 1), nn.ReLU(), Head(8))

    def forward(self, x: Tensor) -> Tensor:
        one, other = self.stem(x).chunk(2, dim=1)
        a = torch.cat([one, self.branch(other)], dim=1)
        n, c, h, w = a.shape
        a = a.view(n, 2, c // 2, h, w).transpose(1, 2).contiguous().view(n, c, h, w)
        return self.last(a)


class Slices(nn.Module):
    """Slices of channels and places, strided and not, concatenated; a flip, a crop."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.last = nn.Sequential(conv(3, 6), nn.ReLU()), nn.Sequential(conv(8, 6), nn.ReLU(), Head(6))

    def forward(self, x: Tensor) -> Tensor:
        a = self.stem(x)
        a = torch.cat([a[:, :4, ::2, :4], a[:, 2:, 1::2, 4:]], dim=1)
        return self.last(torch.flip(a, [3])[:, :, 1:])


class Turned(nn.Module):
    """A layer over channels that stand last, turned there and back; depth to space."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.mix = nn.Sequential(conv(3, 6), nn.ReLU()), nn.Linear(6, 8)
        self.last = nn.Sequential(conv(2, 6), nn.ReLU(), Head(6))

    def forward(self, x: Tensor) -> Tensor:
        a = F.relu(self.mix(self.stem(x).permute(0, 2, 3, 1))).permute(0, 3, 1, 2)
        return self.last(F.pixel_shuffle(a, 2))


class Larger(nn.Sequential):
    """Nearest upsampling and a transposed convolution."""

    def __init__(self) -> None:
        super().__init__(
            conv(3, 6, stride=2),
            nn.ReLU(),
            nn.ConvTranspose2d(6, 6, 3, stride=2, padding=1, output_padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.UpsamplingNearest2d(scale_factor=2),
            conv(6, 6),
            nn.ReLU(),
            Head(6),
        )


class Edges(nn.Sequential):
    """Reflected, repeated and constant edges, an average whose divisor varies."""

    def __init__(self) -> None:
        super().__init__(
            nn.ReflectionPad2d(1),
            conv(3, 6, padding=0),
            nn.ReLU(),
            nn.ReplicationPad2d(1),
            conv(6, 6, padding=0),
            nn.ReLU(),
            nn.AvgPool2d(3, 2, padding=1, count_include_pad=False),
            conv(6, 6, 1),
            nn.ReLU(),
            Head(6),
        )


class Leaky(nn.Sequential):
    """A dilated max-pool, LeakyReLU and PReLU."""

    def __init__(self) -> None:
        super().__init__(
            conv(3, 6), nn.LeakyReLU(0.125), nn.MaxPool2d(2, 1, dilation=2), conv(6, 6), nn.PReLU(6), Head(6)
        )


class Line(nn.Module):
    """Convolution, pool and batch norm in one dimension, over the first row of the image."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv1d(3, 6, 3, padding=1), nn.BatchNorm1d(6), nn.ReLU(), nn.MaxPool1d(2), nn.Conv1d(6, 6, 3), nn.ReLU()
        )
        self.dense = nn.Linear(6, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.dense(self.body(x[:, :, :1].squeeze(2)).mean(dim=2))


class Rows(nn.Module):
    """A mean image taken away, places as channels, and a convolution of one dimension over all places."""

    mean: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.rand(3, 8, 8))
        self.conv, self.line, self.dense = conv(12, 6), nn.Conv1d(6, 8, 3, padding=1), nn.Linear(8, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        a = F.relu(self.conv(F.pixel_unshuffle(x - self.mean, 2)))
        return self.dense(F.relu(self.line(a.flatten(2))).mean(dim=2))


class Map(nn.Sequential):
    """Segmentation: a map of classes."""

    def __init__(self) -> None:
        super().__init__(
            conv(3, 6), nn.ReLU(), nn.MaxPool2d(2), conv(6, 6), nn.ReLU(), nn.Upsample(scale_factor=2), conv(6, 3, 1)
        )


class Two(nn.Module):
    """Two outputs: classes, and a map of boxes."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(conv(3, 6), nn.ReLU(), conv(6, 6, stride=2), nn.ReLU())
        self.head, self.boxes = Head(6), conv(6, 4, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        a = self.stem(x)
        return self.head(a), self.boxes(a)


class Regression(nn.Sequential):
    """Two numbers, behind dense layers."""

    def __init__(self) -> None:
        super().__init__(conv(3, 4, stride=2), nn.ReLU(), nn.Flatten(), nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 2))


class OneLogit(nn.Sequential):
    """A binary classifier with its final sigmoid."""

    def __init__(self) -> None:
        super().__init__(conv(3, 6), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 1), nn.Sigmoid())


class Chances(nn.Sequential):
    """A softmax at the end."""

    def __init__(self) -> None:
        super().__init__(conv(3, 6), nn.ReLU(), Head(6), nn.Softmax(dim=1))


class Pyramid(nn.Module):
    """Three maps of different sizes, as detectors have."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Sequential(conv(3, 6), nn.ReLU())
        self.b, self.c = (nn.Sequential(conv(6, 6, stride=2), nn.ReLU()) for _ in range(2))
        self.heads = nn.ModuleList([conv(6, 3, 1) for _ in range(3)])

    def forward(self, x: Tensor) -> list[Tensor]:
        a = self.a(x)
        b = self.b(a)
        return [head(value) for head, value in zip(self.heads, (a, b, self.c(b)), strict=True)]


MODELS: dict[str, tuple[type[nn.Module], ...]] = {
    "nothing_extra": (KerasOrder, Inside, Averaged, Padded),
    "linear_maps": (Shuffle, Slices, Turned, Larger, Edges, Leaky, Line, Rows),
    "outputs": (Map, Two, Regression, OneLogit, Chances, Pyramid),
}


def drawn(kind: type[nn.Module]) -> nn.Module:
    """A network with weights as torch draws them, seed 0, batch norms with drawn statistics, in eval mode."""
    torch.manual_seed(0)
    model = kind()
    for module in model.modules():
        if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
            for values, low, high in (
                (module.running_mean, -0.2, 0.2),
                (module.running_var, 0.5, 2.0),
                (module.weight.data, 0.5, 1.5),
                (module.bias.data, -0.2, 0.2),
            ):
                assert values is not None
                values.uniform_(low, high)
        if isinstance(module, nn.PReLU):
            module.weight.data.uniform_(0.05, 0.5)
    return model.eval()
