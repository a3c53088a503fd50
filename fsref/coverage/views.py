"""Bins of views: rows and columns that show a spike (VIEW-1)."""

from __future__ import annotations

from fsref.coverage.group import Bits, Group, Seen, What, some
from fsref.coverage.trains import sent
from fsref.law.network import Network
from fsref.law.populations import View

ROW, COLUMN = "row that shows a spike", "column that shows a spike"


class Shown:
    """A view: what each of its rows and columns shows."""

    def __init__(self, net: Network, p: View) -> None:
        self.p = p
        spikes = some([words[-1] > 0 for words in sent(net)[p.source]])
        rows, columns = (places >= 0 for places in (p.rows, p.columns))
        reason = "it shows nothing, or its source never spikes"
        self.groups: tuple[Group, ...] = (
            Group("VIEW-1", p.name, ROW, ("row",), ~(rows & columns.any() & spikes), reason),
            Group("VIEW-1", p.name, COLUMN, ("column",), ~(columns & rows.any() & spikes), reason),
        )

    def met(self, seen: Seen) -> dict[What, Bits]:
        """The bins met by what the view sent, when that is known."""
        words = seen.trains(self.p.name)
        if words is None or not {(self.p.name, "spikes"), (self.p.name, "codes")} & (seen.arrays.keys() - seen.given):
            return {}
        spikes = words != 0
        return {("VIEW-1", ROW): some(spikes, 0, 1, 3), ("VIEW-1", COLUMN): some(spikes, 0, 1, 2)}
