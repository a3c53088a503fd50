"""Packs for limits, kept: what this fsref made once it reads again (VECTOR-3).

They stand in the user's cache, each by a digest of what it was made of: all of fsref's own sources, the limits, and
what was asked. They are read as any pack is (VECTOR-2); one that is no whole pack is made anew, and replaced.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import cache
from hashlib import sha256
from pathlib import Path

from fsref.engines.kernels.store import users_cache
from fsref.errors import FileError
from fsref.limits.chip import Limits
from fsref.vectors.making import make
from fsref.vectors.pack import Pack, canonical, write
from fsref.vectors.reader import read

MOST = 32  # packs kept; of more those go that were not used for longest
LOG = logging.getLogger("fsref")


def pack_for(name: str, chip: Limits, level: int, scopes: Sequence[str]) -> Pack:
    """The pack for limits that `make` makes, read where it is kept. Errors: UsageError."""
    file = place(name, chip, level, scopes)
    if file is not None:
        with suppress(FileError, OSError):
            pack = read(file)
            os.utime(file)
            return pack
    LOG.info("cases are made for these limits, once: that takes up to a minute")
    pack = make(name, None, chip, level, scopes)
    if file is not None:
        with suppress(FileError, OSError):
            file.parent.mkdir(parents=True, exist_ok=True)
            write(pack, file)
            for old in sorted(_packs(file.parent))[:-MOST]:
                old[1].unlink(missing_ok=True)
    return pack


def place(name: str, chip: Limits, level: int, scopes: Sequence[str]) -> Path | None:
    """Where a pack is kept; None where there is no home, or no source to tell one fsref from another."""
    made_of = sources()
    told = canonical({"pack": name, "limits": chip.to_dict(), "level": level, "scopes": list(scopes)})
    with suppress(RuntimeError):
        digest = sha256(made_of + told.encode("ascii")).hexdigest()
        return users_cache() / "fsref" / "packs" / f"{digest}.jsonl" if made_of else None
    return None


@cache
def sources() -> bytes:
    """A digest of the sources of fsref; b"" where these are no files."""
    folder = Path(__file__).parents[1]
    files = sorted(folder.rglob("*.py"))
    told = (str(file.relative_to(folder)).encode() + b"\n" + file.read_bytes() for file in files)
    return sha256(b"".join(sha256(each).digest() for each in told)).digest() if files else b""


def _packs(folder: Path) -> Iterator[tuple[float, Path]]:
    """Packs, and when each was used last."""
    for file in folder.glob("*.jsonl"):
        with suppress(OSError):  # another process took it away
            yield file.stat().st_mtime, file
