# SPDX-License-Identifier: Apache-2.0
"""A page for every command of fsref, made from the command itself: usage, options, exit codes, and an example that is
run while the page is made.
"""

from __future__ import annotations

import io
import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import click

import fsref
from fsref.cli.main import main
from fsref.cli.verbs import VERBS, verb
from fsref.formats.pages import rules
from site_examples import EXAMPLES, FILES, GUIDED
from site_markdown import escaped, figure, framed, linked
from site_reference import toctree

Page = tuple[str, dict[str, bytes]]  # its text, and what its example drew by names
DRAWN = {".svg", ".html"}
CLOCK = re.compile(r"^(speed +).+$", re.MULTILINE)  # the one line that is another in each run
EXIT = re.compile(r"[Ee]xit code 1,? (?:when|where) ((?:(?!, 2 )[^.;])*)")
CODES = """## Exit codes

| code | when |
|--:|---|
| 0 | done |
| 1 | {one} |
| 2 | wrong use or bad input: one line on standard error says rule, place, value and limit |
| 128 + n | ended by signal n; Ctrl-C is 130 |"""


def commands() -> dict[str, click.Command]:
    """Every command by what one types behind `fsref`: groups, and behind each the commands of it."""
    found: dict[str, click.Command] = {}
    for name in VERBS:
        found[name] = command = verb(name)
        if isinstance(command, click.Group):
            found |= {f"{name} {own}": part for own, part in command.commands.items()}
    return found


def page(name: str, command: click.Command) -> Page:
    """The page of a command, and the pictures that its example drew by their names."""
    parts = [f"# fsref {name}", linked(escaped(help_of(command)), rules())]
    if isinstance(command, click.Group):
        return "\n\n".join([*parts, table_of({f"{name} {own}": c for own, c in command.commands.items()})]), {}
    context = click.Context(command, info_name=f"fsref {name}")
    usage = " ".join([f"fsref {name}", *command.collect_usage_pieces(context)])
    parts += [f"## Usage\n\n```text\n{usage}\n```", arguments(command), options(command, context), exit_codes(command)]
    text, pictures = example(name)
    return "\n\n".join(part for part in [*parts, text] if part) + "\n", pictures


def help_of(command: click.Command) -> str:
    """What a command says it does, a paragraph a line."""
    return "\n\n".join(" ".join(part.split()) for part in (command.help or "").split("\n\n"))


def arguments(command: click.Command) -> str:
    """What NET is, of a command that takes one: of other arguments its help tells."""
    takes = any(isinstance(p, click.Argument) and p.human_readable_name == "NET" for p in command.params)
    return "NET is a network file or the name of a model that comes with fsref: `digits`, `resnet20`." if takes else ""


def options(command: click.Command, context: click.Context) -> str:
    """The table of options."""
    rows = []
    for option in (p for p in command.params if isinstance(p, click.Option) and not p.hidden):
        record = option.get_help_record(context)
        assert record is not None
        told = re.fullmatch(r"(.*?)(?:\s*\[([^\]]*)\])?", record[1], re.DOTALL)
        assert told is not None
        said = linked(escaped(" ".join(told[1].split())), rules())
        rows.append(f"| `{cell(record[0])}` | {default(option, told[2] or '')} | {cell(said)} |")
    return "\n".join(["## Options\n", "| option | default | what it does |", "|---|---|---|", *rows])


def default(option: click.Option, extra: str) -> str:
    """What holds where an option is not given, and its limits, from what click tells in brackets."""
    value = option.to_info_dict()["default"]
    first = ""
    if "default: " not in extra and "required" not in extra:
        first = "off" if option.is_flag else "none" if option.multiple or value is None else str(value)
    return cell("; ".join(part for part in (first, re.sub(r"default: (?:\(([^)]*)\))?", r"\1", extra)) if part))


def cell(text: str) -> str:
    """A text in a cell of a table."""
    return " ".join(text.split()).replace("|", r"\|")


def exit_codes(command: click.Command) -> str:
    """What the command ends with."""
    told = " ".join([command.help or "", *(getattr(p, "help", None) or "" for p in command.params)])
    found = [" ".join(when.split()) for when in EXIT.findall(told)]
    return CODES.format(one=cell(escaped("; ".join(found))) if found else "something differs or fails")


def example(name: str) -> tuple[str, dict[str, bytes]]:
    """An example, run in an empty folder: what is typed and what it prints; and the pictures that it drew by their
    names.
    """
    shown, pictures = ["## Example"], dict[str, bytes]()
    with tempfile.TemporaryDirectory() as folder, chdir(folder), surrounded(plain()):
        if guide := GUIDED.get(name):
            prepare(guide)
            shown.append(f"In a folder with the files that [this page](../fsref/guide/{guide}) writes:")
        for file, text in FILES.get(name, {}).items():
            Path(file).write_text(text, encoding="utf-8")
            language = Path(file).suffix[1:].replace("py", "python")
            shown.append(f"```{{code-block}} {language}\n:caption: {file}\n\n{text.rstrip()}\n```")
        for line in EXAMPLES[name]:
            before = set(Path().iterdir())
            code, said = typed(line)
            ended = f"\n(exit code {code})" if code else ""
            shown.append(f"```sh\n{line}\n```")
            if said or ended:
                steady = CLOCK.sub(r"\1...", said)
                shown.append(f"```text\n{steady}{ended}\n```")
            for drawn in sorted(path for path in set(Path().iterdir()) - before if path.suffix in DRAWN):
                own = f"{file_of(name)}-{drawn.name}"
                pictures[own] = drawn.read_bytes()
                shown.append((figure if drawn.suffix == ".svg" else framed)(own, f"{drawn.name} of this example", line))
    return "\n\n".join(shown), pictures


def prepare(guide: str) -> None:
    """Run the python blocks of a page of the guide here, for the files that they write."""
    text = Path(fsref.__file__).with_name("guide").joinpath(guide).read_text(encoding="utf-8")
    namespace: dict[str, Any] = {"__name__": "__main__"}
    with redirect_stdout(io.StringIO()):
        for block in re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
            exec(compile(block, guide, "exec"), namespace)


def typed(line: str) -> tuple[int, str]:
    """Exit code and output of a command line, run here; as in a shell, `< FILE` and `> FILE` may end it. Errors:
    RuntimeError for a command that is used wrongly.
    """
    command, source, target = re.fullmatch(r"(.*?)(?: < (\S+))?(?: > (\S+))?", line).groups()  # type: ignore[union-attr]
    program, *words = shlex.split(command)
    if program == "fsref":
        told = io.StringIO()
        with redirect_stdout(told), redirect_stderr(told):
            code = main(words)
        said = told.getvalue()
    else:
        given = Path(source).read_text(encoding="utf-8") if source else ""
        done = subprocess.run([sys.executable, *words], input=given, capture_output=True, text=True, timeout=60)
        code, said = done.returncode, done.stdout + done.stderr
    if code > 1:
        raise RuntimeError(f"the example {line!r} ended with {code}: {said}")
    if target:
        Path(target).write_text(said, encoding="utf-8")
    return code, "" if target else said.rstrip()


def plain() -> dict[str, str]:
    """An environment in which output is plain and of 80 columns, and python3 is this Python."""
    kept = {name: value for name, value in os.environ.items() if name not in ("FORCE_COLOR", "COLUMNS")}
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    return {**kept, "COLUMNS": "80", "NO_COLOR": "1", "PATH": path}


@contextmanager
def surrounded(wanted: dict[str, str]) -> Iterator[None]:
    """While the block runs the environment is this one."""
    before = dict(os.environ)
    try:
        os.environ.clear()
        os.environ.update(wanted)
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def file_of(name: str) -> str:
    """The name of the page of a command."""
    return name.replace(" ", "-")


def table_of(known: dict[str, click.Command]) -> str:
    """A table of commands, each with the first line that it says of itself."""
    told = {name: help_of(command).partition("\n")[0] for name, command in known.items()}
    rows = "".join(f"| [`fsref {name}`]({file_of(name)}.md) | {cell(escaped(line))} |\n" for name, line in told.items())
    return f"| | |\n|---|---|\n{rows}"


def index() -> str:
    """The page that lists the commands."""
    known = commands()
    about = "Every command prints JSON with `--json`, and what it takes with `--help`; each example was run when this"
    return f"# Commands\n\n{about} page was made.\n\n{table_of(known)}\n{toctree(map(file_of, known))}"
