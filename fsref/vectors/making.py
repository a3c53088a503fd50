"""Packs made: cases found, the best of them chosen, what was promised counted (VECTOR-3)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import reduce
from itertools import chain, groupby
from operator import or_

from fsref.coverage.bins import nothing
from fsref.coverage.coverage import Coverage
from fsref.errors import NetworkError, UsageError
from fsref.law.network import Network
from fsref.limits.chip import Limits
from fsref.limits.misfits import misfits
from fsref.tables import plural
from fsref.vectors.aimed import MOST, TURNS, cases, covered, for_limits, ordered, searched, together, weighed
from fsref.vectors.case import SCOPES, Case, case_of
from fsref.vectors.pack import COUNTS, Pack
from fsref.vectors.protocol import protocols
from fsref.vectors.rejects import rejects

NAMED = 8  # networks of a pack that are named
BUDGET = 100  # stimuli that are tried of a network, and of each of its populations
SEEN = {  # rules whose bins a scope can meet
    "network": ("NET-", "FS-", "PROJ-", "GATE-", "POOL-", "VIEW-", "RANGE-", "TIME-", "OBS-"),
    "population": ("NET-5", "NET-8", "FS-", "PROJ-", "GATE-", "RANGE-", "OBS-"),
    "projection": ("PROJ-1", "PROJ-3", "PROJ-4", "PROJ-5", "PROJ-7", "GATE-"),
    "max_pool": ("POOL-",),
    "neuron": ("FS-",),
}


def make(
    name: str,
    net: Network | None = None,
    chip: Limits | None = None,
    level: int = 1,
    scopes: Sequence[str] = SCOPES,
    seed: int = 0,
    progress: Callable[[int], None] | None = None,
) -> Pack:
    """A pack of a network, or else of networks drawn within the limits of a chip (VECTOR-3); `progress` is called with
    1 for each population of these, twice of a given network: once when it was searched, once when mistakes were tried.
    Errors: UsageError, NetworkError.
    """
    if net is not None and chip is not None:
        for misfit in misfits(net, chip):
            raise NetworkError("CHIP-2", misfit.where, misfit.breaks, misfit.value, f"allowed {misfit.allowed}")
    proofs = {} if net is None else searched(net, scopes, BUDGET, seed, progress)
    drawn: list[Iterable[Case]]
    if net is None:
        drawn = [for_limits(chip or Limits(), scopes, seed, turns) for turns in TURNS.values()]
    else:
        drawn = [*cases(net, proofs, BUDGET, scopes)]
    found = ordered(weighed(drawn[0], net is not None, chip, progress))
    if not found:
        limit = "other scopes, or wider limits"
        lacking = () if chip is None else chip.lacking
        if missing := [kind for kind in ("input", "readout") if kind in lacking]:
            limit = f"add {' and '.join(missing)} to kinds: every network has one"
        raise UsageError("VECTOR-3", "scope", "has no case here", ", ".join(scopes), limit)
    chosen = [candidate.case for candidate in found]
    chosen = together(chosen[:MOST]) + (together(chosen[MOST:]) if level > 1 else [])
    if level > 1:
        known = {case.id for case in chosen}
        rest = (candidate.case for part in drawn[1:] for candidate in weighed(part, net is not None, chip))
        chosen += [case for case in rest if case.id not in known]
    all_cases = protocols(chosen)
    searches = [proof.coverage for proof in proofs.values()]
    counted = Counted(all_cases, scopes, searches, chip)
    if net is None:
        bins, not_found = counted.of_limits()
    else:
        every = Counted([*chain(*drawn)], scopes, searches, chip)
        bins, not_found = counted.of_network(every)
    return Pack(name, level, seed, chip, all_cases, rejects(all_cases[0].net), dict(sorted(bins.items())), not_found)


def of_pack(net: Network, pack: Pack, place: str) -> Coverage:
    """The bins that the cases of a pack, which lies at a place, reach of a network (COVER-2). Errors: UsageError where
    it holds none of it.
    """
    own = [case_of(net, case.scope, case.unit, case.given) for case in pack.cases if case.net.id == net.id]
    if not own:
        held = [*dict.fromkeys(case.net.id[:12] for case in pack.cases)]
        more = f" and {len(held) - NAMED:,} more" if len(held) > NAMED else ""
        limit = f"of {', '.join(held[:NAMED])}{more}"
        raise UsageError("COVER-2", place, "holds no case of this network", net.id[:12], limit)
    return replace(Counted(own, SCOPES).coverages[net.id], of=plural(len(own), "case"))


class Counted:
    """What cases reach, network by network, of the rules that some scopes can meet, and what a search proved."""

    def __init__(
        self,
        made: Sequence[Case],
        scopes: Sequence[str],
        searches: Sequence[Coverage] = (),
        chip: Limits | None = None,
    ) -> None:
        partial = chip is not None and chip.observables is not None  # then not all are compared (OBS-1)
        self.rules = tuple({rule for scope in scopes for rule in SEEN[scope]} - ({"OBS-"} if partial else set()))
        self.coverages: dict[str, Coverage] = {}
        by_unit = sorted(range(len(made)), key=lambda i: (made[i].net.id, made[i].scope, made[i].unit, i))
        for net, of_net in groupby((made[i] for i in by_unit), lambda case: case.net):
            units = groupby(of_net, lambda case: (case.scope, case.unit))
            proved = [replace(c, reached=nothing(net).reached) for c in searches]
            self.coverages[net.id] = reduce(
                or_, (covered(list(same)) for _, same in units), reduce(or_, proved, nothing(net))
            )

    def of_network(self, every: Counted) -> tuple[dict[str, dict[str, int]], list[str]]:
        """The bins of one network by rule, and in words those that `every` case found does not reach either; what only
        cases of another level reach is not promised.
        """
        (mine,), (whole,) = self.coverages.values(), every.coverages.values()
        bins = {}
        for rule, (hit, never, _) in mine.by_rule.items():
            if rule.startswith(self.rules):
                left = whole.by_rule[rule][2]
                counts = {"reached": hit, "unreachable": never, "not_found": left}
                bins[rule] = {"promised": hit + never + left, **counts}
        words = [f"{group.rule} {group.place} {group.what}" for group, _ in whole.missed()]
        return bins, [told for told in words if told.startswith(self.rules)]

    def of_limits(self) -> tuple[dict[str, dict[str, int]], list[str]]:
        """The kinds of bins by rule, each reached in one network at least, and in words those not found."""
        kinds: dict[tuple[str, str], set[str]] = {}
        for rule, what, state in self._kinds():
            kinds.setdefault((rule, what), set()).add(state)
        best = {
            kind: next(s for s in ("reached", "not_found", "unreachable") if s in states)
            for kind, states in kinds.items()
        }
        bins: dict[str, dict[str, int]] = {}
        for (rule, _), state in best.items():
            counts = bins.setdefault(rule, dict.fromkeys(COUNTS, 0))
            counts["promised"] += 1
            counts[state] += 1
        return bins, [" ".join(kind) for kind, state in best.items() if state == "not_found"]

    def _kinds(self) -> Iterator[tuple[str, str, str]]:
        """Rule, what is met and how that stands, of each group of each network."""
        for coverage in self.coverages.values():
            for group, bins in zip(coverage.groups, coverage.reached, strict=True):
                if group.rule.startswith(self.rules) and group.unreachable.size:
                    never = bool(group.unreachable.all())
                    yield group.rule, group.what, "reached" if bins.any() else "unreachable" if never else "not_found"
