"""The fast kernels of the `events` engine against plain loops, on every form of projection, every kernel path and at
the edge of every proof; and the plan: made once, gone with its network.
"""

from __future__ import annotations

import ast
import gc
import weakref
from pathlib import Path

import numpy as np
import pytest

import forms
import fsref
import handmade
from fsref import FS, Conv2d, Dense, Input, Network, Readout, Record, Table, fs_relu
from fsref.engines.plan import plan_of, planned
from fsref.engines.planes import Arena
from fsref.law.populations import OBSERVABLES
from processors import PROCESSORS, printed

BOTH = {"int16", "int32"}


def test_every_form_is_fast_and_the_same() -> None:
    """Every form has a fast delivery, in narrow and wide lanes, equal to plain loops in every observable and count."""
    used = forms.all_agree(6, forms.FORMS)
    assert used.pop("depthwise") == {"lanes"}
    assert set(used) == set(forms.FORMS) - {"depthwise"}
    assert all(kinds >= BOTH for kinds in used.values()), used


@pytest.mark.parametrize("name", PROCESSORS)
def test_every_form_is_the_same_on_every_processor(name: str, tmp_path: Path) -> None:
    """So it is in Python, and compiled for less than this processor has."""
    few = ["conv", "depthwise"] if name != "python" else forms.FORMS  # compiling takes its time
    found = printed(name, forms.__file__, ["1", *few], tmp_path)
    assert list(ast.literal_eval(found)) == list(few)


def edge(weight: int, last: int, steps: int, sign: int) -> Network:
    """One target that hears 16 channels through one weight, and one through another: their codes at most, added up."""
    weights = np.full((1, 17, 1, 1), weight)
    weights[0, 16] = last
    return Network(
        [Input("in", (17, 1, 2), steps, 2**steps - 1), FS("a", (1, 1, 2), fs_relu(8, 999)), Readout("out", (1, 1, 1))],
        [Conv2d("in", "a", sign * weights), Dense("a", "out", [[1]], pooled=True)],
    )


@pytest.mark.parametrize(
    ("weight", "last", "steps", "sign", "form"),
    [
        (136, 8, 4, 1, "int16"),  # 15·(16·136 + 8) = 32,760: the next one is 32,775
        (136, 9, 4, 1, "int16 runs"),
        (136, 8, 4, -1, "int16"),
        (136, 9, 4, -1, "int16 runs"),
        (136, 8, 8, 1, "int16"),  # steps 1..4 in a list of their own
        (136, 9, 8, 1, "int16 runs"),  # of 30 rows: 30·8·136 = 32,640
        (2048, -1, 1, -1, "int16"),  # -32,768 alone still fits
        (2048, 1, 1, -1, "int16 runs"),
        (2048, 0, 1, 1, "int16 runs"),
        (5461, 5461, 1, 1, "int16 runs"),  # six of them are 32,766
        (5461, 5461, 1, -1, "int16 runs"),
        (5462, 5462, 1, 1, "int32"),
        (682, 682, 4, 1, "int16 runs"),  # 6·8·682 = 32,736
        (683, 683, 4, 1, "int32"),
    ],
)
def test_lanes_of_16_bits_hold_up_to_their_last_number(
    weight: int, last: int, steps: int, sign: int, form: str
) -> None:
    """With every neuron spiking in every step sums in 16 bits come to their very end; beyond it they are taken in runs
    of as many rows as fit, and in 32 bits where few do.
    """
    net = edge(weight, last, steps, sign)
    assert plan_of(net).forms["in->a"] == form
    assert forms.differs(net, np.full((2, 17, 1, 2), 2**steps - 1)) is None


@pytest.mark.parametrize("steps", [1, 2, 3, 4, 5, 8, 9, 13, 16])
@pytest.mark.parametrize("top", [2**27, 2**30 - 1, 2**30])
def test_thresholds_of_an_fs_relu_up_to_their_last_number(steps: int, top: int) -> None:
    """Thresholds halve from step to step, up to where twice the first is the last number of 32 bits, and beyond;
    membranes at each of them, one below, and at what no more spikes can take away.
    """
    theta = np.full(20, top >> (steps - 1))
    at = np.unique(
        [n for t in range(steps) for n in (theta[0] << t, (theta[0] << t) - 1)] + [2**31 - 2, -(2**31) + 2, 0]
    )
    bias = np.resize(at, (20, 1, 6))
    populations = [
        Input("in", (1, 1, 6), 1, 1),
        FS("a", (20, 1, 6), fs_relu(steps, theta), bias),
        Readout("out", (1, 1, 1)),
    ]
    net = Network(
        populations, [Conv2d("in", "a", np.zeros((20, 1, 1, 1), int)), Dense("a", "out", np.ones((1, 120), int))]
    )
    assert "a" not in plan_of(net).shaping.wide
    assert forms.differs(net, np.zeros((2, 1, 1, 6), int)) is None


@pytest.mark.parametrize("bias", [2**31 - 3, 2**31 - 2, 2**31 - 1, 2**31, -(2**31) + 2, -(2**31), -(2**31) - 1])
@pytest.mark.parametrize("threshold", [5, 2**31 - 2, 2**31 - 1, 2**40, -(2**40)])
def test_membranes_of_32_bits_hold_up_to_their_last_number(bias: int, threshold: int) -> None:
    """Membranes at the ends of 32 bits and thresholds beyond them: fast where they fit, plain loops where not."""
    table = Table(np.array([threshold, 5]), np.array([0, 1]), np.array([3, -1]))
    populations = [Input("in", (1, 1, 1), 1, 1), FS("a", (1, 1, 1), table, [bias]), Readout("out", (1, 1, 1))]
    net = Network(populations, [Dense("in", "a", [[0]]), Dense("a", "out", [[1]])])
    assert ("a" in plan_of(net).shaping.wide) == (max(abs(bias), abs(bias - 1) * (bias >= 5)) >= 2**31 - 1)
    assert forms.differs(net, np.array([0, 1]).reshape(2, 1, 1, 1)) is None


def unread(what: str) -> Network:
    """A network with numbers beyond 32 bits in a place of a kernel where their low bits, or none, are enough."""
    places, classes, weights, table = (1, 1), 1, np.array([[1]]), fs_relu(8, 2**20)
    source, into = Input("in", (1, 1, 1), 8, 255), np.zeros((1, 1, 1, 1), int)
    bias = [0]
    if what == "reset":
        table, bias = Table(np.array([0]), np.array([2**31 + 100]), np.array([1])), [2**30]
    elif what == "margin":  # nine images of 255 take what falls beyond the border past 2^31
        source, places, into = Input("in", (1, 2, 2), 8, 255), (2, 2), np.full((1, 1, 3, 3), 2**20)
        weights = np.ones((1, 4), int)
    elif what == "code":  # that of channel 1 is 2^32 - 2, times 0
        d = np.array([[1, 2], [2**31 - 1, 2**31 - 1]])
        source, table, into = (
            Input("in", (2, 1, 1), 2, 3),
            Table(np.array([1, 1]), np.array([0, 0]), d),
            np.array([1, 1]),
        )
        classes, bias = 2, [0, 0]
    elif what == "sum":  # of weights, times -2^30
        table, bias = Table(np.array([0]), np.array([0]), np.array([[-(2**30)], *[[1]] * 5])), [0, *[-1] * 5]
        weights, into = np.array([[0, *[2**31 - 1] * 5]]), np.zeros((6, 1, 1, 1), int)
    channels = len(bias)
    populations = [source, FS("a", (channels, *places), table, bias)]
    padding = (1, 1, 1, 1) if what == "margin" else (0, 0, 0, 0)
    joined = [Conv2d("in", "a", into.reshape(channels, -1, *into.shape[2:] or (1, 1)), padding=padding)]
    if what == "code":
        joined = [Conv2d("in", "a", into.reshape(2, 1, 1, 1), groups=2)]
        populations.append(FS("b", (2, 1, 1), fs_relu(2, 1), [0, 0]))
        joined.append(Conv2d("a", "b", np.array([1, 0]).reshape(2, 1, 1, 1), groups=2))
        weights = np.eye(2, dtype=int)
    joined.append(Dense(populations[-1].name, "out", weights))
    return Network([*populations, Readout("out", (classes, 1, 1))], joined)


@pytest.mark.parametrize("what", ["reset", "margin", "code", "sum"])
def test_what_is_beyond_32_bits_and_not_needed_is_let_go(what: str) -> None:
    """A reset whose membrane fits, a margin, a code times 0, and a sum of weights may leave 32 bits: no integer
    changes.
    """
    net = unread(what)
    assert plan_of(net).shaping.wide == ({"out"} if what == "sum" else set())  # quantized alone takes that in 32 bits
    images = np.full((12, *net.input.shape), net.input.max_code)
    for engine in ("events", "quantized"):
        found, wanted = (fsref.run(net, images, name, threads=1) for name in (engine, "reference"))
        assert (found.logits == wanted.logits).all()
        assert all((count == wanted.spike_counts[name]).all() for name, count in found.spike_counts.items())
    assert forms.differs(net, images) is None


def test_a_number_that_does_not_fit_is_no_part_of_a_plan() -> None:
    """What a kernel reads whole is whole in its arrays: nothing is cut silently."""
    with pytest.raises(AssertionError):
        Arena(np.int16).put(np.array([2**15]))
    assert Arena(np.int16).put(np.array([-(2**15)])) == 0


def test_a_plan_is_made_once_and_goes_with_its_network() -> None:
    """Runs share one plan, and the states of threads that have ended; nothing of it keeps the network alive."""
    for seed in (0, 1):  # the second has plain loops
        net = forms.network(seed, "conv")
        x = forms.images(net, 3)
        assert planned(net) is None
        fsref.run(net, x, threads=1)
        plan = plan_of(net)
        fsref.run(net, x, threads=1, record=["a", "b"])
        assert plan_of(net) is plan and planned(net) == 1
        gone = weakref.ref(net)
        del net, plan
        gc.collect()
        assert gone() is None


def test_a_run_that_fails_leaves_no_state_behind() -> None:
    """What a stopped run has left in membranes is not met by the next."""
    net = forms.network(2, "conv")
    x = forms.images(net, 2)
    right = fsref.run(net, x, threads=1).logits.tolist()
    every = {p.name: forms.EVERYTHING for p in net.populations}
    simulate = fsref.engines.events.simulator(net)
    with pytest.raises(ValueError, match="broadcast"):
        list(simulate([x[0], x[1, :, :, 1:]], every))  # type: ignore[arg-type]
    assert planned(net) == 0
    assert fsref.run(net, x, threads=2).logits.tolist() == right


@pytest.mark.parametrize("name", ["digits", *handmade.NETS])
def test_trains_and_codes_alone_are_those_of_a_whole_recording(name: str) -> None:
    """Where nothing but trains or codes is recorded, of all populations or of some, kernels tell them for several
    images at a time: the same, image by image, as where every observable is.
    """
    net = fsref.load("digits") if name == "digits" else handmade.NETS[name]()
    images = handmade.draw(net, 9, 3)
    whole = fsref.run(net, images, record=Record(observables=OBSERVABLES), threads=1)
    names = [p.name for p in net.spiking]
    assert whole.trace is not None
    for populations, observables in ((None, ["spikes"]), (names[::2], ["codes"]), (names[1:2], ["codes", "spikes"])):
        some = fsref.run(net, images, record=Record(populations, observables), batch=9, threads=1)
        assert some.trace is not None and len(some.trace.arrays) >= len(observables)
        for key, values in some.trace.arrays.items():
            assert np.array_equal(values, whole.trace.arrays[key]), key
        for told, wanted in ((some.outputs, whole.outputs), (some.spike_counts, whole.spike_counts)):
            assert told.keys() == wanted.keys() and all(np.array_equal(told[key], wanted[key]) for key in wanted)


def test_a_result_says_which_kernels_delivered() -> None:
    """The kernels, and how many projections went by which."""
    net = fsref.load("digits")
    said = fsref.run(net, np.zeros((1, 1, 8, 8), np.int64)).kernels
    assert said.startswith("vectors, by ") and said.endswith(": int16 4, lanes 2")
