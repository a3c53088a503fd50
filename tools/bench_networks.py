# SPDX-License-Identifier: Apache-2.0
"""The networks of tools/bench.py, each with images to run and to calibrate on: those of reference_models, and shapes
that are known with weights drawn.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import fsref
import imagenet
from fsref import Graph, Network, Pixels
from fsref.conversion.converter import Calibrated
from fsref.conversion.options import Options
from fsref.graph.graph import Node

MODELS = Path(__file__).resolve().parent.parent / "reference_models"
CALIBRATION = 64  # images
LARGE = 96  # rows from which images are photographs
VGG = (64, 0, 128, 0, 256, 256, 0, 512, 512, 0, 512, 512, 0)  # channels of VGG-11, 0 a max-pool
# Expansion, outputs, blocks, kernel of each stage of EfficientNet-Lite0; strides are those of tools/imagenet.py.
LITE0 = ((1, 16, 1, 3), (6, 24, 2, 3), (6, 40, 2, 5), (6, 80, 3, 3), (6, 112, 3, 5), (6, 192, 4, 5), (6, 320, 1, 3))


@dataclass(frozen=True)
class Subject:
    """What is measured: a float graph, the K it is converted with, the batches, images (N, C, H, W) to run and to
    calibrate on, and where they come from. `nets` holds networks that are there already, by K.
    """

    name: str
    graph: Graph
    steps: tuple[int, ...]
    batches: tuple[int, ...]
    images: NDArray[np.integer]
    calibration: NDArray[np.integer]
    of: str
    large: bool = False
    nets: dict[int, Network] = field(default_factory=dict)

    @cached_property
    def calibrated(self) -> Calibrated:
        """The graph as calibration saw it."""
        return Calibrated.of(self.graph, self.calibration, len(self.calibration))

    def network(self, steps: int) -> Network:
        """The FS network of so many steps, made once."""
        if steps not in self.nets:
            self.nets[steps] = self.calibrated.convert(Options(steps=steps))
        return self.nets[steps]


@dataclass(frozen=True)
class Sources:
    """Where images come from: `small` for CIFAR networks, `large` for those of ImageNet, each what `fsref --data`
    takes; without one they are drawn.
    """

    small: str | None = None
    calibrate: str | None = None
    large: str | None = None

    def images(self, graph: Graph, count: int, large: bool, seed: int) -> tuple[NDArray[np.integer], str]:
        """`count` images for a graph and where they come from; seed 1 is of those for calibration."""
        source = self.large if large else self.small if seed == 0 else self.calibrate or self.small
        if source is None:
            return clouds(graph.contract().shape, count, seed), "drawn clouds"
        x = fsref.load_images(source, graph, limit=count).x
        return np.resize(x, (count, *x.shape[1:])), "real images"


def clouds(shape: tuple[int, int, int], count: int, seed: int) -> NDArray[np.uint8]:
    """Drawn images (count, C, H, W) that are smooth as photographs are: noise at every size from 2 places on, doubled
    from one to the next.
    """
    rng, (c, h, w) = np.random.default_rng(seed), shape
    total = np.zeros((count, c, h, w))
    size = 2
    while size <= max(h, w):
        coarse = rng.standard_normal((count, 1, -(-h // size), -(-w // size)))
        coarse = coarse + 0.3 * rng.standard_normal((count, c, *coarse.shape[2:]))
        total += size**0.5 * np.repeat(np.repeat(coarse, size, 2), size, 3)[:, :, :h, :w]
        size *= 2
    total /= total.std(axis=(1, 2, 3), keepdims=True)
    return np.clip(np.round(120 + 60 * total), 0, 255).astype(np.uint8)


def stored(name: str) -> Graph:
    """The float graph of a reference model."""
    return fsref.load_graph(MODELS / name / f"{name}.graph.npz")


def vgg(seed: int = 1) -> Graph:
    """VGG-11 for CIFAR, 151,552 FS neurons, batch norms folded, weights drawn after He."""
    rng, parts, last, channels = np.random.default_rng(seed), list[Node](), "input", 3
    for at, outputs in enumerate(VGG):
        if not outputs:
            parts.append(Node(f"pool{at}", "max_pool", (last,), {"kernel": (2, 2)}))
        else:
            weight = rng.standard_normal((outputs, channels, 3, 3)) * math.sqrt(2 / (9 * channels))
            arrays = {"weight": weight, "bias": np.zeros(outputs)}
            parts += [Node(f"conv{at}", "conv", (last,), {"padding": (1, 1, 1, 1)}, arrays)]
            parts += [Node(f"relu{at}", "relu", (f"conv{at}",))]
            channels = outputs
        last = parts[-1].name
    weight = rng.standard_normal((10, channels)) / math.sqrt(channels)
    parts += [Node("flat", "flatten", (last,)), Node("logits", "dense", ("flat",), {}, {"weight": weight})]
    return Graph(Pixels(3, 32, 32, mean=0.5, std=0.25), tuple(parts), "vgg11")


def lite0(seed: int = 1) -> Graph:
    """EfficientNet-Lite0 with drawn weights."""
    drawn, channels, block = imagenet.Drawn(seed), 32, 0

    def layer(name: str, norm: str, *shape: int, gain: float = 1.0) -> None:
        drawn.conv(name, *shape)
        drawn.norm(norm, shape[0], gain)

    layer("_conv_stem", "_bn0", channels, 3, 3, 3)
    for expansion, outputs, blocks, kernel in LITE0:
        for _ in range(blocks):
            path, inner = f"_blocks.{block}", channels * expansion
            if expansion > 1:
                layer(f"{path}._expand_conv", f"{path}._bn0", inner, channels, 1, 1)
            layer(f"{path}._depthwise_conv", f"{path}._bn1", inner, 1, kernel, kernel)
            layer(f"{path}._project_conv", f"{path}._bn2", outputs, inner, 1, 1, gain=0.5)
            channels, block = outputs, block + 1
    layer("_conv_head", "_bn1", 1280, channels, 1, 1)
    drawn["_fc.weight"] = drawn.rng.standard_normal((1000, 1280), np.float32) / np.float32(math.sqrt(1280))
    drawn["_fc.bias"] = np.zeros(1000, np.float32)
    return imagenet.efficientnet_lite(drawn, 224, "lite0")


def resized(subject: Subject, side: int) -> Subject:
    """The same weights for images of another size, which are those of the subject, repeated or left out."""
    pixels = subject.graph.contract()
    at = np.arange(side) * pixels.height // side
    images, calibration = (x[:, :, at[:, None], at] for x in (subject.images, subject.calibration))
    graph = subject.graph.with_input(replace(pixels, height=side, width=side, resize=None, crop=None))
    name = f"{subject.name}, {side} x {side}"
    return replace(subject, name=name, graph=graph, images=images, calibration=calibration, nets={})


# By name: the graph, K, batches, images, and whether they are large.
NETWORKS: Mapping[str, tuple[Callable[[], Graph], dict[str, Any]]] = {
    "resnet20": (lambda: stored("resnet20"), {"steps": (5, 8), "batches": (1, 64)}),
    "mixed": (lambda: stored("mixed"), {"steps": (8,), "batches": (1, 64)}),
    "vgg11": (vgg, {"steps": (8,), "batches": (1, 64)}),
    "lite0": (lite0, {"steps": (8,), "batches": (1, 8), "large": True}),
    "resnet50": (imagenet.resnet50, {"steps": (8,), "batches": (1, 8), "large": True}),
}


def subject(name: str, sources: Sources, most: int) -> Subject:
    """A network of NETWORKS, or the float graph of a file at K = 8, with as many images as its largest batch, `most` at
    most.
    """
    if name in NETWORKS:
        made, form = NETWORKS[name]
        graph = made()
    else:
        graph = fsref.load_graph(name)
        large = graph.contract().height >= LARGE
        form, name = {"steps": (8,), "batches": (1, 8 if large else 64), "large": large}, graph.name or Path(name).name
    large = bool(form.get("large"))
    batches = tuple(dict.fromkeys(min(batch, most) for batch in form["batches"]))
    images, of = sources.images(graph, max(batches), large, 0)
    calibration, _ = sources.images(graph, 8 if large else CALIBRATION, large, 1)
    return Subject(name, graph, images=images, calibration=calibration, of=of, **{**form, "batches": batches})
