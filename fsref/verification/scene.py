"""One population that differs, what somebody else answered there, and what would be answered if something were wrong
(OBS-4).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fsref.engines import reference
from fsref.law.network import Network
from fsref.law.neuron import Ints
from fsref.law.populations import Population
from fsref.law.projections import Gate, Linear
from fsref.simulation.recording import Record
from fsref.simulation.run import run
from fsref.tables import Brief


@dataclass(frozen=True, eq=False, repr=False)
class Scene(Brief):
    """One population that differs: our codes (B, C, H, W) and trains of it and of what it reads, its opening membranes
    where it has any, and `theirs` by observable, shaped as ours; `wrong` names those of theirs that are not right, all
    of them unless told.

    `images` (B, C, H, W) are known or not. `at` (B,) says which image of those asked each is, where all asked before
    the last of them are in the scene, too. Of a `part` (C, H, W) of the population alone is judged what they answered,
    where it is told. Of sums alone `opening` of theirs is what follows from what projections delivered: that there is
    a bias, and what fires, nobody has seen. `their_sums` are what projections into it delivered, where that was told.

    `sent` are the right trains of the populations before it, where all are known. `stood` is what stood in memories
    that are not cleared, and where that is known, (B, C, H, W) each: by projection in the accumulators before it
    delivered, as "bias of NAME" in that of biases. `bits` are those of accumulators, and what they do beyond these
    (CHIP-1), None where nothing is said. Of `codes_alone` no trains follow, though they are in base two: elsewhere some
    are told that are none.
    """

    net: Network
    population: Population
    codes: Mapping[str, Ints]
    trains: Mapping[str, NDArray[np.uint16]]
    opening: Ints | None
    theirs: Mapping[str, NDArray[Any]]
    wrong: frozenset[str] | None = None
    images: Ints | None = None
    at: NDArray[np.intp] | None = None
    part: NDArray[np.bool_] | None = None
    sums_alone: bool = False
    their_sums: Mapping[str, Ints] = field(default_factory=dict)
    sent: Mapping[str, Ints] = field(default_factory=dict)
    stood: Mapping[str, tuple[Ints, NDArray[np.bool_]]] = field(default_factory=dict)
    bits: tuple[int, str] | None = None
    codes_alone: bool = False

    def given_by(self, effect: Effect) -> bool:
        """Whether an effect is what they answered, and tells all of theirs that is wrong: what it does not tell is
        right.
        """
        wrong = self.theirs if self.wrong is None else self.wrong
        told = all(getattr(effect, name, None) is not None for name in wrong)
        return bool(wrong) and told and effect.gives(self.theirs, self.part)

    def rows(self, some: slice | NDArray[np.intp]) -> Scene:
        """The scene of some of the images; which were asked before them is forgotten."""
        return replace(
            self,
            codes={name: values[some] for name, values in self.codes.items()},
            trains={name: values[some] for name, values in self.trains.items()},
            opening=None if self.opening is None else self.opening[some],
            theirs={name: values[some] for name, values in self.theirs.items()},
            their_sums={name: values[some] for name, values in self.their_sums.items()},
            sent={name: values[some] for name, values in self.sent.items()},
            stood={name: (values[some], known[some]) for name, (values, known) in self.stood.items()},
            images=None if self.images is None else self.images[some],
            at=None,
        )

    @property
    def count(self) -> int:
        """How many images there are."""
        return len(self.codes[self.population.name])

    @cached_property
    def unlike(self) -> NDArray[np.bool_]:
        """Where they answered what is not right, (B, C, H, W), in codes, else trains, else opening membranes."""
        name = self.population.name
        known = {"codes": self.codes.get(name), "spikes": self.trains.get(name), "opening": self.opening}
        for observable, right in known.items():
            if observable in self.theirs and right is not None:
                return np.asarray(self.theirs[observable] != right)
        return np.zeros(self.codes[name].shape, np.bool_)

    @cached_property
    def one(self) -> Scene:
        """The scene of the image that differs most: most causes are out after it."""
        if self.count == 1:
            return self
        most = int(self.unlike.sum(axis=(1, 2, 3)).argmax())
        return self.rows(slice(most, most + 1))

    @cached_property
    def into(self) -> Mapping[str, Linear]:
        """The projections into the population that add up codes of one source, by name: those in which mistakes are
        looked for. What gates deliver is right.
        """
        return {n: q for n, q in self.net.into(self.population.name).items() if not isinstance(q, Gate)}

    @cached_property
    def sums(self) -> dict[str, Ints]:
        """What each projection rightly delivers, (B, C, H, W), gates among them."""
        into, codes, shape = self.net.into(self.population.name), self.codes, self.population.shape
        return {name: reference.carried(codes[q.source], q, shape, codes) for name, q in into.items()}

    @cached_property
    def step_sums(self) -> dict[str, list[Ints]]:
        """What each projection rightly delivers in each step of its source, (B, C, H, W) each (FS-4, GATE-2)."""
        found = {}
        for name, q in self.net.into(self.population.name).items():
            d, spikes = self.net.code_weights[q.source], self.spikes(q.source)
            planes = [spikes[:, t] * d[:, t, None, None] for t in range(d.shape[1])]
            found[name] = [reference.carried(plane, q, self.population.shape, self.codes) for plane in planes]
        return found

    def spikes(self, name: str) -> NDArray[np.bool_]:
        """The right spikes (B, K, C, H, W) of the population or a source."""
        return reference.input_trains(self.trains[name].astype(np.int64), self.net.steps[name])

    def sent_by(self, name: str) -> Ints:
        """The right codes (B, C, H, W) of any population that spikes, where the images are known."""
        assert self.images is not None
        trace = run(self.net, self.images, "quantized", Record([name], ("codes",))).trace
        assert trace is not None
        return trace[name, "codes"].reshape(-1, *self.net[name].shape)


@dataclass(frozen=True, eq=False, repr=False)
class Effect(Brief):
    """What a population answers when something is wrong: opening membranes and codes (B, C, H, W), train words
    (B, C, H, W), membranes (B, K, C, H, W); None of what the mistake says nothing about. `about` fills in its words,
    and `where` says the part of the population or the one projection that it is in, "" for all.
    """

    codes: Ints | None = None
    opening: Ints | None = None
    spikes: NDArray[np.uint16] | None = None
    membranes: Ints | None = None
    about: Mapping[str, Any] = field(default_factory=dict)
    where: str = ""

    def gives(self, theirs: Mapping[str, NDArray[Any]], part: NDArray[np.bool_] | None = None) -> bool:
        """Whether it tells any of the observables that they answered, and all that it tells exactly, or in a part
        (C, H, W).
        """
        told = {f.name: getattr(self, f.name) for f in fields(self)}
        both = [(told[name], values) for name, values in theirs.items() if told[name] is not None]
        alike = all(a.shape == b.shape for a, b in both)
        return bool(both) and alike and all(np.array_equal(_of(a, part), _of(b, part)) for a, b in both)

    def of(self, where: str = "", **about: Any) -> Effect:
        """The same, with what fills in the words."""
        return replace(self, about=about, where=where)


def _of(values: NDArray[Any], part: NDArray[np.bool_] | None) -> NDArray[Any]:
    """Those of values (..., C, H, W) that are in a part."""
    return values if part is None else values[..., part]
