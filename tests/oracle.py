"""What the naive oracle says of a case, in the shape of a recording: the two meet here and nowhere else."""

from __future__ import annotations

from dataclasses import dataclass

import naive
from fsref.engines.engine import Engine, engine_of
from fsref.formats.npz import to_bytes
from fsref.verification.strategies import Case

ORDER = ("sums", "opening", "spikes", "membranes", "codes")


@dataclass(frozen=True)
class Place:
    """Where an engine first differs from the oracle (OBS-2)."""

    image: int
    population: str
    observable: str

    def __str__(self) -> str:
        return f"image {self.image} {self.population} {self.observable}"


def observe(case: Case) -> list[naive.Observed]:
    """What the oracle sees of every image of a case, read from the bytes of its file."""
    net = naive.load(to_bytes(case.net))
    return [naive.simulate(net, image) for image in case.images.reshape(len(case.images), -1).tolist()]


def first_difference(case: Case, seen: list[naive.Observed], engine: str | Engine) -> Place | None:
    """Where an engine, by name or as an object, first differs from the oracle in any observable, None when it does not.

    An engine that leaves an observable out, or gives another shape, differs there.
    """
    simulate, labels = engine_of(engine).simulator(case.net), list(case.net.named_projections)
    every = {p.name: frozenset(ORDER) for p in case.net.populations}
    worst: Place | None = None
    for place, activity in enumerate(simulate(case.images, every)):
        for image, observed in enumerate(seen):
            found = {
                "opening": (activity.opening, observed.opening.get(place)),
                "spikes": (activity.trains, observed.trains.get(place)),
                "membranes": (activity.membranes, observed.membranes.get(place)),
                "codes": (activity.codes, observed.codes.get(place)),
            }
            into = {name: observed.sums[labels.index(name)] for name in case.net.into(activity.population)}
            sums = {name: values[image].ravel().tolist() for name, values in activity.sums.items()}
            for name in ORDER:
                if name == "sums":
                    unlike = sums != into
                else:
                    given, expected = found[name]
                    if given is None or expected is None:
                        unlike = given is not None or expected is not None
                    else:
                        flat = (
                            given[image].reshape(len(given[image]), -1) if name == "membranes" else given[image].ravel()
                        )
                        unlike = flat.tolist() != expected
                if unlike and (worst is None or image < worst.image):
                    worst = Place(image, activity.population, name)
    return worst
