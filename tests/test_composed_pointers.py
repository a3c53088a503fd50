"""Causes composed of pointers and registers: a chip that makes a few outputs at once, which reads weights one after
another from a memory for each of them, and adds products a cycle later; each time with one slip, which is named; and
none where one integer more is wrong (CONFORM-7).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from answering import composed_of, driven, off
from fsref import FS, Conv2d, Dense, Input, Network, Readout, fs_relu
from fsref.vectors.case import Case, case_of
from fsref.verification.causes import Judged

K, LANES = 4, 4  # steps, and outputs that are made at once


def network() -> Network:
    """A dense and a pooled one of rows of five neurons, a dense of one row, and a conv2d whose windows leave its source
    and whose kernel is not square.
    """
    rng = np.random.default_rng(11)
    return Network(
        [
            Input("in", (2, 3, 5), K, 15),
            FS("all", (19, 1, 1), fs_relu(K, 90), np.arange(19)),
            FS("pooled", (6, 1, 1), fs_relu(K, 90), np.arange(6)),
            FS("two", (4, 3, 4), fs_relu(K, 90), np.arange(4)),
            Readout("out", (11, 1, 1), np.arange(11)),
        ],
        [
            Dense("in", "all", rng.integers(-60, 61, (19, 30))),
            Dense("in", "pooled", rng.integers(-60, 61, (6, 2)), pooled=True),
            Conv2d(
                "in", "two", rng.integers(-60, 61, (4, 2, 3, 2)), padding=(1, 1, 1, 0), stride=(1, 1), dilation=(1, 2)
            ),
            Dense("all", "out", rng.integers(-60, 61, (11, 19))),
            Dense("pooled", "out", rng.integers(-60, 61, (11, 6))),
            Dense("two", "out", rng.integers(-60, 61, (11, 48))),
        ],
    )


NET = network()


class Chip:
    """Rows without a spike are skipped; a mistake overrides a method, or a number."""

    words = ""
    silent: int | None = None  # weights that are passed over with a row without a spike, its own unless told
    rewinds = True  # whether the pointer is set back in each step
    late = False  # whether a weight comes one read late
    drained = True  # whether the last product is added
    passes = True  # whether the pointer moves on at places outside of the source
    turned = False  # whether a kernel has as many rows as columns, and columns as rows
    holds = False  # whether outside of the source stands what was read there for the window before

    def sums(self, name: str, z: Any) -> list[int]:
        """What a projection delivers from spikes (K, C, H, W)."""
        q = NET.named_projections[name]
        if isinstance(q, Conv2d):
            return self.windows(q, z)
        return self.gathered(q, z)

    def gathered(self, q: Dense, z: Any) -> list[int]:
        """The sums of a dense, output by output."""
        _, channels, height, width = z.shape
        outputs, inputs = q.weights.shape
        memory = [q.weights[lane::LANES].ravel().tolist() + [0] * 999 for lane in range(LANES)]
        left = [0] * LANES  # in the register of a lane
        found = []
        for o in range(outputs):
            lane, start = o % LANES, o // LANES * inputs
            products, at = [], start
            for t in range(K):
                at = start if self.rewinds or t == 0 else at
                for c in range(channels):
                    for y in range(height):
                        row = z[t, c, y].tolist()
                        if not any(row):
                            at += 0 if q.pooled else width if self.silent is None else self.silent
                            continue
                        for fires in row:
                            w = left[lane] if self.late else memory[lane][at]
                            left[lane] = memory[lane][at]
                            products.append(w * fires << (K - 1 - t))
                            at += not q.pooled
                    at += q.pooled
            found.append(sum(products if self.drained else products[:-1]))
        return found

    def windows(self, q: Conv2d, z: Any) -> list[int]:
        """The sums of a conv2d, window by window."""
        _, _, height, width = z.shape
        outputs, inputs, kh, kw = q.weights.shape
        rows, columns = NET[q.target].shape[1:]
        kh, kw = (kw, kh) if self.turned else (kh, kw)
        held: dict[Any, list[int]] = {}
        found = []
        for o, oy, ox in np.ndindex(outputs, rows, columns):
            weights, products = q.weights[o].ravel().tolist(), []
            for t in range(K):
                at = 0
                for i, r, s in np.ndindex(inputs, kh, kw):
                    y, x = oy - q.padding[0] + r, ox - q.padding[1] + s * q.dilation[1]
                    inside = 0 <= y < height and 0 <= x < width
                    place = (o, t, i, r, s)
                    fires = int(z[t, i, y, x]) if inside else held.get(place, [0])[0] if self.holds else 0
                    held[place] = [fires]
                    products.append(weights[at] * fires << (K - 1 - t))
                    at += inside or self.passes
            found.append(sum(products if self.drained else products[:-1]))
        return found


class StaysInSilence(Chip):
    """The weights stay where they are with a row without a spike."""

    words = "the weights of a dense do not move on with a row that sends nothing in a step [PROJ-1]"
    silent = 0


class MovesByEight(Chip):
    """The weights move on by the width of a memory."""

    words = "move on by 8 with a row that sends nothing in a step, and run on to those of the output 4 behind [PROJ-1]"
    silent = 8


class NotRewound(Chip):
    """The weights of a step begin behind those of the one before."""

    words = "the weights of a step begin behind those of the step before, and run on to those of the output 4 behind"
    rewinds = False


class Late(Chip):
    """Each spike finds the weight that was read before."""

    words = (
        "read for the neuron before it, where a row without a spike is skipped, the first that for the output 4 before"
    )
    late = True


class NotDrained(Chip):
    """The last product of each sum is lost."""

    words = "the last product of each sum is lost, where a row without a spike is skipped [PROJ-1]"
    drained = False


class InsideAlone(Chip):
    """The weights of a window do not move on outside of the source."""

    words = "a window reads its weights in turn at places inside of the source alone [PROJ-1]"
    passes = False


class Turned(Chip):
    """A kernel has as many rows as it should have columns."""

    words = "a window has as many kernel rows as there are columns, and columns as there are rows [PROJ-1]"
    turned = True


class Holds(Chip):
    """What was read at a place of the kernel stays there."""

    words = "a window sees outside of the source what it saw at that place of its kernel last [PROJ-1]"
    holds = True


CHIPS = [StaysInSilence, MovesByEight, NotRewound, Late, NotDrained, InsideAlone, Turned, Holds]


def cases() -> Iterator[Case]:
    """Some images of each projection from the input, of few spikes or many."""
    rng = np.random.default_rng(5)
    for name in ("in->all", "in->pooled", "in->two"):
        for few in (1, 2, 3, 8, 15, 30) * 2:
            codes = np.where(rng.integers(0, 30, 30) < few, rng.integers(0, 16, 30), 0)
            yield case_of(NET, "projection", name, {("in", "spikes"): codes})


def answers(chip: Chip, case: Case) -> dict[tuple[str, str], Any]:
    """What a chip answers to a case."""
    z = case.given["in", "spikes"] >> np.arange(K - 1, -1, -1)[:, None] & 1
    return {(case.unit, "sums"): np.array(chip.sums(case.unit, z.reshape(K, 2, 3, 5)), np.int64)}


def judged(chip: Chip, more: int = 0) -> Judged:
    """What is composed of the answers of a chip, a sum of one that differs so much more."""
    rows = [driven(case, answers(chip, case)) for case in cases()]
    wrong = [n for n, row in enumerate(rows) if not row.passed]
    at = next((n for n in wrong if rows[n].unit == "in->all"), wrong[0])
    rows[at] = off(rows[at], rows[at].unit, "sums", 5, more)
    return composed_of(rows)


def test_the_chip_is_right_but_for_its_slip() -> None:
    """The chip without a slip answers every case as the law does."""
    assert all(driven(case, answers(Chip(), case)).passed for case in cases())


@pytest.mark.parametrize("chip", CHIPS, ids=lambda chip: chip.__name__)
def test_a_slip_is_named_first(chip: type[Chip]) -> None:
    """The first words are those of the slip, and explain every case that differs."""
    found = judged(chip())
    assert chip.words in found.hints[0].text and found.explained == found.judged > 0


@pytest.mark.parametrize("chip", CHIPS, ids=lambda chip: chip.__name__)
def test_one_integer_more_that_is_wrong_has_no_such_words(chip: type[Chip]) -> None:
    """Where one sum is wrong by something else the words of the slip are not said."""
    assert not any(chip.words in hint.text for hint in judged(chip(), 12345).hints)
