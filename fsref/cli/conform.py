"""`fsref conform`: a device driven through everything that should catch it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from fsref.cli.options import FILE, FORCE, JSON, check_file, examples_option, show
from fsref.cli.verb import needs, verb
from fsref.cli.verbs import note
from fsref.conformance.conforming import CARRIERS
from fsref.conformance.conforming import conform as conform_device
from fsref.conformance.junit import junit as junit_of
from fsref.conformance.replay import check as check_replay
from fsref.conformance.replay import needed
from fsref.conformance.replay import write as write_replay
from fsref.formats.files import write
from fsref.reports.progress import progress


@verb(needs("--force", "--junit", "--replay"))
@click.argument("net", required=False)
@click.option(
    "--dut",
    required=True,
    metavar="COMMAND",
    help="What runs the device: a program and its words, in quotes; no shell reads them.",
)
@click.option(
    "--carrier",
    type=click.Choice(CARRIERS),
    default="frames",
    show_default=True,
    help="How frames go to it: binary, lines of hex, or COMMAND IN OUT.",
)
@click.option("--timeout", type=float, metavar="S", help="Seconds for each reply, the greeting too; 10 unless given.")
@click.option(
    "--start-timeout",
    type=float,
    metavar="S",
    help="Seconds for a start and its greeting, of files for each file; 30 where --timeout is not given either.",
)
@examples_option("Networks that Hypothesis draws, or images where the device holds one network.")
@click.option("--junit", type=FILE, metavar="FILE.xml", help="Write a test case for each case.")
@click.option(
    "--replay",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Write the first failure there, as small as it was made, with a program that decides it without fsref.",
)
@FORCE
@JSON
def conform(
    net: str | None, dut: str, junit: Path | None, replay: Path | None, force: bool, as_json: bool, **given: Any
) -> int:
    """Drive a device and judge it.

    The device greets, is loaded with networks, answers cases and refuses what it must (CONFORM). Exit code 1 when one
    does not pass, 2 when the device cannot be driven.
    """
    if junit is not None:
        check_file("--junit", junit, force, net)
    if replay is not None:
        check_replay(replay, force, "--replay")
    with progress("cases", None) as advance:
        report = conform_device(dut, net, **given, progress=advance)
    show(as_json, [report], report.to_dict())  # first, so that it is not lost where a file cannot be written
    if junit is not None:
        write(junit_of(report), junit, "CONFORM-6", replace=force)
    if replay is not None and needed(report):
        write_replay(report, replay, given["carrier"], force)
    if replay is not None and report.first is not None and not needed(report):
        note("no replay is written: what failed first is a reject, one frame without a case [CONFORM-5]")
    return 0 if report.agrees else 1
