"""Tables: data first, drawn as text by rich and as HTML for notebooks and reports. Every result that is more than a
number hands one over.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Sized
from dataclasses import dataclass, fields
from html import escape
from itertools import groupby
from textwrap import TextWrapper
from typing import TYPE_CHECKING, Any

from fsref.errors import printable, shown

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
    from rich.table import Table as Drawn

WIDTH = 80  # columns of text that is no terminal's
LONGEST = 40  # characters of text in a cell before it wraps, if there is no room for more
GAP = 2  # between columns
ROWS = 1_000  # of a table that are drawn; JSON has every one
MANY = 4  # values of a container that a repr still shows
LINE = 200  # characters of a repr
ALARMS = frozenset({"DIFFERS", "OUTSIDE", "REFUTED", "WRONG"})  # facts that are red on a terminal
Fact = tuple[str, str]  # name and value; one without a name goes on with the fact above it


def plural(count: int, noun: str) -> str:
    """ "1 step", "2 steps"."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def span(low: int, high: int) -> str:
    """ "-5 .. 9", and one number where both ends are the same."""
    return f"{low:,}" if low == high else f"{low:,} .. {high:,}"


def sizes(shape: Sequence[int]) -> str:
    """ "16 x 32 x 32"."""
    return " x ".join(map(str, shape))


def cell(value: object) -> str:
    """A value as a table shows it: integers with commas, None as nothing."""
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return "" if value is None else shown(value)


@dataclass(frozen=True, repr=False)
class Sheet:
    """One table with a title, and facts, (name, value) each, above and below it; `more` sheets may follow.

    `str()` is plain text of 80 columns, `html()` an HTML table; rich draws it as wide as its console. The first `left`
    columns are set left, the others right. Columns that do not fit go into a second table under the first, behind the
    first column again. Of many rows the first 999 and the last are drawn, and it is said so.
    """

    title: str
    head: Sequence[str] = ()
    rows: Sequence[Sequence[object]] = ()
    left: int = 1
    above: Sequence[Fact] = ()
    below: Sequence[Fact] = ()
    more: Sequence[Sheet] = ()

    def __repr__(self) -> str:
        return short(f"<Sheet {self.title}: {plural(len(self.rows), 'row')}, {plural(len(self.more), 'more sheet')}>")

    def __str__(self) -> str:
        from io import StringIO

        from rich.console import Console

        out = StringIO()
        Console(file=out, width=WIDTH, color_system=None, force_terminal=False, legacy_windows=False).print(self)
        return "\n".join(line.rstrip() for line in out.getvalue().rstrip().split("\n"))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from rich.text import Text

        width = options.max_width
        facts = _facts(self.above, width), _facts([*self._left_out(), *self.below], width)
        parts: list[RenderableType] = [*facts[0], *self._tables(width), *facts[1]]
        yield Text(shown(self.title), "bold")
        for part in parts:
            yield Text()
            yield part
        for sheet in self.more:
            yield Text()
            yield sheet

    def _drawn_rows(self) -> Sequence[Sequence[object]]:
        """The rows, of many the first and the last."""
        return self.rows if len(self.rows) <= ROWS else [*self.rows[: ROWS - 1], self.rows[-1]]

    def _left_out(self) -> Sequence[Fact]:
        """That rows are left out; nothing where none is."""
        many = len(self.rows) > ROWS
        return [("rows", f"the first {ROWS - 1:,} and the last of {len(self.rows):,}")] if many else []

    def _tables(self, width: int) -> Iterator[Drawn]:
        """The table, or its columns in several, none wider than `width`."""
        cells = [[cell(value) for value in row] for row in self._drawn_rows()]
        columns = [_Column(head, [row[i] for row in cells], i < self.left) for i, head in enumerate(self.head)]
        part: list[_Column] = []
        for column in columns:
            if len(part) > 1 and _sum(c.least for c in (*part, column)) > width:
                yield _drawn(part, width)
                part = columns[:1]
            part = [*part, column]
        if part:
            yield _drawn(part, width)

    def html(self) -> str:
        """The sheet as HTML: title as caption, facts above in the head and below in the foot; everything escaped."""
        left, span = 'style="text-align:left"', max(1, len(self.head) - 1)

        columns = [[cell(row[i]) for row in self._drawn_rows()] for i in range(len(self.head))]
        sides = [self._side(i, values) for i, values in enumerate(columns)]

        def row(values: Iterable[object], tag: str) -> str:
            cells = zip(sides, values, strict=True)
            inner = "".join(f'<{tag} style="text-align:{side}">{escape(cell(v))}</{tag}>' for side, v in cells)
            return f"<tr>{inner}</tr>" if inner else ""

        def facts(given: Sequence[Fact]) -> str:
            told = ((escape(shown(name)), escape(shown(value))) for name, value in given)
            form = f'<tr><th scope="row" {left}>{{}}</th><td colspan="{span}" {left}>{{}}</td></tr>'
            return "".join(form.format(*fact) for fact in told)

        head = f"<thead>{facts(self.above)}{row(self.head, 'th')}</thead>"
        body = f"<tbody>{''.join(row(values, 'td') for values in self._drawn_rows())}</tbody>"
        caption = f"<caption>{escape(shown(self.title))}</caption>"
        table = f"<table>{caption}{head}{body}<tfoot>{facts([*self._left_out(), *self.below])}</tfoot></table>"
        return table + "".join(sheet.html() for sheet in self.more)

    def _side(self, index: int, values: Sequence[str]) -> str:
        """How a column of HTML is set: numbers right, words that fill lines left, and not in a narrow strip."""
        words = any(len(value) > LONGEST and any(map(str.isalpha, value)) for value in values)
        return "left;min-width:16em" if words else "left" if index < self.left else "right"


class _Column:
    """A column to draw: its values, its head, and how wide it has to be."""

    def __init__(self, head: str, values: Sequence[str], text: bool) -> None:
        from rich.cells import cell_len

        self.head, self.values, self.text = shown(head), values, text
        self.longest = max(map(cell_len, values), default=0)
        words = max(map(len, self.head.split()), default=0)
        self.least = max(words, min(self.longest, LONGEST) if text else self.longest)

    def lines(self, width: int) -> list[str]:
        """The head in lines of at most `width`."""
        return TextWrapper(width=max(1, width), break_long_words=False, break_on_hyphens=False).wrap(self.head)

    def width(self, lines: int) -> int:
        """The least width at which the head takes no more than so many lines."""
        fits = (w for w in range(self.least, len(self.head)) if len(self.lines(w)) <= lines)
        return next(fits, max(self.least, len(self.head)))


def _sum(widths: Iterable[int]) -> int:
    """The width of columns side by side."""
    return sum(width + GAP for width in widths) - GAP


def _widths(columns: Sequence[_Column], width: int) -> list[int]:
    """How wide each column is drawn: heads in as few lines as there is room for, then the rest for long text."""
    words = max(len(c.head.split()) for c in columns)
    tried = ([c.width(lines) for c in columns] for lines in range(1, words + 1))
    widths = next((found for found in tried if _sum(found) <= width), [c.least for c in columns])
    for i, column in enumerate(columns):
        room = width - _sum(widths)  # less than none where a console is too narrow for two columns
        if column.text:
            widths[i] = max(1, widths[i] + min(room, max(0, column.longest - widths[i])))
    return widths


def _drawn(columns: Sequence[_Column], width: int) -> Drawn:
    """Columns as a table."""
    from rich.box import Box
    from rich.table import Table as Drawn
    from rich.text import Text

    rule = Box("    \n    \n -- \n    \n    \n    \n    \n    \n", ascii=True)
    drawn = Drawn(box=rule, show_edge=False, pad_edge=False, padding=(0, GAP - 1, 0, 0), header_style="bold")
    widths = _widths(columns, width)
    heads = [column.lines(own) for column, own in zip(columns, widths, strict=True)]
    tallest = max(map(len, heads))
    for column, own, head in zip(columns, widths, heads, strict=True):
        low = Text("\n".join([""] * (tallest - len(head)) + head))  # the last line of each stands on the rule
        drawn.add_column(low, width=own, justify="left" if column.text else "right", overflow="fold")
    for row in zip(*(column.values for column in columns), strict=True):
        drawn.add_row(*map(Text, row))
    return drawn


def _facts(facts: Sequence[Fact], width: int) -> list[Group]:
    """Names and values side by side, in one piece; nothing when there are none.

    A value with a word too long to stand in the column of values, as an id has, stands right behind its name.
    """
    from rich.cells import cell_len
    from rich.console import Group
    from rich.table import Table as Drawn
    from rich.text import Text

    if not facts:
        return []
    told = [(shown(name), shown(value)) for name, value in facts]
    common = max(cell_len(name) for name, _ in told)

    def side(fact: Fact) -> int:
        name, value = fact
        word = max(map(cell_len, value.split()), default=0)
        return common if _sum((common, word)) <= width else cell_len(name)

    grids = []
    for own, group in groupby(told, side):
        grid = Drawn.grid(padding=(0, GAP, 0, 0))
        grid.add_column(width=own)
        grid.add_column(overflow="fold")
        for name, value in group:
            style = "bold red" if name in ALARMS else ""
            grid.add_row(Text(name, style), Text(value, style))
        grids.append(grid)
    return [Group(*grids)]


def short(line: str) -> str:
    """A repr as one line of at most 200 printable characters."""
    line = printable(line)
    return line if len(line) <= LINE else f"{line[: LINE - 4]}...{line[-1]}"


def brief(value: object) -> str:
    """A value in a few words: an array by type and shape, a container by how much it holds."""
    if hasattr(value, "dtype") and hasattr(value, "shape"):
        return f"{value.dtype} {value.shape}"
    if isinstance(value, Sized) and not isinstance(value, str) and len(value) > MANY:
        return f"{type(value).__name__} of {len(value):,}"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{key!r}: {brief(held)}' for key, held in value.items())}}}"
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return f"[{', '.join(map(brief, value))}]"
    return repr(value)


class Brief:
    """A dataclass whose repr is one short line: arrays by type and shape, containers by how much they hold."""

    def __repr__(self) -> str:
        told: Any = self
        values = (f"{field.name}={brief(getattr(self, field.name))}" for field in fields(told))
        return short(f"{type(self).__name__}({', '.join(values)})")


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
