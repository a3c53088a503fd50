"""Named tables as files: what is written is read, byte for byte; what is none is refused."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fsref import Table
from fsref.activations.functions import functions
from fsref.errors import FileError, UsageError
from fsref.formats.tables import NAMED, Approximation, come_along, from_bytes, load_table, save_table, to_bytes
from test_functions import THEIRS

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
        ("provenance", [], "provenance: is no object"),
        ("provenance", {"seed": [1]}, "provenance: seed: is no plain value"),
        ("provenance", {"seed": float("nan")}, "provenance: seed: is no plain value: nan"),
        ("provenance", {"seed": -float("inf")}, "provenance: seed: is no plain value: -inf"),
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


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"provenance": {"loss": math.nan}}, "half: provenance: is no JSON"),
        ({"provenance": {"loss": np.float32(1)}}, "half: provenance: is no JSON"),
        ({"provenance": {"seeds": [1]}}, "half: provenance: seeds: is no plain value"),
        ({"mse": math.inf}, "half: mse: is no JSON"),
        ({"function": "a\n"}, "half: function: is no name"),
        ({"unit": 0.0}, "half: unit: is not above 0"),
    ],
)
def test_what_would_not_be_read_is_not_written(changed: dict[str, Any], told: str, tmp_path: Path) -> None:
    """A table that no file can hold is refused in one line, and nothing is written."""
    with pytest.raises(UsageError) as caught:
        save_table(replace(TABLE, **changed), tmp_path / "half.json")
    line = str(caught.value)
    assert line.startswith(told) and line.endswith("[TABLE-1]") and line.isprintable() and not list(tmp_path.iterdir())


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b"\xff", b'{"schema": 1}', b"[" * 9000, b'{"schema":1,"schema":2}'])
def test_what_is_no_json_of_one(data: bytes) -> None:
    """Bytes that are no JSON, or JSON of something else, are refused in one line."""
    with pytest.raises(FileError, match=r"\[TABLE-1\]$"):
        from_bytes(data, "some.json")


@pytest.mark.parametrize(
    ("data", "told"), [(b"PK\3\4", "NET:POPULATION"), (b'{"T":[1],"h":[1],"d":[1]}', "table round")]
)
def test_what_it_is_instead_is_told(data: bytes, told: str) -> None:
    """A network, and a table of floats, are pointed to what takes them."""
    with pytest.raises(FileError, match=told):
        from_bytes(data, "some.json")


@pytest.mark.parametrize("key", list(TABLE.to_dict())[1:])
def test_a_missing_key_is_told(key: str) -> None:
    """A file without one of the keys is refused, and the line names the key."""
    plain = {name: value for name, value in TABLE.to_dict().items() if name != key}
    with pytest.raises(FileError, match=f"some.json: {key}: is missing"):
        from_bytes(json.dumps(plain).encode(), "some.json")


def loop(table: Approximation, v: int) -> tuple[int, int]:
    """The code and the spikes of membrane v, step by step."""
    code = spikes = 0
    for threshold, reset, worth in zip(
        table.table.T.tolist(), table.table.h.tolist(), table.table.d.tolist(), strict=True
    ):
        if v >= threshold:
            v, code, spikes = v - reset, code + worth, spikes + 1
    return code, spikes


@pytest.mark.parametrize("name", come_along())
def test_tables_that_come_along_are_what_they_say(name: str) -> None:
    """Each table that comes with fsref has the errors, spikes and outputs that its file says, on every integer of its
    interval; as far beyond as that is wide its output stays in the function's range, and no farther from what the
    function holds there than three times the root of the mean square error, or hardly (FIT-5).
    """
    found = load_table(name)
    assert found.name == name and to_bytes(found) == (NAMED / f"{name}.json").read_bytes()
    ours = THEIRS[found.function]
    each = range(found.low, found.high + 1)
    shares = [1.0] * len(each)
    if found.provenance["membranes"] != "all alike":
        _, mean, deviation = found.provenance["membranes"].split()
        shares = [math.exp(-(((v * found.unit - float(mean)) / float(deviation)) ** 2) / 2) for v in each]
    seen = [loop(found, v) for v in each]
    errors = [code * found.scale - ours(v * found.unit) for v, (code, _) in zip(each, seen, strict=True)]
    assert math.isclose(found.mse, math.fsum(e * e for e in errors) / len(each), rel_tol=1e-9)
    assert math.isclose(found.max_error, max(map(abs, errors)), rel_tol=1e-9)
    spikes = math.fsum(p * z for p, (_, z) in zip(shares, seen, strict=True)) / math.fsum(shares)
    assert math.isclose(found.spikes, spikes, rel_tol=1e-9) and found.outputs == len({code for code, _ in seen})
    low, high = functions[found.function].range
    span = found.high - found.low + 1
    beyond = (*range(found.low - span, found.low, 7), *range(found.high + 1, found.high + span + 1, 7))
    outputs = [loop(found, v)[0] * found.scale for v in beyond]
    assert low - 1e-9 <= min(outputs) and max(outputs) <= high + 1e-9
    function, (first, last) = functions[found.function], found.interval
    ends = (function.domain[0], first), (last, function.domain[1])
    for side, far in zip((outputs[: len(outputs) // 2], outputs[len(outputs) // 2 :]), ends, strict=True):
        low, high = function.extremes(*far)
        assert max(low - min(side), max(side) - high) <= 3.1 * math.sqrt(found.mse)


@pytest.mark.parametrize(
    ("name", "mse", "largest", "spikes"),
    [
        ("silu-16-few", 3.6e-4, 0.065, 2.38),
        ("silu-8-few", 3.45e-3, 0.295, 2.38),
        ("sigmoid-12-few", 2.4e-5, 0.016, 4.28),
        ("sigmoid-6", 1.44e-4, 0.0577, 4.28),
    ],
)
def test_tables_are_better_than_those_published(name: str, mse: float, largest: float, spikes: float) -> None:
    """At the published tables' spikes errors are far smaller, and half the steps do for theirs."""
    found = load_table(name)
    assert found.mse <= mse and found.max_error <= largest and found.spikes <= spikes


@pytest.mark.parametrize(("steps", "times"), [(8, 5), (12, 10), (16, 15)])
def test_tables_err_far_less_than_the_authors_recipe(steps: int, times: int) -> None:
    """The mean square error of a table is a small part of the best that the authors' recipe came to."""
    kept = json.loads((Path(__file__).parent.parent / "reference_models" / "tables" / "authors.json").read_bytes())
    for name in ("silu", "gelu", "tanh", "sigmoid"):
        errors = kept[f"{name}-{steps}"]["errors"]
        assert len(errors) >= 30 and load_table(f"{name}-{steps}").mse * times <= min(errors)


def test_an_unknown_table_is_told() -> None:
    """A name that is no file's and no table's is refused with the nearest one."""
    with pytest.raises(FileError, match=r"no table that comes with fsref \(did you mean silu-16\?\) \[TABLE-2\]"):
        load_table("silu-61")
