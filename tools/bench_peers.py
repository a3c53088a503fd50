# SPDX-License-Identifier: Apache-2.0
"""What tools/bench.py lets run: fsref and its peers. Their settings are fixed here, before anything is tuned.

| peer | settings |
|---|---|
| ONNX Runtime float32 | the float graph, batch norms folded, all graph optimisations, images normalised beforehand |
| ONNX Runtime int8 | of that graph by quantize_static: activations uint8, weights int8 per channel, MinMax over the \
calibration images, as QDQ and as QOperator; the better of the two counts |
| ONNX Runtime on the export | the integers that `fsref export onnx` writes |
| PyTorch float32 | the float graph, batch norms folded, channels_last, inference_mode |
| PyTorch, FS loop | each FS neuron a loop over K, in place, as its authors write it; a projection once per image |
| PyTorch, spike planes | each projection once per step, on a plane of weighted spikes |
| SpikingJelly | FewSpikeNode, single-step and multi-step; the better of the two counts |
| onnx.reference | the export; four images |

A contestant gets images in its own form and gives logits: turning images into that form is not timed.
"""

from __future__ import annotations

import importlib.util
import io
import logging
import tempfile
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import fsref
from bench_graphs import without_norms, written
from bench_networks import Subject

Images = NDArray[np.integer]
FEW = 4  # images of a slow peer
FLOAT, SPIKING = "float", "spiking"  # what a peer runs: the float graph, once for all K, or an FS network


@dataclass(frozen=True)
class Contestant:
    """A peer made ready: `prepared` gives images in its own form, `run` is what is timed, `logits` are those of what
    it gave.
    """

    prepared: Callable[[Images], Any]
    run: Callable[[Any], Any]
    logits: Callable[[Any], NDArray[Any]] = lambda given: np.asarray(given[0])


@dataclass(frozen=True)
class Peer:
    """A peer by its name: `kind` what it runs, `needs` the modules without which it is left out, `make` makes it ready
    for a subject, K and threads. A `slow` one runs on few images, one at a time, and not on large networks; a `heavy`
    one is left out where --quick is given.
    """

    name: str
    kind: str
    needs: tuple[str, ...]
    make: Callable[[Subject, int, int], Contestant]
    slow: bool = False
    heavy: bool = False

    @property
    def missing(self) -> list[str]:
        """The modules that are not installed."""
        return [name for name in self.needs if importlib.util.find_spec(name) is None]


def _engine(name: str) -> Callable[[Subject, int, int], Contestant]:
    def make(subject: Subject, steps: int, threads: int) -> Contestant:
        net = subject.network(steps)

        def run(x: Images) -> Any:
            return fsref.run(net, x, name, threads=threads)

        return Contestant(lambda x: x, run, lambda result: result.logits)

    return make


def _session(model: bytes | str, threads: int) -> Any:
    """An ONNX Runtime session with all optimisations on so many threads."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _normalised(subject: Subject) -> Callable[[Images], Any]:
    pixels = subject.graph.contract()
    return lambda x: {"images": np.ascontiguousarray(pixels.normalise(x), np.float32)}


def _ort_float(subject: Subject, steps: int, threads: int) -> Contestant:
    session = _session(written(without_norms(subject.graph)), threads)
    return Contestant(_normalised(subject), lambda x: session.run(None, x))


def _ort_int8(form: str) -> Callable[[Subject, int, int], Contestant]:
    def make(subject: Subject, steps: int, threads: int) -> Contestant:
        from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

        normalised = _normalised(subject)

        class Reader(CalibrationDataReader):  # type: ignore[misc]
            def __init__(self) -> None:
                self.given: Iterator[Any] = (normalised(x[None]) for x in subject.calibration)

            def get_next(self) -> Any:
                return next(self.given, None)

        with tempfile.TemporaryDirectory() as folder:
            real, made = Path(folder) / "float.onnx", Path(folder) / "int8.onnx"
            real.write_bytes(written(without_norms(subject.graph)))
            logging.disable(logging.WARNING)
            with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
                quantize_static(
                    real,
                    made,
                    Reader(),
                    quant_format=QuantFormat[form],
                    per_channel=True,
                    activation_type=QuantType.QUInt8,
                    weight_type=QuantType.QInt8,
                )
            logging.disable(logging.NOTSET)
            session = _session(made.read_bytes(), threads)
        return Contestant(normalised, lambda x: session.run(None, x))

    return make


def _exported(subject: Subject, steps: int) -> Any:
    from fsref.formats.onnx import model

    return model(subject.network(steps))


def _ort_export(subject: Subject, steps: int, threads: int) -> Contestant:
    session = _session(_exported(subject, steps).SerializeToString(), threads)
    return Contestant(lambda x: {"images": x}, lambda x: session.run(None, x))


def _reference(subject: Subject, steps: int, threads: int) -> Contestant:
    from onnx.reference import ReferenceEvaluator

    evaluator = ReferenceEvaluator(_exported(subject, steps))
    return Contestant(lambda x: {"images": x}, lambda x: evaluator.run(None, x))


def _torch(made: Callable[[Any, Subject, int], Any], real: bool) -> Callable[[Subject, int, int], Contestant]:
    """A peer in PyTorch: what `made` gives of the module bench_torch, on normalised images or codes."""

    def make(subject: Subject, steps: int, threads: int) -> Contestant:
        import torch

        import bench_torch

        torch.set_num_threads(threads)
        pixels, call = subject.graph.contract(), made(bench_torch, subject, steps)

        def prepared(x: Images) -> Any:
            return bench_torch.tensor(pixels.normalise(x) if real else x)

        return Contestant(prepared, call, lambda given: np.asarray(given.numpy()))

    return make


def _torch_float(of: Any, subject: Subject, steps: int) -> Any:
    return of.Float(without_norms(subject.graph))


def _spiking(neuron: Callable[[Any, int], Any], planes: bool) -> Callable[[Subject, int, int], Contestant]:
    return _torch(lambda of, subject, k: of.Spiking(subject.network(k), lambda K: neuron(of, K), planes), False)


ORT, TORCH, JELLY = ("onnx", "onnxruntime"), ("torch",), ("torch", "spikingjelly")
PEERS = {
    peer.name: peer
    for peer in (
        Peer("fsref events", SPIKING, (), _engine("events")),
        Peer("fsref quantized", SPIKING, (), _engine("quantized")),
        Peer("ONNX Runtime float32", FLOAT, ORT, _ort_float),
        Peer("ONNX Runtime int8, QDQ", FLOAT, ORT, _ort_int8("QDQ")),
        Peer("ONNX Runtime int8, QOperator", FLOAT, ORT, _ort_int8("QOperator")),
        Peer("ONNX Runtime on the export", SPIKING, ORT, _ort_export),
        Peer("PyTorch float32", FLOAT, TORCH, _torch(_torch_float, True)),
        Peer("PyTorch, FS loop", SPIKING, TORCH, _spiking(lambda of, K: of.Loop(K), False), heavy=True),
        Peer("PyTorch, spike planes", SPIKING, TORCH, _spiking(lambda of, K: of.Planes(K), True), heavy=True),
        Peer("SpikingJelly, single-step", SPIKING, JELLY, _spiking(lambda of, K: of.Jelly(K, "s"), False), heavy=True),
        Peer("SpikingJelly, multi-step", SPIKING, JELLY, _spiking(lambda of, K: of.Jelly(K, "m"), True), heavy=True),
        Peer("onnx.reference", SPIKING, ("onnx",), _reference, slow=True, heavy=True),
    )
}
