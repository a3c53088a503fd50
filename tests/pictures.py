"""Networks for images of any size, and image files for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

import fsref
from fsref.errors import FsrefError
from fsref.formats.sources import load_images
from handmade import ONE, chain
from refusals import refused


def network(
    shape: tuple[int, int, int] = (1, 4, 6),
    steps: int = 8,
    max_code: int = 255,
    count: int = 3,
    classes: Sequence[str] = (),
    contract: bool = False,
) -> fsref.Network:
    """A network with one fs population whose input and readout are as asked, with a contract that tells the order of
    channels alone, or with none.
    """
    given, readout = fsref.Input("input", shape, steps, max_code), fsref.Readout("logits", (count, 1, 1))
    net = chain(fsref.FS("relu", ONE, fsref.fs_relu(4)), given=given, readout=readout)
    pixels = fsref.Pixels(*shape, mean=(), std=(), scale=None, max_code=max_code) if contract else None
    return replace(net, classes=classes, contract=pixels)


def not_taken(kind: type[FsrefError], source: object, net: fsref.Network, *words: str, **options: Any) -> None:
    """The source is refused with this kind of error, all of these words in its line."""
    with refused(kind, says=words):
        load_images(str(source), net, **options)


def picture(path: Path, pixels: ArrayLike, mode: str | None = None) -> None:
    """Write pixels (H, W) or (H, W, 3) as an image file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(np.asarray(pixels, np.uint8))
    (image if mode is None else image.convert(mode)).save(path)


def grey(value: int = 0, height: int = 4, width: int = 6) -> NDArray[np.uint8]:
    """Pixels (height, width), a ramp along x from a value on."""
    return np.full((height, width), value, np.uint8) + np.arange(width, dtype=np.uint8)
