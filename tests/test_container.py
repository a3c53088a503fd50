"""The container of a file: records that agree, what other programs write, files that are none, and what save refuses as
load does.
"""

from __future__ import annotations

import io
import os
import random
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fsref import FS, Network, fs_relu, load, load_graph, save
from fsref.errors import FileError, FsrefError
from fsref.formats import container, npz
from handmade import ONE, chain, residual, tiny, unordered
from members import members_of, zipped
from refusals import ANY, refused

DATA = npz.to_bytes(tiny())
LOCAL, ENTRY = DATA.index(b"PK\3\4", 1), DATA.index(b"PK\1\2")  # the second record, the first entry
END = len(DATA) - 22


def changed(*changes: tuple[int, bytes]) -> bytes:
    """The file of the tiny network, other bytes at some places."""
    data = bytearray(DATA)
    for at, new in changes:
        data[at : at + len(new)] = new
    return bytes(data)


def half(value: int) -> bytes:
    return struct.pack("<H", value)


def word(value: int) -> bytes:
    return struct.pack("<I", value)


def with_extra(extra: bytes) -> bytes:
    """The file of the tiny network, an extra field in the local record of each member and none in the directory."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, data in members_of(DATA).items():
            entry = zipfile.ZipInfo(name)
            entry.extra = extra
            archive.writestr(entry, data)
    return packed.getvalue()


def reordered() -> bytes:
    """The directory in another order than the members."""
    entries, at = [], ENTRY
    while DATA[at : at + 4] == b"PK\1\2":
        size = 46 + struct.unpack_from("<H", DATA, at + 28)[0]
        entries.append(DATA[at : at + size])
        at += size
    return DATA[:ENTRY] + b"".join(reversed(entries)) + DATA[END:]


start, length, count = ENTRY, END - ENTRY, 8
gap = DATA[:ENTRY] + b"\0" + DATA[ENTRY:END] + DATA[END : END + 16] + word(ENTRY + 1) + half(0)
BROKEN: dict[str, bytes] = {
    "a gap before the directory": gap,
    "a gap between members": DATA[:LOCAL] + b"\0" + DATA[LOCAL:],
    "a gap before the end": DATA[:END] + b"\0" + DATA[END:],
    "bytes behind the end": DATA + b"\0",
    "bytes before the first member": b"PK" + DATA,
    "a comment": changed((END + 20, half(1))) + b"c",
    "a directory in another order": reordered(),
    "a member that the directory leaves out": DATA[:ENTRY] + DATA[END:],
    "an entry twice": DATA[:END] + DATA[ENTRY : ENTRY + 46 + 13] + DATA[END:],
    "end record: disk": changed((END + 4, half(1))),
    "end record: disk of the directory": changed((END + 6, half(1))),
    "end record: members of this disk": changed((END + 8, half(count - 1))),
    "end record: members": changed((END + 10, half(count + 1))),
    "end record: size": changed((END + 12, word(length - 1))),
    "end record: place": changed((END + 16, word(start - 1))),
    "local: version": changed((4, half(63))),
    "local: size": changed((22, word(5))),
    "local: both sizes": changed((18, word(2**31) * 2)),
    "local: compressed size": changed((18, word(1))),
    "local: CRC-32": changed((14, word(0))),
    "local: a data descriptor": changed((6, half(8)), (ENTRY + 8, half(8))),
    "local: a flag the entry has not": changed((6, half(0x800))),
    "local: encrypted": changed((6, half(1)), (ENTRY + 8, half(1))),
    "local: a name the entry has not": changed((30, b"N")),
    "entry: a name the local record has not": changed((ENTRY + 46, b"N")),
    "entry: version": changed((ENTRY + 6, half(46))),
    "entry: flags": changed((ENTRY + 8, half(0x800))),
    "entry: method": changed((ENTRY + 10, half(8))),
    "entry: CRC-32": changed((ENTRY + 16, word(1))),
    "entry: compressed size": changed((ENTRY + 20, word(1))),
    "entry: size": changed((ENTRY + 24, word(1))),
    "entry: both sizes": changed((ENTRY + 20, word(1) * 2)),
    "entry: disk": changed((ENTRY + 34, half(1))),
    "entry: place": changed((ENTRY + 42, word(1))),
    "extra field cut off": with_extra(b"\x99\x99\5\0ab"),
    "extra field of three bytes": with_extra(b"abc"),
    "another name": with_extra(struct.pack("<2HBI", 0x7075, 6, 1, 0) + b"x"),
    "a name that is no text": changed((30, b"\xff"), (ENTRY + 46, b"\xff")),
    "a name with a zero": changed((30, b"\0"), (ENTRY + 46, b"\0")),
    "compressed": zipped(members_of(DATA), zipfile.ZIP_DEFLATED),
    "ZIP64 end of other members": DATA[:END] + b"PK\6\6" + bytes(52) + b"PK\6\7" + bytes(16) + DATA[END:],
    "ZIP64 sizes without a field": changed((18, word(2**32 - 1) * 2)),
    **{f"cut off at {at}": DATA[:at] for at in (1, 4, 29, LOCAL + 3, ENTRY + 2, ENTRY + 45, END, END + 21)},
}


@pytest.mark.parametrize("what", BROKEN)
def test_records_that_disagree_are_refused(what: str) -> None:
    """Each number that stands twice in a file, and each byte between its records, is looked at (FILE-1)."""
    with refused(FileError, "FILE-1", ANY, says="net.npz"):
        container.read_members(BROKEN[what], "net.npz")


def streamed(members: dict[str, bytes], zip64: bool) -> bytes:
    """A zip as `numpy.savez` writes it: members opened as streams."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        for name, data in members.items():
            with archive.open(name, "w", force_zip64=zip64) as member:
                member.write(data)
    return packed.getvalue()


def test_what_other_programs_write_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of numpy.savez, of zipfile with and without ZIP64, with names in UTF-8 or extra fields, hold the members
    they were given (FILE-1).
    """
    members = members_of(DATA)
    saved = io.BytesIO()
    np.savez(saved, **{"x": np.arange(6), "y": np.ones((2, 3))})
    assert set(container.read_members(saved.getvalue(), "x")) == {"x.npy", "y.npy"}
    for data in (
        zipped(members),
        streamed(members, False),
        streamed(members, True),
        with_extra(struct.pack("<2H4s", 0x9999, 4, b"more")),
    ):
        assert container.read_members(data, "x") == members
    assert container.read_members(zipped({"ä": b"1"}), "x") == {"ä": b"1"}
    assert container.read_members(zipped({}), "x") == {}
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 100)  # every number beyond it stands in a ZIP64 field
    monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 5)
    grown = npz.to_bytes(tiny())
    assert b"PK\6\6" in grown and b"PK\6\7" in grown and len(grown) > len(DATA)
    assert container.read_members(grown, "x") == members


def special(tmp_path: Path) -> list[tuple[Any, str]]:
    """What is no file to read, and what is said of it."""
    os.mkfifo(tmp_path / "fifo")
    with (tmp_path / "large").open("wb") as file:
        file.truncate(5 * 2**30)
    with (tmp_path / "zeros").open("wb") as file:
        file.truncate(3 * 2**30)
    return [
        ("/dev/zero", "is a device or pipe"),
        (tmp_path / "fifo", "is a device or pipe"),
        (tmp_path, "is a folder"),
        (tmp_path / "large", "file is too large"),
        (tmp_path / "zeros", "not an .npz file"),
        (tmp_path / "none", "cannot be read: No such file"),
        ("a\0b", "cannot be read"),
    ]


@pytest.mark.parametrize("read", [load, load_graph])
def test_what_is_no_regular_file_is_refused_before_it_is_read(read: Callable[[Any], Any], tmp_path: Path) -> None:
    """Devices, pipes, folders, and files too large or of another kind take neither time nor memory (FILE-1)."""
    for path, problem in special(tmp_path):
        tracemalloc.start()
        try:
            with refused(FileError, "FILE-1", str(path), says=problem):
                read(path)
            assert tracemalloc.get_traced_memory()[1] < 2**20, path
        finally:
            tracemalloc.stop()


def test_a_size_that_is_only_claimed_takes_no_memory(tmp_path: Path) -> None:
    """Nothing is allocated for a member of two gigabytes that a small file has not (FILE-1)."""
    (tmp_path / "x").write_bytes(BROKEN["local: both sizes"])
    tracemalloc.start()
    try:
        with refused(FileError, "FILE-1", ANY, says="claims more bytes than are left"):
            load(tmp_path / "x")
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


def row(fs: int) -> Network:
    """So many fs of one neuron in a row."""
    return chain(*(FS(f"n{i}", ONE, fs_relu(1)) for i in range(fs)))


def test_as_many_populations_are_saved_as_a_file_may_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    """Five members for each fs and three for the rest: what would not load is not saved (FILE-1)."""
    assert len(members_of(npz.to_bytes(row(3)))) == 5 * 3 + 3 and (container.MAX_MEMBERS - 3) // 5 == 13_106
    monkeypatch.setattr(container, "MAX_MEMBERS", 18)
    assert npz.build(container.read_members(npz.to_bytes(row(3)), "x"), "x").id == row(3).id
    with refused(FileError, "FILE-1", "network", 23, says="at most 18"):
        npz.to_bytes(row(4))


def test_a_file_that_would_be_too_large_is_not_saved(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The bound of reading holds for writing, before the file is made (FILE-1)."""
    monkeypatch.setattr(container, "MAX_FILE", len(DATA))
    with refused(FileError, "FILE-1", "network", says=f"at most {len(DATA)}"):
        save(tiny(), tmp_path / "net.npz")
    assert list(tmp_path.iterdir()) == []


TEXTS = ("", "a", "ü\n\x1b[31m\u202e", "\ud800", "x" * 300, "\0", "🂡", '"\\')
PLAIN = (None, True, 0, -1, 2**53, 2**64, 10**30, 10**5000, 1.5, 1e308, 5e-324, float("nan"), float("inf"), *TEXTS)


def any_json(draw: random.Random, depth: int = 0) -> Any:
    """A value that JSON may hold, or may not."""
    match draw.randrange(5 if depth < 4 else 3):
        case 3:
            return [any_json(draw, depth + 1) for _ in range(draw.randrange(4))]
        case 4:
            keys = (*TEXTS, 1, None, True, 1.5, (1,))
            return {draw.choice(keys): any_json(draw, depth + 1) for _ in range(draw.randrange(4))}
        case _:
            return draw.choice((*PLAIN, np.int64(3), np.float32(0.1), b"x", {1, 2}))


def drawn(draw: random.Random) -> Network:
    """A network that says of itself whatever is accepted."""
    net = draw.choice((tiny, residual, unordered))()
    classes = [draw.choice(TEXTS) for _ in range(net.readout.neurons)] if draw.random() < 0.5 else []
    scale: Any = draw.choice((1, 0.1, 5e-324, 1e308, np.float32(0.3), np.float64(2), np.int64(7)))
    provenance = {draw.choice(TEXTS): any_json(draw) for _ in range(draw.randrange(3))}
    first, *others = net.populations
    others = [
        replace(p, scale=draw.choice((None, scale)), offset=draw.choice((0, 2**53, -(2**53), np.int64(5))))
        if isinstance(p, FS)
        else p
        for p in others
    ]
    return Network(
        [replace(first, scale=draw.choice((None, scale))), *others],
        net.projections,
        draw.choice(TEXTS),
        scale,
        classes,
        None,
        provenance,
    )


def test_what_is_saved_loads_and_what_does_not_load_is_not_saved() -> None:
    """Whatever a network says of itself, its file is read back to the same bytes, or saving is refused in one line
    (FILE-3, FILE-4).
    """
    draw, saved = random.Random(5), 0
    for _ in range(600):
        net = drawn(draw)
        try:
            data = npz.to_bytes(net)
        except FsrefError as error:
            assert error.rule == "FILE-3" and str(error).isprintable()
            continue
        again = npz.build(container.read_members(data, "x"), "x")
        assert npz.to_bytes(again) == data and (again.id, again.classes) == (net.id, net.classes)
        saved += 1
    assert 100 < saved < 550


def test_provenance_is_as_deep_as_it_may_be_read_back() -> None:
    """What was saved is read back from a deeper call, too (FILE-3)."""

    def deep(levels: int) -> Any:
        value: Any = 1
        for _ in range(levels):
            value = [value]
        return {"x": value}

    def below(calls: int, data: bytes) -> Network:
        return below(calls - 1, data) if calls else npz.build(container.read_members(data, "x"), "x")

    assert below(500, npz.to_bytes(tiny(provenance=deep(npz.MAX_DEPTH - 1)))).id == tiny().id
    for levels in (npz.MAX_DEPTH, 10_000):
        with refused(FileError, "FILE-3", "manifest.json"):
            npz.to_bytes(tiny(provenance=deep(levels)))
