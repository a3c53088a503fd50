"""What may go in: the input contract (GRAPH-5, FILE-3), images of codes and their labels (RUN-1, NET-8), drawn images
(ID-3).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fsref.errors import GraphError, InputError, UsageError, literal, public
from fsref.law.arrays import as_array, as_images, as_labels
from fsref.law.neuron import Ints
from fsref.law.populations import MAX_NEURONS, MAX_SIDE, Input, Shape
from fsref.tables import plural, sizes

ORDERS = {1: ("L",), 3: ("RGB", "BGR")}  # by channels, the default first; other numbers of channels have no order
LARGEST = float(np.finfo(np.float32).max)
FAR = 10  # times a range of 0..1, or of its pixels, beyond which numbers are those of another scale
NUMBERS = ("scale", "mean", "std")


@public
@dataclass(frozen=True, repr=False)
class Pixels:
    """The input contract: images (channels, height, width) of codes 0..max_code, of which the model sees
    (code * scale - mean) / std per channel (GRAPH-5, FILE-3).

    Images come in the order RGB (or L); `order` "BGR" says that the model wants them reversed, mean and std then being
    in its order. An empty `order` is RGB for 3 channels, L for 1. mean and std may be one number for all channels; they
    are kept as tuples of one per channel. `resize` and `crop` say how image files become H x W. The file of a network
    may leave `scale` (None), `mean` or `std` (empty) untold; a float graph has to be told all three. Errors:
    GraphError.
    """

    channels: int
    height: int
    width: int
    mean: float | Sequence[float] = 0.0
    std: float | Sequence[float] = 1.0
    scale: float | None = 1 / 255
    max_code: int = 255
    order: str = ""
    resize: int | None = None
    crop: int | None = None

    def __post_init__(self) -> None:
        for name in ("channels", "height", "width", "max_code", "resize", "crop"):
            value, high = getattr(self, name), 2**16 - 1 if name == "max_code" else MAX_SIDE
            if value is None and name in ("resize", "crop"):
                continue
            if (
                isinstance(value, (bool, np.bool_))
                or not isinstance(value, (int, np.integer))
                or not 1 <= value <= high
            ):
                raise GraphError("GRAPH-5", f"input {name}", "not an integer in range", literal(value), f"1..{high}")
            object.__setattr__(self, name, int(value))
        if (size := self.channels * self.height * self.width) > MAX_NEURONS:
            raise GraphError("GRAPH-5", "input", "too many values", size, f"at most {MAX_NEURONS} in one image")
        self._check_sizes()
        for name in NUMBERS:
            object.__setattr__(self, name, self._numbers(name))
        orders = ORDERS.get(self.channels, ("",))
        if self.order not in (*orders, ""):
            limit = f"{plural(self.channels, 'channel')}: {' or '.join(orders) or 'none'}"
            raise GraphError("GRAPH-5", "input order", "not an order of these channels", literal(self.order), limit)
        object.__setattr__(self, "order", self.order or orders[0])

    def __repr__(self) -> str:
        told = [f"{name} {_told(getattr(self, name))}" for name in NUMBERS if name not in self.untold]
        made = [f"{name} {getattr(self, name)}" for name in ("resize", "crop") if getattr(self, name) is not None]
        size = f"{sizes(self.shape)} {self.order}".strip()
        return f"<Pixels {', '.join([size, f'codes 0 .. {self.max_code:,}', *told, *made])}>"

    def _check_sizes(self) -> None:
        """Nothing, when an image file that is resized and cropped as told can become H x W; else GraphError."""
        if self.crop is not None and (self.crop, self.crop) != (self.height, self.width):
            limit = f"images are {self.height} x {self.width}"
            raise GraphError("GRAPH-5", "input crop", "not the size of the images", self.crop, limit)
        shorter = min(self.height, self.width)
        if self.resize is not None and (self.resize < shorter if self.crop else self.resize != shorter):
            limit = f"{'at least ' * (self.crop is not None)}{shorter}, the shorter side of the images"
            raise GraphError("GRAPH-5", "input resize", "makes no images of this size", self.resize, limit)

    def _numbers(self, name: str) -> tuple[float, ...] | float | None:
        """The field, checked; mean and std as one number per channel; what is untold as it is."""
        given = getattr(self, name)
        if (given is None and name == "scale") or (isinstance(given, tuple | list) and not given and name != "scale"):
            return None if given is None else ()
        try:
            values = np.asarray(given, np.float64)
        except (TypeError, ValueError):
            values = np.asarray(None, np.float64)  # NaN
        place = f"input {name}"
        if values.shape not in (((), (self.channels,)) if name != "scale" else ((),)):
            limit = plural(self.channels, "channel")
            raise GraphError("GRAPH-5", place, "not one number, or one per channel", given, limit)
        if not (np.abs(values) <= LARGEST).all() or (name != "mean" and not (values > 0).all()):
            raise GraphError(
                "GRAPH-5", place, "not a number in range", given, "finite" if name == "mean" else "positive"
            )
        return float(values) if name == "scale" else tuple(np.broadcast_to(values, (self.channels,)).tolist())

    @property
    def shape(self) -> Shape:
        """(C, H, W)."""
        return self.channels, self.height, self.width

    @property
    def untold(self) -> tuple[str, ...]:
        """Which of scale, mean and std are not told."""
        return tuple(name for name in NUMBERS if getattr(self, name) in (None, ()))

    def doubt(self, highest: int | None = None) -> str:
        """A line when mean or std cannot be those of such pixels, else "": a mean where no pixel lies, numbers of
        pixels 0..1 where pixels go far beyond, a std far above all pixels. `highest` is the highest code of the images
        at hand; without it that of the contract.
        """
        top = (self.max_code if highest is None else highest) * (self.scale or 0)
        if self.untold:
            return ""
        mean, std = np.ravel(self.mean), np.ravel(self.std)
        raw = "; scale 1 ?"
        if (outer := (mean < 0) | (mean > top)).any():
            wrong = mean[outer][0]
            hint = raw if top < wrong <= self.max_code else ""
            return f"mean {wrong:g} lies outside the pixels' range 0..{top:g}{hint}"
        if top >= FAR and ((std < 1).any() or ((mean > 0) & (mean < 1)).any()):
            told = f"mean {mean[0]:g} and std {std[0]:g}"
            return f"{told} are those of pixels 0..1, not of the pixels' range 0..{top:g}; scale 1/{self.max_code} ?"
        if (std > FAR * top).any():
            return f"std {std.max():g} lies far above the pixels' range 0..{top:g}{raw if top < self.max_code else ''}"
        return ""

    def real(self, codes: NDArray[np.integer]) -> NDArray[np.float32]:
        """What codes (B, C, H, W), in the order the model wants, stand for: (code * scale - mean) / std."""
        assert self.scale is not None, "checked where graphs are made (GRAPH-5)"
        mean, std = (np.reshape(values, (-1, 1, 1)) for values in (self.mean, self.std))
        real: NDArray[np.float32] = ((codes * self.scale - mean) / std).astype(np.float32)
        return real

    def normalise(self, images: ArrayLike) -> NDArray[np.float32]:
        """What the model sees of images (B, C, H, W) of codes, float32. Errors: InputError."""
        codes = self.check(images)
        return self.real(codes[:, ::-1] if self.order == "BGR" else codes)

    def check(self, images: ArrayLike) -> NDArray[np.integer]:
        """The images as an array (B, C, H, W) when they are codes of this input. Errors: InputError [GRAPH-5]."""
        return check_codes(images, self.shape, self.max_code, "GRAPH-5")


def _told(numbers: float | Sequence[float]) -> str:
    """A number of the contract, or one per channel, in a few words."""
    values = list(np.atleast_1d(numbers))
    if len(set(values)) == 1:
        return f"{values[0]:g}"
    few = len(values) <= 4
    return f"({', '.join(f'{v:g}' for v in values)})" if few else f"{min(values):g} .. {max(values):g} by channel"


def check_codes(images: ArrayLike, shape: Shape, max_code: int, rule: str = "RUN-1") -> NDArray[np.integer]:
    """The images as an array (B, C, H, W) of integers when they are codes 0..max_code of an input of `shape`;
    (B, H, W) is taken for one channel (RUN-1). Errors: InputError naming `rule`.
    """
    given = as_images(as_array(images, rule, "images", "wanted codes (B, C, H, W)"), shape, max_code, rule, "images")
    if (at := outside(given, max_code)) is not None:
        raise InputError(rule, f"images{list(at)}", "code out of range", int(given[at]), f"wanted 0..{max_code}")
    return given


def outside(x: NDArray[np.integer], max_code: int) -> tuple[int, ...] | None:
    """The first place of an array that holds no code 0..max_code, None when every one does (RUN-1)."""
    if int(x.min()) >= 0 and int(x.max()) <= max_code:
        return None
    return tuple(np.argwhere((x < 0) | (x > max_code))[0].tolist())


def check_images(population: Input, images: ArrayLike) -> Ints:
    """The images as int64 (B, C, H, W), when they are codes of this input (RUN-1). Errors: InputError."""
    return np.ascontiguousarray(check_codes(images, population.shape, population.max_code), dtype=np.int64)


def check_labels(labels: ArrayLike | None, images: int, classes: int) -> Ints:
    """The labels as int64 (B,), when they are classes 0..classes - 1, one for each of so many images (NET-8, RUN-1).

    Errors: InputError; where there are no classes, for any labels.
    """
    if not classes:
        limit = "labels None"
        raise InputError(
            "NET-8", "labels", "the network has no classes: its output is no single row of logits", None, limit
        )
    if labels is None:
        raise InputError("RUN-1", "labels", "the images have none", None, "wanted one class per image")
    given = as_array(labels, "RUN-1", "labels", "wanted one class per image")
    given = as_labels(given, images, classes, "RUN-1", "labels")
    wrong = np.flatnonzero((given < 0) | (given >= classes))
    if len(wrong):
        first = int(wrong[0])
        raise InputError("RUN-1", f"labels[{first}]", "no such class", int(given[first]), f"wanted 0..{classes - 1}")
    return given.astype(np.int64)


def drawn_words(seed: int, first: int, count: int) -> NDArray[np.uint64]:
    """Words number first .. first + count - 1 of SplitMix64 from seed 0..2^64-1, (count,) (ID-3)."""
    number = np.arange(first + 1, first + count + 1, dtype=np.uint64)
    z = np.array([seed], np.uint64) + number * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: NDArray[np.uint64] = z ^ (z >> np.uint64(31))
    return mixed


def drawn_images(into: Input | Pixels, count: int, seed: int = 1) -> Ints:
    """`count` images for an input from seed 0..2^64-1, int64 (count, C, H, W), the same on every machine (ID-3)."""
    if count < 1 or not 0 <= seed < 2**64:
        limit = f"1 or more, 0..{2**64 - 1}"
        raise UsageError("ID-3", "drawn images", "count or seed out of range", (count, seed), limit)
    z = drawn_words(seed, 0, count * prod(into.shape))
    codes: Ints = (((z >> np.uint64(32)) * np.uint64(into.max_code + 1)) >> np.uint64(32)).astype(np.int64)
    return codes.reshape(count, *into.shape)
