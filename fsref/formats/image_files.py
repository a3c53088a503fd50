"""Image files: 8-bit pixels as codes, resized and cropped only when asked (RUN-4), and pixels as a PNG. The one home of
Pillow.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fsref.errors import FileError, FsrefError, InputError
from fsref.formats.intake import Intake
from fsref.law.populations import MAX_SIDE

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".pgm", ".ppm", ".tif", ".tiff", ".webp"})
FORMATS = ("PNG", "JPEG", "BMP", "PPM", "TIFF", "WEBP")  # of these Pillow plugins, and of no others
MODES = {"L": ("L",), "RGB": ("L", "P", "RGB", "CMYK")}  # Pillow modes taken; none has alpha or more than 8 bits
ALPHA = ("LA", "La", "PA", "RGBA", "RGBa")
DEPTHS = ("1", "I", "F")  # of Pillow modes: bilevel, and more than 8 bits a sample
DEPTH = "wanted 8 bits a sample, 0..255: pixels are taken as codes, never rescaled; a .npy of codes would do"
KINDS = {"L": "grey", "RGB": "colour"}
MAX_PIXELS = 2**26  # of a picture, in the file and once resized
MAX_BYTES = 2**28  # of an image file
LIMIT = f"at most {MAX_SIDE:,} a side and {MAX_PIXELS:,} pixels, in the file and once resized"
Size = tuple[int, int]  # width and height, as Pillow has them


def image_codes(path: Path, into: Intake, resize: int | None, crop: int | None) -> NDArray[np.uint8]:
    """The pixels of one image file, uint8 codes of the input's shape (C, H, W). Errors: FileError, InputError naming
    the file; whatever the header tells is judged before a pixel is decoded.
    """
    from PIL import Image

    channels, place = into.channels, str(path)
    if into.shape[0] != len(channels):
        raise InputError(
            "RUN-4", place, "image files are grey or RGB, the input is neither", into.shape, "wanted 1 channel or 3"
        )
    _check_file(path)
    with _broken(place), Image.open(path, formats=FORMATS) as file:
        _check_frames(file, place)
        _check_mode(file.mode, Image.getmodebase(file.mode), channels, place, "transparency" in file.info)
        _check_depth(file.tile, place)
        size = resized(file.size, resize, place)
        _check_size(size, crop, into, place, (resize, crop) != (None, None))
        image = file.convert(channels)
        if resize is not None:
            image = image.resize(size, Image.Resampling.BILINEAR)
        if crop is not None:
            left, top = round((image.width - crop) / 2), round((image.height - crop) / 2)
            image = image.crop((left, top, left + crop, top + crop))
        pixels = np.asarray(image, np.uint8)
    if pixels.shape[:2] != into.shape[1:]:
        raise FileError("RUN-4", place, "size is not the one that its header tells", pixels.shape[:2], f"{file.size}")
    codes = pixels[None] if pixels.ndim == 2 else np.ascontiguousarray(pixels.transpose(2, 0, 1))
    into.check_codes(codes[None], [place])
    return codes


def png_of(pixels: NDArray[np.uint8]) -> bytes:
    """Grey or colour pixels (H, W, 1 or 3) as the bytes of a PNG."""
    from PIL import Image

    made = BytesIO()
    Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels).save(made, "PNG")
    return made.getvalue()


@contextmanager
def _broken(place: str) -> Iterator[None]:
    """Makes a FileError of whatever Pillow raises on a broken picture; its warnings are not heard: what they warn of is
    refused, or changes no pixel.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except (FsrefError, MemoryError):
        raise
    except UnidentifiedImageError:
        limit = f"wanted {', '.join(FORMATS)} by its content"
        raise FileError("RUN-4", place, "not an image that can be read", None, limit) from None
    except Image.DecompressionBombError:  # far beyond our own bound
        raise FileError("RUN-4", place, "picture is too large", None, LIMIT) from None
    except Exception as error:  # whatever a decoder meets in a file of strangers
        told = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise FileError("RUN-4", place, "not an image that can be read", told) from None


def _check_file(path: Path) -> None:
    """Nothing, when a path is that of a file of at most MAX_BYTES. Errors: FileError."""
    try:
        if not path.is_file():
            raise FileError("RUN-4", str(path), "is not a file" if path.exists() else "no such file")
        size = path.stat().st_size
    except (OSError, ValueError) as error:
        raise FileError("RUN-4", str(path), "cannot be read", getattr(error, "strerror", None) or str(error)) from None
    if size > MAX_BYTES:
        raise FileError("RUN-4", str(path), "image file is too large", f"{size:,} bytes", f"at most {MAX_BYTES:,}")


def _check_frames(file: Any, place: str) -> None:
    """Nothing, when an open file of Pillow's is one picture. Errors: FileError."""
    # Cameras put previews behind a JPEG, which is then an MPO.
    if getattr(file, "is_animated", False) and file.format != "MPO":
        told = "frames" if file.format in ("PNG", "WEBP") else "pages"
        raise FileError("RUN-4", place, f"holds several {told}", file.format, "wanted one picture: save each by itself")


def _check_mode(mode: str, base: str, channels: str, place: str, transparent: bool) -> None:
    """Nothing, when the network takes pictures of a Pillow mode, `base` of which is L or RGB, and no colour of it is
    `transparent`. Errors: InputError.
    """
    if mode in MODES[channels] and not transparent:
        return
    own, taken = "grey" if base == "L" else "colour", KINDS[channels]
    if mode in ALPHA or transparent:
        problem = f"{own} image with alpha"
        hint = f"image.convert({channels!r}) of Pillow leaves alpha out"
    elif mode in DEPTHS or mode.startswith("I;"):  # Pillow would cut them at 255
        raise InputError("RUN-4", place, "image of another depth", mode, DEPTH)
    elif own != taken:
        problem = f"{own} image where the network takes {taken}"
        hint = f"image.convert({channels!r}) of Pillow makes one"
    else:
        problem = f"{own} image of a kind the network does not take"
        hint = f"image.convert({channels!r}) of Pillow makes one"
    raise InputError("RUN-4", place, problem, mode, f"wanted 8-bit {', '.join(MODES[channels])}, no alpha; {hint}")


def _check_depth(tiles: Iterable[Any], place: str) -> None:
    """Nothing, when the samples of a file are 8 bits, from what Pillow tells its decoders: of others these would make 8
    bits, stretched or cut. Errors: InputError.
    """
    for codec, _, _, args in tiles:
        parts = args if isinstance(args, tuple) else (args,)
        if codec.startswith("ppm") and parts[-1] != 255:
            told = f"samples 0..{parts[-1]}"
        elif not re.match(r"(?!P)\w+;\d", str(parts[0])):  # of a palette the depth is that of places in it
            continue
        else:
            told = str(parts[0])
        raise InputError("RUN-4", place, "image of another depth", told, DEPTH)


def resized(size: Size, resize: int | None, place: str) -> Size:
    """The size of a picture once its shorter side is `resize`. Errors: FileError when it is too large before that,
    InputError when it is after.
    """
    if not _bounded(size):
        raise FileError("RUN-4", place, "picture is too large", _told(size), LIMIT)
    if resize is None:
        return size
    width, height = size
    after = width * resize // min(size), height * resize // min(size)
    if not _bounded(after):
        told = f"{_told(size)} becomes {_told(after)}"
        raise InputError("RUN-4", place, f"picture is too large once its shorter side is {resize}", told, LIMIT)
    return after


def _bounded(size: Size) -> bool:
    """Whether a picture has a size to decode or make."""
    return 1 <= min(size) and max(size) <= MAX_SIDE and size[0] * size[1] <= MAX_PIXELS


def _told(size: Size) -> str:
    """Height and width in words."""
    return f"{size[1]} x {size[0]}"


def _check_size(size: Size, crop: int | None, into: Intake, place: str, changed: bool) -> None:
    """Nothing, when a picture of this size, once cropped, is as large as the input. Errors: InputError."""
    if crop is not None and crop > min(size):
        raise InputError("RUN-4", place, "is smaller than the crop", _told(size), f"wanted {crop} x {crop} or more")
    height, width = into.shape[1:]
    if (size if crop is None else (crop, crop)) == (width, height):
        return
    would_do = f"resize {height} and crop {height} would do" if height == width else "make it so before"
    limit = f"wanted {height} x {width}; nothing is resized or cropped unless asked: {would_do}"
    problem = f"size{' once resized and cropped' if changed else ''} is not the input's"
    raise InputError("RUN-4", place, problem, _told(size if crop is None else (crop, crop)), limit)
