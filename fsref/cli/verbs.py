"""The verbs as one command, and what becomes of their errors."""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Sequence
from contextlib import suppress
from errno import EDQUOT, EFBIG, ENOSPC
from typing import Any

import click

from fsref.cli.check import check
from fsref.cli.compare import compare
from fsref.cli.conform import conform
from fsref.cli.convert import convert
from fsref.cli.cover import cover
from fsref.cli.diff import diff
from fsref.cli.evaluate import evaluate
from fsref.cli.explain import explain
from fsref.cli.export import export
from fsref.cli.info import info
from fsref.cli.rule import rule
from fsref.cli.run import run
from fsref.cli.streams import reported
from fsref.cli.vectors import vectors
from fsref.errors import FsrefError, printable
from fsref.formats.pages import rules
from fsref.version import SPEC_VERSION, __version__

VERBS = (info, run, evaluate, check, explain, convert, compare, export, diff, cover, vectors, conform, rule)


@click.group(invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "--version", message=f"fsref %(version)s, law {SPEC_VERSION}")
@click.pass_context
def cli(ctx: click.Context) -> None:
    """The golden reference simulator for few-spikes (FS) neurons: integers only, every spike explicit."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help(), err=True)
        ctx.exit(2)


for verb in VERBS:
    cli.add_command(verb)

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
        return failed(error.format_message(), 2)
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


def failed(message: str, code: int, named: str = "") -> int:
    """`code`, after one line on standard error, and a note where the rule it names stands on a page."""
    reported(printable(" ".join(message.split())), code)
    if named in rules():
        with suppress(OSError):
            click.echo(f"fsref: note: fsref rule {named} prints this rule", err=True)
    return code


def noted(message: Warning | str, *place: Any, **more: Any) -> None:
    """A warning of Python's as one line on standard error, without its place in the code."""
    with suppress(OSError):
        click.echo(f"fsref: note: {printable(' '.join(str(message).split()))}", err=True)
