"""The layers that the operators of an ONNX model come from, read off the names that exporters write (GRAPH-8).

torch, legacy    /layer1/layer1.0/conv1/Conv                    layer1.0.conv1
torch, dynamo    the scopes beside node_relu_3                  layer1.0.relu
any torch        an operator whose weights are fc.weight        fc
tf2onnx          StatefulPartitionedCall/model/a/conv/Conv2D    a.conv
TFLite           model/a/Relu;model/a/BiasAdd;model/a/Conv2D    a
keras2onnx       conv2d_3                                       conv2d_3
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable

from fsref.importers.onnx.model import Operator, plain_name

SCOPES = "pkg.torch.onnx.name_scopes"  # of a node: those it stands in, outermost first, and its own name
WEIGHTS = re.compile(r"(?P<layer>[^/:]+)\.weight")
CALLS = re.compile(r"StatefulPartitionedCall(_\d+)?|PartitionedCall(_\d+)?")
KERNELS = re.compile(r".*/(Conv|Depthwise|depthwise|MatMul)[^/]*")  # of what TFLite joins: the layer with weights
NUMBERED = re.compile(r"(:\d+|__\d+)+$")  # what TensorFlow and tf2onnx add


def layers_of(operators: Iterable[Operator]) -> dict[str, str]:
    """The layer of each operator by its path, parts joined by dots; "" for the model itself."""
    found, split = dict[str, str](), dict[str, list[str]]()
    for operator in operators:
        if operator.path in found or operator.path in split:
            continue
        place = _of_torch(operator)
        if place is not None:
            found[operator.path] = plain_name(place) if place else ""
        elif len(parts := _parts(operator.path)) > 1:
            split[operator.path] = parts
        else:
            found[operator.path] = operator.path
    root = len(os.path.commonprefix([parts[:-1] for parts in split.values()])[:1])  # the model that all stand in
    for path, parts in split.items():
        layer = parts[root:]
        if len(layer) > 1 and (layer[-1][0].isupper() or layer[-1] == "depthwise"):  # TensorFlow's operator
            layer = layer[:-1]
        found[path] = ".".join(layer)
    return found


def _of_torch(operator: Operator) -> str | None:
    """The path of the module that an operator comes from; None where no name of torch tells it."""
    if operator.path.startswith("/"):
        modules = list[str]()
        for step in operator.path.split("/")[1:-1]:
            if modules and step.startswith(f"{modules[-1]}."):  # layer1/layer1.0: a list, and what stands in it
                modules.pop()
            modules.append(step)
        return ".".join(modules)
    if len(operator.inputs) > 1 and (weights := WEIGHTS.fullmatch(operator.inputs[1])):
        return weights["layer"]
    for entry in getattr(operator.proto, "metadata_props", ()):
        if entry.key == SCOPES and len(scopes := re.findall(r"'([^']*)'", entry.value)) > 1:
            return str(scopes[-2])
    return None


def _parts(path: str) -> list[str]:
    """The parts of a path as TensorFlow writes it."""
    joined = path.split(";")
    own = next(filter(KERNELS.fullmatch, reversed(joined)), joined[0])
    parts = [part for part in NUMBERED.sub("", own).split("/") if part and not CALLS.fullmatch(part)]
    return parts or [path]
