"""Files that appear complete or not at all."""

from __future__ import annotations

import os
import tempfile
from os import PathLike
from pathlib import Path

from fsref.errors import FileError


def write(data: bytes, path: str | PathLike[str], rule: str) -> None:
    """Write `data` to a file that appears under its name complete or not at all. Errors: FileError naming `rule`."""
    target = Path(path)
    try:
        handle, making = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(making, 0o644)
            os.replace(making, target)
        except BaseException:
            os.unlink(making)
            raise
    except OSError as error:
        raise FileError(rule, str(path), "cannot be written", error.strerror or str(error)) from None
    except ValueError as error:  # no path at all
        raise FileError(rule, str(path), "cannot be written", str(error)) from None
