"""Memories as Verilog's `$readmemh` reads and `$writememh` writes them: hexadecimal words, one a line, address 0 first
(LAYOUT-6).

Comments (`//`, `/* */`), `_` between digits and `@ADDRESS` are read, none but a first comment is written. `@` may leave
nothing out: a memory is whole.
"""

from __future__ import annotations

import re

from fsref.errors import FileError
from fsref.formats import hexadecimal
from fsref.formats.words import Words

SUFFIX = ".mem"
BETWEEN = 1  # characters between the digits of two words
ADDRESS = re.compile(rb"@([0-9a-fA-F]{0,17})(?!\S)")


def write(words: Words, comment: str) -> bytes:
    """The text of words, behind a comment of one line."""
    return f"// {comment}\n".encode("ascii") + hexadecimal.lines(words)


def read(data: bytes, bits: int, place: str) -> Words:
    """The words of `bits` bits in a text. Errors: FileError."""
    text = _uncommented(data, place).replace(b"_", b"").replace(b",", b"?")  # a comma separates nothing here
    return hexadecimal.words_of(_whole(text, place), bits, place)


def _uncommented(data: bytes, place: str) -> bytes:
    """A text with a blank for each comment. Errors: FileError."""
    parts, at = [], 0
    while (start := data.find(b"/", at)) >= 0:
        end = {b"//": b"\n", b"/*": b"*/"}.get(data[start : start + 2])
        stop = -1 if end is None else data.find(end, start + 2)
        if stop < 0 and end != b"\n":
            shown = data[start : start + 20].decode("ascii", "replace")
            raise FileError(hexadecimal.RULE, place, "is no comment that ends", shown, "wanted // or /* */")
        parts += [data[at:start], b" "]
        at = len(data) if stop < 0 else stop + len(end or b"")
    return b"".join([*parts, data[at:]])


def _whole(text: bytes, place: str) -> bytes:
    """A text without its `@ADDRESS`, each of which has to be that of the next word. Errors: FileError."""
    parts, at, count = [], 0, 0
    while (start := text.find(b"@", at)) >= 0:
        parts += [text[at:start], b" "]
        count += len(parts[-2].split())
        match = ADDRESS.match(text, start)
        if match is None or int(match[1] or b"f" * 17, 16) != count:
            shown = text[start : start + 20].decode("ascii", "replace")
            raise FileError(hexadecimal.RULE, f"{place}: {shown}", "words are left out", None, f"wanted @{count:x}")
        at = match.end()
    return b"".join([*parts, text[at:]])
