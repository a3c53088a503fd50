"""Networks trained in few bits keep their integers and their codes (CONV-14), held against integers and fractions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import fsref
import naive
from fsref.activations.coding import Coding
from fsref.conversion import beside
from fsref.conversion.converter import convert
from fsref.conversion.folding import fold
from fsref.conversion.grids import grid_of
from fsref.conversion.levels import firsts, neurons, table_of
from fsref.conversion.trained import BEHIND, lines, rounds
from fsref.graph import arithmetic
from fsref.graph.graph import Graph, Node
from fsref.law.images import Pixels

ROUNDINGS = ("even", "odd", "nearest", "floor")
HALF = Fraction(1, 2)


def rounded(x: Fraction, rounding: str) -> int:
    """A number rounded, in exact arithmetic."""
    below = x.numerator // x.denominator
    rest = x - below
    match rounding:
        case "floor":
            return below
        case "nearest":
            return below + (rest >= HALF)
        case _:
            return below + (rest > HALF or (rest == HALF and below % 2 != ("even", "odd").index(rounding)))


@dataclass
class Layer:
    """A layer of a quantised network: integers times a step per channel, a bias, and the quantiser behind it, whose
    first level stands for `first` steps of its scale.
    """

    weights: Any
    steps: Any
    bias: Any
    scale: float
    levels: int
    first: int
    rounding: str = "even"

    def codes(self, sums: Any, exact: Any) -> Any:
        """The codes of sums of trained integers (B, C, H, W), each worth `exact` [c]."""
        made = np.zeros(sums.shape, np.int64)
        for index in np.ndindex(sums.shape):
            c = index[1]
            real = (int(sums[index]) * exact[c] + Fraction(float(self.bias[c]))) / Fraction(self.scale)
            made[index] = min(max(rounded(real - self.first, self.rounding), 0), self.levels)
        return made


def convolved(values: Any, weights: Any) -> Any:
    """Sums of integers over 3 x 3 places, zeros around (B, C, H, W)."""
    b, _, h, w = values.shape
    wide = np.pad(values, ((0, 0), (0, 0), (1, 1), (1, 1)))
    parts = [
        np.einsum("oi,bihw->bohw", weights[:, :, i, j], wide[:, :, i : i + h, j : j + w])
        for i in range(3)
        for j in range(3)
    ]
    return np.sum(parts, axis=0)


def drawn_layer(rng: Any, bits: int, levels: int, kind: str, inputs: int, first: int, unit: float) -> Layer:
    """A layer of 3 channels whose sums reach most of its levels; `unit` is the scale of what it reads."""
    weights = rng.integers(-(2 ** (bits - 1)), 2 ** (bits - 1), (3, inputs, 3, 3))
    weights[0, 0, 0, :2] = 1, -(2 ** (bits - 1))
    steps = np.full(3, 2.0**-4) if kind == "powers of two" else np.full(3, np.float32(0.0731), np.float64)
    if kind == "channels":
        steps = rng.uniform(0.05, 0.1, 3).astype(np.float32).astype(np.float64)
    spread = unit * steps.max() * np.sqrt(weights[0].size) * 2.0 ** (bits - 2) * levels / 2
    scale = float(np.float32(3 * spread / levels))
    bias = rng.normal(0, spread / 4, 3).astype(np.float32).astype(np.float64)
    if kind == "powers of two":
        scale = 2.0 ** round(np.log2(scale))
        bias = np.rint(bias / (unit * steps)) * unit * steps  # then sums lie half way between codes
    return Layer(weights, steps, bias, scale, levels, first)


def real_weights(layer: Layer) -> Any:
    """The weights as a framework stores them, float32."""
    steps = layer.steps.astype(np.float32)
    return layer.weights.astype(np.float32) * steps.reshape(-1, *[1] * (layer.weights.ndim - 1))


def quantiser(name: str, source: str, layer: Layer) -> list[Node]:
    """A quantiser as importers write it, of 3 channels: affine nodes around a quantise that starts at 0."""
    alpha, shift = layer.levels * layer.scale, layer.first * layer.scale
    if not shift:
        return [Node(name, "quantise", (source,), attributes(alpha, layer))]
    one = np.ones(3)
    return [
        Node(f"{name}.shift", "affine", (source,), {}, {"gain": one, "offset": -shift * one}),
        Node(f"{name}.codes", "quantise", (f"{name}.shift",), attributes(alpha, layer)),
        Node(name, "affine", (f"{name}.codes",), {}, {"gain": one, "offset": shift * one}),
    ]


def attributes(alpha: float, layer: Layer) -> dict[str, Any]:
    return {"alpha": alpha, "levels": layer.levels, "rounding": layer.rounding}


PIXELS = Pixels(2, 5, 5, mean=0.5, std=0.5, scale=1 / 16, max_code=15)


def network(bits: int, act: int, kind: str) -> tuple[Graph, list[Layer]]:
    """A graph of three layers, the second signed, the third added to what the first gave; and its integers."""
    rng, top = np.random.default_rng([bits, act, len(kind)]), 2**act - 1
    a = drawn_layer(rng, bits, top, kind, 2, 0, 1 / 8)
    b = drawn_layer(rng, bits, top, kind, 3, -(2 ** (act - 1)), a.scale)
    b.rounding = "even" if b.first % 2 == 0 else "odd"
    c = drawn_layer(rng, bits, top, kind, 3, 0, b.scale)
    nodes = []
    for name, source, layer in (("a", "input", a), ("b", "qa", b), ("c", "qb", c)):
        arrays = {"weight": real_weights(layer), "bias": layer.bias}
        nodes.append(Node(name, "conv", (source,), {"padding": (1, 1, 1, 1)}, arrays))
        if name == "c":
            nodes.append(Node("sum", "add", ("c", "qa")))
        nodes += quantiser(f"q{name}", "sum" if name == "c" else name, layer)
    head = rng.integers(-3, 4, (4, 3)) * np.float32(0.25)
    nodes += [Node("mean", "global_avg_pool", ("qc",)), Node("head", "dense", ("mean",), {}, {"weight": head})]
    return Graph(PIXELS, nodes, "few bits"), [a, b, c]


def trained_codes(layers: list[Layer], images: Any) -> dict[str, Any]:
    """The codes of the quantised network, from its integers."""
    a, b, c = layers
    # A pixel stands for (code / 16 - 1/2) / (1/2), which is (code - 8) / 8.
    first = a.codes(convolved(images - 8, a.weights), [Fraction(s) / 8 for s in a.steps.tolist()])
    unit = Fraction(a.scale)
    second = b.codes(convolved(first, b.weights), [Fraction(s) * unit for s in b.steps.tolist()])
    real = convolved(second + b.first, c.weights)
    third = np.zeros_like(real)
    for index in np.ndindex(real.shape):
        value = int(real[index]) * Fraction(c.steps.tolist()[index[1]]) * Fraction(b.scale)
        value += Fraction(float(c.bias[index[1]])) + int(first[index]) * unit
        third[index] = min(max(rounded(value / Fraction(c.scale), c.rounding), 0), c.levels)
    return {"a": first, "b": second, "c": third}


@pytest.mark.parametrize("kind", ("powers of two", "one step", "channels"))
@pytest.mark.parametrize(("bits", "act"), [(2, 2), (3, 3), (4, 4), (8, 4), (8, 8)])
def test_every_code_is_the_trained_one(bits: int, act: int, kind: str) -> None:
    """W2A2 to W8A8, with zero points, a padded border, a sum of two scales, and ties: every code of every
    population is the quantised network's, and the weights are its integers, as often as is said.
    """
    graph, layers = network(bits, act, kind)
    net = convert(graph)
    told = net.provenance["trained"]
    assert told["equal"] and lines(told)[0] == "equal to the quantised network for all codes: proved"
    images = np.random.default_rng(5).integers(0, 16, (6, *PIXELS.shape))
    images[0], images[1] = 0, 15
    wanted = trained_codes(layers, images)
    for engine in ("reference", "quantized"):
        codes = fsref.run(net, images, engine=engine, record=list(wanted)).codes
        for name, expected in wanted.items():
            assert (codes[name].reshape(expected.shape) == expected).all(), (engine, name)
    for name, layer in zip("abc", layers, strict=True):
        weights = next(p.weights for p in net.projections if p.target == name and p.weights.shape[2:] == (3, 3))
        low, high = told["populations"][name]["multiples"]
        for own, trained in zip(weights.astype(np.int64), layer.weights, strict=True):
            times, rest = np.divmod(own[trained != 0], trained[trained != 0])
            assert not rest.any() and low <= times.min() == times.max() <= high
    ties = [told["populations"][name]["tied_channels"] for name in "ab"]
    assert all(ties) if kind == "powers of two" else not any(ties)


def test_cases_that_leave_least_room_decide_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of sums of two steps all cases count: how many are looked at first changes no integer."""
    graph, _ = network(3, 3, "channels")
    plain = convert(graph)
    for few in ((), (1,), (1, 2)):
        monkeypatch.setattr(beside, "FEW", few)
        assert convert(graph).id == plain.id


def table_code(T: Any, h: Any, d: Any, v: int) -> int:
    return int(naive.fire(v, T.tolist(), h.tolist(), d.tolist())[1])


@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize("kind", (np.float32, np.float64))
def test_rounding_is_exact(rounding: str, kind: Any) -> None:
    """Halves go up, down, to even or to odd as the rounding says; what lies a hair beside one does not go with it."""
    halves = np.arange(-9, 10, dtype=kind) / kind(2)
    x = np.concatenate([halves, np.nextafter(halves, kind(-99)), np.nextafter(halves, kind(99))])
    wanted = [rounded(Fraction(float(value)), rounding) for value in x]
    assert arithmetic.rounded(x, rounding).tolist() == wanted and arithmetic.rounded(x, rounding).dtype == kind


@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize("steps", (1, 2, 3, 4))
def test_halves_go_where_the_quantiser_sends_them(rounding: str, steps: int) -> None:
    """Thresholds one above their resets take a membrane that is reached exactly to the even, or to the odd code."""
    top, theta = 2**steps - 1, np.array([6])
    coding = Coding(1.0, 0, top, rounding != "floor", halves=rounding if rounding in ("even", "odd") else "up")
    table = table_of(coding, theta, np.array([rounding in ("even", "odd")]))
    T, h, d = (rows[0] for rows in table.rows(1))
    for v in range(-3, 6 * (top + 2)):
        at = Fraction(v, 6) - (0 if rounding == "floor" else HALF)  # the bias holds the half
        assert table_code(T, h, d, v) == min(max(rounded(at, rounding), 0), top), v


@pytest.mark.parametrize("seed", range(8))
def test_multiples_are_the_smallest(seed: int) -> None:
    """Neurons have the code of exact arithmetic for every sum, and no theta and bias do so with a smaller multiple of
    the weights.
    """
    rng = np.random.default_rng(seed)
    for rounding in ROUNDINGS:
        top, low, high = int(rng.integers(1, 7)), np.array([-int(rng.integers(0, 25))]), np.array([25])
        coding = Coding(1.0, 0, top, rounding != "floor", halves=rounding if rounding in ("even", "odd") else "up")
        exact = Fraction(int(rng.integers(1, 20)), int(rng.integers(20, 90)))
        offset = Fraction(int(rng.integers(-9, 9)), int(rng.choice([1, 2, 7])))
        per_sum, start = np.array([float(exact)]), np.array([[float(offset)]])
        found = firsts(coding, per_sum, start, low, high)
        made = neurons(coding, per_sum, start, low, high, False)
        wanted = [
            min(max(rounded(exact * (s + offset), rounding), 0), top) for s in range(int(low[0]), int(high[0]) + 1)
        ]
        if isinstance(made, int):
            assert found.tied.any()
            continue
        T, h, d = (rows[0] for rows in table_of(coding, made.theta, made.halves).rows(1))
        m, bias = int(made.multiple[0]), int(made.bias[0, 0])
        sums = range(int(low[0]), int(high[0]) + 1)
        assert [table_code(T, h, d, m * s + bias) for s in sums] == wanted
        for smaller in range(1, min(m, 4)):
            for theta in range(1, 4 * smaller * 90):
                ends = [k * theta - smaller * s for k in range(1, top + 1) for s in sums if wanted[s - sums[0]] >= k]
                beyond = [k * theta - smaller * s for k in range(1, top + 1) for s in sums if wanted[s - sums[0]] < k]
                assert max(ends, default=-(10**9)) >= min(beyond, default=10**9)


def test_the_integers_of_weights() -> None:
    """Integers times a step that float32 rounded are found again, of one step or of one per channel, with the step
    itself; weights of no grid are not taken for one.
    """
    rng = np.random.default_rng(0)
    for bits in range(2, 9):
        integers = rng.integers(1 - 2 ** (bits - 1), 2 ** (bits - 1), (5, 4, 3, 3))
        integers[:, 0, 0, :2] = 1, 2 ** (bits - 1) - 1
        for steps in (np.full(5, np.float32(0.0123)), rng.uniform(0.01, 0.02, 5).astype(np.float32)):
            found = grid_of((integers.astype(np.float32) * steps[:, None, None, None]).astype(np.float64))
            assert found is not None and (found.integers == integers).all() and (found.steps == steps).all()
    assert grid_of(rng.normal(0, 1, (5, 4, 3, 3))) is None
    empty = grid_of(np.zeros((2, 3)))
    assert empty is not None and not empty.integers.any() and not empty.steps.any()


def one_layer(weight: Any, levels: int = 15, pixels: Pixels = PIXELS, rounding: str = "even") -> Graph:
    """A convolution, a quantiser, a readout."""
    nodes = [
        Node("a", "conv", ("input",), {}, {"weight": weight}),
        Node("q", "quantise", ("a",), {"alpha": levels / 8, "levels": levels, "rounding": rounding}),
        Node("mean", "global_avg_pool", ("q",)),
        Node("head", "dense", ("mean",), {}, {"weight": np.array([[0.5, 1.0, 0.25], [0.25, -1.0, 0.75]])}),
    ]
    return Graph(pixels, nodes)


WHOLE = np.random.default_rng(2).integers(-7, 8, (3, 2, 3, 3)) / 64


@pytest.mark.parametrize(
    ("graph", "options", "why"),
    [
        (one_layer(np.random.default_rng(1).normal(0, 1, (3, 2, 3, 3))), {}, "no integers of 8 bits times a step"),
        (
            one_layer(WHOLE, pixels=replace(PIXELS, std=(0.5, 0.229))),
            {},
            "channels of input have scales without a common",
        ),
        (
            one_layer(WHOLE, pixels=replace(PIXELS, std=(0.5, 0.25 + 2**-30))),
            {},
            "channels of input have scales without",
        ),
        (one_layer(WHOLE / 1.1, levels=14), {"chip": {"weight_bits": 5}}, "its integers do not fit the chip"),
    ],
)
def test_what_cannot_be_kept_is_told(graph: Graph, options: dict[str, Any], why: str) -> None:
    """A population that cannot be kept is converted as others are, and why is told."""
    net = convert(graph, **options)
    told = net.provenance["trained"]
    assert not told["equal"] and not told["populations"]["a"]["equal"]
    assert why in told["populations"]["a"]["why"] and lines(told)[0].startswith("0 of 1 population")
    assert why in lines(told)[1]
    fsref.run(net, np.zeros((1, 2, 5, 5), int), engine="reference")


def test_nothing_is_said_of_other_networks() -> None:
    """A network without quantising activations is none that was trained in few bits."""
    graph = one_layer(WHOLE)
    nodes = [Node("q", "relu", ("a",)) if node.name == "q" else node for node in graph.nodes]
    images = np.random.default_rng(0).integers(0, 16, (4, 2, 5, 5))
    assert "trained" not in convert(replace(graph, nodes=tuple(nodes)), images).provenance
    with_one = [*nodes[:2], Node("r", "quantise", ("q",), {"alpha": 1.0, "levels": 3}), *nodes[2:]]
    with_one[3] = replace(with_one[3], inputs=("r",))
    told = convert(replace(graph, nodes=tuple(with_one)), images).provenance["trained"]
    assert told["populations"]["a"]["why"] == "it does not quantise: its levels are chosen here"


def test_a_quantiser_of_the_images_that_is_left_out_is_told() -> None:
    """Finer levels than the images have codes are no population (CONV-7): what follows is then not the same."""
    graph = one_layer(WHOLE, pixels=replace(PIXELS, max_code=255, scale=1 / 255, mean=0.0, std=1.0))
    images = Node("images", "quantise", ("input",), {"alpha": 1.003, "levels": 255, "rounding": "even"})
    first = replace(graph.nodes[0], inputs=("images",))
    graph = replace(graph, nodes=(images, first, *graph.nodes[1:]))
    net = convert(graph)
    told = net.provenance["trained"]
    assert "quantiser of the input left out" in str(fsref.compare(graph, net, np.ones((1, 2, 5, 5), int)))
    assert not told["equal"] and told["populations"]["input"]["why"].startswith("quantiser of the input left out")
    assert not told["populations"]["a"]["equal"] and lines(told)[0].startswith("0 of 2 populations proved equal")
    assert not rounds(told)  # no bias to correct
    assert lines(told)[-1] == f"logits: {BEHIND}"


def test_what_reads_codes_that_are_not_equal_is_not_equal() -> None:
    """Behind a population whose levels are chosen here, none is said to be proved equal, though it is kept."""
    graph = one_layer(WHOLE)
    nodes = [*graph.nodes[:1], Node("r", "relu", ("a",)), Node("max", "max_pool", ("r",), {"kernel": (1, 1)})]
    kernel = Node("b", "conv", ("max",), {}, {"weight": WHOLE[:, :1].repeat(3, axis=1)[:, :, :1, :1]})
    nodes += [kernel, replace(graph.nodes[1], inputs=("b",)), *graph.nodes[2:]]
    told = convert(replace(graph, nodes=tuple(nodes)), np.full((2, 2, 5, 5), 3)).provenance["trained"]
    assert told["populations"]["b"] == told["populations"]["b"] | {"equal": False, "why": BEHIND}
    assert rounds(told) and f"b: {BEHIND}" in lines(told) and lines(told)[-1] == f"logits: {BEHIND}"


def test_a_quantiser_of_the_images_has_the_levels_of_exact_arithmetic() -> None:
    """Pixels of 0.3 and 0.4 have the levels 3 and 4 of steps of 0.1, rounded down: 0.3 / 0.1 is whole, but for what
    float64 rounds.
    """
    nodes = [
        Node("shift", "affine", ("input",), {}, {"gain": np.ones(1), "offset": np.array([0.3])}),
        Node("images", "quantise", ("shift",), {"alpha": 3.1, "levels": 31, "rounding": "floor"}),
        Node("a", "conv", ("images",), {}, {"weight": np.ones((1, 1, 1, 1))}),
        Node("q", "quantise", ("a",), {"alpha": 3.1, "levels": 31, "rounding": "floor"}),
        Node("head", "dense", ("q",), {}, {"weight": np.ones((2, 1))}),
    ]
    net = convert(Graph(Pixels(1, 1, 1, mean=0.0, std=1.0, scale=0.1, max_code=1), nodes))
    assert net.provenance["trained"]["equal"] and [p.name for p in net.fs] == ["a"]
    images = np.arange(2).reshape(2, 1, 1, 1)
    assert fsref.run(net, images, engine="reference", record=["a"]).codes["a"].tolist() == [[3], [4]]


@pytest.mark.parametrize("inside", [False, True], ids=["in the contract", "in the network"])
def test_channels_of_the_images_may_have_scales_of_their_own(inside: bool) -> None:
    """Weights times the scales of channels are integers times a step where these are as 2 to 1, or where the network
    takes them back before it quantises the images: every code is that of exact arithmetic.
    """
    std, mean = ((0.229, 0.224), (0.5, 0.25)) if inside else ((0.5, 0.25), (0.5, 0.25))
    graph = one_layer(WHOLE, pixels=replace(PIXELS, mean=mean, std=std))
    if inside:
        back = Node("back", "affine", ("input",), {}, {"gain": np.array(std), "offset": np.array(mean)})
        images = Node("images", "quantise", ("back",), {"alpha": 15 / 16, "levels": 15, "rounding": "even"})
        graph = replace(graph, nodes=(back, images, replace(graph.nodes[0], inputs=("images",)), *graph.nodes[1:]))
    net = convert(graph)
    assert net.provenance["trained"]["equal"] and [p.name for p in net.fs] == ["a"]
    images = np.random.default_rng(4).integers(0, 16, (3, *PIXELS.shape))
    weights = np.rint(WHOLE * 64).astype(int)
    real = images if inside else (images - np.array([8, 4])[:, None, None]) * np.array([2, 4])[:, None, None]
    sums = convolved(real, weights)[:, :, 1:-1, 1:-1]
    wanted = np.array([min(max(rounded(Fraction(int(s), 128), "even"), 0), 15) for s in sums.ravel()])
    for engine in ("reference", "quantized"):
        found = fsref.run(net, images, engine=engine, record=["a"]).codes["a"]
        assert (found.ravel() == wanted).all()


def test_a_constant_of_each_place_is_kept() -> None:
    """A mean image is part of the biases, which are a map: every code is that of exact arithmetic."""
    graph, rng = one_layer(WHOLE), np.random.default_rng(6)
    mean, images = rng.integers(-9, 10, PIXELS.shape), rng.integers(0, 16, (3, *PIXELS.shape))
    shift = Node("n", "offset", ("input",), {}, {"map": mean / 8})
    net = convert(replace(graph, nodes=(shift, replace(graph.nodes[0], inputs=("n",)), *graph.nodes[1:])))
    assert net.provenance["trained"]["equal"] and [p.name for p in net.fs] == ["a"]
    sums = convolved(images - 8 + mean, np.rint(WHOLE * 64).astype(int))[:, :, 1:-1, 1:-1]
    wanted = [min(max(rounded(Fraction(int(s), 64), "even"), 0), 15) for s in sums.ravel()]
    assert fsref.run(net, images, record=["a"]).codes["a"].ravel().tolist() == wanted


def test_classes_share_one_scale() -> None:
    """A readout keeps one step for all classes, also where one of them has even weights alone; of steps without a
    common one its weights are rounded, and that is told.
    """
    graph = one_layer(WHOLE)
    for weight, equal in (([[1, -3, 5], [2, 4, -6]], True), ([[1, -3, 5], [np.pi, -np.pi, 2 * np.pi]], False)):
        head = replace(graph.nodes[-1], arrays={"weight": np.array(weight) / 4})
        net = convert(replace(graph, nodes=(*graph.nodes[:-1], head)))
        told = net.provenance["trained"]
        assert told["equal"] and told["outputs"]["head"]["equal"] == equal
        if equal:
            assert (net.projections[-1].weights == weight).all() and lines(told)[-1] == "logits: equal"
        else:
            assert lines(told)[-1].startswith("logits: rounded; its weights have a step for each class")


@pytest.mark.parametrize("padding", ((0, 0, 0, 0), (1, 1, 1, 1)))
def test_the_code_of_0_delivers_0(padding: tuple[int, ...]) -> None:
    """Where all values are 0 a signed quantiser that rounds down gives the code of 0, with or without a border of
    padding, although float32 rounded the weights beside whose integers the zero point of their source is folded.
    """
    rng, zero = np.random.default_rng(0), 8
    a, b = (
        Layer(rng.integers(-7, 8, shape), np.full(3, 0.1), np.zeros(3), float(np.float32(0.137)), 15, -zero, rounding)
        for shape, rounding in (((3, 2, 1, 1), "even"), ((3, 3, 1, 1), "floor"))
    )
    nodes = [
        Node("a", "conv", ("input",), {}, {"weight": real_weights(a)}),
        *quantiser("qa", "a", a),
        Node("b", "conv", ("qa",), {"padding": padding}, {"weight": real_weights(b)}),
        *quantiser("qb", "b", b),
        Node("mean", "global_avg_pool", ("qb",)),
        Node("head", "dense", ("mean",), {}, {"weight": np.eye(3)}),
    ]
    net = convert(Graph(replace(PIXELS, mean=0.0, std=1.0), nodes))
    assert net.provenance["trained"]["equal"]
    codes = fsref.run(net, np.zeros((1, *PIXELS.shape), int), engine="reference", record=["a", "b"]).codes
    assert (codes["a"] == zero).all() and (codes["b"] == zero).all()


def test_a_gain_behind_weights_leaves_their_step() -> None:
    """The step of weights that float32 rounded is the trained one also where a batch norm is folded into them."""
    step, gain = float(np.float32(1 / 3)), np.array([0.75, 1.0, -1.5])
    integers = np.random.default_rng(3).integers(-7, 8, (3, 2, 3, 3))
    integers[:, 0, 0] = 2, 3, 7
    graph = one_layer((integers * np.float32(step)).astype(np.float32))
    norm = Node("norm", "affine", ("a",), {}, {"gain": gain, "offset": np.zeros(3)})
    nodes = (graph.nodes[0], norm, replace(graph.nodes[1], inputs=("norm",)), *graph.nodes[2:])
    (term,) = fold(replace(graph, nodes=nodes))["a"].terms
    found = grid_of(term.weights)
    assert found is not None and np.allclose(found.steps, step * np.abs(gain), rtol=2.0**-50, atol=0)


def test_bias_correction_and_rounding_leave_trained_integers_alone() -> None:
    """What is kept is not corrected, nor rounded in another way."""
    graph, _ = network(4, 4, "channels")
    images = np.random.default_rng(1).integers(0, 16, (8, *PIXELS.shape))
    plain = convert(graph)
    for options in ({"bias_correction": "empirical"}, {"bias_correction": "analytic"}, {"weight_bits": 3}):
        net = convert(graph, images, **options)
        for mine, other in zip(plain.fs, net.fs, strict=True):
            assert (mine.bias == other.bias).all() and (mine.table.T == other.table.T).all()
    power = convert(graph, power_of_two=True)
    for p in power.fs:
        assert (
            not power.provenance["trained"]["populations"][p.name]["equal"] or not (p.table.h & (p.table.h - 1)).any()
        )
