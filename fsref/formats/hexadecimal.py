"""Words as hexadecimal digits, ceil(bits / 4) of them, and back: what the text formats of memories share (LAYOUT-6)."""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from fsref.errors import FileError
from fsref.formats.words import Words

RULE = "LAYOUT-6"
DIGITS = b"0123456789abcdef"
PIECE = 2**22  # digits of the words that are read at a time
MAX_BYTES, MAX_TEXT = 2**26, 2**28  # of the words of one memory, and of the text of them
ZEROS = 64  # before a word, as many as are looked at for all words at once
NUMBER = re.compile(rb"[^\s,]+")
MAX_DECIMAL = 4000  # digits of a decimal number: more take the square of their count
NOTHING = "is unknown: nothing was written there"
BLANK, BAD = 16, 17
KIND = np.full(256, BAD, np.uint8)  # what a character is: the value of a digit, or one of these
KIND[list(b" \t\r\n\v\f,")] = BLANK
KIND[list(DIGITS)] = KIND[list(DIGITS.upper())] = np.arange(16)
Places: TypeAlias = NDArray[np.int32]  # in a text, which is shorter than 2^31


def digits(words: Words) -> NDArray[np.uint8]:
    """The digits of words, (n, ceil(bits / 4)) ASCII codes."""
    n, count = words.data.shape
    text = np.frombuffer(binascii.hexlify(words.data.tobytes()), np.uint8).reshape(n, 2 * count)
    return text[:, 2 * count - -(-words.bits // 4) :]


def lines(words: Words, end: bytes = b"\n") -> bytes:
    """The words, each followed by `end`."""
    text = digits(words)
    ends = np.broadcast_to(np.frombuffer(end, np.uint8), (len(text), len(end)))
    return np.concatenate([text, ends], axis=1).tobytes()


def words_of(text: bytes, bits: int, place: str) -> Words:
    """The words that a text of hexadecimal numbers holds, between blanks or commas; a number may have
    fewer digits than a word, or zeros before them. Errors: FileError that names the word.
    """
    kinds = KIND[np.frombuffer(text, np.uint8)]
    starts, ends = spans(kinds != BLANK)
    octets = -(-bits // 8)
    check_count(len(starts), octets, place)
    found = np.empty((len(starts), octets), np.uint8)
    for first in range(0, len(starts), step := max(1, PIECE // (2 * octets))):
        some = slice(first, first + step)
        wrong = _fill(found[some], kinds, starts[some], ends[some], bits)
        if wrong is not None:
            at = first + wrong
            raise FileError(RULE, f"{place}: word {at}", *_told(text[starts[at] : ends[at]], bits, ends - starts))
    return Words(bits, found)


def spans(inside: NDArray[np.bool_]) -> tuple[Places, Places]:
    """Where runs of flags begin, and behind which place they end."""
    padded = np.concatenate([[False], inside, [False]])
    return places(inside & ~padded[:-2]), places(inside & ~padded[2:]) + np.int32(1)


def places(flags: NDArray[np.bool_]) -> Places:
    """Where flags of the characters of a text are set."""
    return np.flatnonzero(flags).astype(np.int32)


def check_count(count: int, octets: int, place: str) -> None:
    """Nothing, when no more words of so many bytes are there than are read. Errors: FileError."""
    if count > (most := MAX_BYTES // octets):
        raise FileError(RULE, place, "holds too many words", count, f"at most {most}")


def _fill(found: NDArray[np.uint8], kinds: NDArray[np.uint8], starts: Places, ends: Places, bits: int) -> int | None:
    """Fill bytes of words (n, octets) from their digits; the first word that is none, or is too wide."""
    width = 2 * found.shape[1]
    lengths = ends - starts
    nibbles = np.zeros((len(found), width), np.uint8)
    wrong = np.zeros(len(found), np.bool_)
    most = width + ZEROS
    for back in range(1, min(most, int(lengths.max())) + 1):  # digits from the last one on
        there = np.flatnonzero(lengths >= back) if back > int(lengths.min()) else slice(None)
        values = kinds[ends[there] - back]
        wrong[there] |= (values >= BLANK) | ((values > 0) if back > width else False)
        if back <= width:
            nibbles[there, width - back] = values & 15
    for long in np.flatnonzero(lengths > most).tolist():
        wrong[long] |= bool(kinds[starts[long] : ends[long] - most].any())
    found[:] = nibbles[:, 0::2] << 4 | nibbles[:, 1::2]
    wrong |= found[:, 0] > 0xFF >> (-bits % 8)
    return int(np.flatnonzero(wrong)[0]) if wrong.any() else None


def _told(token: bytes, bits: int, lengths: Places) -> tuple[str, str, str]:
    """What is wrong with a word among words of so many digits: problem, what is shown of it, what would do."""
    text = token[:20].decode("ascii", "replace")
    if set(token.lower()) <= set(DIGITS):
        limit, wide = f"wanted words of {bits} bits", 4 * int(lengths.max())
        if len(lengths) > 1 and (lengths == lengths[0]).all() and wide > bits:
            limit += f"; these look like words of {wide} bits: layout word={wide}"
        return "has more bits than a word", text, limit
    if set(token.lower()) <= set(DIGITS + b"xz"):
        return "is unknown, x or z" if set(token) - set(b"xz") else NOTHING, text, "wanted a hexadecimal number"
    return "is not a hexadecimal number", text, f"wanted at most {-(-bits // 4)} digits"


def respelt(text: bytes, radix: int, bits: int, place: str) -> bytes:
    """Numbers of another radix in hexadecimal; those below 0, which decimal ones may be, in two's complement. Errors:
    FileError that names the word.
    """
    if radix == 16:
        return text
    found = bytearray()  # a list of the numbers would take many times as much
    for number in _respelt(text, radix, bits, place):
        found += number
    return bytes(found)


def _respelt(text: bytes, radix: int, bits: int, place: str) -> Iterator[bytes]:
    """The numbers one by one."""
    form = re.compile({2: rb"()([01]+)", 8: rb"()([0-7]+)", 10: rb"(-?)([0-9]+)"}[radix])
    most = min(bits, MAX_DECIMAL) if radix == 10 else bits
    for number, match in enumerate(NUMBER.finditer(text)):
        token, value = match[0], None
        if (found := form.fullmatch(token)) is not None and len(digits := found[2].lstrip(b"0")) <= most:
            value = int(found[1] + (digits or b"0"), radix)
        if value is None or not -(1 << bits - 1) <= value < 1 << bits:
            shown = token[:20].decode("ascii", "replace")
            unknown = "is unknown, x or z" if set(token.lower()) & set(b"xz") else "is not a word"
            unknown = NOTHING if set(token) <= set(b"xz") else unknown
            raise FileError(
                RULE, f"{place}: word {number}", unknown, shown, f"wanted a number of {bits} bits in radix {radix}"
            )
        yield b"%x " % (value % (1 << bits))
