"""`fsref export`: a network's integers in a standard format."""

from __future__ import annotations

from pathlib import Path

import click

from fsref.cli.options import FORCE, JSON, NET, check_file, show
from fsref.cli.verb import verb
from fsref.errors import shown
from fsref.formats.bundled import load
from fsref.formats.export import FORMATS
from fsref.formats.export import export as write


@verb()
@NET
@click.option("--format", "form", type=click.Choice(tuple(FORMATS)), required=True, help="What to write.")
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="FILE", help="The file to write; NET.fs.onnx here unless given."
)
@click.option(
    "--codes",
    multiple=True,
    metavar="POPULATION",
    help="Also give the codes of this population as an output (repeatable).",
)
@FORCE
@JSON
def export(net: str, form: str, out: Path | None, codes: tuple[str, ...], force: bool, as_json: bool) -> int:
    """Write the same integers as ONNX, for other programs."""
    network = load(net)
    target = out or Path(f"{Path(net).name.removesuffix('.npz').removesuffix('.fs')}.fs.{form}")
    check_file("--out", target, force, net)
    write(network, target, form, replace=force, **({"codes": codes} if codes else {}))
    show(
        as_json,
        [f"{target}: {shown(network.name or net)}, id {network.id[:12]}"],
        {"network": network.name, "id": network.id, "out": str(target), "format": form},
    )
    return 0
