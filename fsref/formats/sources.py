"""Images for a network: `--data` sources (RUN-4).

A source is `digits` (the bundled test images), an image, a folder, `FILE.npz`, `cifar10:DIR`, `cifar10-train:DIR` or
`drawn:N[:SEED]` (RUN-4). Pixels are 8-bit and become codes as they are: nothing is scaled, and an image is resized or
cropped only when an option or the input contract says so. Whatever does not fit the network is refused by name.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fsref.errors import FileError, InputError, LimitError, UsageError, public
from fsref.formats.arrays import image_of_npy, images_of_npz
from fsref.formats.bundled import bundled, network_of
from fsref.formats.cifar10 import CLASSES, classes_of_cifar10, read_batches
from fsref.formats.datasets import FILES, SOURCES, would_do
from fsref.formats.files import path_of
from fsref.formats.folders import listed, room_for
from fsref.formats.image_files import SUFFIXES, image_codes
from fsref.formats.intake import Intake, check_option, intake
from fsref.formats.labels import NUMBERED, Labelling, assumed, few
from fsref.graph.graph import Graph
from fsref.law.images import drawn_images
from fsref.law.network import Network
from fsref.law.neuron import Ints
from fsref.tables import Sheet, Shown, plural, short, sizes, span

MAX_CODES = 2**33  # bytes of the images of a folder
ROWS = 10  # images of a table
MAX_DRAWN = 2**26  # codes of drawn images
DRAWN = re.compile(r"drawn:([1-9][0-9]{0,9})(?::([0-9]{1,20}))?", re.ASCII)


@dataclass(frozen=True, eq=False, repr=False)
class ImageSet(Shown):
    """Images `x`, integer codes (B, C, H, W), their classes `y`, int64 (B,), or None, and a name for each, for messages
    and tables; `labelling` tells how the classes were read, where there are some, and `left_out` names what else lies
    in the folder.
    """

    x: NDArray[np.integer]
    y: Ints | None
    names: tuple[str, ...]
    labelling: Labelling | None = None
    left_out: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return short(f"<ImageSet of {self._told()}>")

    def _told(self) -> str:
        """How many images of which size, in words."""
        labels = "without labels" if self.y is None else f"labels {span(int(self.y.min()), int(self.y.max()))}"
        return f"{plural(len(self.x), 'image')} {sizes(self.x.shape[1:])}, {labels}"

    @property
    def facts(self) -> list[tuple[str, str]]:
        """What was taken for granted, and what was left out, for tables (RUN-4)."""
        found = assumed(self.labelling)
        if self.left_out:
            found.append(("left out", f"{plural(len(self.left_out), 'name')} of no image file: {few(self.left_out)}"))
        return found

    def to_dict(self) -> dict[str, Any]:
        """How the labels were read, and how many names of a folder were left out, as plain JSON values."""
        labelling = None if self.labelling is None else self.labelling.to_dict()
        return {"labelling": labelling, "left_out": len(self.left_out)}

    def sheet(self) -> Sheet:
        """The images as a table: name, label and codes of each, the first 10."""
        rows = []
        for i, (name, x) in enumerate(zip(self.names[:ROWS], self.x[:ROWS], strict=True)):
            label = [] if self.y is None else [int(self.y[i])]
            rows.append((str(i), name, *label, span(int(x.min()), int(x.max()))))
        more = [("...", f"and {plural(len(self.x) - ROWS, 'more image')}")] if len(self.x) > ROWS else []
        more += self.facts
        head = ("image", "name", *([] if self.y is None else ["label"]), "codes")
        return Sheet(self._told(), head, rows, left=2, below=more)


@public
def load_images(
    source: str | PathLike[str],
    model: Network | Graph | str | PathLike[str],
    resize: int | None = None,
    crop: int | None = None,
    limit: int | None = None,
) -> ImageSet:
    """The images of a `--data` source, the first `limit` of them, checked against the input of `model`, a network or
    float graph.

    `digits`: the bundled test images. `FILE.npz`: arrays x and, if there are classes, y. `cifar10:DIR`:
    DIR/test_batch.bin; `cifar10-train:DIR`: DIR/data_batch_1.bin to _5. `drawn:N` or `drawn:N:SEED`: N drawn images
    (ID-3), without classes. Else one image (an image file, or a .npy of codes) or a folder: with `labels.csv` (columns
    file, label), with a folder per class (taken in turn, one image of each), or with images alone. `resize` (shorter
    side) and `crop` (centre, square) are for image files; without them those of the input contract hold. Errors:
    InputError, FileError, LimitError, UsageError.
    """
    check_option("limit", limit)
    source = source if isinstance(source, str) else str(path_of(source, "load_images"))
    kind, _, rest = source.partition(":")
    model = model if isinstance(model, Graph) else network_of(model)
    into = intake(model)
    size = into.sized(resize, crop)
    files = source != "digits" and kind not in (*FILES, "drawn") and not source.endswith(".npz")
    if not files and (resize or crop):
        raise UsageError("RUN-4", source, "resize and crop are for image files and folders of them")
    if source == "digits":
        return _of_npz(bundled("digits") / "digits.npz", into, limit, "x_test", "y_test")
    if kind in FILES:
        if not rest:
            raise UsageError("RUN-4", source, "names no folder", None, f"{kind}:DIR")
        return _of_cifar10(Path(rest), kind, into, limit)
    if kind == "drawn":
        return _drawn(source, into, limit)
    if not files:
        return _of_npz(Path(source), into, limit)
    path = Path(source)
    if path.is_file() and path.suffix.lower() in SUFFIXES | {".npy"}:
        return ImageSet(image_file(path, model, resize, crop)[None], None, (source,))
    return _of_folder(path, into, *size, limit)


def _image_set(
    into: Intake,
    x: NDArray[np.integer],
    y: NDArray[np.integer] | None,
    names: Sequence[str],
    origin: str,
    known: Labelling | None,
) -> ImageSet:
    """The images (B, C, H, W) and classes (B,), when they are codes of the input and logits (RUN-1, RUN-4); `origin`
    goes before the names in messages. Errors: InputError.
    """
    if x.shape[1:] != into.shape:
        problem = "size (C, H, W) is not the input's"
        raise InputError("RUN-4", origin + names[0], problem, x.shape[1:], f"wanted {into.shape}")
    into.check_codes(x, [origin + name for name in names])
    count = into.count
    if y is not None and (wrong := (y < 0) | (y >= count)).any():
        raise InputError(
            "RUN-4",
            f"{origin}{names[int(np.argmax(wrong))]} label",
            "no such class",
            int(y[wrong][0]),
            f"wanted 0..{count - 1}",
        )
    return ImageSet(x, None if y is None else y.astype(np.int64), tuple(names), None if y is None else known)


def _of_npz(path: Path, into: Intake, limit: int | None, images: str = "x", labels: str = "y") -> ImageSet:
    """The images of an npz: x (B, C, H, W), or (B, H, W) for one channel, and y (B,) if it is there."""
    x, y = images_of_npz(path, into, limit, images, labels)
    return _image_set(into, x, y, [f"{images}[{index}]" for index in range(len(x))], f"{path}: ", NUMBERED)


def _of_cifar10(folder: Path, kind: str, into: Intake, limit: int | None) -> ImageSet:
    """The images of CIFAR-10 in a folder, their labels as classes of the network."""
    x, y, names = read_batches(folder, kind, limit)
    if not into.count:
        return _image_set(into, x, None, names, f"{folder}/", None)
    known = classes_of_cifar10(into, f"{kind}:{folder}")
    if known.classes and int(y.max()) < len(CLASSES):
        y = np.array([known.classes[name] for name in CLASSES])[y]
    return _image_set(into, x, y, names, f"{folder}/", known)


def _drawn(source: str, into: Intake, limit: int | None) -> ImageSet:
    """Drawn images, without classes (ID-3)."""
    match = DRAWN.fullmatch(source)
    if match is None or (seed := int(match[2] or 1)) >= 2**64:
        wanted = "drawn:N or drawn:N:SEED, N of 1 or more, SEED of 0..2^64-1"
        raise UsageError("RUN-4", source, "names no drawn images", None, wanted)
    count = int(match[1]) if limit is None else min(int(match[1]), limit)
    if (codes := count * prod(into.shape)) > MAX_DRAWN:
        told = f"{plural(count, 'image')}, {codes:,} codes"
        fit = MAX_DRAWN // prod(into.shape)
        limit_told = f"at most {MAX_DRAWN:,}{f': drawn:{fit}' if fit else ''}"
        raise LimitError("RUN-4", source, "images take too much memory", told, limit_told)
    return ImageSet(drawn_images(into.pixels, count, seed), None, tuple(f"drawn[{index}]" for index in range(count)))


def _no_source(path: Path) -> FileError:
    """The error for a path of which nothing here reads images."""
    problem, limit = "no such image or folder of images", f"wanted {SOURCES}"
    if path.is_file():
        problem = "no kind of picture that fsref reads has this suffix"
        limit = f"wanted {', '.join(sorted(SUFFIXES))}; or {SOURCES}"
    if path.is_file() and path.name.casefold() == "labels.csv":
        named = "" if path.name == "labels.csv" else ", and the table in it labels.csv"
        problem, limit = "is a table of labels, not a folder with one", f"name the folder: {path.parent}{named}"
    elif path.exists() and not path.is_file():
        problem = "is a device or pipe"
    return FileError("RUN-4", str(path), problem, None, would_do(path) or limit)


def _of_folder(folder: Path, into: Intake, resize: int | None, crop: int | None, limit: int | None) -> ImageSet:
    """The images of a folder with labels.csv, a folder per class, or images alone."""
    if not folder.is_dir():
        raise _no_source(folder)
    found = listed(folder, into)
    names, y = found.names[:limit], None if found.classes is None else np.array(found.classes[:limit], np.int64)
    if (size := len(names) * prod(into.shape)) > MAX_CODES:
        told = f"{plural(len(names), 'image')}, {size:,} bytes"
        fit = max(1, MAX_CODES // prod(into.shape))
        raise LimitError(
            "RUN-4", str(folder), "images take too much memory", told, f"at most {MAX_CODES:,}: limit {fit}"
        )
    x = room_for(len(names), into.shape, str(folder))
    for row, name in zip(x, names, strict=True):
        row[:] = image_codes(folder / name, into, resize, crop)
    made = _image_set(into, x, y, names, f"{folder}/", found.labelling)
    return replace(made, left_out=tuple(found.left_out))


def image_file(
    path: Path, model: Network | Graph, resize: int | None = None, crop: int | None = None
) -> NDArray[np.integer]:
    """The codes (C, H, W) of one image file or .npy for a network or float graph, resized and cropped as `load_images`
    does. Errors: as there.
    """
    into = intake(model)
    size = into.sized(resize, crop)
    if path.suffix.lower() != ".npy":
        return image_codes(path, into, *size)
    if resize or crop:
        raise UsageError("RUN-4", str(path), "resize and crop are for image files and folders of them")
    return image_of_npy(path, into)
