"""The notebook of the guide: its cells run one after another, show what they promise, and are kept without outputs."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import site_notebook

ROOT = Path(__file__).resolve().parent.parent
BOOK = ROOT / "fsref" / "guide" / "think.ipynb"


def test_the_notebook_is_kept_without_outputs() -> None:
    """The file is what a notebook editor writes after its outputs are cleared: format 4.5, every cell with an id of its
    own, code neither numbered nor with outputs; lines are short enough for any screen.
    """
    told = json.loads(BOOK.read_text(encoding="utf-8"))
    assert (told["nbformat"], told["nbformat_minor"]) == (4, 5)
    assert len({cell["id"] for cell in told["cells"]}) == len(told["cells"])
    for cell in told["cells"]:
        assert all(len(line.rstrip("\n")) <= 120 for line in cell["source"])
        if cell["cell_type"] == "code":
            assert cell["outputs"] == [] and cell["execution_count"] is None
    assert BOOK.read_text(encoding="utf-8") == json.dumps(told, indent=1, ensure_ascii=False) + "\n"


def test_the_links_of_the_notebook_lead_somewhere() -> None:
    """Every link of its text leads to a page beside it."""
    text = "\n".join(cell.text for cell in site_notebook.cells(BOOK) if not cell.code)
    links = re.findall(r"\]\(([^)\s]+)\)", text)
    assert links and all((BOOK.parent / link).is_file() for link in links)


def test_the_notebook_runs_and_shows(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Run as a kernel would, from an empty folder: tables of a network, a run, a neuron and a comparison, and pictures,
    each drawn anew with the same bytes; the network of one's own reads digits as the float network does.
    """
    pytest.importorskip("matplotlib")
    monkeypatch.chdir(tmp_path)
    cells = site_notebook.cells(BOOK)
    shown = site_notebook.run(cells)
    kinds = [kind for one in shown for kind, _ in one.values]
    assert kinds.count("svg") >= 7 and kinds.count("html") >= 5
    assert all("<svg" in told for one in shown for kind, told in one.values if kind == "svg")
    printed = "".join(one.printed for one in shown)
    assert "a 5" in printed
    real, fs = map(float, re.findall(r"float ([\d.]+) %, FS ([\d.]+) %", printed)[0])
    assert real > 80 and abs(real - fs) < 5
    assert not list(tmp_path.iterdir())
