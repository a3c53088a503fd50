"""Layouts of memories: words, order of bits and bytes, addresses, as HARDWARE.md says them (LAYOUT-1 to LAYOUT-3)."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import naive_memories as naive
from fsref import Conv2d, Dense, Network, Readout
from fsref.errors import FileError, UsageError
from fsref.formats import hexadecimal, layout, memories
from fsref.formats.words import Words
from handmade import NETS, chain, residual, tiny
from naive_memories import PLAIN
from refusals import refused

LAYOUTS: dict[str, dict[str, Any]] = {
    "none": {},
    "hwc": {"neurons": "hwc"},
    "turned": {"bits": "low", "bytes": "low"},
    "wide": {"word": 70, "bytes": "low"},
    "bits": {"word": 35, "bits": "low", "neurons": "hwc"},
}


def as_text(words: Words) -> list[str]:
    """The words as the lines of a file."""
    return hexadecimal.lines(words).decode().split()


@pytest.mark.parametrize("bits", ["high", "low"])
@pytest.mark.parametrize("octets", ["high", "low"])
def test_words_from_the_page_alone(bits: str, octets: str) -> None:
    """Integers of every width, in words as wide or wider, are the digits that the page says, and come back."""
    rng = np.random.default_rng(3)
    for needed in (1, 2, 3, 7, 8, 9, 16, 17, 31, 33, 63, 64):
        low, high = -(2 ** (needed - 1)), 2 ** (needed - 1) - 1
        values = [0, low, high, *(int(v) for v in rng.integers(low, high, 20, endpoint=True))]
        for word in (None, needed, needed + 1, 71, 128):
            told = {"word": word, "bits": bits, "bytes": octets}
            chosen = layout.given(told, tiny())
            if word is not None and word < needed:
                continue
            words = chosen.pack(np.array(values), needed, "p")
            assert as_text(words) == naive.text(naive.words(values, needed, {**PLAIN, **told}))
            read = hexadecimal.words_of(hexadecimal.lines(words), words.bits, "p")
            assert chosen.unpack(read, needed, True, "p").tolist() == values
            whole = [v & (2 ** min(needed, 63) - 1) for v in values]
            words = chosen.pack(np.array(whole), needed, "p")
            assert as_text(words) == naive.text(naive.words(whole, needed, {**PLAIN, **told}))
            assert chosen.unpack(words, needed, False, "p").tolist() == whole
    assert (
        layout.given({"word": 8, "bits": bits, "bytes": octets}, tiny()).width_in_file(9) == (16, 9)[octets == "high"]
    )


@pytest.mark.parametrize("chosen", LAYOUTS)
@pytest.mark.parametrize("name", NETS)
def test_addresses(name: str, chosen: str) -> None:
    """Weights, biases and tables of a network lie where the page says."""
    net = NETS[name]()
    told = LAYOUTS[chosen]
    found = {m.file: as_text(m.words) for m in memories.parameters(net, layout.given(told, net))}
    assert found == {file: naive.text(w) for file, w in naive.parameters(net, {**PLAIN, **told})}


def test_a_permutation_by_population() -> None:
    """Columns of a dense projection and a bias map follow the permutation of their population; the others stay."""
    net, rng = residual(), np.random.default_rng(5)
    told = {"neurons": {"stem": rng.permutation(168).tolist(), "in": rng.permutation(84).tolist()}}
    found = {m.file: as_text(m.words) for m in memories.parameters(net, layout.given(told, net))}
    wanted = {file: naive.text(w) for file, w in naive.parameters(net, {**PLAIN, **told})}
    plain = {file: naive.text(w) for file, w in naive.parameters(net, PLAIN)}
    assert found == wanted
    assert {f for f in wanted if wanted[f] != plain[f]} == {"population.1.bias", "projection.5.weights"}


def test_one_of_each_form_by_hand() -> None:
    """Two weights, three words: what a reader of the page writes on paper."""
    net = chain(Conv2d("in", "out", [[[[-3]], [[5]]]]), given=_input(2), readout=Readout("out", (1, 1, 1), [-1]))
    weights, bias = memories.parameters(net, layout.Layout())
    assert (as_text(weights.words), weights.words.bits, weights.axes) == (
        ["d", "5"],
        4,
        ("output", "input", "row", "column"),
    )
    assert (as_text(bias.words), bias.words.bits) == (["1"], 1)
    turned = next(memories.parameters(net, layout.given({"bits": "low"}, net)))
    assert as_text(turned.words) == ["b", "a"]
    wide = next(memories.parameters(net, layout.given({"word": 12, "bytes": "low"}, net)))
    assert (as_text(wide.words), wide.words.bits) == (["fd0f", "0500"], 16)


def _input(channels: int) -> Any:
    """An input of so many channels."""
    import fsref

    return fsref.Input("in", (channels, 1, 1), 4, 15)


REFUSED: list[tuple[Any, str, str]] = [
    ({"width": 8}, "LAYOUT-1", "layout: unknown key: width"),
    ({"word": 0}, "LAYOUT-1", "layout word: not a width in bits: 0 (wanted 1..65536)"),
    ({"word": True}, "LAYOUT-1", "not a width in bits"),
    ({"word": 2**16 + 1}, "LAYOUT-1", "not a width in bits"),
    ({"word": "8"}, "LAYOUT-1", "not a width in bits"),
    ({"bits": "up"}, "LAYOUT-1", "layout bits: unknown: up (wanted high or low)"),
    ({"bytes": None}, "LAYOUT-1", "layout bytes: unknown"),
    ({"neurons": "whc"}, "LAYOUT-1", "wanted chw or hwc, or by population"),
    ({"neurons": [0]}, "LAYOUT-1", "layout neurons: unknown"),
    ({"neurons": {"nobody": [0, 1, 2]}}, "LAYOUT-3", "layout neurons: no such population: nobody (in, hid, out)"),
    ({"neurons": {"hid": [0, 1, 1]}}, "LAYOUT-3", "not a permutation: (3,) (each of 0..2 once)"),
    ({"neurons": {"hid": [[0], [1, 2]]}}, "LAYOUT-3", "not a permutation"),
    ({"neurons": {"hid": [0.0, 1.0, 2.0]}}, "LAYOUT-3", "not a permutation"),
    ({"neurons": {"hid": [0, 1, 2**70]}}, "LAYOUT-3", "not a permutation"),
    ({"spikes": "words"}, "LAYOUT-1", "wanted trains or steps"),
    ({"shift": -1}, "LAYOUT-4", "layout shift: not a shift: -1 (wanted 0..63)"),
    ({"shift": {"in": 1}}, "LAYOUT-4", "layout shift: no such population: in"),
    ({"shift": {"hid": 64}}, "LAYOUT-4", "not a shift: 64"),
    ([1], "LAYOUT-1", "layout: not a layout: list"),
]


@pytest.mark.parametrize(("told", "rule", "says"), REFUSED)
def test_what_is_no_layout(told: Any, rule: str, says: str, tmp_path: Path) -> None:
    """One line that names the key and what would do, from a mapping and from a file."""
    with refused(UsageError, rule, says=says):
        layout.given(told, tiny())
    (tmp_path / "l.json").write_text(json.dumps(told))
    with refused(UsageError, rule, says=says.removeprefix("layout: ")):
        layout.given(tmp_path / "l.json", tiny())


def test_a_layout_file(tmp_path: Path) -> None:
    """A JSON file says the same as a mapping; what cannot be read is one line."""
    told = {"word": 16, "neurons": {"hid": [2, 0, 1]}, "shift": {"hid": 1, "out": 2}}
    (tmp_path / "l.json").write_text(json.dumps(told))
    assert layout.given(str(tmp_path / "l.json"), tiny()).to_dict() == {**PLAIN, **told}
    for data in (b"{", b"\xff", b"[" * 100_000, b'{"word": 8, "word": 16}'):
        (tmp_path / "l.json").write_bytes(data)
        with refused(FileError, "LAYOUT-1", says="cannot be read"):
            layout.given(tmp_path / "l.json", tiny())
    os.mkfifo(tmp_path / "pipe.json")  # which would be waited for
    for path in (tmp_path / "none.json", tmp_path, f"{tmp_path}/a\0b", tmp_path / "pipe.json"):
        with refused(FileError, "LAYOUT-1", says="cannot be read"):
            layout.given(path, tiny())


def test_a_word_too_narrow_names_the_memory() -> None:
    """Nothing is cut: a word that is too narrow is refused before anything is written."""
    net: Network = tiny()
    with refused(UsageError, "LAYOUT-1", "in->hid weights", says="3 bits (words of 2)"):
        list(memories.parameters(net, layout.given({"word": 2}, net)))
    assert isinstance(net.projections[0], Dense)


def test_words_that_hold_no_integer() -> None:
    """Words of more than 64 bits are filled by their sign, or with 0; those that are not are refused by their number,
    as are bits beyond a word whose bytes are turned.
    """
    wide = layout.given({"word": 72}, tiny())
    for text, signed in ((b"0 80" + b"0" * 16, True), (b"0 00" + b"8" * 16, False), (b"0 ff" + b"7" * 16, True)):
        with refused(FileError, "LAYOUT-1", "f: word 1", says="is no integer of 64 bits"):
            wide.unpack(hexadecimal.words_of(text, 72, "f"), 8, signed, "f")
    turned = layout.given({"bytes": "low"}, tiny())
    with refused(FileError, "LAYOUT-2", "f: word 1", says="has more bits than a word (12 bits)"):
        turned.unpack(hexadecimal.words_of(b"ff0f ff1f", 16, "f"), 12, True, "f")
