"""How integers lie in the words of a memory: width of a word, order of its bits and bytes, and which neuron lies at
which address (LAYOUT).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fsref.errors import FileError, UsageError, nearest
from fsref.formats import words as of_words
from fsref.formats.container import unique
from fsref.formats.reading import read_whole
from fsref.formats.words import MAX_INTEGER, Words
from fsref.law.network import Network
from fsref.law.neuron import Ints
from fsref.law.populations import Population

MAX_WORD = 65_536
MAX_FILE = 2**26  # bytes of a layout file: the order of millions of neurons
CHOICES = {"bits": ("high", "low"), "bytes": ("high", "low"), "neurons": ("chw", "hwc"), "spikes": ("trains", "steps")}


@dataclass(frozen=True)
class Layout:
    """The layout of memories, the same for all of a folder (LAYOUT-1 to LAYOUT-4).

    `word` is the width of a word in bits; None: what each memory needs. `bits` and `bytes` say which comes first in a
    word, the "high" or the "low" one; `neurons` the order of addresses, "chw" (NET-3), "hwc", or by population the
    neuron at each address; `spikes` whether a word is the train of a neuron ("trains", EVENT-2) or the spikes of a
    step, bit j that of address j ("steps"). Membranes are stored as v >> `shift`, one for all populations or by name.
    Errors: UsageError.
    """

    word: int | None = None
    bits: str = "high"
    bytes: str = "high"
    neurons: str | Mapping[str, Sequence[int]] = "chw"
    spikes: str = "trains"
    shift: int | Mapping[str, int] = 0

    def __post_init__(self) -> None:
        for name, known in CHOICES.items():
            value = getattr(self, name)
            if value not in known if isinstance(value, str) else not (name == "neurons" and isinstance(value, Mapping)):
                limit = f"wanted {' or '.join(known)}" + (", or by population" if name == "neurons" else "")
                raise UsageError("LAYOUT-1", f"layout {name}", "unknown", value, limit)
        if self.word is not None and not (_whole(self.word) and 1 <= self.word <= MAX_WORD):
            raise UsageError("LAYOUT-1", "layout word", "not a width in bits", self.word, f"wanted 1..{MAX_WORD}")
        for shift in self.shift.values() if isinstance(self.shift, Mapping) else [self.shift]:
            if not (_whole(shift) and 0 <= shift < MAX_INTEGER):
                raise UsageError("LAYOUT-4", "layout shift", "not a shift", shift, f"wanted 0..{MAX_INTEGER - 1}")

    def width(self, needed: int, place: str) -> int:
        """The bits of a word for integers of `needed` bits (LAYOUT-1). Errors: UsageError when it is narrower."""
        if self.word is not None and self.word < needed:
            raise UsageError("LAYOUT-1", place, "does not fit the words", f"{needed} bits", f"words of {self.word}")
        return needed if self.word is None else self.word

    def pack(self, values: Ints, needed: int, place: str) -> Words:
        """Integers of at most `needed` bits, flattened, as words (LAYOUT-1, LAYOUT-2). Errors: UsageError."""
        return self._out(of_words.of_integers(values, self.width(needed, place)))

    def unpack(self, words: Words, needed: int, signed: bool, place: str) -> Ints:
        """The integers (n,) of words that were read: more than `needed` bits hold them where a chip has more (LAYOUT-1,
        LAYOUT-2). Errors: UsageError, FileError for what is no integer of 64 bits.
        """
        values, wrong = of_words.to_integers(self._in(words, self.width(needed, place), place), signed)
        if wrong.any():
            at = int(np.flatnonzero(wrong)[0])
            raise FileError("LAYOUT-1", f"{place}: word {at}", "is no integer of 64 bits with a sign")
        return values

    def steps_width(self, neurons: int, place: str) -> int:
        """The bits of a word of `spikes` "steps" (LAYOUT-4). Errors: UsageError where one word would be too wide."""
        if (self.word or neurons) > MAX_WORD:
            limit = f"at most {MAX_WORD} bits: choose a word"
            raise UsageError("LAYOUT-4", place, "a step is too wide for one word", f"{neurons} neurons", limit)
        return self.word or neurons

    def pack_steps(self, spikes: NDArray[np.bool_], place: str) -> Words:
        """The spikes (steps, neurons) of steps, in the order of addresses, as one word a step, or as many of a width
        that was chosen as hold all neurons (LAYOUT-4). Errors: UsageError.
        """
        steps, neurons = spikes.shape
        width = self.steps_width(neurons, place)
        padded = np.zeros((steps, -(-neurons // width) * width), np.bool_)
        padded[:, :neurons] = spikes
        return self._out(of_words.of_flags(padded.reshape(-1, width)))

    def unpack_steps(self, words: Words, neurons: int, place: str) -> NDArray[np.bool_]:
        """The spikes (steps, neurons) that words which were read hold (LAYOUT-4). Errors: UsageError, FileError for
        spikes of no neuron.
        """
        width = self.steps_width(neurons, place)
        each = -(-neurons // width)
        flags = of_words.to_flags(self._in(words, width, place)).reshape(-1, each * width)
        if flags[:, neurons:].any():
            at = int(np.flatnonzero(flags[:, neurons:].any(axis=1))[0]) * each + each - 1
            problem, limit = "has spikes of no neuron", f"there are {neurons} neurons: {each} words of {width} bits"
            raise FileError("LAYOUT-4", f"{place}: word {at}", problem, None, limit)
        return flags[:, :neurons]

    def width_in_file(self, width: int) -> int:
        """The bits of a word as it lies in a file: whole bytes where bytes are turned (LAYOUT-2)."""
        return -(-width // 8) * 8 if self.bytes == "low" else width

    def _out(self, words: Words) -> Words:
        """Words as they lie in a file."""
        words = of_words.reversed_bits(words) if self.bits == "low" else words
        return of_words.reversed_bytes(words) if self.bytes == "low" else words

    def _in(self, words: Words, width: int, place: str) -> Words:
        """Words of a file as they are meant. Errors: FileError for bits beyond those of a word."""
        if self.bytes == "low":
            turned = of_words.reversed_bytes(words)
            words = of_words.cut(turned, width)
            if (at := np.flatnonzero(turned.data[:, 0] != words.data[:, 0])).size:
                raise FileError(
                    "LAYOUT-2", f"{place}: word {at[0]}", "has more bits than a word", None, f"{width} bits"
                )
        return of_words.reversed_bits(words) if self.bits == "low" else words

    def neuron_at(self, p: Population) -> NDArray[np.intp]:
        """The neuron at each address of a population (LAYOUT-3). Errors: UsageError for what is no permutation."""
        if self.neurons == "chw":
            return np.arange(p.neurons, dtype=np.intp)
        if self.neurons == "hwc":
            return np.arange(p.neurons, dtype=np.intp).reshape(p.shape).transpose(1, 2, 0).reshape(-1)
        assert isinstance(self.neurons, Mapping)
        if p.name not in self.neurons:
            return np.arange(p.neurons, dtype=np.intp)
        try:
            given = np.asarray(self.neurons[p.name])
        except ValueError:
            given = np.asarray(None)
        if (
            given.shape != (p.neurons,)
            or given.dtype.kind not in "iu"
            or (np.sort(given) != np.arange(p.neurons)).any()
        ):
            limit = f"each of 0..{p.neurons - 1} once"
            raise UsageError("LAYOUT-3", f"layout neurons of {p.name}", "not a permutation", given.shape, limit)
        return given.astype(np.intp)

    def shift_of(self, name: str) -> int:
        """How far the membranes of a population are shifted (LAYOUT-4)."""
        return self.shift.get(name, 0) if isinstance(self.shift, Mapping) else self.shift

    def to_dict(self) -> dict[str, Any]:
        """The layout as plain JSON values, as manifests and layout files hold it."""
        neurons: object = self.neurons
        if isinstance(self.neurons, Mapping):
            neurons = {name: np.asarray(order).tolist() for name, order in self.neurons.items()}
        shift = {k: int(v) for k, v in self.shift.items()} if isinstance(self.shift, Mapping) else int(self.shift)
        plain = {
            "word": None if self.word is None else int(self.word),
            "bits": self.bits,
            "bytes": self.bytes,
            "neurons": neurons,
        }
        return {**plain, "spikes": self.spikes, "shift": shift}


def given(layout: Layout | Mapping[str, Any] | str | PathLike[str] | None, net: Network) -> Layout:
    """The layout that was asked for, which fits a network: one, a mapping of its keys, the path of a JSON file that
    holds one, or what none says. Errors: UsageError, FileError.
    """
    if layout is None:
        return Layout()
    if isinstance(layout, str | PathLike):
        return checked(from_dict(_from_file(layout), str(layout)), net)
    return checked(layout if isinstance(layout, Layout) else from_dict(layout, "layout"), net)


def from_dict(plain: Any, place: str) -> Layout:
    """The layout that plain values say. Errors: UsageError."""
    if not isinstance(plain, Mapping):
        raise UsageError("LAYOUT-1", place, "not a layout", type(plain).__name__, f"an object of {', '.join(KEYS)}")
    for key in plain:
        if key not in KEYS:
            raise UsageError("LAYOUT-1", place, "unknown key", key, nearest(str(key), list(KEYS)))
    return Layout(**plain)


def checked(layout: Layout, net: Network) -> Layout:
    """The layout, when it names populations of this network alone, and neurons of theirs (LAYOUT-3, LAYOUT-4). Errors:
    UsageError.
    """
    shifted = [p.name for p in net.populations if "membranes" in p.observables or "opening" in p.observables]
    named = {"neurons": ("LAYOUT-3", [p.name for p in net.populations]), "shift": ("LAYOUT-4", shifted)}
    for key, (rule, known) in named.items():
        value = getattr(layout, key)
        for name in value if isinstance(value, Mapping) else ():
            if name not in known:
                limit = nearest(str(name), known)
                raise UsageError(rule, f"layout {key}", "no such population", name, limit)
    for p in net.populations:
        layout.neuron_at(p)
    return layout


def told(plain: Any, net: Network, place: str) -> Layout:
    """The layout that a file of a dump tells of itself, which fits a network. Errors: FileError."""
    try:
        return checked(from_dict(plain, "layout"), net)
    except UsageError as error:
        raise FileError(error.rule, f"{place}: {error.place}", error.problem, error.value, error.limit) from None


def _from_file(path: str | PathLike[str]) -> Any:
    """What a JSON file holds. Errors: FileError."""
    try:
        return json.loads(read_whole(path, "LAYOUT-1", MAX_FILE, "a layout in JSON"), object_pairs_hook=unique)
    except FileError as error:
        why, limit = error.problem if error.problem != "cannot be read" else error.value, error.limit
    except (ValueError, RecursionError) as error:
        why, limit = str(error), ""
    raise FileError("LAYOUT-1", str(path), "cannot be read", why, limit)


def _whole(value: object) -> bool:
    """Whether a value is an integer, and no truth value."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


KEYS = tuple(Layout().to_dict())
