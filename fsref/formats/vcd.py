"""Value change dumps: what a simulator writes of its signals over time, read token by token (IEEE 1364-2005, 18).

Nothing of a file is kept but the signals that were asked for: as long as it is, memory stays what these take.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO, TypeAlias

from fsref.errors import FileError

RULE = "VCD-2"
MAX_FILE = 2**36
MAX_LINE = 2**24  # bytes, more than a vector of all neurons of a population takes
MAX_SCOPES = 2**8  # one inside the other
MAX_TEXT = 2**28  # bytes of memory for a comment, which may hold a permutation of neurons
TOKEN = 64  # of them for each token
SIGNAL = re.compile(rb"\\?([^\s\[\]\\]{1,80})(?:\[([0-9]{1,9})\])?(?:\[(-?[0-9]{1,9}):(-?[0-9]{1,9})\])?")
TIME = re.compile(rb"#[0-9]{1,19}")
BITS = re.compile(rb"[01xXzZ]+")
SCALARS = frozenset(b"01xXzZ")
DUMPS = {b"$dumpvars", b"$dumpall", b"$dumpon", b"$dumpoff", b"$end"}
Tokens: TypeAlias = Iterator[tuple[int, bytes]]


@dataclass(frozen=True)
class Signal:
    """A signal: its scopes from the outermost on, name, number where it is one of an array or a bit, and bits; `rising`
    where bit 0 of it is written first.
    """

    scopes: tuple[str, ...]
    name: str
    number: int | None
    bits: int
    rising: bool

    def __str__(self) -> str:
        return ".".join((*self.scopes, self.name)) + ("" if self.number is None else f"[{self.number}]")


@dataclass
class Header:
    """What a dump declares: the signals asked for, by the identifiers that stand for them, and its first comment."""

    signals: dict[bytes, list[Signal]] = field(default_factory=dict)
    comment: str = ""


class Dump:
    """A dump in the reading: its header with at most `most` signals that are `asked` for, then `changes`. Errors:
    FileError naming the line, of all that is no dump.
    """

    def __init__(self, file: BinaryIO, place: str, asked: Callable[[Signal], bool], most: int) -> None:
        self.place, self.asked, self.most, self.count = place, asked, most, 0
        self.tokens = self._tokens(file)
        self.header = Header()
        self._declare()

    def changes(self) -> Iterator[tuple[int, dict[bytes, bytes]]]:
        """Each time and the last values that signals asked for take in it, as digits 0, 1, x, z, the highest first."""
        wanted, time, found = self.header.signals, 0, {}
        for number, token in self.tokens:
            first = token[0]
            if first in SCALARS:
                if (name := token[1:]) in wanted:
                    found[name] = token[:1]
            elif first in b"bB":
                name = self._next(number)
                if name in wanted:
                    if not BITS.fullmatch(token, 1):
                        raise self.error(number, "is no value", token)
                    found[name] = token[1:]
            elif first in b"#":
                if not TIME.fullmatch(token) or (now := int(token[1:])) < time:
                    raise self.error(number, "is no time from now on", token, f"wanted #{time} or later")
                if now > time:
                    yield time, found
                    time, found = now, {}
            elif first in b"rRsS":
                self._next(number)
            elif token == b"$comment":
                self._text(number)
            elif token not in DUMPS:
                raise self.error(number, "is no change of a value", token)
        yield time, found

    def error(self, number: int, problem: str, token: bytes, limit: str = "") -> FileError:
        """What is wrong in a line."""
        return FileError(RULE, f"{self.place}: line {number}", problem, token[:40].decode("ascii", "replace"), limit)

    def _tokens(self, file: BinaryIO) -> Tokens:
        """What stands between blanks, each with its line."""
        number = 0
        while line := file.readline(MAX_LINE + 1):
            number += 1
            if len(line) > MAX_LINE:
                raise FileError(RULE, f"{self.place}: line {number}", "is too long", None, f"at most {MAX_LINE} bytes")
            for token in line.split():
                yield number, token

    def _next(self, number: int) -> bytes:
        """The next token, which has to be there."""
        following = next(self.tokens, None)
        if following is None:
            raise FileError(RULE, f"{self.place}: line {number}", "the dump ends here", None, "a whole dump")
        return following[1]

    def _text(self, number: int) -> list[bytes]:
        """The tokens up to the next $end."""
        found, size = [], 0
        while (token := self._next(number)) != b"$end":
            found.append(token)
            size += len(token) + TOKEN
            if size > MAX_TEXT:
                raise FileError(RULE, f"{self.place}: line {number}", "has no $end soon", None, f"{MAX_TEXT} bytes")
        return found

    def _declare(self) -> None:
        """Read the header."""
        scopes: list[str] = []
        for number, token in self.tokens:
            if not re.fullmatch(rb"\$[a-z]+", token):
                raise self.error(number, "declares nothing", token, "wanted a value change dump, which begins with $")
            words = self._text(number)
            match token:
                case b"$enddefinitions":
                    return
                case b"$scope":
                    if len(words) != 2 or len(scopes) == MAX_SCOPES:
                        raise self.error(number, "is no scope", b" ".join(words), "a kind and a name")
                    scopes.append(words[1].decode("ascii", "replace").removeprefix("\\"))
                case b"$upscope":
                    if not scopes:
                        raise self.error(number, "leaves no scope", token)
                    scopes.pop()
                case b"$var":
                    self._signal(tuple(scopes), words, number)
                case b"$comment":
                    self.header.comment = self.header.comment or b" ".join(words).decode("ascii", "replace")
        raise FileError(RULE, self.place, "is no value change dump", None, "$enddefinitions is missing")

    def _signal(self, scopes: tuple[str, ...], words: list[bytes], number: int) -> None:
        """Take in a declaration: kind, bits, identifier, name and what stands behind it."""
        if len(words) < 4 or not re.fullmatch(b"[0-9]{1,9}", words[1]):
            raise self.error(number, "is no signal", b" ".join(words), "kind, bits, identifier, name")
        match = SIGNAL.fullmatch(b"".join(words[3:]))
        if match is None or words[0] in (b"real", b"realtime", b"string", b"event"):
            return
        index, first, last = (None if text is None else int(text) for text in match.groups()[1:])
        rising = first is not None and last is not None and first < last
        signal = Signal(scopes, match[1].decode("ascii", "replace"), index, int(words[1]), rising)
        if self.asked(signal):
            self.header.signals.setdefault(words[2], []).append(signal)
            self.count += 1
            if self.count > self.most:
                raise self.error(number, "is one signal too many", words[3], f"at most {self.most} of this network")
