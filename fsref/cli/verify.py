"""`fsref verify`: somebody else's conversion held against the law on images that aim at where rules decide."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import click
import numpy as np

from fsref.cli.options import FILE, FORCE, JSON, NET, check_file, examples_option, show, written
from fsref.cli.verb import When, needs, verb
from fsref.errors import UsageError
from fsref.formats.bundled import load
from fsref.formats.files import write
from fsref.law.network import Network
from fsref.law.neuron import Ints
from fsref.reports.progress import progress
from fsref.verification.agreement import Disagreement
from fsref.verification.aimed import MOST, aimed
from fsref.verification.answered import is_table

THEIRS = When("THEIRS", lambda given: given["theirs"] is not None)


@verb(needs("--examples --population", THEIRS), needs("--force", "--out"))
@NET
@click.argument("theirs", metavar="[THEIRS.onnx]", required=False)
@click.option(
    "--budget",
    type=click.IntRange(0, MOST),
    metavar="N",
    help="Images tried to find those that aim; up to 4,096 by the size of the network unless given.",
)
@examples_option("Examples that Hypothesis draws behind them.")
@click.option("--population", "populations", multiple=True, metavar="NAME", help="Compare these alone; all otherwise.")
@click.option("--out", type=FILE, metavar="FILE.npz", help="Write the images that aim, a source as --data takes it.")
@FORCE
@JSON
def verify(
    net: str,
    theirs: str | None,
    budget: int | None,
    examples: int,
    populations: tuple[str, ...],
    out: Path | None,
    force: bool,
    as_json: bool,
) -> int:
    """Hold somebody else's conversion against the law.

    THEIRS is a quantised ONNX file whose outputs have names of populations, or `logits`. It is asked corner images,
    those that aim at where rules decide in hidden populations, then drawn ones (OBS-4). Without it it is said what the
    images reach; --out writes them, for a chip: fsref diff judges its answers. Exit code 1 where something differs.
    """
    if theirs is not None and is_table(theirs):
        raise UsageError(
            "RUN-6", "THEIRS", "holds answers that are there already", theirs, "fsref diff NET IMAGES DUMP"
        )
    network = load(net)
    if out is not None:
        check_file("--out", out, force, net, theirs)
    plain: dict[str, Any] = {"network": network.name, "id": network.id, "theirs": theirs, "agrees": None}
    with progress("images", None) as advance:
        aims = aimed(network, budget, progress=advance)
        if theirs is not None:
            found, plain["agrees"], told = compared(network, theirs, examples, populations, budget, advance)
        else:
            found, told = aims, aims.to_dict()
    if out is not None:
        write(npz(aims.images), out, "OBS-4", replace=force)
    show(as_json, [found, *written(out)], {**plain, **told, "out": None if out is None else str(out)})
    return 1 if plain["agrees"] is False else 0


def compared(
    net: Network, theirs: str, examples: int, populations: tuple[str, ...], budget: int | None, advance: Any
) -> tuple[object, bool, dict[str, Any]]:
    """What came of a comparison: what is shown, whether all agrees, plain JSON values. Errors: UsageError."""
    try:
        from fsref.verification.verify import verify as verify_theirs
    except ModuleNotFoundError as error:
        raise UsageError("OBS-4", "verify", "needs Hypothesis", error.name, "pip install 'fsref[verify]'") from None
    try:
        agreement = verify_theirs(net, theirs, None, populations or None, examples, budget, advance)
    except Disagreement as error:
        return error, False, error.to_dict()
    return agreement, True, agreement.to_dict()


def npz(images: Ints) -> bytes:
    """Images as the bytes of an npz that is a source of images."""
    held = BytesIO()
    np.savez(held, x=images.astype(np.uint16 if images.max() > 255 else np.uint8))
    return held.getvalue()
