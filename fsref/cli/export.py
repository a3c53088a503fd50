"""`fsref export`: a network's integers, and those of a run of it, in the formats of other programs."""

from __future__ import annotations

from pathlib import Path
from shlex import quote
from typing import Any

import click

from fsref.cli.options import (
    FORCE,
    IMAGES,
    JSON,
    LAYOUT,
    NET,
    SOURCE,
    check_file,
    check_name,
    chosen,
    images_of,
    layout_of,
    record_options,
    show,
)
from fsref.cli.verb import Given, When, needs, verb
from fsref.errors import UsageError, shown
from fsref.formats import aer
from fsref.formats import layout as layouts
from fsref.formats.bundled import load
from fsref.formats.files import check_target
from fsref.law.network import Network
from fsref.law.populations import OBSERVABLES
from fsref.simulation import fed
from fsref.simulation.export import FORMATS, options_of
from fsref.simulation.export import export as write
from fsref.simulation.memory_folder import BENCH
from fsref.simulation.recording import Record, Trace
from fsref.simulation.run import run
from fsref.tables import plural

OF_RUN = ("source", "resize", "crop", "selection", "recorded", "observables", "feed")


def with_option(name: str) -> When:
    """The case of a format that has an option."""
    forms = [form for form in FORMATS if name in options_of(form)]
    return When(f"--format {', '.join(forms)}", lambda given: given["form"] in forms)


@verb(
    needs("--codes", with_option("codes")),
    needs("--layout", with_option("layout")),
    needs("--fields", with_option("fields")),
    needs("--data --resize --crop --images --record --observable", with_option("trace")),
    needs("--feed", with_option("feed")),
)
@NET
@click.option("--format", "form", type=click.Choice(tuple(FORMATS)), required=True, help="What to write.")
@click.option(
    "--out", type=click.Path(), metavar="PATH", help="The file or new folder to write; NET.fs.FORMAT here unless given."
)
@click.option(
    "--codes",
    multiple=True,
    metavar="POPULATION",
    help="Also give the codes of this population as an output (repeatable).",
)
@SOURCE
@IMAGES
@record_options(
    "Of a run, this population (repeatable); all unless given.",
    "Of a run, this (repeatable); all unless given, with --feed spikes.",
)
@click.option(
    "--feed",
    multiple=True,
    metavar="POPULATION",
    help="Also write a test bench of a chip that gets the spikes of this population (repeatable) and answers with what "
    "is recorded.",
)
@LAYOUT
@click.option(
    "--fields",
    metavar="NAME,... or NAME:BITS,...",
    help="What an event of aer is: the columns of a line, step,population,neuron, or x,y,c for neuron; or the fields "
    "of a word, the highest first, step:8,population:4,neuron:12.",
)
@FORCE
@JSON
def export(net: str, form: str, out: str | None, force: bool, as_json: bool, **given: Any) -> int:
    """Write the same integers for other programs.

    A network as ONNX, NIR, or memories of a chip and its test bench; with images also those of a run: stimuli, and what
    is right; of a run alone its spikes as address events, aer, or as waveforms, vcd.
    """
    getattr(
        FORMATS[form], "package", lambda: None
    )()  # that writes the format, if one does: missed before a run, not after
    ours = getattr(FORMATS[form], "is_ours", None)  # of formats that write a folder
    if ours is None:
        check_name("--out", out)
    asked = None if given["layout"] is None else layout_of(given["layout"])
    fields = None if given["fields"] is None else aer.checked(aer.fields_of(given["fields"], "fields"), "fields")
    network = load(net)
    layout = None if asked is None else layouts.given(asked, network)
    target = Path(out or f"{Path(net).name.removesuffix('.npz').removesuffix('.fs')}.fs.{form}")
    if ours is None:
        check_file("--out", target, force, net)
    else:
        check_target(target, force, ours, "--out", "folders of memories")
    options: Given = {"codes": given["codes"]} if given["codes"] else {}
    options |= {"layout": layout} if layout is not None else {}
    options |= {"fields": fields} if fields is not None else {}
    trace = recorded(net, network, form, given) if any(given[name] for name in OF_RUN) else None
    options |= {"trace": trace} if trace is not None else {}
    options |= {"feed": given["feed"], "command": comparing(net, given)} if given["feed"] else {}
    write(network, target, form, replace=force, **options)
    of = "" if trace is None else f", a run of {plural(trace.image_count, 'image')}"
    told: Given = {"network": network.name, "id": network.id, "out": str(target), "format": form}
    told["image_count"] = None if trace is None else trace.image_count
    lines = [f"{target}: {shown(network.name or net)}, id {network.id[:12]}{of}"]
    commands = [*simulating(target), f"{comparing(net, given)} answers"]
    show(as_json, lines + (["\n".join(commands)] if given["feed"] else []), told)
    return 0


def recorded(name: str, net: Network, form: str, given: Given) -> Trace:
    """The recording, of what a format holds, of a run of the images that were named. Errors: UsageError, InputError,
    LimitError.
    """
    held = getattr(FORMATS[form], "HOLDS", OBSERVABLES)
    for observable in given["observables"]:
        if observable not in held:
            limit = f"it holds {', '.join(held)}"
            raise UsageError("RUN-6", "--observable", f"{form} holds no {observable}", None, limit)
    images = images_of(name, net, given)
    x, feed = images.x[chosen(given["selection"], len(images.x))], given["feed"]
    asked = given["observables"] or (("spikes",) if feed else held)
    record = fed.recording(net, feed, given["recorded"], asked) if feed else Record(given["recorded"] or None, asked)
    trace = run(net, x, record=record).trace
    assert trace is not None
    return fed.answered(trace, feed, asked) if feed else trace


def simulating(out: Path) -> list[str]:
    """The commands that build and run the test bench with somebody's chip."""
    macro = quote(f'-DFSREF_DIR="{out}"')
    build = f"iverilog -g2012 -I {quote(str(out))} {macro} -o bench {quote(str(out / BENCH))} CHIP.sv"
    return [build, "mkdir answers", "vvp -n bench"]


def comparing(net: str, given: Given) -> str:
    """The command that compares answers with what was exported, but for where they are."""
    said = [("resize", "resize"), ("crop", "crop"), ("images", "selection"), ("layout", "layout")]
    options = [f"--{option} {quote(str(given[name]))}" for option, name in said if given[name] is not None]
    return " ".join(["fsref diff", quote(net), quote(given["source"] or net), *options])
