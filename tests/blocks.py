"""The blocks of code in a page, and a program that runs them as a reader would."""

from __future__ import annotations

import re

BLOCK = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```\s*$", re.MULTILINE | re.DOTALL)

# Runs the blocks of a JSON list one after another in one namespace, as in one session; prints what each printed.
READER = """
import contextlib, io, json, sys
namespace, printed = {"__name__": "__main__"}, []
for number, block in enumerate(json.load(sys.stdin), 1):
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(block, f"python block {number}", "exec"), namespace)
    printed.append(out.getvalue())
json.dump(printed, sys.stdout)
"""


def shell_session(page: str) -> list[tuple[str, str, str | None]]:
    """What a reader of a page saves and types, in order: (name of a file, its text, None) of a block whose language is
    followed by a name, and ("", commands, what they print) of an sh block, None where no text block follows it.
    """
    blocks = re.findall(r"^```(\w*) ?([^\n]*)\n(.*?)^```\s*$", page, re.MULTILINE | re.DOTALL)
    following = [*blocks[1:], ("", "", "")]
    return [
        (name, text, after if language == "sh" and kind == "text" else None)
        for (language, name, text), (kind, _, after) in zip(blocks, following, strict=True)
        if name or language == "sh"
    ]


def python_blocks(page: str) -> list[tuple[str, str | None]]:
    """Each python block of a page, with the text block that follows it before any other block."""
    blocks = BLOCK.findall(page)
    following = [*blocks[1:], ("", "")]
    return [
        (text, after if kind == "text" else None)
        for (language, text), (kind, after) in zip(blocks, following, strict=True)
        if language == "python"
    ]
