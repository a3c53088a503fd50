"""What the verbs of the command line share: options, output, and where images come from."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fsref.cli.verb import Command, Given
from fsref.engines.engine import ENGINES
from fsref.errors import UsageError, nearest, printable
from fsref.formats.bundled import brings_images
from fsref.formats.datasets import SOURCES
from fsref.formats.files import check_target
from fsref.formats.layout import KEYS
from fsref.law.network import Network
from fsref.law.populations import OBSERVABLES
from fsref.reports.json_text import json_parts
from fsref.reports.pictures import WIDTH, inches
from fsref.tables import Sheet
from fsref.version import SPEC_VERSION, __version__

if TYPE_CHECKING:
    from fsref.formats.sources import ImageSet

SCHEMA = 2  # of all JSON; 1 had no such key
UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


def in_bytes(ctx: click.Context, param: click.Parameter, text: str) -> int:
    """A number of bytes from text: an integer, or one with K, M, G or T behind it, each 1024 of the one before."""
    match = re.fullmatch(r"([1-9][0-9]{0,15})([KMGT]?)", text.strip().upper())
    if not match:
        raise click.BadParameter(f"{text!r} is no number of bytes: digits, and K, M, G or T, as in 512M", ctx, param)
    return int(match[1]) * UNITS[match[2]]


def in_inches(ctx: click.Context, param: click.Parameter, text: str | None) -> float:
    """The width of a picture in inches from text (COUNT-9)."""
    return WIDTH if text is None else inches(text, "--width")


def options(*some: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """A decorator that adds several click options, in the order given."""
    return lambda command: reduce(lambda made, option: option(made), reversed(some), command)


def observable_option(told: str) -> Callable[[Command], Command]:
    """--observable, of which there may be several, with its help."""
    return click.option("--observable", "observables", multiple=True, type=click.Choice(OBSERVABLES), help=told)


def record_options(record: str, observable: str) -> Callable[[Command], Command]:
    """The options of what a run records, with their help."""
    return options(
        click.option("--record", "recorded", multiple=True, metavar="POPULATION", help=record),
        observable_option(observable),
    )


def examples_option(drawn: str) -> Callable[[Command], Command]:
    """--examples: how many of what Hypothesis draws, in words."""
    number = click.IntRange(0)
    return click.option("--examples", type=number, default=100, show_default=True, metavar="N", help=drawn)


def check_name(option: str, name: object) -> None:
    """Nothing, when a name, if one is given, can be that of a file: it does not end as that of a folder does (RUN-5).
    Errors: UsageError.
    """
    if isinstance(name, str) and name.endswith(tuple(filter(None, (os.sep, os.altsep)))):
        raise UsageError("RUN-5", option, "names a folder", name, "a file is written: a name without / at its end")


class FileName(click.Path):
    """The name of a file to write."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        check_name("" if param is None else max(param.opts, key=len), value)
        return super().convert(value, param, ctx)


FILE = FileName(path_type=Path)
NET = click.argument("net")
JSON = click.option("--json", "as_json", is_flag=True, help="Pure JSON on standard output.")
SOURCE_HELP = f"""Images, and their classes where there are some: {SOURCES}. An image is an image file or a .npy
of codes; a folder holds a folder per class, labels.csv (columns file,label), or images alone; FILE.npz arrays x and y.
Pixels are codes, never rescaled."""
SIZE = options(
    click.option("--resize", type=click.IntRange(1), metavar="N", help="Resize the shorter side of image files to N."),
    click.option("--crop", type=click.IntRange(1), metavar="N", help="Crop the centre N x N of image files."),
)
SOURCE = options(
    click.option("--data", "source", metavar="SOURCE", help=SOURCE_HELP),
    SIZE,
)
IMAGES = click.option("--images", "selection", metavar="A:B", help="Which of them: 7, 0:4, ::10 or 1,5,9.")
LIMIT = click.option("--limit", type=click.IntRange(1), metavar="N", help="Take the first N images alone.")
LAYOUT = click.option(
    "--layout",
    metavar="FILE or KEY=VALUE,...",
    help="How integers lie in words: a JSON file, or keys of one such as word=16,bits=low,neurons=hwc (LAYOUT).",
)
FORCE = click.option("--force", is_flag=True, help="Replace what is there.")
WIDE = click.option(
    "--width",
    callback=in_inches,
    metavar="W",
    show_default=f"{WIDTH:g}in",
    help="The picture's, such as 3.4in for a column of a paper, 8.6cm or 86mm; text keeps its size.",
)
ENGINE = click.option(
    "--engine", type=click.Choice(ENGINES), default="events", show_default=True, help="They differ in speed alone."
)
WORK = options(
    click.option(
        "--memory-limit",
        callback=in_bytes,
        default="8G",
        show_default=True,
        help="Refuse to start beyond this, e.g. 512M.",
    ),
    click.option("--threads", type=click.IntRange(1), metavar="N", help="Threads; all processors by default."),
    click.option("--batch", type=click.IntRange(1), metavar="N", help="Images per batch."),
)
SHARDS = options(
    click.option(
        "--resume",
        type=click.Path(path_type=Path),
        metavar="DIR",
        help="Keep shards of the work in this folder, and go on where a run that was stopped left it (RUN-7).",
    ),
    click.option(
        "--dask",
        metavar="ADDRESS",
        help="Share the work among the workers of the Dask cluster whose scheduler is here (RUN-8).",
    ),
)


def show(as_json: bool, shown: Iterable[object], plain: dict[str, Any]) -> None:
    """Print `plain`, made of what `json_parts` takes, as JSON, behind what every JSON of fsref says of itself; or what
    is shown, an empty line between: sheets as wide as the terminal, bold and coloured there, plain of 80 columns
    elsewhere.
    """
    if as_json:
        head = {"fsref": __version__, "spec_version": SPEC_VERSION, "schema": SCHEMA, "network": None, "id": None}
        sys.stdout.writelines(json_parts({**head, **plain}))
        click.echo()
        return
    for number, part in enumerate(shown):
        if number:
            click.echo()
        if isinstance(part, str) or not sys.stdout.isatty():
            click.echo("\n".join(map(printable, str(part).split("\n"))))
        else:
            from rich.console import Console

            Console(highlight=False, markup=False).print(part)


def check_file(option: str, target: Path, force: bool, *others: str | Path | None) -> None:
    """Nothing, when a file can be written here, replaces one only with --force, and is none of the `others` that the
    command reads or writes (RUN-5). Errors: UsageError.
    """
    same = os.path.realpath(target) in [os.path.realpath(other) for other in others if other is not None]
    if same and not os.path.isdir(target):
        raise UsageError("RUN-5", option, "would replace another file of this command", str(target), "another name")
    check_target(target, force, option=option)


def images_of(name: str, net: Network, given: Given) -> ImageSet:
    """The images of --data, or of the bundled model's own test set. Errors: UsageError when there is neither."""
    from fsref.formats.sources import load_images

    source = given["source"]
    if source is None and brings_images(name):
        source = name
    if source is None:
        raise UsageError("RUN-4", "--data", "this network comes without images: name some", None, SOURCES)
    return load_images(source, net, given["resize"], given["crop"], given.get("limit"))


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


def written(*targets: Path | None) -> list[str]:
    """The line that says which files and folders were written, if any were."""
    return [f"written  {target}" for target in targets if target is not None]


def labelled(sheet: Sheet, *images: ImageSet) -> Sheet:
    """A table, below it what was taken for granted of the images and what was left out (RUN-4)."""
    taken = dict.fromkeys(fact for some in images for fact in some.facts)
    return replace(sheet, below=[*sheet.below, *taken])


def work(given: Given) -> Given:
    """What --batch, --threads and --memory-limit said."""
    return {name: given[name] for name in ("batch", "threads", "memory_limit")}


def layout_of(text: str) -> Mapping[str, Any] | str:
    """The keys and values of a layout, or the path of its file. Errors: UsageError."""
    if "=" not in text:
        return text
    found: dict[str, Any] = {}
    for part in text.split(","):
        key, _, value = part.partition("=")
        if key not in KEYS:
            raise UsageError("LAYOUT-1", "--layout", "unknown key", key, nearest(key, list(KEYS)))
        if key in found:
            raise UsageError("RUN-6", "--layout", "is given twice", key)
        whole = key in ("word", "shift") and value.isascii() and value.isdecimal() and len(value) < 10
        found[key] = int(value) if whole else value
    return found
