"""What `verify` has seen of somebody else's answers, and which causes give all of it (OBS-4).

A device may be slow: what it answered once is kept here, and not asked again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fsref.law.network import Network
from fsref.law.neuron import Ints
from fsref.simulation.recording import Record
from fsref.simulation.run import run
from fsref.verification.causes import Hint, Judged, hints
from fsref.verification.composed.naming import judged_alone
from fsref.verification.disagreement import differing, ours
from fsref.verification.scene import Scene
from fsref.verification.theirs import Answers

KEPT = 64  # failing images that are kept beside the last one,
LARGEST = 2**25  # or fewer, where that many neurons answer for them

Row: TypeAlias = tuple[Ints, Answers]  # one image (C, H, W), and codes (neurons,) by population


class Evidence:
    """Their answers on images of a network: on those asked `first` that are right, and on those that differ."""

    def __init__(self, net: Network) -> None:
        self.net = net
        self.room = max(1, min(KEPT, LARGEST // sum(p.neurons for p in net.populations)))
        self.right: list[Row] = []
        self.wrong: dict[bytes, Row] = {}
        self.last: dict[bytes, Row] = {}  # that differs and found no room
        self.differing: set[bytes] = set()

    def add(self, images: Ints, answers: Answers, wrong: NDArray[np.bool_], first: bool) -> None:
        """Keep what was answered for images (B, C, H, W), of which some are `wrong`; of the right ones those asked
        first.
        """
        for i, image in enumerate(images):
            row, key = (image, {name: codes[i] for name, codes in answers.items()}), sha256(image.tobytes()).digest()
            if not wrong[i]:
                self.right += [row] * (first and len(self.right) < self.room)
                continue
            self.differing.add(key)
            if key in self.wrong or len(self.wrong) < self.room:
                self.wrong[key], self.last = row, {}
            else:
                self.last = {key: row}

    def judged(self, name: str) -> Judged:
        """The causes that give every code of a population in every image kept whose populations before it are right;
        where none is known, composed ones (CONFORM-7).
        """
        rows = [*(self.wrong | self.last).values(), *self.right]
        images = np.stack([image for image, _ in rows])
        theirs = {n: np.stack([codes[n] for _, codes in rows]) for n in rows[0][1]}
        names, unlike = differing(theirs, ours(self.net, images, list(theirs)).codes)
        begins = np.where(unlike.any(axis=0), unlike.argmax(axis=0), len(names))  # the first wrong one of each image
        counts = {n: int((begins == at).sum()) for at, n in enumerate(names) if (begins == at).any()}
        fits: dict[str, tuple[Hint, ...]] = {}
        for n in sorted(counts, key=lambda n: n != name):
            scene = self._scene(n, images[begins >= names.index(n)], theirs[n][begins >= names.index(n)])
            fits[n] = hints(scene)
            if not fits[name]:
                composed = judged_alone(scene, counts[n], len(self.differing))
                # What is measured where it was not seen what came before says nothing of where it begins.
                return composed if self._seen_before(n, names) else replace(composed, observed="")
        explained = {
            hint: sum(count for n, count in counts.items() if hint.name in {other.name for other in fits[n]})
            for hint in fits[name]
        }
        most = max(explained.values())
        found = tuple(hint for hint, count in explained.items() if count == most)
        return Judged(found, most, sum(counts.values()), len(self.differing))

    def _seen_before(self, name: str, names: Sequence[str]) -> bool:
        """Whether every population before one was answered."""
        every = [p.name for p in self.net.populations]
        return {*every[1 : every.index(name)]} <= {*names}

    def _scene(self, name: str, images: Ints, theirs: Ints) -> Scene:
        """A population, and what they answered there for images, those first that differ."""
        p, sources = self.net[name], self.net.sources(name)
        trace = run(self.net, images, "quantized", Record([*sources, name], ("spikes", "codes", "opening"))).trace
        assert trace is not None
        recorded = trace

        def shaped(n: str, observable: str) -> NDArray[Any]:
            return recorded[n, observable].reshape(len(images), *self.net[n].shape)

        codes = {n: shaped(n, "codes") for n in sources}
        codes[name] = shaped(name, "codes" if "codes" in p.observables else "opening")
        trains = {n: shaped(n, "spikes") for n in (*sources, name) if "spikes" in self.net[n].observables}
        opening = shaped(name, "opening") if "opening" in p.observables else None
        return Scene(self.net, p, codes, trains, opening, {"codes": theirs.reshape(-1, *p.shape)}, images=images)
