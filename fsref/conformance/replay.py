"""A replay directory: one failing case that the standard library alone decides (CONFORM-5)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from fsref.conformance import program
from fsref.conformance.drive import case_size
from fsref.conformance.driven import Driven, owner
from fsref.conformance.greeting import Greeting
from fsref.conformance.verdict import Report
from fsref.errors import LimitError, UsageError
from fsref.formats.files import NewFolder, check_target, path_of
from fsref.formats.json_network import to_plain
from fsref.formats.pages import rules
from fsref.simulation import memory_folder
from fsref.simulation.recording import Key
from fsref.vectors import bench
from fsref.vectors.case import Case, plain
from fsref.vectors.pack import Pack

STANDALONE = Path(__file__).parent / "standalone"
PROGRAMS = ("replay.py", "naive.py")
CASE = "case.json"
MOST = 2**21  # integers of cases before the one that fails, and of their networks


def write(report: Report, path: str | PathLike[str], carrier: str = "frames", replace: bool = False) -> None:
    """Write the replay directory of the first failure of a report, as small as it was made; `carrier` is how its device
    takes frames. Errors: UsageError where no case failed, FileError.
    """
    cases = needed(report)
    if not cases or report.first is None:
        raise UsageError("CONFORM-5", "replay", "no case failed", report.line)
    failed = report.small or (report.first,)
    named = [hint.rule for hint in report.hints.hints]
    named += [one.difference.rule for one in failed if one.difference is not None]
    text = {name: rules()[name].text for name in dict.fromkeys(named) if name in rules()}
    found = files(cases, failed[-1], text, carrier, report.greeting, _is_whole(report))
    with NewFolder(path_of(path, "replay"), "CONFORM-5", "replay directories", _is_ours, replace) as folder:
        for name, data in found.items():
            folder.add(name, data)


def needed(report: Report) -> list[Case]:
    """The cases of the first failure, as few as were found, the last of which fails: of one that passes alone those
    before it, too, if they are not large. None where no case failed.
    """
    if report.small:
        return [one.case for one in report.small if one.case is not None]
    if report.first is None or report.first.case is None:
        return []
    return list(report.before) if not report.alone and _are_few(report.before) else [report.first.case]


def _are_few(cases: Sequence[Case]) -> bool:
    """Whether cases and their networks are small enough to be written down."""
    return sum(case_size(case) + sum(q.weights.size for q in case.net.projections) for case in cases) <= MOST


def _is_whole(report: Report) -> bool:
    """Whether the device fails behind the cases that are needed, as far as is known."""
    return report.alone or bool(report.small) or (report.whole and _are_few(report.before))


def check(path: str | PathLike[str], replace: bool, option: str = "") -> None:
    """Nothing, when a replay directory can be written there, which an option of the command line named (RUN-5). Errors:
    UsageError, FileError.
    """
    check_target(path_of(path, "replay"), replace, _is_ours, option, "replay directories")


def files(
    cases: Sequence[Case],
    failed: Driven,
    rules: Mapping[str, str],
    carrier: str,
    greeting: Greeting,
    whole: bool = True,
) -> dict[str, bytes]:
    """The files of a replay directory by name: the last of `cases` failed, behind those before it, which are the
    `whole` of what it needs, or not; `rules` are texts of those that matter; the device is asked for what it has
    (CONFORM-2).
    """
    observed: Mapping[Key, Any] = failed.observed
    told = {
        **_told(cases[-1], greeting),
        "observed": plain(observed),
        "verdict": str(failed),
        "rules": dict(rules),
        "carrier": carrier,
        "loads": not greeting.network,
        "whole": whole,
        "before": [_told(case, greeting) for case in cases[:-1]],
    }
    lines = ",\n".join(f" {json.dumps(key)}: {json.dumps(value)}" for key, value in told.items())
    found = {CASE: ("{\n" + lines + "\n}\n").encode("ascii")}
    found |= {name: (STANDALONE / name).read_bytes() for name in PROGRAMS}
    pack = Pack("replay", 1, 0, greeting.limits, cases)
    return found | program.files(pack, greeting) | _bench(pack, failed)


def _bench(pack: Pack, failed: Driven) -> dict[str, bytes]:
    """The files of a test bench in SystemVerilog, which judges what differs and the outputs; none where the cases are
    not all of one chip (VECTOR-6).
    """
    units = {(case.net.id, case.scope, case.unit) for case in pack.cases}
    (_, scope, unit), difference = max(units), failed.difference
    if len(units) > 1 or scope not in ("network", *bench.UNITS):
        return {}
    net = pack.cases[-1].net
    recorded = [] if difference is None else [owner(net, difference.place), *(p.name for p in net.readouts)]
    able = None if pack.limits is None else pack.limits.observables
    observables = (able or ["spikes"]) if difference is None else [difference.observable]
    with TemporaryDirectory(prefix="fsref-") as place:
        folder = Path(place) / "bench"
        try:
            bench.save(pack, folder, None if scope == "network" else unit, recorded, observables)
        except (LimitError, UsageError):  # too wide for a port, or nothing that a chip in a bench answers
            return {}
        return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def _told(case: Case, greeting: Greeting) -> dict[str, Any]:
    """A case as plain JSON values, its network and the names of its populations and projections with it."""
    names = {"populations": [p.name for p in case.net.populations], "projections": list(case.net.named_projections)}
    return {
        "id": case.id,
        "scope": case.scope,
        "unit": case.unit,
        "protocol": case.protocol,
        "network": {"names": names, **to_plain(case.net)},
        "given": plain(case.given),
        "expected": plain(case.expected),
        "asked": [f"{of}.{what}" for of, what in greeting.asked(case)],
    }


def _is_ours(folder: Path, names: set[str]) -> bool:
    """Whether a folder holds a replay and nothing else (RUN-5)."""
    rest = {name for name in names - {CASE, *PROGRAMS, "__pycache__"} if not program.OURS.fullmatch(name)}
    return CASE in names and (not rest or memory_folder.is_ours(folder, rest))
