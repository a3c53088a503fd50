"""The kernels of byte dots give what `reference` gives, at every extreme, in every form, on every processor."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path

import pytest

import byte_forms
import fsref
from byte_forms import images, one, weights
from fsref import Input, run
from fsref.engines import dense
from fsref.engines.frames import frames_of
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
    """Byte dots, and NumPy for what is left to it; NumPy alone where codes are no bytes (RUN-2)."""
    net = one(Input("in", (2, 3, 3)), weights(3, 2, 3, 3), 99)
    told = run(net, images(net), "quantized").kernels
    assert told.startswith("dots of bytes, by ") and told.endswith("; NumPy and its BLAS for 1 of 3 populations")
    net = one(Input("in", (2, 3, 3), 9, 256), weights(3, 2, 3, 3), 99)
    assert run(net, images(net), "quantized").kernels == "NumPy and its BLAS"


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
        assert made == ["in", "a"]
    beyond = one(Input("in", (2, 3, 3), 9, 256), weights(3, 2, 3, 3), 99)
    run(beyond, images(beyond), "quantized", record=["a"])
    lives = weakref.ref(net), weakref.ref(beyond)
    del net, beyond
    gc.collect()
    assert [of() for of in lives] == [None, None]


def test_a_network_that_the_kernels_do_is_done_whole() -> None:
    """All but the readout of the shipped networks, whose codes and membranes are bytes and 32 bits."""
    for name in ("digits", "resnet8", "mixed"):
        net = fsref.load(name)
        assert [p.name for p in net.populations if p.name not in frames_of(net)] == [net.readout.name]
