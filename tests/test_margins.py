"""Margins (FLOAT-4) and float32 neurons beside ours (FLOAT-5): where trains change, and that none changes elsewhere."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import fsref
import handmade
from fsref import FS, Conv2d, Dense, Input, Network, Readout, Table, fs_relu
from fsref.cli import main as cli
from fsref.law.neuron import fire
from fsref.law.projections import Gate
from fsref.verification.against import against_float32
from fsref.verification.float_neurons import Membranes, held, opened, sent, unit_of
from fsref.verification.margins import FAR, Margins, PopulationMargins, margin, margins_of, summary

FINE = {"residual": handmade.residual, "unordered": handmade.unordered, "tiny": handmade.tiny, "gated": handmade.gated}


@pytest.mark.parametrize("seed", range(6))
def test_the_margin_is_where_the_train_changes(seed: int) -> None:
    """Down and up are the distances of a membrane from the lowest with its train, and from the lowest above with
    another; FAR where there is none.
    """
    rng = np.random.default_rng(seed)
    T, h = rng.integers(-30, 40, (2, 4)), rng.integers(-20, 40, (2, 4))
    v = rng.integers(-60, 80, (3, 2, 5))
    found = margin(v, T, h)
    for place in np.ndindex(v.shape):
        rows = T[place[1]], h[place[1]], np.ones(4, int)
        train = fire(int(v[place]), *rows).train
        for moved, told in ((-1, found.down[place]), (1, found.up[place])):
            same = 0
            while same < 400 and fire(int(v[place]) + moved * (same + 1), *rows).train == train:
                same += 1
            assert told == (FAR if same == 400 else same if moved < 0 else same + 1)
    assert np.array_equal(found.least, np.minimum(found.down, found.up))


def test_a_margin_of_zero_is_equality() -> None:
    """The margin is 0 exactly where a strict comparison sends another train."""
    T, h = np.array([[12, 6, 3]]), np.array([[12, 6, 3]])
    v = np.arange(-5, 40).reshape(1, 1, -1)
    plain, strict = ([fire(int(n), T[0] + more, h[0], [4, 2, 1]).train for n in v[0, 0]] for more in (0, 1))
    zero = margin(v, T, h).least[0, 0] == 0
    assert np.array_equal(zero, np.array(plain) != np.array(strict)) and zero.sum() == 7


def test_a_report_tells_margins_in_a_few_numbers() -> None:
    """How many are 0, and the largest among the smallest hundredth and half, of a run and in its table."""
    found = summary("n", np.random.default_rng(0).permutation(np.arange(1000) // 4).reshape(10, 20, 5))
    assert found == PopulationMargins("n", 1000, 4, 2, 124)
    far = summary("dead", np.full((1, 1, 1), FAR))
    assert "any" in str(Margins((found, far))) and (far.hundredth, far.at_threshold) == (FAR, 0)
    net = handmade.tiny()
    x = handmade.draw(net, 6)
    opening = handmade.recorded(net, x)["hid", "opening"]
    T, h, _ = net.fs[0].table.rows(3)
    assert np.array_equal(margins_of(net, "hid", opening), margin(opening.reshape(6, 3, 1), T, h).least)


def scale_of(p: Any, channel: int) -> float:
    """The real value of a code unit of an input or fs."""
    return 1.0 if p.scale is None else float(np.broadcast_to(p.scale, p.shape[:1])[channel])


def real(net: Network, trace: Any, image: int, name: str, neuron: int) -> tuple[np.float32, float]:
    """What a neuron sends in float32, the sum of its d over its spikes, and the real value of its code unit."""
    p, train = net[name], int(trace[name, "spikes"][image, neuron])
    channel = neuron // (p.shape[1] * p.shape[2])
    d, scale, value = net.code_weights[name][channel], scale_of(p, channel), np.float32(0)
    for t, weight in enumerate(d):
        if train >> (len(d) - 1 - t) & 1:
            value += np.float32(weight * scale)
    return value, scale


def float_codes(net: Network, x: Any, lowered: float = 0.0) -> dict[str, NDArray[Any]]:
    """The trains (B, neurons) of each fs population of a network of conv2d and dense projections, given our spikes of
    its sources, by loops over neurons in np.float32: an oracle that knows nothing of what is judged.
    """
    trace, f32 = handmade.recorded(net, x), np.float32
    answers = {}
    for p in net.fs:
        T, h, _ = p.table.rows(p.shape[0])
        relu = np.array_equal(T, h)
        out = np.zeros((len(x), p.neurons), int)
        for b, n in np.ndindex(out.shape):
            c, y, xx = np.unravel_index(n, p.shape)
            unit = scale_of(p, int(c)) / (T[c, -1] if relu else 1)
            v = f32(np.broadcast_to(p.bias_map, p.shape)[c, y, xx] * unit)
            for q in net.into(p.name).values():
                if isinstance(q, Gate):
                    one = int(c) if net[q.by].shape[1:] == (1, 1) else n
                    (value, scale), (factor, other) = real(net, trace, b, q.source, n), real(net, trace, b, q.by, one)
                    v += f32(q.weights[c] * unit / (scale * other)) * (value * factor)
                    continue
                for at, weight in naive_synapses(net, q, (int(c), int(y), int(xx))):
                    value, scale = real(net, trace, b, q.source, at)
                    v += f32(weight * unit / scale) * value
            for t in range(p.steps):
                z = v > f32((T[c, t] - lowered) * unit)
                v = v - f32(h[c, t] * unit) * f32(z)
                out[b, n] = 2 * out[b, n] + z
        answers[p.name] = out
    return answers


def naive_synapses(net: Network, q: Any, place: tuple[int, int, int]) -> list[tuple[int, int]]:
    """The taps of a neuron that fall on its source, (neuron, weight), in the order in which they are added up."""
    o, y, x = place
    channels, height, width = net[q.source].shape
    if isinstance(q, Dense):
        return [
            (n, int(q.weights[o, n // (height * width) if q.pooled else n])) for n in range(channels * height * width)
        ]
    _, inputs, kh, kw = q.weights.shape
    first = o // (len(q.weights) // q.groups) * inputs
    found = []
    for i, r, c in np.ndindex(inputs, kh, kw):
        row = y * q.stride[0] - q.padding[0] + r * q.dilation[0]
        column = x * q.stride[1] - q.padding[1] + c * q.dilation[1]
        if 0 <= row < height and 0 <= column < width:
            found.append((((first + i) * height + row) * width + column, int(q.weights[o, i, r, c])))
    return found


def scaled(seed: int = 1) -> Network:
    """A network without max-pools, its scales no powers of two, thresholds small beside sums so that many are met."""
    rng = np.random.default_rng(seed)
    odd = Table(T=rng.integers(-20, 30, (3, 4)), h=rng.integers(-9, 30, (3, 4)), d=rng.integers(-3, 9, (3, 4)))
    return Network(
        [
            Input("in", (2, 4, 4), 4, 15, scale=1 / 15),
            FS("relu", (4, 4, 4), fs_relu(4, [3, 5, 7, 9]), rng.integers(-9, 9, 4), scale=(0.1, 0.3, 0.7, 1.1)),
            FS("odd", (3, 2, 2), odd, [1, -2, 3], scale=0.37),
            Readout("out", (3, 1, 1), [1, 2, 3], scale=None),
        ],
        [
            Conv2d("in", "relu", rng.integers(-4, 5, (4, 1, 3, 3)), padding=(1, 1, 1, 1), groups=2),
            Conv2d("relu", "odd", rng.integers(-4, 5, (3, 4, 2, 2)), stride=(2, 2)),
            Dense("odd", "out", rng.integers(-4, 5, (3, 3)), pooled=True),
        ],
        logit_scale=0.01,
    )


@pytest.mark.parametrize("lowered", [0.0, 0.5])
@pytest.mark.parametrize("made", [lambda: scaled(), lambda: gated()], ids=["scaled", "gated"])
def test_float32_neurons_are_the_naive_ones(made: Callable[[], Network], lowered: float) -> None:
    """Trains of float32 neurons are, one for one, those of loops over synapses and steps."""
    net = made()
    x = handmade.draw(net, 3, seed=4)
    trace = handmade.recorded(net, x)
    expected, count = float_codes(net, x, lowered), 0
    for p in net.fs:
        sources = {name: sent(net, name, trace[name, "spikes"]) for name in net.sources(p.name)}
        opening = trace[p.name, "opening"].reshape(3, p.shape[0], -1)
        T, h, _ = p.table.rows(p.shape[0])
        found = held(opening, opened(net, p, sources), (T, h), unit_of(net, p), lowered)
        differ = expected[p.name] != trace[p.name, "spikes"]
        assert np.array_equal(found.differ.reshape(differ.shape), differ), p.name
        count += int(differ.sum())
    assert (count == 0) == (lowered == 0.5)


def gated() -> Network:
    """Products of signed codes, a factor of one place, a square, and scales that are no powers of two."""
    rng = np.random.default_rng(2)
    signed = Table(T=[-(2**20), 20, 10, 5], h=[-40, 20, 10, 5], d=[-8, 4, 2, 1])
    return Network(
        [
            Input("in", (2, 3, 3), 4, 15, scale=1 / 15),
            FS("a", (3, 3, 3), signed, [1, -2, 3], scale=0.3),
            FS("b", (3, 1, 1), fs_relu(4, [9, 7, 5]), [3, 4, 5], scale=0.7),
            FS("ab", (3, 3, 3), fs_relu(5, [3, 5, 1]), [1, 0, -1], scale=(0.1, 0.2, 0.9)),
            Readout("out", (3, 1, 1)),
        ],
        [
            Conv2d("in", "a", rng.integers(-3, 4, (3, 2, 3, 3)), padding=(1, 1, 1, 1)),
            Dense("in", "b", rng.integers(-3, 4, (3, 2)), pooled=True),
            Gate("a", "b", "ab", [1, -2, 3]),
            Gate("a", "a", "ab", [1, 1, 1]),
            Conv2d("in", "ab", rng.integers(-9, 9, (3, 2, 1, 1))),
            Dense("ab", "out", rng.integers(-4, 5, (3, 3)), pooled=True),
        ],
        logit_scale=0.01,
    )


@pytest.mark.parametrize("name", ["scaled", "gated", "digits", *FINE])
def test_every_difference_is_inside(name: str) -> None:
    """On every image every train that differs is one that may; with thresholds half a unit lower none does."""
    net: Any = {"scaled": scaled, "gated": gated, "digits": lambda: fsref.load("digits"), **FINE}[name]()
    x = handmade.draw(net, 20, seed=6)
    found = against_float32(net, x)
    assert found.beyond == 0 and found.image_count == 20
    assert [row.name for row in found.rows] == [p.name for p in net.populations if p.kind in ("fs", "readout")]
    for row in found.rows:
        assert row.largest_error <= row.epsilon
        if row.differ is not None:
            assert row.neurons == 20 * net[row.name].neurons and row.differ_lowered == 0
            assert row.at_threshold is not None and row.may_differ is not None and row.may_differ_lowered is not None
            assert row.differ <= row.may_differ and row.at_threshold <= row.may_differ


def test_chunks_add(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is told does not depend on how many images go at once."""
    net = scaled()
    x = handmade.draw(net, 7, seed=2)
    monkeypatch.setattr("fsref.verification.against.images_at_once", lambda *args: 3)
    parts = against_float32(net, x)
    monkeypatch.setattr("fsref.verification.against.images_at_once", lambda *args: 7)
    assert parts == against_float32(net, x)


def test_a_difference_that_may_not_be_is_counted() -> None:
    """A membrane that is further off than its bound, and so fires otherwise, is counted."""
    opening, T = np.array([[[7]]]), np.array([[5]])
    exact = Membranes(np.array([[[[7.0]]]], np.float32), np.zeros((1, 1, 1, 1)))
    wrong = exact._replace(values=np.array([[[[4.0]]]], np.float32))
    loose = wrong._replace(bound=np.full((1, 1, 1, 1), 3.0))
    unit = np.ones(1)
    assert held(opening, exact, (T, T), unit)[2:3] == (0,) and not held(opening, exact, (T, T), unit).differ
    assert held(opening, wrong, (T, T), unit).beyond == 1
    found = held(opening, loose, (T, T), unit)
    assert found.beyond == 0 and found.differ.all() and found.may.all()


def test_resets_round_off_too() -> None:
    """Large membranes that are lowered to near a threshold differ, all where they may: the bound grows with resets."""
    rng = np.random.default_rng(5)
    v = rng.integers(2**26, 2**27, (1, 400, 1))
    h = np.stack([v[0, :, 0] - rng.integers(-9, 9, 400), np.zeros(400, np.int64)], axis=1)
    T = np.zeros((400, 2), np.int64)
    unit = rng.uniform(0.1, 1, 400)
    values = (v * unit[:, None]).astype(np.float32)[..., None]
    found = held(v, Membranes(values, 2.0**-24 * v[..., None].astype(float)), (T, h), unit)
    assert found.differ.sum() > 20 and found.beyond == 0


def test_what_may_differ_is_nearer_than_its_bound() -> None:
    """A train may differ exactly where a threshold, lowered or not, is no farther than the bound and its rounding."""
    v, T = np.arange(-20, 20).reshape(1, 1, -1), np.array([[3]])
    found = Membranes(v[..., None].astype(np.float32), np.full((1, 1, 40, 1), 1.5))
    for lowered, near in ((0.0, [2, 3, 4]), (0.5, [1, 2, 3, 4])):
        own = held(v, found, (T, T), np.ones(1), lowered)
        assert v[own.may].tolist() == near and own.epsilon == pytest.approx(1.5, abs=1e-6)


def test_bounds_hold_in_any_order() -> None:
    """Membranes added up in float32 in drawn orders stay within the bound of the one order."""
    rng = np.random.default_rng(3)
    net = Network(
        [
            Input("in", (400, 1, 1), 8, 255, scale=1 / 255),
            FS("n", (1, 1, 1), fs_relu(4, 50), [77], scale=0.11),
            Readout("o", (1, 1, 1)),
        ],
        [Dense("in", "n", rng.integers(-90, 90, (1, 400))), Dense("n", "o", [[1]])],
    )
    x = handmade.draw(net, 4, seed=1)
    trace = handmade.recorded(net, x)
    own = sent(net, "in", trace["in", "spikes"])
    found, unit = opened(net, net.fs[0], {"in": own}), unit_of(net, net.fs[0])
    weights = (net.projections[0].weights[0] * unit[0] * 255).astype(np.float32)
    for b, image in enumerate(own.values[:, :, 0, 0]):
        for _ in range(20):
            total = np.float32(0)
            for n in rng.permutation(400):
                total += weights[n] * image[n]
            total += np.float32(77 * unit[0])
            off = abs(float(total) / unit[0] - trace["n", "opening"][b, 0])
            assert off <= found.bound[b, 0, 0, 0]


def test_the_command_says_what_differs(tmp_path: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """`fsref compare --against float32 NET` tells every population, as a table and as JSON; with a graph, a picture or
    a contract, which it does not use, it is refused.
    """
    net = replace(scaled(), name="scaled")
    net.save(tmp_path / "net.fs.npz")
    command = ["compare", "--against", "float32", str(tmp_path / "net.fs.npz"), "--data", "drawn:5"]
    assert cli.main(command) == 0
    out = capsys.readouterr().out
    assert "scaled beside float32 neurons, 5 images" in out and "with thresholds T - 1/2, 0 differ" in out
    assert cli.main([*command, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["id"] == net.id and told["beyond"] == 0 and len(told["populations"]) == 3
    for more, says in (
        (["x"], "Got unexpected extra argument"),
        (["--plot", "p.svg"], "--plot: does not go with --against"),
        (["--mean", "0"], "--mean: does not go with --against"),
    ):
        assert cli.main([*command, *more]) == 2
        assert says in capsys.readouterr().err
    assert cli.main(["compare", "graph.npz"]) == 2
    assert "Missing argument 'NET'" in capsys.readouterr().err
