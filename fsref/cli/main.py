"""The command line: `fsref convert | info | run | evaluate | compare | check | explain | export | rule`.

Exit code 0, 1 for "differs or fails", 2 for wrong use or bad input.

NET is a network file or the name of a model that comes with fsref. `--json` puts pure JSON on standard output; progress
goes to standard error, and only to a terminal.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Sequence
from typing import Any

import click

from fsref.cli.check import check
from fsref.cli.compare import compare
from fsref.cli.convert import convert
from fsref.cli.evaluate import evaluate
from fsref.cli.explain import explain
from fsref.cli.export import export
from fsref.cli.info import info
from fsref.cli.rule import rule, rules
from fsref.cli.run import run
from fsref.errors import FsrefError, printable
from fsref.version import SPEC_VERSION, __version__

VERBS = (info, run, evaluate, check, explain, convert, compare, export, rule)


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


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; every error is one line on standard error, behind it, when it
    names a rule, a note of how to read that.
    """
    stdout = sys.stdout
    for stream in (stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        with warnings.catch_warnings():
            warnings.showwarning = show_warning
            given = None if arguments is None else list(arguments)
            code = cli.main(args=given, prog_name="fsref", standalone_mode=False)
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except click.ClickException as error:
        return failed(error.format_message(), 2)
    except (KeyboardInterrupt, click.Abort):
        return failed("interrupted", 130)
    except (BrokenPipeError, SystemExit) as error:
        # click wraps stdout and exits with 1 when a pipe is closed.
        if isinstance(error, SystemExit) and sys.stdout is stdout:
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), stdout.fileno())  # the reader left; nothing more can be said
        return 0
    except FsrefError as error:
        return failed(str(error), 2, error.rule)
    except MemoryError:
        return failed("out of memory; a smaller --memory-limit, --batch or --limit helps", 2)
    except OSError as error:
        return failed(f"{error.filename or 'system'}: {error.strerror or error}", 2)


def show_warning(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
    """One line on standard error."""
    click.echo(f"fsref: note: {printable(' '.join(str(message).split()))}", err=True)


def failed(message: str, code: int, named: str = "") -> int:
    """`code`, after one line on standard error, and a note where the rule it names stands on a page."""
    click.echo(f"fsref: error: {printable(' '.join(message.split()))}", err=True)
    if named in rules():
        click.echo(f"fsref: note: fsref rule {named} prints this rule", err=True)
    return code


if __name__ == "__main__":
    sys.exit(main())
