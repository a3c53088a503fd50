"""The input contract of a float graph: how codes become what the model sees (GRAPH-5)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fsref.graph.operators import LARGEST, Misfit, fit
from fsref.errors import GraphError, InputError
from fsref.law.populations import MAX_SIDE, Shape

ORDERS = {1: ("L",), 3: ("RGB", "BGR")}  # by channels, the default first; other numbers of channels have no order


@dataclass(frozen=True)
class Pixels:
    """The input contract: images (C, H, W) of codes 0..max_code, of which the model sees (code * scale - mean) / std
    per channel (GRAPH-5).

    Images come in the order RGB (or L); `order` "BGR" says that the model wants them reversed, mean and std then being
    in its order. An empty `order` is RGB for 3 channels, L for 1. mean and std may be one number for all channels; they
    are kept as tuples of one per channel. `resize` and `crop` say how image files become H x W. Errors: GraphError.
    """

    channels: int
    height: int
    width: int
    mean: tuple[float, ...] = 0.0  # type: ignore[assignment]  # one number is taken for all channels; a tuple once made
    std: tuple[float, ...] = 1.0  # type: ignore[assignment]
    scale: float = 1 / 255
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
                raise GraphError("GRAPH-5", f"input {name}", "not an integer in range", repr(value), f"1..{high}")
            object.__setattr__(self, name, int(value))
        try:
            fit(self.shape)
        except Misfit as misfit:
            raise GraphError("GRAPH-5", "input", *misfit.args) from None
        for name in ("mean", "std", "scale"):
            object.__setattr__(self, name, self._numbers(name))
        orders = ORDERS.get(self.channels, ("",))
        if self.order not in (*orders, ""):
            limit = f"{self.channels} channels: {' or '.join(orders) or 'none'}"
            raise GraphError("GRAPH-5", "input order", "not an order of these channels", repr(self.order), limit)
        object.__setattr__(self, "order", self.order or orders[0])

    def _numbers(self, name: str) -> tuple[float, ...] | float:
        """The field, checked; mean and std as one number per channel."""
        try:
            values = np.asarray(getattr(self, name), np.float64)
        except (TypeError, ValueError):
            values = np.asarray(None, np.float64)  # NaN
        if values.shape not in (((), (self.channels,)) if name != "scale" else ((),)):
            raise GraphError(
                "GRAPH-5",
                f"input {name}",
                "not one number, or one per channel",
                getattr(self, name),
                f"{self.channels} channels",
            )
        if not (np.abs(values) <= LARGEST).all() or (name != "mean" and not (values > 0).all()):
            raise GraphError(
                "GRAPH-5",
                f"input {name}",
                "not a number in range",
                getattr(self, name),
                "finite" if name == "mean" else "positive",
            )
        return float(values) if name == "scale" else tuple(np.broadcast_to(values, (self.channels,)).tolist())

    @property
    def shape(self) -> Shape:
        """(C, H, W)."""
        return self.channels, self.height, self.width

    def normalise(self, images: ArrayLike) -> NDArray[np.float32]:
        """What the model sees of images (B, C, H, W) of codes, float32. Errors: InputError."""
        codes = self.check(images)
        codes = codes[:, ::-1] if self.order == "BGR" else codes
        mean, std = (np.reshape(values, (-1, 1, 1)) for values in (self.mean, self.std))
        real: NDArray[np.float32] = ((codes * self.scale - mean) / std).astype(np.float32)
        return real

    def check(self, images: ArrayLike) -> NDArray[np.integer]:
        """The images as an array (B, C, H, W) when they are codes of this input; (B, H, W) is taken for one channel.
        Errors: InputError.
        """
        try:
            given = np.asarray(images)
        except ValueError:
            raise InputError(
                "GRAPH-5", "images", "not an array", type(images).__name__, "integer codes (B, C, H, W)"
            ) from None
        if given.dtype.kind not in "iu":
            raise InputError(
                "GRAPH-5", "images", "not an array of integers", given.dtype, f"integer codes 0..{self.max_code}"
            )
        if given.ndim == 3 and self.shape == (1, *given.shape[1:]):
            given = given[:, None]
        if given.ndim != 4 or given.shape[1:] != self.shape or not len(given):
            raise InputError(
                "GRAPH-5",
                "images",
                "shape does not meet the input",
                given.shape,
                f"(B, {self.channels}, {self.height}, {self.width}), B >= 1",
            )
        if int(given.min()) < 0 or int(given.max()) > self.max_code:
            at = tuple(np.argwhere((given < 0) | (given > self.max_code))[0].tolist())
            raise InputError("GRAPH-5", f"images{list(at)}", "code out of range", int(given[at]), f"0..{self.max_code}")
        return given
