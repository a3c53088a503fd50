"""Somebody else's conversion beside fsref: right ones pass; each known trap is found where it is, shrunk, and named
(OBS-4).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import strategies as st

import fsref
import nodes
from fsref.errors import UsageError
from fsref.graph.graph import Graph, Node
from fsref.law.populations import FS, Input, MaxPool
from fsref.law.projections import Dense
from fsref.simulation.recording import Record
from fsref.testing import Agreement, Disagreement, cases, networks, verify
from fsref.verification.aims import aimed, corners
from fsref.verification.disagreement import first_difference
from handmade import NETS, oracle, tiny, unordered
from refusals import refused


def network(rounding: str = "nearest") -> fsref.Network:
    """Every trap has a place: a normalised RGB image, asymmetric padding, a signed sum read twice, a concat, a
    max-pool, a dense layer over places.
    """
    rng = np.random.default_rng(11)
    conv = partial(nodes.conv, rng=rng, weight=(0.05, 1.1), bias=(0.1, 0.3))
    parts = [
        conv("stem", "input", 4, 3, 3, padding=(0, 0, 2, 2)),
        Node("stem.relu", "relu", ("stem",)),
        conv("branch", "stem.relu", 4, 4, 3, padding=(1, 1, 1, 1)),
        Node("sum", "add", ("branch", "stem.relu")),
        conv("left", "sum", 2, 4, 3, padding=(1, 1, 1, 1)),
        Node("left.relu", "relu", ("left",)),
        conv("right", "sum", 3, 4, 1),
        Node("right.relu", "relu", ("right",)),
        Node("both", "concat", ("left.relu", "right.relu")),
        conv("join", "both", 4, 5, 3, padding=(1, 1, 1, 1)),
        Node("join.relu", "relu", ("join",)),
        Node("pool", "max_pool", ("join.relu",), {"kernel": (2, 2)}),
        Node("flat", "flatten", ("pool",)),
        Node("head", "dense", ("flat",), {}, {"weight": rng.normal(0, 0.3, (5, 36)), "bias": rng.normal(0, 0.5, 5)}),
    ]
    graph = Graph(fsref.Pixels(3, 6, 6, mean=(0.45, 0.5, 0.4), std=(0.25, 0.3, 0.25)), parts, "traps")
    return fsref.convert(
        graph, rng.integers(0, 256, (32, 3, 6, 6)), steps={"": 5, "stem": 4, "branch": 6}, rounding=rounding
    )


NET = network()


class Other:
    """Somebody else's simulator of the same network: dense integers, population by population; each part can be got
    wrong.
    """

    def __init__(self, net: fsref.Network = NET, **wrong: Callable[..., Any]) -> None:
        self.net, self.wrong = net, wrong

    def right(self, part: str, value: Any, *about: Any) -> Any:
        """The value of a part, or what is wrong with it."""
        return self.wrong[part](value, *about) if part in self.wrong else value

    def projection(self, q: Any, a: np.ndarray) -> np.ndarray:
        """The sum a projection delivers, tap by tap."""
        a = self.right("read", a, q)
        w = np.asarray(self.right("weights", q.weights.astype(np.int64), q))
        if isinstance(q, Dense):
            return ((a.sum(axis=(2, 3)) if q.pooled else a.reshape(len(a), -1)) @ w.T)[:, :, None, None]
        top, left, bottom, right = self.right("padding", q.padding, q)
        wide = np.pad(a, ((0, 0), (0, 0), (top, bottom), (left, right)))
        _, height, width = self.net[q.target].shape
        total, group, inputs = np.zeros((len(a), len(w), height, width), np.int64), len(w) // q.groups, w.shape[1]
        for r, c in np.ndindex(*w.shape[2:]):
            rows = np.arange(height) * q.stride[0] + r * q.dilation[0]
            columns = np.arange(width) * q.stride[1] + c * q.dilation[1]
            read = wide[:, :, rows[:, None], columns]
            for g in range(q.groups):
                own = slice(g * group, (g + 1) * group)
                total[:, own] += np.einsum("bihw,oi->bohw", read[:, g * inputs : (g + 1) * inputs], w[own, :, r, c])
        return total

    def __call__(self, images: np.ndarray) -> dict[str, np.ndarray]:
        assert images.dtype == np.uint8
        codes: dict[str, np.ndarray] = {}
        for p in self.net.populations:
            if isinstance(p, Input):
                codes[p.name] = images.astype(np.int64)
            elif isinstance(p, MaxPool):
                (kh, kw), (sy, sx) = p.kernel, p.stride
                a = codes[p.source]
                windows = [
                    a[:, :, r : r + sy * p.shape[1] : sy, c : c + sx * p.shape[2] : sx]
                    for r in range(kh)
                    for c in range(kw)
                ]
                codes[p.name] = self.right("pool", np.max(windows, axis=0), np.array(windows), p)
            else:
                bias = p.bias_map
                v = sum(
                    self.projection(q, codes[q.source])
                    for q in self.net.into(p.name).values()
                    if not self.right("left_out", False, q)
                )
                v = v + self.right("bias", bias, p)
                v = self.right("membrane", v, p)
                if isinstance(p, FS):
                    theta = np.broadcast_to(p.table.rows(p.shape[0])[0][:, -1], p.shape[0])[:, None, None]
                    v = self.right("divide", np.clip(v // theta, 0, 2**p.steps - 1), v, theta, p)
                codes["logits" if p is self.net.readout else p.name] = self.right("layout", v, p)
        del codes["input"]
        return codes


def only(name: str, change: Callable[..., Any]) -> Callable[..., Any]:
    """`change` in the population, or the projections into the population, of this name; elsewhere what is right."""

    def part(value: Any, *about: Any) -> Any:
        where = about[-1]
        there = name in (getattr(where, "name", None), getattr(where, "target", None))
        return change(value, *about) if there else value

    return part


def strict(value: Any, v: Any, theta: Any, p: FS) -> Any:
    left, code = v, 0
    for t in range(p.steps):
        fired = left > theta * 2 ** (p.steps - 1 - t)
        left, code = left - fired * theta * 2 ** (p.steps - 1 - t), 2 * code + fired
    return code


def late(value: Any, v: Any, theta: Any, p: FS) -> Any:
    left, code, fired = v, 0, False
    for t in range(p.steps):
        left = left - fired * theta * 2 ** (p.steps - 1 - t)
        fired = left >= theta * 2 ** (p.steps - 1 - t)
        code = 2 * code + fired
    return code


def before(value: Any, v: Any, theta: Any, p: FS) -> Any:
    left, code = v, 0
    for t in range(p.steps):
        fired = left >= theta * 2 ** (p.steps - 1 - t)
        left, code = left - fired * theta * 2 ** ((p.steps - t) if t else 0), 2 * code + fired
    return code


def unreset(value: Any, v: Any, theta: Any, p: FS) -> Any:
    return sum((v >= theta << t) * 2**t for t in range(p.steps))


def truncated(value: Any, v: Any, theta: Any, p: FS) -> Any:
    return np.clip(np.fix((v - theta * p.offset) / theta).astype(int) + p.offset, 0, 2**p.steps - 1)


def even(value: Any, v: Any, theta: Any, p: FS) -> Any:
    real = (v - theta // 2 - theta * p.offset) / theta
    return np.clip(np.round(real).astype(int) + p.offset, 0, 2**p.steps - 1)


def per_step_or(value: Any, windows: Any, p: MaxPool) -> Any:
    return np.bitwise_or.reduce(windows)


def by_places(value: Any, *about: Any) -> Any:
    return value.transpose(0, 2, 3, 1).reshape(value.shape)


TRAPS = {
    "strict": ("stem", "equality fires [FS-2]", {"divide": only("stem", strict)}),
    "late reset": ("branch", "taken in that step [FS-3]", {"divide": only("branch", late)}),
    "reset of the step before": ("branch", "not of the one before [FS-3]", {"divide": only("branch", before)}),
    "no reset": ("left", "lowers its membrane", {"divide": only("left", unreset)}),
    "floor for nearest": (
        "branch",
        "leaves it out [CONV-5]",
        {"divide": only("branch", lambda c, v, t, p: np.clip((v - t // 2) // t, 0, 63))},
    ),
    "nearest twice": (
        "right",
        "once more [CONV-5]",
        {"divide": only("right", lambda c, v, t, p: np.clip((v + t // 2) // t, 0, 31))},
    ),
    "truncation": ("branch", "truncates toward zero [FS-5]", {"divide": only("branch", truncated)}),
    "halves to even": ("stem", "not to the even code [CONV-5]", {"divide": only("stem", even)}),
    "one code more": ("stem", "15, not at 2^K", {"divide": only("stem", lambda c, v, t, p: np.clip(v // t, 0, 16))}),
    "no upper end": ("stem", "no upper end", {"divide": only("stem", lambda c, v, t, p: np.maximum(v // t, 0))}),
    "no lower end": ("left", "yours go below", {"divide": only("left", lambda c, v, t, p: np.minimum(v // t, 31))}),
    "not clipped": ("stem", "not clipped", {"divide": only("stem", lambda c, v, t, p: v // t)}),
    "bias in each step": ("right", "not in each of 5 steps [NET-5]", {"bias": only("right", lambda b, p: 5 * b)}),
    "bias in each input step": ("stem", "not in each of 8 steps [NET-5]", {"bias": only("stem", lambda b, p: 8 * b)}),
    "no bias": ("logits", "the bias is missing", {"bias": only("head", lambda b, p: 0 * b)}),
    "no bias map": ("left", "the bias is a map", {"bias": only("left", lambda b, p: b[:, 3:4, 3:4])}),
    "16 bits wrap": (
        "stem",
        "16 bits: it wraps [RANGE-2]",
        {"membrane": only("stem", lambda v, p: v.astype(np.int16).astype(np.int64))},
    ),
    "12 bits saturate": (
        "head",
        "12 bits: it saturates [RANGE-1]",
        {"membrane": only("head", lambda v, p: np.clip(v, -2048, 2047))},
    ),
    "flipped kernel": (
        "left",
        "the kernel is not flipped",
        {"weights": only("left", lambda w, q: w[:, :, ::-1, ::-1] if w.ndim == 4 else w)},
    ),
    "transposed kernel": (
        "join",
        "rows and columns are exchanged [PROJ-1]",
        {"weights": only("join", lambda w, q: w.swapaxes(2, 3))},
    ),
    "padding on the other sides": (
        "stem",
        "on the other sides [PROJ-1]",
        {"padding": only("stem", lambda p, q: (*p[2:], *p[:2]))},
    ),
    "flattened places first": ("head", "(C, H, W), yours (H, W, C) [NET-3]", {"read": only("head", by_places)}),
    "BGR": ("stem", "reverse order (RGB, BGR)", {"read": only("stem", lambda a, q: a[:, ::-1])}),
    "a skip left out": (
        "branch",
        "the projection stem->branch#1 is missing",
        {"left_out": lambda no, q: q is NET.into("branch")["stem->branch#1"]},
    ),
    "answers places first": ("right", "in the order (H, W, C), not (C, H, W)", {"layout": only("right", by_places)}),
    "answers transposed": (
        "join",
        "rows and columns are exchanged [NET-3]",
        {"layout": only("join", lambda v, p: v.swapaxes(2, 3))},
    ),
    "channels exchanged": (
        "join",
        "another order: yours are 2, 3, 0, 1",
        {"layout": only("join", lambda v, p: v[:, [2, 3, 0, 1]])},
    ),
    "per-step OR": ("pool", "per-step OR [POOL-1]", {"pool": per_step_or}),
}


def test_the_network_of_the_traps() -> None:
    """Its populations are those the traps are set in; one is signed, several have maps, and even and odd thetas
    occur.
    """
    assert [p.name for p in NET.populations] == ["input", "stem", "branch", "left", "right", "join", "pool", "head"]
    fs = [p for p in NET.populations if isinstance(p, FS)]
    assert [p.offset != 0 for p in fs] == [False, True, False, False, False]
    assert {p.name for p in fs if p.bias.ndim == 3} >= {"stem", "left"}
    thetas = np.concatenate([p.table.rows(p.shape[0])[0][:, -1] for p in fs])
    assert {0, 1} == set((thetas % 2).tolist())


def test_a_right_conversion_passes() -> None:
    """The corner images and every example are compared in every population that was given; the report counts them."""
    seen: list[int] = []

    def forward(images: np.ndarray) -> dict[str, np.ndarray]:
        seen.append(len(images))
        return Other()(images)

    found = verify(NET, forward, max_examples=20)
    assert found.image_count == sum(seen) >= len(corners(NET)) + 20
    assert found.populations == ("stem", "branch", "left", "right", "join", "pool", "head")
    assert found.values == found.image_count * sum(int(np.prod(NET[name].shape)) for name in found.populations)
    assert found.busy > 0.5
    lines = str(found).splitlines()
    assert lines[0] == f"traps: equal in {found.values:,} integers of {found.image_count} images"
    assert lines[2:] == [
        "compared  stem, branch, left, right and 3 more",
        f"busy      {100 * found.busy:.1f} % of FS neurons",
    ]
    assert found.to_dict()["populations"] == list(found.populations)
    assert verify(NET, Other(), max_examples=20) == found


def test_logits_alone_and_chosen_populations() -> None:
    """An array is logits; `populations` chooses, and what else is given is not looked at."""
    found = verify(NET, lambda x: Other()(x)["logits"][:, :, 0, 0].astype(np.int32), max_examples=3)
    assert found.populations == ("head",)
    found = verify(
        NET, lambda x: {**Other()(x), "join": 0 * Other()(x)["join"]}, populations=["logits", "right"], max_examples=3
    )
    assert found.populations == ("right", "head")


@pytest.mark.parametrize("trap", TRAPS)
def test_each_trap_is_found_and_named(trap: str) -> None:
    """The first wrong population and neuron are named, both codes are right, and the hint is the trap."""
    name, hint, wrong = TRAPS[trap]
    population = "head" if name == "logits" else name
    other = Other(NET, **wrong)
    with pytest.raises(Disagreement) as caught:
        verify(NET, other, max_examples=1000)
    found = caught.value
    assert found.population == population
    assert any(hint in text for text in found.hints), (hint, str(found))
    assert len(found.hints) <= 3, found.hints
    image = found.image[None]
    right = fsref.run(NET, image, "reference", Record(observables=("codes", "opening"))).trace
    key = "logits" if population == "head" else population
    theirs = other(image.astype(np.uint8))[key].ravel()
    ours = right[population, "opening" if population == "head" else "codes"].ravel()
    assert found.neuron == int(np.argmax(theirs != ours))
    assert (found.theirs, found.expected) == (theirs[found.neuron], ours[found.neuron])
    assert found.place == tuple(int(n) for n in np.unravel_index(found.neuron, NET[population].shape))
    if population != "pool":
        assert found.membrane == right[population, "opening"][0, found.neuron]
    lines = str(found).splitlines()
    assert lines[0] == f"{population} differs from fsref [OBS-4]"
    c, y, x = found.place
    place = f"{population} neuron {found.neuron} (c {c}, y {y}, x {x})"
    assert lines[2] == f"first     {place}: theirs {found.theirs}, fsref {found.expected}"
    assert len(lines) <= 8
    assert max(map(len, lines)) < 200


def test_a_mistake_of_equality_lies_on_a_threshold() -> None:
    """v > T differs only where the membrane lies on a threshold, 0 above it; the message says so."""
    with pytest.raises(Disagreement) as caught:
        verify(NET, Other(divide=only("stem", strict)), max_examples=1000)
    assert caught.value.above == 0
    assert "0 above the nearest threshold (equality fires)" in str(caught.value)
    assert caught.value.to_dict()["hints"][0].startswith("a neuron fires when v >= T")


def test_the_image_is_shrunk() -> None:
    """A mistake that corners do not show is found among drawn images, and the image told is one that Hypothesis cannot
    make simpler.
    """
    net = tiny()

    def forward(images: np.ndarray) -> np.ndarray:
        logits = fsref.run(net, images).logits.copy()
        logits[:, 1] += (images[:, 0, 0, 1] == 6) & (images[:, 0, 1, 0] >= 2)
        return logits

    with pytest.raises(Disagreement) as caught:
        verify(net, forward, max_examples=2000)
    assert caught.value.image.tolist() == [[[0, 6], [2, 0]]]
    assert "image     (1, 2, 2), 0 but for (c 0, y 0, x 1) = 6, (c 0, y 1, x 0) = 2" in str(caught.value)
    assert "unseen    hid: give their codes too" in str(caught.value)
    assert not caught.value.hints


def test_what_is_left_of_the_image_before() -> None:
    """An answer that depends on the images beside it is named, and so is one that changes from call to call."""
    net = tiny()

    def leaky(images: np.ndarray) -> np.ndarray:
        logits = fsref.run(net, images).logits.copy()
        logits[1:] += logits[:-1]
        return logits

    calls = iter(range(10**6))
    for forward, hint in (
        (leaky, "every image starts fresh [NET-6]"),
        (lambda x: fsref.run(net, x).logits + next(calls), "not a function of the image"),
    ):
        with pytest.raises(Disagreement) as caught:
            verify(net, forward)
        assert len(caught.value.hints) == 1
        assert hint in caught.value.hints[0]


def test_a_difference_that_comes_and_goes() -> None:
    """A function that was wrong once and right when asked again is refused as no function."""
    net, calls = tiny(), iter([1])
    with refused(UsageError, "OBS-4", "their function"):
        verify(net, lambda x: fsref.run(net, x).logits + next(calls, 0))


@pytest.mark.parametrize("make", NETS.values(), ids=NETS)
def test_any_network(make: Callable[[], fsref.Network]) -> None:
    """The oracle in pure Python agrees on networks with any table; one code more somewhere is told with its
    membrane.
    """
    import naive

    net = make()
    told = oracle(net)
    names = [p.name for p in net.populations]

    def forward(images: np.ndarray, wrong: int = 0) -> dict[str, np.ndarray]:
        seen = [naive.simulate(told, image) for image in images.reshape(len(images), -1).tolist()]
        codes = {name: np.array([s.codes[i] for s in seen]) for i, name in enumerate(names[1:-1], 1)}
        codes["logits"] = np.array([s.opening[len(names) - 1] for s in seen])
        codes[names[1]][:, -1] += wrong
        return codes

    assert verify(net, forward, max_examples=5).populations == tuple(names[1:])
    with pytest.raises(Disagreement) as caught:
        verify(net, partial(forward, wrong=1))
    assert (caught.value.population, caught.value.neuron) == (names[1], int(np.prod(net[names[1]].shape)) - 1)
    assert caught.value.theirs == caught.value.expected + 1
    assert caught.value.hints == ()


def test_real_images_and_strategies() -> None:
    """Images may be an array to choose from, or a strategy; those that do not fit the network are refused."""
    pool = np.random.default_rng(3).integers(0, 256, (5, 3, 6, 6))
    seen: list[np.ndarray] = []

    def forward(images: np.ndarray) -> dict[str, np.ndarray]:
        seen.extend(images)
        return Other()(images)

    verify(NET, forward, images=pool, max_examples=10)
    assert all((pool == image).all(axis=(1, 2, 3)).any() for image in seen[len(corners(NET)) + len(aimed(NET)) :])
    verify(NET, forward, images=st.just(pool[:1]), max_examples=2)
    assert np.array_equal(seen[-1], pool[0])
    with refused(fsref.errors.InputError, "RUN-1"):
        verify(NET, forward, images=pool[:, :1])


BAD: dict[str, tuple[Any, str, str]] = {
    "raises": (lambda x: 1 // 0, "their function", "raised ZeroDivisionError"),
    "nothing": (lambda x: None, "their function", "returned nothing"),
    "empty": (lambda x: {}, "their answer", "is empty"),
    "floats": (lambda x: np.zeros((len(x), 2)), "their logits", "not integers"),
    "ragged": (lambda x: [[1], [2, 3]], "their logits", "is no array"),
    "shape": (lambda x: np.zeros((2, len(x)), int), "their logits", "wrong shape"),
    "name": (lambda x: {"hidden": np.zeros((len(x), 3), int)}, "their answer", "unknown population"),
    "no name": (lambda x: {3: np.zeros((len(x), 3), int)}, "their answer", "unknown population"),
    "missing": (
        lambda x: {"logits": np.zeros((len(x), 2), int)},
        "their answer",
        "has no codes of a population to compare",
    ),
}


@pytest.mark.parametrize("bad", BAD)
def test_answers_of_a_wrong_kind_are_refused(bad: str) -> None:
    """Floats, wrong shapes, unknown names and exceptions get one line that says what was expected."""
    forward, place, problem = BAD[bad]
    with pytest.raises(UsageError) as caught:
        verify(tiny(), forward, populations=["hid"] if bad == "missing" else None)
    assert (caught.value.rule, caught.value.place) == ("OBS-4", place)
    assert problem in caught.value.problem
    assert len(str(caught.value).splitlines()) == 1


def test_calls_that_are_refused() -> None:
    """Unknown and no populations, and a number of examples that is none, are refused before anything runs."""
    for about in ({"populations": ["nope"]}, {"populations": []}, {"max_examples": -1}, {"max_examples": 1.5}):
        with refused(UsageError, "OBS-4"):
            verify(tiny(), lambda x: pytest.fail("it ran"), **about)  # type: ignore[arg-type]


def test_answers_that_change_their_names_are_refused() -> None:
    """The populations compared are the same in every call."""
    net = tiny()
    calls = iter([{}])

    def forward(images: np.ndarray) -> dict[str, np.ndarray]:
        result = fsref.run(net, images, record=["hid"])
        return {"logits": result.logits, **next(calls, result.codes)}

    with refused(UsageError, "OBS-4", "their answer"):
        verify(net, forward)


def test_corners() -> None:
    """The corner images hold a black one, a white one and single pixels, all are codes of the input, and they are the
    same each time.
    """
    for net in (tiny(), NET, unordered()):
        found = corners(net)
        assert found.shape[1:] == net.input.shape
        assert found.min() == 0
        assert found.max() == net.input.max_code
        assert not found[0].any()
        assert any((image == net.input.max_code).all() for image in found)
        assert sum(np.count_nonzero(image) == 1 for image in found) >= 3
        assert np.array_equal(found, corners(net))


def test_first_difference_is_in_the_order_of_the_law() -> None:
    """Image before population before neuron (OBS-2)."""
    right = {"a": np.zeros((3, 4), int), "b": np.zeros((3, 2), int)}
    assert first_difference(right, right) is None
    wrong = {"a": np.array([[0, 0, 0, 0], [0, 0, 0, 0], [1, 0, 0, 0]]), "b": np.array([[0, 0], [0, 1], [0, 0]])}
    assert first_difference(wrong, right) == (1, "b", 1)
    wrong["a"][1, 2:] = 5
    assert first_difference(wrong, right) == (1, "a", 2)


def test_a_quantised_onnx_file(tmp_path: Any) -> None:
    """A path is run as ONNX: fsref's own export agrees, and another network's does not."""
    pytest.importorskip("onnx")
    from fsref.formats import onnx

    onnx.save(NET, tmp_path / "same.onnx", codes=["stem", "pool"])
    assert verify(NET, tmp_path / "same.onnx", max_examples=3).populations == ("stem", "pool", "head")
    onnx.save(network("floor"), tmp_path / "other.onnx", codes=["stem"])
    with pytest.raises(Disagreement) as caught:
        verify(NET, str(tmp_path / "other.onnx"), populations=["stem"], max_examples=3)
    assert caught.value.population == "stem"
    with refused(fsref.errors.FileError, "FILE-5"):
        verify(NET, str(tmp_path / "none.onnx"))


def test_a_float_onnx_file_is_refused(tmp_path: Any) -> None:
    """The model before conversion is no second opinion: it is said to be float, and which outputs are wanted."""
    onnx = pytest.importorskip("onnx")
    infos = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["n", 4]) for name in "xy"]
    graph = onnx.helper.make_graph([onnx.helper.make_node("Relu", ["x"], ["y"])], "float", infos[:1], infos[1:])
    onnx.save(onnx.helper.make_model(graph), tmp_path / "float.onnx")
    with pytest.raises(
        UsageError,
        match=(
            r"float\.onnx: is a float model, of output: y \(a quantised one, "
            r"its outputs integers named logits, codes/stem, "
        ),
    ):
        verify(NET, tmp_path / "float.onnx")


def test_the_network_may_be_a_path_or_a_name(tmp_path: Any) -> None:
    """As everywhere: a file, or a model that comes with fsref; anything else is refused by its type."""
    tiny().save(tmp_path / "tiny.fs.npz")
    for path in (tmp_path / "tiny.fs.npz", str(tmp_path / "tiny.fs.npz")):
        assert verify(path, lambda x: fsref.run(tiny(), x).logits, max_examples=0).id == tiny().id
    digits = fsref.load("digits")
    assert verify("digits", lambda x: fsref.run(digits, x).logits, max_examples=0).id == digits.id
    with refused(UsageError, "RUN-2", "net"):
        verify(3, lambda x: x)  # type: ignore[arg-type]
    with refused(UsageError, "FILE-1"):
        verify("nobody", lambda x: x)


def test_strategies_still_stand() -> None:
    """`fsref.testing` has its strategies beside `verify`."""
    assert isinstance(verify(tiny(), lambda x: fsref.run(tiny(), x).logits, images=None, max_examples=0), Agreement)
    assert callable(cases)
    assert callable(networks)
