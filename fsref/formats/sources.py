"""Images for a network: `--data` sources (RUN-4).

A source is `digits` (the bundled test images), an image, a folder, `FILE.npz`, `cifar10:DIR` or `cifar10-train:DIR`
(RUN-4). Pixels are 8-bit and become codes as they are: nothing is scaled, and an image is resized or cropped only when
an option or the input contract says so. Whatever does not fit the network is refused by name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fsref.errors import FileError, InputError, UsageError, public
from fsref.formats.bundled import bundled, network_of
from fsref.formats.cifar10 import FILES, read_batches
from fsref.formats.container import read_members
from fsref.formats.folders import listed
from fsref.formats.image_files import SUFFIXES, image_codes, one_image
from fsref.formats.intake import Intake, intake
from fsref.formats.npy import read_array
from fsref.graph.graph import Graph
from fsref.law.network import Network
from fsref.law.neuron import Ints
from fsref.tables import Sheet, Shown, plural, short, sizes, span

ROWS = 10  # images of a table
SOURCES = "digits, an image, a folder, FILE.npz, cifar10:DIR or cifar10-train:DIR"


@dataclass(frozen=True, eq=False, repr=False)
class ImageSet(Shown):
    """Images `x`, integer codes (B, C, H, W), their classes `y`, int64 (B,), or None, and a name for each, for messages
    and tables.
    """

    x: NDArray[np.integer]
    y: Ints | None
    names: tuple[str, ...]

    def __repr__(self) -> str:
        return short(f"<ImageSet of {self._told()}>")

    def _told(self) -> str:
        """How many images of which size, in words."""
        labels = "without labels" if self.y is None else f"labels {span(int(self.y.min()), int(self.y.max()))}"
        return f"{plural(len(self.x), 'image')} {sizes(self.x.shape[1:])}, {labels}"

    def sheet(self) -> Sheet:
        """The images as a table: name, label and codes of each, the first 10."""
        rows = []
        for i, (name, x) in enumerate(zip(self.names[:ROWS], self.x[:ROWS], strict=True)):
            label = [] if self.y is None else [int(self.y[i])]
            rows.append((str(i), name, *label, span(int(x.min()), int(x.max()))))
        more = [("...", f"and {plural(len(self.x) - ROWS, 'more image')}")] if len(self.x) > ROWS else []
        head = ("image", "name", *([] if self.y is None else ["label"]), "codes")
        return Sheet(self._told(), head, rows, left=2, below=more)


@public
def load_images(
    source: str,
    model: Network | Graph | str | PathLike[str],
    resize: int | None = None,
    crop: int | None = None,
    limit: int | None = None,
) -> ImageSet:
    """The images of a `--data` source, the first `limit` of them, checked against the input of a network or float
    graph.

    `digits`: the bundled test images. `FILE.npz`: arrays x and, if there are classes, y. `cifar10:DIR`:
    DIR/test_batch.bin; `cifar10-train:DIR`: DIR/data_batch_1.bin to _5. Else one image (an image file, or a .npy of
    codes) or a folder: with `labels.csv` (columns file, label), with a folder per class (taken in turn, one image of
    each), or with images alone. `resize` (shorter side) and `crop` (centre, square) are for image files; without them
    those of the input contract hold. Errors: InputError, FileError, UsageError.
    """
    for option, value in (("resize", resize), ("crop", crop), ("limit", limit)):
        if value is not None and value < 1:
            raise UsageError("RUN-4", option, "not 1 or more", value)
    kind, _, rest = source.partition(":")
    into = intake(model if isinstance(model, Graph) else network_of(model))
    files = source != "digits" and kind not in FILES and not source.endswith(".npz")
    if not files and (resize or crop):
        raise UsageError("RUN-4", source, "resize and crop are for image files and folders of them")
    if source == "digits":
        return _of_npz(bundled("digits") / "digits.npz", into, limit, "x_test", "y_test")
    if kind in FILES:
        if not rest:
            raise UsageError("RUN-4", source, "names no folder", None, f"{kind}:DIR")
        return _image_set(into, *read_batches(Path(rest), kind, limit), f"{Path(rest)}/")
    return (
        _of_files(Path(source), into, *into.sized(resize, crop), limit) if files else _of_npz(Path(source), into, limit)
    )


def _arrays(path: Path, wanted: str, *optional: str) -> dict[str, NDArray[Any]]:
    """The integer arrays of an npz by name, read as FILE-1 and FILE-2 read a network: nothing is unpickled. Errors:
    FileError.
    """
    try:
        members = read_members(path.read_bytes(), str(path))
    except OSError as error:
        raise FileError("FILE-1", str(path), "cannot be read", error.strerror or str(error)) from None
    found = {
        name: read_array(data, f"{path}: {name}.npy")
        for name in (wanted, *optional)
        if (data := members.get(f"{name}.npy")) is not None
    }
    if wanted not in found:
        raise FileError(
            "FILE-1", str(path), "array is missing", wanted, f"there are {', '.join(sorted(members)) or 'none'}"
        )
    return found


def _image_set(
    into: Intake, x: NDArray[np.integer], y: NDArray[np.integer] | None, names: Sequence[str], origin: str
) -> ImageSet:
    """The images (B, C, H, W) and classes (B,), when they are codes of the input and logits (RUN-1, RUN-4); `origin`
    goes before the names in messages. Errors: InputError.
    """
    if x.shape[1:] != into.shape:
        raise InputError(
            "RUN-4", origin + names[0], "size (C, H, W) does not meet the input", x.shape[1:], f"{into.shape}"
        )
    into.check_codes(x, [origin + name for name in names])
    count = into.count
    if y is not None and (wrong := (y < 0) | (y >= count)).any():
        raise InputError(
            "RUN-4",
            f"{origin}{names[int(np.argmax(wrong))]} label",
            "no such class",
            int(y[wrong][0]),
            f"0..{count - 1}",
        )
    return ImageSet(x, None if y is None else y.astype(np.int64), tuple(names))


def _of_npz(path: Path, into: Intake, limit: int | None, images: str = "x", labels: str = "y") -> ImageSet:
    """The images of an npz: x (B, C, H, W), or (B, H, W) for one channel, and y (B,) if it is there."""
    arrays = _arrays(path, images, labels)
    x = arrays[images]
    if x.ndim == 3 and into.shape[0] == 1:
        x = x[:, None]
    if x.ndim != 4 or len(x) == 0:
        raise InputError(
            "RUN-4", f"{path}: {images}", "not images", x.shape, f"(B, {', '.join(map(str, into.shape))}), B 1 or more"
        )
    y = arrays.get(labels)
    if y is not None and y.shape != x.shape[:1]:
        raise InputError("RUN-4", f"{path}: {labels}", "not one class per image", y.shape, f"({len(x)},)")
    x, y = x[:limit], None if y is None else y[:limit]
    return _image_set(into, x, y, [f"{images}[{index}]" for index in range(len(x))], f"{path}: ")


def _of_files(folder: Path, into: Intake, resize: int | None, crop: int | None, limit: int | None) -> ImageSet:
    """The images of a folder with labels.csv, a folder per class, or images alone; or one image."""
    if folder.is_file() and folder.suffix.lower() in SUFFIXES | {".npy"}:
        return ImageSet(one_image(folder, into, resize, crop)[None], None, (str(folder),))
    if not folder.is_dir():
        raise FileError(
            "RUN-4",
            str(folder),
            "is a file, not a folder" if folder.exists() else "no such image or folder of images",
            None,
            SOURCES,
        )
    found = listed(folder, into)[:limit]
    x = np.empty((len(found), *into.shape), np.uint8)
    for row, (name, _) in zip(x, found, strict=True):
        row[:] = image_codes(folder / name, into, resize, crop)
    labels = [label for _, label in found if label is not None]
    return _image_set(
        into, x, np.array(labels, np.int64) if labels else None, [name for name, _ in found], f"{folder}/"
    )


def image_file(
    path: Path, model: Network | Graph, resize: int | None = None, crop: int | None = None
) -> NDArray[np.integer]:
    """The codes (C, H, W) of one image file or .npy for a network or float graph, resized and cropped as `load_images`
    does. Errors: as there.
    """
    into = intake(model)
    return one_image(path, into, *into.sized(resize, crop))
