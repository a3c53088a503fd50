"""What a network or float graph takes and answers, as far as images and labels are concerned (RUN-4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fsref.errors import InputError, UsageError
from fsref.graph.graph import Graph
from fsref.law.images import Pixels, outside
from fsref.law.network import Network
from fsref.law.populations import MAX_SIDE, Shape


@dataclass(frozen=True)
class Intake:
    """The input contract, how many classes there are, 0 where there are none (NET-8), and their names, if any."""

    pixels: Pixels
    count: int
    classes: Sequence[str]

    @property
    def shape(self) -> Shape:
        """(C, H, W)."""
        return self.pixels.shape

    @property
    def channels(self) -> str:
        """L or RGB, the order of images (GRAPH-5); "" where the input has neither one channel nor three."""
        return "RGB" if self.pixels.order == "BGR" else self.pixels.order

    def sized(self, resize: int | None, crop: int | None) -> tuple[int | None, int | None]:
        """How image files are resized and cropped: as asked, else as the contract says. Errors: UsageError."""
        for option, side in (("resize", resize), ("crop", crop)):
            check_option(option, side, MAX_SIDE)
        return resize or self.pixels.resize, crop or self.pixels.crop

    def check_codes(self, x: NDArray[np.integer], places: Sequence[str]) -> None:
        """Nothing, when images (B, C, H, W), one at each place, are codes of the input (RUN-1). Errors: InputError."""
        if (at := outside(x, self.pixels.max_code)) is not None:
            limit = f"wanted 0..{self.pixels.max_code}; pixels are taken as codes, never rescaled"
            raise InputError("RUN-1", f"{places[at[0]]} {list(at[1:])}", "code out of range", int(x[at]), limit)


def check_option(option: str, value: int | None, high: int | None = None) -> None:
    """Nothing, when an option is not given, or an integer of 1 or more, up to `high`. Errors: UsageError."""
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if value is not None and not (whole and 1 <= value <= (high or value)):
        limit = "wanted 1 or more" if high is None else f"wanted 1..{high}"
        raise UsageError("RUN-4", option, "not an integer in range", value, limit)


def intake(model: Network | Graph) -> Intake:
    """What a model takes and answers. Errors: GraphError for a float graph without input contract."""
    match model:
        case Graph():
            count = model.class_count
            return Intake(model.contract(), count, model.classes if len(model.classes) == count else ())
        case Network():
            untold = Pixels(*model.input.shape, mean=(), std=(), scale=model.input.scale, max_code=model.input.max_code)
            return Intake(model.contract or untold, model.class_count, model.class_names)
