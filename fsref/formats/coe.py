"""Memories as AMD (Xilinx) memory generators read them: a radix, then words between commas, a semicolon last
(LAYOUT-1). Written in hexadecimal; read in radix 2, 10 and 16.
"""

from __future__ import annotations

import re

from fsref.errors import FileError
from fsref.formats import hexadecimal
from fsref.formats.words import Words

SUFFIX = ".coe"
RULE = "LAYOUT-1"
FORM = re.compile(
    rb"\s*memory_initialization_radix\s*=\s*(\d+)\s*;\s*memory_initialization_vector\s*=([^;]*);?\s*", re.IGNORECASE
)


def write(words: Words, comment: str) -> bytes:
    """The text of words, behind a comment of one line."""
    head = f"; {comment}\nmemory_initialization_radix=16;\nmemory_initialization_vector=\n".encode("ascii")
    body = hexadecimal.lines(words, b",\n")
    return head + body[:-2] + b";\n"


def read(data: bytes, bits: int, place: str) -> Words:
    """The words of `bits` bits in a text. Errors: FileError."""
    text = b"\n".join(b"" if line.lstrip().startswith(b";") else line for line in data.split(b"\n"))
    match = FORM.fullmatch(text)
    if match is None or int(match[1]) not in (2, 10, 16):
        limit = "wanted memory_initialization_radix=2, 10 or 16; memory_initialization_vector=WORDS;"
        raise FileError(RULE, place, "is not a .coe memory", None, limit)
    tokens = match[2].replace(b",", b" ").split()
    return hexadecimal.parsed(hexadecimal.respelt(tokens, int(match[1]), bits, place, RULE), bits, place, RULE)
