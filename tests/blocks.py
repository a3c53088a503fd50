"""The blocks of code in a page, and a program that runs them as a reader would."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

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


def shell(commands: str, at: Path) -> subprocess.CompletedProcess[str]:
    """What commands of a shell print in a folder, where `fsref` and `python3` are those of these tests."""
    tools = at.parent / "tools"
    tools.mkdir(exist_ok=True)
    for name, options in (("fsref", "-m fsref "), ("python3", "")):
        (tools / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {options}"$@"\n')
        (tools / name).chmod(0o755)
    settings = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1", "COLUMNS": "80"}
    settings["PATH"] = f"{tools}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        ["sh", "-c", commands], cwd=at, env=settings, capture_output=True, encoding="utf-8", timeout=120
    )


def follow(session: list[tuple[str, str, str | None]], at: Path) -> Path:
    """The folder in which a session was followed to the letter, empty before: what a page shows was printed, nothing
    else, and no command failed but the last of a block that drives what is wrong.
    """
    folder = at / "empty"
    folder.mkdir()
    for name, text, shown in session:
        if name:
            (folder / name).write_text(text, encoding="utf-8")
            continue
        done = shell(text, folder)
        assert done.stderr == "" and done.returncode == int("wrong" in text), (text, done.stdout, done.stderr)
        if shown is not None:
            assert done.stdout == shown
    return folder


def python_blocks(page: str) -> list[tuple[str, str | None]]:
    """Each python block of a page, with the text block that follows it before any other block."""
    blocks = BLOCK.findall(page)
    following = [*blocks[1:], ("", "")]
    return [
        (text, after if kind == "text" else None)
        for (language, text), (kind, after) in zip(blocks, following, strict=True)
        if language == "python"
    ]
