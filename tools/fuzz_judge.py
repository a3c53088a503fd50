"""What of a command line is a fault: how it ended, what it printed, took and left."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from signal import Signals

from fuzz_child import Said

MIB = 2**20
LIMIT = 256 * MIB  # what a verb may take, as it is told
PICTURE = 2**26 * 12  # what an image file may take: pixels (RUN-4), as read, as colours and resized
OVERHEAD = 128 * MIB  # beside either: libraries not touched before, the file itself
LINE = 2_000  # characters
OBEYED = ("Cc", "Cf", "Zl", "Zp")  # categories of characters that a terminal or an editor obeys
DIFFERING = (
    "diff",
    "check",
    "convert",
    "vectors",
    "cover",
    "view",
)  # verbs whose exit code 1 says that something differs, or does not fit
STARTING = ("drive", "replay")  # which start devices and programs
ERROR, NOTE = "fsref: error: ", "fsref: note: "
Listing = Mapping[str, tuple[int, int]]


@dataclass(frozen=True)
class Fault:
    """What a judge found, and words that are the same for the same fault of the program."""

    judge: str
    detail: str


def listing(*folders: Path) -> Listing:
    """Size and date of every file below some folders, and the folders in them."""
    found = {}
    for path in (path for folder in folders for path in folder.rglob("*")):
        held = path.lstat()
        found[str(path)] = (0, 0) if path.is_dir() else (held.st_size, held.st_mtime_ns)
    return found


def faults(
    said: Said, line: list[str], foreign: bool, output: str, bound: int, left: Listing, target: Path | None
) -> Iterator[Fault]:
    """Every fault of a command line that may take `bound` bytes and writes to an `output`; `left` is what is there now
    and was not before, or is not as it was.
    """
    if said.signal:
        slow = said.signal in (Signals.SIGXCPU, Signals.SIGALRM)
        yield Fault("time" if slow else "died", f"{Signals(said.signal).name} in {line[0]}")
        return
    if said.escaped:
        yield Fault("traceback", said.escaped)
        return
    if said.code not in ((0, 1, 2) if line[0] in DIFFERING else (0, 2)):
        yield Fault("exit code", f"{said.code} of {line[0]}")
    for did in said.did if line[0] not in STARTING else ():
        yield Fault("forbidden", did)
    if said.growth > bound + OVERHEAD or f"{ERROR}out of memory" in said.err:
        yield Fault("memory", line[0])
    yield from _printed(said, line, output)
    if foreign and said.code == 0:
        yield Fault("taken", "what no page lists, or outside of its folder")
    if output == "full" and said.code != 2:
        yield Fault("exit code", f"{said.code} of {line[0]} on a full device")
    untold = output == "full" and f"{ERROR}standard output: " in said.err  # all is done, but nobody could be told
    yield from _left(said, left, target, untold)
    if said.misfit:
        judge, _, detail = said.misfit.partition(": ")
        yield Fault(judge, detail)


def _printed(said: Said, line: list[str], output: str) -> Iterator[Fault]:
    """The faults of standard output and standard error."""
    json_told = "--json" in line and output in ("file", "terminal")
    in_bytes = line[:2] == ["vectors", "show"] and "--frames" in line  # asked for, and no text
    for stream, text in (("stdout", "" if in_bytes else said.out), ("stderr", said.err)):
        if obeyed(text, output == "terminal" and stream == "stdout"):
            yield Fault("control character", f"on {stream} of {line[0]}")
        if max(map(len, text.split("\n"))) > LINE and not (stream == "stdout" and (json_told or "--hex" in line)):
            yield Fault("long line", f"on {stream} of {line[0]}")
    lines = said.err.splitlines()
    strange = [one for one in lines if not one.startswith((ERROR, NOTE))]
    if strange:
        yield Fault("stderr", f"{line[0]}: {_words(strange[0])}")
    errors = sum(one.startswith(ERROR) for one in lines)
    if errors != (said.code == 2):
        yield Fault("stderr", f"{errors} errors, exit code {said.code} of {line[0]}")
    if json_told and (said.out or said.code == 0) and not _is_json(said.out):
        yield Fault("stdout", f"{line[0]} --json is no JSON")
    if not json_told and said.code == 2 and said.out and line[0] != "convert":  # which prints as it goes
        yield Fault("stdout", f"{line[0]} fails in the middle of it")


def _left(said: Said, left: Listing, target: Path | None, untold: bool) -> Iterator[Fault]:
    """The faults of what is left behind."""
    for name in left:
        path = Path(name)
        if target is None or (path != target and target not in path.parents):
            yield Fault(
                "left behind", re.sub(r"[.][^./]*[.][^./]{8}$|tmp[^/]{8}", "...", f"{path.parent.name}/{path.name}")
            )
            return
    if said.code == 2 and left and not untold:
        yield Fault("left behind", "the target of a verb that failed")


def obeyed(text: str, terminal: bool) -> bool:
    """Whether there is a character that a terminal would obey; on a terminal, colours are none."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", text) if terminal else text
    return any(c != "\n" and unicodedata.category(c) in OBEYED for c in set(text))


def _is_json(text: str) -> bool:
    """Whether a text is one line of JSON."""

    def refuse(word: str) -> None:
        raise ValueError(word)

    try:
        json.loads(text, parse_constant=refuse)
    except ValueError:
        return False
    return True


def _words(line: str) -> str:
    """A line without what differs from file to file."""
    return re.sub(r"\d+", "N", re.sub(r"\S*/", "", line))[:60]
