"""What a certificate beside the file of a network says, as a table of a report (COUNT-7, PROOF-7)."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import Any

from fsref.errors import FileError
from fsref.law.network import Network
from fsref.tables import Sheet
from fsref.verification.certificate import read_certificate

BESIDE = "certificate.json"  # as fsref's own models have it
WANTED = {"rule": str, "proved": str, "method": str, "cases": int}  # of a statement


def certified(net: Network, file: str | PathLike[str]) -> Sheet | None:
    """What certificate.json in the folder of the file of a network says is proved of it for every image; that it cannot
    be told, and why; None where there is no such file.
    """
    path = Path(file).parent / BESIDE
    if not path.is_file():
        return None
    title = f"{net.name or 'network'} {net.id[:12]}: for every image"
    try:
        rows = statements(read_certificate(path, net), str(path))
    except FileError as error:
        return Sheet(title, below=[("not told", str(error))])
    read = f"in {BESIDE}, for this id; not proved again: fsref check NET --certificate {BESIDE} does that"
    return Sheet(title, tuple(WANTED), rows, left=3, below=[("read", read)])


def statements(told: dict[str, Any], place: str) -> list[tuple[object, ...]]:
    """The statements of a certificate that was read, a row each. Errors: FileError when they are none."""
    found = told.get("statements")
    if not isinstance(found, list):
        raise FileError("PROOF-7", place, "statements are missing", type(found).__name__, "wanted a list")
    for index, row in enumerate(found):
        if not isinstance(row, dict) or any(type(row.get(key)) is not kind for key, kind in WANTED.items()):
            limit = f"wanted {', '.join(WANTED)}"
            raise FileError("PROOF-7", place, f"statement {index} is none", type(row).__name__, limit)
    return [tuple(row[key] for key in WANTED) for row in found]
