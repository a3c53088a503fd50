"""Where the loss comes from: the figures of each population, the first jump of a broken conversion, refusals, text,
JSON and pictures.
"""

from __future__ import annotations

import json
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping
from dataclasses import replace
from math import inf
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fsref import FS, Dense, Input, MaxPool, Network, Readout, fs_relu, run
from fsref.conversion.converter import convert
from fsref.conversion.folding import fold
from fsref.errors import FsrefError, GraphError, InputError, LimitError, UsageError
from fsref.graph.graph import Graph, Node
from fsref.law.images import Pixels
from fsref.metrics.losses import ratio_db
from fsref.reports.losses import comparison_picture
from fsref.simulation import memory
from fsref.simulation.recording import Record
from fsref.verification import compare as module
from fsref.verification.compare import compare
from fsref.verification.comparison import Comparison

ONE = (1, 1, 1, 1)
PIXELS = Pixels(3, 8, 8, mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.25))
IMAGES = np.random.default_rng(3).integers(0, 256, (24, 3, 8, 8))
LAYERS = {
    "stem": (5, 3, 3, 3),
    "deep": (5, 5, 3, 3),
    "wide": (8, 5, 1, 1),
    "narrow": (4, 8, 1, 1),
    "late": (6, 4, 3, 3),
    "classes": (4, 10),
}


def weights(seed: int = 5) -> dict[str, tuple[Any, Any]]:
    """Weights and biases of the layers, random."""
    rng = np.random.default_rng(seed)
    return {
        name: (rng.normal(0, 1.4 / np.sqrt(np.prod(shape[1:])), shape), rng.normal(0.2, 0.6, shape[0]))
        for name, shape in LAYERS.items()
    }


def made(layers: Mapping[str, tuple[Any, Any]], pixels: Pixels = PIXELS) -> Graph:
    """The graph: stem, max-pool, a residual around deep, a signed bottleneck narrow that two read, a concat of late and
    narrow, mean, classes.
    """

    def layer(name: str, source: str, **attributes: Any) -> Node:
        return Node(
            name,
            "dense" if name == "classes" else "conv",
            (source,),
            attributes,
            {"weight": layers[name][0], "bias": layers[name][1]},
        )

    nodes = [
        layer("stem", "input", padding=ONE),
        Node("stem.relu", "relu", ("stem",)),
        Node("pool", "max_pool", ("stem.relu",), {"kernel": (2, 2)}),
        layer("deep", "pool", padding=ONE),
        Node("sum", "add", ("deep", "pool")),
        Node("sum.relu", "relu", ("sum",)),
        layer("wide", "sum.relu"),
        Node("wide.clip", "clip", ("wide",), {"low": 0.0, "high": 1.5}),
        layer("narrow", "wide.clip"),
        layer("late", "narrow", padding=ONE),
        Node("late.relu", "relu", ("late",)),
        Node("both", "concat", ("late.relu", "narrow")),
        Node("mean", "global_avg_pool", ("both",)),
        layer("classes", "mean"),
    ]
    return Graph(pixels, tuple(nodes), "small")


def conv(x: Any, layer: tuple[Any, Any]) -> Any:
    """A convolution that keeps the size, for images (B, C, H, W), in float64."""
    weight, bias = layer
    edge = weight.shape[2] // 2
    x = np.pad(x, ((0, 0), (0, 0), (edge, edge), (edge, edge)))
    return (
        np.einsum("bcyxij,ocij->boyx", np.lib.stride_tricks.sliding_window_view(x, weight.shape[2:], (2, 3)), weight)
        + bias[:, None, None]
    )


def functions(layers: Mapping[str, tuple[Any, Any]]) -> dict[str, tuple[tuple[str, ...], Callable[..., Any]]]:
    """What each population of the graph is of those it reads, written down once more."""
    w, b = layers["classes"]
    return {
        "stem": (("input",), lambda x: np.maximum(conv(x, layers["stem"]), 0)),
        "pool": (("stem",), lambda x: x.reshape(len(x), -1, 4, 2, 4, 2).max(axis=(3, 5))),
        "deep": (("pool",), lambda x: np.maximum(conv(x, layers["deep"]) + x, 0)),
        "wide": (("deep",), lambda x: np.clip(conv(x, layers["wide"]), 0, 1.5)),
        "narrow": (("wide",), lambda x: conv(x, layers["narrow"])),
        "late": (("narrow",), lambda x: np.maximum(conv(x, layers["late"]), 0)),
        "classes": (
            ("late", "narrow"),
            lambda x, y: (np.concatenate([x, y], axis=1).mean(axis=(2, 3)) @ w.T + b)[:, :, None, None],
        ),
    }


def converted(layers: Mapping[str, tuple[Any, Any]], pixels: Pixels = PIXELS, **options: Any) -> Network:
    """The network of a graph, calibrated on the images."""
    return convert(made(layers, pixels), IMAGES, **options)


def db(signal: float, noise: float) -> float:
    return float(10 * np.log10(signal / noise)) if noise else float("inf")


@pytest.mark.parametrize("steps", [3, 8])
def test_every_figure_is_a_few_lines_of_numpy(steps: int) -> None:
    """Each figure of each population equals what its definition gives in float64; counts of neurons and codes are
    equal.
    """
    layers, net = weights(), converted(weights(), steps={"": steps, "narrow": 6})
    found = compare(made(layers), net, IMAGES)
    done = run(net, IMAGES, "reference", Record(observables=("codes", "spikes")))
    assert done.trace is not None
    real = (IMAGES / 255 - np.reshape(PIXELS.mean, (-1, 1, 1))) / np.reshape(PIXELS.std, (-1, 1, 1))
    f, r = {"input": real}, {"input": real}
    assert [row.name for row in found.rows] == ["input", *functions(layers)]
    for name, (sources, function) in functions(layers).items():
        row, coded = found[name], net["stem" if name == "pool" else name]
        f[name], g = function(*(f[s] for s in sources)), function(*(r[s] for s in sources))
        if isinstance(coded, FS):
            assert coded.scale is not None
            q, fired = done.trace[name, "codes"].reshape(f[name].shape), done.trace[name, "spikes"].any(axis=0)
            r[name], top = coded.scale * (q - coded.offset), 2**coded.steps - 1
            nearest = coded.scale * (np.clip(np.round(g / coded.scale + coded.offset), 0, top) - coded.offset)
            active = (np.abs(f[name]) > 1e-6).any(axis=0).ravel()
            beyond = (f[name] > coded.scale * (top + 0.5 - coded.offset)) | (
                f[name] < coded.scale * (-0.5 - coded.offset)
            )
            assert (row.dead, row.inactive, row.lost) == ((~fired).sum(), (~active).sum(), (~fired & active).sum())
            assert (row.peak, row.top, row.saturated) == (q.max(), top, pytest.approx((q == top).mean()))
            assert row.clipped == pytest.approx(beyond.mean())
            assert row.mean_error_codes == pytest.approx((r[name] - f[name]).mean() / coded.scale, rel=1e-3, abs=1e-4)
        else:
            r[name] = done.logits[:, :, None, None] * net.logit_scale
            nearest = g
            assert (
                row.mean_error_codes
                is row.clipped
                is row.saturated
                is row.peak
                is row.top
                is row.dead
                is row.inactive
                is row.lost
                is None
            )
        power = {"power": f[name], "error": r[name] - f[name], "inherited": g - f[name], "new": r[name] - g}
        for part, values in (power | {"codes": nearest - g, "arithmetic": r[name] - nearest}).items():
            assert getattr(row, part) == pytest.approx((values**2).mean(), rel=2e-3, abs=1e-12), (name, part)
        assert row.mean_error == pytest.approx((r[name] - f[name]).mean(), rel=1e-3, abs=1e-6)
        assert row.snr == pytest.approx(db((f[name] ** 2).mean(), ((r[name] - f[name]) ** 2).mean()), abs=0.01)
        new = r[name] - g
        if name != "pool":
            by_channel = (new**2).mean(axis=(0, 2, 3))
            assert (row.channel, row.channel_share) == (
                by_channel.argmax(),
                pytest.approx(by_channel.max() / by_channel.sum(), rel=1e-3),
            )
            assert row.constant == pytest.approx((new.mean(axis=(0, 2, 3)) ** 2).mean() / (new**2).mean(), rel=1e-2)
        gain = (g * r[name]).sum() / (r[name] ** 2).sum()
        assert row.gain == pytest.approx(gain, rel=1e-5)
        assert row.after_gain == pytest.approx(((g - gain * r[name]) ** 2).mean(), rel=1e-2, abs=1e-9)
        assert (row.kind, row.steps, row.neurons) == (
            "max_pool" if name == "pool" else "fs" if name in done.codes else "readout",
            net.steps[name],
            g[0].size,
        )
    assert (found["pool"].new, found["input"].error, found["pool"].db("new")) == (0, 0, np.inf)
    assert (found["late"].lost or 0) + (found["deep"].lost or 0) > 0 or steps == 8
    labels = np.arange(24) % 4
    again = compare(made(layers), net, IMAGES, labels)
    of_float, of_fs = f["classes"][:, :, 0, 0].argmax(axis=1), done.logits.argmax(axis=1)
    assert (again.agree, again.correct) == (
        (of_float == of_fs).sum(),
        ((of_float == labels).sum(), (of_fs == labels).sum()),
    )
    assert (found.correct, found.image_count, found.labels) == (None, 24, None)


def test_the_images_are_taken_a_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many images are taken at once, the figures are the same; progress adds up; too little memory is refused
    before the start.
    """
    graph, net = made(weights()), converted(weights())
    whole, done = compare(graph, net, IMAGES), []
    monkeypatch.setattr(memory, "CHUNK_IMAGES", 5)
    parts = compare(graph, net, IMAGES, progress=done.append)
    assert done == [5, 5, 5, 5, 4]
    for one, other in zip(whole.rows, parts.rows, strict=True):
        a, b = one.to_dict(), other.to_dict()
        assert {k: v for k, v in a.items() if not isinstance(v, float)} == {
            k: v for k, v in b.items() if not isinstance(v, float)
        }
        assert {k: v for k, v in a.items() if isinstance(v, float)} == pytest.approx(
            {k: v for k, v in b.items() if isinstance(v, float)}, rel=1e-4, abs=1e-7
        )
    for limit in (1000, 200_000):
        with pytest.raises(LimitError, match="RUN-3"):
            compare(graph, net, IMAGES, memory_limit=limit)


def named(found: Comparison) -> tuple[str, str]:
    """The first jump: its population, and which part of its error jumps."""
    return ("", "") if found.first_jump is None else (found.first_jump.name, found.first_jump.jump)


SOUND = [
    *({"steps": k} for k in (2, 3, 4, 6, 8, 10)),
    {"steps": 4, "rounding": "floor"},
    {"weight_bits": 6},
    {"alpha": "max"},
]
SOUND += [{"bias_correction": kind} for kind in ("analytic", "empirical")]


@pytest.mark.parametrize("options", SOUND, ids=str)
def test_a_sound_conversion_has_no_jump(options: dict[str, Any]) -> None:
    """Nothing is named in a conversion that is as good as its codes and weights allow, coarse ones too."""
    assert named(compare(made(weights()), converted(weights(), **options), IMAGES)) == ("", "")


@pytest.mark.parametrize("steps", [4, 8])
@pytest.mark.parametrize("name", LAYERS)
def test_a_dropped_bias_is_named(name: str, steps: int) -> None:
    """The population whose bias was lost on the way is the first jump, and its arithmetic is what jumps."""
    broken = weights() | {name: (weights()[name][0], np.zeros_like(weights()[name][1]))}
    found = compare(made(weights()), converted(broken, steps=steps), IMAGES)
    assert named(found) == (name, "arithmetic")
    assert name != "classes" or "100 % of the new error is one constant per channel" in str(found)


@pytest.mark.parametrize("steps", [4, 8])
@pytest.mark.parametrize("name", LAYERS)
def test_shuffled_weights_are_named(name: str, steps: int) -> None:
    """The population whose weights stand in another order is the first jump."""
    weight, bias = weights()[name]
    broken = weights() | {name: (np.random.default_rng(1).permutation(weight.ravel()).reshape(weight.shape), bias)}
    assert named(compare(made(weights()), converted(broken, steps=steps), IMAGES)) == (name, "arithmetic")


@pytest.mark.parametrize("wrong", [{"mean": 0.0}, {"std": 1.0}, {"std": (0.3, 0.2, 0.25)}, {"scale": 1 / 128}], ids=str)
def test_a_wrong_input_contract_is_named(wrong: dict[str, Any]) -> None:
    """Another mean, std or scale is the input's jump, with a note; when the network claims the right contract all the
    same, its first layer's.
    """
    net, right = converted(weights(), replace(PIXELS, **wrong)), converted(weights())
    found = compare(made(weights()), net, IMAGES)
    assert named(found) == ("input", "arithmetic")
    assert f"another {next(iter(wrong))} than the graph's" in str(found)
    posing = replace(net, populations=(right.input, *net.populations[1:]), contract=right.contract)
    assert named(compare(made(weights()), posing, IMAGES)) == ("stem", "arithmetic")


def test_a_wrong_scale_is_named_and_its_factor() -> None:
    """A population whose codes are said to stand for twice as much is the first jump, and the text says what factor
    would mend it.
    """
    net = converted(weights())
    populations = [
        replace(p, scale=p.scale * 2) if isinstance(p, FS) and p.name == "wide" and p.scale else p
        for p in net.populations
    ]
    found = compare(made(weights()), replace(net, populations=populations), IMAGES)
    assert named(found) == ("wide", "arithmetic")
    assert found["wide"].gain == pytest.approx(0.5, rel=0.01)
    assert f"times {found['wide'].gain:.3g} the value would meet the float layer at" in str(found)


def test_too_few_codes_are_named() -> None:
    """A population with one step among others with eight is the first jump: of its codes, not of its arithmetic."""
    assert named(compare(made(weights()), converted(weights(), steps={"": 8, "late": 1}), IMAGES)) == ("late", "codes")


def test_other_windows_of_a_pool_are_named() -> None:
    """A max-pool over other windows of the same shape is the first jump; the graph's own adds no error at all."""
    net = converted(weights())
    pools = [replace(p, kernel=(1, 1)) if isinstance(p, MaxPool) else p for p in net.populations]
    assert named(compare(made(weights()), replace(net, populations=pools), IMAGES)) == ("pool", "arithmetic")


def exact() -> tuple[Graph, Network]:
    """A graph whose values all are small integers, and a network by hand that computes the same."""
    w, v = np.array([[1.0, 0, 2], [0, 1, 0]]), np.array([[2.0, -1], [1, 1]])
    nodes = (
        Node("a", "dense", ("input",), {}, {"weight": w, "bias": np.array([1.0, 0])}),
        Node("a.act", "quantise", ("a",), {"alpha": 15.0, "levels": 15, "rounding": "floor"}),
        Node("b", "dense", ("a.act",), {}, {"weight": v}),
    )
    graph = Graph(Pixels(3, 1, 1, scale=1.0, max_code=3), nodes, classes=("x", "y"))
    populations = [
        Input("pixels", (3, 1, 1), 2, 3),
        FS("a", (2, 1, 1), fs_relu(4), [1, 0], scale=1),
        Readout("b", (2, 1, 1)),
    ]
    return graph, Network(populations, [Dense("pixels", "a", w.astype(int)), Dense("a", "b", v.astype(int))], "by hand")


def test_somebody_elses_network() -> None:
    """A network made by hand, without contract, is compared by its names; where it is exact the ratios are infinite,
    and null in JSON.
    """
    graph, net = exact()
    found = compare(graph, net, np.random.default_rng(0).integers(0, 4, (9, 3, 1, 1)))
    assert [(row.name, row.error, row.snr) for row in found.rows] == [
        ("pixels", 0, np.inf),
        ("a", 0, np.inf),
        ("b", 0, np.inf),
    ]
    assert (named(found), found.agree, found.worst.new) == (("", ""), 9, 0)
    assert found.notes == ("the network does not give the scale, mean, std of its input: taken from the graph",)
    plain = found.to_dict()
    assert (plain["logits_db"], plain["populations"][1]["new_db"], plain["first_jump"]) == (None, None, None)
    assert "exact" in str(found) and "adds most" not in str(found)
    halved = compare(graph, replace(net, logit_scale=0.5), np.ones((2, 3, 1, 1), int))
    assert (named(halved), halved["b"].gain) == (("b", "arithmetic"), pytest.approx(2))
    silent = compare(graph, net, np.zeros((1, 3, 1, 1), int))["a"]
    assert (silent.dead, silent.inactive, silent.lost, silent.peak) == (1, 1, 0, 1)


def other(**changes: Any) -> Network:
    """The exact network with one of its populations changed, or its readout renamed."""
    net = exact()[1]
    a, b = changes.get("a", net["a"]), changes.get("b", net["b"])
    ends = [("pixels", a.name), (a.name, b.name)]
    made_of = [replace(q, source=s, target=t) for q, (s, t) in zip(net.projections, ends, strict=True)]
    return Network([changes.get("pixels", net.input), a, b], changes.get("projections", made_of))


A, B = exact()[1]["a"], exact()[1]["b"]
REFUSED = {
    "renamed": (
        other(a=replace(A, name="hidden")),
        "populations: only in the graph: a; only in the network: hidden (they are matched by name) [CONV-10]",
    ),
    "readout": (
        other(b=replace(B, name="logits")),
        "populations: only in the graph: b; only in the network: logits (they are matched by name) [CONV-10]",
    ),
    "swapped": (
        other(a=replace(A, name="b"), b=replace(B, name="a")),
        "a: is the readout of the network, not of the graph (there it is b) [CONV-10]",
    ),
    "scale": (
        other(a=replace(A, scale=None)),
        "a: scale is missing (a code stands for scale * (code - offset)) [CONV-10]",
    ),
    "shape": (
        other(
            pixels=Input("pixels", (3, 1, 2), 2, 3),
            projections=[Dense("pixels", "a", np.ones((2, 6), int)), Dense("a", "b", np.eye(2, dtype=int))],
        ),
        "pixels: shape is not the graph's: (3, 1, 2) ((3, 1, 1)) [CONV-10]",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_compared(case: str) -> None:
    """A population of one side alone, of another shape, or whose scale is missing, is named in one line."""
    net, line = REFUSED[case]
    with pytest.raises(GraphError) as caught:
        compare(exact()[0], net, np.zeros((1, *net.input.shape), int))
    assert str(caught.value) == line


def test_images_labels_and_contract_are_checked() -> None:
    """Images or labels that do not fit, and a graph without an input contract, are refused by name."""
    graph, net = exact()
    x = np.zeros((2, 3, 1, 1), int)
    for error, rule, call in [
        (InputError, "RUN-1", lambda: compare(graph, net, x + 4)),
        (InputError, "RUN-1", lambda: compare(graph, net, x, [0, 2])),
        (GraphError, "GRAPH-5", lambda: compare(replace(graph, input=None), net, x)),
    ]:
        with pytest.raises(error) as caught:
            call()
        assert isinstance(caught.value, FsrefError) and caught.value.rule == rule


def test_codes_of_a_table_with_negative_weights() -> None:
    """For a table some of whose d are negative the ends of the codes are those proved for it (RANGE-3)."""
    graph, net = exact()
    table = replace(A.table, d=np.array([8, 4, 2, -1]))
    changed = replace(net, populations=(net.input, replace(A, table=table), net.readout))
    row = compare(graph, changed, np.full((1, 3, 1, 1), 3))["a"]
    # Membrane 10 fires 8 and 2, membrane 3 fires 2 and 1.
    assert (row.top, row.peak) == (changed.ranges["a"].codes[:, 1].max(), 8 + 2)


def test_json_and_text() -> None:
    """The dictionary survives JSON without loss; the table is plain ASCII with a line per population, of 80 columns."""
    broken = weights() | {"deep": (weights()["deep"][0], np.zeros(5))}
    found = compare(made(weights()), converted(broken), IMAGES, np.zeros(24, int))
    plain = found.to_dict()
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    assert (plain["first_jump"], plain["image_count"], plain["agreement"]) == ("deep", 24, found.agree / 24)
    assert plain["jumps"][0] == "deep" and set(plain["limits_db"]) == {"codes", "arithmetic"}
    assert [p["name"] for p in plain["populations"]] == [
        "input",
        "stem",
        "pool",
        "deep",
        "wide",
        "narrow",
        "late",
        "classes",
    ]
    assert plain["populations"][3]["error_db"] == found["deep"].snr
    text = str(found)
    assert text.isascii() and max(map(len, text.splitlines())) <= 80
    first, *_, last = [line for line in text.splitlines() if line.startswith("deep ")]
    assert first.split()[:3] == ["deep", "8", f"{found['deep'].snr:.1f}"] and last.endswith("<- jump")
    flat = " ".join(text.split())
    at = f"{found['deep'].db('arithmetic'):.1f} dB, the limit is {found.limits['arithmetic']:.1f}"
    assert f"first jump deep: its arithmetic part is at {at}" in flat
    assert f"{found.agree:,} of 24" in flat and "accuracy float " in flat


def test_a_fault_of_folding_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The folded graph is compared with the graph itself: nothing is said where float32 rounds, but where a folded
    weight is wrong the verdict begins so.
    """
    graph, net = made(weights()), converted(weights())
    sound = compare(graph, net, IMAGES)
    assert sound.folding_db > 100 and "folding " not in str(sound)

    def wrong(graph: Graph, memory_limit: int) -> Any:
        folded = fold(graph)
        units = [
            replace(unit, bias=unit.bias + 0.5) if unit.name == "wide" and unit.bias is not None else unit
            for unit in folded.units
        ]
        return replace(folded, units=tuple(units))

    monkeypatch.setattr(module, "fold", wrong)
    found = compare(graph, net, IMAGES)
    own = graph.forward(IMAGES).astype(float)
    changed = functions(weights() | {"wide": (weights()["wide"][0], weights()["wide"][1] + 0.5)})
    values = {"input": PIXELS.normalise(IMAGES)}
    for name, (sources, function) in changed.items():
        values[name] = function(*(values[source] for source in sources))
    expected = db((own**2).sum(), ((own - values["classes"][:, :, 0, 0]) ** 2).sum())
    assert found.folding_db == pytest.approx(expected, abs=0.01) and expected < 40
    told = "WRONG folding: with batch norm and the like folded into weights the float logits are"
    assert f"{told} {found.folding_db:.1f} dB" in " ".join(str(found).split())


def test_what_float32_rounds_off_is_no_fault_of_folding() -> None:
    """Logits that cancel to nothing, and a large bias that batch norm takes back, are no fault; where an activation
    quantises nothing is said.
    """

    def normed(source: str, gain: float, mean: float) -> Node:
        ends = {"gain": np.full(2, gain), "offset": np.zeros(2), "mean": np.full(2, mean), "variance": np.full(2, 0.37)}
        return Node("bn", "batch_norm", (source,), {"eps": 0.0}, ends)

    pixels, images = Pixels(1, 4, 4, scale=1 / 3, max_code=3), np.random.default_rng(0).integers(0, 4, (16, 1, 4, 4))
    for weight, bias in ((0.0, 0.3), (0.01, 1e5)):
        first = Node("a", "conv", ("input",), {}, {"weight": np.full((2, 1, 1, 1), 1.0), "bias": np.zeros(2)})
        last = Node("b", "dense", ("mean",), {}, {"weight": weight * np.eye(2), "bias": np.full(2, bias)})
        nodes = (
            first,
            Node("relu", "relu", ("a",)),
            Node("mean", "global_avg_pool", ("relu",)),
            last,
            normed("b", 1.7, bias),
        )
        graph = Graph(pixels, nodes, "cancels")
        assert not compare(graph, convert(graph, images), images).folding_wrong
    ties = [
        Node("a", "conv", ("input",), {}, {"weight": np.full((2, 1, 1, 1), 1.5 / 0.7)}),
        normed("a", 0.7 * 0.37**0.5, 0.0),
        Node("levels", "quantise", ("bn",), {"alpha": 3.0, "levels": 3}),
        Node("mean", "global_avg_pool", ("levels",)),
        Node("b", "dense", ("mean",), {}, {"weight": np.array([[1, -0.5], [0.3, 0.2]])}),
    ]
    graph = Graph(pixels, ties, "ties")
    found = compare(graph, convert(graph, images), images)
    assert (found.folding_db, found.folding_wrong) == (None, False) and "folding " not in str(found)


def test_the_limit_is_ten_decibels_under_the_middle_population() -> None:
    """The limits follow from the rows by the rule alone: the middle FS population, the better of two, less 10 dB,
    within 3..30 dB.
    """
    for steps in (1, 3, 5, 8):
        found = compare(made(weights()), converted(weights(), steps=steps), IMAGES[:6])
        for part, limit in found.limits.items():
            ratios = sorted((db(row.power, getattr(row, part)) for row in found.rows if row.kind == "fs"), reverse=True)
            assert len(ratios) == 5 and limit == pytest.approx(min(30, max(3, ratios[2] - 10)))


def test_pictures(tmp_path: Path) -> None:
    """A picture is a valid file of the kind its suffix asks for, with labelled axes, the same bytes each time, and
    nothing is left beside it.
    """
    pytest.importorskip("matplotlib", reason="matplotlib is not installed: pip install fsref[plot]")
    graph, net = exact()
    nothing_lost = compare(graph, net, np.ones((2, 3, 1, 1), int))
    broken = weights() | {"deep": (weights()["deep"][0], np.zeros(5))}
    found = compare(made(weights()), converted(broken), IMAGES)
    for name in ("a.svg", "b.SVG", "c.png", "d.pdf"):
        comparison_picture(found, tmp_path / name)
    comparison_picture(replace(nothing_lost, network="$by hand"), tmp_path / "exact.svg")
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.SVG").read_bytes()
    tree = ET.parse(tmp_path / "a.svg")
    assert tree.getroot().tag == "{http://www.w3.org/2000/svg}svg"
    texts = {"".join(element.itertext()).strip() for element in tree.iter("{http://www.w3.org/2000/svg}text")}
    assert {
        "signal to noise (dB)",
        "share of values (%)",
        "population",
        "narrow",
        "inherited",
    } <= texts
    assert (tmp_path / "c.png").read_bytes().startswith(b"\x89PNG\r\n\x1a\n") and (
        tmp_path / "d.pdf"
    ).read_bytes().startswith(b"%PDF-")
    assert len(list(tmp_path.iterdir())) == 5
    assert "matplotlib.pyplot" not in sys.modules


def test_pictures_that_cannot_be_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unknown suffix, and matplotlib missing, are one line each; no file appears."""
    graph, net = exact()
    found = compare(graph, net, np.ones((2, 3, 1, 1), int))
    for name in ("a.jpg", "a"):
        with pytest.raises(UsageError, match="no kind of picture has this suffix"):
            comparison_picture(found, tmp_path / name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(UsageError) as caught:
        comparison_picture(found, tmp_path / "a.svg")
    assert str(caught.value) == 'picture: matplotlib is missing (pip install "fsref[plot]") [COUNT-9]'
    assert not list(tmp_path.iterdir())


def test_ratios_at_their_ends() -> None:
    """Without noise a ratio is endless, without power it is endless the other way."""
    assert [ratio_db(*pair) for pair in ((1, 0), (0, 1), (0, 0), (100, 1), (1, 100))] == [inf, -inf, inf, 20, -20]
