"""Somebody else's answers beside fsref's integers: the images that show mistakes, where the first one is, how far its
membrane lies from a threshold, and which known trap would do that (OBS-4).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fsref.law.images import drawn_images
from fsref.law.network import Network
from fsref.law.neuron import Ints, staircase
from fsref.law.populations import FS
from fsref.simulation.recording import Record
from fsref.simulation.run import run
from fsref.tables import Brief
from fsref.verification.agreement import Disagreement
from fsref.verification.explain import place_of
from fsref.verification.theirs import Answers, Theirs
from fsref.verification.traps import Scene, explanations

DRAWN = 6  # drawn images beside the corners
SHOWN = 6  # pixels of an image named in a message


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


@dataclass(frozen=True, eq=False, repr=False)
class Ours(Brief):
    """What fsref says of images: codes (B, neurons) by population, the readout's being logits, and how many of the
    trains of FS neurons are neither empty nor full.
    """

    codes: Answers
    busy: int
    neurons: int


def ours(net: Network, images: Ints, names: Sequence[str]) -> Ours:
    """The codes of the populations `names` for images (B, C, H, W)."""
    result = run(net, images, "quantized", Record(observables=("spikes", "codes")))
    assert result.trace is not None
    codes = {name: result.logits if name == net.readout.name else result.trace[name, "codes"] for name in names}
    busy = neurons = 0
    for p in net.fs:
        trains = result.trace[p.name, "spikes"]
        busy, neurons = busy + int(((trains > 0) & (trains < 2**p.steps - 1)).sum()), neurons + trains.size
    return Ours(codes, busy, neurons)


def first_difference(theirs: Mapping[str, Ints], expected: Mapping[str, Ints]) -> tuple[int, str, int] | None:
    """The first image, population and neuron where two answers differ, in the order of OBS-2, or None."""
    wrong = {name: (theirs[name] != codes) for name, codes in expected.items()}
    by_image = np.array([w.any(axis=1) for w in wrong.values()])
    if not by_image.any():
        return None
    image = int(np.argmax(by_image.any(axis=0)))
    name = next(name for name, row in zip(wrong, by_image, strict=True) if row[image])
    return image, name, int(np.argmax(wrong[name][image]))


def disagreement(net: Network, theirs: Theirs, images: Ints) -> Disagreement | None:
    """How their function first differs on images (B, C, H, W), or None; the image is then looked at alone and beside
    the corners.
    """
    together = theirs(images)
    found = first_difference(together, ours(net, images, theirs.names).codes)
    if found is None:
        return None
    index, name, neuron = found
    image = images[index : index + 1]
    alone, expected = theirs(image), ours(net, image, theirs.names).codes
    again = first_difference(alone, expected)
    if again is None or any((alone[n][0] != together[n][index]).any() for n in theirs.names):
        differs = any((a != b).any() for a, b in zip(theirs(image).values(), alone.values(), strict=True))
        hint = (
            "the same image gets two answers: yours is not a function of the image"
            if differs
            else "an image alone gets another answer than among others: "
        )
        hints = [hint if differs else hint + "every image starts fresh [NET-6]"]
        alone = {n: together[n][index : index + 1] for n in theirs.names}
    else:
        _, name, neuron = again
        hints = _hints(net, theirs, image, name)
    return _described(net, theirs.names, image[0], name, neuron, alone, expected, hints)


def _hints(net: Network, theirs: Theirs, image: Ints, name: str) -> list[str]:
    """The traps that explain their codes of a population, on this image and on all corners where the populations before
    it are right.
    """
    probes = np.concatenate([image, corners(net)])
    answers = [theirs(probes[i : i + 1]) for i in range(len(probes))]
    given = {n: np.concatenate([answer[n] for answer in answers]) for n in theirs.names}
    p, sources = net[name], net.sources(name)
    trace = run(net, probes, "quantized", Record(observables=("spikes", "codes", "opening"))).trace
    assert trace is not None
    before = theirs.names[: theirs.names.index(name)]
    right = np.all([np.ones(len(probes), bool), *((given[n] == trace[n, "codes"]).all(axis=1) for n in before)], axis=0)

    def shaped(n: str, observable: str) -> NDArray[Any]:
        return trace[n, observable][right].reshape(-1, *net[n].shape)

    codes = {n: shaped(n, "codes") for n in sources}
    codes[name] = shaped(name, "codes" if "codes" in p.observables else "opening")
    trains = {n: shaped(n, "spikes") for n in sources}
    opening = shaped(name, "opening") if "opening" in p.observables else None
    return explanations(Scene(net, p, codes, trains, opening, given[name][right].reshape(-1, *p.shape)))


def _described(
    net: Network,
    names: Sequence[str],
    image: Ints,
    name: str,
    neuron: int,
    theirs: Answers,
    expected: Answers,
    hints: Sequence[str],
) -> Disagreement:
    """The difference at one neuron, in words."""
    p, wrong = net[name], theirs[name][0] - expected[name][0]
    place = place_of(neuron, p.shape)
    told, right = int(theirs[name][0, neuron]), int(expected[name][0, neuron])
    lines = [f"{name} differs from fsref [OBS-4]", f"image     {picture(image)}"]
    at = f"neuron {neuron} (c {place[0]}, y {place[1]}, x {place[2]})"
    lines.append(f"first     {name} {at}: theirs {told}, fsref {right}")
    membrane = above = None
    if "opening" in p.observables:
        trace = run(net, image[None], "quantized", Record({name: [neuron]}, ("opening",))).trace
        assert trace is not None
        membrane = int(trace[name, "opening"][0, 0])
    fs = {population.name: population for population in net.fs}
    if name in fs and membrane is not None:
        above = distance(net, fs[name], place[0], membrane)
        side = "no threshold parts two codes"
        if above is not None:
            side = f"{abs(above)} {'above' if above >= 0 else 'below'} the nearest threshold"
        lines.append(f"membrane  {membrane}: {side}" + (" (equality fires)" if above == 0 else ""))
    others, unlike = wrong[wrong != 0], [n for n in names if (theirs[n] != expected[n]).any() and n != name]
    span = f"{others.min():+d}" if others.min() == others.max() else f"{others.min():+d} to {others.max():+d}"
    then = f"; then {', '.join(unlike[:3])}" if unlike else ""
    lines.append(f"all       {len(others)} of {len(wrong)} neurons of {name} differ, by {span}{then}")
    every = [population.name for population in net.populations]
    skipped = [n for n in every[1 : every.index(name)] if n not in names]
    if skipped and not hints:
        shown = f"{', '.join(skipped[:4])}{', ...' if len(skipped) > 4 else ''}"
        lines.append(f"unseen    {shown}: give their codes too, to see where it begins")
    lines += [f"hint      {hint}" for hint in hints]
    return Disagreement(
        "\n".join(lines),
        image=image,
        population=name,
        neuron=neuron,
        place=place,
        theirs=told,
        expected=right,
        membrane=membrane,
        above=above,
        hints=tuple(hints),
    )


def distance(net: Network, population: FS, channel: int, membrane: int) -> int | None:
    """How far a membrane lies from the nearest value at which the code changes: 0 or more above it, negative below;
    None when there is none.
    """
    T, h, d = (rows[channel] for rows in population.table.rows(population.shape[0]))
    low, high = (int(end) for end in net.ranges[population.name].opening[channel])
    stairs = staircase(T, h, d, min(low, membrane) - 1, max(high, membrane) + 1)
    edges = stairs.start[1:][stairs.code[1:] != stairs.code[:-1]]
    away = membrane - edges
    return int(away[np.lexsort([away < 0, np.abs(away)])[0]]) if len(edges) else None


def picture(image: Ints) -> str:
    """A few words on an image (C, H, W): which pixels are not zero."""
    shape, lit = tuple(image.shape), np.argwhere(image)
    if not len(lit):
        return f"{shape}, every pixel 0"
    if (image == image[0, 0, 0]).all():
        return f"{shape}, every pixel {image[0, 0, 0]}"
    if len(lit) > SHOWN:
        return f"{shape}, {len(lit)} of {image.size} pixels not 0, at most {image.max()}"
    return f"{shape}, 0 but for " + ", ".join(f"(c {c}, y {y}, x {x}) = {image[c, y, x]}" for c, y, x in lit.tolist())
