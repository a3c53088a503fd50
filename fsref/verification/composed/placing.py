"""Values that are those of another place, or are added at another one (CONFORM-7)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fsref.law.neuron import Ints
from fsref.verification.composed.addresses import IN_TURN, Pitches, pitches
from fsref.verification.composed.relation import UNSAID, Change, Part
from fsref.verification.composed.where import Other, others

AXES = {"step": -4, "channel": -3, "row": -2, "column": -1}  # of values (B, [K,] C, H, W)
CHANNELS, ALONE = range(4), 2.2  # of which one alone may be wrong, and how dear that is, as a condition is
Given = Callable[[Part], Ints]  # values of a part, by rows


def right(part: Part) -> Ints:
    """What is right."""
    return part.right


def operand(name: str) -> Given:
    """An operand by its words."""
    return lambda part: part.operands[name]


def elsewhere(*names: str, known: int = 0) -> Iterator[tuple[str, Other]]:
    """Other steps, channels, rows, columns or neurons, but for the first ones, which have words already."""
    for name in names:
        yield from ((name, other) for other in [*others(name)][known if name == "neuron" else 0 :])


def arranged(part: Part, values: Ints) -> Ints | None:
    """Rows of a part as (B, [K,] C, H, W); None of a scene whose rows are those of some neurons."""
    shape = part.scene.population.shape
    if part.scene.part is not None:
        return None
    return values.reshape(part.scene.count, *[-1] * (len(values) > part.scene.count * int(np.prod(shape))), *shape)


def by_step(part: Part, values: Ints) -> Ints | None:
    """Rows of a part as (B, K, C, H, W), of one step, too; None of a scene whose rows are those of some neurons."""
    shape = part.scene.population.shape
    return None if part.scene.part is not None else values.reshape(part.scene.count, -1, *shape)


def of_other(name: str, other: Other, given: Given, part: Part) -> Ints | None:
    """Values of a part that are each those of another place."""
    rows = arranged(part, given(part))
    if rows is None or (name == "step" and rows.ndim < 5):
        return None
    if name == "neuron":
        flat = rows.reshape(*rows.shape[:-3], -1)
        return flat[..., other.of(flat.shape[-1])].ravel()
    axis = AXES[name]
    found: Ints = np.take(rows, other.of(rows.shape[axis]), axis).ravel()
    return found


def by_neuron(shape: tuple[int, ...], other: Other, rows: Ints) -> Ints:
    """What is so by channel, (K, C, 1, 1), as each neuron (K, C, H, W) has it of another neuron's channel."""
    channels, height, width = shape
    return rows[:, other.of(channels * height * width) // (height * width), 0, 0].reshape(len(rows), *shape)


def as_rows(part: Part, values: Ints) -> Ints:
    """Values (B, ..., C, H, W) of the population as the rows of a part."""
    kept = part.scene.part
    return values.ravel() if kept is None else values[..., kept].ravel()


def added_at(name: str, other: Other, given: Given, part: Part) -> Ints | None:
    """Values of a part that are each added at another place."""
    rows = arranged(part, given(part))
    if rows is None:
        return None
    flat = rows.reshape(*rows.shape[:-3], -1) if name == "neuron" else np.moveaxis(rows, AXES[name], -1)
    found = np.zeros_like(flat)
    at: Any = (..., other.of(flat.shape[-1]))
    np.add.at(found, at, flat)
    return (found if name == "neuron" else np.moveaxis(found, -1, AXES[name])).ravel()


def placed_otherwise(what: str, given: Given) -> Iterator[Change]:
    """What is right with some of it, in words, at or from other places."""
    for name, other in elsewhere("neuron", "channel", "row", "column"):
        text = f"yours adds {what} at {other.text}"
        yield Change(text, other.dear + 0.4, partial(_moved, partial(added_at, name, other, given), given))
    for pitch, banks in product(pitches(), IN_TURN):
        text, dear = f"yours adds {what} as if {pitch.text}", pitch.dear + 0.2
        text, dear = (text, dear) if banks == 1 else (f"{text}, channels in {banks} memories in turn", dear + 0.1)
        yield Change(text, dear, partial(_moved, partial(_written, pitch, banks, None, given), given))
        for channel in CHANNELS:
            own = partial(_moved, partial(_written, pitch, banks, channel, given), given)
            yield Change(f"{text}, of channel {channel} alone", dear + ALONE, own)


def told_elsewhere() -> Iterator[Change]:
    """What is right of another place."""
    for name, other in elsewhere("neuron", "channel", "row", "column", "step", known=2):
        yield Change(f"yours is that of {other.text}", other.dear, partial(of_other, name, other, right))
    for pitch in pitches():
        yield Change(f"yours is read as if {pitch.text}", pitch.dear + 0.3, partial(_read, pitch))


def read_apart(what: str, given: Given) -> Iterator[tuple[str, float, Callable[[Part], Ints | None]]]:
    """What is right with one operand, in words, read as if it lay otherwise: in words, how dear, and what it gives."""
    for pitch in pitches():
        text = f"yours reads {what} as if {pitch.text}"
        yield text, pitch.dear + 0.2, partial(_moved, partial(_read_of, pitch, UNSAID, given), given)


def _pitched(pitch: Pitches, part: Part, banks: int = 1) -> NDArray[np.intp]:
    """The addresses of neurons with another pitch, in their memory where channels lie in so many in turn; the other
    side is the source of what a projection delivers.
    """
    scene = part.scene
    shape = scene.population.shape
    of_channel, of_row = pitch.of(
        shape, scene.net[scene.into[part.of].source].shape if part.of in scene.into else shape
    )
    c, y, x = np.ogrid[: shape[0], : shape[1], : shape[2]]
    found: NDArray[np.intp] = (c // banks * of_channel + y * of_row + x).ravel()
    return found


def _written(pitch: Pitches, banks: int, channel: int | None, given: Given, part: Part) -> Ints | None:
    """Values of a part, each added at an address with another pitch, in one memory or several, those of one channel
    alone or all, and lost beyond the end.
    """
    rows = arranged(part, given(part))
    if rows is None:
        return None
    flat, size = rows.reshape(*rows.shape[:-3], -1), int(np.prod(rows.shape[-2:]))
    own = np.arange(flat.shape[-1])
    turn, place = np.divmod(_pitched(pitch, part, banks), size)
    at = (turn * banks + own // size % banks) * size + place
    if channel is not None:
        at = np.where(own // size == channel, at, own)
    found, kept = np.zeros_like(flat), (at >= 0) & (at < flat.shape[-1])
    places: Any = (..., at[kept])
    np.add.at(found, places, flat[..., kept])
    return found.ravel()


def _read(pitch: Pitches, part: Part) -> Ints | None:
    """What is right at an address with another pitch, 0 beyond the end."""
    return _read_of(pitch, 0, right, part)


def _read_of(pitch: Pitches, beyond: int, given: Given, part: Part) -> Ints | None:
    """Values of a part at an address with another pitch."""
    rows = arranged(part, given(part))
    if rows is None:
        return None
    flat, at = rows.reshape(*rows.shape[:-3], -1), _pitched(pitch, part)
    kept = (at >= 0) & (at < flat.shape[-1])
    return np.where(kept, flat[..., np.where(kept, at, 0)], beyond).ravel()


def taken_elsewhere(what: str, given: Given, *names: str) -> Iterator[Change]:
    """What is right with one operand, in words, of another place."""
    for name, other in elsewhere(*names):
        text = f"yours takes {what} of {other.text}"
        yield Change(text, other.dear + 0.2, partial(_moved, partial(of_other, name, other, given), given))


def _moved(change: Callable[[Part], Ints | None], given: Given, part: Part) -> Ints | None:
    wrong = change(part)
    return None if wrong is None else np.where(wrong == UNSAID, UNSAID, part.right - given(part) + wrong)
