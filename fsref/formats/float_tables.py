"""Float tables as files: JSON with T, h and d, a number for each step (FLOAT-1)."""

from __future__ import annotations

import json
from os import PathLike
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from fsref.errors import FileError
from fsref.formats.container import unique
from fsref.formats.reading import read_whole
from fsref.formats.tables import MAX_FILE

KEYS = ("T", "h", "d")
Row: TypeAlias = NDArray[np.float64]


def load_float_table(path: str | PathLike[str]) -> tuple[Row, Row, Row]:
    """T, h and d of a JSON file of at most 64 KiB, which has these keys alone, each a list of numbers. Errors:
    FileError.
    """
    where, limit = str(path), 'JSON as in {"T": [1.0, 0.5], "h": [1.0, 0.5], "d": [1.0, 0.5]}'
    try:
        plain = json.loads(read_whole(path, "FLOAT-1", MAX_FILE, "a float table, JSON"), object_pairs_hook=unique)
    except (ValueError, RecursionError) as error:  # no UTF-8, no JSON, too deep, an integer too long
        raise FileError("FLOAT-1", where, "is no JSON of a float table", str(error), limit) from None
    if not isinstance(plain, dict) or set(plain) != set(KEYS):
        given = ", ".join(sorted(plain)) if isinstance(plain, dict) else type(plain).__name__
        raise FileError("FLOAT-1", where, "does not have the keys T, h and d alone", given, limit)
    return _row(plain, "T", where), _row(plain, "h", where), _row(plain, "d", where)


def _row(plain: dict[str, object], key: str, where: str) -> Row:
    """The numbers of a key. Errors: FileError."""
    row = plain[key]
    if not isinstance(row, list) or any(isinstance(x, bool) or not isinstance(x, int | float) for x in row):
        raise FileError("FLOAT-1", f"{where}: {key}", "is no list of numbers", row, "one for each step")
    if any(abs(x) >= 1e300 for x in row):
        raise FileError("FLOAT-1", f"{where}: {key}", "has a number beyond all floats", row, "finite numbers")
    return np.array(row, np.float64)
