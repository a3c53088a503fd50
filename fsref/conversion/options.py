"""The options of a conversion: those that are said, and those that a chip sets (CONV-9, CHIP-3)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from inspect import signature
from typing import Any, Literal

import numpy as np

from fsref.conversion.folded import Folded
from fsref.errors import GraphError, UsageError, nearest
from fsref.formats.chips import chip_of
from fsref.law.neuron import MAX_STEPS
from fsref.limits.chip import Limits

STEPS, WEIGHT_BITS, PERCENTILE = 8, 8, 99.9  # where nothing is said

CHOICES: dict[str, tuple[Any, ...]] = {
    "alpha": ("max", "percentile", "mse"),
    "rounding": ("nearest", "floor"),
    "power_of_two": (False, True),
    "bias_correction": ("none", "analytic", "empirical"),
    "refit": (False, True),
}
FITTED = {"alpha": "mse", "bias_correction": "empirical"}  # what refit does, and nothing else in its place (CONV-13)


def trained_in_few_bits(folded: Folded) -> list[str]:
    """The populations whose codes are those of their training: what refit must not touch (CONV-13)."""
    return [unit.name for unit in folded.units if unit.activation is not None and unit.activation.own is not None]


@dataclass(frozen=True)
class Options:
    """How a graph is converted; the defaults are those of `convert`."""

    steps: int | Mapping[str, int] = STEPS
    weight_bits: int = WEIGHT_BITS
    alpha: Literal["max", "percentile", "mse"] = "mse"
    percentile: float = PERCENTILE
    rounding: Literal["nearest", "floor"] = "nearest"
    power_of_two: bool = False
    bias_correction: Literal["none", "analytic", "empirical"] = "none"
    refit: bool = False
    chip: Limits | None = None

    def __post_init__(self) -> None:
        for name, allowed in CHOICES.items():
            value = getattr(self, name)
            if not isinstance(value, type(allowed[0])) or value not in allowed:
                raise GraphError("CONV-9", name, "unknown choice", value, ", ".join(map(str, allowed)))
        steps = {
            f"steps of {key}" if key else "steps": k
            for key, k in (self.steps if isinstance(self.steps, Mapping) else {"": self.steps}).items()
        }
        for name, value, high in [
            *((name, value, MAX_STEPS) for name, value in steps.items()),
            ("weight_bits", self.weight_bits, 16),
        ]:
            low = 2 if name == "weight_bits" else 1
            if not isinstance(value, int | np.integer) or isinstance(value, bool) or not low <= value <= high:
                raise GraphError("CONV-9", name, "integer out of range", value, f"{low}..{high}")
        if self.alpha != "percentile" and self.percentile != PERCENTILE:
            raise GraphError("CONV-9", "percentile", "goes with another alpha", self.alpha, 'alpha="percentile"')
        if not 50 < self.percentile <= 100:
            raise GraphError("CONV-9", "percentile", "out of range", self.percentile, "above 50, at most 100")
        for name, only in FITTED.items() if self.refit else ():
            if getattr(self, name) != only:
                raise GraphError("CONV-13", name, "does not go with refit", getattr(self, name), f"{only}, or no refit")
        if self.chip is not None:
            self._check_chip(self.chip)

    def _check_chip(self, chip: Limits) -> None:
        """Nothing, when the chip can do what the options say (CHIP-3). Errors: UsageError."""
        low, high = chip.reach
        for k in self.steps.values() if isinstance(self.steps, Mapping) else [self.steps]:
            if not low <= k <= high:
                raise UsageError("RUN-6", "steps", f"contradicts {chip.told}", k, f"{low}..{high}")
        if chip.weight_bits is not None and self.weight_bits > chip.weight_bits:
            limit = f"at most {chip.weight_bits}"
            raise UsageError("RUN-6", "weight_bits", f"contradicts {chip.told}", self.weight_bits, limit)
        if chip.theta_power_of_two and not self.power_of_two:
            raise UsageError("RUN-6", "power_of_two", f"contradicts {chip.told}", False, "thetas are powers of two")

    @classmethod
    def of(cls, function: Callable[..., Any], given: Mapping[str, Any]) -> Options:
        """The options that a function was given by keyword, those not given as the chip needs them (CHIP-3). Errors:
        GraphError, UsageError for an unknown one, naming the nearest of them and of the function's own, and for one
        that contradicts the chip, FileError.
        """
        known = [field.name for field in fields(cls)]
        if unknown := [name for name in given if name not in known]:
            others = [name for name in signature(function).parameters if name != "options"]
            limit = nearest(unknown[0], [*known, *others])
            raise UsageError("CONV-9", function.__name__, "unknown option", unknown[0], limit)
        chip = None if given.get("chip") is None else chip_of(given["chip"])
        steps = STEPS if chip is None else max(chip.reach[0], min(STEPS, chip.reach[1]))
        if isinstance(given.get("steps"), Mapping):
            given = {**given, "steps": {"": steps, **given["steps"]}}
        if given.get("refit") is True:
            given = {**FITTED, **given}
        if chip is None:
            return cls(**given)
        set_by_chip = {
            "steps": steps,
            "weight_bits": WEIGHT_BITS if chip.weight_bits is None else min(WEIGHT_BITS, chip.weight_bits),
            "power_of_two": chip.theta_power_of_two,
        }
        return cls(**{**set_by_chip, **given, "chip": chip})

    def to_dict(self) -> dict[str, Any]:
        """The options as plain JSON values; a chip where there is one."""
        plain = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "chip"}
        if isinstance(self.steps, Mapping):
            plain["steps"] = dict(self.steps)
        return plain if self.chip is None else {**plain, "chip": self.chip.to_dict()}

    def check_graph(self, folded: Folded) -> None:
        """Nothing, when every population that `steps` names takes its steps from there, and refit meets none that was
        trained with its codes. Errors: GraphError.
        """
        if self.refit and (trained := trained_in_few_bits(folded)):
            problem = "is trained in few bits, which refit would undo"
            raise GraphError("CONV-13", trained[0], problem, None, "without refit its codes are those of its training")
        known = set(folded.free)
        if isinstance(self.steps, Mapping) and (unknown := sorted(set(self.steps) - known - {""})):
            raise GraphError(
                "CONV-9",
                "steps",
                "no population of this name takes its steps from here",
                unknown[0],
                f"one of {', '.join(sorted(known))}",
            )

    def steps_of(self, name: str) -> int:
        """K of a population."""
        return int(self.steps.get(name, self.steps.get("", STEPS)) if isinstance(self.steps, Mapping) else self.steps)
