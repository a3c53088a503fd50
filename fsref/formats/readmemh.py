"""Memories as Verilog's `$readmemh` reads and `$writememh` writes them: hexadecimal words, one a line, address 0 first
(LAYOUT-6).

Comments (`//`, `/* */`), `_` between digits and `@ADDRESS` are read, none but a first comment is written. `@` may leave
nothing out: a memory is whole, but for answers that a simulator wrote, in which x and z stand as well (TRACE-6).
"""

from __future__ import annotations

import re

from fsref.errors import FileError
from fsref.formats import hexadecimal
from fsref.formats.words import Words, cut

SUFFIX = ".mem"
BETWEEN = 1  # characters between the digits of two words
UNKNOWN = re.compile(rb"[xXzZ]")
KNOWN = bytes.maketrans(b"xXzZ", b"0000")
ONLY = bytes.maketrans(b"xXzZ123456789abcdefABCDEF", b"ffff" + b"0" * 21)
ADDRESS = re.compile(rb"@([0-9a-fA-F]{0,17})(?!\S)")


def write(words: Words, comment: str) -> bytes:
    """The text of words, behind a comment of one line."""
    return f"// {comment}\n".encode("ascii") + hexadecimal.lines(words)


def read(data: bytes, bits: int, place: str) -> Words:
    """The words of `bits` bits in a text. Errors: FileError."""
    return hexadecimal.words_of(_whole(_words(data, place), place, None), bits, place)


def answers(data: bytes, bits: int, place: str) -> tuple[Words, Words | None]:
    """The words of `bits` bits in a text that a simulator wrote, with 0 for x and z, and the bits of them that were x
    or z, None where none was; so are addresses that were left out (TRACE-6). Errors: FileError.
    """
    count = -(-bits // 4)
    text = _whole(_words(data, place), place, (b"x" * count + b" ", -(-bits // 8)))
    known = hexadecimal.words_of(text.translate(KNOWN), bits, place)
    if UNKNOWN.search(text) is None:
        return known, None
    if count > 1:  # x or z as the first digit fills those that are left out (IEEE 1800, 5.7.1)
        short = re.compile(rb"(?<!\S)[xXzZ]\S{0,%d}(?!\S)" % (count - 2))
        text = short.sub(lambda match: match[0].rjust(count, b"x"), text)
    return known, cut(hexadecimal.words_of(text.translate(ONLY), 4 * count, place), bits)


def _words(data: bytes, place: str) -> bytes:
    """A text of words and addresses alone."""
    return _uncommented(data, place).replace(b"_", b"").replace(b",", b"?")  # a comma separates nothing here


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


def _whole(text: bytes, place: str, gap: tuple[bytes, int] | None) -> bytes:
    """A text without its `@ADDRESS`, each of which has to be that of the next word, or of a later one where there is a
    text, and bytes, of a word that fills the gap. Errors: FileError.
    """
    parts, at, count = [], 0, 0
    while (start := text.find(b"@", at)) >= 0:
        parts += [text[at:start], b" "]
        count += len(parts[-2].split())
        match = ADDRESS.match(text, start)
        address = -1 if match is None else int(match[1] or b"f" * 17, 16)
        if gap is not None and count < address < 16**16:
            hexadecimal.check_count(address, gap[1], place)
            parts.append(gap[0] * (address - count))
            count = address
        if match is None or address != count:
            shown = text[start : start + 20].decode("ascii", "replace")
            raise FileError(hexadecimal.RULE, f"{place}: {shown}", "words are left out", None, f"wanted @{count:x}")
        at = match.end()
    return b"".join([*parts, text[at:]])
