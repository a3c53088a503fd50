"""Images for a network, and the models that come with fsref: `--data` sources, drawn images (ID-3), golden records.

A source is `digits` (the bundled test images), an image, a folder, `FILE.npz`, `cifar10:DIR` or `cifar10-train:DIR`
(RUN-4). Pixels are 8-bit and become codes as they are: nothing is scaled, and an image is resized or cropped only when
an option or the input contract says so. Whatever does not fit the network is refused by name.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fsref.graph.graph import Graph
from fsref.errors import FileError, FsrefError, InputError, UsageError
from fsref.version import SPEC_VERSION
from fsref.law.network import Network
from fsref.law.neuron import Ints
from fsref.law.populations import Shape

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".pgm", ".ppm", ".tif", ".tiff", ".webp"})
MODES = {
    "L": ("L",),
    "RGB": ("L", "P", "RGB", "CMYK"),
}  # Pillow modes taken for each contract; none has alpha or more than 8 bits
KINDS = {"L": "grey", "RGB": "colour"}
SOURCES = "digits, an image, a folder, FILE.npz, cifar10:DIR or cifar10-train:DIR"
CIFAR_FILES = {"cifar10": ("test_batch.bin",), "cifar10-train": tuple(f"data_batch_{k}.bin" for k in range(1, 6))}
COME_ALONG = ("digits", "resnet20")  # in the wheel
NAME = r"[A-Za-z0-9_\-]+"
CIFAR_RECORD = 1 + 3 * 32 * 32  # label, then channel, row, column
GOLDEN = {"test": 3, "drawn": 3, "seed": 1}


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Images `x`, integer codes (B, C, H, W), their classes `y`, int64 (B,), or None, and a name for each, for messages
    and tables.
    """

    x: NDArray[np.integer]
    y: Ints | None
    names: tuple[str, ...]


def bundled(name: str) -> Path:
    """The directory of a model that comes with fsref: in the installed package, else in the clone around it. Errors:
    UsageError.
    """
    package = Path(__file__).resolve().parent.parent
    if re.fullmatch(NAME, name):
        for folder in (package / "models" / name, package.parent / "reference_models" / name):
            if (folder / f"{name}.fs.npz").is_file():
                return folder
    near = get_close_matches(name, COME_ALONG, 1)
    limit = f"did you mean {near[0]}?" if near else f"{' and '.join(COME_ALONG)} come with it"
    raise UsageError("FILE-1", repr(name), "no file here and no model that comes with fsref has this name", None, limit)


def load(path: str | PathLike[str]) -> Network:
    """The network of a file, or of a bundled model by name; a file goes first. Errors: FileError, NetworkError,
    UsageError.
    """
    from fsref.formats import npz

    name = str(path)
    bare = isinstance(path, str) and re.fullmatch(NAME, name) and not Path(name).is_file()
    return npz.load(bundled(name) / f"{name}.fs.npz" if bare else path)


@dataclass(frozen=True)
class Intake:
    """What a network or float graph takes and answers, as far as images are concerned: (C, H, W), 0..max_code, so many
    classes.
    """

    shape: Shape
    max_code: int
    count: int
    classes: Sequence[str]
    channels: str
    resize: int | None
    crop: int | None


def intake(model: Network | Graph) -> Intake:
    """What a model takes and answers. Errors: GraphError for a float graph without input contract."""
    if isinstance(model, Graph):
        pixels = model.contract()
        channels = {"BGR": "RGB"}.get(pixels.order, pixels.order)  # images come as RGB (GRAPH-5)
        return Intake(
            pixels.shape,
            pixels.max_code,
            model.shapes[model.output][0],
            model.classes,
            channels,
            pixels.resize,
            pixels.crop,
        )
    contract, shape = model.contract, model.input.shape
    channels = contract.channels if contract else {1: "L", 3: "RGB"}.get(shape[0], "")
    found = (None, None) if contract is None else (contract.resize, contract.crop)
    return Intake(shape, model.input.max_code, model.readout.shape[0], model.classes, channels, *found)


def load_images(
    source: str, model: Network | Graph, resize: int | None = None, crop: int | None = None, limit: int | None = None
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
    into = intake(model)
    files = source != "digits" and kind not in CIFAR_FILES and not source.endswith(".npz")
    if not files and (resize or crop):
        raise UsageError("RUN-4", source, "resize and crop are for image files and folders of them")
    if source == "digits":
        return _of_npz(bundled("digits") / "digits.npz", into, limit, "x_test", "y_test")
    if kind in CIFAR_FILES:
        if not rest:
            raise UsageError("RUN-4", source, "names no folder", None, f"{kind}:DIR")
        return _of_cifar10(Path(rest), CIFAR_FILES[kind], into, limit)
    return (
        _of_files(Path(source), into, resize or into.resize, crop or into.crop, limit)
        if files
        else _of_npz(Path(source), into, limit)
    )


def same_source(one: str, other: str) -> bool:
    """Whether two `--data` sources name the same images."""

    def place(source: str) -> tuple[str, Path]:
        kind, _, rest = source.partition(":")
        return (kind, Path(rest).resolve()) if kind in CIFAR_FILES else ("", Path(source).resolve())

    return place(one) == place(other)


def drawn_images(net: Network, count: int, seed: int = 1) -> Ints:
    """`count` images for the input of `net` from seed 0..2^64-1, int64 (count, C, H, W), the same on every machine
    (ID-3).
    """
    if count < 1 or not 0 <= seed < 2**64:
        raise UsageError(
            "ID-3", "drawn images", "count or seed out of range", (count, seed), f"1 or more, 0..{2**64 - 1}"
        )
    shape = net.input.shape
    number = np.arange(1, count * int(np.prod(shape)) + 1, dtype=np.uint64)
    z = np.array([seed], np.uint64) + number * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z ^= z >> np.uint64(31)
    codes: Ints = (((z >> np.uint64(32)) * np.uint64(net.input.max_code + 1)) >> np.uint64(32)).astype(np.int64)
    return codes.reshape(count, *shape)


def _arrays(path: Path, wanted: str, *optional: str) -> dict[str, NDArray[Any]]:
    """The integer arrays of an npz by name, read as FILE-1 and FILE-2 read a network: nothing is unpickled. Errors:
    FileError.
    """
    from fsref.formats.npz import read_array, read_members

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


def _check_codes(into: Intake, x: NDArray[np.integer], places: Sequence[str]) -> None:
    """Nothing, when the images (B, C, H, W), one at each place, are codes of the input (RUN-1). Errors: InputError."""
    if (wrong := (x < 0) | (x > into.max_code)).any():
        at = tuple(np.argwhere(wrong)[0].tolist())
        limit = f"0..{into.max_code}; pixels are taken as codes, never rescaled"
        raise InputError("RUN-1", f"{places[at[0]]} {list(at[1:])}", "code out of range", int(x[at]), limit)


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
    _check_codes(into, x, [origin + name for name in names])
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


def _of_cifar10(folder: Path, files: Sequence[str], into: Intake, limit: int | None) -> ImageSet:
    """The images of CIFAR-10 in the official binary form: records of a label and 3,072 pixels."""
    batches, names = [], []
    for file in files:
        path = folder / file
        try:
            raw = np.fromfile(path, np.uint8, -1 if limit is None else limit * CIFAR_RECORD)
        except OSError as error:
            raise FileError("RUN-4", str(path), "cannot be read", error.strerror or str(error)) from None
        if raw.size == 0 or raw.size % CIFAR_RECORD:
            raise FileError(
                "RUN-4",
                str(path),
                "file is truncated or not CIFAR-10",
                f"{raw.size} bytes",
                f"whole records of {CIFAR_RECORD} bytes, 1 or more",
            )
        batches.append(raw.reshape(-1, CIFAR_RECORD))
        names += [f"{file}[{index}]" for index in range(len(batches[-1]))]
        if limit is not None and len(names) >= limit:
            break
    records = np.concatenate(batches)[:limit]
    return _image_set(into, records[:, 1:].reshape(-1, 3, 32, 32), records[:, 0], names[: len(records)], f"{folder}/")


def _of_files(folder: Path, into: Intake, resize: int | None, crop: int | None, limit: int | None) -> ImageSet:
    """The images of a folder with labels.csv, a folder per class, or images alone; or one image."""
    if folder.is_file() and folder.suffix.lower() in SUFFIXES | {".npy"}:
        return ImageSet(_one_image(folder, into, resize, crop)[None], None, (str(folder),))
    if not folder.is_dir():
        raise FileError(
            "RUN-4",
            str(folder),
            "is a file, not a folder" if folder.exists() else "no such image or folder of images",
            None,
            SOURCES,
        )
    listed = _listed(folder, into)[:limit]
    x = np.empty((len(listed), *into.shape), np.uint8)
    for row, (name, _) in zip(x, listed, strict=True):
        row[:] = image_codes(folder / name, into, resize, crop)
    labels = [label for _, label in listed if label is not None]
    return _image_set(
        into, x, np.array(labels, np.int64) if labels else None, [name for name, _ in listed], f"{folder}/"
    )


def _listed(folder: Path, into: Intake) -> list[tuple[str, int | None]]:
    """The image files of a folder, by name relative to it, and their classes, None for all when it has none. Errors:
    FileError.
    """
    if (table := folder / "labels.csv").is_file():
        return _from_csv(table, into)
    classes = sorted(p.name for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
    if not classes:
        return [(name, None) for name in _image_files(folder)]
    if set(classes) <= set(into.classes):
        number = {name: into.classes.index(name) for name in classes}
    elif len(classes) == into.count:
        number = {name: index for index, name in enumerate(classes)}
    else:
        limit = f"{into.count} classes: {', '.join(into.classes) or 'without names'}"
        raise FileError(
            "RUN-4", str(folder), "folders are neither classes by name nor one per class", ", ".join(classes), limit
        )
    ranked = [(rank, name, file) for name in classes for rank, file in enumerate(_image_files(folder / name))]
    return [(f"{name}/{file}", number[name]) for _, name, file in sorted(ranked)]


def _image_files(folder: Path) -> list[str]:
    """The sorted names of the image files of one folder. Errors: FileError when there are none."""
    files = sorted(p.name for p in folder.iterdir() if p.suffix.lower() in SUFFIXES and not p.name.startswith("."))
    if not files:
        kind = next(
            (kind for kind, batches in CIFAR_FILES.items() if all((folder / name).is_file() for name in batches)), None
        )
        limit = ", ".join(sorted(SUFFIXES)) if kind is None else f"did you mean {kind}:{folder}?"
        raise FileError("RUN-4", str(folder), "holds no image files", None, limit)
    return files


def _from_csv(table: Path, into: Intake) -> list[tuple[str, int | None]]:
    """The rows of a labels.csv with columns file and label, a label being the name of a class or its number; files are
    looked for in the folder `images` beside it, if there is one. Errors: FileError.
    """
    try:
        with table.open(newline="", encoding="utf-8-sig") as text:
            rows = [(line, row) for line, row in enumerate(csv.reader(text, strict=True), start=1) if row]
    except (OSError, UnicodeError, csv.Error) as error:
        raise FileError("RUN-4", str(table), "cannot be read", str(error)) from None
    if not rows or rows[0][1] != ["file", "label"]:
        raise FileError(
            "RUN-4",
            str(table),
            "does not begin with the header file,label",
            ",".join(rows[0][1]) if rows else "nothing",
        )
    if len(rows) < 2:
        raise FileError("RUN-4", str(table), "names no image", None, "after the header file,label a row per image")
    number = {str(index): index for index in range(into.count)} | {
        name: index for index, name in enumerate(into.classes)
    }
    for line, row in rows[1:]:
        if len(row) != 2 or row[1] not in number:
            raise FileError(
                "RUN-4",
                f"{table} line {line}",
                "not a file and a class",
                ",".join(row),
                f"a name of a class or 0..{into.count - 1}",
            )
    inside = "images/" if (table.parent / "images").is_dir() else ""
    return [(inside + row[0], number[row[1]]) for _, row in rows[1:]]


def image_file(
    path: Path, model: Network | Graph, resize: int | None = None, crop: int | None = None
) -> NDArray[np.integer]:
    """The codes (C, H, W) of one image file or .npy for a network or float graph, resized and cropped as `load_images`
    does. Errors: as there.
    """
    into = intake(model)
    return _one_image(path, into, resize or into.resize, crop or into.crop)


def _one_image(path: Path, into: Intake, resize: int | None, crop: int | None) -> NDArray[np.integer]:
    """The codes (C, H, W) of one image: of an image file, or of a .npy, (C, H, W), (1, C, H, W), or (H, W) when C = 1
    (RUN-4).

    Errors: FileError, InputError naming the file; UsageError to resize or crop codes.
    """
    if path.suffix.lower() != ".npy":
        return image_codes(path, into, resize, crop)
    if resize or crop:
        raise UsageError("RUN-4", str(path), "resize and crop are for image files and folders of them")
    try:
        with path.open("rb") as file:
            codes = np.lib.format.read_array(file, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise FileError("RUN-4", str(path), "cannot be read", getattr(error, "strerror", None) or str(error)) from None
    if codes.dtype.kind not in "iu":
        raise InputError("RUN-4", str(path), "not an array of integers", codes.dtype, f"codes 0..{into.max_code}")
    if codes.shape not in (shape := into.shape, (1, *shape)) and (1, *codes.shape) != shape:
        raise InputError("RUN-4", str(path), "not one image of the input's size", codes.shape, f"{shape}")
    one: NDArray[np.integer] = codes.reshape(shape)
    _check_codes(into, one[None], [str(path)])
    return one


def image_codes(path: Path, into: Intake, resize: int | None, crop: int | None) -> NDArray[np.uint8]:
    """The pixels of one image file, uint8 codes of the input's shape (C, H, W). Errors: FileError, InputError naming
    the file.
    """
    from PIL import Image

    channels = into.channels
    if into.shape[0] != len(channels):
        raise InputError(
            "RUN-4", str(path), "image files are grey or RGB, the input is neither", into.shape, "1 channel or 3"
        )
    try:
        with Image.open(path) as file:
            if file.mode not in MODES[channels]:
                own, taken = "grey" if Image.getmodebase(file.mode) == "L" else "colour", KINDS[channels]
                problem = (
                    f"{own} image where the network takes {taken}"
                    if own != taken
                    else f"{own} image of a kind the network does not take"
                )
                raise InputError(
                    "RUN-4", str(path), problem, file.mode, f"8-bit {', '.join(MODES[channels])}, no alpha"
                )
            image = file.convert(channels)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise FileError(
            "RUN-4", str(path), "not an image that can be read", getattr(error, "strerror", None) or str(error)
        ) from None
    if resize is not None:
        image = image.resize(
            (image.width * resize // min(image.size), image.height * resize // min(image.size)),
            Image.Resampling.BILINEAR,
        )
    if crop is not None:
        if crop > min(image.size):
            raise InputError(
                "RUN-4", str(path), "is smaller than the crop", f"{image.height} x {image.width}", f"{crop} x {crop}"
            )
        left, top = round((image.width - crop) / 2), round((image.height - crop) / 2)
        image = image.crop((left, top, left + crop, top + crop))
    if (image.height, image.width) != into.shape[1:]:
        limit = f"{into.shape[1]} x {into.shape[2]}; nothing is resized or cropped unless asked"
        raise InputError("RUN-4", str(path), "size does not meet the input", f"{image.height} x {image.width}", limit)
    pixels = np.asarray(image, np.uint8)
    codes = pixels[None] if pixels.ndim == 2 else np.ascontiguousarray(pixels.transpose(2, 0, 1))
    _check_codes(into, codes[None], [str(path)])
    return codes


def golden_record(net: Network, x: NDArray[np.integer], y: NDArray[np.integer] | None = None) -> dict[str, Any]:
    """What `golden.json` says of a network and its test images `x`, as plain JSON values; `y` adds how many are right.

    Of the first 3 of `x` and 3 drawn images, seed 1 (ID-3): logits, and digests (EVENT-3, hexadecimal, step by step) by
    population. Over all of `x`: spikes by population. Every value is computed by all engines. Errors: FsrefError
    [RUN-2] when two differ.
    """
    from fsref.simulation.run import ENGINES, check_images, run

    few = np.concatenate([check_images(net, x[: GOLDEN["test"]]), drawn_images(net, GOLDEN["drawn"], GOLDEN["seed"])])
    names, records = [p.name for p in net.populations[:-1]], []
    for engine in ENGINES:
        shown, every = run(net, few, engine, record=names), run(net, x, engine)
        assert shown.trace is not None
        digests = {
            name: [[f"{word:08x}" for word in image] for image in words.tolist()]
            for name, words in shown.trace.digests().items()
        }
        images = [
            {"logits": row, "digests": {name: digests[name][b] for name in names}}
            for b, row in enumerate(shown.logits.tolist())
        ]
        record = {"images": images, "spikes": {name: int(count.sum()) for name, count in every.spike_counts.items()}}
        records.append(record if y is None else record | {"correct": int((every.labels == y).sum())})
        if records[-1] != records[0]:
            raise FsrefError("RUN-2", "golden record", "two engines differ", f"{ENGINES[0]} and {engine}")
    return {"spec_version": SPEC_VERSION, "id": net.id, "shown": dict(GOLDEN), "of": len(x), **records[0]}
