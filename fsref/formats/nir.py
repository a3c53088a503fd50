"""The weights and wiring of a network as a graph of the Neuromorphic Intermediate Representation (NIR-1).

| fsref | NIR |
|---|---|
| input | Input |
| conv2d | Conv2d of one group; the bias of a population is that of the first projection into it, the others have 0 |
| dense | Flatten, Affine; pooled: SumPool2d of the whole plane before them |
| fs | Scale by 1, which marks its place: K, T, h, d, and a bias map, are metadata |
| readout | Output |

NIR has no few-spikes neuron and no integer arithmetic: a program that does not read the metadata computes something
else. nir is imported when a function here is called, not before.
"""

from __future__ import annotations

import io
from itertools import pairwise
from os import PathLike
from typing import TYPE_CHECKING, Any, assert_never

import numpy as np
from numpy.typing import NDArray

from fsref.errors import UsageError
from fsref.formats.files import write
from fsref.law.network import Network
from fsref.law.neuron import Ints
from fsref.law.populations import FS, Input, MaxPool, Population, Readout, View
from fsref.law.projections import Conv2d, Dense, Gate, Linear, Projection

if TYPE_CHECKING:
    from nir import NIRGraph, NIRNode

RULE = "NIR-1"


def save(net: Network, path: str | PathLike[str], replace: bool = True) -> None:
    """Write the weights and wiring of a network as a NIR graph (NIR-1).

    Errors: UsageError for what NIR cannot hold, and where the package nir is missing; FileError.
    """
    made = graph(net)
    import nir

    file = io.BytesIO()
    nir.write(file, made, compression=None)  # compressed bytes differ from one zlib to the next
    write(file.getvalue(), path, RULE, replace)


def package() -> Any:
    """The package nir. Errors: UsageError when it is not installed."""
    try:
        import nir
    except ModuleNotFoundError:
        raise UsageError(RULE, "export", "needs the package nir", None, 'pip install "fsref[nir]"') from None
    return nir


def graph(net: Network) -> NIRGraph:
    """A network as a graph of NIR, whose shapes nir has checked. Errors: UsageError for what it cannot hold."""
    nir = package()
    flat = {p.name for p in net.populations if any(map(_is_dense, net.into(p.name).values()))}
    biases = {p.name: p.bias for p in net.integrating if p.bias.ndim == 1}
    nodes: dict[str, NIRNode] = {}
    edges: list[tuple[str, str]] = []
    for p in net.populations:
        shape = np.array([p.neurons] if p.name in flat else p.shape)
        nodes[p.name] = _population(p, shape)
        for index, (name, q) in enumerate(net.into(p.name).items()):
            if isinstance(q, Gate):
                raise UsageError(RULE, name, "NIR has no gate", q.by, "networks of convolutions and dense projections")
            _check(q, name, q.source in flat)
            none = np.zeros(p.shape[0], np.int64)
            bias = none if index else biases.get(p.name, none)  # a sum of nodes has the bias once
            parts = _projection(net[q.source], q, name, bias, q.source in flat)
            if p.name in flat and not _is_dense(q):
                parts[f"{name} flat"] = nir.Flatten(np.array(p.shape), 0, -1)
            nodes |= parts
            edges += pairwise([q.source, *parts, p.name])
    about = {"format": "fsref", "spec_version": net.spec_version, "network": net.name, "id": net.id}
    made: NIRGraph = nir.NIRGraph(nodes, edges, metadata=about)
    return made


def _population(p: Population, shape: Any) -> NIRNode:
    """The node of a population. Errors: UsageError."""
    import nir

    if not p.name.strip("."):
        raise UsageError(RULE, p.name, "no file of NIR holds this name", None, "a name that is not only dots")
    match p:
        case Input():
            told: dict[str, Any] = {"kind": p.kind, "K": p.steps, "max_code": p.max_code}
            return nir.Input({"input": shape}, metadata=told)
        case FS():
            told = {"kind": p.kind, "K": p.steps, "T": p.table.T, "h": p.table.h, "d": p.table.d}
            told |= {"bias": p.bias} if p.bias.ndim == 3 else {}
            return nir.Scale(np.ones(shape, np.int8), metadata=told)
        case Readout():
            return nir.Output({"output": shape}, metadata={"kind": p.kind})
        case MaxPool():
            raise UsageError(RULE, p.name, "NIR has no max-pool", p.kind, "networks of fs populations")
        case View():
            raise UsageError(RULE, p.name, "NIR has no view", p.kind, "networks of fs populations")
        case _:
            assert_never(p)


def _is_dense(q: Projection) -> bool:
    """Whether a projection takes its source as one list of neurons, and leaves one."""
    match q:
        case Conv2d() | Gate():
            return False
        case Dense():
            return True
        case _:
            assert_never(q)


def _check(q: Linear, name: str, flat: bool) -> None:
    """Nothing, when NIR has a node for a projection, from a source that is `flat` or not. Errors: UsageError."""
    match q:
        case Conv2d():
            planes = True
            top, left, bottom, right = q.padding
            if (top, left) != (bottom, right):
                raise UsageError(RULE, name, "NIR pads both sides alike", q.padding, "top = bottom, left = right")
            if q.kernel[0] != q.kernel[1]:  # nir 1.0.8 takes kh for kw where it tells shapes
                raise UsageError(RULE, name, "NIR knows the shape behind square kernels alone", q.kernel, "kh = kw")
        case Dense():
            planes = q.pooled
        case _:
            assert_never(q)
    if flat and planes:
        raise UsageError(RULE, name, "NIR has no way back from what dense flattens", q.source, "dense behind dense")


def _projection(source: Population, q: Linear, name: str, bias: Ints, flat: bool) -> dict[str, NIRNode]:
    """The nodes of a projection in their order, by name, behind a source that is `flat` or not."""
    import nir

    match q:
        case Conv2d():
            side, padding = source.shape[1:], q.padding[:2]
            weights = _of_one_group(q, source.shape[0])
            return {name: nir.Conv2d(side, weights, q.stride, padding, q.dilation, 1, bias)}
        case Dense():
            affine, shape = nir.Affine(q.weights, bias), np.array(source.shape)
            if flat:
                return {name: affine}
            if not q.pooled:
                return {f"{name} flat": nir.Flatten(shape, 0, -1), name: affine}
            summed = nir.SumPool2d(shape[1:], shape[1:], np.zeros(2, np.int64))
            once = np.array([len(q.weights[0]), 1, 1])
            return {f"{name} sum": summed, f"{name} flat": nir.Flatten(once, 0, -1), name: affine}
        case _:
            assert_never(q)


def _of_one_group(q: Conv2d, channels: int) -> NDArray[np.integer]:
    """The weights (O, C, kh, kw) of a convolution, 0 between groups: nir 1.0.8 tells a wrong shape of several."""
    if q.groups == 1:
        return q.weights
    outputs, inputs = q.weights.shape[:2]
    found = np.zeros((outputs, channels, *q.kernel), q.weights.dtype)
    for output in range(outputs):
        first = output // (outputs // q.groups) * inputs
        found[output, first : first + inputs] = q.weights[output]
    return found
