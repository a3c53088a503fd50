"""Small ONNX files as exporters write them go all the way: import, conversion, all engines, and out again (GRAPH-7,
CONV-14, FILE-5). `tools/onnx_files*.py` made the files; `files.jsonl` says how, and what each is.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="the package onnx is not installed")
ort = pytest.importorskip("onnxruntime", reason="the package onnxruntime is not installed")

from onnx.reference import ReferenceEvaluator  # noqa: E402

import fsref  # noqa: E402
from fsref.formats.onnx import model as onnx_of  # noqa: E402
from fsref.formats.onnx import run as run_onnx  # noqa: E402
from fsref.law.images import Pixels  # noqa: E402
from quantisers import OPERATORS  # noqa: E402

FOLDER = Path(__file__).parent / "fixtures" / "onnx"
FILES = [json.loads(line) for line in (FOLDER / "files.jsonl").read_text(encoding="utf-8").splitlines()]
NEAR = 2e-5  # of the largest value: what float32 rounds


def values_of(model: Any, x: np.ndarray, names: list[str]) -> list[np.ndarray]:
    """Values of a model, one image at a time since some fix the batch, by ONNX Runtime or, of operators that it does
    not have, by their formulas; channels last where the model has them so.
    """
    whole = onnx.ModelProto()
    whole.CopyFrom(model)
    known = {value.name for value in whole.graph.output}
    domains = {node.domain for node in whole.graph.node} - {opset.domain for opset in whole.opset_import}
    whole.opset_import.extend(onnx.helper.make_opsetid(domain, 1) for domain in domains)  # qonnx does not tell its own
    whole.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names if name not in known)
    entry = whole.graph.input[0]
    if entry.type.tensor_type.shape.dim[-1].dim_value == x.shape[1]:
        x = np.moveaxis(x, 1, -1)
    if any(node.domain.startswith(("qonnx", "onnx.brevitas")) for node in whole.graph.node):
        session: Any = ReferenceEvaluator(whole, new_ops=OPERATORS)
    else:
        options = ort.SessionOptions()
        options.intra_op_num_threads, options.log_severity_level = 1, 3
        # The model as it is written: integers into which quantisers are fused are rounded otherwise.
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
        # Where a processor has no dots of bytes, its faster products of them saturate at 16 bits.
        options.add_session_config_entry("session.x64quantprecision", "1")
        session = ort.InferenceSession(whole.SerializeToString(), options, providers=["CPUExecutionProvider"])
    made = [session.run(names, {entry.name: np.ascontiguousarray(image[None])}) for image in x]
    return [np.concatenate(parts) for parts in zip(*made, strict=True)]


def ended(model: Any, logits: np.ndarray) -> np.ndarray:
    """What a model makes of its logits, which conversion leaves out: chances, or logits of few bits."""
    node, arrays = model.graph.node[-1], {t.name: onnx.numpy_helper.to_array(t) for t in model.graph.initializer}
    last = node.op_type
    if last == "DequantizeLinear":
        scale, zero = (float(arrays[name]) for name in node.input[1:])
        return np.asarray((np.clip(np.rint(logits / scale) + zero, 0, 255) - zero) * scale)
    if last == "Softmax":
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        return np.asarray(powers / powers.sum(axis=1, keepdims=True))
    return 1 / (1 + np.exp(-logits)) if last == "Sigmoid" else logits


def test_twelve_files_of_each_kind() -> None:
    """There are files of every kind and exporter, none large, each with its line."""
    counts = Counter(about["kind"] for about in FILES)
    assert set(counts) == {"nothing_extra", "opsets", "linear_maps", "outputs", "few_bits"}
    assert min(counts.values()) >= 12
    assert {path.name for path in FOLDER.glob("*.onnx")} == {about["file"] for about in FILES}
    assert max(path.stat().st_size for path in FOLDER.glob("*.onnx")) <= 20_000


@pytest.mark.parametrize("about", FILES, ids=lambda about: about["file"])
def test_what_exporters_write_goes_all_the_way(about: dict[str, Any]) -> None:
    """The graph computes what ONNX Runtime does of the file; the network made of it has the same integers in all
    engines, and in ONNX Runtime when it is exported; trained in few bits, it is proved equal, and its codes are those
    of the file.
    """
    pixels = Pixels(3, 8, 8, **about.get("pixels", {}))
    images = np.random.default_rng(7).integers(0, pixels.max_code + 1, (4, 3, 8, 8))
    model, graph = onnx.load(FOLDER / about["file"]), fsref.from_onnx(FOLDER / about["file"], pixels)
    x = pixels.normalise(images)

    wanted = values_of(model, x, [value.name for value in model.graph.output])
    for theirs, ours in zip(wanted, graph.answers(images).values(), strict=True):
        theirs = theirs if theirs.ndim < 4 or theirs.shape == ours.shape else np.moveaxis(theirs, -1, 1)
        made = ended(model, ours.reshape(theirs.shape))
        assert np.abs(made - theirs).max() <= NEAR * np.abs(theirs).max()

    net = fsref.convert(graph, images)
    assert fsref.check(net, images).agrees
    names = [p.name for p in net.readouts] if not net.is_classifier else ["logits"]
    result = fsref.run(net, images, "quantized")
    for name, values in run_onnx(onnx_of(net), images, names, "onnxruntime").items():
        ours = result.logits if net.is_classifier else result.outputs[name]
        assert (values == ours.reshape(values.shape)).all()

    if "codes" in about:
        assert net.provenance["trained"]["equal"], net.provenance["trained"]
        values = values_of(model, x, [name for name, _, _ in about["codes"]])
        codes = fsref.run(net, images, "quantized", record=[p.name for p in net.fs]).codes
        assert len(net.fs) == len(values)
        for p, theirs, (name, scale, first) in zip(net.fs, values, about["codes"], strict=True):
            expected = theirs.astype(np.float64) / scale - first
            assert (codes[p.name].reshape(expected.shape) == expected).all(), name
