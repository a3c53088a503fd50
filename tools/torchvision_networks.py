#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Import and convert networks of torchvision with drawn weights: a table of what becomes of each, or what is missing.

    torchvision_networks.py                     every family that is to convert, smallest first
    torchvision_networks.py resnet50 vgg16      these
    torchvision_networks.py --append PAGE.md    lines of networks go behind those of the page, in place of their own
    torchvision_networks.py --ort               ONNX Runtime has to give the same logits of the export, of two images

Needs torch and torchvision. Each network has a process of its own, with BLAS on one thread: seconds are those of the
processor, memory is the most that the process held. Weights are those of torchvision's own initialisation, seed 0, so
that accuracy says nothing; batch norms get drawn statistics. Calibrated on --images drawn images.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

FAMILIES = """
    alexnet squeezenet1_0 squeezenet1_1 shufflenet_v2_x0_5 shufflenet_v2_x1_0 shufflenet_v2_x1_5 shufflenet_v2_x2_0
    mnasnet0_5 mnasnet0_75 mnasnet1_0 mnasnet1_3 mobilenet_v2 googlenet resnet18 resnet34 resnet50 resnet101 resnet152
    regnet_x_400mf regnet_x_800mf regnet_x_1_6gf regnet_x_3_2gf regnet_x_8gf regnet_x_16gf regnet_x_32gf densenet121
    densenet169 densenet201 densenet161 inception_v3 resnext50_32x4d resnext101_32x8d resnext101_64x4d wide_resnet50_2
    wide_resnet101_2 vgg11 vgg11_bn vgg13 vgg13_bn vgg16 vgg16_bn vgg19 vgg19_bn mobilenet_v3_small
    mobilenet_v3_large regnet_y_400mf regnet_y_800mf regnet_y_1_6gf regnet_y_3_2gf regnet_y_8gf efficientnet_b0
    efficientnet_b1 efficientnet_b2 efficientnet_b3 efficientnet_b4 efficientnet_b5 efficientnet_b6 efficientnet_b7
    efficientnet_v2_s
""".split()
HEAD = """\
| network | parameters | nodes | populations | FS neurons | K | latency, steps | import s | convert s | GB |
|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|"""
SIDE = 224
LARGER = {"inception_v3": 299, "efficientnet_b1": 240, "efficientnet_b2": 288, "efficientnet_b3": 300}
LARGER |= {"efficientnet_b4": 380, "efficientnet_b5": 456, "efficientnet_b6": 528, "efficientnet_b7": 600}
LARGER |= {"efficientnet_v2_s": 384}


def drawn(name: str) -> Any:
    """Return the network of this name with drawn weights, in eval mode."""
    import torch
    import torchvision

    torch.manual_seed(0)
    more = {"init_weights": True, "aux_logits": True} if name in ("googlenet", "inception_v3") else {}
    model = torchvision.models.get_model(name, weights=None, **more)
    source = torch.Generator().manual_seed(1)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean = torch.randn(module.num_features, generator=source) * 0.1
            module.running_var = torch.rand(module.num_features, generator=source) + 0.5
    return model.eval()


def agrees(net: Any, images: Any) -> bool:
    """Return whether ONNX Runtime gives the logits of a network, by its export."""
    import numpy as np
    import onnxruntime

    import fsref

    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "net.onnx")
        fsref.export(net, path, "onnx")
        (logits,) = onnxruntime.InferenceSession(path).run(None, {"images": images})
    return bool(np.array_equal(logits, fsref.run(net, images).logits))


def measured(name: str, steps: int, images: int, ort: bool) -> dict[str, Any]:
    """Return what became of a network: its figures, or under `missing` why it has none."""
    import numpy as np

    import fsref
    from fsref.errors import FsrefError
    from fsref.law.populations import FS

    side = LARGER.get(name, SIDE)
    pixels = fsref.Pixels(3, side, side, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
    model = drawn(name)
    found: dict[str, Any] = {"network": name, "parameters": sum(p.numel() for p in model.parameters()), "K": steps}
    codes = np.random.default_rng(0).integers(0, 256, (images, 3, side, side)).astype(np.uint8)
    start = time.process_time()
    try:
        graph = fsref.from_torch(model, pixels, name=name)
        del model
        imported = time.process_time()
        net = fsref.convert(graph, codes, steps=steps)
    except FsrefError as error:
        return {**found, "missing": str(error)}
    converted = time.process_time()
    if ort and not agrees(net, codes[:2]):
        return {**found, "missing": "ONNX Runtime gives other logits"}
    neurons = sum(int(np.prod(p.shape)) for p in net.populations if isinstance(p, FS))
    return {
        **found,
        "nodes": len(graph.nodes),
        "populations": len(net.populations),
        "neurons": neurons,
        "latency": net.schedule.latency,
        "import": imported - start,
        "conversion": converted - imported,
        "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
    }


def row(found: dict[str, Any]) -> str:
    """Return the line of a network in the table."""
    name = f"| {found['network']} | {found['parameters']:,} "
    if "missing" in found:
        return f"{name}| {found['missing'].replace('|', '/')} |{' |' * 7}"
    counts = " | ".join(f"{found[key]:,}" for key in ("nodes", "populations", "neurons", "K", "latency"))
    return f"{name}| {counts} | {found['import']:.1f} | {found['conversion']:.1f} | {found['memory']:.1f} |"


def appended(page: Path, lines: list[str]) -> None:
    """Write lines behind the last line of the page's table, in place of those of the same networks."""
    text = page.read_text(encoding="utf-8").split("\n")
    names = {line.split("|")[1] for line in lines}
    kept = [line for line in text if not (line.startswith("| ") and line.split("|")[1] in names)]
    last = max(number for number, line in enumerate(kept) if line.startswith("|"))
    page.write_text("\n".join([*kept[: last + 1], *lines, *kept[last + 1 :]]), encoding="utf-8")


def main() -> None:
    """Measure the networks, each in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="*", default=FAMILIES, help="names that torchvision knows")
    parser.add_argument("--steps", type=int, default=8, help="K of all populations (8)")
    parser.add_argument("--images", type=int, default=4, help="drawn images that calibrate (4)")
    parser.add_argument("--ort", action="store_true", help="compare with ONNX Runtime, too")
    parser.add_argument("--append", type=Path, metavar="PAGE", help="a page with the table")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        print(json.dumps(measured(given.networks[0], given.steps, given.images, given.ort)))
        return
    print(HEAD)
    for name in given.networks:
        command = [sys.executable, __file__, name, "--one", "--steps", f"{given.steps}", "--images", f"{given.images}"]
        command += ["--ort"] * given.ort
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"torchvision_networks.py: error: {name}: {done.stderr.strip().splitlines()[-1]}")
        line = row(json.loads(done.stdout.splitlines()[-1]))
        print(line, flush=True)
        if given.append is not None:
            appended(given.append, [line])


if __name__ == "__main__":
    main()
