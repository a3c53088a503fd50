"""Tables: data first, drawn as text by rich and as HTML for notebooks and reports. Every result that is more than a
number hands one over.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.table import Table as Drawn

WIDTH = 80  # columns of text that is no terminal's
LONGEST = 40  # characters of a cell of text before it wraps
ALARMS = frozenset({"DIFFERS", "OUTSIDE", "WRONG"})  # facts that are red on a terminal


def plural(count: int, noun: str) -> str:
    """ "1 step", "2 steps"."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def cell(value: object) -> str:
    """A value as a table shows it: integers with commas, None as nothing."""
    return (
        f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else "" if value is None else str(value)
    )


@dataclass(frozen=True)
class Sheet:
    """One table with a title, and facts, (name, value) each, above and below it; `more` sheets may follow.

    `str()` is plain text of 80 columns, `html()` an HTML table; rich draws it as wide as its console. The first `left`
    columns are set left, the others right. Columns that do not fit go into a second table under the first, behind the
    first column again.
    """

    title: str
    head: Sequence[str] = ()
    rows: Sequence[Sequence[object]] = ()
    left: int = 1
    above: Sequence[tuple[str, str]] = ()
    below: Sequence[tuple[str, str]] = ()
    more: Sequence[Sheet] = ()

    def __str__(self) -> str:
        from io import StringIO

        from rich.console import Console

        out = StringIO()
        Console(file=out, width=WIDTH, color_system=None, force_terminal=False, legacy_windows=False).print(self)
        return "\n".join(line.rstrip() for line in out.getvalue().rstrip().split("\n"))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from rich.text import Text

        yield Text(self.title, "bold")
        for part in (_facts(self.above), *self._tables(options.max_width), _facts(self.below)):
            if part is not None:
                yield Text()
                yield part
        for sheet in self.more:
            yield Text()
            yield sheet

    def _tables(self, width: int) -> Iterator[Drawn]:
        """The table, or its columns in several, as wide as `width` allows."""
        from rich.box import Box
        from rich.table import Table as Drawn
        from rich.text import Text

        cells = [[cell(value) for value in row] for row in self.rows]
        need = [self._width(i, [row[i] for row in cells]) for i in range(len(self.head))]
        for columns in _parts(need, width):
            rule = Box("    \n    \n -- \n    \n    \n    \n    \n    \n", ascii=True)
            drawn = Drawn(box=rule, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
            for i in columns:
                text = i < self.left
                least = min(need[i], width)
                form: Any = {"justify": "left" if text else "right", "vertical": "bottom", "overflow": "fold"}
                drawn.add_column(Text(self.head[i]), min_width=least, **form)
            for row in cells:
                drawn.add_row(*(Text(row[i]) for i in columns))
            yield drawn

    def _width(self, i: int, values: Sequence[str]) -> int:
        """The columns that column i needs: its longest value, of text no more than LONGEST, and word of its head."""
        longest = max(map(len, values), default=0)
        words = max(map(len, self.head[i].split()), default=0)
        return max(words, min(longest, LONGEST) if i < self.left else longest)

    def html(self) -> str:
        """The sheet as HTML: title as caption, the facts in its foot; everything escaped."""

        def row(values: Iterable[object], tag: str) -> str:
            sides = (
                f'<{tag} style="text-align:{"left" if i < self.left else "right"}">{escape(cell(v))}</{tag}>'
                for i, v in enumerate(values)
            )
            return f"<tr>{''.join(sides)}</tr>"

        span, side = max(1, len(self.head) - 1), 'style="text-align:left"'
        fact = f'<tr><th scope="row" {side}>{{}}</th><td colspan="{span}" {side}>{{}}</td></tr>'
        foot = "".join(fact.format(escape(name), escape(value)) for name, value in (*self.above, *self.below))
        body = "".join(row(values, "td") for values in self.rows)
        head = f"<caption>{escape(self.title)}</caption><thead>{row(self.head, 'th')}</thead>"
        table = f"<table>{head}<tbody>{body}</tbody><tfoot>{foot}</tfoot></table>"
        return table + "".join(sheet.html() for sheet in self.more)


def _facts(facts: Sequence[tuple[str, str]]) -> Drawn | None:
    """Names and values side by side, None when there are none."""
    from rich.table import Table as Drawn
    from rich.text import Text

    if not facts:
        return None
    drawn = Drawn.grid(padding=(0, 2, 0, 0))
    drawn.add_column(no_wrap=True)
    drawn.add_column(overflow="fold")
    for name, value in facts:
        style = "bold red" if name in ALARMS else ""
        drawn.add_row(Text(name, style), Text(value, style))
    return drawn


def _parts(need: Sequence[int], width: int) -> Iterator[list[int]]:
    """The columns of each table, the first of all in each, so that none is wider than `width` if it can be helped."""
    columns: list[int] = []
    for i in range(len(need)):
        if len(columns) > 1 and sum(need[j] + 2 for j in (*columns, i)) - 2 > width:
            yield columns
            columns = [0]
        columns.append(i)
    if columns:
        yield columns


class Shown:
    """What has a `sheet()` prints as text and renders in notebooks: the one adapter for both."""

    def sheet(self) -> Sheet:
        """The content as a table."""
        raise NotImplementedError

    def __str__(self) -> str:
        return str(self.sheet())

    def _repr_html_(self) -> str:
        return self.sheet().html()

    def __rich__(self) -> Any:
        return self.sheet()
