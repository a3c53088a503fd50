"""One npz holds a network: `manifest.json` and integer arrays in a stored zip (FILE-1 to FILE-4).

Read it anywhere in a few lines: `zipfile.ZipFile(path).read("manifest.json")` is JSON,
`numpy.load(path)["projection.0.weights"]` an array.
"""

from __future__ import annotations

import json
import re
from os import PathLike
from typing import Any, assert_never

import numpy as np
from numpy.typing import NDArray

from fsref.errors import FileError, FsrefError, GraphError, NetworkError
from fsref.formats import manifest as schema
from fsref.formats.container import canonical, pack, read_file, unique
from fsref.formats.files import write
from fsref.formats.npy import npy, read_array
from fsref.law.images import Pixels
from fsref.law.network import Network
from fsref.law.neuron import Table
from fsref.law.populations import FS, Input, MaxPool, Population, Readout, View, Width
from fsref.law.projections import Conv2d, Dense, Gate, Projection
from fsref.version import SPEC_VERSION, latest

FORMAT = 1
MAX_MANIFEST = 2**24
MAX_DEPTH = 100  # of provenance: far from where Python stops reading, wherever it is read from


def load(path: str | PathLike[str]) -> Network:
    """The network of a file, every rule checked and every range proved. Errors: FileError, NetworkError, RangeError."""
    return build(read_file(path, "a network file"), str(path))


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


def check_kinds(text: bytes, where: str) -> None:
    """Nothing, when no population of a manifest is of a kind that is one of projections (NET-1); else NetworkError."""
    try:
        found = schema.decode(text, schema.Kinds).populations
    except schema.INVALID:
        return  # the schema says what is wrong
    for index, entry in enumerate(found):
        if entry.kind == "gate":
            problem, limit = "a gate is a projection, no population", "input, fs, max_pool, view or readout"
            raise NetworkError("NET-1", f"{where}: population {index}", problem, entry.kind, limit)


def check_named(found: schema.Manifest, where: str) -> None:
    """Nothing, when a manifest holds nothing that came after the version it names (ID-4); else FileError."""
    for place, what, since in schema.later(found):
        if latest([found.spec_version, since]) != found.spec_version:
            problem = f"{what}, which came with {since}, in a file that names an older version"
            raise FileError("ID-4", f"{where}: {place}", problem, found.spec_version, f"spec_version {since} at least")


def parsed(text: bytes) -> schema.Manifest:
    """The manifest in a text (FILE-3). Errors: ValueError, or one of INVALID."""
    json.loads(text, object_pairs_hook=unique)
    found: schema.Manifest = schema.decode(text, schema.Manifest)
    if (deep := depth(found.provenance)) > MAX_DEPTH:
        raise ValueError(f"provenance is nested {deep} deep, at most {MAX_DEPTH}")
    return found


def depth(value: Any) -> int:
    """How many objects and lists of a JSON value stand in one another."""
    count, layer = 0, [value]
    while layer := [inner for inner in layer if isinstance(inner, dict | list)]:
        count += 1
        layer = [held for inner in layer for held in (inner.values() if isinstance(inner, dict) else inner)]
    return count


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
    check_kinds(text, where)
    try:
        found = parsed(text)
    except (*schema.INVALID, ValueError) as error:
        raise FileError("FILE-3", f"{where}: manifest.json", "breaks the schema", str(error)) from None
    check_named(found, where)
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
        contract = contract_of(found)
        return Network(
            populations, projections, found.name, found.logit_scale, found.classes, contract, found.provenance
        )
    except FsrefError as error:
        raise type(error)(error.rule, f"{where}: {error.place}", error.problem, error.value, error.limit) from None


def contract_of(found: schema.Manifest) -> Pixels | None:
    """The input contract of a manifest (FILE-3). Errors: FileError."""
    entry, first = found.input, found.populations[:1]
    if entry is None or not first or not isinstance(first[0], schema.InputEntry):  # NET-1 refuses the latter
        return None
    form: dict[str, Any] = {"order": entry.channels, "resize": entry.resize, "crop": entry.crop}
    form |= {"mean": entry.mean, "std": entry.std, "scale": first[0].scale, "max_code": first[0].max_code}
    try:
        return Pixels(*first[0].shape, **form)
    except GraphError as error:
        raise FileError("FILE-3", f"contract: {error.place}", error.problem, error.value, error.limit) from None


def arrays_of(entry: schema.PopulationEntry) -> tuple[str, ...]:
    """The arrays a population keeps in the file (FILE-1)."""
    match entry:
        case schema.InputEntry() | schema.MaxPoolEntry() | schema.ViewEntry():
            return ()
        case schema.FSEntry():
            return ("T", "h", "d", "bias")
        case schema.ReadoutEntry():
            return ("bias",)
        case _:
            assert_never(entry)


def population(entry: schema.PopulationEntry, arrays: dict[str, NDArray[Any]]) -> Population:
    """The population of a manifest entry and its arrays."""
    match entry:
        case schema.InputEntry():
            return Input(entry.name, entry.shape, entry.steps, entry.max_code, entry.scale)
        case schema.FSEntry():
            table = Table(arrays["T"], arrays["h"], arrays["d"])
            width = declared(entry.width)
            return FS(entry.name, entry.shape, table, arrays["bias"], width, entry.scale, entry.offset)
        case schema.MaxPoolEntry():
            return MaxPool(entry.name, entry.shape, entry.source, entry.kernel, entry.stride, entry.padding)
        case schema.ViewEntry():
            return View(entry.name, entry.shape, entry.source, np.array(entry.rows), np.array(entry.columns))
        case schema.ReadoutEntry():
            scale = None if isinstance(entry.scale, schema.UnsetType) else entry.scale
            return Readout(entry.name, entry.shape, arrays["bias"], declared(entry.width), scale)
        case _:
            assert_never(entry)


def declared(entry: schema.WidthEntry | None) -> Width | None:
    """The declared width of a manifest entry (RANGE-5)."""
    return None if entry is None else Width(entry.bits, entry.promise)


def projection(entry: schema.ProjectionEntry, weights: NDArray[Any]) -> Projection:
    """The projection of a manifest entry and its weights."""
    match entry:
        case schema.Conv2dEntry():
            form = entry.stride, entry.padding, entry.dilation, entry.groups
            return Conv2d(entry.source, entry.target, weights, *form)
        case schema.DenseEntry():
            return Dense(entry.source, entry.target, weights, entry.pooled)
        case schema.GateEntry():
            return Gate(entry.source, entry.by, entry.target, weights)
        case _:
            assert_never(entry)


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
            case View():
                lists = tuple(p.rows.tolist()), tuple(p.columns.tolist())
                return schema.ViewEntry(p.name, p.shape, p.source, *lists)
            case Readout():
                return schema.ReadoutEntry(
                    p.name, p.shape, width(p.width), schema.UNSET if p.scale is None else p.scale
                )
            case Dense():
                return schema.DenseEntry(p.source, p.target, p.pooled)
            case Conv2d():
                return schema.Conv2dEntry(p.source, p.target, p.stride, p.padding, p.dilation, p.groups)
            case Gate():
                return schema.GateEntry(p.source, p.by, p.target)
            case _:
                assert_never(p)

    contract = None
    if (told := net.contract) is not None:
        mean, std = (tuple(np.ravel(numbers).tolist()) for numbers in (told.mean, told.std))
        contract = schema.ContractEntry("L" if told.order == "L" else "RGB", mean, std, told.resize, told.crop)
    whole = schema.Manifest(
        FORMAT,
        net.spec_version,
        list(map(entry, net.populations)),
        list(map(entry, net.projections)),
        net.name,
        float(net.logit_scale),
        tuple(net.classes),
        contract,
        dict(net.provenance),
    )
    return schema.plain(whole)


def to_bytes(net: Network) -> bytes:
    """The bytes of a network's file: the same network gives the same bytes (FILE-4)."""
    try:
        # What load would find, its numbers in one form.
        found = parsed(canonical(manifest_of(net)))
        members = {"manifest.json": canonical(schema.plain(found))}
    except (TypeError, ValueError, *schema.INVALID) as error:
        raise FileError("FILE-3", "manifest.json", "would not be a manifest", str(error)) from None
    if (size := len(members["manifest.json"])) > MAX_MANIFEST:
        raise FileError("FILE-3", "manifest.json", "manifest is too large", size, f"at most {MAX_MANIFEST} bytes")
    place = {p.name: index for index, p in enumerate(net.populations)}
    for fs in net.fs:
        members |= {f"population.{place[fs.name]}.{a}.npy": npy(getattr(fs.table, a)) for a in "Thd"}
    for p in net.integrating:
        members[f"population.{place[p.name]}.bias.npy"] = npy(p.bias)
    for index, q in enumerate(net.projections):
        members[f"projection.{index}.weights.npy"] = npy(q.weights)
    return pack(members, net.name or "network")


def save(net: Network, path: str | PathLike[str], replace: bool = True) -> None:
    """Write a network's file, complete or not at all (FILE-4, RUN-5). Errors: FileError, UsageError."""
    write(to_bytes(net), path, "FILE-4", replace)
