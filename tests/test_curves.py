"""Activations that follow a curve become FS neurons with fitted tables: what is fitted, shared, rounded and told
(CONV-15).
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from fsref.conversion import fits as fitting
from fsref.conversion.converter import Calibrated, convert
from fsref.conversion.curves import CURVES, curve_of
from fsref.conversion.fits import Alike, Fits
from fsref.conversion.folding import fold
from fsref.conversion.levels import fired
from fsref.conversion.options import Options
from fsref.errors import GraphError
from fsref.graph.graph import Graph, Node
from fsref.graph.operators import OPERATORS
from fsref.law.images import Pixels
from fsref.law.network import Network
from fsref.law.neuron import fire
from fsref.law.populations import FS
from fsref.simulation.recording import Record
from fsref.simulation.run import run
from fsref.verification.check import check
from fsref.verification.compare import compare
from nodes import conv, drawn, head
from refusals import refused

PIXELS = Pixels(3, 8, 8, mean=(0.4, 0.5, 0.6), std=(0.2, 0.25, 0.3))
IMAGES = drawn(12)
VARIANTS = {"gelu by tanh": {"tanh": True}, "elu": {"alpha": 0.5}, "hard_swish": {"slope": -0.25, "offset": 0.4}}
VARIANTS |= {"curve": {"formula": "x / (1 + exp(-1.7 * x))"}, "curve of a wave": {"formula": "x + sin(x) ** 2"}}
FORMS = [(op, {}) for op in CURVES if op != "curve"] + [
    (name.split()[0], attributes) for name, attributes in VARIANTS.items()
]


@pytest.fixture(autouse=True)
def few_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fits of a few moves: their tables need not be the best."""
    monkeypatch.setattr(fitting, "BUDGET", 20_000)


def graph(*nodes: Node) -> Graph:
    return Graph(PIXELS, nodes, "curves")


def curved(op: str, source: str = "a", name: str = "f", **attributes: object) -> Node:
    return Node(name, op, (source,), attributes)


A, B = conv("a", "input", 4, 3, weight=(0.0, 1.5)), conv("b", "f", 4, 4)
TAIL = [Node("r", "relu", ("b",)), *head("r", 4)]


@cache
def silu_net() -> tuple[Graph, Network]:
    made = graph(A, curved("silu"), B, *TAIL)
    return made, convert(made, IMAGES, steps=6)


@pytest.mark.parametrize(("op", "attributes"), FORMS, ids=[f"{op} {a or ''}".strip() for op, a in FORMS])
def test_the_function_of_a_curve_is_that_of_its_operator(op: str, attributes: dict[str, object]) -> None:
    """What calibration takes of values is what the graph gives, and lies within the range that the function tells."""
    node = curved(op, **attributes)
    x = np.linspace(-40, 40, 4001, dtype=np.float32).reshape(1, 1, 1, -1)
    how, wanted = curve_of(node), OPERATORS[op].forward(node.attributes, {}, x)
    assert np.abs(how.value(x) - wanted).max() <= 1e-5
    assert how.low - 1e-12 <= how.value(x).min() and how.value(x).max() <= how.high + 1e-12
    if how.function.limits is None:  # a formula is known where it is asked alone
        return
    ends = how.function.extremes(-3.0, 5.0)
    within = how.function.value(np.linspace(-3, 5, 80_001))
    assert ends == pytest.approx((within.min(), within.max()), abs=1e-8)


@pytest.mark.parametrize(("op", "attributes"), FORMS, ids=[f"{op} {a or ''}".strip() for op, a in FORMS])
def test_every_curve_becomes_a_population(op: str, attributes: dict[str, object]) -> None:
    """One population for each curve, with a table of so many steps, that is near to it, also behind zero padding; all
    engines agree.
    """
    made = graph(A, curved(op, **attributes), B, *TAIL)
    net = convert(made, IMAGES, steps=5)
    assert [p.name for p in net.populations[1:]] == ["a", "b", "linear"] and net.steps["a"] == 5
    check(net, images=IMAGES[:2])
    row = compare(made, net, IMAGES)["a"]
    assert row.fit is not None and row.db() > 14 and row.db("fit") > 14 and row.db("arithmetic") > row.db("fit")
    assert compare(made, net, IMAGES)["b"].db("inherited") > 10


def test_a_table_is_rounded_to_the_membranes_of_each_channel() -> None:
    """Thresholds and resets of a channel are those of the fit in its membrane units, the code weights are common; what
    a neuron fires is the staircase of its real membrane, but where rounding decides.
    """
    made, net = silu_net()
    record, p = net.provenance["populations"]["a"], net["a"]
    assert isinstance(p, FS) and record["function"] == "silu" and p.table.channels == 4 and p.table.d.ndim == 1
    unit = np.array(record["membrane_unit"])
    before = next(before for u, before, _ in fold(made).walk(IMAGES) if u.name == "a")
    codes = run(net, IMAGES, record=Record(["a"], ("codes",))).trace["a", "codes"].reshape(before.shape)
    T, h, d = p.table.rows(4)
    wrong = 0
    for b, c, y, x in np.ndindex(3, *before.shape[1:]):
        wrong += fire(round(float(before[b, c, y, x]) / unit[c]), T[c], h[c], d[c]).code != codes[b, c, y, x]
    assert wrong <= 0.05 * codes[:3].size
    real = T * unit[:, None]
    assert np.abs(real - real[0]).max() <= unit.max()  # channels have other units, and the same thresholds


def test_a_finer_membrane_fires_the_same_codes() -> None:
    """In membranes 2^K times as fine a table fires, of every membrane of its fit, the code it was fitted with, and of
    those around it, up to half way to the next, too.
    """
    coding = Alike.of(curve_of(curved("silu")).function, -4, 4, np.linspace(-4, 4, 999)).coding(5)
    fit, fine = coding.own, 2**5
    theta = np.array([fit.high - fit.low + 1])
    assert coding.unit[0] / theta[0] * fine == pytest.approx(fit.unit)
    v, table = np.arange(fit.low, fit.high + 1)[None, None, :, None], coding.table(theta)
    wanted = fired(fit.table, v)
    for beside in (0, fine // 2 - 1, -(fine // 2) + 1):
        assert np.array_equal(fired(table, v * fine + beside), wanted)


def test_populations_whose_values_are_alike_share_a_table() -> None:
    """Two of the same function, interval and distribution have one fit; another function, a wider interval, another
    distribution, or other steps have their own.
    """
    wide = replace(A, name="w", arrays={"weight": A.arrays["weight"] * 3, "bias": A.arrays["bias"]})
    nodes = [A, curved("silu"), replace(A, name="a2"), curved("silu", "a2", "f2")]
    nodes += [wide, curved("silu", "w", "f3"), replace(A, name="a4"), curved("gelu", "a4", "f4")]
    nodes += [Node("all", "concat", ("f", "f2", "f3", "f4")), conv("b", "all", 4, 16), *TAIL]
    fits = Calibrated.of(graph(*nodes), IMAGES).fits(Options())
    assert fits.kinds["a"] is fits.kinds["a2"]
    assert len({id(kind) for kind in fits.kinds.values()}) == 3
    assert fits.coding("a", 2) is fits.coding("a2", 2) is not fits.coding("a", 3)
    one, other = (Alike.of(curve_of(curved("silu")).function, -2, 2, x) for x in np.array([[-1.5, 0], [0, 1.5]]))
    assert one.is_like(one) and not one.is_like(other)


def test_the_interval_of_a_fit_is_a_little_wider() -> None:
    """Ends are multiples of an eighth of the next larger of the numbers 2^(n/4); one value alone has an interval,
    too.
    """
    silu = curve_of(curved("silu")).function
    for low, high in ((-2.9, 5.1), (0.0, 0.0), (3.0, 3.0), (-1e-3, 7e-4), (-5.0, -4.0)):
        made = Alike.of(silu, low, high, np.array([low, high]))
        size = max(abs(low), abs(high), 2.0**-20)
        assert made.low <= low and high <= made.high and made.low < made.high
        assert made.high - high <= 0.1487 * size + 1e-12 and low - made.low <= 0.1487 * size + 1e-12
        part = 2 ** (math.ceil(4 * math.log2(size)) / 4) / 8
        assert [made.low / part, made.high / part] == pytest.approx(np.rint([made.low / part, made.high / part]))


def test_far_below_the_code_is_what_the_curve_comes_near_to() -> None:
    """A neuron that never spikes stands for what the function comes near to: 0 of silu, -1 of tanh."""
    for op, rest in (("silu", 0.0), ("sigmoid", 0.0), ("tanh", -1.0), ("elu", -1.0)):
        coding = Alike.of(curve_of(curved(op)).function, -4, 4, np.linspace(-4, 4, 999)).coding(4)
        assert coding.value(np.zeros(1))[0] == pytest.approx(rest, abs=float(coding.scale)), op
        assert coding.low <= 0 < coding.top and (coding.offset == 0) == (rest == 0)


@pytest.mark.parametrize("op", ["tanh", "elu", "erf"])
@pytest.mark.parametrize("far", [-14.0, -80.0])
def test_a_curve_that_never_leaves_what_it_comes_near_to(op: str, far: float) -> None:
    """Where all values lie so far below that a curve is the same number for all, it is coded without an offset, which
    would be endless; all engines agree.
    """
    below = replace(A, arrays={"weight": A.arrays["weight"] * 0.1, "bias": np.full(4, far, np.float32)})
    made = graph(below, curved(op), B, *TAIL)
    net = convert(made, IMAGES, steps=4)
    hidden = next(p for p in net.fs if p.name == "a")
    codes = run(net, IMAGES, record=Record(["a"], ["codes"])).codes["a"]
    assert hidden.offset == 0 and np.abs(codes * hidden.scale + 1).max() <= 0.002
    assert check(net, IMAGES[:4]).agrees


def test_values_beyond_float32_are_refused() -> None:
    """Two convolutions that leave float32 give one line that names the population, not a network."""
    high, higher = (
        replace(c, arrays={"weight": c.arrays["weight"] * np.float32(1e30), "bias": c.arrays["bias"]}) for c in (A, B)
    )
    for op in ("silu", "relu"):
        with pytest.raises(GraphError, match=r"b: calibration images give infinity or NaN.*\[GRAPH-4\]"):
            convert(graph(high, curved(op), higher, *TAIL), IMAGES, steps=4)


def test_a_max_pool_behind_a_curve_reads_codes_of_its_own() -> None:
    """Codes of a fitted table do not rise with their trains: a signed linear population stands before the pool. A curve
    behind a pool stays there.
    """
    made = graph(A, curved("silu"), Node("m", "max_pool", ("f",), {"kernel": (2, 2)}), conv("b", "m", 4, 4), *TAIL)
    net = convert(made, IMAGES, steps=6)
    assert [p.name for p in net.populations[1:]] == ["a", "m.codes", "m", "b", "linear"]
    check(net, images=IMAGES[:2])
    assert compare(made, net, IMAGES)["m"].db() > 15
    made = graph(A, Node("m", "max_pool", ("a",), {"kernel": (2, 2)}), curved("silu", "m"), B, *TAIL)
    net = convert(made, IMAGES, steps=6)
    assert [p.name for p in net.populations[1:]] == ["a", "m", "f", "b", "linear"]
    assert compare(made, net, IMAGES)["f"].db() > 15


def test_a_curve_goes_before_what_only_moves_values() -> None:
    """Behind a flatten, a subsample or a view without gaps it is the same before it; with gaps where it keeps 0."""
    dense = Node("d", "dense", ("f",), {}, {"weight": np.random.default_rng(1).normal(size=(3, 64))})
    flat = [A, Node("s", "subsample", ("a",)), Node("x", "flatten", ("s",)), curved("tanh", "x"), dense]
    net = convert(graph(*flat), IMAGES, steps=4)
    assert [(p.name, p.kind) for p in net.populations[1:]] == [("a", "fs"), ("s", "view"), ("d", "readout")]
    for op, names in (("silu", ["a", "v", "b", "linear"]), ("sigmoid", ["a", "v", "f", "b", "linear"])):
        view = Node("v", "view", ("a",), {"rows": [0, -1, 3], "columns": [1, 2, -1]})
        made = graph(A, view, curved(op, "v"), B, *TAIL)
        net = convert(made, IMAGES, steps=4)
        assert [p.name for p in net.populations[1:]] == names
        check(net, images=IMAGES[:2])


def test_a_curve_has_steps_of_its_own() -> None:
    """K goes by population; more steps err less, and the fit is what they lessen."""
    made, net = silu_net()
    few = convert(made, IMAGES, steps={"": 6, "a": 3})
    assert few.steps["a"] == 3 and few.steps["b"] == 6
    assert compare(made, few, IMAGES)["a"].db("fit") + 3 < compare(made, net, IMAGES)["a"].db("fit")


@pytest.mark.parametrize("correction", ["analytic", "empirical"])
def test_biases_of_curves_are_corrected(correction: str) -> None:
    """What bias correction and refit look at are the codes of fitted tables, those below 0 among them."""
    made, plain = silu_net()
    net = convert(made, IMAGES, steps=6, weight_bits=4, bias_correction=correction)
    check(net, images=IMAGES[:2])
    assert compare(made, net, IMAGES)["b"].db() > 8
    if correction == "empirical":
        again = convert(made, IMAGES, steps=6, weight_bits=4, refit=True)
        assert compare(made, again, IMAGES)["b"].db() > 8


def test_the_same_again() -> None:
    """The same graph and images give the same network, bit for bit; percentiles narrow the interval."""
    made, net = silu_net()
    assert convert(made, IMAGES, steps=6).id == net.id
    cut = convert(made, IMAGES, steps=6, alpha="percentile", percentile=95.0)
    wide, narrow = (n.provenance["populations"]["a"]["interval"] for n in (net, cut))
    assert narrow[0] > wide[0] and narrow[1] < wide[1]


def test_the_split_of_an_error_needs_the_unit_of_membranes() -> None:
    """Errors of fit are told apart from those of arithmetic where provenance says what a membrane unit is; whatever
    else a file says there, they are arithmetic.
    """
    made, net = silu_net()
    whole = compare(made, net, IMAGES)
    assert (
        whole.limits.keys() == {"codes", "arithmetic"}
        and "+ fit" in whole.sheet().head
        and "fit_db" in whole["a"].to_dict()
    )
    assert whole["b"].fit is None and "fit_db" not in whole["b"].to_dict()
    for told in (None, "x", [1.0], [1.0, 2.0, 3.0, "4"], [0.0] * 4, float("nan"), 1):
        record = {**net.provenance["populations"]["a"], "membrane_unit": told}
        other = replace(net, provenance={**net.provenance, "populations": {"a": record}})
        row = compare(made, other, IMAGES)["a"]
        assert row.fit is None or told == [1.0]
        assert row.new == whole["a"].new
    assert Fits(fold(made), {}).made == {}


def test_a_curve_is_fitted_where_it_has_values() -> None:
    """The interval of a formula goes no farther than it has values, and where it has none within, a line names the
    population, the formula and the place.
    """
    root = curve_of(curved("curve", formula="sqrt(x - 0.3)")).function
    made = Alike.of(root, 0.3, 5.0, np.array([0.3, 5.0]))
    assert made.low == 0.3 and made.high > 5.0
    below = replace(A, arrays=dict(A.arrays) | {"bias": np.zeros(4)})
    with refused(GraphError, "CONV-15", says=("a: 1 / x: gives infinity or NaN at: 0.0", "finite")):
        convert(graph(below, curved("curve", formula="1 / x"), B, *TAIL), IMAGES, steps=4)
