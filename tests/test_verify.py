"""Somebody else's conversion beside fsref: right ones pass; what differs is found, shrunk, and told (OBS-4)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import strategies as st

import fsref
from another import NET, Other, network, only, strict
from fsref.errors import UsageError
from fsref.testing import Agreement, Disagreement, cases, networks, verify
from fsref.verification.aimed import aimed
from fsref.verification.aims import corners
from fsref.verification.disagreement import first_difference
from handmade import NETS, draw, oracle, tiny, unordered
from refusals import refused


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
    assert lines[2:4] == [
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
    assert not caught.value.hints and "observed" not in str(caught.value)


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
    membrane, and is no known mistake, but at most a composed one, of that step alone.
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
    assert {*caught.value.causes} <= {"composed"}
    assert (caught.value.explained > 0) == bool(caught.value.hints)


def test_real_images_and_strategies() -> None:
    """Images may be an array to choose from, or a strategy; those that do not fit the network are refused."""
    pool = np.random.default_rng(3).integers(0, 256, (5, 3, 6, 6))
    seen: list[np.ndarray] = []

    def forward(images: np.ndarray) -> dict[str, np.ndarray]:
        seen.extend(images)
        return Other()(images)

    verify(NET, forward, images=pool, max_examples=10)
    assert all((pool == image).all(axis=(1, 2, 3)).any() for image in seen[len(aimed(NET).images) :])
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
    none = str(tmp_path / "none.onnx")
    with refused(fsref.errors.FileError, "FILE-5", none, "No such file or directory", says="onnx: cannot be read: No"):
        verify(NET, none)


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


def test_a_table_of_answers(tmp_path: Path) -> None:
    """Answers that are there already, of any observable, are compared on the images they answer: a recording, arrays by
    name, the files of either; populations choose. A wrong one is told with its image, place, membrane and cause.
    """
    net = NET
    images = np.concatenate([draw(net, 3, 3), aimed(net).images[len(corners(net)) :][:3]])
    trace = fsref.run(net, images, record=fsref.Record(observables=("opening", "membranes", "codes"))).trace
    assert trace is not None
    arrays = {".".join(key): array for key, array in trace.arrays.items()}
    np.savez(tmp_path / "a.npz", **arrays)
    np.savetxt(tmp_path / "join.csv", arrays["join.codes"], delimiter=",", fmt="%d")
    fsref.run(net, images, record=fsref.Record(path=tmp_path / "r"))
    for table in (trace, arrays, tmp_path / "a.npz", str(tmp_path / "join.csv"), tmp_path / "r"):
        found = verify(net, table, images)
        assert found.image_count == 6 and found.values > 0 and 0 < found.busy < 1
    assert verify(net, arrays, images, populations=["stem"]).populations == ("stem",)
    with refused(UsageError, "OBS-4", "verify", says="images=(B, C, H, W)"):
        verify(net, arrays)
    wrong = Other(divide=only("stem", strict))(images.astype(np.uint8))
    with pytest.raises(Disagreement) as caught:
        verify(net, wrong, images)
    told = caught.value
    p = net["stem"]
    assert told.population == "stem" and told.causes == ("strict-comparison",) and told.above == 0
    assert (
        told.theirs
        == wrong["stem"].reshape(6, -1)[np.argwhere((told.image == images).all(axis=(1, 2, 3)))[0, 0]][told.neuron]
    )
    assert told.place[0] * p.shape[1] * p.shape[2] + told.place[1] * p.shape[2] + told.place[2] == told.neuron
    late = {**arrays, "stem.membranes": arrays["stem.membranes"] + (np.arange(arrays["stem.membranes"].shape[-1]) == 5)}
    with pytest.raises(Disagreement, match=r"image 0 step \d+ neuron 5 .*membranes: observed"):
        verify(net, late, images)
