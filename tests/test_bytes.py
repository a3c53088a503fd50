"""The kernels of byte dots give what `reference` gives, at every extreme, in every form, on every processor."""

from __future__ import annotations

import gc
import weakref
from dataclasses import replace
from pathlib import Path

import pytest

import byte_forms
import fsref
from byte_forms import images, one, weights
from fsref import Input, Network, run
from fsref.engines import dense
from fsref.engines.frames import GROUP
from fsref.law.populations import Population
from processors import PROCESSORS, printed


@pytest.mark.parametrize("name", byte_forms.HOLD)
def test_byte_dots_are_the_reference(name: str) -> None:
    """Compiled for this processor (RUN-2)."""
    byte_forms.HOLD[name]()


@pytest.mark.parametrize("name", PROCESSORS)
def test_byte_dots_are_the_same_on_every_processor(name: str, tmp_path: Path) -> None:
    """So they are by instructions that sum four bytes at once, by pairs of widened bytes, and by nothing but what all
    processors have; as plain Python, some alone.
    """
    asked = ["joined"] if name == "python" else list(byte_forms.HOLD)
    assert printed(name, byte_forms.__file__, asked, tmp_path).split() == asked


def test_the_result_says_which_kernels_ran() -> None:
    """Byte dots, and NumPy for what is left to it; NumPy alone where 32 bits hold no membrane (RUN-2)."""
    net = one(Input("in", (2, 3, 3)), weights(3, 2, 3, 3), 99)
    told = run(net, images(net), "quantized").kernels
    assert told.startswith("dots of bytes, by ") and ";" not in told
    wide = one(Input("in", (2, 3, 3)), weights(3, 2, 3, 3), 99, [0, 2**40, 0])
    assert run(wide, images(wide), "quantized").kernels == "NumPy and its BLAS"
    out = replace(net.readout, bias=[0, 2**40, 0])
    part = Network([*net.populations[:-1], out], net.projections)
    assert run(part, images(part), "quantized").kernels == f"{told}; NumPy and its BLAS for 1 of 3 populations"


def test_a_plan_is_made_once_and_goes_with_its_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second run makes none; and what is kept of a network does not keep it."""
    made: list[str] = []
    true = dense.Planner.add

    def add(self: dense.Planner, p: Population) -> None:
        made.append(p.name)
        true(self, p)

    monkeypatch.setattr(dense.Planner, "add", add)
    net = one(Input("in", (2, 3, 3)), weights(3, 2, 3, 3), 99)
    for _ in range(2):
        run(net, images(net), "quantized")
        assert made == ["in", "a", "out"]
    beyond = one(Input("in", (2, 3, 3)), weights(3, 2, 3, 3), 99, [0, 2**40, 0])
    run(beyond, images(beyond), "quantized", record=["a"])
    lives = weakref.ref(net), weakref.ref(beyond)
    del net, beyond
    gc.collect()
    assert [of() for of in lives] == [None, None]


def test_a_network_that_the_kernels_do_is_done_whole() -> None:
    """All of the shipped networks, whose membranes are 32 bits."""
    for name in ("digits", "resnet8", "mixed"):
        assert not byte_forms.left(fsref.load(name))


def test_rooms_are_kept_and_have_no_more_than_some_images() -> None:
    """A run that records nothing takes room for a group of images, however many it is of, and gives it to the next."""
    net = one(Input("in", (2, 3, 3)), weights(3, 2, 3, 3), 99)
    first = run(net, images(net, 99), "quantized", threads=1)
    plan = dense.plan_of(net)
    (room,) = plan.idle
    assert room.size == GROUP * plan.framing.size
    run(net, images(net, 9), "quantized", batch=2, threads=2)
    assert any(own is room for own in plan.idle) and len(plan.idle) <= 2
    run(net, images(net), "quantized", record=["a"])  # in room of its own
    assert len(plan.idle) <= 2 and first.trace is None
