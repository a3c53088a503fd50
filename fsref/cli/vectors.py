"""`fsref vectors`: golden vectors made, shown, and the answers to them checked."""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from textwrap import fill

import click

from fsref.cli.options import FILE, FORCE, JSON, check_file, show
from fsref.cli.vector_bench import bench
from fsref.cli.verb import Several, excludes, verb
from fsref.conformance.driven import Driven
from fsref.conformance.frames import to_bytes, to_hex
from fsref.conformance.replies import binary_replies, frames, hex_replies, judged
from fsref.errors import UsageError
from fsref.formats.bundled import load
from fsref.formats.chips import chip_of
from fsref.formats.reading import opened
from fsref.reports.progress import progress
from fsref.tables import WIDTH, Fact, Sheet, plural
from fsref.vectors.case import SCOPES, Case
from fsref.vectors.making import make as make_pack
from fsref.vectors.pack import COUNTS, Pack, case_to_dict, head_of, write
from fsref.vectors.reader import read

MAX_REPLIES = 2**32  # bytes of a file of replies
FEW = 20  # cases that are told in full
PACK = click.argument("pack", type=FILE)


@click.group(cls=Several)
def vectors() -> None:
    """Golden vectors: make a pack, show it, check the answers to it."""


@verb()
@PACK
@click.option("--net", metavar="NET", help="Of this network; else of networks drawn within the limits.")
@click.option("--for", "chip", metavar="CHIP", help="The limits of a chip, a JSON file; none unless given.")
@click.option("--level", type=click.IntRange(1, 2), default=1, show_default=True, help="1: at most 100 cases; 2: all.")
@click.option(
    "--scope", "scopes", multiple=True, type=click.Choice(SCOPES), help="Of this alone (repeatable); all unless given."
)
@click.option("--seed", type=click.IntRange(0, 2**64 - 1), default=0, show_default=True, help="Of what is drawn.")
@click.option("--no-rejects", is_flag=True, help="Without frames to refuse, for a device that refuses nothing.")
@FORCE
@JSON
def make(
    pack: Path,
    net: str | None,
    chip: str | None,
    level: int,
    scopes: tuple[str, ...],
    seed: int,
    no_rejects: bool,
    force: bool,
    as_json: bool,
) -> int:
    """Write the golden vectors of a network, or of all that a chip can do.

    Exit code 1 when bins that the pack promises were neither reached nor proved unreachable.
    """
    check_file("PACK", pack, force, chip, net)
    network = None if net is None else load(net)
    limits = None if chip is None else chip_of(chip)
    name = pack.name.partition(".")[0]
    chosen = [scope for scope in SCOPES if scope in (scopes or SCOPES)]
    total = None if network is None else 2 * len(network.populations) - 2
    with progress("populations", total) as advance:
        made = make_pack(name, network, limits, level, chosen, seed, advance)
    made = replace(made, rejects=()) if no_rejects else made
    write(made, pack, force)
    show(as_json, [summary(made, str(pack))], {**head_of(made), "out": str(pack)})
    return 1 if made.not_found else 0


def summary(pack: Pack, where: str) -> Sheet:
    """A pack in a table: a line for each rule, and what cases it has."""
    scopes = Counter(case.scope for case in pack.cases)
    flags = {flag for case in pack.cases for flag in case.flags}
    nets = len({case.net.id for case in pack.cases})
    told = ", ".join(f"{count} {scope}" for scope, count in scopes.items())
    above = [
        ("cases", f"{len(pack.cases)}: {told}"),
        ("networks", str(nets)),
        ("rejects", str(len(pack.rejects))),
        ("known mistakes shown", str(len(flags))),
    ]
    rows = [(rule, *(counts[name] for name in COUNTS)) for rule, counts in pack.bins.items()]
    below = [("not found", told) for told in pack.not_found[:FEW]]
    below += [("", f"and {len(pack.not_found) - FEW} more")] * (len(pack.not_found) > FEW)
    head = ("rule", "promised", "reached", "unreachable", "not found")
    return Sheet(f"{where}: golden vectors, level {pack.level}, seed {pack.seed}", head, rows, 1, above, below)


@verb(excludes("--hex", "--frames", "--json", "--case"), excludes("--frames", "--json", "--case"))
@PACK
@click.option("--case", "named", metavar="ID", help="This case alone, with all its integers.")
@click.option("--hex", "as_hex", is_flag=True, help="Frames for a device, a line of hexadecimal words each.")
@click.option("--frames", "as_frames", is_flag=True, help="Frames for a device, in bytes.")
@JSON
def show_pack(pack: Path, named: str | None, as_hex: bool, as_frames: bool, as_json: bool) -> int:
    """Show the cases of a pack, one of them, or the frames that a device is sent."""
    found = read(pack)
    if as_hex:
        sys.stdout.writelines(f"{to_hex(words)}\n" for words in frames(found))
    elif as_frames:
        for words in frames(found):
            sys.stdout.buffer.write(to_bytes(words))
    elif named is None:
        rejects = [{"id": r.id, "rule": r.rule, "flags": list(r.flags)} for r in found.rejects]
        plain = {**head_of(found), "each": [case_to_dict(case) for case in found.cases], "rejects": rejects}
        show(as_json, [listing(found, str(pack))], plain)
    else:
        case = next((case for case in found.cases if case.id == named), None)
        if case is None:
            raise UsageError("VECTOR-1", "--case", "no case of this pack", named, f"it has {len(found.cases)}")
        show(as_json, detail(case), {"network": case.net.name, **case_to_dict(case)})
    return 0


def listing(pack: Pack, where: str) -> Sheet:
    """The cases of a pack, a line each."""
    rows = [
        (case.id, case.scope, case.net.name, case.unit, case.protocol, len(case.aims), ", ".join(case.flags))
        for case in pack.cases
    ]
    rows += [(reject.id, "reject", "", reject.rule, "", 0, ", ".join(reject.flags)) for reject in pack.rejects]
    head = ("case", "scope", "network", "unit", "protocol", "bins", "known mistakes that it shows")
    return Sheet(f"{where}: golden vectors", head, rows, 5, more=[summary(pack, where)])


def detail(case: Case) -> list[object]:
    """A case, then the mistakes that it shows, and every integer that is given and expected."""
    above: list[Fact] = [
        ("network", f"{case.net.name}, id {case.net.id[:12]}"),
        ("scope", f"{case.scope} {case.unit}"),
        ("protocol", case.protocol or "none"),
        ("rules", ", ".join(case.rules)),
        *(("bin", aim) for aim in case.aims),
    ]
    parts = {"known mistakes that it shows": ", ".join(case.flags) or "none"}
    for side, arrays in (("given", case.given), ("expected", case.expected)):
        for (of, what), array in arrays.items():
            for step, row in enumerate(array if array.ndim == 2 else [array]):
                told = f", step {step}" if array.ndim == 2 else ""
                parts[f"{side} {of}.{what}{told}"] = " ".join(map(str, row.tolist()))
    texts = [
        f"{title}\n{fill(text, WIDTH, break_long_words=False, break_on_hyphens=False)}" for title, text in parts.items()
    ]
    return [Sheet(f"case {case.id}", above=above), "\n\n".join(texts)]


@verb()
@PACK
@click.argument("replies", type=click.Path(allow_dash=True))
@click.option("--frames", "as_frames", is_flag=True, help="The replies are frames in bytes, no lines.")
@JSON
def check(pack: Path, replies: str, as_frames: bool, as_json: bool) -> int:
    """Judge the replies to the frames of a pack, a file or - for standard input.

    Exit code 1 when a reply is wrong, missing, or too many.
    """
    found = read(pack)
    taken = binary_replies if as_frames else hex_replies
    if replies == "-":
        driven = list(judged(found, taken(sys.stdin.buffer)))
    else:
        with opened(replies, "CONFORM-1", MAX_REPLIES, "the replies of a device") as (file, _):
            driven = list(judged(found, taken(file)))
    wrong = [one for one in driven if not one.passed]
    plain = {"pack": str(pack), "agrees": not wrong, "cases": [one.to_dict() for one in driven]}
    show(as_json, [verdict(driven, str(pack))], plain)
    return 1 if wrong else 0


def verdict(driven: list[Driven], where: str) -> Sheet:
    """What became of the cases: a line for each verdict, and the first that are no pass in full."""
    counts = Counter((one.scope, one.verdict) for one in driven)
    wrong = [one for one in driven if not one.passed]
    below = [(one.verdict, str(one).partition(": ")[2]) for one in wrong[:FEW]]
    below += [("", f"and {len(wrong) - FEW} more")] * (len(wrong) > FEW)
    line = f"{plural(len(driven), 'case')}, " + (f"{len(wrong)} do not pass" if wrong else "all pass")
    rows = [(*key, count) for key, count in counts.items()]
    return Sheet(f"{where}: {line}", ("scope", "verdict", "cases"), rows, 2, below=below)


vectors.add_command(make)
vectors.add_command(show_pack, "show")
vectors.add_command(check)
vectors.add_command(bench)
