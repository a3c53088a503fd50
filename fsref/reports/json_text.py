"""JSON in parts, so that a long list is never in memory as a whole: what `--json` prints."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

import numpy as np

PART = 2_000  # values of an array at once
TEXT = json.JSONEncoder(sort_keys=True, allow_nan=False).encode


def json_parts(value: object) -> Iterator[str]:
    """The text of a JSON value, keys in order, in parts. In objects and iterators an iterator stands for an array of
    what it gives, and an array of NumPy (integers, of any number of axes) for itself.
    """
    match value:
        case dict():
            keyed = ((f"{TEXT(key)}: ", value[key]) for key in sorted(value))
            yield from _enclosed("{", keyed, "}")
        case np.ndarray() if value.ndim == 1:
            yield "["
            for first in range(0, len(value), PART):
                yield (", " if first else "") + TEXT(value[first : first + PART].tolist())[1:-1]
            yield "]"
        case np.ndarray() | Iterator():
            yield from _enclosed("[", (("", item) for item in value), "]")
        case _:
            yield TEXT(value)


def _enclosed(begin: str, items: Iterable[tuple[str, object]], end: str) -> Iterator[str]:
    """The text of items, each behind what goes before it, between two brackets."""
    yield begin
    for number, (before, item) in enumerate(items):
        yield f", {before}" if number else before
        yield from json_parts(item)
    yield end
