"""What one population of an FS network loses beside the float graph: sums over images, and the figures that follow
(CONV-10).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import asdict, dataclass
from math import inf, log10
from typing import Any, assert_never

import numpy as np
from numpy.typing import NDArray

from fsref.activations.coding import Coding
from fsref.errors import GraphError
from fsref.law.images import Pixels
from fsref.law.network import Network
from fsref.law.neuron import Ints
from fsref.law.populations import FS, Input, MaxPool, Readout, View
from fsref.tables import short

Floats = NDArray[np.float32]
PARTS = ("error", "inherited", "new", "codes", "arithmetic")


def ratio_db(power: float, noise: float) -> float:
    """10 log10(power / noise): inf without noise, -inf without power."""
    return inf if noise <= 0 else -inf if power <= 0 else 10 * log10(power / noise)


@dataclass(frozen=True, repr=False)
class Loss:
    """What one population loses. Powers are means of squares over all images and neurons, in real units; shares are
    0..1 (CONV-10).

    With f the value of the float graph, r = scale * (code - offset), g the float layer applied to the r of its sources,
    and r* the value of the code nearest to g: `power` is of f, `error` of r - f, `inherited` of g - f, `new` of r - g.
    Of the two parts of the new error `codes` is the power of r* - g (rounding and clipping: the least that these codes
    cost), `arithmetic` that of r - r* (weights, bias and thresholds as integers, or wrong ones). Of a population that
    follows a curve `fit` is the power of what its table gives of the exact membrane, less r*, and arithmetic that of r
    less what it gives; None of any other. Errors add, powers only about.

    `mean_error` is the mean of r - f, `mean_error_codes` the same in codes. `clipped` is the share of f more than half
    a code beyond what codes reach, `saturated` that of codes at `top`, the largest there is; `peak` is the largest
    seen. `dead` neurons never spike on these images, `inactive` ones stay at the low end of their activation in
    float (at 0 where there is none), `lost` ones are dead and not inactive; the gaps of a view are none of these. All
    are None where there are no codes.

    Of the new error: `constant` is the share that is one number per channel, as from a wrong bias; `channel` has most
    of it, `channel_share`; r times `gain` meets g best, and leaves the power `after_gain`, as with a wrong scale.
    `jump` is "codes", "arithmetic" or, mostly, "".
    """

    name: str
    kind: str
    steps: int
    neurons: int
    power: float
    error: float
    inherited: float
    new: float
    codes: float
    arithmetic: float
    mean_error: float
    mean_error_codes: float | None
    clipped: float | None
    saturated: float | None
    peak: int | None
    top: int | None
    dead: int | None
    inactive: int | None
    lost: int | None
    constant: float
    channel: int
    channel_share: float
    gain: float
    after_gain: float
    jump: str = ""
    fit: float | None = None

    def __repr__(self) -> str:
        mark = f", the {self.jump} part jumps" if self.jump else ""
        return short(f"<Loss of {self.name}: {self.snr:.1f} dB, new error at {self.db('new'):.1f} dB{mark}>")

    def db(self, part: str = "error") -> float:
        """The signal-to-noise ratio of a part of the error, 10 log10(power / part): inf without error, -inf where the
        float value is always 0.
        """
        return ratio_db(self.power, float(getattr(self, part)))

    @property
    def snr(self) -> float:
        """The signal-to-noise ratio of the whole error in dB."""
        return self.db()

    def to_dict(self) -> dict[str, Any]:
        """The row as plain JSON values: powers named so, and ratios in dB; a ratio is null without error (a part of 0)
        or without value (a power of 0).
        """
        parts = PARTS if self.fit is None else (*PARTS, "fit")
        told = {"K" if n == "steps" else n: v for n, v in asdict(self).items() if n not in (*PARTS, "fit")}
        powers = {f"{part}_power": getattr(self, part) for part in parts}
        ratios = {f"{part}_db": self.db(part) for part in parts}
        return told | powers | {name: None if abs(db) == inf else db for name, db in ratios.items()}


class Tally:
    """A population of a network, what its codes stand for, and the sums of its values over the images so far.

    `pixels` says what the codes of the input stand for, `low_end` what the population is in float when it is not
    active.
    """

    def __init__(self, net: Network, name: str, pixels: Pixels, low_end: float) -> None:
        source = origin(net, name)
        self.name, self.kind, self.steps, self.shape = name, net[name].kind, net.steps[name], net[name].shape
        self.neurons, self.low_end = net[name].neurons, low_end
        self.meaning, self.there = meaning(net, source, pixels), there(net, name)
        self.coding: Coding | None
        match source:
            case FS():
                self.coding = coding_of(net, source)
            case Input() | Readout():
                self.coding = None  # no scale of its own
            case _:
                assert_never(source)
        self.image_count, self.peak, self.fitted = 0, -(2**62), False
        self.sums: defaultdict[str, float] = defaultdict(float)
        self.by_channel = np.zeros((2, self.shape[0]))  # of the new error and its square
        self.spiked, self.active = np.zeros((2, self.neurons), bool)

    def real(self, codes: NDArray[Any]) -> Floats:
        """The real values that codes (b, C, H, W) stand for: 0 where a view shows nothing."""
        values = self.meaning(codes)
        return values if self.there is None else values * self.there

    def add(
        self,
        f: Floats,
        g: Floats,
        r: Floats,
        codes: Ints,
        trains: NDArray[np.integer[Any]] | None,
        ideal: Floats | None = None,
    ) -> None:
        """Take in a few images: float value, float layer on FS sources, FS value and its codes, each (b, C, H, W);
        trains (b, neurons); of a population with a fitted table what that gives of the exact membranes.
        """
        self.image_count += len(f)
        new = r - g
        parts = {"power": f, "error": r - f, "inherited": g - f, "arithmetic": new, "rr": r, "gg": g}
        if self.coding is not None and trains is not None:
            best = self.real(self.coding.code(g))
            parts |= {"arithmetic": r - best, "codes": best - g}
            if ideal is not None:
                parts |= {"arithmetic": r - ideal, "fit": ideal - best}
                self.fitted = True
            above, below = (self.meaning(np.asarray(end)) for end in (self.coding.top + 0.5, self.coding.low - 0.5))
            shown = True if self.there is None else self.there > 0
            self.sums["clipped"] += int((((f > above) | (f < below)) & shown).sum())
            self.sums["saturated"] += int(((codes == self.coding.top) & shown).sum())
            self.peak = max(self.peak, int(codes.max()))
            self.spiked |= trains.any(axis=0)
            self.active |= (f != self.low_end).reshape(len(f), -1).any(axis=0)
        for name, values in parts.items():
            self.sums[name] += float(np.square(values, dtype=np.float64).sum())
        self.sums["rg"] += float(np.multiply(r, g, dtype=np.float64).sum())
        self.sums["mean"] += float(parts["error"].sum(dtype=np.float64))
        if self.coding is not None:
            self.sums["mean codes"] += float((parts["error"] / self.coding.scale).sum(dtype=np.float64))
        self.by_channel += [
            new.sum(axis=(0, 2, 3), dtype=np.float64),
            np.square(new, dtype=np.float64).sum(axis=(0, 2, 3)),
        ]

    def loss(self) -> Loss:
        """The figures of all images so far."""
        count, sums = self.image_count * self.neurons, self.sums
        means, squares = self.by_channel
        new, channel = float(squares.sum()), int(squares.argmax())
        gain = sums["rg"] / sums["rr"] if sums["rr"] > 0 else 1.0
        coding, mean = self.coding, sums["mean"] / count
        shown = np.broadcast_to(1 if self.there is None else self.there, self.shape).ravel() > 0
        return Loss(
            name=self.name,
            kind=self.kind,
            steps=self.steps,
            neurons=self.neurons,
            power=sums["power"] / count,
            error=sums["error"] / count,
            inherited=sums["inherited"] / count,
            new=new / count,
            codes=sums["codes"] / count,
            arithmetic=sums["arithmetic"] / count,
            mean_error=mean,
            mean_error_codes=None if coding is None else sums["mean codes"] / count,
            clipped=None if coding is None else sums["clipped"] / count,
            saturated=None if coding is None else sums["saturated"] / count,
            peak=None if coding is None else self.peak,
            top=None if coding is None else coding.largest,
            dead=None if coding is None else int((~self.spiked & shown).sum()),
            inactive=None if coding is None else int((~self.active & shown).sum()),
            lost=None if coding is None else int((~self.spiked & self.active & shown).sum()),
            constant=float(np.square(means).sum() / (count / len(means)) / new) if new > 0 else 0.0,
            channel=channel,
            channel_share=float(squares[channel] / new) if new > 0 else 0.0,
            gain=gain,
            fit=sums["fit"] / count if self.fitted else None,
            after_gain=max(0.0, sums["gg"] - gain * sums["rg"]) / count if sums["rr"] > 0 else new / count,
        )


def origin(net: Network, name: str) -> Input | FS | Readout:
    """The population whose codes a population has: what a max-pool pools or a view shows, in the
    end; else itself (POOL-1, VIEW-1).
    """
    p = net[name]
    match p:
        case MaxPool() | View():
            return origin(net, p.source)
        case Input() | FS() | Readout():
            return p
        case _:
            assert_never(p)


def there(net: Network, name: str) -> Floats | None:
    """(H, W): 1 where a population shows a place of its `origin`, 0 where a view shows nothing (VIEW-1); None where
    it shows one everywhere, and of what is no view.
    """
    p, lists = net[name], [np.arange(n) for n in net[name].shape[1:]]
    while isinstance(p, View):  # each behind the one it shows
        lists = [
            np.where(own < 0, -1, places[np.maximum(own, 0)])
            for own, places in zip(lists, (p.rows, p.columns), strict=True)
        ]
        p = net[p.source]
    found = np.outer(lists[0] >= 0, lists[1] >= 0)
    return None if found.all() else found.astype(np.float32)


def meaning(net: Network, source: Input | FS | Readout, pixels: Pixels) -> Callable[[NDArray[Any]], Floats]:
    """A function from the codes (b, C, H, W) of a population, or from logits, to the real values they stand for
    (FILE-3, NET-8).
    """
    match source:
        case Input():
            return pixels.real
        case FS():
            coding = coding_of(net, source)
            return lambda codes: coding.value(codes).astype(np.float32)
        case Readout():
            scale = net.output_scales[source.name]
            return lambda logits: (logits * scale).astype(np.float32)
        case _:
            assert_never(source)


def coding_of(net: Network, source: FS) -> Coding:
    """What the codes of a population stand for, from the smallest to the largest of each channel: of the whole table
    where no d is negative, else those proved (RANGE-3). Errors: GraphError when the scale is not known.
    """
    if source.scale is None:
        raise GraphError("CONV-10", source.name, "scale is missing", None, "a code stands for scale * (code - offset)")
    d = net.code_weights[source.name]
    if (d >= 0).all():  # far below every threshold no step fires, far above every one does
        low, top = np.zeros(len(d), np.int64), d.sum(axis=1)
    else:
        low, top = net.ranges[source.name].codes.T
    scale = np.ravel(source.scale)[:, None, None]
    return Coding(scale, source.offset, top[:, None, None], low=low[:, None, None])
