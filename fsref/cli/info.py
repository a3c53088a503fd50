"""`fsref info`: a network in full."""

from __future__ import annotations

import click

from fsref.cli.options import JSON, NET, show
from fsref.cli.verb import excludes, verb
from fsref.formats.bundled import load
from fsref.reports.network import info_sheet, network_dict, timeline_text


@verb(excludes("--timeline", "--json"))
@NET
@click.option("--timeline", is_flag=True, help="Draw when each population receives and fires, a row per population.")
@JSON
def info(net: str, timeline: bool, as_json: bool) -> int:
    """Show a network: widths, memory, schedule, id.

    NET as tables: populations, proved widths, memory, schedule, what a pipeline of images needs, id.
    """
    network = load(net)
    show(as_json, [timeline_text(network) if timeline else info_sheet(network)], network_dict(network))
    return 0
