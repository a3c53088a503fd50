"""Standard input, output and error as the command line finds them: closed, full, or with nobody at the other end."""

from __future__ import annotations

import os
import sys
from contextlib import suppress


def standing() -> None:
    """Nothing; then the three standard streams are open, those that were closed to where nothing arrives, so that no
    file of the command takes their numbers, and what they cannot encode is escaped.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free: this one
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115 - stands as long as the process
        elif hasattr(stream := getattr(sys, name), "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def said(line: str = "", err: bool = False) -> None:
    """Print a line while there is work to be done: where nobody reads any further the work goes on, without a word."""
    stream = sys.stderr if err else sys.stdout
    try:
        print(line, file=stream, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def reported(line: str, code: int) -> int:
    """`code`, after one line on standard error, if that still takes one."""
    with suppress(OSError):
        print(f"fsref: error: {line}", file=sys.stderr, flush=True)
    return code


def drained() -> None:
    """Nothing; then all is written out, or dropped without a word: every verb flushes what it prints, so that of what
    is left now a line was said already, or nobody reads any further, which is no error.
    """
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
