"""The bytes of files: members of a zip taken out, altered and packed again, arrays with any header."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from typing import Any

import numpy as np


def members_of(data: bytes) -> dict[str, bytes]:
    """The members of a zip, by name."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def zipped(members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    """A zip of these members, in order."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name), data, compression)
    return packed.getvalue()


def npy(data: bytes, shape: Any, descr: Any = "<i8", fortran: Any = False, version: int = 1) -> bytes:
    """A `.npy` with any header over any bytes; shape and descr go into the header as they print."""
    header = (
        f"{{'descr': {descr!r}, 'fortran_order': {fortran!r}, 'shape': "
        f"{shape if isinstance(shape, str) else repr(shape)}, }}\n"
    ).encode()
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<H" if version == 1 else "<I", len(header)) + header + data


def array(values: Any, descr: str = "<i8") -> bytes:
    """A `.npy` of these values."""
    found = np.ascontiguousarray(values, dtype=descr)
    return npy(found.tobytes(), found.shape, descr)


def with_manifest(members: dict[str, bytes], **changes: Any) -> dict[str, bytes]:
    """The members with keys of the manifest replaced."""
    manifest = json.loads(members["manifest.json"])
    manifest.update(changes)
    return {**members, "manifest.json": json.dumps(manifest).encode()}
