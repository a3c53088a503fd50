"""A pack as a program in C that asks a function and judges its replies by itself (VECTOR-6)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from os import PathLike
from pathlib import Path

import numpy as np

from fsref.conformance.driven import Reject, owner
from fsref.conformance.frames import MOST_SAID, Words
from fsref.conformance.greeting import Greeting
from fsref.conformance.replies import able, items
from fsref.conformance.wire import Sent, asked
from fsref.errors import LimitError, printable
from fsref.formats.bench import STEPPED, quoted
from fsref.formats.files import NewFolder, path_of
from fsref.simulation.recording import Key
from fsref.vectors.bench import label
from fsref.vectors.case import Case
from fsref.vectors.pack import Pack
from fsref.version import __version__

PART = 2**18  # words of a file, unless one frame or reply is longer
MOST = 2**24  # words of a program
LOWEST = -(2**63)  # which C has no constant for
EACH = 16  # words of a line
OURS = re.compile(r"fsref_vectors\.[ch]|fsref_words_[0-9]{1,4}\.c")
ENGINE = Path(__file__).with_suffix(".c")  # what asks and compares, the same for every pack,
MARK = "/* The asks of a pack stand here. */\n"  # but for these
HEADER = """\
#ifndef FSREF_VECTORS_H
#define FSREF_VECTORS_H
#include <stddef.h>
#include <stdint.h>

/* Yours: writes the reply to a frame of so many words (CONFORM-1), at most `room` words; returns how many it has. */
size_t device(const int64_t *frame, size_t words, int64_t *reply, size_t room);

#endif
"""


def is_ours(folder: Path, names: set[str]) -> bool:
    """Whether the files of these names are such a program, and nothing else (RUN-5)."""
    return "fsref_vectors.h" in names and all(map(OURS.fullmatch, names))


def save(pack: Pack, path: str | PathLike[str], replace: bool = False) -> tuple[int, int]:
    """Write the program of a pack as a new folder, and say how many cases and rejects it has. Errors: LimitError,
    UsageError, FileError.
    """
    found = files(pack, able(pack))
    with NewFolder(path_of(path, "bench"), "VECTOR-6", "programs of vectors", is_ours, replace) as folder:
        for name, data in found.items():
            folder.add(name, data)
    return len(pack.cases), len(pack.rejects)


def files(pack: Pack, greeting: Greeting) -> dict[str, bytes]:
    """The files of the program by name, around a device that says of itself what a greeting does. Errors:
    LimitError.
    """
    made = _Program(pack, greeting)
    text = {"fsref_vectors.h": [HEADER], "fsref_vectors.c": made.text()}
    text |= {f"fsref_words_{number}.c": _part(number, part) for number, part in enumerate(made.parts)}
    return {name: "".join([f"/* fsref {__version__} */\n", *pieces]).encode("ascii") for name, pieces in text.items()}


class _Program:
    """What a pack asks, as C: words in `parts`, each frame and reply once; tables of what runs answer; asks."""

    def __init__(self, pack: Pack, greeting: Greeting) -> None:
        self.pack, self.greeting = pack, greeting
        self.parts: list[list[Words]] = [[]]
        self.words, self.of_part = 0, 0  # words of all parts, and of the last
        self.places: dict[bytes, str] = {}  # of frames and replies
        self.arrays: dict[tuple[str, str, str], str] = {}  # names of tables by network, scope and unit
        self.tables: list[str] = []
        self.asks: list[str] = []
        self.room = 1 + MOST_SAID
        sent, behind, refused = Sent(), "", 0
        for place, one in enumerate(items(pack)):
            if isinstance(one, Case):  # behind rejects it is the last one
                told, behind = label(min(place, len(pack.cases) - 1), one) + behind, ""
            else:
                told = f"reject {refused} ({one.id}, {one.rule} {' '.join(pack.rejects[refused].flags)})"
                behind, refused = f" behind {told}", refused + 1
            for (frame, _), what in asked(one, sent, self.greeting):
                self.ask(told, frame, one, what)

    def ask(self, told: str, frame: Words, one: Case | Reject, what: str) -> None:
        """Take a frame, and the reply that is right. Errors: LimitError."""
        right, table = np.array(frame[:1]), "NULL"  # the reply to all but a run
        if what == "run":
            assert isinstance(one, Case)
            keys = self.greeting.asked(one)
            values = [one.expected[key].reshape(-1) for key in keys]
            right = np.concatenate([right, *(part for array in values for part in ([array.size], array))])
            table = self.table(one, keys)
        self.room = max(self.room, len(right))
        replies = ("NULL", 0) if what == "reject" else (self.place(right), len(right))
        line = f"{self.place(frame)}, {replies[0]}, {len(frame)}, {replies[1]}, {table}"
        self.asks.append(f"    {{{_quoted(told)}, {line}}},\n")

    def place(self, words: Words) -> str:
        """Where words lie: they are taken once. Errors: LimitError."""
        data = words.astype("<i8").tobytes()
        if data not in self.places:
            if self.of_part and self.of_part + len(words) > PART:
                self.parts.append([])
                self.of_part = 0
            self.places[data] = f"fsref_words_{len(self.parts) - 1} + {self.of_part}"
            self.parts[-1].append(words)
            self.of_part += len(words)
            self.words += len(words)
            if self.words > MOST:
                limit = f"at most {MOST} words: fewer scopes, or level 1"
                raise LimitError("VECTOR-6", "pack", "is too large for a program", None, limit)
        return self.places[data]

    def table(self, case: Case, keys: Sequence[Key]) -> str:
        """The name of the table of what a run of a case answers, in the order asked."""
        net, form = case.net, (case.net.id, case.scope, case.unit)
        if form not in self.arrays:
            self.arrays[form] = f"arrays_{len(self.arrays)}"
            self.tables.append(f"static const struct array {self.arrays[form]}[] = {{\n")
            for of, what in keys:
                p = net[owner(net, of)]
                steps = net.steps[p.name] if what in STEPPED else 0
                sizes = f"{net.schedule.start[p.name]}, {steps}, {p.neurons}, {p.shape[1]}, {p.shape[2]}"
                self.tables.append(f"    {{{_quoted(of)}, {_quoted(what)}, {sizes}}},\n")
            self.tables.append("};\n")
        return self.arrays[form]

    def text(self) -> Iterator[str]:
        """The program, but for its words."""
        yield '#include <inttypes.h>\n#include <stdio.h>\n#include <string.h>\n#include "fsref_vectors.h"\n'
        yield f"#define FSREF_ROOM {self.room}\n"
        yield f"#define FSREF_CASES {len(self.pack.cases)}\n#define FSREF_REJECTS {len(self.pack.rejects)}\n"
        yield from (f"extern const int64_t fsref_words_{number}[];\n" for number in range(len(self.parts)))
        types, engine = ENGINE.read_text(encoding="ascii").split(MARK)
        yield from (types, *self.tables, "static const struct ask asks[] = {\n", *self.asks, "};\n", engine)


def _part(number: int, part: Sequence[Words]) -> Iterator[str]:
    """The words of a part, as an array of C."""
    name = f"fsref_words_{number}[]"
    yield f"#include <stdint.h>\nextern const int64_t {name};\nconst int64_t {name} = {{\n"
    for words in part:
        shown = [str(word) if word != LOWEST else f"-{-(LOWEST + 1)} - 1" for word in words.tolist()]
        yield from (f"{','.join(shown[at : at + EACH])},\n" for at in range(0, len(shown), EACH))
    yield "};\n"


def _quoted(text: str) -> str:
    """A string of C, which knows no trigraph in it."""
    return quoted(printable(text)).replace("?", "\\077")
