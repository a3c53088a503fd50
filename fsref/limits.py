"""What a chip can do, and what of a network it cannot: read by conversion, checks, strategies and vectors (CHIP)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, assert_never

import numpy as np

from fsref.errors import UsageError, nearest, public
from fsref.law.network import Network
from fsref.law.neuron import relu_theta
from fsref.law.populations import FS, MAX_NEURONS, MAX_SIDE, OBSERVABLES, Input, MaxPool, Population, Readout
from fsref.law.projections import Conv2d, Dense, Projection
from fsref.law.ranges import width_bits
from fsref.law.widths import code_width, hull, weight_width

KINDS = ("input", "fs", "max_pool", "readout", "conv2d", "depthwise", "dense", "pooled")
LATER = ("gate",)  # kinds to come, which a file may name already
OVERFLOWS = ("refuse", "saturate", "wrap")
BOUNDS = {  # lowest and highest of the numbers of a file
    "steps": (1, 16),
    "weight_bits": (1, 32),
    "bias_bits": (1, 63),
    "code_bits": (1, 63),
    "membrane_bits": (1, 63),
    "shape": (1, MAX_SIDE),
    "neurons": (1, MAX_NEURONS),
    "fan_in": (1, 2**40),
    "kernel": (1, MAX_SIDE),
    "stride": (1, MAX_SIDE),
    "padding": (0, MAX_SIDE),
}
COUNTS = {"steps": 2, "shape": 3, "kernel": 2, "stride": 2, "padding": 2}  # numbers of a list; the others are one
WORDS = {
    "kinds": KINDS + LATER,
    "observables": OBSERVABLES,
    "overflow": OVERFLOWS,
    "theta": ("layer", "channel"),
    "tables": ("relu", "any"),
}


@public
@dataclass(frozen=True)
class Limits:
    """The limits of a chip (CHIP-1); None is no limit.

    kinds and observables are names; steps (lowest, highest) K; shape (C, H, W), kernel, stride and padding (y, x) the
    largest; `overflow` says what an accumulator of `membrane_bits` does beyond them. Errors: UsageError.
    """

    name: str = ""
    kinds: Sequence[str] | None = None
    steps: Sequence[int] | None = None
    weight_bits: int | None = None
    bias_bits: int | None = None
    code_bits: int | None = None
    membrane_bits: int | None = None
    overflow: str = "refuse"
    shape: Sequence[int] | None = None
    neurons: int | None = None
    fan_in: int | None = None
    kernel: Sequence[int] | None = None
    stride: Sequence[int] | None = None
    padding: Sequence[int] | None = None
    theta: str = "channel"
    theta_power_of_two: bool = False
    tables: str = "any"
    bias_map: bool = True
    observables: Sequence[str] | None = None

    def __post_init__(self) -> None:
        for name, (low, high) in BOUNDS.items():
            if (value := getattr(self, name)) is not None:
                object.__setattr__(self, name, _numbers(name, value, low, high))
        if self.steps is not None and self.steps[0] > self.steps[1]:
            raise UsageError(
                "CHIP-1", "limits steps", "lowest above highest", list(self.steps), "wanted [LOWEST, HIGHEST]"
            )
        for name, known in WORDS.items():
            value = getattr(self, name)
            many = name in ("kinds", "observables")
            if many and value is not None:
                object.__setattr__(self, name, value := tuple(value) if isinstance(value, Sequence) else value)
            for word in value or () if many and not isinstance(value, str) else [value]:
                if (word is not None or not many) and word not in known:
                    raise UsageError("CHIP-1", f"limits {name}", "unknown", word, f"wanted {', '.join(known)}")
        for name in ("theta_power_of_two", "bias_map"):
            if not isinstance(value := getattr(self, name), bool):
                raise UsageError("CHIP-1", f"limits {name}", "not true or false", value)
        if not isinstance(self.name, str):
            raise UsageError("CHIP-1", "limits name", "not a name", type(self.name).__name__)


def from_dict(plain: Any, place: str = "limits") -> Limits:
    """The limits that JSON values say (CHIP-1). Errors: UsageError, which names the nearest key for an unknown one."""
    known = [f.name for f in fields(Limits)]
    if not isinstance(plain, Mapping):
        raise UsageError("CHIP-1", place, "not an object", type(plain).__name__, f"keys: {', '.join(known)}")
    for key in plain:
        if key not in known:
            raise UsageError("CHIP-1", place, "unknown key", key, nearest(str(key), known))
    return Limits(**plain)


def _numbers(name: str, value: Any, low: int, high: int) -> int | tuple[int, ...]:
    """The integers of a limit, in range. Errors: UsageError."""
    count = COUNTS.get(name)
    given = [value] if count is None else value
    good = isinstance(given, Sequence) and not isinstance(given, str) and len(given) == (count or 1)
    if not good or not all(type(n) is int and low <= n <= high for n in given):
        wanted = f"wanted {'an integer' if count is None else f'{count} integers'} {low}..{high}"
        raise UsageError("CHIP-1", f"limits {name}", "not in range", value, wanted)
    return given[0] if count is None else tuple(given)


@dataclass(frozen=True)
class Misfit:
    """What a chip cannot do of a network: where, which limit, the value there, what is allowed, and what would do."""

    place: str
    limit: str
    value: str
    allowed: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.place}: {self.limit} {self.value} (at most {self.allowed}); {self.remedy} [CHIP-2]"


def misfits(net: Network, chip: Limits) -> list[Misfit]:
    """Everything of a network that a chip cannot do, population by population; empty when it fits (CHIP-2)."""
    found = []
    for p in net.populations:
        found += list(_population(net, p, chip))
        for name, q in net.into(p.name).items():
            found += list(_projection(net, name, q, chip))
    return found


def _population(net: Network, p: Population, chip: Limits) -> Iterator[Misfit]:
    """What a chip cannot do of a population itself."""
    if chip.kinds is not None and p.kind not in chip.kinds:
        yield Misfit(p.name, "kind", p.kind, ", ".join(chip.kinds), "build the network without it")
    K = net.steps[p.name]
    if chip.steps is not None and K and not chip.steps[0] <= K <= chip.steps[1]:
        yield Misfit(p.name, "steps", str(K), f"{chip.steps[0]}..{chip.steps[1]}", "convert with another K")
    if chip.shape is not None and any(a > b for a, b in zip(p.shape, chip.shape, strict=True)):
        yield Misfit(p.name, "shape", str(p.shape), str(tuple(chip.shape)), "split the population")
    if chip.neurons is not None and p.neurons > chip.neurons:
        yield Misfit(p.name, "neurons", f"{p.neurons:,}", f"{chip.neurons:,}", "split the population")
    codes = net.ranges[p.name].codes
    if chip.code_bits is not None and K and (bits := code_width(codes)) > chip.code_bits:
        yield Misfit(p.name, "code_bits", str(bits), str(chip.code_bits), "convert with fewer steps")
    match p:
        case Input():
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
    if not chip.bias_map and p.bias.ndim == 3:
        remedy = "convert --for, or pad with another value than the real 0"
        yield Misfit(p.name, "bias_map", "one bias per neuron", "one per channel", remedy)
    if chip.bias_bits is not None and (bits := width_bits(hull(p.bias))) > chip.bias_bits:
        yield Misfit(p.name, "bias_bits", str(bits), str(chip.bias_bits), "convert with a larger theta")
    if chip.membrane_bits is not None:
        proved = net.ranges[p.name]
        interval = proved.final if chip.overflow == "wrap" else proved.any_order
        if (bits := width_bits(interval)) > chip.membrane_bits:
            remedy = "fewer steps before it, or fewer bits of a weight"
            yield Misfit(p.name, f"membrane_bits ({chip.overflow})", str(bits), str(chip.membrane_bits), remedy)
    if chip.fan_in is not None:
        count = sum(_fan_in(net, q) for q in net.into(p.name).values())
        if count > chip.fan_in:
            yield Misfit(p.name, "fan_in", f"{count:,}", f"{chip.fan_in:,}", "split the sum over several populations")


def _fan_in(net: Network, q: Projection) -> int:
    """The most synapses of a projection that enter one neuron, where no tap is padded."""
    most = int(np.count_nonzero(q.weights.reshape(len(q.weights), -1), axis=1).max())
    _, height, width = net[q.source].shape
    return most * height * width if isinstance(q, Dense) and q.pooled else most


def _table(p: FS, chip: Limits) -> Iterator[Misfit]:
    """What of the thresholds a chip cannot do."""
    theta = relu_theta(p.table)
    if chip.tables == "relu" and theta is None:
        yield Misfit(p.name, "tables", "any", "relu", "convert with ReLU activations alone")
    if chip.theta == "layer" and p.table.channels is not None:
        yield Misfit(p.name, "theta", "one a channel", "one a layer", "convert --for")
    if chip.theta_power_of_two and theta is not None and (theta & (theta - 1)).any():
        yield Misfit(p.name, "theta_power_of_two", "another theta", "powers of two", "convert --power-of-two")


def _projection(net: Network, name: str, q: Projection, chip: Limits) -> Iterator[Misfit]:
    """What a chip cannot do of a projection."""
    match q:
        case Conv2d():
            kind = "depthwise" if q.groups == net[q.source].shape[0] > 1 else "conv2d"
            yield from _window(name, chip, q.kernel, q.stride, q.padding)
        case Dense():
            kind = "pooled" if q.pooled else "dense"
        case _:
            assert_never(q)
    if chip.kinds is not None and kind not in chip.kinds:
        yield Misfit(name, "kind", kind, ", ".join(chip.kinds), "build the network without it")
    if chip.weight_bits is not None and (bits := weight_width(q)) > chip.weight_bits:
        yield Misfit(name, "weight_bits", str(bits), str(chip.weight_bits), "convert --weight-bits")


def _window(
    name: str, chip: Limits, kernel: Sequence[int], stride: Sequence[int], padding: Sequence[int]
) -> Iterator[Misfit]:
    """What of a window a chip cannot do: its largest kernel, stride and padding, each (y, x)."""
    sides = max(padding[0], padding[2]), max(padding[1], padding[3])
    for what, given, most in (
        ("kernel", kernel, chip.kernel),
        ("stride", stride, chip.stride),
        ("padding", sides, chip.padding),
    ):
        if most is not None and (given[0] > most[0] or given[1] > most[1]):
            yield Misfit(name, what, str(tuple(given)), str(tuple(most)), "build the network with smaller windows")
