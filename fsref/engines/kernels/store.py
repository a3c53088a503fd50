"""Where machine code is kept, and whether what is found there may be run.

A file holds a digest of all behind it, a stamp, and the machine code of one kernel for arguments of some kinds. What a
disk made of it is not run, nor what is stamped with another content of the kernel's file, of what compiles it, or with
another Python, Numba or LLVM: both are compiled anew, and replaced. What is made for another processor, or under other
settings of Numba, has another name. Files stand in NUMBA_CACHE_DIR, else beside the kernel's file, else in the user's
cache, else in a folder of this user's own below the system's temporary one, which a warning names; or nowhere, which
one tells.
"""

from __future__ import annotations

import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from hashlib import sha1, sha256
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Any

from fsref.engines.kernels.blocks import Kinds
from fsref.engines.kernels.linking import Code, Entry, processor

# What every kernel is made of beside its own file.
INLINED = ("vectors.py", "registers.py", "lowered.py", "rows.py", "processors.py")
COMPILING = ("compiling.py", "blocks.py", "linking.py", "store.py")
SUFFIX = ".kernel"
DIGEST = 32  # bytes
LOG = logging.getLogger("fsref")


def entry_of(function: Callable[..., Any], kinds: Kinds) -> Entry:
    """A kernel for arguments of some kinds: as it is kept, else compiled, and then kept where that can be."""
    path = Path(function.__code__.co_filename)
    name, stamp = name_of(function, kinds), stamp_of(function)
    for folder in folders(path) if stamp else ():
        found = read(folder / name, stamp)
        if found is not None:
            return Entry(found, kinds, kept=True)
    LOG.info("kernels are compiled for this processor, once: that takes some seconds")
    from fsref.engines.kernels.compiling import compiled

    code, by_itself = compiled(function, kinds)
    if by_itself and stamp:
        keep(code, path, name, stamp)
    return Entry(code, kinds, kept=False)


@cache
def version(package: str) -> str:
    """The version of an installed package, which is not imported."""
    return version_of(package)


def stamp_of(function: Callable[..., Any]) -> bytes:
    """What a kernel is made of, as a digest: itself, and what is beside it; b"" where it does not come out of a file
    that was imported, as where it was typed in, or made by a program.
    """
    code, spec = function.__code__, getattr(sys.modules.get(function.__module__), "__spec__", None)
    if spec is None or spec.origin != code.co_filename:
        return b""
    own = repr((code.co_code, code.co_consts, code.co_names))
    return sha256(made_of(Path(code.co_filename)) + own.encode()).digest()


@cache
def made_of(path: Path) -> bytes:
    """The content of a kernel's file, of what compiles it, and the versions of programs, as a digest."""
    own = Path(__file__)
    told = [sys.version, *(f"{package} {version(package)}" for package in ("numba", "llvmlite"))]
    files = [file.read_bytes() for file in (path, *(own.with_name(name) for name in (*INLINED, *COMPILING)))]
    return sha256(b"".join(sha256(part).digest() for part in (*files, *map(str.encode, told)))).digest()


def name_of(function: Callable[..., Any], kinds: Kinds) -> str:
    """The name of the file of a kernel for arguments of some kinds, compiled for this processor as Numba is told to."""
    variant = [cell.cell_contents for cell in function.__closure__ or ()]
    settings = {key: told for key, told in os.environ.items() if key.startswith("NUMBA_") and key != "NUMBA_CACHE_DIR"}
    told = function.__qualname__, variant, kinds, *processor(), sorted(settings.items())
    stem = Path(function.__code__.co_filename).stem
    return f"{stem}.{function.__name__}-{sha256(repr(told).encode()).hexdigest()[:DIGEST]}{SUFFIX}"


def folders(path: Path, made: bool = False) -> Iterator[Path]:
    """Where the kernels of a file may be kept, the best first; the last one `made` where it has to be."""
    own = f"{path.parent.name}_{sha1(str(path.parent.absolute()).encode()).hexdigest()}"
    if os.environ.get("NUMBA_CACHE_DIR"):
        yield Path(os.environ["NUMBA_CACHE_DIR"]) / own
    yield path.parent / "__pycache__"
    with suppress(RuntimeError):  # where there is no home
        yield users_cache() / "fsref" / own
    below = own_folder(made)
    if below is not None:
        yield below / own


def users_cache() -> Path:
    """Where programs of this user keep what can be made anew. Errors: RuntimeError where there is no home."""
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home())
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


def own_folder(made: bool = False) -> Path | None:
    """A folder below the temporary one, `made` where it has to be, that no other user can write or has made, for what
    is run must be one's own; None where that cannot be had.
    """
    try:
        above = Path(tempfile.gettempdir())
        folder = above / f"fsref-{os.getuid()}"
        if made:
            folder.mkdir(mode=0o700, exist_ok=True)
        found, around = folder.lstat(), above.stat()
    except (OSError, AttributeError):  # Windows has no getuid; there the user's cache can be written
        return None
    shared = around.st_mode & 0o022 and not around.st_mode & 0o1000  # others could put a folder of theirs in its place
    if shared or folder.is_symlink() or not folder.is_dir() or found.st_uid != os.getuid() or found.st_mode & 0o077:
        return None
    return folder


def read(file: Path, stamp: bytes) -> Code | None:
    """What a file keeps, when it is whole and has this stamp."""
    try:
        data = file.read_bytes()
    except OSError:
        return None
    digest, found, result = data[:DIGEST], data[DIGEST : 2 * DIGEST], data[2 * DIGEST : 2 * DIGEST + 1]
    if digest != sha256(data[DIGEST:]).digest() or found != stamp:
        return None
    return Code(result.decode(), data[2 * DIGEST + 1 :])


def keep(code: Code, path: Path, name: str, stamp: bytes) -> None:
    """Nothing; then the machine code of a kernel stands in the first folder that can be written, whole or not at all;
    what is no room for is not kept.
    """
    for folder in folders(path, made=True):
        temporary = folder / f"{name}.{os.urandom(4).hex()}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            file = temporary.open("xb")
        except OSError:
            continue
        if folder.parent == own_folder():
            tell(f"in {folder.parent}")
        behind = stamp + code.result.encode() + code.file
        with suppress(OSError):
            with file:
                file.write(sha256(behind).digest() + behind)
            os.replace(temporary, folder / name)
            return
        with suppress(OSError):
            temporary.unlink()
        return
    tell("in no place, and compiled anew by every process")


@cache
def tell(where: str) -> None:
    """Warn, once, that kernels are not kept where they should be."""
    line = f"no folder for compiled kernels can be written; they are kept {where} (NUMBA_CACHE_DIR=DIR names a folder)"
    warnings.warn(line, RuntimeWarning, stacklevel=2)
