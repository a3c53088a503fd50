"""fsref: the golden reference simulator for few-spikes (FS) neurons. Integers only, every spike explicit. The law is
SPEC.md beside this file.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from fsref import errors as errors
from fsref.errors import FsrefError
from fsref.version import SPEC_VERSION as SPEC_VERSION
from fsref.version import __version__ as __version__
from fsref.law.network import Contract, Network
from fsref.law.neuron import Table, fs_relu
from fsref.law.populations import FS, Input, MaxPool, Readout, Width
from fsref.law.projections import Conv2d, Dense, scale, shortcut, sum_pool

if TYPE_CHECKING:
    from fsref.verification.check import check
    from fsref.verification.compare import compare
    from fsref.conversion.converter import convert
    from fsref.importers.onnx.from_onnx import from_onnx
    from fsref.importers.torch.from_torch import from_torch
    from fsref.graph.graph import Graph
    from fsref.law.images import Pixels
    from fsref.formats.sources import load, load_images
    from fsref.verification.explain import explain
    from fsref.formats.export import export
    from fsref.simulation.run import run
    from fsref.metrics.score import evaluate
    from fsref.simulation.recording import Record, diff

_LAZY = {
    "check": "fsref.verification.check",
    "compare": "fsref.verification.compare",
    "convert": "fsref.conversion.converter",
    "diff": "fsref.simulation.recording",
    "evaluate": "fsref.metrics.score",
    "explain": "fsref.verification.explain",
    "export": "fsref.formats.export",
    "from_onnx": "fsref.importers.onnx.from_onnx",
    "from_torch": "fsref.importers.torch.from_torch",
    "Graph": "fsref.graph.graph",
    "load": "fsref.formats.sources",
    "load_images": "fsref.formats.sources",
    "Pixels": "fsref.law.images",
    "Record": "fsref.simulation.recording",
    "run": "fsref.simulation.run",
}

__all__ = [
    "FS",
    "Contract",
    "Conv2d",
    "Dense",
    "FsrefError",
    "Graph",
    "Input",
    "MaxPool",
    "Network",
    "Pixels",
    "Readout",
    "Record",
    "Table",
    "Width",
    "check",
    "compare",
    "convert",
    "diff",
    "evaluate",
    "explain",
    "export",
    "from_onnx",
    "from_torch",
    "fs_relu",
    "load",
    "load_images",
    "run",
    "scale",
    "shortcut",
    "sum_pool",
]


def __dir__() -> list[str]:
    """The public names, those not imported yet among them."""
    return sorted([*__all__, "SPEC_VERSION", "__version__", "errors"])


def __getattr__(name: str) -> Any:
    """Import what needs more than NumPy when it is first asked for."""
    if name in _LAZY:
        module = import_module(_LAZY[name])
        value = getattr(module, name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'fsref' has no attribute {name!r}")
