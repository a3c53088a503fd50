"""`fsref export`: a network's integers in a standard format."""

from __future__ import annotations

from pathlib import Path

import click

from fsref.cli.options import JSON, NET, show
from fsref.formats.bundled import load


@click.command()
@NET
@click.option("--format", "form", type=click.Choice(("onnx",)), required=True, help="What to write.")
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="FILE", help="The file to write; NET.fs.onnx here unless given."
)
@click.option(
    "--codes",
    multiple=True,
    metavar="POPULATION",
    help="Also give the codes of this population as an output (repeatable).",
)
@JSON
def export(net: str, form: str, out: Path | None, codes: tuple[str, ...], as_json: bool) -> int:
    """Write the same integers as standard ONNX.

    NET is then at hand for programs that read ONNX.
    """
    from fsref.formats import onnx

    network = load(net)
    target = out or Path(f"{Path(net).name.removesuffix('.npz').removesuffix('.fs')}.fs.{form}")
    onnx.save(network, target, codes=codes)
    show(
        as_json,
        [f"{target}: {network.name or net}, id {network.id[:12]}"],
        {"network": network.name, "id": network.id, "out": str(target), "format": form},
    )
    return 0
