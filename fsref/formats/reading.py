"""Files to read: regular ones alone, of a size known before anything is read, so that no device, pipe or folder is
waited for (FILE-1).
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike
from typing import BinaryIO

from fsref.errors import FileError


def check_there(path: str | PathLike[str], rule: str) -> None:
    """Nothing, when a file or folder lies under this name. Errors: FileError naming `rule`."""
    try:
        os.stat(path)
    except (OSError, ValueError) as error:  # the latter for what is no path at all
        raise FileError(rule, str(path), "cannot be read", getattr(error, "strerror", None) or str(error)) from None


@contextmanager
def opened(path: str | PathLike[str], rule: str, most: int, wanted: str) -> Iterator[tuple[BinaryIO, int]]:
    """A regular file of at most `most` bytes, open, and its size; `wanted` says what file it should be.

    Errors: FileError naming `rule`, for what cannot be read later, too.
    """
    where = str(path)
    try:
        found = os.stat(path)
        if stat.S_ISDIR(found.st_mode):
            raise FileError(rule, where, "is a folder", None, f"wanted: {wanted}")
        if not stat.S_ISREG(found.st_mode):
            raise FileError(rule, where, "is a device or pipe", None, f"wanted: {wanted} on disk")
        if found.st_size > most:
            raise FileError(rule, where, "file is too large", found.st_size, f"at most {most} bytes")
        file = open(path, "rb")
    except (OSError, ValueError) as error:  # the latter for what is no path at all
        raise FileError(rule, where, "cannot be read", getattr(error, "strerror", None) or str(error)) from None
    try:
        with file:
            yield file, found.st_size
    except OSError as error:
        raise FileError(rule, where, "cannot be read", error.strerror or str(error)) from None


def read_whole(path: str | PathLike[str], rule: str, most: int, wanted: str) -> bytes:
    """The bytes of a regular file of at most `most`. Errors: FileError naming `rule`."""
    with opened(path, rule, most, wanted) as (file, size):
        return file.read(size)
