"""Valid files of every kind that fsref reads, small, the same at every call: what tools/fuzz.py breaks."""

from __future__ import annotations

import gzip
import io
import json
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

import fsref
from fsref import FS, Conv2d, Dense, Graph, Input, MaxPool, Network, Pixels, Readout, Record, Width, fs_relu
from fsref.formats import graph as graphs
from fsref.formats import npz as networks
from fsref.formats.npy import npy
from fsref.graph.graph import Node
from fsref.law.populations import OBSERVABLES, Population
from fsref.law.projections import Projection
from fsref.metrics.energy import PRICED

SHAPE, CLASSES = (3, 8, 8), ("cat", "dog", "ship", "truck")
PIXELS = Pixels(*SHAPE, mean=(0.4, 0.5, 0.6), std=(0.2, 0.25, 0.3), resize=256, crop=8)
DEVICES = ("/dev/zero", "/dev/full", "/dev/null", "/dev/urandom")
LISTED = {"png": "PNG", "jpg": "JPEG", "bmp": "BMP", "ppm": "PPM", "tif": "TIFF", "webp": "WEBP"}
UNLISTED = ("GIF", "EPS", "ICO", "PCX", "TGA", "SGI", "DDS", "SPIDER", "MSP", "XBM")  # RUN-4 knows none of them
MODES = {"1": (1, 0, 1), "L": (8, 0, 1), "LA": (8, 4, 2), "P": (8, 3, 1), "RGB": (8, 2, 3), "RGBA": (8, 6, 4)} | {
    "I;16": (16, 0, 1)  # bits, colour type and channels of a PNG, by Pillow's name
}
Files = Mapping[str, bytes]


@dataclass(frozen=True)
class Case:
    """What is put before a verb: files by their path below the folder of the case, and the file or folder `name` among
    them that the verb is told. `foreign`: of a format that no page lists, or outside of its folder, to be refused.
    """

    kind: str
    name: str
    files: Files
    foreign: bool = False


def changed(case: Case, name: str, data: bytes) -> Case:
    """The case with another content of one file."""
    return replace(case, files={**case.files, name: data})


def images(count: int = 6) -> NDArray[np.uint8]:
    """Images (count, 3, 8, 8) of codes 0..255."""
    return np.random.default_rng(5).integers(0, 256, (count, *SHAPE), np.uint8)


def float_graph() -> Graph:
    """A padded convolution, batch norm, ReLU, a max-pool, a residual sum, the mean over places and a dense layer."""
    draw = np.random.default_rng(3)
    statistics = {"mean": draw.normal(size=4) * 0.1, "variance": draw.uniform(0.5, 2, 4)}
    statistics |= {"gain": draw.uniform(0.5, 1.5, 4), "offset": draw.normal(size=4) * 0.1}
    nodes = (
        Node("stem", "conv", ("input",), {"padding": (1, 1, 1, 1)}, {"weight": draw.normal(size=(4, 3, 3, 3)) / 5}),
        Node("norm", "batch_norm", ("stem",), {}, statistics),
        Node("early", "relu", ("norm",)),
        Node("down", "max_pool", ("early",), {"kernel": (2, 2)}),
        Node("branch", "conv", ("down",), {}, {"weight": draw.normal(size=(4, 4, 1, 1)), "bias": draw.normal(size=4)}),
        Node("sum", "add", ("branch", "down")),
        Node("late", "relu", ("sum",)),
        Node("pool", "global_avg_pool", ("late",)),
        Node("out", "dense", ("pool",), {}, {"weight": draw.normal(size=(4, 4)), "bias": np.arange(4) / 10}),
    )
    return Graph(PIXELS, nodes, "seed", CLASSES, ("a note",))


def drawn_network() -> Network:
    """Every kind of population and projection, declared widths, groups and a dilation; no scales, no contract."""
    draw = np.random.default_rng(7)

    def weights(*shape: int) -> Any:
        return draw.integers(-4, 5, shape)

    populations: list[Population] = [
        Input("in", SHAPE, 8, 255),
        FS("stem", (4, 8, 8), fs_relu(4, [3, 5, 2, 7]), draw.integers(-9, 9, (4, 8, 8)), Width(24, "final")),
        MaxPool("pool", (4, 4, 4), "stem", (2, 2), (2, 2)),
        FS("sum", (4, 4, 4), fs_relu(6, 4), np.arange(4)),
        Readout("out", (4, 1, 1), np.array([10, 0, -10, 4])),
    ]
    projections: list[Projection] = [
        Conv2d("in", "stem", weights(4, 3, 3, 3), padding=(1, 1, 1, 1)),
        Conv2d("pool", "sum", weights(4, 2, 2, 2), padding=(1, 1, 1, 1), dilation=(2, 2), groups=2),
        Conv2d("pool", "sum", weights(4, 1, 1, 1), groups=4),
        Dense("in", "out", weights(4, 192)),
        Dense("sum", "out", weights(4, 4), pooled=True),
    ]
    return Network(populations, projections, "drawn", classes=CLASSES)


def ten_classes() -> Network:
    """A network of images and classes as CIFAR-10 has them."""
    dense = Dense("in", "out", np.arange(30).reshape(10, 3) % 7 - 3, pooled=True)
    return Network([Input("in", (3, 32, 32), 8, 255), Readout("out", (10, 1, 1))], [dense])


def datasets(kind: str) -> list[Case]:
    """CIFAR-10 as fsref reads it, some images of each batch; foreign ones: its pickles, the files of MNIST."""
    draw = np.random.default_rng(13)
    records = [bytes([label]) + draw.bytes(3072) for label in range(10)]
    batches = {f"folder/data_batch_{k}.bin": records[2 * k - 1] + records[k] for k in range(1, 6)}
    idx = {"folder/t10k-images-idx3-ubyte": struct.pack(">IIII", 2051, 1, 28, 28) + bytes(784)}
    idx |= {"folder/t10k-labels-idx1-ubyte": struct.pack(">II", 2049, 1) + b"\7"}
    pickled = {"folder/test_batch": b"\x80\x04\x8c\x02os\x8c\x06system\x93."}
    return [
        Case(kind, "cifar10:folder", {"folder/test_batch.bin": b"".join(records)}),
        Case(kind, "cifar10-train:folder", batches),
        Case(kind, "folder", idx, True),
        Case(kind, "folder", {f"{name}.gz": gzip.compress(data, mtime=0) for name, data in idx.items()}, True),
        Case(kind, "cifar10:folder", pickled, True),
    ]


def picture(codes: NDArray[np.uint8] | None = None, form: str = "PNG", mode: str = "RGB") -> bytes:
    """The bytes of an image file, of codes (H, W, 3)."""
    packed = io.BytesIO()
    made = Image.fromarray(images(1)[0].transpose(1, 2, 0) if codes is None else codes)
    made.convert(mode).save(packed, form)
    return packed.getvalue()


def unlisted(form: str) -> bytes:
    """A picture in a format that no page lists."""
    modes = {"MSP": "1", "XBM": "1", "SPIDER": "F", "GIF": "P"}
    return picture(np.full((32, 32, 3), 9, np.uint8) if form == "ICO" else None, form, modes.get(form, "RGB"))


def chunk(name: bytes, data: bytes) -> bytes:
    """A chunk of a PNG, its checksum right."""
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


@cache
def blank(width: int, height: int, mode: str = "L") -> bytes:
    """A black PNG of this size, made row by row: the fuzzer never holds what a reader may not."""
    bits, colour, channels = MODES[mode]
    press, row = zlib.compressobj(1), bytes(1 + (width * bits * channels + 7) // 8)
    rows = b"".join(press.compress(row) for _ in range(height)) + press.flush()
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0))
    palette = chunk(b"PLTE", bytes(3)) if mode == "P" else b""
    return b"\x89PNG\r\n\x1a\n" + head + palette + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def image_arrays(x: NDArray[np.integer], y: NDArray[np.integer]) -> bytes:
    """An npz of images and labels."""
    packed = io.BytesIO()
    np.savez(packed, x=x, y=y)
    return packed.getvalue()


def recording(net: Network, x: NDArray[np.integer]) -> dict[str, bytes]:
    """The files of a recording of every observable."""
    with TemporaryDirectory() as folder:
        place = Path(folder) / "recording"
        fsref.run(net, x, "reference", Record(observables=OBSERVABLES, path=place))
        return {f"recording/{path.name}": path.read_bytes() for path in sorted(place.iterdir())}


def onnx_model(quantised: bool) -> bytes:
    """A float model of onnx.helper; or one whose weights are int8 and whose activations are rounded to uint8."""
    draw = np.random.default_rng(11)
    arrays = {"W": draw.normal(size=(4, 3, 3, 3)) / 5, "B": draw.normal(size=4), "V": draw.normal(size=(4, 4))}
    held = {name: array.astype(np.float32) for name, array in arrays.items()}
    nodes = [
        helper.make_node("Conv", ["x", "W", "B"], ["a"], "stem", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["a"], ["b"], "relu"),
        helper.make_node("MaxPool", ["b"], ["c"], "down", kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("GlobalAveragePool", ["c"], ["d"], "mean"),
        helper.make_node("Flatten", ["d"], ["e"], "flat"),
        helper.make_node("Gemm", ["e", "V", "B"], ["y"], "out", transB=1),
    ]
    if quantised:
        rounded: dict[str, Any] = {"S": np.float32(0.02), "Z": np.uint8(0), "M": np.int8(0)}
        held |= rounded | {"I": np.rint(held.pop("W") * 50).astype(np.int8)}
        nodes[0:0] = [helper.make_node("DequantizeLinear", ["I", "S", "M"], ["W"], "weights")]
        nodes[3].input[0] = "bq"
        nodes[3:3] = [
            helper.make_node("QuantizeLinear", ["b", "S", "Z"], ["q"], "act"),
            helper.make_node("DequantizeLinear", ["q", "S", "Z"], ["bq"], "act_out"),
        ]
    shown = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", *SHAPE])]
    told = [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 4])]
    given = [numpy_helper.from_array(np.asarray(array), name) for name, array in held.items()]
    made = helper.make_model(helper.make_graph(nodes, "seed", shown, told, given), ir_version=10)
    del made.opset_import[:]
    made.opset_import.append(helper.make_opsetid("", 17))
    return bytes(made.SerializeToString())


def costs() -> bytes:
    """A cost table."""
    told = {name: 0.5 + place for place, name in enumerate(PRICED)}
    said = {"name": "mine", "source": "a page", "sources": {PRICED[0]: "a line"}}
    return json.dumps({**told, **said}, indent=1).encode()


def companions() -> dict[str, bytes]:
    """The unbroken files that stand beside a broken one."""
    graph, x, y = float_graph(), images(), np.arange(6) % 4
    net = fsref.convert(graph, x, steps=4)
    held = {"graph.npz": graphs.to_bytes(graph), "net.fs.npz": networks.to_bytes(net), "picture.png": picture()}
    model = onnx.load_from_string(onnx_model(False))
    held["from_onnx.fs.npz"] = networks.to_bytes(fsref.convert(fsref.from_onnx(model, PIXELS), x))
    held["ten.fs.npz"] = networks.to_bytes(ten_classes())
    drawn = {"drawn.fs.npz": networks.to_bytes(drawn_network()), "x.npz": image_arrays(x, y)}
    return {**held, **drawn, **recording(drawn_network(), images(2))}


def seeds(kind: str, good: Mapping[str, bytes]) -> list[Case]:
    """The valid cases of a kind, and foreign ones; `good` are the companions."""
    one = picture()
    match kind:
        case "npz":
            held = [Case(kind, "one.fs.npz", {"one.fs.npz": good[name]}) for name in ("net.fs.npz", "drawn.fs.npz")]
            return [*held, Case(kind, "images.npz", {"images.npz": good["x.npz"]})]
        case "graph":
            return [Case(kind, "one.npz", {"one.npz": good["graph.npz"]})]
        case "onnx":
            return [Case(kind, "one.onnx", {"one.onnx": onnx_model(quantised)}) for quantised in (False, True)]
        case "picture":
            listed = [Case(kind, f"one.{end}", {f"one.{end}": picture(form=form)}) for end, form in LISTED.items()]
            return (
                listed
                + listed[:1] * 8
                + [Case(kind, "one.png", {"one.png": unlisted(form)}, True) for form in UNLISTED]
            )
        case "npy":
            kinds = (np.uint8, np.int64)
            return [Case(kind, "one.npy", {"one.npy": npy(images(1)[0], np.dtype(code))}) for code in kinds]
        case "csv":
            lines = [f"{i}.png,{name}" for i, name in enumerate(CLASSES)]
            table = "\n".join(["file,label", *lines, ""]).encode()
            named = {f"folder/{name}/1.png": one for name in CLASSES}
            numbered = {f"folder/{i}.png": one for i in range(4)}
            return [
                Case(kind, "folder", {"folder/labels.csv": table, **numbered}),
                Case(kind, "folder", {"folder/labels.csv": table, **{f"folder/images/{i}.png": one for i in range(4)}}),
                Case(kind, "folder", named),
            ]
        case "costs":
            return [Case(kind, "costs.json", {"costs.json": costs()})]
        case "recording":
            return [Case(kind, "recording", {k: v for k, v in good.items() if k.startswith("recording/")})]
        case "dataset":
            return datasets(kind)
        case "device":
            return [Case(kind, name, {}, True) for name in DEVICES]
    raise AssertionError(kind)
