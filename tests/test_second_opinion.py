"""A converted network beside the fake-quantised network in real numbers that it claims to be: the same codes, bit for
bit, from scales alone.

The arithmetic here is float64, its convolution a loop over taps; nothing of the engines or of the quantisation is
imported.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fsref
from drawn_graphs import FORMS, Drawn, graphs
from fsref.conversion.converter import convert
from fsref.conversion.folded import Folded
from fsref.conversion.folding import fold
from fsref.errors import GraphError, NetworkError
from fsref.graph.graph import Node
from fsref.law.network import Network
from fsref.law.populations import FS, MaxPool, View
from fsref.law.projections import Dense
from fsref.simulation.recording import Record
from nodes import conv
from repeatable import LONG, drawn


def expected(error: Exception) -> bool:
    """Whether a drawn graph may be refused so: weights too narrow for these scales, or a max-pool of codes that it
    cannot order.
    """
    return getattr(error, "rule", "") == "CONV-3" or "max-pool of values with" in str(error)


def taps(a: np.ndarray, q: Any, places: tuple[int, int], fill: float = 0.0) -> Any:
    """For each tap (r, c) what it reads of a (B, C, H, W) at every place: (r, c, values (B, C, H', W'))."""
    (kh, kw), (sy, sx), (top, left, bottom, right) = q.kernel, q.stride, q.padding
    dy, dx = getattr(q, "dilation", (1, 1))
    wide = np.full((len(a), a.shape[1], a.shape[2] + top + bottom, a.shape[3] + left + right), fill)
    wide[:, :, top : top + a.shape[2], left : left + a.shape[3]] = a
    for r in range(kh):
        for c in range(kw):
            rows, columns = np.arange(places[0]) * sy + r * dy, np.arange(places[1]) * sx + c * dx
            yield r, c, wide[:, :, rows[:, None], columns]


def through(a: np.ndarray, q: Any, weights: np.ndarray, places: tuple[int, int]) -> np.ndarray:
    """What a projection of the form of q makes of a (B, C, H, W) with `weights` (float64): (B, O, H', W')."""
    if isinstance(q, Dense):
        flat = a.sum(axis=(2, 3)) if q.pooled else a.reshape(len(a), -1)
        return np.einsum("bn,on->bo", flat, weights)[:, :, None, None]
    outputs, inputs = len(weights) // q.groups, weights.shape[1]
    total = np.zeros((len(a), len(weights), *places))
    for r, c, values in taps(a, q, places):
        for g in range(q.groups):
            own, read = slice(g * outputs, (g + 1) * outputs), slice(g * inputs, (g + 1) * inputs)
            total[:, own] += np.einsum("oi,bihw->bohw", weights[own, :, r, c], values[:, read])
    return total


def by_input(q: Any, values: np.ndarray) -> np.ndarray:
    """Values, one per source channel, as what multiplies the weights of q."""
    if isinstance(q, Dense):
        return values if q.pooled else np.repeat(values, q.weights.shape[1] // len(values))
    return np.concatenate([np.tile(part, (len(q.weights) // q.groups, 1)) for part in values.reshape(q.groups, -1)])[
        :, :, None, None
    ]


def shown(values: np.ndarray, p: View) -> np.ndarray:
    """What a view shows of values (B, C, H, W), 0 in its gaps."""
    found = np.zeros((len(values), *p.shape))
    for y, row in enumerate(p.rows):
        for x, column in enumerate(p.columns):
            if row >= 0 and column >= 0:
                found[:, :, y, x] = values[:, :, row, column]
    return found


class Fake:
    """The fake-quantised network: real weights, real biases, activations that round to a lattice. Everything from
    integers and scales.
    """

    def __init__(self, net: Network, graph: fsref.Graph, folded: Folded, rounding: str) -> None:
        self.net, pixels = net, graph.input
        assert pixels is not None
        turn = slice(None, None, -1 if pixels.order == "BGR" else 1)  # images are RGB
        self.mean, std = np.array(pixels.mean)[turn], np.array(pixels.std)[turn]
        self.pixels = pixels.scale / std, self.mean / std
        self.scale = {"input": pixels.scale / std}
        self.offset = {"input": self.mean / pixels.scale}
        # Of each neuron the code of the real 0; 0 in the gaps of a view, where nothing is sent.
        self.inside = {"input": self.offset["input"][:, None, None] * np.ones(net.input.shape)}
        self.weights: list[np.ndarray] = []
        self.bias: dict[str, np.ndarray] = {}
        self.nearest: dict[str, bool] = {}
        self.unit: dict[str, np.ndarray] = {}  # real value of one membrane unit, by channel
        for p in net.populations[1:]:
            channels = p.shape[0]
            if isinstance(p, MaxPool | View):
                self.scale[p.name], self.offset[p.name] = self.scale[p.source], self.offset[p.source]
                self.inside[p.name] = self.offset[p.name][:, None, None] * np.ones(p.shape)
                if isinstance(p, View):
                    self.inside[p.name] = shown(self.inside[p.source][None], p)[0]
                continue
            shift = np.zeros(channels)
            self.unit[p.name] = np.full(channels, net.logit_scale)
            if isinstance(p, FS):
                theta = p.table.rows(channels)[0][:, -1]
                how = folded[p.name].activation
                assert how is not None and p.scale is not None
                self.nearest[p.name] = (how.rounding or rounding) == "nearest"
                self.scale[p.name] = np.broadcast_to(np.array(p.scale, float), channels)
                self.unit[p.name], self.offset[p.name] = self.scale[p.name] / theta, np.full(channels, float(p.offset))
                self.inside[p.name] = np.full(p.shape, float(p.offset))
                shift = theta * p.offset + (theta // 2 if self.nearest[p.name] else 0)
            bias = np.broadcast_to(p.bias_map, p.shape) - shift[:, None, None]
            for q in net.into(p.name).values():
                # Outside a value is real 0, not code 0.
                inside = self.inside[q.source]
                bias = bias + through(inside[None], q, q.weights.astype(np.float64), p.shape[1:])[0]
                per_out = self.unit[p.name].reshape(-1, *[1] * (q.weights.ndim - 1))
                self.weights.append(q.weights * per_out / by_input(q, self.scale[q.source]))
            self.bias[p.name] = bias * self.unit[p.name][:, None, None]

    def codes(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """The codes (B, C, H, W) of every population for images of codes, and the logits."""
        gain, less = self.pixels
        real = {"input": images * gain[:, None, None] - less[:, None, None]}
        found: dict[str, np.ndarray] = {}
        weights = iter(self.weights)
        for p in self.net.populations[1:]:
            if isinstance(p, View):
                real[p.name], found[p.name] = shown(real[p.source], p), shown(found.get(p.source, images), p)
                continue
            if isinstance(p, MaxPool):
                scale, offset = self.scale[p.name][:, None, None], self.offset[p.name][:, None, None]
                windows = [values for _, _, values in taps(real[p.source], p, p.shape[1:], -np.inf)]
                real[p.name] = np.max(windows, axis=0)
                found[p.name] = np.rint(real[p.name] / scale + offset)
                continue
            r = self.bias[p.name] + sum(
                through(real[q.source], q, next(weights), p.shape[1:]) for q in self.net.into(p.name).values()
            )
            if not isinstance(p, FS):
                found[p.name] = np.rint(r / self.unit[p.name][:, None, None])
                continue
            # r / scale is a multiple of 1/theta, with the 0.5 of nearest a multiple of 0.5/theta. floor() of a value
            # that may lie an ulp below the integer it stands for is safe once a quarter of 1/theta is added, which
            # takes no value to its next integer: the ulp is of numbers below 2^30 membrane units, 2^-23 of a unit,
            # times the few hundred roundings of a sum.
            theta = p.table.rows(p.shape[0])[0][:, -1][:, None, None]
            scale = self.scale[p.name][:, None, None]
            code = np.floor(r / scale + p.offset + (0.5 if self.nearest[p.name] else 0.0) + 0.25 / theta)
            found[p.name] = np.clip(code, 0, p.table.d.sum())
            real[p.name] = scale * (found[p.name] - p.offset)
        return found


@st.composite
def options(draw: st.DrawFn, graph: fsref.Graph) -> dict[str, Any]:
    """Options of convert of every kind."""
    names = [u.name for u in fold(graph).units if u.activation is not None and u.activation.levels is None]
    bits, steps = draw(st.sampled_from([8, 8, 6, 4, 3, 2, 12, 16])), st.integers(1, 10)
    one = draw(steps)
    mixed = (
        {"": one, **draw(st.dictionaries(st.sampled_from(names), steps, max_size=3))}
        if names and draw(st.booleans())
        else one
    )
    return {
        "steps": mixed,
        "weight_bits": bits,
        "alpha": draw(st.sampled_from(["max", "percentile", "mse"])),
        "rounding": draw(st.sampled_from(["nearest", "floor"])),
        "power_of_two": draw(st.sampled_from([False, False, True])),
        "bias_correction": draw(st.sampled_from(["none", "analytic", "empirical"])),
    }


def observed(net: Network, images: np.ndarray, engine: str) -> dict[str, np.ndarray]:
    """The codes of every population and the logits, by an engine."""
    result = fsref.run(net, images, engine=engine, record=Record(observables=("codes",)), threads=1)
    shaped = {
        name: codes.reshape(-1, *net[name].shape) for name, codes in result.codes.items() if name != net.input.name
    }
    return {**shaped, net.readout.name: result.logits[:, :, None, None]}


def walked(graph: fsref.Graph, images: np.ndarray) -> np.ndarray:
    """The logits of the folded graph in float32."""
    *_, (_, _, last) = fold(graph).walk(images)
    return last[:, :, 0, 0]


def test_the_fake_quantised_network_gives_the_same_codes() -> None:
    """Real weights, biases and scales, rounded as quantised networks round, give every code and logit of the three
    engines, bit for bit.
    """
    count: Counter[str] = Counter()

    @settings(drawn, max_examples=4000 if LONG else 400)
    @given(graphs(), st.data())
    def same(case: Drawn, data: st.DataObject) -> None:
        count["graphs"] += 1
        try:
            how = data.draw(options(case.graph))
            net = convert(case.graph, case.images, **how)
        except (GraphError, NetworkError) as error:
            assert expected(error), error
            count["refused"] += 1
            return
        images = case.images[[0, 1, -1]]
        fake = Fake(net, case.graph, fold(case.graph), how["rounding"]).codes(images)
        for engine in ("quantized", "events", "reference") if count["graphs"] % 10 == 0 else ("quantized",):
            found = observed(net, images, engine)
            assert found.keys() == fake.keys()
            for name, codes in found.items():
                assert np.array_equal(codes, fake[name]), (engine, name)
        count.update(case.has)
        for p in net.populations:
            if isinstance(p, FS):
                top = int(p.table.d.sum())
                count["odd theta"] += bool((p.table.rows(p.shape[0])[0][:, -1] % 2).any())
                count["map"] += p.bias.ndim == 3
                count["offset"] += p.offset != 0
                count["neurons"] += fake[p.name].size
                count["busy"] += int(((fake[p.name] > 0) & (fake[p.name] < top)).sum()) if top > 1 else 0

    same()
    print(
        f"\n{count['graphs']} graphs, {count['refused']} refused, busy "
        f"{count['busy'] / count['neurons']:.3f}, maps {count['map']}"
    )
    assert {form: count[form] for form in FORMS if not count[form]} == {}
    assert count["refused"] <= 0.4 * count["graphs"]
    assert count["busy"] >= 0.3 * count["neurons"]
    assert min(count["odd theta"], count["map"], count["offset"]) >= 0.2 * count["graphs"]


@settings(drawn, max_examples=2000 if LONG else 100)
@given(graphs(), st.data())
def test_weights_and_biases_are_the_real_ones_rounded(case: Drawn, data: st.DataObject) -> None:
    """Each real weight lies within half a membrane unit of the folded one, and the bias within half a unit at every
    place, the border too; not where codes are kept as trained, which other tests hold to every code (CONV-14).
    """
    try:
        folded = fold(case.graph)
        how = {**data.draw(options(case.graph)), "bias_correction": "none"}
        net = convert(case.graph, case.images, **how)
    except (GraphError, NetworkError) as error:
        assert expected(error), error
        return
    fake, place = Fake(net, case.graph, folded, how["rounding"]), 0
    told = net.provenance.get("trained", {"populations": {}, "outputs": {}})
    records = {**told["populations"], **told["outputs"]}
    kept = {name for name, record in records.items() if "multiples" in record or record["equal"]}
    for unit in folded.units:
        if not unit.terms:  # a max-pool or a view
            continue
        if unit.name in kept:
            place += len(unit.terms)
            continue
        half = 0.5 + 1e-6
        for term, q in zip(unit.terms, net.into(unit.name).values(), strict=True):
            steps = fake.unit[unit.name].reshape(-1, *[1] * (term.weights.ndim - 1)) / by_input(q, fake.scale[q.source])
            assert (np.abs(fake.weights[place] - term.weights) <= half * steps).all(), q
            place += 1
        real = sum((term.map for term in unit.terms if term.map is not None), unit.bias[:, None, None])
        away = np.abs(fake.bias[unit.name] - real) / fake.unit[unit.name][:, None, None]
        assert (away <= half).all(), unit.name


@settings(drawn, max_examples=2000 if LONG else 150)
@given(graphs())
def test_the_folded_graph_is_the_graph(case: Drawn) -> None:
    """Walking the folded populations in float32 gives the graph's logits, but for rounding of float32 and what that
    tips over in a `quantise`.
    """
    logits = case.graph.forward(case.images)
    try:
        folded = walked(case.graph, case.images)
    except GraphError as error:
        assert expected(error), error
        return
    away = np.abs(folded - logits) / (1 + np.abs(logits).max())
    assert away.max() < (0.2 if any(n.op == "quantise" for n in case.graph.nodes) else 1e-4)


def test_fine_codes_come_close_to_the_float_network() -> None:
    """With 14 steps and 16-bit weights the logits correlate with the float ones beyond 0.999; in the middle beyond 0.99
    where codes are coarse.
    """
    found: dict[bool, list[float]] = {True: [], False: []}

    @settings(drawn, max_examples=2000 if LONG else 150)
    @given(graphs())
    def close(case: Drawn) -> None:
        try:
            net = convert(case.graph, case.images, steps=14, weight_bits=16, alpha="max")
        except (GraphError, NetworkError) as error:
            assert expected(error), error
            return
        real = case.graph.forward(case.images)
        spiking = fsref.run(net, case.images, engine="quantized", threads=1).logits * net.logit_scale
        if real.std() < 1e-3:
            return
        pixels = case.graph.input
        assert pixels is not None
        coarse = pixels.max_code < 255 or any(n.op == "quantise" for n in case.graph.nodes)
        found[coarse].append(float(np.corrcoef(real.ravel(), spiking.ravel())[0, 1]))
        # A single bit that falls to the other side may carry much of few logits.
        assert found[coarse][-1] > (0.5 if coarse else 0.999)

    close()
    assert min(map(len, found.values())) > 20
    assert np.median(found[False]) > 0.999999
    assert np.median(found[True]) > 0.99


def small(*nodes: Node, channels: int = 1) -> fsref.Graph:
    """A graph on 4 x 4 places whose last of `nodes` is averaged into logits."""
    return fsref.Graph(fsref.Pixels(channels, 4, 4), (*nodes, Node("mean", "global_avg_pool", (nodes[-1].name,))))


ONCE_WRONG = {
    "conv over a concat": small(
        conv("a", "input", 2, 1, 1, bias=None),
        Node("a.relu", "relu", ("a",)),
        Node("both", "concat", ("a.relu", "input")),
        conv("b", "both", 2, 3, bias=None),
    ),
    "whole groups of a concat": small(
        conv("a", "input", 2, 1, 1, bias=None),
        Node("a.relu", "relu", ("a",)),
        Node("both", "concat", ("a.relu", "input")),
        conv("b", "both", 3, 3, 1, bias=None, groups=3),
    ),
    "identity after identity": small(
        Node("a", "identity", ("input",)),
        Node("b", "identity", ("a",)),
        conv("c", "b", 2, 1, 1, bias=None),
        Node("d", "identity", ("c",)),
    ),
    "a pool over padding alone": small(
        Node("a", "relu", ("input",)),
        Node("b", "pad", ("a",), {"padding": (0, 0, 0, 1)}),
        Node("c", "max_pool", ("b",), {"kernel": (1, 1)}),
    ),
    "a clip of padding": small(
        conv("a", "input", 2, 1, 1, bias=None),
        Node("b", "clip", ("a",), {"low": -3.0, "high": -1.0}),
        Node("c", "pad", ("b",), {"padding": (1, 1, 1, 1)}),
        Node("d", "clip", ("c",), {"low": -5.0, "high": -0.5}),
    ),
}


@pytest.mark.parametrize("form", ONCE_WRONG)
def test_forms_that_once_went_wrong(form: str) -> None:
    """Folded and converted graphs of these forms give the graph's own logits."""
    graph = ONCE_WRONG[form]
    images = np.random.default_rng(1).integers(0, 256, (6, *graph.shapes["input"]))
    logits = graph.forward(images)
    assert np.abs(walked(graph, images) - logits).max() < 1e-5
    net = convert(graph, images, steps=12, weight_bits=14, alpha="max")
    assert np.abs(fsref.run(net, images, engine="quantized").logits * net.logit_scale - logits).max() < 5e-3


@pytest.mark.parametrize("theta", [1, 2, 3, 4, 5, 8, 255])
def test_nearest_is_half_a_theta_rounded_down(theta: int) -> None:
    """floor((v + floor(theta / 2)) / theta) is v / theta rounded to nearest, halves up, for odd and even theta: in
    Fractions, on every lattice point.
    """
    from fractions import Fraction
    from math import floor

    for v in range(-3 * theta, 3 * theta + 1):
        assert (v + theta // 2) // theta == floor(Fraction(v, theta) + Fraction(1, 2))
        nearest = Fraction(v, theta) + Fraction(1, 2)
        assert floor(nearest + Fraction(1, 4 * theta)) == floor(nearest)
