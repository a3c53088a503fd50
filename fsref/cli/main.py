"""The command line: `fsref convert | info | run | evaluate | compare | check | explain | export`.

Exit code 0, 1 for "differs or fails", 2 for wrong use or bad input.

NET is a network file or the name of a model that comes with fsref. `--json` puts pure JSON on standard output; progress
goes to standard error, and only to a terminal.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np

import fsref
from fsref.verification import check as checks
from fsref.formats import sources as data
from fsref.reports import page
from fsref.reports import text as report
from fsref.cli.conversion import compare, convert, export
from fsref.cli.options import ENGINE, JSON, LIMIT, NET, SOURCE, WORK, Given, brings_images, images_of, show, work
from fsref.metrics.energy import costs_of, energy
from fsref.errors import FsrefError, InputError, UsageError
from fsref.reports.evaluation import examine, known_float_accuracy
from fsref.verification.explain import explain as explain_neuron
from fsref.version import SPEC_VERSION
from fsref.law.network import Network
from fsref.reports.network import network_dict, network_text, timeline_text
from fsref.reports.plots import write_plots
from fsref.rate_coding.twin import MAX_TICKS, rate_coded
from fsref.rate_coding.score import rate_score
from fsref.simulation.run import ENGINES
from fsref.simulation.run import run as run_network
from fsref.metrics.score import evaluate as score_network
from fsref.simulation.recording import OBSERVABLES, Record
from fsref.rate_coding.neurons import ROUNDINGS, SETTINGS


def chosen(text: str | None, count: int) -> list[int]:
    """The indices a selection such as `7`, `0:4`, `::10` or `1,5,9` names among `count` images. Errors: UsageError."""
    picked: list[int] = []
    for part in (":" if text is None else text).split(","):
        try:
            if ":" in part:
                picked += range(count)[slice(*(int(end) if end.strip() else None for end in part.split(":")))]
            else:
                picked.append(range(count)[int(part)])
        except (ValueError, TypeError, IndexError):
            raise UsageError(
                "RUN-4",
                "--images",
                "not a selection of the images",
                part,
                f"there are {count}: 3 or 0:4 or ::10 or 1,5,9",
            ) from None
    if not picked:
        raise UsageError("RUN-4", "--images", "selects no image", text, f"there are {count}")
    return picked


@click.group(invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(fsref.__version__, "--version", message=f"fsref %(version)s, law {SPEC_VERSION}")
@click.pass_context
def cli(ctx: click.Context) -> None:
    """The golden reference simulator for few-spikes (FS) neurons: integers only, every spike explicit."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help(), err=True)
        ctx.exit(2)


@cli.command()
@NET
@click.option("--timeline", is_flag=True, help="Draw when each population receives and fires, a row per population.")
@JSON
def info(net: str, timeline: bool, as_json: bool) -> int:
    """Show a network: widths, memory, schedule, id.

    NET as tables: populations, proved widths, memory, schedule, what a pipeline of images needs, id.
    """
    network = data.load(net)
    show(as_json, timeline_text(network) if timeline else network_text(network), network_dict(network))
    return 0


@cli.command()
@NET
@SOURCE
@LIMIT
@click.option("--images", "selection", metavar="A:B", help="Which of them: 7, 0:4, ::10 or 1,5,9.")
@click.option(
    "--record",
    "recorded",
    multiple=True,
    metavar="POPULATION",
    help="Record this population (repeatable); all with --out or --events.",
)
@click.option(
    "--observable",
    "observables",
    multiple=True,
    type=click.Choice(OBSERVABLES),
    help="What to record; spikes and codes by default.",
)
@click.option("--events", is_flag=True, help="Print every spike, as image,step,population,neuron.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Stream the recording to this new folder, one .npy per array.",
)
@ENGINE
@WORK
@JSON
def run(
    net: str, selection: str | None, events: bool, out: Path | None, engine: str, as_json: bool, **given: Any
) -> int:
    """Run images; record or list every spike.

    `fsref run digits` alone shows the whole product: score, bit-exact check and a raster.
    """
    network = data.load(net)
    recording = bool(given["recorded"] or given["observables"] or events or out)
    if (
        brings_images(net)
        and selection is None
        and not recording
        and not any(given[name] for name in ("source", "resize", "crop", "limit"))
    ):
        return showcase(net, network, engine, given, as_json)
    images = images_of(net, network, given)
    picked = chosen(selection, len(images.x))
    labels, names = None if images.y is None else images.y[picked], [images.names[i] for i in picked]
    kinds = given["observables"] or ("spikes", "codes")
    record = Record(given["recorded"] or None, (*kinds, "spikes") if events else kinds, path=out) if recording else None
    result = run_network(network, images.x[picked], engine, record, **work(given))
    if events:
        assert result.trace is not None
        spikes = report.event_rows(network, result.trace.events(), picked)
        for lines in [json.dumps({"events": list(spikes)})] if as_json else report.event_lines(spikes):
            click.echo(lines)
        return 0
    text = str(report.result_sheet(result, names, labels))
    if out is not None:
        text += f"\n\nrecorded in {out}"
    elif "spikes" in kinds and result.trace is not None:
        text += f"\n\nimage {picked[0]}\n\n{report.raster(network, result.trace)}"
    show(
        as_json,
        text,
        {
            **report.result_dict(result, names, labels, out is None),
            "images": picked,
            "out": None if out is None else str(out),
        },
    )
    return 0


def showcase(name: str, net: Network, engine: str, given: Given, as_json: bool) -> int:
    """Evaluate a bundled model on all its test images, check every bit against the other engines, draw one digit's
    spikes.
    """
    images = data.load_images(name, net)
    with np.load(data.bundled(name) / f"{name}.npz", allow_pickle=False) as arrays:
        float_labels = arrays["float_labels"]
    with report.progress(f"{engine}, {len(images.x)} images", len(images.x)) as advance:
        score = score_network(net, images.x, images.y, engine, **work(given), progress=advance)
    others = (engine, *(e for e in ENGINES if e != engine))
    with report.progress("every bit, three engines", len(images.x)) as advance:
        checked = checks.check(net, images.x, others, **work(given), progress=advance)
    result = run_network(net, images.x[:1], engine, Record(observables=("spikes",)))
    float_correct, differ = int((float_labels == images.y).sum()), int((float_labels != score.predictions).sum())
    plain = {
        **score.to_dict(),
        "float_correct": float_correct,
        "float_accuracy": float_correct / score.images,
        "differ_from_float": differ,
    }
    show(
        as_json,
        report.showcase_text(score, checked, float_correct, differ, images, result),
        {**plain, "check": checked.to_dict()},
    )
    return 0 if checked.agrees else 1


@cli.command()
@NET
@SOURCE
@LIMIT
@click.option(
    "--rate",
    type=click.IntRange(1, MAX_TICKS),
    metavar="T",
    help="Also score the rate-coded twin of the network, at t = 8, 16, ... T ticks.",
)
@click.option(
    "--setting",
    type=click.Choice(SETTINGS),
    help="With --rate: best (the default) has analog input and a half-threshold start.",
)
@click.option(
    "--rounding",
    type=click.Choice(ROUNDINGS),
    help="With --rate: how codes are rounded, where the network does not tell.",
)
@click.option("--apart", is_flag=True, help="With --rate: layers one step apart, not in the same tick.")
@ENGINE
@WORK
@click.option(
    "--energy",
    "costs",
    metavar="COSTS",
    help="Also print energy: horowitz_2014, or with _8kb, _1mb, _dram, _arithmetic; FILE.json (guide/costs.md)",
)
@click.option(
    "--html",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Also write a report: one page with plots, to look at in a browser.",
)
@click.option(
    "--plots",
    "folder",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Also write the plots of the report to this new folder, as SVG.",
)
@JSON
def evaluate(
    net: str,
    rate: int | None,
    setting: Any,
    rounding: Any,
    apart: bool,
    engine: str,
    costs: str | None,
    html: Path | None,
    folder: Path | None,
    as_json: bool,
    **given: Any,
) -> int:
    """Score a network on labelled images.

    Accuracy, spikes, SynOps, latency, speed; on request energy, the rate-coded twin and a report.
    """
    for option, value in (("--setting", setting), ("--rounding", rounding), ("--apart", apart or None)):
        if rate is None and value is not None:
            raise UsageError("RATE-2", option, "goes with --rate")
    prices = None if costs is None else costs_of(costs)
    looked_at = html is not None or folder is not None
    if looked_at:  # what would stop the report stops the verb before the long work
        page.check_targets(html, folder)
    network = data.load(net)
    images = images_of(net, network, given)
    if images.y is None:
        raise InputError(
            "RUN-4",
            given["source"],
            "the images have no labels",
            None,
            "a folder per class, labels.csv, or array y of an npz",
        )
    twin = None if rate is None else rate_coded(network, setting or "best", rounding)
    with report.progress(f"{engine}, {len(images.x)} images", len(images.x)) as advance:
        score = score_network(network, images.x, images.y, engine, **work(given), progress=advance)
    spent = None if prices is None else energy(score.counts, prices)
    texts, plain, rated = [str(score)], {**score.to_dict(), "energy": None, "rate": None}, None
    if spent is not None:
        texts, plain["energy"] = [*texts, str(spent)], spent.to_dict()
    if twin is not None and rate is not None:
        with report.progress(f"rate-coded twin, {len(images.x)} images", len(images.x)) as advance:
            answers = twin.run(
                images.x, rate, apart, threads=given["threads"], memory_limit=given["memory_limit"], progress=advance
            )
        rated = rate_score(answers, images.y, prices)
        texts, plain["rate"] = [*texts, str(rated)], rated.to_dict()
    if looked_at:
        seen = examine(
            score, images, given["source"] or net, given["memory_limit"], spent, known_float_accuracy(network), rated
        )
        if html is not None:
            page.write_page(seen, html)
        if folder is not None:
            write_plots(seen, folder)
    show(as_json, "\n\n".join(texts), plain)
    return 0


@cli.command()
@NET
@SOURCE
@LIMIT
@click.option(
    "--images-drawn",
    "drawn",
    type=click.IntRange(1),
    default=16,
    show_default=True,
    metavar="N",
    help="Without --data: this many drawn images.",
)
@click.option(
    "--seed", type=click.IntRange(0, 2**64 - 1), default=1, show_default=True, help="Seed of the drawn images."
)
@click.option(
    "--self", "itself", is_flag=True, help="Compute the golden values of a bundled model on this machine instead."
)
@WORK
@JSON
def check(net: str, drawn: int, seed: int, itself: bool, as_json: bool, **given: Any) -> int:
    """Say what is proved; test that all engines agree.

    They are compared bit by bit on images; exit code 1 when they differ.
    """
    source = given["source"]
    for name in ("source", "limit", "resize", "crop"):
        if given[name] is not None and (itself or source is None):
            option = "--data" if name == "source" else f"--{name}"
            raise UsageError("RUN-4", option, "does not go with --self" if itself else "needs --data", given[name])
    if itself:
        if not brings_images(net):
            raise UsageError("EVENT-3", "--self", "needs a model that comes with fsref", net, "digits")
        outcome = checks.self_check(net)
        show(as_json, outcome, outcome.to_dict())
        return 0 if outcome.agrees else 1
    network = data.load(net)
    x = data.drawn_images(network, drawn, seed) if source is None else images_of(net, network, given).x
    with report.progress(f"three engines, {len(x)} images", len(x)) as advance:
        checked = checks.check(network, x, **work(given), progress=advance)
    origin = f"images: {drawn} drawn, seed {seed}" if source is None else f"images: {source}"
    show(
        as_json,
        f"{checked}\n  {origin}",
        {**checked.to_dict(), "source": source, "seed": seed if source is None else None},
    )
    return 0 if checked.agrees else 1


@cli.command()
@NET
@click.argument("image")
@click.option("--population", required=True, help="Which population.")
@click.option("--neuron", type=int, required=True, help="Which neuron of it, 0 first.")
@click.option(
    "--synapses", type=click.IntRange(0), default=10, show_default=True, metavar="N", help="How many synapses to show."
)
@SOURCE
@ENGINE
@JSON
def explain(
    net: str, image: str, population: str, neuron: int, synapses: int, engine: str, as_json: bool, **given: Any
) -> int:
    """Say why one neuron spiked as it did.

    IMAGE is an index into --data, an image file or a .npy file.
    """
    network = data.load(net)
    if image.isascii() and image.isdigit():
        images = images_of(net, network, given)
        if len(image) > 18 or int(image) >= len(images.x):
            raise UsageError("RUN-4", "IMAGE", "no such image", image, f"0..{len(images.x) - 1}")
        pixels: Any = images.x[int(image)]
    else:
        pixels = data.image_file(Path(image), network, given["resize"], given["crop"])
    found = explain_neuron(network, pixels, population, neuron, engine)
    show(as_json, report.explanation_text(found, synapses), found.to_dict())
    return 0


for verb in (convert, compare, export):
    cli.add_command(verb)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; every error is one line on standard error."""
    stdout = sys.stdout
    for stream in (stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        code = cli.main(args=None if arguments is None else list(arguments), prog_name="fsref", standalone_mode=False)
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except click.ClickException as error:
        return failed(error.format_message(), 2)
    except (KeyboardInterrupt, click.Abort):
        return failed("interrupted", 130)
    except (BrokenPipeError, SystemExit) as error:
        if (
            isinstance(error, SystemExit) and sys.stdout is stdout
        ):  # click wraps stdout and exits with 1 when a pipe is closed
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), stdout.fileno())  # the reader left; nothing more can be said
        return 0
    except FsrefError as error:
        return failed(str(error), 2)
    except MemoryError:
        return failed("out of memory; a smaller --memory-limit, --batch or --limit helps", 2)
    except OSError as error:
        return failed(f"{error.filename or 'system'}: {error.strerror or error}", 2)


def failed(message: str, code: int) -> int:
    """`code`, after one line on standard error."""
    click.echo(f"fsref: error: {' '.join(message.split())}", err=True)
    return code


if __name__ == "__main__":
    sys.exit(main())
