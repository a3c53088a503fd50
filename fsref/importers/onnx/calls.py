"""An ONNX operator with its operands, as the functions that map it read it (GRAPH-7).

Nothing in them knows the package onnx: a Call holds plain numbers, arrays and values. Constant operands are arrays,
folded before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from fsref.importers.onnx.values import Builder, Numbers, Value
from fsref.importers.refusals import Unmapped

Given: TypeAlias = Value | Numbers | None  # None: an optional operand left out
FLOATS = ("float32", "float64", "float16", "bfloat16")


@dataclass(frozen=True)
class Call:
    """One ONNX operator with its operands; `outputs` is how many of its outputs are read."""

    op: str
    given: tuple[Given, ...]
    attributes: Mapping[str, Any]
    outputs: int = 1

    def value(self, index: int = 0) -> Value:
        """The operand that depends on the image."""
        operand = self.given[index] if index < len(self.given) else None
        if not isinstance(operand, Value):
            raise Unmapped("reads a constant where a value is expected", "the value as first operand")
        return operand

    def constant(self, index: int, what: str) -> Numbers | None:
        """An operand that must not depend on the image; None when it is left out."""
        operand = self.given[index] if index < len(self.given) else None
        if isinstance(operand, Value):
            raise Unmapped(f"computes its {what} from the image", f"constant {what}")
        return operand

    def array(self, index: int, what: str) -> Numbers:
        """A constant operand that must be there."""
        operand = self.constant(index, what)
        if operand is None:
            raise Unmapped(f"has no {what}", f"constant {what}")
        return operand

    def integers(self, name: str, index: int) -> list[int] | None:
        """Integers that older opsets give as an attribute and newer ones as an operand; None when left out."""
        if name in self.attributes:
            return [int(number) for number in self.attributes[name]]
        operand = self.constant(index, name)
        return None if operand is None else [int(number) for number in np.ravel(operand)]


Handler: TypeAlias = Callable[[Builder, Call], Value | Numbers]
