"""Somebody else's answers beside fsref's integers: where the first difference is, in words, and how far its membrane
lies from a threshold (OBS-4).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fsref.law.network import Network
from fsref.law.neuron import Ints, staircase
from fsref.law.populations import FS
from fsref.simulation.recording import Record
from fsref.simulation.run import run
from fsref.tables import Brief
from fsref.verification.agreement import Disagreement
from fsref.verification.causes import Judged
from fsref.verification.explain import place_of
from fsref.verification.theirs import Answers

SHOWN = 6  # pixels of an image named in a message


@dataclass(frozen=True, eq=False, repr=False)
class Ours(Brief):
    """What fsref says of images: codes (B, neurons) by population, those of readouts being logits, and how many of the
    trains of FS neurons are neither empty nor full.
    """

    codes: Answers
    busy: int
    neurons: int


def ours(net: Network, images: Ints, names: Sequence[str]) -> Ours:
    """The codes of the populations `names` for images (B, C, H, W)."""
    result = run(net, images, "quantized", Record(observables=("spikes", "codes")))
    assert result.trace is not None
    told = {name: values.reshape(len(values), -1) for name, values in result.outputs.items()}
    codes = {name: told[name] if name in told else result.trace[name, "codes"] for name in names}
    busy = neurons = 0
    for p in net.fs:
        trains = result.trace[p.name, "spikes"]
        busy, neurons = busy + int(((trains > 0) & (trains < 2**p.steps - 1)).sum()), neurons + trains.size
    return Ours(codes, busy, neurons)


def differing(theirs: Mapping[str, Ints], expected: Mapping[str, Ints]) -> tuple[list[str], NDArray[np.bool_]]:
    """The populations compared, in order, and in which images (populations, B) each differs."""
    return list(expected), np.array([(theirs[name] != codes).any(axis=1) for name, codes in expected.items()])


def first_difference(theirs: Mapping[str, Ints], expected: Mapping[str, Ints]) -> tuple[int, str, int] | None:
    """The first image, population and neuron where two answers differ, in the order of OBS-2, or None."""
    names, unlike = differing(theirs, expected)
    if not unlike.any():
        return None
    image = int(np.argmax(unlike.any(axis=0)))
    name = names[int(np.argmax(unlike[:, image]))]
    return image, name, int(np.argmax(theirs[name][image] != expected[name][image]))


def described(
    net: Network,
    names: Sequence[str],
    image: Ints,
    name: str,
    neuron: int,
    theirs: Answers,
    expected: Answers,
    judged: Judged,
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
    if skipped and not judged.explained:
        shown = f"{', '.join(skipped[:4])}{', ...' if len(skipped) > 4 else ''}"
        lines.append(f"unseen    {shown}: give their codes too, to see where it begins")
    lines += [f"{'or' if i else 'hint':<8}  {hint.text}" for i, hint in enumerate(judged.hints)]
    if judged.explained:
        lines.append(f"explains  {judged}")
    if judged.observed:
        lines.append(f"observed  {judged.observed}")
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
        judged=judged,
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
