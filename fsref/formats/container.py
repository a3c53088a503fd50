"""A stored zip, the container of networks, float graphs and image sets (FILE-1), and JSON in one way (FILE-4)."""

from __future__ import annotations

import io
import json
import os
import struct
import zipfile
from os import PathLike
from pathlib import Path
from typing import Any

from fsref.errors import FileError

MAX_FILE = 2**32
MAX_MEMBERS = 65_535
ZIP64_END = 56 + 20  # end record and locator of an archive beyond 2 GiB
DATE = (1980, 1, 1, 0, 0, 0)
PYTORCH = ("is a PyTorch file", None, "turn the model into a graph with fsref.from_torch in Python")
OLD_PYTORCH = bytes.fromhex("80028a0a6cfc9c46f9206aa850192e")  # how files of torch before 1.6 begin


def read_file(path: str | PathLike[str]) -> dict[str, bytes]:
    """The members of a file of at most MAX_FILE bytes (FILE-1). Errors: FileError."""
    where = str(path)
    try:
        size = os.stat(path).st_size
        if size > MAX_FILE:
            raise FileError("FILE-1", where, "file is too large", size, f"at most {MAX_FILE} bytes")
        return read_members(Path(path).read_bytes(), where)
    except OSError as error:
        raise FileError("FILE-1", where, "cannot be read", error.strerror or str(error)) from None
    except ValueError as error:  # no path at all
        raise FileError("FILE-1", where, "cannot be read", str(error)) from None


def read_members(data: bytes, where: str) -> dict[str, bytes]:
    """The members of a stored zip by name (FILE-1). Errors: FileError."""
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
    except (zipfile.BadZipFile, ValueError, struct.error, OverflowError, NotImplementedError) as error:
        if data.startswith(OLD_PYTORCH):
            raise FileError("FILE-1", where, *PYTORCH) from None
        if not data:
            raise FileError("FILE-1", where, "the file is empty") from None
        if where.endswith(".onnx"):
            raise FileError("FILE-1", where, "is an ONNX file", None, "fsref convert makes a network of it") from None
        raise FileError("FILE-1", where, "not an .npz file", str(error)) from None
    entries = archive.infolist()
    if len(entries) > MAX_MEMBERS:
        raise FileError("FILE-1", where, "too many members", len(entries), f"at most {MAX_MEMBERS}")
    if any(e.filename.rpartition("/")[2] == "data.pkl" for e in entries):
        raise FileError("FILE-1", where, *PYTORCH)
    if (
        any(e.comment for e in entries)
        or (entries and min(e.header_offset for e in entries) != 0)
        or data[-22:-18] != b"PK\x05\x06"
    ):
        raise FileError(
            "FILE-1", where, "archive has a comment, or bytes before its first member or after its end record"
        )
    end = archive.start_dir
    for _ in entries:  # each record is 46 bytes, then name, extra field and comment of these lengths
        end += 46 + sum(struct.unpack_from("<3H", data, end + 28))
    if len(data) - 22 - end not in (0, ZIP64_END):
        raise FileError("FILE-1", where, "central directory claims or leaves bytes that no member needs")
    total, members = 0, {}
    for entry in entries:
        place = f"{where}: {entry.filename!r}"
        if entry.orig_filename in members or entry.filename != entry.orig_filename:
            raise FileError("FILE-1", place, "two members have this name")
        if entry.compress_type != zipfile.ZIP_STORED or entry.file_size != entry.compress_size:
            raise FileError("FILE-1", place, "member is compressed", entry.compress_type, "stored members only")
        if entry.flag_bits & 1:
            raise FileError("FILE-1", place, "member is encrypted")
        total += entry.file_size
        if total > len(data):
            raise FileError("FILE-1", place, "members claim more bytes than the file has", total, f"{len(data)}")
        try:
            members[entry.filename] = archive.read(entry)
        except (
            zipfile.BadZipFile,
            ValueError,
            OSError,
            EOFError,
            struct.error,
            RuntimeError,
            NotImplementedError,
            OverflowError,
        ) as error:
            raise FileError("FILE-1", place, "member is damaged", str(error) or type(error).__name__) from None
    return members


def unique(pairs: list[tuple[str, Any]]) -> None:
    """Nothing; ValueError when a JSON object has a key twice, which two readers may read as two networks."""
    keys = [key for key, _ in pairs]
    if len(set(keys)) < len(keys):
        raise ValueError(f"Object has the key `{max(keys, key=keys.count)}` twice")


def canonical(values: dict[str, Any]) -> bytes:
    """JSON values as UTF-8, with sorted keys and no spaces (FILE-4)."""
    return json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def pack(members: dict[str, bytes], where: str) -> bytes:
    """A stored zip of these members, the same bytes for the same members (FILE-4). Errors: FileError for more members
    than a file may have (FILE-1).
    """
    if len(members) > MAX_MEMBERS:
        raise FileError("FILE-1", where, "too many members", len(members), f"at most {MAX_MEMBERS}")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(members):
            entry = zipfile.ZipInfo(name, DATE)
            entry.create_system, entry.external_attr = 3, 0o644 << 16
            archive.writestr(entry, members[name])
    return packed.getvalue()
