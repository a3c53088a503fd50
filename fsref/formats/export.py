"""One way out for all formats that other programs read."""

from __future__ import annotations

from os import PathLike
from typing import Any

from fsref.errors import UsageError
from fsref.law.network import Network

FORMATS = ("onnx",)


def export(net: Network, path: str | PathLike[str], format: str, **options: Any) -> None:
    """Write a network for other programs. `format` is onnx, whose option is codes=[names]: populations whose codes
    become outputs (FILE-5).

    Errors: UsageError for an unknown format, and what the format raises.
    """
    if format == "onnx":
        from fsref.formats import onnx

        onnx.save(net, path, **options)
        return
    raise UsageError("FILE-5", "format", "unknown", format, ", ".join(FORMATS))
