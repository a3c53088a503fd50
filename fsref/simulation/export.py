"""One way out for all formats that other programs read: each is a module, or an object, whose `save(net, path,
**options)` writes a file or a folder, and a line here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from inspect import signature
from os import PathLike
from typing import Any, Protocol

from fsref.errors import UsageError, nearest, public
from fsref.formats import nir, onnx
from fsref.formats.bundled import network_of
from fsref.law.network import Network
from fsref.simulation import address_events, waveforms
from fsref.simulation.memory_folder import FOLDERS


class Format(Protocol):
    """What writes networks in one format; the keywords of `save` are its options."""

    @property
    def save(self) -> Callable[..., None]:
        """Write (net, path, **options)."""


FORMATS: Mapping[str, Format] = {
    "onnx": onnx,
    **FOLDERS,
    "aer": address_events,
    "vcd": waveforms,
    "nir": nir,
}


def options_of(format: str) -> list[str]:
    """The names of the options of a format."""
    return list(signature(FORMATS[format].save).parameters)[2:]


@public
def export(net: Network | str | PathLike[str], path: str | PathLike[str], format: str, **options: Any) -> None:
    """Write the network `net`, given itself, as a path or by bundled name, to `path` for other programs.

    `format` is onnx, whose options are codes=[names], populations whose codes become outputs (FILE-5), and replace:
    with False a file that is there stays, and the new one lies beside it (RUN-5); or readmemh, coe or mif, folders of
    memories (LAYOUT-5), whose options are trace, a recording of the network whose observables become memories too,
    layout, a mapping or the path of a JSON file (LAYOUT-1 to LAYOUT-4), replace, without which a folder that is there
    stays, and of readmemh feed, the populations that enter a chip for which a test bench is written as well (BENCH-1),
    and command, with which that says its answers are compared.
    aer, a list of the spikes of a recording (AER-1), and vcd, what a waveform viewer shows of one (VCD-1), need trace
    and take layout and replace, aer also fields; nir holds weights and wiring (NIR-1) and takes replace. Errors:
    UsageError for an unknown format or option, and what the format raises.
    """
    if format not in FORMATS:
        limit = nearest(format, list(FORMATS)) if isinstance(format, str) else ", ".join(FORMATS)
        raise UsageError("FILE-5", "export", "unknown format", format, limit)
    known = options_of(format)
    for name in options:
        if name not in known:
            limit = nearest(name, known) or "it has none"
            raise UsageError("FILE-5", "export", f"unknown option of {format}", name, limit)
    FORMATS[format].save(network_of(net), path, **options)
