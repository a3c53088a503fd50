#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Write the small ONNX files of networks trained in few bits, under tests/fixtures/onnx.

    onnx_files_bits.py brevitas         as Brevitas exports, QCDQ and QONNX
    onnx_files_bits.py qonnx            the same cleaned up and converted by qonnx; needs brevitas, too
    onnx_files_bits.py onnxruntime      as ONNX Runtime quantises, QDQ and operators

Weights are drawn, seed 0; another version of these may write other files. Scales of Brevitas are powers of two, so that
float32 rounds nothing in the model and every code can be compared.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import nn

from onnx_files import Code, File, write
from onnx_files_torch_bits import DYADIC
from onnx_files_torch_bits import codes_of as integers_of

CLASSES = 5
IMAGES = torch.randint(0, 16, (16, 3, 8, 8), generator=torch.Generator().manual_seed(1)) / 16
BITS = ((1, 1), (2, 2), (3, 3), (4, 4), (8, 4))  # of weights and activations


def trained(weight_bits: int, bits: int, signed: bool = False) -> nn.Module:
    """A network of Brevitas, its scales those that it finds on a few images."""
    import brevitas.nn as qnn
    from brevitas.quant import (
        Int8ActPerTensorFixedPoint,
        Int8WeightPerTensorFixedPoint,
        SignedBinaryActPerTensorConst,
        SignedBinaryWeightPerTensorConst,
        Uint8ActPerTensorFixedPoint,
    )

    torch.manual_seed(0)
    weights: dict[str, Any] = {"weight_quant": Int8WeightPerTensorFixedPoint, "weight_bit_width": weight_bits}

    def activation(scale: float) -> nn.Module:
        if bits == 1:
            return qnn.QuantIdentity(act_quant=SignedBinaryActPerTensorConst, min_val=-scale, max_val=scale)
        if signed:
            return qnn.QuantIdentity(act_quant=Int8ActPerTensorFixedPoint, bit_width=bits)
        return qnn.QuantReLU(act_quant=Uint8ActPerTensorFixedPoint, bit_width=bits)

    if weight_bits == 1:
        weights = {"weight_quant": SignedBinaryWeightPerTensorConst, "weight_scaling_init": 0.125}
    model = nn.Sequential(
        qnn.QuantConv2d(3, 6, 3, padding=1, bias=False, **weights),
        activation(0.5),
        qnn.QuantConv2d(6, 6, 3, stride=2, padding=1, bias=False, **weights),
        activation(1.0),
        nn.Flatten(),
        qnn.QuantLinear(6 * 16, CLASSES, bias=False, **weights),
    )
    with torch.no_grad():
        for _ in range(40):
            model(IMAGES)
    return model.eval()


def by_brevitas(model: nn.Module, form: str) -> Any:
    """The model of a network in the form qcdq or qonnx."""
    from brevitas.export import export_onnx_qcdq, export_qonnx

    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = Path(folder, "model.onnx")
        export = export_onnx_qcdq if form == "qcdq" else export_qonnx
        export(model, args=IMAGES[:1], export_path=str(path), dynamo=False)
        return onnx.load(path)


def by_qonnx(model: Any, how: str) -> Any:
    """The model cleaned up by qonnx, or converted to its Quant, or from it to QCDQ."""
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.transformation.qcdq_to_qonnx import QCDQToQuant
    from qonnx.transformation.qonnx_to_qcdq import QuantToQCDQ
    from qonnx.util.cleanup import cleanup_model

    made = cleanup_model(ModelWrapper(model))
    if how != "cleaned":
        made = cleanup_model(made.transform(QCDQToQuant() if how == "quant" else QuantToQCDQ()))
    return made.model


def by_onnxruntime(how: str) -> Any:
    """A float network as ONNX Runtime quantises it, calibrated on a few images."""
    from onnxruntime import quantization as q

    from onnx_files_torch import exported

    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), nn.MaxPool2d(3, 2), nn.Conv2d(6, 6, 3, padding=1), nn.ReLU()]
    model = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, CLASSES)).eval()

    class Images(q.CalibrationDataReader):
        def __init__(self) -> None:
            self.left = iter({"image": image[None].numpy()} for image in IMAGES)

        def get_next(self) -> dict[str, Any] | None:
            return next(self.left, None)

    with tempfile.TemporaryDirectory() as folder:
        real, made = Path(folder, "real.onnx"), Path(folder, "made.onnx")
        onnx.save(exported("legacy", model, 13), real)
        form = q.QuantFormat.QOperator if how == "operators" else q.QuantFormat.QDQ
        about = {"per_channel": how == "qdq_channels", "activation_type": q.QuantType.QUInt8}
        q.quantize_static(str(real), str(made), Images(), quant_format=form, weight_type=q.QuantType.QInt8, **about)
        return onnx.load(made)


def codes_of(model: Any) -> list[Code]:
    """The codes that quantisers of activations give, in the order of the model: of QONNX's, from its formula."""
    constant = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    constant |= {
        n.output[0]: numpy_helper.to_array(n.attribute[0].t) for n in model.graph.node if n.op_type == "Constant"
    }
    found = list[Code]()
    for node in model.graph.node:
        if node.input and node.input[0] in constant:
            continue
        about = {a.name: a for a in node.attribute}
        if node.op_type == "Quant":
            scale, zero, bits = (float(np.ravel(constant[name])[0]) for name in node.input[1:4])
            low = about["narrow"].i - 2 ** (bits - 1) if about["signed"].i else 0.0
            found.append(Code(node.output[0], scale, low - zero))
        elif node.op_type == "BipolarQuant":
            found.append(Code(node.output[0], 2 * float(np.ravel(constant[node.input[1]])[0]), -0.5))
    return found or integers_of(model)


def files_of(exporter: str) -> list[File]:
    """The files of one exporter."""
    made = list[File]()

    def add(name: str, model: Any, what: str, pixels: dict[str, Any] = DYADIC) -> None:
        made.append(File("few_bits", name, model, what, pixels, codes_of(model)))

    if exporter == "onnxruntime":
        for how in ("qdq", "qdq_channels", "operators"):
            model, what = by_onnxruntime(how), f"Static quantisation, {how.replace('_', ' of ')}."
            makers = {name: node.op_type for node in model.graph.node for name in node.output}
            sums = ("Conv", "GlobalAveragePool", "QLinearConv", "QLinearGlobalAveragePool")
            coded = [n for n in model.graph.node if n.op_type in sums[2:] or makers.get(n.input[0]) in sums[:2]]
            made.append(File("few_bits", how, model, what, DYADIC, [Code(n.output[0]) for n in coded]))
        return made
    for weight_bits, bits in BITS:
        for form in ("qcdq", "qonnx"):
            if form == "qcdq" and weight_bits == 1:
                continue  # Brevitas has no QCDQ of one bit
            name, what = f"w{weight_bits}a{bits}_{form}", f"{weight_bits}-bit weights, {bits}-bit activations, {form}."
            model = by_brevitas(trained(weight_bits, bits), form)
            if exporter == "brevitas":
                add(name, model, what)
            elif weight_bits in (1, 2, 4):
                add(f"{name}_cleaned", by_qonnx(model, "cleaned"), what)
                if weight_bits > 1:
                    how = "quant" if form == "qcdq" else "qcdq"
                    add(f"{name}_to_{how}", by_qonnx(model, how), f"{what[:-1]}, converted to {how}.")
    if exporter == "brevitas":
        for form in ("qcdq", "qonnx"):
            what = f"4-bit weights, 4-bit signed activations, {form}."
            add(f"w4a4_signed_{form}", by_brevitas(trained(4, 4, signed=True), form), what)
    return made


def main() -> None:
    """Write the files of one exporter."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("exporter", choices=("brevitas", "qonnx", "onnxruntime"))
    exporter = parser.parse_args().exporter
    torch.set_num_threads(1)
    packages = {"brevitas": ("brevitas", "torch"), "qonnx": ("qonnx", "brevitas"), "onnxruntime": ("onnxruntime",)}
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in packages[exporter])
    write(exporter, versions, files_of(exporter))


if __name__ == "__main__":
    main()
