"""How things show themselves: a repr of one short line without arrays, text of 80 plain columns, bold on a terminal, a
table in a notebook.
"""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import pkgutil
from dataclasses import replace
from html.parser import HTMLParser
from io import StringIO
from typing import Any

import numpy as np
import pytest
from rich.console import Console

import fsref
from fsref.errors import FsrefError
from fsref.formats.sources import ImageSet
from fsref.graph.graph import Graph, Node
from fsref.law.neuron import fire, staircase
from fsref.law.pipelining import pipelining
from fsref.rate_coding.score import rate_score
from fsref.rate_coding.twin import rate_coded
from fsref.simulation.pipeline import run_pipelined
from fsref.simulation.recording import Record, select
from fsref.tables import LINE, WIDTH, Sheet, Shown, brief
from fsref.testing import Case, verify
from fsref.verification.golden import SelfCheck
from handmade import draw, residual

EVIL = "<b>\x1b[31m\u202e\n&evil"
LONG = "a_name_of_64_characters." * 2 + "x" * 16
# Folders whose every class has been looked at: what holds arrays says so in few words.
FOLDERS = (
    *("law", "engines", "graph", "formats", "simulation", "importers", "metrics"),
    *("conversion", "rate_coding", "verification", "reports"),
)


def net() -> fsref.Network:
    """Every kind, names as long as they may be, and texts that a page or a terminal might obey."""
    plain = residual(fsref.fs_relu(5, 9))
    names = {p.name: p.name if p.name in ("in", "out") else f"{p.name}.{LONG}"[:64] for p in plain.populations}

    about = {"scale": 0.25, "offset": 1, "width": fsref.Width(40, "final")}

    def renamed(p: Any) -> Any:
        ends = {end: names[getattr(p, end)] for end in ("name", "source", "target") if hasattr(p, end)}
        return replace(p, **ends, **(about if p in plain.fs else {}))

    parts = [[renamed(p) for p in side] for side in (plain.populations, plain.projections)]
    return fsref.Network(*parts, EVIL * 10, 0.5, [f"{EVIL} {i}" for i in range(3)])


def graph() -> tuple[Graph, fsref.Network, Any]:
    """A float graph named by an attack, its network, and images."""
    rng = np.random.default_rng(5)
    weights = {"weight": rng.normal(0, 0.3, (4, 12)), "bias": rng.normal(0, 0.1, 4)}
    nodes = [Node("flat", "flatten", ("input",)), Node("one", "dense", ("flat",), {}, weights)]
    nodes += [
        Node("relu", "relu", ("one",)),
        Node("head", "dense", ("relu",), {}, {"weight": np.eye(4), "bias": np.zeros(4)}),
    ]
    model = Graph(fsref.Pixels(3, 2, 2), nodes, EVIL, notes=(EVIL,))
    x = rng.integers(0, 256, (8, 3, 2, 2))
    return model, replace(fsref.convert(model, x, steps=4), name=EVIL), x


def everything() -> dict[str, Any]:
    """One of each public class, and one of each kind of result."""
    made, x = net(), draw(net(), 30, seed=2)
    labels = np.zeros(30, np.int64)
    result = fsref.run(made, x, record=Record(observables=("sums", "opening", "spikes", "membranes", "codes")))
    score = fsref.evaluate(made, x, labels)
    model, converted, codes = graph()
    fs = made.fs[0]
    found = {p.kind: p for p in made.populations} | {type(q).__name__: q for q in made.projections}
    found |= {"Network": made, "Table": fs.table, "any Table": residual().fs[1].table, "Range": made.ranges[fs.name]}
    row = [rows[0] for rows in fs.table.rows(4)]
    found |= {"Gate": fsref.Gate("a", "b", "c", [1, 2]), "View": fsref.View("v", (1, 1, 2), "a", [0], [0, -1])}
    found |= {"Width": fs.width, "Pixels": converted.contract, "wide Pixels": fsref.Pixels(5, 2, 2, (1, 2, 3, 4, 5))}
    found |= {"Staircase": staircase(*row, -500, 500), "Firing": fire(9, *row)}
    found |= {"Schedule": made.schedule, "Pipelining": pipelining(made, 1)}
    found |= {"Result": result, "Trace": result.trace, "Record": Record({fs.name: range(100)})}
    found |= {"Selection": select(made, Record()), "ImageSet": ImageSet(x, labels, (EVIL,) * 30)}
    found |= {"unlabelled ImageSet": ImageSet(x, None, (EVIL,) * 30)}
    found |= {"Activity": next(iter(fsref.engines.reference.simulator(made)(x, {})))}
    found |= {"Score": score, "Counts": score.counts, "Work": score.counts.total, "Energy": fsref.energy(score.counts)}
    found |= {"Costs": found["Energy"].costs}
    found |= {"RateScore": rate_score(rate_coded(made, "best", "nearest").run(x, 20), labels, "horowitz_2014")}
    found |= {"RateResult": found["RateScore"].result, "Twin": found["RateScore"].result.twin}
    found |= {"CheckReport": fsref.check(made, x), "Difference": fsref.diff(*_different(made, x))}
    found |= {f"Explanation of {p.kind}": fsref.explain(made, x[0], p.name, 0) for p in made.populations}
    found |= {"Graph": model, "Comparison": fsref.compare(model, converted, codes, np.zeros(8, np.int64))}
    found |= {"Loss": found["Comparison"].rows[0], "Pipelined": run_pipelined(made, x[:2])}
    found |= {"Agreement": verify(made, lambda images: fsref.run(made, images).logits, max_examples=0)}
    found |= {"SelfCheck": SelfCheck("digits", made.id, 7, (f"a: {EVIL}",)), "Case": Case(made, x)}
    return found


def _different(made: fsref.Network, x: Any) -> tuple[Any, Any]:
    """Recordings that differ."""
    trace = fsref.run(made, x, record=["in"]).trace
    return replace(trace, arrays={key: values + 1 for key, values in trace.arrays.items()}), trace


THINGS = everything()
TABLES = {name: thing for name, thing in THINGS.items() if isinstance(thing, Shown)}


class Reader(HTMLParser):
    """The text of HTML, and its tags."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text, self.tags = "", []  # type: ignore[var-annotated]
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


def test_every_public_class_is_here() -> None:
    """What `fsref` exports as a class, and what its functions give back, is looked at below."""
    classes = {getattr(fsref, name) for name in fsref.__all__ if inspect.isclass(getattr(fsref, name))}
    assert {c for c in classes if not issubclass(c, FsrefError)} <= {type(thing) for thing in THINGS.values()}
    named = ["Comparison", "CheckReport", "FS", "Table", "Range", "ImageSet", "Score", "Result", "Network", "Counts"]
    named += ["Energy", "RateScore", "Agreement", "SelfCheck", "Graph", "Explanation"]
    assert set(named) <= {type(thing).__name__ for thing in TABLES.values()}


@pytest.mark.parametrize("name", THINGS)
def test_a_repr_is_one_short_line_without_arrays(name: str) -> None:
    line = repr(THINGS[name])
    assert len(line.splitlines()) == 1
    assert len(line) <= LINE
    assert "array(" not in line and " object at 0x" not in line


@pytest.mark.parametrize("name", TABLES)
def test_text_is_plain_and_80_columns_wide(name: str) -> None:
    """No control character, no colour, no trailing space, nothing cut; a network's id stands on one line."""
    text = str(TABLES[name])
    assert all(len(line) <= WIDTH and line == line.rstrip() and line.isprintable() for line in text.split("\n"))
    told = "".join(text.split())
    for sheet in sheets(TABLES[name].sheet()):
        for fact in (*sheet.above, *sheet.below):
            assert "".join(shown(fact[1]).split()) in told
        assert "".join(shown(sheet.title).split()) in told
        for row in sheet.rows:
            short = [str(v) for v in row if isinstance(v, str) and len(v) <= 30 and v.isprintable()]
            assert all(word in text for v in short for word in v.split())
    identity = getattr(THINGS[name], "id", None)
    assert identity is None or name in ("Comparison", "Agreement", "SelfCheck") or identity in text


def sheets(sheet: Sheet) -> list[Sheet]:
    """A sheet and those that follow it."""
    return [sheet, *(inner for more in sheet.more for inner in sheets(more))]


def shown(text: str) -> str:
    """A text as sheets print it."""
    return text.replace("\x1b", "\\x1b").replace("\u202e", "\\u202e").replace("\n", "\\n")


@pytest.mark.parametrize("name", TABLES)
def test_a_terminal_gets_it_bold(name: str) -> None:
    """Title and heads are bold on a terminal, and the words are those of the plain text."""
    out = StringIO()
    Console(file=out, force_terminal=True, width=WIDTH, color_system="standard", legacy_windows=False).print(
        TABLES[name]
    )
    plain = out.getvalue()
    assert "\x1b[1m" in plain
    for code in ("\x1b[1m", "\x1b[0m", "\x1b[1;31m"):
        plain = plain.replace(code, "")
    assert "\n".join(line.rstrip() for line in plain.rstrip().split("\n")) == str(TABLES[name])


@pytest.mark.parametrize("width", [20, 40, 60, 120])
@pytest.mark.parametrize("name", TABLES)
def test_any_width_will_do(name: str, width: int) -> None:
    """A narrow console folds, a wide one puts more columns side by side; no line is wider than it."""
    out = StringIO()
    Console(file=out, width=width, color_system=None, legacy_windows=False).print(TABLES[name])
    assert max(len(line.rstrip()) for line in out.getvalue().split("\n")) <= width


@pytest.mark.parametrize("name", TABLES)
def test_a_notebook_gets_a_table(name: str) -> None:
    """Every title, fact and cell is in the HTML, and all of it is text."""
    html = TABLES[name]._repr_html_()
    read = Reader(html)
    assert set(read.tags) <= {"table", "caption", "thead", "tbody", "tfoot", "tr", "th", "td"}
    assert "<b>" not in html and html.replace("\n", "").isprintable()
    every = sheets(TABLES[name].sheet())
    assert read.tags.count("table") == len(every)
    for sheet in every:
        texts = [sheet.title, *sheet.head, *(text for fact in (*sheet.above, *sheet.below) for text in fact)]
        texts += [str(value) for row in sheet.rows for value in row if isinstance(value, str)]
        assert not [text for text in texts if shown(text) not in read.text]


def test_alarms_are_red() -> None:
    """What a person must not overlook is red on a terminal, and plain where it is piped."""
    out = StringIO()
    sheet = Sheet("t", above=[("DIFFERS", "here")])
    Console(file=out, force_terminal=True, width=WIDTH, color_system="standard", legacy_windows=False).print(sheet)
    assert "\x1b[1;31mDIFFERS" in out.getvalue()
    assert str(sheet) == "t\n\nDIFFERS  here"


def test_the_layout_of_a_sheet() -> None:
    """Heads wrap only where there is no room, and stand on the rule; long text takes the room that is left and folds; a
    fact without a name goes on with the one above.
    """
    facts = [("a", "b"), ("", "c"), ("id", "0" * 77)]
    sheet = Sheet("t", ("name", "two words", "n"), [("x" * 50, 1, "y" * 20)], above=facts)
    assert str(sheet).splitlines() == [
        "t",
        "",
        "a   b",
        "    c",
        f"id  {'0' * 76}",
        "    0",
        "",
        f"{'name':<47}  two words  {'n':>20}",
        "-" * 80,
        f"{'x' * 47}  {1:>9}  {'y' * 20}",
        "xxx",
    ]
    narrow = Sheet("t", ("name", *("a head of words",) * 8), [("x" * 10, *range(8))])
    assert str(narrow).splitlines()[2:6] == [
        "            a head  a head  a head  a head  a head  a head  a head  a head",
        "                of      of      of      of      of      of      of      of",
        "name         words   words   words   words   words   words   words   words",
        "-" * 74,
    ]


def test_columns_that_do_not_fit_follow_below() -> None:
    """Behind the first column again, with as many columns as there is room for."""
    sheet = Sheet("t", ("name", *("some head",) * 5), [("x" * 20, *range(10**11, 10**11 + 5))])
    lines = [line.split() for line in str(sheet).splitlines() if line]
    assert [len(line) for line in lines] == [1, 7, 1, 4, 5, 1, 3]
    assert [word for line in (lines[3], lines[6]) for word in line if word[0] != "x"] == [
        f"{n:,}" for n in range(10**11, 10**11 + 5)
    ]


def test_an_id_is_never_folded() -> None:
    """A fact too long for the column of values stands right behind its name."""
    lines = str(Sheet("t", above=[("a name of 20 letters", "v"), ("id", "f" * 64), ("b", "w")])).splitlines()
    assert lines[2:] == ["a name of 20 letters  v", f"id  {'f' * 64}", "b                     w"]


def test_brief() -> None:
    """Arrays by type and shape, long containers by how much they hold, what is short as it is."""
    assert brief(np.zeros((2, 3), np.int8)) == "int8 (2, 3)"
    assert brief({"a": np.zeros(2, bool)}) == "{'a': bool (2,)}"
    assert (brief(range(100)), brief([1, (2, "x")])) == ("range of 100", "[1, [2, 'x']]")


def test_no_class_prints_its_arrays() -> None:
    """A dataclass that holds arrays has a repr of its own."""
    wordy = []
    for module in pkgutil.walk_packages(fsref.__path__, "fsref."):
        if module.name.split(".")[1] not in FOLDERS:
            continue
        for name, kind in vars(importlib.import_module(module.name)).items():
            if not (inspect.isclass(kind) and kind.__module__ == module.name and dataclasses.is_dataclass(kind)):
                continue
            types = " ".join(str(field.type) for field in dataclasses.fields(kind))
            if kind.__dataclass_params__.repr and any(
                word in types for word in ("Ints", "Reals", "Array", "Exact", "Trace")
            ):  # type: ignore[attr-defined]
                wordy.append(f"{module.name}.{name}")
    assert wordy == []
