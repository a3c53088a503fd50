"""fsref: the golden reference simulator for few-spikes (FS) neurons. Integers only, every spike explicit. The law is SPEC.md beside this file."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from fsref import errors as errors
from fsref.errors import FsrefError
from fsref.network import SPEC_VERSION as SPEC_VERSION
from fsref.network import Contract, Network
from fsref.neuron import Table, fs_relu
from fsref.populations import FS, Input, MaxPool, Readout, Width
from fsref.projections import Conv2d, Dense, scale, shortcut, sum_pool

if TYPE_CHECKING:
    from fsref.checks import check
    from fsref.comparison import compare
    from fsref.conversion.converter import convert
    from fsref.conversion.from_onnx import from_onnx
    from fsref.conversion.from_torch import from_torch
    from fsref.conversion.graph import Graph
    from fsref.conversion.pixels import Pixels
    from fsref.data import load, load_images
    from fsref.explanations import explain
    from fsref.formats.exports import export
    from fsref.runner import run
    from fsref.scores import evaluate
    from fsref.trace import Record, diff

__version__ = "0.2.0"

_LAZY = {
    "check": "fsref.checks",
    "compare": "fsref.comparison",
    "convert": "fsref.conversion.converter",
    "diff": "fsref.trace",
    "evaluate": "fsref.scores",
    "explain": "fsref.explanations",
    "export": "fsref.formats.exports",
    "from_onnx": "fsref.conversion.from_onnx",
    "from_torch": "fsref.conversion.from_torch",
    "Graph": "fsref.conversion.graph",
    "load": "fsref.data",
    "load_images": "fsref.data",
    "Pixels": "fsref.conversion.pixels",
    "Record": "fsref.trace",
    "run": "fsref.runner",
}

__all__ = [
    "FS", "Contract", "Conv2d", "Dense", "FsrefError", "Graph", "Input", "MaxPool", "Network", "Pixels", "Readout", "Record", "Table", "Width",
    "check", "compare", "convert", "diff", "evaluate", "explain", "export", "from_onnx", "from_torch", "fs_relu", "load", "load_images", "run",
    "scale", "shortcut", "sum_pool",
]  # fmt: skip


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
