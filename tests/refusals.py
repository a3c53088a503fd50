"""What a refusal is: one error, of one class, on one line that says its rule, its place and what is wrong."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from fsref.errors import FsrefError, shown

ANY: Any = object()
LONGEST = 9000  # characters of an error


def check_line(error: FsrefError) -> None:
    """An error is one line that names its rule and its place, of bounded length, without anything a terminal obeys."""
    line = str(error)
    assert line.isprintable() and len(line) < LONGEST, line
    assert line.endswith(f"[{error.rule}]")
    assert shown(" ".join(error.place.split())) in line


@contextmanager
def refused(
    kind: type[FsrefError], rule: str = ANY, place: str = ANY, value: Any = ANY, *, says: str | tuple[str, ...] = ()
) -> Iterator[pytest.ExceptionInfo[FsrefError]]:
    """The block raises exactly this error: its class, rule, place and value, on one line, which has what it `says`."""
    with pytest.raises(FsrefError) as caught:
        yield caught
    error = caught.value
    assert type(error) is kind, repr(error)
    assert rule is ANY or error.rule == rule, repr(error)
    assert place is ANY or error.place == place, repr(error)
    assert value is ANY or error.value == value, repr(error)
    for words in (says,) if isinstance(says, str) else says:
        assert words in str(error), repr(error)
    check_line(error)


def error_of(err: str) -> str:
    """What stands on standard error, without the note that follows an error that names a rule of the pages."""
    error, newline, note = err.partition("\n")
    if note and (named := re.search(r"\[([A-Z]+-\d+)\]$", error)):
        assert note == f"fsref: note: fsref rule {named[1]} prints this rule\n"
        return error + newline
    return err
