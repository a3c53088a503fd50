"""fsref: the golden reference simulator for few-spikes (FS) neurons. Integers only, every spike explicit. The law is
SPEC.md beside this file.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from fsref.version import SPEC_VERSION as SPEC_VERSION
from fsref.version import __version__ as __version__

if TYPE_CHECKING:
    from fsref import errors as errors
    from fsref import plots as plots
    from fsref import testing as testing
    from fsref.activations.fitting import fitted
    from fsref.conversion.converter import convert
    from fsref.conversion.search import search
    from fsref.errors import FsrefError
    from fsref.formats.bundled import load, load_graph, save
    from fsref.formats.sources import load_images
    from fsref.graph.graph import Graph
    from fsref.importers.onnx.from_onnx import from_onnx
    from fsref.importers.torch.from_torch import from_torch
    from fsref.law.images import Pixels
    from fsref.law.network import Network
    from fsref.law.neuron import Table, fs_relu
    from fsref.law.populations import FS, Input, MaxPool, Readout, View, Width
    from fsref.law.projections import Conv2d, Dense, Gate, scale, shortcut, sum_pool
    from fsref.metrics.counts import count
    from fsref.metrics.energy import energy
    from fsref.metrics.score import evaluate
    from fsref.rate_coding.score import rate_score
    from fsref.rate_coding.twin import rate_coded
    from fsref.reports.view import view
    from fsref.simulation.difference import diff
    from fsref.simulation.export import export
    from fsref.simulation.pipeline import run_pipelined
    from fsref.simulation.reader import read_trace
    from fsref.simulation.recording import Record, Trace
    from fsref.simulation.run import run
    from fsref.verification.check import check
    from fsref.verification.compare import compare
    from fsref.verification.explain import explain
    from fsref.verification.outcome import convert_and_score

_HOMES = {
    "FS": "law.populations",
    "Conv2d": "law.projections",
    "Dense": "law.projections",
    "FsrefError": "errors",
    "Gate": "law.projections",
    "Graph": "graph.graph",
    "Input": "law.populations",
    "MaxPool": "law.populations",
    "Network": "law.network",
    "Pixels": "law.images",
    "Readout": "law.populations",
    "Record": "simulation.recording",
    "Table": "law.neuron",
    "Trace": "simulation.recording",
    "View": "law.populations",
    "Width": "law.populations",
    "check": "verification.check",
    "compare": "verification.compare",
    "convert": "conversion.converter",
    "convert_and_score": "verification.outcome",
    "count": "metrics.counts",
    "diff": "simulation.difference",
    "energy": "metrics.energy",
    "evaluate": "metrics.score",
    "explain": "verification.explain",
    "export": "simulation.export",
    "fitted": "activations.fitting",
    "from_onnx": "importers.onnx.from_onnx",
    "from_torch": "importers.torch.from_torch",
    "fs_relu": "law.neuron",
    "load": "formats.bundled",
    "load_graph": "formats.bundled",
    "load_images": "formats.sources",
    "rate_coded": "rate_coding.twin",
    "rate_score": "rate_coding.score",
    "read_trace": "simulation.reader",
    "run": "simulation.run",
    "run_pipelined": "simulation.pipeline",
    "save": "formats.bundled",
    "scale": "law.projections",
    "search": "conversion.search",
    "shortcut": "law.projections",
    "sum_pool": "law.projections",
    "view": "reports.view",
}

__all__ = [
    "FS",
    "Conv2d",
    "Dense",
    "FsrefError",
    "Gate",
    "Graph",
    "Input",
    "MaxPool",
    "Network",
    "Pixels",
    "Readout",
    "Record",
    "Table",
    "Trace",
    "View",
    "Width",
    "check",
    "compare",
    "convert",
    "convert_and_score",
    "count",
    "diff",
    "energy",
    "evaluate",
    "explain",
    "export",
    "fitted",
    "from_onnx",
    "from_torch",
    "fs_relu",
    "load",
    "load_graph",
    "load_images",
    "rate_coded",
    "rate_score",
    "read_trace",
    "run",
    "run_pipelined",
    "save",
    "scale",
    "search",
    "shortcut",
    "sum_pool",
    "view",
]


def __dir__() -> list[str]:
    """The public names, those not imported yet among them."""
    return sorted([*__all__, "SPEC_VERSION", "__version__", "errors", "plots", "testing"])


def __getattr__(name: str) -> Any:
    """Import a name when it is first asked for: of the command line, an interrupt is caught before that."""
    if name in ("errors", "plots", "testing"):
        return import_module(f"fsref.{name}")
    if name in _HOMES:
        value = getattr(import_module(f"fsref.{_HOMES[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'fsref' has no attribute {name!r}")
