"""What onnx.reference makes of one operator (GRAPH-7): to fold constants, and to compare a graph with the model it came
from.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence

import numpy as np

from fsref.importers.onnx.model import Operator
from fsref.importers.onnx.values import Numbers
from fsref.importers.refusals import Unmapped

FOLDED = frozenset(
    "Abs Add And Cast Ceil Clip Concat ConstantOfShape DequantizeLinear Div "
    "Equal Exp Expand Flatten Floor Gather Greater GreaterOrEqual "
    "Identity Less LessOrEqual Log MatMul Max Min Mul Neg Not Or Pow QuantizeLinear "
    "Range Reciprocal ReduceMax ReduceMean ReduceMin ReduceProd "
    "ReduceSum Relu Reshape Round Shape Sign Size Slice Sqrt Squeeze Sub Sum Tile Transpose Unsqueeze Where".split()
)


# Where onnx.reference has no form of an older operator, or a wrong one (it normalises by the batch before opset 14): a
# newer one that means the same.
NEWER = {"BatchNormalization": 15, "DequantizeLinear": 19, "QuantizeLinear": 19}


def evaluated(operator: Operator, arrays: Sequence[Numbers | None], opset: int) -> list[Numbers]:
    """The outputs of an operator by onnx.reference. Errors: Unmapped when it cannot compute them."""
    from onnx import helper
    from onnx.reference import ReferenceEvaluator

    feeds = {name: array for name, array in zip(operator.inputs, arrays, strict=True) if array is not None}
    infos = [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)
        for name, array in feeds.items()
    ]
    outputs = [helper.make_empty_tensor_value_info(name) for name in operator.outputs if name]
    opsets = [helper.make_opsetid("", max(opset, NEWER.get(operator.op, 0)))]
    model = helper.make_model(helper.make_graph([operator.proto], "one", infos, outputs), opset_imports=opsets)
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            return [np.asarray(output) for output in ReferenceEvaluator(model).run(None, feeds)]
    except Exception as error:  # whatever wrong operands, or an operator it does not have, make it raise
        raise Unmapped(f"of constants: {type(error).__name__}", "constants that onnx.reference can compute") from None


def relied_on(operator: Operator) -> bool:
    """Whether onnx.reference is right about a pool: with auto_pad, with ceil_mode and with pads around strides of 1 it
    can be wrong.
    """
    a = operator.attributes
    if operator.op not in ("AveragePool", "MaxPool"):
        return True
    dense = operator.op == "MaxPool" and set(a.get("strides") or (1,)) == {1} and any(a.get("pads", ()))
    return a.get("auto_pad", "NOTSET") == "NOTSET" and not a.get("ceil_mode", 0) and not dense


def folded_size(operator: Operator, arrays: Sequence[Numbers | None]) -> int:
    """How many numbers a folded operator makes at most."""
    given = [array for array in arrays if array is not None]
    sizes = [array.size for array in given]
    if operator.op == "ConstantOfShape":
        return math.prod(int(size) for size in given[0].ravel())
    if operator.op == "Expand":
        return math.prod(sizes[:1] + [max(1, int(size)) for size in given[1].ravel()])
    if operator.op == "Tile":
        return math.prod(sizes[:1] + [int(size) for size in given[1].ravel()])
    if operator.op == "Range":
        start, limit, step = (float(array.ravel()[0]) for array in given)
        return int(abs(limit - start) / abs(step)) + 1
    if operator.op == "Gather":
        return sizes[0] * sizes[1]
    if operator.op == "MatMul":
        return int(math.prod(given[0].shape[:-1]) * math.prod(given[1].shape[:-2]) * given[1].shape[-1])
    ranks = range(-max((array.ndim for array in given), default=0), 0)
    broadcast = math.prod(max(array.shape[axis] for array in given if -axis <= array.ndim) for axis in ranks)
    return int(max(sum(sizes), broadcast))
