"""CRC-32C, the digest of the spike words of one step (EVENT-3)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def _crc_table() -> NDArray[np.uint32]:
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = (table >> np.uint32(1)) ^ np.where(table & np.uint32(1), np.uint32(0x82F63B78), np.uint32(0))
    return table


def crc32c(data: NDArray[np.uint8]) -> NDArray[np.uint32]:
    """CRC-32C along the last axis of an array of bytes (EVENT-3)."""
    table = _crc_table()
    crc = np.full(data.shape[:-1], 0xFFFFFFFF, np.uint32)
    for byte in range(data.shape[-1]):
        crc = (crc >> np.uint32(8)) ^ table[(crc ^ data[..., byte]) & np.uint32(0xFF)]
    return crc ^ np.uint32(0xFFFFFFFF)
