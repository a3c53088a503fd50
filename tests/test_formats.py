"""What file formats share: arrays, containers, files and folders that appear whole, models by name."""

from __future__ import annotations

import inspect
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fsref
from fsref.errors import FileError, GraphError, UsageError
from fsref.formats import container, npz
from fsref.formats.bundled import bundled, network_of
from fsref.formats.npy import npy as written
from fsref.formats.npy import read_array, read_header
from handmade import tiny
from members import members_of, npy
from nodes import conv, head
from refusals import refused


def small() -> fsref.Graph:
    """A convolution and a dense layer on 4 x 4 places."""
    return fsref.Graph(fsref.Pixels(1, 4, 4), [conv("conv", "input", 3, 1), *head("conv", 3)], "small")


# Arrays


@pytest.mark.parametrize("version", [1, 2, 3])
@pytest.mark.parametrize("shape", [(2, 3), (), (0, 7), (1, 2, 1, 3)])
def test_header_of_an_array(version: int, shape: tuple[int, ...]) -> None:
    """A header says type, shape, order and where the data start, from the first bytes alone when the size of the whole
    is told; types and Fortran order that were not asked for are refused (FILE-2).
    """
    raw = bytes(4 * int(np.prod(shape)))
    data = npy(raw, shape, "<i4", version=version)
    found = read_header(data, "x")
    assert (found.kind, found.shape, found.fortran) == (np.dtype("<i4"), shape, False)
    assert data[found.start :] == raw and read_array(data, "x").shape == shape
    assert read_header(data[: found.start], "x", size=len(data)) == found
    with refused(FileError, "FILE-2", "x", f"{len(raw)} bytes", says="1 bytes are there" if not raw else "are there"):
        read_header(data, "x", size=len(data) + 1)
    with refused(FileError, "FILE-2", "x", "<i4", says="|u1, <f4"):
        read_header(data, "x", ("|u1", "<f4"))
    turned = npy(raw, shape, "<i4", fortran=True, version=version)
    assert read_header(turned, "x", fortran=True).fortran
    with refused(FileError, "FILE-2", "x", True, says="C order"):
        read_header(turned, "x")


def test_an_array_in_fortran_order_is_the_same_array() -> None:
    """Where Fortran order is taken, the array is the one numpy.save wrote, read without copying (FILE-2)."""
    values, saved = np.arange(6, dtype=np.int16).reshape(2, 3), io.BytesIO()
    np.save(saved, np.asfortranarray(values))
    found = read_array(saved.getvalue(), "x", fortran=True)
    assert found.tolist() == values.tolist() and found.flags.f_contiguous and not found.flags.writeable


@pytest.mark.parametrize(
    ("values", "descr"),
    [([-128, 127], "|i1"), ([[128]], "<i2"), (np.zeros((0, 3), int), "|i1"), ([2**31], "<i8"), (-(2**31), "<i4")],
)
def test_arrays_are_written_as_numpy_writes_them(values: Any, descr: str) -> None:
    """Integers take the smallest type that holds them; the bytes are those of numpy.save (FILE-4)."""
    array, saved = np.asarray(values, np.int64), io.BytesIO()
    np.save(saved, array.astype(descr))
    assert written(array) == saved.getvalue()
    assert read_array(written(array), "x").tolist() == array.tolist()
    assert read_header(written(array, np.dtype("<i8")), "x").kind == np.dtype("<i8")


# Containers


def test_a_stored_zip_there_and_back() -> None:
    """Members packed are the members read; their order does not matter, and what was packed is packed again to the same
    bytes (FILE-1, FILE-4).
    """
    members = {"b": b"\0\1", "a/é.npy": b"", "a": bytes(100)}
    data = container.pack(members, "x")
    assert container.read_members(data, "x") == members == members_of(data)
    assert data == container.pack(dict(reversed(members.items())), "x") == container.pack(members_of(data), "x")


def test_what_no_reader_takes_is_not_packed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A zip has at most as many members as a reader takes, which a file of a network or float graph is held to before
    it is written (FILE-1).
    """
    monkeypatch.setattr(container, "MAX_MEMBERS", 7)
    assert len(container.read_members(container.pack(dict.fromkeys("abcdefg", b""), "x"), "x")) == 7
    with refused(FileError, "FILE-1", "x", 8, says="at most 7"):
        container.pack(dict.fromkeys("abcdefgh", b""), "x")
    with refused(FileError, "FILE-1", "network", 8):
        npz.to_bytes(tiny())


def test_json_in_one_form() -> None:
    """JSON has sorted keys, no spaces and UTF-8 as it is; a key that stands twice is found out (FILE-4)."""
    assert container.canonical({"b": [1, 2.5], "a": {"ü": None}}) == '{"a":{"ü":null},"b":[1,2.5]}'.encode()
    with pytest.raises(ValueError, match="`a` twice"):
        json.loads(b'{"a": 1, "b": 2, "a": 1}', object_pairs_hook=container.unique)
    with pytest.raises(ValueError, match="JSON"):
        container.canonical({"a": float("nan")})


# Models by name

# Whose keywords are told apart elsewhere: options of conversions and formats, and names that take none.
OTHERS = {"convert", "convert_and_score", "export", "search", "FsrefError", "Trace", "scale", "testing"}


@pytest.mark.parametrize("name", sorted(set(fsref.__all__) - OTHERS))
def test_every_public_name_tells_the_nearest_keyword(name: str) -> None:
    """A keyword that a function or class does not know is one line with the nearest that it knows."""
    target = getattr(fsref, name)
    known = [p for p in inspect.signature(target).parameters if p not in ("self", "options")]
    with pytest.raises(UsageError, match=rf"^{name}: unknown .*: {known[-1]}x \(did you mean {known[-1]}\?\)"):
        target(**{f"{known[-1]}x": 1})


def test_strategies_tell_the_nearest_keyword() -> None:
    """Those of fsref.testing too, where they are called."""
    with refused(UsageError, "RUN-2", "cases", "max_image", says="did you mean max_images?"):
        fsref.testing.cases(max_image=3)  # type: ignore[call-arg]


def test_what_is_no_path_is_named(tmp_path: Path) -> None:
    """A number or None is no path: it would be a file descriptor, or a traceback."""
    for function in (fsref.load, fsref.load_graph, fsref.read_trace):
        for given in (None, 5):
            with refused(UsageError, "RUN-2", function.__name__, says="not a path"):
                function(given)


def test_a_network_or_how_to_find_one(tmp_path: Path) -> None:
    """Where a network is taken, its path or a bundled name is, too; anything else is refused by its type (RUN-2)."""
    net, path = tiny(), tmp_path / "tiny.fs.npz"
    fsref.save(net, path)
    assert network_of(net) is net
    assert network_of(path).id == network_of(str(path)).id == net.id
    assert network_of("digits").id == fsref.load(bundled("digits") / "digits.fs.npz").id
    for wrong, name in ((None, "NoneType"), (5, "int"), (small(), "Graph"), (b"digits", "bytes")):
        with refused(UsageError, "RUN-2", "net", name, says="a bundled name"):
            network_of(wrong)  # type: ignore[arg-type]
    with refused(UsageError, "FILE-1", "'digit'", says="did you mean digits?"):
        network_of("digit")


def test_networks_and_float_graphs_are_saved_alike(tmp_path: Path) -> None:
    """`save` writes either, `load` and `load_graph` read what is theirs and name the other where it is not; what is
    neither is refused (FILE-4, GRAPH-6).
    """
    net, graph = tmp_path / "net.npz", tmp_path / "graph.npz"
    fsref.save(tiny(), net)
    fsref.save(small(), str(graph))
    assert fsref.load(net).id == tiny().id
    images = np.arange(16).reshape(1, 1, 4, 4)
    assert fsref.load_graph(graph).forward(images).tolist() == small().forward(images).tolist()
    with refused(FileError, "FILE-1", str(graph), says="fsref convert"):
        fsref.load(graph)
    with refused(GraphError, "GRAPH-6", str(net), says="fsref.load"):
        fsref.load_graph(net)
    for wrong, name in (("digits", "str"), (None, "NoneType")):
        with refused(UsageError, "FILE-4", "save", name):
            fsref.save(wrong, tmp_path / "none.npz")  # type: ignore[arg-type]
    with refused(UsageError, "RUN-2", "save", "pathh", says="did you mean path?"):
        fsref.save(tiny(), pathh=net)  # type: ignore[call-arg]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["graph.npz", "net.npz"]
