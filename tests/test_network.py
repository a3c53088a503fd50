"""Networks: kinds, names, shapes, order, weights and pools are checked when a network is made."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import naive
from fsref import (
    FS,
    Conv2d,
    Dense,
    Input,
    MaxPool,
    Network,
    Pixels,
    Readout,
    Table,
    Width,
    fs_relu,
    run,
    scale,
    shortcut,
    sum_pool,
)
from fsref.errors import FileError, NetworkError
from fsref.formats import npz
from fsref.law.populations import OBSERVABLES, View
from handmade import ENGINES, EVERYTHING, NETS, ONE, chain, draw, ladder, oracle, recorded, residual, tiny, unordered
from members import members_of, with_manifest
from refusals import refused

W = [[[[1]]]]


def joined(*middle: Any, by: Any) -> Network:
    """One neuron in, these populations, one logit, and just these projections."""
    return Network([Input("in", ONE, 4, 15), *middle, Readout("out", ONE)], by)


def relu(name: str, shape: Any = ONE, **more: Any) -> FS:
    return FS(name, shape, fs_relu(4), **more)


def test_kinds_and_places() -> None:
    """The first population is the only input, the last a readout; other kinds, gate among them, are refused by name
    (NET-1).
    """
    assert len(chain(relu("a")).populations) == 3
    i, f, r = Input("in", ONE), relu("a"), Readout("out", ONE)
    second = Input("second", ONE)
    for populations in ([], [i], [r], [i, f], [f, r], [i, f, r, f], [r, i], [i, i, r], [i, r, f], [i, second, r]):
        with refused(NetworkError, "NET-1", "network", [type(p).__name__ for p in populations]):
            Network(populations, [])
    with refused(NetworkError, "NET-1", "network", ["Input", "str", "Readout"]):
        Network([i, "gate", r], [])
    with refused(NetworkError, "NET-1", "network", ["str"]):
        Network([i, r], ["in->out"])
    members = members_of(npz.to_bytes(chain(relu("a"))))
    gate = {"kind": "gate", "name": "a", "shape": [1, 1, 1]}
    listed = npz.manifest_of(chain(relu("a")))["populations"]
    with refused(NetworkError, "NET-1", "x: population 1", "gate", says="a gate is a projection"):
        npz.build(with_manifest(members, populations=[listed[0], gate, listed[2]]), "x")
    with refused(FileError, "FILE-3", "x: manifest.json", says="gates"):
        npz.build(with_manifest(members, populations=[listed[0], {**gate, "kind": "gates"}, listed[2]]), "x")


def test_names() -> None:
    """A name is 1..64 of A-Z a-z 0-9 _ . - and unique; parallel projections are told apart by #0, #1 (NET-2)."""
    for name in ("a", "Z" * 64, "layer1.0_conv-2", "-", "."):
        assert relu(name).name == name
    for name in ("", "a" * 65, "a b", "a\n", "ä", "a/b", "a#0", "->", None, 5):
        with refused(NetworkError, "NET-2", "population", repr(name)):
            relu(name)  # type: ignore[arg-type]
        with refused(NetworkError, "NET-2"):
            Readout(name, ONE)  # type: ignore[arg-type]
    for name in ("in", "a", "out"):
        with refused(NetworkError, "NET-2", name):
            joined(relu("a"), relu(name), by=[Conv2d("in", "a", W), Conv2d("a", "out", W)])
    ends = [("in", "a"), ("in", "a"), ("in", "out"), ("a", "out"), ("in", "out")]
    several = joined(relu("a"), by=[Conv2d(*pair, W) for pair in ends])
    named = ("in->a#0", "in->a#1", "in->out#0", "a->out", "in->out#1")
    assert several.named_projections == dict(zip(named, several.projections, strict=True))


def test_shapes() -> None:
    """A shape is three integers 1..65,536 of at most 2^28 neurons; a bias is (C,) or (C, H, W) (NET-3, NET-5)."""
    assert relu("a", (65536, 64, 64)).shape == (65536, 64, 64)
    for shape, value in (
        ((0, 1, 1), 0),
        ((1, 65537, 1), 65537),
        ((1, 1, -1), -1),
        ((65536, 64, 65), 65536 * 64 * 65),
        ((65536, 65536, 65536), 2**48),
    ):
        for make in (
            lambda s: Input("a", s),
            lambda s: relu("a", s),
            lambda s: MaxPool("a", s, "in", (1, 1), (1, 1)),
            lambda s: Readout("a", s),
        ):
            with refused(NetworkError, "NET-3", "a shape", value):
                make(shape)
    for shape in ((1, 1), (1, 1, 1, 1), (1.0, 1, 1), "abc", 7, (True, True, True)):
        with refused(NetworkError, "NET-3", "a shape"):
            relu("a", shape)
    for shape in ((2, 2, 1), (2, 1, 3)):
        assert Readout("a", shape).shape == shape
    for bias in ([1], [1, 2, 3], np.zeros((2, 3, 2), int), np.zeros((2, 1, 1), int), 5):
        with refused(NetworkError, "NET-5", "a bias"):
            FS("a", (2, 2, 3), fs_relu(2), bias)
    with refused(NetworkError, "NET-5", "a bias"):
        Readout("a", ONE, [0.5])
    with refused(NetworkError, "FS-1", "a table", 3):
        FS("a", (2, 1, 1), fs_relu(2, [1, 2, 3]))
    # Rows of other channels, though all equal.
    for table in (fs_relu(2, [3]), fs_relu(2, [3, 3, 3]), Table([2, 1], [2, 1], [[2, 1]])):
        with refused(NetworkError, "FS-1", "a table", table.given):
            FS("a", (2, 1, 1), table)
    for steps, high, place, value in (
        (0, 1, "a steps", 0),
        (17, 1, "a steps", 17),
        (4, 16, "a max_code", 16),
        (4, 0, "a max_code", 0),
        (16, 65536, "a max_code", 65536),
    ):
        with refused(NetworkError, "NET-7", place, value):
            Input("a", ONE, steps, high)
    assert Input("a", ONE, 16, 65535).max_code == 65535


def test_order() -> None:
    """Sources stand before their targets; every fs and readout is entered, no input or pool is; projections follow
    their targets (NET-4).
    """
    a, b = relu("a"), relu("b")
    through = [Conv2d("in", "a", W), Conv2d("a", "b", W), Conv2d("b", "out", W)]
    assert len(chain(a, b).projections) == 3

    def wrong(place: str, value: Any, *projections: Any) -> None:
        with refused(NetworkError, "NET-4", place, value):
            joined(a, b, by=projections)

    wrong("b->a", 2, Conv2d("b", "a", W), *through)
    wrong("a->a", 1, Conv2d("a", "a", W), *through)
    wrong("out->b", 3, Conv2d("out", "b", W), *through)
    wrong("a->in", 1, Conv2d("a", "in", W), *through)
    wrong("x->b", "x", Conv2d("x", "b", W), *through)
    wrong("a->x", "x", *through, Conv2d("a", "x", W))
    wrong("in->a", "a", through[1], through[0], through[2])
    wrong("b", None, through[0], Conv2d("a", "out", W))
    wrong("out", None, *through[:2])
    wrong("a", None, Conv2d("in", "b", W), Conv2d("b", "out", W))
    pool = MaxPool("pool", ONE, "in", (1, 1), (1, 1))
    with refused(NetworkError, "NET-4", "in->pool", "pool"):
        joined(pool, by=[Conv2d("in", "pool", W), Conv2d("pool", "out", W)])
    for source in ("pool", "out", "late", "nobody"):
        with refused(NetworkError, "NET-4", "pool", source):
            early, through = MaxPool("pool", ONE, source, (1, 1), (1, 1)), [Conv2d("in", "late", W)]
            joined(early, relu("late"), by=[*through, Conv2d("late", "out", W)])
    early, into = Readout("early", ONE), [Conv2d("in", "early", W), Conv2d("in", "out", W)]
    assert joined(early, by=into).readouts[0] is early
    for relay in (MaxPool("pool", ONE, "early", (1, 1), (1, 1)), View("pool", ONE, "early", [0], [0])):
        with refused(NetworkError, "NET-4", "pool", "early"):
            joined(early, relay, by=into)
    with refused(NetworkError, "NET-4", "early->a", "early"):
        joined(early, a, by=[into[0], Conv2d("early", "a", W), into[1]])


def test_shapes_that_do_not_meet() -> None:
    """A projection or pool whose windows, channels, groups or columns do not meet its ends is refused (PROJ-1 to
    PROJ-5).
    """

    def join(projection: Any, target: Any = (4, 3, 2)) -> Network:
        return chain(relu("a", target), projection, given=Input("in", (2, 6, 5), 4, 15))

    def conv(o: int, i: int, kh: int, kw: int, **more: Any) -> Conv2d:
        return Conv2d("in", "a", np.ones((o, i, kh, kw), int), **more)

    join(conv(4, 2, 3, 4, stride=(2, 2), padding=(1, 0, 1, 1)))  # (6+2-3)//2+1 = 3, (5+1-4)//2+1 = 2
    for size, more in (
        ((4, 2), {"padding": (0, 0, 0, 0), "stride": (1, 1)}),
        ((3, 1), {"padding": (1, 0, 1, 0), "stride": (2, 2)}),
        ((2, 2), {"padding": (0, 0, 1, 1), "stride": (3, 2)}),
        ((4, -1), {"dilation": (1, 2)}),
    ):
        with refused(NetworkError, "PROJ-2", "in->a", size):
            join(conv(4, 2, 3, 4, **more))
    with refused(NetworkError, "PROJ-2", "in->a", (0, 5)):
        join(conv(4, 2, 7, 1))
    with refused(NetworkError, "PROJ-1", "in->a weights", 3):
        join(conv(3, 2, 4, 4))
    with refused(NetworkError, "PROJ-3", "in->a weights", 1):
        join(conv(4, 1, 4, 4))
    with refused(NetworkError, "PROJ-3", "in->a weights", 2):
        join(conv(4, 2, 4, 4, groups=2))
    for groups in (3, 4):
        with refused(NetworkError, "PROJ-3", "in->a groups", groups):
            join(conv(4, 1, 4, 4, groups=groups))
    for groups in (0, -1, 65537):
        with refused(NetworkError, "PROJ-3", "in->a groups", groups):
            conv(4, 1, 4, 4, groups=groups)
    for field, bad in (
        ("stride", (0, 1)),
        ("stride", (1, 65537)),
        ("dilation", (1, 0)),
        ("dilation", (65537, 1)),
        ("padding", (0, -1, 0, 0)),
        ("padding", (0, 0, 0, 65537)),
    ):
        with refused(
            NetworkError, "PROJ-2", f"in->a {field}", next(v for v in bad if not (field != "padding") <= v <= 65536)
        ):
            conv(4, 2, 1, 1, **{field: bad})
    for field, bad in (("stride", (1,)), ("stride", 2), ("padding", (1, 1)), ("dilation", (1.0, 1.0))):
        with refused(NetworkError, "PROJ-2", f"in->a {field}"):
            conv(4, 2, 1, 1, **{field: bad})
    with refused(NetworkError, "PROJ-2", "in->a kernel", 65537):
        conv(1, 1, 65537, 1)
    with refused(NetworkError, "PROJ-4", "in->a weights", 61):
        join(Dense("in", "a", np.ones((4, 61), int)), (4, 1, 1))
    with refused(NetworkError, "PROJ-5", "in->a weights", 60):
        join(Dense("in", "a", np.ones((4, 60), int), pooled=True), (4, 1, 1))
    with refused(NetworkError, "PROJ-4", "in->a", (4, 2, 1)):
        join(Dense("in", "a", np.ones((4, 60), int)), (4, 2, 1))
    with refused(NetworkError, "PROJ-5", "in->a", (4, 1, 2)):
        join(Dense("in", "a", np.ones((4, 2), int), pooled=True), (4, 1, 2))
    for kernel, stride, shape in (
        ((2, 2), (2, 2), (1, 2, 2)),
        ((2, 2), (2, 2), (2, 2, 2)),
        ((3, 1), (1, 1), (1, 1, 1)),
    ):
        with refused(NetworkError, "POOL-1", "in->pool"):
            Network(
                [Input("in", (1, 2, 2), 4, 15), MaxPool("pool", shape, "in", kernel, stride), Readout("out", ONE)],
                [Dense("pool", "out", np.ones((1, int(np.prod(shape))), int))],
            )
    for field, bad in (("kernel", (0, 1)), ("stride", (1, 0)), ("padding", (0, 0, 0, -1)), ("kernel", (65537, 1))):
        with refused(NetworkError, "POOL-1", f"pool {field}"):
            MaxPool("pool", ONE, "in", **{"kernel": (1, 1), "stride": (1, 1), field: bad})


def test_weights_out_of_range_are_refused() -> None:
    """Weights are integers in -2^31..2^31 - 1 (PROJ-7), of the rank and with the sizes that the rule of their kind asks
    for (PROJ-1 to PROJ-5); builders refuse what they cannot build (PROJ-8 to PROJ-10).
    """
    edge = Dense("a", "b", [[-(2**31), 2**31 - 1]])
    assert edge.weights.tolist() == [[-(2**31), 2**31 - 1]] and edge.weights.dtype == np.int32
    types = [Dense("a", "b", [[low, 127]]).weights.dtype for low in (-128, -129)]
    assert types == [np.int8, np.int16]
    for value in (-(2**31) - 1, 2**31, 2**63 - 1, -(2**63)):
        with refused(NetworkError, "PROJ-7", "a->b weights", value):
            Dense("a", "b", [[0, value]])
        with refused(NetworkError, "PROJ-7", "a->b weights", value):
            Conv2d("a", "b", [[[[value]]]])
    with refused(NetworkError, "PROJ-7", "a->b weights", 2**64 - 1):
        Dense("a", "b", np.array([[2**64 - 1]], np.uint64))
    for bad in ([[0.5]], [["a"]], [[2**64]], [[True]]):
        with refused(NetworkError, "PROJ-7", "a->b weights"):
            Dense("a", "b", bad)
    for shape in ((3,), (3, 0), (0, 3), (1, 1, 1)):
        for pooled, rule in ((False, "PROJ-4"), (True, "PROJ-5")):
            with refused(NetworkError, rule, "a->b weights", shape):
                Dense("a", "b", np.ones(shape, int), pooled)
    for shape, rule in (
        ((1, 1), "PROJ-1"),
        ((1, 1, 1, 1, 1), "PROJ-1"),
        ((0, 1, 1, 1), "PROJ-1"),
        ((1, 0, 1, 1), "PROJ-3"),
        ((1, 1, 0, 1), "PROJ-2"),
        ((1, 1, 1, 0), "PROJ-2"),
    ):
        with refused(NetworkError, rule, "a->b weights", shape):
            Conv2d("a", "b", np.ones(shape, int))
    with pytest.raises(ValueError, match="read-only"):
        edge.weights[0, 0] = 1
    assert scale("a", "b", [3, -4]).weights.tolist() == [[[[3]]], [[[-4]]]] and scale("a", "b", [3, -4]).groups == 2
    with refused(NetworkError, "PROJ-8", "a->b factors", (1, 1)):
        scale("a", "b", [[1]])
    skip = shortcut("a", "b", [5, 6], 5)
    assert skip.stride == (2, 2) and skip.weights[..., 0, 0].tolist() == [[0, 0], [5, 0], [0, 6], [0, 0], [0, 0]]
    for channels, offset, first in ((3, 2, 2), (1, None, -1), (4, -1, -1)):
        with refused(NetworkError, "PROJ-9", "a->b offset", first):
            shortcut("a", "b", [5, 6], channels, offset=offset)
    with refused(NetworkError, "PROJ-10", "a->b", (1, 1, 1, 1)):
        sum_pool("a", "b", 2, (3, 3), padding=(1, 1, 1, 1), count_include_pad=False)
    assert sum_pool("a", "b", 2, (3, 2)).weights.tolist() == [[[[1, 1]] * 3]] * 2
    with refused(NetworkError, "PROJ-2", "a->b kernel", 0):
        sum_pool("a", "b", 2, (3, 0))
    with refused(NetworkError, "PROJ-2", "a->b stride"):
        sum_pool("a", "b", 2, (3, 2), 0)  # type: ignore[arg-type]


def pooled(d: Any, channels: int = 1) -> Network:
    """A max-pool over an fs with these code weights."""
    steps = np.shape(d)[-1]
    table = Table(np.ones(steps, int), np.ones(steps, int), d)
    shape = (channels, 1, 2)
    pool = MaxPool("pool", (channels, 1, 1), "a", (1, 2), (1, 1))
    return chain(FS("a", shape, table), pool, scale("in", "a", [1] * channels), given=Input("in", shape, 4, 15))


def test_pool_needs_superdecreasing_codes() -> None:
    """Every d of a pool's source is above the sum of all later ones, the last above 0, in every channel; no window is
    padding alone (POOL-2, POOL-3).
    """
    for good in ([1], [2, 1], [4, 2, 1], [100, 7, 6], [[4, 2, 1], [9, 3, 1]]):
        pooled(good, np.ndim(good))
    for bad, step, value in (
        ([0], 0, 0),
        ([-1], 0, -1),
        ([1, 1], 0, 1),
        ([3, 2, 1], 0, 3),
        ([9, 1, 1], 1, 1),
        ([4, 2, 0], 2, 0),
        ([5, -1, 1], 1, -1),
        ([1, 2], 0, 1),
    ):
        with refused(NetworkError, "POOL-2", f"a->pool channel 0 step {step}", value):
            pooled(bad)
    with refused(NetworkError, "POOL-2", "a->pool channel 1 step 0", 3):
        pooled([[4, 2, 1], [3, 2, 1]], 2)
    for pool, empty in (
        (MaxPool("p", (1, 4, 2), "in", (1, 1), (1, 1), (0, 0, 2, 0)), 2),
        (MaxPool("p", (1, 2, 4), "in", (1, 2), (1, 1), (0, 3, 0, 0)), 0),
    ):
        with refused(NetworkError, "POOL-3", "p", empty):
            chain(pool, given=Input("in", (1, 2, 2), 4, 15))


def test_pool_inherits_steps_and_start() -> None:
    """A max_pool has the K, d, start and code interval of its source, through any number of pools (POOL-4)."""
    shape = (2, 2, 2)
    table = Table([[9, 4, 1], [8, 5, 2]], [[9, 4, 1], [8, 5, 2]], [[9, 4, 1], [8, 3, 2]])
    pools = MaxPool("p", (2, 2, 1), "a", (1, 2), (1, 1)), MaxPool("q", (2, 1, 1), "p", (2, 1), (1, 1))
    net = chain(FS("a", shape, table), *pools, scale("in", "a", [1, 1]), given=Input("in", shape, 5, 31))
    assert net.steps == {"in": 5, "a": 3, "p": 3, "q": 3, "out": 0}
    assert net.code_weights["q"].tolist() == net.code_weights["a"].tolist() == [[9, 4, 1], [8, 3, 2]]
    assert [net.schedule.start[n] for n in "apq"] == [5, 5, 5]
    assert net.ranges["q"].codes.tolist() == net.ranges["a"].codes.tolist()
    images = draw(net, 6)
    for engine in ENGINES:
        result = run(net, images, engine, record=["a", "p", "q"])
        codes = result.codes["a"].reshape(-1, 2, 4)
        assert result.codes["q"].tolist() == codes.max(axis=2).tolist()


def test_scales_and_classes() -> None:
    """logit_scale and scales are positive numbers, classes one name per logit or none (NET-8, FILE-3)."""
    for bad in (0.0, -1.0, float("nan"), float("inf")):
        with refused(NetworkError, "NET-8", "logit_scale"):
            tiny(logit_scale=bad)
        with refused(NetworkError, "FILE-3", "in scale"):
            tiny(populations=[Input("in", (1, 2, 2), 4, 15, bad), *tiny().populations[1:]])
    with refused(NetworkError, "NET-8", "classes", 3):
        tiny(classes=["a", "b", "c"])
    assert tiny(classes=["a", "b"]).classes == ("a", "b")
    for bits in (0, 64):
        with refused(NetworkError, "RANGE-5", "width bits", bits):
            Width(bits, "final")
    with refused(NetworkError, "RANGE-5", "width", "some"):
        Width(8, "some")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("contract", "value"),
    [
        (Pixels(1, 2, 3, scale=0.5, max_code=15), ((1, 2, 3), 15, 0.5)),
        (Pixels(1, 2, 2, scale=0.5, max_code=16), ((1, 2, 2), 16, 0.5)),
        (Pixels(1, 2, 2, scale=0.25, max_code=15), ((1, 2, 2), 15, 0.25)),
        (Pixels(1, 2, 2, scale=None, max_code=15), ((1, 2, 2), 15, None)),
    ],
)
def test_a_contract_is_of_its_input(contract: Pixels, value: Any) -> None:
    """Shape, max_code and scale of the contract are those of the input; it says nothing else of codes (FILE-3)."""
    spoken = [Input("in", (1, 2, 2), 4, 15, 0.5), *tiny().populations[1:]]
    fits = Pixels(1, 2, 2, mean=3, std=2, scale=0.5, max_code=15, resize=9, crop=2)
    net = tiny(populations=spoken, contract=fits)
    assert net.contract is fits and net.id == tiny().id
    with refused(NetworkError, "FILE-3", "contract", value, says="((1, 2, 2), 15, 0.5)"):
        tiny(populations=spoken, contract=contract)


def test_what_is_no_contract() -> None:
    """A contract is a Pixels in the order L or RGB: images of a network are never turned (FILE-3)."""
    for wrong, name in (("RGB", "str"), ({"channels": "L"}, "dict")):
        with refused(NetworkError, "FILE-3", "contract", name, says="a Pixels"):
            tiny(contract=wrong)
    given = Input("in", (3, 2, 2), scale=1 / 255)
    assert replace(chain(given=given), contract=Pixels(3, 2, 2)).contract == Pixels(3, 2, 2, order="RGB")
    with refused(NetworkError, "FILE-3", "contract order", "BGR"):
        replace(chain(given=given), contract=Pixels(3, 2, 2, order="BGR"))
    with refused(NetworkError, "FILE-3", "contract order", ""):
        replace(chain(given=Input("in", (2, 2, 2), scale=1 / 255)), contract=Pixels(2, 2, 2))


# Facts


def test_kinds_of_populations() -> None:
    """Every kind has its name of NET-1, the neurons of its shape and what OBS-1 lets see of it; those with membranes
    have a bias for every place.
    """
    flat, bent = [3, -4], np.arange(12).reshape(2, 3, 2)
    kinds: dict[str, Any] = {
        "input": Input("in", (2, 3, 2)),
        "fs": FS("fs", (2, 3, 2), fs_relu(3), flat),
        "max_pool": MaxPool("pool", (2, 3, 2), "in", (1, 1), (1, 1)),
        "readout": Readout("out", (12, 1, 1), np.arange(12)),
    }
    assert {name: p.kind for name, p in kinds.items()} == {name: name for name in kinds}
    assert {p.neurons for p in kinds.values()} == {12}
    observables = {name: sorted(p.observables) for name, p in kinds.items()}
    assert observables == {
        "input": ["codes", "spikes"],
        "fs": sorted(OBSERVABLES),
        "max_pool": ["codes", "spikes"],
        "readout": ["opening", "sums"],
    }
    assert kinds["fs"].bias_map.tolist() == [[[3]], [[-4]]]
    assert FS("fs", (2, 3, 2), fs_relu(3), bent).bias_map.tolist() == bent.tolist()
    assert kinds["readout"].bias_map.ravel().tolist() == list(range(12)) and kinds["readout"].bias_map.ndim == 3


@pytest.mark.parametrize("name", NETS)
def test_recordings_hold_what_populations_let_see(name: str) -> None:
    """A recording of everything holds the observables of each population, sums by projection, and nothing else
    (OBS-1).
    """
    net = NETS[name]()
    held = {(p.name, kind) for p in net.populations for kind in p.observables - {"sums"}}
    held |= {(q, "sums") for q in net.named_projections}
    assert set(recorded(net, draw(net, 2)).arrays) == held


def test_who_reads_whom() -> None:
    """Projections by their names into and out of a population; its sources once each, that of a max-pool among them."""
    net = residual()
    assert [*net.named_projections] == [
        "in->stem",
        "pool->mid",
        "pool->sum",
        "mid->sum#0",
        "mid->sum#1",
        "in->out",
        "sum->out",
    ]
    assert list(net.named_projections.values()) == list(net.projections)
    assert [*net.into("sum")] == ["pool->sum", "mid->sum#0", "mid->sum#1"]
    assert [*net.out_of("in")] == ["in->stem", "in->out"] and net.out_of("in")["in->out"] is net.projections[5]
    assert net.into("in") == net.into("pool") == net.out_of("stem") == net.out_of("out") == {}
    sources = {p.name: net.sources(p.name) for p in net.populations}
    expected = {"in": (), "stem": ("in",), "pool": ("stem",), "mid": ("pool",), "sum": ("pool", "mid")}
    assert sources == {**expected, "out": ("in", "sum")}
    assert ladder().sources("b") == ("in", "pool")


@pytest.mark.parametrize("name", ["", "sums", "in->stem", None, 0])
def test_a_population_that_is_not_there(name: Any) -> None:
    """A name that no population has is a KeyError wherever one is asked for."""
    net = residual()
    for fact in (net.into, net.out_of, net.sources, net.__getitem__):
        with pytest.raises(KeyError):
            fact(name)


@pytest.mark.parametrize("name", NETS)
def test_parts_and_sizes(name: str) -> None:
    """Parts by what they do, in order; neurons and synapses are those the naive oracle lists (NET-1, PROJ-7)."""
    net, other = NETS[name](), oracle(NETS[name]())
    kinds = [p.kind for p in net.populations]
    assert (net.input, net.readout) == (net.populations[0], net.populations[-1])
    assert [p.kind for p in net.fs] == ["fs"] * kinds.count("fs")
    assert [p.kind for p in net.pools] == ["max_pool"] * kinds.count("max_pool")
    assert net.integrating == (*net.fs, net.readout) and net.spiking == net.populations[:-1]
    assert [p.name for p in net.populations if p in net.fs] == [p.name for p in net.fs]
    assert net.neurons == sum(len(p.channel) for p in other.populations)
    assert net.fs_neurons == sum(p.neurons for p in net.fs)
    counted = [sum(map(len, q.synapses)) for q in other.projections]
    assert net.synapses == dict(zip(net.named_projections, counted, strict=True))


def agree(net: Network, images: Any) -> None:
    """Every engine gives the naive simulator's trains, codes, openings and logits."""
    other = oracle(net)
    seen = [naive.simulate(other, image.ravel().tolist()) for image in images]
    for engine in ENGINES:
        result = run(net, images, engine, record=EVERYTHING)
        trace = result.trace
        assert result.logits.tolist() == [one.logits for one in seen], engine
        for place, p in enumerate(net.populations):
            for kind in ("trains", "codes", "opening", "membranes"):
                key = p.name, "spikes" if kind == "trains" else kind
                if key in trace.arrays:
                    assert trace[key].tolist() == [getattr(one, kind)[place] for one in seen], (engine, key)
        for j, name in enumerate(net.named_projections):
            assert trace[name, "sums"].tolist() == [one.sums[j] for one in seen], (engine, name)


def extreme(weights: Any, target: Any, table: Table, shape: Any = ONE, readout: Any = None, **geometry: Any) -> Network:
    """An input of 16 steps, one conv2d of any geometry, one fs, a dense readout."""
    last = Dense("a", "out", np.resize([1, -1], (2, int(np.prod(target)))) if readout is None else readout)
    ends = {"given": Input("in", shape, 16, 65535), "readout": Readout("out", (2, 1, 1))}
    return chain(FS("a", target, table), Conv2d("in", "a", weights, **geometry), last, **ends)


def test_extreme_but_valid_networks() -> None:
    """Geometry of 65,536, weights and codes at both ends of their types, K = 16, tables in no order: all engines agree
    with the naive loop.
    """
    far, top, low = 65536, 2**31 - 1, -(2**31)
    relu16 = fs_relu(16, 2**28)
    nets = [
        extreme([[[[top]]]], (1, 3, 3), relu16, stride=(far, far), padding=(far, far, far, far)),
        extreme([[[[low], [top]]]], (1, 2, 3), fs_relu(16), padding=(1, 1, far, 1), dilation=(far, 5)),
        extreme(
            [[[[top, low, 3]]]],
            (1, 1, 1),
            Table([5, -7, 3], [-(2**58), 2**58, 0], [top, -top, 0]),
            padding=(0, far, 0, far),
            dilation=(1, far),
        ),
        extreme(
            np.full((1, 1, 2, 2), low),
            (1, 1, 1),
            Table([-(2**50)] * 16, [-(2**54)] * 16, [(-1) ** t * top for t in range(16)]),
            shape=(1, 2, 2),
        ),
        extreme(
            [[[[top]]], [[[low]]]],
            (2, 1, 1),
            Table([[0, 2**58], [-(2**58), 5]], [0, 0], [[top, 0], [-top, 0]]),
            readout=[[top, 0], [0, low]],
        ),
        extreme([[[[0]]]], ONE, Table([0], [0], [0])),
        extreme([[[[0]]]], ONE, Table([1], [0], [-top]), readout=[[low], [0]]),
    ]
    for net in [*nets, unordered(), residual(), tiny()]:
        images = draw(net, 3, 5)
        images[0], images[1] = net.input.max_code, 0
        agree(net, images)


def test_arguments_of_the_wrong_kind_are_refused_in_one_line() -> None:
    """What is no integer, no name or no positive number is refused by rule, whatever it is instead."""
    ends = [Input("in", (1, 1, 1)), Readout("out", (2, 1, 1))]
    into = [Dense("in", "out", [[1], [1]])]
    for wrong in (
        {"classes": [1, 2]},
        {"logit_scale": "x"},
        {"logit_scale": None},
        {"logit_scale": 10**400},
        {"logit_scale": float("nan")},
    ):
        with refused(NetworkError, "NET-8"):
            Network(ends, into, **wrong)
    for rule, make in {
        "FS-1": lambda: Table([[1], [1, 2]], [1], [1]),
        "PROJ-7": lambda: Dense("in", "out", [[1], [1, 2]]),
        "PROJ-2": lambda: Conv2d("in", "out", np.ones((1, 1, 1, 1), int), stride=[1, [2]]),
        "NET-3": lambda: Input("in", (1, [2], 3)),
        "PROJ-9": lambda: shortcut("in", "out", [1], 2, offset=0.5),
        "PROJ-10": lambda: sum_pool("in", "out", -2, (2, 2)),
    }.items():
        with refused(NetworkError, rule):
            make()
    with refused(NetworkError, "PROJ-7"):
        sum_pool("in", "out", 65536, (65536, 65536))


def test_one_wrong_kind_among_right_ones() -> None:
    """One part that is no population or no projection is named beside those that are (NET-1)."""
    net = ladder()
    for populations, projections in (
        ([*net.populations[:2], "gate", *net.populations[2:]], net.projections),
        (net.populations, [*net.projections[:2], "a->b", *net.projections[2:]]),
    ):
        kinds = [type(part).__name__ for part in (populations if "gate" in populations else projections)]
        with refused(NetworkError, "NET-1", "network", kinds):
            Network(populations, projections)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "make",
    [
        lambda n: MaxPool("a", ONE, "in", (n, 1), (1, 1)),
        lambda n: MaxPool("a", ONE, "in", (1, 1), (1, n)),
        lambda n: MaxPool("a", ONE, "in", (1, 1), (1, 1), (0, n, 0, 0)),
        lambda n: Conv2d("in", "a", np.ones((1, 1, 1, n), np.int8)),
        lambda n: Conv2d("in", "a", [[[[1]]]], stride=(n, 1)),
        lambda n: Conv2d("in", "a", [[[[1]]]], dilation=(1, n)),
        lambda n: Conv2d("in", "a", [[[[1]]]], padding=(0, 0, n, 0)),
        lambda n: Conv2d("in", "a", [[[[1]]]], groups=n),
        lambda n: Input("a", (1, n, 1)),
        lambda n: sum_pool("in", "a", n, (1, 1)),
        lambda n: shortcut("in", "a", [1], n),
    ],
)
def test_sizes_end_at_65536(make: Any) -> None:
    """Sides, channels, kernels, strides, dilations, paddings and groups are at most 65,536, and may be that (NET-3,
    PROJ-2, PROJ-3, POOL-1).
    """
    make(65_536)
    with refused(NetworkError, value=65_537):
        make(65_537)


def test_the_first_code_weight_that_a_pool_does_not_bear_is_named() -> None:
    """Of several, the one of the lowest channel, and there of the earliest step (POOL-2)."""
    for d, channel, step in (([[1, 1, 1]], 0, 0), ([[4, 1, 1], [4, 1, 1]], 0, 1), ([[4, 2, 1], [9, 3, 3]], 1, 1)):
        with refused(NetworkError, "POOL-2", f"a->pool channel {channel} step {step}"):
            pooled(d, len(d))
