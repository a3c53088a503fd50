"""`fsref evaluate`: the score of a network on labelled images; energy, rate coding and a report on request."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import click

from fsref.cli.graphs import CONTRACT, graph_of
from fsref.cli.options import (
    ENGINE,
    FILE,
    FORCE,
    JSON,
    LIMIT,
    NET,
    SHARDS,
    SOURCE,
    WIDE,
    WORK,
    check_file,
    images_of,
    labelled,
    show,
    work,
    written,
)
from fsref.cli.verb import excludes, needs, verb
from fsref.coverage.cover import cover
from fsref.errors import InputError
from fsref.formats.bundled import file_of, load
from fsref.metrics.energy import costs_of, energy
from fsref.metrics.score import evaluate as score_network
from fsref.rate_coding.neurons import ROUNDINGS, SETTINGS
from fsref.rate_coding.score import rate_score
from fsref.rate_coding.twin import MAX_TICKS, rate_coded
from fsref.reports.evaluation import examine, known_float_accuracy
from fsref.reports.page import write_page
from fsref.reports.pictures import blank_figure
from fsref.reports.plots import Kind, check_plots_target, write_plots
from fsref.reports.progress import progress
from fsref.tables import plural
from fsref.verification.outputs import output_errors
from fsref.verification.side_by_side import check_beside, side_by_side


@verb(
    needs("--setting --rounding --apart", "--rate"),
    needs("--force", "--html", "--plots"),
    needs("--kind --width", "--plots"),
    needs("--mean --std --scale --max-code --order --size", "--graph"),
    excludes("--resume --dask", "--rate", "--cover", "--beside"),
)
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
@SHARDS
@click.option(
    "--energy",
    "costs",
    metavar="COSTS",
    help="Also print energy: horowitz_2014, or with _8kb, _1mb, _dram, _arithmetic; FILE.json (guide/costs.md)",
)
@click.option(
    "--graph",
    "model",
    metavar="GRAPH",
    help="Also measure the outputs beside this float graph, .npz or .onnx, in real units (CONV-12).",
)
@CONTRACT
@click.option(
    "--beside",
    "others",
    multiple=True,
    metavar="NET",
    help="Also score this network on the same images, such as one of another K, and set them side by side (COUNT-11).",
)
@click.option("--cover", "covering", is_flag=True, help="Also count the bins of the law that the images reach (COVER).")
@click.option(
    "--html",
    type=FILE,
    metavar="FILE",
    help="Also write a report: one page with plots, to look at in a browser.",
)
@click.option(
    "--plots",
    "folder",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Also write the plots of the report to this new folder.",
)
@click.option(
    "--kind", type=click.Choice(get_args(Kind)), default="svg", show_default=True, help="Of --plots: what files."
)
@WIDE
@FORCE
@JSON
def evaluate(
    net: str,
    rate: int | None,
    setting: Any,
    rounding: Any,
    apart: bool,
    engine: str,
    resume: Path | None,
    dask: str | None,
    costs: str | None,
    model: str | None,
    others: tuple[str, ...],
    covering: bool,
    html: Path | None,
    folder: Path | None,
    kind: Kind,
    width: float,
    force: bool,
    as_json: bool,
    **given: Any,
) -> int:
    """Score a network on images.

    Accuracy, for which images need labels, spikes, SynOps, latency, speed; on request energy, the rate-coded twin, the
    error of outputs beside a float graph, and a report. Of a network without classes, and beside a float graph, images
    need no labels.
    """
    prices = None if costs is None else costs_of(costs)
    looked_at = html is not None or folder is not None
    if looked_at:  # what would stop the report stops the verb before the long work
        blank_figure(1, 1, "COUNT-7")
        if html is not None:
            check_file("--html", html, force, folder, net, given["source"], costs, model, *others)
        if folder is not None:
            check_plots_target(folder, force, "--plots")
    network = load(net)
    nets = {other: load(other) for other in others}
    for other, own in nets.items():
        check_beside(network, other, own)
    graph = None if model is None else graph_of("--graph", model, given)
    images = images_of(net, network, given)
    if images.y is None and network.is_classifier and (graph is None or rate is not None):
        limit = "a folder per class, labels.csv, or array y of an npz"
        limit += "" if rate else "; or --graph, beside which outputs need none"
        raise InputError("RUN-4", given["source"], "the images have no labels", None, limit)
    twin = None if rate is None else rate_coded(network, setting or "best", rounding)
    with progress(f"{engine}, {len(images.x)} images", len(images.x)) as advance:
        limits = {**work(given), "resume": resume, "dask": dask}
        score = score_network(network, images.x, images.y, engine, progress=advance, **limits)
    spent = None if prices is None else energy(score.counts, prices)
    shown: list[object] = [labelled(score.sheet(), images), *([] if spent is None else [spent])]
    told: dict[str, Any] = {"energy": None if spent is None else spent.to_dict(), "rate": None}
    beside = None
    if nets:
        with progress(f"{plural(len(nets), 'network')} beside it", len(nets) * len(images.x)) as advance:
            beside = side_by_side(score, nets, images, prices, engine, advance, **work(given))
        shown.append(beside)
    told["beside"] = None if beside is None else beside.to_dict()["beside"]
    errors = None
    if graph is not None:
        with progress(f"beside the float graph, {len(images.x)} images", len(images.x)) as advance:
            errors = output_errors(graph, network, images.x, advance, given["memory_limit"])
        shown, told["output_errors"] = [*shown, errors], errors.to_dict()["output_errors"]
    plain, rated = {**score.to_dict(), **images.to_dict(), **told}, None
    if twin is not None and rate is not None and images.y is not None:
        limits = {"threads": given["threads"], "memory_limit": given["memory_limit"]}
        with progress(f"rate-coded twin, {len(images.x)} images", len(images.x)) as advance:
            answers = twin.run(images.x, rate, apart, **limits, progress=advance)
        rated = rate_score(answers, images.y, prices)
        shown, plain["rate"] = [*shown, rated], rated.to_dict()
    covered = None
    if covering:
        with progress(f"counting bins, {len(images.x)} images", len(images.x)) as advance:
            covered = cover(network, images.x, **work(given), progress=advance)
        shown.append(covered)
    plain["coverage"] = None if covered is None else covered.to_dict()
    if looked_at:
        source, accuracy = given["source"] or net, known_float_accuracy(network)
        known = (spent, accuracy, rated, covered, errors, beside, graph, file_of(net))
        seen = examine(score, images, source, given["memory_limit"], *known)
        if html is not None:
            write_page(seen, html, force)
        if folder is not None:
            write_plots(seen, folder, kind, force, width)
        shown.append("\n".join(written(html, folder)))
    plain |= {"html": None if html is None else str(html), "plots": None if folder is None else str(folder)}
    show(as_json, shown, plain)
    return 0
