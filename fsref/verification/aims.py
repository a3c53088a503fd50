"""Images on which mistakes show without luck: corners of the input, and images that set hidden membranes where rules
decide (OBS-4).
"""

from __future__ import annotations

from collections import Counter

import numpy as np
from numpy.typing import NDArray

from fsref.engines import reference
from fsref.law.images import drawn_images
from fsref.law.network import Network
from fsref.law.neuron import Ints
from fsref.law.populations import FS
from fsref.simulation.recording import Record
from fsref.simulation.run import run
from fsref.verification.explain import synapses
from fsref.verification.explanation import Place

DRAWN = 6  # drawn images beside the corners
EXTREME = 8  # channels of each first population that are driven to their ends
TUNED = 24  # candidates whose pixels are set so that first membranes hit,
TRIES = 12  # bins tried on each of them,
NEAR = 8  # and neurons tried for each bin
AIMED = 48  # images at most that are aimed
CANDIDATES = 256  # drawn images among which those that hit are looked for,
WORK = 2**23  # or fewer, where that many neurons have been looked at
TOGETHER = 2**22  # neurons of the candidates that run at a time


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


def hits(net: Network, images: Ints) -> NDArray[np.bool_]:
    """Which bins images (B, C, H, W) hit, (B, bins): for each channel of each fs and each of its steps, a membrane that
    stands on the threshold, and one that stands one below it; the same once more after the last step, and one that is
    still above.
    """
    trace = run(net, images, "quantized", Record([p.name for p in net.fs], ("opening",))).trace
    assert trace is not None
    found = []
    for p in net.fs:
        T, h, _ = (rows[:, :, None] for rows in p.table.rows(p.shape[0]))
        v = trace[p.name, "opening"].reshape(len(images), p.shape[0], -1)
        for t in (*range(p.steps), p.steps - 1):
            above = v - T[:, t]
            found += [(above == 0).any(axis=2), (above == -1).any(axis=2)]
            v = v - h[:, t] * (above >= 0)
        found.append((above >= 0).any(axis=2))
    return np.concatenate(found, axis=1)


def tuned(net: Network, images: Ints) -> Ints:
    """The same images (B, C, H, W), pixels changed so that membranes of populations which read the input alone hit bins
    (`hits`): deeper ones hit them by chance, these do not, where theta is large.
    """
    images = images.copy()
    for n, image in enumerate(images):
        held: set[Place] = set()  # pixels that decide a membrane already set
        for p in first_populations(net):
            bins = [(c, t, below) for t in reversed(range(p.steps + 1)) for c in range(p.shape[0]) for below in (0, 1)]
            at = n * TRIES % len(bins)
            for c, t, below in (bins[at:] + bins[:at])[:TRIES]:
                tune(net, p, image, (c, t, below), held)
    return images


def tune(net: Network, p: FS, image: Ints, wanted: tuple[int, int, int], held: set[Place]) -> None:
    """Change one pixel of an image (C, H, W) so that a membrane of channel c stands `below` the threshold of step t (of
    the last step, after it), if there is such a pixel that is not yet `held`; what the neuron reads is held then.
    """
    c, t, below = wanted
    into = net.into(p.name).values()
    v = sum((reference.along(image[None], q, p.shape)[0, c] for q in into), np.broadcast_to(p.bias_map, p.shape)[c])
    T, h, _ = (rows[c] for rows in p.table.rows(p.shape[0]))
    left = v.copy()
    for s in range(t):
        left = left - h[s] * (left >= T[s])
    missing = (T[min(t, p.steps - 1)] - below - left).reshape(-1)
    for place in np.argsort(np.abs(missing), kind="stable")[:NEAR].tolist():
        read = taps(net, p, (c, *divmod(place, p.shape[2])))
        for pixel, weight in read.items():
            change, rest = divmod(int(missing[place]), weight) if weight else (0, 1)
            if not rest and pixel not in held and 0 <= int(image[pixel]) + change <= net.input.max_code:
                image[pixel] += change
                held |= read.keys()
                return


def aimed(net: Network) -> Ints:
    """Images (B, C, H, W), at most 48, that set membranes of hidden populations on a threshold and one below it: those
    of some hundred candidates that together hit most bins (`hits`).
    """
    if not net.fs:
        return np.zeros((0, *net.input.shape), np.int64)
    neurons = sum(p.neurons for p in net.populations)
    images = candidates(net, max(4, min(CANDIDATES, WORK // neurons)))
    images = np.concatenate([extremes(net), images])
    images = np.concatenate([images, tuned(net, images[:TUNED])])
    chunk = max(1, TOGETHER // neurons)
    hit = np.concatenate([hits(net, images[i : i + chunk]) for i in range(0, len(images), chunk)])
    chosen: list[int] = []
    while len(chosen) < AIMED:
        best = int(np.argmax(gain := hit.sum(axis=1)))
        if not gain[best]:
            break
        chosen.append(best)
        hit = hit & ~hit[best]
    return images[chosen]
