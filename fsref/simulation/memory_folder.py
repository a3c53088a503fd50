"""A folder of memories: the network, its stimuli and what is right, with a manifest and headers, in one of the text
formats of memories (LAYOUT-5).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

from fsref.formats import headers
from fsref.formats.files import NewFolder
from fsref.formats.layout import Layout
from fsref.formats.memories import Memory, parameters
from fsref.formats.words import Words
from fsref.law.network import Network
from fsref.simulation import dumps
from fsref.simulation.recording import Trace
from fsref.tables import plural
from fsref.version import SPEC_VERSION, __version__

SCHEMA = 1  # of manifest.json
MANIFEST = "manifest.json"


class Text(Protocol):
    """A text format of memories: a module with a suffix, and `write` and `read` of words."""

    SUFFIX: str

    def write(self, words: Words, comment: str) -> bytes:
        """The text of words."""

    def read(self, data: bytes, bits: int, place: str) -> Words:
        """The words of `bits` bits in a text."""


def write(net: Network, path: Path, form: str, text: Text, layout: Layout, trace: Trace | None) -> None:
    """Write the memories of a network, and of a recording of it, as a new folder (LAYOUT-5). Errors: UsageError for a
    word that is too narrow, FileError.
    """
    entries, written = [], []
    images = 0 if trace is None else trace.image_count
    with NewFolder(path, "LAYOUT-5", "export") as folder:
        for memory, words in _memories(net, layout, trace):
            file = memory.file + text.SUFFIX
            told = f"{memory.of} {memory.what}: {plural(len(words), 'word')} of {words.bits} bits, {_order(memory)}"
            (folder / file).write_bytes(text.write(words, told))
            entries.append(_entry(memory, words, file, trace, layout))
            written.append((memory, len(words), file))
        head = {"fsref": __version__, "spec_version": SPEC_VERSION, "schema": SCHEMA, "format": form}
        about = {**head, "network": net.name, "id": net.id, "image_count": images, "layout": layout.to_dict()}
        lines = json.dumps({**about, "memories": entries}, indent=1)
        (folder / MANIFEST).write_text(lines + "\n", encoding="utf-8")
        known = headers.constants(net, layout, written, images)
        comment = f"fsref {__version__}, network {net.id}"
        (folder / "fsref.svh").write_bytes(headers.systemverilog(known, comment))
        (folder / "fsref.h").write_bytes(headers.c(known, comment))


def _memories(net: Network, layout: Layout, trace: Trace | None) -> Iterator[tuple[Memory, Words]]:
    """Every memory and its words as they lie in the file."""
    for memory in parameters(net, layout):
        yield memory, layout.pack(memory.values, memory.bits, f"{memory.of} {memory.what}")
    for memory in dumps.memories(trace, layout) if trace is not None else ():
        yield memory, dumps.words(trace, layout, memory)


def _order(memory: Memory) -> str:
    """The axes and their sizes, the last running fastest, in words."""
    return ", ".join(f"{axis} {size}" for axis, size in zip(memory.axes, memory.values.shape, strict=True))


def _entry(memory: Memory, words: Words, file: str, trace: Trace | None, layout: Layout) -> dict[str, Any]:
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
