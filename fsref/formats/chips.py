"""A chip's limits, from where they are kept: a JSON file, or a mapping of its keys (CHIP-1)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from os import PathLike
from typing import Any

from fsref.errors import FileError, UsageError
from fsref.formats.container import unique
from fsref.formats.reading import read_whole
from fsref.limits.chip import Limits, from_dict

MAX_FILE = 2**16  # bytes


def chip_of(given: Limits | Mapping[str, Any] | str | PathLike[str]) -> Limits:
    """The limits of a chip: as they are, of a mapping, or of the JSON file at a path. Errors: UsageError, FileError."""
    if isinstance(given, Limits):
        return given
    if not isinstance(given, str | PathLike):
        return from_dict(given)
    data = read_whole(given, "CHIP-1", MAX_FILE, "a chip's limits, JSON")
    try:
        plain = json.loads(data.decode("utf-8"), object_pairs_hook=unique, parse_constant=no_number)
        return from_dict(plain, str(given))
    except (ValueError, RecursionError) as error:  # no UTF-8, no JSON, too deep, an integer too long
        raise FileError("CHIP-1", str(given), "is no JSON of a chip's limits", str(error)) from None
    except UsageError as error:
        place = error.place if error.place == str(given) else f"{given} {error.place.removeprefix('limits ')}"
        raise FileError(error.rule, place, error.problem, error.value, error.limit) from None


def no_number(word: str) -> float:
    """Nothing: NaN and Infinity are no JSON. Errors: ValueError."""
    raise ValueError(f"{word} is no number")
