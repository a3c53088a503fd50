"""Packs that `fsref conform` keeps (VECTOR-3): made once, and the same when they are read again."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fsref.limits.chip import Limits
from fsref.vectors import kept
from fsref.vectors.making import make
from fsref.vectors.pack import Pack, lines

CHIP = Limits(name="one", kinds=("input", "fs", "readout", "dense"), steps=(2, 3), shape=(4, 1, 1), tables="relu")
ASKED = ("conform", CHIP, 1, ("neuron",))
MADE = make("conform", None, CHIP, 1, ("neuron",))


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Where packs are kept, empty."""
    monkeypatch.setattr(kept, "users_cache", lambda: tmp_path)
    return tmp_path / "fsref" / "packs"


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Pack]:
    """The packs made so far."""
    found: list[Pack] = []

    def make_it(*_: object) -> Pack:
        found.append(MADE)
        return MADE

    monkeypatch.setattr(kept, "make", make_it)
    return found


def test_what_is_read_is_what_was_made(folder: Path, made: list[Pack]) -> None:
    """The second time nothing is made, and the pack is the same, byte by byte."""
    first, second = kept.pack_for(*ASKED), kept.pack_for(*ASKED)
    assert len(made) == 1 and second is not first
    assert list(lines(first)) == list(lines(second)) == list(lines(MADE))
    assert [case.id for case in second.cases] == [case.id for case in MADE.cases]
    assert [*second.bins.items()] == [*first.bins.items()]  # in the same order, as a report tells them


def test_what_is_asked_otherwise_is_another_pack(
    folder: Path, made: list[Pack], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other limits, scopes, a level or another fsref find nothing of it."""
    kept.pack_for(*ASKED)
    other = Limits(name="one", kinds=CHIP.kinds, steps=(2, 4), shape=(4, 1, 1), tables="relu")
    for asked in (
        ("conform", other, 1, ("neuron",)),
        ("conform", CHIP, 1, ("network",)),
        ("conform", CHIP, 2, ("neuron",)),
    ):
        kept.pack_for(*asked)
    monkeypatch.setattr(kept, "sources", lambda: b"another")
    kept.pack_for(*ASKED)
    assert len(made) == 5 and len(list(folder.glob("*.jsonl"))) == 5


@pytest.mark.parametrize("damage", ["", "not a pack", "{}\n", None])
def test_what_is_damaged_is_made_anew(folder: Path, made: list[Pack], damage: str | None) -> None:
    """A file that is empty, no pack, cut short or a folder is not believed, and not in the way."""
    kept.pack_for(*ASKED)
    (file,) = folder.glob("*.jsonl")
    file.write_text(file.read_text()[:-70] if damage is None else damage)
    assert list(lines(kept.pack_for(*ASKED))) == list(lines(MADE))
    assert len(made) == 2
    kept.pack_for(*ASKED)
    assert len(made) == 2


def test_where_nothing_is_kept_it_is_made(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, made: list[Pack]) -> None:
    """A cache that is a file, or no home at all, costs the time and nothing else."""
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setattr(kept, "users_cache", lambda: blocked)
    assert kept.pack_for(*ASKED) is MADE

    def homeless() -> Path:
        raise RuntimeError

    monkeypatch.setattr(kept, "users_cache", homeless)
    assert kept.pack_for(*ASKED) is MADE
    monkeypatch.setattr(kept, "sources", lambda: b"")
    assert kept.pack_for(*ASKED) is MADE
    assert len(made) == 3


def test_few_are_kept(folder: Path, made: list[Pack], monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond so many the one that was not used for longest goes."""
    monkeypatch.setattr(kept, "MOST", 2)
    files = []
    for level, when in ((1, 100), (2, 200), (3, 300)):
        kept.pack_for("conform", CHIP, level, ("neuron",))
        files += [file for file in folder.glob("*.jsonl") if file not in files]
        os.utime(files[-1], (when, when))
    assert [file.exists() for file in files] == [False, True, True]
