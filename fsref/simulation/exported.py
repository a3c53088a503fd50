"""Whether memories are those that `fsref export` wrote, and so what is right, or a chip's answers (TRACE-1)."""

from __future__ import annotations

import os
import re
from pathlib import Path

from fsref.errors import FileError
from fsref.formats.reading import opened
from fsref.law.populations import OBSERVABLES
from fsref.simulation.memory_folder import NAME

FIRST = 2**12  # bytes of a file that are looked at
OURS = re.compile(rb"(?://|;|--) [^\n]+: words [0-9]+, bits [0-9]+, [^\n]+\n")  # the comment that memories begin with


def exported(dump: Path) -> tuple[str, ...]:
    """The names of the memories of observables in a folder, or of the one file, that fsref wrote itself. Errors:
    FileError where all are: they hold what is right, and nothing that a chip answered.
    """
    try:
        names = sorted(os.listdir(dump)) if os.path.isdir(dump) else [dump.name]
    except (OSError, ValueError):
        return ()  # told when it is read
    memories = [name for name in names if (match := NAME.fullmatch(name)) and match[3] in OBSERVABLES]
    folder = dump if os.path.isdir(dump) else dump.parent
    ours = tuple(name for name in memories if _ours(folder / name))
    if ours and len(ours) == len(memories):
        limit = "give the folder in which your chip's answers lie"
        raise FileError("TRACE-1", str(dump), "holds what fsref export wrote itself, no answers of a chip", None, limit)
    return ours


def _ours(path: Path) -> bool:
    """Whether a memory begins as fsref writes one."""
    try:
        with opened(path, "TRACE-1", 2**63, "a memory") as (file, _):
            return OURS.match(file.read(FIRST)) is not None
    except FileError:
        return False
