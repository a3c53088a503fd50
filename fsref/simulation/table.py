"""Tables of comma-separated values as recordings: a line for each integer, or a line for each image (TRACE-5)."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fsref.errors import FileError
from fsref.formats.labels import few
from fsref.formats.memories import owner
from fsref.formats.reading import opened
from fsref.law.network import Network
from fsref.law.neuron import Ints
from fsref.law.populations import OBSERVABLES
from fsref.simulation.answers import key_of, ordered
from fsref.simulation.memory import check_memory
from fsref.simulation.recording import Key, Selection, Trace
from fsref.tables import Brief

RULE = "TRACE-5"
COLUMNS = ("image", "population", "neuron", "x", "y", "c", "step", "observable", "value")
INTEGER = re.compile(r"[+-]?[0-9]{1,19}")
INTEGERS = re.compile(r"[+-]?[0-9]{1,19}(?:,[+-]?[0-9]{1,19})*+")
SEPARATED = re.compile(r"\S[;\s]\s*\S")
MAX_LINE = 2**24  # bytes
MAX_FILE = 2**33
LINES = 2**16  # that are taken at a time
EACH = 40  # bytes of memory for each byte of a chunk of lines, and of what was read for each byte of the file
Joined: TypeAlias = tuple[NDArray[Any], ...]  # what a Found holds, each (n,)
UNKNOWN = frozenset("xXzZ")  # values of what a simulator does not know


@dataclass(repr=False)
class Found(Brief):
    """What a table says of one observable of one population: images, neurons, steps of the window, -1 for none, values,
    and which of them are x or z, each in parts (n,).
    """

    images: list[Ints] = field(default_factory=list)
    neurons: list[Ints] = field(default_factory=list)
    steps: list[Ints] = field(default_factory=list)
    values: list[Ints] = field(default_factory=list)
    unknown: list[NDArray[np.bool_]] = field(default_factory=list)

    def joined(self) -> Joined:
        """The parts as one."""
        return tuple(np.concatenate(parts) for parts in vars(self).values())

    def add(self, *found: NDArray[Any]) -> None:
        """Take in images, neurons, steps, values and which are unknown, (n,) each."""
        for parts, part in zip(vars(self).values(), found, strict=True):
            parts.append(part)


def read(path: Path, net: Network, memory_limit: int) -> Trace:
    """The recording that a table holds. Errors: FileError, naming the line; LimitError."""
    with opened(path, RULE, MAX_FILE, "a table of comma-separated values") as (file, size):
        check_memory(EACH * min(size, 8 * MAX_LINE) + 8 * size, memory_limit, str(path))
        table = Table(net, path)
        for lines in _chunks(file, str(path)):
            table.take(lines)
    return recorded(net, table.found, str(path), memory_limit)


def _chunks(file: BinaryIO, place: str) -> Iterator[list[tuple[int, str]]]:
    """The lines of a file that hold something, numbered from 1, so many at a time. Errors: FileError."""
    kept: list[tuple[int, str]] = []
    number = taken = 0
    while line := file.readline(MAX_LINE + 1):
        number += 1
        if len(line) > MAX_LINE:
            raise FileError(RULE, f"{place}: line {number}", "is too long", None, f"at most {MAX_LINE} bytes")
        text = line.decode("ascii", "replace" if number > 1 else "ignore").strip()
        if text and not text.startswith("#"):
            kept.append((number, text))
            taken += len(line)
        if len(kept) == LINES or taken > MAX_LINE:
            yield kept
            kept, taken = [], 0
    if kept:
        yield kept


class Table:
    """A table in the reading: its columns from its first line, or from its name where that holds integers alone, and
    what was found so far, by observable.
    """

    def __init__(self, net: Network, path: Path) -> None:
        self.net, self.place = net, str(path)
        self.named = path.name.removesuffix(".csv")
        self.head: tuple[str, ...] = ()
        self.found: dict[Key, Found] = {}
        self.rows = 0

    def take(self, lines: Sequence[tuple[int, str]]) -> None:
        """Take in some lines, the first of all lines among them. Errors: FileError."""
        cells = [self._cells(text, number) for number, text in lines]
        numbers = [number for number, _ in lines]
        if not self.head:
            self.head = self._header(cells[0], numbers[0])
            if not INTEGER.fullmatch(cells[0][0]):
                cells, numbers = cells[1:], numbers[1:]
        for row, number in zip(cells, numbers, strict=True):
            if len(row) != len(self.head):
                limit = f"{len(self.head)}, as the first line has"
                raise FileError("TRACE-2", self._at(number), "wrong number of values", len(row), limit)
        if cells:
            columns = dict(zip(self.head, map(list, zip(*cells, strict=True)), strict=True))
            self._rows(columns, numbers)
            self.rows += len(cells)

    def _cells(self, text: str, number: int) -> list[str]:
        """What stands between the commas of a line, without quotes. Errors: FileError."""
        try:
            row = next(csv.reader([text], skipinitialspace=True)) if '"' in text else text.split(",")
        except csv.Error as error:
            raise FileError(RULE, self._at(number), "is no line of a table", str(error)) from None
        return [cell.strip() for cell in row]

    def _at(self, number: int) -> str:
        return f"{self.place}: line {number}"

    def _header(self, row: list[str], number: int) -> tuple[str, ...]:
        """The names of the columns. Errors: FileError."""
        if INTEGER.fullmatch(row[0]):
            key = self._key(self.named, "", number)
            neurons = owner(self.net, key).neurons
            if len(row) != neurons:
                problem = f"a line without names holds the neurons of {key[0]}"
                raise FileError("TRACE-2", self._at(number), problem, len(row), f"wanted {neurons}")
            return tuple(map(str, range(neurons)))
        if SEPARATED.search(row[0]):
            limit = "not by semicolons, tabs or blanks"
            raise FileError(RULE, self._at(number), "columns are separated by commas", row[0][:40], limit)
        names = tuple(name.lower() for name in row)
        wide = any(name.isdecimal() for name in names)
        for name in names:
            if name not in COLUMNS and not name.isdecimal():
                limit = f"wanted some of {', '.join(COLUMNS)}; or numbers of neurons"
                raise FileError(RULE, self._at(number), "unknown column", name[:40], limit)
        missing = "" if wide or "value" in names else "value"
        if not wide and "neuron" not in names and not {"x", "y", "c"} <= set(names):
            missing = "neuron, or x, y and c"
        if wide and "image" not in names and {"population", "observable", "step"} & set(names):
            missing = "image"
        extra = [name for name in names if wide and name in ("neuron", "x", "y", "c", "value")]
        if missing or extra or len(set(names)) < len(names) or ("neuron" in names and {"x", "y", "c"} & set(names)):
            limit = f"missing: {missing}" if missing else "each once, and a neuron by number or by x, y and c"
            raise FileError(RULE, self._at(number), "columns do not say what a line holds", few(names), limit)
        return names

    def _key(self, of: str, what: str, number: int) -> Key:
        """What a line is of. Errors: FileError."""
        if what and what not in OBSERVABLES:
            raise FileError(RULE, self._at(number), "unknown observable", what[:40], f"wanted {', '.join(OBSERVABLES)}")
        try:
            return key_of(self.net, of, self._at(number), what)
        except FileError as error:
            if of != self.named:
                raise
            limit = f"{error.limit}: in a column population, or the file's name, NAME.OBSERVABLE.csv"
            raise FileError(error.rule, error.place, error.problem, error.value, limit) from None

    def _rows(self, columns: Mapping[str, list[str]], numbers: list[int]) -> None:
        """Take in rows by column. Errors: FileError."""
        count = len(numbers)
        whats = columns.get("observable", [""] * count)
        wheres = list(zip(columns.get("population", [self.named] * count), whats, strict=True))
        pairs = {pair: place for place, pair in enumerate(dict.fromkeys(wheres))}
        index = np.fromiter((pairs[pair] for pair in wheres), np.intp, count)
        for place, (of, what) in enumerate(pairs):
            rows = np.flatnonzero(index == place)
            key = self._key(of, what, numbers[rows[0]])
            own = [numbers[row] for row in rows.tolist()]
            some = {name: [column[row] for row in rows.tolist()] for name, column in columns.items()}
            self._one(key, some, own)

    def _one(self, key: Key, columns: Mapping[str, list[str]], numbers: list[int]) -> None:
        """Take in rows of one observable. Errors: FileError."""
        p, count = owner(self.net, key), len(numbers)
        wide = [name for name in columns if name.isdecimal()]
        steps = self._steps(key, columns, numbers)
        if "image" in columns:
            images = self._integers(columns["image"], "image", 2**40, numbers)
        else:  # lines of a wide table are images, or the steps of one after the other
            images = self.rows + np.arange(count) if wide else np.zeros(count, np.int64)
            if wide and key[1] == "membranes" and "step" not in columns:
                images, steps = np.divmod(images, self.net.steps[p.name])
        if wide:
            named = self._integers(wide, "neuron", p.neurons, [numbers[0]] * len(wide))
            values, unknown = zip(*(self._values(columns[n], numbers) for n in wide), strict=True)
            neurons, repeat = np.tile(named, count), len(wide)
            images, steps = np.repeat(images, repeat), np.repeat(steps, repeat)
            told = np.stack(values, axis=1).reshape(-1), np.stack(unknown, axis=1).reshape(-1)
        else:
            neurons, told = self._neurons(p.shape, p.neurons, columns, numbers), self._values(columns["value"], numbers)
        self.found.setdefault(key, Found()).add(images, neurons, steps, *told)
        if key[1] == "spikes":
            self._trains(key, told[0], steps, numbers, len(wide) or 1)

    def _values(self, texts: list[str], numbers: list[int]) -> tuple[Ints, NDArray[np.bool_]]:
        """The integers of a column of values, and which of them are x or z, told as 0 (TRACE-6). Errors: FileError."""
        unknown = np.zeros(len(texts), np.bool_)
        if not UNKNOWN.isdisjoint(texts):
            unknown = np.array([text in UNKNOWN for text in texts])
            texts = ["0" if text in UNKNOWN else text for text in texts]
        return self._integers(texts, "value", None, numbers), unknown

    def _trains(self, key: Key, values: Ints, steps: Ints, numbers: list[int], each: int) -> None:
        """Nothing, when spikes are 0 or 1 in their steps, or words of K bits. Errors: FileError."""
        top = np.where(steps < 0, 2 ** self.net.steps[key[0]], 2)
        wrong = np.flatnonzero((values < 0) | (values >= top))
        if len(wrong):
            limit = f"0..{int(top[wrong[0]]) - 1}: a train word, or, with a step, whether the neuron fires in it"
            at = self._at(numbers[int(wrong[0]) // each])
            raise FileError(RULE, at, "spikes out of range", int(values[wrong[0]]), limit)

    def _steps(self, key: Key, columns: Mapping[str, list[str]], numbers: list[int]) -> Ints:
        """The steps of rows in the window, -1 where a value has none (TRACE-4). Errors: FileError."""
        p = owner(self.net, key)
        given = columns.get("step", [""] * len(numbers))
        start, count = self.net.schedule.start.get(p.name, 0), self.net.steps[p.name]
        none = np.array([not text for text in given])
        if key[1] not in ("spikes", "membranes") and not none.all():
            at = numbers[int(np.argmin(none))]
            raise FileError(RULE, self._at(at), f"{key[1]} have no step", given[int(np.argmin(none))], "leave it empty")
        if key[1] == "membranes" and none.any() and not any(name.isdecimal() for name in columns):
            limit = f"{start}..{start + count - 1}, the steps of {p.name}"
            raise FileError(RULE, self._at(numbers[int(np.argmax(none))]), "membranes have a step", None, limit)
        steps = np.full(len(numbers), -1, np.int64)
        if not none.all():
            some = np.flatnonzero(~none).tolist()
            own = [numbers[row] for row in some]
            read = self._integers([given[row] for row in some], "step", None, own)
            wrong = np.flatnonzero((read < start) | (read >= start + count))
            if len(wrong):
                limit = f"{start}..{start + count - 1}, steps of the image in which {p.name} fires"
                at, value = own[int(wrong[0])], int(read[wrong[0]])
                raise FileError("TRACE-4", self._at(at), "step is not one of its population", value, limit)
            steps[some] = read - start
        return steps

    def _neurons(
        self, shape: tuple[int, int, int], count: int, columns: Mapping[str, list[str]], numbers: list[int]
    ) -> Ints:
        """The neurons of rows, by number or by place (NET-3). Errors: FileError."""
        if "neuron" in columns:
            return self._integers(columns["neuron"], "neuron", count, numbers)
        c, y, x = (self._integers(columns[name], name, side, numbers) for name, side in zip("cyx", shape, strict=True))
        found: Ints = (c * shape[1] + y) * shape[2] + x
        return found

    def _integers(self, texts: list[str], name: str, count: int | None, numbers: list[int]) -> Ints:
        """The integers of a column, 0..count - 1 where there is a count. Errors: FileError."""
        try:
            if INTEGERS.fullmatch(",".join(texts)):
                found = np.array(texts).astype(np.int64)
                if count is None or (found.min() >= 0 and found.max() < count):
                    return found
        except (OverflowError, ValueError):  # more than 64 bits
            pass
        for text, number in zip(texts, numbers, strict=True):
            if not INTEGER.fullmatch(text):
                partly = ", x for all of a value; where a train is x in some steps, a line for each step"
                limit = f"decimal digits{partly if set('xXzZ') & set(text) else ''}"
                raise FileError(RULE, self._at(number), f"{name} is no integer", text[:40] or None, limit)
            value = int(text)
            if not (0 <= value < count if count else -(2**63) <= value < 2**63):
                limit = f"wanted 0..{count - 1}" if count else "64 bits with a sign"
                problem = f"there is no such {name}" if count else f"{name} out of range"
                raise FileError(RULE, self._at(number), problem, value, limit)
        return np.array([int(text) for text in texts], np.int64)


def recorded(net: Network, found: Mapping[Key, Found], place: str, memory_limit: int) -> Trace:
    """The recording that integers with their places make; what none of them says was not observed (TRACE-1).

    Errors: FileError for none at all, or one that is told twice; LimitError.
    """
    if not found:
        raise FileError(RULE, place, "holds no integer", None, f"a first line such as {','.join(COLUMNS)}, and values")
    joined = {key: own.joined() for key, own in found.items()}
    count = 1 + max(int(parts[0].max()) for parts in joined.values())
    names = [p.name for p in net.populations if any(owner(net, key).name == p.name for key in joined)]
    neurons, window = {}, {}
    for name in names:
        own = [parts for key, parts in joined.items() if owner(net, key).name == name]
        neurons[name] = np.unique(np.concatenate([parts[1] for parts in own])).astype(np.intp)
        steps = np.unique(np.concatenate([parts[2] for parts in own]))
        trains = any(key == (name, "spikes") and (parts[2] < 0).any() for key, parts in joined.items())
        known = steps[steps >= 0].astype(np.intp)
        window[name] = np.arange(net.steps[name]) if trains or not len(known) else known
    kinds = tuple(o for o in OBSERVABLES if any(key[1] == o for key in joined))
    complete = all(len(neurons[n]) == net[n].neurons and len(window[n]) == net.steps[n] for n in names)
    selection = Selection(neurons, window, kinds, complete)
    shapes = selection.arrays(net, count)
    size = sum(2 * int(np.prod(shapes[key][0], dtype=object)) * shapes[key][1].itemsize for key in joined)
    check_memory(size, memory_limit, place)
    arrays, seen, unknown = {}, {}, {}
    for key, parts in joined.items():
        array, bits, whole = placed(net, key, parts, selection, *shapes[key], place)
        arrays[key] = array
        if not whole:
            seen[key] = bits
        if (hidden := parts[4]).any():
            where, told = _bits_of(net, key, tuple(part[hidden] for part in parts), selection)
            unknown[key] = np.zeros(*shapes[key])
            np.bitwise_or.at(unknown[key], where, told.astype(shapes[key][1]))
    return Trace(net, count, selection, ordered(net, arrays), seen, unknown)


def _bits_of(net: Network, key: Key, parts: Joined, selection: Selection) -> tuple[tuple[Ints, ...], Ints]:
    """Where integers stand in the array of a recording, and which bits of it each of them is."""
    name = owner(net, key).name
    images, neurons, steps = parts[:3]
    at = np.searchsorted(selection.neurons[name], neurons)
    if key[1] == "membranes":
        return (images, np.searchsorted(selection.window[name], steps), at), np.full(len(images), -1, np.int64)
    if key[1] == "spikes":
        bits = 1 << np.minimum(net.steps[name] - 1 - steps, 63)
        return (images, at), np.where(steps < 0, 2 ** net.steps[name] - 1, bits)
    return (images, at), np.full(len(images), -1, np.int64)


def placed(
    net: Network,
    key: Key,
    parts: Joined,
    selection: Selection,
    shape: tuple[int, ...],
    kind: np.dtype[Any],
    place: str,
) -> tuple[NDArray[Any], NDArray[Any], bool]:
    """One array of a recording, the bits of it that were told, and whether that is all. Errors: FileError for what is
    told twice.
    """
    name = owner(net, key).name
    images, neurons, steps, values, _ = parts
    where, bits = _bits_of(net, key, parts, selection)
    word = values
    if key[1] == "spikes":
        word = np.where(steps < 0, values, values << np.minimum(net.steps[name] - 1 - steps, 63))
    array, seen = np.zeros(shape, kind), np.zeros(shape, kind)
    np.bitwise_or.at(array, where, word.astype(kind))
    np.bitwise_or.at(seen, where, bits.astype(kind))
    told = int(np.bitwise_count(seen).sum()) if key[1] == "spikes" else int((seen != 0).sum())
    given = int(np.bitwise_count(bits.astype(kind)).sum()) if key[1] == "spikes" else len(values)
    if told < given:
        order = np.lexsort(where[::-1])
        same = np.all([w[order][1:] == w[order][:-1] for w in where], axis=0)
        first = order[1:][same][:1].tolist()
        which = f"image {images[first[0]]} neuron {neurons[first[0]]}" if first else None
        raise FileError(RULE, place, f"{' '.join(key)} are told twice", which, "each integer once")
    full = np.array(-1, np.int64).astype(kind)
    if key[1] == "spikes":
        full = np.array(sum(1 << (net.steps[name] - 1 - t) for t in selection.window[name].tolist()), kind)
    return array, seen, bool((seen == full).all())
