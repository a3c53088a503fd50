"""How many bins of a network were reached: counts that add, a table, JSON (COVER-2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fsref.coverage.group import Axis, Bits, Group
from fsref.coverage.hits import HITS
from fsref.errors import RangeError, UsageError
from fsref.law.network import Network
from fsref.tables import Fact, Sheet, Shown, plural

FEW = 20  # kinds of bins that are told where they were missed,
FEW_PLACES = 4  # and places of each


@dataclass(frozen=True, eq=False, repr=False)
class Coverage(Shown):
    """The bins of a network that were reached: `reached`, an array for each of `groups`, in its shape, `of` what, in
    words. `a | b` is what either reached. Errors: RangeError [COVER-2] for a bin both reached and proved unreachable.
    """

    net: Network
    groups: Sequence[Group]
    reached: Sequence[Bits]
    of: str = "nothing"

    def __post_init__(self) -> None:
        for group, reached in zip(self.groups, self.reached, strict=True):
            wrong = reached & group.unreachable
            if wrong.any():
                at = group.bin(int(wrong.reshape(-1).argmax()))
                problem = f"{group.what}: reached, though no stimulus of this network reaches it: {group.reason}"
                limit = "what was observed is not of this network, or fsref is wrong"
                raise RangeError("COVER-2", group.place, problem, at or None, limit)

    def __or__(self, other: Coverage) -> Coverage:
        if self.net.id != other.net.id:
            raise UsageError("COVER-2", "coverage", "is of another network", other.net.id, f"expected {self.net.id}")
        groups = [a | b for a, b in zip(self.groups, other.groups, strict=True)]
        of = " and ".join(dict.fromkeys(of for of in (self.of, other.of) if of != "nothing")) or "nothing"
        return Coverage(self.net, groups, [a | b for a, b in zip(self.reached, other.reached, strict=True)], of)

    @property
    def counts(self) -> tuple[int, int, int]:
        """The bins reached, proved unreachable, and not reached."""
        return _counts(self.groups, self.reached)

    @property
    def by_rule(self) -> dict[str, tuple[int, int, int]]:
        """The bins reached, proved unreachable, and not reached, of each rule, in the order of the groups."""
        found: dict[str, tuple[int, int, int]] = {}
        for rule in dict.fromkeys(group.rule for group in self.groups):
            mine = [(g, r) for g, r in zip(self.groups, self.reached, strict=True) if g.rule == rule]
            found[rule] = _counts(*zip(*mine, strict=True))
        return found

    def missed(self) -> list[tuple[Group, Bits]]:
        """The groups with bins that are neither reached nor proved unreachable, and these."""
        left = ((g, ~(r | g.unreachable)) for g, r in zip(self.groups, self.reached, strict=True))
        return [(group, bins) for group, bins in left if bins.any()]

    @property
    def line(self) -> str:
        """The coverage in one line."""
        reached, unreachable, left = self.counts
        share = f"{100 * reached / max(1, reached + left):.1f} %"
        return f"{reached:,} of {plural(reached + left, 'bin')} reached ({share}), {unreachable:,} unreachable"

    def sheet(self) -> Sheet:
        """The coverage in short: counts of each population, with the projections into it, and rule; below them what
        was missed, at which places, and what would hit it.
        """
        counts: dict[tuple[str, str], list[tuple[Group, Bits]]] = {}
        for group, reached in zip(self.groups, self.reached, strict=True):
            counts.setdefault((self._owner(group), group.rule), []).append((group, reached))
        names = [p.name for p in self.net.populations]
        order = sorted(counts, key=lambda key: names.index(key[0]))
        rows = [(*key, *_counts(*zip(*counts[key], strict=True))) for key in order]
        head = ("population", "rule", "reached", "unreachable", "missed")
        return Sheet(self._title, head, rows, left=2, above=[("coverage", self.line)], more=self._missed())

    @property
    def _title(self) -> str:
        return f"coverage of {self.net.name or self.net.id[:12]} by {self.of}"

    def _owner(self, group: Group) -> str:
        """The population of a group, of a projection that into which it goes."""
        into = self.net.named_projections.get(group.place)
        return group.place if into is None else into.target

    def _missed(self) -> list[Sheet]:
        """What was missed, by rule and what is met: the first bin, how many more, at which other places, what would
        hit them; nothing where all was reached.
        """
        kinds: dict[tuple[str, str], list[tuple[Group, Bits]]] = {}
        for group, bins in self.missed():
            kinds.setdefault((group.rule, group.what), []).append((group, bins))
        facts: list[Fact] = []
        for (rule, what), found in list(kinds.items())[:FEW]:
            counts = [int(np.count_nonzero(bins)) for _, bins in found]
            (group, bins), first = found[0], counts[0] - 1
            at = f"{group.place} {group.bin(int(bins.reshape(-1).argmax()))}".strip()
            told = [f"{what}: {at}" + (f" and {first:,} more" if first else "")]
            told += [f"{g.place} {count:,}" for (g, _), count in zip(found[1:FEW_PLACES], counts[1:], strict=False)]
            told += [f"{plural(len(found) - FEW_PLACES, 'more place')}"] * (len(found) > FEW_PLACES)
            facts += [(rule, "; ".join(told)), ("", f"hit by {HITS[what]}")]
        if len(kinds) > FEW:
            facts += [("...", f"and {plural(len(kinds) - FEW, 'more kind')}: JSON has every bin")]
        if not facts:
            return []
        facts += [("search", "fsref vectors make PACK --net NET looks for what hits them, or proves that nothing does")]
        return [Sheet("missed", below=facts)]

    def each(self) -> Sheet:
        """The coverage as a wide table: a line for each group."""
        rows: list[tuple[object, ...]] = []
        for group, reached in zip(self.groups, self.reached, strict=True):
            hit, never, left = _counts([group], [reached])
            first = group.bin(int((~(reached | group.unreachable)).reshape(-1).argmax())) if left else ""
            why = f"{never:,}: {group.reason}" if never else ""
            rows.append((group.rule, group.place, group.what, f"{hit:,} / {hit + left:,}", first, why))
        head = ("rule", "place", "what", "reached", "first not reached", "unreachable")
        return Sheet(self._title, head, rows, left=3, below=[("coverage", self.line)])

    def to_dict(self) -> dict[str, Any]:
        """The coverage as JSON values: counts in all, by rule and by group, with the first bin not reached, and all of
        these by their index in C order among bins of a shape, of which `axes` say what they count.
        """
        names = ("reached", "unreachable", "not_reached")
        each = []
        for group, reached in zip(self.groups, self.reached, strict=True):
            counts = dict(zip(names, _counts([group], [reached]), strict=True))
            left = ~(reached | group.unreachable)
            first = group.bin(int(left.reshape(-1).argmax())) if counts["not_reached"] else None
            about = {"rule": group.rule, "place": group.place, "what": group.what}
            why = group.reason if counts["unreachable"] else None
            shape = {"axes": [_axis(axis) for axis in group.axes], "shape": list(left.shape)}
            each.append({**about, **counts, "why": why, "first_not_reached": first, **shape, "missed": _places(left)})
        rules = {rule: dict(zip(names, counts, strict=True)) for rule, counts in self.by_rule.items()}
        whole = dict(zip(names, self.counts, strict=True))
        return {"network": self.net.name, "id": self.net.id, "of": self.of, **whole, "rules": rules, "groups": each}


def _axis(axis: Axis) -> str | list[str]:
    return axis if isinstance(axis, str) else list(axis)


def _places(bins: Bits) -> list[int]:
    """The indices of bins that are set, in C order."""
    found: list[int] = np.flatnonzero(bins).tolist()
    return found


def _counts(groups: Sequence[Group], reached: Sequence[Bits]) -> tuple[int, int, int]:
    """The bins reached, proved unreachable, and not reached."""
    hit = sum(int(np.count_nonzero(bins)) for bins in reached)
    never = sum(int(np.count_nonzero(group.unreachable)) for group in groups)
    return hit, never, sum(group.unreachable.size for group in groups) - hit - never
