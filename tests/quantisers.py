"""The quantisers of QONNX and FINN by their formulas, for onnx.reference, which does not have them."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx.reference.op_run import OpRun

QONNX, FINN = "qonnx.custom_op.general", "finn.custom_op.general"
F = np.float32


class Quant(OpRun):
    """QONNX's quantiser, by its formula."""

    op_domain = QONNX

    def _run(self, x: Any, scale: Any, zero: Any, bits: Any, signed: int, narrow: int, rounding_mode: str) -> Any:
        low = -(2 ** (int(bits) - 1)) + narrow if signed else 0
        high = 2 ** (int(bits) - 1) - 1 if signed else 2 ** int(bits) - 1 - narrow
        rounding = {"ROUND": np.round, "FLOOR": np.floor}[rounding_mode]
        return (((rounding(np.clip(x / scale + zero, low, high)) - zero) * scale).astype(F),)


class BipolarQuant(OpRun):
    """QONNX's sign."""

    op_domain = QONNX

    def _run(self, x: Any, scale: Any) -> Any:
        return ((np.where(x >= 0, 1, -1) * scale).astype(F),)


class MultiThreshold(OpRun):
    """FINN's staircase."""

    op_domain = FINN

    def _run(self, x: Any, thresholds: Any, out_scale: float, out_bias: float, out_dtype: str) -> Any:
        reached = (np.moveaxis(x, 1, -1)[..., None] >= thresholds).sum(axis=-1)
        return ((np.moveaxis(reached, -1, 1) * out_scale + out_bias).astype(F),)


OPERATORS = [Quant, BipolarQuant, MultiThreshold]
