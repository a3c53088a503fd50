"""Integers as words of a memory: two's complement of a fixed width, and back (LAYOUT-1).

Words are held as bytes, (n, ceil(bits / 8)) uint8, the highest byte first, the highest bits of that byte unused when
`bits` is no multiple of 8: a word may be as wide as a population has neurons.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fsref.law.neuron import Ints

Bytes = NDArray[np.uint8]
MAX_INTEGER = 64  # bits of an integer


@dataclass(frozen=True, eq=False)
class Words:
    """Words of `bits` bits each, (n, ceil(bits / 8)) bytes; unused bits are 0."""

    bits: int
    data: Bytes

    def __len__(self) -> int:
        return len(self.data)


def of_integers(values: Ints, bits: int) -> Words:
    """Integers (n,) as words of 1..64 bits, two's complement; of a wider word the sign fills the rest. Those that do
    not fit lose their highest bits: whoever calls has chosen the width from what they are.
    """
    count = -(-bits // 8)
    flat = np.ascontiguousarray(values, ">i8").reshape(-1)
    octets = flat.view(np.uint8).reshape(-1, 8)
    if count > 8:
        filling = np.where(flat < 0, 0xFF, 0).astype(np.uint8)
        octets = np.concatenate([np.repeat(filling[:, None], count - 8, axis=1), octets], axis=1)
    found = octets[:, octets.shape[1] - count :].copy()
    found[:, 0] &= _mask(bits)
    return Words(bits, found)


def to_integers(words: Words, signed: bool) -> tuple[Ints, NDArray[np.bool_]]:
    """The integers (n,) of words, int64, and which of the words hold none that fits; `signed` says that the highest bit
    is a sign.
    """
    filled = np.zeros(len(words), np.uint8)
    if signed:
        filled[words.data[:, 0] >> (words.bits - 1) % 8 & 1 == 1] = 0xFF
    octets = words.data.copy()
    octets[:, 0] |= filled & (0xFF ^ _mask(words.bits))
    low = octets[:, -8:]
    wide = np.repeat(filled[:, None], 8, axis=1)
    wide[:, 8 - low.shape[1] :] = low
    wrong = (octets[:, :-8] != filled[:, None]).any(axis=1) | ((wide[:, 0] ^ filled) > 0x7F)
    return wide.view(">i8").reshape(-1).astype(np.int64), wrong


def of_flags(flags: NDArray[np.bool_]) -> Words:
    """Rows of flags (n, bits) as words, flag j at bit j (LAYOUT-4)."""
    bits = flags.shape[1]
    padded = np.zeros((len(flags), -(-bits // 8) * 8), np.bool_)
    padded[:, padded.shape[1] - bits :] = flags[:, ::-1]
    return Words(bits, np.packbits(padded, axis=1))


def to_flags(words: Words) -> NDArray[np.bool_]:
    """The flags (n, bits) of words, bit j as flag j (LAYOUT-4)."""
    bits = np.unpackbits(words.data, axis=1).astype(np.bool_)
    return bits[:, bits.shape[1] - words.bits :][:, ::-1]


def reversed_bits(words: Words) -> Words:
    """The words with bit 0 where the highest stood (LAYOUT-2)."""
    return of_flags(to_flags(words)[:, ::-1])


def reversed_bytes(words: Words) -> Words:
    """The words with their lowest byte where the highest stood; the width becomes one of whole bytes (LAYOUT-2)."""
    return Words(8 * words.data.shape[1], words.data[:, ::-1])


def cut(words: Words, bits: int) -> Words:
    """The lowest `bits` bits of words that have as many or more."""
    data = words.data[:, words.data.shape[1] - -(-bits // 8) :].copy()
    data[:, 0] &= _mask(bits)
    return Words(bits, data)


def _mask(bits: int) -> int:
    """The bits of the highest byte that a word uses."""
    return 0xFF >> (-bits % 8)
