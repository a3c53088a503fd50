"""Memories as Intel (Altera) tools read them: depth, width, radixes, then `ADDRESS : WORD;` (LAYOUT-6). Written in
hexadecimal; read in HEX, BIN, OCT, UNS and DEC, with ranges `[FIRST..LAST] : WORD;` and several words behind an
address.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fsref.errors import FileError
from fsref.formats import hexadecimal
from fsref.formats.hexadecimal import BLANK, KIND, Places
from fsref.formats.words import Words
from fsref.law.neuron import Ints
from fsref.tables import Brief

SUFFIX = ".mif"
BETWEEN = 15  # characters between the digits of two words: an address, ` : ` and `;`
RADIXES = {b"HEX": 16, b"DEC": 10, b"UNS": 10, b"OCT": 8, b"BIN": 2}
HEADS = (b"DEPTH", b"WIDTH", b"ADDRESS_RADIX", b"DATA_RADIX")
COMMENT = re.compile(rb"--[^\n]*|%[^%]*%")
BEGIN = re.compile(rb"\bCONTENT\s+BEGIN\b", re.IGNORECASE)
END = re.compile(rb"END\s*\Z", re.IGNORECASE)
RANGE = re.compile(rb"\s*\[\s*(\w+)\s*\.\.\s*(\w+)\s*\]\s*")
MAX_DIGITS = 60  # of an address
PIECE = 2**16  # addresses whose words are placed at a time


def write(words: Words, comment: str) -> bytes:
    """The text of words, behind a comment of one line."""
    head = f"-- {comment}\nDEPTH = {len(words)};\nWIDTH = {words.bits};\nADDRESS_RADIX = UNS;\nDATA_RADIX = HEX;\n"
    entries = zip(range(len(words)), hexadecimal.lines(words).split(), strict=False)
    body = b"".join(b"%d : %b;\n" % entry for entry in entries)
    return (head + "CONTENT\nBEGIN\n").encode("ascii") + body + b"END;\n"


def read(data: bytes, bits: int, place: str) -> Words:
    """The words of `bits` bits in a text. Errors: FileError."""
    text = COMMENT.sub(b" ", data)
    begin = BEGIN.search(text)
    said = [part.partition(b"=") for part in text[: begin.start() if begin else 0].split(b";")[:-1]]
    heads = {key.strip().upper(): value.strip().upper() for key, _, value in said[:9]}
    depth, width = (heads.get(key, b"") for key in HEADS[:2])
    radixes = [RADIXES.get(heads.get(key, b"HEX"), 0) for key in HEADS[2:]]
    known = set(heads) <= set(HEADS) and len(said) == len(heads) and all(radixes)
    if begin is None or not known or not all(n.isdigit() and len(n) < 16 for n in (depth, width)):
        limit = "wanted DEPTH, WIDTH, radixes, CONTENT BEGIN .. END;"
        raise FileError(hexadecimal.RULE, place, "is not a .mif memory", None, limit)
    if int(width) != bits:
        raise FileError(hexadecimal.RULE, place, "has words of another width", int(width), f"wanted {bits} bits")
    hexadecimal.check_count(int(depth), -(-bits // 8), place)
    numbers, entries = _placed(text[begin.end() :].replace(b",", b"?"), radixes[0], int(depth), place)  # no separator
    found = hexadecimal.words_of(hexadecimal.respelt(numbers, radixes[1], bits, place), bits, place)
    return Words(bits, entries.spread(found.data, int(depth)))


@dataclass(frozen=True, eq=False, repr=False)
class Entries(Brief):
    """The entries of a memory: the first and last address of each, how many words it has, and how many stand in the
    text before them.
    """

    first: Ints
    last: Ints
    given: Places
    before: Places

    def spread(self, words: NDArray[np.uint8], depth: int) -> NDArray[np.uint8]:
        """The word at each address, where entries are in the order of these: one repeats its words until it ends."""
        found = np.empty((depth, words.shape[1]), np.uint8)
        for at in range(0, depth, PIECE):
            address = np.arange(at, min(at + PIECE, depth))
            entry = np.searchsorted(self.first, address, "right") - 1
            found[address] = words[self.before[entry] + (address - self.first[entry]) % self.given[entry]]
        return found


def _placed(body: bytes, radix: int, depth: int, place: str) -> tuple[bytes, Entries]:
    """The words of all entries in turn, as a text, and the entries in the order of their addresses, each of which is
    given once. Errors: FileError.
    """
    body = body.rstrip(b"; \t\r\n")
    numbers, found = _entries(body[: body.rfind(b";") + 1], radix, place)
    if (wrong := np.flatnonzero((found.first > found.last) | (found.last >= depth))).size:
        shown = f"{found.first[wrong[0]]}..{found.last[wrong[0]]}"
        raise FileError(hexadecimal.RULE, place, "address out of range", shown, f"wanted 0..{depth - 1}")
    order = np.argsort(found.first, kind="stable")
    found = Entries(found.first[order], found.last[order], found.given[order], found.before[order])
    if (again := np.flatnonzero(found.first[1:] <= found.last[:-1])).size:
        shown = f"{found.first[again[0] + 1]}..{found.last[again[0] + 1]}"
        raise FileError(hexadecimal.RULE, place, "address is given twice", shown, "each once")
    count = int((found.last - found.first + 1).sum())
    if END.fullmatch(body[body.rfind(b";") + 1 :].strip()) is None or count < depth:
        limit = f"wanted each of {depth} addresses once, and END;"
        raise FileError(hexadecimal.RULE, place, "is not a word at each address", f"{count} read", limit)
    return numbers, found


def _entries(text: bytes, radix: int, place: str) -> tuple[bytes, Entries]:
    """The words of all entries in turn, as a text, and the entries. Errors: FileError."""
    codes = np.frombuffer(text, np.uint8)
    marks = hexadecimal.places((codes == ord(":")) | (codes == ord(";")))
    colons, stops = marks[0::2], marks[1::2]
    begins = np.concatenate([np.zeros(1, np.int32), stops + np.int32(1)])
    turned = codes[marks] == ord(":")
    turned[1::2] ^= True
    if not turned.all():
        raise _no_entry(text, begins[int(np.argmin(turned)) // 2], place)
    begins = begins[:-1]
    inside = np.zeros(len(codes), np.int8)
    inside[begins] = 1
    inside[colons] -= 1
    addressed = np.cumsum(inside, dtype=np.int8).astype(np.bool_)
    numbers = np.where(addressed, ord(" "), codes)
    numbers[marks] = ord(" ")
    starts, _ = hexadecimal.spans(KIND[numbers] != BLANK)
    before = np.searchsorted(starts, begins).astype(np.int32)
    given = np.diff(before, append=np.int32(len(starts)))
    if (wrong := np.flatnonzero(given == 0)).size:
        raise _no_entry(text, begins[wrong[0]], place)
    first, last = _addresses(text, addressed, begins, colons, radix, place)
    last = np.where(last < 0, first + given - 1, last)
    return numbers.tobytes(), Entries(first, last, given, before)


def _addresses(
    text: bytes, addressed: NDArray[np.bool_], begins: Places, colons: Places, radix: int, place: str
) -> tuple[Ints, Ints]:
    """The first address of each entry, and the last one where a range tells it, else -1. Errors: FileError."""
    codes = np.frombuffer(text, np.uint8)
    starts, ends = hexadecimal.spans(addressed & (KIND[codes] != BLANK))
    until = np.searchsorted(starts, colons)
    parts = np.diff(until, prepend=0)
    if (wrong := np.flatnonzero(parts == 0)).size:
        raise _no_entry(text, begins[wrong[0]], place)
    starts, ends = starts[until - 1], ends[until - 1]
    ranges = np.flatnonzero((parts > 1) | (codes[starts] == ord("[")))
    tops = np.zeros((2, len(ranges)), np.int32)
    for number, entry in enumerate(ranges.tolist()):
        match = RANGE.fullmatch(text, begins[entry], colons[entry])
        if match is None:
            raise _no_entry(text, begins[entry], place)
        (starts[entry], ends[entry]), tops[:, number] = match.span(1), match.span(2)
    first, last = _numbers(codes, starts, ends, radix), np.full(len(starts), -1)
    last[ranges] = high = _numbers(codes, tops[0], tops[1], radix)
    if (wrong := np.concatenate([np.flatnonzero(first < 0), ranges[high < 0]])).size:
        raise _no_entry(text, begins[wrong[0]], place)
    return first, last


def _numbers(codes: NDArray[np.uint8], starts: Places, ends: Places, radix: int) -> Ints:
    """The numbers that digits from each start to its end are, some number beyond every address for what is larger than
    that, and -1 for what is none.
    """
    lengths, scale = ends - starts, 1
    found, wrong = np.zeros(len(starts), np.int64), lengths > MAX_DIGITS
    for back in range(1, min(int(lengths.max(initial=0)), MAX_DIGITS) + 1):  # digits from the last one on
        there = np.flatnonzero(lengths >= back)
        digit = KIND[codes[ends[there] - back]]
        wrong[there] |= digit >= radix
        found[there] += digit.astype(np.int64) * scale
        scale = min(scale * radix, 2**40)
    found[wrong] = -1
    return found


def _no_entry(text: bytes, begin: np.int32, place: str) -> FileError:
    """What is no entry of a memory."""
    shown = text[begin : text.find(b";", begin)].strip()[:40].decode("ascii", "replace")
    return FileError(hexadecimal.RULE, place, "is not a word at an address", shown, "ADDRESS : WORD;")
