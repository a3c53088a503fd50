"""Address events: a spike as a line of numbers, or as fields side by side in a word (EVENT-1, AER-1).

An event is an image, a step of it, a population and a neuron of it, or instead of the neuron its place x, y, c (NET-3).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import TypeAlias

import numpy as np

from fsref.errors import FileError, LimitError, UsageError
from fsref.formats.hexadecimal import MAX_TEXT
from fsref.formats.layout import Layout
from fsref.law.network import Network
from fsref.law.neuron import Ints
from fsref.law.populations import Population

RULE = "AER-1"
COLUMNS = ("image", "step", "population", "neuron")
PLACE = ("x", "y", "c")
MAX_BITS = 63  # of the fields of a word
MAX_NAMES = 200  # characters that name fields
ROWS = 2**16  # lines that are written or read at a time
NUMBER = re.compile(rb"[0-9]{1,18}")
FIELD = re.compile(r"([a-z]{1,10})(?::([0-9]{1,2}))?")
Fields: TypeAlias = Mapping[str, int]  # the bits of each field of a word, the highest field first
KNOWN = ({*COLUMNS[1:]}, {*COLUMNS[1:3], *PLACE})  # what says an event, beside the image


def fields_of(text: str, place: str) -> Sequence[str] | Fields:
    """The columns of lines, NAME,NAME, or the fields of words, NAME:BITS,NAME:BITS, that a text names. Errors:
    UsageError.
    """
    found = [FIELD.fullmatch(part.strip()) for part in text[:MAX_NAMES].split(",")]
    named = [(match[1], match[2]) for match in found if match is not None]
    wide = [bits for _, bits in named if bits is not None]
    if (
        len(text) > MAX_NAMES
        or len(named) < len(found)
        or (wide and len(wide) < len(named))
        or len(dict(named)) < len(named)
    ):
        raise UsageError(
            RULE, place, "are no fields", text[:60], "wanted names, each once: step,neuron; or step:8,neuron:9"
        )
    return {name: int(bits) for name, bits in named} if wide else [name for name, _ in named]


def checked(fields: object, place: str) -> Sequence[str] | Fields:
    """The columns of lines, or the fields of words, when they say what an event is. Errors: UsageError."""
    names = [*fields] if isinstance(fields, Mapping | list | tuple) else []
    if {*names} - {"image"} not in KNOWN or len({*names}) < len(names):
        wanted = f"wanted {', '.join(COLUMNS)}, in any order; x, y, c for neuron; without image it is image 0"
        told = ", ".join(map(str, names)) or type(fields).__name__
        raise UsageError(RULE, place, "do not say what an event is", told, wanted)
    if not isinstance(fields, Mapping):
        return names
    for name, bits in fields.items():
        if not isinstance(bits, int | np.integer) or isinstance(bits, bool) or bits < 1:
            raise UsageError(RULE, f"{place} {name}", "is no width", bits, "wanted bits, 1 or more")
    if sum(fields.values()) > MAX_BITS:
        raise UsageError(RULE, place, "make too wide a word", sum(fields.values()), f"at most {MAX_BITS} bits")
    return dict(fields)


def addresses(layout: Layout, p: Population) -> Ints:
    """The address of each neuron of a population (LAYOUT-3)."""
    found = np.empty(p.neurons, np.int64)
    found[layout.neuron_at(p)] = np.arange(p.neurons)
    return found


def to_columns(net: Network, layout: Layout, events: Ints, names: Sequence[str]) -> Ints:
    """Events (E, 4) as these columns (E, len(names)), ordered by image, step, population and address."""
    image, step, population, neuron = events.T
    _, heights, widths = _sides(net, population)
    at = neuron.copy()
    for index in np.unique(population).tolist():
        mine = population == index
        at[mine] = addresses(layout, net.populations[index])[neuron[mine]]
    found = {"image": image, "step": step, "population": population, "neuron": at}
    found |= {"x": neuron % widths, "y": neuron // widths % heights, "c": neuron // (widths * heights)}
    order = np.lexsort((at, population, step, image))
    return np.stack([found[name][order] for name in names], axis=1)


def of_columns(net: Network, layout: Layout, values: Ints, names: Sequence[str], place: str) -> Ints:
    """Events (E, 4) in canonical order (EVENT-1) from columns. Errors: FileError for what no event of the network is,
    or is told twice.
    """
    given = dict(zip(names, values.T, strict=True))
    image = given.get("image", np.zeros(len(values), np.int64))
    step, population = given["step"], given["population"]
    _within(population, np.full(len(values), len(net.populations)), "population", place)
    _check_steps(net, step, population, place)
    sides = _sides(net, population)
    if "neuron" in given:
        neuron = given["neuron"].copy()
        _within(neuron, sides[0] * sides[1] * sides[2], "neuron", place)
        for index in np.unique(population).tolist():
            mine = population == index
            neuron[mine] = layout.neuron_at(net.populations[index])[neuron[mine]]
    else:
        for name, side in zip("cyx", sides, strict=True):
            _within(given[name], side, name, place)
        neuron = (given["c"] * sides[1] + given["y"]) * sides[2] + given["x"]
    events = np.stack([image, step, population, neuron], axis=1)
    order = np.lexsort(events.T[::-1])
    events = events[order]
    again = np.flatnonzero((events[1:] == events[:-1]).all(axis=1))
    if len(again):
        at = int(order[again[0] + 1])
        told = ", ".join(f"{name} {value}" for name, value in zip(COLUMNS, events[again[0]].tolist(), strict=True))
        raise FileError(RULE, f"{place}: event {at}", "is told twice", told, "each event once")
    return events


def _sides(net: Network, population: Ints) -> tuple[Ints, Ints, Ints]:
    """(C, H, W) of the population of each event."""
    shapes = np.array([p.shape for p in net.populations], np.int64)[population]
    return shapes[:, 0], shapes[:, 1], shapes[:, 2]


def _within(values: Ints, counts: Ints, what: str, place: str) -> None:
    """Nothing, when every value is one of 0..count - 1. Errors: FileError naming the first event that is not."""
    wrong = np.flatnonzero((values < 0) | (values >= counts))
    if len(wrong):
        at = int(wrong[0])
        limit = f"wanted 0..{int(counts[at]) - 1}"
        raise FileError(RULE, f"{place}: event {at}", f"there is no such {what}", int(values[at]), limit)


def _check_steps(net: Network, step: Ints, population: Ints, place: str) -> None:
    """Nothing, when every step is one in which its population fires (TRACE-4). Errors: FileError."""
    names = [p.name for p in net.populations]
    windows = [net.schedule.fires[name] for name in names]
    first = np.array([window.start for window in windows], np.int64)[population]
    stop = np.array([window.stop for window in windows], np.int64)[population]
    wrong = np.flatnonzero((step < first) | (step >= stop))
    if len(wrong):
        at = int(wrong[0])
        name = names[int(population[at])]
        limit = f"{name} fires in steps {first[at]}..{stop[at] - 1}" if stop[at] > first[at] else f"{name} never fires"
        raise FileError("TRACE-4", f"{place}: event {at}", "step is not one of its population", int(step[at]), limit)


def to_lines(columns: Ints) -> Iterator[bytes]:
    """Columns as lines of numbers between commas, some at a time."""
    for first in range(0, len(columns), ROWS):
        rows = columns[first : first + ROWS].tolist()
        yield "".join(f"{','.join(map(str, row))}\n" for row in rows).encode("ascii")


def indexes(net: Network) -> dict[bytes, bytes]:
    """The index of each population, in digits, by its name where that is not digits alone: those are an index."""
    names = [p.name.encode("ascii") for p in net.populations]
    return {name: b"%d" % index for index, name in enumerate(names) if not name.isdigit()}


def of_lines(net: Network, lines: Sequence[bytes], names: Sequence[str], place: str) -> Ints:
    """The columns (E, len(names)) that lines hold, populations by their index. Errors: FileError naming the first event
    that is none.
    """
    at_population, known = [*names].index("population"), indexes(net)
    parts = [np.empty((0, len(names)), np.int64)]
    for first in range(0, len(lines), ROWS):
        rows = [[value.strip() for value in line.split(b",")] for line in lines[first : first + ROWS]]
        for number, row in enumerate(rows):
            if len(row) == len(names):
                row[at_population] = known.get(row[at_population], row[at_population])
            if len(row) != len(names) or not all(map(NUMBER.fullmatch, row)):
                shown = b",".join(row)[:40].decode("ascii", "replace")
                at = f"{place}: event {first + number}"
                limit = f"wanted {','.join(names)}, a population by its index or name"
                raise FileError(RULE, at, "is not a line of numbers", shown, limit)
        numbers = np.fromiter(map(int, chain.from_iterable(rows)), np.int64, len(rows) * len(names))
        parts.append(numbers.reshape(len(rows), len(names)))
    return np.concatenate(parts)


def to_numbers(columns: Ints, fields: Fields) -> Ints:
    """Columns as numbers, the first field highest. Errors: UsageError for a field that is too narrow."""
    total = np.zeros(len(columns), np.int64)
    for (name, bits), values in zip(fields.items(), columns.T, strict=True):
        if len(values) and (most := int(values.max())) >> bits:
            limit = f"{name} {most} takes {most.bit_length()}"
            raise UsageError(RULE, f"field {name}", "is too narrow", f"{bits} bits", limit)
        total = total << bits | values
    return total


def of_numbers(numbers: Ints, fields: Fields) -> Ints:
    """The columns (E, fields) that numbers hold."""
    columns: list[Ints] = []
    for bits in reversed([*fields.values()]):
        columns.append(numbers & ((1 << bits) - 1))
        numbers = numbers >> bits
    return np.stack(columns[::-1], axis=1)


def joined(parts: Iterator[bytes], place: str) -> bytes:
    """A text from its parts. Errors: LimitError for one that is longer than what is read back."""
    kept, size = [], 0
    for part in parts:
        kept.append(part)
        size += len(part)
        if size > MAX_TEXT:
            limit = f"at most {MAX_TEXT} bytes: fewer images or populations"
            raise LimitError(RULE, place, "is too long for one list", None, limit)
    return b"".join(kept)
