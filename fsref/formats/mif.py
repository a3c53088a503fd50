"""Memories as Intel (Altera) tools read them: depth, width, radixes, then `ADDRESS : WORD;` (LAYOUT-6). Written in
hexadecimal; read in HEX, BIN, OCT, UNS and DEC, with ranges `[FIRST..LAST] : WORD;` and several words behind an
address.
"""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from fsref.errors import FileError
from fsref.formats import hexadecimal
from fsref.formats.words import Words

SUFFIX = ".mif"
BETWEEN = 15  # characters between the digits of two words: an address, ` : ` and `;`
RADIXES = {b"HEX": 16, b"DEC": 10, b"UNS": 10, b"OCT": 8, b"BIN": 2}
HEADS = (b"DEPTH", b"WIDTH", b"ADDRESS_RADIX", b"DATA_RADIX")
COMMENT = re.compile(rb"--[^\n]*|%[^%]*%")
BEGIN = re.compile(rb"\bCONTENT\s+BEGIN\b", re.IGNORECASE)
END = re.compile(rb"END\s*\Z", re.IGNORECASE)
RANGE = re.compile(rb"\[\s*(\w{1,60})\s*\.\.\s*(\w{1,60})\s*\]|(\w{1,60})")


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
    numbers, which = _placed(text[begin.end() :], radixes[0], int(depth), place)
    found = hexadecimal.words_of(hexadecimal.respelt(numbers, radixes[1], bits, place), bits, place)
    return Words(bits, found.data[which])


def _placed(body: bytes, radix: int, depth: int, place: str) -> tuple[bytes, NDArray[np.int64]]:
    """The numbers of all entries in turn, and which of them lies at each address, each of which is given once. Errors:
    FileError.
    """
    hexadecimal.check_count(body.count(b";") - 1, 1, place)
    *entries, end = body.rstrip(b"; \t\r\n").split(b";")
    which, numbers, count = np.full(depth, -1, np.int64), [], 0
    for entry in entries:
        at, _, words = entry.partition(b":")
        match, given = RANGE.fullmatch(at.strip()), len(words.split())
        try:
            first = int((match and (match[1] or match[3])) or b"", radix)
            last = int(match[2], radix) if match and match[2] else first + given - 1
        except ValueError:
            shown = entry.strip()[:40].decode("ascii", "replace")
            raise FileError(hexadecimal.RULE, place, "is not a word at an address", shown, "ADDRESS : WORD;") from None
        if not (given and 0 <= first <= last < depth):
            raise FileError(
                hexadecimal.RULE, place, "address out of range", f"{first}..{last}", f"wanted 0..{depth - 1}"
            )
        if (which[first : last + 1] >= 0).any():
            raise FileError(hexadecimal.RULE, place, "address is given twice", f"{first}..{last}", "each once")
        which[first : last + 1] = count + np.arange(last - first + 1) % given
        count += given
        numbers.append(words)
    if END.fullmatch(end.strip()) is None or (which < 0).any():
        limit = f"wanted each of {depth} addresses once, and END;"
        raise FileError(hexadecimal.RULE, place, "is not a word at each address", f"{(which >= 0).sum()} read", limit)
    return b" ".join(numbers), which
