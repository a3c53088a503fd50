"""Where the machine code of kernels is kept: as Numba does, but checked, so that a damaged file is compiled anew."""

from __future__ import annotations

import os
import pickle
import tempfile
import warnings
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from numba.core.caching import CompileResultCacheImpl, FunctionCache, IndexDataCacheFile, InTreeCacheLocator
from numba.core.serialize import dumps

INLINED = (
    "vectors.py",
    "registers.py",
    "lowered.py",
    "rows.py",
    "processors.py",
)  # what kernels are made of beside their own file


@cache
def inlined_stamp(name: str) -> str:
    """The content of a file of this folder, as a digest."""
    return sha256(Path(__file__).with_name(name).read_bytes()).hexdigest()


@cache
def own_folder() -> Path | None:
    """A folder below the temporary one that no other user can write or has made, for what is unpickled must be one's
    own; None where that cannot be had.
    """
    try:
        above = Path(tempfile.gettempdir())
        folder = above / f"fsref-{os.getuid()}"
        folder.mkdir(mode=0o700, exist_ok=True)
        found, around = folder.lstat(), above.stat()
    except (OSError, AttributeError):  # Windows has no getuid; there the user's cache can be written
        return None
    shared = around.st_mode & 0o022 and not around.st_mode & 0o1000  # others could put a folder of theirs in its place
    if shared or folder.is_symlink() or not folder.is_dir() or found.st_uid != os.getuid() or found.st_mode & 0o077:
        return None
    tell(f"in {folder}")
    return folder


@cache
def tell(where: str) -> None:
    """Warn, once, that kernels are not kept where Numba keeps them."""
    line = f"no folder for compiled kernels can be written; they are kept {where} (NUMBA_CACHE_DIR=DIR names a folder)"
    warnings.warn(line, RuntimeWarning, stacklevel=2)


class OwnFolder(InTreeCacheLocator):
    """The place of last resort: below the temporary folder."""

    def get_cache_path(self) -> str:
        return os.path.join(str(own_folder()), self.get_suitable_cache_subpath(self._py_file))

    @classmethod
    def from_function(cls, py_func: Callable[..., Any], py_file: str) -> Any:
        return None if own_folder() is None else super().from_function(py_func, py_file)


class Checked(CompileResultCacheImpl):
    """Machine code with its digest: what a disk or a full one made of it is not run."""

    _locator_classes = [*CompileResultCacheImpl._locator_classes, OwnFolder]

    def reduce(self, cres: Any) -> tuple[bytes, bytes]:
        kept = dumps(super().reduce(cres))
        return sha256(kept).digest(), kept

    def rebuild(self, target_context: Any, payload: tuple[bytes, bytes]) -> Any:
        digest, kept = payload
        if sha256(kept).digest() != digest:
            raise ValueError("damaged")
        return super().rebuild(target_context, pickle.loads(kept))


class KernelStore(FunctionCache):
    """The cache of one kernel: a file that cannot be read is compiled anew, one that cannot be written is not kept."""

    _impl_class = Checked

    def __init__(self, py_func: Callable[..., Any]) -> None:
        super().__init__(py_func)
        stamp = self._impl.locator.get_source_stamp(), *(inlined_stamp(name) for name in INLINED)
        self._cache_file = IndexDataCacheFile(self._cache_path, self._impl.filename_base, stamp)

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        try:
            return super().load_overload(sig, target_context)
        except Exception:  # whatever unpickling a damaged file raises
            with suppress(OSError):
                self.flush()
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        with suppress(OSError):
            super().save_overload(sig, data)


def enable(made: Any) -> None:
    """Nothing; then the machine code of a function of Numba's is kept."""
    try:
        made._cache = KernelStore(made.py_func)
    except RuntimeError:  # Numba's word for no place at all
        tell("in no place, and compiled anew by every process")
