"""Words as hexadecimal digits, ceil(bits / 4) of them, and back: what the text formats of memories share (LAYOUT-1)."""

from __future__ import annotations

import binascii

import numpy as np
from numpy.typing import NDArray

from fsref.errors import FileError
from fsref.formats.words import Words

DIGITS = frozenset(b"0123456789abcdefABCDEF")


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


def parsed(tokens: list[bytes], bits: int, place: str, rule: str) -> Words:
    """The words of hexadecimal numbers, with as many digits as a word has, or fewer. Errors: FileError naming `rule`
    and the word.
    """
    wide = -(-bits // 8) * 2
    try:
        data = bytes.fromhex(b"".join([token.rjust(wide, b"0") for token in tokens]).decode("ascii"))
        found = np.frombuffer(data, np.uint8).reshape(len(tokens), wide // 2)
    except ValueError:
        found = None
    if found is None or (bits % 8 and (found[:, 0] >> bits % 8).any()):
        raise FileError(rule, *_wrong(tokens, bits, place))
    return Words(bits, found)


def respelt(tokens: list[bytes], radix: int, bits: int, place: str, rule: str) -> list[bytes]:
    """Numbers of another radix in hexadecimal; those below 0, which decimal ones may be, in two's complement. Errors:
    FileError naming `rule` and the word.
    """
    if radix == 16:
        return tokens
    found = []
    for number, token in enumerate(tokens):
        try:
            value = int(token, radix) if len(token) <= bits + 1 else 1 << bits
        except ValueError:
            value = 1 << bits
        if not -(1 << bits - 1) <= value < 1 << bits:
            shown = token[:20].decode("ascii", "replace")
            limit = f"wanted a number of {bits} bits in radix {radix}"
            raise FileError(rule, f"{place}: word {number}", "is not a word", shown, limit)
        found.append(b"%x" % (value % (1 << bits)))
    return found


def _wrong(tokens: list[bytes], bits: int, place: str) -> tuple[str, str, str, str]:
    """What is wrong with the first wrong word, and where."""
    for number, token in enumerate(tokens):
        shown, at = token[:20].decode("ascii", "replace"), f"{place}: word {number}"
        if set(token) & set(b"xXzZ") and set(token) <= DIGITS | set(b"xXzZ"):
            return at, "is unknown: nothing was written there", shown, "wanted a hexadecimal number"
        if not set(token) <= DIGITS or not token:
            return at, "is not a hexadecimal number", shown, f"wanted at most {-(-bits // 4)} digits"
        if int(token, 16) >> bits:
            return at, "has more bits than a word", shown, f"wanted words of {bits} bits"
    raise AssertionError("called where every word is right")
