"""Tables: one that prints as plain ASCII and renders as HTML, for terminals, notebooks and reports."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape


def plural(count: int, noun: str) -> str:
    """ "1 step", "2 steps"."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def cell(value: object) -> str:
    """A value as a table shows it: integers with commas, None as nothing."""
    return (
        f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else "" if value is None else str(value)
    )


def table(head: Sequence[str], rows: Iterable[Sequence[object]], left: int = 1) -> str:
    """A table as text: a heading, a rule, a line per row; the first `left` columns set left, the others right."""
    cells = [list(head), *([cell(c) for c in row] for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(head))]
    lines = [
        "  ".join(
            c.ljust(w) if i < left else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in cells
    ]
    return "\n".join([lines[0], "-" * (sum(widths) + 2 * (len(widths) - 1)), *lines[1:]])


@dataclass(frozen=True)
class Sheet:
    """One table with a title, and facts, (name, value) each, above and below it. `str()` is plain text, `html()` an
    HTML table.

    The first `left` columns are set left, the others right.
    """

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[object]]
    left: int = 1
    above: Sequence[tuple[str, str]] = ()
    below: Sequence[tuple[str, str]] = ()

    def __str__(self) -> str:
        parts = [self.title]
        for facts in (self.above, None, self.below):
            width = max((len(name) for name, _ in facts or ()), default=0) + 2
            lines = (
                [table(self.head, self.rows, self.left)]
                if facts is None
                else [f"{name:<{width}}{value}" for name, value in facts]
            )
            parts += ["", *lines] if lines else []
        return "\n".join(parts)

    def html(self) -> str:
        """The table as HTML: title as caption, the facts in its foot; everything escaped."""

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
        return f"<table>{head}<tbody>{body}</tbody><tfoot>{foot}</tfoot></table>"
