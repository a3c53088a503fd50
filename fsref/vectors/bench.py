"""The cases of a pack as a test bench in SystemVerilog that judges by itself (VECTOR-6, BENCH-5)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from os import PathLike

import numpy as np
from numpy.typing import NDArray

from fsref.errors import LimitError, UsageError, shown
from fsref.formats import layout as layouts
from fsref.formats.bench import CODES, Bench, Image
from fsref.formats.memories import owner, width
from fsref.law.network import Network
from fsref.law.populations import OBSERVABLES
from fsref.simulation import fed
from fsref.simulation.memory_folder import FOLDERS, Given
from fsref.simulation.recording import Key, Trace, select
from fsref.vectors.case import Case
from fsref.vectors.pack import Pack
from fsref.vectors.protocol import BENCHED

UNITS = BENCHED[1:]  # scopes whose units a chip can be


def save(
    pack: Pack,
    path: str | PathLike[str],
    unit: str | None = None,
    recorded: Sequence[str] = (),
    observables: Sequence[str] = ("spikes",),
    layout: Given = None,
    replace: bool = False,
) -> int:
    """Write the memories and the test bench of a pack of one network, and say how many cases it has.

    They are those of scope network, whose chip answers `observables` of the populations `recorded`, all unless named,
    or those of one `unit`; a readout answers its opening. Words are those of `layout`, as fsref.export takes one.
    Errors: UsageError, LimitError, FileError.
    """
    nets = {case.net.id: case.net for case in pack.cases}
    if len(nets) != 1:
        limit = "a test bench in SystemVerilog is of one: make the pack of one, or take language c"
        raise UsageError("VECTOR-6", "pack", "holds another number of networks", len(nets), limit)
    (net,) = nets.values()
    held = OBSERVABLES if pack.limits is None or pack.limits.observables is None else pack.limits.observables
    if lacking := [what for what in observables if what not in held]:
        limit = f"it expects {', '.join(held)}, which its limits name"
        raise UsageError("VECTOR-6", "observable", "is not in this pack", lacking[0], limit)
    numbered = _chosen(pack, unit)
    runs = list(_runs(numbered))
    feed = [net.input.name] if unit is None else list(dict.fromkeys(net.sources(unit)))
    trace = _trace(net, [case for case, _ in runs], feed, recorded if unit is None else [unit], observables)
    chosen = layouts.given(layout, net)
    FOLDERS["readmemh"].write(net, path, trace, chosen, replace, Bench(feed, images=[image for _, image in runs]))
    return len(numbered)


def label(number: int, case: Case) -> str:
    """A case, as a test bench names it: its number in the pack, its id and protocol, and what it aims at."""
    more = f" and {len(case.aims) - 1} more" if len(case.aims) > 1 else ""
    aims = [f"aims at {shown(case.aims[0])}{more}"] if case.aims else []
    return f"case {number} ({', '.join([case.id, *filter(None, [case.protocol]), *aims])})"


def _chosen(pack: Pack, unit: str | None) -> list[tuple[int, Case]]:
    """The cases of a unit, or of scope network, with their numbers. Errors: UsageError where there is none."""
    scopes = ("network",) if unit is None else UNITS
    found = [
        (number, case) for number, case in enumerate(pack.cases) if case.scope in scopes and unit in (None, case.unit)
    ]
    if not found:
        units = dict.fromkeys(case.unit for case in pack.cases if case.scope in UNITS)
        problem = "no case of scope network" if unit is None else "no case of this population"
        limit = f"there are cases of the units {', '.join(units)}" if units else "there are none of a population"
        raise UsageError("VECTOR-6", "unit", problem, unit, limit)
    return found


def _runs(numbered: Sequence[tuple[int, Case]]) -> Iterator[tuple[Case, Image]]:
    """The images of the bench: a case, or twice what is to be repeated (VECTOR-5)."""
    for number, case in numbered:
        told = label(number, case)
        if case.protocol in ("repeat", "reset"):
            yield case, Image(told)
        yield case, Image(told, case.protocol if case.protocol in CODES else "")


def _trace(
    net: Network, cases: Sequence[Case], feed: Sequence[str], recorded: Sequence[str], observables: Sequence[str]
) -> Trace:
    """The recording of a chip that is right: what it gets and answers, an image for each case. Errors: UsageError,
    LimitError.
    """
    chosen = select(net, fed.recording(net, feed, recorded, observables))
    known = [_seen(net, case) for case in cases]
    arrays = {
        key: np.stack([seen[key] for seen in known]).astype(kind)
        for key, (_, kind) in chosen.arrays(net, len(cases)).items()
        if all(key in seen and _fits(net, case, key, seen[key]) for case, seen in zip(cases, known, strict=True))
    }
    return fed.answered(Trace(net, len(cases), chosen, arrays), feed, observables)


def _seen(net: Network, case: Case) -> Mapping[Key, NDArray[np.int64]]:
    """What a case says of a run: the spikes of an input are its codes."""
    seen = {**case.given, **case.expected}
    if (codes := (net.input.name, "codes")) in case.given:
        seen[net.input.name, "spikes"] = case.given[codes]
    return seen


def _fits(net: Network, case: Case, key: Key, values: NDArray[np.int64]) -> bool:
    """True, when the words of a memory hold values (LAYOUT-1): they may be beyond what a run reaches. Errors:
    LimitError.
    """
    bits, signed = width(net, owner(net, key), key[1])
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    for value in (int(values.min()), int(values.max())):
        if not low <= value <= high:
            place, limit = f"case {case.id} {'.'.join(key)}", f"{low}..{high}: take language c"
            raise LimitError("VECTOR-6", place, "is beyond the words of a memory", value, limit)
    return True
