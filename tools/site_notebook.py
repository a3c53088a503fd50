# SPDX-License-Identifier: Apache-2.0
"""A notebook, its cells run one after another as a kernel would, without one: what each prints and shows, as
Markdown.
"""

from __future__ import annotations

import ast
import io
import json
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from site_markdown import raw


@dataclass(frozen=True)
class Cell:
    """A cell: whether it is code, and its text."""

    code: bool
    text: str


@dataclass
class Shown:
    """What a cell printed, and what it showed: text, HTML or SVG, each with its kind."""

    printed: str = ""
    values: list[tuple[str, str]] = field(default_factory=list)


def cells(path: Path) -> list[Cell]:
    """The cells of a notebook file in order, but empty ones."""
    told = json.loads(path.read_text(encoding="utf-8"))["cells"]
    found = [Cell(cell["cell_type"] == "code", "".join(cell["source"])) for cell in told]
    return [cell for cell in found if cell.text.strip()]


def run(given: list[Cell]) -> list[Shown]:
    """What each cell shows, run in one namespace; the last expression of a cell is shown, as `display` shows what it is
    given. What a cell raises is raised.
    """
    now = Shown()

    def display(*values: Any) -> None:
        now.values.extend(map(form, values))

    namespace: dict[str, Any] = {"__name__": "__main__", "display": display}
    found = []
    for number, cell in enumerate(given, 1):
        now = Shown()
        found.append(now)
        if not cell.code:
            continue
        tree, last = ast.parse(cell.text, f"cell {number}"), None
        if tree.body and isinstance(tree.body[-1], ast.Expr) and not cell.text.rstrip().endswith(";"):
            last = ast.Expression(tree.body.pop().value)  # type: ignore[attr-defined]
        out = io.StringIO()
        with redirect_stdout(out):
            exec(compile(tree, f"cell {number}", "exec"), namespace)
            value = None if last is None else eval(compile(last, f"cell {number}", "eval"), namespace)
        now.printed = out.getvalue()
        if value is not None:
            display(value)
    return found


def form(value: Any) -> tuple[str, str]:
    """The richest form of a value that a page takes, and its kind: svg, html, else text."""
    for kind in ("svg", "html"):
        told = getattr(value, f"_repr_{kind}_", lambda: None)()
        if told:
            return kind, told
    return "text", repr(value)


def page(path: Path) -> tuple[str, dict[str, bytes]]:
    """The notebook as Markdown with what its cells show, and its pictures by their names."""
    given = cells(path)
    parts, pictures = [], dict[str, bytes]()
    for cell, shown in zip(given, run(given), strict=True):
        parts.append(f"```python\n{cell.text.strip()}\n```" if cell.code else cell.text.strip())
        if shown.printed:
            parts.append(f"```text\n{shown.printed.rstrip()}\n```")
        for kind, told in shown.values:
            if kind == "svg":
                name = f"{path.stem}-{len(pictures) + 1}.svg"
                pictures[name] = told.encode()
                parts.append(f"```{{figure}} {name}\n:alt: what the lines above draw\n\nDrawn by the lines above.\n```")
            else:
                parts.append(raw(told) if kind == "html" else f"```text\n{told}\n```")
    return "\n\n".join(parts) + "\n", pictures
