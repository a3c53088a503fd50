"""Image files: 8-bit pixels as codes, resized and cropped only when asked (RUN-4). The one home of Pillow."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fsref.errors import FileError, InputError, UsageError
from fsref.formats.intake import Intake

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".pgm", ".ppm", ".tif", ".tiff", ".webp"})
MODES = {"L": ("L",), "RGB": ("L", "P", "RGB", "CMYK")}  # Pillow modes taken; none has alpha or more than 8 bits
KINDS = {"L": "grey", "RGB": "colour"}


def one_image(path: Path, into: Intake, resize: int | None, crop: int | None) -> NDArray[np.integer]:
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
        raise InputError(
            "RUN-4", str(path), "not an array of integers", codes.dtype, f"codes 0..{into.pixels.max_code}"
        )
    if codes.shape not in (shape := into.shape, (1, *shape)) and (1, *codes.shape) != shape:
        raise InputError("RUN-4", str(path), "not one image of the input's size", codes.shape, f"{shape}")
    one: NDArray[np.integer] = codes.reshape(shape)
    into.check_codes(one[None], [str(path)])
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
    into.check_codes(codes[None], [str(path)])
    return codes
