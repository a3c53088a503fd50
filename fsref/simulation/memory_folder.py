"""A folder of memories: the network, its stimuli and what is right, with a manifest and headers, in one of the text
formats of memories; and back (LAYOUT-5).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from os import PathLike
from typing import Any, Protocol

from fsref.formats import coe, headers, mif, readmemh
from fsref.formats import layout as layouts
from fsref.formats.files import NewFolder, path_of
from fsref.formats.layout import Layout
from fsref.formats.memories import Memory, parameters
from fsref.formats.words import Words
from fsref.law.network import Network
from fsref.law.populations import OBSERVABLES
from fsref.simulation import dumps
from fsref.simulation.recording import Trace, check_trace
from fsref.tables import plural
from fsref.version import SPEC_VERSION, __version__

SCHEMA = 1  # of manifest.json
MANIFEST, SYSTEMVERILOG, C = "manifest.json", "fsref_network.svh", "fsref_network.h"
PARAMETERS = ("weights", "bias", "T", "h", "d")
NAMES = re.compile(
    rf"{re.escape(MANIFEST)}|fsref_network\.svh?|fsref_network\.h"
    rf"|(population|projection)\.\d+\.({'|'.join((*PARAMETERS, *OBSERVABLES))})\.(mem|coe|mif)"
)


def is_ours(names: set[str]) -> bool:
    """Whether files of these names are a folder of memories and nothing else."""
    return MANIFEST in names and all(NAMES.fullmatch(name) for name in names)


class Text(Protocol):
    """A text format of memories: a module with a suffix, and `write` and `read` of words."""

    SUFFIX: str

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
        layout: Layout | Mapping[str, Any] | str | PathLike[str] | None = None,
        replace: bool = False,
    ) -> None:
        """Write the memories of a network, and of a recording of it, as a new folder, the same bytes for the same
        integers and layout (LAYOUT-5).

        `layout` is a mapping of the keys of LAYOUT-1 to LAYOUT-4, or the path of a JSON file that holds one. Errors:
        UsageError, also for a word that is too narrow, FileError.
        """
        chosen = layouts.given(layout, net)
        if trace is not None:
            check_trace(trace, "trace")
        entries, written = [], []
        images = 0 if trace is None else trace.image_count
        with NewFolder(path_of(path, "export"), "LAYOUT-5", "memories", is_ours, replace) as folder:
            for memory, words in _memories(net, chosen, trace):
                file = memory.file + self.text.SUFFIX
                told = f"{memory.of} {memory.what}: {plural(len(words), 'word')} of {words.bits} bits, {_order(memory)}"
                folder.add(file, self.text.write(words, told))
                entries.append(_entry(memory, words, file, trace))
                written.append((memory, len(words), file))
            head = {"fsref": __version__, "spec_version": SPEC_VERSION, "schema": SCHEMA, "format": self.name}
            about = {**head, "network": net.name, "id": net.id, "image_count": images, "layout": chosen.to_dict()}
            folder.add(MANIFEST, (json.dumps({**about, "memories": entries}, indent=1) + "\n").encode())
            known = headers.constants(net, chosen, written, images)
            comment = f"fsref {__version__}, network {net.id}"
            folder.add(SYSTEMVERILOG, headers.systemverilog(known, comment))
            folder.add(C, headers.c(known, comment))


FOLDERS = {form: Folder(form, text) for form, text in (("readmemh", readmemh), ("coe", coe), ("mif", mif))}


def _memories(net: Network, layout: Layout, trace: Trace | None) -> Iterator[tuple[Memory, Words]]:
    """Every memory and its words as they lie in the file."""
    for memory in parameters(net, layout):
        yield memory, layout.pack(memory.values, memory.bits, f"{memory.of} {memory.what}")
    for memory in dumps.memories(trace, layout) if trace is not None else ():
        yield memory, dumps.words(trace, layout, memory)


def _order(memory: Memory) -> str:
    """The axes and their sizes, the last running fastest, in words."""
    return ", ".join(f"{axis} {size}" for axis, size in zip(memory.axes, memory.values.shape, strict=True))


def _entry(memory: Memory, words: Words, file: str, trace: Trace | None) -> dict[str, Any]:
    """What the manifest says of a memory."""
    told: dict[str, Any] = {"file": file, "of": memory.of, "what": memory.what, "axes": memory.axes}
    told |= {"shape": memory.values.shape, "words": len(words), "bits": words.bits, "signed": memory.signed}
    if "image" not in memory.axes or trace is None:
        return told
    p = dumps.owner(trace.net, (memory.of, memory.what))
    neurons, window = trace.selection.neurons[p.name], trace.selection.window[p.name]
    told["neurons"] = "all" if len(neurons) == p.neurons else neurons.tolist()
    if memory.what in ("spikes", "membranes"):
        told["steps"] = [trace.net.schedule.start[p.name] + t for t in window.tolist()]
    return told
