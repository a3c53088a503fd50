"""ResNets for CIFAR-10 as people publish them: from torch, and from the files of its exporters, one network (GRAPH-6,
GRAPH-7, CONV-1).
"""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")
onnx = pytest.importorskip("onnx", reason="the package onnx is not installed")

import fsref  # noqa: E402
from fsref.law.images import Pixels  # noqa: E402
from onnx_files_resnets import OPTIONS, SKELETONS, by_traces, drawn, filled  # noqa: E402

PIXELS = Pixels(3, 32, 32, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
IMAGES = np.random.default_rng(1).integers(0, 256, (2, 3, 32, 32))


@pytest.mark.parametrize("option", OPTIONS)
def test_resnet_20_is_one_network_from_everywhere(option: str) -> None:
    """From torch, from its old exporter, with batch norms or with them folded, from its new one: the same id."""
    model = drawn(3, option)
    files = [by_traces(model, norms=option == "A")]
    files.append(filled(SKELETONS / f"resnet20_{option.lower()}.dynamo.onnx", model.state_dict()))
    wanted = fsref.convert(fsref.from_torch(model, PIXELS), IMAGES)
    assert len(wanted.populations) == 21
    for file in files:
        assert fsref.convert(fsref.from_onnx(file, PIXELS), IMAGES).id == wanted.id
