"""Spikes as address events: a line of text, or a word, for each (AER, EVENT-1).

An event is (image, step, population, neuron); the neuron may be given as its place x, y, c instead (NET-3). Text names
its columns first. A word holds them side by side, the first field highest, each of a width of its own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from fsref.errors import FileError, UsageError
from fsref.formats import hexadecimal, readmemh
from fsref.formats.words import Words, of_integers, to_integers
from fsref.law.network import Network
from fsref.law.neuron import Ints

RULE = "AER-1"
PLACE = ("x", "y", "c")
COLUMNS = ("image", "step", "population", "neuron")
Fields: TypeAlias = Mapping[str, int]  # bits of each field of a word, the highest field first
NUMBER = re.compile(rb"[0-9]{1,18}")


def columns(places: bool) -> tuple[str, ...]:
    """The columns of an event: with the neuron by its number, or by its place."""
    return (*COLUMNS[:3], *PLACE) if places else COLUMNS


def to_columns(net: Network, events: Ints, names: Sequence[str]) -> Ints:
    """Events (E, 4) as these columns, (E, len(names))."""
    found = dict(zip(COLUMNS, events.T, strict=True))
    shapes = np.array([p.shape for p in net.populations], np.int64)[events[:, 2]]
    height, width = shapes[:, 1], shapes[:, 2]
    neuron = events[:, 3]
    found |= {"x": neuron % width, "y": neuron // width % height, "c": neuron // (width * height)}
    return np.stack([found[name] for name in names], axis=1) if len(names) else np.empty((len(events), 0), np.int64)


def of_columns(net: Network, values: Ints, names: Sequence[str], place: str) -> Ints:
    """Events (E, 4) in canonical order from columns; an image that is not told is image 0. Errors: FileError for what
    no event of the network can be.
    """
    given = dict(zip(names, values.T, strict=True))
    zero = np.zeros(len(values), np.int64)
    image, step, population = (given.get(name, zero) for name in COLUMNS[:3])
    _within(population, len(net.populations), "population", place)
    shapes = np.array([p.shape for p in net.populations], np.int64)[population]
    if "neuron" in given:
        neuron = given["neuron"]
        _within(neuron, shapes.prod(axis=1), "neuron", place)
    else:
        for name, side in zip(PLACE, (shapes[:, 2], shapes[:, 1], shapes[:, 0]), strict=True):
            _within(given[name], side, name, place)
        neuron = (given["c"] * shapes[:, 1] + given["y"]) * shapes[:, 2] + given["x"]
    names_of = [p.name for p in net.populations]
    start = np.array([net.schedule.start[name] for name in names_of], np.int64)[population]
    steps = np.array([net.steps[name] for name in names_of], np.int64)[population]
    outside = np.flatnonzero((step < start) | (step >= start + steps))
    if len(outside):
        at = int(outside[0])
        window = f"wanted {start[at]}..{start[at] + steps[at] - 1}, the steps of {names_of[population[at]]}"
        raise FileError(RULE, f"{place}: event {at}", "step is not one of its population", int(step[at]), window)
    events = np.stack([image, step, population, neuron], axis=1)
    return events[np.lexsort(events.T[::-1])]


def _within(values: Ints, counts: int | Ints, what: str, place: str) -> None:
    """Nothing, when every value is one of 0..count - 1. Errors: FileError naming the first event that is not."""
    wrong = np.flatnonzero((values < 0) | (values >= counts))
    if len(wrong):
        at = int(wrong[0])
        count = int(np.broadcast_to(counts, values.shape)[at])
        raise FileError(
            RULE, f"{place}: event {at}", f"there is no such {what}", int(values[at]), f"wanted 0..{count - 1}"
        )


def fields(net: Network, images: int, places: bool) -> dict[str, int]:
    """The bits each field needs for so many images of a network."""
    highest = {"image": images - 1, "step": net.schedule.steps - 1, "population": len(net.populations) - 1}
    sides = np.array([(p.shape[2], p.shape[1], p.shape[0], p.neurons) for p in net.populations]).max(axis=0) - 1
    highest |= dict(zip((*PLACE, "neuron"), sides.tolist(), strict=True))
    return {name: max(1, int(highest[name]).bit_length()) for name in columns(places)}


def text(net: Network, events: Ints, places: bool, comment: str) -> bytes:
    """Events (E, 4) as text: the columns' names, then a line of numbers between commas for each event."""
    names = columns(places)
    rows = to_columns(net, events, names).tolist()
    lines = [f"# {comment}", ",".join(names), *(",".join(map(str, row)) for row in rows), ""]
    return "\n".join(lines).encode("ascii")


def of_text(net: Network, data: bytes, place: str) -> Ints:
    """The events (E, 4) of a text. Errors: FileError."""
    lines = [line.strip() for line in data.split(b"\n")]
    lines = [line for line in lines if line and not line.startswith(b"#")]
    names = tuple(name.strip().decode("ascii", "replace") for name in lines[0].split(b",")) if lines else ()
    if set(names) - {"image"} not in ({*columns(True)} - {"image"}, {*columns(False)} - {"image"}) or len(
        set(names)
    ) != len(names):
        wanted = f"wanted {','.join(columns(False))}, or {','.join(PLACE)} for neuron; without image it is image 0"
        raise FileError(RULE, f"{place}: first line", "does not name the columns", ",".join(names)[:60], wanted)
    rows = [line.split(b",") for line in lines[1:]]
    for number, row in enumerate(rows):
        if len(row) != len(names) or not all(NUMBER.fullmatch(value.strip()) for value in row):
            shown = b",".join(row)[:40].decode("ascii", "replace")
            raise FileError(
                RULE, f"{place}: event {number}", "is not a line of numbers", shown, f"wanted {','.join(names)}"
            )
    values = np.array([[int(value) for value in row] for row in rows], np.int64).reshape(len(rows), len(names))
    return of_columns(net, values, names, place)


def words(net: Network, events: Ints, bits: Fields) -> Words:
    """Events (E, 4) as words, the first field highest. Errors: UsageError for a field that is too narrow, or a word of
    more than 63 bits.
    """
    check(bits)
    total = np.zeros(len(events), np.int64)
    for (name, width), values in zip(bits.items(), to_columns(net, events, list(bits)).T, strict=True):
        if len(values) and int(values.max()) >> width:
            limit = f"wanted {int(values.max()).bit_length()} bits"
            raise UsageError(RULE, f"field {name}", "is too narrow", f"{width} bits", limit)
        total = total << width | values
    return of_integers(total, sum(bits.values()))


def of_words(net: Network, found: Words, bits: Fields, place: str) -> Ints:
    """The events (E, 4) of words. Errors: FileError, UsageError."""
    check(bits)
    rest, values = to_integers(found, signed=False), []
    for width in reversed(list(bits.values())):
        values.append(rest & ((1 << width) - 1))
        rest = rest >> width
    return of_columns(net, np.stack(values[::-1], axis=1), list(bits), place)


def check(bits: Fields) -> None:
    """Nothing, when the fields of a word say what an event is, in 1..63 bits. Errors: UsageError."""
    names = set(bits)
    if names - {"image"} not in ({*columns(True)} - {"image"}, {*columns(False)} - {"image"}):
        wanted = f"wanted {', '.join(columns(False))}, or {', '.join(PLACE)} for neuron"
        raise UsageError(RULE, "fields", "do not say what an event is", ", ".join(bits), wanted)
    if not all(type(width) is int and width >= 1 for width in bits.values()) or sum(bits.values()) > 63:
        raise UsageError(
            RULE, "fields", "no word of this width", sum(bits.values()), "wanted 1..63 bits, each field 1 or more"
        )


def hex_text(found: Words, bits: Fields, comment: str) -> bytes:
    """Words of events as text, a hexadecimal number a line, the fields named in a comment."""
    told = " ".join(f"{name}:{width}" for name, width in bits.items())
    return f"// {comment}; fields {told}\n".encode("ascii") + hexadecimal.lines(found)


def of_hex_text(data: bytes, bits: Fields, place: str) -> Words:
    """The words of such a text. Errors: FileError."""
    return readmemh.read(data, sum(bits.values()), place)


def planes(net: Network, events: Ints, name: str, images: int) -> NDArray[np.uint16]:
    """The trains (images, neurons) of a population that events say (EVENT-2)."""
    index = [p.name for p in net.populations].index(name)
    mine = events[events[:, 2] == index]
    found = np.zeros((images, net[name].neurons), np.uint16)
    bit = net.steps[name] - 1 - (mine[:, 1] - net.schedule.start[name])
    np.bitwise_or.at(found, (mine[:, 0], mine[:, 3]), (1 << bit).astype(np.uint16))
    return found
