"""Networks by name: those that come with fsref, and any file (FILE-1)."""

from __future__ import annotations

import re
from contextlib import suppress
from difflib import get_close_matches
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from fsref.errors import FileError, UsageError, public
from fsref.formats import npz as networks
from fsref.formats.files import path_of
from fsref.law.network import Network

if TYPE_CHECKING:
    from fsref.graph.graph import Graph

COME_ALONG = ("digits", "resnet20")  # in the wheel
NAME = r"[A-Za-z0-9_\-]+"


def bundled(name: str) -> Path:
    """The directory of a model that comes with fsref: in the installed package, else in the clone around it. Errors:
    UsageError.
    """
    package = Path(__file__).resolve().parent.parent
    if re.fullmatch(NAME, name):
        for folder in (package / "models" / name, package.parent / "reference_models" / name):
            if (folder / f"{name}.fs.npz").is_file():
                return folder
    near = get_close_matches(name, COME_ALONG, 1)
    limit = f"did you mean {near[0]}?" if near else f"{' and '.join(COME_ALONG)} come with it"
    here = "a folder" if Path(name).is_dir() else "no file"
    raise UsageError(
        "FILE-1", repr(name), f"{here} here, and no model that comes with fsref has this name", None, limit
    )


def file_of(path: str | PathLike[str]) -> str | PathLike[str]:
    """The file of a network: the path given, or that of a bundled model by name; a file goes first. Errors:
    UsageError.
    """
    name = str(path_of(path, "load"))
    bare = isinstance(path, str) and re.fullmatch(NAME, name) and not Path(name).is_file()
    return bundled(name) / f"{name}.fs.npz" if bare else path


@public
def load(path: str | PathLike[str]) -> Network:
    """The network of a file, `path`, or of a bundled model by name; a file goes first. Errors: FileError, NetworkError,
    UsageError.
    """
    return networks.load(file_of(path))


@public
def load_graph(path: str | PathLike[str]) -> Graph:
    """The float graph of a file, `path` (GRAPH-6). Errors: FileError, GraphError."""
    from fsref.formats import graph as graphs

    file = path_of(path, "load_graph")
    if file.suffix.lower() == ".onnx":
        raise FileError("GRAPH-6", str(path), "is an ONNX file", None, "fsref.from_onnx(path, pixels) reads it")
    return graphs.load(file)


@public
def save(model: Network | Graph, path: str | PathLike[str]) -> None:
    """Write a network or float graph, `model`, to one npz, `path`, complete or not at all, the same bytes for the same
    model (FILE-4, GRAPH-6). Errors: FileError, UsageError for anything else.
    """
    from fsref.formats import graph as graphs
    from fsref.graph.graph import Graph

    match model:
        case Network():
            networks.save(model, path)
        case Graph():
            graphs.save(model, path)
        case _:
            raise UsageError("FILE-4", "save", "not a network or float graph", type(model).__name__)


def network_of(model: Network | str | PathLike[str]) -> Network:
    """The network given, or the one of this path or bundled name (RUN-2). Errors: as `load`; UsageError."""
    if isinstance(model, Network):
        return model
    if isinstance(model, str | PathLike):
        return load(model)
    limit = "an fsref.Network, the path of one, or a bundled name"
    raise UsageError("RUN-2", "net", "not a network", type(model).__name__, limit)


def brings_images(name: str) -> bool:
    """Whether a name is that of a bundled model with test images of its own, and no file of that name goes first."""
    with suppress(UsageError):
        return not Path(name).is_file() and (bundled(name) / f"{name}.npz").is_file()
    return False
