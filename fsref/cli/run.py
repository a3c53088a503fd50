"""`fsref run`: images through a network, recorded or listed spike by spike; of a bundled model the whole product."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from fsref.cli.options import (
    ENGINE,
    FILE,
    FORCE,
    IMAGES,
    JSON,
    LIMIT,
    NET,
    SOURCE,
    WORK,
    check_file,
    chosen,
    images_of,
    labelled,
    record_options,
    show,
    work,
    written,
)
from fsref.cli.verb import Given, When, needs, verb
from fsref.formats.bundled import brings_images, load
from fsref.reports.events import event_lines, event_rows
from fsref.reports.raster import raster
from fsref.simulation.answers import check_outputs, save_outputs
from fsref.simulation.recording import Record, Taken
from fsref.simulation.run import run as run_network
from fsref.simulation.store import check_recording_target


def read(given: Given) -> bool:
    """Whether what is recorded reaches anybody whole: the list of events has spikes alone, the picture too."""
    return bool(given["out"] or (given["as_json"] and not given["events"]))


@verb(needs("--observable", When("--out, or --json without --events", read)), needs("--force", "--out", "--outputs"))
@NET
@SOURCE
@LIMIT
@IMAGES
@record_options(
    "Record this population (repeatable); all with --out or --events.", "What to record; spikes and codes by default."
)
@click.option("--events", is_flag=True, help="Print every spike, as image,step,population,neuron.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Stream the recording to this new folder, one .npy per array.",
)
@click.option(
    "--outputs",
    "answers",
    type=FILE,
    metavar="FILE.npz",
    help="Also write the outputs to this new file: an array NAME (images, C, H, W) of integers for each readout.",
)
@FORCE
@ENGINE
@WORK
@JSON
def run(
    net: str,
    selection: str | None,
    events: bool,
    out: Path | None,
    answers: Path | None,
    force: bool,
    engine: str,
    as_json: bool,
    **given: Any,
) -> int:
    """Run images; record or list every spike.

    `fsref run digits` alone shows the whole product: score, bit-exact check and a raster.
    """
    if out is not None:
        check_recording_target(out, force, "--out")
    if answers is not None:
        check_file("--outputs", answers, force, out, net, given["source"])
    network = load(net)
    recording = bool(given["recorded"] or given["observables"] or events or out)
    asked = recording or selection is not None or answers is not None
    asked = asked or any(given[name] for name in ("source", "resize", "crop", "limit"))
    if brings_images(net) and not asked:
        from fsref.cli.showcase import showcase

        return showcase(net, network, engine, given, as_json)
    images = images_of(net, network, given)
    picked = chosen(selection, len(images.x))
    labels, names = None if images.y is None else images.y[picked], [images.names[i] for i in picked]
    kinds = given["observables"] or ("spikes", "codes")
    kinds_kept = (*kinds, "spikes") if events else kinds
    taken = Taken(given["source"] or net, len(images.x), ":" if selection is None else selection)
    replaced = force and out is not None
    record = Record(given["recorded"] or None, kinds_kept, None, out, replaced, taken) if recording else None
    limits = work(given)
    if answers is not None:
        limits["memory_limit"] -= check_outputs(network, len(picked), given["memory_limit"])
    result = run_network(network, images.x[picked], engine, record, **limits)
    if answers is not None:
        save_outputs(result.outputs, answers, force)
    plain = {"network": network.name, "id": network.id}
    if events:
        assert result.trace is not None
        spikes = event_rows(result.trace, picked)
        if as_json:
            show(True, (), {**plain, "events": spikes})
        for lines in () if as_json else event_lines(spikes):
            click.echo(lines)
        return 0
    shown: list[object] = [labelled(result.sheet(names, labels, picked), images)]
    if out is not None:
        rows = f"; rows 0 .. {len(picked) - 1} are images {selection} of {taken.source}" if selection else ""
        shown += [f"recorded in {out}{rows}"]
    elif "spikes" in kinds and result.trace is not None:
        shown += [f"image {picked[0]}", raster(network, result.trace)]
    told = {"images": picked, "names": names, "labels": None if labels is None else labels.tolist()}
    told |= {"out": None if out is None else str(out), "outputs_file": None if answers is None else str(answers)}
    shown += written(answers)
    if out is None and result.trace is not None:
        arrays = result.trace.arrays.items()
        told["recording"] = ({"of": of, "observable": what, "values": values} for (of, what), values in arrays)
    show(as_json, shown, {**result.told(), **images.to_dict(), **told})
    return 0
