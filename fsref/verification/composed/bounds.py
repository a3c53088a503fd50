"""Which group of channels the windows of a conv2d read, and what they take to be inside of the source (CONFORM-7)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import product

from fsref.verification.composed.lines import Move
from fsref.verification.composed.memory import TILES
from fsref.verification.taps import Taps

REGISTERS = (8, 9, 10, 12, 16)  # places of a row that is read, with its padding
WORDS = (8, 16, 32, 64)  # spikes of a word
AXES = (("row", (True, False)), ("column", (False, True)), ("row or column", (True, True)))


def grouped() -> Iterator[Move]:
    """Windows that read another group, all of it within the source."""
    yield "reads the group of its output modulo the number of groups", 2, _of_modulo
    for n in TILES:
        yield f"reads the group of the first output of its tile of {n}", 2.2, partial(_of_first, n, True)
        yield f"reads the group of the first neuron of its {n}", 2.2, partial(_of_first, n, False)


def bounded() -> Iterator[Move]:
    """Windows that read what may lie beyond the source: of another group, and such as there are fewer of."""
    for of_inputs, words in ((True, "it has inputs"), (False, "there are groups")):
        yield f"reads the group of its output as if each had as many as {words}", 2, partial(_of_groups, of_inputs)
    yield "begins with the input whose number its group's first output has", 2, _from_output
    for axis, (one, _) in enumerate(AXES[:2]):
        for before, side in ((True, "before"), (False, "behind")):
            words = f"is there in as many {one}s as the padding {side} the source would leave on both sides"
            yield words, 2.2, partial(_reached, axis, before)


def told() -> Iterator[Move]:
    """Windows that see what lies at the address of places that are taken to be inside of the source."""
    for (axis, (one, _)), n in product(enumerate(AXES[:2]), (2, 4)):
        words = f"sees at kernel {one}s from {n} on what it sees at the first {n}"
        yield words, 2.2, partial(_few_taps, axis, n)
    for (axis, (one, _)), n in product(enumerate(AXES[:2]), REGISTERS):
        words = f"sees nothing of a {one} that lies, with the padding before it, beyond a register of {n}"
        yield words, 2.1, partial(_of_register, axis, n)
    for n in WORDS:
        yield f"sees of a row what lies in its first word of {n} alone", 2.1, partial(_of_first_word, n)
    for (one, axes), other in zip(AXES, ("columns", "rows", "rows and columns exchanged"), strict=True):
        words = f"sees what lies at its address where its {one} would be inside of as many as there are {other}"
        yield words, 2.1, partial(_told_by_other, axes)
    for one, axes in AXES:
        for what in ("dilation", "padding", "stride"):
            words = (
                f"sees what lies at its address where its {one} would be inside without the {what}, and nothing else"
            )
            yield words, 2.1, partial(_told_without, what, axes)


def _of_modulo(taps: Taps) -> Taps:
    """The channels of the group that is an output modulo the number of groups."""
    return taps.but(channel=taps.o % taps.q.groups * taps.sizes[1] + taps.i)


def _of_first(n: int, of_outputs: bool, taps: Taps) -> Taps:
    """The channels that the first of a tile reads, of outputs, or of neurons."""
    outputs, inputs, _, _ = taps.sizes
    places = 1 if of_outputs else taps.target[1] * taps.target[2]
    at = taps.o if of_outputs else (taps.o * taps.target[1] + taps.oy) * taps.target[2] + taps.ox
    group = at // n * n // places // (outputs // taps.q.groups)
    return taps.but(channel=group * inputs + taps.i)


def _of_groups(of_inputs: bool, taps: Taps) -> Taps:
    """The channels of the group that an output would be in if groups had as many as there are inputs, or groups."""
    inputs = taps.sizes[1]
    return taps.but(channel=taps.o // (inputs if of_inputs else taps.q.groups) * inputs + taps.i)


def _from_output(taps: Taps) -> Taps:
    """The channels from that on which has the number of the first output of the group."""
    per_group = taps.sizes[0] // taps.q.groups
    return taps.but(channel=taps.o // per_group * per_group + taps.i)


def _reached(axis: int, before: bool, taps: Taps) -> Taps:
    """Windows in as many rows or columns as padding that is the same on both sides leaves; the others see nothing."""
    pad, stride, size = taps.padding[axis if before else 2 + axis], taps.stride[axis], taps.source[1 + axis]
    spans = (taps.q.weights.shape[2 + axis] - 1) * taps.dilation[axis] + 1
    count = (size + 2 * pad - spans) // stride + 1
    return taps.but(there=taps.there & ((taps.oy, taps.ox)[axis] < count))


def _few_taps(axis: int, n: int, taps: Taps) -> Taps:
    """Kernel rows or columns that are counted in too few bits where they are looked for in the source."""
    at, apart = (taps.r, taps.c)[axis], taps.dilation[axis]
    moved = taps.but(**{"yx"[axis]: (taps.y, taps.x)[axis] + (at % n - at) * apart})
    return moved.but(there=moved.inside_y & moved.inside_x)


def _of_register(axis: int, n: int, taps: Taps) -> Taps:
    """Places of the source that lie in a register behind those of the padding."""
    return taps.but(there=taps.there & ((taps.y, taps.x)[axis] + taps.padding[axis] < n))


def _of_first_word(n: int, taps: Taps) -> Taps:
    """Columns of rows that lie in several words of spikes, those of the first."""
    _, height, width = taps.source
    first = (taps.channel * height + taps.y) * width
    return taps.but(there=taps.there & ((first + taps.x) // n == first // n))


def _told_by_other(axes: tuple[bool, bool], taps: Taps) -> Taps:
    """Whether a row is inside is told by the number of columns, whether a column is by that of rows, or both."""
    _, height, width = taps.source
    rows, columns = (width if axes[0] else height), (height if axes[1] else width)
    return taps.but(there=(taps.y >= 0) & (taps.y < rows) & (taps.x >= 0) & (taps.x < columns))


def _told_without(what: str, axes: tuple[bool, bool], taps: Taps) -> Taps:
    """Whether a place is inside is told without the dilation, the padding or the stride, its address with them."""
    plain = taps.begun(**({"top": 0, "left": 0} if what == "padding" else {what: (1, 1)}))
    y, x = (own if told else right for told, own, right in zip(axes, (plain.y, plain.x), (taps.y, taps.x), strict=True))
    told = taps.but(y=y, x=x)
    return taps.but(there=told.inside_y & told.inside_x)
