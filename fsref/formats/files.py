"""The one writer of files and the one of folders: what they make appears complete or not at all (RUN-5)."""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from itertools import count
from os import PathLike
from pathlib import Path
from stat import S_IMODE
from typing import BinaryIO, TypeAlias

from fsref.errors import FileError, UsageError

try:
    import fcntl
except ImportError:  # a system without locks cannot tell whether a run lives
    fcntl = None  # type: ignore[assignment]

HIDDEN = re.compile(r"\..*\.fsref-[0-9a-f]{16}", re.DOTALL)
TAKEN = (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR, errno.EISDIR)
UNABLE = (errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS)
ZEROS = bytes(2**20)
Ours: TypeAlias = Callable[[Path, set[str]], bool]  # of a folder and the names of its files


class LeftOver(UserWarning):
    """A run that died left a file or folder."""


def path_of(path: object, function: str) -> Path:
    """A path as it was given to a function. Errors: UsageError for what is none."""
    if not isinstance(path, str | PathLike):
        raise UsageError("RUN-2", function, "not a path", type(path).__name__, "text or a pathlib.Path")
    return Path(path)


def is_replaceable(folder: Path, ours: Ours) -> bool:
    """Whether this is a folder that holds nothing, or nothing but files that are `ours`."""
    try:
        with os.scandir(folder) as entries:
            found = {entry.name: entry.is_dir(follow_symlinks=False) for entry in entries}
    except (OSError, ValueError):
        return False
    return not found or (not any(found.values()) and ours(folder, set(found)))


def check_target(
    path: str | PathLike[str],
    replace: bool,
    ours: Ours | None = None,
    option: str = "",
    what: str = "file",
) -> None:
    """Nothing, when a file, or with `ours` a folder of `what`, can be made here, and replaced what may be (RUN-5).

    `option` of the command line named the path. Errors: UsageError.
    """
    target, asking = Path(path), "--force" if option else "replace=True"

    def refused(problem: str, limit: str, told: Path = target) -> UsageError:
        return UsageError("RUN-5", option or str(told), problem, str(told) if option else None, limit)

    if not os.path.isdir(target.parent):
        raise refused("there is no such folder", "make it first", target.parent)
    if not os.path.exists(target):
        if os.path.islink(target):
            raise refused("is a link to nothing", "the name of a file or folder")
        if not os.access(target.parent, os.W_OK | os.X_OK):
            raise refused("may not be written", "another folder, or other permissions", target.parent)
    elif ours is None and not os.path.isfile(target):
        raise refused("is not a file", "the name of a file, new or to be replaced")
    elif not replace:
        raise refused("is there already", f"another name, or {asking}, which replaces it")
    elif ours is not None and not is_replaceable(target, ours):
        raise refused("holds something else", f"{asking} replaces {what} alone, and empty folders")
    elif ours is None and not os.access(target, os.W_OK):
        raise refused("may not be written", "another name, or other permissions")


def write(data: bytes, path: str | PathLike[str], rule: str, replace: bool = True) -> None:
    """Write `data` to a file that appears under its name complete or not at all (RUN-5).

    Without `replace` what is there by now stays, and the data lie beside it. Errors: UsageError for what cannot be
    replaced, FileError, which names `rule` where the system refuses.
    """
    asked = path_of(path, "save")
    if replace:
        check_target(asked, True)
    try:
        target = Path(os.path.realpath(asked)) if replace else asked
        name_left_over(target.parent)
        with hidden(target) as making:
            making.touch(exist_ok=False)
            with held(making):
                if replace and target.exists():
                    making.chmod(S_IMODE(target.stat().st_mode) & 0o777)
                with making.open("wb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                land(making, target, os.replace if replace else name_anew)
    except (OSError, ValueError) as error:  # ValueError: no path at all
        raise unwritten(error, rule, path) from None


class NewFolder:
    """A folder in the making: while the block runs it is `making`, after it `path`, unless the block failed (RUN-5).

    With `replace` it takes the place of a folder whose files are `ours`. Errors: UsageError for what cannot be
    replaced, FileError, which names `rule` where the system refuses.
    """

    def __init__(self, path: Path, rule: str, what: str, ours: Ours, replace: bool = False) -> None:
        check_target(path, replace, ours, what=what)
        self.path, self.rule, self.ours, self.replace = path, rule, ours, replace
        self.target = Path(os.path.realpath(path))
        self.stack = ExitStack()

    def __enter__(self) -> NewFolder:
        try:
            with self._told():
                name_left_over(self.target.parent)
                self.making = self.stack.enter_context(hidden(self.target))
                self.making.mkdir()
                self.stack.enter_context(held(self.making))
        except BaseException:
            self.stack.close()
            raise
        return self

    def add(self, name: str, data: bytes, size: int = 0) -> None:
        """Write a file of the folder, and behind the data as many zeros as make `size` bytes, whose space is then
        taken. Errors: FileError.
        """
        with self._told(), (self.making / name).open("xb") as file:
            file.write(data)
            file.flush()
            reserve(file, len(data), size)

    def put(self, name: str, at: int, data: memoryview) -> None:
        """Write at a place of a file of the folder. Errors: FileError."""
        with self._told(), (self.making / name).open("r+b") as file:
            file.seek(at)
            file.write(data)

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        try:
            if kind is None:
                with self._told():
                    self._land()
        finally:
            self.stack.close()

    def _land(self) -> None:
        """Move the folder to its name, once it stands on the disk."""
        for path in self.making.iterdir():
            with path.open("r+b") as file:
                os.fsync(file.fileno())
        with hidden(self.target) as before:
            try:
                if self.replace and is_replaceable(self.target, self.ours):
                    self.making.chmod(S_IMODE(self.target.stat().st_mode) & 0o777)
                    self.target.rename(before)
                land(self.making, self.target, os.rename)
            except BaseException:
                if before.exists() and self.making.exists():  # else the new one has the name
                    with suppress(FileError):
                        land(before, self.target, os.rename)
                raise

    @contextmanager
    def _told(self) -> Iterator[None]:
        """What the system refuses in this block is a FileError."""
        try:
            yield
        except OSError as error:
            raise unwritten(error, self.rule, self.path) from None


@contextmanager
def hidden(target: Path) -> Iterator[Path]:
    """A new hidden name beside a target, under which nothing is left after the block."""
    path = target.with_name(f".{target.name[:40]}.fsref-{secrets.token_hex(8)}")
    try:
        yield path
    finally:
        try:
            remove(path)
        finally:  # once more where a signal came between
            remove(path)


@contextmanager
def held(path: Path) -> Iterator[None]:
    """While the block runs, a hidden file or folder is known as that of a run that lives."""
    handle = -1 if fcntl is None else os.open(path, os.O_RDONLY)
    try:
        if handle >= 0:
            with suppress(OSError):  # some network file systems have no locks
                fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        if handle >= 0:
            os.close(handle)


def name_left_over(folder: Path) -> None:
    """Warn of each hidden file and folder that a run which died left in this folder (LeftOver)."""
    if fcntl is None:
        return
    names: list[str] = []
    with suppress(OSError):  # a folder that may be written but not read
        names = sorted(name for name in os.listdir(folder) if HIDDEN.fullmatch(name))
    for path in (folder / name for name in names):
        with suppress(OSError):  # held: its run lives; or it is gone
            handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                # One that is being made is empty until it is held, and one that was made has its name no more.
                filled = bool(os.listdir(path)) if path.is_dir() else path.stat().st_size > 0
            finally:
                os.close(handle)
            if filled:
                warnings.warn(f"{path} is left of a run that died: delete it", LeftOver, stacklevel=4)


def reserve(file: BinaryIO, written: int, size: int) -> None:
    """Take the space of `size` bytes for a file that holds `written`, so that a full disk is told before the work."""
    if size <= written:
        return
    try:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, size)
            return
    except OSError as error:
        if error.errno not in UNABLE:
            raise
    for at in range(written, size, len(ZEROS)):
        file.write(ZEROS[: size - at])


def name_anew(making: Path, target: Path) -> None:
    """Give a file a name that nothing has, its hidden one beside it. Errors: FileExistsError, OSError."""
    try:
        os.link(making, target)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        if os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target)) from None
        os.rename(making, target)


def land(making: Path, target: Path, move: Callable[[Path, Path], None]) -> None:
    """Move what is whole to its name, or beside it where something has that name by now. Errors: FileError that says
    where it lies, OSError.
    """
    for number in count():
        place = target.with_name(f"{target.name}.{number}") if number else target
        try:
            move(making, place)
            break
        except OSError as error:
            if error.errno not in TAKEN or not os.path.lexists(place):
                raise
    if number:
        problem = "something else appeared here meanwhile and stays"
        raise FileError("RUN-5", str(target), problem, None, f"what was made is whole, in {place}")


def remove(path: Path) -> None:
    """Remove a hidden file or folder, if it is there."""
    with suppress(OSError):
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def unwritten(error: OSError | ValueError, rule: str, path: str | PathLike[str]) -> FileError:
    """What the system said when something could not be written."""
    return FileError(rule, str(path), "cannot be written", getattr(error, "strerror", None) or str(error))
