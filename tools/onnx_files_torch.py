#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Write the small ONNX files of torch's two exporters, under tests/fixtures/onnx.

    onnx_files_torch.py legacy       the exporter by traces, of torch.onnx.export(..., dynamo=False)
    onnx_files_torch.py dynamo       the one of torch.export; needs onnxscript, too

Weights are drawn, seed 0; another version of torch may write other files.
"""

from __future__ import annotations

import argparse
import io
import re
import warnings
from typing import Any

import onnx
import torch
from torch import nn

from onnx_files import File, write
from onnx_files_torch_bits import BITS, DYADIC, codes_of, trained
from onnx_files_torch_models import MODELS, Old, drawn

OPSETS = {"legacy": (7, 8, 9, 10, 11, 13, 16, 20), "dynamo": (18, 20, 21, 22, 23)}
IMAGES = torch.zeros(2, 3, 8, 8)


def exported(exporter: str, model: nn.Module, opset: int | None = None) -> Any:
    """The model as this exporter writes it, of its own opset unless told; the number of images is free."""
    given: dict[str, Any] = {} if opset is None else {"opset_version": opset}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if exporter == "dynamo":
            free = {0: torch.export.Dim("batch")}
            program = torch.onnx.export(model, (IMAGES,), dynamo=True, dynamic_shapes=(free,), verbose=False, **given)
            assert program is not None
            return program.model_proto
        held: Any = io.BytesIO()
        names: dict[str, Any] = {"input_names": ["image"], "dynamic_axes": {"image": {0: "batch"}}}
        torch.onnx.export(model, (IMAGES,), held, dynamo=False, **names, **given)
        return onnx.load_from_string(held.getvalue())


def name_of(kind: type[nn.Module]) -> str:
    """The name of a class as files have it."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", kind.__name__).lower()


def main() -> None:
    """Write the files of one exporter."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("exporter", choices=OPSETS)
    exporter = parser.parse_args().exporter
    torch.set_num_threads(1)
    files = [
        File(group, name_of(kind), exported(exporter, drawn(kind)), kind.__doc__ or "")
        for group, kinds in MODELS.items()
        for kind in kinds
    ]
    for opset in OPSETS[exporter]:
        model = exported(exporter, drawn(Old), opset)
        files.append(File("opsets", f"opset_{opset}", model, Old.__doc__ or ""))
    for kind in BITS[exporter]:
        model = exported(exporter, trained(kind))
        files.append(File("few_bits", name_of(kind), model, kind.__doc__ or "", DYADIC, codes_of(model)))
    versions = f"torch {torch.__version__.split('+')[0]}"
    if exporter == "dynamo":
        import onnxscript

        versions += f", onnxscript {onnxscript.__version__}"
    write(exporter, versions, files)


if __name__ == "__main__":
    main()
