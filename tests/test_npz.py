"""The network file: its id, versions, container, arrays and manifest, and how it is written."""

from __future__ import annotations

import hashlib
import io
import json
import os
import struct
import zipfile
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest

import naive
from fsref import FS, Conv2d, Dense, Input, MaxPool, Network, Pixels, Readout, Table, Width, load, save
from fsref.errors import FileError, NetworkError, UsageError
from fsref.formats import container, npz
from fsref.formats.npy import read_array
from fsref.law.populations import View
from fsref.version import LEAST_WRITTEN
from handmade import chain, draw, gated, oracle, residual, tiny, unordered
from members import array, members_of, npy, with_manifest, zipped
from refusals import ANY, refused

SHIPPED = sorted((Path(__file__).parent.parent / "reference_models").glob("*/*.fs.npz"))
W = "x: manifest.json"
TYPES = ("|i1", "<i2", "<i4", "<i8")


def test_id_from_the_spec_alone() -> None:
    """The id is the SHA-256 of the words that ID-1 lists, written out here by hand; and the naive oracle's for larger
    networks.
    """
    words = [3, 2]
    words += [0, 1, 2, 2, 4, 15]
    words += [1, 3, 1, 1, 3, 1, 3, 8, 4, 2, 1, 3, 8, 4, 2, 1, 3, 4, 2, 1, 1, 3, 1, -2, 0]
    words += [3, 2, 1, 1, 0, 1, 2, 5, -5]
    words += [1, 0, 1, 0, 2, 3, 4, 1, 2, 0, -1, 3, 0, 1, 1, -1, 1, 2, 0]
    words += [1, 1, 2, 0, 2, 2, 3, 1, -1, 2, 0, 3, -2]
    assert tiny().id == hashlib.sha256(b"FSREFID1" + b"".join(struct.pack("<q", word) for word in words)).hexdigest()
    words = [3, 2, 0, 2, 3, 4, 2, 3]
    words += [2, 2, 2, 2, 2, 0, 2, 3, 1, 2, 0, 1, 0, 0]
    words += [3, 1, 1, 1, 0, 1, 1, 9]
    words += [0, 1, 2, 3, 4, 0, 4, 1, 2, 6, 7, 1, 4, 1, 2, 1, 2, 1, 2, 3, 4]
    words += [1, 1, 2, 1, 2, 1, 2, -7, 8]
    pooled = Network(
        [
            Input("in", (2, 3, 4), 2, 3),
            MaxPool("p", (2, 2, 2), "in", (2, 3), (1, 2), (0, 1, 0, 0)),
            Readout("out", (1, 1, 1), [9]),
        ],
        [
            Conv2d("p", "out", [[[[1, 2]], [[3, 4]]]], (3, 4), (0, 4, 1, 2), (6, 7)),
            Dense("p", "out", [[-7, 8]], pooled=True),
        ],
    )
    assert pooled.id == hashlib.sha256(b"FSREFID1" + b"".join(struct.pack("<q", word) for word in words)).hexdigest()
    for net in (tiny(), residual(), unordered(), pooled):
        assert net.id == naive.identity(oracle(net)) and len(net.id) == 64


def test_same_integers_same_id() -> None:
    """Bias maps of constant channels and tables of equal rows shrink; what is for people changes no id, any integer
    does (ID-1, ID-2).
    """
    base = residual()
    i, stem, pool, mid, last, out = base.populations
    flat = np.broadcast_to(np.arange(4)[:, None, None], (4, 4, 3))
    rows = Table(np.tile(last.table.T, (4, 1)), last.table.h.astype(np.uint16), np.tile(last.table.d, (4, 1)))
    for other in (
        FS("sum", last.shape, last.table, flat, Width(40, "any_order"), 2.5),
        FS("sum", last.shape, rows, [0, 1, 2, 3]),
    ):
        assert Network([i, stem, pool, mid, other, out], base.projections).id == base.id
    other = Readout("out", (3, 1, 1), np.array([10, 0, -10], np.int8).reshape(3, 1, 1))
    assert Network([i, stem, pool, mid, last, other], base.projections).id == base.id
    net = told()
    silent = [p if isinstance(p, MaxPool | Readout) else replace(p, scale=None) for p in net.populations]
    silent = [replace(p, width=None) if isinstance(p, FS | Readout) else p for p in silent]
    assert Network(silent, net.projections).id == net.id
    members = members_of(npz.to_bytes(base))
    for name, data in members.items():
        if name.endswith(".npy"):
            values = np.load(io.BytesIO(data))
            assert npz.build({**members, name: array(values, "<i8")}, "x").id == base.id
    wide = {
        **members,
        "population.4.T.npy": array(np.tile(last.table.T, (4, 1))),
        "population.4.bias.npy": array(np.broadcast_to(np.arange(4)[:, None, None], (4, 4, 3))),
    }
    again = npz.build(wide, "x")
    assert (
        again.id == base.id
        and npz.to_bytes(again) == npz.to_bytes(base)
        and naive.identity(naive.load(zipped(wide))) == base.id
    )
    renamed = {p.name: f"n{k}" for k, p in enumerate(base.populations)}
    moved = [
        replace(p, name=renamed[p.name], **({"source": renamed[p.source]} if isinstance(p, MaxPool) else {}))
        for p in base.populations
    ]
    joined = [replace(q, source=renamed[q.source], target=renamed[q.target]) for q in base.projections]
    assert Network(moved, joined).id == base.id
    seen = {base.id}
    for name, data in members.items():
        if name.endswith(".npy"):
            values = np.load(io.BytesIO(data)).astype(np.int64)
            values.ravel()[0] += 1
            seen.add(npz.build({**members, name: array(values)}, "x").id)
    assert len(seen) == len(members)


def test_versions() -> None:
    """Files of this major version and no later minor are read; others are refused by their version, before the schema
    (ID-4).
    """
    members = members_of(npz.to_bytes(tiny()))
    for version in ("1.0", "1.1", "1.2", "1.3", "1.4"):
        assert npz.build(with_manifest(members, spec_version=version), "x").id == tiny().id
    for version in ("1.5", "2.0", "0.9", "1", "", "1.0.0", "01.0", "1.00", "x", "1.0\n", "-1.0", "1.99999", "١.٠"):
        with refused(FileError, "ID-4", W, version):
            npz.build(with_manifest(members, spec_version=version, new_key=1), "x")
    for number in (0, 2, -1, 10**30):
        with refused(FileError, "ID-4", W, number):
            npz.build(with_manifest(members, format=number, populations="later"), "x")
    assert json.loads(members["manifest.json"])["spec_version"] == "1.2"


def test_container(tmp_path: Path) -> None:
    """A stored zip with exactly the members that the network needs: no compression, encryption, comment, second name or
    leading bytes (FILE-1).
    """
    net = tiny()
    data = npz.to_bytes(net)
    members = members_of(data)
    assert sorted(members) == [
        "manifest.json",
        *(f"population.1.{a}.npy" for a in ("T", "bias", "d", "h")),
        "population.2.bias.npy",
        "projection.0.weights.npy",
        "projection.1.weights.npy",
    ]
    path = tmp_path / "net.npz"

    def wrong(data: bytes, place: str = "", value: Any = ..., rule: str = "FILE-1") -> None:
        path.write_bytes(data)
        with refused(FileError, rule, ANY, *(() if value is ... else (value,)), says=f"{path}{place}"):
            load(path)

    path.write_bytes(zipped(dict(reversed(members.items()))))
    assert load(path).id == load(str(path)).id == net.id
    for cut in (0, 1, 21, 22, len(data) // 2, len(data) - 1):
        wrong(data[:cut])
    wrong(b"\0" + data)
    wrong(b"PK\3\4" + data)
    wrong(data + b"\0")
    last = data.rfind(b"PK\1\2")
    for field in (30, 32):  # lengths of an extra field and a comment that are not there
        wrong(data[: last + field] + b"\xff" + data[last + field + 1 :])
    wrong(data + b"PK\5\6" + bytes(18))
    wrong(data[:-2] + b"\1\0" + b"c")
    wrong(zipped(members, zipfile.ZIP_DEFLATED), ": 'manifest.json'", 8)
    encrypted = bytearray(data)
    encrypted[data.index(b"PK\1\2") + 8] |= 1
    wrong(bytes(encrypted), ": 'manifest.json'")
    damaged = bytearray(data)
    damaged[data.index(b'"format"') + 1] ^= 1
    wrong(bytes(damaged), ": 'manifest.json'")
    twice = io.BytesIO(data)
    with zipfile.ZipFile(twice, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("manifest.json", members["manifest.json"])
    wrong(twice.getvalue(), ": 'manifest.json'")
    for name in members:
        wrong(zipped({n: d for n, d in members.items() if n != name}), value=name)
    for extra in ("readme.txt", "population.0.T.npy", "population.1.t.npy", "projection.2.weights.npy", "a/", "../x"):
        wrong(zipped({**members, extra: b""}), value=extra)
    wrong(b"PK\5\6" + bytes(18), value="manifest.json")
    for bad, reason in (
        (tmp_path / "none.npz", "No such file or directory"),
        (tmp_path, None),
        (f"{tmp_path}/a\0b", "embedded null byte"),
    ):
        with refused(FileError, "FILE-1", str(bad), reason):
            load(bad)


def test_container_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files, numbers of members and what members claim are bounded (FILE-1)."""
    data = npz.to_bytes(tiny())
    path = tmp_path / "net.npz"
    path.write_bytes(data)
    monkeypatch.setattr(container, "MAX_FILE", len(data))
    assert load(path).id == tiny().id
    monkeypatch.setattr(container, "MAX_FILE", len(data) - 1)
    with refused(FileError, "FILE-1", str(path), len(data)):
        load(path)
    monkeypatch.setattr(container, "MAX_MEMBERS", 7)
    with refused(FileError, "FILE-1", "x", 8):
        container.read_members(data, "x")
    monkeypatch.undo()
    assert (container.MAX_FILE, container.MAX_MEMBERS, npz.MAX_MANIFEST) == (2**32, 65535, 2**24)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for number in range(65536):
            archive.writestr(zipfile.ZipInfo(str(number)), b"")
    with refused(FileError, "FILE-1", "x", 65536):
        container.read_members(packed.getvalue(), "x")


def test_arrays() -> None:
    """An array is C-order little-endian int8 to int64 or uint8 of .npy 1.0 to 3.0 that fills its member; nothing is
    unpickled (FILE-2).
    """
    net = tiny()
    members, name = members_of(npz.to_bytes(net)), "projection.1.weights.npy"
    place = f"x: {name}"

    def with_array(data: bytes) -> Network:
        return npz.build({**members, name: data}, "x")

    def wrong(data: bytes, value: Any = ...) -> None:
        with refused(FileError, "FILE-2", place, *(() if value is ... else (value,))):
            with_array(data)

    values = np.array([[1, -1, 2], [0, 3, -2]])
    raw = values.astype("<i8").tobytes()
    for descr in ("|i1", "<i2", "<i4", "<i8"):
        for version in (1, 2, 3):
            assert with_array(npy(values.astype(descr).tobytes(), (2, 3), descr, version=version)).id == net.id
    assert with_array(array(abs(values), "|u1")).projections[1].weights.tolist() == abs(values).tolist()
    saved = io.BytesIO()
    np.save(saved, values)
    assert with_array(saved.getvalue()).id == net.id
    for descr in (
        "<f4",
        "<f8",
        ">i2",
        ">i4",
        ">i8",
        "<u2",
        "<u4",
        "<u8",
        "|b1",
        "|O",
        "|S8",
        "<U2",
        "<M8[s]",
        "<c16",
        "|V8",
        "i8",
        "=i8",
        "int64",
    ):
        wrong(npy(raw, (2, 3), descr), descr)
    for descr in ([("a", "<i8")], ("<i8",), None, 8, {}):
        wrong(npy(raw, (2, 3), descr), descr)
    pickled = io.BytesIO()
    np.save(pickled, np.array([[Bomb()]], dtype=object), allow_pickle=True)
    wrong(pickled.getvalue(), "|O")
    for fortran in (True, 0, None, "False"):
        wrong(npy(raw, (2, 3), fortran=fortran), fortran)
    for shape in (
        [2, 3],
        6,
        "6",
        None,
        (2, 3.0),
        (2, True),
        (-2, -3),
        (2, "3"),
        (1, 1, 1, 2, 3),
        (2**32 + 1, 0),
        (0, 2**60, 0),
    ):
        wrong(npy(raw, repr(shape)), shape)
    for shape in ((2, 4), (2, 2), (), (0, 3), (2**31, 2**31), (2**32, 2**32, 2**32, 2**32)):
        count = 1
        for side in shape:
            count *= side
        wrong(npy(raw, shape), f"{8 * count} bytes")
    wrong(npy(raw + b"\0", (2, 3)), "48 bytes")
    wrong(npy(raw[:-1], (2, 3)), "48 bytes")
    huge = "0x" + "F" * 3700
    for header in (
        f"({huge},)",
        f"({huge}, {huge[:90]})",
        f"-{huge}",
        f"'a', 'more': {huge}",
        "(" * 300,
        "[" * 2000,
        "1 if 1 else 2",
        "__import__('os')",
        "{[]: 1}",
        "'\0'",
        "(2, 3), 'shape': (2, 3), 'extra': 1",
        "{1}",
    ):
        wrong(npy(raw, header))
    for header in (b"", b"{}", b"[]", b"5", b"\xff\xfe", b"{'descr': '<i8', 'fortran_order': False}"):
        for version in (1, 3):
            wrong(
                b"\x93NUMPY"
                + bytes([version, 0])
                + struct.pack("<H" if version == 1 else "<I", len(header))
                + header
                + raw
            )
    wrong(npy(raw, "(2, 3)" + " " * 5000))
    for data in (
        b"",
        b"\x93",
        b"\x93NUMPY",
        b"\x93NUMPY\1",
        b"\x93NUMPY\1\0",
        b"\x93NUMPY\1\0\x10",
        b"\x93NUMPY\1\0\xff\xff",
        b"\x93NUMPY\2\0\xff\xff\xff\xff",
        b"\x93NUMPY\4\0" + raw,
        b"\x93NUMPY\1\1" + raw,
        b"\x94NUMPY\1\0" + raw,
    ):
        wrong(data)
    for values, rule in (
        (np.ones((2, 3, 1), int), "PROJ-4"),
        (np.full((2, 3), 2**31), "PROJ-7"),
        (np.ones((3, 3), int), "PROJ-4"),
        (np.zeros((2, 0), int), "PROJ-4"),
    ):
        with refused(NetworkError, rule, "x: hid->out weights"):
            with_array(array(values))
    with pytest.raises(ValueError, match="read-only"):
        read_array(array([1]), "x")[0] = 2


class Bomb:
    """Unpickling this ends the test run."""

    def __reduce__(self) -> Any:
        return os._exit, (99,)


def test_manifest() -> None:
    """The manifest is UTF-8 JSON of exactly the keys of FILE-3; defaults may be left out, unknown keys, kinds and types
    are refused.
    """
    net = tiny()
    members = members_of(npz.to_bytes(net))
    manifest = json.loads(members["manifest.json"])

    def built(text: Any) -> Network:
        return npz.build(
            {**members, "manifest.json": text if isinstance(text, bytes) else json.dumps(text).encode()}, "x"
        )

    bare = {key: manifest[key] for key in ("format", "spec_version", "populations", "projections")}
    bare["populations"] = [{k: v for k, v in p.items() if k not in ("scale", "width")} for p in bare["populations"]]
    bare["projections"] = [{k: p[k] for k in ("kind", "source", "target")} for p in bare["projections"]]
    assert (
        npz.to_bytes(built(bare)) == npz.to_bytes(net)
        and naive.identity(naive.load(zipped({**members, "manifest.json": json.dumps(bare).encode()}))) == net.id
    )
    for text in (
        b"",
        b"{",
        b"null",
        b"[]",
        b"\xff" + members["manifest.json"],
        b"\xef\xbb\xbf" + members["manifest.json"],
        members["manifest.json"] + b"x",
        b"[" * 100000,
        b'{"format":1,"spec_version":"\xff"}',
        json.dumps(manifest).encode("utf-16"),
    ):
        with refused(FileError, "FILE-3", W):
            built(text)
    padded = json.dumps(manifest).encode()
    assert built(padded + b" " * (2**24 - len(padded))).id == net.id
    with refused(FileError, "FILE-3", W, 2**24 + 1):
        built(padded + b" " * (2**24 + 1 - len(padded)))
    for key in bare:
        with refused(FileError, "FILE-3", W):
            built({k: v for k, v in manifest.items() if k != key})
    wrong: list[tuple[tuple[Any, ...], Any]] = [
        (("more",), 1),
        (("name",), 5),
        (("logit_scale",), "1"),
        (("classes",), [1, 2]),
        (("input",), {"channels": "CMYK"}),
        (("input",), {"channels": "L", "gamma": 1}),
        (("input",), {}),
        (("provenance",), []),
        (("populations",), {}),
        (("populations", 0, "kind"), "fs"),
        (("populations", 1, "kind"), "gates"),
        (("populations", 0, "steps"), 4.5),
        (("populations", 0, "steps"), "4"),
        (("populations", 0, "steps"), True),
        (("populations", 0, "steps"), 2**60),
        (("populations", 0, "shape"), [1, 2]),
        (("populations", 0, "shape"), [1, 2, 2, 1]),
        (("populations", 0, "scale"), "x"),
        (("populations", 1, "steps"), 3),
        (("populations", 1, "width"), {"bits": 8}),
        (("populations", 1, "width"), {"bits": 8, "promise": "never"}),
        (("populations", 1, "name"), None),
        (("projections", 0, "pooled"), 1),
        (("projections", 0, "stride"), [1, 1]),
        (("projections", 0, "kind"), "lstm"),
        (("projections", 0, "target"), 1),
    ]
    for (*way, key), value in wrong:
        broken = json.loads(members["manifest.json"])
        at = broken
        for step in way:
            at = at[step]
        at[key] = value
        with refused(FileError, "FILE-3", W):
            built(broken)
    for text in (b'"\\ud800"', b"1e999", b"NaN"):
        with refused(FileError, "FILE-3", W):
            built(json.dumps({**manifest, "provenance": {"x": "@"}}).encode().replace(b'"@"', text))
    for change, rule, place in (
        ({"kind": "gate"}, "NET-1", "x: population 0"),
        ({"name": "a b"}, "NET-2", "x: population"),
        ({"max_code": 16}, "NET-7", "x: in max_code"),
        ({"scale": -1.0}, "FILE-3", "x: in scale"),
        ({"shape": [1, 2, 0]}, "NET-3", "x: in shape"),
    ):
        broken = json.loads(members["manifest.json"])
        broken["populations"][0].update(change)
        with refused(NetworkError, rule, place):
            built(broken)


def test_a_scale_per_channel() -> None:
    """An fs may have a scale for each channel, written as a list under version 1.3 where they differ; for people alone,
    so the id stays. Equal ones are one number; anything but a positive number each is refused (FILE-3, ID-4).
    """
    given, hid, out = tiny().populations

    def scaled(scale: Any) -> Network:
        return tiny(populations=[given, FS("hid", hid.shape, hid.table, hid.bias, scale=scale), out])

    net = scaled(np.array([0.5, 0.25, 3]))
    members = members_of(npz.to_bytes(net))
    manifest = json.loads(members["manifest.json"])
    assert (manifest["spec_version"], manifest["populations"][1]["scale"]) == ("1.3", [0.5, 0.25, 3.0])
    again = npz.build(members, "x")
    assert again.fs[0].scale == (0.5, 0.25, 3.0) and again.id == tiny().id and npz.to_bytes(again) == npz.to_bytes(net)
    assert "0.25 .. 3, one per channel, * code" in " ".join(str(again.fs[0].sheet()).split())
    assert naive.identity(naive.load(zipped(members))) == net.id
    one = scaled([0.5, 0.5, 0.5])
    assert (one.fs[0].scale, one.spec_version) == (0.5, LEAST_WRITTEN)
    assert json.loads(members_of(npz.to_bytes(one))["manifest.json"])["populations"][1]["scale"] == 0.5
    for scale, place in (
        ([1, 2], ""),
        ([1, 0, 1], " of channel 1"),
        ([1, 1, "x"], " of channel 2"),
        ([[1, 1, 1]] * 3, " of channel 0"),
    ):
        with refused(NetworkError, "FILE-3", f"hid scale{place}"):
            scaled(scale)
    for scale in (-1, "x", np.ones((3, 1)), float("nan")):
        with refused(NetworkError, "FILE-3", "hid scale"):
            scaled(scale)
    for scale, place in (([1, -2.0, 1], "x: hid scale of channel 1"), ([], "x: hid scale")):
        manifest["populations"][1]["scale"] = scale
        with refused(NetworkError, "FILE-3", place):
            npz.build({**members, "manifest.json": json.dumps(manifest).encode()}, "x")
    manifest["populations"][1]["scale"] = [1, "x", 1]
    with refused(FileError, "FILE-3", W):
        npz.build({**members, "manifest.json": json.dumps(manifest).encode()}, "x")


def told() -> Network:
    """A network that says everything a file can hold: the residual one, for colour images."""
    base = residual()
    i, stem, pool, mid, last, out = base.populations
    grown = {"stem": (4, 3, 3, 3), "out": (3, 3 * 7 * 6)}
    projections = [
        replace(q, weights=np.resize(q.weights, grown[q.target])) if q.source == "in" else q for q in base.projections
    ]
    populations = [
        replace(i, shape=(3, 7, 6), scale=0.25),
        replace(stem, width=Width(20, "any_order"), scale=3),
        pool,
        replace(mid, scale=1e-7),
        last,
        replace(out, width=Width(33, "final")),
    ]
    provenance = MappingProxyType({"z": [1, None, {"y": "é"}], "a": 2**40})
    return Network(populations, projections, "näme \n\u2028", 1, ["b", "a", "ü"], COLOURS, provenance)


COLOURS = Pixels(3, 7, 6, mean=(0.5, 1, 0.1), std=(1, 2.0, 1e-3), scale=0.25, max_code=30, resize=6)


def test_saving_is_atomic_and_reproducible(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same network gives the same bytes, in the form FILE-4 says; the file appears complete or not at all
    (FILE-4).
    """
    net, path = told(), tmp_path / "net.npz"
    save(net, path)
    data = path.read_bytes()
    again = load(path)
    again.save(str(path))
    assert path.read_bytes() == data == npz.to_bytes(told())
    facts = (again.id, again.name, again.logit_scale, again.classes, again.contract)
    assert facts == (net.id, net.name, 1.0, net.classes, COLOURS)
    assert (COLOURS.mean, COLOURS.std, COLOURS.order) == ((0.5, 1.0, 0.1), (1.0, 2.0, 1e-3), "RGB")
    assert dict(again.provenance) == dict(net.provenance)
    assert [getattr(p, "scale", None) for p in again.populations] == [0.25, 3.0, None, 1e-7, None, None]
    widths = [[getattr(p, "width", None) for p in one.populations] for one in (again, net)]
    assert widths[0] == widths[1] == [None, Width(20, "any_order"), None, None, None, Width(33, "final")]
    assert path.stat().st_mode & 0o777 == 0o644
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        assert [e.filename for e in entries] == sorted(e.filename for e in entries)
        assert {(e.date_time, e.compress_type) for e in entries} == {((1980, 1, 1, 0, 0, 0), zipfile.ZIP_STORED)}
        assert archive.testzip() is None
        text = archive.read("manifest.json")
    assert text == json.dumps(json.loads(text), sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    for name, member in members_of(data).items():
        if name.endswith(".npy"):
            values = np.load(io.BytesIO(member))
            holds = {t: np.iinfo(t).min <= values.min() and values.max() <= np.iinfo(t).max for t in TYPES}
            small = next(t for t in TYPES if holds[t])
            assert member[6:8] == b"\1\0" and values.dtype == np.dtype(small)
            plain = io.BytesIO()
            np.save(plain, values)
            assert plain.getvalue() == member
    for wanted in ("replace", "fsync"):
        with monkeypatch.context() as patch:
            patch.setattr(os, wanted, fail)
            for net in (tiny(), told()):
                with refused(FileError, "FILE-4", str(path), "No space left on device"):
                    save(net, path)
        assert path.read_bytes() == data and [f.name for f in tmp_path.iterdir()] == ["net.npz"]
    for bad, place in ((tmp_path / "none" / "net.npz", tmp_path / "none"), (tmp_path, tmp_path)):
        with refused(UsageError, "RUN-5", str(place)):
            save(tiny(), bad)
    with refused(FileError, "FILE-4", f"{tmp_path}/a\0b"):
        save(tiny(), f"{tmp_path}/a\0b")
    assert [f.name for f in tmp_path.iterdir()] == ["net.npz"]


def fail(*args: Any) -> None:
    raise OSError(28, "No space left on device")


def test_what_cannot_be_read_back_is_not_saved(tmp_path: Path) -> None:
    """A name or provenance that no manifest can hold is refused when saving, not when loading (FILE-3, FILE-4)."""
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    for change in (
        {"provenance": {"x": object()}},
        {"provenance": {"x": float("nan")}},
        {"provenance": {"x": 10**5000}},
        {"provenance": {"x": deep}},
        {"name": "\ud800"},
        {"name": 5},
        {"provenance": {"x": "y" * 2**24}},
    ):
        with refused(FileError, "FILE-3", "manifest.json"):
            save(tiny(**change), tmp_path / "net.npz")
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.parent.name)
def test_shipped_files_are_written_again_as_they_are(path: Path) -> None:
    """Every member comes back byte for byte, the manifest but for the version of the law it was written under (FILE-4,
    ID-4).
    """
    members = members_of(path.read_bytes())
    again = members_of(npz.to_bytes(load(path)))
    then, now = (json.loads(m["manifest.json"])["spec_version"] for m in (members, again))
    said = members["manifest.json"].replace(f'"spec_version":"{then}"'.encode(), f'"spec_version":"{now}"'.encode())
    assert now == ("1.4" if load(path).gates else LEAST_WRITTEN) and again == {**members, "manifest.json": said}
    assert then != now or npz.to_bytes(load(path)) == path.read_bytes()


@pytest.mark.parametrize("contract", [{}, {"mean": (0.5, 0.25, 0.5)}, {"std": (2.0, 1.0, 1.0), "resize": 3, "crop": 2}])
@pytest.mark.parametrize("scale", [None, 1 / 255])
def test_a_contract_may_leave_mean_and_std_untold(contract: dict[str, Any], scale: float | None) -> None:
    """What a file does not tell of its images is told by nobody: it is empty when read, and empty when written again
    (FILE-3).
    """
    given = Pixels(3, 2, 2, **{"mean": (), "std": (), "scale": scale, **contract})
    net = chain(given=Input("in", (3, 2, 2), scale=scale))
    data = npz.to_bytes(replace(net, contract=given))
    members = members_of(data)
    said = json.loads(members["manifest.json"])["input"]
    empty = {"channels": "RGB", "mean": [], "std": [], "resize": None, "crop": None}
    assert said == {**empty, **{key: list(v) if isinstance(v, tuple) else v for key, v in contract.items()}}
    again = npz.build(members, "x")
    assert again.contract == given and npz.to_bytes(again) == data
    assert again.contract.untold == (
        *(("scale",) if scale is None else ()),
        *(name for name in ("mean", "std") if name not in contract),
    )
    short = with_manifest(members, input={key: value for key, value in said.items() if value not in ([], None)})
    assert npz.build(short, "x").contract == given and npz.to_bytes(npz.build(short, "x")) == data


@pytest.mark.parametrize(
    ("contract", "place"),
    [
        ({"channels": "L"}, "order"),
        ({"channels": "RGB", "mean": [0.5, 0.5]}, "mean"),
        ({"channels": "RGB", "std": [1.0, 1.0, 0.0]}, "std"),
        ({"channels": "RGB", "mean": [1e39, 0.0, 0.0]}, "mean"),
        ({"channels": "RGB", "mean": [0.5, 0.5, 0.5, 0.5]}, "mean"),
        ({"channels": "RGB", "resize": 0}, "resize"),
        ({"channels": "RGB", "resize": -3}, "resize"),
        ({"channels": "RGB", "resize": 2**40}, "resize"),
        ({"channels": "RGB", "resize": 5}, "resize"),
        ({"channels": "RGB", "resize": 7}, "resize"),
        ({"channels": "RGB", "crop": 65_537}, "crop"),
        ({"channels": "RGB", "crop": -3}, "crop"),
        ({"channels": "RGB", "crop": 6}, "crop"),
        ({"channels": "RGB", "resize": 6, "crop": 7}, "crop"),
    ],
)
def test_a_contract_that_does_not_fit_the_input_is_refused(contract: dict[str, Any], place: str) -> None:
    """Channels, mean and std of a file are those of its input, sizes are possible ones; else the field is named
    (FILE-3).
    """
    members = members_of(npz.to_bytes(told()))
    with refused(FileError, "FILE-3", f"x: contract: input {place}"):
        npz.build(with_manifest(members, input=contract), "x")


def test_a_crop_is_the_size_of_the_input_and_no_larger_than_what_is_resized() -> None:
    """With a crop images are resized to its size or more; sizes that are possible are read (FILE-3)."""
    net = chain(given=Input("in", (1, 4, 4)))
    members = members_of(npz.to_bytes(replace(net, contract=Pixels(1, 4, 4, scale=None))))
    for sizes in ({"crop": 4}, {"resize": 4}, {"resize": 4, "crop": 4}, {"resize": 65_536, "crop": 4}):
        told = npz.build(with_manifest(members, input={"channels": "L", **sizes}), "x").contract
        assert told is not None and {name: getattr(told, name) for name in sizes} == sizes
    with refused(FileError, "FILE-3", "x: contract: input resize", 3, says="at least 4"):
        npz.build(with_manifest(members, input={"channels": "L", "resize": 3, "crop": 4}), "x")
    with refused(FileError, "FILE-3", "x: contract: input order"):
        npz.build(with_manifest(members, input={"channels": "RGB"}), "x")


def test_numpy_integers_are_integers() -> None:
    """Networks built from numpy scalars save the same bytes as those built from plain integers (FILE-4)."""
    one = np.int64(1)
    scalar = tiny(
        populations=[
            Input("in", (one, np.int32(2), np.uint8(2)), np.int64(4), np.int16(15), np.float64(1)),
            replace(tiny().populations[1], width=Width(np.int64(20), "final"), scale=np.float32(2)),
            tiny().populations[2],
        ],
        projections=[
            Dense("in", "hid", tiny().projections[0].weights, np.bool_(False)),
            Conv2d("hid", "out", tiny().projections[1].weights[:, :, None, None], groups=one),
        ],
    )
    plain = tiny(
        populations=[
            Input("in", (1, 2, 2), 4, 15, 1.0),
            replace(tiny().populations[1], width=Width(20, "final"), scale=2.0),
            tiny().populations[2],
        ],
        projections=[tiny().projections[0], Conv2d("hid", "out", tiny().projections[1].weights[:, :, None, None])],
    )
    assert npz.to_bytes(scalar) == npz.to_bytes(plain)
    assert run_of(scalar) == run_of(plain)


def run_of(net: Network) -> Any:
    return [naive.simulate(oracle(net), image.ravel().tolist()).logits for image in draw(net, 2)]


def test_offsets_of_a_file_reach_to_2_to_the_53() -> None:
    """An offset is an integer of at most 2^53 on either side; the file holds both ends (FILE-3)."""
    for offset in (2**53, -(2**53)):
        net = chain(FS("a", (1, 1, 1), Table([1], [1], [1]), offset=offset))
        assert npz.build(members_of(npz.to_bytes(net)), "x")["a"].offset == offset  # type: ignore[union-attr]
    with refused(NetworkError, "FILE-3", "a offset", 2**53 + 1):
        chain(FS("a", (1, 1, 1), Table([1], [1], [1]), offset=2**53 + 1))


def test_what_a_manifest_leaves_out_is_usual() -> None:
    """Without stride, padding, dilation and groups a conv2d has stride and dilation 1, no padding, one group; a
    max_pool without padding has none (FILE-3).
    """
    net = chain(
        MaxPool("pool", (2, 1, 1), "in", (2, 2), (1, 1)),
        FS("a", (1, 1, 1), Table([1], [1], [1])),
        Conv2d("pool", "a", [[[[1]], [[2]]]]),
        given=Input("in", (2, 2, 2), 2, 3),
    )
    members, manifest = members_of(npz.to_bytes(net)), npz.manifest_of(net)
    usual = ("stride", "padding", "dilation", "groups")
    projections = [{k: v for k, v in q.items() if k not in usual} for q in manifest["projections"]]
    found = npz.build(with_manifest(members, projections=projections), "x")
    assert found.id == net.id
    assert {field: getattr(found.projections[0], field) for field in usual} == {
        "stride": (1, 1),
        "padding": (0, 0, 0, 0),
        "dilation": (1, 1),
        "groups": 1,
    }


def test_a_manifest_of_so_many_bytes_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """A manifest as long as the limit is read, one byte more is refused before it is parsed (FILE-3)."""
    net = tiny()
    members = members_of(npz.to_bytes(net))
    length = len(members["manifest.json"])
    monkeypatch.setattr(npz, "MAX_MANIFEST", length)
    assert npz.build(members, "x").id == net.id
    monkeypatch.setattr(npz, "MAX_MANIFEST", length - 1)
    with refused(FileError, "FILE-3", "x: manifest.json", length, says=f"at most {length - 1} bytes"):
        npz.build(members, "x")


@pytest.mark.parametrize("scale", ["12", "0.5", b"2", True, np.array(2.0), np.array([2.0]), [None], ["1"] * 3, 1j, ""])
def test_a_scale_that_is_no_number_is_refused(scale: Any) -> None:
    """Texts, truth values and arrays are no scale of anything, even where Python makes a number of them (FILE-3,
    NET-8).
    """
    net = tiny()
    given, hid, readout = net.populations
    assert isinstance(given, Input) and isinstance(hid, FS) and isinstance(readout, Readout)
    with refused(NetworkError, "FILE-3"):
        FS("hid", (3, 1, 1), hid.table, scale=scale)
    with refused(NetworkError, "FILE-3", "in scale"):
        Network([replace(given, scale=scale), hid, readout], net.projections)
    with refused(NetworkError, "NET-8", "logit_scale"):
        replace(net, logit_scale=scale)
    for fine in (2, np.float32(0.5), np.int64(3), 0.25):
        assert replace(net, logit_scale=fine).logit_scale == FS("hid", (3, 1, 1), hid.table, scale=fine).scale == fine


def test_a_file_names_no_version_older_than_what_it_holds() -> None:
    """What came with a later version, in a file that names an older one, is refused: no reader of that version takes
    it. What older files may hold is read as ever, a single logit too (ID-4, FILE-3).
    """
    one = chain(given=Input("in", (1, 1, 1), 4, 15), readout=Readout("out", (1, 1, 1), [-7]))
    assert npz.build(with_manifest(members_of(npz.to_bytes(one)), spec_version="1.2"), "x").id == one.id
    net = tiny()
    given, hid, readout = net.populations
    assert isinstance(hid, FS) and isinstance(readout, Readout)
    viewed = View("v", given.shape, "in", np.arange(given.shape[1]), np.arange(given.shape[2]))
    again = Readout("again", readout.shape)
    newer: dict[str, tuple[Network, str]] = {
        "population v": (Network([given, viewed, hid, readout], net.projections), "1.3"),
        "populations": (
            Network([*net.populations, again], [*net.projections, replace(net.projections[1], target="again")]),
            "1.3",
        ),
        "population hid": (Network([given, replace(hid, scale=(1.0, 2.0, 3.0)), readout], net.projections), "1.3"),
        "population out": (
            Network([given, hid, Readout("out", given.shape)], [net.projections[0], Conv2d("in", "out", [[[[1]]]])]),
            "1.3",
        ),
    }
    for place, (other, since) in newer.items():
        members = members_of(npz.to_bytes(other))
        assert npz.build(members, "x").id == other.id
        for version in ("1.0", "1.2"):
            with refused(FileError, "ID-4", f"x: {place}", version, says=f"spec_version {since} at least"):
                npz.build(with_manifest(members, spec_version=version), "x")
    members = members_of(npz.to_bytes(gated()))
    with refused(FileError, "ID-4", value="1.3", says="a gate, which came with 1.4"):
        npz.build(with_manifest(members, spec_version="1.3"), "x")
    members = members_of(npz.to_bytes(Network([given, replace(hid, offset=1), readout], net.projections)))
    with refused(FileError, "ID-4", "x: population hid", "1.0", says="an offset, which came with 1.1"):
        npz.build(with_manifest(members, spec_version="1.0"), "x")
    assert npz.build(with_manifest(members, spec_version="1.1"), "x").fs[0].offset == 1
