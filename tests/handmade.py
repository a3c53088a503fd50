"""A few small networks made by hand, and helpers that several tests share."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

import naive
from fsref import FS, Conv2d, Dense, Input, MaxPool, Network, Readout, Table, fs_relu
from fsref.errors import FsrefError
from fsref.formats.npz import to_bytes

ENGINES = ("reference", "events", "quantized")


def tiny(**changes: Any) -> Network:
    """2x2 input, three FS-ReLU neurons, two logits."""
    parts: dict[str, Any] = {
        "populations": [
            Input("in", (1, 2, 2), 4, 15),
            FS("hid", (3, 1, 1), fs_relu(3, 2), [1, -2, 0]),
            Readout("out", (2, 1, 1), [5, -5]),
        ],
        "projections": [
            Dense("in", "hid", [[1, 2, 0, -1], [3, 0, 1, 1], [-1, 1, 2, 0]]),
            Dense("hid", "out", [[1, -1, 2], [0, 3, -2]]),
        ],
    }
    return Network(**{**parts, **changes})


def residual(table: Table | None = None) -> Network:
    """Every kind of population and projection at once: a stem, a max-pool, a skip, groups, dilation, a bias map, and a
    table, else one of no order.
    """
    rng = np.random.default_rng(7)

    def weights(*shape: int) -> Any:
        return rng.integers(-4, 5, shape)

    odd = Table(T=rng.integers(-30, 60, (4, 5)), h=rng.integers(-20, 50, (4, 5)), d=rng.integers(-3, 9, 5))
    return Network(
        [
            Input("in", (2, 7, 6), 5, 30),
            FS("stem", (4, 7, 6), fs_relu(4, [3, 5, 2, 7]), rng.integers(-9, 9, (4, 7, 6))),
            MaxPool("pool", (4, 4, 3), "stem", (3, 2), (2, 2), (1, 0, 1, 0)),
            FS("mid", (4, 4, 3), table or odd, [1, -2, 3, 0]),
            FS("sum", (4, 4, 3), fs_relu(6, 4), [0, 1, 2, 3]),
            Readout("out", (3, 1, 1), [10, 0, -10]),
        ],
        [
            Conv2d("in", "stem", weights(4, 2, 3, 3), padding=(1, 1, 1, 1)),
            Conv2d("pool", "mid", weights(4, 2, 2, 2), padding=(1, 1, 1, 1), dilation=(2, 2), groups=2),
            Conv2d("pool", "sum", weights(4, 1, 1, 1), groups=4),
            Conv2d("mid", "sum", weights(4, 4, 1, 1)),
            Conv2d("mid", "sum", weights(4, 4, 3, 3), padding=(1, 1, 1, 1)),
            Dense("in", "out", weights(3, 84)),
            Dense("sum", "out", weights(3, 4), pooled=True),
        ],
    )


def unordered() -> Network:
    """Thresholds that do not fall, h negative, d zero and negative, a row per channel; a max-pool on the input."""
    table = Table(T=[[5, -3, 9], [0, 7, -2]], h=[[-4, 6, 0], [3, -5, 2]], d=[[0, -7, 3], [2, 0, -1]])
    return Network(
        [
            Input("in", (2, 4, 4), 3, 7),
            MaxPool("pool", (2, 2, 2), "in", (2, 2), (2, 2)),
            FS("odd", (2, 2, 2), table, [1, -1]),
            FS("flat", (1, 1, 1), Table(T=[3], h=[1], d=[-5]), [2]),
            Readout("out", (2, 1, 1)),
        ],
        [
            Conv2d("pool", "odd", [[[[2]], [[-3]]], [[[-1]], [[4]]]]),
            Dense("odd", "flat", [[1, -2, 3, -4, 5, -6, 7, -8]]),
            Dense("odd", "out", [[1, 2], [-3, 4]], pooled=True),
            Dense("flat", "out", [[1], [-1]]),
        ],
    )


def dangling() -> Network:
    """Populations that feed nothing, one a single step long, and go on after the logits stand; a max-pool of one of
    them.
    """
    return Network(
        [
            Input("in", (1, 2, 2), 1, 1),
            FS("one", (2, 1, 1), fs_relu(1, 1), [1, 0]),
            FS("long", (1, 2, 2), fs_relu(5, 2), [9]),
            MaxPool("pool", (1, 1, 1), "long", (2, 2), (1, 1)),
            FS("last", (2, 1, 1), fs_relu(3, 4), [1, -1]),
            Readout("out", (2, 1, 1), [0, 3]),
        ],
        [
            Dense("in", "one", [[1, 1, 0, 2], [0, 1, -1, 0]]),
            Conv2d("in", "long", [[[[7]]]]),
            Dense("pool", "last", [[3], [1]]),
            Dense("in", "out", [[1, 2, 3, 4], [-1, 2, 0, 1]]),
        ],
    )


def draw(net: Network, count: int, seed: int = 0) -> Any:
    """`count` images of random codes, (B, C, H, W)."""
    return np.random.default_rng(seed).integers(0, net.input.max_code + 1, (count, *net.input.shape))


def oracle(net: Network) -> naive.Net:
    """The same network for the naive simulator, by way of the bytes of its file."""
    return naive.load(to_bytes(net))


def members_of(data: bytes) -> dict[str, bytes]:
    """The members of a zip, by name."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def zipped(members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    """A zip of these members, in order."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name), data, compression)
    return packed.getvalue()


def npy(data: bytes, shape: Any, descr: Any = "<i8", fortran: Any = False, version: int = 1) -> bytes:
    """A `.npy` with any header over any bytes; shape and descr go into the header as they print."""
    header = (
        f"{{'descr': {descr!r}, 'fortran_order': {fortran!r}, 'shape': "
        f"{shape if isinstance(shape, str) else repr(shape)}, }}\n"
    ).encode()
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<H" if version == 1 else "<I", len(header)) + header + data


def array(values: Any, descr: str = "<i8") -> bytes:
    """A `.npy` of these values."""
    found = np.ascontiguousarray(values, dtype=descr)
    return npy(found.tobytes(), found.shape, descr)


def with_manifest(members: dict[str, bytes], **changes: Any) -> dict[str, bytes]:
    """The members with keys of the manifest replaced."""
    manifest = json.loads(members["manifest.json"])
    manifest.update(changes)
    return {**members, "manifest.json": json.dumps(manifest).encode()}


def check_line(error: FsrefError) -> None:
    """An error is one line that names its rule and its place."""
    line = str(error)
    assert len(line.splitlines()) == 1, line
    assert line.endswith(f"[{error.rule}]")
    assert " ".join(error.place.split()) in line


ANY: Any = object()


@contextmanager
def refused(kind: type[FsrefError], rule: str, place: str = ANY, value: Any = ANY) -> Iterator[None]:
    """The block raises exactly this error: its class, rule, place and value, on one line."""
    with pytest.raises(FsrefError) as caught:
        yield
    error = caught.value
    assert type(error) is kind, repr(error)
    assert error.rule == rule, repr(error)
    assert place is ANY or error.place == place, repr(error)
    assert value is ANY or error.value == value, repr(error)
    check_line(error)


def ladder() -> Network:
    """in (3 steps) -> a (5) -> pool -> b (2) -> out, and long skips in -> b, a -> out."""
    one, w = (1, 1, 1), [[[[1]]]]
    return Network(
        [
            Input("in", one, 3, 7),
            FS("a", one, fs_relu(5)),
            MaxPool("pool", one, "a", (1, 1), (1, 1)),
            FS("b", one, Table([4, 2], [4, 2], [2, 1])),
            Readout("out", one),
        ],
        [
            Conv2d("in", "a", w),
            Conv2d("in", "b", w),
            Conv2d("pool", "b", w),
            Conv2d("a", "out", w),
            Conv2d("b", "out", w),
        ],
    )
