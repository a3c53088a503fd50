#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Train a CIFAR-10 network on the CPU: a ResNet (He et al. 2015, depth 6n+2, option A shortcuts), the `mixed` or the
`gated` network.

DIR holds the official binary batches: records of 1 label byte and 3,072 pixel bytes (channel, row, column). All images
of data_batch_1.bin .. data_batch_5.bin are used for training; the test images are not read. The first --coarse epochs
see the images at 24 x 24 pixels, which is faster.

After every epoch a checkpoint is written, and a line is added to the log beside it (same name, suffix .log). A start
that finds a checkpoint continues from it, with the same shuffles. At the end --out receives the float graph
(fsref/guide/graph.md), its input contract included: (pixel / 255 - mean) / std.
"""

import argparse
import io
import math
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fsref import FsrefError, Pixels, from_torch, save
from fsref.formats.cifar10 import read_batches
from fsref.formats.files import write
from fsref.law.images import check_labels

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
PAD = 4  # pixels around an image before it is cropped at random
WARMUP_EPOCHS = 1
WEIGHT_DECAY = 5e-4
COARSE = 24  # pixels a side in the first epochs


def training_images(folder: Path) -> tuple[Tensor, Tensor]:
    """Return the (N, 3, 32, 32) uint8 images and (N,) int64 labels of the five training batches."""
    try:
        images, classes, _ = read_batches(folder, "cifar10-train", None)
        labels = check_labels(classes, len(images), len(CLASSES))
    except FsrefError as error:
        sys.exit(f"train_cifar10.py: error: {error}")
    return torch.from_numpy(images).contiguous(), torch.from_numpy(labels)


def channel_statistics(images: Tensor) -> tuple[Tensor, Tensor]:
    """Return the per-channel mean and standard deviation of uint8 images, in units of 1 = 255."""
    level = torch.arange(256, dtype=torch.float64) / 255
    share = torch.stack([channel.flatten().bincount(minlength=256) for channel in images.unbind(1)]).double()
    share /= share.sum(dim=1, keepdim=True)
    mean = share @ level
    return mean.float(), (share @ level.square() - mean.square()).sqrt().float()


class Block(nn.Module):
    """Two 3x3 convolutions and a parameter-free shortcut (option A: subsample, pad channels with zeros)."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.stride, self.padding = stride, (outputs - inputs) // 2
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        if self.padding:
            x = F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.padding, self.padding))
        return F.relu(y + x)


class ResNet(nn.Module):
    """A stem, three stages of (depth - 2) / 6 blocks with 16, 32 and 64 channels, and a linear classifier."""

    def __init__(self, depth: int) -> None:
        super().__init__()
        more = range((depth - 2) // 6 - 1)
        self.conv1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1 = nn.Sequential(Block(16, 16, 1), *(Block(16, 16, 1) for _ in more))
        self.layer2 = nn.Sequential(Block(16, 32, 2), *(Block(32, 32, 1) for _ in more))
        self.layer3 = nn.Sequential(Block(32, 64, 2), *(Block(64, 64, 1) for _ in more))
        self.linear = nn.Linear(64, len(CLASSES))
        initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        x = self.layer3(self.layer2(self.layer1(F.relu(self.bn1(self.conv1(x))))))
        logits: Tensor = self.linear(x.mean(dim=(2, 3)))
        return logits


class Bottleneck(nn.Module):
    """An inverted bottleneck (MobileNet-V2): expand with ReLU6, 3x3 per channel with ReLU6, a linear projection; a
    shortcut where the shape stays.
    """

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        inner = 4 * inputs
        self.shortcut = stride == 1 and inputs == outputs
        self.expand = nn.Sequential(nn.Conv2d(inputs, inner, 1, bias=False), nn.BatchNorm2d(inner), nn.ReLU6())
        self.depthwise = nn.Sequential(
            nn.Conv2d(inner, inner, 3, stride, 1, groups=inner, bias=False), nn.BatchNorm2d(inner), nn.ReLU6()
        )
        self.project = nn.Sequential(nn.Conv2d(inner, outputs, 1, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.project(self.depthwise(self.expand(x)))
        return x + y if self.shortcut else y


class Fork(nn.Module):
    """A 1x1 and a 3x3 convolution of the same input, side by side: their outputs are concatenated."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        half = outputs // 2
        self.narrow = nn.Sequential(nn.Conv2d(inputs, half, 1, bias=False), nn.BatchNorm2d(half), nn.ReLU())
        self.wide = nn.Sequential(nn.Conv2d(inputs, half, 3, 1, 1, bias=False), nn.BatchNorm2d(half), nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.narrow(x), self.wide(x)], dim=1)


class Mixed(nn.Module):
    """Every form of layer that the ResNets lack: max-pool, concat, per-channel convolution, signed linear bottlenecks
    with and without shortcut.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 32, 3, 1, 1, bias=False), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2))
        self.fork1 = Fork(32, 64)
        self.blocks1 = nn.Sequential(Bottleneck(64, 32, 1), Bottleneck(32, 32, 1), Bottleneck(32, 32, 1))
        self.fork2 = Fork(32, 96)
        self.pool = nn.MaxPool2d(3, 2, 1)
        self.blocks2 = nn.Sequential(Bottleneck(96, 64, 1), Bottleneck(64, 64, 1))
        self.fork3 = Fork(64, 128)
        self.linear = nn.Linear(128, len(CLASSES))
        initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        x = self.blocks2(self.pool(self.fork2(self.blocks1(self.fork1(self.stem(x))))))
        logits: Tensor = self.linear(self.fork3(x).mean(dim=(2, 3)))
        return logits


class Gated(nn.Module):
    """An inverted bottleneck with SiLU whose middle channels are gated by squeeze-and-excite (Hu et al. 2017; Tan and
    Le 2019): their means over the map choose, by two dense layers and a sigmoid, how much of each goes on.
    """

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        inner, few = 3 * inputs, inputs // 4
        self.shortcut = stride == 1 and inputs == outputs
        self.expand = nn.Sequential(nn.Conv2d(inputs, inner, 1, bias=False), nn.BatchNorm2d(inner), nn.SiLU())
        self.depthwise = nn.Sequential(
            nn.Conv2d(inner, inner, 3, stride, 1, groups=inner, bias=False), nn.BatchNorm2d(inner), nn.SiLU()
        )
        self.gate = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(inner, few, 1), nn.SiLU(), nn.Conv2d(few, inner, 1), nn.Sigmoid()
        )
        self.project = nn.Sequential(nn.Conv2d(inner, outputs, 1, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.depthwise(self.expand(x))
        y = self.project(y * self.gate(y))
        return x + y if self.shortcut else y


class GatedNet(nn.Module):
    """A small EfficientNet: SiLU, signed linear bottlenecks and gates; half as high and wide from the stem on."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 32, 3, 2, 1, bias=False), nn.BatchNorm2d(32), nn.SiLU())
        self.blocks1 = nn.Sequential(Gated(32, 32, 1), Gated(32, 32, 1))
        self.blocks2 = nn.Sequential(Gated(32, 64, 2), Gated(64, 64, 1), Gated(64, 64, 1))
        self.head = nn.Sequential(nn.Conv2d(64, 128, 1, bias=False), nn.BatchNorm2d(128), nn.SiLU())
        self.linear = nn.Linear(128, len(CLASSES))
        initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        x = self.head(self.blocks2(self.blocks1(self.stem(x))))
        logits: Tensor = self.linear(x.mean(dim=(2, 3)))
        return logits


def initialise(model: nn.Module) -> None:
    """Give every convolution and dense layer He's initial weights."""
    for module in model.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            nn.init.kaiming_normal_(module.weight)


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    **{f"resnet{depth}": partial(ResNet, depth) for depth in (8, 14, 20, 32, 44, 56)},
    "mixed": Mixed,
    "gated": GatedNet,
}


def learning_rate(peak: float, step: int, warmup: int, total: int) -> float:
    """Return the rate of one step: a linear warm-up to the peak, then half a cosine down to 0."""
    if step < warmup:
        return peak * (step + 1) / warmup
    return peak * 0.5 * (1 + math.cos(math.pi * (step - warmup) / (total - warmup)))


def train(args: argparse.Namespace) -> None:
    """Train, or continue to train, as the command line says."""
    images, labels = training_images(args.data)
    mean, std = channel_statistics(images)
    scale, shift = (1 / (255 * std)).view(3, 1, 1), (mean / std).view(3, 1, 1)
    args.checkpoint.parent.mkdir(parents=True, exist_ok=True)
    args.out.parent.mkdir(parents=True, exist_ok=True)

    torch.manual_seed(args.seed)
    layout = torch.channels_last if args.bfloat16 else torch.contiguous_format  # each is the faster one
    model = NETWORKS[args.network]()
    for p in model.parameters():
        if p.ndim == 4:  # weights of a convolution
            p.data = p.data.contiguous(memory_format=layout)
    forward = torch.compile(model) if args.compile else model
    # One group per tensor; biases and batch norm (one dimension) have no weight decay.
    groups = [{"params": [p], "weight_decay": WEIGHT_DECAY if p.ndim > 1 else 0.0} for p in model.parameters()]
    optimizer = torch.optim.SGD(groups, lr=args.lr, momentum=0.9, nesterov=True)
    recipe = {k: getattr(args, k) for k in ("network", "epochs", "coarse", "batch_size", "lr", "seed")}
    recipe["images"] = len(labels)
    done, log = 0, open(args.checkpoint.with_suffix(".log"), "a", buffering=1)
    if args.checkpoint.exists():
        state = torch.load(args.checkpoint, weights_only=True)
        if state["recipe"] != recipe:
            sys.exit(f"train_cifar10.py: error: {args.checkpoint} is of another training, {state['recipe']}")
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        torch.set_rng_state(state["rng"])
        done = state["epoch"]
    else:
        print("# epoch, learning rate, train loss, train accuracy in %, seconds", file=log)

    # A view of every 32x32 crop of the padded images: [image, channel, crop row, crop column, row, column].
    crops = F.pad(images, (PAD,) * 4).unfold(2, 32, 1).unfold(3, 32, 1)
    steps = len(images) // args.batch_size
    # The first mirror image is drawn, after that every image is mirrored in every other epoch.
    coin = torch.rand(len(images), 1, 1, 1, generator=torch.Generator().manual_seed(args.seed)) < 0.5
    for epoch in range(done + 1, args.epochs + 1):
        start, loss_sum, hits, rate = time.monotonic(), 0.0, 0, 0.0
        rng = torch.Generator().manual_seed(args.seed * 1_000_003 + epoch)
        order = torch.randperm(len(images), generator=rng)
        rows, columns = torch.randint(2 * PAD + 1, (2, len(images)), generator=rng)
        mirrored = coin ^ bool(epoch % 2)
        for step, index in enumerate(order.split(args.batch_size)[:steps], start=(epoch - 1) * steps):
            rate = learning_rate(args.lr, step, WARMUP_EPOCHS * steps, args.epochs * steps)
            for group in optimizer.param_groups:
                group["lr"] = rate
            batch = crops[index, :, rows[index], columns[index]]
            batch = torch.where(mirrored[index], batch.flip(3), batch) * scale - shift
            if epoch <= args.coarse:
                batch = F.interpolate(batch, size=COARSE, mode="bilinear", antialias=True)
            batch = batch.contiguous(memory_format=layout)
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=args.bfloat16):
                logits = forward(batch).float()
            loss = F.cross_entropy(logits, labels[index])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            loss_sum += loss.item() * len(index)
            hits += int((logits.argmax(1) == labels[index]).sum())
        if not math.isfinite(loss_sum):
            sys.exit(f"train_cifar10.py: error: the training diverged in epoch {epoch}; try a smaller --lr")
        state = {
            "recipe": recipe,
            "epoch": epoch,
            "rng": torch.get_rng_state(),
            "model": model.state_dict(),
            "optimizer": optimizer.state_dict(),
        }
        checkpoint = io.BytesIO()
        torch.save(state, checkpoint)
        write(checkpoint.getvalue(), args.checkpoint, "RUN-5")
        seen = steps * args.batch_size
        results = f"{loss_sum / seen:.4f} {100 * hits / seen:.2f} {time.monotonic() - start:.1f}"
        print(f"{epoch} {rate:.6f} {results}", file=log)

    pixels = Pixels(3, 32, 32, mean=tuple(mean.tolist()), std=tuple(std.tolist()))
    save(from_torch(model, pixels, classes=CLASSES, name=args.network), args.out)


def main() -> None:
    """Read the command line and train."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="folder of the binary batches")
    parser.add_argument("--checkpoint", type=Path, required=True, metavar="FILE", help="written after every epoch")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="npz of the trained float graph")
    parser.add_argument("--network", choices=NETWORKS, default="resnet20", help="what to train (default resnet20)")
    integers = [("epochs", 75, "passes over the training set"), ("coarse", 35, "the first of them, at 24 x 24 pixels")]
    integers += [("batch-size", 128, "images per step"), ("seed", 1, "of the initial weights and the shuffles")]
    for name, default, text in integers:
        parser.add_argument(f"--{name}", type=int, default=default, metavar="N", help=f"{text} (default {default})")
    parser.add_argument("--lr", type=float, default=0.1, metavar="RATE", help="peak learning rate (default 0.1)")
    parser.add_argument("--compile", action="store_true", help="compile the network: faster, but needs a C++ compiler")
    parser.add_argument(
        "--bfloat16",
        action="store_true",
        help="train in bfloat16: faster on a CPU with AMX or AVX512-BF16, and then better without --compile",
    )
    args = parser.parse_args()
    if args.epochs <= WARMUP_EPOCHS or not 0 <= args.coarse <= args.epochs or args.batch_size < 1 or args.seed < 0:
        parser.error("needed: --epochs 2 or more, --coarse 0 .. epochs, --batch-size 1 or more, --seed >= 0")
    train(args)


if __name__ == "__main__":
    main()
