"""What a stranger's file may hold in place of what belongs there: hostile texts and numbers, broken JSON, `.npy` and
bytes.
"""

from __future__ import annotations

import io
import json
import struct
import sys
from collections.abc import Iterator
from copy import deepcopy
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray

LONG = 100_000  # characters of the longest text
TEXTS = (
    "\x1b[2J\x1b[H",  # clears a terminal
    "\x1b]0;title\x07",
    "\x9b31m\x7f\x08",
    "a\u202eb\u2066c\u200f",  # turns the direction of what follows
    "one\u2028two\u2029three\x85four",  # ends a line for some readers
    "one\r\nfsref: error: two",
    "nul\0",
    "\ufeff\u200b\u00ad\U000e0041",
    "x" * LONG,
    "\x1b" * LONG,
    "a b\t" * 1000,
    "\u6f22\u0301\U0001f600",
    "[bold red]x[/]",
    "{0}%s%n$(x)`y`",
    "--json",
    "../../outside",
    "/etc/hostname",
    "C:\\x",
    "..",
    ".",
    "",
    " ",
    "in",
    "input",
    "out",
    "manifest.json",
)
NUMBERS: tuple[int, ...] = (
    *(0, 1, -1, -3, 2, 3, 7, 8, 16, 17, 63, 64, 255, 256, 300, 4_000, 16_000, 30_000, 65_535, 65_536, 2**20, 2**28),
    *(2**31 - 1, 2**31, 2**40, 2**53 + 1, 2**62, 2**63 - 1, 2**63, 2**64, -(2**63), 10**30, 10**5000),
)
REALS = (0.0, -0.0, 0.485, 1.5, -2.5, 1e-320, 1e-30, 1e30, 1e308, float("nan"), float("inf"), -float("inf"))
DTYPES = (
    "|i1",
    "|u1",
    "<i2",
    "<i4",
    "<i8",
    "<u2",
    "<u4",
    "<u8",
    ">i4",
    ">i8",
    "<f4",
    "<f8",
    "|b1",
    "<c16",
    "|O",
    "<U9",
)


def odd(draw: Random) -> Any:
    """A JSON value of whatever kind."""
    made: Any = draw.choice((*NUMBERS, *REALS, *TEXTS))
    few: tuple[Any, ...] = (None, True, False, [], {}, [[]], [made], [made] * 3, [made] * 4, {"a": made}, made, made)
    return deepcopy(draw.choice(few))


def bent(draw: Random, data: bytes) -> bytes:
    """Bytes cut, flipped, put in, taken out, doubled or spliced."""
    work = bytearray(data)
    at, other = (draw.randrange(len(work) + 1) for _ in range(2))
    match draw.randrange(8):
        case 0:
            del work[at:]
        case 1 | 2 if work:
            for _ in range(draw.choice((1, 1, 2, 10))):
                work[draw.randrange(len(work))] ^= 1 << draw.randrange(8)
        case 3:
            work[at:at] = draw.randbytes(draw.choice((1, 4, 30)))
        case 4:
            del work[at : at + draw.choice((1, 2, 40))]
        case 5:
            work[at:at] = work[min(at, other) : max(at, other)][:4096]
        case 6:
            work[at : at + 4] = draw.choice((b"\0\0\0\0", b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\0\0\0\x80"))
        case _:
            ends = (work + draw.randbytes(9), draw.randbytes(9) + work, work + work, draw.randbytes(400), bytearray())
            work = bytearray(draw.choice(ends))
    return bytes(work)


def places(value: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place of a JSON value below its root."""
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield (*way, key)
        yield from places(inner, (*way, key))


def bent_value(draw: Random, whole: Any) -> Any:
    """A JSON value with something in it replaced, left out, added, renamed, repeated or swapped."""
    whole = deepcopy(whole)
    for _ in range(draw.choice((1, 1, 1, 2, 4))):
        ways = list(places(whole))
        if not ways:
            return odd(draw)
        *way, last = draw.choice(ways)
        holder = whole
        for key in way:
            holder = holder[key]
        old = holder[last]
        match draw.randrange(9):
            case 0:
                holder[last] = odd(draw)
            case 1 | 2 if isinstance(old, int):
                holder[last] = draw.choice(
                    (*NUMBERS, old + 1, old - 1, 2 * old, -old, float(old % 2**64), str(old % 2**64))
                )
            case 1 | 2 if isinstance(old, float):
                holder[last] = draw.choice((*REALS, *NUMBERS, -old))
            case 1 | 2 | 3 if isinstance(old, str):
                holder[last] = draw.choice((*TEXTS, old + draw.choice(TEXTS), old[::-1], old.upper()))
            case 4:
                del holder[last]
            case 5 if isinstance(holder, dict):
                holder[draw.choice((*TEXTS, *holder))] = holder.pop(last)
            case 6 if isinstance(holder, dict):
                holder[draw.choice((*TEXTS, *holder))] = odd(draw)
            case 5 | 6 | 7 if isinstance(holder, list):
                holder[last:last] = [deepcopy(old)] * draw.choice((1, 1, 3, 300))
            case 8 if isinstance(old, list):
                draw.shuffle(old)
            case _:
                holder[last] = draw.choice(
                    (draw.choice(NUMBERS), draw.choice(TEXTS), deepcopy(draw.choice((whole, old))))
                )
    return whole


def bent_json(draw: Random, data: bytes) -> bytes:
    """The text of a JSON value with something else in it, or no JSON any more."""
    made = bent_value(draw, json.loads(data))
    text = dumped(made, ascii_only=draw.random() < 0.5)
    match draw.randrange(24):
        case 0:
            return bent(draw, text)
        case 1:
            return text[:-1] + b', "name": "a", "name": "b"}'
        case 2:
            return draw.choice((b"[" * LONG, b'{"a":' * LONG, b'{"format":' + b"9" * LONG + b"}", b"", b"null", b"[]"))
        case 3:
            return b"\xef\xbb\xbf" + text
        case 4:
            return text.decode("utf-8", "replace").encode("utf-16")
    return text


def dumped(value: Any, ascii_only: bool = True, **form: Any) -> bytes:
    """JSON of some form, integers of whatever length among it; surrogates become question marks where UTF-8 is asked
    for.
    """
    most = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)
    try:
        return json.dumps(value, ensure_ascii=ascii_only, **form).encode("utf-8", "replace")
    finally:
        sys.set_int_max_str_digits(most)


def bent_npy(draw: Random, data: bytes) -> bytes:
    """A `.npy` with other values, another header, or other bytes."""
    try:
        values: NDArray[Any] = np.load(io.BytesIO(data), allow_pickle=False)
    except (ValueError, EOFError, OSError):
        return bent(draw, data)
    whole, shape, kind = values.tobytes(), values.shape, values.dtype.str
    match draw.randrange(9):
        case 0 | 1 if values.size:
            return _revalued(draw, values)
        case 2:
            kinds: tuple[Any, ...] = (*DTYPES, *TEXTS, [("\x1b[2J", "<i4")], [], {"a": 1}, None, 3, "<i" + "9" * 400)
            return _npy(whole, shape, draw.choice(kinds))
        case 3 | 4:
            grown = tuple(draw.choice((0, 1, s + 1, 2**20 * s, -s, 2**62)) for s in shape)
            more: tuple[Any, ...] = (
                shape[::-1],
                (*shape, 1),
                (1, *shape),
                shape[:-1],
                (),
                (True,),
                list(shape),
                "shape",
            )
            return _npy(whole, draw.choice((grown, None, *more)), kind)
        case 5:
            heads = ("{" * 3000, "(" * 4000, "{'descr': ", "9" * 4000, "{1: 2, {}: 3}", "'\x1b[2J'", "\0" * 64)
            head = draw.choice(heads).encode("latin-1")
            return b"\x93NUMPY\x01\0" + struct.pack("<H", len(head)) + head + whole
        case 6:
            packed = io.BytesIO()
            forms: tuple[Any, ...] = (values.astype(object), np.asfortranarray(values), values.astype("M8[s]"), None)
            np.save(packed, draw.choice(forms), allow_pickle=True)
            return packed.getvalue()
        case 7:
            resized = np.resize(values, tuple(draw.choice((1, 2, 3, 8, 17)) for _ in range(draw.randrange(1, 6))))
            return _npy(resized.tobytes(), resized.shape, kind)
    return bent(draw, data)


def _revalued(draw: Random, values: NDArray[Any]) -> bytes:
    """A `.npy` in which some values are others; integers take 8 bytes then."""
    flat, shape = values.ravel(), values.shape
    for _ in range(draw.choice((1, 3, 50))):
        if flat.dtype.kind == "f":
            flat[draw.randrange(flat.size)] = draw.choice([n for n in REALS if not 1e38 < abs(n) < 1e309])
        else:
            number = draw.choice((*NUMBERS[:-1], -129, 127, 2**58 + 1)) % 2**64
            flat = flat.astype("<i8")
            flat[draw.randrange(flat.size)] = np.uint64(number).astype(np.int64)
    return _npy(flat.tobytes(), shape, flat.dtype.str)


def _npy(data: bytes, shape: Any, kind: Any) -> bytes:
    """A `.npy` of any header; version 3 where the header needs it."""
    head = f"{{'descr': {kind!r}, 'fortran_order': False, 'shape': {shape!r}, }}\n".encode()
    if len(head) > 60_000:
        return b"\x93NUMPY\x03\0" + struct.pack("<I", len(head)) + head + data
    return b"\x93NUMPY\x01\0" + struct.pack("<H", len(head)) + head + data
