"""What a device wrote that is no reply, in a few words."""

from __future__ import annotations

import re

from fsref.conformance.frames import from_bytes
from fsref.tables import plural

SHOWN = 24  # bytes that are shown
TEXT = re.compile(rb"[\t\n\r -~]{4,}")
HEX = re.compile(rb"[0-9a-fA-F \t\r\n]+")
MARKS = {b"\xef\xbb\xbf": "UTF-8", b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}  # of the order of bytes


def written(data: bytes | bytearray) -> str:
    """What stands first in bytes: text as such, else each byte in hexadecimal digits, 8 to a word."""
    first, more = bytes(data[:SHOWN]), "..." if len(data) > SHOWN else ""
    if found := TEXT.match(first):
        more = "..." if len(data) > found.end() else ""
        return f"{found[0].decode('ascii')!r}{more}"
    return f"the bytes {' '.join(first[at : at + 8].hex() for at in range(0, len(first), 8))}{more}"


def no_number(most: int) -> str:
    """What is expected where a frame begins, of at most so many words."""
    expected = "1" if most == 1 else f"1 to {most:,}"
    return f"expected was the number of its words, {expected}, in 8 bytes, the lowest first"


def wrote(data: bytes | bytearray, lines: bool, most: int) -> str:
    """What stands where a reply was expected, and what that looks like; "" where there is nothing."""
    return f"; it wrote {written(data)}{looks(data, lines, most)}" if data else ""


def looks(data: bytes | bytearray, lines: bool, most: int) -> str:
    """What bytes that are no reply in lines of hex, or in frames of `most` words, look like; "" where like nothing."""
    for mark, name in MARKS.items():
        if data.startswith(mark):
            return f", which begins with a byte order mark of {name}"
    if lines:
        return ", as the carrier frames has them" if 0 in data[:SHOWN] else ""
    if len(data) >= 8 and 1 <= int.from_bytes(data[:8], "big") <= most:
        return ", the highest byte first"
    if HEX.fullmatch(bytes(data[:SHOWN])):
        return ", as the carrier hex has them"
    return ", text, which goes to standard error" if TEXT.match(data) else ""


def so_far(data: bytes | bytearray, lines: bool) -> str:
    """How much there is of a reply that is not whole, and why that may be."""
    if lines or len(data) < 8:
        end = ", without the end of its line" if lines else ""
        return f"{plural(len(data), 'byte')} of one{end}" if data else "not a byte of one"
    count, words = int(from_bytes(data[:8])[0]), len(data) // 8 - 1
    told = f"{plural(words, 'word')} of {count:,} that it says it has"
    if count == words + 1:
        return f"{told}: does the number count itself?"
    if count == 8 * words:
        return f"{told}: is it one of bytes?"
    return f"{told}: are they of 32 bits?" if len(data) == 4 * count + 4 else told
