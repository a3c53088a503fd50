"""Networks, float graphs and sets of images broken with knowledge of what their zips hold; and whether the records of a
zip agree, as nobody but a stranger to zipfile would ask.
"""

from __future__ import annotations

import io
import json
import struct
import zipfile
from random import Random

from fuzz_seeds import Case, changed
from fuzz_values import TEXTS, bent, bent_json, bent_npy, bent_value, dumped

DATE = (1980, 1, 1, 0, 0, 0)
SIDES = (0, -3, 7, 300, 4_000, 30_000, 65_536, 2**40)  # of an image that the input contract makes


def bent_archive(draw: Random, case: Case) -> Case:
    """A network, float graph or set of images with another description, array, member or zip record."""
    data = case.files[case.name]
    if draw.random() < 0.15:
        return changed(case, case.name, bent(draw, data))
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    said = [name for name in ("manifest.json", "graph.npy") if name in members]
    match draw.randrange(10):
        case 0 | 1 | 2 | 3 if said:
            members[said[0]] = described(draw, said[0], members[said[0]])
        case 4 if "manifest.json" in members:
            members = lengthened(draw, members)
        case 4 | 5 | 6:
            name = draw.choice([name for name in members if name.endswith(".npy")])
            members[name] = bent_npy(draw, members[name])
        case 7:
            name, other = draw.choice(list(members)), draw.choice(list(members))
            if draw.random() < 0.7:
                members[draw.choice((*TEXTS, other + "x", "a/b.npy"))[:60_000]] = members[name]
            if draw.random() < 0.5:
                del members[name]
        case _:
            return changed(case, case.name, bent_records(draw, packed(members)))
    squeezed = zipfile.ZIP_DEFLATED if draw.random() < 0.05 else zipfile.ZIP_STORED
    return changed(case, case.name, packed(members, squeezed))


def packed(members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    """A zip of these members, in order."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name or "empty", DATE), data, compression)
    return made.getvalue()


def described(draw: Random, name: str, data: bytes) -> bytes:
    """The description of a network or graph, something in it broken."""
    if name == "manifest.json":
        told = json.loads(data)
        contract = told.get("input")
        if contract is not None and draw.random() < 0.25:
            contract[draw.choice(("resize", "resize", "crop"))] = draw.choice(SIDES)
            told["input"] = bent_value(draw, contract) if draw.random() < 0.4 else contract
            return dumped(told)
        return bent_json(draw, data)
    text = data[data.index(b"\n") + 1 :]
    if draw.random() < 0.25:  # an attribute alone: what comes out of a node grows, shrinks or is nothing
        told = json.loads(text)
        node = draw.choice([node for node in told["nodes"] if node["attributes"]])
        attributes = node["attributes"]
        node["attributes"] = bent_value(draw, attributes)
        if draw.random() < 0.5 and "padding" in attributes:
            node["attributes"] = attributes
            attributes["padding"] = [draw.choice((1, 300, 4_000, 16_000, 65_536)) for _ in range(4)]
        text = dumped(told)
    else:
        text = bent_json(draw, text)
    head = f"{{'descr': '|u1', 'fortran_order': False, 'shape': ({len(text)},), }}\n".encode()
    return b"\x93NUMPY\x01\0" + struct.pack("<H", len(head)) + head + text


def lengthened(draw: Random, members: dict[str, bytes]) -> dict[str, bytes]:
    """The members of a network with many max-pools in a row before its readout, each of the input."""
    told, count = json.loads(members["manifest.json"]), draw.choice((3, 30, 300, 3_000, 20_000))
    populations, last = told["populations"], len(told["populations"]) - 1
    source, shape = populations[0]["name"], populations[0]["shape"]
    pools = [
        {"kind": "max_pool", "name": f"more{i}", "shape": shape, "source": f"more{i - 1}" if i else source}
        | {"kernel": [1, 1], "stride": [1, 1], "padding": [0, 0, 0, 0]}
        for i in range(count)
    ]
    told["populations"] = [*populations[:-1], *pools, populations[-1]]
    before, after = f"population.{last}.", f"population.{last + count}."
    moved = {name.replace(before, after): data for name, data in members.items()}
    return {**moved, "manifest.json": json.dumps(told).encode()}


def bent_records(draw: Random, data: bytes) -> bytes:
    """A zip with a field of a local header, a central record or the end record set to something else, or with a gap."""
    work, (begin, end) = bytearray(data), struct.unpack_from("<II", data, len(data) - 10)[::-1]
    local, central, last = data.find(b"PK\3\4", draw.randrange(begin or 1)), begin, len(data) - 22
    for _ in range(draw.randrange(4)):
        central = data.find(b"PK\1\2", central + 1) if data.find(b"PK\1\2", central + 1) > 0 else central
    del end
    start, fields = draw.choice(
        (
            (max(local, 0), ((4, 2), (6, 2), (8, 2), (14, 4), (18, 4), (22, 4), (26, 2), (28, 2), (30, 2))),
            (
                central,
                ((6, 2), (8, 2), (10, 2), (16, 4), (20, 4), (24, 4), (28, 2), (30, 2), (32, 2), (42, 4), (46, 3)),
            ),
            (last, ((4, 2), (6, 2), (8, 2), (10, 2), (12, 4), (16, 4), (20, 2))),
        )
    )
    at, size = draw.choice(fields)
    old = int.from_bytes(data[start + at : start + at + size], "little")
    new = draw.choice((0, 1, old + 1, old - 1, old ^ 8, old * 2, 2 ** (8 * size) - 1, draw.randrange(2 ** (8 * size))))
    work[start + at : start + at + size] = (new % 2 ** (8 * size)).to_bytes(size, "little")
    if draw.random() < 0.2:
        gap = draw.choice((begin, max(local, 0), last))
        work[gap:gap] = draw.randbytes(draw.choice((1, 12, 76)))
    return bytes(work)


def disagreement(data: bytes) -> str:
    """What the records of a zip say differently, "" where its bytes are its members, their headers, one central record
    for each, and the end record, without a gap.
    """
    if len(data) < 22 or data[-22:-18] != b"PK\5\6":
        return "no end record"
    disks, first, here, entries, size, start, comment = struct.unpack_from("<HHHHIIH", data, len(data) - 18)
    if disks or first or comment or here != entries or start + size != len(data) - 22:
        return "end record"
    at, ends = start, {0}
    begins = set()
    for _ in range(entries):
        if data[at : at + 4] != b"PK\1\2" or at + 46 > len(data):
            return "central record"
        flags, method, _, _, check, packed_size, whole = struct.unpack_from("<HHHHIII", data, at + 8)
        name, extra, note, disk, _, _, local = struct.unpack_from("<HHHHHII", data, at + 28)
        title = data[at + 46 : at + 46 + name]
        at += 46 + name + extra + note
        if data[local : local + 4] != b"PK\3\4":
            return "local header"
        said = struct.unpack_from("<HHHHIIIHH", data, local + 6)
        text = local + 30 + said[7]
        sizes = said[5:7]
        if sizes == (2**32 - 1,) * 2 and data[text : text + 4] == b"\1\0\x10\0":  # zip64, as np.savez writes
            sizes = struct.unpack_from("<QQ", data, text + 4)[::-1]
        if (said[0], said[1], said[4]) != (flags, method, check) or sizes != (packed_size, whole) or disk:
            return "sizes, flags or checksum"
        if data[local + 30 : text] != title:
            return "names"
        begins.add(local)
        ends.add(text + said[8] + packed_size)
    return "" if at == len(data) - 22 and begins ^ ends == {start} else "gaps"
