"""The verbs as one command, and what becomes of their errors."""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Sequence
from contextlib import suppress
from errno import EDQUOT, EFBIG, ENOSPC
from importlib import import_module
from typing import Any

import click

from fsref.cli.streams import reported
from fsref.cli.verb import Several
from fsref.errors import FsrefError, printable
from fsref.version import SPEC_VERSION, __version__

# What a list of them says of each: the first sentence of its help.
VERBS = {
    "check": "Say what is proved; test that all engines agree.",
    "compare": "Say which population loses what the float graph knew.",
    "conform": "Drive a device and judge it.",
    "convert": "Convert a float graph or ONNX model to an FS network.",
    "cover": "Count the bins of the law that were reached.",
    "diff": "Find the first wrong neuron of a dump.",
    "evaluate": "Score a network on images.",
    "explain": "Say why one neuron spiked as it did.",
    "export": "Write the same integers for other programs.",
    "fit": "Find the table that follows a function.",
    "info": "Show a network: widths, memory, schedule, id.",
    "rule": "Print rules by name (PROJ-2) or by section (POOL).",
    "run": "Run images; record or list every spike.",
    "table": "Show a table, every step of it; make integers of floats.",
    "verify": "Hold somebody else's conversion against the law.",
    "vectors": "Golden vectors: make a pack, show it, check the answers to it.",
    "view": "Show every step of an image as a page.",
}


class Verbs(Several):
    """The verbs as one command, each imported when it is called: most of what all of them import, one does not need."""

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        return verb(name) if name in VERBS else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))


def verb(name: str) -> click.Command:
    """The verb of this name, or group of verbs."""
    found: click.Command = getattr(import_module(f"fsref.cli.{name}"), name)
    return found


def named(arguments: Sequence[str] | None) -> list[click.Command]:
    """The verbs that a command line names, sys.argv unless given: one, or nearly so."""
    words = sys.argv[1:] if arguments is None else arguments
    return [verb(word) for word in words if word in VERBS]


@click.group(
    cls=Verbs,
    commands={name: click.Command(name, help=told) for name, told in VERBS.items()},  # their names, for the list
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, "--version", message=f"fsref %(version)s, law {SPEC_VERSION}")
def cli() -> None:
    """The golden reference simulator for few-spikes (FS) neurons: integers only, every spike explicit."""


class Notes(logging.Handler):
    """What the library logs of its work as lines on standard error, each once, where that is a terminal."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.told = set[str]()

    def emit(self, record: logging.LogRecord) -> None:
        line = record.getMessage()
        if sys.stderr.isatty() and line not in self.told:
            self.told.add(line)
            note(line)


OWN = logging.getLogger("fsref")
OWN.setLevel(logging.INFO)
OWN.addHandler(Notes())
OWN.propagate = False
# Where matplotlib keeps its fonts changes no picture: its log of that is no line of a command's.
logging.getLogger("matplotlib").addHandler(logging.NullHandler())


def called(arguments: Sequence[str] | None) -> int:
    """The exit code of a command line, sys.argv unless given, after one line for every error."""
    streams = sys.stdout, sys.stderr
    try:
        with warnings.catch_warnings():
            warnings.showwarning = noted
            code = cli.main(None if arguments is None else list(arguments), "fsref", standalone_mode=False)
        return code if isinstance(code, int) else 0
    except click.ClickException as error:
        return failed(error.format_message() + behind(error), 2)
    except (KeyboardInterrupt, click.Abort):
        return failed("interrupted", 130)
    except FsrefError as error:
        return failed(str(error), 2, error.rule)
    except MemoryError:
        return failed("out of memory; a smaller --memory-limit, --batch or --limit helps", 2)
    except SystemExit:  # as click leaves when a pipe is closed, behind streams of its own
        if streams == (sys.stdout, sys.stderr):
            raise
        sys.stdout, sys.stderr = streams
        return 0
    except OSError as error:
        # What writes files says which; without a name there is standard output alone to be full.
        unnamed = "standard output" if error.errno in (ENOSPC, EDQUOT, EFBIG) else "system"
        return failed(f"{error.filename or unnamed}: {error.strerror or error}", 2)


def behind(error: click.ClickException) -> str:
    """What to do with an argument that was taken for an option, as the formula -x**2 is: -- ends the options."""
    short = isinstance(error, click.NoSuchOption) and not error.option_name.startswith("--")
    return " An argument that begins with - goes behind --, where options have ended." if short else ""


def failed(message: str, code: int, named: str = "") -> int:
    """`code`, after one line on standard error, and a note where the rule it names stands on a page."""
    reported(printable(" ".join(message.split())), code)
    from fsref.formats.pages import rules

    if named in rules():
        note(f"fsref rule {named} prints this rule")
    return code


def noted(message: Warning | str, *place: Any, **more: Any) -> None:
    """A warning of Python's as one line on standard error, without its place in the code."""
    note(str(message))


def note(text: str) -> None:
    """A line on standard error that is no error."""
    with suppress(OSError):
        click.echo(f"fsref: note: {printable(' '.join(text.split()))}", err=True)
