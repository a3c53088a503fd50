"""Files and folders that appear complete or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from os import PathLike
from pathlib import Path

from fsref.errors import FileError, UsageError


def path_of(path: object, function: str) -> Path:
    """A path as it was given to a function. Errors: UsageError for what is none."""
    if not isinstance(path, str | PathLike):
        raise UsageError("RUN-2", function, "not a path", type(path).__name__, "text or a pathlib.Path")
    return Path(path)


def holds_no_file(path: Path) -> bool:
    """Whether something stands here that is no file, such as a folder, or a device that a rename would replace."""
    return path.exists() and not path.is_file()


def write(data: bytes, path: str | PathLike[str], rule: str) -> None:
    """Write `data` to a file that appears under its name complete or not at all. Errors: FileError naming `rule`."""
    target = Path(path)
    try:
        if holds_no_file(target):
            raise FileError(rule, str(path), "is not a file", None, "the name of a file, new or to be replaced")
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


def check_folder(path: Path, rule: str, what: str) -> None:
    """Nothing, when a new folder for `what` may be made here. Errors: UsageError naming `rule`."""
    if path.exists():
        raise UsageError(rule, str(path), f"the {what} would overwrite what is there", None, "the name of a new folder")
    if not path.parent.is_dir():
        raise UsageError(rule, str(path.parent), "no such folder")


class NewFolder:
    """A folder in the making: while the block runs it is `making`, after it `path`, unless the block failed.

    Errors: UsageError and FileError naming `rule`.
    """

    def __init__(self, path: Path, rule: str, what: str) -> None:
        self.path, self.rule = path, rule
        check_folder(path, rule, what)

    def __enter__(self) -> Path:
        try:
            self.making = Path(tempfile.mkdtemp(prefix=f".{self.path.name}.", dir=self.path.parent))
        except OSError as error:
            raise self._failed(error) from None
        return self.making

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        try:
            if kind is None:
                self.making.chmod(0o755)
                self.making.rename(self.path)
        except OSError as late:
            kind = late
            raise self._failed(late) from None
        finally:
            if kind is not None:
                shutil.rmtree(self.making, ignore_errors=True)
        if isinstance(error, OSError):
            raise self._failed(error) from None

    def _failed(self, error: OSError) -> FileError:
        return FileError(self.rule, str(self.path), "cannot be written", error.strerror or str(error))
