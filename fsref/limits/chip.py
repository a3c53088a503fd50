"""What a chip can do: the keys of a limits file, their bounds and their words (CHIP-1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from fsref.errors import UsageError, nearest, shown
from fsref.law.neuron import MAX_STEPS
from fsref.law.populations import MAX_NEURONS, MAX_SIDE, OBSERVABLES

KINDS = ("input", "fs", "max_pool", "view", "readout", "conv2d", "depthwise", "dense", "pooled", "gate")
BITS = 64
BOUNDS = {  # lowest and highest of the numbers of a file
    "steps": (1, MAX_STEPS),
    "weight_bits": (1, BITS),
    "bias_bits": (1, BITS),
    "threshold_bits": (1, BITS),
    "code_bits": (1, BITS),
    "membrane_bits": (1, BITS),
    "shape": (1, MAX_SIDE),
    "neurons": (1, MAX_NEURONS),
    "fan_in": (1, 2**40),
    "kernel": (1, MAX_SIDE),
    "stride": (1, MAX_SIDE),
    "padding": (0, MAX_SIDE),
    "dilation": (1, MAX_SIDE),
    "groups": (1, MAX_SIDE),
}
# How many numbers a list has; the others are one.
COUNTS = {"steps": 2, "shape": 3, "kernel": 2, "stride": 2, "padding": 2, "dilation": 2}
ONE_OF = {"overflow": ("trap", "saturate", "wrap"), "theta": ("channel", "layer"), "tables": ("any", "relu")}
SOME_OF = {"kinds": KINDS, "observables": OBSERVABLES}
MAX_NAME = 256


@dataclass(frozen=True)
class Limits:
    """The limits of a chip (CHIP-1); None is no limit.

    kinds and observables are names; steps (lowest, highest) K; shape (C, H, W), kernel, stride, padding and dilation
    (y, x) the largest; groups the most of a conv2d that is not depthwise; `overflow` says what an accumulator of
    `membrane_bits` does beyond them. Errors: UsageError.
    """

    name: str = ""
    kinds: Sequence[str] | None = None
    steps: Sequence[int] | None = None
    weight_bits: int | None = None
    bias_bits: int | None = None
    threshold_bits: int | None = None
    code_bits: int | None = None
    membrane_bits: int | None = None
    overflow: str = "trap"
    shape: Sequence[int] | None = None
    neurons: int | None = None
    fan_in: int | None = None
    kernel: Sequence[int] | None = None
    stride: Sequence[int] | None = None
    padding: Sequence[int] | None = None
    dilation: Sequence[int] | None = None
    groups: int | None = None
    theta: str = "channel"
    theta_power_of_two: bool = False
    tables: str = "any"
    bias_map: bool = True
    observables: Sequence[str] | None = None

    def __post_init__(self) -> None:
        for name, bounds in BOUNDS.items():
            object.__setattr__(self, name, _numbers(name, getattr(self, name), *bounds))
        if self.steps is not None and self.steps[0] > self.steps[1]:
            wanted = "wanted [LOWEST, HIGHEST]"
            raise UsageError("CHIP-1", "limits steps", "lowest above highest", list(self.steps), wanted)
        for name, known in SOME_OF.items():
            object.__setattr__(self, name, _words(name, getattr(self, name), known))
        for name, known in ONE_OF.items():
            if getattr(self, name) not in known:
                raise _unknown(name, getattr(self, name), known)
        for name in ("theta_power_of_two", "bias_map"):
            if not isinstance(value := getattr(self, name), bool):
                raise UsageError("CHIP-1", f"limits {name}", "not true or false", value)
        if not isinstance(self.name, str) or len(self.name) > MAX_NAME:
            raise UsageError("CHIP-1", "limits name", "not a name", self.name, f"at most {MAX_NAME} characters")
        if self.overflow != "trap" and self.membrane_bits is None:
            raise UsageError("CHIP-1", "limits overflow", "goes with membrane_bits", self.overflow)
        if self.reach[0] > self.reach[1]:
            limit = f"code_bits {self.code_bits}"
            raise UsageError("CHIP-1", "limits steps", "no codes are so narrow", self.reach[0], limit)

    @property
    def told(self) -> str:
        """What to call the chip in a line."""
        return shown(self.name) or "the chip"

    @property
    def reach(self) -> tuple[int, int]:
        """The smallest and the largest K of populations whose codes 0..2^K - 1 the chip takes."""
        low, high = self.steps or (1, MAX_STEPS)
        return low, high if self.code_bits is None else min(high, self.code_bits)

    @property
    def lacking(self) -> tuple[str, ...]:
        """The kinds that the chip does not have."""
        return () if self.kinds is None else tuple(kind for kind in KINDS if kind not in self.kinds)

    def to_dict(self) -> dict[str, Any]:
        """The keys that say something, as plain JSON values."""
        said = {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name) != f.default}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in said.items()}


def from_dict(plain: Any, place: str = "limits") -> Limits:
    """The limits that plain values say (CHIP-1). Errors: UsageError, which names the nearest key for an unknown one."""
    known = [f.name for f in fields(Limits)]
    if not isinstance(plain, Mapping):
        raise UsageError("CHIP-1", place, "not an object", type(plain).__name__, f"keys: {', '.join(known)}")
    for key in plain:
        if key not in known:
            meant = str(key)[:64].replace("accumulator", "membrane")  # its other name in this field
            raise UsageError("CHIP-1", place, "unknown key", key, nearest(meant, known))
    return Limits(**plain)


def _numbers(name: str, value: Any, low: int, high: int) -> int | tuple[int, ...] | None:
    """The integers of a limit, in range; None where there is none. Errors: UsageError."""
    if value is None:
        return None
    count = COUNTS.get(name)
    given = [value] if count is None else value
    good = isinstance(given, list | tuple) and len(given) == (count or 1)
    if not good or not all(type(n) is int and low <= n <= high for n in given):
        wanted = f"wanted {'an integer' if count is None else f'{count} integers'} {low}..{high}"
        raise UsageError("CHIP-1", f"limits {name}", "not in range", value, wanted)
    return int(given[0]) if count is None else tuple(given)


def _words(name: str, value: Any, known: Sequence[str]) -> tuple[str, ...] | None:
    """The names of a list, None where there is none. Errors: UsageError."""
    if value is None:
        return None
    if not isinstance(value, list | tuple):
        raise UsageError("CHIP-1", f"limits {name}", "not a list of names", value, ", ".join(known))
    for word in value:
        if word not in known:
            raise _unknown(name, word, known)
    return tuple(value)


def _unknown(name: str, word: Any, known: Sequence[str]) -> UsageError:
    """The error of a word that is none of those known."""
    return UsageError("CHIP-1", f"limits {name}", "unknown", word, nearest(str(word)[:64], list(known)))
