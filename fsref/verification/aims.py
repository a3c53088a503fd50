"""Images to begin with: corners of the input, on which mistakes show without luck, and those from which a search of
others starts (OBS-4).
"""

from __future__ import annotations

from collections import Counter

import numpy as np

from fsref.law.images import drawn_images
from fsref.law.network import Network
from fsref.law.neuron import Ints
from fsref.law.populations import FS
from fsref.verification.explain import synapses
from fsref.verification.explanation import Place

DRAWN = 6  # drawn images beside the corners
EXTREME = 8  # channels of each first population that are driven to their ends


def corners(net: Network) -> Ints:
    """Images (B, C, H, W) on which mistakes show without luck: black, single pixels, single channels, slopes, white,
    and drawn ones (ID-3).
    """
    (channels, height, width), top = net.input.shape, net.input.max_code
    images = [np.zeros(net.input.shape, np.int64)]
    middle = channels // 2, height // 2, width // 2
    pixels = [(0, 0, 0), (channels - 1, height - 1, width - 1), middle, (0, 0, width - 1)]
    for c, y, x in dict.fromkeys(pixels):
        images.append(np.zeros_like(images[0]))
        images[-1][c, y, x] = top
    for c in range(min(channels, 4) if channels > 1 else 0):
        images.append(np.zeros_like(images[0]))
        images[-1][c] = top
    c, y, x = np.indices(net.input.shape)
    slope = (17 * c + 5 * y + 3 * x) * top // (17 * channels + 5 * height + 3 * width)
    images += [slope, np.full(net.input.shape, top)]
    return np.concatenate([np.stack(images), drawn_images(net.input, DRAWN)])


def candidates(net: Network, count: int) -> Ints:
    """Images (count, C, H, W), the same each time: drawn ones, every other one darker, every fourth with few pixels
    (ID-3).
    """
    images = drawn_images(net.input, count, seed=2)
    dim, few = np.arange(count) % 2 == 1, np.arange(count) % 4 == 3
    images[dim] >>= (1 + np.arange(count)[dim] // 2 % 4).reshape(-1, 1, 1, 1)
    kept = drawn_images(net.input, count, seed=3).reshape(count, -1)
    rare = kept < np.sort(kept, axis=1)[:, min(4, kept.shape[1] - 1), None]
    images[few] *= rare.reshape(images.shape)[few]
    return images


def extremes(net: Network) -> Ints:
    """Images (B, C, H, W) that drive a neuron in the middle of each channel of the populations which read the input
    alone, at most 8 channels each, as high and as low as it goes.
    """
    images = []
    for p in first_populations(net):
        for c in range(min(p.shape[0], EXTREME)):
            weights = np.zeros(net.input.shape, np.int64)
            for pixel, weight in taps(net, p, (c, p.shape[1] // 2, p.shape[2] // 2)).items():
                weights[pixel] = weight
            images += [net.input.max_code * (weights > 0), net.input.max_code * (weights < 0)]
    return np.array(images, np.int64).reshape(-1, *net.input.shape)


def first_populations(net: Network) -> list[FS]:
    """The fs populations that read the input alone."""
    return [p for p in net.fs if set(net.sources(p.name)) == {net.input.name}]


def taps(net: Network, p: FS, place: Place) -> Counter[Place]:
    """The weight of each pixel in a neuron that reads the input alone."""
    weights: Counter[Place] = Counter()
    for q in net.into(p.name).values():
        for pixel, weight in synapses(q, net.input.shape, place):
            weights[pixel] += weight
    return weights
