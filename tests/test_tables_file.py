"""Named tables as files: what is written is read, byte for byte; what is none is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fsref import Table
from fsref.errors import FileError
from fsref.formats.tables import Approximation, from_bytes, load_table, save_table, to_bytes

TABLE = Approximation(
    "half",
    "relu",
    Table(T=[4, 2, 1], h=[4, 2, 0], d=[4, 2, 1]),
    1 / 1024,
    0.5,
    -8,
    7,
    0.25,
    0.5,
    1.5,
    8,
    {"seed": 0, "budget": 10},
)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    """A named table comes back from its file with every value, and is written again as the same bytes."""
    path = tmp_path / "half.json"
    save_table(TABLE, path)
    read = load_table(path)
    assert read.to_dict() == TABLE.to_dict() and to_bytes(read) == path.read_bytes()
    assert list(json.loads(path.read_bytes())) == list(TABLE.to_dict())
    assert read.interval == (-8 / 1024, 7 / 1024)


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("schema", "fsref.table/2", 'is no named table: fsref.table/2 ("schema": "fsref.table/1")'),
        ("name", "a\x1b[31m", "is no name"),
        ("name", "", "is no name"),
        ("T", [1, 2], "T, h and d differ in steps or channels"),
        ("T", [1.0, 2.0, 3.0], "is no list of integers"),
        ("T", [True, 2, 3], "is no list of integers"),
        ("d", [2**31, 0, 0], "integer out of range"),
        ("h", [], "is no list of integers"),
        ("unit", 0, "is not above 0"),
        ("scale", -1.0, "is no real number"),
        ("mse", float("nan"), "is no real number"),
        ("max_error", float("inf"), "is no real number"),
        ("spikes", True, "is no real number"),
        ("range", [3, 2], "is no interval of membranes"),
        ("range", [0, 2**60], "is no interval of membranes"),
        ("outputs", 0, "is no number of codes"),
        ("provenance", {"seed": [1]}, "is no object of plain values"),
        ("more", 1, "unknown key"),
    ],
)
def test_what_is_no_named_table(key: str, value: Any, told: str) -> None:
    """Every key is there and of its kind, and no other; the line says which."""
    plain = {**TABLE.to_dict(), key: value}
    with pytest.raises(FileError) as caught:
        from_bytes(json.dumps(plain).encode(), "some.json")
    line = str(caught.value)
    assert told in line and line.startswith("some.json") and line.isprintable()


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b"\xff", b'{"schema": 1}', b"[" * 9000, b'{"schema":1,"schema":2}'])
def test_what_is_no_json_of_one(data: bytes) -> None:
    """Bytes that are no JSON, or JSON of something else, are refused in one line."""
    with pytest.raises(FileError, match=r"\[TABLE-1\]$"):
        from_bytes(data, "some.json")


@pytest.mark.parametrize("key", list(TABLE.to_dict())[1:])
def test_a_missing_key_is_told(key: str) -> None:
    """A file without one of the keys is refused, and the line names the key."""
    plain = {name: value for name, value in TABLE.to_dict().items() if name != key}
    with pytest.raises(FileError, match=f"some.json: {key}: is missing"):
        from_bytes(json.dumps(plain).encode(), "some.json")
