"""Networks as NIR graphs: every integer is there, what NIR cannot hold is refused (NIR-1)."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

import fsref
from fsref import FS, Conv2d, Dense, Input, MaxPool, Network, fs_relu, testing
from fsref.errors import UsageError
from fsref.law.populations import View
from fsref.law.projections import Gate
from handmade import chain, residual, tiny
from refusals import check_line, refused
from repeatable import LONG, drawn

nir = pytest.importorskip("nir", reason="the package nir is not installed")


def grouped(q: Conv2d, weights: Any, channels: int) -> Any:
    """The weights of one group that stand for those of several, tap by tap."""
    outputs, inputs = weights.shape[:2]
    found = np.zeros((outputs, channels, *weights.shape[2:]), weights.dtype)
    for o in range(outputs):
        for i in range(inputs):
            found[o, o // (outputs // q.groups) * inputs + i] = weights[o, i]
    return found


def check(net: Network, path: Path) -> None:
    """A file of NIR, as nir reads it and checks its shapes, holds every integer of a network and how it is wired."""
    graph = nir.read(path)
    assert graph.metadata["id"] == net.id and graph.metadata["network"] == net.name
    edges = set(map(tuple, graph.edges))
    for p in net.populations:
        node, into = graph.nodes[p.name], net.into(p.name)
        kind = {"input": "Input", "fs": "Scale", "readout": "Output"}[p.kind]
        assert type(node).__name__ == kind and node.metadata["kind"] == p.kind
        assert int(np.prod(next(iter(node.input_type.values())))) == p.neurons
        if isinstance(p, Input):
            assert (node.metadata["K"], node.metadata["max_code"]) == (p.steps, p.max_code)
            continue
        if isinstance(p, FS):
            assert node.metadata["K"] == p.steps and (node.scale == 1).all()
            for what in "Thd":
                found, wanted = node.metadata[what], getattr(p.table, what)
                assert found.dtype == wanted.dtype and found.tolist() == wanted.tolist()
        biases = [graph.nodes[name].bias for name in into]
        own = np.zeros(p.shape[0], np.int64) if p.bias.ndim == 3 else p.bias  # type: ignore[union-attr]
        assert [b.tolist() for b in biases] == [own.tolist()] + [[0] * len(own)] * (len(into) - 1)
        assert ("bias" in node.metadata) == (p.bias.ndim == 3)  # type: ignore[union-attr]
        if "bias" in node.metadata:
            assert node.metadata["bias"].tolist() == p.bias.tolist()  # type: ignore[union-attr]
        for name, q in into.items():
            node = graph.nodes[name]
            wanted = q.weights
            if isinstance(q, Conv2d):
                wanted = grouped(q, q.weights, net[q.source].shape[0])
                assert node.stride.tolist() == list(q.stride) and node.dilation.tolist() == list(q.dilation)
                assert node.padding.tolist() == list(q.padding[:2]) and node.groups == 1
            assert node.weight.dtype == wanted.dtype and node.weight.tolist() == wanted.tolist()
            ends = {a for a, b in edges if b == p.name}, {b for a, b in edges if a == q.source}
            assert all(any(end == name or end.startswith(f"{name} ") for end in some) for some in ends)


def save(net: Network, folder: Path) -> Path:
    """The file of NIR of a network."""
    fsref.export(net, folder / "a.nir", "nir")
    return folder / "a.nir"


def skipping() -> Network:
    """Projections that meet, groups, a bias map, stride, dilation, a pooled dense and a plain one, on after another."""
    rng = np.random.default_rng(2)

    def w(*shape: int) -> Any:
        return rng.integers(-200, 200, shape)

    return Network(
        [
            Input("in", (2, 6, 6), 5, 31),
            FS("a", (4, 6, 6), fs_relu(4, [1, 2, 3, 4]), w(4, 6, 6)),
            FS("b.c", (4, 3, 3), fs_relu(4), [1, -2, 3, -4]),
            FS("flat", (5, 1, 1), fs_relu(3), [0, 1, 2, 3, 4]),
            fsref.Readout("out", (3, 1, 1), [7, 0, -7]),
        ],
        [
            Conv2d("in", "a", w(4, 1, 3, 3), padding=(1, 1, 1, 1), groups=2),
            Conv2d("a", "b.c", w(4, 4, 2, 2), (2, 2), (1, 1, 1, 1), (2, 2)),
            Conv2d("in", "b.c", w(4, 2, 1, 1), (2, 2)),
            Dense("b.c", "flat", w(5, 4), pooled=True),
            Conv2d("b.c", "flat", w(5, 4, 3, 3)),
            Dense("flat", "out", w(3, 5)),
            Dense("b.c", "out", w(3, 36)),
        ],
    )


@pytest.mark.parametrize("make", [tiny, skipping], ids=lambda make: make.__name__)
def test_every_integer_is_in_the_graph(make: Any, tmp_path: Path) -> None:
    """nir reads the graph, and the same network gives the same bytes."""
    net = make()
    check(net, path := save(net, tmp_path))
    before = path.read_bytes()
    assert save(net, tmp_path).read_bytes() == before


def test_a_graph_computes_the_same_sums() -> None:
    """What the nodes into a population say, computed as NIR defines them, is the opening membrane of the law."""
    net = skipping()
    x = np.random.default_rng(0).integers(0, 32, (1, 2, 6, 6))
    trace = fsref.run(net, x, record=fsref.Record(None, ("opening",))).trace
    graph = fsref.formats.nir.graph(net)
    node, bias = graph.nodes["in->a"], graph.nodes["a"].metadata["bias"]
    padded = np.pad(x[0], ((0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), (1, 2))
    assert trace is not None
    sums = np.einsum("chwij,ocij->ohw", windows, node.weight.astype(np.int64)) + bias
    assert trace["a", "opening"][0].tolist() == sums.reshape(-1).tolist()


def conv(kernel: tuple[int, int], padding: tuple[int, int, int, int]) -> Network:
    """A network of one convolution."""
    shape = 5 - kernel[0] + sum(padding[::2]), 5 - kernel[1] + sum(padding[1::2])
    weights = np.ones((1, 1, *kernel), np.int64)
    given = Input("in", (1, 4, 4), 4, 15)
    return chain(FS("n", (1, *shape), fs_relu(4)), Conv2d("in", "n", weights, padding=padding), given=given)


def after_dense(q: Conv2d | Dense) -> Network:
    """A population behind one that a dense projection enters."""
    return chain(FS("a", (1, 1, 1), fs_relu(4)), FS("b", (1, 1, 1), fs_relu(4)), Dense("in", "a", [[1]]), q)


def squared() -> Network:
    """The square of a code."""
    return Network([Input("in", (1, 1, 1), 4, 15), fsref.Readout("out", (1, 1, 1))], [Gate("in", "in", "out", [1])])


REFUSED = {
    "max_pool": (residual(), "pool: NIR has no max-pool"),
    "padding": (conv((2, 2), (1, 0, 1, 1)), "in->n: NIR pads both sides alike: (1, 0, 1, 1)"),
    "kernel": (conv((2, 3), (0, 0, 0, 0)), "in->n: NIR knows the shape behind square kernels alone: (2, 3)"),
    "conv": (after_dense(Conv2d("a", "b", [[[[1]]]])), "a->b: NIR has no way back from what dense flattens"),
    "pooled": (after_dense(Dense("a", "b", [[1]], pooled=True)), "a->b: NIR has no way back"),
    "gate": (squared(), "in->out: NIR has no gate"),
    "dots": (chain(FS("..", (1, 1, 1), fs_relu(4))), "no file of NIR holds this name"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_held(name: str, tmp_path: Path) -> None:
    """What NIR has no node for is refused by name, and nothing is written."""
    net, words = REFUSED[name]
    with refused(UsageError, "NIR-1", says=words):
        save(net, tmp_path)
    assert not list(tmp_path.iterdir())


def test_without_nir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing package is one line that says what to install."""
    monkeypatch.setitem(sys.modules, "nir", None)
    with refused(UsageError, "NIR-1", says='needs the package nir (pip install "fsref[nir]")'):
        save(tiny(), tmp_path)


@settings(drawn, max_examples=1000 if LONG else 25)
@given(testing.networks())
def test_drawn_networks(monkeypatch: pytest.MonkeyPatch, net: Network) -> None:
    """Every integer of a drawn network is in its graph, or it is refused for what it has."""
    monkeypatch.setattr(os, "fsync", lambda _: None)
    with TemporaryDirectory() as folder:
        try:
            check(net, save(net, Path(folder)))
        except UsageError as error:
            check_line(error)
            convolutions = [q for q in net.projections if isinstance(q, Conv2d)]
            causes = {
                "NIR has no gate": any(isinstance(q, Gate) for q in net.projections),
                "NIR has no max-pool": any(isinstance(p, MaxPool) for p in net.populations),
                "NIR has no view": any(isinstance(p, View) for p in net.populations),
                "NIR pads both sides alike": any(q.padding[:2] != q.padding[2:] for q in convolutions),
                "square kernels alone": any(q.kernel[0] != q.kernel[1] for q in convolutions),
                "NIR has no way back": any(isinstance(q, Dense) for q in net.projections),
            }
            assert [has for words, has in causes.items() if words in str(error)] == [True], str(error)
