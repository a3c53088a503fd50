"""Memories as AMD (Xilinx) memory generators read them: a radix, then words between commas, a semicolon last
(LAYOUT-6). Written in hexadecimal; read in radix 2, 10 and 16.
"""

from __future__ import annotations

import re

from fsref.errors import FileError
from fsref.formats import hexadecimal
from fsref.formats.words import Words

SUFFIX = ".coe"
BETWEEN = 2  # characters between the digits of two words
COMMENT = re.compile(rb"^[ \t]*;[^\n]*", re.MULTILINE)
MISSING = re.compile(rb"(?:\A|,)\s*,")
RADIXES = {b"2": 2, b"10": 10, b"16": 16}


def write(words: Words, comment: str) -> bytes:
    """The text of words, behind a comment of one line."""
    head = f"; {comment}\nmemory_initialization_radix=16;\nmemory_initialization_vector=\n".encode("ascii")
    return head + hexadecimal.lines(words, b",\n")[:-2] + b";\n"


def read(data: bytes, bits: int, place: str) -> Words:
    """The words of `bits` bits in a text. Errors: FileError."""
    said = [part.partition(b"=") for part in COMMENT.sub(b"", data).split(b";", 3)]
    keys = [key.strip().lower() for key, _, _ in said]
    if keys[:2] != [b"memory_initialization_radix", b"memory_initialization_vector"] or any(keys[2:]):
        raise _other(place)
    radix, numbers = said[0][2].strip(), said[1][2]
    if radix not in RADIXES:
        raise _other(place)
    if (missing := MISSING.search(numbers)) is not None:
        at = len(hexadecimal.NUMBER.findall(numbers, 0, missing.start()))
        raise FileError(hexadecimal.RULE, f"{place}: word {at}", "is missing", None, "a word between commas")
    return hexadecimal.words_of(hexadecimal.respelt(numbers, RADIXES[radix], bits, place), bits, place)


def _other(place: str) -> FileError:
    """What is no text of this form."""
    limit = "wanted memory_initialization_radix=2, 10 or 16; memory_initialization_vector=WORDS;"
    return FileError(hexadecimal.RULE, place, "is not a .coe memory", None, limit)
