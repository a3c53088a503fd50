"""Arrays as `.npy`: read without allocating or unpickling anything, written in one way (FILE-2, FILE-4)."""

from __future__ import annotations

import ast
import os
import struct
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from fsref.errors import FileError
from fsref.law.projections import smallest_dtype

MAX_HEADER = 2**12
MAX_SIDE = 2**32
TYPES = ("|i1", "|u1", "<i2", "<i4", "<i8")


@dataclass(frozen=True)
class Header:
    """What a `.npy` says of its array: type, shape, whether it is in Fortran order, and where its data start."""

    kind: np.dtype[Any]
    shape: tuple[int, ...]
    fortran: bool
    start: int


def read_header(
    data: bytes,
    place: str,
    types: tuple[str, ...] = TYPES,
    fortran: bool = False,
    size: int | None = None,
    axes: int = 4,
) -> Header:
    """The header of a `.npy` of `size` bytes that begins with `data`, its type one of `types`, its shape of at most so
    many `axes` and filling the file (FILE-2). Errors: FileError.
    """
    size = len(data) if size is None else size
    version = data[6:8]
    if data[:6] != b"\x93NUMPY" or version not in (b"\x01\x00", b"\x02\x00", b"\x03\x00"):
        raise FileError("FILE-2", place, "not a .npy array of version 1.0, 2.0 or 3.0")
    start = 10 if version == b"\x01\x00" else 12
    length = int.from_bytes(data[8:start], "little")
    if length > (most := min(MAX_HEADER, max(0, size - start))):
        raise FileError("FILE-2", place, "header is longer than allowed", length, f"at most {most} bytes")
    try:
        header = ast.literal_eval(
            data[start : start + length].decode("utf-8" if version == b"\x03\x00" else "latin-1").strip()
        )
        repr(header)  # integers too long to print are hexadecimal
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError) as error:
        raise FileError("FILE-2", place, "header cannot be read", type(error).__name__) from None
    if not isinstance(header, dict) or set(header) != {"descr", "fortran_order", "shape"}:
        raise FileError("FILE-2", place, "header has other keys than descr, fortran_order, shape")
    if header["descr"] not in types or not isinstance(header["descr"], str):
        kinds = "integer" if types == TYPES else "number"
        raise FileError(
            "FILE-2", place, f"type is not a little-endian {kinds}", header["descr"], f"one of {', '.join(types)}"
        )
    if header["fortran_order"] is not False and not (fortran and header["fortran_order"] is True):
        raise FileError("FILE-2", place, "array is not in C order", header["fortran_order"])
    shape, count = header["shape"], 1
    if not isinstance(shape, tuple) or len(shape) > axes:
        raise FileError("FILE-2", place, f"shape is not a tuple of at most {axes} sizes", shape)
    for side in shape:
        if type(side) is not int or not 0 <= side <= MAX_SIDE:
            raise FileError("FILE-2", place, "shape is not a tuple of sizes", shape)
        count *= side
    kind = np.dtype(header["descr"])
    there, wanted = size - start - length, count * kind.itemsize
    if wanted != there:
        problem = "data do not fill the declared shape"
        raise FileError("FILE-2", place, problem, f"{wanted} bytes", f"{there} bytes are there")
    return Header(kind, shape, bool(header["fortran_order"]), start + length)


def header_of(file: BinaryIO, place: str, types: tuple[str, ...] = TYPES, fortran: bool = False) -> Header:
    """The header of an open `.npy` file, of whose array nothing is read (FILE-2). Errors: FileError, OSError."""
    return read_header(file.read(12 + MAX_HEADER), place, types, fortran, os.fstat(file.fileno()).st_size)


def read_array(
    data: bytes, place: str, types: tuple[str, ...] = TYPES, fortran: bool = False, axes: int = 4
) -> NDArray[Any]:
    """The array of a `.npy` member, of one of `types`, read-only, without copying (FILE-2). Errors: FileError.

    With `fortran` one in Fortran order is taken too, as `np.save` writes a transposed matrix.
    """
    found = read_header(data, place, types, fortran, axes=axes)
    flat = np.frombuffer(data, found.kind, offset=found.start)
    return flat.reshape(found.shape, order="F" if found.fortran else "C")


def npy_header(shape: tuple[int, ...], kind: np.dtype[Any]) -> bytes:
    """The header of an array as `.npy` 1.0: the array's bytes come behind it (FILE-4)."""
    header = f"{{'descr': '{kind.str}', 'fortran_order': False, 'shape': {shape!r}, }}".encode()
    header += b" " * (-(len(header) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header


def npy(values: NDArray[Any], kind: np.dtype[Any] | None = None) -> bytes:
    """The bytes of an array as `.npy` 1.0: of the given type, or integers in the smallest type that holds them
    (FILE-4).
    """
    kind = kind or smallest_dtype(values)
    return npy_header(values.shape, kind) + np.ascontiguousarray(values, dtype=kind).tobytes()
