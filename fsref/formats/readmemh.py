"""Memories as Verilog's `$readmemh` reads and `$writememh` writes them: hexadecimal words, one a line, address 0 first
(LAYOUT-1).

Comments (`//`, `/* */`), `_` between digits and `@ADDRESS` are read, none but a first comment is written. `@` may leave
nothing out: a memory is whole.
"""

from __future__ import annotations

import re

from fsref.errors import FileError
from fsref.formats import hexadecimal
from fsref.formats.words import Words

SUFFIX = ".mem"
RULE = "LAYOUT-1"
COMMENT = re.compile(rb"//[^\n]*|/\*.*?\*/", re.DOTALL)


def write(words: Words, comment: str) -> bytes:
    """The text of words, behind a comment of one line."""
    return f"// {comment}\n".encode("ascii") + hexadecimal.lines(words)


def read(data: bytes, bits: int, place: str) -> Words:
    """The words of `bits` bits in a text. Errors: FileError."""
    if b"/" in data:
        data = COMMENT.sub(b" ", data)
    tokens = data.replace(b"_", b"").split()
    return hexadecimal.parsed(_placed(tokens, place) if b"@" in data else tokens, bits, place, RULE)


def _placed(tokens: list[bytes], place: str) -> list[bytes]:
    """The words without their `@ADDRESS`, each of which has to be the next address. Errors: FileError."""
    found: list[bytes] = []
    for token in tokens:
        if not token.startswith(b"@"):
            found.append(token)
        elif not (set(token[1:]) <= hexadecimal.DIGITS and 1 < len(token) < 18 and int(token[1:], 16) == len(found)):
            shown = token[:20].decode("ascii", "replace")
            raise FileError(RULE, f"{place}: {shown}", "words are left out", None, f"wanted address {len(found):x}")
    return found
