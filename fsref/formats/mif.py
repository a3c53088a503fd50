"""Memories as Intel (Altera) tools read them: depth, width, radixes, then `ADDRESS : WORD;` (LAYOUT-1). Written in
hexadecimal; read in HEX, BIN, OCT, UNS and DEC, with ranges `[FIRST..LAST] : WORD;` and several words behind an
address.
"""

from __future__ import annotations

import re

import numpy as np

from fsref.errors import FileError
from fsref.formats import hexadecimal
from fsref.formats.words import Words

SUFFIX = ".mif"
RULE = "LAYOUT-1"
RADIXES = {b"HEX": 16, b"DEC": 10, b"UNS": 10, b"OCT": 8, b"BIN": 2}
COMMENT = re.compile(rb"--[^\n]*|%[^%]*%")
HEAD = re.compile(rb"\s*(DEPTH|WIDTH|ADDRESS_RADIX|DATA_RADIX)\s*=\s*(\w{1,10})\s*;", re.IGNORECASE)
BODY = re.compile(rb"\s*CONTENT\s+BEGIN\b(.*)\bEND\s*;?\s*", re.IGNORECASE | re.DOTALL)
ENTRY = re.compile(rb"\s*(?:\[\s*(\w+)\s*\.\.\s*(\w+)\s*\]|(\w+))\s*:\s*([^;:]*);")


def write(words: Words, comment: str) -> bytes:
    """The text of words, behind a comment of one line."""
    head = f"-- {comment}\nDEPTH = {len(words)};\nWIDTH = {words.bits};\nADDRESS_RADIX = UNS;\nDATA_RADIX = HEX;\n"
    entries = zip(range(len(words)), hexadecimal.lines(words).split(), strict=False)
    body = b"".join(b"%d : %b;\n" % entry for entry in entries)
    return (head + "CONTENT\nBEGIN\n").encode("ascii") + body + b"END;\n"


def read(data: bytes, bits: int, place: str) -> Words:
    """The words of `bits` bits in a text. Errors: FileError."""
    text, said = COMMENT.sub(b" ", data), dict[bytes, bytes]()
    while match := HEAD.match(text):
        said[match[1].upper()] = match[2].upper()
        text = text[match.end() :]
    body = BODY.fullmatch(text)
    depth, width = (said.get(name, b"") for name in (b"DEPTH", b"WIDTH"))
    address, radix = (RADIXES.get(said.get(name, b"HEX")) for name in (b"ADDRESS_RADIX", b"DATA_RADIX"))
    if body is None or not (depth.isdigit() and width.isdigit()) or address is None or radix is None:
        raise FileError(
            RULE, place, "is not a .mif memory", None, "wanted DEPTH, WIDTH, radixes, CONTENT BEGIN .. END;"
        )
    if int(width) != bits:
        raise FileError(RULE, place, "has words of another width", int(width), f"wanted {bits} bits")
    tokens = _words(body[1], address, int(depth), place)
    return hexadecimal.parsed(hexadecimal.respelt(tokens, radix, bits, place, RULE), bits, place, RULE)


def _words(body: bytes, radix: int, depth: int, place: str) -> list[bytes]:
    """The words by address, each given once. Errors: FileError."""
    found: dict[int, bytes] = {}
    end, count = 0, 0
    for match in ENTRY.finditer(body):
        if match.start() != end:
            break
        end, given = match.end(), match[4].split()
        try:
            first = int(match[1] or match[3], radix)
            last = first + len(given) - 1 if match[1] is None else int(match[2], radix)
        except ValueError:
            raise FileError(
                RULE, place, "address is no number", match[0].strip()[:40].decode("ascii", "replace")
            ) from None
        count += last - first + 1
        if not (given and first <= last < depth <= len(body)):
            raise FileError(RULE, place, "address out of range", f"{first}..{last}", f"wanted 0..{depth - 1}")
        if count > depth:
            break
        found |= zip(range(first, last + 1), np.resize(np.array(given, object), last - first + 1).tolist(), strict=True)
    if body[end:].strip() or not len(found) == count == depth:
        wanted = f"wanted each of {depth} addresses once"
        raise FileError(RULE, place, "is not one word for each address", f"{len(found)} read", wanted)
    return [found[a] for a in range(depth)]
