"""Files of every kind broken with knowledge: chunks of pictures, fields of protocol buffers, lines of tables, parts of
recordings; zips are broken by fuzz_archives.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any

import onnx

from fuzz_archives import bent_archive
from fuzz_devices import bent_answers, bent_greeting, bent_replay, bent_replies, bent_vectors
from fuzz_dumps import bent_dump
from fuzz_seeds import LISTED, MODES, Case, blank, changed, chunk
from fuzz_values import NUMBERS, TEXTS, bent, bent_json, bent_npy

SIZES = (0, 1, 2, 7, 8, 9, 16, 300, 20_000, 65_536, 2**20, 2**31 - 1, 2**31, 2**32 - 1)


def mutated(draw: Random, case: Case) -> Case:
    """The case with one of its files, or several, broken."""
    return BREAKERS[case.kind](draw, case)


def bent_picture(draw: Random, case: Case) -> Case:
    """A picture of another size, format or name, with other chunks or bytes; or a foreign one, as it is."""
    if case.foreign:
        return case if draw.random() < 0.7 else replace(changed(case, case.name, bent(draw, case.files[case.name])))
    data = case.files[case.name]
    match draw.randrange(8):
        case 0 if case.name.endswith("png"):
            side = (1, 2, 8, 9, 300, 3_000)
            sizes = ((1, 20_000), (20_000, 1), (12_000, 12_000), (draw.choice(side), draw.choice(side)))
            mode = draw.choice(list(MODES))
            return changed(case, case.name, blank(*draw.choice(sizes), mode))
        case 1:
            other = f"one.{draw.choice((*LISTED, 'npy', 'PNG', 'txt'))}"
            return replace(case, name=other, files={other: data})
        case 2 | 3 | 4 | 5 if case.name.endswith("png"):
            data = bent_chunks(draw, data)
        case 2 | 3 if case.name.endswith(("bmp", "tif")):
            at = draw.randrange(0, min(len(data), 80) - 4, 2)
            data = data[:at] + struct.pack("<I", draw.choice(SIZES)) + data[at + 4 :]
        case _:
            data = bent(draw, data)
    return changed(case, case.name, data)


def bent_chunks(draw: Random, data: bytes) -> bytes:
    """A PNG with fields of its header set, or chunks left out, doubled, put in or broken; each checksum right."""
    chunks, at = [], 8
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        chunks.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + size]))
        at += 12 + size
    which = draw.randrange(len(chunks))
    match draw.randrange(6):
        case 0 | 1:
            head = bytearray(chunks[0][1])
            for place in draw.sample(("width", "height", "bits", "colour", "rest"), draw.choice((1, 1, 2))):
                match place:
                    case "width" | "height":
                        first = 0 if place == "width" else 4
                        head[first : first + 4] = struct.pack(">I", draw.choice(SIZES))
                    case "bits":
                        head[8] = draw.choice((0, 1, 2, 4, 8, 16, 255))
                    case "colour":
                        head[9] = draw.choice((0, 1, 2, 3, 4, 6, 255))
                    case _:
                        head[draw.randrange(10, 13)] = draw.choice((1, 2, 255))
            chunks[0] = (b"IHDR", bytes(head))
        case 2:
            del chunks[which]
        case 3:
            chunks.insert(which, chunks[draw.randrange(len(chunks))])
        case 4:
            text = zlib.compress(bytes(draw.choice((9, 2**20, 2**26))))
            more = (b"zTXt", b"a\0\0" + text), (b"iTXt", b"a\0\1\0\0\0" + text), (b"iCCP", b"a\0\0" + text)
            odd = (b"acTL", struct.pack(">II", 2**31, 0)), (b"eXIf", b"II*\0\xff\xff\xff\xff"), (b"tRNS", b"\0" * 6)
            chunks.insert(1, draw.choice((*more, *odd, (b"PLTE", bytes(9)), (b"\x1b[2J", b""))))
        case _:
            chunks[which] = (chunks[which][0], bent(draw, chunks[which][1]))
    return data[:8] + b"".join(chunk(name, held) for name, held in chunks if len(name) == 4)


def bent_table(draw: Random, case: Case) -> Case:
    """A folder whose labels.csv, names or pictures are broken."""
    table = f"{case.name}/labels.csv"
    if table not in case.files or draw.random() < 0.2:
        name = draw.choice(sorted(case.files))
        if draw.random() < 0.6:
            parts = name.split("/")
            place = draw.randrange(1, len(parts))
            parts[place] = file_name(draw.choice(TEXTS), parts[place])
            files = {k: v for k, v in case.files.items() if k != name or draw.random() < 0.5}
            return replace(case, files={**files, "/".join(parts): case.files[name]})
        return changed(case, name, bent(draw, case.files[name]))
    lines = case.files[table].decode().splitlines()
    which = draw.randrange(len(lines))
    name, _, label = lines[which].partition(",")
    text = draw.choice(TEXTS)
    match draw.randrange(9):
        case 0:
            lines[which] = f"{text},{label}"
        case 1:
            lines[which] = f"{name},{draw.choice((text, str(draw.choice(NUMBERS[:-1])), 'Cat', 'dog ', '1.0', '٣'))}"
        case 2:
            lines[which] = draw.choice((text, f'"{lines[which]}', f"{lines[which]},", f"{name};{label}", "", ","))
        case 3:
            lines.insert(which, draw.choice((lines[which], lines[0], f'"{text}","{text}"')))
        case 4:
            del lines[which]
        case 5:
            lines[1:] = lines[1:] * draw.choice((2, 30))
        case 6:
            if draw.random() < 0.5:
                lines[which] = f"{draw.choice(('.', 'images', 'labels.csv', 'one.png'))},{label}"
            else:  # there is such a picture
                outside = draw.choice(("../../good/picture.png", "images/../../../good/picture.png", "/dev/zero"))
                lines[max(which, 1)] = f"{outside},{label if which else 'cat'}"
                case = replace(case, foreign=True)
        case 7:
            encoded = "\n".join(lines).encode(draw.choice(("utf-16", "utf-8-sig", "utf-32")))
            return changed(case, table, encoded)
        case _:
            return changed(case, table, bent(draw, case.files[table]))
    return changed(case, table, draw.choice(("\n", "\r\n", "\n")).join([*lines, ""]).encode("utf-8", "replace"))


def bent_dataset(draw: Random, case: Case) -> Case:
    """A data set whose files are cut, grown, broken, renamed or left out; of a foreign one the bytes alone."""
    name = draw.choice(sorted(case.files))
    data, place = case.files[name], name.rpartition("/")[0]
    if case.foreign:
        return changed(case, name, bent(draw, data)) if draw.random() < 0.5 else case
    match draw.randrange(6):
        case 0:
            return changed(case, name, data[: draw.choice((0, 1, 3072, 3073, len(data) - 1))])
        case 1:
            return changed(case, name, data + draw.randbytes(draw.choice((1, 3073, 3 * 3073))))
        case 2:
            at = 3073 * draw.randrange(len(data) // 3073)
            return changed(case, name, data[:at] + bytes([draw.choice((10, 11, 255))]) + data[at + 1 :])
        case 3:
            other = draw.choice(
                ("test_batch", "data_batch_1", "data_batch_6.bin", "x-idx3-ubyte", file_name("a", name))
            )
            return replace(case, files={k: v for k, v in case.files.items() if k != name} | {f"{place}/{other}": data})
        case 4:
            return replace(case, name=draw.choice((place, "cifar10:", "cifar10:nowhere", f"cifar10-train:{place}")))
    return changed(case, name, bent(draw, data))


def file_name(text: str, old: str) -> str:
    """A text as the name of a file in its folder, the suffix of the old one behind it."""
    fits = "".join("_" if character in "/\0" else character for character in text)[:60].strip(".") or "name"
    return fits + (old[old.rindex(".") :] if "." in old else "")


def bent_recording(draw: Random, case: Case) -> Case:
    """A recording with another description, array or network, or without one of its files."""
    told = [name for name in case.files if name.endswith(".json")]
    name = draw.choice([*sorted(case.files), *told * 12])
    data = case.files[name]
    if draw.random() < 0.1:
        files = {k: v for k, v in case.files.items() if k != name}
        return replace(case, files=files if draw.random() < 0.5 else {**files, f"{name}x": data})
    if name.endswith(".json"):
        return changed(case, name, bent_json(draw, data))
    if name.endswith(".npz"):
        inner = bent_archive(draw, Case("npz", name, {name: data}))
        return changed(case, name, inner.files[name])
    return changed(case, name, bent_npy(draw, data))


def bent_lone(breaker: Callable[[Random, bytes], bytes]) -> Callable[[Random, Case], Case]:
    """What breaks cases of one file."""
    return lambda draw, case: changed(case, case.name, breaker(draw, case.files[case.name]))


def bent_onnx(draw: Random, data: bytes) -> bytes:
    """An ONNX model with fields of its messages set, left out or repeated."""
    if draw.random() < 0.15:
        return bent(draw, data)
    model = onnx.load_from_string(data)
    held = model.graph.initializer
    rounds: tuple[int, ...] = (0, 1)
    if draw.random() < 0.1:
        which = draw.randrange(len(held))
        values, kind = onnx.numpy_helper.to_array(held[which]), draw.choice(("i1", "u1", "i4", "i8", "f2", "f8", "?"))
        held[which].CopyFrom(onnx.numpy_helper.from_array(values.astype(kind), held[which].name))
    elif draw.random() < 0.05:
        which = draw.randrange(len(held))
        held[which].ClearField("raw_data")
        held[which].data_location = onnx.TensorProto.EXTERNAL
        held[which].external_data.add(key="location", value=draw.choice(("../good/x.npz", "/dev/zero", *TEXTS)))
    else:
        rounds = (1, 1, 2, 3)
    for _ in range(draw.choice(rounds)):
        message, field = draw.choice(list(_fields(model)))
        _set(draw, message, field)
    made: bytes = model.SerializeToString()
    return made


def _fields(message: Any) -> Any:
    """Every field that is set in a message and those inside it: (message, field)."""
    for field, value in message.ListFields():
        yield message, field
        if field.message_type is not None:
            for inner in value if hasattr(value, "append") else [value]:
                yield from _fields(inner)


def _set(draw: Random, message: Any, field: Any) -> None:
    """One field of a message made something else."""
    held = getattr(message, field.name)
    many = hasattr(held, "append")
    if draw.random() < 0.12:
        message.ClearField(field.name)
        return
    if field.message_type is not None:
        if many:
            which = draw.randrange(len(held))
            if draw.random() < 0.5:
                held.append(held[which])
            else:
                del held[which]
        return
    if field.type == field.TYPE_BYTES:
        made: Any = bent(draw, held[0] if many else held)
    elif field.type == field.TYPE_STRING:
        own = (
            "Conv",
            "Gemm",
            "MatMul",
            "Add",
            "Relu",
            "Clip",
            "Pad",
            "Reshape",
            "Concat",
            "AveragePool",
            "x",
            "a",
            "W",
        )
        made = draw.choice((*TEXTS, *own, *own))
    elif field.type in (field.TYPE_FLOAT, field.TYPE_DOUBLE):
        made = draw.choice((0.0, -1.0, 1e30, 1e-30, float("nan"), float("inf"), 3.4e38))
    elif field.type == field.TYPE_ENUM:
        made = draw.randrange(24)
    else:
        low, high = (-(2**63), 2**63 - 1) if field.type == field.TYPE_INT64 else (-(2**31), 2**31 - 1)
        made = draw.choice([n for n in NUMBERS if low <= n <= high])
    try:
        if many:
            held[draw.randrange(len(held))] = made
        else:
            setattr(message, field.name, made)
    except (ValueError, TypeError):  # no value of this field
        message.ClearField(field.name)


BREAKERS: dict[str, Callable[[Random, Case], Case]] = {
    "npz": bent_archive,
    "graph": bent_archive,
    "onnx": bent_lone(bent_onnx),
    "picture": bent_picture,
    "npy": bent_lone(bent_npy),
    "csv": bent_table,
    "costs": bent_lone(bent_json),
    "recording": bent_recording,
    "dataset": bent_dataset,
    "memories": bent_dump,
    "dump": bent_dump,
    "layout": bent_lone(bent_json),
    "chip": bent_lone(bent_json),
    "certificate": bent_lone(bent_json),
    "vectors": bent_vectors,
    "replies": bent_replies,
    "greeting": bent_greeting,
    "answers": bent_answers,
    "lines": bent_answers,
    "batch": bent_replies,
    "replay": bent_replay,
    "device": lambda draw, case: case,
}
