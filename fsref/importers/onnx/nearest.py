"""The nearest form, in a graph, of each ONNX operator that has none (GRAPH-7)."""

from __future__ import annotations

from fsref.importers.onnx.elementwise import ELEMENTWISE
from fsref.importers.onnx.quantisers import QUANTISERS
from fsref.importers.onnx.spelling import SPELLED

NEAREST = (
    dict.fromkeys(("Softmax", "LogSoftmax"), "Softmax at the very end")
    | dict.fromkeys(
        ("GroupNormalization", "InstanceNormalization", "LRN", "LayerNormalization", "LpNormalization"),
        "BatchNormalization",
    )
    | {
        "Ceil": "Floor or Round in a quantiser",
    }
)
# Those above work on each number alone, or keep the shape: what follows them is looked at too, as if they were not
# there. Those below do not.
PASSED = (*NEAREST, "BatchNormalization", *ELEMENTWISE, *SPELLED, *QUANTISERS)
NEAREST |= (
    dict.fromkeys(
        ("DynamicQuantizeLinear", "QAttention", "QLinearConcat", "QLinearLeakyRelu", "QLinearMul", "QLinearSigmoid"),
        "float operators between QuantizeLinear and DequantizeLinear of constant scales",
    )
    | dict.fromkeys(("If", "Loop", "Scan"), "a model without control flow")
    | {"DeformConv": "Conv"}
    | dict.fromkeys(("GlobalLpPool", "LpPool", "MaxRoiPool"), "MaxPool, AveragePool, or Slice with a step")
    | dict.fromkeys(("Expand", "Gather", "Split", "Tile"), "whole channels, rows and columns, taken or repeated")
    | {"ArgMax": "a model that ends in logits", "ReduceSum": "ReduceMean over H and W"}
)
