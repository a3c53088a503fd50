#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Train a small CNN on scikit-learn's handwritten digits and write the bundled FS network of reference_models/digits.

The 1,797 images (8 x 8, pixels 0..16) come with scikit-learn: nothing is downloaded. A seeded permutation holds out 599
of them, which are read once, after the network is made; with --validate they are not read at all: a third of the other
1,198 is held out instead, which is how every option below was chosen, and nothing is written. The input of the float
network is (pixel / 16 - mean) / std.

Training is float work and may differ in its last bits between machines; the integer network that comes out is what is
golden. Needs torch and scikit-learn (pip install -e .[train]).
"""

import argparse
import hashlib
import json
import platform
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn import functional as F

from fsref import FS, Conv2d, Dense, Input, MaxPool, Network, Pixels, Readout, fs_relu, run, save
from fsref.conformance.standalone import naive
from fsref.formats.container import pack
from fsref.formats.files import write
from fsref.formats.npy import npy
from fsref.law.images import drawn_images
from fsref.law.populations import Population
from fsref.law.projections import Projection
from fsref.verification.golden import golden_record

HELD_OUT, MAX_PIXEL, Q_MAX = 599, 16, 127
Bytes = NDArray[np.uint8]
STEPS = {"conv1": 8, "depth1": 6, "merge1": 8, "conv2": 6}  # K of each fs population
WIDE, DEEP = 16, 48  # channels of the first stage and of conv2
EPOCHS, BATCH, RATE, WEIGHT_DECAY, SMOOTHING = 160, 64, 1e-2, 1e-2, 0.05
CREDIT = (
    "E. Alpaydin, C. Kaynak: Optical Recognition of Handwritten Digits, "
    "UCI Machine Learning Repository, 1998, doi 10.24432/C50P49"
)
REPOSITORY = Path(__file__).resolve().parent.parent


class Digits(nn.Module):
    """conv1, a residual block (depthwise, then pointwise, plus conv1), max-pool, a strided conv2, mean, linear."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(1, WIDE, 3, padding=1, bias=False), nn.BatchNorm2d(WIDE)
        self.depth1, self.bn2 = nn.Conv2d(WIDE, WIDE, 3, padding=1, groups=WIDE, bias=False), nn.BatchNorm2d(WIDE)
        self.point1, self.bn3 = nn.Conv2d(WIDE, WIDE, 1, bias=False), nn.BatchNorm2d(WIDE)
        self.conv2, self.bn4 = nn.Conv2d(WIDE, DEEP, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(DEEP)
        self.linear = nn.Linear(DEEP, 10)

    def forward(self, x: Tensor) -> Tensor:
        a = F.relu(self.bn1(self.conv1(x)))
        b = F.relu(self.bn2(self.depth1(a)))
        merged = F.relu(self.bn3(self.point1(b)) + a)
        c = F.relu(self.bn4(self.conv2(pooled(merged))))
        logits: Tensor = self.linear(c.mean(dim=(2, 3)))
        return logits


def pooled(a: Tensor) -> Tensor:
    """The max-pool of the network, (B, C, 8, 8) -> (B, C, 4, 4)."""
    return F.max_pool2d(a, kernel_size=3, stride=2, padding=1)


def augmented(x: Tensor, rng: torch.Generator) -> Tensor:
    """Each image turned, stretched and moved a little; pixels (B, 1, 8, 8), outside is 0."""
    angle, grow_x, grow_y, shear, move_x, move_y = (2 * torch.rand(6, len(x), generator=rng) - 1) * torch.tensor(
        [0.2, 0.12, 0.12, 0.12, 0.25, 0.25]
    )[:, None]
    cos, sin = angle.cos(), angle.sin()
    rows = [cos * (1 + grow_x), -sin + shear, move_x, sin, cos * (1 + grow_y), move_y]
    grid = F.affine_grid(torch.stack(rows, dim=1).view(-1, 2, 3), list(x.shape), align_corners=False)
    return F.grid_sample(x, grid, align_corners=False)


def train(x: Tensor, y: Tensor, mean: float, std: float, seed: int) -> Digits:
    """The trained network, in evaluation mode. x are pixels / 16."""
    torch.manual_seed(seed)
    rng = torch.Generator().manual_seed(seed)
    model = Digits()
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=WEIGHT_DECAY)
    batches = -(-len(x) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=EPOCHS * batches, pct_start=0.15)
    for _ in range(EPOCHS):
        for index in torch.randperm(len(x), generator=rng).split(BATCH):
            logits = model((augmented(x[index], rng) - mean) / std)
            loss = F.cross_entropy(logits, y[index], label_smoothing=SMOOTHING)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    model.eval()
    return model


@dataclass(frozen=True)
class Edge:
    """A real-valued projection in float64: weights (O, I, kh, kw) or, into the readout, (O, C) over the mean of all
    places.
    """

    source: str
    target: str
    weights: Tensor
    stride: int = 1
    padding: int = 0
    groups: int = 1

    def __call__(self, a: Tensor) -> Tensor:
        if self.weights.ndim == 2:
            return (a.mean(dim=(2, 3)) @ self.weights.T)[:, :, None, None]
        return F.conv2d(a, self.weights, None, self.stride, self.padding, 1, self.groups)


def folded(conv: nn.Conv2d, norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Weights and bias, float64, of a convolution and the batch norm behind it."""
    assert norm.running_mean is not None and norm.running_var is not None
    gain = norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()
    return conv.weight.double() * gain[:, None, None, None], norm.bias.double() - norm.running_mean.double() * gain


def graph(model: Digits, mean: float, std: float) -> tuple[list[Edge], dict[str, Tensor]]:
    """The trained network as edges and a bias (1, C, 1, 1) or (1, C, H, W) per population; its input is pixel / 16,
    mean and std are folded in.

    The padding around the normalised image is 0, so the mean reaches a border place through fewer taps: conv1's bias is
    a map.
    """
    (w1, b1), (w2, b2) = folded(model.conv1, model.bn1), folded(model.depth1, model.bn2)
    (w3, b3), (w4, b4) = folded(model.point1, model.bn3), folded(model.conv2, model.bn4)
    first = Edge("input", "conv1", w1 / std, padding=1)
    edges = [
        first,
        Edge("conv1", "depth1", w2, padding=1, groups=WIDE),
        Edge("depth1", "merge1", w3),
        Edge("conv1", "merge1", torch.ones(WIDE, 1, 1, 1, dtype=torch.float64), groups=WIDE),
        Edge("pool", "conv2", w4, stride=2, padding=1),
        Edge("conv2", "logits", model.linear.weight.double()),
    ]
    channel = {"conv1": b1, "depth1": b2, "merge1": b3, "conv2": b4, "logits": model.linear.bias.double()}
    bias = {name: b[None, :, None, None] for name, b in channel.items()}
    bias["conv1"] = bias["conv1"] - mean * first(torch.ones(1, 1, 8, 8, dtype=torch.float64))
    return edges, bias


def activations(edges: list[Edge], bias: dict[str, Tensor], x: Tensor) -> dict[str, Tensor]:
    """The real value of every population for images x (pixels / 16), in float64."""
    found = {"input": x.double()}
    for name in ("conv1", "depth1", "merge1", "pool", "conv2", "logits"):
        if name == "pool":
            found[name] = pooled(found["merge1"])
            continue
        total = bias[name] + sum(e(found[e.source]) for e in edges if e.target == name)
        found[name] = total if name == "logits" else total.relu()
    return found


def best_unit(a: Tensor, steps: int) -> float:
    """The value of one code unit, alpha / 2^K, with the least squared error over the activations a; alpha in 0.4..1 of
    their maximum.
    """
    levels, largest = 1 << steps, float(a.max().item())
    units = [share / 200 * largest / levels for share in range(80, 201)]

    def error(unit: float) -> float:
        return float((a - unit * (a / unit).round().clamp(0, levels - 1)).square().sum().item())

    return min(units, key=error)


def rounding_error(weights: list[Tensor], powers: list[float], unit: float, units_in: list[float]) -> float:
    """The expected squared error of one channel's sum when its weights are rounded to accumulator units."""
    error = 0.0
    for w, power, unit_in in zip(weights, powers, units_in, strict=True):
        error += power * float((w - (w * unit_in / unit).round() * unit / unit_in).square().sum().item())
    return error


def convert(edges: list[Edge], bias: dict[str, Tensor], x: Tensor) -> Network:
    """The integer network: 8-bit weights, one theta per output channel, requantisation to the nearest code (theta / 2
    in the bias).

    An accumulator unit of channel c is unit_out / theta_c, so firing requantises exactly and only weights and biases
    are rounded. theta_c is the integer of theta_max / 2 .. theta_max whose rounded weights, weighed by the power of
    their source, err least.
    """
    real = activations(edges, bias, x)
    power = {name: a.square().mean().item() for name, a in real.items()}
    unit = {"input": 1 / MAX_PIXEL} | {name: best_unit(real[name], steps) for name, steps in STEPS.items()}
    unit["pool"] = unit["merge1"]
    populations: list[Population] = [Input("input", (1, 8, 8), steps=5, max_code=MAX_PIXEL, scale=unit["input"])]
    projections: list[Projection] = []
    for name in ("conv1", "depth1", "merge1", "pool", "conv2", "logits"):
        channels, height, width = real[name].shape[1:]
        shape = channels, height, width
        if name == "pool":
            populations.append(MaxPool("pool", shape, "merge1", kernel=(3, 3), stride=(2, 2), padding=(1, 1, 1, 1)))
            continue
        into = [e for e in edges if e.target == name]
        # The mean over conv2's places goes into the weights: a pooled projection sums.
        weights = [e.weights / (4 if name == "logits" else 1) for e in into]
        units_in, powers = [unit[e.source] for e in into], [power[e.source] for e in into]
        largest = torch.stack([w.flatten(1).abs().amax(1) * u for w, u in zip(weights, units_in, strict=True)]).amax(0)
        if name == "logits":
            accumulator = (largest.max() / Q_MAX).expand(10)
        else:
            theta = []
            for c, limit in enumerate((Q_MAX * unit[name] / largest).floor().int().tolist()):
                if limit < 1:
                    sys.exit(f"train_digits.py: error: {name} channel {c} needs more than 8 bits of weight")
                rows = [w[c] for w in weights]
                theta.append(
                    min(
                        range(max(1, limit // 2), limit + 1),
                        key=lambda t: rounding_error(rows, powers, unit[name] / t, units_in),
                    )
                )
            accumulator = unit[name] / torch.tensor(theta, dtype=torch.float64)
        whole = (bias[name][0] / accumulator[:, None, None]).round().long().numpy()
        for e, w, unit_in in zip(into, weights, units_in, strict=True):
            q = (w * unit_in / accumulator.view(-1, *[1] * (w.ndim - 1))).round().long().numpy()
            if name == "logits":
                projections.append(Dense(e.source, name, q, pooled=True))
            else:
                stride, padding = (e.stride,) * 2, (e.padding,) * 4
                projections.append(Conv2d(e.source, name, q, stride=stride, padding=padding, groups=e.groups))
        if name == "logits":
            populations.append(Readout(name, shape, whole[:, 0, 0]))
        else:
            whole = whole + np.array(theta)[:, None, None] // 2  # to the nearest
            chosen = whole if whole.shape == shape else whole[:, 0, 0]
            populations.append(FS(name, shape, fs_relu(STEPS[name], theta), chosen, scale=unit[name]))
    return Network(populations, projections, "digits", accumulator[0].item(), [str(c) for c in range(10)])


def report(net: Network, real: Bytes, x: Bytes, y: Bytes) -> tuple[int, int]:
    """Print how many images the float network, which predicts `real`, and the FS network get right, and on how many
    they differ; return the first two.
    """
    predictions = run(net, x, engine="quantized").predictions
    right = int((real == y).sum()), int((predictions == y).sum())
    differ = f"predictions differ on {(predictions != real).sum()}"
    print(f"{len(y)} images: float {right[0]} right, FS {right[1]} right, {differ}", flush=True)
    return right


def naive_agrees(net_file: Path, images: NDArray[np.integer], golden: dict[str, Any]) -> None:
    """Nothing, when the naive oracle gives the golden logits and digests of the images."""
    net = naive.load(net_file.read_bytes())
    for image, expected in zip(images, golden["images"], strict=True):
        seen = naive.simulate(net, image.ravel().tolist())
        if seen.logits != expected["logits"]:
            sys.exit("train_digits.py: error: the naive oracle has other logits")
        for p, words in enumerate(expected["digests"].values()):
            if [f"{naive.digest(naive.spikes(net, seen, p, t)):08x}" for t in range(len(words))] != words:
                sys.exit(f"train_digits.py: error: the naive oracle has other spikes in population {p}")


def main() -> None:
    """Read the command line, train, convert, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    place = REPOSITORY / "reference_models" / "digits"
    parser.add_argument(
        "--out", type=Path, default=place, metavar="DIR", help="where the files go (default: reference_models/digits)"
    )
    parser.add_argument(
        "--seed",
        type=int,
        default=1,
        metavar="N",
        help="of the split, the initial weights and the shuffles (default 1)",
    )
    parser.add_argument(
        "--validate", action="store_true", help="hold out a third of the 1,198 training images instead, write nothing"
    )
    args = parser.parse_args()
    start = time.monotonic()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)

    digits = load_digits()
    pixels, classes = digits.images.astype(np.uint8), digits.target.astype(np.uint8)
    order = np.random.default_rng(args.seed).permutation(len(pixels))
    chosen, held_out = order[HELD_OUT:], order[:HELD_OUT]
    if args.validate:
        chosen, held_out = chosen[HELD_OUT:], chosen[:HELD_OUT]
        chosen, held_out = np.concatenate([chosen, held_out[400:]]), held_out[:400]
    x_train, y_train = pixels[chosen], classes[chosen]
    x = torch.from_numpy(x_train)[:, None].float() / MAX_PIXEL
    mean, std = round(x.mean().item(), 4), round(x.std().item(), 4)
    model = train(x, torch.from_numpy(y_train).long(), mean, std, args.seed)
    edges, bias = graph(model, mean, std)
    net = convert(edges, bias, x)

    def predictions(images: Bytes) -> Bytes:
        with torch.inference_mode():
            z = torch.from_numpy(images)[:, None].float() / MAX_PIXEL
            found = model((z - mean) / std).argmax(1)
            if (activations(edges, bias, z)["logits"][:, :, 0, 0].argmax(1) != found).any():
                sys.exit("train_digits.py: error: the folded network predicts another class")
        classes: Bytes = found.numpy().astype(np.uint8)
        return classes

    report(net, predictions(x_train), x_train, y_train)
    x_test, y_test = pixels[held_out], classes[held_out]
    float_labels = predictions(x_test)
    float_right, fs_right = report(net, float_labels, x_test, y_test)
    for p in net.fs:
        theta = p.table.T[..., -1]
        print(f"{p.name}: K {p.steps}, theta {theta.min()}..{theta.max()}, unit {p.scale:.3e}")
    if args.validate:
        return
    provenance = {
        "data": f"scikit-learn load_digits: {CREDIT}",
        "data_license": "CC-BY-4.0",
        "model_license": "Apache-2.0",
        "rounding": "nearest",
        "split": (
            f"numpy default_rng({args.seed}).permutation(1797): the first {HELD_OUT} "
            "are the test images, the others trained and calibrated"
        ),
        "tool": "tools/train_digits.py",
        "training": (
            f"AdamW, one cycle to {RATE}, {EPOCHS} epochs, batches of {BATCH}, affine "
            f"augmentation, label smoothing {SMOOTHING}, seed {args.seed}"
        ),
        "float_accuracy": round(float_right / HELD_OUT, 6),
        "fs_accuracy": round(fs_right / HELD_OUT, 6),
    }
    pixels = Pixels(*net.input.shape, mean=mean, std=std, scale=net.input.scale, max_code=MAX_PIXEL)
    net = replace(net, contract=pixels, provenance=provenance)
    args.out.mkdir(parents=True, exist_ok=True)
    save(net, args.out / "digits.fs.npz")
    arrays = {"x_test": x_test, "y_test": y_test, "x_train": x_train, "y_train": y_train, "float_labels": float_labels}
    members = {f"{name}.npy": npy(array, array.dtype) for name, array in arrays.items()}
    write(pack(members, "digits.npz"), args.out / "digits.npz", "RUN-5")
    golden = golden_record(net, x_test, y_test)
    shown = np.concatenate([x_test[:3, None], drawn_images(net.input, 3, 1)])
    naive_agrees(args.out / "digits.fs.npz", shown, golden)
    written = ("digits.fs.npz", "digits.npz")
    files = {name: hashlib.sha256((args.out / name).read_bytes()).hexdigest() for name in written}
    write((json.dumps({"files": files, **golden}, indent=1) + "\n").encode(), args.out / "golden.json", "RUN-5")
    print(f"id {net.id}\n{time.monotonic() - start:.0f} s, torch {torch.__version__}, {platform.machine()}")


if __name__ == "__main__":
    main()
