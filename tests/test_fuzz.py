"""10,000 broken network files: each is refused with one line, or is a network on which all engines and the naive oracle
agree.
"""

from __future__ import annotations

import ast
import io
import json
import random
import re
import struct
import tracemalloc
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import naive
from fsref import FS, Conv2d, Dense, Input, MaxPool, Network, Readout, Width, fs_relu, load, run, save
from fsref.errors import FileError, FsrefError
from fsref.formats import container, files, npz, reading
from fsref.formats import manifest as schema
from fsref.formats import npy as arrays
from fsref.simulation.memory import run_bytes
from fuzz_values import bent
from handmade import ENGINES, draw, residual, tiny, unordered
from members import array, members_of, npy, zipped
from refusals import check_line

FILES = 10_000
LOADER = [str(module.__file__) for module in (npz, arrays, container, files, reading)]
Members = dict[str, bytes]
Site = tuple[str, int]  # file and first line of a raise


def sites() -> dict[Site, tuple[int, str]]:
    """Every `raise FileError(...)` of the loader's files: last line, text."""
    found = {}
    for file in LOADER:
        text = Path(file).read_text(encoding="utf-8")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
                if isinstance(node.exc.func, ast.Name) and node.exc.func.id == "FileError":
                    end, said = node.end_lineno or node.lineno, ast.get_source_segment(text, node) or ""
                    found[file, node.lineno] = end, said
    return found


SITES = sites()


def site_of(error: FsrefError) -> Site | None:
    """The raise site of the loader that an error came from."""
    if isinstance(error.__context__, FileError):  # said again with the name of the file
        return site_of(error.__context__)
    at, seen = error.__traceback__, None
    while at is not None:
        file = at.tb_frame.f_code.co_filename
        seen = (file, at.tb_lineno) if file in LOADER else seen
        at = at.tb_next
    if seen is None:
        return None
    return next((site for site, (last, _) in SITES.items() if site[0] == seen[0] and site[1] <= seen[1] <= last), None)


NUMBERS = (
    0,
    1,
    -1,
    2,
    3,
    4,
    7,
    8,
    16,
    17,
    63,
    64,
    255,
    65535,
    65536,
    65537,
    2**28,
    2**31 - 1,
    2**31,
    2**53,
    2**53 + 1,
    2**63,
    2**64,
    -(2**63),
    10**30,
)
JUNK = (
    None,
    True,
    False,
    1.0,
    1.5,
    -2.5,
    1e308,
    5e-324,
    "",
    "1",
    "in",
    "hid",
    "gate",
    "\n\u2028\0",
    "x" * 200,
    [],
    [1],
    [1, 1],
    [0, 0, 0, 0],
    [1, 1, 1],
    [[]],
    {},
    {"a": 1},
    {"kind": "gate"},
    {"bits": 4, "promise": "final"},
)
KEYS = (
    "kind",
    "name",
    "shape",
    "steps",
    "max_code",
    "scale",
    "offset",
    "width",
    "source",
    "target",
    "kernel",
    "stride",
    "padding",
    "dilation",
    "groups",
    "pooled",
    "bits",
    "promise",
    "more",
    "input",
    "classes",
)


def paths(value: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place of a JSON value."""
    yield way
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from paths(inner, (*way, key))


def mutated_json(draw: random.Random, members: Members) -> Members:
    """The manifest with something replaced, left out, added, renamed, swapped or repeated."""
    manifest = json.loads(members["manifest.json"])
    for _ in range(draw.choice((1, 1, 1, 2, 4))):
        way = draw.choice([w for w in paths(manifest) if w])
        holder = manifest
        for key in way[:-1]:
            holder = holder[key]
        last, old = way[-1], holder[way[-1]]
        match draw.randrange(9):
            case 0:
                holder[last] = deepcopy(draw.choice(JUNK))
            case 1 | 2 | 3 if isinstance(old, int):
                holder[last] = draw.choice((*NUMBERS, old + 1, old - 1, 2 * old, float(old), str(old), [old]))
            case 4 if isinstance(old, str):
                holder[last] = draw.choice(
                    (
                        *(p["name"] for p in manifest.get("populations", ()) if isinstance(p, dict) and "name" in p),
                        "conv2d",
                        "dense",
                        "fs",
                        "input",
                        "readout",
                        "max_pool",
                        old + "x",
                        old[::-1],
                    )
                )
            case 5:
                del holder[last]
            case 6:
                (old if isinstance(old, dict) else manifest)[draw.choice(KEYS)] = deepcopy(
                    draw.choice((*JUNK, *NUMBERS))
                )
            case 7 if isinstance(old, list) and len(old) > 1:
                i, j = draw.sample(range(len(old)), 2)
                old[i], old[j] = old[j], old[i]
            case 8 if isinstance(old, list) and old:
                old.insert(draw.randrange(len(old) + 1), deepcopy(draw.choice(old)))
            case _:
                manifest[draw.choice(("name", "provenance", "logit_scale", "classes", "input"))] = deepcopy(
                    draw.choice(JUNK)
                )
    text = json.dumps(manifest).encode()
    if draw.random() < 0.08:
        text = bent(draw, text)
    return {**members, "manifest.json": text}


def mutated_array(draw: random.Random, members: Members) -> Members:
    """One array with other values, another type, shape, header or bytes."""
    name = draw.choice([n for n in members if n.endswith(".npy")])
    values = np.load(io.BytesIO(members[name])).astype(np.int64)
    flat, shape = values.ravel(), values.shape
    data: bytes
    match draw.randrange(12):
        case 0:
            for _ in range(draw.choice((1, 3, flat.size))):
                flat[draw.randrange(flat.size)] = draw.choice(
                    (
                        0,
                        1,
                        -1,
                        127,
                        -129,
                        2**31 - 1,
                        -(2**31),
                        2**31,
                        2**58,
                        2**58 + 1,
                        2**62 - 1,
                        -(2**62),
                        2**62,
                        2**63 - 1,
                        -(2**63),
                    )
                )
            data = array(values)
        case 1 | 2 | 3:
            for _ in range(draw.choice((1, 3, flat.size))):
                flat[draw.randrange(flat.size)] += draw.randint(-20, 20)
            data = array(values)
        case 4:
            data = array(np.abs(values), draw.choice(("|u1", "|i1", "<i2", "<i4", "<i8")))
        case 5:
            data = array(
                values % 2, draw.choice(("<f4", "<f8", ">i2", ">i4", ">i8", "<u2", "<u4", "<u8", "|b1", "<c8"))
            )
        case 6:
            other = draw.choice(
                (
                    shape[::-1],
                    (*shape, 1),
                    (1, *shape),
                    (flat.size,),
                    shape[:-1],
                    tuple(s + 1 for s in shape),
                    tuple(2**20 * s for s in shape),
                    (2**62, 4),
                    (-1, *shape),
                    (0,),
                    (True,),
                    list(shape),
                    "shape",
                    1e9,
                    None,
                )
            )
            data = npy(values.astype("<i8").tobytes(), repr(other))
        case 7:
            data = npy(
                values.astype("<i8").tobytes(), shape, "<i8", draw.choice((True, 0, None)), draw.choice((1, 2, 3))
            )
        case 8:
            steps = draw.choice((0, 1, 2, 16, 17))
            data = array(np.resize(values, (*shape[:-1], steps)))
        case 9:
            grown = np.broadcast_to(values, (draw.choice((1, 2, 3, 4)), *shape)) if values.ndim < 4 else values[..., :1]
            data = array(grown)
        case 10:
            saved = io.BytesIO()
            np.save(
                saved,
                draw.choice((values.astype(object), np.asfortranarray(values), values.astype("M8[s]"), values > 0)),
                allow_pickle=True,
            )
            data = saved.getvalue()
        case _:
            data = bent(draw, members[name])
    return {**members, name: data}


def mutated_names(draw: random.Random, members: Members) -> Members:
    """A member left out, added, renamed, or exchanged with another."""
    changed, name, other = dict(members), draw.choice(list(members)), draw.choice(list(members))
    match draw.randrange(4):
        case 0:
            del changed[name]
        case 1:
            changed[
                draw.choice(("x", "a/b", name.upper(), f"{name}.npy", "projection.9.weights.npy", "\u00e4", " "))
            ] = members[other]
        case 2:
            changed[name.replace("0", "5").replace("1", "0")] = changed.pop(name)
        case _:
            changed[name], changed[other] = members[other], members[name]
    return changed


def bent_zip(draw: random.Random, data: bytes) -> bytes:
    """A header field of the zip overwritten: sizes, flags, offsets, lengths, method, counts."""
    work = bytearray(data)
    mark, fields = draw.choice(
        (
            (b"PK\1\2", (4, 6, 8, 10, 16, 20, 24, 28, 30, 32, 34, 38, 42)),
            (b"PK\3\4", (4, 6, 8, 14, 18, 22, 26, 28)),
            (b"PK\5\6", (4, 6, 8, 10, 12, 16, 20)),
        )
    )
    places = [found.start() for found in re.finditer(mark, work)]
    at = draw.choice(places) + draw.choice(fields)
    size = draw.choice((1, 2, 4))
    work[at : at + size] = draw.choice(
        (bytes(size), b"\xff" * size, draw.randbytes(size), b"\x01" + bytes(size - 1), b"\x08" + bytes(size - 1))
    )
    if draw.random() < 0.3:  # both sizes of one member
        at = draw.choice([found.start() for found in re.finditer(b"PK\1\2", work)] or [0])
        work[at + 20 : at + 28] = struct.pack("<I", draw.choice((0, 1, 2**16, 2**32 - 2))) * 2
    return bytes(work)


def packed(draw: random.Random, members: Members) -> bytes:
    """A zip of these members, now and then deflated or with a name twice."""
    if draw.random() < 0.97:
        return zipped(members)
    if draw.random() < 0.5:
        return zipped(members, zipfile.ZIP_DEFLATED)
    data = bytearray(zipped({**members, "manifest.jsoX": members["manifest.json"]}))
    return bytes(data.replace(b"manifest.jsoX", b"manifest.json"))


def promised() -> Network:
    """The tiny network with declared widths that just hold."""
    first, hidden, last = tiny().populations
    return tiny(
        populations=[first, replace(hidden, width=Width(8, "final")), replace(last, width=Width(7, "any_order"))]
    )


BASES = [npz.to_bytes(make()) for make in (tiny, tiny, promised, unordered, unordered, residual)]
OPENED = [members_of(data) for data in BASES]


def broken_file(seed: int) -> bytes:
    """The file of this seed."""
    draw = random.Random(seed)
    which = draw.randrange(len(BASES))
    kind = draw.random()
    if kind < 0.2:
        return bent(draw, BASES[which])
    if kind < 0.35:
        return bent_zip(draw, BASES[which])
    members = OPENED[which]
    for _ in range(draw.choice((1, 1, 1, 2))):
        change: Callable[[random.Random, Members], Members] = draw.choices(
            (mutated_json, mutated_array, mutated_names), (5, 5, 1)
        )[0]
        if "manifest.json" in members and members["manifest.json"][:1] == b"{":
            try:
                members = change(draw, members)
            except (ValueError, KeyError, AttributeError, TypeError, Warning):
                pass  # the second change could not read what the first left
    return packed(draw, members)


class Census:
    """What became of the files."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.path = folder / "net.npz"
        self.hit: Counter[Site | None] = Counter()
        self.rules: Counter[str] = Counter()
        self.past_schema = self.accepted = 0
        self.ran: set[str] = set()
        decode = schema.decode

        def counted(text: bytes, kind: type[Any]) -> Any:
            found = decode(text, kind)
            self.past_schema += kind is schema.Manifest and not self.saving
            return found

        self.saving = False
        monkeypatch.setattr(schema, "decode", counted)

    def take(self, data: bytes, on_disk: bool = False) -> FsrefError | None:
        """Load one file; the error it was refused with, or None when it holds a network on which all agree."""
        try:
            if on_disk:
                self.path.write_bytes(data)
                net = load(self.path)
            else:
                net = npz.build(container.read_members(data, "file"), "file")
        except FsrefError as error:
            check_line(error)
            assert str(error).startswith(str(self.path) if on_disk else "file")
            self.hit[site_of(error)] += 1
            self.rules[error.rule] += 1
            return error
        self.accepted += 1
        self.saving = True
        again = npz.to_bytes(net)
        self.saving = False
        assert npz.build(container.read_members(again, "again"), "again").id == net.id
        self.past_schema -= 1
        if net.id not in self.ran:
            self.ran.add(net.id)
            agree(net, data)
        return None


def agree(net: Network, data: bytes) -> None:
    """Logits and trains of one drawn image are the same in every engine, and the naive ones."""
    if max(run_bytes(net, 1, engine) for engine in ENGINES) > 2**26:
        return
    image = draw(net, 1, 3)
    seen = naive.simulate(naive.load(data), image.ravel().tolist())
    for engine in ENGINES:
        result = run(net, image, engine, record=[p.name for p in net.populations[:-1]], threads=1)
        assert result.logits[0].tolist() == seen.logits, engine
        for place, p in enumerate(net.populations[:-1]):
            assert result.trace[p.name, "spikes"][0].tolist() == seen.trains[place], (engine, p.name)


def directed() -> Iterator[bytes]:
    """Files for the raise sites that chance meets rarely."""
    members = OPENED[0]
    manifest = json.loads(members["manifest.json"])

    def told(**changes: Any) -> bytes:
        return zipped({**members, "manifest.json": json.dumps({**manifest, **changes}).encode()})

    weights = "projection.0.weights.npy"
    yield told(format=2)
    yield told(spec_version="2.0")
    yield told(more=1)
    yield told(input={"channels": "L", "mean": [0.5, 0.5]})
    yield zipped({**members, "manifest.json": b"[]"})
    yield zipped({**members, "manifest.json": members["manifest.json"] + b" " * 2**24})
    yield zipped({name: data for name, data in members.items() if name != "manifest.json"})
    yield zipped({**members, "more": b""})
    yield zipped({**members, weights: b"pickle"})
    yield zipped({**members, weights: npy(b"", "'" + "x" * 5000 + "'")})
    yield zipped({**members, weights: npy(b"", "(")})
    yield zipped({**members, weights: npy(b"", "(1,), 'more': 1")})
    yield zipped({**members, weights: npy(b"", (1,), "<f8")})
    yield zipped({**members, weights: npy(b"", (1,), fortran=True)})
    yield zipped({**members, weights: npy(b"", (1, 1, 1, 1, 1))})
    yield zipped({**members, weights: npy(b"", (-1,))})
    yield zipped({**members, weights: npy(b"", (7,))})
    data = bytearray(BASES[0])
    first = data.index(b"PK\1\2")
    yield b"PK" + data
    yield bytes(data[:-2] + b"\1\0c")
    yield zipped(members, zipfile.ZIP_DEFLATED)
    yield bytes(data[: first + 8] + b"\1" + data[first + 9 :])
    yield bytes(data[:18] + struct.pack("<II", 1, 2) + data[26:])
    yield bytes(data[:-22] + b"PK\6\6" + bytes(52) + b"PK\6\7" + bytes(16) + data[-22:])
    yield bytes(data[:4] + b"\x3f\0" + data[6:])
    yield bytes(data[:6] + b"\x08\0" + data[8:])
    yield bytes(data[:30] + b"\xff" + data[31:])
    yield bytes(data[: first + 20] + struct.pack("<II", 2**31, 2**31) + data[first + 28 :])
    yield bytes(data[: first + 16] + b"\0\0\0\0" + data[first + 20 :])
    yield bytes(zipped({**members, "manifest.jsoX": b""}).replace(b"manifest.jsoX", b"manifest.json"))


def test_broken_files_are_refused_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """10,000 seeded files end in acceptance or one line of FsrefError (FILE-1 to FILE-4, ID-4).

    At least 1,000 pass the schema, every raise site of the loader is met, and what is accepted agrees everywhere.
    """
    census = Census(tmp_path, monkeypatch)
    for seed in range(FILES):
        data = broken_file(seed)
        try:
            census.take(data, on_disk=seed % 10 == 0)
        except BaseException:
            print(f"fuzz seed {seed}: broken_file({seed})")
            raise
    assert census.past_schema >= 1000 and census.accepted >= 300 and len(census.ran) >= 200, (
        census.past_schema,
        census.accepted,
        len(census.ran),
    )
    assert {
        "NET-2",
        "NET-3",
        "NET-4",
        "NET-5",
        "NET-7",
        "FS-1",
        "PROJ-2",
        "PROJ-7",
        "RANGE-4",
        "RANGE-5",
        "FILE-1",
        "FILE-2",
        "FILE-3",
        "ID-4",
    } <= set(census.rules)
    for data in directed():
        assert isinstance(census.take(data), FileError)
    met = set(census.hit)

    def meets(call: Callable[[], Any]) -> None:
        with pytest.raises(FileError) as caught:
            call()
        check_line(caught.value)
        met.add(site_of(caught.value))

    def fails() -> None:
        with reading.opened(census.path, "FILE-1", 2**20, "a file"):
            raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(container, "MAX_FILE", 10)
        census.path.write_bytes(BASES[0])
        meets(lambda: load(census.path))
        meets(lambda: npz.to_bytes(tiny()))
        patch.setattr(container, "MAX_MEMBERS", 1)
        meets(lambda: container.read_members(BASES[0], "x"))
        meets(lambda: npz.to_bytes(tiny()))
    with zipfile.ZipFile(tmp_path / "model.pt", "w") as archive:
        archive.writestr("model/data.pkl", b"")
    meets(lambda: load(tmp_path / "model.pt"))
    meets(lambda: container.read_members(container.OLD_PYTORCH, "old.pt"))
    meets(lambda: container.read_members(b"onnx", "model.onnx"))
    meets(lambda: container.read_members(b"", "model.npz"))
    meets(lambda: load(tmp_path / "none"))
    meets(lambda: load(tmp_path))
    meets(lambda: load("/dev/null"))
    meets(fails)
    meets(lambda: container._Archive(io.BytesIO(BASES[0][:-5]), len(BASES[0]), "cut while it is read").members())
    meets(lambda: load("a\0b"))
    meets(lambda: reading.check_there("a\0b", "FILE-1"))
    meets(lambda: save(tiny(), "a\0b"))
    (tmp_path / "there").write_bytes(b"")
    meets(lambda: files.write(b"", tmp_path / "there", "FILE-4", replace=False))
    meets(lambda: npz.to_bytes(tiny(provenance={"x": object()})))
    meets(lambda: npz.to_bytes(tiny(provenance={"x": "y" * 2**24})))
    assert not [text for site, (_, text) in SITES.items() if site not in met]


def bombs() -> Iterator[tuple[str, bytes]]:
    """Small files that claim, unpack or declare much."""
    members, name = OPENED[0], "projection.0.weights.npy"
    yield "deflated", zipped({**members, name: bytes(2**26)}, zipfile.ZIP_DEFLATED)
    for shape in ((2**31,), (2**40, 2**40), (2**16, 2**16), (2**28, 1), (3, 2**32)):
        yield f"declares {shape}", zipped({**members, name: npy(bytes(96), shape)})
    yield "declares a digit string", zipped({**members, name: npy(bytes(96), "(0x" + "f" * 3900 + ",)")})
    data = bytearray(BASES[0])
    for size in (2**20, 2**31, 2**32 - 2):
        first = data.index(b"PK\1\2")
        data[first + 20 : first + 28] = struct.pack("<II", size, size)
        yield f"claims {size}", bytes(data)
    body = b"x" * 100_000
    head = struct.pack("<4s5H3I2H", b"PK\3\4", 20, 0, 0, 0, 33, zlib.crc32(body), len(body), len(body), 1, 0) + b"a"
    entry = (
        struct.pack(
            "<4s6H3I5H2I", b"PK\1\2", 20, 20, 0, 0, 0, 33, zlib.crc32(body), len(body), len(body), 1, 0, 0, 0, 0, 0, 0
        )
        + b"a"
    )
    for count in (2, 60_000):
        end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, count, count, len(entry) * count, len(head) + len(body), 0)
        yield f"{count} members over the same bytes", head + body + entry * count + end
    manifest = json.loads(members["manifest.json"])
    for shape in ([65536, 65536, 65536], [65536, 64, 64], [2**40, 1, 1], [1, 65536, 4096]):
        manifest["populations"][0]["shape"] = shape
        yield f"input {shape}", zipped({**members, "manifest.json": json.dumps(manifest).encode()})
    yield "deep", zipped({**members, "manifest.json": b'{"format":1,"spec_version":"1.0","provenance":' + b"[" * 10**6})


def test_bombs_take_no_memory() -> None:
    """What a small file claims, declares or would unpack to is refused before anything of that size is allocated
    (FILE-1, FILE-2).
    """
    for what, data in bombs():
        tracemalloc.start()
        try:
            with pytest.raises(FsrefError) as caught:
                npz.build(container.read_members(data, "file"), "file")
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        check_line(caught.value)
        assert peak < 12 * len(data) + 2**22, (what, peak, len(data))


def wide_geometry() -> Iterator[tuple[str, Callable[[], Network]]]:
    """Small valid networks whose windows times kernels, or neurons, are many."""
    one = (1, 1, 1)
    tall = np.ones((1, 1, 65536, 1), np.int8)
    last = Dense("a", "out", [[1]], pooled=True)
    far = Conv2d("in", "a", tall, padding=(65535, 0, 65535, 0))
    yield (
        "conv2d",
        lambda: Network([Input("in", one, 1, 1), FS("a", (1, 65536, 1), fs_relu(1)), Readout("out", one)], [far, last]),
    )
    pooled = [
        Input("in", (1, 65536, 1), 1, 1),
        MaxPool("a", (1, 65536, 1), "in", (65536, 1), (1, 1), (65535, 0, 0, 0)),
        Readout("out", one),
    ]
    yield "max_pool", lambda: Network(pooled, [last])
    many = [Input("in", (64, 2048, 2048), 1, 1), FS("a", (64, 2048, 2048), fs_relu(1)), Readout("out", one)]
    through = [
        Conv2d("in", "a", np.ones((64, 1, 1, 1), np.int8), groups=64),
        Dense("a", "out", np.ones((1, 64), np.int8), pooled=True),
    ]
    yield "neurons", lambda: Network(many, through)


def test_checking_a_network_takes_no_memory_of_its_windows() -> None:
    """Ranges are proved without an array of windows by kernel places, or of neurons: a small file is checked in little
    memory (RANGE).
    """
    for what, make in wide_geometry():
        tracemalloc.start()
        try:
            net = make()
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak < 2**25, (what, peak)
        assert net.ranges["out"].final.tolist()[0][0] == 0
