"""One npz holds a network: `manifest.json` and integer arrays in a stored zip (FILE-1 to FILE-4).

Read it anywhere in a few lines: `zipfile.ZipFile(path).read("manifest.json")` is JSON,
`numpy.load(path)["projection.0.weights"]` an array.
"""

from __future__ import annotations

import ast
import io
import json
import os
import re
import struct
import zipfile
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fsref.errors import FileError, FsrefError
from fsref.formats import manifest as schema
from fsref.formats.files import write
from fsref.version import SPEC_VERSION
from fsref.law.network import Contract, Network
from fsref.law.neuron import Table
from fsref.law.populations import FS, Input, MaxPool, Population, Readout, Width
from fsref.law.projections import Conv2d, Dense, Projection, smallest_dtype

FORMAT = 1
MAX_FILE = 2**32
MAX_MEMBERS = 65_535
MAX_MANIFEST = 2**24
MAX_HEADER = 2**12
ZIP64_END = 56 + 20  # end record and locator of an archive beyond 2 GiB
TYPES = ("|i1", "|u1", "<i2", "<i4", "<i8")
DATE = (1980, 1, 1, 0, 0, 0)
PYTORCH = ("is a PyTorch file", None, "turn the model into a graph with fsref.from_torch in Python")
OLD_PYTORCH = bytes.fromhex(
    "80028a0a6cfc9c46f9206aa850192e"
)  # the pickled number that files of torch before 1.6 begin with


def load(path: str | PathLike[str]) -> Network:
    """The network of a file, every rule checked and every range proved. Errors: FileError, NetworkError, RangeError."""
    return build(read_file(path), str(path))


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


def read_array(data: bytes, place: str, types: tuple[str, ...] = TYPES, fortran: bool = False) -> NDArray[Any]:
    """The array of a `.npy` member, of one of `types`, read-only, without copying (FILE-2). Errors: FileError.

    With `fortran` one in Fortran order is taken too, as `np.save` writes a transposed matrix.
    """
    version = data[6:8]
    if data[:6] != b"\x93NUMPY" or version not in (b"\x01\x00", b"\x02\x00", b"\x03\x00"):
        raise FileError("FILE-2", place, "not a .npy array of version 1.0, 2.0 or 3.0")
    start = 10 if version == b"\x01\x00" else 12
    length = int.from_bytes(data[8:start], "little")
    if length > min(MAX_HEADER, len(data) - start):
        raise FileError("FILE-2", place, "header is longer than allowed", length, f"at most {MAX_HEADER}")
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
        raise FileError("FILE-2", place, f"type is not a little-endian {kinds}", header["descr"], ", ".join(types))
    if header["fortran_order"] is not False and not (fortran and header["fortran_order"] is True):
        raise FileError("FILE-2", place, "array is not in C order", header["fortran_order"])
    shape, count = header["shape"], 1
    if not isinstance(shape, tuple) or len(shape) > 4:
        raise FileError("FILE-2", place, "shape is not a tuple of at most 4 sizes", shape)
    for side in shape:
        if type(side) is not int or not 0 <= side <= MAX_FILE:
            raise FileError("FILE-2", place, "shape is not a tuple of sizes", shape)
        count *= side
    kind = np.dtype(header["descr"])
    there = len(data) - start - length
    if count * kind.itemsize != there:
        raise FileError(
            "FILE-2",
            place,
            "data do not fill the declared shape",
            f"{count * kind.itemsize} bytes",
            f"{there} are there",
        )
    return np.frombuffer(data, kind, count, start + length).reshape(
        shape, order="F" if header["fortran_order"] else "C"
    )


def check_version(text: bytes, where: str) -> None:
    """Nothing, when this program reads the format and SPEC version of a manifest (ID-4); else FileError."""
    try:
        version = schema.decode(text, schema.Version)
    except schema.INVALID as error:
        raise FileError("FILE-3", f"{where}: manifest.json", "not a manifest", str(error)) from None
    if version.format != FORMAT:
        raise FileError(
            "ID-4", f"{where}: manifest.json", "unknown format", version.format, f"this fsref reads format {FORMAT}"
        )
    match = re.fullmatch(r"(0|[1-9][0-9]{0,3})\.(0|[1-9][0-9]{0,3})", version.spec_version)
    own = tuple(map(int, SPEC_VERSION.split(".")))
    if not match or int(match[1]) != own[0] or int(match[2]) > own[1]:
        raise FileError(
            "ID-4",
            f"{where}: manifest.json",
            "written under another version of SPEC.md",
            version.spec_version,
            f"this fsref holds {SPEC_VERSION}",
        )


def unique(pairs: list[tuple[str, Any]]) -> None:
    """Nothing; ValueError when a JSON object has a key twice, which two readers may read as two networks."""
    keys = [key for key, _ in pairs]
    if len(set(keys)) < len(keys):
        raise ValueError(f"Object has the key `{max(keys, key=keys.count)}` twice")


def build(members: dict[str, bytes], where: str) -> Network:
    """The network of a file's members. Errors: FileError, NetworkError, RangeError."""
    text = members.get("manifest.json")
    if text is None:
        limit = "a float graph: fsref convert makes a network of it" if "graph.npy" in members else ""
        raise FileError("FILE-1", where, "member is missing", "manifest.json", limit)
    if len(text) > MAX_MANIFEST:
        raise FileError(
            "FILE-3", f"{where}: manifest.json", "manifest is too large", len(text), f"at most {MAX_MANIFEST} bytes"
        )
    check_version(text, where)
    try:
        json.loads(text, object_pairs_hook=unique)
        found: schema.Manifest = schema.decode(text, schema.Manifest)
    except (*schema.INVALID, ValueError) as error:
        raise FileError("FILE-3", f"{where}: manifest.json", "breaks the schema", str(error)) from None
    named = {f"population.{i}.{a}" for i, p in enumerate(found.populations) for a in arrays_of(p)}
    named |= {f"projection.{j}.weights" for j in range(len(found.projections))}
    expected = {f"{name}.npy" for name in named} | {"manifest.json"}
    for problem, names in (("member is missing", expected - set(members)), ("unknown member", set(members) - expected)):
        if names:
            raise FileError("FILE-1", where, problem, min(names))
    arrays = {name: read_array(members[f"{name}.npy"], f"{where}: {name}.npy") for name in sorted(named)}
    try:
        populations = [
            population(entry, {a: arrays[f"population.{i}.{a}"] for a in arrays_of(entry)})
            for i, entry in enumerate(found.populations)
        ]
        projections = [
            projection(entry, arrays[f"projection.{j}.weights"]) for j, entry in enumerate(found.projections)
        ]
        contract = None if found.input is None else Contract(**schema.plain(found.input))
        return Network(
            populations, projections, found.name, found.logit_scale, found.classes, contract, found.provenance
        )
    except FsrefError as error:
        raise type(error)(error.rule, f"{where}: {error.place}", error.problem, error.value, error.limit) from None


def arrays_of(entry: Any) -> tuple[str, ...]:
    """The arrays a population keeps in the file (FILE-1)."""
    return (
        ("T", "h", "d", "bias")
        if isinstance(entry, schema.FSEntry)
        else ("bias",)
        if isinstance(entry, schema.ReadoutEntry)
        else ()
    )


def population(entry: Any, arrays: dict[str, NDArray[Any]]) -> Population:
    """The population of a manifest entry and its arrays."""
    match entry:
        case schema.InputEntry():
            return Input(entry.name, entry.shape, entry.steps, entry.max_code, entry.scale)
        case schema.MaxPoolEntry():
            return MaxPool(entry.name, entry.shape, entry.source, entry.kernel, entry.stride, entry.padding)
    width = None if entry.width is None else Width(entry.width.bits, entry.width.promise)
    if isinstance(entry, schema.ReadoutEntry):
        return Readout(entry.name, entry.shape, arrays["bias"], width)
    return FS(
        entry.name,
        entry.shape,
        Table(arrays["T"], arrays["h"], arrays["d"]),
        arrays["bias"],
        width,
        entry.scale,
        entry.offset,
    )


def projection(entry: Any, weights: NDArray[Any]) -> Projection:
    """The projection of a manifest entry and its weights."""
    if isinstance(entry, schema.DenseEntry):
        return Dense(entry.source, entry.target, weights, entry.pooled)
    return Conv2d(entry.source, entry.target, weights, entry.stride, entry.padding, entry.dilation, entry.groups)


def manifest_of(net: Network) -> dict[str, Any]:
    """The manifest of a network as plain JSON values (FILE-3)."""

    def width(w: Width | None) -> schema.WidthEntry | None:
        return None if w is None else schema.WidthEntry(w.bits, w.promise)

    def entry(p: Population | Projection) -> Any:
        match p:
            case Input():
                return schema.InputEntry(p.name, p.shape, p.steps, p.max_code, p.scale)
            case FS():
                return schema.FSEntry(p.name, p.shape, width(p.width), p.scale, p.offset)
            case MaxPool():
                return schema.MaxPoolEntry(p.name, p.shape, p.source, p.kernel, p.stride, p.padding)
            case Readout():
                return schema.ReadoutEntry(p.name, p.shape, width(p.width))
            case Dense():
                return schema.DenseEntry(p.source, p.target, p.pooled)
            case Conv2d():
                return schema.Conv2dEntry(p.source, p.target, p.stride, p.padding, p.dilation, p.groups)

    contract = None if net.contract is None else schema.ContractEntry(**vars(net.contract))
    whole = schema.Manifest(
        FORMAT,
        SPEC_VERSION,
        list(map(entry, net.populations)),
        list(map(entry, net.projections)),
        net.name,
        float(net.logit_scale),
        tuple(net.classes),
        contract,
        dict(net.provenance),
    )
    return schema.plain(whole)


def npy(values: NDArray[Any], kind: np.dtype[Any] | None = None) -> bytes:
    """The bytes of an array as `.npy` 1.0: of the given type, or integers in the smallest type that holds them
    (FILE-4).
    """
    kind = kind or smallest_dtype(values)
    header = f"{{'descr': '{kind.str}', 'fortran_order': False, 'shape': {values.shape!r}, }}".encode()
    header += b" " * (-(len(header) + 11) % 64) + b"\n"
    return (
        b"\x93NUMPY\x01\x00"
        + struct.pack("<H", len(header))
        + header
        + np.ascontiguousarray(values, dtype=kind).tobytes()
    )


def canonical(values: dict[str, Any]) -> bytes:
    """JSON values as UTF-8, with sorted keys and no spaces (FILE-4)."""
    return json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def to_bytes(net: Network) -> bytes:
    """The bytes of a network's file: the same network gives the same bytes (FILE-4)."""
    try:
        found = schema.decode(
            canonical(manifest_of(net)), schema.Manifest
        )  # what load would find, its numbers in one form
        members = {"manifest.json": canonical(schema.plain(found))}
    except (TypeError, ValueError, *schema.INVALID) as error:
        raise FileError("FILE-3", "manifest.json", "would not be a manifest", str(error)) from None
    if len(members["manifest.json"]) > MAX_MANIFEST:
        raise FileError(
            "FILE-3",
            "manifest.json",
            "manifest is too large",
            len(members["manifest.json"]),
            f"at most {MAX_MANIFEST} bytes",
        )
    for index, p in enumerate(net.populations):
        if isinstance(p, FS):
            members |= {f"population.{index}.{a}.npy": npy(getattr(p.table, a)) for a in "Thd"}
        if isinstance(p, (FS, Readout)):
            members[f"population.{index}.bias.npy"] = npy(p.bias)
    for index, q in enumerate(net.projections):
        members[f"projection.{index}.weights.npy"] = npy(q.weights)
    return pack(members)


def pack(members: dict[str, bytes]) -> bytes:
    """A stored zip of these members, the same bytes for the same members (FILE-4)."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(members):
            entry = zipfile.ZipInfo(name, DATE)
            entry.create_system, entry.external_attr = 3, 0o644 << 16
            archive.writestr(entry, members[name])
    return packed.getvalue()


def save(net: Network, path: str | PathLike[str]) -> None:
    """Write a network's file, complete or not at all (FILE-4). Errors: FileError."""
    write(to_bytes(net), path, "FILE-4")
