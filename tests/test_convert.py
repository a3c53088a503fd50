"""Conversion: what becomes a population, how scales, thetas, weights and biases are chosen, and what is refused (CONV-1
to CONV-9).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import fsref
from fsref.conversion.converter import Calibrated, convert
from fsref.conversion.folded import Term, Unit
from fsref.conversion.folding import fold, hoisted
from fsref.conversion.forms import FORMS
from fsref.conversion.options import Options
from fsref.conversion.quantisation import reach, rounding_errors, slack
from fsref.conversion.sources import Source
from fsref.graph.graph import Graph, Node
from fsref.graph.operators import OPERATORS
from fsref.law.images import Pixels
from nodes import PIXELS, conv, drawn, head, residual


def test_every_operator_has_a_form_or_a_nearest_one() -> None:
    """Each operator of float graphs folds, or is refused with what comes nearest."""
    assert sorted(FORMS) == sorted(OPERATORS)


def test_what_becomes_a_population() -> None:
    """Activations and sums read twice become populations named after their weights; relu goes before the max-pool and
    to both sides of the concat.
    """
    net = convert(residual(), drawn())
    kinds = [(type(p).__name__, p.name, p.shape) for p in net.populations]
    assert kinds == [
        ("Input", "input", (3, 8, 8)),
        ("FS", "stem", (8, 8, 8)),
        ("FS", "expand", (16, 8, 8)),
        ("FS", "depthwise", (16, 8, 8)),
        ("FS", "project", (8, 8, 8)),  # read by left and right, negative values too
        ("FS", "left", (4, 8, 8)),
        ("FS", "right", (6, 8, 8)),
        ("MaxPool", "down.0", (4, 4, 4)),
        ("MaxPool", "down.1", (6, 4, 4)),
        ("Readout", "linear", (5, 1, 1)),
    ]
    assert [f"{q.source}->{q.target}" for q in net.projections if q.target in ("project", "linear")] == [
        "depthwise->project",
        "stem->project",
        "down.0->linear",
        "down.1->linear",
    ]
    assert [p.name for p in net.fs if p.offset > 0] == ["project"]


def test_folding_changes_no_value() -> None:
    """The folded graph gives the logits of the graph it came from, but for float rounding."""
    graph, x = residual(), drawn(6)
    *_, (_, _, logits) = fold(graph).walk(x)
    np.testing.assert_allclose(logits[:, :, 0, 0], graph.forward(x), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("groups", [1, 2, 6])
def test_a_convolution_reads_a_concat(groups: int) -> None:
    """A convolution after a concat reads each part through its slice of the weights; with groups that fall into parts
    its outputs stand side by side.
    """
    nodes = [
        conv("one", "input", 4, 3),
        Node("one_relu", "relu", ("one",)),
        conv("two", "input", 2, 3, rng=1),
        Node("two_relu", "relu", ("two",)),
        Node("both", "concat", ("one_relu", "two_relu")),
        conv("after", "both", 6, 6, 3, groups=groups),
        Node("after_relu", "relu", ("after",)),
        *head("after_relu", 6),
    ]
    graph, x = Graph(PIXELS, nodes), drawn(20)
    net = convert(graph, x, steps=14, weight_bits=16, alpha="max")
    logits, wanted = fsref.run(net, x, engine="quantized").logits * net.logit_scale, graph.forward(x)
    assert np.abs(logits - wanted).max() < 5e-3 * np.ptp(wanted)


def test_enough_steps_and_bits_give_the_float_network() -> None:
    """With 14 steps and 16-bit weights the logits are the float ones within a thousandth of their range: nothing is
    folded wrongly.
    """
    graph, x = residual(), drawn(40)
    net = convert(graph, x, steps=14, weight_bits=16, alpha="max")
    logits, wanted = fsref.run(net, x, engine="quantized").logits * net.logit_scale, graph.forward(x)
    assert np.abs(logits - wanted).max() < 1e-3 * np.ptp(wanted)


@pytest.mark.parametrize("steps", [3, 8])
def test_alpha(steps: int) -> None:
    """max codes the largest value seen, percentile less; mse errs least in the mean square of the three."""
    graph, x = residual(), drawn(40)
    seen = {unit.name: after for unit, _, after in fold(graph).walk(x)}["stem"]

    def scale(alpha: str) -> float:
        options = {"percentile": 95} if alpha == "percentile" else {}
        return float(convert(graph, x, steps=steps, alpha=alpha, **options)["stem"].scale)

    def error(unit: float) -> float:
        return float(np.square(seen - unit * np.clip(np.floor(seen / unit + 0.5), 0, 2**steps - 1)).sum())

    found = {alpha: scale(alpha) for alpha in ("max", "percentile", "mse")}
    assert found["max"] * 2**steps == pytest.approx(float(seen.max()), rel=1e-6)
    assert found["percentile"] * 2**steps == pytest.approx(float(np.percentile(seen, 95)), rel=1e-6)
    assert error(found["mse"]) <= min(error(found["max"]), error(found["percentile"])) * (1 + 1e-9)


def test_a_bound_caps_alpha() -> None:
    """A clip at 6 never codes more than 6, whatever alpha the images ask for."""
    graph = residual()
    louder = {"weight": graph["expand"].arrays["weight"] * 50, "bias": graph["expand"].arrays["bias"]}
    nodes = [replace(node, arrays=louder) if node.name == "expand" else node for node in graph.nodes]
    population = convert(Graph(PIXELS, nodes), drawn(), alpha="max")["expand"]
    assert population.scale * 2**8 == pytest.approx(6.0, rel=1e-6)


def test_theta() -> None:
    """Every theta lies in theta_max / 2 .. theta_max, theta_max the largest for which all weights fit; as powers of two
    there is one such.
    """
    graph, x = residual(), drawn()
    for options in ({}, {"power_of_two": True}):
        net = convert(graph, x, **options)
        theta, source = net["expand"].table.T[..., -1], net["stem"]
        real = np.abs(graph["expand"].arrays["weight"]).reshape(16, -1).max(axis=1)
        largest = np.floor(127 * net["expand"].scale / (real * source.scale))
        assert (theta <= largest).all() and (theta >= np.maximum(1, np.floor(largest / 2))).all()
        if options:
            assert (theta & (theta - 1) == 0).all()
        else:
            assert len(set((theta / largest).round(3).tolist())) > 1  # chosen, not taken


def test_weights_that_are_exact_stay_so() -> None:
    """Where scales and weights are multiples of powers of two, a multiple of such a power makes nothing to round: it is
    among the thetas tried (CONV-3).
    """
    rng = np.random.default_rng(4)
    quantised = {"alpha": 15 / 16, "levels": 15}
    made = [
        Node("q", "quantise", ("input",), quantised),
        Node("c", "conv", ("q",), {}, {"weight": rng.integers(-4000, 4001, (16, 3, 3, 3)) / 4096}),
        Node("r", "quantise", ("c",), quantised),
        *head("r", 16),
    ]
    net = convert(Graph(Pixels(3, 8, 8, scale=1 / 16, max_code=15), made), weight_bits=16)
    weights, theta = next(q.weights for q in net.projections if q.target == "c"), net["c"].table.T[:, -1]
    assert (weights == made[1].arrays["weight"] * theta[:, None, None, None]).all()


def test_theta_below_one_is_refused_with_the_width_that_would_do() -> None:
    """Two-bit weights cannot carry eight steps: the message names population, channel and the bits that would do, and
    those bits do.
    """
    graph, x = residual(), drawn()
    says = r"theta would be below 1 with 2-bit weights \((\d+) bits would do, or fewer steps\) \[CONV-3\]"
    with pytest.raises(fsref.errors.GraphError, match=says) as caught:
        convert(graph, x, weight_bits=2, steps=10)
    assert "channel" in caught.value.place
    need = int(caught.value.limit.split()[0])
    assert need > 2
    convert(graph, x, weight_bits=need + 3, steps=10)


@pytest.mark.parametrize("bits", [4, 5, 8, 12, 16])
def test_weights_fit_their_bits(bits: int) -> None:
    """No weight needs more than its bits, some need all; skip factors have 16."""
    net = convert(residual(), drawn(), weight_bits=bits, steps=4)
    high = 2 ** (bits - 1) - 1
    for q in net.projections:
        skip = f"{q.source}->{q.target}" == "stem->project"
        assert np.abs(q.weights.astype(int)).max() <= (2**15 - 1 if skip else high)
    assert max(np.abs(q.weights.astype(int)).max() for q in net.projections if q.target == "linear") == high


def test_sums_stay_in_32_bits() -> None:
    """Every interval of RANGE-1 lies within 32 bits at the widest settings that are not refused, dead channels
    included.
    """
    graph = residual()
    gain = graph["stem_bn"].arrays["gain"] * np.array([0, 1e-12, *[1] * 6])
    dead = [
        replace(node, arrays={**node.arrays, "gain": gain}) if node.name == "stem_bn" else node for node in graph.nodes
    ]
    for bits, steps in ((8, 8), (16, 10)):
        net = convert(Graph(PIXELS, dead), drawn(), weight_bits=bits, steps=steps)
        for bounds in net.ranges.values():
            assert -(2**31) <= bounds.any_order.min() and bounds.any_order.max() < 2**31


def test_nearest_and_floor() -> None:
    """nearest is floor with floor(theta / 2) more in every bias, at equal scales."""
    graph, x = residual(), drawn()
    near, low = (convert(graph, x, rounding=how, alpha="max") for how in ("nearest", "floor"))
    for p in near.populations:
        if isinstance(p, fsref.FS) and p.name in ("stem", "expand"):
            theta, other = p.table.T[..., -1], low[p.name]
            half = (theta // 2).reshape(-1, *[1] * (p.bias.ndim - 1))
            assert (p.bias - half == other.bias).all()


def test_signed_linear_values() -> None:
    """The codes of a population that may be negative, less its offset, are the float values to within a code, borders
    of its readers included.
    """
    graph, x = residual(), drawn(40)
    net = convert(graph, x, steps=10, weight_bits=12, alpha="max")
    result = fsref.run(net, x, engine="quantized", record=["project", "right"])
    real = {unit.name: after for unit, _, after in fold(graph).walk(x)}
    for name in ("project", "right"):
        codes = result.codes[name].reshape(real[name].shape).astype(float)
        away = np.abs((codes - net[name].offset) * net[name].scale - real[name]) / net[name].scale
        assert away.max() < 12 and np.median(away) < 1.5
    assert real["project"].min() < 0 < net["project"].offset


@pytest.mark.parametrize("slope", [0.5, -0.5])
def test_a_falling_activation_stays_behind_its_max_pool(slope: float) -> None:
    """A hard_sigmoid of negative slope turns the largest value into the smallest: folded, the graph gives what the
    graph gives.
    """
    act = Node("act", "hard_sigmoid", ("pool",), {"slope": slope, "offset": 0.75})
    pool = Node("pool", "max_pool", ("stem",), {"kernel": (2, 2)})
    graph = Graph(PIXELS, [conv("stem", "input", 4, 3), pool, act, Node("mean", "global_avg_pool", ("act",))])
    *_, (_, _, logits) = fold(graph).walk(drawn())
    assert np.abs(logits[:, :, 0, 0] - graph.forward(drawn())).max() < 1e-5


@pytest.mark.parametrize("alpha", ["max", "percentile", "mse"])
def test_signed_values_that_are_all_negative(alpha: Any) -> None:
    """The codes of a linear population reach from its lowest value to 0, however far below 0 its highest is."""
    stem = Node("stem", "conv", ("input",), {}, {"weight": np.ones((1, 3, 1, 1)) / 3, "bias": np.array([-10.0])})
    graph = Graph(
        PIXELS,
        [
            stem,
            Node("pool", "max_pool", ("stem",), {"kernel": (2, 2)}),
            Node("flatten", "flatten", ("pool",)),
            Node("linear", "dense", ("flatten",), {}, {"weight": np.eye(3, 16), "bias": np.zeros(3)}),
        ],
    )
    x = drawn()
    net, real = convert(graph, x, alpha=alpha), graph.activations(x, ["stem"])["stem"]
    codes = fsref.run(net, x, engine="quantized", record=["stem"]).codes["stem"].reshape(real.shape)
    away = np.abs((codes.astype(float) - net["stem"].offset) * net["stem"].scale - real) / net["stem"].scale
    assert real.max() < -7 and np.median(away) < 1 and away.max() < (3 if alpha == "max" else 30)


def test_offsets_count_for_the_bound_of_sums() -> None:
    """No bias passes 2^30 where codes have large offsets; without counting them it was 120 times that (CONV-3)."""
    stem = Node("stem", "conv", ("input",), {}, {"weight": np.ones((4, 3, 3, 3)), "bias": np.zeros(4)})
    graph = Graph(
        PIXELS,
        [
            stem,
            Node("act", "clip", ("stem",), {"low": 6.0, "high": 6.05}),
            Node("flatten", "flatten", ("act",)),
            Node("linear", "dense", ("flatten",), {}, {"weight": np.ones((3, 144)), "bias": np.zeros(3)}),
        ],
    )
    for how in ({}, {"weight_bits": 16}, {"weight_bits": 16, "steps": 12, "bias_correction": "analytic"}):
        net = convert(graph, drawn(), **how)
        assert max(int(np.abs(p.bias).max()) for p in net.populations[1:]) <= 2**30
        assert max(int(np.abs(bounds.any_order).max()) for bounds in net.ranges.values()) <= 2**30


@pytest.mark.parametrize("levels", [1, 3, 7, 2, 4, 5, 6, 10])
def test_pools_of_values_whose_levels_have_no_exact_pool(levels: int) -> None:
    """A max-pool is exact on the spikes of 2^K - 1 levels; others are refused with their node (POOL-2)."""
    act = Node("act", "quantise", ("stem",), {"alpha": 1.0, "levels": levels})
    graph = Graph(
        PIXELS,
        [
            conv("stem", "input", 4, 3),
            act,
            Node("pooled", "max_pool", ("act",), {"kernel": (2, 2)}),
            *head("pooled", 4),
        ],
    )
    if levels & (levels + 1):
        with pytest.raises(fsref.errors.GraphError, match=rf"pooled: max-pool of values with {levels} levels"):
            convert(graph)
    else:
        assert convert(graph)["pooled"].source == "stem"


def test_the_input_contract_folds() -> None:
    """A BGR graph converts to the network of the RGB graph whose weights, mean and std are turned; mean and std reach
    every border place.
    """
    x = drawn()
    turned = Pixels(3, 8, 8, mean=PIXELS.mean[::-1], std=PIXELS.std[::-1], order="BGR")
    nodes = residual().nodes
    stem = Node(
        "stem",
        "conv",
        ("input",),
        nodes[0].attributes,
        {"weight": nodes[0].arrays["weight"][:, ::-1], "bias": nodes[0].arrays["bias"]},
    )
    assert convert(Graph(turned, [stem, *nodes[1:]]), x).id == convert(residual(), x).id
    net = convert(residual(), x, steps=10, weight_bits=16, alpha="max")
    trace = fsref.run(net, x, engine="quantized", record=fsref.Record(["stem"], ["opening"])).trace
    opening = trace["stem", "opening"].reshape(-1, 8, 8, 8)
    before = {unit.name: v for unit, v, _ in fold(residual()).walk(x)}["stem"]
    theta = net["stem"].table.T[..., -1].reshape(-1, 1, 1)
    assert np.abs((opening - theta // 2) / theta - before / net["stem"].scale).max() < 0.5


def test_quantising_activations_need_no_images() -> None:
    """alpha, levels and rounding of a quantising activation become scale, steps and bias: codes are those of the
    formula, without any images.
    """
    weight = np.array([[[[0.25]], [[-0.5]], [[1.0]]], [[[-1.0]], [[0.75]], [[0.125]]]])
    pixels = Pixels(3, 4, 4, scale=1 / 256)
    for levels, rounding, steps in ((15, "nearest", 4), (4, "nearest", 3), (8, "floor", 4), (7, "floor", 3)):
        nodes = [
            Node("stem", "conv", ("input",), {}, {"weight": weight}),
            Node("q", "quantise", ("stem",), {"alpha": 0.5, "levels": levels, "rounding": rounding}),
            *head("q", 2),
        ]
        graph, x = Graph(pixels, nodes), drawn(8, (3, 4, 4))
        net = convert(graph, weight_bits=16)
        assert net["stem"].steps == steps and net["stem"].scale == pytest.approx(0.5 / levels)
        codes = fsref.run(net, x, engine="reference", record=["stem"]).codes["stem"].reshape(8, 2, 4, 4)
        wanted = np.floor(
            graph.activations(x, ["stem"])["stem"].astype(float) * levels / 0.5 + (0.5 if rounding == "nearest" else 0)
        )
        # Weights are rounded: a value on a border may fall either way.
        assert (codes == np.clip(wanted, 0, levels)).mean() > 0.99


def test_without_images_everything_must_carry_its_scale() -> None:
    """A relu has no scale without images."""
    with pytest.raises(
        fsref.errors.GraphError, match=r"there are no images \(.*stem, expand, depthwise.*\) \[CONV-8\]"
    ):
        convert(residual())


def test_calibration_images_that_are_refused() -> None:
    """Empty, normalised, misshapen and out-of-range images are refused by name."""
    x = drawn()
    cases = [
        (x[:0], "there are none"),
        (x / 255.0, "not an array of integers"),
        (x[:, :2], "shape"),
        (x.astype(int) + 1, "out of range"),
    ]
    cases.append(([[1], [2, 3]], "not an array"))
    for images, says in cases:
        with pytest.raises(fsref.errors.InputError, match=says):
            convert(residual(), images)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"steps": 0}, "steps: integer out of range: 0 (1..16) [CONV-9]"),
        ({"steps": 17}, "steps: integer out of range: 17 (1..16) [CONV-9]"),
        ({"steps": {"stem": 4, "nobody": 3}}, "steps: no population of this name takes its steps from here: nobody"),
        ({"steps": {"stem": 0}}, "steps of stem: integer out of range: 0 (1..16) [CONV-9]"),
        ({"weight_bits": 1}, "weight_bits: integer out of range: 1 (2..16) [CONV-9]"),
        ({"alpha": "best"}, "alpha: unknown choice: best (max, percentile, mse) [CONV-9]"),
        ({"rounding": "even"}, "rounding: unknown choice: even (nearest, floor) [CONV-9]"),
        ({"power_of_two": "yes"}, "power_of_two: unknown choice: yes (False, True) [CONV-9]"),
        ({"bias_correction": "both"}, "bias_correction: unknown choice: both (none, analytic, empirical) [CONV-9]"),
        ({"alpha": "percentile", "percentile": 20}, "percentile: out of range: 20 (above 50, at most 100) [CONV-9]"),
    ],
)
def test_options_that_are_refused(options: Any, says: str) -> None:
    """An option out of range is one line that names it."""
    with pytest.raises(fsref.errors.GraphError) as caught:
        convert(residual(), drawn(), **options)
    assert says in str(caught.value)


def test_the_number_of_calibration_images() -> None:
    """None, fewer than none and half an image are refused."""
    for images in (0, -1, 2.5):
        with pytest.raises(
            fsref.errors.InputError, match=rf"image_count: not a number of images: {images} \(1 or more\) \[CONV-8\]"
        ):
            convert(residual(), drawn(), image_count=images)  # type: ignore[arg-type]


def test_steps_of_a_quantising_activation_are_its_own() -> None:
    """Steps named for a population whose levels say K already are refused."""
    nodes = [
        conv("stem", "input", 4, 3),
        Node("act", "quantise", ("stem",), {"alpha": 1.0, "levels": 7}),
        *head("act", 4),
    ]
    with pytest.raises(
        fsref.errors.GraphError, match="steps: no population of this name takes its steps from here: stem"
    ):
        convert(Graph(PIXELS, nodes), steps={"stem": 5})


def test_steps_by_population() -> None:
    """A mapping gives each population its own K, the rest the one under the empty name, 8 without."""
    net = convert(residual(), drawn(), steps={"": 5, "stem": 3, "project": 9})
    found = {p.name: p.steps for p in net.populations if isinstance(p, fsref.FS)}
    assert found == {"stem": 3, "expand": 5, "depthwise": 5, "project": 9, "left": 5, "right": 5}


def mean_errors(net: fsref.Network, name: str, x: Any, wanted: Any) -> Any:
    """By how many membrane units the mean membrane of each channel is not the float one."""
    opening = fsref.run(net, x, engine="quantized", record=fsref.Record([name], ["opening"])).trace[name, "opening"]
    p, theta = net[name], net[name].table.T[..., -1]
    mean = opening.reshape(len(x), p.shape[0], -1).mean(axis=(0, 2)) - theta // 2 - p.offset * theta
    return np.abs(mean - wanted[name] / p.scale * theta)


def test_analytic_bias_correction_takes_back_what_rounded_weights_add() -> None:
    """Behind the exact input the mean membrane of every channel is the float one to half a membrane unit; behind codes
    it is nearer to it than without.
    """
    graph, x = residual(), drawn(32)
    plain, moved = (
        convert(graph, x, steps=10, alpha="max", weight_bits=4, bias_correction=kind) for kind in ("none", "analytic")
    )
    wanted = {unit.name: before.mean(axis=(0, 2, 3)) for unit, before, _ in fold(graph).walk(x)}
    for name in ("stem", "expand", "depthwise", "project"):
        without, corrected = (mean_errors(net, name, x, wanted) for net in (plain, moved))
        if name == "stem":
            assert corrected.max() < 0.51 < without.max()
        assert np.linalg.norm(corrected) < 0.7 * np.linalg.norm(without)


def test_empirical_bias_correction_moves_mean_membranes_to_the_float_ones() -> None:
    """With it the mean membrane of every channel is the float one to half a membrane unit, however coarse the codes."""
    graph, x = residual(), drawn(32)
    plain, moved = (convert(graph, x, steps=3, weight_bits=4, bias_correction=kind) for kind in ("none", "empirical"))
    wanted = {unit.name: before.mean(axis=(0, 2, 3)) for unit, before, _ in fold(graph).walk(x)}
    for name in ("stem", "expand", "depthwise", "project"):
        assert mean_errors(moved, name, x, wanted).max() < 0.51 < mean_errors(plain, name, x, wanted).max()


def test_everything_without_a_form_is_listed_at_once() -> None:
    """All nodes without a form are named together, each with the nearest form."""
    nodes = [
        conv("stem", "input", 4, 3),
        Node("frame", "pad", ("stem",), {"padding": (1, 1, 1, 1), "value": 0.5}),
        Node("mean", "global_avg_pool", ("frame",)),
        Node("sum", "add", ("frame", "mean")),
        Node("end", "sigmoid", ("sum",)),
    ]
    with pytest.raises(fsref.errors.GraphError) as caught:
        convert(Graph(PIXELS, nodes), drawn())
    text = str(caught.value)
    assert "3 of 5 nodes, " in text
    assert "frame: padding with a constant other than 0 (value 0)" in text
    assert "sum: add broadcasts one place over many (operands of one shape)" in text
    assert "end: sigmoid at the end (nearest: leave it out" in text


def test_a_graph_without_contract_is_refused() -> None:
    """There is no conversion without an input contract."""
    with pytest.raises(fsref.errors.GraphError, match=r"no input contract.*\[GRAPH-5\]"):
        convert(Graph(None, residual().nodes), drawn())


def test_provenance_tells_every_choice() -> None:
    """Options, calibration images and the figures of each population are in the network, and survive the file."""
    net = convert(residual(), drawn(), steps=6, image_count=16)
    assert net.provenance["options"]["steps"] == 6 and net.provenance["calibration"]["images"] == 16
    assert set(net.provenance["populations"]["stem"]) == {
        "steps",
        "rounding",
        "alpha",
        "scale",
        "offset",
        "theta",
        "weight_bits",
    }


def test_one_calibration_serves_many_conversions() -> None:
    """Calibrated.convert gives what convert gives."""
    done = Calibrated.of(residual(), drawn())
    for steps in (4, 8):
        assert done.convert(Options(steps=steps)).id == convert(residual(), drawn(), steps=steps).id


def test_all_engines_agree_on_a_converted_network() -> None:
    """reference, events and quantized give the same codes of every population of a converted network."""
    net = convert(residual(), drawn(), steps={"": 6, "expand": 4})
    assert fsref.check(net, drawn(4, seed=9)).agrees


@pytest.mark.parametrize("gain", [[0.25, 0.5, 1.0, 2.0], [0.25, 0.0, 1.0, 2.0], [0.25, -0.5, 1.0, 2.0]])
def test_gains_behind_a_max_pool(gain: list[float]) -> None:
    """A gain above 0, however small, keeps the order of what a max-pool reads, so an affine node is folded into what
    stands before the pool; with another gain it is not, and there is nothing to fold it into.
    """
    pool = Node("pool", "max_pool", ("stem",), {"kernel": (2, 2)})
    affine = Node("affine", "affine", ("pool",), {}, {"gain": np.array(gain), "offset": np.arange(4.0)})
    act, mean = Node("act", "relu", ("affine",)), Node("mean", "global_avg_pool", ("act",))
    graph = Graph(PIXELS, [conv("stem", "input", 4, 3), pool, affine, act, mean])
    order = [node.name for node in hoisted(graph).nodes]
    assert (order.index("affine") < order.index("pool")) == (min(gain) > 0)


def test_the_error_of_rounded_biases() -> None:
    """2.6 and -6.25 membrane units of 0.5 and 0.4 are rounded to 3 and -6: 0.2 and 0.1 in real units (CONV-3)."""
    unit = Unit("a", (2, 1, 1), bias=np.array([1.3, -2.5]))
    assert rounding_errors(unit, [], [], np.array([[0.5, 0.4]])).round(12).tolist() == [[0.04, 0.01]]


@pytest.mark.parametrize("correction", ["none", "analytic"])
def test_wide_layers_are_the_same_strip_by_strip(monkeypatch: pytest.MonkeyPatch, correction: str) -> None:
    """However few weights are rounded or cut at a time, the network is the same (CONV-9)."""
    draw = np.random.default_rng(2)
    wide = [Node(f"d{k}", "dense", (f"r{k - 1}" if k else "f",), {}, {"weight": draw.normal(size=shape)})
            for k, shape in enumerate([(9, 64), (7, 9)])]  # fmt: skip
    nodes = [conv("c", "input", 4, 3, stride=(2, 2)), Node("r", "relu", ("c",)), Node("f", "flatten", ("r",))]
    graph = Graph(PIXELS, [*nodes, wide[0], Node("r0", "clip", ("d0",), {"low": -1.0, "high": 4.0}), wide[1]])
    whole = convert(graph, drawn(8), bias_correction=correction)
    for weights in (1, 150):
        monkeypatch.setattr("fsref.conversion.exact.STRIP", weights)
        monkeypatch.setattr("fsref.conversion.quantisation.CACHED", weights)
        assert convert(graph, drawn(8), bias_correction=correction).id == whole.id


def test_sums_bound_theta_where_weights_do_not() -> None:
    """Small weights beside a large bias would let theta be so large that sums pass 2^30: they bound it (CONV-3)."""
    stem = Node("stem", "conv", ("input",), {}, {"weight": np.full((4, 3, 3, 3), 1e-5), "bias": np.full(4, 1000.0)})
    act = Node("act", "clip", ("stem",), {"low": 0.0, "high": 1.0})
    net = convert(Graph(PIXELS, [stem, act, *head("act", 4)]), drawn(), weight_bits=16)
    reached = int(np.abs(net.ranges["stem"].any_order).max())
    assert 2**26 < reached <= 2**30


@pytest.mark.parametrize("size", [(2, 7), (7, 2)])
def test_pooled_sums_count_every_place(size: tuple[int, int]) -> None:
    """What bounds the sums of a pooled dense layer, and what rounding adds to them, is of all places of its source, as
    high as wide or not (CONV-3).
    """
    source = Source((4, *size), np.ones(4), np.zeros(4), 255, np.ones(4), None)
    unit = Unit("a", (3, 1, 1), (Term("act", np.ones((3, 4)), pooled=True),), np.zeros(3))
    assert reach(unit, [np.ones((3, 4))], [source]).tolist() == [4 * 14 * 255] * 3
    assert slack(unit, [source]) == 2 + 4 * 14 * 255
