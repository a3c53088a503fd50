"""Frames: how a network, a run and an answer lie in 64-bit words, and these in bytes or lines (CONFORM-1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from string import hexdigits
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fsref.law.identity import words
from fsref.law.network import Network
from fsref.law.populations import OBSERVABLES
from fsref.simulation.recording import Key
from fsref.tables import plural

HELLO, LOAD, RUN, RESET, BYE, REFUSED = range(6)
VERSION = 1
MOST_SAID = 1_024  # words of its own with which a device refuses a frame
DIGITS = 16  # of a word in hex
Words: TypeAlias = NDArray[np.int64]


class NoReply(Exception):
    """What a device wrote is no reply to what it was asked; `str()` says why, `longer` that it is more than one."""

    def __init__(self, told: str, longer: bool = False) -> None:
        super().__init__(told)
        self.longer = longer


def too_long(count: int, most: int) -> NoReply:
    """That a reply has so many words, more than were asked for."""
    return NoReply(f"a reply of {plural(count, 'word')}, {count - most:,} more than was asked for", longer=True)


def check_length(reply: Words, most: int) -> None:
    """Nothing, when a reply has so many words at most, or refuses. Errors: NoReply."""
    if len(reply) > most and (reply[0] != REFUSED or len(reply) > 1 + MOST_SAID):
        raise too_long(len(reply), most)


def frame(*values: int) -> Words:
    """The frame of these words."""
    return np.array(values, np.int64)


def load_frame(net: Network) -> Words:
    """The frame that loads a network."""
    return np.concatenate([[LOAD], *words(net.populations, net.projections, net.steps)]).astype(np.int64)


def run_frame(net: Network, given: Mapping[Key, NDArray[Any]], asked: Sequence[Key]) -> Words:
    """The frame that runs what is given, and asks for observables."""
    parts: list[Any] = [[RUN, len(given)]]
    for key, values in given.items():
        parts += [[*_place(net, key), values.size], values.reshape(-1)]
    parts.append([len(asked)])
    parts += [_place(net, key) for key in asked]
    return np.concatenate(parts).astype(np.int64)


def _place(net: Network, key: Key) -> tuple[int, int]:
    """The index of a population or projection, and the number of an observable."""
    of, what = key
    names = list(net.named_projections) if what == "sums" else [p.name for p in net.populations]
    return names.index(of), OBSERVABLES.index(what)


def run_words(sizes: Sequence[int]) -> int:
    """How many words the reply to a run has that is asked for so many values each."""
    return 1 + len(sizes) + sum(sizes)


def run_reply(reply: Words, shapes: Mapping[Key, tuple[int, ...]]) -> dict[Key, Words]:
    """What a reply to a run answers: int64 arrays of `shapes`, in the order asked. Errors: NoReply."""
    found, at = {}, 1
    if reply[0] != RUN:
        raise NoReply(f"it begins with {reply[0]}, a reply to a run with {RUN}")
    for key, shape in shapes.items():
        size = int(np.prod(shape))
        named = ".".join(key)
        if at >= len(reply):
            raise NoReply(f"it ends before {named}")
        if reply[at] != size:
            raise NoReply(f"it gives {reply[at]} values of {named}, which has {size}")
        if at + 1 + size > len(reply):
            raise NoReply(f"it ends within {named}")
        found[key] = reply[at + 1 : at + 1 + size].reshape(shape)
        at += 1 + size
    if at < len(reply):
        raise too_long(len(reply), at)
    return found


def hello_text(reply: Words) -> bytes:
    """The bytes of the JSON object with which a device greets. Errors: NoReply."""
    if reply[0] != HELLO or len(reply) < 2:
        raise NoReply(f"it begins with {reply[0]}, a greeting with {HELLO} and a number of bytes")
    count, text = int(reply[1]), reply[2:]
    if not 0 <= count <= 8 * len(text) or len(text) != -(-count // 8):
        raise NoReply(f"it gives {count} bytes in {len(text)} words")
    return text.astype("<i8").tobytes()[:count]


def to_bytes(words: Words) -> bytes:
    """A frame as a device that takes frames reads it: its number of words, then these, little-endian."""
    return np.concatenate([[words.size], words]).astype("<i8").tobytes()


def from_bytes(data: bytes | bytearray) -> Words:
    """The words that bytes hold, little-endian."""
    return np.frombuffer(bytes(data), "<i8").astype(np.int64)


def to_hex(words: Words) -> str:
    """A frame as a line of hexadecimal words, two's complement, without its end."""
    text = words.astype(">i8").tobytes().hex()
    return " ".join(text[at : at + DIGITS] for at in range(0, len(text), DIGITS))


def from_hex(line: str) -> Words:
    """The words of a line. Errors: NoReply."""
    parts = line.split()
    if not parts:
        raise NoReply("an empty line")
    if all(len(part) <= DIGITS and part.isascii() and part.isalnum() for part in parts):
        with suppress(ValueError):
            return from_big("".join(part.zfill(DIGITS) for part in parts))
    raise _no_word(next(part for part in parts if len(part) > DIGITS or set(part) - set(hexdigits)))


def _no_word(part: str) -> NoReply:
    """That something between blanks is no word of hex."""
    would = " without 0x" if part.lower().startswith("0x") else ", blanks between" if "," in part else ""
    found = (
        f": {part[: DIGITS + 8]}" if part.isascii() and "\\" not in part else ""
    )  # what is no text is shown in bytes
    return NoReply(f"expected were words of at most {DIGITS} hexadecimal digits{would}{found}")


def from_big(digits: str) -> Words:
    """The words of digits, 16 each. Errors: ValueError."""
    return np.frombuffer(bytes.fromhex(digits), ">i8").astype(np.int64)
