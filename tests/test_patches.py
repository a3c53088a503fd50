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
from fsref import FS, Conv2d, Dense, Input, Network, Readout, Table, fs_relu
from fsref.engines.plan import plan_of, planned
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


def test_a_result_says_which_kernels_delivered() -> None:
    """The kernels, and how many projections went by which."""
    net = fsref.load("digits")
    said = fsref.run(net, np.zeros((1, 1, 8, 8), np.int64)).kernels
    assert said.startswith("vectors, by ") and said.endswith(": int16 4, lanes 2")
