"""Check a network: what is proved of it for all images, and what was tested on some: that the engines agree on every
observable.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fsref.engines.engine import ENGINES, Engine, name_of
from fsref.errors import UsageError, public
from fsref.formats.bundled import network_of
from fsref.formats.chips import chip_of
from fsref.law.images import check_images
from fsref.law.network import Network
from fsref.law.populations import OBSERVABLES
from fsref.limits.misfits import Fit
from fsref.simulation.difference import Difference, diff
from fsref.simulation.memory import check_threads, images_at_once, run_bytes
from fsref.simulation.recording import Record, Trace, recording_bytes, select
from fsref.simulation.run import run
from fsref.tables import Sheet, Shown, plural
from fsref.verification.proved import Proof, proofs

Extremes = dict[str, tuple[int, int]]
PROVED = "for every image that fits the input: no membrane, partial sum or code leaves its interval, none wraps 64 bits"


@dataclass(frozen=True, repr=False)
class CheckReport(Shown):
    """What `check` found on `image_count` images. `values` integers were compared per engine; `engine` is the first
    that differs from `engines[0]`, at `difference`.

    `outside` names a membrane or code that left its proved interval, or is empty. `agrees` says that nothing was found.
    `fit` says whether it fits the chip that was named, None where none was (CHIP-2).
    """

    network: str
    id: str
    proofs: tuple[Proof, ...]
    engines: tuple[str, ...]
    observables: tuple[str, ...]
    image_count: int
    values: int
    engine: str | None
    difference: Difference | None
    outside: str
    fit: Fit | None = None

    @property
    def agrees(self) -> bool:
        """Whether all engines gave the same integers, all within their proved intervals."""
        return self.difference is None and not self.outside

    def to_dict(self) -> dict[str, Any]:
        """The report as plain JSON values."""
        plain = {**asdict(replace(self, fit=None)), "agrees": self.agrees}
        del plain["fit"]
        plain |= {} if self.fit is None else self.fit.to_dict()
        plain |= {"value_count": plain.pop("values"), "differing_engine": plain.pop("engine")}
        found = self.difference
        return plain | {"difference": None if found is None else {**asdict(found), "text": str(found)}}

    def __repr__(self) -> str:
        verdict = "agree" if self.agrees else "DIFFER"
        return f"<CheckReport: {', '.join(self.engines)} {verdict} on {plural(self.image_count, 'image')}>"

    def sheet(self) -> Sheet:
        """The check as a table: what is proved of each population for every image; below it what was tested on some."""
        declared = any(p.declared_bits is not None for p in self.proofs)
        rows = []
        for p in self.proofs:
            width = "none" if p.declared_bits is None else f"{p.declared_bits} bits hold {p.promise}"
            seen = "" if p.seen_low is None else f"{p.seen_low:,} .. {p.seen_high:,}"
            bits = (p.any_order_bits, p.final_bits, *([width] if declared else []))
            rows.append((p.population, *bits, f"{p.low:,} .. {p.high:,}", seen))
        widths = ("any_order bits", "final bits", *(["declared width"] if declared else []))
        tested = [("TESTED", f"on {plural(self.image_count, 'image')} and nothing else: {', '.join(self.observables)}")]
        if self.difference is not None:
            tested += [("DIFFERS", f"{self.engine} is not {self.engines[0]}: {self.difference}")]
        else:
            tested += [("agree", f"{', '.join(self.engines)}: {self.values:,} integers per engine, all equal")]
        if self.outside:
            tested += [("OUTSIDE", self.outside)]
        title = f"{self.network or 'network'} {self.id}"
        head = ("population", *widths, "any_order", "membranes seen")
        more = [] if self.fit is None else [self.fit.sheet()]
        return Sheet(title, head, rows, above=[("PROVED", PROVED)], below=tested, more=more)


def left_interval(trace: Trace, first: int, seen: Extremes) -> str:
    """The first value of a recording outside its proved interval, in words, or "" (RANGE-2, RANGE-3); adds the extreme
    membranes to `seen`.
    """
    for (name, observable), values in trace.arrays.items():
        if observable not in ("opening", "membranes", "codes"):
            continue
        population, proved = trace.net[name], trace.net.ranges[name]
        interval = {"opening": proved.opening, "membranes": proved.membranes, "codes": proved.codes}[observable]
        by_channel = values.reshape(len(values), -1, *population.shape[:1], population.shape[1] * population.shape[2])
        low, high = by_channel.min(axis=(0, 1, 3)), by_channel.max(axis=(0, 1, 3))
        if observable != "codes":
            before = seen.get(name, (int(low.min()), int(high.max())))
            seen[name] = min(before[0], int(low.min())), max(before[1], int(high.max()))
        wrong = np.flatnonzero((low < interval[:, 0]) | (high > interval[:, 1]))
        if len(wrong):
            c = int(wrong[0])
            ends = f"{int(low[c])}..{int(high[c])}", f"{int(interval[c, 0])}..{int(interval[c, 1])}"
            return (
                f"images {first}..{first + len(values) - 1} {name} channel {c} "
                f"{observable}: {ends[0]} leaves the proved {ends[1]} [RANGE-3]"
            )
    return ""


def list_of(engines: str | Engine | Iterable[str | Engine], asking: str) -> list[str | Engine]:
    """One engine or several as a list. Errors: UsageError when there is none."""
    several = [*engines] if isinstance(engines, Iterable) and not isinstance(engines, str) else [engines]
    if not several:
        raise UsageError("RUN-2", asking, "no engines to compare", None, ", ".join(ENGINES))
    return several


@public
def check(
    net: Network | str | PathLike[str],
    images: ArrayLike,
    engines: str | Engine | Iterable[str | Engine] = ENGINES,
    observables: Sequence[str] = OBSERVABLES,
    batch: int | None = None,
    threads: int | None = None,
    memory_limit: int = 2**33,
    progress: Callable[[int], None] | None = None,
    *,
    chip: Mapping[str, Any] | str | PathLike[str] | None = None,
) -> CheckReport:
    """What is proved of the network `net`, and whether `engines`, by name or as objects, agree on `observables` of
    every population for images (B, C, H, W) (RUN-2); and whether it fits a `chip`, the keys or the JSON file of its
    limits (CHIP-2).

    All engines are compared with the first, `batch` images at a time, until one differs. `progress` is called with the
    images of each chunk. `batch` and `threads` change the speed, never a value; `memory_limit` is in bytes (RUN-3).
    Errors: InputError, UsageError, LimitError.
    """
    net = network_of(net)
    limits = None if chip is None else chip_of(chip)
    compared = list_of(engines, "check")
    first, *others = compared
    if len(observables) == 0:
        raise UsageError("OBS-1", "check", "no observables to compare", None, ", ".join(OBSERVABLES))
    x = check_images(net.input, images)
    asked = Record(observables=tuple(observables))
    selected, workers = select(net, asked), check_threads(threads)
    one = recording_bytes(net, selected, 1)
    size = batch or 1

    def own(count: int) -> int:  # all images; what the first engine recorded; where it differs
        return 8 * len(x) * net.input.neurons + count * (one + one // 2)

    def bound(count: int) -> int:
        return own(count) + max(run_bytes(net, count, e, selected, False, size, workers) for e in compared)

    chunk = images_at_once(one, bound, memory_limit, "check")
    left = memory_limit - own(chunk)
    seen: Extremes = {}
    done = values = 0
    engine, found, outside = None, None, ""
    for start in range(0, len(x), chunk):
        part = x[start : start + chunk]
        expected = run(net, part, first, asked, batch, threads, left).trace
        assert expected is not None
        outside = left_interval(expected, start, seen)
        for other in others:
            observed = run(net, part, other, asked, batch, threads, left).trace
            assert observed is not None
            difference = diff(observed, expected)
            del observed  # before the next is made
            if difference is not None and (found is None or difference.image + start < found.image):
                engine, found = name_of(other), replace(difference, image=difference.image + start)
        done += len(part)
        values += sum(array.size for array in expected.arrays.values())
        del expected
        if progress is not None:
            progress(len(part))
        if found is not None or outside:
            break
    names, kinds = tuple(map(name_of, compared)), tuple(o for o in OBSERVABLES if o in observables)
    fit = None if limits is None else Fit.of(net, limits)
    return CheckReport(net.name, net.id, proofs(net, seen), names, kinds, done, values, engine, found, outside, fit)
