"""Images that aim at where rules decide in hidden populations, from the image on (COVER-4): what is wrong there alone
is caught, what they reach is what the law says they do, and nothing that they miss is called reached.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fsref
from fsref import FS, Conv2d, Dense, Input, MaxPool, Network, Readout, fs_relu
from fsref.cli.main import main
from fsref.coverage.bins import reached
from fsref.coverage.cover import cover
from fsref.coverage.marks import Near, marks_of
from fsref.coverage.slopes import slopes
from fsref.errors import UsageError
from fsref.law.images import drawn_images
from fsref.law.populations import OBSERVABLES
from fsref.simulation.recording import Record
from fsref.testing import Disagreement, networks, verify
from fsref.verification.aimed import TAKEN, aimed
from fsref.verification.aims import corners
from handmade import chain, residual
from refusals import refused
from repeatable import LONG, drawn

Core = Callable[[np.ndarray, np.ndarray, FS], np.ndarray]


def saturates_late(v: np.ndarray, theta: np.ndarray, p: FS) -> np.ndarray:
    """The code of a neuron that saturates at 2^K, one too high."""
    return np.clip(v // theta, 0, 2**p.steps)


def a_step_too_many(v: np.ndarray, theta: np.ndarray, p: FS) -> np.ndarray:
    """The code of a neuron that fires once more, at the last threshold, where theta or more is left."""
    code = np.clip(v // theta, 0, 2**p.steps - 1)
    return code + (v - code * theta >= theta)


def silent_at_the_end(v: np.ndarray, theta: np.ndarray, p: FS) -> np.ndarray:
    """The code of a neuron that is right but where its membrane is 2^K theta, to the integer."""
    return np.where(v == theta << p.steps, 0, np.clip(v // theta, 0, 2**p.steps - 1))


def core(net: Network, name: str, wrong: Core) -> Callable[[np.ndarray], dict[str, np.ndarray]]:
    """A device that feeds itself, right but in the neurons of one population: what it answers of that."""
    p = net[name]
    assert isinstance(p, FS)
    theta = p.table.rows(p.shape[0])[0][:, -1].reshape(-1, 1, 1)

    def forward(images: np.ndarray) -> dict[str, np.ndarray]:
        trace = fsref.run(net, images, "quantized", Record([name], ("opening",))).trace
        assert trace is not None
        return {name: wrong(trace[name, "opening"].reshape(len(images), *p.shape), theta, p)}

    return forward


def small() -> Network:
    """Three fs populations, of which the last two saturate on few images: positive and negative weights cancel."""
    rng = np.random.default_rng(1)
    one, two = FS("one", (4, 6, 6), fs_relu(4, 9), np.array([3, 0, -5, 7])), FS("two", (4, 6, 6), fs_relu(4, 9))
    three = FS("three", (3, 3, 3), fs_relu(5, 5), np.array([-9, 4, 11]))
    return chain(
        Conv2d("in", "one", rng.integers(-3, 4, (4, 1, 3, 3)), padding=(1, 1, 1, 1)),
        one,
        Conv2d("one", "two", rng.integers(-6, 6, (4, 4, 3, 3)), padding=(1, 1, 1, 1)),
        two,
        Conv2d("two", "three", rng.integers(-8, 7, (3, 4, 2, 2)), stride=(2, 2)),
        three,
        Dense("three", "out", rng.integers(-5, 6, (3, 27))),
        given=Input("in", (1, 6, 6), 4, 15),
        readout=Readout("out", (3, 1, 1)),
    )


@pytest.mark.parametrize("name", ["two", "three"])
def test_what_saturates_late_in_a_hidden_layer_is_caught(name: str) -> None:
    """A core that is wrong at 2^K theta alone, in a hidden layer, is caught in the device that feeds itself by images
    that aim, where corner images and a hundred drawn ones call it equal.
    """
    net = small()
    assert verify(net, core(net, name, silent_at_the_end), budget=0).tried == 0
    with pytest.raises(Disagreement) as caught:
        verify(net, core(net, name, silent_at_the_end), max_examples=0)
    found = caught.value
    c = found.place[0]
    table = net[name].table.rows(net[name].shape[0])[0]
    assert found.population == name and found.membrane == 2 * table[c, 0]


def test_hidden_layers_of_digits() -> None:
    """A core of digits that saturates at 2^K, or fires a step too many, is wrong on images that aim, in every hidden
    layer; `verify` names it before an image is drawn.
    """
    net = fsref.load("digits")
    images = aimed(net).images
    for name in ("conv1", "depth1", "merge1", "conv2"):
        right = fsref.run(net, images, "quantized", [name]).codes[name]
        for wrong in (saturates_late, a_step_too_many):
            assert (core(net, name, wrong)(images)[name].reshape(right.shape) != right).any(), (name, wrong)
    with pytest.raises(Disagreement) as caught:
        verify(net, core(net, "merge1", a_step_too_many), max_examples=0)
    assert caught.value.population == "merge1" and "saturates-late" in caught.value.causes


@settings(drawn, max_examples=100 if LONG else 3)
@given(net=networks(), seed=st.integers(0, 3))
def test_what_is_told_is_so(net: Network, seed: int) -> None:
    """The images fit the network, corners come first, none stands there twice; of each population what is told to be
    reached is what the law makes of these images; the same seed gives the same; and the budget is kept.
    """
    found, again = (aimed(network, 40, seed) for network in (net, Network(net.populations, net.projections)))
    assert np.array_equal(found.images, again.images) and found.reach == again.reach
    assert found.tried <= found.budget == 40 and len(found.images) <= len(corners(net)) + TAKEN
    assert np.array_equal(found.images[: len(corners(net))], corners(net))
    assert found.images.min() >= 0 and found.images.max() <= net.input.max_code
    others = found.images[len(corners(net)) :].reshape(-1, net.input.neurons)
    assert len(np.unique(others, axis=0)) == len(others)
    covered = cover(net, found.images)
    for reach in found.reach:
        rules = ("FS-", "POOL-", "RANGE-", "NET-6", "NET-8")
        mine = [
            (group, bins)
            for group, bins in zip(covered.groups, covered.reached, strict=True)
            if group.place == reach.population and group.rule.startswith(rules)
        ]
        assert reach.reached == sum(int(bins.sum()) for _, bins in mine)
        assert reach.unreachable >= sum(int(group.unreachable.sum()) for group, _ in mine)
        assert reach.bins == sum(bins.size for _, bins in mine)


@settings(drawn, max_examples=200 if LONG else 10)
@given(net=networks())
def test_a_mark_is_met_where_its_bin_is(net: Network) -> None:
    """An image misses a mark by 0 just where it reaches the mark's bin; what it misses is told with the place, and
    added to the membrane there would meet it.
    """
    images = drawn_images(net.input, 3, seed=5)
    record = Record([p.name for p in net.populations], OBSERVABLES)
    for image in images:
        trace = fsref.run(net, image[None], "quantized", record).trace
        assert trace is not None
        coverage = reached(net, trace.arrays)
        met = {group.key: bins for group, bins in zip(coverage.groups, coverage.reached, strict=True)}
        for marks in marks_of(net):
            near = Near.none(len(marks.bins))
            marks.look(trace[marks.p.name, "opening"], np.ones(len(marks.bins), bool), near)
            for bin_number in range(len(marks.keys)):
                rule, what, index = marks.keys[bin_number]
                hit = bool((near.missing[marks.bins == bin_number] == 0).any())
                assert hit == met[rule, marks.p.name, what].reshape(-1)[index], (rule, what, index)
            first = np.flatnonzero(marks.steps == 0)
            v = marks.membranes(trace[marks.p.name, "opening"])[0]
            moved = v[marks.channels[first], near.place[first]] + near.missing[first]
            assert ((marks.low[first] <= moved) & (moved <= marks.high[first])).all()


def test_slopes_of_a_first_population_are_its_weights() -> None:
    """The slope of a membrane that reads the input alone is the weight of each pixel; behind a max-pool and a second
    layer a pixel that reaches the neuron has one, others have none.
    """
    net = residual()
    first = next(p for p in net.fs if net.sources(p.name) == (net.input.name,))
    wanted = np.zeros((1, *first.shape))
    wanted[0, 0, 1, 1] = 1
    found = slopes(net, first.name, wanted, {})[0]
    for pixel in np.ndindex(net.input.shape):
        image = np.zeros((2, *net.input.shape), np.int64)
        image[(1, *pixel)] = 1
        trace = fsref.run(net, image, "quantized", Record([first.name], ("opening",))).trace
        assert trace is not None
        black, lit = trace[first.name, "opening"].reshape(2, *first.shape)[:, 0, 1, 1]
        assert found[pixel] == lit - black


def test_pools_are_told_and_budgets_refused() -> None:
    """Max-pools are counted like other populations; a budget that is no number of images is one line."""
    fs, pool = FS("fs", (2, 4, 4), fs_relu(3, 2)), MaxPool("pool", (2, 2, 2), "fs", (2, 2), (2, 2))
    net = chain(Conv2d("in", "fs", np.ones((2, 1, 1, 1), np.int64)), fs, pool, given=Input("in", (1, 4, 4), 3, 7))
    told = {reach.population: reach for reach in aimed(net, 50).reach}
    assert list(told) == ["fs", "pool", "out"] and told["pool"].reached and not told["pool"].not_found
    for budget in (-1, True, 1.5, 2**20 + 1):
        with refused(UsageError, "OBS-4", "verify", says="budget is no number of images"):
            verify(net, lambda x: fsref.run(net, x).logits, budget=budget)  # type: ignore[arg-type]


def test_the_verb(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without THEIRS it says what the images reach, and writes them as a source; as JSON the same; a table of answers,
    and options that would do nothing, are refused in a line.
    """
    net, out = residual(), tmp_path / "aim.npz"
    net.save(tmp_path / "net.fs.npz")
    model = str(tmp_path / "net.fs.npz")
    assert main(["verify", model, "--budget", "40", "--out", str(out)]) == 0
    text = capsys.readouterr().out
    assert "not found" in text and f"written  {out}" in text
    with np.load(out) as held:
        assert np.array_equal(held["x"], aimed(net, 40).images)
    assert main(["cover", model, str(out)]) == 0
    capsys.readouterr()
    assert main(["verify", model, "--budget", "40", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["tried"] <= 40 and told["agrees"] is None and told["theirs"] is None
    assert told["reach"] == [reach.to_dict() for reach in aimed(net, 40).reach]
    assert [one["population"] for one in told["reach"]] == [p.name for p in net.populations[1:]]
    for command, says in (
        ([model, str(out)], "fsref diff NET IMAGES DUMP"),
        ([model, "--examples", "3"], "goes with THEIRS"),
        ([model, "--budget", "3", "--out", str(out)], "--force"),
    ):
        assert main(["verify", *command]) == 2
        assert says in capsys.readouterr().err


def test_the_verb_holds_an_onnx_file_against_a_network(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The integers that fsref exports are equal, exit code 0; those of a network with another bias are not, exit code
    1, told with population, neuron and both values.
    """
    pytest.importorskip("onnxruntime")

    def biased(bias: int) -> Network:
        fs = FS("fs", (2, 4, 4), fs_relu(3, 2), np.array([0, bias]))
        ones = np.ones((2, 1, 1, 1), np.int64)
        return chain(Conv2d("in", "fs", ones), fs, given=Input("in", (1, 4, 4), 3, 7))

    model, theirs = str(tmp_path / "net.fs.npz"), str(tmp_path / "net.onnx")
    biased(1).save(model)
    assert main(["export", model, "--format", "onnx", "--codes", "fs", "--out", theirs]) == 0
    assert main(["verify", model, theirs, "--budget", "60", "--examples", "2"]) == 0
    assert "equal in" in capsys.readouterr().out
    biased(2).save(tmp_path / "other.fs.npz")
    assert main(["verify", str(tmp_path / "other.fs.npz"), theirs, "--budget", "60", "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["agrees"] is False and told["population"] == "fs" and told["place"][0] == 1
