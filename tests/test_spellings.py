"""One function, however a graph spells it, becomes the same populations: an affine is no population, nor is an average
over the whole map, nor what quantises the images again (CONV-1, CONV-6, CONV-7).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from fsref.conversion.converter import convert
from fsref.conversion.entry import LEFT_OUT
from fsref.conversion.folding import fold
from fsref.errors import GraphError, LimitError
from fsref.graph.graph import Graph, Node
from fsref.law.images import Pixels
from fsref.law.projections import Dense
from fsref.simulation.run import run
from fsref.verification.check import check
from fsref.verification.compare import compare
from nodes import conv, head, norm
from refusals import refused

PIXELS = Pixels(3, 8, 8, mean=(0.5, 0.25, 0.5), std=(0.25, 0.5, 0.25), scale=1 / 256)
IMAGES = np.random.default_rng(5).integers(0, 256, (24, 3, 8, 8))


def graph(*nodes: Node, pixels: Pixels = PIXELS) -> Graph:
    return Graph(pixels, nodes, "net")


def node(name: str, op: str, *inputs: str, **attributes: Any) -> Node:
    return Node(name, op, inputs, attributes)


def affine(
    name: str, source: str, gain: float | Sequence[float], offset: float | Sequence[float], channels: int
) -> Node:
    arrays = {"gain": np.broadcast_to(gain, channels) * 1.0, "offset": np.broadcast_to(offset, channels) * 1.0}
    return Node(name, "affine", (source,), {}, arrays)


def scaled(made: Node, gain: float, bias: float = 1.0) -> Node:
    """A node of which the weights are multiplied, and the bias."""
    factors = {"weight": gain, "bias": bias}
    return replace(made, arrays={name: array * factors[name] for name, array in made.arrays.items()})


A, B = conv("a", "input", 8, 3), conv("b", "r", 6, 8)
TAIL = [node("s", "relu", "b"), *head("s", 6)]
MEAN, LINEAR = head("s", 6)


def without_bias(made: Node) -> Node:
    return replace(made, arrays={"weight": made.arrays["weight"]})


def open_padding(made: Node, source: str) -> Node:
    """A convolution that pads nothing itself."""
    return replace(made, inputs=(source,), attributes={**made.attributes, "padding": (0, 0, 0, 0)})


# Each is one function, a - relu - b - relu - mean - linear; every factor is a power of two, so that it is exact.
SPELLINGS: dict[str, list[Node]] = {
    "plain": [A, node("r", "relu", "a"), B, *TAIL],
    "identities": [
        A, node("i", "identity", "a"), node("r", "relu", "i"), replace(B, inputs=("j",)), *TAIL,
        node("j", "identity", "r"),
    ],
    "relu twice": [A, node("q", "relu", "a"), node("r", "relu", "q"), B, *TAIL],
    "relu behind a pad": [
        A, node("q", "relu", "a"), node("p", "pad", "q", padding=(1, 1, 1, 1)), node("r", "relu", "p"),
        open_padding(B, "r"), *TAIL,
    ],
    "a bias of its own": [
        without_bias(A), affine("o", "a", 1.0, A.arrays["bias"].tolist(), 8), node("r", "relu", "o"), B, *TAIL,
    ],
    "a scale before relu": [scaled(A, 0.5, 0.5), affine("o", "a", 2.0, 0.0, 8), node("r", "relu", "o"), B, *TAIL],
    "a scale behind relu": [
        A, node("q", "relu", "a"), affine("r", "q", 0.25, 0.0, 8), scaled(B, 4.0), *TAIL,
    ],
    "there and back": [
        A, node("q", "relu", "a"), affine("p", "q", 4.0, 1.0, 8), affine("r", "p", 0.25, -0.25, 8), B, *TAIL,
    ],
    "nothing changed": [A, node("q", "relu", "a"), affine("r", "q", 1.0, 0.0, 8), B, *TAIL],
    "a pad of its own": [
        A, node("r", "relu", "a"), node("p", "pad", "r", padding=(1, 1, 1, 1)), open_padding(B, "p"), *TAIL,
    ],
    "a pad before a pad": [
        A, node("r", "relu", "a"), node("p", "pad", "r", padding=(1, 0, 1, 0)),
        node("q", "pad", "p", padding=(0, 1, 0, 1)), open_padding(B, "q"), *TAIL,
    ],
    "a pad of the image": [
        node("p", "pad", "input", padding=(1, 1, 1, 1)), open_padding(A, "p"), node("r", "relu", "a"), B, *TAIL,
    ],
    "an average over the whole map": [
        A, node("r", "relu", "a"), B, TAIL[0], node("pool", "avg_pool", "s", kernel=(8, 8), stride=(8, 8)), LINEAR,
    ],
    "a flatten behind the mean": [
        A, node("r", "relu", "a"), B, TAIL[0], MEAN, node("f", "flatten", "pool"), replace(LINEAR, inputs=("f",)),
    ],
    "a scale of the mean": [
        A, node("r", "relu", "a"), B, TAIL[0], MEAN, affine("m", "pool", 2.0, 0.0, 6),
        replace(scaled(LINEAR, 0.5), inputs=("m",)),
    ],
    "a scale before the mean": [
        A, node("r", "relu", "a"), B, TAIL[0], affine("m", "s", 2.0, 0.0, 6), replace(MEAN, inputs=("m",)),
        scaled(LINEAR, 0.5),
    ],
    "a scale of the logits": [
        A, node("r", "relu", "a"), B, TAIL[0], MEAN, scaled(LINEAR, 0.5, 0.5), affine("z", "linear", 2.0, 0.0, 5),
    ],
    "an average weighted by hand": [
        A, node("r", "relu", "a"), B, TAIL[0], MEAN,
        Node("linear", "conv", ("pool",), {}, {
            "weight": LINEAR.arrays["weight"][:, :, None, None], "bias": LINEAR.arrays["bias"],
        }),
        node("f", "flatten", "linear"),
    ],
}  # fmt: skip


def ordered(nodes: Sequence[Node]) -> list[Node]:
    """Nodes behind what they read."""
    known, left = {"input"}, list(nodes)
    made: list[Node] = []
    while left:
        ready = next(n for n in left if set(n.inputs) <= known)
        left.remove(ready)
        known.add(ready.name)
        made.append(ready)
    return made


def exact(made: Graph) -> None:
    """The populations of a graph compute what the graph does, whatever stands where the images end."""
    *_, (_, before, _) = fold(made).walk(IMAGES)
    wanted = made.forward(IMAGES)
    assert np.abs(before.reshape(wanted.shape) - wanted).max() <= 2e-5 * np.abs(wanted).max()


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_twenty_spellings_of_one_function(spelling: str) -> None:
    """Each gives the same populations, steps and integers: the same id."""
    plain, made = graph(*SPELLINGS["plain"]), graph(*ordered(SPELLINGS[spelling]))
    exact(made)
    one, other = convert(plain, IMAGES), convert(made, IMAGES)
    assert [p.name for p in other.populations] == [p.name for p in one.populations]
    assert other.id == one.id


def normalised(gain: Sequence[float], offset: Sequence[float]) -> list[Node]:
    """Batch norm behind relu, as Keras orders it, before a convolution that pads."""
    values = affine("n", "q", gain, offset, 8)
    return [A, node("q", "relu", "a"), values, replace(B, inputs=("n",)), *TAIL]


CASES: dict[str, Callable[[], Graph]] = {
    "batch norm behind relu": lambda: graph(A, node("q", "relu", "a"), norm("r", "q", 8), B, *TAIL),
    "an offset behind relu": lambda: graph(*normalised([1.0] * 8, [-0.5] * 8)),
    "channels without gain": lambda: graph(*normalised([0, 1, 0, 2, -1, 1, 0, 0], [0.3, 0, -2, 1, 1, 0, 0.5, 0])),
    "a leading batch norm": lambda: graph(
        norm("n", "input", 3), replace(A, inputs=("n",)), node("r", "relu", "a"), B, *TAIL
    ),
    "normalisation inside": lambda: graph(
        affine("n", "input", [4.0, 3.0, 5.0], [-1.5, -2.0, -2.2], 3), replace(A, inputs=("n",)),
        node("r", "relu", "a"), B, *TAIL, pixels=Pixels(3, 8, 8),
    ),
    "read twice": lambda: graph(
        A, node("q", "relu", "a"), norm("r", "q", 8), B, conv("c", "r", 6, 8, 1), node("t", "add", "b", "c"),
        node("s", "relu", "t"), *head("s", 6),
    ),
    "behind a max-pool": lambda: graph(
        A, node("q", "relu", "a"), node("p", "max_pool", "q", kernel=(2, 2), stride=(2, 2)), norm("r", "p", 8), B, *TAIL
    ),
    "before a max-pool": lambda: graph(
        A, node("q", "relu", "a"), norm("n", "q", 8), node("r", "max_pool", "n", kernel=(2, 2), stride=(2, 2)), B, *TAIL
    ),
    "before a flatten": lambda: graph(
        A, node("q", "relu", "a"), norm("n", "q", 8), node("f", "flatten", "n"),
        Node("linear", "dense", ("f",), {}, {
            "weight": np.random.default_rng(3).normal(size=(5, 512)), "bias": np.zeros(5),
        }),
    ),
    "before an average that pads": lambda: graph(
        A, node("q", "relu", "a"), norm("n", "q", 8),
        node("r", "avg_pool", "n", kernel=(3, 3), stride=(2, 2), padding=(1, 1, 1, 1), count_include_pad=True),
        B, *TAIL,
    ),
    "through groups": lambda: graph(
        A, node("q", "relu", "a"), norm("r", "q", 8), conv("b", "r", 6, 8, groups=2, stride=(2, 2)), *TAIL
    ),
    "beside another in a concat": lambda: graph(
        A, node("q", "relu", "a"), norm("n", "q", 8), conv("c", "input", 4, 3, rng=4), node("p", "relu", "c"),
        node("r", "concat", "n", "p"), conv("b", "r", 6, 12), *TAIL,
    ),
    "through a shortcut": lambda: graph(
        A, node("q", "relu", "a"), norm("n", "q", 8), conv("b", "n", 8, 8), node("t", "add", "b", "n"),
        node("s", "relu", "t"), *head("s", 8),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_an_affine_is_no_population(case: str) -> None:
    """A batch norm or an affine of a population's values, or of the images, changes what their codes stand for: there
    is a population for each activation and pool, and no other, also where the reader pads; the logits are those of the
    graph, as near as 8 steps code them, in all engines.
    """
    made = CASES[case]()
    exact(made)
    net = convert(made, IMAGES)
    pooled = {"relu", "max_pool", "avg_pool"}  # what a convolution reads of an average is a population, too
    assert len(net.populations) == 2 + sum(n.op in pooled for n in made.nodes)
    wanted, logits = made.forward(IMAGES), run(net, IMAGES).logits * net.logit_scale
    assert np.abs(logits - wanted).max() <= 0.04 * np.ptp(wanted)
    assert check(net, IMAGES[:4]).agrees


def test_a_pool_of_values_that_fall_is_a_population_more() -> None:
    """Where a gain is below 0 the largest value is not that of the largest code: the values become codes first."""
    nodes = normalised([1, -1, 1, 1, 1, 1, 1, 1], [0.0] * 8)
    pool = node("m", "max_pool", "n", kernel=(2, 2), stride=(2, 2))
    made = graph(*nodes[:3], pool, replace(B, inputs=("m",)), *TAIL)
    exact(made)
    assert [p.name for p in convert(made, IMAGES).populations] == ["input", "a", "n", "m", "b", "linear"]


def test_a_chip_without_bias_maps_pads_values_that_are_moved() -> None:
    """Where the reader of moved values pads, what it lacks at the border comes from a constant population (CHIP-4)."""
    made = graph(*normalised([1.0] * 8, [-0.5] * 8), pixels=Pixels(3, 8, 8))
    with_maps, without = convert(made, IMAGES), convert(made, IMAGES, chip={"bias_map": False})
    assert any(p.bias.ndim == 3 for p in with_maps.fs)
    assert all(p.bias.ndim == 1 for p in without.fs)
    wanted = run(with_maps, IMAGES).logits * with_maps.logit_scale
    got = run(without, IMAGES).logits * without.logit_scale
    assert np.abs(got - wanted).max() <= 0.04 * np.ptp(wanted)


def quantised(levels: int, low: float, high: float, pixels: Pixels = PIXELS) -> Graph:
    """The images quantised again between two ends, as a QuantizeLinear with a zero point does."""
    step = (high - low) / levels
    return graph(
        affine("moved", "input", 1.0, -low, 3),
        node("q", "quantise", "moved", alpha=high - low, levels=levels, rounding="nearest"),
        affine("back", "q", 1.0, low, 3),
        replace(A, inputs=("back",)),
        node("r", "relu", "a"),
        B,
        *TAIL,
        pixels=replace(pixels, scale=step if pixels is RAW else pixels.scale),
    )


RAW = Pixels(3, 8, 8, scale=1 / 64)


def test_a_quantiser_of_the_images_is_no_population() -> None:
    """With a level for each pixel code it is an affine, exactly and without a word; with as many levels, not aligned,
    it is left out with a note; a coarser one, be it only for these pixels, or one that cuts pixels off, decides what
    is seen, and stays.
    """
    aligned = quantised(255, 0.0, 255 / 64, RAW)
    exact(aligned)
    assert fold(aligned).graph.notes == ()
    assert [unit.name for unit in fold(aligned).units] == ["a", "b", "linear"]
    near = quantised(255, -2.0, 2.0)
    assert fold(near).graph.notes == (LEFT_OUT,)
    assert [unit.name for unit in fold(near).units] == ["a", "b", "linear"]
    assert list(convert(near, IMAGES).provenance["graph"]["notes"]) == [LEFT_OUT]
    for kept in (quantised(15, -2.0, 2.0), quantised(255, -1.0, 1.0), quantised(255, -40.0, 40.0)):
        exact(kept)
        assert fold(kept).graph.notes == ()
        assert [unit.name for unit in fold(kept).units] == ["q", "a", "b", "linear"]


def test_what_stands_beside_the_images_is_quantised_with_them() -> None:
    """A quantiser of a concatenation in which images come first, or again, quantises every part of it."""
    levels = {"alpha": 255 / 64, "levels": 255, "rounding": "nearest"}
    for parts in (("input", "a"), ("a", "input"), ("input", "input")):
        channels = sum({"input": 3, "a": 8}[name] for name in parts)
        made = graph(
            *([A] if "a" in parts else []),
            node("both", "concat", *parts),
            node("q", "quantise", "both", **levels),
            *head("q", channels),
            pixels=RAW,
        )
        exact(made)
        assert [unit.name for unit in fold(made).units] == [*(["a"] if "a" in parts else []), "linear"]


@pytest.mark.parametrize("end", [0.0, 0.25, -1.0])
def test_a_clip_between_equal_ends_is_a_constant(end: float) -> None:
    """Whatever it reads, the network has the one value that the graph has."""
    made = graph(A, node("r", "clip", "a", low=end, high=end), B, *TAIL)
    exact(made)
    net = convert(made, IMAGES)
    wanted = made.forward(IMAGES)
    assert np.abs(run(net, IMAGES).logits * net.logit_scale - wanted).max() <= 0.02 * np.abs(wanted).max()


def test_everything_without_a_form_is_listed_at_once() -> None:
    """What follows a node without a form is looked at as if it had one: each such node is named, and no other."""
    around = {"padding": (1, 1, 1, 1)}
    made = graph(
        A, node("r", "pad", "a", **around, value=1.0), B, node("s", "pad", "b", **around, value=2.0), MEAN, LINEAR,
        node("z", "sigmoid", "linear"),
    )  # fmt: skip
    says = (
        "3 of 7 nodes, 56 % of all values, have no form with FS neurons",
        "r, s: padding with a constant other than 0 (value 0)",
        "z: sigmoid at the end (nearest: leave it out",
    )
    with refused(GraphError, "CONV-1", "graph", says=says):
        fold(made)


def test_nodes_without_a_form_for_one_reason_are_named_together() -> None:
    """A network of many alike is told in one line that names each."""
    nodes, source = [A], "a"
    for k in range(28):
        pad = node(f"features.{k}.pad", "pad", source, padding=(0, 0, 0, 1), value=1.0)
        nodes += [pad, conv(f"c{k}", pad.name, 8, 8, 1)]
        source = f"c{k}"
    with pytest.raises(GraphError) as caught:
        fold(graph(*nodes, *head(source, 8)))
    names = ", ".join(f"features.{k}.pad" for k in range(28))
    told = f"28 of 59 nodes, 50 % of all values, have no form with FS neurons: {names}: padding with a constant other"
    assert told in str(caught.value)


def test_a_flatten_at_the_end_is_a_dense_projection() -> None:
    """Logits that are a flattened map take no population more: each term is written out, with what an offset adds away
    from a padded border; its own memory is counted (CONV-1, RUN-3).
    """
    images = IMAGES[:12]
    shifted = [
        A,
        node("r", "relu", "a"),
        Node("s", "affine", ("r",), {}, {"gain": np.full(8, 2.0), "offset": np.arange(8.0)}),
    ]
    for nodes, count in (([A], 0), (shifted, 1), ([*shifted, conv("c", "s", 4, 8)], 1)):
        flat = graph(*nodes, node("f", "flatten", nodes[-1].name))
        net, wanted = convert(flat, images), flat.forward(images)
        assert len(net.fs) == count and net.readout.shape == flat.shapes["f"]
        assert all(isinstance(q, Dense) for q in net.into(net.readout.name).values())
        assert np.abs(run(net, images).logits * net.logit_scale - wanted).max() < 0.02 * np.ptp(wanted)
        assert (compare(flat, net, images).folding_db or 0) > 100
    with refused(LimitError, "RUN-3", "f"):
        fold(flat, 2**20)


def test_a_dense_layer_reads_the_place_that_was_cut_out() -> None:
    """A map cut down to one place, in its middle or at its ends, is that place, flattened or not."""
    for sides in ((-2, -3, -5, -4), (-1, 0, -6, -7), (-7, 0, 0, -7)):
        for flat in (False, True):
            made = graph(
                A,
                node("r", "relu", "a"),
                node("c", "pad", "r", padding=sides),
                *([node("f", "flatten", "c")] if flat else []),
                Node("d", "dense", ("f" if flat else "c",), {}, {"weight": np.arange(24.0).reshape(3, 8) - 9}),
            )
            exact(made)
