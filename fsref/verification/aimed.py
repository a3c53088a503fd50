"""Images that aim at where rules decide in hidden populations: searched, those taken that reach most, and what these
reach, population by population (OBS-4).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from fsref.coverage.bins import places
from fsref.coverage.group import Group, Seen
from fsref.coverage.membranes import Membranes
from fsref.coverage.pools import Pool
from fsref.coverage.populations import Classes
from fsref.coverage.search import aim
from fsref.law.network import Network
from fsref.law.neuron import Ints
from fsref.simulation.recording import Key, Record
from fsref.simulation.run import run
from fsref.tables import Sheet, Shown, plural
from fsref.verification.aims import candidates, corners, extremes, first_populations
from fsref.verification.climbing import Climb, images_at_once

TRIED = 4096  # images that a search tries,
WORK = 2**27  # or fewer, where that many neurons have been looked at
LEAST = 16  # of the largest networks,
MOST = 2**20  # where it is told
DRAWN = 8  # one in so many images tried is drawn, to start from
FIRST = 32  # stimuli of each population that reads the input alone
TAKEN = 256  # images at most that are compared
REACHED = ("population", "bins", "reached", "unreachable", "not found")


@dataclass(frozen=True)
class Reach:
    """Of one population how many bins of its membranes, windows or classes images reached, how many are proved
    unreachable, and how many were not found.
    """

    population: str
    reached: int
    unreachable: int
    not_found: int

    @property
    def bins(self) -> int:
        """How many there are."""
        return self.reached + self.unreachable + self.not_found

    def to_dict(self) -> dict[str, Any]:
        """The counts as plain JSON values."""
        return {**vars(self), "bins": self.bins}


@dataclass(frozen=True, eq=False, repr=False)
class Aimed(Shown):
    """Images (B, C, H, W): corners, then those of a search of `tried` images that reach most, of at most `budget`; what
    all of them `reach` in each population but the input.
    """

    images: Ints
    tried: int
    budget: int
    reach: tuple[Reach, ...]

    def sheet(self) -> Sheet:
        """What the images reach, population by population."""
        title = f"{plural(len(self.images), 'image')} that aim"
        return Sheet(title, REACHED, reached(self.reach), below=missed(self.reach, self.tried))

    def to_dict(self) -> dict[str, Any]:
        """The counts as plain JSON values."""
        reach = [one.to_dict() for one in self.reach]
        return {"image_count": len(self.images), "tried": self.tried, "reach": reach}


def reached(reach: Sequence[Reach]) -> list[tuple[object, ...]]:
    """The counts as rows of a table."""
    return [(r.population, *(f"{n:,}" for n in (r.bins, r.reached, r.unreachable, r.not_found))) for r in reach]


def missed(reach: Sequence[Reach], tried: int) -> list[tuple[str, str]]:
    """How many bins were not found, in how many images, as a line of a table; none where nothing was aimed at."""
    left = sum(r.not_found for r in reach)
    told = f"{plural(left, 'bin')} not found in {plural(tried, 'image')} tried"
    return [("aims", f"{told}: what is wrong there alone may be missed" if left else told)] if reach else []


KNOWN: WeakKeyDictionary[Network, dict[tuple[int, int], Aimed]] = WeakKeyDictionary()


def aimed(
    net: Network, budget: int | None = None, seed: int = 0, progress: Callable[[int], None] | None = None
) -> Aimed:
    """Corner images, and images that set membranes of hidden populations where their bins are, of so many that are
    tried; the same seed gives the same. They are kept as long as the network.
    """
    tried = budget_of(net) if budget is None else budget
    known = KNOWN.setdefault(net, {})
    if (tried, seed) not in known:
        known[tried, seed] = _aimed(net, tried, seed, progress)
    return known[tried, seed]


def budget_of(net: Network) -> int:
    """How many images a search tries unless told."""
    return max(LEAST, min(TRIED, WORK // sum(p.neurons for p in net.populations)))


def _aimed(net: Network, budget: int, seed: int, progress: Callable[[int], None] | None) -> Aimed:
    found = {p.name: aim(net, p.name, FIRST, seed) for p in first_populations(net)} if budget else {}
    solved = [next(iter(stimulus.values())) for one in found.values() for stimulus in one.stimuli]
    first = corners(net)
    start = [first, extremes(net), np.array(solved, np.int64).reshape(-1, *net.input.shape)]
    climb = Climb(net, budget, seed, progress)
    climb.run(np.concatenate([*start, candidates(net, 1 + budget // DRAWN)]))
    images = np.concatenate([first, climb.images[taken(climb, len(first))]])
    proved = {
        group.key: group for one in found.values() for group in one.coverage.groups if group.place == one.population
    }
    return Aimed(images, climb.tried, budget, tuple(reach(net, images, proved)))


def taken(climb: Climb, skipped: int) -> list[int]:
    """The numbers of images, not among the first `skipped`, that were the first to reach a bin: those before that were
    the first to reach a kind of bins, then those that reached most.
    """
    kinds, bins = Counter[int](), Counter[int]()
    for sought in climb.sought:
        kinds.update(sought.first_of_kinds())
        bins.update(sought.first[sought.first >= 0].tolist())
    order = sorted(bins, key=lambda i: (-kinds[i], -bins[i], i))
    return [i for i in order if i >= skipped][:TAKEN]


def reach(net: Network, images: Ints, proved: dict[tuple[str, str, str], Group]) -> Iterator[Reach]:
    """What images (B, C, H, W) reach of each population but the input; some groups have more `proved` unreachable."""
    looked_at = [at for at in places(net) if isinstance(at, Membranes | Pool | Classes)]
    met = {group.key: np.zeros_like(group.unreachable) for at in looked_at for group in at.groups}
    record = Record([p.name for p in net.populations], ("opening", "spikes"))
    chunk = images_at_once(net)
    for start in range(0, len(images), chunk):
        trace = run(net, images[max(0, start - 1) : start + chunk], "quantized", record).trace
        assert trace is not None
        arrays: dict[Key, NDArray[Any]] = dict(trace.arrays)
        for at in looked_at:
            for (rule, what), bits in at.met(Seen(net, arrays)).items():
                group = next(group for group in at.groups if (group.rule, group.what) == (rule, what))
                met[group.key] |= bits
    for p in net.populations[1:]:
        groups = [proved.get(g.key, g) for at in looked_at for g in at.groups if g.place == p.name]
        hit = sum(int(met[group.key].sum()) for group in groups)
        never = sum(int(group.unreachable.sum()) for group in groups)
        yield Reach(p.name, hit, never, sum(group.unreachable.size for group in groups) - hit - never)
