"""Named tables: a table, the function that it stands for, and its errors, in a JSON file (TABLE-1)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite
from os import PathLike
from pathlib import Path
from types import MappingProxyType
from typing import Any

from fsref.errors import FileError, FsrefError, UsageError, nearest
from fsref.formats.container import unique
from fsref.formats.files import path_of, write
from fsref.formats.json_network import integers
from fsref.formats.reading import read_whole
from fsref.law.neuron import Ints, Table
from fsref.tables import Sheet, Shown, plural, short

SCHEMA = "fsref.table/1"
MAX_FILE = 2**16  # bytes
NAMED = Path(__file__).parent.parent / "activations" / "named"  # those that come with fsref
TEXT = 120  # characters of a name
NAMES = f"1..{TEXT} printable characters"
PLAIN = "text, finite numbers, true, false, null"
REALS = ("unit", "scale", "mse", "max_error", "spikes")


@dataclass(frozen=True, eq=False, repr=False)
class Approximation(Shown):
    """A table (K,) that stands for a function of real numbers on an interval (TABLE-1).

    A membrane v stands for v * unit, a code for code * scale. low and high are the ends of the interval, in membranes;
    mse and max_error, in the function's units, are of every integer there; spikes are the mean of a neuron, outputs how
    many codes come up. What made it stands in `provenance`.
    """

    name: str
    function: str
    table: Table
    unit: float
    scale: float
    low: int
    high: int
    mse: float
    max_error: float
    spikes: float
    outputs: int
    provenance: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def interval(self) -> tuple[float, float]:
        """The ends of the interval, in the function's units."""
        return self.low * self.unit, self.high * self.unit

    def __repr__(self) -> str:
        return short(f"<Approximation {self.name}: {plural(self.table.steps, 'step')}, mse {self.mse:.3g}>")

    def sheet(self) -> Sheet:
        """The table as a table: a line per step, below it what it is worth."""
        rows = list(zip(range(self.table.steps), *(getattr(self.table, name).tolist() for name in "Thd"), strict=True))
        low, high = self.interval
        return Sheet(
            f"{self.name}: {plural(self.table.steps, 'step')} for {self.function} on {low:g}..{high:g}",
            ("step", "threshold T", "reset h", "code weight d"),
            rows,
            left=0,
            below=[
                ("membrane", f"{self.unit:.6g} each, {plural(self.high - self.low + 1, 'integer')} in the interval"),
                ("code", f"{self.scale:.6g} each, {plural(self.outputs, 'output')} in the interval"),
                ("error", f"mean square {self.mse:.3g}, largest {self.max_error:.3g}, on every integer"),
                ("spikes", f"{self.spikes:.2f} of a neuron, in the mean"),
            ],
        )

    def to_dict(self) -> dict[str, Any]:
        """The table as its file has it (TABLE-1)."""
        return {
            "schema": SCHEMA,
            "name": self.name,
            "function": self.function,
            "T": self.table.T.tolist(),
            "h": self.table.h.tolist(),
            "d": self.table.d.tolist(),
            "unit": self.unit,
            "scale": self.scale,
            "range": [self.low, self.high],
            "mse": self.mse,
            "max_error": self.max_error,
            "spikes": self.spikes,
            "outputs": self.outputs,
            "provenance": dict(self.provenance),
        }


def to_bytes(table: Approximation) -> bytes:
    """The file of a named table: JSON, a key to a line, the same bytes for the same table, which `from_bytes` takes
    (TABLE-1). Errors: UsageError.
    """
    told = []
    for key, value in table.to_dict().items():
        try:
            told.append(f"  {json.dumps(key)}: {json.dumps(value, sort_keys=True, allow_nan=False)}")
        except (TypeError, ValueError, RecursionError) as error:
            raise UsageError("TABLE-1", f"{table.name}: {key}", "is no JSON", str(error), PLAIN) from None
    data = ("{\n" + ",\n".join(told) + "\n}\n").encode("ascii")
    try:
        from_bytes(data, str(table.name))
    except FileError as error:
        raise UsageError(error.rule, error.place, error.problem, error.value, error.limit) from None
    return data


def save_table(table: Approximation, path: str | PathLike[str], replace: bool = True) -> None:
    """Write a named table to a file that appears complete or not at all (TABLE-1, RUN-5). Errors: UsageError,
    FileError.
    """
    write(to_bytes(table), path, "TABLE-1", replace)


def load_table(path: str | PathLike[str]) -> Approximation:
    """The table of a JSON file, or one that comes with fsref by its name, every key checked; a file goes first
    (TABLE-1, TABLE-2). Errors: FileError.
    """
    name = str(path_of(path, "load_table"))
    if name in come_along() and not Path(name).is_file():
        path = NAMED / f"{name}.json"
    elif not name.endswith(".json") and not Path(name).exists():
        raise FileError(
            "TABLE-2", name, "no file here, and no table that comes with fsref", None, nearest(name, come_along())
        )
    return from_bytes(read_whole(path, "TABLE-1", MAX_FILE, "a named table, JSON"), str(path))


def come_along() -> list[str]:
    """The names of the tables that come with fsref, in order (TABLE-2)."""
    return sorted(path.stem for path in NAMED.glob("*.json"))


def from_bytes(data: bytes, where: str) -> Approximation:
    """The named table that a file holds (TABLE-1). Errors: FileError."""
    if data[:2] == b"PK":
        raise FileError("TABLE-1", where, "is an archive, no named table", None, "of a network NET:POPULATION")
    try:
        plain = json.loads(data.decode("utf-8"), object_pairs_hook=unique)
    except (ValueError, RecursionError) as error:  # no JSON, too deep, an integer too long
        why = "no UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)
        raise FileError("TABLE-1", where, "is no JSON of a named table", why) from None
    if not isinstance(plain, dict) or plain.get("schema") != SCHEMA:
        told = plain.get("schema") if isinstance(plain, dict) else type(plain).__name__
        floats = isinstance(plain, dict) and "schema" not in plain and plain.keys() >= set("Thd")
        limit = f'"schema": "{SCHEMA}"' + ("; fsref table round makes integers of floats" if floats else "")
        raise FileError("TABLE-1", where, "is no named table", told, limit)
    return _Reader(plain, where).table()


def name_of(path: Path) -> str:
    """The name that a table has by the file it is written to. Errors: UsageError."""
    if not is_name(path.stem):
        raise UsageError("TABLE-1", str(path), "is no name of a table", path.stem, NAMES)
    return path.stem


def is_name(value: object) -> bool:
    """Whether a table or a function can be called this (TABLE-1)."""
    return isinstance(value, str) and 1 <= len(value) <= TEXT and value.isprintable()


def is_plain(value: object) -> bool:
    """Whether provenance can hold this (TABLE-1)."""
    return value is None or isinstance(value, str | int) or (isinstance(value, float) and isfinite(value))


class _Reader:
    """A named table as plain JSON values, key by key."""

    def __init__(self, plain: dict[str, Any], where: str) -> None:
        self.plain, self.where = plain, where

    def refused(self, key: str, problem: str, limit: str) -> FileError:
        return FileError("TABLE-1", f"{self.where}: {key}", problem, self.plain.get(key), limit)

    def table(self) -> Approximation:
        """The table. Errors: FileError."""
        known = ("schema", "name", "function", *"Thd", *REALS, "range", "outputs", "provenance")
        for key in (*known, *self.plain):
            if key not in self.plain or key not in known:
                problem = "is missing" if key in known else "unknown key"
                raise FileError("TABLE-1", f"{self.where}: {key}", problem, None, f"the keys {', '.join(known)}")
        low, high = self.interval()
        unit, scale, mse, max_error, spikes = (self.real(key) for key in REALS)
        if unit <= 0 or scale <= 0:
            raise self.refused("unit" if unit <= 0 else "scale", "is not above 0", "the real value of 1")
        outputs, provenance = self.plain["outputs"], self.plain["provenance"]
        if type(outputs) is not int or not 1 <= outputs <= 2**16:
            raise self.refused("outputs", "is no number of codes", "1..65536")
        if not isinstance(provenance, dict):
            raise self.refused("provenance", "is no object", PLAIN)
        for key, value in provenance.items():
            if not is_plain(value):
                raise FileError("TABLE-1", f"{self.where}: provenance: {key}", "is no plain value", value, PLAIN)
        return Approximation(
            self.text("name"),
            self.text("function"),
            self.rows(),
            unit,
            scale,
            low,
            high,
            mse,
            max_error,
            spikes,
            outputs,
            MappingProxyType(provenance),
        )

    def text(self, key: str) -> str:
        """A name. Errors: FileError."""
        value = self.plain[key]
        if not is_name(value):
            raise self.refused(key, "is no name", NAMES)
        return str(value)

    def real(self, key: str) -> float:
        """A real number that is not below 0. Errors: FileError."""
        value = self.plain[key]
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e300:
            raise self.refused(key, "is no real number", "0 or more, finite")
        return float(value)

    def interval(self) -> tuple[int, int]:
        """Its ends. Errors: FileError."""
        value = integers(self.plain["range"])
        if value is None or value.shape != (2,) or not -(2**57) <= value[0] <= value[1] <= 2**57:
            raise self.refused("range", "is no interval of membranes", "two integers of at most 2^57, the lower first")
        return int(value[0]), int(value[1])

    def rows(self) -> Table:
        """T, h and d. Errors: FileError."""
        arrays: dict[str, Ints] = {}
        for key in "Thd":
            values = integers(self.plain[key])
            if values is None or values.ndim != 1:
                raise self.refused(key, "is no list of integers", "one for each step")
            arrays[key] = values
        try:
            return Table(**arrays)
        except FsrefError as error:
            raise FileError(
                error.rule, f"{self.where}: {error.place}", error.problem, error.value, error.limit
            ) from None
