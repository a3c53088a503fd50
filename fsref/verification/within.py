"""What strategies may draw within the limits of a chip (CHIP-2): what is drawn freely, made smaller until it should
fit.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fsref.errors import UsageError
from fsref.law.neuron import Ints
from fsref.limits.chip import Limits

NEEDED = ("input", "fs", "readout")  # of every network
WAYS = ("conv2d", "depthwise", "dense", "pooled")  # of which it has one


class Within:
    """The limits as bounds on draws; without a chip nothing is bounded.

    `held` is a bound on every sum, an eighth of what accumulator and bias hold, so that several may add up. Errors:
    UsageError when no network at all would fit.
    """

    def __init__(self, chip: Limits) -> None:
        self.chip = chip
        lacking = [kind for kind in NEEDED if not self.has(kind)]
        if lacking or not any(map(self.has, WAYS)):
            wanted = lacking[0] if lacking else f"one of {', '.join(WAYS)}"
            raise UsageError("CHIP-2", "limits kinds", "no network is drawn without", wanted)
        lowest = 1 + chip.reach[0] if chip.tables == "relu" else 2 if chip.theta_power_of_two else 1
        if chip.threshold_bits is not None and chip.threshold_bits < lowest:
            problem, limit = "no network is drawn of so narrow a T", f"at least {lowest}"
            raise UsageError("CHIP-2", "limits threshold_bits", problem, chip.threshold_bits, limit)
        if self.fewest > self.sides((self.fewest, 1, 1))[0]:
            problem = "no network is drawn of depthwise alone with one channel"
            raise UsageError("CHIP-2", "limits kinds", problem, None, f"{self.fewest} channels, or conv2d or dense")
        widths = [bits for bits in (chip.membrane_bits, chip.bias_bits) if bits is not None]
        self.held: int | None = max(1, 2 ** (min(widths) - 1) // 8) if widths else None
        self.free = chip == Limits()

    def has(self, kind: str) -> bool:
        """Whether the chip has this kind."""
        return self.chip.kinds is None or kind in self.chip.kinds

    def groups(self, channels: int, outputs: int | None) -> list[int]:
        """The groups that a conv2d from so many channels may have, into so many where that is known."""
        divisors = [g for g in range(1, channels + 1) if channels % g == 0 and (outputs is None or outputs % g == 0)]
        kinds = {g: "depthwise" if g == channels > 1 else "conv2d" for g in divisors}
        most = channels if self.chip.groups is None else self.chip.groups
        return [g for g, kind in kinds.items() if self.has(kind) and (kind == "depthwise" or g <= most)]

    def joins(self, densely: bool, channels: int, outputs: int | None = None) -> bool:
        """Whether a dense projection is drawn: as was drawn, where the chip has both ways."""
        return (densely and (self.has("dense") or self.has("pooled"))) or not self.groups(channels, outputs)

    def steps(self, some: Sequence[int]) -> list[int]:
        """Those K of `some` that the chip takes, its own where there is none; few where its accumulator is narrow."""
        low, high = self.chip.reach
        if self.held is not None:
            high = max(low, min(high, self.held.bit_length() - 1))
        if self.chip.threshold_bits is not None and self.chip.tables == "relu":  # T[0] is at least 2^(K-1)
            high = min(high, self.chip.threshold_bits - 1)
        return [k for k in some if low <= k <= high] or [low]

    def sides(self, most: tuple[int, int, int]) -> tuple[int, int, int]:
        """The largest C, H, W up to `most`, with no more neurons than the chip has."""
        c, h, w = most if self.chip.shape is None else np.minimum(most, self.chip.shape).tolist()
        if self.chip.neurons is not None:
            c = min(c, self.chip.neurons)
            h = min(h, self.chip.neurons // c)
            w = min(w, self.chip.neurons // (c * h))
        return c, h, w

    def pair(self, what: str, most: tuple[int, int]) -> tuple[int, int]:
        """The largest kernel, stride or padding (y, x) up to `most`."""
        own = getattr(self.chip, what)
        return most if own is None else (min(most[0], own[0]), min(most[1], own[1]))

    @property
    def fewest(self) -> int:
        """The fewest channels of an input: two where only depthwise convolutions could read it."""
        return 2 if not any(map(self.has, ("conv2d", "dense", "pooled"))) else 1

    def channels(self, places: int, most: int) -> int:
        """How many channels a population of so many places may have, at least 1."""
        most = most if self.chip.shape is None else min(most, self.chip.shape[0])
        return most if self.chip.neurons is None else max(1, min(most, self.chip.neurons // places))

    def weights(self, weights: Ints, reach: int, places: int = 1) -> Ints:
        """Weights (O, ...) no wider than the chip's, of a fan-in that leaves room for a second projection, whose sums
        of codes up to `reach` stay in `held`; each is read `places` times.
        """
        flat = weights.reshape(len(weights), -1)
        if self.chip.weight_bits is not None:
            most = 2 ** (self.chip.weight_bits - 1) - 1
            flat = np.clip(flat, -most, most)
        if self.chip.fan_in is not None:
            flat = np.where(np.cumsum(flat != 0, axis=1) <= self.chip.fan_in // 2 // places, flat, 0)
        if self.held is not None:
            largest = int(np.abs(flat).sum(axis=1).max()) * reach
            if largest > self.held:
                flat = np.sign(flat) * (np.abs(flat) * self.held // largest)
        return flat.reshape(weights.shape)

    def theta(self, theta: Ints, steps: int) -> Ints:
        """Thetas that thresholds and membranes of the chip hold, powers of two where it asks for them."""
        most = 2**58
        if self.chip.threshold_bits is not None:
            most = (2 ** (self.chip.threshold_bits - 1) - 1) >> (steps - 1)
        if self.held is not None:
            most = min(most, self.held >> steps)
        theta = np.clip(theta, 1, max(1, most))
        return _powers(theta) if self.chip.theta_power_of_two else theta

    def rows(self, T: Ints, h: Ints, d: Ints) -> tuple[Ints, Ints, Ints]:
        """Rows (C, K) of a table of any order: powers of two where the chip asks for them, codes as narrow as its
        own.
        """
        widths = [bits for bits in (self.chip.threshold_bits, self.chip.membrane_bits) if bits is not None]
        if widths:
            most = max(1, 2 ** (min(widths) - 1) // 32)
            T, h = np.clip(T, -most, most), np.clip(h, -most, most)
        if self.chip.theta_power_of_two:
            T, h = _powers(T), _powers(h)
        if self.chip.code_bits is not None:
            largest, most = int(np.abs(d).sum(axis=1).max()), 2 ** (self.chip.code_bits - 1) - 1
            d = d if largest <= most else np.sign(d) * (np.abs(d) * most // largest)
        return T, h, d

    def bias(self, bias: Ints) -> Ints:
        """Biases within `held`."""
        return bias if self.held is None else np.clip(bias, -self.held, self.held)


def _powers(values: Ints) -> Ints:
    """The powers of two at or below the magnitudes of integers, 1 for 0."""
    return np.left_shift(np.ones_like(values), np.log2(np.maximum(np.abs(values), 1)).astype(np.int64))
