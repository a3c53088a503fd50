"""What a source of images may be, and data sets in the files that their makers publish: which of them are read, and
what to do about others (RUN-4).
"""

from __future__ import annotations

import re
from pathlib import Path

SOURCES = "digits, an image, a folder, FILE.npz, cifar10:DIR, cifar10-train:DIR or drawn:N[:SEED]"
FILES = {"cifar10": ("test_batch.bin",), "cifar10-train": tuple(f"data_batch_{k}.bin" for k in range(1, 6))}
PICKLED = ("test_batch", "data_batch_1")  # of the version for Python: pickles, which are never read
IDX = re.compile(r"idx[13][-.]ubyte(\.gz)?\Z")
BINARY = (
    "pickles are never read: wanted the binary version, cifar-10-binary.tar.gz, whose folder is cifar-10-batches-bin"
)
ARRAYS = (
    "an idx file, as of MNIST: x = np.{read}, np.uint8, offset=16).reshape(-1, 28, 28), "
    "y the same of the labels with offset=8 and no reshape; np.savez('mnist.npz', x=x, y=y) makes a source of them"
)


def would_do(place: Path) -> str:
    """What to do about a file or folder of a published data set, "" about any other."""
    folders = [place, place / "cifar-10-batches-bin"]
    found = [(kind, folder) for folder in folders for kind, files in FILES.items() if _holds(folder, files)]
    if found:
        kind, folder = found[0]
        return f"did you mean {kind}:{folder}?"
    if any(_holds(folder, (name,)) for folder in (place, place / "cifar-10-batches-py") for name in PICKLED):
        return BINARY
    names = [p.name for p in place.iterdir()] if place.is_dir() else [place.name]
    idx = next((name for name in names if IDX.search(name)), None)
    if idx is None:
        return ""
    return ARRAYS.format(read="frombuffer(gzip.open(FILE).read()" if idx.endswith(".gz") else "fromfile(FILE")


def _holds(folder: Path, names: tuple[str, ...]) -> bool:
    """Whether a folder has all of these files."""
    return all((folder / name).is_file() for name in names)
