"""The command of a device, and the process that it starts."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from errno import EACCES, ENOEXEC

from fsref.errors import UsageError

SHELL = frozenset("|&;<>`$*~")  # characters that a shell would act on
BUILT_IN = ("cd", "export", "source", ".", "set", "ulimit")  # words of a shell, no programs
IN_A_SHELL = "no shell reads a command: sh -c '...' starts one"


def command_of(given: str | Sequence[str]) -> list[str]:
    """The words of a command; a text is split as a shell would, and none is used. Errors: UsageError."""
    try:
        words = shlex.split(given) if isinstance(given, str) else [os.fspath(word) for word in given]
    except (ValueError, TypeError) as error:
        raise UsageError("CONFORM-6", "device", "is no command", given, str(error)) from None
    if not words or not words[0]:
        raise UsageError("CONFORM-6", "device", "the command is empty")
    return words


def started(command: Sequence[str], stdin: int, stdout: int, stderr: int) -> subprocess.Popen[bytes]:
    """A process of its own group. Errors: UsageError where it cannot be started."""
    try:
        return subprocess.Popen(
            list(command), bufsize=0, start_new_session=True, stdin=stdin, stdout=stdout, stderr=stderr
        )
    except (OSError, ValueError) as error:
        told = getattr(error, "strerror", None) or str(error)
        limit = _would_do(command, getattr(error, "errno", None))
        raise UsageError("CONFORM-6", "device", f"cannot be started: {told}", command[0], limit) from None


def wants_a_shell(command: Sequence[str]) -> bool:
    """Whether a command looks as if a shell was to read it."""
    first = command[0]
    return first in BUILT_IN or "=" in first or any(SHELL & set(word) for word in command)


def _would_do(command: Sequence[str], number: int | None) -> str:
    """What would make a command one that can be started."""
    name = command[0]
    if os.path.isdir(name):
        return "it is a folder"
    if number == ENOEXEC:
        return "a script names its program in its first line, #!/bin/sh, or the command does: sh device.sh"
    if number == EACCES:
        return f"it may not be executed: chmod +x {name}, or name the program that reads it"
    if os.path.dirname(name) == "" and os.path.isfile(name):
        return f"it lies here: ./{name}"
    if wants_a_shell(command):
        return IN_A_SHELL
    if " " in name and shutil.which(name.split()[0]):
        return "a program and its words in one pair of quotes, not two"
    if os.path.isfile(name):
        return "its first line names a program that is not there"
    return "is it built, and is this the folder?" if os.path.dirname(name) else "is it installed, and on the PATH?"
