"""What a terminal is sent: no character of a file or of its name that it would obey, and no line without end."""

from __future__ import annotations

import json
import os
import unicodedata
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fsref
from fsref.cli import main as cli
from fsref.errors import SHOWN, FsrefError, literal, shown
from fsref.formats import npz
from fsref.formats.container import pack
from fsref.graph.graph import Graph, Node
from fsref.simulation.run import class_name
from fsref.tables import ROWS, Sheet
from handmade import tiny
from members import array, members_of, npy

EVIL = "\x1b[2J\x9b31m\r\n\x00\u202e\u2028\u2066\ufeff\U000e0041$\\frac{x"
LONG = EVIL * 8000  # more than 100,000 characters
LINE = 9000  # characters, of HTML
ERROR = 2000  # of an error, behind "fsref: error: "
OBEYED = {"Cc", "Cf", "Zl", "Zp", "Cs", "Co", "Cn"}
Verb = Callable[..., tuple[int, str, str]]


@pytest.fixture
def verb(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Verb:
    """A function that runs the command line and looks at all it prints."""

    def run(*arguments: object) -> tuple[int, str, str]:
        code = cli.main([str(a) for a in arguments])
        out, err = capsys.readouterr()
        check_text(out)
        check_text(err)
        return code, out, err

    return run


def check_text(text: str) -> None:
    """Nothing but ends of lines moves a terminal's cursor, and they come soon."""
    assert not [c for c in text if unicodedata.category(c) in OBEYED and c != "\n"]
    assert max(map(len, text.split("\n"))) < LINE


@pytest.fixture
def hostile(tmp_path: Path) -> dict[str, Path]:
    """A float graph, the network made of it and its images, all of whose texts attack a terminal, in files."""
    rng = np.random.default_rng(5)
    nodes = [
        Node("flat", "flatten", ("input",)),
        Node("one", "dense", ("flat",), {}, {"weight": rng.normal(0, 0.3, (4, 4)), "bias": rng.normal(0, 0.1, 4)}),
        Node("relu", "relu", ("one",)),
        Node("head", "dense", ("relu",), {}, {"weight": np.eye(4)[:2], "bias": np.zeros(2)}),
    ]
    graph = Graph(fsref.Pixels(1, 2, 2), nodes, LONG, ("a" + EVIL, "b" + EVIL), (EVIL, LONG))
    x = rng.integers(0, 256, (8, 1, 2, 2))
    provenance = {EVIL: {EVIL: LONG}, LONG: EVIL}
    net = replace(fsref.convert(graph, x, steps=4), name=LONG, classes=["a" + LONG, "b" + EVIL], provenance=provenance)
    paths = {name: tmp_path / name for name in ("graph.npz", "net.npz", "x.npz")}
    fsref.save(graph, paths["graph.npz"])
    fsref.save(net, paths["net.npz"])
    np.savez(paths["x.npz"], x=x, y=rng.integers(0, 2, 8))
    return {path.stem: path for path in paths.values()}


def test_every_verb_prints_a_hostile_network_harmlessly(verb: Verb, hostile: dict[str, Path], tmp_path: Path) -> None:
    """Names, classes, notes and provenance are escaped and cut by every verb, and are whole in JSON."""
    net, graph, x = hostile["net"], hostile["graph"], ("--data", hostile["x"])
    for arguments in (
        ("info", net),
        ("info", net, "--timeline"),
        ("run", net, *x),
        ("run", net, *x, "--events"),
        ("evaluate", net, *x, "--energy", "horowitz_2014", "--html", tmp_path / "page.html"),
        ("check", net, *x),
        ("check", net),
        ("compare", graph, net, *x, "--plot", tmp_path / "compared.svg"),
        ("convert", graph, "--data", hostile["x"], "--out", tmp_path / "new.npz"),
        ("export", net, "--format", "onnx", "--out", tmp_path / "net.onnx"),
    ):
        code, out, err = verb(*map(str, arguments))
        assert code == 0 and out and not err.startswith("fsref: error"), (arguments, err)
        assert len(out + err) < len(LONG), f"{arguments[0]} prints a text of a file whole"
    for made in ("page.html", "compared.svg"):
        text = (tmp_path / made).read_text(encoding="utf-8")
        assert not [c for c in text if unicodedata.category(c) in OBEYED and c != "\n"], made
    np.save(tmp_path / "one.npy", np.load(hostile["x"])["x"][0])
    code, out, err = verb(
        "explain", net, tmp_path / "one.npy", "--population", fsref.load(net).fs[0].name, "--neuron", 0
    )
    assert code == 0, err


def test_json_holds_what_the_file_says(capsys: pytest.CaptureFixture[str], hostile: dict[str, Path]) -> None:
    """JSON is ASCII that escapes, and its texts are whole."""
    assert cli.main(["info", str(hostile["net"]), "--json"]) == 0
    out = capsys.readouterr().out
    assert json.loads(out)["network"] == LONG and out.isascii() and "\x1b" not in out


def attacks() -> dict[str, bytes]:
    """Files that are refused for a text of theirs, each with the text in another place."""
    members = members_of(npz.to_bytes(tiny()))
    manifest = json.loads(members["manifest.json"])

    def told(**changes: Any) -> bytes:
        return pack({**members, "manifest.json": json.dumps({**manifest, **changes}).encode()}, "x")

    def entry(**changes: Any) -> bytes:
        first, *others = manifest["populations"]
        return told(populations=[{**first, **changes}, *others])

    bias = "population.1.bias.npy"
    description = {"format": 1, "nodes": [{"name": "n", "op": "relu", "inputs": ["input"]}]}

    def graph(**changes: Any) -> bytes:
        text = json.dumps({**description, **changes}).encode()
        return pack({"graph.npy": array(np.frombuffer(text, np.uint8), "|u1")}, "x")

    node = description["nodes"][0]  # type: ignore[index]
    return {
        "key": told(**{LONG: 1}),
        "key.of": entry(**{EVIL: 1}),
        "version": told(spec_version=LONG),
        "name": entry(name=LONG),
        "kind": entry(kind=EVIL),
        "member": pack({**members, LONG[:60000]: b""}, "x"),
        "array": pack({**members, bias: npy(b"", (3,), EVIL)}, "x"),
        "shape": pack({**members, bias: npy(b"", (EVIL,))}, "x"),
        "target": told(projections=[{**manifest["projections"][0], "target": LONG}, *manifest["projections"][1:]]),
        "not": EVIL.encode(),
        "graph.key": graph(**{EVIL: 1}),
        "graph.node": graph(nodes=[{**node, "name": LONG}]),
        "graph.op": graph(nodes=[{**node, "op": LONG}]),
        "graph.input": graph(nodes=[{**node, "inputs": [LONG]}]),
        "graph.attribute": graph(nodes=[{**node, "attributes": {EVIL: LONG}}]),
        "graph.member": pack({**members_of(graph()), f"n.{EVIL}.npy": b""}, "x"),
    }


@pytest.mark.parametrize("what", attacks())
def test_what_is_refused_is_told_harmlessly(verb: Verb, tmp_path: Path, what: str) -> None:
    """The error of a file with a hostile text is one line, and so is one about a file with a hostile name."""
    path = tmp_path / "a\x1b[31m\u202e.npz"
    path.write_bytes(attacks()[what])
    verbs = [("compare", path, "digits"), ("convert", path, "--data", "digits", "--out", tmp_path / "new.npz")]
    if not what.startswith("graph."):
        verbs = [("info", path), ("export", path, "--format", "onnx", "--out", tmp_path / "x.onnx")]
    for arguments in verbs:
        code, out, err = verb(*arguments)
        assert code == 2 and out == "" and err.startswith("fsref: error: "), (what, err)
        assert "\\u202e" in err


def test_sources_of_images_and_costs_are_told_harmlessly(verb: Verb, hostile: dict[str, Path], tmp_path: Path) -> None:
    """Names of files and folders, keys and dtypes of arrays, keys of cost tables: none reaches the terminal raw."""
    folder = tmp_path / "f\x1b[2J"
    folder.mkdir()
    (folder / "a\u202e.png").write_bytes(b"no picture")
    wrong = tmp_path / "wrong.npz"
    np.savez(wrong, x=np.zeros((2, 1, 2, 2), [("\x1b", "<i4")]))
    named = tmp_path / "named.npz"
    np.savez(named, **{"a\x1b\u202e": np.zeros(1)})
    costs = tmp_path / "costs.json"
    costs.write_text(json.dumps({EVIL: 1}))
    for source in (folder, wrong, named, tmp_path / "none\x1b"):
        code, _, err = verb("evaluate", hostile["net"], "--data", source)
        assert code == 2 and err.startswith("fsref: error: "), source
    code, _, err = verb("evaluate", hostile["net"], "--data", hostile["x"], "--energy", costs)
    assert code == 2 and err.startswith("fsref: error: ")


@pytest.mark.skipif(os.name == "nt", reason="names of POSIX files")
def test_a_source_that_is_used_is_told_in_one_line(verb: Verb, hostile: dict[str, Path], tmp_path: Path) -> None:
    """The name of a source ends no line where a verb says which images it took."""
    source = hostile["x"].rename(tmp_path / "x\n.npz")
    for words in (
        ("compare", hostile["graph"], hostile["net"]),
        ("convert", hostile["graph"], "--out", tmp_path / "n"),
    ):
        code, out, _ = verb(*words, "--data", source)
        assert code == 0 and "x\\n.npz" in "".join(out.split()), words


def test_an_error_is_a_line_of_bounded_length() -> None:
    """Place, problem, value and limit are each escaped and cut; a value that Python would not print is named by its
    type.
    """
    line = str(FsrefError("NET-2", LONG, LONG, LONG, LONG))
    check_text(line)
    assert line.endswith(" [NET-2]") and len(f"fsref: error: {line}") < ERROR
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    for value in (10**5000, [10**5000], deep):
        name = type(value).__name__
        assert str(FsrefError("NET-2", "x", "wrong", value)) == f"x: wrong: {name} too large to print [NET-2]"
        assert literal(value) == f"{name} too large to print"
    assert shown("a" * SHOWN) == "a" * SHOWN and len(shown("b" * (SHOWN + 1))) == SHOWN
    assert shown("a" * SHOWN + "end").endswith("aend") and "..." in shown("a" * SHOWN + "end")
    assert str(FsrefError("NET-2", "x", "wrong", "1\n  2", "a\tb")) == "x: wrong: 1 2 (a b) [NET-2]"
    assert literal("1") == "'1'"


def test_a_hostile_sheet_is_harmless() -> None:
    """Whatever text a table is given, as title, head, cell or fact: as text and as HTML it moves no cursor."""
    for text in (EVIL, LONG):
        sheet = Sheet(text, (text,), [(text,)], above=[(text, text)], below=[(text, text)])
        check_text(sheet.html())
        check_text(str(sheet))
        assert "\n" not in sheet.html()


def test_the_name_of_a_class_is_cut() -> None:
    """A class with a text for a name is told in a few words."""
    told = class_name(tiny(classes=[LONG, "b"]), 0)
    check_text(told)
    assert told.startswith("0 \\x1b[2J") and "\n" not in told and len(told) < 100


def test_a_wrong_command_line_is_told_harmlessly(verb: Verb) -> None:
    """What click says of a word that it does not know is one line of text."""
    for words in (
        ("x" + EVIL,),
        ("info", "--" + EVIL),
        ("info", "digits", EVIL),
        ("export", "digits", "--format", EVIL),
    ):
        code, out, err = verb(*words)
        assert (code, out) == (2, "") and err.startswith("fsref: error: ") and err.count("\n") == 1, err


def test_a_long_table_says_what_it_leaves_out() -> None:
    """Of many rows the first and the last are drawn, as text and as HTML."""
    rows = [(f"row{i}.", i) for i in range(ROWS + 500)]
    sheet = Sheet("many", ("name", "number"), rows, below=[("all", "told")])
    text, html = str(sheet), sheet.html()
    for drawn in (text, html):
        assert f"row{ROWS - 2}." in drawn and f"row{ROWS - 1}." not in drawn and f"row{ROWS + 499}." in drawn
        assert f"the first {ROWS - 1:,} and the last of {ROWS + 500:,}" in drawn
    whole = Sheet("all", ("name", "number"), rows[:ROWS])
    assert f"row{ROWS - 1}." in str(whole) and "the first" not in str(whole) + whole.html()
