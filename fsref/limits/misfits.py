"""What of a network a chip cannot do, place by place, and what would do (CHIP-2)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, assert_never

import numpy as np

from fsref.errors import shown
from fsref.law.network import Network
from fsref.law.neuron import Ints, relu_theta
from fsref.law.populations import FS, Input, MaxPool, Population, Readout, View
from fsref.law.projections import Conv2d, Dense, Gate, Projection
from fsref.law.ranges import Range, width_bits
from fsref.law.synapses import fan_in
from fsref.law.widths import code_width, hull, weight_width
from fsref.limits.chip import Limits
from fsref.tables import Sheet, Shown, plural


@dataclass(frozen=True)
class Misfit:
    """What a chip cannot do of a network: where, which limit, the value there, what is allowed, and what would do."""

    where: str
    breaks: str
    value: str
    allowed: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.where}: {self.breaks} {self.value}, allowed {self.allowed}: {self.remedy}"


@dataclass(frozen=True, repr=False)
class Fit(Shown):
    """Whether a network fits a chip: all `misfits`, population by population, and the kinds that the chip is `lacking`
    (CHIP-2).
    """

    network: str
    id: str
    chip: Limits
    misfits: tuple[Misfit, ...]

    @classmethod
    def of(cls, net: Network, chip: Limits) -> Fit:
        """The network beside the chip."""
        return cls(net.name, net.id, chip, tuple(misfits(net, chip)))

    @property
    def fits(self) -> bool:
        """Whether nothing misfits."""
        return not self.misfits

    @property
    def lacking(self) -> tuple[str, ...]:
        """The kinds that the chip does not have."""
        return self.chip.lacking

    @property
    def line(self) -> str:
        """Whether it fits, and what the chip lacks, in a line."""
        count = "fits" if self.fits else f"does not fit, {plural(len(self.misfits), 'misfit')}:"
        lacking = f", which has no {', '.join(self.lacking)}" if self.lacking else ""
        return f"{shown(self.network) or 'network'} {self.id[:12]} {count} {self.chip.told}{lacking}"

    def __repr__(self) -> str:
        return f"<Fit: {self.line}>"

    def sheet(self) -> Sheet:
        """The misfits as a table; the line alone where there are none."""
        rows = [(m.where, m.breaks, m.value, m.allowed, m.remedy) for m in self.misfits]
        return (
            Sheet(self.line, ("place", "limit", "value", "allowed", "what would do"), rows, 5)
            if rows
            else Sheet(self.line)
        )

    def to_dict(self) -> dict[str, Any]:
        """The fit as plain JSON values."""
        found = [asdict(m) for m in self.misfits]
        told = {"chip": self.chip.to_dict(), "fits": self.fits, "misfits": found, "lacking": list(self.lacking)}
        return {"network": self.network, "id": self.id, **told}


def misfits(net: Network, chip: Limits) -> Iterator[Misfit]:
    """Everything of a network that a chip cannot do, population by population, each before the projections into it."""
    for p in net.populations:
        yield from _population(net, p, chip)
        for name, q in net.into(p.name).items():
            yield from _projection(net, name, q, chip)


def accumulated(proved: Range, chip: Limits) -> Ints:
    """The interval (C, 2) that an accumulator of the chip has to hold: modulo 2^b only what comes out of a sum, else
    all that may stand in it on the way (RANGE-1, RANGE-2).
    """
    return proved.final if chip.overflow == "wrap" else proved.any_order


def _population(net: Network, p: Population, chip: Limits) -> Iterator[Misfit]:
    """What a chip cannot do of a population itself."""
    if chip.kinds is not None and p.kind not in chip.kinds:
        yield Misfit(p.name, "kinds", p.kind, "none", "a network without it")
    steps = net.steps[p.name]
    fewer = "an input of fewer bits" if p is net.input else "convert --for, or another -K"
    if chip.steps is not None and steps and not chip.steps[0] <= steps <= chip.steps[1]:
        yield Misfit(p.name, "steps", str(steps), f"{chip.steps[0]}..{chip.steps[1]}", fewer)
    if chip.shape is not None and any(a > b for a, b in zip(p.shape, chip.shape, strict=True)):
        yield Misfit(p.name, "shape", str(p.shape), str(tuple(chip.shape)), "the population in parts")
    if chip.neurons is not None and p.neurons > chip.neurons:
        yield Misfit(p.name, "neurons", f"{p.neurons:,}", f"{chip.neurons:,}", "the population in parts")
    if chip.code_bits is not None and steps and (bits := code_width(net.ranges[p.name].codes)) > chip.code_bits:
        yield Misfit(p.name, "code_bits", str(bits), str(chip.code_bits), fewer)
    match p:
        case Input() | View():
            return
        case MaxPool():
            yield from _window(p.name, chip, p.kernel, p.stride, p.padding)
        case FS():
            yield from _membranes(net, p, chip)
            yield from _table(p, chip)
        case Readout():
            yield from _membranes(net, p, chip)
        case _:
            assert_never(p)


def _membranes(net: Network, p: FS | Readout, chip: Limits) -> Iterator[Misfit]:
    """What of bias, accumulator and fan-in a chip cannot hold."""
    smaller = "convert --for: a smaller theta"
    if not chip.bias_map and p.bias.ndim == 3:
        yield Misfit(p.name, "bias_map", "one bias a neuron", "one a channel", "convert --for")
    if chip.bias_bits is not None and (bits := width_bits(hull(p.bias))) > chip.bias_bits:
        yield Misfit(p.name, "bias_bits", str(bits), str(chip.bias_bits), smaller)
    if chip.membrane_bits is not None:
        bits = width_bits(accumulated(net.ranges[p.name], chip))
        if bits > chip.membrane_bits:
            fewer = "" if chip.overflow == "wrap" else "; check --prove may need fewer"
            yield Misfit(p.name, "membrane_bits", str(bits), f"{chip.membrane_bits}, {chip.overflow}", smaller + fewer)
    into = list(net.into(p.name).values())
    if chip.fan_in is None:
        return
    if (count := int(fan_in(into, [net[q.source].shape for q in into], p.shape).max())) > chip.fan_in:
        passes = -(-count // chip.fan_in)
        remedy = f"{passes:,} passes of {chip.fan_in:,} into one membrane"
        yield Misfit(p.name, "fan_in", f"{count:,}", f"{chip.fan_in:,}", remedy)


def _table(p: FS, chip: Limits) -> Iterator[Misfit]:
    """What of the thresholds a chip cannot do."""
    if chip.tables == "relu" and relu_theta(p.table) is None:
        yield Misfit(p.name, "tables", "any", "relu", "2^K levels of a ReLU")
    if chip.theta == "layer" and p.table.channels is not None:
        yield Misfit(p.name, "theta", "one row a channel", "one a layer", "convert --for")
    both = np.concatenate([p.table.T.ravel(), p.table.h.ravel()])
    if chip.theta_power_of_two and ((both < 1) | (both & (both - 1) != 0)).any():
        yield Misfit(p.name, "theta_power_of_two", "others", "powers of two", "convert --for")
    if chip.threshold_bits is not None and (bits := width_bits(hull(both))) > chip.threshold_bits:
        yield Misfit(p.name, "threshold_bits", str(bits), str(chip.threshold_bits), "convert --for: a smaller theta")


def _projection(net: Network, name: str, q: Projection, chip: Limits) -> Iterator[Misfit]:
    """What a chip cannot do of a projection."""
    match q:
        case Conv2d():
            kind = "depthwise" if q.groups == net[q.source].shape[0] > 1 else "conv2d"
            yield from _window(name, chip, q.kernel, q.stride, q.padding, q.dilation)
            if kind == "conv2d" and chip.groups is not None and q.groups > chip.groups:
                yield Misfit(name, "groups", str(q.groups), str(chip.groups), "a network of fewer groups")
        case Dense():
            kind = "pooled" if q.pooled else "dense"
        case Gate():
            kind = "gate"
        case _:
            assert_never(q)
    if chip.kinds is not None and kind not in chip.kinds:
        yield Misfit(name, "kinds", kind, "none", "a network without it")
    if chip.weight_bits is not None and (bits := weight_width(q)) > chip.weight_bits:
        yield Misfit(name, "weight_bits", str(bits), str(chip.weight_bits), "convert --for, or fewer --weight-bits")


def _window(
    name: str,
    chip: Limits,
    kernel: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int] = (1, 1),
) -> Iterator[Misfit]:
    """What of a window a chip cannot do: its kernel, its stride, its padding, of two sides the larger, and its
    dilation, (y, x).
    """
    sides = max(padding[0], padding[2]), max(padding[1], padding[3])
    for what, given, most in (
        ("kernel", kernel, chip.kernel),
        ("stride", stride, chip.stride),
        ("padding", sides, chip.padding),
        ("dilation", dilation, chip.dilation),
    ):
        if most is not None and (given[0] > most[0] or given[1] > most[1]):
            yield Misfit(name, what, str(tuple(given)), str(tuple(most)), "a network of smaller windows")
