"""One way out for all formats that other programs read: each is a module whose `save(net, path, **options)` writes a
file, and a line here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from inspect import signature
from os import PathLike
from typing import Any, Protocol

from fsref.errors import UsageError, nearest, public
from fsref.formats import onnx
from fsref.formats.bundled import network_of
from fsref.law.network import Network


class Format(Protocol):
    """A module that writes networks in one format; the keywords of `save` are its options."""

    @property
    def save(self) -> Callable[..., None]:
        """Write (net, path, **options)."""


FORMATS: Mapping[str, Format] = {"onnx": onnx}


@public
def export(net: Network | str | PathLike[str], path: str | PathLike[str], format: str, **options: Any) -> None:
    """Write a network, given itself, as a path or by bundled name, for other programs.

    `format` is onnx, whose options are codes=[names], populations whose codes become outputs (FILE-5), and replace,
    without which a file that is there stays (RUN-5). Errors: UsageError for an unknown format or option, and what the
    format raises.
    """
    if format not in FORMATS:
        raise UsageError("FILE-5", "export", "unknown format", format, nearest(str(format), list(FORMATS)))
    save = FORMATS[format].save
    known = list(signature(save).parameters)[2:]
    for name in options:
        if name not in known:
            limit = nearest(name, known) or "it has none"
            raise UsageError("FILE-5", "export", f"unknown option of {format}", name, limit)
    save(network_of(net), path, **options)
