"""A folder of memories: the network, its stimuli and what is right, with a manifest and headers, in one of the text
formats of memories; and back (LAYOUT-5).
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fsref.errors import FileError, LimitError
from fsref.formats import bench, coe, headers, mif, readmemh
from fsref.formats import layout as layouts
from fsref.formats.bench import Bench
from fsref.formats.files import NewFolder, path_of
from fsref.formats.hexadecimal import MAX_BYTES, MAX_TEXT
from fsref.formats.layout import Layout
from fsref.formats.memories import PARAMETERS, Memory, owner, parameters
from fsref.formats.words import Words
from fsref.law.network import Network
from fsref.law.populations import OBSERVABLES
from fsref.simulation import dumps, fed, folder_told
from fsref.simulation.folder_told import MANIFEST, Told
from fsref.simulation.memory import check_memory
from fsref.simulation.recording import Key, Trace, check_trace
from fsref.simulation.store import listed
from fsref.version import SPEC_VERSION, __version__

NAME = re.compile(  # of a memory: population or projection, index, what it holds, suffix
    rf"(population|projection)\.([0-9]{{1,6}})\.({'|'.join((*PARAMETERS, *OBSERVABLES))})(\.mem|\.coe|\.mif)"
)
EACH = 28  # bytes that reading takes for each byte of a text, of words for each of their digits
SYSTEMVERILOG, C, BENCH = "fsref_network.svh", "fsref_network.h", "fsref_bench.sv"
Given = Layout | Mapping[str, Any] | str | PathLike[str] | None


def is_ours(folder: Path, names: set[str]) -> bool:
    """Whether the files of these names in a folder are memories, in whichever format, and nothing else: those that its
    manifest lists (RUN-5).
    """
    known = listed(folder / MANIFEST, lambda told: [memory["file"] for memory in told["memories"]])
    rest = names - {MANIFEST, SYSTEMVERILOG, C, BENCH}
    return bool(known) and rest <= known and all(map(NAME.fullmatch, rest))


class Text(Protocol):
    """A text format of memories: a module with a suffix, and `write` and `read` of words."""

    SUFFIX: str
    BETWEEN: int  # characters between the digits of two words, at most

    def write(self, words: Words, comment: str) -> bytes:
        """The text of words."""

    def read(self, data: bytes, bits: int, place: str) -> Words:
        """The words of `bits` bits in a text."""


@dataclass(frozen=True)
class Folder:
    """A format of folders of memories: its name, and the text of one memory."""

    name: str
    text: Text

    is_ours = staticmethod(is_ours)

    def save(
        self,
        net: Network,
        path: str | PathLike[str],
        trace: Trace | None = None,
        layout: Given = None,
        replace: bool = False,
    ) -> None:
        """Write the memories of a network, and of a recording of it, as a new folder, the same bytes for the same
        integers and layout (LAYOUT-5).

        `layout` is a mapping of the keys of LAYOUT-1 to LAYOUT-4, or the path of a JSON file that holds one. Errors:
        UsageError, also for a word that is too narrow, LimitError, FileError.
        """
        self.write(net, path, trace, layouts.given(layout, net), replace)

    def write(
        self,
        net: Network,
        path: str | PathLike[str],
        trace: Trace | None,
        chosen: Layout,
        replace: bool,
        wanted: Bench | None = None,
    ) -> None:
        """Write a folder as `save` does, with a test bench where one is wanted."""
        if trace is not None:
            check_trace(trace, "trace")
            folder_told.check_network(trace.net, net)
        if wanted is not None:
            fed.check_feed(net, wanted.feed, trace)
        written: list[Memory] = []
        images = 0 if trace is None else trace.image_count
        with NewFolder(path_of(path, "export"), "LAYOUT-5", "folders of memories", self.is_ours, replace) as folder:
            for memory in _memories(net, chosen, trace):
                self._check_size(memory)
                axes = zip(("words", "bits", *memory.axes), _sizes(memory), strict=True)
                told = f"{memory.of} {memory.what}: {', '.join(f'{name} {size}' for name, size in axes)}"
                data = self.text.write(memory.words, told)
                folder.add(memory.file + self.text.SUFFIX, data)
                written.append(memory)
            known, stems = headers.constants(net, chosen, written, self.text.SUFFIX, images)
            about: dict[str, Any] = {"fsref": __version__, "spec_version": SPEC_VERSION, "schema": folder_told.SCHEMA}
            about |= {"format": self.name, "network": net.name, "id": net.id, "image_count": images}
            about |= {"layout": chosen.to_dict(), "populations": folder_told.populations(trace)}
            about |= {"memories": [self._entry(memory) for memory in written], "constants": known}
            folder.add(MANIFEST, folder_told.lines(about))
            comment = f"fsref {__version__}, network {net.id}"
            folder.add(SYSTEMVERILOG, headers.systemverilog(known, comment))
            folder.add(C, headers.c(known, comment))
            if wanted is not None:
                folder.add(BENCH, bench.text(net, chosen, wanted, written, stems, comment))

    def _check_size(self, memory: Memory) -> None:
        """Nothing, when a memory is one that is read back. Errors: LimitError."""
        count, bits, place = len(memory.words), memory.words.bits, f"{memory.of} {memory.what}"
        text = count * (-(-bits // 4) + self.text.BETWEEN)
        if memory.words.data.size > MAX_BYTES or text > MAX_TEXT:
            limit = f"at most {MAX_BYTES} bytes, {MAX_TEXT} of text: fewer images, populations or observables"
            raise LimitError("LAYOUT-5", place, "is too long for one memory", f"{count} words of {bits} bits", limit)

    def _entry(self, memory: Memory) -> dict[str, Any]:
        """What the manifest says of a memory."""
        told: dict[str, Any] = {"file": memory.file + self.text.SUFFIX, "of": memory.of, "what": memory.what}
        told |= {"axes": memory.axes, "shape": memory.shape, "words": len(memory.words)}
        return {**told, "bits": memory.words.bits, "signed": memory.signed}

    def read(self, net: Network, path: str | PathLike[str], layout: Given = None, memory_limit: int = 2**33) -> Trace:
        """The observables that the memories of a folder hold, or one file of such a name; those that are not there were
        not observed (TRACE-1).

        Without `layout` it is what manifest.json says, where there is one; that also says which neurons and steps were
        recorded, else all. Errors: FileError, UsageError, LimitError for what takes more than `memory_limit` bytes.
        """
        asked = path_of(path, "read_trace")
        folder = asked if os.path.isdir(asked) else asked.parent
        told = folder_told.read(net, folder, self.name, None if layout is None else layouts.given(layout, net))
        arrays: dict[Key, NDArray[np.integer]] = {}
        unknown: dict[Key, NDArray[np.integer]] = {}
        for name, key in self._files(net, asked):
            held = 2 * sum(array.nbytes for array in arrays.values())  # with what may be unknown of them
            _check_memory(folder / name, held, memory_limit)
            arrays[key], bits = self._array(net, told, key, folder / name, held, memory_limit)
            unknown |= {} if bits is None else {key: bits}
            if told.image_count and len(arrays[key]) > told.image_count:
                limit = f"at most {told.image_count}, as {folder_told.MANIFEST} says: is it of another run?"
                raise FileError("TRACE-2", str(folder / name), "holds more images", len(arrays[key]), limit)
        if not arrays:
            limit = f"wanted files such as population.0.codes{self.text.SUFFIX}"
            raise FileError("LAYOUT-5", str(asked), "holds no observable of this network", None, limit)
        if not (count := max(map(len, arrays.values()))):
            raise FileError("TRACE-6", str(asked), "holds no answer", None, "all of its memories are empty")
        selection = folder_told.selection(net, told, arrays)
        arrays = {key: arrays[key] for key in selection.arrays(net, 1) if key in arrays}
        size = sum(math.prod(array.shape[1:]) * array.itemsize for array in arrays.values())
        check_memory(4 * count * size, memory_limit, str(asked))
        for key in [key for key, array in arrays.items() if len(array) < count]:
            unknown[key] = _longer(unknown.get(key, np.zeros_like(arrays[key])), count, -1)
            arrays[key] = _longer(arrays[key], count, 0)
        whole, seen = dumps.unshifted(net, told.layout, arrays, str(asked))
        return Trace(net, count, selection, whole, seen, unknown)

    def _files(self, net: Network, asked: Path) -> Iterator[tuple[str, Key]]:
        """The files of observables, by name, and what they hold. Errors: FileError for what the network has not."""
        try:
            names = sorted(os.listdir(asked)) if os.path.isdir(asked) else [asked.name]
        except (OSError, ValueError) as error:
            raise FileError("LAYOUT-5", str(asked), "cannot be read", getattr(error, "strerror", str(error))) from None
        places = {"population": [p.name for p in net.populations], "projection": list(net.named_projections)}
        for name in names:
            match = NAME.fullmatch(name)
            if match is None or match[3] in PARAMETERS or match[4] != self.text.SUFFIX:
                continue
            known, index = places[match[1]], int(match[2])
            of = known[index] if index < len(known) else ""
            there = (
                match[3] == "sums" if match[1] == "projection" else of and match[3] in net[of].observables - {"sums"}
            )
            if not of or not there:
                limit = f"there are {len(known)} {match[1]}s" if not of else f"{of} has none"
                raise FileError("LAYOUT-5", str(asked), "the network has no such memory", name, limit)
            yield name, (of, match[3])

    def _array(
        self, net: Network, told: Told, key: Key, path: Path, held: int, memory_limit: int
    ) -> tuple[NDArray[np.integer], NDArray[np.integer] | None]:
        """The array of one file, and which bits of it are unknown, None for none. Errors: FileError, UsageError."""
        neurons = len(told.selection.neurons[owner(net, key).name])
        words, unknown = self._words(_bytes(path), dumps.word_bits(net, told.layout, key, neurons), str(path))
        check_memory(held + EACH * 2 * words.data.size, memory_limit, str(path))  # a short text may stand for many
        if not len(words):  # nothing was answered
            shape, kind = told.selection.arrays(net, 0)[key]
            return np.zeros(shape, kind), None
        how = net, told.layout, key
        array = dumps.array_of(*how, words, told.selection, str(path))
        return array, None if unknown is None else dumps.unknown_of(*how, unknown, told.selection, str(path))

    def _words(self, data: bytes, bits: int, place: str) -> tuple[Words, Words | None]:
        """The words in a text, and the bits of them that are x or z. Errors: FileError."""
        return self.text.read(data, bits, place), None


@dataclass(frozen=True)
class BenchFolder(Folder):
    """The format of folders of memories that simulators read, with a test bench where one is wanted, and write, with x
    and z where a chip did not answer (TRACE-6).
    """

    def _words(self, data: bytes, bits: int, place: str) -> tuple[Words, Words | None]:
        return readmemh.answers(data, bits, place)

    def save(
        self,
        net: Network,
        path: str | PathLike[str],
        trace: Trace | None = None,
        layout: Given = None,
        replace: bool = False,
        feed: Iterable[str] = (),
        command: str = "",
    ) -> None:
        """Write a folder as Folder.save does, and a test bench of a chip that gets the spikes of the populations `feed`
        and answers with all else that `trace` holds (BENCH-1); its last line says `command` and the folder of answers,
        as what compares them. Errors: UsageError, LimitError, FileError.
        """
        names = (feed,) if isinstance(feed, str) else tuple(feed)
        self.write(net, path, trace, layouts.given(layout, net), replace, Bench(names, command) if names else None)


FOLDERS = {"readmemh": BenchFolder("readmemh", readmemh), "coe": Folder("coe", coe), "mif": Folder("mif", mif)}


def _memories(net: Network, layout: Layout, trace: Trace | None) -> Iterator[Memory]:
    """Every memory of a network and of a recording of it."""
    yield from parameters(net, layout)
    if trace is not None:
        yield from dumps.memories(trace, layout)


def _longer(array: NDArray[np.integer], count: int, filling: int) -> NDArray[np.integer]:
    """An array of `count` images, those that are missing filled."""
    more = np.full((count - len(array), *array.shape[1:]), filling).astype(array.dtype)
    return np.concatenate([array, more])


def _sizes(memory: Memory) -> tuple[int, ...]:
    """Words, their bits, and the sizes of the axes of a memory."""
    return len(memory.words), memory.words.bits, *memory.shape


def _check_memory(path: Path, held: int, memory_limit: int) -> None:
    """Nothing, when the text of a memory can be read beside the `held` bytes of others. Errors: LimitError."""
    with suppress(OSError, ValueError):  # what cannot be looked at is told when it is read
        size = min(os.stat(path).st_size, MAX_TEXT)
        check_memory(held + EACH * size, memory_limit, str(path))


def _bytes(path: Path) -> bytes:
    """What a file holds, when it is one, and no longer than a memory is. Errors: FileError."""
    try:
        if not os.path.isfile(path):
            raise FileError("LAYOUT-5", str(path), "is not a file")
        with path.open("rb") as file:
            data = file.read(min(os.fstat(file.fileno()).st_size, MAX_TEXT) + 1)
    except (OSError, ValueError) as error:
        raise FileError("LAYOUT-5", str(path), "cannot be read", getattr(error, "strerror", str(error))) from None
    if len(data) > MAX_TEXT:
        raise FileError("LAYOUT-5", str(path), "is too long for a memory", None, f"at most {MAX_TEXT} bytes")
    return data
